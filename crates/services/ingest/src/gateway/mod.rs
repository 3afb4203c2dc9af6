//! The Pushgateway's API, for jobs that end before they could be scraped: what they push stays, by groups, and is
//! scraped from here.

mod file;
mod groups;
mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get, put};
use base::Clock;
use exposition::registry::{Counter, Registry};
use exposition::{Format, TextWriter};
use model::MetricType;
use parking_lot::RwLock;
use serde_json::json;

use groups::{Bounds, GroupingKey, Groups};

/// Settings of the gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Where groups are written, so that they survive a restart; `None` for nowhere.
    pub persistence_file: Option<PathBuf>,
    /// Whether pushes are checked against what is there.
    pub check: bool,
    /// Groups that nothing was pushed to for so long are deleted; `None` keeps them until they are deleted.
    pub group_age_max_ms: Option<i64>,
    /// Whether `PUT /api/v1/admin/wipe` deletes all groups.
    pub admin_api: bool,
    /// Size of a push.
    pub body_size_max_bytes: usize,
    /// Groups that are kept.
    pub groups_max: usize,
    /// Samples of all groups.
    pub samples_max: usize,
    /// The flags, as `/api/v1/status` shows them.
    pub flags: BTreeMap<String, String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        GatewayConfig {
            persistence_file: None,
            check: true,
            group_age_max_ms: None,
            admin_api: false,
            body_size_max_bytes: 16 << 20,
            groups_max: 100_000,
            samples_max: 5_000_000,
            flags: BTreeMap::new(),
        }
    }
}

/// Holds what jobs pushed.
pub struct Gateway {
    config: GatewayConfig,
    clock: Clock,
    started_ms: i64,
    groups: RwLock<Groups>,
    changed: AtomicBool,
    metrics: Metrics,
}

struct Metrics {
    pushes: Counter,
    pushes_refused: Counter,
    groups_expired: Counter,
}

impl Gateway {
    /// A gateway with the groups of its file, which counts what it does in `registry`.
    pub fn open(config: GatewayConfig, registry: &Registry, clock: Clock) -> Gateway {
        let groups = config.persistence_file.as_deref().map(file::read).transpose().unwrap_or_else(|error| {
            tracing::error!(error, "the groups that were pushed cannot be read");
            None
        });
        let metrics = Metrics {
            pushes: registry.counter("promontory_gateway_pushes_total", "Pushes of jobs that came in."),
            pushes_refused: registry
                .counter("promontory_gateway_pushes_refused_total", "Pushes of jobs that were refused."),
            groups_expired: registry.counter(
                "promontory_gateway_groups_expired_total",
                "Groups that were deleted because nothing was pushed to them for too long.",
            ),
        };
        Gateway {
            started_ms: clock.now_ms(),
            config,
            clock,
            groups: RwLock::new(groups.unwrap_or_default()),
            changed: AtomicBool::new(false),
            metrics,
        }
    }

    /// Writes the groups to their file if they have changed, and deletes those that are too old. To be called
    /// every now and then, and at the end. Blocks.
    pub fn persist(&self) -> Result<(), String> {
        if let Some(age_ms) = self.config.group_age_max_ms {
            let expired = self.groups.write().expire(self.clock.now_ms().saturating_sub(age_ms));
            self.metrics.groups_expired.add(expired as u64);
            self.changed.fetch_or(expired > 0, Ordering::AcqRel);
        }
        let Some(path) = &self.config.persistence_file else { return Ok(()) };
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let groups = self.groups.read().clone();
        file::write(path, &groups).inspect_err(|_| self.changed.store(true, Ordering::Release))
    }

    /// Adds all metrics that were pushed to a page.
    pub fn write(&self, out: &mut TextWriter<'_>) {
        self.groups.read().write(out);
    }

    /// The routes, to be mounted at the root or under a prefix; `/metrics` is `telemetry_path`, and shows the metrics
    /// of `own` too.
    pub fn router(self: &Arc<Self>, telemetry_path: &str, own: Option<Registry>) -> Router {
        let mut router = Router::new()
            .route("/", get(landing))
            .route(telemetry_path, get(move |gateway| metrics_page(gateway, own.clone())))
            .route("/metrics/{*group}", any(change))
            .route("/api/v1/metrics", get(list))
            .route("/api/v1/status", get(status));
        if self.config.admin_api {
            router = router.route("/api/v1/admin/wipe", put(wipe));
        }
        router.with_state(self.clone())
    }

    fn change(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let bad = |message: String| (StatusCode::BAD_REQUEST, message + "\n").into_response();
        let key = match grouping_key(path) {
            Ok(key) => key,
            Err(message) => return bad(message),
        };
        let now_ms = self.clock.now_ms();
        if method == Method::DELETE {
            self.groups.write().0.remove(&key);
            self.changed.store(true, Ordering::Release);
            return StatusCode::ACCEPTED.into_response();
        }
        self.metrics.pushes.inc();
        let replace = method == Method::PUT;
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        // Anything else is read as text.
        let format = match content_type.starts_with("application/vnd.google.protobuf") {
            true => Format::Protobuf,
            false => Format::Text,
        };
        let parsed = groups::read(body, format, &key, now_ms);
        let is_timed = parsed.as_ref().is_err_and(|error| error.contains("timestamps"));
        let pushed = match parsed {
            Ok(pushed) => pushed,
            Err(error) if !is_timed => {
                self.metrics.pushes_refused.inc();
                return bad(error);
            }
            Err(error) => return self.refuse(&key, &error, now_ms),
        };
        let mut groups = self.groups.write();
        if self.config.check {
            let reserved = BTreeMap::from([
                (groups::PUSH_TIME.to_string(), MetricType::Gauge),
                (groups::PUSH_FAILURE_TIME.to_string(), MetricType::Gauge),
            ]);
            let bounds = Bounds { groups_max: self.config.groups_max, samples_max: self.config.samples_max };
            if let Err(error) = groups.check(&key, &pushed, &reserved, bounds) {
                drop(groups);
                return self.refuse(&key, &error, now_ms);
            }
        }
        groups.put(&key, pushed, replace, now_ms);
        drop(groups);
        self.changed.store(true, Ordering::Release);
        if self.config.check { StatusCode::OK.into_response() } else { StatusCode::ACCEPTED.into_response() }
    }

