//! Versions of a dashboard: list, read, compare, restore.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::Caller;
use serde_json::{Map, Value, json};

use super::{Answer, Asker, Parameters, Path, Sent, dashboards::saved, diff, time};
use crate::access::Permission;
use crate::card::Card;
use crate::documents::StoredDashboard;
use crate::error::Error;
use crate::reading::Reading;
use crate::saving::{Save, with_identity};
use crate::service::Dashboards;

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/dashboards/uid/{uid}/versions", get(list))
        .route("/api/dashboards/uid/{uid}/versions/{version}", get(show))
        .route("/api/dashboards/uid/{uid}/restore", post(restore))
        .route("/api/dashboards/calculate-diff", post(compare))
}

fn view(card: &Card, version: &StoredDashboard) -> Value {
    json!({
        "id": version.version,
        "dashboardId": card.id(),
        "dashboardUID": card.uid,
        "uid": card.uid,
        "parentVersion": version.parent_version,
        "restoredFrom": version.restored_from,
        "version": version.version,
        "created": time(version.updated_ms),
        "createdBy": version.updated_by,
        "message": version.message,
    })
}

async fn list(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    parameters: Parameters,
) -> Answer {
    let (card, _) = dashboards.card_for(&caller, &uid, Permission::View)?;
    let limit = usize::try_from(parameters.number("limit")?.unwrap_or(0)).unwrap_or(0);
    let start = usize::try_from(parameters.number("start")?.unwrap_or(0)).unwrap_or(0);
    let versions = dashboards.versions(&card).await?;
    let shown = versions.iter().skip(start).take(if limit == 0 { usize::MAX } else { limit });
    let shown: Vec<Value> = shown.map(|version| view(&card, version)).collect();
    Ok(Json(json!({"continueToken": "", "versions": shown})))
}

async fn show(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path((uid, version)): Path<(String, i64)>,
) -> Answer {
    let (card, _) = dashboards.card_for(&caller, &uid, Permission::View)?;
    let version = dashboards.version(&card, version).await?;
    let mut shown = view(&card, &version);
    let then =
        Card { version: version.version, api_version: version.api_version.clone(), ..Card::clone(&card) };
    shown["data"] = Value::Object(with_identity(&then, version.spec));
    Ok(Json(shown))
}

async fn restore(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    let (card, _) = dashboards.card_for(&caller, &uid, Permission::Edit)?;
    let number = sent.number("version").ok_or_else(|| Error::bad("bad request data: version is missing"))?;
    if number == card.version {
        return Err(Error::bad("this version is the one in force"));
    }
    let version = dashboards.version(&card, number).await?;
    let title = version.spec.get("title").and_then(Value::as_str).unwrap_or(&card.title).to_string();
    let save = Save {
        reading: Reading {
            spec: version.spec,
            uid: Some(uid),
            title,
            api_version: version.api_version.map(|version| version.to_string()),
            folder: None,
        },
        folder: card.folder.clone(),
        message: format!("Restored from version {number}"),
        overwrite: false,
        expected_version: Some(card.version),
        restored_from: number,
        unique_title: false,
    };
    let card = dashboards.save(&caller, save).await?;
    Ok(Json(saved(&dashboards, &card)))
}

/// Tells how two versions differ, or a version and what is not saved yet.
async fn compare(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    let base = side(&dashboards, &caller, sent.0.get("base")).await?;
    let new = side(&dashboards, &caller, sent.0.get("new")).await?;
    Ok(Json(json!({"diff": diff::between(&Value::Object(base), &Value::Object(new))})))
}

async fn side(
    dashboards: &Dashboards,
    caller: &Caller,
    side: Option<&Value>,
) -> Result<Map<String, Value>, Error> {
    let missing = || Error::bad("bad request data: base and new must each name a dashboard");
    let side = side.ok_or_else(missing)?;
    if let Some(Value::Object(unsaved)) = side.get("unsavedDashboard") {
        return Ok(unsaved.clone());
    }
    let uid =
        match (side.get("dashboardUID").or(side.get("uid")).and_then(Value::as_str), side.get("dashboardId"))
        {
            (Some(uid), _) => uid.to_string(),
            (None, Some(id)) => {
                let id = super::number(id).ok_or_else(missing)?;
                dashboards.card_by_id(id).ok_or(Error::DASHBOARD_NOT_FOUND)?.uid.to_string()
            }
            _ => return Err(missing()),
        };
    let (card, _) = dashboards.card_for(caller, &uid, Permission::View)?;
    let number = side.get("version").and_then(super::number).unwrap_or(card.version);
    let version = dashboards.version(&card, number).await?;
    let then = Card { version: number, api_version: version.api_version.clone(), ..Card::clone(&card) };
    Ok(with_identity(&then, version.spec))
}
