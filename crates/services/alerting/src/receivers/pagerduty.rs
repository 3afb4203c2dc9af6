//! PagerDuty: an event that triggers or resolves an incident, by the Events API v2 with a routing key
//! or by v1 with a service key.
//! <https://developer.pagerduty.com/docs/events-api-v2/overview/>

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};

use super::answer::{Said, accepted_as, cited, during, refused};
use super::decode::{go_duration_ms, http_url, take_secret, template};
use super::exchange::JSON;
use super::text::{cut_to_chars, hashed};
use super::tree::Tree;
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{Object, list_if_any, push_string};
use crate::transport::Response;

/// Where events of v1 are posted.
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// The size of an event.
const EVENT_SIZE_MAX_BYTES: usize = 512_000;
/// The length of a summary, in v1 the description.
const SUMMARY_MAX_CHARS: usize = 1024;
/// What stands in the place of details that do not fit.
const NO_DETAILS: &str =
    "The details are left out: with them, the event is larger than the 512KB that PagerDuty takes.";
/// Details that every event has unless the settings have other ones by these names.
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
];

/// The settings of one PagerDuty receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    /// How long one attempt may take; 0 for as long as the flush has.
    pub timeout_ms: i64,
    key: Key,
    v1_url: String,
    url: String,
    client: String,
    client_url: String,
    description: String,
    /// By name.
    details: BTreeMap<String, Tree>,
    images: Vec<Image>,
    links: Vec<Link>,
    source: String,
    severity: String,
    class: String,
    component: String,
    group: String,
}

/// What decides the version of the API.
#[derive(Clone, Debug)]
enum Key {
    /// v1.
    Service(SecretSource),
    /// v2.
    Routing(SecretSource),
}

#[derive(Clone, Debug)]
struct Image {
    src: String,
    alt: String,
    href: String,
}

#[derive(Clone, Debug)]
struct Link {
    href: String,
    text: String,
}

/// Decodes one entry of `pagerduty_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    pagerduty(node, context).map(|pagerduty| Arc::new(pagerduty) as Arc<dyn Notifier>)
}

