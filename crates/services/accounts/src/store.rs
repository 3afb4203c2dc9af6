//! The directory as it is kept, and as this process knows it: read from memory, changed in the state by comparing
//! revisions, followed when somebody else changes it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use state::{State, When, Written};

use crate::AccountsError;
use crate::directory::Directory;

/// The kind of the one document that is the directory.
const KIND: &str = "accounts";
const KEY: &str = "directory";
/// How often a change is tried again when somebody else was faster.
const TRIES_MAX: usize = 20;

/// The directory at one revision, with what finds people in it fast.
pub(crate) struct Snapshot {
    pub(crate) directory: Directory,
    revision: i64,
    users: HashMap<String, usize>,
    /// Digest of a token: which service account, which of its tokens.
    tokens: HashMap<String, (usize, usize)>,
}

impl Snapshot {
    fn new(directory: Directory, revision: i64) -> Snapshot {
        let users = directory.users.iter().enumerate().map(|(at, user)| (user.uid.clone(), at)).collect();
        let mut tokens = HashMap::new();
        for (at, account) in directory.service_accounts.iter().enumerate() {
            for (which, token) in account.tokens.iter().enumerate() {
                tokens.insert(token.digest.clone(), (at, which));
            }
        }
        Snapshot { directory, revision, users, tokens }
    }

    /// A user by identifier.
    pub(crate) fn user(&self, uid: &str) -> Option<&crate::directory::User> {
        self.directory.users.get(*self.users.get(uid)?)
    }

    /// A token by the digest of what was shown.
    pub(crate) fn token(
        &self,
        digest: &str,
    ) -> Option<(&crate::directory::ServiceAccount, &crate::directory::Token)> {
        let (at, which) = self.tokens.get(digest)?;
        let account = self.directory.service_accounts.get(*at)?;
        Some((account, account.tokens.get(*which)?))
    }
}

/// The directory as it is kept.
pub(crate) struct Store {
    pub(crate) state: State,
    current: ArcSwapOption<Snapshot>,
    /// One change of this process at a time: they would only refuse each other.
    changing: tokio::sync::Mutex<()>,
}

impl Store {
    pub(crate) fn new(state: State) -> Store {
        Store { state, current: ArcSwapOption::empty(), changing: tokio::sync::Mutex::default() }
    }

    /// The directory as this process knows it.
    pub(crate) fn current(&self) -> Result<Arc<Snapshot>, AccountsError> {
        self.current.load_full().ok_or(AccountsError::NotLoaded)
    }

    /// Reads the directory if it has changed.
    pub(crate) async fn refresh(&self) -> Result<Arc<Snapshot>, AccountsError> {
        let before = self.current.load_full();
        let (directory, revision) = match self.state.get(KIND, KEY).await? {
            Some(document) => {
                if let Some(known) = before.as_ref().filter(|known| known.revision == document.revision) {
                    return Ok(known.clone());
                }
                let directory = serde_json::from_slice(&document.body).map_err(|error| {
                    AccountsError::Internal(format!("the stored accounts cannot be read: {error}"))
                })?;
                (directory, document.revision)
            }
            None => (Directory::default(), 0),
        };
        let snapshot = Arc::new(Snapshot::new(directory, revision));
        // What was known before it was asked is older than the answer, unless the database was put back.
        if before.is_some_and(|before| before.revision > revision) {
            tracing::warn!(
                "the database holds older accounts than were known; it was restored, and they are in force"
            );
            self.current.store(Some(snapshot.clone()));
        } else {
            self.take(snapshot.clone());
        }
        Ok(snapshot)
    }

    /// Makes it what this process knows, unless that is newer.
    fn take(&self, snapshot: Arc<Snapshot>) {
        self.current.rcu(|known| match known {
            Some(known) if known.revision > snapshot.revision => Some(known.clone()),
            _ => Some(snapshot.clone()),
        });
    }

    /// Makes a change: `change` gets the directory as it is, more than once if somebody else is faster. An error
    /// leaves everything as it was.
    pub(crate) async fn change<T>(
        &self,
        change: impl Fn(&mut Directory) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        let _one = self.changing.lock().await;
        for _ in 0..TRIES_MAX {
            let before = self.refresh().await?;
            let mut directory = before.directory.clone();
            let result = change(&mut directory)?;
            if directory == before.directory {
                return Ok(result);
            }
            let body = serde_json::to_vec(&directory).map_err(|error| {
                AccountsError::Internal(format!("the accounts cannot be written: {error}"))
            })?;
            let when = if before.revision == 0 { When::Absent } else { When::At(before.revision) };
            if let Written::Done { revision } = self.state.put(KIND, KEY, body, when).await? {
                self.take(Arc::new(Snapshot::new(directory, revision)));
                return Ok(result);
            }
        }
        Err(AccountsError::Conflict("the accounts are changed by too many at once; try again".into()))
    }
}
