//! The state of the process and its store.

use std::sync::Arc;

use axum::extract::{Request, State};
use gocompat::re2::Regex;
use model::Matcher;

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, blocking, success};
use crate::params::{Params, atoi};
use crate::self_metrics;
use crate::sources::CardinalityOf;

/// Entries of a list of cardinalities, unless asked otherwise.
const TSDB_LIMIT_DEFAULT: usize = 10;
/// Entries of a list of cardinalities, at most.
const TSDB_LIMIT_MAX: usize = 10_000;

/// Asks beside the threads that serve: the store's counts wait for its locks, which are held while it
/// writes to disk.
async fn ask<T: Send + 'static>(
    api: &Arc<Api>,
    what: impl FnOnce(&Api) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let api = api.clone();
    blocking(move || Ok::<_, ApiError>(what(&api))).await
}

pub(crate) async fn config(State(api): State<Arc<Api>>) -> Answer {
    success(serde_json::json!({ "yaml": api.deps.sources.status.config_yaml() }))
}

pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.flags())
}

pub(crate) async fn runtime(State(api): State<Arc<Api>>) -> Answer {
    success(ask(&api, |api| api.deps.sources.status.runtime()).await?)
}

pub(crate) async fn build(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.build())
}

fn tsdb_limit(params: &Params) -> Result<usize, ApiError> {
    let Some(text) = params.get("limit") else { return Ok(TSDB_LIMIT_DEFAULT) };
    match atoi(text, "Atoi").map(|limit| usize::try_from(limit).unwrap_or(0)) {
        Ok(limit) if (1..=TSDB_LIMIT_MAX).contains(&limit) => Ok(limit),
        Ok(0) | Err(_) => Err(ApiError::bad_data("limit must be a positive number")),
        Ok(_) => Err(ApiError::bad_data(format!("limit must not exceed {TSDB_LIMIT_MAX}"))),
    }
}

pub(crate) async fn tsdb(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = tsdb_limit(&params)?;
    success(ask(&api, move |api| api.deps.sources.status.tsdb(limit)).await?)
}

pub(crate) async fn blocks(State(api): State<Arc<Api>>) -> Answer {
    let blocks = ask(&api, |api| api.deps.sources.status.blocks()).await?;
    success(serde_json::json!({ "blocks": blocks }))
}

pub(crate) async fn wal_replay(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.wal_replay())
}

pub(crate) async fn own_metrics(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let wanted = params.get("metric_name_pattern").map(Regex::anchored).transpose();
    let wanted =
        wanted.map_err(|error| ApiError::bad_data(format!("invalid metric_name_pattern: {error}")))?;
    let page = ask(&api, |api| api.deps.sources.status.own_metrics()).await?;
    let families = self_metrics::families(&page).map_err(|error| {
        ApiError::new(ErrorType::Internal, format!("error gathering self metrics: {error}"))
    })?;
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.is_match(name));
    success(families.into_iter().filter(|family| is_wanted(&family.name)).collect::<Vec<_>>())
}

pub(crate) async fn notifications(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.notifications())
}

/// What takes how much in the head: all of it, one group (`job`), or what `match[]` selects.
pub(crate) async fn cardinality(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let limit = tsdb_limit(&params)?;
    let mut selectors = params.matchers().map_err(|error| ApiError::parameter("match[]", error))?;
    if selectors.len() > 1 {
        return Err(ApiError::parameter("match[]", "one selector at most"));
    }
    let group = params.get("job").map(str::to_string);
    let worker = api.clone();
    let view = blocking(move || {
        let status = &worker.deps.sources.status;
        match (selectors.pop(), group) {
            (None, Some(group)) => status.cardinality(CardinalityOf::Group(&group), limit),
            (matchers, group) => {
                let mut matchers = matchers.unwrap_or_default();
                matchers.extend(group.map(|group| Matcher::equal("job", group)));
                status.cardinality(CardinalityOf::Series(&matchers), limit)
            }
        }
    });
    success(view.await?)
}
