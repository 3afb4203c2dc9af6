//! How commands ask a server: Prometheus's HTTP API, with the client settings of a file if one is given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use config::http_client::{HttpClientConfig, PathBase};
use config::{Node, Url};
use net::client::{Client, Limits, Request, Response};
use serde_json::Value;

/// Bounds of one request.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(120), body_size_max_bytes: 1 << 30 };

/// How the server is reached.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HttpFlags {
    /// HTTP client configuration file: TLS, authentication, headers
    #[arg(long = "http.config.file", value_name = "FILE", global = true)]
    pub(crate) http_config_file: Option<PathBuf>,
}

/// A server that is asked.
pub(crate) struct Server {
    url: String,
    client: Client,
    headers: Vec<(String, String)>,
    runtime: tokio::runtime::Runtime,
}

impl HttpFlags {
    /// Reads a file of client settings.
    pub(crate) fn read(path: &Path) -> Result<HttpClientConfig, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Node::parse(&text)
            .and_then(|node| HttpClientConfig::decode(&node, &PathBase::of_file(path)))
            .map_err(|error| error.in_file(&path.display().to_string()).to_string())
    }
}

impl Server {
    pub(crate) fn new(url: &str, flags: &HttpFlags) -> Result<Server, String> {
        let settings = match &flags.http_config_file {
            Some(_) if url.contains('@') => {
                return Err(
                    "promtool: error: Cannot set base auth in the server URL and use a http.config.file at the same time"
                        .into(),
                );
            }
            Some(path) => HttpFlags::read(path)
                .map_err(|error| format!("promtool: error: Failed to load HTTP config file: {error}"))?,
            None => HttpClientConfig::default(),
        };
        let url = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
        Url::parse(&url).map_err(|error| format!("error creating API client: {error}"))?;
        let client = Client::new(&settings).map_err(|error| format!("error creating API client: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        Ok(Server { url: url.trim_end_matches('/').to_string(), client, headers: Vec::new(), runtime })
    }

    pub(super) fn with_headers(mut self, headers: &[(String, String)]) -> Server {
        self.headers = headers.to_vec();
        self
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn send(&self, mut request: Request, limits: Limits) -> Result<Response, String> {
        let shown = format!("{} {:?}", shown_method(&request), request.url);
        request.headers.extend(self.headers.iter().cloned());
        self.runtime.block_on(self.client.send(request, limits)).map_err(|error| format!("{shown}: {error}"))
    }

    pub(crate) fn get(&self, path: &str, limits: Limits) -> Result<Response, String> {
        self.send(Request::get(format!("{}{path}", self.url)), limits)
    }

    /// Asks the API; a form is posted, and asked by GET of servers that know no other way.
    pub(super) fn ask(&self, path: &str, form: &[(&str, String)], post: bool) -> Result<Value, String> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form {
            body.append_pair(name, value);
        }
        let body = body.finish();
        let url = format!("{}{path}", self.url);
        let get = Request::get(match body.is_empty() {
            true => url.clone(),
            false => format!("{url}?{body}"),
        });
        let response = match post {
            true => {
                let request = Request::post(&url, "application/x-www-form-urlencoded", body);
                let answer = self.send(request, LIMITS)?;
                match answer.status.as_u16() {
                    405 | 501 => self.send(get, LIMITS)?,
                    _ => answer,
                }
            }
            false => self.send(get, LIMITS)?,
        };
        answer_of(&response)
    }
}

fn shown_method(request: &Request) -> &'static str {
    if request.method == "POST" { "Post" } else { "Get" }
}

/// `data` of an answer, or why there is none.
pub(crate) fn answer_of(response: &Response) -> Result<Value, String> {
    let status = response.status.as_u16();
    let text = || String::from_utf8_lossy(&response.body).trim().to_string();
    // What the API says of an error is worth more than its status.
    let is_of_api = matches!(status / 100, 2) || matches!(status, 400 | 422 | 503);
    if !is_of_api {
        let (kind, what) =
            if status / 100 == 4 { ("client_error", "client") } else { ("server_error", "server") };
        return Err(match text() {
            text if text.is_empty() => format!("{kind}: {what} error: {status}"),
            text => format!("{kind}: {what} error: {status} (detail: {text})"),
        });
    }
    let mut answer: Value = serde_json::from_slice(&response.body)
        .map_err(|error| format!("bad_response: {error} (detail: {})", text()))?;
    match answer["status"].as_str() {
        Some("success") => Ok(answer["data"].take()),
        _ => Err(format!(
            "{}: {}",
            answer["errorType"].as_str().unwrap_or("bad_response"),
            answer["error"].as_str().unwrap_or("no reason given")
        )),
    }
}
