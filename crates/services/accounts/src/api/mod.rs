//! Grafana's HTTP API over people, and the routes to sign in: the same paths and fields, so that its clients work.

mod audit;
mod me;
mod org;
mod service_accounts;
mod teams;
mod users;

use std::collections::HashMap;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gocompat::layout::format_rfc3339_ms;
use model::Role;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::accounts::{Accounts, Inner};
use crate::directory::{ADMINISTRATOR, Directory, Source, User};
use crate::login::parameter;
use crate::{AccountsError, login};

/// The largest body of a request.
const BODY_SIZE_MAX_BYTES: usize = 64 * 1024;
/// What a page of a list has, at most and if nothing is said.
const PAGE_MAX: usize = 5_000;
const PAGE_DEFAULT: usize = 1_000;
/// What Grafana says of who was never here: ten years ago.
const NEVER_AGO_MS: i64 = 10 * 365 * 86_400_000;

impl Accounts {
    /// The routes over people. They have to stand behind a [`crate::Guard`], which tells them who asks.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/api/health", get(health))
            .merge(login::routes())
            .merge(me::routes())
            .merge(users::routes())
            .merge(org::routes())
            .merge(teams::routes())
            .merge(service_accounts::routes())
            .merge(audit::routes())
            .layer(DefaultBodyLimit::max(BODY_SIZE_MAX_BYTES))
            .layer(map_response(kept_nowhere))
            .with_state(self.clone())
    }
}

/// Who somebody is and what they may do is true now, for them alone: no cache may keep it.
async fn kept_nowhere(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn health(State(Accounts(inner)): State<Accounts>) -> Response {
    let database = if inner.store.current().is_ok() { "ok" } else { "failing" };
    let status = if database == "ok" { 200 } else { 503 };
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    let body = json!({"database": database, "version": inner.surroundings.version, "commit": ""});
    (status, Json(body)).into_response()
}

/// A body of JSON, whatever its content type is said to be.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, AccountsError> {
    let body: &[u8] = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| AccountsError::Input(format!("bad request data: {error}")))
}

fn message(text: &str) -> Response {
    Json(json!({"message": text})).into_response()
}

fn read_role(text: &str) -> Result<Role, AccountsError> {
    text.parse().map_err(AccountsError::Input)
}

/// A page of a list, as `query`, `page` and `perpage` ask for it.
struct Page {
    query: String,
    number: usize,
    size: usize,
}

impl Page {
    fn of(uri: &Uri) -> Page {
        let number = |name: &str| parameter(uri, name).and_then(|text| text.parse::<usize>().ok());
        let size =
            number("perpage").or_else(|| number("limit")).filter(|size| *size > 0).unwrap_or(PAGE_DEFAULT);
        Page {
            query: parameter(uri, "query").unwrap_or_default().to_lowercase(),
            number: number("page").unwrap_or(1).max(1),
            size: size.min(PAGE_MAX),
        }
    }

    /// Whether one of these texts has what is searched for.
    fn wants(&self, texts: &[&str]) -> bool {
        self.query.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&self.query))
    }

    /// The part of a list that is asked for, and how much there is.
    fn cut<T>(&self, all: impl Iterator<Item = T>) -> (Vec<T>, usize) {
        let all: Vec<T> = all.collect();
        let count = all.len();
        let from = (self.number - 1).saturating_mul(self.size);
        (all.into_iter().skip(from).take(self.size).collect(), count)
    }
}

/// A part of a list, and how much there is of it.
struct Part {
    list: Vec<Value>,
    count: usize,
    page: Page,
}

impl Part {
    /// As Grafana's searches answer; `name` is what the list is called there.
    fn counted(self, name: &str) -> Response {
        let Part { list, count, page } = self;
        Json(json!({"totalCount": count, name: list, "page": page.number, "perPage": page.size}))
            .into_response()
    }
}

