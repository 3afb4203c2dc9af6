//! Alerts that flap, which is to begin and end often, are told once as flapping and then not until
//! they are calm.
//!
//! Each replica counts what comes to it. The first to find that an alert flaps shares that, and so
//! does whoever sees it go on: the others take it up, so that they agree also when not all alerts
//! come to all of them, and after that replica has gone.

use super::held::shared;
use super::*;
use crate::care::Flapping;
use crate::replicas::{Entry, EntryKind};

/// The annotation that an alert carries while it flaps.
pub const FLAPPING: &str = "promontory/flapping";
/// Alerts whose beginnings and ends are counted at once.
const FLAPS_MAX: usize = 100_000;
/// That an alert goes on flapping is shared so often in the time after which it counts as calm.
const SHARES_IN_TIME: i64 = 4;

impl Dispatcher {
    /// Notes that an alert has begun or ended. One that begins to flap is told anew, as flapping.
    pub(super) fn note_change(&mut self, fingerprint: u64, now_ms: i64) {
        let Some(flapping) = self.config.care.flapping else { return };
        let begins = self.flaps.note(fingerprint, flapping, now_ms);
        if let Some(record) = self.flaps.record(fingerprint) {
            self.remember(record);
        }
        if !self.company.is_alone
            && let Some(entry) = self.flaps.entry_to_share(fingerprint, flapping, now_ms)
        {
            self.actions.push(Action::Share(vec![entry]));
        }
        if begins {
            self.begin_to_flap(fingerprint, i64::MAX, now_ms);
        }
    }

    /// Takes in that an alert flaps, as another replica found.
    pub(super) fn learn_flapping(&mut self, learned: Record, now_ms: i64) {
        let Record::Flaps { fingerprint, changes, since_ms, at_ms } = learned else { return };
        let Some(flapping) = self.config.care.flapping else { return };
        let begins = self.flaps.learn(fingerprint, flapping, Flap::of(changes, since_ms, at_ms), now_ms);
        let Some(begins) = begins else { return };
        if let Some(record) = self.flaps.record(fingerprint) {
            self.remember(record);
        }
        if begins {
            // Whoever was told since then was told that it flaps.
            self.begin_to_flap(fingerprint, since_ms, now_ms);
        }
    }

    /// Has those told anew who were told before it began to flap.
    fn begin_to_flap(&mut self, fingerprint: u64, since_ms: i64, now_ms: i64) {
        self.counters.flapping += 1;
        let again: Fingerprints = [fingerprint].into_iter().collect();
        let groups: Vec<u32> =
            self.alerts.with_fingerprint(fingerprint).flat_map(|held| held.places.groups()).collect();
        for group in groups {
            let jobs = self.groups.get_mut(&group).into_iter().flat_map(|group| &mut group.jobs);
            for job in jobs.filter(|job| job.ledger.sent_at_ms < since_ms) {
                job.ledger.tell_again(&again);
            }
        }
        self.plan_upkeep(now_ms);
    }

    /// An alert as receivers are told of it.
    pub(super) fn shown(&self, held: &Held) -> Arc<Alert> {
        let Some(changes) = self.flaps.changes(held.fingerprint) else { return shared(held) };
        let mut alert = held.alert();
        let mut annotations = alert.annotations.to_builder();
        annotations.set(FLAPPING, &format!("began or ended {changes} times; told again once it is calm"));
        alert.annotations = annotations.build();
        Arc::new(alert)
    }
}

/// How often alerts began or ended lately.
#[derive(Debug, Default)]
pub(super) struct Flaps(HashMap<u64, Flap>);

#[derive(Debug, Default)]
pub(super) struct Flap {
    /// When, the oldest first; only as many as are needed.
    at_ms: VecDeque<i64>,
    /// How often since it was calm; 0 if it is calm.
    changes: u64,
    /// Since when it flaps; 0 if it is calm.
    since_ms: i64,
    /// When that was shared last.
    shared_at_ms: i64,
}

impl Flap {
    pub(super) fn of(changes: u64, since_ms: i64, at_ms: Vec<i64>) -> Flap {
        Flap { at_ms: at_ms.into(), changes, since_ms, shared_at_ms: 0 }
    }

    fn last_ms(&self) -> i64 {
        self.at_ms.back().copied().unwrap_or(0)
    }
}

