use std::sync::Arc;
use std::time::Duration;

use ::dashboards::PUBLIC_ANSWERS_AT_ONCE;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{NOW_MS, Server};

/// A server whose own metrics tell what they were asked.
struct Public {
    server: Server,
    router: Router,
    asked: Arc<Mutex<Vec<Vec<(String, String)>>>>,
}

impl Public {
    async fn start() -> Public {
        let server = Server::start().await;
        let asked: Arc<Mutex<Vec<Vec<(String, String)>>>> = Arc::default();
        let seen = asked.clone();
        let own = Router::new().fallback(move |request: Request| {
            let seen = seen.clone();
            async move {
                if request.uri().path() == "/api/v1/status/config" {
                    let yaml = "global:\n  scrape_interval: 30s\n";
                    return axum::Json(json!({"status": "success", "data": {"yaml": yaml}})).into_response();
                }
                assert_eq!(request.uri().path(), "/api/v1/query_range");
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
                if form.iter().any(|(_, value)| value.contains("broken")) {
                    let error = json!({"status": "error", "errorType": "bad_data", "error": "broken_secret"});
                    return (axum::http::StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
                }
                seen.lock().push(form);
                let series = json!([{"metric": {"job": "a"}, "values": [[1_700_000_000, "1"]]}, {"metric": {}, "values": [[1_700_000_000, "2"]]}]);
                let data = json!({"resultType": "matrix", "result": series});
                axum::Json(json!({"status": "success", "data": data})).into_response()
            }
        });
        let router = server.dashboards.router().merge(server.dashboards.data_source_router(own));
        Public { server, router, asked }
    }

    /// Makes a dashboard of these panels public, and answers its token.
    async fn publish(&self, dashboard: Value, public: Value) -> String {
        let saved = self.server.post("/api/dashboards/db", json!({"dashboard": dashboard})).await;
        let path = format!("/api/dashboards/uid/{}/public-dashboards", saved["uid"].as_str().unwrap());
        let made = self.server.post(&path, public).await;
        made["accessToken"].as_str().unwrap().to_string()
    }

    async fn query(&self, token: &str, panel: &str, body: Value) -> (u16, Value) {
        let path = format!("/api/public/dashboards/{token}/panels/{panel}/query");
        let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// A field of what the metrics were asked last.
    fn asked(&self, name: &str) -> String {
        let asked = self.asked.lock();
        let last = asked.last().expect("nothing was asked");
        last.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap()
    }
}

/// When a query begins or ends that is meant for this time: on multiples of its step, the interval of scrapes.
fn grid(seconds: i64) -> String {
    (seconds / 30 * 30).to_string()
}

fn board() -> Value {
    json!({
        "uid": "d", "title": "D", "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "job", "type": "query", "query": "label_values(up, job)", "multi": true, "includeAll": true, "current": {"value": ["a", "b"]}}
        ]},
        "panels": [
            {"id": 1, "targets": [{"refId": "A", "expr": "secret_rate{job=~\"$job\"}[$__rate_interval]"}]},
            {"id": 2, "timeShift": "1d", "targets": [{"refId": "A", "expr": "secret_rate"}, {"refId": "H", "hide": true, "expr": "hidden"}]},
            {"id": 3, "targets": [{"refId": "A", "expr": "broken_secret"}]}
        ]
    })
}

#[tokio::test]
async fn a_stranger_sees_the_data_of_a_panel_and_nothing_of_its_query() {
    let public = Public::start().await;
    let token = public.publish(board(), json!({"isEnabled": true})).await;
    let (status, seen) = public.query(&token, "1", json!({"maxDataPoints": 600})).await;
    assert_eq!(status, 200, "{seen}");
    let frames = seen["results"]["A"]["frames"].as_array().unwrap();
    assert_eq!(frames[0]["data"]["values"], json!([[NOW_MS], [1.0]]));
    assert_eq!(frames[0]["schema"]["fields"][1]["labels"], json!({"job": "a"}));
    assert!(!seen.to_string().contains("secret"), "{seen}");
    assert_eq!(
        public.asked("query"),
        "secret_rate{job=~\"(a|b)\"}[120s]",
        "saved values, the server's interval"
    );
    assert_eq!(public.asked("start"), grid(NOW_MS / 1000 - 3600));
    let (_, seen) = public.query(&token, "3", json!({})).await;
    assert_eq!(seen["results"]["A"]["status"], 400);
    assert!(!seen.to_string().contains("secret"), "{seen}");
}

#[tokio::test]
async fn a_stranger_cannot_ask_anything_else() {
    let public = Public::start().await;
    let token = public.publish(board(), json!({"isEnabled": true})).await;
    let wishes = json!({
        "queries": [{"refId": "A", "expr": "everything"}], "expr": "everything", "variables": {"job": "c"},
        "timeRange": {"from": "0", "to": "now"}, "intervalMs": 1, "maxDataPoints": 999_999,
    });
    let (status, _) = public.query(&token, "1", wishes).await;
    assert_eq!(status, 200);
    assert!(public.asked("query").contains("(a|b)"), "{}", public.asked("query"));
    assert_eq!(public.asked("start"), grid(NOW_MS / 1000 - 3600), "no time may be chosen");
    assert_eq!(public.query(&token, "1", json!({"repeat": {"job": "c"}})).await.0, 400);
    assert_eq!(public.query(&token, "1", json!({"repeat": {"job": "b"}})).await.0, 200);
    assert!(public.asked("query").contains("job=~\"b\""));
    assert_eq!(public.query(&token, "9", json!({})).await.0, 404);
    assert_eq!(public.query(&token, "x", json!({})).await.0, 400);
    assert_eq!(public.query("0", "1", json!({})).await.0, 404);
    assert_eq!(public.query(&token, "1", json!({"x": "y".repeat(20_000)})).await.0, 413);
}

