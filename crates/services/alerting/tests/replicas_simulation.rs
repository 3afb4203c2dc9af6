//! Three replicas and what they share, in a world where receivers fail, the shared state is out of
//! reach for some, and replicas die. Everything follows from a seed.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use alerting::dispatch::{Action, Company, Dispatcher, Event, Failure, Limits, Outcome};
use alerting::journal::{Frames, push_frame, read_frames};
use alerting::notification::Notification;
use alerting::replicas::{Claim, Entry, EntryKind, Token};
use alerting::{Config, MatcherMode};
use config::http_client::PathBase;
use model::{Alert, Labels};

const CONFIG: &str = "
global: {resolve_timeout: 3m}
route: {receiver: r, group_by: [zone], group_wait: 10s, group_interval: 30s, repeat_interval: 20m}
receivers:
- name: r
  webhook_configs: [{url: 'http://0', timeout: 5s}, {url: 'http://1', timeout: 5s}]
";
/// How many seeds a run takes; more by ALERTING_SEEDS.
const SEEDS: u64 = 12;
const MINUTE: i64 = 60_000;
const TROUBLE: i64 = 60 * MINUTE;
const QUIET: i64 = 30 * MINUTE;
const BEGIN: i64 = 1_700_000_000_000;
const REPLICAS: usize = 3;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn range(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(1) as u64) as i64
    }
}

enum What {
    /// Alerts change.
    Change,
    /// A replica is sent the alerts.
    Rules(usize),
    /// Something for one life of a replica.
    Arrives(usize, u32, Event),
    /// A claim reaches the store.
    Asks {
        replica: usize,
        life: u32,
        ticket: u64,
        key: String,
        lease_ms: i64,
    },
    /// A release or a share reaches the store.
    Stores {
        replica: usize,
        key: Option<(String, Token)>,
        entries: Vec<Entry>,
    },
    /// A request reaches its receiver.
    Receives {
        replica: usize,
        life: u32,
        ticket: u64,
        notification: Arc<Notification>,
    },
    Trouble,
    /// The database is away from now on, or back.
    Away(bool),
    Start(usize),
}

#[derive(Default)]
struct Replica {
    dispatcher: Option<Dispatcher>,
    life: u32,
    disk: Vec<u8>,
    is_cut_off: bool,
    /// What it could not store yet.
    kept: Vec<(Option<(String, Token)>, Vec<Entry>)>,
}

struct Receipt {
    at: i64,
    integration: String,
    group: String,
    content: BTreeSet<(u64, bool, i64)>,
}

struct World {
    seed: u64,
    random: Random,
    config: Arc<Config>,
    now: i64,
    queue: BTreeMap<(i64, u64), What>,
    sequence: u64,
    replicas: Vec<Replica>,
    claims: BTreeMap<String, (usize, Token, i64)>,
    entries: BTreeMap<(EntryKind, String), Entry>,
    /// Whether an alert fires, and since when it does or does not.
    truth: BTreeMap<Labels, (bool, i64)>,
    fails: BTreeMap<String, bool>,
    received: Vec<Receipt>,
    /// Moments from and until which a replica was cut off, or at which one died.
    excuses: Vec<i64>,
    refused: usize,
}

