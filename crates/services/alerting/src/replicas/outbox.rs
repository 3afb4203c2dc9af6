//! What waits to be shared: releases of claims, and entries. Nothing in here is lost to an outage,
//! only to the bound; of several entries about the same thing the newest one waits.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::{Entry, EntryKind, Token, WAITING_ENTRIES_MAX};

/// A claim to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) key: String,
    pub(super) token: Token,
    pub(super) told: Option<Entry>,
}

impl Pending {
    fn size_bytes(&self) -> usize {
        self.key.len() + self.told.as_ref().map_or(0, |told| told.body.len())
    }
}

/// What waits. It has no clock and does no I/O.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    releases: VecDeque<Pending>,
    entries: BTreeMap<(EntryKind, String), Entry>,
    dropped: u64,
}

impl Outbox {
    /// Whether there was room. A release that finds none still leaves what was told, if that is
    /// newer than what waits already; its lease ends by itself.
    pub(super) fn release(&mut self, pending: Pending) -> bool {
        if self.len() < WAITING_ENTRIES_MAX {
            self.releases.push_back(pending);
            return true;
        }
        match pending.told {
            Some(told) => self.share(told),
            None => false,
        }
    }

    /// Whether there was room.
    pub(super) fn share(&mut self, entry: Entry) -> bool {
        let is_full = self.len() >= WAITING_ENTRIES_MAX;
        match self.entries.entry((entry.kind, entry.key.clone())) {
            std::collections::btree_map::Entry::Occupied(mut waiting) => {
                if entry.is_newer_than(waiting.get()) {
                    waiting.insert(entry);
                }
                true
            }
            std::collections::btree_map::Entry::Vacant(_) if is_full => {
                self.dropped += 1;
                false
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                true
            }
        }
    }

    /// Takes releases out, the oldest first, as many as fit into so many bytes, at least one.
    pub(super) fn take_releases(&mut self, at_most: usize, size_max_bytes: usize) -> Vec<Pending> {
        let mut size_bytes = 0;
        let fits = self.releases.iter().take(at_most).take_while(|pending| {
            let is_first = size_bytes == 0;
            size_bytes += pending.size_bytes();
            is_first || size_bytes <= size_max_bytes
        });
        let count = fits.count();
        self.releases.drain(..count).collect()
    }

    /// Takes entries out, as many as fit into so many bytes, at least one.
    pub(super) fn take_entries(&mut self, at_most: usize, size_max_bytes: usize) -> Vec<Entry> {
        let (mut taken, mut size_bytes) = (Vec::new(), 0);
        while taken.len() < at_most {
            let Some(next) = self.entries.first_entry() else { break };
            size_bytes += next.get().body.len();
            if size_bytes > size_max_bytes && !taken.is_empty() {
                break;
            }
            taken.push(next.remove());
        }
        taken
    }

    /// Puts back what could not be brought out.
    pub(super) fn put_back(&mut self, releases: Vec<Pending>, entries: Vec<Entry>) {
        for pending in releases.into_iter().rev() {
            self.releases.push_front(pending);
        }
        for entry in entries {
            self.share(entry);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.releases.len() + self.entries.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, updated_at_ms: i64) -> Entry {
        Entry {
            kind: EntryKind::Ledger,
            key: key.into(),
            updated_at_ms,
            expires_at_ms: i64::MAX,
            body: vec![0; 10],
        }
    }

    #[test]
    fn of_two_entries_about_the_same_the_newest_waits() {
        let mut outbox = Outbox::default();
        assert!(outbox.share(entry("a", 2)) && outbox.share(entry("a", 1)) && outbox.share(entry("b", 1)));
        let taken = outbox.take_entries(10, 1_000);
        assert_eq!(taken, [entry("a", 2), entry("b", 1)]);
        outbox.share(entry("a", 3));
        outbox.put_back(Vec::new(), taken);
        assert_eq!(outbox.take_entries(10, 15), [entry("a", 3)], "15 bytes hold one");
        assert_eq!(outbox.take_entries(10, 1), [entry("b", 1)], "at least one");
    }

    #[test]
    fn releases_keep_their_order_over_failures() {
        let mut outbox = Outbox::default();
        let pending = |at: i64| Pending { key: at.to_string(), token: Token(at), told: None };
        for at in 0..4 {
            assert!(outbox.release(pending(at)));
        }
        let taken = outbox.take_releases(2, 1_000);
        outbox.put_back(taken, Vec::new());
        assert_eq!(outbox.take_releases(3, 1_000), [pending(0), pending(1), pending(2)]);
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn releases_travel_in_batches_of_bounded_size() {
        let mut outbox = Outbox::default();
        for at in 0..4 {
            let told = Some(Entry { body: vec![0; 100], ..entry("a", at) });
            outbox.release(Pending { key: at.to_string(), token: Token(at), told });
        }
        assert_eq!(outbox.take_releases(10, 250).len(), 2);
        assert_eq!(outbox.take_releases(10, 10).len(), 1, "one that is larger than a batch goes alone");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_waits_can_still_be_renewed() {
        let mut outbox = Outbox::default();
        for at in 0..WAITING_ENTRIES_MAX {
            assert!(outbox.share(entry(&at.to_string(), 1)));
        }
        assert!(!outbox.share(entry("another", 1)));
        assert!(outbox.share(entry("7", 2)), "it waits already");
        let told = Some(entry("8", 2));
        assert!(outbox.release(Pending { key: "8".into(), token: Token(1), told }), "what was told is kept");
        assert_eq!((outbox.len(), outbox.dropped()), (WAITING_ENTRIES_MAX, 1));
    }
}
