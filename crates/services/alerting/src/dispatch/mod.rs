//! The dispatcher: a state machine that takes alerts in and says what to send and what to write
//! down. It does no I/O and asks no clock: every [`Dispatcher::step`] is told the time.
//!
//! An alert falls into one group for each route it matches. A group is flushed `group_wait` after
//! it began and every `group_interval` from then on. At a flush each integration of the route's
//! receiver is asked on its own whether it must be told, from what it was told before
//! ([`ledger::Ledger`]); each has one notification under way at most, so that one that fails never
//! delays another. Where there are replicas, each attempt is claimed first (see [`crate::replicas`]).

mod attempts;
mod attention;
mod browse;
mod changes;
mod flapping;
mod flush;
mod group_index;
mod happenings;
mod held;
mod intake;
pub mod ledger;
mod recollect;
pub mod record;
mod restore;
mod sharing;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use model::{Alert, Labels};

use crate::event_recorder::Happening;
use crate::inhibit::{Inhibitor, Moment};
use crate::notification::{Integration, Notification};
use crate::receivers::Memory;
use crate::replicas::{self, Token};
use crate::settings::Config;
use crate::silences::{Draft, SilenceError, SilenceLimits, Silences};
use crate::trail;
pub(crate) use attempts::LEASE_MS;
pub use attention::{AckError, Acknowledgement, REMINDER};
pub use browse::{GroupKey, Listed, ListedGroup};
pub use flapping::FLAPPING;
use flapping::Flaps;
use flush::{Group, Lane, Ticket, Timer};
use group_index::GroupIndex;
use held::{AlertId, Alerts, Held, Muted, NO_GROUP, Places};
use ledger::{Content, Fingerprints, Ledger};
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
            sends_per_integration_max: 64,
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
    /// Alerts came in from rules of ours.
    Alerts(Vec<Alert>),
    /// Alerts came in from elsewhere.
    Received {
        /// Who sent them, for the trail.
        source: Arc<str>,
        /// The alerts.
        alerts: Vec<Alert>,
    },
    /// Time has passed.
    Tick,
    /// A notification was attempted.
    Attempted {
        /// The number the attempt was given.
        ticket: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// A claim was answered.
    Claimed {
        /// The number the attempt was given.
        ticket: u64,
        /// The answer.
        claim: replicas::Claim,
    },
    /// Other replicas shared something.
    Learned(Vec<replicas::Entry>),
    /// What other replicas know has arrived, as far as it will: from now on receivers are told.
    Settled,
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
    /// Claim an attempt and report as [`Event::Claimed`].
    Claim {
        /// The number to report with.
        ticket: u64,
        /// What to claim.
        key: String,
        /// For how long.
        lease_ms: i64,
    },
    /// Attempt a notification and report as [`Event::Attempted`].
    Send {
        /// The number to report with.
        ticket: u64,
        /// What to send.
        notification: Arc<Notification>,
        /// How long the attempt may take.
        timeout_ms: i64,
        /// The how-manieth attempt of this notification it is, from 1.
        attempt: u32,
        /// What was claimed for it, to be renewed while it lasts.
        claim: Option<(String, Token)>,
    },
    /// Give a claim back.
    Release {
        /// What was claimed.
        key: String,
        /// The proof.
        token: Token,
        /// What was told, if something was.
        told: Option<replicas::Entry>,
    },
    /// Share this with other replicas.
    Share(Vec<replicas::Entry>),
    /// Note this in the trail.
    Note(trail::Event),
    /// Hand this to those who follow what happens.
    Publish(Happening),
}

/// Who else there is, as far as it matters for deciding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Company {
    /// There are no other replicas: nothing is claimed or shared.
    pub is_alone: bool,
    /// See [`replicas::Replicas::turn_ms`].
    pub turn_ms: i64,
    /// Nothing is told before [`Event::Settled`].
    pub must_settle: bool,
}

impl Company {
    /// Nobody.
    pub const ALONE: Company = Company { is_alone: true, turn_ms: 0, must_settle: false };
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
    /// Alerts that were found to be flapping.
    pub flapping: u64,
    /// Alerts of which others were told because nobody acknowledged them.
    pub escalated: u64,
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
    /// Claims by their answer: `granted`, `held`, `unreachable`.
    pub claims: BTreeMap<&'static str, u64>,
}

