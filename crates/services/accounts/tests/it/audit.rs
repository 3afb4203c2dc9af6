//! The audit log.

use super::*;

/// The log, newest first, once it has an entry that `is_last` accepts.
async fn log(world: &World, query: &str, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut found = Vec::new();
    until("the entry is in the log", async || {
        let answer = world.as_admin("GET", &format!("/api/v1/audit{query}"), "").await;
        answer.json()["data"]["entries"].as_array().is_some_and(|entries| entries.iter().any(&is_last))
    })
    .await;
    let answer = world.as_admin("GET", &format!("/api/v1/audit{query}"), "").await.json();
    found.extend(answer["data"]["entries"].as_array().unwrap().iter().cloned());
    found
}

#[tokio::test]
async fn sign_ins_refusals_and_changes_are_written_down_without_secrets() {
    for database in Database::both("audit") {
        let world = database.world(settings()).await;
        world.add("ada", "Viewer").await;
        let cookie = world.sign_in("ada", PASSWORD).await.ok().unwrap();
        assert!(world.sign_in("ada", "wrong secret").await.is_err());
        assert_eq!(world.with_cookie(&cookie, "POST", "/edit", "body secret").await.status, 403);
        assert_eq!(world.with_cookie(&cookie, "POST", "/view", "only asked").await.status, 200);
        assert_eq!(world.as_admin("POST", "/push", "data").await.status, 200);
        assert_eq!(world.as_admin("POST", "/edit?secret=1", "").await.status, 200);
        assert_eq!(world.with_cookie(&cookie, "POST", "/logout", "").await.status, 200);
        let entries = log(&world, "", |entry| entry["action"] == "logout").await;
        let told: Vec<String> = entries
            .iter()
            .map(|entry| {
                let text = |name: &str| entry[name].as_str().unwrap_or("-").to_string();
                format!(
                    "{} {} {} {} {}",
                    text("action"),
                    text("user"),
                    text("method"),
                    text("path"),
                    entry["status"]
                )
            })
            .collect();
        for expected in [
            "logout ada - - 200",
            "request admin POST /edit 200",
            "refused ada POST /edit 403",
            "login ada - - 401",
            "login ada - - 200",
            "request admin POST /api/admin/users 200",
            "login admin - - 200",
        ] {
            assert!(told.iter().any(|line| line == expected), "{expected}: {told:#?}");
        }
        assert!(!told.iter().any(|line| line.contains("/view") || line.contains("/push")), "{told:#?}");
        let all = serde_json::to_string(&entries).unwrap();
        assert!(!all.contains("secret") && !all.contains(PASSWORD), "{all}");
        assert!(entries.iter().all(|entry| entry["address"] == "192.0.2.7"));
        let own = log(&world, "?user=ada", |_| true).await;
        assert!(!own.is_empty() && own.iter().all(|entry| entry["user"] == "ada"));
    }
}

#[tokio::test]
async fn it_is_asked_by_time_and_in_pages_and_forgets_after_ninety_days() {
    let database = Database::file();
    let world = database.world(settings()).await;
    let started_s = world.clock.now_ms() / 1_000;
    for at in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.as_admin("POST", "/edit", "").await.status, 200, "{at}");
    }
    let is_edit = |entry: &Value| entry["path"] == "/edit";
    until("all are in the log", async || {
        let answer = world.as_admin("GET", "/api/v1/audit", "").await.json();
        answer["data"]["entries"].as_array().unwrap().iter().filter(|entry| is_edit(entry)).count() == 10
    })
    .await;
    let part = log(&world, &format!("?from={}&to={}", started_s + 120, started_s + 240), is_edit).await;
    assert_eq!(part.len(), 3);
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/audit?limit=4&after={after}");
        let page = world.as_admin("GET", &path, "").await.json()["data"].take();
        pages.extend(
            page["entries"].as_array().unwrap().iter().map(|entry| entry["timeMs"].as_i64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => after = next.into(),
            None => break,
        }
    }
    assert_eq!(pages.len(), 11, "ten changes and a sign-in");
    assert!(pages.is_sorted_by(|a, b| a >= b), "the newest first");
    assert_eq!(world.as_admin("GET", "/api/v1/audit?from=yesterday", "").await.status, 400);
    world.clock.advance(Duration::from_secs(91 * 86_400));
    let left = world.as_admin("GET", "/api/v1/audit", "").await.json();
    assert!(
        left["data"]["entries"].as_array().unwrap().iter().all(|entry| entry["path"] != "/edit"),
        "{left}"
    );
}

#[tokio::test]
async fn what_was_done_just_before_a_stop_is_kept() {
    let database = Database::file();
    let world = database.world(settings()).await;
    assert_eq!(world.as_admin("POST", "/api/teams", r#"{"name":"a"}"#).await.status, 200);
    world.accounts.flush(Duration::from_secs(60)).await;
    let kept = database.state(&Registry::new()).list("audit", "", 10).await.unwrap();
    let kept: Vec<Value> = kept.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect();
    assert_eq!((&kept[0]["action"], &kept[0]["path"]), (&"request".into(), &"/api/teams".into()));
    assert_eq!(kept[1]["action"], "login");
}
