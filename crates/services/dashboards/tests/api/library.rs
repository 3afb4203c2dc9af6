use model::Role;
use serde_json::{Value, json};

use super::{Server, caller};

#[tokio::test]
async fn library_panels_are_shared_and_know_who_shows_them() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "ops", "title": "Ops"})).await;
    let body = json!({"uid": "lp", "name": "Load", "kind": 1, "folderUid": "ops", "model": {"type": "stat", "description": "d"}});
    let made = server.post("/api/library-elements", body.clone()).await;
    let made = &made["result"];
    assert_eq!(
        (&made["version"], &made["type"], &made["meta"]["folderName"]),
        (&json!(1), &json!("stat"), &json!("Ops"))
    );
    let (status, answer) = server.ask("POST", "/api/library-elements", body).await;
    assert_eq!(
        (status, answer["message"].as_str()),
        (400, Some("library element with that name or UID already exists"))
    );

    let panel = json!({"id": 1, "libraryPanel": {"uid": "lp", "name": "Load"}});
    server
        .post("/api/dashboards/db", json!({"dashboard": {"uid": "d", "title": "D", "panels": [panel]}}))
        .await;
    let connections = server.get("/api/library-elements/lp/connections").await;
    assert_eq!(connections["result"][0]["connectionUid"], "d");
    assert_eq!(server.get("/api/library-elements/lp").await["result"]["meta"]["connectedDashboards"], 1);
    let (status, answer) = server.ask("DELETE", "/api/library-elements/lp", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (403, Some("the library element has connections")));
    let (status, answer) = server.ask("DELETE", "/api/folders/ops", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (400, Some("folder contains library elements in use")));

    let change =
        |version: i64| json!({"name": "Load now", "kind": 1, "model": {"type": "gauge"}, "version": version});
    assert_eq!(server.ask("PATCH", "/api/library-elements/lp", change(1)).await.1["result"]["version"], 2);
    assert_eq!(server.ask("PATCH", "/api/library-elements/lp", change(1)).await.0, 412);
    let list =
        server.get("/api/library-elements?searchString=load&typeFilter=gauge&folderFilterUIDs=ops").await;
    assert_eq!(
        (&list["result"]["totalCount"], &list["result"]["elements"][0]["name"]),
        (&json!(1), &json!("Load now"))
    );
    assert_eq!(server.get("/api/library-elements?typeFilter=stat").await["result"]["totalCount"], 0);
    assert_eq!(server.get("/api/library-elements/name/Load%20now").await["result"][0]["uid"], "lp");

    server.ask("DELETE", "/api/dashboards/uid/d", Value::Null).await;
    let (status, answer) = server.ask("DELETE", "/api/library-elements/lp", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (200, Some("Library element deleted")));
    let (status, answer) = server.ask("GET", "/api/library-elements/lp", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (404, Some("library element could not be found")));
}

#[tokio::test]
async fn a_library_panel_is_as_secret_as_its_folder() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "shut", "title": "Shut"})).await;
    server.post("/api/folders/shut/permissions", json!({"items": []})).await;
    let body = json!({"uid": "lp", "name": "L", "kind": 1, "folderUid": "shut", "model": {}});
    server.post("/api/library-elements", body).await;
    let editor = caller("ed", Role::Editor);
    let ask =
        async |method: &str, path: &str, body: Value| server.ask_as(Some(&editor), method, path, body).await;
    assert_eq!(ask("GET", "/api/library-elements/lp", Value::Null).await.0, 404);
    assert_eq!(ask("GET", "/api/library-elements", Value::Null).await.1["result"]["totalCount"], 0);
    let body = json!({"name": "M", "kind": 1, "folderUid": "shut", "model": {}});
    assert_eq!(ask("POST", "/api/library-elements", body).await.0, 403);
}

#[tokio::test]
async fn playlists_are_kept() {
    let server = Server::start().await;
    let body =
        json!({"name": "Wall", "interval": "30s", "items": [{"type": "dashboard_by_uid", "value": "a"}]});
    let made = server.post("/api/playlists", body).await;
    let path = format!("/api/playlists/{}", made["uid"].as_str().unwrap());
    assert_eq!(server.get("/api/playlists?query=wa").await[0]["interval"], "30s");
    assert_eq!(server.get(&format!("{path}/items")).await[0]["value"], "a");
    let (status, changed) =
        server.ask("PUT", &path, json!({"name": "Wall 2", "interval": "1m", "items": []})).await;
    assert_eq!((status, &changed["name"], &changed["items"]), (200, &json!("Wall 2"), &json!([])));
    let viewer = caller("vic", Role::Viewer);
    assert_eq!(server.ask_as(Some(&viewer), "DELETE", &path, Value::Null).await.0, 403);
    assert_eq!(server.ask("DELETE", &path, Value::Null).await.0, 200);
    assert_eq!(server.ask("GET", &path, Value::Null).await.0, 404);
    for wrong in [
        json!({"name": ""}),
        json!({"name": "x", "interval": "soon"}),
        json!({"name": "x", "items": [{"type": "y", "value": "z"}]}),
    ] {
        assert_eq!(server.ask("POST", "/api/playlists", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_dashboard_that_asks_for_inputs_is_imported() {
    let server = Server::start().await;
    let body = json!({
        "dashboard": {
            "id": 77, "uid": "i", "title": "I", "panels": [{"datasource": "${DS}"}],
            "__inputs": [{"name": "DS", "type": "datasource"}],
        },
        "inputs": [{"name": "DS", "type": "datasource", "pluginId": "prometheus", "value": "promontory"}],
        "overwrite": true,
    });
    let answer = server.post("/api/dashboards/import", body).await;
    assert_eq!((&answer["imported"], &answer["importedUrl"]), (&json!(true), &json!("/d/i/i")));
    let read = server.get("/api/dashboards/uid/i").await;
    assert_eq!(read["dashboard"]["panels"][0]["datasource"], "promontory");
    assert_eq!(read["dashboard"].get("__inputs"), None);
}
