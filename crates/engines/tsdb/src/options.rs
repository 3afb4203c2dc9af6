//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;

use base::Clock;
use model::Matcher;

use crate::budgets::Budgets;
use crate::disk::{Disk, OsDisk};
use crate::error::Error;
use crate::head::starts::StartTimestamps;

/// Prometheus's block range.
pub const BLOCK_RANGE_MS: i64 = 2 * 3_600_000;
/// No block covers more.
pub const BLOCK_MAX_MS: i64 = 31 * 24 * 3_600_000;

/// For so long the log is kept for a follower that does not read it, unless said otherwise.
pub const UNSENT_MAX_MS: i64 = 24 * 3_600_000;

/// Exemplars that are kept unless said otherwise, as in Prometheus.
pub const EXEMPLARS_MAX_DEFAULT: usize = 100_000;

/// How long samples are kept. The limit that is reached first counts.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Blocks older than this, counted back from the newest sample, are deleted. `None` keeps them.
    pub time_ms: Option<i64>,
    /// When blocks and log take more than this, the oldest blocks are deleted. `None` for no limit.
    pub size_bytes: Option<u64>,
    /// The same as a share of the whole file system, 0 to 100.
    pub disk_percent: Option<f64>,
    /// Other times for some series; the first rule whose matchers all match counts.
    pub rules: Vec<RetentionRule>,
}

/// How long some series are kept, longer or shorter than the others.
#[derive(Clone, Debug)]
pub struct RetentionRule {
    /// Which series; all must match.
    pub matchers: Vec<Matcher>,
    /// Their samples older than this, counted back from the newest sample, are deleted.
    pub time_ms: i64,
}

/// Settings of a store.
#[derive(Clone)]
pub struct Options {
    /// The data directory; made if it is missing.
    pub dir: PathBuf,
    /// Blocks older than this, counted back from the newest sample, are deleted. `None` keeps them.
    pub retention_time_ms: Option<i64>,
    /// When blocks and log take more than this, the oldest blocks are deleted. `None` for no limit.
    pub retention_size_bytes: Option<u64>,
    /// The same as a share of the whole file system, 0 to 100.
    pub retention_disk_percent: Option<f64>,
    /// Other times for some series.
    pub retention_rules: Vec<RetentionRule>,
    /// The range of the first blocks. Other than two hours only in tests.
    pub block_range_ms: i64,
    /// A segment of the log is closed when it is this large.
    pub wal_segment_size_bytes: u64,
    /// How many series there may be, and what their labels may be like.
    pub budgets: Budgets,
    /// How far behind the newest sample one may be that is older than the last of its series,
    /// milliseconds; 0 for not at all.
    pub out_of_order_window_ms: i64,
    /// What is done with start timestamps of counters.
    pub start_timestamps: StartTimestamps,
    /// Exemplars that are kept; 0 for none.
    pub exemplars_max: usize,
    /// Whether what leaves the head becomes blocks. If not, only the log and the head hold samples, about three
    /// hours of them: for what sends samples on and is not asked.
    pub keeps_blocks: bool,
    /// How long the log is kept for a follower that does not read it.
    pub unsent_max_ms: i64,
    /// Whether blocks are merged into larger ones.
    pub compaction: bool,
    /// Where time comes from.
    pub clock: Clock,
    /// Where everything is written.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// The usual settings: 15 days, two-hour blocks, segments of 64 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            retention_time_ms: Some(15 * 24 * 3_600_000),
            retention_size_bytes: None,
            retention_disk_percent: None,
            retention_rules: Vec::new(),
            keeps_blocks: true,
            unsent_max_ms: UNSENT_MAX_MS,
            block_range_ms: BLOCK_RANGE_MS,
            wal_segment_size_bytes: 64 << 20,
            budgets: Budgets::default(),
            out_of_order_window_ms: 0,
            start_timestamps: StartTimestamps::default(),
            exemplars_max: EXEMPLARS_MAX_DEFAULT,
            compaction: true,
            clock: Clock::system(),
            disk: Arc::new(OsDisk),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=BLOCK_MAX_MS).contains(&self.block_range_ms) {
            return Err(Error::BadInput("the block range must lie between 1 ms and 31 d".into()));
        }
        Ok(())
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention {
            time_ms: self.retention_time_ms,
            size_bytes: self.retention_size_bytes,
            disk_percent: self.retention_disk_percent,
            rules: self.retention_rules.clone(),
        }
    }

    /// Ranges of blocks, ascending: each three times the one before, up to a tenth of the retention
    /// time and to 31 days.
    pub(crate) fn block_ranges_ms(&self, retention_time_ms: Option<i64>) -> Vec<i64> {
        let max_ms = retention_time_ms.map_or(BLOCK_MAX_MS, |ms| (ms / 10).min(BLOCK_MAX_MS));
        std::iter::successors(Some(self.block_range_ms), |range_ms| range_ms.checked_mul(3))
            .enumerate()
            .take_while(|&(at, range_ms)| at == 0 || range_ms <= max_ms)
            .map(|(_, range_ms)| range_ms)
            .collect()
    }
}
