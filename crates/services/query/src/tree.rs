//! An expression as JSON, in the shape that Prometheus's page draws its tree from.

use gocompat::float::{self, Format};
use model::Matcher;
use promql::Expr;
use promql::ast::{At, Cardinality, DurationExpr, Extension, ValueType, VectorMatching, VectorSelector};
use serde_json::{Value, json};

/// The expression. Its depth is bounded by the parser's.
pub(crate) fn expr(node: &Expr) -> Value {
    match node {
        Expr::Number(number) => json!({ "type": "numberLiteral", "val": fixed(number.value) }),
        Expr::String(string) => json!({ "type": "stringLiteral", "val": string.value }),
        Expr::Selector(selector) => {
            let mut tree = series(selector);
            tree["type"] = json!("vectorSelector");
            tree
        }
        Expr::Range(range) => {
            let mut tree = series(&range.selector);
            tree["type"] = json!("matrixSelector");
            (tree["range"], tree["rangeExpr"]) = duration(Some(&range.range));
            tree
        }
        Expr::Subquery(subquery) => {
            let (range, range_expr) = duration(Some(&subquery.range));
            let (offset, offset_expr) = duration(subquery.offset.as_ref());
            let (step, step_expr) = duration(subquery.step.as_ref());
            let (timestamp, start_or_end) = at(subquery.at);
            json!({
                "type": "subquery",
                "expr": expr(&subquery.expr),
                "range": range,
                "rangeExpr": range_expr,
                "offset": offset,
                "offsetExpr": offset_expr,
                "step": step,
                "stepExpr": step_expr,
                "timestamp": timestamp,
                "startOrEnd": start_or_end,
            })
        }
        Expr::Call(call) => json!({
            "type": "call",
            "func": {
                "name": call.function.name,
                "argTypes": call.function.arg_types.iter().copied().map(type_name).collect::<Vec<_>>(),
                "variadic": call.function.variadic,
                "returnType": type_name(call.function.return_type),
            },
            "args": call.args.iter().map(expr).collect::<Vec<_>>(),
        }),
        Expr::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.as_str(),
            "expr": expr(&aggregate.expr),
            "param": aggregate.param.as_deref().map(expr),
            "grouping": aggregate.grouping,
            "without": aggregate.without,
        }),
        Expr::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": expr(&binary.left),
            "rhs": expr(&binary.right),
            "matching": binary.matching.as_ref().map(matching),
            "bool": binary.return_bool,
        }),
        Expr::Unary(unary) => json!({
            "type": "unaryExpr",
            "op": if unary.negative { "-" } else { "+" },
            "expr": expr(&unary.expr),
        }),
        Expr::Paren(paren) => json!({ "type": "parenExpr", "expr": expr(&paren.expr) }),
    }
}

/// The matchers of all selectors in an expression.
pub(crate) fn selectors(node: &Expr, found: &mut Vec<Vec<Matcher>>) {
    match node {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Selector(selector) => found.push(selector.matchers.clone()),
        Expr::Range(range) => found.push(range.selector.matchers.clone()),
        Expr::Subquery(subquery) => selectors(&subquery.expr, found),
        Expr::Call(call) => call.args.iter().for_each(|arg| selectors(arg, found)),
        Expr::Aggregate(aggregate) => {
            selectors(&aggregate.expr, found);
            if let Some(param) = &aggregate.param {
                selectors(param, found);
            }
        }
        Expr::Binary(binary) => {
            selectors(&binary.left, found);
            selectors(&binary.right, found);
        }
        Expr::Unary(unary) => selectors(&unary.expr, found),
        Expr::Paren(paren) => selectors(&paren.expr, found),
    }
}

fn fixed(value: f64) -> String {
    float::format(value, Format::Fixed, None)
}

/// The name that the API has for a type.
const fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        ValueType::None => "none",
    }
}

/// What instant and range selectors have in common.
fn series(selector: &VectorSelector) -> Value {
    let (offset, offset_expr) = duration(selector.offset.as_ref());
    let (timestamp, start_or_end) = at(selector.at);
    json!({
        "name": selector.name.as_deref().unwrap_or(""),
        "offset": offset,
        "offsetExpr": offset_expr,
        "matchers": selector.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
        "anchored": selector.extension == Extension::Anchored,
        "smoothed": selector.extension == Extension::Smoothed,
    })
}

fn matcher(matcher: &Matcher) -> Value {
    json!({ "name": matcher.name, "value": matcher.value, "type": matcher.op.as_str() })
}

fn matching(matching: &VectorMatching) -> Value {
    json!({
        "card": match matching.cardinality {
            Cardinality::OneToOne => "one-to-one",
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        },
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": { "lhs": matching.fill_left, "rhs": matching.fill_right },
    })
}

/// `@` as a time in milliseconds and as the name of an edge of the query.
fn at(at: Option<At>) -> (Option<i64>, Option<&'static str>) {
    match at {
        None => (None, None),
        Some(At::Timestamp(time_ms)) => (Some(time_ms), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    }
}

/// A duration in milliseconds, or 0 and the calculation.
fn duration(duration: Option<&DurationExpr>) -> (Value, Value) {
    match duration {
        None => (json!(0), Value::Null),
        Some(DurationExpr::Constant { duration_ms, .. }) => (json!(duration_ms), Value::Null),
        Some(DurationExpr::Paren { inner, .. }) if matches!(**inner, DurationExpr::Constant { .. }) => {
            self::duration(Some(inner))
        }
        Some(calculation) => (json!(0), calculated(calculation)),
    }
}

fn calculated(duration: &DurationExpr) -> Value {
    let operation = |op: &str, left: Option<&DurationExpr>, right: Option<&DurationExpr>| {
        json!({
            "type": "durationExpr",
            "op": op,
            "lhs": left.map(calculated),
            "rhs": right.map(calculated),
            "wrapped": false,
        })
    };
    match duration {
        DurationExpr::Constant { seconds, is_number, .. } => {
            json!({ "type": "numberLiteral", "val": fixed(*seconds), "duration": !is_number })
        }
        DurationExpr::Step(_) => operation("step", None, None),
        DurationExpr::Range(_) => operation("range", None, None),
        DurationExpr::Unary { negative, inner, .. } => {
            operation(if *negative { "-" } else { "+" }, None, Some(inner))
        }
        DurationExpr::Binary { op, left, right, .. } => operation(op.as_str(), Some(left), Some(right)),
        DurationExpr::Paren { inner, .. } => {
            let mut tree = calculated(inner);
            if let Some(wrapped) = tree.get_mut("wrapped") {
                *wrapped = json!(true);
            }
            tree
        }
    }
}
