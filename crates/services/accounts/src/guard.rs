//! The guard in front of all routes: finds out who asks, and whether they may.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use model::Role;
use model::caller::{Caller, CallerKind};
use net::web_config::Authenticated;

use crate::accounts::{Accounts, Client, Inner};
use crate::audit::Entry;
use crate::directory::{Profile, Source};
use crate::{AccountsError, Table, refusal, secret};

/// The cookie of a session.
pub(crate) const COOKIE: &str = "promontory_session";
/// How often it is looked whether who listens to a stream of events still may.
const STREAM_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Headers, beside `X-Forwarded-*`, by which a request says that it was forwarded.
const FORWARDING: [&str; 6] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];
/// What programs may put in place of a user where they can only show a password: the token is the password.
const TOKEN_USER: &str = "api_key";

/// Whether a request was forwarded, as far as it tells: whoever asks is somewhere else. nginx adds no header unless it
/// is told to, but has spoken HTTP/1.0 for most of its life, which people and programs at this machine do not.
fn is_forwarded(version: Version, headers: &HeaderMap) -> bool {
    let says_so = |name: &str| name.starts_with("x-forwarded-") || FORWARDING.contains(&name);
    version < Version::HTTP_11 || headers.keys().any(|name| says_so(name.as_str()))
}

/// The session by which somebody came in: its key in the state.
#[derive(Clone, Debug)]
pub(crate) struct BySession(pub(crate) String);

/// Guards routes by a table of roles.
#[derive(Clone)]
pub struct Guard {
    accounts: Accounts,
    table: Arc<Table>,
}

/// What a request says of who asks.
enum Identity {
    Known(Caller, Option<BySession>),
    /// Nothing, or what was said does not count any more.
    Nobody,
    /// Something wrong.
    Wrong(AccountsError),
}

impl Guard {
    /// A guard for these people and this table.
    pub fn new(accounts: Accounts, table: Table) -> Guard {
        Guard { accounts, table: Arc::new(table) }
    }

    /// The routes behind the guard. Paths of the table are those of these routes.
    pub fn in_front_of(&self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(self.clone(), guarded))
    }
}

/// The address that a request comes from, behind a guard: that of whom a trusted proxy asks for, or of the other end.
pub fn address_of(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Client>().map(|client| client.address)
}

async fn guarded(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let inner = &guard.accounts.0;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let client = inner.client(peer, request.headers());
    let access = guard.table.access(request.method(), request.uri().path());
    let by_file = request.extensions().get::<Authenticated>().cloned();
    let forwarded = is_forwarded(request.version(), request.headers());
    let headers = request.headers().clone();
    let identity = inner.identify(headers.clone(), forwarded, by_file.clone(), &client).await;
    request.extensions_mut().insert(client.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let caller = match identity {
        Identity::Known(caller, session) => {
            request.extensions_mut().insert(caller.clone());
            if let Some(session) = session {
                request.extensions_mut().insert(session);
            }
            Some(caller)
        }
        _ if access.role().is_none() => {
            // Nobody known, who must not be taken for this machine.
            request.extensions_mut().insert(anonymous(Role::None));
            None
        }
        Identity::Nobody => {
            inner.metrics.refusals.with(&["unauthenticated"]).inc();
            return refusal::unauthenticated(
                "this needs to know who you are: log in, or show a token",
                &method,
                &path,
                request.headers(),
                &inner.surroundings.external_path,
                request.uri(),
            );
        }
        Identity::Wrong(error @ (AccountsError::WrongPassword | AccountsError::WrongToken)) => {
            inner.metrics.refusals.with(&["unauthenticated"]).inc();
            return refusal::unauthenticated(
                &error.to_string(),
                &method,
                &path,
                request.headers(),
                &inner.surroundings.external_path,
                request.uri(),
            );
        }
        Identity::Wrong(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = refusal::refuse(status, &error.to_string(), &path);
            if let Some(wait) = error.into_response().headers().get(header::RETRY_AFTER) {
                response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
            }
            return response;
        }
    };
    let needed = access.role();
    let is_changing = !crate::access::is_reading(&method);
    let entry = |status: StatusCode, action: &str| {
        let (user, uid) = caller.as_ref().map_or(("", ""), |caller| (&*caller.login, &*caller.uid));
        Entry {
            action: action.into(),
            user: user.into(),
            uid: uid.into(),
            address: client.address.to_string(),
            method: method.to_string(),
            path: path.clone(),
            status: status.as_u16(),
            ..Entry::default()
        }
    };
    if let (Some(caller), Some(needed)) = (&caller, needed)
        && caller.role < needed
    {
        inner.metrics.refusals.with(&["role"]).inc();
        if is_changing {
            inner.audit.record(Entry {
                detail: format!("needs {needed}, has {}", caller.role),
                ..entry(StatusCode::FORBIDDEN, "refused")
            });
        }
        let message = format!("this needs the role {needed}; {} has {}", caller.login, caller.role);
        return refusal::refuse(StatusCode::FORBIDDEN, &message, &path);
    }
    let response = next.run(request).await;
    if access.is_recorded(&method) {
        inner.audit.record(entry(response.status(), "request"));
    }
    let Some((caller, needed)) = caller.zip(needed) else { return response };
    let accounts = guard.accounts.clone();
    net::server::events_until(response, async move {
        // A stream goes on for as long as who asked for it may ask.
        loop {
            tokio::time::sleep(STREAM_LOOK_INTERVAL).await;
            match accounts.0.identify(headers.clone(), forwarded, by_file.clone(), &client).await {
                Identity::Known(now, _) if now.uid == caller.uid && now.role >= needed => {}
                _ => return,
            }
        }
    })
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Login and password of `Basic ...`, or the token of `Bearer ...`.
enum Shown {
    Password(String, String),
    Token(String),
    Other,
}

fn shown(headers: &HeaderMap) -> Option<Shown> {
    let value = headers.get(header::AUTHORIZATION)?;
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.trim().split_once(' ')) else {
        return Some(Shown::Other);
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Shown::Token(rest.trim().to_string()));
    }
    let plain = net::client::base64_decoded(rest.trim()).filter(|_| scheme.eq_ignore_ascii_case("basic"));
    let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok());
    Some(match plain.as_deref().and_then(|plain| plain.split_once(':')) {
        Some((TOKEN_USER, token)) => Shown::Token(token.to_string()),
        Some((login, password)) => Shown::Password(login.to_string(), password.to_string()),
        None => Shown::Other,
    })
}

