//! Every way to say who one is, and how those are kept out who do not.

use accounts::ProxySettings;

use super::*;

#[tokio::test]
async fn at_this_machine_nothing_has_to_be_set_up() {
    let database = Database::file();
    let here = Surroundings { is_local: true, ..open_to_others() };
    let world = database.start(settings(), here, &Arc::default()).await;
    assert_eq!(world.ask(HERE, "POST", "/edit", &[], "").await.text(), "local Admin");
    assert_eq!(world.ask("[::1]:1", "GET", "/view", &[], "").await.status, 200);
    for header in
        ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"]
    {
        let status = world.ask(HERE, "GET", "/view", &[(header, "192.0.2.1")], "").await.status;
        assert_eq!(status, 401, "{header}: somebody else asks through a proxy");
    }
    assert_eq!(world.ask(ELSEWHERE, "GET", "/view", &[], "").await.status, 401);
    // Who says who they are is that one, here too.
    let wrong = basic("admin", "wrong");
    assert_eq!(world.ask(HERE, "GET", "/view", &[("authorization", &wrong)], "").await.status, 401);
}

#[tokio::test]
async fn everybody_is_let_in_only_where_that_is_switched_on_by_name() {
    let database = Database::file();
    let open = Surroundings { allow_unauthenticated: true, ..open_to_others() };
    let world = database.start(settings(), open, &Arc::default()).await;
    assert_eq!(world.ask(ELSEWHERE, "POST", "/edit", &[], "").await.text(), "local Admin");
    let other = basic("somebody", "else");
    assert_eq!(world.ask(ELSEWHERE, "GET", "/view", &[("authorization", &other)], "").await.status, 200);

    let database = Database::file();
    let world = database.world(settings()).await;
    assert_eq!(world.ask(HERE, "GET", "/view", &[], "").await.status, 401);
    drop(world);
    let anonymous = Settings { anonymous_role: Some(model::Role::Viewer), ..settings() };
    let world = database.world(anonymous).await;
    assert_eq!(world.ask(ELSEWHERE, "GET", "/view", &[], "").await.text(), "anonymous Viewer");
    assert_eq!(world.ask(ELSEWHERE, "POST", "/edit", &[], "").await.status, 403);
    assert_eq!(world.ask(ELSEWHERE, "PUT", "/api/user/password", &[], "{}").await.status, 403);
    assert_eq!(world.ask(ELSEWHERE, "GET", "/api/user", &[], "").await.json()["kind"], "anonymous");
}

#[tokio::test]
async fn roles_contain_each_other_and_what_the_table_does_not_know_is_for_administrators() {
    let world = Database::file().world(settings()).await;
    for (login, role) in [("none", "None"), ("vi", "Viewer"), ("ed", "Editor"), ("ad", "Admin")] {
        world.add(login, role).await;
    }
    for (method, path, expected) in [
        ("GET", "/api/user", [200, 200, 200, 200]),
        ("GET", "/view", [403, 200, 200, 200]),
        ("POST", "/view", [403, 200, 200, 200]),
        ("POST", "/edit", [403, 403, 200, 200]),
        ("POST", "/push", [403, 403, 200, 200]),
        ("GET", "/unknown", [403, 403, 403, 200]),
        ("GET", "/api/users", [403, 403, 403, 200]),
    ] {
        for (login, expected) in ["none", "vi", "ed", "ad"].into_iter().zip(expected) {
            let answer = world.as_user(login, PASSWORD, method, path, "").await;
            assert_eq!(answer.status, expected, "{login} {method} {path}: {}", answer.text());
        }
        assert_eq!(world.ask(ELSEWHERE, method, path, &[], "").await.status, 401);
    }
    assert_eq!(world.ask(ELSEWHERE, "GET", "/public", &[], "").await.text(), "anonymous None");
}

