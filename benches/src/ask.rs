//! The twenty questions, in the style of the Kubernetes and node mixins over the model's series, and
//! how two servers' answers differ.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::CLOCK;
use crate::http::{Client, encode};
use crate::peers::{Kind, Server};

/// What is asked of the API.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A range query over so many seconds until the end, with a step in seconds.
    Range(i64, i64),
    /// An instant query at the end.
    Instant,
    /// A path with a query string to which the last six hours are added.
    Path,
}

use Way::{Instant, Path, Range};

const HOUR: i64 = 3_600;

/// Name, way, and expression or path.
const QUESTIONS: [(&str, Way, &str); 20] = [
    (
        "cpu_by_ns",
        Range(6 * HOUR, 60),
        r#"sum by (namespace) (rate(container_cpu_usage_seconds_total{job="kubelet", metrics_path="/metrics/cadvisor", image!=""}[5m]))"#,
    ),
    (
        "cpu_by_pod_top",
        Range(HOUR, 30),
        r#"topk(10, sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{job="kubelet"}[5m])))"#,
    ),
    (
        "mem_by_ns",
        Range(6 * HOUR, 60),
        r#"sum by (namespace) (container_memory_working_set_bytes{job="kubelet", container!="", image!=""})"#,
    ),
    (
        "cpu_owner_join",
        Range(HOUR, 60),
        r#"sum by (namespace, owner_name) (rate(container_cpu_usage_seconds_total{job="kubelet", image!=""}[5m]) * on (namespace, pod) group_left (owner_name) max by (namespace, pod, owner_name) (kube_pod_owner{job="kube-state-metrics"}))"#,
    ),
    (
        "p99_by_app",
        Range(6 * HOUR, 60),
        "histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    (
        "p99_by_pod",
        Instant,
        "histogram_quantile(0.99, sum by (le, pod) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    (
        "err_ratio",
        Range(6 * HOUR, 60),
        r#"sum by (namespace) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (namespace) (rate(http_requests_total[5m]))"#,
    ),
    (
        "regex_pod",
        Range(6 * HOUR, 60),
        r#"sum by (pod) (rate(container_network_receive_bytes_total{pod=~"api-server-.*|worker-.*"}[5m]))"#,
    ),
    (
        "neg_regex",
        Instant,
        r#"count by (namespace) (container_memory_rss{pod!~".*(cache|audit).*", id=~"/kubepods.slice/.*scope"})"#,
    ),
    (
        "node_util",
        Range(6 * HOUR, 60),
        r#"1 - avg by (instance) (sum without (mode) (rate(node_cpu_seconds_total{job="node-exporter", mode=~"idle|iowait|steal"}[5m])))"#,
    ),
    ("subquery", Instant, "max_over_time(sum by (namespace) (rate(http_requests_total[5m]))[6h:1m])"),
    (
        "slo_burn_6h",
        Instant,
        r#"sum(rate(http_requests_total{code=~"5.."}[6h])) / sum(rate(http_requests_total[6h]))"#,
    ),
    ("quantile_ot", Instant, "topk(5, quantile_over_time(0.95, go_goroutines[6h]))"),
    (
        "phase_not_ready",
        Instant,
        r#"sum by (namespace, pod) (max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown|Failed"})) > 0"#,
    ),
    ("count_all", Instant, r#"count({__name__=~".+"})"#),
    ("count_bucket", Range(HOUR, 60), "count(http_request_duration_seconds_bucket)"),
    ("raw_1h", Range(HOUR, 15), r#"container_memory_working_set_bytes{namespace="payments"}"#),
    ("label_pod", Path, "/api/v1/label/pod/values?"),
    ("label_names", Path, "/api/v1/labels?"),
    (
        "series_ns",
        Path,
        "/api/v1/series?match[]=container_cpu_usage_seconds_total%7Bnamespace%3D%22search%22%7D&",
    ),
];

/// A question as a request.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    path: String,
}

/// The twenty questions about the six hours before `end_ms`.
pub(crate) fn questions(end_ms: i64) -> Vec<Question> {
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let end = seconds(end_ms);
    let before = |length_s: i64| seconds(end_ms - length_s * 1000);
    let request = |(name, way, text): (&'static str, Way, &str)| {
        let path = match way {
            Range(length_s, step_s) => format!(
                "/api/v1/query_range?query={}&start={}&end={end}&step={step_s}",
                encode(text),
                before(length_s)
            ),
            Instant => format!("/api/v1/query?query={}&time={end}", encode(text)),
            Path => format!("{}start={}&end={end}", text.replace("[]", "%5B%5D"), before(6 * HOUR)),
        };
        Question { name, path }
    };
    QUESTIONS.into_iter().map(request).collect()
}

/// One answer with what it took.
pub(crate) struct Answer {
    pub(crate) wall_ms: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) body: Vec<u8>,
}

/// Asks a server once.
pub(crate) fn ask(server: &Server, client: &mut Client, question: &Question) -> Result<Answer, String> {
    // Otherwise it answers from what it remembers of the same question.
    let suffix = if server.kind == Kind::VictoriaMetrics { "&nocache=1" } else { "" };
    let path = format!("{}{suffix}", question.path);
    let before_s = server.cpu_s()?;
    let started = CLOCK.mark();
    let reply = client.get(&path)?;
    let wall_ms = started.elapsed_seconds() * 1e3;
    let cpu_ms = (server.cpu_s()? - before_s) * 1e3;
    if reply.status != 200 {
        return Err(format!("{}: HTTP {} {}", server.kind.name(), reply.status, reply.excerpt()));
    }
    Ok(Answer { wall_ms, cpu_ms, body: reply.body })
}

