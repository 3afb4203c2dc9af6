//! Backtests of rules: over a data directory that no server needs to run on, and as an API of a server.
//! Both give the same document.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alerting::rehearsal::{self, Firing, Rehearsal};
use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base::Clock;
use config::http_client::PathBase;
use gocompat::layout;
use model::Labels;
use model::storage::{MetricReader, Select, Selection, StorageError, TimeRange};
use model::{LabelTable, Matcher};
use promql::{Cancel, Engine, EngineOptions, Features};
use query::{ApiError, ErrorType};
use rules::backtest::{self, History, Limits, Report, Request};
use rules::file::Defaults;
use rules::{GroupSpec, parse_file};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::directory::{Output, Staged};

/// Size of a request's body, which holds rules.
const BODY_MAX_BYTES: usize = 8 << 20;
/// Backtests of a server at once: they take a core each.
const CONCURRENCY_MAX: usize = 1;
/// How long a backtest of the command line may take.
const TIMEOUT_OFFLINE: Duration = Duration::from_secs(3_600);

/// A backtest over a data directory.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// The rule file.
    pub file: PathBuf,
    /// From when on, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// The distance of evaluations instead of each group's interval.
    pub step_ms: Option<i64>,
    /// Only these alerting rules; all if empty.
    pub only: Vec<String>,
    /// Where alerts would go; without it, each name of an alert wakes by itself.
    pub alertmanager_config: Option<PathBuf>,
    /// Features of the query language.
    pub features: Features,
}

/// A store that is a copy.
struct Copied(Staged);

impl MetricReader for Copied {
    fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        self.0.db().select(request, labels)
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        self.0.db().label_names(range, matchers)
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        self.0.db().label_values(name, range, matchers)
    }
}

