//! Probes on request, as blackbox_exporter makes them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use base::Clock;
use exposition::{Registry, TextWriter};
use net::server::{Server, ServerConfig};
use node::{Node, NodeConfig};
use probe::config::Modules;
use probe::{Exporter, ExporterConfig};
use tokio::sync::watch;

use crate::run::{Signals, StartError};
use crate::serve;

/// Connections at once: each may be a probe that waits for its target.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a stop waits for probes under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the exporter is told.
pub struct Settings {
    /// Modules, history, logs.
    pub exporter: ExporterConfig,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where people reach it, if not there.
    pub external_url: Option<String>,
    /// The prefix of all routes, if it is not the path of the external URL.
    pub route_prefix: Option<String>,
    /// TLS, users and headers.
    pub web_config: Option<PathBuf>,
    /// How often the file is looked at, if it is read again by itself.
    pub auto_reload: Option<Duration>,
}

/// Reads a file with modules and says what is wrong with it.
pub fn check(file: &Path) -> Result<(), StartError> {
    Modules::load(file).map(drop).map_err(|error| StartError::Config(vec![error]))
}

/// Serves until a signal ends it. Blocks. An error means that it could not start.
pub fn run(settings: Settings) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |count| count.get().clamp(1, 4)))
        .thread_name("blackbox")
        .enable_all()
        .build()
        .map_err(|error| StartError::Other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    let clock = Clock::system();
    let mut signals = Signals::listen()?;
    let registry = Registry::new();
    let exporter = Exporter::start(settings.exporter.clone(), &clock, &registry)
        .map_err(|error| StartError::Config(vec![error]))?;
    registry
        .gauges("blackbox_exporter_build_info", "1; its label says which build runs.", &["version"], 1)
        .with(&[env!("CARGO_PKG_VERSION")])
        .set(1.0);
    let server = Server::bind(&ServerConfig {
        listen: settings.listen,
        connections_max: CONNECTIONS_MAX,
        web_config: settings.web_config.clone(),
        ..ServerConfig::default()
    })
    .await?;
    let local = server.local_addr();
    let scheme = if server.is_encrypted() { "https" } else { "http" };
    let prefix = prefix(&settings);
    let router = serve::guarded(
        router(&exporter, &registry, &clock, &prefix)?,
        settings.external_url.as_deref(),
        settings.listen.ip().to_canonical().is_loopback(),
    );
    tracing::info!("serves {scheme}://{local}{prefix}");
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(server.serve(router, stopped, STOP_TIMEOUT));
    let mut modified = modified(exporter.file());
    loop {
        let pause = settings.auto_reload.unwrap_or(Duration::from_secs(3_600));
        tokio::select! {
            _ = signals.hangup.recv() => reload(&exporter).await,
            () = tokio::time::sleep(pause) => {
                let now = self::modified(exporter.file());
                if settings.auto_reload.is_some() && now != modified {
                    modified = now;
                    reload(&exporter).await;
                }
                continue;
            }
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        }
        modified = self::modified(exporter.file());
    }
    let _ = stop.send(true);
    let _ = serving.await;
    Ok(())
}

fn modified(file: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(file).and_then(|file| file.modified()).ok()
}

async fn reload(exporter: &Exporter) {
    let exporter = exporter.clone();
    match tokio::task::spawn_blocking(move || exporter.reload()).await {
        Ok(Ok(())) => tracing::info!("read the modules again"),
        Ok(Err(error)) => tracing::error!("{error}"),
        Err(_) => {}
    }
}

/// The prefix of all routes; begins and ends with a slash.
fn prefix(settings: &Settings) -> String {
    let path = match (&settings.route_prefix, &settings.external_url) {
        (Some(prefix), _) => prefix.as_str(),
        (None, Some(url)) => {
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path)
        }
        (None, None) => "",
    };
    match path.trim_matches('/') {
        "" => "/".into(),
        path => format!("/{path}/"),
    }
}

fn router(
    exporter: &Exporter,
    registry: &Registry,
    clock: &Clock,
    prefix: &str,
) -> Result<Router, StartError> {
    let node = Node::new(NodeConfig::default(), clock.clone())
        .map_err(|error| StartError::Other(error.to_string()))?;
    let (registry, node) = (registry.clone(), std::sync::Arc::new(node));
    let metrics = move || {
        let (registry, node) = (registry.clone(), node.clone());
        async move {
            let mut page = Vec::with_capacity(4_096);
            let mut writer = TextWriter::new(&mut page);
            registry.collect(&mut writer);
            node.collect_process(&mut writer);
            writer.finish();
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
        }
    };
    let routes = exporter.router().route("/metrics", get(metrics));
    if prefix == "/" {
        return Ok(routes);
    }
    let (inside, target) = (prefix.trim_end_matches('/').to_string(), prefix.to_string());
    Ok(Router::new()
        .route("/", get(move || async move { Redirect::to(&target) }))
        .nest_service(prefix, routes.clone())
        .nest(&inside, routes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_stand_under_the_external_path_unless_told_otherwise() {
        let mut settings = Settings {
            exporter: ExporterConfig {
                file: PathBuf::new(),
                timeout_offset_seconds: 0.5,
                history_max: 1,
                log_level: probe::Level::Off,
            },
            listen: ([127, 0, 0, 1], 0).into(),
            external_url: None,
            route_prefix: None,
            web_config: None,
            auto_reload: None,
        };
        assert_eq!(prefix(&settings), "/");
        settings.external_url = Some("https://x.test/a/b/".into());
        assert_eq!(prefix(&settings), "/a/b/");
        settings.route_prefix = Some("/".into());
        assert_eq!(prefix(&settings), "/");
    }
}
