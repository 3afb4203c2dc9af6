//! The trail: what became of every alert, from its rule to the receiver's answer, so that "was I
//! told?" has an answer long after.
//!
//! Whoever knows something about an alert calls [`Trail::note`]. That only puts the events into a
//! bounded queue; packing and writing happen behind it, in batches. What does not fit is counted,
//! and the trail itself says that it is missing.

mod event;
mod query;
mod segment;
pub mod show;
mod store;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use model::alert::AlertChange;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use event::{Answer, Attempted, Event, Key, Muter, Property, Step, Subject};
pub use query::{Cursor, Page, Query, ROWS_MAX, Row, Selected};
use store::Store;

/// Events that may wait to be written.
pub const QUEUE_EVENTS_MAX: usize = 262_144;
/// How long events gather before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// How often what is too old is looked for although nothing happens.
const IDLE: Duration = Duration::from_secs(3_600);
/// How often what was written is brought to disk at most.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// Where and how long the trail is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory.
    pub dir: PathBuf,
    /// How long events are kept, in milliseconds.
    pub retention_ms: i64,
    /// How much room they may take; the oldest go first.
    pub size_max_bytes: u64,
    /// A segment is sealed when it has grown to this.
    pub segment_max_bytes: u64,
}

impl Options {
    /// 90 days and 1 GiB, in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            retention_ms: 90 * 86_400_000,
            size_max_bytes: 1 << 30,
            segment_max_bytes: 16 << 20,
        }
    }
}

/// A file of the trail that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct TrailError {
    /// The file or directory.
    pub path: PathBuf,
    /// What happened.
    pub error: io::Error,
}

impl base::Classify for TrailError {
    fn class(&self) -> base::ErrorClass {
        base::ErrorClass::Unavailable
    }
}

/// The trail. Clones are the same trail.
#[derive(Clone)]
pub struct Trail(Option<Arc<Shared>>);

struct Shared {
    clock: Clock,
    dir: PathBuf,
    inbox: Mutex<Vec<Event>>,
    wake: Arc<Notify>,
    store: Mutex<Store>,
    noted: AtomicU64,
    lost: AtomicU64,
    /// Lost events that the trail does not tell of yet.
    lost_untold: AtomicU64,
    failures: AtomicU64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// How the trail stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Events that were noted since the start.
    pub events: u64,
    /// Events that were lost: the queue was full, or the disk did not take them.
    pub lost: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Events that wait to be written; at most [`QUEUE_EVENTS_MAX`].
    pub queue_events: usize,
    /// Files.
    pub segments: usize,
    /// Their size.
    pub size_bytes: u64,
    /// The time of the oldest event, if there is one.
    pub oldest_ms: Option<i64>,
}

impl Trail {
    /// Opens a trail and starts to write on the current tokio runtime.
    pub fn start(options: Options, clock: Clock) -> Result<Trail, TrailError> {
        let trail = Trail::open(options, clock)?;
        if let Some(shared) = &trail.0 {
            let (wake, weak) = (shared.wake.clone(), Arc::downgrade(shared));
            let clock = shared.clock.clone();
            tokio::spawn(async move {
                let mut synced = clock.mark();
                // Whether something was written since, which is brought to disk although nothing more comes.
                let mut is_unsynced = false;
                loop {
                    let wait = if is_unsynced { SYNC_INTERVAL } else { IDLE };
                    let is_woken = tokio::time::timeout(wait, wake.notified()).await.is_ok();
                    if is_woken {
                        tokio::time::sleep(GATHER).await;
                    }
                    let Some(shared) = weak.upgrade() else { return };
                    let syncs = !is_woken || synced.elapsed() >= SYNC_INTERVAL;
                    if syncs {
                        synced = clock.mark();
                    }
                    is_unsynced = !syncs;
                    let written = tokio::task::spawn_blocking(move || {
                        shared.write_down();
                        shared.store.lock().forget(shared.clock.now_ms());
                        if syncs {
                            shared.sync();
                        }
                    });
                    if let Err(error) = written.await {
                        tracing::error!(%error, "a part of the trail was not written");
                    }
                }
            });
        }
        Ok(trail)
    }

