//! Cuts a body into tokens with the state machine of Prometheus's lexers: which token a byte starts
//! depends on what came before, and where a token breaks off decides what an error text shows.

use super::Dialect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Invalid,
    Eof,
    Linebreak,
    Whitespace,
    Help,
    Type,
    Unit,
    EofWord,
    Text,
    Comment,
    MetricName,
    QuotedString,
    BraceOpen,
    BraceClose,
    LabelName,
    LabelValue,
    Comma,
    Equal,
    Timestamp,
    Value,
}

impl Token {
    /// The name in error texts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Token::Invalid => "INVALID",
            Token::Eof => "EOF",
            Token::Linebreak => "LINEBREAK",
            Token::Whitespace => "WHITESPACE",
            Token::Help => "HELP",
            Token::Type => "TYPE",
            Token::Unit => "UNIT",
            Token::EofWord => "EOFWORD",
            Token::Text => "TEXT",
            Token::Comment => "COMMENT",
            Token::MetricName => "MNAME",
            Token::QuotedString => "QSTRING",
            Token::BraceOpen => "BOPEN",
            Token::BraceClose => "BCLOSE",
            Token::LabelName => "LNAME",
            Token::LabelValue => "LVALUE",
            Token::Comma => "COMMA",
            Token::Equal => "EQUAL",
            Token::Timestamp => "TIMESTAMP",
            Token::Value => "VALUE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Init,
    MetaName,
    MetaText,
    Labels,
    LabelValue,
    Value,
    Timestamp,
    Exemplar,
    ExemplarValue,
    ExemplarTimestamp,
}

pub(super) struct Lexer<'a> {
    dialect: Dialect,
    pub(super) body: &'a [u8],
    /// Where the current token starts.
    pub(super) start: usize,
    /// Where the lexer stands: after the token, or at the byte it broke off at.
    pub(super) at: usize,
    state: State,
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

const fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

impl<'a> Lexer<'a> {
    pub(super) fn new(dialect: Dialect, body: &'a [u8], at: usize) -> Self {
        Lexer { dialect, body, start: at, at, state: State::Init }
    }

    /// The byte at an offset. Prometheus's text ends with a line break even if the body does not.
    fn byte(&self, at: usize) -> Option<u8> {
        match self.body.get(at) {
            None if at == self.body.len() && self.dialect == Dialect::Prometheus => Some(b'\n'),
            byte => byte.copied(),
        }
    }

    /// The bytes of a range, cut at the end; with the line break that is added.
    pub(super) fn shown(&self, from: usize, to: usize) -> Vec<u8> {
        (from..to).map_while(|at| self.byte(at)).collect()
    }

