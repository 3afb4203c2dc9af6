//! The API as clients meet it, held against Alertmanager's own document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test may stop where it stands.

mod schema;
mod trial;

use std::path::Path;
use std::sync::Arc;

use alerting::dispatch::Limits;
use alerting::replicas::Alone;
use alerting::trail::Trail;
use alerting::{Alerting, Config, Deps, Handle, HttpTransport, MatcherMode, Transport, api};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base::Clock;
use config::http_client::PathBase;
use exposition::Registry;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const CONFIG: &str = "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1h
  labels: {owner: all}
  routes:
  - {receiver: web, matchers: [team=web], continue: true, labels: {owner: web}}
  - {receiver: night, matchers: [team=web], mute_time_intervals: [always]}
inhibit_rules:
- {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [team]}
receivers: [{name: default}, {name: web, labels: {floor: '2'}}, {name: night}]
time_intervals: [{name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}]
";

struct Server {
    router: Router,
    alerting: Handle,
    registry: Registry,
}

impl Server {
    fn new() -> Server {
        Server::with(api::Settings::default())
    }

    fn with(settings: api::Settings) -> Server {
        Server::over(CONFIG, settings, Arc::new(HttpTransport::default()))
    }

    fn over(config: &str, settings: api::Settings, transport: Arc<dyn Transport>) -> Server {
        let base = PathBase::new(Path::new("/"));
        let config = Config::parse(config, &base, settings.matcher_mode).unwrap();
        let deps = Deps {
            clock: Clock::system(),
            data_dir: None,
            transport,
            external_url: "http://am.example".into(),
            instance: "here".into(),
            limits: Limits::default(),
            replicas: Arc::new(alerting::replicas::Alone),
            trail: Trail::off(),
        };
        let alerting = Alerting::start(config, deps).unwrap();
        let registry = Registry::new();
        let deps = api::Deps {
            alerting: alerting.clone(),
            replicas: Arc::new(Alone),
            version: "1.2.3",
            registry: registry.clone(),
        };
        Server { router: api::router(settings, deps), alerting, registry }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn ask(&self, method: &str, uri: &str, body: Option<&Value>) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(uri);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string().into()),
            None => request.body(Body::empty()),
        };
        let (status, _, body) = self.send(request.unwrap()).await;
        (status, body)
    }

    async fn get(&self, uri: &str) -> Value {
        let (status, body) = self.ask("GET", uri, None).await;
        assert_eq!(status, StatusCode::OK, "{uri}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn post_alerts(&self, labels: &[Value]) {
        let alerts: Vec<Value> = labels.iter().map(|labels| json!({ "labels": labels })).collect();
        let (status, body) = self.ask("POST", "/alerts", Some(&json!(alerts))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    async fn silence(&self, name: &str, value: &str) -> String {
        let body = json!({
            "matchers": [{"name": name, "value": value, "isRegex": false}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00.000Z",
            "createdBy": "me", "comment": "", "annotations": {"why": "test"},
        });
        let (status, body) = self.ask("POST", "/silences", Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["silenceID"].as_str().unwrap().to_string()
    }

    /// The alerts of an answer by `alertname`, each with a part of it.
    async fn names(&self, uri: &str, part: &str) -> Vec<(String, Value)> {
        let mut names: Vec<(String, Value)> = self
            .get(uri)
            .await
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| {
                (
                    alert["labels"]["alertname"].as_str().unwrap().to_string(),
                    alert.pointer(part).unwrap().clone(),
                )
            })
            .collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names
    }
}

#[tokio::test]
async fn every_operation_answers_by_the_document() {
    let Some(document) = testkit::conformance("alertmanager/api/openapi.yaml") else { return };
    let text = std::fs::read_to_string(document).unwrap();
    let document = schema::document(&text);
    let server = Server::new();
    let now = json!([{
        "labels": {"alertname": "A", "team": "web", "severity": "critical"},
        "annotations": {"summary": "x"}, "generatorURL": "http://p.example/graph",
        "startsAt": "2026-01-01T00:00:00+01:00", "endsAt": "2099-01-01T00:00:00Z",
    }]);
    server.post_alerts(&[json!({"alertname": "B", "team": "web", "severity": "warning"})]).await;
    let id = server.silence("alertname", "B").await;
    let silence = json!({
        "matchers": [{"name": "a", "value": "b.*", "isRegex": true, "isEqual": false}, {"name": "c", "value": "d", "isRegex": false}],
        "startsAt": "2098-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": "x",
    });
    let unknown = "00000000-0000-0000-0000-000000000000";
    let (of, gone) = (format!("/silence/{id}"), format!("/silence/{unknown}"));
    let bad_id = json!({"id": unknown, "matchers": silence["matchers"], "startsAt": silence["startsAt"],
        "endsAt": silence["endsAt"], "createdBy": "me", "comment": "x"});
    let cases: Vec<(&str, &str, String, Option<&Value>, u16)> = vec![
        ("get", "/status", "/status".into(), None, 200),
        ("get", "/receivers", "/receivers".into(), None, 200),
        ("get", "/receivers", "/receivers?receiver_matchers=floor%3D2".into(), None, 200),
        ("get", "/receivers", "/receivers?receiver_matchers=%7B".into(), None, 400),
        ("post", "/alerts", "/alerts".into(), Some(&now), 200),
        ("post", "/alerts", "/alerts".into(), Some(&Value::Null), 200),
        ("get", "/alerts", "/alerts".into(), None, 200),
        ("get", "/alerts", "/alerts?filter=%22".into(), None, 400),
        ("get", "/alerts", "/alerts?receiver=(".into(), None, 400),
        ("get", "/alerts/groups", "/alerts/groups".into(), None, 200),
        ("get", "/alerts/groups", "/alerts/groups?receiver_matchers=x".into(), None, 400),
        ("get", "/silences", "/silences".into(), None, 200),
        ("get", "/silences", "/silences?filter=x".into(), None, 400),
        ("post", "/silences", "/silences".into(), Some(&silence), 200),
        ("post", "/silences", "/silences".into(), Some(&bad_id), 404),
        ("get", "/silence/{silenceID}", of.clone(), None, 200),
        ("get", "/silence/{silenceID}", gone.clone(), None, 404),
        ("delete", "/silence/{silenceID}", of, None, 200),
        ("delete", "/silence/{silenceID}", gone, None, 404),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (method, path, uri, body, status) in cases {
        let (got, answer) = server.ask(&method.to_uppercase(), &uri, body).await;
        assert_eq!(got.as_u16(), status, "{method} {uri}: {answer}");
        let responses = &document["paths"][path][method]["responses"];
        let response = schema::resolved(&document, &responses[got.as_str()]);
        assert!(response.is_object(), "{method} {uri}: {got} is not documented");
        seen.insert((path.to_string(), method.to_string()));
        let Some(wanted) = response.get("schema") else { continue };
        let value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{method} {uri}: {error}: {answer}"));
        let mut errors = Vec::new();
        schema::check(&document, wanted, &value, "body", &mut errors);
        assert!(errors.is_empty(), "{method} {uri}: {errors:?}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            assert!(seen.contains(&(path.clone(), method.clone())), "{method} {path} is not tried");
        }
    }
}

#[tokio::test]
async fn valid_alerts_are_taken_even_if_others_are_not() {
    let server = Server::new();
    let alerts = json!([
        {"labels": {"alertname": "good", "none": ""}},
        {"labels": {}},
        {"labels": {"alertname": "late"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"},
        {"labels": {"alertname": "fine", "ünicode \u{1f642}": "x"}},
    ]);
    let (status, body) = server.ask("POST", "/alerts", Some(&alerts)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, "\"at least one label pair required\\nstart time must be before end time\"\n");
    let listed = server.names("/alerts", "/labels").await;
    assert_eq!(
        listed,
        [
            ("fine".to_string(), json!({"alertname": "fine", "ünicode \u{1f642}": "x"})),
            ("good".to_string(), json!({"alertname": "good"})),
        ]
    );
    for (body, status, expected) in [
        (
            "[{\"labels\":",
            400,
            "{\"code\":400,\"message\":\"parsing alerts body from \\\"\\\" failed, because unexpected end of JSON input\"}",
        ),
        ("[{\"annotations\":{}}]", 422, "{\"code\":602,\"message\":\"0.labels in body is required\"}"),
        ("", 422, "{\"code\":602,\"message\":\"alerts in body is required\"}"),
    ] {
        let request = Request::post("/alerts").header("content-type", "application/json; charset=utf-8");
        let (got, _, answer) = server.send(request.body(body.into()).unwrap()).await;
        assert_eq!((got.as_u16(), answer.as_str()), (status, expected));
    }
    let form = Request::post("/alerts").header("content-type", "text/plain").body("[]".into()).unwrap();
    assert_eq!(server.send(form).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(server.names("/alerts", "/labels").await, listed);
}

#[tokio::test]
async fn more_alerts_than_a_request_may_have_are_refused_valid_or_not() {
    let body = format!("[{}{{\"labels\":{{}}}}]", "{\"labels\":{}},".repeat(500_000));
    let request = Request::post("/alerts").header("content-type", "application/json");
    let (status, _, body) = Server::new().send(request.body(body.into()).unwrap()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{} bytes", body.len());
}

#[tokio::test]
async fn in_classic_mode_names_are_plain() {
    let server =
        Server::with(api::Settings { matcher_mode: MatcherMode::Classic, ..api::Settings::default() });
    let alerts = json!([{"labels": {"a b": "ü"}}, {"labels": {"alertname": "ü"}}]);
    let (status, body) = server.ask("POST", "/alerts", Some(&alerts)).await;
    assert_eq!((status.as_u16(), body.as_str()), (400, "\"invalid label set: invalid name \\\"a b\\\"\"\n"));
    assert_eq!(server.names("/alerts", "/status/state").await, [("ü".into(), json!("active"))]);
}

#[tokio::test]
async fn what_suppresses_an_alert_is_shown_at_once() {
    let server = Server::new();
    server
        .post_alerts(&[
            json!({"alertname": "source", "team": "web", "severity": "critical"}),
            json!({"alertname": "target", "team": "web", "severity": "warning"}),
            json!({"alertname": "other", "team": "db", "severity": "warning"}),
        ])
        .await;
    let id = server.silence("alertname", "other").await;
    let source = server.names("/alerts?filter=alertname%3Dsource", "/fingerprint").await[0].1.clone();
    assert_eq!(
        server.names("/alerts", "/status").await,
        [
            (
                "other".into(),
                json!({"state": "suppressed", "silencedBy": [id], "inhibitedBy": [], "mutedBy": []})
            ),
            ("source".into(), json!({"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []})),
            (
                "target".into(),
                json!({"state": "suppressed", "silencedBy": [], "inhibitedBy": [source], "mutedBy": []})
            ),
        ]
    );
    for (query, expected) in [
        ("active=false", &["other", "target"][..]),
        ("silenced=false", &["source", "target"]),
        ("inhibited=false", &["other", "source"]),
        ("active=true&silenced=false&inhibited=false&unprocessed=false&receiver=", &["source"]),
        ("filter=team%3Dweb&filter=severity%3D~%22warn.*%22", &["target"]),
        ("receiver=we.", &["source", "target"]),
        ("receiver=w", &[]),
        ("receiver_matchers=floor%3D2", &["source", "target"]),
    ] {
        let names: Vec<String> = server
            .names(&format!("/alerts?{query}"), "/labels")
            .await
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, expected, "{query}");
    }
    let (status, _) = server.ask("DELETE", &format!("/silence/{id}"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        server.names("/alerts?silenced=false&filter=alertname%3Dother", "/status/state").await[0].1,
        "active"
    );
}

#[tokio::test]
async fn groups_are_listed_by_labels_and_receiver() {
    let server = Server::new();
    server.post_alerts(&[json!({"alertname": "b"}), json!({"alertname": "a", "team": "web"})]).await;
    let short = |groups: Value| -> Vec<(String, String, Value, Value)> {
        groups
            .as_array()
            .unwrap()
            .iter()
            .map(|group| {
                let text = |value: &Value| value.as_str().unwrap().to_string();
                let status = group["alerts"][0]["status"]["mutedBy"].clone();
                (
                    text(&group["labels"]["alertname"]),
                    text(&group["receiver"]["name"]),
                    group["routeLabels"].clone(),
                    status,
                )
            })
            .collect()
    };
    let of = |name: &str, receiver: &str, owner: &str, muted: Value| {
        (name.to_string(), receiver.to_string(), json!({"owner": owner}), muted)
    };
    let all = [
        of("a", "night", "all", json!(["always"])),
        of("a", "web", "web", json!([])),
        of("b", "default", "all", json!([])),
    ];
    assert_eq!(short(server.get("/alerts/groups").await), all);
    assert_eq!(short(server.get("/alerts/groups?muted=false").await), all[1..]);
    assert_eq!(short(server.get("/alerts/groups?receiver=web|night").await), all[..2]);
    assert_eq!(short(server.get("/alerts/groups?receiver_matchers=floor%3D2").await), all[1..2]);
    assert_eq!(short(server.get("/alerts/groups?filter=team%3D%22%22").await), all[2..]);
    let first = &server.get("/alerts/groups?receiver=web").await[0]["alerts"][0];
    assert_eq!(first["receivers"], json!([{"name": "web"}]));
    assert_eq!(
        server.get("/alerts?filter=team%3Dweb").await[0]["receivers"],
        json!([{"name": "web"}, {"name": "night"}])
    );
}

#[tokio::test]
async fn pages_make_up_the_whole() {
    let server = Server::new();
    let labels: Vec<Value> =
        (0..500).map(|at| json!({"alertname": format!("a{:02}", at % 30), "n": at.to_string()})).collect();
    server.post_alerts(&labels).await;
    for path in ["/alerts", "/alerts/groups", "/silences"] {
        if path == "/silences" {
            for at in 0..20 {
                server.silence("n", &at.to_string()).await;
            }
        }
        let whole = server.get(path).await;
        let mut parts = Vec::new();
        let mut cursor = String::new();
        loop {
            let request =
                Request::get(format!("{path}?limit=7&cursor={cursor}")).body(Body::empty()).unwrap();
            let (status, headers, body) = server.send(request).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            let page: Vec<Value> = serde_json::from_str(&body).unwrap();
            assert!(page.len() <= 7);
            parts.extend(page);
            match headers.get("x-next-cursor") {
                Some(next) => cursor = next.to_str().unwrap().to_string(),
                None => break,
            }
        }
        assert_eq!(json!(parts), whole, "{path}");
    }
}

#[tokio::test]
async fn silences_go_on_where_a_page_ended_though_the_last_one_has_ended() {
    let server = Server::new();
    for value in ["a", "b", "c", "d"] {
        server.silence("n", value).await;
    }
    let ids = |body: &str| -> Vec<String> {
        let silences: Vec<Value> = serde_json::from_str(body).unwrap();
        silences.iter().map(|silence| silence["id"].as_str().unwrap().to_string()).collect()
    };
    let request = Request::get("/silences?limit=2").body(Body::empty()).unwrap();
    let (_, headers, first) = server.send(request).await;
    let (first, cursor) = (ids(&first), headers["x-next-cursor"].to_str().unwrap());
    let (status, _) = server.ask("DELETE", &format!("/silence/{}", first[1]), None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, second) = server.ask("GET", &format!("/silences?cursor={cursor}"), None).await;
    let second = ids(&second);
    assert_eq!((second.len(), &second[2]), (3, &first[1]));
    assert!(!second.contains(&first[0]));
    assert_eq!(server.ask("GET", "/silences?cursor=x", None).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_long_list_is_sent_in_pieces_and_is_whole() {
    let server = Server::new();
    let labels: Vec<Value> = (0..3_000)
        .map(|at| json!({"alertname": "many", "n": at.to_string(), "x": "y".repeat(200)}))
        .collect();
    server.post_alerts(&labels).await;
    for uri in ["/alerts", "/alerts/groups"] {
        let response =
            server.router.clone().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(axum::body::HttpBody::size_hint(response.body()).exact(), None, "{uri}");
        let value: Value =
            serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let alerts = if uri == "/alerts" { &value } else { &value[0]["alerts"] };
        assert_eq!(alerts.as_array().unwrap().len(), 3_000);
    }
}

#[tokio::test]
async fn more_reads_than_allowed_are_refused_until_one_is_sent() {
    let server = Server::with(api::Settings { get_concurrency_max: 1, ..api::Settings::default() });
    let get = || Request::get("/alerts").body(Body::empty()).unwrap();
    let first = server.router.clone().oneshot(get()).await.unwrap();
    let (status, _, body) = server.send(get()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "Limit of concurrent GET requests reached (1), try again later.\n\n");
    drop(first);
    let (status, headers, _) = server.send(get()).await;
    assert_eq!((status, headers["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
}

#[tokio::test]
async fn pages_of_other_origins_read_only_where_they_may() {
    for allows_all_origins in [true, false] {
        let server = Server::with(api::Settings { allows_all_origins, ..api::Settings::default() });
        let request = Request::get("/status").header("origin", "http://karma.example").body(Body::empty());
        let (_, headers, _) = server.send(request.unwrap()).await;
        let allowed = headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(allowed, allows_all_origins.then_some("*"));
    }
}

#[tokio::test]
async fn a_silence_says_what_it_lacks() {
    let server = Server::new();
    let whole = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}], "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": "",
    });
    let with = |field: &str, value: Value| {
        let mut silence = whole.clone();
        silence[field] = value;
        silence
    };
    for (body, status, expected) in [
        (with("comment", Value::Null), 422, "{\"code\":602,\"message\":\"comment in body is required\"}"),
        (with("matchers", Value::Null), 422, "{\"code\":602,\"message\":\"matchers in body is required\"}"),
        (
            with("matchers", json!([])),
            422,
            "{\"code\":612,\"message\":\"matchers in body should have at least 1 items\"}",
        ),
        (
            with("matchers", json!([{"name": "a", "value": "b"}])),
            422,
            "{\"code\":602,\"message\":\"matchers.0.isRegex in body is required\"}",
        ),
        (
            with("endsAt", json!("2025-01-01T00:00:00Z")),
            400,
            "\"Failed to create silence: start time must be before end time\"\n",
        ),
        (
            with("endsAt", json!("2026-01-01T00:00:01Z")),
            400,
            "\"Failed to create silence: end time can't be in the past\"\n",
        ),
        (with("id", json!("x")), 404, "\"silence not found\"\n"),
    ] {
        let (got, answer) = server.ask("POST", "/silences", Some(&body)).await;
        assert_eq!((got.as_u16(), answer.as_str()), (status, expected), "{body}");
    }
    let (got, answer) = server.ask("GET", "/silence/x", None).await;
    assert_eq!(got, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer, "{\"code\":601,\"message\":\"silenceID in path must be of type uuid: \\\"x\\\"\"}");
    let (got, _) = server.ask("PUT", "/silences", None).await;
    assert_eq!(got, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_silence_of_almost_everything_must_be_confirmed() {
    let server = Server::new();
    let labels: Vec<Value> = (0..40).map(|at| json!({"alertname": "x", "n": at.to_string()})).collect();
    server.post_alerts(&labels).await;
    let broad = json!({
        "matchers": [{"name": "alertname", "value": ".+", "isRegex": true}], "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": "",
    });
    let (status, body) = server.ask("POST", "/silences", Some(&broad)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("40 of the 40 alerts"), "{body}");
    let (status, _) = server.ask("POST", "/silences?force=true", Some(&broad)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_know() {
    let server = Server::new();
    server.post_alerts(&[json!({"alertname": "a"})]).await;
    server.silence("alertname", "a").await;
    server.ask("POST", "/alerts", Some(&json!([{"labels": {}}]))).await;
    let mut out = Vec::new();
    let mut writer = exposition::TextWriter::new(&mut out);
    server.registry.collect(&mut writer);
    writer.finish();
    let text = String::from_utf8(out).unwrap();
    for line in [
        "alertmanager_alerts{state=\"suppressed\"} 1",
        "alertmanager_silences{state=\"active\"} 1",
        "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} 1",
        "alertmanager_alerts_invalid_total{version=\"v2\"} 1",
        "alertmanager_receivers 3",
        "alertmanager_inhibition_rules 1",
        "alertmanager_dispatcher_aggregation_groups 1",
        "alertmanager_cluster_enabled 0",
        "alertmanager_http_request_duration_seconds_count{handler=\"/api/v2/alerts\",method=\"post\",code=\"200\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
    drop(server.alerting);
}
