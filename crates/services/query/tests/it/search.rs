//! Searching names as somebody types.

use axum::http::header;
use serde_json::{Value, json};

use crate::ask::{get, post};

async fn lines(path: &str) -> Vec<Value> {
    let answer = get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson; charset=utf-8");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn results_come_in_batches_and_a_last_line_tells_how_it_ended() {
    let name = |name: &str| json!({ "name": name });
    for (path, wanted) in [
        (
            "search/label_names?batch_size=3",
            vec![
                json!({ "results": [name("__name__"), name("code"), name("handler")] }),
                json!({ "results": [name("instance"), name("job")] }),
                json!({ "status": "success", "has_more": false }),
            ],
        ),
        (
            "search/label_names?limit=1&sort_by=alpha&sort_dir=dsc",
            vec![json!({ "results": [name("job")] }), json!({ "status": "success", "has_more": true })],
        ),
        (
            "search/label_names?search[]=zzz",
            vec![json!({ "results": [] }), json!({ "status": "success", "has_more": false })],
        ),
        (
            "search/label_values?label=job&search[]=API&case_sensitive=false&include_score=true",
            vec![
                json!({ "results": [{ "value": "api", "score": 1.0 }] }),
                json!({ "status": "success", "has_more": false }),
            ],
        ),
        (
            "search/metric_names?search[]=up&match[]=up&include_metadata=1",
            vec![
                json!({ "results": [{ "name": "up", "type": "gauge", "help": "Whether it is there." }] }),
                json!({ "status": "success", "has_more": false }),
            ],
        ),
    ] {
        assert_eq!(lines(path).await, wanted, "{path}");
    }
    let posted = post("search/label_names", "search[]=job&match[]=up").await;
    assert_eq!(posted.text.lines().next(), Some("{\"results\":[{\"name\":\"job\"}]}"));
}

#[tokio::test]
async fn the_best_come_first_if_asked_so() {
    let found = lines("search/metric_names?search[]=http_req&sort_by=score&include_score=true").await;
    let results = found[0]["results"].as_array().unwrap();
    let scores: Vec<f64> = results.iter().map(|result| result["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    // Names that begin so are best; among equals the order is that of letters.
    assert_eq!((&results[0]["name"], scores[0]), (&json!("http_request_duration_seconds"), 1.0));
    assert_eq!((&results[1]["name"], scores[1]), (&json!("http_requests_total"), 1.0));
    assert_eq!(results.len(), 4);
}

#[tokio::test]
async fn wrong_searches_are_refused() {
    let many = format!("search/label_names?{}", "search[]=a&".repeat(33));
    for (path, message) in [
        (many.as_str(), "too many search[] terms: got 33, maximum is 32"),
        ("search/label_names?fuzz_threshold=101", "invalid fuzz_threshold \"101\": must be 0-100"),
        (
            "search/label_names?fuzz_alg=x",
            "unsupported fuzz_alg \"x\": must be one of [subsequence jarowinkler]",
        ),
        ("search/label_names?case_sensitive=x", "invalid case_sensitive \"x\": must be boolean"),
        ("search/label_names?sort_dir=asc", "sort_dir is only valid when sort_by is set"),
        ("search/label_names?sort_by=score&sort_dir=asc", "sort_dir is not supported for sort_by=score"),
        ("search/label_names?sort_by=alpha&sort_dir=x", "invalid sort_dir \"x\": must be \"asc\" or \"dsc\""),
        ("search/label_names?sort_by=score", "sort_by=score requires search[] to be set"),
        (
            "search/label_names?sort_by=x",
            "invalid sort_by \"x\" for label_names: must be \"alpha\" or \"score\"",
        ),
        ("search/label_names?limit=0", "invalid limit \"0\": must be a positive integer"),
        ("search/label_names?batch_size=x", "invalid batch_size \"x\": must be a positive integer"),
        ("search/label_names?start=2&end=1", "end timestamp must not be before start timestamp"),
        (
            "search/label_names?start=x",
            "invalid time value for 'start': cannot parse \"x\" to a valid timestamp",
        ),
        ("search/label_values", "missing required parameter \"label\""),
        ("search/metric_names?include_metadata=x", "invalid include_metadata \"x\": must be boolean"),
    ] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.error()), (400, format!("bad_data: {message}")), "{path}");
    }
}
