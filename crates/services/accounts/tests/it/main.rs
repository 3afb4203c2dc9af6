//! People as those who come in meet them: through the guard and the routes, on both databases.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod audit;
mod first_start;
mod guessing;
mod oidc;
mod outages;
mod reload;
mod sessions;
mod ways_in;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use accounts::access::Row;
use accounts::{Access, Accounts, Deps, Guard, Settings, Surroundings, Table};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{any, get};
use axum::{Extension, Router};
use base::Clock;
use config::Secret;
use config::http_client::SecretSource;
use exposition::Registry;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use model::Caller;
use serde_json::Value;
use state::{Place, State};
use testkit::postgres::Postgres;
use tower::ServiceExt;

/// The administrator's password in tests.
const PASSWORD: &str = "correct horse";
/// Somebody at another machine.
const ELSEWHERE: &str = "192.0.2.7:4711";
const HERE: &str = "127.0.0.1:4711";

const ROUTES: &[Row] = &[
    ("GET POST", "/view", Access::Ask),
    ("*", "/edit", Access::Editor),
    ("POST", "/push", Access::Push),
    ("GET", "/public", Access::Public),
    ("GET", "/api/v1/view", Access::Viewer),
    ("GET", "/api/v1/events", Access::Viewer),
    ("GET", "/api/v2/view", Access::Viewer),
    ("*", "/login", Access::Public),
    ("*", "/login/{*way}", Access::Public),
    ("*", "/logout", Access::Public),
    ("*", "/api/login/options", Access::Public),
    ("*", "/api/user", Access::SignedIn),
    ("*", "/api/user/{*what}", Access::SignedIn),
    ("*", "/api/{*path}", Access::Admin),
];

/// A server with people.
struct World {
    app: Router,
    accounts: Accounts,
    registry: Registry,
    clock: Clock,
}

/// Where people are kept.
struct Database {
    place: Place,
    clock: Clock,
    dir: tempfile::TempDir,
}

impl Database {
    fn file() -> Database {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::File(dir.path().join("state.db"));
        Database { place, clock: Clock::manual(1_790_000_000_000), dir }
    }

    /// A database of its own on a PostgreSQL that tests share.
    fn server(name: &str) -> Option<Database> {
        static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
        let url = SERVER.get_or_init(Postgres::start).as_ref()?.database(name);
        let url = SecretSource::Inline(Secret::new(url));
        let dir = tempfile::tempdir().unwrap();
        Some(Database { place: Place::Server { url, password: None }, clock: Clock::system(), dir })
    }

    fn both(name: &str) -> Vec<Database> {
        [Some(Database::file()), Database::server(name)].into_iter().flatten().collect()
    }

    fn state(&self, registry: &Registry) -> State {
        let settings =
            state::Settings { timeout: Duration::from_secs(60), ..state::Settings::new(self.place.clone()) };
        State::open(&settings, self.clock.clone(), registry).unwrap()
    }

    /// Starts a server; its first password, if it made one, goes to `announced`.
    async fn start(
        &self,
        settings: Settings,
        surroundings: Surroundings,
        announced: &Arc<Mutex<Vec<String>>>,
    ) -> World {
        let registry = Registry::new();
        let announced = announced.clone();
        let deps = Deps {
            state: self.state(&registry),
            clock: self.clock.clone(),
            registry: registry.clone(),
            surroundings,
            announce: Arc::new(move |login, password| {
                assert_eq!(login, "admin");
                announced.lock().unwrap().push(password.to_string());
            }),
        };
        let accounts = Accounts::open(settings, deps).await.unwrap();
        let who = |caller: Option<Extension<Caller>>| async move {
            caller.map_or("nobody".into(), |Extension(caller)| format!("{} {}", caller.login, caller.role))
        };
        let routes = Router::new()
            .route("/view", any(who))
            .route("/edit", any(who))
            .route("/push", any(who))
            .route("/public", any(who))
            .route("/unknown", any(who))
            .route("/api/v1/view", get(who))
            .route("/api/v1/events", get(events))
            .route("/api/v2/view", get(who))
            .merge(accounts.routes());
        let app = Guard::new(accounts.clone(), Table::new(ROUTES)).in_front_of(routes);
        World { app, accounts, registry, clock: self.clock.clone() }
    }

    /// The same where the administrator's password is [`PASSWORD`] and others can connect.
    async fn world(&self, settings: Settings) -> World {
        let admin_password = Some(SecretSource::Inline(Secret::new(PASSWORD.into())));
        self.start(Settings { admin_password, ..settings }, open_to_others(), &Arc::default()).await
    }
}

/// A stream that does not end by itself.
async fn events() -> impl axum::response::IntoResponse {
    let (sender, body) = Channel::<bytes::Bytes>::new(1);
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(sender);
    });
    ([("content-type", "text/event-stream")], Body::new(body))
}

/// As cheap as hashes may be.
fn settings() -> Settings {
    Settings { hash_cost: 4, ..Settings::default() }
}

fn open_to_others() -> Surroundings {
    Surroundings {
        is_local: false,
        allow_unauthenticated: false,
        external_url: "http://mon.example".into(),
        external_path: "/".into(),
        is_encrypted: false,
        version: "0",
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The value of a cookie that is set.
    fn cookie(&self, name: &str) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|text| text.split(';').next()?.split_once('='));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_string()).next()
    }
}

impl World {
    async fn ask(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }

    /// Asks as a user with a password.
    async fn as_user(&self, login: &str, password: &str, method: &str, path: &str, body: &str) -> Answer {
        let basic = basic(login, password);
        self.ask(ELSEWHERE, method, path, &[("authorization", &basic)], body).await
    }

    async fn as_admin(&self, method: &str, path: &str, body: &str) -> Answer {
        self.as_user("admin", PASSWORD, method, path, body).await
    }

    /// Signs in and gives the cookie, as a header holds it.
    async fn sign_in(&self, login: &str, password: &str) -> Result<String, Answer> {
        let body = serde_json::json!({"user": login, "password": password}).to_string();
        let answer = self.ask(ELSEWHERE, "POST", "/login", &[], &body).await;
        match answer.cookie("promontory_session") {
            Some(value) => Ok(format!("promontory_session={value}")),
            None => Err(answer),
        }
    }

    async fn with_cookie(&self, cookie: &str, method: &str, path: &str, body: &str) -> Answer {
        self.ask(ELSEWHERE, method, path, &[("cookie", cookie)], body).await
    }

    /// Makes a user.
    async fn add(&self, login: &str, role: &str) -> u64 {
        let body = serde_json::json!({"login": login, "password": PASSWORD, "role": role}).to_string();
        let answer = self.as_admin("POST", "/api/admin/users", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }

    fn metrics(&self) -> String {
        let mut out = Vec::new();
        self.registry.collect(&mut exposition::TextWriter::new(&mut out));
        String::from_utf8(out).unwrap()
    }
}

fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", net::client::base64(format!("{login}:{password}").as_bytes()))
}

/// Waits until a condition holds, for a minute at most.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}
