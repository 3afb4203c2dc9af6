//! Quantiles and fractions of floats, classic and native histograms.

use model::histogram::{Bucket, FloatHistogram};

use super::super::annotations::{Note, Notes};
use crate::ast::Span;

/// A quantile of values, interpolated between neighbours; the values get sorted, NaN first.
pub(crate) fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => b.cmp(&a),
    });
    let n = values.len() as f64;
    let rank = q * (n - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(n - 1.0);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

/// A bucket of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassicBucket {
    pub(crate) upper_bound: f64,
    /// Observations at or below the bound.
    pub(crate) count: f64,
}

/// What was wrong with the order of cumulative counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
}

/// Sorts buckets and adds up those with equal bounds; `None` if the last is not +Inf.
fn sorted(buckets: &mut Vec<ClassicBucket>) -> Option<()> {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets.last()?.upper_bound != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.upper_bound == kept.upper_bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    Some(())
}

/// Differences this small, relatively, are errors of float arithmetic.
const SMALL_DELTA: f64 = 1e-12;

fn almost_equal(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let sum = a.abs() + b.abs();
    let diff = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return diff < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    diff / sum.min(f64::MAX) < SMALL_DELTA
}

/// Makes cumulative counts rise. Tiny differences are levelled silently.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut previous = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        let current = bucket.count;
        if current == previous {
            continue;
        }
        if almost_equal(previous, current) {
            bucket.count = previous;
        } else if current < previous {
            bucket.count = previous;
            let entry = forced.get_or_insert(Forced {
                min_bucket: f64::INFINITY,
                max_bucket: f64::NEG_INFINITY,
                max_diff: 0.0,
            });
            entry.min_bucket = entry.min_bucket.min(bucket.upper_bound);
            entry.max_bucket = entry.max_bucket.max(bucket.upper_bound);
            entry.max_diff = entry.max_diff.max(previous - current);
        } else {
            previous = current;
        }
    }
    forced
}

