//! One rule over all times.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::Labels;
use model::alert::AlertPhase;
use promql::{MatrixSeries, QueryError, QueryLimits, SampleValue, Value};

use super::overlay::Overlay;
use super::{Episode, FAILURES_IN_A_ROW_MAX, History, Request, RuleReport, Spent};
use crate::alert::{Alerts, Found};
use crate::evaluate::MetricsEvaluator;
use crate::file::{GroupSpec, RuleKind, RuleSpec};
use crate::group::Group;
use crate::metrics::Metrics;
use crate::rule::{SAME_ALERT, alert_labels, alert_series, recorded_labels, with_external};
use crate::template::{self, Context};

/// Evaluations of one range query at most; fewer where its samples would be too many.
const SLICE_STEPS: i64 = 2_000;

/// A rule that is tried, and what it is tried with.
pub(super) struct Replay<'a, 'b> {
    pub(super) request: &'a Request,
    pub(super) group: &'a GroupSpec,
    pub(super) rule: &'a RuleSpec,
    pub(super) history: &'a History,
    pub(super) overlay: &'a Arc<Overlay>,
    pub(super) spent: &'b mut Spent<'a>,
    /// Whether other rules use what it yields.
    pub(super) is_used: bool,
    pub(super) warm_up_ms: i64,
    pub(super) episodes_left: &'b mut usize,
}

/// What came of it.
pub(super) struct Tried {
    pub(super) report: RuleReport,
    /// Why everything has to end, if it has to.
    pub(super) stopped: Option<String>,
}

/// Notes why a rule would have failed, and when, if it is the first time.
fn note_error(report: &mut RuleReport, at_ms: i64, error: &str) {
    if report.error.is_none() {
        let at = gocompat::layout::format_ms("2006-01-02T15:04:05Z", at_ms);
        report.error = Some(format!("at {at}: {error}"));
    }
}

/// A rule on its way through history.
struct State {
    report: RuleReport,
    alerts: Alerts,
    /// By labels: what fires, and where it stands in the report if it is listed.
    firing: HashMap<Labels, (i64, Option<usize>)>,
    /// Series that were written at the evaluation before.
    written: HashSet<Labels>,
    recorded: u64,
    first_ms: i64,
    /// Labels of alerts by series, where templates do not depend on values.
    labels: HashMap<Labels, Labels>,
}

impl Replay<'_, '_> {
    pub(super) fn run(&mut self, tell: &mut dyn FnMut(f64)) -> Tried {
        let step_ms = self.request.step_ms.unwrap_or(self.group.interval_ms).max(1);
        let (hold_ms, keep_firing_ms) = match &self.rule.kind {
            RuleKind::Alert { hold_ms, keep_firing_ms, .. } => (*hold_ms, *keep_firing_ms),
            RuleKind::Record(_) => (0, 0),
        };
        // The times at which the group would be evaluated live.
        let offset_ms =
            Group::new(GroupSpec { interval_ms: step_ms, rules: Vec::new(), ..self.group.clone() })
                .offset_ms();
        let begin_ms = self.request.from_ms.saturating_sub(self.warm_up_ms);
        let first_ms = begin_ms + (offset_ms - begin_ms).rem_euclid(step_ms);
        let mut state = State {
            report: RuleReport {
                file: self.group.file.clone(),
                group: self.group.name.clone(),
                name: self.rule.name().to_string(),
                expr: self.rule.expr_text.clone(),
                hold_ms,
                keep_firing_ms,
                interval_ms: step_ms,
                ..RuleReport::default()
            },
            alerts: Alerts::new(hold_ms, keep_firing_ms),
            firing: HashMap::new(),
            written: HashSet::new(),
            recorded: 0,
            first_ms,
            labels: HashMap::new(),
        };
        let mut at_ms = first_ms;
        let mut slice_steps = SLICE_STEPS;
        let mut stopped = None;
        let mut failed_in_a_row = 0;
        while at_ms <= self.request.to_ms {
            stopped = self.spent.stop();
            if stopped.is_some() {
                break;
            }
            let end_ms = at_ms.saturating_add((slice_steps - 1) * step_ms).min(self.request.to_ms);
            match self.ask(at_ms, end_ms, step_ms) {
                Ok(series) => {
                    self.go_through(&mut state, &series, (at_ms, end_ms, step_ms));
                    at_ms += ((end_ms - at_ms) / step_ms + 1) * step_ms;
                    slice_steps = (slice_steps * 2).min(SLICE_STEPS);
                    failed_in_a_row = 0;
                }
                Err(QueryError::Timeout | QueryError::Canceled) => {
                    stopped = self.spent.stop().or_else(|| Some("a query took too long".into()));
                    break;
                }
                // It may fail at one of these times only.
                Err(_) if slice_steps > 1 && end_ms > at_ms => slice_steps = (slice_steps / 4).max(1),
                Err(error) => {
                    // Live, alerts stay as they are at such a time.
                    if at_ms >= self.request.from_ms {
                        state.report.evaluations += 1;
                        state.report.failures += 1;
                    }
                    note_error(&mut state.report, at_ms, &error.to_string());
                    failed_in_a_row += 1;
                    if failed_in_a_row >= FAILURES_IN_A_ROW_MAX {
                        break;
                    }
                    at_ms += step_ms;
                }
            }
            if state.recorded > self.request.limits.recorded_samples_max {
                stopped = Some(format!(
                    "{:?} records more than {} samples",
                    self.rule.name(),
                    self.request.limits.recorded_samples_max
                ));
                break;
            }
            let share = (at_ms - first_ms) as f64 / (self.request.to_ms - first_ms).max(1) as f64;
            tell(share.clamp(0.0, 1.0));
        }
        state.report.is_complete = at_ms > self.request.to_ms;
        let last_ms = (at_ms - step_ms).min(self.request.to_ms);
        // What still fires, fires until the last evaluation at least.
        for (since_ms, _) in state.firing.values() {
            state.report.firing_ms += (last_ms - (*since_ms).max(self.request.from_ms)).max(0);
        }
        state.report.episodes.sort_by(|a, b| (a.fired_at_ms, &a.labels).cmp(&(b.fired_at_ms, &b.labels)));
        Tried { report: state.report, stopped }
    }

