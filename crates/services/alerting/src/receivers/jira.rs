//! Jira: one issue for each group, made when it fires, kept up to date, and moved on when it ends.
//! Issues are found again by a label. <https://developer.atlassian.com/cloud/jira/platform/rest/v2/>

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use config::{Fields, HttpClientConfig, Node, Result};
use gocompat::quote::quote;
use http::Method;
use serde_json::Value;

use super::answer::{accepted, during, refused};
use super::decode::{http_url, template};
use super::exchange::JSON;
use super::text::{cut_to_chars, hashed};
use super::tree::Tree;
use super::{Attempt, Context, Delivery, Memory, Notifier};
use crate::dispatch::Outcome;
use crate::json::{Object, texts};

/// Lengths that Jira takes.
const SUMMARY_MAX_CHARS: usize = 255;
const DESCRIPTION_MAX_CHARS: usize = 32_767;

/// The settings of one Jira receiver. The texts are templates, except those about transitions.
#[derive(Clone, Debug)]
pub struct Jira {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    /// Up to the version, `https://HOST/rest/api/2`.
    api_url: String,
    /// Whether issues are searched as the cloud does, which no longer has the old way.
    searches_as_cloud: bool,
    project: String,
    issue_type: String,
    summary: Updated,
    description: Updated,
    labels: Vec<String>,
    priority: String,
    reopen_transition: String,
    resolve_transition: String,
    wont_fix_resolution: String,
    reopen_duration_ms: i64,
    fields: Vec<(String, Tree)>,
}

/// A text of an issue, and whether an issue that exists gets it anew.
#[derive(Clone, Debug)]
struct Updated {
    template: String,
    is_updated: bool,
}

/// An issue that was found.
struct Issue {
    key: String,
    /// Whether its status counts as done; `None` if Jira does not say.
    is_done: Option<bool>,
}