impl Inner {
    /// The users that are asked for, by login.
    async fn users(
        &self,
        uri: &Uri,
        shown: impl Fn(&User, &HashMap<String, i64>, i64) -> Value,
    ) -> Result<Part, AccountsError> {
        let (current, seen) = (self.store.current()?, self.seen().await?);
        let page = Page::of(uri);
        let mut users: Vec<&User> = current.directory.users.iter().collect();
        users.sort_by(|a, b| a.login.cmp(&b.login));
        let wanted = users.into_iter().filter(|user| page.wants(&[&user.login, &user.email, &user.name]));
        let (users, count) = page.cut(wanted);
        let now_ms = self.clock.now_ms();
        let list = users.into_iter().map(|user| shown(user, &seen, now_ms)).collect();
        Ok(Part { list, count, page })
    }

    /// Makes a change, which is told the time, and says that it is made.
    async fn change(
        &self,
        done: &str,
        change: impl Fn(&mut Directory, i64) -> Result<(), AccountsError>,
    ) -> Result<Response, AccountsError> {
        let now_ms = self.clock.now_ms();
        self.store.change(|directory| change(directory, now_ms)).await?;
        Ok(message(done))
    }
}

/// When somebody was here last, as Grafana says it: a time and an age.
fn last_seen(user: &User, seen: &HashMap<String, i64>, now_ms: i64) -> (String, String) {
    let time_ms = seen.get(&user.uid).copied().unwrap_or(now_ms - NEVER_AGO_MS);
    (format_rfc3339_ms(time_ms), age(now_ms - time_ms))
}

fn age(age_ms: i64) -> String {
    let minutes = age_ms / 60_000;
    let (count, unit) = match minutes {
        ..1 => return "< 1 minute".into(),
        1..60 => (minutes, "minute"),
        60..1_440 => (minutes / 60, "hour"),
        1_440..43_200 => (minutes / 1_440, "day"),
        43_200..525_600 => (minutes / 43_200, "month"),
        _ => (minutes / 525_600, "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Who vouches for somebody, as Grafana's labels say it.
fn labels(user: &User) -> Vec<&'static str> {
    match user.source {
        Source::Local => Vec::new(),
        Source::Oidc => vec!["Generic OAuth"],
        Source::Proxy => vec!["Auth Proxy"],
    }
}

/// A name to show.
fn shown_name(user: &User) -> &str {
    if user.name.is_empty() && user.login == ADMINISTRATOR { ADMINISTRATOR } else { &user.name }
}

/// What Grafana's profile of a user has.
fn profile(user: &User) -> Value {
    json!({
        "id": user.id,
        "uid": user.uid,
        "email": user.email,
        "name": shown_name(user),
        "login": user.login,
        "theme": "",
        "orgId": 1,
        "orgRole": user.role.as_str(),
        "isGrafanaAdmin": user.role == Role::Admin,
        "isDisabled": user.is_disabled,
        "isExternal": user.source != Source::Local,
        "isExternallySynced": user.source == Source::Oidc,
        "isGrafanaAdminExternallySynced": user.source == Source::Oidc,
        "authLabels": labels(user),
        "updatedAt": format_rfc3339_ms(user.updated_ms),
        "createdAt": format_rfc3339_ms(user.created_ms),
        "avatarUrl": "",
        "isProvisioned": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_as_grafana_says_them() {
        for (age_ms, expected) in [
            (59_000, "< 1 minute"),
            (60_000, "1 minute"),
            (7_200_000, "2 hours"),
            (3 * 86_400_000, "3 days"),
            (NEVER_AGO_MS, "10 years"),
        ] {
            assert_eq!(age(age_ms), expected);
        }
    }

    #[test]
    fn a_page_has_its_part_of_the_list() {
        let page = Page::of(&"/x?query=AB&page=2&perpage=2".parse().unwrap());
        assert!(page.wants(&["xaby"]) && !page.wants(&["a", "b"]));
        assert_eq!(page.cut(0..5), (vec![2, 3], 5));
        assert_eq!(Page::of(&"/x?page=0&perpage=0".parse().unwrap()).cut(0..5).0.len(), 5);
    }
}
