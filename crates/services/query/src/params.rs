//! Parameters of a request, from the URL and from a form body alike.

use axum::extract::Request;
use axum::http::{Method, header};
use gocompat::quote::quote;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::Matcher;
use model::storage::TimeRange;

use crate::answer::ApiError;

/// The earliest and latest times that a request may name, as Prometheus bounds them.
const TIME_MIN_MS: i64 = i64::MIN / 1_000_000;
const TIME_MAX_MS: i64 = i64::MAX / 1_000_000;

/// The parameters, in order; a name may come several times.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the URL's query and, for POST, a form body of limited size.
    pub(crate) async fn read(request: Request, body_size_max_bytes: usize) -> Result<Params, ApiError> {
        let (parts, body) = request.into_parts();
        let mut pairs: Vec<(String, String)> = Vec::new();
        if parts.method == Method::POST {
            let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or("").trim();
            if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                let bytes = Limited::new(body, body_size_max_bytes).collect().await.map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        // The words of Go's server, which clients know.
                        ApiError::bad_data("error parsing form values: http: POST too large")
                    } else {
                        ApiError::bad_data(format!("error parsing form values: {error}"))
                    }
                })?;
                pairs.extend(form_urlencoded::parse(&bytes.to_bytes()).into_owned());
            }
        }
        if let Some(query) = parts.uri.query() {
            pairs.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
        }
        Ok(Params(pairs))
    }

    /// The first value of a name; empty counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A time in milliseconds.
    pub(crate) fn time_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        parse_time_ms(text)
            .map(Some)
            .map_err(|error| ApiError::parameter(name, format!("invalid time value for '{name}': {error}")))
    }

    /// A time in milliseconds that must be given.
    pub(crate) fn required_time_ms(&self, name: &str) -> Result<i64, ApiError> {
        parse_time_ms(self.get(name).unwrap_or("")).map_err(|error| ApiError::parameter(name, error))
    }

    /// A duration in milliseconds: seconds as a number, or `5m`.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|text| parse_duration_ms(text).map_err(|error| ApiError::parameter(name, error)))
            .transpose()
    }

    /// A limit; 0 means none.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(0) };
        let number = atoi(text, "Atoi").map_err(|error| ApiError::parameter("limit", error))?;
        usize::try_from(number).map_err(|_| ApiError::parameter("limit", "limit must be non-negative"))
    }

    /// A limit where absence and negative numbers mean none and 0 means nothing at all.
    pub(crate) fn signed_limit(&self, name: &str) -> Result<usize, ApiError> {
        let Some(text) = self.get(name) else { return Ok(usize::MAX) };
        let number =
            atoi(text, "Atoi").map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// A yes or no as Go reads it; the error is Go's.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.get(name) {
            None => Ok(None),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(text) => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
        }
    }

    /// `start` and `end`, everything where they are absent. An end before the start is an empty range.
    pub(crate) fn range(&self) -> Result<TimeRange, ApiError> {
        Ok(TimeRange {
            start_ms: self.time_ms("start")?.unwrap_or(TIME_MIN_MS),
            end_ms: self.time_ms("end")?.unwrap_or(TIME_MAX_MS),
        })
    }

    /// The selectors of `match[]`.
    pub(crate) fn matchers(&self) -> Result<Vec<Vec<Matcher>>, String> {
        self.all("match[]")
            .map(|text| {
                let matchers = promql::parse_selector(text).map_err(|error| error.to_string())?;
                if matchers.iter().all(Matcher::matches_empty) {
                    return Err("match[] must contain at least one non-empty matcher".into());
                }
                Ok(matchers)
            })
            .collect()
    }
}

/// A whole number as Go reads it; the error names Go's function.
pub(crate) fn atoi(text: &str, function: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().map_err(|_| {
        let problem = if is_number { "value out of range" } else { "invalid syntax" };
        format!("strconv.{function}: parsing {}: {problem}", quote(text))
    })
}

/// A time: seconds since the epoch with a fraction, or RFC 3339.
pub fn parse_time_ms(text: &str) -> Result<i64, String> {
    let bad = || format!("cannot parse {} to a valid timestamp", quote(text));
    if let Ok(seconds) = gocompat::float::parse(text) {
        let ms = (seconds * 1000.0).round();
        if !ms.is_finite() {
            return Err(bad());
        }
        return Ok((ms as i64).clamp(TIME_MIN_MS, TIME_MAX_MS));
    }
    match text {
        // How Go prints the earliest and latest times that Prometheus knows.
        "-292273086-05-16T16:47:06Z" => return Ok(TIME_MIN_MS),
        "292277025-08-18T07:12:54.999999999Z" | "+292277025-08-18T07:12:54.999999999Z" => {
            return Ok(TIME_MAX_MS);
        }
        _ => {}
    }
    gocompat::layout::parse_rfc3339_ms(text).ok_or_else(bad)
}

/// A duration: seconds as a number, or `1h30m`.
pub(crate) fn parse_duration_ms(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = gocompat::float::parse(text) {
        let ms = seconds * 1000.0;
        if !ms.is_finite() || ms.abs() > TIME_MAX_MS as f64 {
            return Err(format!("cannot parse {} to a valid duration. It overflows int64", quote(text)));
        }
        return Ok(ms as i64);
    }
    base::units::parse_duration_ms(text)
        .map_err(|_| format!("cannot parse {} to a valid duration", quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(parse_time_ms("1435781451.781"), Ok(1_435_781_451_781));
        assert_eq!(parse_time_ms("2015-07-01T20:10:51.781Z"), Ok(1_435_781_451_781));
        assert_eq!(parse_time_ms("2015-07-01T22:10:51.781+02:00"), Ok(1_435_781_451_781));
        assert_eq!(parse_time_ms("30s"), Err("cannot parse \"30s\" to a valid timestamp".into()));
    }

    #[test]
    fn durations_are_seconds_or_units() {
        assert_eq!(parse_duration_ms("12.5"), Ok(12_500));
        assert_eq!(parse_duration_ms("1h30m"), Ok(5_400_000));
        assert!(parse_duration_ms("x").is_err() && parse_duration_ms("1e300").is_err());
    }

    #[test]
    fn whole_numbers_fail_as_in_go() {
        assert_eq!((atoi("+5", "Atoi"), atoi("-5", "Atoi")), (Ok(5), Ok(-5)));
        assert_eq!(atoi("x", "Atoi"), Err("strconv.Atoi: parsing \"x\": invalid syntax".into()));
        assert_eq!(
            atoi("99999999999999999999", "ParseInt"),
            Err("strconv.ParseInt: parsing \"99999999999999999999\": value out of range".into())
        );
    }
}
