//! Dashboards that can be seen by whoever has their token.

use axum::extract::State;
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Value, json};
use state::When;

use super::{Answer, Asker, Parameters, Path, Sent, time};
use crate::access::Permission;
use crate::documents::{PUBLIC_MAX, PublicDashboard, kinds};
use crate::error::Error;
use crate::public::NOT_FOUND;
use crate::public::values::read_pinned;
use crate::reading::random_uid;
use crate::service::Dashboards;

/// Characters of a token: 32 of them cannot be guessed.
const TOKEN_LENGTH: usize = 32;

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/dashboards/public-dashboards", get(list))
        .route("/api/dashboards/uid/{uid}/public-dashboards", get(show).post(create))
        .route("/api/dashboards/uid/{uid}/public-dashboards/{public}", patch(change).delete(remove))
}

fn view(dashboards: &Dashboards, dashboard: &str, public: &PublicDashboard) -> Value {
    json!({
        "url": dashboards.whole_address(&format!("/public-dashboards/{}", public.token)),
        "variables": public.variables,
        "uid": public.uid,
        "dashboardUid": dashboard,
        "accessToken": public.token,
        "isEnabled": public.is_enabled,
        "annotationsEnabled": public.annotations_enabled,
        "timeSelectionEnabled": public.time_selection_enabled,
        "share": "public",
        "createdAt": time(public.created_ms),
        "updatedAt": time(public.updated_ms),
        "createdBy": public.created_by,
    })
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    let all: Vec<(String, std::sync::Arc<PublicDashboard>)> = {
        let index = dashboards.store().index();
        index.public.iter().map(|(uid, kept)| (uid.clone(), kept.value.clone())).collect()
    };
    let mut access = dashboards.access(&caller);
    let mut shown: Vec<Value> = Vec::new();
    for (uid, public) in all {
        let Some(card) = dashboards.find(&uid) else { continue };
        // The token is a key: it is shown to those who may make one.
        if access.dashboard(&card) >= Some(Permission::Admin) {
            shown.push(json!({
                "uid": public.uid, "accessToken": public.token, "title": card.title, "dashboardUid": uid,
                "isEnabled": public.is_enabled, "slug": card.slug(),
            }));
        }
    }
    shown.sort_by_cached_key(|public| public["title"].to_string());
    let total = shown.len();
    let page = parameters.page("perpage", 1_000, 1_000)?;
    Ok(Json(json!({
        "publicDashboards": page.of(shown), "totalCount": total, "page": page.number, "perPage": page.size,
    })))
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    dashboards.card_for(&caller, &uid, Permission::Admin)?;
    let index = dashboards.store().index();
    let kept = index.public.get(&uid).ok_or(NOT_FOUND)?;
    Ok(Json(view(&dashboards, &uid, &kept.value)))
}

async fn create(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    dashboards.store().check_loaded()?;
    dashboards.card_for(&caller, &uid, Permission::Admin)?;
    if dashboards.store().index().public.len() >= PUBLIC_MAX {
        return Err(Error::Full { what: "public dashboards", max: PUBLIC_MAX });
    }
    let wanted = sent.text("accessToken").filter(|token| token.len() == TOKEN_LENGTH);
    let wanted = wanted.filter(|token| token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let now_ms = dashboards.now_ms();
    let public = PublicDashboard {
        uid: sent.text("uid").filter(|uid| !uid.is_empty()).map_or_else(|| random_uid(14), str::to_string),
        token: wanted.map_or_else(|| random_uid(TOKEN_LENGTH), str::to_string),
        is_enabled: sent.0.get("isEnabled").and_then(Value::as_bool).unwrap_or(false),
        annotations_enabled: sent.boolean("annotationsEnabled"),
        time_selection_enabled: sent.boolean("timeSelectionEnabled"),
        variables: sent.0.get("variables").map(read_pinned).transpose()?.unwrap_or_default(),
        created_ms: now_ms,
        created_by: caller.login,
        updated_ms: now_ms,
    };
    crate::reading::check_uid(&public.uid)?;
    if !dashboards.store().put(kinds::PUBLIC, &uid, &public, When::Absent).await? {
        return Err(Error::bad("Dashboard already has a public dashboard"));
    }
    Ok(Json(view(&dashboards, &uid, &public)))
}

/// The public dashboard of a dashboard, if it is the one that is meant.
fn find(
    dashboards: &Dashboards,
    uid: &str,
    public: &str,
) -> Result<crate::store::Kept<PublicDashboard>, Error> {
    let index = dashboards.store().index();
    index.public.get(uid).filter(|kept| kept.value.uid == public).cloned().ok_or(NOT_FOUND)
}

async fn change(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path((uid, public)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    dashboards.card_for(&caller, &uid, Permission::Admin)?;
    let kept = find(&dashboards, &uid, &public)?;
    let boolean = |name: &str, before: bool| sent.0.get(name).and_then(Value::as_bool).unwrap_or(before);
    let changed = PublicDashboard {
        is_enabled: boolean("isEnabled", kept.value.is_enabled),
        annotations_enabled: boolean("annotationsEnabled", kept.value.annotations_enabled),
        time_selection_enabled: boolean("timeSelectionEnabled", kept.value.time_selection_enabled),
        variables: match sent.0.get("variables") {
            Some(variables) => read_pinned(variables)?,
            None => kept.value.variables.clone(),
        },
        updated_ms: dashboards.now_ms().max(kept.value.updated_ms + 1),
        ..PublicDashboard::clone(&kept.value)
    };
    if !dashboards.store().put(kinds::PUBLIC, &uid, &changed, When::At(kept.revision)).await? {
        return Err(Error::Conflict("the public dashboard has been changed at the same time".into()));
    }
    Ok(Json(view(&dashboards, &uid, &changed)))
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path((uid, public)): Path<(String, String)>,
) -> Answer {
    dashboards.card_for(&caller, &uid, Permission::Admin)?;
    find(&dashboards, &uid, &public)?;
    dashboards.store().delete(kinds::PUBLIC, &uid).await?;
    Ok(Json(json!({})))
}
