//! Dashboards taken over from a Grafana, and written to files from a server.

mod copy;
mod export;

use std::time::Duration;

use config::http_client::HttpClientConfig;
use net::{Client, Limits, Request};
use serde_json::Value;

pub use copy::{Copy, copy};
pub use export::export;

/// How long one answer may take, and how large it may be.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), body_size_max_bytes: 64 << 20 };
/// Things that are asked for at once.
const PAGE: usize = 500;
/// Pages at most: a server that repeats itself is not followed for ever.
const PAGES_MAX: usize = 100;

/// A server with Grafana's API.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address, such as `http://127.0.0.1:3000`.
    pub url: String,
    /// How it is reached.
    pub http: HttpClientConfig,
}

/// What a command writes: lines of its result.
pub type Lines<'a> = dyn FnMut(String) + 'a;

/// A server that is asked.
struct Api {
    url: String,
    /// The same without a user and password: what errors and messages say.
    shown: String,
    client: Client,
}

impl Api {
    fn new(endpoint: &Endpoint) -> Result<Api, String> {
        let client = Client::new(&endpoint.http).map_err(|error| error.to_string())?;
        let url = endpoint.url.trim_end_matches('/').to_string();
        Ok(Api { shown: without_password(&url), url, client })
    }

    async fn send(&self, path: &str, request: Request) -> Result<(u16, Value), String> {
        let failed = |error: net::ClientError| format!("{}{path}: {error}", self.shown);
        let answer = self.client.send(request, LIMITS).await.map_err(failed)?;
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok((answer.status.as_u16(), body))
    }

    /// What is at a path, if it is there.
    async fn find(&self, path: &str) -> Result<Option<Value>, String> {
        match self.send(path, Request::get(format!("{}{path}", self.url))).await? {
            (200, body) => Ok(Some(body)),
            (404, _) => Ok(None),
            (status, body) => Err(refusal(&format!("{}{path}", self.shown), status, &body)),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        self.find(path).await?.ok_or_else(|| format!("{}{path}: there is no such thing", self.shown))
    }

    /// Posts, and gives the status with the answer.
    async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), String> {
        let request = Request::post(format!("{}{path}", self.url), "application/json", body.to_string());
        self.send(path, request).await
    }

    /// All results of a search.
    async fn search(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut found: Vec<Value> = Vec::new();
        for page in 1..=PAGES_MAX {
            let answer = self.get(&format!("/api/search?{query}&limit={PAGE}&page={page}")).await?;
            let Value::Array(list) = answer else {
                return Err(format!("{} does not answer as Grafana does", self.shown));
            };
            let is_last = list.len() < PAGE;
            found.extend(list);
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}

/// An address without the user and password that may stand in it.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_string(),
    }
}

fn refusal(url: &str, status: u16, body: &Value) -> String {
    let message = body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    format!("{url}: {status}: {message}")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

/// A name as it can stand in a path of an address.
fn escaped(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Runs on a runtime of its own. Blocks.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_passwords() {
        for (url, expected) in [
            ("http://admin:hunter2@grafana:3000/x", "http://grafana:3000/x"),
            ("http://a:p@ss@grafana", "http://grafana"),
            ("http://grafana:3000/a@b", "http://grafana:3000/a@b"),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }
}
