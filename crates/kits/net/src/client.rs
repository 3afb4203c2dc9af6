//! The HTTP client: one request, one bounded answer. Connections are pooled; secrets and
//! certificates in files are read again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use base::{Classify, Clock, ErrorClass};
use bytes::{Bytes, BytesMut};
use config::HttpClientConfig;
use config::http_client::{Auth, HeaderValue as ConfiguredHeader, OAuth2, SecretSource};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;

use crate::tls;

/// Memory taken at once for a body because its sender announced it; a larger one has to come first.
const ANNOUNCED_MAX_BYTES: u64 = 16 << 20;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// How often files of certificates are looked at.
const FILES_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Size of the answer of a token's server.
const TOKEN_SIZE_MAX_BYTES: u64 = 64 * 1024;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The settings cannot work.
    #[error("{0}")]
    Config(String),
    /// The URL cannot be used.
    #[error("{0}")]
    Url(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Network(String),
    /// No answer in time.
    #[error("context deadline exceeded")]
    Timeout,
    /// The answer is larger than allowed.
    #[error("body size limit exceeded")]
    TooLarge,
    /// The answer cannot be read.
    #[error("{0}")]
    Body(String),
}

impl Classify for ClientError {
    fn class(&self) -> ErrorClass {
        match self {
            ClientError::Config(_) | ClientError::Url(_) => ErrorClass::BadInput,
            ClientError::Network(_) => ErrorClass::Unavailable,
            ClientError::Timeout => ErrorClass::Timeout,
            ClientError::TooLarge => ErrorClass::TooLarge,
            ClientError::Body(_) => ErrorClass::Corrupt,
        }
    }
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An absolute URL, `http` or `https`.
    pub url: String,
    /// Headers beyond those of the configuration.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Request { method: Method::GET, url: url.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A POST request.
    pub fn post(url: impl Into<String>, content_type: &str, body: impl Into<Bytes>) -> Self {
        Request {
            method: Method::POST,
            url: url.into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
        }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the start to the last byte of the answer.
    pub timeout: Duration,
    /// Size of the answer's body, before and after decompression.
    pub body_size_max_bytes: u64,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
}

type HttpPool = Pool<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client with one set of settings. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    config: HttpClientConfig,
    user_agent: HeaderValue,
    clock: Clock,
    connector: ArcSwap<Connector>,
    token: tokio::sync::Mutex<Option<Token>>,
    token_client: Option<Client>,
}

struct Connector {
    pool: HttpPool,
    files: Vec<(PathBuf, Option<SystemTime>)>,
    checked: parking_lot::Mutex<base::clock::Mark>,
}

struct Token {
    authorization: HeaderValue,
    obtained: base::clock::Mark,
    lifetime: Duration,
}

impl Client {
    /// A client with these settings. Fails if they cannot work, for example if a certificate's file
    /// is missing.
    pub fn new(config: &HttpClientConfig) -> Result<Client, ClientError> {
        if config.proxy.url.as_deref().is_some_and(|url| !url.is_empty()) || config.proxy.from_environment {
            return Err(ClientError::Config(
                "proxies are not available yet: remove proxy_url or proxy_from_environment".into(),
            ));
        }
        let clock = Clock::system();
        let connector = connector(config, &clock)?;
        let token_client = match &config.auth {
            Auth::OAuth2(oauth2) => Some(Client::new(&HttpClientConfig {
                tls: oauth2.tls.clone(),
                proxy: oauth2.proxy.clone(),
                ..HttpClientConfig::default()
            })?),
            _ => None,
        };
        Ok(Client(Arc::new(Shared {
            config: config.clone(),
            user_agent: HeaderValue::from_static(concat!("Promontory/", env!("CARGO_PKG_VERSION"))),
            clock,
            connector: ArcSwap::from_pointee(connector),
            token: tokio::sync::Mutex::new(None),
            token_client,
        })))
    }

