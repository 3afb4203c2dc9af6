//! Aggregations that add rows up while they are computed. Those that need all rows at once are in
//! `ranking`.

use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram, HistogramSum};
use model::label_table::{LabelTable, SetId};

use super::QueryError;
use super::annotations::{Note, Notes, Operation};
use super::budget::{Budget, Charge};
use super::engine::{Env, Evaluator};
use super::functions::math::kahan_add;
use super::functions::over_time::{HistogramMean, Mean};
use super::rows::row_bytes;
use super::tree::unparen;
use super::value::{ABSENT, Cell, Cells, Row, is_absent};
use super::wide;
use super::work::Work;
use crate::ast::{Aggregate, AggregateOp, Span};

/// The groups of a list of rows, known before a sample is read.
pub(crate) struct Groups {
    pub(crate) labels: Vec<SetId>,
    /// The group of each row.
    pub(crate) of_row: Vec<u32>,
}

/// Groups rows by the listed labels, or by all others but the name.
pub(crate) fn group(
    rows: impl Iterator<Item = SetId>,
    labels: &mut LabelTable,
    names: &[String],
    without: bool,
) -> Groups {
    let listed = match without {
        true => labels.names(names.iter().map(String::as_str).chain([model::METRIC_NAME])),
        false => labels.names(names),
    };
    // By number of set: its group, plus one.
    let mut places: Vec<u32> = Vec::new();
    let mut groups = Groups { labels: Vec::new(), of_row: Vec::with_capacity(rows.size_hint().0) };
    for row in rows {
        let set = labels.filter(row, |name| listed.has(name) != without);
        if places.len() <= set.index() {
            places.resize(labels.set_count(), 0);
        }
        let place = &mut places[set.index()];
        if *place == 0 {
            groups.labels.push(set);
            *place = groups.labels.len() as u32;
        }
        groups.of_row.push(*place - 1);
    }
    groups
}

impl Evaluator<'_> {
    /// The rows of an aggregation.
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate, env: Env) -> Result<Vec<Row>, QueryError> {
        let op = match aggregate.op {
            AggregateOp::Sum => Op::Sum,
            AggregateOp::Avg => Op::Avg,
            AggregateOp::Count => Op::Count,
            AggregateOp::Group => Op::Group,
            AggregateOp::Min => Op::Min,
            AggregateOp::Max => Op::Max,
            AggregateOp::Stddev => Op::Stddev,
            AggregateOp::Stdvar => Op::Stdvar,
            _ => return self.ranking(aggregate, env),
        };
        let rows = self.source(&aggregate.expr, env)?;
        let sets = (0..rows.len()).map(|at| rows.labels(at));
        let groups = group(sets, &mut self.labels, &aggregate.grouping, aggregate.without);
        let steps = env.steps.count;
        let span = unparen(&aggregate.expr).span();
        let table_bytes = groups.labels.len() as u64 * 3 * row_bytes(steps);
        let _table_charge = self.budget.charge(0, table_bytes)?;
        let labels = &self.labels;
        let mut table = Table::new(op, groups.labels.len(), steps, span);
        let work = Work {
            count: rows.len(),
            steps,
            cost: rows.cost(),
            threads: self.options.threads,
            budget: self.budget,
        };
        work.in_order(
            &mut self.notes,
            |range, batch: &mut Vec<Cells>, scratch, notes| {
                batch.resize_with(range.len().max(batch.len()), Cells::default);
                for (at, cells) in range.zip(batch) {
                    rows.fill(at, labels, scratch, cells, notes)?;
                }
                Ok(())
            },
            |range, batch, notes| {
                for (at, cells) in range.zip(batch) {
                    let name = || labels.metric_name(rows.labels(at));
                    table.add(groups.of_row[at] as usize, cells, &name, rows.drop_name(at), notes);
                    table.charge_histograms(self.budget, HISTOGRAM_CHARGE_BYTES)?;
                }
                Ok(())
            },
        )?;
        let mut out = table.finish(groups.labels, &mut self.notes);
        self.charge(&mut out)?;
        Ok(out)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Sum,
    Avg,
    Count,
    Group,
    Min,
    Max,
    Stddev,
    Stdvar,
}

