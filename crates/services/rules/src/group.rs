//! One group: its rules are evaluated at one time, one after the other or, where they do not concern
//! each other, at once; and what they yield is written.

use std::collections::HashMap;
use std::sync::Arc;

use model::storage::{SeriesRef, WriteBatch};
use model::{Labels, stale_nan};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::alert::{ActiveAlert, AlertState};
use crate::dependencies;
use crate::file::{GroupSpec, RuleSpec};
use crate::rule::{Round, Rule};
use crate::{Config, Deps};

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
    /// Why labels could not be joined onto its alerts the last time, or "".
    pub label_error: String,
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

impl GroupStatus {
    /// How many of its rules failed at their last evaluation.
    pub(crate) fn failing(&self) -> usize {
        self.rules.iter().filter(|rule| rule.health == Health::Err).count()
    }
}

/// A group under evaluation.
pub(crate) struct Group {
    pub(crate) spec: GroupSpec,
    rules: Vec<Rule>,
    /// Rules that may be evaluated at once, run by run.
    runs: Vec<Vec<usize>>,
    /// Further evaluations that may go on at once, of all groups; without it there is one at a time.
    pub(crate) slots: Option<Arc<Semaphore>>,
    evaluation_seconds: f64,
    last_evaluation_ms: i64,
    pub(crate) missed: u64,
    /// Series of rules that a reload removed; they end after the next evaluation unless another rule
    /// goes on with them.
    ended: HashMap<Labels, SeriesRef>,
}

impl Group {
    pub(crate) fn new(spec: GroupSpec) -> Self {
        let rules = spec.rules.iter().cloned().map(|rule| Rule::new(rule, &spec)).collect();
        Group {
            runs: dependencies::runs(&spec.rules),
            slots: None,
            rules,
            spec,
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
        self.rules.iter_mut().for_each(Rule::begin_anew);
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
        if back_ms >= 0 && self.last_evaluation_ms != 0 {
            // The clock was set back: what was measured with it moves along, or nothing would be
            // sent until it is as late again.
            self.rules.iter_mut().for_each(|rule| rule.alerts.shift(-back_ms));
        }
        let metrics = deps.metrics.of_group(&self.spec.file, &self.spec.name);
        let round = Round { at_ms, group: &self.spec, metrics: &metrics, deps, config };
        let mut rules: Vec<Option<&mut Rule>> = self.rules.iter_mut().map(Some).collect();
        for run in &self.runs {
            let run: Vec<&mut Rule> =
                run.iter().filter_map(|at| rules.get_mut(*at).and_then(Option::take)).collect();
            evaluate_at_once(run, &round, self.slots.as_deref());
        }
        self.end_removed(at_ms - self.spec.query_offset_ms, deps);
        self.evaluation_seconds = mark.elapsed_seconds();
        self.last_evaluation_ms = at_ms;
        deps.metrics.group_seconds.iter().for_each(|histogram| histogram.observe(self.evaluation_seconds));
        metrics.iterations.inc();
        metrics.rules.set(self.rules.len() as f64);
        metrics.interval.set(self.spec.interval_ms as f64 / 1000.0);
        metrics.last_evaluation.set(at_ms as f64 / 1000.0);
        metrics.last_duration.set(self.evaluation_seconds);
        metrics.last_rules_duration.set(self.rules.iter().map(|rule| rule.evaluation_seconds).sum());
        metrics.samples.set(self.rules.iter().map(|rule| rule.samples).sum::<usize>() as f64);
    }

    /// Counts evaluations that were due while one took too long.
    pub(crate) fn note_missed(&mut self, count: u64, deps: &Deps) {
        self.missed += count;
        let metrics = deps.metrics.of_group(&self.spec.file, &self.spec.name);
        metrics.missed.add(count);
        metrics.iterations.add(count);
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

/// Evaluates rules that do not concern each other, on as many threads as there are slots to be had now.
fn evaluate_at_once(rules: Vec<&mut Rule>, round: &Round<'_>, slots: Option<&Semaphore>) {
    let wanted = rules.len().saturating_sub(1);
    let slots: Vec<_> = (0..wanted).map_while(|_| slots?.try_acquire().ok()).collect();
    let waiting = Mutex::new(rules.into_iter());
    let work = || {
        loop {
            // The lock is not held while a rule is evaluated.
            let next = waiting.lock().next();
            match next {
                Some(rule) => rule.run(round),
                None => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for slot in slots {
            // Where there is no further thread, this one does it alone.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || {
                let _slot = slot;
                work();
            });
        }
        work();
    });
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
