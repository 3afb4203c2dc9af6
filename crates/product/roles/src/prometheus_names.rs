//! What Prometheus tells about itself, told of us under its names, so that dashboards and alerts which watch a
//! Prometheus watch us. Only what means the same here as there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use exposition::Registry;
use tsdb::Stats;

use crate::ask::Shown;
use crate::store_metrics::{Row, tell};

const BUILD_LABELS: &[&str] = &["version", "revision", "branch", "goversion", "goos", "goarch", "tags"];

const COUNTERS: [Row; 10] = [
    ("prometheus_tsdb_head_series_created_total", "Series made in the head.", |s| {
        s.head_series_created as f64
    }),
    ("prometheus_tsdb_head_series_removed_total", "Series removed from the head.", |s| {
        s.head_series_removed as f64
    }),
    ("prometheus_tsdb_compactions_total", "Blocks merged.", |s| s.compactions as f64),
    ("prometheus_tsdb_compactions_failed_total", "Maintenance runs that failed.", |s| {
        s.compactions_failed as f64
    }),
    ("prometheus_tsdb_reloads_failures_total", "Blocks set aside because they are damaged.", |s| {
        s.blocks_set_aside as f64
    }),
    ("prometheus_tsdb_wal_corruptions_total", "Damaged places found in the log at the start.", |s| {
        s.wal_damages as f64
    }),
    ("prometheus_tsdb_wal_writes_failed_total", "Writes refused because they could not be logged.", |s| {
        s.writes_refused as f64
    }),
    ("prometheus_tsdb_time_retentions_total", "Blocks deleted because they are too old.", |s| {
        s.retention_time_deletions as f64
    }),
    ("prometheus_tsdb_size_retentions_total", "Blocks deleted because they take too much room.", |s| {
        s.retention_size_deletions as f64
    }),
    ("prometheus_tsdb_exemplar_exemplars_appended_total", "Exemplars taken since the start.", |s| {
        s.exemplars_appended as f64
    }),
];

const GAUGES: [Row; 9] = [
    ("prometheus_tsdb_head_series", "Series in the head.", |s| s.head_series as f64),
    ("prometheus_tsdb_head_chunks", "Chunks in the head.", |s| s.head_chunks as f64),
    ("prometheus_tsdb_head_min_time", "Time of the oldest sample of the head, in milliseconds.", |s| {
        s.head_range.map_or(0.0, |range| range.start_ms as f64)
    }),
    ("prometheus_tsdb_head_max_time", "Time of the newest sample of the head, in milliseconds.", |s| {
        s.head_range.map_or(0.0, |range| range.end_ms as f64)
    }),
    ("prometheus_tsdb_head_max_time_seconds", "Time of the newest sample of the head.", |s| {
        s.head_range.map_or(0.0, |range| range.end_ms as f64 / 1000.0)
    }),
    ("prometheus_tsdb_blocks_loaded", "Blocks that are served.", |s| s.blocks.len() as f64),
    ("prometheus_tsdb_storage_blocks_bytes", "Bytes of the blocks on disk.", |s| {
        s.blocks.iter().map(|block| block.size_bytes).sum::<u64>() as f64
    }),
    ("prometheus_tsdb_wal_storage_size_bytes", "Bytes of the log on disk.", |s| s.wal_size_bytes as f64),
    ("prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars that are kept.", |s| s.exemplars as f64),
];

/// Tells of the store; `moment` is what it said before this page was written.
pub(crate) fn register_store(registry: &Registry, moment: &Arc<ArcSwap<Stats>>) {
    tell(registry, moment, &COUNTERS, &GAUGES);
    let by_type: [Row; 3] = [
        ("prometheus_tsdb_head_samples_appended_total", "Samples taken since the start.", |s| {
            s.samples_appended as f64
        }),
        (
            "prometheus_tsdb_out_of_order_samples_total",
            "Samples refused as older than others of their series.",
            |s| s.samples_out_of_order as f64,
        ),
        (
            "prometheus_tsdb_too_old_samples_total",
            "Samples refused as older than the out-of-order window.",
            |s| s.samples_outside_window as f64,
        ),
    ];
    for (name, help, get) in by_type {
        let moment = moment.clone();
        registry
            .counters_fn(name, help, &["type"], move || vec![(vec!["float".into()], get(&moment.load()))]);
    }
}

/// Tells which build runs, and whether its configuration could be read.
pub(crate) fn register_process(registry: &Registry, shown: &Arc<ArcSwap<Shown>>) {
    let build = [env!("CARGO_PKG_VERSION"), "", "", "", std::env::consts::OS, std::env::consts::ARCH, ""];
    registry
        .gauges("prometheus_build_info", "Which build runs; always 1.", BUILD_LABELS, 1)
        .with(&build)
        .set(1.0);
    let now = shown.clone();
    registry.gauge_fn(
        "prometheus_config_last_reload_successful",
        "Whether the configuration was read without a mistake the last time.",
        move || f64::from(u8::from(now.load().reload_succeeded)),
    );
    let now = shown.clone();
    registry.gauge_fn(
        "prometheus_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was read.",
        move || now.load().loaded_at_ms as f64 / 1000.0,
    );
}
