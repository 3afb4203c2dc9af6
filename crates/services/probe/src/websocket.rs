//! The WebSocket prober (RFC 6455): the request to change the protocol, and a dialogue in messages.

use std::io;

use http::HeaderMap;
use net::client::base64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::config::{QueryResponse, WebsocketProbe};
use crate::dial::{self, Dialer, Stream};
use crate::http::url::Url;
use crate::http::{AGENT, add_headers, authorization};
use crate::report::Report;

const DURATION: &str = "probe_websocket_duration_seconds";
/// Size of the head of the server's answer.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Size of a message.
const MESSAGE_MAX_BYTES: usize = 1 << 20;
/// What the server puts behind our key to show that it speaks the protocol.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Probes a `ws://` or `wss://` URL.
pub(crate) async fn probe(
    dialer: &Dialer,
    probe: &WebsocketProbe,
    target: &str,
    report: &mut Report,
) -> bool {
    let url = match Url::parse(target) {
        Ok(url) => url,
        Err(error) => return report.fail("Could not parse target URL", &[("err", &error)]),
    };
    report.debug("probing websocket", &[("target", &target)]);
    for name in [
        "probe_websocket_connection_upgraded",
        "probe_websocket_status_code",
        "probe_websocket_failed_due_to_regex",
    ] {
        report.set(name, 0.0);
    }
    let Some((address, seconds)) = dialer.choose(probe.ip, &url.host, report).await else {
        return report.fail("Error resolving address", &[("err", &"the target has no address")]);
    };
    report.set_labelled(DURATION, &[("phase", "resolve")], seconds);
    let started = dialer.clock.mark();
    let stream = match dial::connect((address, url.port_or_default()).into(), None).await {
        Ok(stream) => stream,
        Err(error) => return report.fail("Error dialing websocket", &[("err", &error)]),
    };
    report.set_labelled(DURATION, &[("phase", "connect")], started.elapsed_seconds());
    let connected = dialer.clock.mark();
    let upgraded = upgrade(dialer, probe, &url, Box::new(stream), report).await;
    report.set_labelled(DURATION, &[("phase", "processing")], connected.elapsed_seconds());
    let mut stream = match upgraded {
        Ok(stream) => stream,
        Err(error) => return report.fail("Error dialing websocket", &[("err", &error)]),
    };
    report.set("probe_websocket_connection_upgraded", 1.0);
    if probe.query_response.is_empty() {
        return true;
    }
    let dialogue = dialer.clock.mark();
    let mut success = true;
    for step in &probe.query_response {
        if !answer(step, &mut *stream, report).await {
            report.set("probe_websocket_failed_due_to_regex", 1.0);
            success = false;
            break;
        }
    }
    report.set_labelled(DURATION, &[("phase", "transfer")], dialogue.elapsed_seconds());
    success
}

