//! `/api/search`: dashboards and folders by text, tags and place.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Asker, Parameters, folders, user_key};
use crate::card::Card;
use crate::catalog::Folder;
use crate::service::Dashboards;

/// Results of an answer unless it is said, and at most.
const LIMIT: usize = 1_000;
const LIMIT_MAX: usize = 5_000;

pub(super) fn router() -> Router<Dashboards> {
    Router::new().route("/api/search", get(search)).route("/api/search/sorting", get(sorting))
}

async fn sorting() -> Json<Value> {
    Json(json!({"sortOptions": [
        {"name": "alpha-asc", "displayName": "Alphabetically (A–Z)", "description": "", "meta": ""},
        {"name": "alpha-desc", "displayName": "Alphabetically (Z–A)", "description": "", "meta": ""},
        {"name": "updated-desc", "displayName": "Changed last", "description": "", "meta": ""},
    ]}))
}

/// What is found: a folder or a dashboard.
enum Hit {
    Folder(Folder),
    Dashboard(Arc<Card>),
}

impl Hit {
    fn title(&self) -> &str {
        match self {
            Hit::Folder(folder) => &folder.kept.title,
            Hit::Dashboard(card) => &card.title,
        }
    }

    fn updated_ms(&self) -> i64 {
        match self {
            Hit::Folder(folder) => folder.kept.updated_ms,
            Hit::Dashboard(card) => card.updated_ms,
        }
    }
}

async fn search(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    parameters: Parameters,
) -> Answer {
    let words: Vec<String> = parameters
        .text("query")
        .unwrap_or("")
        .to_lowercase()
        .split_whitespace()
        .map(str::to_string)
        .collect();
    let matches = |title: &str| {
        let title = title.to_lowercase();
        words.iter().all(|word| title.contains(word))
    };
    let tags = parameters.all("tag");
    let starred: Option<Vec<Arc<str>>> = parameters.boolean("starred").then(|| {
        let index = dashboards.store().index();
        let stars =
            user_key(&caller).ok().and_then(|key| index.stars.get(&key).map(|kept| kept.value.clone()));
        stars.map(|stars| stars.dashboards.clone()).unwrap_or_default()
    });
    let mut places: Option<Vec<String>> = None;
    for uid in parameters.all("folderUIDs").iter().chain(&parameters.all("folderUids")) {
        for uid in uid.split(',') {
            let uid = if uid == "general" { "" } else { uid };
            places.get_or_insert_default().push(uid.into());
        }
    }
    for id in parameters.all("folderIds") {
        let id: i64 = id.parse().unwrap_or(0);
        let uid = dashboards.folders().into_iter().find(|folder| folder.id() == id);
        match (id, uid) {
            (0, _) => places.get_or_insert_default().push(String::new()),
            // One that is not there has nothing in it.
            (_, uid) => places.get_or_insert_default().extend(uid.map(|folder| folder.uid.to_string())),
        }
    }
    let uids: Vec<&str> = [parameters.all("dashboardUIDs"), parameters.all("dashboardUID")]
        .concat()
        .into_iter()
        .flat_map(|uids| uids.split(','))
        .collect();
    let ids: Vec<i64> = parameters.all("dashboardIds").iter().filter_map(|id| id.parse().ok()).collect();
    let is_for = |card_uid: &str, id: i64| {
        (uids.is_empty() && ids.is_empty()) || uids.contains(&card_uid) || ids.contains(&id)
    };
    let kind = parameters.text("type").unwrap_or("");
    let is_in =
        |folder: &str| places.as_ref().is_none_or(|places| places.iter().any(|place| place == folder));
    let deleted = parameters.boolean("deleted");

    let mut access = dashboards.access(&caller);
    let mut hits = Vec::new();
    if matches!(kind, "" | "dash-folder") && tags.is_empty() && starred.is_none() && !deleted {
        let mut found = dashboards.folders();
        found.retain(|folder| {
            is_in(&folder.kept.parent)
                && is_for(&folder.uid, folder.id())
                && matches(&folder.kept.title)
                && access.folder(&folder.uid).is_some()
        });
        hits.extend(found.into_iter().map(Hit::Folder));
    }
    if matches!(kind, "" | "dash-db") {
        let mut found = match deleted {
            true => dashboards.store().index().trash.values().map(|kept| kept.value.clone()).collect(),
            false => dashboards.cards(),
        };
        found.retain(|card| {
            is_in(&card.folder)
                && is_for(&card.uid, card.id())
                && tags.iter().all(|tag| card.tags.iter().any(|known| **known == **tag))
                && starred.as_ref().is_none_or(|starred| starred.contains(&card.uid))
                && matches(&card.title)
                && access.dashboard(card).is_some()
        });
        hits.extend(found.into_iter().map(Hit::Dashboard));
    }
    hits.sort_by_cached_key(|hit| {
        (matches!(hit, Hit::Dashboard(_)), hit.title().to_lowercase(), uid_of(hit))
    });
    match parameters.text("sort") {
        Some("alpha-desc") => hits.reverse(),
        Some("updated-desc") => hits.sort_by_key(|hit| std::cmp::Reverse(hit.updated_ms())),
        _ => {}
    }
    let hits = parameters.page("limit", LIMIT, LIMIT_MAX)?.of(hits);
    let starred = {
        let index = dashboards.store().index();
        user_key(&caller).ok().and_then(|key| index.stars.get(&key).map(|kept| kept.value.clone()))
    };
    let is_starred = |uid: &Arc<str>| starred.as_ref().is_some_and(|stars| stars.dashboards.contains(uid));
    Ok(Json(
        hits.iter()
            .map(|hit| match hit {
                Hit::Folder(folder) => folder_view(&dashboards, folder),
                Hit::Dashboard(card) => dashboard_view(&dashboards, card, is_starred(&card.uid), deleted),
            })
            .collect(),
    ))
}

