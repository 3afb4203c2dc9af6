//! Targets, rules, alerts and status.

use serde_json::{Value, json};

use crate::ask::get;

fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

#[tokio::test]
async fn targets_are_shown_by_state_and_pool() {
    for (path, active, dropped) in [
        ("targets", 1, 1),
        ("targets?state=any", 1, 1),
        ("targets?state=ACTIVE", 1, 0),
        ("targets?state=dropped", 0, 1),
        ("targets?state=other", 0, 0),
        ("targets?scrapePool=none", 0, 0),
    ] {
        let data = get(path).await.data();
        assert_eq!(
            (count(&data["activeTargets"]), count(&data["droppedTargets"])),
            (active, dropped),
            "{path}"
        );
    }
    assert_eq!(get("targets").await.data()["activeTargets"][0]["lastScrape"], "2026-01-02T13:36:55.679Z");
}

#[tokio::test]
async fn relabelling_is_shown_step_by_step() {
    let steps = async |labels: &str| {
        get(&format!("targets/relabel_steps?scrapePool=prometheus&labels={labels}")).await.data()["steps"]
            .clone()
    };
    let kept = steps("%7B%22__address__%22:%22a:1%22,%22job%22:%22x%22%7D").await;
    let output = json!({ "__address__": "a:1", "instance": "a:1", "job": "x" });
    assert_eq!((&kept[0]["output"], &kept[0]["keep"]), (&output, &json!(true)));
    assert_eq!((&kept[1]["output"], &kept[1]["keep"]), (&output, &json!(true)));
    assert_eq!(
        kept[0]["rule"],
        json!({
            "source_labels": ["__address__"], "separator": ";", "regex": "(.*)", "target_label": "instance",
            "replacement": "$1", "action": "replace",
        })
    );
    let dropped = steps("%7B%22job%22:%22other%22%7D").await;
    assert_eq!((&dropped[1]["output"], &dropped[1]["keep"]), (&json!({}), &json!(false)));
    let answer = get("targets/relabel_steps?scrapePool=prometheus&labels=x").await;
    assert!(answer.error().starts_with("bad_data: error parsing labels: "), "{}", answer.text);
}

#[tokio::test]
async fn metadata_is_limited_by_metric_and_by_entry() {
    let count_of = |data: &Value| data["http_requests_total"].as_array().map_or(0, Vec::len);
    for (path, metrics, entries) in [
        ("metadata", 2, 2),
        ("metadata?limit=1", 1, 2),
        ("metadata?limit=0", 0, 0),
        ("metadata?limit_per_metric=1", 2, 1),
        ("metadata?metric=up", 1, 0),
        ("metadata?metric=none", 0, 0),
    ] {
        let data = get(path).await.data();
        assert_eq!((data.as_object().unwrap().len(), count_of(&data)), (metrics, entries), "{path}");
    }
    for (path, length) in [
        ("targets/metadata", 3),
        // A target is shown with all it says.
        ("targets/metadata?limit=1", 2),
        ("targets/metadata?metric=http_requests_total", 2),
        ("targets/metadata?match_target=%7Binstance=%22localhost:9091%22%7D", 1),
        ("targets/metadata?metric=none", 0),
    ] {
        assert_eq!(count(&get(path).await.data()), length, "{path}");
    }
}

