//! All jobs together: start, reload, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use config::http_client::PathBase;
use config::yaml::{Node, Position, Value};
use exposition::Registry;
use model::storage::MetricWriter;
use model::{Labels, TargetSource};
use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};

use crate::config::{Config, GlobalConfig};
use crate::fetch::{Connect, Fetch, LocalFetch, LocalTarget};
use crate::pool::Pool;
use crate::runner::{Common, Stop};
use crate::stats::Stats;
use crate::status::PoolStatus;
use crate::target::Target;

/// Changes of a job's targets are taken together for this long.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// What scraping needs.
pub struct Deps {
    /// Where samples go.
    pub writer: Arc<dyn MetricWriter>,
    /// Where targets come from.
    pub targets: Arc<dyn TargetSource>,
    /// How pages are got: [`crate::http`] unless in a test.
    pub connect: Connect,
    /// The time.
    pub clock: Clock,
    /// Where scraping counts what it does.
    pub registry: Registry,
    /// Differs between instances that scrape the same targets, so that they do so at different
    /// times; the same after a restart. A hash of the host's name and the external labels.
    pub seed: u64,
    /// What is done beyond what the configuration says.
    pub features: Features,
    /// Parts of this process that are scraped like targets, at the global interval.
    pub local: Vec<LocalTarget>,
}

/// What is done beyond what the configuration says: Prometheus's feature flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Since when counters have been counting is read from the pages, and protobuf, which tells it best, is
    /// asked for first unless the configuration names protocols.
    pub start_timestamps: bool,
    /// Where a target does not tell, counters count since they were first seen.
    pub synthesized_starts: bool,
    /// Series get the labels `__type__` and `__unit__`.
    pub type_and_unit_labels: bool,
    /// Further series describe each scrape unless the configuration says otherwise.
    pub extra_scrape_metrics: bool,
}

/// The scraping service.
pub struct Scraper;

/// A running scraping service. Cheap to clone. Dropping it does not stop it; [`Handle::stop`] does.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    common: Arc<Common>,
    targets: Arc<dyn TargetSource>,
    connect: Connect,
    local: Vec<LocalTarget>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pools: BTreeMap<String, (Arc<Pool>, AbortHandle)>,
    local_pools: BTreeMap<String, (Arc<Pool>, Vec<Arc<dyn Fetch>>)>,
    ending: Vec<JoinHandle<()>>,
    stopped: bool,
}

impl Scraper {
    /// Starts without jobs; [`Handle::apply`] gives it some. Must be called inside a tokio runtime.
    pub fn start(deps: Deps) -> Handle {
        let stats = Stats::new(&deps.registry);
        Handle(Arc::new(Inner {
            common: Arc::new(Common::new(deps.writer, deps.clock, stats, deps.seed, deps.features)),
            targets: deps.targets,
            connect: deps.connect,
            local: deps.local,
            state: Mutex::default(),
        }))
    }
}

