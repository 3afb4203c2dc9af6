//! What rules count of themselves, by the names that Prometheus's dashboards and alerts ask for.

use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled};

/// Groups that are counted on their own; further ones are counted together.
const GROUPS_MAX: usize = 10_000;
const BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// The metrics of all groups. Clones are the same metrics.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) evaluation_seconds: [Histogram; 2],
    pub(crate) group_seconds: [Histogram; 2],
    pub(crate) expansions: Counter,
    pub(crate) expansion_failures: Counter,
    pub(crate) label_errors: Counter,
    iterations: Labelled<Counter>,
    missed: Labelled<Counter>,
    evaluations: Labelled<Counter>,
    failures: Labelled<Counter>,
    interval: Labelled<Gauge>,
    last_evaluation: Labelled<Gauge>,
    last_duration: Labelled<Gauge>,
    last_rules_duration: Labelled<Gauge>,
    last_restore_duration: Labelled<Gauge>,
    rules: Labelled<Gauge>,
    samples: Labelled<Gauge>,
}

/// The metrics of one group.
#[derive(Clone)]
pub(crate) struct GroupMetrics {
    pub(crate) iterations: Counter,
    pub(crate) missed: Counter,
    pub(crate) evaluations: Counter,
    pub(crate) failures: Counter,
    pub(crate) interval: Gauge,
    pub(crate) last_evaluation: Gauge,
    pub(crate) last_duration: Gauge,
    pub(crate) last_rules_duration: Gauge,
    pub(crate) last_restore_duration: Gauge,
    pub(crate) rules: Gauge,
    pub(crate) samples: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new(&Registry::new())
    }
}

impl Metrics {
    /// Metrics that the registry shows.
    pub fn new(registry: &Registry) -> Metrics {
        let counters = |name, help| registry.counters(name, help, &["rule_group"], GROUPS_MAX);
        let gauges = |name, help| registry.gauges(name, help, &["rule_group"], GROUPS_MAX);
        let evaluation = "How long the evaluation of a rule takes.";
        let group = "How long the evaluation of a group of rules takes.";
        Metrics {
            evaluation_seconds: [
                registry.histogram("prometheus_rule_evaluation_duration_seconds", evaluation, BOUNDS),
                registry.histogram(
                    "prometheus_rule_evaluation_duration_histogram_seconds",
                    evaluation,
                    BOUNDS,
                ),
            ],
            group_seconds: [
                registry.histogram("prometheus_rule_group_duration_seconds", group, BOUNDS),
                registry.histogram("prometheus_rule_group_duration_histogram_seconds", group, BOUNDS),
            ],
            expansions: registry.counter(
                "prometheus_template_text_expansions_total",
                "Templates of labels and annotations that were expanded.",
            ),
            expansion_failures: registry.counter(
                "prometheus_template_text_expansion_failures_total",
                "Templates of labels and annotations that could not be expanded.",
            ),
            label_errors: registry.counter(
                "promontory_rules_alert_label_errors_total",
                "Lookups of labels to join onto alerts that failed; the alerts went on without them.",
            ),
            iterations: counters(
                "prometheus_rule_group_iterations_total",
                "Evaluations of a group that were due, those that were missed included.",
            ),
            missed: counters(
                "prometheus_rule_group_iterations_missed_total",
                "Evaluations of a group that were missed because the one before took too long.",
            ),
            evaluations: counters(
                "prometheus_rule_evaluations_total",
                "Evaluations of the rules of a group.",
            ),
            failures: counters(
                "prometheus_rule_evaluation_failures_total",
                "Evaluations of the rules of a group that failed.",
            ),
            interval: gauges("prometheus_rule_group_interval_seconds", "The interval of a group."),
            last_evaluation: gauges(
                "prometheus_rule_group_last_evaluation_timestamp_seconds",
                "When a group was evaluated last.",
            ),
            last_duration: gauges(
                "prometheus_rule_group_last_duration_seconds",
                "How long the last evaluation of a group took.",
            ),
            last_rules_duration: gauges(
                "prometheus_rule_group_last_rule_duration_sum_seconds",
                "How long the rules of a group took at its last evaluation, added up; more than the group where some ran at once.",
            ),
            last_restore_duration: gauges(
                "prometheus_rule_group_last_restore_duration_seconds",
                "How long it took to find since when the alerts of a group were active before a restart.",
            ),
            rules: gauges("prometheus_rule_group_rules", "The rules of a group."),
            samples: gauges(
                "prometheus_rule_group_last_evaluation_samples",
                "Samples that the last evaluation of a group yielded.",
            ),
        }
    }

    pub(crate) fn of_group(&self, file: &str, name: &str) -> GroupMetrics {
        let key = format!("{file};{name}");
        let key = [key.as_str()];
        GroupMetrics {
            iterations: self.iterations.with(&key),
            missed: self.missed.with(&key),
            evaluations: self.evaluations.with(&key),
            failures: self.failures.with(&key),
            interval: self.interval.with(&key),
            last_evaluation: self.last_evaluation.with(&key),
            last_duration: self.last_duration.with(&key),
            last_rules_duration: self.last_rules_duration.with(&key),
            last_restore_duration: self.last_restore_duration.with(&key),
            rules: self.rules.with(&key),
            samples: self.samples.with(&key),
        }
    }

    /// Forgets a group that is gone.
    pub(crate) fn forget_group(&self, file: &str, name: &str) {
        let key = format!("{file};{name}");
        let key = [key.as_str()];
        for counters in [&self.iterations, &self.missed, &self.evaluations, &self.failures] {
            counters.remove(&key);
        }
        for gauges in [
            &self.interval,
            &self.last_evaluation,
            &self.last_duration,
            &self.last_rules_duration,
            &self.last_restore_duration,
            &self.rules,
            &self.samples,
        ] {
            gauges.remove(&key);
        }
    }
}
