//! Expressions as text: on one line as Prometheus writes them, and over several as its formatter does.

use std::fmt::{self, Display, Write};

use base::units::format_duration_ms;
use model::labels::{Quoted, is_plain_label_name};
use model::matcher::MatchOp;

use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, DurationExpr, DurationOp, Expr,
    Extension, MatrixSelector, NumberLiteral, StringLiteral, Subquery, VectorMatching, VectorSelector,
};

/// A line that is longer, in bytes, is split.
const LINE_WIDTH: usize = 100;

/// The expression on one line.
impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Number(number) => number.fmt(f),
            Expr::String(string) => string.fmt(f),
            Expr::Selector(selector) => selector.fmt(f),
            Expr::Range(range) => range.fmt(f),
            Expr::Subquery(subquery) => write!(f, "{}{}", subquery.expr, SubquerySuffix(subquery)),
            Expr::Call(call) => call.fmt(f),
            Expr::Aggregate(aggregate) => aggregate.fmt(f),
            Expr::Binary(binary) => write!(f, "{} {} {}", binary.left, Operator(binary), binary.right),
            Expr::Unary(unary) => write!(f, "{}{}", if unary.negative { '-' } else { '+' }, unary.expr),
            Expr::Paren(paren) => write!(f, "({})", paren.expr),
        }
    }
}

/// The text in quotes, with Go's escapes; also its bytes that are no UTF-8.
impl Display for StringLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = &self.invalid_utf8 else {
            return Quoted(&self.value).fmt(f);
        };
        f.write_char('"')?;
        for chunk in bytes.utf8_chunks() {
            let quoted = Quoted(chunk.valid()).to_string();
            f.write_str(quoted.get(1..quoted.len() - 1).unwrap_or(""))?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.value, self.is_duration)
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, value: f64, is_duration: bool) -> fmt::Result {
    if is_duration {
        // Go counts a duration in nanoseconds.
        f.write_str(&format_duration_ms((value * 1e9) as i64 / 1_000_000))
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        write!(f, "{value}")
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_series(f)?;
        write_at(f, self.at)?;
        write_extension(f, self.extension)?;
        write_offset(f, self.offset.as_ref())
    }
}

impl VectorSelector {
    /// The selector without its modifiers.
    fn write_series(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("");
        f.write_str(name)?;
        let mut matchers: Vec<String> = self
            .matchers
            .iter()
            .filter(|matcher| {
                let is_the_name = matcher.name == model::METRIC_NAME && matcher.op == MatchOp::Equal;
                !is_the_name || matcher.value != name || name.is_empty()
            })
            .map(ToString::to_string)
            .collect();
        matchers.sort_unstable();
        if matchers.is_empty() { Ok(()) } else { write!(f, "{{{}}}", matchers.join(",")) }
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector.write_series(f)?;
        write!(f, "[{}]", Whole(&self.range))?;
        write_extension(f, self.selector.extension)?;
        write_at(f, self.selector.at)?;
        write_offset(f, self.selector.offset.as_ref())
    }
}

fn write_at(f: &mut fmt::Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Timestamp(timestamp_ms)) => write!(f, " @ {:.3}", timestamp_ms as f64 / 1000.0),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
    }
}

fn write_extension(f: &mut fmt::Formatter<'_>, extension: Extension) -> fmt::Result {
    f.write_str(match extension {
        Extension::None => "",
        Extension::Anchored => " anchored",
        Extension::Smoothed => " smoothed",
    })
}

fn write_offset(f: &mut fmt::Formatter<'_>, offset: Option<&DurationExpr>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(offset) => write!(f, " offset {}", Whole(offset)),
    }
}

/// What follows the expression of a subquery.
struct SubquerySuffix<'a>(&'a Subquery);

impl Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:", Whole(&self.0.range))?;
        if let Some(step) = &self.0.step {
            Whole(step).fmt(f)?;
        }
        f.write_char(']')?;
        write_at(f, self.0.at)?;
        write_offset(f, self.0.offset.as_ref())
    }
}

/// A duration that is no part of a calculation: a bare number shows its unit, `[5]` is `[5s]`.
struct Whole<'a>(&'a DurationExpr);

impl Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DurationExpr::Constant { duration_ms, .. } => f.write_str(&format_duration_ms(*duration_ms)),
            other => other.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationExpr::Constant { seconds, is_number, .. } => write_number(f, *seconds, !is_number),
            DurationExpr::Step(_) => f.write_str("step()"),
            DurationExpr::Range(_) => f.write_str("range()"),
            DurationExpr::Unary { negative, inner, .. } => {
                write!(f, "{}{inner}", if *negative { "-" } else { "" })
            }
            DurationExpr::Binary { op: DurationOp::MinOf, left, right, .. } => {
                write!(f, "min_of({left}, {right})")
            }
            DurationExpr::Binary { op: DurationOp::MaxOf, left, right, .. } => {
                write!(f, "max_of({left}, {right})")
            }
            DurationExpr::Binary { op, left, right, .. } => write!(f, "{left} {} {right}", op.as_str()),
            DurationExpr::Paren { inner, .. } => write!(f, "({inner})"),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name)?;
        for (at, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if at > 0 { ", " } else { "" })?;
        }
        f.write_char(')')
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", AggregateHead(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// The operation of an aggregation with its grouping.
struct AggregateHead<'a>(&'a Aggregate);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.without || !self.0.grouping.is_empty() {
            f.write_str(if self.0.without { " without (" } else { " by (" })?;
            write_labels(f, &self.0.grouping)?;
            f.write_str(") ")?;
        }
        Ok(())
    }
}

