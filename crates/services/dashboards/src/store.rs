//! What people have saved: kept in the state, known by an index in memory that follows the state's changes, so that
//! replicas see what others save.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock;
use parking_lot::{RwLock, RwLockReadGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use state::{State, When, Write, Written};
use tokio::sync::Mutex;

use crate::card::Card;
use crate::documents::{
    Annotation, LibraryElement, Playlist, PublicDashboard, Snapshot, Stars, StoredDashboard, StoredFolder,
    kinds,
};
use crate::error::Error;
use crate::sources::StoredSource;

/// How often changes are looked for even if nothing woke us.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Documents that are read at once when everything is read.
const PAGE: usize = 100;
/// Documents that are read at once where they are large.
const FEW: usize = 5;

/// Something that the index knows.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    /// The document's revision, to change it only as it was seen.
    pub(crate) revision: i64,
    /// From when on it is gone.
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) value: Arc<T>,
}

/// What is known without asking the state.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) dashboards: HashMap<Arc<str>, Arc<Card>>,
    pub(crate) trash: HashMap<Arc<str>, Kept<Card>>,
    pub(crate) folders: HashMap<Arc<str>, Kept<StoredFolder>>,
    pub(crate) stars: HashMap<String, Kept<Stars>>,
    pub(crate) preferences: HashMap<String, Kept<Value>>,
    pub(crate) library: BTreeMap<String, Kept<LibraryElement>>,
    pub(crate) playlists: BTreeMap<String, Kept<Playlist>>,
    /// By the number that the API shows.
    pub(crate) annotations: BTreeMap<i64, Kept<Annotation>>,
    /// By the dashboard's identifier.
    pub(crate) public: BTreeMap<String, Kept<PublicDashboard>>,
    pub(crate) snapshots: BTreeMap<String, Kept<Snapshot>>,
    pub(crate) data_sources: BTreeMap<Arc<str>, Kept<StoredSource>>,
}

impl Index {
    /// Takes a document over, or forgets it. What cannot be read is left out and told.
    fn apply(
        &mut self,
        kind: &str,
        key: String,
        body: Option<&[u8]>,
        revision: i64,
        expires_at_ms: Option<i64>,
    ) {
        fn kept<T: DeserializeOwned>(
            (kind, key): (&str, &str),
            body: Option<&[u8]>,
            revision: i64,
            expires_at_ms: Option<i64>,
        ) -> Option<Kept<T>> {
            match serde_json::from_slice(body?) {
                Ok(value) => Some(Kept { revision, expires_at_ms, value: Arc::new(value) }),
                Err(error) => {
                    tracing::warn!(%error, "a {kind} of the state cannot be read: {key}");
                    None
                }
            }
        }
        fn set<K: std::hash::Hash + Eq, T>(map: &mut HashMap<K, T>, key: K, value: Option<T>) {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        fn set_sorted<K: Ord, T>(map: &mut BTreeMap<K, T>, key: K, value: Option<T>) {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        let named = (kind, key.clone());
        let at = (named.0, named.1.as_str());
        match kind {
            kinds::DASHBOARD | kinds::TRASH => {
                let stored = kept::<StoredDashboard>(at, body, revision, expires_at_ms);
                let key: Arc<str> = key.into();
                let card = stored.map(|stored| Card::stored(key.clone(), &stored.value));
                if kind == kinds::DASHBOARD {
                    set(&mut self.dashboards, key, card.map(Arc::new));
                } else {
                    let card = card.map(|card| Kept { revision, expires_at_ms, value: Arc::new(card) });
                    set(&mut self.trash, key, card);
                }
            }
            kinds::FOLDER => set(&mut self.folders, key.into(), kept(at, body, revision, expires_at_ms)),
            kinds::STARS => set(&mut self.stars, key, kept(at, body, revision, expires_at_ms)),
            kinds::PREFERENCES => set(&mut self.preferences, key, kept(at, body, revision, expires_at_ms)),
            kinds::LIBRARY => set_sorted(&mut self.library, key, kept(at, body, revision, expires_at_ms)),
            kinds::PLAYLIST => set_sorted(&mut self.playlists, key, kept(at, body, revision, expires_at_ms)),
            kinds::ANNOTATION => {
                if let Ok(id) = key.parse() {
                    set_sorted(&mut self.annotations, id, kept(at, body, revision, expires_at_ms));
                }
            }
            kinds::PUBLIC => set_sorted(&mut self.public, key, kept(at, body, revision, expires_at_ms)),
            kinds::DATA_SOURCE => {
                set_sorted(&mut self.data_sources, key.into(), kept(at, body, revision, expires_at_ms));
            }
            kinds::SNAPSHOT => {
                let snapshot = kept::<Snapshot>(at, body, revision, expires_at_ms).map(|mut kept| {
                    let light = Snapshot { dashboard: Value::Null, ..Snapshot::clone(&kept.value) };
                    kept.value = Arc::new(light);
                    kept
                });
                set_sorted(&mut self.snapshots, key, snapshot);
            }
            _ => {}
        }
    }

    fn forget_expired(&mut self, now_ms: i64) {
        fn is_there<T>(kept: &Kept<T>, now_ms: i64) -> bool {
            kept.expires_at_ms.is_none_or(|end_ms| end_ms > now_ms)
        }
        self.trash.retain(|_, kept| is_there(kept, now_ms));
        self.annotations.retain(|_, kept| is_there(kept, now_ms));
        self.snapshots.retain(|_, kept| is_there(kept, now_ms));
    }
}

/// What people have saved.
pub(crate) struct Store {
    state: State,
    clock: Clock,
    index: RwLock<Index>,
    /// The revision up to which everything is in the index; `None` before everything was read once.
    cursor: Mutex<Option<i64>>,
    is_loaded: AtomicBool,
}

impl Store {
    pub(crate) fn new(state: State, clock: Clock) -> Store {
        Store {
            state,
            clock,
            index: RwLock::default(),
            cursor: Mutex::new(None),
            is_loaded: AtomicBool::new(false),
        }
    }

    /// What is known now.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read()
    }

    /// Whether the state was read once: before that nobody can say that something is not there.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    pub(crate) fn check_loaded(&self) -> Result<(), Error> {
        if self.is_loaded() { Ok(()) } else { Err(Error::NotLoaded) }
    }

