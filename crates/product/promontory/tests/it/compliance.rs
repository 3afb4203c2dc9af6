//! The queries of Prometheus's compliance suite, put to Debian's Prometheus and to this program over
//! the same samples. Answers are equal if they have the same series and times and if numbers differ
//! by a hundred-thousandth at most, as upstream's comparer has it.

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Series, Server, file, now_ms, seconds};
use crate::peers::prometheus;

/// Where Debian's Prometheus 2.42 answers otherwise, and why 3.x answers as this program does.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "label_replace(demo_num_cpus, \"~invalid\", \"\", \"src\", \"(.*)\")",
        "since 3.0 every UTF-8 text is a label name",
    ),
    (
        "label_join(demo_num_cpus, \"~invalid\", \"-\", \"instance\")",
        "since 3.0 every UTF-8 text is a label name",
    ),
    (
        "max_over_time((time() - max(demo_batch_last_success_timestamp_seconds) < 1000)[5m:10s] offset 5m)",
        "since 3.0 windows do not include their start, on which a step of the subquery falls",
    ),
    (
        "avg_over_time(rate(demo_cpu_usage_seconds_total[1m])[2m:10s])",
        "since 3.0 windows do not include their start, on which a step of the subquery falls",
    ),
];

/// Relative difference of equal numbers.
const TOLERANCE: f64 = 0.000_01;

const INTERVAL_MS: i64 = 15_000;
const SAMPLES: i64 = 8 * 60;

/// What the demo service of the suite exposes, off the full second, so that no window begins on a sample.
fn demo(start_ms: i64) -> Vec<Series> {
    let mut all = Vec::new();
    for (i, port) in ["10000", "10001", "10002"].into_iter().enumerate() {
        let instance = format!("demo.promlabs.com:{port}");
        let own = [("job", "demo"), ("instance", instance.as_str())];
        let mut add = |name: &str, labels: &[(&str, &str)], value: &dyn Fn(f64) -> Option<f64>| {
            let samples = (0..SAMPLES)
                .filter_map(|at| Some((start_ms + at * INTERVAL_MS, value(at as f64)?)))
                .collect();
            all.push(Series::new(name, &[&own[..], labels].concat(), samples));
        };
        let phase = i as f64;
        for (t, kind) in ["buffers", "cached", "free", "used"].into_iter().enumerate() {
            let level = 1e8 * (1.0 + t as f64 + phase);
            add("demo_memory_usage_bytes", &[("type", kind)], &|at| {
                Some((level + 3e7 * (at / 23.0 + phase).sin()).round())
            });
        }
        for (m, mode) in ["idle", "system", "user"].into_iter().enumerate() {
            let slope = 0.7 + 0.31 * m as f64 + 0.05 * phase;
            let reset = 340.0 + 20.0 * phase + 5.0 * m as f64;
            add("demo_cpu_usage_seconds_total", &[("mode", mode)], &|at| {
                Some(slope * (if at < reset { at + 700.0 } else { at - reset }))
            });
        }
        for (p, path) in ["/api/bar", "/api/foo"].into_iter().enumerate() {
            for (method, status) in [("GET", "200"), ("GET", "500"), ("POST", "200")] {
                let mut below = 0.0;
                let bounds = ["0.001", "0.01", "0.1", "0.5", "1", "5", "+Inf"];
                let labels = [("path", path), ("method", method), ("status", status)];
                for (b, le) in bounds.into_iter().enumerate() {
                    below += 1.0 + ((b * 7 + p * 3 + i) % 5) as f64;
                    let slope = below;
                    let labels = [&labels[..], &[("le", le)]].concat();
                    add("demo_api_request_duration_seconds_bucket", &labels, &|at| {
                        Some((slope * at).floor())
                    });
                }
                let total = below;
                add("demo_api_request_duration_seconds_count", &labels, &|at| Some((total * at).floor()));
                add("demo_api_request_duration_seconds_sum", &labels, &|at| Some(0.21 * total * at));
            }
        }
        let start_s = start_ms as f64 / 1000.0;
        add("demo_batch_last_success_timestamp_seconds", &[], &|at| {
            Some(start_s + (at / 40.0).floor() * 600.0 + phase)
        });
        add("demo_disk_usage_bytes", &[], &|at| Some(5e9 + at * 1.3e5 + 1e6 * (at / 11.0).cos()));
        add("demo_num_cpus", &[], &|_| Some(4.0 + phase));
        add("demo_intermittent_metric", &[], &|at| (at as i64 / 25 % 2 == 0).then_some(at));
    }
    all
}

