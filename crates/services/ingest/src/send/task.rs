//! Sending to one receiver: reads the log, fills the queue, makes the requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base::clock::Mark;
use model::log::{Followed, LogFollower, LogPosition};
use model::relabel;
use model::storage::{SeriesRef, StorageError};
use model::{Labels, Metadata};
use net::client::{ClientError, Limits, Request, Response};
use tokio::sync::{mpsc, watch};

use super::SenderDeps;
use super::config::Remote;
use super::encode::{self, Counts, MetadataTable};
use super::metrics::{Kind, RemoteMetrics};
use super::queue::{Batch, Item, Outcome, Queue, Value};
use super::reshard::{self, Resharder, Since};
use crate::receive::WriteMessage;

/// How long the log is left alone when it was read to its end.
const READ_PAUSE_MS: i64 = 200;
/// How often the position is written down.
const COMMIT_INTERVAL_MS: i64 = 3_000;
/// After a failure of the log.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// How often what metrics are is looked at again while something is not known.
const METADATA_PAUSE_MS: i64 = 5_000;
/// How long a stop waits for answers. What was not answered is sent again after the next start.
const STOP_PATIENCE_MS: i64 = 5_000;
/// An answer's body.
const ANSWER_MAX_BYTES: u64 = 1 << 20;
/// What of a refusal is logged.
const REASON_MAX_CHARS: usize = 512;

/// What requests share.
struct Shared {
    remote: Remote,
    deps: SenderDeps,
    metrics: RemoteMetrics,
    metadata: ArcSwap<MetadataTable>,
    /// Set once a receiver has answered that it does not take version 2.0.
    only_v1: AtomicBool,
}

impl Shared {
    /// The version that is sent.
    fn message(&self) -> WriteMessage {
        match self.only_v1.load(Ordering::Relaxed) {
            true => WriteMessage::V1,
            false => self.remote.message,
        }
    }
}

struct Answer {
    shard: usize,
    outcome: Outcome,
    counts: Counts,
    seconds: f64,
    newest_ms: i64,
}

type Follower = Box<dyn LogFollower>;

struct Reading {
    follower: Follower,
    followed: Followed,
    more: Result<bool, StorageError>,
}