impl Handle {
    /// Makes these the jobs. What is the same as before goes on undisturbed; a changed job keeps
    /// the series of targets that it still has; the series of targets that are gone end. Must be
    /// called inside a tokio runtime.
    pub fn apply(&self, global: &GlobalConfig, configs: Vec<Config>) {
        let Inner { common, targets, connect, .. } = &*self.0;
        let mut state = self.0.state.lock();
        if state.stopped {
            return;
        }
        state.ending.retain(|task| !task.is_finished());
        common.failure_logs.open(configs.iter().filter_map(|config| config.failure_log_file.as_deref()));
        let gone: Vec<String> = state
            .pools
            .keys()
            .filter(|name| !configs.iter().any(|config| config.job_name == **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some((pool, watcher)) = state.pools.remove(&name) {
                watcher.abort();
                let tasks = pool.stop(Stop::Gone);
                state.ending.extend(tasks);
                common.stats.forget_pool(&name);
            }
        }
        for config in configs {
            let name = config.job_name.clone();
            let seen_version = targets.current(&name).version;
            let pool = match state.pools.get(&name) {
                Some((pool, _)) => {
                    if !pool.configure(config, connect) {
                        continue;
                    }
                    pool.clone()
                }
                None => {
                    let fetch = connect(&config.http);
                    let pool = Arc::new(Pool::new(config, fetch));
                    let watch = watch(common.clone(), targets.clone(), pool.clone(), seen_version);
                    let watcher = tokio::spawn(watch);
                    state.pools.insert(name.clone(), (pool.clone(), watcher.abort_handle()));
                    pool
                }
            };
            pool.sync(common, &**targets);
        }
        self.0.apply_local(&mut state, global);
        common.stats.pools.set((state.pools.len() + state.local_pools.len()) as f64);
    }

    /// All jobs and their targets, in the order of the jobs' names, those of this process last.
    pub fn status(&self) -> Vec<PoolStatus> {
        let state = self.0.state.lock();
        let pools: Vec<Arc<Pool>> = state
            .pools
            .values()
            .map(|(pool, _)| pool.clone())
            .chain(state.local_pools.values().map(|(pool, _)| pool.clone()))
            .collect();
        drop(state);
        pools.iter().map(|pool| pool.status()).collect()
    }

    /// Stops scraping. Series do not end: whoever starts next goes on with them. Returns when all
    /// is written, or after `bound` with false if something is stuck.
    pub async fn stop(&self, bound: Duration) -> bool {
        let mut tasks = Vec::new();
        {
            let mut state = self.0.state.lock();
            state.stopped = true;
            for (pool, watcher) in std::mem::take(&mut state.pools).into_values() {
                watcher.abort();
                tasks.extend(pool.stop(Stop::Shutdown));
            }
            for (pool, _) in std::mem::take(&mut state.local_pools).into_values() {
                tasks.extend(pool.stop(Stop::Shutdown));
            }
            tasks.append(&mut state.ending);
        }
        let aborts: Vec<AbortHandle> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let in_time = tokio::time::timeout(bound, all).await.is_ok();
        aborts.iter().for_each(AbortHandle::abort);
        in_time
    }
}

/// Keeps a job's targets up to date.
async fn watch(common: Arc<Common>, targets: Arc<dyn TargetSource>, pool: Arc<Pool>, mut seen_version: u64) {
    loop {
        targets.changed(pool.name(), seen_version).await;
        seen_version = targets.current(pool.name()).version;
        pool.sync(&common, &*targets);
        tokio::time::sleep(SYNC_INTERVAL).await;
    }
}

impl Inner {
    fn apply_local(&self, state: &mut State, global: &GlobalConfig) {
        for LocalTarget { job, honor_labels, .. } in &self.local {
            let config = match local_config(job, *honor_labels, global) {
                Ok(config) => config,
                Err(error) => {
                    tracing::warn!(job, %error, "this process's own metrics are not scraped");
                    continue;
                }
            };
            let of_job = || self.local.iter().filter(|target| target.job == *job);
            let (pool, fetches) = state.local_pools.entry(job.clone()).or_insert_with(|| {
                let fetches: Vec<Arc<dyn Fetch>> = of_job()
                    .map(|target| Arc::new(LocalFetch(target.render.clone())) as Arc<dyn Fetch>)
                    .collect();
                (Arc::new(Pool::new(config.clone(), (self.connect)(&config.http))), fetches)
            });
            pool.configure(config.clone(), &self.connect);
            let targets = of_job().zip(fetches.iter());
            let targets = targets.map(|(target, fetch)| (local_target(target, &config), fetch.clone()));
            pool.set(&self.common, targets.collect());
        }
    }
}

/// A job that takes everything else over from the global section.
fn local_config(job: &str, honor_labels: bool, global: &GlobalConfig) -> config::Result<Config> {
    let scalar = |text: &str| Node {
        value: Value::Scalar { text: text.to_string(), plain: false },
        position: Position::default(),
    };
    let node = Node {
        value: Value::Mapping(vec![(scalar("job_name"), scalar(job))]),
        position: Position::default(),
    };
    let config = Config::decode(&node, global, &PathBase::new(std::path::Path::new("")))?;
    Ok(Config { honor_labels, ..config })
}

fn local_target(target: &LocalTarget, config: &Config) -> Target {
    let labels = Labels::from_pairs([("job", &target.job), ("instance", &target.instance)]);
    Target {
        discovered: labels.clone(),
        labels,
        url: format!("local://{}/{}", target.instance, target.job),
        unix_socket: None,
        interval_ms: config.interval_ms,
        timeout_ms: config.timeout_ms,
        scrape_native_histograms: config.scrape_native_histograms,
        always_scrape_classic_histograms: config.always_scrape_classic_histograms,
        convert_classic_histograms: config.convert_classic_histograms_to_nhcb,
    }
}

#[cfg(test)]
#[path = "scraper_tests.rs"]
mod tests;
