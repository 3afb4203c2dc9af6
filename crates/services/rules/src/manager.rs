//! Runs groups on schedule.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::group::{Group, GroupStatus};
use crate::{Config, Deps};

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
    slots: Arc<Semaphore>,
}

struct Running {
    group: Arc<Mutex<Group>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Rules {
    /// Starts to evaluate.
    pub fn start(config: Config, deps: Deps) -> Handle {
        let slots = Arc::new(Semaphore::new(config.concurrency_max.max(1)));
        let handle = Handle(Arc::new(Shared {
            deps,
            config: RwLock::new(Arc::new(Config { groups: Vec::new(), ..config.clone() })),
            running: Mutex::new(Vec::new()),
            slots,
        }));
        handle.apply(config);
        handle
    }
}

impl Handle {
    /// Replaces the groups. Rules that stay the same keep their alerts; what vanished ends.
    pub fn apply(&self, config: Config) {
        let mut running = self.0.running.lock();
        let mut old: HashMap<(String, String), Running> = HashMap::new();
        for entry in running.drain(..) {
            let key = {
                let group = entry.group.lock();
                (group.spec.file.clone(), group.spec.name.clone())
            };
            let _ = entry.stop.send(true);
            old.insert(key, entry);
        }
        *self.0.config.write() = Arc::new(config.clone());
        for spec in config.groups {
            let key = (spec.file.clone(), spec.name.clone());
            let mut group = Group::new(spec);
            if let Some(before) = old.remove(&key) {
                let mut guard = before.group.lock();
                let empty = Group::new(guard.spec.clone());
                group.take_over(std::mem::replace(&mut *guard, empty));
            }
            running.push(self.spawn(group));
        }
        drop(running);
        let now_ms = self.0.deps.clock.now_ms();
        for (_, removed) in old {
            let shared = self.0.clone();
            tokio::task::spawn_blocking(move || removed.group.lock().end(now_ms, &shared.deps));
        }
    }

    fn spawn(&self, group: Group) -> Running {
        let (stop, mut stopped) = watch::channel(false);
        let shared = self.0.clone();
        let interval_ms = group.spec.interval_ms.max(1);
        let offset_ms = group.offset_ms();
        let group = Arc::new(Mutex::new(group));
        let evaluated = group.clone();
        let task = tokio::spawn(async move {
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
                let Ok(slot) = shared.slots.clone().acquire_owned().await else { return };
                let (worker, group) = (shared.clone(), evaluated.clone());
                let done = tokio::task::spawn_blocking(move || {
                    let config = worker.config.read().clone();
                    group.lock().evaluate(at_ms, &worker.deps, &config);
                });
                if let Err(error) = done.await {
                    tracing::error!(%error, "the evaluation of a group panicked");
                }
                drop(slot);
                let next = next_after(clock.now_ms(), interval_ms, offset_ms);
                let missed = ((next - at_ms) / interval_ms - 1).max(0);
                if missed > 0 {
                    evaluated.lock().missed += missed as u64;
                }
                at_ms = next.max(at_ms + 1);
            }
        });
        Running { group, stop, task }
    }

    /// All groups and how they are, in the order of the files.
    pub fn groups(&self) -> Vec<GroupStatus> {
        let groups: Vec<Arc<Mutex<Group>>> =
            self.0.running.lock().iter().map(|running| running.group.clone()).collect();
        groups.iter().map(|group| group.lock().status()).collect()
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
