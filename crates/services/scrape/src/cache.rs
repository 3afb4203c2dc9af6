//! What is known about the series of one target's page, in the order of the page.
//!
//! Pages come in the same order again and again. So an entry holds no text: the length of a series'
//! text, its 128-bit hash and its number in the store are 32 bytes, and finding it is looking at
//! the next one. Only a page whose order has changed is looked up through a table, which is made
//! for that page and forgotten.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use model::storage::SeriesRef;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::cache::identity::IdentityHasher;

/// One series of a page.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u128,
    /// Its number, or while `PENDING` its place among the labels to resolve.
    series: u64,
    length: u32,
    state: u8,
}

/// The series has a sample that needs a staleness marker when it goes.
const LIVE: u8 = 1;
/// Relabelling drops it.
const DROPPED: u8 = 2;
/// The same text stands earlier in the page.
const REPEATED: u8 = 4;
/// The store has not been asked for its number yet.
const PENDING: u8 = 8;
/// The store refused it; it is asked again now and then.
const REFUSED: u8 = 16;
/// Pages between two questions about refused series.
const REFUSED_RETRY_PAGES: u32 = 10;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
    pages: u32,
    /// Series that a former configuration made and that end unless they come again.
    orphans: Vec<SeriesRef>,
}

/// Where a sample goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The series is known by this number.
    Known(SeriesRef),
    /// The series is new and has this place among the labels to resolve.
    Pending(u32),
    /// Relabelling drops it.
    Dropped,
    /// The store refused it.
    Refused,
    /// It is not known: say what it is with [`Walk::add`].
    New,
}

/// The series that probably comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// How long its text is; 0 if nothing is expected.
    pub(crate) length: usize,
    hash: u128,
    seed: u64,
}

impl Expected {
    /// Whether this is its text.
    #[inline]
    pub(crate) fn is(&self, raw: &[u8]) -> bool {
        raw.len() == self.length && xxh3_128_with_seed(raw, self.seed) == self.hash
    }
}

/// Memory for walks, reused between targets.
#[derive(Debug, Default)]
pub(crate) struct WalkMemory {
    table: hashbrown::HashMap<u128, u32, BuildHasherDefault<IdentityHasher>>,
    seen: Vec<bool>,
    next: Vec<Entry>,
    live_changes: Vec<(u32, bool)>,
}

/// One pass over a page. Nothing of it stays unless it is committed.
pub(crate) struct Walk<'a> {
    cache: &'a mut Cache,
    memory: &'a mut WalkMemory,
    seed: u64,
    at: usize,
    /// Whether the order has changed and `memory.next` is being filled.
    rebuilding: bool,
    /// The entry that the last [`Walk::find`] was about.
    current: Option<Entry>,
}

impl Cache {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn walk<'a>(&'a mut self, memory: &'a mut WalkMemory, seed: u64) -> Walk<'a> {
        memory.live_changes.clear();
        self.pages = self.pages.wrapping_add(1);
        if self.pages.is_multiple_of(REFUSED_RETRY_PAGES) {
            self.entries.retain(|entry| entry.state & REFUSED == 0);
        }
        Walk { cache: self, memory, seed, at: 0, rebuilding: false, current: None }
    }

    /// The series that have to be marked as ended because there was no page; they count as ended then.
    pub(crate) fn end_all(&mut self, ended: &mut Vec<SeriesRef>) {
        let start = ended.len();
        for entry in &mut self.entries {
            if entry.state & LIVE != 0 {
                ended.push(SeriesRef(entry.series));
                entry.state &= !LIVE;
            }
        }
        ended.append(&mut self.orphans);
        ended[start..].sort_unstable();
        let mut last = SeriesRef::NONE;
        let mut at = 0;
        ended.retain(|series| {
            let keep = at < start || *series != last;
            at += 1;
            last = *series;
            keep
        });
    }

