//! `POST /api/ds/query`: queries of Grafana's panels to data sources of Prometheus's type, answered with data frames.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::units::parse_duration_ms;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use model::{Caller, CallerKind, Role};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::api::Sender;
use super::definition::{Family, Source};
use super::frames::{Asked, frames};
use super::proxy::{Ask, Proxy};
use crate::api::Sent;
use crate::error::Error;

/// Queries of one request.
const QUERIES_MAX: usize = 100;
/// The largest answer to one query.
const ANSWER_SIZE_MAX_BYTES: usize = 64 << 20;
/// Points of a series at most, as Prometheus has it.
const POINTS_MAX: i64 = 11_000;
/// Points of a series unless the query says how many.
const POINTS_DEFAULT: i64 = 100;
/// The interval at which series are taken to be scraped unless the data source says so.
const SCRAPE_INTERVAL_MS: i64 = 15_000;

/// What came of a query: its frames, or a status and why.
pub(crate) type Outcome = Result<Vec<Value>, (u16, String)>;

pub(super) async fn query(
    State(proxy): State<Proxy>,
    from: Sender,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Error> {
    let Sender(caller, peer) = from;
    if caller.role < Role::Viewer {
        return Err(Error::Forbidden("only those who may look at data may do this"));
    }
    let queries = sent.0.get("queries").and_then(Value::as_array).filter(|queries| !queries.is_empty());
    let queries = queries.ok_or_else(|| Error::bad("no queries found"))?;
    if queries.len() > QUERIES_MAX {
        return Err(Error::bad(format!("a request has {QUERIES_MAX} queries at most")));
    }
    let now_ms = proxy.sources.now_ms();
    let span = Span {
        from_ms: time(sent.0.get("from"), now_ms, now_ms - 3_600_000)?,
        to_ms: time(sent.0.get("to"), now_ms, now_ms)?,
    };
    if span.from_ms > span.to_ms {
        return Err(Error::bad("the range ends before it begins"));
    }
    let mut shared = HeaderMap::new();
    if let Some(age) = headers.get(header::CACHE_CONTROL) {
        shared.insert(header::CACHE_CONTROL, age.clone());
    }
    let mut running = JoinSet::new();
    for (at, query) in queries.iter().enumerate() {
        let query = query.as_object().cloned().unwrap_or_default();
        let ref_id =
            query.get("refId").and_then(Value::as_str).filter(|id| !id.is_empty()).unwrap_or("A").to_string();
        let (proxy, caller, headers) = (proxy.clone(), caller.clone(), shared.clone());
        running.spawn(async move {
            let base = |path: &str, body: String| Ask {
                caller: caller.clone(),
                peer,
                method: Method::POST,
                path: path.to_string(),
                query: None,
                headers: form(&headers),
                body: Bytes::from(body),
            };
            let outcome = answer(&proxy, &query, &ref_id, span, true, base).await;
            (at, ref_id, outcome)
        });
    }
    let mut outcomes = Vec::new();
    while let Some(done) = running.join_next().await {
        outcomes.extend(done.ok());
    }
    outcomes.sort_by_key(|(at, ..)| *at);
    let (mut results, mut has_error) = (Map::new(), false);
    for (_, ref_id, outcome) in outcomes {
        let result = match outcome {
            Ok(frames) => json!({"status": 200, "frames": frames}),
            Err((status, message)) => {
                has_error = true;
                json!({"status": status, "error": message, "errorSource": "downstream", "frames": []})
            }
        };
        results.insert(ref_id, result);
    }
    let status = if has_error { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, Json(json!({"results": results}))).into_response())
}

fn form(shared: &HeaderMap) -> HeaderMap {
    let mut headers = shared.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers
}

#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// Answers a query of a saved dashboard for whoever looks at it: as somebody who may only look, with answers that may
/// be as old as `headers` say, and without its text.
pub(crate) async fn answer_stranger(
    proxy: &Proxy,
    query: &Map<String, Value>,
    ref_id: &str,
    span: Span,
    headers: &HeaderMap,
) -> Outcome {
    let base = |path: &str, body: String| Ask {
        caller: Caller {
            uid: "".into(),
            login: "anonymous".into(),
            kind: CallerKind::Anonymous,
            role: Role::Viewer,
            teams: [].into(),
        },
        peer: None,
        method: Method::POST,
        path: path.to_string(),
        query: None,
        headers: form(headers),
        body: Bytes::from(body),
    };
    answer(proxy, query, ref_id, span, false, base).await
}

