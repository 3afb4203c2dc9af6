//! Reading what other servers have.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base::Clock;
use exposition::Registry;
use model::storage::{ByteLimit, MetricReader, Select, StorageError, TimeRange};
use model::{LabelTable, Labels, MatchOp, Matcher, Samples};
use net::client::Client;
use promql::memory::{Memory, Point};
use query::conformance::fixture::{self, NOW_MS};
use query::remotes::{Remote, Remotes};
use testkit::http::{Reply, Server};
use wire::read::ReadRequest;

use crate::ask::{posted, send};

const MINUTE: TimeRange = TimeRange { start_ms: NOW_MS - 60_000, end_ms: NOW_MS };

/// The small world as another server on a port of its own; its external label is `cluster="test"`.
async fn world(config: query::Config) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router: Router = query::router(config, fixture::deps());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/api/v1/read")
}

fn remote(url: &str) -> Remote {
    Remote {
        name: "central".into(),
        url: url.into(),
        client: Client::new(&Default::default()).unwrap(),
        timeout: Duration::from_secs(10),
        headers: Vec::new(),
        frame_max_bytes: 50_000_000,
        read_recent: true,
        required: Labels::empty(),
        external: Labels::from_pairs([("cluster", "test")]),
    }
}

/// A local store with these samples of `up{job="prometheus", instance="localhost:9090"}` and of `here`.
fn local(times_ms: &[i64]) -> Arc<Memory> {
    let mut memory = Memory::new();
    let up = Labels::from_pairs([("__name__", "up"), ("instance", "localhost:9090"), ("job", "prometheus")]);
    for time_ms in times_ms {
        memory.append(&up, *time_ms, 0, Point::Float(1.0));
        memory.append(&Labels::from_pairs([("__name__", "here")]), *time_ms, 0, Point::Float(2.0));
    }
    Arc::new(memory)
}

fn reading(local: Arc<Memory>, remotes: Vec<Remote>) -> Remotes {
    let reader = Remotes::new(local, || NOW_MS - 30_000, &Registry::new(), &Clock::system());
    reader.apply(remotes);
    reader
}

type Found = Vec<(String, Vec<i64>)>;

