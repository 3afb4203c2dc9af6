//! Filling the head from the log. What is read twice (a checkpoint overlaps the segment after it)
//! counts once.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use model::histogram::CounterResetHint;
use model::storage::TimeRange;
use model::{FloatHistogram, Labels, Samples};

use super::page::{PAGE_SERIES, PageCursor};
use super::staged::Staged;
use super::{Head, insert_series};
use crate::chunk::{self, Chunk, Encoding};
use crate::error::Error;
use crate::wal::record::{LoggedChunk, LoggedChunks, LoggedLabels, LoggedSample, Replay};
use crate::wal::samples::LoggedColumns;
use crate::wal::side::Side;

/// Reads a log into a head. Queries may run meanwhile.
pub(crate) struct HeadReplay<'a> {
    pub(super) head: &'a Head,
    /// A series that was dropped and made anew had two numbers.
    aliases: HashMap<u32, u32>,
    block_exists: &'a dyn Fn(&str) -> bool,
    bound_ms: i64,
    pub(crate) samples: u64,
    /// Samples whose series is not in the log: its record was lost.
    pub(crate) orphans: u64,
    scratch: Samples,
    staged: Staged,
    /// The labels of the series read last, packed, and the numbers of its label pairs ([`NOT_ASKED`] for some),
    /// which hold as long as none was taken out.
    packed: String,
    pairs: Vec<u32>,
    removals: u64,
}

/// Stands for the number of a label pair that has not been looked up.
const NOT_ASKED: u32 = u32::MAX;

/// The samples of a chunk in chunks that lie in one block range each.
fn split(chunk: &LoggedChunk<'_>, range_ms: i64) -> Result<Vec<Chunk>, Error> {
    let malformed = |error| Error::Corrupt(format!("a logged chunk: {error}"));
    let mut parts = Vec::new();
    let mut start_ms = chunk.min_ms - chunk.min_ms.rem_euclid(range_ms);
    while start_ms <= chunk.max_ms {
        let end_ms = start_ms.saturating_add(range_ms);
        let mut samples = Samples::default();
        let range = TimeRange { start_ms, end_ms: end_ms - 1 };
        chunk::decode(chunk.encoding, chunk.bytes, range, &mut samples).map_err(malformed)?;
        parts.extend(chunk::encode(&samples));
        start_ms = end_ms;
    }
    Ok(parts)
}

impl<'a> HeadReplay<'a> {
    pub(crate) fn new(head: &'a Head, block_exists: &'a dyn Fn(&str) -> bool) -> Self {
        HeadReplay {
            head,
            aliases: HashMap::new(),
            block_exists,
            bound_ms: i64::MIN,
            samples: 0,
            orphans: 0,
            scratch: Samples::default(),
            staged: Staged::default(),
            packed: String::new(),
            pairs: Vec::new(),
            removals: 0,
        }
    }

    /// The time before which everything is in blocks.
    pub(crate) fn bound_ms(&self) -> i64 {
        self.bound_ms
    }

