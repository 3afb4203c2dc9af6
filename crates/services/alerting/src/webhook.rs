//! The webhook: a JSON document of version 4, as Alertmanager posts it.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use model::Labels;

use crate::dispatch::{Failure, Outcome};
use crate::notification::{Notification, Told};
use crate::settings::{Webhook, WebhookUrl};
use crate::transport::{Request, Response, Transport, TransportError};

/// How much of an answer an error message cites.
const CITED_MAX_BYTES: usize = 1024;

/// Sends a notification once.
pub async fn attempt(
    transport: &dyn Transport,
    webhook: &Webhook,
    notification: &Notification,
    external_url: &str,
    timeout: Duration,
) -> Outcome {
    let url = match &webhook.url {
        WebhookUrl::Inline(url) => url.expose().to_string(),
        WebhookUrl::File(path) => {
            let path = path.clone();
            match tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await {
                Ok(Ok(text)) => text.trim().to_string(),
                Ok(Err(error)) => return refused("other", format!("read url_file: {error}")),
                Err(_) => return refused("other", "read url_file: interrupted".into()),
            }
        }
    };
    if url.is_empty() {
        return refused("other", "the webhook's URL is empty".into());
    }
    let request = Request {
        http: webhook.http.clone(),
        url,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("user-agent".into(), concat!("Promontory/", env!("CARGO_PKG_VERSION")).into()),
        ],
        body: body(notification, webhook.max_alerts, external_url).into(),
        timeout,
    };
    outcome_of(transport.post(request).await)
}

fn refused(reason: &'static str, message: String) -> Outcome {
    Outcome::Refused(Failure { reason, message })
}

/// What an answer means: 2xx is taken; 5xx, 429 and no answer may be tried again.
pub fn outcome_of(answer: Result<Response, TransportError>) -> Outcome {
    match answer {
        Ok(Response { status: 200..=299, .. }) => Outcome::Taken,
        Ok(Response { status, body }) => {
            let mut message = format!("unexpected status code {status}");
            let cited =
                String::from_utf8_lossy(body.get(..CITED_MAX_BYTES).unwrap_or(&body)).trim().to_string();
            if !cited.is_empty() {
                let _ = write!(message, ": {cited}");
            }
            let reason = match status {
                401 | 403 => "authError",
                429 => "rateLimited",
                400..=499 => "clientError",
                500..=599 => "serverError",
                _ => "other",
            };
            let failure = Failure { reason, message };
            if status == 429 || status / 100 == 5 {
                Outcome::TryAgain(failure)
            } else {
                Outcome::Refused(failure)
            }
        }
        Err(error @ TransportError::Timeout) => {
            Outcome::TryAgain(Failure { reason: "contextDeadlineExceeded", message: error.to_string() })
        }
        Err(error @ TransportError::Network(_)) => {
            Outcome::TryAgain(Failure { reason: "other", message: error.to_string() })
        }
        Err(error @ TransportError::Settings(_)) => refused("other", error.to_string()),
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

pub(crate) fn push_map<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        push_string(out, value);
    }
    out.push('}');
}

/// A JSON string with the escapes Go chooses, which keep it safe inside HTML.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
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
    use crate::notification::{Integration, Kind, Reason};
    use config::Secret;
    use model::Alert;
    use std::sync::Arc;

    fn notification(alerts: Vec<Told>) -> Notification {
        let webhook = Webhook {
            send_resolved: true,
            http: Arc::default(),
            url: WebhookUrl::Inline(Secret::new("http://x".into())),
            max_alerts: 0,
            timeout_ms: 0,
        };
        let integration = Integration {
            name: "a.b/webhook[0]".into(),
            receiver: "a.b".into(),
            kind: Kind::Webhook(webhook),
        };
        Notification {
            integration: Arc::new(integration),
            group_key: "{}:{alertname=\"Up\"}".into(),
            group_labels: Labels::from_pairs([("alertname", "Up")]),
            route_labels: [("team".to_string(), "x".to_string())].into(),
            reason: Reason::First,
            alerts,
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

    #[test]
    fn answers_decide_whether_to_try_again() {
        let answer = |status| outcome_of(Ok(Response { status, body: "why".into() }));
        assert_eq!(answer(204), Outcome::Taken);
        let failure =
            |reason, status| Failure { reason, message: format!("unexpected status code {status}: why") };
        assert_eq!(answer(503), Outcome::TryAgain(failure("serverError", 503)));
        assert_eq!(answer(429), Outcome::TryAgain(failure("rateLimited", 429)));
        assert_eq!(answer(404), Outcome::Refused(failure("clientError", 404)));
        assert!(matches!(outcome_of(Err(TransportError::Timeout)), Outcome::TryAgain(_)));
    }
}
