//! Why an operation on the state failed.

use base::{Classify, ErrorClass};

/// Why an operation on the state failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// What was asked cannot be done: a name too long, the same document twice in one step.
    #[error("{0}")]
    Input(String),
    /// A body is larger than may be kept.
    #[error("a document of {size_bytes} bytes is larger than the {max_bytes} that may be kept")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// The database is away, starting, or not writable.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The database did not answer in time. What was asked may have been done.
    #[error("the database did not answer in time")]
    Timeout,
    /// All connections are in use, or too much waits for the file.
    #[error("too many operations on the database at once")]
    Busy,
    /// The database does not know or does not trust us.
    #[error("the database refuses us: {0}")]
    Denied(String),
    /// We may not do this to the database.
    #[error("the database does not let us do this: {0}")]
    Forbidden(String),
    /// A newer version of this program has changed the tables.
    #[error(
        "the state is of version {found}, this program knows versions up to {known}: it was written by a newer one"
    )]
    NewerVersion {
        /// The version that is there.
        found: i64,
        /// The latest we know.
        known: i64,
    },
    /// What is stored is damaged.
    #[error("the state is damaged: {0}")]
    Corrupt(String),
    /// The database failed otherwise.
    #[error("the database failed: {0}")]
    Database(String),
}

impl Classify for StateError {
    fn class(&self) -> ErrorClass {
        match self {
            StateError::Settings(_) | StateError::Input(_) => ErrorClass::BadInput,
            StateError::TooLarge { .. } => ErrorClass::TooLarge,
            StateError::Unreachable(_) => ErrorClass::Unavailable,
            StateError::Timeout => ErrorClass::Timeout,
            StateError::Busy => ErrorClass::TooMany,
            StateError::Denied(_) => ErrorClass::Unauthenticated,
            StateError::Forbidden(_) => ErrorClass::Forbidden,
            StateError::NewerVersion { .. } => ErrorClass::Conflict,
            StateError::Corrupt(_) => ErrorClass::Corrupt,
            StateError::Database(_) => ErrorClass::Internal,
        }
    }
}

impl StateError {
    /// The word metrics have for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            StateError::Settings(_) | StateError::Input(_) | StateError::TooLarge { .. } => "input",
            StateError::Unreachable(_) => "unreachable",
            StateError::Timeout => "timeout",
            StateError::Busy => "busy",
            StateError::Denied(_) | StateError::Forbidden(_) => "denied",
            StateError::NewerVersion { .. } => "version",
            StateError::Corrupt(_) | StateError::Database(_) => "database",
        }
    }
}
