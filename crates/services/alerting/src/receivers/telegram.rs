//! Telegram: a message to a chat by a bot. <https://core.telegram.org/bots/api#sendmessage>

use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};
use serde_json::Value;

use super::answer::{RETRY_AFTER_MAX_MS, accepted, outcome_of_error, reason_of, try_again};
use super::decode::{http_url, take_secret, template};
use super::exchange::JSON;
use super::text::{cut_to_chars, path_encoded};
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::{Failure, Outcome};
use crate::json::Object;

/// The length of a message.
const MESSAGE_MAX_CHARS: usize = 4096;
/// Sent where a message is too long and cutting it would break its HTML.
const TOO_LONG: &str = "There are alerts, but the message about them is longer than Telegram takes. \
    The template of the message has to be made shorter.";

/// The settings of one Telegram receiver. The message is a template.
#[derive(Clone, Debug)]
pub struct Telegram {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    api_url: String,
    bot_token: SecretSource,
    chat: Chat,
    /// The topic within the chat; 0 for none.
    thread_id: i64,
    message: String,
    is_silent: bool,
    /// `HTML`, `Markdown`, `MarkdownV2` or nothing.
    parse_mode: String,
}

#[derive(Clone, Debug)]
enum Chat {
    Id(i64),
    File(SecretSource),
}

/// Decodes one entry of `telegram_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let api_url = fields.optional("api_url", http_url)?;
    let bot_token = take_secret(fields, context.base, ("bot_token", "bot_token_file"))?;
    let id = fields.or("chat_id", 0, Node::integer)?;
    let file = fields.or("chat_id_file", String::new(), Node::string)?;
    let chat = match (id, file.is_empty()) {
        (0, true) => return Err(fields.error("missing chat_id or chat_id_file on telegram_config")),
        (0, false) => Chat::File(SecretSource::File(context.base.join(&file))),
        (id, true) => Chat::Id(id),
        (_, false) => {
            return Err(fields.error("at most one of chat_id & chat_id_file must be configured"));
        }
    };
    let telegram = Telegram {
        send_resolved,
        http,
        api_url: api_url.unwrap_or_else(|| context.global.telegram_api_url.clone()),
        bot_token: SecretSource::Inline(Default::default()),
        chat,
        thread_id: fields.or("message_thread_id", 0, Node::integer)?,
        message: template(fields, "message", r#"{{ template "telegram.default.message" . }}"#)?,
        is_silent: fields.or("disable_notifications", false, Node::boolean)?,
        parse_mode: template(fields, "parse_mode", "HTML")?,
    };
    if !["", "Markdown", "MarkdownV2", "HTML"].contains(&telegram.parse_mode.as_str()) {
        return Err(fields.error(
            "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
        ));
    }
    let Some(bot_token) = bot_token.or_else(|| context.global.telegram_bot_token.clone()) else {
        return Err(fields.error("missing bot_token or bot_token_file on telegram_config"));
    };
    taken.finish()?;
    Ok(Arc::new(Telegram { bot_token, ..telegram }))
}

