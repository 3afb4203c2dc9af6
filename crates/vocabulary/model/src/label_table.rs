//! Labels of many series as numbers: each name, each (name, value) pair and each set of pairs is kept
//! once. Sets that are equal have equal numbers, so that grouping, matching and comparing series is
//! arithmetic; text is made for what is shown.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::labels::Labels;

/// A label name in a [`LabelTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

/// A (name, value) pair in a [`LabelTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairId(u32);

/// A set of pairs in a [`LabelTable`]: the labels of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(u32);

impl PairId {
    /// The number, dense from 0, for tables beside the [`LabelTable`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl SetId {
    /// The empty set, which every table has.
    pub const EMPTY: SetId = SetId(0);

    /// The number, dense from 0, for tables beside the [`LabelTable`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A part of [`LabelTable::texts`].
#[derive(Clone, Copy, Debug)]
struct Text {
    start: usize,
    length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: NameId,
    value: Text,
}

/// A place in one of the hash tables, with the part of the hash that growing needs.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    id: u32,
}

impl Slot {
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn rehash(&self) -> u64 {
        Slot::spread(self.hash)
    }
}

/// A table of labels, filled by those who select series and by those who compute new ones. Nothing is
/// ever removed; it lives as long as the query.
#[derive(Clone, Debug)]
pub struct LabelTable {
    texts: String,
    names: Vec<Text>,
    by_name: HashTable<Slot>,
    pairs: Vec<Pair>,
    by_pair: HashTable<Slot>,
    /// The pairs of all sets, one set after the other, each in order of the names.
    members: Vec<PairId>,
    /// Where each set ends in `members`.
    ends: Vec<u32>,
    by_members: HashTable<Slot>,
    hasher: FixedState,
    buffer: Vec<PairId>,
}

/// A hash of the pairs of a set. Their numbers are the table's own, so nobody chooses them.
#[inline]
fn hash_pairs(pairs: &[PairId]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    };
    let (twos, odd) = pairs.as_chunks::<2>();
    let state = twos
        .iter()
        .fold(pairs.len() as u64 + 1, |state, [a, b]| fold(state, u64::from(a.0) << 32 | u64::from(b.0)));
    odd.iter().fold(state, |state, pair| fold(state, u64::from(pair.0))) as u32
}

impl Default for LabelTable {
    fn default() -> Self {
        let mut table = LabelTable {
            texts: String::new(),
            names: Vec::new(),
            by_name: HashTable::new(),
            pairs: Vec::new(),
            by_pair: HashTable::new(),
            members: Vec::new(),
            ends: Vec::new(),
            by_members: HashTable::new(),
            hasher: FixedState::default(),
            buffer: Vec::new(),
        };
        table.set(&[]);
        table
    }
}

impl LabelTable {
    /// A table with the empty set only.
    pub fn new() -> Self {
        LabelTable::default()
    }

    fn text(&self, text: Text) -> &str {
        &self.texts[text.start..text.start + text.length as usize]
    }

    fn push_text(&mut self, text: &str) -> Text {
        let start = self.texts.len();
        self.texts.push_str(text);
        Text { start, length: text.len() as u32 }
    }

    /// The number of a name, made if it is new.
    pub fn name(&mut self, name: &str) -> NameId {
        if let Some(id) = self.find_name(name) {
            return id;
        }
        let hash = self.hasher.hash_one(name) as u32;
        let id = self.names.len() as u32;
        let text = self.push_text(name);
        self.names.push(text);
        self.by_name.insert_unique(Slot::spread(hash), Slot { hash, id }, Slot::rehash);
        NameId(id)
    }

    /// The number of a name, if the table has it.
    pub fn find_name(&self, name: &str) -> Option<NameId> {
        let hash = self.hasher.hash_one(name) as u32;
        let same = |slot: &Slot| slot.hash == hash && self.text(self.names[slot.id as usize]) == name;
        self.by_name.find(Slot::spread(hash), same).map(|slot| NameId(slot.id))
    }

    /// The number of a pair, made if it is new.
    pub fn pair(&mut self, name: &str, value: &str) -> PairId {
        let name = self.name(name);
        self.pair_of(name, value)
    }

    /// The number of a pair, made if it is new.
    pub fn pair_of(&mut self, name: NameId, value: &str) -> PairId {
        let hash = self.hasher.hash_one((name.0, value)) as u32;
        let same = |slot: &Slot| {
            let pair = self.pairs[slot.id as usize];
            slot.hash == hash && pair.name == name && self.text(pair.value) == value
        };
        if let Some(slot) = self.by_pair.find(Slot::spread(hash), same) {
            return PairId(slot.id);
        }
        let id = self.pairs.len() as u32;
        let value = self.push_text(value);
        self.pairs.push(Pair { name, value });
        self.by_pair.insert_unique(Slot::spread(hash), Slot { hash, id }, Slot::rehash);
        PairId(id)
    }

