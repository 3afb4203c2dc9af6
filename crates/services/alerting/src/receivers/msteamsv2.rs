//! Microsoft Teams by a workflow: an adaptive card.
//! <https://learn.microsoft.com/en-us/connectors/teams/>

use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};

use super::channel::Channel;
use super::decode::template;
use super::{Attempt, Context, Delivery, Notifier};
use crate::dispatch::Outcome;
use crate::json::Object;

/// Colours of the title, as cards name them.
const RED: &str = "Attention";
const GREEN: &str = "Good";

/// The settings of one receiver. The texts are templates.
#[derive(Clone, Debug)]
pub struct TeamsWorkflow {
    channel: Channel,
    title: String,
    text: String,
}

/// Decodes one entry of `msteamsv2_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let mut channel = Channel::take(fields, context)?;
    channel.http = with_global_proxy(channel.http, &context.global.http);
    let teams = TeamsWorkflow {
        channel,
        title: template(fields, "title", r#"{{ template "msteamsv2.default.title" . }}"#)?,
        text: template(fields, "text", r#"{{ template "msteamsv2.default.text" . }}"#)?,
    };
    taken.finish()?;
    Ok(Arc::new(teams))
}

/// Settings of its own that name no proxy keep the global one. Only this kind does so.
fn with_global_proxy(http: Arc<HttpClientConfig>, global: &HttpClientConfig) -> Arc<HttpClientConfig> {
    if http.proxy.url.is_some() || global.proxy.url.is_none() {
        return http;
    }
    let mut http = HttpClientConfig::clone(&http);
    http.proxy.url = global.proxy.url.clone();
    Arc::new(http)
}

impl TeamsWorkflow {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let title = Object::new()
            .text("type", "TextBlock")
            .text("text", &delivery.text(&self.title)?)
            .text("weight", "Bolder")
            .text("size", "Medium")
            .json("wrap", "true")
            .text("style", "heading")
            .text("color", if delivery.is_resolved() { GREEN } else { RED })
            .end();
        let text = Object::new()
            .text("type", "TextBlock")
            .text("text", &delivery.text(&self.text)?)
            .json("wrap", "true")
            .end();
        let card = Object::new()
            .text("$schema", "http://adaptivecards.io/schemas/adaptive-card.json")
            .text("type", "AdaptiveCard")
            .text("version", "1.2")
            .json("body", &format!("[{title},{text}]"))
            .json("msteams", r#"{"width":"full"}"#)
            .end();
        let attachment = Object::new()
            .text("contentType", "application/vnd.microsoft.card.adaptive")
            .json("contentUrl", "null")
            .json("content", &card)
            .end();
        let body =
            Object::new().text("type", "message").json("attachments", &format!("[{attachment}]")).end();
        self.channel.post(delivery, body).await
    }
}

impl Notifier for TeamsWorkflow {
    fn kind(&self) -> &'static str {
        "msteamsv2"
    }

    fn sends_resolved(&self) -> bool {
        self.channel.send_resolved
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::testing::{again, notifier, refuses, resolved, taken, tell, tell_of};
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    #[tokio::test]
    async fn an_adaptive_card_is_posted() {
        let server = Server::start(|_| Reply::new(202, "")).await;
        let teams = notifier(
            decode,
            &format!("{{webhook_url: '{}', title: t, text: '{{{{ .Status }}}}'}}", server.url()),
        );
        taken(tell(&teams).await);
        taken(tell_of(&teams, vec![resolved(&[("a", "b")])], Default::default()).await);
        let message = |at: usize| serde_json::from_slice::<Value>(&server.requests()[at].body).unwrap();
        assert_eq!(
            message(0),
            json!({"type": "message", "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [
                        {"type": "TextBlock", "text": "t", "weight": "Bolder", "size": "Medium", "wrap": true,
                            "style": "heading", "color": "Attention"},
                        {"type": "TextBlock", "text": "firing", "wrap": true}
                    ],
                    "msteams": {"width": "full"}
                }
            }]})
        );
        assert_eq!(message(1)["attachments"][0]["content"]["body"][0]["color"], "Good");
    }

    #[tokio::test]
    async fn a_server_in_trouble_is_asked_again() {
        let server = Server::start(|_| Reply::new(500, "sorry")).await;
        let failure = again(tell(&notifier(decode, &format!("{{webhook_url: '{}'}}", server.url()))).await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("serverError", "unexpected status code 500: sorry")
        );
    }

    #[test]
    fn the_global_proxy_is_kept_unless_another_is_named() {
        let of = |url: Option<&str>| {
            let mut http = HttpClientConfig::default();
            http.proxy.url = url.map(str::to_string);
            http
        };
        let proxy = |own: Option<&str>, global: Option<&str>| {
            with_global_proxy(Arc::new(of(own)), &of(global)).proxy.url.clone()
        };
        assert_eq!(proxy(None, Some("http://g")), Some("http://g".into()));
        assert_eq!(proxy(Some("http://o"), Some("http://g")), Some("http://o".into()));
        assert_eq!(proxy(None, None), None);
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Default::default(),
            &[("{title: x}", "one of webhook_url or webhook_url_file must be configured")],
        );
    }
}
