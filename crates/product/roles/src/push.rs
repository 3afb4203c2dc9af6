//! What is pushed: remote write and OTLP come in here.

use axum::Router;
use base::Clock;
use exposition::Registry;
use ingest::WriteMessage;

use crate::settings::Settings;
use crate::store::Store;

/// What may be pushed.
#[derive(Clone, Debug)]
pub struct PushSettings {
    /// Whether `/api/v1/write` takes samples.
    pub remote_write: bool,
    /// The messages that it takes.
    pub messages: Vec<WriteMessage>,
}

impl PushSettings {
    /// With remote write switched on or off.
    pub fn new(remote_write: bool) -> Self {
        PushSettings { remote_write, messages: WriteMessage::ALL.to_vec() }
    }
}

/// The routes.
pub(crate) fn router(settings: &Settings, store: &Store, registry: &Registry, clock: &Clock) -> Router {
    let push = &settings.push;
    if !push.remote_write {
        return Router::new();
    }
    let deps = ingest::Deps { writer: store.db.clone(), registry: registry.clone(), clock: clock.clone() };
    let config = ingest::Config {
        accepted: push.messages.clone(),
        type_and_unit_labels: settings.type_and_unit_labels,
        ..ingest::Config::default()
    };
    ingest::router(config, deps)
}
