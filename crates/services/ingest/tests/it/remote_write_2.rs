//! Remote write 2.0. The cases are those of the standard and of the compliance suite of receivers.

use axum::http::header;
use ingest::WriteMessage;
use model::MetricType;
use model::histogram::Span;
use wire::Writer;
use wire::remote2::RequestEncoder;

use super::*;

const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Status, text, and how many samples, histograms and exemplars were written as the headers say.
async fn send_2(app: &Router, body: &[u8]) -> (u16, String, [i64; 3]) {
    let mut request = post(snappy(body));
    request.headers_mut().insert(header::CONTENT_TYPE, V2.parse().unwrap());
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let written = ["samples", "histograms", "exemplars"].map(|what| {
        let name = format!("x-prometheus-remote-write-{what}-written");
        response.headers().get(name).map_or(-1, |value| value.to_str().unwrap().parse().unwrap())
    });
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), written)
}

fn finished(mut encoder: RequestEncoder) -> Vec<u8> {
    let mut body = Vec::new();
    encoder.finish(&mut body);
    body
}

fn said(metric_type: MetricType, unit: &str, help: &str) -> Metadata {
    Metadata { metric_type, unit: unit.into(), help: help.into() }
}

/// A request with one sample of a series with these labels.
fn one(labels: &[(&str, &str)], value: f64) -> Vec<u8> {
    let mut encoder = RequestEncoder::new();
    encoder.series(labels.iter().copied(), &Metadata::default(), |series| series.sample(NOW_MS, value, 0));
    finished(encoder)
}

fn native() -> FloatHistogram {
    FloatHistogram {
        schema: 1,
        count: 4.0,
        sum: 1.5,
        zero_threshold: 0.001,
        zero_count: 1.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![1.0, 2.0],
        ..FloatHistogram::default()
    }
}

#[tokio::test]
async fn samples_histograms_exemplars_starts_and_metadata_are_stored_and_counted() {
    let (app, store) = receiver(Config::default());
    let mut encoder = RequestEncoder::new();
    encoder.series(
        [("__name__", "m_total"), ("n", "1")],
        &said(MetricType::Counter, "", "Some."),
        |series| {
            series.sample(NOW_MS - 1, 1.0, NOW_MS - 9);
            series.sample(NOW_MS, 2.0, 0);
            series.exemplar([("trace_id", "a")], NOW_MS - 5, 0.5);
            series.exemplar([], NOW_MS, 0.5);
        },
    );
    encoder.series([("__name__", "h"), ("n", "2")], &said(MetricType::Histogram, "seconds", ""), |series| {
        series.histogram(NOW_MS, &native(), NOW_MS - 7);
    });
    encoder.series(
        [("__name__", "c_bucket"), ("n", "3")],
        &said(MetricType::Histogram, "", "C."),
        |series| {
            series.sample(NOW_MS, 3.0, 0);
        },
    );
    let body = finished(encoder);
    assert_eq!(send_2(&app, &body).await, (204, String::new(), [3, 1, 2]));
    send_2(&app, &body).await;
    let state = store.0.lock();
    assert_eq!(state.samples[..3], [(1, NOW_MS - 1), (1, NOW_MS), (3, NOW_MS)]);
    assert_eq!(state.values[..3], [(1.0, NOW_MS - 9), (2.0, 0), (3.0, 0)]);
    assert_eq!(state.histograms[0], (2, NOW_MS, native(), NOW_MS - 7));
    assert_eq!(state.exemplars[0].1.labels, Labels::from_pairs([("trace_id", "a")]));
    assert_eq!(state.labels.len(), 3, "in the second request they are known");
    let metadata: Vec<_> =
        state.metadata[..3].iter().map(|(name, m)| (name.as_str(), m.metric_type)).collect();
    let expected =
        [("m_total", MetricType::Counter), ("h", MetricType::Histogram), ("c", MetricType::Histogram)];
    assert_eq!(metadata, expected);
}

