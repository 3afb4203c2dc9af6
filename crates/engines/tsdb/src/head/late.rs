//! Late samples: older than the last one of their series, or than what the head still takes in order,
//! but inside the out-of-order window. They are kept apart, in small sorted chunks, and merged with the
//! others when they are read. From time to time all of them become blocks of their own time ranges,
//! which compaction merges with those that were there.
//!
//! They lie in generations: a new one takes what comes while the one before becomes blocks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use foldhash::fast::RandomState;
use model::histogram::CounterResetHint;
use model::storage::{Appended, TimeRange};
use model::{FloatHistogram, Samples};
use parking_lot::RwLock;

use super::segments::{ChunkRef, Segments};
use crate::chunk::{self, Chunk, Encoding};
use crate::series::{ChunkData, ChunkHandle, merge, outranks};
use crate::wal::record::LoggedChunk;
use crate::wal::side::LateFloat;

/// Samples of an open chunk, as in Prometheus: it is kept sorted, so it stays short.
const SAMPLES_PER_CHUNK: usize = 32;
/// Closed chunks of more bytes become blocks at the next opportunity.
const SIZE_MAX_BYTES: u64 = 64 << 20;
/// The same for samples in open chunks, which take 24 bytes each.
const OPEN_MAX: u64 = 8 << 20;

/// What is late in one batch: accepted and not stored yet.
#[derive(Default)]
pub(crate) struct LateBatch {
    pub(crate) floats: Vec<LateFloat>,
    /// Series, and place in the batch's histograms.
    pub(crate) histograms: Vec<(u32, usize)>,
}

impl LateBatch {
    pub(crate) fn clear(&mut self) {
        self.floats.clear();
        self.histograms.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }
}

/// Until when samples are taken, in order and late; holds for one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Samples before this are not taken in order.
    pub(crate) in_order_ms: i64,
    /// Samples before this are not taken at all, if there is a window.
    late_ms: Option<i64>,
    window_ms: i64,
}

impl Bounds {
    /// Decides on a sample that cannot be appended in order: true if it is late and taken. If not, it is
    /// counted. `is_last` says whether it is equal to the last sample of its series, at the same time.
    pub(crate) fn takes_late(
        &self,
        time_ms: i64,
        last_ms: i64,
        is_last: impl FnOnce() -> bool,
        appended: &mut Appended,
    ) -> bool {
        if time_ms < self.in_order_ms || time_ms < last_ms {
            // An empty head has no newest sample to count from, but what this one is behind has a time.
            let here_ms = last_ms.max(self.in_order_ms).saturating_sub(self.window_ms);
            let late_ms = self.late_ms.map(|late_ms| if late_ms == i64::MIN { here_ms } else { late_ms });
            return match late_ms {
                Some(late_ms) if time_ms >= late_ms => true,
                Some(_) => {
                    appended.outside_window += 1;
                    false
                }
                None if time_ms < self.in_order_ms => {
                    appended.too_old += 1;
                    false
                }
                None => {
                    appended.out_of_order += 1;
                    false
                }
            };
        }
        if is_last() {
            appended.accepted += 1;
        } else {
            appended.duplicate += 1;
        }
        false
    }
}

/// All late samples of the head.
pub(crate) struct LateSamples {
    window_ms: AtomicI64,
    state: RwLock<State>,
    /// Whether there may be any: most often there are none, and nobody need look.
    some: AtomicBool,
    /// Closed chunks; the number of a generation stands for a block range.
    segments: Segments,
    /// Samples taken since the start.
    pub(crate) taken: AtomicU64,
}

#[derive(Default)]
struct State {
    active: Generation,
    cutting: Option<Arc<Generation>>,
}

/// What came between two cuts.
pub(crate) struct Generation {
    number: i64,
    series: HashMap<u32, LateSeries, RandomState>,
    min_ms: i64,
    max_ms: i64,
    samples: u64,
    /// Samples in open chunks.
    open: u64,
    size_bytes: u64,
    /// When the first one came.
    since_ms: i64,
}

impl Default for Generation {
    fn default() -> Self {
        Generation {
            number: 0,
            series: HashMap::default(),
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            samples: 0,
            open: 0,
            size_bytes: 0,
            since_ms: 0,
        }
    }
}

#[derive(Default)]
struct LateSeries {
    /// Sorted by time, at most [`SAMPLES_PER_CHUNK`].
    open: Vec<Point>,
    closed: Vec<LateChunk>,
}