    /// The text of the current token.
    pub(super) fn text(&self) -> &'a [u8] {
        let end = self.at.min(self.body.len());
        self.body.get(self.start.min(end)..end).unwrap_or_default()
    }

    pub(super) fn next_token(&mut self) -> Token {
        let Some(first) = self.byte(self.at) else { return Token::Eof };
        self.start = self.at;
        if self.dialect == Dialect::Prometheus && is_space(first) {
            let end = self.end_of(is_space);
            if self.state != State::MetaText || self.byte(end) == Some(b'\n') {
                self.at = end;
                return Token::Whitespace;
            }
        }
        match self.state {
            State::Init => self.line_start(first),
            State::MetaName => match first {
                b'"' => self.quoted(true, State::MetaText, Token::MetricName),
                first if is_name(first) && !first.is_ascii_digit() => {
                    self.finish(self.end_of(is_name), State::MetaText, Token::MetricName)
                }
                _ => Token::Invalid,
            },
            State::MetaText => self.meta_text(first),
            State::Labels | State::Exemplar => self.in_braces(first),
            State::LabelValue => match first {
                b'"' => self.quoted(self.dialect == Dialect::Prometheus, State::Labels, Token::LabelValue),
                _ => Token::Invalid,
            },
            State::Value if first == b'{' => self.finish(self.at + 1, State::Labels, Token::BraceOpen),
            State::Value => self.value(first, State::Timestamp),
            State::Timestamp | State::ExemplarTimestamp => self.timestamp(first),
            State::ExemplarValue => match first {
                b'"' => self.quoted(false, State::Exemplar, Token::LabelValue),
                _ => self.value(first, State::ExemplarTimestamp),
            },
        }
    }

    fn finish(&mut self, end: usize, state: State, token: Token) -> Token {
        self.at = end;
        self.state = state;
        token
    }

    fn end_of(&self, is_part: impl Fn(u8) -> bool) -> usize {
        self.end_from(self.at, is_part)
    }

    fn end_from(&self, mut at: usize, is_part: impl Fn(u8) -> bool) -> usize {
        while self.byte(at).is_some_and(&is_part) {
            at += 1;
        }
        at
    }

    fn line_start(&mut self, first: u8) -> Token {
        let is_prometheus = self.dialect == Dialect::Prometheus;
        match first {
            0 if is_prometheus => self.finish(self.at + 1, State::Init, Token::Eof),
            b'\n' if is_prometheus => self.finish(self.at + 1, State::Init, Token::Linebreak),
            b'{' => self.finish(self.at + 1, State::Labels, Token::BraceOpen),
            b'#' => {
                self.at += 1;
                if is_prometheus {
                    let words = self.end_of(is_space);
                    if words == self.at {
                        return self.comment();
                    }
                    self.at = words;
                    return self.keyword_after_spaces();
                }
                if self.byte(self.at) != Some(b' ') {
                    return Token::Invalid;
                }
                self.at += 1;
                self.keyword()
            }
            first if is_name(first) && !first.is_ascii_digit() => {
                self.finish(self.end_of(is_name), State::Value, Token::MetricName)
            }
            _ => Token::Invalid,
        }
    }

    /// HELP or TYPE with spaces after it, or else any comment.
    fn keyword_after_spaces(&mut self) -> Token {
        for (word, token) in [(&b"HELP"[..], Token::Help), (b"TYPE", Token::Type)] {
            if self.body.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
                let spaces = self.at + word.len();
                let end = self.end_from(spaces, is_space);
                if end > spaces {
                    return self.finish(end, State::MetaName, token);
                }
            }
        }
        self.comment()
    }

    fn comment(&mut self) -> Token {
        self.finish(self.end_of(|b| b != b'\n'), State::Init, Token::Comment)
    }

    /// One of OpenMetrics's words, each with one space after it, except EOF.
    fn keyword(&mut self) -> Token {
        let words = [
            (&b"HELP "[..], Token::Help),
            (b"TYPE ", Token::Type),
            (b"UNIT ", Token::Unit),
            (b"EOF", Token::EofWord),
        ];
        for (word, token) in words {
            if self.byte(self.at) != word.first().copied() {
                continue;
            }
            for expected in word {
                if self.byte(self.at) != Some(*expected) {
                    return Token::Invalid;
                }
                self.at += 1;
            }
            if token != Token::EofWord {
                return self.finish(self.at, State::MetaName, token);
            }
            let end = self.at + usize::from(self.byte(self.at) == Some(b'\n'));
            return self.finish(end, State::Init, token);
        }
        Token::Invalid
    }

    fn meta_text(&mut self, first: u8) -> Token {
        if self.dialect == Dialect::Prometheus {
            return self.finish(self.end_of(|b| b != b'\n'), State::Init, Token::Text);
        }
        if first != b' ' {
            return Token::Invalid;
        }
        self.at = self.end_of(|b| b != b'\n');
        if self.byte(self.at).is_none() {
            return Token::Invalid;
        }
        self.finish(self.at + 1, State::Init, Token::Text)
    }

    fn in_braces(&mut self, first: u8) -> Token {
        let in_exemplar = self.state == State::Exemplar;
        match first {
            b'"' => self.quoted(!in_exemplar, self.state, Token::QuotedString),
            b'}' if in_exemplar => self.finish(self.at + 1, State::ExemplarValue, Token::BraceClose),
            b'}' => self.finish(self.at + 1, State::Value, Token::BraceClose),
            b'=' if in_exemplar => self.finish(self.at + 1, State::ExemplarValue, Token::Equal),
            b'=' => self.finish(self.at + 1, State::LabelValue, Token::Equal),
            b',' => self.finish(self.at + 1, self.state, Token::Comma),
            first if is_letter(first) => {
                let end = self.end_of(|b| is_letter(b) || b.is_ascii_digit());
                self.finish(end, self.state, Token::LabelName)
            }
            _ => Token::Invalid,
        }
    }

    /// A text in quotes in which a backslash protects any byte but a line break. NUL is part of it
    /// only where a label's value is expected.
    fn quoted(&mut self, linebreaks: bool, then: State, token: Token) -> Token {
        let nul = self.state == State::LabelValue;
        let is_part =
            |byte: u8| byte != b'"' && byte != b'\\' && (byte != b'\n' || linebreaks) && (byte != 0 || nul);
        self.at += 1;
        loop {
            match self.byte(self.at) {
                Some(b'"') => return self.finish(self.at + 1, then, token),
                Some(b'\\') => {
                    self.at += 1;
                    if nul {
                        self.at = self.end_of(|b| b == 0);
                    }
                    match self.byte(self.at) {
                        Some(byte) if byte != b'\n' && byte != 0 => self.at += 1,
                        _ => return Token::Invalid,
                    }
                }
                Some(byte) if is_part(byte) => self.at += 1,
                _ => return Token::Invalid,
            }
        }
    }

    fn value(&mut self, first: u8, then: State) -> Token {
        if self.dialect == Dialect::Prometheus {
            let end = self.end_of(|b| !matches!(b, b'{' | b' ' | b'\t' | b'\n' | 0));
            return if end > self.at { self.finish(end, then, Token::Value) } else { Token::Invalid };
        }
        if first != b' ' {
            return Token::Invalid;
        }
        self.word(then, Token::Value)
    }

    /// OpenMetrics: a space and what follows up to the next one.
    fn word(&mut self, then: State, token: Token) -> Token {
        self.at += 1;
        let end = self.end_of(|b| !matches!(b, b' ' | b'\n' | 0));
        if end > self.at { self.finish(end, then, token) } else { Token::Invalid }
    }

    fn timestamp(&mut self, first: u8) -> Token {
        if first == b'\n' {
            return self.finish(self.at + 1, State::Init, Token::Linebreak);
        }
        if self.dialect == Dialect::Prometheus {
            let end = self.end_of(|b| b.is_ascii_digit());
            return if end > self.at {
                self.finish(end, self.state, Token::Timestamp)
            } else {
                Token::Invalid
            };
        }
        if first != b' ' {
            return Token::Invalid;
        }
        let starts_exemplar = self.state == State::Timestamp
            && self.byte(self.at + 1) == Some(b'#')
            && self.byte(self.at + 2) == Some(b' ');
        if !starts_exemplar {
            return self.word(self.state, Token::Timestamp);
        }
        self.at += 3;
        if self.byte(self.at) == Some(b'{') {
            return self.finish(self.at + 1, State::Exemplar, Token::Comment);
        }
        Token::Invalid
    }
}
