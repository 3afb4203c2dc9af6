//! The state in a SQLite file, for one process. One thread has the file; what is asked of it waits
//! in a bounded queue.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Clock;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use crate::document::{
    CHANGES_MAX, CHANGES_SIZE_MAX_BYTES, Current, GRAVE_MS, end_from_stored, may_write, stored_end_ms,
};
use crate::store::{Answer, Backend};
use crate::{Ask, Change, Changes, Claimed, Document, Release, Released, StateError, Token, Write, Written};

/// Operations that wait for the file.
const QUEUE_MAX: usize = 256;
/// How long another process may have the file locked.
const LOCKED_MAX: Duration = Duration::from_secs(2);
/// How far the file has been brought, by steps; each runs once, in order.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL, forgotten INTEGER NOT NULL);
    INSERT INTO revision VALUES (1, 0, 0);
    CREATE TABLE document (
        kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, revision INTEGER NOT NULL,
        stamp_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, is_deleted INTEGER NOT NULL,
        PRIMARY KEY (kind, key));
    CREATE UNIQUE INDEX document_revision ON document (revision);
    CREATE INDEX document_end ON document (expires_at_ms);
    CREATE TABLE claim (
        key TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL);
    CREATE TABLE token (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL);
    INSERT INTO token VALUES (1, 0);
"];
const DOCUMENT: &str = "kind, key, body, revision, stamp_ms, expires_at_ms";

/// What is done with the file, or told why it cannot be opened.
type Job = Box<dyn FnOnce(Result<&mut Connection, StateError>) + Send>;

/// A handle of the thread that has the file. The thread ends with the last one.
pub(crate) struct Sqlite {
    jobs: mpsc::Sender<Job>,
    clock: Clock,
    wakeups: watch::Sender<u64>,
}

impl Sqlite {
    /// Opens the file. If its disk does not let us now, for example because it is full, it is tried again with every
    /// operation.
    pub(crate) fn open(path: &Path, clock: Clock, wakeups: watch::Sender<u64>) -> Result<Sqlite, StateError> {
        let mut connection = match open(path) {
            Ok(connection) => Some(connection),
            Err(error @ StateError::Unreachable(_)) => {
                tracing::warn!(%error, "nothing can be kept now");
                None
            }
            Err(error) => return Err(error),
        };
        let path = path.to_path_buf();
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE_MAX);
        std::thread::Builder::new()
            .name("state".into())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    let opened = match &mut connection {
                        Some(connection) => Ok(connection),
                        None => open(&path).map(|opened| connection.insert(opened)),
                    };
                    job(opened);
                }
            })
            .map_err(|error| StateError::Database(format!("cannot start a thread: {error}")))?;
        Ok(Sqlite { jobs, clock, wakeups })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let now_ms = self.clock.now_ms();
            let (answer, answered) = oneshot::channel();
            let job: Job = Box::new(move |connection| {
                let done = connection
                    .and_then(|connection| work(connection, now_ms).map_err(|error| from_sqlite(&error)));
                let _ = answer.send(done);
            });
            self.jobs.try_send(job).map_err(|_| StateError::Busy)?;
            answered.await.map_err(|_| StateError::Database("the thread of the state ended".into()))?
        })
    }

    fn changing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let answer = self.run(work);
        Box::pin(async move {
            let result = answer.await?;
            self.wakeups.send_modify(|count| *count = count.wrapping_add(1));
            Ok(result)
        })
    }
}

fn open(path: &Path) -> Result<Connection, StateError> {
    let fail = |error: rusqlite::Error| match from_sqlite(&error) {
        StateError::Database(text) => StateError::Database(format!("{}: {text}", path.display())),
        StateError::Corrupt(text) => StateError::Corrupt(format!("{}: {text}", path.display())),
        StateError::Unreachable(text) => StateError::Unreachable(format!("{}: {text}", path.display())),
        other => other,
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)
            .map_err(|error| StateError::Unreachable(format!("{}: {error}", dir.display())))?;
    }
    let mut connection = Connection::open(path).map_err(fail)?;
    restrict(path);
    connection.busy_timeout(LOCKED_MAX).map_err(fail)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(fail)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StateError::NewerVersion { found, known });
    }
    for step in MIGRATIONS.iter().skip(found.max(0) as usize) {
        transaction.execute_batch(step).map_err(fail)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {known}")).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    Ok(connection)
}

