//! The audit log, for administrators.

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gocompat::layout::{format_rfc3339_ms, parse_rfc3339_ms};
use serde_json::{Value, json};

use crate::AccountsError;
use crate::accounts::Accounts;
use crate::audit::Question;
use crate::login::parameter;

/// Entries of a page, if nothing is said and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Accounts> {
    Router::new().route("/api/v1/audit", get(list))
}

/// A time as Prometheus's API takes it: seconds, or RFC 3339.
fn time_ms(uri: &Uri, name: &str, default_ms: i64) -> Result<i64, AccountsError> {
    let Some(text) = parameter(uri, name).filter(|text| !text.is_empty()) else { return Ok(default_ms) };
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let parsed = seconds.map(|seconds| (seconds * 1_000.0) as i64).or_else(|| parse_rfc3339_ms(&text));
    parsed.ok_or_else(|| {
        AccountsError::Input(format!(
            "{name}: expected seconds or a time such as 2026-01-02T03:04:05Z, found {text:?}"
        ))
    })
}

async fn list(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Response {
    let ask = async || -> Result<Value, AccountsError> {
        let limit = parameter(&uri, "limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE_DEFAULT);
        let question = Question {
            from_ms: time_ms(&uri, "from", 0)?,
            to_ms: time_ms(&uri, "to", inner.clock.now_ms())?,
            user: parameter(&uri, "user").filter(|user| !user.is_empty()),
            after: parameter(&uri, "after").filter(|after| !after.is_empty()),
            limit: limit.clamp(1, PAGE_MAX),
        };
        let (entries, next) = inner.audit.list(&question).await?;
        let shown = |(_, entry): (String, crate::audit::Entry)| {
            let mut shown = serde_json::to_value(&entry).unwrap_or_default();
            shown["time"] = format_rfc3339_ms(entry.time_ms).into();
            shown
        };
        Ok(json!({"entries": entries.into_iter().map(shown).collect::<Vec<_>>(), "next": next}))
    };
    match ask().await {
        Ok(data) => Json(json!({"status": "success", "data": data})).into_response(),
        Err(error) => {
            let mut response = error.clone().into_response();
            let kind = if response.status().is_client_error() { "bad_data" } else { "unavailable" };
            let body = Json(json!({"status": "error", "errorType": kind, "error": error.to_string()}));
            *response.body_mut() = body.into_response().into_body();
            response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
            response
        }
    }
}
