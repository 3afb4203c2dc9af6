//! The routes by which people come in and leave.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::accounts::{Accounts, Client, Inner};
use crate::audit::Entry;
use crate::directory::User;
use crate::guard::{BySession, COOKIE};
use crate::{AccountsError, refusal};

/// The cookie of a sign-in by OpenID Connect that is under way.
const OIDC_COOKIE: &str = "promontory_oidc";
/// How long such a sign-in may take.
const OIDC_SECONDS: i64 = 600;

pub(crate) fn routes() -> Router<Accounts> {
    Router::new()
        .route("/login", post(by_password))
        .route("/logout", get(log_out).post(log_out))
        .route("/api/login/options", get(options))
        .route("/login/oidc", get(to_provider))
        .route("/login/oidc/callback", get(from_provider))
}

#[derive(Default, Deserialize)]
struct Form {
    #[serde(default, alias = "username", alias = "login")]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

impl Inner {
    /// What a cookie of ours is called. Where it can be, so that no server of a neighbouring name can set it: browsers
    /// take `__Host-` from the very server alone, over TLS and for all its paths (RFC 6265bis, 4.1.3.2).
    pub(crate) fn cookie_name(&self, name: &'static str) -> Cow<'static, str> {
        match self.surroundings.is_encrypted && self.surroundings.external_path == "/" {
            true => format!("__Host-{name}").into(),
            false => name.into(),
        }
    }

    /// A cookie of ours. It never leaves for another site with a request that changes something, and no script reads it.
    fn cookie(&self, name: &'static str, value: &str, max_age_s: i64) -> Result<HeaderValue, AccountsError> {
        let name = self.cookie_name(name);
        let secure = if self.surroundings.is_encrypted { "; Secure" } else { "" };
        let path = &self.surroundings.external_path;
        let text =
            format!("{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text)
            .map_err(|_| AccountsError::Internal("a cookie cannot be written".to_string()))
    }

    /// Begins a session in place of the one before, if there is one: what a browser held before the sign-in is worth
    /// nothing after it.
    async fn begin_session(
        &self,
        user: &User,
        client: &Client,
        before: Option<&BySession>,
    ) -> Result<HeaderValue, AccountsError> {
        if let Some(BySession(key)) = before {
            self.sessions.end(key).await?;
        }
        let value = self.sessions.begin(user, &client.address.to_string(), &client.agent).await?;
        self.metrics.sessions_made.inc();
        self.note_seen(&user.uid);
        self.cookie(COOKIE, &value, self.sessions.lifetime_s())
    }
}

/// What a URL's query says under a name.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or("");
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

async fn by_password(
    State(Accounts(inner)): State<Accounts>,
    Extension(client): Extension<Client>,
    before: Option<Extension<BySession>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AccountsError> {
    let is_form = net::client::media_type(&headers) == "application/x-www-form-urlencoded";
    let mut form = match is_form {
        true => {
            let mut form = Form::default();
            for (name, value) in form_urlencoded::parse(&body) {
                match &*name {
                    "user" | "username" | "login" => form.user = value.into_owned(),
                    "password" => form.password = value.into_owned(),
                    "next" => form.next = value.into_owned(),
                    _ => {}
                }
            }
            form
        }
        false => crate::api::read_json::<Form>(&body)?,
    };
    if form.next.is_empty() {
        form.next = parameter(&uri, "next").unwrap_or_default();
    }
    if form.user.is_empty() || form.password.is_empty() {
        return Err(AccountsError::Input("user and password are needed".into()));
    }
    let next = refusal::local_path(&form.next, &inner.surroundings.external_path);
    let user = inner.sign_in(form.user.trim(), &form.password, &client).await?;
    let cookie = inner.begin_session(&user, &client, before.as_deref()).await?;
    let mut response = match is_form {
        true => refusal::see_other(&next),
        false => Json(json!({"message": "Logged in", "redirectUrl": next})).into_response(),
    };
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn log_out(
    State(Accounts(inner)): State<Accounts>,
    Extension(client): Extension<Client>,
    session: Option<Extension<BySession>>,
    caller: Option<Extension<model::Caller>>,
    method: Method,
) -> Result<Response, AccountsError> {
    if let Some(Extension(BySession(key))) = session {
        inner.sessions.end(&key).await?;
        inner.metrics.sessions_ended.inc();
        let (user, uid) = caller
            .map(|Extension(caller)| (caller.login.to_string(), caller.uid.to_string()))
            .unwrap_or_default();
        let address = client.address.to_string();
        inner.audit.record(Entry {
            action: "logout".into(),
            user,
            uid,
            address,
            status: 200,
            ..Entry::default()
        });
    }
    let mut response = match method {
        Method::GET => refusal::see_other(&format!("{}login", inner.surroundings.external_path)),
        _ => Json(json!({"message": "Logged out"})).into_response(),
    };
    response.headers_mut().append(header::SET_COOKIE, inner.cookie(COOKIE, "", 0)?);
    Ok(response)
}

/// What the login page may offer.
async fn options(State(Accounts(inner)): State<Accounts>) -> Response {
    let path = &inner.surroundings.external_path;
    let in_force = inner.in_force();
    let oidc =
        in_force.oidc.as_ref().map(|oidc| json!({"name": oidc.name(), "url": format!("{path}login/oidc")}));
    Json(json!({
        "password": true,
        "oidc": oidc,
        "anonymous": in_force.settings.anonymous_role.map(model::Role::as_str),
        "required": !(in_force.is_local || inner.surroundings.allow_unauthenticated),
    }))
    .into_response()
}

async fn to_provider(
    State(Accounts(inner)): State<Accounts>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, AccountsError> {
    let in_force = inner.in_force();
    let external_path = &inner.surroundings.external_path;
    let next = refusal::local_path(&parameter(&uri, "next").unwrap_or_default(), external_path);
    let begun = match in_force.oidc() {
        Ok(oidc) => oidc.begin(next.clone()).await,
        Err(error) => Err(error),
    };
    let (url, attempt) = match begun {
        Ok(begun) => begun,
        Err(error) if refusal::wants_page(&Method::GET, uri.path(), &headers) => {
            return Ok(refusal::back_to_login(external_path, &error, &next));
        }
        Err(error) => return Err(error),
    };
    let mut response = refusal::see_other(&url);
    response.headers_mut().append(header::SET_COOKIE, inner.cookie(OIDC_COOKIE, &attempt, OIDC_SECONDS)?);
    Ok(response)
}

async fn from_provider(
    State(Accounts(inner)): State<Accounts>,
    Extension(client): Extension<Client>,
    before: Option<Extension<BySession>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, AccountsError> {
    let in_force = inner.in_force();
    let oidc = in_force.oidc()?;
    let attempt = crate::guard::cookie(&headers, &inner.cookie_name(OIDC_COOKIE)).unwrap_or("");
    let proved = oidc.finish(attempt, &uri).await;
    let (login, result, next) = match proved {
        Ok((person, next)) => (person.login.clone(), inner.take_in(oidc, &person).await, next),
        Err(error) => (String::new(), Err(error), inner.surroundings.external_path.clone()),
    };
    inner.record_sign_in(&login, &result, &client, "oidc");
    // The browser held it meanwhile, and other servers of the domain can give it cookies.
    let next = refusal::local_path(&next, &inner.surroundings.external_path);
    let mut response = match &result {
        Ok(user) => {
            let cookie = inner.begin_session(user, &client, before.as_deref()).await?;
            let mut response = refusal::see_other(&next);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        // The login page says what went wrong.
        Err(error) => refusal::back_to_login(&inner.surroundings.external_path, error, &next),
    };
    response.headers_mut().append(header::SET_COOKIE, inner.cookie(OIDC_COOKIE, "", 0)?);
    if response.status() != StatusCode::SEE_OTHER {
        return Err(AccountsError::Internal("the way back cannot be written".into()));
    }
    Ok(response)
}
