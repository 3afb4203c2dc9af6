//! The connections of a client: made when one is needed, kept while the server keeps them. HTTP/1.1 runs in
//! the task that asks; HTTP/2 where TLS offers it, on one connection for all requests to a server.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderMap, Method, StatusCode, Uri, header, uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::client::{ClientError, innermost};
use crate::http1::{Connection, Failure, Incoming, Io, Outgoing};
use crate::proxy::{Proxies, Proxy};
use crate::resolve::resolve;

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Unused connections that are kept to one server.
const IDLE_PER_SERVER_MAX: usize = 8;
/// A shared connection that was silent for so long is asked whether it still lives, and has so long to answer.
/// Without that one whose peer vanished would take every request until the kernel gives it up, after a quarter
/// of an hour: each request keeps it in use.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an address has before one of the other family is tried beside it (RFC 8305).
const FAMILY_DELAY: Duration = Duration::from_millis(300);

/// How long an address has before the next of its family is tried in its place.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Connections {
    tls: Arc<rustls::ClientConfig>,
    /// The name that servers must prove, if it is not the one in the URL.
    server_name: Option<ServerName<'static>>,
    proxies: Proxies,
    choice: Choice,
    /// Servers speak HTTP/2 also where there is no TLS.
    assume_http2: bool,
    kept: Mutex<HashMap<String, Kept>>,
    clock: Clock,
}

/// What is kept of one server.
#[derive(Default)]
struct Kept {
    /// The one used last at the end.
    idle: Vec<(Connection, Mark)>,
    shared: Option<(Shared, Mark)>,
}

type Shared = http2::SendRequest<Full<Bytes>>;

/// Which of a host's addresses are taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice {
    /// Each new connection goes to another one, by chance.
    pub(crate) spread: bool,
    /// None at which a cloud tells its machines credentials.
    pub(crate) refuse_metadata: bool,
}

/// Whether clouds tell their machines credentials there: the link-local addresses of all of them, and the further ones
/// of Amazon, Alibaba and Oracle.
pub(crate) fn is_of_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.octets() == [100, 100, 100, 200] || v4.octets() == [192, 0, 0, 192]
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// An answer without its body.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// Where a request goes.
struct Server<'a> {
    is_https: bool,
    host: &'a str,
    port: u16,
    unix_socket: Option<&'a Path>,
}

enum Dialled {
    One(Connection),
    Two(Shared),
}

