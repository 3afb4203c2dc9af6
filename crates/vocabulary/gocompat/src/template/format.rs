//! Go's `fmt`: how values print, and `printf` with its verbs.
//!
//! Every function takes the bytes that the text may have and stops soon after; whoever calls checks
//! the length.

use super::value::Value;
use crate::float::{self, Format};
use crate::quote::{quote, quote_char};
use std::fmt::Write;

/// Go's bound on widths and precisions.
const WIDTH_MAX: usize = 1_000_000;

/// The text of `%v`.
pub(super) fn push_plain(out: &mut String, value: &Value, limit: usize) {
    push_verb(out, &Spec { verb: 'v', ..Spec::default() }, value, limit);
}

/// Go's `Sprint`: a space between two operands that are both no texts.
pub(super) fn sprint(values: &[Value], limit: usize) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for (number, value) in values.iter().enumerate() {
        let is_text = matches!(value.plain(), Value::String(_));
        if number > 0 && !is_text && !after_text {
            out.push(' ');
        }
        push_plain(&mut out, value, limit);
        after_text = is_text;
    }
    out
}

/// Go's `Sprintln`: spaces between all, a line break at the end.
pub(super) fn sprintln(values: &[Value], limit: usize) -> String {
    let mut out = String::new();
    for (number, value) in values.iter().enumerate() {
        if number > 0 {
            out.push(' ');
        }
        push_plain(&mut out, value, limit);
    }
    out.push('\n');
    out
}

/// One verb and what stands before it.
#[derive(Clone, Copy, Default)]
struct Spec {
    verb: char,
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Go's `Sprintf`, with its remarks on what does not fit: `%!d(string=hi)`, `%!d(MISSING)`.
pub(super) fn sprintf(format: &str, values: &[Value], limit: usize) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = after;
        if out.len() > limit {
            return out;
        }
        let mut spec = Spec::default();
        let flags = rest.len() - rest.trim_start_matches(['+', '-', '#', ' ', '0']).len();
        for flag in rest[..flags].chars() {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        rest = &rest[flags..];
        match take_count(&mut rest, &mut values) {
            Count::None => {}
            Count::Bad => out.push_str("%!(BADWIDTH)"),
            Count::Some(width) => {
                spec.minus |= width < 0;
                spec.width = Some(width.unsigned_abs() as usize);
            }
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            match take_count(&mut rest, &mut values) {
                Count::None => spec.precision = Some(0),
                Count::Bad => out.push_str("%!(BADPREC)"),
                Count::Some(precision) => spec.precision = usize::try_from(precision).ok(),
            }
        }
        // Padding with zeros is padding on the left.
        spec.zero &= !spec.minus;
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        spec.verb = verb;
        if verb == '%' {
            out.push('%');
            continue;
        }
        match values.next() {
            None => {
                let _ = write!(out, "%!{verb}(MISSING)");
            }
            Some(value) if verb == 'T' => pad(&mut out, &spec, value.type_name()),
            Some(value) => push_verb(&mut out, &spec, value, limit),
        }
    }
    out.push_str(rest);
    let extra = values.as_slice();
    if !extra.is_empty() {
        out.push_str("%!(EXTRA ");
        for (number, value) in extra.iter().enumerate() {
            if number > 0 {
                out.push_str(", ");
            }
            push_typed(&mut out, value, limit);
        }
        out.push(')');
    }
    out
}

enum Count {
    None,
    Bad,
    Some(i64),
}

/// A width or precision: digits, or `*` for the next value.
fn take_count(rest: &mut &str, values: &mut std::slice::Iter<'_, Value>) -> Count {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return match values.next() {
            Some(Value::Int(count)) if count.unsigned_abs() <= WIDTH_MAX as u64 => Count::Some(*count),
            _ => Count::Bad,
        };
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (count, after) = rest.split_at(digits);
    *rest = after;
    match count.parse() {
        _ if digits == 0 => Count::None,
        Ok(count) if count <= WIDTH_MAX as i64 => Count::Some(count),
        _ => Count::Bad,
    }
}

/// `type=value`, for remarks.
fn push_typed(out: &mut String, value: &Value, limit: usize) {
    if matches!(value, Value::Nil) {
        out.push_str("<nil>");
        return;
    }
    out.push_str(value.type_name());
    out.push('=');
    push_plain(out, value, limit);
}

