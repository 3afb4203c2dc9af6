//! One test: its series come in, its rules are evaluated, and what came of them is compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use base::Clock;
use base::units::format_duration_ms;
use gocompat::quote::quote;
use model::storage::{MetricReader, Select, TimeRange};
use model::{LabelTable, Labels, Samples};
use promql::memory::{self, Point};
use promql::{Engine, EngineOptions, Features};

use super::file::{AlertTest, ExprTest, File, Test};
use super::store::{Nobody, Store};
use super::{Options, diff, shown};
use crate::evaluate::{Evaluate, MetricsEvaluator};
use crate::file::{Defaults, parse_file};
use crate::group::Group;
use crate::{Config, Deps};

/// Labels and annotations of an alert.
pub(super) type AlertTexts = (Labels, Labels);

/// A sample as it is compared: its labels, its value, and a histogram's text instead.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: f64,
    pub(super) histogram: String,
}

/// The values of a written series that are still to come.
struct Pending {
    labels: Labels,
    values: VecDeque<(i64, Point)>,
}

/// Runs a test; one text for each difference.
pub(super) fn run(
    test: &Test,
    file: &File,
    rule_files: &[PathBuf],
    options: &Options,
    debug: Option<&mut dyn FnMut(&str)>,
) -> Vec<String> {
    match World::new(test, file, rule_files, options) {
        Ok(mut world) => {
            world.run(test, file.interval_ms);
            world.check_exprs(&test.exprs);
            if let Some(debug) = debug {
                debug(&world.dump(test));
            }
            world.failures
        }
        Err(errors) => errors,
    }
}

struct World<'a> {
    test: &'a Test,
    options: &'a Options,
    fuzzy: bool,
    store: Arc<Store>,
    evaluator: Arc<MetricsEvaluator>,
    deps: Deps,
    config: Config,
    groups: Vec<Group>,
    pending: Vec<Pending>,
    failures: Vec<String>,
}

