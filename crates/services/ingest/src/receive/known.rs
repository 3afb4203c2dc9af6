//! Which series the bytes of a request's labels mean. Senders write the same series the same way and
//! mostly in the same order, so the series that followed the last one is tried first: that costs one hash
//! of its labels, without reading them, and no search. Of the labels only 96 bits of a seeded hash are kept.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use model::storage::SeriesRef;
use parking_lot::{RwLock, RwLockReadGuard};
use wire::remote::TimeSeries;
use xxhash_rust::xxh3::xxh3_128_with_secret;

/// Words of the secret of the hash.
const SECRET_WORDS: u64 = 24;
/// After so many series in a row that did not follow the one before them, a request is taken for one in no
/// known order.
const MISSES_MAX: u8 = 6;
/// Series that were in no request for so long are forgotten; the store forgets them about then, too.
const UNSEEN_HOURS_MAX: i16 = 4;
const HOUR_MS: i64 = 3_600_000;
/// So that places fit the slots, which are at most a billion.
const SERIES_MAX: usize = 700_000_000;
/// No place in the list.
const NOWHERE: u32 = u32::MAX;

fn hour_of(now_ms: i64) -> u16 {
    (now_ms / HOUR_MS) as u16
}

/// All series that came in, by the hash of their label bytes.
pub(crate) struct KnownSeries {
    table: RwLock<Table>,
    max: usize,
    /// Of this process alone, so that nobody can choose labels that collide.
    secret: Vec<u8>,
}

/// A list of series in the order in which they came first, and where in it each hash is.
#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    /// Open addressing. The number of slots is a power of two; so many low bits of a slot as number them are one
    /// more than the place in `entries`, the others are those of the hash. 0 is empty.
    slots: Vec<u32>,
    /// Entries that mean nothing any more.
    dead: usize,
    /// The hour in which unseen series were last looked for.
    swept_hour: u16,
}

/// A hash of labels as it is kept: 96 bits of it, so that no entry has bytes that say nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kept([u32; 3]);

impl Kept {
    #[inline]
    fn new(hash: u128) -> Self {
        Kept([hash as u32, (hash >> 32) as u32, (hash >> 64) as u32])
    }

    /// Where the search for it begins.
    fn start(self) -> usize {
        self.0[0] as usize
    }
}

struct Entry {
    hash: Kept,
    /// The number of the series; 0 if the store does not know it any more.
    series: u32,
    /// Place of the series that came after this one the last time.
    next: AtomicU32,
    /// 0 if it is larger than fits.
    labels_size_bytes: u16,
    /// The hour of the last request with it.
    seen_hour: AtomicU16,
}

const _: () = assert!(size_of::<Entry>() == 24);

impl Table {
    /// What the slot of an entry holds; `mask` is one less than the number of slots.
    #[inline]
    fn slot(hash: Kept, place: u32, mask: usize) -> u32 {
        hash.0[1] & !(mask as u32) | (place + 1)
    }

    /// The place of a hash.
    #[inline]
    fn find(&self, hash: Kept) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash.start() & mask;
        loop {
            let slot = self.slots[at & mask];
            if slot == 0 {
                return None;
            }
            if (slot ^ hash.0[1]) & !(mask as u32) == 0 {
                let place = (slot & mask as u32).wrapping_sub(1);
                if self
                    .entries
                    .get(place as usize)
                    .is_some_and(|entry| entry.hash == hash && entry.is_alive())
                {
                    return Some(place);
                }
            }
            at += 1;
        }
    }

    fn insert(&mut self, entry: Entry) {
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.rebuild((self.entries.len() + 1) * 2);
        }
        let (hash, place) = (entry.hash, self.entries.len() as u32);
        if self.entries.len() == self.entries.capacity() {
            // Twice the room each time would be half of it empty.
            self.entries.reserve_exact(self.entries.len() / 8 + 1024);
        }
        self.entries.push(entry);
        self.place(hash, place);
    }

    fn place(&mut self, hash: Kept, place: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash.start() & mask;
        while self.slots[at & mask] != 0 {
            at += 1;
        }
        self.slots[at & mask] = Self::slot(hash, place, mask);
    }

    fn rebuild(&mut self, room: usize) {
        self.slots.clear();
        self.slots.resize(room.max(1024).next_power_of_two(), 0);
        self.slots.shrink_to_fit();
        for place in 0..self.entries.len() {
            self.place(self.entries[place].hash, place as u32);
        }
    }

    /// Forgets what is dead and what was not seen for hours. The order stays.
    fn sweep(&mut self, hour: u16) {
        self.swept_hour = hour;
        let before = self.entries.len();
        // Below 0 if the clock went back, or for a request that began before the hour did.
        let age = |entry: &Entry| hour.wrapping_sub(entry.seen_hour.load(Ordering::Relaxed)) as i16;
        self.entries.retain(|entry| entry.is_alive() && age(entry) <= UNSEEN_HOURS_MAX);
        if self.entries.len() == before {
            return;
        }
        for (place, entry) in self.entries.iter_mut().enumerate() {
            *entry.next.get_mut() = place as u32 + 1;
        }
        self.dead = 0;
        self.entries.shrink_to(self.entries.len() + self.entries.len() / 8);
        self.rebuild(self.entries.len() * 2);
    }
}

