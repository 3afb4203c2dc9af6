//! What somebody may know and change about themselves.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use gocompat::layout::format_rfc3339_ms;
use model::Caller;
use model::caller::CallerKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{message, profile, read_json};
use crate::AccountsError;
use crate::accounts::{Accounts, Client, Inner};
use crate::directory::{Directory, Profile, Source};
use crate::guard::BySession;
use crate::session::Session;

pub(super) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/api/user", get(who).put(change))
        .route("/api/user/password", put(change_password))
        .route("/api/user/orgs", get(orgs))
        .route("/api/user/teams", get(teams))
        .route("/api/user/auth-tokens", get(sessions))
        .route("/api/user/revoke-auth-token", post(revoke))
}

/// The caller's own account; those without one cannot change it.
fn own(caller: &Caller) -> Result<&str, AccountsError> {
    match caller.kind {
        CallerKind::User => Ok(&caller.uid),
        _ => Err(AccountsError::Denied("only a user has an account to look at and change here".into())),
    }
}

async fn who(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
    session: Option<Extension<BySession>>,
) -> Result<Response, AccountsError> {
    if caller.kind == CallerKind::User {
        let current = inner.store.current()?;
        let user = current.user(&caller.uid).ok_or(AccountsError::NotFound("user"))?;
        let mut body = profile(user);
        body["kind"] = "user".into();
        body["canLogOut"] = session.is_some().into();
        return Ok(Json(body).into_response());
    }
    let kind = match caller.kind {
        CallerKind::ServiceAccount => "serviceaccount",
        CallerKind::Anonymous => "anonymous",
        _ => "local",
    };
    let id = match caller.kind {
        CallerKind::ServiceAccount => {
            inner.store.current()?.directory.service_account(&caller.uid).map(|account| account.id)?
        }
        _ => 0,
    };
    Ok(Json(json!({
        "id": id,
        "uid": &*caller.uid,
        "login": &*caller.login,
        "name": &*caller.login,
        "email": "",
        "theme": "",
        "orgId": 1,
        "orgRole": caller.role.as_str(),
        "isGrafanaAdmin": caller.role == model::Role::Admin,
        "isDisabled": false,
        "isExternal": false,
        "authLabels": [],
        "avatarUrl": "",
        "kind": kind,
        "canLogOut": false,
    }))
    .into_response())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct ProfileForm {
    login: String,
    email: String,
    name: String,
}

impl From<ProfileForm> for Profile {
    fn from(form: ProfileForm) -> Profile {
        Profile { login: form.login, email: form.email, name: form.name }
    }
}

async fn change(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let uid = own(&caller)?;
    let profile: Profile = read_json::<ProfileForm>(&body)?.into();
    // A proxy names people by these: who chose the name of another would be that one as soon as they come.
    let is_named_by_proxy =
        inner.in_force().settings.proxy.as_ref().is_some_and(|proxy| proxy.header.is_some());
    inner
        .change("User updated", |directory, now_ms| {
            let user = directory.user(uid)?;
            if user.source != Source::Local {
                return Err(AccountsError::Denied("this account is changed where it comes from".into()));
            }
            let stays = |new: &str, old: &str| new.trim().is_empty() || new.trim() == old;
            let is_same = stays(&profile.login, &user.login) && stays(&profile.email, &user.email);
            if is_named_by_proxy && !is_same {
                let text =
                    "login and address are what a proxy knows people by; an administrator can change them";
                return Err(AccountsError::Denied(text.into()));
            }
            directory.set_profile(uid, &profile, now_ms)
        })
        .await
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PasswordForm {
    old_password: String,
    new_password: String,
}

async fn change_password(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let uid = own(&caller)?;
    let form: PasswordForm = read_json(&body)?;
    // Guessing the old one is slowed down as signing in is.
    inner.check_password(&caller.login, &form.old_password, &client).await?;
    let hash = inner.passwords.hash(&form.new_password).await?;
    let changed = |directory: &mut Directory, now_ms| directory.set_password(uid, hash.clone(), now_ms);
    inner.change("User password changed", changed).await
}

async fn orgs(Extension(caller): Extension<Caller>) -> Response {
    super::org::of(caller.role)
}

async fn teams(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, AccountsError> {
    Ok(super::teams::of(&inner.store.current()?.directory, &caller.uid))
}

async fn sessions(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
    session: Option<Extension<BySession>>,
) -> Result<Response, AccountsError> {
    let current = session.map(|Extension(BySession(key))| key);
    Ok(Json(inner.shown_sessions(own(&caller)?, current.as_deref()).await?).into_response())
}

impl Inner {
    /// The sessions of a user that last.
    async fn lasting(&self, uid: &str) -> Result<Vec<(String, Session)>, AccountsError> {
        let epoch = self.store.current()?.user(uid).map(|user| user.epoch);
        let mut sessions = self.sessions.of(uid).await?;
        sessions.retain(|(_, session)| Some(session.epoch) == epoch);
        sessions.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen_ms));
        Ok(sessions)
    }

    /// The same as Grafana shows them; `current` is the key of the one that asks.
    pub(super) async fn shown_sessions(
        &self,
        uid: &str,
        current: Option<&str>,
    ) -> Result<Value, AccountsError> {
        let shown = |(key, session): (String, Session)| {
            json!({
                "id": session.id,
                "isActive": Some(&*key) == current,
                "clientIp": session.address,
                "browser": session.agent,
                "browserVersion": "",
                "os": "",
                "osVersion": "",
                "device": "",
                "createdAt": format_rfc3339_ms(session.created_ms),
                "seenAt": format_rfc3339_ms(session.seen_ms),
            })
        };
        Ok(self.lasting(uid).await?.into_iter().map(shown).collect())
    }

    /// Ends one session of a user.
    pub(super) async fn revoke_session(&self, uid: &str, body: &[u8]) -> Result<Response, AccountsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Form {
            auth_token_id: u64,
        }
        let form: Form = read_json(body)?;
        let sessions = self.lasting(uid).await?;
        let found = sessions.into_iter().find(|(_, session)| session.id == form.auth_token_id);
        let (key, _) = found.ok_or(AccountsError::NotFound("user auth token"))?;
        self.sessions.end(&key).await?;
        self.metrics.sessions_ended.inc();
        Ok(message("User auth token revoked"))
    }
}

async fn revoke(
    State(Accounts(inner)): State<Accounts>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, AccountsError> {
    inner.revoke_session(own(&caller)?, &body).await
}
