//! Times of day, weekdays, days of the month, months and years, in a time zone: when a route is
//! muted or active.

use config::{Node, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A repeating span of time. A part that is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeInterval {
    /// Minutes of the day, the end excluded.
    pub times: Option<Vec<Range>>,
    /// 0 is Sunday.
    pub weekdays: Option<Vec<Range>>,
    /// From 1; negative numbers count from the end of the month.
    pub days_of_month: Option<Vec<Range>>,
    /// From 1.
    pub months: Option<Vec<Range>>,
    /// Years.
    pub years: Option<Vec<Range>>,
    /// The zone the rest is meant in; UTC if not given.
    pub location: Option<TimeZone>,
}

/// Two numbers, both included unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub begin: i32,
    /// The last.
    pub end: i32,
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// Whether a moment, in milliseconds since the epoch, lies inside.
    pub fn contains_ms(&self, now_ms: i64) -> bool {
        let Ok(timestamp) = Timestamp::from_millisecond(now_ms) else { return false };
        let zoned = timestamp.to_zoned(self.location.clone().unwrap_or(TimeZone::UTC));
        let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
        let (day, month_days) = (i32::from(zoned.day()), i32::from(zoned.days_in_month()));
        let weekday = i32::from(zoned.weekday().to_sunday_zero_offset());

        let any = |ranges: &Option<Vec<Range>>, holds: &dyn Fn(Range) -> bool| {
            ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| holds(*range)))
        };
        let within = |value: i32| move |range: Range| (range.begin..=range.end).contains(&value);
        any(&self.times, &|range| (range.begin..range.end).contains(&minute))
            && any(&self.days_of_month, &|range| {
                let from_start = |day: i32| if day < 0 { month_days + day + 1 } else { day };
                let (begin, end) = (from_start(range.begin), from_start(range.end));
                begin <= month_days && (begin.max(-month_days)..=end.min(month_days)).contains(&day)
            })
            && any(&self.months, &within(i32::from(zoned.month())))
            && any(&self.weekdays, &within(weekday))
            && any(&self.years, &within(i32::from(zoned.year())))
    }

    /// Decodes one interval.
    pub fn decode(node: &Node) -> Result<TimeInterval> {
        let mut fields = node.fields("timeinterval.TimeInterval")?;
        let interval = TimeInterval {
            times: fields.optional("times", |node| node.list(time_range))?,
            weekdays: fields.optional("weekdays", |node| node.list(weekday_range))?,
            days_of_month: fields.optional("days_of_month", |node| node.list(day_range))?,
            months: fields.optional("months", |node| node.list(month_range))?,
            years: fields.optional("years", |node| node.list(year_range))?,
            location: fields.optional("location", location)?,
        };
        fields.finish()?;
        Ok(interval)
    }
}

/// Whether any of the intervals contains a moment.
pub fn any_contains_ms(intervals: &[TimeInterval], now_ms: i64) -> bool {
    intervals.iter().any(|interval| interval.contains_ms(now_ms))
}

/// Decodes one range of minutes, `{start_time: "09:00", end_time: "17:00"}`.
pub fn time_range(node: &Node) -> Result<Range> {
    let mut fields = node.fields("timeinterval.yamlTimeRange")?;
    let start = fields.or("start_time", String::new(), Node::string)?;
    let end = fields.or("end_time", String::new(), Node::string)?;
    if start.is_empty() || end.is_empty() {
        return Err(fields.error("both start and end times must be provided"));
    }
    fields.finish()?;
    let begin = minute_of_day(&start).map_err(|message| node.error(message))?;
    let end = minute_of_day(&end).map_err(|message| node.error(message))?;
    if begin >= end {
        return Err(node.error("start time cannot be equal or greater than end time"));
    }
    Ok(Range { begin, end })
}

/// `HH:MM`, up to `24:00`.
fn minute_of_day(text: &str) -> std::result::Result<i32, String> {
    let parse = || {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60 || (hours, minutes) == (24, 0)).then_some(hours * 60 + minutes)
    };
    parse().ok_or_else(|| format!("couldn't parse timestamp {text}, invalid format"))
}

