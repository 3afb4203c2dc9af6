//! Go's time layouts: a layout shows how the moment `Mon Jan 2 15:04:05 MST 2006` (in a zone 7 hours
//! west of UTC) would be written, and other times are written and read alike.
//!
//! Times are `jiff`'s [`Zoned`]; zones come from the system's database.

use crate::error::Error;
use crate::quote::quote;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// `2006-01-02T15:04:05Z07:00`
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// `2006-01-02T15:04:05.999999999Z07:00`
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";
/// `Mon, 02 Jan 2006 15:04:05 MST`
pub const RFC1123: &str = "Mon, 02 Jan 2006 15:04:05 MST";
/// `Mon, 02 Jan 2006 15:04:05 -0700`, as mails carry it.
pub const RFC1123_Z: &str = "Mon, 02 Jan 2006 15:04:05 -0700";
/// What Go prints for a time that nobody formatted.
pub const PLAIN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A part of a layout that stands for a part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    YearShort,
    MonthName,
    MonthShort,
    Month(Digits),
    DayName,
    DayShort,
    Day(Digits),
    YearDay(Digits),
    Hour,
    Hour12(Digits),
    Minute(Digits),
    Second(Digits),
    /// The mark of the half day, in capitals or not.
    Half {
        upper: bool,
    },
    ZoneName,
    Offset(OffsetForm),
    /// So many digits behind a point or comma; those of `9` leave zeros at the end out.
    Fraction {
        count: usize,
        trims: bool,
        mark: char,
    },
}

/// How a small number fills its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Plain,
    Zero,
    Space,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OffsetForm {
    /// Whether no offset is written as `Z`.
    has_z: bool,
    colon: bool,
    minutes: bool,
    seconds: bool,
}

/// Splits a layout at its first part: what stands before, the part and its text, what follows.
fn split_part(layout: &str) -> Option<(&str, Part, &str, &str)> {
    let bytes = layout.as_bytes();
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        if let Some((part, len)) = part_at(rest) {
            // Parts are ASCII, so these are boundaries.
            return Some((&layout[..at], part, &layout[at..at + len], &layout[at + len..]));
        }
    }
    None
}

fn part_at(rest: &[u8]) -> Option<(Part, usize)> {
    // `Jan` in `Janitor` is no month.
    let is_word = |len: usize| !rest.get(len).is_some_and(u8::is_ascii_lowercase);
    let fixed: &[(&str, Part)] = match rest.first()? {
        b'J' => &[("January", Part::MonthName), ("Jan", Part::MonthShort)],
        b'M' => &[("Monday", Part::DayName), ("Mon", Part::DayShort), ("MST", Part::ZoneName)],
        b'0' => &[
            ("002", Part::YearDay(Digits::Zero)),
            ("01", Part::Month(Digits::Zero)),
            ("02", Part::Day(Digits::Zero)),
            ("03", Part::Hour12(Digits::Zero)),
            ("04", Part::Minute(Digits::Zero)),
            ("05", Part::Second(Digits::Zero)),
            ("06", Part::YearShort),
        ],
        b'1' => &[("15", Part::Hour), ("1", Part::Month(Digits::Plain))],
        b'2' => &[("2006", Part::Year), ("2", Part::Day(Digits::Plain))],
        b'_' if rest.starts_with(b"_2006") => return None,
        b'_' => &[("_2", Part::Day(Digits::Space)), ("__2", Part::YearDay(Digits::Space))],
        b'3' => &[("3", Part::Hour12(Digits::Plain))],
        b'4' => &[("4", Part::Minute(Digits::Plain))],
        b'5' => &[("5", Part::Second(Digits::Plain))],
        b'P' => &[("PM", Part::Half { upper: true })],
        b'p' => &[("pm", Part::Half { upper: false })],
        b'-' | b'Z' => return offset_at(rest),
        b'.' | b',' => return fraction_at(rest),
        _ => &[],
    };
    let (name, part) = fixed.iter().find(|(name, part)| {
        rest.starts_with(name.as_bytes())
            && (!matches!(part, Part::MonthShort | Part::DayShort) || is_word(name.len()))
    })?;
    Some((*part, name.len()))
}

