//! Reads the labels of a series that was accepted before.

use model::{METRIC_NAME, MetricType};

use super::label_text;
use crate::labels::LabelBuffer;
use crate::number::{parse_float, push_open_metrics_float};

/// Reads `name{a="b",...}` or `{"name",a="b",...}`.
pub(crate) fn read(raw: &[u8], metric_type: MetricType, into: &mut LabelBuffer) {
    let brace = memchr::memchr(b'{', raw);
    let (name, pairs) = match brace {
        Some(at) => (raw.get(..at).unwrap_or_default(), raw.get(at + 1..).unwrap_or_default()),
        None => (raw, &[][..]),
    };
    let name = name.trim_ascii();
    if !name.is_empty() {
        into.push(METRIC_NAME, &label_text(name, &mut String::new()));
    }
    read_pairs(pairs, metric_type, into);
}

/// Reads `a="b",...}`; a quoted text without a value is the metric name.
pub(crate) fn read_pairs(mut rest: &[u8], metric_type: MetricType, into: &mut LabelBuffer) {
    let mut scratch = [String::new(), String::new()];
    let bound = match metric_type {
        MetricType::Histogram => "le",
        MetricType::Summary => "quantile",
        _ => "",
    };
    loop {
        rest = skip(rest, b", \t");
        let name = match rest.first() {
            None | Some(b'}') => return,
            Some(b'"') => take_quoted(&mut rest),
            Some(_) => {
                let end =
                    rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                rest = after;
                if name.is_empty() {
                    return;
                }
                name
            }
        };
        rest = skip(rest, b" \t");
        let [name_scratch, value_scratch] = &mut scratch;
        let name = label_text(name, name_scratch);
        let [b'=', after @ ..] = rest else {
            into.push(METRIC_NAME, &name);
            continue;
        };
        rest = skip(after, b" \t");
        let value = label_text(take_quoted(&mut rest), value_scratch);
        if name == bound
            && let Ok(number) = parse_float(value.as_bytes())
        {
            let mut text = Vec::with_capacity(24);
            push_open_metrics_float(&mut text, number);
            into.push(&name, &String::from_utf8_lossy(&text));
        } else {
            into.push(&name, &value);
        }
    }
}

fn skip<'t>(text: &'t [u8], these: &[u8]) -> &'t [u8] {
    let start = text.iter().position(|b| !these.contains(b)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Takes a text in quotes off the front and gives what is between them.
fn take_quoted<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let text = rest.strip_prefix(b"\"").unwrap_or(rest);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    let inside = text.get(..at).unwrap_or(text);
    *rest = text.get(at + 1..).unwrap_or_default();
    inside
}
