//! What other servers ask: remote read and federation.

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use query::conformance::fixture::{self, NOW_MS};
use query::{Config, router};
use tower::ServiceExt;
use wire::read::{ReadMatcher, ReadQuery, ReadRequest};
use wire::remote::{Entry, Point, WriteRequest};
use wire::{Reader, Value};

use crate::ask::send;

/// Asks for series by matchers (kind, name, value) over the last minute.
fn request(matchers: &[(u64, &str, &str)], accepted: &[u64]) -> Request<Body> {
    let matchers = matchers.iter().map(|&(kind, name, value)| ReadMatcher { kind, name, value }).collect();
    let query = ReadQuery { start_ms: NOW_MS - 60_000, end_ms: NOW_MS, matchers };
    let mut body = Vec::new();
    ReadRequest { queries: vec![query], accepted: accepted.to_vec() }.encode(&mut body);
    let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    Request::post("/api/v1/read").body(Body::from(body)).unwrap()
}

async fn bytes(config: Config, request: Request<Body>) -> (String, Vec<u8>) {
    let answer = router(config, fixture::deps()).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let content_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_string();
    (content_type, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

/// `name{...}` of each series and its samples, floats only.
fn series(result: &[u8]) -> Vec<(String, Vec<(i64, f64)>)> {
    let entries = WriteRequest::new(result).map(|entry| {
        let Entry::Series(series) = entry.unwrap() else { panic!("no series") };
        let labels: Vec<String> = series
            .labels()
            .map(|label| label.unwrap())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let samples = series.points().filter_map(|point| match point.unwrap() {
            Point::Sample { timestamp_ms, value } => Some((timestamp_ms, value)),
            _ => None,
        });
        (labels.join(","), samples.collect())
    });
    entries.collect()
}

#[tokio::test]
async fn all_samples_come_at_once_with_the_labels_of_this_server() {
    let (content_type, body) = bytes(Config::default(), request(&[(0, "__name__", "up")], &[])).await;
    assert_eq!(content_type, "application/x-protobuf");
    let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let results: Vec<_> = Reader::new(&body).map(|field| field.unwrap()).collect();
    assert_eq!(results.len(), 1);
    let series = series(results[0].bytes().unwrap());
    assert_eq!(series.len(), 2);
    // Its own job stands before the one of the server.
    assert_eq!(series[0].0, "__name__=up,cluster=test,instance=localhost:9090,job=prometheus");
    let times: Vec<i64> = series[0].1.iter().map(|(time_ms, _)| NOW_MS - time_ms).collect();
    assert_eq!(times, [60_000, 45_000, 30_000, 15_000, 0]);
}

#[tokio::test]
async fn a_matcher_of_this_servers_labels_selects_its_series() {
    for (value, count) in [("test", 2), ("other", 0)] {
        let asked = request(&[(0, "__name__", "up"), (0, "cluster", value)], &[0]);
        let (_, body) = bytes(Config::default(), asked).await;
        let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let result = Reader::new(&body).next().unwrap().unwrap();
        assert_eq!(series(result.bytes().unwrap()).len(), count, "{value}");
    }
}

#[tokio::test]
async fn a_stream_has_frames_with_checksums_and_chunks_of_one_series_each() {
    let asked = request(&[(2, "__name__", "up|http_request_duration_seconds")], &[1, 0]);
    // So small that no two chunks share a frame.
    let config = Config { read_frame_max_bytes: 1, ..Config::default() };
    let (content_type, body) = bytes(config, asked).await;
    assert_eq!(content_type, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
    let mut rest = Reader::new(&body);
    let mut encodings = Vec::new();
    while !rest.is_empty() {
        let size = rest.varint().unwrap();
        let checksum = u32::from_be_bytes(rest.take_bytes(4).unwrap().try_into().unwrap());
        let message = rest.take_bytes(size).unwrap();
        assert_eq!(crc32c::crc32c(message), checksum);
        let fields: Vec<_> = Reader::new(message).map(|field| field.unwrap()).collect();
        assert_eq!(fields.iter().find(|field| field.number == 2).unwrap().uint(), Ok(0));
        let chunks: Vec<_> = fields[0]
            .message()
            .unwrap()
            .map(|field| field.unwrap())
            .filter(|field| field.number == 2)
            .collect();
        assert_eq!(chunks.len(), 1);
        let parts: Vec<_> = chunks[0].message().unwrap().map(|field| field.unwrap()).collect();
        let number = |number: u32| parts.iter().find(|field| field.number == number).unwrap().value;
        assert_eq!(number(1), Value::Varint((NOW_MS - 60_000) as u64));
        assert_eq!(number(2), Value::Varint(NOW_MS as u64));
        let Value::Varint(encoding) = number(3) else { panic!("no number") };
        encodings.push(encoding);
    }
    // The histogram first: series are sorted.
    assert_eq!(encodings.len(), 3);
    assert!(matches!(encodings[..], [2 | 3, 1, 1]), "{encodings:?}");
}

#[tokio::test]
async fn a_read_beyond_the_limit_of_samples_is_refused() {
    let config = || Config { read_samples_max: 9, ..Config::default() };
    let all = || request(&[(0, "__name__", "up")], &[]);
    let answer = send(router(config(), fixture::deps()), all()).await;
    assert_eq!((answer.status, answer.text.as_str()), (400, "exceeded sample limit (9)\n"));
    // A stream holds one series at a time.
    let (_, body) = bytes(config(), request(&[(0, "__name__", "up")], &[1])).await;
    assert!(!body.is_empty());
}

#[tokio::test]
async fn what_is_no_read_request_is_refused_in_plain_text() {
    for (body, error) in [
        (b"\xff\xff".to_vec(), "not valid snappy"),
        (snap::raw::Encoder::new().compress_vec(b"\x0a\x7f").unwrap(), "protobuf message ends"),
    ] {
        let asked = Request::post("/api/v1/read").body(Body::from(body)).unwrap();
        let answer = send(fixture::api(), asked).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.starts_with(error), "{}", answer.text);
    }
    let answer = send(fixture::api(), request(&[(0, "__name__", "up")], &[7])).await;
    assert!(answer.text.starts_with("server does not support any of the requested response types"));
}

fn federate(query: &str, accept: &str) -> Request<Body> {
    Request::get(format!("/federate?{query}")).header(header::ACCEPT, accept).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_page_has_the_latest_samples_with_their_times_and_the_labels_of_this_server() {
    let matches = "match[]=up&match[]=http_requests_total&match[]=%7Bjob=%22prometheus%22,code=%22400%22%7D";
    let answer = send(fixture::api(), federate(matches, "")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    );
    assert_eq!(
        answer.text,
        format!(
            "# TYPE http_requests_total untyped\n\
             http_requests_total{{job=\"api\",cluster=\"test\",instance=\"\"}} 480 {NOW_MS}\n\
             # TYPE prometheus_http_requests_total untyped\n\
             prometheus_http_requests_total{{code=\"400\",handler=\"/api/v1/query\",instance=\"localhost:9090\",\
             job=\"prometheus\",cluster=\"test\"}} 480 {NOW_MS}\n\
             # TYPE up untyped\n\
             up{{instance=\"localhost:9090\",job=\"prometheus\",cluster=\"test\"}} 1 {NOW_MS}\n\
             up{{instance=\"localhost:9091\",job=\"prometheus\",cluster=\"test\"}} 1 {NOW_MS}\n"
        )
    );
}

#[tokio::test]
async fn histograms_are_federated_in_protobuf_only() {
    let query = "match[]=http_request_duration_seconds";
    assert_eq!(send(fixture::api(), federate(query, "text/plain")).await.text, "");
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let answer = fixture::api().oneshot(federate(query, accept)).await.unwrap();
    let page = answer.into_body().collect().await.unwrap().to_bytes();
    let families: Vec<_> = wire::client::Families::new(&page).collect::<Result<_, _>>().unwrap();
    let metric = families[0].metrics().next().unwrap().unwrap();
    let Some(wire::client::Content::Histogram(histogram)) = metric.content else { panic!("{metric:?}") };
    assert_eq!(histogram.native(false).unwrap().count, 2880.0);
}

#[tokio::test]
async fn a_page_of_wrong_selectors_is_refused() {
    for query in ["match[]=%7B%7B", "match[]=%7Ba=~%22.*%22%7D"] {
        assert_eq!(send(fixture::api(), federate(query, "")).await.status, 400, "{query}");
    }
    assert_eq!(send(fixture::api(), federate("", "")).await.text, "");
}