fn offset_at(rest: &[u8]) -> Option<(Part, usize)> {
    let has_z = rest[0] == b'Z';
    [
        ("070000", false, true, true),
        ("07:00:00", true, true, true),
        ("0700", false, true, false),
        ("07:00", true, true, false),
        ("07", false, false, false),
    ]
    .into_iter()
    .find(|(form, ..)| rest[1..].starts_with(form.as_bytes()))
    .map(|(form, colon, minutes, seconds)| {
        (Part::Offset(OffsetForm { has_z, colon, minutes, seconds }), 1 + form.len())
    })
}

/// A mark with zeros or nines behind it, and no other digit behind those.
fn fraction_at(rest: &[u8]) -> Option<(Part, usize)> {
    let digit = *rest.get(1).filter(|digit| matches!(digit, b'0' | b'9'))?;
    let count = rest[1..].iter().take_while(|&&b| b == digit).count();
    if rest.get(1 + count).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((Part::Fraction { count, trims: digit == b'9', mark: rest[0] as char }, 1 + count))
}

/// Writes `time` as `layout` shows.
pub fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while let Some((before, part, _, after)) = split_part(rest) {
        out.push_str(before);
        push_part(&mut out, time, part);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn push_part(out: &mut String, time: &Zoned, part: Part) {
    let number = |number: i64, width: usize, digits: Digits| match digits {
        Digits::Plain => number.to_string(),
        Digits::Zero => format!("{number:0width$}"),
        Digits::Space => format!("{number:width$}"),
    };
    let month = MONTHS[usize::from(time.month().unsigned_abs()).clamp(1, 12) - 1];
    let day = DAYS[usize::from(time.weekday().to_sunday_zero_offset().unsigned_abs()) % 7];
    let text = match part {
        Part::Year if time.year() < 0 => format!("-{:04}", time.year().unsigned_abs()),
        Part::Year => format!("{:04}", time.year()),
        Part::YearShort => format!("{:02}", time.year().rem_euclid(100)),
        Part::MonthName => month.into(),
        Part::MonthShort => month[..3].into(),
        Part::Month(digits) => number(time.month().into(), 2, digits),
        Part::DayName => day.into(),
        Part::DayShort => day[..3].into(),
        Part::Day(digits) => number(time.day().into(), 2, digits),
        Part::YearDay(digits) => number(time.day_of_year().into(), 3, digits),
        Part::Hour => format!("{:02}", time.hour()),
        Part::Hour12(digits) => number((i64::from(time.hour()) + 11) % 12 + 1, 2, digits),
        Part::Minute(digits) => number(time.minute().into(), 2, digits),
        Part::Second(digits) => number(time.second().into(), 2, digits),
        Part::Half { upper } => match (time.hour() >= 12, upper) {
            (true, true) => "PM".into(),
            (true, false) => "pm".into(),
            (false, true) => "AM".into(),
            (false, false) => "am".into(),
        },
        Part::ZoneName => zone_name(time),
        Part::Offset(form) => offset_text(time.offset(), form),
        Part::Fraction { count, trims, mark } => {
            let digits = format!("{:09}", time.subsec_nanosecond());
            let digits = &digits[..count.min(9)];
            match if trims { digits.trim_end_matches('0') } else { digits } {
                "" => String::new(),
                kept if trims => format!("{mark}{kept}"),
                kept => format!("{mark}{kept:0<count$}"),
            }
        }
    };
    out.push_str(&text);
}

fn offset_text(offset: Offset, form: OffsetForm) -> String {
    let seconds = offset.seconds();
    if form.has_z && seconds == 0 {
        return "Z".into();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let colon = if form.colon { ":" } else { "" };
    let mut text = format!("{sign}{:02}", seconds / 3600);
    if form.minutes {
        text.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
    }
    if form.seconds {
        text.push_str(&format!("{colon}{:02}", seconds % 60));
    }
    text
}

/// The zone's abbreviation at that time; a bare offset has none and is written as such.
fn zone_name(time: &Zoned) -> String {
    let zone = time.time_zone();
    if *zone != TimeZone::UTC && zone.to_fixed_offset().is_ok() {
        let form = OffsetForm { has_z: false, colon: false, minutes: true, seconds: false };
        return offset_text(time.offset(), form);
    }
    zone.to_offset_info(time.timestamp()).abbreviation().to_string()
}

/// The time zone of this name in the system's database; `UTC` and nothing are UTC.
pub fn zone(name: &str) -> Result<TimeZone, Error> {
    if matches!(name, "" | "UTC") {
        return Ok(TimeZone::UTC);
    }
    let unknown = || Error::Time(format!("unknown time zone {name}"));
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err(unknown());
    }
    TimeZone::get(name).map_err(|_| unknown())
}

/// Reads `text` as `layout` shows. Without a zone in the text, the time is in UTC.
pub fn parse(layout: &str, text: &str) -> Result<Zoned, Error> {
    parse_in(layout, text, &TimeZone::UTC)
}

/// Reads a time as RFC 3339 has it, with any number of digits behind the second.
pub fn parse_rfc3339(text: &str) -> Result<Zoned, Error> {
    parse(RFC3339, text)
}

/// Writes a time in UTC, milliseconds since the epoch, as `layout` shows. A time beyond what a
/// calendar of four-digit years holds is written as the nearest one that it does.
pub fn format_ms(layout: &str, time_ms: i64) -> String {
    let timestamp = Timestamp::from_millisecond(time_ms).unwrap_or(if time_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format(&timestamp.to_zoned(TimeZone::UTC), layout)
}

/// A time as Go writes it in JSON: RFC 3339 in UTC, with as many decimals as it has.
pub fn format_rfc3339_ms(time_ms: i64) -> String {
    format_ms("2006-01-02T15:04:05.999999999Z07:00", time_ms)
}

/// Reads a time as RFC 3339 has it, in milliseconds since the epoch.
pub fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    parse_rfc3339(text).ok().map(|time| time.timestamp().as_millisecond())
}

/// Why a part does not fit.
enum Misfit {
    Text,
    /// What the number is, such as `month`.
    Range(&'static str),
}

/// What was read so far.
struct Reading {
    year: i32,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    is_afternoon: Option<bool>,
    offset_seconds: Option<i64>,
}

/// Reads `text` as `layout` shows; without a zone in the text, the time is in `zone`.
pub fn parse_in(layout: &str, text: &str, zone: &TimeZone) -> Result<Zoned, Error> {
    let unfit = |text_rest: &str, expected: &str| {
        Error::Time(format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(text),
            quote(layout),
            quote(text_rest),
            quote(expected)
        ))
    };
    let out_of_range = |what: &str| Error::Time(format!("parsing time {}: {what} out of range", quote(text)));
    let mut reading = Reading {
        year: 0,
        month: None,
        day: None,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        is_afternoon: None,
        offset_seconds: None,
    };
    let (mut layout_rest, mut rest) = (layout, text);
    loop {
        let (before, found) = match split_part(layout_rest) {
            Some((before, part, name, after)) => (before, Some((part, name, after))),
            None => (layout_rest, None),
        };
        rest = skip_literal(rest, before).map_err(|at| unfit(at, before))?;
        let Some((part, name, after)) = found else { break };
        let start = rest;
        if let Err(misfit) = reading.take(&mut rest, part, after) {
            return Err(match misfit {
                Misfit::Text => unfit(start, name),
                Misfit::Range(what) => out_of_range(what),
            });
        }
        layout_rest = after;
    }
    if !rest.is_empty() {
        return Err(Error::Time(format!("parsing time {}: extra text: {}", quote(text), quote(rest))));
    }
    reading.finish(zone).map_err(|problem| Error::Time(format!("parsing time {}: {problem}", quote(text))))
}

/// Passes what the layout has literally. Any number of spaces is as good as one.
fn skip_literal<'t>(mut text: &'t str, mut literal: &str) -> Result<&'t str, &'t str> {
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c).ok_or(text)?;
        literal = &literal[c.len_utf8()..];
    }
    Ok(text)
}

