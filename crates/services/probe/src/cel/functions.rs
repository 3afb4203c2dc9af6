//! The standard functions.

use std::rc::Rc;

use gocompat::re2::Regex;

use super::eval::{Evaluated, error, no_overload};
use super::{CelError, Value};

/// Names that stand for types.
pub(super) const TYPES: [&str; 9] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type"];

/// A function and how many arguments it takes, its receiver among them.
const KNOWN: [(&str, &[usize]); 27] = [
    ("size", &[1]),
    ("contains", &[2]),
    ("startsWith", &[2]),
    ("endsWith", &[2]),
    ("matches", &[2]),
    ("int", &[1]),
    ("uint", &[1]),
    ("double", &[1]),
    ("string", &[1]),
    ("bytes", &[1]),
    ("bool", &[1]),
    ("type", &[1]),
    ("dyn", &[1]),
    ("timestamp", &[1]),
    ("duration", &[1]),
    ("getFullYear", &[1]),
    ("getMonth", &[1]),
    ("getDate", &[1]),
    ("getDayOfMonth", &[1]),
    ("getDayOfWeek", &[1]),
    ("getDayOfYear", &[1]),
    ("getHours", &[1]),
    ("getMinutes", &[1]),
    ("getSeconds", &[1]),
    ("getMilliseconds", &[1]),
    ("lowerAscii", &[1]),
    ("upperAscii", &[1]),
];

/// The function of this name.
pub(super) fn known(name: &str) -> Option<(&'static str, &'static [usize])> {
    KNOWN.iter().find(|(known, _)| *known == name).copied()
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => gocompat::float::format(*value, gocompat::float::Format::General, None),
        Value::Bool(value) => value.to_string(),
        other => other.type_name().to_string(),
    }
}

pub(super) fn call(name: &str, arguments: &[Value]) -> Evaluated {
    match arguments {
        [one] => unary(name, one),
        [Value::String(text), Value::String(other)] => Ok(Value::Bool(match name {
            "contains" => text.contains(&**other),
            "startsWith" => text.starts_with(&**other),
            "endsWith" => text.ends_with(&**other),
            "matches" => Regex::new(other).map_err(|why| CelError(why.to_string()))?.is_match(text),
            _ => return no_overload(),
        })),
        _ => no_overload(),
    }
}

fn unary(name: &str, value: &Value) -> Evaluated {
    let range = || CelError("range error".into());
    match (name, value) {
        ("dyn", value) => Ok(value.clone()),
        ("type", value) => Ok(Value::Type(value.type_name())),
        ("size", Value::String(text)) => Ok(Value::Int(text.chars().count() as i64)),
        ("size", Value::Bytes(bytes)) => Ok(Value::Int(bytes.len() as i64)),
        ("size", Value::List(items)) => Ok(Value::Int(items.len() as i64)),
        ("size", Value::Map(entries)) => Ok(Value::Int(entries.len() as i64)),
        ("int", Value::Int(_))
        | ("uint", Value::Uint(_))
        | ("double", Value::Double(_))
        | ("string", Value::String(_))
        | ("bytes", Value::Bytes(_))
        | ("bool", Value::Bool(_))
        | ("timestamp", Value::Timestamp(_))
        | ("duration", Value::Duration(_)) => Ok(value.clone()),
        ("int", Value::Uint(value)) => i64::try_from(*value).map(Value::Int).map_err(|_| range()),
        ("int", Value::Double(value)) if value.abs() < 9.223_372_036_854_775e18 => {
            Ok(Value::Int(*value as i64))
        }
        ("int" | "uint", Value::Double(value)) if !(0.0..1.844_674_407_370_955e19).contains(value) => {
            Err(range())
        }
        ("int", Value::String(text)) => parsed(text, Value::Int),
        ("int", Value::Timestamp(ns)) => Ok(Value::Int(ns.div_euclid(1_000_000_000) as i64)),
        ("uint", Value::Int(value)) => u64::try_from(*value).map(Value::Uint).map_err(|_| range()),
        ("uint", Value::Double(value)) => Ok(Value::Uint(*value as u64)),
        ("uint", Value::String(text)) => parsed(text, Value::Uint),
        ("double", Value::Int(value)) => Ok(Value::Double(*value as f64)),
        ("double", Value::Uint(value)) => Ok(Value::Double(*value as f64)),
        ("double", Value::String(text)) => parsed(text, Value::Double),
        ("bool", Value::String(text)) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => error(format!("{text:?} is neither true nor false")),
        },
        ("string", Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::String(text.into())),
            Err(_) => error("invalid UTF-8"),
        },
        ("string", Value::Timestamp(ns)) => Ok(Value::String(time(*ns)?.to_string().into())),
        ("string", Value::Duration(ns)) => Ok(Value::String(format!("{}s", *ns as f64 / 1e9).into())),
        ("string", Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_)) => {
            Ok(Value::String(shown(value).into()))
        }
        ("bytes", Value::String(text)) => Ok(Value::Bytes(Rc::from(text.as_bytes()))),
        ("timestamp", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Value::Timestamp(at.as_nanosecond())),
            Err(_) => error(format!("{text:?} is not a time")),
        },
        ("timestamp", Value::Int(seconds)) => Ok(Value::Timestamp(i128::from(*seconds) * 1_000_000_000)),
        ("duration", Value::String(text)) => {
            gocompat::duration::parse_ns(text).map(Value::Duration).map_err(|why| CelError(why.to_string()))
        }
        ("lowerAscii", Value::String(text)) => Ok(Value::String(text.to_ascii_lowercase().into())),
        ("upperAscii", Value::String(text)) => Ok(Value::String(text.to_ascii_uppercase().into())),
        (_, Value::Timestamp(ns)) => part_of_time(name, *ns),
        (_, Value::Duration(ns)) => Ok(Value::Int(match name {
            "getHours" => ns / 3_600_000_000_000,
            "getMinutes" => ns / 60_000_000_000,
            "getSeconds" => ns / 1_000_000_000,
            "getMilliseconds" => ns / 1_000_000 % 1_000,
            _ => return no_overload(),
        })),
        _ => no_overload(),
    }
}

fn parsed<T: std::str::FromStr>(text: &str, make: fn(T) -> Value) -> Evaluated {
    text.parse().map(make).map_err(|_| CelError(format!("{text:?} is not such a number")))
}

fn time(ns: i128) -> Result<jiff::Timestamp, CelError> {
    jiff::Timestamp::from_nanosecond(ns).map_err(|_| CelError("range error".into()))
}

fn part_of_time(name: &str, ns: i128) -> Evaluated {
    let at = time(ns)?.to_zoned(jiff::tz::TimeZone::UTC);
    Ok(Value::Int(i64::from(match name {
        "getFullYear" => at.year(),
        "getMonth" => i16::from(at.month()) - 1,
        "getDate" => i16::from(at.day()),
        "getDayOfMonth" => i16::from(at.day()) - 1,
        "getDayOfWeek" => i16::from(at.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => at.day_of_year() - 1,
        "getHours" => i16::from(at.hour()),
        "getMinutes" => i16::from(at.minute()),
        "getSeconds" => i16::from(at.second()),
        "getMilliseconds" => at.millisecond(),
        _ => return no_overload(),
    })))
}
