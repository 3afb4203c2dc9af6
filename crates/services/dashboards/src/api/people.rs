//! What belongs to one user or to all: stars, preferences, home.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Caller, Role};
use serde_json::{Map, Value, json};

use super::{Answer, Asker, Path, Sent, user_key};
use crate::access::Permission;
use crate::documents::{PEOPLE_MAX, PREFERENCES_SIZE_MAX_BYTES, kinds};
use crate::error::Error;
use crate::saving::OVERWRITES_MAX;
use crate::service::Dashboards;
use crate::store::when;

/// Fields of preferences, and what they are where nobody said anything.
const FIELDS: [&str; 8] = [
    "theme",
    "homeDashboardUID",
    "timezone",
    "weekStart",
    "language",
    "queryHistory",
    "navbar",
    "cookiePreferences",
];
/// Where those of everybody are kept.
const OF_ALL: &str = "org";

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/user/stars", get(stars))
        .route("/api/user/stars/dashboard/uid/{uid}", post(star).delete(unstar))
        .route("/api/user/preferences", get(own).put(set_own).patch(change_own))
        .route("/api/org/preferences", get(of_all).put(set_of_all).patch(change_of_all))
        .route("/api/teams/{team}/preferences", get(of_team).put(set_of_team))
}

/// Identifiers of the dashboards that a caller wants to see first, the most personal one first.
pub(super) fn home_of(dashboards: &Dashboards, caller: &Caller) -> Vec<String> {
    let teams = caller.teams.iter().map(|team| format!("team:{team}"));
    let keys = user_key(caller).ok().into_iter().chain(teams).chain([OF_ALL.to_string()]);
    let index = dashboards.store().index();
    keys.filter_map(|key| {
        let kept = index.preferences.get(&key)?;
        kept.value.get("homeDashboardUID")?.as_str().filter(|uid| !uid.is_empty()).map(str::to_string)
    })
    .collect()
}

async fn stars(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Answer {
    let key = user_key(&caller)?;
    let index = dashboards.store().index();
    Ok(Json(json!(index.stars.get(&key).map(|kept| kept.value.dashboards.clone()).unwrap_or_default())))
}

async fn star(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    let key = user_key(&caller)?;
    dashboards.card_for(&caller, &uid, Permission::View)?;
    dashboards.set_star(&key, &uid, true).await?;
    Ok(Json(json!({"message": "Dashboard starred!"})))
}

async fn unstar(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    dashboards.set_star(&user_key(&caller)?, &uid, false).await?;
    Ok(Json(json!({"message": "Dashboard unstarred"})))
}

fn view(dashboards: &Dashboards, key: &str) -> Value {
    let index = dashboards.store().index();
    let kept = index.preferences.get(key);
    let mut shown = Map::new();
    for field in FIELDS {
        let value = kept.and_then(|kept| kept.value.get(field).cloned());
        let empty = if matches!(field, "queryHistory" | "navbar" | "cookiePreferences") {
            json!({})
        } else {
            json!("")
        };
        shown.insert(field.into(), value.unwrap_or(empty));
    }
    let home = shown.get("homeDashboardUID").and_then(Value::as_str).unwrap_or("");
    shown.insert("homeDashboardId".into(), json!(crate::reading::number(home)));
    Value::Object(shown)
}

/// Takes preferences over: all of them, or only those that are named; once more if another replica did so at the same
/// time.
async fn set(dashboards: &Dashboards, caller: &Caller, key: &str, sent: &Sent, is_whole: bool) -> Answer {
    dashboards.store().check_loaded()?;
    for _ in 0..OVERWRITES_MAX {
        if try_set(dashboards, caller, key, sent, is_whole).await? {
            return Ok(Json(json!({"message": "Preferences updated"})));
        }
        dashboards.store().catch_up().await?;
    }
    Err(Error::Conflict("the preferences have been changed at the same time".into()))
}

async fn try_set(
    dashboards: &Dashboards,
    caller: &Caller,
    key: &str,
    sent: &Sent,
    is_whole: bool,
) -> Result<bool, Error> {
    let (mut preferences, condition) = {
        let index = dashboards.store().index();
        let kept = index.preferences.get(key);
        if kept.is_none() && index.preferences.len() >= PEOPLE_MAX {
            return Err(Error::Full { what: "preferences", max: PEOPLE_MAX });
        }
        let before = kept.and_then(|kept| kept.value.as_object().cloned()).filter(|_| !is_whole);
        (before.unwrap_or_default(), when(kept))
    };
    for field in FIELDS {
        if let Some(value) = sent.0.get(field) {
            preferences.insert(field.into(), value.clone());
        }
    }
    if let (None, Some(id)) = (sent.0.get("homeDashboardUID"), sent.number("homeDashboardId")) {
        let uid = if id > 0 {
            Some(dashboards.card_by_id(id).ok_or(Error::DASHBOARD_NOT_FOUND)?.uid.clone())
        } else {
            None
        };
        preferences.insert("homeDashboardUID".into(), json!(uid.as_deref().unwrap_or("")));
    }
    if let Some(home) = sent.text("homeDashboardUID").filter(|home| !home.is_empty()) {
        dashboards.card_for(caller, home, Permission::View)?;
    }
    let theme = preferences.get("theme").and_then(Value::as_str).unwrap_or("");
    if !matches!(theme, "" | "light" | "dark" | "system") {
        return Err(Error::bad("Invalid theme"));
    }
    let size_bytes = Value::Object(preferences.clone()).to_string().len();
    if size_bytes > PREFERENCES_SIZE_MAX_BYTES {
        let max_bytes = PREFERENCES_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "preferences", size_bytes, max_bytes });
    }
    dashboards.store().put(kinds::PREFERENCES, key, &preferences, condition).await
}

async fn own(State(dashboards): State<Dashboards>, Asker(caller): Asker) -> Answer {
    Ok(Json(view(&dashboards, &user_key(&caller)?)))
}

async fn set_own(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    set(&dashboards, &caller, &user_key(&caller)?, &sent, true).await
}

async fn change_own(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    set(&dashboards, &caller, &user_key(&caller)?, &sent, false).await
}

fn only_admins(caller: &Caller) -> Result<(), Error> {
    if caller.role == Role::Admin { Ok(()) } else { Err(Error::Forbidden("only administrators may do this")) }
}

async fn of_all(State(dashboards): State<Dashboards>) -> Answer {
    Ok(Json(view(&dashboards, OF_ALL)))
}

async fn set_of_all(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    only_admins(&caller)?;
    set(&dashboards, &caller, OF_ALL, &sent, true).await
}

async fn change_of_all(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    only_admins(&caller)?;
    set(&dashboards, &caller, OF_ALL, &sent, false).await
}

fn team_key(dashboards: &Dashboards, team: &str) -> Result<String, Error> {
    let uid = match dashboards.people() {
        Some(people) => people.team(team).ok_or(Error::NotFound("Team not found"))?.uid,
        None => team.into(),
    };
    Ok(format!("team:{uid}"))
}

async fn of_team(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(team): Path<String>,
) -> Answer {
    only_admins(&caller)?;
    Ok(Json(view(&dashboards, &team_key(&dashboards, &team)?)))
}

async fn set_of_team(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(team): Path<String>,
    sent: Sent,
) -> Answer {
    only_admins(&caller)?;
    set(&dashboards, &caller, &team_key(&dashboards, &team)?, &sent, true).await
}
