//! The HTTP server: one listener with the limits and headers that hold for every route.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use base::{Classify, ErrorClass};
use bytes::Bytes;
use http_body::Frame;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::timeout::TimeoutBody;

use crate::pace::{self, Paced, Phase};
use crate::web_config::{Guard, guarded};

/// Time a client has to send the head of a request, from its first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a connection is kept between two requests. Load balancers keep theirs for a minute or more, and a connection
/// that ends just as a request comes fails that request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Time a client has between two pieces of a request's body. One that vanished in between would hold its
/// connection for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time in which a client must take something of an answer. One that never reads would hold its connection,
/// and what is still to be sent, for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of the listener.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. `[::]` is all addresses, those of IPv4 too, and those alone where there is no IPv6.
    pub listen: SocketAddr,
    /// Connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Time a client has for the head of a request (10 s at most), between two pieces of its body (30 s by itself) and
    /// between two requests (5 m by itself).
    pub read_timeout: Option<Duration>,
    /// A web configuration file: TLS, users, headers.
    pub web_config: Option<PathBuf>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections_max: 512,
            read_timeout: None,
            web_config: None,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {listen}: another program already listens there (is a second Promontory or a Prometheus running?); choose another address"
    )]
    AddressInUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The web configuration has a mistake.
    #[error("{0}")]
    WebConfig(String),
    /// The operating system says no.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What it said.
        source: std::io::Error,
    },
}

impl Classify for ServerError {
    fn class(&self) -> ErrorClass {
        match self {
            ServerError::AddressInUse { .. } => ErrorClass::Conflict,
            ServerError::WebConfig(_) => ErrorClass::BadInput,
            ServerError::Listen { .. } => ErrorClass::Unavailable,
        }
    }
}

/// A bound listener, not yet serving: so that a taken port is known before anything else starts.
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    connections_max: usize,
    read_timeout: Option<Duration>,
    guard: Option<Arc<Guard>>,
}

impl Server {
    /// Binds the address.
    pub async fn bind(config: &ServerConfig) -> Result<Server, ServerError> {
        let listen = config.listen;
        let guard = match &config.web_config {
            Some(path) => Some(Arc::new(
                Guard::new(path.clone(), base::Clock::system()).map_err(ServerError::WebConfig)?,
            )),
            None => None,
        };
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => ServerError::AddressInUse { listen },
            _ => ServerError::Listen { listen, source },
        };
        let listener = listener(listen).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let (connections_max, read_timeout) = (config.connections_max, config.read_timeout);
        Ok(Server { listener, local, connections_max, read_timeout, guard })
    }

    /// The address that is listened on; the port is the real one where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.acceptor().is_some())
    }

    /// Serves until `stop` becomes true, then lets requests under way finish, `grace` at most.
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<bool>, grace: Duration) {
        let head_timeout = self.read_timeout.map_or(HEAD_TIMEOUT, |timeout| timeout.min(HEAD_TIMEOUT));
        let body_timeout = self.read_timeout.unwrap_or(BODY_TIMEOUT);
        let idle_timeout = self.read_timeout.unwrap_or(IDLE_TIMEOUT);
        let compress = CompressionLayer::new()
            .quality(tower_http::CompressionLevel::Fastest)
            .compress_when(SizeAbove::new(1024).and(NotForContentType::SSE).and(NotForContentType::IMAGES));
        let ends = stop.clone();
        let router = router
            .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n") })
            .layer(middleware::map_response(move |response| end_events(ends.clone(), response)))
            .layer(compress)
            .layer(middleware::from_fn(security_headers))
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                body_in_time(body_timeout, request, next)
            }));
        let router = match &self.guard {
            Some(guard) => router.layer(middleware::from_fn_with_state(guard.clone(), guarded)),
            None => router,
        };
        let slots = Arc::new(tokio::sync::Semaphore::new(self.connections_max));
        loop {
            let slot = tokio::select! {
                slot = slots.clone().acquire_owned() => slot,
                () = stopped(&mut stop) => break,
            };
            let Ok(slot) = slot else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for example: existing connections go on.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            // A peer of IPv4 is one, whatever the listener is.
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let phase = Phase::default();
            let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
            let service = pace::Service::new(service, phase.clone());
            let mut stop = stop.clone();
            let guard = self.guard.clone();
            tokio::spawn(async move {
                let mut http = hyper::server::conn::http1::Builder::new();
                // Counts from the end of the request before.
                http.timer(TokioTimer::new()).header_read_timeout(idle_timeout);
                match guard.and_then(|guard| guard.acceptor()) {
                    None => {
                        let stream = Paced::new(stream, WRITE_TIMEOUT, head_timeout, phase);
                        serve_connection(&http, stream, service, &mut stop).await;
                    }
                    Some(acceptor) => {
                        let handshake = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream));
                        match handshake.await {
                            Ok(Ok(stream)) => {
                                let stream = Paced::new(stream, WRITE_TIMEOUT, head_timeout, phase);
                                serve_connection(&http, stream, service, &mut stop).await;
                            }
                            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                        }
                    }
                }
                drop(slot);
            });
        }
        drop(self.listener);
        // A slot comes back when its connection ends, also if that is by a panic.
        let drained = slots.acquire_many(u32::try_from(self.connections_max).unwrap_or(u32::MAX));
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!(
                connections = self.connections_max.saturating_sub(slots.available_permits()),
                "closed connections that did not finish in time"
            );
        }
    }
}