pub(super) async fn run(
    remote: Remote,
    deps: SenderDeps,
    metrics: RemoteMetrics,
    mut stop: watch::Receiver<bool>,
) {
    let follower = loop {
        let (source, name) = (deps.source.clone(), remote.name.clone());
        match tokio::task::spawn_blocking(move || source.follow(&name)).await {
            Ok(Ok(follower)) => break follower,
            Ok(Err(error)) => tracing::error!(name = remote.name, %error, "the log cannot be followed"),
            Err(error) => tracing::error!(name = remote.name, %error, "the log cannot be followed"),
        }
        tokio::select! {
            () = tokio::time::sleep(FAILURE_PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    };
    let queue = &remote.queue;
    metrics.shards_max.set(queue.max_shards as f64);
    metrics.shards_min.set(queue.min_shards as f64);
    metrics.shard_capacity.set(queue.capacity as f64);
    metrics.max_samples_per_send.set(queue.max_samples_per_send as f64);
    let started = deps.clock.mark();
    let seed = deps.clock.now_ms() as u64 ^ xxhash_rust::xxh3::xxh3_64(remote.name.as_bytes());
    let queue = Queue::new(queue.clone(), follower.position(), seed);
    let shared = Arc::new(Shared {
        remote,
        deps,
        metrics,
        metadata: ArcSwap::default(),
        only_v1: AtomicBool::new(false),
    });
    let position = follower.position();
    let sending = Sending {
        shared,
        queue,
        started,
        series: HashMap::new(),
        resharder: Resharder::default(),
        since: Since::default(),
        resharded_ms: 0,
        newest_in_ms: i64::MIN,
        newest_sent_ms: i64::MIN,
        in_flight: 0,
        committed: position,
        committed_ms: 0,
        metadata_ms: None,
        metadata_sent_ms: 0,
    };
    sending.run(follower, stop).await;
}

struct Sending {
    shared: Arc<Shared>,
    queue: Queue,
    started: Mark,
    /// How series are sent; `None` for those that are not.
    series: HashMap<SeriesRef, Option<Labels>>,
    resharder: Resharder,
    since: Since,
    resharded_ms: i64,
    newest_in_ms: i64,
    newest_sent_ms: i64,
    in_flight: usize,
    committed: LogPosition,
    committed_ms: i64,
    metadata_ms: Option<i64>,
    metadata_sent_ms: i64,
}

impl Sending {
    /// Monotonic, since the start.
    fn now_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    async fn run(mut self, follower: Follower, mut stop: watch::Receiver<bool>) {
        let (answers, mut answered) =
            mpsc::channel::<Answer>(self.shared.remote.queue.max_shards.max(1) as usize);
        let mut idle = Some((follower, Followed::default()));
        let mut reading: Option<tokio::task::JoinHandle<Reading>> = None;
        let mut read_at_ms = 0;
        let mut stopping_ms: Option<i64> = None;
        loop {
            let now_ms = self.now_ms();
            self.refresh_metadata(now_ms);
            if let Some(since_ms) = stopping_ms {
                if reading.is_none() && (self.in_flight == 0 || now_ms - since_ms >= STOP_PATIENCE_MS) {
                    break;
                }
            } else {
                if now_ms >= read_at_ms
                    && self.queue.has_room()
                    && let Some((follower, followed)) = idle.take()
                {
                    let commit = self.position_to_commit(now_ms);
                    let max = self.shared.remote.queue.max_samples_per_send.max(1) as usize;
                    reading =
                        Some(tokio::task::spawn_blocking(move || read(follower, followed, commit, max)));
                }
                self.reshard(now_ms);
                for batch in self.queue.due(now_ms) {
                    self.in_flight += 1;
                    let (shared, answers) = (self.shared.clone(), answers.clone());
                    tokio::spawn(async move {
                        let answer = send(&shared, batch).await;
                        let _ = answers.send(answer).await;
                    });
                }
                self.shared.metrics.shards.set(self.queue.shards() as f64);
                let pending = self.queue.pending();
                self.shared.metrics.pending.set(pending.samples as f64);
                self.shared.metrics.histograms_pending.set(pending.histograms as f64);
                self.shared.metrics.exemplars_pending.set(pending.exemplars as f64);
            }
            let wait_ms = match stopping_ms {
                Some(_) => 100,
                None => {
                    let next_ms = self
                        .queue
                        .next_ms()
                        .unwrap_or(i64::MAX)
                        .min(self.resharded_ms + reshard::INTERVAL_MS);
                    let read_ms = if idle.is_some() && self.queue.has_room() { read_at_ms } else { i64::MAX };
                    next_ms.min(read_ms).saturating_sub(self.now_ms()).clamp(1, 1_000)
                }
            };
            tokio::select! {
                Some(answer) = answered.recv() => self.answered(&answer),
                read = async { match &mut reading { Some(task) => task.await, None => std::future::pending().await } } => {
                    reading = None;
                    let Ok(Reading { follower, mut followed, more }) = read else {
                        tracing::error!(name = self.shared.remote.name, "reading the log failed unexpectedly");
                        return;
                    };
                    read_at_ms = match more {
                        Ok(true) => 0,
                        Ok(false) => self.now_ms() + READ_PAUSE_MS,
                        Err(error) => {
                            tracing::error!(name = self.shared.remote.name, %error, "the log cannot be read");
                            self.now_ms() + FAILURE_PAUSE.as_millis() as i64
                        }
                    };
                    self.take(&mut followed, follower.position());
                    idle = Some((follower, followed));
                }
                _ = stop.wait_for(|stop| *stop), if stopping_ms.is_none() => stopping_ms = Some(self.now_ms()),
                () = tokio::time::sleep(Duration::from_millis(wait_ms as u64)) => {}
            }
        }
        let position = self.queue.done_to();
        if let Some((mut follower, _)) = idle {
            let committed = tokio::task::spawn_blocking(move || follower.commit(position)).await;
            if let Ok(Err(error)) = committed {
                tracing::warn!(%error, "the position of what was sent cannot be written");
            }
        }
    }

    fn position_to_commit(&mut self, now_ms: i64) -> Option<LogPosition> {
        let position = self.queue.done_to();
        if position == self.committed || now_ms - self.committed_ms < COMMIT_INTERVAL_MS {
            return None;
        }
        (self.committed, self.committed_ms) = (position, now_ms);
        Some(position)
    }

    /// Puts what was read into the queue.
    fn take(&mut self, followed: &mut Followed, position: LogPosition) {
        let shared = self.shared.clone();
        let Shared { remote, metrics, deps, .. } = &*shared;
        for (series, labels) in followed.series.drain(..) {
            self.series.insert(series, sent_as(remote, &labels));
        }
        let mut exemplars: HashMap<SeriesRef, Vec<model::Exemplar>> = HashMap::new();
        if remote.send_exemplars {
            for (series, exemplar) in followed.exemplars.drain(..) {
                exemplars.entry(series).or_default().push(exemplar);
            }
        }
        let from_ms = oldest_ms(remote, deps.clock.now_ms());
        let (mut items, mut dropped, mut too_old) = (Vec::with_capacity(followed.floats.len()), 0, 0);
        let floats = followed.floats.drain(..);
        let floats =
            floats.map(|float| (float.series, float.timestamp_ms, float.start_ms, Value::Float(float.value)));
        let histograms = followed.histograms.drain(..).filter(|_| remote.send_native_histograms);
        let histograms =
            histograms.map(|h| (h.series, h.timestamp_ms, h.start_ms, Value::Histogram(h.histogram)));
        for (series, timestamp_ms, start_ms, value) in floats.chain(histograms) {
            self.newest_in_ms = self.newest_in_ms.max(timestamp_ms);
            let is_histogram = matches!(value, Value::Histogram(_));
            let kind = if is_histogram { Kind::Histogram } else { Kind::Sample };
            match self.series.get(&series) {
                Some(Some(_)) if timestamp_ms < from_ms => {
                    metrics.drop(kind, "too_old", 1);
                    too_old += 1;
                }
                Some(Some(labels)) => items.push(Item {
                    labels: labels.clone(),
                    timestamp_ms,
                    start_ms,
                    value,
                    exemplars: exemplars.remove(&series).unwrap_or_default(),
                    read: 0,
                }),
                Some(None) => {
                    metrics.drop(kind, "dropped_series", 1);
                    dropped += 1;
                }
                None => {
                    metrics.drop(kind, "unintentionally_dropped_series", 1);
                    dropped += 1;
                }
            }
        }
        for (series, exemplars) in exemplars {
            let Some(Some(labels)) = self.series.get(&series) else {
                metrics.drop(Kind::Exemplar, "dropped_series", exemplars.len() as u64);
                continue;
            };
            let timestamp_ms = exemplars.last().map_or(0, |exemplar| exemplar.timestamp_ms);
            items.push(Item {
                labels: labels.clone(),
                timestamp_ms,
                start_ms: 0,
                value: Value::Nothing,
                exemplars,
                read: 0,
            });
        }
        for series in followed.gone.drain(..) {
            self.series.remove(&series);
        }
        followed.clear();
        metrics.samples_in.add(items.len() as u64 + dropped + too_old);
        self.since.samples_in += items.len() as f64 + (dropped + too_old) as f64;
        self.since.samples_dropped += (dropped + too_old) as f64;
        if self.newest_in_ms > i64::MIN {
            let seconds = self.newest_in_ms as f64 / 1000.0;
            metrics.highest_queued.set(seconds);
            metrics.highest_in.set(seconds.max(metrics.highest_in.get()));
        }
        let now_ms = self.now_ms();
        let read = self.queue.begin_read(position, items.len());
        for item in items {
            self.queue.push(Item { read, ..item }, now_ms);
        }
    }

    fn answered(&mut self, answer: &Answer) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let now_ms = self.now_ms();
        self.queue.answered(answer.shard, answer.outcome, now_ms);
        self.since.sending_seconds += answer.seconds;
        if let Outcome::TryAgain { .. } = answer.outcome {
            return;
        }
        self.since.samples_out += (answer.counts.samples + answer.counts.histograms) as f64;
        self.newest_sent_ms = self.newest_sent_ms.max(answer.newest_ms);
        if self.newest_sent_ms > i64::MIN {
            self.shared.metrics.highest_sent.set(self.newest_sent_ms as f64 / 1000.0);
        }
    }

    fn reshard(&mut self, now_ms: i64) {
        let elapsed_ms = now_ms - self.resharded_ms;
        if elapsed_ms < reshard::INTERVAL_MS {
            return;
        }
        self.resharded_ms = now_ms;
        let mut since = std::mem::take(&mut self.since);
        if self.newest_sent_ms > i64::MIN {
            since.behind_seconds = (self.newest_in_ms - self.newest_sent_ms) as f64 / 1000.0;
        }
        let queue = &self.shared.remote.queue;
        let (min, max) = (queue.min_shards.max(1) as usize, queue.max_shards.max(1) as usize);
        let now = self.queue.shards();
        let (wanted, chosen) = self.resharder.judge(since, elapsed_ms as f64 / 1000.0, now, min, max);
        self.shared.metrics.shards_desired.set(wanted);
        // While nothing gets through, more requests at once would not help.
        if chosen != now && since.samples_out > 0.0 {
            tracing::info!(
                name = self.shared.remote.name,
                from = now,
                to = chosen,
                "changes the number of shards"
            );
            self.queue.want_shards(chosen);
        }
    }

    /// Learns what metrics are, and sends it where it is not part of the samples.
    fn refresh_metadata(&mut self, now_ms: i64) {
        let Shared { remote, deps, .. } = &*self.shared;
        if !remote.metadata.send {
            return;
        }
        let pause_ms = match self.shared.metadata.load().is_empty() {
            true => METADATA_PAUSE_MS,
            false => remote.metadata.send_interval_ms.max(1_000),
        };
        if self.metadata_ms.is_some_and(|at_ms| now_ms - at_ms < pause_ms) {
            return;
        }
        self.metadata_ms = Some(now_ms);
        let table: MetadataTable = (deps.metadata)().into_iter().collect();
        let is_first = self.shared.metadata.load().is_empty();
        self.shared.metadata.store(Arc::new(table));
        let is_due = is_first || now_ms - self.metadata_sent_ms >= remote.metadata.send_interval_ms;
        if self.shared.message() == WriteMessage::V1 && is_due && !self.shared.metadata.load().is_empty() {
            self.metadata_sent_ms = now_ms;
            let shared = self.shared.clone();
            tokio::spawn(async move { send_metadata(&shared).await });
        }
    }
}

fn read(mut follower: Follower, mut followed: Followed, commit: Option<LogPosition>, max: usize) -> Reading {
    if let Some(position) = commit
        && let Err(error) = follower.commit(position)
    {
        tracing::warn!(%error, "the position of what was sent cannot be written");
    }
    let more = follower.read(&mut followed, max);
    Reading { follower, followed, more }
}

/// Samples before this are not sent any more.
fn oldest_ms(remote: &Remote, now_ms: i64) -> i64 {
    match remote.queue.sample_age_limit_ms {
        0 => i64::MIN,
        limit_ms => now_ms.saturating_sub(limit_ms),
    }
}

/// The labels that a series is sent with; `None` if it is not sent.
fn sent_as(remote: &Remote, labels: &Labels) -> Option<Labels> {
    if remote.external_labels.is_empty() && remote.relabel.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = labels.to_builder();
    for (name, value) in &remote.external_labels {
        if builder.get(name).is_empty() {
            builder.set(name, value);
        }
    }
    if !relabel::apply(&remote.relabel, &mut builder) {
        return None;
    }
    let sent = builder.build();
    (!sent.is_empty()).then_some(sent)
}

/// Sends one request.
async fn send(shared: &Shared, batch: Batch) -> Answer {
    let Shared { remote, deps, metrics, metadata, .. } = shared;
    let message = shared.message();
    let from_ms = oldest_ms(remote, deps.clock.now_ms());
    let (body, counts) = encode::samples(&batch.items, message, &metadata.load(), from_ms);
    metrics.drop(Kind::Sample, "too_old", counts.too_old);
    metrics.drop(Kind::Histogram, "nhcb_in_rw1_not_supported", counts.not_in_v1);
    let newest_ms = batch.items.iter().map(|item| item.timestamp_ms).max().unwrap_or(i64::MIN);
    let mut answer =
        Answer { shard: batch.shard, outcome: Outcome::Refused, counts, seconds: 0.0, newest_ms };
    if counts.is_empty() {
        return answer;
    }
    metrics.bytes.add(body.len() as u64);
    metrics.samples.add(counts.samples);
    metrics.histograms.add(counts.histograms);
    metrics.exemplars.add(counts.exemplars);
    let started = deps.clock.mark();
    let response = exchange(remote, message, body, batch.attempt).await;
    answer.seconds = started.elapsed_seconds();
    metrics.sent_seconds.observe(answer.seconds);
    answer.outcome = judge(remote, &response, deps.clock.now_ms());
    if message == WriteMessage::V2 && is_other_version(&response) {
        answer.outcome = Outcome::TryAgain { after_ms: None };
        if !shared.only_v1.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                name = remote.name,
                url = remote.url,
                "the receiver does not take version 2.0 of remote write; it gets version 1.0 from now on: {}",
                reason(&response)
            );
        }
        return answer;
    }
    match answer.outcome {
        Outcome::Sent if message == WriteMessage::V2 => note_written(shared, &response, counts),
        Outcome::Sent => {}
        Outcome::Refused => {
            metrics.samples_failed.add(counts.samples);
            metrics.histograms_failed.add(counts.histograms);
            metrics.exemplars_failed.add(counts.exemplars);
            let held =
                if remote.failed_request_logging { format!("{:?}", batch.items) } else { String::new() };
            tracing::error!(
                name = remote.name,
                samples = counts.samples,
                histograms = counts.histograms,
                held,
                "a request was refused and is not sent again: {}",
                reason(&response)
            );
        }
        Outcome::TryAgain { .. } => {
            metrics.samples_retried.add(counts.samples);
            metrics.histograms_retried.add(counts.histograms);
            metrics.exemplars_retried.add(counts.exemplars);
            // The first failure is worth a line, and then every so often.
            if batch.attempt.is_power_of_two() || batch.attempt == 0 {
                tracing::warn!(
                    name = remote.name,
                    attempt = batch.attempt,
                    "sending failed and is tried again: {}",
                    reason(&response)
                );
            }
        }
    }
    answer
}

