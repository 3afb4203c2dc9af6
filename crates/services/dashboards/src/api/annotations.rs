//! `/api/annotations`: notes of people and tools at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Caller, Role};
use serde_json::{Value, json};
use state::{When, Write};

use super::{Answer, Asker, Parameters, Path, Sent};
use crate::access::Permission;
use crate::documents::{
    ANNOTATION_RETENTION_MS, ANNOTATION_SIZE_MAX_BYTES, ANNOTATIONS_MAX, Annotation, kinds,
};
use crate::error::Error;
use crate::reading::{number as number_of, random_uid};
use crate::service::Dashboards;
use crate::store::{Kept, body_of};

/// Annotations of an answer unless it is said, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = ANNOTATIONS_MAX;
const TAGS_MAX: usize = 50;
const NOT_FOUND: Error = Error::NotFound("Annotation not found");

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/annotations", get(list).post(create))
        .route("/api/annotations/graphite", post(create_by_graphite))
        .route("/api/annotations/mass-delete", post(remove_many))
        .route("/api/annotations/tags", get(tags))
        .route("/api/annotations/{id}", get(show).put(replace).patch(change).delete(remove))
}

fn view(dashboards: &Dashboards, annotation: &Annotation) -> Value {
    let dashboard = dashboards.find(&annotation.dashboard);
    json!({
        "id": annotation.id,
        "alertId": 0,
        "alertName": "",
        "dashboardId": dashboard.as_ref().map_or(0, |card| card.id()),
        "dashboardUID": annotation.dashboard,
        "panelId": annotation.panel,
        "userId": number_of(&annotation.user),
        "newState": "",
        "prevState": "",
        "created": annotation.created_ms,
        "updated": annotation.updated_ms,
        "time": annotation.start_ms,
        "timeEnd": annotation.end_ms,
        "text": annotation.text,
        "tags": annotation.tags,
        "login": annotation.login,
        "email": "",
        "avatarUrl": "",
        "data": annotation.data,
    })
}

/// What a caller may do with annotations of a dashboard, or with those of none.
fn permission(dashboards: &Dashboards, caller: &Caller, dashboard: &str) -> Option<Permission> {
    if dashboard.is_empty() {
        return match caller.role {
            Role::None => None,
            Role::Viewer => Some(Permission::View),
            Role::Editor | Role::Admin => Some(Permission::Edit),
        };
    }
    dashboards.access(caller).dashboard(&*dashboards.find(dashboard)?)
}

