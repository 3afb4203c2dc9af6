//! What a receiver's answer means for a notification.

use std::fmt::Write;

use http::HeaderMap;
use serde_json::Value;

use super::Memory;
use crate::dispatch::{Failure, Outcome};
use crate::transport::{Response, TransportError};

/// How much of an answer an error message cites.
const CITED_MAX_BYTES: usize = 1024;
/// The longest time a receiver can keep us away; more is taken for a mistake of its clock.
pub const RETRY_AFTER_MAX_MS: i64 = 3_600_000;

/// A notification that will never be taken as it is.
pub fn refused(reason: &'static str, message: impl Into<String>) -> Outcome {
    Outcome::Refused(Failure::new(reason, message))
}

/// A notification that may be taken later.
pub fn try_again(reason: &'static str, message: impl Into<String>) -> Outcome {
    Outcome::TryAgain(Failure::new(reason, message))
}

/// The same outcome; the message of a failure begins with what was under way.
pub fn during(what: &str, outcome: Outcome) -> Outcome {
    let said = |failure: Failure| Failure { message: format!("{what}: {}", failure.message), ..failure };
    match outcome {
        Outcome::TryAgain(failure) => Outcome::TryAgain(said(failure)),
        Outcome::Refused(failure) => Outcome::Refused(said(failure)),
        taken => taken,
    }
}

/// What an answer means: 2xx is taken; 5xx, 429, the statuses in `also_again`, and no answer may
/// be tried again.
pub fn outcome_of(answer: Result<Response, TransportError>, also_again: &[u16]) -> Outcome {
    match accepted(answer, also_again) {
        Ok(_) => Outcome::Taken(Memory::new()),
        Err(failed) => failed,
    }
}

/// An answer with 2xx, or what another one means.
pub fn accepted(answer: Result<Response, TransportError>, also_again: &[u16]) -> Result<Response, Outcome> {
    accepted_as(answer, also_again, |response| cited(&response.body))
}

/// Like [`accepted`], for receivers that say in a form of their own what is wrong. An empty text adds
/// nothing to the status.
pub fn accepted_as(
    answer: Result<Response, TransportError>,
    also_again: &[u16],
    details: impl FnOnce(&Response) -> String,
) -> Result<Response, Outcome> {
    let response = answer.map_err(|error| outcome_of_error(&error))?;
    let status = response.status;
    if (200..=299).contains(&status) {
        return Ok(response);
    }
    let mut message = format!("unexpected status code {status}");
    let details = details(&response);
    if !details.is_empty() {
        let _ = write!(message, ": {details}");
    }
    let mut failure = Failure::new(reason_of(status), message);
    if status == 429 || status / 100 == 5 || also_again.contains(&status) {
        failure.wait_ms = retry_after_ms(&response.headers);
        return Err(Outcome::TryAgain(failure));
    }
    Err(Outcome::Refused(failure))
}

/// A JSON document that says how it went, whatever the status.
pub(super) struct Said(Value);

impl Said {
    /// Reads an answer. One that is none may be another one next time.
    pub(super) fn read(response: &Response) -> Result<Said, Outcome> {
        Said::found(response).map_err(|error| {
            let cited = cited(&response.body);
            try_again("clientError", format!("could not unmarshal JSON response {cited:?}: {error}"))
        })
    }

    /// The same where it need not be one.
    pub(super) fn found(response: &Response) -> Result<Said, serde_json::Error> {
        serde_json::from_slice(&response.body).map(Said)
    }

    /// Whether a field is true.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// A text; "" if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// As much of an answer as an error message cites.
pub fn cited(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..CITED_MAX_BYTES).unwrap_or(body)).trim().to_string()
}

/// When the receiver wants to be asked again, in ms from now, by `Retry-After`; 0 if it does not
/// say. A date counts from the answer's own, so that both are of one clock.
fn retry_after_ms(headers: &HeaderMap) -> i64 {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date_ms = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_millisecond());
    let after = text("retry-after").trim();
    // Some send fractions of seconds, against the standard.
    let wait_ms = match after.parse::<f64>() {
        Ok(seconds) => seconds * 1_000.0,
        Err(_) => match (date_ms(after), date_ms(text("date"))) {
            (Some(until_ms), Some(now_ms)) => until_ms.saturating_sub(now_ms) as f64,
            _ => 0.0,
        },
    };
    wait_ms.clamp(0.0, RETRY_AFTER_MAX_MS as f64) as i64
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

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Outcome {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        outcome_of(Ok(Response { status, headers: headers.collect(), body: "why".into() }), &[])
    }

    #[test]
    fn answers_decide_whether_to_try_again() {
        assert_eq!(answer(204, &[]), Outcome::Taken(Memory::new()));
        let failure = |reason, status| Failure::new(reason, format!("unexpected status code {status}: why"));
        assert_eq!(answer(503, &[]), Outcome::TryAgain(failure("serverError", 503)));
        assert_eq!(answer(429, &[]), Outcome::TryAgain(failure("rateLimited", 429)));
        assert_eq!(answer(404, &[]), Outcome::Refused(failure("clientError", 404)));
        assert!(matches!(outcome_of(Err(TransportError::Timeout), &[]), Outcome::TryAgain(_)));
    }

    #[test]
    fn a_receiver_says_when_to_come_back() {
        for (text, expected_ms) in
            [("7", 7_000), ("0.5", 500), ("99999", RETRY_AFTER_MAX_MS), ("-1", 0), ("soon", 0)]
        {
            let Outcome::TryAgain(failure) = answer(429, &[("retry-after", text)]) else {
                panic!("given up")
            };
            assert_eq!(failure.wait_ms, expected_ms, "{text}");
        }
    }

    #[test]
    fn a_date_to_come_back_at_is_seen_from_the_date_of_the_answer() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (after, date, expected_ms) in [
            ("Sun, 06 Nov 1994 08:49:49 GMT", date, 12_000),
            ("Sun, 06 Nov 1994 08:49:30 GMT", date, 0),
            ("Mon, 07 Nov 1994 08:49:37 GMT", date, RETRY_AFTER_MAX_MS),
            ("Sun, 06 Nov 1994 08:49:49 GMT", "once", 0),
        ] {
            let Outcome::TryAgain(failure) = answer(503, &[("retry-after", after), ("date", date)]) else {
                panic!("given up")
            };
            assert_eq!(failure.wait_ms, expected_ms, "{after}");
        }
    }
}
