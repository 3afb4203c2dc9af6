//! The dispatcher in a world where everything goes wrong: receivers fail, answers get lost, the
//! process dies at any moment, writes are torn, the clock jumps. Everything follows from a seed.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use alerting::dispatch::record::Record;
use alerting::dispatch::{Action, Dispatcher, Event, Failure, Limits, Outcome};
use alerting::inhibit::Inhibitor;
use alerting::journal::{Frames, push_frame, read_frames};
use alerting::notification::Notification;
use alerting::silences::{Draft, MatcherText};
use alerting::{Config, MatcherMode};
use config::http_client::PathBase;
use model::{Alert, Labels, MatchOp, Matcher};

/// Tells the story on standard error if ALERTING_TRACE is set.
macro_rules! trace {
    ($($arg:tt)*) => { if std::env::var_os("ALERTING_TRACE").is_some() { eprintln!($($arg)*); } };
}

const CONFIG: &str = "
global: {resolve_timeout: 3m}
route:
  receiver: both
  group_by: [alertname]
  group_wait: 10s
  group_interval: 30s
  repeat_interval: 10m
  routes:
  - {matchers: [team=b], receiver: one, group_by: ['...'], continue: true}
  - {matchers: [team=~\"b|c\"], receiver: both, group_by: [zone]}
receivers:
- name: both
  webhook_configs: [{url: 'http://0', timeout: 5s}, {url: 'http://1', timeout: 5s}]
- name: one
  webhook_configs: [{url: 'http://2', timeout: 5s}]
inhibit_rules:
- {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [zone]}
";
/// How many seeds a run takes; more by ALERTING_SEEDS.
const SEEDS: u64 = 15;
const MINUTE: i64 = 60_000;
const REPEAT: i64 = 10 * MINUTE;
const TROUBLE: i64 = 120 * MINUTE;
const QUIET: i64 = 40 * MINUTE;

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

#[derive(Debug)]
enum What {
    /// Rules are evaluated.
    Rules,
    /// A request reaches its receiver.
    Arrives { life: u32, ticket: u64, notification: Arc<Notification> },
    /// An answer reaches us; `receipt` is the place in `received` if it was taken.
    Answer { life: u32, ticket: u64, outcome: Outcome, receipt: Option<usize> },
    /// Something breaks or heals.
    Trouble,
    /// The process starts again.
    Start,
}

#[derive(Clone, Copy, PartialEq)]
enum Health {
    Good,
    Answers500,
    Answers400,
    LosesAnswers,
}

struct Receipt {
    at: i64,
    integration: String,
    group: String,
    content: BTreeSet<(u64, bool, i64)>,
    /// Our log says that it was taken.
    is_noted: bool,
}

struct World {
    random: Random,
    seed: u64,
    config: Arc<Config>,
    /// True time; the wall clock shows `now + offset`.
    now: i64,
    offset: i64,
    queue: BTreeMap<(i64, u64), What>,
    sequence: u64,
    /// `None` while the process is dead. `life` counts starts.
    dispatcher: Option<Dispatcher>,
    life: u32,
    disk: Vec<u8>,
    disk_is_full: bool,
    /// Alerts that exist, since when they fire, or when they ended.
    truth: BTreeMap<Labels, Truth>,
    health: BTreeMap<String, Health>,
    received: Vec<Receipt>,
    /// Silences that were answered: what they are about, and the true times they hold.
    silences: Vec<(String, Matcher, i64, i64)>,
    /// When the clock was moved: silences are about wall time and do not move along.
    jumps: Vec<i64>,
    /// When the clock was moved while the process was dead.
    unseen_jumps: Vec<i64>,
    crashes: u32,
}

#[derive(Clone, Copy)]
struct Truth {
    fires: bool,
    since: i64,
    /// Ends are sent for a while, unless the rules have forgotten.
    resends: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let config = Config::parse(CONFIG, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
        let mut world = World {
            random: Random(seed),
            seed,
            config: Arc::new(config),
            now: 0,
            offset: 1_700_000_000_000,
            queue: BTreeMap::new(),
            sequence: 0,
            dispatcher: None,
            life: 0,
            disk: Vec::new(),
            disk_is_full: false,
            truth: BTreeMap::new(),
            health: BTreeMap::new(),
            received: Vec::new(),
            silences: Vec::new(),
            jumps: Vec::new(),
            unseen_jumps: Vec::new(),
            crashes: 0,
        };
        for alertname in ["Up", "Disk", "Slow"] {
            for zone in ["1", "2"] {
                for (team, severity) in [("a", "warning"), ("b", "critical"), ("c", "warning"), ("b", "info")]
                {
                    let labels = Labels::from_pairs([
                        ("alertname", alertname),
                        ("zone", zone),
                        ("team", team),
                        ("severity", severity),
                    ]);
                    world.truth.insert(labels, Truth { fires: false, since: 0, resends: 0 });
                }
            }
        }
        world.start();
        world.at(1_000, What::Rules);
        world.at(5_000, What::Trouble);
        world
    }

    fn at(&mut self, after: i64, what: What) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), what);
    }

    fn wall(&self) -> i64 {
        self.now + self.offset
    }

    fn start(&mut self) {
        trace!("{} start", self.now);
        let Frames { records, end_bytes: whole, .. } = read_frames(&self.disk);
        self.disk.truncate(whole);
        self.life += 1;
        let seed = self.random.below(u64::MAX);
        let limits = Limits { sends_per_integration_max: 3, ..Limits::default() };
        self.dispatcher = Some(Dispatcher::new(self.config.clone(), limits, records, seed, self.wall()));
    }

    fn crash(&mut self) {
        trace!("{} crash", self.now);
        self.crashes += 1;
        self.dispatcher = None;
        // Rules die with it and forget what they were resolving.
        for truth in self.truth.values_mut() {
            truth.resends = 0;
        }
        let down = if self.random.one_in(3) {
            self.random.range(0, 8 * MINUTE)
        } else {
            self.random.range(0, 5_000)
        };
        self.at(down, What::Start);
    }

    /// One step of the dispatcher, its writes, then its sends. Returns whether the writes succeeded.
    fn step(&mut self, event: Event, is_trouble: bool) -> bool {
        let wall = self.wall();
        let Some(dispatcher) = &mut self.dispatcher else { return false };
        let actions = dispatcher.step(event, wall);
        let mut batch = Vec::new();
        for action in &actions {
            if let Action::Remember(record) = action {
                push_frame(&mut batch, record);
            }
        }
        if !self.disk_is_full {
            if is_trouble && !batch.is_empty() && self.random.one_in(150) {
                let cut = self.random.below(batch.len() as u64 + 1) as usize;
                self.disk.extend_from_slice(&batch[..cut]);
                self.crash();
                return false;
            }
            self.disk.extend_from_slice(&batch);
            if self.random.one_in(50) {
                self.rewrite();
            }
        }
        for action in actions {
            if let Action::Send { ticket, notification, .. } = action {
                let life = self.life;
                let travel = self.random.range(0, 800);
                self.at(travel, What::Arrives { life, ticket, notification });
            }
        }
        !self.disk_is_full
    }

    fn rewrite(&mut self) {
        let Some(dispatcher) = &self.dispatcher else { return };
        let records: Vec<Record> = dispatcher.records().collect();
        self.disk.clear();
        for record in &records {
            push_frame(&mut self.disk, record);
        }
    }

    fn rules(&mut self, is_trouble: bool) {
        let (now, wall) = (self.now, self.wall());
        let all: Vec<Labels> = self.truth.keys().cloned().collect();
        let mut alerts = Vec::new();
        for labels in all {
            let flips = is_trouble && self.random.one_in(40);
            let Some(truth) = self.truth.get_mut(&labels) else { continue };
            if flips {
                *truth = Truth { fires: !truth.fires, since: now, resends: 10 };
                trace!("{now} {labels} ({}) fires: {}", labels.fingerprint(), truth.fires);
            }
            if !truth.fires && truth.resends == 0 {
                continue;
            }
            truth.resends = truth.resends.saturating_sub(1);
            let age = now - truth.since;
            let (starts_at_ms, ends_at_ms) =
                if truth.fires { (wall - age, wall + MINUTE) } else { (wall - age - 1_000, wall - age) };
            let annotations = Labels::empty();
            alerts.push(Alert {
                labels,
                annotations,
                starts_at_ms,
                ends_at_ms,
                generator_url: String::new(),
            });
        }
        if self.dispatcher.is_some() {
            self.step(Event::Alerts(alerts), is_trouble);
        }
    }

    fn trouble(&mut self) {
        match self.random.below(10) {
            8 => self.silence(),
            9 => {
                if let Some(dispatcher) = &mut self.dispatcher
                    && !self.disk_is_full
                    && !self.silences.is_empty()
                {
                    let at = self.random.below(self.silences.len() as u64) as usize;
                    let (id, _, _, until) = &mut self.silences[at];
                    let wall = self.now + self.offset;
                    // It may have been forgotten where the clock was moved far ahead.
                    let _ = dispatcher.expire_silence(id, wall);
                    *until = self.now;
                    self.step(Event::Tick, false);
                }
            }
            0 if self.dispatcher.is_some() && !self.disk_is_full => self.crash(),
            1 => {
                let by_ms = self.random.range(-120 * MINUTE, 120 * MINUTE);
                self.offset += by_ms;
                self.jumps.push(self.now);
                trace!("{} clock jumps by {by_ms}, alive: {}", self.now, self.dispatcher.is_some());
                self.step(Event::ClockJumped { by_ms }, true);
                // Dead, or died before it could write down what the jump means.
                if self.dispatcher.is_none() {
                    self.unseen_jumps.push(self.now);
                }
            }
            2 if self.dispatcher.is_some() => {
                self.disk_is_full = !self.disk_is_full;
                trace!("{} disk full: {}", self.now, self.disk_is_full);
                if !self.disk_is_full {
                    self.rewrite();
                }
            }
            3 if self.dispatcher.is_some() => {
                let config = self.config.clone();
                trace!("{} reload", self.now);
                self.step(Event::Apply(config), true);
            }
            _ => {
                let names = ["both/webhook[0]", "both/webhook[1]", "one/webhook[0]"];
                let name = names[self.random.below(3) as usize];
                let health = match self.random.below(6) {
                    0 => Health::Answers500,
                    1 => Health::LosesAnswers,
                    2 => Health::Answers400,
                    _ => Health::Good,
                };
                self.health.insert(name.into(), health);
            }
        }
    }

    fn silence(&mut self) {
        let (wall, now) = (self.wall(), self.now);
        let Some(dispatcher) = self.dispatcher.as_mut().filter(|_| !self.disk_is_full) else { return };
        let (name, value) =
            [("zone", "1"), ("team", "a"), ("alertname", "Disk")][self.random.below(3) as usize];
        let lasts = self.random.range(1, 20) * MINUTE;
        let draft = Draft {
            matcher_sets: vec![vec![MatcherText {
                name: name.into(),
                op: MatchOp::Equal,
                value: value.into(),
            }]],
            ends_at_ms: Some(wall + lasts),
            ..Draft::default()
        };
        let id = dispatcher.set_silence(draft, true, wall).unwrap();
        self.silences.push((id, Matcher::equal(name, value), now, now + lasts));
        // Whoever is answered can rely on it, so it is written down.
        self.step(Event::Tick, false);
    }

    /// Ends all silences: they hold by a clock that may be off by hours.
    fn expire_silences(&mut self) {
        let (wall, now) = (self.wall(), self.now);
        let Some(dispatcher) = &mut self.dispatcher else { return };
        for (id, _, _, until) in &mut self.silences {
            let _ = dispatcher.expire_silence(id, wall);
            *until = now.min(*until);
        }
        self.step(Event::Tick, false);
    }

    /// Nothing begins to be told that is silenced, unless the clock was moved.
    fn check_silenced(&self, integration: &str, notification: &Notification) {
        for told in notification.alerts.iter().filter(|told| !told.is_resolved) {
            let labels = &told.alert.labels;
            for (id, matcher, from, until) in &self.silences {
                // What is under way when a silence is made still arrives.
                let is_silenced = from + 2 * MINUTE < self.now && self.now < *until;
                if is_silenced && matcher.matches_labels(labels) && self.jumps.iter().all(|at| at < from) {
                    panic!("seed {}: {integration} is told of {labels} despite {id}", self.seed);
                }
            }
        }
    }

    fn arrives(&mut self, life: u32, ticket: u64, notification: &Notification) {
        let name = notification.integration.name.clone();
        let health = self.health.get(&name).copied().unwrap_or(Health::Good);
        let failure = Failure::new("other", "");
        let mut receipt = None;
        self.check_silenced(&name, notification);
        let outcome = match health {
            Health::Answers500 => Outcome::TryAgain(failure),
            Health::Answers400 => Outcome::Refused(failure),
            Health::Good | Health::LosesAnswers => {
                receipt = Some(self.received.len());
                let content = notification.alerts.iter().map(|told| {
                    // Not the wall time, which jumps, but since when it really fires.
                    let since = self.truth.get(&told.alert.labels).map_or(0, |truth| truth.since);
                    (told.alert.labels.fingerprint(), told.is_resolved, since)
                });
                let content = content.collect();
                // What a process sent that has died since, the next one cannot know of.
                if life == self.life {
                    self.check_not_twice(&name, &notification.group_key, &content);
                }
                self.received.push(Receipt {
                    at: self.now,
                    integration: name.clone(),
                    group: notification.group_key.clone(),
                    content,
                    is_noted: false,
                });
                if health == Health::Good {
                    Outcome::Taken(Default::default())
                } else {
                    Outcome::TryAgain(failure)
                }
            }
        };
        trace!(
            "{} {name} of {} {:?} at {}: {outcome:?} {:?}",
            self.now,
            notification.group_key,
            notification.reason,
            receipt.unwrap_or_default(),
            notification
                .alerts
                .iter()
                .map(|t| (t.alert.labels.fingerprint(), t.is_resolved))
                .collect::<Vec<_>>()
        );
        let travel = if health == Health::LosesAnswers { 5_000 } else { self.random.range(0, 800) };
        self.at(travel, What::Answer { life, ticket, outcome, receipt });
    }

    fn check_not_twice(&self, integration: &str, group: &str, content: &BTreeSet<(u64, bool, i64)>) {
        let before = self
            .received
            .iter()
            .rev()
            .find(|receipt| receipt.integration == integration && receipt.group == group);
        if let Some(before) = before
            && before.is_noted
            && before.content == *content
            && self.now - before.at < REPEAT
            && !self.unseen_jumps.iter().any(|at| (before.at..=self.now).contains(at))
        {
            panic!(
                "seed {}: {integration} is told the same of {group} at {} and {}: {content:?}",
                self.seed, before.at, self.now
            );
        }
    }

    fn run(&mut self) {
        loop {
            let is_trouble = self.now < TROUBLE;
            let due = self.dispatcher.as_ref().and_then(Dispatcher::next_due_ms);
            let due = due.map_or(i64::MAX, |due| (due - self.offset).max(self.now));
            let next = self.queue.first_key_value().map_or(i64::MAX, |((at, _), _)| *at);
            assert!(due.min(next) < i64::MAX, "seed {}: the world stands still", self.seed);
            self.now = due.min(next);
            if self.now > TROUBLE + QUIET {
                return;
            }
            if next > due {
                self.step(Event::Tick, is_trouble);
                continue;
            }
            let Some((_, what)) = self.queue.pop_first() else { return };
            match what {
                What::Rules => {
                    self.rules(is_trouble);
                    self.at(15_000, What::Rules);
                }
                What::Trouble if is_trouble => {
                    self.trouble();
                    let pause = self.random.range(1_000, 2 * MINUTE);
                    self.at(pause, What::Trouble);
                }
                What::Trouble => {
                    self.health.clear();
                    self.expire_silences();
                    if self.disk_is_full && self.dispatcher.is_some() {
                        self.disk_is_full = false;
                        self.rewrite();
                    }
                }
                What::Start => {
                    self.start();
                    if !is_trouble {
                        self.expire_silences();
                    }
                }
                What::Arrives { life, ticket, notification } => self.arrives(life, ticket, &notification),
                What::Answer { life, ticket, outcome, receipt } => {
                    if life == self.life && self.dispatcher.is_some() {
                        let taken = matches!(outcome, Outcome::Taken(_));
                        let written = self.step(Event::Attempted { ticket, outcome }, is_trouble);
                        let _ = written;
                        if let (true, true, Some(receipt)) = (taken, self.dispatcher.is_some(), receipt) {
                            self.received[receipt].is_noted = true;
                        }
                    }
                }
            }
        }
    }

    /// After the quiet time every receiver knows the truth, and nothing is kept that has ended.
    fn check_the_end(&self) {
        let mut inhibitor = Inhibitor::new(&self.config.inhibit_rules);
        for (number, labels) in self.truth.keys().enumerate() {
            inhibitor.insert(number as u32, labels);
        }
        let fires = |number: u32| self.truth.values().nth(number as usize).is_some_and(|truth| truth.fires);
        for (labels, truth) in &self.truth {
            let is_inhibited = !inhibitor.inhibited_by(labels, 1, fires).is_empty();
            for at in self.config.routes.matching(labels) {
                let route = self.config.routes.get(at).unwrap();
                let key = format!("{}:{}", route.key, route.group_by.group_labels(labels));
                let receiver = self.config.receiver(&route.receiver).unwrap();
                for number in 0..receiver.integrations.len() {
                    let integration = format!("{}/webhook[{number}]", receiver.name);
                    let last_word = self.received.iter().rev().find_map(|receipt| {
                        let entry = receipt.content.iter().find(|(of, _, _)| *of == labels.fingerprint());
                        entry
                            .filter(|_| receipt.integration == integration && receipt.group == key)
                            .map(|(_, is_resolved, _)| !is_resolved)
                    });
                    let about = format!("seed {}: {integration} about {labels} in {key}", self.seed);
                    if truth.fires && !is_inhibited {
                        assert_eq!(last_word, Some(true), "{about}: it fires");
                    }
                    if !truth.fires {
                        assert_ne!(last_word, Some(true), "{about}: it has ended");
                    }
                }
            }
        }
        let kept = self.dispatcher.as_ref().map_or(0, |dispatcher| dispatcher.sizes().0);
        let firing = self.truth.values().filter(|truth| truth.fires).count();
        assert_eq!(kept, firing, "seed {}: alerts kept", self.seed);
    }
}

fn simulate(seed: u64) -> (u32, usize) {
    let mut world = World::new(seed);
    world.run();
    world.check_the_end();
    (world.crashes, world.received.len())
}

#[test]
fn nothing_is_lost_and_nothing_said_twice() {
    let seeds = std::env::var("ALERTING_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let (mut crashes, mut received) = (0, 0);
    for seed in 1..=seeds {
        let (c, r) = simulate(seed);
        crashes += c;
        received += r;
    }
    println!("{seeds} seeds: {crashes} crashes, {received} notifications");
    assert!(
        u64::from(crashes) > 3 * seeds && received as u64 > 150 * seeds,
        "the world must be troubled: {crashes} crashes, {received}"
    );
}

#[test]
fn nor_with_a_seed_nobody_has_tried() {
    let seed = match std::env::var("ALERTING_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => base::Clock::system().now_ms() as u64,
    };
    println!("ALERTING_SEED={seed}");
    simulate(seed);
}