impl Op {
    /// The name by which notes say that histograms are ignored; `None` if they are not.
    fn ignores_histograms(self) -> Option<&'static str> {
        match self {
            Op::Min => Some("min"),
            Op::Max => Some("max"),
            Op::Stddev => Some("stddev"),
            Op::Stdvar => Some("stdvar"),
            Op::Sum | Op::Avg | Op::Count | Op::Group => None,
        }
    }
}

/// What a group's histograms come to at one step.
#[derive(Clone, Debug)]
struct HistogramCell {
    value: HistogramValue,
    has_reset: bool,
    has_not_reset: bool,
    /// Exponential and custom buckets met: no result.
    incompatible: bool,
}

#[derive(Clone, Debug)]
enum HistogramValue {
    /// A float came first: histograms are not added, there will be no result anyway.
    None,
    Sum(HistogramSum),
    Mean(HistogramMean),
}

/// The running values of all groups at all steps. One array a quantity; which are used depends on
/// the operation.
struct Table {
    op: Op,
    steps: usize,
    span: Span,
    /// Sum, count, extreme or sum of squares; [`ABSENT`] where nothing has come.
    value: Vec<f64>,
    /// What the sum lost, or the mean.
    second: Vec<f64>,
    count: Vec<u32>,
    means: Vec<Option<Mean>>,
    /// Empty until a histogram comes.
    histograms: Vec<Option<Box<HistogramCell>>>,
    drop_name: Vec<bool>,
    /// What of the histograms is charged, and bytes that are not yet.
    charges: Vec<Charge>,
    uncharged_bytes: u64,
}

/// Histograms are charged in steps of this.
const HISTOGRAM_CHARGE_BYTES: u64 = 64 << 10;

impl Table {
    /// Takes what new histograms hold from the budget once it is as much as `step_bytes`.
    fn charge_histograms(&mut self, budget: &Arc<Budget>, step_bytes: u64) -> Result<(), QueryError> {
        if self.uncharged_bytes > step_bytes {
            self.charges.push(budget.charge(0, std::mem::take(&mut self.uncharged_bytes))?);
        }
        Ok(())
    }

    fn new(op: Op, groups: usize, steps: usize, span: Span) -> Self {
        let cells = groups * steps;
        let when = |used: bool| if used { cells } else { 0 };
        Table {
            op,
            steps,
            span,
            value: vec![ABSENT; cells],
            second: vec![0.0; when(matches!(op, Op::Sum | Op::Stddev | Op::Stdvar))],
            count: vec![0; when(matches!(op, Op::Stddev | Op::Stdvar))],
            means: vec![None; when(op == Op::Avg)],
            histograms: Vec::new(),
            drop_name: vec![false; groups],
            charges: Vec::new(),
            uncharged_bytes: 0,
        }
    }

