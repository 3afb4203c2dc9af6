//! Cuts a template into text and the words of its actions.

use crate::quote::quote;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ends the words: a text that cannot be cut further. The token's text is the reason.
    Error,
    End,
    Text,
    Open,
    Close,
    Space,
    Pipe,
    Assign,
    Declare,
    Char,
    CharConstant,
    Number,
    String,
    RawString,
    Bool,
    Field,
    Identifier,
    Variable,
    ParenOpen,
    ParenClose,
    Dot,
    Nil,
    Keyword(Keyword),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Where it starts, in bytes.
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) text: String,
}

impl Token {
    /// How errors name it.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            Kind::End => "EOF".into(),
            Kind::Error => self.text.clone(),
            Kind::Dot | Kind::Nil | Kind::Keyword(_) => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!("{}...", quote(&self.text.chars().take(10).collect::<String>()))
            }
            _ => quote(&self.text),
        }
    }
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Cuts `input`. The last token is [`Kind::End`] or [`Kind::Error`].
pub(super) fn tokens(input: &str) -> Vec<Token> {
    let mut lexer = Lexer { input, at: 0, start: 0, line: 1, start_line: 1, paren_depth: 0, out: Vec::new() };
    if let Err(reason) = lexer.run() {
        lexer.out.push(Token { kind: Kind::Error, at: lexer.start, line: lexer.start_line, text: reason });
    }
    lexer.out
}

struct Lexer<'i> {
    input: &'i str,
    at: usize,
    /// Where the token being read starts.
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    out: Vec<Token>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// A character as Go's `%#U` writes it.
fn describe_char(c: char) -> String {
    if crate::quote::is_printable(c) {
        format!("U+{:04X} '{c}'", c as u32)
    } else {
        format!("U+{:04X}", c as u32)
    }
}

