//! Owns metrics at rest on one machine: the head in memory, its write-ahead log, blocks in
//! Prometheus's format, compaction, retention, and the postings that find series.
//!
//! Must not know PromQL, HTTP, an async runtime or where samples come from. Everything here blocks
//! its thread; nothing here starts one. Whoever opens a [`Db`] calls [`Db::maintain`] every minute or so.

mod backfill;
mod block;
mod budgets;
mod chunk;
mod compact;
mod db;
mod disk;
mod error;
mod follow;
mod foreign;
#[cfg(test)]
mod fuzz;
mod head;
mod inspect;
mod mapping;
mod options;
mod plan;
mod postings;
mod prefetch;
mod selection;
mod series;
mod stats;
#[cfg(test)]
mod testing;
mod wal;

pub use backfill::Backfill;
pub use budgets::{Budgets, OTHER_GROUPS, Refusal, RefusedSeries};
pub use chunk::{Chunk, Encoding, encode as encode_chunks};
pub use db::{Db, MaintenanceReport, Opened, Replayed};
pub use disk::{Disk, DiskFile, OsDisk};
pub use error::Error;
pub use foreign::TakenOver;
pub use head::starts::StartTimestamps;
pub use inspect::{BlockAnalysis, ChunkAnalysis, analyze_block, list_blocks};
pub use options::{
    BLOCK_MAX_MS, BLOCK_RANGE_MS, EXEMPLARS_MAX_DEFAULT, Options, Retention, RetentionRule, UNSENT_MAX_MS,
};
pub use series::merge as merge_samples;
pub use stats::{
    BlockStats, Cardinality, GroupStats, GrowthPoint, LabelCardinality, SelectionCardinality, Stats,
};
pub use wal::replay::WalDamage;
