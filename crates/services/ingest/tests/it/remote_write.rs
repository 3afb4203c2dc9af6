//! Remote write 1.0.

use std::collections::BTreeSet;

use axum::http::header;
use ingest::Config;
use model::{Exemplar, Labels, Metadata, MetricType};
use wire::remote::{MetricMetadata, WriteRequestEncoder};

use super::*;

/// Samples at these times of series 1 and 2.
fn samples(times_ms: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut out);
    for number in ["1", "2"] {
        encoder.series([("__name__", "m"), ("n", number)], |series| {
            for &time_ms in times_ms {
                series.sample(time_ms, time_ms as f64);
            }
        });
    }
    out
}

/// A protobuf field that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}

#[tokio::test]
async fn what_is_stored_is_answered_without_content() {
    let (app, store) = receiver(Config::default());
    assert_eq!(send(&app, &samples(&[1, 2])).await, (204, String::new()));
    assert_eq!(send(&app, &samples(&[3])).await, (204, String::new()));
    assert_eq!((store.times(1), store.times(2)), (vec![1, 2, 3], vec![1, 2, 3]));
}

#[tokio::test]
async fn samples_out_of_order_are_counted_in_the_answer_and_the_others_are_stored() {
    let (app, store) = receiver(Config::default());
    send(&app, &samples(&[10])).await;
    let (status, text) = send(&app, &samples(&[5, 11])).await;
    assert_eq!((status, text.as_str()), (400, "2 samples were not stored: out of order sample (2)\n"));
    assert_eq!(store.times(1), [10, 11]);
}

#[tokio::test]
async fn samples_outside_the_window_are_too_old() {
    let (app, store) = receiver(Config::default());
    store.0.lock().window_from_ms = 10;
    let (status, text) = send(&app, &samples(&[9, 11])).await;
    assert_eq!((status, text.as_str()), (400, "2 samples were not stored: too old sample (2)\n"));
    assert_eq!(store.times(1), [11]);
}

#[tokio::test]
async fn exemplars_and_metadata_are_stored() {
    let (app, store) = receiver(Config::default());
    let mut body = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut body);
    encoder.series([("__name__", "m"), ("n", "2")], |series| {
        series.sample(NOW_MS, 1.0);
        series.exemplar([("trace_id", "a")], NOW_MS - 5, 0.5);
        series.exemplar([("trace_id", "b")], i64::MAX, 0.5);
    });
    let metadata =
        MetricMetadata { family: "m", metric_type: MetricType::Gauge, help: "Some help.", unit: "seconds" };
    encoder.metadata(&metadata);
    assert_eq!(send(&app, &body).await.0, 204);
    let state = store.0.lock();
    let labels = Labels::from_pairs([("trace_id", "a")]);
    let exemplar = Exemplar { labels, value: 0.5, timestamp_ms: NOW_MS - 5, timestamp_given: true };
    assert_eq!(state.exemplars, [(2, exemplar)], "one from the far future is left out");
    let said = Metadata { metric_type: MetricType::Gauge, help: "Some help.".into(), unit: "seconds".into() };
    assert_eq!(state.metadata, [("m".to_string(), said)]);
}

#[tokio::test]
async fn samples_more_than_ten_minutes_ahead_are_out_of_bounds_and_the_others_are_stored() {
    let (app, store) = receiver(Config::default());
    let limit_ms = NOW_MS + 10 * MINUTE_MS;
    assert_eq!(send(&app, &samples(&[NOW_MS, limit_ms])).await.0, 204);
    let (status, text) = send(&app, &samples(&[limit_ms, limit_ms + 1, i64::MAX])).await;
    assert_eq!(status, 400);
    assert!(text.contains("4 samples") && text.contains("out of bounds"), "{text}");
    assert_eq!(store.times(2).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([NOW_MS, limit_ms]));
}

