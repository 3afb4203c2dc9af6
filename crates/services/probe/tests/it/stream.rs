//! TCP and Unix sockets.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use crate::support::{SERVER_EXPIRY, acceptor, probe, probe_within, serve, trusted};

/// Speaks enough SMTP to be asked for TLS.
async fn smtp() -> std::net::SocketAddr {
    serve(|stream| async move {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mail.test ESMTP Test\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            match line.trim() {
                "EHLO prober" => {
                    stream.write_all(b"250-mail.test\r\n250-STARTTLS\r\n250 OK\r\n").await.unwrap()
                }
                "STARTTLS" => {
                    // What somebody in the middle adds in the clear must not count.
                    stream.write_all(b"220 go\r\n").await.unwrap();
                    let mut stream = acceptor(&[]).accept(stream.into_inner()).await.unwrap();
                    let mut buffer = [0; 64];
                    let count = stream.read(&mut buffer).await.unwrap();
                    assert_eq!(&buffer[..count], b"EHLO prober\r\n");
                    stream.write_all(b"250-AUTH PLAIN\r\n").await.unwrap();
                    stream.flush().await.unwrap();
                    return;
                }
                _ => {}
            }
            line.clear();
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_is_enough_without_a_dialogue() {
    let address = serve(|_| async {}).await;
    let found = probe("{prober: tcp}", &address.to_string()).await.succeeds();
    assert_eq!(found.value("probe_ip_protocol"), 4.0);
    assert_eq!(found.value("probe_ip_addr_hash"), 3_668_918_509.0);
    assert_eq!(found.value("probe_failed_due_to_regex"), 0.0);
    assert_eq!(found.value("probe_failed_due_to_bytes"), 0.0);
    assert_eq!(found.value("probe_success"), 1.0);
    assert!(!found.has("probe_ssl_earliest_cert_expiry"));
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    probe("{prober: tcp}", "127.0.0.1:1").await.fails("refused");
    probe("{prober: tcp}", "127.0.0.1").await.fails("Error splitting target address and port");
    let found = probe("{prober: tcp, tcp: {ip_protocol_fallback: false}}", "127.0.0.1:1").await;
    let found = found.fails("Resolution with IP protocol failed");
    assert_eq!(found.value("probe_ip_protocol"), 0.0);
}

#[tokio::test]
async fn a_dialogue_goes_from_clear_text_to_tls() {
    let address = smtp().await;
    let module = format!(
        r#"{{prober: tcp, tcp: {{tls_config: {}, query_response: [
            {{expect: "^220 ([^ ]+) ESMTP (.+)$", labels: [{{name: host, value: "${{1}}"}}, {{name: kind, value: "<$2>"}}]}},
            {{send: "EHLO prober\r"}}, {{expect: "^250-STARTTLS"}}, {{send: "STARTTLS\r"}}, {{expect: "^220"}},
            {{starttls: true}}, {{send: "EHLO prober\r"}}, {{expect: "^250-AUTH"}}]}}}}"#,
        trusted()
    );
    let found = probe(&module, &address.to_string()).await.succeeds();
    assert_eq!(found.label("probe_expect_info", "host"), "mail.test");
    assert_eq!(found.label("probe_expect_info", "kind"), "<Test>");
    assert_eq!(found.value("probe_ssl_earliest_cert_expiry"), SERVER_EXPIRY);
    assert_eq!(found.value("probe_ssl_last_chain_expiry_timestamp_seconds"), SERVER_EXPIRY);
    assert_eq!(found.label("probe_tls_version_info", "version"), "TLS 1.3");
    let info = |label| found.label("probe_ssl_last_chain_info", label);
    assert_eq!(info("serialnumber"), "ab12cd");
    assert_eq!(info("issuer"), "CN=Test authority,O=Promontory,C=DE");
    assert_eq!(
        info("subject"),
        "CN=probe.test,OU=a+OU=b,O=Promontory\\, tests,C=DE,1.2.840.113549.1.9.1=#0c0c614070726f62652e74657374"
    );
    assert_eq!(info("subjectalternative"), "probe.test,localhost");
    assert_eq!(
        info("fingerprint_sha256"),
        "036a32733914141189".to_string() + "98be2ab409810da92485e59e88c1845ede8d7f867aa618"
    );
}

#[tokio::test]
async fn what_a_server_says_must_match() {
    let address = serve(|mut stream| async move {
        let _ = stream.write_all(b"hello\nworld").await;
    })
    .await;
    let target = address.to_string();
    let found = probe("{prober: tcp, tcp: {query_response: [{expect: '^nope'}]}}", &target).await;
    assert_eq!(found.fails("Regexp did not match").value("probe_failed_due_to_regex"), 1.0);
    probe("{prober: tcp, tcp: {query_response: [{expect: '^world$'}]}}", &target).await.succeeds();
    let bytes = |text: &str| format!("{{prober: tcp, tcp: {{query_response: [{{expect_bytes: {text}}}]}}}}");
    probe(&bytes("hell"), &target).await.succeeds();
    let found = probe(&bytes("help"), &target).await.fails("Bytes did not match");
    assert_eq!(found.value("probe_failed_due_to_bytes"), 1.0);
    probe(&bytes("hello-world-and-more"), &target).await.fails("Read less data than expected");
}

#[tokio::test]
async fn a_server_that_says_nothing_takes_the_whole_time_and_no_more() {
    let address = serve(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let module = "{prober: tcp, tcp: {query_response: [{expect: x}]}}";
    let found = probe_within(module, &address.to_string(), Duration::from_millis(50)).await;
    let found = found.fails("context deadline exceeded");
    assert_eq!(found.value("probe_timeout_seconds"), 0.05);
    assert_eq!(found.value("probe_failed_due_to_regex"), 0.0);
    assert!(found.value("probe_duration_seconds") >= 0.05);
}

#[tokio::test]
async fn tls_is_verified_unless_asked_not_to() {
    let address = serve(|stream| async move {
        let _ = acceptor(&[]).accept(stream).await;
    })
    .await;
    let target = address.to_string();
    let module = |tls: &str| format!("{{prober: tcp, tcp: {{tls: true, tls_config: {tls}}}}}");
    let found = probe(&module(&trusted()), &target).await.succeeds();
    assert!(found.has("probe_ssl_last_chain_info") && !found.has("probe_tls_cipher_info"));
    let found = probe(&module("{insecure_skip_verify: true}"), &target).await.succeeds();
    // No chain was verified: upstream's value of no time.
    assert_eq!(found.value("probe_ssl_last_chain_expiry_timestamp_seconds"), -62_135_596_800.0);
    assert_eq!(found.value("probe_ssl_earliest_cert_expiry"), SERVER_EXPIRY);
    probe(&module("{}"), &target).await.fails("Error dialing TCP");
    let other = trusted().replace("probe.test", "other.test");
    probe(&module(&other), &target).await.fails("certificate");
    let old = trusted().replace('}', ", max_version: TLS12}");
    let found = probe(&module(&old), &target).await.succeeds();
    assert_eq!(found.label("probe_tls_version_info", "version"), "TLS 1.2");
}

#[tokio::test]
async fn a_unix_socket_is_probed_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 16];
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            if &buffer[..count] == b"PING\n" {
                let _ = stream.write_all(b"PONG\n").await;
            }
        }
    });
    let target = path.to_str().unwrap();
    let module = "{prober: unix, unix: {query_response: [{send: PING}, {expect: PONG}]}}";
    let found = probe(module, target).await.succeeds();
    assert!(!found.has("probe_ip_protocol"));
    probe("{prober: unix}", "/nonexistent/s.sock").await.fails("Error dialing unix");
}
