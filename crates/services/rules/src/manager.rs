//! Runs groups on schedule.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::Labels;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::file::GroupSpec;
use crate::group::{Group, GroupStatus};
use crate::{Config, Deps};

/// Groups evaluated at once. Many more than there are cores, so that those that wait for a slow answer do not hold
/// back the others.
const GROUPS_AT_ONCE: usize = 32;
/// A group is late after so many rounds without an evaluation, and this much more.
const LATE_ROUNDS: i64 = 3;
const LATE_MS: i64 = 30_000;
/// How long a stop waits for evaluations under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The service.
pub struct Rules;

/// Controls the running groups. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    deps: Deps,
    config: RwLock<Arc<Config>>,
    running: Mutex<Vec<Running>>,
    group_slots: Arc<Semaphore>,
    rule_slots: Arc<Semaphore>,
}

/// File and name.
type Key = (String, String);

struct Running {
    key: Key,
    group: Arc<Mutex<Group>>,
    /// How the group was after its last evaluation. The group itself is locked while its rules are
    /// evaluated, which may take minutes.
    shown: Arc<RwLock<Arc<GroupStatus>>>,
    /// When this process began to evaluate it.
    since_ms: i64,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Rules {
    /// Starts to evaluate.
    pub fn start(config: Config, deps: Deps) -> Handle {
        let handle = Handle(Arc::new(Shared {
            deps,
            config: RwLock::new(Arc::new(Config { groups: Vec::new(), ..config.clone() })),
            running: Mutex::new(Vec::new()),
            group_slots: Arc::new(Semaphore::new(GROUPS_AT_ONCE)),
            rule_slots: Arc::new(Semaphore::new(config.concurrency_max)),
        }));
        handle.apply(config);
        handle
    }
}

impl Handle {
    /// Replaces the groups. Rules that stay the same keep their alerts; what vanished ends. Does not
    /// wait for evaluations under way: a group goes on when its predecessor has come to its end.
    pub fn apply(&self, config: Config) {
        let mut running = self.0.running.lock();
        let mut old: HashMap<Key, Running> = HashMap::new();
        for entry in running.drain(..) {
            let _ = entry.stop.send(true);
            old.insert(entry.key.clone(), entry);
        }
        *self.0.config.write() = Arc::new(config.clone());
        for spec in config.groups {
            let key = (spec.file.clone(), spec.name.clone());
            let before = old.remove(&key);
            running.push(self.spawn(key, Group::new(spec), before));
        }
        drop(running);
        let now_ms = self.0.deps.clock.now_ms();
        for ((file, name), removed) in old {
            self.0.deps.metrics.forget_group(&file, &name);
            let shared = self.0.clone();
            tokio::spawn(async move {
                let _ = removed.task.await;
                let ended =
                    tokio::task::spawn_blocking(move || removed.group.lock().end(now_ms, &shared.deps));
                let _ = ended.await;
            });
        }
    }

