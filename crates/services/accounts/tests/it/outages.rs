//! A database that goes away and comes back.

use super::*;

#[tokio::test]
async fn a_database_that_comes_late_or_restarts_is_found_and_who_is_known_stays_in_meanwhile() {
    let Some(mut server) = Postgres::start() else { return };
    let url = SecretSource::Inline(Secret::new(server.url()));
    let database = Database {
        place: Place::Server { url, password: None },
        clock: Clock::system(),
        dir: tempfile::tempdir().unwrap(),
    };
    server.stop();
    let world = database.world(settings()).await;
    let answer = world.as_admin("GET", "/view", "").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    server.start_again();
    until("the accounts are read", async || world.as_admin("GET", "/view", "").await.status == 200).await;
    let cookie = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);

    server.stop();
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
    assert_eq!(world.as_admin("GET", "/view", "").await.status, 200);
    assert_eq!(world.as_admin("POST", "/api/teams", r#"{"name":"a"}"#).await.status, 503);
    server.start_again();
    until("accounts can be changed again", async || {
        world.as_admin("POST", "/api/teams", r#"{"name":"a"}"#).await.status == 200
    })
    .await;
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
}

#[tokio::test]
async fn what_one_replica_changes_counts_at_the_others() {
    let Some(database) = Database::server("replicas") else { return };
    let (one, other) = (database.world(settings()).await, database.world(settings()).await);
    let id = one.add("ada", "Viewer").await;
    until("the other knows her", async || other.sign_in("ada", PASSWORD).await.is_ok()).await;
    let cookie = other.sign_in("ada", PASSWORD).await.ok().unwrap();
    assert_eq!(one.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
    assert_eq!(one.as_admin("POST", &format!("/api/admin/users/{id}/disable"), "").await.status, 200);
    assert_eq!(one.with_cookie(&cookie, "GET", "/view", "").await.status, 401);
    until("the other shuts her out", async || {
        other.with_cookie(&cookie, "GET", "/view", "").await.status == 401
    })
    .await;
    // Each demotes the other's administrator at the same time: one must be left.
    let second = one.add("grace", "Admin").await;
    until("the other knows her", async || other.sign_in("grace", PASSWORD).await.is_ok()).await;
    let demote = |id: u64| (format!("/api/org/users/{id}"), r#"{"role":"Viewer"}"#);
    let ((first, body), (last, _)) = (demote(1), demote(second));
    let (a, b) = tokio::join!(
        one.as_user("grace", PASSWORD, "PATCH", &first, body),
        other.as_user("admin", PASSWORD, "PATCH", &last, body)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", a.text(), b.text());
}

#[tokio::test]
async fn accounts_that_are_restored_to_what_they_were_are_in_force_as_they_were() {
    let Some(server) = Postgres::start() else { return };
    let url = SecretSource::Inline(Secret::new(server.database("restored")));
    let database = Database {
        place: Place::Server { url, password: None },
        clock: Clock::system(),
        dir: tempfile::tempdir().unwrap(),
    };
    let world = database.world(settings()).await;
    server.sql_in("restored", "CREATE TABLE backup AS SELECT * FROM promontory_document");
    world.add("mallory", "Admin").await;
    let cookie = world.sign_in("mallory", PASSWORD).await.ok().unwrap();
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
    server.sql_in(
        "restored",
        "BEGIN; DELETE FROM promontory_document; INSERT INTO promontory_document SELECT * FROM backup; COMMIT",
    );
    until("whom the backup does not know is out", async || {
        world.with_cookie(&cookie, "GET", "/view", "").await.status == 401
    })
    .await;
    assert_eq!(world.as_user("mallory", PASSWORD, "GET", "/view", "").await.status, 401);
    assert_eq!(world.as_admin("POST", "/api/teams", r#"{"name":"a"}"#).await.status, 200);
}
