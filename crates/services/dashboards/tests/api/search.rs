use serde_json::{Value, json};

use super::Server;

async fn titles(server: &Server, query: &str) -> Vec<String> {
    let found = server.get(&format!("/api/search?{query}")).await;
    found.as_array().unwrap().iter().map(|hit| hit["title"].as_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn what_is_looked_for_is_found() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "ops", "title": "Ops"})).await;
    for (uid, title, tags, folder) in [
        ("n", "Node / disks", json!(["node", "disk"]), "ops"),
        ("m", "node memory", json!(["node"]), ""),
        ("z", "Zoo", json!([]), ""),
    ] {
        let body = json!({"dashboard": {"uid": uid, "title": title, "tags": tags}, "folderUid": folder});
        server.post("/api/dashboards/db", body).await;
    }
    server.post("/api/user/stars/dashboard/uid/z", Value::Null).await;
    for (query, expected) in [
        ("", vec!["Ops", "Node / disks", "node memory", "Zoo"]),
        ("query=NODE", vec!["Node / disks", "node memory"]),
        ("query=disks%20node", vec!["Node / disks"]),
        ("tag=node&tag=disk", vec!["Node / disks"]),
        ("type=dash-folder", vec!["Ops"]),
        ("type=dash-db&sort=alpha-desc", vec!["Zoo", "node memory", "Node / disks"]),
        ("folderUIDs=ops", vec!["Node / disks"]),
        ("folderUIDs=general&type=dash-db", vec!["node memory", "Zoo"]),
        ("folderIds=0&type=dash-db", vec!["node memory", "Zoo"]),
        ("dashboardUIDs=n,z", vec!["Node / disks", "Zoo"]),
        ("dashboardUIDs=n&dashboardUIDs=m", vec!["Node / disks", "node memory"]),
        ("starred=true", vec!["Zoo"]),
        ("limit=2&page=2", vec!["node memory", "Zoo"]),
        ("folderUIDs=none", vec![]),
    ] {
        assert_eq!(titles(&server, query).await, expected, "{query}");
    }
    let hit = &server.get("/api/search?query=disks").await[0];
    for (field, value) in [
        ("type", json!("dash-db")),
        ("url", json!("/d/n/node-disks")),
        ("uri", json!("db/node-disks")),
        ("tags", json!(["node", "disk"])),
        ("folderUid", json!("ops")),
        ("folderTitle", json!("Ops")),
        ("folderUrl", json!("/dashboards/f/ops/ops")),
        ("isStarred", json!(false)),
    ] {
        assert_eq!(hit[field], value, "{field}");
    }
    assert_eq!(
        server.get("/api/dashboards/tags").await,
        json!([{"term": "disk", "count": 1}, {"term": "node", "count": 2}])
    );
    assert_eq!(server.ask("GET", "/api/search?limit=x", Value::Null).await.0, 400);
}

#[tokio::test]
async fn stars_come_and_go() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    let path = "/api/user/stars/dashboard/uid/a";
    assert_eq!(server.post(path, Value::Null).await, json!({"message": "Dashboard starred!"}));
    assert_eq!(server.get("/api/user/stars").await, json!(["a"]));
    assert_eq!(server.ask("DELETE", path, Value::Null).await.1, json!({"message": "Dashboard unstarred"}));
    assert_eq!(server.get("/api/user/stars").await, json!([]));
    assert_eq!(server.ask("POST", "/api/user/stars/dashboard/uid/none", Value::Null).await.0, 404);
}
