//! Where buckets lie: bounds, iteration over spans, and rebuilding spans from a list.

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};

/// A bucket with its bounds. The lower bound is exclusive for positive buckets and inclusive for
/// negative ones, the upper bound the other way round; the zero bucket includes both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Observations.
    pub count: f64,
}

impl Bucket {
    /// Which part (0 to 1) of the bucket lies at or below `value`, which is inside finite bounds:
    /// spread evenly if `linear`, else evenly on a logarithmic scale.
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper) = (self.lower.abs().log2(), self.upper.abs().log2());
        let value_log = value.abs().log2();
        if value > 0.0 {
            (value_log - lower) / (upper - lower)
        } else {
            1.0 - (value_log - upper) / (lower - upper)
        }
    }
}

/// The upper bound of the positive bucket `index` in an exponential schema. The last bucket for
/// finite values ends at the largest float, the one after it at infinity.
pub fn exponential_bound(index: i32, schema: i32) -> f64 {
    if schema < 0 {
        let exponent = i64::from(index) << schema.unsigned_abs().min(31);
        return if exponent == 1024 { f64::MAX } else { power_of_two(exponent) };
    }
    let schema = schema.min(8) as u32;
    let per_power = 1i64 << schema;
    let part = i64::from(index).rem_euclid(per_power);
    let exponent = i64::from(index).div_euclid(per_power);
    if part == 0 {
        return if exponent == 1024 { f64::MAX } else { power_of_two(exponent) };
    }
    let fraction = (part as f64 / per_power as f64).exp2();
    // Two steps, so that bounds among the subnormal numbers do not vanish early.
    let half = exponent / 2;
    fraction * power_of_two(half) * power_of_two(exponent - half)
}

fn power_of_two(exponent: i64) -> f64 {
    if exponent > 1023 { f64::INFINITY } else { 2f64.powi(exponent.max(-1080) as i32) }
}

/// The bucket index after the resolution is reduced.
pub(super) fn reduced_index(index: i32, from_schema: i32, to_schema: i32) -> i32 {
    let shift = (from_schema - to_schema).clamp(0, 31);
    ((index.wrapping_sub(1)) >> shift) + 1
}

/// Index and count of each bucket of one side.
pub(super) fn indexed<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0i32;
    let indices = spans.iter().flat_map(move |span| {
        let first = next.wrapping_add(span.offset);
        next = first.wrapping_add(span.length as i32);
        (0..span.length).map(move |at| first.wrapping_add(at as i32))
    });
    indices.zip(counts.iter().copied())
}

/// Spans and counts of a list that is sorted by index, empty buckets left out.
pub(super) fn to_spans(list: impl Iterator<Item = (i32, f64)>) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut counts): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0i32;
    for (index, count) in list {
        if count == 0.0 {
            continue;
        }
        match spans.last_mut() {
            Some(last) if index == next => last.length += 1,
            _ => spans.push(Span { offset: index.wrapping_sub(next), length: 1 }),
        }
        counts.push(count);
        next = index.wrapping_add(1);
    }
    (spans, counts)
}

