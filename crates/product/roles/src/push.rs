//! What is pushed: remote write and OTLP come in here.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use base::Clock;
use exposition::Registry;
use ingest::{Deltas, OtlpSettings, Routes, WriteMessage};

use crate::run::Loaded;
use crate::settings::Settings;
use crate::store::Store;

/// What may be pushed.
#[derive(Clone, Debug)]
pub struct PushSettings {
    /// Which routes there are.
    pub routes: Routes,
    /// The messages of remote write that are taken.
    pub messages: Vec<WriteMessage>,
    /// What becomes of OTLP's points that are counted from the point before them.
    pub deltas: Deltas,
}

impl PushSettings {
    /// With everything switched on or off.
    pub fn new(on: bool) -> Self {
        PushSettings {
            routes: Routes { remote_write: on, otlp: on },
            messages: WriteMessage::ALL.to_vec(),
            deltas: Deltas::default(),
        }
    }
}

/// What takes it.
pub(crate) struct Push {
    otlp: Arc<ArcSwap<OtlpSettings>>,
}

impl Push {
    pub(crate) fn new() -> Push {
        Push { otlp: Arc::default() }
    }

    /// Makes this the configuration in force.
    pub(crate) fn apply(&self, loaded: &Loaded) {
        let settings = loaded.prometheus.as_ref().map(|file| file.otlp.clone()).unwrap_or_default();
        self.otlp.store(Arc::new(settings));
    }

    /// The routes.
    pub(crate) fn router(
        &self,
        settings: &Settings,
        store: &Store,
        registry: &Registry,
        clock: &Clock,
    ) -> Router {
        let push = &settings.push;
        let deps = ingest::Deps {
            writer: store.db.clone(),
            registry: registry.clone(),
            clock: clock.clone(),
            otlp: self.otlp.clone(),
        };
        let config = ingest::Config {
            accepted: push.messages.clone(),
            type_and_unit_labels: settings.type_and_unit_labels,
            deltas: push.deltas,
            lookback_ms: settings.lookback_ms,
            ..ingest::Config::default()
        };
        ingest::router(config, deps, push.routes)
    }
}
