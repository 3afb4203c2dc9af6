//! Go's `time.Duration` as text: `1h2m3.5s`, `300ms`, `-1.5h`. A duration is a signed count of
//! nanoseconds.
//!
//! Prometheus's own notation (`1d`, `5m30s`) is another one; see `base::units`.

use crate::error::Error;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration into nanoseconds: numbers with units, perhaps with fractions, in any order, added
/// up. Only `0` needs no unit.
pub fn parse_ns(text: &str) -> Result<i64, Error> {
    let error = |problem: String| Error::Duration { problem, text: text.to_string() };
    let invalid = || error("invalid duration ".into());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total_ns: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(error("missing unit in duration ".into()));
        }
        let Some((_, unit_ns)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(error(format!("unknown unit {} in duration ", crate::quote::quote(unit))));
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part_ns = whole.checked_mul(*unit_ns).ok_or_else(invalid)?;
        total_ns = total_ns
            .checked_add(part_ns)
            .and_then(|total| total.checked_add(fraction_ns(fraction, *unit_ns)))
            .filter(|&total| total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok((total_ns as i64).wrapping_neg());
    }
    i64::try_from(total_ns).map_err(|_| invalid())
}

/// The digits behind a point as a part of a unit, rounded down.
fn fraction_ns(digits: &str, unit_ns: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in digits.bytes() {
        // More digits than fit change nothing.
        let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))) else {
            break;
        };
        if next > i64::MAX as u64 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    // Go multiplies in floating point too; doing the same gives the same nanoseconds.
    (value as f64 * (unit_ns as f64 / scale)) as u64
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Writes nanoseconds as Go does: `1h2m3.5s`, `2m0s`, `1.5ms`, `0s`.
pub fn format_ns(duration_ns: i64) -> String {
    let total = duration_ns.unsigned_abs();
    let sign = if duration_ns < 0 { "-" } else { "" };
    let (fraction_of, unit) = match total {
        0 => return "0s".into(),
        1..1_000 => return format!("{sign}{total}ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, fraction) = (total / fraction_of, total % fraction_of);
    let mut out = String::from(sign);
    let mut small = whole;
    if unit == "s" {
        if whole >= 3_600 {
            out.push_str(&format!("{}h", whole / 3_600));
        }
        if whole >= 60 {
            out.push_str(&format!("{}m", whole / 60 % 60));
        }
        small = whole % 60;
    }
    out.push_str(&small.to_string());
    if fraction > 0 {
        let width = fraction_of.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push_str(unit);
    out
}
