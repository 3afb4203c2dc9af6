//! `/api/dashboards`: read, save, delete.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use model::{Caller, CallerKind, Role};
use serde_json::{Map, Value, json};

use super::{Answer, Asker, Parameters, Path, Sent, time, user_key};
use crate::access::Permission;
use crate::card::Card;
use crate::documents::kinds;
use crate::error::Error;
use crate::reading;
use crate::saving::Save;
use crate::service::Dashboards;

/// The dashboard that is home where nobody chose another.
const HOME: &str = "promontory-machine";

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/dashboards/db", post(save))
        .route("/api/dashboards/home", get(home))
        .route("/api/dashboards/tags", get(tags))
        .route("/api/dashboards/uid/{uid}", get(show).delete(remove))
        .route("/api/dashboards/uid/{uid}/trash", patch(restore_deleted).delete(remove_for_good))
        .route("/api/dashboards/id/{id}", delete(remove_by_id))
        .route("/dashboard/db/{slug}", get(old_address))
        .route("/dashboard-solo/db/{slug}", get(old_address))
}

/// The parts of an answer about a dashboard that are not the dashboard.
pub(super) fn meta(dashboards: &Dashboards, caller: &Caller, card: &Card, permission: Permission) -> Value {
    let slug = card.slug();
    let folder = dashboards.folder(&card.folder);
    let can_save = permission >= Permission::Edit && !card.is_read_only();
    let starred = user_key(caller).ok().is_some_and(|key| {
        let index = dashboards.store().index();
        index.stars.get(&key).is_some_and(|stars| stars.value.dashboards.contains(&card.uid))
    });
    let public = {
        let index = dashboards.store().index();
        index.public.get(&*card.uid).map(|kept| kept.value.clone())
    };
    let may_annotate = permission >= Permission::Edit;
    let annotations = json!({"canAdd": may_annotate, "canEdit": may_annotate, "canDelete": may_annotate});
    let org = caller.role >= Role::Editor;
    let provided = card.provided();
    let mut meta = json!({
        "type": "db",
        "canSave": can_save,
        "canEdit": permission >= Permission::Edit,
        "canAdmin": permission >= Permission::Admin,
        "canDelete": can_save && provided.is_none(),
        "canStar": caller.kind != CallerKind::Anonymous,
        "isStarred": starred,
        "slug": slug,
        "url": dashboards.address(&format!("/d/{}/{slug}", card.uid)),
        "expires": "0001-01-01T00:00:00Z",
        "created": time(card.created_ms),
        "createdBy": card.created_by,
        "updated": time(card.updated_ms),
        "updatedBy": card.updated_by,
        "version": card.version,
        "hasAcl": card.grants.is_some() || folder.as_ref().is_some_and(|folder| folder.kept.grants.is_some()),
        "isFolder": false,
        "folderId": folder.as_ref().map_or(0, |folder| folder.id()),
        "folderUid": folder.as_ref().map_or("", |folder| &*folder.uid),
        "folderTitle": folder.as_ref().map_or("Dashboards", |folder| &*folder.kept.title),
        "folderUrl": folder.as_ref().map_or(String::new(), |folder| {
            dashboards.address(&format!("/dashboards/f/{}/{}", folder.uid, reading::slug(&folder.kept.title)))
        }),
        "provisioned": card.is_read_only(),
        "provisionedExternalId": provided.map_or("", |provided| {
            // Where the file stands on the server is its administrators' affair.
            provided.name.rsplit('/').next().unwrap_or("")
        }),
        "publicDashboardEnabled": public.is_some_and(|public| public.is_enabled),
        "annotationsPermissions": {
            "dashboard": annotations,
            "organization": {"canAdd": org, "canEdit": org, "canDelete": org},
        },
    });
    if let Some(version) = &card.api_version {
        meta["apiVersion"] = json!(version);
    }
    meta
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    let (card, permission) = dashboards.card_for(&caller, &uid, Permission::View)?;
    let spec = dashboards.shown(&card).await?;
    Ok(Json(json!({"meta": meta(&dashboards, &caller, &card, permission), "dashboard": spec})))
}

async fn save(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    let Some(Value::Object(dashboard)) = sent.0.get("dashboard").cloned() else {
        return Err(Error::bad("bad request data: there is no dashboard in it"));
    };
    let folder = (sent.owned("folderUid"), sent.number("folderId"));
    let how = (sent.owned("message").unwrap_or_default(), sent.boolean("overwrite"));
    let card = save_dashboard(&dashboards, &caller, dashboard, folder, how).await?;
    Ok(Json(saved(&dashboards, &card)))
}

