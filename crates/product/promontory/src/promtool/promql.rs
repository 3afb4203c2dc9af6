//! `promtool promql`: expressions formatted and edited.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use model::{MatchOp, Matcher};
use promql::Expr;
use promql::ast::VectorSelector;

use super::{Language, end};

/// PromQL formatting and editing.
#[derive(Args)]
pub(super) struct Promql {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Format PromQL query to pretty printed form
    Format {
        /// PromQL query
        query: String,
    },
    /// Edit label matchers contained within an existing PromQL query
    LabelMatchers {
        #[command(subcommand)]
        edit: Edit,
    },
}

#[derive(Subcommand)]
enum Edit {
    /// Set a label matcher in the query
    Set {
        /// Type of the label matcher to set
        #[arg(short = 't', long = "type", value_enum, default_value_t = Op::Equal)]
        op: Op,
        /// PromQL query
        query: String,
        /// Name of the label matcher to set
        name: String,
        /// Value of the label matcher to set
        value: String,
    },
    /// Delete a label from the query
    Delete {
        /// PromQL query
        query: String,
        /// Name of the label to delete
        name: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Op {
    #[value(name = "=")]
    Equal,
    #[value(name = "!=")]
    NotEqual,
    #[value(name = "=~")]
    Matches,
    #[value(name = "!~")]
    MatchesNot,
}

impl Promql {
    pub(super) fn run(&self, language: Language) -> ExitCode {
        end(self.edited(language).map(|expr| println!("{}", promql::pretty(&expr))))
    }

    fn edited(&self, language: Language) -> Result<Expr, String> {
        let parse = |query: &str| promql::parse(query, &language.features).map_err(|error| error.to_string());
        match &self.what {
            What::Format { query } => parse(query),
            What::LabelMatchers { edit: Edit::Set { op, query, name, value } } => {
                let op = match op {
                    Op::Equal => MatchOp::Equal,
                    Op::NotEqual => MatchOp::NotEqual,
                    Op::Matches => MatchOp::Regex,
                    Op::MatchesNot => MatchOp::NotRegex,
                };
                let matcher = Matcher::new(op, name, value).map_err(|error| error.to_string())?;
                let mut expr = parse(query)?;
                selectors(&mut expr, &mut |selector| {
                    let mut found = false;
                    for known in selector.matchers.iter_mut().filter(|known| known.name == *name) {
                        *known = matcher.clone();
                        found = true;
                    }
                    if !found {
                        selector.matchers.push(matcher.clone());
                    }
                    rename(selector);
                });
                Ok(expr)
            }
            What::LabelMatchers { edit: Edit::Delete { query, name } } => {
                let mut expr = parse(query)?;
                selectors(&mut expr, &mut |selector| {
                    selector.matchers.retain(|known| known.name != *name);
                    rename(selector);
                });
                Ok(expr)
            }
        }
    }
}

/// A name before the braces stays only where it is a condition.
fn rename(selector: &mut VectorSelector) {
    let Some(name) = &selector.name else { return };
    let of_name = selector.matchers.iter().find(|matcher| matcher.name == model::METRIC_NAME);
    selector.name = match of_name {
        Some(matcher) if matcher.op == MatchOp::Equal && matcher.value == *name => return,
        _ => None,
    };
}

/// Changes all selectors of an expression.
fn selectors(expr: &mut Expr, change: &mut dyn FnMut(&mut VectorSelector)) {
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Selector(selector) => change(selector),
        Expr::Range(range) => change(&mut range.selector),
        Expr::Subquery(subquery) => selectors(&mut subquery.expr, change),
        Expr::Call(call) => call.args.iter_mut().for_each(|arg| selectors(arg, change)),
        Expr::Aggregate(aggregate) => {
            selectors(&mut aggregate.expr, change);
            if let Some(param) = &mut aggregate.param {
                selectors(param, change);
            }
        }
        Expr::Binary(binary) => {
            selectors(&mut binary.left, change);
            selectors(&mut binary.right, change);
        }
        Expr::Unary(unary) => selectors(&mut unary.expr, change),
        Expr::Paren(paren) => selectors(&mut paren.expr, change),
    }
}