/// `a:b` or `a`, each read by `member`.
fn range(node: &Node, member: impl Fn(&str) -> std::result::Result<i32, String>) -> Result<(Range, String)> {
    let text = node.string()?;
    let lower = text.to_lowercase();
    let read = |part: &str| member(part).map_err(|message| node.error(message));
    let parts: Vec<&str> = lower.split(':').collect();
    let range = match parts.as_slice() {
        [one] => {
            let value = read(one)?;
            Range { begin: value, end: value }
        }
        [begin, end] => Range { begin: read(begin)?, end: read(end)? },
        _ => return Err(node.error(format!("couldn't parse range {lower}, invalid format"))),
    };
    Ok((range, text))
}

/// A number with Go's words if it is not one.
fn number(text: &str) -> std::result::Result<i32, String> {
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
}

fn weekday_range(node: &Node) -> Result<Range> {
    let member = |text: &str| match WEEKDAYS.iter().position(|name| *name == text) {
        Some(at) => Ok(at as i32),
        None => Err(format!("{text} is not a valid weekday")),
    };
    let (range, _) = range(node, member)?;
    if range.begin > range.end {
        return Err(node.error("start day cannot be before end day"));
    }
    Ok(range)
}

fn day_range(node: &Node) -> Result<Range> {
    let (range, _) = range(node, number)?;
    for day in [range.begin, range.end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(node.error(format!("{day} is not a valid day of the month: out of range")));
        }
    }
    if range.begin < 0 && range.end > 0 {
        return Err(node.error("end day must be negative if start day is negative"));
    }
    // In the shortest month; what is wrong there may be right in others, so only the plain cases.
    let in_february = |day: i32| if day < 0 { 28 + day } else { day };
    if in_february(range.begin) > in_february(range.end) {
        let message = format!("end day {} is always before start day {}", range.end, range.begin);
        return Err(node.error(message));
    }
    Ok(range)
}

fn month_range(node: &Node) -> Result<Range> {
    let member = |text: &str| match MONTHS.iter().position(|name| *name == text) {
        Some(at) => Ok(at as i32 + 1),
        None => text.parse().map_err(|_| format!("{text} is not a valid month")),
    };
    let (range, _) = range(node, member)?;
    if range.begin > range.end {
        let name = |month: i32| {
            usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default()
        };
        let message = format!("end month {} is before start month {}", name(range.end), name(range.begin));
        return Err(node.error(message));
    }
    Ok(range)
}

fn year_range(node: &Node) -> Result<Range> {
    let (range, _) = range(node, number)?;
    if range.begin > range.end {
        let message = format!("end year {} is before start year {}", range.end, range.begin);
        return Err(node.error(message));
    }
    Ok(range)
}

fn location(node: &Node) -> Result<TimeZone> {
    let name = node.string()?;
    match name.as_str() {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        name => TimeZone::get(name).map_err(|_| node.error(format!("unknown time zone {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_contains_nothing_and_an_absent_one_everything() {
        let decode = |yaml| TimeInterval::decode(&Node::parse(yaml).unwrap()).unwrap();
        assert!(decode("{}").contains_ms(0));
        assert!(!decode("{years: []}").contains_ms(0));
    }

    #[test]
    fn the_end_of_a_time_range_is_excluded() {
        let yaml = "{times: [{start_time: '00:00', end_time: '00:01'}]}";
        let interval = TimeInterval::decode(&Node::parse(yaml).unwrap()).unwrap();
        assert!(interval.contains_ms(59_999) && !interval.contains_ms(60_000));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused_where_it_stands() {
        let error = TimeInterval::decode(&Node::parse("years: ['2020']\nlocation: Mars/Olympus").unwrap());
        let error = error.unwrap_err();
        assert_eq!(error.message, "unknown time zone Mars/Olympus");
        assert_eq!(error.position.unwrap().line, 2);
    }
}
