//! What is known of a dashboard without its body: enough for lists, searches and decisions.

use std::sync::Arc;

use crate::access::Grant;
use crate::documents::StoredDashboard;
use crate::reading;

/// A dashboard, but for its body.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) uid: Arc<str>,
    pub(crate) title: Arc<str>,
    pub(crate) tags: Vec<Arc<str>>,
    /// The folder's identifier; empty for none.
    pub(crate) folder: Arc<str>,
    pub(crate) version: i64,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    pub(crate) updated_ms: i64,
    pub(crate) updated_by: Arc<str>,
    /// The version of the v2 schema, if it is in that.
    pub(crate) api_version: Option<Arc<str>>,
    pub(crate) grants: Option<Vec<Grant>>,
    /// Identifiers of library panels in it, sorted.
    pub(crate) library_panels: Vec<Arc<str>>,
    pub(crate) origin: Origin,
}

/// Where a dashboard comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Somebody saved it.
    Stored {
        /// What the provisioned dashboard of that name was then.
        edited_from: Option<u64>,
    },
    /// A file or another source brings it.
    Provided(Arc<Provided>),
}

/// How a provisioned dashboard came.
#[derive(Debug)]
pub(crate) struct Provided {
    /// What it is called there, such as a file's path.
    pub(crate) name: Arc<str>,
    /// The dashboard's JSON.
    pub(crate) text: Arc<str>,
    /// Of the text.
    pub(crate) hash: u64,
    /// Whether people may change it.
    pub(crate) is_editable: bool,
}

impl Card {
    pub(crate) fn stored(uid: Arc<str>, stored: &StoredDashboard) -> Card {
        Card {
            uid,
            title: stored.spec.get("title").and_then(|title| title.as_str()).unwrap_or("").trim().into(),
            tags: reading::tags(&stored.spec),
            folder: stored.folder.clone(),
            version: stored.version,
            created_ms: stored.created_ms,
            created_by: stored.created_by.clone(),
            updated_ms: stored.updated_ms,
            updated_by: stored.updated_by.clone(),
            api_version: stored.api_version.clone(),
            grants: stored.grants.clone(),
            library_panels: reading::library_panels(&stored.spec),
            origin: Origin::Stored { edited_from: stored.edited_from },
        }
    }

    pub(crate) fn id(&self) -> i64 {
        reading::number(&self.uid)
    }

    pub(crate) fn slug(&self) -> String {
        reading::slug(&self.title)
    }

    /// How it was provisioned, if it was.
    pub(crate) fn provided(&self) -> Option<&Arc<Provided>> {
        match &self.origin {
            Origin::Provided(provided) => Some(provided),
            Origin::Stored { .. } => None,
        }
    }

    /// Whether only its source can change it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.provided().is_some_and(|provided| !provided.is_editable)
    }
}
