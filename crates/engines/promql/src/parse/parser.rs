//! Expressions, by precedence climbing.

use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Extension, Function, NumberLiteral,
    Paren, Span, StringLiteral, Unary, ValueType, VectorMatching, VectorSelector,
};
use crate::functions::function;

use super::lexer::{Keyword, Kind, Lexer, Token, quoted, unquote_bytes};
use super::literal;
use super::{Features, MAX_DEPTH, MAX_NESTING, ParseError, ParseErrors, Position};

/// Why parsing a construct stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next token does not fit. The innermost construct with a message for it takes over.
    Unwind,
    /// There is nothing left to go on with.
    Abort,
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// How many tokens must fit after an error before the parser trusts itself again. Until the first
/// one fits, those that do not are dropped silently.
const RECOVERING: u8 = 3;

/// Binds tighter than any other operator.
const POW_PRECEDENCE: u8 = 6;

/// Stands in for an unknown function after its error was reported.
static UNKNOWN_FUNCTION: Function =
    Function { name: "", arg_types: &[], variadic: 0, return_type: ValueType::None, experimental: false };

pub(super) struct Parser<'a> {
    pub(super) query: &'a str,
    pub(super) features: Features,
    pub(super) errors: Vec<ParseError>,
    lexer: Lexer<'a>,
    lookahead: Option<Token>,
    recovering: u8,
    nesting: usize,
    /// The end of the last token taken.
    pub(super) last_end: usize,
}

/// An expression under way.
pub(super) struct Operand {
    /// Boxed, for every level of recursion holds a few of these on the stack.
    pub(super) expr: Box<Expr>,
    /// How deep its tree is.
    pub(super) depth: usize,
    /// Whether it is a range of something that has no ranges; reported already.
    pub(super) is_broken_range: bool,
}

impl Operand {
    fn leaf(expr: Expr) -> Self {
        Operand { expr: Box::new(expr), depth: 1, is_broken_range: false }
    }

    pub(super) fn over(expr: Expr, depth: usize) -> Self {
        Operand { expr: Box::new(expr), depth: depth + 1, is_broken_range: false }
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(query: &'a str, features: Features) -> Self {
        Parser {
            query,
            features,
            errors: Vec::new(),
            lexer: Lexer::new(query),
            lookahead: None,
            recovering: 0,
            nesting: 0,
            last_end: 0,
        }
    }

    pub(super) fn finish<T>(self, result: Option<T>) -> std::result::Result<T, ParseErrors> {
        match result {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ParseErrors(self.errors)),
        }
    }

    // Tokens.

    pub(super) fn peek(&mut self) -> Token {
        if let Some(token) = self.lookahead {
            return token;
        }
        let token = self.lexer.next_token();
        if token.kind == Kind::Error {
            let message = std::mem::take(&mut self.lexer.error);
            self.error(Span { start: token.start, end: self.query.len() }, message);
        }
        self.lookahead = Some(token);
        token
    }

    pub(super) fn kind(&mut self) -> Kind {
        self.peek().kind
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek();
        self.lookahead = None;
        self.recovering = self.recovering.saturating_sub(1);
        self.last_end = token.end;
        token
    }

    /// Where the text begins that no token was cut from yet. Only of use right after
    /// [`Parser::advance`].
    pub(super) fn unread(&self) -> usize {
        self.lexer.position()
    }

    /// The next token fits nowhere here: drops it if the parser is recovering, else unwinds.
    pub(super) fn reject(&mut self) -> Result<()> {
        if self.recovering < RECOVERING {
            self.recovering = RECOVERING;
            return Err(Stop::Unwind);
        }
        if matches!(self.kind(), Kind::End | Kind::Error) {
            return Err(Stop::Abort);
        }
        self.lookahead = None;
        Ok(())
    }

    pub(super) fn expect(&mut self, fits: impl Fn(Kind) -> bool) -> Result<Token> {
        loop {
            if fits(self.kind()) {
                return Ok(self.advance());
            }
            self.reject()?;
        }
    }

