//! Queries that several clients ask at the same moments are evaluated once, if they take an answer that old.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use net::shared::max_age;

use crate::answer::{ApiError, ErrorType};
use crate::running::Queries;

/// What [`share`] works with.
#[derive(Clone)]
pub(crate) struct Sharing {
    pub(crate) queries: Arc<Queries>,
    pub(crate) body_size_max_bytes: usize,
}

/// Answers with what another request asked for, if the client says that this will do.
pub(crate) async fn share(State(sharing): State<Sharing>, request: Request, next: Next) -> Response {
    let Some(max_age) = max_age(request.headers()) else { return next.run(request).await };
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, sharing.body_size_max_bytes).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let message = format!("the body of the request cannot be read: {error}");
            return ApiError::new(ErrorType::BadData, message).into_response();
        }
    };
    let asked = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let ask = {
        let body = body.clone();
        move || next.run(Request::from_parts(head, Body::from(body)))
    };
    sharing.queries.shared.answer((asked, body), max_age, ask).await
}
