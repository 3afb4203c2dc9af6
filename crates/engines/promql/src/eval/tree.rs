//! The syntax tree as a whole: how deep it is, which of its parts are alike, and which are fixed in time.

use std::collections::HashSet;

use super::QueryError;
use crate::ast::Expr;

/// Trees deeper than this are evaluated on a stack of their own.
const SHALLOW: usize = 48;
/// Enough for the deepest tree that the parser makes.
const DEEP_STACK_BYTES: usize = 64 << 20;

/// Runs the evaluation where the stack is large enough for it.
pub(super) fn with_stack<R: Send>(
    expr: &Expr,
    run: impl FnOnce() -> Result<R, QueryError> + Send,
) -> Result<R, QueryError> {
    if depth(expr) <= SHALLOW {
        return run();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES).spawn_scoped(scope, run);
        let failed =
            |_| QueryError::Execution("a thread for the evaluation could not be started".to_string());
        thread.map_err(failed)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Calls with every part of an expression and how deep it lies; without recursion.
fn visit_parts<'e>(expr: &'e Expr, mut with: impl FnMut(&'e Expr, usize)) {
    let mut left = vec![(expr, 1)];
    while let Some((expr, depth)) = left.pop() {
        with(expr, depth);
        match expr {
            Expr::Number(_) | Expr::String(_) | Expr::Selector(_) | Expr::Range(_) => {}
            Expr::Subquery(e) => left.push((&e.expr, depth + 1)),
            Expr::Call(e) => left.extend(e.args.iter().map(|arg| (arg, depth + 1))),
            Expr::Aggregate(e) => {
                left.push((&e.expr, depth + 1));
                left.extend(e.param.iter().map(|param| (&**param, depth + 1)));
            }
            Expr::Binary(e) => left.extend([(&*e.left, depth + 1), (&*e.right, depth + 1)]),
            Expr::Unary(e) => left.push((&e.expr, depth + 1)),
            Expr::Paren(e) => left.push((&e.expr, depth + 1)),
        }
    }
}

fn depth(expr: &Expr) -> usize {
    let mut deepest = 0;
    visit_parts(expr, |_, depth| deepest = deepest.max(depth));
    deepest
}

/// A query with more parts than this is not searched for equal ones.
const PARTS_COMPARED_MAX: usize = 256;

/// The aggregations that stand in an expression more than once, printed.
pub(super) fn repeated(expr: &Expr) -> HashSet<String> {
    let (mut parts, mut aggregations) = (0, Vec::new());
    visit_parts(expr, |part, _| {
        parts += 1;
        if matches!(part, Expr::Aggregate(_)) {
            aggregations.push(part);
        }
    });
    let mut repeated = HashSet::new();
    if aggregations.len() > 1 && parts <= PARTS_COMPARED_MAX {
        let mut seen = HashSet::new();
        for aggregation in aggregations {
            let text = aggregation.to_string();
            if !seen.insert(text.clone()) {
                repeated.insert(text);
            }
        }
    }
    repeated
}

/// An expression without the parentheses around it.
pub(crate) fn unparen(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

/// Functions whose value depends on the evaluation time even if their arguments do not.
const TIME_DEPENDENT: [&str; 11] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "time",
    "timestamp",
];

/// Whether an expression has the same value at all steps, because `@` fixes all it reads.
pub(crate) fn is_step_invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Selector(selector) => selector.at.is_some(),
        Expr::Range(range) => range.selector.at.is_some(),
        Expr::Subquery(subquery) => subquery.at.is_some(),
        Expr::Paren(paren) => is_step_invariant(&paren.expr),
        Expr::Unary(unary) => is_step_invariant(&unary.expr),
        Expr::Binary(binary) => is_step_invariant(&binary.left) && is_step_invariant(&binary.right),
        Expr::Aggregate(aggregate) => {
            is_step_invariant(&aggregate.expr) && aggregate.param.as_deref().is_none_or(is_step_invariant)
        }
        Expr::Call(call) => {
            let arguments_are = call.args.iter().all(is_step_invariant);
            let name = call.function.name;
            let is_time_of_sample =
                name == "timestamp" && call.args.iter().all(|arg| matches!(unparen(arg), Expr::Selector(_)));
            arguments_are && (!TIME_DEPENDENT.contains(&name) || is_time_of_sample)
        }
    }
}
