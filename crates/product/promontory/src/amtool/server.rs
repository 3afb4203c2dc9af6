//! How commands ask a server: Alertmanager's API.

use std::path::Path;
use std::time::Duration;

use ::config::Url;
use ::config::http_client::HttpClientConfig;
use net::Method;
use net::client::{Client, Limits, Request, Response};
use serde_json::Value;

use crate::promtool::HttpFlags;

/// The largest answer.
const ANSWER_SIZE_MAX_BYTES: u64 = 4 << 30;

/// A server that is asked.
pub(super) struct Server {
    url: String,
    client: Client,
    limits: Limits,
    runtime: tokio::runtime::Runtime,
}

/// Why there is no answer.
pub(super) struct Failed {
    pub(super) status: u16,
    pub(super) message: String,
}

impl From<Failed> for String {
    fn from(failed: Failed) -> String {
        failed.message
    }
}

impl Server {
    pub(super) fn new(url: &str, http_config: Option<&Path>, timeout: &str) -> Result<Server, String> {
        let settings = match http_config {
            Some(_) if url.contains('@') => {
                return Err("basic authentication and http.config.file are mutually exclusive".into());
            }
            Some(path) => {
                HttpFlags::read(path).map_err(|error| format!("failed to load HTTP config file: {error}"))?
            }
            None => HttpClientConfig::default(),
        };
        let url = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
        Url::parse(&url).map_err(|error| without_password(&url, &error.to_string()))?;
        let timeout_ms = gocompat::duration::parse_ns(timeout).map(|ns| ns / 1_000_000);
        let timeout_ms = timeout_ms.map_err(|error| error.to_string())?.max(1).unsigned_abs();
        let client =
            Client::new(&settings).map_err(|error| format!("failed to create a new HTTP client: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        let limits =
            Limits { timeout: Duration::from_millis(timeout_ms), body_size_max_bytes: ANSWER_SIZE_MAX_BYTES };
        Ok(Server { url: format!("{}/api/v2", url.trim_end_matches('/')), client, limits, runtime })
    }

    /// `GET`, with parameters.
    pub(super) fn get(&self, path: &str, params: &[(&str, String)]) -> Result<Value, Failed> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in params {
            query.append_pair(name, value);
        }
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        self.send(Request::get(format!("{}{path}{separator}{query}", self.url)), path)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let url = format!("{}{path}", self.url);
        self.send(Request::post(url, "application/json", body.to_string()), path)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, Failed> {
        let mut request = Request::get(format!("{}{path}", self.url));
        request.method = Method::DELETE;
        self.send(request, path)
    }

    fn send(&self, request: Request, path: &str) -> Result<Value, Failed> {
        let method = request.method.clone();
        let shown = match method.as_str() {
            "GET" => "Get",
            "POST" => "Post",
            _ => "Delete",
        };
        let shown = format!("{shown} {:?}", request.url);
        let shown = without_password(&self.url, &shown);
        let answer = self.runtime.block_on(self.client.send(request, self.limits));
        let answer = answer.map_err(|error| {
            let error = without_password(&self.url, &error.to_string());
            Failed { status: 0, message: format!("{shown}: {error}") }
        })?;
        let status = answer.status.as_u16();
        if status / 100 != 2 {
            let reason = answer.status.canonical_reason().unwrap_or("").replace(' ', "");
            let message = format!("[{method} {path}][{status}] {reason} {}", said(&answer));
            return Err(Failed { status, message: message.trim_end().to_string() });
        }
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Failed { status, message: format!("{shown}: the answer is not JSON: {error}") })
    }
}

/// A text without the password of a URL that may stand in it, as Go shows such URLs.
fn without_password(url: &str, text: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, password)) if !password.is_empty() => {
            text.replace(&format!("{user}:{password}@"), &format!("{user}:xxxxx@"))
        }
        _ => text.to_string(),
    }
}

fn said(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_never_shown() {
        for (url, expected) in [
            ("http://kim:se@cr:et@127.0.0.1:1", "Get \"http://kim:xxxxx@127.0.0.1:1/api/v2/status\""),
            ("http://kim@127.0.0.1:1", "Get \"http://kim@127.0.0.1:1/api/v2/status\""),
            ("http://127.0.0.1:1/a:b@c", "Get \"http://127.0.0.1:1/a:b@c/api/v2/status\""),
        ] {
            let failed = Server::new(url, None, "1s").unwrap().get("/status", &[]).err().unwrap();
            assert!(failed.message.starts_with(expected), "{}", failed.message);
            assert!(!failed.message.contains("cr:et"), "{}", failed.message);
        }
    }
}
