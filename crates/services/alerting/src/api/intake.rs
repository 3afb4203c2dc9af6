//! `POST /alerts`: alerts come in. Those that are valid are taken even if others are not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use model::{Alert, Labels};
use tokio::sync::Semaphore;

use super::decode::{DecodeError, Decoder, Posted};
use super::refusal::{MISSING, Refusal};
use super::{Api, Shared};
use crate::matchers::MatcherMode;

/// The largest body.
const BODY_SIZE_MAX_BYTES: usize = 256 << 20;
/// Alerts in one request.
const ALERTS_MAX: usize = 500_000;
/// What is being read of all requests at once, in KiB. Alerts take about as much as their text.
const ROOM_KIB: usize = 256 << 10;
/// What a request that does not say its size is taken for, in KiB.
const UNKNOWN_SIZE_KIB: usize = 8 << 10;
/// How much of what a sender calls itself is noted in the trail.
const AGENT_MAX_CHARS: usize = 100;
/// How long a body may take to arrive. It holds room meanwhile, for which alerts of others wait.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Room for bodies that are being read.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Room(Arc::new(Semaphore::new(ROOM_KIB)))
    }
}

/// Takes alerts in. Answers when they are shown and written down.
pub(super) async fn post(State(api): Shared, request: Request) -> Result<StatusCode, Refusal> {
    is_json(request.headers())?;
    let source: Arc<str> = source(&request).into();
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_SIZE_MAX_BYTES) {
        return Err(too_large());
    }
    let kib = length.map_or(UNKNOWN_SIZE_KIB, |length| length / 1_024 + 1).min(ROOM_KIB);
    // The semaphore is never closed.
    let _room = api.intake.0.clone().acquire_many_owned(kib as u32).await.ok();
    let bound = length.unwrap_or(UNKNOWN_SIZE_KIB << 10);
    let reading = tokio::time::timeout(READ_TIMEOUT, read(&api, request.into_body(), bound)).await;
    let (alerts, errors) = reading.unwrap_or_else(|_| {
        Err(Refusal::coded(StatusCode::REQUEST_TIMEOUT, 408, "the body did not arrive in time"))
    })?;
    if !api.alerting.receive(&source, alerts).await {
        return Err(Refusal::text(StatusCode::INTERNAL_SERVER_ERROR, "stopping, send the alerts again"));
    }
    match errors.is_empty() {
        true => Ok(StatusCode::OK),
        false => Err(Refusal::bad(errors.join("\n"))),
    }
}

/// Alertmanager takes nothing but JSON, which also keeps forms of other sites out.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.unwrap_or("application/octet-stream");
    if given.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = format!("unsupported media type {given:?}, only [application/json] are allowed");
    Err(Refusal::coded(StatusCode::UNSUPPORTED_MEDIA_TYPE, 415, message))
}

/// Who sent a request, for the trail: the address, and what it calls itself.
fn source(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical().to_string()).unwrap_or_default();
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent: String = agent.unwrap_or_default().chars().take(AGENT_MAX_CHARS).collect();
    match (address.is_empty(), agent.is_empty()) {
        (_, true) => address,
        (true, false) => agent,
        (false, false) => format!("{address} ({agent})"),
    }
}

fn too_large() -> Refusal {
    Refusal::coded(StatusCode::PAYLOAD_TOO_LARGE, 413, "http: request body too large")
}

/// The valid alerts of a body, and what is wrong with the others.
async fn read(api: &Api, mut body: Body, bound_bytes: usize) -> Result<(Vec<Alert>, Vec<String>), Refusal> {
    let (config, now_ms) = api.alerting.look(|dispatcher, now_ms| (dispatcher.config().clone(), now_ms));
    let checks =
        Checks { now_ms, resolve_timeout_ms: config.resolve_timeout_ms, mode: api.settings.matcher_mode };
    let (mut alerts, mut errors) = (Vec::new(), Vec::new());
    let mut take = |posted: Posted| match checks.alert(posted) {
        Ok(alert) => alerts.push(alert),
        Err(error) => errors.push(error),
    };
    let mut decoder = Decoder::new();
    let refused = |error: DecodeError| match error {
        DecodeError::Syntax(why) => Refusal::unreadable("alerts", &why),
        DecodeError::LabelsMissing(at) => {
            Refusal::invalid(MISSING, format!("{at}.labels in body is required"))
        }
    };
    let mut size_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::unreadable("alerts", &error.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        size_bytes += piece.len();
        if size_bytes > bound_bytes {
            return Err(too_large());
        }
        decoder.feed(&piece, &mut take).map_err(refused)?;
        // Small alerts take much more room than their text, and so do errors about them.
        if decoder.count() > ALERTS_MAX {
            return Err(too_large());
        }
    }
    if decoder.is_empty() {
        return Err(Refusal::invalid(MISSING, "alerts in body is required"));
    }
    decoder.finish(&mut take).map_err(refused)?;
    if alerts.len() > ALERTS_MAX {
        return Err(too_large());
    }
    api.metrics.invalid(errors.len());
    Ok((alerts, errors))
}

/// What an alert must be.
struct Checks {
    now_ms: i64,
    resolve_timeout_ms: i64,
    mode: MatcherMode,
}

impl Checks {
    /// The alert, or why it is none, in Alertmanager's words.
    fn alert(&self, posted: Posted) -> Result<Alert, String> {
        let Posted { labels, annotations, starts_at_ms, ends_at_ms, generator_url } = posted;
        // What the dispatcher will put where nothing was given.
        let begins = match (starts_at_ms, ends_at_ms) {
            (0, 0) => self.now_ms,
            (0, ends) => ends,
            (begins, _) => begins,
        };
        let ends =
            if ends_at_ms == 0 { self.now_ms.saturating_add(self.resolve_timeout_ms) } else { ends_at_ms };
        if ends < begins {
            return Err("start time must be before end time".into());
        }
        if labels.is_empty() {
            return Err("at least one label pair required".into());
        }
        self.names("label set", &labels)?;
        self.names("annotations", &annotations)?;
        Ok(Alert { labels, annotations, starts_at_ms, ends_at_ms, generator_url })
    }

    fn names(&self, what: &str, labels: &Labels) -> Result<(), String> {
        match labels.iter().find(|(name, _)| !self.mode.is_valid_label_name(name)) {
            Some((name, _)) => Err(format!("invalid {what}: invalid name {}", gocompat::quote::quote(name))),
            None => Ok(()),
        }
    }
}
