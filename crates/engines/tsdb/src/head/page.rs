//! The series of the head, 256 numbers to a page. Numbers are given out once and never again, so a
//! reference that a writer kept too long is noticed; a page keeps only the series that are alive, in
//! order, and a bit for each number says whether it is.

use parking_lot::{RwLock, RwLockWriteGuard};

use super::segments::{ChunkRef, Segments};
use crate::chunk::histogram::HistogramAppender;
use crate::chunk::xor::XorState;
use crate::chunk::{Encoding, SAMPLES_PER_CHUNK, sample_count_or_zero, xor};
use crate::prefetch;

pub(crate) const PAGE_SERIES: u32 = 256;
/// What an open chunk takes at first. Then it grows to what it will take if it goes on like this: as memory that
/// is moved is mostly far from the cache, that is worth a division.
const OPEN_STEP_BYTES: usize = 72;
/// What an open chunk whose length was guessed grows by at least.
const OPEN_STEP_MIN_BYTES: usize = 32;
const OPEN_STEP_MAX_BYTES: usize = 640;
/// Header, time and value.
const FIRST_SAMPLE_BYTES: usize = 16;
/// How many series ahead of the one that is written memory is fetched.
const RECORDS_AHEAD: usize = 4;
/// More than any float sample takes.
const FLOAT_SAMPLE_MAX_BYTES: usize = 24;

/// One series: its last sample, the chunk being filled, the closed ones.
pub(crate) struct Record {
    /// Time of the last sample, `i64::MIN` if there is none yet.
    pub(crate) last_ms: i64,
    /// Bits of the last float.
    pub(crate) last_value: u64,
    /// Where the open chunk starts.
    pub(crate) open_min_ms: i64,
    state: XorState,
    /// The open chunk; of a float chunk the header is not filled in, see [`Record::open_chunk_bytes`].
    open: Vec<u8>,
    /// Without spare room: one is added seldom.
    pub(crate) chunks: Box<[ChunkRef]>,
    /// Set once the series had a histogram.
    pub(crate) histograms: Option<Box<HistogramAppender>>,
    /// From the start of the open chunk to the end of its block range.
    open_room_ms: u32,
    /// The log segment that has a float of this series: its values are written as differences there.
    pub(crate) wal_segment: u32,
    pairs_at: u32,
    pairs_len: u16,
    /// Length of the last closed chunk: the next one will be about as long.
    closed_bytes: u16,
    pub(crate) last_is_histogram: bool,
    open_is_histogram: bool,
}

impl Record {
    fn new(pairs_at: u32, pairs_len: u16) -> Self {
        Record {
            last_ms: i64::MIN,
            last_value: 0,
            open_min_ms: 0,
            state: XorState::default(),
            open: Vec::new(),
            chunks: Box::default(),
            histograms: None,
            open_room_ms: 0,
            wal_segment: 0,
            pairs_at,
            pairs_len,
            closed_bytes: 0,
            last_is_histogram: false,
            open_is_histogram: false,
        }
    }

    pub(crate) fn open_encoding(&self) -> Encoding {
        let histograms = self.histograms.as_ref().filter(|_| self.open_is_histogram);
        histograms.map_or(Encoding::Xor, |histograms| histograms.encoding())
    }

