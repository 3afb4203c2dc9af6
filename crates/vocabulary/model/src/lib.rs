//! Owns the vocabulary of metrics: labels, matchers, samples, native histograms, exemplars, metadata, alerts,
//! and the [`storage`] contract between what stores series and what writes or asks for them.
//!
//! Must not know where series live, how they are encoded or who asks.

pub mod alert;
pub mod caller;
pub mod exemplar;
pub mod histogram;
pub mod label_table;
pub mod labels;
pub mod log;
pub mod matcher;
pub mod metadata;
pub mod relabel;
pub mod sample;
pub mod storage;
pub mod target;

pub use alert::Alert;
pub use caller::{Caller, CallerKind, Role};
pub use exemplar::Exemplar;
pub use histogram::FloatHistogram;
pub use label_table::{LabelTable, SetId};
pub use labels::{Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher};
pub use metadata::{Metadata, MetricType};
pub use sample::{STALE_NAN_BITS, Samples, is_stale_nan, stale_nan};
pub use target::{TargetGroup, TargetGroups, TargetSource};

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";
