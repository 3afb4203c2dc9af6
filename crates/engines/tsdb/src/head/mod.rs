//! The head: the newest samples, in memory; the write-ahead log keeps them through a crash.
//!
//! Writers go one at a time, through [`Head::resolve`] and [`Head::append`]. Readers take short locks
//! of single pages and decode outside of them. Locks are taken in this order: writer, index, list of
//! pages, one page, segments.

mod cardinality;
mod exemplars;
mod index;
mod late;
mod metadata;
mod page;
mod pieces;
mod read;
mod replay;
pub(crate) mod segments;
mod side;
mod staged;
pub(crate) mod starts;
mod symbols;
mod truncate;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use base::Clock;
use model::storage::{Appended, SeriesRef, Ticket, TimeRange, WriteBatch};
use model::{FloatHistogram, Labels};
use parking_lot::{Mutex, RwLock};

use crate::budgets::Admission;
use crate::chunk::histogram::{HistogramAppender, ResetFlag, is_consistent};
use crate::error::Error;
use crate::wal::record;
use crate::wal::samples::{SAMPLES_PER_RECORD, SampleWriter};
use crate::wal::side::{LateFloat, LoggedStart};
use crate::wal::{Wal, WalSync};
use cardinality::Growth;
use exemplars::Exemplars;
use index::Index;
use late::{Bounds, LateBatch, LateSamples};
use metadata::MetadataStore;
use page::{PAGE_SERIES, Page, PageCursor, Pages};
use segments::Segments;
use starts::Starts;

pub(crate) use replay::HeadReplay;

/// Counts of what the head did.
#[derive(Debug, Default)]
pub(crate) struct HeadCounters {
    pub(crate) samples: AtomicU64,
    pub(crate) out_of_order: AtomicU64,
    pub(crate) duplicate: AtomicU64,
    pub(crate) too_old: AtomicU64,
    pub(crate) outside_window: AtomicU64,
    pub(crate) exemplars: AtomicU64,
    pub(crate) exemplars_refused: AtomicU64,
    /// Batches and new series that could not be logged.
    pub(crate) refused_writes: AtomicU64,
    pub(crate) series_created: AtomicU64,
    pub(crate) series_removed: AtomicU64,
    /// Series that the limit refused.
    pub(crate) series_refused: AtomicU64,
}

