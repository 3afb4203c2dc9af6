//! Notifications: made, claimed where there are replicas, sent, and tried again.

use super::flush::{Holder, JobState, Role, Telling};
use super::*;
use crate::notification::{Reason, Told, sort_told};
use crate::replicas::{Claim, claim_key};
use crate::trail::{Step, Subject};

/// The least time a notification has before it is given up until the next flush.
const DEADLINE_MIN_MS: i64 = 10_000;
/// The first wait before an attempt is repeated; each further one is half as long again.
const BACKOFF_FIRST_MS: i64 = 500;
/// The longest wait before an attempt is repeated.
const BACKOFF_MAX_MS: i64 = 60_000;
/// How long a claim lasts unless it is renewed: so long a replica that was killed keeps others from
/// telling. An attempt that takes longer renews it ([`crate::service`]).
pub(crate) const LEASE_MS: i64 = 15_000;
/// The least and the longest time until a claim that another one has is looked at again.
const HELD_MS: (i64, i64) = (100, 60_000);

/// A notification that was not taken yet.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) notification: Arc<Notification>,
    pub(super) content: Content,
    pub(super) deadline_ms: i64,
    /// How often it was tried in vain.
    pub(super) failed: u32,
    /// The ledger's stamp when it was made.
    pub(super) stamp_ms: i64,
    /// Alerts that were left out, for those who follow.
    pub(super) muted: Arc<[Labels]>,
}

impl Dispatcher {
    /// Starts what stands in line for an integration as far as its limit allows.
    pub(super) fn pump(&mut self, integration: &str, now_ms: i64) {
        loop {
            let Some(lane) = self.lanes.get_mut(integration) else { return };
            if lane.under_way >= self.limits.sends_per_integration_max {
                return;
            }
            let Some((id, at)) = lane.waiting.pop_front() else {
                if lane.under_way == 0 {
                    self.lanes.remove(integration);
                }
                return;
            };
            let Some(job) = self.job_mut(id, at) else { continue };
            match std::mem::take(&mut job.state) {
                JobState::Waiting(None) => match self.make(id, at, now_ms) {
                    Some(attempt) => self.begin(id, at, attempt, now_ms),
                    None => self.prune(id, now_ms),
                },
                JobState::Waiting(Some(attempt)) => self.begin(id, at, attempt, now_ms),
                other => job.state = other,
            }
        }
    }

    /// Makes a notification, if there still is a reason to.
    fn make(&mut self, id: u32, at: usize, now_ms: i64) -> Option<Box<Attempt>> {
        let Telling { content, reason, alerts, muted } = self.what_to_tell(id, at, now_ms)?;
        if alerts.is_empty() {
            // All has ended for a receiver that does not want to hear of it: only note it. Others
            // must know: what they have would make a new episode look told.
            let (name, ledger) = self.note_sent(id, at, content, Memory::new(), now_ms)?;
            if !self.company.is_alone {
                let integration = self.job_mut(id, at)?.integration.name.clone();
                let entry = self.ledger_entry(&name, &integration, ledger, now_ms);
                self.actions.push(Action::Share(vec![entry]));
            }
            return None;
        }
        let group = self.groups.get(&id)?;
        let route = self.config.routes.get(group.route as usize)?;
        let job = group.jobs.get(at)?;
        let told = alerts.into_iter().filter_map(|(alert, is_resolved)| {
            let held = self.alerts.get(alert)?;
            Some(Told { alert: self.shown(held), is_resolved })
        });
        let mut alerts: Vec<Told> = told.collect();
        sort_told(&mut alerts);
        let notification = Notification {
            integration: job.integration.clone(),
            group_key: group.key(&self.config),
            group_labels: group.labels.clone(),
            route_labels: route.labels.clone(),
            reason,
            alerts,
            memory: job.ledger.memory.clone(),
        };
        let deadline_ms = now_ms.saturating_add(route.group_interval_ms.max(DEADLINE_MIN_MS));
        *self.counters.notifications.entry(job.integration.notifier.kind()).or_default() += 1;
        if job.role == Role::Escalation && reason != Reason::Repeat {
            self.counters.escalated += content.firing.without(&job.ledger.told).len() as u64;
            let step = Step::Escalated {
                group: notification.group_key.as_str().into(),
                receiver: notification.integration.receiver.as_str().into(),
            };
            let subjects = notification.alerts.iter().map(|told| told.alert.labels.clone()).collect();
            self.note(now_ms, |_| Some((Subject::Alerts(subjects), step)));
        }
        let stamp_ms = self.job_mut(id, at)?.ledger.stamp_ms;
        let notification = Arc::new(notification);
        Some(Box::new(Attempt {
            notification,
            content,
            deadline_ms,
            failed: 0,
            stamp_ms,
            muted: muted.into(),
        }))
    }

