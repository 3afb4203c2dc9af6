//! Calls of functions, and scalars.

use model::label_table::SetId;
use model::storage::{Meter, Want};

use super::QueryError;
use super::engine::{Env, Evaluator, note_sort_in_range, unexpected};
use super::functions::rate::{self, Kind};
use super::functions::{extended, math, over_time, regression, time};
use super::leaf::{Feed, Pick};
use super::rows::{Ready, Rows, has_equal_labels, row_bytes, same_labelset};
use super::selector::window_range;
use super::tree::unparen;
use super::value::{ABSENT, Cell, Cells, Row};
use super::window::{Remarks, WholeRow, Window, WindowRows};
use crate::ast::{Call, Expr, Extension, Span};
use model::matcher::MatchOp;

impl<'q> Evaluator<'q> {
    /// The value of a scalar expression at every step.
    pub(crate) fn scalar(&mut self, expr: &Expr, env: Env) -> Result<Vec<f64>, QueryError> {
        let steps = env.steps;
        if matches!(expr, Expr::Number(_) | Expr::Call(_)) {
            // Operands wait for each other, and operators keep theirs: each counts until the query ends.
            let taken = self.budget.take_bytes(row_bytes(steps.count));
            taken.map_err(|_| self.budget.refusal())?;
        }
        Ok(match expr {
            Expr::Number(number) => vec![number.value; steps.count],
            Expr::Paren(paren) => self.scalar(&paren.expr, env)?,
            Expr::Unary(unary) => {
                let mut values = self.scalar(&unary.expr, env)?;
                if unary.negative {
                    values.iter_mut().for_each(|value| *value = -*value);
                }
                values
            }
            Expr::Binary(binary) => {
                let (mut left, right) = (self.scalar(&binary.left, env)?, self.scalar(&binary.right, env)?);
                for (a, b) in left.iter_mut().zip(right) {
                    *a = super::binary::scalar_operation(binary.op, *a, b);
                }
                left
            }
            Expr::Call(call) => match (call.function.name, call.args.as_slice()) {
                ("time", _) => (0..steps.count).map(|step| steps.time_ms(step) as f64 / 1000.0).collect(),
                ("pi", _) => vec![std::f64::consts::PI; steps.count],
                ("start", _) => vec![self.times.start_ms as f64 / 1000.0; steps.count],
                ("end", _) => vec![self.times.end_ms as f64 / 1000.0; steps.count],
                ("range", _) => {
                    vec![(self.times.end_ms - self.times.start_ms) as f64 / 1000.0; steps.count]
                }
                ("step", _) => {
                    let is_instant = self.times.start_ms == self.times.end_ms;
                    vec![if is_instant { 0.0 } else { self.times.step_ms as f64 / 1000.0 }; steps.count]
                }
                (name @ ("max_of" | "min_of"), [a, b]) => {
                    let (mut a, b) = (self.scalar(a, env)?, self.scalar(b, env)?);
                    let pick = if name == "max_of" { math::go_max } else { math::go_min };
                    for (a, b) in a.iter_mut().zip(b) {
                        *a = pick(*a, b);
                    }
                    a
                }
                ("scalar", [vector]) => {
                    let rows = self.rows(vector, env)?;
                    (0..steps.count)
                        .map(|step| {
                            let mut floats = rows.iter().filter_map(|row| row.cells.float(step));
                            match (floats.next(), floats.next()) {
                                (Some(value), None) => value,
                                _ => f64::NAN,
                            }
                        })
                        .collect()
                }
                (name, _) => return Err(unknown_function(name)),
            },
            _ => return Err(unexpected(expr.value_type().documented())),
        })
    }

