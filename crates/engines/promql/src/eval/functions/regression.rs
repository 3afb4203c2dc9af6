//! `deriv`, `predict_linear`, `double_exponential_smoothing`.

use super::super::value::Cell;
use super::super::window::{Remarks, Window};
use super::math::kahan_add;

/// Slope per second and value at `origin_ms` of the least-squares line through the floats.
fn line(t: &[i64], v: &[f64], origin_ms: i64) -> (f64, f64) {
    let first = v[0];
    if v.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for (time, y) in t.iter().zip(v) {
        let x = (time - origin_ms) as f64 / 1000.0;
        for (sum, term) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            *sum = kahan_add(term, sum.0, sum.1);
        }
    }
    let n = v.len() as f64;
    let [x, y, xy, xx] = sums.map(|(sum, lost)| sum + lost);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

fn enough_floats(window: &Window<'_>, remarks: &mut Remarks) -> bool {
    remarks.ignored_histograms |= !window.t.is_empty() && !window.ht.is_empty();
    window.t.len() >= 2
}

/// The slope per second.
pub(crate) fn deriv(window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if !enough_floats(window, remarks) {
        return Cell::Absent;
    }
    // Near the values in use, so that large times cost no precision.
    Cell::Float(line(window.t, window.v, window.t[0]).0)
}

/// The value of the line `ahead_seconds` after the evaluation.
pub(crate) fn predict_linear(ahead_seconds: f64, window: &Window<'_>, remarks: &mut Remarks) -> Cell {
    if !enough_floats(window, remarks) {
        return Cell::Absent;
    }
    let (slope, value) = line(window.t, window.v, window.eval_ms);
    Cell::Float(slope * ahead_seconds + value)
}

/// Holt's smoothing with a trend.
pub(crate) fn double_exponential_smoothing(
    smoothing: f64,
    trend_factor: f64,
    window: &Window<'_>,
    remarks: &mut Remarks,
) -> Cell {
    if !enough_floats(window, remarks) {
        return Cell::Absent;
    }
    let v = window.v;
    let (mut before, mut level, mut trend) = (0.0, v[0], v[1] - v[0]);
    for (at, value) in v.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        before = level;
        level = next;
    }
    Cell::Float(level)
}
