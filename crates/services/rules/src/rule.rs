//! One rule: evaluated, told, written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::alert::{Alert, AlertChange, AlertPhase, RuleName};
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, TimeRange, WriteBatch};
use model::{Labels, METRIC_NAME, Matcher, is_stale_nan, stale_nan};
use promql::SampleValue;

use crate::alert::{ActiveAlert, Alerts, Found};
use crate::evaluate::{Asker, Sampled};
use crate::file::{GroupSpec, RuleKind, RuleSpec};
use crate::group::{Health, RuleStatus};
use crate::metrics::GroupMetrics;
use crate::template::{self, Context};
use crate::{Config, Deps};

/// Evaluations of a new rule after which its alerts are no longer restored: at the first, some
/// targets have not been scraped yet.
const RESTORES: u8 = 2;

/// What all rules of a group share at one evaluation.
pub(crate) struct Round<'a> {
    pub(crate) at_ms: i64,
    pub(crate) group: &'a GroupSpec,
    pub(crate) metrics: &'a GroupMetrics,
    pub(crate) deps: &'a Deps,
    pub(crate) config: &'a Config,
}

impl Round<'_> {
    /// The time for which expressions are evaluated.
    pub(crate) fn asked_at_ms(&self) -> i64 {
        self.at_ms - self.group.query_offset_ms
    }
}

/// A rule under evaluation.
pub(crate) struct Rule {
    pub(crate) spec: RuleSpec,
    pub(crate) alerts: Alerts,
    name: Arc<RuleName>,
    /// Evaluations at which alerts that are new may still have begun before a restart.
    restores_left: u8,
    /// Series of the last evaluation, by which a vanished one is marked as ended.
    pub(crate) series: HashMap<Labels, SeriesRef>,
    pub(crate) health: Health,
    pub(crate) last_error: String,
    label_error: String,
    pub(crate) evaluation_seconds: f64,
    last_evaluation_ms: i64,
    pub(crate) samples: usize,
}

impl Rule {
    pub(crate) fn new(spec: RuleSpec, group: &GroupSpec) -> Self {
        let alerts = match &spec.kind {
            RuleKind::Alert { hold_ms, keep_firing_ms, .. } => Alerts::new(*hold_ms, *keep_firing_ms),
            RuleKind::Record(_) => Alerts::default(),
        };
        let name =
            RuleName { file: group.file.clone(), group: group.name.clone(), name: spec.name().to_string() };
        Rule {
            spec,
            alerts,
            name: Arc::new(name),
            restores_left: RESTORES,
            series: HashMap::new(),
            health: Health::Unknown,
            last_error: String::new(),
            label_error: String::new(),
            evaluation_seconds: 0.0,
            last_evaluation_ms: 0,
            samples: 0,
        }
    }

    /// Takes over alerts and series of the rule as it was before a reload.
    pub(crate) fn go_on(&mut self, old: Rule) {
        let (hold_ms, keep_firing_ms) = (self.hold_ms(), self.keep_firing_ms());
        self.alerts = old.alerts.with_durations(hold_ms, keep_firing_ms);
        self.restores_left = old.restores_left;
        self.series = old.series;
    }

    /// Its alerts begin with this process: nothing is restored from before.
    pub(crate) fn begin_anew(&mut self) {
        self.restores_left = 0;
    }

    pub(crate) fn status(&self) -> RuleStatus {
        RuleStatus {
            spec: self.spec.clone(),
            alerts: self.alerts.active().cloned().collect(),
            health: self.health,
            last_error: self.last_error.clone(),
            label_error: self.label_error.clone(),
            evaluation_seconds: self.evaluation_seconds,
            last_evaluation_ms: self.last_evaluation_ms,
        }
    }

