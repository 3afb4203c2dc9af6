//! Sending on, to receivers that fail, throttle, hang and go away.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use base::Clock;
use exposition::registry::Registry;
use ingest::{MetadataSettings, QueueSettings, Remote, Sender, SenderDeps, WriteMessage};
use model::relabel::RelabelRule;
use model::storage::{MetricWriter, WriteBatch};
use model::{Exemplar, FloatHistogram, Labels, Metadata, MetricType};
use net::client::Client;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tsdb::{Db, Options};
use wire::remote::{Entry, Point, WriteRequest};

const PATIENCE: Duration = Duration::from_secs(60);
const START_MS: i64 = 1_700_006_400_000;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
enum Reply {
    Take,
    Status(u16, &'static str),
    Hang,
}

#[derive(Debug)]
struct Seen {
    headers: HeaderMap,
    body: Vec<u8>,
    taken: bool,
}

struct Receiver {
    replies: Mutex<Vec<Reply>>,
    seen: mpsc::Sender<Seen>,
}

async fn take(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let reply = {
        let mut replies = receiver.replies.lock();
        if replies.is_empty() { Reply::Take } else { replies.remove(0) }
    };
    let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let _ = receiver.seen.try_send(Seen { headers, body, taken: matches!(reply, Reply::Take) });
    match reply {
        Reply::Take => (
            StatusCode::NO_CONTENT,
            [
                ("x-prometheus-remote-write-samples-written", "1"),
                ("x-prometheus-remote-write-histograms-written", "0"),
            ],
        )
            .into_response(),
        Reply::Status(status, after) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", after)], "no").into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// Requests that a test may leave unread.
const REQUESTS_MAX: usize = 100_000;

/// A receiver and what it sees.
async fn serve(replies: Vec<Reply>) -> (String, mpsc::Receiver<Seen>) {
    let (seen, requests) = mpsc::channel(REQUESTS_MAX);
    let receiver = Arc::new(Receiver { replies: Mutex::new(replies), seen });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/write", listener.local_addr().unwrap());
    let app = Router::new().route("/write", post(take)).with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, requests)
}

fn remote(url: &str) -> Remote {
    Remote {
        name: "r".into(),
        url: url.into(),
        client: Client::new(&config::HttpClientConfig::default()).unwrap(),
        timeout_ms: 300,
        headers: vec![("x-scope".into(), "me".into())],
        external_labels: Labels::empty(),
        relabel: Vec::new(),
        send_exemplars: true,
        send_native_histograms: true,
        message: WriteMessage::V1,
        failed_request_logging: false,
        queue: QueueSettings {
            batch_send_deadline_ms: 20,
            min_backoff_ms: 5,
            max_backoff_ms: 20,
            ..QueueSettings::default()
        },
        metadata: MetadataSettings { send: false, ..MetadataSettings::default() },
        signer: None,
        generation: 0,
    }
}

fn open(dir: &std::path::Path) -> Arc<Db> {
    let options = Options { clock: Clock::manual(START_MS), ..Options::new(dir) };
    Arc::new(Db::open(options).unwrap().0)
}

fn sender(db: &Arc<Db>, registry: &Registry) -> Sender {
    Sender::new(SenderDeps {
        source: db.clone(),
        metadata: Arc::new(|| {
            let metadata = Metadata { metric_type: MetricType::Gauge, unit: "s".into(), help: "h".into() };
            vec![("m".to_string(), metadata)]
        }),
        registry: registry.clone(),
        clock: Clock::system(),
    })
}

fn labels(number: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_string()), ("n", number.to_string())])
}

/// Writes a sample of each of these series.
fn write(db: &Db, numbers: impl Iterator<Item = usize>, time_ms: i64) {
    let series: Vec<Labels> = numbers.map(labels).collect();
    let mut refs = Vec::new();
    db.resolve(&series, &mut refs).unwrap();
    let mut batch = WriteBatch::default();
    refs.into_iter().for_each(|series| batch.push(series, time_ms, time_ms as f64));
    db.append(&batch).unwrap();
}

/// The samples of a request of version 1.0: number of the series, time.
fn samples(body: &[u8]) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for entry in WriteRequest::new(body) {
        let Entry::Series(series) = entry.unwrap() else { continue };
        let labels: Vec<_> = series.labels().map(Result::unwrap).collect();
        let number = labels.iter().find(|(name, _)| *name == "n").map_or("", |(_, value)| *value);
        for point in series.points() {
            if let Point::Sample { timestamp_ms, .. } = point.unwrap() {
                all.push((number.to_string(), timestamp_ms));
            }
        }
    }
    all
}

async fn next(requests: &mut mpsc::Receiver<Seen>) -> Seen {
    tokio::time::timeout(PATIENCE, requests.recv()).await.expect("a request in time").unwrap()
}