fn find(
    dashboards: &Dashboards,
    caller: &Caller,
    id: i64,
    needed: Permission,
) -> Result<Kept<Annotation>, Error> {
    let found = dashboards.store().index().annotations.get(&id).cloned();
    let Some(kept) = found else {
        dashboards.store().check_loaded()?;
        return Err(NOT_FOUND);
    };
    match permission(dashboards, caller, &kept.value.dashboard) {
        None => Err(NOT_FOUND),
        Some(found) if found < needed => Err(Error::Forbidden("Access denied to this annotation")),
        Some(_) => Ok(kept),
    }
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let from_ms = parameters.number("from")?.unwrap_or(i64::MIN);
    let to_ms = parameters.number("to")?.filter(|to_ms| *to_ms > 0).unwrap_or(i64::MAX);
    let panel = parameters.number("panelId")?;
    let tags = parameters.all("tags");
    let any = parameters.boolean("matchAny");
    let dashboard: Option<Arc<str>> =
        match (parameters.text("dashboardUID"), parameters.number("dashboardId")?) {
            (Some(uid), _) => Some(uid.into()),
            (None, Some(id)) if id > 0 => {
                Some(dashboards.card_by_id(id).map_or_else(|| Arc::from("\0"), |card| card.uid.clone()))
            }
            _ => None,
        };
    let mut found: Vec<Arc<Annotation>> = Vec::new();
    // Alerts have a trail of their own.
    if parameters.text("type") != Some("alert") {
        let index = dashboards.store().index();
        let has = |annotation: &Annotation, tag: &&&str| annotation.tags.iter().any(|known| *known == ***tag);
        found.extend(
            index
                .annotations
                .values()
                .map(|kept| &kept.value)
                .filter(|annotation| {
                    annotation.start_ms <= to_ms
                        && annotation.end_ms >= from_ms
                        && panel.is_none_or(|panel| panel == 0 || panel == annotation.panel)
                        && dashboard.as_ref().is_none_or(|dashboard| *dashboard == annotation.dashboard)
                        && match any {
                            true => tags.is_empty() || tags.iter().any(|tag| has(annotation, &tag)),
                            false => tags.iter().all(|tag| has(annotation, &tag)),
                        }
                })
                .cloned(),
        );
    }
    let mut known: BTreeMap<Arc<str>, bool> = BTreeMap::new();
    found.retain(|annotation| {
        *known
            .entry(annotation.dashboard.clone())
            .or_insert_with(|| permission(&dashboards, &caller, &annotation.dashboard).is_some())
    });
    found.sort_by_key(|annotation| (-annotation.start_ms, annotation.id));
    let found = parameters.page("limit", LIMIT, LIMIT_MAX)?.of(found);
    Ok(Json(found.iter().map(|annotation| view(&dashboards, annotation)).collect()))
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(id): Path<i64>) -> Answer {
    Ok(Json(view(&dashboards, &find(&dashboards, &caller, id, Permission::View)?.value)))
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, Error> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim();
        if !tag.is_empty() && !kept.iter().any(|known| known == tag) {
            kept.push(tag.to_string());
        }
    }
    if kept.len() > TAGS_MAX {
        return Err(Error::Full { what: "tags of one annotation", max: TAGS_MAX });
    }
    Ok(kept)
}

/// Makes an annotation; the oldest gives way where there are too many.
async fn add(dashboards: &Dashboards, caller: &Caller, annotation: Annotation) -> Result<i64, Error> {
    if permission(dashboards, caller, &annotation.dashboard) < Some(Permission::Edit) {
        return Err(Error::Forbidden("Access denied to save the annotation"));
    }
    let id = annotation.id;
    let mut writes = vec![put(&annotation, When::Absent)?];
    {
        let index = dashboards.store().index();
        // Replicas that write at once go beyond the bound until the next one.
        let excess = (index.annotations.len() + 1).saturating_sub(ANNOTATIONS_MAX);
        if excess > 0 {
            let mut oldest: Vec<(i64, i64)> =
                index.annotations.values().map(|kept| (kept.value.end_ms, kept.value.id)).collect();
            oldest.sort_unstable();
            let doomed = oldest.into_iter().take(excess);
            writes.extend(doomed.map(|(_, id)| Write::delete(kinds::ANNOTATION, id.to_string())));
        }
    }
    dashboards.store().write(writes).await?;
    Ok(id)
}

fn put(annotation: &Annotation, condition: When) -> Result<Write, Error> {
    let body = body_of(annotation)?;
    if body.len() > ANNOTATION_SIZE_MAX_BYTES {
        let max_bytes = ANNOTATION_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "an annotation", size_bytes: body.len(), max_bytes });
    }
    let end_ms = annotation.end_ms.max(annotation.created_ms).saturating_add(ANNOTATION_RETENTION_MS);
    Ok(Write::put(kinds::ANNOTATION, annotation.id.to_string(), body).when(condition).expiring_at(end_ms))
}