/// An answer: series with times and values, or that there is none.
type Answer = Result<Vec<(String, Vec<(String, f64)>)>, u16>;

fn ask(server: &Server, query: &str, start: &str, end: &str) -> Answer {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = server.get(&format!("/api/v1/query_range?query={encoded}&start={start}&end={end}&step=10"));
    if answer.status != 200 {
        return Err(answer.status);
    }
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    let series = |one: &Value| {
        let values = one["values"].as_array().unwrap().iter();
        let points = values.map(|point| {
            let value = point[1].as_str().unwrap();
            (point[0].to_string().trim_end_matches(".0").to_string(), value.parse().unwrap())
        });
        (one["metric"].to_string(), points.collect())
    };
    let mut all: Vec<(String, Vec<(String, f64)>)> =
        json["data"]["result"].as_array().unwrap().iter().map(series).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().min(b.abs())
}

fn are_equal(ours: &Answer, theirs: &Answer) -> bool {
    match (ours, theirs) {
        (Err(_), Err(_)) => true,
        (Ok(ours), Ok(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((labels, points), (other_labels, others))| {
                    labels == other_labels
                        && points.len() == others.len()
                        && points.iter().zip(others).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1))
                })
        }
        _ => false,
    }
}

#[test]
fn the_queries_of_the_compliance_suite_are_answered_as_prometheus_does() {
    let Some(folder) = testkit::conformance("promql") else { return };
    let text = std::fs::read_to_string(folder.join("compliance-queries.json")).unwrap();
    let queries: Vec<Value> = serde_json::from_str(&text).unwrap();
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let Some(theirs) = prometheus(dir.path(), "empty.yml") else { return };
    let ours =
        Server::prometheus(dir.path(), &["--config.file=empty.yml", "--web.enable-remote-write-receiver"]);
    let end_ms = now_ms() / 60_000 * 60_000 - 120_000;
    let series = demo(end_ms - SAMPLES * INTERVAL_MS + 7_321);
    ours.write(&series);
    theirs.write(&series);
    // Younger than the samples, so that there is something before, and with offsets something after.
    let (start, end) = (seconds(end_ms - 40 * 60_000), seconds(end_ms - 15 * 60_000));

    let (mut wrong, mut fail_wrongly, mut compared) = (Vec::new(), Vec::new(), 0);
    for query in &queries {
        let (text, should_fail) = (query["query"].as_str().unwrap(), query["should_fail"] == true);
        let (own, other) = (ask(&ours, text, &start, &end), ask(&theirs, text, &start, &end));
        let is_known = DIFFERENCES.iter().any(|(known, _)| *known == text);
        if own.is_err() != should_fail && !is_known {
            fail_wrongly.push(text);
        }
        // A difference that is named and is none would hide one.
        if are_equal(&own, &other) == is_known && query["skip_comparison"] != true {
            wrong.push(format!("{text}\n    ours {}\n    theirs {}", brief(&own), brief(&other)));
        }
        compared += 1;
    }
    assert!(fail_wrongly.is_empty(), "fail, or do not, against the suite: {fail_wrongly:#?}");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ, or do not though that is named:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{compared} queries of the compliance suite");
}

fn brief(answer: &Answer) -> String {
    let mut text = format!("{answer:?}");
    let end = text.char_indices().nth(400).map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    text
}
