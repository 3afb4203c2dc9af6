use ::dashboards::provisioning::{Given, GivenFolder};
use serde_json::{Value, json};

use super::{NOW_MS, Server};

#[tokio::test]
async fn a_dashboard_is_saved_and_read_back_with_everything_that_was_in_it() {
    let server = Server::start().await;
    let dashboard = json!({
        "id": null, "uid": "cpu", "title": "Processor & load", "tags": ["a", "b"], "version": 0,
        "panels": [{"id": 1, "type": "timeseries", "somethingNew": {"x": [1.5, 1.0, 9007199254740993_i64, null]}}],
        "unknown": {"nested": "ümlaut \u{1f600}"}
    });
    let saved = server.post("/api/dashboards/db", json!({"dashboard": dashboard, "message": "first"})).await;
    assert_eq!(saved["uid"], "cpu");
    assert_eq!(saved["url"], "/d/cpu/processor-load");
    assert_eq!((saved["status"].as_str(), saved["version"].as_i64()), (Some("success"), Some(1)));
    assert!(saved["id"].as_i64().unwrap() > 0);

    let read = server.get("/api/dashboards/uid/cpu").await;
    let mut expected = dashboard.clone();
    expected["id"] = saved["id"].clone();
    expected["version"] = json!(1);
    assert_eq!(read["dashboard"], expected);
    let meta = &read["meta"];
    for (field, value) in [
        ("slug", json!("processor-load")),
        ("url", json!("/d/cpu/processor-load")),
        ("canSave", json!(true)),
        ("canAdmin", json!(true)),
        ("isStarred", json!(false)),
        ("folderUid", json!("")),
        ("provisioned", json!(false)),
        ("version", json!(1)),
        ("createdBy", json!("local")),
        ("created", json!("2023-11-14T22:13:20Z")),
    ] {
        assert_eq!(meta[field], value, "{field}");
    }
}

#[tokio::test]
async fn saves_are_refused_with_the_words_that_clients_know() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    for (body, status, word, message) in [
        (
            json!({"dashboard": {"uid": "a", "title": "A", "version": 7}}),
            412,
            "version-mismatch",
            "changed by someone",
        ),
        (json!({"dashboard": {"title": "A"}}), 412, "name-exists", "same name in the folder"),
        (json!({"dashboard": {"uid": "b", "title": "A"}}), 412, "name-exists", "same name in the folder"),
        (json!({"dashboard": {"id": 12345, "title": "B"}}), 404, "not-found", "Dashboard not found"),
        (json!({"dashboard": {"title": ""}}), 400, "", "Dashboard title cannot be empty"),
        (json!({"dashboard": {"uid": "x/y", "title": "B"}}), 400, "", "uid contains illegal characters"),
        (json!({"dashboard": {"title": "B"}, "folderUid": "none"}), 400, "", "folder not found"),
        (json!({}), 400, "", "bad request data"),
        (json!({"dashboard": {"title": "B", "x": "y".repeat(4 << 20)}}), 413, "", "larger than"),
    ] {
        let (found, answer) = server.ask("POST", "/api/dashboards/db", body).await;
        assert_eq!(found, status, "{answer}");
        assert_eq!(answer["status"].as_str().unwrap_or(""), word, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    let (status, answer) = server.ask("GET", "/api/dashboards/uid/none", Value::Null).await;
    assert_eq!((status, &answer), (404, &json!({"message": "Dashboard not found", "status": "not-found"})));
}

#[tokio::test]
async fn overwriting_takes_the_place_of_what_has_the_name() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    let by_title = json!({"dashboard": {"title": "A", "x": 1}, "overwrite": true});
    let saved = server.post("/api/dashboards/db", by_title).await;
    assert_eq!((saved["uid"].as_str(), saved["version"].as_i64()), (Some("a"), Some(2)));
    let by_id = json!({"dashboard": {"id": saved["id"], "title": "A2", "version": 2}});
    let saved = server.post("/api/dashboards/db", by_id).await;
    assert_eq!((saved["uid"].as_str(), saved["version"].as_i64()), (Some("a"), Some(3)));
    assert_eq!(server.get("/api/dashboards/uid/a").await["dashboard"]["title"], "A2");
}