async fn create(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    dashboards.store().check_loaded()?;
    let text = sent.text("text").unwrap_or("").to_string();
    if text.trim().is_empty() {
        return Err(Error::bad("Failed to save annotation: text field should not be empty"));
    }
    let dashboard: Arc<str> =
        match (sent.text("dashboardUID").filter(|uid| !uid.is_empty()), sent.number("dashboardId")) {
            (Some(uid), _) => dashboards.card(uid)?.uid.clone(),
            (None, Some(id)) if id > 0 => {
                dashboards.card_by_id(id).ok_or(Error::DASHBOARD_NOT_FOUND)?.uid.clone()
            }
            _ => "".into(),
        };
    let now_ms = dashboards.now_ms();
    let start_ms = sent.number("time").filter(|time_ms| *time_ms > 0).unwrap_or(now_ms);
    let end_ms = sent.number("timeEnd").filter(|time_ms| *time_ms > 0).unwrap_or(start_ms);
    let annotation = Annotation {
        id: number_of(&random_uid(14)),
        dashboard,
        panel: sent.number("panelId").unwrap_or(0),
        start_ms: start_ms.min(end_ms),
        end_ms: end_ms.max(start_ms),
        text,
        tags: checked_tags(sent.strings("tags"))?,
        data: sent.0.get("data").cloned().unwrap_or_else(|| json!({})),
        created_ms: now_ms,
        updated_ms: now_ms,
        login: caller.login.clone(),
        user: caller.uid.clone(),
    };
    let id = add(&dashboards, &caller, annotation).await?;
    Ok(Json(json!({"message": "Annotation added", "id": id})))
}

async fn create_by_graphite(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    sent: Sent,
) -> Answer {
    dashboards.store().check_loaded()?;
    let what = sent.text("what").unwrap_or("");
    if what.is_empty() {
        return Err(Error::bad("Failed to save Graphite annotation: what field should not be empty"));
    }
    let tags = match sent.0.get("tags") {
        Some(Value::String(tags)) => tags.split_whitespace().map(str::to_string).collect(),
        Some(Value::Array(_)) | None => sent.strings("tags"),
        Some(_) => return Err(Error::bad("Failed to save Graphite annotation: unsupported tags format")),
    };
    let data = sent.text("data").unwrap_or("");
    let now_ms = dashboards.now_ms();
    let start_ms = sent
        .number("when")
        .filter(|time_s| *time_s > 0)
        .map_or(now_ms, |time_s| time_s.saturating_mul(1_000));
    let annotation = Annotation {
        id: number_of(&random_uid(14)),
        dashboard: "".into(),
        panel: 0,
        start_ms,
        end_ms: start_ms,
        text: if data.is_empty() { what.to_string() } else { format!("{what}\n{data}") },
        tags: checked_tags(tags)?,
        data: json!({}),
        created_ms: now_ms,
        updated_ms: now_ms,
        login: caller.login.clone(),
        user: caller.uid.clone(),
    };
    let id = add(&dashboards, &caller, annotation).await?;
    Ok(Json(json!({"message": "Graphite annotation added", "id": id})))
}

async fn save(dashboards: &Dashboards, kept: &Kept<Annotation>, changed: &Annotation) -> Result<(), Error> {
    let written = dashboards.store().write(vec![put(changed, When::At(kept.revision))?]).await?;
    if matches!(written.first(), Some(state::Written::Done { .. })) {
        return Ok(());
    }
    Err(Error::Conflict("the annotation has been changed at the same time".into()))
}

async fn replace(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(id): Path<i64>,
    sent: Sent,
) -> Answer {
    let kept = find(&dashboards, &caller, id, Permission::Edit)?;
    let before = &kept.value;
    let text = sent.text("text").unwrap_or("").to_string();
    if text.trim().is_empty() {
        return Err(Error::bad("Failed to update annotation: text field should not be empty"));
    }
    let start_ms = sent.number("time").filter(|time_ms| *time_ms > 0).unwrap_or(before.start_ms);
    let changed = Annotation {
        text,
        tags: checked_tags(sent.strings("tags"))?,
        start_ms,
        end_ms: sent.number("timeEnd").filter(|end_ms| *end_ms >= start_ms).unwrap_or(start_ms),
        data: sent.0.get("data").unwrap_or(&before.data).clone(),
        updated_ms: dashboards.now_ms(),
        ..Annotation::clone(before)
    };
    save(&dashboards, &kept, &changed).await?;
    Ok(Json(json!({"message": "Annotation updated"})))
}