fn push_verb(out: &mut String, spec: &Spec, value: &Value, limit: usize) {
    if out.len() > limit {
        return;
    }
    match (value, spec.verb) {
        (Value::Nil, 'v') => pad(out, spec, "<nil>"),
        (Value::Nil, verb) => {
            let _ = write!(out, "%!{verb}(<nil>)");
        }
        (Value::Bool(value), 'v' | 't') => pad(out, spec, if *value { "true" } else { "false" }),
        (Value::Int(value), 'v' | 'd') => push_int(out, spec, *value, 10, false),
        (Value::Int(value), 'b') => push_int(out, spec, *value, 2, false),
        (Value::Int(value), 'o' | 'O') => push_int(out, spec, *value, 8, false),
        (Value::Int(value), 'x') => push_int(out, spec, *value, 16, false),
        (Value::Int(value), 'X') => push_int(out, spec, *value, 16, true),
        (Value::Int(value), 'c') => pad(out, spec, to_char(*value).encode_utf8(&mut [0; 4])),
        (Value::Int(value), 'q') => pad(out, spec, &quote_char(to_char(*value))),
        (Value::Int(value), 'U') => pad(out, spec, &format!("U+{value:04X}")),
        (Value::Float(value), 'v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F') => push_float(out, spec, *value),
        (Value::String(text), verb @ ('v' | 's' | 'q' | 'x' | 'X')) => {
            let text = match spec.precision {
                Some(count) => text.char_indices().nth(count).map_or(&**text, |(end, _)| &text[..end]),
                None => text,
            };
            match verb {
                'q' if spec.sharp && !text.contains('`') => pad(out, spec, &format!("`{text}`")),
                'q' => pad(out, spec, &quote(text)),
                'x' => pad(out, spec, &hex(text, false)),
                'X' => pad(out, spec, &hex(text, true)),
                _ => pad(out, spec, text),
            }
        }
        (Value::List(values), _) => {
            out.push('[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(' ');
                }
                push_verb(out, spec, value, limit);
            }
            out.push(']');
        }
        (Value::Map(map), _) => {
            out.push_str("map[");
            for (number, (key, value)) in map.entries().iter().enumerate() {
                if number > 0 {
                    out.push(' ');
                }
                push_verb(out, spec, &Value::String(key.clone()), limit);
                out.push(':');
                push_verb(out, spec, value, limit);
            }
            out.push(']');
        }
        (Value::Object(object), verb) => match (object.print(), object.plain()) {
            (Some(text), _) if matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') => {
                push_verb(out, spec, &Value::from(text), limit);
            }
            (_, Some(plain)) if !matches!(plain, Value::Object(_)) => push_verb(out, spec, &plain, limit),
            _ => pad(out, spec, &format!("{{{}}}", object.type_name())),
        },
        (Value::Function(_), _) => pad(out, spec, "<func>"),
        (value, verb) => {
            let _ = write!(out, "%!{verb}(");
            push_typed(out, value, limit);
            out.push(')');
        }
    }
}

fn to_char(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn hex(text: &str, upper: bool) -> String {
    text.bytes().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
}

/// Pads with spaces up to the width, counted in characters.
fn pad(out: &mut String, spec: &Spec, text: &str) {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.push_str(text);
    }
    out.extend(std::iter::repeat_n(' ', missing));
    if !spec.minus {
        out.push_str(text);
    }
}

/// Pads a number: zeros stand between sign and digits.
fn pad_number(out: &mut String, spec: &Spec, sign: &str, digits: &str) {
    let missing = spec.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
    if spec.zero && missing > 0 {
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
    } else {
        pad(out, spec, &format!("{sign}{digits}"));
    }
}

fn sign(spec: &Spec, negative: bool) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

fn push_int(out: &mut String, spec: &Spec, value: i64, radix: u32, upper: bool) {
    let size = value.unsigned_abs();
    let mut digits = match (radix, upper) {
        (2, _) => format!("{size:b}"),
        (8, _) => format!("{size:o}"),
        (16, false) => format!("{size:x}"),
        (16, true) => format!("{size:X}"),
        _ => size.to_string(),
    };
    if let Some(count) = spec.precision {
        digits = if count == 0 && size == 0 { String::new() } else { format!("{digits:0>count$}") };
    }
    let prefix = match (radix, upper) {
        _ if spec.verb == 'O' => "0o",
        _ if !spec.sharp => "",
        (2, _) => "0b",
        (8, _) => "0",
        (16, false) => "0x",
        (16, true) => "0X",
        _ => "",
    };
    // A precision says how many digits there are; zeros then pad nothing.
    let spec = Spec { zero: spec.zero && spec.precision.is_none(), ..*spec };
    pad_number(out, &spec, &format!("{}{prefix}", sign(&spec, value < 0)), &digits);
}

fn push_float(out: &mut String, spec: &Spec, value: f64) {
    let (notation, default_precision) = match spec.verb {
        'e' | 'E' => (Format::Exponent, Some(6)),
        'f' | 'F' => (Format::Fixed, Some(6)),
        _ => (Format::General, None),
    };
    let mut text = float::format(value.abs(), notation, spec.precision.or(default_precision));
    if matches!(spec.verb, 'E' | 'G') {
        text = text.replace('e', "E");
    }
    if !value.is_finite() {
        let spec = Spec { zero: false, ..*spec };
        let name = text.trim_start_matches('+');
        // An infinity always has its sign.
        let sign = match (value.is_nan(), spec.plus, spec.space) {
            (true, false, false) => "",
            (_, false, true) if value.is_nan() || value > 0.0 => " ",
            _ if value < 0.0 => "-",
            _ => "+",
        };
        pad_number(out, &spec, sign, name);
        return;
    }
    pad_number(out, spec, sign(spec, value.is_sign_negative()), &text);
}
