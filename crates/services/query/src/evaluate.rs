//! Expressions: evaluated at one time and over a range, formatted, taken apart.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use promql::{Cancel, Expr, QueryError, QueryLimits, QueryResult};

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, Shape, query_answer, success};
use crate::params::{Params, parse_duration_ms};
use crate::tree;

/// Points of one series in the answer to a range query.
const POINTS_MAX: i64 = 11_000;

/// Stops the query when the client goes away: the handler's future is dropped, and this with it.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

pub(crate) async fn instant(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = params.limit()?;
    let at_ms = params.time_ms("time")?.unwrap_or_else(|| api.deps.clock.now_ms());
    run(&api, &params, limit, (at_ms, 0), move |api, expr, text, limits| {
        api.deps.engine.instant(api.deps.reader.as_ref(), expr, text, at_ms, limits)
    })
    .await
}

pub(crate) async fn range(State(api): State<Arc<Api>>, request: Request) -> Answer {
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
    if end_ms.saturating_sub(start_ms) / step_ms > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX)",
        ));
    }
    run(&api, &params, limit, (start_ms, step_ms), move |api, expr, text, limits| {
        api.deps.engine.range(api.deps.reader.as_ref(), expr, text, start_ms, end_ms, step_ms, limits)
    })
    .await
}

/// Evaluates a query when its turn comes. `steps` are the first evaluation and the distance to the next.
async fn run<F>(api: &Arc<Api>, params: &Params, limit: usize, steps: (i64, i64), evaluate: F) -> Answer
where
    F: FnOnce(&Api, &Expr, &str, &QueryLimits) -> Result<QueryResult, QueryError> + Send + 'static,
{
    let mut timeout = api.config.timeout;
    if let Some(asked_ms) = params.duration_ms("timeout")? {
        timeout = timeout.min(Duration::from_millis(asked_ms.max(0) as u64));
    }
    let lookback_ms = params.get("lookback_delta").map(parse_duration_ms).transpose();
    let lookback_ms = lookback_ms
        .map_err(|error| ApiError::bad_data(format!("error parsing lookback delta duration: {error}")))?
        .filter(|lookback_ms| *lookback_ms > 0);
    let shape = Shape { limit, stats: params.get("stats").map(str::to_string), steps };
    let (text, expr) = expression(api, params)?;

    let queued = api.deps.clock.mark();
    let slot = match tokio::time::timeout(timeout, api.slots.clone().acquire_owned()).await {
        Ok(Ok(slot)) => slot,
        _ => {
            let message = "query timed out in query queue".to_string();
            return Err(ApiError { error_type: ErrorType::Timeout, message });
        }
    };
    let (queue_seconds, left) = (queued.elapsed_seconds(), timeout.saturating_sub(queued.elapsed()));
    if left.is_zero() {
        let message = "query timed out in query execution".to_string();
        return Err(ApiError { error_type: ErrorType::Timeout, message });
    }
    let limits = QueryLimits {
        lookback_ms,
        timeout: Some(left),
        per_step_stats: shape.stats.as_deref() == Some("all"),
        ..QueryLimits::default()
    };
    let guard = CancelOnDrop(limits.cancel.clone());
    let worker = api.clone();
    let answer = tokio::task::spawn_blocking(move || {
        // The slot is free when the work ends, not when the client leaves.
        let _slot = slot;
        let result = evaluate(&worker, &expr, &text, &limits)?;
        Ok(query_answer(result, &shape, queue_seconds))
    })
    .await;
    drop(guard);
    match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a query panicked");
            Err(ApiError {
                error_type: ErrorType::Internal,
                message: "the evaluation failed unexpectedly".into(),
            })
        }
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
    success(promql::pretty(&expression(&api, &params)?.1))
}

pub(crate) async fn parse(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    success(tree::expr(&expression(&api, &params)?.1))
}

/// Exemplars of the series in an expression. None are stored, so there are none to show.
pub(crate) async fn exemplars(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let range = params.range()?;
    if range.end_ms < range.start_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let text = params.get("query").unwrap_or("");
    let expr =
        promql::parse(text, &api.deps.features).map_err(|error| ApiError::bad_data(error.to_string()))?;
    if !tree::selects(&expr) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    success(serde_json::json!([]))
}
