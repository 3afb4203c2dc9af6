//! What the store should hold: a map, kept by the simplest means.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::histogram::Span;
use model::storage::{MetricReader, Select, StorageError, TimeRange};
use model::{FloatHistogram, LabelTable, Matcher, Samples};
use tsdb::Db;

/// A sample's value: bits of a float, or a histogram in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Float(u64),
    Histogram(String),
}

impl Value {
    pub(crate) fn of(histogram: &FloatHistogram) -> Value {
        // However the empty buckets are written.
        let buckets = |spans: &[Span], buckets: &[f64]| {
            let mut at = 0;
            let indexes = spans.iter().flat_map(|span| {
                let start = at + span.offset;
                at = start + span.length as i32;
                start..at
            });
            indexes.zip(buckets.iter().copied()).filter(|(_, count)| *count != 0.0).collect::<Vec<_>>()
        };
        Value::Histogram(format!(
            "{} {} {} {} {} {:?} {:?} {:?}",
            histogram.schema,
            histogram.count,
            histogram.sum,
            histogram.zero_count,
            histogram.zero_threshold,
            buckets(&histogram.positive_spans, &histogram.positive_buckets),
            buckets(&histogram.negative_spans, &histogram.negative_buckets),
            histogram.custom_values,
        ))
    }
}

/// Samples by series and time.
pub(crate) type Found = BTreeMap<String, BTreeMap<i64, Value>>;

/// What a store answers; no sample may be there twice or out of order.
pub(crate) fn read(db: &Db, range: TimeRange, matchers: &[Matcher]) -> Result<Found, StorageError> {
    let mut found = Found::new();
    let mut table = LabelTable::new();
    let selection = db.select(&Select::new(range, matchers), &mut table)?;
    for (at, &set) in selection.sets.iter().enumerate() {
        let labels = table.labels(set);
        let mut samples = Samples::default();
        selection.samples.read(at, &mut samples)?;
        let (count, count_max) = (samples.len() as u64, selection.samples.sample_count_max(at));
        assert!(count <= count_max, "{count} samples of at most {count_max}");
        let times = &samples.timestamps_ms;
        assert!(times.is_sorted_by(|a, b| a < b), "{}: not in order: {times:?}", labels);
        let value = |at: usize| match samples.histogram(at) {
            Some(histogram) => Value::of(histogram),
            None => Value::Float(samples.values[at].to_bits()),
        };
        let pairs: BTreeMap<_, _> =
            times.iter().enumerate().map(|(at, &time_ms)| (time_ms, value(at))).collect();
        if !pairs.is_empty() {
            assert!(
                times[0] >= range.start_ms && times[times.len() - 1] <= range.end_ms,
                "outside of the range"
            );
            let before = found.insert(labels.to_string(), pairs);
            assert!(before.is_none(), "{} is there twice", labels);
        }
    }
    Ok(found)
}

/// What is known of one sample.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// What queries answer.
    visible: Option<Value>,
    /// It was promised to survive a loss of power.
    durable: bool,
    /// It may be gone, by retention.
    may_go: bool,
    /// What else may be found after the next start: the store was asked to write it and said no, or it was
    /// removed without a promise.
    others: Vec<Value>,
    /// Several values were taken for its time: any may be found once others are lost.
    contested: bool,
    /// What was deleted for good: back only if the record of it is damaged.
    deleted: Option<Value>,
}

/// How a store ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The process; the files are as they were.
    Process,
    /// The machine.
    Power,
}

/// See the head of this module.
#[derive(Default)]
pub(crate) struct Oracle {
    cells: BTreeMap<String, BTreeMap<i64, Cell>>,
}

impl Oracle {
    fn cell(&mut self, series: &str, time_ms: i64) -> &mut Cell {
        self.cells.entry(series.to_string()).or_default().entry(time_ms).or_default()
    }

    /// The store has taken a sample.
    pub(crate) fn accepted(&mut self, series: &str, time_ms: i64, value: Value) {
        let cell = self.cell(series, time_ms);
        assert!(cell.visible.as_ref().is_none_or(|known| *known == value), "taken with two values");
        cell.visible = Some(value);
    }

    /// The store has taken a late sample where there is another already; it shows one of them.
    pub(crate) fn contested(&mut self, series: &str, time_ms: i64, value: Value, shown: &Value) {
        let cell = self.cell(series, time_ms);
        cell.contested = true;
        cell.others.push(value);
        if cell.visible.as_ref() != Some(shown) {
            assert!(cell.others.contains(shown), "{series} at {time_ms} is {shown:?}, but: {cell:?}");
            cell.others.extend(cell.visible.replace(shown.clone()));
        }
    }

    /// The store failed to take a sample.
    pub(crate) fn failed(&mut self, series: &str, time_ms: i64, value: Value) {
        self.cell(series, time_ms).others.push(value);
    }

    /// A sample that was taken was promised to be durable.
    pub(crate) fn durable(&mut self, series: &str, time_ms: i64) {
        let cell = self.cell(series, time_ms);
        cell.durable = cell.visible.is_some();
    }

    /// All that is there was promised to be durable.
    pub(crate) fn all_durable(&mut self) {
        for cell in self.cells.values_mut().flat_map(BTreeMap::values_mut) {
            cell.durable = cell.visible.is_some();
        }
    }

