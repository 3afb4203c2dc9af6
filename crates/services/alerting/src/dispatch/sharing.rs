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
        let updated_at_ms = ledger.sent_at_ms;
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
        let mut body = Vec::new();
        Record::Acknowledgement(acknowledgement.clone()).encode(&mut body);
        let until_ms = acknowledgement.until_ms.max(acknowledgement.updated_at_ms);
        let entry = Entry {
            kind: EntryKind::Acknowledgement,
            key: format!("{:016x}", acknowledgement.fingerprint),
            updated_at_ms: acknowledgement.updated_at_ms,
            expires_at_ms: until_ms.saturating_add(self.limits.retention_ms),
            body,
        };
        self.actions.push(Action::Share(vec![entry]));
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
        }
    }

    /// Takes in what another replica told. Returns whether it is news.
    pub(super) fn learn_ledger(&mut self, entry: Entry, now_ms: i64) -> bool {
        let Some(Record::Ledger { group, integration, ledger }) = Record::decode(&entry.body) else {
            return false;
        };
        let id = self.group_names.get(&group).copied();
        let at = id.and_then(|id| self.groups.get(&id)?.job_of(&integration));
        let (Some(id), Some(at)) = (id, at) else {
            let known = self.told_elsewhere.entry(group.clone()).or_default().entry(integration.clone());
            let known = known.or_default();
            let is_news = known.sent_at_ms < ledger.sent_at_ms;
            if is_news {
                *known = ledger.clone();
                self.remember(Record::Ledger { group, integration, ledger });
                self.plan_upkeep(now_ms);
            }
            return is_news;
        };
        let Some(job) = self.job_mut(id, at) else { return false };
        if job.ledger.sent_at_ms >= ledger.sent_at_ms {
            return false;
        }
        job.ledger.follow(ledger);
        let record = Record::Ledger { group, integration, ledger: job.ledger.clone() };
        // It may have waited for just this.
        let waits = matches!(job.state, JobState::Paused { .. });
        self.remember(record);
        if waits {
            self.consider(id, at, now_ms);
        }
        self.prune(id, now_ms);
        true
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
            self.remember(Record::GroupGone { name });
        }
    }
}
