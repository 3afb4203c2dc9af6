//! Slack: a message with one attachment, by an incoming webhook or a bot's token. With
//! `update_message` a group has one message, which changes.
//! <https://api.slack.com/reference/messaging/attachments>

use std::sync::Arc;

use config::http_client::{Auth, SecretSource as Credentials};
use config::{HttpClientConfig, Node, Result};
use http::header::CONTENT_TYPE;

use super::answer::{self, accepted, during, refused, try_again};
use super::attachment::Field;
use super::decode::{go_duration_ms, http_url, secret_url, take_secret, template};
use super::exchange::JSON;
use super::text::cut_to_chars;
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{Object, list_if_any, texts};
use crate::transport::Response;

/// Where a bot's token posts messages.
const POST_URL: &str = "https://slack.com/api/chat.postMessage";
/// The methods of the API that post and change a message.
const POST_METHOD: &str = "/chat.postMessage";
const UPDATE_METHOD: &str = "/chat.update";
/// The length of an attachment's title.
const TITLE_MAX_CHARS: usize = 1024;
/// The errors of the API that pass.
const PASSING: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];
/// The errors of the API that say that a message cannot be changed any more.
const NOT_TO_BE_CHANGED: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];
/// What is remembered of a message: its number and the channel's.
const TS: &str = "threadTs";
const CHANNEL: &str = "channelId";

/// The settings of one Slack receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct Slack {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it, with the bot's token if there is one.
    pub http: Arc<HttpClientConfig>,
    /// Where messages are posted.
    pub url: SecretSource,
    /// How long one attempt may take; 0 for as long as the flush has.
    pub timeout_ms: i64,
    /// Whether a group's message is changed instead of followed by another one.
    pub update_message: bool,
    channel: String,
    username: String,
    icon_emoji: String,
    icon_url: String,
    link_names: bool,
    message_text: String,
    attachment: Attachment,
}

#[derive(Clone, Debug)]
struct Attachment {
    color: String,
    title: String,
    title_link: String,
    pretext: String,
    text: String,
    fields: Vec<Field>,
    short_fields: bool,
    footer: String,
    fallback: String,
    callback_id: String,
    image_url: String,
    thumb_url: String,
    mrkdwn_in: Vec<String>,
    actions: Vec<Action>,
}

/// A button. One with a URL has neither name nor value.
#[derive(Clone, Debug)]
struct Action {
    kind: String,
    text: String,
    url: String,
    style: String,
    name: String,
    value: String,
    confirm: Option<Confirm>,
}

#[derive(Clone, Debug)]
struct Confirm {
    text: String,
    title: String,
    ok_text: String,
    dismiss_text: String,
}