impl<'a> World<'a> {
    fn new(
        test: &'a Test,
        file: &File,
        rule_files: &[PathBuf],
        options: &'a Options,
    ) -> Result<World<'a>, Vec<String>> {
        let pending = pending(test, file).map_err(|error| vec![error])?;
        let store = Arc::new(Store::default());
        let clock = Clock::manual(test.start_ms);
        let engine = Arc::new(Engine::new(EngineOptions {
            default_subquery_step_ms: file.interval_ms,
            delayed_name_removal: options.delayed_name_removal,
            clock: Clock::system(),
            ..EngineOptions::default()
        }));
        let evaluator = Arc::new(MetricsEvaluator {
            engine,
            reader: store.clone(),
            features: options.features,
            watch: None,
        });
        let deps = Deps {
            evaluate: evaluator.clone(),
            writer: store.clone(),
            alerts: Arc::new(Nobody),
            clock,
            metrics: crate::Metrics::default(),
        };
        let config = Config {
            external_labels: test.external_labels.clone(),
            external_url: test.external_url.clone(),
            ..Config::default()
        };
        if let Some(alert) = test.alerts.iter().find(|alert| alert.name.is_empty()) {
            let within = match test.name.as_str() {
                "" => String::new(),
                name => format!(" (in TestGroup {name})"),
            };
            let at = format_duration_ms(alert.at_ms);
            return Err(vec![format!(
                "an item under alert_rule_test misses required attribute alertname at eval_time {at}{within}"
            )]);
        }
        let groups = groups(test, file, rule_files, options)?;
        Ok(World {
            test,
            options,
            fuzzy: file.fuzzy,
            store,
            evaluator,
            deps,
            config,
            groups,
            pending,
            failures: Vec::new(),
        })
    }

    /// Evaluates all rules at all times, and looks at the alerts on the way.
    fn run(&mut self, test: &'a Test, interval_ms: i64) {
        let times = test.alerts.iter().map(|alert| alert.at_ms);
        let last_ms = times.clone().chain(test.exprs.iter().map(|expr| expr.at_ms)).max().unwrap_or(0);
        let mut looks: VecDeque<i64> = times.collect::<BTreeSet<i64>>().into_iter().collect();
        let mut since_ms = 0;
        while since_ms <= last_ms {
            if !self.evaluate(test.start_ms.saturating_add(since_ms)) {
                return;
            }
            while let Some(look_ms) = looks.pop_front_if(|look_ms| *look_ms < since_ms + interval_ms) {
                self.check_alerts(test, look_ms);
            }
            since_ms += interval_ms;
        }
    }

    /// Evaluates the groups at a time, when the values up to it have come in. `false` if a rule failed.
    fn evaluate(&mut self, at_ms: i64) -> bool {
        for series in &mut self.pending {
            while let Some((time_ms, point)) = series.values.pop_front_if(|(time_ms, _)| *time_ms <= at_ms) {
                self.store.add(&series.labels, time_ms, point);
            }
        }
        self.deps.clock.jump_to_ms(at_ms);
        let mut errors = Vec::new();
        for group in &mut self.groups {
            group.evaluate(at_ms, &self.deps, &self.config);
            for (rule, error) in group.errors() {
                let time = gocompat::duration::format_ns(at_ms.saturating_mul(1_000_000));
                errors.push(format!("    rule: {rule}, time: {time}, err: {error}"));
            }
        }
        let passed = errors.is_empty();
        self.failures.extend(errors);
        passed
    }

    fn check_alerts(&mut self, test: &Test, at_ms: i64) {
        let tests: Vec<&AlertTest> = test.alerts.iter().filter(|alert| alert.at_ms == at_ms).collect();
        // The same name may stand in several groups.
        let mut firing: BTreeMap<&str, Vec<AlertTexts>> = BTreeMap::new();
        for test in &tests {
            firing.entry(&test.name).or_insert_with(|| {
                let found = self.groups.iter().flat_map(|group| group.firing(&test.name));
                found.map(|alert| (alert.labels.clone(), alert.annotations.clone())).collect()
            });
        }
        let mut failures = Vec::new();
        for alert in tests {
            let mut got = firing.get(alert.name.as_str()).cloned().unwrap_or_default();
            let mut expected: Vec<AlertTexts> = alert
                .expected
                .iter()
                .map(|(labels, annotations)| {
                    let mut labels = labels.to_builder();
                    labels.set("alertname", &alert.name);
                    (labels.build(), annotations.clone())
                })
                .collect();
            got.sort();
            expected.sort();
            if got == expected {
                continue;
            }
            let name = match test.name.as_str() {
                "" => String::new(),
                name => format!("    name: {name},\n"),
            };
            let head =
                format!("{name}    alertname: {}, time: {}, \n", alert.name, format_duration_ms(at_ms));
            let indent = "            ";
            failures.push(match self.options.diff {
                true => {
                    format!("{head}        diff: {}", shown::indented(&diff::alerts(&expected, &got), indent))
                }
                false => format!(
                    "{head}        exp:{}, \n        got:{}",
                    shown::indented(&shown::alerts(&expected), indent),
                    shown::indented(&shown::alerts(&got), indent)
                ),
            });
        }
        self.failures.extend(failures);
    }

    fn check_exprs(&mut self, tests: &[ExprTest]) {
        for test in tests {
            let head = format!("    expr: {}, time: {}", quote(&test.expr), format_duration_ms(test.at_ms));
            match self.compare(test) {
                Ok(None) => {}
                Ok(Some((expected, got))) => {
                    self.failures.push(format!("{head},\n        exp: {expected}\n        got: {got}"));
                }
                Err(error) => self.failures.push(format!("{head}, err: {error}")),
            }
        }
    }

    /// The texts of what was expected and what came, if they differ.
    fn compare(&self, test: &ExprTest) -> Result<Option<(String, String)>, String> {
        let at_ms = self.test.start_ms.saturating_add(test.at_ms);
        let found = self.evaluator.query(&test.expr, at_ms)?;
        let mut got: Vec<Sample> = found
            .into_iter()
            .map(|sample| match sample.value {
                promql::SampleValue::Float(value) => {
                    Sample { labels: sample.labels, value, histogram: String::new() }
                }
                promql::SampleValue::Histogram(histogram) => {
                    Sample { labels: sample.labels, value: 0.0, histogram: shown::histogram(&histogram) }
                }
            })
            .collect();
        let mut expected = Vec::new();
        for sample in &test.expected {
            let read = || -> Result<Sample, String> {
                let labels = match sample.labels.as_str() {
                    "" => Labels::empty(),
                    text => promql::parse_metric(text).map_err(|error| error.to_string())?,
                };
                let histogram = match sample.histogram.as_str() {
                    "" => String::new(),
                    text => expected_histogram(text)?,
                };
                Ok(Sample { labels, value: sample.value, histogram })
            };
            expected.push(read().map_err(|error| format!("labels {}: {error}", quote(&sample.labels)))?);
        }
        got.sort_by(|a, b| a.labels.cmp(&b.labels));
        expected.sort_by(|a, b| a.labels.cmp(&b.labels));
        let is_same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(a, b)| {
                a.labels == b.labels
                    && a.histogram == b.histogram
                    && (!a.histogram.is_empty() || self.is_same_value(a.value, b.value))
            });
        Ok((!is_same).then(|| (shown::samples(&expected), shown::samples(&got))))
    }

    fn is_same_value(&self, a: f64, b: f64) -> bool {
        a == b || self.fuzzy && (a.next_down() == b || a.next_up() == b)
    }

    /// All samples, at the end.
    fn dump(&self, test: &Test) -> String {
        let times = test.alerts.iter().map(|alert| alert.at_ms).chain(test.exprs.iter().map(|e| e.at_ms));
        // Up to the next whole second.
        let length_ms = (times.max().unwrap_or(0) / 1000 + 1) * 1000;
        let end_ms = test.start_ms.saturating_add(length_ms);
        let mut table = LabelTable::new();
        let range = TimeRange { start_ms: test.start_ms.saturating_add(1), end_ms };
        let took = gocompat::duration::format_ns(length_ms.saturating_mul(1_000_000));
        let mut text = format!("Dump of all data (input_series and rules) at {took}:");
        let Ok(selected) = self.store.select(&Select::new(range, &[]), &mut table) else { return text };
        let mut order: Vec<(Labels, usize)> =
            selected.sets.iter().enumerate().map(|(at, set)| (table.labels(*set), at)).collect();
        order.sort();
        for (labels, at) in order {
            let mut samples = Samples::default();
            if selected.samples.read(at, &mut samples).is_err() {
                continue;
            }
            text.push_str(&format!("\n{labels} =>"));
            for at in 0..samples.len() {
                if samples.histogram(at).is_none() && model::is_stale_nan(samples.values[at]) {
                    continue;
                }
                let value = match samples.histogram(at) {
                    Some(histogram) => histogram.to_string(),
                    None => gocompat::float::Buffer::new().sample(samples.values[at]).to_string(),
                };
                text.push_str(&format!("\n{value} @[{}]", samples.timestamps_ms[at]));
            }
        }
        text
    }
}

