//! Pushover: a message to a phone. One of the highest priority repeats until someone acknowledges it.
//! <https://pushover.net/api>

use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};

use super::answer::outcome_of;
use super::decode::{go_duration_ms, take_secret, template};
use super::text::cut_to_chars;
use super::{Attempt, Context, Delivery, Notifier, SecretSource};
use crate::dispatch::Outcome;

/// Where messages are posted.
const API_URL: &str = "https://api.pushover.net/1/messages.json";
/// Lengths that Pushover takes.
const TITLE_MAX_CHARS: usize = 250;
const MESSAGE_MAX_CHARS: usize = 1024;
const URL_MAX_CHARS: usize = 512;
const URL_TITLE_MAX_CHARS: usize = 100;
/// The priority that repeats, and the bounds of its repetition.
const EMERGENCY: &str = "2";
const EMERGENCY_RETRY_MIN_S: i64 = 30;
const EMERGENCY_EXPIRE_MAX_S: i64 = 10_800;
/// Empty messages are refused.
const NO_MESSAGE: &str = "(no details)";

/// The settings of one Pushover receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct Pushover {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    api_url: String,
    user_key: SecretSource,
    token: SecretSource,
    title: String,
    message: String,
    url: String,
    url_title: String,
    device: String,
    sound: String,
    priority: String,
    retry_ms: i64,
    expire_ms: i64,
    ttl_ms: i64,
    is_html: bool,
    is_monospace: bool,
}

/// Decodes one entry of `pushover_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    pushover(node, context).map(|pushover| Arc::new(pushover) as Arc<dyn Notifier>)
}

