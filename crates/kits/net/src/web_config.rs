//! The web configuration file that all Prometheus programs share (`--web.config.file`): TLS, users,
//! headers and a limit of requests. Files are read again when they change.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::Clock;
use config::{Error, Fields, Node, Secret};
use parking_lot::Mutex;
use rustls::ServerConfig as TlsServerConfig;
use rustls::crypto::{CryptoProvider, ring};

use crate::tls::modified;
use crate::web_tls;

/// Whom to compare with if there is no such user, so that the answer takes as long.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Answers about passwords that are remembered: comparing takes long by design.
const REMEMBERED_MAX: usize = 100;

/// How often the files are looked at, at most.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Headers that may be set, and the values of those that have few.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// What a web configuration file says.
struct WebConfig {
    tls: Option<Arc<TlsServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: BTreeMap<String, Secret>,
    /// Requests at once after a pause, and the time after which one more may come.
    rate_limit: Option<(f64, Duration)>,
    /// The files it was made from, with the times of their last changes.
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

/// A web configuration in force.
pub struct Web {
    path: PathBuf,
    clock: Clock,
    current: ArcSwap<WebConfig>,
    checked: Mutex<base::clock::Mark>,
    /// By user, hash and password: whether they fit.
    remembered: Mutex<HashMap<(String, String, String), bool>>,
    /// Requests that may come at once, and since when.
    tokens: Mutex<(f64, base::clock::Mark)>,
}

impl Web {
    /// Reads the file; the error names what is wrong with it and where.
    pub fn load(path: &Path, clock: Clock) -> Result<Arc<Web>, Error> {
        let config = WebConfig::load(path)?;
        let burst = config.rate_limit.map_or(0.0, |(burst, _)| burst);
        Ok(Arc::new(Web {
            path: path.to_path_buf(),
            checked: Mutex::new(clock.mark()),
            tokens: Mutex::new((burst, clock.mark())),
            clock,
            current: ArcSwap::from_pointee(config),
            remembered: Mutex::default(),
        }))
    }

    /// What is in force. A file that changed is read again; if there is a mistake in it, what was in
    /// force stays.
    fn current(&self) -> Arc<WebConfig> {
        let config = self.current.load_full();
        {
            let mut checked = self.checked.lock();
            if checked.elapsed() < CHECK_EVERY {
                return config;
            }
            *checked = self.clock.mark();
        }
        if config.files.iter().all(|(path, time)| modified(path) == *time) {
            return config;
        }
        match WebConfig::load(&self.path) {
            Ok(config) => {
                tracing::info!(path = %self.path.display(), "read the web configuration again");
                self.current.store(Arc::new(config));
            }
            Err(error) => {
                tracing::error!(%error, "the web configuration has a mistake; the one before stays in force");
            }
        }
        self.current.load_full()
    }

    /// The TLS settings for a new connection; `None` for plain HTTP.
    pub(crate) fn tls(&self) -> Option<Arc<TlsServerConfig>> {
        self.current().tls.clone()
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.current.load().tls.is_some()
    }

    /// Whether one more request may come now.
    fn has_token(&self, config: &WebConfig) -> bool {
        let Some((burst, interval)) = config.rate_limit else { return true };
        let mut tokens = self.tokens.lock();
        let earned = tokens.1.elapsed().as_secs_f64() / interval.as_secs_f64();
        let have = (tokens.0 + earned).min(burst);
        if have < 1.0 {
            return false;
        }
        *tokens = (have - 1.0, self.clock.mark());
        true
    }

    /// Whether the request names a user and the password that belongs to it.
    async fn knows(self: &Arc<Self>, config: &WebConfig, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let known = config.users.get(&user);
        let is_user = known.is_some();
        let hash = known.map_or(NOBODY, Secret::expose).to_string();
        let key = (user, hash.clone(), password.clone());
        if let Some(fits) = self.remembered.lock().get(&key) {
            return *fits;
        }
        // Comparing keeps a processor busy; hence not among the connections, and one at a time.
        let web = self.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let mut remembered = web.remembered.lock();
            if let Some(fits) = remembered.get(&key) {
                return *fits;
            }
            let fits = is_user && bcrypt::verify(password, &hash).unwrap_or(false);
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            remembered.insert(key, fits);
            fits
        });
        compared.await.unwrap_or(false)
    }
}

/// User and password of `Authorization: Basic`.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, code) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64(code.trim())?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_string(), password.to_string()))
}

/// The bytes of a text in base 64.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u32;
        bits = (bits << 6 | value) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Does with each request what the configuration says.
