//! Functions that change or sort by labels.

use std::cmp::Ordering;

use gocompat::re2;
use model::METRIC_NAME;

use super::super::QueryError;
use super::super::call::{argument, text_argument};
use super::super::engine::{Env, Evaluator};
use super::super::rows::{has_equal_labels, merge_equal};
use super::super::value::Row;
use crate::ast::Call;

impl Evaluator<'_> {
    /// `label_replace(v, "dst", "replacement", "src", "regex")`.
    pub(crate) fn label_replace(&mut self, call: &Call, env: Env) -> Result<Vec<Row>, QueryError> {
        let [target, template, source, pattern] = [1, 2, 3, 4].map(|at| text_argument(call, at));
        let (target, template, source, pattern) = (target?, template?, source?, pattern?);
        let regex = re2::Regex::anchored(pattern).map_err(|_| {
            QueryError::Execution(format!("invalid regular expression in label_replace(): {pattern}"))
        })?;
        if target.is_empty() {
            return Err(QueryError::Execution(format!(
                "invalid destination label name in label_replace(): {target}"
            )));
        }
        let mut rows = self.rows(argument(call, 0)?, env)?;
        let mut text = String::new();
        let mut charged_bytes = self.labels.size_bytes();
        for row in &mut rows {
            {
                let value = self.labels.value(row.labels, source);
                let Some(captures) = regex.captures(value) else { continue };
                text.clear();
                // Each two letters of the template may stand for all of the value.
                let room_bytes = (template.len() as u64).saturating_mul(value.len().max(1) as u64);
                let _room = self.budget.charge(0, room_bytes)?;
                regex.expand(template, &captures, &mut text);
            }
            row.labels = self.labels.with(row.labels, target, &text);
            row.drop_name &= target != METRIC_NAME;
            self.charge_labels(&mut charged_bytes)?;
        }
        merge_if_needed(rows)
    }

    /// `label_join(v, "dst", "separator", "src"...)`.
    pub(crate) fn label_join(&mut self, call: &Call, env: Env) -> Result<Vec<Row>, QueryError> {
        let (target, separator) = (text_argument(call, 1)?, text_argument(call, 2)?);
        let mut sources = Vec::new();
        for at in 3..call.args.len() {
            let source = text_argument(call, at)?;
            if source.is_empty() {
                return Err(QueryError::Execution(format!(
                    "invalid source label name in label_join(): {source}"
                )));
            }
            sources.push(source);
        }
        if target.is_empty() {
            return Err(QueryError::Execution(format!(
                "invalid destination label name in label_join(): {target}"
            )));
        }
        let mut rows = self.rows(argument(call, 0)?, env)?;
        let mut charged_bytes = self.labels.size_bytes();
        for row in &mut rows {
            let values: Vec<&str> =
                sources.iter().map(|source| self.labels.value(row.labels, source)).collect();
            let room_bytes: usize = values.iter().map(|value| value.len() + separator.len()).sum();
            let _room = self.budget.charge(0, room_bytes as u64)?;
            let joined = values.join(separator);
            row.labels = self.labels.with(row.labels, target, &joined);
            row.drop_name &= target != METRIC_NAME;
            self.charge_labels(&mut charged_bytes)?;
        }
        merge_if_needed(rows)
    }

    /// The `sort` family. Only an instant query keeps the order.
    pub(crate) fn sort(&mut self, call: &Call, mut rows: Vec<Row>, env: Env) -> Result<Vec<Row>, QueryError> {
        let by_label = call.function.name.starts_with("sort_by_label");
        let descending = call.function.name.ends_with("_desc");
        if !by_label {
            for row in &mut rows {
                super::super::call::map_floats(&mut row.cells, |_, value| value);
            }
            rows.retain(|row| row.cells.any_present());
        }
        if env.steps.count > 1 {
            return Ok(rows);
        }
        if by_label {
            let mut names = Vec::new();
            for at in 1..call.args.len() {
                names.push(text_argument(call, at)?);
            }
            let labels = &self.labels;
            rows.sort_by(|a, b| {
                let order = names
                    .iter()
                    .map(|name| natural(labels.value(a.labels, name), labels.value(b.labels, name)))
                    .find(|order| order.is_ne())
                    .unwrap_or_else(|| labels.compare(a.labels, b.labels));
                if descending { order.reverse() } else { order }
            });
            return Ok(rows);
        }
        // NaN comes last either way.
        let value = |row: &Row| row.cells.float(0).unwrap_or(f64::NAN);
        rows.sort_by(|a, b| match (value(a), value(b)) {
            (a, b) if a.is_nan() || b.is_nan() => a.is_nan().cmp(&b.is_nan()),
            (a, b) if descending => b.total_cmp(&a),
            (a, b) => a.total_cmp(&b),
        });
        Ok(rows)
    }
}

fn merge_if_needed(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    if has_equal_labels(rows.iter().map(|row| row.labels)) { merge_equal(rows) } else { Ok(rows) }
}

/// Compares texts with the numbers in them taken as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let (x, y) = (chunk(&mut a), chunk(&mut b));
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the leading digits, or all before the next digit.
fn chunk<'a>(rest: &mut &'a str) -> &'a str {
    let digits = rest.starts_with(|c: char| c.is_ascii_digit());
    let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
    let (head, tail) = rest.split_at(end);
    *rest = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        assert_eq!(natural("node2", "node10"), Ordering::Less);
        assert_eq!(natural("a1b3", "a1b2"), Ordering::Greater);
        assert_eq!(natural("a", "a1"), Ordering::Less);
    }
}