#[tokio::test]
async fn a_refusal_looks_as_the_api_that_was_asked_says_it() {
    let world = Database::file().world(settings()).await;
    let answer = world.ask(ELSEWHERE, "GET", "/api/v1/view", &[], "").await;
    assert_eq!(
        (answer.json()["status"].clone(), answer.json()["errorType"].clone()),
        ("error".into(), "unauthorized".into())
    );
    assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    assert!(world.ask(ELSEWHERE, "GET", "/api/v2/view", &[], "").await.json().is_string());
    assert!(world.ask(ELSEWHERE, "GET", "/api/users", &[], "").await.json()["message"].is_string());
    // A browser is shown the way, and a page of ours that asks an API no dialogue of the browser.
    let html = [("accept", "text/html,*/*")];
    let answer = world.ask(ELSEWHERE, "GET", "/view?a=b&c=d", &html, "").await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (303, &"/login?next=%2Fview%3Fa%3Db%26c%3Dd".parse().unwrap())
    );
    // Over plain HTTP beyond this machine browsers say no more than where a request comes from.
    for from in [("sec-fetch-site", "same-origin"), ("referer", "http://mon.example/targets")] {
        let answer = world.ask(ELSEWHERE, "GET", "/api/v1/view", &[from, ("accept", "*/*")], "").await;
        assert!(answer.status == 401 && !answer.headers.contains_key("www-authenticate"), "{from:?}");
    }
}

