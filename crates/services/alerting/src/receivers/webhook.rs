//! The webhook: a JSON document of version 4, as Alertmanager posts it, or one of the user's own.

use std::fmt::Write;
use std::sync::Arc;

use config::http_client::check_http_url;
use config::{HttpClientConfig, Node, Result, Secret};

use super::answer::{during, outcome_of, refused};
use super::decode::{go_duration_ms, take_secret};
use super::exchange::JSON;
use super::tree::Tree;
use super::{Attempt, Context, Delivery, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::push_string;
use crate::notification::Notification;
use crate::template::{Data, Templates};

/// The settings of one webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    /// Where it is, as a template. URLs often hold a key.
    pub url: SecretSource,
    /// Alerts in one message; 0 for all.
    pub max_alerts: u64,
    /// How long one attempt may take; 0 for as long as the flush has.
    pub timeout_ms: i64,
    /// What is posted instead of the document.
    payload: Option<Tree>,
}

/// Decodes one entry of `webhook_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    if let Some(node) = fields.peek("url").filter(|node| !node.is_null()) {
        check_url(node)?;
    }
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let url = take_secret(fields, context.base, ("url", "url_file"))?;
    let webhook = Webhook {
        send_resolved,
        http,
        url: url.ok_or_else(|| fields.error("one of url or url_file must be configured"))?,
        max_alerts: fields.or("max_alerts", 0, Node::unsigned)?,
        timeout_ms: fields.or("timeout", 0, go_duration_ms)?,
        payload: fields.optional("payload", Tree::decode)?,
    };
    taken.finish()?;
    Ok(Arc::new(webhook))
}

/// A URL is checked as far as it can be before it is expanded.
fn check_url(node: &Node) -> Result<()> {
    let text = node.string()?;
    if text.contains("{{") {
        return Templates::check(&text)
            .map_err(|error| node.error(format!("invalid template syntax: {error}")));
    }
    if text.is_empty() || text == Secret::MASK {
        return Ok(());
    }
    check_http_url(node, &text).map_err(|error| error.map(|message| format!("invalid URL: {message}")))
}

impl Webhook {
    /// A webhook with default settings.
    pub fn at(url: &str) -> Webhook {
        Webhook {
            send_resolved: true,
            http: Arc::default(),
            url: SecretSource::Inline(Secret::new(url.to_string())),
            max_alerts: 0,
            timeout_ms: 0,
            payload: None,
        }
    }

    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let (notification, data) = (delivery.notification, delivery.data.first(kept(self.max_alerts)));
        let delivery = &Delivery { data: &data, ..*delivery };
        let body = match &self.payload {
            None => body(notification, &data, "4"),
            Some(payload) => {
                let mut body = String::new();
                let pushed = payload.push_json(&mut body, &|template| delivery.text(template));
                pushed.map_err(|failed| during("failed to render custom payload", failed))?;
                body.push('\n');
                body
            }
        };
        let url = delivery.secret(&self.url, "url_file").await?;
        let url = delivery.text(&url).map_err(|failed| during("failed to template webhook URL", failed))?;
        if url.is_empty() {
            return Err(refused("other", "webhook URL is empty after templating"));
        }
        Ok(outcome_of(delivery.post(&self.http, url, JSON, body).await, &[]))
    }
}

impl Notifier for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
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

/// How many alerts a message may have by a setting of which 0 means all.
pub(crate) fn kept(max_alerts: u64) -> usize {
    usize::try_from(max_alerts).ok().filter(|&count| count != 0).unwrap_or(usize::MAX)
}

