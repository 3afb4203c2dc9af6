use base::Clock;
use config::Secret;
use config::http_client::SecretSource;
use dashboards::Options;
use serde_json::{Value, json};
use state::{Place, Settings};
use testkit::postgres::Postgres;

use super::Server;

async fn on(url: &str) -> Server {
    let url = SecretSource::Inline(Secret::new(url.to_string()));
    let settings = Settings {
        timeout: std::time::Duration::from_secs(60),
        ..Settings::new(Place::Server { url, password: None })
    };
    Server::on(&settings, Options::default(), Clock::system(), tempfile::tempdir().unwrap()).await
}

/// Waits until a path answers so; a replica hears of changes when the database tells it.
async fn until(server: &Server, path: &str, expected: impl Fn(u16, &Value) -> bool) {
    for _ in 0..6_000 {
        let (status, body) = server.ask("GET", path, Value::Null).await;
        if expected(status, &body) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{path} does not answer as expected");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_see_what_others_save() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.url();
    let (one, two) = (on(&url).await, on(&url).await);
    one.post("/api/folders", json!({"uid": "f", "title": "F"})).await;
    one.save("a", "A", "f").await;
    until(&two, "/api/dashboards/uid/a", |status, body| status == 200 && body["meta"]["folderTitle"] == "F")
        .await;

    // Made from what the other replica has replaced.
    let body = |version: i64, title: &str| json!({"dashboard": {"uid": "a", "title": title, "version": version}, "folderUid": "f"});
    two.post("/api/dashboards/db", body(1, "Two")).await;
    let (status, answer) = one.ask("POST", "/api/dashboards/db", body(1, "One")).await;
    assert_eq!((status, answer["status"].as_str()), (412, Some("version-mismatch")));
    until(&one, "/api/dashboards/uid/a", |_, body| body["dashboard"]["title"] == "Two").await;
    two.ask("DELETE", "/api/dashboards/uid/a", Value::Null).await;
    until(&one, "/api/dashboards/uid/a", |status, _| status == 404).await;

    // One that starts later knows everything.
    one.save("b", "B", "f").await;
    let three = on(&url).await;
    assert_eq!(three.get("/api/dashboards/uid/b").await["dashboard"]["title"], "B");
}

#[tokio::test]
async fn a_restart_finds_everything_again() {
    let server = Server::start().await;
    server.save("a", "A", "").await;
    server.save("a", "B", "").await;
    let Server { dashboards, router, dir, clock, .. } = server;
    drop((dashboards, router));
    let server =
        Server::on(&Settings::in_dir(dir.path()), Options::default(), clock, tempfile::tempdir().unwrap())
            .await;
    assert_eq!(server.get("/api/dashboards/uid/a").await["dashboard"]["title"], "B");
    assert_eq!(server.get("/api/dashboards/uid/a/versions").await["versions"].as_array().unwrap().len(), 2);
    drop(dir);
}
