//! Reading provisioned things anew, as k8s-sidecar asks for, and how their sources stand.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::Role;
use serde_json::json;

use super::{Answer, Asker};
use crate::error::Error;
use crate::service::Dashboards;

pub(super) fn router() -> Router<Dashboards> {
    let mut router = Router::new()
        .route("/api/admin/provisioning/dashboards/reload", post(reload))
        .route("/api/admin/provisioning/datasources/reload", post(reload_data_sources))
        .route("/api/v1/dashboards/provisioning", get(status));
    // What the sidecar may ask for too: these are read when their files change, without being asked.
    for (what, status, message) in [
        ("plugins", StatusCode::OK, "Plugins config reloaded"),
        ("notifications", StatusCode::OK, "Notifications config reloaded"),
        ("alerting", StatusCode::OK, "Alerting config reloaded"),
        ("access-control", StatusCode::ACCEPTED, "Accesscontrol config reloaded"),
        ("accesscontrol", StatusCode::ACCEPTED, "Accesscontrol config reloaded"),
    ] {
        let answer = move |Asker(caller): Asker| async move {
            match only_admins(caller.role) {
                Ok(()) => (status, Json(json!({"message": message}))).into_response(),
                Err(error) => error.into_response(),
            }
        };
        router = router.route(&format!("/api/admin/provisioning/{what}/reload"), post(answer));
    }
    router
}

fn only_admins(role: Role) -> Result<(), Error> {
    if role == Role::Admin { Ok(()) } else { Err(Error::Forbidden("only administrators may do this")) }
}

async fn reload(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Result<Response, Error> {
    only_admins(caller.role)?;
    dashboards.scan().await;
    Ok(Json(json!({"message": "Dashboards config reloaded"})).into_response())
}

async fn reload_data_sources(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
) -> Result<Response, Error> {
    only_admins(caller.role)?;
    dashboards.data_sources().scan().await;
    let problems = dashboards.data_sources().problems();
    if problems.is_empty() {
        return Ok(Json(json!({"message": "Datasources config reloaded"})).into_response());
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let message = format!("some data sources cannot be used: {}", problems.join("; "));
    Ok((StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": message}))).into_response())
}

async fn status(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Answer {
    if caller.role < Role::Editor {
        return Err(Error::Forbidden("only editors and administrators may see this"));
    }
    Ok(Json(json!({"status": "success", "data": {
        "sources": dashboards.sources(),
        "dataSourceProblems": dashboards.data_sources().problems(),
    }})))
}
