//! Adding, subtracting and scaling histograms.
//!
//! Everything adds through [`HistogramSum`], which carries a Kahan-Neumaier compensation for each
//! bucket. For a single addition the compensation is below half a unit in the last place, so the
//! result equals plain addition.

use std::sync::Arc;

use super::buckets::{exponential_bound, indexed, reduced_index, to_spans};
use super::{CounterResetHint, FloatHistogram};

/// Exponential and custom buckets do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and custom buckets cannot be combined")]
pub struct IncompatibleSchemas;

/// What happened while two histograms were combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    /// One says that its counter was reset and the other that it was not.
    pub reset_collision: bool,
    /// Their custom bounds differ, and only the common ones were kept.
    pub bounds_reconciled: bool,
}

/// A number with its compensation.
#[derive(Clone, Copy, Debug, Default)]
struct Kahan {
    sum: f64,
    lost: f64,
}

impl Kahan {
    fn new(sum: f64) -> Self {
        Kahan { sum, lost: 0.0 }
    }

    fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    fn absorb(&mut self, other: Kahan) {
        self.add(other.sum);
        self.add(other.lost);
    }

    fn scale(&mut self, factor: f64) {
        self.sum *= factor;
        self.lost *= factor;
    }

    fn total(self) -> f64 {
        self.sum + self.lost
    }
}

/// A running, compensated sum of histograms.
#[derive(Clone, Debug)]
pub struct HistogramSum {
    hint: CounterResetHint,
    schema: i32,
    zero_threshold: f64,
    zero_count: Kahan,
    count: Kahan,
    sum: Kahan,
    positive: Vec<(i32, Kahan)>,
    negative: Vec<(i32, Kahan)>,
    custom_values: Arc<[f64]>,
}

impl From<&FloatHistogram> for HistogramSum {
    fn from(first: &FloatHistogram) -> Self {
        let side = |(index, count)| (index, Kahan::new(count));
        HistogramSum {
            hint: first.counter_reset_hint,
            schema: first.schema,
            zero_threshold: first.zero_threshold,
            zero_count: Kahan::new(first.zero_count),
            count: Kahan::new(first.count),
            sum: Kahan::new(first.sum),
            positive: indexed(&first.positive_spans, &first.positive_buckets).map(side).collect(),
            negative: indexed(&first.negative_spans, &first.negative_buckets).map(side).collect(),
            custom_values: first.custom_values.clone(),
        }
    }
}

impl HistogramSum {
    fn uses_custom_buckets(&self) -> bool {
        self.schema == super::CUSTOM_BUCKETS_SCHEMA
    }

