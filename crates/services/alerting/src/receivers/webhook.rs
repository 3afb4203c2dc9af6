//! The webhook: a JSON document of version 4, as Alertmanager posts it.

use std::fmt::Write;
use std::sync::Arc;

use config::http_client::{PathBase, check_http_url};
use config::{Fields, HttpClientConfig, Node, Result, Secret};
use jiff::Timestamp;
use model::Labels;

use super::answer::{outcome_of, refused};
use super::{Attempt, Context, Delivery, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::{push_map, push_string};
use crate::notification::{Notification, Told};
use crate::transport::Request;

/// The settings of one webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    /// Where it is. URLs often hold a key.
    pub url: SecretSource,
    /// Alerts in one message; 0 for all.
    pub max_alerts: u64,
    /// How long one attempt may take; 0 for as long as the flush has.
    pub timeout_ms: i64,
}

/// Decodes one entry of `webhook_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut fields = node.fields("config.plain")?;
    let webhook = Webhook {
        send_resolved: fields.or("send_resolved", true, Node::boolean)?,
        http: context.http(&mut fields)?,
        url: url(&mut fields, context.base)?,
        max_alerts: fields.or("max_alerts", 0, Node::unsigned)?,
        timeout_ms: fields.or("timeout", 0, Node::duration_ms)?,
    };
    if let Some(payload) = fields.take("payload").filter(|node| !node.is_null()) {
        return Err(payload.error("payload is not available yet: it needs templates"));
    }
    fields.finish()?;
    Ok(Arc::new(webhook))
}

fn url(fields: &mut Fields<'_>, base: &PathBase) -> Result<SecretSource> {
    if let Some(node) = fields.peek("url").filter(|node| !node.is_null()) {
        let text = node.string()?;
        if text.contains("{{") {
            return Err(node.error("templates in url are not available yet"));
        }
        if !text.is_empty() {
            check_http_url(node, &text)
                .map_err(|error| error.map(|message| format!("invalid URL: {message}")))?;
        }
    }
    let exclusive = "at most one of url & url_file must be configured";
    SecretSource::take(fields, base, ("url", "url_file"), exclusive)?
        .ok_or_else(|| fields.error("one of url or url_file must be configured"))
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
        }
    }

    async fn attempt(&self, delivery: &Delivery<'_>) -> Outcome {
        let url = match self.url.read().await {
            Ok(url) if url.is_empty() => return refused("other", "the webhook's URL is empty"),
            Ok(url) => url,
            Err(error) => return refused("other", format!("read url_file: {error}")),
        };
        let request = Request {
            http: self.http.clone(),
            method: http::Method::POST,
            url,
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("user-agent".into(), super::USER_AGENT.into()),
            ],
            body: body(delivery.notification, self.max_alerts, delivery.data.external_url()).into(),
            timeout: delivery.timeout,
        };
        outcome_of(delivery.transport.send(request).await, &[])
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
        Box::pin(self.attempt(delivery))
    }
}

/// The document. `max_alerts` 0 means all.
pub fn body(notification: &Notification, max_alerts: u64, external_url: &str) -> Vec<u8> {
    let all = &notification.alerts;
    let kept = match usize::try_from(max_alerts) {
        Ok(0) | Err(_) => all.len(),
        Ok(limit) => limit.min(all.len()),
    };
    let alerts = all.get(..kept).unwrap_or(all);
    let mut out = String::with_capacity(256 + alerts.len() * 512);
    out.push_str("{\"receiver\":");
    push_string(&mut out, &quote_meta(&notification.integration.receiver));
    let fires = alerts.iter().any(|told| !told.is_resolved);
    let _ = write!(out, ",\"status\":\"{}\",\"alerts\":[", status(!fires));
    for (at, told) in alerts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_alert(&mut out, told);
    }
    let _ = write!(out, "],\"notification_reason\":\"{}\"", notification.reason.as_str());
    out.push_str(",\"groupLabels\":");
    push_map(&mut out, notification.group_labels.iter());
    out.push_str(",\"commonLabels\":");
    push_map(&mut out, common(alerts, |told| &told.alert.labels).iter());
    out.push_str(",\"commonAnnotations\":");
    push_map(&mut out, common(alerts, |told| &told.alert.annotations).iter());
    out.push_str(",\"routeLabels\":");
    push_map(&mut out, notification.route_labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    out.push_str(",\"externalURL\":");
    push_string(&mut out, external_url);
    out.push_str(",\"version\":\"4\",\"groupKey\":");
    push_string(&mut out, &notification.group_key);
    let _ = writeln!(out, ",\"truncatedAlerts\":{}}}", all.len() - kept);
    out.into_bytes()
}

fn status(is_resolved: bool) -> &'static str {
    if is_resolved { "resolved" } else { "firing" }
}

fn push_alert(out: &mut String, told: &Told) {
    let alert = &told.alert;
    let _ = write!(out, "{{\"status\":\"{}\",\"labels\":", status(told.is_resolved));
    push_map(out, alert.labels.iter());
    out.push_str(",\"annotations\":");
    push_map(out, alert.annotations.iter());
    let ends_at = if told.is_resolved { time(alert.ends_at_ms) } else { time(0) };
    let _ = write!(out, ",\"startsAt\":\"{}\",\"endsAt\":\"{ends_at}\"", time(alert.starts_at_ms));
    out.push_str(",\"generatorURL\":");
    push_string(out, &alert.generator_url);
    let _ = write!(out, ",\"fingerprint\":\"{:016x}\"}}", alert.labels.fingerprint());
}

/// The labels that all alerts have with the same value.
fn common(alerts: &[Told], of: impl Fn(&Told) -> &Labels) -> Labels {
    let Some((first, rest)) = alerts.split_first() else { return Labels::empty() };
    let mut common = of(first).clone();
    for told in rest {
        if common.is_empty() {
            break;
        }
        let labels = of(told);
        if common.iter().any(|(name, value)| labels.value(name) != value) {
            let kept: Vec<(String, String)> = common
                .iter()
                .filter(|(name, value)| labels.value(name) == *value)
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            common = Labels::from_pairs(kept);
        }
    }
    common
}

/// RFC 3339 with as many digits as needed; 0 is the time Go has for "none".
pub fn time(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(timestamp) if at_ms != 0 => timestamp.to_string(),
        _ => "0001-01-01T00:00:00Z".into(),
    }
}

/// Receivers get the name of theirs with what is special in regular expressions escaped.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::{Integration, Reason};
    use model::Alert;

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
        let document = body(&notification(vec![told("1", false), told("2", true)]), 0, "http://am");
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
        assert_eq!(String::from_utf8(document.clone()).unwrap(), expected);
        serde_json::from_slice::<serde_json::Value>(&document).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_counted_and_does_not_count_as_common() {
        let document = body(&notification(vec![told("1", true), told("2", false)]), 1, "");
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["truncatedAlerts"], 1);
        assert_eq!(document["status"], "resolved");
        assert_eq!(document["commonLabels"]["instance"], "1");
    }
}