    /// What the expression yields at each of some evaluations.
    fn ask(&mut self, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Vec<MatrixSeries>, QueryError> {
        let offset_ms = self.group.query_offset_ms;
        let limits = QueryLimits {
            timeout: Some(self.spent.time_left()),
            cancel: self.request.limits.cancel.clone(),
            ..QueryLimits::default()
        };
        let result = self.history.engine.range(
            self.overlay.as_ref(),
            &self.rule.expr,
            &self.rule.expr_text,
            start_ms - offset_ms,
            end_ms - offset_ms,
            step_ms,
            &limits,
        )?;
        self.spent.samples_read += result.stats.samples_read;
        Ok(match result.value {
            Value::Matrix(series) => series,
            _ => Vec::new(),
        })
    }

    /// Takes a slice in, evaluation by evaluation.
    fn go_through(
        &mut self,
        state: &mut State,
        series: &[MatrixSeries],
        (start_ms, end_ms, step_ms): (i64, i64, i64),
    ) {
        let offset_ms = self.group.query_offset_ms;
        let mut points: Vec<_> = series.iter().map(|series| series.points.iter().peekable()).collect();
        let mut at_ms = start_ms;
        let mut found: Vec<(usize, SampleValue)> = Vec::new();
        while at_ms <= end_ms {
            found.clear();
            let mut next_ms = i64::MAX;
            for (at, points) in points.iter_mut().enumerate() {
                if let Some((_, value)) = points.next_if(|(time_ms, _)| *time_ms + offset_ms <= at_ms) {
                    found.push((at, value));
                }
                if let Some((time_ms, _)) = points.peek() {
                    next_ms = next_ms.min(*time_ms + offset_ms);
                }
            }
            match self.rule.kind {
                RuleKind::Record(_) => self.record(state, series, &found, at_ms),
                RuleKind::Alert { .. } => self.raise(state, series, &found, at_ms),
            }
            let is_at_rest =
                found.is_empty() && state.written.is_empty() && state.alerts.active().next().is_none();
            let mut steps = 1;
            if is_at_rest {
                // Nothing happens before the next sample.
                steps = ((next_ms.min(end_ms + step_ms) - at_ms) / step_ms).max(1);
            }
            let counted_from = at_ms.max(self.request.from_ms);
            let last_ms = at_ms + (steps - 1) * step_ms;
            if last_ms >= counted_from {
                state.report.evaluations += ((last_ms - counted_from) / step_ms + 1) as u64;
            }
            at_ms += steps * step_ms;
        }
    }

    fn record(&self, state: &mut State, series: &[MatrixSeries], found: &[(usize, SampleValue)], at_ms: i64) {
        let mut rows: BTreeMap<Labels, &SampleValue> = BTreeMap::new();
        for (at, value) in found {
            let Some(series) = series.get(*at) else { continue };
            let labels = recorded_labels(self.rule.name(), &self.rule.labels, &series.labels);
            rows.insert(labels, value);
        }
        self.write(state, rows, at_ms);
    }

    /// Lays rows over history, and the end of those that were there before.
    fn write(&self, state: &mut State, rows: BTreeMap<Labels, &SampleValue>, at_ms: i64) {
        let at_ms = at_ms - self.group.query_offset_ms;
        for ended in state.written.iter().filter(|labels| !rows.contains_key(*labels)) {
            self.overlay.write(ended, at_ms, None);
        }
        state.recorded += rows.len() as u64;
        for (labels, value) in &rows {
            self.overlay.write(labels, at_ms, Some(value));
        }
        state.written = rows.into_keys().collect();
    }

    fn raise(
        &mut self,
        state: &mut State,
        series: &[MatrixSeries],
        found: &[(usize, SampleValue)],
        at_ms: i64,
    ) {
        let is_counted = at_ms >= self.request.from_ms;
        let alerts = match self.alerts(state, series, found, at_ms) {
            Ok(alerts) => alerts,
            Err(error) => {
                if is_counted {
                    state.report.failures += 1;
                    note_error(&mut state.report, at_ms, &error);
                }
                return;
            }
        };
        state.alerts.evaluate(alerts, at_ms);
        let count = state.alerts.active().count();
        if self.group.limit > 0 && count > self.group.limit {
            state.alerts = Alerts::new(state.report.hold_ms, state.report.keep_firing_ms);
            for labels in state.firing.keys().cloned().collect::<Vec<_>>() {
                self.end(state, &labels, at_ms);
            }
            state.report.failures += u64::from(is_counted);
            let text = format!("exceeded limit of {} with {count} alerts", self.group.limit);
            note_error(&mut state.report, at_ms, &text);
            return;
        }
        let mut changes = Vec::new();
        state.alerts.each_change(|alert, phase| changes.push((alert.clone(), phase)));
        for (alert, phase) in changes {
            match phase {
                AlertPhase::Pending => {}
                AlertPhase::Inactive => state.report.nearly_fired += u64::from(is_counted),
                AlertPhase::Resolved => self.end(state, &alert.labels, at_ms),
                AlertPhase::Firing => {
                    let place = (*self.episodes_left > 0).then(|| {
                        *self.episodes_left -= 1;
                        state.report.episodes.push(Episode {
                            labels: with_external(&alert.labels, &self.request.external_labels),
                            active_at_ms: alert.active_at_ms,
                            fired_at_ms: at_ms,
                            ended_at_ms: None,
                            began_before: alert.active_at_ms == state.first_ms,
                            value: alert.value,
                        });
                        state.report.episodes.len() - 1
                    });
                    state.report.fired += 1;
                    state.firing.insert(alert.labels, (at_ms, place));
                }
            }
        }
        if self.is_used {
            let name = self.rule.name();
            let rows: Vec<_> = state.alerts.active().flat_map(|alert| alert_series(name, alert)).collect();
            let rows = rows.iter().map(|row| (row.labels.clone(), &row.value)).collect();
            self.write(state, rows, at_ms);
        }
    }

    /// The end of an alert that fired. What ended before the times asked for is not reported.
    fn end(&mut self, state: &mut State, labels: &Labels, at_ms: i64) {
        let Some((since_ms, place)) = state.firing.remove(labels) else { return };
        if at_ms <= self.request.from_ms {
            state.report.fired -= 1;
            if let Some(place) = place {
                *self.episodes_left += 1;
                state.report.episodes.remove(place);
                // Those behind it moved up.
                for (_, other) in state.firing.values_mut() {
                    *other = other.map(|other| other - usize::from(other > place));
                }
            }
            return;
        }
        state.report.firing_ms += at_ms - since_ms.max(self.request.from_ms);
        if let Some(episode) = place.and_then(|place| state.report.episodes.get_mut(place)) {
            episode.ended_at_ms = Some(at_ms);
        }
    }

    /// The alerts of one evaluation.
    fn alerts(
        &self,
        state: &mut State,
        series: &[MatrixSeries],
        found: &[(usize, SampleValue)],
        at_ms: i64,
    ) -> Result<Vec<Found>, String> {
        let is_fixed = !self.rule.labels.iter().any(|(_, text)| text.contains("{{"));
        let mut alerts: BTreeMap<Labels, Found> = BTreeMap::new();
        for (at, value) in found {
            let Some(series) = series.get(*at) else { continue };
            let labels = match state.labels.get(&series.labels).filter(|_| is_fixed) {
                Some(labels) => labels.clone(),
                None if is_fixed => {
                    let labels = alert_labels(self.rule, &series.labels, str::to_string);
                    state.labels.insert(series.labels.clone(), labels.clone());
                    labels
                }
                None => {
                    let context = self.context(at_ms);
                    alert_labels(self.rule, &series.labels, |text| {
                        template::expand(self.rule.name(), text, &series.labels, value, &context)
                    })
                }
            };
            let number = match value {
                SampleValue::Float(value) => *value,
                SampleValue::Histogram(_) => f64::NAN,
            };
            let alert = Found { labels: labels.clone(), annotations: Labels::empty(), value: number };
            if alerts.insert(labels, alert).is_some() {
                return Err(SAME_ALERT.into());
            }
        }
        Ok(alerts.into_values().collect())
    }

    fn context(&self, at_ms: i64) -> Context {
        Context {
            evaluate: Arc::new(MetricsEvaluator {
                engine: self.history.engine.clone(),
                reader: self.overlay.clone(),
                features: self.history.features,
                watch: None,
            }),
            at_ms: at_ms - self.group.query_offset_ms,
            external_labels: self.request.external_labels.clone(),
            external_url: String::new(),
            metrics: Metrics::default(),
        }
    }
}
