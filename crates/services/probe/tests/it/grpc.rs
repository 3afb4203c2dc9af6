//! The gRPC prober, against a health service.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{SERVER_EXPIRY, http, probe, serve, trusted};

/// A message, then trailers.
struct Answer(Option<bytes::Bytes>, Option<axum::http::HeaderMap>);

impl hyper::body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        let data = self.0.take().map(hyper::body::Frame::data);
        let frame = data.or_else(|| self.1.take().map(hyper::body::Frame::trailers));
        std::task::Poll::Ready(frame.map(Ok))
    }
}

/// `up` serves, `down` does not, the server itself does, and others are not known.
async fn health(request: Request) -> Response {
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let token = request.headers().get("x-token").map(|value| value.to_str().unwrap().to_string());
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    let status = match &body[..] {
        [0, 0, 0, 0, 0] => 1,
        [0, 0, 0, 0, 4, 0x0a, 2, b'u', b'p'] => 1,
        [0, 0, 0, 0, 6, 0x0a, 4, b'd', b'o', b'w', b'n'] => 2,
        _ if token.as_deref() == Some("t") => 1,
        _ => {
            return [
                ("content-type", "application/grpc"),
                ("grpc-status", "5"),
                ("grpc-message", "unknown service"),
            ]
            .into_response();
        }
    };
    let mut trailers = axum::http::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let message = bytes::Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
    ([("content-type", "application/grpc")], Body::new(Answer(Some(message), Some(trailers)))).into_response()
}

fn router() -> Router {
    Router::new().route("/grpc.health.v1.Health/Check", post(health))
}

async fn clear_text() -> std::net::SocketAddr {
    serve(|stream| async move {
        let service = hyper_util::service::TowerToHyperService::new(router());
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    })
    .await
}

#[tokio::test]
async fn a_service_serves_or_does_not() {
    let target = clear_text().await.to_string();
    let response = "probe_grpc_healthcheck_response";
    for service in ["", "grpc: {service: up}"] {
        let found = probe(&format!("{{prober: grpc, {service}}}"), &target).await.succeeds();
        assert_eq!(found.with(response, "serving_status", "SERVING"), 1.0);
        assert_eq!(found.with(response, "serving_status", "NOT_SERVING"), 0.0);
        assert_eq!((found.value("probe_grpc_status_code"), found.value("probe_grpc_ssl")), (0.0, 0.0));
        assert!(found.with("probe_grpc_duration_seconds", "phase", "check") > 0.0);
    }
    let found = probe("{prober: grpc, grpc: {service: down}}", &target).await.fails("not serving");
    assert_eq!(found.with(response, "serving_status", "NOT_SERVING"), 1.0);
    assert_eq!(found.value("probe_grpc_status_code"), 0.0);
    let found = probe("{prober: grpc, grpc: {service: other}}", &target).await.fails("unknown service");
    assert_eq!(found.value("probe_grpc_status_code"), 5.0);
    assert_eq!(found.with(response, "serving_status", "SERVING"), 0.0);
    probe("{prober: grpc, grpc: {service: other, metadata: {X-Token: [t]}}}", &target).await.succeeds();
    let found = probe("{prober: grpc}", "127.0.0.1:1").await.fails("refused");
    assert_eq!(found.value("probe_grpc_status_code"), 14.0);
}

#[tokio::test]
async fn health_is_asked_over_tls() {
    let address = http(router(), Some(&["h2"])).await;
    let module = format!("{{prober: grpc, grpc: {{tls: true, tls_config: {}}}}}", trusted());
    let found = probe(&module, &address.to_string()).await.succeeds();
    assert_eq!(found.value("probe_grpc_ssl"), 1.0);
    assert_eq!(found.value("probe_ssl_earliest_cert_expiry"), SERVER_EXPIRY);
    assert!(found.has("probe_tls_version_info") && found.has("probe_ssl_last_chain_info"));
    assert!(!found.has("probe_ssl_last_chain_expiry_timestamp_seconds"));
    let found = probe("{prober: grpc, grpc: {tls: true}}", &address.to_string()).await.fails("can't connect");
    assert_eq!(found.value("probe_grpc_ssl"), 0.0);
    // A server that is no gRPC server.
    let other = http(Router::new(), Some(&["h2"])).await;
    let found = probe(&module, &other.to_string()).await.fails("404");
    assert_eq!(found.value("probe_grpc_status_code"), 12.0);
}