/// The document. `data` may have fewer alerts than the notification.
pub(crate) fn body(notification: &Notification, data: &Data, version: &str) -> String {
    let mut out = String::with_capacity(256 + data.alert_count() * 512);
    out.push('{');
    data.push_json_fields(&mut out);
    let _ = write!(out, ",\"version\":\"{version}\",\"groupKey\":");
    push_string(&mut out, &notification.group_key);
    let left_out = notification.alerts.len().saturating_sub(data.alert_count());
    let _ = writeln!(out, ",\"truncatedAlerts\":{left_out}}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::{Integration, Reason, Told};
    use crate::receivers::testing::{
        decoded, firing, given_up, notifier, refuses, resolved, taken, tell, tell_of,
    };
    use model::{Alert, Labels};
    use testkit::http::{Reply, Server};

    fn notification(alerts: Vec<Told>) -> Notification {
        let integration = Integration {
            name: "a.b/webhook[0]".into(),
            receiver: "a.b".into(),
            notifier: Arc::new(Webhook::at("http://x")),
            templates: Arc::default(),
        };
        Notification {
            integration: Arc::new(integration),
            group_key: "{}:{alertname=\"Up\"}".into(),
            group_labels: Labels::from_pairs([("alertname", "Up")]),
            route_labels: [("team".to_string(), "x".to_string())].into(),
            reason: Reason::First,
            alerts,
            memory: Default::default(),
        }
    }

    fn told(instance: &str, is_resolved: bool) -> Told {
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "Up"), ("instance", instance)]),
            annotations: Labels::from_pairs([("summary", "a<b")]),
            starts_at_ms: 1_577_836_800_120,
            ends_at_ms: 1_577_836_860_000,
            generator_url: "http://p/?a=1&b=2".into(),
        };
        Told { alert: Arc::new(alert), is_resolved }
    }

    #[test]
    fn the_document_is_the_one_receivers_know() {
        let notification = notification(vec![told("1", false), told("2", true)]);
        let document = body(&notification, &Data::of(&notification, "http://am"), "4");
        let expected = concat!(
            r#"{"receiver":"a\\.b","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Up","instance":"1"},"#,
            r#""annotations":{"summary":"a\u003cb"},"startsAt":"2020-01-01T00:00:00.12Z","endsAt":"0001-01-01T00:00:00Z","#,
            r#""generatorURL":"http://p/?a=1\u0026b=2","fingerprint":"F1"},{"status":"resolved","labels":{"alertname":"Up","instance":"2"},"#,
            r#""annotations":{"summary":"a\u003cb"},"startsAt":"2020-01-01T00:00:00.12Z","endsAt":"2020-01-01T00:01:00Z","#,
            r#""generatorURL":"http://p/?a=1\u0026b=2","fingerprint":"F2"}],"notification_reason":"first notification","#,
            r#""groupLabels":{"alertname":"Up"},"commonLabels":{"alertname":"Up"},"commonAnnotations":{"summary":"a\u003cb"},"#,
            r#""routeLabels":{"team":"x"},"externalURL":"http://am","version":"4","groupKey":"{}:{alertname=\"Up\"}","truncatedAlerts":0}"#,
            "\n",
        );
        let fingerprint = |instance| {
            format!(
                "{:016x}",
                Labels::from_pairs([("alertname", "Up"), ("instance", instance)]).fingerprint()
            )
        };
        let expected = expected.replace("F1", &fingerprint("1")).replace("F2", &fingerprint("2"));
        assert_eq!(document, expected);
        serde_json::from_str::<serde_json::Value>(&document).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_counted_and_does_not_count_as_common() {
        let notification = notification(vec![told("1", true), told("2", false)]);
        let document = body(&notification, &Data::of(&notification, "").first(1), "4");
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["truncatedAlerts"], 1);
        assert_eq!(document["status"], "resolved");
        assert_eq!(document["commonLabels"]["instance"], "1");
    }

    #[tokio::test]
    async fn the_address_and_the_payload_are_templates() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let yaml = format!(
            "url: '{}/{{{{ .GroupLabels.alertname | toLower }}}}'\nmax_alerts: 1\npayload:\n  '{{{{ .Status }}}}': ['{{{{ len .Alerts }}}}', true, '{{{{ .CommonLabels | toJson }}}}']\n",
            server.url()
        );
        let alerts = vec![firing(&[("alertname", "Up"), ("n", "1")]), resolved(&[("alertname", "Up")])];
        taken(tell_of(&notifier(decode, &yaml), alerts, Default::default()).await);
        assert_eq!(server.targets(), ["/up"]);
        let body: serde_json::Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        assert_eq!(body, serde_json::json!({"firing": [1, true, {"alertname": "Up", "n": "1"}]}));
    }

    #[tokio::test]
    async fn what_cannot_be_expanded_is_given_up() {
        let text = |url: &str| format!("{{url: '{url}'}}");
        let failure = given_up(tell(&notifier(decode, &text("{{ .Nothing.x.y }}"))).await);
        assert!(failure.message.starts_with("failed to template webhook URL: template: "), "{failure:?}");
        let failure = given_up(tell(&notifier(decode, &text("{{ .CommonLabels.nothing }}"))).await);
        assert_eq!(failure.message, "webhook URL is empty after templating");
        let failure = given_up(tell(&notifier(decode, "{url_file: /nowhere/url}")).await);
        assert!(failure.message.starts_with("read url_file: /nowhere/url: "), "{failure:?}");
    }

    #[test]
    fn settings_are_checked() {
        let global = crate::settings::Global::default();
        refuses(
            decode,
            &global,
            &[
                ("{}", "one of url or url_file must be configured"),
                ("{url: 'http://a', url_file: b}", "at most one of url & url_file must be configured"),
                ("{url: '{{ .x'}", "invalid template syntax: template: :1: unclosed action"),
            ],
        );
        assert!(decoded(decode, "{url: <secret>, timeout: 1.5s}", &global).unwrap().timeout_ms() == 1_500);
    }
}