impl Inner {
    /// Who asks, by the first of these that the request has: a user of the web configuration file, an `Authorization`
    /// header, a session, the header of a trusted proxy; or else this machine, or nobody in particular.
    async fn identify(
        &self,
        headers: HeaderMap,
        is_forwarded: bool,
        by_file: Option<Authenticated>,
        client: &Client,
    ) -> Identity {
        let (headers, in_force) = (&headers, self.in_force());
        if let Some(Authenticated { user: Some(user) }) = &by_file {
            return Identity::Known(Caller { login: (**user).into(), ..Caller::local() }, None);
        }
        let lets_in_all = self.surroundings.allow_unauthenticated;
        if let Some(shown) = shown(headers) {
            match self.by_authorization(shown, client).await {
                Ok(caller) => return Identity::Known(caller, None),
                // Where nobody has to say who they are, it does no harm to say something else.
                Err(_) if lets_in_all => return Identity::Known(Caller::local(), None),
                Err(error) => return Identity::Wrong(error),
            }
        }
        if let Some(cookie) = cookie(headers, &self.cookie_name(COOKIE)) {
            match self.by_session(cookie).await {
                Ok(Some((caller, session))) => return Identity::Known(caller, Some(session)),
                Ok(None) => {}
                Err(_) if lets_in_all => return Identity::Known(Caller::local(), None),
                Err(error) => return Identity::Wrong(error),
            }
        }
        match self.by_proxy(headers, client).await {
            Ok(Some(caller)) => return Identity::Known(caller, None),
            Ok(None) => {}
            Err(error) => return Identity::Wrong(error),
        }
        let is_here = in_force.is_local && client.peer.is_loopback() && !is_forwarded;
        if is_here || lets_in_all || by_file.is_some() {
            return Identity::Known(Caller::local(), None);
        }
        match in_force.settings.anonymous_role {
            Some(role) => Identity::Known(anonymous(role), None),
            None => Identity::Nobody,
        }
    }

    async fn by_authorization(&self, shown: Shown, client: &Client) -> Result<Caller, AccountsError> {
        match shown {
            Shown::Password(login, password) => {
                let user = self.check_password(&login, &password, client).await?;
                self.note_seen(&user.uid);
                Ok(self.store.current()?.directory.caller(&user))
            }
            Shown::Token(token) => {
                if !secret::is_token(&token) {
                    return Err(AccountsError::WrongToken);
                }
                let current = self.store.current()?;
                let found = current.token(&secret::digest_hex(&token));
                let (account, token) = found.ok_or(AccountsError::WrongToken)?;
                let has_ended = token.expires_at_ms.is_some_and(|end_ms| end_ms <= self.clock.now_ms());
                if account.is_disabled || has_ended {
                    return Err(AccountsError::WrongToken);
                }
                self.note_seen(&format!("token/{}", token.id));
                Ok(account.caller())
            }
            Shown::Other => Err(AccountsError::WrongToken),
        }
    }