impl<'i> Lexer<'i> {
    fn rest(&self) -> &'i str {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.rest()[..bytes];
        self.line += memchr::memchr_iter(b'\n', passed.as_bytes()).count();
        self.at += bytes;
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.advance(c.len_utf8());
        Some(c)
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.advance(rest.find(|c| !accept(c)).unwrap_or(rest.len()));
    }

    fn take_any(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn skip(&mut self) {
        self.start = self.at;
        self.start_line = self.line;
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.input[self.start..self.at].to_string();
        self.out.push(Token { kind, at: self.start, line: self.start_line, text });
        self.skip();
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let Some(open) = memchr::memmem::find(rest.as_bytes(), OPEN.as_bytes()) else {
                self.advance(rest.len());
                if self.at > self.start {
                    self.emit(Kind::Text);
                }
                self.emit(Kind::End);
                return Ok(());
            };
            let after = &rest[open + OPEN.len()..];
            let trims = after.starts_with('-') && after[1..].starts_with(is_space);
            let text = if trims { rest[..open].trim_end_matches(is_space) } else { &rest[..open] };
            self.advance(text.len());
            if self.at > self.start {
                self.emit(Kind::Text);
            }
            self.advance(open - text.len());
            self.skip();
            let marker = if trims { 2 } else { 0 };
            if after[marker..].starts_with("/*") {
                self.comment(OPEN.len() + marker)?;
                continue;
            }
            self.advance(OPEN.len());
            self.emit(Kind::Open);
            self.advance(marker);
            self.skip();
            self.paren_depth = 0;
            self.action()?;
        }
    }

    fn comment(&mut self, opening: usize) -> Result<(), String> {
        self.advance(opening);
        let Some(end) = self.rest().find("*/") else { return Err("unclosed comment".into()) };
        self.advance(end + 2);
        let Some(trims) = self.at_close() else {
            return Err("comment ends before closing delimiter".into());
        };
        self.close(trims);
        Ok(())
    }

    /// Whether the action ends here, and if so, whether it trims what follows.
    fn at_close(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with(is_space) && rest[1..].starts_with("-}}") {
            return Some(true);
        }
        rest.starts_with(CLOSE).then_some(false)
    }

    /// Passes the closing delimiter and what it trims.
    fn close(&mut self, trims: bool) {
        self.advance(CLOSE.len() + if trims { 2 } else { 0 });
        if trims {
            self.take_while(is_space);
        }
        self.skip();
    }

    /// The words of an action, up to its end.
    fn action(&mut self) -> Result<(), String> {
        loop {
            if let Some(trims) = self.at_close() {
                if self.paren_depth > 0 {
                    return Err("unclosed left paren".into());
                }
                if trims {
                    self.advance(2);
                    self.skip();
                }
                self.advance(CLOSE.len());
                self.emit(Kind::Close);
                if trims {
                    self.take_while(is_space);
                    self.skip();
                }
                return Ok(());
            }
            let Some(c) = self.next() else { return Err("unclosed action".into()) };
            match c {
                c if is_space(c) => {
                    // The space before a trimming delimiter belongs to the delimiter.
                    while self.peek().is_some_and(is_space) && self.at_close().is_none() {
                        self.next();
                    }
                    self.emit(Kind::Space);
                }
                '=' => self.emit(Kind::Assign),
                ':' => {
                    if self.next() != Some('=') {
                        return Err("expected :=".into());
                    }
                    self.emit(Kind::Declare);
                }
                '|' => self.emit(Kind::Pipe),
                '"' => self.quoted('"', "unterminated quoted string", Kind::String)?,
                '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
                '`' => {
                    let Some(end) = self.rest().find('`') else {
                        return Err("unterminated raw quoted string".into());
                    };
                    self.advance(end + 1);
                    self.emit(Kind::RawString);
                }
                '$' => self.field_or_variable(Kind::Variable, Kind::Variable)?,
                '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                    self.field_or_variable(Kind::Field, Kind::Dot)?;
                }
                '.' | '+' | '-' | '0'..='9' => self.number(c)?,
                c if is_word(c) => self.word()?,
                '(' => {
                    self.paren_depth += 1;
                    self.emit(Kind::ParenOpen);
                }
                ')' => {
                    let Some(depth) = self.paren_depth.checked_sub(1) else {
                        return Err("unexpected right paren".into());
                    };
                    self.paren_depth = depth;
                    self.emit(Kind::ParenClose);
                }
                ' '..='~' => self.emit(Kind::Char),
                c => return Err(format!("unrecognized character in action: {}", describe_char(c))),
            }
        }
    }

    fn quoted(&mut self, delimiter: char, unterminated: &str, kind: Kind) -> Result<(), String> {
        loop {
            let mut c = self.next();
            if c == Some('\\') {
                c = self.next().filter(|&c| c != '\n');
                if c.is_some() {
                    continue;
                }
            }
            match c {
                None | Some('\n') => return Err(unterminated.into()),
                Some(c) if c == delimiter => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn field_or_variable(&mut self, kind: Kind, alone: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone);
            return Ok(());
        }
        self.take_while(is_word);
        self.check_terminator()?;
        self.emit(kind);
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        self.take_while(is_word);
        self.check_terminator()?;
        let kind = match &self.input[self.start..self.at] {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "nil" => Kind::Nil,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(CLOSE),
        }
    }

    fn check_terminator(&self) -> Result<(), String> {
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(format!("bad character {}", describe_char(c))),
            _ => Ok(()),
        }
    }

    /// A number, roughly: the parser looks closer.
    fn number(&mut self, first: char) -> Result<(), String> {
        self.at = self.start + first.len_utf8();
        let mut digits = "0123456789_";
        let mut is_zero = first == '0';
        if matches!(first, '+' | '-') {
            is_zero = self.take_any("0");
        }
        let mut is_hex = false;
        if is_zero {
            if self.take_any("xX") {
                digits = "0123456789abcdefABCDEF_";
                is_hex = true;
            } else if self.take_any("oO") {
                digits = "01234567_";
            } else if self.take_any("bB") {
                digits = "01_";
            }
        }
        self.take_while(|c| digits.contains(c));
        if first != '.' && self.take_any(".") {
            self.take_while(|c| digits.contains(c));
        }
        if self.take_any(if is_hex { "pP" } else { "eE" }) {
            self.take_any("+-");
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        // What follows must not belong to a word; a sign would make it a complex number.
        if self.peek().is_some_and(|c| is_word(c) || c == '+' || c == '-') {
            self.next();
            return Err(format!("bad number syntax: {}", quote(&self.input[self.start..self.at])));
        }
        self.emit(Kind::Number);
        Ok(())
    }
}
