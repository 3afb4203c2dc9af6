//! Leaves: series from the store or from a subquery, decoded into arrays.

use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram};
use model::label_table::{LabelTable, SetId};
use model::sample::{Samples, is_stale_nan};
use model::storage::Selection;

use super::QueryError;
use super::annotations::Notes;
use super::budget::{Budget, Tally};
use super::rows::{Rows, Scratch};
use super::value::{ABSENT, Cell, Cells, Row, Steps};
use super::wide;

/// Where the samples of a leaf come from.
pub(crate) enum Feed {
    /// The store.
    Store(Arc<Selection>),
    /// A subquery: its rows are samples at its steps.
    Subquery(Vec<Row>, Steps),
}

impl Feed {
    pub(crate) fn len(&self) -> usize {
        match self {
            Feed::Store(series) => series.len(),
            Feed::Subquery(rows, _) => rows.len(),
        }
    }

    pub(crate) fn labels(&self, at: usize) -> SetId {
        match self {
            Feed::Store(series) => series.sets[at],
            Feed::Subquery(rows, _) => rows[at].labels,
        }
    }

    pub(crate) fn drop_name(&self, at: usize) -> bool {
        match self {
            Feed::Store(_) => false,
            Feed::Subquery(rows, _) => rows[at].drop_name,
        }
    }

