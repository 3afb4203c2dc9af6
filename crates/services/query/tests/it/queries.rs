//! Queries: their results, their tree, and how they wait and end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use base::Clock;
use http_body_util::BodyExt;
use model::storage::{MetricReader, Select, SelectedSamples, Selection, StorageError, TimeRange};
use model::{LabelTable, Labels, Matcher, Samples};
use query::conformance::fixture::{self, NOW_MS};
use query::{Config, Deps, router};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::ask::{get, send};

#[tokio::test]
async fn results_have_the_shape_of_their_type() {
    let now = NOW_MS / 1000;
    let prometheus = json!({ "__name__": "up", "instance": "localhost:9090", "job": "prometheus" });
    for (query, data) in [
        ("scalar(vector(42))", json!({ "resultType": "scalar", "result": [now, "42"] })),
        ("%22a%22", json!({ "resultType": "string", "result": [now, "a"] })),
        (
            "up%7Binstance=%22localhost:9090%22%7D",
            json!({ "resultType": "vector", "result": [{ "metric": prometheus, "value": [now, "1"] }] }),
        ),
        ("nothing", json!({ "resultType": "vector", "result": [] })),
        (
            "up%7Binstance=%22localhost:9090%22%7D[20s]",
            json!({ "resultType": "matrix", "result": [
                { "metric": prometheus, "values": [[now - 15, "1"], [now, "1"]] },
            ] }),
        ),
        (
            "http_request_duration_seconds",
            json!({ "resultType": "vector", "result": [{
                "metric": {
                    "__name__": "http_request_duration_seconds",
                    "instance": "localhost:9090",
                    "job": "prometheus",
                },
                "histogram": [now, { "count": "2880", "sum": "2160", "buckets": [
                    [1, "-1", "-0.5", "480"],
                    [3, "-0.001", "0.001", "480"],
                    [0, "0.5", "1", "1440"],
                    [0, "1", "2", "480"],
                ] }],
            }] }),
        ),
    ] {
        assert_eq!(get(&format!("query?query={query}")).await.data(), data, "{query}");
    }
}

#[tokio::test]
async fn times_are_taken_in_all_their_forms() {
    for (time, shown) in [
        ("1767361020.5", json!(1_767_361_020.5)),
        ("2026-01-02T13:37:00Z", json!(1_767_361_020)),
        ("2026-01-02T14:37:00.25%2B01:00", json!(1_767_361_020.25)),
        ("1.76736102e9", json!(1_767_361_020)),
        ("", json!(NOW_MS / 1000)),
    ] {
        assert_eq!(get(&format!("query?query=1&time={time}")).await.data()["result"][0], shown, "{time}");
    }
}

