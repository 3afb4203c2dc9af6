//! What replicas tell each other, and what is made of it.

use super::flush::JobState;
use super::*;
use crate::replicas::{Entry, EntryKind, claim_key};
use crate::silences::Silence;

/// How long what was told is shared at least.
const LEDGER_KEEP_MS: i64 = 24 * 3_600_000;

impl Dispatcher {
    /// What was told, for the others.
    pub(super) fn ledger_entry(&self, group: &str, integration: &str, ledger: Ledger, now_ms: i64) -> Entry {
        let repeat_ms = self.config.routes.iter().map(|route| route.repeat_interval_ms).max().unwrap_or(0);
        let updated_at_ms = ledger.stamp_ms;
        let mut body = Vec::new();
        // What this one owes is its own affair.
        let ledger = Ledger { owed: Fingerprints::default(), ..ledger };
        let record =
            Record::Ledger { group: group.to_string(), integration: integration.to_string(), ledger };
        record.encode(&mut body);
        Entry {
            kind: EntryKind::Ledger,
            key: claim_key(group, integration),
            updated_at_ms,
            expires_at_ms: now_ms.saturating_add(repeat_ms.saturating_mul(2).max(LEDGER_KEEP_MS)),
            body,
        }
    }

    pub(super) fn share_silence(&mut self, silence: &Silence) {
        if self.company.is_alone {
            return;
        }
        let mut body = Vec::new();
        Record::Silence(silence.clone()).encode(&mut body);
        let expires_at_ms = silence.ends_at_ms.saturating_add(self.silences.limits().retention_ms);
        let (key, updated_at_ms) = (silence.id.clone(), silence.updated_at_ms);
        let entry = Entry { kind: EntryKind::Silence, key, updated_at_ms, expires_at_ms, body };
        self.actions.push(Action::Share(vec![entry]));
    }

    pub(super) fn share_acknowledgement(&mut self, acknowledgement: &Acknowledgement) {
        if self.company.is_alone {
            return;
        }
        let entry = self.acknowledgement_entry(acknowledgement);
        self.actions.push(Action::Share(vec![entry]));
    }

    fn acknowledgement_entry(&self, acknowledgement: &Acknowledgement) -> Entry {
        let mut body = Vec::new();
        Record::Acknowledgement(acknowledgement.clone()).encode(&mut body);
        let until_ms = acknowledgement.until_ms.max(acknowledgement.updated_at_ms);
        Entry {
            kind: EntryKind::Acknowledgement,
            key: format!("{:016x}", acknowledgement.fingerprint),
            updated_at_ms: acknowledgement.updated_at_ms,
            expires_at_ms: until_ms.saturating_add(self.limits.retention_ms),
            body,
        }
    }

    /// Everything others should know, for a replica that begins to share.
    pub fn entries(&self, now_ms: i64) -> Vec<Entry> {
        let mut entries = Vec::new();
        for group in self.groups.values() {
            let name = group.name(&self.config);
            for job in group.jobs.iter().filter(|job| job.ledger.sent_at_ms != 0) {
                entries.push(self.ledger_entry(&name, &job.integration.name, job.ledger.clone(), now_ms));
            }
        }
        for silence in self.silences.iter() {
            let mut body = Vec::new();
            Record::Silence(silence.clone()).encode(&mut body);
            entries.push(Entry {
                kind: EntryKind::Silence,
                key: silence.id.clone(),
                updated_at_ms: silence.updated_at_ms,
                expires_at_ms: silence.ends_at_ms.saturating_add(self.silences.limits().retention_ms),
                body,
            });
        }
        entries.extend(self.acknowledgements.values().map(|known| self.acknowledgement_entry(known)));
        if let Some(flapping) = self.config.care.flapping {
            entries.extend(self.flaps.entries(flapping));
        }
        entries
    }

    /// Takes in what another replica shared.
    pub(super) fn learn(&mut self, entry: Entry, now_ms: i64) {
        match entry.kind {
            EntryKind::Ledger => {
                self.learn_ledger(entry, now_ms);
            }
            EntryKind::Silence => {
                if let Some(Record::Silence(silence)) = Record::decode(&entry.body)
                    && self.silences.learn(silence.clone(), now_ms)
                {
                    self.remember(Record::Silence(silence));
                    self.plan_upkeep(now_ms);
                }
            }
            EntryKind::Acknowledgement => {
                if let Some(Record::Acknowledgement(acknowledgement)) = Record::decode(&entry.body) {
                    self.learn_acknowledgement(acknowledgement, now_ms);
                }
            }
            EntryKind::Flapping => {
                if let Some(flaps) = Record::decode(&entry.body) {
                    self.learn_flapping(flaps, now_ms);
                }
            }
        }
    }

