use model::Role;
use serde_json::{Value, json};

use super::{Server, caller};

async fn texts(server: &Server, query: &str) -> Vec<String> {
    let found = server.get(&format!("/api/annotations?{query}")).await;
    found.as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn annotations_are_made_found_changed_and_deleted() {
    let server = Server::start().await;
    server.save("d", "D", "").await;
    let add = async |body: Value| server.post("/api/annotations", body).await["id"].as_i64().unwrap();
    let one = add(json!({"dashboardUID": "d", "panelId": 2, "time": 1_000, "timeEnd": 2_000, "text": "deploy", "tags": ["a", "b", "a"]})).await;
    add(json!({"time": 5_000, "text": "global", "tags": ["b"]})).await;
    let answer = server
        .post("/api/annotations/graphite", json!({"what": "event", "tags": "b c", "when": 9, "data": "more"}))
        .await;
    assert_eq!(answer["message"], "Graphite annotation added");
    for (query, expected) in [
        ("", vec!["event\nmore", "global", "deploy"]),
        ("from=1500&to=4000", vec!["deploy"]),
        ("from=2001&to=5000", vec!["global"]),
        ("tags=a&tags=b", vec!["deploy"]),
        ("tags=a&tags=c&matchAny=true", vec!["event\nmore", "deploy"]),
        ("dashboardUID=d&panelId=2", vec!["deploy"]),
        ("dashboardUID=d&panelId=3", vec![]),
        ("limit=1", vec!["event\nmore"]),
        ("type=alert", vec![]),
    ] {
        assert_eq!(texts(&server, query).await, expected, "{query}");
    }
    let shown = server.get(&format!("/api/annotations/{one}")).await;
    assert_eq!(
        (&shown["tags"], &shown["timeEnd"], &shown["login"]),
        (&json!(["a", "b"]), &json!(2_000), &json!("local"))
    );
    assert_eq!(
        server.get("/api/annotations/tags?tag=b").await,
        json!({"result": {"tags": [{"tag": "b", "count": 3}]}})
    );
    let path = format!("/api/annotations/{one}");
    assert_eq!(
        server.ask("PATCH", &path, json!({"text": "patched"})).await.1,
        json!({"message": "Annotation patched"})
    );
    let shown = server.get(&path).await;
    assert_eq!((&shown["text"], &shown["tags"]), (&json!("patched"), &json!(["a", "b"])));
    assert_eq!(server.ask("PUT", &path, json!({"text": "put", "time": 3_000})).await.0, 200);
    let shown = server.get(&path).await;
    assert_eq!(
        (&shown["tags"], &shown["time"], &shown["timeEnd"]),
        (&json!([]), &json!(3_000), &json!(3_000))
    );
    assert_eq!(server.ask("DELETE", &path, Value::Null).await.1, json!({"message": "Annotation deleted"}));
    assert_eq!(server.ask("DELETE", &path, Value::Null).await.0, 404);
    for (path, body) in [
        ("/api/annotations", json!({"text": ""})),
        ("/api/annotations/graphite", json!({"tags": "a"})),
        ("/api/annotations/graphite", json!({"what": "x", "tags": 5})),
        ("/api/annotations/mass-delete", json!({})),
    ] {
        assert_eq!(server.ask("POST", path, body).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn annotations_are_as_secret_as_their_dashboard() {
    let server = Server::start().await;
    server.post("/api/folders", json!({"uid": "shut", "title": "Shut"})).await;
    server.post("/api/folders/shut/permissions", json!({"items": []})).await;
    server.save("s", "S", "shut").await;
    let note =
        server.post("/api/annotations", json!({"dashboardUID": "s", "text": "secret", "tags": ["x"]})).await;
    let viewer = caller("vic", Role::Viewer);
    let ask =
        async |method: &str, path: &str, body: Value| server.ask_as(Some(&viewer), method, path, body).await;
    assert_eq!(ask("GET", "/api/annotations", Value::Null).await.1, json!([]));
    assert_eq!(ask("GET", "/api/annotations/tags", Value::Null).await.1, json!({"result": {"tags": []}}));
    let path = format!("/api/annotations/{}", note["id"]);
    assert_eq!(ask("GET", &path, Value::Null).await.0, 404);
    assert_eq!(ask("DELETE", &path, Value::Null).await.0, 404);
    assert_eq!(ask("POST", "/api/annotations", json!({"text": "mine"})).await.0, 403);
    assert_eq!(ask("POST", "/api/annotations", json!({"text": "mine", "dashboardUID": "s"})).await.0, 403);
}

#[tokio::test]
async fn there_are_never_more_annotations_than_the_bound_and_the_oldest_go_first() {
    let server = Server::start().await;
    // Near the bound at once, as a busy year would leave it.
    let state = state::State::open(
        &state::Settings::in_dir(server.dir.path()),
        server.clock.clone(),
        &exposition::Registry::new(),
    )
    .unwrap();
    let note = |id: usize| {
        let body = json!({
            "id": id, "start_ms": id, "end_ms": id, "text": "t", "created_ms": 1, "updated_ms": 1, "login": "l", "user": "u",
        });
        state::Write::put("dashboard.annotation", id.to_string(), body.to_string())
    };
    for batch in (1..=dashboards::ANNOTATIONS_MAX).collect::<Vec<_>>().chunks(1_000) {
        state.write(batch.iter().map(|id| note(*id)).collect()).await.unwrap();
    }
    server.post("/api/annotations", json!({"text": "new"})).await;
    server.post("/api/annotations", json!({"text": "newer"})).await;
    let mut text = Vec::new();
    server.registry.collect(&mut exposition::TextWriter::new(&mut text));
    let kept = format!("promontory_dashboards_annotations {}\n", dashboards::ANNOTATIONS_MAX);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&kept), "{text}");
    assert_eq!(server.get("/api/annotations?from=3&to=3").await.as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/annotations?from=1&to=2").await, json!([]));
    assert_eq!(texts(&server, "limit=2&from=100000").await.len(), 2);
}