    /// A vector of one series.
    /// A vector of one series.
    fn ready_vector(&self, labels: SetId, values: Vec<f64>) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let cells = Cells { values, histograms: Vec::new() };
        let mut rows = if cells.any_present() { vec![Row::new(labels, false, cells)] } else { Vec::new() };
        self.charge(&mut rows)?;
        Ok(Box::new(Ready(rows)))
    }

    /// The rows of a call that yields a vector.
    pub(crate) fn call(&mut self, call: &Call, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let name = call.function.name;
        if let Some(at) =
            call.args.iter().position(|arg| matches!(unparen(arg), Expr::Range(_) | Expr::Subquery(_)))
        {
            return self.window_call(call, at, env);
        }
        if let Some(function) = math::unary(name) {
            let rows = self.source(argument(call, 0)?, env)?;
            return self
                .without_names(rows, env, move |cells, _| map_floats(cells, |_, value| function(value)));
        }
        if let Some(part) = time::part(name) {
            let Some(vector) = call.args.first() else {
                let values = (0..env.steps.count)
                    .map(|step| part(env.steps.time_ms(step).div_euclid(1000) as f64))
                    .collect();
                return self.ready_vector(SetId::EMPTY, values);
            };
            let rows = self.source(vector, env)?;
            return self.without_names(rows, env, move |cells, _| {
                map_floats(cells, |_, value| part(value));
            });
        }
        match name {
            "vector" => {
                let values = self.scalar(argument(call, 0)?, env)?;
                self.ready_vector(SetId::EMPTY, values)
            }
            "timestamp" | "start_timestamp" => self.timestamp(call, env),
            "absent" => {
                let rows = self.rows(argument(call, 0)?, env)?;
                let absent = absent_steps(&rows, env.steps.count);
                let labels = self.absent_labels(argument(call, 0)?);
                self.ready_vector(labels, absent)
            }
            "round" => {
                let rows = self.source(argument(call, 0)?, env)?;
                let nearest = match call.args.get(1) {
                    Some(arg) => self.scalar(arg, env)?,
                    None => vec![1.0; env.steps.count],
                };
                self.without_names(rows, env, move |cells, _| {
                    map_floats(cells, |step, value| math::round(value, nearest[step]));
                })
            }
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(call, env),
            "histogram_count" | "histogram_sum" | "histogram_avg" => {
                let inner = Env { detect_resets: !env.blocked, ..env };
                let rows = self.source(argument(call, 0)?, inner)?;
                self.histogram_number(name, rows, env)
            }
            "histogram_stddev" | "histogram_stdvar" => {
                let rows = self.source(argument(call, 0)?, env)?;
                self.histogram_number(name, rows, env)
            }
            "histogram_quantile" => self.histogram_quantile(call, env),
            "histogram_quantiles" => self.histogram_quantiles(call, env),
            "histogram_fraction" => self.histogram_fraction(call, env),
            "label_replace" => Ok(Box::new(Ready(self.label_replace(call, env)?))),
            "label_join" => Ok(Box::new(Ready(self.label_join(call, env)?))),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                if env.steps.count > 1 {
                    note_sort_in_range(&mut self.notes, call.span);
                }
                let rows = self.rows(argument(call, 0)?, env)?;
                Ok(Box::new(Ready(self.sort(call, rows, env)?)))
            }
            "info" => Ok(Box::new(Ready(self.info(call, env)?))),
            _ => Err(unknown_function(name)),
        }
    }

    fn clamp(&mut self, call: &Call, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let rows = self.source(argument(call, 0)?, env)?;
        let bound = self.scalar(argument(call, 1)?, env)?;
        let count = env.steps.count;
        let (lowest, highest) = match call.function.name {
            "clamp_min" => (bound, vec![f64::INFINITY; count]),
            "clamp_max" => (vec![f64::NEG_INFINITY; count], bound),
            _ => (bound, self.scalar(argument(call, 2)?, env)?),
        };
        self.without_names(rows, env, move |cells, _| {
            map_floats(cells, |step, value| {
                if highest[step] < lowest[step] {
                    return ABSENT;
                }
                math::go_max(lowest[step], math::go_min(highest[step], value))
            });
        })
    }

    /// `timestamp` and `start_timestamp`: of the sample if the argument is a selector, else of the step.
    fn timestamp(&mut self, call: &Call, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let of_start = call.function.name == "start_timestamp";
        if let Expr::Selector(selector) = unparen(argument(call, 0)?) {
            if of_start && !self.options.use_start_timestamps {
                return Ok(Box::new(Ready(Vec::new())));
            }
            let pick = if of_start { Pick::StartTime } else { Pick::Time };
            let rows = self.instant_selector(selector, env, pick)?;
            return self.without_names(rows, env, |_, _| {});
        }
        if of_start {
            return Ok(Box::new(Ready(Vec::new())));
        }
        let rows = self.source(argument(call, 0)?, env)?;
        let steps = env.steps;
        self.without_names(rows, env, move |cells, _| {
            for step in 0..cells.values.len() {
                if cells.is_present(step) {
                    cells.set_float(step, steps.time_ms(step) as f64 / 1000.0);
                }
            }
        })
    }

    /// A function over ranges.
    fn window_call(&mut self, call: &Call, at: usize, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let name = call.function.name;
        let range = unparen(argument(call, at)?);
        let span = unparen(argument(call, 0)?).span();
        let mut scalars = Vec::new();
        for (other, arg) in call.args.iter().enumerate() {
            if other != at {
                scalars.push(self.scalar(arg, env)?);
            }
        }
        let (feed, windows, extension) = match range {
            Expr::Range(selector) => {
                let extension = selector.selector.extension;
                check_extension(extension, name)?;
                let windows = self.windows(selector, env)?;
                let series =
                    self.select(window_range(&windows), &selector.selector.matchers, Want::Samples)?;
                (Feed::Store(series), windows, extension)
            }
            Expr::Subquery(subquery) => {
                let (rows, steps) = self.subquery_rows(subquery, env)?;
                (Feed::Subquery(rows, steps), self.subquery_windows(subquery, env)?, Extension::None)
            }
            _ => return Err(unexpected("range vector")),
        };
        let keeps_name = matches!(name, "last_over_time" | "first_over_time");
        let counts = matches!(name, "rate" | "increase");
        let leaf = LeafCall {
            feed,
            windows,
            with_start: self.options.use_start_timestamps
                && matches!(name, "rate" | "irate" | "increase" | "resets"),
            drop_name: !keeps_name,
            span,
            wants_counter: counts.then_some(self.options.type_and_unit_labels),
            env,
        };
        let (anchored, smoothed) = (extension == Extension::Anchored, extension == Extension::Smoothed);
        let kind = match name {
            "rate" => Some(Kind { is_counter: true, is_rate: true }),
            "increase" => Some(Kind { is_counter: true, is_rate: false }),
            "delta" => Some(Kind { is_counter: false, is_rate: false }),
            _ => None,
        };
        if let Some(kind) = kind {
            if extension != Extension::None {
                return self.leaf(leaf, None, move |w, _, r| extended::increase(kind, smoothed, w, r));
            }
            let whole_row: Option<WholeRow> = match name {
                "rate" => Some(rate::rate_row),
                "increase" => Some(rate::increase_row),
                _ => None,
            };
            return self.leaf(leaf, whole_row, move |w, _, r| rate::extrapolated(kind, w, r));
        }
        match name {
            "irate" => self.leaf(leaf, None, |w, _, r| rate::instant(true, w, r)),
            "idelta" => self.leaf(leaf, None, |w, _, r| rate::instant(false, w, r)),
            "changes" => self.leaf(leaf, None, move |w, _, r| over_time::changes(anchored, w, r)),
            "resets" => self.leaf(leaf, None, move |w, _, r| over_time::resets(anchored, w, r)),
            "sum_over_time" => self.leaf(leaf, None, |w, _, r| over_time::sum(w, r)),
            "avg_over_time" => self.leaf(leaf, None, |w, _, r| over_time::avg(w, r)),
            "count_over_time" => self.leaf(leaf, None, |w, _, r| over_time::count(w, r)),
            "present_over_time" => self.leaf(leaf, None, |w, _, r| over_time::present(w, r)),
            "max_over_time" => self.leaf(leaf, Some(over_time::max_row), |w, _, r| over_time::max(w, r)),
            "min_over_time" => self.leaf(leaf, Some(over_time::min_row), |w, _, r| over_time::min(w, r)),
            "first_over_time" => self.leaf(leaf, None, |w, _, r| over_time::first(w, r)),
            "last_over_time" => self.leaf(leaf, None, |w, _, r| over_time::last(w, r)),
            "ts_of_max_over_time" => self.leaf(leaf, None, |w, _, r| over_time::ts_of_max(w, r)),
            "ts_of_min_over_time" => self.leaf(leaf, None, |w, _, r| over_time::ts_of_min(w, r)),
            "ts_of_first_over_time" => self.leaf(leaf, None, |w, _, r| over_time::ts_of_first(w, r)),
            "ts_of_last_over_time" => self.leaf(leaf, None, |w, _, r| over_time::ts_of_last(w, r)),
            "stddev_over_time" => self.leaf(leaf, None, |w, _, r| over_time::stddev(w, r)),
            "stdvar_over_time" => self.leaf(leaf, None, |w, _, r| over_time::stdvar(w, r)),
            "mad_over_time" => self.leaf(leaf, None, |w, _, r| over_time::mad(w, r)),
            "deriv" => self.leaf(leaf, None, |w, _, r| regression::deriv(w, r)),
            "quantile_over_time" => {
                let q = scalars.into_iter().next().ok_or_else(|| unexpected("scalar"))?;
                self.leaf(leaf, None, move |w, step, r| over_time::quantile(q[step], w, r))
            }
            "predict_linear" => {
                let ahead = scalars.into_iter().next().ok_or_else(|| unexpected("scalar"))?;
                self.leaf(leaf, None, move |w, step, r| regression::predict_linear(ahead[step], w, r))
            }
            "double_exponential_smoothing" => {
                let [smoothing, trend]: [Vec<f64>; 2] =
                    scalars.try_into().map_err(|_| unexpected("scalar"))?;
                for (values, what, short) in [(&smoothing, "smoothing", "sf"), (&trend, "trend", "tf")] {
                    if let Some(odd) = values.iter().find(|value| **value <= 0.0 || **value >= 1.0) {
                        return Err(QueryError::Execution(format!(
                            "invalid {what} factor. Expected: 0 < {short} < 1, got: {odd:.6}"
                        )));
                    }
                }
                self.leaf(leaf, None, move |w, step, r| {
                    regression::double_exponential_smoothing(smoothing[step], trend[step], w, r)
                })
            }
            "absent_over_time" => {
                let rows = self.leaf(leaf, None, |w, _, r| over_time::present(w, r))?;
                let rows = self.collect(rows, env)?;
                let absent = absent_steps(&rows, env.steps.count);
                let labels = self.absent_labels(range);
                self.ready_vector(labels, absent)
            }
            _ => Err(unknown_function(name)),
        }
    }

    fn absent_labels(&mut self, expr: &Expr) -> SetId {
        self.labels.insert(&fixed_labels(expr))
    }

    fn leaf<F>(
        &mut self,
        call: LeafCall,
        whole_row: Option<WholeRow>,
        function: F,
    ) -> Result<Box<dyn Rows + 'q>, QueryError>
    where
        F: Fn(&Window<'_>, usize, &mut Remarks) -> Cell + Sync + 'q,
    {
        let LeafCall { feed, windows, with_start, drop_name, span, wants_counter, env } = call;
        let delayed = self.options.delayed_name_removal;
        let mut labels: Option<Vec<SetId>> = None;
        if !delayed {
            let mut sets = Vec::with_capacity(feed.len());
            for at in 0..feed.len() {
                let set = feed.labels(at);
                sets.push(if drop_name || feed.drop_name(at) { self.without_metadata(set) } else { set });
            }
            labels = Some(sets);
        }
        let has_equal = labels.as_ref().is_some_and(|labels| has_equal_labels(labels.iter().copied()));
        let rows = Box::new(WindowRows {
            feed,
            labels,
            windows,
            with_start,
            detect_resets: env.detect_resets,
            drop_name: drop_name && delayed,
            span,
            wants_counter,
            budget: self.budget,
            function,
            whole_row,
        });
        if !has_equal {
            return Ok(rows);
        }
        let rows = self.collect(rows, env)?;
        if has_equal_labels(rows.iter().map(|row| row.labels)) {
            return Err(same_labelset());
        }
        Ok(Box::new(Ready(rows)))
    }
}

