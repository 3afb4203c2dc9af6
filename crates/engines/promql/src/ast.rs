//! The syntax tree of PromQL. Every node knows which bytes of the query it came from.

use model::matcher::Matcher;

/// Bytes of the query text, `start` included, `end` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The type of an expression's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// A text.
    String,
    /// One sample a series.
    Vector,
    /// A range of samples a series.
    Matrix,
    /// Nothing.
    None,
}

impl ValueType {
    /// The name in error messages.
    pub const fn documented(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::None => "none",
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `metric{label="value"}`
    Selector(VectorSelector),
    /// `metric[5m]`
    Range(MatrixSelector),
    /// `(...)[1h:5m]`
    Subquery(Subquery),
    /// `rate(...)`
    Call(Call),
    /// `sum by (job) (...)`
    Aggregate(Aggregate),
    /// `a + b`
    Binary(Binary),
    /// `-a`
    Unary(Unary),
    /// `(a)`
    Paren(Paren),
}

/// A number. A duration such as `5m` counts as its seconds and keeps that it was one.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The number.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct StringLiteral {
    /// The text without quotes and escapes. Bytes that are no UTF-8 are U+FFFD here.
    pub value: String,
    /// The bytes, if they are no UTF-8; escapes such as `\xff` make such ones.
    pub invalid_utf8: Option<Box<[u8]>>,
    /// Where it stands.
    pub span: Span,
}

/// A duration where PromQL wants one (`[...]`, `offset`): a constant or, with duration expressions,
/// a small calculation that may use `step()`, `range()`, `min_of`, `max_of`.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// A constant in milliseconds.
    Constant {
        /// The duration, for use as it is.
        duration_ms: i64,
        /// The same in seconds, with the digits that milliseconds drop: calculations use it.
        seconds: f64,
        /// Whether it was written as a bare number of seconds.
        is_number: bool,
        /// Where it stands.
        span: Span,
    },
    /// `step()`
    Step(Span),
    /// `range()`
    Range(Span),
    /// `-d` or `+d`
    Unary {
        /// Whether it is a minus.
        negative: bool,
        /// The operand.
        inner: Box<DurationExpr>,
        /// Where it stands.
        span: Span,
    },
    /// `a + b`, `a - b`, `a * b`, `a / b`, `a % b`, `a ^ b`, `min_of(a, b)`, `max_of(a, b)`
    Binary {
        /// The operation.
        op: DurationOp,
        /// Left operand.
        left: Box<DurationExpr>,
        /// Right operand.
        right: Box<DurationExpr>,
        /// Where it stands.
        span: Span,
    },
    /// `(d)`
    Paren {
        /// What stands in the parentheses.
        inner: Box<DurationExpr>,
        /// Where it stands.
        span: Span,
    },
}

/// An operation on durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    MinOf,
    MaxOf,
}

/// The `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// A fixed time in milliseconds since the epoch.
    Timestamp(i64),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// How a selector picks values at the edges of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extension {
    /// As ever.
    #[default]
    None,
    /// `anchored`: includes the last sample before the window.
    Anchored,
    /// `smoothed`: interpolates at both edges.
    Smoothed,
}

/// A selector of series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric name if it stands before the braces (it is among the matchers too).
    pub name: Option<String>,
    /// All conditions, the one on `__name__` from a leading name included.
    pub matchers: Vec<Matcher>,
    /// `offset`.
    pub offset: Option<DurationExpr>,
    /// `@`.
    pub at: Option<At>,
    /// `anchored`, `smoothed`.
    pub extension: Extension,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A selector of ranges of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// The series, with `offset`, `@` and the extension.
    pub selector: VectorSelector,
    /// The range.
    pub range: DurationExpr,
    /// Where it stands.
    pub span: Span,
}

/// An expression evaluated at many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Box<Expr>,
    /// Over which range.
    pub range: DurationExpr,
    /// At which distance; the server's default if `None`.
    pub step: Option<DurationExpr>,
    /// `offset`.
    pub offset: Option<DurationExpr>,
    /// `@`.
    pub at: Option<At>,
    /// Where it stands.
    pub span: Span,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// What the parser knows of a function; the table is in `functions.rs`.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Types of its arguments.
    pub arg_types: &'static [ValueType],
    /// 0: all arguments are required. n > 0: the last may stand 0 to n times. -1: 0 times or more.
    pub variadic: i32,
    /// Type of its value.
    pub return_type: ValueType,
    /// Whether it needs experimental functions to be on.
    pub experimental: bool,
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operation.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// The parameter of topk, bottomk, quantile, count_values, limitk, limit_ratio.
    pub param: Option<Box<Expr>>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether it is `without`.
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// An aggregation operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    TopK,
    BottomK,
    CountValues,
    Quantile,
    LimitK,
    LimitRatio,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operation.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Box<Expr>,
    /// Right operand.
    pub right: Box<Expr>,
    /// Whether a comparison yields 0 and 1.
    pub return_bool: bool,
    /// How vectors are matched; `None` unless both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// Where it stands.
    pub span: Span,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Pow,
    Mul,
    Div,
    Mod,
    Atan2,
    Add,
    Sub,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    /// `</`: keeps the observations below a value.
    TrimUpper,
    /// `>/`: keeps the observations above a value.
    TrimLower,
    And,
    Or,
    Unless,
}

/// How many samples of the two sides belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Cardinality {
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How vectors are matched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorMatching {
    /// How many belong together.
    pub cardinality: Cardinality,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether it is `on`.
    pub on: bool,
    /// Labels that `group_left` or `group_right` takes over.
    pub include: Vec<String>,
    /// What stands in for a missing left side: `fill`, `fill_left`.
    pub fill_left: Option<f64>,
    /// What stands in for a missing right side: `fill`, `fill_right`.
    pub fill_right: Option<f64>,
}

/// `-a` or `+a`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Whether it is a minus.
    pub negative: bool,
    /// The operand.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `(a)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// What stands in the parentheses.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// Where the expression stands.
    pub fn span(&self) -> Span {
        match self {
            Expr::Number(e) => e.span,
            Expr::String(e) => e.span,
            Expr::Selector(e) => e.span,
            Expr::Range(e) => e.span,
            Expr::Subquery(e) => e.span,
            Expr::Call(e) => e.span,
            Expr::Aggregate(e) => e.span,
            Expr::Binary(e) => e.span,
            Expr::Unary(e) => e.span,
            Expr::Paren(e) => e.span,
        }
    }

    /// The type of the expression's value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Selector(_) | Expr::Aggregate(_) => ValueType::Vector,
            Expr::Range(_) | Expr::Subquery(_) => ValueType::Matrix,
            Expr::Call(e) => e.function.return_type,
            Expr::Binary(e) => match (e.left.value_type(), e.right.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Expr::Unary(e) => e.expr.value_type(),
            Expr::Paren(e) => e.expr.value_type(),
        }
    }
}