pub(crate) async fn guard(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let config = web.current();
    let mut response = if !web.has_token(&config) {
        (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n").into_response()
    } else if config.users.is_empty() || web.knows(&config, request.headers()).await {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic")];
        (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
    };
    for (name, value) in &config.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

impl WebConfig {
    fn load(path: &Path) -> Result<WebConfig, Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(format!("cannot read the web configuration: {error}")).in_file(&name)
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut config = Node::parse(&text)
            .and_then(|node| WebConfig::decode(&node, folder))
            .map_err(|error| error.in_file(&name))?;
        config.files.push((path.to_path_buf(), modified(path)));
        Ok(config)
    }

    fn decode(node: &Node, folder: &Path) -> Result<WebConfig, Error> {
        let mut fields = node.fields("web.Config")?;
        let mut files = Vec::new();
        let tls = match fields.take("tls_server_config").filter(|node| !node.is_null()) {
            Some(node) => tls(node, folder, &mut files)?,
            None => None,
        };
        let headers = match fields.take("http_server_config").filter(|node| !node.is_null()) {
            Some(node) => http(node)?,
            None => Vec::new(),
        };
        let rate_limit = match fields.take("rate_limit").filter(|node| !node.is_null()) {
            Some(node) => {
                let mut fields = node.fields("web.RateLimiterConfig")?;
                let burst = fields.or("burst", 0, Node::unsigned)?;
                let interval_ms = fields.or("interval", 0, Node::duration_ms)?;
                fields.finish()?;
                let interval = Duration::from_millis(u64::try_from(interval_ms).unwrap_or(0));
                (!interval.is_zero()).then_some((burst as f64, interval))
            }
            None => None,
        };
        let mut users = BTreeMap::new();
        if let Some(node) = fields.take("basic_auth_users") {
            for (user, (hash, place)) in node.map(|node| Ok((node.secret()?, node)))? {
                if hash.expose().parse::<bcrypt::HashParts>().is_err() {
                    return Err(place.error(format!("the password of user {user:?} is not a bcrypt hash")));
                }
                users.insert(user, hash);
            }
        }
        fields.finish()?;
        Ok(WebConfig { tls, headers, users, rate_limit, files })
    }
}

fn http(node: &Node) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let mut fields = node.fields("web.HTTPConfig")?;
    // There is no HTTP/2 to switch off.
    fields.or("http2", true, Node::boolean)?;
    let mut headers = Vec::new();
    if let Some(node) = fields.take("headers").filter(|node| !node.is_null()) {
        for (name, (value, place)) in node.map(|node| Ok((node.string()?, node)))? {
            let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
                return Err(place.error(format!("HTTP header {name:?} can not be configured")));
            };
            if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
                return Err(place.error(format!(
                    "invalid value for {name}. Expected one of: {allowed:?}, but got: {value:?}"
                )));
            }
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| place.error(e.to_string()))?;
            headers.push((name, HeaderValue::from_str(&value).map_err(|e| place.error(e.to_string()))?));
        }
    }
    fields.finish()?;
    Ok(headers)
}

fn tls(
    node: &Node,
    folder: &Path,
    files: &mut Vec<(PathBuf, Option<SystemTime>)>,
) -> Result<Option<Arc<TlsServerConfig>>, Error> {
    let mut fields = node.fields("web.TLSConfig")?;
    let mut pem = |fields: &mut Fields<'_>, inline: &'static str, file: &'static str| -> Result<_, Error> {
        let path = fields.take(file).filter(|node| !node.is_null());
        let text = fields.optional(inline, Node::secret)?.filter(|text| !text.is_empty());
        if let Some(node) = path
            && let text = node.string()?
            && !text.is_empty()
        {
            let path = folder.join(text);
            files.push((path.clone(), modified(&path)));
            let content = std::fs::read(&path).map_err(|error| {
                node.error(format!("failed to read {file} ({}): {error}", path.display()))
            })?;
            return Ok(Some(content));
        }
        Ok(text.map(|text| text.expose().as_bytes().to_vec()))
    };
    let certificate = pem(&mut fields, "cert", "cert_file")?;
    let key = pem(&mut fields, "key", "key_file")?;
    let client_ca = pem(&mut fields, "client_ca", "client_ca_file")?;
    let client_auth = fields.or("client_auth_type", String::new(), Node::string)?;
    let allowed_names = fields.or("client_allowed_sans", Vec::new(), Node::strings)?;
    let ciphers = fields.or("cipher_suites", Vec::new(), Node::strings)?;
    let curves = fields.or("curve_preferences", Vec::new(), Node::strings)?;
    let mut version = |name: &'static str, default: &str| -> Result<u8, Error> {
        let text = fields.or(name, default.to_string(), Node::string)?;
        match text.as_str() {
            "TLS10" => Ok(0),
            "TLS11" => Ok(1),
            "TLS12" => Ok(2),
            "TLS13" => Ok(3),
            other => Err(node.error(format!("unknown TLS version: {other}"))),
        }
    };
    let versions = version("min_version", "TLS12")?..=version("max_version", "TLS13")?;
    // Ours is what the server prefers.
    fields.or("prefer_server_cipher_suites", true, Node::boolean)?;
    fields.finish()?;

    if certificate.is_none() && key.is_none() && client_ca.is_none() && client_auth.is_empty() {
        return Ok(None);
    }
    let missing = |what: &str| node.error(format!("missing one of {what}"));
    let certificate = certificate.ok_or_else(|| missing("cert or cert_file"))?;
    let key = key.ok_or_else(|| missing("key or key_file"))?;
    let provider = provider(&ciphers, &curves).map_err(|message| node.error(message))?;
    let settings = web_tls::Settings { certificate, key, client_ca, client_auth, allowed_names, versions };
    web_tls::build(settings, provider)
        .map(|config| Some(Arc::new(config)))
        .map_err(|message| node.error(message))
}

