//! For tests: a store in memory, and an allocator that counts.
//!
//! The allocator is the only way to hold the promise that a known page costs no allocation per
//! series; it adds a count to the system's allocator and nothing else, which is why `unsafe` is
//! sound here.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use std::collections::{BTreeMap, HashMap, HashSet};

use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use model::{Exemplar, Labels, Metadata, is_stale_nan};
use parking_lot::Mutex;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the count is of the own thread and
// does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations that this thread has made so far.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    labels: Vec<Labels>,
    refs: HashMap<Labels, u64>,
    samples: BTreeMap<Labels, Vec<(i64, Value)>>,
    gone: HashSet<u64>,
    refused_metrics: HashSet<String>,
    unavailable: bool,
    resolved: usize,
    exemplars: Vec<(Labels, Exemplar)>,
    metadata: Vec<String>,
    starts: Vec<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Float(f64),
    Stale,
    /// The count.
    Histogram(f64),
}

impl MemoryStore {
    /// The samples of a series, written as `{a="b"}`.
    pub(crate) fn of(&self, series: &str) -> Vec<(i64, Value)> {
        let state = self.0.lock();
        let found = state.samples.iter().find(|(labels, _)| labels.to_string() == series);
        found.map(|(_, samples)| samples.clone()).unwrap_or_default()
    }

    /// The newest samples of all series at `at_ms`, one line each: metric and value, those about
    /// scrapes left out.
    pub(crate) fn at(&self, at_ms: i64) -> Vec<String> {
        let state = self.0.lock();
        let lines = state.samples.iter().flat_map(|(labels, samples)| {
            samples.iter().filter(move |(time, _)| *time == at_ms).map(move |(_, value)| (labels, value))
        });
        lines
            .filter(|(labels, _)| {
                let name = labels.metric_name();
                name != "up" && !name.starts_with("scrape_")
            })
            .map(|(labels, value)| match value {
                Value::Float(value) => format!("{labels} {value}"),
                Value::Stale => format!("{labels} stale"),
                Value::Histogram(count) => format!("{labels} histogram of {count}"),
            })
            .collect()
    }

    /// The value of a series about scrapes, by its name, at `at_ms`.
    pub(crate) fn report(&self, metric: &str, at_ms: i64) -> Option<Value> {
        let state = self.0.lock();
        let mut of_metric = state.samples.iter().filter(|(labels, _)| labels.metric_name() == metric);
        of_metric.find_map(|(_, samples)| {
            samples.iter().find(|(time, _)| *time == at_ms).map(|(_, value)| value.clone())
        })
    }

    /// Drops series, as a store does with those that had no samples for long.
    pub(crate) fn forget_all(&self) {
        let mut state = self.0.lock();
        state.gone = (1..=state.labels.len() as u64).collect();
        state.refs.clear();
    }

    pub(crate) fn refuse(&self, metrics: &[&str]) {
        self.0.lock().refused_metrics = metrics.iter().map(ToString::to_string).collect();
    }

    pub(crate) fn set_unavailable(&self, unavailable: bool) {
        self.0.lock().unavailable = unavailable;
    }

    /// The exemplars since the last call.
    pub(crate) fn take_exemplars(&self) -> Vec<(Labels, Exemplar)> {
        std::mem::take(&mut self.0.lock().exemplars)
    }

    /// Metric, type and help of the metadata since the last call.
    pub(crate) fn take_metadata(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().metadata)
    }

    /// Metric and start of the samples with one since the last call.
    pub(crate) fn take_starts(&self) -> Vec<(String, i64)> {
        std::mem::take(&mut self.0.lock().starts)
    }

    /// How many label sets were ever asked for.
    pub(crate) fn resolved(&self) -> usize {
        self.0.lock().resolved
    }
}

impl MetricWriter for MemoryStore {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        if state.unavailable {
            return Err(StorageError::Unavailable("disk full".into()));
        }
        for labels in series {
            state.resolved += 1;
            if state.refused_metrics.contains(labels.metric_name()) {
                refs.push(SeriesRef::NONE);
                continue;
            }
            let known = state.refs.get(labels).copied();
            let number = known.unwrap_or_else(|| {
                state.labels.push(labels.clone());
                let number = state.labels.len() as u64;
                state.refs.insert(labels.clone(), number);
                number
            });
            refs.push(SeriesRef(number));
        }
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        let mut state = self.0.lock();
        if state.unavailable {
            return Err(StorageError::Unavailable("disk full".into()));
        }
        assert_eq!(batch.refs.len(), batch.timestamps_ms.len());
        assert_eq!(batch.refs.len(), batch.values.len());
        let mut appended = Appended { ticket: Ticket(1), ..Appended::default() };
        for (series, exemplar) in &batch.exemplars {
            let labels = state.labels[series.0 as usize - 1].clone();
            state.exemplars.push((labels, exemplar.clone()));
        }
        let said = |(metric, m): &(String, Metadata)| format!("{metric} {} {}", m.metric_type, m.help);
        state.metadata.extend(batch.metadata.iter().map(said));
        for (series, &start_ms) in batch.refs.iter().zip(&batch.start_timestamps_ms) {
            if start_ms != 0 {
                let metric = state.labels[series.0 as usize - 1].metric_name().to_string();
                state.starts.push((metric, start_ms));
            }
        }
        let floats =
            batch.refs.iter().zip(&batch.timestamps_ms).zip(&batch.values).map(|((series, at), value)| {
                let value = if is_stale_nan(*value) { Value::Stale } else { Value::Float(*value) };
                (*series, *at, value)
            });
        let histograms =
            batch.histograms.iter().map(|(series, at, h)| (*series, *at, Value::Histogram(h.count)));
        for (position, (series, at_ms, value)) in floats.chain(histograms).enumerate() {
            assert_ne!(series, SeriesRef::NONE, "a sample without a series");
            if state.gone.contains(&series.0) {
                appended.unknown.push(position as u32);
                continue;
            }
            let labels = state.labels[series.0 as usize - 1].clone();
            let samples = state.samples.entry(labels).or_default();
            match samples.last() {
                Some((last_ms, last)) if *last_ms == at_ms && *last == value => appended.accepted += 1,
                Some((last_ms, _)) if *last_ms == at_ms => appended.duplicate += 1,
                Some((last_ms, _)) if *last_ms > at_ms => appended.out_of_order += 1,
                _ => {
                    samples.push((at_ms, value));
                    appended.accepted += 1;
                }
            }
        }
        Ok(appended)
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}
