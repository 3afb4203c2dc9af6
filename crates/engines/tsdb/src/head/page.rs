//! The series of the head, 256 numbers to a page. Numbers are given out once and never again, so a
//! reference that a writer kept too long is noticed; a page keeps only the series that are alive, in
//! order, and a bit for each number says whether it is.

use model::FloatHistogram;
use parking_lot::{RwLock, RwLockWriteGuard};

use super::pieces::PieceRef;
use super::segments::{ChunkRef, Segments};
use crate::chunk::histogram::HistogramAppender;
use crate::chunk::xor::{XorState, XorWindow};
use crate::chunk::{Encoding, SAMPLES_PER_CHUNK, SAMPLES_PER_CHUNK_MAX, sample_count_or_zero, xor};
use crate::prefetch;

pub(crate) const PAGE_SERIES: u32 = 256;
/// Bytes of an open chunk that a series keeps with itself: as many as make it fill two lines of the cache.
const TAIL_BYTES: usize = 45;
/// Samples after which the end of an open chunk is planned, as in Prometheus.
const PLANNED_AT: u16 = SAMPLES_PER_CHUNK / 4;
/// How many series ahead of the one that is written memory is fetched.
const RECORDS_AHEAD: usize = 4;

/// One series: its last sample, the chunk being filled, the closed ones. A chunk of floats that is open is in
/// two parts: its last bytes are here, what is before them is in [`Segments::pieces`].
#[repr(align(64))]
pub(crate) struct Record {
    /// Time of the last sample, `i64::MIN` if there is none yet.
    pub(crate) last_ms: i64,
    /// Bits of the last float.
    pub(crate) last_value: u64,
    /// Where the open chunk starts.
    pub(crate) open_min_ms: i64,
    /// Without spare room: one is added seldom.
    pub(crate) chunks: Box<[ChunkRef]>,
    /// Set once the series had a histogram.
    histograms: Option<Box<Histograms>>,
    /// From the start of the open chunk to its end: that of its block range until another is planned.
    open_room_ms: u32,
    /// The log segment that has a float of this series: its values are written as differences there.
    pub(crate) wal_segment: u32,
    pairs_at: u32,
    pieces: PieceRef,
    /// See [`XorState`]; a difference of times in a chunk is less than its room.
    delta_ms: u32,
    pairs_len: u16,
    /// Length of all pieces. A sample takes at most 20 bytes, so a chunk fits.
    pieces_bytes: u16,
    window: XorWindow,
    free: u8,
    /// Samples of the open chunk, if it is of floats.
    count: u8,
    tail_len: u8,
    pub(crate) last_is_histogram: bool,
    open_is_histogram: bool,
    tail: [u8; TAIL_BYTES],
}

const _: () = assert!(size_of::<Record>() == 128 && SAMPLES_PER_CHUNK_MAX <= u8::MAX as u16);

/// The end of an open chunk, to which samples are appended.
struct Run {
    bytes: [u8; RUN_BYTES],
    length: usize,
}

/// What a piece may be long.
const RUN_BYTES: usize = 255;

impl Run {
    /// There are [`xor::SAMPLE_ROOM_BYTES`] left.
    #[inline(always)]
    fn push(&mut self, state: &mut XorState, last: (i64, u64), time_ms: i64, value: u64) {
        // The last byte is written anew if it has bits to spare.
        let at = self.length - usize::from(state.free > 0);
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            self.length = at + xor::encode(state, place, last, time_ms, value);
        }
    }
}

/// What a series of histograms has besides.
#[derive(Default)]
struct Histograms {
    appender: HistogramAppender,
    /// The open chunk, if it is of histograms.
    open: Vec<u8>,
}

impl Record {
    fn new(pairs_at: u32, pairs_len: u16) -> Self {
        Record {
            last_ms: i64::MIN,
            last_value: 0,
            open_min_ms: 0,
            chunks: Box::default(),
            histograms: None,
            open_room_ms: 0,
            wal_segment: 0,
            pairs_at,
            pieces: PieceRef::NONE,
            delta_ms: 0,
            pairs_len,
            pieces_bytes: 0,
            window: XorWindow::default(),
            free: 0,
            count: 0,
            tail_len: 0,
            last_is_histogram: false,
            open_is_histogram: false,
            tail: [0; TAIL_BYTES],
        }
    }

