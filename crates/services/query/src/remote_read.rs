//! Remote read: `POST /api/v1/read`, answered with all samples at once or with a stream of chunks.
//!
//! Labels that distinguish this server stand in no stored series: matchers that ask for them are taken as
//! asking for their absence, and the answer's series carry them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::Classify;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::matcher::MatchOp;
use model::storage::{ByteLimit, Select, Selection, StorageError, TimeRange, Want};
use model::{LabelTable, Labels, Matcher, Samples};
use promql::Cancel;
use wire::read::{ChunkMessage, ReadQuery, ReadRequest, ResponseType};

use crate::Api;
use crate::answer::ApiError;
use crate::select::SELECTION_MAX_BYTES;
use crate::stream::{self, Sink};

/// Size of a request's body, compressed and not.
const BODY_MAX_BYTES: usize = 8 << 20;
/// Size of an answer before its compression. Samples are bounded by the configuration, labels by this.
const ANSWER_MAX_BYTES: usize = 2 << 30;

/// Why a request was refused: in plain text, as clients expect it.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.0, plain, self.1 + "\n").into_response()
    }
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        let status =
            StatusCode::from_u16(error.class().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refused(status, error.to_string())
    }
}

fn bad(message: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.to_string())
}

pub(crate) async fn read(State(api): State<Arc<Api>>, request: Request) -> Response {
    // The place is taken before the body is: at the limit bodies wait with their clients.
    let Ok(slot) = api.read_slots.clone().acquire_owned().await else {
        return Refused(StatusCode::SERVICE_UNAVAILABLE, "stopping".into()).into_response();
    };
    let body = match Limited::new(request.into_body(), BODY_MAX_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Refused(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large".into()).into_response();
        }
        Err(error) => return bad(format!("cannot read the request: {error}")).into_response(),
    };
    let cancel = Cancel::default();
    let decoded = match decompress(&body) {
        Ok(decoded) => decoded,
        Err(refused) => return refused.into_response(),
    };
    let response_type = match ReadRequest::decode(&decoded).map(|request| request.response_type()) {
        Ok(Some(response_type)) => response_type,
        Ok(None) => {
            let message = "server does not support any of the requested response types; supported: \
                           SAMPLES, STREAMED_XOR_CHUNKS";
            return bad(message).into_response();
        }
        Err(error) => return bad(error).into_response(),
    };
    let content_type = match response_type {
        ResponseType::Samples => "application/x-protobuf",
        ResponseType::StreamedXorChunks => {
            "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
        }
    };
    let (sink, pending) = stream::answer(content_type, cancel.clone());
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let reading = Reading { api: &api, external: api.deps.sources.status.external_labels(), cancel };
        match ReadRequest::decode(&decoded) {
            Ok(request) if response_type == ResponseType::Samples => reading.samples(&request, sink),
            Ok(request) => reading.chunks(&request, sink),
            Err(error) => sink.fail(Ok(bad(error).into_response())),
        }
    });
    let mut answer = pending.begun().await.unwrap_or_else(ApiError::into_response);
    if response_type == ResponseType::Samples && answer.status() == StatusCode::OK {
        let snappy = header::HeaderValue::from_static("snappy");
        answer.headers_mut().insert(header::CONTENT_ENCODING, snappy);
    }
    answer
}

fn decompress(body: &Bytes) -> Result<Vec<u8>, Refused> {
    let size = snap::raw::decompress_len(body).map_err(|error| bad(format!("not valid snappy: {error}")))?;
    if size > BODY_MAX_BYTES {
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large".into()));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|error| bad(format!("not valid snappy: {error}")))
}

struct Reading<'a> {
    api: &'a Api,
    external: Labels,
    cancel: Cancel,
}

/// The series of a query.
struct Selected {
    labels: LabelTable,
    selection: Selection,
    /// Their positions, sorted by labels.
    order: Vec<u32>,
}

