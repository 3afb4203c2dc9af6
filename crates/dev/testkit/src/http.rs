//! An HTTP server in the test's own process: it answers with what a function says, remembers what
//! it was asked, and can drop its connections.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` and so on.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// What stood behind `?`, as it was sent.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// A parameter of the query, decoded; the first if there are several.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All parameters of the query, decoded, in their order.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Path and query as one line, for assertions.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// What to answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: ReplyBody,
}

enum ReplyBody {
    Later(Pin<Box<dyn Future<Output = Reply> + Send>>),
    Whole(Bytes),
    Pieces(mpsc::Receiver<Bytes>),
}

impl Reply {
    /// A status and a text.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Reply { status, headers: Vec::new(), body: ReplyBody::Whole(body.into()) }
    }

    /// 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Reply::new(200, value.to_string()).header("content-type", "application/json")
    }

    /// 200 with a body that comes piece by piece, chunked; it ends when the sender is dropped.
    pub fn pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Reply { status: 200, headers: Vec::new(), body: ReplyBody::Pieces(pieces) }
    }

    /// What comes out of a future, once it does.
    pub fn later(reply: impl Future<Output = Reply> + Send + 'static) -> Self {
        Reply { status: 200, headers: Vec::new(), body: ReplyBody::Later(Box::pin(reply)) }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    drops: watch::Sender<u64>,
}

impl Server {
    /// Starts a server on a free port of this machine, inside a tokio runtime.
    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("cannot listen: {error}"),
        };
        let address = match listener.local_addr() {
            Ok(address) => address,
            Err(error) => panic!("no address: {error}"),
        };
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let drops = watch::Sender::new(0);
        let (log, answer, dropped) = (requests.clone(), Arc::new(answer), drops.subscribe());
        tokio::spawn(async move {
            let mut closed = dropped.clone();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        Err(_) => return,
                    },
                    ended = closed.wait_for(|count| *count == u64::MAX) => {
                        drop(ended);
                        return;
                    }
                };
                let (log, answer, mut dropped) = (log.clone(), answer.clone(), dropped.clone());
                dropped.mark_unchanged();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let (log, answer) = (log.clone(), answer.clone());
                        async move { Ok::<_, Infallible>(reply(request, &log, &*answer).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        _ = connection => {}
                        _ = dropped.changed() => {}
                    }
                });
            }
        });
        Server { address, requests, drops }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Path and query of what it was asked so far.
    pub fn targets(&self) -> Vec<String> {
        self.requests().iter().map(Request::target).collect()
    }

    /// Breaks all connections that are open now.
    pub fn drop_connections(&self) {
        self.drops.send_modify(|count| *count += 1);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drops.send_modify(|count| *count = u64::MAX);
    }
}

async fn reply(
    request: http::Request<Incoming>,
    log: &Mutex<Vec<Request>>,
    answer: &(dyn Fn(&Request) -> Reply + Send + Sync),
) -> http::Response<Outgoing> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_string(),
        query: parts.uri.query().unwrap_or("").to_string(),
        headers: parts.headers,
        body,
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let mut reply = answer(&request);
    while let ReplyBody::Later(later) = reply.body {
        reply = later.await;
    }
    let mut response = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = match reply.body {
        ReplyBody::Whole(bytes) => Outgoing::Whole(Some(bytes)),
        ReplyBody::Pieces(pieces) => Outgoing::Pieces(pieces),
        ReplyBody::Later(_) => Outgoing::Whole(None),
    };
    match response.body(body) {
        Ok(response) => response,
        Err(error) => panic!("a reply that HTTP does not know: {error}"),
    }
}

enum Outgoing {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Outgoing::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Outgoing::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Outgoing::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// Text of a query: `+` is a space, `%41` a byte.
pub fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
