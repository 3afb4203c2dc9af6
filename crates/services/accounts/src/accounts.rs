//! Everything about people, put together: what the guard and the routes ask.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use base::Clock;
use exposition::Registry;
use parking_lot::Mutex;
use state::{State, Write};

use crate::audit::{Audit, Entry};
use crate::directory::User;
use crate::first_start::{self, Told};
use crate::in_force::InForce;
use crate::metrics::Metrics;
use crate::password::Passwords;
use crate::session::Sessions;
use crate::store::Store;
use crate::throttle::Throttle;
use crate::{AccountsError, Settings, Surroundings};

/// How often it is looked whether others changed the accounts, and whether the administrator's password is another.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);
/// The kind of documents that say when somebody was here last.
const SEEN: &str = "seen";
/// When somebody was here is written down at most so often.
const SEEN_INTERVAL_MS: i64 = 300_000;
/// How long it is kept when somebody was here, milliseconds. People and tokens go, and this has to go after them.
const SEEN_RETENTION_MS: i64 = 400 * 24 * 3_600_000;
/// People and tokens whose last time is remembered.
const SEEN_MAX: usize = 20_000;
/// Hops of `X-Forwarded-For` that are looked at.
const HOPS_MAX: usize = 20;

/// Tells a person the login and the password of the administrator that was made. It is called once in the life of the
/// state, and must not keep the password anywhere.
pub type Announce = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What accounts are given.
pub struct Deps {
    /// Where they are kept.
    pub state: State,
    /// The clock.
    pub clock: Clock,
    /// Where metrics go.
    pub registry: Registry,
    /// The server they are for.
    pub surroundings: Surroundings,
    /// Who tells the first password.
    pub announce: Announce,
}

/// People and how they come in. Clones are the same.
#[derive(Clone)]
pub struct Accounts(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    in_force: ArcSwap<InForce>,
    pub(crate) surroundings: Surroundings,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Passwords,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
    pub(crate) told: Told,
    pub(crate) announce: Announce,
    throttle: Throttle,
    seen: Mutex<HashMap<String, i64>>,
}

impl Accounts {
    /// Reads the accounts, and makes the first one if there is none. The database need not be there: until it is,
    /// nobody can sign in.
    pub async fn open(settings: Settings, deps: Deps) -> Result<Accounts, AccountsError> {
        let hash_cost = settings.hash_cost;
        let in_force = InForce::new(settings, &deps.surroundings, &deps.clock).await?;
        let metrics = Metrics::new(&deps.registry);
        let sessions = Sessions::new(deps.state.clone(), deps.clock.clone(), &in_force.settings);
        let inner = Arc::new(Inner {
            passwords: Passwords::new(hash_cost)?,
            store: Store::new(deps.state.clone()),
            sessions,
            throttle: Throttle::new(deps.state.clone(), deps.clock.clone()),
            audit: Audit::start(deps.state, deps.clock.clone(), metrics.clone()),
            told: Told::default(),
            seen: Mutex::default(),
            announce: deps.announce,
            surroundings: deps.surroundings,
            clock: deps.clock,
            metrics,
            in_force: ArcSwap::from_pointee(in_force),
        });
        register(&deps.registry, &Arc::downgrade(&inner));
        match first_start::ensure(&inner).await {
            Err(error @ AccountsError::State(_)) => {
                tracing::warn!(%error, "the accounts cannot be read yet; nobody can sign in until they can");
            }
            other => other?,
        }
        tokio::spawn(follow(Arc::downgrade(&inner)));
        Ok(Accounts(inner))
    }

    /// Puts other settings in force, all of them but [`Settings::hash_cost`], for requests from now on. On an error
    /// those before stay.
    pub async fn configure(&self, settings: Settings) -> Result<(), AccountsError> {
        let inner = &self.0;
        let in_force = InForce::new(settings, &inner.surroundings, &inner.clock).await?;
        inner.sessions.set_bounds(&in_force.settings);
        inner.in_force.store(Arc::new(in_force));
        Ok(())
    }

    /// Returns when the audit log has all that was done so far, or after this time.
    pub async fn flush(&self, timeout: Duration) {
        let _ = tokio::time::timeout(timeout, self.0.audit.flush()).await;
    }
}

