//! Asking the API over the small world.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use query::conformance::fixture;
use serde_json::Value;
use tower::ServiceExt;

/// An answer: status, headers and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `data` of a success.
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["data"].clone()
    }

    /// `errorType: error` of a refusal.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["status"], "error", "{body}");
        format!("{}: {}", body["errorType"].as_str().unwrap(), body["error"].as_str().unwrap())
    }
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, text }
}

/// GET of a path under `/api/v1/`, percent signs and all.
pub(crate) async fn get(path: &str) -> Answer {
    call(Method::GET, path).await
}

pub(crate) async fn call(method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
    send(fixture::api(), request.body(Body::empty()).unwrap()).await
}

/// POST of a form.
pub(crate) async fn post(path: &str, form: &str) -> Answer {
    send(fixture::api(), posted(path, form)).await
}

pub(crate) fn posted(path: &str, form: &str) -> Request<Body> {
    Request::post(format!("/api/v1/{path}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .body(Body::from(form.to_string()))
        .unwrap()
}
