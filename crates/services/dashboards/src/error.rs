//! Why something asked of dashboards was not done, and how Grafana's clients are told.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Classify, ErrorClass};
use serde_json::json;
use state::StateError;

/// Why something asked of dashboards was not done. Texts and `status` words are those that Grafana's clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was sent cannot be used.
    #[error("{0}")]
    BadRequest(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not know of it.
    #[error("{0}")]
    NotFound(&'static str),
    /// Something with this name or identifier is there already.
    #[error("{0}")]
    Conflict(String),
    /// It has been changed since the caller read it, or its name is taken.
    #[error("{message}")]
    Precondition {
        /// The word clients look at: `version-mismatch`, `name-exists`.
        status: &'static str,
        /// For people.
        message: &'static str,
    },
    /// It is larger than may be kept.
    #[error("{what} of {size_bytes} bytes is larger than the {max_bytes} that may be kept")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        size_bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// There are as many as may be kept.
    #[error("there are {max} {what} already, no more can be kept")]
    Full {
        /// What, in the plural.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// Somebody asks more often than they may.
    #[error("too many requests; ask again in {retry_seconds} s")]
    TooFast {
        /// How long to wait.
        retry_seconds: u64,
    },
    /// What people have saved is not known yet, since the state could not be read so far.
    #[error("the state of this server cannot be read at the moment")]
    NotLoaded,
    /// Secrets of data sources can be neither read nor kept, and why.
    #[error("{0}")]
    Secrets(String),
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Error {
    pub(crate) const DASHBOARD_NOT_FOUND: Error = Error::NotFound("Dashboard not found");
    pub(crate) const FOLDER_NOT_FOUND: Error = Error::NotFound("folder not found");
    pub(crate) const DATA_SOURCE_NOT_FOUND: Error = Error::NotFound("Data source not found");
    pub(crate) const VERSION_MISMATCH: Error = Error::Precondition {
        status: "version-mismatch",
        message: "The dashboard has been changed by someone else",
    };

    pub(crate) fn bad(message: impl Into<String>) -> Error {
        Error::BadRequest(message.into())
    }
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::BadRequest(_) => ErrorClass::BadInput,
            Error::Forbidden(_) => ErrorClass::Forbidden,
            Error::NotFound(_) => ErrorClass::NotFound,
            Error::Conflict(_) | Error::Precondition { .. } => ErrorClass::Conflict,
            Error::TooLarge { .. } => ErrorClass::TooLarge,
            Error::Full { .. } | Error::TooFast { .. } => ErrorClass::TooMany,
            Error::NotLoaded => ErrorClass::Unavailable,
            Error::Secrets(_) => ErrorClass::Internal,
            Error::State(error) => error.class(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let code = match &self {
            Error::Precondition { .. } => 412,
            // To a client the database is our affair, unless what it sent is the reason.
            Error::State(error) => match error.class() {
                class @ (ErrorClass::BadInput | ErrorClass::TooLarge) => class.http_status(),
                class if class.is_retryable() => 503,
                _ => 500,
            },
            other => other.class().http_status(),
        };
        if let Error::State(error) = &self {
            tracing::warn!(%error, "a request about dashboards failed");
        }
        let mut body = json!({"message": self.to_string()});
        let word = match &self {
            Error::Precondition { status, .. } => Some(*status),
            Error::NotFound("Dashboard not found" | "folder not found") => Some("not-found"),
            _ => None,
        };
        if let Some(word) = word {
            body["status"] = json!(word);
        }
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        if let Error::TooFast { retry_seconds } = self {
            response.headers_mut().insert(header::RETRY_AFTER, retry_seconds.into());
        }
        response
    }
}
