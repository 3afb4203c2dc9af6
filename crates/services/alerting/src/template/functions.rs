//! The functions that templates may call, and the types they make.

use std::collections::BTreeMap;
use std::sync::Arc;

use gocompat::float::{self, Format};
use gocompat::layout;
use gocompat::re2::Regex;
use gocompat::template::html::{Trust, Trusted};
use gocompat::template::{Function, Functions, Object, Value, json};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::data::{Data, no_arguments, wrong_count};

/// The functions of Alertmanager's templates.
pub(super) fn all() -> Functions {
    Functions::new()
        .with("toUpper", one_text(|text| Ok(text.to_uppercase())))
        .with("toLower", one_text(|text| Ok(text.to_lowercase())))
        .with("title", one_text(|text| Ok(title(text))))
        .with("trimSpace", one_text(|text| Ok(text.trim().to_string())))
        .with("join", Function::new(2, |arguments| join(&arguments[0], &arguments[1])))
        .with(
            "match",
            Function::new(2, |arguments| {
                Ok(Value::Bool(regex(&arguments[0])?.is_match(text(&arguments[1])?)))
            }),
        )
        .with("safeHtml", Function::new(1, |arguments| Ok(Trusted::value(Trust::Html, text(&arguments[0])?))))
        .with("safeUrl", Function::new(1, |arguments| Ok(Trusted::value(Trust::Url, text(&arguments[0])?))))
        .with("urlUnescape", one_text(url_unescape))
        .with(
            "reReplaceAll",
            Function::new(3, |arguments| {
                let replaced = regex(&arguments[0])?.replace_all(text(&arguments[2])?, text(&arguments[1])?);
                Ok(Value::string(replaced))
            }),
        )
        .with(
            "stringSlice",
            Function::variadic(0, |arguments| {
                arguments.iter().try_for_each(|argument| text(argument).map(|_| ()))?;
                Ok(Value::list(arguments.iter().cloned()))
            }),
        )
        .with(
            "routeLabels",
            Function::scoped(1, Some(1), |scope, arguments| {
                let name = text(&arguments[0])?;
                let root = scope.root().clone();
                match root.downcast::<Data>() {
                    Some(data) => data.route_label(name, scope).map(Value::string),
                    None => Ok(Value::string("")),
                }
            }),
        )
        .with(
            "date",
            Function::new(2, |arguments| {
                Ok(Value::string(layout::format(time(&arguments[1])?, text(&arguments[0])?)))
            }),
        )
        .with(
            "tz",
            Function::new(2, |arguments| {
                let zone = layout::zone(text(&arguments[0])?).map_err(|error| error.to_string())?;
                Ok(Time::value(time(&arguments[1])?.with_time_zone(zone)))
            }),
        )
        .with("now", Function::scoped(0, Some(0), |scope, _| Ok(Time::value(now(scope.root())))))
        .with(
            "since",
            Function::scoped(1, Some(1), |scope, arguments| {
                Ok(Span::value(now(scope.root()).timestamp(), time(&arguments[0])?.timestamp()))
            }),
        )
        .with(
            "humanizeDuration",
            Function::new(1, |arguments| Ok(Value::string(humanize_duration(seconds(&arguments[0])?)))),
        )
        .with(
            "toDate",
            Function::new(2, |arguments| {
                let time = layout::parse(text(&arguments[0])?, text(&arguments[1])?);
                Ok(Time::value(time.unwrap_or_else(|_| never())))
            }),
        )
        .with(
            "mustToDate",
            Function::new(2, |arguments| {
                let time = layout::parse(text(&arguments[0])?, text(&arguments[1])?);
                time.map(Time::value).map_err(|error| error.to_string())
            }),
        )
        .with(
            "toJson",
            Function::scoped(1, Some(1), |scope, arguments| {
                let mut out = String::new();
                json::push(&mut out, &arguments[0], scope.text_max_bytes())?;
                Ok(Value::string(out))
            }),
        )
        .with("base64encode", one_text(|text| Ok(base64_encode(text.as_bytes()))))
        .with("base64decode", one_text(base64_decode))
        .with("list", Function::variadic(0, |arguments| Ok(Value::list(arguments.iter().cloned()))))
        .with(
            "append",
            Function::variadic(1, |arguments| {
                let (list, more) = arguments.split_first().ok_or("append needs a list")?;
                let list = match list.plain() {
                    Value::List(list) => list.to_vec(),
                    other => return Err(wrong_type("[]interface {}", &other)),
                };
                Ok(Value::list(list.into_iter().chain(more.iter().cloned())))
            }),
        )
        .with("dict", Function::variadic(0, dict))
}

