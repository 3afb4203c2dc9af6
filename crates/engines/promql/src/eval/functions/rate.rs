//! `rate`, `increase`, `delta` with extrapolation; `irate`, `idelta`.

use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram};

use super::super::value::Cell;
use super::super::wide;
use super::super::window::{Plan, Remarks, Window, Windows, advance};

/// Which of the family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Falls are resets (`rate`, `increase`).
    pub(crate) is_counter: bool,
    /// Per second (`rate`).
    pub(crate) is_rate: bool,
}

/// Whether the counter of the current sample started after the previous sample. A start at the very
/// time of the previous sample means a delta, unless that one's own start is unknown or odd.
pub(crate) fn starts_anew(previous_start: i64, previous_time: i64, start: i64, time: i64) -> bool {
    if start == 0 || start >= time || start < previous_time {
        return false;
    }
    start > previous_time || (previous_start != 0 && previous_start < previous_time)
}

/// Whether the current sample claims to count since before the previous sample, but not since the
/// same time as that one.
fn overlaps(previous_start: i64, previous_time: i64, start: i64) -> bool {
    start != 0 && start < previous_time && start != previous_start
}

/// The increase over a window, extrapolated to its bounds.
pub(crate) fn extrapolated(kind: Kind, window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if window.is_mixed() {
        remarks.mixed_floats_histograms = true;
        return Cell::Absent;
    }
    let is_histogram = !window.ht.is_empty();
    let (times, starts) = if is_histogram { (window.ht, window.hst) } else { (window.t, window.st) };
    let (Some(&first_time), Some(&last_time)) = (times.first(), times.last()) else { return Cell::Absent };
    let intervals = times.len() - 1;

    let mut histogram = None;
    let mut increase = 0.0;
    if is_histogram {
        if intervals > 0 {
            match histogram_increase(kind, window, remarks) {
                Some(result) => histogram = Some(result),
                None => return Cell::Absent,
            }
        }
    } else {
        increase = window.v[intervals] - window.v[0];
        if kind.is_counter {
            let mut overlap_seen = false;
            for at in 1..window.v.len() {
                let mut reset = window.v[at] < window.v[at - 1];
                if let (Some(&before), Some(&start)) = (starts.get(at - 1), starts.get(at)) {
                    reset |= starts_anew(before, times[at - 1], start, times[at]);
                    overlap_seen |= overlaps(before, times[at - 1], start);
                }
                if reset {
                    increase += window.v[at - 1];
                }
            }
            remarks.start_overlaps += u64::from(overlap_seen);
        }
    }

    let mut to_start = (first_time - window.start_ms) as f64 / 1000.0;
    let mut to_end = (window.end_ms - last_time) as f64 / 1000.0;
    let mut sampled = (last_time - first_time) as f64 / 1000.0;
    let average_interval = if intervals > 0 { sampled / intervals as f64 } else { 0.0 };
    let threshold = average_interval * 1.1;

    let start = starts.first().copied().unwrap_or(0);
    if kind.is_counter && start != 0 && start > window.start_ms && start < first_time {
        // The counter stood at zero inside the window: nothing to extrapolate on this side.
        to_start = 0.0;
        sampled = (last_time - start) as f64 / 1000.0;
        if is_histogram {
            match &mut histogram {
                None => histogram = Some((*window.h[0]).clone()),
                Some(histogram) => match histogram.add(&window.h[0]) {
                    Ok(combined) => remarks.reconciled_add |= combined.bounds_reconciled,
                    Err(_) => {
                        remarks.mixed_exponential_custom = true;
                        return Cell::Absent;
                    }
                },
            }
        } else {
            increase += window.v[0];
        }
    } else if intervals == 0 {
        return Cell::Absent;
    } else {
        if to_start >= threshold {
            to_start = average_interval / 2.0;
        }
        if kind.is_counter {
            // A counter cannot have been below zero.
            let mut to_zero = to_start;
            match &histogram {
                None if increase > 0.0 && window.v[0] >= 0.0 => to_zero = sampled * (window.v[0] / increase),
                Some(histogram) if histogram.count > 0.0 && window.h[0].count >= 0.0 => {
                    to_zero = sampled * (window.h[0].count / histogram.count);
                }
                _ => {}
            }
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
    }
    if to_end >= threshold {
        to_end = average_interval / 2.0;
    }
    let mut factor = if sampled != 0.0 { (sampled + to_start + to_end) / sampled } else { 1.0 };
    if kind.is_rate {
        factor /= window.range_seconds();
    }
    match histogram {
        Some(mut histogram) => {
            histogram.scale(factor);
            histogram.into()
        }
        None => Cell::Float(increase * factor),
    }
}

/// The increase between the first and the last histogram of a window, of which there are two or more.
fn histogram_increase(kind: Kind, window: &Window<'_>, remarks: &mut Remarks) -> Option<FloatHistogram> {
    let (histograms, times, starts) = (window.h, window.ht, window.hst);
    let (first, last) = (histograms.first()?, histograms.last()?);
    let anew = |at: usize| match (starts.get(at - 1), starts.get(at)) {
        (Some(&before), Some(&start)) => starts_anew(before, times[at - 1], start, times[at]),
        _ => false,
    };
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    if kind.is_counter && histograms.iter().any(|h| is_gauge(h)) {
        remarks.not_counter = true;
    }
    // If the counter was reset right after the first, the first does not count, whatever its layout.
    let mut previous: Arc<FloatHistogram> = first.clone();
    if kind.is_counter && (anew(1) || histograms[1].detect_reset(first)) {
        previous = Arc::new(FloatHistogram {
            schema: histograms[1].schema,
            custom_values: histograms[1].custom_values.clone(),
            ..FloatHistogram::default()
        });
    }
    let custom = previous.uses_custom_buckets();
    let inner = &histograms[1..histograms.len() - 1];
    if last.uses_custom_buckets() != custom
        || (kind.is_counter && inner.iter().any(|h| h.uses_custom_buckets() != custom))
    {
        remarks.mixed_exponential_custom = true;
        return None;
    }
    let mut result = (**last).clone();
    match result.sub(&previous) {
        Ok(combined) => remarks.reconciled_sub |= combined.bounds_reconciled,
        Err(_) => {
            remarks.mixed_exponential_custom = true;
            return None;
        }
    }
    if kind.is_counter {
        let mut overlap_seen = false;
        for at in 1..histograms.len() {
            if let (Some(&before), Some(&start)) = (starts.get(at - 1), starts.get(at)) {
                overlap_seen |= overlaps(before, times[at - 1], start);
            }
            if anew(at) || histograms[at].detect_reset(&previous) {
                match result.add(&previous) {
                    Ok(combined) => remarks.reconciled_add |= combined.bounds_reconciled,
                    Err(_) => {
                        remarks.mixed_exponential_custom = true;
                        return None;
                    }
                }
            }
            previous = histograms[at].clone();
        }
        remarks.start_overlaps += u64::from(overlap_seen);
        if let Some(coarsest) = inner.iter().map(|h| h.schema).min() {
            result.reduce_resolution(coarsest);
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        remarks.not_gauge = true;
    }
    result.counter_reset_hint = CounterResetHint::Gauge;
    result.compact();
    Some(result)
}

/// The difference of the last two samples of a window.
pub(crate) fn instant(is_rate: bool, window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    /// A sample of either kind.
    #[derive(Clone, Copy)]
    struct Sample<'a> {
        time: i64,
        start: i64,
        float: f64,
        histogram: Option<&'a Arc<FloatHistogram>>,
    }
    let float = |at: usize| Sample {
        time: window.t[at],
        start: window.st.get(at).copied().unwrap_or(0),
        float: window.v[at],
        histogram: None,
    };
    let histogram = |at: usize| Sample {
        time: window.ht[at],
        start: window.hst.get(at).copied().unwrap_or(0),
        float: 0.0,
        histogram: Some(&window.h[at]),
    };
    let mut newest: Vec<Sample<'_>> = (window.t.len().saturating_sub(2)..window.t.len()).map(float).collect();
    newest.extend((window.ht.len().saturating_sub(2)..window.ht.len()).map(histogram));
    newest.sort_by_key(|sample| sample.time);
    let [.., before, last] = newest[..] else { return Cell::Absent };
    let interval = (last.time - before.time) as f64 / 1000.0;
    if interval == 0.0 {
        return Cell::Absent;
    }
    let anew = starts_anew(before.start, before.time, last.start, last.time);
    match (before.histogram, last.histogram) {
        (None, None) => {
            let reset = is_rate && (last.float < before.float || anew);
            let difference = if reset { last.float } else { last.float - before.float };
            Cell::Float(if is_rate { difference / interval } else { difference })
        }
        (Some(earlier), Some(later)) => {
            let gauges = [earlier, later].map(|h| h.counter_reset_hint == CounterResetHint::Gauge);
            remarks.not_counter |= is_rate && (gauges[0] || gauges[1]);
            let are_gauges = gauges[0] && gauges[1];
            remarks.not_gauge |= !is_rate && !are_gauges;
            let mut result = (**later).clone();
            if !is_rate || !(anew || later.detect_reset(earlier)) {
                match result.sub(earlier) {
                    Ok(combined) => remarks.reconciled_sub |= combined.bounds_reconciled,
                    Err(_) => {
                        remarks.mixed_exponential_custom = true;
                        return Cell::Absent;
                    }
                }
            }
            result.counter_reset_hint = CounterResetHint::Gauge;
            result.compact();
            if is_rate {
                result.divide(interval);
            }
            result.into()
        }
        _ => {
            remarks.mixed_floats_histograms = true;
            Cell::Absent
        }
    }
}

/// `rate` of a whole row of floats.
pub(crate) fn rate_row(t: &[i64], v: &[f64], windows: &Windows, plan: &mut Plan, out: &mut [f64]) -> u64 {
    whole_row(t, v, windows, plan, out, windows.range_ms as f64 / 1000.0)
}

/// `increase` of a whole row of floats.
pub(crate) fn increase_row(t: &[i64], v: &[f64], windows: &Windows, plan: &mut Plan, out: &mut [f64]) -> u64 {
    whole_row(t, v, windows, plan, out, 1.0)
}

/// The same numbers as [`extrapolated`] gives, bit for bit. What depends on times only is in the
/// plan, which series of one target share; resets are a sparse list, and their terms are added in
/// the order in which a scan of the window would meet them.
fn whole_row(t: &[i64], v: &[f64], windows: &Windows, plan: &mut Plan, out: &mut [f64], per: f64) -> u64 {
    if !plan.is_valid || plan.times_ms != t {
        make_plan(t, windows, plan, per);
    }
    if !wide::falls(v) {
        for (span, out) in plan.spans.iter().zip(out) {
            let (first, last) = (span.first as usize, span.last as usize);
            if last > first {
                *out = span.extrapolate(v[first], v[last] - v[first], per);
            }
        }
        return plan.looked_at;
    }
    let resets: Vec<usize> = (1..v.len()).filter(|at| v[*at] < v[*at - 1]).collect();
    let mut next_reset = 0;
    for (span, out) in plan.spans.iter().zip(out) {
        let (first, last) = (span.first as usize, span.last as usize);
        if last <= first {
            continue;
        }
        let mut increase = v[last] - v[first];
        while resets.get(next_reset).is_some_and(|at| *at <= first) {
            next_reset += 1;
        }
        for at in resets[next_reset..].iter().take_while(|at| **at <= last) {
            increase += v[at - 1];
        }
        *out = span.extrapolate(v[first], increase, per);
    }
    plan.looked_at
}

/// What a window over certain times makes of a counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WindowSpan {
    /// First and last sample; equal if there are fewer than two.
    first: u32,
    last: u32,
    /// Seconds to extrapolate at both ends, and between the samples.
    to_start: f64,
    to_end: f64,
    sampled: f64,
    /// What an increase is multiplied with, unless the counter would have been below zero.
    factor: f64,
}

