//! Asking elsewhere: what the servers that `remote_read` of `prometheus.yml` names have, in queries and rules.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use exposition::Registry;
use model::Labels;
use model::storage::MetricReader;
use net::client::Client;
use query::remotes::{Remote, Remotes};

use crate::prometheus_file::RemoteRead;
use crate::run::Loaded;
use crate::store::Store;

/// How long after its oldest block begins the store is trusted to have everything: a server that is new takes
/// a while to get its targets, and the oldest block may be cut.
const SETTLING_MS: i64 = 2 * tsdb::BLOCK_RANGE_MS;

/// The store and the servers elsewhere.
pub(crate) struct Elsewhere(Arc<Remotes>);

impl Elsewhere {
    /// The store alone; [`Elsewhere::apply`] names servers.
    pub(crate) fn new(store: &Store, registry: &Registry, clock: &Clock) -> Elsewhere {
        let (db, now) = (store.db.clone(), clock.clone());
        // Without a block there may be something older elsewhere, whatever the head has.
        let local_since_ms =
            move || db.oldest_block_ms().unwrap_or_else(|| now.now_ms()).saturating_add(SETTLING_MS);
        Elsewhere(Arc::new(Remotes::new(store.db.clone(), local_since_ms, registry, clock)))
    }

    /// What queries read.
    pub(crate) fn reader(&self) -> Arc<dyn MetricReader> {
        self.0.clone()
    }

    /// Makes this the configuration in force.
    pub(crate) fn apply(&self, loaded: &Loaded) {
        let reads = loaded.prometheus.as_ref().map(|file| file.remote_read.as_slice()).unwrap_or_default();
        let external = loaded.global().map(|global| global.external_labels.clone()).unwrap_or_default();
        let mut remotes = Vec::with_capacity(reads.len());
        for read in reads {
            match Client::new(&read.http) {
                Ok(client) => remotes.push(remote(read, client, &external)),
                Err(error) => tracing::error!(url = read.url, %error, "nothing can be read from here"),
            }
        }
        self.0.apply(remotes);
    }
}

fn remote(read: &RemoteRead, client: Client, external: &Labels) -> Remote {
    Remote {
        name: read.name.clone(),
        url: read.url.clone(),
        client,
        timeout: Duration::from_millis(read.timeout_ms.max(1).unsigned_abs()),
        headers: read.headers.clone(),
        frame_max_bytes: read.chunked_read_limit_bytes,
        read_recent: read.read_recent,
        required: read.required_matchers.clone(),
        external: if read.filter_external_labels { external.clone() } else { Labels::empty() },
    }
}