    fn open_histograms(&self) -> Option<&Histograms> {
        self.histograms.as_deref().filter(|_| self.open_is_histogram)
    }

    pub(crate) fn open_encoding(&self) -> Encoding {
        self.open_histograms().map_or(Encoding::Xor, |histograms| histograms.appender.encoding())
    }

    /// Whether there is an open chunk.
    #[inline]
    pub(crate) fn has_open(&self) -> bool {
        match self.open_is_histogram {
            true => self.open_histograms().is_some_and(|histograms| !histograms.open.is_empty()),
            false => self.count > 0,
        }
    }

    /// Whether this is the last histogram.
    pub(crate) fn is_last_histogram(&self, histogram: &FloatHistogram) -> bool {
        self.last_is_histogram && self.histograms.as_ref().is_some_and(|h| h.appender.is_last(histogram))
    }

    /// Appends the open chunk as it is now.
    pub(crate) fn copy_open_chunk(&self, segments: &Segments, into: &mut Vec<u8>) {
        match self.open_histograms() {
            Some(histograms) => into.extend_from_slice(&histograms.open),
            None => self.gather(into, |pieces, place| segments.pieces.read(pieces, place)),
        }
    }

    /// Appends the open chunk of floats; its pieces are read as said.
    fn gather(&self, into: &mut Vec<u8>, read: impl FnOnce(PieceRef, &mut [u8])) {
        let start = into.len();
        into.resize(start + usize::from(self.pieces_bytes), 0);
        read(self.pieces, &mut into[start..]);
        into.extend_from_slice(&self.tail[..usize::from(self.tail_len)]);
        xor::set_count(&mut into[start..], u16::from(self.count));
    }

