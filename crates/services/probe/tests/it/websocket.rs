//! The WebSocket prober, against a server that greets and echoes.

use std::net::SocketAddr;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::support::{acceptor, probe, serve, trusted};

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("").to_string()
    };
    if header("authorization") != "Basic dTpw" || header("x-some-header") != "my_header" {
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", header("Sec-WebSocket-Key"));
    let accept = net::client::base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()).as_ref());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    // A ping, then a greeting in two parts.
    stream.write_all(b"\x89\x01p\x01\x07Hello, \x80\x05world").await.unwrap();
    stream.flush().await.unwrap();
    loop {
        let Ok(first) = stream.read_u8().await else { return };
        let length = stream.read_u8().await.unwrap() & 0x7f;
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await.unwrap();
        let mut payload = vec![0; usize::from(length)];
        stream.read_exact(&mut payload).await.unwrap();
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        match first {
            0x8a => assert_eq!(payload, b"p"),
            _ if payload == b"bye" => stream.write_all(b"\x88\x02\x03\xe8").await.unwrap(),
            _ => {
                let mut frame = vec![0x81, payload.len() as u8];
                frame.extend_from_slice(&payload);
                stream.write_all(&frame).await.unwrap();
            }
        }
        let _ = stream.flush().await;
    }
}

async fn server() -> SocketAddr {
    serve(converse).await
}

fn module(settings: &str) -> String {
    format!(
        "{{prober: websocket, websocket: {{http_config: {{basic_auth: {{username: u, password: p}}, tls_config: {}}}, headers: {{x-some-header: my_header}}, {settings}}}}}",
        trusted()
    )
}

#[tokio::test]
async fn a_dialogue_in_messages() {
    let target = format!("ws://{}/chat", server().await);
    let found = probe(&module(""), &target).await.succeeds();
    assert_eq!(found.value("probe_websocket_connection_upgraded"), 1.0);
    assert_eq!(found.value("probe_websocket_status_code"), 101.0);
    assert_eq!(found.value("probe_websocket_failed_due_to_regex"), 0.0);
    let dialogue =
        r#"query_response: [{expect: '^Hello,\s(.+)', send: "I see ${1}"}, {expect: '^I see world$'}]"#;
    let found = probe(&module(dialogue), &target).await.succeeds();
    for phase in ["resolve", "connect", "processing", "transfer"] {
        assert!(found.with("probe_websocket_duration_seconds", "phase", phase) > 0.0, "{phase}");
    }
    let found =
        probe(&module("query_response: [{expect: nope}]"), &target).await.fails("Regexp did not match");
    assert_eq!(found.value("probe_websocket_failed_due_to_regex"), 1.0);
    let bye = "query_response: [{expect: Hello, send: bye}, {expect: x}]";
    probe(&module(bye), &target).await.fails("close 1000");
}

#[tokio::test]
async fn a_refused_upgrade_shows_its_status() {
    let target = format!("ws://{}/", server().await);
    let found = probe("{prober: websocket}", &target).await.fails("bad handshake");
    assert_eq!(found.value("probe_websocket_status_code"), 401.0);
    assert_eq!(found.value("probe_websocket_connection_upgraded"), 0.0);
    probe("{prober: websocket}", "ws://127.0.0.1:1/").await.fails("refused");
    probe("{prober: websocket}", "127.0.0.1:1").await.fails("Could not parse target URL");
}

#[tokio::test]
async fn a_dialogue_under_tls() {
    let address = serve(|stream| async {
        if let Ok(stream) = acceptor(&[]).accept(stream).await {
            converse(stream).await;
        }
    })
    .await;
    let found = probe(&module("query_response: [{expect: '^Hello'}]"), &format!("wss://{address}/")).await;
    found.succeeds();
}
