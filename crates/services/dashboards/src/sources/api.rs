//! Grafana's API of data sources: `/api/datasources`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use model::{Caller, Role};
use serde_json::{Map, Value, json};

use super::DataSources;
use super::definition::{
    DATA_SOURCES_MAX, Definition, Family, Origin, Source, StoredSource, read_secrets, read_uid,
};
use super::proxy::{Ask, BODY_SIZE_MAX_BYTES, Proxy};
use crate::api::{Answer, Asker, Sent};
use crate::documents::kinds;
use crate::error::Error;
use crate::reading::random_uid;
use crate::service::Dashboards;

/// The largest answer of a data source that says how it is.
const HEALTH_SIZE_MAX_BYTES: usize = 1 << 20;
/// Settings that whoever looks at dashboards needs. Others may name things that are not for everybody.
const SETTINGS_FOR_ALL: [&str; 19] = [
    "alertmanagerUid",
    "customQueryParameters",
    "defaultEditor",
    "derivedFields",
    "disableMetricsLookup",
    "exemplarTraceIdDestinations",
    "handleGrafanaManagedAlerts",
    "httpMethod",
    "implementation",
    "incrementalQuerying",
    "manageAlerts",
    "maxLines",
    "nodeGraph",
    "prometheusType",
    "prometheusVersion",
    "queryTimeout",
    "serviceMap",
    "timeInterval",
    "tracesToLogsV2",
];

impl Dashboards {
    /// The routes of data sources. `own` has the routes of this server that are data sources themselves: its metrics
    /// and its Alertmanager.
    pub fn data_source_router(&self, own: Router) -> Router {
        let proxy = Proxy { sources: self.data_sources().clone(), own };
        let changes = Router::new()
            .route("/api/datasources", get(list).post(add))
            .route("/api/datasources/correlations", get(correlations))
            .route("/api/datasources/{id}", get(by_id).put(update_by_id).delete(delete_by_id))
            .route("/api/datasources/uid/{uid}", get(by_uid).put(update_by_uid).delete(delete_by_uid))
            .route("/api/datasources/uid/{uid}/correlations", get(correlations))
            .route("/api/datasources/name/{name}", get(by_name).delete(delete_by_name))
            .route("/api/datasources/id/{name}", get(id_of_name))
            .route("/api/datasources/uid/{uid}/health", get(health_by_uid))
            .route("/api/datasources/{id}/health", get(health_by_id))
            .route("/api/ds/query", post(super::questions::query));
        let through = Router::new()
            .route("/api/datasources/proxy/uid/{uid}", any(proxy_by_uid))
            .route("/api/datasources/proxy/uid/{uid}/", any(proxy_by_uid))
            .route("/api/datasources/proxy/uid/{uid}/{*path}", any(proxy_by_uid))
            .route("/api/datasources/proxy/{id}", any(proxy_by_id))
            .route("/api/datasources/proxy/{id}/", any(proxy_by_id))
            .route("/api/datasources/proxy/{id}/{*path}", any(proxy_by_id))
            .route("/api/datasources/uid/{uid}/resources/{*path}", any(resources_by_uid))
            .route("/api/datasources/{id}/resources/{*path}", any(resources_by_id))
            .layer(DefaultBodyLimit::max(BODY_SIZE_MAX_BYTES));
        let strangers = crate::api::strangers::query_router(self.clone(), proxy.clone());
        changes.merge(through).with_state(proxy).merge(strangers)
    }
}

/// A data source as administrators see it.
fn whole(source: &Source) -> Value {
    let definition = &source.definition;
    let secrets: Map<String, Value> =
        source.secret_names().into_iter().map(|name| (name, Value::Bool(true))).collect();
    json!({
        "id": source.id(),
        "uid": source.uid,
        "orgId": 1,
        "name": definition.name,
        "type": definition.kind,
        "typeName": type_name(&definition.kind),
        "typeLogoUrl": "",
        "access": definition.access,
        "url": definition.url,
        "user": definition.user,
        "database": definition.database,
        "basicAuth": definition.basic_auth,
        "basicAuthUser": definition.basic_auth_user,
        "withCredentials": definition.with_credentials,
        "isDefault": definition.is_default,
        "jsonData": definition.json_data,
        "secureJsonFields": secrets,
        "version": definition.version.max(1),
        "readOnly": source.origin != Origin::Saved,
        "apiVersion": "",
    })
}