struct Point {
    time_ms: i64,
    /// Bits of the float.
    value: u64,
    histogram: Option<Arc<FloatHistogram>>,
}

impl Point {
    fn sample(&self) -> (f64, Option<&FloatHistogram>) {
        (f64::from_bits(self.value), self.histogram.as_deref())
    }
}

#[derive(Clone, Copy)]
struct LateChunk {
    min_ms: i64,
    max_ms: i64,
    place: ChunkRef,
}

impl LateSamples {
    /// None yet, and none are taken: the window is 0. Full chunks go where those of the head go.
    pub(crate) fn new(segments: Segments) -> Self {
        LateSamples {
            window_ms: AtomicI64::new(0),
            state: RwLock::default(),
            some: AtomicBool::new(false),
            segments,
            taken: AtomicU64::new(0),
        }
    }

    /// How far behind the newest sample others may be; 0 to take none.
    pub(crate) fn set_window_ms(&self, window_ms: i64) {
        self.window_ms.store(window_ms.max(0), Ordering::Relaxed);
    }

    /// The bounds for a batch that comes when the newest sample is this old and samples before
    /// `in_order_ms` are not taken in order. As long as there is no sample, none is too late.
    pub(crate) fn bounds(&self, newest_ms: Option<i64>, in_order_ms: i64) -> Bounds {
        let window_ms = self.window_ms.load(Ordering::Relaxed);
        let oldest_ms = newest_ms.map_or(i64::MIN, |newest_ms| newest_ms.saturating_sub(window_ms));
        Bounds { in_order_ms, late_ms: (window_ms > 0).then_some(oldest_ms), window_ms }
    }

    /// Takes a float. If there is a sample at that time already, see [`outranks`].
    pub(crate) fn insert(&self, floats: &[LateFloat], now_ms: i64) {
        if floats.is_empty() {
            return;
        }
        let mut state = self.state.write();
        self.some.store(true, Ordering::Release);
        for float in floats {
            let point = Point { time_ms: float.time_ms, value: float.value, histogram: None };
            state.active.insert(&self.segments, float.id, point, now_ms);
        }
        self.taken.fetch_add(floats.len() as u64, Ordering::Relaxed);
    }

    /// Takes a histogram.
    pub(crate) fn insert_histogram(
        &self,
        id: u32,
        time_ms: i64,
        histogram: &Arc<FloatHistogram>,
        now_ms: i64,
    ) {
        let mut histogram = histogram.clone();
        if histogram.counter_reset_hint != CounterResetHint::Gauge {
            // What is before it may still come.
            Arc::make_mut(&mut histogram).counter_reset_hint = CounterResetHint::Unknown;
        }
        let point = Point { time_ms, value: histogram.sum.to_bits(), histogram: Some(histogram) };
        let mut state = self.state.write();
        self.some.store(true, Ordering::Release);
        state.active.insert(&self.segments, id, point, now_ms);
        drop(state);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a closed chunk back from the log; gives how many samples it has.
    pub(crate) fn restore(&self, id: u32, chunk: &LoggedChunk<'_>, now_ms: i64) -> u64 {
        let count = u64::from(chunk::count_samples(chunk.encoding, chunk.bytes).unwrap_or(0));
        let mut state = self.state.write();
        self.some.store(true, Ordering::Release);
        let active = &mut state.active;
        active.cover(chunk.min_ms, chunk.max_ms, count, now_ms);
        let place =
            self.segments.push(active.number, chunk.encoding, chunk.min_ms, chunk.max_ms, chunk.bytes);
        active.size_bytes += chunk.bytes.len() as u64;
        let closed = LateChunk { min_ms: chunk.min_ms, max_ms: chunk.max_ms, place };
        active.series.entry(id).or_default().closed.push(closed);
        count
    }

    /// Oldest and newest, if there are any.
    pub(crate) fn time_range(&self) -> Option<TimeRange> {
        if self.is_empty() {
            return None;
        }
        let state = self.state.read();
        let start_ms = state.generations().map(|g| g.min_ms).min()?;
        let end_ms = state.generations().map(|g| g.max_ms).max()?;
        (start_ms <= end_ms).then_some(TimeRange { start_ms, end_ms })
    }

    /// Whether there are none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Acquire)
    }

    /// Whether this series has any.
    pub(crate) fn has(&self, id: u32) -> bool {
        if self.is_empty() {
            return false;
        }
        self.state.read().generations().any(|generation| generation.series.contains_key(&id))
    }