    /// About how many samples all series have.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Feed::Store(series) => series.samples.sample_count_estimate(),
            Feed::Subquery(rows, steps) => (rows.len() * steps.count) as u64,
        }
    }

    /// Decodes a series.
    pub(crate) fn read(
        &self,
        at: usize,
        into: &mut Samples,
        tally: &mut Tally,
        budget: &Arc<Budget>,
    ) -> Result<(), QueryError> {
        into.clear();
        if budget.is_dry {
            return Ok(());
        }
        match self {
            Feed::Store(series) => {
                let cost = series.samples.sample_count_max(at);
                budget.hold(cost, tally)?;
                series.samples.read(at, into)?;
                tally.samples_read += into.len() as u64;
            }
            Feed::Subquery(rows, steps) => {
                let cells = &rows[at].cells;
                for step in 0..steps.count {
                    match cells.get(step) {
                        Cell::Absent => {}
                        Cell::Float(value) => into.push(steps.time_ms(step), value),
                        Cell::Histogram(histogram) => {
                            into.push_histogram(steps.time_ms(step), without_reset_hint(histogram));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A hint about the sample before is void once samples are picked from a series.
fn without_reset_hint(histogram: Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    match histogram.counter_reset_hint {
        CounterResetHint::Reset | CounterResetHint::NotReset => {
            let mut copy = (*histogram).clone();
            copy.counter_reset_hint = CounterResetHint::Unknown;
            Arc::new(copy)
        }
        CounterResetHint::Unknown | CounterResetHint::Gauge => histogram,
    }
}

/// The samples of a series, floats and histograms apart, without staleness markers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Split {
    pub(crate) t: Vec<i64>,
    pub(crate) v: Vec<f64>,
    /// Empty, or a start timestamp for each float.
    pub(crate) st: Vec<i64>,
    pub(crate) ht: Vec<i64>,
    pub(crate) h: Vec<Arc<FloatHistogram>>,
    pub(crate) hst: Vec<i64>,
}

impl Split {
    /// Takes the samples over. Without histograms and staleness markers that is an exchange of arrays.
    pub(crate) fn load(&mut self, samples: &mut Samples, with_start: bool) {
        self.st.clear();
        self.ht.clear();
        self.h.clear();
        self.hst.clear();
        let has_start = with_start && !samples.start_timestamps_ms.is_empty();
        if samples.histograms.is_empty() && !wide::has_stale(&samples.values) {
            std::mem::swap(&mut self.t, &mut samples.timestamps_ms);
            std::mem::swap(&mut self.v, &mut samples.values);
            if has_start {
                std::mem::swap(&mut self.st, &mut samples.start_timestamps_ms);
            }
            return;
        }
        self.t.clear();
        self.v.clear();
        for at in 0..samples.len() {
            let (time, value) = (samples.timestamps_ms[at], samples.values[at]);
            match samples.histogram(at) {
                Some(histogram) if !is_stale_nan(histogram.sum) && !is_stale_nan(value) => {
                    self.ht.push(time);
                    self.h.push(histogram.clone());
                    if has_start {
                        self.hst.push(samples.start_ms(at));
                    }
                }
                None if !is_stale_nan(value) => {
                    self.t.push(time);
                    self.v.push(value);
                    if has_start {
                        self.st.push(samples.start_ms(at));
                    }
                }
                _ => {}
            }
        }
    }
}

/// For `histogram_count` and the like: says for each histogram whether its counter was reset, found
/// by comparing it with the one before.
pub(crate) fn detect_resets(samples: &mut Samples) {
    let mut last: Option<Arc<FloatHistogram>> = None;
    for slot in samples.histograms.iter_mut().flatten() {
        if is_stale_nan(slot.sum) {
            continue;
        }
        if slot.counter_reset_hint == CounterResetHint::Unknown
            && let Some(previous) = &last
        {
            let hint = if slot.detect_reset(previous) {
                CounterResetHint::Reset
            } else {
                CounterResetHint::NotReset
            };
            Arc::make_mut(slot).counter_reset_hint = hint;
        }
        last = Some(slot.clone());
    }
}

/// What an instant selector puts into its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The sample.
    Value,
    /// The sample's time in seconds (`timestamp(x)`).
    Time,
    /// The sample's time in milliseconds (for `info`).
    TimeMs,
    /// Since when its counter counts, in seconds (`start_timestamp(x)`).
    StartTime,
}

/// An instant selector: at each step the newest sample that is not older than the lookback.
pub(crate) struct Instant<'q> {
    pub(crate) feed: Feed,
    pub(crate) steps: Steps,
    pub(crate) offset_ms: i64,
    /// The time of `@`.
    pub(crate) fixed_ms: Option<i64>,
    pub(crate) lookback_ms: i64,
    pub(crate) pick: Pick,
    pub(crate) detect_resets: bool,
    /// Whether the name goes: with `timestamp`.
    pub(crate) drop_name: bool,
    pub(crate) budget: &'q Arc<Budget>,
}

impl Instant<'_> {
    /// Whether nothing but the samples' values is asked for, at times that go on.
    fn is_plain(&self) -> bool {
        self.pick == Pick::Value && self.fixed_ms.is_none() && !self.budget.counts_steps()
    }

    /// The values of a series of floats, by a way that leaves out what such a series does not need.
    /// Gives how many there are.
    fn fill_floats(&self, times: &[i64], values: &[f64], out: &mut [f64]) -> u64 {
        let (mut next, mut filled) = (0, 0);
        // The newest sample at the step before, which mostly is not far.
        let mut newest = (i64::MIN, ABSENT);
        let mut at_ms = self.steps.start_ms.saturating_sub(self.offset_ms);
        for slot in out {
            while let Some(&time_ms) = times.get(next).filter(|time_ms| **time_ms <= at_ms) {
                newest = (time_ms, values.get(next).copied().unwrap_or(ABSENT));
                next += 1;
            }
            // A staleness marker is what an absent value is.
            if newest.0 > at_ms.saturating_sub(self.lookback_ms) {
                *slot = newest.1;
                filled += u64::from(!is_stale_nan(newest.1));
            }
            at_ms = at_ms.saturating_add(self.steps.step_ms);
        }
        filled
    }
}

impl Rows for Instant<'_> {
    fn len(&self) -> usize {
        self.feed.len()
    }

    fn labels(&self, at: usize) -> SetId {
        self.feed.labels(at)
    }

    fn drop_name(&self, at: usize) -> bool {
        self.drop_name || self.feed.drop_name(at)
    }

    fn fill(
        &self,
        at: usize,
        labels: &LabelTable,
        scratch: &mut Scratch,
        cells: &mut Cells,
        _: &mut Notes,
    ) -> Result<(), QueryError> {
        cells.reset(self.steps.count);
        self.feed.read(at, &mut scratch.samples, &mut scratch.tally, self.budget)?;
        if self.detect_resets {
            detect_resets(&mut scratch.samples);
        }
        let samples = &scratch.samples;
        let times = &samples.timestamps_ms;
        if self.is_plain() && samples.histograms.is_empty() {
            scratch.tally.looked_at += self.fill_floats(times, &samples.values, &mut cells.values);
            return Ok(());
        }
        let mut next = 0;
        let mut looked_at = 0;
        for step in 0..self.steps.count {
            let time =
                self.fixed_ms.unwrap_or_else(|| self.steps.time_ms(step)).saturating_sub(self.offset_ms);
            while times.get(next).is_some_and(|t| *t <= time) {
                next += 1;
            }
            let Some(found) = next.checked_sub(1) else { continue };
            if times[found] <= time.saturating_sub(self.lookback_ms) || is_stale_nan(samples.values[found]) {
                continue;
            }
            let histogram = samples.histogram(found);
            if histogram.is_some_and(|h| is_stale_nan(h.sum)) {
                continue;
            }
            looked_at += 1;
            if self.budget.counts_steps() {
                self.budget.count_at(self.steps.time_ms(step), 1, 1);
            }
            match (self.pick, histogram) {
                (Pick::Value, Some(histogram)) => cells.set_histogram(step, histogram.clone()),
                (Pick::Value, None) => cells.values[step] = samples.values[found],
                (Pick::Time, _) => cells.values[step] = times[found] as f64 / 1000.0,
                (Pick::TimeMs, None) => cells.values[step] = times[found] as f64,
                (Pick::TimeMs, Some(_)) => {
                    return Err(QueryError::Execution(format!(
                        "this should be an info metric, with float samples: {}",
                        labels.labels(self.labels(at))
                    )));
                }
                (Pick::StartTime, _) => cells.values[step] = samples.start_ms(found) as f64 / 1000.0,
            }
        }
        scratch.tally.looked_at += looked_at;
        Ok(())
    }

    fn cost(&self) -> u64 {
        self.feed.cost()
    }
}