#[tokio::test]
async fn versions_are_kept_compared_and_restored() {
    let server = Server::start().await;
    for (version, title) in [(0, "One"), (1, "Two"), (2, "Three")] {
        let dashboard = json!({"uid": "v", "title": title, "version": version});
        server
            .post("/api/dashboards/db", json!({"dashboard": dashboard, "message": format!("to {title}")}))
            .await;
    }
    let list = server.get("/api/dashboards/uid/v/versions").await;
    let seen: Vec<(i64, &str)> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["version"].as_i64().unwrap(), version["message"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [(3, "to Three"), (2, "to Two"), (1, "to One")]);
    assert_eq!(
        server.get("/api/dashboards/uid/v/versions?limit=1&start=1").await["versions"][0]["version"],
        2
    );
    let first = server.get("/api/dashboards/uid/v/versions/1").await;
    assert_eq!((first["data"]["title"].as_str(), first["data"]["version"].as_i64()), (Some("One"), Some(1)));
    assert_eq!(server.ask("GET", "/api/dashboards/uid/v/versions/9", Value::Null).await.0, 404);

    let sides =
        json!({"base": {"uid": "v", "version": 1}, "new": {"uid": "v", "version": 3}, "diffType": "json"});
    let diff = server.post("/api/dashboards/calculate-diff", sides).await;
    assert_eq!(diff["diff"][0], json!({"op": "replace", "path": "/title", "from": "One", "to": "Three"}));

    let restored = server.post("/api/dashboards/uid/v/restore", json!({"version": 1})).await;
    assert_eq!(restored["version"], 4);
    assert_eq!(server.get("/api/dashboards/uid/v").await["dashboard"]["title"], "One");
    let newest = &server.get("/api/dashboards/uid/v/versions").await["versions"][0];
    assert_eq!((newest["restoredFrom"].as_i64(), newest["parentVersion"].as_i64()), (Some(1), Some(3)));
}

#[tokio::test]
async fn only_the_newest_versions_are_kept() {
    let server = Server::start().await;
    for _ in 0..dashboards::VERSIONS_MAX + 5 {
        server.save("v", "V", "").await;
    }
    let list = server.get("/api/dashboards/uid/v/versions").await;
    let numbers: Vec<i64> =
        list["versions"].as_array().unwrap().iter().map(|v| v["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (6..=55).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_deleted_can_be_restored_for_a_while() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    let (status, answer) = server.ask("DELETE", "/api/dashboards/uid/a", Value::Null).await;
    assert_eq!((status, answer["message"].as_str()), (200, Some("Dashboard A deleted")));
    assert_eq!(server.ask("GET", "/api/dashboards/uid/a", Value::Null).await.0, 404);
    assert_eq!(server.ask("DELETE", "/api/dashboards/uid/a", Value::Null).await.0, 404);
    assert_eq!(server.get("/api/search").await, json!([]));
    assert_eq!(server.get("/api/search?deleted=true").await[0]["uid"], "a");

    let (status, _) = server.ask("PATCH", "/api/dashboards/uid/a/trash", json!({"folderUid": ""})).await;
    assert_eq!(status, 200);
    assert_eq!(server.get("/api/dashboards/uid/a").await["dashboard"]["title"], "A");

    server.ask("DELETE", "/api/dashboards/uid/a", Value::Null).await;
    server.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    server.save("b", "B", "").await;
    assert_eq!(server.get("/api/search?deleted=true").await, json!([]));
    assert_eq!(server.ask("PATCH", "/api/dashboards/uid/a/trash", json!({})).await.0, 404);
}

#[tokio::test]
async fn dashboards_in_the_v2_schema_stay_as_they_came() {
    let server = Server::start().await;
    let spec =
        json!({"title": "V2", "elements": {"panel-1": {"kind": "Panel"}}, "layout": {"kind": "GridLayout"}});
    let object = json!({
        "apiVersion": "dashboard.grafana.app/v2beta1", "kind": "Dashboard", "metadata": {"name": "two"}, "spec": spec
    });
    server.post("/api/dashboards/db", json!({"dashboard": object})).await;
    let read = server.get("/api/dashboards/uid/two").await;
    assert_eq!((&read["dashboard"], read["meta"]["apiVersion"].as_str()), (&spec, Some("v2beta1")));
}

#[tokio::test]
async fn old_addresses_lead_to_the_dashboard() {
    let server = Server::start().await;
    server.save("abc", "My Board", "").await;
    let request =
        axum::http::Request::get("/dashboard/db/my-board?var-x=1").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(server.router.clone(), request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &"/d/abc/my-board?var-x=1".parse().unwrap())
    );
    assert_eq!(server.ask("GET", "/dashboard/db/none", Value::Null).await.0, 404);
}

#[tokio::test]
async fn home_is_what_somebody_chose() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/dashboards/home").await["meta"]["isHome"], true);
    server.save("abc", "My Board", "").await;
    let (status, _) =
        server.ask("PUT", "/api/org/preferences", json!({"homeDashboardUID": "abc", "theme": "dark"})).await;
    assert_eq!(status, 200);
    assert_eq!(server.get("/api/dashboards/home").await["redirectUri"], "/d/abc/my-board");
    assert_eq!(server.get("/api/org/preferences").await["theme"], "dark");
    let (status, answer) = server.ask("PATCH", "/api/user/preferences", json!({"theme": "pink"})).await;
    assert_eq!((status, answer["message"].as_str()), (400, Some("Invalid theme")));
}

