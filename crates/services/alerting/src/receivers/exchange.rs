//! What kinds do alike when they tell a receiver over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use config::HttpClientConfig;

use super::answer::{during, refused};
use super::{Delivery, SecretSource, USER_AGENT};
use crate::dispatch::Outcome;
use crate::transport::{Request, Response, TransportError};

/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";

impl Delivery<'_> {
    /// Expands a template; a failure names the setting.
    pub fn setting(&self, name: &str, template: &str) -> Result<String, Outcome> {
        self.text(template).map_err(|failed| during(&format!("execute '{name}' template"), failed))
    }

    /// Reads a secret. The failure names the setting with the file and is one that no further attempt
    /// mends.
    pub async fn secret(&self, source: &SecretSource, file_setting: &str) -> Result<String, Outcome> {
        source.read().await.map_err(|error| refused("other", format!("read {file_setting}: {error}")))
    }

    /// Posts a body.
    pub async fn post(
        &self,
        http: &Arc<HttpClientConfig>,
        url: String,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response, TransportError> {
        self.send(self.request(http, http::Method::POST, url, content_type, body)).await
    }

    /// A request to be sent within the attempt.
    pub fn request(
        &self,
        http: &Arc<HttpClientConfig>,
        method: http::Method,
        url: String,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Request {
        let headers =
            [("content-type", content_type), ("user-agent", USER_AGENT)].map(|(k, v)| (k.into(), v.into()));
        Request {
            http: http.clone(),
            method,
            url,
            headers: headers.into(),
            body: body.into(),
            timeout: self.timeout,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.transport.send(request).await
    }

    /// Whether nothing of the group fires any more.
    pub fn is_resolved(&self) -> bool {
        self.notification.alerts.iter().all(|told| told.is_resolved)
    }
}