#[tokio::test]
async fn a_series_that_the_store_dropped_is_found_anew_and_the_others_are_written_once() {
    let (app, store) = receiver(Config::default());
    assert_eq!(send(&app, &samples(&[1, 2])).await.0, 204);
    store.0.lock().dropped = true;
    // Written a second time, the earlier samples of series 2 would be out of order.
    assert_eq!(send(&app, &samples(&[3, 4, 5])).await, (204, String::new()));
    assert_eq!((store.times(101), store.times(2)), (vec![3, 4, 5], vec![1, 2, 3, 4, 5]));
    // Samples that are too far ahead count once although there are two rounds.
    let (app, store) = receiver(Config::default());
    send(&app, &samples(&[1])).await;
    store.0.lock().dropped = true;
    let (_, text) = send(&app, &samples(&[2, i64::MAX])).await;
    assert!(text.starts_with("2 samples"), "{text}");
}

#[tokio::test]
async fn another_content_type_encoding_or_message_is_not_supported() {
    let (app, _) = receiver(Config::default());
    for (name, value, status) in [
        (header::CONTENT_TYPE, "application/json", 415),
        (header::CONTENT_TYPE, "image/png", 415),
        (header::CONTENT_TYPE, "application/x-protobuf;proto=io.prometheus.write.v3.Request", 415),
        (header::CONTENT_TYPE, "application/x-protobuf;proto", 415),
        (header::CONTENT_ENCODING, "deflate", 415),
        (header::CONTENT_ENCODING, "gzip", 415),
        (header::CONTENT_TYPE, "application/x-protobuf", 204),
        (header::CONTENT_TYPE, "application/x-protobuf;proto=prometheus.WriteRequest", 204),
        (header::CONTENT_ENCODING, "snappy", 204),
    ] {
        let mut request = post(snappy(&samples(&[1])));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(answer(&app, request).await.0, status, "{value}");
    }
}

#[tokio::test]
async fn garbage_is_a_bad_request() {
    let (app, store) = receiver(Config::default());
    assert_eq!(answer(&app, post(b"this is not snappy".to_vec())).await.0, 400);
    assert_eq!(answer(&app, post(Vec::new())).await.0, 400);
    assert_eq!(send(&app, b"\x0a\xffnot protobuf").await.0, 400);
    assert!(store.0.lock().samples.is_empty());
}

#[tokio::test]
async fn a_request_that_is_too_large_sent_or_decompressed_is_refused() {
    let (app, _) = receiver(Config { body_size_max_bytes: 100, ..Config::default() });
    assert_eq!(answer(&app, post(vec![0; 101])).await.0, 413);
    let (app, _) = receiver(Config { decoded_size_max_bytes: 1_000, ..Config::default() });
    let zeros = snappy(&[0; 1_001]);
    assert!(zeros.len() < 1_000);
    assert_eq!(answer(&app, post(zeros)).await.0, 413);
}

#[tokio::test]
async fn a_small_request_of_many_empty_histograms_is_refused_before_it_takes_memory() {
    let (app, store) = receiver(Config::default());
    let label = |name: &[u8], value: &[u8]| field(1, &[field(1, name), field(2, value)].concat());
    let mut series = [label(b"__name__", b"m"), label(b"n", b"1")].concat();
    // Two bytes each, which become some hundred in memory.
    series.extend(field(4, b"").repeat(4_000_000));
    let body = snappy(&field(1, &series));
    assert!(body.len() < 1 << 20);
    assert_eq!(answer(&app, post(body)).await.0, 413);
    assert!(store.0.lock().samples.is_empty());
}

#[tokio::test]
async fn a_store_that_takes_nothing_now_asks_for_another_try() {
    let (app, store) = receiver(Config::default());
    store.0.lock().unavailable = true;
    assert_eq!(send(&app, &samples(&[1])).await.0, 503);
    store.0.lock().unavailable = false;
    assert_eq!(send(&app, &samples(&[1])).await.0, 204);
}
