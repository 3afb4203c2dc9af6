//! The API held against Prometheus's OpenAPI document: for every path and method, requests with the
//! document's examples must be answered by its schemas, and wrong ones be refused by that of errors.

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
use tower::ServiceExt;

use schema::{Schemas, entries, items, json, text};

/// The document's file.
const DOCUMENT: &str = "openapi_3.2_golden.yaml";
/// Bytes of an answer.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// What a suite found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteResult {
    /// How many cases passed.
    pub passed: usize,
    /// How many cases there are.
    pub total: usize,
    /// One text for each case that failed: the case, what was expected, what came.
    pub failures: Vec<String>,
}

impl SuiteResult {
    fn add(&mut self, name: &str, case: Result<(), String>) {
        self.total += 1;
        match case {
            Ok(()) => self.passed += 1,
            Err(failure) => self.failures.push(format!("{name}: {failure}")),
        }
    }

    fn broken(why: impl std::fmt::Display) -> Self {
        SuiteResult { passed: 0, total: 1, failures: vec![why.to_string()] }
    }
}

/// Asks the API of [`fixture`] everything that the document in `dir` describes.
pub fn api(dir: &Path) -> SuiteResult {
    with_document(dir, |document| {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return SuiteResult::broken(error),
        };
        let router = fixture::api();
        let mut result = SuiteResult::default();
        for operation in operations(document) {
            for case in operation.cases() {
                let name = case.name(&operation);
                result.add(&name, runtime.block_on(operation.run(&router, &case)));
            }
        }
        result
    })
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
                    result.add(&name, if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) });
                }
            }
        }
        result
    })
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const LINES: &str = "application/x-ndjson";

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

    /// The document's examples, or all values if they can be counted.
    fn examples(&self) -> Vec<(String, Vec<String>)> {
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
            if let Some((_, values)) = parameter.examples().first() {
                set(&mut base, parameter.name, values);
            }
        }
        let mut cases = vec![Case::right("plain", base.clone())];
        for parameter in &parameters {
            for (what, values) in parameter.examples() {
                let mut pairs = base.clone();
                // What is valid only together with something else.
                match (parameter.name, values.first().map(String::as_str)) {
                    ("sort_dir", _) => set(&mut pairs, "sort_by", &["alpha".into()]),
                    ("sort_by", Some("score")) => set(&mut pairs, "search[]", &["a".into()]),
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
        responses.get(status.as_str()).or_else(|| responses.get("default"))
    }

    async fn run(&self, router: &Router, case: &Case) -> Result<(), String> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(&case.pairs);
        let form = form.finish();
        // The document has no example for the one parameter in a path.
        let mut uri = format!("/api/v1{}", self.path.replace("{name}", "job"));
        let mut request = Request::builder().method(self.method.clone());
        let mut body = Body::empty();
        if self.form().is_some() {
            request = request.header(header::CONTENT_TYPE, FORM);
            body = Body::from(form);
        } else if !form.is_empty() {
            uri = format!("{uri}?{form}");
        }
        let request = request.uri(uri).body(body).map_err(|error| error.to_string())?;
        let Ok(answer) = router.clone().oneshot(request).await;
        let (head, body) = answer.into_parts();
        let status = head.status;
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Err("not implemented".into());
        }
        let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await.map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if case.is_right != status.is_success() || !case.is_right && status != StatusCode::BAD_REQUEST {
            let wanted = if case.is_right { "2xx" } else { "400" };
            return Err(format!("status {status}, expected {wanted}: {body}"));
        }
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or("");
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
            _ => serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?,
        };
        let schema = content.get("schema").ok_or("the document has no schema")?;
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
