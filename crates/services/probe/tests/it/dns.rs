//! The DNS prober, against a name server that knows one zone.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use crate::support::{acceptor, probe, serve, trusted};

const NXDOMAIN: u8 = 3;

/// A record: its type and its data; the name is the question's.
fn record(section: &mut Vec<u8>, record_type: u16, data: &[u8]) {
    section.extend_from_slice(&[0xc0, 12]);
    section.extend_from_slice(&record_type.to_be_bytes());
    section.extend_from_slice(&[0, 1, 0, 0, 1, 44]);
    section.extend_from_slice(&(data.len() as u16).to_be_bytes());
    section.extend_from_slice(data);
}

/// `www.zone.test` has addresses, `zone.test` a SOA, a TXT and a MX; all else does not exist.
fn answer(query: &[u8]) -> Vec<u8> {
    let end = query[12..].iter().position(|byte| *byte == 0).unwrap() + 13;
    let question = &query[12..end + 4];
    let name = &query[12..end - 1];
    let record_type = u16::from_be_bytes([query[end], query[end + 1]]);
    let www: &[u8] = b"\x03www\x04zone\x04test";
    let zone: &[u8] = b"\x04zone\x04test";
    let mut sections = [Vec::new(), Vec::new(), Vec::new()];
    let mut counts = [0u8; 3];
    let mut rcode = 0;
    match (name, record_type) {
        (name, 1 | 255) if name == www => {
            record(&mut sections[0], 1, &[192, 0, 2, 1]);
            record(&mut sections[0], 1, &[192, 0, 2, 2]);
            record(&mut sections[1], 2, b"\x02ns\xc0\x10");
            record(&mut sections[2], 28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            counts = [2, 1, 1];
        }
        (name, 6) if name == zone => {
            let mut data = b"\x02ns\xc0\x0c\x05admin\xc0\x0c".to_vec();
            for number in [2_024_010_203u32, 3600, 600, 86_400, 300] {
                data.extend_from_slice(&number.to_be_bytes());
            }
            record(&mut sections[0], 6, &data);
            counts[0] = 1;
        }
        (name, 16) if name == zone => {
            record(&mut sections[0], 16, b"\x05a \"b\\\x02cd");
            counts[0] = 1;
        }
        (name, 15) if name == zone => {
            record(&mut sections[0], 15, b"\x00\x0a\x04mail\xc0\x0c");
            counts[0] = 1;
        }
        _ => rcode = NXDOMAIN,
    }
    let recursion = query[2] & 1;
    let mut out = vec![query[0], query[1], 0x84 | recursion, 0x80 | rcode, 0, 1];
    for count in counts {
        out.extend_from_slice(&[0, count]);
    }
    out.extend_from_slice(question);
    sections.iter().for_each(|section| out.extend_from_slice(section));
    out
}

async fn udp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            // A forged answer with another number comes first, and does not count.
            let mut forged = answer(&buffer[..length]);
            forged[0] ^= 0xff;
            let _ = socket.send_to(&forged, peer).await;
            let _ = socket.send_to(&answer(&buffer[..length]), peer).await;
        }
    });
    address
}