impl Telegram {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let text = if self.parse_mode == "HTML" {
            let text = delivery.html(&self.message)?;
            if text.chars().count() > MESSAGE_MAX_CHARS { TOO_LONG.to_string() } else { text }
        } else {
            cut_to_chars(delivery.text(&self.message)?, MESSAGE_MAX_CHARS)
        };
        let unreadable = |error| try_again("other", format!("could not read {error}"));
        let token = self.bot_token.read().await.map_err(unreadable)?;
        let chat = match &self.chat {
            Chat::Id(id) => *id,
            Chat::File(file) => {
                let text = file.read().await.map_err(unreadable)?;
                text.parse().map_err(|error| {
                    try_again("other", format!("could not parse chat_id of chat_id_file: {error}"))
                })?
            }
        };
        // Telegram takes all of them as texts.
        let mut body = Object::new()
            .text("chat_id", &chat.to_string())
            .text("text", &text)
            .text_if_any("parse_mode", &self.parse_mode)
            .text("disable_web_page_preview", "true");
        if self.is_silent {
            body = body.text("disable_notification", "true");
        }
        if self.thread_id != 0 {
            body = body.text("message_thread_id", &self.thread_id.to_string());
        }
        // The colon in a token stands for itself.
        let token = path_encoded(&token).replace("%3A", ":");
        let url = format!("{}/bot{token}/sendMessage", self.api_url.trim_end_matches('/'));
        let response = delivery.post(&self.http, url, JSON, body.end()).await;
        let response = response.map_err(|error| outcome_of_error(&error))?;
        // Whatever the status, the document says how it went.
        let Ok(said @ Value::Object(_)) = serde_json::from_slice(&response.body) else {
            return accepted(Ok(response), &[])
                .map(|_| try_again("other", "telegram: the answer cannot be read"));
        };
        if said.get("ok") == Some(&Value::Bool(true)) {
            return Ok(Outcome::Taken(Memory::new()));
        }
        let code = said.get("error_code").and_then(Value::as_u64).unwrap_or(response.status.into());
        let description = said.get("description").and_then(Value::as_str).unwrap_or("no description");
        let wait_s = said.get("parameters").and_then(|parameters| parameters.get("retry_after"));
        let wait_s = wait_s.and_then(Value::as_i64).unwrap_or(0);
        // Chats come back and bots are let in again, so nothing is final.
        Ok(Outcome::TryAgain(Failure {
            wait_ms: wait_s.saturating_mul(1_000).clamp(0, RETRY_AFTER_MAX_MS),
            ..Failure::new(
                reason_of(u16::try_from(code).unwrap_or(0)),
                format!("telegram: {description} ({code})"),
            )
        }))
    }
}

impl Notifier for Telegram {
    fn kind(&self) -> &'static str {
        "telegram"
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
    use crate::receivers::testing::{again, decoded, given_up, notifier, refuses, taken, tell};
    use crate::settings::Global;
    use serde_json::json;
    use testkit::http::{Reply, Server};

    fn yaml(server: &Server, more: &str) -> String {
        format!("{{bot_token: '1:a_b', chat_id: -100, api_url: '{}/', {more}}}", server.url())
    }

    async fn good() -> Server {
        Server::start(|_| Reply::json(&json!({"ok": true, "result": {"chat": {}}}))).await
    }

    fn body(server: &Server, at: usize) -> Value {
        serde_json::from_slice(&server.requests()[at].body).unwrap()
    }

    #[tokio::test]
    async fn a_message_goes_to_a_chat_and_a_topic() {
        let server = good().await;
        let more = "parse_mode: '', message: 'x < {{ .Receiver }}', message_thread_id: 7, disable_notifications: true";
        taken(tell(&notifier(decode, &yaml(&server, more))).await);
        assert_eq!(server.targets(), ["/bot1:a_b/sendMessage"]);
        assert_eq!(
            body(&server, 0),
            json!({"chat_id": "-100", "text": "x < team", "disable_web_page_preview": "true",
                "disable_notification": "true", "message_thread_id": "7"})
        );
    }

    #[tokio::test]
    async fn a_long_message_is_cut_or_replaced() {
        let server = good().await;
        let long = "é".repeat(4097);
        taken(
            tell(&notifier(decode, &yaml(&server, &format!("parse_mode: Markdown, message: {long}")))).await,
        );
        let text = body(&server, 0)["text"].as_str().unwrap().to_string();
        assert_eq!((text.chars().count(), text.ends_with("é…")), (4096, true));
        assert_eq!(body(&server, 0)["parse_mode"], "Markdown");
        taken(tell(&notifier(decode, &yaml(&server, &format!("message: {long}")))).await);
        assert_eq!(
            (&body(&server, 1)["text"], &body(&server, 1)["parse_mode"]),
            (&json!(TOO_LONG), &json!("HTML"))
        );
        let fits = "a".repeat(4096);
        taken(tell(&notifier(decode, &yaml(&server, &format!("message: {fits}")))).await);
        assert_eq!(body(&server, 2)["text"], fits);
    }

