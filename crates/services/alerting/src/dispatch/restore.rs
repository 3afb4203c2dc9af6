//! From the records of a log back to the state.

use super::*;

impl Dispatcher {
    /// Takes over what was remembered. Alerts that had not ended get the resolve timeout to be
    /// renewed: whoever renews them may have been down as well. What an attempt could not say is
    /// said at once; a clock that was set back while nobody looked delays nothing.
    pub(super) fn restore(&mut self, records: Vec<Record>, now_ms: i64) {
        let mut known: HashMap<String, (bool, i64)> = HashMap::new();
        for record in records {
            match record {
                Record::Alert { alert, updated_at_ms, has_ended, ends_by_timeout } => {
                    let labels = alert.labels.clone();
                    let held = Held {
                        alert: Arc::new(alert),
                        updated_at_ms,
                        has_ended,
                        ends_by_timeout,
                        routes: Vec::new(),
                        groups: BTreeSet::new(),
                        silences: Found::default(),
                    };
                    self.alerts.insert(labels, held);
                }
                Record::AlertGone { labels } => {
                    self.alerts.remove(&labels);
                }
                Record::Group { name, is_flushed, next_flush_ms } => {
                    known.insert(name, (is_flushed, next_flush_ms));
                }
                Record::GroupGone { name } => {
                    known.remove(&name);
                    self.ledgers.remove(&name);
                }
                Record::Silence(silence) => {
                    self.silences.learn(silence, now_ms);
                }
                Record::SilenceGone { id } => self.silences.remove(&id),
                Record::Ledger { group, integration, ledger } => {
                    self.ledgers.entry(group).or_default().insert(integration, ledger);
                }
            }
        }
        for (name, ledgers) in &self.ledgers {
            if ledgers.values().any(|ledger| !ledger.owed.is_empty()) {
                known.insert(name.clone(), (true, now_ms));
            }
        }
        let renew_by_ms = now_ms.saturating_add(self.config.resolve_timeout_ms);
        let all: Vec<Labels> = self.alerts.keys().cloned().collect();
        for labels in &all {
            self.inhibitor.insert(labels);
        }
        for labels in &all {
            if let Some(held) = self.alerts.get_mut(labels) {
                // It lives no longer than it had left when it was last heard of, in case the clock
                // was set back since, and long enough to be renewed.
                let had_left_ms = held.alert.ends_at_ms.saturating_sub(held.updated_at_ms);
                let ends_at_ms = held.alert.ends_at_ms.min(now_ms.saturating_add(had_left_ms));
                held.updated_at_ms = held.updated_at_ms.min(now_ms);
                if !held.has_ended && ends_at_ms.max(renew_by_ms) != held.alert.ends_at_ms {
                    let mut alert = (*held.alert).clone();
                    alert.ends_at_ms = ends_at_ms.max(renew_by_ms);
                    held.alert = Arc::new(alert);
                    held.ends_by_timeout = true;
                    held.updated_at_ms = now_ms;
                }
            }
            self.rejoin_groups(labels, now_ms, &known);
        }
        let gone: Vec<String> =
            self.ledgers.keys().filter(|name| !self.group_by_name.contains_key(*name)).cloned().collect();
        for name in gone {
            self.ledgers.remove(&name);
        }
        for group in self.groups.values() {
            let there: BTreeSet<u64> = group.alerts.iter().map(Labels::fingerprint).collect();
            for ledger in self.ledgers.get_mut(&group.name).into_iter().flat_map(BTreeMap::values_mut) {
                ledger.retain(|fingerprint| there.contains(&fingerprint));
                ledger.sent_at_ms = ledger.sent_at_ms.min(now_ms);
            }
        }
        self.plan_upkeep(now_ms);
        // The log already says all this, or will be written anew.
        self.actions.clear();
    }
}
