//! `/api/folders`.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::Caller;
use serde_json::{Value, json};

use super::{Answer, Asker, Parameters, Path, Sent, time};
use crate::access::Permission;
use crate::catalog::Folder;
use crate::error::Error;
use crate::reading::slug;
use crate::saving::FolderChange;
use crate::service::Dashboards;

/// Folders of an answer unless it is said, and at most.
const LIMIT: usize = 1_000;
const LIMIT_MAX: usize = 5_000;

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/folders", get(list).post(create))
        .route("/api/folders/{uid}", get(show).put(update).delete(remove))
        .route("/api/folders/{uid}/move", post(put_into))
        .route("/api/folders/{uid}/counts", get(counts))
        .route("/api/folders/id/{id}", get(show_by_id))
}

pub(super) fn address(dashboards: &Dashboards, folder: &Folder) -> String {
    dashboards.address(&format!("/dashboards/f/{}/{}", folder.uid, slug(&folder.kept.title)))
}

/// A folder as the API shows it.
pub(super) fn view(dashboards: &Dashboards, caller: &Caller, folder: &Folder) -> Value {
    let permission = dashboards.permission_in(caller, &folder.uid, None);
    let kept = &folder.kept;
    let mut shown = json!({
        "id": folder.id(),
        "uid": folder.uid,
        "orgId": 1,
        "title": kept.title,
        "url": address(dashboards, folder),
        "hasAcl": kept.grants.is_some(),
        "canSave": permission >= Some(Permission::Edit),
        "canEdit": permission >= Some(Permission::Edit),
        "canAdmin": permission >= Some(Permission::Admin),
        "canDelete": permission >= Some(Permission::Edit) && !folder.is_provided,
        "createdBy": kept.created_by,
        "created": time(kept.created_ms),
        "updatedBy": kept.updated_by,
        "updated": time(kept.updated_ms),
        "version": kept.version,
        "provisioned": folder.is_provided,
    });
    if !kept.description.is_empty() {
        shown["description"] = json!(kept.description);
    }
    if !kept.parent.is_empty() {
        shown["parentUid"] = json!(kept.parent);
        let around = dashboards.folder_chain(&kept.parent).unwrap_or_default();
        let parents = around.iter().rev().map(|parent| {
            json!({
                "id": parent.id(), "uid": parent.uid, "title": parent.kept.title, "url": address(dashboards, parent),
                "orgId": 1,
            })
        });
        shown["parents"] = parents.collect();
    }
    shown
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let parent = parameters.text("parentUid").filter(|uid| *uid != "general").unwrap_or("");
    if !parent.is_empty() {
        dashboards.folder_for(&caller, parent, Permission::View)?;
    }
    let needed = match parameters.text("permission") {
        Some("Edit") => Permission::Edit,
        _ => Permission::View,
    };
    let mut access = dashboards.access(&caller);
    let mut folders = dashboards.folders();
    folders.retain(|folder| *folder.kept.parent == *parent && access.folder(&folder.uid) >= Some(needed));
    folders.sort_by_cached_key(|folder| (folder.kept.title.to_lowercase(), folder.uid.clone()));
    let shown = parameters.page("limit", LIMIT, LIMIT_MAX)?.of(folders);
    let view = |folder: &Folder| {
        let mut shown = json!({"id": folder.id(), "uid": folder.uid, "title": folder.kept.title});
        if !parent.is_empty() {
            shown["parentUid"] = json!(parent);
        }
        shown
    };
    Ok(Json(shown.iter().map(view).collect()))
}

async fn create(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    let parent = match dashboards.folder_uid(sent.text("parentUid"), None) {
        Err(Error::BadRequest(_)) => return Err(Error::FOLDER_NOT_FOUND),
        other => other?,
    };
    let change = FolderChange {
        title: sent.owned("title"),
        description: sent.owned("description"),
        ..FolderChange::default()
    };
    let folder = dashboards.create_folder(&caller, sent.text("uid"), parent, change).await?;
    Ok(Json(view(&dashboards, &caller, &folder)))
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    if uid == "general" {
        let edits = dashboards.permission_in(&caller, "", None);
        return Ok(Json(json!({
            "id": 0, "uid": "general", "orgId": 1, "title": "Dashboards", "url": dashboards.address("/dashboards"),
            "hasAcl": false, "canSave": edits >= Some(Permission::Edit), "canEdit": edits >= Some(Permission::Edit),
            "canAdmin": edits >= Some(Permission::Admin), "canDelete": false, "version": 0,
        })));
    }
    let (folder, _) = dashboards.folder_for(&caller, &uid, Permission::View)?;
    Ok(Json(view(&dashboards, &caller, &folder)))
}

async fn show_by_id(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(id): Path<i64>,
) -> Answer {
    let found = dashboards.folders().into_iter().find(|folder| folder.id() == id);
    let uid = found.ok_or(Error::FOLDER_NOT_FOUND)?.uid;
    let (folder, _) = dashboards.folder_for(&caller, &uid, Permission::View)?;
    Ok(Json(view(&dashboards, &caller, &folder)))
}

async fn update(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    let change = FolderChange {
        title: sent.owned("title"),
        description: sent.owned("description"),
        expected_version: Some(sent.number("version").unwrap_or(0)),
        overwrite: sent.boolean("overwrite"),
    };
    let folder = dashboards.update_folder(&caller, &uid, change).await?;
    Ok(Json(view(&dashboards, &caller, &folder)))
}

async fn put_into(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    let parent = dashboards.folder_uid(Some(sent.text("parentUid").unwrap_or("")), None)?;
    let folder = dashboards.move_folder(&caller, &uid, parent).await?;
    Ok(Json(view(&dashboards, &caller, &folder)))
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    let folder = dashboards.remove_folder(&caller, &uid).await?;
    let message = format!("Folder {} deleted", folder.kept.title);
    Ok(Json(json!({"message": message, "title": folder.kept.title, "id": folder.id()})))
}

async fn counts(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    dashboards.folder_for(&caller, &uid, Permission::View)?;
    let inside = dashboards.folders_inside(&uid);
    let is_inside = |folder: &str| *folder == *uid || inside.iter().any(|inner| *inner.uid == *folder);
    let cards = dashboards.cards().iter().filter(|card| is_inside(&card.folder)).count();
    let index = dashboards.store().index();
    let elements = index.library.values().filter(|kept| is_inside(&kept.value.folder)).count();
    Ok(Json(json!({"folder": inside.len(), "dashboard": cards, "library_element": elements, "alertrule": 0})))
}
