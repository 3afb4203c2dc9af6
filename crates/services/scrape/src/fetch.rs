//! Getting a page: over HTTP, or from a part of this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::HttpClientConfig;
use model::target::BoxFuture;
use net::{Client, ClientError, Limits, Request};
use parking_lot::Mutex;

/// The bound of a page where the configuration sets none.
pub const BODY_SIZE_MAX_BYTES: u64 = 256 << 20;

/// What to get.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// Where the page is.
    pub url: &'a str,
    /// A Unix socket that leads to the URL's host.
    pub unix_socket: Option<&'a Path>,
    /// The formats wanted, as an `Accept` header.
    pub accept: &'a str,
    /// Whether it may come compressed.
    pub compression: bool,
    /// Time for all of it.
    pub timeout: Duration,
    /// Bound of its size after decompression.
    pub body_size_max_bytes: u64,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its text.
    pub body: Bytes,
    /// The `Content-Type` header, empty if there was none.
    pub content_type: String,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Any reason but the next.
    #[error("{0}")]
    Failed(String),
    /// It is larger than allowed.
    #[error("body size limit exceeded")]
    TooLarge,
}

/// Gets pages.
pub trait Fetch: Send + Sync {
    /// Gets one page within the request's bounds. It may be put into `memory`, which gets it back from the
    /// page's body.
    fn fetch<'a>(
        &'a self,
        request: FetchRequest<'a>,
        memory: BytesMut,
    ) -> BoxFuture<'a, Result<Page, FetchError>>;
}

/// Makes what gets the pages of one job.
pub type Connect = Arc<dyn Fn(&HttpClientConfig) -> Arc<dyn Fetch> + Send + Sync>;

/// Gets pages over HTTP.
pub fn http() -> Connect {
    Arc::new(|config| Arc::new(HttpFetch { config: config.clone(), client: Mutex::new(None) }))
}

struct HttpFetch {
    config: HttpClientConfig,
    /// Made at the first use and, while that fails (a certificate is missing), tried again at each.
    client: Mutex<Option<Client>>,
}

impl HttpFetch {
    fn client(&self) -> Result<Client, ClientError> {
        let mut client = self.client.lock();
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(Client::new(&self.config)?).clone()),
        }
    }
}

impl Fetch for HttpFetch {
    fn fetch<'a>(
        &'a self,
        request: FetchRequest<'a>,
        memory: BytesMut,
    ) -> BoxFuture<'a, Result<Page, FetchError>> {
        Box::pin(async move {
            let failed = |error: ClientError| match error {
                ClientError::TooLarge => FetchError::TooLarge,
                other => FetchError::Failed(format!("Get {:?}: {other}", request.url)),
            };
            let encoding = if request.compression { "gzip" } else { "identity" };
            let get = Request::get(request.url)
                .header("accept", request.accept)
                .header("accept-encoding", encoding)
                .header("x-prometheus-scrape-timeout-seconds", request.timeout.as_secs_f64().to_string());
            let limits =
                Limits { timeout: request.timeout, body_size_max_bytes: request.body_size_max_bytes };
            let client = self.client().map_err(failed)?;
            let answer = client.send_over(get, limits, request.unix_socket, memory).await.map_err(failed)?;
            if answer.status.as_u16() != 200 {
                return Err(FetchError::Failed(format!("server returned HTTP status {}", answer.status)));
            }
            let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
            Ok(Page { body: answer.body, content_type: content_type.unwrap_or("").to_string() })
        })
    }
}

/// Writes a page as text.
pub type RenderPage = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// Something inside this process that is scraped like a target, on the same schedule and with the
/// same limits, without HTTP.
#[derive(Clone)]
pub struct LocalTarget {
    /// The `job` label.
    pub job: String,
    /// The `instance` label.
    pub instance: String,
    /// Whether labels of its page stay where `job` and `instance` say something else.
    pub honor_labels: bool,
    /// Writes its page in Prometheus's text format; it may block.
    pub render: RenderPage,
}

pub(crate) struct LocalFetch(pub(crate) RenderPage);

impl Fetch for LocalFetch {
    fn fetch<'a>(
        &'a self,
        request: FetchRequest<'a>,
        memory: BytesMut,
    ) -> BoxFuture<'a, Result<Page, FetchError>> {
        let render = self.0.clone();
        Box::pin(async move {
            let rendered = tokio::task::spawn_blocking(move || {
                let mut body = Vec::from(memory);
                render(&mut body);
                body
            });
            let failed = |text: String| FetchError::Failed(format!("Get {:?}: {text}", request.url));
            match tokio::time::timeout(request.timeout, rendered).await {
                Ok(Ok(body)) if body.len() as u64 > request.body_size_max_bytes => Err(FetchError::TooLarge),
                Ok(Ok(body)) => {
                    Ok(Page { body: body.into(), content_type: "text/plain; version=0.0.4".into() })
                }
                Ok(Err(error)) => Err(failed(error.to_string())),
                Err(_) => Err(failed("context deadline exceeded".into())),
            }
        })
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
