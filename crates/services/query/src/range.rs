//! Queries: at one time and over a range.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use promql::{Cancel, Expr, QueryError, QueryLimits, QueryResult};

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, query_answer, success};
use crate::params::Params;

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
    let at_ms = params.time_ms("time")?.unwrap_or_else(|| api.deps.clock.now_ms());
    run(&api, &params, move |api, expr, text, limits| {
        api.deps.engine.instant(api.deps.reader.as_ref(), expr, text, at_ms, limits)
    })
    .await
}

pub(crate) async fn range(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let start_ms = params.required_time_ms("start")?;
    let end_ms = params.required_time_ms("end")?;
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step_ms = match params.duration_ms("step")? {
        Some(step_ms) => step_ms,
        None => return Err(ApiError::parameter("step", "cannot parse \"\" to a valid duration")),
    };
    if step_ms <= 0 {
        return Err(ApiError::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end_ms - start_ms) / step_ms > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX)",
        ));
    }
    run(&api, &params, move |api, expr, text, limits| {
        api.deps.engine.range(api.deps.reader.as_ref(), expr, text, start_ms, end_ms, step_ms, limits)
    })
    .await
}

async fn run<F>(api: &Arc<Api>, params: &Params, evaluate: F) -> Answer
where
    F: FnOnce(&Api, &Expr, &str, &QueryLimits) -> Result<QueryResult, QueryError> + Send + 'static,
{
    let limit = params.limit()?;
    let stats = params.get("stats").map(str::to_string);
    let mut timeout = api.config.timeout;
    if let Some(asked_ms) = params.duration_ms("timeout")? {
        timeout = timeout.min(Duration::from_millis(asked_ms.max(0) as u64));
    }
    let lookback_ms = params.duration_ms("lookback_delta")?.filter(|lookback_ms| *lookback_ms > 0);
    let text = params.get("query").unwrap_or("").to_string();
    let expr =
        promql::parse(&text, &api.deps.features).map_err(|error| ApiError::parameter("query", error))?;

    let queued = api.deps.clock.mark();
    let slot = match tokio::time::timeout(timeout, api.slots.clone().acquire_owned()).await {
        Ok(Ok(slot)) => slot,
        _ => {
            let message = "query timed out in query queue".to_string();
            return Err(ApiError { error_type: ErrorType::Timeout, message });
        }
    };
    let queue_seconds = queued.elapsed_seconds();
    let limits = QueryLimits {
        lookback_ms,
        timeout: Some(timeout.saturating_sub(queued.elapsed())),
        per_step_stats: stats.as_deref() == Some("all"),
        ..QueryLimits::default()
    };
    let guard = CancelOnDrop(limits.cancel.clone());
    let worker = api.clone();
    let answer = tokio::task::spawn_blocking(move || {
        // The slot goes with the work: a client that goes away ends it soon, not at once.
        let _slot = slot;
        let result = evaluate(&worker, &expr, &text, &limits)?;
        Ok(query_answer(result, limit, stats.is_some(), queue_seconds))
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

pub(crate) async fn format(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let text = params.get("query").unwrap_or("");
    let expr =
        promql::parse(text, &api.deps.features).map_err(|error| ApiError::parameter("query", error))?;
    success(promql::pretty(&expr))
}
