//! The one organisation there is: clients of Grafana ask for it, and give roles by it.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use model::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, labels, last_seen, read_json, read_role, shown_name};
use crate::AccountsError;
use crate::accounts::Accounts;
use crate::directory::User;

/// What the organisation is called, as Grafana's first one.
pub(super) const NAME: &str = "Main Org.";

pub(super) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/api/org", get(org))
        .route("/api/orgs", get(orgs))
        .route("/api/org/users", get(list).post(add))
        .route("/api/org/users/lookup", get(lookup))
        .route("/api/org/users/search", get(search))
        .route("/api/org/users/{id}", patch(set_role).delete(remove))
}

/// What somebody with a role is a member of.
pub(super) fn of(role: Role) -> Response {
    Json(json!([{"orgId": 1, "name": NAME, "role": role.as_str()}])).into_response()
}

async fn org() -> Response {
    let address =
        json!({"address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": ""});
    Json(json!({"id": 1, "name": NAME, "address": address})).into_response()
}

async fn orgs() -> Response {
    Json(json!([{"id": 1, "name": NAME}])).into_response()
}

fn shown(user: &User, seen: &HashMap<String, i64>, now_ms: i64) -> Value {
    let (seen_at, age) = last_seen(user, seen, now_ms);
    json!({
        "orgId": 1,
        "userId": user.id,
        "uid": user.uid,
        "email": user.email,
        "name": shown_name(user),
        "avatarUrl": "",
        "login": user.login,
        "role": user.role.as_str(),
        "lastSeenAt": seen_at,
        "lastSeenAtAge": age,
        "isDisabled": user.is_disabled,
        "authLabels": labels(user),
        "isExternallySynced": user.source == crate::directory::Source::Oidc,
    })
}

async fn list(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    Ok(Json(inner.users(&uri, shown).await?.list).into_response())
}

async fn search(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    Ok(inner.users(&uri, shown).await?.counted("orgUsers"))
}

/// Names alone, for those who choose among people.
async fn lookup(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    let page = Page::of(&uri);
    let current = inner.store.current()?;
    let users = current.directory.users.iter();
    let (users, _) = page.cut(users.filter(|user| page.wants(&[&user.login, &user.name])));
    let shown: Vec<Value> = users
        .into_iter()
        .map(|user| json!({"userId": user.id, "uid": user.uid, "login": user.login, "avatarUrl": ""}))
        .collect();
    Ok(Json(shown).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Form {
    login_or_email: String,
    role: String,
}

async fn add(State(Accounts(inner)): State<Accounts>, body: Bytes) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    let current = inner.store.current()?;
    match current.directory.by_login(&form.login_or_email) {
        Some(_) => Err(AccountsError::Conflict("User is already member of this organization".into())),
        None => Err(AccountsError::NotFound("user")),
    }
}

async fn set_role(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    let role = read_role(&form.role)?;
    inner.change("Organization user updated", |directory, now_ms| directory.set_role(&id, role, now_ms)).await
}

/// Who leaves the only organisation leaves the server.
async fn remove(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.change("User removed from organization", |directory, _| directory.remove_user(&id)).await
}