/// Somebody, or a team, by all the names that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Identifier, as [`model::Caller`] carries it.
    pub uid: Arc<str>,
    /// Number.
    pub id: u64,
    /// Login, or a team's name.
    pub name: Arc<str>,
}

impl Accounts {
    /// A user or service account by identifier, number or login.
    pub fn find_user(&self, key: &str) -> Option<Named> {
        let current = self.0.store.current().ok()?;
        let directory = &current.directory;
        if let Some(user) = directory.user(key).ok().or_else(|| directory.by_login(key)) {
            return Some(Named { uid: (*user.uid).into(), id: user.id, name: (*user.login).into() });
        }
        let is_it = |account: &&crate::directory::ServiceAccount| account.login() == key;
        let by_login = || directory.service_accounts.iter().find(is_it);
        let account = directory.service_account(key).ok().or_else(by_login)?;
        Some(Named { uid: (*account.uid).into(), id: account.id, name: account.login().into() })
    }

    /// A team by identifier, number or name.
    pub fn find_team(&self, key: &str) -> Option<Named> {
        let current = self.0.store.current().ok()?;
        let by_name = || current.directory.teams.iter().find(|team| team.name == key);
        let team = current.directory.team(key).ok().or_else(by_name)?;
        Some(Named { uid: (*team.uid).into(), id: team.id, name: (*team.name).into() })
    }
}

fn register(registry: &Registry, inner: &Weak<Inner>) {
    let users = inner.clone();
    registry.gauge_fn("promontory_accounts_users", "Users with an account.", move || {
        let current = users.upgrade().and_then(|inner| inner.store.current().ok());
        current.map_or(0.0, |snapshot| snapshot.directory.users.len() as f64)
    });
}

