//! Cuts a query into tokens. What a character means depends on where it stands (outside, in braces,
//! in brackets), so the parser pulls one token at a time and the lexer keeps the state.

use model::labels::Quoted;

use crate::ast::{AggregateOp, BinaryOp};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The end of the text.
    Eof,
    /// After the end, and after an error.
    End,
    /// Text that is no token; the message is in [`Lexer::error`].
    Error,
    Assign,
    EqualRegex,
    NotEqualRegex,
    Colon,
    Comma,
    At,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    LeftParen,
    RightParen,
    Number,
    Duration,
    String,
    Identifier,
    /// An identifier with a colon.
    MetricIdentifier,
    Operator(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    /// Names that are functions, and have a meaning in durations or after `@`.
    Preprocessor(Preprocessor),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    By,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Ignoring,
    Offset,
    Smoothed,
    Anchored,
    On,
    Without,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preprocessor {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// A piece of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

impl Token {
    /// The token's text as it was written.
    pub(crate) fn text<'a>(&self, query: &'a str) -> &'a str {
        query.get(self.start..self.end).unwrap_or("")
    }

    /// How Prometheus names the token in its messages.
    pub(crate) fn describe(&self, query: &str) -> String {
        let text = self.text(query);
        match self.kind {
            Kind::Eof | Kind::End => "end of input".to_string(),
            Kind::Error => "error".to_string(),
            Kind::Identifier => format!("identifier {}", quoted(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quoted(text)),
            Kind::String => format!("string {}", shortened(text)),
            Kind::Number => format!("number {}", shortened(text)),
            Kind::Duration => format!("duration {}", shortened(text)),
            Kind::Keyword(_) => format!("<{text}>"),
            Kind::Operator(_) | Kind::At | Kind::EqualRegex | Kind::NotEqualRegex => format!("<op:{text}>"),
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            _ => shortened(text),
        }
    }
}

/// A text in quotes as Go's `%q` writes it.
pub(crate) fn quoted(text: &str) -> String {
    Quoted(text).to_string()
}

/// Long texts are cut to ten characters.
fn shortened(text: &str) -> String {
    if text.len() > 10 {
        format!("{}...", quoted(&text.chars().take(10).collect::<String>()))
    } else {
        quoted(text)
    }
}

/// A character in single quotes as Go's `%q` writes it; the end of the text shows as U+FFFD.
pub(crate) fn quoted_char(c: Option<char>) -> String {
    match c {
        None => "'\u{fffd}'".to_string(),
        Some('\'') => "'\\''".to_string(),
        Some('"') => "'\"'".to_string(),
        Some(c) if !is_printable(c) && !c.is_ascii() => match c as u32 {
            code @ 0x1_0000.. => format!("'\\U{code:08x}'"),
            code => format!("'\\u{code:04x}'"),
        },
        Some(c) => {
            let text = quoted(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", text.trim_matches('"'))
        }
    }
}

/// Whether Go prints the character as it is. Names the invisible ones that people paste into queries.
fn is_printable(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f_0000}'..);
    !c.is_control() && !invisible && (c == ' ' || !c.is_whitespace())
}

/// How the next character is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Statements,
    /// After `[` until the first number: a duration expression.
    Duration,
    /// Nothing more comes.
    Done,
}

