//! The state in PostgreSQL, for many processes. Connections are few and bounded; each is made anew
//! from what the settings say at that moment, so that a database that moved, or a password that was
//! changed, needs no restart.

mod connect;
mod operations;

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_postgres::Client;

use crate::metrics::Metrics;
use crate::store::{Answer, Backend};
use crate::{
    Ask, Changes, Claimed, Document, Release, Released, Settings, StateError, Token, Write, Written,
};

/// The wait after the first attempt to connect that failed; each further one is twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest wait before the next attempt to connect.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// The longest life of a connection, so that a database behind a moving name is found again.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// How often the connection that listens is asked whether it lives.
const LISTENER_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A handle of the server.
pub(crate) struct Postgres(Arc<Shared>);

struct Shared {
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    wakeups: watch::Sender<u64>,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    gate: Mutex<Gate>,
}

/// A connection.
struct Connection {
    client: Client,
    made: Mark,
    _open: OpenConnection,
}

/// Counts a connection for as long as it lives.
struct OpenConnection(exposition::registry::Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

/// Keeps attempts to connect apart while they fail: in between, operations fail at once.
#[derive(Default)]
struct Gate {
    failures: u32,
    closed: Option<(Mark, Duration, StateError)>,
}

impl Gate {
    fn check(&self) -> Result<(), StateError> {
        match &self.closed {
            Some((since, wait, error)) if since.elapsed() < *wait => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn note(&mut self, result: Result<(), &StateError>, clock: &Clock) {
        match result {
            Ok(()) => *self = Gate::default(),
            Err(error) => {
                let wait = (BACKOFF_FIRST * (1 << self.failures.min(10))).min(BACKOFF_MAX);
                self.failures = self.failures.saturating_add(1);
                self.closed = Some((clock.mark(), wait, error.clone()));
            }
        }
    }
}

/// A connection in use.
struct Lease {
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl Postgres {
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        wakeups: watch::Sender<u64>,
    ) -> Postgres {
        let shared = Arc::new(Shared {
            permits: Arc::new(Semaphore::new(settings.connections_max.max(1))),
            settings,
            clock,
            metrics,
            wakeups,
            idle: Mutex::new(Vec::new()),
            gate: Mutex::new(Gate::default()),
        });
        tokio::spawn(listen(Arc::downgrade(&shared)));
        Postgres(shared)
    }

    /// Runs an operation on a connection, within the time there is.
    fn run<'a, T, F>(&'a self, operation: F) -> Answer<'a, T>
    where
        T: Send + 'a,
        F: for<'c> FnOnce(&'c mut Client) -> Operation<'c, T> + Send + 'a,
    {
        Box::pin(async move {
            let mut connected = false;
            let work = async {
                let mut lease = self.0.lease().await?;
                connected = true;
                let result = operation(&mut lease.connection.client).await;
                match result {
                    Ok(value) => {
                        self.0.give_back(lease);
                        Ok(value)
                    }
                    Err(error) => {
                        let error = operations::from_postgres(&error);
                        // A connection whose server cannot serve us is not kept.
                        if !matches!(error, StateError::Unreachable(_)) {
                            self.0.give_back(lease);
                        }
                        Err(error)
                    }
                }
            };
            match tokio::time::timeout(self.0.settings.timeout, work).await {
                Ok(result) => result,
                // No connection was free in time.
                Err(_) if !connected && self.0.permits.available_permits() == 0 => Err(StateError::Busy),
                Err(_) => Err(StateError::Timeout),
            }
        })
    }
}

/// What an operation answers.
type Operation<'c, T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<T, tokio_postgres::Error>> + Send + 'c>>;

impl Shared {
    async fn lease(&self) -> Result<Lease, StateError> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StateError::Busy)?;
        loop {
            let Some(connection) = self.idle.lock().pop() else { break };
            if !connection.client.is_closed() && connection.made.elapsed() < CONNECTION_AGE_MAX {
                return Ok(Lease { connection, _permit: permit });
            }
        }
        Ok(Lease { connection: self.connect(None).await?, _permit: permit })
    }

    fn give_back(&self, lease: Lease) {
        if !lease.connection.client.is_closed() {
            self.idle.lock().push(lease.connection);
        }
    }

    /// Connects, unless that has just failed.
    async fn connect(&self, wakeups: Option<watch::Sender<u64>>) -> Result<Connection, StateError> {
        self.gate.lock().check()?;
        self.metrics.connects.inc();
        let limit = self.settings.timeout;
        let connected =
            match tokio::time::timeout(limit, connect::connect(self.settings.clone(), wakeups)).await {
                Ok(connected) => connected,
                Err(_) => Err(StateError::Unreachable("it did not answer in time".into())),
            };
        let was_away = {
            let mut gate = self.gate.lock();
            let was_away = gate.failures > 0;
            gate.note(connected.as_ref().map(|_| ()), &self.clock);
            was_away
        };
        match connected {
            Ok(client) => {
                if was_away {
                    tracing::info!("the database of the state is there again");
                }
                self.metrics.connections.add(1.0);
                let open = OpenConnection(self.metrics.connections.clone());
                Ok(Connection { client, made: self.clock.mark(), _open: open })
            }
            Err(error) => {
                self.metrics.connect_failures.inc();
                self.idle.lock().clear();
                if !was_away {
                    tracing::warn!(%error, "the database of the state is away; trying again");
                }
                Err(error)
            }
        }
    }
}