impl FloatHistogram {
    fn bound(&self, index: i32) -> f64 {
        if self.schema != CUSTOM_BUCKETS_SCHEMA {
            return exponential_bound(index, self.schema);
        }
        match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(at) => self.custom_values.get(at).copied().unwrap_or(f64::INFINITY),
        }
    }

    /// The bucket of a positive index.
    pub(super) fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        Bucket { lower: self.bound(index.wrapping_sub(1)), upper: self.bound(index), count }
    }

    /// The bucket of a negative index.
    pub(super) fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        Bucket { lower: -self.bound(index), upper: -self.bound(index.wrapping_sub(1)), count }
    }

    /// Positive buckets, lowest first.
    pub fn positive(&self) -> impl Iterator<Item = Bucket> + '_ {
        indexed(&self.positive_spans, &self.positive_buckets)
            .map(|(index, count)| self.positive_bucket(index, count))
    }

    /// Negative buckets, the one next to zero first.
    pub fn negative(&self) -> impl Iterator<Item = Bucket> + '_ {
        indexed(&self.negative_spans, &self.negative_buckets)
            .map(|(index, count)| self.negative_bucket(index, count))
    }

    /// The zero bucket.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket { lower: -self.zero_threshold, upper: self.zero_threshold, count: self.zero_count }
    }

    /// All buckets, lowest first. A bucket that reaches into the zero bucket is cut there.
    pub fn all_buckets(&self) -> Vec<Bucket> {
        let threshold = self.zero_threshold;
        let mut all: Vec<Bucket> = self.negative().collect();
        all.reverse();
        for bucket in &mut all {
            if bucket.upper < 0.0 && bucket.upper > -threshold {
                bucket.upper = -threshold;
            }
        }
        if self.zero_count > 0.0 {
            all.push(self.zero_bucket());
        }
        all.extend(self.positive().map(|mut bucket| {
            if bucket.lower > 0.0 && bucket.lower < threshold {
                bucket.lower = threshold;
            }
            bucket
        }));
        all
    }

    /// Removes empty buckets and joins spans that touch.
    pub fn compact(&mut self) {
        if !is_compact(&self.positive_spans, &self.positive_buckets) {
            (self.positive_spans, self.positive_buckets) =
                to_spans(indexed(&self.positive_spans, &self.positive_buckets));
        }
        if !is_compact(&self.negative_spans, &self.negative_buckets) {
            (self.negative_spans, self.negative_buckets) =
                to_spans(indexed(&self.negative_spans, &self.negative_buckets));
        }
    }

    /// Merges buckets until they are as wide as in `schema`. Does nothing if they are already wider
    /// or have custom bounds.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if self.uses_custom_buckets() || schema >= self.schema || schema == CUSTOM_BUCKETS_SCHEMA {
            return;
        }
        let reduce = |spans: &[Span], counts: &[f64]| {
            let mut list: Vec<(i32, f64)> = Vec::with_capacity(counts.len());
            for (index, count) in indexed(spans, counts) {
                let index = reduced_index(index, self.schema, schema);
                match list.last_mut() {
                    Some(last) if last.0 == index => last.1 += count,
                    _ => list.push((index, count)),
                }
            }
            to_spans(list.into_iter())
        };
        let positive = reduce(&self.positive_spans, &self.positive_buckets);
        let negative = reduce(&self.negative_spans, &self.negative_buckets);
        (self.positive_spans, self.positive_buckets) = positive;
        (self.negative_spans, self.negative_buckets) = negative;
        self.schema = schema;
    }

    /// Whether two histograms say the same, empty buckets left aside. Hints do not count.
    pub fn same_distribution(&self, other: &FloatHistogram) -> bool {
        let bits = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let side = |spans_a: &[Span], a: &[f64], spans_b: &[Span], b: &[f64]| {
            if spans_a == spans_b && a.len() == b.len() {
                return a.iter().zip(b).all(|(a, b)| bits(*a, *b));
            }
            let filled = |entry: &(i32, f64)| entry.1 != 0.0;
            let mut left = indexed(spans_a, a).filter(filled);
            let mut right = indexed(spans_b, b).filter(filled);
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(x), Some(y)) if x.0 == y.0 && bits(x.1, y.1) => {}
                    _ => return false,
                }
            }
        };
        self.schema == other.schema
            && bits(self.count, other.count)
            && bits(self.sum, other.sum)
            && self.custom_values == other.custom_values
            && self.zero_threshold == other.zero_threshold
            && bits(self.zero_count, other.zero_count)
            && side(
                &self.positive_spans,
                &self.positive_buckets,
                &other.positive_spans,
                &other.positive_buckets,
            )
            && side(
                &self.negative_spans,
                &self.negative_buckets,
                &other.negative_spans,
                &other.negative_buckets,
            )
    }

    /// How many float samples a histogram counts for in a query's budget: its size in 16 byte units.
    pub fn sample_weight(&self) -> usize {
        let parts = self.positive_spans.len()
            + self.negative_spans.len()
            + self.positive_buckets.len()
            + self.negative_buckets.len()
            + self.custom_values.len();
        (168 + 8 + parts * 8) / 16
    }
}

fn is_compact(spans: &[Span], counts: &[f64]) -> bool {
    counts.iter().all(|count| *count != 0.0)
        && spans.iter().enumerate().all(|(at, span)| span.length > 0 && (at == 0 || span.offset > 0))
}

/// Writes the histogram as Prometheus does: `{count:3, sum:4.5, [-1,1]:1, (1,2]:2}`.
impl std::fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |value| gocompat::float::format(value, gocompat::float::Format::General, None);
        write!(f, "{{count:{}, sum:{}", number(self.count), number(self.sum))?;
        let mut bucket = |bucket: &Bucket, with_lower: bool, with_upper: bool| {
            let (open, close) = (if with_lower { '[' } else { '(' }, if with_upper { ']' } else { ')' });
            let (lower, upper) = (number(bucket.lower), number(bucket.upper));
            write!(f, ", {open}{lower},{upper}{close}:{}", number(bucket.count))
        };
        let negative: Vec<Bucket> = self.negative().filter(|b| b.count != 0.0).collect();
        for b in negative.iter().rev() {
            bucket(b, b.lower < 0.0, b.upper > 0.0)?;
        }
        if self.zero_count != 0.0 {
            bucket(&self.zero_bucket(), true, true)?;
        }
        let custom = self.uses_custom_buckets();
        for (index, count) in indexed(&self.positive_spans, &self.positive_buckets) {
            if count != 0.0 {
                let b = self.positive_bucket(index, count);
                bucket(&b, if custom { index == 0 } else { b.lower < 0.0 }, custom || b.upper > 0.0)?;
            }
        }
        f.write_str("}")
    }
}
