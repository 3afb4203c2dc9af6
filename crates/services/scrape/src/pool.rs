//! The targets of one job: made from what was discovered, each with a runner.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::{Labels, TargetSource};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::fetch::{Connect, Fetch};
use crate::runner::{self, Common, Order, Plan, Stop};
use crate::status::{DroppedTarget, FailedTarget, LastScrape, PoolStatus, TargetStatus};
use crate::target::{self, Made, Target};

/// Targets that cannot be scraped, kept to be shown.
const FAILED_KEPT_MAX: usize = 1_000;

pub(crate) struct Pool {
    name: String,
    state: Mutex<State>,
}

struct State {
    config: Arc<Config>,
    fetch: Arc<dyn Fetch>,
    active: HashMap<Key, Running>,
    dropped: Vec<DroppedTarget>,
    dropped_count: usize,
    failed: Vec<FailedTarget>,
    /// Runners that were told to stop and may still be at it.
    ending: Vec<JoinHandle<()>>,
    closed: bool,
}

/// What makes two targets the same: where they are and what their series are called.
type Key = (Labels, String, Option<PathBuf>);

struct Running {
    plan: Arc<Plan>,
    orders: watch::Sender<Order>,
    last: Arc<Mutex<LastScrape>>,
    task: JoinHandle<()>,
}

