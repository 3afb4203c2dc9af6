//! `/api/snapshots`: a dashboard with its data as it was at a time.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Caller, Role};
use serde_json::{Value, json};
use state::{When, Write};

use super::{Answer, Asker, Parameters, Path, Sent, time};
use crate::documents::{SNAPSHOTS_LASTING_MAX, SNAPSHOTS_MAX, SNAPSHOTS_SIZE_MAX_BYTES, Snapshot, kinds};
use crate::error::Error;
use crate::reading::{DASHBOARD_SIZE_MAX_BYTES, number as number_of, random_uid};
use crate::service::Dashboards;
use crate::store::body_of;

/// Characters of a key: 32 of them cannot be guessed.
const KEY_LENGTH: usize = 32;
const NOT_FOUND: Error = Error::NotFound("dashboard snapshot not found");

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/snapshots", post(create))
        .route("/api/snapshots/{key}", get(show).delete(remove))
        .route("/api/snapshots-delete/{key}", get(remove_by_key))
        .route("/api/dashboard/snapshots", get(list))
        .route("/api/snapshot/shared-options", get(|| async { Json(json!({"externalEnabled": false})) }))
}

async fn create(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    if caller.role < Role::Editor {
        return Err(Error::Forbidden("only editors and administrators may do this"));
    }
    dashboards.store().check_loaded()?;
    if sent.boolean("external") {
        return Err(Error::bad("snapshots are kept on this server only"));
    }
    let Some(Value::Object(dashboard)) = sent.0.get("dashboard") else {
        return Err(Error::bad("bad request data: there is no dashboard in it"));
    };
    let key = random_uid(KEY_LENGTH);
    let delete_key = random_uid(KEY_LENGTH);
    let now_ms = dashboards.now_ms();
    let expires_ms = sent
        .number("expires")
        .filter(|seconds| *seconds > 0)
        .map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1_000)));
    let title = dashboard.get("title").and_then(Value::as_str).unwrap_or("Snapshot");
    let snapshot = Snapshot {
        name: sent.text("name").filter(|name| !name.is_empty()).unwrap_or(title).chars().take(500).collect(),
        delete_key,
        created_ms: now_ms,
        created_by: caller.login.clone(),
        user: caller.uid.clone(),
        expires_ms,
        size_bytes: 0,
        dashboard: Value::Object(dashboard.clone()),
    };
    let body = body_of(&snapshot)?;
    if body.len() > DASHBOARD_SIZE_MAX_BYTES {
        let max_bytes = DASHBOARD_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "a snapshot", size_bytes: body.len(), max_bytes });
    }
    check_room(&dashboards, body.len(), expires_ms.is_none())?;
    let write = Write::put(kinds::SNAPSHOT, key.as_str(), body).when(When::Absent);
    let write = match expires_ms {
        Some(expires_ms) => write.expiring_at(expires_ms),
        None => write,
    };
    dashboards.store().write(vec![write]).await?;
    Ok(Json(json!({
        "id": number_of(&key),
        "key": key,
        "url": dashboards.whole_address(&format!("/dashboard/snapshot/{key}")),
        "deleteKey": snapshot.delete_key,
        "deleteUrl": dashboards.whole_address(&format!("/api/snapshots-delete/{}", snapshot.delete_key)),
    })))
}

/// Whether there is room for one more.
fn check_room(dashboards: &Dashboards, size_bytes: usize, is_lasting: bool) -> Result<(), Error> {
    let index = dashboards.store().index();
    let all = index.snapshots.values().map(|kept| &kept.value);
    let lasting = all.clone().filter(|snapshot| snapshot.expires_ms.is_none()).count();
    if index.snapshots.len() >= SNAPSHOTS_MAX {
        return Err(Error::Full { what: "snapshots", max: SNAPSHOTS_MAX });
    }
    if is_lasting && lasting >= SNAPSHOTS_LASTING_MAX {
        return Err(Error::Full { what: "snapshots that never expire", max: SNAPSHOTS_LASTING_MAX });
    }
    let size_bytes = all.map(|snapshot| snapshot.size_bytes).sum::<usize>().saturating_add(size_bytes);
    if size_bytes > SNAPSHOTS_SIZE_MAX_BYTES {
        return Err(Error::TooLarge {
            what: "all snapshots",
            size_bytes,
            max_bytes: SNAPSHOTS_SIZE_MAX_BYTES,
        });
    }
    Ok(())
}

async fn show(State(dashboards): State<Dashboards>, Path(key): Path<String>) -> Answer {
    dashboards.store().check_loaded()?;
    let found = dashboards.store().get::<Snapshot>(kinds::SNAPSHOT, &key).await?;
    let (snapshot, _) = found.ok_or(NOT_FOUND)?;
    Ok(Json(json!({
        "dashboard": snapshot.dashboard,
        "meta": {
            "type": "snapshot", "isSnapshot": true, "canSave": false, "canEdit": false, "canAdmin": false,
            "canStar": false, "canDelete": false, "slug": "", "isFolder": false, "folderTitle": "",
            "created": time(snapshot.created_ms), "createdBy": snapshot.created_by,
            "expires": snapshot.expires_ms.map_or(json!("0001-01-01T00:00:00Z"), time),
        },
    })))
}

/// Snapshots that a caller has made; administrators see all.
fn own(dashboards: &Dashboards, caller: &Caller) -> Vec<(String, Arc<Snapshot>)> {
    let index = dashboards.store().index();
    let all = index.snapshots.iter().map(|(key, kept)| (key.clone(), kept.value.clone()));
    all.filter(|(_, snapshot)| {
        caller.role == Role::Admin || (!caller.uid.is_empty() && snapshot.user == caller.uid)
    })
    .collect()
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let text = parameters.text("query").unwrap_or("").to_lowercase();
    let mut found = own(&dashboards, &caller);
    found.retain(|(_, snapshot)| snapshot.name.to_lowercase().contains(&text));
    found.sort_by_key(|(_, snapshot)| -snapshot.created_ms);
    let found = parameters.page("limit", SNAPSHOTS_MAX, SNAPSHOTS_MAX)?.of(found);
    let shown = found.iter().map(|(key, snapshot)| {
        json!({
            "id": number_of(key), "name": snapshot.name, "key": key, "orgId": 1, "userId": 0, "external": false,
            "externalUrl": "", "created": time(snapshot.created_ms), "updated": time(snapshot.created_ms),
            "expires": snapshot.expires_ms.map_or(json!("0001-01-01T00:00:00Z"), time),
        })
    });
    Ok(Json(shown.collect()))
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(key): Path<String>,
) -> Answer {
    if !dashboards.store().index().snapshots.contains_key(&key) {
        return Err(NOT_FOUND);
    }
    if !own(&dashboards, &caller).iter().any(|(own, _)| *own == key) {
        return Err(Error::Forbidden("Access denied to this snapshot"));
    }
    dashboards.store().delete(kinds::SNAPSHOT, &key).await?;
    Ok(Json(json!({"message": "Snapshot deleted", "id": number_of(&key)})))
}

/// Whoever has the key that came with the snapshot may delete it.
async fn remove_by_key(State(dashboards): State<Dashboards>, Path(delete_key): Path<String>) -> Answer {
    let found = {
        let index = dashboards.store().index();
        let mut all = index.snapshots.iter();
        all.find(|(_, kept)| kept.value.delete_key == delete_key).map(|(key, _)| key.clone())
    };
    let key = found.ok_or(NOT_FOUND)?;
    dashboards.store().delete(kinds::SNAPSHOT, &key).await?;
    Ok(Json(json!({"message": "Snapshot deleted", "id": number_of(&key)})))
}