impl World {
    fn new(seed: u64, with_cuts: bool) -> World {
        let config = Config::parse(CONFIG, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
        let mut world = World {
            seed,
            random: Random(seed),
            config: Arc::new(config),
            now: BEGIN,
            queue: BTreeMap::new(),
            sequence: 0,
            replicas: (0..REPLICAS).map(|_| Replica::default()).collect(),
            claims: BTreeMap::new(),
            entries: BTreeMap::new(),
            truth: BTreeMap::new(),
            fails: BTreeMap::new(),
            received: Vec::new(),
            excuses: Vec::new(),
            refused: 0,
        };
        for zone in ["1", "2", "3"] {
            for name in ["a", "b", "c"] {
                world.truth.insert(Labels::from_pairs([("alertname", name), ("zone", zone)]), (false, 0));
            }
        }
        for replica in 0..REPLICAS {
            world.start(replica);
            world.at(1_000 + 700 * replica as i64, What::Rules(replica));
        }
        world.at(0, What::Change);
        if with_cuts {
            world.at(5_000, What::Trouble);
        }
        world
    }

    fn at(&mut self, after: i64, what: What) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), what);
    }

    fn is_trouble(&self) -> bool {
        self.now < BEGIN + TROUBLE
    }

    fn start(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        let Frames { records, end_bytes: whole, .. } = read_frames(&replica.disk);
        replica.disk.truncate(whole);
        replica.life += 1;
        let life = replica.life;
        let seed = self.random.below(u64::MAX);
        let mut dispatcher = Dispatcher::new(self.config.clone(), Limits::default(), records, seed, self.now);
        dispatcher.set_company(Company { is_alone: false, turn_ms: 0, must_settle: true });
        replica.dispatcher = Some(dispatcher);
        let all: Vec<Entry> = self.entries.values().cloned().collect();
        let is_cut_off = replica.is_cut_off;
        if !is_cut_off {
            self.at(50, What::Arrives(number, life, Event::Learned(all)));
        }
        self.at(if is_cut_off { 5_000 } else { 100 }, What::Arrives(number, life, Event::Settled));
    }

    fn step(&mut self, number: usize, event: Event) {
        let replica = &mut self.replicas[number];
        let (life, is_cut_off) = (replica.life, replica.is_cut_off);
        let Some(dispatcher) = &mut replica.dispatcher else { return };
        let turn_ms = if is_cut_off { 5_000 * number as i64 } else { 0 };
        dispatcher.set_company(Company { is_alone: false, turn_ms, must_settle: true });
        for action in dispatcher.step(event, self.now) {
            let travel = self.random.range(1, 60);
            match action {
                Action::Remember(record) => push_frame(&mut self.replicas[number].disk, &record),
                Action::Claim { ticket, key, lease_ms } => {
                    self.at(travel, What::Asks { replica: number, life, ticket, key, lease_ms });
                }
                Action::Send { ticket, notification, .. } => {
                    let travel = self.random.range(1, 900);
                    self.at(travel, What::Receives { replica: number, life, ticket, notification });
                }
                Action::Release { key, token, told } => {
                    let entries = told.into_iter().collect();
                    self.at(travel, What::Stores { replica: number, key: Some((key, token)), entries });
                }
                Action::Share(entries) => {
                    self.at(travel, What::Stores { replica: number, key: None, entries })
                }
                Action::Note(_) | Action::Publish(_) => {}
            }
        }
    }

    fn store(&mut self, number: usize, key: Option<(String, Token)>, entries: Vec<Entry>) {
        if self.replicas[number].is_cut_off {
            self.replicas[number].kept.push((key, entries));
            return;
        }
        if let Some((key, token)) = key
            && self.claims.get(&key).is_some_and(|(_, held, _)| *held == token)
        {
            self.claims.remove(&key);
        }
        for entry in entries {
            let place = (entry.kind, entry.key.clone());
            if self.entries.get(&place).is_none_or(|known| entry.is_newer_than(known)) {
                self.entries.insert(place, entry.clone());
                for other in 0..REPLICAS {
                    if !self.replicas[other].is_cut_off {
                        let life = self.replicas[other].life;
                        let travel = self.random.range(1, 500);
                        self.at(travel, What::Arrives(other, life, Event::Learned(vec![entry.clone()])));
                    }
                }
            }
        }
    }

    fn asks(&mut self, number: usize, life: u32, ticket: u64, key: String, lease_ms: i64) {
        let travel = self.random.range(1, 60);
        let (travel, claim) = if self.replicas[number].is_cut_off {
            (1_000, Claim::Unreachable)
        } else {
            match self.claims.get(&key) {
                Some((_, _, until)) if *until > self.now => {
                    (travel, Claim::Held { for_ms: until - self.now })
                }
                _ => {
                    let token = Token(self.sequence as i64);
                    let told = self.entries.get(&(EntryKind::Ledger, key.clone())).cloned();
                    self.claims.insert(key, (number, token, self.now + lease_ms));
                    (travel, Claim::Granted { token, told })
                }
            }
        };
        self.at(travel, What::Arrives(number, life, Event::Claimed { ticket, claim }));
    }

    fn receives(&mut self, number: usize, life: u32, ticket: u64, notification: &Notification) {
        let name = notification.integration.name.clone();
        let travel = self.random.range(1, 900);
        if self.is_trouble() && self.fails.get(&name).copied().unwrap_or(false) {
            self.refused += 1;
            let outcome = Outcome::TryAgain(Failure::new("serverError", "500"));
            self.at(travel, What::Arrives(number, life, Event::Attempted { ticket, outcome }));
            return;
        }
        let content: BTreeSet<(u64, bool, i64)> = notification
            .alerts
            .iter()
            .map(|told| {
                let since = self.truth.get(&told.alert.labels).map_or(0, |(_, since)| *since);
                (told.alert.labels.fingerprint(), told.is_resolved, since)
            })
            .collect();
        let group = notification.group_key.clone();
        let before = self.received.iter().rev().find(|r| r.integration == name && r.group == group);
        if let Some(before) =
            before.filter(|before| before.content == content && self.now - before.at < 19 * MINUTE)
        {
            let around = before.at - 2 * MINUTE..=self.now;
            assert!(
                self.excuses.iter().any(|at| around.contains(at))
                    || self.replicas.iter().any(|r| r.is_cut_off),
                "seed {}: {name} is told the same of {group} at {} and {}",
                self.seed,
                before.at - BEGIN,
                self.now - BEGIN
            );
        }
        self.received.push(Receipt { at: self.now, integration: name, group, content });
        let outcome = Outcome::Taken(Default::default());
        self.at(travel, What::Arrives(number, life, Event::Attempted { ticket, outcome }));
    }

    fn heal(&mut self, number: usize) {
        self.replicas[number].is_cut_off = false;
        for (key, entries) in std::mem::take(&mut self.replicas[number].kept) {
            self.store(number, key, entries);
        }
        let (life, all) = (self.replicas[number].life, self.entries.values().cloned().collect());
        self.at(100, What::Arrives(number, life, Event::Learned(all)));
    }

    fn trouble(&mut self) {
        let number = self.random.below(REPLICAS as u64) as usize;
        match self.random.below(4) {
            0 if self.replicas[number].dispatcher.is_some() => {
                self.excuses.push(self.now);
                self.replicas[number].dispatcher = None;
                self.replicas[number].kept.clear();
                let down = self.random.range(100, 4 * MINUTE);
                self.at(down, What::Start(number));
            }
            1 => {
                self.excuses.push(self.now);
                if self.replicas[number].is_cut_off {
                    self.heal(number);
                } else {
                    self.replicas[number].is_cut_off = true;
                }
            }
            2 => {
                // All at once: the database is away.
                self.excuses.push(self.now);
                (0..REPLICAS).for_each(|number| self.replicas[number].is_cut_off = true);
            }
            _ => {
                self.excuses.push(self.now);
                (0..REPLICAS).for_each(|number| self.heal(number));
            }
        }
    }

    fn change(&mut self) {
        let now = self.now;
        let all: Vec<Labels> = self.truth.keys().cloned().collect();
        for labels in all {
            if self.random.one_in(12) {
                let truth = self.truth.get_mut(&labels).unwrap();
                *truth = (!truth.0, now);
            }
        }
        for name in ["r/webhook[0]", "r/webhook[1]"] {
            let fails = self.random.one_in(4);
            self.fails.insert(name.into(), fails);
        }
    }

    fn rules(&mut self, number: usize) {
        let now = self.now;
        let alerts =
            self.truth.iter().filter(|(_, (_, since))| *since > 0).map(|(labels, (fires, since))| Alert {
                labels: labels.clone(),
                annotations: Labels::empty(),
                starts_at_ms: if *fires { *since } else { since - 1_000 },
                ends_at_ms: if *fires { now + 2 * MINUTE } else { *since },
                generator_url: String::new(),
            });
        let alerts = alerts.collect();
        self.step(number, Event::Alerts(alerts));
    }

    fn run(&mut self) {
        while self.now <= BEGIN + TROUBLE + QUIET {
            let due = |replica: &Replica| replica.dispatcher.as_ref().and_then(Dispatcher::next_due_ms);
            let timers = self.replicas.iter().enumerate();
            let timer = timers.filter_map(|(number, replica)| Some((due(replica)?, number))).min();
            let next = self.queue.first_key_value().map_or(i64::MAX, |((at, _), _)| *at);
            if let Some((due, number)) = timer.filter(|(due, _)| *due <= next) {
                self.now = self.now.max(due);
                self.step(number, Event::Tick);
                continue;
            }
            let Some(((at, _), what)) = self.queue.pop_first() else { return };
            self.now = at;
            match what {
                What::Change if self.is_trouble() => {
                    self.change();
                    let pause = self.random.range(20_000, 90_000);
                    self.at(pause, What::Change);
                }
                What::Change => {}
                What::Rules(number) => {
                    self.rules(number);
                    self.at(15_000, What::Rules(number));
                }
                What::Arrives(number, life, event) => {
                    if self.replicas[number].life == life {
                        self.step(number, event);
                    }
                }
                What::Asks { replica, life, ticket, key, lease_ms } => {
                    if self.replicas[replica].life == life {
                        self.asks(replica, life, ticket, key, lease_ms);
                    }
                }
                What::Stores { replica, key, entries } => self.store(replica, key, entries),
                What::Receives { replica, life, ticket, notification } => {
                    self.receives(replica, life, ticket, &notification);
                }
                What::Trouble if self.is_trouble() => {
                    self.trouble();
                    let pause = self.random.range(5_000, 4 * MINUTE);
                    self.at(pause, What::Trouble);
                }
                What::Away(is_away) => {
                    self.excuses.push(self.now);
                    for number in 0..REPLICAS {
                        if is_away {
                            self.replicas[number].is_cut_off = true;
                        } else {
                            self.heal(number);
                        }
                    }
                }
                What::Trouble => (0..REPLICAS).for_each(|number| self.heal(number)),
                What::Start(number) => self.start(number),
            }
        }
    }

    /// After the quiet time every receiver knows the truth.
    fn check_the_end(&self) {
        for (labels, (fires, since)) in &self.truth {
            for integration in ["r/webhook[0]", "r/webhook[1]"] {
                let last = self.received.iter().rev().find_map(|receipt| {
                    let told = receipt.content.iter().find(|(of, _, _)| *of == labels.fingerprint());
                    told.filter(|_| receipt.integration == integration).map(|(_, resolved, _)| !resolved)
                });
                let about = format!("seed {}: {integration} about {labels}", self.seed);
                if *fires {
                    assert_eq!(last, Some(true), "{about}: it fires");
                } else if *since > 0 {
                    assert_ne!(last, Some(true), "{about}: it has ended");
                }
            }
        }
    }
}