impl WindowSpan {
    #[inline]
    fn extrapolate(&self, start_value: f64, increase: f64, per: f64) -> f64 {
        // Far from zero no division is needed. The margin makes sure that the exact test below would
        // not have said otherwise.
        let is_far = start_value * self.sampled > self.to_start * increase * (1.0 + 1e-9);
        if is_far || increase <= 0.0 {
            return increase * self.factor;
        }
        increase * self.factor_near_zero(start_value, increase, per)
    }

    #[cold]
    fn factor_near_zero(&self, start_value: f64, increase: f64, per: f64) -> f64 {
        let mut to_start = self.to_start;
        if increase > 0.0 && start_value >= 0.0 {
            let to_zero = self.sampled * (start_value / increase);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        factor(self.sampled, to_start, self.to_end, per)
    }
}

fn factor(sampled: f64, to_start: f64, to_end: f64, per: f64) -> f64 {
    let factor = if sampled != 0.0 { (sampled + to_start + to_end) / sampled } else { 1.0 };
    if per == 1.0 { factor } else { factor / per }
}

fn make_plan(t: &[i64], windows: &Windows, plan: &mut Plan, per: f64) {
    plan.times_ms.clear();
    plan.times_ms.extend_from_slice(t);
    plan.spans.clear();
    plan.looked_at = 0;
    plan.is_valid = true;
    let (mut first, mut end) = (0, 0);
    for step in 0..windows.steps.count {
        let (start_ms, end_ms) = windows.bounds_ms(step);
        advance(t, start_ms, &mut first);
        advance(t, end_ms, &mut end);
        plan.looked_at += end.saturating_sub(first) as u64;
        if end < first + 2 {
            plan.spans.push(WindowSpan::default());
            continue;
        }
        let sampled = (t[end - 1] - t[first]) as f64 / 1000.0;
        let average_interval = sampled / (end - 1 - first) as f64;
        let threshold = average_interval * 1.1;
        let within = |distance: f64| if distance >= threshold { average_interval / 2.0 } else { distance };
        let to_start = within((t[first] - start_ms) as f64 / 1000.0);
        let to_end = within((end_ms - t[end - 1]) as f64 / 1000.0);
        plan.spans.push(WindowSpan {
            first: first as u32,
            last: end as u32 - 1,
            to_start,
            to_end,
            sampled,
            factor: factor(sampled, to_start, to_end, per),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value::Steps;
    use super::*;

    #[test]
    fn a_whole_row_equals_its_windows_bit_for_bit() {
        let mut random = 7u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for round in 0..200 {
            let mut t = Vec::new();
            let mut v = Vec::new();
            let (mut time, mut value) = (next(60_000) as i64, next(3) as f64);
            for _ in 0..next(200) {
                t.push(time);
                v.push(value);
                time += 1 + next(if round % 2 == 0 { 15_000 } else { 200_000 }) as i64;
                value = if next(20) == 0 { next(5) as f64 } else { value + next(100) as f64 / 7.0 };
            }
            let steps = Steps { start_ms: 0, step_ms: 1 + next(90_000) as i64, count: 40 };
            let windows = Windows {
                steps,
                range_ms: 1 + next(600_000) as i64,
                offset_ms: 0,
                fixed_ms: None,
                before_ms: 0,
                after_ms: 0,
            };
            for is_rate in [true, false] {
                let mut row = vec![f64::NAN; steps.count];
                let function = if is_rate { rate_row } else { increase_row };
                function(&t, &v, &windows, &mut Plan::default(), &mut row);
                for (step, found) in row.iter().enumerate() {
                    let (start_ms, end_ms) = windows.bounds_ms(step);
                    let inside = t.partition_point(|t| *t <= start_ms)..t.partition_point(|t| *t <= end_ms);
                    let window = Window {
                        eval_ms: end_ms,
                        start_ms,
                        end_ms,
                        t: &t[inside.clone()],
                        v: &v[inside],
                        st: &[],
                        ht: &[],
                        h: &[],
                        hst: &[],
                    };
                    let kind = Kind { is_counter: true, is_rate };
                    match extrapolated(kind, &window, &mut Remarks::default()) {
                        Cell::Float(wanted) => {
                            assert_eq!(found.to_bits(), wanted.to_bits(), "{round} {step}")
                        }
                        _ => assert!(found.is_nan(), "{round} {step}"),
                    }
                }
            }
        }
    }
}
