//! The HTTP core under the readers of APIs: one client with bounds, failures that say when to come
//! back, JSON.

use std::path::PathBuf;
use std::time::Duration;

use ::config::HttpClientConfig;
use bytes::BytesMut;
use net::{Client, Limits, Request, Response};
use serde_json::Value;

/// A larger answer is refused.
const ANSWER_SIZE_MAX_BYTES: u64 = 256 << 20;
/// Pages that one listing may have.
pub(crate) const PAGES_MAX: usize = 10_000;
/// The longest pause that a server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// How much of a refusal is shown.
const SHOWN_MAX: usize = 300;

/// Why a source did not name its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What is wrong.
    pub(crate) message: String,
    /// When the source wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<net::ClientError> for Failure {
    fn from(error: net::ClientError) -> Self {
        Failure::new(error.to_string())
    }
}

impl From<cloud::Error> for Failure {
    fn from(error: cloud::Error) -> Self {
        Failure::new(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::new(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::new(format!("the answer is not the expected JSON: {error}"))
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A client of one API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    timeout: Duration,
    unix_socket: Option<PathBuf>,
}

impl Api {
    /// A client with these settings; no request takes longer than `timeout`.
    pub(crate) fn new(http: &HttpClientConfig, timeout: Duration) -> Result<Api> {
        Ok(Api {
            client: Client::new(http)?,
            timeout: timeout.max(Duration::from_secs(1)),
            unix_socket: None,
        })
    }

    /// The same client over a Unix socket; the host of a URL does not matter then.
    pub(crate) fn over(self, unix_socket: PathBuf) -> Api {
        Api { unix_socket: Some(unix_socket), ..self }
    }

    /// An answer with any status.
    pub(crate) async fn answer(&self, request: Request) -> Result<Response> {
        let limits = Limits { timeout: self.timeout, body_size_max_bytes: ANSWER_SIZE_MAX_BYTES };
        Ok(self.client.send_over(request, limits, self.unix_socket.as_deref(), BytesMut::new()).await?)
    }

    /// An answer with a status of success; any other is a failure.
    pub(crate) async fn send(&self, request: Request) -> Result<Response> {
        let url = request.url.clone();
        let answer = self.answer(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(refused(&url, &answer)) }
    }

    /// An answer in JSON.
    pub(crate) async fn json(&self, request: Request) -> Result<Value> {
        let answer = self.send(request.header("accept", "application/json")).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// The JSON at a URL.
    pub(crate) async fn get(&self, url: impl Into<String>) -> Result<Value> {
        self.json(Request::get(url)).await
    }

    /// The items of all pages: `next` says what follows a page, nothing after the last.
    pub(crate) async fn pages(
        &self,
        first: Request,
        mut next: impl FnMut(&Response, &Value) -> Option<Request>,
    ) -> Result<Vec<Value>> {
        let mut pages = Vec::new();
        let mut request = Some(first);
        while let Some(asked) = request.take() {
            if pages.len() >= PAGES_MAX {
                return Err(Failure::new(format!("more than {PAGES_MAX} pages")));
            }
            let answer = self.send(asked.header("accept", "application/json")).await?;
            let page: Value = serde_json::from_slice(&answer.body)?;
            request = next(&answer, &page);
            pages.push(page);
        }
        Ok(pages)
    }
}

/// A failure from an answer that is none.
pub(crate) fn refused(url: &str, answer: &Response) -> Failure {
    let text = String::from_utf8_lossy(&answer.body);
    let mut shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = shown.char_indices().nth(SHOWN_MAX) {
        shown.truncate(at);
        shown.push('…');
    }
    let place = without_password(url.split('?').next().unwrap_or(url));
    let colon = if shown.is_empty() { "" } else { ": " };
    Failure {
        message: format!("{place}: server returned HTTP status {}{colon}{shown}", answer.status),
        retry_after: retry_after(answer),
    }
}

/// When the server wants to be asked again: `Retry-After` in seconds, or the reset of a rate limit.
fn retry_after(answer: &Response) -> Option<Duration> {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    if !matches!(answer.status.as_u16(), 429 | 503) {
        return None;
    }
    let seconds = header("retry-after")?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Text as it may stand in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `?a=b&c=d`, or nothing; parameters without a value are left out.
pub(crate) fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in parameters.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(&format!("{}={}", encoded(name), encoded(value)));
    }
    out
}

/// A URL as it may be logged: with `xxxxx` for a password.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, password)) => {
            let after = rest.get(user.len() + 1 + password.len()..).unwrap_or_default();
            format!("{scheme}://{user}:xxxxx{after}")
        }
        None => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_logged() {
        for (url, shown) in [
            ("http://user:p@ss:word@host:1/a@b:c", "http://user:xxxxx@host:1/a@b:c"),
            ("https://user@host/x?a=b:c@d", "https://user@host/x?a=b:c@d"),
            ("http://host:9090/targets", "http://host:9090/targets"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        assert_eq!(query([("a b", "c&d"), ("e", ""), ("f", "g")]), "?a%20b=c%26d&f=g");
    }
}
