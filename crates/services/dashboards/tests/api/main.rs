//! Grafana's API as its clients meet it: the router over a real database.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod annotations;
mod config_maps;
mod dashboards;
mod folders;
mod library;
mod permissions;
mod provisioning;
mod public;
mod replicas;
mod resources;
mod search;
mod sources;
mod strangers;

use std::sync::Arc;

use ::dashboards::{Dashboards, Deps, Options};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use base::Clock;
use exposition::Registry;
use model::{Caller, CallerKind, Role};
use serde_json::{Value, json};
use state::{Settings, State};
use tower::ServiceExt;

const NOW_MS: i64 = 1_700_000_000_000;

struct Server {
    router: Router,
    dashboards: Dashboards,
    clock: Clock,
    registry: Registry,
    dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Server {
        Server::with(Options::default()).await
    }

    async fn with(options: Options) -> Server {
        let dir = tempfile::tempdir().unwrap();
        Server::on(&Settings::in_dir(dir.path()), options, Clock::manual(NOW_MS), dir).await
    }

    async fn on(settings: &Settings, options: Options, clock: Clock, dir: tempfile::TempDir) -> Server {
        let registry = Registry::new();
        let state = State::open(settings, clock.clone(), &registry).unwrap();
        let deps = Deps { state, clock: clock.clone(), registry: registry.clone(), people: None };
        let dashboards = Dashboards::start(options, deps).await;
        Server { router: dashboards.router(), dashboards, clock, registry, dir }
    }

    /// What a client gets: status and JSON.
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(None, method, path, body).await
    }

    async fn ask_as(&self, caller: Option<&Caller>, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(caller) = caller {
            request = request.extension(caller.clone());
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.ask("POST", path, body).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Saves a dashboard with this identifier and title.
    async fn save(&self, uid: &str, title: &str, folder: &str) -> Value {
        let body = json!({"dashboard": {"uid": uid, "title": title}, "folderUid": folder, "overwrite": true});
        self.post("/api/dashboards/db", body).await
    }
}

fn caller(uid: &str, role: Role) -> Caller {
    Caller { uid: uid.into(), login: uid.into(), kind: CallerKind::User, role, teams: Arc::new([]) }
}