#[tokio::test]
async fn of_saves_at_once_one_wins_and_those_that_overwrite_all_come_through() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    let made_from_one =
        |at: usize| json!({"dashboard": {"uid": "a", "title": format!("T{at}"), "version": 1}});
    let mut answers = Vec::new();
    for done in futures_of((0..8).map(|at| server.ask("POST", "/api/dashboards/db", made_from_one(at)))).await
    {
        answers.push(done.0);
    }
    answers.sort_unstable();
    assert_eq!(answers, [200, 412, 412, 412, 412, 412, 412, 412]);
    let over = |at: usize| json!({"dashboard": {"uid": "a", "title": format!("O{at}")}, "overwrite": true});
    for (status, answer) in
        futures_of((0..8).map(|at| server.ask("POST", "/api/dashboards/db", over(at)))).await
    {
        assert_eq!(status, 200, "{answer}");
    }
    let versions = server.get("/api/dashboards/uid/a/versions").await;
    assert_eq!(versions["versions"].as_array().unwrap().len(), 10);
}

/// Runs futures side by side on this task.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut running {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn old_versions_go_also_where_a_file_ran_ahead_of_what_was_saved() {
    let file = |n: i64| {
        let text = format!(r#"{{"uid": "d", "title": "D", "description": "file {n}"}}"#);
        Given {
            name: "d.json".into(),
            folder: GivenFolder::default(),
            text: text.into(),
            is_editable: true,
            changed_ms: NOW_MS + n,
        }
    };
    let server = Server::start().await;
    let mut n = 0;
    let mut change = || {
        n += 1;
        server.dashboards.provide("files", vec![file(n)], Vec::new());
    };
    change();
    for round in 0..4 {
        let body = json!({"dashboard": {"uid": "d", "title": "D", "description": format!("saved {round}")}, "overwrite": true});
        assert_eq!(server.post("/api/dashboards/db", body).await["status"], "success");
        // As often as there are versions, or nearly.
        for _ in 0..(47 + round) {
            change();
        }
    }
    let kept = server.get("/api/dashboards/uid/d/versions?limit=1000").await;
    let kept = kept["versions"].as_array().unwrap_or_else(|| kept.as_array().unwrap()).len();
    assert!(kept <= 51, "{kept}");
}

#[tokio::test]
async fn numbers_that_are_none_are_refused_as_clients_read_it() {
    let server = Server::start().await;
    server.save("d", "D", "").await;
    for path in ["/api/annotations/x", "/api/dashboards/uid/d/versions/x", "/api/folders/id/x"] {
        let (status, body) = server.ask("GET", path, Value::Null).await;
        assert_eq!((status, &body["message"]), (400, &json!("id is invalid")), "{path}");
    }
    let (status, body) = server.ask("GET", "/api/folders/none", Value::Null).await;
    assert_eq!((status, &body["status"]), (404, &json!("not-found")));
}
