use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::dashboards::{GivenSource, Options, SourceOptions};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::Clock;
use config::Secret;
use config::http_client::SecretSource;
use model::Role;
use parking_lot::Mutex;
use serde_json::{Value, json};
use state::{Place, Settings};
use testkit::postgres::Postgres;
use tower::ServiceExt;

use super::{NOW_MS, Server, caller};

const PASSWORD: &str = "hunter2-of-the-far-server";

/// What a far server was asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(String, String, HeaderMap, Bytes)>>>);

impl Asked {
    fn last(&self) -> (String, String, HeaderMap, Bytes) {
        self.0.lock().last().cloned().expect("nothing was asked")
    }

    fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// A far server that answers like a Prometheus, with much that must not come through.
async fn far() -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let seen = asked.clone();
    let answer = move |request: Request| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
            let path = head.uri.path_and_query().unwrap().to_string();
            seen.0.lock().push((head.method.to_string(), path.clone(), head.headers, body.clone()));
            answer(&path, &body)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, asked)
}

fn answer(path: &str, body: &[u8]) -> Response {
    let body = String::from_utf8_lossy(body);
    if path.contains("redirect") {
        return (StatusCode::FOUND, [("location", "http://127.0.0.1:1/elsewhere")]).into_response();
    }
    if path.contains("unauthorized") {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic")]).into_response();
    }
    if body.contains("wrong") {
        let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error"});
        return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
    }
    let result = if path.contains("query_range") {
        json!({"resultType": "matrix", "result": [{"metric": {"job": "far"}, "values": [[1_700_000_000, "1"]]}]})
    } else {
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, "2"]}]})
    };
    let headers =
        [("set-cookie", "promontory_session=evil"), ("clear-site-data", "*"), ("x-powered-by", "far")];
    (headers, axum::Json(json!({"status": "success", "data": result}))).into_response()
}

/// Our own routes: they tell what they were asked.
fn own() -> Router {
    Router::new().fallback(|request: Request| async move {
        let login = request.extensions().get::<model::Caller>().map(|caller| caller.login.to_string());
        axum::Json(json!({
            "status": "success",
            "data": {"resultType": "string", "result": [1, request.uri().path()]},
            "login": login,
        }))
    })
}

struct Through {
    server: Server,
    router: Router,
}

impl Through {
    async fn start() -> Through {
        Through::with(SourceOptions::default()).await
    }

    async fn with(data_sources: SourceOptions) -> Through {
        let dir = tempfile::tempdir().unwrap();
        let own_key_file = dir.path().join("data-source-secrets.key");
        let options =
            Options { data_sources: SourceOptions { own_key_file, ..data_sources }, ..Options::default() };
        Through::of(Server::on(&Settings::in_dir(dir.path()), options, Clock::manual(NOW_MS), dir).await)
    }

    fn of(server: Server) -> Through {
        let router = server.dashboards.data_source_router(own()).merge(server.dashboards.router());
        Through { server, router }
    }

