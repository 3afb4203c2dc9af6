//! Service accounts and their tokens; API keys as older clients make them are tokens of accounts of their own.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use gocompat::layout::format_rfc3339_ms;
use model::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, Part, message, read_json, read_role};
use crate::accounts::{Accounts, Inner};
use crate::directory::{Directory, ServiceAccount, Token};
use crate::login::parameter;
use crate::{AccountsError, secret};

pub(super) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/api/serviceaccounts", post(add))
        .route("/api/serviceaccounts/search", get(search))
        .route("/api/serviceaccounts/{id}", get(one).patch(change).delete(remove))
        .route("/api/serviceaccounts/{id}/tokens", get(tokens).post(add_token))
        .route("/api/serviceaccounts/{id}/tokens/{token}", delete(remove_token))
        .route("/api/auth/keys", get(keys).post(add_key))
        .route("/api/auth/keys/{id}", delete(remove_key))
}

fn shown(account: &ServiceAccount) -> Value {
    json!({
        "id": account.id,
        "uid": account.uid,
        "name": account.name,
        "login": account.login(),
        "orgId": 1,
        "isDisabled": account.is_disabled,
        "isExternal": false,
        "role": account.role.as_str(),
        "tokens": account.tokens.len(),
        "avatarUrl": "",
        "createdAt": format_rfc3339_ms(account.created_ms),
        "updatedAt": format_rfc3339_ms(account.updated_ms),
    })
}

async fn search(State(Accounts(inner)): State<Accounts>, uri: Uri) -> Result<Response, AccountsError> {
    let current = inner.store.current()?;
    let page = Page::of(&uri);
    let disabled_only = parameter(&uri, "disabled").is_some_and(|text| text == "true");
    let now_ms = inner.clock.now_ms();
    let expired_only = parameter(&uri, "expiredTokens").is_some_and(|text| text == "true");
    let has_expired = |token: &Token| token.expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
    let accounts = current.directory.service_accounts.iter().filter(|account| {
        page.wants(&[&account.name, &account.login()])
            && (!disabled_only || account.is_disabled)
            && (!expired_only || account.tokens.iter().any(has_expired))
    });
    let (accounts, count) = page.cut(accounts);
    let list = accounts.into_iter().map(shown).collect();
    Ok(Part { list, count, page }.counted("serviceAccounts"))
}

