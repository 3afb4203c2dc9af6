//! Exemplars: single observations that stand for a sample, most often with the trace they belong to.

use crate::labels::Labels;

/// The most characters that the names and values of an exemplar's labels may have together
/// (OpenMetrics 1.0, "Exemplars").
pub const EXEMPLAR_LABELS_MAX_CHARS: usize = 128;

/// One observation, kept beside the series whose sample it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its own labels, such as `trace_id`; not those of the series.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Whether the source gave the time. If not, it is the time of the sample, and the same labels and
    /// value seen again later are the same exemplar.
    pub timestamp_given: bool,
}

impl Exemplar {
    /// Whether the labels are longer than OpenMetrics allows.
    pub fn is_too_long(&self) -> bool {
        let chars = self
            .labels
            .iter()
            .map(|(name, value)| name.chars().count() + value.chars().count())
            .sum::<usize>();
        chars > EXEMPLAR_LABELS_MAX_CHARS
    }

    /// Whether this is the same observation as another one.
    pub fn is_same(&self, other: &Exemplar) -> bool {
        let same_time = match self.timestamp_given {
            true => other.timestamp_given && self.timestamp_ms == other.timestamp_ms,
            false => !other.timestamp_given,
        };
        same_time && self.value.to_bits() == other.value.to_bits() && self.labels == other.labels
    }
}