    /// Evaluates it. Blocks.
    pub(crate) fn run(&mut self, round: &Round<'_>) {
        let mark = round.deps.clock.mark();
        let result = self.evaluate(round);
        self.evaluation_seconds = mark.elapsed_seconds();
        self.last_evaluation_ms = round.at_ms;
        for histogram in &round.deps.metrics.evaluation_seconds {
            histogram.observe(self.evaluation_seconds);
        }
        round.metrics.evaluations.inc();
        match result {
            Ok(()) => {
                self.health = Health::Ok;
                self.last_error.clear();
            }
            Err(error) => {
                round.metrics.failures.inc();
                if self.last_error != error {
                    tracing::warn!(group = round.group.name, rule = self.spec.name(), %error, "a rule failed");
                }
                self.health = Health::Err;
                self.last_error = error;
            }
        }
    }

    fn evaluate(&mut self, round: &Round<'_>) -> Result<(), String> {
        self.samples = 0;
        let asked_at_ms = round.asked_at_ms();
        let asker = Asker { file: &round.group.file, group: &round.group.name, rule: self.spec.name() };
        let deps = round.deps;
        let found = deps.evaluate.instant(&self.spec.expr, &self.spec.expr_text, asked_at_ms, asker)?;
        let rows = match &self.spec.kind {
            RuleKind::Record(name) => recorded(name, &self.spec.labels, found, round.group.limit)?,
            RuleKind::Alert { .. } => self.alert(found, round)?,
        };
        self.samples = rows.len();
        // Told before it is written: a store that takes nothing, on a full disk, must not hold alerts back.
        self.tell(round);
        self.write(rows, asked_at_ms, deps)
    }

    fn alert(&mut self, found: Vec<Sampled>, round: &Round<'_>) -> Result<Vec<Sampled>, String> {
        let context = Context {
            evaluate: round.deps.evaluate.clone(),
            at_ms: round.asked_at_ms(),
            external_labels: round.config.external_labels.clone(),
            external_url: round.config.external_url.clone(),
            metrics: round.deps.metrics.clone(),
        };
        let found = alerts_of(&self.spec, found, &context)?;
        self.alerts.evaluate(found, round.at_ms);
        let (count, limit) = (self.alerts.active().count(), round.group.limit);
        if limit > 0 && count > limit {
            self.alerts = Alerts::new(self.hold_ms(), self.keep_firing_ms());
            return Err(format!("exceeded limit of {limit} with {count} alerts"));
        }
        if self.restores_left > 0 {
            self.restores_left -= 1;
            let mark = round.deps.clock.mark();
            if let Err(error) = self.restore(round) {
                tracing::warn!(
                    alert = self.spec.name(),
                    error,
                    "cannot tell since when alerts are active; they begin anew"
                );
            }
            round.metrics.last_restore_duration.set(mark.elapsed_seconds());
        }
        let name = self.spec.name();
        Ok(self.alerts.active().flat_map(|alert| alert_series(name, alert)).collect())
    }

    fn hold_ms(&self) -> i64 {
        match self.spec.kind {
            RuleKind::Alert { hold_ms, .. } => hold_ms,
            RuleKind::Record(_) => 0,
        }
    }

    fn keep_firing_ms(&self) -> i64 {
        match self.spec.kind {
            RuleKind::Alert { keep_firing_ms, .. } => keep_firing_ms,
            RuleKind::Record(_) => 0,
        }
    }

    /// Asks the store since when this rule's alerts were active before a restart.
    fn restore(&mut self, round: &Round<'_>) -> Result<(), String> {
        if self.hold_ms() == 0 || self.alerts.active().next().is_none() {
            return Ok(());
        }
        let (at_ms, config) = (round.at_ms, round.config);
        let matchers =
            [Matcher::equal(METRIC_NAME, "ALERTS_FOR_STATE"), Matcher::equal("alertname", self.spec.name())];
        // The evaluation under way has not been written yet: what is there is from before.
        let range = TimeRange { start_ms: at_ms - config.outage_tolerance_ms, end_ms: at_ms - 1 };
        for last in round.deps.evaluate.last(&matchers, range)? {
            if is_stale_nan(last.value) {
                continue; // It had ended by then: what begins now is a new alert.
            }
            let labels = last.labels.without_metric_name();
            let active_at_ms = (last.value * 1000.0) as i64;
            self.alerts.restore(&labels, active_at_ms, last.at_ms, at_ms, config.grace_period_ms);
        }
        Ok(())
    }

