//! `rate`, `increase`, `delta` over `anchored` and `smoothed` ranges, and interpolation.

use std::sync::Arc;

use model::histogram::{Combined, CounterResetHint, FloatHistogram, IncompatibleSchemas};

use super::super::value::Cell;
use super::super::window::{Remarks, Window};
use super::rate::Kind;

/// The increase over exactly the window: from the last sample at or before its start (`anchored`) or
/// the value interpolated there (`smoothed`), to the last sample or the value interpolated at the end.
pub(crate) fn increase(kind: Kind, smoothed: bool, window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if window.is_mixed() {
        remarks.mixed_floats_histograms = true;
        return Cell::Absent;
    }
    if window.ht.is_empty() {
        return floats(kind, smoothed, window).map_or(Cell::Absent, Cell::Float);
    }
    match histograms(kind, smoothed, window, remarks) {
        Ok(Some(mut result)) => {
            if kind.is_rate {
                result.divide(window.range_seconds());
            }
            result.counter_reset_hint = CounterResetHint::Gauge;
            result.compact();
            result.into()
        }
        Ok(None) => Cell::Absent,
        Err(IncompatibleSchemas) => {
            remarks.mixed_exponential_custom = true;
            Cell::Absent
        }
    }
}

/// The samples that bound a window: the last at or before the start, and the first at or after the
/// end (`smoothed`) or the last of all.
fn bounding(times: &[i64], smoothed: bool, window: &Window<'_>) -> Option<(usize, usize)> {
    let mut last = times.len().checked_sub(1)?;
    let first = times[..last].partition_point(|t| *t <= window.start_ms).saturating_sub(1);
    if smoothed {
        last = times[..last].partition_point(|t| *t < window.end_ms);
    }
    let is_outside = times[last] <= window.start_ms || (smoothed && times[first] > window.end_ms);
    (!is_outside).then_some((first, last))
}

/// The value between two samples. After a reset a counter rises from zero.
pub(crate) fn interpolate(a: (i64, f64), b: (i64, f64), time: i64, is_counter: bool) -> f64 {
    let from = if is_counter && b.1 < a.1 { 0.0 } else { a.1 };
    from + (b.1 - from) * (time - a.0) as f64 / (b.0 - a.0) as f64
}

fn floats(kind: Kind, smoothed: bool, window: &Window<'_>) -> Option<f64> {
    let (t, v) = (window.t, window.v);
    let (mut first, mut last) = bounding(t, smoothed, window)?;
    let sample = |at: usize| (t[at], v[at]);
    let left = if smoothed && t[first] < window.start_ms {
        interpolate(sample(first), sample(first + 1), window.start_ms, kind.is_counter)
    } else {
        v[first]
    };
    let right = if smoothed && last > 0 && t[last] > window.end_ms {
        interpolate(sample(last - 1), sample(last), window.end_ms, kind.is_counter)
    } else {
        v[last]
    };
    let mut result = right - left;
    if kind.is_counter {
        // Resets at the bounds are in `left` and `right` already.
        if t[first] <= window.start_ms {
            first += 1;
        }
        let end = if t[last] >= window.end_ms { last } else { last + 1 };
        let mut previous = left;
        for value in v.get(first..end).unwrap_or(&[]) {
            if *value < previous {
                result += previous;
            }
            previous = *value;
        }
        if right < previous {
            result += previous;
        }
        last = end;
    }
    let _ = last;
    Some(if kind.is_rate { result / window.range_seconds() } else { result })
}

/// The histogram between two. After a reset a counter rises from zero.
pub(crate) fn interpolate_histogram(
    a: (i64, &Arc<FloatHistogram>),
    b: (i64, &Arc<FloatHistogram>),
    time: i64,
    is_counter: bool,
    remarks: &mut Remarks,
) -> Result<FloatHistogram, IncompatibleSchemas> {
    if time == a.0 {
        return Ok((**a.1).clone());
    }
    let mut result = (**b.1).clone();
    if time == b.0 {
        return Ok(result);
    }
    let fraction = (time - a.0) as f64 / (b.0 - a.0) as f64;
    if is_counter && b.1.detect_reset(a.1) {
        result.scale(fraction);
        return Ok(result);
    }
    remarks.reconciled_sub |= result.sub(a.1)?.bounds_reconciled;
    result.scale(fraction);
    remarks.reconciled_add |= result.add(a.1)?.bounds_reconciled;
    Ok(result)
}

fn histograms(
    kind: Kind,
    smoothed: bool,
    window: &Window<'_>,
    remarks: &mut Remarks,
) -> Result<Option<FloatHistogram>, IncompatibleSchemas> {
    let (t, h) = (window.ht, window.h);
    let Some((first, last)) = bounding(t, smoothed, window) else { return Ok(None) };
    let used = &h[first..=last];
    if used.iter().any(|p| p.uses_custom_buckets() != used[0].uses_custom_buckets()) {
        return Err(IncompatibleSchemas);
    }
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    remarks.not_counter |= kind.is_counter && used.iter().any(|h| is_gauge(h));

    let sample = |at: usize| (t[at], &h[at]);
    let left_between = smoothed && t[first] < window.start_ms;
    let left = if left_between {
        interpolate_histogram(sample(first), sample(first + 1), window.start_ms, kind.is_counter, remarks)?
    } else {
        (*h[first]).clone()
    };
    let right = if smoothed && last > 0 && t[last] > window.end_ms {
        interpolate_histogram(sample(last - 1), sample(last), window.end_ms, kind.is_counter, remarks)?
    } else {
        (*h[last]).clone()
    };
    let are_gauges = is_gauge(&left) && is_gauge(&right);
    remarks.not_gauge |= !kind.is_counter && !are_gauges;

    let mut result = right.clone();
    remarks.reconciled_sub |= result.sub(&left)?.bounds_reconciled;
    if !kind.is_counter {
        return Ok(Some(result));
    }
    // What was counted before each reset between the bounds.
    let mut from = first + 1;
    let mut previous: &FloatHistogram = &left;
    if left_between && h[first + 1].detect_reset(&h[first]) {
        // This reset is in `left` already.
        previous = &h[first + 1];
        from += 1;
    }
    // `right` stands for the last sample and has its hint.
    if from > last {
        return Ok(Some(result));
    }
    let mut lost: Option<FloatHistogram> = None;
    let mut lose = |before: &FloatHistogram, remarks: &mut Remarks| -> Result<(), IncompatibleSchemas> {
        match &mut lost {
            None => lost = Some(before.clone()),
            Some(lost) => {
                let Combined { bounds_reconciled, .. } = lost.add(before)?;
                remarks.reconciled_add |= bounds_reconciled;
            }
        }
        Ok(())
    };
    for current in &h[from..last] {
        if current.detect_reset(previous) {
            lose(previous, remarks)?;
        }
        previous = current;
    }
    if right.detect_reset(previous) {
        lose(previous, remarks)?;
    }
    if let Some(lost) = lost {
        remarks.reconciled_add |= result.add(&lost)?.bounds_reconciled;
    }
    Ok(Some(result))
}
