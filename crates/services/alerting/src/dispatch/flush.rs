//! Groups, and what is decided when one is flushed.

use std::sync::OnceLock;

use super::attempts::Attempt;
use super::*;
use crate::notification::Reason;
use crate::timeinterval::any_contains_ms;
use crate::trail::{Muter, Step, Subject};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Flush(u32),
    /// The pause of a job is over.
    Resume(u32, usize),
    /// Somebody may have to be told that nobody has acknowledged an alert of this group.
    Escalate(u32),
    /// What has become old is looked for.
    Upkeep,
}

/// Alerts that are told together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) route: u32,
    pub(super) labels: Labels,
    pub(super) alerts: Vec<AlertId>,
    pub(super) is_flushed: bool,
    pub(super) next_flush_ms: i64,
    /// What receivers and the trail know it by, once somebody asked.
    shown_key: OnceLock<Arc<str>>,
    /// When [`Timer::Escalate`] is set; `i64::MAX` if it is not.
    pub(super) escalates_at_ms: i64,
    /// One for each integration of the route's receiver; behind them those that are told in special
    /// cases, once there was one.
    pub(super) jobs: Vec<Job>,
}

/// Why an integration is told of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It belongs to the route's receiver.
    Primary,
    /// Nobody acknowledged in time.
    Escalation,
    /// Others could not be told.
    Fallback,
}

/// What one integration has to do for one group.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) integration: Arc<Integration>,
    pub(super) role: Role,
    pub(super) state: JobState,
    /// A flush came while a notification was under way: look again when it is done.
    pub(super) look_again: bool,
    /// It has waited until those before it had their turn.
    pub(super) has_waited: bool,
    /// The last notification failed for good or for its time.
    pub(super) has_failed: bool,
    /// The receiver wants to be left alone until then.
    pub(super) not_before_ms: i64,
    /// Those before it have their turn until then, if replicas take turns.
    pub(super) turn_at_ms: i64,
    pub(super) ledger: Ledger,
    pub(super) last: Option<Box<LastAttempt>>,
}

#[derive(Debug, Default)]
pub(super) enum JobState {
    /// Nothing to do.
    #[default]
    Idle,
    /// In line; what to say is decided when its turn comes, unless it said something before.
    Waiting(Option<Box<Attempt>>),
    /// Under way.
    UnderWay,
    /// Not before its time: it failed and is tried again, or another replica may tell it.
    Paused { due_ms: i64, attempt: Option<Box<Attempt>> },
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) holder: Holder,
    pub(super) group_name: String,
    pub(super) group_labels: Labels,
    pub(super) attempt: Box<Attempt>,
    /// The claim it has, if claims are made and could be.
    pub(super) token: Option<Token>,
}

/// Whose a ticket is. No group has the number 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holder {
    pub(super) group: u32,
    pub(super) job: usize,
}

/// The notifications of one integration.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) under_way: usize,
    pub(super) waiting: VecDeque<(u32, usize)>,
}

/// What an integration is to be told, and why.
pub(super) struct Telling {
    pub(super) content: Content,
    pub(super) reason: Reason,
    /// The alerts it tells of, and whether each has ended.
    pub(super) alerts: Vec<(AlertId, bool)>,
    /// Those it leaves out because they are inhibited or silenced, if anybody follows.
    pub(super) muted: Vec<Labels>,
}

/// What a group's state is kept under.
pub(super) fn group_name(config: &Config, route: u32, labels: &Labels) -> String {
    let route = config.routes.get(route as usize).map_or("", |route| route.name.as_str());
    format!("{route}:{labels}")
}

impl Group {
    pub(super) fn new(route: u32, labels: Labels) -> Self {
        Group {
            route,
            labels,
            alerts: Vec::new(),
            is_flushed: false,
            next_flush_ms: 0,
            shown_key: OnceLock::new(),
            escalates_at_ms: i64::MAX,
            jobs: Vec::new(),
        }
    }

    pub(super) fn name(&self, config: &Config) -> String {
        group_name(config, self.route, &self.labels)
    }