/// See the module.
pub struct Dispatcher {
    config: Arc<Config>,
    limits: Limits,
    company: Company,
    is_settled: bool,
    /// Whether the trail is kept.
    notes: bool,
    /// Whether anybody follows what happens.
    publishes: bool,
    /// Tells this process from others.
    seed: u64,
    /// Counts steps, so that what was found out in one holds for all of it.
    epoch: u64,
    alerts: Alerts,
    groups: BTreeMap<u32, Group>,
    /// Groups by route and labels.
    group_index: GroupIndex,
    /// Groups by name, if there are other replicas: they know no numbers.
    group_names: HashMap<String, u32>,
    /// What was told about groups that are not there (yet), by name and integration.
    told_elsewhere: BTreeMap<String, BTreeMap<String, Ledger>>,
    timers: BTreeSet<(i64, Timer)>,
    lanes: BTreeMap<String, Lane>,
    tickets: BTreeMap<u64, Ticket>,
    inhibitor: Inhibitor,
    silences: Silences,
    acknowledgements: BTreeMap<u64, Acknowledgement>,
    flaps: Flaps,
    recollection: recollect::Recollection,
    counters: Counters,
    next_id: u64,
    random: u64,
    not_before_ms: i64,
    settled_at_ms: i64,
    is_upkeep_planned: bool,
    actions: Vec<Action>,
    arrivals: intake::Arrivals,
}

impl Dispatcher {
    /// A dispatcher that starts at `now_ms` with what `records` say. `seed` spreads retries and makes
    /// the ids of silences.
    pub fn new(config: Arc<Config>, limits: Limits, records: Vec<Record>, seed: u64, now_ms: i64) -> Self {
        let mut dispatcher = Dispatcher {
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            not_before_ms: now_ms.saturating_add(limits.start_delay_ms),
            settled_at_ms: now_ms.saturating_add(limits.settle_ms),
            config,
            silences: Silences::new(limits.silences.clone()),
            recollection: recollect::Recollection::default(),
            limits,
            company: Company::ALONE,
            is_settled: true,
            notes: false,
            publishes: false,
            seed,
            epoch: 0,
            alerts: Alerts::default(),
            groups: BTreeMap::new(),
            group_index: GroupIndex::default(),
            group_names: HashMap::new(),
            told_elsewhere: BTreeMap::new(),
            timers: BTreeSet::new(),
            lanes: BTreeMap::new(),
            tickets: BTreeMap::new(),
            acknowledgements: BTreeMap::new(),
            flaps: Flaps::default(),
            counters: Counters::default(),
            next_id: 1,
            random: seed,
            is_upkeep_planned: false,
            actions: Vec::new(),
            arrivals: intake::Arrivals::default(),
        };
        dispatcher.restore(records, now_ms);
        dispatcher
    }

    /// Takes an event in and says what to do. Timers that are due run as well.
    pub fn step(&mut self, event: Event, now_ms: i64) -> Vec<Action> {
        self.epoch += 1;
        match event {
            Event::Alerts(alerts) => {
                for alert in alerts {
                    self.receive(alert, now_ms);
                }
            }
            Event::Received { source, alerts } => self.receive_from(&source, alerts, now_ms),
            Event::Tick => {}
            Event::Attempted { ticket, outcome } => self.attempted(ticket, outcome, now_ms),
            Event::Claimed { ticket, claim } => self.claimed(ticket, claim, now_ms),
            Event::Learned(entries) => {
                for entry in entries {
                    self.learn(entry, now_ms);
                }
            }
            Event::Settled => self.is_settled = true,
            Event::ClockJumped { by_ms } => self.shift(by_ms),
            Event::Apply(config) => self.apply(config, now_ms),
        }
        self.note_arrivals(now_ms);
        self.run_timers(now_ms);
        self.note_arrivals(now_ms);
        std::mem::take(&mut self.actions)
    }

