//! Sessions of browsers.

use super::*;

#[tokio::test]
async fn a_session_lasts_until_it_is_ended_in_any_of_the_ways_there_are() {
    for database in Database::both("sessions") {
        let world = database.world(settings()).await;
        let id = world.add("ada", "Editor").await;
        let is_in = async |cookie: &str| world.with_cookie(cookie, "GET", "/view", "").await.status == 200;
        let sign_in = async || world.sign_in("ada", PASSWORD).await.ok().unwrap();

        let cookie = sign_in().await;
        assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.text(), "ada Editor");
        let answer = world.with_cookie(&cookie, "POST", "/logout", "").await;
        assert_eq!(answer.cookie("promontory_session"), Some(String::new()));
        assert!(!is_in(&cookie).await, "logged out");

        let cookie = sign_in().await;
        let path = format!("/api/admin/users/{id}/logout");
        assert_eq!(world.as_admin("POST", &path, "").await.status, 200);
        assert!(!is_in(&cookie).await, "logged out by an administrator");

        let (cookie, other) = (sign_in().await, sign_in().await);
        let sessions = world.with_cookie(&cookie, "GET", "/api/user/auth-tokens", "").await.json();
        let list = sessions.as_array().unwrap();
        assert_eq!(list.len(), 2, "{sessions}");
        let another = list.iter().find(|session| session["isActive"] == false).unwrap();
        let body = serde_json::json!({"authTokenId": another["id"]}).to_string();
        assert_eq!(
            world.with_cookie(&cookie, "POST", "/api/user/revoke-auth-token", &body).await.status,
            200
        );
        assert!(is_in(&cookie).await && !is_in(&other).await, "revoked");

        let body = r#"{"oldPassword":"correct horse","newPassword":"battery staple"}"#;
        assert_eq!(world.with_cookie(&cookie, "PUT", "/api/user/password", body).await.status, 200);
        assert!(!is_in(&cookie).await, "the password changed");
        assert_eq!(world.as_user("ada", PASSWORD, "GET", "/view", "").await.status, 401);

        let cookie = world.sign_in("ada", "battery staple").await.ok().unwrap();
        assert_eq!(world.as_admin("POST", &format!("/api/admin/users/{id}/disable"), "").await.status, 200);
        assert!(!is_in(&cookie).await, "disabled");
        assert!(world.sign_in("ada", "battery staple").await.is_err());
        assert_eq!(world.as_admin("POST", &format!("/api/admin/users/{id}/enable"), "").await.status, 200);
        let cookie = world.sign_in("ada", "battery staple").await.ok().unwrap();
        assert_eq!(world.as_admin("DELETE", &format!("/api/admin/users/{id}"), "").await.status, 200);
        assert!(!is_in(&cookie).await, "removed");
    }
}

