//! What the store counts and measures, told under our names.

use std::sync::Arc;

use arc_swap::ArcSwap;
use exposition::Registry;
use tsdb::Stats;

use crate::prometheus_names;
use crate::store::Store;

/// A metric of the store: its name, its help, its value.
pub(crate) type Row = (&'static str, &'static str, fn(&Stats) -> f64);

const COUNTERS: [Row; 25] = [
    (
        "promontory_tsdb_late_samples_total",
        "Samples taken although their series had later ones: inside the out-of-order window.",
        |s| s.late_samples_appended as f64,
    ),
    (
        "promontory_tsdb_samples_outside_window_total",
        "Samples refused because they are older than the out-of-order window.",
        |s| s.samples_outside_window as f64,
    ),
    ("promontory_tsdb_late_cuts_total", "Blocks made of late samples.", |s| s.late_cuts as f64),
    ("promontory_tsdb_exemplars_appended_total", "Exemplars taken since the start.", |s| {
        s.exemplars_appended as f64
    }),
    (
        "promontory_tsdb_exemplars_refused_total",
        "Exemplars refused: older than the last one of their series, or with labels that are too long.",
        |s| s.exemplars_refused as f64,
    ),
    ("promontory_tsdb_samples_appended_total", "Samples taken since the start.", |s| {
        s.samples_appended as f64
    }),
    (
        "promontory_tsdb_samples_out_of_order_total",
        "Samples refused because their series has later ones.",
        |s| s.samples_out_of_order as f64,
    ),
    (
        "promontory_tsdb_samples_duplicate_total",
        "Samples refused because their series has another value at that time.",
        |s| s.samples_duplicate as f64,
    ),
    ("promontory_tsdb_samples_too_old_total", "Samples refused because they are older than the head.", |s| {
        s.samples_too_old as f64
    }),
    ("promontory_tsdb_series_refused_total", "New series refused by the limit of series.", |s| {
        s.series_refused as f64
    }),
    (
        "promontory_tsdb_writes_refused_total",
        "Writes refused because they could not be logged, for example on a full disk.",
        |s| s.writes_refused as f64,
    ),
    ("promontory_tsdb_head_series_created_total", "Series made in the head.", |s| {
        s.head_series_created as f64
    }),
    ("promontory_tsdb_head_series_removed_total", "Series removed from the head.", |s| {
        s.head_series_removed as f64
    }),
    ("promontory_tsdb_wal_written_bytes_total", "Bytes written to the log.", |s| s.wal_written_bytes as f64),
    ("promontory_tsdb_wal_fsyncs_total", "Flushes of the log to disk.", |s| s.wal_fsyncs as f64),
    ("promontory_tsdb_wal_fsync_failures_total", "Flushes of the log that failed.", |s| {
        s.wal_fsync_failures as f64
    }),
    ("promontory_tsdb_wal_damages_total", "Damaged places found in the log at the start.", |s| {
        s.wal_damages as f64
    }),
    ("promontory_tsdb_clock_went_back_total", "How often the clock went back.", |s| s.clock_went_back as f64),
    ("promontory_tsdb_compactions_total", "Blocks merged.", |s| s.compactions as f64),
    ("promontory_tsdb_compactions_failed_total", "Maintenance runs that failed.", |s| {
        s.compactions_failed as f64
    }),
    (
        "promontory_tsdb_retention_deletions_total",
        "Blocks deleted because they are too old or take too much room.",
        |s| (s.retention_time_deletions + s.retention_size_deletions) as f64,
    ),
    (
        "promontory_tsdb_retention_rewrites_total",
        "Blocks written anew because series in them are beyond a retention of their own.",
        |s| s.retention_rewrites as f64,
    ),
    (
        "promontory_tsdb_retention_samples_removed_total",
        "Samples removed because their series are beyond a retention of their own.",
        |s| s.retention_samples_removed as f64,
    ),
    ("promontory_tsdb_blocks_set_aside_total", "Blocks set aside because they are damaged.", |s| {
        s.blocks_set_aside as f64
    }),
    (
        "promontory_tsdb_chunks_corrupt_total",
        "Chunks and parts of an index left out of answers because they are damaged.",
        |s| s.chunks_corrupt as f64,
    ),
];

const GAUGES: [Row; 12] = [
    ("promontory_tsdb_late_samples", "Late samples in the head.", |s| s.late_samples as f64),
    ("promontory_tsdb_late_chunks_bytes", "Bytes of closed chunks of late samples in the head.", |s| {
        s.late_chunk_bytes as f64
    }),
    ("promontory_tsdb_exemplars", "Exemplars that are kept.", |s| s.exemplars as f64),
    ("promontory_tsdb_exemplar_series", "Series with exemplars.", |s| s.exemplar_series as f64),
    ("promontory_tsdb_metrics_with_metadata", "Metrics of which type, unit or help is kept.", |s| {
        s.metrics_with_metadata as f64
    }),
    ("promontory_tsdb_head_series", "Series in the head.", |s| s.head_series as f64),
    ("promontory_tsdb_head_chunks", "Chunks in the head.", |s| s.head_chunks as f64),
    ("promontory_tsdb_head_chunks_bytes", "Bytes of closed chunks in the head.", |s| {
        s.head_chunk_bytes as f64
    }),
    ("promontory_tsdb_wal_size_bytes", "Bytes of the log on disk.", |s| s.wal_size_bytes as f64),
    ("promontory_tsdb_blocks", "Blocks that are served.", |s| s.blocks.len() as f64),
    ("promontory_tsdb_blocks_bytes", "Bytes of the blocks on disk.", |s| {
        s.blocks.iter().map(|b| b.size_bytes).sum::<u64>() as f64
    }),
    ("promontory_tsdb_wal_replay_seconds", "How long reading the log took at the start.", |s| {
        s.wal_replay_seconds
    }),
];

/// Tells of the metrics of two tables; `moment` is what the store said before the page was written.
pub(crate) fn tell(registry: &Registry, moment: &Arc<ArcSwap<Stats>>, counters: &[Row], gauges: &[Row]) {
    for (name, help, get) in counters.iter().copied() {
        let moment = moment.clone();
        registry.counter_fn(name, help, move || get(&moment.load()));
    }
    for (name, help, get) in gauges.iter().copied() {
        let moment = moment.clone();
        registry.gauge_fn(name, help, move || get(&moment.load()));
    }
}

/// Counts what the store does.
pub(crate) fn register(registry: &Registry, store: &Store) {
    // One look for all metrics of a page: it goes through all series.
    let moment = Arc::new(ArcSwap::from_pointee(Stats::default()));
    registry.before_collect({
        let (db, moment) = (store.db.clone(), moment.clone());
        move || moment.store(Arc::new(db.stats()))
    });
    tell(registry, &moment, &COUNTERS, &GAUGES);
    prometheus_names::register_store(registry, &moment);
    let db = store.db.clone();
    let names = &["group", "reason"];
    registry.counters_fn(
        "promontory_tsdb_group_series_refused_total",
        "New series refused by a budget, by the group (job) that they belong to.",
        names,
        move || {
            let refused = db.refused_series().into_iter();
            refused.map(|r| (vec![r.group, r.reason.as_str().to_string()], r.count as f64)).collect()
        },
    );
    let db = store.db.clone();
    registry.gauge_fn("promontory_tsdb_series_max", "Series that the head may hold.", move || {
        db.budgets().series_max as f64
    });
}
