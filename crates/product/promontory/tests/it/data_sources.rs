//! Foreign servers asked through this one, as a page or a Grafana client does it.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{Server, file, promontory};
use crate::peers;

const PASSWORD: &str = "hunter2-of-the-far-server";

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.try_request(method, path, "application/json", body.as_bytes()).unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn start(dir: &Path, more: &str) -> Server {
    file(dir, "promontory.yml", &format!("machine: {{watch: false, alerts: false}}\n{more}"));
    Server::ready(&mut promontory(
        dir,
        &["--config=promontory.yml", "--listen=127.0.0.1:0", "--log.level=debug"],
    ))
}

#[test]
fn our_own_and_a_saved_one_are_asked_and_survive_a_restart_without_telling_secrets() {
    let dir = tempdir().unwrap();
    let server = start(dir.path(), "");
    let through = |uid: &str| format!("/api/datasources/proxy/uid/{uid}/api/v1/query?query=vector(7)");
    let (status, answer) = ask(&server, "GET", &through("promontory"), &Value::Null);
    assert_eq!((status, &answer["data"]["result"][0]["value"][1]), (200, &json!("7")), "{answer}");
    let path = "/api/datasources/proxy/uid/promontory-alertmanager/api/v2/status";
    assert_eq!(ask(&server, "GET", path, &Value::Null).0, 200);
    let (status, settings) = ask(&server, "GET", "/api/frontend/settings", &Value::Null);
    assert_eq!((status, &settings["defaultDatasource"]), (200, &json!("Promontory")));

    // Another one of ours stands for a foreign Prometheus.
    let far_dir = tempdir().unwrap();
    let far = start(far_dir.path(), "");
    let source = json!({
        "uid": "far", "name": "Far", "type": "prometheus", "url": format!("http://{}", far.address),
        "jsonData": {"httpHeaderName1": "X-Token"}, "secureJsonData": {"httpHeaderValue1": PASSWORD},
    });
    let (status, answer) = ask(&server, "POST", "/api/datasources", &source);
    assert_eq!(status, 200, "{answer}");
    let log = server.terminate();
    assert!(!log.contains(PASSWORD), "{log}");
    let server = start(dir.path(), "");
    let (status, answer) = ask(&server, "GET", &through("far"), &Value::Null);
    assert_eq!((status, &answer["data"]["result"][0]["value"][1]), (200, &json!("7")), "{answer}");
    let query = json!({"queries": [{"refId": "A", "datasource": {"uid": "far"}, "expr": "vector(7)", "range": true}]});
    let (status, answer) = ask(&server, "POST", "/api/ds/query", &query);
    assert_eq!(
        (status, &answer["results"]["A"]["frames"][0]["data"]["values"][1][0]),
        (200, &json!(7.0)),
        "{answer}"
    );
    assert_eq!(server.metric("promontory_data_source_requests_total"), 2.0);
    drop(far);
    let (status, answer) = ask(&server, "GET", &through("far"), &Value::Null);
    assert_eq!((status, &answer["status"]), (502, &json!("error")), "{answer}");
    assert!(!server.terminate().contains(PASSWORD));
}

#[test]
fn a_prometheus_of_the_settings_answers_as_if_it_were_asked_itself() {
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "global: {external_labels: {from: there}}\n");
    let Some(far) = peers::prometheus(dir.path(), "prometheus.yml") else { return };
    let more = format!(
        "data_sources: {{sources: [{{name: Far, uid: far, default: true, url: 'http://{}'}}]}}\n",
        far.address
    );
    let server = start(dir.path(), &more);
    for path in
        ["/api/v1/status/buildinfo", "/api/v1/query?query=vector(1)%2B1&time=5", "/api/v1/query?query=up%5B"]
    {
        let direct = far.get(path);
        let through = server.get(&format!("/api/datasources/proxy/uid/far{path}"));
        assert_eq!((through.status, through.text()), (direct.status, direct.text()), "{path}");
    }
    let (status, answer) = ask(&server, "GET", "/api/datasources/uid/far/health", &Value::Null);
    assert_eq!((status, &answer["status"]), (200, &json!("OK")), "{answer}");
    let (_, answer) = ask(&server, "GET", "/api/datasources/uid/far", &Value::Null);
    assert_eq!((&answer["readOnly"], &answer["isDefault"]), (&json!(true), &json!(true)));
    let path = "/api/datasources/proxy/uid/far/api/v1/admin/tsdb/snapshot";
    assert_eq!(ask(&server, "POST", path, &Value::Null).0, 403);
}
