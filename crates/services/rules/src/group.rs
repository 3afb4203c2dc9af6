//! One group: its rules are evaluated one after the other at one time, and what they yield is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::clock::Clock;
use model::alert::Alert;
use model::storage::{MetricWriter, SeriesRef, StorageError, TimeRange, WriteBatch};
use model::{Labels, METRIC_NAME, Matcher, is_stale_nan, stale_nan};
use promql::SampleValue;

use crate::alert::{ActiveAlert, AlertState, Alerts, Found};
use crate::evaluate::{Asker, Sampled};
use crate::file::{GroupSpec, RuleKind, RuleSpec};
use crate::template::{self, Context};
use crate::{Config, Deps};

/// Evaluations of a new rule after which its alerts are no longer restored: at the first, some
/// targets have not been scraped yet.
const RESTORES: u8 = 2;

/// Whether a rule works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was not evaluated yet.
    Unknown,
    /// Its last evaluation succeeded.
    Ok,
    /// Its last evaluation failed.
    Err,
}

impl Health {
    /// The name in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Ok => "ok",
            Health::Err => "err",
        }
    }
}

/// A rule and how it is.
#[derive(Clone, Debug)]
pub struct RuleStatus {
    /// What it is.
    pub spec: RuleSpec,
    /// Its alerts, pending and firing; empty for one that records.
    pub alerts: Vec<ActiveAlert>,
    /// Whether it works.
    pub health: Health,
    /// Why the last evaluation failed, or "".
    pub last_error: String,
    /// How long the last evaluation took, in seconds.
    pub evaluation_seconds: f64,
    /// When it was evaluated last, milliseconds since the epoch; 0 if never.
    pub last_evaluation_ms: i64,
}

/// A group and how it is.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Milliseconds between evaluations.
    pub interval_ms: i64,
    /// Series or alerts that a rule may yield; 0 is no limit.
    pub limit: usize,
    /// Its rules.
    pub rules: Vec<RuleStatus>,
    /// How long the last evaluation took, in seconds.
    pub evaluation_seconds: f64,
    /// When it was evaluated last, milliseconds since the epoch; 0 if never.
    pub last_evaluation_ms: i64,
    /// Evaluations that were skipped because the one before took too long.
    pub missed: u64,
}

struct Rule {
    spec: RuleSpec,
    alerts: Alerts,
    /// Evaluations at which alerts that are new may still have begun before a restart.
    restores_left: u8,
    /// Series of the last evaluation, by which a vanished one is marked as ended.
    series: HashMap<Labels, SeriesRef>,
    health: Health,
    last_error: String,
    evaluation_seconds: f64,
    last_evaluation_ms: i64,
}

/// A group under evaluation.
pub(crate) struct Group {
    pub(crate) spec: GroupSpec,
    rules: Vec<Rule>,
    evaluation_seconds: f64,
    last_evaluation_ms: i64,
    pub(crate) missed: u64,
    /// Series of rules that a reload removed; they end after the next evaluation unless another rule
    /// goes on with them.
    ended: HashMap<Labels, SeriesRef>,
}

impl Group {
    pub(crate) fn new(spec: GroupSpec) -> Self {
        let rules = spec.rules.iter().cloned().map(Rule::new).collect();
        Group {
            spec,
            rules,
            evaluation_seconds: 0.0,
            last_evaluation_ms: 0,
            missed: 0,
            ended: HashMap::new(),
        }
    }

    /// Takes over the state of the group before a reload. As in Prometheus a rule is the same as long as
    /// its name and labels are: it keeps its alerts and series when its expression or a text changes.
    pub(crate) fn take_over(&mut self, mut old: Group) {
        self.last_evaluation_ms = old.last_evaluation_ms;
        let mut changed = Vec::new();
        for rule in &mut self.rules {
            match old.rules.iter().position(|known| known.spec == rule.spec) {
                Some(at) => *rule = old.rules.remove(at),
                None => changed.push(rule),
            }
        }
        for rule in changed {
            if let Some(at) = old.rules.iter().position(|known| known.spec.is_same_rule(&rule.spec)) {
                rule.go_on(old.rules.remove(at));
            }
        }
        self.ended = old.ended;
        self.ended.extend(old.rules.into_iter().flat_map(|rule| rule.series));
    }

