//! What the engine promises beside values: budgets, deadlines, statistics, names.

use std::sync::Arc;
use std::time::Duration;

use base::clock::Clock;
use model::histogram::{FloatHistogram, Span};
use model::label_table::LabelTable;
use model::labels::Labels;
use model::matcher::Matcher;
use model::storage::{MetricReader, Select, Selection, StorageError, TimeRange};
use promql::conformance::memory::{Memory, Point};
use promql::eval::{Cancel, Engine, EngineOptions, Explain, QueryError, QueryLimits, QueryResult, Value};
use promql::{Features, parse};

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// So many counters for an hour, a sample every 30 seconds.
pub(crate) fn counters(series: usize) -> Memory {
    let mut store = Memory::new();
    for at in 0..series {
        let (instance, job) = (format!("i{at}"), format!("j{}", at % 7));
        let labels =
            Labels::from_pairs([("__name__", "requests_total"), ("instance", &instance), ("job", &job)]);
        for sample in 0..=120 {
            store.append(&labels, sample * 30_000, 0, Point::Float((sample * (1 + at as i64 % 13)) as f64));
        }
    }
    store
}

fn range(
    options: EngineOptions,
    store: &dyn MetricReader,
    query: &str,
    limits: &QueryLimits,
) -> Result<QueryResult, QueryError> {
    let expr = parse(query, &Features::all()).map_err(|error| QueryError::Parse(error.to_string()))?;
    Engine::new(options).range(store, &expr, query, 600_000, HOUR_MS, 60_000, limits)
}

#[test]
fn a_query_over_its_budget_is_refused_in_prometheus_words() {
    let store = counters(100);
    let options = EngineOptions { max_samples: 1_000, ..EngineOptions::default() };
    let error =
        range(options.clone(), &store, "requests_total", &QueryLimits::default()).expect_err("too much");
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
    // The same series fit when they are added up while they are read.
    range(options, &store, "sum by (job) (rate(requests_total[5m]))", &QueryLimits::default())
        .expect("an aggregation holds groups only");
}

#[test]
fn absurd_step_counts_are_refused_before_memory_is_taken() {
    let store = counters(1);
    for query in ["sum_over_time(requests_total[100y:1ms])", "max_over_time(vector(1)[5000w:1ms])"] {
        let result = range(EngineOptions::default(), &store, query, &QueryLimits::default());
        assert!(matches!(result, Err(QueryError::TooManySamples)), "{query}");
    }
}

#[test]
fn samples_of_a_range_selector_count_against_the_budget() {
    let store = counters(10);
    let query = "requests_total[1h]";
    let expr = parse(query, &Features::all()).expect("a range selector");
    let instant = |max_samples, max_bytes| {
        let options = EngineOptions { max_samples, max_bytes, ..EngineOptions::default() };
        Engine::new(options).instant(&store, &expr, query, HOUR_MS, &QueryLimits::default())
    };
    let all = EngineOptions::default();
    // 120 samples of each of ten series.
    assert!(matches!(instant(1_199, all.max_bytes), Err(QueryError::TooManySamples)));
    assert!(instant(all.max_samples, 10_000).is_err());
    let result = instant(1_200, all.max_bytes).expect("as many as it may hold");
    assert!(
        matches!(result.value, Value::Matrix(series) if series.iter().all(|one| one.points.len() == 120))
    );
}

#[test]
fn a_series_for_every_value_counts_against_the_budget_of_bytes() {
    let store = counters(20);
    let run = |query: &str, max_bytes| {
        let options = EngineOptions { max_bytes, ..EngineOptions::default() };
        range(options, &store, query, &QueryLimits::default())
    };
    let budget = 128 << 10;
    run("requests_total", budget).expect("twenty series fit");
    assert!(run("count_values(\"value\", requests_total)", budget).is_err());
    run("count_values(\"value\", requests_total)", 64 << 20).expect("with more room they fit");
}

