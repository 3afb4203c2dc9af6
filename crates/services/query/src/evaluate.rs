//! Expressions: evaluated at one time and over a range, formatted, taken apart.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::{Exemplar, Matcher};
use promql::{Cancel, Emit, Explain, Expr, Progress, QueryError, QueryLimits, QueryResult};
use serde::Serialize;

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, LabelsJson, blocking, deep, success, success_json};
use crate::json::{Shape, Writer};
use crate::params::{Params, parse_duration_ms};
use crate::running::{Asked, Client, Cost, Phase, Place};
use crate::{stream, tree};

/// Points of one series in the answer to a range query.
const POINTS_MAX: i64 = 11_000;

pub(crate) async fn instant(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let client = Client::of(&request);
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = params.limit()?;
    let at_ms = params.time_ms("time")?.unwrap_or_else(|| api.deps.clock.now_ms());
    let times = Times { start_ms: at_ms, end_ms: at_ms, step_ms: 0 };
    run(&api, &params, limit, times, client, move |api, expr, text, limits, _| {
        api.deps.engine.instant(api.deps.reader.as_ref(), expr, text, at_ms, limits)
    })
    .await
}

pub(crate) async fn range(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let client = Client::of(&request);
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = params.limit()?;
    let start_ms = params.required_time_ms("start")?;
    let end_ms = params.required_time_ms("end")?;
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let Some(step_ms) = params.duration_ms("step")? else {
        return Err(ApiError::parameter("step", "cannot parse \"\" to a valid duration"));
    };
    if step_ms <= 0 {
        return Err(ApiError::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    check_resolution(start_ms, end_ms, step_ms)?;
    let times = Times { start_ms, end_ms, step_ms };
    run(&api, &params, limit, times, client, move |api, expr, text, limits, emit| {
        let times = (start_ms, end_ms, step_ms);
        api.deps.engine.range_into(api.deps.reader.as_ref(), expr, text, times, limits, emit)
    })
    .await
}

/// Whether a range has few enough steps; `step_ms` is positive.
pub(crate) fn check_resolution(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<(), ApiError> {
    if end_ms.saturating_sub(start_ms) / step_ms > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX)",
        ));
    }
    Ok(())
}

/// The times of a query's evaluations, milliseconds since the epoch; `step_ms` is 0 if there is one.
struct Times {
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
}

