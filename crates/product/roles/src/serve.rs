//! Serving: all routes on one listener, under one prefix.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accounts::Guard;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use exposition::{ScrapeProtocol, TextWriter};
use gocompat::re2::Regex;
use tokio::sync::{mpsc, oneshot};

use crate::collect::OwnMetrics;
use crate::settings::{Mode, Settings, hostname};
use crate::user_assets;

/// What a request may ask of the process.
pub(crate) enum Command {
    /// Read the configuration again; the answer says what of it counts after a restart alone, or what was wrong.
    Reload(oneshot::Sender<Result<Vec<String>, String>>),
    /// Stop.
    Quit,
}

struct Process {
    ready: Arc<AtomicBool>,
    own: OwnMetrics,
    commands: mpsc::Sender<Command>,
    lifecycle_api: bool,
}

/// The routes of the process, and around them those of the roles, under the settings' prefix and behind the guard, if
/// there is one.
pub(crate) fn router(
    settings: &Settings,
    roles: Router,
    guard: Option<&Guard>,
    own: OwnMetrics,
    ready: Arc<AtomicBool>,
    commands: mpsc::Sender<Command>,
) -> Router {
    let prefix = settings.path_prefix();
    let process = Arc::new(Process { ready, own, commands, lifecycle_api: settings.lifecycle_api });
    let own = Router::new()
        .route("/-/healthy", get(|| async { "Promontory is healthy.\n" }))
        .route("/-/ready", get(is_ready))
        .route("/-/reload", post(reload).put(reload))
        .route("/-/quit", post(quit).put(quit))
        .route("/metrics", get(metrics))
        .with_state(process);
    let mut all =
        roles.merge(own).merge(page::router(&settings.external_path(), settings.web.page_title.as_deref()));
    if let Some(folder) = &settings.web.user_assets {
        all = all.merge(user_assets::router(folder.clone()));
    }
    if let Some(guard) = guard {
        all = guard.in_front_of(all);
    }
    let all = if prefix == "/" {
        all
    } else {
        let inside = prefix.trim_end_matches('/').to_string();
        let target = prefix.clone();
        Router::new()
            .route(
                "/",
                get({
                    let target = target.clone();
                    move || async move { Redirect::to(&target) }
                }),
            )
            .route(&inside, get(move || async move { Redirect::to(&target) }))
            .nest_service(&prefix, all)
    };
    // Who may connect is bounded by the address alone, so a browser must mean this machine by it.
    let own_names = settings.mode == Mode::Machine && settings.listen.ip().to_canonical().is_loopback();
    let all = guarded(all, settings.external_url.as_deref(), own_names);
    match &settings.web.cors_origin {
        // Around the guard: it has to know whom the operator lets in.
        Some(origins) => all.layer(middleware::from_fn_with_state(Arc::new(origins.clone()), other_origins)),
        None => all,
    }
}

/// What is only asked, also by POST.
const QUESTIONS: [&str; 7] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/format_query",
    "/api/v1/parse_query",
];

/// Says that a request is of a page whose origin may use the APIs.
#[derive(Clone)]
struct OfAllowedOrigin;

/// Routes that no page of another site can make a browser change or, with `own_names`, reach by a name that is
/// not this machine's.
pub(crate) fn guarded(all: Router, external_url: Option<&str>, own_names: bool) -> Router {
    let known_as: Option<Arc<str>> = external_url.map(|url| authority_of(url).into());
    let all = all.layer(middleware::from_fn_with_state(known_as.clone(), same_site_only));
    if own_names {
        return all.layer(middleware::from_fn_with_state(known_as, own_names_only));
    }
    all
}

/// Refuses a name that somebody else's DNS has pointed at this machine: behind it a page of another
/// site would count as ours.
async fn own_names_only(State(known_as): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    if is_own_name(host, known_as.as_deref()) {
        return next.run(request).await;
    }
    let message =
        format!("{host:?} is not known here as a name of this machine; --external-url makes it known\n");
    (StatusCode::FORBIDDEN, message).into_response()
}

/// Whether a `Host` is an address, this machine's name, `localhost`, or what the external URL says.
fn is_own_name(host: &str, known_as: Option<&str>) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is = |own: &str| own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(host);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    host.is_empty()
        || is("localhost")
        || is(&hostname())
        || known_as.is_some_and(is)
        || address.parse::<std::net::IpAddr>().is_ok()
}

