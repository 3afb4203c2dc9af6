//! Saving, deleting and restoring dashboards and folders.

use std::sync::Arc;

use model::{Caller, CallerKind, Role};
use serde_json::{Map, Value};
use state::{When, Write};

use crate::access::{Grant, Permission, Subject};
use crate::card::{Card, Origin};
use crate::catalog::Folder;
use crate::documents::{
    DASHBOARDS_MAX, FOLDER_DEPTH_MAX, FOLDERS_MAX, StoredDashboard, StoredFolder, TRASH_MAX,
    TRASH_RETENTION_MS, VERSIONS_MAX, kinds,
};
use crate::error::Error;
use crate::reading::{DASHBOARD_SIZE_MAX_BYTES, Reading, TITLE_LENGTH_MAX, check_uid, random_uid};
use crate::service::Dashboards;
use crate::store::{FEW, body_of, when};

const MESSAGE_LENGTH_MAX: usize = 1_000;
/// Versions of a dashboard that go with it, where there are more than there should be.
const VERSIONS_DELETED_MAX: usize = 1_000;

/// How often what is to be saved over anything is tried while others save it too.
pub(crate) const OVERWRITES_MAX: usize = 10;

/// A dashboard to be saved.
#[derive(Clone)]
pub(crate) struct Save {
    /// What was sent.
    pub(crate) reading: Reading,
    /// The folder's identifier, which is known to be there; empty for none.
    pub(crate) folder: Arc<str>,
    pub(crate) message: String,
    /// Whether it is saved whatever is there.
    pub(crate) overwrite: bool,
    /// The version it was made from; without one, any.
    pub(crate) expected_version: Option<i64>,
    /// The version that it restores, or 0.
    pub(crate) restored_from: i64,
    /// Whether another one with this name in the folder is in the way.
    pub(crate) unique_title: bool,
}

/// The key of a version.
pub(crate) fn version_key(uid: &str, version: i64) -> String {
    format!("{uid}/{version:010}")
}

impl Dashboards {
    /// Saves a dashboard, as a new one or in place of the one with its identifier.
    pub(crate) async fn save(&self, caller: &Caller, save: Save) -> Result<Arc<Card>, Error> {
        self.store().check_loaded()?;
        // Somebody else may save between our look and our write: whoever overwrites looks again.
        for _ in 0..OVERWRITES_MAX {
            match self.save_once(caller, save.clone()).await {
                Err(error) if save.overwrite && error == Error::VERSION_MISMATCH => {
                    self.store().catch_up().await?;
                }
                done => return done,
            }
        }
        Err(Error::VERSION_MISMATCH)
    }

