//! Groups, their flushes, and notifications under way.

use super::*;
use crate::notification::{Reason, Told, alert_order};
use crate::timeinterval::any_contains_ms;

/// The least time a notification has before it is given up until the next flush.
const DEADLINE_MIN_MS: i64 = 10_000;
/// The first wait before an attempt is repeated; each further one is half as long again.
const BACKOFF_FIRST_MS: i64 = 500;
/// The longest wait before an attempt is repeated.
const BACKOFF_MAX_MS: i64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Flush(u64),
    Retry(u64, usize),
    /// What has become old is looked for.
    Upkeep,
}

/// Alerts that are told together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) route: usize,
    pub(super) labels: Labels,
    pub(super) alerts: BTreeSet<Labels>,
    pub(super) is_flushed: bool,
    pub(super) next_flush_ms: i64,
    /// One for each integration of the route's receiver.
    pub(super) jobs: Vec<Job>,
}

/// What one integration has to do for one group.
#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) state: JobState,
    /// A flush came while a notification was under way: look again when it is done.
    look_again: bool,
    pub(super) last: Option<LastAttempt>,
}

#[derive(Debug, Default)]
pub(super) enum JobState {
    /// Nothing to do.
    #[default]
    Idle,
    /// In line; what to say is decided when its turn comes, unless it said something before.
    Waiting(Option<Attempt>),
    /// Under way.
    UnderWay,
    /// Failed, to be tried again.
    BackingOff(Attempt),
}

/// A notification that was not taken yet.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    notification: Arc<Notification>,
    content: Content,
    deadline_ms: i64,
    failed: u32,
    due_ms: i64,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Ticket {
    group: u64,
    job: usize,
    pub(super) group_name: String,
    pub(super) notification: Arc<Notification>,
    content: Content,
    pub(super) deadline_ms: i64,
    failed: u32,
}

/// The notifications of one integration.
#[derive(Debug, Default)]
pub(super) struct Lane {
    under_way: usize,
    pub(super) waiting: VecDeque<(u64, usize)>,
}

impl Group {
    pub(super) fn new(
        name: String,
        key: String,
        route: usize,
        labels: Labels,
        is_flushed: bool,
        integrations: usize,
    ) -> Self {
        let jobs = (0..integrations).map(|_| Job::default()).collect();
        Group { name, key, route, labels, alerts: BTreeSet::new(), is_flushed, next_flush_ms: 0, jobs }
    }

    pub(super) fn record(&self) -> Record {
        Record::Group {
            name: self.name.clone(),
            is_flushed: self.is_flushed,
            next_flush_ms: self.next_flush_ms,
        }
    }

    pub(super) fn shift(&mut self, by_ms: i64) {
        self.next_flush_ms = self.next_flush_ms.saturating_add(by_ms);
        for job in &mut self.jobs {
            if let JobState::Waiting(Some(attempt)) | JobState::BackingOff(attempt) = &mut job.state {
                attempt.deadline_ms = attempt.deadline_ms.saturating_add(by_ms);
                attempt.due_ms = attempt.due_ms.saturating_add(by_ms);
            }
        }
    }
}

impl Dispatcher {
    pub(super) fn schedule_flush(&mut self, id: u64, due_ms: i64) {
        let due_ms = due_ms.max(self.not_before_ms);
        if let Some(group) = self.groups.get_mut(&id) {
            self.timers.remove(&(group.next_flush_ms, Timer::Flush(id)));
            group.next_flush_ms = due_ms;
            self.timers.insert((due_ms, Timer::Flush(id)));
        }
    }

    pub(super) fn run_timers(&mut self, now_ms: i64) {
        while let Some((due_ms, timer)) = self.timers.first().copied() {
            if due_ms > now_ms {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Flush(id) => self.flush(id, now_ms),
                Timer::Retry(id, at) => self.retry(id, at, now_ms),
                Timer::Upkeep => self.upkeep(now_ms),
            }
        }
    }

