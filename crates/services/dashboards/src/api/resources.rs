//! Dashboards and folders in the manner of Kubernetes: `apis/dashboard.grafana.app`, `apis/folder.grafana.app`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use model::Caller;
use serde_json::{Value, json};

use super::{Asker, Parameters, Path, Sent, time};
use crate::access::Permission;
use crate::card::Card;
use crate::catalog::Folder;
use crate::error::Error;
use crate::reading;
use crate::saving::{FolderChange, Save};
use crate::service::Dashboards;

const DASHBOARDS: &str = "dashboard.grafana.app";
const FOLDERS: &str = "folder.grafana.app";
/// The annotation that names the folder.
const FOLDER: &str = "grafana.app/folder";
/// The annotation with the message of a version.
const MESSAGE: &str = "grafana.app/message";
/// Versions of the group; what is asked in one of another form comes as it was saved.
const VERSIONS: [&str; 8] =
    ["v0alpha1", "v1alpha1", "v1beta1", "v1", "v2alpha1", "v2alpha2", "v2beta1", "v2"];
/// Objects of an answer unless it is said, and at most.
const LIMIT: usize = 500;
const LIMIT_MAX: usize = 1_000;
/// Size of the dashboards of one answer; after the one that goes beyond it the next page begins.
const LIST_SIZE_MAX_BYTES: usize = 16 << 20;

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route(
            "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards",
            get(list).post(create),
        )
        .route(
            "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards/{name}",
            get(show).put(replace).delete(remove),
        )
        .route(
            "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards/{name}/dto",
            get(show_with_access),
        )
        .route(
            "/apis/folder.grafana.app/{version}/namespaces/{namespace}/folders",
            get(list_folders).post(create_folder),
        )
        .route(
            "/apis/folder.grafana.app/{version}/namespaces/{namespace}/folders/{name}",
            get(show_folder).put(replace_folder).delete(remove_folder),
        )
}

/// An error in the words of Kubernetes.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let message = self.0.to_string();
        let is_taken = matches!(&self.0, Error::Conflict(_));
        let status = match self.0.into_response().status() {
            StatusCode::PRECONDITION_FAILED => StatusCode::CONFLICT,
            status => status,
        };
        let reason = match status.as_u16() {
            400 => "BadRequest",
            403 => "Forbidden",
            404 => "NotFound",
            409 if is_taken => "AlreadyExists",
            409 => "Conflict",
            413 => "RequestEntityTooLarge",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalError",
        };
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": status.as_u16(),
        });
        (status, Json(body)).into_response()
    }
}

type Answer = Result<Response, Failure>;

/// Which version of which object is asked for.
#[derive(serde::Deserialize)]
struct At {
    version: String,
    namespace: String,
    #[serde(default)]
    name: String,
}

impl At {
    fn check(&self) -> Result<(), Error> {
        if !VERSIONS.contains(&self.version.as_str()) {
            return Err(Error::NotFound("the server could not find the requested resource"));
        }
        if !matches!(self.namespace.as_str(), "default" | "org-1") {
            return Err(Error::NotFound("there is no such namespace"));
        }
        Ok(())
    }
}

async fn object(dashboards: &Dashboards, at: &At, card: &Card) -> Result<Value, Error> {
    let spec = dashboards.spec(card).await?;
    let stored = card.api_version.as_deref().unwrap_or("v1beta1");
    // Which form it has is said by the version, whatever was asked for.
    let is_other_form = at.version.starts_with("v2") != stored.starts_with("v2");
    let version = if is_other_form { stored } else { &at.version };
    let mut annotations = json!({
        "grafana.app/createdBy": card.created_by,
        "grafana.app/updatedBy": card.updated_by,
        "grafana.app/updatedTimestamp": time(card.updated_ms),
    });
    if !card.folder.is_empty() {
        annotations[FOLDER] = json!(card.folder);
    }
    let mut object = json!({
        "kind": "Dashboard",
        "apiVersion": format!("{DASHBOARDS}/{version}"),
        "metadata": {
            "name": card.uid,
            "namespace": at.namespace,
            "uid": card.uid,
            "resourceVersion": card.version.to_string(),
            "generation": card.version,
            "creationTimestamp": time(card.created_ms),
            "labels": {"grafana.app/deprecatedInternalID": card.id().to_string()},
            "annotations": annotations,
        },
        "spec": spec,
        "status": {},
    });
    if is_other_form {
        object["status"]["conversion"] = json!({
            "failed": true, "storedVersion": stored, "error": "shown in the form in which it was saved",
        });
    }
    Ok(object)
}