fn pagerduty(node: &Node, context: &Context<'_>) -> Result<PagerDuty> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let routing_key = take_secret(fields, context.base, ("routing_key", "routing_key_file"))?;
    let service_key = take_secret(fields, context.base, ("service_key", "service_key_file"))?;
    let key = match (service_key, routing_key) {
        (Some(key), _) => Key::Service(key),
        (None, Some(key)) => Key::Routing(key),
        (None, None) => return Err(fields.error("missing service or routing key in PagerDuty config")),
    };
    let client = template(fields, "client", r#"{{ template "pagerduty.default.client" . }}"#)?;
    let url = fields.optional("url", http_url)?;
    let mut details: BTreeMap<String, Tree> =
        fields.or("details", BTreeMap::new(), |node| Ok(node.map(Tree::decode)?.into_iter().collect()))?;
    for (name, template) in DETAILS {
        details.entry(name.into()).or_insert_with(|| Tree::Text(template.into()));
    }
    let not_empty = |text: String, default: &str| if text.is_empty() { default.to_string() } else { text };
    let pagerduty = PagerDuty {
        send_resolved: fields.or("send_resolved", true, Node::boolean)?,
        http: context.http(fields)?,
        timeout_ms: fields.or("timeout", 0, go_duration_ms)?,
        key,
        v1_url: V1_URL.into(),
        url: url.unwrap_or_else(|| context.global.pagerduty_url.clone()),
        client_url: template(fields, "client_url", r#"{{ template "pagerduty.default.clientURL" . }}"#)?,
        description: template(fields, "description", r#"{{ template "pagerduty.default.description" .}}"#)?,
        details,
        images: fields.or("images", Vec::new(), |node| node.list(image))?,
        links: fields.or("links", Vec::new(), |node| node.list(link))?,
        source: not_empty(template(fields, "source", "")?, &client),
        severity: not_empty(template(fields, "severity", "")?, "error"),
        class: template(fields, "class", "")?,
        component: template(fields, "component", "")?,
        group: template(fields, "group", "")?,
        client,
    };
    taken.finish()?;
    Ok(pagerduty)
}

fn image(node: &Node) -> Result<Image> {
    let mut fields = node.fields("config.plain")?;
    let image = Image {
        src: template(&mut fields, "src", "")?,
        alt: template(&mut fields, "alt", "")?,
        href: template(&mut fields, "href", "")?,
    };
    fields.finish()?;
    Ok(image)
}

fn link(node: &Node) -> Result<Link> {
    let mut fields = node.fields("config.plain")?;
    let link = Link { href: template(&mut fields, "href", "")?, text: template(&mut fields, "text", "")? };
    fields.finish()?;
    Ok(link)
}

impl PagerDuty {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let event = if delivery.is_resolved() { "resolve" } else { "trigger" };
        let details = self.details(delivery).map_err(|failed| during("failed to render details", failed))?;
        let (url, body, also_again) = match &self.key {
            Key::Service(key) => {
                let key = delivery.secret(key, "service_key_file").await?;
                let event = self.v1(delivery, &key, event);
                let event =
                    event.map_err(|failed| during("failed to template PagerDuty v1 message", failed))?;
                // v1 says 403 where it means "too many".
                (&self.v1_url, fitting(event, &details), &[403][..])
            }
            Key::Routing(key) => {
                let key = delivery.secret(key, "routing_key_file").await?;
                let event = self.v2(delivery, &key, event);
                let event =
                    event.map_err(|failed| during("failed to template PagerDuty v2 message", failed))?;
                (&self.url, fitting(event, &details), &[][..])
            }
        };
        let answer = delivery.post(&self.http, url.clone(), JSON, body).await;
        accepted_as(answer, also_again, explanation)?;
        Ok(Outcome::Taken(Memory::new()))
    }

    /// An event of v1, given its details.
    fn v1(
        &self,
        delivery: &Delivery<'_>,
        key: &str,
        event: &str,
    ) -> std::result::Result<impl Fn(&str) -> String + use<>, Outcome> {
        let key = delivery.text(key)?;
        if key.is_empty() {
            return Err(refused("other", "service key cannot be empty"));
        }
        let description = cut_to_chars(delivery.text(&self.description)?, SUMMARY_MAX_CHARS);
        let (client, client_url) = match event {
            "trigger" => (delivery.text(&self.client)?, delivery.text(&self.client_url)?),
            _ => Default::default(),
        };
        let incident = hashed(&delivery.notification.group_key);
        let event = event.to_string();
        Ok(move |details: &str| {
            Object::new()
                .text("service_key", &key)
                .text("incident_key", &incident)
                .text("event_type", &event)
                .text_if_any("description", &description)
                .text("event_action", "")
                .json("payload", "null")
                .text_if_any("client", &client)
                .text_if_any("client_url", &client_url)
                .json("details", details)
                .end()
        })
    }

    /// An event of v2, given its details.
    fn v2(
        &self,
        delivery: &Delivery<'_>,
        key: &str,
        event: &str,
    ) -> std::result::Result<impl Fn(&str) -> String + use<>, Outcome> {
        let text = |template: &str| delivery.text(template);
        let key = text(key)?;
        if key.is_empty() {
            return Err(refused("other", "routing key cannot be empty"));
        }
        let mut images = Vec::new();
        for image in &self.images {
            let src = text(&image.src)?;
            // Templates may well yield none for this group.
            if !src.is_empty() {
                let (alt, href) = (text(&image.alt)?, text(&image.href)?);
                images.push(Object::new().text("src", &src).text("alt", &alt).text("href", &href).end());
            }
        }
        let mut links = Vec::new();
        for link in &self.links {
            let href = text(&link.href)?;
            if !href.is_empty() {
                links.push(Object::new().text("href", &href).text("text", &text(&link.text)?).end());
            }
        }
        let (images, links) = (list_if_any(&images), list_if_any(&links));
        let (client, client_url) = (text(&self.client)?, text(&self.client_url)?);
        let summary = cut_to_chars(text(&self.description)?, SUMMARY_MAX_CHARS);
        let (source, severity) = (text(&self.source)?, text(&self.severity)?);
        let (class, component, group) = (text(&self.class)?, text(&self.component)?, text(&self.group)?);
        let incident = hashed(&delivery.notification.group_key);
        let event = event.to_string();
        Ok(move |details: &str| {
            let payload = Object::new()
                .text("summary", &summary)
                .text("source", &source)
                .text("severity", &severity)
                .text_if_any("class", &class)
                .text_if_any("component", &component)
                .text_if_any("group", &group)
                .json("custom_details", details)
                .end();
            Object::new()
                .text("routing_key", &key)
                .text("dedup_key", &incident)
                .text("event_action", &event)
                .json("payload", &payload)
                .text_if_any("client", &client)
                .text_if_any("client_url", &client_url)
                .json_if_any("images", &images)
                .json_if_any("links", &links)
                .end()
        })
    }

    fn details(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        let mut out = String::from("{");
        for (name, tree) in &self.details {
            if out.len() > 1 {
                out.push(',');
            }
            push_string(&mut out, name);
            out.push(':');
            tree.push_json(&mut out, &|template| delivery.text(template))?;
        }
        out.push('}');
        Ok(out)
    }
}

/// An event with its details, or with a note in their place if it were too large.
fn fitting(event: impl Fn(&str) -> String, details: &str) -> String {
    let whole = event(details);
    if whole.len() < EVENT_SIZE_MAX_BYTES {
        return whole;
    }
    event(&Object::new().text("error", NO_DETAILS).end())
}

/// What PagerDuty finds wrong with an event.
fn explanation(response: &Response) -> String {
    let Ok(said) = Said::found(response) else { return cited(&response.body) };
    let mut out = said.text("message").to_string();
    for (at, error) in said.texts("errors").enumerate() {
        let _ = write!(out, "{}{error}", if at == 0 { ": " } else { "," });
    }
    out
}

impl Notifier for PagerDuty {
    fn kind(&self) -> &'static str {
        "pagerduty"
    }

    fn sends_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout_ms(&self) -> i64 {
        self.timeout_ms
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::testing::{
        again, firing, given_up, notifier, refuses, resolved, taken, tell, tell_of,
    };
    use crate::settings::Global;
    use config::http_client::PathBase;
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    /// Settings without default templates.
    const PLAIN: &str = "client: c, client_url: cu, description: d";
    const NO_DEFAULT_DETAILS: &str = "firing: x, resolved: x, num_firing: '1', num_resolved: '0'";

    fn v2(server: &Server, more: &str) -> Arc<dyn Notifier> {
        notifier(decode, &format!("{{routing_key: r, url: '{}/v2', {PLAIN}{more}}}", server.url()))
    }

    fn v1(server: &Server, more: &str) -> Arc<dyn Notifier> {
        let base = PathBase::new(std::path::Path::new("/"));
        let context = Context { base: &base, global: &Global::default() };
        let yaml = format!("{{service_key: '{{{{ .Receiver }}}}', {PLAIN}{more}}}");
        let own = pagerduty(&Node::parse(&yaml).unwrap(), &context).unwrap();
        Arc::new(PagerDuty { v1_url: server.url(), ..own })
    }

    fn body(server: &Server, at: usize) -> Value {
        serde_json::from_slice(&server.requests()[at].body).unwrap()
    }

    #[tokio::test]
    async fn an_event_of_v2_has_what_is_set() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let more = format!(
            ", severity: warning, class: cl, component: co, group: g, source: '{{{{ .Receiver }}}}', \
             images: [{{src: i, alt: a, href: h}}, {{src: '', alt: x}}], links: [{{href: h, text: t}}, {{text: x}}], \
             details: {{{NO_DEFAULT_DETAILS}, list: [1, 'of {{{{ .Receiver }}}}'], map: {{a: 'b: c'}}}}"
        );
        taken(tell(&v2(&server, &more)).await);
        assert_eq!(server.targets(), ["/v2"]);
        assert_eq!(
            body(&server, 0),
            json!({
                "routing_key": "r", "dedup_key": hashed("1"), "event_action": "trigger", "client": "c", "client_url": "cu",
                "payload": {
                    "summary": "d", "source": "team", "severity": "warning", "class": "cl", "component": "co", "group": "g",
                    "custom_details": {"firing": "x", "resolved": "x", "num_firing": 1, "num_resolved": 0,
                        "list": [1, "of team"], "map": {"a": {"b": "c"}}},
                },
                "images": [{"src": "i", "alt": "a", "href": "h"}], "links": [{"href": "h", "text": "t"}],
            })
        );
        let ended = vec![resolved(&[("alertname", "Up")])];
        taken(tell_of(&v2(&server, &more), ended, Memory::new()).await);
        assert_eq!(body(&server, 1)["event_action"], "resolve");
    }

    #[tokio::test]
    async fn an_event_of_v1_has_what_is_set() {
        let server = Server::start(|_| Reply::new(200, "{}")).await;
        let more = format!(", details: {{{NO_DEFAULT_DETAILS}}}");
        taken(tell(&v1(&server, &more)).await);
        let ended = vec![resolved(&[("alertname", "Up")])];
        taken(tell_of(&v1(&server, &more), ended, Memory::new()).await);
        let details = json!({"firing": "x", "resolved": "x", "num_firing": 1, "num_resolved": 0});
        assert_eq!(
            body(&server, 0),
            json!({"service_key": "team", "incident_key": hashed("1"), "event_type": "trigger", "description": "d",
                "event_action": "", "payload": null, "client": "c", "client_url": "cu", "details": details})
        );
        assert_eq!(body(&server, 1)["event_type"], "resolve");
        assert!(body(&server, 1).get("client").is_none());
    }

    #[tokio::test]
    async fn what_is_too_long_or_too_large_is_cut() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let large = "x".repeat(512_000);
        let more = format!(", details: {{{NO_DEFAULT_DETAILS}, large: {large}}}");
        let yaml = format!(
            "{{routing_key: r, url: '{}', {}{more}}}",
            server.url(),
            PLAIN.replace("description: d", &format!("description: {}", "ß".repeat(1025)))
        );
        taken(tell(&notifier(decode, &yaml)).await);
        taken(tell(&v1(&server, &more)).await);
        let summary = body(&server, 0)["payload"]["summary"].as_str().unwrap().to_string();
        assert_eq!((summary.chars().count(), summary.ends_with("ß…")), (1024, true));
        assert_eq!(body(&server, 0)["payload"]["custom_details"], json!({"error": NO_DETAILS}));
        assert_eq!(body(&server, 1)["details"], json!({"error": NO_DETAILS}));
    }

    #[tokio::test]
    async fn what_pagerduty_says_decides_whether_to_try_again() {
        let server = Server::start(|request| match request.text() {
            text if text.contains("invalid") => Reply::new(
                400,
                r#"{"status":"invalid event","message":"Event object is invalid","errors":["a is missing","b is long"]}"#,
            ),
            text if text.contains("limited") => Reply::new(429, "").header("retry-after", "2"),
            text if text.contains("busy") => Reply::new(500, "{}"),
            _ => Reply::new(403, "{}"),
        })
        .await;
        let details = |what: &str| format!(", group: {what}, details: {{{NO_DEFAULT_DETAILS}, w: {what}}}");
        let failure = given_up(tell(&v2(&server, &details("invalid"))).await);
        assert_eq!(failure.reason, "clientError");
        assert_eq!(
            failure.message,
            "unexpected status code 400: Event object is invalid: a is missing,b is long"
        );
        let failure = again(tell(&v2(&server, &details("limited"))).await);
        assert_eq!((failure.reason, failure.wait_ms), ("rateLimited", 2_000));
        assert_eq!(again(tell(&v2(&server, &details("busy"))).await).message, "unexpected status code 500");
        given_up(tell(&v2(&server, &details("other"))).await);
        assert_eq!(again(tell(&v1(&server, &details("other"))).await).reason, "authError");
    }

    #[tokio::test]
    async fn keys_are_read_again_at_each_use_and_must_say_something() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let yaml = format!(
            "{{routing_key_file: '{}', url: '{}', {PLAIN}, details: {{{NO_DEFAULT_DETAILS}}}}}",
            file.display(),
            server.url()
        );
        let pagerduty = notifier(decode, &yaml);
        assert!(given_up(tell(&pagerduty).await).message.starts_with("read routing_key_file: "));
        for key in ["one\n", "two"] {
            std::fs::write(&file, key).unwrap();
            taken(tell_of(&pagerduty, vec![firing(&[])], Memory::new()).await);
        }
        assert_eq!(
            (&body(&server, 0)["routing_key"], &body(&server, 1)["routing_key"]),
            (&json!("one"), &json!("two"))
        );
        std::fs::write(&file, "").unwrap();
        assert!(given_up(tell(&pagerduty).await).message.ends_with("routing key cannot be empty"));
    }

    #[tokio::test]
    async fn a_template_that_fails_is_not_tried_again() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let failure = given_up(tell(&v2(&server, ", details: {firing: '{{ nope }}'}")).await);
        assert!(failure.message.starts_with("failed to render details: "), "{}", failure.message);
        let more = format!(", class: '{{{{ nope }}}}', details: {{{NO_DEFAULT_DETAILS}}}");
        let failure = given_up(tell(&v2(&server, &more)).await);
        assert!(
            failure.message.starts_with("failed to template PagerDuty v2 message: "),
            "{}",
            failure.message
        );
        assert!(server.requests().is_empty());
    }

    #[test]
    fn settings_are_checked() {
        let missing = "missing service or routing key in PagerDuty config";
        refuses(
            decode,
            &Global::default(),
            &[
                ("{routing_key: ''}", missing),
                ("{service_key: ''}", missing),
                (
                    "{routing_key: a, routing_key_file: b}",
                    "at most one of routing_key & routing_key_file must be configured",
                ),
                (
                    "{service_key: a, service_key_file: b}",
                    "at most one of service_key & service_key_file must be configured",
                ),
            ],
        );
        let base = PathBase::new(std::path::Path::new("/"));
        let context = Context { base: &base, global: &Global::default() };
        let own =
            pagerduty(&Node::parse("{routing_key: r, client: c, details: {firing: f}}").unwrap(), &context)
                .unwrap();
        assert_eq!((&own.source[..], &own.severity[..]), ("c", "error"));
        assert_eq!(own.details["firing"], Tree::Text("f".into()));
        assert_eq!(own.details.len(), 4);
    }
}
