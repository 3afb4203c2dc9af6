//! Queries while they run: listed, killed, refused; answers while they are sent.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use promql::{Engine, EngineOptions};
use query::conformance::fixture;
use query::{Config, Deps, router};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

use crate::ask::{Answer, call, get, send};
use crate::queries::{gated, query, reads};

fn of(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(format!("/api/v1/{path}")).body(Body::empty()).unwrap()
}

async fn listed(router: &Router) -> Value {
    send(router.clone(), of(Method::GET, "status/queries")).await.data()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_listed_while_it_runs_and_remembered_afterwards() {
    let (router, gate, is_reading) = gated();
    let asked = tokio::spawn(send(router.clone(), query("count(a)")));
    let is_reading = reads(is_reading).await;
    let list = listed(&router).await;
    assert_eq!(list["running"][0]["query"], "count(a)");
    assert_eq!(list["running"][0]["state"], "evaluating");
    assert_eq!(list["running"][0]["cost"]["seriesSelected"], 1_000);
    assert_eq!(list["slowest"], json!([]));
    assert_eq!(list["limits"]["concurrency"], 1);
    gate.open();
    assert_eq!(asked.await.unwrap().status, 200);
    let list = listed(&router).await;
    assert_eq!(list["running"], json!([]));
    assert_eq!(list["slowest"][0]["query"], "count(a)");
    assert_eq!(list["slowest"][0]["outcome"], "success");
    drop(is_reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_killed_whether_it_runs_or_waits() {
    let (router, gate, is_reading) = gated();
    let running = tokio::spawn(send(router.clone(), query("count(a)")));
    let is_reading = reads(is_reading).await;
    let waiting = tokio::spawn(send(router.clone(), query("1")));
    while listed(&router).await["running"].as_array().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let killed = |answer: Answer| {
        assert_eq!(answer.status, 499);
        assert_eq!(answer.error(), "canceled: query was killed by an operator");
    };
    assert_eq!(send(router.clone(), of(Method::POST, "status/queries/2/kill")).await.data()["id"], 2);
    killed(waiting.await.unwrap());
    assert_eq!(send(router.clone(), of(Method::DELETE, "status/queries/1")).await.status, 200);
    assert_eq!(listed(&router).await["running"][0]["state"], "stopping");
    gate.open();
    killed(running.await.unwrap());
    let again = send(router.clone(), of(Method::DELETE, "status/queries/1")).await;
    assert_eq!((again.status, again.error().as_str()), (404, "not_found: query 1 does not run (any more)"));
    let outcomes: Vec<Value> = listed(&router).await["slowest"].as_array().unwrap().clone();
    assert!(outcomes.iter().all(|query| query["outcome"] == "killed"), "{outcomes:?}");
    drop(is_reading);
}

#[tokio::test]
async fn only_a_number_names_a_query() {
    let answer = call(Method::DELETE, "status/queries/all").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "bad_data: \"all\" is no number of a query"));
}

#[tokio::test]
async fn a_query_beyond_its_budget_is_refused_with_its_cost() {
    let options = EngineOptions { max_samples: 10, ..EngineOptions::default() };
    let deps = Deps { engine: Arc::new(Engine::new(options)), ..fixture::deps() };
    let answer = send(router(Config::default(), deps), query("up[1h]")).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.error(),
        "execution: query processing would load too many samples into memory in query execution"
    );
    let details = &answer.json()["details"];
    assert_eq!(details["limits"]["samples"], 10);
    assert_eq!(details["cost"]["seriesSelected"], 2);
    assert!(details["cost"]["peakSamples"].as_u64().unwrap() > 10, "{details}");
}

#[tokio::test]
async fn a_large_answer_is_whole_although_it_comes_in_pieces() {
    // Two series of 11,001 points each are more than is sent at once.
    let query = "label_replace(vector(time()/7),%22a%22,%221%22,%22%22,%22%22)%20or%20vector(time())";
    let uri = format!("/api/v1/query_range?query={query}&start=1700000000&end=1700011000&step=1");
    let answer = fixture::api().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
    assert!(!answer.headers().contains_key("content-length"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let json: Value = serde_json::from_slice(&body).unwrap();
    let series = json["data"]["result"].as_array().unwrap();
    assert_eq!(series.len(), 2);
    for one in series {
        let values = one["values"].as_array().unwrap();
        assert_eq!(values.len(), 11_001);
        assert_eq!(values[11_000][0], 1_700_011_000);
    }
}

#[tokio::test]
async fn the_store_is_changed_only_where_that_is_allowed() {
    let forbidden =
        Deps { sources: query::Sources { admin: None, ..fixture::deps().sources }, ..fixture::deps() };
    let forbidden = router(Config::default(), forbidden);
    for path in ["delete_series?match[]=up", "clean_tombstones", "snapshot"] {
        let answer = send(forbidden.clone(), of(Method::POST, &format!("admin/tsdb/{path}"))).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "unavailable: admin APIs disabled"),
            "{path}"
        );
    }
    for method in [Method::POST, Method::PUT] {
        let deleted = call(method.clone(), "admin/tsdb/delete_series?match[]=up&start=1&end=2").await;
        assert_eq!((deleted.status, deleted.json()), (200, json!({ "status": "success" })));
        assert_eq!(call(method.clone(), "admin/tsdb/clean_tombstones").await.status, 200);
        let snapshot = call(method, "admin/tsdb/snapshot?skip_head=true").await.data();
        assert_eq!(snapshot, json!({ "name": "20260102T133700Z-1" }));
    }
    let nothing = call(Method::POST, "admin/tsdb/delete_series").await;
    assert_eq!(nothing.error(), "bad_data: no match[] parameter provided");
}

