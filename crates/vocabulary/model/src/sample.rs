//! Samples as columns.

use std::sync::Arc;

use crate::histogram::FloatHistogram;

/// The bits of the value that marks the end of a series: a NaN that no calculation yields.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The bits of the NaN that means "not a number", as Prometheus writes it.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The value that marks the end of a series.
pub const fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the staleness marker (and not any other NaN).
pub const fn is_stale_nan(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Samples of one series in time order, as columns. Meant to be reused: [`Samples::clear`] keeps
/// the allocations.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Milliseconds since the epoch, strictly increasing.
    pub timestamps_ms: Vec<i64>,
    /// The values; the staleness marker where a series ended. Where a histogram stands, the value
    /// is unspecified unless it is the staleness marker.
    pub values: Vec<f64>,
    /// Empty if the series has no histogram in this range, else one entry a sample: `None` for a float.
    pub histograms: Vec<Option<Arc<FloatHistogram>>>,
    /// Empty if no start timestamp is known, else one a sample, 0 for unknown: since when the
    /// counter has been counting, in milliseconds since the epoch.
    pub start_timestamps_ms: Vec<i64>,
}

impl Samples {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.timestamps_ms.is_empty()
    }

    /// Removes all samples, keeping the memory.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps_ms.clear();
    }

    /// Adds a float sample at the end.
    pub fn push(&mut self, timestamp_ms: i64, value: f64) {
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
        if !self.histograms.is_empty() {
            self.histograms.push(None);
        }
        if !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.push(0);
        }
    }

    /// Adds a histogram sample at the end.
    pub fn push_histogram(&mut self, timestamp_ms: i64, histogram: Arc<FloatHistogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.timestamps_ms.len(), None);
        }
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(histogram.sum);
        self.histograms.push(Some(histogram));
        if !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.push(0);
        }
    }

    /// Sets the start timestamp of the last sample.
    pub fn set_last_start(&mut self, start_ms: i64) {
        if self.is_empty() || (start_ms == 0 && self.start_timestamps_ms.is_empty()) {
            return;
        }
        self.start_timestamps_ms.resize(self.timestamps_ms.len(), 0);
        if let Some(last) = self.start_timestamps_ms.last_mut() {
            *last = start_ms;
        }
    }

    /// The histogram of sample `at`, if it is one.
    pub fn histogram(&self, at: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.get(at).and_then(Option::as_ref)
    }

    /// The start timestamp of sample `at`, 0 if unknown.
    pub fn start_ms(&self, at: usize) -> i64 {
        self.start_timestamps_ms.get(at).copied().unwrap_or(0)
    }
}
