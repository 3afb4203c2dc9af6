//! What one integration was told about one group, and what follows from it.

use std::collections::BTreeSet;

use crate::notification::Reason;
use crate::receivers::Memory;

/// Alerts by their fingerprints.
pub type Fingerprints = BTreeSet<u64>;

/// The memory of one integration about one group. It outlives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// When the receiver last took a notification; 0 for never.
    pub sent_at_ms: i64,
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
        let owes_ends = sends_resolved && resolved.iter().any(|fingerprint| self.may_know(*fingerprint));
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
        self.told.contains(&fingerprint) || self.owed.contains(&fingerprint)
    }

    /// Notes that an attempt is about to be made. Returns whether that is news.
    pub fn note_attempt(&mut self, content: &Content) -> bool {
        let before = self.owed.len();
        self.owed.extend(content.firing.difference(&self.told));
        self.owed.len() != before
    }

    /// Notes that the receiver has taken a notification.
    pub fn note_sent(&mut self, content: Content, now_ms: i64) {
        self.sent_at_ms = now_ms.max(1);
        self.told.extend(&content.firing);
        for done in &content.resolved {
            self.told.remove(done);
            self.owed.remove(done);
        }
        for done in &content.firing {
            self.owed.remove(done);
        }
        self.firing = content.firing;
        self.resolved = content.resolved;
    }

    /// Forgets an alert that has left the group.
    pub fn forget(&mut self, fingerprint: u64) {
        for set in [&mut self.firing, &mut self.resolved, &mut self.told, &mut self.owed] {
            set.remove(&fingerprint);
        }
    }

    /// Forgets every alert that `is_there` does not know.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        for set in [&mut self.firing, &mut self.resolved, &mut self.told, &mut self.owed] {
            set.retain(|fingerprint| is_there(*fingerprint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(firing: &[u64], resolved: &[u64]) -> Content {
        Content { firing: firing.iter().copied().collect(), resolved: resolved.iter().copied().collect() }
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
