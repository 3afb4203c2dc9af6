//! Rocket.Chat: a message with one attachment to a channel.
//! <https://developer.rocket.chat/apidocs/post-message>

use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};

use super::answer::{Said, accepted, during, refused};
use super::attachment::Field;
use super::decode::{http_url, take_secret, template};
use super::exchange::JSON;
use super::text::cut_to_chars;
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{Object, list_if_any};

/// The length of a title.
const TITLE_MAX_CHARS: usize = 1024;

/// The settings of one Rocket.Chat receiver. The texts are templates.
#[derive(Clone, Debug)]
pub struct Rocketchat {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    api_url: String,
    token_id: SecretSource,
    token: SecretSource,
    channel: String,
    color: String,
    title: String,
    title_link: String,
    text: String,
    fields: Vec<Field>,
    short_fields: bool,
    emoji: String,
    icon_url: String,
    image_url: String,
    thumb_url: String,
    actions: Vec<Action>,
}

/// A button.
#[derive(Clone, Debug)]
struct Action {
    text: String,
    url: String,
    message: String,
}

/// Decodes one entry of `rocketchat_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let global = context.global;
    let (send_resolved, http) = (fields.or("send_resolved", false, Node::boolean)?, context.http(fields)?);
    let api_url = fields.optional("api_url", http_url)?;
    let token = take_secret(fields, context.base, ("token", "token_file"))?;
    let token_id = take_secret(fields, context.base, ("token_id", "token_id_file"))?;
    let token_id = token_id
        .or_else(|| global.rocketchat_token_id.clone())
        .ok_or_else(|| fields.error("no global Rocketchat TokenID set either inline or in a file"))?;
    let token = token
        .or_else(|| global.rocketchat_token.clone())
        .ok_or_else(|| fields.error("no global Rocketchat Token set either inline or in a file"))?;
    // Accepted as upstream has it; the server finds names in the text by itself.
    fields.or("link_names", false, Node::boolean)?;
    let rocketchat = Rocketchat {
        send_resolved,
        http,
        api_url: api_url.unwrap_or_else(|| global.rocketchat_api_url.clone()),
        token_id,
        token,
        channel: template(fields, "channel", "")?,
        color: template(fields, "color", r#"{{ if eq .Status "firing" }}red{{ else }}green{{ end }}"#)?,
        title: template(fields, "title", r#"{{ template "rocketchat.default.title" . }}"#)?,
        title_link: template(fields, "title_link", r#"{{ template "rocketchat.default.titlelink" . }}"#)?,
        text: template(fields, "text", r#"{{ template "rocketchat.default.text" . }}"#)?,
        fields: fields.or("fields", Vec::new(), |node| {
            node.list(|node| Field::decode(node, "rocketchat.RocketchatAttachmentField", None))
        })?,
        short_fields: fields.or("short_fields", false, Node::boolean)?,
        emoji: template(fields, "emoji", r#"{{ template "rocketchat.default.emoji" . }}"#)?,
        icon_url: template(fields, "icon_url", r#"{{ template "rocketchat.default.iconurl" . }}"#)?,
        image_url: template(fields, "image_url", "")?,
        thumb_url: template(fields, "thumb_url", "")?,
        actions: fields.or("actions", Vec::new(), |node| node.list(action))?,
    };
    taken.finish()?;
    Ok(Arc::new(rocketchat))
}

fn action(node: &Node) -> Result<Action> {
    let mut fields = node.fields("rocketchat.RocketchatAttachmentAction")?;
    let action = Action {
        text: template(&mut fields, "text", "")?,
        url: template(&mut fields, "url", "")?,
        message: template(&mut fields, "msg", "")?,
    };
    // There are only buttons, and nothing but these texts is sent of them.
    for name in ["type", "imageurl", "webviewheightratio", "msgprocessingtype"] {
        fields.optional(name, Node::string)?;
    }
    for name in ["iswebview", "msginchatwindow"] {
        fields.optional(name, Node::boolean)?;
    }
    fields.finish()?;
    Ok(action)
}

impl Rocketchat {
    fn body(&self, delivery: &Delivery<'_>, channel: &str) -> std::result::Result<String, Outcome> {
        let text = |template: &String| delivery.text(template);
        let field = |field: &Field| {
            let short = field.short.unwrap_or(self.short_fields);
            let object = Object::new()
                .json("short", if short { "true" } else { "false" })
                .text_if_any("title", &text(&field.title)?)
                .text_if_any("value", &text(&field.value)?);
            Ok(object.end())
        };
        let action = |action: &Action| {
            let object = Object::new()
                .text("type", "button")
                .text_if_any("text", &text(&action.text)?)
                .text_if_any("url", &text(&action.url)?)
                .json("is_webview", "false")
                .text_if_any("msg", &text(&action.message)?)
                .json("msg_in_chat_window", "false");
            Ok(object.end())
        };
        let fields = self.fields.iter().map(field).collect::<std::result::Result<Vec<_>, Outcome>>()?;
        let actions = self.actions.iter().map(action).collect::<std::result::Result<Vec<_>, Outcome>>()?;
        let attachment = Object::new()
            .text_if_any("title", &cut_to_chars(text(&self.title)?, TITLE_MAX_CHARS))
            .text_if_any("title_link", &text(&self.title_link)?)
            .text_if_any("text", &text(&self.text)?)
            .text_if_any("image_url", &text(&self.image_url)?)
            .text_if_any("thumb_url", &text(&self.thumb_url)?)
            .text_if_any("color", &text(&self.color)?)
            .json_if_any("fields", &list_if_any(&fields))
            .json_if_any("actions", &list_if_any(&actions))
            .end();
        let body = Object::new()
            .text_if_any("channel", channel)
            .text_if_any("emoji", &text(&self.emoji)?)
            .text_if_any("avatar", &text(&self.icon_url)?)
            .json("attachments", &format!("[{attachment}]"));
        Ok(body.end())
    }

    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let channel = delivery.text(&self.channel)?;
        let body = self.body(delivery, &channel)?;
        let url = format!("{}/api/v1/chat.postMessage", self.api_url.trim_end_matches('/'));
        let mut request = delivery.request(&self.http, http::Method::POST, url, JSON, body);
        let token = delivery.secret(&self.token, "token_file").await?;
        let token_id = delivery.secret(&self.token_id, "token_id_file").await?;
        request.headers.extend([("x-auth-token".into(), token), ("x-user-id".into(), token_id)]);
        let in_channel = |failed| during(&format!("channel {channel:?}"), failed);
        let answer = accepted(delivery.send(request).await, &[]).map_err(in_channel)?;
        // A refusal can have status 200 too.
        let said = Said::read(&answer).map_err(in_channel)?;
        if said.is("success") {
            return Ok(Outcome::Taken(Memory::new()));
        }
        let why = said.text("error");
        Err(in_channel(refused("clientError", format!("error response from Rocketchat: {why}"))))
    }
}

impl Notifier for Rocketchat {
    fn kind(&self) -> &'static str {
        "rocketchat"
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
    use config::Secret;
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    fn yaml(server: &Server, more: &str) -> String {
        format!("api_url: '{}/'\ntoken: tok\ntoken_id: me\nchannel: '#a'\n{more}\n", server.url())
    }

    #[tokio::test]
    async fn a_message_has_fields_and_buttons() {
        let server = Server::start(|_| Reply::json(&json!({"success": true}))).await;
        let more = "title: '{{ .Status }}'\ntext: x\ntitle_link: l\nemoji: ':fire:'\nicon_url: i\nimage_url: im\nthumb_url: th\nshort_fields: true\n\
            fields: [{title: a, value: '{{ .Receiver }}'}, {title: b, value: c, short: false}]\n\
            actions: [{type: button, text: Run, url: 'http://r', msg: go}]";
        taken(tell(&notifier(decode, &yaml(&server, more))).await);
        assert_eq!(server.targets(), ["/api/v1/chat.postMessage"]);
        let request = &server.requests()[0];
        assert_eq!((request.header("x-auth-token"), request.header("x-user-id")), ("tok", "me"));
        assert_eq!(
            serde_json::from_slice::<Value>(&request.body).unwrap(),
            json!({"channel": "#a", "emoji": ":fire:", "avatar": "i", "attachments": [{
                "title": "firing", "title_link": "l", "text": "x", "image_url": "im", "thumb_url": "th", "color": "red",
                "fields": [{"short": true, "title": "a", "value": "team"}, {"short": false, "title": "b", "value": "c"}],
                "actions": [{"type": "button", "text": "Run", "url": "http://r", "is_webview": false, "msg": "go",
                    "msg_in_chat_window": false}]
            }]})
        );
    }

    #[tokio::test]
    async fn refusals_name_the_channel() {
        let server = Server::start(|request| match request.text() {
            text if text.contains("html") => Reply::new(200, "<html>"),
            text if text.contains("busy") => Reply::new(429, "later"),
            _ => Reply::json(&json!({"success": false, "error": "invalid-channel"})),
        })
        .await;
        let failure = given_up(tell(&notifier(decode, &yaml(&server, "title: x"))).await);
        assert_eq!(failure.message, "channel \"#a\": error response from Rocketchat: invalid-channel");
        assert!(
            again(tell(&notifier(decode, &yaml(&server, "title: html"))).await)
                .message
                .contains("JSON response")
        );
        let failure = again(tell(&notifier(decode, &yaml(&server, "title: busy"))).await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("rateLimited", "channel \"#a\": unexpected status code 429: later")
        );
    }

    #[tokio::test]
    async fn a_long_title_is_cut() {
        let server = Server::start(|_| Reply::json(&json!({"success": true}))).await;
        taken(tell(&notifier(decode, &yaml(&server, &format!("title: {}", "a".repeat(2000))))).await);
        let body: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        assert_eq!(body["attachments"][0]["title"].as_str().unwrap().chars().count(), 1024);
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{token: a, token_file: b}", "at most one of token & token_file must be configured"),
                (
                    "{token_id: a, token_id_file: b}",
                    "at most one of token_id & token_id_file must be configured",
                ),
                ("{token: a}", "no global Rocketchat TokenID set either inline or in a file"),
                ("{token_id: a}", "no global Rocketchat Token set either inline or in a file"),
            ],
        );
        let secret = || Some(SecretSource::Inline(Secret::new("x".into())));
        let global =
            Global { rocketchat_token: secret(), rocketchat_token_id: secret(), ..Global::default() };
        assert!(!decoded(decode, "{}", &global).unwrap().sends_resolved());
    }
}
