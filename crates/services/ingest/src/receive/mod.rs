//! What comes in. A request's body is read when there is room for it, worked on when there is a processor
//! for it, and answered when its samples are on disk.

pub(crate) mod gather;
mod known;
pub(crate) mod otlp;
pub(crate) mod remote_write;
pub(crate) mod remote_write_2;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base::{Classify, Clock};
use bytes::Bytes;
use exposition::registry::{Counter, Registry};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::storage::{MetricWriter, StorageError, WriteBatch};

/// Settings of the receiver.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of a request's body as it is sent.
    pub body_size_max_bytes: usize,
    /// Size of a request's body after decompression.
    pub decoded_size_max_bytes: usize,
    /// Size of all bodies, as they are sent, that are read or wait at once; later requests wait with their
    /// senders. At least one body fits.
    pub bodies_size_max_bytes: usize,
    /// Requests worked on at once; more wait.
    pub concurrency_max: usize,
    /// Series that are recognised by their bytes alone; when more come, recognition starts anew.
    pub known_series_max: usize,
    /// The messages of remote write that are taken.
    pub accepted: Vec<WriteMessage>,
    /// Whether series carry the type and unit that their sender says as labels.
    pub type_and_unit_labels: bool,
    /// What becomes of OTLP's points that are counted from the point before them.
    pub deltas: otlp::Deltas,
    /// Streams of them that are added up at once; points of more are dropped.
    pub delta_streams_max: usize,
    /// How far back queries look for a sample: `target_info` is written twice in that time.
    pub lookback_ms: i64,
}

/// A message of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMessage {
    /// Of version 1.0.
    V1,
    /// Of version 2.0.
    V2,
}

impl WriteMessage {
    /// Both.
    pub const ALL: [WriteMessage; 2] = [WriteMessage::V1, WriteMessage::V2];

    /// Its name in protobuf.
    pub const fn name(self) -> &'static str {
        match self {
            WriteMessage::V1 => "prometheus.WriteRequest",
            WriteMessage::V2 => "io.prometheus.write.v2.Request",
        }
    }

    /// The message of this name.
    pub fn from_name(name: &str) -> Option<WriteMessage> {
        WriteMessage::ALL.into_iter().find(|message| message.name() == name)
    }

    /// Their names for a sentence.
    pub(crate) fn list(messages: &[WriteMessage]) -> String {
        messages.iter().map(|message| message.name()).collect::<Vec<_>>().join(", ")
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            body_size_max_bytes: 32 << 20,
            decoded_size_max_bytes: 128 << 20,
            bodies_size_max_bytes: 256 << 20,
            concurrency_max: 8,
            known_series_max: 10_000_000,
            accepted: WriteMessage::ALL.to_vec(),
            type_and_unit_labels: false,
            deltas: otlp::Deltas::default(),
            delta_streams_max: 1_000_000,
            lookback_ms: 300_000,
        }
    }
}

/// What the receiver works with.
#[derive(Clone)]
pub struct Deps {
    /// Takes the samples.
    pub writer: Arc<dyn MetricWriter>,
    /// Where its own metrics are counted.
    pub registry: Registry,
    /// What "now" is: samples far ahead of it are refused.
    pub clock: Clock,
    /// How OTLP's metrics become series; may be exchanged at any time.
    pub otlp: Arc<ArcSwap<otlp::OtlpSettings>>,
}

pub(crate) struct Receiver {
    config: Config,
    writer: Arc<dyn MetricWriter>,
    clock: Clock,
    known: known::KnownSeries,
    buffers: parking_lot::Mutex<Vec<Buffers>>,
    slots: Arc<tokio::sync::Semaphore>,
    /// Room for bodies, in [`ROOM_UNIT_BYTES`].
    room: Arc<tokio::sync::Semaphore>,
    metrics: Metrics,
    otlp: otlp::Otlp,
    otlp_settings: Arc<ArcSwap<otlp::OtlpSettings>>,
}