fn pushover(node: &Node, context: &Context<'_>) -> Result<Pushover> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let Some(user_key) = take_secret(fields, context.base, ("user_key", "user_key_file"))? else {
        return Err(fields.error("one of user_key or user_key_file must be configured"));
    };
    let Some(token) = take_secret(fields, context.base, ("token", "token_file"))? else {
        return Err(fields.error("one of token or token_file must be configured"));
    };
    let pushover = Pushover {
        send_resolved,
        http,
        api_url: API_URL.into(),
        user_key,
        token,
        title: template(fields, "title", r#"{{ template "pushover.default.title" . }}"#)?,
        message: template(fields, "message", r#"{{ template "pushover.default.message" . }}"#)?,
        url: template(fields, "url", r#"{{ template "pushover.default.url" . }}"#)?,
        url_title: template(fields, "url_title", "")?,
        device: template(fields, "device", "")?,
        sound: template(fields, "sound", "")?,
        priority: template(fields, "priority", r#"{{ if eq .Status "firing" }}2{{ else }}0{{ end }}"#)?,
        retry_ms: fields.or("retry", 60_000, go_duration_ms)?,
        expire_ms: fields.or("expire", 3_600_000, go_duration_ms)?,
        ttl_ms: fields.or("ttl", 0, go_duration_ms)?,
        is_html: fields.or("html", false, Node::boolean)?,
        is_monospace: fields.or("monospace", false, Node::boolean)?,
    };
    if pushover.is_html && pushover.is_monospace {
        return Err(fields.error("at most one of monospace & html must be configured"));
    }
    taken.finish()?;
    Ok(pushover)
}

impl Pushover {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let text = |template: &str| delivery.text(template);
        let token = delivery.secret(&self.token, "token_file").await?;
        let user = delivery.secret(&self.user_key, "user_key_file").await?;
        let message = if self.is_html { delivery.html(&self.message)? } else { text(&self.message)? };
        let message = cut_to_chars(message, MESSAGE_MAX_CHARS);
        let message = match message.trim() {
            "" => NO_MESSAGE,
            trimmed => trimmed,
        };
        let priority = text(&self.priority)?;
        let (mut retry_s, mut expire_s) = (self.retry_ms / 1_000, self.expire_ms / 1_000);
        if priority.trim() == EMERGENCY {
            // Outside of these bounds the whole message would be refused.
            retry_s = retry_s.max(EMERGENCY_RETRY_MIN_S);
            expire_s = expire_s.min(EMERGENCY_EXPIRE_MAX_S);
        }
        let mut form = vec![
            ("token", text(&token)?),
            ("user", text(&user)?),
            ("title", cut_to_chars(text(&self.title)?, TITLE_MAX_CHARS)),
            ("message", message.to_string()),
            ("url", cut_to_chars(text(&self.url)?, URL_MAX_CHARS)),
            ("url_title", cut_to_chars(text(&self.url_title)?, URL_TITLE_MAX_CHARS)),
            ("priority", priority),
            ("retry", retry_s.to_string()),
            ("expire", expire_s.to_string()),
            ("device", text(&self.device)?),
            ("sound", text(&self.sound)?),
        ];
        if self.is_html {
            form.push(("html", "1".into()));
        }
        if self.is_monospace {
            form.push(("monospace", "1".into()));
        }
        if self.ttl_ms >= 1_000 {
            form.push(("ttl", (self.ttl_ms / 1_000).to_string()));
        }
        let body = cloud::encoding::form(form.iter().map(|(name, value)| (*name, value.as_str())));
        let kind = "application/x-www-form-urlencoded";
        Ok(outcome_of(delivery.post(&self.http, self.api_url.clone(), kind, body).await, &[]))
    }
}

impl Notifier for Pushover {
    fn kind(&self) -> &'static str {
        "pushover"
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
    use crate::receivers::testing::{again, given_up, refuses, taken, tell};
    use crate::settings::Global;
    use config::http_client::PathBase;
    use std::collections::BTreeMap;
    use testkit::http::{Reply, Server, decoded};

    fn notifier(server: &Server, yaml: &str) -> Arc<dyn Notifier> {
        let base = PathBase::new(std::path::Path::new("/"));
        let context = Context { base: &base, global: &Global::default() };
        let own = pushover(&Node::parse(yaml).unwrap(), &context).unwrap();
        Arc::new(Pushover { api_url: server.url(), ..own })
    }

    fn forms(server: &Server) -> Vec<BTreeMap<String, String>> {
        let pairs = |text: String| {
            let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
            pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
        };
        server.requests().iter().map(|request| pairs(request.text())).collect()
    }

    #[tokio::test]
    async fn a_message_has_what_is_set() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let yaml = "{token: '{{ .Receiver }}', user_key: u, title: t, message: ' m&n ', url: x, url_title: ut, device: d, \
            sound: s, priority: '1', retry: 10s, expire: 5h, ttl: 90s, monospace: true}";
        taken(tell(&notifier(&server, yaml)).await);
        let expected = [
            ("token", "team"),
            ("user", "u"),
            ("title", "t"),
            ("message", "m&n"),
            ("url", "x"),
            ("url_title", "ut"),
            ("priority", "1"),
            ("retry", "10"),
            ("expire", "18000"),
            ("device", "d"),
            ("sound", "s"),
            ("ttl", "90"),
            ("monospace", "1"),
        ];
        assert_eq!(forms(&server), [expected.map(|(name, value)| (name.into(), value.into())).into()]);
        assert!(server.requests()[0].query.is_empty(), "secrets stay out of the URL");
    }

    #[tokio::test]
    async fn lengths_and_repetition_stay_within_what_pushover_takes() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let long = "ö".repeat(2000);
        let yaml = format!(
            "{{token: t, user_key: u, title: {long}, message: {long}, url: {long}, url_title: {long}, priority: '2', \
             retry: 1s, expire: 5h}}"
        );
        taken(tell(&notifier(&server, &yaml)).await);
        let yaml = "{token: t, user_key: u, title: t, message: ' ', url: '', priority: '0'}";
        taken(tell(&notifier(&server, yaml)).await);
        let forms = forms(&server);
        let length = |name: &str| forms[0][name].chars().count();
        assert_eq!(["title", "message", "url", "url_title"].map(length), [250, 1024, 512, 100]);
        assert_eq!((&forms[0]["retry"][..], &forms[0]["expire"][..]), ("30", "10800"));
        assert_eq!((&forms[1]["message"][..], &forms[1]["retry"][..]), ("(no details)", "60"));
        assert!(!forms[1].contains_key("ttl") && !forms[1].contains_key("html"));
    }

    #[tokio::test]
    async fn what_fires_wakes_people_up_by_default() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let yaml = "{token: t, user_key: u, html: true}";
        taken(tell(&notifier(&server, yaml)).await);
        let form = forms(&server).remove(0);
        assert_eq!((&form["priority"][..], &form["title"][..]), ("2", "1 firing: Up | j"));
        assert!(
            form["message"].contains("job: j") && form["message"].contains("a&lt;b"),
            "{}",
            form["message"]
        );
    }

    #[tokio::test]
    async fn secrets_are_read_again_at_each_use() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let folder = tempfile::tempdir().unwrap();
        let (token, user) = (folder.path().join("token"), folder.path().join("user"));
        let yaml = format!(
            "{{token_file: '{}', user_key_file: '{}', title: t, message: m, url: '', priority: '0'}}",
            token.display(),
            user.display()
        );
        let pushover = notifier(&server, &yaml);
        assert!(given_up(tell(&pushover).await).message.starts_with("read token_file: "));
        for round in ["1\n", "2"] {
            std::fs::write(&token, format!("t{round}")).unwrap();
            std::fs::write(&user, format!("u{round}")).unwrap();
            taken(tell(&pushover).await);
        }
        let secrets: Vec<(String, String)> =
            forms(&server).iter().map(|form| (form["token"].clone(), form["user"].clone())).collect();
        assert_eq!(secrets, [("t1".into(), "u1".into()), ("t2".into(), "u2".into())]);
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_or_not() {
        let server = Server::start(|request| match request.text().contains("busy") {
            true => Reply::new(500, "later"),
            false => Reply::new(400, r#"{"errors":["user identifier is invalid"]}"#),
        })
        .await;
        let yaml = "{token: t, user_key: u, title: T, message: m, url: '', priority: '0'}";
        assert_eq!(again(tell(&notifier(&server, &yaml.replace('T', "busy"))).await).reason, "serverError");
        let failure = given_up(tell(&notifier(&server, yaml)).await);
        assert!(failure.message.contains("user identifier is invalid"), "{}", failure.message);
        let failure = given_up(tell(&notifier(&server, &yaml.replace('T', "'{{ nope }}'"))).await);
        assert!(failure.message.contains("nope"), "{}", failure.message);
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{user_key: ''}", "one of user_key or user_key_file must be configured"),
                (
                    "{user_key: u, user_key_file: f}",
                    "at most one of user_key & user_key_file must be configured",
                ),
                ("{user_key: u, token: ''}", "one of token or token_file must be configured"),
                (
                    "{user_key: u, token: t, token_file: f}",
                    "at most one of token & token_file must be configured",
                ),
                (
                    "{user_key: u, token: t, html: true, monospace: true}",
                    "at most one of monospace & html must be configured",
                ),
            ],
        );
    }
}