    /// Milliseconds by which this group's evaluations lie after the multiples of its interval: spread
    /// by name, and the same after a restart.
    pub(crate) fn offset_ms(&self) -> i64 {
        let identity = Labels::from_pairs([("file", &self.spec.file), ("name", &self.spec.name)]);
        (identity.fingerprint() % self.spec.interval_ms.max(1) as u64) as i64
    }

    /// Alerts begin with this process: nothing is restored from before.
    pub(crate) fn begin_anew(&mut self) {
        for rule in &mut self.rules {
            rule.restores_left = 0;
        }
    }

    /// The rules whose last evaluation failed, and why.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        let failed = self.rules.iter().filter(|rule| rule.health == Health::Err);
        failed.map(|rule| (rule.spec.name(), rule.last_error.as_str()))
    }

    /// The alerts of this name that fire.
    pub(crate) fn firing(&self, name: &str) -> impl Iterator<Item = &ActiveAlert> {
        let rules = self.rules.iter().filter(move |rule| rule.spec.name() == name);
        rules.flat_map(|rule| rule.alerts.active()).filter(|alert| alert.state == AlertState::Firing)
    }

    pub(crate) fn status(&self) -> GroupStatus {
        GroupStatus {
            name: self.spec.name.clone(),
            file: self.spec.file.clone(),
            interval_ms: self.spec.interval_ms,
            limit: self.spec.limit,
            rules: self.rules.iter().map(Rule::status).collect(),
            evaluation_seconds: self.evaluation_seconds,
            last_evaluation_ms: self.last_evaluation_ms,
            missed: self.missed,
        }
    }

    /// Evaluates all rules for the scheduled time `at_ms`. Blocks while it works.
    pub(crate) fn evaluate(&mut self, at_ms: i64, deps: &Deps, config: &Config) {
        let mark = deps.clock.mark();
        let back_ms = self.last_evaluation_ms - at_ms;
        for rule in &mut self.rules {
            if back_ms >= 0 && self.last_evaluation_ms != 0 {
                // The clock was set back: what was measured with it moves along, or nothing would be
                // sent until it is as late again.
                rule.alerts.shift(-back_ms);
            }
            rule.run(at_ms, &self.spec, deps, config);
        }
        self.end_removed(at_ms - self.spec.query_offset_ms, deps);
        self.evaluation_seconds = mark.elapsed_seconds();
        self.last_evaluation_ms = at_ms;
    }

    /// Writes the end of everything that the rules recorded.
    pub(crate) fn end(&mut self, at_ms: i64, deps: &Deps) {
        self.end_removed(at_ms, deps);
        for rule in &mut self.rules {
            if let Err(error) = rule.write(Vec::new(), at_ms, deps) {
                tracing::warn!(group = self.spec.name, %error, "cannot mark the series of a removed group as ended");
            }
        }
    }

    /// Writes the end of what removed rules recorded and no other rule goes on with. After the rules: a
    /// marker that came before a sample of the same time would keep it out.
    fn end_removed(&mut self, at_ms: i64, deps: &Deps) {
        let mut ended = std::mem::take(&mut self.ended);
        ended.retain(|labels, _| !self.rules.iter().any(|rule| rule.series.contains_key(labels)));
        let mut batch = WriteBatch::default();
        for series in ended.values() {
            batch.push(*series, at_ms, stale_nan());
        }
        if !batch.is_empty()
            && let Err(error) = deps.writer.append(&batch)
        {
            tracing::warn!(group = self.spec.name, %error, "cannot mark the series of a removed rule as ended");
            self.ended = ended;
        }
    }
}

impl Rule {
    /// Takes over alerts and series of the rule as it was before a reload.
    fn go_on(&mut self, old: Rule) {
        let (hold_ms, keep_firing_ms) = (self.hold_ms(), self.keep_firing_ms());
        self.alerts = old.alerts.with_durations(hold_ms, keep_firing_ms);
        self.restores_left = old.restores_left;
        self.series = old.series;
    }

    fn new(spec: RuleSpec) -> Self {
        let alerts = match &spec.kind {
            RuleKind::Alert { hold_ms, keep_firing_ms, .. } => Alerts::new(*hold_ms, *keep_firing_ms),
            RuleKind::Record(_) => Alerts::default(),
        };
        Rule {
            spec,
            alerts,
            restores_left: RESTORES,
            series: HashMap::new(),
            health: Health::Unknown,
            last_error: String::new(),
            evaluation_seconds: 0.0,
            last_evaluation_ms: 0,
        }
    }

