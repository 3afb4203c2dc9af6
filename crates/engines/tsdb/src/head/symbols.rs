//! The label pairs of the head: each (name, value) is kept once and known by a number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use model::Labels;

use crate::postings::Postings;

/// All label pairs with the series that have them. Numbers of pairs that nothing uses any more are
/// given out again.
#[derive(Default)]
pub(crate) struct Symbols {
    pairs: Vec<Pair>,
    free_pairs: Vec<u32>,
    by_pair: HashTable<u32>,
    names: Vec<Name>,
    free_names: Vec<u32>,
    by_name: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    removals: u64,
}

struct Pair {
    name: u32,
    value: Box<str>,
    series: Postings,
}

struct Name {
    text: Box<str>,
    pairs: Vec<u32>,
}

impl Symbols {
    /// The number of a pair, made if it is new.
    pub(crate) fn intern(&mut self, name: &str, value: &str) -> u32 {
        let name = self.intern_name(name);
        let Symbols { pairs, by_pair, hasher, free_pairs, .. } = self;
        let hash = hasher.hash_one((name, value));
        let same = |&id: &u32| pairs[id as usize].name == name && *pairs[id as usize].value == *value;
        let rehash = |&id: &u32| hasher.hash_one((pairs[id as usize].name, &*pairs[id as usize].value));
        let vacant = match by_pair.entry(hash, same, rehash) {
            Entry::Occupied(entry) => return *entry.get(),
            Entry::Vacant(vacant) => vacant,
        };
        let id = free_pairs.pop().unwrap_or(pairs.len() as u32);
        vacant.insert(id);
        let pair = Pair { name, value: value.into(), series: Postings::default() };
        match pairs.get_mut(id as usize) {
            Some(slot) => *slot = pair,
            None => pairs.push(pair),
        }
        self.names[name as usize].pairs.push(id);
        id
    }

    /// The numbers of the pairs of a series. On entry `pairs` are those of the one before it, which mostly has
    /// the same ones at the same places.
    pub(crate) fn intern_all(&mut self, labels: &Labels, pairs: &mut Vec<u32>) {
        pairs.truncate(labels.len());
        for (at, (name, value)) in labels.iter().enumerate() {
            match pairs.get(at).copied() {
                Some(before) if self.pair(before) == (name, value) => {}
                Some(_) => pairs[at] = self.intern(name, value),
                None => pairs.push(self.intern(name, value)),
            }
        }
    }

    fn intern_name(&mut self, name: &str) -> u32 {
        let Symbols { names, by_name, hasher, free_names, .. } = self;
        let entry = by_name.entry(
            hasher.hash_one(name),
            |&id| *names[id as usize].text == *name,
            |&id| hasher.hash_one(&*names[id as usize].text),
        );
        let vacant = match entry {
            Entry::Occupied(entry) => return *entry.get(),
            Entry::Vacant(vacant) => vacant,
        };
        let id = free_names.pop().unwrap_or(names.len() as u32);
        vacant.insert(id);
        let new = Name { text: name.into(), pairs: Vec::new() };
        match names.get_mut(id as usize) {
            Some(slot) => *slot = new,
            None => names.push(new),
        }
        id
    }

    fn name_id(&self, name: &str) -> Option<u32> {
        self.by_name.find(self.hasher.hash_one(name), |&id| *self.names[id as usize].text == *name).copied()
    }

    /// The number of a pair.
    pub(crate) fn find(&self, name: &str, value: &str) -> Option<u32> {
        let name = self.name_id(name)?;
        self.by_pair
            .find(self.hasher.hash_one((name, value)), |&id| {
                self.pairs[id as usize].name == name && *self.pairs[id as usize].value == *value
            })
            .copied()
    }

    /// The text of a pair.
    pub(crate) fn pair(&self, id: u32) -> (&str, &str) {
        let pair = &self.pairs[id as usize];
        (&self.names[pair.name as usize].text, &pair.value)
    }

    /// The text of a pair, if it is in use.
    pub(crate) fn get(&self, id: u32) -> Option<(&str, &str)> {
        let pair = self.pairs.get(id as usize).filter(|pair| !pair.series.is_empty())?;
        Some((&self.names.get(pair.name as usize)?.text, &pair.value))
    }

    /// The series that have a pair.
    pub(crate) fn series(&self, id: u32) -> &Postings {
        &self.pairs[id as usize].series
    }

    /// Notes that a series, above all before it, has a pair.
    pub(crate) fn add_series(&mut self, id: u32, series: u32) {
        self.pairs[id as usize].series.push(series);
    }

    /// All names with the numbers of their pairs.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &[u32])> {
        self.names.iter().filter(|n| !n.pairs.is_empty()).map(|n| (&*n.text, n.pairs.as_slice()))
    }

    /// The numbers of the pairs of a name.
    pub(crate) fn pairs_of(&self, name: &str) -> &[u32] {
        self.name_id(name).map_or(&[], |id| &self.names[id as usize].pairs)
    }

    /// How many pairs there are.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len() - self.free_pairs.len()
    }

    /// One past the highest number in use.
    pub(crate) fn id_end(&self) -> usize {
        self.pairs.len()
    }

    /// Changes whenever a number may have come to mean another pair.
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// Takes series out of the lists of these pairs; pairs without series are forgotten.
    pub(crate) fn remove_series(&mut self, pairs: &[u32], keep: impl Fn(u32) -> bool) {
        self.removals += 1;
        for &id in pairs {
            let pair = &mut self.pairs[id as usize];
            pair.series.retain(&keep);
            if !pair.series.is_empty() {
                continue;
            }
            let name_id = pair.name;
            let value = std::mem::take(&mut pair.value);
            let hash = self.hasher.hash_one((name_id, &*value));
            if let Ok(entry) = self.by_pair.find_entry(hash, |&other| other == id) {
                entry.remove();
            }
            self.free_pairs.push(id);
            let name = &mut self.names[name_id as usize];
            name.pairs.retain(|&other| other != id);
            if name.pairs.is_empty() {
                let text = std::mem::take(&mut name.text);
                if let Ok(entry) =
                    self.by_name.find_entry(self.hasher.hash_one(&*text), |&other| other == name_id)
                {
                    entry.remove();
                }
                self.free_names.push(name_id);
            }
        }
    }
}
