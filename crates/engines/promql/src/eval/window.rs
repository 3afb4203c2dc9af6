//! Windows sliding over a series: the leaf below `rate(x[5m])` and its like.

use std::sync::Arc;

use model::histogram::FloatHistogram;
use model::label_table::{LabelTable, SetId};

use super::QueryError;
use super::annotations::{Note, Notes, Operation};
use super::budget::Budget;
use super::leaf::{Feed, Split, detect_resets};
use super::rows::{Rows, Scratch};
use super::value::{Cell, Cells, Steps};
use crate::ast::Span;

/// The windows of a range selector, one a step. A window is left-open: `(start, end]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) steps: Steps,
    pub(crate) range_ms: i64,
    pub(crate) offset_ms: i64,
    /// The time of `@`: all windows are the same.
    pub(crate) fixed_ms: Option<i64>,
    /// How much earlier samples are given as well (`anchored`, `smoothed`).
    pub(crate) before_ms: i64,
    /// How much later samples are given as well (`smoothed`).
    pub(crate) after_ms: i64,
}

impl Windows {
    /// Start and end of a step's window.
    pub(crate) fn bounds_ms(&self, step: usize) -> (i64, i64) {
        let end = self.fixed_ms.unwrap_or_else(|| self.steps.time_ms(step)).saturating_sub(self.offset_ms);
        (end.saturating_sub(self.range_ms), end)
    }
}

/// The samples of one window, floats and histograms apart.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    /// The step's time.
    pub(crate) eval_ms: i64,
    /// Start, not included.
    pub(crate) start_ms: i64,
    /// End, included.
    pub(crate) end_ms: i64,
    pub(crate) t: &'a [i64],
    pub(crate) v: &'a [f64],
    /// Empty, or a start timestamp for each float.
    pub(crate) st: &'a [i64],
    pub(crate) ht: &'a [i64],
    pub(crate) h: &'a [Arc<FloatHistogram>],
    pub(crate) hst: &'a [i64],
}

impl Window<'_> {
    /// The length of the window in seconds.
    pub(crate) fn range_seconds(&self) -> f64 {
        (self.end_ms - self.start_ms) as f64 / 1000.0
    }

    /// Whether there are floats and histograms.
    pub(crate) fn is_mixed(&self) -> bool {
        !self.t.is_empty() && !self.ht.is_empty()
    }
}

/// What the windows of one series gave reason to say, collected without making texts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Remarks {
    pub(crate) mixed_floats_histograms: bool,
    pub(crate) mixed_exponential_custom: bool,
    pub(crate) not_counter: bool,
    pub(crate) not_gauge: bool,
    pub(crate) ignored_histograms: bool,
    pub(crate) reset_collision: bool,
    pub(crate) reconciled_add: bool,
    pub(crate) reconciled_sub: bool,
    pub(crate) reconciled_agg: bool,
    pub(crate) start_overlaps: u64,
    pub(crate) odd_quantile: Option<f64>,
}

impl Remarks {
    fn any(&self) -> bool {
        *self != Remarks::default()
    }

    fn add_to(self, notes: &mut Notes, name: &str, span: Span) {
        let all = [
            (self.mixed_floats_histograms, Note::MixedFloatsHistograms(name)),
            (self.mixed_exponential_custom, Note::MixedExponentialCustom(name)),
            (self.not_counter, Note::NotCounter(name)),
            (self.not_gauge, Note::NotGauge(name)),
            (self.ignored_histograms, Note::IgnoredInRange(name)),
            (self.reset_collision, Note::ResetCollision(Operation::Aggregation)),
            (self.reconciled_add, Note::BoundsReconciled(Operation::Addition)),
            (self.reconciled_sub, Note::BoundsReconciled(Operation::Subtraction)),
            (self.reconciled_agg, Note::BoundsReconciled(Operation::Aggregation)),
            (self.start_overlaps > 0, Note::StartTimeOverlap { name, times: self.start_overlaps }),
        ];
        if let Some(q) = self.odd_quantile {
            notes.add(Note::InvalidQuantile(q), span);
        }
        for (holds, note) in all {
            if holds {
                notes.add(note, span);
            }
        }
    }
}

/// A range function as a leaf: each series is decoded, its windows slide once, and the row is done.
pub(crate) struct WindowRows<'q, F> {
    pub(crate) feed: Feed,
    /// The labels of the rows, if they differ from those of the series.
    pub(crate) labels: Option<Vec<SetId>>,
    pub(crate) windows: Windows,
    pub(crate) with_start: bool,
    pub(crate) detect_resets: bool,
    pub(crate) drop_name: bool,
    /// What remarks are about.
    pub(crate) span: Span,
    /// Whether to remark that a metric does not look like a counter, and whether by its type label.
    pub(crate) wants_counter: Option<bool>,
    pub(crate) budget: &'q Arc<Budget>,
    /// The value of a window.
    pub(crate) function: F,
    /// A faster way for a whole series of floats without start timestamps.
    pub(crate) whole_row: Option<WholeRow>,
}

/// Computes a whole row from times, values, windows and a plan that is kept between series.
pub(crate) type WholeRow = fn(&[i64], &[f64], &Windows, &mut Plan, &mut [f64]) -> u64;

/// What of windows depends only on the times of samples, kept as long as series share them.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// For which times it was made.
    pub(crate) times_ms: Vec<i64>,
    /// One a step.
    pub(crate) spans: Vec<super::functions::rate::WindowSpan>,
    /// Samples in all windows together.
    pub(crate) looked_at: u64,
    /// Whether the plan has been used since it was made.
    pub(crate) is_valid: bool,
}