    /// Sends a request and reads the whole answer, within the limits. An answer with any status is
    /// an answer; an error means there was none.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, ClientError> {
        match tokio::time::timeout(limits.timeout, self.follow(request, limits)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout),
        }
    }

    async fn follow(&self, mut request: Request, limits: Limits) -> Result<Response, ClientError> {
        let mut trusted = true;
        for _ in 0..=REDIRECTS_MAX {
            let uri: Uri =
                request.url.parse().map_err(|error| ClientError::Url(format!("invalid URL: {error}")))?;
            let answer = self.once(&request, &uri, limits, trusted).await?;
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let redirect = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let (true, true, Some(location)) = (redirect, self.0.config.follow_redirects, location) else {
                return Ok(answer);
            };
            let target = join(&uri, location)?;
            // Credentials stay with the server they were meant for.
            trusted = trusted && is_same_server(&uri, &target);
            if !matches!(answer.status.as_u16(), 307 | 308) && request.method != Method::HEAD {
                request.method = Method::GET;
                request.body = Bytes::new();
            }
            request.url = target.to_string();
        }
        Err(ClientError::Network(format!("stopped after {REDIRECTS_MAX} redirects")))
    }

    async fn once(
        &self,
        request: &Request,
        uri: &Uri,
        limits: Limits,
        trusted: bool,
    ) -> Result<Response, ClientError> {
        let mut outgoing = http::Request::new(Full::new(request.body.clone()));
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = uri.clone();
        let headers = outgoing.headers_mut();
        headers.insert(USER_AGENT, self.0.user_agent.clone());
        for (name, value) in &request.headers {
            let name = header_name(name)?;
            if trusted || (name != AUTHORIZATION && name != COOKIE) {
                headers.insert(name, header_value(value)?);
            }
        }
        if trusted {
            for (name, values) in &self.0.config.headers {
                let name = header_name(name)?;
                for value in values {
                    let text = match value {
                        ConfiguredHeader::Plain(text) => text.clone(),
                        ConfiguredHeader::Secret(source) => read_secret(source)?,
                    };
                    headers.append(name.clone(), header_value(&text)?);
                }
            }
            if let Some(authorization) = self.authorization().await? {
                headers.insert(AUTHORIZATION, authorization);
            }
        }
        // `http://user:password@host/`: what a URL says of itself is meant for its own server.
        if !headers.contains_key(AUTHORIZATION)
            && let Some((user, _)) = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'))
        {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = [&*percent_decoded(name), b":", &*percent_decoded(password)].concat();
            headers.insert(AUTHORIZATION, sensitive(&format!("Basic {}", base64(&plain)))?);
        }
        if !headers.contains_key(ACCEPT_ENCODING) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let pool = self.pool()?;
        let answer = pool.request(outgoing).await.map_err(network_error)?;
        let (parts, mut body) = answer.into_parts();
        // Growing step by step would copy a large page several times.
        let announced = body.size_hint().lower().min(limits.body_size_max_bytes).min(ANNOUNCED_MAX_BYTES);
        let mut bytes = BytesMut::with_capacity(announced as usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ClientError::Network(innermost(&error)))?;
            if let Some(data) = frame.data_ref() {
                if (bytes.len() + data.len()) as u64 > limits.body_size_max_bytes {
                    return Err(ClientError::TooLarge);
                }
                bytes.extend_from_slice(data);
            }
        }
        let gzip = parts
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let body = if gzip { gunzip(&bytes, limits.body_size_max_bytes)? } else { bytes.freeze() };
        Ok(Response { status: parts.status, headers: parts.headers, body })
    }

    /// The pool, made anew when a certificate's file has changed.
    fn pool(&self) -> Result<HttpPool, ClientError> {
        let connector = self.0.connector.load();
        if !connector.files.is_empty() {
            let mut checked = connector.checked.lock();
            if checked.elapsed() >= FILES_CHECK_INTERVAL {
                *checked = self.0.clock.mark();
                drop(checked);
                if connector.files.iter().any(|(path, modified)| tls::modified(path) != *modified) {
                    let fresh = self::connector(&self.0.config, &self.0.clock)?;
                    let pool = fresh.pool.clone();
                    self.0.connector.store(Arc::new(fresh));
                    return Ok(pool);
                }
            }
        }
        Ok(connector.pool.clone())
    }

    /// What goes into the header `Authorization` under the client's settings, if anything: for callers that
    /// drive a connection of their own.
    pub async fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        let text = match &self.0.config.auth {
            Auth::None => return Ok(None),
            Auth::Basic { username, password } => {
                let password = password.as_ref().map(read_secret).transpose()?.unwrap_or_default();
                format!("Basic {}", base64(format!("{}:{password}", read_secret(username)?).as_bytes()))
            }
            Auth::Authorization { kind, credentials } => format!("{kind} {}", read_secret(credentials)?),
            Auth::OAuth2(oauth2) => return self.token(oauth2).await.map(Some),
        };
        sensitive(&text).map(Some)
    }

    async fn token(&self, oauth2: &OAuth2) -> Result<HeaderValue, ClientError> {
        let mut cached = self.0.token.lock().await;
        if let Some(token) = cached.as_ref()
            && token.obtained.elapsed() < token.lifetime
        {
            return Ok(token.authorization.clone());
        }
        let Some(client) = &self.0.token_client else {
            return Err(ClientError::Config("no client for the token's server".into()));
        };
        let mut form = String::from("grant_type=client_credentials");
        let mut add = |name: &str, value: &str| {
            form.push('&');
            form.push_str(&encode_form(name));
            form.push('=');
            form.push_str(&encode_form(value));
        };
        if !oauth2.scopes.is_empty() {
            add("scope", &oauth2.scopes.join(" "));
        }
        for (name, value) in &oauth2.endpoint_params {
            add(name, value);
        }
        let credentials = format!(
            "{}:{}",
            encode_form(&oauth2.client_id),
            encode_form(&read_secret(&oauth2.client_secret)?)
        );
        let request = Request::post(oauth2.token_url.clone(), "application/x-www-form-urlencoded", form)
            .header("authorization", format!("Basic {}", base64(credentials.as_bytes())));
        let limits = Limits { timeout: Duration::from_secs(30), body_size_max_bytes: TOKEN_SIZE_MAX_BYTES };
        let answer = Box::pin(client.send(request, limits)).await?;
        if !answer.status.is_success() {
            return Err(ClientError::Network(format!("the token's server answered {}", answer.status)));
        }
        let json: serde_json::Value = serde_json::from_slice(&answer.body)
            .map_err(|_| ClientError::Body("the token's server did not answer in JSON".into()))?;
        let access_token = json.get("access_token").and_then(|value| value.as_str()).unwrap_or("");
        if access_token.is_empty() {
            return Err(ClientError::Body("the token's server answered without an access_token".into()));
        }
        let seconds = json.get("expires_in").and_then(serde_json::Value::as_u64).unwrap_or(3600);
        let authorization = sensitive(&format!("Bearer {access_token}"))?;
        *cached = Some(Token {
            authorization: authorization.clone(),
            obtained: self.0.clock.mark(),
            lifetime: Duration::from_secs(seconds.saturating_sub(10)),
        });
        Ok(authorization)
    }
}

