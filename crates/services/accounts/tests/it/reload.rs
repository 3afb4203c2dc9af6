//! Settings that are put in force while the server runs.

use accounts::{OidcSettings, Overrides, ProxySettings};
use config::http_client::TlsConfig;
use model::Role;

use super::*;

fn told() -> Settings {
    Settings { admin_password: Some(SecretSource::Inline(Secret::new(PASSWORD.into()))), ..settings() }
}

fn provider() -> OidcSettings {
    OidcSettings {
        name: "Example".into(),
        issuer: "https://id.example".into(),
        client_id: "promontory".into(),
        client_secret: None,
        scopes: vec!["openid".into()],
        login_claim: "sub".into(),
        roles: Vec::new(),
        default_role: Some(Role::Viewer),
        teams_claim: None,
        tls: TlsConfig::default(),
    }
}

#[tokio::test]
async fn who_may_look_unknown_is_changed_while_the_server_runs() {
    let world = Database::file().world(settings()).await;
    let look = async || world.ask(ELSEWHERE, "GET", "/view", &[], "").await.status;
    assert_eq!(look().await, 401);
    world.accounts.configure(Settings { anonymous_role: Some(Role::Viewer), ..told() }).await.unwrap();
    assert_eq!(look().await, 200);
    world.accounts.configure(told()).await.unwrap();
    assert_eq!(look().await, 401);
    // What the command line says stays.
    let by_flag = Overrides { anonymous_role: Some(Role::Viewer), ..Overrides::default() };
    world.accounts.configure(by_flag.over(&told())).await.unwrap();
    assert_eq!(look().await, 200);
}

#[tokio::test]
async fn shorter_sessions_end_those_that_have_begun_too() {
    let world = Database::file().world(settings()).await;
    let cookie = world.sign_in("admin", PASSWORD).await.ok().unwrap();
    let hour = Duration::from_secs(3_600);
    world.clock.advance(2 * hour);
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
    world.clock.advance(hour);
    world.accounts.configure(Settings { session_idle: hour / 2, ..told() }).await.unwrap();
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 401);
}

#[tokio::test]
async fn a_proxy_and_a_provider_come_and_go_and_this_machine_is_asked_while_they_are_there() {
    let database = Database::file();
    let here = Surroundings { is_local: true, ..open_to_others() };
    let world = database.start(told(), here, &Arc::default()).await;
    let local = async || world.ask(HERE, "GET", "/view", &[], "").await.status;
    let by_proxy = async || {
        let headers = [("x-user", "ada")];
        world.ask("10.1.2.3:99", "GET", "/view", &headers, "").await.status
    };
    let options = async || world.ask(ELSEWHERE, "GET", "/api/login/options", &[], "").await.json();
    assert_eq!((local().await, by_proxy().await), (200, 401));
    assert!(options().await["oidc"].is_null());
    let proxy = ProxySettings {
        header: Some("x-user".parse().unwrap()),
        role_header: None,
        default_role: Some(Role::Viewer),
        trusted: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let with_both = Settings { proxy: Some(proxy), oidc: Some(provider()), ..told() };
    world.accounts.configure(with_both).await.unwrap();
    assert_eq!((local().await, by_proxy().await), (401, 200));
    assert_eq!(options().await["oidc"]["name"], "Example");
    world.accounts.configure(told()).await.unwrap();
    assert_eq!((local().await, by_proxy().await), (200, 401));
    assert_eq!(world.ask(ELSEWHERE, "GET", "/login/oidc", &[], "").await.status, 404);
}

#[tokio::test]
async fn settings_that_cannot_be_used_leave_those_before_in_force() {
    let database = Database::file();
    let world = database.world(Settings { anonymous_role: Some(Role::Viewer), ..settings() }).await;
    let missing = database.dir.path().join("missing");
    let broken = Settings { admin_password: Some(SecretSource::File(missing)), ..settings() };
    let error = world.accounts.configure(broken).await.unwrap_err().to_string();
    assert!(error.contains("administrator's password"), "{error}");
    assert_eq!(world.ask(ELSEWHERE, "GET", "/view", &[], "").await.status, 200);
}
