//! Alerts of others on their way to people, as Alertmanager serves it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alerting::replicas::SharedReplicas;
use alerting::trail::{Options, Trail};
use alerting::{Alerting, MatcherMode, dispatch};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base::Clock;
use exposition::registry::Gauge;
use exposition::{Registry, TextWriter};
use net::server::ServerConfig;
use node::{Node, NodeConfig};
use tokio::sync::{mpsc, oneshot, watch};

use crate::alert;
use crate::listeners::Listeners;
use crate::memory;
use crate::replicas::ReplicaSettings;
use crate::run::{Signals, StartError};
use crate::serve;
use crate::settings::{hostname, slashed};
use crate::threads;
use crate::trail;

/// Connections at once, on each address.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a stop waits for each part.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the server is told.
pub struct Settings {
    /// The configuration.
    pub config_file: PathBuf,
    /// How matchers and label names are written in it and in requests.
    pub matcher_mode: MatcherMode,
    /// Where state is kept.
    pub storage: PathBuf,
    /// What is held and done at once.
    pub limits: dispatch::Limits,
    /// How this replica finds others.
    pub replicas: ReplicaSettings,
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// TLS, users and headers.
    pub web_config: Option<PathBuf>,
    /// Where people reach it, if not there.
    pub external_url: Option<String>,
    /// The prefix of all routes, if it is not the path of the external URL.
    pub route_prefix: Option<String>,
    /// GET requests at once; `None` is what Alertmanager allows.
    pub get_concurrency_max: Option<usize>,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    /// What was asked for and nothing acts on.
    pub notes: Vec<String>,
}

impl Settings {
    fn config(&self) -> Result<alerting::Config, StartError> {
        alert::read(&self.config_file, self.matcher_mode).map_err(|error| StartError::Config(vec![error]))
    }

    fn is_loopback(&self) -> bool {
        self.listen.iter().all(|address| address.ip().to_canonical().is_loopback())
    }

    fn external_url(&self, scheme: &str, listening: SocketAddr) -> String {
        match &self.external_url {
            Some(url) => url.trim_end_matches('/').to_string(),
            None if listening.ip().is_unspecified() => {
                format!("{scheme}://{}:{}", hostname(), listening.port())
            }
            None => format!("{scheme}://{listening}"),
        }
    }

    /// The prefix of all routes; begins and ends with a slash.
    fn prefix(&self) -> String {
        let of_url = self.external_url.as_deref().and_then(|url| url.split_once("://"));
        let of_url = of_url.and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        slashed(self.route_prefix.as_deref().unwrap_or(of_url))
    }
}

/// Serves until a signal ends it. Blocks. An error means that it could not start.
pub fn run(settings: Settings) -> Result<(), StartError> {
    memory::bound_heaps_to_cores();
    threads::run("alertmanager", 8, start(settings))
}

async fn start(settings: Settings) -> Result<(), StartError> {
    let clock = Clock::system();
    let mut signals = Signals::listen()?;
    let config = settings.config()?;
    for note in &settings.notes {
        tracing::warn!("{note}");
    }
    let how = ServerConfig {
        connections_max: CONNECTIONS_MAX,
        web_config: settings.web_config.clone(),
        ..ServerConfig::default()
    };
    let listeners = Listeners::bind(settings.listen.iter().copied(), &how).await?;
    let Some(listening) = listeners.first() else { return Ok(()) };
    let external_url = settings.external_url(listeners.scheme(), listening);
    let registry = Registry::new();
    let database = settings.replicas.open_database(&registry, &clock)?;
    let address = listening.to_string();
    let replicas = settings.replicas.start(database.as_ref(), &address, &registry, &clock).await?;
    let trail = trail::open(Options::new(settings.storage.join("trail")), &registry, &clock);
    let alerting = Alerting::start(
        config,
        alerting::Deps {
            clock: clock.clone(),
            data_dir: Some(settings.storage.clone()),
            transport: Arc::new(alerting::HttpTransport::default()),
            external_url: external_url.clone(),
            instance: crate::settings::hostname(),
            limits: settings.limits.clone(),
            replicas: replicas.clone(),
            trail: trail.clone(),
        },
    )
    .map_err(|error| StartError::Other(error.to_string()))?;
    let loads = Loads::new(&registry);
    loads.succeeded(&clock);
    let (commands, mut asked) = mpsc::channel(4);
    let process = Arc::new(Process {
        registry: registry.clone(),
        node: Node::new(NodeConfig::default(), clock.clone())
            .map_err(|error| StartError::Other(error.to_string()))?,
        is_ready: AtomicBool::new(true),
        reload: commands,
    });
    let router =
        router(&settings, &alerting, replicas.clone(), trail.clone(), clock.clone(), process.clone());
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(memory::keep_small(memory::Spare::SMALL, stopped.clone()));
    let serving = listeners.serve(&router, &stopped, STOP_TIMEOUT);
    tracing::info!(
        "Promontory {} stands in for Alertmanager: {external_url} (data in {})",
        env!("CARGO_PKG_VERSION"),
        settings.storage.display()
    );
    loop {
        let answer = tokio::select! {
            _ = signals.hangup.recv() => None,
            Some(answer) = asked.recv() => Some(answer),
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        };
        let result = reload(&settings, &alerting).await;
        match &result {
            Ok(()) => {
                tracing::info!("read the configuration again");
                loads.succeeded(&clock);
            }
            Err(error) => {
                tracing::error!("the configuration is not taken over: {error}");
                loads.successful.set(0.0);
            }
        }
        if let Some(answer) = answer {
            let _ = answer.send(result);
        }
    }
    tracing::info!("stopping");
    process.is_ready.store(false, Ordering::Release);
    let _ = stop.send(true);
    alerting.stop(STOP_TIMEOUT).await;
    replicas.leave().await;
    let _ = tokio::task::spawn_blocking(move || trail.flush()).await;
    serving.ended().await;
    Ok(())
}

