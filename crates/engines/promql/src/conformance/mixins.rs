//! Every expression of the default dashboards and rules, and of the compliance tester, evaluated:
//! on a store without data, and on one made up so that every selector finds something.

use std::path::Path;
use testkit::SuiteResult;

use model::METRIC_NAME;
use model::labels::{Labels, LabelsBuilder};
use model::matcher::{MatchOp, Matcher};

use super::memory::{Memory, Point};
use super::parse_cases::{Text, corpus_queries};
use crate::ast::Expr;
use crate::eval::{Engine, EngineOptions, QueryError, QueryLimits};
use crate::parse::{Features, parse};

const HOUR_MS: i64 = 3_600_000;

/// Evaluates every expression in `dir`, the folder `conformance`, as instant and range query.
pub fn mixins(dir: &Path) -> SuiteResult {
    match corpus_queries(dir) {
        Err(why) => SuiteResult::broken(why),
        Ok(texts) => {
            let mut result = SuiteResult::default();
            for text in texts {
                if let Text::Expression(text) = text {
                    result.add(evaluates(&text).map_err(|error| format!("{text}\n    {error}")));
                }
            }
            result
        }
    }
}

fn evaluates(text: &str) -> Result<(), String> {
    let expr = parse(text, &Features::all()).map_err(|error| error.to_string())?;
    let mut made_up = Memory::new();
    let mut selectors = Vec::new();
    collect_selectors(&expr, &mut selectors);
    for matchers in selectors {
        fill(&mut made_up, matchers);
    }
    for delayed_name_removal in [false, true] {
        let engine = Engine::new(EngineOptions { delayed_name_removal, ..EngineOptions::default() });
        for store in [&Memory::new(), &made_up] {
            let limits = QueryLimits::default();
            let instant = engine.instant(store, &expr, text, HOUR_MS, &limits);
            acceptable(instant.map(|_| ()))?;
            if matches!(expr.value_type(), crate::ast::ValueType::Scalar | crate::ast::ValueType::Vector) {
                let range = engine.range(store, &expr, text, HOUR_MS / 2, HOUR_MS, 60_000, &limits);
                acceptable(range.map(|_| ()))?;
            }
        }
    }
    Ok(())
}

/// Made-up series may well match each other in ways that real ones do not.
fn acceptable(result: Result<(), QueryError>) -> Result<(), String> {
    match result {
        Err(QueryError::Execution(text))
            if text.starts_with("found duplicate series")
                || text.starts_with("multiple matches for labels")
                || text.starts_with("vector cannot contain metrics with the same labelset") =>
        {
            Ok(())
        }
        other => other.map_err(|error| error.to_string()),
    }
}

fn collect_selectors<'a>(expr: &'a Expr, into: &mut Vec<&'a [Matcher]>) {
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Selector(selector) => into.push(&selector.matchers),
        Expr::Range(range) => into.push(&range.selector.matchers),
        Expr::Subquery(subquery) => collect_selectors(&subquery.expr, into),
        Expr::Call(call) => call.args.iter().for_each(|arg| collect_selectors(arg, into)),
        Expr::Aggregate(aggregate) => {
            collect_selectors(&aggregate.expr, into);
            if let Some(param) = &aggregate.param {
                collect_selectors(param, into);
            }
        }
        Expr::Binary(binary) => {
            collect_selectors(&binary.left, into);
            collect_selectors(&binary.right, into);
        }
        Expr::Unary(unary) => collect_selectors(&unary.expr, into),
        Expr::Paren(paren) => collect_selectors(&paren.expr, into),
    }
}

/// A value that meets the condition, if one is easily found.
fn value_for(matcher: &Matcher) -> Option<String> {
    let candidates = match matcher.op {
        MatchOp::Equal => return Some(matcher.value.clone()),
        MatchOp::Regex => {
            let mut candidates: Vec<String> = matcher.value.split('|').map(str::to_string).collect();
            candidates.extend(["", "x", "5xx", "500"].map(str::to_string));
            if let Some(prefix) = matcher.regex().and_then(|regex| regex.prefix()) {
                candidates.push(prefix.to_string());
                candidates.push(format!("{prefix}x"));
            }
            candidates
        }
        MatchOp::NotEqual | MatchOp::NotRegex => ["x", "y1", ""].map(str::to_string).to_vec(),
    };
    candidates.into_iter().find(|candidate| matcher.matches(candidate))
}

/// Adds series that a selector finds: an hour of a counter, or of buckets of a histogram.
fn fill(store: &mut Memory, matchers: &[Matcher]) {
    let mut labels = LabelsBuilder::default();
    for (name, value) in [
        (METRIC_NAME, "made_up"),
        ("instance", "i"),
        ("job", "j"),
        ("cluster", "c"),
        ("namespace", "n"),
        ("pod", "p"),
    ] {
        labels.set(name, value);
    }
    for matcher in matchers {
        if let Some(value) = value_for(matcher) {
            labels.set(&matcher.name, &value);
        }
    }
    let is_bucket = labels.get(METRIC_NAME).ends_with("_bucket") && labels.get("le").is_empty();
    let bounds: &[&str] = if is_bucket { &["0.1", "1", "+Inf"] } else { &[""] };
    for (at, bound) in bounds.iter().enumerate() {
        if is_bucket {
            labels.set("le", bound);
        }
        let labels: Labels = labels.build();
        for sample in 0..120 {
            let value = (sample * (at as i64 + 2) + sample % 7) as f64;
            store.append(&labels, sample * 30_000, 0, Point::Float(value));
        }
    }
}
