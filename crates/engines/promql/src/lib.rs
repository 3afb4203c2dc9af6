//! Owns PromQL: the parser with byte positions on every node, the planner and the evaluator, which
//! reads series through [`model::storage::MetricReader`].
//!
//! Must not know where series live, HTTP, or who asks.

pub mod ast;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod eval;
pub mod functions;
pub mod memory;
mod parse;
mod print;

pub use ast::Expr;
pub use eval::{
    Cancel, Emit, Engine, EngineOptions, Explain, ExplainNode, MatrixSeries, Points, Progress, QueryError,
    QueryLimits, QueryResult, QueryStats, SampleValue, Value, VectorSample,
};
pub use parse::{
    Features, HistogramStep, MAX_DEPTH, MAX_NESTING, ParseError, ParseErrors, Position, SequenceValue, parse,
    parse_metric, parse_selector, parse_series_description,
};
pub use print::pretty;
