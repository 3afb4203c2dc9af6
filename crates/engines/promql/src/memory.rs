//! A store in memory for tests of expressions and rules. It behaves like Prometheus's: among other things,
//! a histogram read back says whether its counter was reset only as far as a chunk knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram};
use model::label_table::LabelTable;
use model::labels::Labels;
use model::matcher::Matcher;
use model::sample::{Samples, is_stale_nan};
use model::storage::{MetricReader, Select, Selection, StorageError, TimeRange};

use crate::parse::SequenceValue;

/// A sample's value.
#[derive(Clone, Debug)]
pub enum Point {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
}

/// Values of a written series at most.
const VALUES_MAX: u64 = 100_000;

/// Writes out runs of values: a value for each step, `None` where there is no sample; for a histogram also
/// whether its hint was written out. Fails for too many values and for histograms that cannot be added.
pub fn expand(runs: Vec<SequenceValue>) -> Result<Vec<Option<(Point, bool)>>, String> {
    let mut values = Vec::new();
    for run in runs {
        let count = match &run {
            SequenceValue::Omitted { count }
            | SequenceValue::Float { count, .. }
            | SequenceValue::Histogram { count, .. } => *count,
        };
        if count > VALUES_MAX {
            return Err(format!("{count} values are too many"));
        }
        match run {
            SequenceValue::Omitted { .. } => values.extend((0..count).map(|_| None)),
            SequenceValue::Float { start, step, .. } => {
                let mut value = start;
                for at in 0..count {
                    if at > 0 && step != 0.0 {
                        value += step;
                    }
                    values.push(Some((Point::Float(value), false)));
                }
            }
            SequenceValue::Histogram { start, step, is_hint_set, .. } => {
                let mut histogram = *start;
                for at in 0..count {
                    if let Some(step) = step.as_ref().filter(|_| at > 0) {
                        let combined = match step.subtract {
                            true => histogram.sub(&step.histogram),
                            false => histogram.add(&step.histogram),
                        };
                        combined.map_err(|error| error.to_string())?;
                    }
                    values.push(Some((Point::Histogram(Arc::new(histogram.clone())), is_hint_set)));
                }
            }
        }
    }
    Ok(values)
}

/// Samples of one series.
#[derive(Clone, Debug, Default)]
struct Points {
    /// By time: start timestamp (0 for unknown) and value.
    by_time: BTreeMap<i64, (i64, Point)>,
    /// Whether one of them is or was a histogram, so that reading has to look at those before it.
    has_histograms: bool,
}

/// Series in memory.
#[derive(Clone, Debug, Default)]
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
        let points = self.series.entry(labels.clone()).or_default();
        points.has_histograms |= matches!(point, Point::Histogram(_));
        points.by_time.insert(time_ms, (start_ms, point));
    }

    /// Adds a sample if it is newer than all of its series; says whether it was.
    pub fn append_newer(&mut self, labels: &Labels, time_ms: i64, point: Point) -> bool {
        let last = self.series.get(labels).and_then(|points| points.by_time.last_key_value());
        let is_newer = last.is_none_or(|(last_ms, _)| *last_ms < time_ms);
        if is_newer {
            self.append(labels, time_ms, 0, point);
        }
        is_newer
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
    // What a float says does not depend on those before it.
    let first_ms = if points.has_histograms { i64::MIN } else { range.start_ms };
    for (time_ms, (start_ms, point)) in points.by_time.range(first_ms..) {
        if *time_ms > range.end_ms {
            break;
        }
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
        Ok(Selection::new(sets, Box::new(all)))
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
