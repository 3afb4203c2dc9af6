//! What can go wrong in a collector.

use base::{Classify, ErrorClass};

/// Why a collector gave nothing, or the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not as the kernel documents it.
    #[error("{path}: unexpected content")]
    Malformed {
        /// Which file.
        path: String,
    },
    /// This machine does not have what the collector looks for.
    #[error("there is no such data on this machine")]
    NoData,
    /// A pattern in the configuration does not compile.
    #[error("{option}: {source}")]
    BadPattern {
        /// The option, as on node_exporter's command line.
        option: &'static str,
        /// What is wrong with the pattern.
        source: gocompat::Error,
    },
    /// There is no collector of this name.
    #[error("unknown collector {name:?}; there are: {known}")]
    UnknownCollector {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}

impl Error {
    /// A reading error; a file that is not there means that there is no data.
    pub(crate) fn read(path: &str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::NoData,
            _ => Error::Read { path: path.to_string(), source },
        }
    }

    pub(crate) fn malformed(path: &str) -> Self {
        Error::Malformed { path: path.to_string() }
    }
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::Read { .. } | Error::NoData => ErrorClass::Unavailable,
            Error::Malformed { .. } => ErrorClass::Corrupt,
            Error::BadPattern { .. } | Error::UnknownCollector { .. } => ErrorClass::BadInput,
        }
    }
}
