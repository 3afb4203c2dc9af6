//! Units as people write them: durations (`1h30m`) and sizes (`512MB`), in Prometheus's notation.

use std::fmt;
use std::time::Duration;

/// A text that is not a duration or a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError(String);

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnitError {}

const DURATION_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a Prometheus duration into milliseconds: whole numbers with the units
/// `y w d h m s ms`, each at most once and in this order, or a bare `0`.
pub fn parse_duration_ms(text: &str) -> Result<i64, UnitError> {
    let bad = || UnitError(format!("not a valid duration string: {text:?}"));
    match text {
        "" => return Err(UnitError("empty duration string".into())),
        "0" => return Ok(0),
        _ => {}
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(|byte| !byte.is_ascii_digit()).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        if digits > 0 && letters > 0 && DURATION_UNITS.iter().all(|(name, _)| *name != unit) {
            return Err(UnitError(format!("unknown unit {unit:?} in duration {text:?}")));
        }
        let at = DURATION_UNITS[next_unit..].iter().position(|(name, _)| *name == unit).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let overflow = || UnitError("duration out of range".into());
        let part_ms = number.checked_mul(DURATION_UNITS[next_unit + at].1).ok_or_else(overflow)?;
        total_ms = total_ms.checked_add(part_ms).ok_or_else(overflow)?;
        next_unit += at + 1;
        rest = &rest[digits + letters..];
    }
    // The limit is Go's: a duration is a signed 64-bit count of nanoseconds.
    if total_ms > (i64::MAX / 1_000_000) as u64 {
        return Err(UnitError("duration out of range".into()));
    }
    Ok(total_ms as i64)
}

/// Like [`parse_duration_ms`], as a [`Duration`].
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration_ms(text).map(|ms| Duration::from_millis(ms as u64))
}

/// Writes milliseconds as Prometheus does: the largest exact units, `y` and `w` and `d` only when
/// they divide the whole (`1d`, but `25h` stays `1d1h`).
pub fn format_duration_ms(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_string();
    }
    let mut out = String::new();
    if duration_ms < 0 {
        out.push('-');
    }
    let mut rest = duration_ms.unsigned_abs();
    for (unit, size_ms) in DURATION_UNITS {
        // Years, weeks only when nothing remains: 400 days are `400d`, not `1y35d`.
        let exact_only = matches!(unit, "y" | "w");
        if exact_only && !rest.is_multiple_of(size_ms) {
            continue;
        }
        let count = rest / size_ms;
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
            rest -= count * size_ms;
        }
    }
    out
}

/// Parses a size in bytes as Prometheus does: a number and a unit; `KB` and `KiB` both count in
/// steps of 1024. A bare number needs the unit `B`; `0` needs none.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    if text == "0" {
        return Ok(0);
    }
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let power = match unit {
        "B" => 0,
        "KB" | "KiB" | "K" | "Ki" => 1,
        "MB" | "MiB" | "M" | "Mi" => 2,
        "GB" | "GiB" | "G" | "Gi" => 3,
        "TB" | "TiB" | "T" | "Ti" => 4,
        "PB" | "PiB" | "P" | "Pi" => 5,
        "EB" | "EiB" | "E" | "Ei" => 6,
        _ => return Err(UnitError(format!("units: unknown unit {unit} in {text}"))),
    };
    let bad = || UnitError(format!("units: invalid {text}"));
    let scale = 1u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).ok_or_else(bad);
    }
    let value: f64 = number.parse().map_err(|_| bad())?;
    let bytes = value * scale as f64;
    if bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_like_prometheus() {
        for (text, ms, back) in [
            ("0", 0, "0s"),
            ("0w", 0, "0s"),
            ("324ms", 324, "324ms"),
            ("3s", 3_000, "3s"),
            ("5m30s", 330_000, "5m30s"),
            ("1d1h", 90_000_000, "1d1h"),
            ("4d1h", 349_200_000, "4d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("3w", 1_814_400_000, "3w"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("10y", 315_360_000_000, "10y"),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
            assert_eq!(format_duration_ms(ms), back, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["1", "1y1m1d", "-1w", "1.5d", "d", "294y", "200y10400w", "107675d", "2584200h", ""] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_steps_of_1024() {
        assert_eq!(parse_bytes("15MB"), Ok(15 << 20));
        assert_eq!(parse_bytes("1.5KiB"), Ok(1536));
        assert_eq!(parse_bytes("100"), Err(UnitError("units: unknown unit  in 100".into())));
    }
}
