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
    pub(super) fn recollect(&mut self, id: u32, labels: &Labels, fingerprint: u64) {
        if self.recollection.0.is_empty() {
            return;
        }
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(all) = self.recollection.0.get(&group.key(&self.config)) else { return };
        let (name, hash) = (group.name(&self.config), alert_hash(labels));
        for told in all {
            let (fired, had_ended) = (told.firing.contains(&hash), told.resolved.contains(&hash));
            let job = group.job_of(&told.integration).and_then(|at| group.jobs.get_mut(at));
            let Some(job) = job.filter(|_| fired || had_ended) else { continue };
            let ledger = &mut job.ledger;
            if ledger.sent_at_ms > told.at_ms {
                continue; // It was told something since.
            }
            let this = [fingerprint].into_iter().collect();
            ledger.sent_at_ms = told.at_ms;
            ledger.stamp_ms = ledger.stamp_ms.max(told.at_ms);
            ledger.memory.clone_from(&told.memory);
            if fired {
                ledger.firing = ledger.firing.with(&this);
                ledger.told = ledger.told.with(&this);
            } else {
                ledger.resolved = ledger.resolved.with(&this);
            }
            self.actions.push(Action::Remember(Record::Ledger {
                group: name.clone(),
                integration: told.integration.clone(),
                ledger: ledger.clone(),
            }));
        }
    }
}