/// A data source as others see it: what they need to ask it.
fn brief(source: &Source) -> Value {
    let definition = &source.definition;
    let settings: Map<String, Value> = definition
        .json_data
        .iter()
        .filter(|(name, _)| SETTINGS_FOR_ALL.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut shown = json!({
        "id": source.id(),
        "uid": source.uid,
        "orgId": 1,
        "name": definition.name,
        "type": definition.kind,
        "typeName": type_name(&definition.kind),
        "access": definition.access,
        "isDefault": definition.is_default,
        "jsonData": settings,
        "readOnly": true,
    });
    if source.family() == Family::Traces {
        // A link is followed by the reader's browser.
        shown["url"] = definition.url.as_str().into();
    }
    shown
}

fn shown_to(caller: &Caller, source: &Source) -> Value {
    if caller.role == Role::Admin { whole(source) } else { brief(source) }
}

fn type_name(kind: &str) -> String {
    let mut letters = kind.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What `/api/frontend/settings` says of data sources, by name, and the name of the default.
pub(crate) fn for_page(sources: &DataSources) -> (Map<String, Value>, String) {
    let all = sources.all();
    let default = all.iter().find(|source| source.definition.is_default);
    let default = default.map(|source| source.definition.name.clone()).unwrap_or_default();
    let by_name = all.iter().map(|source| {
        let mut shown = brief(source);
        shown["url"] = match source.family() {
            Family::Traces => source.definition.url.as_str().into(),
            _ => format!("/api/datasources/proxy/uid/{}", source.uid).into(),
        };
        (source.definition.name.clone(), shown)
    });
    (by_name.collect(), default)
}

fn only_admins(caller: &Caller) -> Result<(), Error> {
    if caller.role == Role::Admin {
        Ok(())
    } else {
        Err(Error::Forbidden("only administrators may change data sources"))
    }
}

fn only_viewers(caller: &Caller) -> Result<(), Error> {
    if caller.role >= Role::Viewer {
        Ok(())
    } else {
        Err(Error::Forbidden("only those who may look at data may do this"))
    }
}

async fn list(State(proxy): State<Proxy>, Asker(caller): Asker) -> Answer {
    only_viewers(&caller)?;
    Ok(Json(proxy.sources.all().iter().map(|source| shown_to(&caller, source)).collect()))
}

async fn correlations(State(_): State<Proxy>, Asker(caller): Asker) -> Answer {
    only_viewers(&caller)?;
    Ok(Json(json!({"correlations": [], "page": 1, "limit": 100, "totalCount": 0})))
}

impl Proxy {
    fn by_id(&self, id: &str) -> Result<Source, Error> {
        let Ok(number) = id.parse::<i64>() else { return Err(Error::bad("id is invalid")) };
        self.sources.find(|source| source.id() == number)
    }

    fn by_name(&self, name: &str) -> Result<Source, Error> {
        self.sources.find(|source| source.definition.name == name)
    }
}

fn show(caller: &Caller, found: Result<Source, Error>) -> Answer {
    only_viewers(caller)?;
    Ok(Json(shown_to(caller, &found?)))
}

async fn by_id(State(proxy): State<Proxy>, Asker(caller): Asker, Path(id): Path<String>) -> Answer {
    show(&caller, proxy.by_id(&id))
}

async fn by_uid(State(proxy): State<Proxy>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    show(&caller, proxy.sources.by_uid(&uid))
}

async fn by_name(State(proxy): State<Proxy>, Asker(caller): Asker, Path(name): Path<String>) -> Answer {
    show(&caller, proxy.by_name(&name))
}

async fn id_of_name(State(proxy): State<Proxy>, Asker(caller): Asker, Path(name): Path<String>) -> Answer {
    only_viewers(&caller)?;
    Ok(Json(json!({"id": proxy.by_name(&name)?.id()})))
}

/// Encrypts what is new among secrets and keeps what was; an empty one is taken away.
fn sealed(
    sources: &DataSources,
    uid: &str,
    sent: &Map<String, Value>,
    mut kept: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    for (name, secret) in read_secrets(sent)? {
        if secret.is_empty() {
            kept.remove(&name);
        } else {
            kept.insert(name.clone(), sources.0.keys.seal(uid, &name, &secret)?);
        }
    }
    Ok(kept)
}

async fn add(State(proxy): State<Proxy>, Asker(caller): Asker, sent: Sent) -> Answer {
    only_admins(&caller)?;
    let sources = &proxy.sources;
    sources.0.store.check_loaded()?;
    let mut definition = Definition::read(&sent.0)?;
    definition.version = 1;
    let uid = read_uid(&sent.0)?.unwrap_or_else(|| random_uid(14));
    let all = sources.all();
    let same_name = || Error::Conflict("data source with the same name already exists".into());
    let same_uid = || Error::Conflict("data source with the same uid already exists".into());
    if all.iter().any(|known| known.definition.name == definition.name) {
        return Err(same_name());
    }
    if all.iter().any(|known| *known.uid == *uid) {
        return Err(same_uid());
    }
    if sources.0.store.index().data_sources.len() >= DATA_SOURCES_MAX {
        return Err(Error::Full { what: "data sources", max: DATA_SOURCES_MAX });
    }
    let secrets = sealed(sources, &uid, &sent.0, BTreeMap::new())?;
    let name = definition.name.clone();
    if !sources.save(&uid, &StoredSource { definition, secrets }, None).await? {
        return Err(same_uid());
    }
    let source = sources.by_uid(&uid)?;
    Ok(Json(
        json!({"id": source.id(), "name": name, "message": "Datasource added", "datasource": whole(&source)}),
    ))
}

async fn update(proxy: &Proxy, caller: &Caller, found: Result<Source, Error>, sent: Sent) -> Answer {
    only_admins(caller)?;
    let sources = &proxy.sources;
    let before = found?;
    if before.origin != Origin::Saved {
        return Err(Error::Forbidden("Cannot update read-only data source"));
    }
    let mut definition = Definition::read(&sent.0)?;
    let outdated = || {
        Error::Conflict(
            "Datasource has already been updated by someone else. Please reload and try again".into(),
        )
    };
    if definition.version != 0 && definition.version < before.definition.version {
        return Err(outdated());
    }
    definition.version = before.definition.version + 1;
    let taken = sources
        .all()
        .into_iter()
        .any(|known| known.uid != before.uid && known.definition.name == definition.name);
    if taken {
        return Err(Error::Conflict("data source with the same name already exists".into()));
    }
    if read_uid(&sent.0)?.is_some_and(|uid| *uid != *before.uid) {
        return Err(Error::bad("the uid of a data source cannot be changed: dashboards name it"));
    }
    let kept = sources.0.store.index().data_sources.get(&before.uid).map(|kept| kept.value.secrets.clone());
    let secrets = sealed(sources, &before.uid, &sent.0, kept.unwrap_or_default())?;
    let name = definition.name.clone();
    if !sources.save(&before.uid, &StoredSource { definition, secrets }, Some(&before)).await? {
        return Err(outdated());
    }
    let source = sources.by_uid(&before.uid)?;
    Ok(Json(
        json!({"id": source.id(), "name": name, "message": "Datasource updated", "datasource": whole(&source)}),
    ))
}

async fn update_by_id(
    State(proxy): State<Proxy>,
    Asker(caller): Asker,
    Path(id): Path<String>,
    sent: Sent,
) -> Answer {
    update(&proxy, &caller, proxy.by_id(&id), sent).await
}

async fn update_by_uid(
    State(proxy): State<Proxy>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    update(&proxy, &caller, proxy.sources.by_uid(&uid), sent).await
}

async fn delete(proxy: &Proxy, caller: &Caller, found: Result<Source, Error>) -> Answer {
    only_admins(caller)?;
    let source = found?;
    if source.origin != Origin::Saved {
        return Err(Error::Forbidden("Cannot delete read-only data source"));
    }
    proxy.sources.0.store.delete(kinds::DATA_SOURCE, &source.uid).await?;
    proxy.sources.0.reaches.lock().remove(&source.uid);
    Ok(Json(json!({"id": source.id(), "message": "Data source deleted"})))
}

async fn delete_by_id(State(proxy): State<Proxy>, Asker(caller): Asker, Path(id): Path<String>) -> Answer {
    delete(&proxy, &caller, proxy.by_id(&id)).await
}

async fn delete_by_uid(State(proxy): State<Proxy>, Asker(caller): Asker, Path(uid): Path<String>) -> Answer {
    delete(&proxy, &caller, proxy.sources.by_uid(&uid)).await
}

async fn delete_by_name(
    State(proxy): State<Proxy>,
    Asker(caller): Asker,
    Path(name): Path<String>,
) -> Answer {
    delete(&proxy, &caller, proxy.by_name(&name)).await
}

/// Who asks, and from where: for requests that this server answers itself.
pub(super) struct Sender(pub(super) Caller, pub(super) Option<ConnectInfo<SocketAddr>>);

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Asker(caller) = Asker::from_request_parts(parts, state).await?;
        Ok(Sender(caller, parts.extensions.get::<ConnectInfo<SocketAddr>>().copied()))
    }
}

