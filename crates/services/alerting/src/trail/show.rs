//! Rows of the trail as text: JSON objects for the API and NDJSON, and CSV.

use std::fmt::Write;

use gocompat::{float, layout};

use super::event::{Key, Property};
use super::query::Row;

/// RFC 3339 with milliseconds, in UTC.
const MILLIS: &str = "2006-01-02T15:04:05.000Z07:00";

/// The first line of a CSV export.
pub fn csv_header() -> String {
    let mut line = String::from("time,fingerprint,event,labels");
    for key in Key::ALL {
        line.push(',');
        line.push_str(key.as_str());
    }
    line.push_str(",together\n");
    line
}

/// One row as a line of CSV.
pub fn csv(row: &Row) -> String {
    let labels = if row.labels.is_empty() { String::new() } else { row.labels.to_string() };
    let mut line = format!(
        "{},{},{},{}",
        layout::format_ms(MILLIS, row.at_ms),
        fingerprint(row),
        row.step.name(),
        csv_field(&labels)
    );
    let properties = row.step.properties();
    for key in Key::ALL {
        line.push(',');
        match properties.iter().find(|(known, _)| *known == key) {
            Some((_, Property::Text(text))) => line.push_str(&csv_field(text)),
            Some((_, Property::Count(count))) => {
                let _ = write!(line, "{count}");
            }
            Some((_, Property::Float(value))) => line.push_str(&number(*value)),
            None => {}
        }
    }
    let _ = writeln!(line, ",{}", row.together);
    line
}

/// A field that a spreadsheet takes for what it is: quoted where needed, and never a formula.
fn csv_field(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_string(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// One row as a JSON object, without a line's end.
pub fn json(row: &Row) -> String {
    let mut out = String::from("{\"time\":");
    quoted(&mut out, &layout::format_ms(MILLIS, row.at_ms));
    let _ = write!(out, ",\"fingerprint\":\"{}\",\"event\":\"{}\"", fingerprint(row), row.step.name());
    out.push_str(",\"labels\":{");
    for (at, (name, value)) in row.labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        quoted(&mut out, name);
        out.push(':');
        quoted(&mut out, value);
    }
    out.push('}');
    for (key, property) in row.step.properties() {
        let _ = write!(out, ",\"{}\":", key.as_str());
        match property {
            Property::Count(_) if key == Key::Resolved => out.push_str("true"),
            Property::Text(text) => quoted(&mut out, &text),
            Property::Count(count) => {
                let _ = write!(out, "{count}");
            }
            // As everywhere in Prometheus's API: JSON has no word for what is not a number.
            Property::Float(value) => quoted(&mut out, &number(value)),
        }
    }
    if row.together > 1 {
        let _ = write!(out, ",\"together\":{}", row.together);
    }
    let _ = write!(out, ",\"cursor\":\"{}\"}}", row.cursor);
    out
}

/// The fingerprint as Alertmanager's API writes it.
fn fingerprint(row: &Row) -> String {
    match row.labels.is_empty() {
        true => String::new(),
        false => format!("{:016x}", row.fingerprint),
    }
}

fn number(value: f64) -> String {
    float::Buffer::new().sample(value).to_string()
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