    async fn save_once(&self, caller: &Caller, save: Save) -> Result<Arc<Card>, Error> {
        let Save { reading, folder, .. } = save;
        let mut uid: Option<Arc<str>> = reading.uid.as_deref().map(Arc::from);
        if save.unique_title {
            let twin = self.twin(&folder, &reading.title, uid.as_deref());
            match (twin, &uid, save.overwrite) {
                (None, ..) => {}
                // What stands in no place of its own takes that of its name.
                (Some(twin), None, true) => uid = Some(twin.uid.clone()),
                (Some(_), Some(_), true) => {}
                (Some(_), _, false) => {
                    return Err(Error::Precondition {
                        status: "name-exists",
                        message: "A dashboard with the same name in the folder already exists",
                    });
                }
            }
        }
        let uid = uid.unwrap_or_else(|| random_uid(14).into());
        let before = self.find(&uid);
        let edited_from = self.check_save(caller, before.as_deref(), &folder)?;
        // A document may also be there that a changed file hides.
        let document = match self.stored(&uid).await {
            Ok(found) => Some(found),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let known = match &before {
            Some(before) if before.provided().is_some() => {
                if edited_from.is_some()
                    && document.as_ref().is_some_and(|(document, _)| document.edited_from == edited_from)
                {
                    return Err(Error::VERSION_MISMATCH);
                }
                Some(before.version)
            }
            // What is in the state counts: somebody may have saved since the index was brought up to it.
            other => match (other, &document) {
                (Some(_), Some((document, _))) => Some(document.version),
                (None, None) => None,
                _ => return Err(Error::VERSION_MISMATCH),
            },
        };
        if !save.overwrite && known.is_some_and(|known| save.expected_version.is_some_and(|it| it != known)) {
            return Err(Error::VERSION_MISMATCH);
        }
        let now_ms = self.now_ms();
        let version = before.as_ref().map_or(0, |before| before.version);
        let version = document.as_ref().map_or(version, |(document, _)| version.max(document.version)) + 1;
        let mut spec = reading.spec;
        if reading.api_version.is_none() {
            for field in ["id", "uid", "version"] {
                spec.remove(field);
            }
        }
        spec.insert("title".into(), Value::String(reading.title));
        let stored = StoredDashboard {
            folder,
            version,
            parent_version: known.unwrap_or(0),
            restored_from: save.restored_from,
            created_ms: before.as_ref().map_or(now_ms, |before| before.created_ms),
            created_by: before
                .as_ref()
                .map_or_else(|| caller.login.clone(), |before| before.created_by.clone()),
            updated_ms: now_ms,
            updated_by: caller.login.clone(),
            message: save.message.chars().take(MESSAGE_LENGTH_MAX).collect(),
            api_version: reading.api_version.map(Into::into),
            grants: document.as_ref().and_then(|(document, _)| document.grants.clone()),
            edited_from,
            spec,
        };
        let body = body_of(&stored)?;
        if body.len() > DASHBOARD_SIZE_MAX_BYTES {
            let max_bytes = DASHBOARD_SIZE_MAX_BYTES;
            return Err(Error::TooLarge { what: "a dashboard", size_bytes: body.len(), max_bytes });
        }
        let condition = document.as_ref().map_or(When::Absent, |(_, revision)| When::At(*revision));
        let mut writes = vec![Write::put(kinds::DASHBOARD, &*uid, body).when(condition)];
        if let Some((document, _)) = &document {
            // What is replaced becomes history. Whoever replaces it at the same time writes the same.
            let key = version_key(&uid, document.version);
            writes.push(Write::put(kinds::VERSION, key, body_of(document)?).when(When::Absent));
            writes.extend(self.outdated(&uid, version, document.version).await?);
        }
        let written = self.store().write(writes).await?;
        if !self.note_save(&written) {
            return Err(Error::VERSION_MISMATCH);
        }
        Ok(Arc::new(Card::stored(uid, &stored)))
    }

    /// Deletes some of the versions that are too old beside a new one. Numbers may have gone ahead of what was saved,
    /// where a file brought others meanwhile: with each version that comes several may go.
    async fn outdated(&self, uid: &str, version: i64, replaced: i64) -> Result<Vec<Write>, Error> {
        if version <= VERSIONS_MAX {
            return Ok(Vec::new());
        }
        let oldest = self.store().keys_prefixed(kinds::VERSION, &format!("{uid}/"), FEW).await?;
        let (kept_from, written) = (version_key(uid, version - VERSIONS_MAX + 1), version_key(uid, replaced));
        let outdated = oldest.into_iter().filter(|key| *key < kept_from && *key != written);
        Ok(outdated.map(|key| Write::delete(kinds::VERSION, key)).collect())
    }

    /// Another dashboard with this title in the folder.
    fn twin(&self, folder: &str, title: &str, uid: Option<&str>) -> Option<Arc<Card>> {
        self.cards()
            .into_iter()
            .find(|card| *card.folder == *folder && *card.title == *title && Some(&*card.uid) != uid)
    }

    /// Whether a dashboard may be put in place of another one, or as a new one. The answer is what a provisioned
    /// one is that is changed.
    fn check_save(
        &self,
        caller: &Caller,
        before: Option<&Card>,
        folder: &Arc<str>,
    ) -> Result<Option<u64>, Error> {
        const DENIED: Error = Error::Forbidden("Access denied to save dashboard");
        let mut access = self.access(caller);
        let Some(before) = before else {
            if access.folder(folder) < Some(Permission::Edit) {
                return Err(DENIED);
            }
            if self.store().index().dashboards.len() >= DASHBOARDS_MAX {
                return Err(Error::Full { what: "dashboards", max: DASHBOARDS_MAX });
            }
            return Ok(None);
        };
        if access.dashboard(before) < Some(Permission::Edit) {
            return Err(DENIED);
        }
        if *folder != before.folder && access.folder(folder) < Some(Permission::Edit) {
            return Err(DENIED);
        }
        if before.is_read_only() {
            return Err(Error::bad("Cannot save provisioned dashboard"));
        }
        Ok(match &before.origin {
            Origin::Provided(provided) => Some(provided.hash),
            Origin::Stored { edited_from, .. } => *edited_from,
        })
    }

    /// A dashboard as it is now, in the manner of its versions.
    async fn in_force(&self, card: &Card) -> Result<StoredDashboard, Error> {
        Ok(match &card.origin {
            Origin::Stored { .. } => self.stored(&card.uid).await?.0,
            Origin::Provided(_) => StoredDashboard {
                folder: card.folder.clone(),
                version: card.version,
                parent_version: 0,
                restored_from: 0,
                created_ms: card.created_ms,
                created_by: card.created_by.clone(),
                updated_ms: card.updated_ms,
                updated_by: card.updated_by.clone(),
                message: String::new(),
                api_version: card.api_version.clone(),
                grants: None,
                edited_from: None,
                spec: self.spec(card).await?,
            },
        })
    }

    /// The versions of a dashboard, the newest first, without what they say: fifty times a large dashboard would be
    /// too much at once.
    pub(crate) async fn versions(&self, card: &Card) -> Result<Vec<StoredDashboard>, Error> {
        let head = |version: StoredDashboard| StoredDashboard { spec: Map::new(), ..version };
        let current = head(self.in_force(card).await?);
        let at_most = usize::try_from(VERSIONS_MAX).unwrap_or(0) + 1;
        let prefix = format!("{}/", card.uid);
        let mut versions = self.store().list_prefixed(kinds::VERSION, &prefix, at_most, head).await?;
        versions.retain(|version| version.version != current.version);
        versions.push(current);
        versions.sort_by_key(|version| -version.version);
        Ok(versions)
    }

    /// One version of a dashboard.
    pub(crate) async fn version(&self, card: &Card, version: i64) -> Result<StoredDashboard, Error> {
        let current = self.in_force(card).await?;
        if current.version == version {
            return Ok(current);
        }
        let found = self.store().get(kinds::VERSION, &version_key(&card.uid, version)).await?;
        found.map(|(found, _)| found).ok_or(Error::NotFound("Dashboard version not found"))
    }

    /// Deletes a dashboard with everything that belongs to it; for a while it can be restored.
    pub(crate) async fn remove(&self, caller: &Caller, uid: &str) -> Result<Arc<Card>, Error> {
        let (card, _) = self.card_for(caller, uid, Permission::Edit)?;
        if card.provided().is_some() {
            return Err(Error::bad("provisioned dashboard cannot be deleted"));
        }
        let (stored, _) = self.stored(uid).await?;
        let mut writes = vec![
            Write::delete(kinds::DASHBOARD, uid),
            Write::put(kinds::TRASH, uid, body_of(&stored)?).expiring_at(self.now_ms() + TRASH_RETENTION_MS),
            Write::delete(kinds::PUBLIC, uid),
        ];
        let versions =
            self.store().keys_prefixed(kinds::VERSION, &format!("{uid}/"), VERSIONS_DELETED_MAX).await?;
        writes.extend(versions.into_iter().map(|key| Write::delete(kinds::VERSION, key)));
        {
            let index = self.store().index();
            let mut trash: Vec<(Option<i64>, &Arc<str>)> =
                index.trash.iter().map(|(uid, kept)| (kept.expires_at_ms, uid)).collect();
            trash.retain(|(_, other)| ***other != *uid);
            trash.sort_unstable();
            let excess = (trash.len() + 1).saturating_sub(TRASH_MAX);
            writes.extend(trash.into_iter().take(excess).map(|(_, uid)| Write::delete(kinds::TRASH, &**uid)));
            let annotations = index.annotations.iter().filter(|(_, kept)| *kept.value.dashboard == *uid);
            writes.extend(annotations.map(|(id, _)| Write::delete(kinds::ANNOTATION, id.to_string())));
        }
        self.store().write(writes).await?;
        Ok(card)
    }

    /// Puts a deleted dashboard back, into a folder that is known to be there.
    pub(crate) async fn restore_deleted(
        &self,
        caller: &Caller,
        uid: &str,
        folder: Arc<str>,
    ) -> Result<Arc<Card>, Error> {
        self.store().check_loaded()?;
        let Some((stored, _)) = self.store().get::<StoredDashboard>(kinds::TRASH, uid).await? else {
            return Err(Error::DASHBOARD_NOT_FOUND);
        };
        if self.permission_in(caller, &stored.folder, stored.grants.as_deref()) < Some(Permission::Edit) {
            return Err(Error::Forbidden("Access denied to this dashboard"));
        }
        self.check_save(caller, None, &folder)?;
        if self.find(uid).is_some() {
            return Err(Error::Conflict("A dashboard with the same uid already exists".into()));
        }
        let stored = StoredDashboard { folder, ..stored };
        let put = Write::put(kinds::DASHBOARD, uid, body_of(&stored)?).when(When::Absent);
        if !self.note_save(&self.store().write(vec![put]).await?) {
            return Err(Error::VERSION_MISMATCH);
        }
        // Only now: a change whose condition does not hold does not keep the others from being made.
        self.store().delete(kinds::TRASH, uid).await?;
        self.card(uid)
    }
}

/// A folder to be made or changed.
#[derive(Default)]
pub(crate) struct FolderChange {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// The version it was made from.
    pub(crate) expected_version: Option<i64>,
    pub(crate) overwrite: bool,
}

fn checked_title(title: &str) -> Result<Arc<str>, Error> {
    let title = title.trim();
    if title.is_empty() {
        return Err(Error::bad("folder title cannot be empty"));
    }
    if title.chars().count() > TITLE_LENGTH_MAX {
        return Err(Error::bad(format!("folder title cannot exceed {TITLE_LENGTH_MAX} characters")));
    }
    Ok(title.into())
}

impl Dashboards {
    fn check_folder_title(&self, parent: &str, title: &str, uid: Option<&str>) -> Result<(), Error> {
        let mut folders = self.folders().into_iter();
        let is_taken = folders.any(|folder| {
            *folder.kept.parent == *parent && *folder.kept.title == *title && Some(&*folder.uid) != uid
        });
        if is_taken {
            let message = "a folder with the same name already exists in the current location";
            return Err(Error::Conflict(message.into()));
        }
        Ok(())
    }

