//! The API's own description.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::Api;
use crate::answer::ApiError;
use crate::params::Params;

/// The description, for OpenAPI 3.2.
pub(crate) const DOCUMENT: &str = include_str!("openapi.yaml");

pub(crate) async fn document(State(api): State<Arc<Api>>, request: Request) -> Response {
    let params = match Params::read(request, api.config.body_size_max_bytes).await {
        Ok(params) => params,
        Err(error) => return error.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/yaml; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
    ];
    match params.get("openapi_version") {
        Some("3.2" | "3.2.0") => (headers, DOCUMENT.to_string()).into_response(),
        _ => match version_3_1(DOCUMENT) {
            Some(document) => (headers, document).into_response(),
            None => ApiError::new(crate::ErrorType::Internal, "the description is malformed").into_response(),
        },
    }
}

/// The description for clients that know OpenAPI 3.1 only: without the one path that needs 3.2.
fn version_3_1(document: &str) -> Option<String> {
    let (before, from) = document.split_once("  /notifications/live:\n")?;
    let next = from.find("\n  /")? + 1;
    let rest = from.get(next..)?;
    Some(format!("{before}{rest}").replacen("openapi: 3.2.0", "openapi: 3.1.0", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_version_lacks_one_path() {
        let old = version_3_1(DOCUMENT).unwrap();
        assert!(old.starts_with("openapi: 3.1.0\n"));
        let paths = |text: &str| text.lines().filter(|line| line.starts_with("  /")).count();
        assert_eq!(paths(&old), paths(DOCUMENT) - 1);
        assert!(!old.contains("itemSchema"));
    }
}
