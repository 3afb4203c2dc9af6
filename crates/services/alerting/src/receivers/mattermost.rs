//! Mattermost: a post by an incoming webhook, with attachments.
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>

use std::sync::Arc;

use config::{Fields, HttpClientConfig, Node, Result};

use super::answer::{during, outcome_of, refused};
use super::attachment::Field;
use super::decode::{secret_url, template};
use super::exchange::JSON;
use super::text::cut_to_chars;
use super::{Attempt, Context, Delivery, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{Object, list_if_any};

/// The length of a post.
const TEXT_MAX_CHARS: usize = 16_383;

/// The settings of one Mattermost receiver. The texts are templates.
#[derive(Clone, Debug)]
pub struct Mattermost {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    webhook: SecretSource,
    channel: String,
    username: String,
    icon_url: String,
    icon_emoji: String,
    kind: String,
    /// What stands beside the post's text in its props.
    card: String,
    priority: Option<Priority>,
    /// The attachment made of the receiver's own settings, where it lists none.
    own: Attachment,
    attachments: Vec<Attachment>,
}

#[derive(Clone, Debug)]
struct Priority {
    priority: String,
    requested_ack: bool,
    persistent_notifications: bool,
}

/// An attachment: its texts by the names that settings and messages share, in the order of messages.
#[derive(Clone, Debug)]
struct Attachment {
    texts: Vec<(&'static str, String)>,
    fields: Vec<Field>,
}

/// The texts of an attachment in the order of messages; the fields stand before the first of the
/// second list.
const TEXTS: [&str; 13] = [
    "fallback",
    "color",
    "pretext",
    "text",
    "author_name",
    "author_link",
    "author_icon",
    "title",
    "title_link",
    "thumb_url",
    "footer",
    "footer_icon",
    "image_url",
];

/// What the receiver's own attachment says unless the settings do.
const DEFAULTS: [(&str, &str); 5] = [
    ("fallback", r#"{{ template "mattermost.default.fallback" . }}"#),
    ("color", r#"{{ template "mattermost.default.color" . }}"#),
    ("text", r#"{{ template "mattermost.default.text" . }}"#),
    ("title", r#"{{ template "mattermost.default.title" . }}"#),
    ("title_link", r#"{{ template "mattermost.default.titlelink" . }}"#),
];

/// Decodes one entry of `mattermost_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let webhook = secret_url(fields, context.base, ("webhook_url", "webhook_url_file"))?
        .or_else(|| context.global.mattermost_webhook_url.clone());
    let mattermost = Mattermost {
        send_resolved,
        http,
        webhook: webhook
            .ok_or_else(|| fields.error("missing webhook_url or webhook_url_file on mattermost_config"))?,
        channel: template(fields, "channel", "")?,
        username: template(fields, "username", r#"{{ template "mattermost.default.username" . }}"#)?,
        icon_url: template(fields, "icon_url", "")?,
        icon_emoji: template(fields, "icon_emoji", "")?,
        kind: template(fields, "type", "")?,
        card: fields.or("props", String::new(), card)?,
        priority: fields.optional("priority", priority)?,
        own: attachment(fields, &DEFAULTS)?,
        attachments: fields.or("attachments", Vec::new(), |node| {
            node.list(|node| {
                let mut fields = node.fields("mattermost.MattermostAttachment")?;
                let attachment = attachment(&mut fields, &[])?;
                fields.finish()?;
                Ok(attachment)
            })
        })?,
    };
    taken.finish()?;
    Ok(Arc::new(mattermost))
}

fn card(node: &Node) -> Result<String> {
    let mut fields = node.fields("mattermost.MattermostProps")?;
    let card = template(&mut fields, "card", "")?;
    fields.finish()?;
    Ok(card)
}

fn priority(node: &Node) -> Result<Priority> {
    let mut fields = node.fields("mattermost.MattermostPriority")?;
    let priority = Priority {
        priority: template(&mut fields, "priority", "")?,
        requested_ack: fields.or("requested_ack", false, Node::boolean)?,
        persistent_notifications: fields.or("persistent_notifications", false, Node::boolean)?,
    };
    fields.finish()?;
    Ok(priority)
}

fn attachment(fields: &mut Fields<'_>, defaults: &[(&str, &str)]) -> Result<Attachment> {
    let mut texts = Vec::with_capacity(TEXTS.len());
    for name in TEXTS {
        let default = defaults.iter().find(|(of, _)| *of == name).map_or("", |(_, default)| default);
        texts.push((name, template(fields, name, default)?));
    }
    let fields = fields.or("fields", Vec::new(), |node| {
        node.list(|node| Field::decode(node, "mattermost.plain", Some("Mattermost")))
    })?;
    Ok(Attachment { texts, fields })
}

/// Decodes a field alone.
#[cfg(feature = "conformance")]
pub(crate) fn check_field(node: &Node) -> Result<()> {
    Field::decode(node, "mattermost.plain", Some("Mattermost")).map(|_| ())
}

impl Attachment {
    fn text(&self, name: &str) -> &str {
        self.texts.iter().find(|(of, _)| *of == name).map_or("", |(_, text)| text)
    }

    fn json(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let short = field.short.map_or("", |short| if short { "true" } else { "false" });
            let object = Object::new()
                .text_if_any("title", &delivery.text(&field.title)?)
                .text_if_any("value", &delivery.text(&field.value)?)
                .json_if_any("short", short);
            fields.push(object.end());
        }
        let mut object = Object::new();
        for (name, template) in &self.texts {
            if *name == "thumb_url" {
                object = object.json_if_any("fields", &list_if_any(&fields));
            }
            let mut text = delivery.text(template)?;
            if *name == "text" {
                text = cut_to_chars(text, TEXT_MAX_CHARS);
            }
            object = object.text_if_any(name, &text);
        }
        Ok(object.end())
    }
}

impl Priority {
    /// Only important posts can ask for an acknowledgement, only urgent ones can persist.
    fn json(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        if self.priority.is_empty() {
            return Ok(String::new());
        }
        let mut priority = delivery.text(&self.priority)?.to_lowercase();
        if !["urgent", "important", "standard"].contains(&priority.as_str()) {
            priority = "standard".into();
        }
        let flag = |is_set: bool| if is_set { "true" } else { "" };
        let object = Object::new()
            .text("priority", &priority)
            .json_if_any("requested_ack", flag(self.requested_ack && priority != "standard"))
            .json_if_any(
                "persistent_notifications",
                flag(self.persistent_notifications && priority == "urgent"),
            );
        Ok(object.end())
    }
}

impl Mattermost {
    fn body(&self, delivery: &Delivery<'_>, channel: &str) -> std::result::Result<String, Outcome> {
        let (text, attachments) = if self.attachments.is_empty() {
            (String::new(), vec![self.own.json(delivery)?])
        } else {
            let text = cut_to_chars(delivery.text(self.own.text("text"))?, TEXT_MAX_CHARS);
            let attachments = self.attachments.iter().map(|attachment| attachment.json(delivery));
            (text, attachments.collect::<std::result::Result<_, _>>()?)
        };
        let props = match self.card.as_str() {
            "" => String::new(),
            card => Object::new().text_if_any("card", &delivery.text(card)?).end(),
        };
        let priority = self.priority.as_ref().map(|priority| priority.json(delivery)).transpose()?;
        let body = Object::new()
            .text_if_any("text", &text)
            .text_if_any("channel", channel)
            .text_if_any("username", &delivery.text(&self.username)?)
            .text_if_any("icon_url", &delivery.text(&self.icon_url)?)
            .text_if_any("icon_emoji", &delivery.text(&self.icon_emoji)?)
            .json_if_any("attachments", &list_if_any(&attachments))
            .text_if_any("type", &delivery.text(&self.kind)?)
            .json_if_any("props", &props)
            .json_if_any("priority", &priority.unwrap_or_default());
        Ok(body.end())
    }

    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let url = delivery.secret(&self.webhook, "webhook_url_file").await?;
        if url.is_empty() {
            return Err(refused("other", "webhook url missing"));
        }
        let channel = delivery.text(&self.channel)?;
        let body = self.body(delivery, &channel)?;
        let outcome = outcome_of(delivery.post(&self.http, url, JSON, body).await, &[]);
        Ok(during(&format!("channel {channel:?}"), outcome))
    }
}

impl Notifier for Mattermost {
    fn kind(&self) -> &'static str {
        "mattermost"
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

    async fn body_of(more: &str) -> Value {
        let server = Server::start(|_| Reply::new(200, "ok")).await;
        taken(tell(&notifier(decode, &format!("webhook_url: '{}/hooks/x'\n{more}\n", server.url()))).await);
        assert_eq!(server.targets(), ["/hooks/x"]);
        serde_json::from_slice(&server.requests()[0].body).unwrap()
    }

    #[tokio::test]
    async fn the_settings_make_one_attachment() {
        let more = "channel: '{{ .GroupLabels.alertname }}'\nusername: u\ntext: x\nfallback: f\ncolor: c\npretext: p\n\
            author_name: n\nauthor_link: l\nauthor_icon: i\ntitle: t\ntitle_link: tl\nthumb_url: th\nfooter: fo\n\
            footer_icon: fi\nimage_url: im\nicon_url: iu\nicon_emoji: ie\ntype: custom_x\nprops: {card: '{{ .Status }}'}\n\
            fields: [{title: a, value: '{{ .Receiver }}', short: true}, {title: b, value: c}]";
        assert_eq!(
            body_of(more).await,
            json!({"channel": "Up", "username": "u", "icon_url": "iu", "icon_emoji": "ie", "type": "custom_x",
                "props": {"card": "firing"},
                "attachments": [{"fallback": "f", "color": "c", "pretext": "p", "text": "x", "author_name": "n",
                    "author_link": "l", "author_icon": "i", "title": "t", "title_link": "tl",
                    "fields": [{"title": "a", "value": "team", "short": true}, {"title": "b", "value": "c"}],
                    "thumb_url": "th", "footer": "fo", "footer_icon": "fi", "image_url": "im"}]})
        );
    }

    #[tokio::test]
    async fn attachments_of_their_own_leave_the_text_to_the_post() {
        let body = body_of("text: x\nusername: u\nattachments: [{text: '{{ .Status }}'}, {title: t}]").await;
        assert_eq!(
            body,
            json!({"text": "x", "username": "u", "attachments": [{"text": "firing"}, {"title": "t"}]})
        );
    }

    #[tokio::test]
    async fn a_priority_is_made_one_that_exists() {
        for (settings, expected) in [
            (
                "{priority: URGENT, requested_ack: true, persistent_notifications: true}",
                json!({"priority": "urgent", "requested_ack": true, "persistent_notifications": true}),
            ),
            (
                "{priority: important, requested_ack: true, persistent_notifications: true}",
                json!({"priority": "important", "requested_ack": true}),
            ),
            ("{priority: odd, requested_ack: true}", json!({"priority": "standard"})),
            ("{requested_ack: true}", Value::Null),
        ] {
            assert_eq!(body_of(&format!("priority: {settings}")).await["priority"], expected, "{settings}");
        }
    }

    #[tokio::test]
    async fn a_long_text_is_cut() {
        let long = "é".repeat(17_000);
        let cut = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!(cut(&body_of(&format!("text: {long}")).await["attachments"][0]["text"]), 16_383);
        assert_eq!(
            cut(&body_of(&format!("text: {long}\nattachments: [{{title: t}}]")).await["text"]),
            16_383
        );
    }

    #[tokio::test]
    async fn failures_name_the_channel() {
        let server = Server::start(|request| Reply::new(request.path[1..].parse().unwrap(), "no")).await;
        let at = |status: u16| {
            notifier(decode, &format!("{{webhook_url: '{}/{status}', channel: c}}", server.url()))
        };
        assert_eq!(again(tell(&at(500)).await).message, "channel \"c\": unexpected status code 500: no");
        assert_eq!(given_up(tell(&at(400)).await).reason, "clientError");
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{}", "missing webhook_url or webhook_url_file on mattermost_config"),
                (
                    "{webhook_url: 'http://a', webhook_url_file: b}",
                    "at most one of webhook_url & webhook_url_file must be configured",
                ),
                (
                    "{webhook_url: 'http://a', fields: [{title: a}]}",
                    "missing value in Mattermost field configuration",
                ),
            ],
        );
        let url = Some(SecretSource::Inline(Secret::new("http://a".into())));
        assert!(decoded(decode, "{}", &Global { mattermost_webhook_url: url, ..Global::default() }).is_ok());
    }
}
