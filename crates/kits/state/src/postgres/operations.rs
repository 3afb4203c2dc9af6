//! What is said to the server. Statements go without being prepared first, so that each costs one
//! round trip and poolers between us and the server do no harm.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Transaction};

use crate::document::{
    CHANGES_MAX, CHANGES_SIZE_MAX_BYTES, Current, GRAVE_MS, end_from_stored, may_write, stored_end_ms,
};
use crate::{Ask, Change, Changes, Claimed, Document, Release, Released, StateError, Token, Write, Written};

/// How far the tables have been brought, by steps; each runs once, in order.
///
/// All changes of documents go through the one row of `promontory_revision`, so that revisions
/// become visible in their order: who follows misses none.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE promontory_revision (
        one boolean PRIMARY KEY CHECK (one), value bigint NOT NULL, forgotten bigint NOT NULL) WITH (fillfactor = 10);
    INSERT INTO promontory_revision VALUES (true, 0, 0);
    CREATE TABLE promontory_document (
        kind text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL, body bytea NOT NULL,
        revision bigint NOT NULL, stamp_ms bigint NOT NULL, expires_at_ms bigint NOT NULL,
        is_deleted boolean NOT NULL, PRIMARY KEY (kind, key));
    CREATE UNIQUE INDEX promontory_document_revision ON promontory_document (revision);
    CREATE INDEX promontory_document_end ON promontory_document (expires_at_ms);
    CREATE SEQUENCE promontory_token;
    CREATE TABLE promontory_claim (
        key text COLLATE \"C\" PRIMARY KEY, holder text NOT NULL, token bigint NOT NULL,
        expires_at_ms bigint NOT NULL)
        WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"];
/// Names the lock under which tables are brought up to date: the first bytes of a hash of our name.
const MIGRATION_LOCK: i64 = 0x7072_6f6d_6f6e_7430;
const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
const DOCUMENT: &str = "kind, key, body, revision, stamp_ms, expires_at_ms";

type Result<T> = std::result::Result<T, Error>;

/// What the server's errors mean to us.
pub(super) fn from_postgres(error: &Error) -> StateError {
    let Some(database) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        return StateError::Unreachable(format!("{error}{cause}"));
    };
    let text = format!("{} ({})", database.message(), database.code().code());
    match database.code().code().as_bytes() {
        [b'2', b'8', ..] => StateError::Denied(text),
        // Going down or coming up, too many connections, demoted to a standby, tables gone or
        // another step was faster: the next connection may find it well.
        [b'0', b'8', ..] | [b'5', b'3', ..] | [b'5', b'7', ..] | [b'2', b'5', ..] | [b'4', b'0', ..] => {
            StateError::Unreachable(text)
        }
        _ if *database.code() == SqlState::UNDEFINED_TABLE => StateError::Unreachable(text),
        _ if *database.code() == SqlState::INVALID_CATALOG_NAME => StateError::Denied(text),
        _ if *database.code() == SqlState::INSUFFICIENT_PRIVILEGE => StateError::Forbidden(text),
        [b'X', b'X', ..] => StateError::Corrupt(text),
        _ => StateError::Database(text),
    }
}

