//! What a receiver's answer means for a notification.

use std::fmt::Write;

use super::Memory;
use crate::dispatch::{Failure, Outcome};
use crate::transport::{Response, TransportError};

/// How much of an answer an error message cites.
const CITED_MAX_BYTES: usize = 1024;

/// A notification that will never be taken as it is.
pub fn refused(reason: &'static str, message: impl Into<String>) -> Outcome {
    Outcome::Refused(Failure { reason, message: message.into() })
}

/// A notification that may be taken later.
pub fn try_again(reason: &'static str, message: impl Into<String>) -> Outcome {
    Outcome::TryAgain(Failure { reason, message: message.into() })
}

/// What an answer means: 2xx is taken; 5xx, 429, the statuses in `also_again`, and no answer may
/// be tried again.
pub fn outcome_of(answer: Result<Response, TransportError>, also_again: &[u16]) -> Outcome {
    match answer {
        Ok(Response { status: 200..=299, .. }) => Outcome::Taken(Memory::new()),
        Ok(Response { status, body }) => {
            let mut message = format!("unexpected status code {status}");
            let cited =
                String::from_utf8_lossy(body.get(..CITED_MAX_BYTES).unwrap_or(&body)).trim().to_string();
            if !cited.is_empty() {
                let _ = write!(message, ": {cited}");
            }
            let failure = Failure { reason: reason_of(status), message };
            if status == 429 || status / 100 == 5 || also_again.contains(&status) {
                Outcome::TryAgain(failure)
            } else {
                Outcome::Refused(failure)
            }
        }
        Err(error) => outcome_of_error(&error),
    }
}

/// What it means that there was no answer.
pub fn outcome_of_error(error: &TransportError) -> Outcome {
    match error {
        TransportError::Timeout => try_again("contextDeadlineExceeded", error.to_string()),
        TransportError::Network(_) => try_again("other", error.to_string()),
        TransportError::Settings(_) => refused("other", error.to_string()),
    }
}

/// The word metrics have for a status that is not a success.
pub fn reason_of(status: u16) -> &'static str {
    match status {
        401 | 403 => "authError",
        429 => "rateLimited",
        400..=499 => "clientError",
        500..=599 => "serverError",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_decide_whether_to_try_again() {
        let answer = |status| outcome_of(Ok(Response { status, body: "why".into() }), &[]);
        assert_eq!(answer(204), Outcome::Taken(Memory::new()));
        let failure =
            |reason, status| Failure { reason, message: format!("unexpected status code {status}: why") };
        assert_eq!(answer(503), Outcome::TryAgain(failure("serverError", 503)));
        assert_eq!(answer(429), Outcome::TryAgain(failure("rateLimited", 429)));
        assert_eq!(answer(404), Outcome::Refused(failure("clientError", 404)));
        assert!(matches!(outcome_of(Err(TransportError::Timeout), &[]), Outcome::TryAgain(_)));
    }
}
