//! `explain`: what a query would cost, before it runs. The expression as a tree; at each selector the series
//! that it would select and, from the headers of their chunks, how many samples it would read at most.

use std::sync::Arc;

use axum::extract::{Request, State};
use model::LabelTable;
use model::storage::{ByteLimit, Select, StorageError, TimeRange, Want};
use promql::Expr;
use promql::ast::{At, DurationExpr, VectorSelector};
use serde::Serialize;

use crate::Api;
use crate::answer::{Answer, ApiError, ErrorType, blocking, success};
use crate::params::Params;
use crate::select::SELECTION_MAX_BYTES;

/// How much of a part's text is shown.
const TEXT_MAX_BYTES: usize = 1024;

/// A part of an expression and what it would read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    /// What it is: `selector`, `range`, `subquery`, `call`, `aggregation`, `binary`, `unary`, `literal`.
    kind: &'static str,
    /// The part as it was written; a long one is cut.
    expr: String,
    /// Series that it and what is below it would select.
    series: u64,
    /// Samples that it and what is below it would read, at most.
    samples_max: u64,
    /// Times at which it is evaluated.
    steps: u64,
    /// What it is computed from.
    children: Vec<Node>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    tree: Node,
    /// What a query may hold at once.
    limits: Limits,
}

#[derive(Debug, Serialize)]
struct Limits {
    samples: u64,
    bytes: u64,
}

/// When a part is evaluated: milliseconds since the epoch, and the distance, at least 1.
#[derive(Clone, Copy)]
struct Times {
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
}

impl Times {
    fn steps(self) -> u64 {
        (self.end_ms.saturating_sub(self.start_ms) / self.step_ms.max(1)).unsigned_abs() + 1
    }
}

struct Planner<'a> {
    api: &'a Api,
    /// What the expression was parsed from.
    text: &'a str,
    lookback_ms: i64,
    /// The whole query's times.
    query: Times,
    meter: ByteLimit,
}

/// A duration in milliseconds; one that is calculated counts as none.
fn constant_ms(duration: &DurationExpr) -> i64 {
    match duration {
        DurationExpr::Constant { duration_ms, .. } => *duration_ms,
        DurationExpr::Paren { inner, .. } => constant_ms(inner),
        DurationExpr::Unary { negative, inner, .. } => {
            if *negative {
                constant_ms(inner).saturating_neg()
            } else {
                constant_ms(inner)
            }
        }
        _ => 0,
    }
}

