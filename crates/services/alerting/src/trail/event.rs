//! What can happen to an alert on its way from a rule to a receiver's answer.

use std::sync::Arc;

use model::Labels;
use model::alert::{AlertPhase, RuleName};

use crate::matchers::MatcherMode;

/// Something that happened, at one moment, to one alert or to several together.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// To whom.
    pub subject: Subject,
    /// What.
    pub step: Step,
}

/// Whom an event is about. Clones are cheap.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// One alert.
    Alert(Labels),
    /// The alerts of a group that are told, muted or given up together.
    Alerts(Arc<[Labels]>),
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A rule of ours changed its state.
    State {
        /// What it is now.
        phase: AlertPhase,
        /// The expression's value.
        value: f64,
        /// The rule.
        rule: Arc<RuleName>,
    },
    /// It came from elsewhere, for the first time or as ended.
    Received {
        /// Who sent it: an address, or a name.
        source: Arc<str>,
        /// Whether it had ended.
        is_resolved: bool,
    },
    /// It was routed into a group.
    Routed {
        /// The route, as its matchers from the root on.
        route: Arc<str>,
        /// The group's key.
        group: Arc<str>,
        /// Who hears of the group.
        receiver: Arc<str>,
    },
    /// It left a group: everybody was told of its end, or the routes changed.
    Left {
        /// The group's key.
        group: Arc<str>,
    },
    /// A notification that was due does not tell of it.
    Muted {
        /// The group's key.
        group: Arc<str>,
        /// By what.
        by: Muter,
    },
    /// A notification that tells of it was attempted.
    Attempted(Arc<Attempted>),
    /// A receiver was not told, and will not be.
    GivenUp {
        /// The group's key.
        group: Arc<str>,
        /// The integration that failed: `receiver/webhook[0]`.
        integration: Arc<str>,
        /// Why.
        error: Arc<str>,
    },
    /// Somebody has taken it on.
    Acknowledged {
        /// Who.
        by: Arc<str>,
        /// What they said.
        comment: Arc<str>,
    },
    /// Nobody has taken it on in time: others are told.
    Escalated {
        /// The group's key.
        group: Arc<str>,
        /// Who is told now.
        receiver: Arc<str>,
    },
    /// Anything else worth telling.
    Noted {
        /// What.
        text: Arc<str>,
    },
    /// Events came faster than they could be written; so many are missing here.
    Lost {
        /// How many.
        count: u64,
    },
}

/// What keeps an alert from being told.
#[derive(Clone, Debug, PartialEq)]
pub enum Muter {
    /// Another alert.
    Inhibition {
        /// The rule's name, or its matchers if it has none.
        rule: Arc<str>,
        /// The alert that inhibits.
        source: Labels,
    },
    /// A silence.
    Silence {
        /// Its id.
        id: Arc<str>,
    },
    /// A time interval of the route.
    TimeInterval {
        /// Its name; that no active interval holds is `active_time_intervals`.
        name: Arc<str>,
    },
}

/// An attempt to notify.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// The group's key.
    pub group: Arc<str>,
    /// The integration: `receiver/webhook[0]`.
    pub integration: Arc<str>,
    /// Why the group was told.
    pub reason: Arc<str>,
    /// The how-manieth attempt of this notification, from 1.
    pub attempt: u32,
    /// How it went.
    pub answer: Answer,
    /// The status the receiver answered with; 0 if none.
    pub status: u16,
    /// How long it took.
    pub latency_ms: u64,
    /// What went wrong, or "".
    pub error: Arc<str>,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has taken it.
    Taken,
    /// It did not, but is asked again.
    TryAgain,
    /// It never will.
    Refused,
}

impl Answer {
    /// The word for it in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Answer::Taken => "taken",
            Answer::TryAgain => "try_again",
            Answer::Refused => "refused",
        }
    }

    fn named(name: &str) -> Option<Answer> {
        [Answer::Taken, Answer::TryAgain, Answer::Refused].into_iter().find(|answer| answer.as_str() == name)
    }
}