fn connector(config: &HttpClientConfig, clock: &Clock) -> Result<Connector, ClientError> {
    let built = tls::build(&config.tls)?;
    let builder = HttpsConnectorBuilder::new().with_tls_config(built.config).https_or_http();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let https = if config.tls.server_name.is_empty() {
        builder.enable_http1().wrap_connector(http)
    } else {
        let name = ServerName::try_from(config.tls.server_name.clone())
            .map_err(|_| ClientError::Config(format!("{:?} is not a server name", config.tls.server_name)))?;
        builder
            .with_server_name_resolver(FixedServerNameResolver::new(name))
            .enable_http1()
            .wrap_connector(http)
    };
    let pool = Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(8)
        .build(https);
    Ok(Connector { pool, files: built.files, checked: parking_lot::Mutex::new(clock.mark()) })
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| ClientError::Config(format!("{name:?} is not a header's name")))
}

fn header_value(value: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(value)
        .map_err(|_| ClientError::Config("a header's value holds a control character".into()))
}

fn sensitive(text: &str) -> Result<HeaderValue, ClientError> {
    let mut value = header_value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The text of a secret; from a file without the white space around it.
pub fn read_secret(source: &SecretSource) -> Result<String, ClientError> {
    match source {
        SecretSource::Inline(secret) => Ok(secret.expose().to_string()),
        SecretSource::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_string()),
            Err(error) => {
                Err(ClientError::Config(format!("unable to read file {}: {error}", path.display())))
            }
        },
    }
}

