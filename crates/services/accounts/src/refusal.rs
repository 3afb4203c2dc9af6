//! How a refusal looks: in the envelope of the API that was asked, or as the way to the login page.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::AccountsError;

/// Headers that pages' requests have and programs' have not. Browsers name the relation of the sites only to `https` and
/// loopback addresses; to others a page of ours is known by naming itself.
const FROM_PAGES: [&str; 4] = ["sec-fetch-site", "x-requested-with", "referer", "origin"];

/// Why somebody is kept out, in the shape that fits what they asked for. `path` is theirs below the prefix.
pub(crate) fn refuse(status: StatusCode, message: &str, path: &str) -> Response {
    let mut response = in_envelope(status, message, path);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn in_envelope(status: StatusCode, message: &str, path: &str) -> Response {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        _ => "unavailable",
    };
    if path.starts_with("/api/v1/") {
        return (status, Json(json!({"status": "error", "errorType": kind, "error": message})))
            .into_response();
    }
    if path.starts_with("/api/v2/") {
        return (status, Json(json!(message))).into_response();
    }
    (status, Json(json!({"message": message}))).into_response()
}

/// The same for nobody known: browsers that want a page go to the login page, programs are told how to say who they
/// are. Pages that ask an API are not: the browser would put a dialogue of its own in front.
pub(crate) fn unauthenticated(
    message: &str,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    external_path: &str,
    uri: &Uri,
) -> Response {
    if wants_page(method, path, headers) {
        return to_login(external_path, &asked(external_path, path, uri));
    }
    let mut response = refuse(StatusCode::UNAUTHORIZED, message, path);
    if !FROM_PAGES.iter().any(|name| headers.contains_key(*name)) {
        let challenge = HeaderValue::from_static("Basic realm=\"Promontory\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Whether a browser asks for something to show.
pub(crate) fn wants_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    *method == Method::GET && accept.contains("text/html") && !path.starts_with("/api/")
}

/// What was asked for, as the browser sees it.
fn asked(external_path: &str, path: &str, uri: &Uri) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{external_path}{}{query}", path.trim_start_matches('/'))
}

/// To the login page, and from there on to a place.
pub(crate) fn to_login(external_path: &str, next: &str) -> Response {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    see_other(&format!("{external_path}login?next={next}"))
}

/// To the login page, which says what went wrong with a sign-in.
pub(crate) fn back_to_login(external_path: &str, error: &AccountsError, next: &str) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", &error.to_string());
    if next != external_path {
        query.append_pair("next", next);
    }
    see_other(&format!("{external_path}login?{}", query.finish()))
}

/// To another page.
pub(crate) fn see_other(target: &str) -> Response {
    match HeaderValue::from_str(target) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Where to go after signing in: a path on this server, or the first page.
pub(crate) fn local_path(next: &str, external_path: &str) -> String {
    let is_safe = next.starts_with(external_path)
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_safe { next.to_string() } else { external_path.to_string() }
}

impl IntoResponse for AccountsError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(error = %self, "a request about accounts failed");
        }
        let mut response = (status, Json(json!({"message": self.to_string()}))).into_response();
        let retry_after_s = match self {
            AccountsError::Throttled { retry_after_s } => Some(retry_after_s),
            AccountsError::Busy => Some(1),
            _ => None,
        };
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        for (next, expected) in [
            ("/m/d/abc?x=1", "/m/d/abc?x=1"),
            ("https://evil.example/", "/m/"),
            ("//evil.example/", "/m/"),
            ("/m/\\evil", "/m/"),
            ("/other", "/m/"),
            ("/m/\r\nx", "/m/"),
            ("", "/m/"),
        ] {
            assert_eq!(local_path(next, "/m/"), expected, "{next}");
        }
        assert_eq!(local_path("//evil.example", "/"), "/");
        assert_eq!(local_path("/\\evil.example", "/"), "/");
    }
}
