//! Native histograms: sparse buckets, exponential (schemas -4 to 8) or with custom bounds
//! (schema -53).

use std::sync::Arc;

mod arithmetic;
mod buckets;
mod nhcb;
mod reset;
mod trim;

pub use arithmetic::{Combined, HistogramSum, IncompatibleSchemas};
pub use buckets::{Bucket, exponential_bound};
pub use nhcb::{ClassicHistogram, ClassicHistogramError};

/// The schema of histograms with custom bucket bounds.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What a histogram says about the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Nothing is known; compare with the previous one.
    #[default]
    Unknown,
    /// The counter was reset before this one.
    Reset,
    /// The counter was not reset.
    NotReset,
    /// It is a gauge: it may fall.
    Gauge,
}

/// A run of buckets next to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Gap to the previous span in buckets; for the first span the index of its first bucket.
    pub offset: i32,
    /// How many buckets follow.
    pub length: u32,
}

/// A native histogram with absolute counts as floats: the form in which histograms are
/// calculated with. Integer histograms are read into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatHistogram {
    /// Whether a reset is known.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: bucket bounds are powers of `2^(2^-schema)`; [`CUSTOM_BUCKETS_SCHEMA`] for custom bounds.
    pub schema: i32,
    /// Width of the zero bucket to both sides.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observed values.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets lie.
    pub negative_spans: Vec<Span>,
    /// Absolute counts of the positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Absolute counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of the buckets of schema -53, without +Inf; empty for all other schemas.
    pub custom_values: Arc<[f64]>,
}

impl FloatHistogram {
    /// Whether the bounds are custom ones.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}