    /// The set of these pairs, which are in order of their names, without equal names and without
    /// empty values.
    pub fn set(&mut self, pairs: &[PairId]) -> SetId {
        debug_assert!(
            pairs.is_sorted_by(|a, b| self.pair_text(*a).0 < self.pair_text(*b).0),
            "the pairs of a set are not in order"
        );
        let hash = hash_pairs(pairs);
        let same = |slot: &Slot| slot.hash == hash && self.pairs(SetId(slot.id)) == pairs;
        if let Some(slot) = self.by_members.find(Slot::spread(hash), same) {
            return SetId(slot.id);
        }
        let id = self.ends.len() as u32;
        self.members.extend_from_slice(pairs);
        self.ends.push(self.members.len() as u32);
        self.by_members.insert_unique(Slot::spread(hash), Slot { hash, id }, Slot::rehash);
        SetId(id)
    }

    /// Makes room for so many more sets.
    pub fn reserve_sets(&mut self, count: usize) {
        self.by_members.reserve(count, Slot::rehash);
        self.ends.reserve(count);
    }

    /// The set of these labels.
    pub fn insert(&mut self, labels: &Labels) -> SetId {
        let mut pairs = std::mem::take(&mut self.buffer);
        pairs.clear();
        for (name, value) in labels {
            let pair = self.pair(name, value);
            pairs.push(pair);
        }
        let set = self.set(&pairs);
        self.buffer = pairs;
        set
    }

    /// How many sets there are.
    pub fn set_count(&self) -> usize {
        self.ends.len()
    }

    /// How many pairs there are.
    pub fn pair_count(&self) -> usize {
        self.pairs.len()
    }

    /// About how many bytes the table takes.
    pub fn size_bytes(&self) -> u64 {
        let tables = self.by_name.capacity() + self.by_pair.capacity() + self.by_members.capacity();
        (self.texts.len()
            + self.names.len() * size_of::<Text>()
            + self.pairs.len() * size_of::<Pair>()
            + (self.members.len() + self.ends.len()) * 4
            + tables * (size_of::<Slot>() + 1)) as u64
    }

    /// The pairs of a set, in order of their names.
    pub fn pairs(&self, set: SetId) -> &[PairId] {
        let at = set.index();
        let start = match at.checked_sub(1) {
            Some(before) => self.ends[before] as usize,
            None => 0,
        };
        &self.members[start..self.ends[at] as usize]
    }

    /// The name of a pair.
    pub fn name_of(&self, pair: PairId) -> NameId {
        self.pairs[pair.index()].name
    }

    /// Name and value of a pair.
    pub fn pair_text(&self, pair: PairId) -> (&str, &str) {
        let pair = self.pairs[pair.index()];
        (self.text(self.names[pair.name.0 as usize]), self.text(pair.value))
    }

    /// Names and values of a set, in order of the names.
    pub fn iter(&self, set: SetId) -> impl Iterator<Item = (&str, &str)> {
        self.pairs(set).iter().map(|pair| self.pair_text(*pair))
    }

    /// The pair of a set that has this name.
    pub fn pair_in(&self, set: SetId, name: NameId) -> Option<PairId> {
        self.pairs(set).iter().copied().find(|pair| self.name_of(*pair) == name)
    }

    /// The value of a label in a set; absent counts as empty.
    pub fn value(&self, set: SetId, name: &str) -> &str {
        let pair = self.find_name(name).and_then(|name| self.pair_in(set, name));
        pair.map_or("", |pair| self.pair_text(pair).1)
    }

    /// The metric name of a set, or "".
    pub fn metric_name(&self, set: SetId) -> &str {
        self.value(set, crate::METRIC_NAME)
    }

    /// A set as labels.
    pub fn labels(&self, set: SetId) -> Labels {
        Labels::from_sorted(self.iter(set))
    }

    /// The names that `names` lists, ready for [`LabelTable::only`] and [`LabelTable::without`].
    pub fn names<N: AsRef<str>>(&mut self, names: impl IntoIterator<Item = N>) -> NameSet {
        let mut listed = NameSet::default();
        for name in names {
            let at = self.name(name.as_ref()).0 as usize;
            if listed.0.len() <= at {
                listed.0.resize(at + 1, false);
            }
            listed.0[at] = true;
        }
        listed
    }

    /// Of a set, the pairs whose names are listed.
    pub fn only(&mut self, set: SetId, names: &NameSet) -> SetId {
        self.filter(set, |name| names.has(name))
    }

    /// Of a set, the pairs whose names are not listed.
    pub fn without(&mut self, set: SetId, names: &NameSet) -> SetId {
        self.filter(set, |name| !names.has(name))
    }

    /// Of a set, the pairs whose names `keep` accepts.
    pub fn filter(&mut self, set: SetId, keep: impl Fn(NameId) -> bool) -> SetId {
        let mut kept = std::mem::take(&mut self.buffer);
        kept.clear();
        kept.extend(self.pairs(set).iter().copied().filter(|pair| keep(self.name_of(*pair))));
        let filtered = if kept.len() == self.pairs(set).len() { set } else { self.set(&kept) };
        self.buffer = kept;
        filtered
    }

