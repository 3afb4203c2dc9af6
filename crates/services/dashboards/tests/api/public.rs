use ::dashboards::{Options, SNAPSHOTS_LASTING_MAX};
use model::{Caller, CallerKind, Role};
use serde_json::{Value, json};

use super::{Server, caller};

fn stranger() -> Caller {
    Caller {
        uid: "".into(),
        login: "".into(),
        kind: CallerKind::Anonymous,
        role: Role::None,
        teams: [].into(),
    }
}

#[tokio::test]
async fn whoever_has_the_token_sees_a_public_dashboard_without_its_queries() {
    let server = Server::start().await;
    let panels = json!([{"id": 1, "type": "stat", "targets": [{"refId": "A", "expr": "secret_metric"}]}]);
    server
        .post("/api/dashboards/db", json!({"dashboard": {"uid": "d", "title": "D", "panels": panels}}))
        .await;
    let path = "/api/dashboards/uid/d/public-dashboards";
    assert_eq!(server.ask("GET", path, Value::Null).await.0, 404);
    let editor = caller("ed", Role::Editor);
    assert_eq!(server.ask_as(Some(&editor), "POST", path, json!({"isEnabled": true})).await.0, 403);
    let made = server.post(path, json!({"isEnabled": true})).await;
    let token = made["accessToken"].as_str().unwrap();
    assert_eq!((token.len(), &made["dashboardUid"], &made["share"]), (32, &json!("d"), &json!("public")));
    assert_eq!(server.ask("POST", path, json!({})).await.0, 400, "there is one already");

    let see = format!("/api/public/dashboards/{token}");
    let stranger = stranger();
    let (status, seen) = server.ask_as(Some(&stranger), "GET", &see, Value::Null).await;
    assert_eq!(
        (status, &seen["dashboard"]["title"], &seen["meta"]["canSave"]),
        (200, &json!("D"), &json!(false))
    );
    assert!(!seen.to_string().contains("secret_metric"));
    assert_eq!(server.ask_as(Some(&stranger), "GET", "/api/dashboards/uid/d", Value::Null).await.0, 403);

    let one = format!("{path}/{}", made["uid"].as_str().unwrap());
    assert_eq!(server.ask("PATCH", &one, json!({"isEnabled": false})).await.1["isEnabled"], false);
    assert_eq!(server.ask_as(Some(&stranger), "GET", &see, Value::Null).await.0, 403);
    assert_eq!(server.get("/api/dashboards/public-dashboards").await["totalCount"], 1);
    let (_, seen) =
        server.ask_as(Some(&editor), "GET", "/api/dashboards/public-dashboards", Value::Null).await;
    assert_eq!(seen["totalCount"], 0, "a token is a key");
    assert_eq!(server.ask("DELETE", &one, Value::Null).await.0, 200);
    assert_eq!(server.ask_as(Some(&stranger), "GET", &see, Value::Null).await.0, 404);
}

#[tokio::test]
async fn queries_are_left_out_in_whichever_form_they_stand() {
    let server = Server::start().await;
    let old = json!({
        "uid": "old", "title": "Old",
        "rows": [{"panels": [{"id": 1, "targets": [{"expr": "secret_a"}]}]}],
        "templating": {"list": [
            {"name": "q", "type": "query", "query": {"query": "secret_b"}, "definition": "secret_c"},
            {"name": "c", "type": "custom", "query": "shown_choice"}
        ]},
        "annotations": {"list": [{"name": "n", "expr": "secret_d"}]}
    });
    let query = json!({"kind": "DataQuery", "spec": {"expr": "secret_e"}});
    let new = json!({"apiVersion": "dashboard.grafana.app/v2", "kind": "Dashboard", "metadata": {"name": "new"}, "spec": {
        "title": "New", "layout": {"kind": "GridLayout"},
        "elements": {"a": {"kind": "Panel", "spec": {"data": {"spec": {"queries": [{"spec": {"query": query}}]}}}}},
        "variables": [{"kind": "QueryVariable", "spec": {"name": "q", "query": {"spec": {"query": "secret_f"}}}}]
    }});
    for (uid, dashboard) in [("old", old), ("new", new)] {
        server.post("/api/dashboards/db", json!({"dashboard": dashboard})).await;
        let body = json!({"isEnabled": true, "annotationsEnabled": true});
        let made = server.post(&format!("/api/dashboards/uid/{uid}/public-dashboards"), body).await;
        let see = format!("/api/public/dashboards/{}", made["accessToken"].as_str().unwrap());
        let seen = server.ask_as(Some(&stranger()), "GET", &see, Value::Null).await.1.to_string();
        assert!(!seen.contains("secret_"), "{seen}");
        assert_eq!(seen.contains("shown_choice"), uid == "old", "{seen}");
    }
}

