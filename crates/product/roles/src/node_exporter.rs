//! The machine's metrics alone, as node_exporter serves them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use base::Clock;
use exposition::TextWriter;
use net::server::{Server, ServerConfig};
use node::{Exporter, NodeConfig, Outcome, Selection};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::run::StartError;
use crate::{memory, started};

/// Connections at once.
const CONNECTIONS_MAX: usize = 128;
/// How long a stop waits for requests under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// What pages of other machines had room in; ours begins with it.
const PAGE_BYTES: usize = 64 << 10;
/// How long the thread that reads the machine waits for the next scrape before it ends: longer than the
/// pauses between scrapes.
const READER_KEEP_ALIVE: Duration = Duration::from_secs(600);

/// What the exporter is told.
pub struct Settings {
    /// What is collected.
    pub node: NodeConfig,
    /// Where to listen; several addresses serve the same.
    pub listen: Vec<SocketAddr>,
    /// The path of the metrics.
    pub telemetry_path: String,
    /// TLS, users and headers.
    pub web_config: Option<PathBuf>,
    /// Whether the page shows the exporter's own process and requests.
    pub shows_itself: bool,
    /// Pages made at once; 0 is no limit.
    pub requests_max: u64,
}

struct Served {
    exporter: Exporter,
    telemetry_path: String,
    requests_max: u64,
    /// The first page ends the start: much is set up when it is first needed.
    start: Once,
}

/// Serves until a signal ends it. Blocks. An error means that it could not start.
pub fn run(settings: Settings) -> Result<(), StartError> {
    // The threads take turns. What one has freed, the other can use.
    memory::bound_heaps(1);
    // One thread for connections, and one that reads the machine: a scrape is a few milliseconds of work.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(READER_KEEP_ALIVE)
        .thread_name("node-reader")
        .thread_stack_size(512 << 10)
        .build()
        .map_err(|error| StartError::Other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    let clock = Clock::system();
    let listen =
        |kind| signal(kind).map_err(|error| StartError::Other(format!("cannot listen for signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let exporter =
        Exporter::new(settings.node, clock.clone(), env!("CARGO_PKG_VERSION"), settings.shows_itself)
            .map_err(|error| StartError::Other(error.to_string()))?;
    let collectors: Vec<_> = exporter.active().collect();
    tracing::info!("collectors: {}", collectors.join(" "));
    let served = Arc::new(Served {
        exporter,
        telemetry_path: settings.telemetry_path.clone(),
        requests_max: settings.requests_max,
        start: Once::new(),
    });
    let mut router = Router::new().route(&settings.telemetry_path, any(metrics));
    if settings.telemetry_path != "/" {
        router = router.route("/", get(landing));
    }
    let router = router.with_state(served);
    let (stop, stopped) = watch::channel(false);
    let mut serving = Vec::new();
    for listen in settings.listen {
        let server = Server::bind(&ServerConfig {
            listen,
            connections_max: CONNECTIONS_MAX,
            web_config: settings.web_config.clone(),
            ..ServerConfig::default()
        })
        .await?;
        let scheme = if server.is_encrypted() { "https" } else { "http" };
        tracing::info!("serves {scheme}://{}{}", server.local_addr(), settings.telemetry_path);
        serving.push(tokio::spawn(server.serve(router.clone(), stopped.clone(), STOP_TIMEOUT)));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = stop.send(true);
    for server in serving {
        let _ = server.await;
    }
    Ok(())
}

async fn metrics(State(served): State<Arc<Served>>, RawQuery(query): RawQuery) -> Response {
    let (mut collect, mut exclude) = (Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "collect[]" => collect.push(value.into_owned()),
            "exclude[]" => exclude.push(value.into_owned()),
            _ => {}
        }
    }
    let selection = match served.exporter.select(&collect, &exclude) {
        Ok(selection) => selection,
        Err(message) => return (StatusCode::BAD_REQUEST, message).into_response(),
    };
    // Files of /proc can take their time, and dead mount points more than that.
    let made = tokio::task::spawn_blocking(move || page(&served, &selection));
    match made.await {
        Ok(Ok(page)) => {
            let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
            ([(header::CONTENT_TYPE, content_type)], page).into_response()
        }
        Ok(Err(message)) => (StatusCode::SERVICE_UNAVAILABLE, message).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response(),
    }
}

fn page(served: &Served, selection: &Selection) -> Result<Vec<u8>, String> {
    let limit = served.requests_max;
    let Some(asked) = served.exporter.ask(limit) else {
        return Err(format!("Limit of concurrent requests reached ({limit}), try again later.\n"));
    };
    let mut page = Vec::with_capacity(PAGE_BYTES);
    asked.write(selection, &mut TextWriter::new(&mut page));
    asked.end(Outcome::Answered);
    served.start.call_once(|| {
        memory::give_back();
        started::forget();
    });
    Ok(page)
}

async fn landing(State(served): State<Arc<Served>>) -> Html<String> {
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Node Exporter</title></head>\n\
         <body>\n<h1>Node Exporter</h1>\n<p>Promontory {}: the metrics of this machine</p>\n\
         <ul><li><a href=\"{}\">Metrics</a></li></ul>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        served.telemetry_path
    ))
}