    /// A set with one label set to a value, or removed if the value is empty.
    pub fn with(&mut self, set: SetId, name: &str, value: &str) -> SetId {
        let name = self.name(name);
        let pair = (!value.is_empty()).then(|| self.pair_of(name, value));
        self.with_pair(set, name, pair)
    }

    /// A set with the pair of one name replaced, added or removed.
    pub fn with_pair(&mut self, set: SetId, name: NameId, pair: Option<PairId>) -> SetId {
        let text = self.text(self.names[name.0 as usize]);
        let mut changed = self.buffer.clone();
        changed.clear();
        let mut left = pair;
        for &other in self.pairs(set) {
            if self.name_of(other) == name {
                changed.extend(left.take());
                continue;
            }
            if self.pair_text(other).0 > text {
                changed.extend(left.take());
            }
            changed.push(other);
        }
        changed.extend(left);
        let changed_set = self.set(&changed);
        self.buffer = changed;
        changed_set
    }

    /// Compares two sets as [`Labels`] are: pair by pair, by name, then by value.
    pub fn compare(&self, a: SetId, b: SetId) -> Ordering {
        if a == b { Ordering::Equal } else { self.iter(a).cmp(self.iter(b)) }
    }

    /// Positions of these sets in order of [`LabelTable::compare`]; equal sets stay in order. Texts are
    /// compared once for each distinct pair instead of once for each comparison of two sets.
    pub fn order(&self, sets: &[SetId]) -> Vec<u32> {
        let mut distinct: Vec<PairId> = sets.iter().flat_map(|set| self.pairs(*set)).copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.sort_by(|a, b| self.pair_text(*a).cmp(&self.pair_text(*b)));
        let mut rank = vec![0u32; self.pairs.len()];
        for (at, pair) in distinct.iter().enumerate() {
            rank[pair.index()] = at as u32;
        }
        let mut order: Vec<u32> = (0..sets.len() as u32).collect();
        let ranks = |at: &u32| self.pairs(sets[*at as usize]).iter().map(|pair| rank[pair.index()]);
        order.sort_by(|a, b| ranks(a).cmp(ranks(b)));
        order
    }
}

/// Names of a [`LabelTable`]; see [`LabelTable::names`].
#[derive(Clone, Debug, Default)]
pub struct NameSet(Vec<bool>);

impl NameSet {
    /// Whether a name is among them.
    #[inline]
    pub fn has(&self, name: NameId) -> bool {
        self.0.get(name.0 as usize).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn equal_labels_have_equal_numbers_and_come_back() {
        let mut table = LabelTable::new();
        let a = labels(&[("__name__", "up"), ("job", "node")]);
        let b = labels(&[("__name__", "up"), ("job", "api")]);
        let (first, second) = (table.insert(&a), table.insert(&b));
        assert_ne!(first, second);
        assert_eq!(table.insert(&a), first);
        assert_eq!((table.labels(first), table.labels(second)), (a, b));
        assert_eq!(table.insert(&Labels::empty()), SetId::EMPTY);
        assert_eq!((table.metric_name(first), table.value(first, "gone")), ("up", ""));
    }

    #[test]
    fn changed_sets_equal_those_that_labels_make() {
        let mut table = LabelTable::new();
        let all = labels(&[("a", "1"), ("c", "3"), ("e", "5")]);
        let set = table.insert(&all);
        for (name, value) in [("a", "9"), ("b", "2"), ("f", "6"), ("c", ""), ("d", ""), ("0", "x")] {
            let changed = table.with(set, name, value);
            let mut builder = all.to_builder();
            assert_eq!(table.labels(changed), builder.set(name, value).build(), "{name}={value}");
        }
        let names = table.names(["c", "new"]);
        let (only, without) = (table.only(set, &names), table.without(set, &names));
        assert_eq!(table.labels(only).to_string(), r#"{c="3"}"#);
        assert_eq!(table.labels(without).to_string(), r#"{a="1", e="5"}"#);
    }

    #[test]
    fn sets_sort_as_labels_do() {
        let mut table = LabelTable::new();
        let texts = ["", "a", "b", "aa"];
        let mut all = Vec::new();
        for x in texts {
            for y in texts {
                all.push(labels(&[("m", y), ("n", x), ("z", y)]));
                all.push(labels(&[("k", x), ("m", y)]));
            }
        }
        let sets: Vec<SetId> = all.iter().map(|labels| table.insert(labels)).collect();
        let sorted: Vec<Labels> = table.order(&sets).iter().map(|at| all[*at as usize].clone()).collect();
        all.sort();
        assert_eq!(sorted, all);
        for (a, b) in sets.iter().zip(&sets[1..]) {
            assert_eq!(table.compare(*a, *b), table.labels(*a).cmp(&table.labels(*b)));
        }
    }
}