    fn flush(&mut self, id: u64, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.alerts.is_empty() {
            self.drop_group(id);
            return;
        }
        let Some(interval_ms) = self.config.routes.get(group.route).map(|route| route.group_interval_ms)
        else {
            return;
        };
        // From now on these have ended, whatever the clock will say.
        let ended = group.alerts.iter().filter(|labels| {
            self.alerts.get(*labels).is_some_and(|held| !held.has_ended && held.alert.is_resolved_at(now_ms))
        });
        for labels in ended.cloned().collect::<Vec<_>>() {
            if let Some(held) = self.alerts.get_mut(&labels) {
                held.has_ended = true;
                let record = held.record();
                self.remember(record);
            }
        }
        self.schedule_flush(id, now_ms.saturating_add(interval_ms.max(1)));
        if let Some(group) = self.groups.get_mut(&id)
            && !group.is_flushed
        {
            group.is_flushed = true;
            let record = group.record();
            self.remember(record);
        }
        let jobs = self.groups.get(&id).map_or(0, |group| group.jobs.len());
        for at in 0..jobs {
            self.consider(id, at, now_ms);
        }
        self.prune(id, now_ms);
    }

    /// Puts a group in line for an integration. Whether there is anything to say, and what, is
    /// decided when its turn comes.
    fn consider(&mut self, id: u64, at: usize, now_ms: i64) {
        let Some(job) = self.groups.get_mut(&id).and_then(|group| group.jobs.get_mut(at)) else { return };
        match &job.state {
            JobState::UnderWay => {
                job.look_again = true;
                return;
            }
            JobState::Waiting(None) => return,
            JobState::Waiting(Some(_)) => {
                // It failed before and stands in line again: say what is so now instead.
                job.state = JobState::Waiting(None);
                return;
            }
            JobState::BackingOff(attempt) => {
                let timer = (attempt.due_ms, Timer::Retry(id, at));
                job.state = JobState::Idle;
                self.timers.remove(&timer);
            }
            JobState::Idle => {}
        }
        job.state = JobState::Waiting(None);
        let Some(integration) = self.integration(id, at) else { return };
        self.lanes.entry(integration.name.clone()).or_default().waiting.push_back((id, at));
        self.pump(&integration.name, now_ms);
    }

    fn integration(&self, id: u64, at: usize) -> Option<Arc<Integration>> {
        let route = self.config.routes.get(self.groups.get(&id)?.route)?;
        self.integrations.get(&route.receiver)?.get(at).cloned()
    }

    /// The alerts of a group that an integration may hear of, and why it must hear of them now.
    fn what_to_tell(
        &mut self,
        id: u64,
        at: usize,
        now_ms: i64,
    ) -> Option<(Arc<Integration>, Content, Reason)> {
        let integration = self.integration(id, at)?;
        let group = self.groups.get(&id)?;
        if !self.silences.is_empty() {
            for labels in &group.alerts {
                if let Some(held) = self.alerts.get_mut(labels) {
                    self.silences.look(labels, &mut held.silences);
                }
            }
        }
        let route = self.config.routes.get(group.route)?;
        if let Some(reason) = self.why_muted(group.route, now_ms) {
            *self.counters.suppressed.entry(reason).or_default() += group.alerts.len() as u64;
            return None;
        }
        let nothing = Ledger::default();
        let ledger =
            self.ledgers.get(&group.name).and_then(|of| of.get(&integration.name)).unwrap_or(&nothing);
        let mut content = Content::default();
        let (mut inhibited, mut silenced) = (0, 0);
        for labels in &group.alerts {
            let Some(held) = self.alerts.get(labels) else { continue };
            let fingerprint = labels.fingerprint();
            let has_ended = held.is_resolved_at(now_ms);
            // Who was told that it fires, or may have been, is told that it ended, even if it is
            // inhibited or silenced by now.
            if !(has_ended && ledger.may_know(fingerprint)) {
                if self.is_inhibited(labels, now_ms) {
                    inhibited += 1;
                    continue;
                }
                if self.silences.is_silenced(&held.silences, now_ms) {
                    silenced += 1;
                    continue;
                }
            }
            let set = if has_ended { &mut content.resolved } else { &mut content.firing };
            set.insert(fingerprint);
        }
        for (why, count) in [("inhibition", inhibited), ("silence", silenced)] {
            if count > 0 {
                *self.counters.suppressed.entry(why).or_default() += count;
            }
        }
        if inhibited + silenced > 0 && content == Content::default() {
            return None;
        }
        let reason = ledger.reason_to_tell(
            &content,
            integration.notifier.sends_resolved(),
            route.repeat_interval_ms,
            now_ms,
        )?;
        Some((integration, content, reason))
    }