    /// Tells what changed, and of the alerts that have to be sent.
    fn tell(&mut self, round: &Round<'_>) {
        if !matches!(self.spec.kind, RuleKind::Alert { .. }) {
            return;
        }
        let (deps, config) = (round.deps, round.config);
        let mut problem = None;
        // What is known of its owners now, unless it goes by what was known before.
        let mut told_labels = |alert: &mut ActiveAlert| match alert.joined.take() {
            Some(joined) => joined,
            None => {
                let at_ms = round.asked_at_ms();
                let joined = config.alert_labels.join(&alert.labels, at_ms, deps.evaluate.as_ref());
                alert.lacks_owner = !joined.is_whole;
                problem = joined.problem.or(problem.take());
                joined.labels
            }
        };
        let change = |alert: &ActiveAlert, joined: &Labels, phase: AlertPhase| AlertChange {
            at_ms: round.at_ms,
            labels: with_external(joined, &config.external_labels),
            phase,
            value: alert.value,
            rule: self.name.clone(),
        };
        let mut changes = Vec::new();
        self.alerts.each_change(|alert, phase| {
            let joined = told_labels(alert);
            changes.push(change(alert, &joined, phase));
            if phase != AlertPhase::Pending {
                alert.joined = Some(joined);
            }
        });
        // If nobody renews an alert for four rounds, its sender is gone and it counts as ended.
        let valid_ms = 4 * round.group.interval_ms.max(config.resend_delay_ms);
        let mut link = None;
        let mut due = Vec::new();
        self.alerts.each_to_send(round.at_ms, config.resend_delay_ms, |alert| {
            let is_resolved = alert.resolved_at_ms != 0;
            let before = alert.joined.clone().filter(|_| alert.lacks_owner && !is_resolved);
            if before.is_some() {
                alert.joined = None;
            }
            let joined = told_labels(alert);
            let generator_url = link.get_or_insert_with(|| {
                let page = template::table_link(&self.spec.expr_text);
                format!("{}{page}", config.external_url.trim_end_matches('/'))
            });
            let mut send = |labels: &Labels, ends_at_ms: i64| {
                due.push(Alert {
                    labels: with_external(labels, &config.external_labels),
                    annotations: alert.annotations.clone(),
                    starts_at_ms: alert.fired_at_ms,
                    ends_at_ms,
                    generator_url: generator_url.clone(),
                });
            };
            if let Some(before) = before.filter(|before| *before != joined) {
                // Its owner has become known: from here on it goes by its whole name.
                send(&before, round.at_ms);
                changes.push(change(alert, &before, AlertPhase::Resolved));
                changes.push(change(alert, &joined, AlertPhase::Firing));
            }
            send(&joined, if is_resolved { alert.resolved_at_ms } else { round.at_ms + valid_ms });
            alert.joined = Some(joined);
        });
        if !changes.is_empty() {
            deps.alerts.changed(changes);
        }
        if !due.is_empty() {
            deps.alerts.send(due);
        }
        self.note_label_problem(problem, round);
    }

    fn note_label_problem(&mut self, problem: Option<String>, round: &Round<'_>) {
        match problem {
            Some(error) => {
                round.deps.metrics.label_errors.inc();
                if self.label_error != error {
                    tracing::warn!(rule = self.spec.name(), %error, "labels could not be joined onto alerts");
                }
                self.label_error = error;
            }
            // Without alerts nothing was looked up, and so nothing is known to be well again.
            None if self.alerts.active().next().is_some() => self.label_error.clear(),
            None => {}
        }
    }

