//! Who has taken which alert on.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::trial::{bad, failure, read, success, time};
use crate::dispatch::AckError;
use crate::service::Handle;

/// Lists acknowledgements that hold.
pub(super) async fn list(State(alerting): State<Handle>) -> Response {
    let list = alerting.look(|dispatcher, now_ms| {
        let hold = dispatcher.acknowledgements(now_ms).map(|known| {
            json!({
                "fingerprint": format!("{:016x}", known.fingerprint),
                "by": known.by,
                "comment": known.comment,
                "at": time(known.at_ms),
                "until": if known.until_ms == i64::MAX { Value::Null } else { time(known.until_ms) },
            })
        });
        hold.collect::<Vec<Value>>()
    });
    success(Value::Array(list))
}

/// Takes an alert on by its `fingerprint`, or all that fire of a group by its `groupKey`: `by` whom,
/// with a `comment`, `for` a duration or until it ends.
pub(super) async fn post(State(alerting): State<Handle>, request: Request) -> Response {
    let body = match read(request.into_body()).await {
        Ok(body) => body,
        Err(message) => return bad(message),
    };
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let until_ms = match text("for").map(base::units::parse_duration_ms).transpose() {
        Ok(for_ms) => for_ms.map(|for_ms| alerting.look(|_, now_ms| now_ms.saturating_add(for_ms))),
        Err(error) => return bad(format!("the field for is not a duration: {error}")),
    };
    let (by, comment) = (text("by").unwrap_or_default(), text("comment").unwrap_or_default());
    let fingerprint = text("fingerprint").map(|text| u64::from_str_radix(text, 16));
    let done = match (fingerprint, text("groupKey")) {
        (Some(Ok(fingerprint)), None) => {
            alerting.acknowledge(fingerprint, by, comment, until_ms).await.map(|()| 1)
        }
        (None, Some(key)) => alerting.acknowledge_group(key, by, comment, until_ms).await,
        (Some(Err(_)), None) => return bad("the fingerprint is not one"),
        _ => return bad("either the field fingerprint or the field groupKey is needed"),
    };
    match done {
        Ok(count) => success(json!({"acknowledged": count})),
        Err(error) => refuse(&error),
    }
}

/// Takes an acknowledgement back.
pub(super) async fn take_back(State(alerting): State<Handle>, Path(fingerprint): Path<String>) -> Response {
    let Ok(fingerprint) = u64::from_str_radix(&fingerprint, 16) else {
        return bad("the fingerprint is not one");
    };
    match alerting.unacknowledge(fingerprint).await {
        Ok(()) => success(Value::Null),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &AckError) -> Response {
    match error {
        AckError::NotFound => failure(StatusCode::NOT_FOUND, "not_found", error.to_string()),
        AckError::Stopping => failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string()),
        AckError::NoName | AckError::Past => bad(error.to_string()),
    }
}
