//! A store in memory for suites, and a writer that behaves like Prometheus's: among other things, a
//! histogram read back says whether its counter was reset only as far as a chunk knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram};
use model::label_table::LabelTable;
use model::labels::Labels;
use model::matcher::Matcher;
use model::sample::{Samples, is_stale_nan};
use model::storage::{MetricReader, Select, Selection, StorageError, TimeRange};

/// A sample's value.
#[derive(Clone, Debug)]
pub enum Point {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
}

/// Samples of one series, by time: start timestamp (0 for unknown) and value.
type Points = BTreeMap<i64, (i64, Point)>;

/// Series in memory.
#[derive(Debug, Default)]
pub struct Memory {
    series: BTreeMap<Labels, Points>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample. `start_ms` is since when its counter counts, 0 for unknown.
    pub fn append(&mut self, labels: &Labels, time_ms: i64, start_ms: i64, point: Point) {
        self.series.entry(labels.clone()).or_default().insert(time_ms, (start_ms, point));
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.series.clear();
    }
}

/// Samples per chunk at most.
const CHUNK_SAMPLES: usize = 120;

/// What the writer of chunks remembers of the last histogram.
struct Chunk {
    last: Arc<FloatHistogram>,
    is_gauge: bool,
    samples: usize,
}

impl Chunk {
    /// Whether a histogram goes into this chunk.
    fn takes(&self, next: &FloatHistogram) -> bool {
        let gauge = next.counter_reset_hint == CounterResetHint::Gauge;
        if self.samples >= CHUNK_SAMPLES || gauge != self.is_gauge || self.last.schema != next.schema {
            return false;
        }
        if self.last.zero_threshold != next.zero_threshold || self.last.custom_values != next.custom_values {
            return false;
        }
        if gauge {
            return true;
        }
        let mut unhinted = next.clone();
        unhinted.counter_reset_hint = CounterResetHint::Unknown;
        next.counter_reset_hint != CounterResetHint::Reset && !unhinted.detect_reset(&self.last)
    }
}

/// Samples as they come out of chunks: the first histogram of a chunk says nothing about resets, the
/// others that there was none.
fn as_read(points: &Points, range: TimeRange) -> Samples {
    let mut samples = Samples::default();
    let mut chunk: Option<Chunk> = None;
    for (time_ms, (start_ms, point)) in points {
        let inside = (range.start_ms..=range.end_ms).contains(time_ms);
        match point {
            Point::Float(value) => {
                chunk = None;
                if inside {
                    samples.push(*time_ms, *value);
                }
            }
            Point::Histogram(histogram) if is_stale_nan(histogram.sum) => {
                chunk = None;
                if inside {
                    samples.push_histogram(*time_ms, histogram.clone());
                }
            }
            Point::Histogram(histogram) => {
                let is_gauge = histogram.counter_reset_hint == CounterResetHint::Gauge;
                let continues = chunk.as_ref().is_some_and(|chunk| chunk.takes(histogram));
                let hint = match (is_gauge, continues) {
                    (true, _) => CounterResetHint::Gauge,
                    (false, true) => CounterResetHint::NotReset,
                    (false, false) => CounterResetHint::Unknown,
                };
                let count = if continues { chunk.as_ref().map_or(0, |chunk| chunk.samples) } else { 0 };
                chunk = Some(Chunk { last: histogram.clone(), is_gauge, samples: count + 1 });
                if inside {
                    let mut read = (**histogram).clone();
                    read.counter_reset_hint = hint;
                    samples.push_histogram(*time_ms, Arc::new(read));
                }
            }
        }
        if inside {
            samples.set_last_start(*start_ms);
        }
    }
    samples
}

impl Memory {
    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = (&'a Labels, &'a Points)> {
        self.series.iter().filter(|(labels, _)| matchers.iter().all(|m| m.matches_labels(labels)))
    }
}

impl MetricReader for Memory {
    fn select(&self, request: &Select<'_>, table: &mut LabelTable) -> Result<Selection, StorageError> {
        let (mut sets, mut all) = (Vec::new(), Vec::new());
        for (labels, points) in self.matching(request.matchers) {
            let samples = as_read(points, request.range);
            if !samples.is_empty() {
                sets.push(table.insert(labels));
                all.push(samples);
            }
        }
        Ok(Selection { sets, samples: Box::new(all) })
    }

    fn label_names(&self, _: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        let mut names: Vec<String> = self
            .matching(matchers)
            .flat_map(|(labels, _)| labels.iter().map(|(name, _)| name.to_string()))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn label_values(
        &self,
        name: &str,
        _: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        let mut values: Vec<String> =
            self.matching(matchers).filter_map(|(labels, _)| labels.get(name).map(str::to_string)).collect();
        values.sort();
        values.dedup();
        Ok(values)
    }
}
