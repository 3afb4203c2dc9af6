//! incident.io: the webhook's document, version 1, to an alert source.
//! <https://api-docs.incident.io/tag/Alert-Events-V2>

use std::sync::Arc;

use config::http_client::{Auth, SecretSource as HttpSecret};
use config::{HttpClientConfig, Node, Result, Secret};
use serde_json::Value;

use super::answer::accepted_as;
use super::decode::{go_duration_ms, http_url, take_secret};
use super::exchange::JSON;
use super::webhook::{body, kept};
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::transport::Response;

/// Size of a document.
const BODY_MAX_BYTES: usize = 512 * 1024;

/// The settings of one incident.io receiver.
#[derive(Clone, Debug)]
pub struct IncidentIo {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    url: SecretSource,
    max_alerts: u64,
    timeout_ms: i64,
}

/// Decodes one entry of `incidentio_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let has_own_http = fields.peek("http_config").is_some_and(|node| !node.is_null());
    let (send_resolved, mut http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let url = fields.optional("url", http_url)?.map(|url| SecretSource::Inline(Secret::new(url)));
    let file = fields.or("url_file", String::new(), Node::string)?;
    let url = match (url, file.is_empty()) {
        (Some(_), false) => return Err(fields.error("at most one of url & url_file must be configured")),
        (None, true) => return Err(fields.error("one of url or url_file must be configured")),
        (Some(url), true) => url,
        (None, false) => SecretSource::File(context.base.join(&file)),
    };
    let token = take_secret(fields, context.base, ("alert_source_token", "alert_source_token_file"))?;
    let is_authorized = matches!(http.auth, Auth::Authorization { .. });
    if has_own_http && is_authorized && token.is_some() {
        return Err(fields.error(
            "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
        ));
    }
    if has_own_http && !is_authorized && token.is_none() {
        return Err(fields.error(
            "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
        ));
    }
    if let Some(token) = token {
        let credentials = match token {
            SecretSource::Inline(token) => HttpSecret::Inline(token),
            SecretSource::File(path) => HttpSecret::File(path),
        };
        let mut own = HttpClientConfig::clone(&http);
        own.auth = Auth::Authorization { kind: "Bearer".into(), credentials };
        http = Arc::new(own);
    }
    let incident_io = IncidentIo {
        send_resolved,
        http,
        url,
        max_alerts: fields.or("max_alerts", 0, Node::unsigned)?,
        timeout_ms: fields.or("timeout", 0, go_duration_ms)?,
    };
    taken.finish()?;
    Ok(Arc::new(incident_io))
}

impl IncidentIo {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let data = delivery.data.first(kept(self.max_alerts));
        let mut document = body(delivery.notification, &data, "1");
        if document.len() > BODY_MAX_BYTES && data.alert_count() > 1 {
            // A group is one incident there, so that one alert tells most of it.
            tracing::warn!(
                integration = delivery.notification.integration.name,
                bytes = document.len(),
                "more than incident.io takes: only the first alert is sent"
            );
            document = body(delivery.notification, &data.showing(1), "1");
        }
        let url = delivery.secret(&self.url, "url_file").await?;
        accepted_as(delivery.post(&self.http, url, JSON, document).await, &[], details)?;
        Ok(Outcome::Taken(Memory::new()))
    }
}

/// What an answer says in words: a message, an error, a list of errors.
fn details(answer: &Response) -> String {
    let Ok(said) = serde_json::from_slice::<Value>(&answer.body) else { return String::new() };
    let one = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let errors = said.get("errors").and_then(Value::as_array).map(|errors| {
        let errors: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
        errors.join(", ")
    });
    let parts = [one("message"), one("error"), errors.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

impl Notifier for IncidentIo {
    fn kind(&self) -> &'static str {
        "incidentio"
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
    use crate::receivers::testing::{again, firing, given_up, notifier, refuses, taken, tell, tell_of};
    use serde_json::json;
    use testkit::http::{Reply, Server};

    #[tokio::test]
    async fn the_document_goes_to_the_source_with_its_token() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let yaml = format!("{{url: '{}/v2/alerts', alert_source_token: tok, max_alerts: 1}}", server.url());
        let alerts = vec![firing(&[("a", "1")]), firing(&[("a", "2")])];
        taken(tell_of(&notifier(decode, &yaml), alerts, Default::default()).await);
        let request = &server.requests()[0];
        assert_eq!((&request.path[..], request.header("authorization")), ("/v2/alerts", "Bearer tok"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["version"], &body["groupKey"]), (&json!("1"), &json!("1")));
        assert_eq!((body["alerts"].as_array().unwrap().len(), &body["truncatedAlerts"]), (1, &json!(1)));
    }

    #[tokio::test]
    async fn a_document_that_is_too_large_keeps_one_alert() {
        let server = Server::start(|_| Reply::new(202, "{}")).await;
        let long = "x".repeat(200_000);
        let alert = |name: &str| firing(&[("a", name), ("b", &long)]);
        let yaml = format!("{{url: '{}', alert_source_token: tok}}", server.url());
        taken(
            tell_of(&notifier(decode, &yaml), vec![alert("1"), alert("2"), alert("3")], Default::default())
                .await,
        );
        let request = &server.requests()[0];
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["alerts"].as_array().unwrap().len(), 1);
        assert_eq!(body["commonLabels"].get("a"), None, "what is common is that of the whole group");
        assert_eq!(body["truncatedAlerts"], 2);
    }

    #[tokio::test]
    async fn what_the_service_says_is_told() {
        let said = json!({"message": "m", "error": "e", "errors": ["1", "2"]}).to_string();
        let server =
            Server::start(move |request| Reply::new(request.path[1..].parse().unwrap(), said.clone())).await;
        let at = |status: u16| {
            notifier(decode, &format!("{{url: '{}/{status}', alert_source_token: tok}}", server.url()))
        };
        let failure = again(tell(&at(429)).await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("rateLimited", "unexpected status code 429: m: e: 1, 2")
        );
        assert_eq!(given_up(tell(&at(422)).await).reason, "clientError");
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Default::default(),
            &[
                ("{}", "one of url or url_file must be configured"),
                ("{url: 'http://a', url_file: b}", "at most one of url & url_file must be configured"),
                (
                    "{url: 'http://a', alert_source_token: a, alert_source_token_file: b}",
                    "at most one of alert_source_token & alert_source_token_file must be configured",
                ),
                (
                    "{url: 'http://a', alert_source_token: a, http_config: {authorization: {credentials: c}}}",
                    "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
                ),
                (
                    "{url: 'http://a', http_config: {follow_redirects: true}}",
                    "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
                ),
            ],
        );
        assert_eq!(notifier(decode, "{url: 'http://a', timeout: 2s}").timeout_ms(), 2_000);
    }
}
