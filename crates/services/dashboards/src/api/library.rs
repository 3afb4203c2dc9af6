//! `/api/library-elements`: panels that several dashboards share.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::Caller;
use serde_json::{Value, json};
use state::When;

use super::{Answer, Asker, Parameters, Path, Sent, time};
use crate::access::Permission;
use crate::card::Card;
use crate::documents::{LIBRARY_MAX, LIBRARY_SIZE_MAX_BYTES, LibraryElement, kinds};
use crate::error::Error;
use crate::reading::{check_uid, number, random_uid};
use crate::service::Dashboards;
use crate::store::{Kept, body_of};

/// Elements of an answer unless it is said, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
const NOT_FOUND: Error = Error::NotFound("library element could not be found");
const TAKEN: &str = "library element with that name or UID already exists";

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/library-elements", get(list).post(create))
        .route("/api/library-elements/{uid}", get(show).patch(change).delete(remove))
        .route("/api/library-elements/{uid}/connections", get(connections))
        .route("/api/library-elements/name/{name}", get(by_name))
}

/// Dashboards that show an element.
fn users(dashboards: &Dashboards, uid: &str) -> Vec<Arc<Card>> {
    let mut cards = dashboards.cards();
    cards.retain(|card| card.library_panels.iter().any(|panel| **panel == *uid));
    cards.sort_by(|a, b| a.uid.cmp(&b.uid));
    cards
}

/// How many dashboards that a caller may see show each element.
fn counted(dashboards: &Dashboards, caller: &Caller) -> HashMap<Arc<str>, usize> {
    let (mut access, mut counts) = (dashboards.access(caller), HashMap::new());
    for card in dashboards.cards() {
        if !card.library_panels.is_empty() && access.dashboard(&card).is_some() {
            for uid in &card.library_panels {
                *counts.entry(uid.clone()).or_insert(0) += 1;
            }
        }
    }
    counts
}

fn view(
    dashboards: &Dashboards,
    uid: &str,
    element: &LibraryElement,
    counts: &HashMap<Arc<str>, usize>,
) -> Value {
    let folder = dashboards.folder(&element.folder);
    let name = folder.as_ref().map_or("Dashboards", |folder| &*folder.kept.title);
    let by = |login: &str| json!({"id": 0, "name": login, "avatarUrl": ""});
    json!({
        "id": number(uid),
        "orgId": 1,
        "folderId": folder.as_ref().map_or(0, |folder| folder.id()),
        "folderUid": element.folder,
        "uid": uid,
        "name": element.name,
        "kind": element.kind,
        "type": element.model.get("type").and_then(Value::as_str).unwrap_or(""),
        "description": element.model.get("description").and_then(Value::as_str).unwrap_or(""),
        "model": element.model,
        "version": element.version,
        "meta": {
            "folderName": name,
            "folderUid": element.folder,
            "connectedDashboards": counts.get(uid).copied().unwrap_or(0),
            "created": time(element.created_ms),
            "updated": time(element.updated_ms),
            "createdBy": by(&element.created_by),
            "updatedBy": by(&element.updated_by),
        },
    })
}

/// An element that a caller may do this with.
fn find(
    dashboards: &Dashboards,
    caller: &Caller,
    uid: &str,
    needed: Permission,
) -> Result<Kept<LibraryElement>, Error> {
    let found = dashboards.store().index().library.get(uid).cloned();
    let Some(kept) = found else {
        dashboards.store().check_loaded()?;
        return Err(NOT_FOUND);
    };
    match dashboards.permission_in(caller, &kept.value.folder, None) {
        None => Err(NOT_FOUND),
        Some(found) if found < needed => Err(Error::Forbidden("Access denied to this library element")),
        Some(_) => Ok(kept),
    }
}

