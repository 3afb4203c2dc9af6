//! Replicas that share a database: claims are a shared truth, and what was told is written in the
//! step that gives the claim back.
//!
//! Claims that are asked for at the same moment travel together, and so do releases, so that
//! thousands of groups cost a few round trips. While the database is away claims answer
//! [`Claim::Unreachable`], and what should be shared waits in an [`Outbox`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base::clock::Mark;
use base::{Classify, Clock};
use exposition::Registry;
use parking_lot::Mutex;
use state::{Ask, Change, Claimed, Document, Release, Released, State, Write, Written};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::encoding::{body_of, check_size, entry_of, name_for_key, random, stored_key};
use super::outbox::{Outbox, Pending};
use super::*;

/// Claims, releases or entries in one step.
const BATCH_MAX: usize = 500;
/// Size of the bodies in one step.
const BATCH_SIZE_MAX_BYTES: usize = 4 << 20;
/// Claims that wait to be asked for.
const CLAIMS_WAITING_MAX: usize = 16_384;
/// How long a release or a share is waited for. It goes on afterwards.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often a replica says that it is there.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(3);
/// How long it counts as there after it last said so.
const PRESENCE_MS: i64 = 10_000;
/// The wait before the database is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often followers look by themselves, should a wake-up have got lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long nothing is told by claim after the database came back, so that all have shared what they
/// told without one: longer than it takes to connect again.
const RETURN_PAUSE: Duration = Duration::from_secs(5);
/// The kind of document that says that a replica is there.
const PRESENCE: &str = "alerting-replica";
/// How many looks around one that is missing is shown: about an hour.
const MISSED_MAX: u32 = 1_200;
/// Replicas listed.
const MEMBERS_MAX: usize = 1_000;

/// Who this replica is and how long it waits for others.
#[derive(Clone, Debug)]
pub struct StoredSettings {
    /// Its name. Two with the same name are two all the same.
    pub name: String,
    /// Where it can be reached, for people; may be empty.
    pub address: String,
    /// How long one before us in the order may take if the database is away.
    pub peer_timeout: Duration,
    /// How long the start waits for the database at most.
    pub settle_timeout: Duration,
}

impl Default for StoredSettings {
    fn default() -> Self {
        StoredSettings {
            name: String::new(),
            address: String::new(),
            peer_timeout: Duration::from_secs(15),
            settle_timeout: Duration::from_secs(60),
        }
    }
}

/// Replicas over a database. Needs a tokio runtime; what it does in the background ends with it.
pub struct Stored {
    shared: Arc<Shared>,
    claims: mpsc::Sender<Asked>,
    tasks: Vec<tokio::task::AbortHandle>,
}

struct Shared {
    state: State,
    settings: StoredSettings,
    /// Who we are to the database: the name, and what tells this process from all others.
    holder: String,
    outbox: Mutex<Outbox>,
    /// Counts what entered the outbox, and what of it was brought out.
    entered: AtomicUsize,
    brought_out: watch::Sender<usize>,
    wake_outbox: Notify,
    is_reachable: AtomicBool,
    /// When the database last came back.
    returned: Mutex<Option<Mark>>,
    members: Mutex<Known>,
    /// Who waits for a release, by its token.
    releasing: Mutex<HashMap<Token, oneshot::Sender<()>>>,
    settled: watch::Sender<bool>,
    metrics: Metrics,
}

/// Who there is, and was.
#[derive(Default)]
struct Known {
    list: Vec<Member>,
    position: usize,
    /// How often one that was there before was not seen since.
    missed: HashMap<String, u32>,
}

struct Asked {
    ask: Ask,
    answer: oneshot::Sender<Claim>,
}

#[derive(Clone)]
struct Metrics {
    waiting: exposition::registry::Gauge,
    dropped: exposition::registry::Gauge,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Metrics {
            waiting: registry.gauge(
                "promontory_alerting_replica_entries_waiting",
                "Entries that wait to reach the other replicas.",
            ),
            dropped: registry.gauge(
                "promontory_alerting_replica_entries_dropped",
                "Entries that were not shared because too many waited, since the start.",
            ),
        }
    }
}