/// A property of a step, by its name in the API. The order is that of the file format: new ones
/// come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Key {
    /// The expression's value.
    Value,
    /// The rule's name.
    Rule,
    /// The rule's group.
    RuleGroup,
    /// The file of the rule's group.
    File,
    /// Who sent an alert.
    Source,
    /// Whether it had ended.
    Resolved,
    /// The route.
    Route,
    /// The key of the group of alerts.
    Group,
    /// Who is told.
    Receiver,
    /// What mutes: `inhibition`, `silence`, `time_interval`.
    MutedBy,
    /// The inhibiting rule, the silence's id, the interval's name.
    Muter,
    /// The labels of the inhibiting alert.
    InhibitedBy,
    /// The integration.
    Integration,
    /// Why a group was told.
    Reason,
    /// The how-manieth attempt.
    Attempt,
    /// How an attempt went.
    Answer,
    /// The receiver's status.
    Status,
    /// How long an attempt took, in milliseconds.
    LatencyMs,
    /// What went wrong.
    Error,
    /// Who did something.
    By,
    /// What they said.
    Text,
    /// How many events are missing.
    Count,
}

impl Key {
    /// All, in the order of the format and of columns in an export.
    pub const ALL: [Key; 22] = [
        Key::Value,
        Key::Rule,
        Key::RuleGroup,
        Key::File,
        Key::Source,
        Key::Resolved,
        Key::Route,
        Key::Group,
        Key::Receiver,
        Key::MutedBy,
        Key::Muter,
        Key::InhibitedBy,
        Key::Integration,
        Key::Reason,
        Key::Attempt,
        Key::Answer,
        Key::Status,
        Key::LatencyMs,
        Key::Error,
        Key::By,
        Key::Text,
        Key::Count,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Key::Value => "value",
            Key::Rule => "rule",
            Key::RuleGroup => "rule_group",
            Key::File => "file",
            Key::Source => "source",
            Key::Resolved => "resolved",
            Key::Route => "route",
            Key::Group => "group",
            Key::Receiver => "receiver",
            Key::MutedBy => "muted_by",
            Key::Muter => "muter",
            Key::InhibitedBy => "inhibited_by",
            Key::Integration => "integration",
            Key::Reason => "reason",
            Key::Attempt => "attempt",
            Key::Answer => "answer",
            Key::Status => "status",
            Key::LatencyMs => "latency_ms",
            Key::Error => "error",
            Key::By => "by",
            Key::Text => "text",
            Key::Count => "count",
        }
    }
}

/// What a property is.
#[derive(Clone, Debug, PartialEq)]
pub enum Property {
    /// Words.
    Text(Arc<str>),
    /// A number that counts.
    Count(u64),
    /// A measured value.
    Float(f64),
}

/// The kinds of steps by name. The place in the list is the number in the file: new ones come last.
pub(super) const KINDS: [&str; 14] = [
    "pending",
    "firing",
    "resolved",
    "inactive",
    "received",
    "routed",
    "left",
    "muted",
    "attempted",
    "given_up",
    "acknowledged",
    "escalated",
    "noted",
    "lost",
];

