//! The fuzz target of the language: what parses is printed and parsed again as the same, and evaluates
//! without a panic; see [`testkit::fuzz`].

use std::sync::Arc;
use std::time::Duration;

use model::histogram::{FloatHistogram, Span};
use model::labels::Labels;
use promql::conformance::memory::{Memory, Point};
use promql::eval::{Engine, EngineOptions, QueryLimits};
use promql::{Features, parse, pretty};
use testkit::fuzz::Fuzz;

const QUERIES: [&str; 30] = [
    "sum by (job) (rate(a_total{job=~\"x|y\",host!=\"\"}[5m] offset 1m))",
    "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))",
    "histogram_quantile(0.5, native) + histogram_count(native) / histogram_sum(native)",
    "a_total / on (job) group_left (host) b unless ignoring (job) c or d and e",
    "topk by (job) (3, a_total) > bool 2 ^ 3 ^ -1 % 4 atan2 5",
    "max_over_time(rate(a_total[5m])[10m:1m] @ 600 offset -1m)",
    "a_total @ start() + a_total @ end() offset 5m",
    "label_replace(a_total, \"x\", \"$1-${name}\", \"job\", \"(?P<name>.*)\")",
    "label_join(a_total, \"x\", \"-\", \"job\", \"host\")",
    "absent_over_time(missing{a=\"b\"}[5m])",
    "count_values(\"v\", a_total)",
    "quantile_over_time(scalar(b), a_total[5m])",
    "{__name__=~\"a.*\", \"la.bel\"=\"v\"} * 0x1F + 1e-3 + Inf - NaN",
    "sort_by_label(info(a_total, {job=~\".+\"}), \"job\")",
    "a_total[5m:]",
    "a_total[5m] anchored",
    "rate(a_total[5m] smoothed)",
    "rate(a_total[step() * 2 + 1m])",
    "limitk(2, a_total) or limit_ratio(-0.5, a_total)",
    "a_total + fill_left(0) b",
    "predict_linear(a_total[10m], 3600) + deriv(b[5m]) + double_exponential_smoothing(a_total[5m], 0.5, 0.5)",
    "time() - timestamp(a_total) + hour() + days_in_month(vector(1e9))",
    "clamp(round(a_total, 0.5), -1, 1) + sgn(b) + exp(b) + sqrt(b)",
    "'it\\'s' == \"x\"",
    "# a comment\nsum(a_total) without (job, host)",
    "stddev(native) or avg(native) or sum(native)",
    "histogram_fraction(0, 1, rate(native[5m]))",
    "native >/ 1 and native </ 2",
    "first_over_time(a_total[5m]) - ts_of_max_over_time(b[5m]) + mad_over_time(b[5m])",
    "-(+a_total) != bool -b",
];

const TOKENS: [&str; 50] = [
    "sum(",
    "by (",
    ") without (",
    "[5m]",
    "[5m:1m]",
    " offset ",
    " @ ",
    "start()",
    "end()",
    "step()",
    " and ",
    " or ",
    " unless ",
    " on (",
    " ignoring (",
    " group_left(",
    " group_right ",
    " bool ",
    "rate(",
    "histogram_quantile(",
    "topk(",
    "a_total",
    "native",
    "b",
    "{",
    "}",
    "=~\"",
    "!~\"",
    "\"",
    "'",
    "`",
    "1",
    "0",
    "-1",
    "1e300",
    "0x",
    "Inf",
    "NaN",
    "5m",
    "1y",
    "1ms",
    "(",
    ")",
    ",",
    " ^ ",
    " % ",
    " atan2 ",
    "max(",
    "\\",
    "\u{e9}",
];

fn store() -> Memory {
    let mut store = Memory::new();
    for (at, name) in ["a_total", "b", "h_bucket", "native"].into_iter().enumerate() {
        for host in ["1", "2"] {
            let labels =
                Labels::from_pairs([("__name__", name), ("job", "x"), ("host", host), ("le", "0.5")]);
            for step in 0..20i64 {
                let value = (step * (at as i64 + 1)) as f64;
                let point = match name {
                    "native" => Point::Histogram(Arc::new(FloatHistogram {
                        count: 3.0 * value,
                        sum: value,
                        positive_spans: vec![Span { offset: 1, length: 2 }],
                        positive_buckets: vec![value, 2.0 * value],
                        ..FloatHistogram::default()
                    })),
                    _ if step == 7 => Point::Float(f64::NAN),
                    _ => Point::Float(value),
                };
                store.append(&labels, step * 60_000, 0, point);
            }
        }
    }
    store
}

#[test]
fn fuzz_promql() {
    let store = store();
    let options = EngineOptions {
        max_samples: 20_000,
        max_bytes: 8 << 20,
        timeout: Duration::from_secs(5),
        ..EngineOptions::default()
    };
    let engine = Engine::new(options);
    let corpus = QUERIES.iter().map(|query| query.as_bytes().to_vec()).collect();
    Fuzz::new("promql", corpus).tokens(&TOKENS).cases(4_000).run(|input| {
        let Ok(query) = std::str::from_utf8(input) else { return String::new() };
        let features = Features::all();
        let expr = match parse(query, &features) {
            Ok(expr) => expr,
            Err(error) => {
                return error.to_string().chars().skip_while(|c| !c.is_alphabetic()).take(40).collect();
            }
        };
        let line = expr.to_string();
        for printed in [line.clone(), pretty(&expr)] {
            let again = parse(&printed, &features)
                .unwrap_or_else(|error| panic!("{query:?} is printed as {printed:?}, which fails: {error}"));
            assert_eq!(again.to_string(), line, "of {query:?}");
        }
        let limits = QueryLimits::default();
        let instant = engine.instant(&store, &expr, query, 900_000, &limits);
        let range = engine.range(&store, &expr, query, 300_000, 1_200_000, 90_000, &limits);
        format!("{} {}", instant.map_or_else(|error| error.to_string(), |_| "ok".into()), range.is_ok())
    });
}
