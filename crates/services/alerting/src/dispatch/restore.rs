//! From the records of a log back to the state.

use super::flapping::Flap;
use super::intake::KnownGroups;
use super::*;

impl Dispatcher {
    /// Takes over what was remembered. Alerts that had not ended get the resolve timeout to be
    /// renewed: whoever renews them may have been down as well. What an attempt could not say is
    /// said at once; a clock that was set back while nobody looked delays nothing.
    pub(super) fn restore(&mut self, records: Vec<Record>, now_ms: i64) {
        let mut known = KnownGroups::new();
        for record in records {
            match record {
                Record::Alert { alert, updated_at_ms, has_ended, ends_by_timeout } => {
                    let fingerprint = alert.labels.fingerprint();
                    match self.alerts.find(&alert.labels, fingerprint) {
                        Some(id) => {
                            let Some(held) = self.alerts.get_mut(id) else { continue };
                            held.set_text(&alert);
                            (held.starts_at_ms, held.ends_at_ms) = (alert.starts_at_ms, alert.ends_at_ms);
                            held.updated_at_ms = updated_at_ms;
                            (held.has_ended, held.ends_by_timeout) = (has_ended, ends_by_timeout);
                        }
                        None => {
                            let mut held = Held::new(&alert, fingerprint, updated_at_ms, ends_by_timeout);
                            held.has_ended = has_ended;
                            self.alerts.insert(held);
                        }
                    }
                }
                Record::AlertGone { labels } => {
                    if let Some(id) = self.alerts.find(&labels, labels.fingerprint()) {
                        self.alerts.remove(id);
                    }
                }
                Record::Group { name, is_flushed, next_flush_ms } => {
                    known.insert(name, (is_flushed, next_flush_ms));
                }
                Record::GroupGone { name } => {
                    known.remove(&name);
                    self.told_elsewhere.remove(&name);
                }
                Record::Silence(silence) => {
                    self.silences.learn(silence, now_ms);
                }
                Record::SilenceGone { id } => self.silences.remove(&id),
                Record::Acknowledgement(acknowledgement) => {
                    self.acknowledgements.insert(acknowledgement.fingerprint, acknowledgement);
                }
                Record::AcknowledgementGone { fingerprint } => {
                    self.acknowledgements.remove(&fingerprint);
                }
                Record::Flaps { fingerprint, changes, since_ms, at_ms } => {
                    self.flaps.restore(fingerprint, Flap::of(changes, since_ms, at_ms));
                }
                Record::Ledger { group, integration, ledger } => {
                    self.told_elsewhere.entry(group).or_default().insert(integration, ledger);
                }
            }
        }
        for (name, ledgers) in &self.told_elsewhere {
            if ledgers.values().any(|ledger| !ledger.owed.is_empty()) {
                known.insert(name.clone(), (true, now_ms));
            }
        }
        match self.config.care.flapping {
            Some(flapping) => self.flaps.forget_calm(flapping, now_ms),
            None => self.flaps = Flaps::default(),
        }
        let renew_by_ms = now_ms.saturating_add(self.config.resolve_timeout_ms);
        let all = self.alerts.ids();
        for id in &all {
            if let Some(held) = self.alerts.get(*id) {
                self.inhibitor.insert(*id, &held.labels);
            }
        }
        for id in all {
            if let Some(held) = self.alerts.get_mut(id) {
                // It lives no longer than it had left when it was last heard of, in case the clock
                // was set back since, and long enough to be renewed.
                let had_left_ms = held.ends_at_ms.saturating_sub(held.updated_at_ms);
                let ends_at_ms = held.ends_at_ms.min(now_ms.saturating_add(had_left_ms)).max(renew_by_ms);
                held.updated_at_ms = held.updated_at_ms.min(now_ms);
                held.is_recalled = !held.has_ended;
                if !held.has_ended && ends_at_ms != held.ends_at_ms {
                    held.ends_at_ms = ends_at_ms;
                    held.ends_by_timeout = true;
                    held.updated_at_ms = now_ms;
                }
            }
            self.rejoin_groups(id, now_ms, &known);
        }
        // Groups that were here have come back; of those that others told they may still come.
        self.told_elsewhere.retain(|name, _| !known.contains_key(name));
        for group in self.groups.values_mut() {
            let alerts = group.alerts.iter().filter_map(|id| self.alerts.get(*id));
            let there: Fingerprints = alerts.map(|held| held.fingerprint).collect();
            for job in &mut group.jobs {
                job.ledger.retain(&there);
                job.ledger.sent_at_ms = job.ledger.sent_at_ms.min(now_ms);
            }
        }
        self.plan_upkeep(now_ms);
        // The log already says all this, or will be written anew.
        self.actions.clear();
    }
}
