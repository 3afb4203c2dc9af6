//! Selectors: the series they find, the times they look at, and their samples.

use std::sync::Arc;

use model::histogram::CounterResetHint;
use model::matcher::Matcher;
use model::storage::{Select, Selection, StorageError, TimeRange, Want};

use super::budget::Tally;
use super::engine::{Env, Evaluator, Selected};
use super::functions::extended::{interpolate, interpolate_histogram};
use super::leaf::{Feed, Instant, Pick};
use super::rows::Rows;
use super::value::Cell;
use super::window::{Remarks, WindowRows, Windows};
use super::{MatrixSeries, QueryError, SampleValue};
use crate::ast::{Extension, MatrixSelector, VectorSelector};

impl<'q> Evaluator<'q> {
    /// The series that match, looked up once for equal matchers and times.
    pub(crate) fn select(
        &mut self,
        range: TimeRange,
        matchers: &[Matcher],
        want: Want,
    ) -> Result<Arc<Selection>, QueryError> {
        let same = |known: &&Selected| {
            known.range == range
                && known.matchers == matchers
                && (known.want == want || known.want == Want::Samples)
        };
        if let Some(known) = self.selections.iter().find(same) {
            return Ok(known.selection.clone());
        }
        let request = Select { range, matchers, want, meter: self.budget.as_ref() };
        let selected = self.reader.select(&request, &mut self.labels);
        let selection = Arc::new(selected.map_err(|error| match error {
            StorageError::Refused => self.budget.refusal(),
            error => error.into(),
        })?);
        self.budget.count_series(selection.len() as u64);
        let matchers = matchers.to_vec();
        self.selections.push(Selected { range, matchers, want, selection: selection.clone() });
        Ok(selection)
    }

    /// The times that an instant selector looks at.
    pub(crate) fn lookback_range(&self, env: Env, fixed_ms: Option<i64>, offset_ms: i64) -> TimeRange {
        let first = fixed_ms.unwrap_or(env.steps.start_ms).saturating_sub(offset_ms);
        let last = fixed_ms.unwrap_or(env.steps.end_ms()).saturating_sub(offset_ms);
        TimeRange { start_ms: first.saturating_sub(self.lookback_ms).saturating_add(1), end_ms: last }
    }

    /// An instant selector.
    pub(crate) fn instant_selector(
        &mut self,
        selector: &VectorSelector,
        env: Env,
        pick: Pick,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let offset_ms = self.times.offset_ms(selector.offset.as_ref())?;
        let fixed_ms = selector.at.map(|at| self.times.at_ms(at));
        if selector.extension == Extension::Smoothed && pick == Pick::Value {
            return self.smoothed_selector(selector, env, offset_ms, fixed_ms);
        }
        let range = self.lookback_range(env, fixed_ms, offset_ms);
        let is_once = env.steps.count == 1 || fixed_ms.is_some();
        let want = if is_once && !env.detect_resets { Want::Newest } else { Want::Samples };
        Ok(Box::new(Instant {
            feed: Feed::Store(self.select(range, &selector.matchers, want)?),
            steps: env.steps,
            offset_ms,
            fixed_ms,
            lookback_ms: self.lookback_ms,
            pick,
            detect_resets: env.detect_resets,
            drop_name: pick != Pick::Value && pick != Pick::TimeMs,
            budget: self.budget,
        }))
    }

