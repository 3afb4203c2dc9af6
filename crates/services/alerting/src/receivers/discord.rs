//! Discord: a message with one embed to a channel's webhook.
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook>

use std::sync::Arc;

use config::{Node, Result};

use super::channel::Channel;
use super::decode::template;
use super::text::cut_to_chars;
use super::{Attempt, Context, Delivery, Notifier};
use crate::dispatch::Outcome;
use crate::json::Object;

/// Lengths that Discord takes.
const TITLE_MAX_CHARS: usize = 256;
const MESSAGE_MAX_CHARS: usize = 4096;
const CONTENT_MAX_CHARS: usize = 2000;

/// Colours of the bar beside the embed.
const RED: u32 = 0x99_2d_22;
const GREEN: u32 = 0x2e_cc_71;

/// The settings of one Discord receiver. `content`, `title` and `message` are templates.
#[derive(Clone, Debug)]
pub struct Discord {
    channel: Channel,
    content: String,
    title: String,
    message: String,
    username: String,
    avatar_url: String,
}

/// Decodes one entry of `discord_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let channel = Channel::take(fields, context)?;
    let discord = Discord {
        channel,
        content: template(fields, "content", "")?,
        title: template(fields, "title", r#"{{ template "discord.default.title" . }}"#)?,
        message: template(fields, "message", r#"{{ template "discord.default.message" . }}"#)?,
        username: template(fields, "username", "")?,
        avatar_url: template(fields, "avatar_url", "")?,
    };
    taken.finish()?;
    Ok(Arc::new(discord))
}

impl Discord {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let title = cut_to_chars(delivery.text(&self.title)?, TITLE_MAX_CHARS);
        let message = cut_to_chars(delivery.text(&self.message)?, MESSAGE_MAX_CHARS);
        let content = cut_to_chars(delivery.text(&self.content)?, CONTENT_MAX_CHARS);
        let color = if delivery.is_resolved() { GREEN } else { RED };
        let embed = Object::new()
            .text("title", &title)
            .text("description", &message)
            .json("color", &color.to_string())
            .end();
        let body = Object::new()
            .text("content", &content)
            .json("embeds", &format!("[{embed}]"))
            .text_if_any("username", &self.username)
            .text_if_any("avatar_url", &self.avatar_url)
            .end();
        self.channel.post(delivery, body).await
    }
}

impl Notifier for Discord {
    fn kind(&self) -> &'static str {
        "discord"
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
    use crate::receivers::testing::{
        again, firing, given_up, notifier, refuses, resolved, taken, tell, tell_of,
    };
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    fn body(server: &Server, at: usize) -> Value {
        serde_json::from_slice(&server.requests()[at].body).unwrap()
    }

    #[tokio::test]
    async fn a_message_has_an_embed_in_the_colour_of_its_state() {
        let server = Server::start(|_| Reply::new(204, "")).await;
        let yaml = format!(
            "{{webhook_url: '{}/hook/key', title: '{{{{ .Status }}}}', message: m, content: '@here', username: Al, avatar_url: 'http://a/b.png'}}",
            server.url()
        );
        let discord = notifier(decode, &yaml);
        taken(tell(&discord).await);
        assert_eq!(server.targets(), ["/hook/key"]);
        assert_eq!(
            body(&server, 0),
            json!({"content": "@here", "username": "Al", "avatar_url": "http://a/b.png",
                "embeds": [{"title": "firing", "description": "m", "color": 10_038_562}]})
        );
        taken(tell_of(&discord, vec![resolved(&[("a", "b")])], Default::default()).await);
        assert_eq!(body(&server, 1)["embeds"][0]["color"], 3_066_993);
    }

    #[tokio::test]
    async fn long_texts_are_cut() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let long = "é".repeat(5000);
        let yaml =
            format!("{{webhook_url: '{}', title: {long}, message: {long}, content: {long}}}", server.url());
        taken(tell(&notifier(decode, &yaml)).await);
        let body = body(&server, 0);
        let length = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!(length(&body["content"]), 2000);
        assert_eq!(length(&body["embeds"][0]["title"]), 256);
        assert_eq!(length(&body["embeds"][0]["description"]), 4096);
        assert!(body["content"].as_str().unwrap().ends_with("é…"));
    }

    #[tokio::test]
    async fn the_address_is_read_at_each_use_and_answers_decide() {
        let server = Server::start(|request| match request.path.as_str() {
            "/slow" => Reply::new(429, "slow").header("retry-after", "2"),
            _ => Reply::new(404, "unknown webhook"),
        })
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        let discord = notifier(decode, &format!("{{webhook_url_file: '{}'}}", file.path().display()));
        std::fs::write(file.path(), format!("{}/slow\n", server.url())).unwrap();
        let failure = again(tell(&discord).await);
        assert_eq!((failure.reason, failure.wait_ms), ("rateLimited", 2000));
        std::fs::write(file.path(), format!("{}/gone", server.url())).unwrap();
        let failure = given_up(tell_of(&discord, vec![firing(&[])], Default::default()).await);
        assert_eq!(failure.message, "unexpected status code 404: unknown webhook");
        drop(file);
        assert!(given_up(tell(&discord).await).message.starts_with("read webhook_url_file: "));
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Default::default(),
            &[
                ("{}", "one of webhook_url or webhook_url_file must be configured"),
                (
                    "{webhook_url: 'http://a', webhook_url_file: b}",
                    "at most one of webhook_url & webhook_url_file must be configured",
                ),
            ],
        );
    }
}