    /// Newest of a series.
    pub(crate) fn last_ms(&self, id: u32) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let state = self.state.read();
        let all = state.generations().filter_map(|generation| generation.series.get(&id)?.max_ms());
        all.max()
    }

    /// Adds the chunks of a series that overlap a range.
    pub(crate) fn add_chunks(&self, id: u32, range: TimeRange, into: &mut Vec<ChunkHandle>) {
        if self.is_empty() {
            return;
        }
        let state = self.state.read();
        for generation in state.generations() {
            if let Some(series) = generation.series.get(&id) {
                self.chunks_of(series, range, into);
            }
        }
    }

    fn chunks_of(&self, series: &LateSeries, range: TimeRange, into: &mut Vec<ChunkHandle>) {
        for chunk in &series.closed {
            let span = TimeRange { start_ms: chunk.min_ms, end_ms: chunk.max_ms };
            if span.overlaps(range)
                && let Some((segment, offset)) = self.segments.locate(&chunk.place)
            {
                let data = ChunkData::Segment(segment, offset);
                into.push(ChunkHandle { min_ms: chunk.min_ms, max_ms: chunk.max_ms, data });
            }
        }
        let (Some(first), Some(last)) = (series.open.first(), series.open.last()) else { return };
        if (TimeRange { start_ms: first.time_ms, end_ms: last.time_ms }).overlaps(range) {
            into.extend(encode(&series.open).into_iter().map(in_memory));
        }
    }

    /// How many samples there are in how many series, and bytes of closed chunks.
    pub(crate) fn count(&self) -> (u64, u64, u64) {
        let state = self.state.read();
        state.generations().fold((0, 0, 0), |sum, generation| {
            (
                sum.0 + generation.samples,
                sum.1 + generation.series.len() as u64,
                sum.2 + generation.size_bytes,
            )
        })
    }

    /// Begins to make blocks of what there is, if it is time: `now` at the latest when it is as old as
    /// `age_max_ms`, or takes much room, or `anyway`. Gives the same again until
    /// [`LateSamples::end_cut`].
    pub(crate) fn begin_cut(&self, now_ms: i64, age_max_ms: i64, anyway: bool) -> Option<Arc<Generation>> {
        let mut state = self.state.write();
        if state.cutting.is_none() {
            let active = &state.active;
            let due = anyway
                || active.size_bytes > SIZE_MAX_BYTES
                || active.open > OPEN_MAX
                || now_ms.saturating_sub(active.since_ms) >= age_max_ms
                || now_ms < active.since_ms;
            if active.series.is_empty() || !due {
                return None;
            }
            let next = Generation { number: active.number + 1, ..Generation::default() };
            state.cutting = Some(Arc::new(std::mem::replace(&mut state.active, next)));
        }
        state.cutting.clone()
    }

    /// Forgets what has become blocks.
    pub(crate) fn end_cut(&self) {
        let mut state = self.state.write();
        state.cutting = None;
        self.some.store(!state.active.series.is_empty(), Ordering::Release);
        self.segments.free_before(state.active.number);
    }

    /// The samples of a series of a generation that lie in a range, as few chunks as possible.
    pub(crate) fn merged_chunks(
        &self,
        generation: &Generation,
        id: u32,
        range: TimeRange,
    ) -> Result<Vec<ChunkHandle>, crate::Error> {
        let mut handles = Vec::new();
        if let Some(series) = generation.series.get(&id) {
            self.chunks_of(series, range, &mut handles);
        }
        let mut parts = Vec::with_capacity(handles.len());
        for handle in &handles {
            let mut part = Samples::default();
            handle.decode(range, &mut part)?;
            parts.push(part);
        }
        let mut merged = Samples::default();
        merge(&parts, &mut merged);
        Ok(chunk::encode(&merged).into_iter().map(in_memory).collect())
    }

    /// Calls with each series of these numbers that has any, and with its chunks, for a checkpoint.
    pub(crate) fn log(
        &self,
        ids: impl Iterator<Item = u32>,
        mut with: impl FnMut(u32, Vec<LoggedChunk<'_>>),
    ) {
        let state = self.state.read();
        if state.generations().all(|generation| generation.series.is_empty()) {
            return;
        }
        for id in ids {
            for series in state.generations().filter_map(|generation| generation.series.get(&id)) {
                let mut handles = Vec::new();
                self.chunks_of(series, TimeRange::ALL, &mut handles);
                let copies: Vec<_> = handles
                    .iter()
                    .filter_map(|handle| {
                        handle.with(|encoding, bytes| (handle, encoding, bytes.to_vec())).ok()
                    })
                    .collect();
                let logged = copies.iter().map(|(handle, encoding, bytes)| LoggedChunk {
                    encoding: *encoding,
                    min_ms: handle.min_ms,
                    max_ms: handle.max_ms,
                    bytes,
                });
                with(id, logged.collect());
            }
        }
    }
}