/// The file holds what only its owner should read.
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_os_string();
        name.push(suffix);
        let _ = std::fs::set_permissions(PathBuf::from(name), std::fs::Permissions::from_mode(0o600));
    }
}

fn from_sqlite(error: &rusqlite::Error) -> StateError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StateError::Corrupt(text),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StateError::Forbidden(text),
        Some(ErrorCode::CannotOpen | ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            StateError::Unreachable(text)
        }
        _ => StateError::Database(text),
    }
}

impl Backend for Sqlite {
    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Written>> {
        self.changing(move |connection, now_ms| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = writes
                .into_iter()
                .map(|write| write_one(&transaction, write, now_ms))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            transaction.commit()?;
            Ok(written)
        })
    }

    fn get(&self, kind: String, key: String) -> Answer<'_, Option<Document>> {
        self.run(move |connection, now_ms| get(connection, &kind, &key, now_ms))
    }

    fn list(&self, kind: String, after_key: String, at_most: usize) -> Answer<'_, Vec<Document>> {
        self.run(move |connection, now_ms| {
            let mut statement = connection.prepare(&format!(
                "SELECT {DOCUMENT} FROM document
                 WHERE kind = ?1 AND key > ?2 AND NOT is_deleted AND expires_at_ms > ?3 ORDER BY key LIMIT ?4"
            ))?;
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![kind, after_key, now_ms, at_most], document)?;
            rows.collect()
        })
    }

    fn changes(&self, since: i64) -> Answer<'_, Changes> {
        self.run(move |connection, now_ms| {
            let transaction = connection.transaction()?;
            let (latest, forgotten): (i64, i64) =
                transaction.query_row("SELECT value, forgotten FROM revision", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let is_restart = since > latest || (since > 0 && since < forgotten);
            let since = if is_restart { 0 } else { since };
            let mut changes = Changes { revision: latest, is_restart, ..Changes::default() };
            let mut statement = transaction.prepare(&format!(
                "SELECT {DOCUMENT}, is_deleted FROM document WHERE revision > ?1 ORDER BY revision"
            ))?;
            let mut rows = statement.query([since])?;
            let mut size_bytes = 0;
            while let Some(row) = rows.next()? {
                let Document { kind, key, body, revision, stamp_ms, expires_at_ms } = document(row)?;
                size_bytes += body.len();
                let is_full = changes.list.len() >= CHANGES_MAX || size_bytes > CHANGES_SIZE_MAX_BYTES;
                if is_full && !changes.list.is_empty() {
                    changes.has_more = true;
                    changes.revision = changes.list.last().map_or(since, |last| last.revision);
                    break;
                }
                let is_gone = row.get::<_, bool>(6)? || expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
                let body = (!is_gone).then_some(body);
                changes.list.push(Change { kind, key, body, revision, stamp_ms, expires_at_ms });
            }
            Ok(changes)
        })
    }

    fn claim(&self, holder: String, asks: Vec<Ask>, kind: Option<String>) -> Answer<'_, Vec<Claimed>> {
        self.run(move |connection, now_ms| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut claimed = Vec::with_capacity(asks.len());
            for ask in asks {
                let held = transaction
                    .query_row("SELECT holder, expires_at_ms FROM claim WHERE key = ?1", [&ask.key], |row| {
                        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                    })
                    .optional()?
                    .filter(|(by, until_ms)| *by != holder && *until_ms > now_ms);
                if let Some((by, until_ms)) = held {
                    claimed.push(Claimed::Held { by, for_ms: until_ms.saturating_sub(now_ms) });
                    continue;
                }
                let token: i64 = transaction.query_row(
                    "UPDATE token SET value = value + 1 RETURNING value",
                    [],
                    |row| row.get(0),
                )?;
                transaction.execute(
                    "INSERT OR REPLACE INTO claim (key, holder, token, expires_at_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![ask.key, holder, token, now_ms.saturating_add(ask.lease_ms)],
                )?;
                let document = match &kind {
                    Some(kind) => get(&transaction, kind, &ask.key, now_ms)?,
                    None => None,
                };
                claimed.push(Claimed::Granted { token: Token(token), document });
            }
            transaction.commit()?;
            Ok(claimed)
        })
    }

    fn renew(&self, key: String, token: Token, lease_ms: i64) -> Answer<'_, bool> {
        self.run(move |connection, now_ms| {
            let renewed = connection.execute(
                "UPDATE claim SET expires_at_ms = ?1 WHERE key = ?2 AND token = ?3 AND expires_at_ms > ?4",
                params![now_ms.saturating_add(lease_ms), key, token.0, now_ms],
            )?;
            Ok(renewed > 0)
        })
    }

    fn release(&self, releases: Vec<Release>) -> Answer<'_, Vec<Released>> {
        self.changing(move |connection, now_ms| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut released = Vec::with_capacity(releases.len());
            for Release { key, token, write } in releases {
                let was_ours = transaction
                    .execute("DELETE FROM claim WHERE key = ?1 AND token = ?2", params![key, token.0])?
                    > 0;
                if let (true, Some(write)) = (was_ours, write) {
                    write_one(&transaction, write, now_ms)?;
                }
                released.push(if was_ours { Released::Done } else { Released::Lost });
            }
            transaction.commit()?;
            Ok(released)
        })
    }

    fn now_ms(&self) -> Answer<'_, i64> {
        self.run(|_, now_ms| Ok(now_ms))
    }

    fn purge(&self) -> Answer<'_, ()> {
        self.run(|connection, now_ms| {
            let before_ms = now_ms.saturating_sub(GRAVE_MS);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute(
                "UPDATE revision SET forgotten =
                    max(forgotten, (SELECT coalesce(max(revision), 0) FROM document WHERE expires_at_ms < ?1))",
                [before_ms],
            )?;
            transaction.execute("DELETE FROM document WHERE expires_at_ms < ?1", [before_ms])?;
            transaction.execute("DELETE FROM claim WHERE expires_at_ms < ?1", [before_ms])?;
            transaction.commit()
        })
    }
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        kind: row.get(0)?,
        key: row.get(1)?,
        body: row.get(2)?,
        revision: row.get(3)?,
        stamp_ms: row.get(4)?,
        expires_at_ms: end_from_stored(row.get(5)?),
    })
}

