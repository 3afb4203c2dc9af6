//! Remote write 1.0: `POST /api/v1/write` with a snappy-compressed `prometheus.WriteRequest`.
//!
//! A known series is found by a hash of its label bytes as they stand in the request; only a new one
//! has its labels read.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::Classify;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, WriteBatch};
use model::{Exemplar, Labels, Metadata};
use wire::remote::{Entry, Point, TimeSeries, WriteRequest};

use crate::Receiver;

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

fn bad_request(message: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.into())
}

pub(crate) async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    receiver.metrics.requests.inc();
    match take(&receiver, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => {
            receiver.metrics.requests_refused.inc();
            refused.into_response()
        }
    }
}

/// In what pieces room for bodies is given out.
pub(crate) const ROOM_UNIT_BYTES: usize = 4096;

/// Whether the request speaks what is understood here.
fn check_headers(headers: &HeaderMap) -> Result<(), Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = text(header::CONTENT_TYPE);
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    if !media_type.is_empty() && media_type != "application/x-protobuf" {
        let message = format!(
            "expected application/x-protobuf as the first (media) part, got {content_type} content-type"
        );
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if let Some(proto) = parts.find_map(|part| part.strip_prefix("proto="))
        && proto != "prometheus.WriteRequest"
    {
        let message = format!(
            "{proto} protobuf message is not accepted by this server; accepted [prometheus.WriteRequest]"
        );
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let encoding = text(header::CONTENT_ENCODING);
    if !encoding.is_empty() && encoding != "snappy" {
        let message = format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        );
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}

async fn take(receiver: &Arc<Receiver>, request: Request) -> Result<(), Refused> {
    check_headers(request.headers())?;
    let limit = receiver.config.body_size_max_bytes;
    // Room for the body is taken before the body is: at the limit requests wait with their senders.
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = length.unwrap_or(limit).min(limit);
    let room = receiver.room.clone().acquire_many_owned(length.div_ceil(ROOM_UNIT_BYTES) as u32).await;
    let body = Limited::new(request.into_body(), limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {limit} bytes"))
        } else {
            bad_request(format!("cannot read the request: {error}"))
        }
    })?;
    let body = body.to_bytes();
    let slot = receiver.slots.clone().acquire_owned().await;
    let worker = receiver.clone();
    let held = (room, slot);
    // They go with the work: a client that goes away ends the wait for it, not the work.
    let work = move || {
        let _held = held;
        store(&worker, &body)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "a remote write request failed unexpectedly");
            Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, "the request failed unexpectedly".into()))
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

pub(crate) fn store(receiver: &Receiver, body: &Bytes) -> Result<(), Refused> {
    let mut buffers = receiver.take_buffers();
    let result = store_with(receiver, body, &mut buffers);
    receiver.give_back(buffers);
    result
}

/// Snappy copies at most 64 bytes for three.
const SNAPPY_GROWTH_MAX: usize = 22;

fn store_with(receiver: &Receiver, body: &Bytes, buffers: &mut Buffers) -> Result<(), Refused> {
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
    let Buffers { decoded, batch } = buffers;
    if decoded.len() < size {
        decoded.resize(size, 0);
    }
    let size = snap::raw::Decoder::new().decompress(body, decoded).map_err(invalid)?;
    let decoded = &decoded[..size];
    let now_ms = receiver.clock.now_ms();
    let mut outcome =
        Outcome { now_ms, latest_ms: now_ms.saturating_add(AHEAD_MAX_MS), ..Outcome::default() };
    write_request(receiver, decoded, None, batch, &mut outcome)?;
    if !outcome.appended.unknown.is_empty() {
        // Series that the store dropped since they were known: find them anew, once, and them alone:
        // earlier samples of the others would be out of order by now. What is written is known by its
        // reference, not by what was known of the request's bytes: another request may have changed that.
        let first = std::mem::take(&mut outcome.appended);
        let unknown: HashSet<u32> = first.unknown.iter().copied().collect();
        let series = batch.refs.iter().chain(batch.histograms.iter().map(|(series, _, _)| series));
        let written = series.zip(0u32..).filter(|(_, at)| !unknown.contains(at));
        let written: HashSet<SeriesRef> = written.map(|(series, _)| *series).collect();
        let too_new = outcome.too_new;
        // Those that no series was found for are looked at again.
        (outcome.over_limit, outcome.invalid) = (0, 0);
        write_request(receiver, decoded, Some(&written), batch, &mut outcome)?;
        // Counted in the first round already.
        outcome.too_new = too_new;
        let second = &mut outcome.appended;
        second.accepted += first.accepted;
        second.out_of_order += first.out_of_order;
        second.duplicate += first.duplicate;
        second.too_old += first.too_old;
        second.outside_window += first.outside_window;
        second.exemplars += first.exemplars;
        second.exemplars_refused += first.exemplars_refused;
        second.ticket = second.ticket.max(first.ticket);
        if !second.unknown.is_empty() {
            // The sender tries again; what is written already is taken as equal then.
            let message = "series were dropped while they were written; send the request again";
            return Err(StorageError::Unavailable(message.into()).into());
        }
    }
    receiver.writer.wait_durable(outcome.appended.ticket)?;
    let appended = &outcome.appended;
    receiver.metrics.samples.add(appended.accepted);
    let refused = appended.out_of_order
        + appended.duplicate
        + appended.too_old
        + appended.outside_window
        + outcome.too_new
        + outcome.over_limit
        + outcome.invalid;
    receiver.metrics.samples_refused.add(refused);
    receiver.metrics.exemplars.add(appended.exemplars);
    receiver.metrics.exemplars_refused.add(appended.exemplars_refused);
    if refused == 0 {
        return Ok(());
    }
    let mut reasons = Vec::new();
    for (count, reason) in [
        (appended.out_of_order, "out of order sample"),
        (appended.duplicate, "duplicate sample for timestamp"),
        (appended.too_old, "out of bounds"),
        (appended.outside_window, "too old sample"),
        (outcome.too_new, "out of bounds: timestamp is too far in the future"),
        (outcome.over_limit, "the limit of series is reached"),
        (outcome.invalid, "invalid labels"),
    ] {
        if count > 0 {
            reasons.push(format!("{reason} ({count})"));
        }
    }
    Err(bad_request(format!("{} samples were not stored: {}", refused, reasons.join(", "))))
}