    pub(super) fn is_inhibited(&self, labels: &Labels, now_ms: i64) -> bool {
        !self.inhibited_by(labels, 1, now_ms).is_empty()
    }

    pub(super) fn inhibited_by(&self, labels: &Labels, at_most: usize, now_ms: i64) -> Vec<Labels> {
        self.inhibitor.inhibited_by(labels, at_most, |source| {
            self.alerts.get(source).is_some_and(|held| !held.is_resolved_at(now_ms))
        })
    }

    /// Why a route is muted now, in the word that metrics have for it.
    pub(super) fn why_muted(&self, route: usize, now_ms: i64) -> Option<&'static str> {
        let route = self.config.routes.get(route)?;
        let contains = |name: &String| {
            self.config.time_intervals.get(name).is_some_and(|list| any_contains_ms(list, now_ms))
        };
        let active = &route.active_time_intervals;
        if !active.is_empty() && !active.iter().any(contains) {
            Some("active_time_interval")
        } else {
            route.mute_time_intervals.iter().any(contains).then_some("mute_time_interval")
        }
    }

    /// The time intervals that mute a route now: those in which it is mute, or, outside all in
    /// which it is active, these.
    pub fn muting_intervals(&self, route: usize, now_ms: i64) -> Vec<String> {
        let why = self.why_muted(route, now_ms);
        let Some(route) = self.config.routes.get(route).filter(|_| why.is_some()) else { return Vec::new() };
        let contains = |name: &&String| {
            self.config.time_intervals.get(*name).is_some_and(|list| any_contains_ms(list, now_ms))
        };
        match why {
            Some("active_time_interval") => route.active_time_intervals.clone(),
            _ => route.mute_time_intervals.iter().filter(contains).cloned().collect(),
        }
    }

    /// Starts what stands in line for an integration as far as its limit allows.
    fn pump(&mut self, integration: &str, now_ms: i64) {
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
            let Some(job) = self.groups.get_mut(&id).and_then(|group| group.jobs.get_mut(at)) else {
                continue;
            };
            match std::mem::take(&mut job.state) {
                JobState::Waiting(None) => self.start(id, at, now_ms),
                JobState::Waiting(Some(attempt)) => self.send(id, at, attempt, now_ms),
                other => job.state = other,
            }
        }
    }

    /// Makes a notification and sends it, if there still is a reason to.
    fn start(&mut self, id: u64, at: usize, now_ms: i64) {
        let Some((integration, content, reason)) = self.what_to_tell(id, at, now_ms) else {
            self.prune(id, now_ms);
            return;
        };
        let Some(group) = self.groups.get(&id) else { return };
        let Some(route) = self.config.routes.get(group.route) else { return };
        let sends_resolved = integration.notifier.sends_resolved();
        let mut alerts: Vec<Told> = Vec::with_capacity(content.firing.len() + content.resolved.len());
        for labels in &group.alerts {
            let fingerprint = labels.fingerprint();
            let is_resolved = content.resolved.contains(&fingerprint);
            let is_told = (is_resolved && sends_resolved) || content.firing.contains(&fingerprint);
            if let Some(held) = self.alerts.get(labels).filter(|_| is_told) {
                alerts.push(Told { alert: held.alert.clone(), is_resolved });
            }
        }
        alerts.sort_by(|a, b| alert_order(&a.alert.labels, &b.alert.labels));
        let has_something_to_say = !alerts.is_empty();
        let deadline_ms = now_ms.saturating_add(route.group_interval_ms.max(DEADLINE_MIN_MS));
        let group_name = group.name.clone();
        let ledger = self.ledgers.get(&group_name).and_then(|of| of.get(&integration.name));
        let notification = Arc::new(Notification {
            integration: integration.clone(),
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            route_labels: route.labels.clone(),
            reason,
            alerts,
            memory: ledger.map(|ledger| ledger.memory.clone()).unwrap_or_default(),
        });
        if !has_something_to_say {
            // All has ended for a receiver that does not want to hear of it: only note it.
            self.note_sent(&group_name, &integration.name, content, Memory::new(), now_ms);
            self.prune(id, now_ms);
            return;
        }
        let ledger =
            self.ledgers.entry(group_name.clone()).or_default().entry(integration.name.clone()).or_default();
        if ledger.note_attempt(&content) {
            let ledger = ledger.clone();
            self.remember(Record::Ledger {
                group: group_name,
                integration: integration.name.clone(),
                ledger,
            });
        }
        *self.counters.notifications.entry(integration.notifier.kind()).or_default() += 1;
        self.send(id, at, Attempt { notification, content, deadline_ms, failed: 0, due_ms: now_ms }, now_ms);
    }

    fn send(&mut self, id: u64, at: usize, attempt: Attempt, now_ms: i64) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(job) = group.jobs.get_mut(at) else { return };
        let Attempt { notification, content, deadline_ms, failed, .. } = attempt;
        job.state = JobState::UnderWay;
        let group_name = group.name.clone();
        let integration = notification.integration.clone();
        let route = self.config.routes.get(group.route);
        let timeout_ms = match integration.notifier.timeout_ms() {
            0 => route.map_or(0, |route| route.group_interval_ms).max(DEADLINE_MIN_MS),
            own => own,
        };
        let ticket = self.new_id();
        self.tickets.insert(
            ticket,
            Ticket {
                group: id,
                job: at,
                group_name,
                notification: notification.clone(),
                content,
                deadline_ms: deadline_ms.max(now_ms),
                failed,
            },
        );
        self.lanes.entry(integration.name.clone()).or_default().under_way += 1;
        *self.counters.requests.entry(integration.notifier.kind()).or_default() += 1;
        self.actions.push(Action::Send { ticket, notification, timeout_ms });
    }

    fn note_sent(&mut self, group: &str, integration: &str, content: Content, memory: Memory, now_ms: i64) {
        let ledger =
            self.ledgers.entry(group.to_string()).or_default().entry(integration.to_string()).or_default();
        ledger.note_sent(content, now_ms);
        if !memory.is_empty() {
            ledger.memory = memory;
        }
        let record = Record::Ledger {
            group: group.to_string(),
            integration: integration.to_string(),
            ledger: ledger.clone(),
        };
        self.remember(record);
    }

    pub(super) fn attempted(&mut self, ticket: u64, outcome: Outcome, now_ms: i64) {
        let Some(ticket) = self.tickets.remove(&ticket) else { return };
        let integration = ticket.notification.integration.clone();
        let kind = integration.notifier.kind();
        if let Some(lane) = self.lanes.get_mut(&integration.name) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        let mut next = JobState::Idle;
        let mut error = None;
        match outcome {
            Outcome::Taken(memory) => {
                // A group that is gone by now has no one to remember for.
                if self.group_by_name.contains_key(&ticket.group_name) {
                    self.note_sent(&ticket.group_name, &integration.name, ticket.content, memory, now_ms);
                }
            }
            Outcome::TryAgain(failure) => {
                *self.counters.requests_failed.entry(kind).or_default() += 1;
                let wait_ms = self.backoff_ms(ticket.failed).max(failure.wait_ms);
                let due_ms = now_ms.saturating_add(wait_ms);
                if due_ms < ticket.deadline_ms {
                    next = JobState::BackingOff(Attempt {
                        notification: ticket.notification.clone(),
                        content: ticket.content,
                        deadline_ms: ticket.deadline_ms,
                        failed: ticket.failed + 1,
                        due_ms,
                    });
                } else {
                    *self.counters.notifications_failed.entry((kind, failure.reason)).or_default() += 1;
                }
                error = Some(failure.message);
            }
            Outcome::Refused(failure) => {
                *self.counters.requests_failed.entry(kind).or_default() += 1;
                *self.counters.notifications_failed.entry((kind, failure.reason)).or_default() += 1;
                error = Some(failure.message);
            }
        }
        if let Some(job) = self.groups.get_mut(&ticket.group).and_then(|group| group.jobs.get_mut(ticket.job))
        {
            job.last = Some(LastAttempt { at_ms: now_ms, reason: ticket.notification.reason, error });
            if let JobState::BackingOff(attempt) = &next {
                self.timers.insert((attempt.due_ms, Timer::Retry(ticket.group, ticket.job)));
            }
            job.state = next;
            if std::mem::take(&mut job.look_again) {
                self.consider(ticket.group, ticket.job, now_ms);
            }
            self.prune(ticket.group, now_ms);
        }
        self.pump(&integration.name, now_ms);
    }

    /// How long to wait after so many failures, half of it by chance.
    fn backoff_ms(&mut self, failed: u32) -> i64 {
        let mut wait_ms = BACKOFF_FIRST_MS;
        for _ in 0..failed.min(20) {
            wait_ms = (wait_ms + wait_ms / 2).min(BACKOFF_MAX_MS);
        }
        wait_ms / 2 + self.random_below(wait_ms as u64) as i64
    }

    fn retry(&mut self, id: u64, at: usize, now_ms: i64) {
        let Some(job) = self.groups.get_mut(&id).and_then(|group| group.jobs.get_mut(at)) else { return };
        match std::mem::take(&mut job.state) {
            JobState::BackingOff(attempt) => {
                let integration = attempt.notification.integration.name.clone();
                job.state = JobState::Waiting(Some(attempt));
                self.lanes.entry(integration.clone()).or_default().waiting.push_back((id, at));
                self.pump(&integration, now_ms);
            }
            other => job.state = other,
        }
    }

    /// Ties a notification that is under way to its group after the groups were made anew.
    pub(super) fn adopt(&mut self, ticket: u64, group_name: &str, integration: &str) {
        let Some(id) = self.group_by_name.get(group_name).copied() else { return };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let receiver = self.config.routes.get(group.route).map_or("", |route| route.receiver.as_str());
        let list = self.integrations.get(receiver).map_or(&[][..], Vec::as_slice);
        let Some(at) = list.iter().position(|known| known.name == integration) else { return };
        if let (Some(job), Some(ticket)) = (group.jobs.get_mut(at), self.tickets.get_mut(&ticket)) {
            job.state = JobState::UnderWay;
            (ticket.group, ticket.job) = (id, at);
        }
    }

    /// Takes ended alerts out of a group once everyone who should hear of their end has.
    fn prune(&mut self, id: u64, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.jobs.iter().any(|job| !matches!(job.state, JobState::Idle)) {
            return;
        }
        let receiver = self.config.routes.get(group.route).map_or("", |route| route.receiver.as_str());
        let integrations = self.integrations.get(receiver).map_or(&[][..], Vec::as_slice);
        let ledgers = self.ledgers.get(&group.name);
        let (mut done, mut given_up) = (Vec::new(), 0);
        for labels in &group.alerts {
            let Some(held) = self.alerts.get(labels) else { continue };
            if !held.has_ended {
                continue;
            }
            let fingerprint = labels.fingerprint();
            let must_hear = integrations.iter().any(|integration| {
                let ledger = ledgers.and_then(|ledgers| ledgers.get(&integration.name));
                integration.notifier.sends_resolved()
                    && ledger.is_some_and(|ledger| ledger.may_know(fingerprint))
            });
            let is_too_old = held.alert.ends_at_ms.saturating_add(self.limits.retention_ms) < now_ms;
            if must_hear && is_too_old {
                given_up += 1;
            }
            if !must_hear || is_too_old {
                done.push((labels.clone(), fingerprint));
            }
        }
        self.counters.given_up += given_up;
        let name = group.name.clone();
        for (labels, fingerprint) in done {
            if let Some(group) = self.groups.get_mut(&id) {
                group.alerts.remove(&labels);
            }
            for ledger in self.ledgers.get_mut(&name).into_iter().flat_map(BTreeMap::values_mut) {
                ledger.forget(fingerprint);
            }
            if let Some(held) = self.alerts.get_mut(&labels) {
                held.groups.remove(&id);
                if held.groups.is_empty() {
                    self.drop_alert(&labels);
                }
            }
        }
    }

    /// Forgets a group without alerts, and what was told about it.
    fn drop_group(&mut self, id: u64) {
        let Some(group) = self.groups.remove(&id) else { return };
        self.timers.remove(&(group.next_flush_ms, Timer::Flush(id)));
        self.group_by_name.remove(&group.name);
        self.ledgers.remove(&group.name);
        self.remember(Record::GroupGone { name: group.name });
    }
}
