//! A range query says at each step what an instant query says at that time. Expressions and data are
//! drawn at random from a fixed seed: floats, exponential and custom histograms, series that mix
//! them, gaps, staleness markers, NaN and infinities.

use std::sync::Arc;

use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span};
use model::labels::Labels;
use model::sample::stale_nan;
use promql::conformance::memory::{Memory, Point};
use promql::eval::{Engine, EngineOptions, QueryLimits, SampleValue, Value};
use promql::{Features, parse};

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn histogram(random: &mut Random, custom: bool) -> FloatHistogram {
    let buckets: Vec<f64> = (0..1 + random.below(4)).map(|_| random.below(9) as f64).collect();
    let zero_count = if custom { 0.0 } else { random.below(3) as f64 };
    let bounds: &[f64] = if random.below(3) == 0 { &[1.0, 5.0, 10.0] } else { &[1.0, 5.0, 7.0, 10.0] };
    FloatHistogram {
        counter_reset_hint: match random.below(4) {
            0 => CounterResetHint::Gauge,
            1 => CounterResetHint::Reset,
            _ => CounterResetHint::Unknown,
        },
        schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { random.below(3) as i32 },
        zero_threshold: if custom { 0.0 } else { [0.001, 0.5][random.below(2)] },
        zero_count,
        count: buckets.iter().sum::<f64>() + zero_count,
        sum: random.below(100) as f64 - 10.0,
        positive_spans: vec![Span { offset: 0, length: buckets.len().min(4) as u32 }],
        positive_buckets: buckets,
        custom_values: if custom { bounds.into() } else { [].into() },
        ..FloatHistogram::default()
    }
}

fn store(random: &mut Random) -> Memory {
    let mut store = Memory::new();
    for name in ["f_total", "g", "h", "n", "m", "x_bucket"] {
        for series in 0..3 {
            let le = ["0.1", "1", "+Inf"][series];
            let (a, b) = (series.to_string(), ["x", "y"][series % 2]);
            let mut pairs = vec![("__name__", name), ("a", a.as_str()), ("b", b)];
            if name == "x_bucket" {
                pairs = vec![("__name__", name), ("le", le)];
            }
            let labels = Labels::from_pairs(pairs);
            let mut value = 0.0;
            for sample in 0..60 {
                if random.below(6) == 0 {
                    continue;
                }
                let time_ms =
                    sample * 20_000 + if random.below(3) == 0 { random.below(900) as i64 } else { 0 };
                value += random.below(7) as f64;
                if random.below(15) == 0 {
                    value = 0.0;
                }
                let float = match random.below(40) {
                    0 => stale_nan(),
                    1 => f64::NAN,
                    2 if name == "g" => f64::INFINITY,
                    _ => value,
                };
                let is_histogram = match name {
                    "h" | "n" => true,
                    "m" => random.below(2) == 0,
                    _ => false,
                };
                let point = if is_histogram {
                    let custom = name == "n" || (name == "m" && random.below(2) == 0);
                    Point::Histogram(Arc::new(histogram(random, custom)))
                } else {
                    Point::Float(float)
                };
                let start_ms = if random.below(4) == 0 { time_ms - 15_000 } else { 0 };
                store.append(&labels, time_ms, start_ms, point);
            }
        }
    }
    store
}