#[tokio::test]
async fn exemplars_come_with_the_series_they_belong_to() {
    let data = get("query_exemplars?query=rate(http_requests_total[5m])").await.data();
    assert_eq!(
        data,
        json!([{
            "seriesLabels": { "__name__": "http_requests_total", "job": "api" },
            "exemplars": [{ "labels": { "trace_id": "abc" }, "value": "1.5", "timestamp": 1_767_360_959.75 }],
        }])
    );
    assert_eq!(get("query_exemplars?query=up").await.data(), json!([]));
}

#[tokio::test]
async fn cardinality_is_told_by_group_and_by_label() {
    let data = get("status/cardinality?job=prometheus&limit=1").await.data();
    assert_eq!(
        data["groups"],
        json!([{
            "name": "prometheus", "series": 7, "createdLastHour": 3, "seriesBefore": 5, "secondsBefore": 60.0,
            "refused": 1,
        }])
    );
    assert_eq!(data["labels"][0]["top"], json!([{ "name": "up", "value": 2 }]));
    assert_eq!(data["growth"][0]["created"], 9);
    // Only a group's growth is known.
    assert_eq!(get("status/cardinality?match[]=up").await.data()["growth"], json!([]));
    assert_eq!(get("status/cardinality?limit=0").await.status, 400);
    assert_eq!(get("status/cardinality?match[]=up&match[]=a").await.status, 400);
}

#[tokio::test]
async fn a_query_is_explained_before_it_runs_and_measured_if_it_may_run() {
    let path = "explain?query=sum(rate(up[5m]))%20/%20count(http_requests_total)";
    let data = get(path).await.data();
    assert_eq!(
        (&data["analyzed"], &data["tree"]["children"][1]["expr"]),
        (&json!(false), &json!("count(http_requests_total)"))
    );
    let rate = &data["tree"]["children"][0]["children"][0];
    assert_eq!(
        (&rate["expr"], &rate["series"], &rate["samplesRead"]),
        (&json!("rate(up[5m])"), &json!(2), &json!(0))
    );
    assert!(rate["samplesEstimate"].as_u64().unwrap() >= 40, "{rate}");
    let data = get(&format!("{path}&analyze=true")).await.data();
    let rate = &data["tree"]["children"][0]["children"][0];
    assert_eq!(
        (&data["analyzed"], &rate["rows"], &rate["samplesRead"]),
        (&json!(true), &json!(2), &json!(40))
    );
    assert_eq!(get("explain?query=sum(").await.status, 400);
    // The longest row of operands and a deep nesting.
    let row = ["1"; 1_000].join("%2B");
    assert_eq!(get(&format!("explain?query={row}")).await.status, 200);
    let nested = format!("{}up{}", "sum(".repeat(200), ")".repeat(200));
    assert_eq!(get(&format!("explain?query={nested}&analyze=true")).await.status, 200);
}

#[tokio::test]
async fn a_rule_that_is_evaluated_is_listed_with_its_group_and_can_be_stopped() {
    let deps = fixture::deps();
    let router = router(Config::default(), deps.clone());
    let limits = promql::QueryLimits::default();
    let rule = query::RuleAsks { name: "A".into(), group: "g".into(), file: "r.yml".into() };
    let enter = |rule| {
        deps.queries.enter_rule(rule, "up == 0", 1_000, limits.cancel.clone(), limits.progress.clone())
    };
    let place = enter(rule).unwrap();
    let list = listed(&router).await;
    assert_eq!(list["running"][0]["rule"], json!({ "name": "A", "group": "g", "file": "r.yml" }));
    assert_eq!(
        (&list["running"][0]["state"], &list["running"][0]["start"]),
        (&json!("evaluating"), &json!(1.0))
    );
    assert_eq!(send(router.clone(), of(Method::DELETE, "status/queries/1")).await.status, 200);
    assert!(limits.cancel.is_canceled());
    drop(place);
    let list = listed(&router).await;
    assert_eq!((&list["running"], &list["slowest"][0]["outcome"]), (&json!([]), &json!("killed")));
}
