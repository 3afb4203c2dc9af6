//! Memory for the work on a page, reused between targets, and what of a page waits for the store: the
//! samples of series that are new.

use exposition::LabelBuffer;
use model::storage::{MetricWriter, SeriesRef, StorageError, WriteBatch};
use model::{Exemplar, Labels};

use crate::cache::{Found, WalkMemory};
use crate::family::Family;
use crate::page::Outcome;

/// Memory kept for the next page; what a larger one took is given back.
const KEPT_SERIES_MAX: usize = 20_000;
/// New series of a page whose labels are held before the store is asked about them. A page that holds fewer
/// and is broken at its end leaves nothing in the store.
const NEW_SERIES_MAX: usize = if cfg!(test) { 16 } else { 8_192 };
/// Refused series of a page that are remembered, so that the store is asked about them now and then only.
/// With more of them, it is not asked about the rest of the page once it refuses all.
const REFUSED_KEPT_MAX: u64 = if cfg!(test) { 32 } else { 65_536 };

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) walk: WalkMemory,
    pub(crate) batch: WriteBatch,
    pub(crate) labels: LabelBuffer,
    pub(crate) more_labels: LabelBuffer,
    pub(crate) family: Family,
    pub(crate) new_series: NewSeries,
    pub(crate) exemplars: ExemplarScratch,
    pub(crate) ended: Vec<SeriesRef>,
}

/// The series of a page that its cache does not know, each with a place in the order they came.
#[derive(Debug, Default)]
pub(crate) struct NewSeries {
    /// The numbers of the first ones, [`SeriesRef::NONE`] for what the store refused.
    resolved: Vec<SeriesRef>,
    /// The labels of those behind.
    labels: Vec<Labels>,
    /// Samples whose series are being resolved: place in the batch, place among the new series.
    pending_samples: Vec<(u32, u32)>,
    pending_histograms: Vec<(u32, u32)>,
    /// The store takes no more of this page.
    pub(crate) is_closed: bool,
}

impl NewSeries {
    /// Whether the store has to be asked before there can be more.
    pub(crate) fn is_full(&self) -> bool {
        self.labels.len() >= NEW_SERIES_MAX
    }

    /// Adds one; gives its place.
    pub(crate) fn push(&mut self, labels: Labels) -> u32 {
        self.labels.push(labels);
        (self.resolved.len() + self.labels.len() - 1) as u32
    }

    /// What is known of the one at a place.
    pub(crate) fn found(&self, place: u32) -> Found {
        match self.resolved.get(place as usize) {
            None => Found::Pending(place),
            Some(&SeriesRef::NONE) => Found::Refused,
            Some(&series) => Found::Known(series),
        }
    }

    /// The numbers by place.
    pub(crate) fn resolved(&self) -> &[SeriesRef] {
        &self.resolved
    }

    fn clear(&mut self) {
        self.resolved.clear();
        self.labels.clear();
        self.pending_samples.clear();
        self.pending_histograms.clear();
        self.is_closed = false;
    }

    /// Says that the next sample or histogram of the batch is one of the new series at this place.
    pub(crate) fn wait_for(&mut self, place: u32, batch: &WriteBatch, is_histogram: bool) {
        match is_histogram {
            false => self.pending_samples.push((batch.refs.len() as u32, place)),
            true => self.pending_histograms.push((batch.histograms.len() as u32, place)),
        }
    }

    /// Asks the store about new series, puts their numbers into the batch, and takes out samples of those
    /// that it refused.
    pub(crate) fn resolve(
        &mut self,
        writer: &dyn MetricWriter,
        batch: &mut WriteBatch,
        exemplars: &mut ExemplarScratch,
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        let NewSeries { resolved, labels, is_closed, .. } = self;
        if labels.is_empty() {
            return Ok(());
        }
        let asked_from = resolved.len();
        writer.resolve(labels, resolved)?;
        labels.clear();
        let answers = &resolved[asked_from..];
        let refused = answers.iter().filter(|series| **series == SeriesRef::NONE).count();
        outcome.series_refused += refused as u64;
        outcome.series_added = outcome.series_added.saturating_sub(refused as u64);
        *is_closed = refused == answers.len() && outcome.series_refused >= REFUSED_KEPT_MAX;
        let number = |place: u32| resolved.get(place as usize).copied().unwrap_or_default();
        let samples_from = self.pending_samples.first().map_or(batch.refs.len(), |(at, _)| *at as usize);
        for (at, place) in self.pending_samples.drain(..) {
            if let Some(series) = batch.refs.get_mut(at as usize) {
                *series = number(place);
            }
        }
        for (at, place) in self.pending_histograms.drain(..) {
            if let Some((series, _, _)) = batch.histograms.get_mut(at as usize) {
                *series = number(place);
            }
        }
        for (at, place) in exemplars.pending.drain(..) {
            if let Some((series, _)) = batch.exemplars.get_mut(at as usize) {
                *series = number(place);
            }
        }
        if refused > 0 {
            leave_out_refused(batch, samples_from);
        }
        Ok(())
    }
}