impl Entry {
    fn is_alive(&self) -> bool {
        self.series != 0
    }
}

impl KnownSeries {
    /// Knows no series; will know this many at most.
    pub(crate) fn new(max: usize) -> Self {
        let random = std::hash::RandomState::new();
        let secret = (0..SECRET_WORDS).flat_map(|word| random.hash_one(word).to_le_bytes()).collect();
        KnownSeries { table: RwLock::default(), max: max.min(SERIES_MAX), secret }
    }

    /// The hash of label bytes.
    #[inline]
    pub(crate) fn hash(&self, raw_labels: &[u8]) -> u128 {
        xxh3_128_with_secret(raw_labels, &self.secret)
    }

    /// To find the series of one request.
    pub(crate) fn finder(&self, now_ms: i64) -> Finder<'_> {
        let hour = hour_of(now_ms);
        let mut table = self.table.read();
        if table.swept_hour != hour {
            drop(table);
            let mut changed = self.table.write();
            if changed.swept_hour != hour {
                changed.sweep(hour);
            }
            drop(changed);
            table = self.table.read();
        }
        Finder { known: self, table, hour, last: NOWHERE, misses: 0 }
    }

    /// Remembers what series these are, each with its hash and the size of its labels.
    pub(crate) fn add(&self, now_ms: i64, new: impl ExactSizeIterator<Item = (u128, usize, SeriesRef)>) {
        let hour = hour_of(now_ms);
        let mut table = self.table.write();
        if table.entries.len() + new.len() > self.max {
            *table = Table { swept_hour: hour, ..Table::default() };
        }
        for (hash, size_bytes, series) in new.take(self.max) {
            let hash = Kept::new(hash);
            // One beyond what the store gives out is found by its labels each time.
            let Ok(series) = u32::try_from(series.0) else { continue };
            if series == 0 || table.find(hash).is_some() {
                continue;
            }
            let place = table.entries.len() as u32;
            table.insert(Entry {
                hash,
                series,
                next: AtomicU32::new(place + 1),
                labels_size_bytes: u16::try_from(size_bytes).unwrap_or(0),
                seen_hour: AtomicU16::new(hour),
            });
        }
    }

    /// Forgets the series of these hashes.
    pub(crate) fn forget(&self, now_ms: i64, hashes: impl Iterator<Item = u128>) {
        let mut table = self.table.write();
        for hash in hashes {
            if let Some(place) = table.find(Kept::new(hash)) {
                table.entries[place as usize].series = 0;
                table.dead += 1;
            }
        }
        if table.dead * 4 > table.entries.len() {
            table.sweep(hour_of(now_ms));
        }
    }
}

/// Finds the series of one request, one after the other in its order.
pub(crate) struct Finder<'a> {
    known: &'a KnownSeries,
    table: RwLockReadGuard<'a, Table>,
    hour: u16,
    /// Place of the series found last.
    last: u32,
    misses: u8,
}