    /// Makes a folder. Whoever is no administrator becomes one of theirs.
    pub(crate) async fn create_folder(
        &self,
        caller: &Caller,
        uid: Option<&str>,
        parent: Arc<str>,
        change: FolderChange,
    ) -> Result<Folder, Error> {
        self.store().check_loaded()?;
        let title = checked_title(change.title.as_deref().unwrap_or(""))?;
        if self.permission_in(caller, &parent, None) < Some(Permission::Edit) {
            return Err(Error::Forbidden("Access denied to create a folder here"));
        }
        let uid: Arc<str> = match uid.filter(|uid| !uid.is_empty()) {
            Some(uid) => {
                check_uid(uid)?;
                if uid == "general" || self.folder(uid).is_some() {
                    return Err(Error::Conflict("a folder with the same uid already exists".into()));
                }
                uid.into()
            }
            None => random_uid(14).into(),
        };
        self.check_folder_title(&parent, &title, None)?;
        if self.folder_chain(&parent).is_none_or(|chain| chain.len() >= FOLDER_DEPTH_MAX) {
            return Err(Error::bad(format!("folders can be nested {FOLDER_DEPTH_MAX} deep")));
        }
        if self.store().index().folders.len() >= FOLDERS_MAX {
            return Err(Error::Full { what: "folders", max: FOLDERS_MAX });
        }
        let is_person = matches!(caller.kind, CallerKind::User | CallerKind::ServiceAccount);
        let grants = (is_person && caller.role < Role::Admin && !caller.uid.is_empty()).then(|| {
            let own = Grant { to: Subject::User(caller.uid.clone()), permission: Permission::Admin };
            let inherited = if parent.is_empty() { Grant::defaults() } else { Vec::new() };
            inherited.into_iter().chain([own]).collect()
        });
        let now_ms = self.now_ms();
        let folder = StoredFolder {
            title,
            description: change.description.unwrap_or_default(),
            parent,
            version: 1,
            created_ms: now_ms,
            created_by: caller.login.clone(),
            updated_ms: now_ms,
            updated_by: caller.login.clone(),
            grants,
        };
        if !self.store().put(kinds::FOLDER, &uid, &folder, When::Absent).await? {
            return Err(Error::Conflict("a folder with the same uid already exists".into()));
        }
        self.folder(&uid).ok_or(Error::FOLDER_NOT_FOUND)
    }

