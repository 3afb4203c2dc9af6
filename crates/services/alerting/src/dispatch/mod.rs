//! The dispatcher: a state machine that takes alerts in and says what to send and what to write
//! down. It does no I/O and asks no clock: every [`Dispatcher::step`] is told the time.
//!
//! An alert falls into one group for each route it matches. A group is flushed `group_wait` after
//! it began and every `group_interval` from then on. At a flush each integration of the route's
//! receiver is asked on its own whether it must be told, from what it was told before
//! ([`ledger::Ledger`]); each has one notification under way at most, so that one that fails never
//! delays another.

mod browse;
mod flush;
pub mod ledger;
mod recollect;
pub mod record;
mod restore;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use model::{Alert, Labels};

use crate::inhibit::Inhibitor;
use crate::notification::{Integration, Notification};
use crate::receivers::Memory;
use crate::settings::Config;
use crate::silences::{Draft, Found, SilenceError, SilenceLimits, Silences};
use crate::trail;
pub use browse::{GroupKey, Listed, ListedGroup};
use flush::{Group, Lane, Ticket, Timer};
use ledger::{Content, Ledger};
use record::Record;
pub use view::{AlertState, AlertView, Delivery, GroupView, IntegrationView, LastAttempt};

/// How often what has become old is looked for.
const UPKEEP_INTERVAL_MS: i64 = 60_000;

/// What the dispatcher may hold and do at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Alerts kept. At the limit alerts that are not known yet are refused and counted; those
    /// that are known are kept up to date.
    pub alerts_max: usize,
    /// Groups kept. At the limit an alert that would begin one joins its route's group without
    /// labels instead, so that it is still told.
    pub groups_max: usize,
    /// Notifications under way for one integration. Further ones wait in line.
    pub sends_per_integration_max: usize,
    /// How long nothing is flushed after the start.
    pub start_delay_ms: i64,
    /// How long after the start a group waits its whole `group_wait` even if its first alert is
    /// old, for inhibiting alerts to arrive. Counts only if there are inhibition rules.
    pub settle_ms: i64,
    /// How long an ended alert is kept for a receiver that cannot be told.
    pub retention_ms: i64,
    /// Silences.
    pub silences: SilenceLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            alerts_max: 200_000,
            groups_max: 50_000,
            sends_per_integration_max: 16,
            start_delay_ms: 0,
            settle_ms: 60_000,
            retention_ms: 120 * 3_600_000,
            silences: SilenceLimits::default(),
        }
    }
}

/// What can happen to the dispatcher.
#[derive(Clone, Debug)]
pub enum Event {
    /// Alerts came in.
    Alerts(Vec<Alert>),
    /// Time has passed.
    Tick,
    /// A notification was attempted.
    Attempted {
        /// The number the attempt was given.
        ticket: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// The wall clock was set; what is measured in it moves along.
    ClockJumped {
        /// By how much it is later than it should be.
        by_ms: i64,
    },
    /// There is a new configuration.
    Apply(Arc<Config>),
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has taken it, and the integration wants to know this the next time.
    Taken(Memory),
    /// It did not, but may later.
    TryAgain(Failure),
    /// It never will.
    Refused(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The word metrics have for it, such as `serverError`.
    pub reason: &'static str,
    /// What happened.
    pub message: String,
    /// How long the receiver wants to be left alone, in ms; 0 if it did not say.
    pub wait_ms: i64,
}

impl Failure {
    /// A failure of a receiver that did not say when to come back.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Failure {
        Failure { reason, message: message.into(), wait_ms: 0 }
    }
}

/// What the dispatcher wants done, in this order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Write this down before anything that follows is done.
    Remember(Record),
    /// Enter this into the trail.
    Note(trail::Event),
    /// Attempt a notification and report as [`Event::Attempted`].
    Send {
        /// The number to report with.
        ticket: u64,
        /// What to send.
        notification: Arc<Notification>,
        /// How long the attempt may take.
        timeout_ms: i64,
    },
}

/// What has been counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Alerts taken in that fire.
    pub received_firing: u64,
    /// Alerts taken in that had ended.
    pub received_resolved: u64,
    /// Alerts without labels.
    pub invalid: u64,
    /// Alerts refused because [`Limits::alerts_max`] are kept.
    pub refused: u64,
    /// Alerts that joined a group without labels because [`Limits::groups_max`] are kept.
    pub overflowed: u64,
    /// Ended alerts given up after [`Limits::retention_ms`] without a receiver having been told.
    pub given_up: u64,
    /// By kind of integration: notifications that began.
    pub notifications: BTreeMap<&'static str, u64>,
    /// By kind of integration: attempts.
    pub requests: BTreeMap<&'static str, u64>,
    /// By kind of integration: attempts that failed.
    pub requests_failed: BTreeMap<&'static str, u64>,
    /// By kind of integration and reason: notifications that failed for good or for their time.
    pub notifications_failed: BTreeMap<(&'static str, &'static str), u64>,
    /// Alerts that notifications left out, by reason: `silence`, `inhibition`,
    /// `mute_time_interval`, `active_time_interval`.
    pub suppressed: BTreeMap<&'static str, u64>,
}

