//! The drivers of monitors: one task each, so that a slow or dead target delays no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock;
use base::schedule::Schedule;
use exposition::Registry;
use exposition::registry::{Counter, Histogram};
use model::storage::MetricWriter;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::config::Monitor;
use super::store::{Finding, Store};
use crate::prober::{Prober, Request};
use crate::report::{Level, Sample};

/// Probes under way at once. Beyond it a turn is left out and counted.
const PROBES_MAX: usize = 8_192;
/// Findings that wait to be written; then monitors wait.
const FINDINGS_MAX: usize = 4_096;
/// Nothing sleeps longer than this at a time, so that a change of the wall clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What monitors are given.
pub struct Deps {
    /// Takes what they find.
    pub writer: Arc<dyn MetricWriter>,
    /// The time.
    pub clock: Clock,
    /// Takes what is counted.
    pub registry: Registry,
    /// Tells instances apart that probe the same targets.
    pub seed: u64,
}

/// Monitors that run. Cheap to clone.
#[derive(Clone)]
pub struct Monitors(Arc<Shared>);

struct Shared {
    clock: Clock,
    seed: u64,
    prober: Prober,
    probes: Semaphore,
    stats: Stats,
    findings: Mutex<Option<mpsc::Sender<Finding>>>,
    running: Mutex<HashMap<String, Running>>,
    store: Mutex<Option<JoinHandle<()>>>,
}

struct Stats {
    skipped: Counter,
    late: Histogram,
}

/// What others see of a monitor.
struct State {
    /// Whether it counts as up, after retries.
    up: AtomicBool,
    /// Whether all that it depends on does.
    reachable: AtomicBool,
    /// The last probe.
    last: Mutex<Option<LastProbe>>,
}

/// How a monitor's last probe went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastProbe {
    /// The time of its turn, milliseconds since the epoch.
    pub at_ms: i64,
    /// Whether it found what it should.
    pub success: bool,
    /// How long it took.
    pub duration_seconds: f64,
}

/// How a monitor is.
#[derive(Clone, Debug)]
pub struct Status {
    /// What is watched.
    pub monitor: Arc<Monitor>,
    /// Whether it counts as up, after retries.
    pub up: bool,
    /// Whether all that it depends on does.
    pub reachable: bool,
    /// The last probe; `None` before the first.
    pub last: Option<LastProbe>,
}

struct Running {
    monitor: Arc<Monitor>,
    state: Arc<State>,
    order: watch::Sender<Order>,
    task: JoinHandle<()>,
}

/// What a monitor's task is told.
#[derive(Clone)]
struct Order {
    monitor: Arc<Monitor>,
    depends_on: Arc<[Arc<State>]>,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The monitor is gone: its series end.
    Gone,
    /// The process stops: somebody will go on with the series.
    Shutdown,
}

impl Monitors {
    /// Starts without any; [`Monitors::apply`] gives them. Needs a running runtime.
    pub fn start(deps: Deps) -> Monitors {
        let Deps { writer, clock, registry, seed } = deps;
        let (sender, receiver) = mpsc::channel(FINDINGS_MAX);
        let store = Store::new(
            writer,
            registry.counter(
                "promontory_monitors_samples_refused_total",
                "Samples of monitors that the store did not take.",
            ),
            registry.counter(
                "promontory_monitors_writes_failed_total",
                "Writes of what monitors found that failed.",
            ),
        );
        let store = tokio::task::spawn_blocking(move || store.run(receiver));
        let stats = Stats {
            skipped: registry.counter(
                "promontory_monitors_turns_skipped_total",
                "Turns of monitors left out because the one before took too long or too many probes were under way.",
            ),
            late: registry.histogram(
                "promontory_monitors_turn_delay_seconds",
                "How late monitors' turns began.",
                &[0.001, 0.01, 0.1, 1.0, 10.0],
            ),
        };
        let monitors = Monitors(Arc::new(Shared {
            prober: Prober::new(&clock),
            clock,
            seed,
            probes: Semaphore::new(PROBES_MAX),
            stats,
            findings: Mutex::new(Some(sender)),
            running: Mutex::default(),
            store: Mutex::new(Some(store)),
        }));
        let weak = Arc::downgrade(&monitors.0);
        registry.gauge_fn("promontory_monitors", "Monitors that run.", move || {
            weak.upgrade().map_or(0.0, |shared| shared.running.lock().len() as f64)
        });
        let weak = Arc::downgrade(&monitors.0);
        registry.gauge_fn("promontory_monitors_probes", "Probes of monitors under way.", move || {
            weak.upgrade().map_or(0.0, |shared| (PROBES_MAX - shared.probes.available_permits()) as f64)
        });
        monitors
    }

