//! The engine: runs a query, and the evaluator that walks its syntax tree.

use std::collections::HashSet;
use std::sync::Arc;

use model::label_table::{LabelTable, NameSet, SetId};
use model::labels::Labels;
use model::matcher::Matcher;
use model::storage::{Meter, MetricReader, Selection, TimeRange, Want};

use super::annotations::{Note, Notes};
use super::budget::{Budget, Shared};
use super::durations::QueryTimes;
use super::explain::{Explain, Tracer};
use super::leaf::Pick;
use super::points::Points;
use super::rows::{Mapped, Ready, Rows, collect, has_equal_labels, merge_equal, row_bytes};
use super::stream::Emit;
use super::tree::{is_step_invariant, repeated, unparen, with_stack};
use super::value::{Cell, Cells, METADATA_LABELS, Row, Steps};
use super::{
    EngineOptions, MatrixSeries, QueryError, QueryLimits, QueryResult, SampleValue, Value, VectorSample,
};
use crate::ast::{Aggregate, Expr, ValueType};

/// Evaluates PromQL.
#[derive(Clone, Debug)]
pub struct Engine {
    options: EngineOptions,
    shared: Arc<Shared>,
}

impl Default for Engine {
    fn default() -> Self {
        Engine::new(EngineOptions::default())
    }
}

impl Engine {
    /// An engine with these options.
    pub fn new(options: EngineOptions) -> Self {
        Engine { shared: Shared::new(options.max_bytes_together), options }
    }

    /// The options.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates an expression at one time, in milliseconds since the epoch. `text` is what `expr` was
    /// parsed from; positions in warnings refer to it.
    pub fn instant(
        &self,
        reader: &dyn MetricReader,
        expr: &Expr,
        text: &str,
        time_ms: i64,
        limits: &QueryLimits,
    ) -> Result<QueryResult, QueryError> {
        let times = QueryTimes { start_ms: time_ms, end_ms: time_ms, step_ms: 0 };
        self.run(reader, expr, text, times, Steps::instant(time_ms), limits, true, None)
    }

    /// Evaluates an expression of type scalar or instant vector at all times from `start_ms` to
    /// `end_ms` that are `step_ms` apart.
    pub fn range(
        &self,
        reader: &dyn MetricReader,
        expr: &Expr,
        text: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        limits: &QueryLimits,
    ) -> Result<QueryResult, QueryError> {
        self.run_range(reader, expr, text, (start_ms, end_ms, step_ms), limits, None)
    }

    /// The same, for large results: series are handed to `emit` while later ones are computed, where the expression
    /// and the budget allow it. The result has those that were not, which is all of them or none.
    pub fn range_into(
        &self,
        reader: &dyn MetricReader,
        expr: &Expr,
        text: &str,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        limits: &QueryLimits,
        emit: &mut Emit<'_>,
    ) -> Result<QueryResult, QueryError> {
        self.run_range(reader, expr, text, (start_ms, end_ms, step_ms), limits, Some(emit))
    }

    fn run_range(
        &self,
        reader: &dyn MetricReader,
        expr: &Expr,
        text: &str,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        limits: &QueryLimits,
        emit: Option<&mut Emit<'_>>,
    ) -> Result<QueryResult, QueryError> {
        let value_type = expr.value_type();
        if !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
            return Err(QueryError::Parse(format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                value_type.documented()
            )));
        }
        let times = QueryTimes { start_ms, end_ms, step_ms };
        self.run(reader, expr, text, times, Steps::range(start_ms, end_ms, step_ms), limits, false, emit)
    }

    fn run(
        &self,
        reader: &dyn MetricReader,
        expr: &Expr,
        text: &str,
        times: QueryTimes,
        steps: Steps,
        limits: &QueryLimits,
        is_instant: bool,
        emit: Option<&mut Emit<'_>>,
    ) -> Result<QueryResult, QueryError> {
        let options = &self.options;
        // One row of these steps must fit.
        if steps.count as u64 > options.max_samples || row_bytes(steps.count) > options.max_bytes {
            return Err(QueryError::TooManySamples);
        }
        let mut budget = Budget::new(
            limits.max_samples.map_or(options.max_samples, |max| max.min(options.max_samples)),
            options.max_bytes,
            limits.timeout.map_or(options.timeout, |timeout| timeout.min(options.timeout)),
            &options.clock,
            limits.cancel.clone(),
            limits.per_step_stats.then_some(steps),
        );
        budget.shared = self.shared.clone();
        budget.is_dry = limits.explain == Explain::Estimate;
        let budget = Arc::new(budget);
        limits.progress.watch(&budget);
        let mut labels = LabelTable::new();
        let metadata = labels.names(METADATA_LABELS);
        let mut evaluator = Evaluator {
            reader,
            text,
            options,
            times,
            lookback_ms: limits.lookback_ms.unwrap_or(options.lookback_ms),
            budget: &budget,
            notes: Notes::default(),
            selections: Vec::new(),
            labels,
            metadata,
            tracer: (limits.explain != Explain::Off).then(|| Tracer::new(&options.clock)),
            repeated: repeated(expr),
            shared: Vec::new(),
        };
        let started = options.clock.mark();
        let env = Env { steps, detect_resets: false, blocked: false };
        let raw = with_stack(expr, || match emit {
            // What parts cost is measured on whole results.
            Some(emit) if expr.value_type() == ValueType::Vector && limits.explain == Explain::Off => {
                evaluator.stream(expr, env, emit)
            }
            _ => evaluator.top(expr, env),
        })?;
        let eval_seconds = started.elapsed_seconds();
        let started = options.clock.mark();
        let value = shape(raw, steps, is_instant, &mut evaluator)?;
        let sort_seconds = started.elapsed_seconds();
        let explain = evaluator.tracer.take().map(|tracer| tracer.finish(expr));
        let (warnings, infos) = evaluator.notes.into_texts(text);
        let stats = super::QueryStats { eval_seconds, sort_seconds, ..budget.stats() };
        Ok(QueryResult { value, warnings, infos, stats, explain })
    }
}