#[test]
fn one_value_for_every_step_counts_against_the_budget() {
    let store = counters(10);
    let options = EngineOptions { max_samples: 500, ..EngineOptions::default() };
    let result = range(options, &store, "requests_total @ 1800", &QueryLimits::default());
    assert!(matches!(result, Err(QueryError::TooManySamples)));
    // No machine has memory for so many steps.
    let query = "requests_total @ 1800";
    let expr = parse(query, &Features::all()).expect("a selector at a time");
    let engine = Engine::new(EngineOptions::default());
    let result = engine.range(&store, &expr, query, 0, 1 << 46, 1, &QueryLimits::default());
    assert!(matches!(result, Err(QueryError::TooManySamples)));
}

/// A store that takes its time.
struct Slow(Memory, Clock);

impl MetricReader for Slow {
    fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        self.1.advance(Duration::from_secs(3));
        self.0.select(request, labels)
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        self.0.label_names(range, matchers)
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        self.0.label_values(name, range, matchers)
    }
}

#[test]
fn a_query_that_takes_too_long_times_out() {
    let clock = Clock::manual(0);
    let store = Slow(counters(2), clock.clone());
    let options = EngineOptions { clock, timeout: Duration::from_secs(2), ..EngineOptions::default() };
    let result = range(options, &store, "sum(rate(requests_total[5m]))", &QueryLimits::default());
    assert!(matches!(result, Err(QueryError::Timeout)));
}

#[test]
fn a_canceled_query_stops() {
    let cancel = Cancel::default();
    cancel.cancel();
    let limits = QueryLimits { cancel, ..QueryLimits::default() };
    let result = range(EngineOptions::default(), &counters(2), "sum(requests_total)", &limits);
    assert!(matches!(result, Err(QueryError::Canceled)));
}

#[test]
fn threads_do_not_change_the_result() {
    // Enough work for several threads.
    let store = counters(3_000);
    for query in [
        "sum by (job) (rate(requests_total[5m]))",
        "max by (job) (requests_total)",
        "count(requests_total > 10)",
        "avg(requests_total)",
        "avg by (job) (rate(requests_total[5m]))",
        "stddev by (job) (requests_total)",
        "topk(3, requests_total)",
        "requests_total * 2",
        "quantile by (job) (0.3, rate(requests_total[5m]))",
        "sum(rate(requests_total[5m]) / on (instance, job) requests_total)",
    ] {
        let value = |threads| {
            let options = EngineOptions { threads, ..EngineOptions::default() };
            range(options, &store, query, &QueryLimits::default()).expect("the query succeeds").value
        };
        let (one, four) = (value(1), value(4));
        assert_eq!(format!("{one:?}"), format!("{four:?}"), "{query}");
    }
}

#[test]
fn deep_expressions_need_no_deep_stack() {
    let query = vec!["sum(requests_total)"; 1_000].join(" + ");
    let result = range(EngineOptions::default(), &counters(1), &query, &QueryLimits::default());
    assert!(matches!(result.expect("a deep query").value, Value::Matrix(series) if series.len() == 1));
}

#[test]
fn a_query_says_what_it_cost() {
    let limits = QueryLimits { per_step_stats: true, ..QueryLimits::default() };
    let stats = range(EngineOptions::default(), &counters(3), "sum(rate(requests_total[5m]))", &limits)
        .expect("the query succeeds")
        .stats;
    assert_eq!((stats.series, stats.samples_per_step.len()), (3, 51));
    // Ten samples of each of three series at every step.
    assert!(stats.samples_per_step.iter().all(|samples| *samples == 30), "{stats:?}");
    assert_eq!(stats.total_samples, 51 * 30);
    // Of them two of each are new, as windows overlap; all are at the first step.
    assert_eq!((stats.read_per_step[0], &stats.read_per_step[1..]), (30, &[6; 50][..]));
    assert!(stats.samples_read >= 3 * 100 && stats.peak_samples > 0 && stats.peak_bytes > 0, "{stats:?}");
}

