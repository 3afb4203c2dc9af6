//! What is recorded, in the shape of Alertmanager's `eventrecorder.proto`.

use std::sync::Arc;

use model::{Alert, Labels, MatchOp, Matcher};

use super::message::Message;
use crate::inhibit::InhibitRule;
use crate::notification::{Notification, Reason};
use crate::receivers::text::hashed;
use crate::silences::Silence;
use crate::snapshot::alert_hash;

/// Something that happened. Clones are cheap: labels and notifications are shared.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The process began.
    Startup,
    /// The process ends as it should.
    Shutdown,
    /// An alert came that was not known.
    AlertCreated(Alert),
    /// An alert joined a group.
    AlertGrouped(Alert, Arc<GroupInfo>),
    /// An alert left a group after everybody was told of its end.
    AlertResolved(Alert, Arc<GroupInfo>),
    /// A receiver has taken a notification.
    Notified(Box<Notified>),
    /// There is a new silence.
    SilenceCreated(Box<Silence>),
    /// A silence was changed.
    SilenceUpdated(Box<Silence>),
    /// A silence keeps an alert from being told.
    Silenced(Arc<Silence>, Labels),
    /// A rule of inhibition keeps an alert from being told.
    Inhibited {
        /// The rule.
        rule: Arc<InhibitRule>,
        /// The alert that is kept from being told.
        labels: Labels,
        /// The fingerprint of the alert that inhibits.
        source: u64,
    },
}

/// A notification that was taken.
#[derive(Clone, Debug)]
pub struct Notified {
    /// The notification.
    pub notification: Arc<Notification>,
    /// Its group.
    pub group: Arc<GroupInfo>,
    /// The alerts of the group that were left out.
    pub muted: Arc<[Labels]>,
    /// When an unchanged group is told again.
    pub repeat_interval_ms: i64,
    /// Grows from one notification to the next.
    pub flush: u64,
}

/// A group of alerts.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    /// What receivers know it by.
    pub key: Arc<str>,
    /// The labels all its alerts have.
    pub labels: Labels,
    /// Who is told of it.
    pub receiver: String,
    /// The matchers of its route.
    pub matchers: Vec<Matcher>,
    /// Tells it apart from one with the same key at another time.
    pub uuid: String,
}

