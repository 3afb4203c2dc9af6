//! Changing the store: only where the operator allowed it.

use std::sync::Arc;

use axum::extract::{Request, State};

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, blocking, done, success};
use crate::params::Params;
use crate::sources::Admin;

fn admin(api: &Api) -> Result<Arc<dyn Admin>, ApiError> {
    let disabled = || ApiError::new(ErrorType::Unavailable, "admin APIs disabled");
    api.deps.sources.admin.clone().ok_or_else(disabled)
}

pub(crate) async fn delete_series(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let admin = admin(&api)?;
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range = params.range()?;
    let selectors = params.matchers().map_err(|error| ApiError::parameter("match[]", error))?;
    blocking(move || admin.delete_series(range, &selectors)).await?;
    done()
}

pub(crate) async fn clean_tombstones(State(api): State<Arc<Api>>) -> Answer {
    let admin = admin(&api)?;
    blocking(move || admin.clean_tombstones()).await?;
    done()
}

pub(crate) async fn snapshot(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let admin = admin(&api)?;
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let skip_head = params
        .flag("skip_head")
        .map_err(|error| ApiError::parameter("skip_head", format!("unable to parse boolean: {error}")))?
        .unwrap_or(false);
    let name = blocking(move || admin.snapshot(skip_head)).await?;
    success(serde_json::json!({ "name": name }))
}
