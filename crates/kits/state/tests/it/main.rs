//! The state as its users meet it, on both databases.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod claims;
mod documents;
mod outages;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::Clock;
use config::Secret;
use config::http_client::SecretSource;
use exposition::Registry;
use state::{Place, Settings, State};
use testkit::postgres::Postgres;

/// One of the two databases, empty.
struct Database {
    settings: Settings,
    clock: Clock,
    /// Its name on the server that tests share.
    name: Option<String>,
    _dir: tempfile::TempDir,
}

impl Database {
    fn file() -> Database {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_700_000_000_000);
        Database { settings: Settings::in_dir(dir.path()), clock, name: None, _dir: dir }
    }

    fn server() -> Option<Database> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let settings = server_settings(&shared()?.database(&name));
        let dir = tempfile::tempdir().unwrap();
        Some(Database { settings, clock: Clock::system(), name: Some(name), _dir: dir })
    }

    fn both() -> Vec<Database> {
        [Some(Database::file()), Database::server()].into_iter().flatten().collect()
    }

    fn open(&self) -> State {
        State::open(&self.settings, self.clock.clone(), &Registry::new()).unwrap()
    }

    /// Lets the database's time pass.
    async fn pass(&self, by_ms: u64) {
        match &self.name {
            // Its clock cannot be turned, but what has ended by then can be moved into the past.
            Some(name) => {
                let sql = |text: &str| shared().unwrap().sql_in(name, text);
                sql(&format!("UPDATE promontory_claim SET expires_at_ms = expires_at_ms - {by_ms}"));
                sql(&format!(
                    "UPDATE promontory_document SET expires_at_ms = expires_at_ms - {by_ms}
                     WHERE expires_at_ms < 9223372036854775807"
                ));
            }
            None => self.clock.advance(Duration::from_millis(by_ms)),
        }
    }
}

/// A server for all tests that do not stop it.
fn shared() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).as_ref()
}

fn server_settings(url: &str) -> Settings {
    let url = SecretSource::Inline(Secret::new(url.to_string()));
    // A busy machine may take long; what a timeout does has a test of its own.
    Settings { timeout: Duration::from_secs(60), ..Settings::new(Place::Server { url, password: None }) }
}

/// Waits until a condition holds, for a minute at most.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..6_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}

/// The same future on many tasks at once.
async fn at_once<T, F>(count: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|at| {
            let (barrier, work) = (barrier.clone(), make(at));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
