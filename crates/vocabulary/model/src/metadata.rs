//! What is known about a metric beyond its samples.

use std::fmt;

/// The type a metric declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// Not declared.
    #[default]
    Unknown,
    /// Only rises, except when its process restarts.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// A histogram whose buckets may fall.
    GaugeHistogram,
    /// Quantiles counted by the client.
    Summary,
    /// Always 1, its labels are the information.
    Info,
    /// One series a state, 1 for those that hold.
    StateSet,
}

impl MetricType {
    /// The name in Prometheus's text format and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricType::Unknown => "unknown",
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
        }
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Type, unit and help of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// The declared type.
    pub metric_type: MetricType,
    /// The declared unit, or "".
    pub unit: String,
    /// The help text, or "".
    pub help: String,
}