impl Connections {
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        server_name: Option<ServerName<'static>>,
        proxies: Proxies,
        choice: Choice,
        assume_http2: bool,
        clock: &Clock,
    ) -> Self {
        Connections {
            tls: Arc::new(tls),
            server_name,
            proxies,
            choice,
            assume_http2,
            kept: Mutex::default(),
            clock: clock.clone(),
        }
    }

    /// Sends a request whose URI is absolute and reads the answer; its body, as it was sent, is in `body` then.
    pub(crate) async fn exchange(
        &self,
        request: &http::Request<Bytes>,
        unix_socket: Option<&Path>,
        body_size_max_bytes: u64,
        body: &mut BytesMut,
    ) -> Result<Head, ClientError> {
        let server = Server::of(request.uri(), unix_socket)?;
        let key = server.key();
        let proxy = match unix_socket {
            Some(_) => None,
            None => self.proxies.of(server.is_https, server.host, server.port),
        };
        if let Some(shared) = self.shared(&key) {
            match Box::pin(exchange_shared(shared, request, body_size_max_bytes, body)).await {
                Err(Failure::Closed) => {}
                outcome => return outcome.map_err(error_of),
            }
        }
        let head =
            request_head(request, &server, proxy.filter(|proxy| !server.is_https && !proxy.is_socks()));
        let outgoing = Outgoing { head: &head, body: request.body() };
        while let Some(mut connection) = self.take_idle(&key) {
            if !connection.is_open().await {
                continue;
            }
            match connection.exchange(outgoing, body_size_max_bytes, body).await {
                // It was about to be closed. Whether the server has acted on the request is not known.
                Err(Failure::Closed) if is_repeatable(request.method()) => break,
                outcome => return outcome.map(|answer| self.keep(key, connection, answer)).map_err(error_of),
            }
        }
        // What is seldom done is boxed: the state of the usual way stays small.
        match Box::pin(self.dial(&server, proxy)).await? {
            Dialled::One(mut connection) => {
                let outcome = connection.exchange(outgoing, body_size_max_bytes, body).await;
                outcome.map(|answer| self.keep(key, connection, answer)).map_err(error_of)
            }
            Dialled::Two(shared) => {
                self.kept.lock().entry(key).or_default().shared = Some((shared.clone(), self.clock.mark()));
                let exchange = Box::pin(exchange_shared(shared, request, body_size_max_bytes, body));
                exchange.await.map_err(error_of)
            }
        }
    }

    /// Sends a request on a connection of its own; the answer's body is still to be read. The connection
    /// ends with the body.
    pub(crate) async fn open(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<hyper::body::Incoming>, ClientError> {
        let failed = |error: hyper::Error| ClientError::Network(innermost(&error));
        let uri = request.uri().clone();
        let server = Server::of(&uri, None)?;
        let proxy = self.proxies.of(server.is_https, server.host, server.port);
        let mut outgoing = request.map(Full::new);
        // What is seldom done is boxed: the state of the usual way stays small.
        match Box::pin(self.dial(&server, proxy)).await? {
            Dialled::Two(mut shared) => {
                *outgoing.uri_mut() = without_user(&uri)?;
                shared.send_request(outgoing).await.map_err(failed)
            }
            Dialled::One(connection) => {
                let proxy = proxy.filter(|proxy| !server.is_https && !proxy.is_socks());
                if let Ok(host) = server.shown().parse() {
                    outgoing.headers_mut().entry(HOST).or_insert(host);
                }
                match proxy {
                    None => {
                        let path = uri.path_and_query().cloned();
                        *outgoing.uri_mut() = path.map_or_else(Uri::default, Uri::from);
                    }
                    Some(proxy) => {
                        *outgoing.uri_mut() = without_user(&uri)?;
                        let authorization = proxy.authorization.as_ref().and_then(|text| text.parse().ok());
                        if let Some(authorization) = authorization {
                            outgoing.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
                        }
                    }
                }
                let handshake = http1::handshake(TokioIo::new(connection.into_stream())).await;
                let (mut sender, driver) = handshake.map_err(failed)?;
                tokio::spawn(driver);
                sender.send_request(outgoing).await.map_err(failed)
            }
        }
    }

    /// The HTTP/2 connection to a server, if there is an open one.
    fn shared(&self, key: &str) -> Option<Shared> {
        let mut kept = self.kept.lock();
        let shared = &mut kept.get_mut(key)?.shared;
        match shared {
            Some((sender, used)) if !sender.is_closed() => {
                *used = self.clock.mark();
                Some(sender.clone())
            }
            _ => {
                *shared = None;
                None
            }
        }
    }

    fn take_idle(&self, key: &str) -> Option<Connection> {
        let mut kept = self.kept.lock();
        let idle = &mut kept.get_mut(key)?.idle;
        match idle.pop()? {
            (connection, used) if used.elapsed() < IDLE_TIMEOUT => Some(connection),
            _ => {
                // Those before it were used even earlier.
                idle.clear();
                None
            }
        }
    }

    /// Keeps a connection for the next request if its answer leaves it usable.
    fn keep(&self, key: String, connection: Connection, answer: Incoming) -> Head {
        if answer.is_reusable {
            let mut kept = self.kept.lock();
            let idle = &mut kept.entry(key).or_default().idle;
            if idle.len() >= IDLE_PER_SERVER_MAX {
                idle.remove(0);
            }
            idle.push((connection, self.clock.mark()));
        }
        Head { status: answer.status, headers: answer.headers }
    }

    async fn dial(&self, server: &Server<'_>, proxy: Option<&Proxy>) -> Result<Dialled, ClientError> {
        self.close_unused();
        let mut stream: Box<dyn Io> = match (server.unix_socket, proxy) {
            (Some(path), _) => Box::new(UnixStream::connect(path).await.map_err(|error| {
                ClientError::Network(format!("dial unix {}: connect: {}", path.display(), reason(&error)))
            })?),
            (None, None) => Box::new(connect(server.host, server.port, self.choice).await?),
            (None, Some(proxy)) => {
                let tcp = connect(proxy.host(), proxy.port(), Choice::default()).await;
                let tcp = tcp.map_err(|error| ClientError::Network(format!("proxyconnect tcp: {error}")))?;
                let mut stream: Box<dyn Io> = Box::new(tcp);
                if proxy.uri.scheme_str() == Some("https") {
                    (stream, _) = self.tls_over(stream, server_name(proxy.host())?, false).await?;
                }
                if server.is_https || proxy.is_socks() {
                    stream = proxy.tunnel(stream, server.host, server.port).await?;
                }
                stream
            }
        };
        let mut is_http2 = self.assume_http2 && !server.is_https;
        if server.is_https {
            let name = match &self.server_name {
                Some(name) => name.clone(),
                None => server_name(server.host)?,
            };
            (stream, is_http2) = self.tls_over(stream, name, true).await?;
        }
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            builder.keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
            builder.keep_alive_while_idle(true);
            let handshake = builder.handshake(TokioIo::new(stream)).await;
            let (sender, driver) = handshake.map_err(|error| ClientError::Network(innermost(&error)))?;
            // Ends with its connection, whose end shows in the sender.
            tokio::spawn(driver);
            return Ok(Dialled::Two(sender));
        }
        Ok(Dialled::One(Connection::new(stream)))
    }

    /// TLS over a stream, and whether both sides agreed on HTTP/2.
    async fn tls_over(
        &self,
        stream: Box<dyn Io>,
        name: ServerName<'static>,
        offers: bool,
    ) -> Result<(Box<dyn Io>, bool), ClientError> {
        let connector = TlsConnector::from(self.tls.clone());
        let stream = match offers {
            true => connector.connect(name, stream).await,
            false => connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name, stream).await,
        };
        let stream = stream.map_err(|error| ClientError::Network(format!("tls: {}", innermost(&error))))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Box::new(stream), is_http2))
    }

    fn close_unused(&self) {
        self.kept.lock().retain(|_, kept| {
            kept.idle.retain(|(_, used)| used.elapsed() < IDLE_TIMEOUT);
            kept.shared.take_if(|(sender, used)| sender.is_closed() || used.elapsed() >= IDLE_TIMEOUT);
            !kept.idle.is_empty() || kept.shared.is_some()
        });
    }
}

