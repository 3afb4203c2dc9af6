//! The alerts that are kept, packed tightly: there may be very many.

use std::sync::Arc;

use hashbrown::HashTable;
use model::{Alert, Labels};

use super::record::Record;
use crate::silences::Found;

/// The number of an alert while it is kept. Numbers are used again.
pub(super) type AlertId = u32;

/// How many alerts share an allocation.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// An alert that is kept.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) labels: Labels,
    /// Its annotations, packed, and behind them the generator's URL.
    text: Box<str>,
    annotations_bytes: u32,
    /// Its end is known. Once known it stays, whatever the clock says, until it fires anew.
    pub(super) has_ended: bool,
    pub(super) ends_by_timeout: bool,
    /// It is known from before the start and was not heard of since.
    pub(super) is_recalled: bool,
    /// What kept it from being told when that was last looked at.
    pub(super) muted: Muted,
    pub(super) starts_at_ms: i64,
    pub(super) ends_at_ms: i64,
    pub(super) updated_at_ms: i64,
    pub(super) fingerprint: u64,
    pub(super) places: Places,
    /// Silences that match it, if there are silences.
    pub(super) silences: Option<Box<Found>>,
}

/// What keeps an alert from being told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Muted {
    #[default]
    No,
    Inhibited,
    Silenced,
    Interval,
}

/// A route that an alert matches, and the group it is in there, or [`NO_GROUP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) route: u32,
    pub(super) group: u32,
}

/// The alert is in no group of this route.
pub(super) const NO_GROUP: u32 = u32::MAX;

/// The places of an alert; almost always there is one.
#[derive(Debug, Default)]
pub(super) struct Places {
    first: Option<Place>,
    more: Box<[Place]>,
}

impl Places {
    pub(super) fn new(routes: &[usize]) -> Self {
        let place = |route: &usize| Place { route: *route as u32, group: NO_GROUP };
        let (first, more) = routes.split_first().map_or((None, &[][..]), |(first, more)| (Some(first), more));
        Places { first: first.map(place), more: more.iter().map(place).collect() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        self.first.iter().chain(&*self.more).copied()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.first.iter_mut().chain(&mut *self.more)
    }

    /// The groups it is in.
    pub(super) fn groups(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter().map(|place| place.group).filter(|group| *group != NO_GROUP)
    }

    pub(super) fn is_in_all_groups(&self) -> bool {
        self.iter().all(|place| place.group != NO_GROUP)
    }
}

impl Held {
    pub(super) fn new(alert: &Alert, fingerprint: u64, updated_at_ms: i64, ends_by_timeout: bool) -> Self {
        let mut held = Held {
            labels: alert.labels.clone(),
            text: Box::default(),
            annotations_bytes: 0,
            has_ended: false,
            ends_by_timeout,
            is_recalled: false,
            muted: Muted::No,
            starts_at_ms: alert.starts_at_ms,
            ends_at_ms: alert.ends_at_ms,
            updated_at_ms,
            fingerprint,
            places: Places::default(),
            silences: None,
        };
        held.set_text(alert);
        held
    }

    /// Takes over annotations and URL. Returns whether they differ from those before.
    pub(super) fn set_text(&mut self, alert: &Alert) -> bool {
        let annotations = alert.annotations.packed();
        let before = self.text.split_at_checked(self.annotations_bytes as usize);
        if before == Some((annotations, alert.generator_url.as_str())) {
            return false;
        }
        let mut text = String::with_capacity(annotations.len() + alert.generator_url.len());
        text.push_str(annotations);
        text.push_str(&alert.generator_url);
        self.text = text.into_boxed_str();
        self.annotations_bytes = annotations.len() as u32;
        true
    }

    pub(super) fn is_resolved_at(&self, now_ms: i64) -> bool {
        self.has_ended || (self.ends_at_ms != 0 && self.ends_at_ms <= now_ms)
    }

    /// The alert as everybody else knows it.
    pub(super) fn alert(&self) -> Alert {
        let (annotations, url) =
            self.text.split_at_checked(self.annotations_bytes as usize).unwrap_or_default();
        Alert {
            labels: self.labels.clone(),
            annotations: Labels::from_packed(annotations),
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: self.ends_at_ms,
            generator_url: url.to_string(),
        }
    }