    /// Whether there is an open chunk.
    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Appends the open chunk as it is now.
    pub(crate) fn copy_open_chunk(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&self.open);
        if !self.open_is_histogram {
            xor::set_count(&mut into[start..], self.state.count);
        }
    }

    /// Brings what an append will touch into the cache. Over a batch these loads run side by side,
    /// where those of the appends would wait for each other.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch::element(&self.open, self.open.len().wrapping_sub(1));
    }

    /// The end (exclusive) of the block range that the open chunk lies in.
    pub(crate) fn open_range_end_ms(&self) -> i64 {
        self.open_min_ms.saturating_add(i64::from(self.open_room_ms))
    }

    #[inline]
    fn open_fits(&self, time_ms: i64) -> bool {
        let count = match self.open_is_histogram {
            true => sample_count_or_zero(&self.open),
            false => self.state.count,
        };
        !self.open.is_empty()
            && count < SAMPLES_PER_CHUNK
            && time_ms.saturating_sub(self.open_min_ms) < i64::from(self.open_room_ms)
    }

    fn open_chunk(&mut self, time_ms: i64, range_ms: i64, histogram: bool) {
        self.open_min_ms = time_ms;
        self.open_room_ms = (range_ms - time_ms.rem_euclid(range_ms)) as u32;
        self.open_is_histogram = histogram;
    }

    /// Appends a float; `last` is the sample before it (if it is not the first).
    #[inline]
    pub(crate) fn append(
        &mut self,
        segments: &Segments,
        range_ms: i64,
        last: (i64, u64),
        time_ms: i64,
        value: u64,
    ) {
        if self.open_is_histogram || !self.open_fits(time_ms) {
            self.seal(segments, range_ms, last.0);
            self.open_chunk(time_ms, range_ms, false);
        }
        if self.open.capacity() - self.open.len() < FLOAT_SAMPLE_MAX_BYTES {
            self.grow();
        }
        xor::append(&mut self.open, &mut self.state, last, time_ms, value);
    }

    /// Makes room in the open chunk of floats.
    #[cold]
    fn grow(&mut self) {
        let (least, expected) = match usize::from(self.state.count) {
            _ if self.open.is_empty() => (OPEN_STEP_BYTES, usize::from(self.closed_bytes)),
            // The first sample is as long as several others.
            0..8 => (OPEN_STEP_BYTES, 0),
            count => {
                let left = usize::from(SAMPLES_PER_CHUNK.saturating_sub(self.state.count));
                let rest = self.open.len().saturating_sub(FIRST_SAMPLE_BYTES) * left / count;
                (OPEN_STEP_MIN_BYTES, rest + FLOAT_SAMPLE_MAX_BYTES)
            }
        };
        self.open.reserve_exact(expected.clamp(least, OPEN_STEP_MAX_BYTES));
    }

    /// Appends a histogram; `last_ms` is the time of the sample before it.
    pub(crate) fn append_histogram(
        &mut self,
        segments: &Segments,
        range_ms: i64,
        last_ms: i64,
        time_ms: i64,
        histogram: &model::FloatHistogram,
    ) {
        let appender = self.histograms.get_or_insert_default();
        let follows = self.open_is_histogram && !self.open.is_empty();
        let cut = appender.needs_cut(histogram);
        if !follows || cut.is_some() || !self.open_fits(time_ms) {
            let appender = self.histograms.get_or_insert_default();
            let flag = cut.unwrap_or_else(|| appender.reset_flag(histogram, follows));
            appender.begin(flag);
            self.seal(segments, range_ms, last_ms);
            self.open_chunk(time_ms, range_ms, true);
        }
        if let Some(appender) = &mut self.histograms {
            appender.append(&mut self.open, time_ms, histogram);
        }
    }

    /// Closes the open chunk, whose last sample is at `last_ms`.
    pub(crate) fn seal(&mut self, segments: &Segments, range_ms: i64, last_ms: i64) {
        if self.open.is_empty() {
            return;
        }
        if !self.open_is_histogram {
            xor::set_count(&mut self.open, self.state.count);
        }
        let range_start_ms = self.open_range_end_ms().saturating_sub(range_ms);
        let chunk =
            segments.push(range_start_ms, self.open_encoding(), self.open_min_ms, last_ms, &self.open);
        self.push_chunk(chunk);
        // As much room again as this one took, so that the next one need not grow step by step.
        self.closed_bytes = u16::try_from(self.open.len() + FLOAT_SAMPLE_MAX_BYTES).unwrap_or(u16::MAX);
        if self.open.capacity() > usize::from(self.closed_bytes) + OPEN_STEP_MIN_BYTES
            || self.open_is_histogram
        {
            self.open = Vec::new();
        } else {
            self.open.clear();
        }
    }

    /// Adds a closed chunk behind the others.
    pub(crate) fn push_chunk(&mut self, chunk: ChunkRef) {
        let mut chunks = std::mem::take(&mut self.chunks).into_vec();
        chunks.reserve_exact(1);
        chunks.push(chunk);
        self.chunks = chunks.into_boxed_slice();
    }

    /// Drops what lies before a time at which block ranges begin. Says whether the series has
    /// nothing left.
    fn truncate(&mut self, before_ms: i64) -> bool {
        // A chunk lies on both sides if the store had another block range before.
        let is_left = |chunk: &ChunkRef| chunk.max_ms() >= before_ms;
        if !self.chunks.iter().all(is_left) {
            self.chunks = self.chunks.iter().copied().filter(is_left).collect();
        }
        if !self.open.is_empty() && self.open_range_end_ms() <= before_ms {
            self.open = Vec::new();
        }
        self.chunks.is_empty() && self.open.is_empty() && self.last_ms < before_ms
    }
}

/// The series of 256 consecutive numbers.
#[derive(Default)]
pub(crate) struct Page {
    alive: [u64; 4],
    records: Vec<Record>,
    pairs: Vec<u32>,
}

impl Page {
    #[inline]
    fn rank(&self, slot: u32) -> Option<usize> {
        if self.records.len() == PAGE_SERIES as usize {
            return Some(slot as usize);
        }
        self.rank_among_gaps(slot)
    }