fn start_of(parameters: &Parameters) -> Result<usize, Error> {
    let start = parameters.text("continue").unwrap_or("0").parse::<usize>();
    start.map_err(|_| Error::bad("continue: expected what an earlier answer gave"))
}

fn page_of<T>(parameters: &Parameters, items: Vec<T>) -> Result<(Vec<T>, Value), Error> {
    let start = start_of(parameters)?;
    let limit = match parameters.number("limit")? {
        Some(limit) if limit > 0 => usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX),
        _ => LIMIT,
    };
    let total = items.len();
    let end = start.saturating_add(limit);
    let shown: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let mut metadata = json!({"resourceVersion": "0"});
    if end < total {
        metadata["continue"] = json!(end.to_string());
        metadata["remainingItemCount"] = json!(total - end);
    }
    Ok((shown, metadata))
}

async fn list(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    parameters: Parameters,
) -> Answer {
    at.check()?;
    let mut cards = dashboards.cards();
    {
        let mut access = dashboards.access(&caller);
        cards.retain(|card| access.dashboard(card).is_some());
    }
    cards.sort_by(|a, b| a.uid.cmp(&b.uid));
    let total = cards.len();
    let (cards, mut metadata) = page_of(&parameters, cards)?;
    let mut items = Vec::with_capacity(cards.len());
    let (mut next, mut size_bytes) = (start_of(&parameters)?, 0);
    for card in cards {
        if size_bytes > LIST_SIZE_MAX_BYTES {
            metadata["continue"] = json!(next.to_string());
            metadata["remainingItemCount"] = json!(total.saturating_sub(next));
            break;
        }
        next += 1;
        match object(&dashboards, &at, &card).await {
            Ok(object) => {
                size_bytes += object.to_string().len();
                items.push(object);
            }
            // Deleted meanwhile.
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let version = format!("{DASHBOARDS}/{}", at.version);
    Ok(Json(json!({"kind": "DashboardList", "apiVersion": version, "metadata": metadata, "items": items}))
        .into_response())
}

async fn show(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(at): Path<At>) -> Answer {
    at.check()?;
    let (card, _) = dashboards.card_for(&caller, &at.name, Permission::View)?;
    Ok(Json(object(&dashboards, &at, &card).await?).into_response())
}

async fn show_with_access(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
) -> Answer {
    at.check()?;
    let (card, permission) = dashboards.card_for(&caller, &at.name, Permission::View)?;
    let mut object = object(&dashboards, &at, &card).await?;
    let meta = super::dashboards::meta(&dashboards, &caller, &card, permission);
    object["kind"] = json!("DashboardWithAccessInfo");
    object["access"] =
        ["slug", "url", "canSave", "canEdit", "canAdmin", "canStar", "canDelete", "annotationsPermissions"]
            .iter()
            .map(|field| ((*field).to_string(), meta[*field].clone()))
            .collect();
    Ok(Json(object).into_response())
}

/// Saves what was sent under a name.
async fn save(
    dashboards: &Dashboards,
    caller: &Caller,
    at: &At,
    mut sent: Sent,
    name: String,
    expected_version: Option<i64>,
) -> Result<Value, Error> {
    sent.0.insert("kind".into(), json!("Dashboard"));
    sent.0.entry("apiVersion").or_insert_with(|| json!(format!("{DASHBOARDS}/{}", at.version)));
    let metadata = sent.0.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        return Err(Error::bad("metadata: expected an object"));
    }
    metadata["name"] = json!(name);
    let message =
        metadata.get("annotations").and_then(|all| all.get(MESSAGE)?.as_str()).unwrap_or("").to_string();
    if !sent.0.contains_key("spec") {
        return Err(Error::bad("spec is missing"));
    }
    let reading = reading::read(Value::Object(sent.0))?;
    let folder = dashboards.folder_uid(reading.folder.as_deref(), None)?;
    let save = Save {
        reading,
        folder,
        message,
        overwrite: false,
        expected_version,
        restored_from: 0,
        unique_title: false,
    };
    let card = dashboards.save(caller, save).await?;
    object(dashboards, at, &card).await
}

/// The name that was sent, or one made from the beginning that was sent.
fn name_of(sent: &Sent) -> String {
    let metadata = sent.0.get("metadata");
    let text = |field: &str| metadata.and_then(|metadata| metadata.get(field)?.as_str()).unwrap_or("");
    match text("name") {
        "" => format!("{}{}", text("generateName"), reading::random_uid(10)),
        name => name.to_string(),
    }
}

fn expected(sent: &Sent) -> Option<i64> {
    sent.0.get("metadata").and_then(|metadata| super::number(metadata.get("resourceVersion")?))
}

async fn create(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    sent: Sent,
) -> Answer {
    at.check()?;
    let name = name_of(&sent);
    if dashboards.find(&name).is_some() {
        return Err(Error::Conflict(format!("dashboards.{DASHBOARDS} {name:?} already exists")).into());
    }
    let made = save(&dashboards, &caller, &at, sent, name, None).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

async fn replace(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    sent: Sent,
) -> Answer {
    at.check()?;
    let is_new = dashboards.find(&at.name).is_none();
    let (name, expected) = (at.name.clone(), if is_new { None } else { expected(&sent) });
    let saved = save(&dashboards, &caller, &at, sent, name, expected).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(saved)).into_response())
}