/// The value of an instant query that gives one number; `None` if it gives nothing.
pub(crate) fn number(address: &str, query: &str, time_ms: i64) -> Result<Option<f64>, String> {
    let time = time_ms as f64 / 1000.0;
    let path = format!("/api/v1/query?query={}&time={time}", encode(query));
    let reply = Client::new(address).get(&path)?;
    if reply.status != 200 {
        return Err(format!("{query}: HTTP {} {}", reply.status, reply.excerpt()));
    }
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    let value = answer["data"]["result"][0]["value"][1].as_str();
    Ok(value.and_then(|text| text.parse().ok()))
}

type Points = BTreeMap<String, BTreeMap<i64, f64>>;

fn points(answer: &Value) -> Option<Points> {
    let point = |pair: &Value| {
        let time_ms = (pair[0].as_f64()? * 1000.0).round() as i64;
        Some((time_ms, pair[1].as_str()?.parse::<f64>().ok()?))
    };
    let mut all = Points::new();
    for series in answer["data"]["result"].as_array()? {
        // serde_json keeps the keys of an object in order.
        let name = series["metric"].to_string();
        let values = match series["values"].as_array() {
            Some(pairs) => pairs.iter().filter_map(point).collect(),
            None => point(&series["value"]).into_iter().collect(),
        };
        all.insert(name, values);
    }
    Some(all)
}

/// How far two values may be apart, as a share of the larger: sums in another order differ so much.
const TOLERANCE: f64 = 1e-9;

/// How `b` differs from `a`; `None` if it says the same.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> Option<String> {
    let (Ok(a), Ok(b)) = (serde_json::from_slice::<Value>(a), serde_json::from_slice::<Value>(b)) else {
        return Some("an answer is not JSON".to_string());
    };
    let (Some(x), Some(y)) = (points(&a), points(&b)) else {
        let items = |answer: &Value| {
            let mut items: Vec<String> = answer["data"]
                .as_array()
                .map(|all| all.iter().map(Value::to_string).collect())
                .unwrap_or_default();
            items.sort_unstable();
            items
        };
        let (x, y) = (items(&a), items(&b));
        return (x != y).then(|| format!("{} and {} items", x.len(), y.len()));
    };
    let alone = |x: &Points, y: &Points| x.keys().filter(|name| !y.contains_key(*name)).count();
    let (only_a, only_b) = (alone(&x, &y), alone(&y, &x));
    let (mut count, mut off, mut unmatched, mut worst) = (0, 0, 0, 0f64);
    for (name, ours) in &x {
        let Some(theirs) = y.get(name) else { continue };
        unmatched += theirs.keys().filter(|time| !ours.contains_key(*time)).count();
        for (time, value) in ours {
            count += 1;
            match theirs.get(time) {
                None => unmatched += 1,
                Some(other) if value == other || (value.is_nan() && other.is_nan()) => {}
                Some(other) => {
                    let apart = (value - other).abs() / value.abs().max(other.abs());
                    if apart.is_nan() || apart > TOLERANCE {
                        off += 1;
                        worst = worst.max(if apart.is_nan() { f64::INFINITY } else { apart });
                    }
                }
            }
        }
    }
    if only_a + only_b + off + unmatched == 0 {
        return None;
    }
    Some(format!(
        "{off} of {count} values differ (at most by {worst:.1e}), {unmatched} points and {} series are in one only",
        only_a + only_b
    ))
}

/// A few words on how much an answer holds.
pub(crate) fn extent(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return "not JSON".to_string() };
    match points(&answer) {
        Some(all) => {
            format!("{} series, {} points", all.len(), all.values().map(BTreeMap::len).sum::<usize>())
        }
        None => format!("{} items", answer["data"].as_array().map_or(0, Vec::len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_answers_in_another_order_are_the_same_and_others_are_not() {
        let matrix = |first: &str, second: &str| {
            format!(
                r#"{{"data":{{"result":[{{"metric":{{"b":"2","a":"1"}},"values":[[1,"{first}"]]}},{{"metric":{{}},"values":[[1,"{second}"]]}}]}}}}"#
            )
        };
        let swapped = r#"{"data":{"result":[{"metric":{},"values":[[1.0,"4"]]},{"metric":{"a":"1","b":"2"},"values":[[1,"3.0000000000001"]]}]}}"#;
        assert_eq!(difference(matrix("3", "4").as_bytes(), swapped.as_bytes()), None);
        assert!(difference(matrix("3.1", "4").as_bytes(), swapped.as_bytes()).unwrap().starts_with("1 of 2"));
        let fewer = r#"{"data":{"result":[{"metric":{},"values":[[1,"4"],[2,"4"]]}]}}"#;
        let words = difference(matrix("3", "4").as_bytes(), fewer.as_bytes()).unwrap();
        assert!(words.contains("1 points and 1 series"), "{words}");
        let nan = matrix("NaN", "+Inf");
        assert_eq!(difference(nan.as_bytes(), nan.as_bytes()), None);
    }

    #[test]
    fn lists_are_compared_as_sets() {
        assert_eq!(difference(br#"{"data":["a","b"]}"#, br#"{"data":["b","a"]}"#), None);
        assert!(difference(br#"{"data":["a","b"]}"#, br#"{"data":["b"]}"#).is_some());
    }

    #[test]
    fn there_are_twenty_questions_with_names_of_their_own() {
        let mut names: Vec<&str> =
            questions(1_700_000_000_000).iter().map(|question| question.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 20);
    }
}