impl Finder<'_> {
    /// The series in this message, if it is the one that was expected next.
    #[inline]
    pub(crate) fn expected<'m>(&mut self, message: &'m [u8]) -> Option<(SeriesRef, TimeSeries<'m>)> {
        let place = self.table.entries.get(self.last as usize)?.next.load(Ordering::Relaxed);
        let entry = self.table.entries.get(place as usize)?;
        let size_bytes = usize::from(entry.labels_size_bytes);
        let series = TimeSeries::expecting(message, size_bytes).filter(|_| size_bytes > 0)?;
        if Kept::new(self.known.hash(series.raw_labels())) != entry.hash || !entry.is_alive() {
            return None;
        }
        self.last = place;
        self.misses = 0;
        entry.see(self.hour);
        Some((SeriesRef(u64::from(entry.series)), series))
    }

    /// The series with this hash.
    #[inline]
    pub(crate) fn find(&mut self, hash: u128) -> Option<SeriesRef> {
        let found = self.table.find(Kept::new(hash));
        let before = std::mem::replace(&mut self.last, found.unwrap_or(NOWHERE));
        self.misses = self.misses.saturating_add(u8::from(before != NOWHERE));
        let place = found?;
        if let Some(before) = self.table.entries.get(before as usize) {
            before.next.store(place, Ordering::Relaxed);
        }
        let entry = &self.table.entries[place as usize];
        entry.see(self.hour);
        Some(SeriesRef(u64::from(entry.series)))
    }

    /// Whether series have not come as expected for a while. Then it is better to fetch what several
    /// lookups need at once; see [`Finder::fetch`].
    pub(crate) fn is_lost(&self) -> bool {
        self.misses >= MISSES_MAX
    }

    /// Brings what finding this hash will look at into the cache.
    #[inline]
    pub(crate) fn fetch(&self, hash: u128) {
        if let Some(mask) = self.table.slots.len().checked_sub(1) {
            std::hint::black_box(self.table.slots[Kept::new(hash).start() & mask]);
        }
    }

    /// Expects again that series come in the known order; one that does not ends that.
    pub(crate) fn try_again(&mut self) {
        self.misses = MISSES_MAX - 1;
    }
}

impl Entry {
    #[inline]
    fn see(&self, hour: u16) {
        if self.seen_hour.load(Ordering::Relaxed) != hour {
            self.seen_hour.store(hour, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// A message with one label and no sample.
    fn message(number: usize) -> Vec<u8> {
        let name = format!("series_{number}");
        let mut message = vec![0x0a, name.len() as u8 + 2, 0x0a, name.len() as u8];
        message.extend_from_slice(name.as_bytes());
        message
    }

    fn learn(known: &KnownSeries, now_ms: i64, numbers: impl Iterator<Item = usize>) {
        let new: Vec<_> = numbers
            .map(|number| {
                let labels = message(number);
                (known.hash(&labels), labels.len(), SeriesRef(number as u64 + 1))
            })
            .collect();
        known.add(now_ms, new.into_iter());
    }

    fn find(known: &KnownSeries, now_ms: i64, numbers: &[usize]) -> (usize, usize) {
        let mut finder = known.finder(now_ms);
        let (mut expected, mut searched) = (0, 0);
        for &number in numbers {
            let message = message(number);
            let right = SeriesRef(number as u64 + 1);
            match finder.expected(&message) {
                Some((found, _)) => {
                    assert_eq!(found, right);
                    expected += 1;
                }
                None => {
                    if let Some(found) = finder.find(known.hash(&message)) {
                        assert_eq!(found, right);
                        searched += 1;
                    }
                }
            }
        }
        (expected, searched)
    }

    #[test]
    fn what_comes_in_the_same_order_is_searched_for_once() {
        let known = KnownSeries::new(10_000);
        learn(&known, NOW_MS, 0..1_000);
        let forward: Vec<_> = (0..1_000).collect();
        assert_eq!(find(&known, NOW_MS, &forward), (999, 1));
        // Another order is learnt as well.
        let other: Vec<_> = (0..1_000).map(|at| at * 7 % 1_000).collect();
        assert_eq!(find(&known, NOW_MS, &other).0, 0);
        assert_eq!(find(&known, NOW_MS, &other), (999, 1));
    }

    #[test]
    fn what_is_forgotten_is_not_found_and_the_others_are() {
        let known = KnownSeries::new(10_000);
        learn(&known, NOW_MS, 0..1_000);
        known.forget(NOW_MS, (0..600).map(|number| known.hash(&message(number))));
        assert_eq!(find(&known, NOW_MS, &(0..1_000).collect::<Vec<_>>()), (399, 1));
        assert_eq!(known.table.read().entries.len(), 400, "their memory is given back");
    }

    #[test]
    fn series_unseen_for_hours_leave() {
        let known = KnownSeries::new(10_000);
        learn(&known, NOW_MS, 0..1_000);
        let later_ms = NOW_MS + 3 * HOUR_MS;
        find(&known, later_ms, &(500..1_000).collect::<Vec<_>>());
        find(&known, later_ms + 2 * HOUR_MS, &[]);
        assert_eq!(known.table.read().entries.len(), 500);
        assert_eq!(find(&known, later_ms, &(0..1_000).collect::<Vec<_>>()), (499, 1));
    }

    #[test]
    fn there_are_never_more_than_allowed() {
        let known = KnownSeries::new(100);
        for round in 0..10 {
            learn(&known, NOW_MS, round * 60..(round + 1) * 60);
            assert!(known.table.read().entries.len() <= 100);
        }
        learn(&known, NOW_MS, 0..1_000);
        assert!(known.table.read().entries.len() <= 100);
    }
}
