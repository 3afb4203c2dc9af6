//! Groups over a real store.

use std::collections::BTreeMap as Map;

use base::Clock;
use model::METRIC_NAME;
use model::alert::{Alert, AlertChange, AlertSink};
use model::storage::{Appended, MetricReader, MetricWriter, StorageError, Ticket};
use parking_lot::Mutex;
use promql::{Engine, EngineOptions, Features};
use tsdb::{Db, Options};

use super::*;
use crate::evaluate::MetricsEvaluator;
use crate::file::{Defaults, parse_file};

#[derive(Default)]
struct Sink(Mutex<Vec<Alert>>, Mutex<Vec<AlertChange>>);

impl AlertSink for Sink {
    fn send(&self, alerts: Vec<Alert>) {
        self.0.lock().extend(alerts);
    }
    fn changed(&self, changes: Vec<AlertChange>) {
        self.1.lock().extend(changes);
    }
}

struct FullDisk;

impl MetricWriter for FullDisk {
    fn resolve(&self, _: &[Labels], _: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        Err(StorageError::Unavailable("no room for the write-ahead log".into()))
    }
    fn append(&self, _: &WriteBatch) -> Result<Appended, StorageError> {
        Err(StorageError::Unavailable("no room for the write-ahead log".into()))
    }
    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

struct World {
    _dir: tempfile::TempDir,
    db: Arc<Db>,
    sink: Arc<Sink>,
    deps: Deps,
    config: Config,
}

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let (db, _) = Db::start(Options { clock: clock.clone(), ..Options::new(dir.path()) }).unwrap();
    db.replay().unwrap();
    let db = Arc::new(db);
    let sink = Arc::new(Sink::default());
    let engine = Arc::new(Engine::new(EngineOptions { clock: clock.clone(), ..EngineOptions::default() }));
    let reader: Arc<dyn MetricReader> = db.clone();
    let deps = Deps {
        evaluate: Arc::new(MetricsEvaluator { engine, reader, features: Features::default(), watch: None }),
        writer: db.clone(),
        alerts: sink.clone(),
        clock,
        metrics: crate::Metrics::default(),
    };
    World { _dir: dir, db, sink, deps, config: Config::default() }
}

impl World {
    fn put(&self, name: &str, at_ms: i64, value: f64) {
        let mut refs = Vec::new();
        self.db.resolve(&[Labels::from_pairs([(METRIC_NAME, name)])], &mut refs).unwrap();
        let mut batch = WriteBatch::default();
        batch.push(refs[0], at_ms, value);
        assert_eq!(self.db.append(&batch).unwrap().accepted, 1);
    }
    fn ask(&self, text: &str, at_ms: i64) -> Map<String, f64> {
        let found = self.deps.evaluate.query(text, at_ms).unwrap();
        found.into_iter().map(|s| (s.labels.to_string(), s.float())).collect()
    }
    fn run(&self, group: &mut Group, at_ms: i64) {
        group.evaluate(at_ms, &self.deps, &self.config);
    }
}

fn group(rules: &str) -> Group {
    let text = format!("groups:\n- name: g\n  interval: 1m\n  rules:\n{rules}");
    let groups = parse_file("f", &text, Defaults::default(), &Features::default()).unwrap();
    Group::new(groups.into_iter().next().unwrap())
}

fn state(group: &Group) -> Vec<&'static str> {
    group.rules.iter().flat_map(|rule| rule.alerts.active().map(|alert| alert.state.as_str())).collect()
}

#[test]
fn alerts_are_sent_although_the_store_takes_nothing() {
    let mut world = world();
    world.deps.writer = Arc::new(FullDisk);
    let mut group = group("  - {alert: A, expr: vector(1)}\n");
    world.run(&mut group, START);
    assert_eq!(world.sink.0.lock().len(), 1);
}