impl Receiver {
    pub(crate) fn new(config: Config, deps: Deps) -> Self {
        let room_bytes = config.bodies_size_max_bytes.max(config.body_size_max_bytes);
        let room = tokio::sync::Semaphore::new(room_bytes.div_ceil(ROOM_UNIT_BYTES));
        Receiver {
            room: Arc::new(room),
            known: known::KnownSeries::new(config.known_series_max),
            buffers: parking_lot::Mutex::default(),
            slots: Arc::new(tokio::sync::Semaphore::new(config.concurrency_max.max(1))),
            metrics: Metrics::new(&deps.registry),
            otlp: otlp::Otlp::new(config.delta_streams_max, &deps.registry),
            otlp_settings: deps.otlp,
            writer: deps.writer,
            clock: deps.clock,
            config,
        }
    }
}

pub(crate) struct Metrics {
    requests: Counter,
    requests_refused: Counter,
    samples: Counter,
    samples_refused: Counter,
    exemplars: Counter,
    exemplars_refused: Counter,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Metrics {
            requests: registry
                .counter("promontory_ingest_remote_write_requests_total", "Remote write requests that came in."),
            requests_refused: registry.counter(
                "promontory_ingest_remote_write_requests_refused_total",
                "Remote write requests answered with an error, partly stored ones included.",
            ),
            samples: registry
                .counter("promontory_ingest_remote_write_samples_total", "Samples taken from remote write."),
            samples_refused: registry.counter(
                "promontory_ingest_remote_write_samples_refused_total",
                "Samples of remote write requests that were not stored: out of order, duplicate, too old, too far in the future, over a limit or invalid.",
            ),
            exemplars: registry.counter(
                "promontory_ingest_remote_write_exemplars_total",
                "Exemplars taken from remote write.",
            ),
            exemplars_refused: registry.counter(
                "promontory_ingest_remote_write_exemplars_refused_total",
                "Exemplars of remote write requests that were not stored: out of order, or with labels that are too long.",
            ),
        }
    }
}

/// What may be pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// `/api/v1/write`.
    pub remote_write: bool,
    /// `/api/v1/otlp/v1/metrics`.
    pub otlp: bool,
}

/// The routes, to be mounted at the root.
pub fn router(config: Config, deps: Deps, routes: Routes) -> Router {
    let registry = deps.registry.clone();
    let receiver = Arc::new(Receiver::new(config, deps));
    let counted = receiver.clone();
    registry.gauge_fn(
        "promontory_ingest_otlp_delta_streams",
        "Streams of OTLP deltas that are added up.",
        move || counted.otlp.delta_streams() as f64,
    );
    let mut router = Router::new();
    if routes.remote_write {
        router = router.route("/api/v1/write", post(write));
    }
    if routes.otlp {
        router = router.route("/api/v1/otlp/v1/metrics", post(otlp::write));
    }
    router.with_state(receiver)
}

/// Why a request was refused, with its status.
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1 + "\n").into_response()
    }
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        let status =
            StatusCode::from_u16(error.class().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refused(status, error.to_string())
    }
}

pub(crate) fn bad_request(message: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.into())
}

/// In what pieces room for bodies is given out.
const ROOM_UNIT_BYTES: usize = 4096;

impl Receiver {
    /// Reads a request's body once there is room for it, and works on it once there is a processor for it.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        request: Request,
        work: impl FnOnce(&Receiver, &Bytes) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let limit = self.config.body_size_max_bytes;
        // Room for the body is taken before the body is: at the limit requests wait with their senders.
        let length =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.unwrap_or(limit).min(limit);
        let room = self.room.clone().acquire_many_owned(length.div_ceil(ROOM_UNIT_BYTES) as u32).await;
        let body = Limited::new(request.into_body(), limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {limit} bytes"))
            } else {
                bad_request(format!("cannot read the request: {error}"))
            }
        })?;
        let body = body.to_bytes();
        let slot = self.slots.clone().acquire_owned().await;
        let worker = self.clone();
        let held = (room, slot);
        // They go with the work: a client that goes away ends the wait for it, not the work.
        let work = move || {
            let _held = held;
            work(&worker, &body)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a request with samples failed unexpectedly");
                Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, "the request failed unexpectedly".into()))
            }
        }
    }
}

/// Memory for the work on a request, used again by later ones.
#[derive(Default)]
pub(crate) struct Buffers {
    decoded: Vec<u8>,
    batch: WriteBatch,
}