    /// Saves what becomes of a folder, if nobody else has changed it.
    pub(crate) async fn put_folder(&self, folder: &Folder, changed: &StoredFolder) -> Result<Folder, Error> {
        let condition = folder.revision.map_or(When::Absent, When::At);
        if !self.store().put(kinds::FOLDER, &folder.uid, changed, condition).await? {
            return Err(Error::Precondition {
                status: "version-mismatch",
                message: "the folder has been changed by someone else",
            });
        }
        self.folder(&folder.uid).ok_or(Error::FOLDER_NOT_FOUND)
    }

    /// Renames or describes a folder.
    pub(crate) async fn update_folder(
        &self,
        caller: &Caller,
        uid: &str,
        change: FolderChange,
    ) -> Result<Folder, Error> {
        let (folder, _) = self.folder_for(caller, uid, Permission::Edit)?;
        if !change.overwrite && change.expected_version.is_some_and(|version| version != folder.kept.version)
        {
            return Err(Error::Precondition {
                status: "version-mismatch",
                message: "the folder has been changed by someone else",
            });
        }
        let title = match &change.title {
            Some(title) => checked_title(title)?,
            None => folder.kept.title.clone(),
        };
        if title != folder.kept.title {
            if folder.is_provided {
                return Err(Error::bad("a provisioned folder keeps the name that its source gives it"));
            }
            self.check_folder_title(&folder.kept.parent, &title, Some(uid))?;
        }
        let kept = &folder.kept;
        let changed = StoredFolder {
            title,
            description: change.description.unwrap_or_else(|| kept.description.clone()),
            version: kept.version + 1,
            updated_ms: self.now_ms(),
            updated_by: caller.login.clone(),
            ..StoredFolder::clone(kept)
        };
        self.put_folder(&folder, &changed).await
    }

