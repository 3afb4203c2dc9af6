//! Owns PromQL: the parser with byte positions on every node, the planner and the evaluator, which
//! reads series through [`model::storage::MetricReader`].
//!
//! Must not know where series live, HTTP, or who asks.

pub mod ast;
