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
pub(crate) const FEW: usize = 5;

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

/// A change of the index that has been read already.
type Change = Box<dyn FnOnce(&mut Index) + Send>;

/// What a document is to the index, or that it is gone; `None` for kinds that it does not know. What cannot be read is
/// left out and told.
fn read_change(
    kind: &str,
    key: String,
    body: Option<&[u8]>,
    revision: i64,
    expires_at_ms: Option<i64>,
) -> Option<Change> {
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
    /// Reads the value now, and puts it into one of the index's maps then.
    macro_rules! change {
        ($set:ident, $map:ident, $key:expr) => {{
            let value = kept((kind, &key), body, revision, expires_at_ms);
            Box::new(move |index: &mut Index| $set(&mut index.$map, $key(key), value))
        }};
    }
    Some(match kind {
        kinds::DASHBOARD | kinds::TRASH => {
            let stored = kept::<StoredDashboard>((kind, &key), body, revision, expires_at_ms);
            let key: Arc<str> = key.into();
            let card = stored.map(|stored| Card::stored(key.clone(), &stored.value));
            if kind == kinds::DASHBOARD {
                Box::new(move |index| set(&mut index.dashboards, key, card.map(Arc::new)))
            } else {
                let card = card.map(|card| Kept { revision, expires_at_ms, value: Arc::new(card) });
                Box::new(move |index| set(&mut index.trash, key, card))
            }
        }
        kinds::FOLDER => change!(set, folders, Arc::from),
        kinds::STARS => change!(set, stars, String::from),
        kinds::PREFERENCES => change!(set, preferences, String::from),
        kinds::LIBRARY => change!(set_sorted, library, String::from),
        kinds::PLAYLIST => change!(set_sorted, playlists, String::from),
        kinds::ANNOTATION => {
            let id: i64 = key.parse().ok()?;
            change!(set_sorted, annotations, |_| id)
        }
        kinds::PUBLIC => change!(set_sorted, public, String::from),
        kinds::DATA_SOURCE => change!(set_sorted, data_sources, Arc::from),
        kinds::SNAPSHOT => {
            let size_bytes = body.map_or(0, <[u8]>::len);
            let snapshot = kept::<Snapshot>((kind, &key), body, revision, expires_at_ms).map(|mut kept| {
                let light = Snapshot { dashboard: Value::Null, size_bytes, ..Snapshot::clone(&kept.value) };
                kept.value = Arc::new(light);
                kept
            });
            Box::new(move |index| set_sorted(&mut index.snapshots, key, snapshot))
        }
        _ => return None,
    })
}

impl Index {
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
            // Large dashboards take a while to read: whoever looks into the index meanwhile does not wait.
            let has_more = changes.has_more;
            let read = tokio::task::spawn_blocking(move || {
                let list = changes.list.into_iter().filter_map(|change| {
                    let body = change.body.as_deref();
                    read_change(&change.kind, change.key, body, change.revision, change.expires_at_ms)
                });
                list.collect::<Vec<Change>>()
            });
            let Ok(read) = read.await else {
                // What was missed is in the state.
                *cursor = None;
                return Err(Error::NotLoaded);
            };
            let mut index = self.index.write();
            for change in read {
                change(&mut index);
            }
            index.forget_expired(self.clock.now_ms());
            drop(index);
            if !has_more {
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
                    let (body, end_ms) = (Some(document.body.as_slice()), document.expires_at_ms);
                    if let Some(change) = read_change(kind, document.key, body, document.revision, end_ms) {
                        change(&mut index);
                    }
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

    /// The first keys of a kind that begin so, in their order.
    pub(crate) async fn keys_prefixed(
        &self,
        kind: &str,
        prefix: &str,
        at_most: usize,
    ) -> Result<Vec<String>, Error> {
        let (mut after, mut keys) = (prefix.to_string(), Vec::new());
        while keys.len() < at_most {
            let wanted = FEW.min(at_most - keys.len());
            let page = self.state.list(kind, &after, wanted).await?;
            let is_last = page.len() < wanted;
            for document in page {
                if !document.key.starts_with(prefix) {
                    return Ok(keys);
                }
                after.clone_from(&document.key);
                keys.push(document.key);
            }
            if is_last {
                break;
            }
        }
        Ok(keys)
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
