//! What a request is refused with. Alertmanager has two forms: a text of its own, and a number with
//! a message where the request does not fit the API's document.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::write::{push_name, push_text};

/// A value has the wrong type.
pub(crate) const WRONG_TYPE: u16 = 601;
/// Something required is missing.
pub(crate) const MISSING: u16 = 602;
/// A list is too short.
pub(crate) const TOO_FEW: u16 = 612;

/// See the module.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Empty,
    Text(String),
    Coded(u16, String),
}

impl Refusal {
    /// A text of ours.
    pub(crate) fn text(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal { status, form: Form::Text(message.into()) }
    }

    /// A request that cannot be answered.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Refusal::text(StatusCode::BAD_REQUEST, message)
    }

    /// Something that is not there.
    pub(crate) fn not_found() -> Self {
        Refusal { status: StatusCode::NOT_FOUND, form: Form::Empty }
    }

    /// A request that the document does not allow.
    pub(crate) fn coded(status: StatusCode, code: u16, message: impl Into<String>) -> Self {
        Refusal { status, form: Form::Coded(code, message.into()) }
    }

    /// A value that the document does not allow.
    pub(crate) fn invalid(code: u16, message: impl Into<String>) -> Self {
        Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A body that cannot be read.
    pub(crate) fn unreadable(what: &str, why: &str) -> Self {
        let message = format!("parsing {what} body from \"\" failed, because {why}");
        Refusal::coded(StatusCode::BAD_REQUEST, 400, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = Vec::new();
        match &self.form {
            Form::Empty => return self.status.into_response(),
            Form::Text(message) => {
                push_text(&mut body, message);
                body.push(b'\n');
            }
            Form::Coded(code, message) => {
                body.extend_from_slice(format!("{{\"code\":{code}").as_bytes());
                push_name(&mut body, "message");
                push_text(&mut body, message);
                body.push(b'}');
            }
        }
        (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
