//! The `_over_time` family, `changes` and `resets`.

use std::collections::VecDeque;
use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram, HistogramSum, IncompatibleSchemas};

use super::super::value::Cell;
use super::super::window::{Plan, Remarks, Window, Windows, advance};
use super::math::kahan_add;
use super::quantile::quantile_of;
use super::rate::starts_anew;

/// How many samples there are.
pub(crate) fn count(window: &Window<'_>, _: &mut Remarks) -> Cell {
    Cell::Float((window.t.len() + window.ht.len()) as f64)
}

/// 1 if there is a sample.
pub(crate) fn present(_: &Window<'_>, _: &mut Remarks) -> Cell {
    Cell::Float(1.0)
}

/// The sum, compensated.
pub(crate) fn sum(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if window.is_mixed() {
        remarks.mixed_floats_histograms = true;
        return Cell::Absent;
    }
    if !window.h.is_empty() {
        return histograms(window.h, remarks, |histograms, remarks| {
            let mut sum = HistogramSum::from(&*histograms[0]);
            for histogram in &histograms[1..] {
                remarks.reconciled_agg |= sum.add(histogram)?.bounds_reconciled;
            }
            Ok(sum.total())
        });
    }
    let (mut sum, mut lost) = (0.0, 0.0);
    for value in window.v {
        (sum, lost) = kahan_add(*value, sum, lost);
    }
    Cell::Float(if f64::is_infinite(sum) { sum } else { sum + lost })
}

/// The mean: a compensated sum, or an incremental mean once the sum would overflow.
pub(crate) fn avg(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if window.is_mixed() {
        remarks.mixed_floats_histograms = true;
        return Cell::Absent;
    }
    if !window.h.is_empty() {
        return histograms(window.h, remarks, |histograms, remarks| {
            let mut mean = HistogramMean::new(&histograms[0]);
            for histogram in &histograms[1..] {
                remarks.reconciled_agg |= mean.add(histogram)?;
            }
            Ok(mean.mean())
        });
    }
    let mut mean = Mean::new(window.v[0]);
    for value in &window.v[1..] {
        mean.add(*value);
    }
    Cell::Float(mean.mean())
}

/// A running mean of floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mean {
    /// The sum; the mean once the sum would have overflowed.
    value: f64,
    lost: f64,
    pub(crate) count: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn new(first: f64) -> Self {
        Mean { value: first, lost: 0.0, count: 1.0, incremental: false }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, lost) = kahan_add(value, self.value, self.lost);
            if !sum.is_infinite() {
                (self.value, self.lost) = (sum, lost);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.lost /= self.count - 1.0;
        }
        let keep = (self.count - 1.0) / self.count;
        (self.value, self.lost) = kahan_add(value / self.count, keep * self.value, keep * self.lost);
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.incremental {
            self.value + self.lost
        } else {
            self.value / self.count + self.lost / self.count
        }
    }
}

/// A running mean of histograms.
#[derive(Clone, Debug)]
pub(crate) struct HistogramMean {
    sum: HistogramSum,
    count: f64,
    incremental: bool,
}

impl HistogramMean {
    pub(crate) fn new(first: &FloatHistogram) -> Self {
        HistogramMean { sum: HistogramSum::from(first), count: 1.0, incremental: false }
    }

    /// Adds one; true if custom bounds had to be reconciled.
    pub(crate) fn add(&mut self, histogram: &FloatHistogram) -> Result<bool, IncompatibleSchemas> {
        self.count += 1.0;
        if !self.incremental {
            let mut sum = self.sum.clone();
            let combined = sum.add(histogram)?;
            if !sum.has_overflow() {
                self.sum = sum;
                return Ok(combined.bounds_reconciled);
            }
            self.incremental = true;
            self.sum.scale(1.0 / (self.count - 1.0));
        }
        self.sum.scale((self.count - 1.0) / self.count);
        let mut part = histogram.clone();
        part.divide(self.count);
        Ok(self.sum.add(&part)?.bounds_reconciled)
    }

    pub(crate) fn mean(&self) -> FloatHistogram {
        let mut mean = self.sum.total();
        if !self.incremental {
            mean.divide(self.count);
        }
        mean
    }
}

/// Runs `combine` over histograms and remarks on contradicting hints.
fn histograms(
    list: &[Arc<FloatHistogram>],
    remarks: &mut Remarks,
    combine: impl Fn(&[Arc<FloatHistogram>], &mut Remarks) -> Result<FloatHistogram, IncompatibleSchemas>,
) -> Cell {
    let mut own = Remarks::default();
    match combine(list, &mut own) {
        Ok(result) => {
            let has = |hint| list.iter().any(|h| h.counter_reset_hint == hint);
            remarks.reset_collision |= has(CounterResetHint::Reset) && has(CounterResetHint::NotReset);
            remarks.reconciled_agg |= own.reconciled_agg;
            result.into()
        }
        Err(IncompatibleSchemas) => {
            remarks.mixed_exponential_custom = true;
            Cell::Absent
        }
    }
}