fn vector(random: &mut Random, depth: usize) -> String {
    const NAMES: [&str; 7] = ["f_total", "g", "h", "n", "m", "x_bucket", "{a=~\"0|1\"}"];
    if depth == 0 {
        let modifier = random.pick(&["", "", "", " offset 1m", " offset -30s", " @ 300", " smoothed"]);
        return format!("{}{modifier}", random.pick(&NAMES));
    }
    let inner = vector(random, depth - 1);
    match random.below(12) {
        0 | 1 => {
            let function = random.pick(&[
                "abs",
                "ceil",
                "sgn",
                "sqrt",
                "histogram_count",
                "histogram_sum",
                "histogram_avg",
                "histogram_stddev",
                "timestamp",
                "hour",
                "day_of_year",
                "-",
                "round",
                "absent",
                "start_timestamp",
            ]);
            format!("{function}({inner})")
        }
        2 | 3 => {
            let function = random.pick(&[
                "rate",
                "increase",
                "delta",
                "irate",
                "idelta",
                "changes",
                "resets",
                "deriv",
                "sum_over_time",
                "avg_over_time",
                "min_over_time",
                "max_over_time",
                "count_over_time",
                "last_over_time",
                "first_over_time",
                "stddev_over_time",
                "stdvar_over_time",
                "present_over_time",
                "absent_over_time",
                "mad_over_time",
                "ts_of_max_over_time",
                "ts_of_last_over_time",
            ]);
            format!("{function}({}[{}])", random.pick(&NAMES), random.pick(&["30s", "1m", "2m30s", "5m"]))
        }
        4 => {
            let function = random.pick(&["rate", "increase", "delta"]);
            format!("{function}({}[2m] {})", random.pick(&NAMES), random.pick(&["anchored", "smoothed"]))
        }
        5 => {
            let function =
                random.pick(&["rate", "sum_over_time", "avg_over_time", "max_over_time", "changes"]);
            format!("{function}(({inner})[{}:{}])", random.pick(&["2m", "3m"]), random.pick(&["20s", "45s"]))
        }
        6 | 7 => {
            let op = random.pick(&["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]);
            format!(
                "{op} {} ({inner})",
                random.pick(&["by (a)", "by (b)", "without (a)", "", "by (__name__)"])
            )
        }
        8 => {
            // Among equals these take the first, and operators are free in the order of their rows.
            let op = random.pick(&["topk(2, ", "bottomk(1, ", "limitk(2, "]);
            match random.below(2) {
                0 => format!("{op}{})", random.pick(&NAMES)),
                _ => format!("{}{inner})", random.pick(&["quantile(0.3, ", "limit_ratio(0.5, "])),
            }
        }
        9 => {
            let op = random.pick(&["+", "-", "*", "/", "%", "^", ">", "<= bool", "==", "atan2", "</", ">/"]);
            let number = random.pick(&["2", "0", "-1.5", "time()", "scalar(g{a=\"0\"})"]);
            if random.below(2) == 0 {
                format!("({inner}) {op} {number}")
            } else {
                format!("{number} {op} ({inner})")
            }
        }
        10 => {
            let op = random.pick(&["+", "-", "*", "/", ">", "== bool", "and", "or", "unless", "!="]);
            let other = vector(random, depth - 1);
            let is_set = matches!(op, "and" | "or" | "unless");
            let fill = if is_set { "" } else { random.pick(&["", "", "fill(0) ", "fill_left(1) "]) };
            let on = random.pick(&["", "on (a) ", "ignoring (b) ", "on (a, b, __name__) "]);
            format!("({inner}) {op} {on}{fill}({other})")
        }
        _ => match random.below(4) {
            0 => format!("histogram_quantile(0.7, {inner})"),
            1 => format!("histogram_fraction(0, 3, {inner})"),
            2 => format!("label_replace({inner}, \"c\", \"$1\", \"a\", \"(.*)\")"),
            _ => format!("clamp({inner}, 1, 5)"),
        },
    }
}

fn same(a: &SampleValue, b: &SampleValue) -> bool {
    match (a, b) {
        (SampleValue::Float(a), SampleValue::Float(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
        }
        (SampleValue::Histogram(a), SampleValue::Histogram(b)) => {
            (a.count - b.count).abs() <= 1e-9 * a.count.abs() || a.count == b.count || a.count.is_nan()
        }
        _ => false,
    }
}

#[test]
fn every_step_of_a_range_equals_an_instant() {
    let (start_ms, end_ms, step_ms) = (60_000, 1_300_000, 50_000);
    let mut compared = 0;
    for seed in 0..12 {
        let mut random = Random(seed);
        let store = store(&mut random);
        for delayed_name_removal in [false, true] {
            let engine = Engine::new(EngineOptions {
                delayed_name_removal,
                use_start_timestamps: seed % 2 == 0,
                ..EngineOptions::default()
            });
            for _ in 0..40 {
                let depth = 1 + random.below(3);
                let query = vector(&mut random, depth);
                let Ok(expr) = parse(&query, &Features::all()) else { continue };
                let limits = QueryLimits::default();
                let Ok(range) = engine.range(&store, &expr, &query, start_ms, end_ms, step_ms, &limits)
                else {
                    continue;
                };
                let Value::Matrix(matrix) = range.value else { panic!("{query}: no matrix") };
                for time_ms in (start_ms..=end_ms).step_by(step_ms as usize) {
                    let instant = match engine.instant(&store, &expr, &query, time_ms, &limits) {
                        Ok(instant) => instant.value,
                        Err(error) => panic!("{query} at {time_ms}: {error}, though the range succeeds"),
                    };
                    let Value::Vector(vector) = instant else { panic!("{query}: no vector") };
                    let at_step = matrix
                        .iter()
                        .filter_map(|s| Some((&s.labels, s.points.iter().find(|(t, _)| *t == time_ms)?.1)));
                    let mut count = 0;
                    for (labels, value) in at_step {
                        count += 1;
                        let found = vector.iter().find(|sample| sample.labels == *labels);
                        assert!(
                            found.is_some_and(|sample| same(&sample.value, &value)),
                            "seed {seed}: {query} at {time_ms}: {labels} is {value:?} in the range, {found:?} alone"
                        );
                    }
                    assert_eq!(count, vector.len(), "seed {seed}: {query} at {time_ms}: {vector:?}");
                    compared += count;
                }
            }
        }
    }
    assert!(compared > 10_000, "only {compared} values were compared");
}