    /// `x smoothed`: interpolates between the samples around each step.
    fn smoothed_selector(
        &mut self,
        selector: &VectorSelector,
        env: Env,
        offset_ms: i64,
        fixed_ms: Option<i64>,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let windows = Windows {
            steps: env.steps,
            range_ms: self.lookback_ms,
            offset_ms,
            fixed_ms,
            before_ms: 0,
            after_ms: self.lookback_ms,
        };
        let series = self.select(window_range(&windows), &selector.matchers, Want::Samples)?;
        let function = |window: &super::window::Window<'_>, _: usize, remarks: &mut Remarks| {
            let now = window.end_ms;
            if window.is_mixed() {
                remarks.mixed_floats_histograms = true;
                return Cell::Absent;
            }
            let times = if window.ht.is_empty() { window.t } else { window.ht };
            let next = times.partition_point(|t| *t < now);
            let has_next = next < times.len();
            if has_next && times[next] == now {
                return match window.h.get(next) {
                    Some(histogram) => Cell::Histogram(histogram.clone()),
                    None => Cell::Float(window.v[next]),
                };
            }
            let Some(before) = next.checked_sub(1) else { return Cell::Absent };
            if window.ht.is_empty() {
                let (t, v) = (window.t, window.v);
                return Cell::Float(match has_next {
                    true => interpolate((t[before], v[before]), (t[next], v[next]), now, false),
                    false => v[before],
                });
            }
            let h = window.h;
            if !has_next {
                let mut last = (*h[before]).clone();
                last.counter_reset_hint = CounterResetHint::Unknown;
                return last.into();
            }
            let is_counter =
                [before, next].iter().any(|at| h[*at].counter_reset_hint != CounterResetHint::Gauge);
            if h[before].uses_custom_buckets() != h[next].uses_custom_buckets() {
                remarks.mixed_exponential_custom = true;
                return Cell::Absent;
            }
            let (a, b) = ((times[before], &h[before]), (times[next], &h[next]));
            match interpolate_histogram(a, b, now, is_counter, remarks) {
                Ok(histogram) => histogram.into(),
                Err(_) => {
                    remarks.mixed_exponential_custom = true;
                    Cell::Absent
                }
            }
        };
        Ok(Box::new(WindowRows {
            feed: Feed::Store(series),
            labels: None,
            windows,
            with_start: false,
            detect_resets: env.detect_resets,
            drop_name: false,
            span: selector.span,
            wants_counter: None,
            budget: self.budget,
            function,
            whole_row: None,
        }))
    }

    /// The samples of a range selector that is the whole query.
    pub(super) fn raw_range(
        &mut self,
        selector: &MatrixSelector,
        env: Env,
    ) -> Result<Vec<MatrixSeries>, QueryError> {
        let windows = self.windows(selector, env)?;
        let series = self.select(window_range(&windows), &selector.selector.matchers, Want::Samples)?;
        let (start_ms, end_ms) = windows.bounds_ms(0);
        let from_ms = start_ms.saturating_sub(windows.before_ms);
        let to_ms = end_ms.saturating_add(windows.after_ms);
        let mut samples = model::sample::Samples::default();
        let mut split = super::leaf::Split::default();
        let mut out = Vec::new();
        let mut charges = Vec::new();
        let feed = Feed::Store(series);
        for at in 0..feed.len() {
            self.budget.check()?;
            let mut tally = Tally::default();
            feed.read(at, &mut samples, &mut tally, self.budget)?;
            self.budget.settle(&mut tally);
            drop(tally);
            split.load(&mut samples, false);
            let inside = |t: &&i64| **t > from_ms && **t <= to_ms;
            let mut points: Vec<(i64, SampleValue)> = split
                .t
                .iter()
                .zip(&split.v)
                .filter(|(t, _)| inside(t))
                .map(|(t, v)| (*t, SampleValue::Float(*v)))
                .collect();
            let floats = points.len();
            points.extend(
                split
                    .ht
                    .iter()
                    .zip(&split.h)
                    .filter(|(t, _)| inside(t))
                    .map(|(t, h)| (*t, SampleValue::Histogram(h.clone()))),
            );
            let extension = selector.selector.extension;
            if extension != Extension::None {
                if points.len() > floats {
                    let name = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
                    return Err(QueryError::Execution(format!(
                        "{name} modifier is not supported with histograms"
                    )));
                }
                points = extend(&points, start_ms, end_ms, extension == Extension::Smoothed);
            }
            points.sort_by_key(|(time, _)| *time);
            self.budget.count_looked_at(points.len() as u64);
            let weight = |(_, value): &(i64, SampleValue)| match value {
                SampleValue::Float(_) => 1,
                SampleValue::Histogram(histogram) => histogram.sample_weight() as u64,
            };
            let bytes = points.len() as u64 * size_of::<(i64, SampleValue)>() as u64;
            charges.push(self.budget.charge(points.iter().map(weight).sum(), bytes)?);
            if !points.is_empty() {
                let labels = self.labels.labels(feed.labels(at));
                out.push(MatrixSeries { labels, points: points.into() });
            }
        }
        Ok(out)
    }

    /// The windows of a range selector.
    pub(crate) fn windows(&self, selector: &MatrixSelector, env: Env) -> Result<Windows, QueryError> {
        let inner = &selector.selector;
        let (before_ms, after_ms) = match inner.extension {
            Extension::None => (0, 0),
            Extension::Anchored => (self.lookback_ms, 0),
            Extension::Smoothed => (self.lookback_ms, self.lookback_ms),
        };
        Ok(Windows {
            steps: env.steps,
            range_ms: self.times.positive_ms(&selector.range)?,
            offset_ms: self.times.offset_ms(inner.offset.as_ref())?,
            fixed_ms: inner.at.map(|at| self.times.at_ms(at)),
            before_ms,
            after_ms,
        })
    }
}

/// The times that windows look at.
pub(crate) fn window_range(windows: &Windows) -> TimeRange {
    let (first, _) = windows.bounds_ms(0);
    let (_, last) = windows.bounds_ms(windows.steps.count.saturating_sub(1));
    TimeRange {
        start_ms: first.saturating_sub(windows.before_ms).saturating_add(1),
        end_ms: last.saturating_add(windows.after_ms),
    }
}

/// The floats of an `anchored` or `smoothed` range with values put at its bounds.
fn extend(
    points: &[(i64, SampleValue)],
    start_ms: i64,
    end_ms: i64,
    smoothed: bool,
) -> Vec<(i64, SampleValue)> {
    let floats: Vec<(i64, f64)> = points
        .iter()
        .filter_map(|(t, value)| match value {
            SampleValue::Float(v) => Some((*t, *v)),
            SampleValue::Histogram(_) => None,
        })
        .collect();
    let Some(mut last) = floats.len().checked_sub(1) else { return Vec::new() };
    let first = floats[..last].partition_point(|(t, _)| *t <= start_ms).saturating_sub(1);
    if smoothed {
        last = floats[..last].partition_point(|(t, _)| *t < end_ms);
    }
    if floats[last].0 <= start_ms {
        return Vec::new();
    }
    let left = match smoothed && floats[first].0 < start_ms {
        true => interpolate(floats[first], floats[first + 1], start_ms, false),
        false => floats[first].1,
    };
    let right = match smoothed && last > 0 && floats[last].0 > end_ms {
        true => interpolate(floats[last - 1], floats[last], end_ms, false),
        false => floats[last].1,
    };
    let inner = floats.iter().filter(|(t, _)| *t > start_ms && *t < end_ms);
    std::iter::once((start_ms, left))
        .chain(inner.copied())
        .chain(std::iter::once((end_ms, right)))
        .map(|(t, v)| (t, SampleValue::Float(v)))
        .collect()
}