#[tokio::test]
async fn a_range_has_a_point_at_every_step() {
    let data = get("query_range?query=time()&start=100&end=130&step=15").await.data();
    let points = json!([[100, "100"], [115, "115"], [130, "130"]]);
    assert_eq!(data, json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": points }] }));
    let most = get("query_range?query=1&start=0&end=11000&step=1s").await.data();
    assert_eq!(most["result"][0]["values"].as_array().unwrap().len(), 11_001);
}

#[tokio::test]
async fn a_limit_cuts_and_says_so() {
    let warning = json!(["results truncated due to limit"]);
    for (path, length, warned) in [
        ("query?query=up&limit=1", 1, true),
        ("query?query=up&limit=2", 2, false),
        ("query?query=up&limit=0", 2, false),
        ("query_range?query=up&start=1767361000&end=1767361020&step=5&limit=1", 1, true),
    ] {
        let body = get(path).await.json();
        assert_eq!(body["data"]["result"].as_array().unwrap().len(), length, "{path}");
        assert_eq!(body["warnings"], if warned { warning.clone() } else { Value::Null }, "{path}");
    }
}

#[tokio::test]
async fn statistics_come_when_asked_for() {
    assert_eq!(get("query?query=up").await.data()["stats"], Value::Null);
    let stats = get("query?query=up&stats=true").await.data()["stats"].clone();
    assert_eq!(stats["samples"]["totalQueryableSamples"], 2);
    assert_eq!(stats["samples"]["totalQueryableSamplesPerStep"], Value::Null);
    assert!(stats["timings"]["execTotalTime"].is_number() && stats["samples"]["samplesRead"].is_number());
    let stats = get("query_range?query=up&start=1767361000&end=1767361020&step=10&stats=all").await.data();
    assert_eq!(
        stats["stats"]["samples"]["totalQueryableSamplesPerStep"],
        json!([[1_767_361_000, 2], [1_767_361_010, 2], [1_767_361_020, 2]])
    );
    let end = "start=1767361000&end=1767361020&step=10&stats=all";
    let stats = get(&format!("query_range?query=count_over_time(up[1d])&{end}")).await.data();
    let read = stats["stats"]["samples"]["samplesReadPerStep"].as_array().unwrap();
    assert_eq!((read.len(), &read[0][0], &read[1]), (3, &json!(1_767_361_000), &json!([1_767_361_010, 2])));
    assert_eq!(
        get("query?query=up&stats=yes").await.json()["warnings"],
        json!([
            "value \"yes\" for parameter \"stats\" is deprecated and will be rejected in the next major \
             release, use \"true\" or \"all\""
        ])
    );
}

#[tokio::test]
async fn a_lookback_reaches_as_far_as_asked() {
    let at = NOW_MS / 1000 + 60;
    let count = async |lookback: &str| {
        let answer = get(&format!("query?query=up&time={at}&lookback_delta={lookback}")).await;
        answer.data()["result"].as_array().unwrap().len()
    };
    assert_eq!((count("").await, count("30s").await, count("90").await), (2, 0, 2));
}

#[tokio::test]
async fn expressions_are_formatted() {
    let formatted = get("format_query?query=sum(rate(a[5m]))by(job)").await.data();
    assert_eq!(formatted, "sum by (job) (rate(a[5m]))");
}

#[tokio::test]
async fn expressions_are_taken_apart() {
    let selector = |name: &str, offset: i64| {
        json!({
            "type": "vectorSelector", "name": name, "offset": offset, "offsetExpr": null, "timestamp": null,
            "startOrEnd": null, "anchored": false, "smoothed": false,
            "matchers": [{ "name": "__name__", "value": name, "type": "=" }],
        })
    };
    for (query, tree) in [
        ("1.5", json!({ "type": "numberLiteral", "val": "1.5" })),
        ("%22a%22", json!({ "type": "stringLiteral", "val": "a" })),
        ("a offset 5m", selector("a", 300_000)),
        (
            "-(a)",
            json!({
                "type": "unaryExpr", "op": "-", "expr": { "type": "parenExpr", "expr": selector("a", 0) },
            }),
        ),
        (
            "a * on(x) group_left(y) b",
            json!({
                "type": "binaryExpr", "op": "*", "lhs": selector("a", 0), "rhs": selector("b", 0), "bool": false,
                "matching": {
                    "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
                    "fillValues": { "lhs": null, "rhs": null },
                },
            }),
        ),
        (
            "1 == bool 2",
            json!({
                "type": "binaryExpr", "op": "==", "bool": true, "matching": null,
                "lhs": { "type": "numberLiteral", "val": "1" }, "rhs": { "type": "numberLiteral", "val": "2" },
            }),
        ),
        (
            "topk without(x) (3, a)",
            json!({
                "type": "aggregation", "op": "topk", "expr": selector("a", 0), "grouping": ["x"], "without": true,
                "param": { "type": "numberLiteral", "val": "3" },
            }),
        ),
        (
            "rate(a%7Bb!=%22c%22%7D[5m] @ 10)",
            json!({
                "type": "call",
                "func": { "name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector" },
                "args": [{
                    "type": "matrixSelector", "name": "a", "range": 300_000, "rangeExpr": null, "offset": 0,
                    "offsetExpr": null, "timestamp": 10_000, "startOrEnd": null, "anchored": false,
                    "smoothed": false, "matchers": [
                        { "name": "b", "value": "c", "type": "!=" },
                        { "name": "__name__", "value": "a", "type": "=" },
                    ],
                }],
            }),
        ),
        (
            "a[1h:5m] @ end()",
            json!({
                "type": "subquery", "expr": selector("a", 0), "range": 3_600_000, "rangeExpr": null, "step": 300_000,
                "stepExpr": null, "offset": 0, "offsetExpr": null, "timestamp": null, "startOrEnd": "end",
            }),
        ),
    ] {
        let uri = format!("parse_query?query={}", query.replace(' ', "+"));
        assert_eq!(get(&uri).await.data(), tree, "{query}");
    }
}

#[tokio::test]
async fn calculated_durations_are_taken_apart() {
    let mut deps = fixture::deps();
    deps.features.duration_expressions = true;
    let uri = "/api/v1/parse_query?query=a[(5m-step())]";
    let answer = send(router(Config::default(), deps), Request::get(uri).body(Body::empty()).unwrap()).await;
    let data = answer.data();
    assert_eq!(data["range"], 0);
    assert_eq!(
        data["rangeExpr"],
        json!({
            "type": "durationExpr", "op": "-", "wrapped": true,
            "lhs": { "type": "numberLiteral", "val": "300", "duration": true },
            "rhs": { "type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false },
        })
    );
}

#[tokio::test]
async fn the_longest_expressions_are_taken_apart() {
    let row = ["1"; 1_000].join("%2B");
    assert_eq!(get(&format!("parse_query?query={row}")).await.status, 200);
    assert_eq!(get(&format!("format_query?query={row}")).await.status, 200);
}

#[tokio::test]
async fn an_expression_without_series_has_no_exemplars_to_tell() {
    assert_eq!(get("query_exemplars?query=1").await.status, 204);
}

/// A store whose series are read only when the test allows it.
pub(crate) struct Gate {
    reading: mpsc::SyncSender<()>,
    go_on: parking::Gate,
    reads: AtomicUsize,
}

impl Gate {
    /// Lets all readers go on.
    pub(crate) fn open(&self) {
        self.go_on.open();
    }
}

/// A door that a thread waits at.
mod parking {
    use std::sync::{Condvar, Mutex};

    #[derive(Default)]
    pub(super) struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        pub(super) fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }

        pub(super) fn pass(&self) {
            let open = self.0.lock().unwrap();
            drop(self.1.wait_while(open, |open| !*open).unwrap());
        }
    }
}