    fn rank_among_gaps(&self, slot: u32) -> Option<usize> {
        let (word, bit) = ((slot >> 6) as usize, slot & 63);
        if self.alive[word] >> bit & 1 == 0 {
            return None;
        }
        let below: u32 = self.alive[..word].iter().map(|w| w.count_ones()).sum();
        Some((below + (self.alive[word] & ((1 << bit) - 1)).count_ones()) as usize)
    }

    #[inline]
    pub(crate) fn record(&self, id: u32) -> Option<&Record> {
        self.rank(id % PAGE_SERIES).and_then(|rank| self.records.get(rank))
    }

    #[inline]
    pub(crate) fn record_mut(&mut self, id: u32) -> Option<&mut Record> {
        let rank = self.rank(id % PAGE_SERIES)?;
        // Mostly its neighbours come next.
        prefetch::element(&self.records, rank + RECORDS_AHEAD);
        self.records.get_mut(rank)
    }

    /// The label pairs of a series, in order of their names.
    pub(crate) fn pairs(&self, record: &Record) -> &[u32] {
        let start = record.pairs_at as usize;
        &self.pairs[start..start + usize::from(record.pairs_len)]
    }

    /// Adds a series; its number is above all others of the page.
    pub(crate) fn insert(&mut self, id: u32, pairs: &[u32]) {
        let slot = id % PAGE_SERIES;
        self.alive[(slot >> 6) as usize] |= 1 << (slot & 63);
        self.records.push(Record::new(self.pairs.len() as u32, pairs.len() as u16));
        self.pairs.extend_from_slice(pairs);
        if slot == PAGE_SERIES - 1 {
            self.pairs.shrink_to_fit();
        }
    }

    /// The series that are alive, with the number of each; `page` is the number of this page.
    pub(crate) fn iter(&self, page: u32) -> impl Iterator<Item = (u32, &Record)> {
        let slots = (0..PAGE_SERIES).filter(|slot| self.alive[(slot >> 6) as usize] >> (slot & 63) & 1 == 1);
        slots.map(move |slot| page * PAGE_SERIES + slot).zip(&self.records)
    }

    pub(crate) fn alive(&self) -> [u64; 4] {
        self.alive
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Drops what lies before a time and the series that have nothing left, unless they are to be kept
    /// (by their place in the page); adds their label pairs to `freed`. Gives how many series went.
    pub(crate) fn truncate(
        &mut self,
        before_ms: i64,
        keep: impl Fn(u32) -> bool,
        freed: &mut Vec<u32>,
    ) -> usize {
        let mut dead = [0u64; 4];
        let mut rank = 0;
        for slot in 0..PAGE_SERIES {
            let (word, bit) = ((slot >> 6) as usize, slot & 63);
            if self.alive[word] >> bit & 1 == 1 {
                if self.records[rank].truncate(before_ms) && !keep(slot) {
                    dead[word] |= 1 << bit;
                }
                rank += 1;
            }
        }
        if dead == [0; 4] {
            return 0;
        }
        let before = self.records.len();
        let (old_pairs, old) = (std::mem::take(&mut self.pairs), std::mem::take(&mut self.records));
        let mut slots =
            (0..PAGE_SERIES).filter(|slot| self.alive[(slot >> 6) as usize] >> (slot & 63) & 1 == 1);
        for mut record in old {
            let Some(slot) = slots.next() else { break };
            let start = record.pairs_at as usize;
            let pairs = &old_pairs[start..start + usize::from(record.pairs_len)];
            if dead[(slot >> 6) as usize] >> (slot & 63) & 1 == 1 {
                freed.extend_from_slice(pairs);
            } else {
                record.pairs_at = self.pairs.len() as u32;
                self.pairs.extend_from_slice(pairs);
                self.records.push(record);
            }
        }
        drop(slots);
        for (alive, dead) in self.alive.iter_mut().zip(dead) {
            *alive &= !dead;
        }
        self.records.shrink_to_fit();
        before - self.records.len()
    }
}

/// All pages, by number; a page without series is not there.
pub(crate) type Pages = Vec<Option<Box<RwLock<Page>>>>;

/// Looks series up one after the other, keeping the lock of a page while they stay in it.
pub(crate) struct PageCursor<'a> {
    pages: &'a Pages,
    number: u32,
    page: Option<RwLockWriteGuard<'a, Page>>,
}

impl<'a> PageCursor<'a> {
    pub(crate) fn new(pages: &'a Pages) -> Self {
        PageCursor { pages, number: u32::MAX, page: None }
    }

    #[inline]
    pub(crate) fn record(&mut self, id: u32) -> Option<&mut Record> {
        let number = id / PAGE_SERIES;
        if number != self.number {
            self.number = number;
            // Let go before taking the next: never two pages at once.
            self.page = None;
            self.page = self.pages.get(number as usize)?.as_ref().map(|page| page.write());
        }
        self.page.as_mut()?.record_mut(id)
    }
}