/// The floats of a window that may hold histograms too, which are remarked on.
fn floats_only<'a>(window: &Window<'a>, remarks: &mut Remarks) -> Option<&'a [f64]> {
    if window.v.is_empty() {
        return None;
    }
    remarks.ignored_histograms |= !window.ht.is_empty();
    Some(window.v)
}

/// The position of the float that `better` prefers to all before it.
fn best(window: &Window<'_>, remarks: &mut Remarks, better: impl Fn(f64, f64) -> bool) -> Option<usize> {
    let floats = floats_only(window, remarks)?;
    let mut best = 0;
    for (at, value) in floats.iter().enumerate().skip(1) {
        if better(*value, floats[best]) || floats[best].is_nan() {
            best = at;
        }
    }
    Some(best)
}

/// The largest float.
pub(crate) fn max(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    best(window, remarks, |value, best| value > best).map_or(Cell::Absent, |at| Cell::Float(window.v[at]))
}

/// The smallest float.
pub(crate) fn min(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    best(window, remarks, |value, best| value < best).map_or(Cell::Absent, |at| Cell::Float(window.v[at]))
}

/// `max_over_time` of a whole row of floats.
pub(crate) fn max_row(t: &[i64], v: &[f64], windows: &Windows, _: &mut Plan, out: &mut [f64]) -> u64 {
    extreme_row(t, v, windows, out, |new, old| new > old)
}

/// `min_over_time` of a whole row of floats.
pub(crate) fn min_row(t: &[i64], v: &[f64], windows: &Windows, _: &mut Plan, out: &mut [f64]) -> u64 {
    extreme_row(t, v, windows, out, |new, old| new < old)
}

/// Looks at each sample twice, however much windows overlap: those that a later and better one makes
/// useless leave the queue.
fn extreme_row(
    t: &[i64],
    v: &[f64],
    windows: &Windows,
    out: &mut [f64],
    replaces: impl Fn(f64, f64) -> bool,
) -> u64 {
    // Positions of samples that may still be the best, the best first. NaN never enters.
    let mut queue: VecDeque<usize> = VecDeque::new();
    let (mut first, mut end, mut seen, mut looked_at) = (0, 0, 0, 0);
    for (step, out) in out.iter_mut().enumerate() {
        let (start_ms, end_ms) = windows.bounds_ms(step);
        advance(t, start_ms, &mut first);
        advance(t, end_ms, &mut end);
        if first >= end {
            continue;
        }
        looked_at += (end - first) as u64;
        for at in seen.max(first)..end {
            if v[at].is_nan() {
                continue;
            }
            while queue.back().is_some_and(|back| replaces(v[at], v[*back])) {
                queue.pop_back();
            }
            queue.push_back(at);
        }
        seen = end;
        while queue.front().is_some_and(|front| *front < first) {
            queue.pop_front();
        }
        *out = queue.front().map_or(f64::NAN, |front| v[*front]);
    }
    looked_at
}

fn seconds(time_ms: i64) -> Cell {
    Cell::Float(time_ms as f64 / 1000.0)
}

/// The time of the last largest float.
pub(crate) fn ts_of_max(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    best(window, remarks, |value, best| value >= best).map_or(Cell::Absent, |at| seconds(window.t[at]))
}

/// The time of the last smallest float.
pub(crate) fn ts_of_min(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    best(window, remarks, |value, best| value <= best).map_or(Cell::Absent, |at| seconds(window.t[at]))
}

/// The first sample's time.
pub(crate) fn ts_of_first(window: &Window<'_>, _: &mut Remarks) -> Cell {
    window.t.first().into_iter().chain(window.ht.first()).min().map_or(Cell::Absent, |t| seconds(*t))
}

/// The last sample's time.
pub(crate) fn ts_of_last(window: &Window<'_>, _: &mut Remarks) -> Cell {
    window.t.last().into_iter().chain(window.ht.last()).max().map_or(Cell::Absent, |t| seconds(*t))
}

/// The first sample.
pub(crate) fn first(window: &Window<'_>, _: &mut Remarks) -> Cell {
    match (window.t.first(), window.ht.first()) {
        (Some(t), Some(ht)) if ht <= t => Cell::Histogram(window.h[0].clone()),
        (Some(_), _) => Cell::Float(window.v[0]),
        (None, Some(_)) => Cell::Histogram(window.h[0].clone()),
        (None, None) => Cell::Absent,
    }
}

/// The last sample.
pub(crate) fn last(window: &Window<'_>, _: &mut Remarks) -> Cell {
    let float = window.t.last().zip(window.v.last());
    let histogram = window.ht.last().zip(window.h.last());
    match (float, histogram) {
        (Some((t, _)), Some((ht, h))) if ht >= t => Cell::Histogram(h.clone()),
        (Some((_, v)), _) => Cell::Float(*v),
        (None, Some((_, h))) => Cell::Histogram(h.clone()),
        (None, None) => Cell::Absent,
    }
}