pub(super) async fn is_read_only(client: &mut Client) -> Result<bool> {
    let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
    let rows = client.query_typed(sql, &[]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Brings the tables up to date, if another one does not at this moment.
pub(super) async fn migrate(client: &mut Client) -> std::result::Result<(), StateError> {
    let known = MIGRATIONS.len() as i64;
    let failed = |error: Error| from_postgres(&error);
    let found = match version(client).await {
        Ok(found) => found,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => 0,
        Err(error) => return Err(failed(error)),
    };
    if found > known {
        return Err(StateError::NewerVersion { found, known });
    }
    if found == known {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(failed)?;
    transaction
        .batch_execute(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        .await
        .map_err(failed)?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS promontory_schema (version bigint PRIMARY KEY, made_at timestamptz NOT NULL)",
        )
        .await
        .map_err(failed)?;
    let sql = "SELECT coalesce(max(version), 0) FROM promontory_schema";
    let rows = transaction.query_typed(sql, &[]).await.map_err(failed)?;
    let found: i64 = rows.first().map_or(0, |row| row.get(0));
    for (at, step) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
        transaction.batch_execute(step).await.map_err(failed)?;
        let note = format!("INSERT INTO promontory_schema VALUES ({}, now())", at + 1);
        transaction.batch_execute(&note).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn version(client: &mut Client) -> Result<i64> {
    let rows = client.query_typed("SELECT coalesce(max(version), 0) FROM promontory_schema", &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

pub(super) async fn write(client: &mut Client, writes: Vec<Write>) -> Result<Vec<Written>> {
    let transaction = client.transaction().await?;
    let written = write_in(&transaction, writes.iter().collect()).await?;
    transaction.commit().await?;
    Ok(written)
}

async fn write_in(transaction: &Transaction<'_>, writes: Vec<&Write>) -> Result<Vec<Written>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    // Whoever has this row decides alone, until the end of the transaction.
    let rows = transaction
        .query_typed(
            &format!("UPDATE promontory_revision SET value = value + $1 RETURNING value, {NOW_MS}"),
            &[(&(writes.len() as i64), Type::INT8)],
        )
        .await?;
    let (last, now_ms): (i64, i64) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
    let kinds: Vec<&str> = writes.iter().map(|write| write.kind.as_str()).collect();
    let keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
    let stamps: Vec<i64> = writes.iter().map(|write| write.stamp_ms).collect();
    let rows = transaction
        .query_typed(
            "SELECT asked.place, d.revision, d.stamp_ms, CASE WHEN d.stamp_ms = asked.stamp_ms THEN d.body END,
                    NOT d.is_deleted AND d.expires_at_ms > $4
             FROM unnest($1, $2, $3) WITH ORDINALITY AS asked (kind, key, stamp_ms, place)
             JOIN promontory_document d ON d.kind = asked.kind AND d.key = asked.key",
            &[
                (&kinds, Type::TEXT_ARRAY),
                (&keys, Type::TEXT_ARRAY),
                (&stamps, Type::INT8_ARRAY),
                (&now_ms, Type::INT8),
            ],
        )
        .await?;
    let mut current: Vec<Option<Current>> = writes.iter().map(|_| None).collect();
    for row in rows {
        let at = row.get::<_, i64>(0) as usize;
        if let Some(slot) = current.get_mut(at.wrapping_sub(1)) {
            *slot = Some(Current {
                revision: row.get(1),
                stamp_ms: row.get(2),
                tied_body: row.get(3),
                is_there: row.get(4),
            });
        }
    }
    let first = last - writes.len() as i64 + 1;
    let mut written = Vec::with_capacity(writes.len());
    let mut rows = Rows::default();
    for ((write, current), revision) in writes.iter().zip(&current).zip(first..) {
        if may_write(write, current.as_ref()) {
            rows.push(write, revision, now_ms);
            written.push(Written::Done { revision });
        } else {
            let there = current.as_ref().filter(|current| current.is_there);
            written.push(Written::Refused { revision: there.map(|there| there.revision) });
        }
    }
    rows.insert(transaction).await?;
    Ok(written)
}

/// Documents to write, column by column.
#[derive(Default)]
struct Rows<'a> {
    kinds: Vec<&'a str>,
    keys: Vec<&'a str>,
    bodies: Vec<&'a [u8]>,
    revisions: Vec<i64>,
    stamps: Vec<i64>,
    ends: Vec<i64>,
    deleted: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, write: &'a Write, revision: i64, now_ms: i64) {
        self.kinds.push(&write.kind);
        self.keys.push(&write.key);
        self.bodies.push(write.body.as_deref().unwrap_or_default());
        self.revisions.push(revision);
        self.stamps.push(write.stamp_ms);
        self.ends.push(stored_end_ms(write, now_ms));
        self.deleted.push(write.body.is_none());
    }

    async fn insert(&self, transaction: &Transaction<'_>) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        transaction
            .query_typed(
                "WITH written AS (
                     INSERT INTO promontory_document
                         (kind, key, body, revision, stamp_ms, expires_at_ms, is_deleted)
                     SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body,
                         revision = excluded.revision, stamp_ms = excluded.stamp_ms,
                         expires_at_ms = excluded.expires_at_ms, is_deleted = excluded.is_deleted)
                 SELECT pg_notify('promontory_state', '')",
                &[
                    (&self.kinds, Type::TEXT_ARRAY),
                    (&self.keys, Type::TEXT_ARRAY),
                    (&self.bodies, Type::BYTEA_ARRAY),
                    (&self.revisions, Type::INT8_ARRAY),
                    (&self.stamps, Type::INT8_ARRAY),
                    (&self.ends, Type::INT8_ARRAY),
                    (&self.deleted, Type::BOOL_ARRAY),
                ],
            )
            .await
            .map(|_| ())
    }
}

fn document(row: &Row) -> Document {
    Document {
        kind: row.get(0),
        key: row.get(1),
        body: row.get(2),
        revision: row.get(3),
        stamp_ms: row.get(4),
        expires_at_ms: end_from_stored(row.get(5)),
    }
}

pub(super) async fn get(client: &mut Client, kind: String, key: String) -> Result<Option<Document>> {
    let sql = format!(
        "SELECT {DOCUMENT} FROM promontory_document
         WHERE kind = $1 AND key = $2 AND NOT is_deleted AND expires_at_ms > {NOW_MS}"
    );
    let rows = client.query_typed(&sql, &[(&kind, Type::TEXT), (&key, Type::TEXT)]).await?;
    Ok(rows.first().map(document))
}

pub(super) async fn list(
    client: &mut Client,
    kind: String,
    after_key: String,
    at_most: usize,
) -> Result<Vec<Document>> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {DOCUMENT} FROM promontory_document
         WHERE kind = $1 AND key > $2 AND NOT is_deleted AND expires_at_ms > {NOW_MS} ORDER BY key LIMIT $3"
    );
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&kind, Type::TEXT), (&after_key, Type::TEXT), (&at_most, Type::INT8)];
    Ok(client.query_typed(&sql, &parameters).await?.iter().map(document).collect())
}

