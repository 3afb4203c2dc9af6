//! What another program told before: its log knows alerts by numbers of its own, so an entry is
//! taken over alert by alert, as they come in again.

use super::*;
use crate::snapshot::{Snapshot, Told, alert_hash};

/// What was told, by key of the group.
#[derive(Debug, Default)]
pub(super) struct Recollection(HashMap<String, Vec<Told>>);

impl Dispatcher {
    /// Takes over what an Alertmanager left.
    pub fn adopt_snapshot(&mut self, snapshot: Snapshot, now_ms: i64) {
        for silence in snapshot.silences {
            if self.silences.learn(silence.clone(), now_ms) {
                self.remember(Record::Silence(silence));
            }
        }
        for told in snapshot.told {
            self.recollection.0.entry(told.group_key.clone()).or_default().push(told);
        }
        self.plan_upkeep(now_ms);
    }

    /// An alert joins a group: whoever was told of it counts as told.
    pub(super) fn recollect(&mut self, id: u64, labels: &Labels) {
        if self.recollection.0.is_empty() {
            return;
        }
        let Some(group) = self.groups.get(&id) else { return };
        let Some(all) = self.recollection.0.get(&group.key) else { return };
        let (hash, fingerprint) = (alert_hash(labels), labels.fingerprint());
        for told in all {
            let (fired, had_ended) = (told.firing.contains(&hash), told.resolved.contains(&hash));
            if !fired && !had_ended {
                continue;
            }
            let ledgers = self.ledgers.entry(group.name.clone()).or_default();
            let ledger = ledgers.entry(told.integration.clone()).or_default();
            if ledger.sent_at_ms > told.at_ms {
                continue; // It was told something since.
            }
            ledger.sent_at_ms = told.at_ms;
            ledger.memory.clone_from(&told.memory);
            if fired {
                ledger.firing.insert(fingerprint);
                ledger.told.insert(fingerprint);
            } else {
                ledger.resolved.insert(fingerprint);
            }
            let record = Record::Ledger {
                group: group.name.clone(),
                integration: told.integration.clone(),
                ledger: ledger.clone(),
            };
            self.actions.push(Action::Remember(record));
        }
    }
}
