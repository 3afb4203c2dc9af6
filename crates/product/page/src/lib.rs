//! Owns the web page inside the binary: its files, how long browsers may keep them, and the address
//! it is mounted at.
//!
//! Must not know what the page shows: that is `ui/`, which asks the server's APIs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Addresses that are pages of the page: it decides itself what it shows there.
pub const PAGES: [&str; 21] = [
    "/",
    "/explore",
    "/alerts",
    "/alert",
    "/silences",
    "/routing",
    "/receivers",
    "/rules",
    "/targets",
    "/status",
    "/d/{*rest}",
    "/dashboard/new",
    "/dashboard/snapshot/{key}",
    "/dashboard/snapshots",
    "/public-dashboards/{token}",
    "/dashboards",
    "/dashboards/{*rest}",
    "/login",
    "/data-sources",
    "/people",
    "/profile",
];

/// What is shown where the binary was built without the page.
const HEADLESS: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Promontory</title>\
<h1>Promontory runs without its page</h1>\
<p>It was built on a machine without Node.js. Metrics, queries and alerts work: try \
<a href=\"api/v1/query?query=up\">api/v1/query?query=up</a> or <a href=\"metrics\">metrics</a>.\
<p>To have the page, install Node.js 20 with npm and run <code>make run</code> again.</html>\n";

struct Index {
    body: String,
    etag: HeaderValue,
}

/// Whether the page is in this binary.
pub fn is_embedded() -> bool {
    file("index.html").is_some()
}

/// The routes of the page. `prefix` is where people see it, such as `/` or `/monitoring/`; `title` replaces its
/// own.
pub fn router(prefix: &str, title: Option<&str>) -> Router {
    let html = match file("index.html").and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        Some(html) => html.replacen("<base href=\"/\"", &format!("<base href=\"{prefix}\""), 1),
        None => HEADLESS.to_string(),
    };
    let html = match (title, html.find("<title>"), html.find("</title>")) {
        (Some(title), Some(start), Some(end)) if start < end => {
            format!("{}<title>{}{}", &html[..start], escaped(title), &html[end..])
        }
        _ => html,
    };
    let etag = format!("\"{:016x}\"", fnv(html.as_bytes()));
    let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"page\""));
    let index = Arc::new(Index { body: html, etag });
    let mut router = Router::new();
    for page in PAGES {
        router = router.route(page, get(show_index));
    }
    router
        .route("/graph", get(from_prometheus))
        .route("/assets/{*name}", get(show_asset))
        .route("/favicon.svg", get(show_asset))
        .with_state(index)
}

/// A text inside HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn file(name: &str) -> Option<&'static [u8]> {
    let at = FILES.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(FILES[at].1)
}

async fn show_index(State(index): State<Arc<Index>>, headers: HeaderMap) -> Response {
    // Asked anew each time, so that a new version is seen at once; unchanged, it is not sent again.
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let etag = (header::ETAG, index.etag.clone());
    if headers.get(header::IF_NONE_MATCH) == Some(&index.etag) {
        return (StatusCode::NOT_MODIFIED, [cache, etag]).into_response();
    }
    let html = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    ([cache, etag, html], index.body.clone()).into_response()
}

/// `/graph?g0.expr=...` is where links in alerts of Prometheus lead.
async fn from_prometheus(request: Request) -> Redirect {
    let mut target = String::from("explore");
    let mut separator = '?';
    for pair in request.uri().query().unwrap_or("").split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let name = match name {
            "g0.expr" => "expr",
            "g0.tab" => "tab",
            _ => continue,
        };
        let value = match (name, value) {
            ("tab", "1") => "table",
            ("tab", _) => "graph",
            _ => value,
        };
        target.push(std::mem::replace(&mut separator, '&'));
        target.push_str(&format!("{name}={value}"));
    }
    Redirect::to(&target)
}

async fn show_asset(request: Request) -> Response {
    let name = request.uri().path().trim_start_matches('/');
    let Some(plain) = file(name) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    let accepts_gzip = request
        .headers()
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let compressed = if accepts_gzip { file(&format!("{name}.gz")) } else { None };
    let mut response = compressed.unwrap_or(plain).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if compressed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // Names of assets hold a hash of their content.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        _ => "application/octet-stream",
    }
}

/// FNV-1a, to tell one version of the page from another.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tower::ServiceExt;

    async fn ask(path: &str) -> Response {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router("/", None).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_page_answers_and_links_of_prometheus_lead_to_explore() {
        for page in PAGES {
            let answer = ask(&page.replace("{*rest}", "a/b")).await;
            assert_eq!(answer.status(), 200, "{page}");
            assert_eq!(answer.headers()["cache-control"], "no-cache");
        }
        let answer = ask("/graph?g0.expr=up%20%3D%3D%200&g0.tab=1").await;
        assert_eq!(answer.headers()["location"], "explore?expr=up%20%3D%3D%200&tab=table");
        let answer = ask("/graph?g0.range_input=1h&g0.expr=up").await;
        assert_eq!(answer.headers()["location"], "explore?expr=up");
        assert_eq!(ask("/assets/../secret").await.status(), 404);
    }
}