impl Happening {
    /// The name of what happened, as metrics have it: that of the field in the schema.
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::Startup => "alertmanager_startup_event",
            Happening::Shutdown => "alertmanager_shutdown_event",
            Happening::AlertCreated(_) => "alert_created",
            Happening::AlertGrouped(..) => "alert_grouped",
            Happening::AlertResolved(..) => "alert_resolved",
            Happening::Notified(_) => "notification",
            Happening::SilenceCreated(_) => "silence_created",
            Happening::SilenceUpdated(_) => "silence_updated",
            Happening::Silenced(..) => "silence_muted_alert",
            Happening::Inhibited { .. } => "inhibition_muted_alert",
        }
    }

    /// The event: what happened, when, and on which replica.
    pub(super) fn event(&self, at_ms: i64, instance: &str, position: u32) -> Message {
        Message::default()
            .time(1, "@timestamp", at_ms)
            .text(2, "instance", instance)
            .message(3, "data", self.data(at_ms))
            .small(4, "clusterPosition", position)
    }

    fn data(&self, at_ms: i64) -> Message {
        let data = Message::default();
        match self {
            Happening::Startup => {
                let build = format!("(promontory={})", env!("CARGO_PKG_VERSION"));
                let event = Message::default().text(1, "version", env!("CARGO_PKG_VERSION")).text(
                    2,
                    "buildContext",
                    &build,
                );
                data.message(1, "alertmanagerStartupEvent", event)
            }
            Happening::Shutdown => data.message(2, "alertmanagerShutdownEvent", Message::default()),
            Happening::AlertCreated(alert) => data.message(
                3,
                "alertCreated",
                Message::default().message(1, "alert", alert_message(alert, at_ms)),
            ),
            Happening::AlertResolved(alert, info) => {
                data.message(4, "alertResolved", grouped(alert, info, at_ms))
            }
            Happening::AlertGrouped(alert, info) => {
                data.message(5, "alertGrouped", grouped(alert, info, at_ms))
            }
            Happening::Notified(notified) => data.message(6, "notification", notification(notified)),
            Happening::SilenceCreated(of) => {
                data.message(7, "silenceCreated", Message::default().message(1, "silence", silence(of)))
            }
            Happening::SilenceUpdated(of) => {
                data.message(8, "silenceUpdated", Message::default().message(1, "silence", silence(of)))
            }
            Happening::Silenced(by, alert) => {
                let event = Message::default().message(1, "silence", silence(by)).message(
                    2,
                    "mutedAlert",
                    muted(alert),
                );
                data.message(9, "silenceMutedAlert", event)
            }
            Happening::Inhibited { rule, labels, source } => {
                let event = Message::default()
                    .messages(1, "inhibitRules", [inhibit_rule(rule)].into_iter())
                    .message(2, "mutedAlert", muted(labels))
                    .counters(3, "inhibitingFingerprints", &[*source]);
                data.message(10, "inhibitionMutedAlert", event)
            }
        }
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Message {
    let pair = |(key, value)| Message::default().text(1, "key", key).text(2, "value", value);
    Message::default().messages(1, "labels", pairs.map(pair))
}

fn alert_message(alert: &Alert, at_ms: i64) -> Message {
    alert_as(alert, alert.is_resolved_at(at_ms))
}

fn alert_as(alert: &Alert, is_resolved: bool) -> Message {
    Message::default()
        .counter(1, "fingerprint", alert.labels.fingerprint())
        .text(2, "name", alert.labels.value("alertname"))
        .message(3, "labels", pairs(alert.labels.iter()))
        .message(4, "annotations", pairs(alert.annotations.iter()))
        .time(5, "startsAt", alert.starts_at_ms)
        .time(6, "endsAt", alert.ends_at_ms)
        .flag(7, "resolved", is_resolved)
}

fn only_hash(labels: &Labels) -> Message {
    Message::default().counter(1, "hash", alert_hash(labels))
}

fn grouped(alert: &Alert, info: &GroupInfo, at_ms: i64) -> Message {
    let alert = only_hash(&alert.labels).message(2, "details", alert_message(alert, at_ms));
    Message::default().message(1, "alert", alert).message(2, "groupInfo", group(info))
}

fn group(info: &GroupInfo) -> Message {
    Message::default()
        .text(1, "groupKey", &info.key)
        .message(2, "groupLabels", pairs(info.labels.iter()))
        .text(3, "groupId", &hashed(&info.key))
        .text(4, "receiverName", &info.receiver)
        .messages(5, "matchers", info.matchers.iter().map(matcher))
        .text(6, "groupUuid", &info.uuid)
}

fn notification(notified: &Notified) -> Message {
    let Notified { notification, group: info, muted, repeat_interval_ms, flush } = notified;
    let hashes = |is_resolved: bool| {
        let told = notification.alerts.iter().filter(move |told| told.is_resolved == is_resolved);
        told.map(|told| only_hash(&told.alert.labels))
    };
    let alerts = notification.alerts.iter().map(|told| {
        // The end of an alert that fires is a guess, and notifications do not tell it.
        let alert = match told.is_resolved {
            true => alert_as(&told.alert, true),
            false => alert_as(&Alert { ends_at_ms: 0, ..(*told.alert).clone() }, false),
        };
        only_hash(&told.alert.labels).message(2, "details", alert)
    });
    let reason = match notification.reason {
        Reason::First => (1, "NOTIFY_REASON_FIRST_NOTIFICATION"),
        Reason::NewAlerts => (2, "NOTIFY_REASON_NEW_ALERTS_IN_GROUP"),
        Reason::SomeResolved => (3, "NOTIFY_REASON_NEW_RESOLVED_ALERTS"),
        Reason::AllResolved => (4, "NOTIFY_REASON_ALL_ALERTS_RESOLVED"),
        Reason::Repeat => (5, "NOTIFY_REASON_REPEAT_INTERVAL_ELAPSED"),
    };
    let integration = Message::default().text(1, "name", notification.integration.notifier.kind()).counter(
        2,
        "index",
        index_of(&notification.integration.name),
    );
    Message::default()
        .messages(1, "alerts", alerts)
        .messages(2, "firingAlerts", hashes(false))
        .messages(3, "resolvedAlerts", hashes(true))
        .messages(4, "mutedAlerts", muted.iter().map(only_hash))
        .message(5, "groupInfo", group(info))
        .duration(6, "repeatInterval", *repeat_interval_ms)
        .choice(7, "reason", reason)
        .counter(8, "flushId", *flush)
        .message(9, "integration", integration)
}

/// The place in `receiver/webhook[0]`.
fn index_of(integration: &str) -> u64 {
    let inner = integration.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    inner.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn matcher(matcher: &Matcher) -> Message {
    let op = match matcher.op {
        MatchOp::Equal => (1, "TYPE_EQUAL"),
        MatchOp::Regex => (2, "TYPE_REGEXP"),
        MatchOp::NotEqual => (3, "TYPE_NOT_EQUAL"),
        MatchOp::NotRegex => (4, "TYPE_NOT_REGEXP"),
    };
    Message::default()
        .choice(1, "type", op)
        .text(2, "name", &matcher.name)
        .text(3, "pattern", &matcher.value)
        .text(4, "rendered", &matcher.to_string())
}

fn silence(silence: &Silence) -> Message {
    let annotations = silence.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let set = |set: &Vec<Matcher>| Message::default().messages(1, "matchers", set.iter().map(matcher));
    let message = Message::default().text(1, "id", &silence.id).messages(
        2,
        "matchers",
        silence.matcher_sets.iter().take(1).flatten().map(matcher),
    );
    let message = match silence.annotations.is_empty() {
        true => message,
        false => message.message(3, "annotations", pairs(annotations)),
    };
    message
        .time(4, "startsAt", silence.starts_at_ms)
        .time(5, "endsAt", silence.ends_at_ms)
        .time(6, "updatedAt", silence.updated_at_ms)
        .text(7, "createdBy", &silence.created_by)
        .text(8, "comment", &silence.comment)
        .messages(9, "matcherSets", silence.matcher_sets.iter().map(set))
}

fn muted(labels: &Labels) -> Message {
    Message::default().message(1, "labels", pairs(labels.iter())).counter(
        2,
        "fingerprint",
        labels.fingerprint(),
    )
}

fn inhibit_rule(rule: &InhibitRule) -> Message {
    let mut equal = rule.equal.clone();
    equal.sort_unstable();
    Message::default()
        .messages(1, "sourceMatchers", rule.source.iter().map(matcher))
        .messages(2, "targetMatchers", rule.target.iter().map(matcher))
        .texts(3, "equalLabels", &equal)
        .text(4, "name", &rule.name)
}
