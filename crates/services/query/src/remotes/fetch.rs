//! One request to one server, and its answer in either form.

use std::time::Duration;

use base::Clock;
use bytes::{Buf, Bytes, BytesMut};
use model::storage::{Meter, StorageError, TimeRange};
use model::{Labels, MatchOp, Samples};
use net::client::{ClientError, OpenResponse, Request};
use wire::read::{ChunkedSeries, ReadMatcher, ReadQuery, ReadRequest, ResponseType};
use wire::remote::Point;

use super::{Metrics, Question, Remote, shown};

/// Size of an answer that comes in one piece, before and after decompression.
const ANSWER_MAX_BYTES: usize = 2 << 30;
/// What of a refusal is read.
const REASON_MAX_BYTES: usize = 4 << 10;
/// How often it is looked at whether the query is still wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Why there is no answer.
pub(super) enum Failure {
    /// The query may not go on.
    Storage(StorageError),
    /// The server's fault; a text for the one who asked.
    Remote(String),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Failure::Storage(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Remote(message)
    }
}

/// A series, or a part of one, that came.
pub(super) struct Fetched {
    pub(super) labels: Labels,
    pub(super) held: Held,
}

/// Its samples.
pub(super) enum Held {
    Samples(Samples),
    Chunks(Vec<tsdb::Chunk>),
}

impl Held {
    pub(super) fn sample_count(&self) -> u64 {
        match self {
            Held::Samples(samples) => samples.len() as u64,
            Held::Chunks(chunks) => chunks.iter().map(tsdb::Chunk::sample_count).sum(),
        }
    }

    /// Adds the samples in the range, in the order in which they came.
    pub(super) fn read(&self, range: TimeRange, into: &mut Samples) -> Result<(), StorageError> {
        let chunks = match self {
            Held::Chunks(chunks) => chunks,
            Held::Samples(samples) => {
                for (at, time_ms) in samples.timestamps_ms.iter().enumerate() {
                    if !(range.start_ms..=range.end_ms).contains(time_ms) {
                        continue;
                    }
                    match samples.histogram(at) {
                        Some(histogram) => into.push_histogram(*time_ms, histogram.clone()),
                        None => into.push(*time_ms, samples.values[at]),
                    }
                }
                return Ok(());
            }
        };
        // A decoder may rely on times that rise from chunk to chunk; these are checked by whoever merges.
        let mut part = Samples::default();
        for chunk in chunks {
            part.clear();
            chunk.read(range, &mut part)?;
            for (at, time_ms) in part.timestamps_ms.iter().enumerate() {
                match part.histogram(at) {
                    Some(histogram) => into.push_histogram(*time_ms, histogram.clone()),
                    None => into.push(*time_ms, part.values[at]),
                }
                into.set_last_start(part.start_ms(at));
            }
        }
        Ok(())
    }
}

