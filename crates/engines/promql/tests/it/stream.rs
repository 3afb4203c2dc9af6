//! Results that are handed on while they are computed.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use promql::eval::{Engine, EngineOptions, QueryError, QueryLimits, QueryResult, Value};
use promql::{Features, MatrixSeries, parse};

use crate::engine::{HOUR_MS, counters};

const TIMES: (i64, i64, i64) = (600_000, HOUR_MS, 10_000);

/// The series that were handed on, and the result.
fn streamed(
    options: EngineOptions,
    query: &str,
    go_on_for: usize,
) -> (Vec<MatrixSeries>, Result<QueryResult, QueryError>) {
    let store = counters(300);
    let expr = parse(query, &Features::all()).expect("a query");
    let mut series = Vec::new();
    let result =
        Engine::new(options).range_into(&store, &expr, query, TIMES, &QueryLimits::default(), &mut |one| {
            series.push(one);
            series.len() < go_on_for
        });
    (series, result)
}

#[test]
fn what_is_handed_on_is_what_would_be_collected_in_the_same_order() {
    let store = counters(300);
    for query in
        ["requests_total", "-rate(requests_total[5m]) * 2", "max_over_time(requests_total[2m]) > 100"]
    {
        let expr = parse(query, &Features::all()).expect("a query");
        let (start_ms, end_ms, step_ms) = TIMES;
        let options = || EngineOptions { threads: 2, ..EngineOptions::default() };
        let collected = Engine::new(options())
            .range(&store, &expr, query, start_ms, end_ms, step_ms, &QueryLimits::default())
            .expect(query);
        let (series, result) = streamed(options(), query, usize::MAX);
        let result = result.expect(query);
        assert_eq!(result.value, Value::Matrix(Vec::new()), "{query}");
        assert_eq!(Value::Matrix(series), collected.value, "{query}");
        assert_eq!(result.warnings, collected.warnings);
        assert!(
            result.stats.peak_bytes * 2 < collected.stats.peak_bytes,
            "{query}: {} bytes of {}",
            result.stats.peak_bytes,
            collected.stats.peak_bytes
        );
    }
}

#[test]
fn what_needs_all_rows_or_is_small_comes_whole() {
    for query in ["sum by (instance) (requests_total)", "sort(requests_total)", r#"requests_total{job="j1"}"#]
    {
        let (series, result) = streamed(EngineOptions::default(), query, usize::MAX);
        let Value::Matrix(whole) = result.expect(query).value else { panic!("{query} is no matrix") };
        assert!(series.is_empty() && !whole.is_empty(), "{query}");
    }
}

#[test]
fn what_would_not_fit_is_refused_before_the_first_series() {
    let options = EngineOptions { max_samples: 50_000, ..EngineOptions::default() };
    let (series, result) = streamed(options, "requests_total", usize::MAX);
    assert!(series.is_empty());
    assert!(matches!(result, Err(QueryError::TooManySamples)));
}

#[test]
fn who_takes_no_more_stops_the_query() {
    let (series, result) = streamed(EngineOptions::default(), "requests_total", 3);
    assert_eq!(series.len(), 3);
    assert!(matches!(result, Err(QueryError::Canceled)));
}

#[test]
fn time_that_the_receiver_takes_is_not_the_query_s() {
    let store = counters(300);
    let clock = base::Clock::manual(0);
    let timeout = std::time::Duration::from_secs(10);
    let options = EngineOptions { clock: clock.clone(), timeout, ..EngineOptions::default() };
    let query = "requests_total";
    let expr = parse(query, &Features::all()).expect("a query");
    let mut seen = 0;
    let result =
        Engine::new(options).range_into(&store, &expr, query, TIMES, &QueryLimits::default(), &mut |_| {
            clock.advance(std::time::Duration::from_secs(60));
            seen += 1;
            true
        });
    result.expect("no timeout");
    assert_eq!(seen, 300);
}