/// What all range functions need to become a leaf.
struct LeafCall {
    feed: Feed,
    windows: super::window::Windows,
    with_start: bool,
    drop_name: bool,
    span: Span,
    wants_counter: Option<bool>,
    env: Env,
}

fn check_extension(extension: Extension, function: &str) -> Result<(), QueryError> {
    let (modifier, allowed): (_, &[&str]) = match extension {
        Extension::None => return Ok(()),
        Extension::Anchored => ("anchored", &["changes", "delta", "increase", "rate", "resets"]),
        Extension::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    Err(QueryError::Execution(format!(
        "{modifier} modifier can only be used with: {} - not with {function}",
        allowed.join(", ")
    )))
}

/// An argument of a call.
pub(crate) fn argument(call: &Call, at: usize) -> Result<&Expr, QueryError> {
    call.args.get(at).ok_or_else(|| {
        QueryError::Execution(format!("argument {} is missing in call to {}", at + 1, call.function.name))
    })
}

/// A text argument of a call.
pub(crate) fn text_argument(call: &Call, at: usize) -> Result<&str, QueryError> {
    match unparen(argument(call, at)?) {
        Expr::String(text) => Ok(&text.value),
        other => Err(unexpected(other.value_type().documented())),
    }
}

fn unknown_function(name: &str) -> QueryError {
    QueryError::Execution(format!("unknown function with name {name:?}"))
}

/// Changes the floats of a row; histograms vanish.
pub(crate) fn map_floats(cells: &mut Cells, map: impl Fn(usize, f64) -> f64) {
    if !cells.histograms.is_empty() {
        for step in 0..cells.values.len() {
            if cells.histogram(step).is_some() {
                cells.clear(step);
            }
        }
        cells.histograms.clear();
    }
    for (step, value) in cells.values.iter_mut().enumerate() {
        if !super::value::is_absent(*value) {
            *value = map(step, *value);
        }
    }
}

/// 1 at the steps at which no row has a sample.
fn absent_steps(rows: &[Row], steps: usize) -> Vec<f64> {
    (0..steps)
        .map(|step| if rows.iter().any(|row| row.cells.is_present(step)) { ABSENT } else { 1.0 })
        .collect()
}

/// The labels that a selector fixes: what is asked for exactly, and only once.
fn fixed_labels(expr: &Expr) -> model::Labels {
    let matchers = match unparen(expr) {
        Expr::Selector(selector) => &selector.matchers,
        Expr::Range(range) => &range.selector.matchers,
        _ => return model::Labels::empty(),
    };
    let mut builder = model::labels::LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != model::METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            builder.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            builder.remove(&matcher.name);
        }
    }
    builder.build()
}