/// Asks and takes the whole answer. What is kept of it is charged while it comes.
pub(super) async fn fetch(
    remote: &Remote,
    question: &Question<'_>,
    meter: &dyn Meter,
    metrics: &Metrics,
    clock: &Clock,
) -> Result<Vec<Fetched>, Failure> {
    let is_wanted = async {
        loop {
            if let Err(error) = meter.take_bytes(0) {
                return error;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::select! {
        error = is_wanted => Err(error.into()),
        answer = tokio::time::timeout(remote.timeout, exchange(remote, question, meter, metrics, clock)) => {
            answer.unwrap_or_else(|_| Err(sending_failed(remote, &ClientError::Timeout)))
        }
    }
}

fn sending_failed(remote: &Remote, error: &ClientError) -> Failure {
    Failure::Remote(format!(
        "error sending request: Post {}: {error}",
        model::labels::Quoted(&shown(&remote.url))
    ))
}

async fn exchange(
    remote: &Remote,
    question: &Question<'_>,
    meter: &dyn Meter,
    metrics: &Metrics,
    clock: &Clock,
) -> Result<Vec<Fetched>, Failure> {
    let started = clock.mark();
    let answer = remote.client.open(request(remote, question)?, remote.timeout).await;
    let mut answer = answer.map_err(|error| sending_failed(remote, &error))?;
    let (status, url) = (answer.status, shown(&remote.url));
    let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("").to_string();
    let form = if content_type.starts_with("application/x-protobuf") {
        "sampled"
    } else if content_type.starts_with("application/x-streamed-protobuf") {
        "chunked"
    } else {
        "unsupported"
    };
    metrics.seconds.with(&[&remote.name, &url, form]).observe(started.elapsed_seconds());
    let result = if !status.is_success() {
        let said = reason(&mut answer).await;
        Err(Failure::Remote(format!("remote server {url} returned http status {status}: {said}")))
    } else if form == "sampled" {
        samples(&mut answer, meter).await
    } else if form == "chunked" {
        chunks(&mut answer, remote.frame_max_bytes, meter).await
    } else {
        Err(Failure::Remote(format!("unsupported content type: {content_type}")))
    };
    let is_broken = form == "chunked" && status.is_success() && result.is_err();
    let code = if is_broken { "aborted_stream" } else { status.as_str() };
    metrics.queries.with(&[&remote.name, &url, form, code]).inc();
    result
}

fn request(remote: &Remote, question: &Question<'_>) -> Result<Request, Failure> {
    let matchers = question.matchers.iter().map(|&(op, name, value)| {
        let kind = match op {
            MatchOp::Equal => 0,
            MatchOp::NotEqual => 1,
            MatchOp::Regex => 2,
            MatchOp::NotRegex => 3,
        };
        ReadMatcher { kind, name, value }
    });
    let TimeRange { start_ms, end_ms } = question.range;
    let query = ReadQuery { start_ms, end_ms, matchers: matchers.collect() };
    let accepted = vec![ResponseType::StreamedXorChunks as u64, ResponseType::Samples as u64];
    let mut plain = Vec::new();
    ReadRequest { queries: vec![query], accepted }.encode(&mut plain);
    let body = snap::raw::Encoder::new()
        .compress_vec(&plain)
        .map_err(|error| Failure::Remote(format!("unable to write the request: {error}")))?;
    let mut request = Request::post(&remote.url, "application/x-protobuf", body)
        .header("content-encoding", "snappy")
        .header("accept-encoding", "snappy")
        .header("x-prometheus-remote-read-version", "0.1.0");
    for (name, value) in &remote.headers {
        request = request.header(name, value.clone());
    }
    Ok(request)
}

/// The beginning of what a refusal says.
async fn reason(answer: &mut OpenResponse) -> String {
    let mut said = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        said.extend_from_slice(&piece);
        if said.len() >= REASON_MAX_BYTES {
            said.truncate(REASON_MAX_BYTES);
            break;
        }
    }
    String::from_utf8_lossy(&said).trim().to_string()
}

async fn next(answer: &mut OpenResponse) -> Result<Option<Bytes>, Failure> {
    answer.chunk().await.map_err(|error| Failure::Remote(format!("error reading response: {error}")))
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Remote(format!("error reading response: {error}"))
}

/// An answer in one piece.
async fn samples(answer: &mut OpenResponse, meter: &dyn Meter) -> Result<Vec<Fetched>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = next(answer).await? {
        meter.take_bytes(piece.len() as u64)?;
        if body.len() + piece.len() > ANSWER_MAX_BYTES {
            return Err(unreadable("the answer is too large"));
        }
        body.extend_from_slice(&piece);
    }
    let size = snap::raw::decompress_len(&body).map_err(unreadable)?;
    if size > ANSWER_MAX_BYTES {
        return Err(unreadable("the answer is too large"));
    }
    // The compressed text is let go: it is not larger than what is charged for it here.
    meter.take_bytes(size as u64)?;
    let plain = snap::raw::Decoder::new().decompress_vec(&body).map_err(unreadable)?;
    drop(body);
    let mut fetched = Vec::new();
    for series in wire::read::result_messages(&plain).map_err(unreadable)? {
        let labels = series.labels().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let mut samples = Samples::default();
        for point in series.points() {
            match point.map_err(unreadable)? {
                Point::Sample { timestamp_ms, value } => samples.push(timestamp_ms, value),
                Point::Histogram(message) => {
                    let histogram = message.decode().map_err(unreadable)?;
                    samples.push_histogram(message.timestamp_ms, histogram.into());
                }
                Point::Exemplar(_) => {}
            }
        }
        fetched.push(Fetched { labels: Labels::from_pairs(labels), held: Held::Samples(samples) });
    }
    Ok(fetched)
}

/// A stream of frames: the message's length as a variable-length number, its CRC-32C big-endian, the message.
async fn chunks(
    answer: &mut OpenResponse,
    frame_max_bytes: u64,
    meter: &dyn Meter,
) -> Result<Vec<Fetched>, Failure> {
    let mut fetched: Vec<Fetched> = Vec::new();
    let mut waiting = BytesMut::new();
    loop {
        while let Some((size, head_bytes)) = frame_head(&waiting)? {
            if size > frame_max_bytes {
                return Err(unreadable(format!(
                    "message size exceeded the limit {frame_max_bytes} bytes; got: {size} bytes"
                )));
            }
            let whole_bytes = head_bytes + size as usize;
            let Some(frame) = waiting.get(..whole_bytes) else { break };
            let (head, message) = frame.split_at(head_bytes);
            let checksum = head.last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            if checksum != Some(crc32c::crc32c(message)) {
                return Err(unreadable("a frame's checksum does not match"));
            }
            take_frame(message, &mut fetched)?;
            waiting.advance(whole_bytes);
        }
        match next(answer).await? {
            Some(piece) => {
                meter.take_bytes(piece.len() as u64)?;
                waiting.extend_from_slice(&piece);
            }
            None if waiting.is_empty() => return Ok(fetched),
            None => return Err(unreadable("unexpected EOF")),
        }
    }
}

/// The size of the next message and of what stands before it, once that is there.
fn frame_head(bytes: &[u8]) -> Result<Option<(u64, usize)>, Failure> {
    const CHECKSUM_BYTES: usize = 4;
    const VARINT_MAX_BYTES: usize = 10;
    let Some(end) = bytes.iter().position(|byte| byte & 0x80 == 0) else {
        return match bytes.len() < VARINT_MAX_BYTES {
            true => Ok(None),
            false => Err(unreadable("a frame has no length")),
        };
    };
    let size = wire::Reader::new(bytes).varint().map_err(unreadable)?;
    let head_bytes = end + 1 + CHECKSUM_BYTES;
    Ok((bytes.len() >= head_bytes).then_some((size, head_bytes)))
}

fn take_frame(message: &[u8], fetched: &mut Vec<Fetched>) -> Result<(), Failure> {
    for series in ChunkedSeries::decode_all(message).map_err(unreadable)? {
        let mut chunks = Vec::with_capacity(series.chunks.len());
        for chunk in &series.chunks {
            let data = chunk.data.to_vec();
            let chunk = tsdb::Chunk::received(chunk.encoding, chunk.min_ms, chunk.max_ms, data);
            chunks.push(chunk.map_err(unreadable)?);
        }
        let labels = Labels::from_pairs(series.labels);
        match fetched.last_mut() {
            // A series goes on over frames.
            Some(Fetched { labels: last, held: Held::Chunks(known) }) if *last == labels => {
                known.append(&mut chunks);
            }
            _ => fetched.push(Fetched { labels, held: Held::Chunks(chunks) }),
        }
    }
    Ok(())
}
