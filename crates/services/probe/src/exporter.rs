//! The routes of a blackbox_exporter: probes on request, what the last ones found, the modules.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use base::Clock;
use exposition::registry::{Counter, Gauge};
use exposition::{Registry, TextWriter};
use parking_lot::RwLock;

use crate::config::{Module, Modules, Probe};
use crate::history::History;
use crate::prober::{Prober, Request};
use crate::report::{Level, help};

/// The time of a probe if nobody says otherwise.
const TIMEOUT_SECONDS: f64 = 120.0;
const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
const METRICS: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")];

/// Settings of an exporter.
#[derive(Clone, Debug)]
pub struct ExporterConfig {
    /// The file with the modules.
    pub file: PathBuf,
    /// What is taken off the time of a scrape, seconds, so that its answer comes before it ends.
    pub timeout_offset_seconds: f64,
    /// Probes that are remembered, and as many failures more.
    pub history_max: usize,
    /// What of the probes' logs goes into the program's log.
    pub log_level: Level,
}

/// Probes on request. Cheap to clone.
#[derive(Clone)]
pub struct Exporter(Arc<Shared>);

struct Shared {
    config: ExporterConfig,
    clock: Clock,
    prober: Prober,
    modules: RwLock<Arc<Modules>>,
    history: History,
    unknown_modules: Counter,
    reload_succeeded: Gauge,
    reloaded_at: Gauge,
}

impl Exporter {
    /// Reads the modules.
    pub fn start(
        config: ExporterConfig,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Exporter, config::Error> {
        let modules = Modules::load(&config.file)?;
        let gauge = |name: &'static str| registry.gauge(name, help(name));
        let exporter = Exporter(Arc::new(Shared {
            history: History::new(config.history_max),
            clock: clock.clone(),
            prober: Prober::new(clock),
            modules: RwLock::default(),
            unknown_modules: registry
                .counter("blackbox_module_unknown_total", help("blackbox_module_unknown_total")),
            reload_succeeded: gauge("blackbox_exporter_config_last_reload_successful"),
            reloaded_at: gauge("blackbox_exporter_config_last_reload_success_timestamp_seconds"),
            config,
        }));
        exporter.take(modules);
        Ok(exporter)
    }

    /// Reads the modules again. If there is a mistake, those that were read before stay in force.
    pub fn reload(&self) -> Result<(), config::Error> {
        match Modules::load(&self.0.config.file) {
            Ok(modules) => {
                self.take(modules);
                Ok(())
            }
            Err(error) => {
                self.0.reload_succeeded.set(0.0);
                Err(error)
            }
        }
    }

    fn take(&self, modules: Modules) {
        for note in modules.notes() {
            tracing::warn!("{}: {note}", self.0.config.file.display());
        }
        *self.0.modules.write() = Arc::new(modules);
        self.0.reload_succeeded.set(1.0);
        self.0.reloaded_at.set(self.0.clock.now_seconds());
    }

    /// The file with the modules.
    pub fn file(&self) -> &Path {
        &self.0.config.file
    }

    /// The routes, without a prefix.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(landing))
            .route("/probe", get(probe))
            .route("/logs", get(logs))
            .route("/config", get(shown_config))
            .route("/-/healthy", get(|| async { "Healthy" }))
            .route("/-/reload", any(reload))
            .with_state(self.clone())
    }
}

fn parameters(query: Option<&str>) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        parameters.entry(name.into_owned()).or_insert(value.into_owned());
    }
    parameters
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, TEXT, format!("{message}\n")).into_response()
}

async fn probe(State(exporter): State<Exporter>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shared = &*exporter.0;
    let parameters = parameters(query.as_deref());
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    let module_name = match parameter("module") {
        "" => "http_2xx",
        name => name,
    };
    let modules = shared.modules.read().clone();
    let Some(module) = modules.get(module_name) else {
        shared.unknown_modules.inc();
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("Unknown module {}", gocompat::quote::quote(module_name)),
        );
    };
    let header = headers.get("x-prometheus-scrape-timeout-seconds").and_then(|value| value.to_str().ok());
    let timeout = match timeout(header.unwrap_or(""), module, shared.config.timeout_offset_seconds) {
        Ok(timeout) => timeout,
        Err(why) => {
            return refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("Failed to parse timeout from Prometheus header: {why}"),
            );
        }
    };
    if parameter("target").is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "Target parameter is missing");
    }
    // Upstream takes escapes out twice, and relabelling rules rely on it.
    let encoded = format!("target={}", parameter("target").replace('&', "%26"));
    let target = self::parameters(Some(&encoded)).remove("target").unwrap_or_default();
    let hostname = parameter("hostname");
    if let Err(message) = check_hostname(module, hostname) {
        return refuse(StatusCode::BAD_REQUEST, &message);
    }
    let wants_debug = parameter("debug") == "true";
    let mut report = shared.prober.report(if wants_debug {
        Level::Debug
    } else {
        shared.config.log_level.min(Level::Info)
    });
    report.name(module_name, &target);
    let request = Request { module, target: &target, hostname, timeout };
    let success = shared.prober.probe(request, &mut report).await;
    for (level, line) in report.lines().filter(|(level, _)| *level >= shared.config.log_level) {
        match level {
            Level::Debug => tracing::debug!("{line}"),
            Level::Info => tracing::info!("{line}"),
            Level::Warn => tracing::warn!("{line}"),
            Level::Error | Level::Off => tracing::error!("{line}"),
        }
    }
    let description = report.describe(&module.render());
    if wants_debug {
        let response = (TEXT, description.clone()).into_response();
        shared.history.add(module_name, &target, description, success);
        return response;
    }
    shared.history.add(module_name, &target, description, success);
    let mut page = Vec::with_capacity(4096);
    report.write(&mut TextWriter::new(&mut page));
    (METRICS, page).into_response()
}

