//! The HTTP client: one request, one bounded answer. Connections are pooled; secrets and
//! certificates in files are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use base::{Classify, Clock, ErrorClass};
use bytes::{Bytes, BytesMut};
use config::http_client::{Auth, HeaderValue as ConfiguredHeader, JwtGrant, OAuth2, SecretSource};
use config::yaml::Value;
use config::{HttpClientConfig, Node};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use rustls::pki_types::ServerName;

use crate::connections::{Choice, Connections};
use crate::jwt::{Digest, Key};
use crate::proxy::Proxies;
use crate::tls;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// How often files of certificates are looked at.
const FILES_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Size of the answer of a token's server.
const TOKEN_SIZE_MAX_BYTES: u64 = 64 * 1024;
/// Decompressed at a time.
const GUNZIP_STEP_BYTES: usize = 64 * 1024;

/// Why a request got no answer.
#[derive(Clone, Debug, thiserror::Error)]
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

/// An answer whose body is still coming. Dropping it ends the request.
pub struct OpenResponse {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: hyper::body::Incoming,
}

impl OpenResponse {
    /// The next piece of the body as the network delivers it; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| ClientError::Network(innermost(&error)))?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

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
    connections: Arc<Connections>,
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
        Client::with_clock(config, Clock::system())
    }

    fn with_clock(config: &HttpClientConfig, clock: Clock) -> Result<Client, ClientError> {
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
        self.send_over(request, limits, None, BytesMut::new()).await
    }

    /// Like [`Client::send`], over a Unix socket if one is named; the URL's host is what the server is told
    /// then. For one who asks again and again, the answer's body is put into `memory`, and
    /// [`Bytes::try_into_mut`] gives it back.
    pub async fn send_over(
        &self,
        request: Request,
        limits: Limits,
        unix_socket: Option<&Path>,
        memory: BytesMut,
    ) -> Result<Response, ClientError> {
        let answer = self.follow(request, limits, unix_socket, memory);
        match tokio::time::timeout(limits.timeout, answer).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout),
        }
    }

    async fn follow(
        &self,
        mut request: Request,
        limits: Limits,
        mut unix_socket: Option<&Path>,
        mut memory: BytesMut,
    ) -> Result<Response, ClientError> {
        let mut trusted = true;
        for _ in 0..=REDIRECTS_MAX {
            let uri: Uri =
                request.url.parse().map_err(|error| ClientError::Url(format!("invalid URL: {error}")))?;
            let (status, headers) =
                self.once(&request, &uri, unix_socket, limits, trusted, &mut memory).await?;
            // Credentials stay with the server they were meant for.
            match self.redirect(&mut request, &uri, status, &headers)? {
                Some(true) => {}
                Some(false) => (trusted, unix_socket) = (false, None),
                None => return Ok(Response { status, headers, body: memory.freeze() }),
            }
        }
        Err(ClientError::Network(format!("stopped after {REDIRECTS_MAX} redirects")))
    }

    /// Sends a request on a connection of its own and returns as soon as the answer's head is there; the
    /// body is read piece by piece. For answers that are large or have no end, such as a watch. `timeout` is
    /// that of the head.
    pub async fn open(&self, request: Request, timeout: Duration) -> Result<OpenResponse, ClientError> {
        let answer = tokio::time::timeout(timeout, self.follow_open(request)).await;
        let (parts, body) = answer.map_err(|_| ClientError::Timeout)??.into_parts();
        Ok(OpenResponse { status: parts.status, headers: parts.headers, body })
    }

    async fn follow_open(
        &self,
        mut request: Request,
    ) -> Result<http::Response<hyper::body::Incoming>, ClientError> {
        let mut trusted = true;
        for _ in 0..=REDIRECTS_MAX {
            let uri: Uri =
                request.url.parse().map_err(|error| ClientError::Url(format!("invalid URL: {error}")))?;
            let outgoing = self.outgoing(&request, &uri, trusted).await?;
            let answer = self.connections()?.open(outgoing).await?;
            match self.redirect(&mut request, &uri, answer.status(), answer.headers())? {
                Some(is_same_server) => trusted = trusted && is_same_server,
                None => return Ok(answer),
            }
        }
        Err(ClientError::Network(format!("stopped after {REDIRECTS_MAX} redirects")))
    }

    /// Aims the request at where the answer sends it, and says whether that is the same server; `None` if the
    /// answer is no redirect to follow.
    fn redirect(
        &self,
        request: &mut Request,
        from: &Uri,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<bool>, ClientError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let (true, true, Some(location)) = (redirect, self.0.config.follow_redirects, location) else {
            return Ok(None);
        };
        let target = join(from, location)?;
        if !matches!(status.as_u16(), 307 | 308) && request.method != Method::HEAD {
            request.method = Method::GET;
            request.body = Bytes::new();
        }
        request.url = target.to_string();
        Ok(Some(is_same_server(from, &target)))
    }

    /// A request with the headers of the settings.
    async fn outgoing(
        &self,
        request: &Request,
        uri: &Uri,
        trusted: bool,
    ) -> Result<http::Request<Bytes>, ClientError> {
        let mut outgoing = http::Request::new(request.body.clone());
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = uri.clone();
        let headers = outgoing.headers_mut();
        headers.insert(USER_AGENT, self.0.user_agent.clone());
        for (name, value) in &request.headers {
            let name = header_name(name)?;
            if trusted || is_for_anybody(&name) {
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
            && let Some(authorization) = basic_authorization(uri)
        {
            headers.insert(AUTHORIZATION, sensitive(&authorization)?);
        }
        if !headers.contains_key(ACCEPT_ENCODING) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Ok(outgoing)
    }

    async fn once(
        &self,
        request: &Request,
        uri: &Uri,
        unix_socket: Option<&Path>,
        limits: Limits,
        trusted: bool,
        body: &mut BytesMut,
    ) -> Result<(StatusCode, HeaderMap), ClientError> {
        let outgoing = self.outgoing(request, uri, trusted).await?;
        let connections = self.connections()?;
        let answer = connections.exchange(&outgoing, unix_socket, limits.body_size_max_bytes, body).await?;
        let encoding = answer.headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip")) && !body.is_empty() {
            let compressed = body.split();
            gunzip(&compressed, body, limits.body_size_max_bytes)?;
        }
        Ok((answer.status, answer.headers))
    }

    /// The connections, made anew when a certificate's file has changed.
    fn connections(&self) -> Result<Arc<Connections>, ClientError> {
        let connector = self.0.connector.load();
        if !connector.files.is_empty() {
            let mut checked = connector.checked.lock();
            if checked.elapsed() >= FILES_CHECK_INTERVAL {
                *checked = self.0.clock.mark();
                drop(checked);
                if connector.files.iter().any(|(path, modified)| tls::modified(path) != *modified) {
                    let fresh = self::connector(&self.0.config, &self.0.clock)?;
                    let connections = fresh.connections.clone();
                    self.0.connector.store(Arc::new(fresh));
                    return Ok(connections);
                }
            }
        }
        Ok(connector.connections.clone())
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
            Auth::OAuth2(oauth2) => return Box::pin(self.token(oauth2)).await.map(Some),
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
        let grant = match &oauth2.jwt {
            Some(_) => JWT_GRANT,
            None => "client_credentials",
        };
        // Servers that go their own way with the grant's name are told it by a parameter.
        let is_renamed = oauth2.endpoint_params.iter().any(|(name, _)| name == "grant_type");
        let mut form = match is_renamed {
            true => String::new(),
            false => format!("grant_type={}", encode_form(grant)),
        };
        let mut add = |name: &str, value: &str| {
            if !form.is_empty() {
                form.push('&');
            }
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
        if let Some(jwt) = &oauth2.jwt {
            add("assertion", &assertion(oauth2, jwt, self.0.clock.now_ms())?);
        }
        let (id, secret) =
            (encode_form(&oauth2.client_id), encode_form(&read_secret(&oauth2.client_secret)?));
        let limits = Limits { timeout: Duration::from_secs(30), body_size_max_bytes: TOKEN_SIZE_MAX_BYTES };
        let ask = |form: String| Request::post(&oauth2.token_url, "application/x-www-form-urlencoded", form);
        let in_header = format!("Basic {}", base64(format!("{id}:{secret}").as_bytes()));
        let request = match oauth2.jwt {
            Some(_) => ask(form.clone()),
            None => ask(form.clone()).header("authorization", in_header),
        };
        let mut answer = Box::pin(client.send(request, limits)).await?;
        // Some servers take the client's secret in the form only (RFC 6749, 2.3.1).
        if oauth2.jwt.is_none() && matches!(answer.status.as_u16(), 400..500) {
            let in_form = ask(format!("{form}&client_id={id}&client_secret={secret}"));
            let second = Box::pin(client.send(in_form, limits)).await?;
            if second.status.is_success() {
                answer = second;
            }
        }
        if !answer.status.is_success() {
            return Err(ClientError::Network(format!("the token's server answered {}", answer.status)));
        }
        let json: serde_json::Value = serde_json::from_slice(&answer.body)
            .map_err(|_| ClientError::Body("the token's server did not answer in JSON".into()))?;
        let access_token = json.get("access_token").and_then(|value| value.as_str()).unwrap_or("");
        if access_token.is_empty() {
            return Err(ClientError::Body("the token's server answered without an access_token".into()));
        }
        // Some servers write the number as a text.
        let seconds = json.get("expires_in").and_then(|value| match value {
            serde_json::Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        });
        let seconds = seconds.unwrap_or(3600);
        let authorization = sensitive(&format!("Bearer {access_token}"))?;
        *cached = Some(Token {
            authorization: authorization.clone(),
            obtained: self.0.clock.mark(),
            lifetime: Duration::from_secs(seconds.saturating_sub(10)),
        });
        Ok(authorization)
    }
}

/// The `grant_type` of a token that we sign (RFC 7523).
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long such a token is good for.
const ASSERTION_LIFE_SECONDS: i64 = 600;

/// A token that we sign, for the server to exchange.
fn assertion(oauth2: &OAuth2, jwt: &JwtGrant, now_ms: i64) -> Result<String, ClientError> {
    let pem = jwt.key.as_ref().map(read_secret).transpose()?.unwrap_or_default();
    let mut id = [0; 16];
    let failed = |_| ClientError::Config("no random numbers".into());
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut id).map_err(failed)?;
    let or = |text: &str, other: &str| if text.is_empty() { other.to_string() } else { text.to_string() };
    let now = now_ms / 1000;
    let mut claims = serde_json::json!({
        "iss": or(&jwt.issuer, &oauth2.client_id),
        "sub": oauth2.client_id,
        "jti": base64_url(&id),
        "aud": or(&jwt.audience, &oauth2.token_url),
        "iat": now,
        "exp": now + ASSERTION_LIFE_SECONDS,
    });
    if !oauth2.scopes.is_empty() {
        claims["scope"] = oauth2.scopes.join(" ").into();
    }
    for (name, value) in &jwt.claims {
        claims[name] = claim(value);
    }
    let header = [("kid", jwt.key_id.as_str())];
    let header = if jwt.key_id.is_empty() { &[][..] } else { &header[..] };
    Key::from_pem(&pem)?.token(Digest::of_algorithm(&jwt.algorithm), header, &claims)
}