/// Samples may be this much ahead of the clock; Prometheus takes no later ones either.
const AHEAD_MAX_MS: i64 = 10 * 60_000;

#[derive(Default)]
struct Outcome {
    now_ms: i64,
    /// Later samples are not stored.
    latest_ms: i64,
    appended: Appended,
    too_new: u64,
    over_limit: u64,
    invalid: u64,
}

/// What a request may hold at once, a float counting 1, a series 4 and a histogram its size: the
/// smallest messages take two bytes and become some hundred.
const WEIGHT_MAX: usize = 8 << 20;

fn weigh(weight: &mut usize, more: usize) -> Result<(), Refused> {
    *weight = weight.saturating_add(more);
    if *weight > WEIGHT_MAX {
        let message = "the request holds too many series or samples; send it in parts";
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, message.into()));
    }
    Ok(())
}

/// Series that are searched for together once a request is in no known order.
const SEARCHED_TOGETHER: usize = 64;

/// Writes a request; of one that was written in part, only what is not of the series in `written`.
fn write_request(
    receiver: &Receiver,
    decoded: &[u8],
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    batch.clear();
    let mut weight = 0;
    // First all series that are known; then, together, those that are not.
    let mut new_series = Vec::new();
    let has_metadata = read_known(receiver, decoded, written, batch, &mut new_series, &mut weight, outcome)?;
    if has_metadata && written.is_none() {
        read_metadata(decoded, batch, &mut weight)?;
    }
    if !new_series.is_empty() {
        add_new(receiver, new_series, written, batch, &mut weight, outcome)?;
    }
    outcome.appended = append(receiver.writer.as_ref(), batch)?;
    Ok(())
}

/// Adds what the request says of metrics.
fn read_metadata(decoded: &[u8], batch: &mut WriteBatch, weight: &mut usize) -> Result<(), Refused> {
    for entry in WriteRequest::new(decoded) {
        if let Entry::Metadata(said) = entry.map_err(|error| bad_request(error.to_string()))? {
            weigh(weight, 4)?;
            let metadata = Metadata {
                metric_type: said.metric_type,
                unit: said.unit.to_string(),
                help: said.help.to_string(),
            };
            batch.metadata.push((said.family.to_string(), metadata));
        }
    }
    Ok(())
}

/// Adds the samples of the series that are known; if there are some `written`, all others become new ones.
/// Says whether there is metadata too.
fn read_known<'a>(
    receiver: &Receiver,
    decoded: &'a [u8],
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    new_series: &mut Vec<(u128, TimeSeries<'a>)>,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<bool, Refused> {
    let known = &receiver.known;
    let mut finder = known.finder(outcome.now_ms);
    let mut request = WriteRequest::new(decoded);
    let mut searched = Vec::new();
    let malformed = |error: wire::DecodeError| bad_request(error.to_string());
    loop {
        let Some(message) = request.next_series().transpose().map_err(malformed)? else {
            return Ok(request.has_metadata());
        };
        if written.is_none()
            && let Some((found, series)) = finder.expected(message)
        {
            weigh(weight, 4)?;
            add_points(batch, found, &series, weight, outcome)?;
            continue;
        }
        let series = TimeSeries::read(message).map_err(malformed)?;
        searched.push((known.hash(series.raw_labels()), series));
        if finder.is_lost() {
            while searched.len() < SEARCHED_TOGETHER
                && let Some(message) = request.next_series()
            {
                let series = message.and_then(TimeSeries::read).map_err(malformed)?;
                let hash = known.hash(series.raw_labels());
                finder.fetch(hash);
                searched.push((hash, series));
            }
        }
        let is_lost = searched.len() > 1;
        for (hash, series) in searched.drain(..) {
            let found = finder.find(hash);
            if written.is_some_and(|written| found.is_some_and(|found| written.contains(&found))) {
                continue;
            }
            weigh(weight, 4)?;
            match found.filter(|_| written.is_none()) {
                Some(found) => add_points(batch, found, &series, weight, outcome)?,
                None => new_series.push((hash, series)),
            }
        }
        if is_lost {
            finder.try_again();
        }
    }
}