fn limits(remote: &Remote) -> Limits {
    let timeout = Duration::from_millis(remote.timeout_ms.max(1) as u64);
    Limits { timeout, body_size_max_bytes: ANSWER_MAX_BYTES }
}

/// One request and its answer. Signed each time: a signature holds for minutes only.
async fn exchange(
    remote: &Remote,
    message: WriteMessage,
    body: Vec<u8>,
    attempt: u32,
) -> Result<Response, ClientError> {
    let mut request = request(remote, message, body, attempt);
    if let Some(signer) = &remote.signer {
        let signing = tokio::time::timeout(limits(remote).timeout, signer.sign(&mut request)).await;
        match signing {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(ClientError::Network(error.to_string())),
            Err(_) => return Err(ClientError::Timeout),
        }
    }
    remote.client.send(request, limits(remote)).await
}

fn request(remote: &Remote, message: WriteMessage, body: Vec<u8>, attempt: u32) -> Request {
    let (content_type, version) = match message {
        WriteMessage::V1 => ("application/x-protobuf", "0.1.0"),
        WriteMessage::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    let mut request = Request::post(remote.url.clone(), content_type, body)
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", version);
    if attempt > 0 {
        request = request.header("retry-attempt", attempt.to_string());
    }
    for (name, value) in &remote.headers {
        request = request.header(name, value.clone());
    }
    request
}

/// Whether a receiver says that it does not take this version.
fn is_other_version(response: &Result<Response, ClientError>) -> bool {
    response.as_ref().is_ok_and(|response| response.status.as_u16() == 415)
}

fn judge(remote: &Remote, response: &Result<Response, ClientError>, now_ms: i64) -> Outcome {
    let Ok(response) = response else { return Outcome::TryAgain { after_ms: None } };
    let status = response.status.as_u16();
    match status {
        200..=299 => Outcome::Sent,
        500..=599 => Outcome::TryAgain { after_ms: retry_after_ms(response, now_ms) },
        429 if remote.queue.retry_on_http_429 => {
            Outcome::TryAgain { after_ms: retry_after_ms(response, now_ms) }
        }
        _ => Outcome::Refused,
    }
}

/// How long the receiver asks to wait: seconds, or until a time.
fn retry_after_ms(response: &Response, now_ms: i64) -> Option<i64> {
    let text = response.headers.get("retry-after")?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(i64::from(seconds) * 1000),
        Err(_) => http_date_ms(text).map(|at_ms| at_ms - now_ms),
    }
}

