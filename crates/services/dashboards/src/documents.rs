//! What is kept in the state, and how much of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::Grant;

/// Dashboards that may be saved.
pub const DASHBOARDS_MAX: usize = 10_000;
/// Versions of a dashboard that are kept, the one in force among them.
pub const VERSIONS_MAX: i64 = 50;
/// Folders that may be saved.
pub const FOLDERS_MAX: usize = 2_000;
/// How deep folders may be nested.
pub const FOLDER_DEPTH_MAX: usize = 8;
/// Dashboards that one user may have starred.
pub const STARS_MAX: usize = 1_000;
/// Lines of one list of permissions.
pub const GRANTS_MAX: usize = 200;
/// Library elements that may be saved.
pub const LIBRARY_MAX: usize = 2_000;
/// The largest library element.
pub const LIBRARY_SIZE_MAX_BYTES: usize = 256 << 10;
/// Playlists that may be saved.
pub const PLAYLISTS_MAX: usize = 500;
/// Entries of one playlist.
pub const PLAYLIST_ITEMS_MAX: usize = 500;
/// Annotations that are kept; the oldest go first.
pub const ANNOTATIONS_MAX: usize = 10_000;
/// How long an annotation is kept after its end.
pub const ANNOTATION_RETENTION_MS: i64 = 400 * 24 * 3_600_000;
/// The largest annotation.
pub const ANNOTATION_SIZE_MAX_BYTES: usize = 16 << 10;
/// The largest preferences.
pub const PREFERENCES_SIZE_MAX_BYTES: usize = 16 << 10;
/// Preferences and lists of stars that are kept, one of each a user.
pub const PEOPLE_MAX: usize = 20_000;
/// Public dashboards at once.
pub const PUBLIC_MAX: usize = 1_000;
/// Snapshots at once.
pub const SNAPSHOTS_MAX: usize = 1_000;
/// Those among them that never expire.
pub const SNAPSHOTS_LASTING_MAX: usize = 200;
/// All snapshots together.
pub const SNAPSHOTS_SIZE_MAX_BYTES: usize = 512 << 20;
/// Deleted dashboards that can be restored; those that were deleted first go first.
pub const TRASH_MAX: usize = 1_000;
/// How long a deleted dashboard can be restored.
pub const TRASH_RETENTION_MS: i64 = 30 * 24 * 3_600_000;

/// Kinds of documents.
pub(crate) mod kinds {
    pub(crate) const DASHBOARD: &str = "dashboard";
    pub(crate) const VERSION: &str = "dashboard.version";
    pub(crate) const TRASH: &str = "dashboard.trash";
    pub(crate) const FOLDER: &str = "dashboard.folder";
    pub(crate) const STARS: &str = "dashboard.stars";
    pub(crate) const PREFERENCES: &str = "dashboard.preferences";
    pub(crate) const LIBRARY: &str = "dashboard.library";
    pub(crate) const PLAYLIST: &str = "dashboard.playlist";
    pub(crate) const ANNOTATION: &str = "dashboard.annotation";
    pub(crate) const PUBLIC: &str = "dashboard.public";
    pub(crate) const SNAPSHOT: &str = "dashboard.snapshot";
    pub(crate) const DATA_SOURCE: &str = "data_source";
    /// Written at each start, to know from where on changes are followed.
    pub(crate) const MARK: &str = "dashboard.mark";
    /// Those that the index knows.
    pub(crate) const INDEXED: [&str; 11] = [
        DASHBOARD,
        TRASH,
        FOLDER,
        STARS,
        PREFERENCES,
        LIBRARY,
        PLAYLIST,
        ANNOTATION,
        PUBLIC,
        SNAPSHOT,
        DATA_SOURCE,
    ];
}

/// A dashboard as it is kept; its versions and what was deleted look the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredDashboard {
    /// The folder's identifier; empty for none.
    #[serde(default)]
    pub(crate) folder: Arc<str>,
    pub(crate) version: i64,
    /// The version that was read when this one was made.
    #[serde(default)]
    pub(crate) parent_version: i64,
    /// The version that this one restored.
    #[serde(default)]
    pub(crate) restored_from: i64,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    pub(crate) updated_ms: i64,
    pub(crate) updated_by: Arc<str>,
    #[serde(default)]
    pub(crate) message: String,
    /// The version of the v2 schema, if it is in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_version: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grants: Option<Vec<Grant>>,
    /// What a provisioned dashboard was when people changed it: they win only as long as it stays that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edited_from: Option<u64>,
    /// The dashboard, without its identifiers and version.
    pub(crate) spec: Map<String, Value>,
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredFolder {
    pub(crate) title: Arc<str>,
    #[serde(default)]
    pub(crate) description: String,
    /// The identifier of the folder around it; empty for none.
    #[serde(default)]
    pub(crate) parent: Arc<str>,
    pub(crate) version: i64,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    pub(crate) updated_ms: i64,
    pub(crate) updated_by: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grants: Option<Vec<Grant>>,
}

/// A panel or variable that several dashboards share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LibraryElement {
    pub(crate) name: String,
    /// 1 for a panel, 2 for a variable.
    pub(crate) kind: i64,
    #[serde(default)]
    pub(crate) folder: Arc<str>,
    pub(crate) model: Value,
    pub(crate) version: i64,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    pub(crate) updated_ms: i64,
    pub(crate) updated_by: Arc<str>,
}

/// Dashboards shown one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Playlist {
    pub(crate) name: String,
    pub(crate) interval: String,
    pub(crate) items: Vec<PlaylistItem>,
}

/// An entry of a playlist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlaylistItem {
    /// `dashboard_by_uid`, `dashboard_by_tag` or `dashboard_by_id`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) title: String,
}

/// A note at a time or over a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Annotation {
    pub(crate) id: i64,
    /// Empty if it belongs to no dashboard.
    #[serde(default)]
    pub(crate) dashboard: Arc<str>,
    #[serde(default)]
    pub(crate) panel: i64,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) data: Value,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// Who made it, by what histories show and by what stays.
    pub(crate) login: Arc<str>,
    pub(crate) user: Arc<str>,
}

/// That a dashboard can be seen by whoever has the token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PublicDashboard {
    pub(crate) uid: String,
    pub(crate) token: String,
    pub(crate) is_enabled: bool,
    pub(crate) annotations_enabled: bool,
    pub(crate) time_selection_enabled: bool,
    /// What variables stand at in place of what the dashboard was saved with, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) variables: Map<String, Value>,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    pub(crate) updated_ms: i64,
}

/// A dashboard with its data as it was at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) delete_key: String,
    pub(crate) created_ms: i64,
    pub(crate) created_by: Arc<str>,
    /// Who made it; empty for whoever sits at this machine.
    pub(crate) user: Arc<str>,
    pub(crate) expires_ms: Option<i64>,
    /// Only in the index.
    #[serde(skip)]
    pub(crate) size_bytes: usize,
    /// Not in the index.
    #[serde(default)]
    pub(crate) dashboard: Value,
}

/// Dashboards that a user has starred.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stars {
    pub(crate) dashboards: Vec<Arc<str>>,
}