    fn refuse(&self, key: &GroupingKey, error: &str, now_ms: i64) -> Response {
        self.metrics.pushes_refused.inc();
        let mut groups = self.groups.write();
        if groups.0.contains_key(key) || groups.0.len() < self.config.groups_max {
            groups.fail(key, now_ms);
        }
        self.changed.store(true, Ordering::Release);
        let message = format!("pushed metrics are invalid or inconsistent with existing metrics: {error}\n");
        (StatusCode::BAD_REQUEST, message).into_response()
    }
}

/// The group that a path names: `job/NAME`, then names and values in turn; `@base64` behind a name says that
/// its value is encoded.
fn grouping_key(path: &str) -> Result<GroupingKey, String> {
    let parts: Vec<String> = path
        .split('/')
        .map(|part| String::from_utf8_lossy(&net::client::percent_decoded(part)).into_owned())
        .collect();
    let (job, labels) = match parts.split_first() {
        Some((first, rest)) if first == "job" || first == "job@base64" => {
            let (job, labels) = rest.split_first().ok_or("job name is required")?;
            let job = match first.ends_with("@base64") {
                true => decode(job)
                    .map_err(|why| format!("invalid base64 encoding in job name {job:?}: {why}"))?,
                false => job.clone(),
            };
            (job, labels)
        }
        _ => return Err("the path of a push begins with /metrics/job/".into()),
    };
    if job.is_empty() {
        return Err("job name is required".into());
    }
    let mut key = GroupingKey::new();
    let labels = if labels == [""] { &[] } else { labels };
    let (pairs, []) = labels.as_chunks::<2>() else {
        return Err(format!(
            "odd number of components in label string {:?}",
            format!("/{}", labels.join("/"))
        ));
    };
    for [name, value] in pairs {
        let trimmed = name.strip_suffix("@base64").unwrap_or(name);
        if !model::labels::is_plain_label_name(trimmed) || trimmed.starts_with("__") {
            return Err(format!("improper label name {trimmed:?}"));
        }
        let value = match trimmed.len() == name.len() {
            true => value.clone(),
            false => decode(value)
                .map_err(|why| format!("invalid base64 encoding for label {trimmed}={value:?}: {why}"))?,
        };
        key.insert(trimmed.to_string(), value);
    }
    key.insert("job".into(), job);
    Ok(key)
}

/// Base64 in the alphabet of URLs, padded or not.
fn decode(text: &str) -> Result<String, String> {
    let (mut word, mut bits, mut bytes) = (0u32, 0, Vec::new());
    for (at, byte) in text.trim_end_matches('=').bytes().enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return Err(format!("illegal base64 data at input byte {at}")),
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    String::from_utf8(bytes).map_err(|_| "not a text".into())
}

async fn change(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !matches!(parts.method, Method::PUT | Method::POST | Method::DELETE) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Ok(body) = to_bytes(body, gateway.config.body_size_max_bytes).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the push is too large\n").into_response();
    };
    let work = move || {
        let path = parts.uri.path();
        let group = path.split_once("/metrics/").map_or("", |(_, group)| group);
        gateway.change(&parts.method, group, &parts.headers, &body)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn landing(State(gateway): State<Arc<Gateway>>, OriginalUri(uri): OriginalUri) -> Response {
    // The links of the page are relative.
    if !uri.path().ends_with('/') {
        return Redirect::permanent(&format!("{}/", uri.path())).into_response();
    }
    let page = page::render(&gateway.groups.read(), time);
    Html(page).into_response()
}

async fn metrics_page(State(gateway): State<Arc<Gateway>>, own: Option<Registry>) -> Response {
    let mut out = Vec::new();
    gateway.write(&mut TextWriter::new(&mut out));
    if let Some(own) = own {
        own.collect(&mut TextWriter::new(&mut out));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8; escaping=values")], out)
        .into_response()
}

fn answer(data: serde_json::Value) -> Response {
    let body = json!({"status": "success", "data": data}).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn time(time_ms: i64) -> String {
    gocompat::layout::format_ms("2006-01-02T15:04:05.999999999Z07:00", time_ms)
}

async fn list(State(gateway): State<Arc<Gateway>>) -> Response {
    let groups = gateway.groups.read().json(time);
    answer(groups)
}

async fn status(State(gateway): State<Arc<Gateway>>) -> Response {
    answer(json!({
        "flags": gateway.config.flags,
        "start_time": time(gateway.started_ms),
        "build_information": {"version": env!("CARGO_PKG_VERSION")},
    }))
}

async fn wipe(State(gateway): State<Arc<Gateway>>) -> StatusCode {
    gateway.groups.write().0.clear();
    gateway.changed.store(true, Ordering::Release);
    StatusCode::ACCEPTED
}
