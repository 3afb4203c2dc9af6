//! Rules on a clock that is turned by hand, over series in memory: for suites that look at every step.

use std::sync::Arc;

use base::Clock;
use model::Labels;
use model::alert::{Alert, AlertSink};
use parking_lot::Mutex;
use promql::memory::Point;
use promql::{Engine, EngineOptions, Features};

use crate::evaluate::{Evaluate, MetricsEvaluator, Sampled};
use crate::file::GroupSpec;
use crate::group::{Group, GroupStatus};
use crate::unit_test::store::Store;
use crate::{Config, Deps, Metrics};

#[derive(Default)]
struct Sent(Mutex<Vec<Alert>>);

impl AlertSink for Sent {
    fn send(&self, alerts: Vec<Alert>) {
        self.0.lock().extend(alerts);
    }
}

/// Groups of rules and their series.
pub struct Stepped {
    store: Arc<Store>,
    evaluator: Arc<MetricsEvaluator>,
    sent: Arc<Sent>,
    deps: Deps,
    config: Config,
    groups: Vec<Group>,
}

impl Stepped {
    /// Groups that were not evaluated yet.
    pub fn new(groups: Vec<GroupSpec>, config: Config) -> Stepped {
        let store = Arc::new(Store::default());
        let evaluator = Arc::new(MetricsEvaluator {
            engine: Arc::new(Engine::new(EngineOptions::default())),
            reader: store.clone(),
            features: Features::default(),
            watch: None,
        });
        let sent = Arc::new(Sent::default());
        let deps = Deps {
            evaluate: evaluator.clone(),
            writer: store.clone(),
            alerts: sent.clone(),
            clock: Clock::manual(0),
            metrics: Metrics::default(),
        };
        let groups = groups.into_iter().map(Group::new).collect();
        Stepped { store, evaluator, sent, deps, config, groups }
    }

    /// Adds a sample.
    pub fn add(&self, labels: &Labels, at_ms: i64, value: f64) {
        self.store.add(labels, at_ms, Point::Float(value));
    }

    /// Evaluates all groups, and gives the alerts that were sent.
    pub fn evaluate(&mut self, at_ms: i64) -> Vec<Alert> {
        for group in &mut self.groups {
            group.evaluate(at_ms, &self.deps, &self.config);
        }
        std::mem::take(&mut *self.sent.0.lock())
    }

    /// Asks the series.
    pub fn query(&self, text: &str, at_ms: i64) -> Result<Vec<Sampled>, String> {
        self.evaluator.query(text, at_ms)
    }

    /// All groups and how they are.
    pub fn status(&self) -> Vec<GroupStatus> {
        self.groups.iter().map(Group::status).collect()
    }
}
