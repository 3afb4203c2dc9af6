//! One classification of errors, from which a caller derives the HTTP status, the exit code and
//! whether trying again makes sense.

/// What kind of failure an error is. Every crate's error enum answers with one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request or the configuration is wrong; the same again fails again.
    BadInput,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// What was asked for does not exist.
    NotFound,
    /// It conflicts with what is there, for example a lock held by another instance.
    Conflict,
    /// It is larger than a limit allows.
    TooLarge,
    /// Too much at once; later it may work.
    TooMany,
    /// A deadline passed.
    Timeout,
    /// The caller went away or asked to stop.
    Canceled,
    /// Something needed is away for now: disk full, network down, still starting.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// A fault of ours.
    Internal,
}

impl ErrorClass {
    /// The HTTP status that tells a client this class.
    pub const fn http_status(self) -> u16 {
        match self {
            ErrorClass::BadInput => 400,
            ErrorClass::Unauthenticated => 401,
            ErrorClass::Forbidden => 403,
            ErrorClass::NotFound => 404,
            ErrorClass::Conflict => 409,
            ErrorClass::TooLarge => 413,
            ErrorClass::TooMany => 429,
            ErrorClass::Timeout | ErrorClass::Canceled | ErrorClass::Unavailable => 503,
            ErrorClass::Corrupt | ErrorClass::Internal => 500,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, ErrorClass::TooMany | ErrorClass::Timeout | ErrorClass::Unavailable)
    }
}

/// Implemented by every crate's error enum.
pub trait Classify: std::error::Error {
    /// The class of this error.
    fn class(&self) -> ErrorClass;
}