/// Takes exactly `count` digits.
fn take_exact(rest: &mut &str, count: usize) -> Result<i64, Misfit> {
    let digits = rest.get(..count).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).ok_or(Misfit::Text)?;
    *rest = &rest[count..];
    Ok(number)
}

/// Takes one digit or two; two are needed where the layout has a zero.
fn take_number(rest: &mut &str, digits: Digits) -> Result<i64, Misfit> {
    match take_exact(rest, 2) {
        Err(_) if digits != Digits::Zero => take_exact(rest, 1),
        other => other,
    }
}

/// Takes one of these names, whole or its first three letters, in any case.
fn take_name(rest: &mut &str, names: &[&str], is_short: bool) -> Result<i64, Misfit> {
    for (number, name) in names.iter().enumerate() {
        let name = if is_short { &name[..3] } else { name };
        if rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return Ok(number as i64);
        }
    }
    Err(Misfit::Text)
}

/// Takes a point or comma and the digits behind it, as nanoseconds.
fn take_fraction(rest: &mut &str, count: Option<usize>) -> Result<i64, Misfit> {
    let digits = rest.strip_prefix(['.', ',']).ok_or(Misfit::Text)?;
    let available = digits.bytes().take_while(u8::is_ascii_digit).count();
    let count = count.unwrap_or(available);
    if count == 0 || count > available {
        return Err(Misfit::Text);
    }
    *rest = &digits[count..];
    // Beyond nanoseconds the digits are read and dropped.
    let kept = &digits[..count.min(9)];
    let number: i64 = kept.parse().map_err(|_| Misfit::Text)?;
    Ok(number * 10i64.pow(9 - kept.len() as u32))
}

