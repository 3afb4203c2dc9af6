//! Teams and who is in them.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, Part, labels, read_json, shown_name};
use crate::AccountsError;
use crate::accounts::Accounts;
use crate::directory::{Directory, Team, User};
use crate::login::parameter;

pub(super) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/api/teams", post(add))
        .route("/api/teams/search", get(search))
        .route("/api/teams/{id}", get(one).put(change).delete(remove))
        .route("/api/teams/{id}/members", get(members).post(add_member).put(set_members))
        .route("/api/teams/{id}/members/{user}", delete(remove_member))
}

pub(super) fn shown(team: &Team) -> Value {
    let synced = team.synced.iter().filter(|uid| !team.members.contains(uid)).count();
    json!({
        "id": team.id,
        "uid": team.uid,
        "orgId": 1,
        "name": team.name,
        "email": team.email,
        "externalUID": "",
        "isProvisioned": false,
        "avatarUrl": "",
        "memberCount": team.members.len() + synced,
        "permission": 0,
        "accessControl": null,
    })
}

/// The teams somebody is in.
pub(super) fn of(directory: &Directory, uid: &str) -> Response {
    Json(directory.teams_of(uid).map(shown).collect::<Vec<Value>>()).into_response()
}

async fn search(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    let current = inner.store.current()?;
    let page = Page::of(&uri);
    let name = parameter(&uri, "name");
    let is_wanted = |team: &&Team| {
        page.wants(&[&team.name, &team.email]) && name.as_ref().is_none_or(|name| *name == team.name)
    };
    let mut teams: Vec<&Team> = current.directory.teams.iter().filter(is_wanted).collect();
    teams.sort_by(|a, b| a.name.cmp(&b.name));
    let (teams, count) = page.cut(teams.into_iter());
    let list = teams.into_iter().map(shown).collect();
    Ok(Part { list, count, page }.counted("teams"))
}

async fn one(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    Ok(Json(shown(inner.store.current()?.directory.team(&id)?)).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    name: String,
    email: String,
}

async fn add(State(Accounts(inner)): State<Accounts>, body: Bytes) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    let now_ms = inner.clock.now_ms();
    let team = inner
        .store
        .change(|directory| directory.add_team(&form.name, &form.email, now_ms).map(|team| team.clone()))
        .await?;
    Ok(Json(json!({"message": "Team created", "teamId": team.id, "uid": team.uid})).into_response())
}

async fn change(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    inner
        .change("Team updated", |directory, now_ms| directory.set_team(&id, &form.name, &form.email, now_ms))
        .await
}

async fn remove(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner
        .change("Team deleted", |directory, _| {
            let uid = directory.team(&id)?.uid.clone();
            directory.teams.retain(|team| team.uid != uid);
            Ok(())
        })
        .await
}

async fn members(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    let current = inner.store.current()?;
    let team = current.directory.team(&id)?;
    let shown = |user: &User| {
        json!({
            "orgId": 1,
            "teamId": team.id,
            "teamUID": team.uid,
            "userId": user.id,
            "userUID": user.uid,
            "auth_module": "",
            "email": user.email,
            "name": shown_name(user),
            "login": user.login,
            "avatarUrl": "",
            "labels": labels(user),
            "permission": 0,
        })
    };
    let users = current.directory.users.iter().filter(|user| team.has(&user.uid));
    Ok(Json(users.map(shown).collect::<Vec<Value>>()).into_response())
}

async fn add_member(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Member {
        user_id: u64,
    }
    let member: Member = read_json(&body)?;
    inner
        .change("Member added to Team", |directory, _| {
            let uid = directory.user(&member.user_id.to_string())?.uid.clone();
            let team = directory.team_mut(&id)?;
            if team.has(&uid) {
                return Err(AccountsError::Input("User is already added to this team".into()));
            }
            team.members.push(uid);
            Ok(())
        })
        .await
}

/// All members at once, by their addresses of mail or logins.
async fn set_members(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Members {
        members: Vec<String>,
        admins: Vec<String>,
    }
    let wanted: Members = read_json(&body)?;
    inner
        .change("Team memberships have been updated", |directory, _| {
            let mut uids = Vec::new();
            for name in wanted.members.iter().chain(&wanted.admins) {
                let user = directory.by_login(name).ok_or(AccountsError::NotFound("user"))?;
                if !uids.contains(&user.uid) {
                    uids.push(user.uid.clone());
                }
            }
            directory.team_mut(&id)?.members = uids;
            Ok(())
        })
        .await
}

async fn remove_member(
    State(Accounts(inner)): State<Accounts>,
    Path((id, user)): Path<(String, String)>,
) -> Result<Response, AccountsError> {
    inner
        .change("Team Member removed", |directory, _| {
            let uid = directory.user(&user)?.uid.clone();
            let team = directory.team_mut(&id)?;
            if !team.has(&uid) {
                return Err(AccountsError::NotFound("team member"));
            }
            team.members.retain(|member| *member != uid);
            team.synced.retain(|member| *member != uid);
            Ok(())
        })
        .await
}
