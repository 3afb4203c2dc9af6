//! From text to syntax tree, with Prometheus's grammar, types and messages.
//!
//! The grammar has one token of lookahead. After a mistake the parser goes on as a table-driven one
//! would, so that the list of errors is the same: it reports at the innermost construct that knows
//! what it expected, then drops tokens until one fits.

mod check;
mod duration;
mod lexer;
mod literal;
mod modifiers;
mod parser;
mod selector;
mod series;
#[cfg(test)]
mod tests;

use std::fmt;

use base::error::{Classify, ErrorClass};
use model::labels::Labels;
use model::matcher::Matcher;

use crate::ast::{Expr, Span};
pub use series::{HistogramStep, SequenceValue, parse_series_description};

/// How deep an expression may be nested. Every later stage walks the tree by recursion and may rely
/// on it.
pub const MAX_NESTING: usize = 256;

/// How deep the tree of an expression may be: unlike parentheses, operators in a row (`a + b + c ...`)
/// need no recursion to parse but make the tree deeper too.
pub const MAX_DEPTH: usize = 1024;

/// The parts of the language that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Functions and aggregations marked experimental.
    pub experimental_functions: bool,
    /// Calculations where a duration belongs: `[5m + step()]`.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
}

impl Features {
    /// Everything on.
    pub const fn all() -> Self {
        Features {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}

/// What Prometheus 3.14 has on without any flag.
impl Default for Features {
    fn default() -> Self {
        Features {
            experimental_functions: false,
            duration_expressions: true,
            extended_range_selectors: false,
            fill_modifiers: false,
        }
    }
}

/// A line and a column of a query, both counted from 1, columns in bytes. Shown as `line:column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line; 0 if the query is empty, so that there is no position.
    pub line: usize,
    /// The column in bytes; 0 if the offset lies outside the query.
    pub column: usize,
}

impl Position {
    /// The position of a byte of a query.
    pub fn of(query: &str, offset: usize) -> Self {
        if query.is_empty() {
            return Position { line: 0, column: 0 };
        }
        let Some(before) = query.as_bytes().get(..offset) else {
            return Position { line: 1, column: 0 };
        };
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Position { line, column: offset - line_start + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str("unknown position"),
            (_, 0) => f.write_str("invalid position"),
            (line, column) => write!(f, "{line}:{column}"),
        }
    }
}

/// One mistake in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes it is about.
    pub span: Span,
    /// What is wrong, in Prometheus's words.
    pub message: String,
    /// Where it is.
    pub position: Position,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: parse error: {}", self.position, self.message)
    }
}

/// The mistakes in a query, at least one. Displays the first, as Prometheus's API does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseErrors(pub Vec<ParseError>);

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(error) => error.fmt(f),
            None => f.write_str("error contains no error message"),
        }
    }
}

impl std::error::Error for ParseErrors {}

impl Classify for ParseErrors {
    fn class(&self) -> ErrorClass {
        ErrorClass::BadInput
    }
}

/// Parses and type-checks an expression. Bytes of a request that are no UTF-8 should come in as
/// U+FFFD, which is refused in strings as Prometheus refuses such bytes.
pub fn parse(query: &str, features: &Features) -> Result<Expr, ParseErrors> {
    let mut parser = parser::Parser::new(query, *features);
    let expr = parser.parse_expression();
    match (expr, parser.errors.is_empty()) {
        (Some(mut expr), true) => {
            check::check(&mut expr, query, &mut parser.errors);
            if parser.errors.is_empty() { Ok(*expr) } else { Err(ParseErrors(parser.errors)) }
        }
        (None, true) => {
            parser.error(Span::default(), "no expression found in input");
            Err(ParseErrors(parser.errors))
        }
        _ => Err(ParseErrors(parser.errors)),
    }
}

/// Parses a selector such as `up{job="node"}`, as in `match[]`. Unlike in a query, it may be empty.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    let mut parser = parser::Parser::new(text, Features::default());
    let matchers = parser.parse_selector_only();
    parser.finish(matchers)
}

/// Parses the labels of a series: `up{job="node"}`.
pub fn parse_metric(text: &str) -> Result<Labels, ParseErrors> {
    let mut parser = parser::Parser::new(text, Features::default());
    let labels = parser.parse_metric_only();
    parser.finish(labels)
}