#[tokio::test]
async fn any_text_is_a_name_and_the_order_of_labels_is_of_no_matter() {
    for value in [0.0, -1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
        let (app, store) = receiver(Config::default());
        for labels in [
            &[("job", "test\njob\n"), ("__name__", "up"), ("instance", "localhost:9090")][..],
            &[("__name__", "resource.cpu usage"), ("job name", "ü")],
        ] {
            let answer = send_2(&app, &one(labels, value)).await;
            assert_eq!(answer, (204, String::new(), [1, 0, 0]), "{labels:?}");
        }
        assert_eq!(store.0.lock().values[0].0.to_bits(), value.to_bits());
        assert_eq!(store.0.lock().labels[0].metric_name(), "up");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_a_bad_request_and_the_rest_is_stored_and_counted() {
    let (app, store) = receiver(Config::default());
    store.0.lock().window_from_ms = 10;
    let mut encoder = RequestEncoder::new();
    let none = Metadata::default();
    let sample = |time_ms: i64| move |s: &mut wire::remote2::SeriesEncoder<'_>| s.sample(time_ms, 1.0, 0);
    encoder.series([("__name__", "m"), ("n", "1")], &none, sample(NOW_MS));
    encoder.series([("n", "2")], &none, sample(NOW_MS));
    encoder.series([("__name__", ""), ("n", "2")], &none, sample(NOW_MS));
    encoder.series([("__name__", "m"), ("n", "2"), ("n", "2")], &none, sample(NOW_MS));
    encoder.series([("__name__", "m"), ("n", "3")], &none, sample(9));
    encoder.series([("__name__", "m"), ("n", "4")], &none, sample(i64::MAX));
    encoder.series([("__name__", "m"), ("n", "0")], &none, sample(NOW_MS));
    encoder.series([("__name__", "m"), ("n", "5")], &none, |_| {});
    let mut bad = native();
    bad.positive_buckets.pop();
    encoder.series([("__name__", "m"), ("n", "6")], &none, |s| s.histogram(NOW_MS, &bad, 0));
    let (status, text, written) = send_2(&app, &finished(encoder)).await;
    assert_eq!((status, written), (400, [1, 0, 0]), "{text}");
    for reason in [
        "8 samples were not stored: ",
        "invalid labels (3)",
        "too old sample (1)",
        "far in the future (1)",
        "the limit of series is reached (1)",
        "at least one sample or histogram (1)",
        "spans and buckets differ in number (1)",
    ] {
        assert!(text.contains(reason), "{reason}: {text}");
    }
    assert_eq!(store.0.lock().samples, [(1, NOW_MS)]);
}

#[tokio::test]
async fn a_counted_histogram_whose_buckets_do_not_add_up_is_refused() {
    let (app, store) = receiver(Config::default());
    for (count, status) in [(3u64, 204), (4, 400), (2, 400)] {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        for symbol in ["", "__name__", "h"] {
            writer.text(4, symbol);
        }
        writer.message(5, |series| {
            // Not packed, as some write it.
            series.uint(1, 1);
            series.uint(1, 2);
            series.message(3, |histogram| {
                histogram.uint(1, count);
                histogram.double(3, 1.0);
                histogram.message(11, |span| span.uint(2, 2));
                histogram.sints(12, [1, 1].into_iter());
                histogram.int(15, NOW_MS);
            });
        });
        let answer = send_2(&app, &body).await;
        assert_eq!(answer.0, status, "{count}: {}", answer.1);
        assert_eq!(answer.2[1], i64::from(status == 204));
    }
    assert_eq!(store.0.lock().histograms.len(), 1);
}

#[tokio::test]
async fn symbols_that_are_not_there_and_labels_that_are_no_pairs_are_bad_requests() {
    let (app, store) = receiver(Config::default());
    for refs in [&[1u64, 9][..], &[1], &[1, 1 << 40]] {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        ["", "__name__"].iter().for_each(|symbol| writer.text(4, symbol));
        writer.message(5, |series| {
            refs.iter().for_each(|number| series.uint(1, *number));
            series.message(2, |sample| sample.int(2, NOW_MS));
        });
        let answer = send_2(&app, &body).await;
        assert_eq!((answer.0, answer.2), (400, [0, 0, 0]), "{refs:?}: {}", answer.1);
    }
    let mut corrupt = snappy(&one(&[("__name__", "up")], 1.0));
    corrupt[0] = b'0';
    let mut request = post(corrupt);
    request.headers_mut().insert(header::CONTENT_TYPE, V2.parse().unwrap());
    assert_eq!(answer(&app, request).await.0, 400);
    assert_eq!(send_2(&app, b"").await, (204, String::new(), [0, 0, 0]), "nothing is no mistake");
    assert!(store.0.lock().samples.is_empty());
}

#[tokio::test]
async fn a_store_that_takes_nothing_now_asks_for_another_try_and_wrote_nothing() {
    let (app, store) = receiver(Config::default());
    store.0.lock().unavailable = true;
    let (status, _, written) = send_2(&app, &one(&[("__name__", "up")], 1.0)).await;
    assert_eq!((status, written), (503, [0, 0, 0]));
}

#[tokio::test]
async fn a_series_that_the_store_dropped_is_found_anew_and_the_others_are_written_once() {
    let (app, store) = receiver(Config::default());
    let body = |times_ms: &[i64]| {
        let mut encoder = RequestEncoder::new();
        for number in ["1", "2"] {
            encoder.series([("__name__", "m"), ("n", number)], &Metadata::default(), |series| {
                times_ms.iter().for_each(|time_ms| series.sample(*time_ms, 1.0, 0));
            });
        }
        finished(encoder)
    };
    assert_eq!(send_2(&app, &body(&[1, 2])).await.2, [4, 0, 0]);
    store.0.lock().dropped = true;
    assert_eq!(send_2(&app, &body(&[3, 4])).await, (204, String::new(), [4, 0, 0]));
    assert_eq!((store.times(101), store.times(2)), (vec![3, 4], vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn only_the_messages_that_are_switched_on_are_taken() {
    let (app, _) = receiver(Config { accepted: vec![WriteMessage::V1], ..Config::default() });
    let (status, text, _) = send_2(&app, &one(&[("__name__", "up")], 1.0)).await;
    assert_eq!(status, 415);
    assert!(text.contains("only accepts prometheus.WriteRequest"), "{text}");
    let (app, _) = receiver(Config { accepted: vec![WriteMessage::V2], ..Config::default() });
    assert_eq!(answer(&app, post(snappy(b""))).await.0, 415);
    assert_eq!(send_2(&app, b"").await.0, 204);
}

#[tokio::test]
async fn type_and_unit_become_labels_where_that_is_switched_on() {
    let (app, store) = receiver(Config { type_and_unit_labels: true, ..Config::default() });
    let mut encoder = RequestEncoder::new();
    let labels = [("__name__", "m"), ("__type__", "wrong"), ("n", "1")];
    encoder.series(labels, &said(MetricType::Gauge, "bytes", ""), |series| series.sample(NOW_MS, 1.0, 0));
    assert_eq!(send_2(&app, &finished(encoder)).await.0, 204);
    let expected = [("__name__", "m"), ("__type__", "gauge"), ("__unit__", "bytes"), ("n", "1")];
    assert_eq!(store.0.lock().labels[0], Labels::from_pairs(expected));
}