/// Asks a data source how it is, with what its type has for that.
async fn health(proxy: &Proxy, from: Sender, found: Result<Source, Error>) -> Result<Response, Error> {
    let Sender(caller, peer) = from;
    only_viewers(&caller)?;
    let source = found?;
    let (path, query, good) = match source.family() {
        Family::Prometheus => {
            ("api/v1/query", Some("query=1%2B1"), "Successfully queried the Prometheus API.")
        }
        Family::Loki => {
            ("loki/api/v1/query", Some("query=vector(1)%2Bvector(1)"), "Data source successfully connected.")
        }
        Family::Alertmanager => ("api/v2/status", None, "Health check passed."),
        Family::Traces if source.definition.kind == "tempo" => ("api/echo", None, "Data source is working"),
        Family::Traces => ("api/services", None, "Data source is working"),
        Family::Elasticsearch | Family::Other => ("", None, "The data source answers."),
    };
    let ask = Ask {
        caller,
        peer,
        method: http::Method::GET,
        path: path.into(),
        query: query.map(str::to_string),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    };
    let response = proxy.ask(&source, ask).await;
    if response.status().is_success() {
        return Ok(Json(json!({"status": "OK", "message": good})).into_response());
    }
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), HEALTH_SIZE_MAX_BYTES).await.unwrap_or_default();
    let said = serde_json::from_slice::<Value>(&body).ok();
    let said = said.as_ref().and_then(|said| said.get("error").or_else(|| said.get("message"))?.as_str());
    let message = match said {
        Some(said) => said.to_string(),
        None => format!("the data source answers {status}"),
    };
    Ok((StatusCode::BAD_REQUEST, Json(json!({"status": "ERROR", "message": message}))).into_response())
}

