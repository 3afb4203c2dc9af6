//! The API held against an OpenAPI document, Prometheus's or our own: for every path and method, requests
//! with right values must be answered by the document's schemas, and wrong ones be refused by that of errors.

pub mod fixture;
mod schema;

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use config::Node;
use form_urlencoded::Serializer;
use http_body_util::{BodyExt, Limited};
use serde_json::Value as Json;
use testkit::SuiteResult;
use tower::ServiceExt;

use schema::{Schemas, entries, items, json, text};

/// The document's file.
const DOCUMENT: &str = "openapi_3.2_golden.yaml";
/// Bytes of an answer.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// A request: a path with its query, what its body is and the body.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// Path and query, from `/api/v1` on.
    pub uri: String,
    /// The body's type and the body; none if the type is empty.
    pub content_type: &'static str,
    /// See `content_type`.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// `Content-Type`, or "".
    pub content_type: String,
    /// The body; of a stream of events its beginning.
    pub body: Vec<u8>,
}

/// Sends a request to a server.
pub type Ask<'a> = &'a dyn Fn(&Asked) -> Result<Answered, String>;

/// Asks the API of [`fixture`] everything that the document in `dir` describes.
pub fn api(dir: &Path) -> SuiteResult {
    api_with(dir, Router::new())
}

/// The same with routes of other services, for the paths that belong to them.
pub fn api_with(dir: &Path, others: Router) -> SuiteResult {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return SuiteResult::broken(error),
    };
    let router = fixture::api().merge(others);
    with_document(dir, |document| run(document, &|asked| runtime.block_on(ask_router(&router, asked)), true))
}

/// Asks a server everything that its own description, as it serves it, describes. What the answers hold
/// depends on the server's data; only their form is looked at.
pub fn described(ask: Ask<'_>) -> SuiteResult {
    let uri = "/api/v1/openapi.yaml?openapi_version=3.2".to_string();
    let asked = Asked { method: Method::GET, uri, content_type: "", body: Vec::new() };
    let document = match ask(&asked) {
        Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        Err(error) => return SuiteResult::broken(error),
    };
    match Node::parse(&document) {
        Ok(document) => run(&document, ask, false),
        Err(error) => SuiteResult::broken(error.in_file("openapi.yaml")),
    }
}

/// What our own description lacks of the document in `dir`, or says otherwise: paths, methods, parameters with
/// their types, content types of answers.
pub fn description(dir: &Path) -> SuiteResult {
    let ours = match Node::parse(crate::openapi::DOCUMENT) {
        Ok(ours) => ours,
        Err(error) => return SuiteResult::broken(error.in_file("openapi.yaml")),
    };
    with_document(dir, |theirs| {
        let mut result = SuiteResult::default();
        for operation in operations(theirs) {
            let name = format!("{} {}", operation.method, operation.path);
            let same = operations(&ours)
                .into_iter()
                .find(|other| other.path == operation.path && other.method == operation.method);
            result.check(&name, same.ok_or("missing".to_string()).and_then(|same| operation.differs(&same)));
        }
        result
    })
}

fn run(document: &Node, ask: Ask<'_>, has_examples: bool) -> SuiteResult {
    let mut result = SuiteResult::default();
    for operation in operations(document) {
        for case in operation.cases() {
            // Examples name a time: what is there then, only the small world knows.
            if has_examples || case.result_type.is_none() {
                result.check(case.name(&operation), operation.run(ask, &case));
            }
        }
    }
    result
}

async fn ask_router(router: &Router, asked: &Asked) -> Result<Answered, String> {
    let request = Request::builder()
        .method(asked.method.clone())
        .uri(&asked.uri)
        .header(header::CONTENT_TYPE, asked.content_type)
        .body(Body::from(asked.body.clone()))
        .map_err(|error| error.to_string())?;
    let Ok(answer) = router.clone().oneshot(request).await;
    let (head, mut body) = answer.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("").to_string();
    let body = match content_type.starts_with(EVENTS) {
        // It does not end.
        true => match body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            _ => Default::default(),
        },
        false => {
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
            body.map_err(|error| error.to_string())?.to_bytes()
        }
    };
    Ok(Answered { status: head.status.as_u16(), content_type, body: body.to_vec() })
}

