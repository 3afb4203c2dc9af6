//! How matchers are written in routes, inhibition rules and silences.
//!
//! There are two syntaxes. The classic one knows plain label names only and forgives much; the
//! UTF-8 one allows any name and is strict. Error texts and columns are Alertmanager's, because
//! people and tools know them.

use std::fmt;

use gocompat::re2::Regex;
use model::labels::{Quoted, is_plain_label_name};
use model::{Labels, MatchOp, Matcher};

/// Which syntax matchers and label names of a configuration have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatcherMode {
    /// The UTF-8 syntax; what does not parse in it, or means something else in it, is classic.
    #[default]
    Fallback,
    /// The UTF-8 syntax only.
    Utf8Strict,
    /// The classic syntax only.
    Classic,
}

/// A text that is not a matcher, said as Alertmanager says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(String);

/// Matchers, and what the reader should know about how they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The matchers in the order of the text.
    pub matchers: Vec<Matcher>,
    /// Set if the text means something else, or nothing, in the UTF-8 syntax.
    pub warning: Option<String>,
}

impl MatcherMode {
    /// Whether a label may have this name.
    pub fn is_valid_label_name(self, name: &str) -> bool {
        match self {
            MatcherMode::Classic => is_plain_label_name(name),
            MatcherMode::Fallback | MatcherMode::Utf8Strict => !name.is_empty(),
        }
    }

    /// Parses any number of matchers, with or without braces around them.
    pub fn parse_matchers(self, text: &str) -> Result<Parsed, MatcherError> {
        match self {
            MatcherMode::Classic => classic_list(text).map(Parsed::plain),
            MatcherMode::Utf8Strict => utf8_list(text).map(Parsed::plain),
            MatcherMode::Fallback => fallback(text, utf8_list(text), classic_list(text)),
        }
    }

    /// Parses exactly one matcher, without braces.
    pub fn parse_matcher(self, text: &str) -> Result<Parsed, MatcherError> {
        if self != MatcherMode::Classic && (text.starts_with('{') || text.ends_with('}')) {
            return Err(MatcherError(format!("unexpected open or close brace: {text}")));
        }
        match self {
            MatcherMode::Classic => classic_one(text).map(|matcher| Parsed::plain(vec![matcher])),
            MatcherMode::Utf8Strict => utf8_one(text).map(|matcher| Parsed::plain(vec![matcher])),
            MatcherMode::Fallback => fallback(
                text,
                utf8_one(text).map(|matcher| vec![matcher]),
                classic_one(text).map(|matcher| vec![matcher]),
            ),
        }
    }
}

impl Parsed {
    fn plain(matchers: Vec<Matcher>) -> Self {
        Parsed { matchers, warning: None }
    }
}

fn fallback(
    text: &str,
    utf8: Result<Vec<Matcher>, MatcherError>,
    classic: Result<Vec<Matcher>, MatcherError>,
) -> Result<Parsed, MatcherError> {
    match (utf8, classic) {
        (Err(_), Err(error)) => Err(error),
        (Err(error), Ok(matchers)) => {
            let warning = format!(
                "matchers {text} are not valid in the UTF-8 syntax ({error}) and were read in the classic one; \
                 write them as {}",
                joined(&matchers)
            );
            Ok(Parsed { matchers, warning: Some(warning) })
        }
        (Ok(utf8), Ok(classic)) if utf8 != classic => {
            let warning = format!(
                "matchers {text} mean something else in the UTF-8 syntax ({}); read in the classic one",
                joined(&utf8)
            );
            Ok(Parsed { matchers: classic, warning: Some(warning) })
        }
        (Ok(matchers), _) => Ok(Parsed::plain(matchers)),
    }
}

fn joined(matchers: &[Matcher]) -> String {
    matchers.iter().map(|matcher| Written(matcher).to_string()).collect::<Vec<_>>().join(",")
}

/// Whether all matchers hold for these labels.
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches_labels(labels))
}

/// Puts matchers into the order in which they appear in route keys: by name, value, operator.
pub fn sort(matchers: &mut [Matcher]) {
    matchers.sort_by(|a, b| (&a.name, &a.value, a.op).cmp(&(&b.name, &b.value, b.op)));
}