    /// Puts a folder into another one.
    pub(crate) async fn move_folder(
        &self,
        caller: &Caller,
        uid: &str,
        parent: Arc<str>,
    ) -> Result<Folder, Error> {
        let (folder, _) = self.folder_for(caller, uid, Permission::Edit)?;
        if self.permission_in(caller, &parent, None) < Some(Permission::Edit) {
            return Err(Error::Forbidden("Access denied to move a folder there"));
        }
        if folder.is_provided {
            return Err(Error::bad("a provisioned folder stays where its source puts it"));
        }
        let Some(chain) = self.folder_chain(&parent) else { return Err(Error::bad("folder not found")) };
        if chain.iter().any(|around| *around.uid == *uid) {
            return Err(Error::bad("a folder cannot be moved into itself"));
        }
        if chain.len() + self.depth_below(uid) > FOLDER_DEPTH_MAX {
            return Err(Error::bad(format!("folders can be nested {FOLDER_DEPTH_MAX} deep")));
        }
        self.check_folder_title(&parent, &folder.kept.title, Some(uid))?;
        let changed = StoredFolder {
            parent,
            version: folder.kept.version + 1,
            updated_ms: self.now_ms(),
            updated_by: caller.login.clone(),
            ..StoredFolder::clone(&folder.kept)
        };
        self.put_folder(&folder, &changed).await
    }

    /// Levels of folders from this one to the innermost inside it.
    fn depth_below(&self, uid: &str) -> usize {
        let inside = self.folders_inside(uid);
        let depth = |folder: &Folder| {
            let chain = self.folder_chain(&folder.uid).unwrap_or_default();
            chain.iter().position(|around| *around.uid == *uid).unwrap_or(0) + 1
        };
        inside.iter().map(depth).max().unwrap_or(1)
    }

    /// A folder's folders, however deep, without itself.
    pub(crate) fn folders_inside(&self, uid: &str) -> Vec<Folder> {
        let all = self.folders();
        let is_inside = |folder: &&Folder| {
            *folder.uid != *uid
                && self.folder_chain(&folder.uid).is_some_and(|chain| chain.iter().any(|f| *f.uid == *uid))
        };
        all.iter().filter(is_inside).cloned().collect()
    }

