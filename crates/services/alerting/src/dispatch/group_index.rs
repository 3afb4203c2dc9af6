//! Groups by their route and labels.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;

use super::flush::Group;

/// See the module. It knows hashes and numbers; the labels are those of the groups themselves.
#[derive(Debug)]
pub(super) struct GroupIndex {
    seed: u64,
    table: HashTable<(u64, u32)>,
}

impl Default for GroupIndex {
    fn default() -> Self {
        // Who sends alerts must not be able to choose what collides.
        GroupIndex { seed: RandomState::new().build_hasher().finish(), table: HashTable::new() }
    }
}

impl GroupIndex {
    fn hash(&self, route: u32, packed: &str) -> u64 {
        xxhash_rust::xxh64::xxh64(packed.as_bytes(), self.seed ^ u64::from(route))
    }

    /// The group of a route with these packed labels.
    pub(super) fn find(&self, groups: &BTreeMap<u32, Group>, route: u32, packed: &str) -> Option<u32> {
        let hash = self.hash(route, packed);
        let is_it = |(known, id): &(u64, u32)| {
            *known == hash
                && groups.get(id).is_some_and(|group| group.route == route && group.labels.packed() == packed)
        };
        self.table.find(hash, is_it).map(|(_, id)| *id)
    }

    pub(super) fn insert(&mut self, id: u32, route: u32, packed: &str) {
        let hash = self.hash(route, packed);
        self.table.insert_unique(hash, (hash, id), |(known, _)| *known);
    }

    pub(super) fn remove(&mut self, id: u32, route: u32, packed: &str) {
        let hash = self.hash(route, packed);
        if let Ok(entry) = self.table.find_entry(hash, |(_, known)| *known == id) {
            entry.remove();
        }
    }
}
