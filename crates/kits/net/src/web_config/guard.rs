//! The web configuration in force: read again when one of its files changes, and kept as it is when that fails.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::Clock;
use base::clock::Mark;
use parking_lot::Mutex;
use tokio_rustls::TlsAcceptor;

use super::password::PasswordHash;
use super::{WebConfig, server_tls};

/// Passwords that are known to be right or wrong, since a hash takes long to compare with.
const KNOWN_MAX: usize = 100;

/// A hash that no password has: what is compared with for a user that does not exist, so that it takes as long.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// How soon a configuration that could not be read is tried again. What it needs may have come meanwhile, also a file
/// that only it names.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

type Digest = [u8; 32];

struct Current {
    config: WebConfig,
    acceptor: Option<TlsAcceptor>,
    /// A digest of user and password, and whether they are right; the newest last.
    known: Mutex<VecDeque<(Digest, bool)>>,
}

impl Current {
    fn new(config: WebConfig) -> Result<Current, String> {
        let acceptor = match &config.tls {
            Some(tls) => Some(TlsAcceptor::from(Arc::new(server_tls::build(tls)?))),
            None => None,
        };
        Ok(Current { config, acceptor, known: Mutex::default() })
    }
}

/// Guards a listener by a web configuration file.
pub(crate) struct Guard {
    path: PathBuf,
    current: ArcSwap<Current>,
    /// What was wrong the last time, and when that was.
    failed: Mutex<Option<(String, Mark)>>,
    clock: Clock,
}

impl Guard {
    pub(crate) fn new(path: PathBuf, clock: Clock) -> Result<Guard, String> {
        let config = WebConfig::load(&path).map_err(|error| error.to_string())?;
        let current = ArcSwap::from_pointee(Current::new(config)?);
        Ok(Guard { path, current, failed: Mutex::default(), clock })
    }

    /// What is in force, read again if a file has changed.
    fn current(&self) -> Arc<Current> {
        let changed = |current: &Current| {
            current.config.files.iter().any(|(path, modified)| crate::tls::modified(path) != *modified)
        };
        // One request reads, the others go on with what is in force.
        let Some(mut failed) = self.failed.try_lock() else { return self.current.load_full() };
        let is_due = failed.as_ref().is_some_and(|(_, since)| since.elapsed() >= RETRY_INTERVAL);
        if changed(&self.current.load()) || is_due {
            let read = WebConfig::load(&self.path).map_err(|error| error.to_string()).and_then(Current::new);
            match read {
                Ok(fresh) => {
                    tracing::info!(file = %self.path.display(), "read the web configuration again");
                    self.current.store(Arc::new(fresh));
                    *failed = None;
                }
                Err(error) => {
                    if failed.as_ref().is_none_or(|(before, _)| *before != error) {
                        tracing::error!("{error}; the web configuration before stays in force");
                    }
                    let before = self.current.load();
                    let mut config = before.config.clone();
                    for (path, modified) in &mut config.files {
                        *modified = crate::tls::modified(path);
                    }
                    let acceptor = before.acceptor.clone();
                    self.current.store(Arc::new(Current { config, acceptor, known: Mutex::default() }));
                    *failed = Some((error, self.clock.mark()));
                }
            }
        }
        self.current.load_full()
    }

    /// Encrypts connections, if the configuration says so.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.current().acceptor.clone()
    }
}

/// Says in a request's extensions that the web configuration file asked who its client is, and knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The name of the user; `None` where a certificate stands for it.
    pub user: Option<String>,
}

/// Lets in whom the configuration knows, and adds its headers to the answer.
pub(crate) async fn guarded(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let current = guard.current();
    let mut response = match allowed(&current, request.headers()).await {
        true => {
            if current.config.has_authentication() {
                let is_named = !current.config.users.is_empty();
                let name = request.headers().get(header::AUTHORIZATION).and_then(credentials);
                let user = name.map(|(user, _)| user).filter(|_| is_named);
                request.extensions_mut().insert(Authenticated { user });
            }
            next.run(request).await
        }
        false => {
            let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))];
            (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
        }
    };
    for (name, value) in &current.config.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

