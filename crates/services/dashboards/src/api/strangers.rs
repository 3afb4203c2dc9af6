//! What whoever has the token of a public dashboard may ask: the dashboard, the data of its panels, its annotations.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Answer, Parameters, Path, Sent, time};
use crate::error::Error;
use crate::public::panels::{self, Panel};
use crate::public::values::{Values, pin};
use crate::public::visitors::Visitor;
use crate::public::{Shown, times, without_queries};
use crate::service::Dashboards;
use crate::sources::Origin;
use crate::sources::proxy::Proxy;
use crate::sources::questions::{Span, answer_stranger};

/// The largest body of a stranger's request.
const REQUEST_SIZE_MAX_BYTES: usize = 16 << 10;
/// Points of a series for a stranger.
const POINTS_MAX: i64 = 2_000;
const POINTS_DEFAULT: i64 = 800;
/// Queries of a panel that are asked.
const QUERIES_MAX: usize = 50;
/// How far time goes before strangers are shown something newer: all who ask meanwhile are answered alike.
const GRAIN_MS: i64 = 10_000;
/// How long an answer is used for others.
const SHARED_FOR: Duration = Duration::from_secs(30);
/// How long a stranger waits for a turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Annotations of an answer.
const ANNOTATIONS_MAX: usize = 1_000;
/// The interval at which a server scrapes that does not say it, and the longest one that is usual.
const SCRAPE_INTERVAL_MS: i64 = 15_000;
const SCRAPE_INTERVAL_MAX_MS: i64 = 60_000;
/// Data sources that are no servers: the page shows what they have by itself.
const NO_SERVERS: [&str; 3] = ["-- Dashboard --", "grafana", "-- Grafana --"];
const EXPRESSIONS: &str = "__expr__";

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/public/dashboards/{token}", get(see))
        .route("/api/public/dashboards/{token}/annotations", get(annotations))
}

/// The route of panels' data, which needs the data sources.
pub(crate) fn query_router(dashboards: Dashboards, proxy: Proxy) -> Router {
    Router::new()
        .route("/api/public/dashboards/{token}/panels/{panel}/query", post(query))
        .layer(DefaultBodyLimit::max(REQUEST_SIZE_MAX_BYTES))
        .with_state((dashboards, proxy))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Visitor>().copied().unwrap_or_default())
    }
}

/// What was computed for somebody else a moment ago, or what is computed now if this visitor may have that.
async fn shared<Made: Future<Output = Answer>>(
    dashboards: &Dashboards,
    visitor: Visitor,
    question: (String, Bytes),
    make: impl FnOnce() -> Made,
) -> Response {
    let strangers = dashboards.strangers();
    let answer = || async {
        if let Err(error) = strangers.visitors.count(visitor) {
            return error.into_response();
        }
        let turn = tokio::time::timeout(TURN_TIMEOUT, strangers.permits.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Error::TooFast { retry_seconds: 10 }.into_response() };
        make().await.into_response()
    };
    strangers.shared.answer(question, SHARED_FOR, answer).await
}