impl Stored {
    /// Takes part, on the current tokio runtime. The database need not be there.
    pub fn start(state: State, settings: StoredSettings, registry: &Registry) -> Stored {
        let shared = Arc::new(Shared {
            holder: format!("{}/{:016x}", name_for_key(&settings.name), random()),
            state,
            settings,
            outbox: Mutex::new(Outbox::default()),
            entered: AtomicUsize::new(0),
            brought_out: watch::channel(0).0,
            wake_outbox: Notify::new(),
            is_reachable: AtomicBool::new(true),
            returned: Mutex::new(None),
            members: Mutex::new(Known::default()),
            releasing: Mutex::new(HashMap::new()),
            settled: watch::channel(false).0,
            metrics: Metrics::new(registry),
        });
        let (claims, asked) = mpsc::channel(CLAIMS_WAITING_MAX);
        let tasks = vec![
            tokio::spawn(shared.clone().ask(asked)).abort_handle(),
            tokio::spawn(shared.clone().bring_out()).abort_handle(),
            tokio::spawn(shared.clone().be_present()).abort_handle(),
            tokio::spawn(shared.clone().settle_in_time()).abort_handle(),
        ];
        Stored { shared, claims, tasks }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Replicas for Stored {
    fn claim<'a>(&'a self, key: &'a str, lease_ms: i64) -> Answer<'a, Claim> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let asked = Asked { ask: Ask { key: stored_key(key), lease_ms }, answer };
            match self.claims.send(asked).await {
                Ok(()) => answered.await.unwrap_or(Claim::Unreachable),
                Err(_) => Claim::Unreachable,
            }
        })
    }

    fn renew<'a>(&'a self, key: &'a str, token: Token, lease_ms: i64) -> Answer<'a, bool> {
        Box::pin(async move {
            let key = stored_key(key);
            let result = self.shared.state.renew(&key, state::Token(token.0), lease_ms).await;
            self.shared.note(&result);
            result.unwrap_or_else(|error| {
                tracing::debug!(%error, "a claim could not be renewed");
                true
            })
        })
    }

    fn release<'a>(&'a self, key: &'a str, token: Token, told: Option<Entry>) -> Answer<'a, ()> {
        Box::pin(async move {
            let told = told.filter(|told| check_size(told, ENTRY_SIZE_MAX_BYTES).is_ok());
            let pending = Pending { key: stored_key(key), token, told };
            let (released, waits) = oneshot::channel();
            self.shared.releasing.lock().insert(token, released);
            self.shared.outbox.lock().release(pending);
            self.shared.wake_outbox.notify_one();
            if tokio::time::timeout(WAIT_MAX, waits).await.is_err() {
                self.shared.releasing.lock().remove(&token);
            }
        })
    }

    fn share(&self, entries: Vec<Entry>) -> Answer<'_, Result<(), ReplicaError>> {
        Box::pin(async move {
            let refused = {
                let mut outbox = self.shared.outbox.lock();
                let mut refused = Ok(());
                for entry in entries {
                    let fits = check_size(&entry, ENTRY_SIZE_MAX_BYTES).and_then(|()| {
                        if outbox.share(entry) { Ok(()) } else { Err(ReplicaError::TooMany(outbox.len())) }
                    });
                    refused = refused.and(fits);
                }
                refused
            };
            refused.and(self.shared.wait_until_out().await)
        })
    }

    fn subscribe(&self) -> mpsc::Receiver<Vec<Entry>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_BATCHES_MAX);
        // Ends with its receiver, or with the state.
        tokio::spawn(self.shared.clone().follow(sender));
        receiver
    }

    fn settled(&self) -> Answer<'_, ()> {
        let mut settled = self.shared.settled.subscribe();
        Box::pin(async move {
            let _ = settled.wait_for(|is_settled| *is_settled).await;
        })
    }

    fn turn_ms(&self) -> i64 {
        if self.shared.is_reachable.load(Ordering::Relaxed) {
            return 0;
        }
        let position = i64::try_from(self.shared.members.lock().position).unwrap_or(i64::MAX);
        position.saturating_mul(self.shared.settings.peer_timeout.as_millis() as i64)
    }

    fn members(&self) -> Members {
        let (list, position) = {
            let known = self.shared.members.lock();
            (known.list.clone(), known.position)
        };
        let is_settled = *self.shared.settled.borrow();
        let status = if is_settled { MembersStatus::Ready } else { MembersStatus::Settling };
        Members { name: self.shared.settings.name.clone(), list, position, status }
    }

    fn leave(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            // What still waits goes first, and nobody says again that we are here.
            let _ = self.shared.wait_until_out().await;
            self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
            let write = Write::delete(PRESENCE, &self.shared.holder);
            let _ = tokio::time::timeout(WAIT_MAX, self.shared.state.write(vec![write])).await;
        })
    }
}

impl Shared {
    fn note<T>(&self, result: &Result<T, state::StateError>) {
        let was_reachable = self.is_reachable.swap(result.is_ok(), Ordering::Relaxed);
        if !was_reachable && result.is_ok() {
            *self.returned.lock() = Some(Clock::system().mark());
        }
    }

    /// How long nothing is told by claim yet, because the database was away until just now.
    fn pause_ms(&self) -> Option<i64> {
        let mut returned = self.returned.lock();
        let left = RETURN_PAUSE.checked_sub(returned.as_ref()?.elapsed());
        if left.is_none() {
            *returned = None;
        }
        left.map(|left| left.as_millis() as i64 + 1)
    }