fn get(connection: &Connection, kind: &str, key: &str, now_ms: i64) -> rusqlite::Result<Option<Document>> {
    let sql = format!(
        "SELECT {DOCUMENT} FROM document WHERE kind = ?1 AND key = ?2 AND NOT is_deleted AND expires_at_ms > ?3"
    );
    connection.query_row(&sql, params![kind, key, now_ms], document).optional()
}

fn write_one(connection: &Connection, write: Write, now_ms: i64) -> rusqlite::Result<Written> {
    let current = connection
        .query_row(
            "SELECT revision, stamp_ms, CASE WHEN stamp_ms = ?3 THEN body END,
                    NOT is_deleted AND expires_at_ms > ?4
             FROM document WHERE kind = ?1 AND key = ?2",
            params![write.kind, write.key, write.stamp_ms, now_ms],
            |row| {
                Ok(Current {
                    revision: row.get(0)?,
                    stamp_ms: row.get(1)?,
                    tied_body: row.get(2)?,
                    is_there: row.get(3)?,
                })
            },
        )
        .optional()?;
    if !may_write(&write, current.as_ref()) {
        let there = current.filter(|current| current.is_there);
        return Ok(Written::Refused { revision: there.map(|there| there.revision) });
    }
    let revision: i64 =
        connection
            .query_row("UPDATE revision SET value = value + 1 RETURNING value", [], |row| row.get(0))?;
    let (end_ms, is_deleted) = (stored_end_ms(&write, now_ms), write.body.is_none());
    connection.execute(
        "INSERT INTO document (kind, key, body, revision, stamp_ms, expires_at_ms, is_deleted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, revision = excluded.revision,
             stamp_ms = excluded.stamp_ms, expires_at_ms = excluded.expires_at_ms, is_deleted = excluded.is_deleted",
        params![
            write.kind,
            write.key,
            write.body.unwrap_or_default(),
            revision,
            write.stamp_ms,
            end_ms,
            is_deleted
        ],
    )?;
    Ok(Written::Done { revision })
}