    /// Adds a histogram, bringing both to the coarser schema, the wider zero bucket or the common bounds.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, 1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Combined, IncompatibleSchemas> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(IncompatibleSchemas);
        }
        let mut combined = Combined {
            reset_collision: self.combine_hints(other.counter_reset_hint),
            bounds_reconciled: false,
        };
        self.count.add(sign * other.count);
        self.sum.add(sign * other.sum);
        if self.uses_custom_buckets() {
            if self.custom_values == other.custom_values {
                add_side(
                    &mut self.positive,
                    indexed(&other.positive_spans, &other.positive_buckets).map(|(i, c)| (i, sign * c)),
                );
            } else {
                combined.bounds_reconciled = true;
                self.add_with_other_bounds(other, sign);
            }
            return Ok(combined);
        }
        let other_zero_count = self.reconcile_zero_buckets(other);
        self.zero_count.add(sign * other_zero_count);
        if other.schema < self.schema {
            reduce_side(&mut self.positive, self.schema, other.schema);
            reduce_side(&mut self.negative, self.schema, other.schema);
            self.schema = other.schema;
        }
        let (schema, threshold) = (self.schema, self.zero_threshold);
        let incoming = |spans, counts| {
            indexed(spans, counts)
                .map(move |(index, count)| (reduced_index(index, other.schema, schema), sign * count))
                .skip_while(move |(index, _)| exponential_bound(*index, schema) <= threshold)
        };
        add_side(&mut self.positive, incoming(&other.positive_spans, &other.positive_buckets));
        add_side(&mut self.negative, incoming(&other.negative_spans, &other.negative_buckets));
        Ok(combined)
    }

    /// Combines the hints as good as possible; true if they contradict each other.
    fn combine_hints(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        let (hint, collision) = match (self.hint, other) {
            (a, b) if a == b => (a, false),
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (Unknown, _) | (_, Unknown) => (Unknown, false),
            _ => (Unknown, true),
        };
        self.hint = hint;
        collision
    }

    /// Widens the zero bucket of this sum until it contains the other's and no threshold lies inside a
    /// populated bucket. Returns what the other's zero bucket would count with that width.
    fn reconcile_zero_buckets(&mut self, other: &FloatHistogram) -> f64 {
        let (mut other_count, mut other_threshold) = (other.zero_count, other.zero_threshold);
        if self.zero_threshold.is_nan() || other_threshold.is_nan() {
            // They never become equal; the one that is a number counts.
            self.zero_threshold = self.zero_threshold.max(other_threshold);
            return other_count;
        }
        while other_threshold != self.zero_threshold {
            if self.zero_threshold > other_threshold {
                (other_count, other_threshold) = other.zero_count_within(self.zero_threshold);
            }
            if other_threshold > self.zero_threshold {
                let view = self.total();
                let (_, threshold) = view.zero_count_within(other_threshold);
                let schema = self.schema;
                let zero_count = &mut self.zero_count;
                for side in [&mut self.positive, &mut self.negative] {
                    side.retain(|(index, count)| {
                        let inside = exponential_bound(index.wrapping_sub(1), schema) < threshold;
                        if inside {
                            zero_count.absorb(*count);
                        }
                        !inside
                    });
                }
                self.zero_threshold = threshold;
            }
        }
        other_count
    }

    fn add_with_other_bounds(&mut self, other: &FloatHistogram, sign: f64) {
        let common: Vec<f64> =
            self.custom_values.iter().copied().filter(|bound| other.custom_values.contains(bound)).collect();
        let mut buckets = vec![Kahan::default(); common.len() + 1];
        let target =
            |bounds: &[f64], index: i32| match usize::try_from(index).ok().and_then(|at| bounds.get(at)) {
                Some(bound) => common.partition_point(|c| c < bound),
                None => common.len(),
            };
        for (index, count) in &self.positive {
            buckets[target(&self.custom_values, *index)].absorb(*count);
        }
        for (index, count) in indexed(&other.positive_spans, &other.positive_buckets) {
            buckets[target(&other.custom_values, index)].add(sign * count);
        }
        self.positive = (0..).zip(buckets).collect();
        self.custom_values = common.into();
    }

    /// Multiplies everything, compensations included.
    pub fn scale(&mut self, factor: f64) {
        self.count.scale(factor);
        self.sum.scale(factor);
        self.zero_count.scale(factor);
        for (_, count) in self.positive.iter_mut().chain(&mut self.negative) {
            count.scale(factor);
        }
    }

    /// Whether a part has grown beyond what a float holds.
    pub fn has_overflow(&self) -> bool {
        self.count.sum.is_infinite()
            || self.sum.sum.is_infinite()
            || self.zero_count.sum.is_infinite()
            || self.positive.iter().chain(&self.negative).any(|(_, count)| count.sum.is_infinite())
    }

    /// The sum so far, compact.
    pub fn total(&self) -> FloatHistogram {
        let side =
            |list: &[(i32, Kahan)]| to_spans(list.iter().map(|(index, count)| (*index, count.total())));
        let (positive_spans, positive_buckets) = side(&self.positive);
        let (negative_spans, negative_buckets) = side(&self.negative);
        FloatHistogram {
            counter_reset_hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.total(),
            count: self.count.total(),
            sum: self.sum.total(),
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: self.custom_values.clone(),
        }
    }
}

/// Adds a sorted list to a sorted list.
fn add_side(into: &mut Vec<(i32, Kahan)>, from: impl Iterator<Item = (i32, f64)>) {
    let mut at = 0;
    let mut out_of_place: Vec<(i32, Kahan)> = Vec::new();
    for (index, count) in from {
        while into.get(at).is_some_and(|(i, _)| *i < index) {
            at += 1;
        }
        match into.get_mut(at) {
            Some((i, sum)) if *i == index => sum.add(count),
            _ => match out_of_place.last_mut() {
                Some((i, sum)) if *i == index => sum.add(count),
                _ => out_of_place.push((index, Kahan::new(count))),
            },
        }
    }
    if !out_of_place.is_empty() {
        into.append(&mut out_of_place);
        into.sort_by_key(|(index, _)| *index);
    }
}

fn reduce_side(list: &mut Vec<(i32, Kahan)>, from_schema: i32, to_schema: i32) {
    let mut reduced: Vec<(i32, Kahan)> = Vec::with_capacity(list.len());
    for (index, count) in list.drain(..) {
        let index = reduced_index(index, from_schema, to_schema);
        match reduced.last_mut() {
            Some((i, sum)) if *i == index => sum.absorb(count),
            _ => reduced.push((index, count)),
        }
    }
    *list = reduced;
}

