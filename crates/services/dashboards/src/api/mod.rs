//! Grafana's HTTP API: its paths, its JSON, its status codes.

mod annotations;
mod dashboards;
mod diff;
mod folders;
mod imports;
mod library;
mod people;
mod permissions;
mod playlists;
mod provisioning;
mod public;
mod resources;
mod search;
mod settings;
mod snapshots;
pub(crate) mod strangers;
mod versions;

use std::convert::Infallible;

use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::{Json, Router};
use bytes::Bytes;
use model::{Caller, CallerKind};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::reading::DASHBOARD_SIZE_MAX_BYTES;
use crate::service::Dashboards;

/// The largest body of a request: a dashboard and what goes with it.
const REQUEST_SIZE_MAX_BYTES: usize = DASHBOARD_SIZE_MAX_BYTES + (1 << 20);

impl Dashboards {
    /// All routes but those of data sources.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(dashboards::router())
            .merge(versions::router())
            .merge(folders::router())
            .merge(permissions::router())
            .merge(search::router())
            .merge(people::router())
            .merge(library::router())
            .merge(playlists::router())
            .merge(annotations::router())
            .merge(public::router())
            .merge(strangers::router())
            .merge(snapshots::router())
            .merge(imports::router())
            .merge(provisioning::router())
            .merge(settings::router())
            .merge(resources::router())
            .layer(DefaultBodyLimit::max(REQUEST_SIZE_MAX_BYTES))
            .with_state(self.clone())
    }

    /// An address as people see it, below the server's name.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.options().base_path)
    }

    /// An address as people see it, whole.
    pub(crate) fn whole_address(&self, path: &str) -> String {
        format!("{}{path}", self.options().external_url)
    }
}

/// What a handler answers.
pub(crate) type Answer = Result<Json<Value>, Error>;

/// Who asks.
pub(crate) struct Asker(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Asker(parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::local)))
    }
}

/// The key under which things of one user are kept.
fn user_key(caller: &Caller) -> Result<String, Error> {
    match caller.kind {
        CallerKind::Local => Ok("local".into()),
        CallerKind::Anonymous => Err(Error::Forbidden("this needs somebody who is logged in")),
        CallerKind::User | CallerKind::ServiceAccount => Ok(format!("user:{}", caller.uid)),
    }
}

/// Parts of a request's path, as numbers or texts; what is no number is told as Grafana tells it.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|read| Path(read.0)).map_err(|_| Error::bad("id is invalid"))
    }
}

/// The JSON object that was sent; an empty one if nothing was.
pub(crate) struct Sent(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == 413 {
                let max_bytes = REQUEST_SIZE_MAX_BYTES;
                return Error::TooLarge { what: "a request", size_bytes: max_bytes + 1, max_bytes };
            }
            Error::bad("bad request data")
        })?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Sent(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Sent(object)),
            Ok(_) => Err(Error::bad("bad request data: expected an object")),
            Err(error) => Err(Error::bad(format!("bad request data: {error}"))),
        }
    }
}

impl Sent {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_string)
    }

    /// A whole number; some clients send it as text.
    fn number(&self, name: &str) -> Option<i64> {
        number(self.0.get(name)?)
    }

    fn boolean(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn strings(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_string)).collect()
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The parameters of a request.
struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Parameters(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Parameters {
    fn text(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, value)| known == name && !value.is_empty());
        found.next().map(|(_, value)| value.as_str())
    }

    /// All values of a parameter; also those that are empty, which some mean.
    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| Error::bad(format!("{name}: expected a number, found {text:?}")))
            })
            .transpose()
    }

    fn boolean(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| matches!(text, "true" | "1" | "t" | "T" | "True" | "TRUE"))
    }

    /// How many are wanted, and which page of them, counted from 1.
    fn page(&self, limit: &str, default: usize, max: usize) -> Result<Page, Error> {
        let size = match self.number(limit)? {
            Some(size) if size > 0 => usize::try_from(size).unwrap_or(max).min(max),
            _ => default,
        };
        let number = usize::try_from(self.number("page")?.unwrap_or(1).max(1)).unwrap_or(1);
        Ok(Page { size, number })
    }
}

#[derive(Clone, Copy)]
struct Page {
    size: usize,
    number: usize,
}

impl Page {
    fn of<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip((self.number - 1).saturating_mul(self.size)).take(self.size).collect()
    }
}

/// A time as Grafana writes it.
fn time(time_ms: i64) -> Value {
    Value::String(gocompat::layout::format_rfc3339_ms(time_ms))
}
