//! The state of the process and its store.

use std::sync::Arc;

use axum::extract::{Request, State};
use gocompat::re2::Regex;

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, success};
use crate::params::{Params, atoi};
use crate::self_metrics;

/// Entries of a list of cardinalities, unless asked otherwise.
const TSDB_LIMIT_DEFAULT: usize = 10;
/// Entries of a list of cardinalities, at most.
const TSDB_LIMIT_MAX: usize = 10_000;

pub(crate) async fn config(State(api): State<Arc<Api>>) -> Answer {
    success(serde_json::json!({ "yaml": api.deps.sources.status.config_yaml() }))
}

pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.flags())
}

pub(crate) async fn runtime(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.runtime())
}

pub(crate) async fn build(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.build())
}

pub(crate) async fn tsdb(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = match params.get("limit") {
        None => TSDB_LIMIT_DEFAULT,
        Some(text) => match atoi(text, "Atoi").map(|limit| usize::try_from(limit).unwrap_or(0)) {
            Ok(limit) if (1..=TSDB_LIMIT_MAX).contains(&limit) => limit,
            Ok(0) | Err(_) => return Err(ApiError::bad_data("limit must be a positive number")),
            Ok(_) => return Err(ApiError::bad_data(format!("limit must not exceed {TSDB_LIMIT_MAX}"))),
        },
    };
    success(api.deps.sources.status.tsdb(limit))
}

pub(crate) async fn blocks(State(api): State<Arc<Api>>) -> Answer {
    success(serde_json::json!({ "blocks": api.deps.sources.status.blocks() }))
}

pub(crate) async fn wal_replay(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.wal_replay())
}

pub(crate) async fn own_metrics(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let wanted = params.get("metric_name_pattern").map(Regex::anchored).transpose();
    let wanted =
        wanted.map_err(|error| ApiError::bad_data(format!("invalid metric_name_pattern: {error}")))?;
    let page = api.deps.sources.status.own_metrics();
    let families = self_metrics::families(&page).map_err(|error| ApiError {
        error_type: ErrorType::Internal,
        message: format!("error gathering self metrics: {error}"),
    })?;
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.is_match(name));
    success(families.into_iter().filter(|family| is_wanted(&family.name)).collect::<Vec<_>>())
}

pub(crate) async fn notifications(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.notifications())
}