/// Decodes one entry of `jira_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let api_url = fields.optional("api_url", http_url)?.or_else(|| context.global.jira_api_url.clone());
    let api_type = template(fields, "api_type", "auto")?;
    let (project, issue_type) = (template(fields, "project", "")?, template(fields, "issue_type", "")?);
    if project.is_empty() {
        return Err(fields.error("missing project in jira_config"));
    }
    if issue_type.is_empty() {
        return Err(fields.error("missing issue_type in jira_config"));
    }
    if !["auto", "cloud", "datacenter"].contains(&api_type.as_str()) {
        return Err(fields.error("unknown api_type on jira_config, must be auto, cloud or datacenter"));
    }
    let api_url = api_url.ok_or_else(|| fields.error("no global Jira Cloud URL set"))?;
    let jira = Jira {
        send_resolved,
        http,
        searches_as_cloud: api_type == "cloud" || api_type == "auto" && is_cloud(&api_url),
        api_url: api_url.trim_end_matches('/').to_string(),
        project,
        issue_type,
        summary: updated(fields, "summary", r#"{{ template "jira.default.summary" . }}"#)?,
        description: updated(fields, "description", r#"{{ template "jira.default.description" . }}"#)?,
        labels: fields.or("labels", Vec::new(), Node::strings)?,
        priority: template(fields, "priority", r#"{{ template "jira.default.priority" . }}"#)?,
        reopen_transition: template(fields, "reopen_transition", "")?,
        resolve_transition: template(fields, "resolve_transition", "")?,
        wont_fix_resolution: template(fields, "wont_fix_resolution", "")?,
        reopen_duration_ms: fields.or("reopen_duration", 0, Node::duration_ms)?,
        fields: fields.or("fields", Vec::new(), |node| node.map(Tree::decode))?,
    };
    taken.finish()?;
    Ok(Arc::new(jira))
}

/// A template, alone or in a section that also says whether it updates issues.
fn updated(fields: &mut Fields<'_>, name: &'static str, default: &str) -> Result<Updated> {
    let default = Updated { template: default.to_string(), is_updated: true };
    fields.or(name, default.clone(), |node| {
        if let Ok(template) = node.string() {
            return Ok(Updated { template, is_updated: true });
        }
        let mut fields = node.fields("jira.plain")?;
        let updated = Updated {
            template: template(&mut fields, "template", &default.template)?,
            is_updated: fields.or("enable_update", true, Node::boolean)?,
        };
        fields.finish()?;
        Ok(updated)
    })
}

/// Whether the server is Atlassian's own.
fn is_cloud(url: &str) -> bool {
    let host = config::Url::parse(url).map(|url| url.host).unwrap_or_default();
    host.ends_with("atlassian.net")
}

type Try<T> = std::result::Result<T, Outcome>;

impl Jira {
    async fn attempt(&self, delivery: &Delivery<'_>) -> Try<Outcome> {
        let fires = !delivery.is_resolved();
        let label = format!("ALERT{{{}}}", hashed(&delivery.notification.group_key));
        let found = self.search(delivery, &label, fires).await;
        let found = found.map_err(|failed| during("failed to look up existing issues", failed))?;
        let (method, path) = match &found {
            None if !fires => return Ok(Outcome::Taken(Memory::new())),
            None => (Method::POST, "issue".to_string()),
            Some(issue) => (Method::PUT, format!("issue/{}", issue.key)),
        };
        let body = self.issue(delivery, &label, found.is_some())?;
        let doing = format!("failed to {method} request to {path:?}");
        self.ask(delivery, method, &path, body).await.map_err(|failed| during(&doing, failed))?;
        if let Some(issue) = found {
            self.move_on(delivery, &issue, fires).await?;
        }
        Ok(Outcome::Taken(Memory::new()))
    }

    /// The issue of the group that is open, or was closed a short while ago and may be opened again.
    async fn search(&self, delivery: &Delivery<'_>, label: &str, fires: bool) -> Try<Option<Issue>> {
        let mut query = String::new();
        if !self.wont_fix_resolution.is_empty() {
            // An open issue has no resolution, which is not "another one" to Jira.
            let resolution = quote(&self.wont_fix_resolution);
            query.push_str(&format!("(resolution is EMPTY or resolution != {resolution}) and "));
        }
        let reopen_minutes = self.reopen_duration_ms / 60_000;
        if fires && !self.reopen_transition.is_empty() && reopen_minutes > 0 {
            query
                .push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{reopen_minutes}m) and "));
        } else {
            query.push_str("statusCategory != Done and ");
        }
        let project = delivery.text(&self.project);
        let project = project.map_err(|failed| during("invalid project template or value", failed))?;
        query.push_str(&format!(
            "project={} and labels={} order by status ASC,resolutiondate DESC",
            quote(&project),
            quote(label)
        ));
        let body =
            Object::new().json("fields", r#"["status"]"#).text("jql", &query).json("maxResults", "2").end();
        let url = if self.searches_as_cloud {
            format!("{}/search/jql", self.api_url).replacen("/rest/api/2/", "/rest/api/3/", 1)
        } else {
            format!("{}/search", self.api_url)
        };
        let said = self.ask_url(delivery, Method::POST, url, body).await;
        let said = read(said.map_err(|failed| during("HTTP request to JIRA API", failed))?)?;
        let issues = said.get("issues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if issues.len() > 1 {
            tracing::warn!(label, "several issues of Jira match; the one resolved last is taken");
        }
        let Some(issue) = issues.first() else { return Ok(None) };
        let status = issue.pointer("/fields/status");
        let category = status.map(|status| status.pointer("/statusCategory/key").and_then(Value::as_str));
        Ok(Some(Issue {
            key: issue.get("key").and_then(Value::as_str).unwrap_or_default().to_string(),
            is_done: category.map(|key| key == Some("done")),
        }))
    }

    /// The issue's document.
    fn issue(&self, delivery: &Delivery<'_>, label: &str, exists: bool) -> Try<String> {
        let text = |what: &str, template: &str| {
            delivery.text(template).map_err(|failed| during(&format!("{what} template"), failed))
        };
        let named = |name: &str| Object::new().text_if_any("name", name).end();
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let summary = cut_to_chars(text("summary", &self.summary.template)?, SUMMARY_MAX_CHARS);
        let project = text("project", &self.project)?;
        let issue_type = text("issue_type", &self.issue_type)?;
        let mut own = Vec::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            let mut json = String::new();
            value
                .push_json(&mut json, &|template| delivery.text(template))
                .map_err(|failed| during("fields template", failed))?;
            own.push((name.clone(), json));
        }
        let description = text("description", &self.description.template)?;
        let description = self.description_json(cut_to_chars(description, DESCRIPTION_MAX_CHARS))?;
        let mut labels = vec![label.to_string()];
        for (number, template) in self.labels.iter().enumerate() {
            labels.push(text(&format!("labels[{number}]"), template)?);
        }
        labels.sort_unstable();
        let priority = text("priority", &self.priority)?;

        if !exists || self.summary.is_updated {
            fields.insert("summary".into(), texts(&[summary]).concat());
        }
        if let Some(description) = description.filter(|_| !exists || self.description.is_updated) {
            fields.insert("description".into(), description);
        }
        fields.insert("project".into(), Object::new().text("key", &project).end());
        fields.insert("issuetype".into(), named(&issue_type));
        fields.insert("labels".into(), format!("[{}]", texts(&labels).join(",")));
        if !priority.is_empty() {
            fields.insert("priority".into(), named(&priority));
        }
        fields.extend(own);
        let mut object = Object::new();
        for (name, json) in &fields {
            object = object.json(name, json);
        }
        Ok(Object::new().json("fields", &object.end()).end())
    }

    /// A description is a text; version 3 of the API has documents instead, which a template may make
    /// itself. `None` if it is empty.
    fn description_json(&self, description: String) -> Try<Option<String>> {
        if !self.api_url.ends_with("/3") {
            return Ok((!description.is_empty()).then(|| texts(&[description]).concat()));
        }
        let trimmed = description.trim();
        if trimmed.is_empty() {
            return Ok(None);
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok() {
            return Ok(Some(trimmed.to_string()));
        }
        if trimmed.starts_with('{') {
            return Err(refused("other", "description template: invalid JSON for API v3"));
        }
        let paragraph = |line: &str| {
            let text = Object::new().text("type", "text").text("text", line).end();
            Object::new().text("type", "paragraph").json("content", &format!("[{text}]")).end()
        };
        let lines = trimmed.lines().filter(|line| !line.trim().is_empty());
        let paragraphs: Vec<String> = lines.map(paragraph).collect();
        let document = Object::new()
            .text("type", "doc")
            .json("version", "1")
            .json("content", &format!("[{}]", paragraphs.join(",")));
        Ok(Some(document.end()))
    }

    /// Opens an issue again whose group fires, and closes one whose group has ended, if the settings
    /// name the transition for it.
    async fn move_on(&self, delivery: &Delivery<'_>, issue: &Issue, fires: bool) -> Try<()> {
        let Some(is_done) = issue.is_done.filter(|_| !issue.key.is_empty()) else { return Ok(()) };
        let wanted = if fires { &self.reopen_transition } else { &self.resolve_transition };
        if is_done != fires || wanted.is_empty() {
            return Ok(());
        }
        let path = format!("issue/{}/transitions", issue.key);
        let said = read(self.ask(delivery, Method::GET, &path, String::new()).await?)?;
        let known = said.get("transitions").and_then(Value::as_array);
        let transition = known
            .into_iter()
            .flatten()
            .find(|transition| transition.get("name").and_then(Value::as_str) == Some(wanted.as_str()));
        let Some(id) = transition.and_then(|transition| transition.get("id")).and_then(Value::as_str) else {
            return Err(refused("other", format!("can't find transition {wanted} for issue {}", issue.key)));
        };
        let body = Object::new().json("transition", &Object::new().text("id", id).end()).end();
        self.ask(delivery, Method::POST, &path, body).await.map(|_| ())
    }

    async fn ask(&self, delivery: &Delivery<'_>, method: Method, path: &str, body: String) -> Try<Bytes> {
        self.ask_url(delivery, method, format!("{}/{path}", self.api_url), body).await
    }

    async fn ask_url(
        &self,
        delivery: &Delivery<'_>,
        method: Method,
        url: String,
        body: String,
    ) -> Try<Bytes> {
        let mut request = delivery.request(&self.http, method, url, JSON, body);
        // Names of transitions and messages come in the language asked for.
        request.headers.push(("accept-language".into(), "en".into()));
        accepted(delivery.send(request).await, &[]).map(|answer| answer.body)
    }
}

fn read(body: Bytes) -> Try<Value> {
    serde_json::from_slice(&body)
        .map_err(|error| refused("other", format!("cannot read the answer: {error}")))
}

impl Notifier for Jira {
    fn kind(&self) -> &'static str {
        "jira"
    }

    fn sends_resolved(&self) -> bool {
        self.send_resolved
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::testing::{
        again, decoded, firing, given_up, notifier, refuses, resolved, taken, tell, tell_of,
    };
    use crate::settings::Global;
    use serde_json::json;
    use testkit::http::{Reply, Request, Server};

    const LABEL: &str = "ALERT{6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b}";

    fn yaml(server: &Server, more: &str) -> String {
        format!(
            "api_url: '{}/rest/api/2'\nproject: OPS\nissue_type: Incident\ndescription: d\nsummary: s\npriority: ''\n{more}\n",
            server.url()
        )
    }

    /// A Jira with one issue of this status, or none.
    async fn server(status: Option<&'static str>) -> Server {
        Server::start(move |request: &Request| match (request.method.as_str(), request.path.as_str()) {
            (_, path) if path.contains("/search") => Reply::json(&json!({"issues": status.map(|key| json!({
                "key": "OPS-1", "fields": {"status": {"name": "x", "statusCategory": {"key": key}}}
            })).into_iter().collect::<Vec<_>>()})),
            ("GET", _) => Reply::json(
                &json!({"transitions": [{"id": "5", "name": "Done"}, {"id": "7", "name": "Reopen"}]}),
            ),
            _ => Reply::new(201, "{}"),
        })
        .await
    }

    fn body(server: &Server, at: usize) -> Value {
        serde_json::from_slice(&server.requests()[at].body).unwrap()
    }

    fn calls(server: &Server) -> Vec<String> {
        server.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    #[tokio::test]
    async fn a_new_group_gets_an_issue() {
        let server = server(None).await;
        let more = "labels: ['b {{ .Status }}', a]\npriority: '{{ .GroupLabels.alertname }}'\nfields: {customfield_1: {value: '{{ .Receiver }}'}, customfield_2: [3]}";
        taken(tell(&notifier(decode, &yaml(&server, more).replace("priority: ''\n", ""))).await);
        assert_eq!(calls(&server), ["POST /rest/api/2/search", "POST /rest/api/2/issue"]);
        let query = format!(
            "statusCategory != Done and project=\"OPS\" and labels=\"{LABEL}\" order by status ASC,resolutiondate DESC"
        );
        assert_eq!(body(&server, 0), json!({"fields": ["status"], "jql": query, "maxResults": 2}));
        assert_eq!(
            body(&server, 1),
            json!({"fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Incident"}, "summary": "s",
                "description": "d", "labels": [LABEL, "a", "b firing"], "priority": {"name": "Up"},
                "customfield_1": {"value": "team"}, "customfield_2": [3]}})
        );
        assert_eq!(server.requests()[1].header("accept-language"), "en");
    }

    #[tokio::test]
    async fn an_issue_is_updated_and_moved_on() {
        let more = "resolve_transition: Done\nreopen_transition: Reopen\nreopen_duration: 1h\nwont_fix_resolution: \"Won't\"";
        let open = server(Some("new")).await;
        let jira = notifier(decode, &yaml(&open, more));
        taken(tell(&jira).await);
        assert_eq!(calls(&open), ["POST /rest/api/2/search", "PUT /rest/api/2/issue/OPS-1"]);
        let query = body(&open, 0)["jql"].as_str().unwrap().to_string();
        let begin = "(resolution is EMPTY or resolution != \"Won't\") and (resolutiondate is EMPTY OR resolutiondate >= -60m) and project";
        assert!(query.starts_with(begin), "{query}");
        taken(tell_of(&jira, vec![resolved(&[("a", "b")])], Default::default()).await);
        assert_eq!(
            calls(&open)[2..],
            [
                "POST /rest/api/2/search",
                "PUT /rest/api/2/issue/OPS-1",
                "GET /rest/api/2/issue/OPS-1/transitions",
                "POST /rest/api/2/issue/OPS-1/transitions"
            ]
        );
        assert_eq!(body(&open, 5), json!({"transition": {"id": "5"}}));
        let done = server(Some("done")).await;
        taken(tell(&notifier(decode, &yaml(&done, more))).await);
        assert_eq!(body(&done, 3), json!({"transition": {"id": "7"}}));
    }

    #[tokio::test]
    async fn texts_that_do_not_update_are_left_alone() {
        let server = server(Some("new")).await;
        let yaml =
            yaml(&server, "").replace("description: d", "description: {template: d, enable_update: false}");
        let yaml = yaml.replace("summary: s", "summary: {template: s, enable_update: false}");
        taken(tell(&notifier(decode, &yaml)).await);
        let fields = &body(&server, 1)["fields"];
        assert_eq!((fields.get("summary"), fields.get("description")), (None, None));
    }

    #[tokio::test]
    async fn what_ended_before_it_was_told_makes_no_issue() {
        let server = server(None).await;
        let jira = notifier(decode, &yaml(&server, ""));
        taken(tell_of(&jira, vec![resolved(&[("a", "b")])], Default::default()).await);
        assert_eq!(calls(&server), ["POST /rest/api/2/search"]);
    }

    #[tokio::test]
    async fn version_3_has_documents() {
        let server = server(None).await;
        let yaml = |description: &str| {
            yaml(&server, "api_type: cloud")
                .replace("/rest/api/2", "/rest/api/3")
                .replace("description: d", &format!("description: {description:?}"))
        };
        taken(tell(&notifier(decode, &yaml("one\n\ntwo"))).await);
        assert_eq!(calls(&server), ["POST /rest/api/3/search/jql", "POST /rest/api/3/issue"]);
        let paragraph =
            |text: &str| json!({"type": "paragraph", "content": [{"type": "text", "text": text}]});
        assert_eq!(
            body(&server, 1)["fields"]["description"],
            json!({"type": "doc", "version": 1, "content": [paragraph("one"), paragraph("two")]})
        );
        taken(tell(&notifier(decode, &yaml(" {\"type\": \"doc\"} "))).await);
        assert_eq!(body(&server, 3)["fields"]["description"], json!({"type": "doc"}));
        let failure = given_up(tell(&notifier(decode, &yaml("{\"type\": "))).await);
        assert_eq!(failure.message, "description template: invalid JSON for API v3");
    }

    #[tokio::test]
    async fn long_texts_are_cut() {
        let server = server(None).await;
        let long = "é".repeat(40_000);
        let yaml = yaml(&server, "").replace("description: d", &format!("description: {long}"));
        taken(tell(&notifier(decode, &yaml.replace("summary: s", &format!("summary: {long}")))).await);
        let fields = &body(&server, 1)["fields"];
        let length = |name: &str| fields[name].as_str().unwrap().chars().count();
        assert_eq!((length("summary"), length("description")), (255, 32_767));
    }

    #[tokio::test]
    async fn failures_say_what_was_under_way() {
        let at = async |search: u16, issue: u16| {
            let server = Server::start(move |request: &Request| match request.path.ends_with("/search") {
                true if search == 200 => Reply::json(&json!({"issues": []})),
                true => Reply::new(search, "no"),
                false => Reply::new(issue, "not so"),
            })
            .await;
            tell_of(&notifier(decode, &yaml(&server, "")), vec![firing(&[])], Default::default()).await
        };
        let failure = again(at(503, 0).await);
        assert_eq!(
            failure.message,
            "failed to look up existing issues: HTTP request to JIRA API: unexpected status code 503: no"
        );
        assert_eq!(again(at(200, 429).await).reason, "rateLimited");
        let failure = given_up(at(200, 400).await);
        assert_eq!(
            failure.message,
            "failed to POST request to \"issue\": unexpected status code 400: not so"
        );
        let server = server(Some("new")).await;
        let jira = notifier(decode, &yaml(&server, "resolve_transition: Nowhere"));
        let failure = given_up(tell_of(&jira, vec![resolved(&[("a", "b")])], Default::default()).await);
        assert_eq!(failure.message, "can't find transition Nowhere for issue OPS-1");
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{issue_type: x}", "missing project in jira_config"),
                ("{project: x}", "missing issue_type in jira_config"),
                (
                    "{project: x, issue_type: x, api_type: z}",
                    "unknown api_type on jira_config, must be auto, cloud or datacenter",
                ),
                ("{project: x, issue_type: x}", "no global Jira Cloud URL set"),
            ],
        );
        let global =
            Global { jira_api_url: Some("https://a.atlassian.net/rest/api/2/".into()), ..Global::default() };
        assert!(decoded(decode, "{project: x, issue_type: x}", &global).unwrap().sends_resolved());
        assert!(is_cloud("https://a.atlassian.net/x") && !is_cloud("https://jira.example.com"));
    }
}