impl<'a> Server<'a> {
    fn of(uri: &'a Uri, unix_socket: Option<&'a Path>) -> Result<Server<'a>, ClientError> {
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                return Err(ClientError::Url(format!(
                    "unsupported protocol scheme {:?}",
                    other.unwrap_or("")
                )));
            }
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| ClientError::Url("http: no Host in request URL".into()))?;
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Ok(Server { is_https, host, port, unix_socket })
    }

    fn key(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        match self.unix_socket {
            None => format!("{scheme}://{}:{}", self.host, self.port),
            Some(path) => format!("{scheme}://{}:{} {}", self.host, self.port, path.display()),
        }
    }

    /// The `Host` header.
    fn shown(&self) -> String {
        match (self.is_https, self.port) {
            (false, 80) | (true, 443) => self.host.to_string(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

fn error_of(failure: Failure) -> ClientError {
    match failure {
        Failure::Closed => ClientError::Network("EOF".into()),
        Failure::Failed(error) => error,
    }
}

fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The request line and headers as they travel; `plain_proxy` is one that reads the whole URL.
fn request_head(request: &http::Request<Bytes>, server: &Server<'_>, plain_proxy: Option<&Proxy>) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    if plain_proxy.is_some() {
        head.extend_from_slice(format!("http://{}", server.shown()).as_bytes());
    }
    let path = request.uri().path_and_query().map_or("/", uri::PathAndQuery::as_str);
    if !path.starts_with('/') {
        head.push(b'/');
    }
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    let mut line = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    if !request.headers().contains_key(HOST) {
        line("host", server.shown().as_bytes());
    }
    for (name, value) in request.headers() {
        line(name.as_str(), value.as_bytes());
    }
    let length = request.body().len();
    if length > 0 || matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        line(header::CONTENT_LENGTH.as_str(), length.to_string().as_bytes());
    }
    if let Some(authorization) = plain_proxy.and_then(|proxy| proxy.authorization.as_ref()) {
        line("proxy-authorization", authorization.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// An exchange over HTTP/2.
async fn exchange_shared(
    mut shared: Shared,
    request: &http::Request<Bytes>,
    body_size_max_bytes: u64,
    body: &mut BytesMut,
) -> Result<Head, Failure> {
    let failed = |error: &hyper::Error| Failure::Failed(ClientError::Network(innermost(error)));
    body.clear();
    if shared.ready().await.is_err() {
        return Err(Failure::Closed);
    }
    let mut outgoing = http::Request::new(Full::new(request.body().clone()));
    *outgoing.method_mut() = request.method().clone();
    *outgoing.uri_mut() = without_user(request.uri())?;
    *outgoing.headers_mut() = request.headers().clone();
    let answer = match shared.try_send_request(outgoing).await {
        Ok(answer) => answer,
        Err(mut error) => {
            return Err(match error.take_message() {
                Some(_) => Failure::Closed,
                None => failed(error.error()),
            });
        }
    };
    let (mut parts, mut incoming) = answer.into_parts();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        // What is said behind the body counts as said before it.
        if let Some(trailers) = frame.trailers_ref() {
            parts.headers.extend(trailers.clone());
        }
        if let Some(data) = frame.data_ref() {
            if (body.len() + data.len()) as u64 > body_size_max_bytes {
                return Err(ClientError::TooLarge.into());
            }
            body.extend_from_slice(data);
        }
    }
    Ok(Head { status: parts.status, headers: parts.headers })
}

fn without_user(uri: &Uri) -> Result<Uri, ClientError> {
    let Some((_, host)) = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')) else {
        return Ok(uri.clone());
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = host.parse().ok();
    Uri::from_parts(parts).map_err(|error| ClientError::Url(error.to_string()))
}

fn server_name(host: &str) -> Result<ServerName<'static>, ClientError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_string())
        .map_err(|_| ClientError::Url(format!("{host:?} is not a name that a certificate can prove")))
}

/// A TCP connection to one of the host's addresses. An address family that does not answer holds the other
/// up for a moment only.
pub(crate) async fn connect(host: &str, port: u16, choice: Choice) -> Result<TcpStream, ClientError> {
    let mut addresses = resolve(host, port).await?;
    if choice.refuse_metadata && addresses.iter().any(|address| is_of_metadata(address.ip())) {
        return Err(ClientError::Network(format!(
            "{host} is refused: at its address clouds give credentials to their machines"
        )));
    }
    if choice.spread {
        let chance = RandomState::new().build_hasher().finish() as usize;
        let count = addresses.len().max(1);
        addresses.rotate_left(chance % count);
    }
    let is_first_family = |address: &SocketAddr| address.is_ipv4() == addresses[0].is_ipv4();
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().copied().partition(is_first_family);
    if second.is_empty() {
        return connect_to_any(&first).await;
    }
    let mut first = pin!(connect_to_any(&first));
    if let Ok(outcome) = tokio::time::timeout(FAMILY_DELAY, &mut first).await {
        return match outcome {
            Ok(stream) => Ok(stream),
            Err(error) => connect_to_any(&second).await.map_err(|_| error),
        };
    }
    either(first, pin!(connect_to_any(&second))).await
}

/// The first that succeeds; the error of the first one if none does.
async fn either<T, E>(
    mut first: impl Future<Output = Result<T, E>> + Unpin,
    mut second: impl Future<Output = Result<T, E>> + Unpin,
) -> Result<T, E> {
    tokio::select! {
        outcome = &mut first => match outcome {
            Ok(done) => Ok(done),
            Err(error) => second.await.map_err(|_| error),
        },
        outcome = &mut second => match outcome {
            Ok(done) => Ok(done),
            Err(_) => first.await,
        },
    }
}

async fn connect_to_any(addresses: &[SocketAddr]) -> Result<TcpStream, ClientError> {
    let mut failed = ClientError::Network("no address".into());
    for (at, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        // The last one has all the time that the caller gives.
        let outcome = match at + 1 < addresses.len() {
            true => tokio::time::timeout(ADDRESS_TIMEOUT, connecting)
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())),
            false => connecting.await,
        };
        match outcome {
            Ok(stream) => {
                // A request is written as a whole: waiting to fill a packet gains nothing.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                failed = ClientError::Network(format!("dial tcp {address}: connect: {}", reason(&error)));
            }
        }
    }
    Err(failed)
}

/// The operating system's words for an error, as Go writes them: without a number, in lower case.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
