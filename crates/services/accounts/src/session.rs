//! Sessions of browsers. The cookie holds a random secret, the state only its digest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use state::{State, When, Write};

use crate::directory::User;
use crate::{AccountsError, Settings, secret};

const KIND: &str = "session";
/// Sessions of a user; one more ends the one that was used longest ago.
pub(crate) const SESSIONS_MAX: usize = 100;
/// Sessions that are held in memory.
const CACHED_MAX: usize = 10_000;
/// How long a session is believed before it is looked up again: at most so late is it noticed that another replica
/// ended it.
const FRESH: Duration = Duration::from_secs(5);
/// How long it is believed while the database is away.
const STALE_MAX: Duration = Duration::from_secs(15 * 60);
/// The use of a session is written down at most so often.
const TOUCH_INTERVAL_MS: i64 = 60_000;
/// What is kept of a browser's name.
const AGENT_SIZE_MAX_BYTES: usize = 256;

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Number, for clients that need one.
    pub(crate) id: u64,
    /// Whose it is.
    pub(crate) uid: String,
    /// The user's epoch when it began; it ends with that.
    pub(crate) epoch: u64,
    pub(crate) created_ms: i64,
    pub(crate) seen_ms: i64,
    pub(crate) address: String,
    pub(crate) agent: String,
}

struct Cached {
    session: Option<Session>,
    looked: Mark,
}

pub(crate) struct Sessions {
    state: State,
    clock: Clock,
    idle_ms: AtomicI64,
    lifetime_ms: AtomicI64,
    cached: Mutex<HashMap<String, Cached>>,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The key of a session from what a cookie holds: `UID.SECRET`.
fn key_of(cookie: &str) -> Option<String> {
    let (uid, secret) = cookie.split_once('.')?;
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let fits = secret.len() == 43 && (1..=64).contains(&uid.len()) && is_plain(uid) && is_plain(secret);
    fits.then(|| format!("{uid}/{}", secret::digest_hex(secret)))
}

impl Sessions {
    pub(crate) fn new(state: State, clock: Clock, settings: &Settings) -> Sessions {
        let (idle_ms, lifetime_ms) = (AtomicI64::new(0), AtomicI64::new(0));
        let sessions = Sessions { state, clock, idle_ms, lifetime_ms, cached: Mutex::default() };
        sessions.set_bounds(settings);
        sessions
    }

    /// How long sessions last from now on, those that have begun included.
    pub(crate) fn set_bounds(&self, settings: &Settings) {
        self.idle_ms.store(millis(settings.session_idle), Ordering::Relaxed);
        self.lifetime_ms.store(millis(settings.session_lifetime), Ordering::Relaxed);
    }

    /// How long a cookie is worth keeping.
    pub(crate) fn lifetime_s(&self) -> i64 {
        self.lifetime_ms.load(Ordering::Relaxed) / 1_000
    }

    /// Begins a session, and gives what the cookie shall hold.
    pub(crate) async fn begin(
        &self,
        user: &User,
        address: &str,
        agent: &str,
    ) -> Result<String, AccountsError> {
        let mut own = self.of(&user.uid).await?;
        own.sort_by_key(|(_, session)| session.seen_ms);
        let too_many = (own.len() + 1).saturating_sub(SESSIONS_MAX);
        let mut writes: Vec<Write> = own.drain(..too_many).map(|(key, _)| Write::delete(KIND, key)).collect();
        let secret = secret::nonce()?;
        let now_ms = self.clock.now_ms();
        let digest = secret::digest_hex(&secret);
        let session = Session {
            // 48 bits of the digest: exact in every client's numbers.
            id: u64::from_str_radix(digest.get(..12).unwrap_or("0"), 16).unwrap_or(0),
            uid: user.uid.clone(),
            epoch: user.epoch,
            created_ms: now_ms,
            seen_ms: now_ms,
            address: address.to_string(),
            agent: agent.chars().filter(|c| !c.is_control()).take(AGENT_SIZE_MAX_BYTES / 4).collect(),
        };
        let key = format!("{}/{digest}", user.uid);
        writes.push(self.write(&key, &session, When::Always)?);
        self.state.write(writes).await?;
        self.remember(key, Some(session));
        Ok(format!("{}.{secret}", user.uid))
    }