    /// Opens a trail that is written only by [`Trail::flush`].
    pub fn open(options: Options, clock: Clock) -> Result<Trail, TrailError> {
        let dir = options.dir.clone();
        let store = Store::open(options, clock.now_ms())?;
        Ok(Trail(Some(Arc::new(Shared {
            clock,
            dir,
            inbox: Mutex::default(),
            wake: Arc::new(Notify::new()),
            store: Mutex::new(store),
            noted: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_untold: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }))))
    }

    /// A trail that remembers nothing.
    pub const fn off() -> Trail {
        Trail(None)
    }

    /// Whether anything is remembered; if not, there is no need to make events.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what happened. Quick: it takes a place in a queue and never waits for the disk.
    pub fn note(&self, events: impl IntoIterator<Item = Event>) {
        let Some(shared) = &self.0 else { return };
        let (mut noted, mut lost) = (0, 0);
        let was_empty = {
            let mut inbox = shared.inbox.lock();
            let was_empty = inbox.is_empty();
            for event in events {
                noted += 1;
                if inbox.len() < QUEUE_EVENTS_MAX {
                    inbox.push(event);
                } else {
                    lost += 1;
                }
            }
            was_empty
        };
        shared.noted.fetch_add(noted, Ordering::Relaxed);
        if lost > 0 {
            shared.lost.fetch_add(lost, Ordering::Relaxed);
            shared.lost_untold.fetch_add(lost, Ordering::Relaxed);
        }
        if was_empty && noted > 0 {
            shared.wake.notify_one();
        }
    }

    /// Notes how rules changed the states of alerts.
    pub fn note_changes(&self, changes: Vec<AlertChange>) {
        self.note(changes.into_iter().map(|change| Event {
            at_ms: change.at_ms,
            subject: Subject::Alert(change.labels),
            step: Step::State { phase: change.phase, value: change.value, rule: change.rule },
        }));
    }

    /// Writes what waits and brings it to disk. Blocks.
    pub fn flush(&self) {
        if let Some(shared) = &self.0 {
            shared.write_down();
            shared.sync();
        }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let Some(shared) = &self.0 else { return Status::default() };
        let segments = shared.store.lock().segments();
        Status {
            events: shared.noted.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            failures: shared.failures.load(Ordering::Relaxed),
            queue_events: shared.inbox.lock().len(),
            segments: segments.len(),
            size_bytes: segments.iter().map(|segment| segment.size_bytes).sum(),
            oldest_ms: segments.iter().filter(|s| s.events > 0).map(|s| s.times.first_ms).min(),
        }
    }
}

impl Shared {
    /// Takes what waits to the files. Blocks.
    fn write_down(&self) {
        let mut store = self.store.lock();
        let mut events = std::mem::take(&mut *self.inbox.lock());
        let noted = events.len() as u64;
        let now_ms = self.clock.now_ms();
        let count = self.lost_untold.swap(0, Ordering::Relaxed);
        if count > 0 {
            let subject = Subject::Alerts(Arc::new([]));
            events.push(Event { at_ms: now_ms, subject, step: Step::Lost { count } });
        }
        if events.is_empty() {
            return;
        }
        if let Err((written, error)) = store.append(&events, now_ms) {
            let lost = noted.saturating_sub(written as u64);
            self.lost.fetch_add(lost, Ordering::Relaxed);
            // Those that were to be told of, at the end, are still to be told of.
            self.lost_untold.fetch_add(lost + count, Ordering::Relaxed);
            if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!(%error, "the trail of alerts cannot be written; alerts go on without it");
            }
        }
    }

    fn sync(&self) {
        if let Err(error) = self.store.lock().sync() {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "the trail of alerts could not be brought to disk");
        }
    }
}