async fn upgrade(
    dialer: &Dialer,
    probe: &WebsocketProbe,
    url: &Url,
    mut stream: Box<dyn Stream>,
    report: &mut Report,
) -> Result<Box<dyn Stream>, String> {
    if url.is_tls {
        let client = dialer.tls(&probe.client.tls, &["http/1.1"])?;
        let under_tls = client.connect(stream, &url.host).await.map_err(|error| format!("tls: {error}"))?;
        stream = Box::new(under_tls);
    }
    let mut headers = HeaderMap::new();
    add_headers(&mut headers, &probe.headers)?;
    add_headers(&mut headers, &probe.client.headers)?;
    let mut host = url.authority();
    if let Some(value) = headers.remove(http::header::HOST) {
        host = String::from_utf8_lossy(value.as_bytes()).into_owned();
    }
    if let Some(value) = authorization(dialer, &probe.client).await? {
        headers.entry(http::header::AUTHORIZATION).or_insert(value);
    }
    let mut nonce = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
        .map_err(|_| "no random numbers".to_string())?;
    let key = base64(&nonce);
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
        url.path
    )
    .into_bytes();
    if !headers.contains_key(http::header::USER_AGENT) {
        request.extend_from_slice(format!("User-Agent: {AGENT}\r\n").as_bytes());
    }
    for (name, value) in &headers {
        request.extend_from_slice(format!("{name}: ").as_bytes());
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let head = exchange(&mut *stream, &request).await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or("");
    let status: u16 =
        match status_line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok()) {
            Some(status) => status,
            None => return Err(format!("the server does not speak HTTP: {status_line:?}")),
        };
    report.set("probe_websocket_status_code", f64::from(status));
    let pairs: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let value = |name: &str| {
        pairs.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or("", |(_, value)| *value)
    };
    let digest = ring::digest::digest(
        &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{ACCEPT_SUFFIX}").as_bytes(),
    );
    let speaks = status == 101
        && value("upgrade").eq_ignore_ascii_case("websocket")
        && value("connection").to_ascii_lowercase().contains("upgrade")
        && value("sec-websocket-accept") == base64(digest.as_ref());
    match speaks {
        true => Ok(stream),
        false => Err(format!("websocket: bad handshake: {status_line}")),
    }
}

async fn exchange(stream: &mut dyn Stream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.flush().await?;
    // Byte by byte, since what follows the head is the first message.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_MAX_BYTES {
            return Err(io::Error::other(format!("the head is longer than {HEAD_MAX_BYTES} bytes")));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

async fn answer(step: &QueryResponse, stream: &mut dyn Stream, report: &mut Report) -> bool {
    let mut send = step.send.clone();
    if let Some(regexp) = &step.expect {
        let message = match read_message(stream).await {
            Ok(message) => String::from_utf8_lossy(&message).into_owned(),
            Err(error) => return report.fail("Error reading message", &[("err", &error)]),
        };
        let Some(captures) = regexp.captures(&message) else {
            return report.fail("Regexp did not match", &[("regexp", &regexp.as_str()), ("line", &message)]);
        };
        report.debug("regexp matched", &[("regexp", &regexp.as_str()), ("line", &message)]);
        if let Ok(template) = std::str::from_utf8(&step.send) {
            let mut text = String::new();
            regexp.expand(template, &captures, &mut text);
            send = text.into_bytes();
        }
    }
    if !send.is_empty()
        && let Err(error) = write_frame(stream, TEXT, &send).await
    {
        return report.fail("Error sending message", &[("err", &error)]);
    }
    true
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Writes a frame that is a whole message, masked as a client must.
async fn write_frame(stream: &mut dyn Stream, kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mut mask = [0; 4];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut mask)
        .map_err(|_| io::Error::other("no random numbers"))?;
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads the next message; pings that come before it are answered.
async fn read_message(stream: &mut dyn Stream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let first = stream.read_u8().await?;
        let second = stream.read_u8().await?;
        let length = match second & 0x7f {
            126 => usize::from(stream.read_u16().await?),
            127 => usize::try_from(stream.read_u64().await?).unwrap_or(usize::MAX),
            length => usize::from(length),
        };
        if second & 0x80 != 0 {
            return Err(io::Error::other("the server masks its frames"));
        }
        if length.saturating_add(message.len()) > MESSAGE_MAX_BYTES {
            return Err(io::Error::other(format!("a message is larger than {MESSAGE_MAX_BYTES} bytes")));
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        match first & 0x0f {
            CONTINUATION | TEXT | BINARY => message.append(&mut payload),
            PING => {
                write_frame(stream, PONG, &payload).await?;
                continue;
            }
            PONG => continue,
            CLOSE => {
                let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                return Err(io::Error::other(format!("websocket: close {code}")));
            }
            other => return Err(io::Error::other(format!("an unknown kind of frame: {other}"))),
        }
        if first & 0x80 != 0 {
            return Ok(message);
        }
    }
}
