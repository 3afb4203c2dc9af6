//! The envelope of every answer.

use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Classify, ErrorClass};
use model::Labels;
use model::storage::StorageError;
use promql::QueryError;
use serde::Serialize;
use tokio::runtime::RuntimeFlavor;

/// The kind of an error, as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorType {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
    NotFound,
}

impl ErrorType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            ErrorType::BadData => "bad_data",
            ErrorType::Execution => "execution",
            ErrorType::Canceled => "canceled",
            ErrorType::Timeout => "timeout",
            ErrorType::Internal => "internal",
            ErrorType::Unavailable => "unavailable",
            ErrorType::NotFound => "not_found",
        }
    }

    const fn status(self) -> u16 {
        match self {
            ErrorType::BadData => 400,
            ErrorType::Execution => 422,
            ErrorType::Canceled => 499,
            ErrorType::Timeout | ErrorType::Unavailable => 503,
            ErrorType::Internal => 500,
            ErrorType::NotFound => 404,
        }
    }
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The kind.
    pub error_type: ErrorType,
    /// What to tell.
    pub message: String,
    /// More about it, for programs.
    pub details: Option<Box<serde_json::Value>>,
}

impl ApiError {
    /// An error of this kind.
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        ApiError { error_type, message: message.into(), details: None }
    }

    /// The request is wrong.
    pub fn bad_data(message: impl Into<String>) -> Self {
        ApiError::new(ErrorType::BadData, message)
    }

    /// A parameter is wrong.
    pub fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        ApiError::bad_data(format!("invalid parameter {name:?}: {message}"))
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let error_type = match &error {
            QueryError::Parse(message) => return ApiError::parameter("query", message),
            QueryError::Execution(_) | QueryError::TooManySamples => ErrorType::Execution,
            QueryError::Timeout => ErrorType::Timeout,
            QueryError::Crowded => ErrorType::Unavailable,
            QueryError::Canceled => ErrorType::Canceled,
            QueryError::Storage(error) => return error.into(),
        };
        ApiError::new(error_type, error.to_string())
    }
}

impl From<&StorageError> for ApiError {
    fn from(error: &StorageError) -> Self {
        let error_type = match error.class() {
            ErrorClass::BadInput => ErrorType::BadData,
            ErrorClass::Unavailable => ErrorType::Unavailable,
            ErrorClass::TooLarge => ErrorType::Execution,
            _ => ErrorType::Internal,
        };
        ApiError::new(error_type, error.to_string())
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        (&error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.error_type.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::json!({
            "status": "error",
            "errorType": self.error_type.as_str(),
            "error": self.message,
        });
        if let Some(details) = self.details {
            body["details"] = *details;
        }
        (status, Json(body)).into_response()
    }
}

pub(crate) type Answer = Result<Response, ApiError>;

#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A successful answer.
pub(crate) fn success<T: Serialize>(data: T) -> Answer {
    success_with(data, Vec::new())
}

/// A successful answer with warnings.
pub(crate) fn success_with<T: Serialize>(data: T, warnings: Vec<String>) -> Answer {
    Ok(Json(Success { status: "success", data, warnings }).into_response())
}

/// A successful answer without data.
pub(crate) fn done() -> Answer {
    Ok(Json(serde_json::json!({ "status": "success" })).into_response())
}

/// Runs what may wait for a disk or a lock beside the threads that serve.
pub(crate) async fn blocking<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError> {
    let unexpected = || {
        tracing::error!("a request failed unexpectedly");
        ApiError::new(ErrorType::Internal, "the request failed unexpectedly")
    };
    if tokio::runtime::Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        // Most of these take less time than waking another thread and being woken by it.
        let done = tokio::task::block_in_place(|| std::panic::catch_unwind(AssertUnwindSafe(work)));
        return done.map_err(|_| unexpected())?.map_err(Into::into);
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| unexpected())?.map_err(Into::into)
}

/// A stack for the deepest expression that the parser takes.
const DEEP_STACK_BYTES: usize = 64 << 20;

/// Runs what descends into an expression, and may go deeper than an ordinary stack.
pub(crate) async fn deep<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    blocking(move || {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES).spawn(work);
        let joined = thread.ok().and_then(|thread| thread.join().ok());
        joined.unwrap_or_else(|| Err(ApiError::new(ErrorType::Internal, "the request failed unexpectedly")))
    })
    .await
}

/// A successful answer whose data is JSON already.
pub(crate) fn success_json(data: &str) -> Answer {
    let body = format!("{{\"status\":\"success\",\"data\":{data}}}");
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What is said of a list that was cut.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

/// Cuts a list to a limit (0 is none) and says so.
pub(crate) fn limited<T>(list: &mut Vec<T>, limit: usize, warnings: &mut Vec<String>) {
    if limit > 0 && list.len() > limit {
        list.truncate(limit);
        warnings.push(TRUNCATED.into());
    }
}

/// Labels as an object, in their order.
pub(crate) struct LabelsJson<'a>(pub(crate) &'a Labels);

impl Serialize for LabelsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}