    /// What receivers know it by.
    pub(super) fn key(&self, config: &Config) -> String {
        self.shown_key(config).to_string()
    }

    /// The same, shared.
    pub(super) fn shown_key(&self, config: &Config) -> Arc<str> {
        let make = || {
            let route = config.routes.get(self.route as usize).map_or("", |route| route.key.as_str());
            format!("{route}:{}", self.labels).into()
        };
        self.shown_key.get_or_init(make).clone()
    }

    pub(super) fn record(&self, name: String) -> Record {
        Record::Group { name, is_flushed: self.is_flushed, next_flush_ms: self.next_flush_ms }
    }

    pub(super) fn job_of(&self, integration: &str) -> Option<usize> {
        self.jobs.iter().position(|job| job.integration.name == integration)
    }

    pub(super) fn add_job(&mut self, integration: Arc<Integration>, role: Role) -> usize {
        self.jobs.push(Job {
            integration,
            role,
            state: JobState::Idle,
            look_again: false,
            has_waited: false,
            has_failed: false,
            not_before_ms: 0,
            turn_at_ms: 0,
            ledger: Ledger::default(),
            last: None,
        });
        self.jobs.len() - 1
    }

    pub(super) fn shift(&mut self, by_ms: i64) {
        self.next_flush_ms = self.next_flush_ms.saturating_add(by_ms);
        if self.escalates_at_ms != i64::MAX {
            self.escalates_at_ms = self.escalates_at_ms.saturating_add(by_ms);
        }
        for job in &mut self.jobs {
            for at_ms in [&mut job.not_before_ms, &mut job.turn_at_ms] {
                if *at_ms != 0 {
                    *at_ms = at_ms.saturating_add(by_ms);
                }
            }
            match &mut job.state {
                JobState::Waiting(Some(attempt)) => {
                    attempt.deadline_ms = attempt.deadline_ms.saturating_add(by_ms);
                }
                JobState::Paused { due_ms, attempt } => {
                    *due_ms = due_ms.saturating_add(by_ms);
                    if let Some(attempt) = attempt {
                        attempt.deadline_ms = attempt.deadline_ms.saturating_add(by_ms);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Dispatcher {
    pub(super) fn schedule_flush(&mut self, id: u32, due_ms: i64) {
        let due_ms = due_ms.max(self.not_before_ms);
        if let Some(group) = self.groups.get_mut(&id) {
            self.timers.remove(&(group.next_flush_ms, Timer::Flush(id)));
            group.next_flush_ms = due_ms;
            self.timers.insert((due_ms, Timer::Flush(id)));
        }
    }

    pub(super) fn run_timers(&mut self, now_ms: i64) {
        if !self.is_settled {
            return;
        }
        while let Some((due_ms, timer)) = self.timers.first().copied() {
            if due_ms > now_ms {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Flush(id) => self.flush(id, now_ms),
                Timer::Resume(id, at) => self.resume(id, at, now_ms),
                Timer::Escalate(id) => self.escalate(id, now_ms),
                Timer::Upkeep => self.upkeep(now_ms),
            }
        }
    }

    fn flush(&mut self, id: u32, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.alerts.is_empty() {
            self.drop_group(id);
            return;
        }
        let Some(interval_ms) =
            self.config.routes.get(group.route as usize).map(|route| route.group_interval_ms)
        else {
            return;
        };
        // From now on these have ended, whatever the clock will say.
        let has_just_ended =
            |held: &Held| !held.has_ended && held.ends_at_ms != 0 && held.ends_at_ms <= now_ms;
        let ended = group.alerts.iter().filter(|id| self.alerts.get(**id).is_some_and(has_just_ended));
        for alert in ended.copied().collect::<Vec<_>>() {
            if let Some(held) = self.alerts.get_mut(alert) {
                held.has_ended = true;
                let (record, fingerprint) = (held.record(), held.fingerprint);
                self.remember(record);
                self.note_change(fingerprint, now_ms);
            }
        }
        self.schedule_flush(id, now_ms.saturating_add(interval_ms.max(1)));
        if let Some(group) = self.groups.get_mut(&id)
            && !group.is_flushed
        {
            group.is_flushed = true;
            let record = group.record(group.name(&self.config));
            self.remember(record);
        }
        self.publish_muted(id, now_ms);
        self.escalate(id, now_ms);
        let jobs = self.groups.get(&id).map_or(0, |group| group.jobs.len());
        for at in 0..jobs {
            // Who has something to say waits anew for each thing it says, and once for it: flushes may
            // be closer to each other than turns are, or come just when a turn does.
            if let Some(job) = self.job_mut(id, at).filter(|job| matches!(job.state, JobState::Idle)) {
                job.has_waited = false;
            }
            self.consider(id, at, now_ms);
        }
        self.prune(id, now_ms);
    }

    pub(super) fn job_mut(&mut self, id: u32, at: usize) -> Option<&mut Job> {
        self.groups.get_mut(&id)?.jobs.get_mut(at)
    }

    /// Puts a group in line for an integration. Whether there is anything to say, and what, is
    /// decided when its turn comes.
    pub(super) fn consider(&mut self, id: u32, at: usize, now_ms: i64) {
        let turn_ms = self.company.turn_ms;
        let Some(job) = self.groups.get_mut(&id).and_then(|group| group.jobs.get_mut(at)) else { return };
        match &job.state {
            JobState::UnderWay => {
                job.look_again = true;
                return;
            }
            JobState::Waiting(_) => {
                // If it failed before and stands in line again: say what is so now instead.
                job.state = JobState::Waiting(None);
                return;
            }
            JobState::Paused { due_ms, .. } => {
                self.timers.remove(&(*due_ms, Timer::Resume(id, at)));
            }
            JobState::Idle => {}
        }
        if turn_ms > 0 && !job.has_waited {
            job.has_waited = true;
            job.turn_at_ms = now_ms.saturating_add(turn_ms);
        }
        let due_ms = job.not_before_ms.max(if turn_ms > 0 { job.turn_at_ms } else { 0 });
        if due_ms > now_ms {
            // What is so by then is said then.
            self.pause(id, at, due_ms, None);
            return;
        }
        job.state = JobState::Waiting(None);
        let integration = job.integration.clone();
        self.lane(&integration.name).waiting.push_back((id, at));
        self.pump(&integration.name, now_ms);
    }

    /// The notifications of an integration.
    pub(super) fn lane(&mut self, integration: &str) -> &mut Lane {
        if !self.lanes.contains_key(integration) {
            self.lanes.insert(integration.to_string(), Lane::default());
        }
        self.lanes.entry(integration.to_string()).or_default()
    }

    /// The alerts of a group that an integration may hear of, and why it must hear of them now.
    pub(super) fn what_to_tell(&mut self, id: u32, at: usize, now_ms: i64) -> Option<Telling> {
        self.look_for_silences(id);
        let group = self.groups.get(&id)?;
        let job = group.jobs.get(at)?;
        let route = self.config.routes.get(group.route as usize)?;
        let (ledger, is_primary) = (&job.ledger, job.role == Role::Primary);
        let sends_resolved = job.integration.notifier.sends_resolved();
        let why_muted = self.why_muted(group.route as usize, now_ms);
        if let Some(why) = why_muted {
            *self.counters.suppressed.entry(why).or_default() += group.alerts.len() as u64;
            self.note_muted(id, now_ms);
            return None;
        }
        let (mut firing, mut resolved, mut alerts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut inhibited, mut silenced, mut unacknowledged) = (0, 0, 0);
        let mut muted = Vec::new();
        for alert in &group.alerts {
            let Some(held) = self.alerts.get(*alert) else { continue };
            let fingerprint = held.fingerprint;
            let has_ended = held.is_resolved_at(now_ms) && !self.flaps.is_flapping(fingerprint);
            // Who was told that it fires, or may have been, is told that it ended, even if it is
            // inhibited or silenced by now.
            let must_hear = has_ended && ledger.may_know(fingerprint);
            if !is_primary && !must_hear && !self.concerns(group, job, held, now_ms) {
                continue;
            }
            if !must_hear {
                let is_inhibited = self.is_inhibited(&held.labels, now_ms);
                let is_silenced = !is_inhibited
                    && held.silences.as_ref().is_some_and(|found| self.silences.is_silenced(found, now_ms));
                inhibited += u64::from(is_inhibited);
                silenced += u64::from(is_silenced);
                if is_inhibited || is_silenced {
                    muted.extend(self.publishes.then(|| held.labels.clone()));
                    continue;
                }
            }
            if has_ended {
                resolved.push(fingerprint);
            } else {
                firing.push(fingerprint);
                unacknowledged += usize::from(!self.is_acknowledged(fingerprint, now_ms));
            }
            if !has_ended || sends_resolved {
                alerts.push((*alert, has_ended));
            }
        }
        let content = Content { firing: Fingerprints::new(firing), resolved: Fingerprints::new(resolved) };
        let reason = ledger.reason_to_tell(&content, sends_resolved, route.repeat_interval_ms, now_ms);
        for (why, count) in [("inhibition", inhibited), ("silence", silenced)] {
            if count > 0 {
                *self.counters.suppressed.entry(why).or_default() += count;
            }
        }
        self.note_muted(id, now_ms);
        if content == Content::default() {
            return None; // Nothing may be said, which is not to say that all has ended.
        }
        // Somebody is at it: no need to say it again.
        let reason = reason.filter(|reason| *reason != Reason::Repeat || unacknowledged > 0)?;
        Some(Telling { content, reason, alerts, muted })
    }

    /// Brings what is known of silences up to date for all alerts of a group.
    pub(super) fn look_for_silences(&mut self, id: u32) {
        if self.silences.is_empty() {
            return;
        }
        for alert in self.groups.get(&id).map_or(&[][..], |group| &group.alerts) {
            if let Some(held) = self.alerts.get_mut(*alert) {
                self.silences.look(&held.labels, held.silences.get_or_insert_default());
            }
        }
    }

    /// Tells the trail which alerts of a group are muted by something else than before.
    fn note_muted(&mut self, id: u32, now_ms: i64) {
        let Some(group) = self.groups.get(&id).filter(|_| self.notes) else { return };
        let key = group.shown_key(&self.config);
        let interval = self.muting_intervals(group.route as usize, now_ms).into_iter().next();
        let mut news = Vec::new();
        for alert in &group.alerts {
            let Some(held) = self.alerts.get(*alert) else { continue };
            let fires = |source| self.fires(source, now_ms);
            let by = if let Some(name) = &interval {
                Some((Muted::Interval, Muter::TimeInterval { name: name.as_str().into() }))
            } else if held.muted == Muted::Inhibited && self.is_inhibited(&held.labels, now_ms) {
                continue; // As before: by whom need not be looked up among very many.
            } else if let Some((source, rule)) = self
                .is_inhibited(&held.labels, now_ms)
                .then(|| self.inhibitor.inhibited_by(&held.labels, 1, fires).into_iter().next())
                .flatten()
            {
                let source = self.alerts.get(source).map(|held| held.labels.clone()).unwrap_or_default();
                Some((Muted::Inhibited, Muter::Inhibition { rule: rule.shown().into(), source }))
            } else {
                let found = held.silences.as_deref();
                let ids = found.map(|found| self.silences.silenced_by(&held.labels, found, now_ms));
                ids.and_then(|ids| ids.into_iter().next())
                    .map(|id| (Muted::Silenced, Muter::Silence { id: id.into() }))
            };
            let muted = by.as_ref().map_or(Muted::No, |(muted, _)| *muted);
            if muted != held.muted {
                news.push((*alert, muted, by.map(|(_, by)| by)));
            }
        }
        for (alert, muted, by) in news {
            let Some(held) = self.alerts.get_mut(alert) else { continue };
            held.muted = muted;
            let subject = Subject::Alert(held.labels.clone());
            let group = key.clone();
            self.note(now_ms, |_| Some((subject, Step::Muted { group, by: by? })));
        }
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

    /// Takes ended alerts out of a group once everyone who should hear of their end has.
    pub(super) fn prune(&mut self, id: u32, now_ms: i64) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.jobs.iter().any(|job| !matches!(job.state, JobState::Idle)) {
            return;
        }
        let (mut done, mut given_up) = (Vec::new(), 0);
        for alert in &group.alerts {
            let Some(held) = self.alerts.get(*alert).filter(|held| held.has_ended) else { continue };
            if self.flaps.is_flapping(held.fingerprint) {
                continue;
            }
            let must_hear = group.jobs.iter().any(|job| {
                job.integration.notifier.sends_resolved() && job.ledger.may_know(held.fingerprint)
            });
            let is_too_old = held.ends_at_ms.saturating_add(self.limits.retention_ms) < now_ms;
            if must_hear && is_too_old {
                given_up += 1;
            }
            if !must_hear || is_too_old {
                done.push((*alert, held.fingerprint, held.labels.clone()));
            }
        }
        if done.is_empty() {
            return;
        }
        self.counters.given_up += given_up;
        let key = self.notes.then(|| group.shown_key(&self.config));
        self.publish_resolved(id, done.iter().map(|(alert, _, _)| *alert));
        done.sort_unstable_by_key(|(alert, _, _)| *alert);
        let gone: Fingerprints = done.iter().map(|(_, fingerprint, _)| *fingerprint).collect();
        let (mut records, mut quiet) = (Vec::new(), Vec::new());
        if let Some(group) = self.groups.get_mut(&id) {
            group.alerts.retain(|alert| done.binary_search_by_key(alert, |(done, _, _)| *done).is_err());
            let name = group.name(&self.config);
            for job in &mut group.jobs {
                // Told or owed as firing until now: after a restart one that began anew meanwhile
                // must not count as told.
                if job.ledger.forget(&gone) {
                    // Nor must it for other replicas, and those to come: this end was told to nobody.
                    if !self.company.is_alone && job.ledger.stamp_ms != 0 {
                        job.ledger.stamp_ms = job.ledger.stamp_ms.saturating_add(1);
                        quiet.push((name.clone(), job.integration.name.clone(), job.ledger.clone()));
                    }
                    let (integration, ledger) = (job.integration.name.clone(), job.ledger.clone());
                    records.push(Record::Ledger { group: name.clone(), integration, ledger });
                }
            }
        }
        let quiet = quiet
            .into_iter()
            .map(|(name, integration, ledger)| self.ledger_entry(&name, &integration, ledger, now_ms));
        let quiet: Vec<_> = quiet.collect();
        if !quiet.is_empty() {
            self.actions.push(Action::Share(quiet));
        }
        records.into_iter().for_each(|record| self.remember(record));
        for (alert, _, labels) in done {
            let Some(held) = self.alerts.get_mut(alert) else { continue };
            for place in held.places.iter_mut().filter(|place| place.group == id) {
                place.group = NO_GROUP;
            }
            if held.places.groups().next().is_none() {
                self.drop_alert(alert, now_ms);
            }
            if let Some(group) = key.clone() {
                self.note(now_ms, |_| Some((Subject::Alert(labels), Step::Left { group })));
            }
        }
    }

    /// Forgets a group without alerts, and what was told about it.
    fn drop_group(&mut self, id: u32) {
        let Some(group) = self.groups.remove(&id) else { return };
        self.timers.remove(&(group.next_flush_ms, Timer::Flush(id)));
        self.timers.remove(&(group.escalates_at_ms, Timer::Escalate(id)));
        let name = group.name(&self.config);
        self.group_names.remove(&name);
        self.group_index.remove(id, group.route, group.labels.packed());
        self.remember(Record::GroupGone { name });
    }
}