/// Holds the document's own examples of answers against its schemas: a test of the validator.
pub fn examples(dir: &Path) -> SuiteResult {
    with_document(dir, |document| {
        let schemas = Schemas::new(document);
        let mut result = SuiteResult::default();
        for operation in operations(document) {
            for (status, response) in operation.node.get("responses").into_iter().flat_map(entries) {
                let Some(content) = response.get("content").and_then(|content| content.get(JSON)) else {
                    continue;
                };
                let Some(schema) = content.get("schema") else { continue };
                for (name, example) in content.get("examples").into_iter().flat_map(entries) {
                    let value = example.get("value").map_or(Json::Null, json);
                    let errors = schemas.check(schema, &value);
                    let name = format!("{} {} {status} {name}", operation.method, operation.path);
                    result.check(&name, if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) });
                }
            }
        }
        result
    })
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";
/// Paths that speak protobuf; the document tells nothing of their bodies.
const PROTOBUF_PATHS: [&str; 3] = ["/read", "/write", "/otlp/v1/metrics"];

fn with_document(dir: &Path, work: impl FnOnce(&Node) -> SuiteResult) -> SuiteResult {
    let file = dir.join(DOCUMENT);
    match std::fs::read_to_string(&file) {
        Ok(document) => match Node::parse(&document) {
            Ok(document) => work(&document),
            Err(error) => SuiteResult::broken(error.in_file(&file.display().to_string())),
        },
        Err(error) => SuiteResult::broken(format!("{}: {error}", file.display())),
    }
}

/// What the document says about a path and a method.
struct Operation<'a> {
    document: &'a Node,
    path: &'a str,
    method: Method,
    node: &'a Node,
    /// The parameters of the path's GET: the form of its POST has the same.
    shared: Option<&'a Node>,
}

fn operations(document: &Node) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, methods) in document.get("paths").into_iter().flat_map(entries) {
        let shared = methods.get("get").and_then(|get| get.get("parameters"));
        for (method, node) in entries(methods) {
            if let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) {
                all.push(Operation { document, path, method, node, shared });
            }
        }
    }
    all
}

type Pairs = Vec<(String, String)>;

/// A request and what is expected of its answer.
struct Case {
    what: String,
    pairs: Pairs,
    is_right: bool,
    /// The type of a query's result, where the case asks for one.
    result_type: Option<String>,
}

impl Case {
    fn right(what: impl Into<String>, pairs: Pairs) -> Self {
        Case { what: what.into(), pairs, is_right: true, result_type: None }
    }

    fn wrong(what: impl Into<String>, pairs: Pairs) -> Self {
        Case { what: what.into(), pairs, is_right: false, result_type: None }
    }

    fn name(&self, operation: &Operation<'_>) -> String {
        format!("{} {} {}", operation.method, operation.path, self.what)
    }
}

/// A parameter of a request.
struct Parameter<'a> {
    name: &'a str,
    required: bool,
    node: &'a Node,
}

impl<'a> Parameter<'a> {
    fn read(node: &'a Node) -> Option<Self> {
        let required = node.get("required").and_then(text) == Some("true");
        let is_query = node.get("in").and_then(text) == Some("query");
        is_query.then_some(Parameter { name: node.get("name").and_then(text)?, required, node })
    }

    /// Right values, where a document has no examples.
    fn usual(&self, path: &str) -> Vec<(String, Vec<String>)> {
        let values: &[&str] = match self.name {
            "query" if path == "/query_range" => &["up", "sum by (job) (rate(up[5m]))", "1"],
            "query" => &["up", "sum by (job) (rate(up[5m]))", "1", "\"text\""],
            "match[]" | "match_target" => &["up", "{job!=\"\"}"],
            // Later than any start: 2100-01-01.
            "end" => &["4102444800.5", "2100-01-01T00:00:00Z"],
            "time" | "start" => &["1767361020.5", "2026-01-02T13:37:00Z"],
            "step" => &["604800", "1w"],
            "timeout" | "lookback_delta" => &["15", "1m30s"],
            "stats" => &["true", "all"],
            "labels" => &["{\"job\":\"prometheus\"}"],
            "label" => &["job"],
            "scrapePool" => &["prometheus"],
            "metric_name_pattern" => &[".*build.*"],
            "search[]" | "rule_name[]" | "rule_group[]" | "file[]" | "metric" | "job" => &["a"],
            "skip_head" => &["true", "false"],
            "group_next_token" => &["none"],
            // The number of a query that runs is not known.
            "id" => &[],
            _ => match self.node.get("schema").and_then(|schema| schema.get("type")).and_then(text) {
                Some("integer") => &["1", "100"],
                Some("boolean") => &["true", "false"],
                _ => &[],
            },
        };
        values.iter().map(|value| (format!("{} {value}", self.name), vec![value.to_string()])).collect()
    }