    /// Makes these the monitors that run. Unchanged ones go on undisturbed; series of those that are gone end.
    pub fn apply(&self, monitors: &[Arc<Monitor>]) {
        let Some(findings) = self.0.findings.lock().clone() else { return };
        let mut running = self.0.running.lock();
        let wanted: HashMap<&str, &Arc<Monitor>> =
            monitors.iter().map(|monitor| (monitor.name.as_str(), monitor)).collect();
        running.retain(|name, one| {
            let keeps = wanted.get(name.as_str()).is_some_and(|new| makes_same_series(&one.monitor, new));
            if !keeps {
                one.order.send_modify(|order| order.stop = Some(Stop::Gone));
            }
            keeps
        });
        // All states exist before anybody looks at those of others.
        let mut states: HashMap<&str, Arc<State>> = HashMap::new();
        for monitor in monitors {
            let state = running.get(&monitor.name).map_or_else(
                || {
                    let (up, reachable) = (AtomicBool::new(true), AtomicBool::new(true));
                    Arc::new(State { up, reachable, last: Mutex::default() })
                },
                |one| one.state.clone(),
            );
            states.insert(&monitor.name, state);
        }
        for monitor in monitors {
            let depends_on: Arc<[Arc<State>]> =
                monitor.depends_on.iter().filter_map(|name| states.get(name.as_str()).cloned()).collect();
            let order = Order { monitor: monitor.clone(), depends_on, stop: None };
            if let Some(one) = running.get_mut(&monitor.name) {
                one.monitor = monitor.clone();
                let _ = one.order.send(order);
                continue;
            }
            let Some(state) = states.get(monitor.name.as_str()) else { continue };
            let (sender, receiver) = watch::channel(order);
            let task = tokio::spawn(drive(self.0.clone(), state.clone(), receiver, findings.clone()));
            running.insert(
                monitor.name.clone(),
                Running { monitor: monitor.clone(), state: state.clone(), order: sender, task },
            );
        }
    }

    /// How all monitors are, by name.
    pub fn status(&self) -> Vec<Status> {
        let running = self.0.running.lock();
        let mut all: Vec<Status> = running
            .values()
            .map(|one| Status {
                monitor: one.monitor.clone(),
                up: one.state.up.load(Ordering::Relaxed),
                reachable: one.state.reachable.load(Ordering::Relaxed),
                last: *one.state.last.lock(),
            })
            .collect();
        drop(running);
        all.sort_by(|a, b| a.monitor.name.cmp(&b.monitor.name));
        all
    }

    /// Stops all monitors and writes what they found, `within` at most. Their series do not end.
    pub async fn stop(&self, within: Duration) {
        let sender = self.0.findings.lock().take();
        let running = std::mem::take(&mut *self.0.running.lock());
        for one in running.values() {
            one.order.send_modify(|order| order.stop = Some(Stop::Shutdown));
        }
        let store = self.0.store.lock().take();
        let ended = async {
            for (_, one) in running {
                let _ = one.task.await;
            }
            drop(sender);
            if let Some(store) = store {
                let _ = store.await;
            }
        };
        if tokio::time::timeout(within, ended).await.is_err() {
            tracing::warn!("monitors did not stop in time");
        }
    }
}

/// Whether a monitor can go on under new settings without its series changing their labels.
fn makes_same_series(old: &Monitor, new: &Monitor) -> bool {
    (&old.name, &old.target, &old.tags, &old.owner) == (&new.name, &new.target, &new.tags, &new.owner)
}

