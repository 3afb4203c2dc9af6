//! Owns recording and alerting rules: their files, their evaluation on schedule, and the life of an
//! alert from pending to resolved.
//!
//! Must not know who stores series or delivers alerts: it reads through [`Evaluate`], writes through
//! [`model::storage::MetricWriter`] and hands alerts to a [`model::alert::AlertSink`].

use std::sync::Arc;

use base::Clock;
use model::Labels;
use model::alert::AlertSink;
use model::storage::MetricWriter;

mod alert;
pub mod backtest;
mod dependencies;
mod evaluate;
pub mod file;
mod group;
mod manager;
mod metrics;
pub mod owners;
mod rule;
#[cfg(feature = "conformance")]
pub mod stepped;
mod template;
pub mod unit_test;

pub use alert::{ActiveAlert, AlertState};
pub use evaluate::{Asker, Evaluate, LastSample, MetricsEvaluator, Sampled, Watch, Watcher};
pub use file::{GroupSpec, RuleSpec, parse_file};
pub use group::{GroupStatus, Health, RuleStatus};
pub use manager::{Handle, Rules};
pub use metrics::Metrics;
pub use owners::AlertLabels;

/// What evaluation works with.
#[derive(Clone)]
pub struct Deps {
    /// Answers expressions.
    pub evaluate: Arc<dyn Evaluate>,
    /// Takes what rules record, `ALERTS` and `ALERTS_FOR_STATE`.
    pub writer: Arc<dyn MetricWriter>,
    /// Takes alerts that fire or are resolved.
    pub alerts: Arc<dyn AlertSink>,
    /// What "now" is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// Settings that hold for all groups.
#[derive(Clone, Debug)]
pub struct Config {
    /// The groups, from all files.
    pub groups: Vec<GroupSpec>,
    /// Added to every alert that does not have them.
    pub external_labels: Labels,
    /// Where people reach this server; links in alerts start with it.
    pub external_url: String,
    /// Rules that may be evaluated beside others of their groups, of all groups; 0 evaluates the rules of a group one
    /// after the other. Rules that need what others yield always wait for them.
    pub concurrency_max: usize,
    /// Labels that alerts get of those who own what they are about.
    pub alert_labels: AlertLabels,
    /// How long after an outage the state of alerts is still restored.
    pub outage_tolerance_ms: i64,
    /// A restored alert that is still pending stays so at least this long.
    pub grace_period_ms: i64,
    /// How often a firing alert is sent again.
    pub resend_delay_ms: i64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            groups: Vec::new(),
            external_labels: Labels::empty(),
            external_url: String::new(),
            concurrency_max: 4,
            alert_labels: AlertLabels::default(),
            outage_tolerance_ms: 3_600_000,
            grace_period_ms: 600_000,
            resend_delay_ms: 60_000,
        }
    }
}
