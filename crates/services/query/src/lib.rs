//! Owns Prometheus's HTTP API for asking: queries, series, labels, metadata, and the status of
//! targets, rules and the store, which it learns through [`sources`]; and asking other servers for their series
//! ([`remotes`]).
//!
//! Must not know how series are stored or who scrapes and evaluates. Of `tsdb` it takes the encoding of
//! chunks alone, which remote read sends and receives.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use base::Clock;
use model::storage::MetricReader;
use promql::Engine;
use tokio::sync::Semaphore;

use crate::sharing::Sharing;

mod admin;
mod answer;
#[cfg(feature = "conformance")]
pub mod conformance;
mod evaluate;
mod explain;
mod features;
mod federate;
mod json;
mod live;
mod openapi;
mod params;
mod point;
mod query_log;
mod remote_read;
pub mod remotes;
mod rules;
mod running;
mod search;
mod select;
mod self_metrics;
mod sharing;
pub mod sources;
mod status;
mod stream;
mod targets;
mod tree;

pub use answer::{ApiError, ErrorType};
pub use params::parse_time_ms;
pub use running::{Place, Queries, RuleAsks};
pub use sources::Sources;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Queries that run at once; more wait for their turn, within their timeout.
    pub concurrency_max: usize,
    /// How long a query may take, waiting included.
    pub timeout: Duration,
    /// Remote reads at once; more wait.
    pub read_concurrency_max: usize,
    /// Samples of one query of a remote read that is not streamed; 0 is no limit.
    pub read_samples_max: u64,
    /// Size of a frame of a streamed remote read; a single chunk may be larger.
    pub read_frame_max_bytes: usize,
    /// Clients that are told notifications as they come.
    pub subscribers_max: usize,
    /// Size of a request's body.
    pub body_size_max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            concurrency_max: 20,
            timeout: Duration::from_secs(120),
            read_concurrency_max: 10,
            read_samples_max: 50_000_000,
            read_frame_max_bytes: 1 << 20,
            subscribers_max: 16,
            body_size_max_bytes: 1 << 20,
        }
    }
}

/// What the API works with.
#[derive(Clone)]
pub struct Deps {
    /// The series.
    pub reader: Arc<dyn MetricReader>,
    /// The series that this server stores itself; federation gives away no others.
    pub local: Arc<dyn MetricReader>,
    /// Evaluates queries.
    pub engine: Arc<Engine>,
    /// Which features of the language are on.
    pub features: promql::Features,
    /// Targets, rules, status.
    pub sources: Sources,
    /// The queries that run: whoever else evaluates enters there too.
    pub queries: Arc<Queries>,
    /// What "now" is.
    pub clock: Clock,
}

pub(crate) struct Api {
    config: Config,
    deps: Deps,
    slots: Arc<Semaphore>,
    read_slots: Arc<Semaphore>,
    subscribers: Arc<Semaphore>,
}

/// The routes, to be mounted at the root: `/api/v1/query` and so on.
pub fn router(config: Config, deps: Deps) -> Router {
    let sharing = Sharing { queries: deps.queries.clone(), body_size_max_bytes: config.body_size_max_bytes };
    let shared = || from_fn_with_state(sharing.clone(), sharing::share);
    let api = Arc::new(Api {
        slots: Arc::new(Semaphore::new(config.concurrency_max)),
        read_slots: Arc::new(Semaphore::new(config.read_concurrency_max)),
        subscribers: Arc::new(Semaphore::new(config.subscribers_max)),
        config,
        deps,
    });
    Router::new()
        .route("/api/v1/query", get(evaluate::instant).post(evaluate::instant).layer(shared()))
        .route("/api/v1/query_range", get(evaluate::range).post(evaluate::range).layer(shared()))
        .route("/api/v1/query_exemplars", get(evaluate::exemplars).post(evaluate::exemplars))
        .route("/api/v1/format_query", get(evaluate::format).post(evaluate::format))
        .route("/api/v1/parse_query", get(evaluate::parse).post(evaluate::parse))
        .route("/api/v1/explain", get(explain::explain).post(explain::explain))
        .route("/api/v1/series", get(select::series).post(select::series))
        .route("/api/v1/labels", get(select::labels).post(select::labels))
        .route("/api/v1/label/{name}/values", get(select::label_values))
        .route("/api/v1/search/metric_names", get(search::metric_names).post(search::metric_names))
        .route("/api/v1/search/label_names", get(search::label_names).post(search::label_names))
        .route("/api/v1/search/label_values", get(search::label_values).post(search::label_values))
        .route("/api/v1/metadata", get(targets::metadata))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/targets/metadata", get(targets::targets_metadata))
        .route("/api/v1/scrape_pools", get(targets::scrape_pools))
        .route("/api/v1/scrape_pools/config", get(targets::pool_config))
        .route("/api/v1/targets/relabel_steps", get(targets::relabel_steps))
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/alerts", get(rules::alerts))
        .route("/api/v1/alertmanagers", get(rules::alertmanagers))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/runtimeinfo", get(status::runtime))
        .route("/api/v1/status/buildinfo", get(status::build))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/api/v1/status/tsdb/blocks", get(status::blocks))
        .route("/api/v1/status/walreplay", get(status::wal_replay))
        .route("/api/v1/status/self_metrics", get(status::own_metrics))
        .route("/api/v1/status/queries", get(running::list))
        .route("/api/v1/status/queries/{id}", delete(running::kill))
        .route("/api/v1/status/queries/{id}/kill", post(running::kill))
        .route("/api/v1/status/cardinality", get(status::cardinality))
        .route("/api/v1/features", get(features::features))
        .route("/api/v1/notifications", get(status::notifications))
        .route("/api/v1/notifications/live", get(live::notifications))
        .route("/api/v1/openapi.yaml", get(openapi::document))
        .route("/api/v1/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series))
        .route(
            "/api/v1/admin/tsdb/clean_tombstones",
            post(admin::clean_tombstones).put(admin::clean_tombstones),
        )
        .route("/api/v1/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
        .route("/api/v1/read", post(remote_read::read))
        .route("/federate", get(federate::federate))
        .method_not_allowed_fallback(wrong_method)
        .route("/api/v1/{*path}", any(unknown))
        .with_state(api)
}

/// Preflights are answered everywhere; what else a route does not know is refused.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let mut answer = ApiError::bad_data(format!("method {method} is not allowed here")).into_response();
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer
}

/// Clients of the API read JSON, so also what is not there is answered in JSON.
async fn unknown(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    // What is served elsewhere only if a flag says so: senders show this text to their operators.
    let flag = match uri.path() {
        "/api/v1/write" => Some(("remote write", "--web.enable-remote-write-receiver")),
        "/api/v1/otlp/v1/metrics" => Some(("otlp write", "--web.enable-otlp-receiver")),
        _ => None,
    };
    if let Some((what, flag)) = flag {
        let message = format!("{what} receiver needs to be enabled with {flag}\n");
        return (StatusCode::NOT_FOUND, message).into_response();
    }
    let message = format!("there is no {} in this API", uri.path());
    ApiError::new(ErrorType::NotFound, message).into_response()
}