async fn reload(settings: &Settings, alerting: &alerting::Handle) -> Result<(), String> {
    let config = settings.config().map_err(|error| error.to_string())?;
    alerting.apply(config).await;
    Ok(())
}

/// How the configuration was read.
struct Loads {
    successful: Gauge,
    succeeded_at: Gauge,
}

impl Loads {
    fn new(registry: &Registry) -> Self {
        registry
            .gauges("alertmanager_build_info", "1; its label says which build runs.", &["version"], 1)
            .with(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        Loads {
            successful: registry.gauge(
                "alertmanager_config_last_reload_successful",
                "Whether the configuration was read without a mistake the last time.",
            ),
            succeeded_at: registry.gauge(
                "alertmanager_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read.",
            ),
        }
    }

    fn succeeded(&self, clock: &Clock) {
        self.successful.set(1.0);
        self.succeeded_at.set(clock.now_ms() as f64 / 1_000.0);
    }
}

/// What the routes of the process stand on.
struct Process {
    registry: Registry,
    node: Node,
    is_ready: AtomicBool,
    reload: mpsc::Sender<oneshot::Sender<Result<(), String>>>,
}

fn router(
    settings: &Settings,
    alerting: &alerting::Handle,
    replicas: SharedReplicas,
    trail: Trail,
    clock: Clock,
    process: Arc<Process>,
) -> Router {
    let mut api = alerting::api::Settings {
        timeout: settings.timeout,
        matcher_mode: settings.matcher_mode,
        // Alertmanager lets all pages read. Of a server for this machine alone, strangers' should not.
        allows_all_origins: !settings.is_loopback(),
        ..alerting::api::Settings::default()
    };
    api.get_concurrency_max = settings.get_concurrency_max.unwrap_or(api.get_concurrency_max);
    let deps = alerting::api::Deps {
        alerting: alerting.clone(),
        replicas,
        version: env!("CARGO_PKG_VERSION"),
        registry: process.registry.clone(),
    };
    let routes = Router::new()
        .route("/-/healthy", get(|| async { "OK" }))
        .route("/-/ready", get(is_ready))
        .route("/-/reload", post(ask_reload))
        .route("/metrics", get(metrics))
        .with_state(process)
        .nest("/api/v2", alerting::api::router(api, deps))
        .nest("/api/v1/alerting", alerting::api::trial_router(alerting.clone()))
        .merge(trail::router(trail, clock));
    let prefix = settings.prefix();
    let routes = routes.merge(page::router(&prefix, None));
    let all = if prefix == "/" {
        routes
    } else {
        let (inside, target) = (prefix.trim_end_matches('/').to_string(), prefix.clone());
        let to_page = move || async move { Redirect::to(&target) };
        Router::new()
            .route("/", get(to_page.clone()))
            .route(&inside, get(to_page))
            .nest_service(&prefix, routes)
    };
    serve::guarded(all, settings.external_url.as_deref(), settings.is_loopback())
}

async fn is_ready(State(process): State<Arc<Process>>) -> Response {
    match process.is_ready.load(Ordering::Acquire) {
        true => "OK".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn ask_reload(State(process): State<Arc<Process>>) -> Response {
    let (answer, answered) = oneshot::channel();
    let stopping = (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    if process.reload.send(answer).await.is_err() {
        return stopping.into_response();
    }
    match answered.await {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(error)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}\n")).into_response()
        }
        Err(_) => stopping.into_response(),
    }
}

async fn metrics(State(process): State<Arc<Process>>) -> Response {
    // Computed metrics wait for locks, and those of our process come from files.
    let written = tokio::task::spawn_blocking(move || {
        let mut out = Vec::with_capacity(16 * 1024);
        let mut writer = TextWriter::new(&mut out);
        process.registry.collect(&mut writer);
        process.node.collect_process(&mut writer);
        writer.finish();
        out
    });
    match written.await {
        Ok(out) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
