//! What a store says about itself.

use model::storage::TimeRange;
use serde::Serialize;

/// A store's counts, from which self-metrics and the status page are made.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Series in the head.
    pub head_series: u64,
    /// Chunks in the head.
    pub head_chunks: u64,
    /// Bytes of closed chunks in the head.
    pub head_chunk_bytes: u64,
    /// Oldest and newest sample of the head.
    pub head_range: Option<TimeRange>,
    /// Series made and removed in the head since the start.
    pub head_series_created: u64,
    /// See `head_series_created`.
    pub head_series_removed: u64,
    /// Samples taken since the start.
    pub samples_appended: u64,
    /// Samples refused as out of order.
    pub samples_out_of_order: u64,
    /// Samples refused because of another value at the same time.
    pub samples_duplicate: u64,
    /// Samples refused as too old.
    pub samples_too_old: u64,
    /// Samples refused as older than the out-of-order window.
    pub samples_outside_window: u64,
    /// Samples taken out of order, inside the window, since the start.
    pub late_samples_appended: u64,
    /// Late samples in the head, of how many series, and bytes of their closed chunks.
    pub late_samples: u64,
    /// See `late_samples`.
    pub late_series: u64,
    /// See `late_samples`.
    pub late_chunk_bytes: u64,
    /// Blocks made of late samples.
    pub late_cuts: u64,
    /// Exemplars taken and refused since the start.
    pub exemplars_appended: u64,
    /// See `exemplars_appended`.
    pub exemplars_refused: u64,
    /// Exemplars that are kept, and of how many series.
    pub exemplars: u64,
    /// See `exemplars`.
    pub exemplar_series: u64,
    /// Metrics whose metadata is kept.
    pub metrics_with_metadata: u64,
    /// Series refused by the limit.
    pub series_refused: u64,
    /// Writes refused because they could not be logged.
    pub writes_refused: u64,
    /// Bytes of the log on disk.
    pub wal_size_bytes: u64,
    /// Bytes written to the log since the start.
    pub wal_written_bytes: u64,
    /// Flushes of the log.
    pub wal_fsyncs: u64,
    /// Flushes of the log that failed.
    pub wal_fsync_failures: u64,
    /// How long reading the log took when the store opened.
    pub wal_replay_seconds: f64,
    /// Places where the log was damaged.
    pub wal_damages: u64,
    /// How often the clock went back between two maintenance runs.
    pub clock_went_back: u64,
    /// Blocks written from the head, blocks merged, runs that failed.
    pub head_cuts: u64,
    /// See `head_cuts`.
    pub compactions: u64,
    /// See `head_cuts`.
    pub compactions_failed: u64,
    /// Blocks deleted because of retention by time and by size.
    pub retention_time_deletions: u64,
    /// See `retention_time_deletions`.
    pub retention_size_deletions: u64,
    /// Blocks rewritten or deleted because series in them are beyond a retention of their own.
    pub retention_rewrites: u64,
    /// Samples that went with that.
    pub retention_samples_removed: u64,
    /// Chunks and parts of an index left out of answers because they are damaged.
    pub chunks_corrupt: u64,
    /// Blocks set aside as corrupt.
    pub blocks_set_aside: u64,
    /// The blocks, oldest first.
    pub blocks: Vec<BlockStats>,
}

/// One block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockStats {
    /// Its name.
    pub ulid: String,
    /// Time of its first sample or the start of its range, milliseconds.
    pub min_time_ms: i64,
    /// Its end, exclusive, milliseconds.
    pub max_time_ms: i64,
    /// Samples in it.
    pub samples: u64,
    /// Series in it.
    pub series: u64,
    /// Chunks in it.
    pub chunks: u64,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// How often its data was merged.
    pub compaction_level: u32,
}

/// What in the head takes how much; tables with the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series.
    pub series: usize,
    /// Distinct label pairs.
    pub label_pairs: usize,
    /// Label names by number of values.
    pub values_by_label_name: Vec<(String, u64)>,
    /// Metric names by number of series.
    pub series_by_metric_name: Vec<(String, u64)>,
    /// Label pairs (`name=value`) by number of series.
    pub series_by_label_pair: Vec<(String, u64)>,
    /// Label names by the bytes that their values take over all series.
    pub bytes_by_label_name: Vec<(String, u64)>,
}

/// A group of series: a job, a tenant; see [`crate::Budgets::group_label`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupStats {
    /// The value of its label, "" for the series without.
    pub name: String,
    /// Series in the head.
    pub series: u64,
    /// Series made in the last hour (or since the start), those that were there before and came back
    /// included.
    pub created_last_hour: u64,
    /// Series it had an hour ago, or at the first count since the start: how long ago in milliseconds,
    /// and how many. `None` before the first count.
    pub before: Option<(i64, u64)>,
    /// How often new series were refused since the start.
    pub refused: u64,
}

/// What the series of a group or of a selection are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SelectionCardinality {
    /// Series.
    pub series: u64,
    /// Distinct label pairs.
    pub label_pairs: u64,
    /// Bytes that their labels take in memory, estimated.
    pub size_bytes: u64,
    /// Metric names by number of series, the largest first.
    pub series_by_metric_name: Vec<(String, u64)>,
    /// The labels, the one with the most values first.
    pub labels: Vec<LabelCardinality>,
    /// One point a minute over the last hour, the oldest first; of a group only.
    pub growth: Vec<GrowthPoint>,
}

/// One label of a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LabelCardinality {
    /// Its name.
    pub name: String,
    /// Distinct values.
    pub values: u64,
    /// Series that have it.
    pub series: u64,
    /// Bytes that it takes in memory over all these series, estimated.
    pub size_bytes: u64,
    /// How many series there would be without it; `None` if there are too many to find out.
    pub series_without: Option<u64>,
    /// Its values by number of series, the largest first.
    pub top_values: Vec<(String, u64)>,
}

/// A group at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GrowthPoint {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Series in the head.
    pub series: u64,
    /// Series made since the start.
    pub created: u64,
}

impl Cardinality {
    /// Keeps the `limit` largest entries of each table.
    pub(crate) fn trim(&mut self, limit: usize) {
        for table in [
            &mut self.values_by_label_name,
            &mut self.series_by_metric_name,
            &mut self.series_by_label_pair,
            &mut self.bytes_by_label_name,
        ] {
            table.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            table.truncate(limit);
        }
    }
}