    /// Brings what an append will touch into the cache. Over a batch these loads run side by side,
    /// where those of the appends would wait for each other.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch::element(&self.tail, TAIL_BYTES - 1);
    }

    /// Where the block range begins that the open chunk lies in.
    fn open_range_start_ms(&self, range_ms: i64) -> i64 {
        self.open_min_ms.saturating_sub(self.open_min_ms.rem_euclid(range_ms))
    }

    /// The time before which samples go into the open chunk.
    fn open_end_ms(&self) -> i64 {
        self.open_min_ms.saturating_add(i64::from(self.open_room_ms))
    }

    fn open_chunk(&mut self, time_ms: i64, range_ms: i64, histogram: bool) {
        self.open_min_ms = time_ms;
        self.open_room_ms = (range_ms - time_ms.rem_euclid(range_ms)) as u32;
        self.open_is_histogram = histogram;
    }

    /// Plans the end of an open chunk of [`PLANNED_AT`] samples, the last of them at `last_ms`: what is left of
    /// the block range is divided evenly, into as many chunks as would be full if samples go on at this rate.
    #[cold]
    fn plan_end(&mut self, range_ms: i64, last_ms: i64) -> i64 {
        let room_ms = range_ms - self.open_min_ms.rem_euclid(range_ms);
        let taken_ms = last_ms.saturating_sub(self.open_min_ms).saturating_add(1).max(1);
        let full_ms = taken_ms.saturating_mul(i64::from(SAMPLES_PER_CHUNK / PLANNED_AT));
        self.open_room_ms = (room_ms / (room_ms / full_ms).max(1)) as u32;
        self.open_end_ms()
    }

    /// Appends floats, times ascending; `last` is the sample before them (if they are not the first).
    #[inline]
    pub(crate) fn append(
        &mut self,
        segments: &Segments,
        range_ms: i64,
        mut last: (i64, u64),
        samples: impl Iterator<Item = (i64, u64)>,
    ) {
        let mut run = Run { bytes: [0; RUN_BYTES], length: 0 };
        let mut state = self.begin(&mut run);
        // Times ascend, so only the end is looked at.
        let mut end_ms = if self.open_is_histogram { i64::MIN } else { self.open_end_ms() };
        for (time_ms, value) in samples {
            if state.count == PLANNED_AT {
                end_ms = self.plan_end(range_ms, last.0);
            }
            let fits = (1..SAMPLES_PER_CHUNK_MAX).contains(&state.count) && time_ms < end_ms;
            if !fits {
                self.end(segments, &run, state);
                self.seal(segments, range_ms, last.0);
                self.open_chunk(time_ms, range_ms, false);
                end_ms = self.open_end_ms();
                state = self.begin(&mut run);
            } else if run.length > RUN_BYTES - xor::SAMPLE_ROOM_BYTES {
                self.end(segments, &run, state);
                state = self.begin(&mut run);
            }
            run.push(&mut state, last, time_ms, value);
            last = (time_ms, value);
        }
        self.end(segments, &run, state);
    }

    /// Takes the end of the open chunk to append to it.
    #[inline]
    fn begin(&self, run: &mut Run) -> XorState {
        if let Some(start) = run.bytes.first_chunk_mut() {
            *start = self.tail;
        }
        run.length = usize::from(self.tail_len);
        XorState {
            delta: u64::from(self.delta_ms),
            window: self.window,
            free: self.free,
            count: u16::from(self.count),
        }
    }

    /// Keeps the end of the open chunk. If it is too long, all but the last byte becomes a piece, and that too
    /// if no bit of it is to spare.
    #[inline]
    fn end(&mut self, segments: &Segments, run: &Run, state: XorState) {
        (self.delta_ms, self.window) = (state.delta as u32, state.window);
        (self.free, self.count) = (state.free, state.count as u8);
        let kept = match run.length <= TAIL_BYTES {
            true => 0,
            false => self.spill(segments, &run.bytes[..run.length - usize::from(state.free > 0)]),
        };
        if kept == 0
            && let Some(start) = run.bytes.first_chunk()
        {
            self.tail = *start;
        } else {
            self.tail[0] = run.bytes.get(kept).copied().unwrap_or(0);
        }
        self.tail_len = (run.length - kept) as u8;
    }

    /// Moves bytes to the pieces; says how many.
    #[cold]
    fn spill(&mut self, segments: &Segments, bytes: &[u8]) -> usize {
        self.pieces = segments.pieces.push(self.pieces, bytes);
        self.pieces_bytes += bytes.len() as u16;
        bytes.len()
    }

    /// Appends a histogram; `last_ms` is the time of the sample before it.
    pub(crate) fn append_histogram(
        &mut self,
        segments: &Segments,
        range_ms: i64,
        last_ms: i64,
        time_ms: i64,
        histogram: &FloatHistogram,
    ) {
        let count = self.open_histograms().map_or(0, |histograms| sample_count_or_zero(&histograms.open));
        let follows = count > 0;
        if count == PLANNED_AT {
            self.plan_end(range_ms, last_ms);
        }
        let fits = count < SAMPLES_PER_CHUNK_MAX && time_ms < self.open_end_ms();
        let appender = &mut self.histograms.get_or_insert_default().appender;
        let cut = appender.needs_cut(histogram);
        if !follows || cut.is_some() || !fits {
            let flag = cut.unwrap_or_else(|| appender.reset_flag(histogram, follows));
            appender.begin(flag);
            self.seal(segments, range_ms, last_ms);
            self.open_chunk(time_ms, range_ms, true);
        }
        if let Some(histograms) = self.histograms.as_deref_mut() {
            histograms.appender.append(&mut histograms.open, time_ms, histogram);
        }
    }

    /// Takes a histogram for the last one, so that it is known if it is sent again.
    pub(crate) fn remember_histogram(&mut self, time_ms: i64, histogram: &FloatHistogram) {
        self.histograms.get_or_insert_default().appender.append(&mut Vec::new(), time_ms, histogram);
    }

    /// Closes the open chunk, whose last sample is at `last_ms`.
    pub(crate) fn seal(&mut self, segments: &Segments, range_ms: i64, last_ms: i64) {
        if !self.has_open() {
            return;
        }
        let encoding = self.open_encoding();
        let mut bytes = Vec::new();
        match self.histograms.as_deref_mut().filter(|_| self.open_is_histogram) {
            Some(histograms) => std::mem::swap(&mut bytes, &mut histograms.open),
            None => {
                bytes.reserve_exact(usize::from(self.pieces_bytes) + TAIL_BYTES);
                self.gather(&mut bytes, |pieces, place| segments.pieces.take(pieces, place));
                self.pieces = PieceRef::NONE;
                self.drop_open(segments);
            }
        }
        let range_start_ms = self.open_range_start_ms(range_ms);
        let chunk = segments.push(range_start_ms, encoding, self.open_min_ms, last_ms, &bytes);
        self.push_chunk(chunk);
    }

    /// Forgets the open chunk.
    fn drop_open(&mut self, segments: &Segments) {
        segments.pieces.release(std::mem::replace(&mut self.pieces, PieceRef::NONE));
        (self.pieces_bytes, self.tail_len, self.count, self.free) = (0, 0, 0, 0);
        if let Some(histograms) = &mut self.histograms {
            histograms.open = Vec::new();
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
    fn truncate(&mut self, segments: &Segments, range_ms: i64, before_ms: i64) -> bool {
        // A chunk lies on both sides if the store had another block range before.
        let is_left = |chunk: &ChunkRef| chunk.max_ms() >= before_ms;
        if !self.chunks.iter().all(is_left) {
            self.chunks = self.chunks.iter().copied().filter(is_left).collect();
        }
        if self.has_open() && self.open_range_start_ms(range_ms).saturating_add(range_ms) <= before_ms {
            self.drop_open(segments);
        }
        self.chunks.is_empty() && !self.has_open() && self.last_ms < before_ms
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
        segments: &Segments,
        range_ms: i64,
        before_ms: i64,
        keep: impl Fn(u32) -> bool,
        freed: &mut Vec<u32>,
    ) -> usize {
        let mut dead = [0u64; 4];
        let mut rank = 0;
        for slot in 0..PAGE_SERIES {
            let (word, bit) = ((slot >> 6) as usize, slot & 63);
            if self.alive[word] >> bit & 1 == 1 {
                if self.records[rank].truncate(segments, range_ms, before_ms) && !keep(slot) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::decode;
    use model::Samples;
    use model::storage::TimeRange;

    const RANGE_MS: i64 = 7_200_000;

    /// How many samples each chunk has that a series makes of floats at these times, `batch` at once; all of them
    /// are found again.
    fn chunks_of(times_ms: &[i64], batch: usize) -> Vec<usize> {
        let dir = tempfile::tempdir().unwrap();
        let segments = Segments::new(dir.path().to_path_buf());
        let mut record = Record::new(0, 0);
        let value = |time_ms: i64| (time_ms as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for times_ms in times_ms.chunks(batch) {
            let last = (record.last_ms, record.last_value);
            let samples = times_ms.iter().map(|&time_ms| (time_ms, value(time_ms)));
            record.append(&segments, RANGE_MS, last, samples);
            let last_ms = times_ms[times_ms.len() - 1];
            (record.last_ms, record.last_value) = (last_ms, value(last_ms));
        }
        record.seal(&segments, RANGE_MS, record.last_ms);
        let mut found = Samples::default();
        let counts = samples_of(&record, &segments, &mut found);
        assert_eq!(found.timestamps_ms, times_ms);
        assert!(
            times_ms.iter().zip(&found.values).all(|(&time_ms, found)| found.to_bits() == value(time_ms))
        );
        counts
    }

    fn samples_of(record: &Record, segments: &Segments, into: &mut Samples) -> Vec<usize> {
        let count = |chunk: &ChunkRef| {
            let before = into.len();
            let (segment, offset) = segments.locate(chunk).unwrap();
            segment
                .with(offset, |encoding, bytes| decode(encoding, bytes, TimeRange::ALL, into))
                .unwrap()
                .unwrap();
            assert_eq!(chunk.min_ms().div_euclid(RANGE_MS), chunk.max_ms().div_euclid(RANGE_MS));
            into.len() - before
        };
        record.chunks.iter().map(count).collect()
    }

    fn steps(from_ms: i64, to_ms: i64, step_ms: usize) -> Vec<i64> {
        (from_ms..to_ms).step_by(step_ms).collect()
    }

    #[test]
    fn a_full_block_range_has_chunks_of_120_samples() {
        for (step_ms, chunks) in [(60_000, 1), (30_000, 2), (15_000, 4), (10_000, 6), (5_000, 12)] {
            assert_eq!(chunks_of(&steps(0, RANGE_MS, step_ms), 7), vec![120; chunks], "{step_ms}");
        }
    }

    #[test]
    fn a_series_that_begins_in_the_middle_of_a_range_has_even_chunks() {
        let from = |samples: i64| steps(RANGE_MS - samples * 30_000, RANGE_MS + RANGE_MS, 30_000);
        assert_eq!(chunks_of(&from(171), 60), [171, 120, 120]);
        assert_eq!(chunks_of(&from(10), 1), [10, 120, 120]);
        assert_eq!(chunks_of(&from(130), 500), [130, 120, 120]);
        // 400 samples of 15 s are three full chunks and a bit.
        assert_eq!(chunks_of(&steps(RANGE_MS - 400 * 15_000, RANGE_MS, 15_000), 3), [134, 133, 133]);
    }

    #[test]
    fn chunks_do_not_depend_on_how_many_samples_come_at_once() {
        let mut random = crate::testing::Random::new(7);
        for _ in 0..20 {
            let mut time_ms = -RANGE_MS + random.below(RANGE_MS as u64) as i64;
            let times_ms: Vec<i64> = (0..1_000)
                .map(|_| {
                    time_ms += 1 + random.below(40_000) as i64;
                    time_ms
                })
                .collect();
            let chunks = chunks_of(&times_ms, 1);
            assert!(chunks.iter().all(|&count| count <= 240), "{chunks:?}");
            for batch in [2, 30, 31, 1_000] {
                assert_eq!(chunks_of(&times_ms, batch), chunks, "{batch}");
            }
        }
    }

    #[test]
    fn an_interval_that_becomes_shorter_after_the_plan_ends_a_chunk_at_240_samples() {
        let mut times_ms = steps(0, 31 * 60_000, 60_000);
        times_ms.extend(steps(31 * 60_000, 31 * 60_000 + 600_000, 1_000));
        assert_eq!(chunks_of(&times_ms, 10)[0], 240);
        // Samples a millisecond apart, and the largest times there are.
        assert_eq!(chunks_of(&steps(0, 600, 1), 50), vec![120; 5]);
        assert_eq!(chunks_of(&steps(i64::MAX - 100, i64::MAX, 1), 9), [100]);
    }

    #[test]
    fn chunks_of_histograms_are_planned_likewise() {
        let dir = tempfile::tempdir().unwrap();
        let segments = Segments::new(dir.path().to_path_buf());
        let mut record = Record::new(0, 0);
        let times_ms = steps(RANGE_MS - 171 * 30_000, 2 * RANGE_MS, 30_000);
        for (at, &time_ms) in times_ms.iter().enumerate() {
            let histogram = FloatHistogram { count: at as f64, sum: at as f64, ..FloatHistogram::default() };
            record.append_histogram(&segments, RANGE_MS, record.last_ms, time_ms, &histogram);
            (record.last_ms, record.last_is_histogram) = (time_ms, true);
        }
        record.seal(&segments, RANGE_MS, record.last_ms);
        let mut found = Samples::default();
        assert_eq!(samples_of(&record, &segments, &mut found), [171, 120, 120]);
        assert_eq!(found.timestamps_ms, times_ms);
    }
}
