//! Webex: a message in Markdown to a room. <https://developer.webex.com/docs/api/v1/messages>

use std::sync::Arc;

use config::http_client::Auth;
use config::{HttpClientConfig, Node, Result};

use super::answer::outcome_of;
use super::decode::{http_url, template};
use super::exchange::JSON;
use super::text::start_in_bytes;
use super::{Attempt, Context, Delivery, Notifier};
use crate::dispatch::Outcome;
use crate::json::Object;

/// Size of a message.
const MESSAGE_MAX_BYTES: usize = 7439;

/// The settings of one Webex receiver. Message and room are templates.
#[derive(Clone, Debug)]
pub struct Webex {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    api_url: String,
    room_id: String,
    message: String,
}

/// Decodes one entry of `webex_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let has_own_http = fields.peek("http_config").is_some_and(|node| !node.is_null());
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let api_url = fields.optional("api_url", http_url)?;
    let webex = Webex {
        send_resolved,
        http,
        api_url: api_url.unwrap_or_else(|| context.global.webex_api_url.clone()),
        room_id: template(fields, "room_id", "")?,
        message: template(fields, "message", r#"{{ template "webex.default.message" . }}"#)?,
    };
    if webex.room_id.is_empty() {
        return Err(fields.error("missing room_id on webex_config"));
    }
    if !has_own_http || !matches!(webex.http.auth, Auth::Authorization { .. }) {
        return Err(fields.error("missing webex_configs.http_config.authorization"));
    }
    taken.finish()?;
    Ok(Arc::new(webex))
}

impl Webex {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let mut message = delivery.text(&self.message)?;
        if message.len() > MESSAGE_MAX_BYTES {
            message = format!("{}…", start_in_bytes(&message, MESSAGE_MAX_BYTES - "…".len()));
        }
        let room_id = delivery.text(&self.room_id)?;
        let body = Object::new().text("markdown", &message).text_if_any("roomId", &room_id).end();
        Ok(outcome_of(delivery.post(&self.http, self.api_url.clone(), JSON, body).await, &[]))
    }
}

impl Notifier for Webex {
    fn kind(&self) -> &'static str {
        "webex"
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
    use crate::receivers::testing::{given_up, notifier, refuses, taken, tell};
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    fn yaml(server: &Server, more: &str) -> String {
        format!(
            "{{api_url: '{}/v1/messages', http_config: {{authorization: {{credentials: tok}}}}, {more}}}",
            server.url()
        )
    }

    #[tokio::test]
    async fn a_message_goes_to_a_room() {
        let server = Server::start(|_| Reply::new(200, "{}")).await;
        taken(
            tell(&notifier(decode, &yaml(&server, "room_id: '{{ .GroupLabels.alertname }}', message: m")))
                .await,
        );
        assert_eq!(server.targets(), ["/v1/messages"]);
        assert_eq!(server.requests()[0].header("authorization"), "Bearer tok");
        let body: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        assert_eq!(body, json!({"markdown": "m", "roomId": "Up"}));
    }

    #[tokio::test]
    async fn a_long_message_is_cut_between_characters() {
        let server = Server::start(|_| Reply::new(200, "{}")).await;
        taken(
            tell(&notifier(decode, &yaml(&server, &format!("room_id: 1, message: {}", "é".repeat(4000)))))
                .await,
        );
        let body: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        let message = body["markdown"].as_str().unwrap();
        assert!(message.len() <= 7439 && message.len() > 7430 && message.ends_with("é…"));
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let server = Server::start(|_| Reply::new(401, "who are you")).await;
        let failure = given_up(tell(&notifier(decode, &yaml(&server, "room_id: 1"))).await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("authError", "unexpected status code 401: who are you")
        );
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Default::default(),
            &[
                ("{message: x}", "missing room_id on webex_config"),
                ("{room_id: 2}", "missing webex_configs.http_config.authorization"),
                ("{room_id: 2, http_config: {}}", "missing webex_configs.http_config.authorization"),
            ],
        );
    }
}