/// Matchers as they stand in route and group keys: `{a="b",c=~"d.*"}`.
pub fn key_of(matchers: &[Matcher]) -> String {
    format!("{{{}}}", joined(matchers))
}

/// Writes one matcher as Alertmanager does, which is how keys are made.
pub struct Written<'a>(pub &'a Matcher);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Matcher { name, op, value, .. } = self.0;
        if name.chars().any(is_reserved) {
            return write!(f, "{}{}{}", Quoted(name), op.as_str(), Quoted(value));
        }
        write!(f, "{name}{}\"", op.as_str())?;
        for c in value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str("\\\"")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        f.write_str("\"")
    }
}

fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

// ---- the classic syntax ----

fn classic_list(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut in_quotes, mut escaped) = (false, false);
    let mut token = String::new();
    let mut tokens = Vec::new();
    for c in text.chars() {
        match c {
            ',' if !in_quotes => {
                tokens.push(std::mem::take(&mut token));
                continue;
            }
            '"' if escaped => escaped = false,
            '"' => in_quotes = !in_quotes,
            '\\' => escaped = !escaped,
            ',' => {}
            _ => escaped = false,
        }
        token.push(c);
    }
    let last = token.trim();
    if !last.is_empty() {
        tokens.push(last.to_string());
    }
    tokens.iter().map(|token| classic_one(token)).collect()
}

fn classic_one(text: &str) -> Result<Matcher, MatcherError> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c');
    let bad = || MatcherError(format!("bad matcher format: {text}"));
    let rest = text.trim_start_matches(is_space);
    let name_len = rest
        .bytes()
        .enumerate()
        .take_while(|(at, b)| {
            b.is_ascii_alphabetic() || matches!(b, b'_' | b':') || (*at > 0 && b.is_ascii_digit())
        })
        .count();
    let (name, rest) = rest.split_at(name_len);
    if name.is_empty() {
        return Err(bad());
    }
    let rest = rest.trim_start_matches(is_space);
    let (op, rest) = [
        ("=~", MatchOp::Regex),
        ("=", MatchOp::Equal),
        ("!=", MatchOp::NotEqual),
        ("!~", MatchOp::NotRegex),
    ]
    .into_iter()
    .find_map(|(sign, op)| rest.strip_prefix(sign).map(|rest| (op, rest)))
    .ok_or_else(bad)?;
    let raw = rest.trim_matches(is_space);

    let unescaped = || MatcherError(format!("matcher value contains unescaped double quote: {raw}"));
    let (body, mut expects_end_quote) = match raw.strip_prefix('"') {
        Some(body) => (body, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(body.len());
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        let is_last = at + 1 >= body.len();
        if escaped {
            escaped = false;
            match c {
                'n' => value.push('\n'),
                '"' | '\\' => value.push(c),
                _ => value.extend(['\\', c]),
            }
            continue;
        }
        match c {
            '\\' if !is_last => escaped = true,
            '"' if !expects_end_quote || !is_last => return Err(unescaped()),
            '"' => expects_end_quote = false,
            c => value.push(c),
        }
    }
    if expects_end_quote {
        return Err(unescaped());
    }
    compile(op, name.to_string(), value).map_err(MatcherError)
}

/// A matcher. Errors cite the expression with the anchors Alertmanager puts around it.
fn compile(op: MatchOp, name: String, value: String) -> Result<Matcher, String> {
    let anchored = format!("^(?:{value})$");
    Matcher::new(op, name, value).map_err(|error| match Regex::new(&anchored) {
        Err(error) => error.to_string(),
        Ok(_) => error.to_string(),
    })
}

// ---- the UTF-8 syntax ----

pub(crate) fn utf8_one(text: &str) -> Result<Matcher, MatcherError> {
    let mut matchers = utf8_list(text)?;
    match (matchers.len(), matchers.pop()) {
        (1, Some(matcher)) => Ok(matcher),
        (0, _) => Err(MatcherError("no matchers".into())),
        (found, _) => Err(MatcherError(format!("expected 1 matcher, found {found}"))),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Quoted,
    Plain,
}

/// A token with the columns it spans, counted in characters: before its first, after its last.
#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    text: String,
    start: usize,
    end: usize,
}

