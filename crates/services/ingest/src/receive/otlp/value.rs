//! Values of attributes as texts, the way OpenTelemetry's collector writes them.

use wire::otlp::AnyValue;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value as the text of a label: text as it is, lists and maps in JSON, bytes in base64.
pub(super) fn text(value: &AnyValue<'_>) -> String {
    let mut out = String::new();
    match value {
        AnyValue::Empty => {}
        AnyValue::Text(text) => out.push_str(text),
        AnyValue::Bytes(bytes) => base64(bytes, &mut out),
        AnyValue::Double(number) if !number.is_finite() => {
            let shown = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            out = format!("json: unsupported value: {shown}");
        }
        other => json(other, &mut out),
    }
    out
}

fn json(value: &AnyValue<'_>, out: &mut String) {
    match value {
        AnyValue::Empty => out.push_str("null"),
        AnyValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AnyValue::Int(value) => out.push_str(&value.to_string()),
        AnyValue::Double(value) => number(*value, out),
        AnyValue::Text(text) => quoted(text, out),
        AnyValue::Bytes(bytes) => {
            out.push('"');
            base64(bytes, out);
            out.push('"');
        }
        AnyValue::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(value, out);
            }
            out.push(']');
        }
        AnyValue::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quoted(key, out);
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
    }
}

/// As Go's encoder of JSON: plain but for very small and very large numbers.
fn number(value: f64, out: &mut String) {
    use gocompat::float::{Format, format};
    let size = value.abs();
    let exponent = size != 0.0 && !(1e-6..1e21).contains(&size);
    let text = format(value, if exponent { Format::Exponent } else { Format::Fixed }, None);
    // One digit of an exponent is enough.
    out.push_str(&text.replace("e-0", "e-"));
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn base64(bytes: &[u8], out: &mut String) {
    for piece in bytes.chunks(3) {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            match at <= piece.len() {
                true => out.push(char::from(BASE64[(word >> (18 - 6 * at) & 63) as usize])),
                false => out.push('='),
            }
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn values_are_written_as_the_collector_writes_them() {
        let text_of = |text: &'static str| AnyValue::Text(Cow::Borrowed(text));
        for (value, expected) in [
            (AnyValue::Empty, ""),
            (text_of("a\"b"), "a\"b"),
            (AnyValue::Bool(true), "true"),
            (AnyValue::Int(-5), "-5"),
            (AnyValue::Double(1.5), "1.5"),
            (AnyValue::Double(1e21), "1e+21"),
            (AnyValue::Double(1e-7), "1e-7"),
            (AnyValue::Double(100.0), "100"),
            (AnyValue::Bytes(Cow::Borrowed(b"abcd")), "YWJjZA=="),
            (
                AnyValue::Array(vec![AnyValue::Int(1), text_of("<x>"), AnyValue::Empty]),
                "[1,\"\\u003cx\\u003e\",null]",
            ),
            (
                AnyValue::Map(vec![
                    (Cow::Borrowed("b"), AnyValue::Int(2)),
                    (Cow::Borrowed("a"), text_of("y")),
                ]),
                "{\"a\":\"y\",\"b\":2}",
            ),
        ] {
            assert_eq!(text(&value), expected);
        }
    }
}