/// Evaluates a query when its turn comes.
async fn run<F>(
    api: &Arc<Api>,
    params: &Params,
    limit: usize,
    times: Times,
    client: Client,
    evaluate: F,
) -> Answer
where
    F: FnOnce(&Api, &Expr, &str, &QueryLimits, &mut Emit<'_>) -> Result<QueryResult, QueryError>
        + Send
        + 'static,
{
    let mut timeout = api.config.timeout;
    if let Some(asked_ms) = params.duration_ms("timeout")? {
        timeout = timeout.min(Duration::from_millis(asked_ms.max(0) as u64));
    }
    let lookback_ms = params.get("lookback_delta").map(parse_duration_ms).transpose();
    let lookback_ms = lookback_ms
        .map_err(|error| ApiError::bad_data(format!("error parsing lookback delta duration: {error}")))?
        .filter(|lookback_ms| *lookback_ms > 0);
    let shape = Shape {
        limit,
        stats: params.get("stats").map(str::to_string),
        steps: (times.start_ms, times.step_ms),
    };
    let (text, expr) = expression(api, params)?;

    let cancel = Cancel::default();
    let progress = Progress::default();
    let asked = Asked::new(&text, times.start_ms, times.end_ms, times.step_ms, &client);
    let mut place = api.deps.queries.enter(asked, (&text, &client), cancel.clone(), progress.clone())?;
    let queued = api.deps.clock.mark();
    let slot = tokio::select! {
        slot = tokio::time::timeout(timeout, api.slots.clone().acquire_owned()) => slot,
        () = place.killed() => return Err(stopped(&place)),
    };
    let Ok(Ok(slot)) = slot else {
        place.end("timeout");
        return Err(ApiError::new(ErrorType::Timeout, "query timed out in query queue"));
    };
    let (queue_seconds, left) = (queued.elapsed_seconds(), timeout.saturating_sub(queued.elapsed()));
    if left.is_zero() {
        place.end("timeout");
        return Err(ApiError::new(ErrorType::Timeout, "query timed out in query execution"));
    }
    let limits = QueryLimits {
        lookback_ms,
        timeout: Some(left),
        cancel: cancel.clone(),
        progress,
        per_step_stats: shape.stats.as_deref() == Some("all"),
        explain: match shape.stats.as_deref() {
            Some("all") => Explain::Measure,
            _ => Explain::Off,
        },
        ..QueryLimits::default()
    };
    let (mut sink, pending) = stream::answer("application/json", cancel);
    sink.hold(slot);
    let mut writer = Writer::new(sink, shape);
    let worker = api.clone();
    tokio::task::spawn_blocking(move || {
        // The slot is free when the evaluation ends, and while it waits for its client: not when the client
        // leaves, and not only when a slow client has taken its answer.
        place.set(Phase::Evaluating);
        match evaluate(&worker, &expr, &text, &limits, &mut |series| writer.series(&series).is_ok()) {
            Ok(result) => {
                writer.release();
                place.set(Phase::Sending);
                if let Ok(sink) = writer.end(result, queue_seconds) {
                    place.end("success");
                    // Who has the whole answer finds the query ended.
                    drop(place);
                    let _ = sink.finish();
                }
            }
            Err(error) => {
                let error = refusal(&worker, error, &place);
                place.fail(error.error_type.as_str(), &error.message);
                drop(place);
                writer.release();
                writer.fail(Err(error));
            }
        }
    });
    pending.begun().await
}

/// Why a query was not answered; what it cost, if that was the reason.
pub(crate) fn refusal(api: &Api, error: QueryError, place: &Place) -> ApiError {
    match error {
        QueryError::Canceled => stopped(place),
        QueryError::TooManySamples | QueryError::Timeout => {
            let options = api.deps.engine.options();
            let details = serde_json::json!({
                "cost": Cost::from(&place.cost()),
                "limits": { "samples": options.max_samples, "bytes": options.max_bytes },
            });
            ApiError { details: Some(Box::new(details)), ..error.into() }
        }
        other => other.into(),
    }
}

/// The answer to a query that was stopped.
pub(crate) fn stopped(place: &Place) -> ApiError {
    match place.is_killed() {
        true => ApiError::new(ErrorType::Canceled, "query was killed by an operator"),
        false => QueryError::Canceled.into(),
    }
}

/// The expression of `query`, with its text.
fn expression(api: &Api, params: &Params) -> Result<(String, Expr), ApiError> {
    let text = params.get("query").unwrap_or("").to_string();
    let expr =
        promql::parse(&text, &api.deps.features).map_err(|error| ApiError::parameter("query", error))?;
    Ok((text, expr))
}

pub(crate) async fn format(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    success(deep(move || Ok(promql::pretty(&expression(&api, &params)?.1))).await?)
}

pub(crate) async fn parse(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let tree = deep(move || Ok(tree::expr(&expression(&api, &params)?.1).to_string()));
    success_json(&tree.await?)
}

/// Exemplars of one series.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesExemplars<'a> {
    series_labels: LabelsJson<'a>,
    exemplars: Vec<ExemplarJson<'a>>,
}

#[derive(Serialize)]
struct ExemplarJson<'a> {
    labels: LabelsJson<'a>,
    value: String,
    timestamp: f64,
}

impl<'a> From<&'a Exemplar> for ExemplarJson<'a> {
    fn from(exemplar: &'a Exemplar) -> Self {
        ExemplarJson {
            labels: LabelsJson(&exemplar.labels),
            value: gocompat::float::Buffer::new().sample(exemplar.value).to_string(),
            timestamp: exemplar.timestamp_ms as f64 / 1000.0,
        }
    }
}

/// Exemplars of the series that an expression selects.
pub(crate) async fn exemplars(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let range = params.range()?;
    if range.end_ms < range.start_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let text = params.get("query").unwrap_or("");
    let expr =
        promql::parse(text, &api.deps.features).map_err(|error| ApiError::bad_data(error.to_string()))?;
    let mut selectors: Vec<Vec<Matcher>> = Vec::new();
    tree::selectors(&expr, &mut selectors);
    if selectors.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let source = api.deps.sources.exemplars.clone();
    let found = blocking(move || source.exemplars(range, &selectors)).await?;
    let view: Vec<SeriesExemplars<'_>> = found
        .iter()
        .map(|(labels, exemplars)| SeriesExemplars {
            series_labels: LabelsJson(labels),
            exemplars: exemplars.iter().map(ExemplarJson::from).collect(),
        })
        .collect();
    success(view)
}
