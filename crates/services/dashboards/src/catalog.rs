//! Everything there is, saved or provisioned, and who may see and change it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::Caller;
use serde_json::{Map, Value, json};

use crate::access::{self, Grant, Permission};
use crate::card::{Card, Origin};
use crate::documents::{FOLDER_DEPTH_MAX, StoredDashboard, StoredFolder, kinds};
use crate::error::Error;
use crate::reading;
use crate::service::Dashboards;

/// A folder, saved or provisioned.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) uid: Arc<str>,
    pub(crate) kept: Arc<StoredFolder>,
    /// The document's revision; `None` if nobody saved it.
    pub(crate) revision: Option<i64>,
    /// Whether a source wants it.
    pub(crate) is_provided: bool,
}

impl Folder {
    pub(crate) fn id(&self) -> i64 {
        reading::number(&self.uid)
    }

    pub(crate) fn grants(&self) -> Option<&[Grant]> {
        self.kept.grants.as_deref()
    }
}

/// What a caller may do with folders, remembered for as long as one request takes.
pub(crate) struct Access<'a> {
    dashboards: &'a Dashboards,
    caller: &'a Caller,
    folders: HashMap<Arc<str>, Option<Permission>>,
}

impl Access<'_> {
    /// What the caller may do with what is in a folder.
    pub(crate) fn folder(&mut self, uid: &Arc<str>) -> Option<Permission> {
        if let Some(known) = self.folders.get(uid) {
            return *known;
        }
        let found = self.dashboards.permission_in(self.caller, uid, None);
        self.folders.insert(uid.clone(), found);
        found
    }

    /// What the caller may do with a dashboard.
    pub(crate) fn dashboard(&mut self, card: &Card) -> Option<Permission> {
        match &card.grants {
            None => self.folder(&card.folder),
            Some(grants) => self.dashboards.permission_in(self.caller, &card.folder, Some(grants)),
        }
    }
}

impl Dashboards {
    pub(crate) fn access<'a>(&'a self, caller: &'a Caller) -> Access<'a> {
        Access { dashboards: self, caller, folders: HashMap::new() }
    }

    /// What a caller may do in a folder, or with something in it that has a list of its own.
    pub(crate) fn permission_in(
        &self,
        caller: &Caller,
        folder: &str,
        own: Option<&[Grant]>,
    ) -> Option<Permission> {
        let Some(chain) = self.folder_chain(folder) else {
            // Its folder is away for now: what that allowed is not known.
            return access::permission(caller, [Some(&[][..])]);
        };
        let own = own.map(Some);
        access::permission(caller, own.into_iter().chain(chain.iter().map(Folder::grants)))
    }

    /// A dashboard: what a source brings goes before what was saved, unless people may change it and it has not
    /// changed since they did.
    pub(crate) fn find(&self, uid: &str) -> Option<Arc<Card>> {
        let stored = self.store().index().dashboards.get(uid).cloned();
        let provided = self.view().dashboards.get(uid).cloned();
        match (stored, provided) {
            (Some(stored), Some(provided)) => Some(preferred(stored, provided)),
            (stored, provided) => stored.or(provided),
        }
    }

    /// A dashboard that has to be there.
    pub(crate) fn card(&self, uid: &str) -> Result<Arc<Card>, Error> {
        if let Some(card) = self.find(uid) {
            return Ok(card);
        }
        self.store().check_loaded()?;
        Err(Error::DASHBOARD_NOT_FOUND)
    }

    /// A dashboard by its number.
    pub(crate) fn card_by_id(&self, id: i64) -> Option<Arc<Card>> {
        self.cards().into_iter().find(|card| card.id() == id)
    }

    /// A dashboard that a caller may do this with.
    pub(crate) fn card_for(
        &self,
        caller: &Caller,
        uid: &str,
        needed: Permission,
    ) -> Result<(Arc<Card>, Permission), Error> {
        let card = self.card(uid)?;
        match self.access(caller).dashboard(&card) {
            Some(found) if found >= needed => Ok((card, found)),
            _ => Err(Error::Forbidden("Access denied to this dashboard")),
        }
    }

    /// All dashboards.
    pub(crate) fn cards(&self) -> Vec<Arc<Card>> {
        let view = self.view();
        let index = self.store().index();
        let mut cards: Vec<Arc<Card>> = Vec::with_capacity(index.dashboards.len() + view.dashboards.len());
        for (uid, stored) in &index.dashboards {
            cards.push(match view.dashboards.get(uid) {
                Some(provided) => preferred(stored.clone(), provided.clone()),
                None => stored.clone(),
            });
        }
        let only_provided = view
            .dashboards
            .iter()
            .filter(|(uid, _)| !index.dashboards.contains_key(*uid))
            .map(|(_, card)| card);
        cards.extend(only_provided.cloned());
        cards
    }

