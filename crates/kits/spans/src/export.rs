//! The task that sends spans.

use std::io::Write;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use net::{Client, ClientError, Limits, Request, Response};
use tokio::sync::mpsc;

use crate::{Finished, Settings, Shared, encode};

/// Spans of one request.
const BATCH_SPANS_MAX: usize = 512;
/// How long to wait for more.
const GATHER: Duration = Duration::from_secs(5);
/// How often a request is tried while the other side is out of reach or too busy.
const ATTEMPTS_MAX: u32 = 3;
/// The pause after the first failure; the next is twice as long.
const BACKOFF: Duration = Duration::from_secs(1);
/// The size of an answer, which says nothing that is needed.
const ANSWER_SIZE_MAX_BYTES: u64 = 1 << 20;

/// Knows where spans go.
pub(crate) struct Exporter {
    service: &'static str,
    client: Client,
    url: String,
    over_http: bool,
    gzip: bool,
    timeout: Duration,
}

/// How a request went.
enum Outcome {
    Taken,
    TryAgain(String),
    Refused(String),
}

impl Exporter {
    pub(crate) fn new(service: &'static str, settings: &Settings) -> Result<Exporter, ClientError> {
        Ok(Exporter {
            service,
            client: Client::new(&settings.http())?,
            url: settings.url(),
            over_http: settings.over_http,
            gzip: settings.gzip,
            timeout: settings.timeout(),
        })
    }

    /// Sends a batch. Returns whether it was taken.
    async fn send(&self, spans: &[Finished]) -> bool {
        let request = self.request(encode::request(self.service, spans));
        let mut backoff = BACKOFF;
        for attempt in 1..=ATTEMPTS_MAX {
            let limits = Limits { timeout: self.timeout, body_size_max_bytes: ANSWER_SIZE_MAX_BYTES };
            let error = match outcome(self.client.send(request.clone(), limits).await, self.over_http) {
                Outcome::Taken => return true,
                Outcome::TryAgain(error) if attempt < ATTEMPTS_MAX => {
                    tracing::debug!(url = self.url, error, "traces were not taken, and are sent again");
                    tokio::time::sleep(backoff).await;
                    backoff *= 2;
                    continue;
                }
                Outcome::TryAgain(error) | Outcome::Refused(error) => error,
            };
            tracing::warn!(url = self.url, spans = spans.len(), error, "traces were not taken");
            break;
        }
        false
    }

    fn request(&self, message: Vec<u8>) -> Request {
        let (message, is_gzip) = match self.gzip {
            true => match compressed(&message) {
                Some(smaller) => (smaller, true),
                None => (message, false),
            },
            false => (message, false),
        };
        if self.over_http {
            let request = Request::post(&self.url, "application/x-protobuf", message);
            return if is_gzip { request.header("content-encoding", "gzip") } else { request };
        }
        // gRPC: whether it is compressed, and its length, stand before the message.
        let mut body = Vec::with_capacity(message.len() + 5);
        body.push(u8::from(is_gzip));
        body.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(&message);
        let request =
            Request::post(&self.url, "application/grpc", Bytes::from(body)).header("te", "trailers");
        if is_gzip { request.header("grpc-encoding", "gzip") } else { request }
    }
}

fn compressed(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

fn outcome(answer: Result<Response, ClientError>, over_http: bool) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error @ (ClientError::Network(_) | ClientError::Timeout)) => {
            return Outcome::TryAgain(error.to_string());
        }
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let status = answer.status.as_u16();
    match status {
        200..300 if over_http => return Outcome::Taken,
        429 | 502..=504 => return Outcome::TryAgain(format!("answered {status}")),
        200 => {}
        _ => return Outcome::Refused(format!("answered {status}")),
    }
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let message =
        || format!("answered {}: {}", text("grpc-status").unwrap_or(""), text("grpc-message").unwrap_or(""));
    match text("grpc-status") {
        None | Some("0") => Outcome::Taken,
        // Cancelled, deadline, aborted, out of range, unavailable, data loss: as OTLP has it.
        Some("1" | "4" | "10" | "11" | "14" | "15") => Outcome::TryAgain(message()),
        Some(_) => Outcome::Refused(message()),
    }
}

/// Sends what comes until nothing more can.
pub(crate) async fn run(exporter: Exporter, mut waiting: mpsc::Receiver<Finished>, shared: Weak<Shared>) {
    let mut batch = Vec::new();
    while let Some(first) = waiting.recv().await {
        batch.push(first);
        let more = async {
            while batch.len() < BATCH_SPANS_MAX {
                let room = BATCH_SPANS_MAX - batch.len();
                if waiting.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(GATHER, more).await;
        let is_taken = exporter.send(&batch).await;
        if let Some(shared) = shared.upgrade() {
            let count = if is_taken { &shared.counts.exported } else { &shared.counts.failed };
            count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        batch.clear();
    }
}