pub(super) async fn changes(client: &mut Client, since: i64) -> Result<Changes> {
    // What is read here is complete up to this revision, whatever is written meanwhile.
    let rows = client.query_typed("SELECT value, forgotten FROM promontory_revision", &[]).await?;
    let (latest, forgotten): (i64, i64) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
    let is_restart = since > latest || (since > 0 && since < forgotten);
    let since = if is_restart { 0 } else { since };
    let sql = format!(
        "SELECT {DOCUMENT}, is_deleted OR expires_at_ms <= {NOW_MS}, is_more FROM (
             SELECT *, sum(octet_length(body)) OVER (ORDER BY revision) AS size_bytes,
                    row_number() OVER (ORDER BY revision) AS place,
                    lead(1) OVER (ORDER BY revision) IS NOT NULL AS is_more
             FROM (SELECT * FROM promontory_document WHERE revision > $1 ORDER BY revision LIMIT $2) AS part
         ) AS sized
         WHERE place = 1 OR (place < $2 AND size_bytes <= $3) ORDER BY revision"
    );
    let (rows_max, size_max) = (CHANGES_MAX as i64 + 1, CHANGES_SIZE_MAX_BYTES as i64);
    let rows = client
        .query_typed(&sql, &[(&since, Type::INT8), (&rows_max, Type::INT8), (&size_max, Type::INT8)])
        .await?;
    let mut changes = Changes { revision: latest, is_restart, ..Changes::default() };
    for row in &rows {
        let Document { kind, key, body, revision, stamp_ms, expires_at_ms } = document(row);
        let body = (!row.get::<_, bool>(6)).then_some(body);
        changes.has_more = row.get(7);
        changes.list.push(Change { kind, key, body, revision, stamp_ms, expires_at_ms });
    }
    if let Some(last) = changes.list.last() {
        changes.revision = if changes.has_more { last.revision } else { latest.max(last.revision) };
    }
    Ok(changes)
}

