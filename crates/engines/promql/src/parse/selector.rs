//! Names, matchers and labels.

use model::labels::{Labels, LabelsBuilder};
use model::matcher::{MatchOp, Matcher};

use crate::ast::{BinaryOp, Span};

use super::lexer::{Keyword, Kind, Token, quoted, unquote};
use super::parser::{Parser, Result, Stop, is_metric_name, span_of};

impl Parser<'_> {
    /// A selector that is the whole text.
    pub(super) fn parse_selector_only(&mut self) -> Option<Vec<Matcher>> {
        let result = self.selector_only();
        self.end_of_text(result)
    }

    fn selector_only(&mut self) -> Result<Vec<Matcher>> {
        if self.kind() == Kind::LeftBrace {
            return self.label_matchers();
        }
        let name = self.expect(is_metric_name)?;
        let mut matchers = if self.kind() == Kind::LeftBrace { self.label_matchers()? } else { Vec::new() };
        matchers.push(Matcher::equal(model::METRIC_NAME, name.text(self.query)));
        Ok(matchers)
    }

    /// A metric that is the whole text.
    pub(super) fn parse_metric_only(&mut self) -> Option<Labels> {
        let mut labels = LabelsBuilder::default();
        let mut name = None;
        if is_metric_name(self.kind()) {
            name = Some(self.advance());
        }
        let result = if self.kind() == Kind::LeftBrace { self.label_set(&mut labels) } else { Ok(()) };
        self.end_of_text(result)?;
        if let Some(name) = name {
            labels.set(model::METRIC_NAME, name.text(self.query));
        }
        Some(labels.build())
    }

    /// A metric at the beginning of a series description; where it ends.
    pub(super) fn metric_prefix(&mut self) -> Option<(Labels, usize)> {
        let mut labels = LabelsBuilder::default();
        let mut name = None;
        if is_metric_name(self.kind()) {
            name = Some(self.advance());
        }
        // Not a space may stand before the brace.
        let is_set = match name {
            None => self.kind() == Kind::LeftBrace,
            Some(_) => self.query.as_bytes().get(self.unread()) == Some(&b'{'),
        };
        if is_set {
            match self.label_set(&mut labels) {
                Ok(()) => {}
                Err(Stop::Unwind) => {
                    self.unexpected("", "");
                    return None;
                }
                Err(Stop::Abort) => return None,
            }
        } else if name.is_none() {
            self.unexpected("", "");
            return None;
        }
        if let Some(name) = name {
            labels.set(model::METRIC_NAME, name.text(self.query));
        }
        Some((labels.build(), self.unread()))
    }

    /// The labels in parentheses of `by`, `on` and the like.
    pub(super) fn grouping_labels(&mut self) -> Result<Vec<String>> {
        let labels = self.grouping_label_list();
        Ok(self.recover(labels, "grouping opts", "\"(\"")?.unwrap_or_default())
    }

    fn grouping_label_list(&mut self) -> Result<Vec<String>> {
        let mut labels = Vec::new();
        self.expect_kind(Kind::LeftParen)?;
        loop {
            match self.grouping_label()? {
                Some(label) => labels.push(label),
                None => return Ok(labels),
            }
            let next = loop {
                let next = self.expect(|kind| matches!(kind, Kind::Comma | Kind::RightParen));
                if let Some(next) = self.recover(next, "grouping opts", "\",\" or \")\"")? {
                    break next;
                }
            };
            if next.kind == Kind::RightParen {
                return Ok(labels);
            }
        }
    }

    /// One label, or `None` at the closing parenthesis.
    fn grouping_label(&mut self) -> Result<Option<String>> {
        let fits = |kind| kind == Kind::RightParen || kind == Kind::String || is_label_name(kind);
        let token = self.expect(fits);
        let Some(token) = self.recover(token, "grouping opts", "label")? else {
            return Ok(Some(String::new()));
        };
        Ok(match token.kind {
            Kind::RightParen => None,
            Kind::String => {
                let label = unquote(token.text(self.query));
                if label.is_empty() {
                    let message = format!("invalid label name for grouping: {}", quoted(&label));
                    self.error(span_of(token), message);
                }
                Some(label)
            }
            _ => Some(token.text(self.query).to_string()),
        })
    }

    /// The matchers in braces.
    pub(super) fn label_matchers(&mut self) -> Result<Vec<Matcher>> {
        let mut matchers = Vec::new();
        self.braces("label matching", |parser| {
            matchers.extend(parser.label_matcher()?);
            Ok(())
        })?;
        Ok(matchers)
    }

    /// Items in braces with commas between them and perhaps after them.
    fn braces(&mut self, context: &str, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect_kind(Kind::LeftBrace)?;
        loop {
            match self.kind() {
                Kind::RightBrace => {
                    self.advance();
                    return Ok(());
                }
                Kind::Identifier | Kind::String => item(self)?,
                _ => {
                    let result = self.reject();
                    let was_recovering = result.is_ok();
                    self.recover(result, context, "identifier or \"}\"")?;
                    if was_recovering {
                        continue;
                    }
                }
            }
            let next = loop {
                let next = self.expect(|kind| matches!(kind, Kind::Comma | Kind::RightBrace));
                if let Some(next) = self.recover(next, context, "\",\" or \"}\"")? {
                    break next;
                }
            };
            if next.kind == Kind::RightBrace {
                return Ok(());
            }
        }
    }

    fn label_matcher(&mut self) -> Result<Option<Matcher>> {
        let label = self.advance();
        if label.kind == Kind::String && match_op(self.kind()).is_none() {
            let name = unquote(label.text(self.query));
            return Ok(Some(Matcher::equal(model::METRIC_NAME, name)));
        }
        let op = self.expect(|kind| match_op(kind).is_some());
        let op = self.recover(op, "label matching", "label matching operator")?;
        let Some(op) = op.and_then(|token| match_op(token.kind)) else { return Ok(None) };
        let value = self.expect_kind(Kind::String);
        let Some(value) = self.recover(value, "label matching", "string")? else { return Ok(None) };
        match Matcher::new(op, self.label_name(label), unquote(value.text(self.query))) {
            Ok(matcher) => Ok(Some(matcher)),
            Err(error) => {
                self.error(Span { start: label.start, end: value.end }, error.to_string());
                Ok(None)
            }
        }
    }

    fn label_name(&self, token: Token) -> String {
        let text = token.text(self.query);
        if token.kind == Kind::String { unquote(text) } else { text.to_string() }
    }

    /// The labels in braces.
    fn label_set(&mut self, labels: &mut LabelsBuilder) -> Result<()> {
        self.braces("label set", |parser| {
            let name = parser.advance();
            if name.kind == Kind::String && parser.kind() != Kind::Assign {
                labels.set(model::METRIC_NAME, &unquote(name.text(parser.query)));
                return Ok(());
            }
            let assign = parser.expect_kind(Kind::Assign);
            if parser.recover(assign, "label set", "\"=\"")?.is_none() {
                return Ok(());
            }
            let value = parser.expect_kind(Kind::String);
            if let Some(value) = parser.recover(value, "label set", "string")? {
                labels.set(&parser.label_name(name), &unquote(value.text(parser.query)));
            }
            Ok(())
        })
    }
}

fn match_op(kind: Kind) -> Option<MatchOp> {
    match kind {
        Kind::Assign => Some(MatchOp::Equal),
        Kind::Operator(BinaryOp::NotEqual) => Some(MatchOp::NotEqual),
        Kind::EqualRegex => Some(MatchOp::Regex),
        Kind::NotEqualRegex => Some(MatchOp::NotRegex),
        _ => None,
    }
}

/// Whether the token may stand as a label in `by`, `on` and the like.
fn is_label_name(kind: Kind) -> bool {
    match kind {
        Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) | Kind::Preprocessor(_) => true,
        Kind::Operator(op) => {
            matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2)
        }
        Kind::Keyword(keyword) => keyword != Keyword::Without,
        _ => false,
    }
}
