//! Grafana's API over people.

use serde_json::json;

use super::*;

#[tokio::test]
async fn users_are_made_found_changed_and_removed() {
    let world = Database::file().world(settings()).await;
    let body = json!({"name": "Ada L", "login": "ada", "email": "ada@example.com", "password": "correct horse", "OrgId": 1});
    let made = world.as_admin("POST", "/api/admin/users", &body.to_string()).await;
    assert_eq!((made.status, &made.json()["message"]), (200, &"User created".into()));
    let id = made.json()["id"].as_u64().unwrap();
    assert_eq!(world.as_admin("POST", "/api/admin/users", &body.to_string()).await.status, 409);

    let found = world.as_admin("GET", "/api/users/lookup?loginOrEmail=ADA@example.com", "").await.json();
    assert_eq!(
        (&found["id"], &found["name"], &found["orgRole"]),
        (&id.into(), &"Ada L".into(), &"Viewer".into())
    );
    let uid = found["uid"].as_str().unwrap();
    assert_eq!(world.as_admin("GET", &format!("/api/users/{uid}"), "").await.json()["login"], "ada");
    assert_eq!(world.as_admin("GET", "/api/users/4711", "").await.status, 404);
    let page = world.as_admin("GET", "/api/users/search?perpage=1&page=2", "").await.json();
    assert_eq!((&page["totalCount"], &page["users"][0]["login"]), (&2.into(), &"admin".into()).clone());
    let all = world.as_admin("GET", "/api/users?query=lov", "").await.json();
    assert_eq!(all, json!([]));

    let role = |role: &str| json!({"role": role}).to_string();
    let path = format!("/api/org/users/{id}");
    assert_eq!(
        world.as_admin("PATCH", &path, &role("Editor")).await.json()["message"],
        "Organization user updated"
    );
    assert_eq!(world.as_admin("PATCH", &path, &role("root")).await.status, 400);
    let people = world.as_admin("GET", "/api/org/users", "").await.json();
    // By login, as the search gives them.
    assert_eq!((&people[0]["role"], &people[0]["userId"]), (&"Editor".into(), &id.into()));
    let body = json!({"isGrafanaAdmin": true}).to_string();
    assert_eq!(world.as_admin("PUT", &format!("/api/admin/users/{id}/permissions"), &body).await.status, 200);
    assert_eq!(world.as_user("ada", PASSWORD, "GET", "/view", "").await.text(), "ada Admin");
    let body = json!({"password": "another one"}).to_string();
    assert_eq!(world.as_admin("PUT", &format!("/api/admin/users/{id}/password"), &body).await.status, 200);
    assert_eq!(
        world.as_user("ada", "another one", "PUT", "/api/user", r#"{"name":"A. L."}"#).await.status,
        200
    );
    let own = world.as_user("ada@example.com", "another one", "GET", "/api/user", "").await.json();
    assert_eq!(
        (&own["name"], &own["email"], &own["orgRole"]),
        (&"A. L.".into(), &"ada@example.com".into(), &"Admin".into())
    );
    assert_eq!(
        world.as_admin("DELETE", &format!("/api/admin/users/{id}"), "").await.json()["message"],
        "User deleted"
    );
    assert_eq!(world.as_user("ada", "another one", "GET", "/view", "").await.status, 401);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = Database::file().world(settings()).await;
    for (method, path, body) in [
        ("DELETE", "/api/admin/users/1", ""),
        ("DELETE", "/api/org/users/1", ""),
        ("PATCH", "/api/org/users/1", r#"{"role":"Viewer"}"#),
        ("PUT", "/api/admin/users/1/permissions", r#"{"isGrafanaAdmin":false}"#),
        ("POST", "/api/admin/users/1/disable", ""),
    ] {
        let answer = world.as_admin(method, path, body).await;
        assert_eq!(answer.status, 400, "{method} {path}");
        assert!(answer.text().contains("last administrator"), "{}", answer.text());
    }
    assert_eq!(world.as_admin("GET", "/view", "").await.text(), "admin Admin");
}

#[tokio::test]
async fn teams_have_members() {
    let world = Database::file().world(settings()).await;
    let ada = world.add("ada", "Viewer").await;
    let made =
        world.as_admin("POST", "/api/teams", r#"{"name":"ops","email":"ops@example.com"}"#).await.json();
    let id = made["teamId"].as_u64().unwrap();
    assert_eq!(world.as_admin("POST", "/api/teams", r#"{"name":"ops"}"#).await.status, 409);
    assert_eq!(world.as_admin("POST", "/api/teams", "{}").await.status, 400);
    let members = format!("/api/teams/{id}/members");
    let body = json!({"userId": ada}).to_string();
    assert_eq!(world.as_admin("POST", &members, &body).await.json()["message"], "Member added to Team");
    assert_eq!(world.as_admin("POST", &members, &body).await.status, 400);
    assert_eq!(world.as_admin("GET", &members, "").await.json()[0]["login"], "ada");
    let found = world.as_admin("GET", "/api/teams/search?query=OP", "").await.json();
    assert_eq!((&found["totalCount"], &found["teams"][0]["memberCount"]), (&1.into(), &1.into()));
    assert_eq!(world.as_user("ada", PASSWORD, "GET", "/api/user/teams", "").await.json()[0]["name"], "ops");
    assert_eq!(world.as_admin("PUT", &members, r#"{"members":["admin"]}"#).await.status, 200);
    assert_eq!(world.as_admin("GET", &members, "").await.json()[0]["login"], "admin");
    assert_eq!(world.as_admin("DELETE", &format!("{members}/1"), "").await.status, 200);
    assert_eq!(world.as_admin("DELETE", &format!("{members}/1"), "").await.status, 404);
    assert_eq!(world.as_admin("PUT", &format!("/api/teams/{id}"), r#"{"name":"sre"}"#).await.status, 200);
    assert_eq!(world.as_admin("GET", &format!("/api/teams/{id}"), "").await.json()["name"], "sre");
    assert_eq!(world.as_admin("DELETE", &format!("/api/teams/{id}"), "").await.status, 200);
    assert_eq!(world.as_admin("GET", &format!("/api/teams/{id}"), "").await.status, 404);
}

#[tokio::test]
async fn keys_of_older_clients_are_tokens() {
    let world = Database::file().world(settings()).await;
    let key = world
        .as_admin("POST", "/api/auth/keys", r#"{"name":"old","role":"Viewer","secondsToLive":60}"#)
        .await;
    let bearer = format!("Bearer {}", key.json()["key"].as_str().unwrap());
    let ask = async || world.ask(ELSEWHERE, "GET", "/view", &[("authorization", &*bearer)], "").await.status;
    assert_eq!(ask().await, 200);
    let keys = world.as_admin("GET", "/api/auth/keys", "").await.json();
    assert_eq!((&keys[0]["name"], &keys[0]["role"]), (&"old".into(), &"Viewer".into()));
    assert_eq!(world.as_admin("DELETE", &format!("/api/auth/keys/{}", keys[0]["id"]), "").await.status, 200);
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let world = Database::file().world(settings()).await;
    for (method, path, body) in [
        ("POST", "/api/admin/users", "{"),
        ("POST", "/api/admin/users", r#"{"login":"x","password":"abc"}"#),
        ("POST", "/api/admin/users", r#"{"login":"a:b","password":"correct horse"}"#),
        ("POST", "/api/admin/users", r#"{"login":7}"#),
        ("POST", "/api/serviceaccounts", r#"{"name":"x","role":"root"}"#),
        ("POST", "/api/auth/keys", r#"{"name":"x","secondsToLive":-1}"#),
        ("PUT", "/api/user/password", "7"),
    ] {
        assert_eq!(world.as_admin(method, path, body).await.status, 400, "{method} {path} {body}");
    }
    assert_eq!(world.as_admin("POST", "/api/teams", &" ".repeat(100_000)).await.status, 413);
}
