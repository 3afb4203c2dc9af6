//! Which series there are: by labels and by label pair.

use hashbrown::HashTable;
use model::Labels;

use super::symbols::Symbols;
use crate::error::Error;
use crate::postings::{ListRef, PostingIndex, Postings};

/// The index of the head. The text of a series is not kept here: 96 bits of a seeded hash stand for
/// it, and its label pairs as numbers are in its page.
pub(crate) struct Index {
    pub(crate) symbols: Symbols,
    all: Postings,
    by_labels: HashTable<Slot>,
    next_id: u32,
}

impl Default for Index {
    fn default() -> Self {
        // Number 0 means "no series".
        Index {
            symbols: Symbols::default(),
            all: Postings::default(),
            by_labels: HashTable::default(),
            next_id: 1,
        }
    }
}

#[derive(Clone, Copy)]
struct Slot {
    low: [u32; 2],
    high: u32,
    id: u32,
}

impl Slot {
    fn new(hash: u128, id: u32) -> Self {
        Slot { low: [hash as u32, (hash >> 32) as u32], high: (hash >> 64) as u32, id }
    }

    fn hash(&self) -> u64 {
        u64::from(self.low[0]) | u64::from(self.low[1]) << 32
    }
}

impl Index {
    /// The series with this hash.
    pub(crate) fn get(&self, hash: u128) -> Option<u32> {
        let wanted = Slot::new(hash, 0);
        self.by_labels
            .find(wanted.hash(), |slot| slot.low == wanted.low && slot.high == wanted.high)
            .map(|slot| slot.id)
    }

    /// The number of the next new series.
    pub(crate) fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Gives no new series this number or a lower one: the log uses it.
    pub(crate) fn pass_over(&mut self, id: u32) {
        self.next_id = self.next_id.max(id.saturating_add(1));
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// How many series have this value of a label; "" for not having it.
    pub(crate) fn series_with(&self, label: &str, value: &str) -> usize {
        if value.is_empty() {
            let with: usize =
                self.symbols.pairs_of(label).iter().map(|&pair| self.symbols.series(pair).len()).sum();
            return self.len().saturating_sub(with);
        }
        self.symbols.find(label, value).map_or(0, |pair| self.symbols.series(pair).len())
    }

    /// Adds a series whose number is not below [`Index::next_id`], with its label pairs.
    pub(crate) fn insert(&mut self, id: u32, hash: u128, pairs: &[u32]) {
        self.next_id = id.saturating_add(1);
        self.all.push(id);
        let slot = Slot::new(hash, id);
        self.by_labels.insert_unique(slot.hash(), slot, Slot::hash);
        for &pair in pairs {
            self.symbols.add_series(pair, id);
        }
    }

    /// Takes series out. `pairs` are the label pairs they had.
    pub(crate) fn remove(&mut self, pairs: &[u32], keep: impl Fn(u32) -> bool) {
        self.symbols.remove_series(pairs, &keep);
        self.all.retain(&keep);
        self.by_labels.retain(|slot| keep(slot.id));
        if self.by_labels.capacity() > 4 * self.by_labels.len() {
            self.by_labels.shrink_to_fit(Slot::hash);
        }
    }

    /// The labels that these pairs make.
    pub(crate) fn labels(&self, pairs: &[u32]) -> Labels {
        Labels::from_sorted(pairs.iter().map(|&pair| self.symbols.pair(pair)))
    }
}

impl PostingIndex for Index {
    fn all(&self) -> Result<Vec<u32>, Error> {
        let mut all = Vec::new();
        self.all.read(&mut all);
        Ok(all)
    }

    fn find(&self, name: &str, value: &str) -> Result<Option<ListRef>, Error> {
        Ok(self.symbols.find(name, value).map(u64::from))
    }

    fn visit_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a str, ListRef)) -> Result<(), Error> {
        for &pair in self.symbols.pairs_of(name) {
            visit(self.symbols.pair(pair).1, u64::from(pair));
        }
        Ok(())
    }

    fn count(&self, list: ListRef) -> Result<usize, Error> {
        Ok(self.symbols.series(list as u32).len())
    }

    fn read(&self, list: ListRef, into: &mut Vec<u32>) -> Result<(), Error> {
        self.symbols.series(list as u32).read(into);
        Ok(())
    }
}