    /// Writes rows, and the staleness marker for each series that was there before and is no more.
    pub(crate) fn write(&mut self, rows: Vec<Sampled>, at_ms: i64, deps: &Deps) -> Result<(), String> {
        let result = self.write_rows(rows, at_ms, deps).map_err(|error| error.to_string())?;
        match refusal(&result) {
            Some(text) => Err(text.into()),
            None => Ok(()),
        }
    }

    fn write_rows(&mut self, rows: Vec<Sampled>, at_ms: i64, deps: &Deps) -> Result<Appended, StorageError> {
        let mut now: HashMap<Labels, SeriesRef> = HashMap::with_capacity(rows.len());
        let mut batch = WriteBatch::default();
        let mut in_batch: Vec<Labels> = Vec::with_capacity(rows.len());
        let mut histograms_at: Vec<Labels> = Vec::new();
        let unknown: Vec<Labels> = rows
            .iter()
            .filter(|row| !self.series.contains_key(&row.labels))
            .map(|row| row.labels.clone())
            .collect();
        let mut refs = Vec::with_capacity(unknown.len());
        deps.writer.resolve(&unknown, &mut refs)?;
        let mut fresh: HashMap<Labels, SeriesRef> = unknown.into_iter().zip(refs).collect();
        for row in rows {
            let known = self.series.remove(&row.labels).or_else(|| fresh.remove(&row.labels));
            let Some(series) = known.filter(|series| *series != SeriesRef::NONE) else { continue };
            match row.value {
                SampleValue::Float(value) => {
                    batch.push(series, at_ms, value);
                    in_batch.push(row.labels.clone());
                }
                SampleValue::Histogram(histogram) => {
                    batch.histograms.push((series, at_ms, histogram));
                    histograms_at.push(row.labels.clone());
                }
            }
            now.insert(row.labels, series);
        }
        in_batch.extend(histograms_at);
        let mut markers = WriteBatch::default();
        let mut marked: Vec<Labels> = Vec::with_capacity(self.series.len());
        for (labels, series) in &self.series {
            markers.push(*series, at_ms, stale_nan());
            marked.push(labels.clone());
        }
        let ended = std::mem::replace(&mut self.series, now);
        let written = append(&batch, &in_batch, &mut self.series, deps.writer.as_ref()).and_then(|written| {
            // That another rule goes on with a series refuses its marker, as it should.
            append(&markers, &marked, &mut self.series, deps.writer.as_ref())?;
            Ok(written)
        });
        if written.is_err() {
            // Their markers are still to be written.
            for (labels, series) in ended {
                self.series.entry(labels).or_insert(series);
            }
        }
        written
    }
}

/// What a store says that takes some of the samples only.
fn refusal(outcome: &Appended) -> Option<&'static str> {
    [
        (outcome.out_of_order, "out of order sample"),
        (outcome.too_old + outcome.outside_window, "too old sample"),
        (outcome.duplicate, "duplicate sample for timestamp"),
    ]
    .into_iter()
    .find(|(count, _)| *count > 0)
    .map(|(_, text)| text)
}

/// What a recording rule yields.
pub(crate) fn recorded(
    name: &str,
    rule_labels: &Labels,
    found: Vec<Sampled>,
    limit: usize,
) -> Result<Vec<Sampled>, String> {
    let mut rows = Vec::with_capacity(found.len());
    for Sampled { labels, value } in found {
        rows.push(Sampled { labels: recorded_labels(name, rule_labels, &labels), value });
    }
    let mut seen: Vec<&Labels> = rows.iter().map(|row| &row.labels).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("vector contains metrics with the same labelset after applying rule labels".into());
    }
    if limit > 0 && rows.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", rows.len()));
    }
    Ok(rows)
}

/// The labels of a recorded series.
pub(crate) fn recorded_labels(name: &str, rule_labels: &Labels, labels: &Labels) -> Labels {
    let mut builder = labels.to_builder();
    builder.set(METRIC_NAME, name);
    for (name, value) in rule_labels {
        builder.set(name, value);
    }
    builder.build()
}

