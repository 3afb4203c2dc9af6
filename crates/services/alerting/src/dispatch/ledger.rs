//! What one integration was told about one group, and what follows from it.

use std::sync::Arc;

use crate::notification::Reason;
use crate::receivers::Memory;
use crate::replicas::Entry;

/// Alerts by their fingerprints: sorted, each once. Clones share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints(Arc<[u64]>);

impl Fingerprints {
    /// A set of these, in any order.
    pub fn new(mut list: Vec<u64>) -> Self {
        list.sort_unstable();
        list.dedup();
        Fingerprints(list.into())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    /// Whether one is in it.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.0.binary_search(&fingerprint).is_ok()
    }

    /// Whether all of them are in the other.
    pub fn is_subset(&self, other: &Fingerprints) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.len() <= other.len() && Merge::new(self, other).all(|(_, _, in_other)| in_other))
    }

    /// Those that are not in the other.
    pub fn without(&self, other: &Fingerprints) -> Fingerprints {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        let left = Merge::new(self, other).filter(|(_, is_mine, in_other)| *is_mine && !in_other);
        let left: Vec<u64> = left.map(|(fingerprint, _, _)| fingerprint).collect();
        if left.len() == self.len() { self.clone() } else { Fingerprints(left.into()) }
    }

    /// Those that are in either.
    pub fn with(&self, other: &Fingerprints) -> Fingerprints {
        if self.is_subset(other) {
            return other.clone();
        }
        if other.is_subset(self) {
            return self.clone();
        }
        let all: Vec<u64> = Merge::new(self, other).map(|(fingerprint, _, _)| fingerprint).collect();
        Fingerprints(all.into())
    }
}

impl FromIterator<u64> for Fingerprints {
    fn from_iter<I: IntoIterator<Item = u64>>(list: I) -> Self {
        Fingerprints::new(list.into_iter().collect())
    }
}

/// Walks two sets in order: what, whether it is in the first, whether in the second.
struct Merge<'a>(&'a [u64], &'a [u64]);

impl<'a> Merge<'a> {
    fn new(a: &'a Fingerprints, b: &'a Fingerprints) -> Self {
        Merge(&a.0, &b.0)
    }
}

impl Iterator for Merge<'_> {
    type Item = (u64, bool, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let (first, second) = (self.0.split_first(), self.1.split_first());
        let least = match (first, second) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((only, _)), None) | (None, Some((only, _))) => *only,
            (None, None) => return None,
        };
        let take = |side: Option<(&u64, &[u64])>| side.is_some_and(|(head, _)| *head == least);
        let (in_first, in_second) = (take(first), take(second));
        if let Some((_, rest)) = first.filter(|_| in_first) {
            self.0 = rest;
        }
        if let Some((_, rest)) = second.filter(|_| in_second) {
            self.1 = rest;
        }
        Some((least, in_first, in_second))
    }
}

/// The memory of one integration about one group. It outlives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// When the receiver last took a notification, by our clock; 0 for never.
    pub sent_at_ms: i64,
    /// Which of two replicas' ledgers is the later one: about the time of that notification, but
    /// always more than before, and never moved with a clock that was set.
    pub stamp_ms: i64,
    /// What fired in that notification.
    pub firing: Fingerprints,
    /// What had ended in it.
    pub resolved: Fingerprints,
    /// What the receiver was told fires and not yet told has ended.
    pub told: Fingerprints,
    /// What an attempt wanted to say fires and no attempt has succeeded to say.
    pub owed: Fingerprints,
    /// What the integration wants to know the next time; an empty answer leaves it as it is.
    pub memory: Memory,
}

/// The alerts of a group that an integration may hear of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Those that fire.
    pub firing: Fingerprints,
    /// Those that have ended.
    pub resolved: Fingerprints,
}

impl Ledger {
    /// Whether the integration must be told of `content` now, and why.
    pub fn reason_to_tell(
        &self,
        content: &Content,
        sends_resolved: bool,
        repeat_interval_ms: i64,
        now_ms: i64,
    ) -> Option<Reason> {
        let Content { firing, resolved } = content;
        // Ends of what the receiver may take for firing.
        let owes_ends = sends_resolved && resolved.iter().any(|fingerprint| self.may_know(fingerprint));
        if self.sent_at_ms == 0 {
            return (!firing.is_empty() || owes_ends).then_some(Reason::First);
        }
        if !firing.is_subset(&self.firing) {
            return Some(if self.firing.is_empty() { Reason::First } else { Reason::NewAlerts });
        }
        if firing.is_empty() {
            return (!self.firing.is_empty() || owes_ends).then_some(Reason::AllResolved);
        }
        if owes_ends || (sends_resolved && !resolved.is_subset(&self.resolved)) {
            return Some(Reason::SomeResolved);
        }
        (self.sent_at_ms < now_ms.saturating_sub(repeat_interval_ms)).then_some(Reason::Repeat)
    }

    /// Whether the receiver knows, or may know from an attempt whose answer got lost, that an alert
    /// fires.
    pub fn may_know(&self, fingerprint: u64) -> bool {
        self.told.contains(fingerprint) || self.owed.contains(fingerprint)
    }

    /// Notes that an attempt is about to be made. Returns whether that is news.
    pub fn note_attempt(&mut self, content: &Content) -> bool {
        let before = self.owed.len();
        self.owed = self.owed.with(&content.firing.without(&self.told));
        self.owed.len() != before
    }

