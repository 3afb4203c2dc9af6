//! What scraping says about itself. Names are Prometheus's where it has one.

use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled};

/// Jobs that are counted apart.
const JOBS_MAX: usize = 5_000;
/// Intervals that are counted apart.
const INTERVALS_MAX: usize = 100;
const INTERVAL_BOUNDS: &[f64] = &[1.0, 5.0, 10.0, 14.9, 15.1, 29.9, 30.1, 59.9, 60.1, 120.0, 300.0, 3600.0];
const LATE_BOUNDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

pub(crate) struct Stats {
    pub(crate) interval_length: Labelled<Histogram>,
    pub(crate) late: Histogram,
    pub(crate) turns_skipped: Counter,
    pub(crate) pools: Gauge,
    pub(crate) pool_targets: Labelled<Gauge>,
    pub(crate) pool_syncs: Labelled<Counter>,
    pub(crate) pool_target_limit: Labelled<Gauge>,
    pub(crate) target_limit_exceeded: Counter,
    pub(crate) sample_limit_exceeded: Counter,
    pub(crate) body_size_limit_exceeded: Counter,
    pub(crate) label_limit_exceeded: Counter,
    pub(crate) bucket_limit_exceeded: Counter,
    pub(crate) duplicate: Counter,
    pub(crate) out_of_order: Counter,
    pub(crate) out_of_bounds: Counter,
    pub(crate) exemplar_out_of_order: Counter,
    pub(crate) series_refused: Counter,
    pub(crate) storage_failed: Counter,
}

impl Stats {
    pub(crate) fn new(registry: &Registry) -> Self {
        Stats {
            interval_length: registry.histograms(
                "prometheus_target_interval_length_seconds",
                "Time between the starts of two scrapes of a target.",
                &["interval"],
                INTERVALS_MAX,
                INTERVAL_BOUNDS,
            ),
            late: registry.histogram(
                "promontory_scrape_late_seconds",
                "How long after its scheduled time a scrape began.",
                LATE_BOUNDS,
            ),
            turns_skipped: registry.counter(
                "promontory_scrape_turns_skipped_total",
                "Scheduled scrapes that were left out because the one before took too long.",
            ),
            pools: registry.gauge("prometheus_target_scrape_pools_total", "Jobs that are scraped."),
            pool_targets: registry.gauges(
                "prometheus_target_scrape_pool_targets",
                "Targets of a job.",
                &["scrape_job"],
                JOBS_MAX,
            ),
            pool_syncs: registry.counters(
                "prometheus_target_scrape_pool_sync_total",
                "Times that a job's targets were made anew from what was discovered.",
                &["scrape_job"],
                JOBS_MAX,
            ),
            pool_target_limit: registry.gauges(
                "prometheus_target_scrape_pool_target_limit",
                "Targets that a job may have, 0 for any number.",
                &["scrape_job"],
                JOBS_MAX,
            ),
            target_limit_exceeded: registry.counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Times that a job had more targets than it may.",
            ),
            sample_limit_exceeded: registry.counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Scrapes that failed because the page had too many samples.",
            ),
            body_size_limit_exceeded: registry.counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Scrapes that failed because the page was too large.",
            ),
            label_limit_exceeded: registry.counter(
                "promontory_scrapes_exceeded_label_limit_total",
                "Scrapes that failed because a series had too many or too long labels.",
            ),
            bucket_limit_exceeded: registry.counter(
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Scrapes that failed because a native histogram had too many buckets at any resolution.",
            ),
            duplicate: registry.counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Samples left out because their series had another value at that time.",
            ),
            out_of_order: registry.counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Samples left out because their series had a later one.",
            ),
            out_of_bounds: registry.counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Samples left out because they were older than what the store takes, or too far ahead.",
            ),
            exemplar_out_of_order: registry.counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Exemplars left out because their series had a later one, or because their labels are too long.",
            ),
            series_refused: registry.counter(
                "promontory_scrape_series_refused_total",
                "Samples left out because a limit of the store refused their series.",
            ),
            storage_failed: registry.counter(
                "promontory_scrape_storage_failed_total",
                "Scrapes whose samples the store did not take.",
            ),
        }
    }

    pub(crate) fn forget_pool(&self, job: &str) {
        self.pool_targets.remove(&[job]);
        self.pool_syncs.remove(&[job]);
        self.pool_target_limit.remove(&[job]);
    }
}
