//! Methods, unknown paths and bodies.

use axum::body::Body;
use axum::http::{Method, Request, header};
use axum::{Router, routing};
use query::conformance::fixture;
use query::{Config, router};

use crate::ask::{call, get, post, posted, send};

#[tokio::test]
async fn a_form_counts_as_parameters_before_those_of_the_url() {
    assert_eq!(post("query", "query=1%2B1").await.data()["result"][1], "2");
    assert_eq!(post("query?query=5", "query=1%2B1").await.data()["result"][1], "2");
    assert_eq!(post("query?query=5", "time=7").await.data()["result"][1], "5");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let config = Config { body_size_max_bytes: 64, ..Config::default() };
    for path in ["query", "query_range", "series", "labels", "format_query", "search/label_names"] {
        let form = format!("query={}", "x".repeat(64));
        let answer = send(router(config.clone(), fixture::deps()), posted(path, &form)).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.error(), "bad_data: error parsing form values: http: POST too large", "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_in_json() {
    for (method, path) in [(Method::GET, "nothing"), (Method::POST, "a/b/c"), (Method::GET, "label/job")] {
        let answer = call(method, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.error(), format!("not_found: there is no /api/v1/{path} in this API"));
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused_and_told_the_right_ones() {
    for (method, path, allowed) in [
        (Method::POST, "targets", "GET,HEAD"),
        (Method::PUT, "query", "GET,HEAD,POST"),
        (Method::DELETE, "series", "GET,HEAD,POST"),
    ] {
        let answer = call(method.clone(), path).await;
        assert_eq!(
            (answer.status, answer.headers[header::ALLOW].to_str().unwrap()),
            (405, allowed),
            "{path}"
        );
        assert_eq!(answer.error(), format!("bad_data: method {method} is not allowed here"));
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_says_nothing() {
    let answer = call(Method::HEAD, "query?query=1").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(call(Method::HEAD, "query?query=(").await.status, 400);
    for path in ["query", "targets", "anything"] {
        let answer = call(Method::OPTIONS, path).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
    }
}

#[tokio::test]
async fn answers_are_json() {
    for path in ["query?query=up", "labels", "status/flags", "query?query=("] {
        assert_eq!(get(path).await.headers[header::CONTENT_TYPE], "application/json", "{path}");
    }
}

#[tokio::test]
async fn other_routes_may_stand_beside_it() {
    let others =
        Router::new().route("/api/v1/write", routing::post(async || "written")).fallback(async || "page");
    let router = fixture::api().merge(others);
    for (method, uri, text) in
        [("POST", "/api/v1/write", "written"), ("GET", "/graph", "page"), ("GET", "/api/v2/x", "page")]
    {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        assert_eq!(send(router.clone(), request).await.text, text, "{uri}");
    }
}
