//! Which features there are and whether they are on, by category.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use promql::ast::{AggregateOp, BinaryOp};
use promql::functions::FUNCTIONS;

use crate::Api;
use crate::answer::{Answer, success};
use crate::search;

/// What the API itself can do.
const API: &[&str] = &[
    "exclude_alerts",
    "label_values_match",
    "query_stats",
    "query_warnings",
    "search",
    "time_range_labels",
    "time_range_series",
];

/// Words and abilities of the language that are always there.
const LANGUAGE: &[&str] = &[
    "at_modifier",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "negative_offset",
    "offset",
    "on",
    "per_query_lookback_delta",
    "per_step_stats",
    "subqueries",
    "without",
];

const OPERATORS: [BinaryOp; 18] = [
    BinaryOp::Pow,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Mod,
    BinaryOp::Atan2,
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Equal,
    BinaryOp::NotEqual,
    BinaryOp::Greater,
    BinaryOp::Less,
    BinaryOp::GreaterEqual,
    BinaryOp::LessEqual,
    BinaryOp::TrimUpper,
    BinaryOp::TrimLower,
    BinaryOp::And,
    BinaryOp::Or,
    BinaryOp::Unless,
];

const AGGREGATIONS: [AggregateOp; 14] = [
    AggregateOp::Sum,
    AggregateOp::Avg,
    AggregateOp::Count,
    AggregateOp::Min,
    AggregateOp::Max,
    AggregateOp::Group,
    AggregateOp::Stddev,
    AggregateOp::Stdvar,
    AggregateOp::TopK,
    AggregateOp::BottomK,
    AggregateOp::CountValues,
    AggregateOp::Quantile,
    AggregateOp::LimitK,
    AggregateOp::LimitRatio,
];

pub(crate) async fn features(State(api): State<Arc<Api>>) -> Answer {
    let on = &api.deps.features;
    let algorithms = search::ALGORITHMS.iter().map(|name| format!("search_fuzz_alg_{name}"));
    let of_api = API.iter().map(ToString::to_string).chain(algorithms).map(|name| (name, true));
    let of_language = LANGUAGE.iter().map(|name| (*name, true)).chain([
        ("anchored", on.extended_range_selectors),
        ("smoothed", on.extended_range_selectors),
        ("duration_expr", on.duration_expressions),
        ("fill", on.fill_modifiers),
        ("fill_left", on.fill_modifiers),
        ("fill_right", on.fill_modifiers),
    ]);
    let operators = OPERATORS.iter().map(|op| (op.as_str(), true)).chain(AGGREGATIONS.iter().map(|op| {
        let experimental = matches!(op, AggregateOp::LimitK | AggregateOp::LimitRatio);
        (op.as_str(), !experimental || on.experimental_functions)
    }));
    let functions =
        FUNCTIONS.iter().map(|function| (function.name, !function.experimental || on.experimental_functions));
    let by_category: BTreeMap<&str, BTreeMap<String, bool>> = [
        ("api", of_api.collect()),
        ("promql", of_language.map(owned).collect()),
        ("promql_functions", functions.map(owned).collect()),
        ("promql_operators", operators.map(owned).collect()),
    ]
    .into();
    success(by_category)
}

fn owned((name, on): (&str, bool)) -> (String, bool) {
    (name.to_string(), on)
}
