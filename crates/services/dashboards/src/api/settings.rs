//! `/api/frontend/settings`: what the page may offer.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::{CallerKind, Role};
use serde_json::json;

use super::{Answer, Asker};
use crate::service::Dashboards;
use crate::sources::api::for_page;

pub(super) fn router() -> Router<Dashboards> {
    Router::new().route("/api/frontend/settings", get(show))
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Answer {
    let options = dashboards.options();
    let (mut data_sources, default) = for_page(dashboards.data_sources());
    if caller.role < Role::Viewer {
        data_sources.clear();
    }
    Ok(Json(json!({
        "appSubUrl": options.base_path,
        "buildInfo": {"version": options.version, "commit": "", "env": "production", "edition": "Promontory"},
        "defaultDatasource": default,
        "datasources": data_sources,
        "dashboards": {
            "canSave": caller.role >= Role::Editor,
            "canStar": caller.kind != CallerKind::Anonymous,
            "canSeeProvisioning": caller.role >= Role::Editor,
        },
        "publicDashboardsEnabled": true,
        "snapshotEnabled": true,
    })))
}
