//! Alertmanager's HTTP API, version 2, and beside it what Alertmanager has no API for: trying
//! before trusting ([`trial_router`]).
//!
//! Lists may hold hundreds of thousands of alerts, so answers are written while the state is read,
//! a few alerts at a time, and posted alerts are read while they arrive. With our own parameters
//! `limit` and `cursor` a list comes in pages; the header `X-Next-Cursor` names the next one.

mod acknowledge;
mod alerts;
mod decode;
mod groups;
mod intake;
mod limits;
mod metrics;
mod params;
mod refusal;
mod silences;
mod status;
mod stream;
mod trial;
mod write;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use exposition::Registry;

use crate::matchers::MatcherMode;
use crate::replicas::SharedReplicas;
use crate::service::Handle;
use limits::Limits;
use metrics::Metrics;
use refusal::Refusal;
pub use trial::trial_router;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// GET requests at once; more are refused with 503.
    pub get_concurrency_max: usize,
    /// How long a request may take until its answer begins.
    pub timeout: Option<Duration>,
    /// How filters and label names are written.
    pub matcher_mode: MatcherMode,
    /// Whether pages of any origin may read, as Alertmanager lets them.
    pub allows_all_origins: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            get_concurrency_max: std::thread::available_parallelism().map_or(8, |n| n.get().max(8)),
            timeout: None,
            matcher_mode: MatcherMode::default(),
            allows_all_origins: false,
        }
    }
}

/// What the API stands on.
pub struct Deps {
    /// The service.
    pub alerting: Handle,
    /// Who shares its work.
    pub replicas: SharedReplicas,
    /// The version of the program.
    pub version: &'static str,
    /// Where requests are counted.
    pub registry: Registry,
}

struct Api {
    settings: Settings,
    alerting: Handle,
    replicas: SharedReplicas,
    version: &'static str,
    started_at_ms: i64,
    metrics: Metrics,
    intake: intake::Room,
}

type Shared = axum::extract::State<Arc<Api>>;

/// The routes, to be put under `/api/v2`.
pub fn router(settings: Settings, deps: Deps) -> Router {
    let metrics = Metrics::new(&deps.registry, &deps.alerting, &deps.replicas);
    let limits = Arc::new(Limits::new(&settings, metrics.clone()));
    let allows_all_origins = settings.allows_all_origins;
    let started_at_ms = deps.alerting.look(|_, now_ms| now_ms);
    let api = Arc::new(Api {
        settings,
        alerting: deps.alerting,
        replicas: deps.replicas,
        version: deps.version,
        started_at_ms,
        metrics,
        intake: intake::Room::default(),
    });
    let routes = Router::new()
        .route("/status", only("GET", get(status::status)))
        .route("/receivers", only("GET", get(status::receivers)))
        .route("/alerts", only("GET,POST", get(alerts::list).post(intake::post)))
        .route("/alerts/groups", only("GET", get(groups::list)))
        .route("/silences", only("GET,POST", get(silences::list).post(silences::post)))
        .route("/silence/{id}", only("DELETE,GET", get(silences::get).delete(silences::expire)))
        .with_state(api)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(limits, limits::limited));
    match allows_all_origins {
        true => routes.layer(middleware::from_fn(all_origins)),
        false => routes,
    }
}

/// A route that says which methods it has.
fn only<S: Clone + Send + Sync + 'static>(
    allowed: &'static str,
    methods: MethodRouter<S>,
) -> MethodRouter<S> {
    methods.fallback(move |method: Method| async move {
        let message = format!("method {method} is not allowed, but [{allowed}] are");
        let refusal = Refusal::coded(StatusCode::METHOD_NOT_ALLOWED, 405, message);
        ([(header::ALLOW, allowed)], refusal).into_response()
    })
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, 404, format!("path {} was not found", uri.path()))
}

/// Lets pages of other origins read the answers.
async fn all_origins(request: Request, next: Next) -> Response {
    let has_origin = request.headers().contains_key(header::ORIGIN);
    let asks_before = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if asks_before { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if has_origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    if asks_before {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Accept, Content-Type, X-Requested-With"),
        );
    }
    response
}
