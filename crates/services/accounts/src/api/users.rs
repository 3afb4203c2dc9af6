//! Users, for administrators.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use model::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use super::me::ProfileForm;
use super::{labels, last_seen, profile, read_json, read_role, shown_name};
use crate::AccountsError;
use crate::accounts::Accounts;
use crate::directory::{Profile, User};
use crate::login::parameter;

pub(super) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/api/users", get(list))
        .route("/api/users/search", get(search))
        .route("/api/users/lookup", get(lookup))
        .route("/api/users/{id}", get(one).put(change))
        .route("/api/users/{id}/teams", get(teams))
        .route("/api/users/{id}/orgs", get(orgs))
        .route("/api/admin/users", post(add))
        .route("/api/admin/users/{id}", delete(remove))
        .route("/api/admin/users/{id}/password", put(set_password))
        .route("/api/admin/users/{id}/permissions", put(set_permissions))
        .route("/api/admin/users/{id}/disable", post(disable))
        .route("/api/admin/users/{id}/enable", post(enable))
        .route("/api/admin/users/{id}/logout", post(log_out))
        .route("/api/admin/users/{id}/auth-tokens", get(sessions))
        .route("/api/admin/users/{id}/revoke-auth-token", post(revoke))
}

fn shown(user: &User, seen: &HashMap<String, i64>, now_ms: i64) -> Value {
    let (seen_at, age) = last_seen(user, seen, now_ms);
    json!({
        "id": user.id,
        "uid": user.uid,
        "name": shown_name(user),
        "login": user.login,
        "email": user.email,
        "avatarUrl": "",
        "isAdmin": user.role == Role::Admin,
        "orgRole": user.role.as_str(),
        "isDisabled": user.is_disabled,
        "lastSeenAt": seen_at,
        "lastSeenAtAge": age,
        "authLabels": labels(user),
        "isProvisioned": false,
    })
}

async fn list(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    Ok(Json(inner.users(&uri, shown).await?.list).into_response())
}

async fn search(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    Ok(inner.users(&uri, shown).await?.counted("users"))
}

async fn lookup(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    let login = parameter(&uri, "loginOrEmail").unwrap_or_default();
    let current = inner.store.current()?;
    let user = current.directory.by_login(&login).ok_or(AccountsError::NotFound("user"))?;
    Ok(Json(profile(user)).into_response())
}

async fn one(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    Ok(Json(profile(inner.store.current()?.directory.user(&id)?)).into_response())
}

async fn change(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let profile: Profile = read_json::<ProfileForm>(&body)?.into();
    inner.change("User updated", |directory, now_ms| directory.set_profile(&id, &profile, now_ms)).await
}

async fn teams(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    let current = inner.store.current()?;
    let uid = &current.directory.user(&id)?.uid;
    Ok(super::teams::of(&current.directory, uid))
}

async fn orgs(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    Ok(super::org::of(inner.store.current()?.directory.user(&id)?.role))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewUser {
    #[serde(flatten)]
    profile: ProfileForm,
    password: String,
    /// Ours: Grafana has another request for it.
    role: Option<String>,
}

async fn add(State(Accounts(inner)): State<Accounts>, body: Bytes) -> Result<Response, AccountsError> {
    let form: NewUser = read_json(&body)?;
    let role = form.role.as_deref().map_or(Ok(Role::Viewer), read_role)?;
    let profile: Profile = form.profile.into();
    let hash = inner.passwords.hash(&form.password).await?;
    let now_ms = inner.clock.now_ms();
    let user = inner
        .store
        .change(|directory| {
            let user = directory.add_user(&profile, role, now_ms)?;
            user.password_hash = Some(hash.clone());
            Ok(user.clone())
        })
        .await?;
    Ok(Json(json!({"id": user.id, "uid": user.uid, "message": "User created"})).into_response())
}

async fn remove(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.change("User deleted", |directory, _| directory.remove_user(&id)).await
}

async fn set_password(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form {
        password: String,
    }
    let form: Form = read_json(&body)?;
    let hash = inner.passwords.hash(&form.password).await?;
    inner
        .change("User password updated", |directory, now_ms| {
            directory.set_password(&id, hash.clone(), now_ms)
        })
        .await
}

async fn set_permissions(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Form {
        is_grafana_admin: bool,
    }
    let form: Form = read_json(&body)?;
    inner
        .change("User permissions updated", |directory, now_ms| {
            let before = directory.user(&id)?.role;
            match (form.is_grafana_admin, before) {
                (true, _) => directory.set_role(&id, Role::Admin, now_ms),
                (false, Role::Admin) => directory.set_role(&id, Role::Editor, now_ms),
                (false, _) => Ok(()),
            }
        })
        .await
}

async fn disable(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.change("User disabled", |directory, now_ms| directory.set_disabled(&id, true, now_ms)).await
}

async fn enable(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.change("User enabled", |directory, now_ms| directory.set_disabled(&id, false, now_ms)).await
}

async fn log_out(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.change("User logged out", |directory, _| directory.log_out(&id)).await
}

async fn sessions(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    let uid = inner.store.current()?.directory.user(&id)?.uid.clone();
    Ok(Json(inner.shown_sessions(&uid, None).await?).into_response())
}

async fn revoke(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let uid = inner.store.current()?.directory.user(&id)?.uid.clone();
    inner.revoke_session(&uid, &body).await
}
