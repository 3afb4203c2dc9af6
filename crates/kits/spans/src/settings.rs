//! Where traces go. The files have the same fields with rules of their own, so each reads its own.

use std::time::Duration;

use config::HttpClientConfig;
use config::http_client::{HeaderValue, TlsConfig};

/// How long a request may take unless it is configured.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Host and port.
    pub endpoint: String,
    /// Whether they go over HTTP, not gRPC.
    pub over_http: bool,
    /// The share of traces that are made, 0 to 1.
    pub sampling_fraction: f64,
    /// Whether to go without TLS.
    pub insecure: bool,
    /// TLS settings.
    pub tls: TlsConfig,
    /// Further headers.
    pub headers: Vec<(String, Vec<HeaderValue>)>,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// How long a request may take, in ms; 0 is 10 s.
    pub timeout_ms: i64,
}

impl Settings {
    pub(crate) fn timeout(&self) -> Duration {
        match u64::try_from(self.timeout_ms) {
            Ok(0) | Err(_) => TIMEOUT,
            Ok(ms) => Duration::from_millis(ms),
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.insecure { "http" } else { "https" };
        let path = match self.over_http {
            true => "v1/traces",
            false => "opentelemetry.proto.collector.trace.v1.TraceService/Export",
        };
        format!("{scheme}://{}/{path}", self.endpoint)
    }

    pub(crate) fn http(&self) -> HttpClientConfig {
        HttpClientConfig {
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            assume_http2: !self.over_http,
            ..HttpClientConfig::default()
        }
    }
}
