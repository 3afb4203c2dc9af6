//! OpsGenie: an alert for each group, created, changed and closed by its alias.
//! <https://docs.opsgenie.com/docs/alert-api>

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};
use gocompat::template::{Functions, Template};
use http::Method;

use super::answer::{during, outcome_of};
use super::decode::{http_url, take_secret, template, templates, with_slash};
use super::exchange::JSON;
use super::text::{cut_to_chars, hashed, split_list};
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{Object, list_if_any, push_map, texts};

/// The length of an alert's message.
const MESSAGE_MAX_CHARS: usize = 130;
/// What a responder can be; `teams` stands for several teams by their names.
const RESPONDERS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

/// The settings of one OpsGenie receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct OpsGenie {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    api_key: SecretSource,
    /// Ends with a slash.
    api_url: String,
    message: String,
    description: String,
    source: String,
    details: Vec<(String, String)>,
    entity: String,
    responders: Vec<Responder>,
    actions: String,
    tags: String,
    note: String,
    priority: String,
    update_alerts: bool,
}

#[derive(Clone, Debug)]
struct Responder {
    id: String,
    name: String,
    username: String,
    kind: String,
}

/// Decodes one entry of `opsgenie_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let api_key = take_secret(fields, context.base, ("api_key", "api_key_file"))?;
    let api_url = fields.optional("api_url", http_url)?;
    let responders = fields.or("responders", Vec::new(), |node| node.list(responder))?;
    let Some(api_key) = api_key.or_else(|| context.global.opsgenie_api_key.clone()) else {
        return Err(fields.error("no global OpsGenie API Key set either inline or in a file"));
    };
    let opsgenie = OpsGenie {
        send_resolved,
        http,
        api_key,
        api_url: with_slash(api_url.unwrap_or_else(|| context.global.opsgenie_api_url.clone())),
        message: template(fields, "message", r#"{{ template "opsgenie.default.message" . }}"#)?,
        description: template(fields, "description", r#"{{ template "opsgenie.default.description" . }}"#)?,
        source: template(fields, "source", r#"{{ template "opsgenie.default.source" . }}"#)?,
        details: templates(fields, "details")?,
        entity: template(fields, "entity", "")?,
        responders,
        actions: template(fields, "actions", "")?,
        tags: template(fields, "tags", "")?,
        note: template(fields, "note", "")?,
        priority: template(fields, "priority", "")?,
        update_alerts: fields.or("update_alerts", false, Node::boolean)?,
    };
    taken.finish()?;
    Ok(Arc::new(opsgenie))
}

fn responder(node: &Node) -> Result<Responder> {
    let mut fields = node.fields("config.plain")?;
    let mut responder = Responder {
        id: template(&mut fields, "id", "")?,
        name: template(&mut fields, "name", "")?,
        username: template(&mut fields, "username", "")?,
        kind: template(&mut fields, "type", "")?,
    };
    let Responder { id, name, username, kind } = &responder;
    let shown = format!("opsGenieConfig responder {{{id} {name} {username} {kind}}}");
    if id.is_empty() && name.is_empty() && username.is_empty() {
        return Err(
            fields.error(format!("{shown} has to have at least one of id, username or name specified"))
        );
    }
    if kind.contains("{{") {
        Template::new("", Functions::new()).parse(kind).map_err(|error| {
            fields.error(format!("{shown} type contains invalid template syntax: {error}"))
        })?;
    } else {
        responder.kind = kind.to_lowercase();
        if !RESPONDERS.contains(&responder.kind.as_str()) {
            let allowed = RESPONDERS.join("|");
            return Err(fields.error(format!("{shown} type does not match valid options ^({allowed})$")));
        }
    }
    fields.finish()?;
    Ok(responder)
}

impl OpsGenie {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let key = delivery.secret(&self.api_key, "api_key_file").await?;
        let key = text(delivery, &key)?;
        let authorization = format!("GenieKey {}", key.trim());
        for (method, path, body) in self.calls(delivery)? {
            let url = format!("{}v2/alerts{path}", self.api_url);
            let mut request = delivery.request(&self.http, method, url, JSON, body);
            request.headers.push(("authorization".into(), authorization.clone()));
            match outcome_of(delivery.send(request).await, &[]) {
                Outcome::Taken(_) => {}
                failed => return Ok(failed),
            }
        }
        Ok(Outcome::Taken(Memory::new()))
    }

    /// What to ask for, in this order: method, path below the alerts, body.
    fn calls(&self, delivery: &Delivery<'_>) -> std::result::Result<Vec<(Method, String, String)>, Outcome> {
        let text = |template: &str| text(delivery, template);
        let alias = hashed(&delivery.notification.group_key);
        let of_alias = |what: &str| format!("/{alias}/{what}?identifierType=alias");
        let source = text(&self.source)?;
        if delivery.is_resolved() {
            let body = Object::new().text("source", &source).end();
            return Ok(vec![(Method::POST, of_alias("close"), body)]);
        }
        let message = cut_to_chars(text(&self.message)?, MESSAGE_MAX_CHARS);
        let description = text(&self.description)?;
        let common = delivery.data.common_labels();
        let mut details: BTreeMap<String, String> =
            common.iter().map(|(name, value)| (name.into(), value.into())).collect();
        for (name, value) in &self.details {
            details.insert(name.clone(), text(value)?);
        }
        let mut details_json = String::new();
        push_map(&mut details_json, details.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let tags = text(&self.tags)?;
        let actions = text(&self.actions)?;
        let body = Object::new()
            .text("alias", &alias)
            .text("message", &message)
            .text_if_any("description", &description)
            .json("details", &details_json)
            .text("source", &source)
            .json_if_any("responders", &list_if_any(&self.responders(delivery)?))
            .json_if_any("tags", &list_if_any(&texts(&split_list(&tags))))
            .text_if_any("note", &text(&self.note)?)
            .text_if_any("priority", &text(&self.priority)?)
            .text_if_any("entity", &text(&self.entity)?)
            .json_if_any("actions", &list_if_any(&texts(&split_list(&actions))))
            .end();
        let mut calls = vec![(Method::POST, String::new(), body)];
        if self.update_alerts {
            // Creating one that exists counts it, but does not change it.
            let body = Object::new().text_if_any("message", &message).end();
            calls.push((Method::PUT, of_alias("message"), body));
            let body = Object::new().text_if_any("description", &description).end();
            calls.push((Method::PUT, of_alias("description"), body));
        }
        Ok(calls)
    }

    fn responders(&self, delivery: &Delivery<'_>) -> std::result::Result<Vec<String>, Outcome> {
        let mut list = Vec::new();
        for responder in &self.responders {
            let id = text(delivery, &responder.id)?;
            let name = text(delivery, &responder.name)?;
            let username = text(delivery, &responder.username)?;
            let kind = text(delivery, &responder.kind)?;
            // Templates may well yield nothing for this group.
            if [&id, &name, &username, &kind].into_iter().all(String::is_empty) {
                continue;
            }
            if kind == "teams" {
                let teams = split_list(&name);
                list.extend(
                    teams.iter().map(|team| Object::new().text("name", team).text("type", "team").end()),
                );
                continue;
            }
            let responder = Object::new()
                .text_if_any("id", &id)
                .text_if_any("name", &name)
                .text_if_any("username", &username)
                .text("type", &kind);
            list.push(responder.end());
        }
        Ok(list)
    }
}

fn text(delivery: &Delivery<'_>, template: &str) -> std::result::Result<String, Outcome> {
    delivery.text(template).map_err(|failed| during("templating error", failed))
}

impl Notifier for OpsGenie {
    fn kind(&self) -> &'static str {
        "opsgenie"
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
    use testkit::http::{Reply, Server};

    fn yaml(server: &Server, more: &str) -> String {
        format!(
            "{{api_key: '{{{{ .ExternalURL }}}}', api_url: '{}/api', message: m, description: d, source: s{more}}}",
            server.url()
        )
    }

    #[tokio::test]
    async fn an_alert_is_created_with_all_that_is_known() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let more = ", details: {job: 'of {{ .Receiver }}'}, entity: e, actions: 'a,b', tags: ' t1,,t2 ', note: n, \
            priority: P1, responders: [{name: 'A,B', type: teams}, {id: i, type: scheDule}, {username: u, type: '{{ .Receiver }}'}]";
        let opsgenie = notifier(decode, &yaml(&server, more));
        let alerts = vec![
            firing(&[("alertname", "Up"), ("job", "j"), ("instance", "1")]),
            firing(&[("alertname", "Up"), ("job", "j"), ("instance", "2")]),
        ];
        taken(tell_of(&opsgenie, alerts, Memory::new()).await);
        let request = server.requests().remove(0);
        assert_eq!((request.method.as_str(), request.target().as_str()), ("POST", "/api/v2/alerts"));
        assert_eq!(request.header("authorization"), "GenieKey http://am");
        assert_eq!(
            request.text(),
            concat!(
                r#"{"alias":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b","message":"m","#,
                r#""description":"d","details":{"alertname":"Up","job":"of team"},"source":"s","#,
                r#""responders":[{"name":"A","type":"team"},{"name":"B","type":"team"},{"id":"i","type":"schedule"},"#,
                r#"{"username":"u","type":"team"}],"tags":["t1","t2"],"note":"n","priority":"P1","entity":"e","#,
                r#""actions":["a","b"]}"#
            )
        );
    }

    #[tokio::test]
    async fn an_alert_is_changed_and_closed_by_its_alias() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let long = "x".repeat(131);
        let opsgenie = notifier(
            decode,
            &yaml(&server, ", update_alerts: true").replace("message: m", &format!("message: {long}")),
        );
        taken(tell(&opsgenie).await);
        taken(tell_of(&opsgenie, vec![resolved(&[("alertname", "Up")])], Memory::new()).await);
        let alias = hashed("1");
        let asked: Vec<String> = server
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.target()))
            .collect();
        assert_eq!(
            asked,
            [
                "POST /api/v2/alerts".to_string(),
                format!("PUT /api/v2/alerts/{alias}/message?identifierType=alias"),
                format!("PUT /api/v2/alerts/{alias}/description?identifierType=alias"),
                format!("POST /api/v2/alerts/{alias}/close?identifierType=alias"),
            ]
        );
        let bodies: Vec<String> = server.requests().iter().skip(1).map(|request| request.text()).collect();
        let cut = format!("{{\"message\":\"{}…\"}}", "x".repeat(129));
        assert_eq!(bodies, [cut.as_str(), r#"{"description":"d"}"#, r#"{"source":"s"}"#]);
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_or_not() {
        let server = Server::start(|request| match request.method.as_str() {
            "PUT" => Reply::new(422, "no"),
            _ if request.text().contains("limited") => Reply::new(429, "").header("retry-after", "3"),
            _ => Reply::new(202, ""),
        })
        .await;
        let tell_with = async |more: &str| tell(&notifier(decode, &yaml(&server, more))).await;
        assert_eq!(given_up(tell_with(", update_alerts: true").await).reason, "clientError");
        assert_eq!(server.requests().len(), 2, "the first refusal ends it");
        let failure = again(tell_with(", note: limited").await);
        assert_eq!((failure.reason, failure.wait_ms), ("rateLimited", 3_000));
        let failure = given_up(tell_with(", note: '{{ nope }}'").await);
        assert!(failure.message.starts_with("templating error: "), "{}", failure.message);
    }

    #[tokio::test]
    async fn the_key_is_read_again_at_each_use() {
        let server = Server::start(|_| Reply::new(202, "")).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let own = format!("api_key_file: '{}'", file.display());
        let opsgenie = notifier(decode, &yaml(&server, "").replace("api_key: '{{ .ExternalURL }}'", &own));
        for key in ["one\n", "two"] {
            std::fs::write(&file, key).unwrap();
            taken(tell(&opsgenie).await);
        }
        let keys: Vec<String> =
            server.requests().iter().map(|request| request.header("authorization").to_string()).collect();
        assert_eq!(keys, ["GenieKey one", "GenieKey two"]);
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{}", "no global OpsGenie API Key set either inline or in a file"),
                ("{api_key: k, api_key_file: f}", "at most one of api_key & api_key_file must be configured"),
                (
                    "{api_key: k, responders: [{id: foo, type: wrong}]}",
                    "opsGenieConfig responder {foo   wrong} type does not match valid options ^(team|teams|user|escalation|schedule)$",
                ),
                (
                    "{api_key: k, responders: [{type: team}]}",
                    "opsGenieConfig responder {   team} has to have at least one of id, username or name specified",
                ),
            ],
        );
        let yaml = "{api_key: k, responders: [{id: foo, type: '{{/* invalid comment }}team'}]}";
        let error = decoded(decode, yaml, &Global::default()).err().unwrap();
        assert!(error.contains("type contains invalid template syntax: "), "{error}");
    }
}
