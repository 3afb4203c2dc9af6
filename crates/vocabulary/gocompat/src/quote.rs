//! Go's quoted strings: how `%q` and error texts write them, how template literals are read.

/// `text` in double quotes, with Go's escapes for what cannot be printed.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push_escaped(&mut out, c, '"');
    }
    out.push('"');
    out
}

/// A character in single quotes, as `%q` writes a number.
pub fn quote_char(c: char) -> String {
    let mut out = String::from('\'');
    push_escaped(&mut out, c, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char, delimiter: char) {
    match c {
        c if c == delimiter || c == '\\' => out.extend(['\\', c]),
        '\x07' => out.push_str(r"\a"),
        '\x08' => out.push_str(r"\b"),
        '\x0c' => out.push_str(r"\f"),
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        '\x0b' => out.push_str(r"\v"),
        c if is_printable(c) => out.push(c),
        c if c < ' ' || c == '\x7f' => out.push_str(&format!(r"\x{:02x}", c as u32)),
        c if (c as u32) < 0x10000 => out.push_str(&format!(r"\u{:04x}", c as u32)),
        c => out.push_str(&format!(r"\U{:08x}", c as u32)),
    }
}

/// Whether Go prints this character as it is: letters, marks, numbers, punctuation, symbols and the
/// ASCII space.
pub fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{a0}' | '\u{ad}' => false,
        // Rust escapes the same classes in its debug form, and grapheme extenders besides.
        c => c.is_alphanumeric() || !c.is_whitespace() && c.escape_debug().len() == 1 || is_mark(c),
    }
}

/// Combining marks, which Rust's debug form escapes although they print.
fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f
        | 0x900..=0x903 | 0x93a..=0x94f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20f0
        | 0x302a..=0x302f | 0x3099..=0x309a | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f)
}

/// Reads a Go literal: a double-quoted string, a raw string in backquotes, or one character in single
/// quotes. `None` if it is not one. Escapes that name bytes must form UTF-8 together.
pub fn unquote(literal: &str) -> Option<String> {
    let mut chars = literal.chars();
    let (first, last) = (chars.next()?, chars.next_back()?);
    if first != last {
        return None;
    }
    let inner = chars.as_str();
    match first {
        // Go drops carriage returns from raw strings.
        '`' => (!inner.contains('`')).then(|| inner.replace('\r', "")),
        '"' => unescape(inner, '"'),
        '\'' => unescape(inner, '\'').filter(|text| text.chars().count() == 1),
        _ => None,
    }
}

fn unescape(inner: &str, delimiter: char) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        let mut plain = c;
        if c == delimiter || c == '\n' {
            return None;
        }
        if c == '\\' {
            let kind = rest.next()?;
            let (radix, digits, start) = match kind {
                'x' => (16, 2, 0),
                'u' => (16, 4, 0),
                'U' => (16, 8, 0),
                '0'..='7' => (8, 2, kind.to_digit(8)?),
                _ => (0, 0, 0),
            };
            let mut number: u32 = start;
            for _ in 0..digits {
                number = number.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?)?;
            }
            plain = match kind {
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                '\\' => '\\',
                '\'' | '"' if kind == delimiter => kind,
                'u' | 'U' => char::from_u32(number)?,
                'x' | '0'..='7' => {
                    bytes.push(u8::try_from(number).ok()?);
                    continue;
                }
                _ => return None,
            };
        }
        bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8(bytes).ok()
}
