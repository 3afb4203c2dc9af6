//! The one organisation there is: clients of Grafana ask for it, and give roles by it.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, labels, last_seen, message, read_json, read_role, shown_name};
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

async fn found(accounts: &Accounts, uri: &Uri) -> Result<(Vec<Value>, usize, Page), AccountsError> {
    let inner = &accounts.0;
    let (current, seen) = (inner.store.current()?, inner.seen().await?);
    let page = Page::of(uri);
    let users = current.directory.users.iter();
    let (users, count) = page.cut(users.filter(|user| page.wants(&[&user.login, &user.email, &user.name])));
    let now_ms = inner.clock.now_ms();
    Ok((users.into_iter().map(|user| shown(user, &seen, now_ms)).collect(), count, page))
}

async fn list(State(accounts): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    Ok(Json(found(&accounts, &uri).await?.0).into_response())
}

async fn search(State(accounts): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    let (users, count, page) = found(&accounts, &uri).await?;
    let body = json!({"totalCount": count, "orgUsers": users, "page": page.number, "perPage": page.size});
    Ok(Json(body).into_response())
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
    let now_ms = inner.clock.now_ms();
    inner.store.change(|directory| directory.set_role(&id, role, now_ms)).await?;
    Ok(message("Organization user updated"))
}

/// Who leaves the only organisation leaves the server.
async fn remove(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner.store.change(|directory| directory.remove_user(&id)).await?;
    Ok(message("User removed from organization"))
}