#[test]
fn a_changed_rule_goes_on_with_its_series_and_alerts() {
    let world = world();
    let rules = |expr: &str, text: &str| {
        format!(
            "  - {{record: other, expr: vector(9)}}\n  - {{record: r, expr: {expr}}}\n  - {{alert: A, expr: r > 0, for: 0s, annotations: {{x: {text}}}}}\n"
        )
    };
    let mut before = group(&rules("vector(1)", "one"));
    for minute in 0..3 {
        world.run(&mut before, START + minute * MINUTE);
    }
    assert_eq!(state(&before), ["firing"]);
    let mut after = group(&rules("vector(2)", "two"));
    after.take_over(before);
    let at_ms = START + 3 * MINUTE;
    world.run(&mut after, at_ms);
    assert_eq!(world.ask("r", at_ms), Map::from([("{__name__=\"r\"}".to_string(), 2.0)]));
    assert_eq!(state(&after), ["firing"]);
    assert!(!world.sink.0.lock().iter().any(|alert| alert.ends_at_ms <= at_ms), "{:?}", world.sink.0.lock());
}

#[test]
fn a_pending_alert_stays_pending_when_its_annotation_changes() {
    let world = world();
    let rules =
        |text: &str| format!("  - {{alert: A, expr: vector(1), for: 5m, annotations: {{x: {text}}}}}\n");
    let mut before = group(&rules("one"));
    for minute in 0..3 {
        world.run(&mut before, START + minute * MINUTE);
    }
    let mut after = group(&rules("two"));
    after.take_over(before);
    world.run(&mut after, START + 3 * MINUTE);
    world.run(&mut after, START + 5 * MINUTE);
    assert_eq!(state(&after), ["firing"]);
}

#[test]
fn a_removed_rule_s_series_end() {
    let world = world();
    let mut before = group("  - {record: a, expr: vector(1)}\n  - {record: b, expr: vector(1)}\n");
    world.run(&mut before, START);
    let mut after = group("  - {record: b, expr: vector(1)}\n");
    after.take_over(before);
    world.run(&mut after, START + MINUTE);
    assert_eq!((world.ask("a", START + MINUTE).len(), world.ask("b", START + MINUTE).len()), (0, 1));
}

#[test]
fn what_had_ended_before_a_restart_does_not_fire_at_once() {
    let world = world();
    let rules = "  - {alert: A, expr: m == 1, for: 10m}\n";
    let mut before = group(rules);
    // Active for 20 minutes, so it fired; then it ended, and all is well for 20 minutes.
    for minute in 0..40 {
        let at_ms = START + minute * MINUTE;
        world.put("m", at_ms, if minute < 20 { 1.0 } else { 0.0 });
        world.run(&mut before, at_ms);
    }
    assert!(state(&before).is_empty());
    drop(before);
    let mut after = group(rules);
    for minute in 42..44 {
        let at_ms = START + minute * MINUTE;
        world.put("m", at_ms, 1.0);
        world.run(&mut after, at_ms);
        assert_eq!(state(&after), ["pending"], "minute {minute}");
    }
}

#[test]
fn what_was_firing_before_a_restart_fires_on_although_the_first_evaluation_sees_nothing() {
    let world = world();
    let rules = "  - {alert: A, expr: m == 1, for: 10m}\n";
    let mut before = group(rules);
    for minute in 0..20 {
        let at_ms = START + minute * MINUTE;
        world.put("m", at_ms, 1.0);
        world.run(&mut before, at_ms);
    }
    assert_eq!(state(&before), ["firing"]);
    drop(before);
    // Ten minutes down; the first scrape comes after the first evaluation.
    let mut after = group(rules);
    world.run(&mut after, START + 30 * MINUTE);
    world.put("m", START + 30 * MINUTE + 1000, 1.0);
    world.run(&mut after, START + 31 * MINUTE);
    assert!(state(&after) == ["firing"] || state(&after) == ["pending"]);
    world.put("m", START + 32 * MINUTE - 1000, 1.0);
    world.run(&mut after, START + 32 * MINUTE);
    assert_eq!(state(&after), ["firing"]);
}

#[test]
fn a_clock_that_goes_back_does_not_silence_a_firing_alert() {
    let world = world();
    let mut group = group("  - {alert: A, expr: vector(1)}\n");
    world.run(&mut group, START + 24 * 60 * MINUTE);
    let before = world.sink.0.lock().len();
    for minute in 0..5 {
        world.run(&mut group, START + minute * MINUTE);
    }
    assert!(world.sink.0.lock().len() > before);
}

