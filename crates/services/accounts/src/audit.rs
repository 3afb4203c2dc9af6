//! Who did what: sign-ins, refusals, and every request that changes something. Kept for 90 days in the state, newest
//! first by key, and written to the program's log at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use state::{State, Write};
use tokio::sync::{mpsc, oneshot};

use crate::AccountsError;
use crate::metrics::Metrics;

const KIND: &str = "audit";
/// How long an entry is kept.
const RETENTION_MS: i64 = 90 * 24 * 3_600_000;
/// Entries that wait to be written.
const QUEUE_MAX: usize = 1_000;
/// Entries written at once.
const BATCH_MAX: usize = 100;
/// Entries a day that are kept of each [`Entry::share`]; further ones are in the log alone.
pub(crate) const ENTRIES_PER_DAY_MAX: u32 = 10_000;
/// Time between two tries to reach the database.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Tries for a batch.
const TRIES_MAX: usize = 5;
/// The longest text of an entry.
const TEXT_SIZE_MAX_BYTES: usize = 512;
const DAY_MS: i64 = 24 * 3_600_000;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When, milliseconds since the epoch.
    pub(crate) time_ms: i64,
    /// `login`, `logout`, `request`, `refused`.
    pub(crate) action: String,
    /// Who, or who it was said to be.
    pub(crate) user: String,
    /// Their identifier, if they are known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
    /// From where.
    pub(crate) address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What else is to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
}

impl Entry {
    /// What it is counted with: what was done, what failed for somebody known, sign-ins to an account that failed,
    /// and what nobody in particular tried. Who is not known must not be able to use up the room of the others.
    fn share(&self) -> usize {
        match (self.status >= 400, self.uid.is_empty(), &*self.action, self.user.is_empty()) {
            (false, ..) => 0,
            (true, false, ..) => 1,
            (true, true, "login", false) => 2,
            _ => 3,
        }
    }

    fn shortened(mut self) -> Entry {
        for text in [&mut self.user, &mut self.path, &mut self.detail, &mut self.address] {
            if let Some((end, _)) = text.char_indices().find(|(at, _)| *at >= TEXT_SIZE_MAX_BYTES) {
                text.truncate(end);
            }
        }
        self
    }
}

/// What waits for its turn to be written.
enum Waiting {
    /// An entry, by its key.
    Entry(String, Box<Entry>),
    /// Somebody who wants to know when all before it is done.
    Told(oneshot::Sender<()>),
}

/// Takes entries.
pub(crate) struct Audit {
    queue: mpsc::Sender<Waiting>,
    state: State,
    clock: Clock,
    metrics: Metrics,
    sequence: AtomicU64,
    /// Day, entries of each share.
    today: Mutex<(i64, [u32; 4])>,
}

/// What is asked of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) user: Option<String>,
    /// Where the page before ended.
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

/// Keys sort the newest first.
fn key(time_ms: i64, rest: &str) -> String {
    format!("{:019}{rest}", i64::MAX - time_ms.max(0))
}

impl Audit {
    /// Starts the task that writes; it ends with what is returned.
    pub(crate) fn start(state: State, clock: Clock, metrics: Metrics) -> Audit {
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write(state.clone(), entries, metrics.clone()));
        let today = Mutex::new((0, [0; 4]));
        Audit { queue, state, clock, metrics, sequence: AtomicU64::new(0), today }
    }

    /// Keeps an entry, and says it in the program's log.
    pub(crate) fn record(&self, entry: Entry) {
        let entry = Entry { time_ms: self.clock.now_ms(), ..entry.shortened() };
        tracing::info!(
            target: "audit",
            action = %entry.action,
            user = %entry.user,
            address = %entry.address,
            method = %entry.method,
            path = %entry.path,
            status = entry.status,
            detail = %entry.detail,
            "audit"
        );
        let has_room = {
            let mut today = self.today.lock();
            let day = entry.time_ms / DAY_MS;
            if today.0 != day {
                *today = (day, [0; 4]);
            }
            let count = &mut today.1[entry.share()];
            *count = count.saturating_add(1);
            *count <= ENTRIES_PER_DAY_MAX
        };
        // Entries of one millisecond are told apart by a number, those of other processes by chance.
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let chance = crate::secret::random::<4>().map(|bytes| crate::secret::hex(&bytes)).unwrap_or_default();
        let key = key(entry.time_ms, &format!("-{:06}-{chance}", 999_999 - sequence % 1_000_000));
        if !has_room || self.queue.try_send(Waiting::Entry(key, entry.into())).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }

    /// Returns when all entries so far are kept, or given up.
    pub(crate) async fn flush(&self) {
        let (told, done) = oneshot::channel();
        if self.queue.send(Waiting::Told(told)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Entries, newest first, and where to go on if there are more.
    pub(crate) async fn list(
        &self,
        question: &Question,
    ) -> Result<(Vec<(String, Entry)>, Option<String>), AccountsError> {
        let mut after = match &question.after {
            Some(after) => after.clone(),
            // Behind everything later than that.
            None => key(question.to_ms.saturating_add(1), "~"),
        };
        let mut found = Vec::new();
        // As much as a page of entries of one user among those of others may cost.
        for _ in 0..50 {
            let page = self.state.list(KIND, &after, 500).await?;
            let is_last = page.len() < 500;
            for document in page {
                after.clone_from(&document.key);
                let Ok(entry) = serde_json::from_slice::<Entry>(&document.body) else { continue };
                if entry.time_ms < question.from_ms {
                    return Ok((found, None));
                }
                let is_of = |user: &String| entry.user.eq_ignore_ascii_case(user) || entry.uid == *user;
                if question.user.as_ref().is_none_or(is_of) {
                    found.push((document.key, entry));
                    if found.len() >= question.limit {
                        return Ok((found, Some(after)));
                    }
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
        Ok((found, Some(after)))
    }
}

async fn write(state: State, mut entries: mpsc::Receiver<Waiting>, metrics: Metrics) {
    let (mut batch, mut told) = (Vec::new(), Vec::new());
    while entries.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let writes: Vec<Write> = batch
            .drain(..)
            .filter_map(|waiting| {
                let (key, entry) = match waiting {
                    Waiting::Entry(key, entry) => (key, entry),
                    Waiting::Told(who) => {
                        told.push(who);
                        return None;
                    }
                };
                let body = serde_json::to_vec(&entry).ok()?;
                Some(Write::put(KIND, key, body).expiring_at(entry.time_ms + RETENTION_MS))
            })
            .collect();
        for attempt in 1..=TRIES_MAX {
            match state.write(writes.clone()).await {
                Ok(_) => break,
                Err(error) if attempt == TRIES_MAX => {
                    tracing::warn!(%error, entries = writes.len(), "entries of the audit log could not be kept");
                    metrics.audit_dropped.add(writes.len() as u64);
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
        for who in told.drain(..) {
            let _ = who.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_leaves_room_for_what_those_do_who_are() {
        let entry = |action: &str, user: &str, uid: &str, status: u16| {
            let (action, user, uid) = (action.into(), user.into(), uid.into());
            Entry { action, user, uid, status, ..Entry::default() }.share()
        };
        let shares = [
            entry("request", "ada", "u1", 200),
            entry("refused", "ada", "u1", 403),
            entry("login", "ada", "", 401),
            // The way back from a provider, which anybody may call.
            entry("login", "", "", 403),
        ];
        assert_eq!(shares, [0, 1, 2, 3]);
        assert_eq!(entry("refused", "anonymous", "", 403), 3);
    }
}