    pub(super) fn record(&self) -> Record {
        Record::Alert {
            alert: self.alert(),
            updated_at_ms: self.updated_at_ms,
            has_ended: self.has_ended,
            ends_by_timeout: self.ends_by_timeout,
        }
    }

    /// About what it takes in the log.
    pub(super) fn size_bytes(&self) -> u64 {
        (self.labels.size_bytes() + self.text.len() + 48) as u64
    }
}

/// All alerts that are kept, by number and by labels.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    chunks: Vec<Vec<Option<Held>>>,
    free: Vec<AlertId>,
    by_labels: HashTable<AlertId>,
    size_bytes: u64,
}

impl Alerts {
    pub(super) fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// About what they take in the log.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn get(&self, id: AlertId) -> Option<&Held> {
        self.chunks.get(id as usize >> CHUNK_BITS)?.get(id as usize % CHUNK)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: AlertId) -> Option<&mut Held> {
        self.chunks.get_mut(id as usize >> CHUNK_BITS)?.get_mut(id as usize % CHUNK)?.as_mut()
    }

    pub(super) fn find(&self, labels: &Labels, fingerprint: u64) -> Option<AlertId> {
        let is_it = |id: &AlertId| self.get(*id).is_some_and(|held| held.labels == *labels);
        self.by_labels.find(fingerprint, is_it).copied()
    }

    /// The alerts with this fingerprint; two only if they were made to have the same.
    pub(super) fn with_fingerprint(&self, fingerprint: u64) -> impl Iterator<Item = &Held> {
        let held = self.by_labels.iter_hash(fingerprint).filter_map(|id| self.get(*id));
        held.filter(move |held| held.fingerprint == fingerprint)
    }

    pub(super) fn insert(&mut self, held: Held) -> AlertId {
        self.size_bytes += held.size_bytes();
        let fingerprint = held.fingerprint;
        let id = match self.free.pop() {
            Some(id) => {
                let chunk = self.chunks.get_mut(id as usize >> CHUNK_BITS);
                if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(id as usize % CHUNK)) {
                    *slot = Some(held);
                }
                id
            }
            None => {
                if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                let id = (self.chunks.len() - 1) * CHUNK;
                let chunk = self.chunks.last_mut();
                let at = chunk.as_ref().map_or(0, |chunk| chunk.len());
                if let Some(chunk) = chunk {
                    chunk.push(Some(held));
                }
                (id + at) as AlertId
            }
        };
        let chunks = &self.chunks;
        let fingerprint_of = |id: &AlertId| {
            let chunk = chunks.get(*id as usize >> CHUNK_BITS);
            let held = chunk.and_then(|chunk| chunk.get(*id as usize % CHUNK)).and_then(Option::as_ref);
            held.map_or(0, |held| held.fingerprint)
        };
        self.by_labels.insert_unique(fingerprint, id, fingerprint_of);
        id
    }

    pub(super) fn remove(&mut self, id: AlertId) -> Option<Held> {
        let chunk = self.chunks.get_mut(id as usize >> CHUNK_BITS)?;
        let held = chunk.get_mut(id as usize % CHUNK)?.take()?;
        if let Ok(entry) = self.by_labels.find_entry(held.fingerprint, |other| *other == id) {
            entry.remove();
        }
        self.free.push(id);
        self.size_bytes = self.size_bytes.saturating_sub(held.size_bytes());
        Some(held)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AlertId, &Held)> {
        self.range(0..self.chunks.len())
    }

    /// Those in some of the allocations; see [`Alerts::chunks`].
    pub(super) fn range(&self, chunks: std::ops::Range<usize>) -> impl Iterator<Item = (AlertId, &Held)> {
        let first = chunks.start;
        let chunks = self.chunks.get(chunks).unwrap_or_default().iter().enumerate();
        chunks.flat_map(move |(chunk, slots)| {
            let of = ((first + chunk) << CHUNK_BITS) as AlertId;
            slots.iter().enumerate().filter_map(move |(at, slot)| Some((of + at as AlertId, slot.as_ref()?)))
        })
    }

    /// How many allocations there are.
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.chunks.iter_mut().flatten().flatten()
    }

    pub(super) fn ids(&self) -> Vec<AlertId> {
        self.iter().map(|(id, _)| id).collect()
    }
}

/// Shared alerts, each made once for all that tell of it at one moment.
pub(super) fn shared(held: &Held) -> Arc<Alert> {
    Arc::new(held.alert())
}