enum Failure {
    End,
    Text(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::End => f.write_str("end of input"),
            Failure::Text(text) => f.write_str(text),
        }
    }
}

/// Reads tokens one at a time; the one ahead is known.
struct Lexer {
    chars: Vec<char>,
    /// Where the next token is looked for.
    at: usize,
}

impl Lexer {
    fn scan(&self) -> Result<Option<(Token, usize)>, String> {
        let mut start = self.at;
        while self.chars.get(start).is_some_and(|c| c.is_whitespace()) {
            start += 1;
        }
        let Some(&first) = self.chars.get(start) else { return Ok(None) };
        let second = self.chars.get(start + 1).copied();
        let (kind, end) = match first {
            '{' => (Kind::Open, start + 1),
            '}' => (Kind::Close, start + 1),
            ',' => (Kind::Comma, start + 1),
            '=' if second == Some('~') => (Kind::Op(MatchOp::Regex), start + 2),
            '=' => (Kind::Op(MatchOp::Equal), start + 1),
            '!' if second == Some('=') => (Kind::Op(MatchOp::NotEqual), start + 2),
            '!' if second == Some('~') => (Kind::Op(MatchOp::NotRegex), start + 2),
            '!' => {
                let end = start + 1;
                return Err(if end >= self.chars.len() {
                    format!("{start}:{end}: unexpected end of input, expected one of '=~'")
                } else {
                    format!("{start}:{end}: !: expected one of '=~'")
                });
            }
            '"' => (Kind::Quoted, self.quoted_end(start)?),
            c if !is_reserved(c) => {
                let length = self.chars[start..].iter().take_while(|c| !is_reserved(**c)).count();
                (Kind::Plain, start + length)
            }
            c => return Err(format!("{start}:{}: {c}: invalid input", start + 1)),
        };
        let text = self.chars[start..end].iter().collect();
        Ok(Some((Token { kind, text, start, end }, end)))
    }

    fn quoted_end(&self, start: usize) -> Result<usize, String> {
        let mut escaped = false;
        for (offset, c) in self.chars[start + 1..].iter().enumerate() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(start + offset + 2),
                _ => {}
            }
        }
        let text: String = self.chars[start..].iter().collect();
        Err(format!("{start}:{}: {text}: missing end \"", self.chars.len()))
    }

    /// The next token if it is of an accepted kind.
    fn peek(&self, accepts: impl Fn(Kind) -> bool) -> Result<(Token, usize), Failure> {
        match self.scan() {
            Err(error) => Err(Failure::Text(error)),
            Ok(None) => Err(Failure::End),
            Ok(Some((token, next))) if accepts(token.kind) => Ok((token, next)),
            Ok(Some((token, _))) => {
                Err(Failure::Text(format!("{}:{}: unexpected {}", token.start, token.end, token.text)))
            }
        }
    }

    fn expect(&mut self, accepts: impl Fn(Kind) -> bool) -> Result<Token, Failure> {
        let (token, next) = self.peek(accepts)?;
        self.at = next;
        Ok(token)
    }
}

fn utf8_list(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    parse_utf8(text).map_err(MatcherError)
}