/// Probes one target until told to stop.
async fn drive(
    shared: Arc<Shared>,
    state: Arc<State>,
    mut orders: watch::Receiver<Order>,
    findings: mpsc::Sender<Finding>,
) {
    let mut order = orders.borrow_and_update().clone();
    let hash = model::Labels::from_pairs([("monitor", order.monitor.name.as_str())]).fingerprint();
    let mut schedule = Schedule::new(order.monitor.told_every_ms, hash, shared.seed);
    let mut failures = 0;
    // Turns until the next probe; in between, what the last one found is told again.
    let mut turns_left = 0;
    let mut found_last: Option<Vec<Sample>> = None;
    loop {
        let new = orders.borrow_and_update().clone();
        if new.monitor.told_every_ms != order.monitor.told_every_ms {
            schedule = schedule.with_interval(new.monitor.told_every_ms, hash, shared.seed);
        }
        if !Arc::ptr_eq(&new.monitor, &order.monitor) {
            turns_left = 0;
        }
        order = new;
        match order.stop {
            Some(Stop::Shutdown) => return,
            Some(Stop::Gone) => {
                let at_ms = schedule.last_ms().map_or(0, |last_ms| last_ms + 1);
                let _ = findings.send(Finding { monitor: order.monitor, at_ms, samples: None }).await;
                return;
            }
            None => {}
        }
        let turn = schedule.next(shared.clock.now_ms());
        let wait_ms = (turn.at_ms - shared.clock.now_ms()).max(0).unsigned_abs();
        let wait = Duration::from_millis(wait_ms).min(SLEEP_MAX);
        tokio::select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep(wait) => {}
        }
        if wait == SLEEP_MAX {
            continue;
        }
        schedule.take(turn);
        shared.stats.skipped.add(turn.skipped);
        shared.stats.late.observe((shared.clock.now_ms() - turn.at_ms).max(0) as f64 / 1000.0);
        let monitor = order.monitor.clone();
        turns_left = (turns_left - 1 - i64::try_from(turn.skipped).unwrap_or(i64::MAX / 2)).max(0);
        // A failure that does not count yet is looked into again at once.
        let is_in_doubt = (1..=monitor.retries).contains(&failures);
        if let Some(mut samples) = found_last.clone().filter(|_| turns_left > 0 && !is_in_doubt) {
            samples.extend(judge(&monitor, &state, &order.depends_on, None, failures));
            let finding = Finding { monitor, at_ms: turn.at_ms, samples: Some(samples) };
            if findings.send(finding).await.is_err() {
                return;
            }
            continue;
        }
        let Ok(_permit) = shared.probes.try_acquire() else {
            shared.stats.skipped.inc();
            continue;
        };
        // In a box of its own, so that a monitor that waits for its turn takes little memory.
        let probing = Box::pin(probe(&shared.prober, &monitor));
        let (success, mut samples) = tokio::select! {
            biased;
            found = probing => found,
            () = stopped(&mut orders) => continue,
        };
        failures = if success { 0 } else { failures + 1 };
        let tellings = monitor.tellings();
        turns_left = tellings;
        found_last = (tellings > 1).then(|| samples.clone());
        let duration = samples.iter().find(|sample| sample.name == "probe_duration_seconds");
        let duration_seconds = duration.map_or(0.0, |sample| sample.value);
        *state.last.lock() = Some(LastProbe { at_ms: turn.at_ms, success, duration_seconds });
        samples.extend(judge(&monitor, &state, &order.depends_on, Some(success), failures));
        let finding = Finding { monitor, at_ms: turn.at_ms, samples: Some(samples) };
        if findings.send(finding).await.is_err() {
            return;
        }
    }
}

/// Returns when the task is told to stop; other news wait until the probe is done.
async fn stopped(orders: &mut watch::Receiver<Order>) {
    if orders.wait_for(|order| order.stop.is_some()).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn probe(prober: &Prober, monitor: &Monitor) -> (bool, Vec<Sample>) {
    let mut report = prober.report(Level::Off);
    let request =
        Request { module: &monitor.module, target: &monitor.target, hostname: "", timeout: monitor.timeout };
    let success = prober.probe(request, &mut report).await;
    (success, report.into_samples())
}

/// What a probe means after those before it and with what the monitor depends on; `None` if there was none.
fn judge(
    monitor: &Monitor,
    state: &State,
    depends_on: &[Arc<State>],
    success: Option<bool>,
    failures: u32,
) -> [Sample; 4] {
    match success {
        Some(true) => state.up.store(true, Ordering::Relaxed),
        Some(false) if failures > monitor.retries => state.up.store(false, Ordering::Relaxed),
        _ => {}
    }
    let reachable = depends_on
        .iter()
        .all(|other| other.up.load(Ordering::Relaxed) && other.reachable.load(Ordering::Relaxed));
    state.reachable.store(reachable, Ordering::Relaxed);
    let number = |value: bool| f64::from(u8::from(value));
    [
        ("monitor_up", number(state.up.load(Ordering::Relaxed))),
        ("monitor_dependencies_up", number(reachable)),
        ("monitor_certificate_life_seconds", monitor.certificate_life.as_secs_f64()),
        ("monitor_slow_after_seconds", monitor.slow_after.as_secs_f64()),
    ]
    .map(|(name, value)| Sample { name, labels: Vec::new(), value })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
