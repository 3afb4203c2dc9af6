//! What is sent on: everything that the store logs, to other servers that take remote write. Each receiver
//! follows the log by itself, from a position that the store keeps, so that neither a restart nor a receiver
//! that is away loses samples.

mod config;
mod encode;
mod metrics;
mod queue;
mod reshard;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use exposition::registry::Registry;
use model::Metadata;
use model::log::LogSource;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

pub use config::{MetadataSettings, QueueSettings, Remote};

/// What metrics are, by name.
pub type MetadataSource = Arc<dyn Fn() -> Vec<(String, Metadata)> + Send + Sync>;

/// What sending works with.
#[derive(Clone)]
pub struct SenderDeps {
    /// What is logged.
    pub source: Arc<dyn LogSource>,
    /// What metrics are.
    pub metadata: MetadataSource,
    /// Where it is counted, under Prometheus's names.
    pub registry: Registry,
    /// The time.
    pub clock: Clock,
}

/// Sends to all receivers.
pub struct Sender {
    deps: SenderDeps,
    metrics: metrics::Metrics,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    generation: u64,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self, within: Duration) {
        let _ = self.stop.send(true);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(within, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// How long a receiver that was changed or removed may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

impl Sender {
    /// Sends nothing yet; see [`Sender::apply`].
    pub fn new(deps: SenderDeps) -> Sender {
        let metrics = metrics::Metrics::new(&deps.registry);
        Sender { deps, metrics, running: Mutex::default() }
    }

    /// Makes these the receivers. Those that stay as they are go on undisturbed. What is `unusable` are the names
    /// of receivers that cannot be made now, for want of a file, say: one that runs goes on as it was, and of
    /// each it stays known where sending stood.
    pub async fn apply(&self, remotes: Vec<Remote>, unusable: &[String]) {
        let mut running = self.running.lock().await;
        let names = remotes.iter().map(|remote| &remote.name).chain(unusable);
        let names: Vec<String> = names.cloned().collect();
        let stays = |name: &String, now: &Running| {
            unusable.contains(name)
                || remotes.iter().any(|remote| remote.name == *name && remote.generation == now.generation)
        };
        let (kept, ended): (HashMap<_, _>, HashMap<_, _>) =
            running.drain().partition(|(name, now)| stays(name, now));
        *running = kept;
        for (_, ended) in ended {
            ended.stop(STOP_TIMEOUT).await;
        }
        let source = self.deps.source.clone();
        let begun = tokio::task::spawn_blocking(move || {
            source.forget_followers_but(&names)?;
            names.iter().try_for_each(|name| source.begin(name))
        });
        if let Ok(Err(error)) = begun.await {
            tracing::warn!(%error, "the positions of receivers cannot be written");
        }
        for remote in remotes {
            if running.contains_key(&remote.name) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let (name, generation) = (remote.name.clone(), remote.generation);
            let metrics = self.metrics.of(&remote);
            let task = tokio::spawn(task::run(remote, self.deps.clone(), metrics, stopped));
            running.insert(name, Running { generation, stop, task });
        }
    }

    /// Ends all sending. What was not sent is sent after the next start.
    pub async fn stop(&self, within: Duration) {
        let running: Vec<Running> = self.running.lock().await.drain().map(|(_, running)| running).collect();
        for running in &running {
            let _ = running.stop.send(true);
        }
        for running in running {
            running.stop(within).await;
        }
    }
}
