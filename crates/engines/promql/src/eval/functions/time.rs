//! Parts of dates, in UTC.

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
}

/// The day that is so many days after 1970-01-01. Counts in eras of 400 years that start in March,
/// so that the leap day is the last of its year.
fn date_of_days(days: i64) -> Date {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Go's calendar begins here, in seconds before the epoch; what is earlier comes out 2^64 s later.
const CALENDAR_START: i128 = -9_223_372_028_741_760_000;

/// Whole seconds since the epoch as Go sees them: a number that no `int64` holds, NaN too, becomes the
/// least one.
fn seconds(value: f64) -> i128 {
    let whole = if value >= -(2f64.powi(63)) && value < 2f64.powi(63) { value as i64 } else { i64::MIN };
    let seconds = i128::from(whole);
    if seconds < CALENDAR_START { seconds + (1 << 64) } else { seconds }
}

/// The function of this name that maps seconds since the epoch to a part of the date.
pub(crate) fn part(name: &str) -> Option<fn(f64) -> f64> {
    fn days(value: f64) -> i64 {
        seconds(value).div_euclid(86_400) as i64
    }
    fn date(value: f64) -> Date {
        date_of_days(days(value))
    }
    Some(match name {
        "minute" => |v| (seconds(v).rem_euclid(3_600) / 60) as f64,
        "hour" => |v| (seconds(v).rem_euclid(86_400) / 3_600) as f64,
        // The epoch was a Thursday.
        "day_of_week" => |v| (days(v) + 4).rem_euclid(7) as f64,
        "day_of_month" => |v| date(v).day as f64,
        "day_of_year" => |v| {
            let date = date(v);
            ((1..date.month).map(|month| days_in(date.year, month)).sum::<i64>() + date.day) as f64
        },
        "days_in_month" => |v| {
            let date = date(v);
            days_in(date.year, date.month) as f64
        },
        "month" => |v| date(v).month as f64,
        "year" => |v| date(v).year as f64,
        _ => return None,
    })
}

/// A time as `2006-01-02T15:04:05Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let Date { year, month, day } = date_of_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_136_239_445, "2006-01-02T22:04:05Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
        let part = |name, seconds| part(name).map(|f| f(seconds));
        assert_eq!(part("day_of_year", 951_782_400.0), Some(60.0));
        assert_eq!(part("days_in_month", 951_782_400.0), Some(29.0));
        assert_eq!(part("day_of_week", 0.0), Some(4.0));
    }

    #[test]
    fn what_is_no_time_is_the_date_that_prometheus_gives() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e19] {
            let parts = ["year", "month", "day_of_month", "hour", "minute", "day_of_week", "day_of_year"];
            let parts = parts.map(|name| part(name).map_or(-1.0, |f| f(value)));
            assert_eq!(parts, [292_277_026_596.0, 12.0, 4.0, 15.0, 30.0, 0.0, 339.0], "{value}");
        }
    }
}