fn uid_of(hit: &Hit) -> Arc<str> {
    match hit {
        Hit::Folder(folder) => folder.uid.clone(),
        Hit::Dashboard(card) => card.uid.clone(),
    }
}

fn folder_view(dashboards: &Dashboards, folder: &Folder) -> Value {
    let mut shown = json!({
        "id": folder.id(),
        "uid": folder.uid,
        "orgId": 1,
        "title": folder.kept.title,
        "uri": format!("db/{}", crate::reading::slug(&folder.kept.title)),
        "url": folders::address(dashboards, folder),
        "slug": "",
        "type": "dash-folder",
        "tags": [],
        "isStarred": false,
        "sortMeta": 0,
        "isDeleted": false,
    });
    place(dashboards, &folder.kept.parent, &mut shown);
    shown
}

fn dashboard_view(dashboards: &Dashboards, card: &Card, is_starred: bool, is_deleted: bool) -> Value {
    let slug = card.slug();
    let mut shown = json!({
        "id": card.id(),
        "uid": card.uid,
        "orgId": 1,
        "title": card.title,
        "uri": format!("db/{slug}"),
        "url": dashboards.address(&format!("/d/{}/{slug}", card.uid)),
        "slug": "",
        "type": "dash-db",
        "tags": card.tags,
        "isStarred": is_starred,
        "sortMeta": 0,
        "isDeleted": is_deleted,
        "provisioned": card.is_read_only(),
    });
    place(dashboards, &card.folder, &mut shown);
    shown
}

fn place(dashboards: &Dashboards, folder: &str, shown: &mut Value) {
    if let Some(folder) = dashboards.folder(folder) {
        shown["folderId"] = json!(folder.id());
        shown["folderUid"] = json!(folder.uid);
        shown["folderTitle"] = json!(folder.kept.title);
        shown["folderUrl"] = json!(folders::address(dashboards, &folder));
    }
}