/// Go's names of ciphers that are known; those that are not safe enough are known and not offered.
const CIPHERS: [&str; 20] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
];

/// Ciphers and curves, of those that are asked for.
fn provider(ciphers: &[String], curves: &[String]) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    if let Some(name) = ciphers.iter().find(|name| !CIPHERS.contains(&name.as_str())) {
        return Err(format!("unknown cipher: {name}"));
    }
    let mut groups = Vec::new();
    for name in curves {
        groups.push(match name.as_str() {
            "X25519" => rustls::NamedGroup::X25519,
            "CurveP256" => rustls::NamedGroup::secp256r1,
            "CurveP384" => rustls::NamedGroup::secp384r1,
            "CurveP521" => rustls::NamedGroup::secp521r1,
            "X25519MLKEM768" => rustls::NamedGroup::X25519MLKEM768,
            other => return Err(format!("unknown curve: {other}")),
        });
    }
    // Of TLS 1.3 all are offered, as there is no choice in Go either.
    let is_wanted = |name: &str| {
        name.starts_with("TLS13_")
            || ciphers
                .iter()
                .any(|wanted| name.trim_end_matches("_SHA256") == wanted.trim_end_matches("_SHA256"))
    };
    if !ciphers.is_empty() {
        provider.cipher_suites.retain(|suite| is_wanted(&format!("{:?}", suite.suite())));
    }
    if !groups.is_empty() {
        provider.kx_groups.retain(|group| groups.contains(&group.name()));
    }
    if provider.kx_groups.is_empty() || provider.cipher_suites.is_empty() {
        return Err("none of the ciphers or curves asked for is available".to_string());
    }
    Ok(provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<WebConfig, String> {
        let node = Node::parse(text).map_err(|error| error.to_string())?;
        WebConfig::decode(&node, Path::new("/nowhere")).map_err(|error| error.message)
    }

    #[test]
    fn mistakes_are_named_as_upstream_names_them() {
        for (text, expected) in [
            ("tls_server_config: {cert: x}", "missing one of key or key_file"),
            ("tls_server_config: {key: x}", "missing one of cert or cert_file"),
            ("tls_server_config: {cipher_suites: [TLS_X], cert: a, key: b}", "unknown cipher: TLS_X"),
            ("tls_server_config: {curve_preferences: [P9], cert: a, key: b}", "unknown curve: P9"),
            ("tls_server_config: {min_version: TLS111}", "unknown TLS version: TLS111"),
            ("http_server_config: {headers: {X-Any: a}}", "HTTP header \"X-Any\" can not be configured"),
            ("http_server_config: {headers: {X-Frame-Options: x}}", "invalid value for X-Frame-Options"),
            ("basic_auth_users: {a: b}", "the password of user \"a\" is not a bcrypt hash"),
            ("junk: 1", "field junk not found in type web.Config"),
        ] {
            let error = load(text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(load("").is_ok_and(|config| config.tls.is_none() && config.users.is_empty()));
    }

    #[tokio::test]
    async fn only_the_right_password_opens_and_the_answer_is_remembered() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("basic_auth_users: {{ann: {hash}}}\n")).unwrap();
        let web = Web::load(file.path(), Clock::manual(0)).unwrap();
        let config = web.current();
        for (value, expected) in [
            ("Basic YW5uOnNlY3JldA==", true),
            ("basic YW5uOnNlY3JldA==", true),
            ("Basic YW5uOndyb25n", false),
            ("Basic Ym9iOnNlY3JldA==", false),
            ("Bearer x", false),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(web.knows(&config, &headers).await, expected, "{value}");
        }
        assert!(!web.knows(&config, &HeaderMap::new()).await);
        assert_eq!(web.remembered.lock().len(), 3);
    }

    #[test]
    fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let clock = Clock::manual(0);
        let write = |text: &str, seconds: u64| {
            std::fs::write(file.path(), text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(time).unwrap();
            clock.advance(CHECK_EVERY);
        };
        write("http_server_config: {headers: {X-XSS-Protection: a}}", 1);
        let web = Web::load(file.path(), clock.clone()).unwrap();
        write("http_server_config: {headers: {X-XSS-Protection: b}}", 2);
        assert_eq!(web.current().headers[0].1, "b");
        write("junk", 3);
        assert_eq!(web.current().headers[0].1, "b");
    }

    #[test]
    fn requests_above_the_rate_are_refused_until_time_passes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "rate_limit: {interval: 1s, burst: 2}\n").unwrap();
        let clock = Clock::manual(0);
        let web = Web::load(file.path(), clock.clone()).unwrap();
        let config = web.current();
        let take = || web.has_token(&config);
        assert_eq!([take(), take(), take()], [true, true, false]);
        clock.advance(Duration::from_secs(1));
        assert_eq!([web.has_token(&config), web.has_token(&config)], [true, false]);
    }
}