fn dict(arguments: &[Value]) -> Result<Value, String> {
    if !arguments.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".into());
    }
    let mut entries: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for pair in arguments.chunks_exact(2) {
        let Value::String(key) = &pair[0] else { return Err("dict keys must be strings".into()) };
        entries.insert(key.clone(), pair[1].clone());
    }
    Ok(Value::from(entries))
}

fn wrong_type(wanted: &str, given: &Value) -> String {
    format!("wrong type for value; expected {wanted}; got {}", given.type_name())
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| wrong_type("string", value))
}

/// A list of texts.
pub(super) fn texts(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let Value::List(list) = value.plain() else { return Err(wrong_type("[]string", value)) };
    let one = |item: &Value| match item {
        Value::String(text) => Ok(text.clone()),
        _ => Err(wrong_type("[]string", value)),
    };
    list.iter().map(one).collect()
}

pub(super) fn join(separator: &Value, list: &Value) -> Result<Value, String> {
    Ok(Value::string(texts(list)?.join(text(separator)?)))
}

fn regex(pattern: &Value) -> Result<Regex, String> {
    Regex::new(text(pattern)?).map_err(|error| error.to_string())
}

fn one_text(apply: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Function {
    Function::new(1, move |arguments| Ok(Value::string(apply(text(&arguments[0])?)?)))
}

/// The first letter of each word in upper case, the others in lower case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_word = character.is_alphanumeric() || character == '_';
        // What joins letters to one word: `don't`, `node.example`.
        let joins = matches!(character, '\'' | '’' | '.' | ':' | '·')
            && in_word
            && characters.peek().is_some_and(|next| next.is_alphabetic());
        match (is_word, in_word && character.is_alphabetic()) {
            (true, true) => out.extend(character.to_lowercase()),
            (true, false) => out.extend(character.to_uppercase()),
            (false, _) => out.push(character),
        }
        in_word = is_word || joins;
    }
    out
}

/// Reads what stands in the query of a URL.
fn url_unescape(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = bytes.get(at..at + 2).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(value) = value else {
                    let end = bytes.len().min(at + 2);
                    let cited = String::from_utf8_lossy(&bytes[at - 1..end]).into_owned();
                    return Err(format!("invalid URL escape {}", gocompat::quote::quote(&cited)));
                };
                out.push(value);
                at += 2;
            }
            byte => out.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The alphabet for URLs, with padding.
fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn base64_decode(text: &str) -> Result<String, String> {
    let illegal = |at: usize| format!("illegal base64 data at input byte {at}");
    let bytes: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let chunks = bytes.chunks(4);
    let last = chunks.len().saturating_sub(1);
    for (number, chunk) in chunks.enumerate() {
        let mut group = 0u32;
        let mut digits = 0;
        for &(at, byte) in chunk {
            match BASE64.iter().position(|&known| known == byte) {
                Some(value) if digits == at_most(chunk, at) => {
                    group = group << 6 | value as u32;
                    digits += 1;
                }
                None if byte == b'=' && digits >= 2 && number == last => {}
                _ => return Err(illegal(at)),
            }
        }
        if chunk.len() < 4 {
            return Err(illegal(text.len()));
        }
        group <<= 6 * (4 - digits);
        let whole = [(group >> 16) as u8, (group >> 8) as u8, group as u8];
        out.extend_from_slice(&whole[..digits - 1]);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The place of a digit within its group: none may follow padding.
fn at_most(chunk: &[(usize, u8)], at: usize) -> usize {
    chunk.iter().position(|(place, _)| *place == at).unwrap_or(0)
}

/// A number of seconds, whatever it is written as.
fn seconds(value: &Value) -> Result<f64, String> {
    if let Some(span) = value.downcast::<Span>() {
        return Ok(span.seconds());
    }
    match value.plain() {
        Value::Float(number) => Ok(number),
        Value::Int(number) => Ok(number as f64),
        Value::String(text) => float::parse(&text).map_err(|error| error.to_string()),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    float::format(value, Format::General, Some(4))
}

fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return four_digits(value) + "s";
    }
    if value.abs() < 1.0 {
        let (mut value, mut prefix) = (value, "");
        for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            (value, prefix) = (value * 1000.0, next);
        }
        return format!("{}{prefix}s", four_digits(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(value.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// The time that templates are expanded at.
fn now(root: &Value) -> Zoned {
    let now_ms = root.downcast::<Data>().map_or(0, Data::now_ms);
    Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(TimeZone::UTC)
}

/// The time Go has for "none": the first day of the year 1.
fn never() -> Zoned {
    Date::new(1, 1, 1)
        .and_then(|date| date.to_zoned(TimeZone::UTC))
        .unwrap_or_else(|_| Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC))
}

fn time(value: &Value) -> Result<&Zoned, String> {
    value.downcast::<Time>().map(|time| &time.0).ok_or_else(|| wrong_type("time.Time", value))
}

/// A time, with Go's methods.
pub(super) struct Time(Zoned);

impl Time {
    fn value(time: Zoned) -> Value {
        Value::object(Time(time))
    }

    /// Milliseconds since 1970 in UTC; 0 is no time.
    pub(super) fn value_of_ms(at_ms: i64) -> Value {
        match Timestamp::from_millisecond(at_ms) {
            Ok(timestamp) if at_ms != 0 => Time::value(timestamp.to_zoned(TimeZone::UTC)),
            _ => Time::value(never()),
        }
    }

    /// RFC 3339 with as many digits as needed; 0 is no time.
    pub(super) fn json_text(at_ms: i64) -> String {
        match Timestamp::from_millisecond(at_ms) {
            Ok(timestamp) if at_ms != 0 => timestamp.to_string(),
            _ => "0001-01-01T00:00:00Z".into(),
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let number = |number: i64| Some(Ok(Value::Int(number)));
        let moved = |by: Option<SignedDuration>| match by.map(|by| self.0.checked_add(by)) {
            Some(Ok(time)) => Some(Ok(Time::value(time))),
            _ => Some(Err("the time is out of range".to_string())),
        };
        if let [argument] = arguments {
            return match name {
                "Format" => Some(text(argument).map(|wanted| Value::string(layout::format(&self.0, wanted)))),
                "Sub" => Some(time(argument).map(|other| Span::value(self.0.timestamp(), other.timestamp()))),
                "Before" => Some(time(argument).map(|other| Value::Bool(self.0 < *other))),
                "After" => Some(time(argument).map(|other| Value::Bool(self.0 > *other))),
                "Equal" => Some(time(argument).map(|other| Value::Bool(self.0 == *other))),
                "Compare" => Some(time(argument).map(|other| Value::Int(self.0.cmp(other) as i64))),
                "Add" => match argument.plain() {
                    Value::Int(nanoseconds) => moved(Some(SignedDuration::from_nanos(nanoseconds))),
                    other => Some(Err(wrong_type("time.Duration", &other))),
                },
                _ => None,
            };
        }
        if let ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) = (name, arguments) {
            let span = jiff::Span::new().try_years(*years).and_then(|span| span.try_months(*months));
            let span = span.and_then(|span| span.try_days(*days));
            let time = span.and_then(|span| self.0.checked_add(span));
            return Some(time.map(Time::value).map_err(|error| error.to_string()));
        }
        const PLAIN: [&str; 19] = [
            "UTC",
            "Local",
            "Unix",
            "UnixMilli",
            "UnixMicro",
            "UnixNano",
            "IsZero",
            "Year",
            "Month",
            "Day",
            "Hour",
            "Minute",
            "Second",
            "Nanosecond",
            "Weekday",
            "YearDay",
            "String",
            "Location",
            "Format",
        ];
        if !PLAIN.contains(&name) {
            return None;
        }
        if name == "Format" {
            return Some(Err(wrong_count(name, 1, arguments.len())));
        }
        if let Err(error) = no_arguments(name, arguments) {
            return Some(Err(error));
        }
        let timestamp = self.0.timestamp();
        match name {
            "UTC" => Some(Ok(Time::value(timestamp.to_zoned(TimeZone::UTC)))),
            "Local" => Some(Ok(Time::value(timestamp.to_zoned(TimeZone::system())))),
            "Unix" => number(timestamp.as_second()),
            "UnixMilli" => number(timestamp.as_millisecond()),
            "UnixMicro" => number(timestamp.as_microsecond()),
            "UnixNano" => number(timestamp.as_nanosecond() as i64),
            "IsZero" => Some(Ok(Value::Bool(self.0 == never()))),
            "Year" => number(self.0.year().into()),
            "Month" => Some(Ok(Named::value(
                "time.Month",
                self.0.month().into(),
                layout::format(&self.0, "January"),
            ))),
            "Day" => number(self.0.day().into()),
            "Hour" => number(self.0.hour().into()),
            "Minute" => number(self.0.minute().into()),
            "Second" => number(self.0.second().into()),
            "Nanosecond" => number(self.0.subsec_nanosecond().into()),
            "Weekday" => {
                let day = i64::from(self.0.weekday().to_sunday_zero_offset());
                Some(Ok(Named::value("time.Weekday", day, layout::format(&self.0, "Monday"))))
            }
            "YearDay" => number(self.0.day_of_year().into()),
            "Location" => Some(Ok(Value::string(self.0.time_zone().iana_name().unwrap_or("UTC")))),
            _ => Some(Ok(Value::string(layout::format(&self.0, layout::PLAIN)))),
        }
    }
}

impl Object for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        self.call(name, arguments)
    }

    fn print(&self) -> Option<String> {
        Some(layout::format(&self.0, layout::PLAIN))
    }

    fn json(&self, out: &mut String, _: usize) -> Option<Result<(), String>> {
        json::push_string(out, &layout::format(&self.0, layout::RFC3339_NANO));
        Some(Ok(()))
    }
}

/// A number with a name, such as a month.
struct Named {
    type_name: &'static str,
    number: i64,
    name: String,
}

impl Named {
    fn value(type_name: &'static str, number: i64, name: String) -> Value {
        Value::object(Named { type_name, number, name })
    }
}

impl Object for Named {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::Int(self.number))
    }

    fn print(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let shown = || no_arguments(name, arguments).map(|()| Value::string(self.name.as_str()));
        (name == "String").then(shown)
    }
}