/// An alert that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) alert: Arc<Alert>,
    pub(crate) updated_at_ms: i64,
    /// Its end is known. Once known it stays, whatever the clock says, until it fires anew.
    pub(crate) has_ended: bool,
    pub(crate) ends_by_timeout: bool,
    /// Routes it matches, and the groups that still have it.
    pub(crate) routes: Vec<usize>,
    pub(crate) groups: BTreeSet<u64>,
    /// Silences that match it.
    pub(crate) silences: Found,
}

impl Held {
    fn is_resolved_at(&self, now_ms: i64) -> bool {
        self.has_ended || self.alert.is_resolved_at(now_ms)
    }

    fn record(&self) -> Record {
        Record::Alert {
            alert: (*self.alert).clone(),
            updated_at_ms: self.updated_at_ms,
            has_ended: self.has_ended,
            ends_by_timeout: self.ends_by_timeout,
        }
    }
}

/// See the module.
pub struct Dispatcher {
    config: Arc<Config>,
    /// Integrations by receiver.
    integrations: BTreeMap<String, Vec<Arc<Integration>>>,
    limits: Limits,
    alerts: BTreeMap<Labels, Held>,
    groups: BTreeMap<u64, Group>,
    group_by_name: HashMap<String, u64>,
    ledgers: BTreeMap<String, BTreeMap<String, Ledger>>,
    timers: BTreeSet<(i64, Timer)>,
    lanes: BTreeMap<String, Lane>,
    tickets: BTreeMap<u64, Ticket>,
    inhibitor: Inhibitor,
    silences: Silences,
    recollection: recollect::Recollection,
    counters: Counters,
    next_id: u64,
    random: u64,
    not_before_ms: i64,
    settled_at_ms: i64,
    is_upkeep_planned: bool,
    actions: Vec<Action>,
}

impl Dispatcher {
    /// A dispatcher that starts at `now_ms` with what `records` say. `seed` spreads retries and makes
    /// the ids of silences.
    pub fn new(config: Arc<Config>, limits: Limits, records: Vec<Record>, seed: u64, now_ms: i64) -> Self {
        let mut dispatcher = Dispatcher {
            integrations: integrations(&config),
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            not_before_ms: now_ms.saturating_add(limits.start_delay_ms),
            settled_at_ms: now_ms.saturating_add(limits.settle_ms),
            config,
            silences: Silences::new(limits.silences.clone()),
            recollection: recollect::Recollection::default(),
            limits,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            group_by_name: HashMap::new(),
            ledgers: BTreeMap::new(),
            timers: BTreeSet::new(),
            lanes: BTreeMap::new(),
            tickets: BTreeMap::new(),
            counters: Counters::default(),
            next_id: 1,
            random: seed,
            is_upkeep_planned: false,
            actions: Vec::new(),
        };
        dispatcher.restore(records, now_ms);
        dispatcher
    }

    /// Takes an event in and says what to do. Timers that are due run as well.
    pub fn step(&mut self, event: Event, now_ms: i64) -> Vec<Action> {
        match event {
            Event::Alerts(alerts) => {
                for alert in alerts {
                    self.receive(alert, now_ms);
                }
            }
            Event::Tick => {}
            Event::Attempted { ticket, outcome } => self.attempted(ticket, outcome, now_ms),
            Event::ClockJumped { by_ms } => self.shift(by_ms),
            Event::Apply(config) => self.apply(config, now_ms),
        }
        self.run_timers(now_ms);
        std::mem::take(&mut self.actions)
    }