impl Planner<'_> {
    fn moved(&self, times: Times, at: Option<At>, offset: Option<&DurationExpr>) -> Times {
        let offset_ms = offset.map_or(0, constant_ms);
        let fixed = at.map(|at| match at {
            At::Timestamp(time_ms) => time_ms,
            At::Start => self.query.start_ms,
            At::End => self.query.end_ms,
        });
        Times {
            start_ms: fixed.unwrap_or(times.start_ms).saturating_sub(offset_ms),
            end_ms: fixed.unwrap_or(times.end_ms).saturating_sub(offset_ms),
            step_ms: times.step_ms,
        }
    }

    /// Series and samples of a selector that looks back so far.
    fn select(
        &self,
        selector: &VectorSelector,
        times: Times,
        back_ms: i64,
    ) -> Result<(u64, u64), StorageError> {
        let moved = self.moved(times, selector.at, selector.offset.as_ref());
        let start_ms = moved.start_ms.saturating_sub(back_ms).saturating_add(1);
        let range = TimeRange { start_ms, end_ms: moved.end_ms };
        let mut labels = LabelTable::new();
        let request = Select { range, matchers: &selector.matchers, want: Want::Samples, meter: &self.meter };
        let selection = self.api.deps.reader.select(&request, &mut labels)?;
        let samples = (0..selection.len()).map(|at| selection.samples.sample_count_max(at)).sum();
        Ok((selection.len() as u64, samples))
    }

    fn text_of(&self, expr: &Expr) -> String {
        let span = expr.span();
        let end = self.text.floor_char_boundary(span.end.min(span.start.saturating_add(TEXT_MAX_BYTES)));
        self.text.get(span.start..end).unwrap_or_default().to_string()
    }

    fn node(&self, expr: &Expr, times: Times) -> Result<Node, StorageError> {
        let mut node = Node {
            kind: "literal",
            expr: self.text_of(expr),
            series: 0,
            samples_max: 0,
            steps: times.steps(),
            children: Vec::new(),
        };
        let below = |node: &mut Node, kind: &'static str, children: &[&Expr], times: Times| {
            node.kind = kind;
            for child in children {
                let child = self.node(child, times)?;
                node.series += child.series;
                node.samples_max += child.samples_max;
                node.children.push(child);
            }
            Ok::<(), StorageError>(())
        };
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Selector(selector) => {
                node.kind = "selector";
                (node.series, node.samples_max) = self.select(selector, times, self.lookback_ms)?;
            }
            Expr::Range(range) => {
                node.kind = "range";
                let back_ms = constant_ms(&range.range);
                (node.series, node.samples_max) = self.select(&range.selector, times, back_ms)?;
            }
            Expr::Subquery(subquery) => {
                let moved = self.moved(times, subquery.at, subquery.offset.as_ref());
                let default_ms = self.api.deps.engine.options().default_subquery_step_ms;
                let step_ms = subquery.step.as_ref().map_or(default_ms, constant_ms).max(1);
                let start_ms = moved.start_ms.saturating_sub(constant_ms(&subquery.range));
                let inner = Times { start_ms, end_ms: moved.end_ms, step_ms };
                below(&mut node, "subquery", &[&subquery.expr], inner)?;
            }
            Expr::Call(call) => below(&mut node, "call", &call.args.iter().collect::<Vec<_>>(), times)?,
            Expr::Aggregate(aggregate) => {
                let mut children: Vec<&Expr> = vec![&aggregate.expr];
                children.extend(aggregate.param.as_deref());
                below(&mut node, "aggregation", &children, times)?;
            }
            // Operands in a row are siblings: the row may be much longer than expressions are deep.
            Expr::Binary(binary) => {
                let mut operands: Vec<&Expr> = vec![&binary.right];
                let mut left: &Expr = &binary.left;
                while let Expr::Binary(binary) = left {
                    operands.push(&binary.right);
                    left = &binary.left;
                }
                operands.push(left);
                operands.reverse();
                below(&mut node, "binary", &operands, times)?;
            }
            Expr::Unary(unary) => below(&mut node, "unary", &[&unary.expr], times)?,
            // Parentheses say nothing about cost.
            Expr::Paren(paren) => return self.node(&paren.expr, times),
        }
        Ok(node)
    }
}

/// `GET /api/v1/explain`: `query`, and `time` or `start`, `end` and `step`.
pub(crate) async fn explain(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let query = match params.duration_ms("step")? {
        None => {
            let at_ms = params.time_ms("time")?.unwrap_or_else(|| api.deps.clock.now_ms());
            Times { start_ms: at_ms, end_ms: at_ms, step_ms: 1 }
        }
        Some(step_ms) => Times {
            start_ms: params.required_time_ms("start")?,
            end_ms: params.required_time_ms("end")?,
            step_ms: step_ms.max(1),
        },
    };
    if query.end_ms < query.start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let text = params.get("query").unwrap_or("").to_string();
    let expr =
        promql::parse(&text, &api.deps.features).map_err(|error| ApiError::parameter("query", error))?;
    // Selecting takes memory as a query does, so it takes a query's place.
    let slot = tokio::time::timeout(api.config.timeout, api.slots.clone().acquire_owned()).await;
    let Ok(Ok(slot)) = slot else {
        return Err(ApiError::new(ErrorType::Timeout, "query timed out in query queue"));
    };
    let worker = api.clone();
    let explained = blocking(move || {
        let _slot = slot;
        let options = worker.deps.engine.options();
        let planner = Planner {
            api: &worker,
            text: &text,
            lookback_ms: options.lookback_ms,
            query,
            meter: ByteLimit::new(SELECTION_MAX_BYTES),
        };
        let limits = Limits { samples: options.max_samples, bytes: options.max_bytes };
        Ok::<_, StorageError>(Explained { tree: planner.node(&expr, query)?, limits })
    });
    success(explained.await?)
}
