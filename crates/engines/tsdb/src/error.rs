//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use base::{Classify, ErrorClass};
use model::storage::StorageError;

/// Why the store cannot be opened or cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another instance uses the directory.
    #[error("the data directory {} is in use by another instance", .0.display())]
    Locked(PathBuf),
    /// The directory cannot be made or written.
    #[error("the data directory {} cannot be written: {source}", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The options or the request make no sense.
    #[error("{0}")]
    BadInput(String),
    /// Stored data is damaged; the text names the file.
    #[error("{0}")]
    Corrupt(String),
    /// The store cannot take data now.
    #[error("{0}")]
    Unavailable(String),
    /// What a selection was for has ended it.
    #[error(transparent)]
    Ended(#[from] StorageError),
    /// Reading or writing a file failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Error {
    /// An error of reading or writing `path`.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let context = format!("{doing} {}", path.display());
        move |source| Error::Io { context, source }
    }

    /// An error about the contents of `path`.
    pub(crate) fn corrupt(path: &Path, what: impl std::fmt::Display) -> Error {
        Error::Corrupt(format!("{}: {what}", path.display()))
    }
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::Locked(_) => ErrorClass::Conflict,
            Error::Unwritable { .. } | Error::Unavailable(_) => ErrorClass::Unavailable,
            Error::BadInput(_) => ErrorClass::BadInput,
            Error::Corrupt(_) => ErrorClass::Corrupt,
            Error::Ended(error) => error.class(),
            Error::Io { .. } => ErrorClass::Internal,
        }
    }
}

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        match error {
            Error::BadInput(text) => StorageError::BadInput(text),
            Error::Corrupt(text) => StorageError::Corrupt(text),
            Error::Io { context, source } => StorageError::Io { context, source },
            Error::Ended(error) => error,
            other => StorageError::Unavailable(other.to_string()),
        }
    }
}

/// Whether an error of writing says that there is no room.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
