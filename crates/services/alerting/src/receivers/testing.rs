//! What tests of kinds share: a receiver from a piece of configuration, a group to tell it of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::Node;
use config::http_client::PathBase;
use model::{Alert, Labels};

use super::{Context, Decode, Delivery, Memory, Notifier};
use crate::dispatch::{Failure, Outcome};
use crate::notification::{Integration, Notification, Reason, Told};
use crate::settings::Global;
use crate::template::{Data, Templates};
use crate::transport::HttpTransport;

/// 2020-01-01 00:00:00 UTC.
pub(crate) const NOW_MS: i64 = 1_577_836_800_000;

/// A receiver of a kind, or why its settings are refused.
pub(crate) fn decoded(decode: Decode, yaml: &str, global: &Global) -> Result<Arc<dyn Notifier>, String> {
    let base = PathBase::new(Path::new("/etc/am"));
    let node = Node::parse(yaml).unwrap();
    decode(&node, &Context { base: &base, global }).map_err(|error| error.message)
}

/// A receiver of a kind with the usual global settings.
pub(crate) fn notifier(decode: Decode, yaml: &str) -> Arc<dyn Notifier> {
    decoded(decode, yaml, &Global::default()).unwrap()
}

/// Asserts that settings are refused with these words.
pub(crate) fn refuses(decode: Decode, global: &Global, cases: &[(&str, &str)]) {
    for (yaml, expected) in cases {
        match decoded(decode, yaml, global) {
            Ok(_) => panic!("{yaml} is accepted"),
            Err(error) => assert_eq!(error, *expected, "{yaml}"),
        }
    }
}

/// An alert that fires, with these labels.
pub(crate) fn firing(labels: &[(&str, &str)]) -> Told {
    let alert = Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: Labels::from_pairs([("summary", "a<b")]),
        starts_at_ms: NOW_MS - 60_000,
        ends_at_ms: NOW_MS + 60_000,
        generator_url: "http://p/?a=1&b=2".into(),
    };
    Told { alert: Arc::new(alert), is_resolved: false }
}

/// An alert that has ended.
pub(crate) fn resolved(labels: &[(&str, &str)]) -> Told {
    let told = firing(labels);
    let alert = Alert { ends_at_ms: NOW_MS, ..Alert::clone(&told.alert) };
    Told { alert: Arc::new(alert), is_resolved: true }
}

/// Tells a receiver of one alert that fires.
pub(crate) async fn tell(notifier: &Arc<dyn Notifier>) -> Outcome {
    tell_of(notifier, vec![firing(&[("alertname", "Up"), ("job", "j")])], Memory::new()).await
}

/// Tells a receiver of a group with the key `1`.
pub(crate) async fn tell_of(notifier: &Arc<dyn Notifier>, alerts: Vec<Told>, memory: Memory) -> Outcome {
    let integration = Integration {
        name: "team/kind[0]".into(),
        receiver: "team".into(),
        notifier: notifier.clone(),
        templates: Arc::new(Templates::default()),
    };
    let notification = Notification {
        integration: Arc::new(integration),
        group_key: "1".into(),
        group_labels: Labels::from_pairs([("alertname", "Up")]),
        route_labels: Default::default(),
        reason: Reason::First,
        alerts,
        memory,
    };
    let data = Data::of(&notification, "http://am");
    let delivery = Delivery {
        notification: &notification,
        data: &data,
        templates: &notification.integration.templates,
        transport: &HttpTransport::default(),
        now_ms: NOW_MS,
        timeout: Duration::from_secs(60),
    };
    notifier.notify(&delivery).await
}

/// A failure that may be mended by another attempt.
pub(crate) fn again(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::TryAgain(failure) => failure,
        other => panic!("not to be tried again: {other:?}"),
    }
}

/// A failure that no further attempt mends.
pub(crate) fn given_up(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Refused(failure) => failure,
        other => panic!("not refused: {other:?}"),
    }
}

/// What is remembered of a message that was taken.
pub(crate) fn taken(outcome: Outcome) -> Memory {
    match outcome {
        Outcome::Taken(memory) => memory,
        other => panic!("not taken: {other:?}"),
    }
}