impl<F> Rows for WindowRows<'_, F>
where
    F: Fn(&Window<'_>, usize, &mut Remarks) -> Cell + Sync,
{
    fn len(&self) -> usize {
        self.feed.len()
    }

    fn labels(&self, at: usize) -> SetId {
        match &self.labels {
            Some(labels) => labels[at],
            None => self.feed.labels(at),
        }
    }

    fn drop_name(&self, at: usize) -> bool {
        self.drop_name || self.feed.drop_name(at)
    }

    fn fill(
        &self,
        at: usize,
        labels: &LabelTable,
        scratch: &mut Scratch,
        cells: &mut Cells,
        notes: &mut Notes,
    ) -> Result<(), QueryError> {
        cells.reset(self.windows.steps.count);
        self.feed.read(at, &mut scratch.samples, &mut scratch.tally, self.budget)?;
        if self.detect_resets {
            detect_resets(&mut scratch.samples);
        }
        scratch.split.load(&mut scratch.samples, self.with_start);
        let split = &scratch.split;
        let plain = split.ht.is_empty() && split.st.is_empty() && !self.budget.counts_steps();
        let mut remarks = Remarks::default();
        let looked_at = match self.whole_row {
            Some(row) if plain && self.windows.fixed_ms.is_none() => {
                row(&split.t, &split.v, &self.windows, &mut scratch.plan, &mut cells.values)
            }
            _ => self.slide(split, cells, &mut remarks)?,
        };
        scratch.tally.looked_at += looked_at;
        if remarks.any() {
            remarks.add_to(notes, labels.metric_name(self.feed.labels(at)), self.span);
        }
        if let Some(by_type) = self.wants_counter {
            self.remark_non_counter(labels, self.feed.labels(at), cells, by_type, notes);
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        self.feed.cost()
    }
}

/// Samples that windows of one series look at between two looks at the query's time: each window may
/// look at all of them again.
const UNCHECKED_MAX: u64 = 1 << 20;

impl<F> WindowRows<'_, F>
where
    F: Fn(&Window<'_>, usize, &mut Remarks) -> Cell + Sync,
{
    fn slide(&self, split: &Split, cells: &mut Cells, remarks: &mut Remarks) -> Result<u64, QueryError> {
        let (mut first, mut end) = (0, 0);
        let (mut first_h, mut end_h) = (0, 0);
        let (mut looked_at, mut unchecked) = (0, 0);
        for step in 0..self.windows.steps.count {
            let (start_ms, end_ms) = self.windows.bounds_ms(step);
            let (known, known_h) = (end, end_h);
            advance(&split.t, start_ms.saturating_sub(self.windows.before_ms), &mut first);
            advance(&split.t, end_ms.saturating_add(self.windows.after_ms), &mut end);
            advance(&split.ht, start_ms.saturating_sub(self.windows.before_ms), &mut first_h);
            advance(&split.ht, end_ms.saturating_add(self.windows.after_ms), &mut end_h);
            if first >= end && first_h >= end_h {
                continue;
            }
            let (range, range_h) = (first..end.max(first), first_h..end_h.max(first_h));
            let samples = (range.len() + range_h.len()) as u64;
            looked_at += samples;
            unchecked += samples;
            if unchecked > UNCHECKED_MAX {
                self.budget.check()?;
                unchecked = 0;
            }
            if self.budget.counts_steps() {
                let new = end.saturating_sub(known.max(first)) + end_h.saturating_sub(known_h.max(first_h));
                self.budget.count_at(self.windows.steps.time_ms(step), samples, new as u64);
            }
            let window = Window {
                eval_ms: self.windows.steps.time_ms(step),
                start_ms,
                end_ms,
                t: split.t.get(range.clone()).unwrap_or(&[]),
                v: split.v.get(range.clone()).unwrap_or(&[]),
                st: split.st.get(range).unwrap_or(&[]),
                ht: split.ht.get(range_h.clone()).unwrap_or(&[]),
                h: split.h.get(range_h.clone()).unwrap_or(&[]),
                hst: split.hst.get(range_h).unwrap_or(&[]),
            };
            match (self.function)(&window, step, remarks) {
                Cell::Float(value) => cells.values[step] = value,
                other => cells.set(step, other),
            }
        }
        Ok(looked_at)
    }

    fn remark_non_counter(
        &self,
        labels: &LabelTable,
        set: SetId,
        cells: &Cells,
        by_type: bool,
        notes: &mut Notes,
    ) {
        let name = labels.metric_name(set);
        let looks_fine = if by_type {
            matches!(labels.value(set, "__type__"), "counter" | "histogram")
        } else {
            ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
        };
        if name.is_empty() || looks_fine {
            return;
        }
        if (0..cells.values.len()).any(|step| cells.float(step).is_some()) {
            let note = if by_type {
                Note::PossibleNonCounterLabel { name, type_label: labels.value(set, "__type__") }
            } else {
                Note::PossibleNonCounter(name)
            };
            notes.add(note, self.span);
        }
    }
}

/// Moves `at` on to the first time after `limit_ms`.
pub(crate) fn advance(times: &[i64], limit_ms: i64, at: &mut usize) {
    while times.get(*at).is_some_and(|time| *time <= limit_ms) {
        *at += 1;
    }
}