    async fn by_session(&self, cookie: &str) -> Result<Option<(Caller, BySession)>, AccountsError> {
        // What names nobody we know is not worth a question to the database.
        let uid = cookie.split_once('.').map_or("", |(uid, _)| uid);
        if self.store.current()?.user(uid).is_none() {
            return Ok(None);
        }
        let Some((key, session)) = self.sessions.find(cookie).await? else { return Ok(None) };
        let current = self.store.current()?;
        let user = current.user(&session.uid).filter(|user| !user.is_disabled && user.epoch == session.epoch);
        let Some(user) = user else { return Ok(None) };
        self.note_seen(&user.uid);
        Ok(Some((current.directory.caller(user), BySession(key))))
    }

    /// Who a trusted proxy says it is. An account is made for who has none, if the settings have a role for them.
    async fn by_proxy(&self, headers: &HeaderMap, client: &Client) -> Result<Option<Caller>, AccountsError> {
        let in_force = self.in_force();
        let Some(proxy) = in_force.settings.proxy.as_ref().filter(|_| in_force.is_proxy(client.peer)) else {
            return Ok(None);
        };
        let text = |name: &Option<http::HeaderName>| {
            let Some(name) = name else { return Ok(None) };
            let mut values = headers.get_all(name).into_iter();
            let value = values.next().and_then(|value| value.to_str().ok()).map_or("", str::trim);
            // One of them is not the proxy's.
            if values.next().is_some() {
                return Err(AccountsError::Denied(format!("the header {name} came more than once")));
            }
            Ok((!value.is_empty()).then(|| value.to_string()))
        };
        let Some(login) = text(&proxy.header)? else { return Ok(None) };
        let role: Option<Role> = match text(&proxy.role_header)? {
            Some(role) => Some(role.parse().map_err(|message| {
                AccountsError::Denied(format!("the role that the proxy names cannot be used: {message}"))
            })?),
            None => None,
        };
        let current = self.store.current()?;
        let known = current.directory.by_login(&login);
        let user = match known {
            Some(user) if role.is_none_or(|role| role == user.role) => user.clone(),
            _ => {
                let now_ms = self.clock.now_ms();
                let kept_out = || {
                    AccountsError::Denied(format!("{login} has no account here, and the proxy names no role"))
                };
                let result = self
                    .store
                    .change(|directory| {
                        let Some(user) = directory.by_login(&login) else {
                            let role = role.or(proxy.default_role).ok_or_else(kept_out)?;
                            let profile = Profile { login: login.clone(), ..Profile::default() };
                            let user = directory.add_user(&profile, role, now_ms)?;
                            user.source = Source::Proxy;
                            return Ok(user.clone());
                        };
                        let uid = user.uid.clone();
                        if let Some(role) = role {
                            directory.set_role_unless_last(&uid, role, now_ms)?;
                        }
                        directory.user(&uid).cloned()
                    })
                    .await;
                // The last administrator stays one, however often the proxy says otherwise.
                if result.as_ref().ok() != known {
                    self.record_sign_in(&login, &result, client, "proxy");
                }
                result?
            }
        };
        if user.is_disabled {
            return Err(AccountsError::Denied(format!("the account {login} is disabled")));
        }
        self.note_seen(&user.uid);
        Ok(Some(self.store.current()?.directory.caller(&user)))
    }
}

fn anonymous(role: Role) -> Caller {
    Caller {
        uid: "".into(),
        login: "anonymous".into(),
        kind: CallerKind::Anonymous,
        role,
        teams: Arc::new([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forwarded_is_told_from_what_was_not() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "*/*".parse().unwrap());
        assert!(!is_forwarded(Version::HTTP_11, &headers));
        assert!(is_forwarded(Version::HTTP_10, &headers), "nginx as it comes");
        for name in ["x-forwarded-port", "cf-connecting-ip", "via"] {
            let mut headers = headers.clone();
            headers.insert(name, "1".parse().unwrap());
            assert!(is_forwarded(Version::HTTP_11, &headers), "{name}");
        }
    }

    #[test]
    fn one_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; promontory_session=x.y; b=2".parse().unwrap());
        headers.append(header::COOKIE, "c=3".parse().unwrap());
        assert_eq!(cookie(&headers, COOKIE), Some("x.y"));
        assert_eq!((cookie(&headers, "c"), cookie(&headers, "d")), (Some("3"), None));
    }
}