    /// The samples that were taken and are there.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (&str, i64, &Value)> {
        self.cells.iter().flat_map(|(series, cells)| {
            cells
                .iter()
                .filter_map(|(&time_ms, cell)| Some((series.as_str(), time_ms, cell.visible.as_ref()?)))
        })
    }

    pub(crate) fn value(&self, series: &str, time_ms: i64) -> Option<&Value> {
        self.cells.get(series)?.get(&time_ms)?.visible.as_ref()
    }

    /// Samples of series whose text holds `part`, in a range, were deleted, or half of them if it failed.
    pub(crate) fn deleted(&mut self, part: &str, range: TimeRange, worked: bool) {
        for (_, cells) in self.cells.iter_mut().filter(|(series, _)| series.contains(part)) {
            for cell in cells.range_mut(range.start_ms..=range.end_ms).map(|(_, cell)| cell) {
                if worked {
                    cell.deleted = cell.visible.take().or(cell.deleted.take());
                    cell.durable = false;
                } else if let Some(value) = &cell.visible {
                    (cell.durable, cell.may_go) = (false, true);
                    cell.others.push(value.clone());
                }
            }
        }
    }

    /// Retention may remove what is older.
    pub(crate) fn may_go_before(&mut self, before_ms: i64) {
        for cells in self.cells.values_mut() {
            cells.range_mut(..before_ms).for_each(|(_, cell)| cell.may_go = true);
        }
    }

    /// Compares with what a query of a running store found, in a range, for series whose text holds
    /// `part`. What retention may have removed and is gone is noted. `forgiving`: a file was damaged.
    pub(crate) fn check(
        &mut self,
        found: &Found,
        range: TimeRange,
        part: &str,
        forgiving: bool,
    ) -> Result<(), String> {
        for (series, samples) in found {
            for (time_ms, value) in samples {
                let mut known = self.cells.get_mut(series).and_then(|cells| cells.get_mut(time_ms));
                if let Some(cell) = known.as_mut().filter(|cell| forgiving && cell.visible.is_none()) {
                    // A part of an index is damaged that other queries do not need.
                    if cell.others.contains(value) {
                        continue;
                    }
                }
                let known = known.and_then(|cell| cell.visible.as_ref());
                if known != Some(value) {
                    return Err(format!("{series} at {time_ms} is {value:?} and should be {known:?}"));
                }
            }
        }
        for (series, cells) in self.cells.iter_mut().filter(|(series, _)| series.contains(part)) {
            let found = found.get(series);
            for (time_ms, cell) in cells.range_mut(range.start_ms..=range.end_ms) {
                if cell.visible.is_some() && found.is_none_or(|found| !found.contains_key(time_ms)) {
                    if !cell.may_go && !forgiving {
                        return Err(format!("{series} at {time_ms} is missing: {cell:?}"));
                    }
                    cell.others.extend(cell.visible.take());
                    cell.durable = false;
                }
            }
        }
        Ok(())
    }

    /// Compares with all that a store holds after a start. `forgiving`: the disk lost or changed what it
    /// should not have; then samples may be missing (their number is returned), but none may be wrong.
    pub(crate) fn restarted(&mut self, found: &Found, end: End, forgiving: bool) -> Result<u64, String> {
        let mut missing = 0;
        if forgiving {
            for cell in self.cells.values_mut().flat_map(BTreeMap::values_mut) {
                cell.others.extend(cell.deleted.take());
            }
        }
        for (series, samples) in found {
            for (time_ms, value) in samples {
                let Some(cell) = self.cells.get_mut(series).and_then(|cells| cells.get_mut(time_ms)) else {
                    return Err(format!("{series} at {time_ms} is {value:?}, which was never written"));
                };
                if cell.visible.as_ref() != Some(value) {
                    if !cell.others.contains(value) || (cell.durable && !forgiving && !cell.contested) {
                        return Err(format!("{series} at {time_ms} is {value:?}, but: {cell:?}"));
                    }
                    cell.others.extend(cell.visible.replace(value.clone()));
                    cell.durable &= cell.contested;
                }
            }
        }
        for (series, cells) in &mut self.cells {
            let found = found.get(series);
            for (time_ms, cell) in cells.iter_mut() {
                if found.is_some_and(|found| found.contains_key(time_ms)) {
                    cell.durable |= end == End::Power;
                    continue;
                }
                let promised = cell.durable || (end == End::Process && cell.visible.is_some());
                if promised && !cell.may_go {
                    if !forgiving {
                        return Err(format!("{series} at {time_ms} is lost: {cell:?}"));
                    }
                    missing += 1;
                }
                let gone = cell.visible.take();
                cell.durable = false;
                if forgiving || cell.may_go {
                    cell.others.extend(gone);
                }
            }
        }
        Ok(missing)
    }
}

/// The histogram of a number.
pub(crate) fn histogram(number: u64) -> Arc<FloatHistogram> {
    let n = number as f64;
    let mut histogram = FloatHistogram {
        schema: if number.is_multiple_of(11) { -53 } else { (number % 3) as i32 },
        count: 7.0 * n,
        sum: 3.5 * n,
        positive_spans: vec![Span { offset: (number % 2) as i32, length: 2 }],
        positive_buckets: vec![3.0 * n, 4.0 * n],
        ..FloatHistogram::default()
    };
    if number.is_multiple_of(11) {
        histogram.custom_values = Arc::from([0.5, 1.0, 2.5]);
    } else if number.is_multiple_of(5) {
        histogram.positive_spans.push(Span { offset: 3, length: 1 });
        histogram.positive_buckets.push(n + 0.25);
        histogram.zero_threshold = 0.001;
        histogram.zero_count = n / 3.0;
    }
    Arc::new(histogram)
}