/// A time such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) in milliseconds since the epoch.
fn http_date_ms(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month_name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == month_name)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Days since the epoch of a civil date, counting years from March on.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn reason(response: &Result<Response, ClientError>) -> String {
    match response {
        Ok(response) => {
            let text = String::from_utf8_lossy(&response.body);
            let text: String = text.trim().chars().take(REASON_MAX_CHARS).collect();
            format!("the receiver answered {}: {text}", response.status)
        }
        Err(error) => error.to_string(),
    }
}

/// Compares what a receiver of version 2.0 says that it wrote with what was sent.
fn note_written(shared: &Shared, response: &Result<Response, ClientError>, counts: Counts) {
    let Shared { remote, metrics, .. } = shared;
    let Ok(response) = response else { return };
    let written = |what: &str| {
        let value = response.headers.get(format!("x-prometheus-remote-write-{what}-written"))?;
        value.to_str().ok()?.parse::<u64>().ok()
    };
    let of = [written("samples"), written("histograms"), written("exemplars")];
    if of.iter().all(Option::is_none) && counts.samples + counts.histograms > 0 {
        tracing::error!(
            name = remote.name,
            "the receiver does not say what it wrote, as version 2.0 demands; perhaps it takes version 1.0 only: \
             protobuf_message: prometheus.WriteRequest"
        );
    }
    for (sent, written, failed) in [
        (counts.samples, of[0], &metrics.samples_failed),
        (counts.histograms, of[1], &metrics.histograms_failed),
        (counts.exemplars, of[2], &metrics.exemplars_failed),
    ] {
        failed.add(sent.saturating_sub(written.unwrap_or(0)));
    }
}

/// Sends what metrics are, in version 1.0.
async fn send_metadata(shared: &Shared) {
    let Shared { remote, metrics, metadata, deps, .. } = shared;
    let table = metadata.load_full();
    let entries: Vec<(&String, &Metadata)> = table.iter().collect();
    for part in entries.chunks(remote.metadata.max_samples_per_send.max(1) as usize) {
        let body = encode::metadata(part);
        metrics.metadata_bytes.add(body.len() as u64);
        metrics.metadata.add(part.len() as u64);
        let response = exchange(remote, WriteMessage::V1, body, 0).await;
        if judge(remote, &response, deps.clock.now_ms()) != Outcome::Sent {
            metrics.metadata_failed.add(part.len() as u64);
            tracing::debug!(name = remote.name, "metadata was not taken: {}", reason(&response));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::http_date_ms;

    #[test]
    fn times_of_http_are_read() {
        assert_eq!(http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date_ms("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800_000));
        assert_eq!(http_date_ms("soon"), None);
    }
}
