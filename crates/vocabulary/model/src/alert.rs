//! An alert as rules send it and as receivers get it.

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
}
