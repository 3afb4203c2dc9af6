//! How notifications leave: one method, so that tests can stand in for the network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config::HttpClientConfig;
use parking_lot::Mutex;
use spans::{Kind, Span};

/// Size of a receiver's answer. Its content matters only for error messages.
const ANSWER_SIZE_MAX_BYTES: u64 = 16 << 20;

/// What to send.
#[derive(Clone, Debug)]
pub struct Request {
    /// How to reach the server.
    pub http: Arc<HttpClientConfig>,
    /// What to do there.
    pub method: http::Method,
    /// Where to.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// From the start to the last byte of the answer.
    pub timeout: Duration,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Not in time.
    #[error("context deadline exceeded")]
    Timeout,
    /// No connection, or it broke.
    #[error("{0}")]
    Network(String),
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
}

/// What a transport promises.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Sends requests.
pub trait Transport: Send + Sync {
    /// Sends one request. An answer with any status is an answer.
    fn send(&self, request: Request) -> Answer<'_>;
}

/// Passes requests on as parts of a span, and knows the status of the answer to the last one.
pub(crate) struct Overheard<'a> {
    transport: &'a dyn Transport,
    span: &'a Span,
    status: AtomicU16,
}

impl<'a> Overheard<'a> {
    pub(crate) fn new(transport: &'a dyn Transport, span: &'a Span) -> Self {
        Overheard { transport, span, status: AtomicU16::new(0) }
    }

    /// The status; 0 if there was no answer.
    pub(crate) fn status(&self) -> u16 {
        self.status.load(Ordering::Relaxed)
    }
}

impl Transport for Overheard<'_> {
    fn send(&self, mut request: Request) -> Answer<'_> {
        self.status.store(0, Ordering::Relaxed);
        Box::pin(async move {
            let mut span = self.span.part("HTTP request", Kind::Client);
            if span.is_followed() {
                // Not the whole URL: it may hold secrets.
                let host = config::Url::parse(&request.url).map(|url| url.host).unwrap_or_default();
                span.set("server.address", host.as_str());
                span.set("http.request.method", request.method.as_str());
                span.set("http.request.body.size", request.body.len() as i64);
            }
            request.headers.extend(span.traceparent().map(|parent| ("traceparent".to_string(), parent)));
            let answer = self.transport.send(request).await;
            match &answer {
                Ok(response) => {
                    self.status.store(response.status, Ordering::Relaxed);
                    span.set("http.response.status_code", i64::from(response.status));
                    if response.status >= 400 {
                        span.fail("");
                    }
                }
                Err(error) => span.fail(&error.to_string()),
            }
            answer
        })
    }
}

/// The network. Keeps one client, with its connections, for each set of settings in use.
#[derive(Default)]
pub struct HttpTransport {
    clients: Mutex<Vec<(Arc<HttpClientConfig>, net::Client)>>,
}

impl HttpTransport {
    fn client(&self, http: &Arc<HttpClientConfig>) -> Result<net::Client, TransportError> {
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(known, _)| Arc::ptr_eq(known, http)) {
            return Ok(client.clone());
        }
        let client = net::Client::new(http).map_err(|error| TransportError::Settings(error.to_string()))?;
        // Settings that nothing but this list holds are those of an old configuration.
        clients.retain(|(known, _)| Arc::strong_count(known) > 1);
        clients.push((http.clone(), client.clone()));
        Ok(client)
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let client = self.client(&request.http)?;
            let limits = net::Limits { timeout: request.timeout, body_size_max_bytes: ANSWER_SIZE_MAX_BYTES };
            let outgoing = net::Request {
                method: request.method,
                url: request.url,
                headers: request.headers,
                body: request.body,
            };
            match client.send(outgoing, limits).await {
                Ok(answer) => Ok(Response {
                    status: answer.status.as_u16(),
                    headers: answer.headers,
                    body: answer.body,
                }),
                Err(net::ClientError::Timeout) => Err(TransportError::Timeout),
                Err(error @ (net::ClientError::Config(_) | net::ClientError::Url(_))) => {
                    Err(TransportError::Settings(error.to_string()))
                }
                Err(error) => Err(TransportError::Network(error.to_string())),
            }
        })
    }
}
