//! Types: what may be an operand or argument of what.

use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Span, ValueType, VectorSelector,
};

use super::lexer::quoted;
use super::{ParseError, Position};

/// Checks a tree and settles how vectors are matched. Appends what is wrong.
pub(super) fn check(expr: &mut Expr, query: &str, errors: &mut Vec<ParseError>) {
    Checker { query, errors }.check(expr);
}

struct Checker<'a> {
    query: &'a str,
    errors: &'a mut Vec<ParseError>,
}

impl Checker<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        let position = Position::of(self.query, span.start);
        self.errors.push(ParseError { span, message: message.into(), position });
    }

    /// Checks an expression and returns its type.
    fn check(&mut self, expr: &mut Expr) -> ValueType {
        match expr {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Selector(selector) => {
                self.selector(selector, true);
                ValueType::Vector
            }
            Expr::Range(range) => {
                self.selector(&range.selector, true);
                ValueType::Matrix
            }
            Expr::Subquery(subquery) => {
                let found = self.check(&mut subquery.expr);
                self.subquery(subquery.span, found);
                ValueType::Matrix
            }
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => {
                let left = self.check(&mut binary.left);
                let right = self.check(&mut binary.right);
                self.binary(binary, left, right)
            }
            Expr::Unary(unary) => {
                let found = self.check(&mut unary.expr);
                self.unary(unary.span, found);
                found
            }
            Expr::Paren(paren) => self.check(&mut paren.expr),
        }
    }

    fn subquery(&mut self, span: Span, found: ValueType) {
        if found != ValueType::Vector {
            let found = short(found);
            self.error(span, format!("subquery is only allowed on instant vector, got {found} instead"));
        }
    }

    fn unary(&mut self, span: Span, found: ValueType) {
        if !is_calculable(found) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                quoted(found.documented())
            );
            self.error(span, message);
        }
    }

    fn expect(&mut self, expr: &mut Expr, wanted: ValueType, context: &str) {
        let found = self.check(expr);
        if found != wanted {
            self.wrong_type(expr.span(), wanted, context, found);
        }
    }

    fn wrong_type(&mut self, span: Span, wanted: ValueType, context: &str, found: ValueType) {
        let (wanted, found) = (wanted.documented(), found.documented());
        self.error(span, format!("expected type {wanted} in {context}, got {found}"));
    }

    fn selector(&mut self, selector: &VectorSelector, must_not_be_empty: bool) {
        match &selector.name {
            Some(name) => {
                // The last matcher is the one of the name itself.
                let braces = selector.matchers.split_last().map_or(&[][..], |(_, rest)| rest);
                for matcher in braces.iter().filter(|matcher| matcher.name == model::METRIC_NAME) {
                    let message = format!(
                        "metric name must not be set twice: {} or {}",
                        quoted(name),
                        quoted(&matcher.value)
                    );
                    self.error(selector.span, message);
                }
            }
            // Without a name at least one condition must rule something out, lest a slip selects everything.
            None if must_not_be_empty && selector.matchers.iter().all(|matcher| matcher.matches_empty()) => {
                self.error(selector.span, "vector selector must contain at least one non-empty matcher");
            }
            None => {}
        }
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate) -> ValueType {
        self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression");
        if let Some(param) = &mut aggregate.param {
            let wanted = match aggregate.op {
                AggregateOp::CountValues => ValueType::String,
                _ => ValueType::Scalar,
            };
            self.expect(param, wanted, "aggregation parameter");
        }
        ValueType::Vector
    }

    fn call(&mut self, call: &mut Call) -> ValueType {
        let function = call.function;
        let name = quoted(function.name);
        let (given, known) = (call.args.len(), function.arg_types.len());
        if function.variadic == 0 {
            if given != known {
                self.error(call.span, format!("expected {known} argument(s) in call to {name}, got {given}"));
            }
        } else {
            let least = known.saturating_sub(1);
            let most = usize::try_from(function.variadic).ok().map(|variadic| least + variadic);
            if given < least {
                let message = format!("expected at least {least} argument(s) in call to {name}, got {given}");
                self.error(call.span, message);
            } else if let Some(most) = most.filter(|most| *most < given) {
                let message = format!("expected at most {most} argument(s) in call to {name}, got {given}");
                self.error(call.span, message);
            }
        }
        let context = format!("call to function {name}");
        let is_info = function.name == "info";
        if let Some(labels) = call.args.get(1).filter(|_| is_info) {
            let (found, span) = (labels.value_type(), labels.span());
            let mistake = match labels {
                Expr::Selector(selector) if selector.name.is_some() => {
                    Some("expected label selectors only, got vector selector instead")
                }
                Expr::Selector(_) => None,
                _ => Some("expected label selectors only"),
            };
            if found != ValueType::Vector {
                self.wrong_type(call.span, ValueType::Vector, &context, found);
            }
            if let Some(mistake) = mistake {
                self.error(span, mistake);
            }
        }
        for (at, arg) in call.args.iter_mut().enumerate() {
            let wanted = match function.arg_types.get(at).or(function.arg_types.last()) {
                Some(wanted) if at < known || function.variadic != 0 => *wanted,
                _ => break, // One too many; its type does not matter.
            };
            let found = match arg {
                // The labels that `info` selects may be any.
                Expr::Selector(selector) if is_info && at == 1 => {
                    self.selector(selector, false);
                    ValueType::Vector
                }
                _ => self.check(arg),
            };
            if found != wanted {
                self.wrong_type(arg.span(), wanted, &context, found);
            }
        }
        function.return_type
    }

    /// Checks an operation on operands of these types. It is apart from the recursion, so
    /// that a long chain takes little stack.
    fn binary(&mut self, binary: &mut Binary, left: ValueType, right: ValueType) -> ValueType {
        let (op, span) = (binary.op, binary.span);
        let is_set = op.is_set_operator();
        if binary.return_bool && !op.is_comparison() {
            self.error(self.operator(binary), "bool modifier can only be used on comparison operators");
        }
        let both_scalar = left == ValueType::Scalar && right == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && both_scalar {
            self.error(self.operator(binary), "comparisons between scalars must use BOOL modifier");
        }
        let mut matching = binary.matching.take().unwrap_or_default();
        if is_set && matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        }
        if matching.on {
            for label in &matching.labels {
                for _ in matching.include.iter().filter(|included| *included == label) {
                    let message =
                        format!("label {} must not occur in ON and GROUP clause at once", quoted(label));
                    self.error(self.operator(binary), message);
                }
            }
        }
        for (operand, found) in [(&binary.left, left), (&binary.right, right)] {
            if !is_calculable(found) {
                self.error(
                    operand.span(),
                    "binary expression must contain only scalar and instant vector types",
                );
            }
        }
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if left == ValueType::Vector && right == ValueType::Vector {
            if is_set {
                if matching.cardinality != Cardinality::ManyToMany {
                    let name = quoted(op.as_str());
                    self.error(span, format!("no grouping allowed for {name} operation"));
                    self.error(span, "set operations must always be many-to-many");
                }
                if fills {
                    self.error(span, "filling in missing series not allowed for set operators");
                }
            }
            binary.matching = Some(matching);
        } else {
            if !matching.labels.is_empty() {
                self.error(span, "vector matching only allowed between instant vectors");
            }
            if fills {
                self.error(span, "filling in missing series only allowed between instant vectors");
            }
        }
        if is_set && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let name = quoted(op.as_str());
            self.error(span, format!("set operator {name} not allowed in binary scalar expression"));
        }
        if both_scalar { ValueType::Scalar } else { ValueType::Vector }
    }

    /// The bytes between the operands, without the spaces around.
    fn operator(&self, binary: &Binary) -> Span {
        let (start, end) = (binary.left.span().end, binary.right.span().start);
        let text = self.query.get(start..end).unwrap_or("");
        let start = start + text.len() - text.trim_start().len();
        Span { start, end: (start + text.trim().len()).min(end) }
    }
}

fn is_calculable(found: ValueType) -> bool {
    matches!(found, ValueType::Scalar | ValueType::Vector)
}

/// The name of a type in API answers, which a few messages use too.
fn short(found: ValueType) -> &'static str {
    match found {
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        other => other.documented(),
    }
}

impl BinaryOp {
    /// Whether it is `and`, `or` or `unless`.
    pub const fn is_set_operator(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }

    /// Whether it compares, so that `bool` may follow.
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            BinaryOp::Equal
                | BinaryOp::NotEqual
                | BinaryOp::Greater
                | BinaryOp::Less
                | BinaryOp::GreaterEqual
                | BinaryOp::LessEqual
        )
    }
}

impl AggregateOp {
    /// Whether it takes a parameter before the expression.
    pub const fn has_param(self) -> bool {
        matches!(
            self,
            AggregateOp::TopK
                | AggregateOp::BottomK
                | AggregateOp::CountValues
                | AggregateOp::Quantile
                | AggregateOp::LimitK
                | AggregateOp::LimitRatio
        )
    }

    /// Whether it needs experimental functions to be on.
    pub const fn is_experimental(self) -> bool {
        matches!(self, AggregateOp::LimitK | AggregateOp::LimitRatio)
    }
}