#[tokio::test]
async fn what_a_browser_held_before_signing_in_is_worth_nothing_after_it() {
    let world = Database::file().world(settings()).await;
    let planted = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    let body = format!(r#"{{"user":"admin","password":"{PASSWORD}"}}"#);
    let answer = world.ask(ELSEWHERE, "POST", "/login", &[("cookie", &planted)], &body).await;
    let fresh = answer.cookie("promontory_session").unwrap();
    assert!(!planted.contains(&fresh));
    assert_eq!(world.with_cookie(&planted, "GET", "/view", "").await.status, 401);
    // One that was never given out does not become a session.
    let made_up = format!("promontory_session=x.{}", "a".repeat(43));
    let answer = world.ask(ELSEWHERE, "POST", "/login", &[("cookie", &made_up)], &body).await;
    assert_ne!(answer.cookie("promontory_session"), Some(format!("x.{}", "a".repeat(43))));
    assert_eq!(world.with_cookie(&made_up, "GET", "/view", "").await.status, 401);
}

#[tokio::test]
async fn cookies_are_kept_from_scripts_and_other_sites_and_under_tls_from_plain_connections() {
    for (is_encrypted, path, name) in [
        (false, "/", "promontory_session"),
        (true, "/mon/", "promontory_session"),
        (true, "/", "__Host-promontory_session"),
    ] {
        let surroundings = Surroundings { is_encrypted, external_path: path.into(), ..open_to_others() };
        let admin_password = Some(SecretSource::Inline(Secret::new(PASSWORD.into())));
        let world = Database::file()
            .start(Settings { admin_password, ..settings() }, surroundings, &Arc::default())
            .await;
        let body = format!("user=admin&password={}&next=%2Fmon%2Fd%2Fa", PASSWORD.replace(' ', "+"));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = world.ask(ELSEWHERE, "POST", "/login", &form, &body).await;
        assert_eq!(answer.status, 303);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        for part in ["HttpOnly", "SameSite=Lax", &format!("Path={path};"), "Max-Age=2592000"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(cookie.contains("Secure"), is_encrypted, "{cookie}");
        assert_eq!(answer.headers["location"], "/mon/d/a");
        let (known, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        assert_eq!(known, name);
        let status =
            async |name: &str| world.with_cookie(&format!("{name}={value}"), "GET", "/view", "").await.status;
        assert_eq!(status(name).await, 200);
        // What a server of a neighbouring name can set is not looked at where there is a name it cannot.
        assert_eq!(status("promontory_session").await == 200, name == "promontory_session");
    }
}

#[tokio::test]
async fn sessions_that_are_not_used_or_too_old_have_ended() {
    let database = Database::file();
    let hour = Duration::from_secs(3_600);
    let told = Settings { session_idle: hour, session_lifetime: 5 * hour, ..settings() };
    let world = database.world(told).await;
    let idle = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    let used = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    let mut lasted = 0;
    for at in 1..20 {
        world.clock.advance(Duration::from_secs(1_800));
        let status = world.with_cookie(&used, "GET", "/view", "").await.status;
        lasted = if status == 200 { at } else { lasted };
        let idle = if at > 2 { world.with_cookie(&idle, "GET", "/view", "").await.status } else { 401 };
        assert_eq!(idle, 401);
    }
    assert_eq!(lasted, 9, "half hours, used all the time");
}

#[tokio::test]
async fn sessions_of_one_are_bounded() {
    let world = Database::file().world(settings()).await;
    let first = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    for _ in 0..100 {
        world.clock.advance(Duration::from_secs(10));
        world.sign_in("admin", PASSWORD).await.ok().unwrap();
    }
    let list = world.as_admin("GET", "/api/user/auth-tokens", "").await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(100));
    assert_eq!(world.with_cookie(&first, "GET", "/view", "").await.status, 401);
}

#[tokio::test]
async fn no_cache_keeps_who_somebody_is() {
    let world = Database::file().world(settings()).await;
    for (path, expected) in
        [("/api/user", 200), ("/api/users", 200), ("/api/teams/99", 404), ("/api/login/options", 200)]
    {
        let answer = world.as_admin("GET", path, "").await;
        assert_eq!(
            (answer.status, &answer.headers["cache-control"]),
            (expected, &"no-store".parse().unwrap())
        );
    }
    let refused = world.ask(ELSEWHERE, "GET", "/api/user", &[], "").await;
    assert_eq!((refused.status, &refused.headers["cache-control"]), (401, &"no-store".parse().unwrap()));
}

/// The clock runs ahead whenever nothing is left to do: what never ends would be noticed as the test that hangs.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_session_it_was_asked_for_with() {
    let world = Database::file().world(settings()).await;
    let id = world.add("ada", "Viewer").await;
    for end in ["logout", "disable"] {
        let cookie = world.sign_in("ada", PASSWORD).await.ok().unwrap();
        let listening = async {
            let answer = world.with_cookie(&cookie, "GET", "/api/v1/events", "").await;
            assert_eq!((answer.status, answer.body.len()), (200, 0));
        };
        let ending = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let path = format!("/api/admin/users/{id}/{end}");
            assert_eq!(world.as_admin("POST", &path, "").await.status, 200);
            tokio::time::Instant::now()
        };
        let ((), ended) = tokio::join!(listening, ending);
        assert!(ended.elapsed() <= Duration::from_secs(10), "{:?}", ended.elapsed());
    }
}