    /// Adds a row. `name` gives its metric name, for notes.
    fn add<'n>(
        &mut self,
        group: usize,
        cells: &Cells,
        name: &dyn Fn() -> &'n str,
        drop_name: bool,
        notes: &mut Notes,
    ) {
        let at = group * self.steps;
        let range = at..at + self.steps;
        if drop_name && !self.drop_name[group] && cells.any_present() {
            self.drop_name[group] = true;
        }
        if !cells.histograms.is_empty() {
            self.add_mixed(at, cells, name, notes);
            return;
        }
        let values = &mut self.value[range.clone()];
        match self.op {
            Op::Sum => wide::add_to_sums(&cells.values, values, &mut self.second[range]),
            Op::Avg => {
                for ((value, present), mean) in cells.values.iter().zip(values).zip(&mut self.means[range]) {
                    if is_absent(*value) {
                        continue;
                    }
                    *present = 0.0;
                    match mean {
                        None => *mean = Some(Mean::new(*value)),
                        Some(mean) => mean.add(*value),
                    }
                }
            }
            Op::Count => {
                for (value, count) in cells.values.iter().zip(values) {
                    if !is_absent(*value) {
                        *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
                    }
                }
            }
            Op::Group => {
                for (value, one) in cells.values.iter().zip(values) {
                    if !is_absent(*value) {
                        *one = 1.0;
                    }
                }
            }
            Op::Min | Op::Max => {
                let is_max = self.op == Op::Max;
                for (value, best) in cells.values.iter().zip(values) {
                    extreme(*value, best, is_max);
                }
            }
            Op::Stddev | Op::Stdvar => {
                let rest = self.second[range.clone()].iter_mut().zip(&mut self.count[range]);
                for ((value, squares), (mean, count)) in cells.values.iter().zip(values).zip(rest) {
                    deviation(*value, squares, mean, count);
                }
            }
        }
    }

    /// Adds a row in which there are histograms.
    fn add_mixed<'n>(
        &mut self,
        at: usize,
        cells: &Cells,
        metric_name: &dyn Fn() -> &'n str,
        notes: &mut Notes,
    ) {
        if let Some(name) = self.op.ignores_histograms()
            && cells.histograms.iter().any(Option::is_some)
        {
            notes.add(Note::IgnoredInAggregation(name), self.span);
        }
        for step in 0..self.steps {
            let cell = at + step;
            match cells.get(step) {
                Cell::Absent => {}
                Cell::Float(value) => match self.op {
                    Op::Sum if is_absent(self.value[cell]) => self.value[cell] = value,
                    Op::Sum => {
                        (self.value[cell], self.second[cell]) =
                            kahan_add(value, self.value[cell], self.second[cell]);
                    }
                    Op::Avg => {
                        self.value[cell] = 0.0;
                        match &mut self.means[cell] {
                            None => self.means[cell] = Some(Mean::new(value)),
                            Some(mean) => mean.add(value),
                        }
                    }
                    Op::Count | Op::Group => self.count_one(cell),
                    Op::Min | Op::Max => extreme(value, &mut self.value[cell], self.op == Op::Max),
                    Op::Stddev | Op::Stdvar => {
                        deviation(value, &mut self.value[cell], &mut self.second[cell], &mut self.count[cell])
                    }
                },
                Cell::Histogram(histogram) => match self.op {
                    Op::Sum | Op::Avg => self.add_histogram(cell, &histogram, metric_name, notes),
                    Op::Count | Op::Group => self.count_one(cell),
                    Op::Min | Op::Max | Op::Stddev | Op::Stdvar => {}
                },
            }
        }
    }

    fn count_one(&mut self, cell: usize) {
        let count = &mut self.value[cell];
        *count = if is_absent(*count) || self.op == Op::Group { 1.0 } else { *count + 1.0 };
    }

    fn add_histogram<'n>(
        &mut self,
        cell: usize,
        histogram: &Arc<FloatHistogram>,
        metric_name: &dyn Fn() -> &'n str,
        notes: &mut Notes,
    ) {
        if self.histograms.is_empty() {
            self.histograms = (0..self.value.len()).map(|_| None).collect();
            self.uncharged_bytes += self.value.len() as u64 * 8;
        }
        let has_float = !is_absent(self.value[cell]);
        let is_sum = self.op == Op::Sum;
        let slot = &mut self.histograms[cell];
        let is_new = slot.is_none();
        let state = slot.get_or_insert_with(|| {
            let value = match (has_float, is_sum) {
                (true, _) => HistogramValue::None,
                (false, true) => HistogramValue::Sum(HistogramSum::from(&**histogram)),
                (false, false) => HistogramValue::Mean(HistogramMean::new(histogram)),
            };
            Box::new(HistogramCell { value, has_reset: false, has_not_reset: false, incompatible: false })
        });
        if state.incompatible || matches!(state.value, HistogramValue::None) {
            return;
        }
        match histogram.counter_reset_hint {
            CounterResetHint::Reset => state.has_reset = true,
            CounterResetHint::NotReset => state.has_not_reset = true,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if is_new {
            // A sum is kept with what it lost: two histograms.
            self.uncharged_bytes += 2 * 16 * histogram.sample_weight() as u64;
            return;
        }
        let reconciled = match &mut state.value {
            HistogramValue::None => return,
            HistogramValue::Sum(sum) => sum.add(histogram).map(|combined| combined.bounds_reconciled),
            HistogramValue::Mean(mean) => mean.add(histogram),
        };
        match reconciled {
            Ok(true) => notes.add(Note::BoundsReconciled(Operation::Aggregation), self.span),
            Ok(false) => {}
            Err(_) => {
                notes.add(Note::MixedExponentialCustom(metric_name()), self.span);
                state.incompatible = true;
            }
        }
    }

    fn finish(mut self, labels: Vec<SetId>, notes: &mut Notes) -> Vec<Row> {
        match self.op {
            Op::Sum => {
                for (sum, lost) in self.value.iter_mut().zip(&self.second) {
                    if !is_absent(*sum) {
                        *sum += lost;
                    }
                }
            }
            Op::Avg => {
                for (value, mean) in self.value.iter_mut().zip(&self.means) {
                    if let Some(mean) = mean {
                        *value = mean.mean();
                    }
                }
            }
            Op::Stddev | Op::Stdvar => {
                for (value, count) in self.value.iter_mut().zip(&self.count) {
                    if !is_absent(*value) {
                        *value /= f64::from(*count);
                        if self.op == Op::Stddev {
                            *value = value.sqrt();
                        }
                    }
                }
            }
            Op::Count | Op::Group | Op::Min | Op::Max => {}
        }
        let mut rows = Vec::with_capacity(labels.len());
        for (group, labels) in labels.into_iter().enumerate() {
            let range = group * self.steps..(group + 1) * self.steps;
            let mut cells = Cells { values: self.value[range.clone()].to_vec(), histograms: Vec::new() };
            if let Some(histograms) = self.histograms.get_mut(range) {
                finish_histograms(histograms, &mut cells, self.span, notes);
            }
            if cells.any_present() {
                rows.push(Row::new(labels, self.drop_name[group], cells));
            }
        }
        rows
    }
}

