//! The agent: scrapes and takes what is pushed, and sends it on. Its store is a log; what would ask it is
//! refused the way Prometheus's agent refuses it.

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

/// Paths that ask for samples or rules; those ending in a slash with all below.
const REFUSED: [&str; 16] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/explain",
    "/api/v1/labels",
    "/api/v1/label/",
    "/api/v1/series",
    "/api/v1/search/",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/alertmanagers",
    "/api/v1/read",
    "/api/v1/status/tsdb",
    "/api/v1/status/tsdb/",
    "/api/v1/admin/",
    "/federate",
];

/// The routes, but for asking.
pub(crate) fn without_queries(router: Router) -> Router {
    router.layer(middleware::from_fn(refuse))
}

async fn refuse(request: Request, next: Next) -> Response {
    if !is_refused(request.uri().path()) {
        return next.run(request).await;
    }
    let body = r#"{"status":"error","errorType":"execution","error":"unavailable with Prometheus Agent"}"#;
    (StatusCode::UNPROCESSABLE_ENTITY, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn is_refused(path: &str) -> bool {
    REFUSED.iter().any(|refused| match refused.ends_with('/') {
        true => path.starts_with(refused),
        false => path == *refused,
    })
}

#[cfg(test)]
mod tests {
    use super::is_refused;

    #[test]
    fn asking_is_refused_and_the_rest_is_not() {
        for (path, refused) in [
            ("/api/v1/query", true),
            ("/api/v1/label/job/values", true),
            ("/federate", true),
            ("/api/v1/targets", false),
            ("/api/v1/write", false),
            ("/api/v1/status/config", false),
            ("/metrics", false),
        ] {
            assert_eq!(is_refused(path), refused, "{path}");
        }
    }
}
