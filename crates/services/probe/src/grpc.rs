//! The gRPC prober: a call of the health service (`grpc.health.v1`).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::dial::TlsSession;

use crate::config::GrpcProbe;
use crate::dial::{self, Dialer, Stream, TlsDetails, report_tls};
use crate::http::AGENT;
use crate::http::url::authority;
use crate::report::Report;

const DURATION: &str = "probe_grpc_duration_seconds";
/// Size of an answer.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// What a service may be, by number.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const DEADLINE_EXCEEDED: u16 = 4;
const UNAVAILABLE: u16 = 14;
const INTERNAL: u16 = 13;

/// Asks the server at `host:port` (with or without a scheme before it) for its health.
pub(crate) async fn probe(dialer: &Dialer, probe: &GrpcProbe, target: &str, report: &mut Report) -> bool {
    report.set_labelled(DURATION, &[("phase", "resolve")], 0.0);
    report.set("probe_grpc_ssl", 0.0);
    report.set("probe_grpc_status_code", 0.0);
    let target =
        ["http://", "https://"].iter().find_map(|scheme| target.strip_prefix(scheme)).unwrap_or(target);
    let target = target.split(['/', '?', '#']).next().unwrap_or("");
    let default_port = if probe.tls { 443 } else { 80 };
    let (host, port) = match dial::split_host_port(target) {
        Some(split) => split,
        None => (target.trim_matches(['[', ']']), default_port),
    };
    if host.is_empty() {
        return report.fail("Could not parse target URL", &[("err", &"it has no host")]);
    }
    let Some((address, seconds)) = dialer.choose(probe.ip, host, report).await else {
        return report.fail("Error resolving address", &[("err", &"the target has no address")]);
    };
    report.set_labelled(DURATION, &[("phase", "resolve")], seconds);
    if !probe.tls {
        report.debug("Dialing GRPC without TLS", &[]);
    }
    // What holds if the time runs out.
    report.set("probe_grpc_status_code", f64::from(DEADLINE_EXCEEDED));
    for state in STATES {
        report.set_labelled("probe_grpc_healthcheck_response", &[("serving_status", state)], 0.0);
    }
    let started = dialer.clock.mark();
    let outcome = check(dialer, probe, (address, port).into(), host).await;
    report.set_labelled(DURATION, &[("phase", "check")], started.elapsed_seconds());
    match outcome {
        Ok((state, session)) => {
            report.set("probe_grpc_status_code", 0.0);
            let name = STATES.get(usize::from(state)).copied();
            if let Some(name) = name {
                report.set_labelled("probe_grpc_healthcheck_response", &[("serving_status", name)], 1.0);
            }
            if let Some(session) = session {
                report.set("probe_grpc_ssl", 1.0);
                report_tls(report, &session, TlsDetails::default());
            }
            if name == Some("SERVING") {
                report.debug("connect the grpc server successfully", &[]);
                return true;
            }
            report.fail("the grpc server is not serving", &[("status", &name.unwrap_or("unknown"))])
        }
        Err((code, message)) => {
            report.set("probe_grpc_status_code", f64::from(code));
            report.fail("can't connect grpc server:", &[("code", &code), ("err", &message)])
        }
    }
}

type Failure = (u16, String);

async fn check(
    dialer: &Dialer,
    probe: &GrpcProbe,
    address: SocketAddr,
    host: &str,
) -> Result<(u8, Option<Arc<TlsSession>>), Failure> {
    let away = |error: &dyn std::fmt::Display| (UNAVAILABLE, error.to_string());
    let mut stream: Box<dyn Stream> =
        Box::new(dial::connect(address, None).await.map_err(|error| away(&error))?);
    let mut session = None;
    if probe.tls {
        let client = dialer.tls(&probe.tls_config, &["h2"]).map_err(|error| away(&error))?;
        let under_tls = client.connect(stream, host).await.map_err(|error| away(&error))?;
        session = Some(under_tls.session().clone());
        stream = Box::new(under_tls);
    }
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| away(&error))?;
    let driver = Driver(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let request =
        request(probe, &authority(host, Some(address.port()))).map_err(|error| (INTERNAL, error))?;
    let answer = sender.send_request(request).await.map_err(|error| away(&error))?;
    let (head, mut body) = answer.into_parts();
    if head.status != 200 {
        return Err((
            code_of_http(head.status.as_u16()),
            format!("unexpected HTTP status code {}", head.status),
        ));
    }
    // An answer without a body says it all in its head.
    if let Some(failure) = status(&head.headers) {
        return failure.map(|()| (0, session));
    }
    let mut message = Vec::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| away(&error))?.into_data() {
            Ok(data) if message.len() + data.len() <= ANSWER_MAX_BYTES => message.extend_from_slice(&data),
            Ok(_) => return Err((8, format!("the answer is larger than {ANSWER_MAX_BYTES} bytes"))),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    drop(driver);
    status(&trailers).unwrap_or_else(|| Err((INTERNAL, "the server ended without a status".into())))?;
    let state =
        serving_status(&message).ok_or_else(|| (INTERNAL, "the answer cannot be read".to_string()))?;
    Ok((state, session))
}

/// Ends the connection's task with the probe.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(probe: &GrpcProbe, authority: &str) -> Result<Request<Full<Bytes>>, String> {
    // HealthCheckRequest: field 1 is the service's name. Before it stand a flag and the length.
    let mut message = Vec::new();
    if !probe.service.is_empty() {
        message.push(0x0a);
        let mut length = probe.service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(probe.service.as_bytes());
    }
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(&message);
    let scheme = if probe.tls { "https" } else { "http" };
    let mut request = Request::post(format!("{scheme}://{authority}/grpc.health.v1.Health/Check"))
        .version(Version::HTTP_2)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, values) in &probe.metadata {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
            .map_err(|_| format!("{name:?} is not a key of metadata"))?;
        for value in values {
            let value = HeaderValue::from_str(value).map_err(|_| format!("a value of {name} is not text"))?;
            headers.append(name.clone(), value);
        }
    }
    Ok(request)
}

/// What `grpc-status` says, if it is there.
fn status(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let code: u16 = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let message = headers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or("");
    Some(match code {
        0 => Ok(()),
        code => Err((code, message.to_string())),
    })
}

/// The status of a `HealthCheckResponse`: field 1, which is 0 where it is missing.
fn serving_status(framed: &[u8]) -> Option<u8> {
    let (prefix, message) = framed.split_at_checked(5)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if prefix[0] != 0 {
        return None;
    }
    match message.get(..length)? {
        [] => Some(0),
        [0x08, value, ..] if *value < 0x80 => Some(*value),
        _ => None,
    }
}

/// The gRPC status that stands for an HTTP one.
fn code_of_http(status: u16) -> u16 {
    match status {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => 2,
    }
}