fn parse_utf8(text: &str) -> Result<Vec<Matcher>, String> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0 };
    let mut matchers = Vec::new();
    let has_open = match lexer.scan()? {
        None => return Ok(matchers),
        Some((token, next)) if token.kind == Kind::Open => {
            lexer.at = next;
            true
        }
        Some(_) => false,
    };
    let is_text = |kind| matches!(kind, Kind::Quoted | Kind::Plain);
    let mut more = match lexer.scan()? {
        None => false,
        Some((token, _)) => token.kind != Kind::Close,
    };
    while more {
        let name = lexer.expect(is_text).map_err(|error| format!("{error}: expected label name"))?;
        let name = unquote(&name)?;
        let op = lexer.expect(|kind| matches!(kind, Kind::Op(_))).map_err(|error| {
            format!("{error}: expected an operator such as '=', '!=', '=~' or '!~'")
        })?;
        let Kind::Op(op) = op.kind else { return Err("expected an operator".into()) };
        let value = lexer.expect(is_text).map_err(|error| format!("{error}: expected label value"))?;
        let value = unquote(&value)?;
        matchers.push(
            compile(op, name, value).map_err(|error| format!("failed to create matcher: {error}"))?,
        );
        more = match lexer.peek(|kind| matches!(kind, Kind::Comma | Kind::Close)) {
            Err(Failure::End) => false,
            Err(error) => return Err(format!("{error}: expected a comma or close brace")),
            Ok((token, _)) if token.kind == Kind::Close => false,
            Ok((_, next)) => {
                lexer.at = next;
                match lexer.peek(|kind| is_text(kind) || kind == Kind::Close) {
                    Err(Failure::End) => false,
                    Err(error) => {
                        return Err(format!("{error}: expected a matcher or close brace after comma"));
                    }
                    Ok((token, _)) => token.kind != Kind::Close,
                }
            }
        };
    }
    let close = lexer.expect(|kind| kind == Kind::Close);
    match close {
        Err(error) if has_open => return Err(format!("0:{}: {error}: expected close brace", lexer.at)),
        Ok(_) if !has_open => return Err(format!("0:{}: }}: expected opening brace", lexer.at)),
        _ => {}
    }
    match lexer.scan() {
        Err(error) => Err(format!("{error}: expected end of input")),
        Ok(None) => Ok(matchers),
        Ok(Some((token, _))) => {
            Err(format!("{}:{}: {}: expected end of input", token.start, token.end, token.text))
        }
    }
}

fn unquote(token: &Token) -> Result<String, String> {
    if token.kind != Kind::Quoted {
        return Ok(token.text.clone());
    }
    unquote_go(&token.text)
        .ok_or_else(|| format!("{}:{}: {}: invalid input", token.start, token.end, token.text))
}

/// Reads a Go string literal in double quotes. `None` if it is not one, or not UTF-8 in the end.
fn unquote_go(text: &str) -> Option<String> {
    let body = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c == '\n' || c == '"' {
            return None;
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next()? {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            '"' => bytes.push(b'"'),
            'x' => bytes.push(u8::try_from(digits(&mut chars, 2, 16, 0)?).ok()?),
            'u' => push_char(&mut bytes, digits(&mut chars, 4, 16, 0)?)?,
            'U' => push_char(&mut bytes, digits(&mut chars, 8, 16, 0)?)?,
            c @ '0'..='7' => bytes.push(u8::try_from(digits(&mut chars, 2, 8, c.to_digit(8)?)?).ok()?),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32, start: u32) -> Option<u32> {
    let mut value = start;
    for _ in 0..count {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(value)
}

fn push_char(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(mode: MatcherMode, text: &str) -> String {
        mode.parse_matchers(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_columns() {
        for (text, expected) in [
            ("foo", "end of input: expected an operator such as '=', '!=', '=~' or '!~'"),
            ("foo=", "end of input: expected label value"),
            ("foo!bar", "3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'"),
            ("foo=bar baz", "8:11: unexpected baz: expected a comma or close brace"),
            ("foo=\"bar", "4:8: \"bar: missing end \": expected label value"),
            ("{foo=bar} x", "10:11: x: expected end of input"),
        ] {
            assert_eq!(error(MatcherMode::Utf8Strict, text), expected, "{text}");
        }
    }

    #[test]
    fn a_fallback_says_how_to_write_it() {
        let parsed = MatcherMode::Fallback.parse_matchers("foo=bar\\n").unwrap();
        assert_eq!(parsed.matchers[0].value, "bar\n");
        assert!(parsed.warning.unwrap().ends_with("write them as foo=\"bar\\n\""));
    }

    #[test]
    fn keys_escape_like_openmetrics() {
        let matchers = MatcherMode::Fallback.parse_matchers(r#"{"a b"="x\ty", c="q\"\n"}"#).unwrap().matchers;
        assert_eq!(key_of(&matchers), r#"{"a b"="x\ty",c="q\"\n"}"#);
    }
}