/// What a selector finds in the last minute: series with how long ago their samples are, and warnings.
async fn select(reader: Remotes, matchers: Vec<Matcher>) -> (Found, Vec<String>) {
    let found = tokio::task::spawn_blocking(move || {
        let mut table = LabelTable::new();
        let selection = reader.select(&Select::new(MINUTE, &matchers), &mut table).unwrap();
        let mut found: Found = Vec::new();
        for (at, set) in selection.sets.iter().enumerate() {
            let mut samples = Samples::default();
            selection.samples.read(at, &mut samples).unwrap();
            assert!(selection.samples.sample_count_max(at) >= samples.len() as u64);
            let ago = samples.timestamps_ms.iter().map(|time_ms| NOW_MS - time_ms).collect();
            found.push((table.labels(*set).to_string(), ago));
        }
        found.sort();
        (found, selection.warnings)
    });
    found.await.unwrap()
}

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_series_become_one_and_others_are_added() {
    let url = world(query::Config::default()).await;
    // Between the samples that the other server has, and one at the same time as it.
    let reader = reading(local(&[NOW_MS - 20_000, NOW_MS - 15_000]), vec![remote(&url)]);
    let (found, warnings) = select(reader, named("up")).await;
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].1, [60_000, 45_000, 30_000, 20_000, 15_000, 0]);
    assert!(found.iter().all(|(labels, _)| !labels.contains("cluster")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_and_series_over_many_frames_arrive_whole() {
    let url = world(query::Config { read_frame_max_bytes: 1, ..Default::default() }).await;
    let reader = reading(local(&[]), vec![remote(&url)]);
    let (found, _) = select(reader, named("http_request_duration_seconds")).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, [60_000, 45_000, 30_000, 15_000, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_times_before_the_local_stores_are_asked_for() {
    let url = world(query::Config::default()).await;
    let older = || Remote { read_recent: false, ..remote(&url) };
    let (found, _) = select(reading(local(&[]), vec![older()]), named("up")).await;
    assert_eq!(found[0].1, [60_000, 45_000, 30_000]);
    // The local store has all of it: nobody is asked, not even one who is away.
    let away = Remote { read_recent: false, ..remote("http://127.0.0.1:1/") };
    let reader = Remotes::new(local(&[NOW_MS]), || NOW_MS - 61_000, &Registry::new(), &Clock::system());
    reader.apply(vec![away]);
    assert_eq!(select(reader, named("here")).await.1, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn external_labels_are_asked_for_unless_the_query_names_them() {
    let server = Server::start(|_| Reply::new(200, "").header("content-type", "application/json")).await;
    let asked = |external: Labels, matchers: Vec<Matcher>| {
        let before = server.requests().len();
        let reader = reading(local(&[]), vec![Remote { external, ..remote(&server.url()) }]);
        let server = &server;
        async move {
            let (_, warnings) = select(reader, matchers).await;
            assert_eq!(warnings, ["remote_read: unsupported content type: application/json"]);
            let request = &server.requests()[before];
            assert_eq!(request.header("x-prometheus-remote-read-version"), "0.1.0");
            let body = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
            let query = ReadRequest::decode(&body).unwrap().queries.remove(0);
            query.matchers.iter().map(|m| format!("{} {} {}", m.name, m.kind, m.value)).collect::<Vec<_>>()
        }
    };
    let external = || Labels::from_pairs([("cluster", "test")]);
    assert_eq!(asked(external(), named("up")).await, ["__name__ 0 up", "cluster 0 test"]);
    let other = Matcher::new(MatchOp::Regex, "cluster", "a|b").unwrap();
    assert_eq!(asked(external(), vec![other]).await, ["cluster 2 a|b"]);
    assert_eq!(asked(Labels::empty(), named("up")).await, ["__name__ 0 up"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_required_matchers_is_asked_if_all_are_there() {
    let url = world(query::Config::default()).await;
    let wanted = Remote { required: Labels::from_pairs([("job", "prometheus")]), ..remote(&url) };
    let (found, _) = select(reading(local(&[]), vec![wanted.clone()]), named("up")).await;
    assert_eq!(found, []);
    let with_job = [named("up"), vec![Matcher::equal("job", "prometheus")]].concat();
    let (found, _) = select(reading(local(&[]), vec![wanted]), with_job).await;
    assert_eq!(found.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_adds_a_warning_and_hides_nothing() {
    let refusing = Server::start(|_| Reply::new(503, "not now\n")).await;
    let broken = Server::start(|_| {
        let streamed = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
        Reply::new(200, vec![5u8, 0, 0, 0, 0, 1]).header("content-type", streamed)
    })
    .await;
    let fine = world(query::Config::default()).await;
    let urls = [refusing.url(), broken.url(), "http://who:secret@127.0.0.1:1/read".into(), fine];
    let reader = reading(local(&[NOW_MS]), urls.iter().map(|url| remote(url)).collect());
    let (found, warnings) = select(reader, named("up")).await;
    assert_eq!(found.len(), 2);
    assert_eq!(warnings.len(), 3);
    let status = "returned http status 503 Service Unavailable: not now";
    assert_eq!(warnings[0], format!("remote_read: remote server {} {status}", refusing.url()));
    assert_eq!(warnings[1], "remote_read: error reading response: unexpected EOF");
    let start = r#"remote_read: error sending request: Post "http://who:xxxxx@127.0.0.1:1/read": "#;
    assert!(warnings[2].starts_with(start), "{}", warnings[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_was_changed_on_its_way_is_not_believed() {
    let server = Server::start(|_| {
        let streamed = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
        Reply::new(200, vec![1u8, 0, 0, 0, 0, 1]).header("content-type", streamed)
    })
    .await;
    let (found, warnings) = select(reading(local(&[]), vec![remote(&server.url())]), named("up")).await;
    assert_eq!(found, []);
    assert_eq!(warnings, ["remote_read: error reading response: a frame's checksum does not match"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_counts_against_the_memory_of_the_query() {
    let url = world(query::Config::default()).await;
    let reader = reading(local(&[]), vec![remote(&url)]);
    let refused = tokio::task::spawn_blocking(move || {
        let meter = ByteLimit::new(100);
        let matchers = named("up");
        let request = Select { meter: &meter, ..Select::new(MINUTE, &matchers) };
        reader.select(&request, &mut LabelTable::new()).err()
    });
    assert!(matches!(refused.await.unwrap(), Some(StorageError::Refused)));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_series_show_the_warning_and_federation_asks_nobody() {
    let api = || {
        let away = remote("http://127.0.0.1:1/read");
        let reader = Remotes::new(fixture::deps().local, || NOW_MS, &Registry::new(), &Clock::system());
        reader.apply(vec![away]);
        query::router(Default::default(), query::Deps { reader: Arc::new(reader), ..fixture::deps() })
    };
    for (path, form) in [("query", "query=up+%2B+up"), ("query_range", "query=up&start=1&end=60&step=15")] {
        let answer = send(api(), posted(path, form)).await.json();
        assert_eq!(answer["status"], "success", "{answer}");
        let warnings = answer["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{answer}");
        assert!(
            warnings[0].as_str().unwrap().starts_with("remote_read: error sending request: "),
            "{answer}"
        );
    }
    let answer = send(api(), posted("series", "match[]=up")).await.json();
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1, "{answer}");
    let federate = axum::http::Request::get("/federate?match[]=up").body(axum::body::Body::empty()).unwrap();
    let page = send(api(), federate).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("up{"), "{}", page.text);
}