/// Saves a dashboard as it is posted: its number or identifier says which one it is.
pub(super) async fn save_dashboard(
    dashboards: &Dashboards,
    caller: &Caller,
    mut dashboard: Map<String, Value>,
    (folder_uid, folder_id): (Option<String>, Option<i64>),
    (message, overwrite): (String, bool),
) -> Result<std::sync::Arc<Card>, Error> {
    let id = dashboard.get("id").and_then(super::number).filter(|id| *id > 0);
    let expected_version = dashboard.get("version").and_then(super::number);
    let uid = dashboard.get("uid").and_then(Value::as_str).unwrap_or("").to_string();
    if let Some(id) = id
        && (uid.is_empty() || dashboards.find(&uid).is_none())
    {
        let Some(card) = dashboards.card_by_id(id) else {
            dashboards.store().check_loaded()?;
            return Err(Error::DASHBOARD_NOT_FOUND);
        };
        dashboard.insert("uid".into(), json!(card.uid));
    }
    let reading = reading::read(Value::Object(dashboard))?;
    let folder_uid = folder_uid.or_else(|| reading.folder.clone());
    let folder = dashboards.folder_uid(folder_uid.as_deref(), folder_id)?;
    let save = Save {
        reading,
        folder,
        message,
        overwrite,
        // One that says none was not made from another.
        expected_version: Some(expected_version.unwrap_or(0)),
        restored_from: 0,
        unique_title: true,
    };
    dashboards.save(caller, save).await
}

/// The answer to a save.
pub(super) fn saved(dashboards: &Dashboards, card: &Card) -> Value {
    let slug = card.slug();
    json!({
        "id": card.id(),
        "uid": card.uid,
        "url": dashboards.address(&format!("/d/{}/{slug}", card.uid)),
        "status": "success",
        "version": card.version,
        "slug": slug,
        "folderUid": card.folder,
    })
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    let card = dashboards.remove(&caller, &uid).await?;
    let message = format!("Dashboard {} deleted", card.title);
    Ok(Json(json!({"title": card.title, "message": message, "id": card.id(), "uid": card.uid})))
}

async fn remove_by_id(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(id): Path<i64>,
) -> Answer {
    let card = dashboards.card_by_id(id).ok_or(Error::DASHBOARD_NOT_FOUND)?;
    remove(State(dashboards), Asker(caller), Path(card.uid.to_string())).await
}

async fn restore_deleted(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    let folder = dashboards.folder_uid(sent.text("folderUid"), None)?;
    let card = dashboards.restore_deleted(&caller, &uid, folder).await?;
    let message = format!("Dashboard {} restored", card.title);
    Ok(Json(json!({"title": card.title, "message": message, "id": card.id(), "uid": card.uid})))
}

async fn remove_for_good(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    let found = dashboards.store().index().trash.get(uid.as_str()).map(|kept| kept.value.clone());
    let card = found.ok_or(Error::DASHBOARD_NOT_FOUND)?;
    if dashboards.permission_in(&caller, &card.folder, card.grants.as_deref()) < Some(Permission::Edit) {
        return Err(Error::Forbidden("Access denied to this dashboard"));
    }
    dashboards.store().delete(kinds::TRASH, &uid).await?;
    let message = format!("Dashboard {} deleted", card.title);
    Ok(Json(json!({"title": card.title, "message": message, "uid": card.uid})))
}

/// What people see first: what they chose, what was chosen for all, or this machine.
async fn home(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Answer {
    let mut access = dashboards.access(&caller);
    let chosen = super::people::home_of(&dashboards, &caller);
    let found = chosen.into_iter().chain([HOME.to_string()]).find_map(|uid| {
        let card = dashboards.find(&uid)?;
        access.dashboard(&card).is_some().then_some(card)
    });
    if let Some(card) = found {
        let address = dashboards.address(&format!("/d/{}/{}", card.uid, card.slug()));
        return Ok(Json(json!({"redirectUri": address, "uid": card.uid})));
    }
    Ok(Json(json!({
        "meta": {"isHome": true, "canSave": false, "canEdit": false, "canAdmin": false, "canStar": false, "slug": ""},
        "dashboard": {"title": "Home", "panels": [], "schemaVersion": 41},
    })))
}

async fn tags(State(dashboards): State<Dashboards>, Asker(caller): Asker, _: Parameters) -> Answer {
    let mut access = dashboards.access(&caller);
    let mut counts = std::collections::BTreeMap::new();
    for card in dashboards.cards() {
        if access.dashboard(&card).is_some() {
            for tag in &card.tags {
                *counts.entry(tag.clone()).or_insert(0_u64) += 1;
            }
        }
    }
    Ok(Json(counts.into_iter().map(|(tag, count)| json!({"term": tag, "count": count})).collect()))
}

/// Addresses of Grafana before its fifth version had the title in them.
async fn old_address(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(slug): Path<String>,
    uri: axum::http::Uri,
) -> Response {
    let mut access = dashboards.access(&caller);
    let mut cards = dashboards.cards();
    cards.sort_by(|a, b| a.uid.cmp(&b.uid));
    let found = cards.into_iter().find(|card| card.slug() == slug && access.dashboard(card).is_some());
    let Some(card) = found else { return Error::DASHBOARD_NOT_FOUND.into_response() };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::to(&dashboards.address(&format!("/d/{}/{slug}{query}", card.uid))).into_response()
}
