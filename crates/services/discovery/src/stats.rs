//! What discovery says about itself, under Prometheus's names.

use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled, Summary};

/// Jobs that are counted apart.
const JOBS_MAX: usize = 5_000;
/// Files whose times are told.
const FILES_MAX: usize = 5_000;
/// Kinds of discovery, some to spare.
const KINDS_MAX: usize = 64;

pub(crate) struct Stats {
    /// `scrape` or `notify`.
    pub(crate) purpose: &'static str,
    pub(crate) discovered_targets: Labelled<Gauge>,
    pub(crate) last_update: Labelled<Gauge>,
    pub(crate) received: Labelled<Counter>,
    pub(crate) updates: Labelled<Counter>,
    pub(crate) failing: Labelled<Gauge>,
    pub(crate) refresh_failures: Labelled<Counter>,
    pub(crate) refresh_duration: Labelled<Histogram>,
    pub(crate) refresh_durations: Labelled<Summary>,
    pub(crate) updates_delayed: Labelled<Counter>,
    pub(crate) file_scans: Summary,
    pub(crate) file_times: Labelled<Gauge>,
    pub(crate) file_read_errors: Counter,
    pub(crate) dns_lookups: Counter,
    pub(crate) dns_lookup_failures: Counter,
    pub(crate) azure_cache_hits: Counter,
    pub(crate) consul_rpcs: Labelled<Histogram>,
    pub(crate) kubernetes_events: Labelled<Counter>,
    /// Failures that a kind counts for itself, by the kind's name.
    of_kinds: Vec<(&'static str, Counter)>,
}

/// Kinds that have a counter of failures of their own.
const OF_KINDS: [(&str, &str, &str); 8] = [
    ("azure", "prometheus_sd_azure_failures_total", "Times that Azure's API did not answer as it should."),
    ("consul", "prometheus_sd_consul_rpc_failures_total", "Calls of Consul that failed."),
    ("http", "prometheus_sd_http_failures_total", "Times that a server did not name its targets."),
    ("kubernetes", "prometheus_sd_kubernetes_failures_total", "Lists and watches of Kubernetes that failed."),
    ("kuma", "prometheus_sd_kuma_fetch_failures_total", "Times that Kuma did not name its targets."),
    ("linode", "prometheus_sd_linode_failures_total", "Times that Linode's API did not answer as it should."),
    ("nomad", "prometheus_sd_nomad_failures_total", "Times that Nomad did not answer as it should."),
    (
        "zookeeper",
        "prometheus_treecache_zookeeper_failures_total",
        "Times that ZooKeeper did not answer as it should.",
    ),
];

impl Stats {
    pub(crate) fn new(purpose: &'static str, registry: &Registry) -> Self {
        let of_kinds = OF_KINDS.iter().map(|(kind, name, help)| (*kind, registry.counter(name, help)));
        let stats = Stats {
            purpose,
            discovered_targets: registry.gauges(
                "prometheus_sd_discovered_targets",
                "Targets that were discovered for a job.",
                &["name", "config"],
                JOBS_MAX,
            ),
            last_update: registry.gauges(
                "prometheus_sd_last_update_timestamp_seconds",
                "When the targets of a job last changed.",
                &["name", "config"],
                JOBS_MAX,
            ),
            received: registry.counters(
                "prometheus_sd_received_updates_total",
                "Times that a source named its targets anew.",
                &["name"],
                2,
            ),
            updates: registry.counters(
                "prometheus_sd_updates_total",
                "Times that the targets of a job changed.",
                &["name"],
                2,
            ),
            failing: registry.gauges(
                "prometheus_sd_failed_configs",
                "Sections whose source does not answer as it should now; their last targets stay.",
                &["name"],
                2,
            ),
            refresh_failures: registry.counters(
                "prometheus_sd_refresh_failures_total",
                "Times that a source that is asked again and again did not answer as it should.",
                &["mechanism", "config"],
                JOBS_MAX,
            ),
            refresh_duration: registry.histograms(
                "prometheus_sd_refresh_duration_histogram_seconds",
                "How long a source took to name its targets.",
                &["mechanism"],
                KINDS_MAX,
                &[0.01, 0.1, 1.0, 10.0],
            ),
            refresh_durations: registry.summaries(
                "prometheus_sd_refresh_duration_seconds",
                "How long the source of a job took to name its targets.",
                &["mechanism", "config"],
                JOBS_MAX,
            ),
            updates_delayed: registry.counters(
                "prometheus_sd_updates_delayed_total",
                "Times that changed targets could not be handed on at once; here they always can.",
                &["name"],
                2,
            ),
            file_scans: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "How long looking at the files of a section took.",
            ),
            file_times: registry.gauges(
                "prometheus_sd_file_mtime_seconds",
                "When a file of targets that was read was last changed.",
                &["filename"],
                FILES_MAX,
            ),
            file_read_errors: registry
                .counter("prometheus_sd_file_read_errors_total", "Files of targets that could not be read."),
            dns_lookups: registry.counter("prometheus_sd_dns_lookups_total", "Names that were looked up."),
            dns_lookup_failures: registry
                .counter("prometheus_sd_dns_lookup_failures_total", "Names that could not be looked up."),
            azure_cache_hits: registry.counter(
                "prometheus_sd_azure_cache_hit_total",
                "Network interfaces of Azure that did not have to be asked for.",
            ),
            consul_rpcs: registry.histograms(
                "prometheus_sd_consul_rpc_duration_seconds",
                "How long a call of Consul took.",
                &["endpoint", "call"],
                8,
                &[0.01, 0.1, 1.0, 10.0, 60.0],
            ),
            kubernetes_events: registry.counters(
                "prometheus_sd_kubernetes_events_total",
                "Changes that Kubernetes told.",
                &["role", "event"],
                64,
            ),
            of_kinds: of_kinds.collect(),
        };
        stats.updates_delayed.with(&[purpose]);
        stats
    }

    /// Counts a failure where the kind has a counter of its own.
    pub(crate) fn count_failure(&self, kind: &str) {
        if let Some((_, counter)) = self.of_kinds.iter().find(|(name, _)| *name == kind) {
            counter.inc();
        }
    }
}