async fn remove(State(dashboards): State<Dashboards>, Asker(caller): Asker, Path(at): Path<At>) -> Answer {
    at.check()?;
    let card = dashboards.remove(&caller, &at.name).await?;
    Ok(deleted(&card.uid, "dashboards"))
}

fn deleted(name: &str, kind: &str) -> Response {
    Json(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": name, "kind": kind},
    }))
    .into_response()
}

fn folder_object(at: &At, folder: &Folder) -> Value {
    let kept = &folder.kept;
    let mut annotations = json!({
        "grafana.app/createdBy": kept.created_by,
        "grafana.app/updatedBy": kept.updated_by,
        "grafana.app/updatedTimestamp": time(kept.updated_ms),
    });
    if !kept.parent.is_empty() {
        annotations[FOLDER] = json!(kept.parent);
    }
    json!({
        "kind": "Folder",
        "apiVersion": format!("{FOLDERS}/{}", at.version),
        "metadata": {
            "name": folder.uid,
            "namespace": at.namespace,
            "uid": folder.uid,
            "resourceVersion": kept.version.to_string(),
            "generation": kept.version,
            "creationTimestamp": time(kept.created_ms),
            "labels": {"grafana.app/deprecatedInternalID": folder.id().to_string()},
            "annotations": annotations,
        },
        "spec": {"title": kept.title, "description": kept.description},
    })
}

async fn list_folders(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    parameters: Parameters,
) -> Answer {
    at.check()?;
    let mut access = dashboards.access(&caller);
    let mut folders = dashboards.folders();
    folders.retain(|folder| access.folder(&folder.uid).is_some());
    folders.sort_by(|a, b| a.uid.cmp(&b.uid));
    let (folders, metadata) = page_of(&parameters, folders)?;
    let items: Vec<Value> = folders.iter().map(|folder| folder_object(&at, folder)).collect();
    let version = format!("{FOLDERS}/{}", at.version);
    Ok(Json(json!({"kind": "FolderList", "apiVersion": version, "metadata": metadata, "items": items}))
        .into_response())
}

async fn show_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
) -> Answer {
    at.check()?;
    let (folder, _) = dashboards.folder_for(&caller, &at.name, Permission::View)?;
    Ok(Json(folder_object(&at, &folder)).into_response())
}

fn folder_change(sent: &Sent) -> FolderChange {
    let spec = sent.0.get("spec");
    let text = |field: &str| spec.and_then(|spec| spec.get(field)?.as_str()).map(str::to_string);
    FolderChange {
        title: text("title"),
        description: text("description"),
        expected_version: expected(sent),
        overwrite: false,
    }
}

fn parent_of(sent: &Sent) -> Option<&str> {
    sent.0.get("metadata")?.get("annotations")?.get(FOLDER)?.as_str()
}

async fn create_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    sent: Sent,
) -> Answer {
    at.check()?;
    let parent = dashboards.folder_uid(parent_of(&sent), None)?;
    let name = name_of(&sent);
    let folder = dashboards.create_folder(&caller, Some(&name), parent, folder_change(&sent)).await?;
    Ok((StatusCode::CREATED, Json(folder_object(&at, &folder))).into_response())
}

async fn replace_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
    sent: Sent,
) -> Answer {
    at.check()?;
    let mut folder = dashboards.update_folder(&caller, &at.name, folder_change(&sent)).await?;
    let parent = dashboards.folder_uid(Some(parent_of(&sent).unwrap_or("")), None)?;
    if parent != folder.kept.parent {
        folder = dashboards.move_folder(&caller, &at.name, parent).await?;
    }
    Ok(Json(folder_object(&at, &folder)).into_response())
}

async fn remove_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(at): Path<At>,
) -> Answer {
    at.check()?;
    let folder = dashboards.remove_folder(&caller, &at.name).await?;
    Ok(deleted(&folder.uid, "folders"))
}
