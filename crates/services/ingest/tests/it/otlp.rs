//! OTLP: what is answered, and what series become of metrics.

use std::sync::Arc;

use axum::http::header;
use ingest::{Deltas, OtlpSettings, Routes, TranslationStrategy};
use model::MetricType;
use serde_json::{Value, json};
use wire::Writer;

use super::*;

const PATH: &str = "/api/v1/otlp/v1/metrics";

fn otlp(config: Config, settings: OtlpSettings) -> (Router, Arc<Store>) {
    let store = Arc::new(Store::default());
    let deps = Deps {
        writer: store.clone(),
        registry: Registry::new(),
        clock: Clock::manual(NOW_MS),
        otlp: Arc::new(Arc::new(settings).into()),
    };
    (ingest::router(config, deps, Routes { remote_write: false, otlp: true }), store)
}

async fn post_as(app: &Router, content_type: &str, encoding: &str, body: Vec<u8>) -> (u16, String) {
    let mut request = Request::post(PATH).header(header::CONTENT_TYPE, content_type);
    if !encoding.is_empty() {
        request = request.header(header::CONTENT_ENCODING, encoding);
    }
    answer(app, request.body(Body::from(body)).unwrap()).await
}

async fn post_json(app: &Router, body: &Value) -> (u16, String) {
    post_as(app, "application/json", "", body.to_string().into_bytes()).await
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, text)| json!({"key": name, "value": {"stringValue": text}})).collect()
}

fn request(resource: &[(&str, &str)], metrics: Value) -> Value {
    json!({"resourceMetrics": [{
        "resource": {"attributes": attributes(resource)},
        "scopeMetrics": [{
            "scope": {"name": "lib", "version": "2", "attributes": attributes(&[("a.b", "c")])},
            "schemaUrl": "https://schema",
            "metrics": metrics
        }]
    }]})
}

fn ns(time_ms: i64) -> String {
    format!("{time_ms}000000")
}

fn point(value: f64) -> Value {
    json!({"asDouble": value, "timeUnixNano": ns(NOW_MS), "startTimeUnixNano": ns(NOW_MS - 60_000),
        "attributes": attributes(&[("http.method", "GET")])})
}

fn gauge(name: &str, points: Value) -> Value {
    json!({"name": name, "unit": "s", "description": "Some.", "gauge": {"dataPoints": points}})
}

/// The series as texts, in the order in which they came.
fn series(store: &Store) -> Vec<String> {
    store.0.lock().labels.iter().map(ToString::to_string).collect()
}

const SERVICE: [(&str, &str); 4] = [
    ("service.name", "shop"),
    ("service.namespace", "prod"),
    ("service.instance.id", "i-1"),
    ("host.name", "h1"),
];

#[tokio::test]
async fn a_resource_becomes_job_instance_and_target_info() {
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let sum = json!({"name": "requests", "sum": {"aggregationTemporality": 2, "isMonotonic": true,
        "dataPoints": [point(5.0)]}});
    let body = request(&SERVICE, json!([gauge("queue.time", json!([point(1.5)])), sum]));
    assert_eq!(post_json(&app, &body).await, (200, "{}".into()));
    assert_eq!(
        series(&store),
        [
            r#"{__name__="queue_time_seconds", http_method="GET", instance="i-1", job="prod/shop"}"#,
            r#"{__name__="requests_total", http_method="GET", instance="i-1", job="prod/shop"}"#,
            r#"{__name__="target_info", host_name="h1", instance="i-1", job="prod/shop"}"#,
        ]
    );
    let state = store.0.lock();
    assert_eq!(state.values, [(1.5, NOW_MS - 60_000), (5.0, NOW_MS - 60_000), (1.0, 0)]);
    let metadata: Vec<_> =
        state.metadata.iter().map(|(name, m)| (name.as_str(), m.metric_type, m.unit.as_str())).collect();
    let expected = [
        ("queue_time_seconds", MetricType::Gauge, "seconds"),
        ("requests_total", MetricType::Counter, ""),
        ("target_info", MetricType::Gauge, ""),
    ];
    assert_eq!(metadata, expected);
}