    /// Asks for claims, as many at once as there are.
    async fn ask(self: Arc<Self>, mut asked: mpsc::Receiver<Asked>) {
        let mut waiting: Vec<Asked> = Vec::new();
        loop {
            if waiting.is_empty() {
                match asked.recv().await {
                    Some(one) => waiting.push(one),
                    None => return,
                }
            }
            while waiting.len() < CLAIMS_WAITING_MAX
                && let Ok(one) = asked.try_recv()
            {
                waiting.push(one);
            }
            // Who has gone does not want it any more. The same key twice takes two steps.
            waiting.retain(|one| !one.answer.is_closed());
            let (mut batch, mut later, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
            for one in waiting {
                if batch.len() < BATCH_MAX && keys.insert(one.ask.key.clone()) {
                    batch.push(one);
                } else {
                    later.push(one);
                }
            }
            waiting = later;
            if batch.is_empty() {
                continue;
            }
            let asks = batch.iter().map(|one| one.ask.clone()).collect();
            let result = self.state.claim(&self.holder, asks, Some(EntryKind::Ledger.as_str())).await;
            self.note(&result);
            match result {
                Ok(claimed) => {
                    let pause_ms = self.pause_ms();
                    for (one, claimed) in batch.into_iter().zip(claimed) {
                        let claim = match (answer_of(claimed), pause_ms) {
                            (Claim::Granted { token, .. }, Some(for_ms)) => {
                                self.outbox.lock().release(Pending { key: one.ask.key, token, told: None });
                                self.wake_outbox.notify_one();
                                Claim::Held { for_ms }
                            }
                            (claim, _) => claim,
                        };
                        let _ = one.answer.send(claim);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "claims could not be asked for");
                    // Whoever waits would wait for the same.
                    for one in batch.into_iter().chain(waiting.drain(..)) {
                        let _ = one.answer.send(Claim::Unreachable);
                    }
                }
            }
        }
    }

    /// Waits until what is in the outbox now is out, for a bounded time.
    async fn wait_until_out(&self) -> Result<(), ReplicaError> {
        let mine = self.entered.fetch_add(1, Ordering::SeqCst) + 1;
        self.wake_outbox.notify_one();
        let mut brought_out = self.brought_out.subscribe();
        let waited = brought_out.wait_for(|out| *out >= mine);
        match tokio::time::timeout(WAIT_MAX, waited).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ReplicaError::Unreachable("the database is away".into())),
        }
    }

    /// Brings out what is in the outbox, for as long as it takes.
    async fn bring_out(self: Arc<Self>) {
        loop {
            let entered = self.entered.load(Ordering::SeqCst);
            match self.bring_out_some().await {
                Ok(true) => {}
                Ok(false) => {
                    // Everything that had entered by then is out.
                    self.brought_out.send_replace(entered);
                    if self.entered.load(Ordering::SeqCst) == entered {
                        self.wake_outbox.notified().await;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "what should be shared waits");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
            let outbox = self.outbox.lock();
            self.metrics.waiting.set(outbox.len() as f64);
            self.metrics.dropped.set(outbox.dropped() as f64);
        }
    }

    /// One step; whether there was something to bring out.
    async fn bring_out_some(&self) -> Result<bool, state::StateError> {
        let pending = self.outbox.lock().take_releases(BATCH_MAX, BATCH_SIZE_MAX_BYTES);
        if !pending.is_empty() {
            self.release_claims(pending).await?;
            return Ok(true);
        }
        let entries = self.outbox.lock().take_entries(BATCH_MAX, BATCH_SIZE_MAX_BYTES);
        if entries.is_empty() {
            return Ok(false);
        }
        let result = self.state.write(entries.iter().map(write_of).collect()).await;
        self.note(&result);
        match result {
            Ok(written) => {
                let refused = written.iter().filter(|one| matches!(one, Written::Refused { .. })).count();
                tracing::trace!(entries = entries.len(), refused, "shared");
                Ok(true)
            }
            Err(error) => {
                self.outbox.lock().put_back(Vec::new(), entries);
                Err(error)
            }
        }
    }

    async fn release_claims(&self, pending: Vec<Pending>) -> Result<(), state::StateError> {
        // Two releases of one key in one step would be two changes of one document.
        let (mut batch, mut later, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
        for one in pending {
            if keys.insert(one.key.clone()) { batch.push(one) } else { later.push(one) }
        }
        self.outbox.lock().put_back(later, Vec::new());
        let releases = batch
            .iter()
            .map(|one| Release {
                key: one.key.clone(),
                token: state::Token(one.token.0),
                write: one.told.as_ref().map(write_of),
            })
            .collect();
        let result = self.state.release(releases).await;
        self.note(&result);
        match result {
            Ok(released) => {
                // A lease that ended does not make untrue what was told. Another one may have told
                // it too; the newer entry stays.
                let mut outbox = self.outbox.lock();
                let mut releasing = self.releasing.lock();
                for (one, released) in batch.into_iter().zip(released) {
                    if let Some(waits) = releasing.remove(&one.token) {
                        let _ = waits.send(());
                    }
                    if let (Released::Lost, Some(told)) = (released, one.told) {
                        outbox.share(told);
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.outbox.lock().put_back(batch, Vec::new());
                Err(error)
            }
        }
    }

    /// Sends a subscriber what changes, from the first change on.
    async fn follow(self: Arc<Self>, subscriber: mpsc::Sender<Vec<Entry>>) {
        let mut wakeups = self.state.wakeups();
        let mut since = 0;
        loop {
            wakeups.mark_unchanged();
            match self.state.changes(since).await {
                Ok(changes) => {
                    let entries: Vec<Entry> = changes.list.into_iter().filter_map(entry_of_change).collect();
                    if !entries.is_empty() && subscriber.send(entries).await.is_err() {
                        return;
                    }
                    since = changes.revision;
                    if changes.has_more {
                        continue;
                    }
                    self.settled.send_replace(true);
                    tokio::select! {
                        changed = wakeups.changed() => if changed.is_err() { return },
                        () = tokio::time::sleep(LOOK_INTERVAL) => {}
                        () = subscriber.closed() => return,
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "what others shared cannot be read now");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY_PAUSE) => {}
                        () = subscriber.closed() => return,
                    }
                }
            }
        }
    }

    /// Says that we are there, and looks who else is.
    async fn be_present(self: Arc<Self>) {
        loop {
            let result = self.look_around().await;
            self.note(&result);
            let pause = if result.is_ok() { PRESENCE_INTERVAL } else { RETRY_PAUSE };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look_around(&self) -> Result<(), state::StateError> {
        let now_ms = self.state.now_ms().await?;
        let here = Write::put(PRESENCE, &self.holder, self.settings.address.clone())
            .expiring_at(now_ms.saturating_add(PRESENCE_MS));
        self.state.write(vec![here]).await?;
        let found = self.state.list(PRESENCE, "", MEMBERS_MAX).await?;
        let position = found.iter().position(|document| document.key == self.holder).unwrap_or(0);
        let mut present: Vec<Member> = found.iter().map(member).collect();
        let mut members = self.members.lock();
        // Those that were there before are shown as missing, unless they came back under their name.
        let mut missed = HashMap::new();
        for known in &members.list {
            if present.iter().any(|member| member.name == known.name) || present.len() >= MEMBERS_MAX {
                continue;
            }
            let times = members.missed.get(&known.name).copied().unwrap_or(0) + 1;
            if times <= MISSED_MAX {
                missed.insert(known.name.clone(), times);
                present.push(Member { is_healthy: false, ..known.clone() });
            }
        }
        present.sort_by(|a, b| a.name.cmp(&b.name));
        *members = Known { list: present, position, missed };
        Ok(())
    }

    async fn settle_in_time(self: Arc<Self>) {
        tokio::time::sleep(self.settings.settle_timeout).await;
        if !self.settled.send_replace(true) {
            tracing::warn!("the database of the state was not there in time; going on without");
        }
    }
}

fn member(document: &Document) -> Member {
    let name = document.key.rsplit_once('/').map_or(document.key.as_str(), |(name, _)| name);
    let address = String::from_utf8_lossy(&document.body).into_owned();
    Member { name: name.to_string(), address, is_healthy: true }
}

fn answer_of(claimed: Claimed) -> Claim {
    match claimed {
        Claimed::Granted { token, document } => {
            let told = document.and_then(|document| {
                let Document { key, body, stamp_ms, expires_at_ms, .. } = document;
                entry_of(EntryKind::Ledger, &key, &body, stamp_ms, expires_at_ms.unwrap_or(i64::MAX))
            });
            Claim::Granted { token: Token(token.0), told }
        }
        Claimed::Held { for_ms, .. } => Claim::Held { for_ms },
    }
}

fn write_of(entry: &Entry) -> Write {
    Write::put(entry.kind.as_str(), stored_key(&entry.key), body_of(entry))
        .newer(entry.updated_at_ms)
        .expiring_at(entry.expires_at_ms)
}

fn entry_of_change(change: Change) -> Option<Entry> {
    let kind = EntryKind::from_word(&change.kind)?;
    let end_ms = change.expires_at_ms.unwrap_or(i64::MAX);
    entry_of(kind, &change.key, &change.body?, change.stamp_ms, end_ms)
}

impl From<state::StateError> for ReplicaError {
    fn from(error: state::StateError) -> Self {
        if error.class().is_retryable() {
            ReplicaError::Unreachable(error.to_string())
        } else {
            ReplicaError::Settings(error.to_string())
        }
    }
}
