//! The flags of a Prometheus server that have no meaning here: taken, so that an unchanged command line starts,
//! and each named with the reason when it is given.

use clap::Args;

/// Flags without a meaning here.
#[derive(Args)]
pub(crate) struct IgnoredFlags {
    #[arg(long = "web.console.templates", hide = true)]
    console_templates: Option<String>,
    #[arg(long = "web.console.libraries", hide = true)]
    console_libraries: Option<String>,
    #[arg(long = "auto-gomaxprocs", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    auto_gomaxprocs: Option<String>,
    #[arg(long = "auto-gomemlimit", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    auto_gomemlimit: Option<String>,
    #[arg(long = "auto-gomemlimit.ratio", hide = true)]
    auto_gomemlimit_ratio: Option<String>,
    #[arg(long = "storage.tsdb.min-block-duration", hide = true)]
    min_block_duration: Option<String>,
    #[arg(long = "storage.tsdb.max-block-chunk-segment-size", hide = true)]
    max_block_chunk_segment_size: Option<String>,
    #[arg(long = "storage.tsdb.wal-segment-size", hide = true)]
    wal_segment_size: Option<String>,
    #[arg(long = "storage.tsdb.no-lockfile", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_lockfile: Option<String>,
    #[arg(long = "storage.tsdb.allow-overlapping-blocks", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_overlapping_blocks: Option<String>,
    #[arg(long = "storage.tsdb.allow-overlapping-compaction", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_overlapping_compaction: Option<String>,
    #[arg(long = "storage.tsdb.wal-compression", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    wal_compression: Option<String>,
    #[arg(long = "storage.tsdb.wal-compression-type", hide = true)]
    wal_compression_type: Option<String>,
    #[arg(long = "storage.tsdb.head-chunks-write-queue-size", hide = true)]
    head_chunks_write_queue_size: Option<String>,
    #[arg(long = "storage.tsdb.samples-per-chunk", hide = true)]
    samples_per_chunk: Option<String>,
    #[arg(long = "storage.tsdb.delayed-compaction.max-percent", hide = true)]
    delayed_compaction_max_percent: Option<String>,
    #[arg(long = "storage.tsdb.delay-compact-file.path", hide = true)]
    delay_compact_file: Option<String>,
    #[arg(long = "storage.tsdb.block-reload-interval", hide = true)]
    block_reload_interval: Option<String>,
    #[arg(long = "scrape.adjust-timestamps", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    adjust_timestamps: Option<String>,
    #[arg(long = "scrape.timestamp-tolerance", hide = true)]
    timestamp_tolerance: Option<String>,
    #[arg(long = "scrape.discovery-reload-interval", hide = true)]
    discovery_reload_interval: Option<String>,
}

impl IgnoredFlags {
    /// Flags that were given, each with the reason why nothing acts on it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let go = "there is no Go runtime here; all processors are used, and memory is bounded by --query.max-samples and \
                  the budgets for series";
        let own_log = "the log here is another one: always compressed, in segments of a fixed size";
        let fixed = "its size is fixed here";
        [
            ("web.console.templates", &self.console_templates, "console templates do not exist here"),
            ("web.console.libraries", &self.console_libraries, "console templates do not exist here"),
            ("auto-gomaxprocs", &self.auto_gomaxprocs, go),
            ("auto-gomemlimit", &self.auto_gomemlimit, go),
            ("auto-gomemlimit.ratio", &self.auto_gomemlimit_ratio, go),
            ("storage.tsdb.min-block-duration", &self.min_block_duration, "blocks are cut every two hours"),
            ("storage.tsdb.max-block-chunk-segment-size", &self.max_block_chunk_segment_size, fixed),
            ("storage.tsdb.wal-segment-size", &self.wal_segment_size, own_log),
            ("storage.tsdb.no-lockfile", &self.no_lockfile, "two servers on one directory would destroy it"),
            (
                "storage.tsdb.allow-overlapping-blocks",
                &self.allow_overlapping_blocks,
                "they are always allowed",
            ),
            (
                "storage.tsdb.allow-overlapping-compaction",
                &self.allow_overlapping_compaction,
                "overlapping blocks are always merged",
            ),
            ("storage.tsdb.wal-compression", &self.wal_compression, own_log),
            ("storage.tsdb.wal-compression-type", &self.wal_compression_type, own_log),
            (
                "storage.tsdb.head-chunks-write-queue-size",
                &self.head_chunks_write_queue_size,
                "chunks of the head are not written to files of their own",
            ),
            ("storage.tsdb.samples-per-chunk", &self.samples_per_chunk, fixed),
            (
                "storage.tsdb.delayed-compaction.max-percent",
                &self.delayed_compaction_max_percent,
                "blocks are cut as soon as they are due",
            ),
            (
                "storage.tsdb.delay-compact-file.path",
                &self.delay_compact_file,
                "blocks are merged whether or not another program has uploaded them; \
                 --storage.tsdb.max-block-duration=2h keeps them as they are",
            ),
            ("storage.tsdb.block-reload-interval", &self.block_reload_interval, "it is a minute here"),
            ("scrape.adjust-timestamps", &self.adjust_timestamps, "samples carry the time of the schedule"),
            (
                "scrape.timestamp-tolerance",
                &self.timestamp_tolerance,
                "samples carry the time of the schedule",
            ),
            (
                "scrape.discovery-reload-interval",
                &self.discovery_reload_interval,
                "changes of targets are taken over as they come",
            ),
        ]
        .into_iter()
        .filter(|(_, value, _)| value.is_some())
        // What upstream's images and charts always give says nothing about what is wanted.
        .filter(|(name, _, _)| !name.starts_with("web.console."))
        .map(|(name, _, why)| format!("--{name} is not acted on: {why}"))
        .collect()
    }
}