    fn status(&self) -> RuleStatus {
        RuleStatus {
            spec: self.spec.clone(),
            alerts: self.alerts.active().cloned().collect(),
            health: self.health,
            last_error: self.last_error.clone(),
            evaluation_seconds: self.evaluation_seconds,
            last_evaluation_ms: self.last_evaluation_ms,
        }
    }

    fn run(&mut self, at_ms: i64, group: &GroupSpec, deps: &Deps, config: &Config) {
        let mark: base::clock::Mark = Clock::mark(&deps.clock);
        let result = self.evaluate(at_ms, group, deps, config);
        self.evaluation_seconds = mark.elapsed_seconds();
        self.last_evaluation_ms = at_ms;
        match result {
            Ok(()) => {
                self.health = Health::Ok;
                self.last_error.clear();
            }
            Err(error) => {
                if self.last_error != error {
                    tracing::warn!(group = group.name, rule = self.spec.name(), %error, "a rule failed");
                }
                self.health = Health::Err;
                self.last_error = error;
            }
        }
    }

    fn evaluate(
        &mut self,
        at_ms: i64,
        group: &GroupSpec,
        deps: &Deps,
        config: &Config,
    ) -> Result<(), String> {
        let asked_at_ms = at_ms - group.query_offset_ms;
        let asker = Asker { file: &group.file, group: &group.name, rule: self.spec.name() };
        let found = deps.evaluate.instant(&self.spec.expr, &self.spec.expr_text, asked_at_ms, asker)?;
        let rows = match &self.spec.kind {
            RuleKind::Record(name) => self.recorded(name, found, group.limit)?,
            RuleKind::Alert { name, annotations, .. } => {
                let (name, annotations) = (name.clone(), annotations.clone());
                self.alert(&name, &annotations, found, at_ms, group, deps, config)?
            }
        };
        // Told before it is written: a store that takes nothing, on a full disk, must not hold alerts back.
        self.send(at_ms, group, deps, config);
        self.write(rows, asked_at_ms, deps).map_err(|error| error.to_string())
    }