/// All elements that a caller may see, by name.
fn all(dashboards: &Dashboards, caller: &Caller) -> Vec<(String, Arc<LibraryElement>)> {
    let mut elements: Vec<(String, Arc<LibraryElement>)> = {
        let index = dashboards.store().index();
        index.library.iter().map(|(uid, kept)| (uid.clone(), kept.value.clone())).collect()
    };
    let mut access = dashboards.access(caller);
    elements.retain(|(_, element)| access.folder(&element.folder).is_some());
    elements.sort_by_cached_key(|(uid, element)| (element.name.to_lowercase(), uid.clone()));
    elements
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let text = parameters.text("searchString").unwrap_or("").to_lowercase();
    let kind = parameters.number("kind")?;
    let types: Vec<&str> =
        parameters.text("typeFilter").map(|types| types.split(',').collect()).unwrap_or_default();
    let folders: Vec<&str> =
        parameters.text("folderFilterUIDs").map(|uids| uids.split(',').collect()).unwrap_or_default();
    let mut found = all(&dashboards, &caller);
    found.retain(|(uid, element)| {
        let model = |field: &str| element.model.get(field).and_then(Value::as_str).unwrap_or("");
        let place = if element.folder.is_empty() { "general" } else { &element.folder };
        kind.is_none_or(|kind| kind == element.kind)
            && parameters.text("excludeUid") != Some(uid)
            && (types.is_empty() || types.contains(&model("type")))
            && (folders.is_empty() || folders.contains(&place))
            && (element.name.to_lowercase().contains(&text)
                || model("description").to_lowercase().contains(&text))
    });
    if parameters.text("sortDirection") == Some("alpha-desc") {
        found.reverse();
    }
    let total = found.len();
    let page = parameters.page("perPage", LIMIT, LIMIT_MAX)?;
    let counts = counted(&dashboards, &caller);
    let elements: Vec<Value> =
        page.of(found).iter().map(|(uid, element)| view(&dashboards, uid, element, &counts)).collect();
    let result =
        json!({"totalCount": total, "elements": elements, "page": page.number, "perPage": page.size});
    Ok(Json(json!({"result": result})))
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    let kept = find(&dashboards, &caller, &uid, Permission::View)?;
    Ok(Json(json!({"result": view(&dashboards, &uid, &kept.value, &counted(&dashboards, &caller))})))
}

async fn by_name(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(name): Path<String>,
) -> Answer {
    let found = all(&dashboards, &caller);
    let counts = counted(&dashboards, &caller);
    let named: Vec<Value> = found
        .iter()
        .filter(|(_, element)| element.name == name)
        .map(|(uid, element)| view(&dashboards, uid, element, &counts))
        .collect();
    if named.is_empty() {
        return Err(NOT_FOUND);
    }
    Ok(Json(json!({"result": named})))
}

fn is_name_taken(dashboards: &Dashboards, folder: &str, name: &str, uid: Option<&str>) -> bool {
    let index = dashboards.store().index();
    index.library.iter().any(|(known, kept)| {
        kept.value.name == name && *kept.value.folder == *folder && Some(known.as_str()) != uid
    })
}

fn check_size(element: &LibraryElement) -> Result<(), Error> {
    let size_bytes = body_of(element)?.len();
    if size_bytes > LIBRARY_SIZE_MAX_BYTES {
        let max_bytes = LIBRARY_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "a library element", size_bytes, max_bytes });
    }
    Ok(())
}