async fn allowed(current: &Arc<Current>, headers: &HeaderMap) -> bool {
    if current.config.users.is_empty() {
        return true;
    }
    let Some((user, password)) = headers.get(header::AUTHORIZATION).and_then(credentials) else {
        return false;
    };
    let digest = digest(&user, &password);
    let known = current.known.lock().iter().rev().find(|(known, _)| *known == digest).copied();
    if let Some((_, is_right)) = known {
        return is_right;
    }
    let hash = current.config.users.iter().find(|(name, _)| *name == user);
    let exists = hash.is_some();
    let hash = hash.map_or_else(|| NOBODY.to_string(), |(_, hash)| hash.expose().to_string());
    // Hashes are slow by intent.
    let is_right = tokio::task::spawn_blocking(move || {
        PasswordHash::parse(&hash).is_some_and(|hash| hash.is_of(&password))
    })
    .await
    .unwrap_or(false)
        && exists;
    let mut known = current.known.lock();
    if known.len() >= KNOWN_MAX {
        known.pop_front();
    }
    known.push_back((digest, is_right));
    is_right
}

/// What is remembered in place of a password; how long comparing it takes says nothing about the password.
fn digest(user: &str, password: &str) -> Digest {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(&(user.len() as u64).to_le_bytes());
    context.update(user.as_bytes());
    context.update(password.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// User and password of `Basic ...`.
fn credentials(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(crate::client::base64_decoded(encoded.trim())?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_string(), password.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use base::Clock;
    use tokio::sync::watch;

    use crate::client::{Client, Limits, Request};
    use crate::server::{Server, ServerConfig};
    use crate::web_config::password::PasswordHash;

    use super::{Guard, RETRY_INTERVAL};

    /// The hash of `test`, at the lowest cost.
    fn users(name: &str) -> String {
        let hash = PasswordHash::new("test", 4, [7; 16]).to_string();
        format!("basic_auth_users: {{{name}: {hash}}}\n")
    }

    #[test]
    fn a_file_that_came_too_late_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.yml");
        std::fs::write(&path, "").unwrap();
        let clock = Clock::manual(0);
        let guard = Guard::new(path.clone(), clock.clone()).unwrap();
        std::fs::write(&path, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n").unwrap();
        assert!(guard.acceptor().is_none());
        for (from, to) in [("server.pem", "cert.pem"), ("server.key.pem", "key.pem")] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(from);
            std::fs::copy(from, dir.path().join(to)).unwrap();
        }
        clock.advance(RETRY_INTERVAL);
        assert!(guard.acceptor().is_some());
    }

    #[tokio::test]
    async fn only_known_users_get_in_and_a_change_of_the_file_counts_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.yml");
        std::fs::write(
            &path,
            users("alice") + "http_server_config: {headers: {X-Frame-Options: sameorigin}}\n",
        )
        .unwrap();
        let config = ServerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            web_config: Some(path.clone()),
            ..ServerConfig::default()
        };
        let server = Server::bind(&config).await.unwrap();
        let address = server.local_addr();
        let (_stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "in" }));
        tokio::spawn(server.serve(router, stopped, Duration::from_secs(5)));
        let client = Client::new(&Default::default()).unwrap();
        let limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 };
        let ask = async |who: &str| {
            client.send(Request::get(format!("http://{who}{address}/")), limits).await.unwrap()
        };
        let answer = ask("alice:test@").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["x-frame-options"]),
            (200, &"sameorigin".parse().unwrap())
        );
        for who in ["", "alice:wrong@", "bob:test@"] {
            let answer = ask(who).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["www-authenticate"]),
                (401, &"Basic".parse().unwrap())
            );
        }
        // A mistake keeps what was.
        std::fs::write(&path, "basic_auth_users: {bob: plain}\n# a longer file\n").unwrap();
        assert_eq!(ask("alice:test@").await.status.as_u16(), 200);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        std::fs::write(&path, users("bob")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(ask("alice:test@").await.status.as_u16(), 401);
        assert_eq!(ask("bob:test@").await.status.as_u16(), 200);
    }
}
