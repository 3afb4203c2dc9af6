//! Cutting off observations below or above a value (PromQL's `>/` and `</`).

use super::{Bucket, FloatHistogram};

/// What remains of a bucket: observations, and where they lie on average.
struct Kept {
    count: f64,
    midpoint: f64,
}

impl FloatHistogram {
    /// Keeps the observations below `value` if `upper`, else those above. Inside the bucket that
    /// contains the value they are taken to be spread evenly (custom bounds) or evenly on a
    /// logarithmic scale. Count and sum are estimated anew if something was cut off.
    pub fn trim(&mut self, value: f64, upper: bool) {
        let linear = self.uses_custom_buckets();
        let (mut count, mut sum, mut trimmed) = (0.0, 0.0, false);
        let (mut has_positive, mut has_negative) = (false, false);
        let sides =
            [(self.positive().collect::<Vec<_>>(), true), (self.negative().collect::<Vec<_>>(), false)];
        for (buckets, is_positive) in sides {
            let counts = if is_positive { &mut self.positive_buckets } else { &mut self.negative_buckets };
            for (bucket, slot) in buckets.into_iter().zip(counts) {
                if bucket.count == 0.0 {
                    continue;
                }
                *(if is_positive { &mut has_positive } else { &mut has_negative }) = true;
                let kept = keep(&bucket, value, upper, is_positive, linear);
                count += kept.count;
                sum += kept.midpoint * kept.count;
                if *slot != kept.count {
                    *slot = kept.count;
                    trimmed = true;
                }
            }
        }
        if self.zero_count > 0.0 {
            let kept = keep_of_zero_bucket(self.zero_bucket(), value, upper, has_negative, has_positive);
            count += kept.count;
            sum += kept.midpoint * kept.count;
            if self.zero_count != kept.count {
                self.zero_count = kept.count;
                trimmed = true;
            }
        }
        if trimmed {
            self.count = count;
            self.sum = sum;
            self.compact();
        }
    }
}

fn keep(bucket: &Bucket, value: f64, upper: bool, is_positive: bool, linear: bool) -> Kept {
    let (all, none) = if upper {
        (bucket.upper <= value, bucket.lower >= value)
    } else {
        (bucket.lower >= value, bucket.upper <= value)
    };
    if all {
        return Kept {
            count: bucket.count,
            midpoint: midpoint(bucket.lower, bucket.upper, is_positive, linear),
        };
    }
    if none {
        return Kept { count: 0.0, midpoint: 0.0 };
    }
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return keep_of_infinite(bucket, value, upper);
    }
    let below = bucket.count * bucket.fraction_below(value, linear);
    if upper {
        Kept { count: below, midpoint: midpoint(bucket.lower, value, is_positive, linear) }
    } else {
        Kept { count: bucket.count - below, midpoint: midpoint(value, bucket.upper, is_positive, linear) }
    }
}

/// Of a bucket without end nobody knows how its observations are spread: it is kept or dropped as a
/// whole, but for the first custom bucket, which is taken to start at zero if it ends above it.
fn keep_of_infinite(bucket: &Bucket, value: f64, upper: bool) -> Kept {
    let all_at = |midpoint| Kept { count: bucket.count, midpoint };
    let none = Kept { count: 0.0, midpoint: 0.0 };
    if bucket.lower == f64::NEG_INFINITY {
        let from_zero = bucket.upper > 0.0 && bucket.upper != f64::INFINITY;
        return match upper {
            true if value > 0.0 && from_zero => {
                Kept { count: bucket.count * value / bucket.upper, midpoint: value / 2.0 }
            }
            true if bucket.upper <= 0.0 => all_at(value),
            false if value >= 0.0 && from_zero => Kept {
                count: bucket.count * (1.0 - value / bucket.upper),
                midpoint: (value + bucket.upper) / 2.0,
            },
            _ => none,
        };
    }
    if !upper && value >= bucket.lower { all_at(value) } else { none }
}

fn keep_of_zero_bucket(
    bucket: Bucket,
    value: f64,
    upper: bool,
    has_negative: bool,
    has_positive: bool,
) -> Kept {
    let low = if has_positive && !has_negative { 0.0 } else { bucket.lower };
    let high = if has_negative && !has_positive { 0.0 } else { bucket.upper };
    let all = Kept { count: bucket.count, midpoint: (low + high) / 2.0 };
    let none = Kept { count: 0.0, midpoint: 0.0 };
    match upper {
        true if value <= low => none,
        true if value >= high => all,
        true => Kept { count: bucket.count * ((value - low) / (high - low)), midpoint: (low + value) / 2.0 },
        false if value <= low => all,
        false if value >= high => none,
        false => {
            Kept { count: bucket.count * ((high - value) / (high - low)), midpoint: (value + high) / 2.0 }
        }
    }
}

fn midpoint(lower: f64, upper: f64, is_positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if is_positive { mean } else { -mean }
        }
    }
}
