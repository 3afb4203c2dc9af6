//! What is counted, under the names that dashboards and alerts of Prometheus know.

use exposition::registry::{Counter, Gauge, Histogram, Labelled, Registry};

use super::config::Remote;

const LABELS: &[&str] = &["remote_name", "url"];
const DROPPED_LABELS: &[&str] = &["remote_name", "url", "reason"];
/// Receivers that are counted apart.
const REMOTES_MAX: usize = 1_000;
const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0];

macro_rules! metrics {
    ($($field:ident: $kind:ident = $make:ident($name:literal, $help:literal);)*) => {
        /// What is counted of all receivers.
        pub(super) struct Metrics {
            $($field: Labelled<$kind>,)*
            dropped: [Labelled<Counter>; 3],
            sent_seconds: Labelled<Histogram>,
            highest_in: Gauge,
            samples_in: Counter,
        }

        /// What is counted of one receiver.
        pub(super) struct RemoteMetrics {
            $(pub(super) $field: $kind,)*
            pub(super) sent_seconds: Histogram,
            dropped: [Labelled<Counter>; 3],
            labels: [String; 2],
            pub(super) highest_in: Gauge,
            pub(super) samples_in: Counter,
        }

        impl Metrics {
            pub(super) fn new(registry: &Registry) -> Metrics {
                let dropped = |name, help| registry.counters(name, help, DROPPED_LABELS, 5 * REMOTES_MAX);
                Metrics {
                    $($field: registry.$make($name, $help, LABELS, REMOTES_MAX),)*
                    dropped: [
                        dropped("prometheus_remote_storage_samples_dropped_total", "Samples that were read of the log and not sent, by the reason."),
                        dropped("prometheus_remote_storage_histograms_dropped_total", "Histograms that were read of the log and not sent, by the reason."),
                        dropped("prometheus_remote_storage_exemplars_dropped_total", "Exemplars that were read of the log and not sent, by the reason."),
                    ],
                    sent_seconds: registry.histograms(
                        "prometheus_remote_storage_sent_batch_duration_seconds",
                        "How long requests took.",
                        LABELS,
                        REMOTES_MAX,
                        SECONDS,
                    ),
                    highest_in: registry.gauge(
                        "prometheus_remote_storage_highest_timestamp_in_seconds",
                        "Time of the newest sample that was read of the log, seconds since the epoch.",
                    ),
                    samples_in: registry.counter(
                        "prometheus_remote_storage_samples_in_total",
                        "Samples that were read of the log to be sent, for all receivers.",
                    ),
                }
            }

            /// Those of one receiver.
            pub(super) fn of(&self, remote: &Remote) -> RemoteMetrics {
                let labels = [remote.name.clone(), shown(&remote.url)];
                let values = [labels[0].as_str(), labels[1].as_str()];
                RemoteMetrics {
                    $($field: self.$field.with(&values),)*
                    sent_seconds: self.sent_seconds.with(&values),
                    dropped: self.dropped.clone(),
                    labels: labels.clone(),
                    highest_in: self.highest_in.clone(),
                    samples_in: self.samples_in.clone(),
                }
            }
        }
    };
}

metrics! {
    samples: Counter = counters("prometheus_remote_storage_samples_total", "Samples that were sent, retries included.");
    histograms: Counter = counters("prometheus_remote_storage_histograms_total", "Histograms that were sent, retries included.");
    exemplars: Counter = counters("prometheus_remote_storage_exemplars_total", "Exemplars that were sent, retries included.");
    metadata: Counter = counters("prometheus_remote_storage_metadata_total", "Entries of metadata that were sent.");
    samples_failed: Counter = counters("prometheus_remote_storage_samples_failed_total", "Samples that the receiver refused for good.");
    histograms_failed: Counter = counters("prometheus_remote_storage_histograms_failed_total", "Histograms that the receiver refused for good.");
    exemplars_failed: Counter = counters("prometheus_remote_storage_exemplars_failed_total", "Exemplars that the receiver refused for good.");
    metadata_failed: Counter = counters("prometheus_remote_storage_metadata_failed_total", "Entries of metadata that the receiver refused or did not get.");
    samples_retried: Counter = counters("prometheus_remote_storage_samples_retried_total", "Samples that are sent again after a failure.");
    histograms_retried: Counter = counters("prometheus_remote_storage_histograms_retried_total", "Histograms that are sent again after a failure.");
    exemplars_retried: Counter = counters("prometheus_remote_storage_exemplars_retried_total", "Exemplars that are sent again after a failure.");
    bytes: Counter = counters("prometheus_remote_storage_bytes_total", "Bytes of requests with samples, compressed.");
    metadata_bytes: Counter = counters("prometheus_remote_storage_metadata_bytes_total", "Bytes of requests with metadata, compressed.");
    pending: Gauge = gauges("prometheus_remote_storage_samples_pending", "Samples that wait in the shards or are being sent.");
    histograms_pending: Gauge = gauges("prometheus_remote_storage_histograms_pending", "Histograms that wait in the shards or are being sent.");
    exemplars_pending: Gauge = gauges("prometheus_remote_storage_exemplars_pending", "Exemplars that wait in the shards or are being sent.");
    shards: Gauge = gauges("prometheus_remote_storage_shards", "Shards, which is requests at once.");
    shards_max: Gauge = gauges("prometheus_remote_storage_shards_max", "Shards that there may be.");
    shards_min: Gauge = gauges("prometheus_remote_storage_shards_min", "Shards that there are at least.");
    shards_desired: Gauge = gauges("prometheus_remote_storage_shards_desired", "Shards that it takes to keep up, as measured.");
    shard_capacity: Gauge = gauges("prometheus_remote_storage_shard_capacity", "Samples that a shard holds.");
    max_samples_per_send: Gauge = gauges("prometheus_remote_storage_max_samples_per_send", "Samples of a request.");
    highest_sent: Gauge = gauges("prometheus_remote_storage_queue_highest_sent_timestamp_seconds", "Time of the newest sample that was sent, seconds since the epoch.");
    highest_queued: Gauge = gauges("prometheus_remote_storage_queue_highest_timestamp_seconds", "Time of the newest sample that was taken into the queue, seconds since the epoch.");
}

/// What is dropped.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Sample,
    Histogram,
    Exemplar,
}

impl RemoteMetrics {
    pub(super) fn drop(&self, kind: Kind, reason: &str, count: u64) {
        if count > 0
            && let Some(dropped) = self.dropped.get(kind as usize)
        {
            dropped.with(&[&self.labels[0], &self.labels[1], reason]).add(count);
        }
    }
}

/// A URL without its credentials.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}