/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 1024;

async fn listener(listen: SocketAddr) -> std::io::Result<TcpListener> {
    if !(listen.is_ipv6() && listen.ip().is_unspecified()) {
        return TcpListener::bind(listen).await;
    }
    let socket = match Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)) {
        Ok(socket) => socket,
        // No IPv6 in this kernel.
        Err(_) => return TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await,
    };
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    match socket.bind(&listen.into()) {
        // IPv6 is there, and switched off.
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            return TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await;
        }
        bound => bound?,
    }
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves one connection until it ends, or until the server stops and its request is answered.
async fn serve_connection<S>(
    http: &hyper::server::conn::http1::Builder,
    stream: S,
    service: pace::Service<TowerToHyperService<Router>>,
    stop: &mut watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Waits until the server is to stop; a sender that is gone counts as a stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What a page of ours may do: everything from its own origin, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self'; \
    script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'";

/// Ends a stream of events with the server: by itself it never ends, and the stop would wait for it.
async fn end_events(mut stop: watch::Receiver<bool>, response: Response) -> Response {
    events_until(response, async move { stopped(&mut stop).await })
}

/// The answer, which ends when `end` does if it is a stream of events.
pub fn events_until(response: Response, end: impl Future<Output = ()> + Send + 'static) -> Response {
    let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|value| value.starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| Body::new(Until { body, end: Box::pin(end) }))
}

/// A body that ends early if it must.
struct Until {
    body: Body,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}

