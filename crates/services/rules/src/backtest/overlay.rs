//! History with what the rules under test record laid over it.

use std::sync::Arc;

use model::sample::stale_nan;
use model::storage::{MetricReader, Select, SelectedSamples, Selection, StorageError, TimeRange};
use model::{LabelTable, Labels, METRIC_NAME, MatchOp, Matcher, Samples};
use parking_lot::RwLock;
use promql::SampleValue;
use promql::memory::{Memory, Point};

use super::{Request, is_alert};
use crate::file::{GroupSpec, RuleSpec};

/// Series that the rules under test yield come from memory, all others from the store.
pub(super) struct Overlay {
    base: Arc<dyn MetricReader>,
    memory: RwLock<Memory>,
    /// What the store's series must not be called: metrics that are computed here.
    records: Option<Matcher>,
    /// Alerts whose `ALERTS` are computed here.
    alerts: Option<Matcher>,
}

fn none_of<'a>(label: &str, names: impl Iterator<Item = &'a str>) -> Option<Matcher> {
    let names: Vec<String> = names.map(gocompat::re2::quote).collect();
    match names.is_empty() {
        true => None,
        false => Matcher::new(MatchOp::NotRegex, label, names.join("|")).ok(),
    }
}

impl Overlay {
    /// Nothing is recorded yet.
    pub(super) fn new(
        base: Arc<dyn MetricReader>,
        request: &Request,
        all: &[(&GroupSpec, &RuleSpec)],
        order: &[usize],
    ) -> Overlay {
        let rules = || order.iter().filter_map(|at| all.get(*at)).map(|(_, rule)| *rule);
        let records = rules().filter(|rule| !is_alert(rule) && request.computes_records);
        Overlay {
            base,
            memory: RwLock::default(),
            records: none_of(METRIC_NAME, records.map(RuleSpec::name)),
            alerts: none_of("alertname", rules().filter(|rule| is_alert(rule)).map(RuleSpec::name)),
        }
    }

    /// Lays a sample over history; a series that ends is given no value.
    pub(super) fn write(&self, labels: &Labels, at_ms: i64, value: Option<&SampleValue>) {
        let point = match value {
            Some(SampleValue::Float(value)) => Point::Float(*value),
            Some(SampleValue::Histogram(histogram)) => Point::Histogram(histogram.clone()),
            None => Point::Float(stale_nan()),
        };
        self.memory.write().append_newer(labels, at_ms, point);
    }
}

impl MetricReader for Overlay {
    fn select(&self, request: &Select<'_>, table: &mut LabelTable) -> Result<Selection, StorageError> {
        let names: Vec<&Matcher> = request.matchers.iter().filter(|m| m.name == METRIC_NAME).collect();
        let may_be = |name: &str| names.iter().all(|matcher| matcher.matches(name));
        let asks_alerts = self.alerts.is_some() && (may_be("ALERTS") || may_be("ALERTS_FOR_STATE"));
        let mut matchers = request.matchers.to_vec();
        matchers.extend(self.records.clone());
        let exact = names.iter().any(|matcher| matcher.op == MatchOp::Equal);
        let mut matchers_above = request.matchers.to_vec();
        match self.alerts.as_ref().filter(|_| asks_alerts) {
            Some(alerts) if exact => matchers.push(alerts.clone()),
            // Among series of any name those of alerts are taken as they were.
            Some(_) => {
                matchers_above.extend(none_of(METRIC_NAME, ["ALERTS", "ALERTS_FOR_STATE"].into_iter()))
            }
            None => {}
        }
        let below = self.base.select(&Select { matchers: &matchers, ..*request }, table)?;
        let above = self.memory.read().select(&Select { matchers: &matchers_above, ..*request }, table)?;
        if above.is_empty() {
            return Ok(below);
        }
        let Selection { mut sets, samples, mut warnings } = below;
        let split = sets.len();
        sets.extend(above.sets);
        warnings.extend(above.warnings);
        Ok(Selection {
            sets,
            samples: Box::new(Both { below: samples, split, above: above.samples }),
            warnings,
        })
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        self.base.label_names(range, matchers)
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        self.base.label_values(name, range, matchers)
    }
}

/// The samples of two selections, one after the other.
struct Both {
    below: Box<dyn SelectedSamples>,
    split: usize,
    above: Box<dyn SelectedSamples>,
}

impl SelectedSamples for Both {
    fn sample_count_max(&self, at: usize) -> u64 {
        match at.checked_sub(self.split) {
            None => self.below.sample_count_max(at),
            Some(at) => self.above.sample_count_max(at),
        }
    }

    fn sample_count_estimate(&self) -> u64 {
        self.below.sample_count_estimate().saturating_add(self.above.sample_count_estimate())
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        match at.checked_sub(self.split) {
            None => self.below.read(at, into),
            Some(at) => self.above.read(at, into),
        }
    }
}
