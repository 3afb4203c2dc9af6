//! JSON as the API writes it, straight into bytes.

use model::Labels;

const MS_PER_DAY: i64 = 86_400_000;
/// What times before the first year, or none, are written as.
const NO_TIME: &[u8] = b"\"0001-01-01T00:00:00.000Z\"";

/// A JSON string. What need not be escaped is copied in runs.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// An object of texts.
pub(crate) fn push_pairs<'a>(out: &mut Vec<u8>, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        push_text(out, value);
    }
    out.push(b'}');
}

/// An object of labels.
pub(crate) fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    push_pairs(out, labels);
}

/// A list of texts.
pub(crate) fn push_texts<T: AsRef<str>>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = T>) {
    push_list(out, texts, |out, text| push_text(out, text.as_ref()));
}

/// A list.
pub(crate) fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

/// The end of a field's name and its value: `,"name":`.
pub(crate) fn push_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A fingerprint as APIs write it: 16 hexadecimal digits.
pub(crate) fn fingerprint_text(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// A time in UTC with milliseconds; 0 is no time.
pub(crate) fn push_time(out: &mut Vec<u8>, time_ms: i64) {
    let days = time_ms.div_euclid(MS_PER_DAY);
    let (year, month, day) = civil_of(days);
    if time_ms == 0 || !(1..=9999).contains(&year) {
        return out.extend_from_slice(NO_TIME);
    }
    let ms = time_ms.rem_euclid(MS_PER_DAY);
    let mut digits = |value: i64, width: u32, end: u8| {
        for place in (0..width).rev() {
            out.push(b'0' + (value / 10i64.pow(place) % 10) as u8);
        }
        out.push(end);
    };
    // The opening quote is the end of nothing.
    digits(0, 0, b'"');
    digits(year, 4, b'-');
    digits(month, 2, b'-');
    digits(day, 2, b'T');
    digits(ms / 3_600_000, 2, b':');
    digits(ms / 60_000 % 60, 2, b':');
    digits(ms / 1_000 % 60, 2, b'.');
    digits(ms % 1_000, 3, b'Z');
    out.push(b'"');
}

/// Year, month and day of a day since the epoch (Howard Hinnant's `civil_from_days`).
fn civil_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since the epoch of a date (Howard Hinnant's `days_from_civil`).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads a time as RFC 3339 has it, in milliseconds since the epoch. The first moment of the first
/// year, which is how Go writes that there is none, is 0.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut ms = 0;
    if is(at, b".,") {
        at += 1;
        let begin = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            if at - begin < 3 {
                ms += i64::from(bytes[at] - b'0') * 10i64.pow(2 - (at - begin) as u32);
            }
            at += 1;
        }
        if at == begin {
            return None;
        }
    }
    let offset_minutes = match bytes.get(at..)? {
        [b'Z' | b'z'] => 0,
        // Without a zone it is UTC, as Alertmanager takes it.
        [] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let minutes = number(at + 1, at + 3)? * 60 + number(at + 4, at + 6)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let time_ms = days_of(year, month, day) * MS_PER_DAY
        + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1_000
        + ms;
    Some(if year <= 1 { 0 } else { time_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time_ms: i64) -> String {
        let mut out = Vec::new();
        push_time(&mut out, time_ms);
        String::from_utf8(out).unwrap().trim_matches('"').to_string()
    }

    #[test]
    fn times_are_written_and_read_as_others_do() {
        for (text, ms) in [
            ("2026-11-21T11:51:07.123Z", 1_795_261_867_123),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00.000Z", 0),
        ] {
            assert_eq!(written(ms), text);
            assert_eq!(read_time(text), Some(ms), "{text}");
        }
        for at in (-62_000_000_000_000i64..253_000_000_000_000).step_by(86_399_999_777) {
            let text = gocompat::layout::format_ms("2006-01-02T15:04:05.000Z07:00", at);
            assert_eq!(written(at), text);
            assert_eq!(read_time(&text), Some(at), "{text}");
        }
    }

    #[test]
    fn zones_and_fractions_count_and_what_is_no_time_is_refused() {
        let base = read_time("2026-01-02T03:04:05Z").unwrap();
        for (text, by_ms) in [
            ("2026-01-02T03:04:05.1Z", 100),
            ("2026-01-02T03:04:05.123456789Z", 123),
            ("2026-01-02T04:04:05+01:00", 0),
            ("2026-01-02T03:04:05-00:30", 1_800_000),
            ("2026-01-02 03:04:05", 0),
        ] {
            assert_eq!(read_time(text), Some(base + by_ms), "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05Zx",
            "2026-01-02T03:04:05+1:00",
            "2026-01-02",
            "२026-01-02T03:04:05Z",
        ] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn texts_are_escaped_where_they_must_be() {
        let mut out = Vec::new();
        push_text(&mut out, "a\"b\\c\n\u{1}é<&>");
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001é<&>\"".as_bytes());
        let back: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(back, "a\"b\\c\n\u{1}é<&>");
    }
}