    /// Notes that the receiver has taken a notification.
    pub fn note_sent(&mut self, content: Content, now_ms: i64) {
        let Content { firing, resolved } = content;
        self.sent_at_ms = now_ms.max(1);
        self.stamp_ms = Entry::following(self.stamp_ms, now_ms).max(1);
        self.told = self.told.without(&resolved).with(&firing);
        self.owed = self.owed.without(&resolved).without(&firing);
        self.firing = firing;
        self.resolved = resolved;
    }

    /// Takes over what another replica told later than this one did. What this one owes and that
    /// one did not say it still owes.
    pub fn follow(&mut self, later: Ledger) {
        let owed = self.owed.without(&later.firing).without(&later.resolved);
        *self = Ledger { owed: owed.with(&later.owed), ..later };
    }

    /// Has the alerts told anew that were told before.
    pub fn tell_again(&mut self, again: &Fingerprints) {
        self.firing = self.firing.without(again);
    }

    /// Forgets alerts that have left the group. Returns whether any of them counted as firing.
    pub fn forget(&mut self, gone: &Fingerprints) -> bool {
        let firing = |ledger: &Ledger| ledger.firing.len() + ledger.told.len() + ledger.owed.len();
        let before = firing(self);
        for set in [&mut self.firing, &mut self.resolved, &mut self.told, &mut self.owed] {
            *set = set.without(gone);
        }
        firing(self) != before
    }

    /// Forgets every alert that is not in `there`.
    pub fn retain(&mut self, there: &Fingerprints) {
        for set in [&mut self.firing, &mut self.resolved, &mut self.told, &mut self.owed] {
            let gone = set.without(there);
            *set = set.without(&gone);
        }
    }

    /// Whether nothing was ever told or tried.
    pub fn is_blank(&self) -> bool {
        self.sent_at_ms == 0 && self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(firing: &[u64], resolved: &[u64]) -> Content {
        Content { firing: firing.iter().copied().collect(), resolved: resolved.iter().copied().collect() }
    }

    #[test]
    fn sets_of_fingerprints_are_sets() {
        let of = |list: &[u64]| Fingerprints::new(list.to_vec());
        let (some, more) = (of(&[3, 1, 3]), of(&[1, 2, 3, 9]));
        assert_eq!(some.iter().collect::<Vec<_>>(), [1, 3]);
        assert!(some.is_subset(&more) && !more.is_subset(&some) && of(&[]).is_subset(&some));
        assert!(!of(&[1, 4]).is_subset(&more));
        assert_eq!(more.without(&some), of(&[2, 9]));
        assert_eq!(some.without(&of(&[4])), some);
        assert_eq!(some.with(&of(&[2, 5])), of(&[1, 2, 3, 5]));
        assert_eq!((some.with(&more), more.with(&some)), (more.clone(), more.clone()));
        assert!(some.contains(3) && !some.contains(2));
    }

    #[test]
    fn a_receiver_is_told_what_changed_and_nothing_twice() {
        let mut ledger = Ledger::default();
        let reason =
            |ledger: &Ledger, content: &Content, now_ms| ledger.reason_to_tell(content, true, 100, now_ms);
        assert_eq!(reason(&ledger, &content(&[], &[1]), 10), None, "never fired for this receiver");
        assert_eq!(reason(&ledger, &content(&[1], &[]), 10), Some(Reason::First));
        ledger.note_sent(content(&[1], &[]), 10);
        assert_eq!(reason(&ledger, &content(&[1], &[]), 110), None);
        assert_eq!(reason(&ledger, &content(&[1], &[]), 111), Some(Reason::Repeat));
        assert_eq!(reason(&ledger, &content(&[1, 2], &[]), 20), Some(Reason::NewAlerts));
        ledger.note_sent(content(&[1, 2], &[]), 20);
        assert_eq!(reason(&ledger, &content(&[2], &[1]), 30), Some(Reason::SomeResolved));
        assert_eq!(ledger.reason_to_tell(&content(&[2], &[1]), false, 100, 30), None);
        ledger.note_sent(content(&[2], &[1]), 30);
        assert_eq!(reason(&ledger, &content(&[], &[2]), 40), Some(Reason::AllResolved));
        ledger.note_sent(content(&[], &[2]), 40);
        assert_eq!(reason(&ledger, &content(&[], &[2]), 1_000), None);
        assert_eq!(reason(&ledger, &content(&[2], &[]), 1_000), Some(Reason::First));
    }

    #[test]
    fn what_no_attempt_could_say_is_still_owed_when_it_has_ended() {
        let mut ledger = Ledger::default();
        assert!(ledger.note_attempt(&content(&[1], &[])));
        assert_eq!(ledger.reason_to_tell(&content(&[], &[1]), true, 100, 50), Some(Reason::First));
        ledger.note_sent(content(&[], &[1]), 50);
        assert!(ledger.owed.is_empty() && ledger.told.is_empty());
    }

    #[test]
    fn an_end_is_told_even_if_a_later_notification_left_the_alert_out() {
        let mut ledger = Ledger::default();
        ledger.note_sent(content(&[1, 2], &[]), 10);
        ledger.note_sent(content(&[2], &[]), 20);
        ledger.note_sent(content(&[], &[2]), 30);
        assert_eq!(ledger.reason_to_tell(&content(&[], &[1]), true, 100, 40), Some(Reason::AllResolved));
    }
}
