//! `info(v, {selector})`: adds the labels of info metrics such as `target_info` to series of the
//! same `instance` and `job`.

use model::METRIC_NAME;
use model::label_table::{LabelTable, NameId, SetId};
use model::matcher::{MatchOp, Matcher};
use model::storage::Want;

use super::super::QueryError;
use super::super::call::argument;
use super::super::engine::{Env, Evaluator, unexpected};
use super::super::leaf::{Feed, Instant, Pick};
use super::super::rows::{FastMap, merge_equal, same_labelset};
use super::super::tree::unparen;
use super::super::value::{Cells, Row};
use crate::ast::{Call, Expr};

/// The labels by which info series belong to others.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

fn invalid(error: impl std::fmt::Display) -> QueryError {
    QueryError::Execution(error.to_string())
}

impl Evaluator<'_> {
    /// The rows of `info`.
    pub(crate) fn info(&mut self, call: &Call, env: Env) -> Result<Vec<Row>, QueryError> {
        let (fixed_ms, offset_ms) = self.info_time(argument(call, 0)?, false)?.unwrap_or((None, 0));
        let base = self.rows(argument(call, 0)?, env)?;
        let matchers: &[Matcher] = match call.args.get(1).map(unparen) {
            None => &[],
            Some(Expr::Selector(selector)) => &selector.matchers,
            Some(other) => return Err(unexpected(other.value_type().documented())),
        };
        let (names, data): (Vec<Matcher>, Vec<Matcher>) =
            matchers.iter().cloned().partition(|matcher| matcher.name == METRIC_NAME);
        let names = effective_names(names)?;
        // What is an info series itself gets no labels.
        let is_info: Vec<bool> = base
            .iter()
            .map(|row| names.iter().all(|m| m.matches(self.labels.metric_name(row.labels))))
            .collect();
        let info = self.info_rows(&base, &is_info, &names, &data, fixed_ms, offset_ms, env)?;

        let identifying = self.labels.names(IDENTIFYING);
        let only_name = self.labels.names([METRIC_NAME]);
        let mut by_identity: FastMap<SetId, FastMap<SetId, Vec<usize>>> = FastMap::default();
        for (at, row) in info.iter().enumerate() {
            let identity = self.labels.only(row.labels, &identifying);
            let name = self.labels.only(row.labels, &only_name);
            by_identity.entry(identity).or_default().entry(name).or_default().push(at);
        }
        let wants_match = data.iter().any(|matcher| !matcher.matches_empty());
        let mut out: Vec<Row> = Vec::new();
        for (at, row) in base.iter().enumerate() {
            if is_info[at] {
                out.push(row.clone());
                continue;
            }
            let metrics = by_identity.get(&self.labels.only(row.labels, &identifying));
            let mut variants: FastMap<SetId, Cells> = FastMap::default();
            for step in 0..env.steps.count {
                if !row.cells.is_present(step) {
                    continue;
                }
                let mut chosen: Vec<SetId> = Vec::new();
                for members in metrics.into_iter().flat_map(|metrics| metrics.values()) {
                    if let Some(at) = newest(&info, members, step, &self.labels)? {
                        chosen.push(info[at].labels);
                    }
                }
                if chosen.is_empty() && wants_match {
                    continue;
                }
                let labels = enrich(row.labels, &chosen, &data, &mut self.labels)?;
                variants
                    .entry(labels)
                    .or_insert_with(|| Cells::absent(env.steps.count))
                    .set(step, row.cells.get(step));
            }
            let rows = variants.into_iter().map(|(labels, cells)| Row::new(labels, row.drop_name, cells));
            let mut rows: Vec<Row> = rows.collect();
            self.charge(&mut rows)?;
            out.extend(rows);
        }
        self.charge(&mut out)?;
        merge_equal(out).map_err(|_| same_labelset())
    }

    /// The series that may add labels; their values are the times of their samples.
    fn info_rows(
        &mut self,
        base: &[Row],
        is_info: &[bool],
        names: &[Matcher],
        data: &[Matcher],
        fixed_ms: Option<i64>,
        offset_ms: i64,
        env: Env,
    ) -> Result<Vec<Row>, QueryError> {
        let mut matchers = Vec::new();
        for label in IDENTIFYING {
            let mut values: Vec<&str> = base
                .iter()
                .zip(is_info)
                .filter(|(_, is_info)| !**is_info)
                .map(|(row, _)| self.labels.value(row.labels, label))
                .filter(|value| !value.is_empty())
                .collect();
            values.sort_unstable();
            values.dedup();
            if !values.is_empty() {
                let pattern: Vec<String> = values.into_iter().map(gocompat::re2::quote).collect();
                matchers.push(Matcher::new(MatchOp::Regex, label, pattern.join("|")).map_err(invalid)?);
            }
        }
        if matchers.is_empty() {
            return Ok(Vec::new());
        }
        matchers.extend(data.iter().chain(names).cloned());
        let range = self.lookback_range(env, fixed_ms, offset_ms);
        let rows = Instant {
            feed: Feed::Store(self.select(range, &matchers, Want::Samples)?),
            steps: env.steps,
            offset_ms,
            fixed_ms,
            lookback_ms: self.lookback_ms,
            pick: Pick::TimeMs,
            detect_resets: false,
            drop_name: false,
            budget: self.budget,
        };
        self.collect(Box::new(rows), env)
    }

    /// The `@` and offset of the first selector of an expression, those of subqueries around it included.
    fn info_time(&self, expr: &Expr, inside: bool) -> Result<Option<(Option<i64>, i64)>, QueryError> {
        let _ = inside;
        Ok(match expr {
            Expr::Number(_) | Expr::String(_) => None,
            Expr::Selector(s) => {
                Some((s.at.map(|at| self.times.at_ms(at)), self.times.offset_ms(s.offset.as_ref())?))
            }
            Expr::Range(r) => {
                let s = &r.selector;
                Some((s.at.map(|at| self.times.at_ms(at)), self.times.offset_ms(s.offset.as_ref())?))
            }
            Expr::Subquery(s) => match self.info_time(&s.expr, true)? {
                Some((None, offset)) => Some((
                    s.at.map(|at| self.times.at_ms(at)),
                    offset + self.times.offset_ms(s.offset.as_ref())?,
                )),
                found => found,
            },
            Expr::Paren(e) => self.info_time(&e.expr, inside)?,
            Expr::Unary(e) => self.info_time(&e.expr, inside)?,
            Expr::Aggregate(e) => self.info_time(&e.expr, inside)?,
            Expr::Binary(e) => match self.info_time(&e.left, inside)? {
                None => self.info_time(&e.right, inside)?,
                found => found,
            },
            Expr::Call(e) => {
                for arg in &e.args {
                    if let Some(found) = self.info_time(arg, inside)? {
                        return Ok(Some(found));
                    }
                }
                None
            }
        })
    }
}