    pub(super) fn id(&self, id: u32) -> u32 {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// Puts the samples that were staged into the chunks.
    fn place_staged(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let mut staged = std::mem::take(&mut self.staged);
        if self.aliases.is_empty() {
            for page in staged.pages() {
                self.place_page(&mut staged, page);
            }
        } else {
            staged.for_each(|id, time_ms, value| self.place(id, time_ms, value));
        }
        staged.clear();
        self.staged = staged;
    }

    /// Puts the staged samples of a series and its neighbours into the chunks.
    fn place_staged_of(&mut self, id: u32) {
        if self.staged.has(id / PAGE_SERIES) {
            let mut staged = std::mem::take(&mut self.staged);
            self.place_page(&mut staged, id / PAGE_SERIES);
            self.staged = staged;
        }
    }

    /// Puts the staged samples of one page into the chunks.
    fn place_page(&mut self, staged: &mut Staged, number: u32) {
        let head = self.head;
        let pages = head.pages.read();
        let Some(Some(page)) = pages.get(number as usize) else {
            self.orphans += staged.forget(number);
            return;
        };
        let bound_ms = self.bound_ms;
        let mut fresh: Vec<(i64, u64)> = Vec::new();
        let (mut min_ms, mut max_ms, mut placed, mut orphans) = (i64::MAX, i64::MIN, 0, 0);
        staged.by_series(number, |slot, samples| {
            // Readers wait for one series at most.
            let mut page = page.write();
            let Some(record) = page.record_mut(slot) else {
                orphans += samples.len() as u64;
                return;
            };
            let start_ms = bound_ms.max(record.last_ms.saturating_add(1));
            let ascend = |samples: &[(i64, u64)]| samples.is_sorted_by(|a, b| a.0 < b.0);
            let samples = match samples {
                [(first_ms, _), ..] if *first_ms >= start_ms && ascend(samples) => samples,
                _ => {
                    // Some are there already.
                    let mut next_ms = start_ms;
                    fresh.clear();
                    fresh.extend(samples.iter().filter(|(time_ms, _)| {
                        let is_fresh = *time_ms >= next_ms;
                        next_ms = next_ms.max(time_ms.saturating_add(1));
                        is_fresh
                    }));
                    &fresh
                }
            };
            let (Some(&(first_ms, _)), Some(&(last_ms, last_value))) = (samples.first(), samples.last())
            else {
                return;
            };
            let last = (record.last_ms, record.last_value);
            record.append(
                &head.segments,
                head.range_ms,
                last,
                samples.iter().map(|&(time_ms, value)| (time_ms, value)),
            );
            (record.last_ms, record.last_value, record.last_is_histogram) = (last_ms, last_value, false);
            min_ms = min_ms.min(first_ms);
            max_ms = max_ms.max(last_ms);
            placed += samples.len() as u64;
        });
        self.samples += placed;
        self.orphans += orphans;
        self.cover(min_ms, max_ms);
    }

    /// Puts one sample into its chunk.
    fn place(&mut self, id: u32, time_ms: i64, value: u64) {
        let head = self.head;
        let pages = head.pages.read();
        let mut cursor = PageCursor::new(&pages);
        let Some(record) = cursor.record(self.id(id)) else {
            self.orphans += 1;
            return;
        };
        if time_ms <= record.last_ms || time_ms < self.bound_ms {
            return;
        }
        let last = (record.last_ms, record.last_value);
        record.append(&head.segments, head.range_ms, last, std::iter::once((time_ms, value)));
        (record.last_ms, record.last_value, record.last_is_histogram) = (time_ms, value, false);
        drop(cursor);
        self.cover(time_ms, time_ms);
        self.samples += 1;
    }

    fn cover(&self, min_ms: i64, max_ms: i64) {
        self.head.min_ms.fetch_min(min_ms, Ordering::AcqRel);
        self.head.max_ms.fetch_max(max_ms, Ordering::AcqRel);
    }
}

impl Replay for HeadReplay<'_> {
    fn begin_file(&mut self) {
        self.staged.begin_file();
    }

    fn end_file(&mut self) -> Result<(), Error> {
        self.place_staged();
        Ok(())
    }

    fn series(&mut self, id: u32, labels: LoggedLabels<'_>) -> Result<(), Error> {
        let head = self.head;
        self.packed.clear();
        Labels::pack(labels.pairs.iter().copied(), &mut self.packed);
        let hash = head.hash_packed(&self.packed);
        let mut index = head.index.write();
        if index.symbols.removals() != self.removals {
            self.removals = index.symbols.removals();
            self.pairs.clear();
        }
        self.pairs.resize(labels.pairs.len(), NOT_ASKED);
        for (pair, _) in self.pairs.iter_mut().zip(labels.unchanged).filter(|(_, unchanged)| !**unchanged) {
            *pair = NOT_ASKED;
        }
        match index.get(hash) {
            Some(known) if known == id => {}
            Some(known) => {
                // Were the number given out again and the record of that damaged, samples of the one would
                // be taken for the other's.
                index.pass_over(id);
                drop(index);
                // Samples of the old number come before those of the new one.
                self.place_staged();
                self.aliases.insert(id, known);
            }
            // Numbers ascend in a whole log.
            None if id >= index.next_id() && id != u32::MAX => {
                // An earlier run of the program may have known another series by this number.
                self.aliases.remove(&id);
                let pairs = self.pairs.iter_mut().zip(labels.pairs);
                for (pair, (name, value)) in pairs.filter(|(pair, _)| **pair == NOT_ASKED) {
                    *pair = index.symbols.intern(name, value);
                }
                insert_series(&mut index, &mut head.pages.write(), id, hash, &self.pairs);
            }
            None => {}
        }
        Ok(())
    }

    fn samples(&mut self, samples: &[LoggedSample]) -> Result<(), Error> {
        self.place_staged();
        for sample in samples {
            let before = self.staged.before(sample.id);
            *before ^= sample.xor;
            let value = *before;
            self.place(sample.id, sample.time_ms, value);
        }
        Ok(())
    }