/// A time as clients write it: milliseconds as a number or text, or `now-1h`.
fn time(said: Option<&Value>, now_ms: i64, default: i64) -> Result<i64, Error> {
    let text = match said {
        None | Some(Value::Null) => return Ok(default),
        Some(Value::Number(number)) => {
            return Ok(number.as_i64().or(number.as_f64().map(|number| number as i64)).unwrap_or(default));
        }
        Some(Value::String(text)) => text.trim(),
        Some(_) => return Err(Error::bad("a range needs times")),
    };
    let wrong = || Error::bad(format!("{text:?} is no time: expected milliseconds or now-1h"));
    let Some(rest) = text.strip_prefix("now") else { return text.parse().map_err(|_| wrong()) };
    let (sign, rest) = match rest.as_bytes().first() {
        None => return Ok(now_ms),
        Some(b'-') => (-1, &rest[1..]),
        Some(b'+') => (1, &rest[1..]),
        Some(_) => return Err(wrong()),
    };
    // Months are no duration of Prometheus.
    let span_ms = match rest.strip_suffix('M') {
        Some(count) => count.parse::<i64>().ok().map(|count| count.saturating_mul(30 * 86_400_000)),
        None => parse_duration_ms(rest).ok(),
    };
    Ok(now_ms.saturating_add(span_ms.ok_or_else(wrong)?.saturating_mul(sign)))
}

async fn answer(
    proxy: &Proxy,
    query: &Map<String, Value>,
    ref_id: &str,
    span: Span,
    shows_text: bool,
    base: impl Fn(&str, String) -> Ask,
) -> Outcome {
    let text = |name: &str| query.get(name).and_then(Value::as_str).unwrap_or("");
    let is_on = |name: &str| query.get(name).and_then(Value::as_bool).unwrap_or(false);
    let source = source(proxy, query.get("datasource"), query.get("datasourceId"))?;
    if is_on("hide") {
        return Ok(Vec::new());
    }
    if source.family() != Family::Prometheus {
        let kind = &source.definition.kind;
        return Err((
            400,
            format!("queries of the type {kind} are asked by /api/datasources/proxy/uid/{}", source.uid),
        ));
    }
    let min_step_ms = min_step_ms(&source, text("interval"));
    let step_ms = step_ms(query, span, min_step_ms);
    let expr = interpolated(text("expr"), span, step_ms, min_step_ms);
    if expr.trim().is_empty() {
        return Err((400, "the query is empty".into()));
    }
    let is_instant = is_on("instant");
    let is_range = is_on("range") || !is_instant;
    let shown = if shows_text { &*expr } else { ref_id };
    let asked = Asked { ref_id, expr: shown, legend: text("legendFormat"), step_ms };
    let mut all = Vec::new();
    if is_range {
        // The same steps whenever it is asked.
        let start_ms = span.from_ms.div_euclid(step_ms) * step_ms;
        let end_ms = span.to_ms.div_euclid(step_ms) * step_ms;
        let body = encoded(&[
            ("query", &expr),
            ("start", &seconds(start_ms)),
            ("end", &seconds(end_ms)),
            ("step", &seconds(step_ms)),
        ]);
        let data = ask(proxy, &source, base("api/v1/query_range", body)).await?;
        all.extend(frames(&data, &asked));
    }
    if is_instant {
        let body = encoded(&[("query", &expr), ("time", &seconds(span.to_ms))]);
        let data = ask(proxy, &source, base("api/v1/query", body)).await?;
        all.extend(frames(&data, &Asked { step_ms: 0, ..asked }));
    }
    Ok(all)
}

/// The data source that a query names; the default one if it names none.
fn source(proxy: &Proxy, named: Option<&Value>, id: Option<&Value>) -> Result<Source, (u16, String)> {
    let uid = match named {
        Some(Value::String(uid)) => Some(uid.as_str()),
        Some(Value::Object(reference)) => reference.get("uid").and_then(Value::as_str),
        _ => None,
    };
    let found = match (uid.filter(|uid| !uid.is_empty() && *uid != "default"), id.and_then(Value::as_i64)) {
        (Some("__expr__"), _) => {
            return Err((400, "expressions are evaluated by alert rules here, not by panels".into()));
        }
        (Some(uid), _) => proxy.sources.by_uid(uid),
        (None, Some(id)) => proxy.sources.find(|source| source.id() == id),
        (None, None) => proxy.sources.find(|source| source.definition.is_default),
    };
    found.map_err(|error| (404, error.to_string()))
}

async fn ask(proxy: &Proxy, source: &Source, ask: Ask) -> Result<Value, (u16, String)> {
    let response = proxy.ask(source, ask).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), ANSWER_SIZE_MAX_BYTES).await;
    let body =
        body.map_err(|error| (502, format!("the answer of the data source cannot be read: {error}")))?;
    let mut said = serde_json::from_slice::<Value>(&body).ok();
    if status.is_success()
        && let Some(Value::Object(said)) = &mut said
        && said.get("status").and_then(Value::as_str) == Some("success")
    {
        return Ok(said.remove("data").unwrap_or(Value::Null));
    }
    let field = |name: &str| said.as_ref()?.get(name)?.as_str().map(str::to_string);
    let message = match (field("errorType"), field("error")) {
        (Some(kind), Some(error)) => format!("{kind}: {error}"),
        (None, Some(error)) => error,
        _ => format!("the data source answers {status} without a result"),
    };
    Err((if status.is_success() { 502 } else { status.as_u16() }, message))
}