    /// Gives an attempt a place in its lane, and claims or sends it.
    fn begin(&mut self, id: u32, at: usize, attempt: Box<Attempt>, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        let (group_name, group_labels) = (group.name(&self.config), group.labels.clone());
        let Some(job) = self.job_mut(id, at) else { return };
        job.state = JobState::UnderWay;
        let integration = attempt.notification.integration.clone();
        let number = self.new_id();
        let holder = Holder { group: id, job: at };
        let ticket = Ticket { holder, group_name, group_labels, attempt, token: None };
        let key = (!self.company.is_alone).then(|| claim_key(&ticket.group_name, &integration.name));
        self.tickets.insert(number, ticket);
        self.lane(&integration.name).under_way += 1;
        match key {
            None => self.send(number, now_ms),
            Some(key) => {
                self.actions.push(Action::Claim { ticket: number, key, lease_ms: LEASE_MS });
            }
        }
    }

    /// How long an attempt may take.
    fn timeout_ms(&self, group: u32, integration: &Integration) -> i64 {
        match integration.notifier.timeout_ms() {
            0 => {
                let route = self.groups.get(&group).map_or(0, |group| group.route);
                let route = self.config.routes.get(route as usize);
                route.map_or(0, |route| route.group_interval_ms).max(DEADLINE_MIN_MS)
            }
            own => own,
        }
    }

