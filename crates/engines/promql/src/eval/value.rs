//! Values during evaluation: columns over steps.

use std::sync::Arc;

use super::budget::Charge;
use model::histogram::FloatHistogram;
use model::label_table::SetId;
use model::sample::{STALE_NAN_BITS, stale_nan};

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// First time, milliseconds since the epoch.
    pub(crate) start_ms: i64,
    /// Distance, at least 1.
    pub(crate) step_ms: i64,
    /// How many.
    pub(crate) count: usize,
}

impl Steps {
    /// One time.
    pub(crate) fn instant(at_ms: i64) -> Self {
        Steps { start_ms: at_ms, step_ms: 1, count: 1 }
    }

    /// From `start_ms` to `end_ms`, both included.
    pub(crate) fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let count = if end_ms < start_ms { 0 } else { end_ms.saturating_sub(start_ms) / step_ms + 1 };
        Steps { start_ms, step_ms, count: usize::try_from(count).unwrap_or(usize::MAX) }
    }

    /// The time of a step.
    pub(crate) fn time_ms(&self, step: usize) -> i64 {
        self.start_ms.saturating_add((step as i64).saturating_mul(self.step_ms))
    }

    /// The time of the last step.
    pub(crate) fn end_ms(&self) -> i64 {
        self.time_ms(self.count.saturating_sub(1))
    }
}

/// The value of a step without a sample: the staleness marker, which no calculation yields.
pub(crate) const ABSENT: f64 = stale_nan();

/// Whether a step has no sample.
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// What one step of one series holds.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Absent,
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl From<FloatHistogram> for Cell {
    fn from(histogram: FloatHistogram) -> Self {
        Cell::Histogram(Arc::new(histogram))
    }
}

/// One value a step: [`ABSENT`] where there is none, and beside the floats, where there are any,
/// the histograms (the float under a histogram is 0).
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    pub(crate) values: Vec<f64>,
    /// Empty, or one entry a step.
    pub(crate) histograms: Vec<Option<Arc<FloatHistogram>>>,
}

impl Cells {
    pub(crate) fn absent(steps: usize) -> Self {
        Cells { values: vec![ABSENT; steps], histograms: Vec::new() }
    }

    /// Makes all steps absent, keeping the memory.
    pub(crate) fn reset(&mut self, steps: usize) {
        self.values.clear();
        self.values.resize(steps, ABSENT);
        self.histograms.clear();
    }

    pub(crate) fn get(&self, step: usize) -> Cell {
        if let Some(Some(histogram)) = self.histograms.get(step) {
            return Cell::Histogram(histogram.clone());
        }
        match self.values.get(step) {
            Some(value) if !is_absent(*value) => Cell::Float(*value),
            _ => Cell::Absent,
        }
    }

    pub(crate) fn is_present(&self, step: usize) -> bool {
        self.values.get(step).is_some_and(|value| !is_absent(*value))
    }

    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.get(step).and_then(Option::as_ref)
    }

    /// The float of a step, `None` if there is nothing or a histogram.
    pub(crate) fn float(&self, step: usize) -> Option<f64> {
        match self.values.get(step) {
            Some(value) if !is_absent(*value) && self.histogram(step).is_none() => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn set(&mut self, step: usize, cell: Cell) {
        match cell {
            Cell::Absent => self.clear(step),
            Cell::Float(value) => self.set_float(step, value),
            Cell::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    pub(crate) fn set_float(&mut self, step: usize, value: f64) {
        if let Some(slot) = self.values.get_mut(step) {
            *slot = value;
        }
        if let Some(slot) = self.histograms.get_mut(step) {
            *slot = None;
        }
    }

    pub(crate) fn set_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.values.len(), None);
        }
        if let (Some(slot), Some(value)) = (self.histograms.get_mut(step), self.values.get_mut(step)) {
            *slot = Some(histogram);
            *value = 0.0;
        }
    }

    pub(crate) fn clear(&mut self, step: usize) {
        self.set_float(step, ABSENT);
    }

    pub(crate) fn any_present(&self) -> bool {
        self.values.iter().any(|value| !is_absent(*value))
    }

    /// How many samples a query's budget counts for these: floats one each, histograms by size.
    pub(crate) fn weight(&self) -> u64 {
        let present = self.values.iter().filter(|value| !is_absent(**value)).count();
        let extra: usize =
            self.histograms.iter().flatten().map(|h| h.sample_weight().saturating_sub(1)).sum();
        (present + extra) as u64
    }

    /// The first step's value on every one of `steps` steps.
    pub(crate) fn broadcast(&self, steps: usize) -> Cells {
        let value = self.values.first().copied().unwrap_or(ABSENT);
        let histograms = match self.histograms.first() {
            Some(Some(histogram)) => vec![Some(histogram.clone()); steps],
            _ => Vec::new(),
        };
        Cells { values: vec![value; steps], histograms }
    }
}

/// A series of a vector result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: SetId,
    /// With delayed name removal: whether the name goes at the end.
    pub(crate) drop_name: bool,
    pub(crate) cells: Cells,
    /// What it holds of the query's budget.
    pub(crate) charge: Charge,
}

impl Row {
    /// A row that has not been charged yet.
    pub(crate) fn new(labels: SetId, drop_name: bool, cells: Cells) -> Self {
        Row { labels, drop_name, cells, charge: Charge::default() }
    }
}

/// The labels that tell the name, the type and the unit, all of which an operation removes.
pub(crate) const METADATA_LABELS: [&str; 3] = [model::METRIC_NAME, "__type__", "__unit__"];
