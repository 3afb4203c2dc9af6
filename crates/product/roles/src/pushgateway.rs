//! The metrics of jobs that end before they could be scraped, as a Pushgateway serves them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, put};
use base::Clock;
use config::Node;
use exposition::{Registry, TextWriter};
use ingest::{Gateway, GatewayConfig};
use net::server::{Server, ServerConfig};
use scrape::LocalTarget;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::run::StartError;
use crate::serve;
use crate::settings::hostname;

/// Connections at once.
const CONNECTIONS_MAX: usize = 512;
/// How long a stop waits for requests under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the groups of a gateway inside the main program are kept, in its data directory.
const GROUPS_FILE: &str = "pushgateway.json";
/// How often they are written if they have changed.
const KEEP_INTERVAL: Duration = Duration::from_secs(5);
/// What is served elsewhere, as the first part of a path.
const TAKEN: [&str; 20] = [
    "-",
    "alertmanager",
    "alerts",
    "api",
    "assets",
    "explore",
    "favicon.svg",
    "federate",
    "flags",
    "graph",
    "login",
    "logout",
    "loki",
    "metrics",
    "otlp",
    "rules",
    "status",
    "targets",
    "user",
    "v1",
];

/// What `promontory.yml` or a flag says of a gateway inside the main program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushgatewaySettings {
    /// The path before its routes, such as `/pushgateway`.
    prefix: String,
    /// Groups that nothing was pushed to for so long are deleted.
    group_age_max_ms: Option<i64>,
}

impl PushgatewaySettings {
    /// The key of a `promontory.yml`.
    pub(crate) const FILE_KEY: &str = "pushgateway";

    /// With a path before its routes: parts of letters, digits, `-`, `_` and `.`, the first of them not served yet.
    pub fn new(prefix: &str) -> Result<Self, String> {
        let path = prefix.trim_end_matches('/').strip_prefix('/').unwrap_or("");
        let is_plain = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !part.is_empty() && part.bytes().all(plain)
        };
        if !path.split('/').all(is_plain) {
            return Err(format!("expected a path such as /pushgateway, found {prefix:?}"));
        }
        let first = path.split('/').next().unwrap_or("");
        if TAKEN.contains(&first) {
            return Err(format!(
                "/{first} serves something else already; choose a path such as /pushgateway"
            ));
        }
        Ok(PushgatewaySettings { prefix: format!("/{path}"), group_age_max_ms: None })
    }

    /// The path before its routes, without a slash at the end.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same under the prefix of another.
    pub(crate) fn under(self, other: Self) -> Self {
        PushgatewaySettings { prefix: other.prefix, ..self }
    }

    pub(crate) fn decode(node: &Node) -> config::Result<Self> {
        let mut fields = node.fields(Self::FILE_KEY)?;
        let prefix = fields.optional("prefix", |node| {
            PushgatewaySettings::new(&node.string()?).map_err(|message| node.error(message))
        })?;
        let mut settings =
            prefix.ok_or_else(|| node.error("a pushgateway needs a prefix, such as /pushgateway"))?;
        let age_ms = fields.or("group_max_age", 0, Node::duration_ms)?;
        settings.group_age_max_ms = (age_ms > 0).then_some(age_ms);
        fields.finish()?;
        Ok(settings)
    }

    /// The gateway, with the groups it had.
    pub(crate) fn open(&self, data_dir: &Path, registry: &Registry, clock: &Clock) -> Arc<Gateway> {
        let config = GatewayConfig {
            persistence_file: Some(data_dir.join(GROUPS_FILE)),
            group_age_max_ms: self.group_age_max_ms,
            ..GatewayConfig::default()
        };
        Arc::new(Gateway::open(config, registry, clock.clone()))
    }
}

/// The routes of a gateway inside the main program.
pub(crate) fn routes(settings: &crate::Settings, gateway: Option<&Arc<Gateway>>) -> Router {
    match (&settings.pushgateway, gateway) {
        (Some(own), Some(gateway)) => {
            Router::new().nest_service(&own.prefix, gateway.router("/metrics", None))
        }
        _ => Router::new(),
    }
}

/// What was pushed, as a target whose labels count.
pub(crate) fn target(gateway: &Arc<Gateway>) -> LocalTarget {
    let gateway = gateway.clone();
    LocalTarget {
        job: "pushgateway".into(),
        instance: hostname(),
        honor_labels: true,
        render: Arc::new(move |out| gateway.write(&mut TextWriter::new(out))),
    }
}

/// Writes what was pushed to its file until the end.
pub(crate) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    loop {
        let is_over = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(KEEP_INTERVAL) => false,
        };
        persist(&gateway).await;
        if is_over {
            return;
        }
    }
}

/// What a gateway by itself is told.
pub struct Settings {
    /// What is kept, and how.
    pub gateway: GatewayConfig,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The path of the metrics.
    pub telemetry_path: String,
    /// Before all routes, such as `/push`, or empty.
    pub route_prefix: String,
    /// Where people reach it.
    pub external_url: Option<String>,
    /// A web configuration file: TLS, users, headers.
    pub web_config: Option<PathBuf>,
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
    let registry = Registry::new();
    let gateway = Arc::new(Gateway::open(settings.gateway.clone(), &registry, Clock::system()));
    let (quit, mut asked) = mpsc::channel(1);
    let _open = quit.clone();
    let mut router = gateway
        .router(&settings.telemetry_path, Some(registry))
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
    let router = if prefix.is_empty() { router } else { Router::new().nest_service(prefix, router) };
    let own_names = settings.listen.ip().to_canonical().is_loopback();
    let router = serve::guarded(router, settings.external_url.as_deref(), own_names);
    let config = ServerConfig {
        listen: settings.listen,
        connections_max: CONNECTIONS_MAX,
        web_config: settings.web_config,
        ..ServerConfig::default()
    };
    let server = Server::bind(&config).await?;
    tracing::info!(
        "Promontory {} stands in for Pushgateway: {}://{} (metrics at {prefix}{})",
        env!("CARGO_PKG_VERSION"),
        if server.is_encrypted() { "https" } else { "http" },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_that_nothing_else_is_served_at() {
        for (prefix, expected) in [("/push", Some("/push")), ("/a/push-1/", Some("/a/push-1"))] {
            assert_eq!(PushgatewaySettings::new(prefix).ok().as_ref().map(|it| it.prefix.as_str()), expected);
        }
        for wrong in ["", "/", "push", "/api", "/metrics/x", "/a//b", "/{a}", "/a b", "/*x"] {
            assert!(PushgatewaySettings::new(wrong).is_err(), "{wrong}");
        }
    }
}