async fn converse<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S) {
    let length = stream.read_u16().await.unwrap();
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await.unwrap();
    let answer = answer(&query);
    stream.write_all(&[&(answer.len() as u16).to_be_bytes()[..], &answer].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let _ = stream.read_u8().await;
}

fn module(settings: &str) -> String {
    format!("{{prober: dns, dns: {{{settings}}}}}")
}

#[tokio::test]
async fn an_answer_is_counted_and_checked() {
    let target = udp().await.to_string();
    let found = probe(&module("query_name: www.zone.test, query_type: A"), &target).await.succeeds();
    for (name, value) in [
        ("probe_dns_answer_rrs", 2.0),
        ("probe_dns_authority_rrs", 1.0),
        ("probe_dns_additional_rrs", 1.0),
        ("probe_dns_query_succeeded", 1.0),
    ] {
        assert_eq!(found.value(name), value, "{name}");
    }
    assert!(found.with("probe_dns_duration_seconds", "phase", "request") > 0.0);
    assert!(!found.has("probe_dns_serial"));
    let check = |section: &str, kind: &str, regexp: &str| {
        module(&format!(
            "query_name: www.zone.test, query_type: A, validate_{section}_rrs: {{{kind}: ['{regexp}']}}"
        ))
    };
    let line = "^www.zone.test.\t300\tIN\tA\t192.0.2.[12]$";
    for (section, kind, regexp, failure) in [
        ("answer", "fail_if_not_matches_regexp", line, None),
        ("answer", "fail_if_not_matches_regexp", "192.0.2.1", Some("At least one RR did not match")),
        ("answer", "fail_if_matches_regexp", "192.0.2.1", Some("At least one RR matched")),
        ("answer", "fail_if_none_matches_regexp", "192.0.2.2", None),
        ("answer", "fail_if_none_matches_regexp", "10.0.0.1", Some("None of the RRs")),
        ("answer", "fail_if_all_match_regexp", "192.0.2", None),
        ("answer", "fail_if_all_match_regexp", "192.0.2.1", Some("Not all RRs matched")),
        ("authority", "fail_if_not_matches_regexp", "NS\tns.zone.test.$", None),
        ("additional", "fail_if_not_matches_regexp", "AAAA\t2001:db8::1$", None),
        ("answer", "fail_if_matches_regexp", "[", Some("Error matching regexp")),
    ] {
        let found = probe(&check(section, kind, regexp), &target).await;
        match failure {
            None => drop(found.succeeds()),
            Some(why) => drop(found.fails(why)),
        }
    }
}

#[tokio::test]
async fn records_are_told_as_zone_files_write_them() {
    let target = udp().await.to_string();
    let found = probe(&module("query_name: zone.test, query_type: SOA"), &target).await.succeeds();
    assert_eq!(found.value("probe_dns_serial"), 2_024_010_203.0);
    assert!(
        found.page().contains("ns.zone.test. admin.zone.test. 2024010203 3600 600 86400 300"),
        "{}",
        found.page()
    );
    for (record_type, expected) in
        [("TXT", r#"TXT\t\"a \\\"b\\\\\" \"cd\""#), ("MX", r"MX\t10 mail.zone.test.")]
    {
        let settings = format!("query_name: zone.test, query_type: {record_type}");
        let found = probe(&module(&settings), &target).await.succeeds();
        assert!(found.page().contains(expected), "{}", found.page());
    }
}

#[tokio::test]
async fn response_codes_are_well_or_not() {
    let target = udp().await.to_string();
    let found = probe(&module("query_name: nope.zone.test"), &target).await.fails("string_rcode=NXDOMAIN");
    assert_eq!(found.value("probe_dns_query_succeeded"), 1.0);
    probe(&module("query_name: nope.zone.test, valid_rcodes: [NXDOMAIN]"), &target).await.succeeds();
    probe(&module("query_name: nope.zone.test, valid_rcodes: [NOPE]"), &target).await.fails("Invalid rcode");
}

#[tokio::test]
async fn questions_go_over_tcp_and_tls_too() {
    let tcp = serve(converse).await;
    let settings = "query_name: www.zone.test, transport_protocol: tcp, source_ip_address: 127.0.0.1";
    let found = probe(&module(settings), &tcp.to_string()).await.succeeds();
    assert_eq!(found.value("probe_dns_answer_rrs"), 2.0);
    assert!(found.with("probe_dns_duration_seconds", "phase", "connect") > 0.0);
    let tls = serve(|stream| async {
        if let Ok(stream) = acceptor(&[]).accept(stream).await {
            converse(stream).await;
        }
    })
    .await;
    let settings = format!(
        "query_name: www.zone.test, transport_protocol: tcp, dns_over_tls: true, tls_config: {}",
        trusted()
    );
    probe(&module(&settings), &tls.to_string()).await.succeeds();
    let settings = "query_name: www.zone.test, dns_over_tls: true";
    probe(&module(settings), &tls.to_string()).await.fails("Expected transport protocol tcp for DoT");
    probe(&module("query_name: a, transport_protocol: sctp"), "127.0.0.1")
        .await
        .fails("Expected transport protocol");
    probe(&module("query_name: a..b"), &tcp.to_string()).await.fails("a label has 1 to 63 bytes");
    probe(&module("query_name: a, transport_protocol: tcp"), "127.0.0.1:1").await.fails("refused");
}