fn write_labels(f: &mut fmt::Formatter<'_>, labels: &[String]) -> fmt::Result {
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        if is_plain_label_name(label) {
            f.write_str(label)?;
        } else {
            Quoted(label).fmt(f)?;
        }
    }
    Ok(())
}

/// The operator of a binary operation with its modifiers.
struct Operator<'a>(&'a Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        self.0.matching.as_ref().map_or(Ok(()), |matching| write_matching(f, matching))
    }
}

fn write_matching(f: &mut fmt::Formatter<'_>, matching: &VectorMatching) -> fmt::Result {
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some(" group_left ("),
        Cardinality::OneToMany => Some(" group_right ("),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if !matching.labels.is_empty() || matching.on || group.is_some() {
        f.write_str(if matching.on { " on (" } else { " ignoring (" })?;
        write_labels(f, &matching.labels)?;
        f.write_char(')')?;
    }
    if let Some(group) = group {
        f.write_str(group)?;
        write_labels(f, &matching.include)?;
        f.write_char(')')?;
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left == right => write!(f, " fill ({})", Shortest(left)),
        (left, right) => {
            if let Some(left) = left {
                write!(f, " fill_left ({})", Shortest(left))?;
            }
            match right {
                Some(right) => write!(f, " fill_right ({})", Shortest(right)),
                None => Ok(()),
            }
        }
    }
}

/// A float as Go's `%v`: with an exponent where that is shorter to read.
struct Shortest(f64);

impl Display for Shortest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if !size.is_finite() || size == 0.0 || (1e-4..1e21).contains(&size) {
            return write_number(f, self.0, false);
        }
        let text = format!("{:e}", self.0);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

impl BinaryOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Pow => "^",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Greater => ">",
            BinaryOp::Less => "<",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::LessEqual => "<=",
            BinaryOp::TrimUpper => "</",
            BinaryOp::TrimLower => ">/",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Unless => "unless",
        }
    }
}

impl DurationOp {
    /// The operator, or the function's name, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            DurationOp::Add => "+",
            DurationOp::Sub => "-",
            DurationOp::Mul => "*",
            DurationOp::Div => "/",
            DurationOp::Mod => "%",
            DurationOp::Pow => "^",
            DurationOp::MinOf => "min_of",
            DurationOp::MaxOf => "max_of",
        }
    }
}

impl AggregateOp {
    /// The operation as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            AggregateOp::Sum => "sum",
            AggregateOp::Avg => "avg",
            AggregateOp::Count => "count",
            AggregateOp::Min => "min",
            AggregateOp::Max => "max",
            AggregateOp::Group => "group",
            AggregateOp::Stddev => "stddev",
            AggregateOp::Stdvar => "stdvar",
            AggregateOp::TopK => "topk",
            AggregateOp::BottomK => "bottomk",
            AggregateOp::CountValues => "count_values",
            AggregateOp::Quantile => "quantile",
            AggregateOp::LimitK => "limitk",
            AggregateOp::LimitRatio => "limit_ratio",
        }
    }
}

/// The expression over several lines, where it is longer than 100 bytes; indented by two spaces.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_pretty(&mut out, expr, 0);
    out
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn write_pretty(out: &mut String, expr: &Expr, level: usize) {
    if let Expr::Unary(unary) = expr {
        indent(out, level);
        out.push(if unary.negative { '-' } else { '+' });
        let mut inner = String::new();
        write_pretty(&mut inner, &unary.expr, level);
        out.push_str(inner.trim());
        return;
    }
    let line = expr.to_string();
    let is_leaf = matches!(expr, Expr::Number(_) | Expr::String(_) | Expr::Selector(_) | Expr::Range(_));
    if is_leaf || line.len() <= LINE_WIDTH {
        // A subquery that fits is not indented in Prometheus either.
        if !matches!(expr, Expr::Subquery(_)) {
            indent(out, level);
        }
        out.push_str(&line);
        return;
    }
    match expr {
        Expr::Aggregate(aggregate) => {
            indent(out, level);
            out.push_str(&format!("{}(\n", AggregateHead(aggregate)));
            if let Some(param) = &aggregate.param {
                write_pretty(out, param, level + 1);
                out.push_str(",\n");
            }
            write_pretty(out, &aggregate.expr, level + 1);
            close(out, level);
        }
        Expr::Binary(binary) => {
            write_pretty(out, &binary.left, level + 1);
            out.push('\n');
            indent(out, level);
            out.push_str(&Operator(binary).to_string());
            out.push('\n');
            write_pretty(out, &binary.right, level + 1);
        }
        Expr::Call(call) => {
            indent(out, level);
            out.push_str(call.function.name);
            out.push_str("(\n");
            for (at, arg) in call.args.iter().enumerate() {
                if at > 0 {
                    out.push_str(",\n");
                }
                write_pretty(out, arg, level + 1);
            }
            close(out, level);
        }
        Expr::Paren(paren) => {
            indent(out, level);
            out.push_str("(\n");
            write_pretty(out, &paren.expr, level + 1);
            close(out, level);
        }
        Expr::Subquery(subquery) => {
            write_pretty(out, &subquery.expr, level);
            out.push_str(&SubquerySuffix(subquery).to_string());
        }
        Expr::Number(_) | Expr::String(_) | Expr::Selector(_) | Expr::Range(_) | Expr::Unary(_) => {}
    }
}

fn close(out: &mut String, level: usize) {
    out.push('\n');
    indent(out, level);
    out.push(')');
}