fn has_fraction(rest: &str) -> bool {
    rest.strip_prefix(['.', ',']).is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
}

fn within(number: i64, range: std::ops::Range<i64>, what: &'static str) -> Result<i64, Misfit> {
    if range.contains(&number) { Ok(number) } else { Err(Misfit::Range(what)) }
}

impl Reading {
    fn take(&mut self, rest: &mut &str, part: Part, layout_rest: &str) -> Result<(), Misfit> {
        match part {
            Part::Year => self.year = take_exact(rest, 4)? as i32,
            Part::YearShort => {
                let year = take_exact(rest, 2)? as i32;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Part::MonthName | Part::MonthShort => {
                self.month = Some(1 + take_name(rest, &MONTHS, part == Part::MonthShort)?);
            }
            Part::Month(digits) => self.month = Some(within(take_number(rest, digits)?, 1..13, "month")?),
            Part::DayName | Part::DayShort => {
                take_name(rest, &DAYS, part == Part::DayShort)?;
            }
            Part::Day(digits) => {
                if digits == Digits::Space {
                    *rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                self.day = Some(take_number(rest, digits)?);
            }
            Part::YearDay(digits) => {
                let mut width = 3;
                while digits == Digits::Space && width > 1 && rest.starts_with(' ') {
                    *rest = &rest[1..];
                    width -= 1;
                }
                self.year_day = Some(take_exact(rest, width)?);
            }
            Part::Hour => self.hour = within(take_number(rest, Digits::Plain)?, 0..24, "hour")?,
            Part::Hour12(digits) => self.hour = within(take_number(rest, digits)?, 0..13, "hour")?,
            Part::Minute(digits) => self.minute = within(take_number(rest, digits)?, 0..60, "minute")?,
            Part::Second(digits) => {
                self.second = within(take_number(rest, digits)?, 0..60, "second")?;
                // A fraction may follow although the layout does not show one.
                let is_shown = matches!(split_part(layout_rest), Some((_, Part::Fraction { .. }, ..)));
                if !is_shown && has_fraction(rest) {
                    self.nanosecond = take_fraction(rest, None)?;
                }
            }
            Part::Fraction { count, trims: false, .. } => self.nanosecond = take_fraction(rest, Some(count))?,
            Part::Fraction { .. } => {
                if has_fraction(rest) {
                    self.nanosecond = take_fraction(rest, None)?;
                }
            }
            Part::Half { upper } => {
                let half = rest.get(..2).ok_or(Misfit::Text)?;
                self.is_afternoon = Some(match (half, upper) {
                    ("PM", true) | ("pm", false) => true,
                    ("AM", true) | ("am", false) => false,
                    _ => return Err(Misfit::Text),
                });
                *rest = &rest[2..];
            }
            Part::Offset(form) => self.offset_seconds = Some(take_offset(rest, form)?),
            Part::ZoneName => self.offset_seconds = Some(take_zone_name(rest)?),
        }
        Ok(())
    }

    /// Puts the parts together; an error says what is wrong with them.
    fn finish(self, zone: &TimeZone) -> Result<Zoned, &'static str> {
        let hour = match self.is_afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = self.year as i16;
        let mut date = Date::new(year, 1, 1).map_err(|_| "year out of range")?;
        let (mut month, mut day) = (1, 1);
        if let Some(number) = self.year_day {
            date = date.with().day_of_year(number as i16).build().map_err(|_| "day-of-year out of range")?;
            (month, day) = (date.month().into(), date.day().into());
            if self.month.is_some_and(|known| known != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|known| known != day) {
                return Err("day-of-year does not match day");
            }
        }
        let (month, day) = (self.month.unwrap_or(month), self.day.unwrap_or(day));
        date = Date::new(date.year(), month as i8, day as i8).map_err(|_| "day out of range")?;
        let time = date.at(hour as i8, self.minute as i8, self.second as i8, self.nanosecond as i32);
        let zone = match self.offset_seconds {
            None => zone.clone(),
            Some(0) => TimeZone::UTC,
            Some(seconds) => {
                let offset = Offset::from_seconds(seconds as i32);
                TimeZone::fixed(offset.map_err(|_| "time zone offset hour out of range")?)
            }
        };
        zone.to_zoned(time).map_err(|_| "year out of range")
    }
}

fn take_offset(rest: &mut &str, form: OffsetForm) -> Result<i64, Misfit> {
    if form.has_z
        && let Some(after) = rest.strip_prefix('Z')
    {
        *rest = after;
        return Ok(0);
    }
    let (sign, after) = match rest.as_bytes().first() {
        Some(b'+') => (1, &rest[1..]),
        Some(b'-') => (-1, &rest[1..]),
        _ => return Err(Misfit::Text),
    };
    let mut digits = after;
    let mut seconds = within(take_exact(&mut digits, 2)?, 0..25, "time zone offset hour")? * 3600;
    for (is_there, scale, what) in
        [(form.minutes, 60, "time zone offset minute"), (form.seconds, 1, "time zone offset second")]
    {
        if is_there {
            if form.colon {
                digits = digits.strip_prefix(':').ok_or(Misfit::Text)?;
            }
            seconds += within(take_exact(&mut digits, 2)?, 0..61, what)? * scale;
        }
    }
    *rest = digits;
    Ok(sign * seconds)
}

/// An abbreviation. What it means depends on the place, so beyond UTC and `GMT+3` it means nothing: Go
/// takes the time as if it were UTC.
fn take_zone_name(rest: &mut &str) -> Result<i64, Misfit> {
    let text = *rest;
    if let Some(after) = text.strip_prefix("UTC") {
        *rest = after;
        return Ok(0);
    }
    let signed = |text: &str| -> (i64, usize) {
        let digits = text.get(1..).unwrap_or("").bytes().take_while(u8::is_ascii_digit).count();
        let hours = text.get(..1 + digits).and_then(|text| text.parse::<i64>().ok());
        match hours.filter(|hours| digits > 0 && (-23..=23).contains(hours)) {
            Some(hours) if text.starts_with(['+', '-']) => (hours * 3600, 1 + digits),
            _ => (0, 0),
        }
    };
    let upper = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let (seconds, len) = if text.starts_with("ChST") || text.starts_with("MeST") {
        (0, 4)
    } else if let Some(after) = text.strip_prefix("GMT") {
        let (seconds, len) = signed(after);
        (seconds, 3 + len)
    } else if text.starts_with(['+', '-']) {
        signed(text)
    } else {
        let is_name = match upper {
            3 => true,
            4 => text.as_bytes()[3] == b'T' || text.starts_with("WITA"),
            5 => text.as_bytes()[4] == b'T',
            _ => false,
        };
        (0, if is_name { upper } else { 0 })
    };
    if len == 0 {
        return Err(Misfit::Text);
    }
    *rest = &text[len..];
    Ok(seconds)
}
