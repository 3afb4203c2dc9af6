//! The metrics of jobs that end before they could be scraped, as a Pushgateway serves them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, put};
use base::Clock;
use exposition::Registry;
use ingest::{Gateway, GatewayConfig};
use net::server::{Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::run::StartError;

/// Connections at once.
const CONNECTIONS_MAX: usize = 512;
/// How long a stop waits for requests under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the gateway is told.
pub struct Settings {
    /// What is kept, and how.
    pub gateway: GatewayConfig,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The path of the metrics.
    pub telemetry_path: String,
    /// Before all routes, such as `/push`, or empty.
    pub route_prefix: String,
    /// How often groups are written to their file.
    pub persistence_interval: Duration,
    /// Whether `PUT /-/quit` ends the process.
    pub lifecycle_api: bool,
}

/// Serves until a signal ends it. Blocks. An error means that it could not start.
pub fn run(settings: Settings) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(|error| StartError::Other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    let listen =
        |kind| signal(kind).map_err(|error| StartError::Other(format!("cannot listen for signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let gateway = Arc::new(Gateway::open(settings.gateway.clone(), Registry::new(), Clock::system()));
    let (quit, mut asked) = mpsc::channel(1);
    let _open = quit.clone();
    let mut router = gateway
        .router(&settings.telemetry_path)
        .route("/-/healthy", get(|| async { "OK" }))
        .route("/-/ready", get(|| async { "OK" }));
    if settings.lifecycle_api {
        let ask = move || async move {
            let _ = quit.try_send(());
            "Requesting termination... Goodbye!"
        };
        router = router.route("/-/quit", put(ask.clone()).post(ask));
    } else {
        let refused = (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
        router = router.route("/-/quit", put(move || async move { refused }));
    }
    let prefix = settings.route_prefix.trim_end_matches('/');
    let router = if prefix.is_empty() { router } else { Router::new().nest(prefix, router) };
    let config =
        ServerConfig { listen: settings.listen, connections_max: CONNECTIONS_MAX, ..ServerConfig::default() };
    let server = Server::bind(&config).await?;
    tracing::info!(
        "Promontory {} stands in for Pushgateway: http://{} (metrics at {prefix}{})",
        env!("CARGO_PKG_VERSION"),
        server.local_addr(),
        settings.telemetry_path
    );
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(server.serve(router, stopped, STOP_TIMEOUT));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(()) = asked.recv() => break,
            () = tokio::time::sleep(settings.persistence_interval) => persist(&gateway).await,
        }
    }
    let _ = stop.send(true);
    let _ = serving.await;
    persist(&gateway).await;
    Ok(())
}

async fn persist(gateway: &Arc<Gateway>) {
    let gateway = gateway.clone();
    match tokio::task::spawn_blocking(move || gateway.persist()).await {
        Ok(Err(error)) => tracing::error!(error, "what was pushed cannot be written"),
        Ok(Ok(())) => {}
        Err(error) => tracing::error!(%error, "writing what was pushed failed unexpectedly"),
    }
}

/// The flags as they are shown.
pub fn flags(pairs: impl IntoIterator<Item = (&'static str, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
