//! Texts made safe for one kind of place in a page.

use std::fmt::Write;

use super::super::json;
use super::super::value::Value;
use super::{Trust, UNSAFE, is_space};

pub(super) fn push_escaped(out: &mut String, text: &str, entity: fn(char) -> Option<&'static str>) {
    for c in text.chars() {
        match entity(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
}

pub(super) fn plain_entity(c: char) -> Option<&'static str> {
    if c == '&' { Some("&amp;") } else { kept_entity(c) }
}

/// For text whose entities stay.
pub(super) fn kept_entity(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "\u{fffd}",
        '"' => "&#34;",
        '\'' => "&#39;",
        '+' => "&#43;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    })
}

/// For attribute values without quotes.
pub(super) fn unquoted_entity(c: char) -> Option<&'static str> {
    if c == '&' { Some("&amp;") } else { kept_unquoted_entity(c) }
}

pub(super) fn kept_unquoted_entity(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "&#xfffd;",
        '\t' => "&#9;",
        '\n' => "&#10;",
        '\x0b' => "&#11;",
        '\x0c' => "&#12;",
        '\r' => "&#13;",
        ' ' => "&#32;",
        '=' => "&#61;",
        '`' => "&#96;",
        c => return kept_entity(c),
    })
}

/// Trusted HTML where tags cannot be: in an attribute.
pub(super) fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match after.find('>').filter(|_| is_tag) {
            Some(end) => rest = &after[end + 1..],
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a URL is relative or of a scheme that only opens something.
pub(super) fn is_safe_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
        _ => true,
    }
}

/// `keeps` leaves what has a meaning in URLs; otherwise the text becomes one part of a URL.
pub(super) fn url(text: &str, keeps: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let is_kept = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']' => keeps,
            b'%' => {
                keeps && bytes[at + 1..].iter().take(2).filter(|byte| byte.is_ascii_hexdigit()).count() == 2
            }
            _ => false,
        };
        if is_kept {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

pub(super) fn srcset(text: &str, trust: Option<Trust>) -> String {
    if trust == Some(Trust::Url) {
        return url(text, true).replace(',', "%2c");
    }
    let mut out = String::new();
    for (number, image) in text.split(',').enumerate() {
        if number > 0 {
            out.push(',');
        }
        let trimmed = image.trim();
        let (address, size) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        let is_size = size.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || is_space(byte));
        if is_safe_url(address) && is_size {
            let space = image.len() - image.trim_start().len();
            out.push_str(&image[..space]);
            out.push_str(&url(address, true));
            if !size.is_empty() {
                out.push(' ');
                out.push_str(size);
            }
        } else {
            let _ = write!(out, "#{UNSAFE}");
        }
    }
    out
}

/// A value as JavaScript: its JSON, with spaces around what could join its neighbours.
pub(super) fn js_value(value: &Value) -> String {
    let mut out = String::new();
    if json::push(&mut out, &value.plain(), usize::MAX).is_err() {
        return " null ".into();
    }
    match out.as_bytes().first() {
        Some(b'"' | b'[' | b'{') => out,
        _ => format!(" {out} "),
    }
}

pub(super) fn js_string(text: &str, is_regexp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '/' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '"' | '\'' | '`' | '&' | '+' | '<' | '>' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if is_regexp && "$()*-.?[]^{|}".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A value in CSS: a number, a colour, a keyword; nothing that could end the declaration or call.
pub(super) fn css_value(text: &str) -> String {
    let text = text.trim();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || " #%.,-_+!".contains(c));
    let lower = text.to_ascii_lowercase();
    if is_plain && !lower.contains("expression") && !lower.contains("mozbinding") && !lower.contains("--") {
        text.to_string()
    } else {
        UNSAFE.to_string()
    }
}

pub(super) fn css_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if !c.is_control() && !"\"&'()+/:;<>\\{}".contains(c) {
            out.push(c);
            continue;
        }
        let _ = write!(out, "\\{:x}", u32::from(c));
        // What follows must not be taken for more digits.
        if characters.peek().is_none_or(|next| next.is_ascii_hexdigit() || next.is_ascii_whitespace()) {
            out.push(' ');
        }
    }
    out
}