/// The dashboard without the texts of its queries.
async fn see(
    State(dashboards): State<Dashboards>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Error> {
    let shown = dashboards.shown_publicly(&token)?;
    let question = (format!("see {}", shown.revision()), Bytes::new());
    Ok(shared(&dashboards, visitor, question, || whole(&dashboards, &shown)).await)
}

async fn whole(dashboards: &Dashboards, shown: &Shown) -> Answer {
    let Shown { card, public } = shown;
    let mut spec = dashboards.whole_spec(card).await?;
    pin(&mut spec, &public.variables);
    without_queries(&mut spec);
    if !public.annotations_enabled {
        spec.insert("annotations".into(), json!({"list": []}));
    }
    let interval = format!("{}s", SCRAPE_INTERVAL_MS / 1_000);
    Ok(Json(json!({
        "dashboard": spec,
        "meta": {
            "type": "db", "slug": card.slug(), "version": card.version, "isFolder": false, "canSave": false,
            "canEdit": false, "canAdmin": false, "canStar": false, "canDelete": false, "isPublic": true,
            "publicDashboardEnabled": true, "provisioned": false, "created": time(card.created_ms),
            "updated": time(card.updated_ms), "annotationsEnabled": public.annotations_enabled,
            "timeSelectionEnabled": public.time_selection_enabled, "expires": "0001-01-01T00:00:00Z",
            "scrapeInterval": interval,
        },
    })))
}

/// The range of a dashboard as it was saved: from, to, and its zone.
fn saved_range(spec: &Map<String, Value>) -> (String, String, String) {
    let text = |object: Option<&Value>, name: &str, default: &str| {
        let found = object.and_then(|object| object.get(name)?.as_str());
        found.unwrap_or(default).to_string()
    };
    // The v2 schema has them together.
    let settings = spec.get("timeSettings");
    let time = settings.or_else(|| spec.get("time"));
    let zone = match settings {
        Some(settings) => text(Some(settings), "timezone", ""),
        None => spec.get("timezone").and_then(Value::as_str).unwrap_or("").to_string(),
    };
    (text(time, "from", "now-6h"), text(time, "to", "now"), zone)
}

/// What is asked about: the saved range, unless visitors may choose one.
fn asked_range(spec: &Map<String, Value>, asked: &Asked, now_ms: i64) -> ((i64, i64), TimeZone) {
    let (from, to, zone) = saved_range(spec);
    let zone = times::zone(&zone, &asked.zone);
    let (from, to) = match &asked.chosen {
        Some((chosen_from, chosen_to)) => (chosen_from, chosen_to),
        None => (&from, &to),
    };
    (times::range(from, to, now_ms, &zone), zone)
}

/// What of a visitor's wishes counts.
struct Asked {
    /// From and to, if visitors may choose a range and this one did.
    chosen: Option<(String, String)>,
    zone: String,
    points: i64,
    /// At what the variables stand by which a panel is repeated.
    repeated: Map<String, Value>,
}

impl Asked {
    fn read(sent: &Map<String, Value>, may_choose: bool) -> Asked {
        let range = sent.get("timeRange");
        let text = |name: &str| match range?.get(name)? {
            Value::String(text) if text.len() <= 100 => Some(text.clone()),
            Value::Number(ms) => Some(ms.to_string()),
            _ => None,
        };
        let points = sent.get("maxDataPoints").and_then(Value::as_i64).unwrap_or(POINTS_DEFAULT);
        Asked {
            chosen: text("from").zip(text("to")).filter(|_| may_choose),
            zone: text("timezone").unwrap_or_default(),
            points: points.clamp(1, POINTS_MAX),
            repeated: sent.get("repeat").and_then(Value::as_object).cloned().unwrap_or_default(),
        }
    }
}

/// The data of a panel, as its own queries have it.
async fn query(
    State((dashboards, proxy)): State<(Dashboards, Proxy)>,
    visitor: Visitor,
    Path((token, panel)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Error> {
    let shown = dashboards.shown_publicly(&token)?;
    let panel: i64 = panel.parse().map_err(|_| Error::bad("panelId is invalid"))?;
    let asked = Asked::read(&sent.0, shown.public.time_selection_enabled);
    let now_ms = dashboards.now_ms().div_euclid(GRAIN_MS) * GRAIN_MS;
    let question =
        json!([shown.revision(), panel, asked.chosen, asked.zone, asked.points, asked.repeated, now_ms]);
    let question = ("query".to_string(), Bytes::from(question.to_string()));
    let make = || panel_data(&dashboards, &proxy, &shown, panel, asked, now_ms);
    Ok(shared(&dashboards, visitor, question, make).await)
}

async fn panel_data(
    dashboards: &Dashboards,
    proxy: &Proxy,
    shown: &Shown,
    panel: i64,
    asked: Asked,
    now_ms: i64,
) -> Answer {
    let mut spec = dashboards.whole_spec(&shown.card).await?;
    let Some(panel) = panels::find(&mut spec, panel) else { return Err(Error::NotFound("Panel not found")) };
    let values = Values::read(&spec, &shown.public.variables).repeated(&asked.repeated)?;
    let (range, zone) = asked_range(&spec, &asked, now_ms);
    let (from_ms, to_ms) =
        times::of_panel(range, &values.raw(&panel.time_from), &values.raw(&panel.time_shift), &zone);
    let scrape_ms = scrape_interval_ms(proxy).await;
    let needs_hidden = panel.targets.iter().any(|target| reference(&panel, target).0 == EXPRESSIONS);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=10"));
    let asks = panel.targets.iter().take(QUERIES_MAX).filter_map(|target| {
        let is_hidden = target.get("hide").and_then(Value::as_bool).unwrap_or(false);
        let (name, kind) = reference(&panel, target);
        let is_asked =
            name != EXPRESSIONS && kind != EXPRESSIONS && !NO_SERVERS.contains(&name) && kind != "grafana";
        (is_asked && (!is_hidden || needs_hidden)).then_some((target, name, kind))
    });
    let mut results = Map::new();
    for (target, name, kind) in asks {
        let ref_id = target.get("refId").and_then(Value::as_str).unwrap_or("A");
        let outcome = if values.has_filters {
            Err((400, "filters of a dashboard are not applied publicly".into()))
        } else {
            match proxy.sources.meant(&values.raw(name), kind) {
                None => Err((404, "its data source is not there".into())),
                Some(source) => {
                    let mut target = target.clone();
                    target.remove("hide");
                    target.remove("intervalMs");
                    let expr = target.get("expr").and_then(Value::as_str).unwrap_or("");
                    let ends = [("__from", from_ms.to_string()), ("__to", to_ms.to_string())];
                    let expr = values.promql(expr, &ends);
                    let own = target.get("interval").and_then(Value::as_str).unwrap_or("");
                    let mut interval = values.raw(if own.is_empty() { &panel.interval } else { own });
                    if interval.is_empty() && source.origin == Origin::Own {
                        interval = format!("{scrape_ms}ms");
                    }
                    let points = panel.points.filter(|points| *points > 0).unwrap_or(asked.points);
                    for (field, value) in [
                        ("expr", json!(expr)),
                        ("interval", json!(interval)),
                        ("maxDataPoints", json!(points.min(POINTS_MAX))),
                        ("datasource", json!({"uid": source.uid})),
                    ] {
                        target.insert(field.into(), value);
                    }
                    answer_stranger(proxy, &target, ref_id, Span { from_ms, to_ms }, &headers).await
                }
            }
        };
        let result = match outcome {
            Ok(frames) => json!({"status": 200, "frames": frames}),
            Err((status, message)) => {
                // It may name what strangers need not know.
                tracing::debug!("a query of the public dashboard {} failed: {message}", shown.card.uid);
                json!({"status": status, "error": told(status), "frames": []})
            }
        };
        results.insert(ref_id.into(), result);
    }
    Ok(Json(json!({"results": results, "range": {"from": from_ms, "to": to_ms}})))
}

/// What strangers are told of a failure.
fn told(status: u16) -> &'static str {
    match status {
        400 => "This query cannot be shown publicly.",
        404 => "The data source of this query is not there.",
        422 | 503 => "This query is too much for the server at the moment.",
        _ => "The data source did not answer.",
    }
}

/// The data source of a query, by name or uid and by type: its panel's, unless that one leaves it to the queries.
fn reference<'a>(panel: &'a Panel, target: &'a Map<String, Value>) -> (&'a str, &'a str) {
    fn read(value: Option<&Value>) -> (&str, &str) {
        let field = |name: &str| value?.get(name)?.as_str();
        match value {
            Some(Value::String(name)) => (name, ""),
            _ => {
                (field("uid").unwrap_or(""), field("type").filter(|kind| *kind != "datasource").unwrap_or(""))
            }
        }
    }
    let own = read(target.get("datasource"));
    if own.0 == EXPRESSIONS || own.1 == EXPRESSIONS {
        return (EXPRESSIONS, EXPRESSIONS);
    }
    match &panel.datasource {
        Some(source) if read(Some(source)).0 != "-- Mixed --" => read(Some(source)),
        _ => own,
    }
}

/// The interval that rates have to allow for: the longest usual one of the configuration.
async fn scrape_interval_ms(proxy: &Proxy) -> i64 {
    let Some(yaml) = proxy.own_config().await else { return SCRAPE_INTERVAL_MS };
    let said = yaml.lines().filter_map(|line| {
        let text = line.trim_start_matches([' ', '-', '\t']).strip_prefix("scrape_interval:")?;
        base::units::parse_duration_ms(text.trim().trim_matches(['"', '\''])).ok()
    });
    said.filter(|ms| *ms <= SCRAPE_INTERVAL_MAX_MS).fold(SCRAPE_INTERVAL_MS, i64::max)
}

/// What people and tools have noted, if visitors are shown that.
async fn annotations(
    State(dashboards): State<Dashboards>,
    visitor: Visitor,
    Path(token): Path<String>,
    parameters: Parameters,
) -> Result<Response, Error> {
    let shown = dashboards.shown_publicly(&token)?;
    let text = |name: &str| parameters.text(name).filter(|text| text.len() <= 100).map(str::to_string);
    let asked = Asked {
        chosen: text("from").zip(text("to")).filter(|_| shown.public.time_selection_enabled),
        zone: text("timezone").unwrap_or_default(),
        points: 0,
        repeated: Map::new(),
    };
    let now_ms = dashboards.now_ms().div_euclid(GRAIN_MS) * GRAIN_MS;
    let question = json!([shown.revision(), asked.chosen, asked.zone, now_ms]);
    let question = ("annotations".to_string(), Bytes::from(question.to_string()));
    let make = || noted(&dashboards, &shown, asked, now_ms);
    Ok(shared(&dashboards, visitor, question, make).await)
}

async fn noted(dashboards: &Dashboards, shown: &Shown, asked: Asked, now_ms: i64) -> Answer {
    if !shown.public.annotations_enabled {
        return Ok(Json(json!([])));
    }
    let spec = dashboards.whole_spec(&shown.card).await?;
    let ((from_ms, to_ms), _) = asked_range(&spec, &asked, now_ms);
    let list = match spec.get("annotations") {
        Some(Value::Array(list)) => list.iter().filter_map(|query| query.get("spec")).collect(),
        Some(Value::Object(annotations)) => {
            annotations.get("list").and_then(Value::as_array).into_iter().flatten().collect()
        }
        _ => Vec::new(),
    };
    let mut events = Vec::new();
    let index = dashboards.store().index();
    for query in list {
        let Some(tags) = wanted_tags(query) else { continue };
        let found = index.annotations.values().map(|kept| &kept.value).filter(|annotation| {
            let has = |tag: &String| annotation.tags.contains(tag);
            let is_meant = match &tags {
                // Those of other dashboards may not be for everybody.
                None => *annotation.dashboard == *shown.card.uid,
                Some((tags, true)) => annotation.dashboard.is_empty() && tags.iter().any(has),
                Some((tags, false)) => annotation.dashboard.is_empty() && tags.iter().all(has),
            };
            is_meant && annotation.start_ms <= to_ms && annotation.end_ms >= from_ms
        });
        events.extend(found.take(ANNOTATIONS_MAX).map(|annotation| {
            json!({
                "id": annotation.id, "dashboardUID": shown.card.uid, "panelId": annotation.panel,
                "time": annotation.start_ms, "timeEnd": annotation.end_ms, "text": annotation.text,
                "tags": annotation.tags, "isRegion": annotation.end_ms > annotation.start_ms,
                "color": query.get("iconColor"),
                "source": {"name": query.get("name"), "iconColor": query.get("iconColor")},
            })
        }));
    }
    events.truncate(ANNOTATIONS_MAX);
    Ok(Json(Value::Array(events)))
}

/// Which annotations a query means: of the dashboard (`Some(None)`), or with all or any of these tags. `None` for what
/// asks a data source, or is switched off.
#[allow(clippy::option_option)]
fn wanted_tags(query: &Value) -> Option<Option<(Vec<String>, bool)>> {
    let is_on = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
    if !is_on(query.get("enable")) {
        return None;
    }
    let source = query.get("datasource");
    let field = |name: &str| source?.get(name)?.as_str();
    let is_ours = is_on(query.get("builtIn"))
        || query.get("builtIn").and_then(Value::as_i64) == Some(1)
        || field("type") == Some("grafana")
        || source.and_then(Value::as_str) == Some("-- Grafana --");
    if !is_ours {
        return None;
    }
    let target = query.get("target").unwrap_or(&Value::Null);
    let kind = target.get("type").or_else(|| query.get("type")).and_then(Value::as_str);
    if kind != Some("tags") {
        return Some(None);
    }
    let tags = target.get("tags").or_else(|| query.get("tags")).and_then(Value::as_array);
    let tags: Vec<String> =
        tags.into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_string)).collect();
    (!tags.is_empty()).then(|| Some((tags, is_on(target.get("matchAny")))))
}