/// Conditions on the name of info metrics: `target_info` if there are none, and only names that end
/// in `_info` if there are only negative ones.
fn effective_names(mut names: Vec<Matcher>) -> Result<Vec<Matcher>, QueryError> {
    if names.is_empty() {
        names.push(Matcher::equal(METRIC_NAME, "target_info"));
    } else if names.iter().all(|matcher| matcher.op.is_negative()) {
        names.push(Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info").map_err(invalid)?);
    }
    Ok(names)
}

/// Of the series of one info metric, the one with the newest sample at a step.
fn newest(
    info: &[Row],
    members: &[usize],
    step: usize,
    labels: &LabelTable,
) -> Result<Option<usize>, QueryError> {
    let mut best: Option<(f64, usize)> = None;
    for at in members {
        let Some(time) = info[*at].cells.float(step) else { continue };
        match best {
            Some((newest, other)) if newest == time => {
                let (a, b) = (labels.labels(info[other].labels), labels.labels(info[*at].labels));
                return Err(QueryError::Execution(format!(
                    "found duplicate series for info metric: existing {a} @ {time}, new {b} @ {time}"
                )));
            }
            Some((newest, _)) if newest > time => {}
            _ => best = Some((time, *at)),
        }
    }
    Ok(best.map(|(_, at)| at))
}

/// The labels of a series with those of info series added: all that are asked for and that it does
/// not have.
fn enrich(
    base: SetId,
    info: &[SetId],
    data: &[Matcher],
    labels: &mut LabelTable,
) -> Result<SetId, QueryError> {
    let mut added: FastMap<NameId, SetId> = FastMap::default();
    let mut set = base;
    for info_set in info {
        let pairs = labels.pairs(*info_set).to_vec();
        for pair in pairs {
            let (name, value) = labels.pair_text(pair);
            let wanted = data.is_empty() || data.iter().any(|matcher| matcher.name == name);
            if name == METRIC_NAME || !wanted || value.is_empty() {
                continue;
            }
            let name_id = labels.name_of(pair);
            if labels.pair_in(base, name_id).is_some() {
                continue;
            }
            if let Some(before) = added.get(&name_id)
                && labels.pair_in(*before, name_id) != Some(pair)
            {
                return Err(QueryError::Execution(format!("conflicting label: {name}")));
            }
            added.insert(name_id, *info_set);
            set = labels.with_pair(set, name_id, Some(pair));
        }
    }
    Ok(set)
}
