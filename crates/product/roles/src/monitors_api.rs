//! `/api/v1/monitors`: how monitors are now, and how much of the time they were up.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::{Clock, units};
use model::storage::MetricReader;
use probe::monitor::{Monitors, Status};
use promql::{Engine, QueryLimits, SampleValue, Value};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

/// Monitors of an answer, unless it asks for less or more.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// The spans of time over which uptime is told.
const SPANS: [&str; 2] = ["24h", "30d"];
/// Answers that are computed at once: each reads a month of samples.
const ANSWERS_MAX: usize = 2;

/// What answers.
pub(crate) struct MonitorsApi {
    monitors: Monitors,
    engine: Arc<Engine>,
    reader: Arc<dyn MetricReader>,
    clock: Clock,
    computing: Arc<Semaphore>,
}

/// The route.
pub(crate) fn router(
    monitors: Monitors,
    engine: Arc<Engine>,
    reader: Arc<dyn MetricReader>,
    clock: Clock,
) -> Router {
    let computing = Arc::new(Semaphore::new(ANSWERS_MAX));
    let api = Arc::new(MonitorsApi { monitors, engine, reader, clock, computing });
    Router::new().route("/api/v1/monitors", get(list)).with_state(api)
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    state: Option<String>,
    after: String,
    limit: usize,
}

impl Asked {
    fn read(uri: &Uri) -> Result<Asked, String> {
        let mut asked = Asked { limit: LIMIT, ..Asked::default() };
        for pair in uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = net::client::percent_decoded(&value.replace('+', " "));
            let value = String::from_utf8(value.to_vec()).map_err(|_| format!("{name} is not UTF-8"))?;
            match name {
                "name" => asked.names.push(value),
                "state" => asked.state = Some(value),
                "after" => asked.after = value,
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    asked.limit =
                        limit.ok_or_else(|| format!("limit: expected 1 to {LIMIT_MAX}, found {value:?}"))?;
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// `down` also while it is not known whether it would be reachable: that stands beside it.
fn state(status: &Status) -> &'static str {
    match (status.last, status.up, status.reachable) {
        (None, ..) => "unknown",
        (_, true, _) => "up",
        (_, false, true) => "down",
        (_, false, false) => "unreachable",
    }
}

async fn list(State(api): State<Arc<MonitorsApi>>, uri: Uri) -> Response {
    let asked = match Asked::read(&uri) {
        Ok(asked) => asked,
        Err(error) => {
            let body = json!({"status": "error", "errorType": "bad_data", "error": error});
            return answer(StatusCode::BAD_REQUEST, &body);
        }
    };
    let all = api.monitors.status();
    let matching = all.into_iter().filter(|status| {
        let name = &status.monitor.name;
        (asked.names.is_empty() || asked.names.contains(name))
            && asked.state.as_deref().is_none_or(|wanted| wanted == state(status))
            && (asked.after.is_empty() || *name > asked.after)
    });
    let matching: Vec<Status> = matching.collect();
    let total = matching.len();
    let shown: Vec<Status> = matching.into_iter().take(asked.limit).collect();
    let Ok(permit) = api.computing.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let names: Vec<String> = shown.iter().map(|status| status.monitor.name.clone()).collect();
    let computing = {
        let api = api.clone();
        tokio::task::spawn_blocking(move || {
            // Held until it is computed, also where nobody waits for it any more.
            let _permit = permit;
            SPANS.map(|span| uptimes(&api, &names, span))
        })
    };
    let Ok(uptimes) = computing.await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut warnings: Vec<&String> = uptimes.iter().filter_map(|of_span| of_span.as_ref().err()).collect();
    warnings.dedup();
    let view = |status: &Status| {
        let monitor = &status.monitor;
        let last = status.last.map(|last| {
            json!({
                "time": gocompat::layout::format_rfc3339_ms(last.at_ms),
                "success": last.success,
                "duration": last.duration_seconds,
            })
        });
        let uptime: serde_json::Map<String, Json> = SPANS
            .iter()
            .zip(&uptimes)
            .map(|(span, found)| {
                let share = found.as_ref().ok().and_then(|found| found.get(&monitor.name));
                (span.to_string(), json!(share))
            })
            .collect();
        let tags: serde_json::Map<String, Json> =
            monitor.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "name": monitor.name,
            "target": monitor.target,
            "interval": units::format_duration_ms(monitor.interval_ms),
            "owner": monitor.owner,
            "tags": tags,
            "dependsOn": monitor.depends_on,
            "state": state(status),
            "dependenciesUp": status.reachable,
            "lastProbe": last,
            "uptime": uptime,
        })
    };
    let monitors: Vec<Json> = shown.iter().map(view).collect();
    let mut body = json!({"status": "success", "data": {"monitors": monitors, "total": total}});
    if !warnings.is_empty()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("warnings".into(), json!(warnings));
    }
    answer(StatusCode::OK, &body)
}

fn answer(status: StatusCode, body: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The share of a span's samples in which each monitor counted as up. Blocks.
fn uptimes(api: &MonitorsApi, names: &[String], span: &str) -> Result<HashMap<String, f64>, String> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let pattern: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    let selector = format!(
        "monitor_up{{job=\"monitors\",monitor=~{}}}[{span}]",
        gocompat::quote::quote(&pattern.join("|"))
    );
    // Several series where tags have changed since.
    let text = format!(
        "sum by (monitor) (sum_over_time({selector})) / sum by (monitor) (count_over_time({selector}))"
    );
    let expr = promql::parse(&text, &promql::Features::default()).map_err(|error| error.to_string())?;
    let limits = QueryLimits::default();
    let found = api.engine.instant(api.reader.as_ref(), &expr, &text, api.clock.now_ms(), &limits);
    let found = found.map_err(|error| format!("uptime over {span}: {error}"))?;
    let Value::Vector(samples) = found.value else { return Ok(HashMap::new()) };
    let shares = samples.into_iter().filter_map(|sample| match sample.value {
        SampleValue::Float(share) => Some((sample.labels.value("monitor").to_string(), share)),
        SampleValue::Histogram(_) => None,
    });
    Ok(shares.collect())
}

/// A text that a regular expression matches literally.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_and_bad_ones_named() {
        let asked = Asked::read(&Uri::from_static("/x?name=a%20b&name=c+d&limit=5&after=b")).unwrap();
        assert_eq!(
            (asked.names, asked.limit, asked.after),
            (vec!["a b".into(), "c d".into()], 5, "b".into())
        );
        for wrong in ["/x?limit=0", "/x?limit=1001", "/x?limit=a"] {
            assert!(
                Asked::read(&Uri::from_static(wrong)).is_err_and(|error| error.starts_with("limit: ")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn names_match_themselves_alone() {
        assert_eq!(escaped("a.b (c)|d"), r"a\.b \(c\)\|d");
    }
}
