//! Queries that run, wait or were slow: listed, and stopped by an operator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, header};
use base::Clock;
use base::clock::Mark;
use exposition::Registry;
use exposition::registry::{Counter, Summary};
use net::shared::Shared;
use parking_lot::Mutex;
use promql::{Cancel, Progress, QueryStats};
use serde::Serialize;
use serde_json::json;
use spans::{Kind, Tracer};
use tokio::sync::Notify;

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, success};
use crate::query_log::{Ended, QueryLog};

/// Slow queries that are remembered.
const SLOWEST_MAX: usize = 50;
/// How long a slow query is remembered.
const SLOWEST_FOR_MS: i64 = 3_600_000;
/// How much of a query's text, or of a client's name, is kept.
const TEXT_MAX_BYTES: usize = 4096;

/// What a query is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum Phase {
    /// It waits for its turn.
    Queued = 0,
    /// It is evaluated.
    Evaluating = 1,
    /// Its result is being sent.
    Sending = 2,
}

/// What is asked, and by whom.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// The expression.
    pub(crate) query: String,
    /// First evaluation, seconds since the epoch.
    pub(crate) start: f64,
    /// Last evaluation, seconds since the epoch.
    pub(crate) end: f64,
    /// Seconds between evaluations; 0 for an instant query.
    pub(crate) step: f64,
    /// The client's address.
    pub(crate) client: String,
    /// What the client calls itself.
    pub(crate) user_agent: String,
    /// The rule that asks, if no client does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<RuleAsks>,
}

/// The rule whose expression is evaluated.
#[derive(Clone, Debug, Serialize)]
pub struct RuleAsks {
    /// The name of what it records or raises.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The group's file.
    pub file: String,
}

impl Asked {
    pub(crate) fn new(query: &str, start_ms: i64, end_ms: i64, step_ms: i64, from: &Client) -> Asked {
        Asked {
            query: cut(query),
            start: start_ms as f64 / 1000.0,
            end: end_ms as f64 / 1000.0,
            step: step_ms as f64 / 1000.0,
            client: from.address.clone(),
            user_agent: from.user_agent.clone(),
            rule: None,
        }
    }
}

/// Who sent a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) address: String,
    user_agent: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Client {
    pub(crate) fn of(request: &Request) -> Client {
        let text = |headers: &HeaderMap, name| {
            headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok()).map(cut)
        };
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string());
        Client {
            method: request.method().to_string(),
            path: cut(request.uri().path()),
            address: peer.unwrap_or_default(),
            user_agent: text(request.headers(), header::USER_AGENT).unwrap_or_default(),
        }
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_MAX_BYTES)).unwrap_or_default().to_string()
}

struct Entry {
    asked: Asked,
    /// The whole expression and who sent it, if queries are logged.
    logged: Option<(String, Client)>,
    started_ms: i64,
    since: Mark,
    queue_seconds: OnceLock<f64>,
    phase: AtomicU8,
    is_killed: AtomicBool,
    killed: Notify,
    cancel: Cancel,
    progress: Progress,
}

struct Slow {
    asked: Asked,
    started_ms: i64,
    seconds: f64,
    outcome: &'static str,
    stats: QueryStats,
}

#[derive(Default)]
struct Lists {
    last_id: u64,
    running: BTreeMap<u64, Arc<Entry>>,
    slowest: Vec<Slow>,
}

/// The queries of this server: those of clients and those of rules.
pub struct Queries {
    lists: Mutex<Lists>,
    /// Queries that run or wait, at most.
    max: usize,
    clock: Clock,
    log: QueryLog,
    pub(crate) shared: Shared,
    measured: OnceLock<Measured>,
    tracer: OnceLock<Tracer>,
}

/// What queries cost, as metrics.
struct Measured {
    waited: Summary,
    evaluated: Summary,
    samples: Counter,
}

/// One query's place in the list, until it is dropped.
pub struct Place {
    queries: Arc<Queries>,
    id: u64,
    entry: Arc<Entry>,
    outcome: &'static str,
    error: Option<String>,
}

impl Queries {
    /// An empty list. `max`: queries of clients that run or wait, at most.
    pub fn new(max: usize, clock: Clock) -> Arc<Queries> {
        let shared = Shared::new(clock.clone());
        Arc::new(Queries {
            lists: Mutex::default(),
            max,
            clock,
            log: QueryLog::default(),
            shared,
            measured: OnceLock::new(),
            tracer: OnceLock::new(),
        })
    }

