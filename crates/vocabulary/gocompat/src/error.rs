//! The one error of this crate. The texts are Go's: users search for them and clients match them.

use crate::quote::quote;
use base::{Classify, ErrorClass};
use std::fmt;

/// What went wrong while reading or running one of Go's notations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A pattern that RE2 refuses.
    #[error("error parsing regexp: {code}: `{expr}`")]
    Regex {
        /// Which rule it breaks.
        code: RegexErrorCode,
        /// The part of the pattern that breaks it.
        expr: String,
    },
    /// A valid pattern whose compiled form would be larger than the limit.
    #[error("error parsing regexp: expression too large: compiled form exceeds {limit_bytes} bytes")]
    RegexTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// A text that is not a number, or not one that fits.
    #[error("strconv.{function}: parsing {}: {problem}", quote(.text))]
    Number {
        /// Go's function, such as `ParseFloat`.
        function: &'static str,
        /// What was to be read.
        text: String,
        /// What is wrong with it.
        problem: NumberProblem,
    },
    /// A text that is not a Go duration; the sentence says why.
    #[error("time: {problem}{}", quote(.text))]
    Duration {
        /// The sentence up to the quoted text, such as `invalid duration `.
        problem: String,
        /// What was to be read.
        text: String,
    },
    /// A text that does not fit its time layout, or a time zone nobody knows; the text is Go's.
    #[error("{0}")]
    Time(String),
    /// A template that does not parse; the text is Go's, with name and line.
    #[error("{0}")]
    TemplateSyntax(String),
    /// A template that failed while running; the text is Go's, with name, line and column.
    #[error("{0}")]
    TemplateExecution(String),
    /// A template that took more steps, bytes or levels than it may.
    #[error("{0}")]
    TemplateLimit(String),
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::RegexTooLarge { .. } | Error::TemplateLimit(_) => ErrorClass::TooLarge,
            Error::Regex { .. }
            | Error::Number { .. }
            | Error::Duration { .. }
            | Error::Time(_)
            | Error::TemplateSyntax(_)
            | Error::TemplateExecution(_) => ErrorClass::BadInput,
        }
    }
}

/// What is wrong with a text that should be a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberProblem {
    /// It does not read as one.
    #[error("invalid syntax")]
    Syntax,
    /// It is too large.
    #[error("value out of range")]
    Range,
}

/// The ways in which a pattern can be wrong, as Go's `regexp/syntax` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegexErrorCode {
    /// A class range that ends before it starts, or a class name nobody knows.
    InvalidCharRange,
    /// A backslash with something that is no escape.
    InvalidEscape,
    /// A group name that is empty, unfinished or has other characters than letters, digits, `_`.
    InvalidNamedCapture,
    /// `(?` with something that is no flag and no group.
    InvalidPerlOp,
    /// A repetition of a repetition, such as `a**`.
    InvalidRepeatOp,
    /// A count over 1000, also as the product of nested counts, or a range that runs backwards.
    InvalidRepeatSize,
    /// `[` without `]`.
    MissingBracket,
    /// `(` without `)`.
    MissingParen,
    /// A repetition of nothing.
    MissingRepeatArgument,
    /// A backslash at the end.
    TrailingBackslash,
    /// `)` without `(`.
    UnexpectedParen,
    /// Too many levels.
    NestingDepth,
    /// Too many instructions.
    Large,
}

impl fmt::Display for RegexErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RegexErrorCode::InvalidCharRange => "invalid character class range",
            RegexErrorCode::InvalidEscape => "invalid escape sequence",
            RegexErrorCode::InvalidNamedCapture => "invalid named capture",
            RegexErrorCode::InvalidPerlOp => "invalid or unsupported Perl syntax",
            RegexErrorCode::InvalidRepeatOp => "invalid nested repetition operator",
            RegexErrorCode::InvalidRepeatSize => "invalid repeat count",
            RegexErrorCode::MissingBracket => "missing closing ]",
            RegexErrorCode::MissingParen => "missing closing )",
            RegexErrorCode::MissingRepeatArgument => "missing argument to repetition operator",
            RegexErrorCode::TrailingBackslash => "trailing backslash at end of expression",
            RegexErrorCode::UnexpectedParen => "unexpected )",
            RegexErrorCode::NestingDepth => "expression nests too deeply",
            RegexErrorCode::Large => "expression too large",
        })
    }
}
