//! Since when counters have been counting: for each series the times from which on its samples have
//! another start. Series without any cost nothing. Where such a series is read or becomes part of a
//! block, its chunks are encoded with its starts in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use model::histogram::CounterResetHint;
use model::storage::{TimeRange, WriteBatch};
use model::{FloatHistogram, Samples};
use parking_lot::RwLock;

use super::Head;
use super::page::PageCursor;
use crate::chunk;
use crate::series::{ChunkData, ChunkHandle};
use crate::wal::side::LoggedStart;

/// What is done with start timestamps; both are off unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimestamps {
    /// They are kept with the samples, in XOR2 chunks.
    pub store: bool,
    /// A counter gets a sample of 0 at its start.
    pub write_zero: bool,
}

/// The starts of all series that have any.
#[derive(Default)]
pub(crate) struct Starts {
    store: AtomicBool,
    write_zero: AtomicBool,
    /// Whether there are any.
    some: AtomicBool,
    series: RwLock<HashMap<u32, Vec<Run>, RandomState>>,
}

/// From `from_ms` on, samples have been counting since `start_ms`, 0 for unknown.
#[derive(Clone, Copy)]
struct Run {
    from_ms: i64,
    start_ms: i64,
}

impl Starts {
    pub(crate) fn set(&self, wanted: StartTimestamps) {
        self.store.store(wanted.store, Ordering::Relaxed);
        self.write_zero.store(wanted.write_zero, Ordering::Relaxed);
    }

    /// Notes starts that are in the log; those that are not new change nothing.
    pub(crate) fn note(&self, starts: &[LoggedStart]) {
        if starts.is_empty() {
            return;
        }
        let mut series = self.series.write();
        for start in starts {
            if follows(series.get(&start.id).and_then(|runs| runs.last()), start) {
                let run = Run { from_ms: start.from_ms, start_ms: start.start_ms };
                series.entry(start.id).or_default().push(run);
                self.some.store(true, Ordering::Release);
            }
        }
    }

    /// Of these, in order of time for each series, those that are other ones than before.
    fn new_among(&self, starts: impl Iterator<Item = LoggedStart>, into: &mut Vec<LoggedStart>) {
        let series = self.series.read();
        for start in starts {
            let said = into.last().filter(|last| last.id == start.id);
            let said = said.map(|last| Run { from_ms: last.from_ms, start_ms: last.start_ms });
            if follows(said.as_ref().or_else(|| series.get(&start.id)?.last()), &start) {
                into.push(start);
            }
        }
    }

    /// Whether a series has any.
    #[inline]
    pub(crate) fn has(&self, id: u32) -> bool {
        self.some.load(Ordering::Acquire) && self.series.read().contains_key(&id)
    }

    /// The chunks of a series with its starts in them; in order of time if `chunks` are.
    pub(crate) fn stamp(&self, id: u32, chunks: Vec<ChunkHandle>) -> Vec<ChunkHandle> {
        let runs = match self.series.read().get(&id) {
            Some(runs) => runs.clone(),
            None => return chunks,
        };
        let mut stamped = Vec::with_capacity(chunks.len());
        let mut samples = Samples::default();
        for handle in chunks {
            samples.clear();
            if handle.decode(TimeRange::ALL, &mut samples).is_err() {
                // Whoever reads it is told.
                stamped.push(handle);
                continue;
            }
            let start_at = |time_ms: i64| {
                let at = runs.partition_point(|run| run.from_ms <= time_ms);
                at.checked_sub(1).map_or(0, |at| runs[at].start_ms)
            };
            samples.start_timestamps_ms.clear();
            samples
                .start_timestamps_ms
                .extend(samples.timestamps_ms.iter().map(|&time_ms| start_at(time_ms)));
            if samples.start_timestamps_ms.iter().all(|&start_ms| start_ms == 0) {
                stamped.push(handle);
                continue;
            }
            stamped.extend(chunk::encode(&samples).into_iter().map(|chunk| ChunkHandle {
                min_ms: chunk.min_ms,
                max_ms: chunk.max_ms,
                data: ChunkData::Memory(chunk.encoding, chunk.bytes.into()),
            }));
        }
        stamped
    }

    /// Drops what no sample from this time on needs, and series that are gone.
    pub(crate) fn truncate(&self, before_ms: i64, is_alive: impl Fn(u32) -> bool) {
        if !self.some.load(Ordering::Acquire) {
            return;
        }
        let mut series = self.series.write();
        series.retain(|&id, runs| {
            let needed_from = runs.partition_point(|run| run.from_ms <= before_ms).saturating_sub(1);
            runs.drain(..needed_from);
            is_alive(id)
        });
        self.some.store(!series.is_empty(), Ordering::Release);
    }