#[test]
fn an_end_is_told_at_once_although_expressions_are_evaluated_in_the_past() {
    let world = world();
    let mut group = group("  - {alert: A, expr: m == 1}\n");
    group.spec.query_offset_ms = 10 * MINUTE;
    for (minute, value) in [(0, 1.0), (1, 1.0), (2, 0.0)] {
        world.put("m", START + minute * MINUTE, value);
        world.run(&mut group, START + (10 + minute) * MINUTE);
    }
    let sent = world.sink.0.lock();
    assert_eq!(sent.last().map(|alert| alert.ends_at_ms), Some(START + 12 * MINUTE), "{sent:?}");
}

#[test]
fn changes_are_told_with_the_labels_that_are_sent_and_joined_labels_stay_until_the_end() {
    let mut world = world();
    world.config.external_labels = Labels::from_pairs([("cluster", "c1"), ("namespace", "not this one")]);
    let joins = "[{from: {metric: owners, on: [namespace], take: {label_team: team}}}]";
    let base = config::http_client::PathBase::new(std::path::Path::new("/"));
    world.config.alert_labels =
        crate::AlertLabels::decode(&config::Node::parse(joins).unwrap(), &base).unwrap();
    let mut group = group("  - {alert: A, expr: m == 1, for: 1m, labels: {namespace: shop}}\n");
    let owner = |team: &str, at_ms: i64, value: f64| {
        let labels =
            Labels::from_pairs([(METRIC_NAME, "owners"), ("namespace", "shop"), ("label_team", team)]);
        let mut refs = Vec::new();
        world.db.resolve(&[labels], &mut refs).unwrap();
        let mut batch = WriteBatch::default();
        batch.push(refs[0], at_ms, value);
        world.db.append(&batch).unwrap();
    };
    for (minute, value) in [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)] {
        let at_ms = START + minute * MINUTE;
        // The namespace is given to somebody else while the alert fires.
        match minute {
            0 | 1 => owner("web", at_ms, 1.0),
            _ => {
                owner("web", at_ms, stale_nan());
                owner("dba", at_ms, 1.0);
            }
        }
        world.put("m", at_ms, value);
        world.run(&mut group, at_ms);
    }
    let labels =
        Labels::from_pairs([("alertname", "A"), ("cluster", "c1"), ("namespace", "shop"), ("team", "web")]);
    let changes = world.sink.1.lock();
    let phases: Vec<_> = changes.iter().map(|change| (change.phase.as_str(), &change.labels)).collect();
    assert_eq!(phases, [("pending", &labels), ("firing", &labels), ("resolved", &labels)]);
    assert_eq!(changes[0].rule.group, "g");
    let sent = world.sink.0.lock();
    assert!(sent.len() >= 2 && sent.iter().all(|alert| alert.labels == labels), "{sent:?}");
}

#[test]
fn an_alert_gets_the_labels_of_its_owner_once_that_is_known() {
    let mut world = world();
    let joins = "[{from: {metric: owners, on: [namespace], take: {label_team: team}}}]";
    let base = config::http_client::PathBase::new(std::path::Path::new("/"));
    world.config.alert_labels =
        crate::AlertLabels::decode(&config::Node::parse(joins).unwrap(), &base).unwrap();
    world.config.resend_delay_ms = MINUTE / 2;
    let mut group = group("  - {alert: A, expr: vector(1), labels: {namespace: shop}}\n");
    for minute in 0..5 {
        let at_ms = START + minute * MINUTE;
        // What tells the owners is away at first, and again later.
        if minute == 2 {
            let labels =
                Labels::from_pairs([(METRIC_NAME, "owners"), ("namespace", "shop"), ("label_team", "web")]);
            let mut refs = Vec::new();
            world.db.resolve(&[labels], &mut refs).unwrap();
            let mut batch = WriteBatch::default();
            batch.push(refs[0], at_ms, 1.0);
            batch.push(refs[0], at_ms + 1, stale_nan());
            world.db.append(&batch).unwrap();
        }
        world.run(&mut group, at_ms);
    }
    let sent = world.sink.0.lock();
    let shown = sent.iter().map(|alert| {
        let has_ended = alert.ends_at_ms <= START + 2 * MINUTE;
        (alert.labels.value("team").to_string(), has_ended)
    });
    let of = |team: &str, has_ended| (team.to_string(), has_ended);
    let expected =
        [of("", false), of("", false), of("", true), of("web", false), of("web", false), of("web", false)];
    assert_eq!(shown.collect::<Vec<_>>(), expected, "it ends as it was and goes on under its whole name");
    let changes = world.sink.1.lock();
    let phases: Vec<_> =
        changes.iter().map(|change| (change.phase.as_str(), change.labels.value("team"))).collect();
    assert_eq!(phases, [("firing", ""), ("resolved", ""), ("firing", "web")]);
}