    /// A folder.
    pub(crate) fn folder(&self, uid: &str) -> Option<Folder> {
        let view = self.view();
        let provided = view.folders.get_key_value(uid);
        if let Some((uid, kept)) = self.store().index().folders.get_key_value(uid) {
            return Some(Folder {
                uid: uid.clone(),
                kept: kept.value.clone(),
                revision: Some(kept.revision),
                is_provided: provided.is_some(),
            });
        }
        let (uid, folder) = provided?;
        let kept = Arc::new(StoredFolder {
            title: folder.title.clone(),
            description: String::new(),
            parent: folder.parent.clone(),
            version: 1,
            created_ms: self.started_ms(),
            created_by: "provisioning".into(),
            updated_ms: self.started_ms(),
            updated_by: "provisioning".into(),
            grants: None,
        });
        Some(Folder { uid: uid.clone(), kept, revision: None, is_provided: true })
    }

    /// A folder that a caller may do this with.
    pub(crate) fn folder_for(
        &self,
        caller: &Caller,
        uid: &str,
        needed: Permission,
    ) -> Result<(Folder, Permission), Error> {
        let folder = match self.folder(uid) {
            Some(folder) => folder,
            None => {
                self.store().check_loaded()?;
                return Err(Error::FOLDER_NOT_FOUND);
            }
        };
        match self.permission_in(caller, uid, None) {
            Some(found) if found >= needed => Ok((folder, found)),
            _ => Err(Error::Forbidden("Access denied to this folder")),
        }
    }

    /// All folders.
    pub(crate) fn folders(&self) -> Vec<Folder> {
        let mut uids: HashSet<Arc<str>> = self.store().index().folders.keys().cloned().collect();
        uids.extend(self.view().folders.keys().cloned());
        uids.into_iter().filter_map(|uid| self.folder(&uid)).collect()
    }

    /// A folder and those around it, from the inside to the outside; none for the empty identifier. `None` if one
    /// of them is not there.
    pub(crate) fn folder_chain(&self, uid: &str) -> Option<Vec<Folder>> {
        let mut chain: Vec<Folder> = Vec::new();
        let mut next: Arc<str> = uid.into();
        while !next.is_empty() {
            // Folders that two replicas move into each other at once stand in a circle.
            if chain.len() > 2 * FOLDER_DEPTH_MAX {
                return None;
            }
            let folder = self.folder(&next)?;
            next = folder.kept.parent.clone();
            chain.push(folder);
        }
        Some(chain)
    }

    /// The folder's identifier that a request means: by identifier, by number, or none.
    pub(crate) fn folder_uid(&self, uid: Option<&str>, id: Option<i64>) -> Result<Arc<str>, Error> {
        let found = match (uid.filter(|uid| *uid != "general"), id) {
            (Some(""), _) => return Ok("".into()),
            (Some(uid), _) => self.folder(uid),
            (None, Some(id)) if id > 0 => self.folders().into_iter().find(|folder| folder.id() == id),
            _ => return Ok("".into()),
        };
        match found {
            Some(folder) => Ok(folder.uid),
            None => {
                self.store().check_loaded()?;
                Err(Error::bad("folder not found"))
            }
        }
    }

    /// The document behind a dashboard that somebody saved.
    pub(crate) async fn stored(&self, uid: &str) -> Result<(StoredDashboard, i64), Error> {
        self.store().get(kinds::DASHBOARD, uid).await?.ok_or(Error::DASHBOARD_NOT_FOUND)
    }

    /// What a dashboard says, as it is kept.
    pub(crate) async fn spec(&self, card: &Card) -> Result<Map<String, Value>, Error> {
        match &card.origin {
            Origin::Stored { .. } => Ok(self.stored(&card.uid).await?.0.spec),
            Origin::Provided(provided) => {
                reading::read_text(&provided.text).map(|read| read.spec).map_err(|(_, error)| error)
            }
        }
    }

    /// What a dashboard says, as it is shown: with its identifiers and its version.
    pub(crate) async fn shown(&self, card: &Card) -> Result<Map<String, Value>, Error> {
        let mut spec = self.spec(card).await?;
        if card.api_version.is_none() {
            spec.insert("id".into(), json!(card.id()));
            spec.insert("uid".into(), json!(card.uid));
            spec.insert("version".into(), json!(card.version));
        }
        Ok(spec)
    }
}

fn preferred(stored: Arc<Card>, provided: Arc<Card>) -> Arc<Card> {
    let is_edited = match (&stored.origin, provided.provided()) {
        (Origin::Stored { edited_from, .. }, Some(file)) => {
            file.is_editable && *edited_from == Some(file.hash)
        }
        _ => false,
    };
    if is_edited {
        return stored;
    }
    // Who may do what stays when the file changes, or when one comes to stand before what was saved.
    match &stored.grants {
        Some(grants) => Arc::new(Card { grants: Some(grants.clone()), ..Card::clone(&provided) }),
        None => provided,
    }
}