    fn recorded(&self, name: &str, found: Vec<Sampled>, limit: usize) -> Result<Vec<Sampled>, String> {
        let mut rows = Vec::with_capacity(found.len());
        for Sampled { labels, value } in found {
            let mut builder = labels.to_builder();
            builder.set(METRIC_NAME, name);
            for (name, value) in &self.spec.labels {
                builder.set(name, value);
            }
            rows.push(Sampled { labels: builder.build(), value });
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

    fn alert(
        &mut self,
        name: &str,
        annotations: &Labels,
        found: Vec<Sampled>,
        at_ms: i64,
        group: &GroupSpec,
        deps: &Deps,
        config: &Config,
    ) -> Result<Vec<Sampled>, String> {
        let context = Context {
            evaluate: deps.evaluate.clone(),
            at_ms: at_ms - group.query_offset_ms,
            external_labels: config.external_labels.clone(),
            external_url: config.external_url.clone(),
        };
        let mut alerts: BTreeMap<Labels, Found> = BTreeMap::new();
        for sample in found {
            let value = sample.float();
            let expand = |text: &str| template::expand(name, text, &sample.labels, value, &context);
            let mut labels = sample.labels.to_builder();
            labels.remove(METRIC_NAME);
            for (name, text) in &self.spec.labels {
                labels.set(name, &expand(text));
            }
            labels.set("alertname", name);
            let labels = labels.build();
            let annotations = Labels::from_pairs(annotations.iter().map(|(name, text)| (name, expand(text))));
            if alerts.insert(labels.clone(), Found { labels, annotations, value }).is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels".into()
                );
            }
        }
        self.alerts.evaluate(alerts.into_values().collect(), at_ms);
        let (count, limit) = (self.alerts.active().count(), group.limit);
        if limit > 0 && count > limit {
            self.alerts = Alerts::new(self.hold_ms(), self.keep_firing_ms());
            return Err(format!("exceeded limit of {limit} with {count} alerts"));
        }
        if self.restores_left > 0 {
            self.restores_left -= 1;
            if let Err(error) = self.restore(name, at_ms, deps, config) {
                tracing::warn!(
                    alert = name,
                    error,
                    "cannot tell since when alerts are active; they begin anew"
                );
            }
        }
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
    fn restore(&mut self, name: &str, at_ms: i64, deps: &Deps, config: &Config) -> Result<(), String> {
        if self.hold_ms() == 0 || self.alerts.active().next().is_none() {
            return Ok(());
        }
        let matchers = [Matcher::equal(METRIC_NAME, "ALERTS_FOR_STATE"), Matcher::equal("alertname", name)];
        // The evaluation under way has not been written yet: what is there is from before.
        let range = TimeRange { start_ms: at_ms - config.outage_tolerance_ms, end_ms: at_ms - 1 };
        for last in deps.evaluate.last(&matchers, range)? {
            if is_stale_nan(last.value) {
                continue; // It had ended by then: what begins now is a new alert.
            }
            let labels = last.labels.without_metric_name();
            let active_at_ms = (last.value * 1000.0) as i64;
            self.alerts.restore(&labels, active_at_ms, last.at_ms, at_ms, config.grace_period_ms);
        }
        Ok(())
    }

    /// Writes rows, and the staleness marker for each series that was there before and is no more.
    fn write(&mut self, rows: Vec<Sampled>, at_ms: i64, deps: &Deps) -> Result<(), StorageError> {
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
        for (labels, series) in &self.series {
            batch.push(*series, at_ms, stale_nan());
            in_batch.push(labels.clone());
        }
        in_batch.extend(histograms_at);
        let ended = std::mem::replace(&mut self.series, now);
        let written = append(&batch, &in_batch, &mut self.series, deps.writer.as_ref());
        if written.is_err() {
            // Their markers are still to be written.
            for (labels, series) in ended {
                self.series.entry(labels).or_insert(series);
            }
        }
        written
    }

    fn send(&mut self, now_ms: i64, group: &GroupSpec, deps: &Deps, config: &Config) {
        let due = self.alerts.take_to_send(now_ms, config.resend_delay_ms);
        if due.is_empty() {
            return;
        }
        // If nobody renews an alert for four rounds, its sender is gone and it counts as ended.
        let valid_ms = 4 * group.interval_ms.max(config.resend_delay_ms);
        let link = format!(
            "{}{}",
            config.external_url.trim_end_matches('/'),
            template::table_link(&self.spec.expr_text)
        );
        let alerts = due.into_iter().map(|alert| {
            let mut labels = alert.labels.to_builder();
            for (name, value) in &config.external_labels {
                if labels.get(name).is_empty() {
                    labels.set(name, value);
                }
            }
            Alert {
                labels: labels.build(),
                annotations: alert.annotations,
                starts_at_ms: alert.fired_at_ms,
                ends_at_ms: if alert.resolved_at_ms != 0 { alert.resolved_at_ms } else { now_ms + valid_ms },
                generator_url: link.clone(),
            }
        });
        deps.alerts.send(alerts.collect());
    }
}

/// Appends a batch; series that the store has dropped meanwhile are resolved once more.
fn append(
    batch: &WriteBatch,
    labels: &[Labels],
    known: &mut HashMap<Labels, SeriesRef>,
    writer: &dyn MetricWriter,
) -> Result<(), StorageError> {
    if batch.is_empty() {
        return Ok(());
    }
    let outcome = writer.append(batch)?;
    if outcome.unknown.is_empty() {
        return Ok(());
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
    writer.append(&retry)?;
    Ok(())
}

/// `ALERTS` and `ALERTS_FOR_STATE` of one alert.
fn alert_series(name: &str, alert: &ActiveAlert) -> [Sampled; 2] {
    let mut labels = alert.labels.to_builder();
    labels.set(METRIC_NAME, "ALERTS_FOR_STATE").set("alertname", name);
    let for_state = labels.build();
    labels.set(METRIC_NAME, "ALERTS").set("alertstate", alert.state.as_str());
    [
        Sampled { labels: labels.build(), value: SampleValue::Float(1.0) },
        Sampled { labels: for_state, value: SampleValue::Float((alert.active_at_ms / 1000) as f64) },
    ]
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