    /// Registers what queries cost, under the names of Prometheus where it has one. `concurrency_max` is how many may run
    /// at once.
    pub fn register(self: &Arc<Self>, registry: &Registry, concurrency_max: usize) {
        let durations = registry.summaries(
            "prometheus_engine_query_duration_seconds",
            "How long queries took, by what was done: waiting in the queue, or evaluating and sending.",
            &["slice"],
            4,
        );
        let measured = Measured {
            waited: durations.with(&["queue_time"]),
            evaluated: durations.with(&["inner_eval"]),
            samples: registry
                .counter("prometheus_engine_query_samples_total", "Samples that queries looked at."),
        };
        let _ = self.measured.set(measured);
        let queries = self.clone();
        registry.gauge_fn("prometheus_engine_queries", "Queries that run or wait.", move || {
            queries.lists.lock().running.len() as f64
        });
        let most = concurrency_max as f64;
        registry.gauge("prometheus_engine_queries_concurrent_max", "Queries that may run at once.").set(most);
        let queries = self.clone();
        registry.counter_fn(
            "promontory_query_shared_answers_total",
            "Queries answered with what another client had asked for, as their max-age allowed.",
            move || queries.shared.joined() as f64,
        );
    }

    /// Logs every query that ends to this file, or none. A file that is open already is opened anew, so that
    /// one that was moved away is made again.
    pub fn log_to(&self, path: Option<&std::path::Path>) -> std::io::Result<()> {
        self.log.open(path)
    }

    /// Makes a span of each query that ends.
    pub fn trace(&self, tracer: Tracer) {
        let _ = self.tracer.set(tracer);
    }

    /// Enters a query, its whole text and who sent it; refused if too many wait already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        asked: Asked,
        from: (&str, &Client),
        cancel: Cancel,
        progress: Progress,
    ) -> Result<Place, ApiError> {
        self.insert(asked, from, cancel, progress, self.max)
    }

    /// Enters the evaluation of a rule. It is never refused, for there are only as many at once as groups
    /// may be evaluated.
    pub fn enter_rule(
        self: &Arc<Self>,
        rule: RuleAsks,
        query: &str,
        at_ms: i64,
        cancel: Cancel,
        progress: Progress,
    ) -> Option<Place> {
        let nobody = Client::default();
        let asked = Asked { rule: Some(rule), ..Asked::new(query, at_ms, at_ms, 0, &nobody) };
        let place = self.insert(asked, (query, &nobody), cancel, progress, usize::MAX).ok()?;
        place.set(Phase::Evaluating);
        Some(place)
    }

    fn insert(
        self: &Arc<Self>,
        asked: Asked,
        (text, client): (&str, &Client),
        cancel: Cancel,
        progress: Progress,
        max: usize,
    ) -> Result<Place, ApiError> {
        let entry = Arc::new(Entry {
            asked,
            logged: self.log.is_open().then(|| (text.to_string(), client.clone())),
            queue_seconds: OnceLock::new(),
            started_ms: self.clock.now_ms(),
            since: self.clock.mark(),
            phase: AtomicU8::new(Phase::Queued as u8),
            is_killed: AtomicBool::new(false),
            killed: Notify::new(),
            cancel,
            progress,
        });
        let mut lists = self.lists.lock();
        if lists.running.len() >= max {
            let message = format!("{} queries run or wait already; try again later", lists.running.len());
            return Err(ApiError::new(ErrorType::Unavailable, message));
        }
        lists.last_id += 1;
        let id = lists.last_id;
        lists.running.insert(id, entry.clone());
        Ok(Place { queries: self.clone(), id, entry, outcome: "canceled", error: None })
    }

    /// Stops a query; `false` if there is none of this number.
    fn kill(&self, id: u64) -> bool {
        let Some(entry) = self.lists.lock().running.get(&id).cloned() else { return false };
        entry.is_killed.store(true, Ordering::Relaxed);
        entry.cancel.cancel();
        entry.killed.notify_one();
        true
    }
}

