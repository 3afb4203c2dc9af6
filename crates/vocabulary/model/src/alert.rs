//! An alert as rules send it and as receivers get it.

use std::sync::Arc;

use crate::labels::Labels;

/// An alert that fires or has been resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What identifies it; `alertname` among them.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Since when it fires, milliseconds since the epoch.
    pub starts_at_ms: i64,
    /// When it ended, or by when it counts as ended if nobody renews it. 0 if not known.
    pub ends_at_ms: i64,
    /// A link to what raised it.
    pub generator_url: String,
}

impl Alert {
    /// Whether the alert has ended at `now_ms`.
    pub fn is_resolved_at(&self, now_ms: i64) -> bool {
        self.ends_at_ms != 0 && self.ends_at_ms <= now_ms
    }
}

/// Takes alerts for delivery. Must be quick: what is slow happens behind a bounded queue.
pub trait AlertSink: Send + Sync {
    /// Hands over alerts that fire or are resolved. The same alert comes again at intervals for as
    /// long as it fires.
    fn send(&self, alerts: Vec<Alert>);

    /// Tells how the states of alerts changed, for those who keep a record. Comes before the alerts
    /// themselves.
    fn changed(&self, _changes: Vec<AlertChange>) {}
}

/// What a rule made of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertPhase {
    /// The expression holds, but not for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It fired and has ended.
    Resolved,
    /// It ended before it fired.
    Inactive,
}

impl AlertPhase {
    /// All of them.
    pub const ALL: [AlertPhase; 4] =
        [AlertPhase::Pending, AlertPhase::Firing, AlertPhase::Resolved, AlertPhase::Inactive];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertPhase::Pending => "pending",
            AlertPhase::Firing => "firing",
            AlertPhase::Resolved => "resolved",
            AlertPhase::Inactive => "inactive",
        }
    }
}

/// Names a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RuleName {
    /// The file of its group.
    pub file: String,
    /// Its group.
    pub group: String,
    /// Its own name.
    pub name: String,
}

/// A change of an alert's state.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// The labels it is, or would be, sent with.
    pub labels: Labels,
    /// What it is now.
    pub phase: AlertPhase,
    /// The expression's value.
    pub value: f64,
    /// The rule that raises it.
    pub rule: Arc<RuleName>,
}
