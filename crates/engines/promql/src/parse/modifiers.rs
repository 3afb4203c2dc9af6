//! What follows an operand: ranges, `offset`, `@`, `anchored` and `smoothed`.

use crate::ast::{At, DurationExpr, Expr, Extension, MatrixSelector, Span, Subquery, VectorSelector};

use super::MAX_DEPTH;
use super::lexer::{Keyword, Kind, Preprocessor};
use super::parser::{Operand, Parser, Result};

impl Parser<'_> {
    /// Adds the ranges and modifiers that follow.
    pub(super) fn postfix(&mut self, mut operand: Operand) -> Result<Operand> {
        loop {
            operand = match self.kind() {
                Kind::LeftBracket => self.range_or_subquery(operand)?,
                Kind::Keyword(Keyword::Offset) => {
                    self.advance();
                    let offset = self.offset_duration();
                    let expected = "number, duration, step(), or range()";
                    if let Some(offset) = self.recover(offset, "offset", expected)? {
                        self.set_offset(&mut operand, offset);
                    }
                    operand
                }
                Kind::At => {
                    self.advance();
                    let at = self.at_modifier(&operand);
                    if let Some(at) = self.recover(at, "@", "timestamp")? {
                        self.set_at(&mut operand, at);
                    }
                    operand
                }
                Kind::Keyword(Keyword::Anchored) => {
                    self.advance();
                    self.set_extension(&mut operand, Extension::Anchored);
                    operand
                }
                Kind::Keyword(Keyword::Smoothed) => {
                    self.advance();
                    self.set_extension(&mut operand, Extension::Smoothed);
                    operand
                }
                _ => return Ok(operand),
            };
            if operand.depth >= MAX_DEPTH {
                return self.too_deep(MAX_DEPTH);
            }
        }
    }

    fn range_or_subquery(&mut self, operand: Operand) -> Result<Operand> {
        let open = self.advance();
        let range = self.positive_duration();
        let expected = "number, duration, step(), or range()";
        let Some(range) = self.recover(range, "subquery or range selector", expected)? else {
            return Ok(operand);
        };
        let next = self.expect(|kind| matches!(kind, Kind::RightBracket | Kind::Colon));
        let Some(next) = self.recover(next, "subquery or range", "\":\" or \"]\"")? else {
            return Ok(operand);
        };
        if next.kind == Kind::RightBracket {
            return Ok(self.range(operand, range, Span { start: open.start, end: next.end }));
        }
        let step =
            if self.kind() == Kind::RightBracket { Ok(None) } else { self.positive_duration().map(Some) };
        let expected = "number, duration, step(), range(), or \"]\"";
        let Some(step) = self.recover(step, "subquery selector", expected)? else {
            return Ok(operand);
        };
        let close = self.expect_kind(Kind::RightBracket);
        let Some(close) = self.recover(close, "subquery selector", "\"]\"")? else {
            return Ok(operand);
        };
        let span = Span { start: operand.expr.span().start, end: close.end };
        let subquery = Subquery { expr: operand.expr, range, step, offset: None, at: None, span };
        Ok(Operand::over(Expr::Subquery(subquery), operand.depth))
    }

    fn range(&mut self, operand: Operand, range: DurationExpr, brackets: Span) -> Operand {
        let span = Span { start: operand.expr.span().start, end: brackets.end };
        let (selector, mistake) = match *operand.expr {
            Expr::Selector(selector) => {
                let mistake = if selector.offset.is_some() {
                    Some("no offset modifiers allowed before range")
                } else if selector.at.is_some() {
                    Some("no @ modifiers allowed before range")
                } else {
                    None
                };
                (Some(selector), mistake)
            }
            _ => (None, Some("ranges only allowed for vector selectors")),
        };
        if let Some(mistake) = mistake {
            self.error(brackets, mistake);
        }
        let is_broken_range = selector.is_none();
        let selector = selector.unwrap_or(VectorSelector {
            name: None,
            matchers: Vec::new(),
            offset: None,
            at: None,
            extension: Extension::None,
            span,
        });
        let depth = operand.depth + 1;
        Operand {
            expr: Box::new(Expr::Range(MatrixSelector { selector, range, span })),
            depth,
            is_broken_range,
        }
    }

    fn set_offset(&mut self, operand: &mut Operand, offset: DurationExpr) {
        let at = operand.expr.span();
        if operand.is_broken_range {
            return self.error(at, "ranges only allowed for vector selectors");
        }
        let end = self.last_end;
        let slot = match &mut *operand.expr {
            Expr::Selector(selector) => {
                selector.span.end = end;
                &mut selector.offset
            }
            Expr::Range(range) => {
                range.span.end = end;
                &mut range.selector.offset
            }
            Expr::Subquery(subquery) => {
                subquery.span.end = end;
                &mut subquery.offset
            }
            _ => {
                return self.error(at, "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
            }
        };
        if slot.is_some() {
            return self.error(at, "offset may not be set multiple times");
        }
        // No offset and an offset of nothing are the same.
        if !offset.is_zero() {
            *slot = Some(offset);
        }
    }

    fn at_modifier(&mut self, operand: &Operand) -> Result<At> {
        let at = match self.kind() {
            Kind::Preprocessor(preprocessor @ (Preprocessor::Start | Preprocessor::End)) => {
                self.advance();
                self.expect_kind(Kind::LeftParen)?;
                self.expect_kind(Kind::RightParen)?;
                if preprocessor == Preprocessor::Start { At::Start } else { At::End }
            }
            _ => {
                let seconds = self.signed_number()?;
                if seconds.is_nan() || seconds.abs() >= i64::MAX as f64 {
                    let shown = if seconds.is_nan() {
                        "NaN".to_string()
                    } else if seconds.is_infinite() {
                        (if seconds > 0.0 { "+Inf" } else { "-Inf" }).to_string()
                    } else {
                        format!("{seconds:.6}")
                    };
                    let message = format!("timestamp out of bounds for @ modifier: {shown}");
                    self.error(operand.expr.span(), message);
                }
                At::Timestamp((seconds * 1000.0).round() as i64)
            }
        };
        Ok(at)
    }

    fn set_at(&mut self, operand: &mut Operand, at: At) {
        let span = operand.expr.span();
        if operand.is_broken_range {
            return self.error(span, "ranges only allowed for vector selectors");
        }
        let (slot, end) = match &mut *operand.expr {
            Expr::Selector(selector) => (&mut selector.at, &mut selector.span.end),
            Expr::Range(range) => (&mut range.selector.at, &mut range.span.end),
            Expr::Subquery(subquery) => (&mut subquery.at, &mut subquery.span.end),
            _ => {
                return self.error(span, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
            }
        };
        if slot.is_some() {
            return self.error(span, "@ <timestamp> may not be set multiple times");
        }
        *slot = Some(at);
        *end = self.last_end;
    }

    fn set_extension(&mut self, operand: &mut Operand, extension: Extension) {
        let span = operand.expr.span();
        let name = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
        if !self.features.extended_range_selectors {
            return self.error(span, format!("{name} modifier is experimental and not enabled"));
        }
        if operand.is_broken_range {
            return; // Reported already.
        }
        let (slot, end) = match &mut *operand.expr {
            Expr::Selector(selector) => (&mut selector.extension, &mut selector.span.end),
            Expr::Range(range) => (&mut range.selector.extension, &mut range.span.end),
            Expr::Subquery(_) => {
                return self.error(span, format!("{name} modifier is not supported for subqueries"));
            }
            _ => return self.error(span, format!("{name} modifier not implemented")),
        };
        *end = self.last_end;
        let before = std::mem::replace(slot, extension);
        if before != Extension::None && before != extension {
            self.error(span, "anchored and smoothed modifiers cannot be used together");
        }
    }
}