#[tokio::test]
async fn snapshots_are_shown_until_they_expire_or_are_deleted() {
    let server = Server::start().await;
    let take = async |expires: i64| {
        let body = json!({"dashboard": {"title": "S", "data": [1, 2]}, "name": "then", "expires": expires});
        server.post("/api/snapshots", body).await
    };
    let made = take(60).await;
    let path = format!("/api/snapshots/{}", made["key"].as_str().unwrap());
    assert_eq!(server.get(&path).await["dashboard"]["data"], json!([1, 2]));
    assert_eq!(server.get("/api/dashboard/snapshots").await[0]["name"], "then");
    server.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(server.ask("GET", &path, Value::Null).await.0, 404);

    let made = take(0).await;
    let viewer = caller("vic", Role::Viewer);
    let path = format!("/api/snapshots/{}", made["key"].as_str().unwrap());
    assert_eq!(server.ask_as(Some(&viewer), "DELETE", &path, Value::Null).await.0, 403);
    let delete = format!("/api/snapshots-delete/{}", made["deleteKey"].as_str().unwrap());
    assert_eq!(made["deleteUrl"], delete);
    assert_eq!(server.get(&delete).await["message"], "Snapshot deleted");
    assert_eq!(server.ask("GET", &path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn snapshots_that_never_expire_are_bounded_apart() {
    let server =
        Server::with(Options { external_url: "https://m.example/p".into(), ..Options::default() }).await;
    let take = async |expires: i64| {
        let body = json!({"dashboard": {"title": "S"}, "name": "then", "expires": expires});
        server.ask("POST", "/api/snapshots", body).await
    };
    for _ in 0..SNAPSHOTS_LASTING_MAX {
        assert_eq!(take(0).await.0, 200);
    }
    assert_eq!(take(0).await.0, 429);
    let (status, made) = take(60).await;
    let address = format!("https://m.example/p/dashboard/snapshot/{}", made["key"].as_str().unwrap());
    assert_eq!((status, &made["url"]), (200, &json!(address)));
}

#[tokio::test]
async fn the_page_learns_what_it_may_offer() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/frontend/settings").await["dashboards"]["canSave"], true);
    let (_, seen) = server.ask_as(Some(&stranger()), "GET", "/api/frontend/settings", Value::Null).await;
    assert_eq!(seen["dashboards"], json!({"canSave": false, "canStar": false, "canSeeProvisioning": false}));
}

#[tokio::test]
async fn a_guard_around_the_routes_also_stands_before_what_is_not_there() {
    let server = Server::start().await;
    let refuse = axum::middleware::from_fn(async |_: axum::extract::Request, _: axum::middleware::Next| {
        axum::http::StatusCode::UNAUTHORIZED
    });
    let routes = axum::Router::new().route("/a", axum::routing::get(|| async {}));
    let more = axum::Router::new().route("/b", axum::routing::get(|| async {}));
    let guarded = routes.merge(server.router.clone()).merge(more).layer(refuse);
    for path in ["/a", "/b", "/api/search", "/nothing", "/user/x"] {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(guarded.clone(), request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 401, "{path}");
    }
}