    /// Adds all starts of these series, for a checkpoint.
    pub(crate) fn log(&self, ids: impl Iterator<Item = u32>, into: &mut Vec<LoggedStart>) {
        if !self.some.load(Ordering::Acquire) {
            return;
        }
        let series = self.series.read();
        for id in ids {
            for run in series.get(&id).into_iter().flatten() {
                into.push(LoggedStart { id, from_ms: run.from_ms, start_ms: run.start_ms });
            }
        }
    }
}

/// Whether a start is another one than the last of its series.
fn follows(last: Option<&Run>, start: &LoggedStart) -> bool {
    match last {
        Some(last) => last.start_ms != start.start_ms && last.from_ms < start.from_ms,
        None => start.start_ms != 0,
    }
}

/// Series, time and start of each sample of a batch, 0 for unknown.
fn starts_of(batch: &WriteBatch) -> impl Iterator<Item = (u32, i64, i64)> + '_ {
    let start = |starts_ms: &[i64], at: usize| starts_ms.get(at).copied().unwrap_or(0);
    let floats = batch.refs.iter().zip(&batch.timestamps_ms).enumerate();
    let floats = floats.map(move |(at, (series, &t))| (series.0, t, start(&batch.start_timestamps_ms, at)));
    let histograms = batch.histograms.iter().enumerate();
    let histograms =
        histograms.map(move |(at, (series, t, _))| (series.0, *t, start(&batch.histogram_starts_ms, at)));
    floats.chain(histograms).filter_map(|(id, t, start_ms)| Some((u32::try_from(id).ok()?, t, start_ms)))
}

impl Head {
    /// The starts of a batch that are new, if they are to be kept.
    pub(super) fn new_starts(&self, batch: &WriteBatch, into: &mut Vec<LoggedStart>) {
        let starts = &self.starts;
        let has_any = !batch.start_timestamps_ms.is_empty() || !batch.histogram_starts_ms.is_empty();
        if !starts.store.load(Ordering::Relaxed) || !(has_any || starts.some.load(Ordering::Acquire)) {
            return;
        }
        let all = starts_of(batch).filter(|&(id, from_ms, start_ms)| id != 0 && start_ms < from_ms);
        starts.new_among(all.map(|(id, from_ms, start_ms)| LoggedStart { id, from_ms, start_ms }), into);
    }

    /// The samples of 0 that belong before those of a batch: at the start of each counter, if it lies
    /// after the last sample of its series and the head takes it.
    pub(super) fn zeros(&self, batch: &WriteBatch) -> WriteBatch {
        let mut zeros = WriteBatch::default();
        if !self.starts.write_zero.load(Ordering::Relaxed)
            || (batch.start_timestamps_ms.is_empty() && batch.histogram_starts_ms.is_empty())
        {
            return zeros;
        }
        let oldest_ms = self.bounds().in_order_ms;
        let pages = self.pages.read();
        let mut cursor = PageCursor::new(&pages);
        // Zeros go in before all samples of the batch: what a series has in it before its own start would be
        // late then.
        let mut seen = HashSet::with_hasher(RandomState::default());
        for (at, (id, time_ms, start_ms)) in starts_of(batch).enumerate() {
            if !seen.insert(id) {
                continue;
            }
            let from_ms = oldest_ms.max(time_ms.saturating_sub(self.range_ms / 2));
            if start_ms == 0 || start_ms >= time_ms || start_ms < from_ms {
                continue;
            }
            if cursor.record(id).is_none_or(|record| start_ms <= record.last_ms) {
                continue;
            }
            let series = model::storage::SeriesRef(u64::from(id));
            match at.checked_sub(batch.refs.len()).and_then(|at| batch.histograms.get(at)) {
                None => zeros.push(series, start_ms, 0.0),
                Some((_, _, histogram)) => zeros.histograms.push((series, start_ms, zero_of(histogram))),
            }
        }
        zeros
    }
}

/// A histogram of the same layout that has observed nothing.
fn zero_of(histogram: &FloatHistogram) -> Arc<FloatHistogram> {
    let zeros = |buckets: &[f64]| vec![0.0; buckets.len()];
    Arc::new(FloatHistogram {
        counter_reset_hint: CounterResetHint::Reset,
        count: 0.0,
        zero_count: 0.0,
        sum: 0.0,
        positive_buckets: zeros(&histogram.positive_buckets),
        negative_buckets: zeros(&histogram.negative_buckets),
        ..histogram.clone()
    })
}