#[tokio::test]
async fn the_otlp_section_says_what_becomes_of_names_and_attributes() {
    let body = request(&SERVICE, json!([gauge("queue.time", json!([point(1.5)]))]));
    let plain = OtlpSettings::default();
    for (settings, expected) in [
        (
            OtlpSettings { translation_strategy: TranslationStrategy::NoTranslation, ..plain.clone() },
            r#"{__name__="queue.time", "http.method"="GET", instance="i-1", job="prod/shop"}"#,
        ),
        (
            OtlpSettings {
                translation_strategy: TranslationStrategy::NoUtf8EscapingWithSuffixes,
                ..plain.clone()
            },
            r#"{__name__="queue.time_seconds", "http.method"="GET", instance="i-1", job="prod/shop"}"#,
        ),
        (
            OtlpSettings {
                translation_strategy: TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
                promote_resource_attributes: vec!["host.name".into(), "no.such".into()],
                ..plain.clone()
            },
            r#"{__name__="queue_time", host_name="h1", http_method="GET", instance="i-1", job="prod/shop"}"#,
        ),
        (
            OtlpSettings {
                promote_all_resource_attributes: true,
                ignore_resource_attributes: vec!["service.name".into(), "service.instance.id".into()],
                ..plain.clone()
            },
            r#"{__name__="queue_time_seconds", host_name="h1", http_method="GET", instance="i-1", job="prod/shop", service_namespace="prod"}"#,
        ),
        (
            OtlpSettings { promote_scope_metadata: true, ..plain.clone() },
            r#"{__name__="queue_time_seconds", http_method="GET", instance="i-1", job="prod/shop", otel_scope_a_b="c", otel_scope_name="lib", otel_scope_schema_url="https://schema", otel_scope_version="2"}"#,
        ),
    ] {
        let (app, store) = otlp(Config::default(), settings.clone());
        assert_eq!(post_json(&app, &body).await.0, 200);
        assert_eq!(series(&store)[0], expected, "{settings:?}");
    }
    let keep = OtlpSettings { keep_identifying_resource_attributes: true, ..plain };
    let (app, store) = otlp(Config { type_and_unit_labels: true, ..Config::default() }, keep);
    assert_eq!(post_json(&app, &body).await.0, 200);
    assert!(series(&store)[0].contains(r#"__type__="gauge", __unit__="seconds""#), "{:?}", series(&store));
    assert!(series(&store)[1].contains(r#"service_name="shop""#), "{:?}", series(&store));
}

#[tokio::test]
async fn attributes_whose_names_become_the_same_are_put_together() {
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let mut one = point(1.0);
    one["attributes"] = attributes(&[("a_b", "2"), ("a.b", "1"), ("__name__", "x")]);
    assert_eq!(post_json(&app, &request(&[], json!([gauge("m", json!([one]))]))).await.0, 200);
    assert_eq!(series(&store), [r#"{__name__="m_seconds", a_b="1;2"}"#]);
}

fn histogram(key: &str, temporality: u32, body: Value) -> Value {
    let mut point = json!({"timeUnixNano": ns(NOW_MS), "count": "6", "sum": 9.5});
    for (name, value) in body.as_object().unwrap() {
        point[name] = value.clone();
    }
    json!({"name": "h", key: {"aggregationTemporality": temporality, "dataPoints": [point]}})
}

#[tokio::test]
async fn histograms_become_buckets_or_native_ones_with_their_exemplars() {
    let body = json!({"bucketCounts": ["1", "2", "3"], "explicitBounds": [0.5, 10], "exemplars": [
        {"asDouble": 0.25, "timeUnixNano": ns(NOW_MS), "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708"},
        {"asInt": "11", "timeUnixNano": ns(NOW_MS), "filteredAttributes": attributes(&[("k", "v")])}
    ]});
    let body = request(&[], json!([histogram("histogram", 2, body)]));
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    assert_eq!(post_json(&app, &body).await, (200, "{}".into()));
    let names: Vec<_> = series(&store);
    let expected = [
        r#"{__name__="h_sum"}"#,
        r#"{__name__="h_count"}"#,
        r#"{__name__="h_bucket", le="0.5"}"#,
        r#"{__name__="h_bucket", le="10"}"#,
        r#"{__name__="h_bucket", le="+Inf"}"#,
    ];
    assert_eq!(names, expected);
    let values: Vec<f64> = store.0.lock().values.iter().map(|(value, _)| *value).collect();
    assert_eq!(values, [9.5, 6.0, 1.0, 3.0, 6.0]);
    let exemplars: Vec<_> =
        store.0.lock().exemplars.iter().map(|(_, e)| (e.value, e.labels.to_string())).collect();
    let first = r#"{span_id="0102030405060708", trace_id="0102030405060708090a0b0c0d0e0f10"}"#;
    assert_eq!(exemplars, [(0.25, first.to_string()), (11.0, r#"{k="v"}"#.to_string())]);

    let settings = OtlpSettings { convert_histograms_to_nhcb: true, ..OtlpSettings::default() };
    let (app, store) = otlp(Config::default(), settings);
    assert_eq!(post_json(&app, &body).await, (200, "{}".into()));
    let state = store.0.lock();
    let (_, time_ms, native, _) = &state.histograms[0];
    assert_eq!(
        (*time_ms, native.count, native.sum, &*native.custom_values),
        (NOW_MS, 6.0, 9.5, &[0.5, 10.0][..])
    );
    assert_eq!(native.positive_buckets, [1.0, 2.0, 3.0]);
    assert_eq!(state.exemplars.len(), 2);
}

#[tokio::test]
async fn exponential_histograms_become_native_ones_and_summaries_quantiles() {
    let exponential =
        json!({"scale": 1, "zeroCount": 1, "positive": {"offset": -1, "bucketCounts": [2, "3"]}});
    let summary = json!({"name": "s", "summary": {"dataPoints": [{"timeUnixNano": ns(NOW_MS), "count": 3,
        "sum": 6, "quantileValues": [{"quantile": 0.5, "value": 2}, {"quantile": 0.99, "value": "NaN"}]}]}});
    let body = request(&[], json!([histogram("exponentialHistogram", 2, exponential), summary]));
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    assert_eq!(post_json(&app, &body).await, (200, "{}".into()));
    let native = store.0.lock().histograms[0].2.clone();
    assert_eq!((native.schema, native.zero_count, native.positive_buckets), (1, 1.0, vec![2.0, 3.0]));
    assert_eq!(native.positive_spans[0].offset, 0);
    let expected = [
        r#"{__name__="h"}"#,
        r#"{__name__="s_sum"}"#,
        r#"{__name__="s_count"}"#,
        r#"{__name__="s", quantile="0.5"}"#,
        r#"{__name__="s", quantile="0.99"}"#,
    ];
    assert_eq!(series(&store), expected);
}

#[tokio::test]
async fn a_point_without_a_value_ends_its_series() {
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let mut missing = point(1.0);
    missing["flags"] = json!(1);
    assert_eq!(post_json(&app, &request(&[], json!([gauge("m", json!([missing]))]))).await.0, 200);
    assert!(model::is_stale_nan(store.0.lock().values[0].0));
}

#[tokio::test]
async fn deltas_are_refused_added_up_or_kept() {
    let body = |value: f64, time_ms: i64| {
        let mut point = point(value);
        (point["timeUnixNano"], point["startTimeUnixNano"]) = (json!(ns(time_ms)), json!(ns(time_ms - 10)));
        request(
            &[],
            json!([{"name": "d", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]}}]),
        )
    };
    let with = |deltas| otlp(Config { deltas, ..Config::default() }, OtlpSettings::default());
    let (app, store) = with(Deltas::Refuse);
    let (status, text) = post_json(&app, &body(1.0, NOW_MS)).await;
    assert_eq!(status, 400);
    assert!(text.contains("invalid temporality and type combination for metric \"d\""), "{text}");
    assert!(store.0.lock().samples.is_empty());
    for (deltas, expected) in [
        (Deltas::Accumulate, vec![(1.0, NOW_MS - 30), (3.5, NOW_MS - 30)]),
        (Deltas::Keep, vec![(1.0, NOW_MS - 30), (2.5, NOW_MS - 20)]),
    ] {
        let (app, store) = with(deltas);
        assert_eq!(post_json(&app, &body(1.0, NOW_MS - 20)).await.0, 200);
        assert_eq!(post_json(&app, &body(2.5, NOW_MS - 10)).await.0, 200);
        assert_eq!(store.0.lock().values, expected, "{deltas:?}");
        if deltas == Deltas::Accumulate {
            assert_eq!(post_json(&app, &body(2.5, NOW_MS - 10)).await.0, 200, "twice is once");
            assert_eq!(store.0.lock().values.len(), 2);
        }
    }
}

#[tokio::test]
async fn target_info_is_found_wherever_a_point_is() {
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let mut old = point(1.0);
    old["timeUnixNano"] = json!(ns(NOW_MS - 400_000));
    assert_eq!(
        post_json(&app, &request(&SERVICE, json!([gauge("m", json!([old, point(2.0)]))]))).await.0,
        200
    );
    let state = store.0.lock();
    let info: Vec<i64> = state.samples[2..].iter().map(|(_, time_ms)| *time_ms).collect();
    assert_eq!(info, [NOW_MS - 400_000, NOW_MS - 250_000, NOW_MS - 100_000, NOW_MS]);
}

#[tokio::test]
async fn what_cannot_be_stored_is_told_and_the_rest_is_stored() {
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let metrics = json!([
        gauge("good", json!([point(1.0)])),
        gauge("empty", json!([])),
        {"name": "nothing"},
        histogram("exponentialHistogram", 2, json!({"scale": -9})),
        histogram("exponentialHistogram", 2, json!({"count": 1})),
    ]);
    let (status, text) = post_json(&app, &request(&[], metrics)).await;
    assert_eq!(status, 400);
    for reason in [
        "empty data points. empty is dropped (1)",
        "the type of metric \"nothing\" is not supported (1)",
        "Scale must be >= -4, was -9 (1)",
        "0 observations found in buckets, but the count is 1 (1)",
    ] {
        assert!(text.contains(reason), "{reason}: {text}");
    }
    assert_eq!(series(&store), [r#"{__name__="good_seconds", http_method="GET"}"#]);
}

/// One gauge, in protobuf.
fn protobuf() -> Vec<u8> {
    let mut body = Vec::new();
    Writer::new(&mut body).message(1, |resource| {
        resource.message(2, |scope| {
            scope.message(2, |metric| {
                metric.text(1, "m");
                metric.message(5, |gauge| {
                    gauge.message(1, |point| {
                        point.fixed64(3, NOW_MS as u64 * 1_000_000);
                        point.fixed64(6, -5i64 as u64);
                        point.message(7, |attribute| {
                            attribute.text(1, "k");
                            attribute.message(2, |value| value.uint(2, 1));
                        });
                    });
                });
            });
        });
    });
    body
}

#[tokio::test]
async fn protobuf_and_json_come_plain_or_in_gzip() {
    let gzip = |body: &[u8]| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let (app, store) = otlp(Config::default(), OtlpSettings::default());
    let ok = (200, String::new());
    assert_eq!(post_as(&app, "application/x-protobuf", "", protobuf()).await, ok);
    assert_eq!(post_as(&app, "application/x-protobuf", "gzip", gzip(&protobuf())).await, ok);
    assert_eq!(series(&store), [r#"{__name__="m", k="true"}"#]);
    assert_eq!(store.0.lock().values[0], (-5.0, 0));
    assert_eq!(post_as(&app, "application/json; charset=utf-8", "gzip", gzip(b"{}")).await.0, 200);
    assert_eq!(post_as(&app, "application/x-protobuf", "", Vec::new()).await, ok);
    for (content_type, encoding, body, said) in [
        (
            "text/plain",
            "",
            &b""[..],
            "unsupported content type: text/plain, supported: [application/json, application/x-protobuf]",
        ),
        ("application/json", "zstd", b"{}", "unsupported compression: zstd"),
        ("application/json", "gzip", b"{}", "not valid gzip"),
        ("application/json", "", b"{\"resourceMetrics\": 5}", "resourceMetrics: expected a list"),
        ("application/json", "", b"{", "not valid JSON"),
        ("application/x-protobuf", "", b"\xff\xff", "protobuf"),
    ] {
        let (status, text) = post_as(&app, content_type, encoding, body.to_vec()).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(said), "{said}: {text}");
    }
    let (app, _) = otlp(Config { decoded_size_max_bytes: 100, ..Config::default() }, OtlpSettings::default());
    assert_eq!(post_as(&app, "application/x-protobuf", "gzip", gzip(&[0; 200])).await.0, 413);
}
