//! Lists of permissions of dashboards and folders.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::Role;
use serde_json::{Value, json};

use super::{Answer, Asker, Path, Sent, time};
use crate::access::{Grant, Permission, Subject};
use crate::documents::GRANTS_MAX;
use crate::error::Error;
use crate::reading::slug;
use crate::service::Dashboards;

pub(super) fn router() -> Router<Dashboards> {
    Router::new()
        .route("/api/dashboards/uid/{uid}/permissions", get(of_dashboard).post(set_of_dashboard))
        .route("/api/folders/{uid}/permissions", get(of_folder).post(set_of_folder))
}

/// What a list is of.
struct Thing<'a> {
    uid: &'a str,
    title: &'a str,
    is_folder: bool,
    is_inherited: bool,
}

fn view(dashboards: &Dashboards, grant: &Grant, of: &Thing<'_>) -> Value {
    let kind = if of.is_folder { "dashboards/f" } else { "d" };
    let slug = slug(of.title);
    let mut shown = json!({
        "permission": u8::from(grant.permission),
        "permissionName": grant.permission.as_str(),
        "uid": of.uid,
        "title": of.title,
        "slug": slug,
        "isFolder": of.is_folder,
        "url": dashboards.address(&format!("/{kind}/{}/{slug}", of.uid)),
        "inherited": of.is_inherited,
        "created": time(dashboards.started_ms()),
        "updated": time(dashboards.started_ms()),
        "userId": 0, "userLogin": "", "userEmail": "", "teamId": 0, "teamEmail": "", "team": "",
    });
    let people = dashboards.people();
    match &grant.to {
        Subject::Role(role) => shown["role"] = json!(role),
        Subject::User(uid) => {
            let found = people.and_then(|people| people.user(uid));
            shown["userUid"] = json!(uid);
            shown["userId"] = json!(found.as_ref().map_or(0, |user| user.id));
            shown["userLogin"] = json!(found.as_ref().map_or(&**uid, |user| &*user.name));
        }
        Subject::Team(uid) => {
            let found = people.and_then(|people| people.team(uid));
            shown["teamUid"] = json!(uid);
            shown["teamId"] = json!(found.as_ref().map_or(0, |team| team.id));
            shown["team"] = json!(found.as_ref().map_or(&**uid, |team| &*team.name));
        }
    }
    shown
}

/// The lists of a folder and of those around it.
fn of_chain(dashboards: &Dashboards, uid: &str, is_inherited: bool) -> Vec<Value> {
    let chain = dashboards.folder_chain(uid).unwrap_or_default();
    let last = chain.len().saturating_sub(1);
    let mut shown = Vec::new();
    for (at, folder) in chain.iter().enumerate() {
        let of = Thing {
            uid: &folder.uid,
            title: &folder.kept.title,
            is_folder: true,
            is_inherited: is_inherited || at > 0,
        };
        let grants = match &folder.kept.grants {
            Some(grants) => grants.clone(),
            None if at == last => Grant::defaults(),
            None => Vec::new(),
        };
        shown.extend(grants.iter().map(|grant| view(dashboards, grant, &of)));
    }
    shown
}

async fn of_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    dashboards.folder_for(&caller, &uid, Permission::Admin)?;
    Ok(Json(of_chain(&dashboards, &uid, false).into()))
}

async fn of_dashboard(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
) -> Answer {
    let (card, _) = dashboards.card_for(&caller, &uid, Permission::Admin)?;
    let of = Thing { uid: &card.uid, title: &card.title, is_folder: false, is_inherited: false };
    let own = match &card.grants {
        Some(grants) => grants.clone(),
        None if card.folder.is_empty() => Grant::defaults(),
        None => Vec::new(),
    };
    let mut shown: Vec<Value> = own.iter().map(|grant| view(&dashboards, grant, &of)).collect();
    shown.extend(of_chain(&dashboards, &card.folder, true));
    Ok(Json(shown.into()))
}

async fn set_of_folder(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    dashboards.folder_for(&caller, &uid, Permission::Admin)?;
    let folder = dashboards.set_folder_grants(&caller, &uid, read(&dashboards, &sent)?).await?;
    let (id, title) = (folder.id(), folder.kept.title.clone());
    Ok(Json(json!({"message": "Folder permissions updated", "id": id, "title": title})))
}

async fn set_of_dashboard(
    State(dashboards): State<Dashboards>,
    Asker(caller): Asker,
    Path(uid): Path<String>,
    sent: Sent,
) -> Answer {
    dashboards.card_for(&caller, &uid, Permission::Admin)?;
    dashboards.set_dashboard_grants(&caller, &uid, read(&dashboards, &sent)?).await?;
    Ok(Json(json!({"message": "Dashboard permissions updated"})))
}

/// The list that was sent. Users and teams come by number, as Grafana has it, or by identifier.
fn read(dashboards: &Dashboards, sent: &Sent) -> Result<Vec<Grant>, Error> {
    let Some(items) = sent.0.get("items").and_then(Value::as_array) else {
        return Err(Error::bad("bad request data: items is missing"));
    };
    if items.len() > GRANTS_MAX {
        return Err(Error::Full { what: "permissions of one thing", max: GRANTS_MAX });
    }
    let mut grants: Vec<Grant> = Vec::new();
    for item in items {
        let number =
            item.get("permission").and_then(super::number).and_then(|number| u8::try_from(number).ok());
        let permission = Permission::try_from(number.unwrap_or(0)).map_err(Error::bad)?;
        // 0 and an empty text stand for nobody.
        let key = |names: [&str; 2]| {
            let mut found = names.iter().filter_map(|name| match item.get(*name)? {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) if number.as_i64() != Some(0) => Some(number.to_string()),
                _ => None,
            });
            found.next()
        };
        let people = dashboards.people();
        let to = if let Some(user) = key(["userUid", "userId"]) {
            let uid = match people {
                Some(people) => {
                    people.user(&user).ok_or_else(|| Error::bad(format!("there is no user {user}")))?.uid
                }
                None => user.into(),
            };
            Subject::User(uid)
        } else if let Some(team) = key(["teamUid", "teamId"]) {
            let uid = match people {
                Some(people) => {
                    people.team(&team).ok_or_else(|| Error::bad(format!("there is no team {team}")))?.uid
                }
                None => team.into(),
            };
            Subject::Team(uid)
        } else {
            let role = item.get("role").and_then(Value::as_str).unwrap_or("");
            match role.parse::<Role>() {
                Ok(role @ (Role::Viewer | Role::Editor)) => Subject::Role(role.as_str().into()),
                // Administrators may do everything without being named.
                Ok(Role::Admin) => continue,
                _ => {
                    return Err(Error::bad("a permission needs a role (Viewer or Editor), a user or a team"));
                }
            }
        };
        if grants.iter().any(|known| known.to == to) {
            return Err(Error::bad("a role, user or team is named twice"));
        }
        grants.push(Grant { to, permission });
    }
    Ok(grants)
}
