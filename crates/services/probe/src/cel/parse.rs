//! From text to a tree. Precedence, from loose to tight: `?:`, `||`, `&&`, relations and `in`, `+ -`, `* / %`,
//! unary `! -`, members.

use std::rc::Rc;
use std::sync::Arc;

use gocompat::re2::Regex;

use super::{CelError, functions};

/// Depth of brackets.
const DEPTH_MAX: usize = 100;
/// Operators and members; each may be one more level of the tree.
const OPERATORS_MAX: usize = 500;

pub(super) enum Expr {
    Literal(Literal),
    /// `body` or the variable of a macro, by its place from the inside.
    Variable(String),
    TypeName(&'static str),
    Field(Box<Expr>, Arc<str>),
    Index(Box<Expr>, Box<Expr>),
    /// `has(a.b)`.
    Has(Box<Expr>, Arc<str>),
    Call(&'static str, Vec<Expr>),
    /// A pattern known from the start.
    Matches(Box<Expr>, Regex),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Macro {
        kind: Macro,
        over: Box<Expr>,
        variable: String,
        body: Box<Expr>,
        result: Option<Box<Expr>>,
    },
}

pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Int(i128),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Sign(&'static str),
    End,
}

pub(super) fn parse(text: &str) -> Result<Expr, CelError> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, operators: 0, scope: vec!["body".to_string()] };
    let root = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(root),
        _ => Err(parser.unexpected()),
    }
}

const SIGNS: [&str; 25] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]",
    "{", "}", ",", ".", ";",
];

fn lex(text: &str) -> Result<Vec<(Token, usize)>, CelError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
            continue;
        }
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, at));
            return Ok(tokens);
        };
        let fail = |why: &str| CelError(format!("column {}: {why}", at + 1));
        let (token, length) = if let Some(found) = quoted(rest) {
            found.map_err(|why| fail(&why))?
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            number(rest).ok_or_else(|| fail("not a number"))?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Token::Name(rest[..length].to_string()), length)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| fail(&format!("unexpected {first:?}")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((token, at));
        rest = &rest[length..];
    }
}

fn number(text: &str) -> Option<(Token, usize)> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let length = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        let value = u64::from_str_radix(&hex[..length], 16).ok()?;
        return Some(match hex[length..].starts_with(['u', 'U']) {
            true => (Token::Uint(value), length + 3),
            false => (Token::Int(i128::from(value)), length + 2),
        });
    }
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    let mut is_double = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        is_double = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent_end = digits(end + 1 + sign);
        if exponent_end > end + 1 + sign {
            is_double = true;
            end = exponent_end;
        }
    }
    if is_double {
        return Some((Token::Double(text[..end].parse().ok()?), end));
    }
    match bytes.get(end) {
        Some(b'u' | b'U') => Some((Token::Uint(text[..end].parse().ok()?), end + 1)),
        _ => Some((Token::Int(text[..end].parse().ok()?), end)),
    }
}

/// A text or bytes in quotes, if one begins here, and how long it is.
fn quoted(text: &str) -> Option<Result<(Token, usize), String>> {
    let prefix = text.bytes().take(3).position(|byte| matches!(byte, b'"' | b'\''))?;
    let (mut raw, mut bytes) = (false, false);
    for flag in text[..prefix].chars() {
        match flag {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            _ => return None,
        }
    }
    let inside = &text[prefix..];
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| inside.starts_with(quote))?;
    let mut out: Vec<u8> = Vec::new();
    let mut rest = &inside[quote.len()..];
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            let length = text.len() - after.len();
            return Some(match bytes {
                true => Ok((Token::Bytes(out), length)),
                false => String::from_utf8(out)
                    .map(|text| (Token::String(text), length))
                    .map_err(|_| "not a text".to_string()),
            });
        }
        let Some(c) = rest.chars().next() else { return Some(Err("a quote is missing".into())) };
        if c == '\n' && quote.len() == 1 {
            return Some(Err("a quote is missing".into()));
        }
        if c == '\\' && !raw {
            match escape(&rest[1..], bytes, &mut out) {
                Some(length) => rest = &rest[1 + length..],
                None => return Some(Err("unknown escape sequence".into())),
            }
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
}

