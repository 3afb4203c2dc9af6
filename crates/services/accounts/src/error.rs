//! Why something about people could not be done.

use base::{Classify, ErrorClass};
use state::StateError;

/// Why something about people could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The accounts have not been read since the start: the database has been away until now.
    #[error("the accounts cannot be read yet: the database has not answered since the start")]
    NotLoaded,
    /// What was asked makes no sense.
    #[error("{0}")]
    Input(String),
    /// There is such a one already, or it may not be changed so.
    #[error("{0}")]
    Conflict(String),
    /// There is no such one.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Somebody must be able to change accounts.
    #[error("the last administrator cannot be removed, demoted or disabled")]
    LastAdministrator,
    /// Login and password do not belong together, or there is no such account.
    #[error("invalid username or password")]
    WrongPassword,
    /// Too many attempts failed.
    #[error("too many failed attempts; try again in {retry_after_s} s")]
    Throttled {
        /// After how many seconds the next attempt is looked at.
        retry_after_s: u64,
    },
    /// Too many passwords are being checked.
    #[error("too many sign-ins at once; try again in a moment")]
    Busy,
    /// A token that is unknown, expired or revoked.
    #[error("invalid API key")]
    WrongToken,
    /// Who asks is known and may not come in.
    #[error("{0}")]
    Denied(String),
    /// The identity provider failed, or what it said cannot be believed.
    #[error("{0}")]
    Provider(String),
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// What is stored cannot be understood, or no random number could be had.
    #[error("{0}")]
    Internal(String),
}

impl Classify for AccountsError {
    fn class(&self) -> ErrorClass {
        match self {
            AccountsError::State(error) => error.class(),
            AccountsError::NotLoaded => ErrorClass::Unavailable,
            AccountsError::Input(_) | AccountsError::Settings(_) => ErrorClass::BadInput,
            AccountsError::Conflict(_) => ErrorClass::Conflict,
            AccountsError::NotFound(_) => ErrorClass::NotFound,
            AccountsError::LastAdministrator => ErrorClass::BadInput,
            AccountsError::WrongPassword | AccountsError::WrongToken => ErrorClass::Unauthenticated,
            AccountsError::Throttled { .. } => ErrorClass::TooMany,
            AccountsError::Busy => ErrorClass::Unavailable,
            AccountsError::Denied(_) => ErrorClass::Forbidden,
            AccountsError::Provider(_) => ErrorClass::Unavailable,
            AccountsError::Internal(_) => ErrorClass::Internal,
        }
    }
}

impl AccountsError {
    /// The status of an answer. Refusals of the database are ours, not those of who asks.
    pub(crate) fn status(&self) -> u16 {
        match self {
            AccountsError::State(error) => match error.class() {
                ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::TooMany => 503,
                class => class.http_status(),
            },
            AccountsError::Provider(_) => 502,
            other => other.class().http_status(),
        }
    }
}