    fn spawn(&self, key: Key, mut group: Group, before: Option<Running>) -> Running {
        group.slots = Some(self.0.rule_slots.clone());
        let (stop, mut stopped) = watch::channel(false);
        let shared = self.0.clone();
        let interval_ms = group.spec.interval_ms.max(1);
        let since_ms = before.as_ref().map_or_else(|| self.0.deps.clock.now_ms(), |before| before.since_ms);
        let offset_ms = group.offset_ms();
        let shown = match &before {
            Some(before) => before.shown.read().clone(),
            None => Arc::new(group.status()),
        };
        let shown = Arc::new(RwLock::new(shown));
        let group = Arc::new(Mutex::new(group));
        let (evaluated, published) = (group.clone(), shown.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // From here on nobody else has the old group, so that no lock is waited for.
                let _ = before.task.await;
                let mut old = before.group.lock();
                let empty = Group::new(old.spec.clone());
                let old = std::mem::replace(&mut *old, empty);
                let mut group = evaluated.lock();
                group.take_over(old);
                *published.write() = Arc::new(group.status());
            }
            let clock = shared.deps.clock.clone();
            let mut at_ms = next_after(clock.now_ms(), interval_ms, offset_ms);
            loop {
                let wait = Duration::from_millis((at_ms - clock.now_ms()).clamp(0, interval_ms) as u64);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = stopped.wait_for(|stop| *stop) => return,
                }
                let now_ms = clock.now_ms();
                if now_ms < at_ms {
                    // Woken early, or the clock went back: at most by one interval it is waited for.
                    if at_ms - now_ms > interval_ms {
                        at_ms = next_after(now_ms, interval_ms, offset_ms);
                    }
                    continue;
                }
                let slot = tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => return,
                    slot = shared.group_slots.clone().acquire_owned() => slot,
                };
                let Ok(slot) = slot else { return };
                let (worker, group, shown) = (shared.clone(), evaluated.clone(), published.clone());
                let done = tokio::task::spawn_blocking(move || {
                    let config = worker.config.read().clone();
                    let mut group = group.lock();
                    group.evaluate(at_ms, &worker.deps, &config);
                    *shown.write() = Arc::new(group.status());
                });
                if let Err(error) = done.await {
                    tracing::error!(%error, "the evaluation of a group panicked");
                }
                drop(slot);
                let next = next_after(clock.now_ms(), interval_ms, offset_ms);
                let missed = ((next - at_ms) / interval_ms - 1).max(0);
                if missed > 0 {
                    let mut group = evaluated.lock();
                    group.note_missed(missed as u64, &shared.deps);
                    *published.write() = Arc::new(group.status());
                }
                at_ms = next.max(at_ms + 1);
            }
        });
        Running { key, group, shown, since_ms, stop, task }
    }

    /// What keeps rules from being evaluated on time, if anything does: a group that is several rounds late, or that
    /// there are no rules at all.
    pub fn problem(&self) -> Option<String> {
        let now_ms = self.0.deps.clock.now_ms();
        let running = self.0.running.lock();
        if running.is_empty() {
            return Some("there are no rules".into());
        }
        running.iter().find_map(|running| {
            let status = running.shown.read().clone();
            let last_ms = status.last_evaluation_ms.max(running.since_ms);
            let is_late = now_ms - last_ms > LATE_ROUNDS * status.interval_ms + LATE_MS;
            is_late.then(|| {
                format!("group {:?} has not been evaluated for {} s", status.name, (now_ms - last_ms) / 1000)
            })
        })
    }

    /// The groups that are in force.
    pub fn specs(&self) -> Vec<GroupSpec> {
        self.0.config.read().groups.clone()
    }

    /// The labels of the server that are in force.
    pub fn external_labels(&self) -> Labels {
        self.0.config.read().external_labels.clone()
    }

    /// All groups and how they were after their last evaluations, in the order of the files.
    pub fn groups(&self) -> Vec<GroupStatus> {
        let shown: Vec<Arc<GroupStatus>> =
            self.0.running.lock().iter().map(|running| running.shown.read().clone()).collect();
        shown.iter().map(|status| GroupStatus::clone(status)).collect()
    }

    /// How many rules failed at their last evaluation.
    pub fn failing(&self) -> usize {
        let running = self.0.running.lock();
        running.iter().map(|running| running.shown.read().failing()).sum()
    }

    /// How many evaluations of the groups in force were skipped.
    pub fn missed(&self) -> u64 {
        self.0.running.lock().iter().map(|running| running.shown.read().missed).sum()
    }

    /// Stops, after the evaluations under way.
    pub async fn stop(&self) {
        let running: Vec<Running> = self.0.running.lock().drain(..).collect();
        for entry in &running {
            let _ = entry.stop.send(true);
        }
        let all = async {
            for entry in running {
                let _ = entry.task.await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("a rule's evaluation did not finish in time");
        }
    }
}

/// The first scheduled time after `now_ms`.
fn next_after(now_ms: i64, interval_ms: i64, offset_ms: i64) -> i64 {
    let since = (now_ms - offset_ms).rem_euclid(interval_ms);
    now_ms - since + interval_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_lie_on_the_schedule() {
        assert_eq!(next_after(100_000, 15_000, 2_000), 107_000);
        assert_eq!(next_after(107_000, 15_000, 2_000), 122_000);
        assert_eq!(next_after(106_999, 15_000, 2_000), 107_000);
    }
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod slow_tests;