fn escape(text: &str, bytes: bool, out: &mut Vec<u8>) -> Option<usize> {
    let first = text.chars().next()?;
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' | '`' | '?' => first as u8,
        _ => 0,
    };
    if simple != 0 {
        out.push(simple);
        return Some(1);
    }
    let (digits, radix, skip) = match first {
        'x' | 'X' => (2, 16, 1),
        'u' => (4, 16, 1),
        'U' => (8, 16, 1),
        '0'..='3' => (3, 8, 0),
        _ => return None,
    };
    let code = u32::from_str_radix(text.get(skip..skip + digits)?, radix).ok()?;
    if bytes && digits <= 3 {
        out.push(u8::try_from(code).ok()?);
    } else {
        out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(skip + digits)
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    operators: usize,
    scope: Vec<String>,
}

type Parsed = Result<Expr, CelError>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Token::Sign(own) if *own == sign);
        self.at += usize::from(is);
        is
    }

    fn demand(&mut self, sign: &str) -> Result<(), CelError> {
        match self.accept(sign) {
            true => Ok(()),
            false => Err(self.fail(&format!("expected {sign:?}"))),
        }
    }

    fn fail(&self, why: &str) -> CelError {
        let column = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, at)| at + 1);
        CelError(format!("column {column}: {why}"))
    }

    fn count(&mut self, operators: usize) -> Result<(), CelError> {
        self.operators += operators;
        match self.operators > OPERATORS_MAX {
            true => Err(self.fail(&format!("more than {OPERATORS_MAX} operators"))),
            false => Ok(()),
        }
    }

    fn unexpected(&self) -> CelError {
        match self.peek() {
            Token::End => self.fail("the expression ends too early"),
            Token::Sign(sign) => self.fail(&format!("unexpected {sign:?}")),
            Token::Name(name) => self.fail(&format!("unexpected {name:?}")),
            _ => self.fail("unexpected literal"),
        }
    }

    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fail("the expression is nested too deeply"));
        }
        let condition = self.or()?;
        let result = if self.accept("?") {
            let then = self.or()?;
            self.demand(":")?;
            let otherwise = self.expression()?;
            Expr::Choose(Box::new(condition), Box::new(then), Box::new(otherwise))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(result)
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.accept("||") {
            self.count(1)?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.relation()?;
        while self.accept("&&") {
            self.count(1)?;
            left = Expr::And(Box::new(left), Box::new(self.relation()?));
        }
        Ok(left)
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("==") => Operator::Equal,
                Token::Sign("!=") => Operator::NotEqual,
                Token::Sign("<") => Operator::Less,
                Token::Sign("<=") => Operator::LessOrEqual,
                Token::Sign(">") => Operator::Greater,
                Token::Sign(">=") => Operator::GreaterOrEqual,
                Token::Name(name) if name == "in" => Operator::In,
                _ => return Ok(left),
            };
            self.at += 1;
            self.count(1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("+") => Operator::Add,
                Token::Sign("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            self.count(1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("*") => Operator::Multiply,
                Token::Sign("/") => Operator::Divide,
                Token::Sign("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            self.count(1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed {
        let (mut nots, mut minuses) = (0usize, 0usize);
        while self.accept("!") {
            nots += 1;
        }
        while nots == 0 && self.accept("-") {
            minuses += 1;
            if let Token::Int(value) = *self.peek() {
                // The smallest number has no positive counterpart.
                let value = if minuses % 2 == 1 { -value } else { value };
                let value = i64::try_from(value).map_err(|_| self.fail("the number is too large"))?;
                self.at += 1;
                return self.members(Expr::Literal(Literal::Int(value)));
            }
        }
        self.count(nots + minuses)?;
        let primary = self.primary()?;
        let mut result = self.members(primary)?;
        for _ in 0..nots {
            result = Expr::Not(Box::new(result));
        }
        for _ in 0..minuses {
            result = Expr::Negate(Box::new(result));
        }
        Ok(result)
    }

    fn primary(&mut self) -> Parsed {
        if self.accept("(") {
            let inside = self.expression()?;
            self.demand(")")?;
            return Ok(inside);
        }
        if self.accept("[") {
            return Ok(Expr::List(self.list("]")?));
        }
        if self.accept("{") {
            let mut entries = Vec::new();
            while !self.accept("}") {
                let key = self.expression()?;
                self.demand(":")?;
                entries.push((key, self.expression()?));
                if !self.accept(",") {
                    self.demand("}")?;
                    break;
                }
            }
            return Ok(Expr::Map(entries));
        }
        self.accept(".");
        let place = self.at;
        let literal = match self.next() {
            Token::Int(value) => {
                Literal::Int(i64::try_from(value).map_err(|_| self.fail("the number is too large"))?)
            }
            Token::Uint(value) => Literal::Uint(value),
            Token::Double(value) => Literal::Double(value),
            Token::String(text) => Literal::String(text.into()),
            Token::Bytes(bytes) => Literal::Bytes(bytes.into()),
            Token::Name(name) => match name.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => {
                    self.at = place + 1;
                    return self.named(name, place);
                }
            },
            _ => {
                self.at = place;
                return Err(self.unexpected());
            }
        };
        Ok(Expr::Literal(literal))
    }

    /// Expressions up to the sign that ends a list.
    fn list(&mut self, end: &str) -> Result<Vec<Expr>, CelError> {
        let mut items = Vec::new();
        while !self.accept(end) {
            items.push(self.expression()?);
            if !self.accept(",") {
                self.demand(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn named(&mut self, name: String, place: usize) -> Parsed {
        if self.accept("(") {
            if name == "has" {
                let argument = self.expression()?;
                self.demand(")")?;
                return match argument {
                    Expr::Field(of, field) => Ok(Expr::Has(of, field)),
                    _ => Err(self.fail("has() takes a field, such as has(body.name)")),
                };
            }
            let arguments = self.list(")")?;
            return self.call(&name, arguments, place);
        }
        if self.scope.contains(&name) {
            return Ok(Expr::Variable(name));
        }
        if let Some(known) = functions::TYPES.iter().find(|known| **known == name) {
            return Ok(Expr::TypeName(known));
        }
        self.at = place;
        Err(self.fail(&format!("undeclared reference to '{name}'; there is only body")))
    }

    fn call(&mut self, name: &str, mut arguments: Vec<Expr>, place: usize) -> Parsed {
        let Some((known, counts)) = functions::known(name) else {
            self.at = place;
            return Err(self.fail(&format!("undeclared reference to '{name}'")));
        };
        if !counts.contains(&arguments.len()) {
            self.at = place;
            return Err(self.fail(&format!("{name} does not take {} arguments", arguments.len())));
        }
        if known == "matches"
            && let Some(Expr::Literal(Literal::String(pattern))) = arguments.get(1)
        {
            let regex = Regex::new(pattern).map_err(|error| self.fail(&error.to_string()))?;
            return Ok(Expr::Matches(Box::new(arguments.swap_remove(0)), regex));
        }
        Ok(Expr::Call(known, arguments))
    }

    fn members(&mut self, mut of: Expr) -> Parsed {
        loop {
            if self.accept("[") {
                self.count(1)?;
                let index = self.expression()?;
                self.demand("]")?;
                of = Expr::Index(Box::new(of), Box::new(index));
                continue;
            }
            if !self.accept(".") {
                return Ok(of);
            }
            self.count(1)?;
            let place = self.at;
            let Token::Name(name) = self.next() else {
                self.at = place;
                return Err(self.unexpected());
            };
            if !self.accept("(") {
                of = Expr::Field(Box::new(of), name.into());
                continue;
            }
            let kind = match name.as_str() {
                "all" => Some(Macro::All),
                "exists" => Some(Macro::Exists),
                "exists_one" | "existsOne" => Some(Macro::ExistsOne),
                "filter" => Some(Macro::Filter),
                "map" => Some(Macro::Map),
                _ => None,
            };
            of = match kind {
                Some(kind) => self.comprehension(kind, of)?,
                None => {
                    let mut arguments = vec![of];
                    arguments.extend(self.list(")")?);
                    self.call(&name, arguments, place)?
                }
            };
        }
    }

    fn comprehension(&mut self, kind: Macro, over: Expr) -> Parsed {
        let Token::Name(variable) = self.next() else {
            self.at -= 1;
            return Err(self.fail("expected the name of a variable"));
        };
        self.demand(",")?;
        self.scope.push(variable.clone());
        let body = self.expression();
        let result = match self.accept(",") {
            true if kind == Macro::Map => Some(self.expression()?),
            true => return Err(self.fail("too many arguments")),
            false => None,
        };
        self.scope.pop();
        self.demand(")")?;
        Ok(Expr::Macro {
            kind,
            over: Box::new(over),
            variable,
            body: Box::new(body?),
            result: result.map(Box::new),
        })
    }
}

impl Literal {
    pub(super) fn value(&self) -> super::Value {
        use super::Value;
        match self {
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Int(value) => Value::Int(*value),
            Literal::Uint(value) => Value::Uint(*value),
            Literal::Double(value) => Value::Double(*value),
            Literal::String(text) => Value::String(Rc::from(&**text)),
            Literal::Bytes(bytes) => Value::Bytes(Rc::from(&**bytes)),
        }
    }
}