fn variance_of(floats: &[f64]) -> f64 {
    let (mut count, mut mean, mut lost_mean, mut squares, mut lost_squares) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in floats {
        count += 1.0;
        let delta = value - (mean + lost_mean);
        (mean, lost_mean) = kahan_add(delta / count, mean, lost_mean);
        (squares, lost_squares) = kahan_add(delta * (value - (mean + lost_mean)), squares, lost_squares);
    }
    (squares + lost_squares) / count
}

/// The population variance.
pub(crate) fn stdvar(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    floats_only(window, remarks).map_or(Cell::Absent, |floats| Cell::Float(variance_of(floats)))
}

/// The population standard deviation.
pub(crate) fn stddev(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    floats_only(window, remarks).map_or(Cell::Absent, |floats| Cell::Float(variance_of(floats).sqrt()))
}

/// The median distance from the median.
pub(crate) fn mad(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    let Some(floats) = floats_only(window, remarks) else { return Cell::Absent };
    if floats.iter().any(|value| value.is_nan()) {
        return Cell::Float(f64::NAN);
    }
    let mut values = floats.to_vec();
    let median = quantile_of(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    Cell::Float(quantile_of(0.5, &mut values))
}

/// A quantile of the floats.
pub(crate) fn quantile(q: f64, window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    let Some(floats) = floats_only(window, remarks) else { return Cell::Absent };
    if !(0.0..=1.0).contains(&q) {
        remarks.odd_quantile = Some(q);
    }
    Cell::Float(quantile_of(q, &mut floats.to_vec()))
}

/// A sample of either kind, in a walk over a window.
enum Sample<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// Walks over floats and histograms in time order and counts where `differs` between neighbours. If
/// `anchored`, the walk starts at the last sample at or before the window's start.
fn count_steps(
    window: &Window<'_>,
    anchored: bool,
    differs: impl Fn(&Sample<'_>, &Sample<'_>, [i64; 4]) -> bool,
) -> Cell {
    let (mut f, mut h) = (0, 0);
    if anchored {
        let (floats, histograms) = (
            window.t.partition_point(|t| *t <= window.start_ms),
            window.ht.partition_point(|t| *t <= window.start_ms),
        );
        if floats == window.t.len() && histograms == window.ht.len() {
            return Cell::Absent;
        }
        let newest_float = floats.checked_sub(1).map(|at| window.t[at]);
        let newest_histogram = histograms.checked_sub(1).map(|at| window.ht[at]);
        (f, h) = match (newest_float, newest_histogram) {
            (None, None) => (0, 0),
            (Some(float), histogram) if histogram.is_none_or(|h| float >= h) => (floats - 1, histograms),
            _ => (floats, histograms.saturating_sub(1)),
        };
    }
    let mut found = 0u64;
    let mut previous: Option<(Sample<'_>, i64, i64)> = None;
    while f < window.t.len() || h < window.ht.len() {
        let float_first = match (window.t.get(f), window.ht.get(h)) {
            (Some(t), Some(ht)) => t < ht,
            (float, _) => float.is_some(),
        };
        let current = if float_first {
            f += 1;
            (Sample::Float(window.v[f - 1]), window.t[f - 1], window.st.get(f - 1).copied().unwrap_or(0))
        } else {
            h += 1;
            (
                Sample::Histogram(&window.h[h - 1]),
                window.ht[h - 1],
                window.hst.get(h - 1).copied().unwrap_or(0),
            )
        };
        if let Some((sample, time, start)) = &previous {
            found += u64::from(differs(sample, &current.0, [*start, *time, current.2, current.1]));
        }
        previous = Some(current);
    }
    match previous {
        Some(_) => Cell::Float(found as f64),
        None => Cell::Absent,
    }
}

/// How often the value changed.
pub(crate) fn changes(anchored: bool, window: &Window<'_>, _: &mut Remarks) -> Cell {
    count_steps(window, anchored, |a, b, _| match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => a != b && !(a.is_nan() && b.is_nan()),
        (Sample::Histogram(a), Sample::Histogram(b)) => !b.same_distribution(a),
        _ => true,
    })
}

/// How often a counter was reset.
pub(crate) fn resets(anchored: bool, window: &Window<'_>, _: &mut Remarks) -> Cell {
    count_steps(window, anchored, |a, b, [a_start, a_time, b_start, b_time]| match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => b < a || starts_anew(a_start, a_time, b_start, b_time),
        (Sample::Histogram(a), Sample::Histogram(b)) => {
            starts_anew(a_start, a_time, b_start, b_time) || b.detect_reset(a)
        }
        _ => true,
    })
}