    /// Deletes a folder with everything in it.
    pub(crate) async fn remove_folder(&self, caller: &Caller, uid: &str) -> Result<Folder, Error> {
        let (folder, _) = self.folder_for(caller, uid, Permission::Edit)?;
        let mut doomed = self.folders_inside(uid);
        doomed.push(folder.clone());
        let is_doomed = |uid: &str| doomed.iter().any(|folder| *folder.uid == *uid);
        let cards: Vec<Arc<Card>> = self.cards().into_iter().filter(|card| is_doomed(&card.folder)).collect();
        if doomed.iter().any(|folder| folder.is_provided)
            || cards.iter().any(|card| card.provided().is_some())
        {
            return Err(Error::bad("a folder with provisioned dashboards cannot be deleted"));
        }
        let mut access = self.access(caller);
        if cards.iter().any(|card| access.dashboard(card) < Some(Permission::Edit)) {
            return Err(Error::Forbidden("Access denied to a dashboard in this folder"));
        }
        let elements: Vec<String> = {
            let index = self.store().index();
            let inside = index.library.iter().filter(|(_, kept)| is_doomed(&kept.value.folder));
            inside.map(|(uid, _)| uid.clone()).collect()
        };
        if elements.iter().any(|uid| {
            let mut cards = self.cards().into_iter();
            cards.any(|card| {
                !is_doomed(&card.folder) && card.library_panels.iter().any(|panel| **panel == **uid)
            })
        }) {
            return Err(Error::bad("folder contains library elements in use"));
        }
        for card in &cards {
            self.remove(caller, &card.uid).await?;
        }
        let mut writes: Vec<Write> =
            doomed.iter().map(|folder| Write::delete(kinds::FOLDER, &*folder.uid)).collect();
        writes.extend(elements.into_iter().map(|uid| Write::delete(kinds::LIBRARY, uid)));
        self.store().write(writes).await?;
        Ok(folder)
    }

    /// Replaces the list of permissions of a folder.
    pub(crate) async fn set_folder_grants(
        &self,
        caller: &Caller,
        uid: &str,
        grants: Vec<Grant>,
    ) -> Result<Folder, Error> {
        let (folder, _) = self.folder_for(caller, uid, Permission::Admin)?;
        let changed = StoredFolder { grants: Some(grants), ..StoredFolder::clone(&folder.kept) };
        self.put_folder(&folder, &changed).await
    }

    /// Replaces the list of permissions of a dashboard that somebody saved.
    pub(crate) async fn set_dashboard_grants(
        &self,
        caller: &Caller,
        uid: &str,
        grants: Vec<Grant>,
    ) -> Result<(), Error> {
        let (card, _) = self.card_for(caller, uid, Permission::Admin)?;
        // What was saved has a list of its own, also while a file stands before it.
        if card.provided().is_some() && !self.store().index().dashboards.contains_key(uid) {
            return Err(Error::bad("permissions of a provisioned dashboard are those of its folder"));
        }
        let (stored, revision) = self.stored(uid).await?;
        let changed = StoredDashboard { grants: Some(grants), ..stored };
        if !self.store().put(kinds::DASHBOARD, uid, &changed, When::At(revision)).await? {
            return Err(Error::VERSION_MISMATCH);
        }
        Ok(())
    }

    /// Changes a list of stars, once more if another replica changed it at the same time.
    pub(crate) async fn set_star(&self, user: &str, uid: &str, is_starred: bool) -> Result<(), Error> {
        for _ in 0..OVERWRITES_MAX {
            if self.try_star(user, uid, is_starred).await? {
                return Ok(());
            }
            self.store().catch_up().await?;
        }
        Err(Error::Conflict("the stars have been changed at the same time".into()))
    }

    async fn try_star(&self, user: &str, uid: &str, is_starred: bool) -> Result<bool, Error> {
        use crate::documents::{PEOPLE_MAX, STARS_MAX, Stars};
        let (mut stars, condition) = {
            let index = self.store().index();
            let kept = index.stars.get(user);
            if kept.is_none() && index.stars.len() >= PEOPLE_MAX {
                return Err(Error::Full { what: "lists of stars", max: PEOPLE_MAX });
            }
            (kept.map(|kept| Stars::clone(&kept.value)).unwrap_or_default(), when(kept))
        };
        stars.dashboards.retain(|starred| **starred != *uid);
        if is_starred {
            if stars.dashboards.len() >= STARS_MAX {
                return Err(Error::Full { what: "stars", max: STARS_MAX });
            }
            stars.dashboards.push(uid.into());
        }
        self.store().put(kinds::STARS, user, &stars, condition).await
    }
}

/// A dashboard's JSON with its identifiers put in, as files and answers have it.
pub(crate) fn with_identity(card: &Card, mut spec: Map<String, Value>) -> Map<String, Value> {
    if card.api_version.is_none() {
        spec.insert("id".into(), card.id().into());
        spec.insert("uid".into(), Value::String(card.uid.to_string()));
        spec.insert("version".into(), card.version.into());
    }
    spec
}