    async fn send(
        &self,
        role: Role,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).extension(caller("u", role));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()
    }

    async fn ask_as(&self, role: Role, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(role, method, path, &[], &body).await;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(PASSWORD), "{method} {path} tells a secret: {text}");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(Role::Admin, method, path, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn add(&self, body: Value) -> Value {
        let (status, answer) = self.ask("POST", "/api/datasources", body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn prometheus(address: SocketAddr) -> Value {
    json!({
        "uid": "far",
        "name": "Far",
        "type": "prometheus",
        "access": "proxy",
        "url": format!("http://{address}/base/"),
        "basicAuth": true,
        "basicAuthUser": "me",
        "jsonData": {"httpHeaderName1": "X-Scope-OrgID", "timeInterval": "30s", "other": 1},
        "secureJsonData": {"basicAuthPassword": PASSWORD, "httpHeaderValue1": "tenant"},
    })
}

#[tokio::test]
async fn a_data_source_is_made_changed_and_deleted_as_grafanas_clients_do() {
    let through = Through::start().await;
    let (address, _) = far().await;
    let added = through.add(prometheus(address)).await;
    assert_eq!((&added["message"], &added["name"]), (&json!("Datasource added"), &json!("Far")));
    let source = &added["datasource"];
    assert_eq!(source["secureJsonFields"], json!({"basicAuthPassword": true, "httpHeaderValue1": true}));
    assert_eq!((&source["version"], &source["readOnly"]), (&json!(1), &json!(false)));
    let id = added["id"].as_i64().unwrap();
    for path in [
        format!("/api/datasources/{id}"),
        "/api/datasources/uid/far".into(),
        "/api/datasources/name/Far".into(),
    ] {
        assert_eq!(through.get(&path).await["uid"], "far", "{path}");
    }
    assert_eq!(through.get("/api/datasources/id/Far").await, json!({"id": id}));

    for (body, status) in [
        (json!({"name": "Far", "type": "loki"}), 409),
        (json!({"name": "Other", "uid": "far", "type": "loki"}), 409),
        (json!({"name": "Promontory", "type": "loki"}), 409),
        (json!({"type": "loki"}), 400),
        (json!({"name": "U", "type": "loki", "url": format!("http://me:{PASSWORD}@h/")}), 400),
    ] {
        assert_eq!(through.ask("POST", "/api/datasources", body.clone()).await.0, status, "{body}");
    }

    // Secrets that are not sent stay; an empty one goes.
    let mut changed = prometheus(address);
    changed["name"] = json!("Farther");
    changed["secureJsonData"] = json!({"httpHeaderValue1": ""});
    let (status, answer) = through.ask("PUT", "/api/datasources/uid/far", changed.clone()).await;
    assert_eq!((status, &answer["message"]), (200, &json!("Datasource updated")));
    assert_eq!(answer["datasource"]["secureJsonFields"], json!({"basicAuthPassword": true}));
    assert_eq!(answer["datasource"]["version"], 2);
    changed["version"] = json!(1);
    assert_eq!(through.ask("PUT", &format!("/api/datasources/{id}"), changed).await.0, 409);

    let (status, answer) = through.ask("DELETE", "/api/datasources/uid/far", Value::Null).await;
    assert_eq!((status, &answer["message"], &answer["id"]), (200, &json!("Data source deleted"), &json!(id)));
    let (status, answer) = through.ask("GET", "/api/datasources/uid/far", Value::Null).await;
    assert_eq!((status, &answer["message"]), (404, &json!("Data source not found")));
}

#[tokio::test]
async fn our_own_are_there_and_stay() {
    let through = Through::start().await;
    let list = through.get("/api/datasources").await;
    let uids: Vec<&str> =
        list.as_array().unwrap().iter().map(|source| source["uid"].as_str().unwrap()).collect();
    assert_eq!(uids, ["promontory", "promontory-alertmanager"]);
    assert_eq!(list[0]["isDefault"], true);
    assert_eq!(through.ask("DELETE", "/api/datasources/uid/promontory", Value::Null).await.0, 403);
    let (status, _) =
        through.ask("PUT", "/api/datasources/uid/promontory", json!({"name": "x", "type": "loki"})).await;
    assert_eq!(status, 403);

    let answer = through.get("/api/datasources/proxy/uid/promontory/api/v1/labels?x=1").await;
    assert_eq!((&answer["data"]["result"][1], &answer["login"]), (&json!("/api/v1/labels"), &json!("u")));
    for (role, method, path, status) in [
        (Role::Viewer, "POST", "/api/datasources/proxy/uid/promontory/api/v1/query", 200),
        (Role::Admin, "POST", "/api/datasources/proxy/uid/promontory/api/v1/admin/tsdb/delete_series", 403),
        (Role::Admin, "GET", "/api/datasources/proxy/uid/promontory/metrics", 403),
        (Role::Viewer, "POST", "/api/datasources/proxy/uid/promontory-alertmanager/api/v2/silences", 403),
        (Role::Editor, "POST", "/api/datasources/proxy/uid/promontory-alertmanager/api/v2/silences", 200),
        (Role::Admin, "POST", "/api/datasources/proxy/uid/promontory-alertmanager/api/v1/write", 403),
        (Role::None, "GET", "/api/datasources/proxy/uid/promontory/api/v1/query", 403),
    ] {
        assert_eq!(through.ask_as(role, method, path, Value::Null).await.0, status, "{role} {method} {path}");
    }

    // Another one may be the default.
    through.add(json!({"name": "D", "type": "prometheus", "isDefault": true})).await;
    through.add(json!({"name": "E", "type": "prometheus", "isDefault": true})).await;
    let list = through.get("/api/datasources").await;
    let defaults: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|source| source["isDefault"] == true)
        .map(|it| &it["name"])
        .collect();
    assert_eq!(defaults, ["E"]);
    assert_eq!(through.get("/api/frontend/settings").await["defaultDatasource"], "E");
}

#[tokio::test]
async fn viewers_see_what_there_is_without_where_it_is() {
    let through = Through::start().await;
    let (address, _) = far().await;
    through.add(prometheus(address)).await;
    through.add(json!({"uid": "t", "name": "T", "type": "tempo", "url": "http://tempo.example"})).await;
    for path in ["/api/datasources", "/api/frontend/settings"] {
        let (status, list) = through.ask_as(Role::Viewer, "GET", path, Value::Null).await;
        let text = list.to_string();
        assert_eq!(status, 200);
        assert!(!text.contains(&address.to_string()) && !text.contains("basicAuthUser"), "{path}: {text}");
        assert!(text.contains("30s") && text.contains("http://tempo.example"), "{path}: {text}");
    }
    for (method, path) in [
        ("POST", "/api/datasources"),
        ("PUT", "/api/datasources/uid/far"),
        ("DELETE", "/api/datasources/uid/far"),
        ("DELETE", "/api/datasources/name/Far"),
    ] {
        let (status, _) = through.ask_as(Role::Editor, method, path, json!({"name": "x", "type": "y"})).await;
        assert_eq!(status, 403, "{method} {path}");
    }
    assert_eq!(through.ask_as(Role::None, "GET", "/api/datasources", Value::Null).await.0, 403);
}

#[tokio::test]
async fn a_request_goes_through_with_the_sources_credentials_and_without_the_callers() {
    let through =
        Through::with(SourceOptions { user_header: Some("X-Grafana-User".into()), ..Default::default() })
            .await;
    let (address, asked) = far().await;
    through.add(prometheus(address)).await;
    let sent = [
        ("authorization", "Bearer of-the-caller"),
        ("cookie", "promontory_session=of-the-caller"),
        ("x-scope-orgid", "another tenant"),
        ("x-grafana-user", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-dashboard-uid", "d"),
    ];
    let path = "/api/datasources/proxy/uid/far/api/v1/query?time=5&x=%2F";
    let response = through.send(Role::Viewer, "POST", path, &sent, "query=up").await;
    assert_eq!(response.status(), 200);
    for name in ["set-cookie", "clear-site-data", "x-powered-by"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox"));

    let (method, path, headers, body) = asked.last();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/base/api/v1/query?time=5&x=%2F"));
    assert_eq!(&body[..], b"query=up");
    let basic = format!("Basic {}", net::client::base64(format!("me:{PASSWORD}").as_bytes()));
    assert_eq!(headers["authorization"], HeaderValue::from_str(&basic).unwrap());
    let tenants: Vec<_> = headers.get_all("x-scope-orgid").iter().collect();
    assert_eq!(tenants, ["tenant"]);
    assert_eq!(headers.get_all("x-grafana-user").iter().collect::<Vec<_>>(), ["u"]);
    assert!(!headers.contains_key("cookie") && !headers.contains_key("x-forwarded-for"));
    assert_eq!(headers["x-dashboard-uid"], "d");

    // One header was taken away: the one behind it keeps its number.
    let mut fewer = prometheus(address);
    fewer["jsonData"] = json!({"httpHeaderName3": "X-Team"});
    fewer["secureJsonData"] = json!({"httpHeaderValue1": "", "httpHeaderValue3": "shop"});
    assert_eq!(through.ask("PUT", "/api/datasources/uid/far", fewer).await.0, 200);
    through.ask("POST", "/api/datasources/proxy/uid/far/api/v1/query", Value::Null).await;
    let headers = asked.last().2;
    assert_eq!(
        (headers.get("x-team"), headers.get("x-scope-orgid")),
        (Some(&HeaderValue::from_static("shop")), None)
    );

    let by_id = through.get("/api/datasources/uid/far").await["id"].clone();
    for path in [
        format!("/api/datasources/proxy/{by_id}/api/v1/labels"),
        "/api/datasources/uid/far/resources/api/v1/labels".into(),
        format!("/api/datasources/{by_id}/resources/api/v1/labels"),
    ] {
        assert_eq!(through.ask_as(Role::Viewer, "GET", &path, Value::Null).await.0, 200, "{path}");
        assert_eq!(asked.last().1, "/base/api/v1/labels", "{path}");
    }
    let mut metrics = Vec::new();
    through.server.registry.collect(&mut exposition::TextWriter::new(&mut metrics));
    let metrics = String::from_utf8(metrics).unwrap();
    let line = "promontory_data_source_requests_total{source=\"far\",code=\"200\"} 5";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn what_must_not_be_sent_on_is_not() {
    let through = Through::start().await;
    let (address, asked) = far().await;
    through.add(prometheus(address)).await;
    let path = |rest: &str| format!("/api/datasources/proxy/uid/far/{rest}");
    for (role, method, rest, status) in [
        (Role::Admin, "GET", "../admin", 400),
        (Role::Admin, "GET", "%2e%2e/admin", 400),
        (Role::Admin, "GET", "a/%252e%252e/%252e%252e/admin", 400),
        (Role::Admin, "POST", "api/v1/admin/tsdb/delete_series", 403),
        (Role::Admin, "DELETE", "api/v1/query", 403),
        (Role::Admin, "PUT", "api/v1/query", 403),
        (Role::None, "GET", "api/v1/query", 403),
    ] {
        let (answered, body) = through.ask_as(role, method, &path(rest), Value::Null).await;
        assert_eq!(answered, status, "{method} {rest}: {body}");
    }
    assert_eq!(asked.count(), 0);
    // A redirect would take the credentials along, a 401 would end the session of the page.
    assert_eq!(through.ask("GET", &path("redirect"), Value::Null).await.0, 502);
    let (status, body) = through.ask("GET", &path("unauthorized"), Value::Null).await;
    assert_eq!((status, &body["message"]), (400, &json!("Authentication to data source failed")));
    let large = "x".repeat(::dashboards::BODY_SIZE_MAX_BYTES + 1);
    let response = through.send(Role::Viewer, "POST", &path("api/v1/query"), &[], &large).await;
    assert_eq!(response.status(), 413);

    for url in ["http://169.254.169.254", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]"] {
        let (_, added) =
            through.ask("POST", "/api/datasources", json!({"name": url, "type": "x", "url": url})).await;
        let uid = added["datasource"]["uid"].as_str().unwrap();
        let path = format!("/api/datasources/proxy/uid/{uid}/latest/meta-data/");
        let (status, body) = through.ask("GET", &path, Value::Null).await;
        assert_eq!(status, 502);
        assert!(body["message"].as_str().unwrap().contains("is refused"), "{body}");
    }
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    through.add(json!({"uid": "c", "name": "C", "type": "loki", "url": format!("http://{closed}")})).await;
    let (status, body) = through.ask("GET", "/api/datasources/uid/c/health", Value::Null).await;
    assert_eq!((status, &body["status"]), (400, &json!("ERROR")));
    assert!(body["message"].as_str().unwrap().contains("cannot be reached"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_browsers_that_ask_the_same_are_one_request() {
    let through = Arc::new(Through::start().await);
    let (address, asked) = far().await;
    through.add(prometheus(address)).await;
    let done = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (through, done) = (through.clone(), done.clone());
            tokio::spawn(async move {
                let headers =
                    [("cache-control", "max-age=15"), ("content-type", "application/x-www-form-urlencoded")];
                let path = "/api/datasources/proxy/uid/far/api/v1/query";
                let response = through.send(Role::Viewer, "POST", path, &headers, "query=up").await;
                let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
                assert!(String::from_utf8_lossy(&body).contains("success"));
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert_eq!((done.load(Ordering::SeqCst), asked.count()), (50, 1));
    // Who does not say that an old answer will do gets one of its own.
    through.get("/api/datasources/proxy/uid/far/api/v1/query?query=up").await;
    assert_eq!(asked.count(), 2);
}

#[tokio::test]
async fn panels_queries_are_answered_with_frames_and_each_mistake_by_its_query() {
    let through = Through::start().await;
    let (address, asked) = far().await;
    through.add(prometheus(address)).await;
    assert_eq!(through.get("/api/datasources/uid/far/health").await["status"], "OK");
    let source = json!({"uid": "far", "type": "prometheus"});
    let body = json!({
        "from": "1700000000000",
        "to": "1700003600000",
        "queries": [
            {"refId": "A", "datasource": source, "expr": "up[$__interval]", "range": true, "intervalMs": 60_000,
             "legendFormat": "{{job}}"},
            {"refId": "B", "datasource": source, "expr": "up", "instant": true},
        ],
    });
    let (status, answer) = through.ask_as(Role::Viewer, "POST", "/api/ds/query", body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let frame = &answer["results"]["A"]["frames"][0];
    assert_eq!((&frame["schema"]["name"], &frame["schema"]["refId"]), (&json!("far"), &json!("A")));
    assert_eq!(frame["data"]["values"], json!([[1_700_000_000_000_i64], [1.0]]));
    assert_eq!(answer["results"]["B"]["frames"][0]["data"]["values"][1], json!([2.0]));
    let bodies: Vec<String> =
        asked.0.lock().iter().map(|(.., body)| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(
        bodies.iter().any(|body| body.contains("query=up%5B60s%5D") && body.contains("step=60")),
        "{bodies:?}"
    );

    let mut wrong = body;
    wrong["queries"][1]["expr"] = json!("wrong");
    wrong["queries"][1]["instant"] = json!(true);
    let unknown = json!({"refId": "C", "datasource": {"uid": "none"}, "expr": "up"});
    wrong["queries"].as_array_mut().unwrap().push(unknown);
    let (status, answer) = through.ask("POST", "/api/ds/query", wrong).await;
    assert_eq!(status, 400);
    assert_eq!(answer["results"]["A"]["status"], 200);
    assert_eq!(
        (&answer["results"]["B"]["status"], &answer["results"]["B"]["error"]),
        (&json!(400), &json!("bad_data: parse error"))
    );
    assert_eq!(answer["results"]["C"]["status"], 404);
    // Our own answer without being named.
    let body = json!({"queries": [{"refId": "A", "expr": "up", "instant": true}]});
    let (status, answer) = through.ask("POST", "/api/ds/query", body).await;
    assert_eq!(
        (status, &answer["results"]["A"]["frames"][0]["data"]["values"][1]),
        (200, &json!(["/api/v1/query"]))
    );
}

#[tokio::test]
async fn files_bring_read_only_ones_and_are_followed() {
    let files = tempfile::tempdir().unwrap();
    let dir = files.path().join("datasources");
    std::fs::create_dir(&dir).unwrap();
    let (address, asked) = far().await;
    let text = |name: &str| {
        format!(
            "apiVersion: 1\ndatasources:\n  - name: {name}\n    uid: filed\n    type: prometheus\n    url: http://{address}\n    \
             isDefault: true\n    jsonData: {{httpHeaderName1: X-Token}}\n    secureJsonData: {{httpHeaderValue1: {PASSWORD}}}\n"
        )
    };
    std::fs::write(dir.join("a.yaml"), text("Filed")).unwrap();
    let given = GivenSource {
        uid: None,
        name: "Given".into(),
        kind: "loki".into(),
        url: "http://loki.example".into(),
        is_default: false,
        json_data: Default::default(),
        client: Default::default(),
    };
    let through = Through::with(SourceOptions {
        given: vec![given],
        provisioning_dirs: vec![files.path().into()],
        ..Default::default()
    })
    .await;
    let source = through.get("/api/datasources/uid/filed").await;
    assert_eq!((&source["readOnly"], &source["isDefault"]), (&json!(true), &json!(true)));
    assert_eq!(source["secureJsonFields"], json!({"httpHeaderValue1": true}));
    assert_eq!(through.get("/api/datasources/name/Given").await["type"], "loki");
    let (status, answer) = through.ask("DELETE", "/api/datasources/uid/filed", Value::Null).await;
    assert_eq!((status, &answer["message"]), (403, &json!("Cannot delete read-only data source")));
    through.get("/api/datasources/proxy/uid/filed/api/v1/query").await;
    assert_eq!(asked.last().2["x-token"], PASSWORD);

    std::fs::write(dir.join("a.yaml"), text("Renamed")).unwrap();
    let reload = "/api/admin/provisioning/datasources/reload";
    assert_eq!(through.ask("POST", reload, Value::Null).await.0, 200);
    assert_eq!(through.get("/api/datasources/uid/filed").await["name"], "Renamed");
    std::fs::write(dir.join("a.yaml"), "datasources:\n  - {name: [\n").unwrap();
    let (status, answer) = through.ask("POST", reload, Value::Null).await;
    assert_eq!(status, 500);
    assert!(answer["message"].as_str().unwrap().contains("a.yaml:"), "{answer}");
    assert_eq!(through.get("/api/datasources/uid/filed").await["name"], "Renamed", "the last good one stays");

    through.add(json!({"name": "Old", "type": "loki"})).await;
    std::fs::write(dir.join("a.yaml"), "deleteDatasources: [{name: Old, orgId: 1}]\n").unwrap();
    assert_eq!(through.ask("POST", reload, Value::Null).await.0, 200);
    for path in ["/api/datasources/name/Old", "/api/datasources/uid/filed"] {
        assert_eq!(through.ask("GET", path, Value::Null).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn secrets_are_encrypted_at_rest_and_a_lost_key_is_said() {
    let through = Through::start().await;
    let (address, _) = far().await;
    through.add(prometheus(address)).await;
    let dir = through.server.dir.path();
    let path = dir.join("data-source-secrets.key");
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let tells = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        assert!(!tells, "{}", entry.path().display());
    }
    std::fs::write(&path, "k".repeat(40)).unwrap();
    let Through { server: Server { dashboards, router, dir, clock, .. }, router: other } = through;
    drop((dashboards, router, other));
    let options = Options {
        data_sources: SourceOptions { own_key_file: path.clone(), ..Default::default() },
        ..Options::default()
    };
    let again = Through::of(Server::on(&Settings::in_dir(dir.path()), options, clock, dir).await);
    let (status, body) = again.ask("GET", "/api/datasources/proxy/uid/far/api/v1/query", Value::Null).await;
    assert_eq!(status, 500);
    let message = body["message"].as_str().unwrap();
    assert!(
        message.contains("encrypted with the key") && message.contains("data-source-secrets.key"),
        "{message}"
    );
    // It can be entered anew.
    let mut anew = prometheus(address);
    anew["secureJsonData"]["httpHeaderValue1"] = json!("tenant");
    assert_eq!(again.ask("PUT", "/api/datasources/uid/far", anew).await.0, 200);
    assert_eq!(again.ask("GET", "/api/datasources/proxy/uid/far/api/v1/query", Value::Null).await.0, 200);
}

async fn replica(url: &str, key: Option<&str>) -> Through {
    let url = SecretSource::Inline(Secret::new(url.to_string()));
    let settings = Settings {
        timeout: std::time::Duration::from_secs(60),
        ..Settings::new(Place::Server { url, password: None })
    };
    let data_sources = SourceOptions {
        secrets_key: key.map(|key| SecretSource::Inline(Secret::new(key.into()))),
        state_is_shared: true,
        ..Default::default()
    };
    let options = Options { data_sources, ..Options::default() };
    Through::of(Server::on(&settings, options, Clock::system(), tempfile::tempdir().unwrap()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_data_sources_and_need_one_key() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.url();
    let key = "0123456789abcdef0123456789abcdef";
    let (address, asked) = far().await;
    let without = replica(&url, None).await;
    let (status, body) = without.ask("POST", "/api/datasources", prometheus(address)).await;
    assert_eq!(status, 500);
    assert!(body["message"].as_str().unwrap().contains("secrets_key_file"), "{body}");

    let (one, two) = (replica(&url, Some(key)).await, replica(&url, Some(key)).await);
    one.add(prometheus(address)).await;
    let path = "/api/datasources/proxy/uid/far/api/v1/query";
    for _ in 0..6_000 {
        if two.ask("GET", path, Value::Null).await.0 == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(asked.last().2["x-scope-orgid"], "tenant");
    let other = replica(&url, Some("another key that is long enough too")).await;
    let (status, body) = other.ask("GET", path, Value::Null).await;
    assert_eq!(status, 500);
    assert!(body["message"].as_str().unwrap().contains("need the same key"), "{body}");
}
