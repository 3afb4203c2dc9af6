//! The evaluator. An expression is evaluated over steps (an instant query has one); a vector is a
//! list of rows, one a series, with one value a step. Leaves decode a series once, slide its windows
//! once and hand the row on, so that an aggregation never holds its input.

use std::time::Duration;

use base::clock::Clock;
use base::{Classify, ErrorClass};
use model::histogram::FloatHistogram;
use model::labels::Labels;
use model::storage::StorageError;
use std::sync::Arc;

mod aggregate;
mod annotations;
mod binary;
mod budget;
mod call;
mod durations;
mod engine;
mod explain;
mod functions;
mod leaf;
mod matching;
mod points;
mod ranking;
mod rows;
mod selector;
mod stream;
mod subquery;
mod tree;
mod value;
mod wide;
mod window;
mod work;

pub use budget::{Cancel, Progress, QueryLimits};
pub use engine::Engine;
pub use explain::{Explain, ExplainNode};
pub use points::{Points, PointsIter};
pub use stream::Emit;

/// How the engine works.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How far back an instant selector looks for a sample.
    pub lookback_ms: i64,
    /// How many samples a query may hold at once.
    pub max_samples: u64,
    /// How many bytes the rows of a query may take at once.
    pub max_bytes: u64,
    /// Bytes that all queries at once may hold; one that holds little goes on beyond it.
    pub max_bytes_together: u64,
    /// How long a query may take.
    pub timeout: Duration,
    /// The distance of a subquery's steps where it names none.
    pub default_subquery_step_ms: i64,
    /// Whether names are removed at the end of a query instead of by each operation.
    pub delayed_name_removal: bool,
    /// Whether counters use the time since when they count.
    pub use_start_timestamps: bool,
    /// Whether series carry their type and unit as labels.
    pub type_and_unit_labels: bool,
    /// Measures how long a query takes.
    pub clock: Clock,
    /// How many threads one query may use.
    pub threads: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            lookback_ms: 5 * 60_000,
            max_samples: 50_000_000,
            max_bytes: 2 << 30,
            max_bytes_together: 4 << 30,
            timeout: Duration::from_secs(120),
            default_subquery_step_ms: 60_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
            clock: Clock::system(),
            threads: 1,
        }
    }
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The query makes no sense.
    #[error("{0}")]
    Parse(String),
    /// Its evaluation failed.
    #[error("{0}")]
    Execution(String),
    /// It took too long.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// It was stopped.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// It holds more than it may.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The queries that run hold all the memory that there is for queries.
    #[error("the queries that run hold all memory that queries may; try again later")]
    Crowded,
    /// The store failed.
    #[error("expanding series: {0}")]
    Storage(#[from] StorageError),
}

impl Classify for QueryError {
    fn class(&self) -> ErrorClass {
        match self {
            QueryError::Parse(_) | QueryError::Execution(_) => ErrorClass::BadInput,
            QueryError::Timeout => ErrorClass::Timeout,
            QueryError::Canceled => ErrorClass::Canceled,
            QueryError::TooManySamples => ErrorClass::TooLarge,
            QueryError::Crowded => ErrorClass::Unavailable,
            QueryError::Storage(error) => error.class(),
        }
    }
}

/// A sample's value.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// One series of an instant query's result.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// The time of the evaluation, milliseconds since the epoch.
    pub time_ms: i64,
    /// Its value.
    pub value: SampleValue,
}

/// One series with its samples in time order.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Its labels.
    pub labels: Labels,
    /// Time in milliseconds since the epoch, and value.
    pub points: Points,
}

/// What a query yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number and its time in milliseconds since the epoch.
    Scalar(f64, i64),
    /// A text and its time in milliseconds since the epoch.
    String(String, i64),
    /// One sample a series, in the order of the evaluation (which `sort` and `topk` decide).
    Vector(Vec<VectorSample>),
    /// Samples over time, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

/// What a query cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryStats {
    /// Samples decoded.
    pub samples_read: u64,
    /// Samples looked at, those in several windows several times.
    pub total_samples: u64,
    /// Samples held at once, at most.
    pub peak_samples: u64,
    /// Bytes of rows held at once, at most.
    pub peak_bytes: u64,
    /// Series selected.
    pub series: u64,
    /// Samples looked at for each step; empty if not asked for.
    pub samples_per_step: Vec<u64>,
    /// Those of them that are new at their step, because no window had them before; empty if not asked for.
    pub read_per_step: Vec<u64>,
    /// Seconds spent in the evaluation.
    pub eval_seconds: f64,
    /// Seconds spent sorting and shaping the result.
    pub sort_seconds: f64,
    /// Seconds in all.
    pub total_seconds: f64,
}

/// A query's value, what there is to say about it, and its cost.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// Warnings, ending with ` (line:column)`.
    pub warnings: Vec<String>,
    /// Remarks, ending with ` (line:column)`.
    pub infos: Vec<String>,
    /// The cost.
    pub stats: QueryStats,
    /// What each part costs, if [`QueryLimits::explain`] asks for it.
    pub explain: Option<ExplainNode>,
}
