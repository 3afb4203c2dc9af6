//! The store of one test: series that were written down come in by the clock of the test, what rules record
//! beside them.

use std::collections::HashMap;

use model::alert::{Alert, AlertSink};
use model::storage::{
    Appended, MetricReader, MetricWriter, Select, Selection, SeriesRef, StorageError, Ticket, TimeRange,
    WriteBatch,
};
use model::{LabelTable, Labels, Matcher};
use parking_lot::{Mutex, RwLock};
use promql::memory::{Memory, Point};

/// Series in memory that rules may write.
#[derive(Default)]
pub(crate) struct Store {
    memory: RwLock<Memory>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    refs: HashMap<Labels, SeriesRef>,
    /// By reference, counted from 1.
    labels: Vec<Labels>,
}

impl Known {
    fn labels(&self, series: SeriesRef) -> Option<&Labels> {
        self.labels.get(usize::try_from(series.0).ok()?.checked_sub(1)?)
    }
}

impl Store {
    /// Adds a sample of a written series, unless the series has a newer one.
    pub(crate) fn add(&self, labels: &Labels, at_ms: i64, point: Point) {
        self.memory.write().append_newer(labels, at_ms, point);
    }
}

impl MetricReader for Store {
    fn select(&self, request: &Select<'_>, table: &mut LabelTable) -> Result<Selection, StorageError> {
        self.memory.read().select(request, table)
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        self.memory.read().label_names(range, matchers)
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        self.memory.read().label_values(name, range, matchers)
    }
}

impl MetricWriter for Store {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut known = self.known.lock();
        for labels in series {
            let next = SeriesRef(known.labels.len() as u64 + 1);
            let found = *known.refs.entry(labels.clone()).or_insert(next);
            if found == next {
                known.labels.push(labels.clone());
            }
            refs.push(found);
        }
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        let known = self.known.lock();
        let mut memory = self.memory.write();
        let mut outcome = Appended::default();
        let mut add = |series: SeriesRef, at_ms: i64, point: Point| {
            let Some(labels) = known.labels(series) else { return };
            match memory.append_newer(labels, at_ms, point) {
                true => outcome.accepted += 1,
                false => outcome.out_of_order += 1,
            }
        };
        for ((series, at_ms), value) in batch.refs.iter().zip(&batch.timestamps_ms).zip(&batch.values) {
            add(*series, *at_ms, Point::Float(*value));
        }
        for (series, at_ms, histogram) in &batch.histograms {
            add(*series, *at_ms, Point::Histogram(histogram.clone()));
        }
        Ok(outcome)
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Alerts are looked at in their rules, and not sent to anybody.
pub(super) struct Nobody;

impl AlertSink for Nobody {
    fn send(&self, _: Vec<Alert>) {}
}
