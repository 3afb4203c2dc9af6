//! How attempts to notify went since the start, integration by integration.

use std::collections::BTreeMap;
use std::time::Duration;

use exposition::Registry;
use exposition::registry::{Histogram, Labelled};
use parking_lot::Mutex;

use crate::dispatch::Outcome;

/// Upper bounds of how long attempts take, in seconds.
const LATENCY_BOUNDS: &[f64] = &[1.0, 5.0, 10.0, 15.0, 20.0];
/// Kinds of integrations.
const KINDS_MAX: usize = 40;
/// Integrations that are remembered; those that were removed from the configuration included.
const INTEGRATIONS_MAX: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Attempts {
    by_integration: Mutex<BTreeMap<String, Tally>>,
    latency: Mutex<Option<Labelled<Histogram>>>,
}

/// How attempts of one integration went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Attempts.
    pub attempts: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// When the last one ended.
    pub last_at_ms: i64,
    /// How long it took.
    pub last_took_ms: u64,
    /// What went wrong with it, or `None` if the receiver took it.
    pub last_error: Option<String>,
}

impl Attempts {
    /// Counts how long attempts take from now on.
    pub(crate) fn register(&self, registry: &Registry) {
        *self.latency.lock() = Some(registry.histograms(
            "alertmanager_notification_latency_seconds",
            "How long attempts to notify took.",
            &["integration"],
            KINDS_MAX,
            LATENCY_BOUNDS,
        ));
    }

    pub(crate) fn note(&self, integration: &str, kind: &str, took: Duration, at_ms: i64, outcome: &Outcome) {
        if let Some(latency) = &*self.latency.lock() {
            latency.with(&[kind]).observe(took.as_secs_f64());
        }
        let mut all = self.by_integration.lock();
        if all.len() >= INTEGRATIONS_MAX && !all.contains_key(integration) {
            return;
        }
        let tally = all.entry(integration.to_string()).or_default();
        tally.attempts += 1;
        tally.last_at_ms = at_ms;
        tally.last_took_ms = took.as_millis() as u64;
        tally.last_error = match outcome {
            Outcome::Taken(_) => None,
            Outcome::TryAgain(failure) | Outcome::Refused(failure) => {
                tally.failed += 1;
                Some(failure.message.clone())
            }
        };
    }

    pub(crate) fn of(&self, integration: &str) -> Tally {
        self.by_integration.lock().get(integration).cloned().unwrap_or_default()
    }
}
