//! Aggregations that look at all rows of a group at once: `topk`, `bottomk`, `limitk`,
//! `limit_ratio`, `quantile`, `count_values`.

use model::label_table::{LabelTable, SetId};

use super::QueryError;
use super::aggregate::group;
use super::annotations::Note;

use super::engine::{Env, Evaluator, unexpected};
use super::functions::quantile::quantile_of;
use super::rows::row_bytes;
use super::tree::unparen;
use super::value::{Cell, Cells, Row};
use crate::ast::{Aggregate, AggregateOp, Expr};

impl Evaluator<'_> {
    /// The rows of such an aggregation.
    pub(crate) fn ranking(&mut self, aggregate: &Aggregate, env: Env) -> Result<Vec<Row>, QueryError> {
        let param = aggregate.param.as_deref().ok_or_else(|| unexpected("no parameter"))?;
        if aggregate.op == AggregateOp::CountValues {
            return self.count_values(aggregate, param, env);
        }
        let params = self.scalar(unparen(param), env)?;
        let rows = self.rows(&aggregate.expr, env)?;
        let mut out = match aggregate.op {
            AggregateOp::Quantile => self.quantile(aggregate, param, &params, &rows),
            AggregateOp::LimitRatio => self.limit_ratio(aggregate, param, &params, &rows),
            _ => self.select_k(aggregate, &params, &rows, env),
        }?;
        self.charge(&mut out)?;
        Ok(out)
    }

    fn quantile(
        &mut self,
        aggregate: &Aggregate,
        param: &Expr,
        params: &[f64],
        rows: &[Row],
    ) -> Result<Vec<Row>, QueryError> {
        let span = unparen(param).span();
        let largest = params.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = params.iter().copied().fold(f64::INFINITY, f64::min);
        if params.iter().any(|q| q.is_nan()) {
            self.notes.add(Note::InvalidQuantile(f64::NAN), span);
        }
        if largest > 1.0 {
            self.notes.add(Note::InvalidQuantile(largest), span);
        }
        if smallest < 0.0 {
            self.notes.add(Note::InvalidQuantile(smallest), span);
        }
        let groups = by_group(rows, aggregate, &mut self.labels);
        let mut out = Vec::with_capacity(groups.len());
        for (labels, members) in groups {
            self.budget.check()?;
            let mut row = Row::new(labels, false, Cells::absent(params.len()));
            let mut values = Vec::with_capacity(members.len());
            for (step, q) in params.iter().enumerate() {
                values.clear();
                for at in &members {
                    match rows[*at].cells.get(step) {
                        Cell::Absent => continue,
                        Cell::Float(value) => values.push(value),
                        Cell::Histogram(_) => {
                            let span = unparen(&aggregate.expr).span();
                            self.notes.add(Note::IgnoredInAggregation("quantile"), span);
                            continue;
                        }
                    }
                    row.drop_name |= rows[*at].drop_name;
                }
                if !values.is_empty() {
                    row.cells.set_float(step, quantile_of(*q, &mut values));
                }
            }
            if row.cells.any_present() {
                out.push(row);
            }
        }
        Ok(out)
    }

    /// `topk`, `bottomk`, `limitk`: rows with some of their steps cleared.
    fn select_k(
        &mut self,
        aggregate: &Aggregate,
        params: &[f64],
        rows: &[Row],
        env: Env,
    ) -> Result<Vec<Row>, QueryError> {
        if params.iter().any(|k| k.is_nan()) {
            return Err(QueryError::Execution("Parameter value is NaN".to_string()));
        }
        if params.iter().all(|k| *k < 1.0) {
            return Ok(Vec::new());
        }
        let limit = i64::MAX as f64;
        if let Some(k) = params.iter().find(|k| **k <= -limit) {
            return Err(QueryError::Execution(format!("Scalar value {} underflows int64", format_float(*k))));
        }
        if let Some(k) = params.iter().find(|k| **k >= limit) {
            return Err(QueryError::Execution(format!("Scalar value {} overflows int64", format_float(*k))));
        }
        let groups = by_group(rows, aggregate, &mut self.labels);
        // What is kept stands beside the rows for a while.
        let kept_bytes = (rows.len() as u64).saturating_mul(row_bytes(params.len()));
        let _kept_charge = self.budget.charge(0, kept_bytes)?;
        let mut kept: Vec<Cells> = rows.iter().map(|_| Cells::absent(params.len())).collect();
        let mut order = Vec::new();
        for (step, k) in params.iter().enumerate() {
            self.budget.check()?;
            let k = (*k as i64).clamp(0, rows.len() as i64) as usize;
            if k == 0 {
                continue;
            }
            for (_, members) in &groups {
                let present = members.iter().copied().filter(|at| rows[*at].cells.is_present(step));
                let chosen = match aggregate.op {
                    AggregateOp::LimitK => present.take(k).collect(),
                    op => self.best(op, aggregate, rows, step, present, k),
                };
                for at in chosen {
                    kept[at].set(step, rows[at].cells.get(step));
                    if env.steps.count == 1 {
                        order.push(at);
                    }
                }
            }
        }
        if env.steps.count > 1 {
            order = (0..rows.len()).filter(|at| kept[*at].any_present()).collect();
        }
        let row = |at: usize| Row::new(rows[at].labels, rows[at].drop_name, std::mem::take(&mut kept[at]));
        Ok(order.into_iter().map(row).collect())
    }

    /// The k best of a group at a step, best first.
    fn best(
        &mut self,
        op: AggregateOp,
        aggregate: &Aggregate,
        rows: &[Row],
        step: usize,
        present: impl Iterator<Item = usize>,
        k: usize,
    ) -> Vec<usize> {
        let is_top = op == AggregateOp::TopK;
        // NaN is worse than any number.
        let is_worse = |a: f64, b: f64| a.is_nan() || if is_top { a < b } else { a > b };
        let mut heap: Vec<(f64, usize)> = Vec::with_capacity(k.min(64));
        for at in present {
            let Some(value) = rows[at].cells.float(step) else {
                let name = if is_top { "topk" } else { "bottomk" };
                self.notes.add(Note::IgnoredInAggregation(name), aggregate.span);
                continue;
            };
            if heap.len() < k {
                heap.push((value, at));
                sift_up(&mut heap, is_worse);
            } else if let Some((worst, _)) = heap.first().copied() {
                let is_better = if is_top { worst < value } else { worst > value };
                if is_better || (worst.is_nan() && !value.is_nan()) {
                    heap[0] = (value, at);
                    sift_down(&mut heap, is_worse);
                }
            }
        }
        heap.sort_by(|a, b| match (is_worse(b.0, a.0), is_worse(a.0, b.0)) {
            (true, false) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        });
        heap.into_iter().map(|(_, at)| at).collect()
    }

    fn limit_ratio(
        &mut self,
        aggregate: &Aggregate,
        param: &Expr,
        params: &[f64],
        rows: &[Row],
    ) -> Result<Vec<Row>, QueryError> {
        if params.iter().all(|ratio| *ratio == 0.0) {
            return Ok(Vec::new());
        }
        if params.iter().any(|ratio| ratio.is_nan()) {
            return Err(QueryError::Execution("Ratio value is NaN".to_string()));
        }
        let span = unparen(param).span();
        let largest = params.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = params.iter().copied().fold(f64::INFINITY, f64::min);
        if largest > 1.0 {
            self.notes.add(Note::InvalidRatio(largest, 1.0), span);
        }
        if smallest < -1.0 {
            self.notes.add(Note::InvalidRatio(smallest, -1.0), span);
        }
        let _ = aggregate;
        let mut out = Vec::new();
        for row in rows {
            let offset = sample_offset(&self.labels, row.labels);
            let mut kept = row.clone();
            kept.charge = self.budget.charge(0, row_bytes(params.len()))?;
            for (step, ratio) in params.iter().enumerate() {
                let ratio = ratio.clamp(-1.0, 1.0);
                let is_in = if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio };
                if ratio == 0.0 || !is_in {
                    kept.cells.clear(step);
                }
            }
            if kept.cells.any_present() {
                out.push(kept);
            }
        }
        Ok(out)
    }

    fn count_values(
        &mut self,
        aggregate: &Aggregate,
        param: &Expr,
        env: Env,
    ) -> Result<Vec<Row>, QueryError> {
        let Expr::String(label) = unparen(param) else { return Err(unexpected("string")) };
        // The parser puts U+FFFD for bytes that are no UTF-8; the message shows what was written.
        if label.value.is_empty() || label.value.contains('\u{fffd}') {
            let written = self.text.get(label.span.start..label.span.end).unwrap_or("\"\"");
            return Err(QueryError::Execution(format!("invalid label name {written}")));
        }
        let label = label.value.as_str();
        let rows = self.rows(&aggregate.expr, env)?;
        let mut names = aggregate.grouping.clone();
        if !aggregate.without {
            names.push(label.to_string());
        }
        let listed = self.labels.names(&names);
        let metric_name = self.labels.name(model::METRIC_NAME);
        // By number of set: its row, plus one.
        let mut places: Vec<u32> = Vec::new();
        let mut out: Vec<Row> = Vec::new();
        let mut charged_bytes = self.labels.size_bytes();
        for row in &rows {
            let mut last: Option<(u64, usize)> = None;
            for step in 0..env.steps.count {
                let (text, bits) = match row.cells.get(step) {
                    Cell::Absent => continue,
                    Cell::Float(value) => {
                        if let Some((bits, place)) = last
                            && bits == value.to_bits()
                        {
                            count_up(&mut out[place].cells, step);
                            continue;
                        }
                        (format_float(value), Some(value.to_bits()))
                    }
                    Cell::Histogram(histogram) => (histogram.to_string(), None),
                };
                let with_value = self.labels.with(row.labels, label, &text);
                let labels = self.labels.filter(with_value, |name| match aggregate.without {
                    true => !listed.has(name) && name != metric_name,
                    false => listed.has(name),
                });
                self.charge_labels(&mut charged_bytes)?;
                places.resize(self.labels.set_count(), 0);
                let place = match places[labels.index()].checked_sub(1) {
                    Some(place) => place as usize,
                    None => {
                        self.budget.check()?;
                        let charge = self.budget.charge(0, row_bytes(env.steps.count))?;
                        let cells = Cells::absent(env.steps.count);
                        out.push(Row { charge, ..Row::new(labels, false, cells) });
                        places[labels.index()] = out.len() as u32;
                        out.len() - 1
                    }
                };
                last = bits.map(|bits| (bits, place));
                count_up(&mut out[place].cells, step);
            }
        }
        self.charge(&mut out)?;
        Ok(out)
    }
}