    /// When the next timer is due, if there is one.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers.first().map(|(due_ms, _)| *due_ms)
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many alerts and groups are kept, and how many notifications are under way or in line.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let waiting: usize = self.lanes.values().map(|lane| lane.waiting.len()).sum();
        (self.alerts.len(), self.groups.len(), self.tickets.len() + waiting)
    }

    /// The whole state as records, for a log that starts anew.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let alerts = self.alerts.values().map(Held::record);
        let groups = self.groups.values().map(Group::record);
        let ledgers = self.ledgers.iter().flat_map(|(group, ledgers)| {
            ledgers.iter().map(move |(integration, ledger)| Record::Ledger {
                group: group.clone(),
                integration: integration.clone(),
                ledger: ledger.clone(),
            })
        });
        let silences = self.silences.iter().cloned().map(Record::Silence);
        alerts.chain(groups).chain(ledgers).chain(silences)
    }

    fn remember(&mut self, record: Record) {
        self.actions.push(Action::Remember(record));
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A number in `0..bound` (splitmix64).
    fn random_below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }

    // ---- alerts in ----

    fn receive(&mut self, mut alert: Alert, now_ms: i64) {
        if alert.labels.is_empty() {
            self.counters.invalid += 1;
            return;
        }
        if alert.starts_at_ms == 0 {
            alert.starts_at_ms = if alert.ends_at_ms == 0 { now_ms } else { alert.ends_at_ms };
        }
        let ends_by_timeout = alert.ends_at_ms == 0;
        if ends_by_timeout {
            alert.ends_at_ms = now_ms.saturating_add(self.config.resolve_timeout_ms);
        }
        // A clock that is off elsewhere must not cost the alert.
        alert.starts_at_ms = alert.starts_at_ms.min(alert.ends_at_ms);
        let has_ended = alert.is_resolved_at(now_ms);
        let counter =
            if has_ended { &mut self.counters.received_resolved } else { &mut self.counters.received_firing };
        *counter += 1;

        let labels = alert.labels.clone();
        let Some(old) = self.alerts.get(&labels) else {
            if has_ended {
                return; // Nobody was told of it, so there is nothing to take back.
            }
            if self.alerts.len() >= self.limits.alerts_max {
                self.counters.refused += 1;
                return;
            }
            let held = Held {
                alert: Arc::new(alert),
                updated_at_ms: now_ms,
                has_ended,
                ends_by_timeout,
                routes: self.config.routes.matching(&labels),
                groups: BTreeSet::new(),
                silences: Found::default(),
            };
            self.remember(held.record());
            self.inhibitor.insert(&labels);
            self.alerts.insert(labels.clone(), held);
            self.join_groups(&labels, now_ms, &HashMap::new());
            return;
        };
        merge(old, &mut alert, has_ended, now_ms);
        let held = Held {
            updated_at_ms: now_ms,
            has_ended: alert.is_resolved_at(now_ms),
            ends_by_timeout,
            routes: old.routes.clone(),
            groups: old.groups.clone(),
            silences: old.silences.clone(),
            alert: Arc::new(alert),
        };
        // That it fires a while longer need not be written down each time: after a restart every
        // alert that had not ended gets time to be renewed.
        let is_news = held.has_ended != old.has_ended
            || (held.has_ended && held.alert.ends_at_ms != old.alert.ends_at_ms)
            || held.alert.starts_at_ms != old.alert.starts_at_ms
            || held.alert.annotations != old.alert.annotations
            || held.alert.generator_url != old.alert.generator_url;
        if is_news {
            self.remember(held.record());
        }
        let is_in_all_groups = held.groups.len() >= held.routes.len();
        self.alerts.insert(labels.clone(), held);
        if !is_in_all_groups && !has_ended {
            self.join_groups(&labels, now_ms, &HashMap::new());
        }
    }

    /// Puts an alert into its groups, making those that are missing. `known` says of groups that
    /// were there before whether they were flushed and when they are due.
    fn join_groups(&mut self, labels: &Labels, now_ms: i64, known: &HashMap<String, (bool, i64)>) {
        let Some(held) = self.alerts.get(labels) else { return };
        let (starts_at_ms, has_ended) = (held.alert.starts_at_ms, held.has_ended);
        let config = self.config.clone();
        let mut joined = held.groups.clone();
        for at in held.routes.clone() {
            let Some(route) = config.routes.get(at) else { continue };
            let mut group_labels = route.group_by.group_labels(labels);
            let mut name = format!("{}:{group_labels}", route.name);
            if has_ended && !self.may_know(&name, labels.fingerprint()) {
                continue; // Nobody has to be told that it ended.
            }
            let is_full = self.groups.len() >= self.limits.groups_max;
            if is_full && !self.group_by_name.contains_key(&name) {
                self.counters.overflowed += 1;
                group_labels = Labels::empty();
                name = format!("{}:{group_labels}", route.name);
            }
            let is_overdue = starts_at_ms.saturating_add(route.group_wait_ms) < now_ms
                && (now_ms >= self.settled_at_ms || !self.inhibitor.has_rules());
            let id = match self.group_by_name.get(&name) {
                Some(id) => {
                    let id = *id;
                    if is_overdue && self.groups.get(&id).is_some_and(|group| !group.is_flushed) {
                        self.schedule_flush(id, now_ms);
                    }
                    id
                }
                None => {
                    let due_ms = match known.get(&name) {
                        Some((true, due_ms)) => {
                            (*due_ms).clamp(now_ms, now_ms.saturating_add(route.group_interval_ms))
                        }
                        Some((false, due_ms)) => {
                            (*due_ms).clamp(now_ms, now_ms.saturating_add(route.group_wait_ms))
                        }
                        None if is_overdue => now_ms,
                        None => now_ms.saturating_add(route.group_wait_ms),
                    };
                    let is_flushed = known.get(&name).is_some_and(|(is_flushed, _)| *is_flushed);
                    let integrations = self.integrations.get(&route.receiver).map_or(0, Vec::len);
                    let id = self.new_id();
                    let key = format!("{}:{group_labels}", route.key);
                    let group = Group::new(name.clone(), key, at, group_labels, is_flushed, integrations);
                    self.groups.insert(id, group);
                    self.group_by_name.insert(name, id);
                    self.schedule_flush(id, due_ms);
                    if let Some(group) = self.groups.get(&id) {
                        let record = group.record();
                        self.remember(record);
                    }
                    id
                }
            };
            if let Some(group) = self.groups.get_mut(&id) {
                group.alerts.insert(labels.clone());
            }
            self.recollect(id, labels);
            joined.insert(id);
        }
        if let Some(held) = self.alerts.get_mut(labels) {
            held.groups = joined;
        }
    }

    /// Routes an alert anew. One that has ended joins only groups whose receivers have to be told.
    fn rejoin_groups(&mut self, labels: &Labels, now_ms: i64, known: &HashMap<String, (bool, i64)>) {
        if let Some(held) = self.alerts.get_mut(labels) {
            held.routes = self.config.routes.matching(labels);
        }
        self.join_groups(labels, now_ms, known);
        if self.alerts.get(labels).is_some_and(|held| held.groups.is_empty()) {
            self.drop_alert(labels);
        }
    }

    fn may_know(&self, group: &str, fingerprint: u64) -> bool {
        let ledgers = self.ledgers.get(group).into_iter().flat_map(BTreeMap::values);
        ledgers.into_iter().any(|ledger| ledger.may_know(fingerprint))
    }

    /// Forgets an alert that no group has any more.
    fn drop_alert(&mut self, labels: &Labels) {
        self.alerts.remove(labels);
        self.inhibitor.remove(labels);
        self.remember(Record::AlertGone { labels: labels.clone() });
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
        let changed = self.silences.set(draft, fresh_id, now_ms)?;
        for silence in changed.silences {
            self.remember(Record::Silence(silence));
        }
        self.plan_upkeep(now_ms);
        Ok(changed.id)
    }

    /// Ends a silence. Step on afterwards.
    pub fn expire_silence(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        if let Some(silence) = self.silences.expire(id, now_ms)? {
            self.remember(Record::Silence(silence));
        }
        Ok(())
    }

    fn check_breadth(&self, draft: Draft, now_ms: i64) -> Result<(), SilenceError> {
        let limits = self.silences.limits();
        if limits.guard_percent == 0 || self.alerts.len() < limits.guard_alerts_min {
            return Ok(());
        }
        let silence = self.silences.check(draft, now_ms)?;
        let (mut firing, mut matched) = (0usize, 0usize);
        for (labels, _) in self.alerts.iter().filter(|(_, held)| !held.is_resolved_at(now_ms)) {
            firing += 1;
            matched += usize::from(silence.matches(labels));
        }
        let is_broad = firing >= limits.guard_alerts_min
            && matched.saturating_mul(100) >= firing.saturating_mul(limits.guard_percent as usize);
        if is_broad { Err(SilenceError::TooBroad { matched, firing }) } else { Ok(()) }
    }

    /// A random UUID.
    fn new_uuid(&mut self) -> String {
        let random =
            (u128::from(self.random_below(u64::MAX)) << 64) | u128::from(self.random_below(u64::MAX));
        let version_4 = random & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{version_4:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    pub(crate) fn plan_upkeep(&mut self, now_ms: i64) {
        if !self.is_upkeep_planned && !self.silences.is_empty() {
            self.is_upkeep_planned = true;
            self.timers.insert((now_ms.saturating_add(UPKEEP_INTERVAL_MS), Timer::Upkeep));
        }
    }

    fn upkeep(&mut self, now_ms: i64) {
        self.is_upkeep_planned = false;
        for id in self.silences.forget_old(now_ms) {
            self.remember(Record::SilenceGone { id });
        }
        self.plan_upkeep(now_ms);
    }

    // ---- configuration and clock ----

    fn apply(&mut self, config: Arc<Config>, now_ms: i64) {
        let old_groups = std::mem::take(&mut self.groups);
        self.group_by_name.clear();
        self.timers.clear();
        self.is_upkeep_planned = false;
        self.plan_upkeep(now_ms);
        self.config = config;
        self.integrations = integrations(&self.config);
        self.inhibitor = Inhibitor::new(&self.config.inhibit_rules);
        for lane in self.lanes.values_mut() {
            lane.waiting.clear();
        }
        // A group that stays is looked at now, and from now on every interval.
        let known = old_groups.values().map(|group| {
            let due_ms = if group.is_flushed { now_ms } else { group.next_flush_ms };
            (group.name.clone(), (group.is_flushed, due_ms))
        });
        let known: HashMap<String, (bool, i64)> = known.collect();
        let all: Vec<Labels> = self.alerts.keys().cloned().collect();
        for labels in &all {
            self.inhibitor.insert(labels);
            if let Some(held) = self.alerts.get_mut(labels) {
                held.groups.clear();
            }
            self.rejoin_groups(labels, now_ms, &known);
        }
        for name in
            known.keys().filter(|name| !self.group_by_name.contains_key(*name)).cloned().collect::<Vec<_>>()
        {
            self.ledgers.remove(&name);
            self.remember(Record::GroupGone { name });
        }
        // What is under way still counts for the group it was made for.
        let under_way: Vec<(u64, String, String)> = self
            .tickets
            .iter()
            .map(|(ticket, t)| (*ticket, t.group_name.clone(), t.notification.integration.name.clone()))
            .collect();
        for (ticket, group_name, integration) in under_way {
            self.adopt(ticket, &group_name, &integration);
        }
    }

    /// Moves everything measured in wall time along with a clock that was set.
    fn shift(&mut self, by_ms: i64) {
        let move_on = |at_ms: &mut i64| *at_ms = at_ms.saturating_add(by_ms);
        self.timers = self.timers.iter().map(|(due, timer)| (due.saturating_add(by_ms), *timer)).collect();
        move_on(&mut self.not_before_ms);
        move_on(&mut self.settled_at_ms);
        for group in self.groups.values_mut() {
            group.shift(by_ms);
        }
        for ticket in self.tickets.values_mut() {
            move_on(&mut ticket.deadline_ms);
        }
        for (group, ledgers) in &mut self.ledgers {
            for (integration, ledger) in ledgers {
                if ledger.sent_at_ms != 0 {
                    ledger.sent_at_ms = ledger.sent_at_ms.saturating_add(by_ms).max(1);
                    // The next start must not take the jump for time that has passed.
                    self.actions.push(Action::Remember(Record::Ledger {
                        group: group.clone(),
                        integration: integration.clone(),
                        ledger: ledger.clone(),
                    }));
                }
            }
        }
        for held in self.alerts.values_mut() {
            move_on(&mut held.updated_at_ms);
            if !held.has_ended {
                let mut alert = (*held.alert).clone();
                move_on(&mut alert.ends_at_ms);
                held.alert = Arc::new(alert);
            }
        }
    }
}

/// Alertmanager's rules for an alert that is already known: within one episode the earliest start
/// counts and, once it has ended, the latest end; an end that was given counts over a timeout's.
fn merge(old: &Held, new: &mut Alert, new_has_ended: bool, now_ms: i64) {
    let starts_at_ms = old.alert.starts_at_ms;
    // If the clock was set back, an end that is known may lie in the future.
    let ends_at_ms = if old.has_ended { old.alert.ends_at_ms.min(now_ms) } else { old.alert.ends_at_ms };
    let overlaps = (new.ends_at_ms > starts_at_ms && new.ends_at_ms < ends_at_ms)
        || (new.starts_at_ms > starts_at_ms && new.starts_at_ms < ends_at_ms);
    if !overlaps {
        return;
    }
    new.starts_at_ms = new.starts_at_ms.min(starts_at_ms);
    let is_later = ends_at_ms > new.ends_at_ms;
    if is_later && if new_has_ended { old.is_resolved_at(now_ms) } else { !old.ends_by_timeout } {
        new.ends_at_ms = ends_at_ms;
    }
}

fn integrations(config: &Config) -> BTreeMap<String, Vec<Arc<Integration>>> {
    config.receivers.iter().map(|receiver| (receiver.name.clone(), receiver.integrations.clone())).collect()
}

#[cfg(test)]
mod tests;