    fn write(&self, key: &str, session: &Session, when: When) -> Result<Write, AccountsError> {
        let body = serde_json::to_vec(session)
            .map_err(|error| AccountsError::Internal(format!("a session cannot be written: {error}")))?;
        Ok(Write::put(KIND, key, body).when(when).expiring_at(self.end_ms(session)))
    }

    fn end_ms(&self, session: &Session) -> i64 {
        let by_use = session.seen_ms.saturating_add(self.idle_ms.load(Ordering::Relaxed));
        by_use.min(session.created_ms.saturating_add(self.lifetime_ms.load(Ordering::Relaxed)))
    }

    /// The session of a cookie, if it lasts, and its key.
    pub(crate) async fn find(&self, cookie: &str) -> Result<Option<(String, Session)>, AccountsError> {
        let Some(key) = key_of(cookie) else { return Ok(None) };
        let lasts = |session: &Session| self.clock.now_ms() < self.end_ms(session);
        let known = {
            let cached = self.cached.lock();
            cached.get(&key).map(|cached| (cached.session.clone(), cached.looked.elapsed()))
        };
        if let Some((session, age)) = &known
            && *age < FRESH
        {
            return Ok(session.clone().filter(lasts).map(|session| (key, session)));
        }
        let document = match self.state.get(KIND, &key).await {
            Ok(document) => document,
            Err(error) => {
                return match known {
                    Some((session, age)) if age < STALE_MAX => {
                        Ok(session.filter(lasts).map(|session| (key, session)))
                    }
                    _ => Err(error.into()),
                };
            }
        };
        let revision = document.as_ref().map(|document| document.revision);
        let session: Option<Session> =
            document.and_then(|document| serde_json::from_slice(&document.body).ok()).filter(lasts);
        let Some(mut session) = session else {
            self.remember(key, None);
            return Ok(None);
        };
        let now_ms = self.clock.now_ms();
        let touch_ms = TOUCH_INTERVAL_MS.min(self.idle_ms.load(Ordering::Relaxed) / 10);
        if now_ms - session.seen_ms >= touch_ms {
            session.seen_ms = now_ms;
            // At this revision only: a session that is ended meanwhile must not come back.
            let write = self.write(&key, &session, When::At(revision.unwrap_or(0)))?;
            if let Err(error) = self.state.write(vec![write]).await {
                tracing::debug!(%error, "the use of a session could not be written down");
            }
        }
        self.remember(key.clone(), Some(session.clone()));
        Ok(Some((key, session)))
    }

    fn remember(&self, key: String, session: Option<Session>) {
        let mut cached = self.cached.lock();
        if cached.len() >= CACHED_MAX && !cached.contains_key(&key) {
            cached.retain(|_, cached| cached.session.is_some() && cached.looked.elapsed() < FRESH);
            if cached.len() >= CACHED_MAX {
                cached.clear();
            }
        }
        cached.insert(key, Cached { session, looked: self.clock.mark() });
    }

    /// Ends a session.
    pub(crate) async fn end(&self, key: &str) -> Result<(), AccountsError> {
        self.remember(key.to_string(), None);
        self.state.delete(KIND, key, When::Always).await?;
        Ok(())
    }

    /// The sessions of a user, those that have ended with an epoch included.
    pub(crate) async fn of(&self, uid: &str) -> Result<Vec<(String, Session)>, AccountsError> {
        let prefix = format!("{uid}/");
        let found = self.state.list(KIND, &prefix, SESSIONS_MAX * 2).await?;
        let own = found.into_iter().take_while(|document| document.key.starts_with(&prefix));
        Ok(own
            .filter_map(|document| {
                let session: Session = serde_json::from_slice(&document.body).ok()?;
                (self.clock.now_ms() < self.end_ms(&session)).then_some((document.key, session))
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_cookie_of_ours_is_looked_for() {
        let secret = "a".repeat(43);
        assert!(
            key_of(&format!("abc.{secret}")).is_some_and(|key| key.starts_with("abc/") && key.len() == 68)
        );
        for text in
            ["", ".", "abc", &format!("a/b.{secret}"), &format!(".{secret}"), &format!("abc.{secret}x")]
        {
            assert_eq!(key_of(text), None, "{text}");
        }
    }
}
