//! `explain`: what a query would cost, part by part, before it runs; with `analyze`, what it did cost.

use std::sync::Arc;

use axum::extract::{Request, State};
use promql::{Cancel, Explain, Progress, QueryLimits};

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, deep, success_json};
use crate::evaluate::{check_resolution, refusal, stopped};
use crate::json;
use crate::params::Params;
use crate::running::{Asked, Client, Phase};
use crate::stream::CancelOnDrop;

/// `GET /api/v1/explain`: `query`, and `time` or `start`, `end` and `step`; `analyze` runs it.
pub(crate) async fn explain(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let client = Client::of(&request);
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let step_ms = params.duration_ms("step")?;
    let (start_ms, end_ms) = match step_ms {
        None => {
            let at_ms = params.time_ms("time")?.unwrap_or_else(|| api.deps.clock.now_ms());
            (at_ms, at_ms)
        }
        Some(_) => (params.required_time_ms("start")?, params.required_time_ms("end")?),
    };
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    if step_ms.is_some_and(|step_ms| step_ms <= 0) {
        return Err(ApiError::parameter("step", "a positive distance of steps is needed"));
    }
    if let Some(step_ms) = step_ms {
        check_resolution(start_ms, end_ms, step_ms)?;
    }
    let analyze = params.flag("analyze").map_err(|error| ApiError::parameter("analyze", error))?;
    let text = params.get("query").unwrap_or("").to_string();
    let expr =
        promql::parse(&text, &api.deps.features).map_err(|error| ApiError::parameter("query", error))?;
    // Selecting takes memory as a query does, so it takes a query's place.
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let asked = Asked::new(&text, start_ms, end_ms, step_ms.unwrap_or(0), &client);
    let mut place = api.deps.queries.enter(asked, (&text, &client), cancel.clone(), progress.clone())?;
    let slot = tokio::select! {
        slot = tokio::time::timeout(api.config.timeout, api.slots.clone().acquire_owned()) => slot,
        () = place.killed() => return Err(stopped(&place)),
    };
    let Ok(Ok(slot)) = slot else {
        place.end("timeout");
        return Err(ApiError::new(ErrorType::Timeout, "query timed out in query queue"));
    };
    let explain = if analyze == Some(true) { Explain::Measure } else { Explain::Estimate };
    let _guard = CancelOnDrop(Some(cancel.clone()));
    let data = deep(move || {
        let _slot = slot;
        place.set(Phase::Evaluating);
        let timeout = Some(api.config.timeout);
        let limits = QueryLimits { explain, timeout, cancel, progress, ..QueryLimits::default() };
        let (engine, reader) = (&api.deps.engine, api.deps.reader.as_ref());
        let result = match step_ms {
            None => engine.instant(reader, &expr, &text, start_ms, &limits),
            Some(step_ms) => engine.range(reader, &expr, &text, start_ms, end_ms, step_ms, &limits),
        };
        let result = result.map_err(|error| {
            let error = refusal(&api, error, &place);
            place.end(error.error_type.as_str());
            error
        })?;
        place.end("success");
        let options = engine.options();
        let mut out = b"{\"tree\":".to_vec();
        json::write_explain(&mut out, &result.explain.unwrap_or_default());
        out.extend_from_slice(
            format!(
                ",\"analyzed\":{},\"seconds\":{},\"peakBytes\":{},\"limits\":{{\"samples\":{},\"bytes\":{}}}}}",
                explain == Explain::Measure,
                result.stats.total_seconds,
                result.stats.peak_bytes,
                options.max_samples,
                options.max_bytes
            )
            .as_bytes(),
        );
        Ok(String::from_utf8_lossy(&out).into_owned())
    });
    success_json(&data.await?)
}