async fn body_in_time(timeout: Duration, request: Request, next: Next) -> Response {
    next.run(request.map(|body| Body::new(TimeoutBody::new(timeout, body)))).await
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A plain text answer for an error, with the status of its class.
pub fn plain_error(class: ErrorClass, message: &str) -> Response {
    let status = StatusCode::from_u16(class.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, format!("{message}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Limits, Request};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn start(router: Router) -> (SocketAddr, watch::Sender<bool>) {
        let config = ServerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            connections_max: 16,
            ..ServerConfig::default()
        };
        let server = Server::bind(&config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server.serve(router, stopped, Duration::from_secs(5)));
        (address, stop)
    }

    fn limits() -> Limits {
        Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 }
    }

    #[tokio::test]
    async fn a_client_gets_a_compressed_answer_and_safe_headers() {
        let (address, _stop) = start(Router::new().route("/", get(|| async { "x".repeat(5000) }))).await;
        let client = Client::new(&Default::default()).unwrap();
        let request = Request::get(format!("http://{address}/")).header("accept-encoding", "gzip");
        let answer = client.send(request, limits()).await.unwrap();
        assert_eq!(answer.body.len(), 5000);
        assert_eq!(answer.headers["content-encoding"], "gzip");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        let too_small = Limits { body_size_max_bytes: 100, ..limits() };
        let error = client.send(Request::get(format!("http://{address}/")), too_small).await.unwrap_err();
        assert_eq!(error.to_string(), "body size limit exceeded");
    }

    #[tokio::test]
    async fn credentials_do_not_follow_a_redirect_to_another_server() {
        async fn echo(request: axum::extract::Request) -> String {
            let value = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            value.unwrap_or("none").to_string()
        }
        let (other, _stop) = start(Router::new().route("/echo", get(echo))).await;
        let away = format!("http://{other}/echo");
        let router = Router::new()
            .route("/echo", get(echo))
            .route("/away", get(move || async move { (StatusCode::FOUND, [(header::LOCATION, away)]) }));
        let (address, _stop) = start(router).await;
        let settings = config::Node::parse("{authorization: {credentials: t0k}}").unwrap();
        let base = config::http_client::PathBase::new(std::path::Path::new("."));
        let client = Client::new(&config::HttpClientConfig::decode(&settings, &base).unwrap()).unwrap();
        let mut answers = Vec::new();
        for path in ["echo", "away"] {
            let answer =
                client.send(Request::get(format!("http://{address}/{path}")), limits()).await.unwrap();
            answers.push(String::from_utf8(answer.body.to_vec()).unwrap());
        }
        assert_eq!(answers, ["Bearer t0k", "none"]);
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_streams_of_events() {
        /// One event, then nothing for ever.
        struct Endless(bool);
        impl http_body::Body for Endless {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                if std::mem::replace(&mut self.0, true) {
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: 1\n\n")))))
            }
        }
        let events = || async { ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(Endless(false))) };
        let config = ServerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            connections_max: 16,
            ..ServerConfig::default()
        };
        let server = Server::bind(&config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(events));
        let serving = tokio::spawn(server.serve(router, stopped, Duration::from_secs(3_600)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut seen = String::new();
        while !seen.contains("data: 1") {
            let mut part = [0; 1024];
            let count = stream.read(&mut part).await.unwrap();
            seen.push_str(&String::from_utf8_lossy(&part[..count]));
        }
        stop.send(true).unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let (address, _stop) = start(Router::new()).await;
        let config = ServerConfig { listen: address, connections_max: 1, ..ServerConfig::default() };
        let error = Server::bind(&config).await.err().unwrap();
        assert!(
            error.to_string().starts_with(&format!("cannot listen on {address}: another program")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_protocols() {
        async fn who(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
            peer.ip().to_string()
        }
        let all = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
        let server = Server::bind(&ServerConfig { listen: all, ..ServerConfig::default() }).await.unwrap();
        let address = server.local_addr();
        let (_stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(who));
        tokio::spawn(server.serve(router, stopped, Duration::from_secs(5)));
        let client = Client::new(&Default::default()).unwrap();
        let ask = async |host: &str| {
            let url = format!("http://{host}:{}/", address.port());
            client.send(Request::get(url), limits()).await.unwrap().body
        };
        assert_eq!(ask("127.0.0.1").await, "127.0.0.1");
        // Where IPv6 is off, IPv4 alone is served.
        if address.is_ipv6() && std::net::TcpListener::bind("[::1]:0").is_ok() {
            assert_eq!(ask("[::1]").await, "::1");
        }
    }

    #[tokio::test]
    async fn a_dead_server_is_an_error_a_person_can_act_on() {
        let client = Client::new(&Default::default()).unwrap();
        let error = client.send(Request::get("http://127.0.0.1:1/"), limits()).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
