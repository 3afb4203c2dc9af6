//! Owns how clouds know who we are: the credentials of Amazon, Google, Microsoft and Oracle, from
//! settings, environment, files and the machine we run on; the tokens they are exchanged for; the
//! signatures of requests.
//!
//! Must not know what is asked of a cloud.

pub mod aws;
pub mod azure;
pub mod encoding;
pub mod google;
pub mod oci;
pub mod rsa;
mod signer;
mod token;

pub use signer::Signer;

use base::{Classify, ErrorClass};

/// Why a cloud will not know who we are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no credentials, or they cannot be used.
    #[error("{0}")]
    Config(String),
    /// Who hands out tokens does not answer.
    #[error("{0}")]
    Network(#[from] net::ClientError),
    /// Who hands out tokens says no.
    #[error("{what} answered HTTP status {status}: {message}")]
    Refused {
        /// Who.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        message: String,
    },
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::Config(_) => ErrorClass::BadInput,
            Error::Network(error) => error.class(),
            Error::Refused { status: 429, .. } => ErrorClass::TooMany,
            Error::Refused { status: 500.., .. } => ErrorClass::Unavailable,
            Error::Refused { .. } => ErrorClass::Unauthenticated,
        }
    }
}

/// Where credentials are looked for besides settings: the environment's variables and the addresses
/// that clouds give their own machines. A test has its own.
#[derive(Clone)]
pub struct Surroundings {
    variable: std::sync::Arc<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// In place of every address on the internet or of the machine's cloud.
    endpoint: Option<String>,
}

impl Surroundings {
    /// The ones we run in.
    pub fn of_process() -> Self {
        Surroundings { variable: std::sync::Arc::new(|name| std::env::var(name).ok()), endpoint: None }
    }

    /// Made up: these variables, and one server for everything.
    pub fn made_up(variables: &[(&str, &str)], endpoint: &str) -> Self {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        let variable = move |name: &str| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        Surroundings { variable: std::sync::Arc::new(variable), endpoint: Some(endpoint.to_string()) }
    }

    /// A variable that says something.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn endpoint(&self, here: &str) -> String {
        self.endpoint.clone().unwrap_or_else(|| here.to_string())
    }

    /// A file below the user's home.
    pub(crate) fn home_file(&self, path: &str) -> Option<std::path::PathBuf> {
        Some(std::path::Path::new(&self.variable("HOME")?).join(path))
    }
}

/// Reads a file that credentials are in.
pub(crate) fn read(path: &std::path::Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::Config(format!("unable to read file {}: {error}", path.display())))
}

/// An error from an answer that is none.
pub(crate) fn refused(what: &'static str, answer: &net::Response) -> Error {
    let text = String::from_utf8_lossy(&answer.body);
    let message = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    Error::Refused { what, status: answer.status.as_u16(), message }
}