    #[tokio::test]
    async fn html_is_escaped_where_html_is_meant() {
        let server = good().await;
        let message = "message: '<b>{{ .CommonAnnotations.summary }}</b>'";
        taken(tell(&notifier(decode, &yaml(&server, message))).await);
        taken(tell(&notifier(decode, &yaml(&server, &format!("{message}, parse_mode: ''")))).await);
        assert_eq!(body(&server, 0)["text"], "<b>a&lt;b</b>");
        assert_eq!(body(&server, 1)["text"], "<b>a<b</b>");
    }

    #[tokio::test]
    async fn token_and_chat_are_read_again_at_each_use() {
        let server = good().await;
        let folder = tempfile::tempdir().unwrap();
        let (token, chat) = (folder.path().join("token"), folder.path().join("chat"));
        let yaml = format!(
            "{{bot_token_file: '{}', chat_id_file: '{}', api_url: '{}', parse_mode: '', message: m}}",
            token.display(),
            chat.display(),
            server.url()
        );
        let telegram = notifier(decode, &yaml);
        assert!(again(tell(&telegram).await).message.starts_with("could not read "));
        std::fs::write(&token, "1\n").unwrap();
        std::fs::write(&chat, "nobody").unwrap();
        assert!(again(tell(&telegram).await).message.starts_with("could not parse chat_id"));
        std::fs::write(&chat, "-5\n").unwrap();
        taken(tell(&telegram).await);
        std::fs::write(&token, "2").unwrap();
        taken(tell(&telegram).await);
        assert_eq!(server.targets(), ["/bot1/sendMessage", "/bot2/sendMessage"]);
        assert_eq!(body(&server, 0)["chat_id"], "-5");
    }

    #[tokio::test]
    async fn what_telegram_says_is_told_with_its_reason() {
        let said = |request: &testkit::http::Request| {
            let code: u64 = serde_json::from_slice::<Value>(&request.body).unwrap()["text"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            if code == 502 {
                return Reply::new(502, "<html>bad gateway</html>");
            }
            let mut said = json!({"ok": false, "error_code": code, "description": "no"});
            if code == 429 {
                said["parameters"] = json!({"retry_after": 5});
            }
            Reply::json(&said)
        };
        let server = Server::start(said).await;
        let tell_with = async |text: &str| {
            tell(&notifier(decode, &yaml(&server, &format!("parse_mode: '', message: {text:?}")))).await
        };
        for (code, reason, wait_ms) in [
            ("400", "clientError", 0),
            ("401", "authError", 0),
            ("403", "authError", 0),
            ("429", "rateLimited", 5_000),
            ("500", "serverError", 0),
        ] {
            let failure = again(tell_with(code).await);
            assert_eq!((failure.reason, failure.wait_ms), (reason, wait_ms), "{code}");
            assert_eq!(failure.message, format!("telegram: no ({code})"));
        }
        assert_eq!(again(tell_with("502").await).reason, "serverError");
        assert!(given_up(tell_with("{{ nope }}").await).message.contains("nope"));
    }

    #[tokio::test]
    async fn the_token_is_never_told() {
        let yaml = "{bot_token: hush, chat_id: 1, api_url: 'http://127.0.0.1:1', parse_mode: '', message: m}";
        let telegram = notifier(decode, yaml);
        assert!(!again(tell(&telegram).await).message.contains("hush"));
        assert!(!format!("{telegram:?}").contains("hush"));
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                (
                    "{bot_token: t, bot_token_file: f}",
                    "at most one of bot_token & bot_token_file must be configured",
                ),
                ("{bot_token: t}", "missing chat_id or chat_id_file on telegram_config"),
                (
                    "{bot_token: t, chat_id: 1, chat_id_file: f}",
                    "at most one of chat_id & chat_id_file must be configured",
                ),
                (
                    "{bot_token: t, chat_id: 1, parse_mode: invalid}",
                    "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
                ),
                ("{chat_id: 1}", "missing bot_token or bot_token_file on telegram_config"),
            ],
        );
        let global = Global {
            telegram_bot_token: Some(SecretSource::Inline(config::Secret::new("t".into()))),
            ..Global::default()
        };
        assert!(decoded(decode, "{chat_id: 1}", &global).unwrap().sends_resolved());
    }
}