/// A quantile of a classic histogram, interpolated linearly inside its bucket.
pub(crate) fn classic_quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if sorted(buckets).is_none() {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    // Not `<`: a NaN rank must fall into the first bucket as a search for `>=` would leave it last.
    #[allow(clippy::neg_cmp_op_on_partial_ord)]
    let at = buckets[..last].partition_point(|bucket| !(bucket.count >= rank));
    let value = if at == last {
        buckets[last - 1].upper_bound
    } else if at == 0 && buckets[0].upper_bound <= 0.0 {
        buckets[0].upper_bound
    } else {
        let (mut start, end, mut count) = (0.0, buckets[at].upper_bound, buckets[at].count);
        if at > 0 {
            start = buckets[at - 1].upper_bound;
            count -= buckets[at - 1].count;
            rank -= buckets[at - 1].count;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

/// Which part of the observations of a classic histogram lies between two values.
pub(crate) fn classic_fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if sorted(buckets).is_none() {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |bucket| bucket.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].upper_bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = 0.0;
    let mut ranks = Ranks::new(lower, upper);
    for bucket in buckets.iter() {
        let (from, rank) = (start, below);
        let done = ranks.visit(from, bucket.upper_bound, rank, |value| {
            if from == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (value - from) / (bucket.upper_bound - from)
            }
        });
        if done {
            break;
        }
        below = bucket.count;
        start = bucket.upper_bound;
    }
    ranks.between(count) / count
}

/// How many observations lie below two values, found while going up the buckets.
struct Ranks {
    values: [f64; 2],
    ranks: [Option<f64>; 2],
}

impl Ranks {
    fn new(lower: f64, upper: f64) -> Self {
        Ranks { values: [lower, upper], ranks: [None; 2] }
    }

    /// Looks at a bucket below which there are `rank` observations. True once both are found.
    fn visit(&mut self, from: f64, to: f64, rank: f64, inside: impl Fn(f64) -> f64) -> bool {
        for (value, found) in self.values.iter().zip(&mut self.ranks) {
            if found.is_none() && from >= *value {
                *found = Some(rank);
            }
        }
        if self.ranks.iter().all(Option::is_some) {
            return true;
        }
        for (value, found) in self.values.iter().zip(&mut self.ranks) {
            if found.is_none() && from < *value && to > *value {
                *found = Some(inside(*value));
            }
        }
        self.ranks.iter().all(Option::is_some)
    }

    fn between(&self, count: f64) -> f64 {
        let [lower, upper] = self.ranks.map(|rank| match rank {
            Some(rank) if rank <= count || rank.is_nan() => rank,
            _ => count,
        });
        upper - lower
    }
}

/// A histogram that has only positive (negative) buckets has no zero bucket below (above) zero.
fn cut_zero_bucket(bucket: &mut Bucket, histogram: &FloatHistogram) {
    match (histogram.negative_buckets.is_empty(), histogram.positive_buckets.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}

/// A quantile of a native histogram: interpolated on a logarithmic scale in exponential buckets,
/// linearly in custom ones and in the zero bucket.
pub(crate) fn native_quantile(
    q: f64,
    histogram: &FloatHistogram,
    name: &str,
    span: Span,
    notes: &mut Notes,
) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if histogram.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    let has_nan = histogram.sum.is_nan();
    // NaN observations are counted but stand in no bucket, so the way from above would be wrong.
    let upward = has_nan || q < 0.5;
    let mut buckets = histogram.all_buckets();
    if !upward {
        buckets.reverse();
    }
    let mut rank = if upward { q * histogram.count } else { (1.0 - q) * histogram.count };
    let mut bucket = Bucket { lower: 0.0, upper: 0.0, count: 0.0 };
    let mut count = 0.0;
    let mut rest = buckets.iter();
    for next in rest.by_ref() {
        bucket = *next;
        if next.count == 0.0 {
            continue;
        }
        count += next.count;
        if count >= rank {
            break;
        }
    }
    let custom = histogram.uses_custom_buckets();
    if !custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        cut_zero_bucket(&mut bucket, histogram);
    } else if custom {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return bucket.upper;
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
    }
    count = count.min(histogram.count);
    if count < rank {
        if has_nan {
            notes.add(Note::QuantileNanResult(name), span);
            return f64::NAN;
        }
        return bucket.upper;
    }
    if upward {
        rank -= count - bucket.count;
    } else {
        rank = count - rank;
    }
    if has_nan && count + rest.map(|bucket| bucket.count).sum::<f64>() < histogram.count {
        notes.add(Note::QuantileNanSkew(name), span);
    }
    let fraction = rank / bucket.count;
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * fraction).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - fraction)).exp2()
    }
}

/// Which part of the observations of a native histogram lies between two values.
pub(crate) fn native_fraction(
    lower: f64,
    upper: f64,
    histogram: &FloatHistogram,
    name: &str,
    span: Span,
    notes: &mut Notes,
) -> f64 {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let buckets = histogram.all_buckets();
    let mut ranks = Ranks::new(lower, upper);
    let mut rank = 0.0;
    for bucket in &buckets {
        let mut bucket = *bucket;
        let is_zero_bucket = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if is_zero_bucket {
            cut_zero_bucket(&mut bucket, histogram);
        }
        let linear = histogram.uses_custom_buckets() || is_zero_bucket;
        let done = ranks.visit(bucket.lower, bucket.upper, rank, |value| {
            if linear && bucket.lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + bucket.count * bucket.fraction_below(value, linear)
            }
        });
        if done {
            break;
        }
        rank += bucket.count;
    }
    let mut count = histogram.count;
    if histogram.sum.is_nan() {
        count = buckets.iter().map(|bucket| bucket.count).sum();
        if count < histogram.count {
            notes.add(Note::FractionNan(name), span);
        }
    }
    ranks.between(count) / histogram.count
}
