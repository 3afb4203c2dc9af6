//! Series and labels.

use serde_json::{Value, json};

use crate::ask::{get, post};

#[tokio::test]
async fn series_are_shown_once() {
    let up = |instance: &str| json!({ "__name__": "up", "instance": instance, "job": "prometheus" });
    let both = json!([up("localhost:9090"), up("localhost:9091")]);
    assert_eq!(get("series?match[]=up").await.data(), both);
    assert_eq!(get("series?match[]=up&match[]=%7B__name__=%22up%22%7D").await.data(), both);
    assert_eq!(post("series", "match[]=up").await.data(), both);
    assert_eq!(get("series?match[]=up&start=0&end=1").await.data(), json!([]));
    // The wrong way round is an empty range, not a mistake.
    assert_eq!(get("series?match[]=up&start=2&end=1").await.data(), json!([]));
}

#[tokio::test]
async fn labels_are_sorted_and_may_be_narrowed() {
    for (path, data) in [
        ("labels", json!(["__name__", "code", "handler", "instance", "job"])),
        ("labels?match[]=up", json!(["__name__", "instance", "job"])),
        ("labels?match[]=up&match[]=http_requests_total", json!(["__name__", "instance", "job"])),
        ("labels?start=2&end=1", json!([])),
        ("label/job/values", json!(["api", "prometheus"])),
        ("label/job/values?match[]=up", json!(["prometheus"])),
        ("label/job/values?match[]=up&match[]=http_requests_total", json!(["api", "prometheus"])),
        ("label/U__job/values", json!(["api", "prometheus"])),
        ("label/%6aob/values", json!(["api", "prometheus"])),
        ("label/no.such%20label/values", json!([])),
    ] {
        assert_eq!(get(path).await.data(), data, "{path}");
    }
}

#[tokio::test]
async fn a_limit_cuts_and_says_so() {
    for (path, length, warned) in [
        ("series?match[]=up&limit=1", 1, true),
        ("series?match[]=up&limit=2", 2, false),
        ("labels?limit=2", 2, true),
        ("labels?limit=5", 5, false),
        ("label/job/values?limit=1", 1, true),
        ("label/job/values?limit=0", 2, false),
    ] {
        let body = get(path).await.json();
        assert_eq!(body["data"].as_array().unwrap().len(), length, "{path}");
        let warning = if warned { json!(["results truncated due to limit"]) } else { Value::Null };
        assert_eq!(body["warnings"], warning, "{path}");
    }
}
