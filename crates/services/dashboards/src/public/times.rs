//! Times as dashboards write them: `now-6h`, `now/d`, milliseconds since 1970, RFC 3339.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// A later or earlier time than this is a mistake: 200 years.
const FAR_MS: i64 = 200 * 366 * 86_400_000;
/// The range of a dashboard whose own cannot be read.
const DEFAULT_RANGE_MS: i64 = 6 * 3_600_000;

/// The zone of a dashboard: of a name, or else of whoever looks at it. UTC if neither is known.
pub(crate) fn zone(dashboard: &str, visitor: &str) -> TimeZone {
    let of_dashboard = !matches!(dashboard, "" | "browser");
    let name = if of_dashboard { dashboard } else { visitor };
    if name.is_empty() || name.eq_ignore_ascii_case("utc") {
        return TimeZone::UTC;
    }
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// Milliseconds since 1970; `None` for what is no time. The end of a range that is rounded is the end of the unit.
pub(crate) fn resolve(text: &str, now_ms: i64, zone: &TimeZone, is_end: bool) -> Option<i64> {
    let text = text.trim();
    let at_ms = if let Some(steps) = text.strip_prefix("now") {
        stepped(now_ms, steps, zone, is_end)?
    } else if let Ok(ms) = text.parse::<i64>() {
        ms
    } else {
        gocompat::layout::parse_rfc3339_ms(text).or_else(|| {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            Some(civil.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
        })?
    };
    (at_ms.abs() < FAR_MS).then_some(at_ms)
}

/// From and to in milliseconds; the last six hours for what cannot be read.
pub(crate) fn range(from: &str, to: &str, now_ms: i64, zone: &TimeZone) -> (i64, i64) {
    match (resolve(from, now_ms, zone, false), resolve(to, now_ms, zone, true)) {
        (Some(from_ms), Some(to_ms)) if from_ms < to_ms => (from_ms, to_ms),
        (Some(from_ms), Some(to_ms)) if to_ms < from_ms => (to_ms, from_ms),
        _ => (now_ms - DEFAULT_RANGE_MS, now_ms),
    }
}

/// The range of a panel that has one of its own, or looks back.
pub(crate) fn of_panel((from, to): (i64, i64), time_from: &str, shift: &str, zone: &TimeZone) -> (i64, i64) {
    let mut span = (from, to);
    if !time_from.is_empty() {
        let relative =
            if time_from.starts_with("now") { time_from.into() } else { format!("now-{time_from}") };
        let end = if relative.starts_with("now/") { resolve(&relative, to, zone, true) } else { Some(to) };
        if let (Some(from), Some(to)) = (resolve(&relative, to, zone, false), end)
            && from < to
        {
            span = (from, to);
        }
    }
    let shift = shift.trim_start_matches("now-").trim_start_matches('-');
    if !shift.is_empty() {
        let back = format!("now-{shift}");
        if let (Some(from), Some(to)) =
            (resolve(&back, span.0, zone, false), resolve(&back, span.1, zone, true))
            && from < to
        {
            span = (from, to);
        }
    }
    span
}

/// `-1d/d` and the like, one after the other.
fn stepped(now_ms: i64, steps: &str, zone: &TimeZone, is_end: bool) -> Option<i64> {
    let mut at = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone.clone());
    let mut rest = steps.trim();
    while let Some(operator) = rest.chars().next() {
        rest = rest.get(operator.len_utf8()..)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let amount: i64 = if digits == 0 { 1 } else { rest.get(..digits)?.parse().ok()? };
        rest = rest.get(digits..)?;
        // Fiscal years are taken to begin with the year.
        rest = rest.strip_prefix('f').unwrap_or(rest);
        let unit = rest.chars().next()?;
        rest = rest.get(unit.len_utf8()..)?;
        at = match operator {
            '-' => at.checked_sub(span(amount, unit)?).ok()?,
            '+' => at.checked_add(span(amount, unit)?).ok()?,
            '/' if amount == 1 && !is_end => start(&at, unit)?,
            '/' if amount == 1 => {
                start(&at, unit)?.checked_add(span(1, unit)?).ok()?.checked_sub(1.millisecond()).ok()?
            }
            _ => return None,
        };
    }
    Some(at.timestamp().as_millisecond())
}

fn span(amount: i64, unit: char) -> Option<Span> {
    let span = Span::new();
    match unit {
        's' => span.try_seconds(amount),
        'm' => span.try_minutes(amount),
        'h' => span.try_hours(amount),
        'd' => span.try_days(amount),
        'w' => span.try_weeks(amount),
        'M' => span.try_months(amount),
        'Q' => span.try_months(amount.checked_mul(3)?),
        'y' => span.try_years(amount),
        _ => return None,
    }
    .ok()
}

/// The beginning of the second, minute, ... that a time is in. Weeks begin on Monday.
fn start(at: &Zoned, unit: char) -> Option<Zoned> {
    let with = at.with().subsec_nanosecond(0);
    let day = |at: &Zoned| at.start_of_day().ok();
    match unit {
        's' => with.build().ok(),
        'm' => with.second(0).build().ok(),
        'h' => with.second(0).minute(0).build().ok(),
        'd' => day(at),
        'w' => {
            let back = i64::from(at.weekday().to_monday_zero_offset());
            day(&at.checked_sub(Span::new().try_days(back).ok()?).ok()?)
        }
        'M' => day(&at.first_of_month().ok()?),
        'Q' => {
            let month = (at.month() - 1) / 3 * 3 + 1;
            day(&at.first_of_month().ok()?.with().month(month).build().ok()?)
        }
        'y' => day(&at.first_of_year().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20Z, a Tuesday.
    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn times_are_read_as_dashboards_write_them() {
        let at = |text: &str, is_end: bool| {
            let ms = resolve(text, NOW_MS, &TimeZone::UTC, is_end)?;
            Some(Timestamp::from_millisecond(ms).unwrap().to_string())
        };
        for (text, is_end, expected) in [
            ("now", false, "2023-11-14T22:13:20Z"),
            ("now-90m", false, "2023-11-14T20:43:20Z"),
            ("now/d", false, "2023-11-14T00:00:00Z"),
            ("now/d", true, "2023-11-14T23:59:59.999Z"),
            ("now-1d/d+6h", false, "2023-11-13T06:00:00Z"),
            ("now/w", false, "2023-11-13T00:00:00Z"),
            ("now-1M/M", false, "2023-10-01T00:00:00Z"),
            ("now/fQ", false, "2023-10-01T00:00:00Z"),
            ("now/y", true, "2023-12-31T23:59:59.999Z"),
            ("1700000000000", false, "2023-11-14T22:13:20Z"),
            ("2023-01-02T03:04:05Z", false, "2023-01-02T03:04:05Z"),
            ("2023-01-02 03:04:05", false, "2023-01-02T03:04:05Z"),
        ] {
            assert_eq!(at(text, is_end).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "nowhere", "now-", "now-1x", "now/2d", "now-9999999999999y", "tomorrow", "now-1", "nowé"]
        {
            assert_eq!(at(text, false), None, "{text}");
        }
        assert_eq!(range("x", "now", NOW_MS, &TimeZone::UTC), (NOW_MS - DEFAULT_RANGE_MS, NOW_MS));
        assert_eq!(range("now", "now-1h", NOW_MS, &TimeZone::UTC), (NOW_MS - 3_600_000, NOW_MS));
    }

    #[test]
    fn panels_may_have_times_of_their_own() {
        let hour = 3_600_000;
        let span = (NOW_MS - 6 * hour, NOW_MS);
        let of = |from: &str, shift: &str| of_panel(span, from, shift, &TimeZone::UTC);
        assert_eq!(of("", ""), span);
        assert_eq!(of("1h", ""), (NOW_MS - hour, NOW_MS));
        assert_eq!(of("", "1d"), (span.0 - 24 * hour, span.1 - 24 * hour));
        assert_eq!(of("1h", "2h"), (NOW_MS - 3 * hour, NOW_MS - 2 * hour));
        assert_eq!(of("what", "ever"), span);
    }
}