/// A float as label values hold it: in full, without exponent.
fn format_float(value: f64) -> String {
    gocompat::float::format(value, gocompat::float::Format::Fixed, None)
}

fn count_up(cells: &mut Cells, step: usize) {
    let count = cells.float(step).unwrap_or(0.0);
    cells.set_float(step, count + 1.0);
}

/// Groups of rows: labels and positions.
fn by_group(rows: &[Row], aggregate: &Aggregate, labels: &mut LabelTable) -> Vec<(SetId, Vec<usize>)> {
    let sets = rows.iter().map(|row| row.labels);
    let groups = group(sets, labels, &aggregate.grouping, aggregate.without);
    let mut out: Vec<(SetId, Vec<usize>)> =
        groups.labels.into_iter().map(|labels| (labels, Vec::new())).collect();
    for (at, group) in groups.of_row.iter().enumerate() {
        out[*group as usize].1.push(at);
    }
    out
}

/// Moves the last entry of a heap (worst first) to its place.
fn sift_up(heap: &mut [(f64, usize)], is_worse: impl Fn(f64, f64) -> bool) {
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) / 2;
        if !is_worse(heap[at].0, heap[parent].0) {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

/// Moves the first entry of a heap (worst first) to its place.
fn sift_down(heap: &mut [(f64, usize)], is_worse: impl Fn(f64, f64) -> bool) {
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && is_worse(heap[child + 1].0, heap[child].0) {
            child += 1;
        }
        if !is_worse(heap[child].0, heap[at].0) {
            return;
        }
        heap.swap(at, child);
        at = child;
    }
}

/// Where in 0 to 1 `limit_ratio` sees a series: XXH64 over Prometheus's packed labels, in which each
/// text follows its length, one byte, or 255 and three bytes, lowest first.
fn sample_offset(labels: &LabelTable, set: SetId) -> f64 {
    let mut packed = Vec::new();
    for (name, value) in labels.iter(set) {
        for part in [name, value] {
            match u8::try_from(part.len()) {
                Ok(length) if length < 255 => packed.push(length),
                _ => {
                    packed.push(255);
                    packed.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
                }
            }
            packed.extend_from_slice(part.as_bytes());
        }
    }
    xxhash_rust::xxh64::xxh64(&packed, 0) as f64 / u64::MAX as f64
}
