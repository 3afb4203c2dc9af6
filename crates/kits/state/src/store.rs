//! The state, whichever database keeps it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use exposition::Registry;
use tokio::sync::watch;

use crate::document::{check_key, check_writes};
use crate::metrics::Metrics;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{
    Ask, Changes, Claimed, Document, Place, Release, Released, Settings, StateError, Token, When, Write,
    Written,
};

/// How often what nobody needs any more is removed.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StateError>> + Send + 'a>>;

/// What a database does. What it is given has been checked.
pub(crate) trait Backend: Send + Sync {
    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Written>>;
    fn get(&self, kind: String, key: String) -> Answer<'_, Option<Document>>;
    fn list(&self, kind: String, after_key: String, at_most: usize) -> Answer<'_, Vec<Document>>;
    fn changes(&self, since: i64) -> Answer<'_, Changes>;
    fn claim(&self, holder: String, asks: Vec<Ask>, kind: Option<String>) -> Answer<'_, Vec<Claimed>>;
    fn renew(&self, key: String, token: Token, lease_ms: i64) -> Answer<'_, bool>;
    fn release(&self, releases: Vec<Release>) -> Answer<'_, Vec<Released>>;
    fn now_ms(&self) -> Answer<'_, i64>;
    fn purge(&self) -> Answer<'_, ()>;
}

/// Small durable state. Clones are the same state.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    backend: Box<dyn Backend>,
    metrics: Metrics,
    wakeups: watch::Sender<u64>,
}

impl State {
    /// Opens a file, or gets ready to reach a server, on the current tokio runtime. A server need
    /// not be there: until it is, operations fail with [`StateError::Unreachable`].
    pub fn open(settings: &Settings, clock: Clock, registry: &Registry) -> Result<State, StateError> {
        settings.check()?;
        let metrics = Metrics::new(registry);
        let (wakeups, _) = watch::channel(0);
        let backend: Box<dyn Backend> = match &settings.place {
            Place::File(path) => Box::new(Sqlite::open(path, clock, wakeups.clone())?),
            Place::Server { .. } => {
                Box::new(Postgres::new(settings.clone(), clock, metrics.clone(), wakeups.clone()))
            }
        };
        let inner = Arc::new(Inner { backend, metrics, wakeups });
        tokio::spawn(purge(Arc::downgrade(&inner)));
        Ok(State(inner))
    }

    /// Makes changes in one step: all whose condition holds, or on an error none.
    pub async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, StateError> {
        check_writes(&writes.iter().collect::<Vec<_>>())?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        self.measured("write", self.0.backend.write(writes)).await
    }

    /// Writes one document, if `expected` holds. The answer is its revision.
    pub async fn put(
        &self,
        kind: &str,
        key: &str,
        body: impl Into<Vec<u8>>,
        expected: When,
    ) -> Result<Written, StateError> {
        self.write_one(Write::put(kind, key, body).when(expected)).await
    }

    /// Deletes one document, if `expected` holds.
    pub async fn delete(&self, kind: &str, key: &str, expected: When) -> Result<Written, StateError> {
        self.write_one(Write::delete(kind, key).when(expected)).await
    }

    async fn write_one(&self, write: Write) -> Result<Written, StateError> {
        let mut written = self.write(vec![write]).await?;
        written.pop().ok_or_else(|| StateError::Database("no answer to a change".into()))
    }

    /// One document, if it is there.
    pub async fn get(&self, kind: &str, key: &str) -> Result<Option<Document>, StateError> {
        check_key(key)?;
        self.measured("get", self.0.backend.get(kind.into(), key.into())).await
    }

    /// The documents of a kind by key, at most `at_most` of those after a key; `""` begins.
    pub async fn list(
        &self,
        kind: &str,
        after_key: &str,
        at_most: usize,
    ) -> Result<Vec<Document>, StateError> {
        self.measured("list", self.0.backend.list(kind.into(), after_key.into(), at_most)).await
    }

    /// What changed after a revision; 0 gives everything. Bounded: see [`Changes::has_more`].
    pub async fn changes(&self, since: i64) -> Result<Changes, StateError> {
        self.measured("changes", self.0.backend.changes(since)).await
    }

    /// Changes its value whenever something may have changed. A wake-up can get lost with a
    /// connection, so who follows should also look now and then.
    pub fn wakeups(&self) -> watch::Receiver<u64> {
        self.0.wakeups.subscribe()
    }

    /// Asks for claims, each on its own; each key at most once. Leases are judged by the database's
    /// clock. A claim that `holder` has is granted to it anew, with another token, so that an answer
    /// that got lost does no harm: every process needs a holder's name of its own. Granted claims
    /// come with the document of `kind` that has their key.
    pub async fn claim(
        &self,
        holder: &str,
        asks: Vec<Ask>,
        kind: Option<&str>,
    ) -> Result<Vec<Claimed>, StateError> {
        let mut keys = std::collections::HashSet::new();
        for ask in &asks {
            check_key(&ask.key)?;
            if !keys.insert(&ask.key) {
                return Err(StateError::Input(format!("{:?} is claimed twice in one step", ask.key)));
            }
        }
        check_key(holder)?;
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        self.measured("claim", self.0.backend.claim(holder.into(), asks, kind.map(Into::into))).await
    }

    /// Makes a claim last `lease_ms` from now. False if it was lost.
    pub async fn renew(&self, key: &str, token: Token, lease_ms: i64) -> Result<bool, StateError> {
        check_key(key)?;
        self.measured("renew", self.0.backend.renew(key.into(), token, lease_ms)).await
    }

    /// Gives claims back, with the changes that belong to them, in one step.
    pub async fn release(&self, releases: Vec<Release>) -> Result<Vec<Released>, StateError> {
        let writes: Vec<&Write> = releases.iter().filter_map(|release| release.write.as_ref()).collect();
        check_writes(&writes)?;
        for release in &releases {
            check_key(&release.key)?;
        }
        if releases.is_empty() {
            return Ok(Vec::new());
        }
        self.measured("release", self.0.backend.release(releases)).await
    }

    /// The database's clock, milliseconds since the epoch.
    pub async fn now_ms(&self) -> Result<i64, StateError> {
        self.measured("now", self.0.backend.now_ms()).await
    }

    /// Removes what was deleted or has expired long ago. Done now and then by itself.
    pub async fn purge(&self) -> Result<(), StateError> {
        self.measured("purge", self.0.backend.purge()).await
    }

    async fn measured<T>(&self, operation: &'static str, answer: Answer<'_, T>) -> Result<T, StateError> {
        let metrics = &self.0.metrics;
        let mark = Clock::system().mark();
        let result = answer.await;
        metrics.operations.with(&[operation]).inc();
        metrics.duration.with(&[operation]).observe(mark.elapsed_seconds());
        match &result {
            Ok(_) => metrics.reachable.set(1.0),
            Err(error) => {
                metrics.failures.with(&[operation, error.word()]).inc();
                if matches!(error, StateError::Unreachable(_) | StateError::Timeout | StateError::Denied(_)) {
                    metrics.reachable.set(0.0);
                }
            }
        }
        result
    }
}

/// Removes what nobody needs any more, for as long as someone has the state.
async fn purge(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(PURGE_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = State(inner).purge().await {
            tracing::debug!(%error, "old state could not be removed now");
        }
    }
}
