//! Owns Prometheus's HTTP API for asking: queries, series, labels, metadata, and the status of
//! targets, rules and the store, which it learns through [`sources`].
//!
//! Must not know how series are stored or who scrapes and evaluates.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base::Clock;
use model::storage::MetricReader;
use promql::Engine;

mod answer;
mod params;
mod range;
mod select;
pub mod sources;
mod status;

pub use answer::{ApiError, ErrorType};
pub use sources::Sources;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Queries that run at once; more wait for their turn, within their timeout.
    pub concurrency_max: usize,
    /// How long a query may take, waiting included.
    pub timeout: Duration,
    /// Size of a request's body.
    pub body_size_max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { concurrency_max: 20, timeout: Duration::from_secs(120), body_size_max_bytes: 1 << 20 }
    }
}

/// What the API works with.
#[derive(Clone)]
pub struct Deps {
    /// The series.
    pub reader: Arc<dyn MetricReader>,
    /// Evaluates queries.
    pub engine: Arc<Engine>,
    /// Which features of the language are on.
    pub features: promql::Features,
    /// Targets, rules, status.
    pub sources: Sources,
    /// What "now" is.
    pub clock: Clock,
}

pub(crate) struct Api {
    config: Config,
    deps: Deps,
    slots: Arc<tokio::sync::Semaphore>,
}

/// The routes, to be mounted at the root: `/api/v1/query` and so on.
pub fn router(config: Config, deps: Deps) -> Router {
    let slots = Arc::new(tokio::sync::Semaphore::new(config.concurrency_max));
    let api = Arc::new(Api { config, deps, slots });
    Router::new()
        .route("/api/v1/query", get(range::instant).post(range::instant))
        .route("/api/v1/query_range", get(range::range).post(range::range))
        .route("/api/v1/format_query", get(range::format).post(range::format))
        .route("/api/v1/series", get(select::series).post(select::series))
        .route("/api/v1/labels", get(select::labels).post(select::labels))
        .route("/api/v1/label/{name}/values", get(select::label_values))
        .route("/api/v1/metadata", get(status::metadata))
        .route("/api/v1/targets", get(status::targets))
        .route("/api/v1/targets/metadata", get(status::targets_metadata))
        .route("/api/v1/scrape_pools", get(status::scrape_pools))
        .route("/api/v1/rules", get(status::rules))
        .route("/api/v1/alerts", get(status::alerts))
        .route("/api/v1/alertmanagers", get(status::alertmanagers))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/runtimeinfo", get(status::runtime))
        .route("/api/v1/status/buildinfo", get(status::build))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/api/v1/status/tsdb/blocks", get(status::blocks))
        .route("/api/v1/status/walreplay", get(status::wal_replay))
        .with_state(api)
}