fn network_error(error: PoolError) -> ClientError {
    ClientError::Network(innermost(&error))
}

/// The cause at the bottom of a chain of errors, which is the one a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn gunzip(bytes: &[u8], size_max_bytes: u64) -> Result<Bytes, ClientError> {
    use std::io::Read;
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(4).min(1 << 24));
    flate2::read::MultiGzDecoder::new(bytes)
        .take(size_max_bytes.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|error| ClientError::Body(format!("the answer is not valid gzip: {error}")))?;
    if out.len() as u64 > size_max_bytes {
        return Err(ClientError::TooLarge);
    }
    Ok(out.into())
}

/// Resolves the target of a redirect.
fn join(from: &Uri, location: &str) -> Result<Uri, ClientError> {
    let bad = || ClientError::Url(format!("redirected to {location:?}, which is not a URL"));
    let (scheme, authority) =
        (from.scheme_str().unwrap_or("http"), from.authority().map_or("", |a| a.as_str()));
    let absolute = if location.contains("://") {
        location.to_string()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let directory = from.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let uri: Uri = absolute.parse().map_err(|_| bad())?;
    if matches!(uri.scheme_str(), Some("http" | "https")) { Ok(uri) } else { Err(bad()) }
}

/// Whether two URLs lead to the same server: the same scheme, host and port, or from `http` to `https` on
/// their usual ports.
fn is_same_server(from: &Uri, to: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let of = |uri: &Uri| (uri.scheme_str() == Some("https"), port(uri));
    let same_host = from.host().unwrap_or("").eq_ignore_ascii_case(to.host().unwrap_or(""));
    same_host && (of(from) == of(to) || (of(from), of(to)) == ((false, 80), (true, 443)))
}

/// The bytes that `%41` and the like stand for.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            if digit <= group.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// `application/x-www-form-urlencoded`.
fn encode_form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The media type of a header such as `text/html; charset=utf-8`.
pub fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
        assert_eq!((base64(b"a"), base64(b"ab"), base64(b"")), ("YQ==".into(), "YWI=".into(), String::new()));
    }

    #[test]
    fn redirects_resolve_against_the_first_url() {
        let from: Uri = "http://h:1/a/b?x".parse().unwrap();
        for (location, expected) in [
            ("/c", "http://h:1/c"),
            ("c", "http://h:1/a/c"),
            ("//o/c", "http://o/c"),
            ("https://o/c", "https://o/c"),
        ] {
            assert_eq!(join(&from, location).unwrap().to_string(), expected);
        }
        assert!(join(&from, "ftp://o/").is_err());
    }

    #[test]
    fn credentials_go_to_the_same_server_only() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        for (from, to, same) in [
            ("http://h/a", "http://h/b", true),
            ("http://u:p@h/a", "http://H:80/b", true),
            ("http://h/a", "https://h/a", true),
            ("https://h/a", "http://h/a", false),
            ("http://h:8080/a", "https://h/a", false),
            ("http://h/a", "http://o/a", false),
        ] {
            assert_eq!(is_same_server(&uri(from), &uri(to)), same, "{from} {to}");
        }
        assert_eq!(percent_decoded("us%40er%2"), b"us@er%2");
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(matches!(gunzip(&bomb, 1000), Err(ClientError::TooLarge)));
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    }
}