/// Keeps up with what others change, for as long as someone has the accounts.
async fn follow(inner: Weak<Inner>) {
    let mut problem = None;
    loop {
        tokio::time::sleep(FOLLOW_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        match first_start::ensure(&inner).await {
            Ok(()) => problem = None,
            Err(error) => {
                if problem.replace(error.clone()).as_ref() != Some(&error) {
                    tracing::warn!(%error, "the accounts cannot be read now; those known before stay in force");
                }
            }
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Who asks; behind a trusted proxy who that asks for.
    pub(crate) address: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: IpAddr,
    pub(crate) agent: String,
}

impl Inner {
    /// The settings in force now. A request asks once, so that it meets the same all along.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Where a request comes from.
    pub(crate) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
        let agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or("");
        let mut address = peer;
        let in_force = self.in_force();
        if in_force.is_proxy(peer) {
            let values = headers.get_all("x-forwarded-for").into_iter();
            let hops: Vec<&str> =
                values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
            for hop in hops.iter().rev().take(HOPS_MAX) {
                let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
                address = hop.to_canonical();
                if !in_force.is_proxy(address) {
                    break;
                }
            }
        }
        Client { address, peer, agent: agent.to_string() }
    }

    /// A sign-in by password, which is recorded also if the password is known to be right.
    pub(crate) async fn sign_in(
        &self,
        login: &str,
        password: &str,
        client: &Client,
    ) -> Result<User, AccountsError> {
        if let Some(user) = self.known(login, password, client).await? {
            let result = Ok(user);
            self.record_sign_in(login, &result, client, "password");
            return result;
        }
        self.check_password(login, password, client).await
    }

    /// The user whose login and password these are. Takes as long whether there is one or not.
    pub(crate) async fn check_password(
        &self,
        login: &str,
        password: &str,
        client: &Client,
    ) -> Result<User, AccountsError> {
        if let Some(user) = self.known(login, password, client).await? {
            return Ok(user);
        }
        // Many requests that show the same at once cost one comparison.
        let _turn = self.passwords.turn(login, password).await;
        if let Some(user) = self.known(login, password, client).await? {
            return Ok(user);
        }
        let taken = self.throttle.attempt(login, client.address).await;
        let attempt = taken.map_err(|wait_ms| self.throttled(wait_ms))?;
        let found = self.store.current()?.directory.by_login(login).cloned();
        let hash = found.as_ref().and_then(|user| user.password_hash.as_deref());
        let is_right = self.passwords.is_right(hash, password).await;
        let user = found.filter(|user| !user.is_disabled && matches!(is_right, Ok(true)));
        let result = match (user, is_right) {
            (Some(user), _) => {
                self.throttle.succeeded(attempt).await;
                Ok(user)
            }
            (None, Ok(_)) => {
                self.throttle.failed(attempt).await;
                Err(AccountsError::WrongPassword)
            }
            // Nothing was compared.
            (None, Err(error)) => {
                self.throttle.give_back(&attempt);
                Err(error)
            }
        };
        self.record_sign_in(login, &result, client, "password");
        result
    }

    fn throttled(&self, wait_ms: i64) -> AccountsError {
        self.metrics.attempts.with(&["throttled"]).inc();
        AccountsError::Throttled { retry_after_s: wait_ms.max(1).unsigned_abs().div_ceil(1_000) }
    }

    /// The user whose password is remembered to be this one.
    async fn known(
        &self,
        login: &str,
        password: &str,
        client: &Client,
    ) -> Result<Option<User>, AccountsError> {
        let current = self.store.current()?;
        // First of all: who has to wait must not be told by what is remembered that a guess was right.
        let admitted = self.throttle.admit(login, client.address);
        admitted.map_err(|wait_ms| self.throttled(wait_ms))?;
        let user = current.directory.by_login(login).filter(|user| {
            let hash = user.password_hash.as_deref();
            !user.is_disabled && hash.is_some_and(|hash| self.passwords.is_known(hash, password))
        });
        if user.is_some() {
            let admitted = self.throttle.admit_known(login, client.address).await;
            admitted.map_err(|wait_ms| self.throttled(wait_ms))?;
        }
        Ok(user.cloned())
    }

    /// Counts and records an attempt to sign in.
    pub(crate) fn record_sign_in(
        &self,
        login: &str,
        result: &Result<User, AccountsError>,
        client: &Client,
        way: &str,
    ) {
        let (word, status) = match result {
            Ok(_) => ("success", 200),
            Err(AccountsError::WrongPassword) => ("failure", 401),
            Err(AccountsError::Denied(_)) => ("refused", 403),
            Err(error) => ("error", error.status()),
        };
        self.metrics.attempts.with(&[word]).inc();
        let detail = match result {
            Ok(_) => way.to_string(),
            Err(error) => format!("{way}: {error}"),
        };
        self.audit.record(Entry {
            action: "login".into(),
            user: result.as_ref().map_or_else(|_| login.to_string(), |user| user.login.clone()),
            uid: result.as_ref().map(|user| user.uid.clone()).unwrap_or_default(),
            address: client.address.to_string(),
            status,
            detail,
            ..Entry::default()
        });
    }

    /// Notes that somebody, or a token, was here now.
    pub(crate) fn note_seen(&self, key: &str) {
        let now_ms = self.clock.now_ms();
        {
            let mut seen = self.seen.lock();
            if seen.get(key).is_some_and(|seen_ms| now_ms - seen_ms < SEEN_INTERVAL_MS) {
                return;
            }
            if seen.len() >= SEEN_MAX {
                seen.clear();
            }
            seen.insert(key.to_string(), now_ms);
        }
        let (state, key) = (self.store.state.clone(), key.to_string());
        tokio::spawn(async move {
            let write = Write::put(SEEN, key, now_ms.to_string()).expiring_at(now_ms + SEEN_RETENTION_MS);
            if let Err(error) = state.write(vec![write]).await {
                tracing::debug!(%error, "the last use of an account could not be written down");
            }
        });
    }

    /// When somebody or a token was here last, milliseconds since the epoch.
    pub(crate) async fn seen(&self) -> Result<HashMap<String, i64>, AccountsError> {
        let mut all = HashMap::new();
        let mut after = String::new();
        while all.len() < SEEN_MAX {
            let page = self.store.state.list(SEEN, &after, 1_000).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for document in page {
                if let Some(time_ms) =
                    std::str::from_utf8(&document.body).ok().and_then(|text| text.parse().ok())
                {
                    all.insert(document.key, time_ms);
                }
            }
        }
        for (key, time_ms) in &*self.seen.lock() {
            all.insert(key.clone(), *time_ms);
        }
        Ok(all)
    }
}
