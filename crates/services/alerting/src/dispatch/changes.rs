//! A new configuration, a clock that was set, and silences.

use super::flush::Holder;
use super::*;

impl Dispatcher {
    pub(super) fn apply(&mut self, config: Arc<Config>, now_ms: i64) {
        // A group that stays is looked at now, and from now on every interval.
        let mut known = intake::KnownGroups::new();
        let mut old_names = Vec::new();
        for (_, group) in std::mem::take(&mut self.groups) {
            let name = group.name(&self.config);
            let due_ms = if group.is_flushed { now_ms } else { group.next_flush_ms };
            known.insert(name.clone(), (group.is_flushed, due_ms));
            let jobs = group.jobs.into_iter().filter(|job| !job.ledger.is_blank());
            let ledgers = jobs.map(|job| (job.integration.name.clone(), job.ledger)).collect();
            self.told_elsewhere.insert(name.clone(), ledgers);
            old_names.push(name);
        }
        self.group_index = GroupIndex::default();
        self.group_names.clear();
        self.timers.clear();
        self.is_upkeep_planned = false;
        self.config = config;
        if self.config.care.flapping.is_none() {
            self.flaps = Flaps::default();
        }
        self.inhibitor = Inhibitor::new(&self.config.inhibit_rules);
        for lane in self.lanes.values_mut() {
            lane.waiting.clear();
        }
        let all = self.alerts.ids();
        for id in &all {
            if let Some(held) = self.alerts.get_mut(*id) {
                self.inhibitor.insert(*id, &held.labels);
                held.places = Places::default();
            }
        }
        for id in all {
            self.rejoin_groups(id, now_ms, &known);
        }
        for name in old_names {
            if self.told_elsewhere.remove(&name).is_some() {
                self.remember(Record::GroupGone { name });
            }
        }
        // What is under way still counts for the group it was made for.
        let tickets: Vec<u64> = self.tickets.keys().copied().collect();
        for ticket in tickets {
            self.adopt(ticket);
        }
        self.plan_upkeep(now_ms);
    }

    /// Ties a notification that is under way to its group after the groups were made anew.
    fn adopt(&mut self, number: u64) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        ticket.holder = Holder::default();
        let integration = &ticket.attempt.notification.integration.name;
        let group = self.groups.iter_mut().find(|(_, group)| {
            group.labels == ticket.group_labels
                && flush::group_name(&self.config, group.route, &group.labels) == ticket.group_name
        });
        let Some((id, group)) = group else { return };
        let Some(at) = group.job_of(integration) else { return };
        if let Some(job) = group.jobs.get_mut(at) {
            job.state = flush::JobState::UnderWay;
            ticket.holder = Holder { group: *id, job: at };
        }
    }

    /// Moves everything measured in wall time along with a clock that was set; but not the stamps by
    /// which replicas order what they told, which mean the same on all of them.
    pub(super) fn shift(&mut self, by_ms: i64) {
        let move_on = |at_ms: &mut i64| *at_ms = at_ms.saturating_add(by_ms);
        self.timers = self.timers.iter().map(|(due, timer)| (due.saturating_add(by_ms), *timer)).collect();
        move_on(&mut self.not_before_ms);
        move_on(&mut self.settled_at_ms);
        for ticket in self.tickets.values_mut() {
            move_on(&mut ticket.attempt.deadline_ms);
        }
        let config = self.config.clone();
        for group in self.groups.values_mut() {
            group.shift(by_ms);
            for job in group.jobs.iter_mut().filter(|job| job.ledger.sent_at_ms != 0) {
                job.ledger.sent_at_ms = job.ledger.sent_at_ms.saturating_add(by_ms).max(1);
                // The next start must not take the jump for time that has passed.
                self.actions.push(Action::Remember(Record::Ledger {
                    group: flush::group_name(&config, group.route, &group.labels),
                    integration: job.integration.name.clone(),
                    ledger: job.ledger.clone(),
                }));
            }
        }
        for held in self.alerts.iter_mut() {
            move_on(&mut held.updated_at_ms);
            if !held.has_ended {
                move_on(&mut held.ends_at_ms);
            }
        }
        self.flaps.shift(by_ms);
        self.actions.extend(self.flaps.records().map(Action::Remember));
    }

    // ---- silences ----

    /// The silences.
    pub fn silences(&self) -> &Silences {
        &self.silences
    }

    /// Makes or changes a silence and returns its id. One that would match almost everything that
    /// fires must be forced. Step on afterwards: what is to be done comes with the next step.
    pub fn set_silence(
        &mut self,
        draft: Draft,
        is_forced: bool,
        now_ms: i64,
    ) -> Result<String, SilenceError> {
        if !is_forced && draft.id.is_empty() {
            self.check_breadth(draft.clone(), now_ms)?;
        }
        let fresh_id = self.new_uuid();
        let asked_for = draft.id.clone();
        let changed = self.silences.set(draft, fresh_id, now_ms)?;
        for silence in changed.silences {
            // One that is replaced only ends, which is not recorded.
            if silence.id == changed.id {
                self.publish_silence(&silence, silence.id == asked_for);
            }
            self.share_silence(&silence);
            self.remember(Record::Silence(silence));
        }
        self.plan_upkeep(now_ms);
        Ok(changed.id)
    }

    /// Ends a silence. Step on afterwards.
    pub fn expire_silence(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        if let Some(silence) = self.silences.expire(id, now_ms)? {
            self.share_silence(&silence);
            self.remember(Record::Silence(silence));
        }
        Ok(())
    }

    /// Takes over silences from elsewhere, such as Alertmanager's snapshot. Of two with the same id
    /// the one changed last holds. Returns how many were news. Step on afterwards.
    pub fn import_silences(&mut self, silences: Vec<crate::silences::Silence>, now_ms: i64) -> usize {
        let mut news = 0;
        for silence in silences {
            if self.silences.learn(silence.clone(), now_ms) {
                news += 1;
                self.share_silence(&silence);
                self.remember(Record::Silence(silence));
            }
        }
        self.plan_upkeep(now_ms);
        news
    }

    fn check_breadth(&self, draft: Draft, now_ms: i64) -> Result<(), SilenceError> {
        let percent = self.config.care.confirm_from_percent as usize;
        if percent == 0 || self.alerts.len() < BROAD_ALERTS_MIN {
            return Ok(());
        }
        let silence = self.silences.check(draft, now_ms)?;
        let (mut firing, mut matched) = (0usize, 0usize);
        for (_, held) in self.alerts.iter().filter(|(_, held)| !held.is_resolved_at(now_ms)) {
            firing += 1;
            matched += usize::from(silence.matches(&held.labels));
        }
        let is_broad =
            firing >= BROAD_ALERTS_MIN && matched.saturating_mul(100) >= firing.saturating_mul(percent);
        if is_broad { Err(SilenceError::TooBroad { matched, firing }) } else { Ok(()) }
    }
}

/// Below this number of alerts that fire no silence is too broad.
const BROAD_ALERTS_MIN: usize = 20;