struct GatedSamples(Arc<Gate>);

impl SelectedSamples for GatedSamples {
    fn sample_count_max(&self, _: usize) -> u64 {
        1
    }

    fn sample_count_estimate(&self) -> u64 {
        1_000
    }

    fn read(&self, _: usize, into: &mut Samples) -> Result<(), StorageError> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        // Only the first one is waited for.
        let _ = self.0.reading.try_send(());
        self.0.go_on.pass();
        into.push(NOW_MS, 1.0);
        Ok(())
    }
}

struct Gated(Arc<Gate>);

impl MetricReader for Gated {
    fn select(&self, _: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        let mut series =
            |at: usize| labels.insert(&Labels::from_pairs([("__name__", "a"), ("at", &at.to_string())]));
        let sets = (0..1_000).map(&mut series).collect();
        Ok(Selection::new(sets, Box::new(GatedSamples(self.0.clone()))))
    }

    fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
}

/// The API over a gated store, with room for one query.
pub(crate) fn gated() -> (Router, Arc<Gate>, mpsc::Receiver<()>) {
    let (reading, is_reading) = mpsc::sync_channel(1);
    let gate = Arc::new(Gate { reading, go_on: parking::Gate::default(), reads: AtomicUsize::new(0) });
    let reader = Arc::new(Gated(gate.clone()));
    let deps = Deps { reader, clock: Clock::manual(NOW_MS), ..fixture::deps() };
    let config = Config { concurrency_max: 1, ..Config::default() };
    (router(config, deps), gate, is_reading)
}