impl Step {
    /// The name of what happened.
    pub fn name(&self) -> &'static str {
        match self {
            Step::State { phase, .. } => phase.as_str(),
            Step::Received { .. } => "received",
            Step::Routed { .. } => "routed",
            Step::Left { .. } => "left",
            Step::Muted { .. } => "muted",
            Step::Attempted(_) => "attempted",
            Step::GivenUp { .. } => "given_up",
            Step::Acknowledged { .. } => "acknowledged",
            Step::Escalated { .. } => "escalated",
            Step::Noted { .. } => "noted",
            Step::Lost { .. } => "lost",
        }
    }

    /// What there is to say about it; what is empty or 0 is left out.
    pub fn properties(&self) -> Vec<(Key, Property)> {
        let mut list = Vec::with_capacity(8);
        let mut text = |key, text: &str| {
            if !text.is_empty() {
                list.push((key, Property::Text(text.into())));
            }
        };
        match self {
            Step::State { value, rule, .. } => {
                text(Key::Rule, &rule.name);
                text(Key::RuleGroup, &rule.group);
                text(Key::File, &rule.file);
                list.push((Key::Value, Property::Float(*value)));
            }
            Step::Received { source, is_resolved } => {
                text(Key::Source, source);
                if *is_resolved {
                    list.push((Key::Resolved, Property::Count(1)));
                }
            }
            Step::Routed { route, group, receiver } => {
                text(Key::Route, route);
                text(Key::Group, group);
                text(Key::Receiver, receiver);
            }
            Step::Left { group } => text(Key::Group, group),
            Step::Muted { group, by } => {
                text(Key::Group, group);
                match by {
                    Muter::Inhibition { rule, source } => {
                        text(Key::MutedBy, "inhibition");
                        text(Key::Muter, rule);
                        text(Key::InhibitedBy, &source.to_string());
                    }
                    Muter::Silence { id } => {
                        text(Key::MutedBy, "silence");
                        text(Key::Muter, id);
                    }
                    Muter::TimeInterval { name } => {
                        text(Key::MutedBy, "time_interval");
                        text(Key::Muter, name);
                    }
                }
            }
            Step::Attempted(attempted) => {
                text(Key::Group, &attempted.group);
                text(Key::Integration, &attempted.integration);
                text(Key::Reason, &attempted.reason);
                text(Key::Answer, attempted.answer.as_str());
                text(Key::Error, &attempted.error);
                let status = u64::from(attempted.status);
                let attempt = u64::from(attempted.attempt);
                for (key, count) in [(Key::Attempt, attempt), (Key::Status, status)] {
                    if count != 0 {
                        list.push((key, Property::Count(count)));
                    }
                }
                list.push((Key::LatencyMs, Property::Count(attempted.latency_ms)));
            }
            Step::GivenUp { group, integration, error } => {
                text(Key::Group, group);
                text(Key::Integration, integration);
                text(Key::Error, error);
            }
            Step::Acknowledged { by, comment } => {
                text(Key::By, by);
                text(Key::Text, comment);
            }
            Step::Escalated { group, receiver } => {
                text(Key::Group, group);
                text(Key::Receiver, receiver);
            }
            Step::Noted { text: words } => text(Key::Text, words),
            Step::Lost { count } => list.push((Key::Count, Property::Count(*count))),
        }
        list
    }

    /// The step of this name with these properties; `None` if there is none.
    pub(super) fn from_properties(name: &str, list: &[(Key, Property)]) -> Option<Step> {
        let find = |key: Key| list.iter().find(|(known, _)| *known == key).map(|(_, property)| property);
        let text = |key: Key| -> Arc<str> {
            match find(key) {
                Some(Property::Text(text)) => text.clone(),
                _ => "".into(),
            }
        };
        let count = |key: Key| match find(key) {
            Some(Property::Count(count)) => *count,
            _ => 0,
        };
        if let Some(phase) = AlertPhase::ALL.into_iter().find(|phase| phase.as_str() == name) {
            let value = match find(Key::Value) {
                Some(Property::Float(value)) => *value,
                _ => f64::NAN,
            };
            let rule = RuleName {
                file: text(Key::File).to_string(),
                group: text(Key::RuleGroup).to_string(),
                name: text(Key::Rule).to_string(),
            };
            return Some(Step::State { phase, value, rule: Arc::new(rule) });
        }
        Some(match name {
            "received" => {
                Step::Received { source: text(Key::Source), is_resolved: count(Key::Resolved) != 0 }
            }
            "routed" => Step::Routed {
                route: text(Key::Route),
                group: text(Key::Group),
                receiver: text(Key::Receiver),
            },
            "left" => Step::Left { group: text(Key::Group) },
            "muted" => {
                let by = match &*text(Key::MutedBy) {
                    "inhibition" => Muter::Inhibition {
                        rule: text(Key::Muter),
                        source: labels_of(&text(Key::InhibitedBy)),
                    },
                    "silence" => Muter::Silence { id: text(Key::Muter) },
                    "time_interval" => Muter::TimeInterval { name: text(Key::Muter) },
                    _ => return None,
                };
                Step::Muted { group: text(Key::Group), by }
            }
            "attempted" => Step::Attempted(Arc::new(Attempted {
                group: text(Key::Group),
                integration: text(Key::Integration),
                reason: text(Key::Reason),
                attempt: count(Key::Attempt) as u32,
                answer: Answer::named(&text(Key::Answer))?,
                status: count(Key::Status) as u16,
                latency_ms: count(Key::LatencyMs),
                error: text(Key::Error),
            })),
            "given_up" => Step::GivenUp {
                group: text(Key::Group),
                integration: text(Key::Integration),
                error: text(Key::Error),
            },
            "acknowledged" => Step::Acknowledged { by: text(Key::By), comment: text(Key::Text) },
            "escalated" => Step::Escalated { group: text(Key::Group), receiver: text(Key::Receiver) },
            "noted" => Step::Noted { text: text(Key::Text) },
            "lost" => Step::Lost { count: count(Key::Count) },
            _ => return None,
        })
    }
}

/// Reads back what [`Labels`] print.
fn labels_of(text: &str) -> Labels {
    let Ok(parsed) = MatcherMode::Utf8Strict.parse_matchers(text) else { return Labels::empty() };
    Labels::from_pairs(parsed.matchers.iter().map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}
