//! Turning the buckets of a classic histogram into a native one with custom bounds.

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};

/// Why classic buckets make no histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClassicHistogramError {
    /// A bucket counts less than one below it.
    #[error("count is not cumulative: {count} < {below}")]
    NotCumulative {
        /// The count.
        count: f64,
        /// The count of the bucket below.
        below: f64,
    },
    /// A count is negative or a bound is not a number.
    #[error("bucket count must be non-negative and its bound a number: le={bound}, count={count}")]
    BadBucket {
        /// The bound.
        bound: f64,
        /// The count.
        count: f64,
    },
    /// The bucket +Inf and the count differ.
    #[error("count mismatch: count={count} != le=+Inf count={bucket}")]
    CountMismatch {
        /// The count.
        count: f64,
        /// What the last bucket says.
        bucket: f64,
    },
}

/// Collects what the series of one classic histogram say at one time.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    /// Bound and cumulative count, sorted by bound.
    buckets: Vec<(f64, f64)>,
    /// `_count`, if known.
    pub count: Option<f64>,
    /// `_sum`.
    pub sum: f64,
}

impl ClassicHistogram {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.buckets.clear();
        (self.count, self.sum) = (None, 0.0);
    }

    /// Sets a bucket. The first value for a bound counts.
    pub fn set_bucket(&mut self, bound: f64, count: f64) -> Result<(), ClassicHistogramError> {
        if bound.is_nan() || count < 0.0 {
            return Err(ClassicHistogramError::BadBucket { bound, count });
        }
        let at = self.buckets.partition_point(|(b, _)| *b < bound);
        if self.buckets.get(at).is_none_or(|(b, _)| *b != bound) {
            self.buckets.insert(at, (bound, count));
        }
        Ok(())
    }

    /// The native histogram.
    pub fn convert(&self) -> Result<FloatHistogram, ClassicHistogramError> {
        let mut buckets = self.buckets.clone();
        let count = self.count.or(buckets.last().map(|(_, count)| *count)).unwrap_or(0.0);
        if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let mut counts = Vec::with_capacity(buckets.len());
        let mut below = 0.0;
        for (_, cumulative) in &buckets {
            if *cumulative < below {
                return Err(ClassicHistogramError::NotCumulative { count: *cumulative, below });
            }
            counts.push(cumulative - below);
            below = *cumulative;
        }
        if below != count {
            return Err(ClassicHistogramError::CountMismatch { count, bucket: below });
        }
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span { offset: 0, length: counts.len() as u32 }],
            positive_buckets: counts,
            custom_values: buckets.iter().map(|(bound, _)| *bound).filter(|b| *b != f64::INFINITY).collect(),
            ..FloatHistogram::default()
        };
        histogram.compact();
        Ok(histogram)
    }
}