/// What a configuration says, as JSON.
fn claim(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Sequence(items) => items.iter().map(claim).collect(),
        Value::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| (name.string().unwrap_or_default(), claim(value)));
            pairs.collect::<serde_json::Map<_, _>>().into()
        }
        Value::Scalar { text, plain: true } => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        Value::Scalar { text, .. } => text.as_str().into(),
        Value::Null | Value::Binary(_) => serde_json::Value::Null,
    }
}

fn connector(config: &HttpClientConfig, clock: &Clock) -> Result<Connector, ClientError> {
    let mut built = tls::build(&config.tls)?;
    if config.enable_http2 {
        built.config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let name = &config.tls.server_name;
    let server_name = (!name.is_empty()).then(|| ServerName::try_from(name.clone())).transpose();
    let server_name =
        server_name.map_err(|_| ClientError::Config(format!("{name:?} is not a server name")))?;
    let proxies = Proxies::new(&config.proxy, |name| std::env::var(name).ok())?;
    Ok(Connector {
        connections: Arc::new(Connections::new(
            built.config,
            server_name,
            proxies,
            Choice { spread: config.spread_addresses, refuse_metadata: config.refuse_metadata_addresses },
            config.assume_http2,
            clock,
        )),
        files: built.files,
        checked: parking_lot::Mutex::new(clock.mark()),
    })
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| ClientError::Config(format!("{name:?} is not a header's name")))
}

