//! What goes through the wire comes back the same, and damage is an error.

use std::sync::Arc;

use model::histogram::{CounterResetHint, Span};
use model::{FloatHistogram, MetricType};
use wire::client::{Content, Families, FamilyType};
use wire::remote::{Entry, MetricMetadata, Point, WriteRequest, WriteRequestEncoder};
use wire::{DecodeError, Writer};

fn native() -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: CounterResetHint::NotReset,
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 2.0,
        count: 15.0,
        sum: 18.4,
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![1.0, 4.0, 7.0],
        negative_buckets: vec![1.0],
        custom_values: Arc::from([]),
    }
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut body);
    encoder.series([("__name__", "up"), ("job", "nodé")], |series| {
        series.sample(1_700_000_000_000, 1.0);
        series.sample(-5, f64::NEG_INFINITY);
        series.exemplar([("trace_id", "abc")], 7, 0.25);
    });
    encoder.series([("__name__", "latency"), ("long", "x".repeat(300).as_str())], |series| {
        series.histogram(42, &native());
    });
    encoder.metadata(&MetricMetadata {
        family: "up",
        metric_type: MetricType::Gauge,
        help: "Whether it answers.",
        unit: "",
    });
    body
}

/// Reads everything there is in a request.
fn read_all(body: &[u8]) -> Result<String, DecodeError> {
    let mut seen = String::new();
    for entry in WriteRequest::new(body) {
        match entry? {
            Entry::Series(series) => {
                for label in series.labels() {
                    let (name, value) = label?;
                    seen += &format!("{name}={} ", &value[..value.len().min(10)]);
                }
                for point in series.points() {
                    match point? {
                        Point::Sample { timestamp_ms, value } => seen += &format!("{value}@{timestamp_ms} "),
                        Point::Exemplar(exemplar) => {
                            for label in exemplar.labels() {
                                seen += &format!("{:?} ", label?);
                            }
                            seen += &format!("#{}@{} ", exemplar.value, exemplar.timestamp_ms);
                        }
                        Point::Histogram(message) => {
                            let same = message.decode()? == native();
                            seen += &format!("histogram@{} same={same} ", message.timestamp_ms);
                        }
                    }
                }
            }
            Entry::Metadata(metadata) => seen += &format!("{} {}", metadata.family, metadata.metric_type),
        }
    }
    Ok(seen)
}

#[test]
fn a_write_request_comes_back_as_it_was_written() {
    assert_eq!(
        read_all(&request()).unwrap(),
        "__name__=up job=nodé 1@1700000000000 -inf@-5 (\"trace_id\", \"abc\") #0.25@7 \
         __name__=latency long=xxxxxxxxxx histogram@42 same=true up gauge"
    );
}

#[test]
fn integer_histograms_are_read_with_absolute_counts() {
    let mut body = Vec::new();
    Writer::new(&mut body).message(1, |series| {
        series.message(4, |h| {
            h.uint(1, 6);
            h.double(3, 2.5);
            h.message(11, |span| {
                span.sint(1, -1);
                span.uint(2, 3);
            });
            h.sints(12, [1i64, 2, -1].into_iter());
        });
    });
    let Some(Ok(Entry::Series(series))) = WriteRequest::new(&body).next() else { panic!("no series") };
    let Some(Ok(Point::Histogram(message))) = series.points().next() else { panic!("no histogram") };
    let histogram = message.decode().unwrap();
    assert_eq!((histogram.count, histogram.positive_buckets), (6.0, vec![1.0, 3.0, 2.0]));
}

#[test]
fn spans_that_do_not_match_the_buckets_are_refused() {
    let mut body = Vec::new();
    WriteRequestEncoder::new(&mut body).series([("__name__", "h")], |series| {
        series.histogram(1, &FloatHistogram { positive_buckets: vec![1.0], ..native() });
    });
    let error = read_all(&body).unwrap_err();
    assert_eq!(error.to_string(), "invalid native histogram: spans and buckets differ in number");
}

#[test]
fn the_raw_labels_are_the_same_for_the_same_series() {
    let mut bodies = [Vec::new(), Vec::new()];
    for (at, body) in bodies.iter_mut().enumerate() {
        WriteRequestEncoder::new(body).series([("__name__", "up"), ("a", "b")], |series| {
            series.sample(at as i64, at as f64);
        });
    }
    let raw = |body| match WriteRequest::new(body).next() {
        Some(Ok(Entry::Series(series))) => series.raw_labels(),
        other => panic!("{other:?}"),
    };
    assert_eq!(raw(&bodies[0]), raw(&bodies[1]));
}

#[test]
fn families_are_read_with_their_metrics() {
    let mut body = Vec::new();
    let mut family = Vec::new();
    let mut writer = Writer::new(&mut family);
    writer.text(1, "rpc_seconds");
    writer.text(2, "Time.");
    writer.uint(3, 4);
    writer.message(4, |metric| {
        metric.message(1, |label| {
            label.text(1, "code");
            label.text(2, "200");
        });
        metric.message(7, |h| {
            h.uint(1, 3);
            h.double(2, 1.5);
            h.message(3, |bucket| {
                bucket.uint(1, 2);
                bucket.double(2, 0.5);
            });
        });
    });
    Writer::new(&mut body).varint(family.len() as u64);
    body.extend_from_slice(&family);
    let family = Families::new(&body).next().unwrap().unwrap();
    assert_eq!(
        (family.name, family.help, family.family_type),
        ("rpc_seconds", "Time.", FamilyType::Histogram)
    );
    let metric = family.metrics().next().unwrap().unwrap();
    assert_eq!(metric.labels().next().unwrap().unwrap(), ("code", "200"));
    let Some(Content::Histogram(histogram)) = metric.content else { panic!("no histogram") };
    assert!(!histogram.is_native);
    let bucket = histogram.buckets().next().unwrap().unwrap();
    assert_eq!((histogram.count, bucket.bound, bucket.value), (3.0, 0.5, 2.0));
}

#[test]
fn damaged_messages_are_errors_or_other_messages_but_never_a_panic() {
    let whole = request();
    for end in 0..whole.len() {
        let _ = read_all(&whole[..end]);
        for family in Families::new(&whole[..end]).flatten() {
            family.metrics().flatten().for_each(|metric| assert!(metric.labels().count() < 9));
        }
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut body = whole.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % body.len();
            body[at] ^= 1 << (random() % 8);
        }
        refused += usize::from(read_all(&body).is_err());
        for family in Families::new(&body).flatten() {
            for metric in family.metrics().flatten() {
                if let Some(Content::Histogram(h) | Content::Summary(h)) = metric.content {
                    let _ = (h.native(false), h.buckets().count(), h.exemplars().count());
                }
            }
        }
    }
    assert!(refused > 1_000, "only {refused} of 20,000 damaged messages were refused");
}
