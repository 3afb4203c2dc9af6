//! Histograms of OpenTelemetry as native ones.

use std::sync::Arc;

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use model::{FloatHistogram, stale_nan};
use wire::otlp::{Buckets, ExponentialPoint, HistogramPoint, Temporality};

/// The finest and the coarsest resolution of native histograms.
const SCHEMA_MAX: i32 = 8;
const SCHEMA_MIN: i32 = -4;
/// What counts as zero if the sender does not say.
const ZERO_THRESHOLD: f64 = 1e-128;
/// A gap of more buckets begins a new span.
const GAP_MAX: i64 = 2;

/// A native histogram of an exponential one. A finer resolution than there is here is made coarser.
pub(super) fn exponential(
    point: &ExponentialPoint<'_>,
    temporality: Temporality,
) -> Result<FloatHistogram, String> {
    if point.scale < SCHEMA_MIN {
        return Err(format!(
            "cannot convert exponential to native histogram. Scale must be >= {SCHEMA_MIN}, was {}",
            point.scale
        ));
    }
    let shift = (point.scale - SCHEMA_MAX).clamp(0, 31) as u32;
    // Bucket 0 here begins behind 1, there it ends at it.
    let (positive_spans, positive_buckets) = sparse(&point.positive, shift, 1)?;
    let (negative_spans, negative_buckets) = sparse(&point.negative, shift, 1)?;
    let mut made = FloatHistogram {
        counter_reset_hint: hint(temporality),
        schema: point.scale.min(SCHEMA_MAX),
        zero_threshold: ZERO_THRESHOLD.max(point.zero_threshold),
        zero_count: point.zero_count as f64,
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..FloatHistogram::default()
    };
    count(&mut made, point.count, point.sum, point.point.is_missing)?;
    Ok(made)
}

/// A native histogram with the bounds of a classic one.
pub(super) fn custom(point: &HistogramPoint<'_>, temporality: Temporality) -> Result<FloatHistogram, String> {
    if !point.bounds.is_sorted_by(|a, b| a < b) || point.bounds.iter().any(|bound| !bound.is_finite()) {
        return Err("the bounds of a histogram are not in ascending order".into());
    }
    if point.buckets.len() > point.bounds.len() + 1 {
        return Err("a histogram with more buckets than bounds".into());
    }
    let counts = Buckets { offset: 0, counts: point.buckets.clone() };
    let (positive_spans, positive_buckets) = sparse(&counts, 0, 0)?;
    let mut made = FloatHistogram {
        counter_reset_hint: hint(temporality),
        schema: CUSTOM_BUCKETS_SCHEMA,
        positive_spans,
        positive_buckets,
        custom_values: Arc::from(point.bounds.as_slice()),
        ..FloatHistogram::default()
    };
    count(&mut made, point.count, point.sum, point.point.is_missing)?;
    Ok(made)
}

/// Whether there was a reset cannot be told here; of deltas nobody shall look for one.
fn hint(temporality: Temporality) -> CounterResetHint {
    match temporality {
        Temporality::Delta => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

fn count(made: &mut FloatHistogram, count: u64, sum: Option<f64>, is_missing: bool) -> Result<(), String> {
    if is_missing {
        made.sum = stale_nan();
        return Ok(());
    }
    made.sum = sum.unwrap_or(0.0);
    made.count = count as f64;
    let inside: f64 =
        made.zero_count + made.positive_buckets.iter().chain(&made.negative_buckets).sum::<f64>();
    // Above this, counts are no longer exact as floats.
    let is_exact = made.count < (1u64 << 53) as f64;
    if is_exact && (inside > made.count || !made.sum.is_nan() && inside != made.count) {
        return Err(format!("{inside} observations found in buckets, but the count is {count}"));
    }
    Ok(())
}

/// Buckets that hold something as spans and counts, `2^shift` of them put together, numbered on by `first`.
fn sparse(buckets: &Buckets, shift: u32, first: i64) -> Result<(Vec<Span>, Vec<f64>), String> {
    let (mut spans, mut counts): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut last = None;
    for (at, &count) in buckets.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let number = ((i64::from(buckets.offset) + at as i64) >> shift) + first;
        let gap = match last {
            Some(last) if last == number => {
                if let Some(sum) = counts.last_mut() {
                    *sum += count as f64;
                }
                continue;
            }
            Some(last) => number - last - 1,
            None => number,
        };
        match spans.last_mut() {
            Some(span) if gap <= GAP_MAX => {
                counts.resize(counts.len() + gap as usize, 0.0);
                span.length += gap as u32 + 1;
            }
            _ => {
                let offset = i32::try_from(gap).map_err(|_| "a bucket's number is too large")?;
                spans.push(Span { offset, length: 1 });
            }
        }
        counts.push(count as f64);
        last = Some(number);
    }
    Ok((spans, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialPoint<'static> {
        ExponentialPoint {
            scale,
            count: counts.iter().sum::<u64>() + 3,
            zero_count: 3,
            sum: Some(1.0),
            positive: Buckets { offset, counts: counts.to_vec() },
            ..ExponentialPoint::default()
        }
    }

    #[test]
    fn buckets_are_numbered_one_higher_and_gaps_of_more_than_two_begin_a_span() {
        let made = exponential(&point(0, -1, &[1, 0, 0, 2, 0, 0, 0, 3]), Temporality::Cumulative).unwrap();
        assert_eq!(made.positive_spans, [Span { offset: 0, length: 4 }, Span { offset: 3, length: 1 }]);
        assert_eq!(made.positive_buckets, [1.0, 0.0, 0.0, 2.0, 3.0]);
        assert_eq!(
            (made.count, made.zero_count, made.counter_reset_hint),
            (9.0, 3.0, CounterResetHint::Unknown)
        );
    }

    #[test]
    fn a_resolution_that_is_too_fine_is_made_coarser_and_one_too_coarse_is_refused() {
        let made = exponential(&point(10, -5, &[1, 1, 1, 1, 1, 1]), Temporality::Delta).unwrap();
        // Four buckets of scale 10 are one of scale 8: -5 | -4 to -1 | 0.
        assert_eq!(made.schema, 8);
        assert_eq!(made.positive_spans, [Span { offset: -1, length: 3 }]);
        assert_eq!(made.positive_buckets, [1.0, 4.0, 1.0]);
        assert_eq!(made.counter_reset_hint, CounterResetHint::Gauge);
        assert!(exponential(&point(-5, 0, &[1]), Temporality::Cumulative).is_err());
        exponential(&point(i32::MAX, i32::MIN, &[1, 1]), Temporality::Cumulative).unwrap();
    }

    #[test]
    fn bounds_become_custom_ones_and_counts_must_add_up() {
        let mut point = HistogramPoint {
            count: 6,
            sum: Some(9.0),
            buckets: vec![0, 1, 2, 3],
            bounds: vec![1.0, 2.0, 4.0],
            ..HistogramPoint::default()
        };
        let made = custom(&point, Temporality::Cumulative).unwrap();
        assert_eq!((made.schema, &*made.custom_values), (CUSTOM_BUCKETS_SCHEMA, &[1.0, 2.0, 4.0][..]));
        assert_eq!(made.positive_spans, [Span { offset: 1, length: 3 }]);
        point.count = 7;
        assert!(custom(&point, Temporality::Cumulative).is_err());
        point.point.is_missing = true;
        assert!(model::is_stale_nan(custom(&point, Temporality::Cumulative).unwrap().sum));
        point.bounds = vec![2.0, 1.0, 4.0];
        assert!(custom(&point, Temporality::Cumulative).is_err());
    }
}