    /// Forgets what the page means, as the configuration has changed. Series that do not come again
    /// end with the next page.
    pub(crate) fn invalidate(&mut self) {
        let live = self.entries.iter().filter(|entry| entry.state & LIVE != 0);
        self.orphans.extend(live.map(|entry| SeriesRef(entry.series)));
        self.entries.clear();
    }

    /// Forgets series that the store does not know any more.
    pub(crate) fn forget(&mut self, gone: &HashSet<SeriesRef>) {
        for entry in &mut self.entries {
            if entry.state & DROPPED == 0 && gone.contains(&SeriesRef(entry.series)) {
                // No text has this hash and no length.
                (entry.hash, entry.length, entry.state) = (!entry.hash, 0, 0);
            }
        }
        self.orphans.retain(|series| !gone.contains(series));
    }
}

impl Walk<'_> {
    /// From here on the same text means other series than under another seed.
    pub(crate) fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// The series that comes next if the page is as before; see [`Expected::is`].
    #[inline]
    pub(crate) fn expected(&self) -> Expected {
        match self.cache.entries.get(self.at) {
            Some(entry) if !self.rebuilding => {
                Expected { length: entry.length as usize, hash: entry.hash, seed: self.seed }
            }
            _ => Expected { length: 0, hash: 0, seed: self.seed },
        }
    }

    /// The same as [`Walk::find`] for the series that was expected and did come.
    #[inline]
    pub(crate) fn take_expected(&mut self) -> (Found, bool) {
        let Some(entry) = self.cache.entries.get(self.at) else { return (Found::New, false) };
        self.at += 1;
        self.current = Some(*entry);
        (found(*entry), entry.state & REPEATED != 0)
    }

    /// Finds the series with this text. `repeated` tells whether it was in the page before.
    #[inline]
    pub(crate) fn find(&mut self, raw: &[u8]) -> (Found, bool) {
        let hash = xxh3_128_with_seed(raw, self.seed);
        let length = raw.len() as u32;
        if !self.rebuilding {
            if let Some(entry) = self.cache.entries.get(self.at)
                && entry.length == length
                && entry.hash == hash
            {
                return self.take_expected();
            }
            self.start_rebuilding();
        }
        self.find_by_table(hash, length)
    }

    #[cold]
    fn start_rebuilding(&mut self) {
        self.rebuilding = true;
        let WalkMemory { table, seen, next, .. } = &mut *self.memory;
        table.clear();
        seen.clear();
        next.clear();
        next.extend_from_slice(&self.cache.entries[..self.at]);
        seen.resize(self.cache.entries.len(), false);
        seen[..self.at].fill(true);
        table.reserve(self.cache.entries.len());
        for (at, entry) in self.cache.entries.iter().enumerate() {
            table.entry(entry.hash).or_insert(at as u32);
        }
    }

    fn find_by_table(&mut self, hash: u128, length: u32) -> (Found, bool) {
        let WalkMemory { table, seen, next, .. } = &mut *self.memory;
        let known = self.cache.entries.len();
        let entry = match table.get(&hash).map(|at| *at as usize) {
            None => {
                self.current = Some(Entry { hash, series: 0, length, state: 0 });
                return (Found::New, false);
            }
            Some(at) if at < known && !seen[at] => {
                seen[at] = true;
                Entry { state: self.cache.entries[at].state & !REPEATED, ..self.cache.entries[at] }
            }
            // Seen on this page already: in the part that kept its order, or among the rest.
            Some(at) => {
                let first = if at < known { self.cache.entries[at] } else { next[at - known] };
                Entry { state: (first.state | REPEATED) & !LIVE, ..first }
            }
        };
        next.push(entry);
        self.current = Some(entry);
        (found(entry), entry.state & REPEATED != 0)
    }

    /// Says what the series that was not found is: the place of its labels among those to resolve,
    /// or `None` if relabelling drops it.
    pub(crate) fn add(&mut self, pending: Option<u32>) {
        let Some(mut entry) = self.current else { return };
        match pending {
            Some(place) => (entry.series, entry.state) = (u64::from(place), PENDING),
            None => entry.state = DROPPED,
        }
        let place = self.cache.entries.len() + self.memory.next.len();
        self.memory.table.insert(entry.hash, place as u32);
        self.memory.next.push(entry);
        self.current = Some(entry);
    }

    /// Notes whether the series last found or added needs a marker when it goes.
    #[inline]
    pub(crate) fn set_live(&mut self, live: bool) {
        if let Some(entry) = self.current
            && entry.state & REPEATED == 0
            && (entry.state & LIVE != 0) != live
        {
            let at = if self.rebuilding { self.memory.next.len() } else { self.at } - 1;
            self.memory.live_changes.push((at as u32, live));
        }
    }

    /// Keeps what was seen. `resolved` are the numbers of the labels that were to be resolved,
    /// [`SeriesRef::NONE`] for those the store refused. Series that have gone are added to `ended`.
    pub(crate) fn commit(self, resolved: &[SeriesRef], ended: &mut Vec<SeriesRef>) {
        let Walk { cache, memory, at, rebuilding, .. } = self;
        let start = ended.len();
        let is_live = |entry: &&Entry| entry.state & LIVE != 0;
        if rebuilding {
            let gone = cache.entries.iter().zip(&memory.seen).filter(|(_, seen)| !**seen);
            ended.extend(gone.map(|(entry, _)| entry).filter(is_live).map(|entry| SeriesRef(entry.series)));
            std::mem::swap(&mut cache.entries, &mut memory.next);
        } else {
            ended.extend(cache.entries[at..].iter().filter(is_live).map(|entry| SeriesRef(entry.series)));
            cache.entries.truncate(at);
        }
        for (at, live) in memory.live_changes.drain(..) {
            if let Some(entry) = cache.entries.get_mut(at as usize) {
                entry.state = if live { entry.state | LIVE } else { entry.state & !LIVE };
            }
        }
        if rebuilding {
            for entry in cache.entries.iter_mut().filter(|entry| entry.state & PENDING != 0) {
                let series = resolved.get(entry.series as usize).copied().unwrap_or_default();
                entry.series = series.0;
                entry.state &= !PENDING;
                if series == SeriesRef::NONE {
                    entry.state = entry.state & !LIVE | REFUSED;
                }
            }
            cache.entries.shrink_to(cache.entries.len() + cache.entries.len() / 8);
            memory.next.clear();
        }
        ended.append(&mut cache.orphans);
        if ended.len() > start {
            // Another text of this page may mean the same series.
            let alive: HashSet<u64> =
                cache.entries.iter().filter(is_live).map(|entry| entry.series).collect();
            let mut once = HashSet::new();
            let mut at = 0;
            ended.retain(|series| {
                at += 1;
                at <= start || (!alive.contains(&series.0) && once.insert(*series))
            });
        }
    }
}

impl WalkMemory {
    /// Gives back memory that an unusually large page took.
    pub(crate) fn trim(&mut self, entries_max: usize) {
        self.table.clear();
        self.table.shrink_to(entries_max);
        self.seen.clear();
        self.seen.shrink_to(entries_max);
        self.next.clear();
        self.next.shrink_to(entries_max);
        self.live_changes.shrink_to(entries_max);
    }
}

fn found(entry: Entry) -> Found {
    match entry.state {
        state if state & DROPPED != 0 => Found::Dropped,
        state if state & REFUSED != 0 => Found::Refused,
        state if state & PENDING != 0 => Found::Pending(entry.series as u32),
        _ => Found::Known(SeriesRef(entry.series)),
    }
}

mod identity {
    /// For keys that are hashes already.
    #[derive(Default)]
    pub(crate) struct IdentityHasher(u64);

    impl std::hash::Hasher for IdentityHasher {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.0 ^= u64::from_le_bytes(word);
            }
        }

        fn write_u128(&mut self, hash: u128) {
            self.0 = hash as u64;
        }
    }
}
