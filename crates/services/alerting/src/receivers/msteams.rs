//! Microsoft Teams by an incoming webhook of a connector: a message card.
//! <https://learn.microsoft.com/en-us/outlook/actionable-messages/message-card-reference>

use std::sync::Arc;

use config::{Node, Result};

use super::channel::Channel;
use super::decode::template;
use super::{Attempt, Context, Delivery, Notifier};
use crate::dispatch::Outcome;
use crate::json::Object;

/// Colours of the card.
const RED: &str = "8C1A1A";
const GREEN: &str = "2DC72D";

/// The settings of one receiver. The texts are templates.
#[derive(Clone, Debug)]
pub struct Teams {
    channel: Channel,
    title: String,
    summary: String,
    text: String,
}

/// Decodes one entry of `msteams_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let channel = Channel::take(fields, context)?;
    let teams = Teams {
        channel,
        title: template(fields, "title", r#"{{ template "msteams.default.title" . }}"#)?,
        summary: template(fields, "summary", r#"{{ template "msteams.default.summary" . }}"#)?,
        text: template(fields, "text", r#"{{ template "msteams.default.text" . }}"#)?,
    };
    taken.finish()?;
    Ok(Arc::new(teams))
}

impl Teams {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let body = Object::new()
            .text("@context", "http://schema.org/extensions")
            .text("type", "MessageCard")
            .text("title", &delivery.text(&self.title)?)
            .text("summary", &delivery.text(&self.summary)?)
            .text("text", &delivery.text(&self.text)?)
            .text("themeColor", if delivery.is_resolved() { GREEN } else { RED })
            .end();
        self.channel.post(delivery, body).await
    }
}

impl Notifier for Teams {
    fn kind(&self) -> &'static str {
        "msteams"
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
    use crate::receivers::testing::{again, given_up, notifier, refuses, resolved, taken, tell, tell_of};
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    #[tokio::test]
    async fn a_card_has_the_colour_of_its_state() {
        let server = Server::start(|_| Reply::new(200, "1")).await;
        let yaml =
            format!("{{webhook_url: '{}', title: 't {{{{ .Status }}}}', summary: s, text: x}}", server.url());
        let teams = notifier(decode, &yaml);
        taken(tell(&teams).await);
        taken(tell_of(&teams, vec![resolved(&[("a", "b")])], Default::default()).await);
        let card = |at: usize| serde_json::from_slice::<Value>(&server.requests()[at].body).unwrap();
        assert_eq!(
            card(0),
            json!({"@context": "http://schema.org/extensions", "type": "MessageCard", "title": "t firing",
                "summary": "s", "text": "x", "themeColor": "8C1A1A"})
        );
        assert_eq!((&card(1)["title"], &card(1)["themeColor"]), (&json!("t resolved"), &json!("2DC72D")));
    }

    #[tokio::test]
    async fn failures_say_whether_to_try_again() {
        let server = Server::start(|request| Reply::new(request.path[1..].parse().unwrap(), "")).await;
        let tell_at = async |path: &str| {
            tell(&notifier(decode, &format!("{{webhook_url: '{}/{path}'}}", server.url()))).await
        };
        assert_eq!(again(tell_at("503").await).reason, "serverError");
        assert_eq!(given_up(tell_at("401").await).reason, "authError");
        let broken = "{webhook_url: 'http://a', text: '{{ nope }}'}";
        assert!(
            given_up(tell(&notifier(decode, broken)).await).message.contains("function \"nope\" not defined")
        );
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
