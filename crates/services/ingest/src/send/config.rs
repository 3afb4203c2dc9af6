//! Where samples are sent on, and how they wait.

use std::sync::Arc;

use model::Labels;
use model::relabel::RelabelRule;
use net::client::Client;

use crate::receive::WriteMessage;

/// How samples wait to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// Samples that a shard holds.
    pub capacity: i64,
    /// Requests at once, at most.
    pub max_shards: i64,
    /// Requests at once, at least.
    pub min_shards: i64,
    /// Samples of a request.
    pub max_samples_per_send: i64,
    /// How long a sample waits for others.
    pub batch_send_deadline_ms: i64,
    /// How long after a failure, at first.
    pub min_backoff_ms: i64,
    /// How long after a failure, at most.
    pub max_backoff_ms: i64,
    /// Whether "too many requests" is tried again.
    pub retry_on_http_429: bool,
    /// Older samples are not sent; 0 is no limit.
    pub sample_age_limit_ms: i64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2_000,
            batch_send_deadline_ms: 5_000,
            min_backoff_ms: 30,
            max_backoff_ms: 5_000,
            retry_on_http_429: false,
            sample_age_limit_ms: 0,
        }
    }
}

/// When metadata is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataSettings {
    /// Whether at all.
    pub send: bool,
    /// How often.
    pub send_interval_ms: i64,
    /// Entries of a request.
    pub max_samples_per_send: i64,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        MetadataSettings { send: true, send_interval_ms: 60_000, max_samples_per_send: 2_000 }
    }
}

/// Somewhere that samples are sent on to.
#[derive(Clone)]
pub struct Remote {
    /// Its name, which no other has: positions are kept under it.
    pub name: String,
    /// Where.
    pub url: String,
    /// How to reach it.
    pub client: Client,
    /// How requests are signed, if a cloud asks for it.
    pub signer: Option<Arc<cloud::Signer>>,
    /// How long a request may take.
    pub timeout_ms: i64,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Labels that every series gets which has none of that name.
    pub external_labels: Labels,
    /// Rules that each series goes through before it is sent.
    pub relabel: Vec<RelabelRule>,
    /// Whether exemplars are sent.
    pub send_exemplars: bool,
    /// Whether native histograms are sent.
    pub send_native_histograms: bool,
    /// How samples are written down.
    pub message: WriteMessage,
    /// Whether requests that fail are logged with what they held.
    pub failed_request_logging: bool,
    /// How samples wait.
    pub queue: QueueSettings,
    /// When metadata is sent.
    pub metadata: MetadataSettings,
    /// Changes when anything else does: then sending begins anew from where it stood.
    pub generation: u64,
}