/// Cuts tokens off a query, front to back.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next character stands.
    position: usize,
    /// Where the token under way begins.
    start: usize,
    mode: Mode,
    paren_depth: usize,
    in_braces: bool,
    in_brackets: bool,
    got_colon: bool,
    got_duration: bool,
    /// The message of the last [`Kind::Error`].
    pub(crate) error: String,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Lexer {
            text,
            position: 0,
            start: 0,
            mode: Mode::Statements,
            paren_depth: 0,
            in_braces: false,
            in_brackets: false,
            got_colon: false,
            got_duration: false,
            error: String::new(),
        }
    }

    /// The next token, without comments and spaces.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            self.start = self.position;
            let kind = match self.mode {
                Mode::Done => Some(Kind::End),
                Mode::Duration => self.duration_expression(),
                Mode::Statements if self.in_braces => self.inside_braces(),
                Mode::Statements => self.statements(),
            };
            if let Some(kind) = kind {
                if matches!(kind, Kind::Error | Kind::Eof) {
                    self.mode = Mode::Done;
                }
                return Token { kind, start: self.start, end: self.position };
            }
        }
    }

    /// Where the text after the last token begins.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn is(&self, set: &[u8]) -> bool {
        self.text.as_bytes().get(self.position).is_some_and(|byte| set.contains(byte))
    }

    fn accept(&mut self, set: &[u8]) -> bool {
        let found = self.is(set);
        if found {
            self.position += 1;
        }
        found
    }

    fn accept_run(&mut self, accepted: impl Fn(u8) -> bool) {
        let bytes = self.text.as_bytes();
        while bytes.get(self.position).is_some_and(|byte| accepted(*byte)) {
            self.position += 1;
        }
    }

    fn fail(&mut self, message: String) -> Option<Kind> {
        self.error = message;
        Some(Kind::Error)
    }

    /// An error that is noticed only after its character was consumed: it stands behind it.
    fn fail_behind(&mut self, message: String) -> Option<Kind> {
        self.start = self.position;
        self.fail(message)
    }

    fn comment(&mut self) -> Option<Kind> {
        self.accept_run(|byte| byte != b'\n' && byte != b'\r');
        None
    }

    fn statements(&mut self) -> Option<Kind> {
        let Some(c) = self.next() else {
            return if self.paren_depth != 0 {
                self.fail("unclosed left parenthesis".into())
            } else if self.in_brackets {
                self.fail("unclosed left bracket".into())
            } else {
                Some(Kind::Eof)
            };
        };
        let operator = |op| Some(Kind::Operator(op));
        match c {
            '#' => self.comment(),
            ',' => Some(Kind::Comma),
            ' ' | '\t' | '\n' | '\r' => None,
            '*' => operator(BinaryOp::Mul),
            '/' => operator(BinaryOp::Div),
            '%' => operator(BinaryOp::Mod),
            '+' => operator(BinaryOp::Add),
            '-' => operator(BinaryOp::Sub),
            '^' => operator(BinaryOp::Pow),
            '=' if self.accept(b"=") => operator(BinaryOp::Equal),
            '=' if self.is(b"~") => self.fail("unexpected character after '=': '~'".into()),
            '=' => Some(Kind::Assign),
            '!' => match self.next() {
                Some('=') => operator(BinaryOp::NotEqual),
                other => self.fail(format!("unexpected character after '!': {}", quoted_char(other))),
            },
            '<' if self.accept(b"=") => operator(BinaryOp::LessEqual),
            '<' if self.accept(b"/") => operator(BinaryOp::TrimUpper),
            '<' => operator(BinaryOp::Less),
            '>' if self.accept(b"=") => operator(BinaryOp::GreaterEqual),
            '>' if self.accept(b"/") => operator(BinaryOp::TrimLower),
            '>' => operator(BinaryOp::Greater),
            '0'..='9' => self.number_or_duration(),
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.number_or_duration(),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            'a'..='z' | 'A'..='Z' | '_' | ':' if !self.in_brackets => Some(self.word()),
            ':' if self.got_colon => self.fail("unexpected colon ':'".into()),
            ':' => {
                self.got_colon = true;
                Some(Kind::Colon)
            }
            'a'..='z' | 'A'..='Z' | '_' => match self.duration_keyword() {
                Some(kind) => Some(kind),
                None => self.fail(format!("unexpected character: {}, expected ':'", quoted_char(Some(c)))),
            },
            '(' => {
                self.paren_depth += 1;
                Some(Kind::LeftParen)
            }
            ')' => self.right_paren(),
            '{' => {
                self.in_braces = true;
                Some(Kind::LeftBrace)
            }
            '[' if self.in_brackets => self.fail("unexpected left bracket '['".into()),
            '[' => {
                self.in_brackets = true;
                self.got_colon = false;
                self.mode = Mode::Duration;
                Some(Kind::LeftBracket)
            }
            ']' if !self.in_brackets => self.fail("unexpected right bracket ']'".into()),
            ']' => {
                self.in_brackets = false;
                Some(Kind::RightBracket)
            }
            '@' => Some(Kind::At),
            other => self.fail(format!("unexpected character: {}", quoted_char(Some(other)))),
        }
    }

    fn right_paren(&mut self) -> Option<Kind> {
        match self.paren_depth.checked_sub(1) {
            Some(depth) => {
                self.paren_depth = depth;
                Some(Kind::RightParen)
            }
            None => self.fail_behind("unexpected right parenthesis ')'".into()),
        }
    }

    fn inside_braces(&mut self) -> Option<Kind> {
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input inside braces".into());
        };
        match c {
            '#' => self.comment(),
            ' ' | '\t' | '\n' | '\r' => None,
            'a'..='z' | 'A'..='Z' | '_' => {
                self.accept_run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Some(Kind::Identifier)
            }
            ',' => Some(Kind::Comma),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            '=' if self.accept(b"~") => Some(Kind::EqualRegex),
            '=' => Some(Kind::Assign),
            '!' => match self.next() {
                Some('~') => Some(Kind::NotEqualRegex),
                Some('=') => Some(Kind::Operator(BinaryOp::NotEqual)),
                other => {
                    self.fail(format!("unexpected character after '!' inside braces: {}", quoted_char(other)))
                }
            },
            '{' => self.fail("unexpected left brace '{'".into()),
            '}' => {
                self.in_braces = false;
                Some(Kind::RightBrace)
            }
            other => self.fail(format!("unexpected character inside braces: {}", quoted_char(Some(other)))),
        }
    }

    /// What stands in brackets before the first number.
    fn duration_expression(&mut self) -> Option<Kind> {
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input in duration expression".into());
        };
        let operator = |op| Some(Kind::Operator(op));
        match c {
            ']' => {
                self.in_brackets = false;
                self.got_colon = false;
                self.mode = Mode::Statements;
                Some(Kind::RightBracket)
            }
            ':' if !self.got_duration => {
                self.fail_behind("unexpected colon before duration in duration expression".into())
            }
            ':' if self.got_colon => {
                self.fail_behind("unexpected repeated colon in duration expression".into())
            }
            ':' => {
                self.got_colon = true;
                Some(Kind::Colon)
            }
            '(' => {
                self.paren_depth += 1;
                Some(Kind::LeftParen)
            }
            ')' => self.right_paren(),
            ' ' | '\t' | '\n' | '\r' => None,
            '+' => operator(BinaryOp::Add),
            '-' => operator(BinaryOp::Sub),
            '*' => operator(BinaryOp::Mul),
            '/' => operator(BinaryOp::Div),
            '%' => operator(BinaryOp::Mod),
            '^' => operator(BinaryOp::Pow),
            ',' => Some(Kind::Comma),
            '0'..='9' => self.first_number(),
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.first_number(),
            _ => match self.duration_keyword() {
                Some(kind) => Some(kind),
                None => self
                    .fail(format!("unexpected character in duration expression: {}", quoted_char(Some(c)))),
            },
        }
    }

    fn first_number(&mut self) -> Option<Kind> {
        self.got_duration = true;
        self.mode = Mode::Statements;
        self.number_or_duration()
    }

    /// `step`, `range`, `max_of`, `min_of`, of which the first character is consumed.
    fn duration_keyword(&mut self) -> Option<Kind> {
        let first = self.text.as_bytes().get(self.start)?.to_ascii_lowercase();
        if !matches!(first, b's' | b'r' | b'm') {
            return None;
        }
        self.accept_run(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let word = self.text.get(self.start..self.position)?.to_ascii_lowercase();
        let preprocessor = match word.as_str() {
            "step" => Preprocessor::Step,
            "range" => Preprocessor::Range,
            "max_of" => Preprocessor::MaxOf,
            "min_of" => Preprocessor::MinOf,
            _ => return None,
        };
        Some(Kind::Preprocessor(preprocessor))
    }

    fn word(&mut self) -> Kind {
        self.accept_run(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
        let word = self.text.get(self.start..self.position).unwrap_or("");
        match keyword(word) {
            // These are newer than the queries that use them as metric names.
            Some(Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.rest().trim_start_matches(is_space).starts_with('(') =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        }
    }

    fn number_or_duration(&mut self) -> Option<Kind> {
        self.position = self.start;
        if self.number() {
            return Some(Kind::Number);
        }
        if self.duration_units() {
            return Some(Kind::Duration);
        }
        let text = self.text.get(self.start..self.position).unwrap_or("");
        self.fail(format!("bad number or duration syntax: {}", quoted(text)))
    }

    /// The rest of a duration whose first number is consumed.
    fn duration_units(&mut self) -> bool {
        if !self.accept(b"smhdwy") {
            return false;
        }
        // `ms`. Units that do not exist, such as `hs`, fail when the duration is parsed.
        self.accept(b"s");
        while self.accept(b"0123456789") {
            self.accept_run(|byte| byte.is_ascii_digit());
            if !self.accept(b"smhdw") {
                return false;
            }
            self.accept(b"s");
        }
        match self.peek() {
            Some(c) if is_alphanumeric(c) => {
                self.next();
                false
            }
            _ => true,
        }
    }

    /// A number in one of Go's notations. What it consumed may still be no number: then converting
    /// it fails.
    fn number(&mut self) -> bool {
        let mut digits: &[u8] = b"0123456789";
        if self.accept(b"0") && self.accept(b"xX") {
            self.accept(b"_");
            digits = b"0123456789abcdefABCDEF";
        }
        let is_hex = digits.len() > 10;
        self.accept(b".");
        self.accept(digits);
        let (mut got_dot, mut got_exponent) = (false, false);
        while self.is(digits) || self.is(b"._eE") {
            if self.is(b".") && got_dot || self.is(b"eE") && got_exponent {
                self.position += 1;
                return false;
            }
            if self.accept(b".") {
                got_dot = true;
                if self.accept(b"_.") || is_hex {
                    return false;
                }
            } else if self.accept(b"eE") {
                got_exponent = true;
                self.accept(b"+-");
                if self.accept(b"._eE") || self.peek().is_none() {
                    return false;
                }
            } else if self.accept(b"_") {
                if self.accept(b"._eE") || self.peek().is_none() {
                    return false;
                }
            } else {
                self.accept_run(|byte| digits.contains(&byte));
            }
        }
        self.position > self.start && !self.peek().is_some_and(is_alphanumeric)
    }

    /// A quoted string whose first quote is consumed.
    fn string(&mut self, quote: char) -> Option<Kind> {
        loop {
            match self.next() {
                Some('\\') => {
                    if let Err(message) = self.escape(quote) {
                        return self.fail(message);
                    }
                }
                Some('\u{fffd}') => return self.fail("invalid UTF-8 rune".into()),
                None | Some('\n') => return self.fail("unterminated quoted string".into()),
                Some(c) if c == quote => return Some(Kind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Option<Kind> {
        loop {
            match self.next() {
                Some('\u{fffd}') => return self.fail("invalid UTF-8 rune".into()),
                None => return self.fail("unterminated raw string".into()),
                Some('`') => return Some(Kind::String),
                Some(_) => {}
            }
        }
    }

    /// Checks an escape sequence whose backslash is consumed.
    fn escape(&mut self, quote: char) -> Result<(), String> {
        let unterminated = || "escape sequence not terminated".to_string();
        let first = self.next().ok_or_else(unterminated)?;
        let (digits, base, max) = match first {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => {
                self.position -= 1;
                (3, 8, 0xff)
            }
            'x' => (2, 16, 0xff),
            'u' => (4, 16, 0x10_ffff),
            'U' => (8, 16, 0x10_ffff),
            other => return Err(format!("unknown escape sequence {}", code_point(other))),
        };
        let mut value: u32 = 0;
        for _ in 0..digits {
            let c = self.next().ok_or_else(unterminated)?;
            let digit = c
                .to_digit(base)
                .ok_or_else(|| format!("illegal character {} in escape sequence", code_point(c)))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }
}

/// `U+0063 'c'`
fn code_point(c: char) -> String {
    if is_printable(c) { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}

pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The words with a meaning, in any case.
fn keyword(word: &str) -> Option<Kind> {
    if word.len() > 12 {
        return None;
    }
    let mut lower = [0u8; 12];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"and" => Kind::Operator(BinaryOp::And),
        b"or" => Kind::Operator(BinaryOp::Or),
        b"unless" => Kind::Operator(BinaryOp::Unless),
        b"atan2" => Kind::Operator(BinaryOp::Atan2),
        b"sum" => Kind::Aggregate(AggregateOp::Sum),
        b"avg" => Kind::Aggregate(AggregateOp::Avg),
        b"count" => Kind::Aggregate(AggregateOp::Count),
        b"min" => Kind::Aggregate(AggregateOp::Min),
        b"max" => Kind::Aggregate(AggregateOp::Max),
        b"group" => Kind::Aggregate(AggregateOp::Group),
        b"stddev" => Kind::Aggregate(AggregateOp::Stddev),
        b"stdvar" => Kind::Aggregate(AggregateOp::Stdvar),
        b"topk" => Kind::Aggregate(AggregateOp::TopK),
        b"bottomk" => Kind::Aggregate(AggregateOp::BottomK),
        b"count_values" => Kind::Aggregate(AggregateOp::CountValues),
        b"quantile" => Kind::Aggregate(AggregateOp::Quantile),
        b"limitk" => Kind::Aggregate(AggregateOp::LimitK),
        b"limit_ratio" => Kind::Aggregate(AggregateOp::LimitRatio),
        b"offset" => Kind::Keyword(Keyword::Offset),
        b"smoothed" => Kind::Keyword(Keyword::Smoothed),
        b"anchored" => Kind::Keyword(Keyword::Anchored),
        b"by" => Kind::Keyword(Keyword::By),
        b"without" => Kind::Keyword(Keyword::Without),
        b"on" => Kind::Keyword(Keyword::On),
        b"ignoring" => Kind::Keyword(Keyword::Ignoring),
        b"group_left" => Kind::Keyword(Keyword::GroupLeft),
        b"group_right" => Kind::Keyword(Keyword::GroupRight),
        b"fill" => Kind::Keyword(Keyword::Fill),
        b"fill_left" => Kind::Keyword(Keyword::FillLeft),
        b"fill_right" => Kind::Keyword(Keyword::FillRight),
        b"bool" => Kind::Keyword(Keyword::Bool),
        b"start" => Kind::Preprocessor(Preprocessor::Start),
        b"end" => Kind::Preprocessor(Preprocessor::End),
        b"step" => Kind::Preprocessor(Preprocessor::Step),
        b"range" => Kind::Preprocessor(Preprocessor::Range),
        b"max_of" => Kind::Preprocessor(Preprocessor::MaxOf),
        b"min_of" => Kind::Preprocessor(Preprocessor::MinOf),
        b"inf" | b"nan" => Kind::Number,
        _ => return None,
    })
}

/// The text of a string token, without quotes and escapes. Bytes that are no UTF-8 become U+FFFD as in
/// every JSON answer.
pub(crate) fn unquote(token: &str) -> String {
    let bytes = unquote_bytes(token);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The bytes of a string token, without quotes and escapes.
pub(crate) fn unquote_bytes(token: &str) -> Vec<u8> {
    let mut chars = token.chars();
    let quote = chars.next();
    chars.next_back();
    let inner = chars.as_str();
    if quote == Some('`') || !inner.contains('\\') {
        return inner.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let Some(escaped) = chars.next() else { break };
        let mut digits = |count: usize, base: u32, first: u32| {
            chars
                .by_ref()
                .take(count)
                .filter_map(|c| c.to_digit(base))
                .fold(first, |value, digit| value * base + digit)
        };
        match escaped {
            'a' => bytes.push(0x07),
            'b' => bytes.push(0x08),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            'x' => bytes.push(digits(2, 16, 0) as u8),
            'u' | 'U' => {
                let code = digits(if escaped == 'u' { 4 } else { 8 }, 16, 0);
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            '0'..='7' => bytes.push(digits(2, 8, escaped.to_digit(8).unwrap_or(0)) as u8),
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