impl FloatHistogram {
    /// Adds another histogram; see [`HistogramSum::add`].
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram. Counts may become negative.
    pub fn sub(&mut self, other: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Combined, IncompatibleSchemas> {
        let mut sum = HistogramSum::from(&*self);
        let combined = sum.combine(other, sign)?;
        *self = sum.total();
        Ok(combined)
    }

    /// Multiplies all counts and the sum.
    pub fn scale(&mut self, factor: f64) {
        self.map_counts(|count| count * factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum. Division by zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        self.map_counts(|count| count / divisor);
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.positive_buckets.clear();
            self.negative_spans.clear();
            self.negative_buckets.clear();
        } else if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    fn map_counts(&mut self, map: impl Fn(f64) -> f64) {
        for count in self.positive_buckets.iter_mut().chain(&mut self.negative_buckets) {
            *count = map(*count);
        }
        self.zero_count = map(self.zero_count);
        self.count = map(self.count);
        self.sum = map(self.sum);
    }

    /// What the zero bucket would count if it were at least `threshold` wide, and how wide it then is:
    /// a threshold inside a populated bucket moves to that bucket's outer bound.
    pub(super) fn zero_count_within(&self, threshold: f64) -> (f64, f64) {
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        let mut threshold = threshold;
        'again: loop {
            let mut count = Kahan::new(self.zero_count);
            for bucket in self.positive() {
                if bucket.lower >= threshold {
                    break;
                }
                count.add(bucket.count);
                if bucket.upper > threshold {
                    if bucket.count != 0.0 {
                        threshold = bucket.upper;
                    }
                    break;
                }
            }
            for bucket in self.negative() {
                if bucket.upper <= -threshold {
                    break;
                }
                count.add(bucket.count);
                if bucket.lower < -threshold {
                    if bucket.count != 0.0 {
                        threshold = -bucket.lower;
                        continue 'again;
                    }
                    break;
                }
            }
            return (count.total(), threshold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    fn histogram(schema: i32, offset: i32, buckets: &[f64]) -> FloatHistogram {
        let count = buckets.iter().sum();
        FloatHistogram {
            schema,
            count,
            sum: count,
            positive_spans: vec![Span { offset, length: buckets.len() as u32 }],
            positive_buckets: buckets.to_vec(),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn adding_takes_the_coarser_schema() {
        let mut fine = histogram(1, 1, &[1.0, 2.0, 3.0, 4.0]);
        fine.add(&histogram(0, 1, &[10.0, 20.0])).expect("both are exponential");
        assert_eq!((fine.schema, fine.positive_buckets), (0, vec![13.0, 27.0]));
    }

    #[test]
    fn a_zero_bucket_swallows_the_buckets_it_covers() {
        let mut wide =
            FloatHistogram { zero_threshold: 1.5, zero_count: 5.0, count: 5.0, ..Default::default() };
        wide.add(&histogram(0, 0, &[1.0, 2.0, 4.0])).expect("both are exponential");
        // The bucket (1, 2] is populated, so the zero bucket must widen to 2.
        assert_eq!((wide.zero_threshold, wide.zero_count), (2.0, 8.0));
        assert_eq!(wide.positive_buckets, vec![4.0]);
    }

    #[test]
    fn a_zero_threshold_that_is_no_number_gives_way_to_one_that_is() {
        let broken = FloatHistogram { zero_threshold: f64::NAN, zero_count: 2.0, ..Default::default() };
        let whole = FloatHistogram { zero_threshold: 0.001, zero_count: 3.0, ..Default::default() };
        for (mut sum, other) in [(whole.clone(), &broken), (broken.clone(), &whole)] {
            sum.add(other).expect("both are exponential");
            assert_eq!((sum.zero_threshold, sum.zero_count), (0.001, 5.0));
        }
    }

    #[test]
    fn differing_custom_bounds_keep_the_common_ones() {
        let custom = |bounds: &[f64], buckets: &[f64]| FloatHistogram {
            custom_values: bounds.into(),
            ..histogram(super::super::CUSTOM_BUCKETS_SCHEMA, 0, buckets)
        };
        let mut sum = custom(&[1.0, 5.0, 10.0], &[1.0, 2.0, 3.0, 4.0]);
        let combined = sum.add(&custom(&[5.0, 7.0], &[1.0, 1.0, 1.0])).expect("both are custom");
        assert!(combined.bounds_reconciled);
        assert_eq!((&*sum.custom_values, sum.positive_buckets), (&[5.0][..], vec![4.0, 9.0]));
    }
}