/// The smallest step of a query: what it says, or else how often the data source scrapes.
fn min_step_ms(source: &Source, said: &str) -> i64 {
    let scraped = source.definition.text("timeInterval");
    [said.trim_start_matches('>'), scraped]
        .iter()
        .find_map(|text| parse_duration_ms(text).ok().filter(|ms| *ms > 0))
        .unwrap_or(SCRAPE_INTERVAL_MS)
}

fn step_ms(query: &Map<String, Value>, span: Span, min_step_ms: i64) -> i64 {
    let number =
        |name: &str| query.get(name).and_then(Value::as_f64).map(|number| number as i64).filter(|ms| *ms > 0);
    let range_ms = span.to_ms.saturating_sub(span.from_ms).max(1);
    let points = number("maxDataPoints").unwrap_or(POINTS_DEFAULT);
    let wanted_ms = number("intervalMs").unwrap_or_else(|| rounded(range_ms / points.max(1)));
    let factor = number("intervalFactor").unwrap_or(1);
    let least_ms = rounded(range_ms / POINTS_MAX + 1).max(1);
    wanted_ms.max(min_step_ms).saturating_mul(factor.max(1)).max(if range_ms / POINTS_MAX > 0 {
        least_ms
    } else {
        1
    })
}

/// The next interval upwards that people can read.
fn rounded(ms: i64) -> i64 {
    const STEPS_MS: [i64; 22] = [
        1, 5, 10, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
        600_000, 1_800_000, 3_600_000, 10_800_000, 43_200_000, 86_400_000,
    ];
    let day_ms = 86_400_000;
    STEPS_MS
        .into_iter()
        .find(|step| *step >= ms)
        .unwrap_or_else(|| ms.div_euclid(day_ms).saturating_add(1).saturating_mul(day_ms))
}

/// Puts in the variables that panels leave to the server.
fn interpolated(expr: &str, span: Span, step_ms: i64, min_step_ms: i64) -> String {
    let range_ms = span.to_ms.saturating_sub(span.from_ms);
    let duration = |ms: i64| if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{ms}ms") };
    let rate_ms = step_ms.saturating_add(min_step_ms).max(min_step_ms.saturating_mul(4));
    let mut text = expr.to_string();
    // Longer names first: some are the beginning of others.
    for (name, value) in [
        ("__rate_interval_ms", rate_ms.to_string()),
        ("__rate_interval", duration(rate_ms)),
        ("__interval_ms", step_ms.to_string()),
        ("__interval", duration(step_ms)),
        ("__range_ms", range_ms.to_string()),
        ("__range_s", (range_ms / 1000).to_string()),
        ("__range", duration(range_ms / 1000 * 1000)),
    ] {
        text = text.replace(&format!("${{{name}}}"), &value).replace(&format!("${name}"), &value);
    }
    text
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn seconds(ms: i64) -> String {
    if ms % 1000 == 0 {
        (ms / 1000).to_string()
    } else {
        format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_clients_write_them() {
        let now = 10_000_000_000;
        for (said, expected) in [
            (json!(null), 7),
            (json!(5), 5),
            (json!("1700000000000"), 1_700_000_000_000),
            (json!("now"), now),
            (json!("now-1h30m"), now - 5_400_000),
            (json!("now-1M"), now - 30 * 86_400_000),
        ] {
            assert_eq!(time(Some(&said), now, 7).unwrap(), expected, "{said}");
        }
        for said in [json!("yesterday"), json!("now-"), json!("nowhere"), json!([])] {
            assert!(time(Some(&said), now, 7).is_err(), "{said}");
        }
    }

    #[test]
    fn a_step_is_neither_finer_than_scrapes_nor_too_fine_for_the_range() {
        let span = |range_ms| Span { from_ms: 0, to_ms: range_ms };
        let query = |value: Value| value.as_object().unwrap().clone();
        for (said, range_ms, expected) in [
            (json!({"intervalMs": 1_000}), 3_600_000, 15_000),
            (json!({"intervalMs": 60_000}), 3_600_000, 60_000),
            (json!({"maxDataPoints": 100}), 3_600_000 * 24, 1_800_000),
            (json!({"intervalMs": 1}), 11_000 * 60_000, 120_000),
        ] {
            assert_eq!(step_ms(&query(said.clone()), span(range_ms), 15_000), expected, "{said}");
        }
        let text = interpolated(
            "rate(a[$__rate_interval]) + ${__interval_ms} + $__range",
            span(3_600_000),
            30_000,
            15_000,
        );
        assert_eq!(text, "rate(a[60s]) + 30000 + 3600s");
        assert_eq!((seconds(1_500), seconds(2_000)), ("1.500".into(), "2".into()));
    }
}