impl Reading<'_> {
    fn select(&self, query: &ReadQuery<'_>) -> Result<Selected, Refused> {
        let mut matchers = Vec::with_capacity(query.matchers.len());
        for matcher in &query.matchers {
            let op = match matcher.kind {
                0 => MatchOp::Equal,
                1 => MatchOp::NotEqual,
                2 => MatchOp::Regex,
                3 => MatchOp::NotRegex,
                _ => return Err(bad("invalid matcher type")),
            };
            let is_ours = op == MatchOp::Equal && self.external.get(matcher.name) == Some(matcher.value);
            let value = if is_ours { "" } else { matcher.value };
            matchers.push(Matcher::new(op, matcher.name, value).map_err(bad)?);
        }
        let range = TimeRange { start_ms: query.start_ms, end_ms: query.end_ms };
        let mut labels = LabelTable::new();
        let selection = match range.end_ms < range.start_ms {
            true => Selection::empty(),
            false => {
                let meter = ByteLimit::new(SELECTION_MAX_BYTES);
                let request = Select { range, matchers: &matchers, want: Want::Samples, meter: &meter };
                self.api.deps.reader.select(&request, &mut labels)?
            }
        };
        let order = labels.order(&selection.sets);
        Ok(Selected { labels, selection, order })
    }

    /// A series' labels and, where it has none of the name, those of this server; sorted.
    fn shown<'l>(&'l self, labels: &'l Labels) -> BTreeMap<&'l str, &'l str> {
        let mut shown: BTreeMap<&str, &str> = self.external.iter().collect();
        shown.extend(labels.iter());
        shown
    }

    fn is_over(&self) -> Result<(), Refused> {
        match self.cancel.is_canceled() {
            true => Err(Refused(StatusCode::SERVICE_UNAVAILABLE, "the client went away".into())),
            false => Ok(()),
        }
    }

    fn samples(&self, request: &ReadRequest<'_>, mut sink: Sink) {
        match self.all_samples(request) {
            Ok(body) => {
                *sink.out() = body;
                let _ = sink.finish();
            }
            Err(refused) => sink.fail(Ok(refused.into_response())),
        }
    }

    fn all_samples(&self, request: &ReadRequest<'_>) -> Result<Vec<u8>, Refused> {
        let limit = self.api.config.read_samples_max;
        let too_many = || bad(format!("exceeded sample limit ({limit})"));
        let mut results = Vec::with_capacity(request.queries.len());
        let mut samples = Samples::default();
        let mut size_bytes = 0;
        for query in &request.queries {
            let mut result = Vec::new();
            let mut count = 0;
            let Selected { labels, selection, order } = self.select(query)?;
            for at in order.into_iter().map(|at| at as usize) {
                self.is_over()?;
                samples.clear();
                selection.samples.read(at, &mut samples)?;
                count += samples.len() as u64;
                if limit > 0 && count > limit {
                    return Err(too_many());
                }
                if samples.is_empty() {
                    continue;
                }
                wire::read::result_series(
                    &mut result,
                    self.shown(&labels.labels(selection.sets[at])),
                    |out| {
                        for (at, (time_ms, value)) in
                            samples.timestamps_ms.iter().zip(&samples.values).enumerate()
                        {
                            match samples.histogram(at) {
                                Some(histogram) => out.histogram(*time_ms, histogram),
                                None => out.sample(*time_ms, *value),
                            }
                        }
                    },
                );
                if size_bytes + result.len() > ANSWER_MAX_BYTES {
                    return Err(too_many());
                }
            }
            size_bytes += result.len();
            results.push(result);
        }
        let response = wire::read::read_response(results);
        snap::raw::Encoder::new()
            .compress_vec(&response)
            .map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }

    fn chunks(&self, request: &ReadRequest<'_>, mut sink: Sink) {
        for (index, query) in request.queries.iter().enumerate() {
            if let Err(refused) = self.stream(index, query, &mut sink) {
                if let Some(refused) = refused {
                    sink.fail(Ok(refused.into_response()));
                }
                return;
            }
        }
        let _ = sink.finish();
    }

    /// Sends the frames of a query, each with chunks of one series. `None`: there is nobody to send to.
    fn stream(&self, index: usize, query: &ReadQuery<'_>, sink: &mut Sink) -> Result<(), Option<Refused>> {
        let frame_max_bytes = self.api.config.read_frame_max_bytes;
        let mut samples = Samples::default();
        let mut message = Vec::new();
        let Selected { labels: table, selection, order } = self.select(query)?;
        for at in order.into_iter().map(|at| at as usize) {
            self.is_over()?;
            samples.clear();
            selection.samples.read(at, &mut samples).map_err(Refused::from)?;
            let chunks = tsdb::encode_chunks(&samples);
            let chunks: Vec<ChunkMessage<'_>> = chunks
                .iter()
                .map(|chunk| ChunkMessage {
                    min_ms: chunk.min_ms,
                    max_ms: chunk.max_ms,
                    encoding: chunk.encoding as u8,
                    data: &chunk.bytes,
                })
                .collect();
            let own = table.labels(selection.sets[at]);
            let labels = self.shown(&own);
            let labels_size_bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
            let mut rest = chunks.as_slice();
            while !rest.is_empty() {
                let mut left_bytes = frame_max_bytes.saturating_sub(labels_size_bytes);
                // At least one: a frame with nothing in it would repeat for ever.
                let fitting = rest
                    .iter()
                    .take_while(|chunk| {
                        let fits = chunk.data.len() <= left_bytes;
                        left_bytes = left_bytes.saturating_sub(chunk.data.len());
                        fits
                    })
                    .count();
                let (frame, after) = rest.split_at(fitting.max(1));
                rest = after;
                message.clear();
                wire::read::chunked_response(
                    &mut message,
                    index,
                    labels.iter().map(|(name, value)| (*name, *value)),
                    frame,
                );
                let out = sink.out();
                wire::Writer::new(out).varint(message.len() as u64);
                out.extend_from_slice(&crc32c::crc32c(&message).to_be_bytes());
                out.extend_from_slice(&message);
                sink.step().map_err(|_| None)?;
            }
        }
        Ok(())
    }
}