/// Keeps one connection that hears of changes, for as long as someone has the state.
async fn listen(shared: std::sync::Weak<Shared>) {
    let mut pause = BACKOFF_FIRST;
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let (wakeups, limit) = (strong.wakeups.clone(), strong.settings.timeout);
        let connected = strong.connect(Some(wakeups.clone())).await;
        drop(strong);
        if let Ok(connection) = connected {
            let listens = connection.client.batch_execute("LISTEN promontory_state");
            if matches!(tokio::time::timeout(limit, listens).await, Ok(Ok(()))) {
                pause = BACKOFF_FIRST;
                // Something may have changed while nobody listened.
                wakeups.send_modify(|count| *count = count.wrapping_add(1));
                while shared.strong_count() > 0 {
                    tokio::time::sleep(LISTENER_CHECK_INTERVAL.min(limit * 3)).await;
                    let lives = connection.client.batch_execute("");
                    if !matches!(tokio::time::timeout(limit, lives).await, Ok(Ok(()))) {
                        break;
                    }
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

impl Backend for Postgres {
    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Written>> {
        self.run(move |client| Box::pin(operations::write(client, writes)))
    }

    fn get(&self, kind: String, key: String) -> Answer<'_, Option<Document>> {
        self.run(move |client| Box::pin(operations::get(client, kind, key)))
    }

    fn list(&self, kind: String, after_key: String, at_most: usize) -> Answer<'_, Vec<Document>> {
        self.run(move |client| Box::pin(operations::list(client, kind, after_key, at_most)))
    }

    fn changes(&self, since: i64) -> Answer<'_, Changes> {
        self.run(move |client| Box::pin(operations::changes(client, since)))
    }

    fn claim(&self, holder: String, asks: Vec<Ask>, kind: Option<String>) -> Answer<'_, Vec<Claimed>> {
        self.run(move |client| Box::pin(operations::claim(client, holder, asks, kind)))
    }

    fn renew(&self, key: String, token: Token, lease_ms: i64) -> Answer<'_, bool> {
        self.run(move |client| Box::pin(operations::renew(client, key, token, lease_ms)))
    }

    fn release(&self, releases: Vec<Release>) -> Answer<'_, Vec<Released>> {
        self.run(move |client| Box::pin(operations::release(client, releases)))
    }

    fn now_ms(&self) -> Answer<'_, i64> {
        self.run(move |client| Box::pin(operations::now_ms(client)))
    }

    fn purge(&self) -> Answer<'_, ()> {
        self.run(move |client| Box::pin(operations::purge(client)))
    }
}