/// How long a probe may take: what the scraper allows without the offset, or the module's time if that is less.
fn timeout(header: &str, module: &Module, offset_seconds: f64) -> Result<Duration, String> {
    let mut allowed = 0.0;
    if !header.is_empty() {
        allowed = gocompat::float::parse(header).map_err(|error| error.to_string())?;
    }
    if allowed == 0.0 {
        allowed = TIMEOUT_SECONDS;
    }
    let most = allowed - offset_seconds;
    let own = module.timeout.map_or(0.0, |timeout| timeout.as_secs_f64());
    let seconds = if own < most && own > 0.0 || most < 0.0 { own } else { most };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{header:?} is not a time"))
}

/// A module's own `Host` excludes another one in the request.
fn check_hostname(module: &Module, hostname: &str) -> Result<(), String> {
    let Probe::Http(http) = &module.probe else { return Ok(()) };
    let own = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    match own {
        Some((_, value)) if !hostname.is_empty() && value != hostname => Err(format!(
            "host header defined both in module configuration ({value}) and with URL-parameter 'hostname' ({hostname})"
        )),
        _ => Ok(()),
    }
}

async fn logs(State(exporter): State<Exporter>, RawQuery(query): RawQuery) -> Response {
    let parameters = parameters(query.as_deref());
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    let id = parameter("id").parse::<u64>().ok();
    let (target, module) = (parameter("target"), parameter("module"));
    let history = &exporter.0.history;
    let (found, missing) = match (id, target) {
        (Some(_), target) if !target.is_empty() => {
            return refuse(StatusCode::BAD_REQUEST, "Probe id and target can't be defined at the same time");
        }
        (None, "") => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "Probe id or target must be defined as http query parameters",
            );
        }
        (_, "") if !module.is_empty() => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "Probe module filter only works in conjunction with target parameter",
            );
        }
        (Some(id), _) => (history.find(|entry| entry.id == id), "Probe id not found"),
        (None, target) => (
            history.find(|entry| entry.target == target && (module.is_empty() || entry.module == module)),
            "Probe target not found",
        ),
    };
    match found {
        Some(entry) => (TEXT, entry.description.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, missing),
    }
}

async fn shown_config(State(exporter): State<Exporter>) -> Response {
    let modules = exporter.0.modules.read().clone();
    (TEXT, modules.render()).into_response()
}

async fn reload(State(exporter): State<Exporter>, method: axum::http::Method) -> Response {
    if method != axum::http::Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "This endpoint requires a POST request.");
    }
    let reloaded = tokio::task::spawn_blocking(move || exporter.reload()).await;
    match reloaded {
        Ok(Ok(())) => {
            tracing::info!("read the modules again");
            StatusCode::OK.into_response()
        }
        Ok(Err(error)) => {
            tracing::error!("{error}");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("failed to reload config: {error}"))
        }
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "failed to reload config"),
    }
}

async fn landing(State(exporter): State<Exporter>) -> Response {
    let mut rows = String::new();
    for entry in exporter.0.history.list().iter().rev() {
        let result = if entry.success { "Success" } else { "<strong>Failure</strong>" };
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{result}</td><td><a href=\"logs?id={}\">Logs</a></td></tr>\n",
            escaped(&entry.module),
            escaped(&entry.target),
            entry.id
        ));
    }
    Html(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Blackbox Exporter</title></head><body>\n\
         <h1>Blackbox Exporter</h1>\n\
         <p><a href=\"probe?target=prometheus.io&amp;module=http_2xx\">Probe prometheus.io with http_2xx</a>, \
         <a href=\"probe?target=prometheus.io&amp;module=http_2xx&amp;debug=true\">with its log</a></p>\n\
         <p><a href=\"metrics\">Metrics</a> <a href=\"config\">Configuration</a></p>\n<h2>Recent probes</h2>\n\
         <table><tr><th>Module</th><th>Target</th><th>Result</th><th>Log</th></tr>\n{rows}</table></body></html>\n"
    ))
    .into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_ends_before_the_scrape_does() {
        let module = |timeout: &str| {
            let text = format!("modules: {{m: {{prober: icmp{timeout}}}}}");
            let modules = Modules::parse(&text, &config::http_client::PathBase::new(Path::new(""))).unwrap();
            modules.get("m").unwrap().clone()
        };
        for (header, own, expected) in [
            ("", "", 119.5),
            ("10", "", 9.5),
            ("10", ", timeout: 5s", 5.0),
            ("4", ", timeout: 5s", 3.5),
            ("0.25", ", timeout: 5s", 5.0),
            ("1e1", "", 9.5),
        ] {
            let seconds = timeout(header, &module(own), 0.5).unwrap().as_secs_f64();
            assert_eq!(seconds, expected, "{header} {own}");
        }
        assert!(timeout("soon", &module(""), 0.5).is_err());
        assert!(timeout("-3", &module(""), 0.5).is_ok_and(|timeout| timeout.is_zero()));
        assert!(timeout("+Inf", &module(""), 0.5).is_err());
    }
}
