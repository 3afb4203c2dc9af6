//! Sending on: samples to the servers that `remote_write` of `prometheus.yml` names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use config::HttpClientConfig;
use exposition::Registry;
use ingest::{Remote, Sender, SenderDeps};
use model::Labels;
use net::client::Client;
use parking_lot::Mutex;

use crate::prometheus_file::RemoteWrite;
use crate::run::Loaded;
use crate::store::Store;

/// Sends samples on.
pub(crate) struct SendOn {
    sender: Sender,
    /// What was configured under each name, and a number that changes with it.
    known: Mutex<HashMap<String, (RemoteWrite, Labels, u64)>>,
}

impl SendOn {
    /// Sends nothing yet; [`SendOn::apply`] says where to.
    pub(crate) fn new(store: &Store, registry: &Registry, clock: &Clock) -> SendOn {
        let db = store.db.clone();
        let sender = Sender::new(SenderDeps {
            source: store.db.clone(),
            metadata: Arc::new(move || db.metadata(None)),
            registry: registry.clone(),
            clock: clock.clone(),
        });
        SendOn { sender, known: Mutex::default() }
    }

    /// Makes this the configuration in force.
    pub(crate) async fn apply(&self, loaded: &Loaded) {
        let writes = loaded.prometheus.as_ref().map(|file| file.remote_write.as_slice()).unwrap_or_default();
        let external = loaded.global().map(|global| global.external_labels.clone()).unwrap_or_default();
        let (mut remotes, mut unusable) = (Vec::with_capacity(writes.len()), Vec::new());
        for (name, write) in names(writes).into_iter().zip(writes) {
            let signer = write.cloud_auth.signer().map_err(|error| error.to_string());
            let http = HttpClientConfig { spread_addresses: write.round_robin_dns, ..write.http.clone() };
            let made = Client::new(&http).map_err(|error| error.to_string());
            match made.and_then(|client| Ok((client, signer?))) {
                Ok((client, signer)) => {
                    let remote = self.remote(name, write, client, &external);
                    remotes.push(Remote { signer: signer.map(Arc::new), ..remote });
                }
                Err(error) => {
                    tracing::error!(remote = name, error, "samples cannot be sent to a remote_write");
                    unusable.push(name);
                }
            }
        }
        self.sender.apply(remotes, &unusable).await;
    }

    fn remote(&self, name: String, write: &RemoteWrite, client: Client, external: &Labels) -> Remote {
        let mut known = self.known.lock();
        let generation = match known.get(&name) {
            Some((before, labels, generation)) if before == write && labels == external => *generation,
            Some((_, _, generation)) => generation + 1,
            None => 0,
        };
        known.insert(name.clone(), (write.clone(), external.clone(), generation));
        Remote {
            name,
            url: write.url.clone(),
            client,
            signer: None,
            timeout_ms: write.timeout_ms,
            headers: write.headers.clone(),
            external_labels: external.clone(),
            relabel: write.relabel.clone(),
            send_exemplars: write.send_exemplars,
            send_native_histograms: write.send_native_histograms,
            message: write.message,
            failed_request_logging: write.failed_request_logging,
            queue: write.queue.clone(),
            metadata: write.metadata.clone(),
            generation,
        }
    }

    pub(crate) async fn stop(&self, within: Duration) {
        self.sender.stop(within).await;
    }
}

/// The names of the receivers. One without a name is known by its URL, so that what changes beside does not
/// lose where sending stood.
fn names(writes: &[RemoteWrite]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(writes.len());
    for write in writes {
        let name = match write.name.as_str() {
            "" => format!("{:06x}", fingerprint(&write.url)),
            name => name.to_string(),
        };
        let same = names.iter().filter(|other| other.split('#').next() == Some(&name)).count();
        names.push(if same > 0 { format!("{name}#{}", same + 1) } else { name });
    }
    names
}

/// Six digits of a text, always the same.
fn fingerprint(text: &str) -> u64 {
    Labels::from_pairs([("url", text)]).fingerprint() & 0xff_ffff
}