    fn columns(&mut self, columns: LoggedColumns<'_>) -> Result<(), Error> {
        let malformed = || Error::Corrupt("a record of samples does not parse".into());
        let pages = self.head.pages.read().len();
        let orphans = self.staged.add(&columns, pages).ok_or_else(malformed)?;
        self.orphans += orphans;
        if !self.aliases.is_empty() || self.staged.is_full() {
            self.place_staged();
        }
        Ok(())
    }

    fn histogram(&mut self, id: u32, chunk: &[u8]) -> Result<(), Error> {
        self.scratch.clear();
        chunk::decode(Encoding::FloatHistogram, chunk, TimeRange::ALL, &mut self.scratch)
            .map_err(|error| Error::Corrupt(format!("a logged histogram: {error}")))?;
        // Floats of the series that came before.
        self.place_staged_of(self.id(id));
        let Some(histogram) = self.scratch.histogram(0).cloned() else { return Ok(()) };
        let time_ms = self.scratch.timestamps_ms[0];
        let head = self.head;
        let pages = head.pages.read();
        let id = self.id(id);
        let mut cursor = PageCursor::new(&pages);
        let Some(record) = cursor.record(id) else {
            self.orphans += 1;
            return Ok(());
        };
        if time_ms <= record.last_ms || time_ms < self.bound_ms {
            return Ok(());
        }
        record.append_histogram(&head.segments, head.range_ms, record.last_ms, time_ms, &histogram);
        (record.last_ms, record.last_is_histogram) = (time_ms, true);
        self.cover(time_ms, time_ms);
        self.samples += 1;
        Ok(())
    }

    fn chunks(&mut self, logged: LoggedChunks<'_>) -> Result<(), Error> {
        let head = self.head;
        let pages = head.pages.read();
        let mut cursor = PageCursor::new(&pages);
        let Some(record) = cursor.record(self.id(logged.id)) else {
            self.orphans += logged.chunks.len() as u64;
            return Ok(());
        };
        for chunk in &logged.chunks {
            if chunk.min_ms < self.bound_ms || chunk.max_ms < chunk.min_ms {
                continue;
            }
            self.samples += u64::from(chunk::count_samples(chunk.encoding, chunk.bytes).unwrap_or(0));
            self.cover(chunk.min_ms, chunk.max_ms);
            let range_start_ms = chunk.min_ms - chunk.min_ms.rem_euclid(head.range_ms);
            if chunk.max_ms >= range_start_ms.saturating_add(head.range_ms) {
                // The store had a larger block range before.
                for part in split(chunk, head.range_ms)? {
                    let start_ms = part.min_ms - part.min_ms.rem_euclid(head.range_ms);
                    let Chunk { encoding, min_ms, max_ms, bytes } = part;
                    record.push_chunk(head.segments.push(start_ms, encoding, min_ms, max_ms, &bytes));
                }
                continue;
            }
            let stored =
                head.segments.push(range_start_ms, chunk.encoding, chunk.min_ms, chunk.max_ms, chunk.bytes);
            record.push_chunk(stored);
        }
        (record.last_ms, record.last_value) = (logged.last_ms, logged.last_value);
        record.last_is_histogram = logged.chunks.last().is_some_and(|chunk| chunk.encoding.is_histogram());
        if let Some(chunk) = logged.chunks.last().filter(|chunk| chunk.encoding.is_histogram()) {
            // So that the same histogram sent again is known as the same.
            self.scratch.clear();
            let range = TimeRange { start_ms: logged.last_ms, end_ms: logged.last_ms };
            if chunk::decode(chunk.encoding, chunk.bytes, range, &mut self.scratch).is_ok()
                && let Some(histogram) = self.scratch.histogram(0)
            {
                let mut last = FloatHistogram::clone(histogram);
                if last.counter_reset_hint != CounterResetHint::Gauge {
                    last.counter_reset_hint = CounterResetHint::Unknown;
                }
                record.remember_histogram(logged.last_ms, &last);
            }
        }
        Ok(())
    }

    fn tombstone(&mut self, id: u32, min_ms: i64, max_ms: i64) -> Result<(), Error> {
        let range = TimeRange { start_ms: min_ms, end_ms: max_ms };
        self.head.tombstones.write().entry(self.id(id)).or_default().push(range);
        Ok(())
    }

    fn bound(&mut self, before_ms: i64, block: &str) -> Result<(), Error> {
        if before_ms > self.bound_ms && (block.is_empty() || (self.block_exists)(block)) {
            self.bound_ms = before_ms;
        }
        Ok(())
    }

    fn side(&mut self, side: Side<'_>) -> Result<(), Error> {
        self.read_side(side)
    }
}
