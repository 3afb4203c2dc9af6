//! Which rules of a group use what others yield, and so which may be evaluated at once.

use model::{METRIC_NAME, Matcher};
use promql::Expr;
use promql::ast::VectorSelector;

use crate::file::{RuleKind, RuleSpec};

/// Runs of rules, as positions in the group. Those of one run may be evaluated at once; a run begins
/// when the one before has ended. In every run the order of the group is kept.
pub(crate) fn runs(rules: &[RuleSpec]) -> Vec<Vec<usize>> {
    let one_by_one = || (0..rules.len()).map(|at| vec![at]).collect();
    if rules.len() < 2 {
        return one_by_one();
    }
    // The run of each rule comes after all runs it needs something from, so that what stands before a
    // rule and does not concern it need not be waited for.
    let asks: Vec<Vec<&VectorSelector>> = rules
        .iter()
        .map(|rule| {
            let mut selectors = Vec::new();
            selectors_of(&rule.expr, &mut selectors);
            selectors
        })
        .collect();
    if asks.iter().flatten().any(|selector| name_matcher(selector).is_none()) {
        // It may ask for anything, so nothing can be told about the group.
        return one_by_one();
    }
    let mut levels: Vec<usize> = Vec::with_capacity(rules.len());
    for (at, (rule, selectors)) in rules.iter().zip(&asks).enumerate() {
        let mut level = 0;
        for (before, (other, asked_before)) in rules.iter().zip(&asks).enumerate().take(at) {
            // What an earlier rule uses of this one is of the evaluation before, and must still be.
            let uses = selectors.iter().any(|selector| uses(selector, other))
                || asked_before.iter().any(|selector| uses(selector, rule));
            // Two rules that yield the same series stay in their order.
            let is_twin = other.name() == rule.name() && is_record(other) == is_record(rule);
            // What the template of a label or annotation asks for is not known before it is expanded.
            if uses || is_twin || asks_in_templates(rule) {
                level = level.max(levels.get(before).map_or(0, |level| level + 1));
            }
        }
        levels.push(level);
    }
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for (at, level) in levels.into_iter().enumerate() {
        if runs.len() <= level {
            runs.resize(level + 1, Vec::new());
        }
        if let Some(run) = runs.get_mut(level) {
            run.push(at);
        }
    }
    runs
}

fn is_record(rule: &RuleSpec) -> bool {
    matches!(rule.kind, RuleKind::Record(_))
}

fn asks_in_templates(rule: &RuleSpec) -> bool {
    let RuleKind::Alert { annotations, .. } = &rule.kind else { return false };
    let asks = |text: &str| text.contains("{{") && text.contains("query");
    rule.labels.iter().chain(annotations).any(|(_, text)| asks(text))
}

fn name_matcher(selector: &VectorSelector) -> Option<&Matcher> {
    selector.matchers.iter().find(|matcher| matcher.name == METRIC_NAME)
}

/// Whether a selector may ask for what a rule yields.
pub(crate) fn uses(selector: &VectorSelector, rule: &RuleSpec) -> bool {
    let Some(name) = name_matcher(selector) else { return true };
    if is_record(rule) {
        return name.matches(rule.name());
    }
    if !name.matches("ALERTS") && !name.matches("ALERTS_FOR_STATE") {
        return false;
    }
    let mut of_alert = selector.matchers.iter().filter(|matcher| matcher.name == "alertname");
    of_alert.all(|matcher| matcher.matches(rule.name()))
}

/// All selectors of an expression.
pub(crate) fn selectors_of<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) {
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Selector(selector) => found.push(selector),
        Expr::Range(range) => found.push(&range.selector),
        Expr::Subquery(subquery) => selectors_of(&subquery.expr, found),
        Expr::Call(call) => call.args.iter().for_each(|arg| selectors_of(arg, found)),
        Expr::Aggregate(aggregate) => {
            selectors_of(&aggregate.expr, found);
            if let Some(param) = &aggregate.param {
                selectors_of(param, found);
            }
        }
        Expr::Binary(binary) => {
            selectors_of(&binary.left, found);
            selectors_of(&binary.right, found);
        }
        Expr::Unary(unary) => selectors_of(&unary.expr, found),
        Expr::Paren(paren) => selectors_of(&paren.expr, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Defaults, parse_file};
    use promql::Features;

    fn runs_of(rules: &str) -> Vec<Vec<usize>> {
        let text = format!("groups: [{{name: g, rules: [{rules}]}}]");
        let groups = parse_file("f", &text, Defaults::default(), &Features::default()).unwrap();
        runs(&groups[0].rules)
    }

    #[test]
    fn what_uses_nothing_of_others_runs_at_once() {
        for (rules, expected) in [
            ("{record: a, expr: x}, {record: b, expr: y}", vec![vec![0, 1]]),
            (
                "{record: a, expr: x}, {record: b, expr: 'rate(a[5m])'}, {record: c, expr: y}",
                vec![vec![0, 2], vec![1]],
            ),
            // The first uses what the second recorded at the evaluation before.
            ("{record: a, expr: b}, {record: b, expr: x}", vec![vec![0], vec![1]]),
            ("{record: a, expr: x}, {record: b, expr: '{job=\"j\"}'}", vec![vec![0], vec![1]]),
            ("{record: a, expr: x}, {record: b, expr: '{__name__=~\"a|b\"}'}", vec![vec![0], vec![1]]),
            ("{record: a, expr: x}, {record: a, expr: y}", vec![vec![0], vec![1]]),
            ("{alert: A, expr: x}, {alert: B, expr: 'ALERTS{alertname=\"A\"}'}", vec![vec![0], vec![1]]),
            ("{alert: A, expr: x}, {alert: B, expr: 'ALERTS{alertname=\"C\"}'}", vec![vec![0, 1]]),
            ("{alert: A, expr: x}, {alert: B, expr: 'ALERTS_FOR_STATE'}", vec![vec![0], vec![1]]),
            (
                "{record: a, expr: x}, {alert: B, expr: y, annotations: {s: '{{ query \"a\" | first | value }}'}}",
                vec![vec![0], vec![1]],
            ),
        ] {
            assert_eq!(runs_of(rules), expected, "{rules}");
        }
    }
}