fn finish_histograms(
    states: &mut [Option<Box<HistogramCell>>],
    cells: &mut Cells,
    span: Span,
    notes: &mut Notes,
) {
    for (step, state) in states.iter_mut().enumerate() {
        let Some(state) = state.take() else { continue };
        if cells.is_present(step) {
            notes.add(Note::MixedFloatsHistogramsAggregation, span);
            cells.clear(step);
            continue;
        }
        if state.incompatible {
            continue;
        }
        if state.has_reset && state.has_not_reset {
            notes.add(Note::ResetCollision(Operation::Aggregation), span);
        }
        let mut histogram = match state.value {
            HistogramValue::None => continue,
            HistogramValue::Sum(sum) => sum.total(),
            HistogramValue::Mean(mean) => mean.mean(),
        };
        histogram.compact();
        cells.set_histogram(step, Arc::new(histogram));
    }
}

/// Keeps the larger or smaller value; NaN gives way to any number.
fn extreme(value: f64, best: &mut f64, is_max: bool) {
    if is_absent(value) {
        return;
    }
    let better = if is_max { *best < value } else { *best > value };
    if is_absent(*best) || better || best.is_nan() {
        *best = value;
    }
}

/// Welford's running variance: sum of squared deviations, mean, count.
fn deviation(value: f64, squares: &mut f64, mean: &mut f64, count: &mut u32) {
    if is_absent(value) {
        return;
    }
    if *count == 0 {
        *squares = if value.is_finite() { 0.0 } else { f64::NAN };
        *mean = value;
        *count = 1;
        return;
    }
    *count += 1;
    let delta = value - *mean;
    *mean += delta / f64::from(*count);
    *squares += delta * (value - *mean);
}
