//! Findings into the store: one thread takes what all monitors found and writes it together.

use std::collections::HashMap;
use std::sync::Arc;

use exposition::registry::Counter;
use model::storage::{MetricWriter, SeriesRef, StorageError, WriteBatch};
use model::{Labels, LabelsBuilder, stale_nan};

use super::config::Monitor;
use crate::report::Sample;

/// Findings that are written together.
const BATCH_MAX: usize = 256;

/// What one probe of a monitor found, or that the monitor is gone.
pub(super) struct Finding {
    pub(super) monitor: Arc<Monitor>,
    /// The time of all samples, milliseconds since the epoch.
    pub(super) at_ms: i64,
    /// `None` ends the monitor's series.
    pub(super) samples: Option<Vec<Sample>>,
}

/// The series of one monitor.
#[derive(Default)]
struct Known {
    series: Vec<Series>,
}

struct Series {
    sample: Sample,
    labels: Labels,
    reference: SeriesRef,
    /// The turn in which it was seen last.
    seen: u64,
}

/// Writes findings until nobody sends any more. Blocks.
pub(super) struct Store {
    pub(super) writer: Arc<dyn MetricWriter>,
    pub(super) refused: Counter,
    pub(super) failed: Counter,
    monitors: HashMap<String, Known>,
    turn: u64,
}

impl Store {
    pub(super) fn new(writer: Arc<dyn MetricWriter>, refused: Counter, failed: Counter) -> Store {
        Store { writer, refused, failed, monitors: HashMap::new(), turn: 0 }
    }

    pub(super) fn run(mut self, mut findings: tokio::sync::mpsc::Receiver<Finding>) {
        let mut waiting = Vec::with_capacity(BATCH_MAX);
        while findings.blocking_recv_many(&mut waiting, BATCH_MAX) > 0 {
            if let Err(error) = self.write(&mut waiting) {
                self.failed.inc();
                tracing::warn!(%error, "what monitors found could not be written");
            }
            waiting.clear();
        }
    }

    pub(super) fn write(&mut self, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for finding in findings.drain(..) {
            self.turn += 1;
            match finding.samples {
                Some(samples) => {
                    let known = self.monitors.entry(finding.monitor.name.clone()).or_default();
                    known.take(&finding.monitor, samples, self.turn);
                    known.push(&*self.writer, finding.at_ms, self.turn, &mut batch)?;
                }
                None => {
                    if let Some(mut known) = self.monitors.remove(&finding.monitor.name) {
                        known.push(&*self.writer, finding.at_ms, self.turn, &mut batch)?;
                    }
                }
            }
        }
        let appended = self.writer.append(&batch)?;
        let refused = appended.out_of_order + appended.duplicate + appended.too_old + appended.outside_window;
        self.refused.add(refused);
        if !appended.unknown.is_empty() {
            // Series that the store has dropped since are made anew with the next probe.
            let gone: Vec<SeriesRef> = appended
                .unknown
                .iter()
                .filter_map(|at| batch.refs.get(usize::try_from(*at).ok()?).copied())
                .collect();
            for series in self.monitors.values_mut().flat_map(|known| &mut known.series) {
                if gone.contains(&series.reference) {
                    series.reference = SeriesRef::NONE;
                }
            }
        }
        Ok(())
    }
}

impl Known {
    /// Takes over the values of a probe. They mostly come in the order of the last one.
    fn take(&mut self, monitor: &Monitor, samples: Vec<Sample>, turn: u64) {
        for (at, sample) in samples.into_iter().enumerate() {
            let is =
                |series: &Series| series.sample.name == sample.name && series.sample.labels == sample.labels;
            let place = match self.series.get(at) {
                Some(series) if is(series) => Some(at),
                _ => self.series.iter().position(is),
            };
            match place.and_then(|at| self.series.get_mut(at)) {
                Some(series) => {
                    series.sample.value = sample.value;
                    series.seen = turn;
                }
                None => {
                    let labels = labels(monitor, &sample);
                    self.series.push(Series { sample, labels, reference: SeriesRef::NONE, seen: turn });
                }
            }
        }
    }

    /// Adds the samples of this turn, and ends the series that were not seen in it.
    fn push(
        &mut self,
        writer: &dyn MetricWriter,
        at_ms: i64,
        turn: u64,
        batch: &mut WriteBatch,
    ) -> Result<(), StorageError> {
        let new: Vec<usize> =
            (0..self.series.len()).filter(|at| self.series[*at].reference == SeriesRef::NONE).collect();
        if !new.is_empty() {
            let labels: Vec<Labels> = new.iter().map(|at| self.series[*at].labels.clone()).collect();
            let mut references = Vec::with_capacity(labels.len());
            writer.resolve(&labels, &mut references)?;
            for (at, reference) in new.into_iter().zip(references) {
                self.series[at].reference = reference;
            }
        }
        for series in self.series.iter().filter(|series| series.reference != SeriesRef::NONE) {
            let value = if series.seen == turn { series.sample.value } else { stale_nan() };
            batch.push(series.reference, at_ms, value);
        }
        self.series.retain(|series| series.seen == turn);
        Ok(())
    }
}

/// The labels of a series. What a probe says wins over a tag.
fn labels(monitor: &Monitor, sample: &Sample) -> Labels {
    let mut builder = LabelsBuilder::default();
    for (name, value) in &monitor.tags {
        builder.set(name, value);
    }
    builder.set("owner", &monitor.owner);
    for (name, value) in &sample.labels {
        builder.set(name, value);
    }
    builder.set("job", "monitors");
    builder.set("monitor", &monitor.name);
    builder.set("instance", &monitor.target);
    builder.set("__name__", sample.name);
    builder.build()
}