/// Memory for exemplars.
#[derive(Debug, Default)]
pub(crate) struct ExemplarScratch {
    pub(crate) of_sample: Vec<exposition::Exemplar>,
    /// Those whose series are being resolved: place in the batch, place in `new_labels`.
    pending: Vec<(u32, u32)>,
}

impl ExemplarScratch {
    /// Moves the exemplars of a sample into a batch, in order of time, then value. `place` is that of
    /// its labels if its series is being resolved.
    pub(crate) fn take(
        &mut self,
        batch: &mut Vec<(SeriesRef, Exemplar)>,
        series: SeriesRef,
        place: Option<u32>,
        sample_ms: i64,
    ) {
        let start = batch.len();
        batch.extend(self.of_sample.drain(..).map(|exemplar| {
            let exemplar = Exemplar {
                labels: exemplar.labels,
                value: exemplar.value,
                timestamp_ms: exemplar.timestamp_ms.unwrap_or(sample_ms),
                timestamp_given: exemplar.timestamp_ms.is_some(),
            };
            (series, exemplar)
        }));
        batch[start..].sort_by(|(_, a), (_, b)| {
            let by_value = a.timestamp_ms.cmp(&b.timestamp_ms).then_with(|| a.value.total_cmp(&b.value));
            by_value.then_with(|| a.labels.fingerprint().cmp(&b.labels.fingerprint()))
        });
        if let Some(place) = place {
            self.pending.extend((start..batch.len()).map(|at| (at as u32, place)));
        }
    }
}

impl Scratch {
    pub(crate) fn clear_batch(&mut self) {
        self.batch.clear();
        self.new_series.clear();
        self.exemplars.of_sample.clear();
        self.exemplars.pending.clear();
    }

    pub(crate) fn trim(&mut self) {
        self.clear_batch();
        self.walk.trim(KEPT_SERIES_MAX);
        self.batch.refs.shrink_to(KEPT_SERIES_MAX);
        self.batch.timestamps_ms.shrink_to(KEPT_SERIES_MAX);
        self.batch.values.shrink_to(KEPT_SERIES_MAX);
        self.batch.histograms.shrink_to(KEPT_SERIES_MAX / 8);
        self.batch.start_timestamps_ms.shrink_to(KEPT_SERIES_MAX);
        self.batch.exemplars.shrink_to(KEPT_SERIES_MAX / 8);
        self.batch.metadata.shrink_to(KEPT_SERIES_MAX / 8);
        self.new_series.labels.shrink_to(KEPT_SERIES_MAX / 8);
        self.new_series.resolved.shrink_to(KEPT_SERIES_MAX / 8);
        self.new_series.pending_samples.shrink_to(KEPT_SERIES_MAX / 8);
        self.ended.shrink_to(KEPT_SERIES_MAX / 8);
    }
}

/// Takes the samples out that have no series; those before `samples_from` have one.
fn leave_out_refused(batch: &mut WriteBatch, samples_from: usize) {
    let starts_ms = &mut batch.start_timestamps_ms;
    if !starts_ms.is_empty() {
        starts_ms.resize(batch.refs.len(), 0);
    }
    let mut kept = samples_from;
    for at in samples_from..batch.refs.len() {
        if batch.refs[at] != SeriesRef::NONE {
            batch.refs[kept] = batch.refs[at];
            batch.timestamps_ms[kept] = batch.timestamps_ms[at];
            batch.values[kept] = batch.values[at];
            if let Some(&start_ms) = starts_ms.get(at) {
                starts_ms[kept] = start_ms;
            }
            kept += 1;
        }
    }
    batch.refs.truncate(kept);
    batch.timestamps_ms.truncate(kept);
    batch.values.truncate(kept);
    starts_ms.truncate(kept);
    let mut of_histograms = batch.histograms.iter().map(|(series, _, _)| *series != SeriesRef::NONE);
    batch.histogram_starts_ms.retain(|_| of_histograms.next().unwrap_or(false));
    drop(of_histograms);
    batch.histograms.retain(|(series, _, _)| *series != SeriesRef::NONE);
    batch.exemplars.retain(|(series, _)| *series != SeriesRef::NONE);
}