#[test]
fn labels_that_cannot_be_looked_up_hold_no_alert_back_and_are_shown_at_the_rule() {
    let mut world = world();
    let joins = "[{from: {metric: 'owners * on(namespace) owners', on: [alertname], take: [team]}}]";
    let base = config::http_client::PathBase::new(std::path::Path::new("/"));
    world.config.alert_labels =
        crate::AlertLabels::decode(&config::Node::parse(joins).unwrap(), &base).unwrap();
    for team in ["a", "b"] {
        let labels = Labels::from_pairs([(METRIC_NAME, "owners"), ("namespace", "n"), ("team", team)]);
        let mut refs = Vec::new();
        world.db.resolve(&[labels], &mut refs).unwrap();
        let mut batch = WriteBatch::default();
        batch.push(refs[0], START, 1.0);
        world.db.append(&batch).unwrap();
    }
    let mut group = group("  - {alert: A, expr: vector(1)}\n");
    world.run(&mut group, START);
    assert_eq!(world.sink.0.lock().len(), 1);
    let status = group.status();
    let rule = &status.rules[0];
    assert!(rule.label_error.contains("many-to-many") && rule.health == Health::Ok, "{}", rule.label_error);
}

#[test]
fn rules_that_do_not_concern_each_other_are_evaluated_at_once() {
    /// Answers only when as many ask as are expected.
    struct Meeting(std::sync::Barrier);

    impl crate::Evaluate for Meeting {
        fn instant(
            &self,
            _: &promql::Expr,
            text: &str,
            _: i64,
            _: crate::Asker<'_>,
        ) -> Result<Vec<crate::Sampled>, String> {
            if text != "a" {
                self.0.wait();
            }
            Ok(Vec::new())
        }
        fn query(&self, _: &str, _: i64) -> Result<Vec<crate::Sampled>, String> {
            Ok(Vec::new())
        }
    }

    let mut world = world();
    world.deps.evaluate = Arc::new(Meeting(std::sync::Barrier::new(3)));
    let mut group = group(
        "  - {record: a, expr: x}\n  - {record: b, expr: y}\n  - {record: d, expr: z}\n  - {record: c, expr: a}\n",
    );
    let slots = Arc::new(Semaphore::new(4));
    group.slots = Some(slots.clone());
    world.run(&mut group, START);
    assert!(group.status().rules.iter().all(|rule| rule.health == Health::Ok));
    assert_eq!(slots.available_permits(), 4);
}

#[test]
fn a_sample_that_the_store_refuses_fails_the_rule() {
    let world = world();
    world.put("r", START, 1.0);
    let mut group = group("  - {record: r, expr: vector(2)}\n");
    world.run(&mut group, START);
    assert_eq!(group.errors().collect::<Vec<_>>(), [("r", "duplicate sample for timestamp")]);
    world.run(&mut group, START + MINUTE);
    assert_eq!(group.errors().count(), 0);
}

#[test]
fn groups_are_counted_by_the_names_that_dashboards_know() {
    let registry = exposition::Registry::new();
    let mut world = world();
    world.deps.metrics = crate::Metrics::new(&registry);
    let mut group = group("  - {record: r, expr: vector(1)}\n  - {record: s, expr: 'up + on(a) up'}\n");
    for at_ms in [START, START + MINUTE] {
        world.run(&mut group, at_ms);
    }
    group.note_missed(3, &world.deps);
    let mut page = Vec::new();
    registry.collect(&mut exposition::TextWriter::new(&mut page));
    let page = String::from_utf8(page).unwrap();
    for line in [
        "prometheus_rule_evaluations_total{rule_group=\"f;g\"} 4",
        "prometheus_rule_group_iterations_total{rule_group=\"f;g\"} 5",
        "prometheus_rule_group_iterations_missed_total{rule_group=\"f;g\"} 3",
        "prometheus_rule_group_rules{rule_group=\"f;g\"} 2",
        "prometheus_rule_group_interval_seconds{rule_group=\"f;g\"} 60",
        "prometheus_rule_group_last_evaluation_samples{rule_group=\"f;g\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}
