//! The fuzz target of remote write's bodies; see [`testkit::fuzz`].

use std::sync::Arc;

use base::Clock;
use bytes::Bytes;
use exposition::registry::Registry;
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use model::{FloatHistogram, Labels, Metadata, MetricType};
use parking_lot::Mutex;
use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;
use wire::remote::WriteRequestEncoder;
use wire::remote2::RequestEncoder;

use crate::receive::{Refused, otlp, remote_write, remote_write_2};
use crate::{Config, Deps, Receiver};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW_MS: i64 = 1_700_000_000_000;

/// Takes everything, and sees that it is well formed.
#[derive(Default)]
struct Store {
    series: Mutex<Vec<Labels>>,
}

impl MetricWriter for Store {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut known = self.series.lock();
        for labels in series {
            let at = known.iter().position(|other| other == labels).unwrap_or_else(|| {
                known.push(labels.clone());
                known.len() - 1
            });
            refs.push(SeriesRef(at as u64 + 1));
        }
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        assert_eq!((batch.refs.len(), batch.refs.len()), (batch.values.len(), batch.timestamps_ms.len()));
        let known = self.series.lock().len() as u64;
        let histograms = batch.histograms.iter().map(|(series, _, _)| series);
        assert!(batch.refs.iter().chain(histograms).all(|series| (1..=known).contains(&series.0)));
        Ok(Appended { accepted: batch.len() as u64, ..Appended::default() })
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Requests, before compression.
fn requests() -> Vec<Vec<u8>> {
    let mut floats = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut floats);
    for host in ["a", "b", "c"] {
        encoder.series([("__name__", "requests_total"), ("host", host), ("job", "x")], |series| {
            for step in 0..3 {
                series.sample(NOW_MS + step * 15_000, step as f64);
            }
        });
    }
    // A series with a histogram: count 4, sum 1.5, schema 1, a span of two, deltas of two.
    let label = [0x0a, 12, 0x0a, 8, b'_', b'_', b'n', b'a', b'm', b'e', b'_', b'_', 0x12, 0];
    let native = [8, 4, 0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x20, 2, 0x5a, 4, 8, 0, 0x10, 2, 0x62, 2, 4, 0];
    let histogram = [&[0x22, native.len() as u8], native.as_slice()].concat();
    let series = [label.as_slice(), &histogram].concat();
    let with_histogram = [&[0x0a, series.len() as u8], series.as_slice()].concat();
    vec![[floats.as_slice(), &with_histogram].concat(), with_histogram, floats]
}

/// A request of version 2.0, before compression.
fn request_2() -> Vec<u8> {
    let mut encoder = RequestEncoder::new();
    let metadata =
        Metadata { metric_type: MetricType::Counter, unit: "seconds".into(), help: "Some help.".into() };
    for host in ["a", "b"] {
        encoder.series([("__name__", "requests_total"), ("host", host)], &metadata, |series| {
            series.sample(NOW_MS, 1.0, NOW_MS - 60_000);
            series.exemplar([("trace_id", "x")], NOW_MS, 0.5);
        });
        encoder.series([("__name__", "h"), ("host", host)], &metadata, |series| {
            series.histogram(NOW_MS, &FloatHistogram::default(), 5);
        });
    }
    let mut out = Vec::new();
    encoder.finish(&mut out);
    out
}

#[test]
fn fuzz_otlp() {
    let point =
        [&[0x19][..], &(NOW_MS as u64 * 1_000_000).to_le_bytes(), &[0x21], &1.5f64.to_le_bytes()].concat();
    let field = |number: u8, content: &[u8]| [&[number << 3 | 2, content.len() as u8], content].concat();
    let metric = [field(1, b"m.n"), field(3, b"By/s"), field(5, &field(1, &point))].concat();
    let request = field(1, &field(2, &field(2, &metric)));
    let json = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}},{"key":"k","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}]},"scopeMetrics":[{"metrics":[{"name":"h","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1700000000000000000","count":3,"scale":2,"positive":{"offset":-3,"bucketCounts":["1","2"]}}]}},{"name":"c","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":3,"bucketCounts":[1,2],"explicitBounds":[0.5]}]}}]}]}]}"#;
    let corpus = vec![[&[0], request.as_slice()].concat(), [&[1], json.as_bytes()].concat()];
    let tokens = ["resourceMetrics", "dataPoints", "summary", "gauge", "aggregationTemporality", "traceId"];
    Fuzz::new("otlp", corpus).tokens(&tokens).cases(4_000).run(|input| {
        let Some((&kind, rest)) = input.split_first() else { return String::new() };
        let (writer, clock) = (Arc::new(Store::default()), Clock::manual(NOW_MS));
        let config = Config { deltas: crate::Deltas::Accumulate, ..Config::default() };
        let receiver = Receiver::new(
            config,
            Deps { writer, registry: Registry::new(), clock, otlp: Default::default() },
        );
        match otlp::store(&receiver, &Bytes::copy_from_slice(rest), otlp::Encoding::of(kind == 1), false) {
            Ok(()) => "stored".to_string(),
            Err(refused) => format!("{} {}", refused.0, refused.1.chars().take(60).collect::<String>()),
        }
    });
}

#[test]
fn fuzz_remote_write() {
    let packed = |plain: &[u8]| snap::raw::Encoder::new().compress_vec(plain).unwrap();
    // The first byte says whether the rest is compressed yet.
    let mut corpus: Vec<_> = requests().iter().map(|plain| [&[0], plain.as_slice()].concat()).collect();
    corpus.extend(requests().iter().map(|plain| [vec![1], packed(plain)].concat()));
    corpus.push([vec![2], request_2()].concat());
    Fuzz::new("remote_write", corpus).tokens(&["__name__", "job"]).cases(4_000).run(|input| {
        let Some((&kind, rest)) = input.split_first() else { return String::new() };
        let body = Bytes::from(if kind == 1 { rest.to_vec() } else { packed(rest) });
        let (writer, clock) = (Arc::new(Store::default()), Clock::manual(NOW_MS));
        let config = Config { known_series_max: 1_000, ..Config::default() };
        let receiver = Receiver::new(
            config,
            Deps { writer, registry: Registry::new(), clock, otlp: Default::default() },
        );
        let store = || match kind {
            2 => remote_write_2::store(&receiver, &body).1,
            _ => remote_write::store(&receiver, &body),
        };
        let answer = store();
        // What is known from the first request is found again in the second, and answered alike.
        let again = store();
        let words = |answer: Result<(), Refused>| match answer {
            Ok(()) => "stored".to_string(),
            Err(refused) => format!("{} {}", refused.0, refused.1.chars().take(60).collect::<String>()),
        };
        let answer = words(answer);
        assert_eq!(words(again), answer);
        answer
    });
}