pub(super) async fn claim(
    client: &mut Client,
    holder: String,
    asks: Vec<Ask>,
    kind: Option<String>,
) -> Result<Vec<Claimed>> {
    let keys: Vec<&str> = asks.iter().map(|ask| ask.key.as_str()).collect();
    let leases: Vec<i64> = asks.iter().map(|ask| ask.lease_ms).collect();
    // In the order of keys, as releases are, so that no two wait for each other.
    let sql = format!(
        "INSERT INTO promontory_claim AS claim (key, holder, token, expires_at_ms)
         SELECT asked.key, $3, nextval('promontory_token'), {NOW_MS} + asked.lease_ms
         FROM unnest($1, $2) AS asked (key, lease_ms)
         WHERE NOT EXISTS (SELECT FROM promontory_claim held
                           WHERE held.key = asked.key AND held.holder <> $3 AND held.expires_at_ms > {NOW_MS})
         ORDER BY asked.key COLLATE \"C\"
         ON CONFLICT (key) DO UPDATE SET
             holder = excluded.holder, token = excluded.token, expires_at_ms = excluded.expires_at_ms
         WHERE claim.holder = excluded.holder OR claim.expires_at_ms <= {NOW_MS}
         RETURNING key, token"
    );
    let rows = client
        .query_typed(&sql, &[(&keys, Type::TEXT_ARRAY), (&leases, Type::INT8_ARRAY), (&holder, Type::TEXT)])
        .await?;
    let granted: std::collections::HashMap<String, i64> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        keys.iter().copied().partition(|key| granted.contains_key(*key));
    // What others did before they let go is visible from here on.
    let mut documents = std::collections::HashMap::new();
    if let (Some(kind), false) = (&kind, ours.is_empty()) {
        let sql = format!(
            "SELECT {DOCUMENT} FROM promontory_document
             WHERE kind = $1 AND key = ANY($2) AND NOT is_deleted AND expires_at_ms > {NOW_MS}"
        );
        let rows = client.query_typed(&sql, &[(kind, Type::TEXT), (&ours, Type::TEXT_ARRAY)]).await?;
        documents.extend(rows.iter().map(document).map(|document| (document.key.clone(), document)));
    }
    let mut held = std::collections::HashMap::new();
    if !theirs.is_empty() {
        let sql = format!(
            "SELECT key, holder, greatest(expires_at_ms - {NOW_MS}, 0) FROM promontory_claim WHERE key = ANY($1)"
        );
        let rows = client.query_typed(&sql, &[(&theirs, Type::TEXT_ARRAY)]).await?;
        held.extend(
            rows.iter().map(|row| (row.get::<_, String>(0), (row.get::<_, String>(1), row.get::<_, i64>(2)))),
        );
    }
    Ok(keys
        .iter()
        .map(|key| match granted.get(*key) {
            Some(token) => Claimed::Granted { token: Token(*token), document: documents.remove(*key) },
            None => {
                // It was let go in between: worth asking again at once.
                let (by, for_ms) = held.remove(*key).unwrap_or_default();
                Claimed::Held { by, for_ms }
            }
        })
        .collect())
}

pub(super) async fn renew(client: &mut Client, key: String, token: Token, lease_ms: i64) -> Result<bool> {
    let sql = format!(
        "UPDATE promontory_claim SET expires_at_ms = {NOW_MS} + $3
         WHERE key = $1 AND token = $2 AND expires_at_ms > {NOW_MS} RETURNING key"
    );
    let rows = client
        .query_typed(&sql, &[(&key, Type::TEXT), (&token.0, Type::INT8), (&lease_ms, Type::INT8)])
        .await?;
    Ok(!rows.is_empty())
}

pub(super) async fn release(client: &mut Client, releases: Vec<Release>) -> Result<Vec<Released>> {
    let keys: Vec<&str> = releases.iter().map(|release| release.key.as_str()).collect();
    let tokens: Vec<i64> = releases.iter().map(|release| release.token.0).collect();
    let transaction = client.transaction().await?;
    let rows = transaction
        .query_typed(
            "WITH ours AS (
                 SELECT claim.key FROM promontory_claim claim
                 JOIN unnest($1, $2) AS given (key, token) ON claim.key = given.key AND claim.token = given.token
                 ORDER BY claim.key FOR UPDATE OF claim)
             DELETE FROM promontory_claim claim USING ours WHERE claim.key = ours.key RETURNING claim.token",
            &[(&keys, Type::TEXT_ARRAY), (&tokens, Type::INT8_ARRAY)],
        )
        .await?;
    let done: std::collections::HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let is_done = |release: &&Release| done.contains(&release.token.0);
    let writes = releases.iter().filter(is_done).filter_map(|release| release.write.as_ref()).collect();
    write_in(&transaction, writes).await?;
    transaction.commit().await?;
    Ok(releases
        .iter()
        .map(|release| if is_done(&release) { Released::Done } else { Released::Lost })
        .collect())
}

pub(super) async fn now_ms(client: &mut Client) -> Result<i64> {
    let rows = client.query_typed(&format!("SELECT {NOW_MS}"), &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

pub(super) async fn purge(client: &mut Client) -> Result<()> {
    let transaction = client.transaction().await?;
    let sql = format!(
        "UPDATE promontory_revision SET forgotten = greatest(forgotten,
             (SELECT coalesce(max(revision), 0) FROM promontory_document WHERE expires_at_ms < {NOW_MS} - {GRAVE_MS}))
         RETURNING forgotten"
    );
    let rows = transaction.query_typed(&sql, &[]).await?;
    let forgotten: i64 = rows.first().map_or(0, |row| row.get(0));
    let before = format!("expires_at_ms < {NOW_MS} - {GRAVE_MS}");
    let sql = format!("DELETE FROM promontory_document WHERE revision <= $1 AND {before}");
    transaction.query_typed(&sql, &[(&forgotten, Type::INT8)]).await?;
    transaction.query_typed(&format!("DELETE FROM promontory_claim WHERE {before}"), &[]).await?;
    transaction.commit().await
}