/// What the evaluation of a whole query yields.
pub(crate) enum Raw {
    Scalar(Vec<f64>),
    Text(String),
    /// Rows of a vector.
    Rows(Vec<Row>),
    /// Samples of a range.
    Series(Vec<MatrixSeries>),
}

/// Removes the names that are to go, and brings the value into the form that was asked for.
fn shape(
    raw: Raw,
    steps: Steps,
    is_instant: bool,
    evaluator: &mut Evaluator<'_>,
) -> Result<Value, QueryError> {
    match raw {
        Raw::Text(text) => Ok(Value::String(text, steps.start_ms)),
        Raw::Scalar(values) if is_instant => {
            Ok(Value::Scalar(values.first().copied().unwrap_or(f64::NAN), steps.start_ms))
        }
        Raw::Scalar(values) => {
            // A scalar has a value at every step, whatever its bits.
            let points = (0..steps.count).map(|step| (steps.time_ms(step), SampleValue::Float(values[step])));
            let points = points.collect::<Vec<_>>().into();
            Ok(Value::Matrix(vec![MatrixSeries { labels: Labels::empty(), points }]))
        }
        Raw::Rows(rows) => {
            let rows = evaluator.final_rows(rows)?;
            let labels = &evaluator.labels;
            if is_instant {
                let samples = rows.into_iter().filter_map(|row| {
                    let value = sample_value(row.cells.get(0))?;
                    Some(VectorSample { labels: labels.labels(row.labels), time_ms: steps.start_ms, value })
                });
                return Ok(Value::Vector(samples.collect()));
            }
            let mut series: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
            let sets: Vec<SetId> = series.iter().flatten().map(|row| row.labels).collect();
            let sorted = labels.order(&sets).into_iter().filter_map(|at| series[at as usize].take());
            let sorted = sorted.map(|row| row_points(row, steps, labels)).filter(|s| !s.points.is_empty());
            Ok(Value::Matrix(sorted.collect()))
        }
        Raw::Series(mut series) => {
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            if series.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
                return Err(super::rows::same_labelset());
            }
            Ok(Value::Matrix(series))
        }
    }
}

fn sample_value(cell: Cell) -> Option<SampleValue> {
    match cell {
        Cell::Absent => None,
        Cell::Float(value) => Some(SampleValue::Float(value)),
        Cell::Histogram(histogram) => Some(SampleValue::Histogram(histogram)),
    }
}

/// A row as a series of the result.
pub(crate) fn row_points(row: Row, steps: Steps, labels: &LabelTable) -> MatrixSeries {
    let points = Points::at_steps(steps, row.cells);
    MatrixSeries { labels: labels.labels(row.labels), points }
}

/// In what surroundings an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Env {
    pub(crate) steps: Steps,
    /// Below `histogram_count` and its like: selectors say whether counters were reset.
    pub(crate) detect_resets: bool,
    /// Below something that needs the histograms as they are stored.
    pub(crate) blocked: bool,
}

/// What was selected, for parts of a query that select the same.
pub(crate) struct Selected {
    pub(super) range: TimeRange,
    pub(super) matchers: Vec<Matcher>,
    pub(super) want: Want,
    pub(super) selection: Arc<Selection>,
}