fn add(counter: &AtomicU64, by: u64) {
    if by > 0 {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// The head of a store.
pub(crate) struct Head {
    range_ms: i64,
    clock: Clock,
    hash_seed: u64,
    index: RwLock<Index>,
    pages: RwLock<Pages>,
    segments: Segments,
    writer: Mutex<Writer>,
    /// Time of the oldest sample, `i64::MAX` if there is none.
    min_ms: AtomicI64,
    /// Time of the newest sample, `i64::MIN` if there is none.
    max_ms: AtomicI64,
    /// Samples before this are in blocks or about to be; later ones of that time are refused.
    bound_ms: AtomicI64,
    /// Samples before this are in blocks on disk.
    in_blocks_ms: AtomicI64,
    /// Deleted spans by series.
    tombstones: RwLock<HashMap<u32, Vec<TimeRange>>>,
    pub(crate) late: LateSamples,
    pub(crate) exemplars: Exemplars,
    pub(crate) metadata: MetadataStore,
    pub(crate) admission: Admission,
    growth: Growth,
    pub(crate) starts: Starts,
    pub(crate) counters: HeadCounters,
}

/// What only the one writer uses.
#[derive(Default)]
struct Writer {
    /// Set once the log has been replayed.
    wal: Option<Wal>,
    /// Why there is no log.
    closed: bool,
    buffer: Vec<u8>,
    logged: SampleWriter,
    floats: Vec<PendingFloats>,
    histograms: Vec<PendingHistogram>,
    late: LateBatch,
    /// Records of what stands beside the samples.
    side: Vec<u8>,
    /// Starts in them.
    starts: Vec<LoggedStart>,
    /// Places in the batch of the metadata in them.
    metadata: Vec<usize>,
}

/// Floats of one series, one behind the other in the batch, that were accepted but are not in their chunk
/// yet, and what the series' last sample was.
struct PendingFloats {
    id: u32,
    /// Where in the batch they begin.
    first: u32,
    count: u32,
    last_wal_segment: u32,
    last_ms: i64,
    last_value: u64,
    last_is_histogram: bool,
}

struct PendingHistogram {
    id: u32,
    at: usize,
    last_ms: i64,
    last_is_histogram: bool,
}

impl Writer {
    fn wal(&mut self) -> Result<&mut Wal, Error> {
        let closed = self.closed;
        self.wal.as_mut().ok_or_else(|| {
            Error::Unavailable(match closed {
                true => "the store is closing".into(),
                false => "the write-ahead log is still being replayed".into(),
            })
        })
    }
}

impl Head {
    /// An empty head. `spill_dir` exists; closed chunks are kept there, in files without names.
    pub(crate) fn new(range_ms: i64, clock: Clock, spill_dir: PathBuf) -> Self {
        let late = LateSamples::new(Segments::new(spill_dir.clone()));
        Head {
            range_ms,
            clock,
            // Seeded anew in each process, so that nobody can prepare labels that collide.
            hash_seed: std::hash::RandomState::new().build_hasher().finish(),
            index: RwLock::default(),
            pages: RwLock::default(),
            segments: Segments::new(spill_dir),
            writer: Mutex::default(),
            min_ms: AtomicI64::new(i64::MAX),
            max_ms: AtomicI64::new(i64::MIN),
            bound_ms: AtomicI64::new(i64::MIN),
            in_blocks_ms: AtomicI64::new(i64::MIN),
            tombstones: RwLock::default(),
            late,
            exemplars: Exemplars::default(),
            metadata: MetadataStore::default(),
            admission: Admission::default(),
            growth: Growth::default(),
            starts: Starts::default(),
            counters: HeadCounters::default(),
        }
    }

    /// Gives the head its log: from now on it takes samples.
    pub(crate) fn set_wal(&self, wal: Wal) -> Arc<WalSync> {
        let sync = wal.sync();
        self.writer.lock().wal = Some(wal);
        sync
    }

    /// Takes no more samples.
    pub(crate) fn close(&self) {
        let mut writer = self.writer.lock();
        writer.wal = None;
        writer.closed = true;
    }

    /// Bytes of the log.
    pub(crate) fn wal_size_bytes(&self) -> u64 {
        self.writer.lock().wal.as_ref().map_or(0, Wal::size_bytes)
    }

    fn hash(&self, labels: &Labels) -> u128 {
        self.hash_packed(labels.packed())
    }

    fn hash_packed(&self, packed: &str) -> u128 {
        xxhash_rust::xxh3::xxh3_128_with_seed(packed.as_bytes(), self.hash_seed)
    }

    /// See [`model::storage::MetricWriter::resolve`].
    pub(crate) fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), Error> {
        let start = refs.len();
        let mut missing = Vec::new();
        {
            let index = self.index.read();
            for (at, labels) in series.iter().enumerate() {
                let hash = self.hash(labels);
                match index.get(hash) {
                    Some(id) => refs.push(SeriesRef(u64::from(id))),
                    None => {
                        refs.push(SeriesRef::NONE);
                        missing.push((at, hash));
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let created = self.create(series, &missing, &mut refs[start..]);
        if created.is_err() {
            refs.truncate(start);
            add(&self.counters.refused_writes, 1);
        }
        created
    }

    fn create(
        &self,
        series: &[Labels],
        missing: &[(usize, u128)],
        refs: &mut [SeriesRef],
    ) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        writer.wal()?.prepare()?;
        let mut new: Vec<(u32, u128, &Labels)> = Vec::new();
        let mut refused = 0;
        {
            let index = self.index.read();
            let mut fresh: HashMap<u128, u32> = HashMap::new();
            let mut gate = self.admission.gate(index.len(), |label, group| index.series_with(label, group));
            for &(at, hash) in missing {
                let labels = &series[at];
                let known = index.get(hash).or_else(|| fresh.get(&hash).copied());
                let id = known.or_else(|| {
                    let next = index.next_id().checked_add(new.len() as u32)?;
                    if !gate.admits(labels) {
                        refused += 1;
                        return None;
                    }
                    fresh.insert(hash, next);
                    new.push((next, hash, labels));
                    Some(next)
                });
                refs[at] = id.map_or(SeriesRef::NONE, |id| SeriesRef(u64::from(id)));
            }
            gate.finish();
        }
        add(&self.counters.series_refused, refused);
        if new.is_empty() {
            return Ok(());
        }
        let Writer { wal, buffer, .. } = &mut *writer;
        buffer.clear();
        record::write_series(buffer, new.iter().map(|(id, _, labels)| (*id, labels.iter())));
        if let Some(wal) = wal {
            wal.write(buffer)?;
        }
        let mut index = self.index.write();
        let mut pages = self.pages.write();
        let mut pairs = Vec::new();
        for &(id, hash, labels) in &new {
            index.symbols.intern_all(labels, &mut pairs);
            insert_series(&mut index, &mut pages, id, hash, &pairs);
        }
        add(&self.counters.series_created, new.len() as u64);
        Ok(())
    }

    /// See [`model::storage::MetricWriter::append`].
    pub(crate) fn append(&self, batch: &WriteBatch) -> Result<Appended, Error> {
        if batch.refs.len() != batch.values.len() || batch.refs.len() != batch.timestamps_ms.len() {
            return Err(Error::BadInput("the columns of a batch differ in length".into()));
        }
        if batch.histograms.iter().any(|(_, _, histogram)| !is_consistent(histogram)) {
            return Err(Error::BadInput("a histogram whose spans and buckets disagree".into()));
        }
        let mut writer = self.writer.lock();
        let zeros = self.zeros(batch);
        if !zeros.is_empty() {
            self.append_locked(&mut writer, &zeros)?;
        }
        self.append_locked(&mut writer, batch)
    }

    fn append_locked(&self, writer: &mut Writer, batch: &WriteBatch) -> Result<Appended, Error> {
        let segment = match writer.wal().and_then(Wal::prepare) {
            Ok(segment) => segment,
            Err(error) => {
                add(&self.counters.refused_writes, 1);
                return Err(error);
            }
        };
        let mut appended = Appended::default();
        self.take_side(writer, batch, &mut appended);
        let pages = self.pages.read();
        self.accept(writer, &pages, batch, segment, &mut appended);
        self.log_side(writer, batch);
        if !writer.buffer.is_empty() {
            let written = match &mut writer.wal {
                Some(wal) => wal.write(&writer.buffer),
                None => Ok(0),
            };
            match written {
                Ok(ticket) => appended.ticket = Ticket(ticket),
                Err(error) => {
                    undo(writer, &pages);
                    add(&self.counters.refused_writes, 1);
                    return Err(error);
                }
            }
        } else if let Some(wal) = &writer.wal {
            // What was there already may still have to reach the disk.
            appended.ticket = Ticket(wal.sync().written());
        }
        self.store(writer, &pages, batch);
        self.store_side(writer, batch);
        add(&self.counters.samples, appended.accepted);
        add(&self.counters.out_of_order, appended.out_of_order);
        add(&self.counters.duplicate, appended.duplicate);
        add(&self.counters.too_old, appended.too_old);
        add(&self.counters.outside_window, appended.outside_window);
        add(&self.counters.exemplars, appended.exemplars);
        add(&self.counters.exemplars_refused, appended.exemplars_refused);
        Ok(appended)
    }

    /// Decides which samples are taken and encodes their log records. The last sample of each series
    /// is moved on already, so that several samples of one series in a batch are judged in order.
    fn accept(
        &self,
        writer: &mut Writer,
        pages: &Pages,
        batch: &WriteBatch,
        segment: u32,
        appended: &mut Appended,
    ) {
        let Writer { buffer, logged, floats, histograms, late, .. } = writer;
        buffer.clear();
        logged.clear();
        floats.clear();
        histograms.clear();
        late.clear();
        let bounds = self.bounds();
        let mut cursor = PageCursor::new(pages);
        let (mut end, mut taken) = (0, 0);
        while let Some(&series) = batch.refs.get(end) {
            let start = end;
            end += batch.refs[start..].iter().take_while(|other| **other == series).count();
            let id = u32::try_from(series.0).unwrap_or(0);
            let Some(record) = cursor.record(id) else {
                appended.unknown.extend(start as u32..end as u32);
                continue;
            };
            record.prefetch();
            let mut pending: Option<PendingFloats> = None;
            let samples = batch.timestamps_ms[start..end].iter().zip(&batch.values[start..end]);
            for (at, (&time_ms, value)) in (start..end).zip(samples) {
                let value = value.to_bits();
                if time_ms <= record.last_ms || time_ms < bounds.in_order_ms {
                    let is_last = || !record.last_is_histogram && record.last_value == value;
                    if bounds.takes_late(time_ms, record.last_ms, is_last, appended) {
                        late.floats.push(LateFloat { id, time_ms, value });
                    }
                    floats.extend(pending.take());
                    continue;
                }
                let run = pending.get_or_insert(PendingFloats {
                    id,
                    first: at as u32,
                    count: 0,
                    last_wal_segment: record.wal_segment,
                    last_ms: record.last_ms,
                    last_value: record.last_value,
                    last_is_histogram: record.last_is_histogram,
                });
                run.count += 1;
                taken += 1;
                let before = if record.wal_segment == segment { record.last_value } else { 0 };
                if logged.len() == SAMPLES_PER_RECORD {
                    logged.write(buffer);
                }
                logged.push(id, time_ms, before, value);
                (record.last_ms, record.last_value) = (time_ms, value);
                (record.wal_segment, record.last_is_histogram) = (segment, false);
            }
            floats.extend(pending);
        }
        logged.write(buffer);
        // What is equal to what is there counts as taken.
        let (equal_before, late_before) = (appended.accepted, late.len());
        let mut chunk = Vec::new();
        for (at, (series, time_ms, histogram)) in batch.histograms.iter().enumerate() {
            let (id, time_ms) = (u32::try_from(series.0).unwrap_or(0), *time_ms);
            let Some(record) = cursor.record(id) else {
                appended.unknown.push((batch.refs.len() + at) as u32);
                continue;
            };
            if time_ms <= record.last_ms || time_ms < bounds.in_order_ms {
                let is_last = || record.is_last_histogram(histogram);
                if bounds.takes_late(time_ms, record.last_ms, is_last, appended) {
                    late.histograms.push((id, at));
                }
                continue;
            }
            histogram_chunk(&mut chunk, time_ms, histogram);
            record::write_histogram(buffer, id, &chunk);
            histograms.push(PendingHistogram {
                id,
                at,
                last_ms: record.last_ms,
                last_is_histogram: record.last_is_histogram,
            });
            (record.last_ms, record.last_is_histogram) = (time_ms, true);
        }
        appended.late = late.len() as u64;
        let equal = appended.accepted - equal_before;
        appended.accepted_histograms += equal + (histograms.len() + late.len() - late_before) as u64;
        appended.accepted += (taken + histograms.len() + late.len()) as u64;
    }

    /// The time before which a batch's samples are not taken in order: what is in blocks, and what lies
    /// more than half a range behind the newest sample. So the head spans few ranges whatever is sent.
    /// Samples from the future do not shut out the present. Prometheus has the same bound.
    fn bounds(&self) -> Bounds {
        let bound_ms = self.bound_ms.load(Ordering::Relaxed);
        let newest_ms = self.max_ms.load(Ordering::Acquire);
        if newest_ms == i64::MIN {
            return self.late.bounds(None, bound_ms);
        }
        let present_ms = newest_ms.min(self.clock.now_ms());
        let in_order_ms = bound_ms.max(present_ms.saturating_sub(self.range_ms / 2));
        self.late.bounds(Some(present_ms), in_order_ms)
    }

    /// Puts what was accepted and logged into the chunks.
    fn store(&self, writer: &Writer, pages: &Pages, batch: &WriteBatch) {
        let mut cursor = PageCursor::new(pages);
        let (mut min_ms, mut max_ms) = (i64::MAX, i64::MIN);
        for pending in &writer.floats {
            let Some(record) = cursor.record(pending.id) else { continue };
            let run = pending.first as usize..(pending.first + pending.count) as usize;
            let last = (pending.last_ms, pending.last_value);
            let times = &batch.timestamps_ms[run.clone()];
            let samples = times.iter().zip(&batch.values[run]);
            let samples = samples.map(|(&time_ms, value)| (time_ms, value.to_bits()));
            record.append(&self.segments, self.range_ms, last, samples);
            // Times of a run ascend.
            min_ms = min_ms.min(times.first().copied().unwrap_or(min_ms));
            max_ms = max_ms.max(times.last().copied().unwrap_or(max_ms));
        }
        for pending in &writer.histograms {
            let (_, time_ms, histogram) = &batch.histograms[pending.at];
            if let Some(record) = cursor.record(pending.id) {
                record.append_histogram(&self.segments, self.range_ms, pending.last_ms, *time_ms, histogram);
            }
            min_ms = min_ms.min(*time_ms);
            max_ms = max_ms.max(*time_ms);
        }
        self.min_ms.fetch_min(min_ms, Ordering::AcqRel);
        self.max_ms.fetch_max(max_ms, Ordering::AcqRel);
    }

    /// Oldest and newest sample, if there is any.
    pub(crate) fn time_range(&self) -> Option<TimeRange> {
        let (start_ms, end_ms) = (self.min_ms.load(Ordering::Acquire), self.max_ms.load(Ordering::Acquire));
        (start_ms <= end_ms).then_some(TimeRange { start_ms, end_ms })
    }

    /// Oldest and newest sample, late ones included.
    pub(crate) fn whole_range(&self) -> Option<TimeRange> {
        match (self.time_range(), self.late.time_range()) {
            (Some(a), Some(b)) => {
                Some(TimeRange { start_ms: a.start_ms.min(b.start_ms), end_ms: a.end_ms.max(b.end_ms) })
            }
            (a, b) => a.or(b),
        }
    }

    /// How many series there are.
    pub(crate) fn series_count(&self) -> usize {
        self.index.read().len()
    }

    /// Samples before this time are in blocks on disk.
    pub(crate) fn in_blocks_ms(&self) -> i64 {
        self.in_blocks_ms.load(Ordering::Acquire)
    }
}

/// Takes back what [`Head::accept`] did to the series.
fn undo(writer: &mut Writer, pages: &Pages) {
    let mut cursor = PageCursor::new(pages);
    for pending in writer.histograms.iter().rev() {
        if let Some(record) = cursor.record(pending.id) {
            record.last_ms = pending.last_ms;
            record.last_is_histogram = pending.last_is_histogram;
        }
    }
    for pending in writer.floats.iter().rev() {
        if let Some(record) = cursor.record(pending.id) {
            (record.last_ms, record.last_value) = (pending.last_ms, pending.last_value);
            record.wal_segment = pending.last_wal_segment;
            record.last_is_histogram = pending.last_is_histogram;
        }
    }
}

/// A chunk of one histogram, as the log holds it.
fn histogram_chunk(chunk: &mut Vec<u8>, time_ms: i64, histogram: &FloatHistogram) {
    chunk.clear();
    let mut appender = HistogramAppender::floats_only();
    use model::histogram::CounterResetHint;
    appender.begin(match histogram.counter_reset_hint {
        CounterResetHint::Unknown => ResetFlag::Unknown,
        CounterResetHint::Reset => ResetFlag::Reset,
        CounterResetHint::NotReset => ResetFlag::NotReset,
        CounterResetHint::Gauge => ResetFlag::Gauge,
    });
    appender.append(chunk, time_ms, histogram);
}

/// Adds a series with these label pairs.
fn insert_series(index: &mut Index, pages: &mut Pages, id: u32, hash: u128, pairs: &[u32]) {
    index.insert(id, hash, pairs);
    let number = (id / PAGE_SERIES) as usize;
    if pages.len() <= number {
        pages.resize_with(number + 1, || None);
    }
    pages[number].get_or_insert_with(|| Box::new(RwLock::new(Page::default()))).get_mut().insert(id, pairs);
}