#[tokio::test]
async fn rules_are_filtered_and_groups_without_rules_left_out() {
    let names = |data: &Value| -> Vec<String> {
        let rules =
            data["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules.map(|rule| rule["name"].as_str().unwrap().to_string()).collect()
    };
    for (path, wanted) in [
        ("rules", vec!["HighErrorRate", "job:up:sum", "job:up:max"]),
        ("rules?type=alert", vec!["HighErrorRate"]),
        ("rules?type=RECORD", vec!["job:up:sum", "job:up:max"]),
        ("rules?rule_name[]=job:up:max", vec!["job:up:max"]),
        ("rules?rule_group[]=example_records", vec!["job:up:max"]),
        ("rules?file[]=none", vec![]),
        ("rules?match[]=%7Bseverity=%22critical%22%7D", vec!["HighErrorRate"]),
    ] {
        assert_eq!(names(&get(path).await.data()), wanted, "{path}");
    }
    let data = get("rules").await.data();
    assert_eq!(count(&data["groups"]), 2);
    assert_eq!(count(&data["groups"][0]["rules"][0]["alerts"]), 1);
    let data = get("rules?exclude_alerts=true").await.data();
    assert_eq!(count(&data["groups"][0]["rules"][0]["alerts"]), 0);
}

#[tokio::test]
async fn groups_come_in_pages() {
    let first = get("rules?group_limit=1").await.data();
    assert_eq!(first["groups"][0]["name"], "example_alerts");
    let token = first["groupNextToken"].as_str().unwrap();
    let second = get(&format!("rules?group_limit=1&group_next_token={token}")).await.data();
    assert_eq!((count(&second["groups"]), &second["groups"][0]["name"]), (1, &json!("example_records")));
    assert_eq!(second["groupNextToken"], Value::Null);
}

#[tokio::test]
async fn alerts_are_those_of_all_rules() {
    let alerts = get("alerts").await.data()["alerts"].clone();
    assert_eq!((count(&alerts), &alerts[0]["state"]), (1, &json!("firing")));
    assert_eq!(alerts[0]["activeAt"], "2026-01-02T13:27:00Z");
    let url = "http://localhost:9093/api/v2/alerts";
    assert_eq!(
        get("alertmanagers").await.data(),
        json!({ "activeAlertmanagers": [{ "url": url }], "droppedAlertmanagers": [] })
    );
}

#[tokio::test]
async fn features_tell_what_is_on() {
    let data = get("features").await.data();
    for (category, name, on) in [
        ("api", "search", true),
        ("promql", "offset", true),
        ("promql", "duration_expr", true),
        ("promql", "anchored", false),
        ("promql_functions", "rate", true),
        ("promql_functions", "info", false),
        ("promql_operators", ">=", true),
        ("promql_operators", "limitk", false),
    ] {
        assert_eq!(data[category][name], on, "{category} {name}");
    }
}

#[tokio::test]
async fn own_metrics_are_chosen_by_a_pattern_for_the_whole_name() {
    for (pattern, names) in [
        ("", vec!["prometheus_tsdb_head_chunks", "other_total"]),
        ("prometheus_tsdb_.*", vec!["prometheus_tsdb_head_chunks"]),
        ("tsdb", vec![]),
    ] {
        let data = get(&format!("status/self_metrics?metric_name_pattern={pattern}")).await.data();
        let found: Vec<&str> = data.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{pattern}");
    }
    let answer = get("status/self_metrics?metric_name_pattern=(").await;
    assert!(answer.error().starts_with("bad_data: invalid metric_name_pattern: "), "{}", answer.text);
}

#[tokio::test]
async fn the_state_of_the_process_is_shown() {
    for (path, wanted) in [
        ("status/config", json!({ "yaml": "scrape_configs: []\n" })),
        ("status/flags", json!({ "query.timeout": "2m" })),
        ("status/walreplay", json!({ "min": 2, "max": 5, "current": 5 })),
        ("scrape_pools", json!({ "scrapePools": ["prometheus"] })),
        (
            "notifications",
            json!([{ "text": "A file is missing.", "date": "2026-01-02T13:37:00Z", "active": true }]),
        ),
    ] {
        assert_eq!(get(path).await.data(), wanted, "{path}");
    }
    assert_eq!(count(&get("status/tsdb?limit=1").await.data()["seriesCountByMetricName"]), 1);
    assert_eq!(get("status/tsdb/blocks").await.data()["blocks"][0]["stats"]["numSeries"], 8);
}
