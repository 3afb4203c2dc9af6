//! `/api/playlists`: dashboards shown one after the other.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base::units::parse_duration_ms;
use model::{Caller, Role};
use serde_json::{Value, json};
use state::When;

use super::{Answer, Asker, Parameters, Path, Sent};
use crate::documents::{PLAYLIST_ITEMS_MAX, PLAYLISTS_MAX, Playlist, PlaylistItem, kinds};
use crate::error::Error;
use crate::reading::{check_uid, number, random_uid};
use crate::service::Dashboards;

const TEXT_LENGTH_MAX: usize = 1_000;
const NOT_FOUND: Error = Error::NotFound("playlist not found");

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/playlists", get(list).post(create))
        .route("/api/playlists/{uid}", get(show).put(change).delete(remove))
        .route("/api/playlists/{uid}/items", get(items))
}

fn head(uid: &str, playlist: &Playlist) -> Value {
    json!({"id": number(uid), "uid": uid, "name": playlist.name, "interval": playlist.interval})
}

fn view(uid: &str, playlist: &Playlist) -> Value {
    let mut shown = head(uid, playlist);
    shown["items"] = json!(playlist.items);
    shown
}

fn only_editors(caller: &Caller) -> Result<(), Error> {
    if caller.role >= Role::Editor {
        Ok(())
    } else {
        Err(Error::Forbidden("only editors and administrators may do this"))
    }
}

fn find(dashboards: &Dashboards, uid: &str) -> Result<(std::sync::Arc<Playlist>, i64), Error> {
    dashboards.store().check_loaded()?;
    let index = dashboards.store().index();
    index.playlists.get(uid).map(|kept| (kept.value.clone(), kept.revision)).ok_or(NOT_FOUND)
}

async fn list(State(dashboards): State<Dashboards>, Asker(caller): Asker, parameters: Parameters) -> Answer {
    if caller.role < Role::Viewer {
        return Ok(Json(json!([])));
    }
    let text = parameters.text("query").unwrap_or("").to_lowercase();
    let index = dashboards.store().index();
    let mut found: Vec<(&String, &Playlist)> = index
        .playlists
        .iter()
        .map(|(uid, kept)| (uid, &*kept.value))
        .filter(|(_, playlist)| playlist.name.to_lowercase().contains(&text))
        .collect();
    found.sort_by_cached_key(|(uid, playlist)| (playlist.name.to_lowercase(), (*uid).clone()));
    let shown = parameters.page("limit", PLAYLISTS_MAX, PLAYLISTS_MAX)?.of(found);
    Ok(Json(shown.into_iter().map(|(uid, playlist)| head(uid, playlist)).collect()))
}

async fn show(State(dashboards): State<Dashboards>, Path(uid): Path<String>) -> Answer {
    Ok(Json(view(&uid, &find(&dashboards, &uid)?.0)))
}

async fn items(State(dashboards): State<Dashboards>, Path(uid): Path<String>) -> Answer {
    Ok(Json(json!(find(&dashboards, &uid)?.0.items)))
}

fn read(sent: &Sent) -> Result<Playlist, Error> {
    let name = sent.text("name").unwrap_or("").trim().to_string();
    let interval = sent.text("interval").unwrap_or("5m").to_string();
    if name.is_empty() || name.len() > TEXT_LENGTH_MAX {
        return Err(Error::bad("a playlist needs a name of at most 1000 bytes"));
    }
    if parse_duration_ms(&interval).is_err() {
        return Err(Error::bad(format!("interval: expected a duration such as 5m, found {interval:?}")));
    }
    let list = sent.0.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list.len() > PLAYLIST_ITEMS_MAX {
        return Err(Error::Full { what: "entries of a playlist", max: PLAYLIST_ITEMS_MAX });
    }
    let items = list.iter().map(|item| {
        let text = |field: &str| match item.get(field) {
            Some(Value::String(text)) => text.chars().take(TEXT_LENGTH_MAX).collect(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let (kind, value) = (text("type"), text("value"));
        if !matches!(kind.as_str(), "dashboard_by_uid" | "dashboard_by_tag" | "dashboard_by_id")
            || value.is_empty()
        {
            return Err(Error::bad(format!(
                "items: expected dashboard_by_uid or dashboard_by_tag and a value, found {kind:?}"
            )));
        }
        Ok(PlaylistItem { kind, value, title: text("title") })
    });
    Ok(Playlist { name, interval, items: items.collect::<Result<_, _>>()? })
}

async fn create(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    only_editors(&caller)?;
    dashboards.store().check_loaded()?;
    let playlist = read(&sent)?;
    let uid = sent.text("uid").filter(|uid| !uid.is_empty()).map_or_else(|| random_uid(14), str::to_string);
    check_uid(&uid)?;
    if dashboards.store().index().playlists.len() >= PLAYLISTS_MAX {
        return Err(Error::Full { what: "playlists", max: PLAYLISTS_MAX });
    }
    if !dashboards.store().put(kinds::PLAYLIST, &uid, &playlist, When::Absent).await? {
        return Err(Error::Conflict("a playlist with the same uid already exists".into()));
    }
    Ok(Json(view(&uid, &playlist)))
}

async fn change(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    only_editors(&caller)?;
    let (_, revision) = find(&dashboards, &uid)?;
    let playlist = read(&sent)?;
    if !dashboards.store().put(kinds::PLAYLIST, &uid, &playlist, When::At(revision)).await? {
        return Err(Error::Conflict("the playlist has been changed at the same time".into()));
    }
    Ok(Json(view(&uid, &playlist)))
}

async fn remove(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    only_editors(&caller)?;
    find(&dashboards, &uid)?;
    dashboards.store().delete(kinds::PLAYLIST, &uid).await?;
    Ok(Json(json!({})))
}
