use serde_json::{Value, json};

use super::Server;

#[tokio::test]
async fn folders_are_made_renamed_moved_and_deleted_with_what_is_in_them() {
    let server = Server::start().await;
    let ops = server.post("/api/folders", json!({"uid": "ops", "title": "Ops"})).await;
    assert_eq!((ops["uid"].as_str(), ops["url"].as_str()), (Some("ops"), Some("/dashboards/f/ops/ops")));
    assert_eq!(ops["version"], 1);
    let disks = server.post("/api/folders", json!({"title": "Disks", "parentUid": "ops"})).await;
    let disks = disks["uid"].as_str().unwrap().to_string();
    server.save("d", "D", &disks).await;

    assert_eq!(server.get("/api/folders").await.as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/folders?parentUid=ops").await[0]["title"], "Disks");
    let shown = server.get(&format!("/api/folders/{disks}")).await;
    assert_eq!(
        (shown["parentUid"].as_str(), shown["parents"][0]["title"].as_str()),
        (Some("ops"), Some("Ops"))
    );
    assert_eq!(
        server.get("/api/folders/ops/counts").await,
        json!({"folder": 1, "dashboard": 1, "library_element": 0, "alertrule": 0})
    );
    assert_eq!(server.get(&format!("/api/folders/id/{}", ops["id"])).await["uid"], "ops");

    let (status, renamed) =
        server.ask("PUT", "/api/folders/ops", json!({"title": "Operations", "version": 1})).await;
    assert_eq!(
        (status, renamed["title"].as_str(), renamed["version"].as_i64()),
        (200, Some("Operations"), Some(2))
    );
    let (status, answer) = server.ask("PUT", "/api/folders/ops", json!({"title": "Old", "version": 1})).await;
    assert_eq!((status, answer["status"].as_str()), (412, Some("version-mismatch")));

    let moved = server.post(&format!("/api/folders/{disks}/move"), json!({"parentUid": ""})).await;
    assert_eq!(moved.get("parentUid"), None);
    server.post(&format!("/api/folders/{disks}/move"), json!({"parentUid": "ops"})).await;

    let (status, answer) = server.ask("DELETE", "/api/folders/ops", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (200, Some("Folder Operations deleted")));
    assert_eq!(server.ask("GET", "/api/dashboards/uid/d", Value::Null).await.0, 404);
    assert_eq!(server.get("/api/search").await, json!([]));
}

#[tokio::test]
async fn folders_are_refused_with_the_words_that_clients_know() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "a", "title": "A"})).await;
    server.post("/api/folders", json!({"uid": "b", "title": "B", "parentUid": "a"})).await;
    for (method, path, body, status, message) in [
        ("POST", "/api/folders", json!({"title": "A"}), 409, "same name already exists"),
        ("POST", "/api/folders", json!({"title": "C", "uid": "a"}), 409, "same uid already exists"),
        ("POST", "/api/folders", json!({"title": " "}), 400, "title cannot be empty"),
        ("POST", "/api/folders", json!({"title": "C", "parentUid": "none"}), 404, "folder not found"),
        ("GET", "/api/folders/none", Value::Null, 404, "folder not found"),
        ("POST", "/api/folders/a/move", json!({"parentUid": "b"}), 400, "into itself"),
        ("DELETE", "/api/folders/none", Value::Null, 404, "folder not found"),
    ] {
        let (found, answer) = server.ask(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    let mut parent = "b".to_string();
    for depth in 3..=8 {
        let uid = format!("d{depth}");
        server.post("/api/folders", json!({"uid": uid, "title": "x", "parentUid": parent})).await;
        parent = uid;
    }
    let (status, answer) =
        server.ask("POST", "/api/folders", json!({"title": "x", "parentUid": parent})).await;
    assert_eq!((status, answer["message"].as_str()), (400, Some("folders can be nested 8 deep")));
}