async fn health_by_uid(
    State(proxy): State<Proxy>,
    from: Sender,
    Path(uid): Path<String>,
) -> Result<Response, Error> {
    health(&proxy, from, proxy.sources.by_uid(&uid)).await
}

async fn health_by_id(
    State(proxy): State<Proxy>,
    from: Sender,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    health(&proxy, from, proxy.by_id(&id)).await
}

/// What stands behind the first `count` parts of a path, as it was sent.
fn rest_of(path: &str, count: usize) -> &str {
    path.splitn(count + 2, '/').nth(count + 1).unwrap_or("")
}

/// Sends a request on. `parts`: how many parts of the path are ours.
async fn forward(
    proxy: &Proxy,
    from: Sender,
    found: Result<Source, Error>,
    request: Request,
    parts: usize,
) -> Result<Response, Error> {
    let Sender(caller, peer) = from;
    only_viewers(&caller)?;
    let source = found?;
    let (head, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, BODY_SIZE_MAX_BYTES).await {
        Ok(body) => body,
        Err(_) => {
            let max_bytes = BODY_SIZE_MAX_BYTES;
            return Err(Error::TooLarge { what: "a request", size_bytes: max_bytes + 1, max_bytes });
        }
    };
    let ask = Ask {
        caller,
        peer,
        method: head.method,
        path: rest_of(head.uri.path(), parts).trim_start_matches('/').to_string(),
        query: head.uri.query().map(str::to_string),
        headers: head.headers,
        body,
    };
    Ok(proxy.ask(&source, ask).await)
}

/// The part of the path at a place, counted from 0, decoded.
fn part(request: &Request<Body>, at: usize) -> String {
    let text = request.uri().path().split('/').nth(at + 1).unwrap_or("");
    String::from_utf8_lossy(&net::client::percent_decoded(text)).into_owned()
}

async fn proxy_by_uid(State(proxy): State<Proxy>, from: Sender, request: Request) -> Result<Response, Error> {
    let found = proxy.sources.by_uid(&part(&request, 4));
    forward(&proxy, from, found, request, 5).await
}

async fn proxy_by_id(State(proxy): State<Proxy>, from: Sender, request: Request) -> Result<Response, Error> {
    let found = proxy.by_id(&part(&request, 3));
    forward(&proxy, from, found, request, 4).await
}

async fn resources_by_uid(
    State(proxy): State<Proxy>,
    from: Sender,
    request: Request,
) -> Result<Response, Error> {
    let found = proxy.sources.by_uid(&part(&request, 3));
    resources(&proxy, from, found, request, 5).await
}

async fn resources_by_id(
    State(proxy): State<Proxy>,
    from: Sender,
    request: Request,
) -> Result<Response, Error> {
    let found = proxy.by_id(&part(&request, 2));
    resources(&proxy, from, found, request, 4).await
}

/// What Grafana's plugins answer: for these types the same paths as the proxy's.
async fn resources(
    proxy: &Proxy,
    from: Sender,
    found: Result<Source, Error>,
    mut request: Request,
    parts: usize,
) -> Result<Response, Error> {
    if found.as_ref().is_ok_and(|source| source.family() == Family::Loki) {
        // Its plugin leaves the beginning of the path away.
        let path = request.uri().path();
        let rest = rest_of(path, parts);
        if !rest.starts_with("loki/") {
            let head = path.strip_suffix(rest).unwrap_or(path);
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            if let Ok(uri) = format!("{head}loki/api/v1/{rest}{query}").parse() {
                *request.uri_mut() = uri;
            }
        }
    }
    forward(proxy, from, found, request, parts).await
}