    fn send(&mut self, number: u64, now_ms: i64) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        ticket.attempt.deadline_ms = ticket.attempt.deadline_ms.max(now_ms);
        let Holder { group, job } = ticket.holder;
        let (notification, attempt) = (ticket.attempt.notification.clone(), ticket.attempt.failed + 1);
        let content = ticket.attempt.content.clone();
        let group_name = ticket.group_name.clone();
        let claim = ticket.token.map(|token| (claim_key(&group_name, &notification.integration.name), token));
        if let Some(job) = self.job_mut(group, job)
            && job.ledger.note_attempt(&content)
        {
            let record = Record::Ledger {
                group: group_name,
                integration: job.integration.name.clone(),
                ledger: job.ledger.clone(),
            };
            self.remember(record);
        }
        *self.counters.requests.entry(notification.integration.notifier.kind()).or_default() += 1;
        let timeout_ms = self.timeout_ms(group, &notification.integration);
        self.actions.push(Action::Send { ticket: number, notification, timeout_ms, attempt, claim });
    }

    /// A claim was answered.
    pub(super) fn claimed(&mut self, number: u64, claim: Claim, now_ms: i64) {
        let word = match &claim {
            Claim::Granted { .. } => "granted",
            Claim::Held { .. } => "held",
            Claim::Unreachable => "unreachable",
        };
        *self.counters.claims.entry(word).or_default() += 1;
        let Some(Holder { group, job: at }) = self.tickets.get(&number).map(|ticket| ticket.holder) else {
            return;
        };
        match claim {
            Claim::Granted { token, told } => {
                let mut stamp_ms = 0;
                if let Some(ticket) = self.tickets.get_mut(&number) {
                    ticket.token = Some(token);
                    stamp_ms = ticket.attempt.stamp_ms;
                }
                if let Some(entry) = told {
                    self.learn_ledger(entry, now_ms);
                }
                if self.job_mut(group, at).is_none_or(|job| job.ledger.stamp_ms != stamp_ms) {
                    // Somebody else told something meanwhile, or the group is gone.
                    match self.make(group, at, now_ms) {
                        Some(attempt) => {
                            if let Some(ticket) = self.tickets.get_mut(&number) {
                                ticket.attempt = attempt;
                            }
                        }
                        None => {
                            self.put_back(number, None, None, now_ms);
                            return;
                        }
                    }
                }
                self.send(number, now_ms);
            }
            Claim::Held { for_ms } => {
                let due_ms = now_ms.saturating_add(for_ms.clamp(HELD_MS.0, HELD_MS.1));
                self.put_back(number, None, Some(due_ms), now_ms);
            }
            Claim::Unreachable => {
                let turn_ms = self.company.turn_ms;
                match self.job_mut(group, at) {
                    Some(job) if turn_ms > 0 && !job.has_waited => {
                        job.has_waited = true;
                        job.turn_at_ms = now_ms.saturating_add(turn_ms);
                        self.put_back(number, None, Some(now_ms.saturating_add(turn_ms)), now_ms);
                    }
                    // Once too often is better than never.
                    _ => self.send(number, now_ms),
                }
            }
        }
    }

    /// Ends what is under way without a result: the job rests until `due_ms`, or altogether.
    fn put_back(&mut self, number: u64, attempt: Option<Box<Attempt>>, due_ms: Option<i64>, now_ms: i64) {
        let Some(ticket) = self.tickets.remove(&number) else { return };
        let Holder { group, job: at } = ticket.holder;
        let integration = ticket.attempt.notification.integration.clone();
        if let Some(token) = ticket.token {
            let key = claim_key(&ticket.group_name, &integration.name);
            self.actions.push(Action::Release { key, token, told: None });
        }
        self.rest(group, at, attempt, due_ms, now_ms);
        self.leave_lane(&integration.name, now_ms);
    }

    fn leave_lane(&mut self, integration: &str, now_ms: i64) {
        if let Some(lane) = self.lanes.get_mut(integration) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        self.pump(integration, now_ms);
    }

    /// Lets a job that was under way rest, and looks again if it was asked to meanwhile.
    fn rest(&mut self, id: u32, at: usize, attempt: Option<Box<Attempt>>, due_ms: Option<i64>, now_ms: i64) {
        let Some(job) = self.job_mut(id, at) else { return };
        job.state = JobState::Idle;
        let looks_again = std::mem::take(&mut job.look_again);
        if let Some(due_ms) = due_ms {
            self.pause(id, at, due_ms, attempt);
        }
        if looks_again {
            self.consider(id, at, now_ms);
        }
        self.prune(id, now_ms);
    }

    pub(super) fn pause(&mut self, id: u32, at: usize, due_ms: i64, attempt: Option<Box<Attempt>>) {
        if let Some(job) = self.job_mut(id, at) {
            job.state = JobState::Paused { due_ms, attempt };
            self.timers.insert((due_ms, Timer::Resume(id, at)));
        }
    }

    /// The pause of a job is over.
    pub(super) fn resume(&mut self, id: u32, at: usize, now_ms: i64) {
        let Some(job) = self.job_mut(id, at) else { return };
        match std::mem::take(&mut job.state) {
            JobState::Paused { attempt, .. } => {
                let integration = job.integration.clone();
                job.state = JobState::Waiting(attempt);
                self.lane(&integration.name).waiting.push_back((id, at));
                self.pump(&integration.name, now_ms);
            }
            other => job.state = other,
        }
    }

    /// Notes what a receiver has taken. Returns how the ledger stands.
    fn note_sent(
        &mut self,
        id: u32,
        at: usize,
        content: Content,
        memory: Memory,
        now_ms: i64,
    ) -> Option<(String, Ledger)> {
        let group = self.groups.get_mut(&id)?;
        let name = group.name(&self.config);
        let job = group.jobs.get_mut(at)?;
        job.ledger.note_sent(content, now_ms);
        if !memory.is_empty() {
            job.ledger.memory = memory;
        }
        let (integration, ledger) = (job.integration.name.clone(), job.ledger.clone());
        self.remember(Record::Ledger { group: name.clone(), integration, ledger: ledger.clone() });
        Some((name, ledger))
    }

    pub(super) fn attempted(&mut self, number: u64, outcome: Outcome, now_ms: i64) {
        let Some(ticket) = self.tickets.remove(&number) else { return };
        if matches!(outcome, Outcome::Taken(_)) {
            self.publish_notified(number, &ticket);
        }
        let Ticket { holder: Holder { group: id, job: at }, group_name, attempt, token, .. } = ticket;
        let integration = attempt.notification.integration.clone();
        let kind = integration.notifier.kind();
        let reason = attempt.notification.reason;
        let (mut again, mut told, mut error, mut is_lost) = (None, None, None, None);
        let mut not_before_ms = 0;
        match outcome {
            Outcome::Taken(memory) => {
                let noted = self.note_sent(id, at, attempt.content.clone(), memory, now_ms);
                // Of a group that is gone by now others may still have to know.
                let ledger = noted.map(|(_, ledger)| ledger).unwrap_or_else(|| {
                    let mut ledger = Ledger::default();
                    ledger.note_sent(attempt.content.clone(), now_ms);
                    ledger
                });
                if !self.company.is_alone {
                    told = Some(self.ledger_entry(&group_name, &integration.name, ledger, now_ms));
                }
            }
            Outcome::TryAgain(failure) => {
                *self.counters.requests_failed.entry(kind).or_default() += 1;
                let wait_ms = self.backoff_ms(attempt.failed).max(failure.wait_ms);
                let due_ms = now_ms.saturating_add(wait_ms);
                if failure.wait_ms > 0 {
                    not_before_ms = due_ms;
                }
                if due_ms < attempt.deadline_ms {
                    again = Some((due_ms, Box::new(Attempt { failed: attempt.failed + 1, ..*attempt })));
                } else {
                    is_lost = Some(failure.reason);
                }
                error = Some(failure.message);
            }
            Outcome::Refused(failure) => {
                *self.counters.requests_failed.entry(kind).or_default() += 1;
                is_lost = Some(failure.reason);
                error = Some(failure.message);
            }
        }
        match token {
            Some(token) => {
                let key = claim_key(&group_name, &integration.name);
                self.actions.push(Action::Release { key, token, told });
            }
            None => {
                if let Some(entry) = told {
                    self.actions.push(Action::Share(vec![entry]));
                }
            }
        }
        if let Some(reason) = is_lost {
            *self.counters.notifications_failed.entry((kind, reason)).or_default() += 1;
            self.note_given_up(id, &integration, error.as_deref().unwrap_or_default(), now_ms);
        }
        if let Some(job) = self.job_mut(id, at) {
            job.not_before_ms = not_before_ms;
            job.has_failed = is_lost.is_some() || (job.has_failed && error.is_some());
            job.last = Some(Box::new(LastAttempt { at_ms: now_ms, reason, error }));
            // What comes after this waits for its turn anew; another try of the same need not.
            job.has_waited = job.has_waited && again.is_some();
            let (due_ms, attempt) = again.unzip();
            self.rest(id, at, attempt, due_ms, now_ms);
            // One that refuses as the fallback is asked again at the next flush, not at once.
            let is_fallback = self.config.care.fallback_receiver.as_ref() == Some(&integration.receiver);
            if is_lost.is_some() && !is_fallback {
                self.fall_back(id, now_ms);
            }
        }
        self.leave_lane(&integration.name, now_ms);
    }

    fn note_given_up(&mut self, id: u32, integration: &Integration, error: &str, now_ms: i64) {
        self.note(now_ms, |this| {
            let group = this.groups.get(&id)?;
            let labels =
                group.alerts.iter().filter_map(|alert| Some(this.alerts.get(*alert)?.labels.clone()));
            let step = Step::GivenUp {
                group: group.shown_key(&this.config),
                integration: integration.name.as_str().into(),
                error: error.into(),
            };
            Some((Subject::Alerts(labels.collect()), step))
        });
    }

    /// How long to wait after so many failures, some of it by chance.
    fn backoff_ms(&mut self, failed: u32) -> i64 {
        let mut wait_ms = BACKOFF_FIRST_MS;
        for _ in 0..failed.min(20) {
            wait_ms = (wait_ms + wait_ms / 2).min(BACKOFF_MAX_MS);
        }
        // Spread upwards only: with a timeout of half a second, one that stalled for a second is not met stalling.
        wait_ms + self.random_below(wait_ms as u64 / 2) as i64
    }
}
