//! What is measured of people coming in.

use exposition::Registry;
use exposition::registry::{Counter, Labelled};

/// Handles of the metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// By `result`: `success`, `failure`, `throttled`, `refused`, `error`.
    pub(crate) attempts: Labelled<Counter>,
    /// By `reason`: `unauthenticated`, `role`.
    pub(crate) refusals: Labelled<Counter>,
    pub(crate) sessions_made: Counter,
    pub(crate) sessions_ended: Counter,
    pub(crate) audit_dropped: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Metrics {
        Metrics {
            attempts: registry.counters(
                "promontory_login_attempts_total",
                "Attempts to sign in, by what became of them.",
                &["result"],
                8,
            ),
            refusals: registry.counters(
                "promontory_access_refused_total",
                "Requests that were refused, by reason: nobody known asked, or their role is not enough.",
                &["reason"],
                4,
            ),
            sessions_made: registry.counter("promontory_sessions_created_total", "Sessions that were begun."),
            sessions_ended: registry
                .counter("promontory_sessions_ended_total", "Sessions that were ended by logging out or by hand."),
            audit_dropped: registry.counter(
                "promontory_audit_entries_dropped_total",
                "Entries of the audit log that could not be kept: too many, or the database was away. They are in the \
                 program's log.",
            ),
        }
    }
}