fn seeds() -> u64 {
    std::env::var("ALERTING_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

#[test]
fn while_the_shared_state_is_reachable_nothing_is_told_twice_even_if_receivers_fail() {
    let (mut received, mut refused) = (0, 0);
    for seed in 1..=seeds() {
        let mut world = World::new(seed, false);
        world.run();
        world.check_the_end();
        assert!(world.excuses.is_empty());
        received += world.received.len();
        refused += world.refused;
    }
    assert!(received as u64 > 50 * seeds() && refused > 0, "the world must be busy: {received}, {refused}");
}

#[test]
fn cut_off_or_killed_they_never_fall_silent() {
    let mut excuses = 0;
    for seed in 1..=seeds() {
        let mut world = World::new(seed, true);
        world.run();
        world.check_the_end();
        excuses += world.excuses.len();
    }
    assert!(excuses as u64 > 10 * seeds(), "the world must be troubled: {excuses}");
}

#[test]
fn a_minute_without_the_database_delays_nothing_and_is_forgotten_two_minutes_later() {
    let mut told_meanwhile = 0;
    for seed in 1..=seeds() {
        let mut world = World::new(seed, false);
        let away = 20 * MINUTE..21 * MINUTE;
        world.at(away.start, What::Away(true));
        world.at(away.end, What::Away(false));
        // Duplicates are let pass only around the two moments that are excused.
        world.run();
        world.check_the_end();
        assert_eq!(world.excuses.len(), 2);
        told_meanwhile +=
            world.received.iter().filter(|receipt| away.contains(&(receipt.at - BEGIN))).count();
    }
    assert!(told_meanwhile as u64 > seeds(), "delivery goes on meanwhile: {told_meanwhile}");
}