async fn change(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(id): Path<i64>,
    sent: Sent,
) -> Answer {
    let kept = find(&dashboards, &caller, id, Permission::Edit)?;
    let mut changed = Annotation { updated_ms: dashboards.now_ms(), ..Annotation::clone(&kept.value) };
    if let Some(text) = sent.text("text").filter(|text| !text.trim().is_empty()) {
        changed.text = text.to_string();
    }
    if sent.0.contains_key("tags") {
        changed.tags = checked_tags(sent.strings("tags"))?;
    }
    if let Some(time_ms) = sent.number("time").filter(|time_ms| *time_ms > 0) {
        changed.start_ms = time_ms;
        changed.end_ms = changed.end_ms.max(time_ms);
    }
    if let Some(end_ms) = sent.number("timeEnd").filter(|end_ms| *end_ms >= changed.start_ms) {
        changed.end_ms = end_ms;
    }
    if let Some(data) = sent.0.get("data") {
        changed.data = data.clone();
    }
    save(&dashboards, &kept, &changed).await?;
    Ok(Json(json!({"message": "Annotation patched"})))
}

async fn remove(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(id): Path<i64>) -> Answer {
    find(&dashboards, &caller, id, Permission::Edit)?;
    dashboards.store().delete(kinds::ANNOTATION, &id.to_string()).await?;
    Ok(Json(json!({"message": "Annotation deleted"})))
}

/// Deletes one annotation, or all of a panel.
async fn remove_many(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    if let Some(id) = sent.number("annotationId").filter(|id| *id > 0) {
        find(&dashboards, &caller, id, Permission::Edit)?;
        dashboards.store().delete(kinds::ANNOTATION, &id.to_string()).await?;
        return Ok(Json(json!({"message": "Annotations deleted"})));
    }
    let uid = match (sent.text("dashboardUID").filter(|uid| !uid.is_empty()), sent.number("dashboardId")) {
        (Some(uid), _) => uid.to_string(),
        (None, Some(id)) if id > 0 => {
            dashboards.card_by_id(id).ok_or(Error::DASHBOARD_NOT_FOUND)?.uid.to_string()
        }
        _ => {
            return Err(Error::bad(
                "bad request data: expected an annotationId, or a dashboard and a panelId",
            ));
        }
    };
    let panel = sent.number("panelId").filter(|panel| *panel > 0);
    let panel = panel.ok_or_else(|| Error::bad("bad request data: panelId is missing"))?;
    dashboards.card_for(&caller, &uid, Permission::Edit)?;
    let writes: Vec<Write> = {
        let index = dashboards.store().index();
        let doomed = index
            .annotations
            .values()
            .filter(|kept| *kept.value.dashboard == *uid && kept.value.panel == panel);
        doomed.map(|kept| Write::delete(kinds::ANNOTATION, kept.value.id.to_string())).collect()
    };
    dashboards.store().write(writes).await?;
    Ok(Json(json!({"message": "Annotations deleted"})))
}

async fn tags(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let text = parameters.text("tag").unwrap_or("").to_lowercase();
    let all: Vec<Arc<Annotation>> =
        dashboards.store().index().annotations.values().map(|kept| kept.value.clone()).collect();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for annotation in all {
        if annotation.tags.is_empty() || permission(&dashboards, &caller, &annotation.dashboard).is_none() {
            continue;
        }
        for tag in annotation.tags.iter().filter(|tag| tag.to_lowercase().contains(&text)) {
            *counts.entry(tag.clone()).or_insert(0) += 1;
        }
    }
    let counts: Vec<Value> =
        counts.into_iter().map(|(tag, count)| json!({"tag": tag, "count": count})).collect();
    let counts = parameters.page("limit", LIMIT, LIMIT_MAX)?.of(counts);
    Ok(Json(json!({"result": {"tags": counts}})))
}
