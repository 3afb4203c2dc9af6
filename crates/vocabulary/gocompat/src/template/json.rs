//! Values as Go's `encoding/json` writes them.

use super::value::Value;
use crate::float::{self, Format};
use std::fmt::Write;

/// A JSON string, with `<`, `>`, `&` and the line separators escaped so that it may stand in a page.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let bytes = text.as_bytes();
    // What needs no escape is copied in one piece.
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let len = match byte {
            b'"' | b'\\' | b'<' | b'>' | b'&' | 0..=0x1f => 1,
            // U+2028 and U+2029
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => 3,
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        copied = at + len;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0xe2 => out.push_str(if bytes[at + 2] == 0xa8 { "\\u2028" } else { "\\u2029" }),
            byte => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// A value. Objects write what they say of themselves, else what they stand for. The error is that of
/// a value JSON does not know. Writing stops soon after `limit` bytes.
pub fn push(out: &mut String, value: &Value, limit: usize) -> Result<(), String> {
    if out.len() > limit {
        return Ok(());
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Float(value) if !value.is_finite() => {
            let shown = float::format(*value, Format::General, None);
            return Err(format!("json: unsupported value: {shown}"));
        }
        Value::Float(value) => push_float(out, *value),
        Value::String(text) => push_string(out, text),
        Value::List(values) => {
            out.push('[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                push(out, value, limit)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (number, (key, value)) in map.entries().iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                push_string(out, key);
                out.push(':');
                push(out, value, limit)?;
            }
            out.push('}');
        }
        Value::Object(object) => match object.json(out, limit) {
            Some(result) => return result,
            None => match object.plain() {
                Some(Value::Object(_)) | None => out.push_str("{}"),
                Some(plain) => return push(out, &plain, limit),
            },
        },
        Value::Function(_) => return Err("json: unsupported type: func".into()),
    }
    Ok(())
}

/// Very small and very large numbers have an exponent, without a leading zero.
fn push_float(out: &mut String, value: f64) {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = float::format(value, Format::Exponent, None);
        out.push_str(&text.replace("e-0", "e-"));
    } else {
        out.push_str(&float::format(value, Format::Fixed, None));
    }
}