impl Place {
    /// What the query is doing from now on.
    pub(crate) fn set(&self, phase: Phase) {
        if phase == Phase::Evaluating {
            let _ = self.entry.queue_seconds.set(self.entry.since.elapsed_seconds());
        }
        self.entry.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// How it ended: `success`, or the type of an error.
    pub fn end(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }

    /// How it failed, with the error's text.
    pub(crate) fn fail(&mut self, outcome: &'static str, error: &str) {
        self.outcome = outcome;
        self.error = Some(error.to_string());
    }

    /// Whether an operator stopped it.
    pub fn is_killed(&self) -> bool {
        self.entry.is_killed.load(Ordering::Relaxed)
    }

    /// Returns when an operator stops it.
    pub(crate) async fn killed(&self) {
        self.entry.killed.notified().await;
    }

    /// The cost so far.
    pub(crate) fn cost(&self) -> QueryStats {
        self.entry.progress.stats().unwrap_or_default()
    }
}

impl Place {
    /// A span of the query, which has ended just now.
    fn trace(&self, tracer: &Tracer, seconds: f64) {
        let asked = &self.entry.asked;
        let mut span = match &asked.rule {
            None => tracer.begin("query", Kind::Server),
            Some(_) => tracer.begin("rule", Kind::Internal),
        };
        if !span.is_followed() {
            return;
        }
        span.begin_earlier(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        span.set("query", asked.query.as_str());
        span.set("start", asked.start);
        span.set("end", asked.end);
        span.set("step", asked.step);
        if let Some(rule) = &asked.rule {
            span.set("rule.name", rule.name.as_str());
            span.set("rule.group", rule.group.as_str());
            span.set("rule.file", rule.file.as_str());
        }
        span.set("queue_seconds", self.entry.queue_seconds.get().copied().unwrap_or(seconds));
        let cost = self.cost();
        span.set("series", cost.series as i64);
        span.set("samples", cost.total_samples as i64);
        if self.outcome != "success" {
            span.fail(self.error.as_deref().unwrap_or(self.outcome));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let seconds = self.entry.since.elapsed_seconds();
        let now_ms = self.queries.clock.now_ms();
        if let Some(measured) = self.queries.measured.get() {
            let waited = self.entry.queue_seconds.get().copied();
            measured.waited.observe(waited.unwrap_or(seconds));
            if let Some(waited) = waited {
                measured.evaluated.observe(seconds - waited);
            }
            measured.samples.add(self.cost().total_samples);
        }
        if let Some((text, client)) = &self.entry.logged {
            let waited = self.entry.queue_seconds.get().copied();
            self.queries.log.write(&Ended {
                at_ms: now_ms,
                query: text,
                asked: &self.entry.asked,
                client,
                error: match self.outcome {
                    "success" => None,
                    outcome => Some(self.error.as_deref().unwrap_or(outcome)),
                },
                queue_seconds: waited.unwrap_or(seconds),
                stats: &self.cost(),
            });
        }
        if let Some(tracer) = self.queries.tracer.get() {
            self.trace(tracer, seconds);
        }
        let mut lists = self.queries.lists.lock();
        lists.running.remove(&self.id);
        lists.slowest.retain(|slow| slow.started_ms > now_ms - SLOWEST_FOR_MS);
        let at = lists.slowest.partition_point(|slow| slow.seconds >= seconds);
        if at >= SLOWEST_MAX {
            return;
        }
        let slow = Slow {
            asked: self.entry.asked.clone(),
            started_ms: self.entry.started_ms,
            seconds,
            outcome: if self.is_killed() { "killed" } else { self.outcome },
            stats: QueryStats { samples_per_step: Vec::new(), read_per_step: Vec::new(), ..self.cost() },
        };
        lists.slowest.insert(at, slow);
        lists.slowest.truncate(SLOWEST_MAX);
    }
}

/// A query's cost as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    /// Series selected.
    series_selected: u64,
    /// Samples decoded.
    samples_read: u64,
    /// Samples looked at, those in several windows several times.
    samples_looked_at: u64,
    /// Samples held at once, at most.
    peak_samples: u64,
    /// Bytes of rows held at once, at most.
    peak_bytes: u64,
}

impl From<&QueryStats> for Cost {
    fn from(stats: &QueryStats) -> Self {
        Cost {
            series_selected: stats.series,
            samples_read: stats.samples_read,
            samples_looked_at: stats.total_samples,
            peak_samples: stats.peak_samples,
            peak_bytes: stats.peak_bytes,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunningView<'a> {
    id: u64,
    #[serde(flatten)]
    asked: &'a Asked,
    state: &'static str,
    started_at: String,
    elapsed_seconds: f64,
    cost: Cost,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SlowView<'a> {
    #[serde(flatten)]
    asked: &'a Asked,
    outcome: &'static str,
    started_at: String,
    elapsed_seconds: f64,
    cost: Cost,
}

fn phase(entry: &Entry) -> &'static str {
    if entry.is_killed.load(Ordering::Relaxed) {
        return "stopping";
    }
    match entry.phase.load(Ordering::Relaxed) {
        0 => "queued",
        1 => "evaluating",
        _ => "sending",
    }
}

/// `GET /api/v1/status/queries`.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer {
    let lists = api.deps.queries.lists.lock();
    let running: Vec<RunningView<'_>> = lists
        .running
        .iter()
        .map(|(id, entry)| RunningView {
            id: *id,
            asked: &entry.asked,
            state: phase(entry),
            started_at: gocompat::layout::format_rfc3339_ms(entry.started_ms),
            elapsed_seconds: entry.since.elapsed_seconds(),
            cost: Cost::from(&entry.progress.stats().unwrap_or_default()),
        })
        .collect();
    let slowest: Vec<SlowView<'_>> = lists
        .slowest
        .iter()
        .map(|slow| SlowView {
            asked: &slow.asked,
            outcome: slow.outcome,
            started_at: gocompat::layout::format_rfc3339_ms(slow.started_ms),
            elapsed_seconds: slow.seconds,
            cost: Cost::from(&slow.stats),
        })
        .collect();
    let options = api.deps.engine.options();
    success(json!({
        "running": running,
        "slowest": slowest,
        "limits": {
            "concurrency": api.config.concurrency_max,
            "runningAndWaiting": api.deps.queries.max,
            "timeoutSeconds": api.config.timeout.as_secs_f64(),
            "samples": options.max_samples,
            "bytes": options.max_bytes,
        },
    }))
}

/// `DELETE /api/v1/status/queries/{id}` and `POST /api/v1/status/queries/{id}/kill`.
pub(crate) async fn kill(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    let number: u64 = id.parse().map_err(|_| {
        ApiError::bad_data(format!("{} is no number of a query", gocompat::quote::quote(&id)))
    })?;
    if !api.deps.queries.kill(number) {
        return Err(ApiError::new(ErrorType::NotFound, format!("query {number} does not run (any more)")));
    }
    tracing::info!(id = number, "a query was killed");
    success(json!({ "id": number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::new(query, 0, 0, 0, &Client::default())
    }

    #[test]
    fn only_the_slowest_queries_of_the_last_hour_are_remembered() {
        let clock = Clock::manual(10_000_000);
        let queries = Queries::new(1_000, clock.clone());
        let run = |name: &str, seconds: u64| {
            let place = queries
                .enter(asked(name), (name, &Client::default()), Cancel::default(), Progress::default())
                .unwrap();
            clock.advance(std::time::Duration::from_secs(seconds));
            drop(place);
        };
        run("old", 100);
        clock.advance(std::time::Duration::from_secs(3_600));
        for at in 0..60 {
            run(&at.to_string(), at % 10);
        }
        let lists = queries.lists.lock();
        assert_eq!(lists.slowest.len(), SLOWEST_MAX);
        assert_eq!(lists.slowest[0].seconds, 9.0);
        assert!(lists.slowest.iter().all(|slow| slow.asked.query != "old"));
    }

    #[test]
    fn more_than_the_limit_may_not_wait() {
        let queries = Queries::new(1, Clock::manual(0));
        let first = queries
            .enter(asked("a"), ("a", &Client::default()), Cancel::default(), Progress::default())
            .unwrap();
        let refused =
            queries.enter(asked("b"), ("b", &Client::default()), Cancel::default(), Progress::default());
        assert_eq!(refused.err().unwrap().error_type, ErrorType::Unavailable);
        drop(first);
        assert!(
            queries
                .enter(asked("b"), ("b", &Client::default()), Cancel::default(), Progress::default())
                .is_ok()
        );
    }
}
