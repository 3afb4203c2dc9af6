//! Sending requests on to data sources, and their answers back: secrets stay here, and nothing of an answer can act
//! on our own page.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::{Router, http::Request};
use base::clock::Mark;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use model::Caller;
use net::ClientError;
use net::client::OpenResponse;
use net::shared::max_age;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tower::ServiceExt;

use super::DataSources;
use super::definition::{Origin, Source};
use super::rules;
use crate::error::Error;

/// The largest body of a request to a data source.
pub const BODY_SIZE_MAX_BYTES: usize = 8 << 20;
/// The largest answer of a data source; what comes behind it is cut off.
pub const ANSWER_SIZE_MAX_BYTES: u64 = 512 << 20;
/// The largest configuration of ours that is looked into.
const CONFIG_SIZE_MAX_BYTES: usize = 8 << 20;
/// Pieces of an answer that wait for the client.
const PIECES_MAX: usize = 8;

/// Headers of a request that stay here: those of one connection, what says who the caller is and where it comes from,
/// and what the answer's form is agreed on with.
const WITHHELD: [&str; 27] = [
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
];
/// Beginnings of further ones.
const WITHHELD_PREFIXES: [&str; 6] =
    ["sec-", "x-forwarded-", "x-webauth-", "x-grafana-", "x-auth-", "proxy-"];
/// Headers of an answer that are passed on. All others stay here: cookies, policies for pages, challenges.
const PASSED_BACK: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
];

/// A request for a data source.
pub(crate) struct Ask {
    pub(crate) caller: Caller,
    pub(crate) peer: Option<ConnectInfo<SocketAddr>>,
    pub(crate) method: Method,
    /// As it was sent, without a slash at its beginning.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// The data sources, and the routes of this server that are two of them.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) sources: DataSources,
    pub(crate) own: Router,
}

impl Proxy {
    /// What a data source answers, or why it was not asked.
    pub(crate) async fn ask(&self, source: &Source, ask: Ask) -> Response {
        if let Err(message) = rules::check_path(&ask.path) {
            return refused(StatusCode::BAD_REQUEST, "bad_data", &message);
        }
        if let Err(message) = rules::check(source, &ask.method, &ask.path, ask.caller.role) {
            return refused(StatusCode::FORBIDDEN, "forbidden", &message);
        }
        if source.origin == Origin::Own {
            return self.ask_own(ask).await;
        }
        let is_question = rules::is_question(source, &ask.method, &ask.path);
        let Some(max_age) = max_age(&ask.headers).filter(|_| is_question) else {
            return self.send(source, ask).await;
        };
        let text =
            |name: HeaderName| ask.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        // What makes it the same question: also who asks, where that is told.
        let login = self.sources.0.options().user_header.as_ref().map_or("", |_| &*ask.caller.login);
        let passed = passed_on(&ask.headers, &self.sources.0.options().withheld_headers, &[]);
        let others: String = passed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let question = format!(
            "{} {} {} {login}\n{}\n{}{others}",
            source.uid,
            source.revision,
            ask.method,
            ask.path_and_query(),
            text(header::CONTENT_TYPE),
        );
        let question = (question, ask.body.clone());
        self.sources.0.shared.answer(question, max_age, || self.send(source, ask)).await
    }

    /// This server's own answer, by the routes that it would have come to.
    async fn ask_own(&self, ask: Ask) -> Response {
        let mut request = Request::new(Body::from(ask.body.clone()));
        let Ok(uri) = format!("/{}", ask.path_and_query()).parse() else {
            return refused(StatusCode::BAD_REQUEST, "bad_data", "this path cannot be sent on");
        };
        *request.uri_mut() = uri;
        *request.method_mut() = ask.method;
        *request.headers_mut() = ask.headers;
        request.extensions_mut().insert(ask.caller);
        if let Some(peer) = ask.peer {
            request.extensions_mut().insert(peer);
        }
        match self.own.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// This server's configuration of what it scrapes, as YAML.
    pub(crate) async fn own_config(&self) -> Option<String> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static("/api/v1/status/config");
        let Ok(response) = self.own.clone().oneshot(request).await;
        let body = axum::body::to_bytes(response.into_body(), CONFIG_SIZE_MAX_BYTES).await.ok()?;
        let said: serde_json::Value = serde_json::from_slice(&body).ok()?;
        said.get("data")?.get("yaml")?.as_str().map(str::to_string)
    }

    async fn send(&self, source: &Source, ask: Ask) -> Response {
        let count = |code: &str| self.sources.0.requests.with(&[&*source.uid, code]).inc();
        match self.try_send(source, ask).await {
            Ok(response) => {
                count(response.0.as_str());
                response.1
            }
            Err(Failed { status, kind, message }) => {
                count("error");
                tracing::debug!("the data source {} could not be asked: {message}", source.uid);
                refused(status, kind, &message)
            }
        }
    }