/// Walks the syntax tree of one query.
pub(crate) struct Evaluator<'q> {
    pub(crate) reader: &'q dyn MetricReader,
    /// The query as it was written.
    pub(crate) text: &'q str,
    pub(crate) options: &'q EngineOptions,
    pub(crate) times: QueryTimes,
    pub(crate) lookback_ms: i64,
    pub(crate) budget: &'q Arc<Budget>,
    pub(crate) notes: Notes,
    /// Selections made so far: what two parts of a query select alike is looked up once.
    pub(crate) selections: Vec<Selected>,
    /// The labels of all series that the query meets.
    pub(crate) labels: LabelTable,
    /// Name, type and unit, which operations remove.
    pub(crate) metadata: NameSet,
    tracer: Option<Tracer>,
    /// Aggregations that stand in the query several times.
    repeated: HashSet<String>,
    /// Their rows, once they have been computed: text, surroundings, rows.
    shared: Vec<(String, Env, Vec<Row>)>,
}

impl<'q> Evaluator<'q> {
    fn top(&mut self, expr: &Expr, env: Env) -> Result<Raw, QueryError> {
        match expr.value_type() {
            ValueType::Scalar => Ok(Raw::Scalar(self.scalar(expr, env)?)),
            ValueType::String => match unparen(expr) {
                Expr::String(text) => Ok(Raw::Text(text.value.clone())),
                _ => Err(unexpected("string")),
            },
            ValueType::Vector => Ok(Raw::Rows(self.rows(expr, env)?)),
            ValueType::Matrix => match unparen(expr) {
                Expr::Range(selector) => self.raw_range(selector, env).map(Raw::Series),
                Expr::Subquery(subquery) => {
                    let (mut rows, steps) = self.subquery_rows(subquery, env)?;
                    self.drop_names(&mut rows);
                    let series = rows.into_iter().map(|row| row_points(row, steps, &self.labels));
                    Ok(Raw::Series(series.collect()))
                }
                _ => Err(unexpected("range vector")),
            },
            ValueType::None => Err(unexpected("no value")),
        }
    }

    /// Removes the names that are to go at the end.
    fn drop_names(&mut self, rows: &mut [Row]) {
        for row in rows.iter_mut().filter(|row| row.drop_name) {
            row.labels = self.without_metadata(row.labels);
            row.drop_name = false;
        }
    }

    /// Rows as the result shows them: without the names that are to go, equal labels joined.
    fn final_rows(&mut self, mut rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
        if self.options.delayed_name_removal {
            self.drop_names(&mut rows);
        }
        if has_equal_labels(rows.iter().map(|row| row.labels)) { merge_equal(rows) } else { Ok(rows) }
    }

    /// The rows of a vector expression.
    pub(crate) fn rows(&mut self, expr: &Expr, env: Env) -> Result<Vec<Row>, QueryError> {
        let source = self.source(expr, env)?;
        self.collect(source, env)
    }

    /// Computes all rows of a source.
    pub(crate) fn collect(&mut self, source: Box<dyn Rows + '_>, env: Env) -> Result<Vec<Row>, QueryError> {
        collect(source, &self.labels, env.steps.count, self.options.threads, self.budget, &mut self.notes)
    }

    /// Takes rows that an operator made from the budget.
    pub(crate) fn charge(&self, rows: &mut [Row]) -> Result<(), QueryError> {
        for row in rows {
            row.charge = self.budget.charge(row.cells.weight(), row_bytes(row.cells.values.len()))?;
        }
        self.budget.check()
    }

    /// Takes from the budget what the table of labels has grown by, once it is worth it; `charged_bytes` is
    /// its size of the last time. To be called after every label that a query makes up: a text of its own
    /// may be as long as the query.
    pub(crate) fn charge_labels(&self, charged_bytes: &mut u64) -> Result<(), QueryError> {
        const STEP_BYTES: u64 = 256 << 10;
        let size_bytes = self.labels.size_bytes();
        let more = size_bytes.saturating_sub(*charged_bytes);
        if more < STEP_BYTES {
            return Ok(());
        }
        *charged_bytes = size_bytes;
        self.budget.take_bytes(more).map_err(|_| self.budget.refusal())
    }

    /// The rows of a vector expression, computed as they are asked for where that is possible.
    pub(crate) fn source(&mut self, expr: &Expr, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        self.budget.check()?;
        let expr = unparen(expr);
        let Some(tracer) = &mut self.tracer else { return self.source_of(expr, env) };
        let node = tracer.enter(expr);
        let started = self.options.clock.mark();
        let rows = self.source_of(expr, env)?;
        let seconds = started.elapsed_seconds();
        Ok(match &mut self.tracer {
            Some(tracer) => tracer.leave(node, rows, seconds),
            None => rows,
        })
    }