#[tokio::test]
async fn tokens_of_service_accounts_count_until_they_end() {
    for database in Database::both("tokens") {
        let world = database.world(settings()).await;
        let account =
            world.as_admin("POST", "/api/serviceaccounts", r#"{"name":"CI","role":"Editor"}"#).await;
        assert_eq!(account.status, 201);
        let id = account.json()["id"].as_u64().unwrap();
        let tokens = format!("/api/serviceaccounts/{id}/tokens");
        let make = async |body: &str| {
            let answer = world.as_admin("POST", &tokens, body).await.json();
            (answer["id"].as_u64().unwrap(), answer["key"].as_str().unwrap().to_string())
        };
        let (forever, key) = make(r#"{"name":"a"}"#).await;
        let (_, short) = make(r#"{"name":"b","secondsToLive":1}"#).await;
        assert!(key.starts_with("prom_"));
        let with = async |key: &str, path: &str| {
            let bearer = format!("Bearer {key}");
            world.ask(ELSEWHERE, "POST", path, &[("authorization", &bearer)], "").await
        };
        assert_eq!(with(&key, "/edit").await.text(), format!("sa-{id}-ci Editor"));
        assert_eq!(with(&key, "/api/teams").await.status, 403);
        // Programs that know nothing but a user and a password show it so.
        let as_password = basic("api_key", &key);
        assert_eq!(
            world.ask(ELSEWHERE, "GET", "/view", &[("authorization", &as_password)], "").await.status,
            200
        );
        until("the token has ended", async || {
            database.clock.advance(Duration::from_secs(2));
            with(&short, "/edit").await.status == 401
        })
        .await;
        assert_eq!(with(&format!("{key}x"), "/edit").await.status, 401);
        let list = world.as_admin("GET", &tokens, "").await;
        assert!(!list.text().contains(&key), "a token is shown once");
        let list = list.json();
        assert_eq!((&list[0]["hasExpired"], &list[1]["hasExpired"]), (&false.into(), &true.into()));
        assert!(list[0]["lastUsedAt"].is_string());
        let stored = database.state(&Registry::new()).get("accounts", "directory").await.unwrap().unwrap();
        assert!(!String::from_utf8(stored.body).unwrap().contains(&key));
        let path = format!("/api/serviceaccounts/{id}");
        assert_eq!(world.as_admin("PATCH", &path, r#"{"isDisabled":true}"#).await.status, 200);
        assert_eq!(with(&key, "/edit").await.status, 401);
        assert_eq!(
            world.as_admin("PATCH", &path, r#"{"isDisabled":false,"role":"Viewer"}"#).await.status,
            200
        );
        assert_eq!((with(&key, "/view").await.status, with(&key, "/edit").await.status), (200, 403));
        assert_eq!(world.as_admin("DELETE", &format!("{tokens}/{forever}"), "").await.status, 200);
        assert_eq!(with(&key, "/view").await.status, 401);
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_may_say_who_somebody_is() {
    let proxy = ProxySettings {
        header: Some("x-webauth-user".parse().unwrap()),
        role_header: Some("x-webauth-role".parse().unwrap()),
        default_role: Some(model::Role::Viewer),
        trusted: vec!["10.1.0.0/16".parse().unwrap()],
    };
    let world = Database::file().world(Settings { proxy: Some(proxy), ..settings() }).await;
    let ask = async |peer: &str, headers: &[(&str, &str)]| world.ask(peer, "GET", "/view", headers, "").await;
    let (trusted, ada) = ("10.1.2.3:99", ("x-webauth-user", "ada"));
    assert_eq!(ask(trusted, &[ada]).await.text(), "ada Viewer");
    assert_eq!(ask(trusted, &[ada, ("x-webauth-role", "Editor")]).await.text(), "ada Editor");
    assert_eq!(ask(trusted, &[ada]).await.text(), "ada Editor", "what is not said stays");
    assert_eq!(ask(trusted, &[ada, ("x-webauth-role", "root")]).await.status, 403);
    for peer in [ELSEWHERE, HERE, "10.2.0.1:99"] {
        assert_eq!(ask(peer, &[ada]).await.status, 401, "{peer}");
    }
    // What it is asked by is what is written down.
    let forwarded = ("x-forwarded-for", "198.51.100.1, 203.0.113.9, 10.1.0.7");
    let answer = world.ask(trusted, "POST", "/edit", &[ada, forwarded], "").await;
    assert_eq!(answer.status, 200);
    until("the request is in the log", async || {
        let log = world.as_admin("GET", "/api/v1/audit?user=ada", "").await.json();
        log["data"]["entries"][0]["address"] == "203.0.113.9"
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_the_name_by_which_a_proxy_will_know_another() {
    let proxy = ProxySettings {
        header: Some("x-webauth-user".parse().unwrap()),
        role_header: Some("x-webauth-role".parse().unwrap()),
        default_role: None,
        trusted: vec!["10.1.0.0/16".parse().unwrap()],
    };
    let world = Database::file().world(Settings { proxy: Some(proxy), ..settings() }).await;
    world.add("mallory", "Viewer").await;
    for body in [r#"{"login":"boss"}"#, r#"{"email":"boss"}"#] {
        assert_eq!(world.as_user("mallory", PASSWORD, "PUT", "/api/user", body).await.status, 403, "{body}");
    }
    let body = r#"{"login":"mallory","name":"Mallory"}"#;
    assert_eq!(world.as_user("mallory", PASSWORD, "PUT", "/api/user", body).await.status, 200);
    let headers = [("x-webauth-user", "boss"), ("x-webauth-role", "Admin")];
    assert_eq!(world.ask("10.1.2.3:99", "POST", "/edit", &headers, "").await.text(), "boss Admin");
    assert_eq!(world.as_user("mallory", PASSWORD, "POST", "/edit", "").await.status, 403);
}

#[tokio::test]
async fn the_last_administrator_stays_one_whatever_a_proxy_says_and_a_second_header_is_not_believed() {
    let proxy = ProxySettings {
        header: Some("x-user".parse().unwrap()),
        role_header: Some("x-role".parse().unwrap()),
        default_role: None,
        trusted: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let world = Database::file().world(Settings { proxy: Some(proxy), ..settings() }).await;
    for _ in 0..2 {
        let answer =
            world.ask("10.1.2.3:99", "GET", "/view", &[("x-user", "admin"), ("x-role", "Viewer")], "");
        assert_eq!(answer.await.text(), "admin Admin");
    }
    let twice = [("x-user", "ada"), ("x-user", "admin")];
    assert_eq!(world.ask("10.1.2.3:99", "GET", "/view", &twice, "").await.status, 403);
}
