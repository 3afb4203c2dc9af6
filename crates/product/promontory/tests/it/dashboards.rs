//! Dashboards as somebody with files, a browser or another Grafana meets them.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{SOON, Server, file, promontory, run, until};

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.try_request(method, path, "application/json", body.as_bytes()).unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn get(server: &Server, path: &str) -> Value {
    let (status, body) = ask(server, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn quiet(dir: &Path, more: &str) -> Server {
    file(dir, "promontory.yml", &format!("machine: {{watch: false, alerts: false}}\n{more}"));
    Server::ready(&mut promontory(dir, &["--config=promontory.yml", "--listen=127.0.0.1:0"]))
}

#[test]
fn files_are_followed_and_what_people_save_survives_a_restart() {
    let dir = tempdir().unwrap();
    let boards = dir.path().join("boards/Ops");
    std::fs::create_dir_all(&boards).unwrap();
    file(&boards, "a.json", r#"{"uid": "a", "title": "From a file"}"#);
    let provisioning = dir.path().join("provisioning/dashboards");
    std::fs::create_dir_all(&provisioning).unwrap();
    file(
        &provisioning,
        "p.yaml",
        "apiVersion: 1\nproviders: [{name: p, type: file, updateIntervalSeconds: 1, options: {path: ../../boards, foldersFromFilesStructure: true}}]\n",
    );
    let server = quiet(dir.path(), "dashboards: {provisioning: provisioning}\n");
    let read = get(&server, "/api/dashboards/uid/a");
    assert_eq!((&read["meta"]["folderTitle"], &read["meta"]["provisioned"]), (&json!("Ops"), &json!(true)));
    assert_eq!(get(&server, "/api/dashboards/uid/promontory-machine")["meta"]["folderTitle"], "Promontory");
    file(&boards, "a.json", r#"{"uid": "a", "title": "Changed"}"#);
    until("the change is seen without being asked for", SOON, || {
        (get(&server, "/api/dashboards/uid/a")["dashboard"]["title"] == "Changed").then_some(())
    });
    let (status, _) =
        ask(&server, "POST", "/api/dashboards/db", &json!({"dashboard": {"uid": "mine", "title": "Mine"}}));
    assert_eq!(status, 200);
    let page = server.get("/d/mine/mine");
    assert_eq!((page.status, page.text().contains("<html")), (200, true));
    server.terminate();
    let server = quiet(dir.path(), "");
    assert_eq!(get(&server, "/api/dashboards/uid/mine")["dashboard"]["title"], "Mine");
    assert_eq!(ask(&server, "GET", "/api/dashboards/uid/a", &Value::Null).0, 404);
}

#[test]
fn a_grafana_is_taken_over_and_written_to_files() {
    let (old_dir, new_dir) = (tempdir().unwrap(), tempdir().unwrap());
    // It speaks Grafana's API.
    let (old, new) = (quiet(old_dir.path(), ""), quiet(new_dir.path(), ""));
    for (path, body) in [
        ("/api/folders", json!({"uid": "ops", "title": "Ops"})),
        ("/api/folders", json!({"uid": "disks", "title": "Disks", "parentUid": "ops"})),
        (
            "/api/library-elements",
            json!({"uid": "lp", "name": "L", "kind": 1, "folderUid": "ops", "model": {"type": "stat"}}),
        ),
        (
            "/api/dashboards/db",
            json!({"folderUid": "disks", "dashboard": {"uid": "d", "title": "Disk / room", "panels": [
                {"id": 1, "datasource": {"type": "prometheus", "uid": "theirs"}}, {"id": 2, "libraryPanel": {"uid": "lp"}},
            ]}}),
        ),
        ("/api/playlists", json!({"uid": "p", "name": "P", "interval": "1m", "items": []})),
    ] {
        let (status, answer) = ask(&old, "POST", path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let (from, to) = (format!("--url=http://{}", old.address), format!("--to=http://{}", new.address));
    let ended = run(new_dir.path(), &["import", "grafana", &from, &to]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // What comes with the program is there, and cannot be replaced.
    assert!(ended.stdout.contains("dashboards: 1 taken, "), "{ended:?}");
    assert!(ended.stdout.contains("folders: 2 taken, 1 were there already"), "{ended:?}");
    assert!(ended.stdout.contains("data source theirs is not here; Disk / room use it"), "{ended:?}");
    assert!(ended.stdout.contains("library elements: 1 taken"), "{ended:?}");
    let read = get(&new, "/api/dashboards/uid/d");
    assert_eq!(read["meta"]["folderUid"], "disks");
    assert_eq!(get(&new, "/api/library-elements/lp")["result"]["meta"]["connectedDashboards"], 1);
    let mapped = run(new_dir.path(), &["import", "grafana", &from, &to, "--data-source=theirs=promontory"]);
    assert!(mapped.stdout.contains("playlists: 0 taken, 1 were there already"), "{mapped:?}");
    let read = get(&new, "/api/dashboards/uid/d");
    assert_eq!(read["dashboard"]["panels"][0]["datasource"]["uid"], "promontory");

    let server = format!("--server=http://{}", new.address);
    let ended = run(new_dir.path(), &["export", "dashboards", "out", &server]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let text = std::fs::read_to_string(new_dir.path().join("out/Ops/Disks/Disk - room.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["uid"], "d");
    let ended = run(new_dir.path(), &["check", "out/Ops/Disks/Disk - room.json"]);
    assert_eq!(
        (ended.code, ended.stdout.contains("\"Disk / room\" is a dashboard")),
        (Some(0), true),
        "{ended:?}"
    );
    file(new_dir.path(), "bad.json", "{\n  \"title\": \"T\",\n  \"panels\": {}\n}");
    file(new_dir.path(), "broken.json", "{\n  \"title\": }");
    let ended = run(new_dir.path(), &["check", "bad.json", "broken.json"]);
    assert_eq!(ended.code, Some(1));
    let said = ended.stdout + &ended.stderr;
    assert!(said.contains("panels: expected a list, found an object"), "{said}");
    assert!(said.contains("broken.json:2:12: this is no JSON"), "{said}");
}