/// Waits until the first series is being read.
pub(crate) async fn reads(is_reading: mpsc::Receiver<()>) -> mpsc::Receiver<()> {
    let wait = move || {
        is_reading.recv().unwrap();
        is_reading
    };
    tokio::task::spawn_blocking(wait).await.unwrap()
}

pub(crate) fn query(text: &str) -> Request<Body> {
    Request::get(format!("/api/v1/query?query={text}")).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_when_its_client_leaves_and_its_slot_is_free_then() {
    let (router, gate, is_reading) = gated();
    let asked = tokio::spawn(router.clone().oneshot(query("a")));
    let is_reading = reads(is_reading).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    // The slot is still taken: the thread reads on until it looks.
    let early = send(router.clone(), query("1&timeout=1ms")).await;
    assert_eq!((early.status, early.error().as_str()), (503, "timeout: query timed out in query queue"));
    gate.go_on.open();
    assert_eq!(send(router, query("1")).await.status, 200);
    assert!(gate.reads.load(Ordering::SeqCst) < 1_000, "the query read everything");
    drop(is_reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_waits_too_long_for_its_turn_is_told() {
    let (router, gate, is_reading) = gated();
    let first = tokio::spawn(send(router.clone(), query("count(a)")));
    let is_reading = reads(is_reading).await;
    let second = send(router, query("1&timeout=1ms")).await;
    assert_eq!((second.status, second.error().as_str()), (503, "timeout: query timed out in query queue"));
    gate.go_on.open();
    assert_eq!(first.await.unwrap().data()["result"][0]["value"][1], "1000");
    drop(is_reading);
}

#[tokio::test]
async fn a_query_without_time_times_out() {
    let deps = fixture::deps();
    let config = Config { timeout: std::time::Duration::ZERO, ..Config::default() };
    let answer = send(router(config, deps), query("sum(up)")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "timeout: query timed out in query execution");
}

/// A thousand series with a sample a second, of which the 900th cannot be read.
struct BrokenAtTheEnd;

impl SelectedSamples for BrokenAtTheEnd {
    fn sample_count_max(&self, _: usize) -> u64 {
        300
    }

    fn sample_count_estimate(&self) -> u64 {
        300_000
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        if at == 900 {
            return Err(StorageError::Refused);
        }
        (0..300).for_each(|second| into.push(NOW_MS + second * 1_000, 0.1 * second as f64));
        Ok(())
    }
}

impl MetricReader for BrokenAtTheEnd {
    fn select(&self, _: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        let mut series =
            |at: usize| labels.insert(&Labels::from_pairs([("__name__", "a"), ("at", &format!("{at:03}"))]));
        Ok(Selection::new((0..1_000).map(&mut series).collect(), Box::new(BrokenAtTheEnd)))
    }

    fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_begins_before_its_end_is_computed_and_breaks_off_if_that_fails() {
    let deps = || Deps { reader: Arc::new(BrokenAtTheEnd), clock: Clock::manual(NOW_MS), ..fixture::deps() };
    let (start, end) = (NOW_MS / 1000, NOW_MS / 1000 + 299);
    let ask = |expression: &str| {
        let path = format!("/api/v1/query_range?query={expression}&start={start}&end={end}&step=1");
        let request = Request::get(path).body(Body::empty()).unwrap();
        router(Config::default(), deps()).oneshot(request)
    };
    let answer = ask("a%2B1").await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(
        br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"at":"000"}"#
    ));
    assert!(body.collect().await.is_err(), "the answer looks whole");
    // What is not handed on piece by piece fails before it begins.
    assert_eq!(ask("sum(a)").await.unwrap().status(), 422);
    // A limit cuts, and what is beyond it still has to be readable.
    assert_eq!(ask("a&limit=2").await.unwrap().status(), 422);
}