#[tokio::test]
async fn times_are_the_dashboards_unless_visitors_may_choose() {
    let public = Public::start().await;
    let token = public.publish(board(), json!({"isEnabled": true, "timeSelectionEnabled": true})).await;
    let chosen = json!({"timeRange": {"from": "now-2h", "to": "now-1h"}});
    public.query(&token, "1", chosen.clone()).await;
    let seconds = NOW_MS / 1000;
    assert_eq!((public.asked("start"), public.asked("end")), (grid(seconds - 7200), grid(seconds - 3600)));
    public.query(&token, "2", chosen).await;
    assert_eq!(public.asked("start"), grid(seconds - 7200 - 86_400), "the panel looks back a day");
    assert_eq!(public.asked("query"), "secret_rate", "what is hidden is not asked");
}

#[tokio::test]
async fn fifty_strangers_are_one_query_and_what_is_revoked_is_not_shown_from_memory() {
    let public = Public::start().await;
    let token = public.publish(board(), json!({"isEnabled": true})).await;
    for _ in 0..50 {
        assert_eq!(public.query(&token, "1", json!({})).await.0, 200);
    }
    assert_eq!(public.asked.lock().len(), 1);
    let path = "/api/dashboards/uid/d/public-dashboards";
    let one = format!("{path}/{}", public.server.get(path).await["uid"].as_str().unwrap());
    public.server.ask("PATCH", &one, json!({"isEnabled": false})).await;
    assert_eq!(public.query(&token, "1", json!({})).await.0, 403);
    public.server.ask("DELETE", &one, Value::Null).await;
    assert_eq!(public.query(&token, "1", json!({})).await.0, 404);
    assert_eq!(public.asked.lock().len(), 1);
}

#[tokio::test]
async fn a_stranger_who_always_asks_something_new_is_slowed_down() {
    let public = Public::start().await;
    let token = public.publish(board(), json!({"isEnabled": true})).await;
    for points in 0..i64::from(PUBLIC_ANSWERS_AT_ONCE) {
        assert_eq!(public.query(&token, "1", json!({"maxDataPoints": 100 + points})).await.0, 200);
    }
    assert_eq!(public.query(&token, "1", json!({"maxDataPoints": 99})).await.0, 429);
    assert_eq!(public.query(&token, "1", json!({"maxDataPoints": 100})).await.0, 200, "is known");
    public.server.clock.advance(Duration::from_secs(1));
    assert_eq!(public.query(&token, "1", json!({"maxDataPoints": 99})).await.0, 200);
}

#[tokio::test]
async fn values_that_were_pinned_are_shown_and_library_panels_are_whole() {
    let public = Public::start().await;
    let model = json!({"type": "stat", "title": "From the library", "targets": [{"refId": "A", "expr": "kept{job=~\"$job\"}"}]});
    let body = json!({"uid": "lib", "name": "L", "kind": 1, "model": model});
    public.server.post("/api/library-elements", body).await;
    let mut board = board();
    board["panels"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": 4, "gridPos": {"x": 1}, "libraryPanel": {"uid": "lib", "name": "L"}}));
    let pinned = json!({"job": {"text": ["c"], "value": ["c"], "options": []}});
    let token = public.publish(board, json!({"isEnabled": true, "variables": pinned})).await;
    assert_eq!(public.query(&token, "4", json!({})).await.0, 200);
    assert_eq!(public.asked("query"), "kept{job=~\"c\"}");
    let seen = public.server.get(&format!("/api/public/dashboards/{token}")).await;
    assert_eq!(seen["dashboard"]["panels"][3]["title"], "From the library");
    assert_eq!(seen["dashboard"]["panels"][3]["gridPos"], json!({"x": 1}));
    assert_eq!(seen["dashboard"]["templating"]["list"][0]["current"]["value"], json!(["c"]));
}

#[tokio::test]
async fn annotations_are_shown_where_that_is_allowed_and_only_those_of_the_dashboard() {
    let public = Public::start().await;
    let mut board = board();
    board["annotations"] = json!({"list": [{"builtIn": 1, "enable": true, "name": "Annotations", "datasource": {"type": "grafana", "uid": "-- Grafana --"}}]});
    let token = public.publish(board, json!({"isEnabled": true})).await;
    public.server.save("other", "Other", "").await;
    for (dashboard, time) in [("d", NOW_MS - 60_000), ("d", NOW_MS - 86_400_000), ("other", NOW_MS - 60_000)]
    {
        let body = json!({"dashboardUID": dashboard, "time": time, "text": format!("{dashboard} {time}")});
        public.server.post("/api/annotations", body).await;
    }
    let path = format!("/api/public/dashboards/{token}/annotations");
    assert_eq!(public.server.get(&path).await, json!([]));
    let one = "/api/dashboards/uid/d/public-dashboards";
    let one = format!("{one}/{}", public.server.get(one).await["uid"].as_str().unwrap());
    public.server.ask("PATCH", &one, json!({"annotationsEnabled": true})).await;
    let seen = public.server.get(&path).await;
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen[0]["time"], NOW_MS - 60_000);
}
