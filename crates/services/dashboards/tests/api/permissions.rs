use model::Role;
use serde_json::{Value, json};

use super::{Server, caller};

#[tokio::test]
async fn every_route_asks_what_the_caller_may_do() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "open", "title": "Open"})).await;
    server.post("/api/folders", json!({"uid": "shut", "title": "Shut"})).await;
    server
        .post("/api/folders/shut/permissions", json!({"items": [{"userId": "ann", "permission": 2}]}))
        .await;
    server.save("o", "O", "open").await;
    server.save("s", "S", "shut").await;
    let viewer = caller("vic", Role::Viewer);
    let editor = caller("ed", Role::Editor);
    let ann = caller("ann", Role::Viewer);
    let save = |uid: &str, folder: &str| json!({"dashboard": {"uid": uid, "title": uid.to_uppercase()}, "folderUid": folder, "overwrite": true});
    let nothing = Value::Null;
    for (who, method, path, body, expected) in [
        (&viewer, "GET", "/api/dashboards/uid/o", nothing.clone(), 200),
        (&viewer, "GET", "/api/dashboards/uid/s", nothing.clone(), 403),
        (&viewer, "GET", "/api/dashboards/uid/s/versions", nothing.clone(), 403),
        (&viewer, "POST", "/api/dashboards/db", save("o", "open"), 403),
        (&viewer, "POST", "/api/dashboards/db", save("n", ""), 403),
        (&viewer, "DELETE", "/api/dashboards/uid/o", nothing.clone(), 403),
        (&viewer, "POST", "/api/dashboards/uid/o/restore", json!({"version": 1}), 403),
        (&viewer, "POST", "/api/folders", json!({"title": "X"}), 403),
        (&viewer, "PUT", "/api/folders/open", json!({"title": "X", "overwrite": true}), 403),
        (&viewer, "POST", "/api/folders/open/move", json!({"parentUid": "shut"}), 403),
        (&viewer, "DELETE", "/api/folders/open", nothing.clone(), 403),
        (&viewer, "GET", "/api/folders/shut", nothing.clone(), 403),
        (&viewer, "GET", "/api/folders/open/permissions", nothing.clone(), 403),
        (&viewer, "POST", "/api/folders/open/permissions", json!({"items": []}), 403),
        (&viewer, "PUT", "/api/org/preferences", json!({"theme": "dark"}), 403),
        (&viewer, "PUT", "/api/user/preferences", json!({"theme": "dark"}), 200),
        (&viewer, "POST", "/api/user/stars/dashboard/uid/o", nothing.clone(), 200),
        (&viewer, "POST", "/api/user/stars/dashboard/uid/s", nothing.clone(), 403),
        (&editor, "GET", "/api/dashboards/uid/s", nothing.clone(), 403),
        (&editor, "POST", "/api/dashboards/db", save("o", "open"), 200),
        (&editor, "POST", "/api/dashboards/db", save("o", "shut"), 403),
        (&editor, "POST", "/api/dashboards/uid/o/permissions", json!({"items": []}), 403),
        (&ann, "GET", "/api/dashboards/uid/s", nothing.clone(), 200),
        (&ann, "POST", "/api/dashboards/db", save("s", "shut"), 200),
        (&ann, "POST", "/api/dashboards/db", save("o", "open"), 403),
    ] {
        let (status, answer) = server.ask_as(Some(who), method, path, body).await;
        assert_eq!(status, expected, "{} {method} {path}: {answer}", who.uid);
    }
    for (who, expected) in [(&viewer, vec!["Open", "O"]), (&ann, vec!["Open", "Shut", "O", "S"])] {
        let (_, found) = server.ask_as(Some(who), "GET", "/api/search", Value::Null).await;
        let titles: Vec<&str> =
            found.as_array().unwrap().iter().map(|hit| hit["title"].as_str().unwrap()).collect();
        assert_eq!(titles, expected, "{}", who.uid);
    }
    let (_, read) = server.ask_as(Some(&viewer), "GET", "/api/dashboards/uid/o", Value::Null).await;
    assert_eq!((&read["meta"]["canSave"], &read["meta"]["isStarred"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn lists_of_permissions_are_inherited_and_shown_as_grafana_shows_them() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "a", "title": "A"})).await;
    server.post("/api/folders", json!({"uid": "b", "title": "B", "parentUid": "a"})).await;
    let items = json!([{"role": "Viewer", "permission": 1}, {"teamId": 7, "permission": 4}, {"userId": 0, "role": "Editor", "permission": 2}]);
    let (status, _) = server.ask("POST", "/api/folders/a/permissions", json!({"items": items})).await;
    assert_eq!(status, 200);
    let shown = server.get("/api/folders/b/permissions").await;
    let seen: Vec<(Value, Value, Value)> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["role"].clone(), item["permissionName"].clone(), item["inherited"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!("Viewer"), json!("View"), json!(true)),
            (Value::Null, json!("Admin"), json!(true)),
            (json!("Editor"), json!("Edit"), json!(true)),
        ]
    );
    for wrong in [
        json!({}),
        json!({"items": [{"role": "Viewer", "permission": 3}]}),
        json!({"items": [{"permission": 1}]}),
        json!({"items": [{"role": "Viewer", "permission": 1}, {"role": "Viewer", "permission": 2}]}),
    ] {
        assert_eq!(server.ask("POST", "/api/folders/a/permissions", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn who_makes_a_folder_may_say_who_sees_it() {
    let server = Server::start().await;
    let editor = caller("ed", Role::Editor);
    let (_, made) =
        server.ask_as(Some(&editor), "POST", "/api/folders", json!({"uid": "m", "title": "Mine"})).await;
    assert_eq!(made["canAdmin"], true);
    let items = json!({"items": [{"userId": "ed", "permission": 4}]});
    let (status, _) = server.ask_as(Some(&editor), "POST", "/api/folders/m/permissions", items).await;
    assert_eq!(status, 200);
    let other = caller("eve", Role::Editor);
    assert_eq!(server.ask_as(Some(&other), "GET", "/api/folders/m", Value::Null).await.0, 403);
}