    /// The document's examples, or all values if they can be counted, or usual ones.
    fn examples(&self, path: &str) -> Vec<(String, Vec<String>)> {
        let examples: Vec<(String, Vec<String>)> = self
            .node
            .get("examples")
            .into_iter()
            .flat_map(entries)
            .filter_map(|(name, example)| {
                Some((format!("{} {name}", self.name), texts(example.get("value")?)))
            })
            .collect();
        let values = self.node.get("schema").and_then(|schema| schema.get("enum"));
        match values {
            Some(values) if examples.is_empty() => items(values)
                .filter_map(text)
                .map(|value| (format!("{} {value}", self.name), vec![value.to_string()]))
                .collect(),
            _ if examples.is_empty() => self.usual(path),
            _ => examples,
        }
    }

    /// A value that cannot be right. That of texts is known by their names.
    fn wrong_value(&self, path: &str) -> Option<&'static str> {
        let schema = self.node.get("schema")?;
        match self.name {
            "query" | "match[]" | "match_target" => return Some("{{"),
            "type" | "exclude_alerts" => return Some("neither"),
            "metric_name_pattern" => return Some("("),
            "labels" => return Some("{"),
            "scrapePool" if path != "/targets" => return Some("none"),
            _ => {}
        }
        if schema.get("enum").is_some() || schema.get("oneOf").is_some() {
            return Some("neither");
        }
        match schema.get("type").and_then(text) {
            Some("integer") => Some("many"),
            Some("boolean") => Some("neither"),
            _ => None,
        }
    }
}