    /// Brings the index to where the state is.
    pub(crate) async fn catch_up(&self) -> Result<(), Error> {
        let mut cursor = self.cursor.lock().await;
        loop {
            let since = match *cursor {
                Some(since) => since,
                None => self.load().await?,
            };
            *cursor = Some(since);
            let changes = self.state.changes(since).await?;
            if changes.is_restart {
                *cursor = None;
                continue;
            }
            *cursor = Some(changes.revision);
            let mut index = self.index.write();
            for change in changes.list {
                let body = change.body.as_deref();
                index.apply(&change.kind, change.key, body, change.revision, change.expires_at_ms);
            }
            index.forget_expired(self.clock.now_ms());
            if !changes.has_more {
                self.is_loaded.store(true, Ordering::Release);
                return Ok(());
            }
        }
    }

    /// Reads everything. The answer is the revision from which on changes may be missing.
    async fn load(&self) -> Result<i64, Error> {
        // Whatever changes while the pages are read has a larger revision than this.
        let since = match self.state.put(kinds::MARK, "start", "", When::Always).await? {
            Written::Done { revision } => revision,
            Written::Refused { .. } => return Err(Error::NotLoaded),
        };
        let mut index = Index::default();
        for kind in kinds::INDEXED {
            let mut after = String::new();
            loop {
                let page = self.state.list(kind, &after, PAGE).await?;
                let is_last = page.len() < PAGE;
                if let Some(last) = page.last() {
                    after.clone_from(&last.key);
                }
                for document in page {
                    let body = Some(document.body.as_slice());
                    index.apply(kind, document.key, body, document.revision, document.expires_at_ms);
                }
                if is_last {
                    break;
                }
            }
        }
        *self.index.write() = index;
        Ok(since)
    }

    /// Follows the state until it is stopped by being dropped.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut wakeups = self.state.wakeups();
        let mut is_told = false;
        loop {
            match self.catch_up().await {
                Ok(()) => is_told = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "saved dashboards cannot be followed at the moment");
                    }
                }
            }
            tokio::select! {
                changed = wakeups.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// Makes changes and sees them.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, Error> {
        let written = self.state.write(writes).await?;
        if let Err(error) = self.catch_up().await {
            // It is saved; the index comes later.
            tracing::debug!(%error, "what was saved cannot be read back yet");
        }
        Ok(written)
    }

    /// Writes one document. `Ok(false)` if the condition did not hold.
    pub(crate) async fn put<T: Serialize>(
        &self,
        kind: &'static str,
        key: &str,
        value: &T,
        when: When,
    ) -> Result<bool, Error> {
        let write = Write::put(kind, key, body_of(value)?).when(when);
        Ok(self.write(vec![write]).await?.iter().all(|written| matches!(written, Written::Done { .. })))
    }

    /// Deletes one document.
    pub(crate) async fn delete(&self, kind: &'static str, key: &str) -> Result<(), Error> {
        self.write(vec![Write::delete(kind, key)]).await?;
        Ok(())
    }

    /// One document.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        key: &str,
    ) -> Result<Option<(T, i64)>, Error> {
        let Some(document) = self.state.get(kind, key).await? else { return Ok(None) };
        let value = serde_json::from_slice(&document.body)
            .map_err(|error| state::StateError::Corrupt(format!("{kind} {key:?}: {error}")))?;
        Ok(Some((value, document.revision)))
    }

    /// What is made of the documents of a kind whose keys begin so, by key. Few are in memory at a time.
    pub(crate) async fn list_prefixed<T: DeserializeOwned, U>(
        &self,
        kind: &str,
        prefix: &str,
        at_most: usize,
        mut make: impl FnMut(T) -> U,
    ) -> Result<Vec<U>, Error> {
        let mut after = prefix.to_string();
        let mut found = Vec::new();
        loop {
            let page = self.state.list(kind, &after, FEW.min(at_most - found.len())).await?;
            let is_last = page.len() < FEW;
            for document in page {
                if !document.key.starts_with(prefix) {
                    return Ok(found);
                }
                found.extend(serde_json::from_slice(&document.body).ok().map(&mut make));
                after = document.key;
            }
            if is_last || found.len() >= at_most {
                return Ok(found);
            }
        }
    }
}

/// When a change may be made that was decided by what the index has.
pub(crate) fn when<T>(kept: Option<&Kept<T>>) -> When {
    kept.map_or(When::Absent, |kept| When::At(kept.revision))
}

pub(crate) fn body_of<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::bad(format!("this cannot be kept as JSON: {error}")))
}