impl Pool {
    pub(crate) fn new(config: Config, fetch: Arc<dyn Fetch>) -> Self {
        Pool {
            name: config.job_name.clone(),
            state: Mutex::new(State {
                config: Arc::new(config),
                fetch,
                active: HashMap::new(),
                dropped: Vec::new(),
                dropped_count: 0,
                failed: Vec::new(),
                ending: Vec::new(),
                closed: false,
            }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes another configuration. False if it is the one it has: nothing is to be done then.
    pub(crate) fn configure(&self, config: Config, connect: &Connect) -> bool {
        let mut state = self.state.lock();
        if *state.config == config {
            return false;
        }
        if state.config.http != config.http {
            state.fetch = connect(&config.http);
        }
        state.config = Arc::new(config);
        true
    }

    /// Makes targets of what is discovered now, and sees to it that exactly they are scraped. Nothing is done
    /// before anything was looked for.
    pub(crate) fn sync(&self, common: &Arc<Common>, targets: &dyn TargetSource) {
        let mut state = self.state.lock();
        // Looked at under the lock: of two at the same time the later one has the newer targets.
        let groups = targets.current(&self.name);
        if groups.version == 0 {
            return;
        }
        let config = state.config.clone();
        let mut made = Vec::new();
        for group in &groups.groups {
            target::from_group(group, &config, &mut made);
        }
        state.dropped.clear();
        state.failed.clear();
        state.dropped_count = 0;
        let mut targets = Vec::new();
        for made in made {
            match made {
                Made::Target(target) => targets.push((*target, state.fetch.clone())),
                Made::Dropped(discovered_labels) => {
                    state.dropped_count += 1;
                    let kept_max = match config.keep_dropped_targets {
                        0 => usize::MAX,
                        limit => limit as usize,
                    };
                    if state.dropped.len() < kept_max {
                        state.dropped.push(DroppedTarget { discovered_labels });
                    }
                }
                Made::Failed(discovered_labels, error) => {
                    tracing::warn!(job = self.name, labels = %discovered_labels, error, "target cannot be scraped");
                    if state.failed.len() < FAILED_KEPT_MAX {
                        state.failed.push(FailedTarget { discovered_labels, error });
                    }
                }
            }
        }
        common.stats.pool_syncs.with(&[&self.name]).inc();
        state.run(&self.name, common, targets);
    }

    /// Scrapes exactly these targets.
    pub(crate) fn set(&self, common: &Arc<Common>, targets: Vec<(Target, Arc<dyn Fetch>)>) {
        self.state.lock().run(&self.name, common, targets);
    }

    /// Tells all runners to stop; what is returned ends when they have.
    pub(crate) fn stop(&self, stop: Stop) -> Vec<JoinHandle<()>> {
        let mut state = self.state.lock();
        state.closed = true;
        let running: Vec<Running> = state.active.drain().map(|(_, running)| running).collect();
        let stopped = running.into_iter().map(|running| running.stop(stop));
        let mut tasks: Vec<JoinHandle<()>> = stopped.collect();
        tasks.append(&mut state.ending);
        tasks
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let state = self.state.lock();
        let mut active: Vec<TargetStatus> = state
            .active
            .values()
            .map(|Running { plan, last, .. }| TargetStatus {
                labels: plan.target.labels.clone(),
                discovered_labels: plan.target.discovered.clone(),
                scrape_url: plan.target.url.clone(),
                interval_ms: plan.target.interval_ms,
                timeout_ms: plan.target.timeout_ms,
                last: last.lock().clone(),
            })
            .collect();
        active.sort_by(|a, b| (&a.labels, &a.scrape_url).cmp(&(&b.labels, &b.scrape_url)));
        PoolStatus {
            name: self.name.clone(),
            active,
            dropped: state.dropped.clone(),
            dropped_count: state.dropped_count,
            failed: state.failed.clone(),
        }
    }
}

impl State {
    fn run(&mut self, name: &str, common: &Arc<Common>, targets: Vec<(Target, Arc<dyn Fetch>)>) {
        if self.closed {
            return;
        }
        let mut wanted: HashMap<Key, (Target, Arc<dyn Fetch>)> = HashMap::new();
        for (target, fetch) in targets {
            // The same target found twice is one target.
            let key = (target.labels.clone(), target.url.clone(), target.unix_socket.clone());
            wanted.entry(key).or_insert((target, fetch));
        }
        let limit = self.config.limits.targets_max;
        let count = wanted.len() as u64;
        let forced_error = (limit > 0 && count > limit)
            .then(|| format!("target_limit exceeded (number of targets: {count}, limit: {limit})"));
        if forced_error.is_some() {
            common.stats.target_limit_exceeded.inc();
        }
        common.stats.pool_targets.with(&[name]).set(count as f64);
        common.stats.pool_target_limit.with(&[name]).set(limit as f64);

        // Whoever goes is stopped before anybody comes: its markers are then the older ones. One that only moved
        // to another URL goes on there: its series must not end in between.
        self.ending.retain(|task| !task.is_finished());
        let gone: Vec<Key> = self.active.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        let coming = wanted.keys().filter(|key| !self.active.contains_key(*key));
        let mut coming: HashMap<Labels, Key> = coming.map(|key| (key.0.clone(), key.clone())).collect();
        for key in gone {
            let Some(running) = self.active.remove(&key) else { continue };
            match coming.remove(&key.0) {
                Some(moved_to) => _ = self.active.insert(moved_to, running),
                None => self.ending.push(running.stop(Stop::Gone)),
            }
        }
        for (key, (target, fetch)) in wanted {
            let config = self.config.clone();
            match self.active.get_mut(&key) {
                Some(running) => {
                    let now = &running.plan;
                    let same = now.target == target
                        && Arc::ptr_eq(&now.config, &config)
                        && Arc::ptr_eq(&now.fetch, &fetch)
                        && now.forced_error == forced_error;
                    if !same {
                        let plan = Plan { target, config, fetch, forced_error: forced_error.clone() };
                        running.plan = Arc::new(plan);
                        running.orders.send_replace(Order { plan: running.plan.clone(), stop: None });
                    }
                }
                None => {
                    let plan = Plan { target, config, fetch, forced_error: forced_error.clone() };
                    self.active.insert(key, Running::start(common, plan));
                }
            }
        }
    }
}

impl Running {
    fn start(common: &Arc<Common>, plan: Plan) -> Self {
        let plan = Arc::new(plan);
        let (orders, receiver) = watch::channel(Order { plan: plan.clone(), stop: None });
        let last = Arc::new(Mutex::new(LastScrape::default()));
        let task = tokio::spawn(runner::run(common.clone(), receiver, last.clone()));
        Running { plan, orders, last, task }
    }

    fn stop(self, stop: Stop) -> JoinHandle<()> {
        self.orders.send_replace(Order { plan: self.plan, stop: Some(stop) });
        self.task
    }
}