/// Decodes one entry of `slack_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let has_own_http = fields.peek("http_config").is_some_and(|node| !node.is_null());
    let http = context.http(fields)?;
    let api_url = secret_url(fields, context.base, ("api_url", "api_url_file"))?;
    let app_token = take_secret(fields, context.base, ("app_token", "app_token_file"))?;
    let app_url = fields.optional("app_url", http_url)?;
    if api_url.is_some() && app_token.is_some() {
        return Err(
            fields.error("at most one of api_url/api_url_file & app_token/app_token_file must be configured")
        );
    }
    let mut slack = Slack {
        send_resolved: fields.or("send_resolved", false, Node::boolean)?,
        url: SecretSource::Inline(Default::default()),
        http,
        timeout_ms: fields.or("timeout", 0, go_duration_ms)?,
        update_message: fields.or("update_message", false, Node::boolean)?,
        channel: template(fields, "channel", "")?,
        username: template(fields, "username", r#"{{ template "slack.default.username" . }}"#)?,
        icon_emoji: template(fields, "icon_emoji", r#"{{ template "slack.default.iconemoji" . }}"#)?,
        icon_url: template(fields, "icon_url", r#"{{ template "slack.default.iconurl" . }}"#)?,
        link_names: fields.or("link_names", false, Node::boolean)?,
        message_text: template(fields, "message_text", "")?,
        attachment: Attachment {
            color: template(fields, "color", r#"{{ template "slack.default.color" . }}"#)?,
            title: template(fields, "title", r#"{{ template "slack.default.title" . }}"#)?,
            title_link: template(fields, "title_link", r#"{{ template "slack.default.titlelink" . }}"#)?,
            pretext: template(fields, "pretext", r#"{{ template "slack.default.pretext" . }}"#)?,
            text: template(fields, "text", r#"{{ template "slack.default.text" . }}"#)?,
            fields: fields.or("fields", Vec::new(), |node| {
                node.list(|node| Field::decode(node, "config.plain", Some("Slack")))
            })?,
            short_fields: fields.or("short_fields", false, Node::boolean)?,
            footer: template(fields, "footer", r#"{{ template "slack.default.footer" . }}"#)?,
            fallback: template(fields, "fallback", r#"{{ template "slack.default.fallback" . }}"#)?,
            callback_id: template(fields, "callback_id", r#"{{ template "slack.default.callbackid" . }}"#)?,
            image_url: template(fields, "image_url", "")?,
            thumb_url: template(fields, "thumb_url", "")?,
            mrkdwn_in: fields.or("mrkdwn_in", Vec::new(), Node::strings)?,
            actions: fields.or("actions", Vec::new(), |node| node.list(action))?,
        },
    };
    let not_updatable = "update_message can only be used with bot tokens. api_url must be set to \
        https://slack.com/api/chat.postMessage";
    let is_post_url =
        |source: &SecretSource| matches!(source, SecretSource::Inline(url) if url.expose() == POST_URL);
    if slack.update_message && api_url.as_ref().is_some_and(|url| !is_post_url(url)) {
        return Err(fields.error(not_updatable));
    }

    let has_own_authorization = has_own_http && matches!(slack.http.auth, Auth::Authorization { .. });
    let global_token = context.global.slack_app_token.clone();
    let token = app_token.or_else(|| global_token.filter(|_| api_url.is_none() && !has_own_authorization));
    match (token, api_url.or_else(|| context.global.slack_api_url.clone())) {
        (Some(token), _) => {
            if matches!(slack.http.auth, Auth::Authorization { .. }) {
                return Err(fields.error("http authorization can't be set when using Slack App tokens"));
            }
            let credentials = match token {
                SecretSource::Inline(token) => Credentials::Inline(token),
                SecretSource::File(path) => Credentials::File(path),
            };
            let auth = Auth::Authorization { kind: "Bearer".into(), credentials };
            slack.http = Arc::new(HttpClientConfig { auth, ..HttpClientConfig::clone(&slack.http) });
            let url = app_url.unwrap_or_else(|| context.global.slack_app_url.clone());
            if slack.update_message && !url.ends_with(POST_METHOD) {
                return Err(fields.error(not_updatable));
            }
            slack.url = SecretSource::Inline(config::Secret::new(url));
        }
        (None, Some(url)) => {
            if slack.update_message && !is_post_url(&url) {
                return Err(fields.error(not_updatable));
            }
            slack.url = url;
        }
        (None, None) => {
            return Err(fields.error("no Slack API URL nor App token set either inline or in a file"));
        }
    }
    taken.finish()?;
    Ok(Arc::new(slack))
}

fn action(node: &Node) -> Result<Action> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let mut action = Action {
        kind: template(fields, "type", "")?,
        text: template(fields, "text", "")?,
        url: template(fields, "url", "")?,
        style: template(fields, "style", "")?,
        name: template(fields, "name", "")?,
        value: template(fields, "value", "")?,
        confirm: fields.optional("confirm", confirm)?,
    };
    if action.kind.is_empty() {
        return Err(fields.error("missing type in Slack action configuration"));
    }
    if action.text.is_empty() {
        return Err(fields.error("missing text in Slack action configuration"));
    }
    if !action.url.is_empty() {
        (action.name, action.value, action.confirm) = (String::new(), String::new(), None);
    } else if action.name.is_empty() {
        return Err(fields.error("missing name or url in Slack action configuration"));
    }
    taken.finish()?;
    Ok(action)
}

fn confirm(node: &Node) -> Result<Confirm> {
    let mut fields = node.fields("config.plain")?;
    let confirm = Confirm {
        text: template(&mut fields, "text", "")?,
        title: template(&mut fields, "title", "")?,
        ok_text: template(&mut fields, "ok_text", "")?,
        dismiss_text: template(&mut fields, "dismiss_text", "")?,
    };
    if confirm.text.is_empty() {
        return Err(fields.error("missing text in Slack confirmation configuration"));
    }
    fields.finish()?;
    Ok(confirm)
}

/// What Slack said to a request that reached it.
enum Said {
    Taken(Memory),
    /// The message that should change is gone.
    Gone,
    Failed(Outcome),
}

impl Slack {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let attachment = self.attachment.json(delivery)?;
        let channel = delivery.text(&self.channel)?;
        let url = delivery.secret(&self.url, "api_url_file").await?;
        let known = &delivery.notification.memory;
        if let (true, Some(ts), Some(channel)) = (self.update_message, known.get(TS), known.get(CHANNEL)) {
            let url = match url.strip_suffix(POST_METHOD) {
                Some(api) => format!("{api}{UPDATE_METHOD}"),
                None => url.clone(),
            };
            let body = self.body(delivery, channel, ts, &attachment)?;
            match self.send(delivery, url, channel, body).await? {
                Said::Taken(memory) => return Ok(Outcome::Taken(memory)),
                Said::Failed(outcome) => return Ok(outcome),
                // Someone has deleted it: the group gets a new one.
                Said::Gone => {}
            }
        }
        let body = self.body(delivery, &channel, "", &attachment)?;
        match self.send(delivery, url, &channel, body).await? {
            Said::Taken(memory) => Ok(Outcome::Taken(memory)),
            Said::Failed(outcome) => Ok(outcome),
            Said::Gone => Ok(refused("clientError", "Slack does not know the message")),
        }
    }

    fn body(
        &self,
        delivery: &Delivery<'_>,
        channel: &str,
        ts: &str,
        attachment: &str,
    ) -> std::result::Result<String, Outcome> {
        let mut body = Object::new()
            .text_if_any("channel", channel)
            .text_if_any("ts", ts)
            .text_if_any("username", &delivery.text(&self.username)?)
            .text_if_any("icon_emoji", &delivery.text(&self.icon_emoji)?)
            .text_if_any("icon_url", &delivery.text(&self.icon_url)?);
        if self.link_names {
            body = body.json("link_names", "true");
        }
        Ok(body
            .text_if_any("text", &delivery.text(&self.message_text)?)
            .json("attachments", &format!("[{attachment}]"))
            .end())
    }

    async fn send(
        &self,
        delivery: &Delivery<'_>,
        url: String,
        channel: &str,
        body: String,
    ) -> std::result::Result<Said, Outcome> {
        let of_channel = format!("channel {channel:?}");
        let answer = delivery.post(&self.http, url, JSON, body).await;
        let response = accepted(answer, &[]).map_err(|failed| during(&of_channel, failed))?;
        Ok(match self.said(&response) {
            Said::Failed(failed) => Said::Failed(during(&of_channel, failed)),
            said => said,
        })
    }

    /// Webhooks answer with a text, which is `ok`; the API with JSON, which says whether it is.
    fn said(&self, response: &Response) -> Said {
        let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|kind| kind.starts_with(JSON)) {
            return match &response.body[..] {
                b"ok" => Said::Taken(Memory::new()),
                _ => {
                    let message =
                        format!("received an error response from Slack: {}", answer::cited(&response.body));
                    Said::Failed(refused("clientError", message))
                }
            };
        }
        let said = match answer::Said::read(response) {
            Ok(said) => said,
            Err(failed) => return Said::Failed(failed),
        };
        let text = |name| said.text(name);
        if !said.is("ok") {
            let error = text("error");
            let message = format!("error response from Slack: {error}");
            return if NOT_TO_BE_CHANGED.contains(&error) {
                Said::Gone
            } else if error.starts_with("rate") {
                Said::Failed(try_again("rateLimited", message))
            } else if PASSING.contains(&error) {
                Said::Failed(try_again("clientError", message))
            } else {
                Said::Failed(refused("clientError", message))
            };
        }
        let mut memory = Memory::new();
        if self.update_message && !text("ts").is_empty() && !text("channel").is_empty() {
            memory.insert(TS.into(), text("ts").into());
            memory.insert(CHANNEL.into(), text("channel").into());
        }
        Said::Taken(memory)
    }
}

impl Attachment {
    fn json(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        let text = |template: &str| delivery.text(template);
        let fields = self.fields.iter().map(|field| {
            let short = field.short.unwrap_or(self.short_fields);
            Ok(Object::new()
                .text_if_any("title", &text(&field.title)?)
                .text_if_any("value", &text(&field.value)?)
                .json("short", if short { "true" } else { "false" })
                .end())
        });
        let fields = fields.collect::<std::result::Result<Vec<_>, Outcome>>()?;
        let actions = self.actions.iter().map(|action| action.json(delivery));
        let actions = actions.collect::<std::result::Result<Vec<_>, Outcome>>()?;
        let mrkdwn_in = match self.mrkdwn_in.is_empty() {
            true => texts(&["fallback", "pretext", "text"]),
            false => texts(&self.mrkdwn_in),
        };
        Ok(Object::new()
            .text_if_any("title", &cut_to_chars(text(&self.title)?, TITLE_MAX_CHARS))
            .text_if_any("title_link", &text(&self.title_link)?)
            .text_if_any("pretext", &text(&self.pretext)?)
            .text("text", &text(&self.text)?)
            .text("fallback", &text(&self.fallback)?)
            .text("callback_id", &text(&self.callback_id)?)
            .json_if_any("fields", &list_if_any(&fields))
            .json_if_any("actions", &list_if_any(&actions))
            .text_if_any("image_url", &text(&self.image_url)?)
            .text_if_any("thumb_url", &text(&self.thumb_url)?)
            .text("footer", &text(&self.footer)?)
            .text_if_any("color", &text(&self.color)?)
            .json_if_any("mrkdwn_in", &list_if_any(&mrkdwn_in))
            .end())
    }
}

impl Action {
    fn json(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        let text = |template: &str| delivery.text(template);
        let confirm = match &self.confirm {
            None => String::new(),
            Some(confirm) => Object::new()
                .text_if_any("text", &text(&confirm.text)?)
                .text_if_any("title", &text(&confirm.title)?)
                .text_if_any("ok_text", &text(&confirm.ok_text)?)
                .text_if_any("dismiss_text", &text(&confirm.dismiss_text)?)
                .end(),
        };
        Ok(Object::new()
            .text_if_any("type", &text(&self.kind)?)
            .text_if_any("text", &text(&self.text)?)
            .text_if_any("url", &text(&self.url)?)
            .text_if_any("style", &text(&self.style)?)
            .text_if_any("name", &text(&self.name)?)
            .text_if_any("value", &text(&self.value)?)
            .json_if_any("confirm", &confirm)
            .end())
    }
}

impl Notifier for Slack {
    fn kind(&self) -> &'static str {
        "slack"
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
        again, decoded, firing, given_up, notifier, refuses, taken, tell, tell_of,
    };
    use crate::settings::Global;
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    /// Settings without default templates.
    const PLAIN: &str = "title: t, title_link: '', pretext: '', text: x, fallback: f, callback_id: '', \
        footer: '', color: good, username: '', icon_emoji: '', icon_url: ''";

    fn with_token(url: &str, more: &str) -> Arc<dyn Notifier> {
        let url = format!("{url}/api/chat.postMessage");
        notifier(decode, &format!("{{app_token: xoxb-1, app_url: '{url}', channel: '#c', {PLAIN}{more}}}"))
    }

    #[tokio::test]
    async fn a_webhook_gets_a_message_with_an_attachment() {
        let server = Server::start(|_| Reply::new(200, "ok")).await;
        let yaml = format!(
            "{{api_url: '{}/hook', channel: '#{{{{ .Receiver }}}}', link_names: true, message_text: m, {PLAIN}, \
             image_url: i, thumb_url: th, short_fields: true, mrkdwn_in: [text], \
             fields: [{{title: a, value: b}}, {{title: c, value: d, short: false}}], \
             actions: [{{type: button, text: go, url: 'http://x', name: n, value: v}}, \
                       {{type: button, text: do, name: n, value: v, style: danger, \
                         confirm: {{text: sure, title: q, ok_text: 'yes', dismiss_text: 'no'}}}}]}}",
            server.url()
        );
        assert_eq!(tell(&notifier(decode, &yaml)).await, Outcome::Taken(Memory::new()));
        let request = server.requests().remove(0);
        assert_eq!((request.path.as_str(), request.header("content-type")), ("/hook", JSON));
        assert_eq!(
            request.text(),
            concat!(
                r##"{"channel":"#team","link_names":true,"text":"m","attachments":[{"title":"t","text":"x","##,
                r#""fallback":"f","callback_id":"","fields":[{"title":"a","value":"b","short":true},"#,
                r#"{"title":"c","value":"d","short":false}],"actions":[{"type":"button","text":"go","url":"http://x"},"#,
                r#"{"type":"button","text":"do","style":"danger","name":"n","value":"v","confirm":{"text":"sure","#,
                r#""title":"q","ok_text":"yes","dismiss_text":"no"}}],"image_url":"i","thumb_url":"th","#,
                r#""footer":"","color":"good","mrkdwn_in":["text"]}]}"#
            )
        );
    }

    #[tokio::test]
    async fn a_bot_proves_itself_and_long_titles_are_cut() {
        let server = Server::start(|_| Reply::json(&json!({"ok": true, "ts": "1.2", "channel": "C1"}))).await;
        let long = format!("{}/api/chat.postMessage", server.url());
        let yaml = format!(
            "{{app_token: xoxb-1, app_url: '{long}', {}}}",
            PLAIN.replace("title: t,", &format!("title: {},", "ä".repeat(1025)))
        );
        // Nothing is to be changed later, so nothing is remembered.
        assert_eq!(taken(tell(&notifier(decode, &yaml)).await), Memory::new());
        let request = server.requests().remove(0);
        assert_eq!(request.header("authorization"), "Bearer xoxb-1");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let title = body["attachments"][0]["title"].as_str().unwrap();
        assert_eq!((title.chars().count(), title.ends_with("ä…")), (1024, true));
        assert_eq!(body["attachments"][0]["mrkdwn_in"], json!(["fallback", "pretext", "text"]));
        assert!(body.get("channel").is_none());
    }

    #[tokio::test]
    async fn a_message_is_changed_until_someone_deletes_it() {
        let server = Server::start(|request| match request.path.as_str() {
            "/api/chat.update" if request.text().contains(r#""ts":"1.2""#) => {
                Reply::json(&json!({"ok": true, "ts": "1.2", "channel": "C1"}))
            }
            "/api/chat.update" => Reply::json(&json!({"ok": false, "error": "message_not_found"})),
            _ => Reply::json(&json!({"ok": true, "ts": "1.2", "channel": "C1"})),
        })
        .await;
        let slack = with_token(&server.url(), ", update_message: true");
        let memory = taken(tell(&slack).await);
        assert_eq!(memory, [(TS, "1.2"), (CHANNEL, "C1")].map(|(k, v)| (k.into(), v.into())).into());
        let alerts = || vec![firing(&[("alertname", "Up")])];
        assert_eq!(taken(tell_of(&slack, alerts(), memory.clone()).await), memory);
        let old: Memory = [(TS, "0.1"), (CHANNEL, "C1")].map(|(k, v)| (k.into(), v.into())).into();
        assert_eq!(taken(tell_of(&slack, alerts(), old).await), memory);
        let paths: Vec<String> = server.targets();
        let (post, update) = ("/api/chat.postMessage", "/api/chat.update");
        assert_eq!(paths, [post, update, update, post]);
        let changed: Value = serde_json::from_slice(&server.requests()[1].body).unwrap();
        assert_eq!((&changed["channel"], &changed["ts"]), (&json!("C1"), &json!("1.2")));
    }

    #[tokio::test]
    async fn what_slack_says_decides_whether_to_try_again() {
        let server = Server::start(|request| {
            let said = |text: &'static str| Reply::new(200, text).header("content-type", "application/json");
            match request.path.rsplit('/').next().unwrap() {
                "401" => Reply::new(401, "no"),
                "500" => Reply::new(500, "busy"),
                "429" => Reply::new(429, "").header("retry-after", "30"),
                "307" => Reply::new(307, ""),
                "text" => Reply::new(200, "no_channel"),
                "error" => said(r#"{"ok":false,"error":"channel_not_found"}"#),
                "limited" => said(r#"{"ok":false,"error":"ratelimited"}"#),
                _ => said("{\"not"),
            }
        })
        .await;
        let tell_at = async |path: &str| {
            let yaml = format!("{{api_url: '{}/{path}', channel: c, {PLAIN}}}", server.url());
            tell(&notifier(decode, &yaml)).await
        };
        let failure = given_up(tell_at("401").await);
        assert_eq!(failure.reason, "authError");
        assert_eq!(failure.message, "channel \"c\": unexpected status code 401: no");
        assert_eq!(given_up(tell_at("307").await).reason, "other");
        assert_eq!(again(tell_at("500").await).reason, "serverError");
        let failure = again(tell_at("429").await);
        assert_eq!((failure.reason, failure.wait_ms), ("rateLimited", 30_000));
        let failure = given_up(tell_at("text").await);
        assert_eq!(failure.message, "channel \"c\": received an error response from Slack: no_channel");
        let failure = given_up(tell_at("error").await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("clientError", "channel \"c\": error response from Slack: channel_not_found")
        );
        assert_eq!(again(tell_at("limited").await).reason, "rateLimited");
        let failure = again(tell_at("json").await);
        assert!(failure.message.contains("could not unmarshal JSON response"), "{}", failure.message);
    }

    #[tokio::test]
    async fn a_secret_url_is_read_again_at_each_use_and_never_told() {
        let server = Server::start(|_| Reply::new(200, "ok")).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        let slack = notifier(decode, &format!("{{api_url_file: '{}', {PLAIN}}}", file.display()));
        let failure = given_up(tell(&slack).await);
        assert!(failure.message.starts_with("read api_url_file: "), "{}", failure.message);
        std::fs::write(&file, format!("{}/one\n", server.url())).unwrap();
        taken(tell(&slack).await);
        std::fs::write(&file, format!("{}/two", server.url())).unwrap();
        taken(tell(&slack).await);
        assert_eq!(server.targets(), ["/one", "/two"]);
        std::fs::write(&file, "http://127.0.0.1:1/hush").unwrap();
        assert!(!again(tell(&slack).await).message.contains("hush"));
        assert!(!format!("{slack:?}").contains("hush"));
    }

    #[tokio::test]
    async fn a_template_that_fails_is_not_tried_again() {
        let yaml = format!("{{api_url: 'http://127.0.0.1:1', {PLAIN}, thumb_url: '{{{{ nope }}}}'}}");
        assert!(given_up(tell(&notifier(decode, &yaml)).await).message.contains("nope"));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let api = "api_url: 'https://hooks.slack.com/x'";
        let updatable = "update_message can only be used with bot tokens. api_url must be set to https://slack.com/api/chat.postMessage";
        refuses(
            decode,
            &Global::default(),
            &[
                ("{}", "no Slack API URL nor App token set either inline or in a file"),
                (
                    &format!("{{{api}, api_url_file: x}}"),
                    "at most one of api_url & api_url_file must be configured",
                ),
                (
                    "{app_token: a, app_token_file: x}",
                    "at most one of app_token & app_token_file must be configured",
                ),
                (
                    &format!("{{{api}, app_token: a}}"),
                    "at most one of api_url/api_url_file & app_token/app_token_file must be configured",
                ),
                (&format!("{{{api}, update_message: true}}"), updatable),
                (
                    "{app_token: a, http_config: {authorization: {credentials: x}}}",
                    "http authorization can't be set when using Slack App tokens",
                ),
                (&format!("{{{api}, fields: [{{title: a}}]}}"), "missing value in Slack field configuration"),
                (&format!("{{{api}, fields: [{{value: a}}]}}"), "missing title in Slack field configuration"),
                (&format!("{{{api}, actions: [{{text: a}}]}}"), "missing type in Slack action configuration"),
                (&format!("{{{api}, actions: [{{type: a}}]}}"), "missing text in Slack action configuration"),
                (
                    &format!("{{{api}, actions: [{{type: a, text: b}}]}}"),
                    "missing name or url in Slack action configuration",
                ),
                (
                    &format!("{{{api}, actions: [{{type: a, text: b, name: c, confirm: {{title: x}}}}]}}"),
                    "missing text in Slack confirmation configuration",
                ),
                ("{api_url: 'ftp://x'}", "unsupported scheme \"ftp\" for URL"),
            ],
        );
    }

    #[test]
    fn the_global_section_says_where_messages_go_unless_the_entry_does() {
        let secret = |text: &str| Some(SecretSource::Inline(config::Secret::new(text.into())));
        let global = Global { slack_app_token: secret("xoxb-1"), ..Global::default() };
        let shown = |yaml: &str| format!("{:?}", decoded(decode, yaml, &global).unwrap());
        assert!(shown("{}").contains("kind: \"Bearer\""));
        assert!(!shown("{api_url: 'https://x/y'}").contains("Bearer"));
        assert!(
            shown("{http_config: {authorization: {type: Own, credentials: x}}, api_url: 'https://x/y'}")
                .contains("kind: \"Own\"")
        );
        assert!(decoded(decode, "{update_message: true}", &global).is_ok());
        assert!(!decoded(decode, "{}", &global).unwrap().sends_resolved());
    }
}