/// Lets pages of some other origins read the answers.
async fn other_origins(State(allowed): State<Arc<Regex>>, mut request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let text = origin.as_ref().and_then(|origin| origin.to_str().ok());
    let is_allowed = text.is_some_and(|text| allowed.is_match(text));
    let asks_before = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_allowed && asks_before {
        // Browsers take no other status for a yes.
        StatusCode::NO_CONTENT.into_response()
    } else {
        if is_allowed {
            request.extensions_mut().insert(OfAllowedOrigin);
        }
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin.filter(|_| is_allowed) else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses what a page of another site makes a browser send, unless it only reads.
async fn same_site_only(State(known_as): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // Questions may be long and come by POST. What changes the process or its data stays with our own page.
    let is_let_in = request.extensions().get::<OfAllowedOrigin>().is_some()
        && QUESTIONS.iter().any(|question| request.uri().path().ends_with(question));
    if !reads && !is_let_in && is_of_another_site(request.headers(), known_as.as_deref()) {
        return (StatusCode::FORBIDDEN, "a page of another site may not do this\n").into_response();
    }
    next.run(request).await
}

/// Whether a browser says that a page of another site sends this. Browsers name the relation of the sites
/// only to `https` and loopback addresses; to others they name the origin alone.
fn is_of_another_site(headers: &HeaderMap, known_as: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "cross-site" | "same-site");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().map_or("null", authority_of);
    let is = |own: Option<&str>| own.is_some_and(|own| own.eq_ignore_ascii_case(origin));
    !is(text("host")) && !is(known_as)
}

/// Host and port of a URL.
fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn is_ready(State(process): State<Arc<Process>>) -> Response {
    if process.ready.load(Ordering::Acquire) {
        "Promontory is ready.\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Promontory is reading its log; queries are answered meanwhile.\n")
            .into_response()
    }
}

async fn reload(State(process): State<Arc<Process>>) -> Response {
    if !process.lifecycle_api {
        return (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.\n").into_response();
    }
    let (answer, answered) = oneshot::channel();
    if process.commands.send(Command::Reload(answer)).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match answered.await {
        Ok(Ok(notes)) => notes.into_iter().map(|note| note + "\n").collect::<String>().into_response(),
        Ok(Err(message)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {message}\n"))
                .into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn quit(State(process): State<Arc<Process>>) -> Response {
    if !process.lifecycle_api {
        return (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.\n").into_response();
    }
    let _ = process.commands.send(Command::Quit).await;
    "Requesting termination... Goodbye!\n".into_response()
}

async fn metrics(State(process): State<Arc<Process>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (protocol, content_type) = exposition::writer::negotiate(accept);
    // Computed metrics wait for locks, and those of our process come from files.
    let written = tokio::task::spawn_blocking(move || {
        let mut out = Vec::with_capacity(16 * 1024);
        process.own.write(match protocol {
            ScrapeProtocol::OpenMetricsText1_0_0 => TextWriter::open_metrics(&mut out),
            _ => TextWriter::new(&mut out),
        });
        out
    });
    match written.await {
        Ok(out) => ([(header::CONTENT_TYPE, content_type)], out).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_for_this_machine_is_refused() {
        for (host, expected) in [
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("localhost:9090", true),
            ("mon.example.com", true),
            ("evil.example.net:9090", false),
            ("localhost.evil.net", false),
        ] {
            assert_eq!(is_own_name(host, Some("mon.example.com")), expected, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_by_what_browsers_say() {
        for (pairs, expected) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://x"), ("host", "y")][..], false),
            (&[("sec-fetch-site", "cross-site")][..], true),
            (&[("origin", "http://evil.example"), ("host", "mon.lan:9090")][..], true),
            (&[("origin", "http://mon.lan:9090"), ("host", "mon.lan:9090")][..], false),
            (&[("origin", "http://known.example"), ("host", "127.0.0.1:9090")][..], false),
            (&[("origin", "null"), ("host", "mon.lan:9090")][..], true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            let known_as = authority_of("http://known.example/a/b");
            assert_eq!(is_of_another_site(&headers, Some(known_as)), expected, "{pairs:?}");
        }
    }
}