/// The text of the one histogram that a series description stands for.
fn expected_histogram(text: &str) -> Result<String, String> {
    let (_, runs) =
        promql::parse_series_description(&format!("{{}} {text}")).map_err(|error| error.to_string())?;
    let values = memory::expand(runs)?;
    match values.as_slice() {
        [Some((Point::Histogram(histogram), _))] => Ok(shown::histogram(histogram)),
        [_] => Err(format!("expected histogram, got {text}")),
        _ => Err(format!("expected 1 value, got {}", values.len())),
    }
}

/// The values of the written series, with their times.
fn pending(test: &Test, file: &File) -> Result<Vec<Pending>, String> {
    let mut series: Vec<Pending> = Vec::new();
    for written in &test.series {
        let at_place = |message: String| written.place.error(message).in_file(&file.name).to_string();
        let (labels, runs) =
            promql::parse_series_description(&written.text).map_err(|error| at_place(error.to_string()))?;
        let values = memory::expand(runs).map_err(at_place)?;
        let timed = values.into_iter().enumerate().filter_map(|(at, value)| {
            let since_ms = (at as i64).saturating_mul(test.interval_ms);
            Some((test.start_ms.saturating_add(since_ms), value?.0))
        });
        // What is written twice counts as it is written last.
        series.retain(|known| known.labels != labels);
        series.push(Pending { labels, values: timed.collect() });
    }
    Ok(series)
}

/// The groups of the rule files, in the order of their evaluation.
fn groups(
    test: &Test,
    file: &File,
    rule_files: &[PathBuf],
    options: &Options,
) -> Result<Vec<Group>, Vec<String>> {
    let defaults = Defaults {
        interval_ms: test.interval_ms,
        ignore_unknown: options.ignore_unknown,
        ..Defaults::default()
    };
    let features: Features = options.features;
    let mut specs = Vec::new();
    let mut errors = Vec::new();
    for path in rule_files {
        let name = path.display().to_string();
        let read = std::fs::read_to_string(path)
            .map_err(|error| vec![format!("{name}: cannot be read: {error}")])
            .and_then(|text| {
                parse_file(&name, &text, defaults, &features)
                    .map_err(|errors| errors.iter().map(shown::error).collect())
            });
        match read {
            Ok(groups) => specs.extend(groups),
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    specs.sort_by_key(|spec| file.group_order.iter().position(|name| *name == spec.name).unwrap_or(0));
    Ok(specs
        .into_iter()
        .map(|spec| {
            let mut group = Group::new(spec);
            group.begin_anew();
            group
        })
        .collect())
}