/// What was taken until there are so many samples.
async fn taken(requests: &mut mpsc::Receiver<Seen>, count: usize) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    while all.len() < count {
        let seen = next(requests).await;
        if seen.taken {
            all.extend(samples(&seen.body));
        }
    }
    all
}

fn metrics(registry: &Registry) -> String {
    let mut out = Vec::new();
    registry.collect(&mut exposition::TextWriter::new(&mut out));
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_throttling_and_silence_lose_nothing_and_keep_the_order() {
    let replies = vec![
        Reply::Status(500, ""),
        Reply::Status(503, "0"),
        Reply::Hang,
        Reply::Take,
        Reply::Status(429, "0"),
        Reply::Status(502, "soon"),
    ];
    let (url, mut requests) = serve(replies).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    let mut remote = remote(&url);
    remote.queue.retry_on_http_429 = true;
    sender.apply(vec![remote], &[]).await;
    for step in 0..5 {
        write(&db, 0..100, START_MS + step);
    }
    let first = next(&mut requests).await;
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("x-scope", "me"),
    ] {
        assert_eq!(first.headers[name], value);
    }
    assert!(first.headers["user-agent"].to_str().unwrap().starts_with("Promontory/"));
    assert_eq!(next(&mut requests).await.headers["retry-attempt"], "1");
    let mut all = taken(&mut requests, 500).await;
    for number in 0..100 {
        let times: Vec<i64> = all.iter().filter(|(n, _)| *n == number.to_string()).map(|(_, t)| *t).collect();
        assert_eq!(times, (0..5).map(|step| START_MS + step).collect::<Vec<_>>());
    }
    all.dedup();
    assert_eq!(all.len(), 500);
    sender.stop(PATIENCE).await;
    let metrics = metrics(&registry);
    assert!(
        metrics.contains("prometheus_remote_storage_samples_failed_total{remote_name=\"r\",url=\""),
        "{metrics}"
    );
    let value = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")))
            .unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("prometheus_remote_storage_samples_failed_total"), 0.0);
    assert!(value("prometheus_remote_storage_samples_retried_total") >= 100.0);
    assert_eq!(
        value("prometheus_remote_storage_queue_highest_sent_timestamp_seconds"),
        (START_MS + 4) as f64 / 1e3
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_receiver_refuses_is_not_sent_again_and_the_rest_goes_on() {
    let (url, mut requests) = serve(vec![Reply::Status(400, ""), Reply::Status(429, "")]).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    sender.apply(vec![remote(&url)], &[]).await;
    for step in 0..3 {
        write(&db, 0..1, START_MS + step);
        let seen = next(&mut requests).await;
        assert_eq!(samples(&seen.body), [("0".to_string(), START_MS + step)]);
    }
    sender.stop(PATIENCE).await;
    assert!(
        metrics(&registry).contains(&format!("samples_failed_total{{remote_name=\"r\",url=\"{url}\"}} 2"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_away_gets_everything_even_after_a_restart_of_the_sender() {
    // An address where nobody listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/write", listener.local_addr().unwrap());
    drop(listener);
    let dir = tempfile::tempdir().unwrap();
    {
        let db = open(dir.path());
        write(&db, 0..10, START_MS);
        let sender = sender(&db, &Registry::new());
        sender.apply(vec![remote(&nowhere)], &[]).await;
        for step in 1..20 {
            write(&db, 0..10, START_MS + step);
        }
        sender.stop(PATIENCE).await;
        write(&db, 0..10, START_MS + 20);
        db.close().unwrap();
    }
    let (url, mut requests) = serve(Vec::new()).await;
    let db = open(dir.path());
    let sender = sender(&db, &Registry::new());
    sender.apply(vec![Remote { generation: 1, ..remote(&url) }], &[]).await;
    write(&db, 0..10, START_MS + 21);
    let mut all = taken(&mut requests, 210).await;
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 210, "all but what was there before the receiver was named");
    assert!(all.iter().all(|(_, time_ms)| *time_ms > START_MS));
    sender.stop(PATIENCE).await;
    // What was answered is not sent again.
    let again = self::sender(&db, &Registry::new());
    again.apply(vec![remote(&url)], &[]).await;
    write(&db, 0..1, START_MS + 22);
    assert_eq!(taken(&mut requests, 1).await, [("0".to_string(), START_MS + 22)]);
    again.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_are_relabelled_and_external_labels_and_metadata_go_with_them() {
    let (url, mut requests) = serve(Vec::new()).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    let node = config::Node::parse("[{source_labels: [n], regex: '1', action: drop}]").unwrap();
    let relabel: Vec<RelabelRule> = config::relabel::rules(&node, "rule").unwrap();
    let external_labels = Labels::from_pairs([("cluster", "c"), ("n", "not this")]);
    let metadata = MetadataSettings { send: true, ..MetadataSettings::default() };
    sender.apply(vec![Remote { relabel, external_labels, metadata, ..remote(&url) }], &[]).await;
    write(&db, 0..3, START_MS);
    let (mut series, mut described) = (Vec::new(), Vec::new());
    while series.len() < 2 || described.is_empty() {
        for entry in WriteRequest::new(&next(&mut requests).await.body) {
            match entry.unwrap() {
                Entry::Series(one) => {
                    series.push(Labels::from_pairs(one.labels().map(Result::unwrap)).to_string())
                }
                Entry::Metadata(one) => described.push((one.family.to_string(), one.metric_type)),
            }
        }
    }
    assert_eq!(series, [r#"{__name__="m", cluster="c", n="0"}"#, r#"{__name__="m", cluster="c", n="2"}"#]);
    assert_eq!(described, [("m".to_string(), MetricType::Gauge)]);
    sender.stop(PATIENCE).await;
    let metrics = metrics(&registry);
    assert!(metrics.contains("reason=\"dropped_series\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_2_carries_histograms_exemplars_and_metadata_with_their_series() {
    let (url, mut requests) = serve(Vec::new()).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    let metadata = MetadataSettings { send: true, ..MetadataSettings::default() };
    sender.apply(vec![Remote { message: WriteMessage::V2, metadata, ..remote(&url) }], &[]).await;
    let mut refs = Vec::new();
    db.resolve(&[labels(2), labels(3)], &mut refs).unwrap();
    let histogram = FloatHistogram { count: 2.0, sum: 1.0, zero_count: 2.0, ..FloatHistogram::default() };
    let exemplar = Exemplar {
        labels: Labels::from_pairs([("trace_id", "t")]),
        value: 0.5,
        timestamp_ms: super::NOW_MS,
        timestamp_given: true,
    };
    let mut batch = WriteBatch {
        histograms: vec![(refs[1], super::NOW_MS, Arc::new(histogram.clone()))],
        exemplars: vec![(refs[0], exemplar)],
        ..WriteBatch::default()
    };
    batch.push(refs[0], super::NOW_MS, 1.5);
    db.append(&batch).unwrap();
    let seen = next(&mut requests).await;
    assert_eq!(seen.headers["content-type"], "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    assert_eq!(seen.headers["x-prometheus-remote-write-version"], "2.0.0");
    // Read by our own receiver.
    let (app, store) = super::receiver(ingest::Config::default());
    let request = super::post(super::snappy(&seen.body));
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("content-type", seen.headers["content-type"].clone());
    let answer = super::answer(&app, axum::http::Request::from_parts(parts, body)).await;
    assert_eq!(answer, (204, String::new()));
    {
        let state = store.0.lock();
        assert_eq!((state.samples.as_slice(), state.values[0].0), (&[(2, super::NOW_MS)][..], 1.5));
        assert_eq!(state.histograms[0].2, histogram);
        assert_eq!(state.exemplars[0].1.labels, Labels::from_pairs([("trace_id", "t")]));
        assert_eq!(state.metadata[0].1.metric_type, MetricType::Gauge);
    }
    sender.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_take_version_2_gets_version_1_and_loses_nothing() {
    let (url, mut requests) = serve(vec![Reply::Status(415, "")]).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    sender.apply(vec![Remote { message: WriteMessage::V2, ..remote(&url) }], &[]).await;
    for step in 0..2 {
        write(&db, 0..1, START_MS + step);
        if step == 0 {
            assert_eq!(next(&mut requests).await.headers["x-prometheus-remote-write-version"], "2.0.0");
        }
        let seen = next(&mut requests).await;
        assert_eq!(seen.headers["x-prometheus-remote-write-version"], "0.1.0");
        assert_eq!(samples(&seen.body), [("0".to_string(), START_MS + step)]);
    }
    sender.stop(PATIENCE).await;
    assert!(
        metrics(&registry).contains(&format!("samples_failed_total{{remote_name=\"r\",url=\"{url}\"}} 0"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_that_are_older_than_wanted_are_left_out() {
    let (url, mut requests) = serve(Vec::new()).await;
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let db = open(dir.path());
    let sender = sender(&db, &registry);
    let mut remote = remote(&url);
    // The clock of the sender is the system's, years later.
    remote.queue.sample_age_limit_ms = 3_600_000;
    sender.apply(vec![remote], &[]).await;
    write(&db, 0..5, START_MS);
    let now_ms = Clock::system().now_ms();
    write(&db, 0..1, now_ms);
    assert_eq!(samples(&next(&mut requests).await.body), [("0".to_string(), now_ms)]);
    sender.stop(PATIENCE).await;
    assert!(metrics(&registry).contains("reason=\"too_old\"} 5"));
}