    async fn try_send(&self, source: &Source, ask: Ask) -> Result<(StatusCode, Response), Failed> {
        let inner = &self.sources.0;
        let reach = self.sources.reach(source)?;
        let base = source.definition.url.trim_end_matches('/');
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(Failed::bad(format!(
                "the data source {} has no http address",
                source.definition.name
            )));
        }
        let started = inner.clock.mark();
        let busy = || Failed {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "unavailable",
            message: "too many requests to data sources at once".into(),
        };
        let permits = async {
            let one = reach.permits.clone().acquire_owned().await;
            let all = inner.permits.clone().acquire_owned().await;
            one.ok().zip(all.ok())
        };
        let permits = tokio::time::timeout(reach.timeout, permits).await.ok().flatten().ok_or_else(busy)?;
        let mut headers = passed_on(&ask.headers, &inner.options().withheld_headers, &reach.own_headers);
        if let Some(name) = &inner.options().user_header {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), ask.caller.login.to_string()));
        }
        let request = net::Request {
            url: format!("{base}/{}", ask.path_and_query()),
            method: ask.method,
            headers,
            body: ask.body,
        };
        let answer = reach.client.open(request, reach.timeout.saturating_sub(started.elapsed())).await?;
        let status = answer.status;
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(Failed::gateway(
                "the data source sends to another address, which is not followed: its URL has to be changed"
                    .into(),
            ));
        }
        if status == StatusCode::UNAUTHORIZED {
            // To the page it would say that its own session has ended.
            return Ok((
                status,
                refused(StatusCode::BAD_REQUEST, "unauthorized", "Authentication to data source failed"),
            ));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        guarded_headers(&answer.headers, response.headers_mut());
        *response.body_mut() = piped(answer, permits, started, reach.timeout);
        Ok((status, response))
    }
}

/// Why a data source was not reached.
struct Failed {
    status: StatusCode,
    /// The word of Prometheus's API.
    kind: &'static str,
    message: String,
}

impl Failed {
    fn bad(message: String) -> Failed {
        Failed { status: StatusCode::BAD_REQUEST, kind: "bad_data", message }
    }

    fn gateway(message: String) -> Failed {
        Failed { status: StatusCode::BAD_GATEWAY, kind: "unavailable", message }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        match error {
            Error::Secrets(message) => {
                tracing::warn!("{message}");
                Failed { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message }
            }
            other => Failed::bad(other.to_string()),
        }
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Failed {
        match error {
            ClientError::Timeout => Failed {
                status: StatusCode::GATEWAY_TIMEOUT,
                kind: "timeout",
                message: "the data source did not answer in time".into(),
            },
            ClientError::Config(message) | ClientError::Url(message) => Failed::bad(message),
            other => Failed::gateway(format!("the data source cannot be reached: {other}")),
        }
    }
}

/// An answer of ours, in the forms of both APIs that clients read.
fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"status": "error", "errorType": kind, "error": message, "message": message});
    (status, Json(body)).into_response()
}

/// The headers that a data source is told.
fn passed_on(headers: &HeaderMap, withheld: &[String], own: &[String]) -> Vec<(String, String)> {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let stays = |name: &str| {
        WITHHELD.contains(&name)
            || WITHHELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || named.iter().chain(own).any(|other| other == name)
            || withheld.iter().any(|other| other.eq_ignore_ascii_case(name))
    };
    headers
        .iter()
        .filter(|(name, _)| !stays(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string())))
        .collect()
}

/// The headers of an answer that are passed back, and what keeps a browser from taking it for a page of ours.
fn guarded_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if PASSED_BACK.contains(name) || name.as_str().starts_with("x-prometheus-") {
            to.append(name.clone(), value.clone());
        }
    }
    to.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    to.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
}

/// The body of an answer as it comes, within time and size. The request ends when the client goes away.
fn piped(
    mut answer: OpenResponse,
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    started: Mark,
    timeout: Duration,
) -> Body {
    let (send, receive) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let left = |more: Duration| (timeout + more).saturating_sub(started.elapsed());
        let _permits = permits;
        let mut size_bytes = 0;
        loop {
            let piece = tokio::select! {
                () = send.closed() => return,
                piece = tokio::time::timeout(left(Duration::ZERO), answer.chunk()) => piece.unwrap_or(Err(ClientError::Timeout)),
            };
            let piece = match piece {
                Ok(None) => return,
                Ok(Some(piece)) => {
                    size_bytes += piece.len() as u64;
                    if size_bytes > ANSWER_SIZE_MAX_BYTES { Err(ClientError::TooLarge) } else { Ok(piece) }
                }
                Err(error) => Err(error),
            };
            let is_last = piece.is_err();
            // A client that does not read holds the data source up no longer than a request may take.
            let sent = tokio::time::timeout(left(Duration::from_secs(30)), send.send(piece)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    Body::new(Piped(receive))
}

struct Piped(mpsc::Receiver<Result<Bytes, ClientError>>);

impl http_body::Body for Piped {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_says_who_the_caller_is_stays_here() {
        let sent = headers(&[
            ("accept", "application/json"),
            ("authorization", "Bearer x"),
            ("cookie", "promontory_session=x"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-webauth-user", "root"),
            ("remote-user", "root"),
            ("x-scope-orgid", "mine"),
            ("x-dashboard-uid", "d"),
        ]);
        let passed = passed_on(&sent, &["Remote-User".into()], &["x-scope-orgid".into()]);
        let names: Vec<&str> = passed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept", "x-dashboard-uid"]);
    }

    #[test]
    fn an_answer_cannot_act_on_our_page() {
        let answered = headers(&[
            ("content-type", "text/html"),
            ("set-cookie", "promontory_session=evil"),
            ("clear-site-data", "\"*\""),
            ("content-security-policy", "default-src *"),
            ("www-authenticate", "Basic"),
            ("access-control-allow-origin", "*"),
            ("location", "http://evil.example"),
            ("refresh", "0"),
            ("etag", "\"1\""),
        ]);
        let mut passed = HeaderMap::new();
        guarded_headers(&answered, &mut passed);
        let mut names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-security-policy", "content-type", "etag", "x-content-type-options"]);
        assert!(passed["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
    }
}
