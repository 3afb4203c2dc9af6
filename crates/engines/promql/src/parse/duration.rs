//! Durations, where PromQL wants one, and the calculations they may be.

use crate::ast::{BinaryOp, DurationExpr, DurationOp, NumberLiteral, Span};

use super::lexer::{Kind, Preprocessor};
use super::parser::{Parser, Result, precedence, sign, span_of};

/// Go's longest duration in seconds: 2^63 nanoseconds.
const MAX_SECONDS: f64 = 9_223_372_036.854_776;

impl DurationExpr {
    fn constant(literal: NumberLiteral) -> Self {
        // Rounded to nanoseconds, then cut to milliseconds.
        let duration_ms = (literal.value * 1e9).round() as i64 / 1_000_000;
        DurationExpr::Constant {
            duration_ms,
            seconds: literal.value,
            is_number: !literal.is_duration,
            span: literal.span,
        }
    }

    /// What stands in for a duration that was reported as wrong.
    fn nothing() -> Self {
        let span = Span::default();
        DurationExpr::Constant { duration_ms: 0, seconds: 0.0, is_number: true, span }
    }

    /// Whether it is the constant 0.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, DurationExpr::Constant { seconds, .. } if (seconds * 1e9).round() == 0.0)
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            DurationExpr::Constant { span, .. }
            | DurationExpr::Step(span)
            | DurationExpr::Range(span)
            | DurationExpr::Unary { span, .. }
            | DurationExpr::Binary { span, .. }
            | DurationExpr::Paren { span, .. } => *span,
        }
    }
}