async fn one(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    Ok(Json(shown(inner.store.current()?.directory.service_account(&id)?)).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Form {
    name: Option<String>,
    role: Option<String>,
    is_disabled: Option<bool>,
}

async fn add(State(Accounts(inner)): State<Accounts>, body: Bytes) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    let role = form.role.as_deref().map_or(Ok(Role::Viewer), read_role)?;
    let now_ms = inner.clock.now_ms();
    let account = inner
        .store
        .change(|directory| {
            let name = form.name.as_deref().unwrap_or("");
            let account = directory.add_service_account(name, role, now_ms)?;
            account.is_disabled = form.is_disabled.unwrap_or(false);
            Ok(account.clone())
        })
        .await?;
    Ok((StatusCode::CREATED, Json(shown(&account))).into_response())
}

async fn change(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let form: Form = read_json(&body)?;
    let role = form.role.as_deref().map(read_role).transpose()?;
    let now_ms = inner.clock.now_ms();
    let account = inner
        .store
        .change(|directory| {
            let uid = directory.service_account(&id)?.uid.clone();
            let name = form.name.as_deref().map(|name| directory.service_account_name(name, Some(&uid)));
            let name = name.transpose()?;
            let account = directory.service_account_mut(&id)?;
            if let Some(name) = name {
                account.name = name;
            }
            account.role = role.unwrap_or(account.role);
            account.is_disabled = form.is_disabled.unwrap_or(account.is_disabled);
            account.updated_ms = now_ms;
            Ok(account.clone())
        })
        .await?;
    Ok(Json(json!({
        "id": account.id,
        "uid": account.uid,
        "name": account.name,
        "message": "Service account updated",
        "serviceaccount": shown(&account),
    }))
    .into_response())
}

async fn remove(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    inner
        .change("Service account deleted", |directory, _| {
            let uid = directory.service_account(&id)?.uid.clone();
            directory.service_accounts.retain(|account| account.uid != uid);
            Ok(())
        })
        .await
}

/// What Grafana says of a token; what it is, is never said again.
fn shown_token(token: &Token, seen_ms: Option<i64>, now_ms: i64) -> Value {
    let left_ms = token.expires_at_ms.map(|end_ms| end_ms - now_ms);
    json!({
        "id": token.id,
        "name": token.name,
        "created": format_rfc3339_ms(token.created_ms),
        "lastUsedAt": seen_ms.map(format_rfc3339_ms),
        "expiration": token.expires_at_ms.map(format_rfc3339_ms),
        "secondsUntilExpiration": left_ms.map_or(0.0, |left_ms| (left_ms.max(0) as f64) / 1_000.0),
        "hasExpired": left_ms.is_some_and(|left_ms| left_ms <= 0),
        "isRevoked": false,
    })
}

async fn tokens(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    let (current, seen) = (inner.store.current()?, inner.seen().await?);
    let now_ms = inner.clock.now_ms();
    let account = current.directory.service_account(&id)?;
    let seen = |token: &Token| seen.get(&format!("token/{}", token.id)).copied();
    let tokens = account.tokens.iter().map(|token| shown_token(token, seen(token), now_ms));
    Ok(Json(tokens.collect::<Vec<Value>>()).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TokenForm {
    name: String,
    role: Option<String>,
    seconds_to_live: i64,
}

impl TokenForm {
    fn lifetime_s(&self) -> Result<Option<i64>, AccountsError> {
        match self.seconds_to_live {
            0 => Ok(None),
            seconds if seconds > 0 => Ok(Some(seconds)),
            _ => Err(AccountsError::Input("secondsToLive must not be negative".into())),
        }
    }
}

async fn add_token(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let form: TokenForm = read_json(&body)?;
    inner.make_token(&form, |_, _| Ok(id.clone())).await
}

impl Inner {
    /// Makes a token of the account that `account` finds or makes, and tells it this once.
    async fn make_token(
        &self,
        form: &TokenForm,
        account: impl Fn(&mut Directory, i64) -> Result<String, AccountsError>,
    ) -> Result<Response, AccountsError> {
        let lifetime_s = form.lifetime_s()?;
        let key = secret::token()?;
        let (digest, now_ms) = (secret::digest_hex(&key), self.clock.now_ms());
        let number = self
            .store
            .change(|directory| {
                let uid = account(directory, now_ms)?;
                directory.add_token(&uid, &form.name, digest.clone(), now_ms, lifetime_s)
            })
            .await?;
        Ok(Json(json!({"id": number, "name": form.name, "key": key})).into_response())
    }

    async fn drop_token(&self, account: &str, token: &str) -> Result<(), AccountsError> {
        self.store
            .change(|directory| {
                let tokens = &mut directory.service_account_mut(account)?.tokens;
                let before = tokens.len();
                tokens.retain(|known| token.parse() != Ok(known.id));
                if tokens.len() == before {
                    return Err(AccountsError::NotFound("service account token"));
                }
                Ok(())
            })
            .await
    }
}

async fn remove_token(
    State(Accounts(inner)): State<Accounts>,
    Path((id, token)): Path<(String, String)>,
) -> Result<Response, AccountsError> {
    inner.drop_token(&id, &token).await?;
    Ok(message("Service account token deleted"))
}

async fn keys(State(Accounts(inner)): State<Accounts>) -> Result<Response, AccountsError> {
    let (current, seen) = (inner.store.current()?, inner.seen().await?);
    let now_ms = inner.clock.now_ms();
    let mut all = Vec::new();
    for account in &current.directory.service_accounts {
        for token in &account.tokens {
            let mut one = shown_token(token, seen.get(&format!("token/{}", token.id)).copied(), now_ms);
            one["role"] = account.role.as_str().into();
            all.push(one);
        }
    }
    Ok(Json(all).into_response())
}

async fn add_key(State(Accounts(inner)): State<Accounts>, body: Bytes) -> Result<Response, AccountsError> {
    let form: TokenForm = read_json(&body)?;
    let role = form.role.as_deref().map_or(Ok(Role::Viewer), read_role)?;
    let account = |directory: &mut Directory, now_ms| {
        directory.add_service_account(&form.name, role, now_ms).map(|account| account.uid.clone())
    };
    inner.make_token(&form, account).await
}

async fn remove_key(
    State(Accounts(inner)): State<Accounts>,
    Path(id): Path<String>,
) -> Result<Response, AccountsError> {
    let current = inner.store.current()?;
    let is_its = |account: &&ServiceAccount| account.tokens.iter().any(|token| id.parse() == Ok(token.id));
    let found = current.directory.service_accounts.iter().find(is_its);
    let uid = found.ok_or(AccountsError::NotFound("API key"))?.uid.clone();
    inner.drop_token(&uid, &id).await?;
    Ok(message("API key deleted"))
}