impl Backtest {
    /// Tries the rules over what a directory holds. Blocks; a server may run on the directory.
    pub fn run(&self, data_dir: &Path, output: &mut Output<'_>) -> Result<Value, String> {
        let groups = read_rules(&self.file, &self.features)?;
        let routes = match &self.alertmanager_config {
            Some(path) => Some(read_routes(path)?),
            None => None,
        };
        (output.progress)("opening the data");
        let staged = Staged::open(data_dir, data_dir)?;
        let clock = Clock::system();
        let engine = Engine::new(EngineOptions {
            timeout: TIMEOUT_OFFLINE,
            clock: clock.clone(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            ..EngineOptions::default()
        });
        let history = History {
            engine: Arc::new(engine),
            reader: Arc::new(Copied(staged)),
            features: self.features,
            clock,
        };
        let request = Request {
            groups,
            only: self.only.clone(),
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            step_ms: self.step_ms,
            computes_records: true,
            external_labels: Labels::empty(),
            limits: Limits { samples_max: u64::MAX, timeout: TIMEOUT_OFFLINE, ..Limits::default() },
        };
        let report = backtest::run(&request, &history, &mut |progress| {
            let percent = progress.share * 100.0;
            let (done, total) = (progress.done + 1, progress.total);
            (output.progress)(&format!("rule {done} of {total}: {} {percent:.0} %", progress.rule));
        });
        let report = report.map_err(|error| error.to_string())?;
        (output.progress)("whom it would have woken");
        document(&report, routes)
    }
}

/// The groups of a rule file.
pub fn read_rules(path: &Path, features: &Features) -> Result<Vec<GroupSpec>, String> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    parse_file(&shown, &text, Defaults::default(), features)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn read_routes(path: &Path) -> Result<alerting::Config, String> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    alerting::Config::parse(&text, &PathBase::of_file(path), alerting::MatcherMode::default())
        .map_err(|error| error.in_file(&shown).to_string())
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn labels_json(labels: &Labels) -> Value {
    labels
        .iter()
        .map(|(name, value)| (name.to_string(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A report, and whom it would have woken, as the API gives it. Times are seconds since the epoch.
fn document(report: &Report, routes: Option<alerting::Config>) -> Result<Value, String> {
    let by_routes = routes.is_some();
    let config = match routes {
        Some(config) => config,
        None => rehearsal::by_name().map_err(|error| error.to_string())?,
    };
    let episodes = report.rules.iter().flat_map(|rule| &rule.episodes);
    let firings: Vec<Firing> = episodes
        .map(|episode| Firing {
            labels: episode.labels.clone(),
            from_ms: episode.fired_at_ms,
            to_ms: episode.ended_at_ms,
        })
        .collect();
    let told = rehearsal::rehearse(config, &firings, report.to_ms);
    let rules: Vec<Value> = report.rules.iter().map(rule_json).collect();
    let mut document = json!({
        "from": seconds(report.from_ms),
        "to": seconds(report.to_ms),
        "rules": rules,
        "notifications": told_json(&told, report.from_ms, by_routes),
        "samplesRead": report.samples_read,
        "seconds": report.seconds,
    });
    if let Some(why) = &report.stopped {
        document["stopped"] = why.as_str().into();
    }
    Ok(document)
}

fn rule_json(rule: &backtest::RuleReport) -> Value {
    let episodes: Vec<Value> = rule
        .episodes
        .iter()
        .map(|episode| {
            json!({
                "labels": labels_json(&episode.labels),
                "activeAt": seconds(episode.active_at_ms),
                "firedAt": seconds(episode.fired_at_ms),
                "endedAt": episode.ended_at_ms.map(seconds),
                "beganBefore": episode.began_before,
                "value": gocompat::float::Buffer::new().sample(episode.value),
            })
        })
        .collect();
    json!({
        "file": rule.file,
        "group": rule.group,
        "name": rule.name,
        "query": rule.expr,
        "duration": seconds(rule.hold_ms),
        "keepFiringFor": seconds(rule.keep_firing_ms),
        "interval": seconds(rule.interval_ms),
        "evaluations": rule.evaluations,
        "failures": rule.failures,
        "lastError": rule.error.as_deref().unwrap_or(""),
        "complete": rule.is_complete,
        "fired": rule.fired,
        "nearlyFired": rule.nearly_fired,
        "firingSeconds": seconds(rule.firing_ms),
        "episodes": episodes,
    })
}

fn told_json(told: &Rehearsal, from_ms: i64, by_routes: bool) -> Value {
    let wakes: Vec<Value> = told
        .wakes
        .iter()
        .filter(|wake| wake.at_ms >= from_ms)
        .map(|wake| {
            json!({
                "time": seconds(wake.at_ms),
                "receiver": wake.receiver,
                "group": labels_json(&wake.group),
                "reason": wake.reason,
                "firing": wake.firing,
            })
        })
        .collect();
    json!({
        "total": told.by_receiver.values().sum::<u64>(),
        "byReceiver": told.by_receiver,
        "byRoutes": by_routes,
        "complete": told.is_complete,
        "wakes": wakes,
    })
}

// ---- for people ----

fn shown_time(value: &Value) -> String {
    let ms = (value.as_f64().unwrap_or(0.0) * 1000.0) as i64;
    layout::format_ms("2006-01-02 15:04:05Z", ms)
}

fn shown_duration(seconds: f64) -> String {
    base::units::format_duration_ms(((seconds / 1.0).round() * 1000.0) as i64)
}

fn shown_labels(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("")))).to_string()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// The document of a backtest as text.
pub fn text(document: &Value) -> String {
    let mut lines = vec![format!("{} to {}", shown_time(&document["from"]), shown_time(&document["to"]))];
    for rule in document["rules"].as_array().into_iter().flatten() {
        lines.push(String::new());
        let mut head = rule["name"].as_str().unwrap_or("").to_string();
        if number(&rule["duration"]) > 0.0 {
            head.push_str(&format!(", for {}", shown_duration(number(&rule["duration"]))));
        }
        if number(&rule["keepFiringFor"]) > 0.0 {
            head.push_str(&format!(", keeps firing for {}", shown_duration(number(&rule["keepFiringFor"]))));
        }
        let group = rule["group"].as_str().unwrap_or("");
        lines.push(format!("{head} (group {group}, every {})", shown_duration(number(&rule["interval"]))));
        let (fired, nearly) = (&rule["fired"], &rule["nearlyFired"]);
        lines.push(match fired.as_u64() {
            Some(0) => "  would not have fired".into(),
            _ => format!(
                "  would have fired {}, {} in all",
                times(fired.as_u64().unwrap_or(0)),
                shown_duration(number(&rule["firingSeconds"]))
            ),
        });
        if let Some(nearly @ 1..) = nearly.as_u64() {
            lines.push(format!("  was pending {} and ended before it fired", times(nearly)));
        }
        if let Some(failures @ 1..) = rule["failures"].as_u64() {
            let error = rule["lastError"].as_str().unwrap_or("");
            lines.push(format!("  evaluation fails {}: {error}", times(failures)));
        }
        if rule["complete"] == false {
            lines.push("  was not tried over all of the time".into());
        }
        let episodes = rule["episodes"].as_array();
        for episode in episodes.into_iter().flatten() {
            let length = match episode["endedAt"].as_f64() {
                Some(ended) => shown_duration(ended - number(&episode["firedAt"])),
                None => "to the end".into(),
            };
            let before = if episode["beganBefore"] == true { " (began before)" } else { "" };
            let value = episode["value"].as_str().unwrap_or("");
            lines.push(format!(
                "    {}  {length:<10}  {}  value {value}{before}",
                shown_time(&episode["firedAt"]),
                shown_labels(&episode["labels"]),
            ));
        }
        let listed = episodes.map_or(0, Vec::len) as u64;
        if let Some(more @ 1..) = fired.as_u64().map(|fired| fired.saturating_sub(listed)) {
            lines.push(format!("    and {} more", times(more)));
        }
    }
    let told = &document["notifications"];
    lines.push(String::new());
    let how = match told["byRoutes"] == true {
        true => "by these routes",
        false => "if each name of an alert is told by itself",
    };
    lines
        .push(format!("People would have been woken {} ({how})", times(told["total"].as_u64().unwrap_or(0))));
    for (receiver, count) in told["byReceiver"].as_object().into_iter().flatten() {
        lines.push(format!("  {receiver}: {}", times(count.as_u64().unwrap_or(0))));
    }
    for wake in told["wakes"].as_array().into_iter().flatten() {
        lines.push(format!(
            "    {}  {}  {}  {} firing, {}",
            shown_time(&wake["time"]),
            wake["receiver"].as_str().unwrap_or(""),
            shown_labels(&wake["group"]),
            wake["firing"],
            wake["reason"].as_str().unwrap_or(""),
        ));
    }
    if told["complete"] == false {
        lines.push("  and more: it was not gone through to the end".into());
    }
    if let Some(why) = document["stopped"].as_str() {
        lines.push(format!("\nStopped early: {why}"));
    }
    lines.push(format!(
        "\n{} samples were read in {:.1} s",
        document["samplesRead"],
        number(&document["seconds"])
    ));
    lines.join("\n") + "\n"
}

fn times(count: u64) -> String {
    match count {
        0 => "never".into(),
        1 => "once".into(),
        count => format!("{count} times"),
    }
}

// ---- the API ----

/// What a server tries rules with.
pub(crate) struct Server {
    pub(crate) history: History,
    pub(crate) rules: rules::Handle,
    /// Where alerts go now, if somebody said so.
    pub(crate) routes: Arc<ArcSwapOption<alerting::Config>>,
    /// What groups fall back on that do not say.
    pub(crate) defaults: Arc<ArcSwap<Defaults>>,
    /// How long one may take.
    pub(crate) timeout: Duration,
}

struct Api {
    server: Server,
    places: Semaphore,
}

/// The routes.
pub(crate) fn router(server: Server) -> Router {
    let api = Arc::new(Api { server, places: Semaphore::new(CONCURRENCY_MAX) });
    Router::new()
        .route("/api/v1/rules/backtest", post(try_rules))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(api)
}

/// Ends a backtest that nobody waits for any more.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn try_rules(State(api): State<Arc<Api>>, body: Bytes) -> Result<Response, ApiError> {
    let mut request = read(&body, &api.server)?;
    let Ok(_place) = api.places.try_acquire() else {
        return Err(ApiError::new(ErrorType::Unavailable, "another backtest is under way; try again later"));
    };
    let guard = CancelOnDrop(Cancel::default());
    request.limits.cancel = guard.0.clone();
    let history = api.server.history.clone();
    let routes = api.server.routes.load_full().map(|config| alerting::Config::clone(&config));
    let done = tokio::task::spawn_blocking(move || {
        let report = backtest::run(&request, &history, &mut |_| {})
            .map_err(|error| ApiError::bad_data(error.to_string()))?;
        document(&report, routes).map_err(|error| ApiError::new(ErrorType::Internal, error))
    });
    let document = done.await.map_err(|error| ApiError::new(ErrorType::Internal, error.to_string()))??;
    drop(guard);
    let body = json!({ "status": "success", "data": document }).to_string();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn read(body: &[u8], server: &Server) -> Result<Request, ApiError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_data(format!("expected a JSON object: {error}")))?;
    let object = body.as_object().ok_or_else(|| ApiError::bad_data("expected a JSON object"))?;
    const KNOWN: [&str; 5] = ["groups", "rules", "from", "to", "step"];
    if let Some(name) = object.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(ApiError::bad_data(format!("unknown field {name:?}; there are {}", KNOWN.join(", "))));
    }
    let text = |value: &Value| match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let time = |name: &str, default_ms: i64| match object.get(name) {
        None | Some(Value::Null) => Ok(default_ms),
        Some(value) => query::parse_time_ms(&text(value)).map_err(|error| ApiError::parameter(name, error)),
    };
    let to_ms = time("to", server.history.clock.now_ms())?;
    let from_ms = time("from", to_ms - 86_400_000)?;
    let step_ms = match object.get("step") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let text = text(value);
            let ms = text.parse::<f64>().map(|seconds| (seconds * 1000.0) as i64);
            let ms = ms.or_else(|_| base::units::parse_duration_ms(&text));
            Some(ms.map_err(|error| ApiError::parameter("step", error))?)
        }
    };
    let only = match object.get("rules") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(_) => return Err(ApiError::parameter("rules", "expected names of alerting rules")),
    };
    let (mut groups, computes_records) = match object.get("groups") {
        Some(Value::String(yaml)) => {
            let groups = parse_file("backtest", yaml, **server.defaults.load(), &server.history.features);
            let groups = groups.map_err(|errors| {
                ApiError::bad_data(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            })?;
            (groups, true)
        }
        // What loaded rules record has been recorded.
        None | Some(Value::Null) => (server.rules.specs(), false),
        Some(_) => return Err(ApiError::parameter("groups", "expected the text of a rule file")),
    };
    if !computes_records && !only.is_empty() {
        groups.retain(|group| group.rules.iter().any(|rule| only.iter().any(|name| name == rule.name())));
    }
    Ok(Request {
        groups,
        only,
        from_ms,
        to_ms,
        step_ms,
        computes_records,
        external_labels: server.rules.external_labels(),
        limits: Limits { timeout: server.timeout, ..Limits::default() },
    })
}