    pub(super) fn expect_kind(&mut self, kind: Kind) -> Result<Token> {
        self.expect(|found| found == kind)
    }

    // Errors.

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        let position = Position::of(self.query, span.start);
        self.errors.push(ParseError { span, message: message.into(), position });
    }

    /// Reports that the next token is none of those expected here.
    pub(super) fn unexpected(&mut self, context: &str, expected: &str) {
        let token = self.peek();
        if token.kind == Kind::Error {
            return; // Reported by the lexer.
        }
        let mut message = format!("unexpected {}", token.describe(self.query));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        let span = if token.kind == Kind::End {
            Span { start: self.query.len(), end: self.query.len() }
        } else {
            span_of(token)
        };
        self.error(span, message);
    }

    /// Ends the unwinding here with a message.
    pub(super) fn recover<T>(
        &mut self,
        result: Result<T>,
        context: &str,
        expected: &str,
    ) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Unwind) => {
                self.unexpected(context, expected);
                Ok(None)
            }
            Err(Stop::Abort) => Err(Stop::Abort),
        }
    }

    /// Runs one more level of recursion, within the bound.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= MAX_NESTING {
            return self.too_deep(MAX_NESTING);
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    pub(super) fn too_deep<T>(&mut self, limit: usize) -> Result<T> {
        let span = span_of(self.peek());
        self.error(span, format!("expression is nested more than {limit} levels deep"));
        Err(Stop::Abort)
    }

    // Whole texts.

    /// `None` without an error means that there is no expression.
    pub(super) fn parse_expression(&mut self) -> Option<Box<Expr>> {
        if self.kind() == Kind::Eof {
            return None;
        }
        let result = self.expr();
        self.end_of_text(result).map(|operand| operand.expr)
    }

    /// Expects the end after what was parsed.
    pub(super) fn end_of_text<T>(&mut self, result: Result<T>) -> Option<T> {
        let value = match result {
            Ok(value) => Some(value),
            Err(Stop::Unwind) => {
                self.unexpected("", "");
                None
            }
            Err(Stop::Abort) => return None,
        };
        while !matches!(self.kind(), Kind::Eof | Kind::End | Kind::Error) {
            if self.reject() == Err(Stop::Unwind) {
                self.unexpected("", "");
            }
        }
        value
    }

    // Operators.

    fn expr(&mut self) -> Result<Operand> {
        self.nested(|parser| {
            let first = parser.operand()?;
            parser.climb(first, 0)
        })
    }

    /// Adds the binary operators of at least this precedence that follow.
    fn climb(&mut self, mut left: Operand, min: u8) -> Result<Operand> {
        while let Kind::Operator(op) = self.kind() {
            let precedence = precedence(op);
            if precedence < min {
                break;
            }
            self.advance();
            let modifiers = self.binary_modifiers()?;
            let right = self.nested(|parser| {
                let right = parser.operand()?;
                parser.climb(right, if op == BinaryOp::Pow { precedence } else { precedence + 1 })
            })?;
            left = self.binary(op, modifiers, left, right)?;
        }
        Ok(left)
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        modifiers: Modifiers,
        left: Operand,
        right: Operand,
    ) -> Result<Operand> {
        let depth = left.depth.max(right.depth);
        if depth >= MAX_DEPTH {
            return self.too_deep(MAX_DEPTH);
        }
        let span = Span { start: left.expr.span().start, end: right.expr.span().end };
        let Modifiers { return_bool, matching } = modifiers;
        if !self.features.fill_modifiers && (matching.fill_left.is_some() || matching.fill_right.is_some()) {
            self.error(span, "binop fill modifiers are experimental and not enabled");
        }
        let binary =
            Binary { op, left: left.expr, right: right.expr, return_bool, matching: Some(matching), span };
        Ok(Operand::over(Expr::Binary(binary), depth))
    }

    fn binary_modifiers(&mut self) -> Result<Modifiers> {
        let mut modifiers = Modifiers::default();
        if self.kind() == Kind::Keyword(Keyword::Bool) {
            self.advance();
            modifiers.return_bool = true;
        }
        let matching = &mut modifiers.matching;
        if let Kind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.kind() {
            self.advance();
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping_labels()?;
            if let Kind::Keyword(side @ (Keyword::GroupLeft | Keyword::GroupRight)) = self.kind() {
                self.advance();
                matching.cardinality = match side {
                    Keyword::GroupLeft => Cardinality::ManyToOne,
                    _ => Cardinality::OneToMany,
                };
                // The labels may be missing, but then an operand must follow.
                if self.kind() == Kind::LeftParen || !starts_expr(self.kind()) {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        match self.kind() {
            Kind::Keyword(Keyword::Fill) => {
                self.advance();
                let value = self.fill_value()?;
                (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
            }
            Kind::Keyword(Keyword::FillLeft) => {
                self.advance();
                matching.fill_left = Some(self.fill_value()?);
                if self.kind() == Kind::Keyword(Keyword::FillRight) {
                    self.advance();
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            Kind::Keyword(Keyword::FillRight) => {
                self.advance();
                matching.fill_right = Some(self.fill_value()?);
                if self.kind() == Kind::Keyword(Keyword::FillLeft) {
                    self.advance();
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(modifiers)
    }

    fn fill_value(&mut self) -> Result<f64> {
        self.expect_kind(Kind::LeftParen)?;
        let value = self.signed_number()?;
        self.expect_kind(Kind::RightParen)?;
        Ok(value)
    }

    /// An operand with its sign and everything that binds tighter than operators.
    fn operand(&mut self) -> Result<Operand> {
        let Kind::Operator(sign @ (BinaryOp::Add | BinaryOp::Sub)) = self.kind() else {
            let primary = self.primary()?;
            if primary.depth > MAX_DEPTH {
                return self.too_deep(MAX_DEPTH);
            }
            return self.postfix(primary);
        };
        let start = self.advance().start;
        let inner = self.nested(|parser| {
            let inner = parser.operand()?;
            parser.climb(inner, POW_PRECEDENCE)
        })?;
        if inner.depth >= MAX_DEPTH {
            return self.too_deep(MAX_DEPTH);
        }
        self.signed(start, sign == BinaryOp::Sub, inner)
    }

    /// A sign before a number belongs to the number.
    fn signed(&mut self, start: usize, negative: bool, mut inner: Operand) -> Result<Operand> {
        if let Expr::Number(number) = &mut *inner.expr {
            if negative {
                number.value = -number.value;
            }
            number.span.start = start;
            return Ok(inner);
        }
        let span = Span { start, end: inner.expr.span().end };
        Ok(Operand::over(Expr::Unary(Unary { negative, expr: inner.expr, span }), inner.depth))
    }

    // Operands.

    fn primary(&mut self) -> Result<Operand> {
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Number | Kind::Duration => {
                    let literal = self.number_literal();
                    return Ok(Operand::leaf(Expr::Number(literal)));
                }
                Kind::String => {
                    self.advance();
                    let literal = string_literal(unquote_bytes(token.text(self.query)), span_of(token));
                    return Ok(Operand::leaf(Expr::String(literal)));
                }
                Kind::LeftParen => return self.paren(),
                Kind::LeftBrace => return self.selector(None),
                Kind::Identifier | Kind::Preprocessor(_) => {
                    self.advance();
                    return if self.kind() == Kind::LeftParen {
                        self.call(token)
                    } else {
                        self.selector(Some(token))
                    };
                }
                Kind::Aggregate(op) => {
                    self.advance();
                    return match self.kind() {
                        Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without) => {
                            self.aggregate(op, token)
                        }
                        _ => self.selector(Some(token)),
                    };
                }
                kind if is_metric_name(kind) => {
                    self.advance();
                    return self.selector(Some(token));
                }
                _ => self.reject()?,
            }
        }
    }

    fn paren(&mut self) -> Result<Operand> {
        let start = self.advance().start;
        let mut inner = self.expr()?;
        // Only after an error can more operators follow here.
        while self.kind() != Kind::RightParen {
            self.reject()?;
            inner = self.postfix(inner)?;
            inner = self.climb(inner, 0)?;
        }
        let end = self.advance().end;
        let expr = Expr::Paren(Paren { expr: inner.expr, span: Span { start, end } });
        Ok(Operand::over(expr, inner.depth))
    }

    /// The seconds of a number or duration token.
    pub(super) fn number(&mut self, token: Token) -> f64 {
        let text = token.text(self.query);
        let result = match token.kind {
            Kind::Duration => base::units::parse_duration_ms(text)
                .map(|duration_ms| duration_ms as f64 / 1000.0)
                .map_err(|error| error.to_string()),
            _ => literal::number(text),
        };
        result.unwrap_or_else(|message| {
            self.error(span_of(token), message);
            0.0
        })
    }

    pub(super) fn number_literal(&mut self) -> NumberLiteral {
        let token = self.advance();
        let value = self.number(token);
        NumberLiteral { value, is_duration: token.kind == Kind::Duration, span: span_of(token) }
    }

    pub(super) fn signed_number(&mut self) -> Result<f64> {
        let is_number = |kind| matches!(kind, Kind::Number | Kind::Duration);
        let token = self.expect(|kind| is_number(kind) || sign(kind).is_some())?;
        match sign(token.kind) {
            None => Ok(self.number(token)),
            Some(negative) => {
                let token = self.expect(is_number)?;
                let value = self.number(token);
                Ok(if negative { -value } else { value })
            }
        }
    }

    fn selector(&mut self, name: Option<Token>) -> Result<Operand> {
        let start = self.peek().start;
        let (matchers, end) = match (self.kind(), name) {
            (Kind::LeftBrace, _) | (_, None) => {
                let matchers = self.label_matchers()?;
                (matchers, self.last_end)
            }
            (_, Some(name)) => (Vec::new(), name.end),
        };
        let span = Span { start: name.map_or(start, |name| name.start), end };
        let name = name.map(|name| name.text(self.query).to_string());
        let selector = VectorSelector {
            matchers: with_metric_name(matchers, name.as_deref()),
            name,
            offset: None,
            at: None,
            extension: Extension::None,
            span,
        };
        Ok(Operand::leaf(Expr::Selector(selector)))
    }

    fn call(&mut self, name: Token) -> Result<Operand> {
        let (args, depth) = self.call_args()?;
        let text = name.text(self.query);
        let function = function(text);
        match function {
            None => self.error(span_of(name), format!("unknown function with name {}", quoted(text))),
            Some(function) if function.experimental && !self.features.experimental_functions => {
                self.error(span_of(name), format!("function {} is not enabled", quoted(text)));
            }
            Some(_) => {}
        }
        let span = Span { start: name.start, end: self.last_end };
        let call = Call { function: function.unwrap_or(&UNKNOWN_FUNCTION), args, span };
        Ok(Operand::over(Expr::Call(call), depth))
    }

    /// The arguments in parentheses, and how deep the deepest is.
    fn call_args(&mut self) -> Result<(Vec<Expr>, usize)> {
        let (mut args, mut depth) = (Vec::new(), 0);
        self.expect_kind(Kind::LeftParen)?;
        while !starts_expr(self.kind()) {
            if self.kind() == Kind::RightParen {
                self.advance();
                return Ok((args, depth));
            }
            self.reject()?;
        }
        let mut first = true;
        loop {
            if first || starts_expr(self.kind()) {
                let arg = self.expr()?;
                depth = depth.max(arg.depth);
                args.push(*arg.expr);
            } else {
                let end = self.last_end;
                let comma = Span { start: end.saturating_sub(1), end };
                self.error(comma, "trailing commas not allowed in function call args");
            }
            first = false;
            let token = self.expect(|kind| matches!(kind, Kind::Comma | Kind::RightParen))?;
            if token.kind == Kind::RightParen {
                return Ok((args, depth));
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp, name: Token) -> Result<Operand> {
        let parts = self.aggregate_parts();
        let parts = self.recover(parts, "aggregation", "")?;
        let AggregateParts { grouping, without, mut args, depth } = parts.unwrap_or_default();
        let span = Span { start: name.start, end: self.last_end };
        let wanted = if op.has_param() { 2 } else { 1 };
        let is_off = op.is_experimental() && !self.features.experimental_functions;
        if args.is_empty() {
            self.error(span, "no arguments for aggregate expression provided");
        } else if is_off {
            self.error(span, format!("{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions", op.as_str()));
        } else if args.len() != wanted {
            self.error(
                span,
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                    args.len()
                ),
            );
        }
        let expr = args.pop().unwrap_or(Expr::String(string_literal(Vec::new(), span)));
        let param = if op.has_param() { args.pop().map(Box::new) } else { None };
        let aggregate = Aggregate { op, expr: Box::new(expr), param, grouping, without, span };
        Ok(Operand::over(Expr::Aggregate(aggregate), depth))
    }

    fn aggregate_parts(&mut self) -> Result<AggregateParts> {
        let mut parts = AggregateParts::default();
        let got_modifier = self.aggregate_modifier(&mut parts)?;
        (parts.args, parts.depth) = self.call_args()?;
        if !got_modifier {
            let end = self.last_end;
            if !self.aggregate_modifier(&mut parts)? {
                self.last_end = end;
            }
        }
        Ok(parts)
    }

    fn aggregate_modifier(&mut self, parts: &mut AggregateParts) -> Result<bool> {
        let Kind::Keyword(keyword @ (Keyword::By | Keyword::Without)) = self.kind() else {
            return Ok(false);
        };
        self.advance();
        parts.without = keyword == Keyword::Without;
        parts.grouping = self.grouping_labels()?;
        Ok(true)
    }
}

/// `bool`, `on`, `group_left` and what else may follow an operator.
#[derive(Default)]
struct Modifiers {
    return_bool: bool,
    matching: VectorMatching,
}

#[derive(Default)]
struct AggregateParts {
    grouping: Vec<String>,
    without: bool,
    args: Vec<Expr>,
    depth: usize,
}

fn string_literal(bytes: Vec<u8>, span: Span) -> StringLiteral {
    match String::from_utf8(bytes) {
        Ok(value) => StringLiteral { value, invalid_utf8: None, span },
        Err(error) => StringLiteral {
            value: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            invalid_utf8: Some(error.into_bytes().into()),
            span,
        },
    }
}

pub(super) fn span_of(token: Token) -> Span {
    Span { start: token.start, end: token.end }
}

/// Whether the token is a sign, and whether it is a minus.
pub(super) fn sign(kind: Kind) -> Option<bool> {
    match kind {
        Kind::Operator(BinaryOp::Add) => Some(false),
        Kind::Operator(BinaryOp::Sub) => Some(true),
        _ => None,
    }
}

fn with_metric_name(
    mut matchers: Vec<model::matcher::Matcher>,
    name: Option<&str>,
) -> Vec<model::matcher::Matcher> {
    matchers.extend(name.map(|name| model::matcher::Matcher::equal(model::METRIC_NAME, name)));
    matchers
}

/// Whether the token may stand as a metric name outside braces.
pub(super) fn is_metric_name(kind: Kind) -> bool {
    match kind {
        Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) | Kind::Preprocessor(_) => true,
        Kind::Operator(op) => matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless),
        Kind::Keyword(keyword) => !matches!(
            keyword,
            Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
        ),
        _ => false,
    }
}

/// Whether an expression may begin with the token.
fn starts_expr(kind: Kind) -> bool {
    let is_literal = matches!(kind, Kind::Number | Kind::Duration | Kind::String);
    is_literal
        || matches!(kind, Kind::LeftParen | Kind::LeftBrace)
        || sign(kind).is_some()
        || is_metric_name(kind)
}

/// How tight an operator binds, from 1.
pub(crate) const fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::Less
        | BinaryOp::GreaterEqual
        | BinaryOp::LessEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => POW_PRECEDENCE,
    }
}