impl Parser<'_> {
    /// A duration in brackets.
    pub(super) fn positive_duration(&mut self) -> Result<DurationExpr> {
        let duration = self.duration(0)?;
        match duration {
            DurationExpr::Constant { seconds, span, .. } if seconds <= 0.0 => {
                self.error(span, "duration must be greater than 0");
                Ok(DurationExpr::nothing())
            }
            _ => Ok(duration),
        }
    }

    /// The duration after `offset`. Without parentheses it ends before the next operator:
    /// `a offset 5m + b` adds vectors.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr> {
        let Some(negative) = sign(self.kind()) else {
            let continues = self.kind() == Kind::LeftParen;
            let first = self.duration_operand()?;
            return if continues { self.duration_climb(first, 0) } else { Ok(first) };
        };
        let start = self.advance();
        let continues = sign(self.kind()).is_some();
        let inner = self.duration_operand()?;
        let inner = if continues { self.duration_climb(inner, precedence(BinaryOp::Pow))? } else { inner };
        let signed = self.signed_duration(negative, span_of(start), inner);
        if continues { self.duration_climb(signed, 0) } else { Ok(signed) }
    }

    fn duration(&mut self, min: u8) -> Result<DurationExpr> {
        self.nested(|parser| {
            let first = parser.duration_operand()?;
            parser.duration_climb(first, min)
        })
    }

    fn duration_climb(&mut self, mut left: DurationExpr, min: u8) -> Result<DurationExpr> {
        // Bounds the depth of the tree, as nesting does for parentheses.
        let mut links = 0;
        loop {
            let Kind::Operator(operator) = self.kind() else { return Ok(left) };
            let op = match operator {
                BinaryOp::Add => DurationOp::Add,
                BinaryOp::Sub => DurationOp::Sub,
                BinaryOp::Mul => DurationOp::Mul,
                BinaryOp::Div => DurationOp::Div,
                BinaryOp::Mod => DurationOp::Mod,
                BinaryOp::Pow => DurationOp::Pow,
                _ => return Ok(left),
            };
            let precedence = precedence(operator);
            if precedence < min {
                return Ok(left);
            }
            links += 1;
            if links > super::MAX_NESTING {
                return self.too_deep(super::MAX_NESTING);
            }
            let token = self.advance();
            let right = self.duration(if op == DurationOp::Pow { precedence } else { precedence + 1 })?;
            self.require_duration_expressions(left.span());
            let is_zero = matches!(right, DurationExpr::Constant { seconds, .. } if seconds == 0.0);
            left = match op {
                DurationOp::Div if is_zero => {
                    self.error(span_of(token), "division by zero");
                    DurationExpr::nothing()
                }
                DurationOp::Mod if is_zero => {
                    self.error(span_of(token), "modulo by zero");
                    DurationExpr::nothing()
                }
                _ => {
                    let span = Span { start: left.span().start, end: right.span().end };
                    DurationExpr::Binary { op, left: Box::new(left), right: Box::new(right), span }
                }
            };
        }
    }

    fn duration_operand(&mut self) -> Result<DurationExpr> {
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Number | Kind::Duration => {
                    let literal = self.number_literal();
                    return Ok(self.duration_literal(literal, span_of(token)));
                }
                Kind::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                    self.advance();
                    let inner = self.duration(precedence(BinaryOp::Pow))?;
                    let negative = sign(token.kind) == Some(true);
                    return Ok(self.signed_duration(negative, span_of(token), inner));
                }
                Kind::Preprocessor(Preprocessor::Step | Preprocessor::Range) => {
                    self.advance();
                    self.expect_kind(Kind::LeftParen)?;
                    let end = self.expect_kind(Kind::RightParen)?.end;
                    let span = Span { start: token.start, end };
                    self.require_duration_expressions(span);
                    return Ok(if token.kind == Kind::Preprocessor(Preprocessor::Step) {
                        DurationExpr::Step(span)
                    } else {
                        DurationExpr::Range(span)
                    });
                }
                Kind::Preprocessor(Preprocessor::MinOf | Preprocessor::MaxOf) => {
                    self.advance();
                    self.expect_kind(Kind::LeftParen)?;
                    let left = Box::new(self.duration(0)?);
                    self.expect_kind(Kind::Comma)?;
                    let right = Box::new(self.duration(0)?);
                    let end = self.expect_kind(Kind::RightParen)?.end;
                    let span = Span { start: token.start, end };
                    self.require_duration_expressions(span);
                    let is_min = token.kind == Kind::Preprocessor(Preprocessor::MinOf);
                    let op = if is_min { DurationOp::MinOf } else { DurationOp::MaxOf };
                    return Ok(DurationExpr::Binary { op, left, right, span });
                }
                Kind::LeftParen => {
                    self.advance();
                    let inner = self.duration(0)?;
                    let end = self.expect_kind(Kind::RightParen)?.end;
                    self.require_duration_expressions(inner.span());
                    let span = Span { start: token.start, end };
                    return Ok(match inner {
                        DurationExpr::Paren { inner, .. } => DurationExpr::Paren { inner, span },
                        inner => DurationExpr::Paren { inner: Box::new(inner), span },
                    });
                }
                _ => self.reject()?,
            }
        }
    }

    fn duration_literal(&mut self, literal: NumberLiteral, blamed: Span) -> DurationExpr {
        if literal.value.abs() > MAX_SECONDS {
            self.error(blamed, "duration out of range");
            return DurationExpr::nothing();
        }
        DurationExpr::constant(literal)
    }

    /// A sign before a number belongs to the number, a plus before anything else says nothing.
    fn signed_duration(&mut self, negative: bool, at: Span, inner: DurationExpr) -> DurationExpr {
        match inner {
            DurationExpr::Constant { seconds, is_number, span, .. } => {
                let value = if negative { -seconds } else { seconds };
                let span = Span { start: at.start, end: span.end };
                DurationExpr::constant(NumberLiteral { value, is_duration: !is_number, span })
            }
            inner if negative => {
                let span = Span { start: at.start, end: inner.span().end };
                DurationExpr::Unary { negative, inner: Box::new(inner), span }
            }
            inner => inner,
        }
    }

    fn require_duration_expressions(&mut self, span: Span) {
        if !self.features.duration_expressions {
            self.error(span, "experimental duration expression is not enabled");
        }
    }
}