    /// When the next timer is due, if there is one.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers.first().filter(|_| self.is_settled).map(|(due_ms, _)| *due_ms)
    }

    /// Says who else there is. The first time, before the first step.
    pub fn set_company(&mut self, company: Company) {
        if company.must_settle && !self.company.must_settle {
            self.is_settled = false;
        }
        if !company.is_alone && self.company.is_alone {
            let names = self.groups.iter().map(|(id, group)| (group.name(&self.config), *id));
            self.group_names = names.collect();
        }
        self.company = company;
    }

    /// Has events for the trail made, or not.
    pub fn set_notes(&mut self, notes: bool) {
        self.notes = notes;
    }

    /// Has actions made for those who follow what happens, or not.
    pub fn set_publishes(&mut self, publishes: bool) {
        self.publishes = publishes;
    }

    /// The configuration in use.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
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
        (0..self.record_parts()).flat_map(|part| self.records_of(part))
    }

    /// In how many parts the whole state is best written down.
    pub fn record_parts(&self) -> usize {
        self.alerts.chunks() + 1
    }

    /// A part of the whole state as records.
    pub fn records_of(&self, part: usize) -> impl Iterator<Item = Record> + '_ {
        let alerts = self.alerts.range(part..part.saturating_add(1)).map(|(_, held)| held.record());
        let is_last = part >= self.alerts.chunks();
        let groups = self.groups.values().filter(move |_| is_last).flat_map(|group| {
            let name = group.name(&self.config);
            let ledgers = group.jobs.iter().filter(|job| !job.ledger.is_blank()).map({
                let group = name.clone();
                move |job| Record::Ledger {
                    group: group.clone(),
                    integration: job.integration.name.clone(),
                    ledger: job.ledger.clone(),
                }
            });
            let ledgers: Vec<Record> = ledgers.collect();
            std::iter::once(group.record(name)).chain(ledgers)
        });
        let elsewhere = self.told_elsewhere.iter().filter(move |_| is_last).flat_map(|(group, ledgers)| {
            ledgers.iter().map(move |(integration, ledger)| Record::Ledger {
                group: group.clone(),
                integration: integration.clone(),
                ledger: ledger.clone(),
            })
        });
        let silences = self.silences.iter().filter(move |_| is_last).cloned().map(Record::Silence);
        let acknowledgements =
            self.acknowledgements.values().filter(move |_| is_last).cloned().map(Record::Acknowledgement);
        let flaps = self.flaps.records().filter(move |_| is_last);
        alerts.chain(groups).chain(elsewhere).chain(silences).chain(acknowledgements).chain(flaps)
    }

    /// About how large the whole state is in the log.
    pub fn state_size_bytes(&self) -> u64 {
        let jobs = self.groups.values().flat_map(|group| &group.jobs);
        let sets = jobs.map(|job| {
            let ledger = &job.ledger;
            let entries = ledger.firing.len() + ledger.resolved.len() + ledger.told.len() + ledger.owed.len();
            200 + 8 * entries as u64
        });
        self.alerts.size_bytes() + sets.sum::<u64>() + 200 * (self.groups.len() + self.silences.len()) as u64
    }

    fn remember(&mut self, record: Record) {
        self.actions.push(Action::Remember(record));
    }

    /// Notes something in the trail, if it is kept.
    fn note(&mut self, now_ms: i64, event: impl FnOnce(&Self) -> Option<(trail::Subject, trail::Step)>) {
        if self.notes
            && let Some((subject, step)) = event(self)
        {
            self.actions.push(Action::Note(trail::Event { at_ms: now_ms, subject, step }));
        }
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

    /// A random UUID.
    fn new_uuid(&mut self) -> String {
        let high = u128::from(self.random_below(u64::MAX)) << 64;
        uuid_of(high | u128::from(self.random_below(u64::MAX)))
    }

    // ---- inhibition ----

    fn is_inhibited(&self, labels: &Labels, now_ms: i64) -> bool {
        let moment = Moment { epoch: self.epoch, now_ms };
        self.inhibitor.is_inhibited(labels, moment, |source| self.fires(source, now_ms))
    }

    fn fires(&self, alert: AlertId, now_ms: i64) -> bool {
        self.alerts.get(alert).is_some_and(|held| !held.is_resolved_at(now_ms))
    }

    // ---- upkeep ----

    fn plan_upkeep(&mut self, now_ms: i64) {
        let is_needed = !(self.silences.is_empty()
            && self.acknowledgements.is_empty()
            && self.told_elsewhere.is_empty()
            && self.flaps.is_empty());
        if !self.is_upkeep_planned && is_needed {
            self.is_upkeep_planned = true;
            self.timers.insert((now_ms.saturating_add(UPKEEP_INTERVAL_MS), Timer::Upkeep));
        }
    }

    fn upkeep(&mut self, now_ms: i64) {
        self.is_upkeep_planned = false;
        for id in self.silences.forget_old(now_ms) {
            self.remember(Record::SilenceGone { id });
        }
        self.remind_of_silences(now_ms);
        self.forget_acknowledgements(now_ms);
        self.forget_told_elsewhere(now_ms);
        if let Some(flapping) = self.config.care.flapping {
            self.flaps.forget_calm(flapping, now_ms);
        }
        self.plan_upkeep(now_ms);
    }
}

/// A UUID of version 4 from so many random bits.
fn uuid_of(random: u128) -> String {
    let version_4 = random & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{version_4:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests;