/// The alerts that an alerting rule finds in an answer.
fn alerts_of(spec: &RuleSpec, found: Vec<Sampled>, context: &Context) -> Result<Vec<Found>, String> {
    let RuleKind::Alert { name, annotations, .. } = &spec.kind else { return Ok(Vec::new()) };
    let mut alerts: BTreeMap<Labels, Found> = BTreeMap::new();
    for sample in found {
        let expand = |text: &str| template::expand(name, text, &sample.labels, &sample.value, context);
        let labels = alert_labels(spec, &sample.labels, expand);
        let annotations = Labels::from_pairs(annotations.iter().map(|(name, text)| (name, expand(text))));
        let alert = Found { labels: labels.clone(), annotations, value: sample.float() };
        if alerts.insert(labels, alert).is_some() {
            return Err(SAME_ALERT.into());
        }
    }
    Ok(alerts.into_values().collect())
}

/// That two alerts of a rule cannot be told apart.
pub(crate) const SAME_ALERT: &str =
    "vector contains metrics with the same labelset after applying alert labels";

/// The labels of the alert that a series raises.
pub(crate) fn alert_labels(spec: &RuleSpec, series: &Labels, expand: impl Fn(&str) -> String) -> Labels {
    let mut labels = series.to_builder();
    labels.remove(METRIC_NAME);
    for (name, text) in &spec.labels {
        labels.set(name, &expand(text));
    }
    labels.set("alertname", spec.name());
    labels.build()
}

/// Labels with those of the server that they do not have.
pub(crate) fn with_external(labels: &Labels, external: &Labels) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let mut builder = labels.to_builder();
    for (name, value) in external {
        if labels.value(name).is_empty() {
            builder.set(name, value);
        }
    }
    builder.build()
}

/// Appends a batch; series that the store has dropped meanwhile are resolved once more.
fn append(
    batch: &WriteBatch,
    labels: &[Labels],
    known: &mut HashMap<Labels, SeriesRef>,
    writer: &dyn MetricWriter,
) -> Result<Appended, StorageError> {
    if batch.is_empty() {
        return Ok(Appended::default());
    }
    let mut outcome = writer.append(batch)?;
    if outcome.unknown.is_empty() {
        return Ok(outcome);
    }
    let positions: Vec<usize> = outcome.unknown.iter().map(|at| *at as usize).collect();
    let again: Vec<Labels> = positions.iter().filter_map(|at| labels.get(*at).cloned()).collect();
    let mut refs = Vec::with_capacity(again.len());
    writer.resolve(&again, &mut refs)?;
    let mut retry = WriteBatch::default();
    for ((at, labels), series) in positions.iter().zip(again).zip(refs) {
        if series == SeriesRef::NONE {
            continue;
        }
        if let (Some(time), Some(value)) = (batch.timestamps_ms.get(*at), batch.values.get(*at)) {
            retry.push(series, *time, *value);
        } else if let Some((_, time, histogram)) = batch.histograms.get(*at - batch.refs.len()) {
            retry.histograms.push((series, *time, Arc::clone(histogram)));
        }
        if let Some(slot) = known.get_mut(&labels) {
            *slot = series;
        }
    }
    let again = writer.append(&retry)?;
    outcome.out_of_order += again.out_of_order;
    outcome.too_old += again.too_old;
    outcome.outside_window += again.outside_window;
    outcome.duplicate += again.duplicate;
    Ok(outcome)
}

/// `ALERTS` and `ALERTS_FOR_STATE` of one alert.
pub(crate) fn alert_series(name: &str, alert: &ActiveAlert) -> [Sampled; 2] {
    let mut labels = alert.labels.to_builder();
    labels.set(METRIC_NAME, "ALERTS_FOR_STATE").set("alertname", name);
    let for_state = labels.build();
    labels.set(METRIC_NAME, "ALERTS").set("alertstate", alert.state.as_str());
    [
        Sampled { labels: labels.build(), value: SampleValue::Float(1.0) },
        Sampled { labels: for_state, value: SampleValue::Float((alert.active_at_ms / 1000) as f64) },
    ]
}