/// A length of time, in nanoseconds.
struct Span(i64);

impl Span {
    fn value(end: Timestamp, begin: Timestamp) -> Value {
        let nanoseconds = end.as_nanosecond() - begin.as_nanosecond();
        let bound = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
        Value::object(Span(i64::try_from(nanoseconds).unwrap_or(bound)))
    }

    fn seconds(&self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Object for Span {
    fn type_name(&self) -> &str {
        "time.Duration"
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::Int(self.0))
    }

    fn print(&self) -> Option<String> {
        Some(gocompat::duration::format_ns(self.0))
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        if let ("Round" | "Truncate", [unit]) = (name, arguments) {
            let Value::Int(unit) = unit.plain() else { return Some(Err(wrong_type("time.Duration", unit))) };
            if unit <= 0 {
                return Some(Ok(Value::object(Span(self.0))));
            }
            let rest = self.0 % unit;
            let down = self.0 - rest;
            let is_up = name == "Round" && rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
            let step = if is_up { unit * rest.signum() } else { 0 };
            return Some(Ok(Value::object(Span(down.saturating_add(step)))));
        }
        let value = match name {
            "Hours" => Value::Float(self.seconds() / 3600.0),
            "Minutes" => Value::Float(self.seconds() / 60.0),
            "Seconds" => Value::Float(self.seconds()),
            "Milliseconds" => Value::Int(self.0 / 1_000_000),
            "Microseconds" => Value::Int(self.0 / 1000),
            "Nanoseconds" => Value::Int(self.0),
            "Abs" => Value::object(Span(self.0.saturating_abs())),
            "String" => Value::string(gocompat::duration::format_ns(self.0)),
            _ => return None,
        };
        Some(no_arguments(name, arguments).map(|()| value))
    }
}