async fn create(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    dashboards.store().check_loaded()?;
    let folder = dashboards.folder_uid(sent.text("folderUid"), sent.number("folderId"))?;
    if dashboards.permission_in(&caller, &folder, None) < Some(Permission::Edit) {
        return Err(Error::Forbidden("Access denied to this folder"));
    }
    let name = sent.text("name").unwrap_or("").trim().to_string();
    let kind = sent.number("kind").unwrap_or(1);
    let model = sent.0.get("model").cloned().unwrap_or(Value::Null);
    if name.is_empty() {
        return Err(Error::bad("library element name cannot be empty"));
    }
    if !matches!(kind, 1 | 2) || !model.is_object() {
        return Err(Error::bad("bad request data: expected a kind of 1 or 2 and a model"));
    }
    let uid = match sent.text("uid").filter(|uid| !uid.is_empty()) {
        Some(uid) => {
            check_uid(uid)?;
            uid.to_string()
        }
        None => random_uid(14),
    };
    if is_name_taken(&dashboards, &folder, &name, None)
        || dashboards.store().index().library.contains_key(&uid)
    {
        return Err(Error::bad(TAKEN));
    }
    if dashboards.store().index().library.len() >= LIBRARY_MAX {
        return Err(Error::Full { what: "library elements", max: LIBRARY_MAX });
    }
    let now_ms = dashboards.now_ms();
    let element = LibraryElement {
        name,
        kind,
        folder,
        model,
        version: 1,
        created_ms: now_ms,
        created_by: caller.login.clone(),
        updated_ms: now_ms,
        updated_by: caller.login.clone(),
    };
    check_size(&element)?;
    if !dashboards.store().put(kinds::LIBRARY, &uid, &element, When::Absent).await? {
        return Err(Error::bad(TAKEN));
    }
    Ok(Json(json!({"result": view(&dashboards, &uid, &element, &counted(&dashboards, &caller))})))
}

async fn change(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    const CHANGED: Error = Error::Precondition {
        status: "version-mismatch",
        message: "the library element has been changed by someone else",
    };
    let kept = find(&dashboards, &caller, &uid, Permission::Edit)?;
    let before = &kept.value;
    if sent.number("version") != Some(before.version) {
        return Err(CHANGED);
    }
    let folder = match (sent.text("folderUid"), sent.number("folderId")) {
        (None, None) => before.folder.clone(),
        (folder, id) => dashboards.folder_uid(folder, id)?,
    };
    if dashboards.permission_in(&caller, &folder, None) < Some(Permission::Edit) {
        return Err(Error::Forbidden("Access denied to this folder"));
    }
    let name =
        sent.text("name").map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&before.name).to_string();
    if is_name_taken(&dashboards, &folder, &name, Some(&uid)) {
        return Err(Error::bad(TAKEN));
    }
    let element = LibraryElement {
        name,
        folder,
        model: sent.0.get("model").filter(|model| model.is_object()).unwrap_or(&before.model).clone(),
        version: before.version + 1,
        updated_ms: dashboards.now_ms(),
        updated_by: caller.login.clone(),
        ..LibraryElement::clone(before)
    };
    check_size(&element)?;
    if !dashboards.store().put(kinds::LIBRARY, &uid, &element, When::At(kept.revision)).await? {
        return Err(CHANGED);
    }
    Ok(Json(json!({"result": view(&dashboards, &uid, &element, &counted(&dashboards, &caller))})))
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    find(&dashboards, &caller, &uid, Permission::Edit)?;
    if !users(&dashboards, &uid).is_empty() {
        return Err(Error::Forbidden("the library element has connections"));
    }
    dashboards.store().delete(kinds::LIBRARY, &uid).await?;
    Ok(Json(json!({"message": "Library element deleted", "id": number(&uid)})))
}

async fn connections(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    find(&dashboards, &caller, &uid, Permission::View)?;
    let mut access = dashboards.access(&caller);
    let mut cards = users(&dashboards, &uid);
    cards.retain(|card| access.dashboard(card).is_some());
    let shown = cards.iter().map(|card| {
        json!({
            "id": card.id(),
            "kind": 1,
            "elementId": number(&uid),
            "connectionId": card.id(),
            "connectionUid": card.uid,
            "created": time(card.created_ms),
            "createdBy": {"id": 0, "name": card.created_by, "avatarUrl": ""},
        })
    });
    Ok(Json(json!({"result": shown.collect::<Vec<Value>>()})))
}