/// Finds out what series these are and adds their samples.
fn add_new(
    receiver: &Receiver,
    new_series: Vec<(u128, TimeSeries<'_>)>,
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    let mut valid = Vec::with_capacity(new_series.len());
    let mut labels = Vec::with_capacity(new_series.len());
    for (hash, series) in new_series {
        match read_labels(&series) {
            Some(found) => {
                labels.push(found);
                valid.push((hash, series));
            }
            None => outcome.invalid += series.points().count() as u64,
        }
    }
    let mut resolved = Vec::with_capacity(labels.len());
    receiver.writer.resolve(&labels, &mut resolved)?;
    if written.is_some() {
        receiver.known.forget(outcome.now_ms, valid.iter().map(|(hash, _)| *hash));
    }
    let mut taken = Vec::with_capacity(valid.len());
    for ((hash, series), found) in valid.into_iter().zip(resolved) {
        if found == SeriesRef::NONE {
            outcome.over_limit += series.points().count() as u64;
        } else {
            taken.push((hash, series.raw_labels().len(), found));
            if written.is_none_or(|written| !written.contains(&found)) {
                add_points(batch, found, &series, weight, outcome)?;
            }
        }
    }
    receiver.known.add(outcome.now_ms, taken.into_iter());
    Ok(())
}

fn append(writer: &dyn MetricWriter, batch: &WriteBatch) -> Result<Appended, StorageError> {
    if batch.is_empty() { Ok(Appended::default()) } else { writer.append(batch) }
}

#[inline]
fn add_points(
    batch: &mut WriteBatch,
    found: SeriesRef,
    series: &TimeSeries<'_>,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    let mut points = series.points();
    let before = batch.refs.len() as u64 + outcome.too_new;
    while let Some((timestamp_ms, value)) = points.plain_sample() {
        if timestamp_ms > outcome.latest_ms {
            outcome.too_new += 1;
        } else {
            batch.push(found, timestamp_ms, value);
        }
    }
    weigh(weight, (batch.refs.len() as u64 + outcome.too_new - before) as usize)?;
    for point in points {
        match point.map_err(|error| bad_request(error.to_string()))? {
            Point::Sample { timestamp_ms, value } => {
                weigh(weight, 1)?;
                if timestamp_ms > outcome.latest_ms {
                    outcome.too_new += 1;
                    continue;
                }
                batch.push(found, timestamp_ms, value);
            }
            Point::Histogram(message) => {
                let histogram = message.decode().map_err(|error| bad_request(error.to_string()))?;
                weigh(weight, histogram.sample_weight())?;
                if message.timestamp_ms > outcome.latest_ms {
                    outcome.too_new += 1;
                    continue;
                }
                batch.histograms.push((found, message.timestamp_ms, Arc::new(histogram)));
            }
            Point::Exemplar(message) => {
                weigh(weight, 4)?;
                if message.timestamp_ms <= outcome.latest_ms {
                    batch.exemplars.push((found, exemplar(&message)?));
                }
            }
        }
    }
    Ok(())
}

fn exemplar(message: &wire::remote::Exemplar<'_>) -> Result<Exemplar, Refused> {
    let pairs: Vec<(&str, &str)> =
        message.labels().collect::<Result<_, _>>().map_err(|error| bad_request(error.to_string()))?;
    Ok(Exemplar {
        labels: Labels::from_pairs(pairs),
        value: message.value,
        timestamp_ms: message.timestamp_ms,
        timestamp_given: message.timestamp_ms != 0,
    })
}

/// The labels of a series, or `None` if they are not valid: a name twice, empty, or no metric name.
fn read_labels(series: &TimeSeries<'_>) -> Option<Labels> {
    let mut pairs: Vec<(&str, &str)> = series.labels().collect::<Result<_, _>>().ok()?;
    pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) || pairs.iter().any(|(name, _)| name.is_empty()) {
        return None;
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let labels = Labels::from_sorted(pairs);
    (!labels.metric_name().is_empty()).then_some(labels)
}