/// What a larger request took is given back.
const KEPT_DECODED_MAX_BYTES: usize = 4 << 20;
const KEPT_SAMPLES_MAX: usize = 1 << 17;

impl Receiver {
    fn take_buffers(&self) -> Buffers {
        self.buffers.lock().pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffers: Buffers) {
        let Buffers { decoded, batch } = &mut buffers;
        if decoded.capacity() > KEPT_DECODED_MAX_BYTES {
            *decoded = Vec::new();
        }
        let has_others =
            batch.histograms.capacity() + batch.exemplars.capacity() + batch.metadata.capacity() > 0;
        if batch.refs.capacity() > KEPT_SAMPLES_MAX || has_others {
            *batch = WriteBatch::default();
        }
        let mut kept = self.buffers.lock();
        if kept.len() < self.config.concurrency_max {
            kept.push(buffers);
        }
    }
}

/// Snappy copies at most 64 bytes for three.
const SNAPPY_GROWTH_MAX: usize = 22;

/// The body of a remote write request, decompressed.
fn decompress<'a>(receiver: &Receiver, body: &Bytes, into: &'a mut Vec<u8>) -> Result<&'a [u8], Refused> {
    let invalid = |error| bad_request(format!("not valid snappy: {error}"));
    let size = snap::raw::decompress_len(body).map_err(invalid)?;
    let limit = receiver.config.decoded_size_max_bytes;
    if size > limit {
        let message = format!("the request is larger than {limit} bytes after decompression");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    // No input grows by more; one that claims so is not given the memory.
    if size / SNAPPY_GROWTH_MAX > body.len() {
        return Err(bad_request("not valid snappy: it claims to be longer than it can be"));
    }
    if into.len() < size {
        into.resize(size, 0);
    }
    let size = snap::raw::Decoder::new().decompress(body, into).map_err(invalid)?;
    Ok(&into[..size])
}

/// `POST /api/v1/write`, of either version.
async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    receiver.metrics.requests.inc();
    let refuse = |refused: Refused| {
        receiver.metrics.requests_refused.inc();
        refused.into_response()
    };
    match message_of(request.headers(), &receiver.config.accepted) {
        Err(refused) => refuse(refused),
        Ok(WriteMessage::V1) => match receiver.work(request, remote_write::store).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(refused) => refuse(refused),
        },
        Ok(WriteMessage::V2) => {
            let stored = receiver.work(request, |receiver, body| Ok(remote_write_2::store(receiver, body)));
            let (written, result) = stored.await.unwrap_or_else(|refused| (Default::default(), Err(refused)));
            let mut response = match result {
                Ok(()) => StatusCode::NO_CONTENT.into_response(),
                Err(refused) => refuse(refused),
            };
            written.tell(response.headers_mut());
            response
        }
    }
}

/// Which message a request says that it is, if it is one that is taken here.
fn message_of(headers: &HeaderMap, accepted: &[WriteMessage]) -> Result<WriteMessage, Refused> {
    let unsupported = |message: String| Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = text(header::CONTENT_TYPE);
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    if !media_type.is_empty() && media_type != "application/x-protobuf" {
        return unsupported(format!(
            "expected application/x-protobuf as the first (media) part, got {content_type} content-type"
        ));
    }
    let mut message = WriteMessage::V1;
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return unsupported(format!("parameters are names with values, got {part} in {content_type}"));
        };
        if name == "proto" {
            let Some(found) = WriteMessage::from_name(value) else {
                return unsupported(format!(
                    "got {content_type} content type; unknown type for remote write protobuf message {value}, \
                     supported: {}",
                    WriteMessage::list(&WriteMessage::ALL)
                ));
            };
            message = found;
        }
    }
    if !accepted.contains(&message) {
        return unsupported(format!(
            "{} protobuf message is not accepted by this server; only accepts {}",
            message.name(),
            WriteMessage::list(accepted)
        ));
    }
    let encoding = text(header::CONTENT_ENCODING);
    if !encoding.is_empty() && encoding != "snappy" {
        return unsupported(format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        ));
    }
    Ok(message)
}