    /// Takes in what another replica told. Returns whether it is news.
    pub(super) fn learn_ledger(&mut self, entry: Entry, now_ms: i64) -> bool {
        let Some(Record::Ledger { group, integration, ledger }) = Record::decode(&entry.body) else {
            return false;
        };
        let id = self.group_names.get(&group).copied();
        let at = id.and_then(|id| {
            let group = self.groups.get_mut(&id)?;
            // Another one told a receiver in a special case: should it be gone by then, this one
            // tells that receiver of the end.
            group.job_of(&integration).or_else(|| {
                let (integration, role) = attention::role_of(&self.config, &integration)?;
                Some(group.add_job(integration, role))
            })
        });
        let (Some(id), Some(at)) = (id, at) else {
            let known = self.told_elsewhere.entry(group.clone()).or_default().entry(integration.clone());
            let known = known.or_default();
            let is_news = known.stamp_ms < ledger.stamp_ms;
            if is_news {
                *known = ledger.clone();
                self.remember(Record::Ledger { group, integration, ledger });
                self.plan_upkeep(now_ms);
            }
            return is_news;
        };
        let turn_ms = self.company.turn_ms;
        let Some(job) = self.job_mut(id, at) else { return false };
        if job.ledger.stamp_ms >= ledger.stamp_ms {
            return false;
        }
        job.ledger.follow(ledger);
        let record = Record::Ledger { group, integration, ledger: job.ledger.clone() };
        // It may have waited for just this. Where replicas take turns the turn is waited for all the
        // same, so that what this one did not say is not said by all others at once; what it tried
        // to say before may be said by now.
        let mut waits = false;
        if let JobState::Paused { attempt, .. } = &mut job.state {
            *attempt = None;
            waits = turn_ms == 0;
        }
        self.remember(record);
        self.end_recalled(id, at, now_ms);
        if waits {
            self.consider(id, at, now_ms);
        }
        self.prune(id, now_ms);
        true
    }

    /// Alerts that nothing was heard of since the start, and of which another replica has told
    /// meanwhile that they ended, have ended: to tell that they fire would be wrong. One that fires
    /// all the same begins anew when it is heard of.
    fn end_recalled(&mut self, id: u32, at: usize, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        let Some(ledger) = group.jobs.get(at).map(|job| &job.ledger) else { return };
        if ledger.resolved.is_empty() {
            return;
        }
        let told_at_ms = ledger.sent_at_ms.min(now_ms);
        let ended = group.alerts.iter().copied().filter(|alert| {
            self.alerts.get(*alert).is_some_and(|held| {
                held.is_recalled
                    && held.starts_at_ms < told_at_ms
                    && ledger.resolved.contains(held.fingerprint)
                    && !ledger.may_know(held.fingerprint)
            })
        });
        for alert in ended.collect::<Vec<_>>() {
            let Some(held) = self.alerts.get_mut(alert) else { continue };
            (held.has_ended, held.is_recalled) = (true, false);
            held.ends_at_ms = told_at_ms;
            let (record, fingerprint) = (held.record(), held.fingerprint);
            self.remember(record);
            self.note_change(fingerprint, now_ms);
        }
    }

    /// Forgets what was told about groups that never came.
    pub(super) fn forget_told_elsewhere(&mut self, now_ms: i64) {
        let keep_ms = self.config.routes.iter().map(|route| route.repeat_interval_ms).max().unwrap_or(0);
        let since_ms = now_ms.saturating_sub(keep_ms.saturating_mul(2).max(LEDGER_KEEP_MS));
        let is_old =
            |ledgers: &BTreeMap<String, Ledger>| ledgers.values().all(|ledger| ledger.sent_at_ms < since_ms);
        let old = self.told_elsewhere.iter().filter(|(_, ledgers)| is_old(ledgers));
        for name in old.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.told_elsewhere.remove(&name);
            // A group that is here may have been told to a receiver that it does not have here.
            if !self.group_names.contains_key(&name) {
                self.remember(Record::GroupGone { name });
            }
        }
    }
}