#[test]
fn without_delay_names_vanish_in_each_operation() {
    let mut store = Memory::new();
    for name in ["a", "b"] {
        for sample in 0..120 {
            store.append(&Labels::from_pairs([("__name__", name)]), sample * 30_000, 0, Point::Float(1.0));
        }
    }
    let both = r#"{__name__=~"a|b"}"#;
    let run = |query: &str, delayed_name_removal| {
        let options = EngineOptions { delayed_name_removal, ..EngineOptions::default() };
        range(options, &store, query, &QueryLimits::default()).map(|result| result.value)
    };
    for query in [format!("rate({both}[5m])"), format!("-{both}"), format!("{both} + 1")] {
        let error = run(&query, false).expect_err("two series without names").to_string();
        assert_eq!(error, "vector cannot contain metrics with the same labelset", "{query}");
    }
    let by_name = format!(r#"label_replace(rate({both}[5m]), "name", "$1", "__name__", "(.*)")"#);
    assert!(run(&by_name, false).is_err());
    assert!(matches!(run(&by_name, true), Ok(Value::Matrix(series)) if series.len() == 2));
}

#[test]
fn a_query_says_what_its_parts_will_cost_and_did_cost() {
    let store = counters(10);
    let query = "sum by (job) (rate(requests_total[5m])) / 2";
    let explain = |explain| {
        let limits = QueryLimits { explain, ..QueryLimits::default() };
        let result = range(EngineOptions::default(), &store, query, &limits).expect("the query succeeds");
        (result.explain.expect("a tree"), result.stats.samples_read, result.value)
    };
    let (estimate, samples_read, value) = explain(Explain::Estimate);
    assert_eq!((samples_read, value), (0, Value::Matrix(Vec::new())));
    let sum = &estimate.children[0];
    let rate = &sum.children[0];
    assert_eq!((estimate.text.as_str(), rate.text.as_str()), (query, "rate(requests_total[5m])"));
    assert_eq!(&query[rate.start..rate.end], rate.text);
    assert_eq!((rate.series, rate.rows), (10, 0));
    assert!(rate.samples_estimate >= 10 * 100, "{rate:?}");

    let (measured, samples_read, _) = explain(Explain::Measure);
    let sum = &measured.children[0];
    let rate = &sum.children[0];
    assert_eq!((sum.rows, rate.rows, rate.samples_read), (7, 10, samples_read));
    assert!(rate.bytes >= 10 * 51 * 8 && sum.bytes >= 7 * 51 * 8, "{measured:?}");
}

#[test]
fn what_stands_in_a_query_twice_is_computed_once() {
    let store = counters(10);
    let samples_read = |query: &str| {
        let result = range(EngineOptions::default(), &store, query, &QueryLimits::default());
        result.expect("the query succeeds").stats.samples_read
    };
    let one = "sum by (job) (rate(requests_total[5m]))";
    assert_eq!(samples_read(&format!("{one} / ({one} + 1)")), samples_read(one));
}

#[test]
fn histograms_of_an_aggregation_count_against_the_budget_of_bytes() {
    let mut store = Memory::new();
    for at in 0..100 {
        let histogram = FloatHistogram {
            count: 1_000.0,
            positive_spans: vec![Span { offset: 0, length: 1_000 }],
            positive_buckets: vec![1.0; 1_000],
            ..FloatHistogram::default()
        };
        let labels = Labels::from_pairs([("__name__", "h"), ("at", &at.to_string())]);
        let histogram = Arc::new(histogram);
        for sample in 0..=120 {
            store.append(&labels, sample * 30_000, 0, Point::Histogram(histogram.clone()));
        }
    }
    let run = |max_bytes| {
        let options = EngineOptions { max_bytes, ..EngineOptions::default() };
        range(options, &store, "histogram_count(sum by (at) (h))", &QueryLimits::default())
    };
    assert!(matches!(run(16 << 20), Err(QueryError::TooManySamples)));
    run(1 << 30).expect("with more room they fit");
}

#[test]
fn a_selection_that_takes_too_much_is_refused_while_it_is_made() {
    /// Asks its meter before it makes up a million series.
    struct Endless;

    impl MetricReader for Endless {
        fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
            for at in 0..1_000_000 {
                request.meter.take_bytes(1_000)?;
                labels.insert(&Labels::from_pairs([("at", &at.to_string())]));
            }
            panic!("the meter let it go on");
        }

        fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
            Ok(Vec::new())
        }

        fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
            Ok(Vec::new())
        }
    }
    let options = EngineOptions { max_bytes: 1 << 20, ..EngineOptions::default() };
    let result = range(options, &Endless, "count({__name__=~\".+\"})", &QueryLimits::default());
    assert!(matches!(result, Err(QueryError::TooManySamples)));
}
