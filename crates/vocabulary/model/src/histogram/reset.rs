//! Recognising that a counter started anew.

use super::buckets::{exponential_bound, indexed, reduced_index};
use super::{CounterResetHint, FloatHistogram, Span};

impl FloatHistogram {
    /// Whether the counter was reset between `previous` and this histogram: the hint says so, or
    /// without a hint, a bucket, the zero bucket or the number of observations shrank, or the
    /// resolution rose.
    pub fn detect_reset(&self, previous: &FloatHistogram) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() != previous.uses_custom_buckets() {
            return self.uses_custom_buckets() || self.schema > previous.schema;
        }
        if self.uses_custom_buckets() {
            return if self.custom_values == previous.custom_values {
                shrank(list(self, false, self.schema), list(previous, false, self.schema))
            } else {
                self.common_buckets_shrank(previous)
            };
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (previous_zero_count, threshold) = previous.zero_count_within(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < previous_zero_count {
            return true;
        }
        let visible = |mut buckets: Vec<(i32, f64)>| {
            buckets.retain(|(index, _)| exponential_bound(*index, self.schema) > self.zero_threshold);
            buckets
        };
        [false, true].into_iter().any(|negative| {
            shrank(visible(list(self, negative, self.schema)), visible(list(previous, negative, self.schema)))
        })
    }

    /// With differing custom bounds: whether a bucket between common bounds shrank.
    fn common_buckets_shrank(&self, previous: &FloatHistogram) -> bool {
        let common: Vec<f64> = self
            .custom_values
            .iter()
            .copied()
            .filter(|bound| previous.custom_values.contains(bound))
            .collect();
        let rolled_up = |histogram: &FloatHistogram| {
            let mut buckets = vec![0.0; common.len() + 1];
            for bucket in histogram.positive() {
                buckets[common.partition_point(|bound| *bound < bucket.upper)] += bucket.count;
            }
            buckets
        };
        rolled_up(self).iter().zip(rolled_up(previous)).any(|(now, before)| *now < before)
    }
}

/// One side as (index, count) in a schema.
fn list(histogram: &FloatHistogram, negative: bool, schema: i32) -> Vec<(i32, f64)> {
    let (spans, counts): (&[Span], &[f64]) = if negative {
        (&histogram.negative_spans, &histogram.negative_buckets)
    } else {
        (&histogram.positive_spans, &histogram.positive_buckets)
    };
    let custom = histogram.uses_custom_buckets();
    let mut buckets: Vec<(i32, f64)> = Vec::with_capacity(counts.len());
    for (index, count) in indexed(spans, counts) {
        let index = if custom { index } else { reduced_index(index, histogram.schema, schema) };
        match buckets.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => buckets.push((index, count)),
        }
    }
    buckets
}

fn shrank(now: Vec<(i32, f64)>, before: Vec<(i32, f64)>) -> bool {
    let mut now = now.into_iter().peekable();
    before.into_iter().any(|(index, count)| {
        while now.peek().is_some_and(|(i, _)| *i < index) {
            now.next();
        }
        match now.peek() {
            Some((i, current)) if *i == index => *current < count,
            _ => count != 0.0,
        }
    })
}