    /// The rows of an aggregation; of one that stands in the query several times, those computed first.
    fn aggregate_once(
        &mut self,
        expr: &Expr,
        aggregate: &Aggregate,
        env: Env,
    ) -> Result<Vec<Row>, QueryError> {
        if self.repeated.is_empty() {
            return self.aggregate(aggregate, env);
        }
        let text = expr.to_string();
        if !self.repeated.contains(&text) {
            return self.aggregate(aggregate, env);
        }
        if let Some((_, _, rows)) = self.shared.iter().find(|(t, e, _)| *t == text && *e == env) {
            let mut rows = rows.clone();
            self.charge(&mut rows)?;
            return Ok(rows);
        }
        let notes = std::mem::take(&mut self.notes);
        let rows = self.aggregate(aggregate, env)?;
        let own = std::mem::replace(&mut self.notes, notes);
        // A note names its place: of the other places the same is to be said.
        let is_quiet = own.is_empty();
        self.notes.merge(own);
        if is_quiet {
            let mut copy = rows.clone();
            self.charge(&mut copy)?;
            self.shared.push((text, env, copy));
        }
        Ok(rows)
    }

    fn source_of(&mut self, expr: &Expr, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        if env.steps.count == 0 {
            return Ok(Box::new(Ready(Vec::new())));
        }
        if env.steps.count > 1 && is_step_invariant(expr) {
            let once = Env { steps: Steps::instant(env.steps.start_ms), ..env };
            let mut rows = self.rows(expr, once)?;
            for row in &mut rows {
                // Before the memory is taken.
                let weight = row.cells.weight().saturating_mul(env.steps.count as u64);
                row.charge = self.budget.charge(weight, row_bytes(env.steps.count))?;
                row.cells = row.cells.broadcast(env.steps.count);
            }
            self.budget.check()?;
            return Ok(Box::new(Ready(rows)));
        }
        match expr {
            Expr::Selector(selector) => self.instant_selector(selector, env, Pick::Value),
            Expr::Call(call) => self.call(call, env),
            Expr::Aggregate(aggregate) => Ok(Box::new(Ready(self.aggregate_once(expr, aggregate, env)?))),
            Expr::Binary(binary) => self.binary(binary, env),
            Expr::Unary(unary) => {
                let rows = self.source(&unary.expr, env)?;
                if !unary.negative {
                    return Ok(rows);
                }
                self.without_names(rows, env, |cells, _| negate(cells))
            }
            Expr::Number(_) | Expr::String(_) | Expr::Range(_) | Expr::Subquery(_) | Expr::Paren(_) => {
                Err(unexpected(expr.value_type().documented()))
            }
        }
    }

    /// The labels without name, type and unit.
    pub(crate) fn without_metadata(&mut self, set: SetId) -> SetId {
        self.labels.without(set, &self.metadata)
    }

    /// Applies a change to every row and removes the names, at once or at the end of the query.
    pub(crate) fn without_names(
        &mut self,
        rows: Box<dyn Rows + 'q>,
        env: Env,
        map: impl Fn(&mut Cells, &mut Notes) + Sync + 'q,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        if self.options.delayed_name_removal {
            return Ok(Box::new(Mapped { rows, labels: None, drop_name: true, map }));
        }
        let labels: Vec<SetId> = (0..rows.len()).map(|at| self.without_metadata(rows.labels(at))).collect();
        let has_equal = has_equal_labels(labels.iter().copied());
        let mapped = Box::new(Mapped { rows, labels: Some(labels), drop_name: false, map });
        if !has_equal {
            return Ok(mapped);
        }
        Ok(Box::new(Ready(merge_equal(self.collect(mapped, env)?)?)))
    }
}

/// Changes the sign of all values.
fn negate(cells: &mut Cells) {
    for step in 0..cells.values.len() {
        if let Some(histogram) = cells.histogram(step) {
            let mut negative = (**histogram).clone();
            negative.scale(-1.0);
            cells.set_histogram(step, Arc::new(negative));
        } else if cells.is_present(step) {
            cells.values[step] = -cells.values[step];
        }
    }
}

/// The parser lets only fitting types through; this is for trees that were made otherwise.
pub(crate) fn unexpected(what: &str) -> QueryError {
    QueryError::Execution(format!("unexpected expression of type {what}"))
}

/// Adds the note that sorting has no effect over a range.
pub(crate) fn note_sort_in_range(notes: &mut Notes, span: crate::ast::Span) {
    notes.add(Note::SortInRange, span);
}
