//! The HTTP prober.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{SERVER_EXPIRY, certificate, http, probe, probe_as, probe_within, serve, trusted};

/// Says what it was asked.
async fn echo(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let header =
        |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_string();
    format!(
        "{} {} host={} agent={} auth={} cookie={} x={} close={} body={}\n",
        parts.method,
        parts.uri,
        header(header::HOST.as_str()),
        header("user-agent"),
        header("authorization"),
        header("cookie"),
        header("x-test"),
        header("connection"),
        String::from_utf8_lossy(&body)
    )
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn redirect(to: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { ([(header::LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT")], "hello") }))
        .route("/echo", any(echo))
        .route("/json", get(|| async { r#"{"status": "ok", "items": [{"n": 1}]}"# }))
        .route("/teapot", get(|| async { StatusCode::IM_A_TEAPOT }))
        .route("/gzip", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], gzip(&"x".repeat(5_000))) }))
        .route("/large", get(|| async { "x".repeat(5_000) }))
        .route("/stream", get(|| async { Body::new(Pieces(3)) }))
        .route("/headers", get(|| async { [("x-many", "a"), ("x-one", "b")] }))
        .route("/away", any(|| async { redirect("/cookie") }))
        .route("/cookie", any(|| async { ([(header::SET_COOKIE, "session=1; Path=/")], redirect("echo")) }))
        .route("/loop", get(|| async { redirect("/loop") }))
        .route("/same", any(|| async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/echo")]) }))
}

/// A body whose length nobody knows beforehand.
struct Pieces(usize);

impl hyper::body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        self.0 = self.0.saturating_sub(1);
        let piece = || Ok(hyper::body::Frame::data(bytes::Bytes::from_static(b"abc")));
        std::task::Poll::Ready((self.0 > 0).then(piece))
    }
}

fn module(settings: &str) -> String {
    format!("{{prober: http, http: {{preferred_ip_protocol: ip4, {settings}}}}}")
}

#[tokio::test]
async fn a_plain_answer_is_told_in_full() {
    let address = http(router(), None).await;
    let found = probe(&module(""), &format!("{address}/")).await.succeeds();
    for (name, value) in [
        ("probe_http_status_code", 200.0),
        ("probe_http_version", 1.1),
        ("probe_http_ssl", 0.0),
        ("probe_http_redirects", 0.0),
        ("probe_http_content_length", 5.0),
        ("probe_http_uncompressed_body_length", 5.0),
        ("probe_http_last_modified_timestamp_seconds", 784_111_777.0),
        ("probe_failed_due_to_regex", 0.0),
        ("probe_ip_protocol", 4.0),
    ] {
        assert_eq!(found.value(name), value, "{name}");
    }
    for phase in ["resolve", "connect", "processing", "transfer"] {
        assert!(found.with("probe_http_duration_seconds", "phase", phase) > 0.0, "{phase}");
    }
    assert_eq!(found.with("probe_http_duration_seconds", "phase", "tls"), 0.0);
    assert!(!found.has("probe_failed_due_to_cel") && !found.has("probe_tls_version_info"));
}

#[tokio::test]
async fn a_request_is_made_as_the_module_says() {
    let address = http(router(), None).await;
    let expect = |text: &str| format!("fail_if_body_not_matches_regexp: ['{text}']");
    let settings = format!(
        "method: PUT, body: hi, headers: {{Host: vhost.test, X-Test: yes}}, basic_auth: {{username: u, password: p}}, {}",
        expect(
            "^PUT /echo\\?a=b host=vhost.test agent=Blackbox-Exporter/.* auth=Basic dTpw cookie=- x=yes close=close body=hi"
        )
    );
    probe(&module(&settings), &format!("http://{address}/echo?a=b")).await.succeeds();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, "from a file").unwrap();
    let settings = format!("method: POST, body_file: {}, {}", path.display(), expect("body=from a file"));
    probe(&module(&settings), &format!("http://{address}/echo")).await.succeeds();
    let settings =
        format!("http_headers: {{X-Test: {{secrets: [s]}}}}, {}", expect("auth=Basic dXNlcjpwdw== .* x=s"));
    probe(&module(&settings), &format!("http://user:pw@{address}/echo")).await.succeeds();
    let (settings, target) = (module(&expect("host=other.test")), format!("{address}/echo"));
    probe_as(&settings, &target, "other.test", Duration::from_secs(9)).await.succeeds();
}

#[tokio::test]
async fn statuses_and_versions_count() {
    let address = http(router(), None).await;
    let target = format!("http://{address}/teapot");
    let found = probe(&module(""), &target).await.fails("wanted 2xx");
    assert_eq!(found.value("probe_http_status_code"), 418.0);
    probe(&module("valid_status_codes: [200, 418]"), &target).await.succeeds();
    probe(&module("valid_status_codes: [200]"), &format!("http://{address}/teapot"))
        .await
        .fails("valid_status_codes");
    probe(&module("valid_http_versions: [HTTP/2.0]"), &format!("http://{address}/"))
        .await
        .fails("Invalid HTTP version number");
    probe(&module("fail_if_not_ssl: true"), &format!("http://{address}/")).await.fails("not over SSL");
}

#[tokio::test]
async fn bodies_and_headers_are_checked() {
    let address = http(router(), None).await;
    let at = |path: &str| format!("http://{address}{path}");
    let found = probe(&module("fail_if_body_matches_regexp: [hell]"), &at("/")).await.fails("Body matched");
    assert_eq!(found.value("probe_failed_due_to_regex"), 1.0);
    probe(&module("fail_if_body_not_matches_regexp: [hell, nope]"), &at("/"))
        .await
        .fails("Body did not match");
    let header = |kind: &str, name: &str, regexp: &str, missing: bool| {
        module(&format!("{kind}: [{{header: {name}, regexp: '{regexp}', allow_missing: {missing}}}]"))
    };
    probe(&header("fail_if_header_matches", "X-One", "b", false), &at("/headers"))
        .await
        .fails("Header matched");
    probe(&header("fail_if_header_not_matches", "x-one", "b", false), &at("/headers")).await.succeeds();
    probe(&header("fail_if_header_not_matches", "X-None", ".", false), &at("/headers"))
        .await
        .fails("Missing required header");
    probe(&header("fail_if_header_matches", "X-None", ".", true), &at("/headers")).await.succeeds();

    let cel = |kind: &str, text: &str| module(&format!("fail_if_body_json_{kind}_cel: \"{text}\""));
    let found = probe(&cel("not_matches", "body.status == 'ok' && body.items[0].n == 1"), &at("/json"))
        .await
        .succeeds();
    assert_eq!(found.value("probe_failed_due_to_cel"), 0.0);
    let found = probe(&cel("matches", "body.status == 'ok'"), &at("/json")).await.fails("Body matched CEL");
    assert_eq!(
        (found.value("probe_failed_due_to_cel"), found.value("probe_failed_due_to_regex")),
        (1.0, 0.0)
    );
    probe(&cel("not_matches", "body.nope == 1"), &at("/json")).await.fails("Error evaluating CEL");
    probe(&cel("matches", "body.status"), &at("/json")).await.fails("not a boolean");
    probe(&cel("matches", "false"), &at("/")).await.fails("Error unmarshalling HTTP body to JSON");
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bounded() {
    let address = http(router(), None).await;
    let at = |path: &str| format!("http://{address}{path}");
    let settings =
        "compression: gzip, fail_if_body_not_matches_regexp: ['^x{1000}x{1000}x{1000}x{1000}x{1000}$']";
    let found = probe(&module(settings), &at("/gzip")).await.succeeds();
    assert_eq!(found.value("probe_http_uncompressed_body_length"), 5_000.0);
    assert!(found.value("probe_http_content_length") < 1_000.0);
    let found = probe(&module("compression: gzip, body_size_limit: 1KB"), &at("/gzip")).await;
    found.fails("larger than 1024 bytes");
    probe(&module("body_size_limit: 1KB"), &at("/large")).await.fails("Failed to read HTTP response body");
    probe(&module("compression: gzip"), &at("/")).await.fails("Failed to read HTTP response body");
    probe(&module("compression: zip"), &at("/")).await.fails("unsupported compression algorithm");
    let found = probe(&module(""), &at("/stream")).await.succeeds();
    assert_eq!(found.value("probe_http_content_length"), -1.0);
    assert_eq!(found.value("probe_http_uncompressed_body_length"), 6.0);
    let found = probe(&module("method: HEAD"), &at("/large")).await.succeeds();
    assert_eq!(found.value("probe_http_uncompressed_body_length"), 0.0);
}

#[tokio::test]
async fn redirects_are_followed_with_cookies_or_not_at_all() {
    let address = http(router(), None).await;
    let at = |path: &str| format!("http://{address}{path}");
    let settings = "method: POST, body: hi, headers: {Host: vhost.test}, fail_if_body_not_matches_regexp: ['^GET /echo host=vhost.test .* cookie=session=1 .* body=\\n']";
    let found = probe(&module(settings), &at("/away")).await.succeeds();
    assert_eq!(found.value("probe_http_redirects"), 2.0);
    probe(
        &module("method: POST, body: hi, fail_if_body_not_matches_regexp: ['^POST .* body=hi']"),
        &at("/same"),
    )
    .await
    .succeeds();
    let found = probe(&module("follow_redirects: false"), &at("/away")).await.fails("Not following redirect");
    assert_eq!((found.value("probe_http_redirects"), found.value("probe_http_status_code")), (1.0, 302.0));
    probe(&module("no_follow_redirects: true, valid_status_codes: [302]"), &at("/away")).await.succeeds();
    let found = probe(&module(""), &at("/loop")).await.fails("Not following redirect");
    assert_eq!(found.value("probe_http_redirects"), 11.0);
}

#[tokio::test]
async fn credentials_stay_with_their_server() {
    let other = http(router(), None).await;
    let to = format!("http://{other}/echo");
    let router = Router::new().route(
        "/",
        get(move || async move { (StatusCode::FOUND, [(header::LOCATION, to)]).into_response() }),
    );
    let address = http(router, None).await;
    let settings = format!(
        "authorization: {{credentials: t0k}}, headers: {{Host: vhost.test}}, fail_if_body_not_matches_regexp: ['host={other} .* auth=- ']"
    );
    probe(&module(&settings), &format!("http://{address}/")).await.succeeds();
}

#[tokio::test]
async fn tls_is_told_in_full_and_http2_is_spoken() {
    let address = http(router(), Some(&["h2", "http/1.1"])).await;
    let target = format!("https://{address}/");
    let found = probe(&module(&format!("tls_config: {}", trusted())), &target).await.succeeds();
    assert_eq!((found.value("probe_http_version"), found.value("probe_http_ssl")), (2.0, 1.0));
    assert_eq!(found.value("probe_http_content_length"), 5.0);
    assert_eq!(found.value("probe_ssl_earliest_cert_expiry"), SERVER_EXPIRY);
    assert_eq!(found.value("probe_ssl_last_chain_expiry_timestamp_seconds"), SERVER_EXPIRY);
    assert_eq!(found.label("probe_tls_version_info", "version"), "TLS 1.3");
    assert_eq!(found.label("probe_tls_cipher_info", "cipher"), "TLS_AES_256_GCM_SHA384");
    assert!(found.with("probe_http_duration_seconds", "phase", "tls") > 0.0);
    let settings = format!("enable_http2: false, tls_config: {}", trusted());
    let found = probe(&module(&settings), &target).await.succeeds();
    assert_eq!(found.value("probe_http_version"), 1.1);
    let settings = format!("fail_if_ssl: true, tls_config: {}", trusted());
    probe(&module(&settings), &target).await.fails("Final request was over SSL");
    let found = probe(&module(""), &target).await.fails("Error for HTTP request");
    assert_eq!(found.value("probe_http_status_code"), 0.0);
    // The header Host says which name the server must prove.
    let settings =
        format!("headers: {{Host: probe.test}}, tls_config: {{ca_file: {}}}", certificate("ca.pem"));
    probe(&module(&settings), &target).await.succeeds();
}

#[tokio::test]
async fn what_does_not_answer_fails_in_time() {
    probe(&module(""), "http://127.0.0.1:1/").await.fails("refused");
    probe(&module(""), "http://[::1/").await.fails("Could not parse target URL");
    let address = serve(|mut stream| async move {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).await;
        std::future::pending::<()>().await;
    })
    .await;
    let found = probe_within(&module(""), &address.to_string(), Duration::from_millis(100)).await;
    let found = found.fails("context deadline exceeded");
    assert_eq!(found.with("probe_http_duration_seconds", "phase", "processing"), 0.0);
    let address = serve(|mut stream| async move {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    })
    .await;
    let found = probe(&module(""), &address.to_string()).await.fails("Failed to read HTTP response body");
    assert_eq!(
        (found.value("probe_http_status_code"), found.value("probe_http_uncompressed_body_length")),
        (200.0, 3.0)
    );
    let found = probe(&module("enable_http3: true, enable_http2: false"), "https://127.0.0.1:1/").await;
    found.fails("HTTP/3 is not available");
}

#[tokio::test]
async fn proxies_are_asked_as_they_want_it() {
    let tls = http(router(), Some(&["http/1.1"])).await;
    let proxy = serve(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(head).unwrap();
        if let Some(rest) = text.strip_prefix("CONNECT ") {
            assert!(
                text.contains("X-Token: t\r\n") && text.contains("Proxy-Authorization: Basic dTpw\r\n"),
                "{text}"
            );
            let target = rest.split(' ').next().unwrap();
            let mut other = tokio::net::TcpStream::connect(target).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
            return;
        }
        let body = format!("via proxy: {}", text.lines().next().unwrap());
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let through = format!("proxy_url: http://u:p@{proxy}, proxy_connect_header: {{X-Token: [t]}}");
    let settings = format!(
        "{through}, skip_resolve_phase_with_proxy: true, fail_if_body_not_matches_regexp: ['via proxy: GET http://nowhere.test/x HTTP']"
    );
    let found = probe(&module(&settings), "http://nowhere.test/x").await.succeeds();
    assert!(!found.has("probe_ip_protocol"));
    assert_eq!(found.value("probe_http_version"), 1.0);
    let settings = format!("{through}, tls_config: {}", trusted());
    probe(&module(&settings), &format!("https://{tls}/")).await.succeeds();
    let settings = format!("{through}, no_proxy: 127.0.0.0/8, tls_config: {}", trusted());
    probe(&module(&settings), &format!("https://{tls}/")).await.succeeds();
}

#[tokio::test]
async fn a_socks_proxy_leads_to_plain_and_encrypted_servers() {
    let plain = http(router(), None).await;
    let tls = http(router(), Some(&["http/1.1"])).await;
    let proxy = serve(|mut stream| async move {
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 1, 0]);
        stream.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 10];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..8], [5, 1, 0, 1, 127, 0, 0, 1]);
        let port = u16::from_be_bytes([request[8], request[9]]);
        let mut other = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
    })
    .await;
    let settings = format!("proxy_url: 'socks5://{proxy}', tls_config: {}", trusted());
    for target in [format!("http://{plain}/"), format!("https://{tls}/")] {
        probe(&module(&settings), &target).await.succeeds();
    }
}

#[tokio::test]
async fn a_token_is_fetched_for_oauth2() {
    let router = router().route(
        "/token",
        any(|headers: HeaderMap, body: String| async move {
            assert_eq!(headers["authorization"], "Basic aWQ6c2VjcmV0");
            assert!(body.contains("scope=a"));
            r#"{"access_token": "t0k", "expires_in": 60}"#
        }),
    );
    let address = http(router, None).await;
    let settings = format!(
        "oauth2: {{client_id: id, client_secret: secret, scopes: [a], token_url: 'http://{address}/token'}}, fail_if_body_not_matches_regexp: ['auth=Bearer t0k']"
    );
    probe(&module(&settings), &format!("http://{address}/echo")).await.succeeds();
}