fn header_value(value: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(value)
        .map_err(|_| ClientError::Config("a header's value holds a control character".into()))
}

/// Whether a header says nothing that only one server may know. Tokens have many names (`x-auth-token`,
/// `x-consul-token`, `x-amz-security-token`), so all others stay behind.
fn is_for_anybody(name: &HeaderName) -> bool {
    [ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT].contains(name)
        || name.as_str().starts_with("x-prometheus-")
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

/// The cause at the bottom of a chain of errors, which is the one a person can act on.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Decompresses behind what is in `out`.
fn gunzip(bytes: &[u8], out: &mut BytesMut, size_max_bytes: u64) -> Result<(), ClientError> {
    use std::io::Read;
    let mut decoder = flate2::bufread::MultiGzDecoder::new(bytes);
    loop {
        let start = out.len();
        out.resize(start + GUNZIP_STEP_BYTES, 0);
        let count = decoder
            .read(&mut out[start..])
            .map_err(|error| ClientError::Body(format!("the answer is not valid gzip: {error}")))?;
        out.truncate(start + count);
        if out.len() as u64 > size_max_bytes {
            return Err(ClientError::TooLarge);
        }
        if count == 0 {
            return Ok(());
        }
    }
}

/// What a URL such as `http://user:password@host/` says of its user, as an `Authorization` header.
pub(crate) fn basic_authorization(uri: &Uri) -> Option<String> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = [&*percent_decoded(name), b":", &*percent_decoded(password)].concat();
    Some(format!("Basic {}", base64(&plain)))
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

/// Base64 as it stands in URLs and tokens (RFC 4648, 5), without padding.
pub fn base64_url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The bytes of standard base64, with or without padding; none if it has other characters.
pub fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
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
#[path = "client_tests.rs"]
mod tests;