impl Flaps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_flapping(&self, fingerprint: u64) -> bool {
        !self.0.is_empty() && self.0.get(&fingerprint).is_some_and(|flap| flap.changes > 0)
    }

    /// How often a flapping alert began or ended.
    fn changes(&self, fingerprint: u64) -> Option<u64> {
        self.0.get(&fingerprint).map(|flap| flap.changes).filter(|changes| *changes > 0)
    }

    fn has_room_for(&self, fingerprint: u64) -> bool {
        self.0.len() < FLAPS_MAX || self.0.contains_key(&fingerprint)
    }

    /// Counts a change. Returns whether the alert begins to flap by it.
    fn note(&mut self, fingerprint: u64, flapping: Flapping, now_ms: i64) -> bool {
        if !self.has_room_for(fingerprint) {
            return false;
        }
        let flap = self.0.entry(fingerprint).or_default();
        flap.at_ms.push_back(now_ms);
        if flap.changes > 0 {
            flap.changes += 1;
            flap.at_ms.pop_front();
            return false;
        }
        while flap.at_ms.front().is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) > flapping.within_ms) {
            flap.at_ms.pop_front();
        }
        if flap.at_ms.len() <= flapping.changes {
            return false;
        }
        flap.changes = flap.at_ms.len() as u64;
        flap.since_ms = now_ms;
        true
    }

    /// Takes up what another replica found. `None` if it is no news, otherwise whether the alert did
    /// not count as flapping here.
    fn learn(&mut self, fingerprint: u64, flapping: Flapping, learned: Flap, now_ms: i64) -> Option<bool> {
        // By a clock that is ahead it must not flap for ever.
        let last_ms = learned.last_ms().min(now_ms);
        let is_over = now_ms.saturating_sub(last_ms) >= flapping.within_ms;
        let is_large = learned.at_ms.len() > flapping.changes.saturating_add(1);
        if learned.changes == 0 || is_over || is_large || !self.has_room_for(fingerprint) {
            return None;
        }
        let known = self.0.entry(fingerprint).or_default();
        if known.changes == 0 {
            let at_ms = learned.at_ms.iter().map(|at_ms| (*at_ms).min(now_ms)).collect();
            *known = Flap { at_ms, shared_at_ms: now_ms, ..learned };
            return Some(true);
        }
        // Both count the same beginnings and ends: only how long it goes on is news.
        known.shared_at_ms = known.shared_at_ms.max(last_ms);
        let newest = known.at_ms.back_mut().filter(|newest| **newest < last_ms)?;
        *newest = last_ms;
        Some(false)
    }

    /// What others should know of an alert now: that it flaps, or still does.
    fn entry_to_share(&mut self, fingerprint: u64, flapping: Flapping, now_ms: i64) -> Option<Entry> {
        let flap = self.0.get_mut(&fingerprint).filter(|flap| flap.changes > 0)?;
        if now_ms.saturating_sub(flap.shared_at_ms) < flapping.within_ms / SHARES_IN_TIME {
            return None;
        }
        flap.shared_at_ms = now_ms;
        self.entry(fingerprint, flapping)
    }

    fn entry(&self, fingerprint: u64, flapping: Flapping) -> Option<Entry> {
        let flap = self.0.get(&fingerprint).filter(|flap| flap.changes > 0)?;
        let mut body = Vec::new();
        self.record(fingerprint)?.encode(&mut body);
        Some(Entry {
            kind: EntryKind::Flapping,
            key: format!("{fingerprint:016x}"),
            updated_at_ms: flap.last_ms(),
            expires_at_ms: flap.last_ms().saturating_add(flapping.within_ms),
            body,
        })
    }

    /// What others should know of all alerts.
    pub(super) fn entries(&self, flapping: Flapping) -> impl Iterator<Item = Entry> {
        self.0.keys().filter_map(move |fingerprint| self.entry(*fingerprint, flapping))
    }

    /// Forgets those that did not change for the whole time.
    pub(super) fn forget_calm(&mut self, flapping: Flapping, now_ms: i64) {
        self.0.retain(|_, flap| now_ms.saturating_sub(flap.last_ms()) < flapping.within_ms);
    }

    /// What is written down of an alert.
    fn record(&self, fingerprint: u64) -> Option<Record> {
        let flap = self.0.get(&fingerprint)?;
        Some(Record::Flaps {
            fingerprint,
            changes: flap.changes,
            since_ms: flap.since_ms,
            at_ms: flap.at_ms.iter().copied().collect(),
        })
    }

    /// What is written down of all.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.0.keys().filter_map(|fingerprint| self.record(*fingerprint))
    }

    /// Takes back what was written down of an alert.
    pub(super) fn restore(&mut self, fingerprint: u64, flap: Flap) {
        if self.has_room_for(fingerprint) {
            self.0.insert(fingerprint, flap);
        }
    }

    pub(super) fn shift(&mut self, by_ms: i64) {
        for flap in self.0.values_mut() {
            let times = flap.at_ms.iter_mut().chain([&mut flap.since_ms, &mut flap.shared_at_ms]);
            times.for_each(|at_ms| *at_ms = at_ms.saturating_add(by_ms));
        }
    }
}
