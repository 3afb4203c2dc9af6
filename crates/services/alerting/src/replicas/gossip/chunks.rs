//! Entries as the texts that gossip carries. A datagram holds 64 kB, so that a larger body is cut:
//! chunk 0 says how many there are, and all of one body have the same head.
//!
//! Key: `entry/`, the kind, the chunk's number in 4 digits, the key, with slashes between them.
//! Value: when it was made and when it expires, in milliseconds, and the number of chunks, each
//! followed by a colon; then the bytes, each as the character of that number.

use super::super::encoding::{body_of, entry_of, stored_key};
use super::super::{Entry, EntryKind};

/// What all keys of entries begin with.
pub(super) const PREFIX: &str = "entry/";
/// Bytes of a body in one chunk; at most twice as many as text.
const CHUNK_BYTES: usize = 8 << 10;
/// The largest body of an entry that is gossiped.
pub(super) const SIZE_MAX_BYTES: usize = 1 << 20;
/// Its chunks; the key is part of them.
pub(super) const CHUNKS_MAX: usize = SIZE_MAX_BYTES / CHUNK_BYTES + 64;

/// What an entry is found by: its kind and its stored key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) kind: EntryKind,
    pub(super) stored: String,
}

impl Place {
    pub(super) fn of(kind: EntryKind, key: &str) -> Place {
        Place { kind, stored: stored_key(key) }
    }

    /// The place that a key without the prefix belongs to.
    pub(super) fn of_key(rest: &str) -> Option<Place> {
        let mut parts = rest.splitn(3, '/');
        let kind = EntryKind::from_word(parts.next()?)?;
        parts.next()?;
        Some(Place { kind, stored: parts.next()?.to_string() })
    }

    pub(super) fn key(&self, chunk: usize) -> String {
        format!("{PREFIX}{}/{chunk:04}/{}", self.kind.as_str(), self.stored)
    }
}

/// The values of an entry's chunks.
pub(super) fn cut(entry: &Entry) -> Vec<String> {
    let body = body_of(entry);
    let count = body.chunks(CHUNK_BYTES).len();
    let head = format!("{}:{}:{count}:", entry.updated_at_ms, entry.expires_at_ms);
    body.chunks(CHUNK_BYTES)
        .map(|bytes| head.chars().chain(bytes.iter().map(|byte| char::from(*byte))).collect())
        .collect()
}

/// When an entry was made, when it expires, its number of chunks, and the rest.
fn head(value: &str) -> Option<(i64, i64, usize, &str)> {
    let mut parts = value.splitn(4, ':');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (updated_at_ms, expires_at_ms, count) = (number()?, number()?, number()?);
    let count = usize::try_from(count).ok().filter(|count| (1..=CHUNKS_MAX).contains(count))?;
    Some((updated_at_ms, expires_at_ms, count, parts.next()?))
}

/// The entry whose chunks `get` finds, if they are all there and belong together.
pub(super) fn join<'a>(place: &Place, get: impl Fn(&str) -> Option<&'a str>) -> Option<Entry> {
    let (updated_at_ms, expires_at_ms, count, _) = head(get(&place.key(0))?)?;
    let mut body = Vec::new();
    for chunk in 0..count {
        let (updated, expires, all, text) = head(get(&place.key(chunk))?)?;
        if (updated, expires, all) != (updated_at_ms, expires_at_ms, count) {
            return None;
        }
        for c in text.chars() {
            body.push(u8::try_from(u32::from(c)).ok()?);
        }
    }
    entry_of(place.kind, &place.stored, &body, updated_at_ms, expires_at_ms)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn entry(key: &str, updated_at_ms: i64, size: usize) -> Entry {
        let body = (0..size).map(|at| (at * 7) as u8).collect();
        Entry { kind: EntryKind::Ledger, key: key.into(), updated_at_ms, expires_at_ms: 99, body }
    }

    fn put(map: &mut HashMap<String, String>, entry: &Entry) -> Place {
        let place = Place::of(entry.kind, &entry.key);
        map.extend(cut(entry).into_iter().enumerate().map(|(chunk, value)| (place.key(chunk), value)));
        place
    }

    #[test]
    fn entries_of_all_sizes_come_together_again() {
        for key in ["a", "a/b\nc:d", &"x".repeat(40_000)] {
            for size in [0, 1, CHUNK_BYTES - 4, CHUNK_BYTES, 100_000, SIZE_MAX_BYTES] {
                let mut map = HashMap::new();
                let entry = entry(key, 5, size);
                let place = put(&mut map, &entry);
                assert!(map.values().all(|value| value.len() < 20_000), "each fits into a datagram");
                for key in map.keys() {
                    assert_eq!(Place::of_key(key.strip_prefix(PREFIX).unwrap()), Some(place.clone()));
                }
                assert_eq!(join(&place, |key| map.get(key).map(String::as_str)), Some(entry));
            }
        }
    }

    #[test]
    fn chunks_of_two_versions_are_no_entry() {
        let mut map = HashMap::new();
        let place = put(&mut map, &entry("a", 5, 30_000));
        let mut newer = HashMap::new();
        put(&mut newer, &entry("a", 6, 30_000));
        for (key, value) in &newer {
            map.insert(key.clone(), value.clone());
            let found = join(&place, |key| map.get(key).map(String::as_str));
            assert!(found.is_none_or(|found| found == entry("a", 6, 30_000)));
        }
        assert_eq!(join(&place, |key| map.get(key).map(String::as_str)), Some(entry("a", 6, 30_000)));
        map.remove(&place.key(2));
        assert_eq!(join(&place, |key| map.get(key).map(String::as_str)), None);
    }

    #[test]
    fn what_is_no_chunk_is_left_alone() {
        let place = Place::of(EntryKind::Ledger, "a");
        for value in ["", "1:2", "1:2:0:", "1:2:9999999:x", "1:2:-1:x", "a:b:c:d", "1:2:1:", "1:2:1:\u{100}"]
        {
            assert_eq!(join(&place, |_| Some(value)), None, "{value:?}");
        }
        for key in ["", "ledger", "ledger/0000", "unknown/0000/a"] {
            assert_eq!(Place::of_key(key), None, "{key:?}");
        }
    }
}
