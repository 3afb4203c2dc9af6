//! The Pushgateway's API as jobs and scrapers see it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use base::Clock;
use exposition::registry::Registry;
use ingest::{Gateway, GatewayConfig};
use serde_json::Value;
use tower::ServiceExt;

use super::NOW_MS;

fn open(config: GatewayConfig, clock: &Clock) -> (Arc<Gateway>, Router) {
    let gateway = Arc::new(Gateway::open(config, &Registry::new(), clock.clone()));
    let router = gateway.router("/metrics", None);
    (gateway, router)
}

async fn ask(app: &Router, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
}

/// The samples that were pushed, without the times of pushes.
async fn page(app: &Router) -> Vec<String> {
    let (_, text) = ask(app, "GET", "/metrics", "").await;
    let is_shown = |line: &&str| {
        !line.starts_with('#') && !line.starts_with("push_") && !line.starts_with("promontory_")
    };
    text.lines().filter(is_shown).map(str::to_string).collect()
}

#[tokio::test]
async fn put_replaces_a_group_post_some_of_its_metrics_and_delete_all() {
    let (_, app) = open(GatewayConfig::default(), &Clock::manual(NOW_MS));
    let ok = (200, String::new());
    let text = "# TYPE a gauge\na{x=\"1\",job=\"other\"} 1\n# TYPE b counter\nb 2\n";
    assert_eq!(ask(&app, "PUT", "/metrics/job/batch/instance/i", text).await, ok);
    assert_eq!(ask(&app, "POST", "/metrics/job/batch/instance/i", "# TYPE a gauge\na 3\n").await, ok);
    assert_eq!(ask(&app, "POST", "/metrics/job/else", "# TYPE a gauge\na 4\n").await, ok);
    let expected = [
        r#"a{instance="i",job="batch"} 3"#,
        r#"a{instance="",job="else"} 4"#,
        r#"b{instance="i",job="batch"} 2"#,
    ];
    assert_eq!(page(&app).await, expected);
    assert_eq!(ask(&app, "PUT", "/metrics/job/batch/instance/i", "c 5\n").await, ok);
    assert_eq!(page(&app).await, [expected[1], r#"c{instance="i",job="batch"} 5"#]);
    assert_eq!(ask(&app, "DELETE", "/metrics/job/batch/instance/i", "").await.0, 202);
    assert_eq!(page(&app).await, [expected[1]]);
}

#[tokio::test]
async fn groups_are_named_by_paths_with_values_in_base64() {
    let (_, app) = open(GatewayConfig::default(), &Clock::manual(NOW_MS));
    for path in ["/metrics/job@base64/L3Zhci90bXA=/path@base64/L2EvYg/empty@base64/=", "/metrics/job/a%20b"] {
        assert_eq!(ask(&app, "PUT", path, "m 1\n").await, (200, String::new()), "{path}");
    }
    let expected =
        [r#"m{empty="",instance="",job="/var/tmp",path="/a/b"} 1"#, r#"m{instance="",job="a b"} 1"#];
    let mut page = page(&app).await;
    page.sort();
    assert_eq!(page, expected);
    for (path, said) in [
        ("/metrics/job/", "job name is required"),
        ("/metrics/job/a/b", "odd number of components in label string \"/b\""),
        ("/metrics/job/a/__x/b", "improper label name \"__x\""),
        ("/metrics/job@base64/*", "invalid base64 encoding in job name \"*\""),
        ("/metrics/job/a/b@base64/*", "invalid base64 encoding for label b=\"*\""),
    ] {
        let (status, text) = ask(&app, "PUT", path, "m 1\n").await;
        assert_eq!(status, 400, "{path}");
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn pushes_that_do_not_fit_are_refused_and_leave_a_time() {
    let clock = Clock::manual(NOW_MS);
    let (_, app) = open(GatewayConfig::default(), &clock);
    assert_eq!(ask(&app, "PUT", "/metrics/job/a", "# TYPE m counter\nm 1\n").await.0, 200);
    clock.advance(Duration::from_secs(5));
    for (body, said) in [
        ("# TYPE m gauge\nm 1\n", "was collected before as type counter"),
        ("x 1\nx 2\n", "was collected before with the same name and label values"),
        ("x 1 1700000000000\n", "pushed metrics must not have timestamps"),
    ] {
        let (status, text) = ask(&app, "POST", "/metrics/job/b", body).await;
        assert_eq!(status, 400, "{body}");
        let expected = "pushed metrics are invalid or inconsistent with existing metrics: ";
        assert!(text.starts_with(expected) && text.contains(said), "{said}: {text}");
    }
    assert_eq!(ask(&app, "POST", "/metrics/job/c", "not a metric at all{\n").await.0, 400);
    let (_, text) = ask(&app, "GET", "/metrics", "").await;
    for line in [
        r#"push_time_seconds{instance="",job="a"} 1.7e+09"#,
        r#"push_failure_time_seconds{instance="",job="a"} 0"#,
        r#"push_time_seconds{instance="",job="b"} 0"#,
        r#"push_failure_time_seconds{instance="",job="b"} 1.700000005e+09"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let (_, unchecked) = open(GatewayConfig { check: false, ..GatewayConfig::default() }, &clock);
    assert_eq!(ask(&unchecked, "PUT", "/metrics/job/a", "x 1\nx 2\n").await.0, 202);
}

#[tokio::test]
async fn groups_survive_a_restart_are_listed_wiped_and_expire() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW_MS));
    let config = GatewayConfig {
        persistence_file: Some(dir.path().join("groups")),
        admin_api: true,
        group_age_max_ms: Some(60_000),
        ..GatewayConfig::default()
    };
    let text = "# HELP h Some help.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum NaN\nh_count 2\n\
                # TYPE s summary\ns{quantile=\"0.9\"} 4\ns_sum 8\ns_count 2\n";
    {
        let (gateway, app) = open(config.clone(), &clock);
        assert_eq!(ask(&app, "PUT", "/metrics/job/a", text).await.0, 200);
        gateway.persist().unwrap();
    }
    let (gateway, app) = open(config.clone(), &clock);
    let lines = page(&app).await;
    assert_eq!(lines[0], r#"h_bucket{instance="",job="a",le="0.5"} 1"#);
    assert_eq!(lines.len(), 7, "{lines:?}");
    let (_, json) = ask(&app, "GET", "/api/v1/metrics", "").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let group = &json["data"][0];
    assert_eq!(
        (json["status"].as_str(), &group["last_push_successful"]),
        (Some("success"), &Value::Bool(true))
    );
    assert_eq!(group["labels"], serde_json::json!({"job": "a"}));
    assert_eq!(group["h"]["type"], "HISTOGRAM");
    assert_eq!(group["h"]["metrics"][0]["buckets"], serde_json::json!({"0.5": "1", "+Inf": "2"}));
    assert_eq!(group["s"]["metrics"][0]["quantiles"], serde_json::json!({"0.9": "4"}));
    assert_eq!(group["push_time_seconds"]["metrics"][0]["value"], "1.7e+09");
    clock.advance(Duration::from_secs(61));
    gateway.persist().unwrap();
    assert!(page(&app).await.is_empty());
    assert_eq!(ask(&app, "PUT", "/metrics/job/a", text).await.0, 200);
    assert_eq!(ask(&app, "PUT", "/api/v1/admin/wipe", "").await.0, 202);
    assert!(page(&app).await.is_empty());
}
