use serde_json::{Value, json};

use super::Server;

const V1: &str = "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards";
const V2: &str = "/apis/dashboard.grafana.app/v2beta1/namespaces/default/dashboards";
const FOLDERS: &str = "/apis/folder.grafana.app/v1beta1/namespaces/default/folders";

#[tokio::test]
async fn dashboards_are_kept_in_the_manner_of_kubernetes_too() {
    let server = Server::start().await;
    let folder = json!({"metadata": {"name": "ops"}, "spec": {"title": "Ops"}});
    assert_eq!(server.ask("POST", FOLDERS, folder).await.0, 201);
    let board = json!({
        "metadata": {"name": "k", "annotations": {"grafana.app/folder": "ops", "grafana.app/message": "first"}},
        "spec": {"title": "K", "schemaVersion": 41, "panels": []},
    });
    let (status, made) = server.ask("POST", V1, board.clone()).await;
    assert_eq!((status, &made["metadata"]["generation"]), (201, &json!(1)), "{made}");
    assert_eq!(made["spec"], board["spec"]);
    let (status, answer) = server.ask("POST", V1, board.clone()).await;
    assert_eq!(
        (status, &answer["reason"], &answer["kind"]),
        (409, &json!("AlreadyExists"), &json!("Status"))
    );
    let read = server.get("/api/dashboards/uid/k").await;
    assert_eq!((&read["meta"]["folderUid"], &read["dashboard"]["title"]), (&json!("ops"), &json!("K")));
    assert_eq!(server.get("/api/dashboards/uid/k/versions").await["versions"][0]["message"], "first");

    let one = format!("{V1}/k");
    let mut changed = server.get(&one).await;
    changed["spec"]["title"] = json!("K2");
    let (status, answer) = server.ask("PUT", &one, changed.clone()).await;
    assert_eq!((status, &answer["metadata"]["resourceVersion"]), (200, &json!("2")));
    let (status, answer) = server.ask("PUT", &one, changed).await;
    assert_eq!((status, &answer["reason"]), (409, &json!("Conflict")), "made from an older one");
    assert_eq!(server.get(&format!("{one}/dto")).await["access"]["canSave"], true);
    let list = server.get(&format!("{V1}?limit=1")).await;
    assert_eq!((&list["kind"], &list["items"][0]["spec"]["title"]), (&json!("DashboardList"), &json!("K2")));
    assert_eq!(server.ask("DELETE", &one, Value::Null).await.0, 200);
    let (status, answer) = server.ask("GET", &one, Value::Null).await;
    assert_eq!((status, &answer["reason"]), (404, &json!("NotFound")));
    assert_eq!(
        server
            .ask("GET", "/apis/dashboard.grafana.app/v9/namespaces/default/dashboards", Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn the_v2_schema_stays_and_is_named_whatever_is_asked_for() {
    let server = Server::start().await;
    let spec =
        json!({"title": "Two", "elements": {}, "layout": {"kind": "GridLayout", "spec": {"items": []}}});
    let board =
        json!({"apiVersion": "dashboard.grafana.app/v2beta1", "metadata": {"name": "two"}, "spec": spec});
    let (status, made) = server.ask("PUT", &format!("{V2}/two"), board).await;
    assert_eq!((status, &made["spec"]), (201, &spec));
    let read = server.get(&format!("{V1}/two")).await;
    assert_eq!(read["apiVersion"], "dashboard.grafana.app/v2beta1");
    assert_eq!((&read["spec"], &read["status"]["conversion"]["storedVersion"]), (&spec, &json!("v2beta1")));
    assert_eq!(server.get("/api/search?query=two").await[0]["uid"], "two");
}

#[tokio::test]
async fn folders_move_by_their_annotation() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.post("/api/folders", json!({"uid": name, "title": name})).await;
    }
    let one = format!("{FOLDERS}/b");
    let mut folder = server.get(&one).await;
    folder["metadata"]["annotations"]["grafana.app/folder"] = json!("a");
    assert_eq!(server.ask("PUT", &one, folder).await.0, 200);
    assert_eq!(server.get("/api/folders/b").await["parentUid"], "a");
    assert_eq!(server.ask("DELETE", &one, Value::Null).await.0, 200);
    assert_eq!(server.get(FOLDERS).await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn large_dashboards_come_in_more_pages() {
    let server = Server::start().await;
    let long = "x".repeat(2 << 20);
    for at in 0..10 {
        let dashboard = json!({"uid": format!("d{at}"), "title": format!("D{at}"), "description": long});
        server.post("/api/dashboards/db", json!({"dashboard": dashboard})).await;
    }
    let (mut names, mut next) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let page = server.get(&format!("{V1}?continue={next}")).await;
        pages += 1;
        names.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].to_string()),
        );
        match page["metadata"]["continue"].as_str() {
            Some(more) => next = more.to_string(),
            None => break,
        }
    }
    assert_eq!((names.len(), pages), (10, 2), "{names:?}");
}