impl State {
    /// The older one first.
    fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.cutting.as_deref().into_iter().chain(std::iter::once(&self.active))
    }
}

impl Generation {
    fn cover(&mut self, min_ms: i64, max_ms: i64, samples: u64, now_ms: i64) {
        if self.samples == 0 {
            self.since_ms = now_ms;
        }
        self.samples += samples;
        self.min_ms = self.min_ms.min(min_ms);
        self.max_ms = self.max_ms.max(max_ms);
    }

    fn insert(&mut self, segments: &Segments, id: u32, point: Point, now_ms: i64) {
        let time_ms = point.time_ms;
        let series = self.series.entry(id).or_default();
        let mut at = match series.open.binary_search_by_key(&time_ms, |point| point.time_ms) {
            Err(at) => at,
            Ok(at) => {
                if outranks(point.sample(), series.open[at].sample()) {
                    series.open[at] = point;
                }
                return;
            }
        };
        if series.open.len() >= SAMPLES_PER_CHUNK {
            for chunk in encode(&series.open) {
                let Chunk { encoding, min_ms, max_ms, bytes } = chunk;
                let place = segments.push(self.number, encoding, min_ms, max_ms, &bytes);
                self.size_bytes += bytes.len() as u64;
                if series.closed.len() == series.closed.capacity() {
                    series.closed.reserve_exact(1 + series.closed.len() / 4);
                }
                series.closed.push(LateChunk { min_ms, max_ms, place });
            }
            self.open -= series.open.len() as u64;
            series.open.clear();
            at = 0;
        }
        if series.open.len() == series.open.capacity() {
            // Most series with late samples have few of them.
            series.open.reserve_exact(1 + series.open.len().min(SAMPLES_PER_CHUNK / 2));
        }
        series.open.insert(at, point);
        self.open += 1;
        self.cover(time_ms, time_ms, 1, now_ms);
    }

    /// The series in it, in no order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.series.keys().copied()
    }

    /// Oldest and newest sample.
    pub(crate) fn time_range(&self) -> TimeRange {
        TimeRange { start_ms: self.min_ms, end_ms: self.max_ms }
    }

    /// Whether a series may have samples in the range.
    pub(crate) fn overlaps(&self, id: u32, range: TimeRange) -> bool {
        self.series.get(&id).is_some_and(|series| {
            let open = series.open.first().zip(series.open.last());
            let closed = series.closed.iter().map(|chunk| (chunk.min_ms, chunk.max_ms));
            let mut spans = closed.chain(open.map(|(first, last)| (first.time_ms, last.time_ms)));
            spans.any(|(start_ms, end_ms)| TimeRange { start_ms, end_ms }.overlaps(range))
        })
    }
}

impl LateSeries {
    fn max_ms(&self) -> Option<i64> {
        let closed = self.closed.iter().map(|chunk| chunk.max_ms);
        closed.chain(self.open.last().map(|point| point.time_ms)).max()
    }
}

fn in_memory(chunk: Chunk) -> ChunkHandle {
    let data = ChunkData::Memory(chunk.encoding, chunk.bytes.into());
    ChunkHandle { min_ms: chunk.min_ms, max_ms: chunk.max_ms, data }
}

fn encode(points: &[Point]) -> Vec<Chunk> {
    let mut samples = Samples::default();
    for point in points {
        match &point.histogram {
            Some(histogram) => samples.push_histogram(point.time_ms, histogram.clone()),
            None => samples.push(point.time_ms, f64::from_bits(point.value)),
        }
    }
    chunk::encode(&samples)
}

/// A histogram as a chunk of its own, as the log holds it.
pub(crate) fn one_chunk(time_ms: i64, histogram: &Arc<FloatHistogram>) -> Option<(Encoding, Vec<u8>)> {
    let mut samples = Samples::default();
    samples.push_histogram(time_ms, histogram.clone());
    chunk::encode(&samples).pop().map(|chunk| (chunk.encoding, chunk.bytes))
}