/// A value as texts of a form: a list is several.
fn texts(value: &Node) -> Vec<String> {
    match json(value) {
        Json::Array(list) => list.iter().map(plain).collect(),
        other => vec![plain(&other)],
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn set(pairs: &mut Pairs, name: &str, values: &[String]) {
    pairs.retain(|(known, _)| known != name);
    pairs.extend(values.iter().map(|value| (name.to_string(), value.clone())));
}

impl Operation<'_> {
    fn cases(&self) -> Vec<Case> {
        let mut cases = match self.form() {
            Some(form) => self.form_cases(form),
            None => self.parameter_cases(),
        };
        self.result_cases(&mut cases);
        cases
    }

    fn form(&self) -> Option<&Node> {
        self.node.get("requestBody")?.get("content")?.get(FORM)
    }

    fn parameters<'a>(list: Option<&'a Node>) -> Vec<Parameter<'a>> {
        list.into_iter().flat_map(items).filter_map(Parameter::read).collect()
    }

    /// The required parameters alone, then each example of each, then each left out or wrong.
    fn parameter_cases(&self) -> Vec<Case> {
        let parameters = Self::parameters(self.node.get("parameters"));
        let mut base: Pairs = Vec::new();
        for parameter in parameters.iter().filter(|parameter| parameter.required) {
            if let Some((_, values)) = parameter.examples(self.path).first() {
                set(&mut base, parameter.name, values);
            }
        }
        let mut cases = vec![Case::right("plain", base.clone())];
        if PROTOBUF_PATHS.contains(&self.path) {
            cases.push(Case::wrong("no protobuf", Pairs::new()));
        }
        for parameter in &parameters {
            for (what, values) in parameter.examples(self.path) {
                let mut pairs = base.clone();
                // What is valid only together with something else.
                match (parameter.name, values.first().map(String::as_str)) {
                    ("sort_dir", _) => set(&mut pairs, "sort_by", &["alpha".into()]),
                    ("sort_by", Some("score")) => set(&mut pairs, "search[]", &["a".into()]),
                    ("step", _) if self.path == "/explain" => {
                        set(&mut pairs, "start", &["1767361020".into()]);
                        set(&mut pairs, "end", &["1767361080".into()]);
                    }
                    _ => {}
                }
                set(&mut pairs, parameter.name, &values);
                cases.push(match parameter.name {
                    // The example names no group that exists.
                    "group_next_token" => Case::wrong(what, pairs),
                    _ => Case::right(what, pairs),
                });
            }
        }
        self.wrong_cases(&parameters, &base, &mut cases);
        cases
    }

    /// Each example of the form, then the first one with something left out or wrong.
    fn form_cases(&self, form: &Node) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for (name, example) in form.get("examples").into_iter().flat_map(entries) {
            let mut pairs: Pairs = Vec::new();
            for (field, value) in example.get("value").into_iter().flat_map(entries) {
                set(&mut pairs, field, &texts(value));
            }
            cases.push(Case::right(name, pairs));
        }
        if cases.is_empty() {
            let mut pairs: Pairs = Vec::new();
            for parameter in Self::parameters(self.shared).iter().filter(|parameter| parameter.required) {
                if let Some((_, values)) = parameter.examples(self.path).first() {
                    set(&mut pairs, parameter.name, values);
                }
            }
            cases.push(Case::right("plain", pairs));
        }
        let base = cases.first().map(|case| case.pairs.clone()).unwrap_or_default();
        self.wrong_cases(&Self::parameters(self.shared), &base, &mut cases);
        cases
    }

    fn wrong_cases(&self, parameters: &[Parameter<'_>], base: &Pairs, cases: &mut Vec<Case>) {
        for parameter in parameters {
            if parameter.required {
                let mut pairs = base.clone();
                set(&mut pairs, parameter.name, &[]);
                cases.push(Case::wrong(format!("without {}", parameter.name), pairs));
            }
            if let Some(wrong) = parameter.wrong_value(self.path) {
                let mut pairs = base.clone();
                set(&mut pairs, parameter.name, &[wrong.to_string()]);
                cases.push(Case::wrong(format!("{} wrong", parameter.name), pairs));
            }
        }
    }

    /// A query for each kind of result that the document shows.
    fn result_cases(&self, cases: &mut Vec<Case>) {
        let Some(base) = cases.first().map(|case| case.pairs.clone()) else { return };
        let examples = self.content(StatusCode::OK, JSON).and_then(|content| content.get("examples"));
        for (name, example) in examples.into_iter().flat_map(entries) {
            let value = example.get("value").map_or(Json::Null, json);
            let Some(result_type) = value.pointer("/data/resultType").and_then(Json::as_str) else {
                continue;
            };
            if !base.iter().any(|(name, _)| name == "query") || !self.path.starts_with("/query") {
                continue;
            }
            let summary = example.get("summary").and_then(text).unwrap_or("");
            let metric = value.pointer("/data/result/0/metric/__name__").and_then(Json::as_str);
            let Some(query) = summary.split_once(": ").map(|(_, query)| query).or(metric) else { continue };
            // `scalar` takes a vector: Prometheus refuses the query that its document shows here.
            let query = if query == "scalar(42)" { "scalar(vector(42))" } else { query };
            let mut pairs = base.clone();
            set(&mut pairs, "query", &[query.to_string()]);
            let mut case = Case::right(format!("answers {name}"), pairs);
            case.result_type = Some(result_type.to_string());
            cases.push(case);
        }
    }

    fn content(&self, status: StatusCode, media_type: &str) -> Option<&Node> {
        self.response(status)?.get("content")?.get(media_type)
    }

    fn response(&self, status: StatusCode) -> Option<&Node> {
        let responses = self.node.get("responses")?;
        let response = responses.get(status.as_str()).or_else(|| responses.get("default"))?;
        match response.get("$ref").and_then(text) {
            Some(reference) => Schemas::new(self.document).resolve(reference),
            None => Some(response),
        }
    }

    /// What another description of the same says otherwise.
    fn differs(&self, other: &Operation<'_>) -> Result<(), String> {
        let parameters = |operation: &Operation<'_>| -> Vec<String> {
            let list = operation.node.get("parameters");
            let mut all: Vec<String> = list
                .into_iter()
                .flat_map(items)
                .map(|parameter| {
                    let part = |name| parameter.get(name).and_then(text).unwrap_or("").to_string();
                    let kind =
                        parameter.get("schema").map(|schema| operation.kind(schema)).unwrap_or_default();
                    format!("{} in {}, required {}, {kind}", part("name"), part("in"), part("required"))
                })
                .collect();
            all.sort();
            all
        };
        let form = |operation: &Operation<'_>| -> Vec<String> {
            let schema = operation.form().and_then(|form| form.get("schema"));
            let schema = schema.map(|schema| operation.resolved(schema));
            let properties = schema.and_then(|schema| schema.get("properties"));
            let mut all: Vec<String> = properties
                .into_iter()
                .flat_map(entries)
                .map(|(name, schema)| format!("{name}: {}", operation.kind(schema)))
                .collect();
            all.sort();
            all
        };
        let types = |operation: &Operation<'_>| -> Vec<String> {
            let content = operation.content(StatusCode::OK, JSON).map(|_| JSON);
            content.into_iter().map(str::to_string).collect()
        };
        for (what, ours, theirs) in [
            ("parameters", parameters(other), parameters(self)),
            ("form", form(other), form(self)),
            ("types", types(other), types(self)),
        ] {
            // The same may be answered more exactly than the document says.
            if ours != theirs && !(what == "types" && PROTOBUF_PATHS.contains(&self.path)) {
                return Err(format!("{what}: ours {ours:#?}, theirs {theirs:#?}"));
            }
        }
        Ok(())
    }

    fn resolved<'n>(&'n self, schema: &'n Node) -> &'n Node {
        let reference = schema.get("$ref").and_then(text);
        reference.and_then(|reference| Schemas::new(self.document).resolve(reference)).unwrap_or(schema)
    }

    /// The kind of a schema's values, in a few words.
    fn kind(&self, schema: &Node) -> String {
        let schema = self.resolved(schema);
        let part = |name: &str| schema.get(name).and_then(text).unwrap_or("").to_string();
        let of = schema.get("items").map(|items| self.kind(items)).unwrap_or_default();
        let one_of: Vec<String> =
            schema.get("oneOf").into_iter().flat_map(items).map(|schema| self.kind(schema)).collect();
        let values: Vec<&str> = schema.get("enum").into_iter().flat_map(items).filter_map(text).collect();
        format!("{} {} {of} {one_of:?} {values:?}", part("type"), part("format"))
    }

    fn run(&self, ask: Ask<'_>, case: &Case) -> Result<(), String> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(&case.pairs);
        let form = form.finish();
        // The document has no examples for parameters in a path.
        let path = self.path.replace("{name}", "job").replace("{id}", "18446744073709551615");
        let uri = format!("/api/v1{path}");
        let mut asked = Asked { method: self.method.clone(), uri, content_type: "", body: Vec::new() };
        if self.form().is_some() {
            (asked.content_type, asked.body) = (FORM, form.into_bytes());
        } else if !form.is_empty() {
            asked.uri = format!("{}?{form}", asked.uri);
        }
        let is_protobuf = PROTOBUF_PATHS.contains(&self.path);
        if is_protobuf {
            asked.content_type = "application/x-protobuf";
            // An empty message, compressed if the protocol says so; or what is neither.
            let right: &[u8] = if self.path.starts_with("/otlp") { b"" } else { b"\0" };
            asked.body = if case.is_right { right } else { b"\xff\xff" }.to_vec();
        }
        let answer = ask(&asked)?;
        let status = StatusCode::from_u16(answer.status).map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if self.path.contains("{id}") && status == StatusCode::NOT_FOUND && body.contains("does not run") {
            return Ok(());
        }
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Err(format!("not implemented: {body}"));
        }
        if case.is_right != status.is_success() || !case.is_right && status != StatusCode::BAD_REQUEST {
            let wanted = if case.is_right { "2xx" } else { "400" };
            return Err(format!("status {status}, expected {wanted}: {body}"));
        }
        // How protobuf is answered is the protocol's matter, and no content has no type.
        if is_protobuf || status == StatusCode::NO_CONTENT && self.response(status).is_some() {
            return Ok(());
        }
        let media_type = answer.content_type.split(';').next().unwrap_or("");
        let Some(content) = self.content(status, media_type) else {
            return Err(format!("status {status} with {media_type:?} is not in the document"));
        };
        let body = match media_type {
            LINES => {
                let lines: Result<Vec<Json>, _> = body.lines().map(serde_json::from_str).collect();
                let lines = lines.map_err(|error| format!("{error}: {body}"))?;
                if lines.last().is_none_or(|last| last["status"] != "success") {
                    return Err(format!("the last line does not tell success: {body}"));
                }
                Json::String(body)
            }
            EVENTS => {
                let event = body.split("\n\n").next().and_then(|event| event.strip_prefix("data: "));
                serde_json::json!({ "data": event })
            }
            _ => serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?,
        };
        let schema = content.get("schema").or_else(|| content.get("itemSchema"));
        let schema = schema.ok_or("the document has no schema")?;
        let errors = Schemas::new(self.document).check(schema, &body);
        if !errors.is_empty() {
            return Err(errors.join("\n"));
        }
        if !case.is_right && body["errorType"] != "bad_data" {
            return Err(format!("errorType is {}", body["errorType"]));
        }
        let Some(wanted) = &case.result_type else { return Ok(()) };
        let result = &body["data"];
        if result["resultType"] != wanted.as_str() || result["result"].as_array().is_none_or(Vec::is_empty) {
            return Err(format!("expected a {wanted} that is not empty, got {result}"));
        }
        Ok(())
    }
}
