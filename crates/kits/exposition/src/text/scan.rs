//! The short way through well-formed lines in the form in which client libraries write them. What
//! is not in that form is `None` here and left to the grammar.

use super::{Dialect, RawEntry, RawSeries, grammar};
use crate::number::parse_float;

/// The bits of [`CLASS`].
const NAME: u8 = 1;
const STOP: u8 = 2;

/// Per byte: whether it belongs to a name; whether a quoted text cannot simply go on with it.
static CLASS: [u8; 256] = {
    let mut class = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || b == b'_' {
            class[byte] |= NAME;
        }
        if b == b'"' || b == b'\\' || b == b'\n' || b == 0 || b >= 0x80 {
            class[byte] |= STOP;
        }
        byte += 1;
    }
    class
};

#[inline]
fn is(byte: u8, bit: u8) -> bool {
    CLASS[byte as usize] & bit != 0
}

/// A series line, with the offset after it. A series of `length` bytes probably comes (0 if nothing
/// is known); `is_known` tells whether these are its bytes.
#[inline]
pub(super) fn series<'a>(
    dialect: Dialect,
    body: &'a [u8],
    start: usize,
    length: usize,
    is_known: impl FnOnce(&[u8]) -> bool,
) -> Option<(RawSeries<'a>, usize)> {
    let line = body.get(start..)?;
    if length > 0
        && let Some((raw, after)) = line.split_at_checked(length)
        && after.first() == Some(&b' ')
    {
        // A bare name may go on, with more of the name or with labels.
        let is_whole = raw.last() == Some(&b'}') || !matches!(after, [b' ', b'{' | b' ' | b'\t', ..]);
        if is_whole && raw.first() != Some(&b'#') && is_known(raw) {
            return sample(dialect, line, length, start);
        }
    }
    let end = raw_series(line)?;
    sample(dialect, line, end, start)
}

/// How long `name{a="b",...}` at the front is.
#[inline]
fn raw_series(line: &[u8]) -> Option<usize> {
    let first = *line.first()?;
    if !(first.is_ascii_alphabetic() || first == b'_' || first == b':') {
        return None;
    }
    let mut at = 1;
    let mut byte = *line.get(at)?;
    while is(byte, NAME) || byte == b':' {
        at += 1;
        byte = *line.get(at)?;
    }
    match byte {
        b' ' => return Some(at),
        b'{' => at += 1,
        _ => return None,
    }
    loop {
        let first = *line.get(at)?;
        if !(first.is_ascii_alphabetic() || first == b'_') {
            return None;
        }
        at += 1;
        while is(*line.get(at)?, NAME) {
            at += 1;
        }
        if line.get(at..at + 2)? != b"=\"" {
            return None;
        }
        at = quoted_end(line, at + 2)?;
        match line.get(at)? {
            b'}' => return Some(at + 1),
            b',' => at += 1,
            _ => return None,
        }
    }
}

/// The offset after the closing quote.
#[inline]
fn quoted_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        // Eight bytes at a time while none of them stops.
        while let Some(chunk) = line.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let stops = chunk.iter().fold(0, |stops, byte| stops | CLASS[*byte as usize]) & STOP;
            if stops != 0 {
                break;
            }
            at += 8;
        }
        while !is(*line.get(at)?, STOP) {
            at += 1;
        }
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match line.get(at + 1)? {
                b'\n' | 0 | 0x80.. => return None,
                _ => at += 2,
            },
            _ => return None,
        }
    }
}

/// The value behind the raw series, and its timestamp if that is simple.
#[inline]
fn sample<'a>(
    dialect: Dialect,
    line: &'a [u8],
    raw_end: usize,
    start: usize,
) -> Option<(RawSeries<'a>, usize)> {
    if line.get(raw_end) != Some(&b' ') {
        return None;
    }
    let raw = line.get(..raw_end)?;
    let rest = line.get(raw_end + 1..)?;
    let length = rest.iter().position(|b| matches!(b, b' ' | b'\n' | b'\t' | b'{' | 0))?;
    let value = parse_float(rest.get(..length)?).ok()?;
    let end = raw_end + 1 + length;
    match line.get(end)? {
        b'\n' => {
            let series = RawSeries { raw, value, timestamp_ms: None, exemplar: None };
            Some((series, start + end + 1))
        }
        b' ' if dialect == Dialect::Prometheus => {
            let rest = line.get(end + 1..)?;
            let mut timestamp_ms = 0i64;
            let mut digits = 0;
            while let Some(byte @ b'0'..=b'9') = rest.get(digits) {
                timestamp_ms = timestamp_ms.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                digits += 1;
            }
            if digits == 0 || rest.get(digits) != Some(&b'\n') {
                return None;
            }
            let series = RawSeries { raw, value, timestamp_ms: Some(timestamp_ms), exemplar: None };
            Some((series, start + end + 1 + digits + 1))
        }
        _ => None,
    }
}

/// Any entry in its usual form, with the offset after it.
pub(super) fn entry(dialect: Dialect, body: &[u8], start: usize) -> Option<(RawEntry<'_>, usize)> {
    let line = body.get(start..)?;
    if line.first() != Some(&b'#') {
        let (series, next) = series(dialect, body, start, 0, |_| false)?;
        return Some((RawEntry::Series(series), next));
    }
    let end = memchr::memchr(b'\n', line)?;
    let content = line.get(..end)?.strip_prefix(b"# ")?;
    let (word, content) = content.split_at_checked(5)?;
    let first = *content.first()?;
    if !(first.is_ascii_alphabetic() || first == b'_' || first == b':') {
        return None;
    }
    let space = content.iter().position(|b| !is(*b, NAME) && *b != b':')?;
    let (metric, text) = content.split_at(space);
    let text = text.strip_prefix(b" ")?;
    // A text of spaces alone and NUL have rules of their own.
    if text.first().is_none_or(|b| matches!(b, b' ' | b'\t')) || memchr::memchr(0, text).is_some() {
        return None;
    }
    let entry = match word {
        b"HELP " if std::str::from_utf8(text).is_ok() => RawEntry::Help { metric, text },
        b"TYPE " => RawEntry::Type { metric, metric_type: grammar::metric_type(dialect, text)? },
        _ => return None,
    };
    Some((entry, start + end + 1))
}
