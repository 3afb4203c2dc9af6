//! Owns metrics at rest on one machine: the head in memory, its write-ahead log, blocks in
//! Prometheus's format, compaction, retention, and the postings that find series.
//!
//! Must not know PromQL, HTTP, an async runtime or where samples come from. Everything here blocks
//! its thread; nothing here starts one. Whoever opens a [`Db`] calls [`Db::maintain`] every minute or so.
#![allow(dead_code)]

mod block;
mod chunk;
mod error;
mod head;
mod postings;
mod series;
mod stats;
#[cfg(test)]
mod testing;
mod wal;

pub use error::Error;
pub use stats::{BlockStats, Cardinality, Stats};
