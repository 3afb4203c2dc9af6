//! What a backtest finds is what live evaluation would have found.

use std::collections::BTreeMap;

use model::alert::{Alert, AlertChange, AlertPhase, AlertSink};
use model::storage::{
    Appended, MetricWriter, Select, Selection, SeriesRef, StorageError, Ticket, TimeRange, WriteBatch,
};
use model::{LabelTable, METRIC_NAME, Matcher};
use parking_lot::{Mutex, RwLock};
use promql::EngineOptions;
use promql::memory::{Memory, Point};

use super::*;
use crate::evaluate::MetricsEvaluator;
use crate::file::{Defaults, parse_file};
use crate::group::Group;
use crate::{Config, Deps};

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// A store in memory that rules may write.
#[derive(Default)]
struct Store {
    memory: RwLock<Memory>,
    labels: Mutex<Vec<Labels>>,
}

impl MetricReader for Store {
    fn select(&self, request: &Select<'_>, table: &mut LabelTable) -> Result<Selection, StorageError> {
        self.memory.read().select(request, table)
    }
    fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
    fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
}

impl MetricWriter for Store {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut known = self.labels.lock();
        for labels in series {
            known.push(labels.clone());
            refs.push(SeriesRef(known.len() as u64));
        }
        Ok(())
    }
    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        let known = self.labels.lock();
        for ((series, at_ms), value) in batch.refs.iter().zip(&batch.timestamps_ms).zip(&batch.values) {
            let labels = &known[series.0 as usize - 1];
            self.memory.write().append_newer(labels, *at_ms, Point::Float(*value));
        }
        Ok(Appended::default())
    }
    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

#[derive(Default)]
struct Changes(Mutex<Vec<AlertChange>>);

impl AlertSink for Changes {
    fn send(&self, _: Vec<Alert>) {}
    fn changed(&self, changes: Vec<AlertChange>) {
        self.0.lock().extend(changes);
    }
}

struct World {
    store: Arc<Store>,
    history: History,
}

fn world() -> World {
    let store = Arc::new(Store::default());
    let engine = Arc::new(Engine::new(EngineOptions::default()));
    let history =
        History { engine, reader: store.clone(), features: Features::default(), clock: Clock::manual(START) };
    World { store, history }
}

impl World {
    fn put(&self, name: &str, instance: &str, at_ms: i64, value: f64) {
        let labels = Labels::from_pairs([(METRIC_NAME, name), ("instance", instance)]);
        self.store.memory.write().append_newer(&labels, at_ms, Point::Float(value));
    }

    fn backtest(&self, request: &Request) -> Report {
        run(request, &self.history, &mut |_| {}).unwrap()
    }
}

fn groups(text: &str) -> Vec<GroupSpec> {
    parse_file("f", text, Defaults::default(), &Features::default()).unwrap()
}

fn request(text: &str, from_ms: i64, to_ms: i64) -> Request {
    Request {
        groups: groups(text),
        only: Vec::new(),
        from_ms,
        to_ms,
        step_ms: None,
        computes_records: true,
        external_labels: Labels::from_pairs([("cluster", "c1")]),
        limits: Limits::default(),
    }
}

/// A value that goes up and down, with gaps, and is the same each time.
fn value(instance: u64, minute: i64) -> Option<f64> {
    let mixed = (minute as u64 / 3 + instance * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    (!mixed.is_multiple_of(11)).then_some((mixed % 10) as f64)
}

const RULES: &str = r#"
groups:
- name: recorded
  interval: 1m
  rules:
  - {record: 'm:doubled', expr: 'm * 2', labels: {kind: double}}
  - {record: 'm:max5', expr: 'max_over_time(m:doubled[5m])'}
- name: alerts
  interval: 1m
  rules:
  - {alert: AtOnce, expr: 'm > 5'}
  - {alert: Held, expr: 'm > 3', for: 4m, labels: {severity: page}}
  - {alert: Kept, expr: 'm:max5 > 12', for: 2m, keep_firing_for: 6m}
  - {alert: OfAlerts, expr: 'count by (instance) (ALERTS{alertname="Held", alertstate="firing"})', for: 1m}
  - {alert: Named, expr: 'm == 9', labels: {level: '{{ if gt $value 8.0 }}high{{ end }}', who: '{{ $labels.instance }}'}}
- name: late
  interval: 2m
  query_offset: 90s
  rules:
  - {alert: Late, expr: 'm > 6', for: 2m}
"#;

#[test]
fn it_finds_what_live_evaluation_found() {
    let world = world();
    let minutes = 600;
    for minute in 0..minutes {
        for instance in 0..4 {
            if let Some(value) = value(instance, minute) {
                world.put("m", &format!("i{instance}"), START + minute * MINUTE, value);
            }
        }
    }
    // Live, into a store of its own that has the same series.
    let live = self::world();
    *live.store.memory.write() = world.store.memory.read().clone();
    let changes = Arc::new(Changes::default());
    let deps = Deps {
        evaluate: Arc::new(MetricsEvaluator {
            engine: live.history.engine.clone(),
            reader: live.store.clone(),
            features: Features::default(),
            watch: None,
        }),
        writer: live.store.clone(),
        alerts: changes.clone(),
        clock: Clock::manual(START),
        metrics: crate::Metrics::default(),
    };
    let config = Config { external_labels: Labels::from_pairs([("cluster", "c1")]), ..Config::default() };
    let mut running: Vec<Group> = groups(RULES).into_iter().map(Group::new).collect();
    running.iter_mut().for_each(Group::begin_anew);
    // Every group at its own times, all in the order of time.
    let mut times: BTreeMap<(i64, usize), ()> = BTreeMap::new();
    for (at, group) in running.iter().enumerate() {
        let (interval_ms, offset_ms) = (group.spec.interval_ms, group.offset_ms());
        let mut at_ms = START + (offset_ms - START).rem_euclid(interval_ms);
        while at_ms <= START + minutes * MINUTE {
            times.insert((at_ms, at), ());
            at_ms += interval_ms;
        }
    }
    for (at_ms, at) in times.into_keys() {
        running[at].evaluate(at_ms, &deps, &config);
    }
    let mut expected: BTreeMap<String, Vec<(i64, Labels, Option<i64>)>> = BTreeMap::new();
    let mut nearly = 0;
    for change in changes.0.lock().iter() {
        let list = expected.entry(change.rule.name.clone()).or_default();
        match change.phase {
            AlertPhase::Pending => {}
            AlertPhase::Inactive => nearly += 1,
            AlertPhase::Firing => list.push((change.at_ms, change.labels.clone(), None)),
            AlertPhase::Resolved => {
                let open = list.iter_mut().rfind(|(_, labels, _)| *labels == change.labels).unwrap();
                open.2 = Some(change.at_ms);
            }
        }
    }
    expected.values_mut().for_each(|list| list.sort());

    let report = world.backtest(&request(RULES, START, START + minutes * MINUTE));
    assert_eq!(report.stopped, None);
    assert_eq!(report.rules.iter().map(|rule| rule.nearly_fired).sum::<u64>(), nearly);
    for rule in &report.rules {
        let found: Vec<_> =
            rule.episodes.iter().map(|e| (e.fired_at_ms, e.labels.clone(), e.ended_at_ms)).collect();
        assert!(
            !found.is_empty() && rule.is_complete && rule.error.is_none(),
            "{} {:?}",
            rule.name,
            rule.error
        );
        // `ALERTS` of one group and a rule of another are live only as good as their order in time.
        assert_eq!(found, expected[&rule.name], "{}", rule.name);
        assert_eq!(rule.fired as usize, found.len());
    }
}

#[test]
fn what_fired_already_at_the_beginning_is_told_so_and_what_ended_before_is_not() {
    let world = world();
    for minute in 0..120 {
        let firing = minute < 20 || (40..80).contains(&minute) || minute >= 110;
        world.put("m", "a", START + minute * MINUTE, f64::from(u8::from(firing)));
    }
    let text = "groups: [{name: g, rules: [{alert: A, expr: m == 1, for: 10m}]}]";
    let report = world.backtest(&request(text, START + 60 * MINUTE, START + 119 * MINUTE));
    let rule = &report.rules[0];
    assert_eq!((rule.fired, rule.nearly_fired, rule.episodes.len()), (1, 0, 1), "{rule:?}");
    let episode = &rule.episodes[0];
    assert!(episode.began_before && episode.ended_at_ms.is_some(), "{episode:?}");
    assert!((19 * MINUTE..=21 * MINUTE).contains(&rule.firing_ms), "{}", rule.firing_ms);
    assert!((58..=60).contains(&rule.evaluations), "{}", rule.evaluations);
}

#[test]
fn only_what_is_asked_for_is_reported_and_what_it_uses_is_evaluated() {
    let world = world();
    (0..60).for_each(|minute| world.put("m", "a", START + minute * MINUTE, 9.0));
    let mut asked = request(RULES, START + 20 * MINUTE, START + 50 * MINUTE);
    asked.only = vec!["Kept".into()];
    let mut seen = Vec::new();
    let report = run(&asked, &world.history, &mut |progress| {
        if seen.last().is_none_or(|last| last != progress.rule) {
            seen.push(progress.rule.to_string());
        }
    })
    .unwrap();
    assert_eq!(seen, ["m:doubled", "m:max5", "Kept"]);
    assert_eq!(report.rules.len(), 1);
    assert_eq!(report.rules[0].fired, 1);
    // Without computing what is recorded nothing is there: it was never stored.
    asked.computes_records = false;
    assert_eq!(world.backtest(&asked).rules[0].fired, 0);
    asked.only = vec!["Nobody".into()];
    let error = run(&asked, &world.history, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "there is no alerting rule \"Nobody\"");
}

#[test]
fn it_ends_at_its_limits_and_says_why() {
    let world = world();
    for minute in 0..600 {
        let up = minute / 2 % 2 == 0;
        world.put("m", "a", START + minute * MINUTE, f64::from(u8::from(up)));
    }
    let text = "groups: [{name: g, rules: [{alert: A, expr: m == 1}, {alert: B, expr: m == 1}]}]";
    let whole = request(text, START, START + 600 * MINUTE);
    let with = |limits: Limits| Request { limits, ..whole.clone() };
    let report = world.backtest(&with(Limits { episodes_max: 10, ..Limits::default() }));
    assert_eq!((report.rules[0].episodes.len(), report.rules[1].episodes.len()), (10, 0));
    assert!(report.rules[1].fired > 100);
    let report = world.backtest(&with(Limits { samples_max: 100, ..Limits::default() }));
    assert_eq!(report.stopped.as_deref(), Some("it read more than 100 samples"));
    let limits = Limits::default();
    limits.cancel.cancel();
    let report = world.backtest(&with(limits));
    assert_eq!(report.stopped.as_deref(), Some("it was canceled"));
    assert!(!report.rules[0].is_complete);
    let long = Request { to_ms: START + 10 * STEPS_MAX * MINUTE, ..whole.clone() };
    assert!(run(&long, &world.history, &mut |_| {}).unwrap_err().to_string().contains("a longer step"));
    let backwards = Request { to_ms: START - 1, ..whole };
    assert!(run(&backwards, &world.history, &mut |_| {}).is_err());
}

#[test]
fn a_rule_that_fails_says_why_and_the_others_go_on() {
    let world = world();
    for minute in 0..60 {
        world.put("m", "a", START + minute * MINUTE, 1.0);
        world.put("m", "b", START + minute * MINUTE, 1.0);
    }
    let text = "groups: [{name: g, limit: 1, rules: [
        {alert: Same, expr: m == 1, labels: {instance: x}},
        {alert: Many, expr: m == 1},
        {alert: Wrong, expr: 'm + on() m'},
        {alert: Well, expr: 'm{instance=\"a\"} == 1'}]}]";
    let report = world.backtest(&request(text, START, START + 50 * MINUTE));
    let errors: Vec<&str> = report.rules.iter().map(|rule| rule.error.as_deref().unwrap_or("")).collect();
    assert!(
        errors[0].contains("same labelset") && errors[1].ends_with("exceeded limit of 1 with 2 alerts"),
        "{errors:?}"
    );
    assert!(errors[2].contains("many-to-many") && errors[3].is_empty(), "{errors:?}");
    assert_eq!(report.rules[3].fired, 1);
}

#[test]
fn what_fails_at_one_time_is_named_and_the_rest_goes_on() {
    let world = world();
    for minute in 0..100 {
        let at_ms = START + minute * MINUTE;
        world.put("m", "a", at_ms, if minute % 50 < 20 { 1.0 } else { 0.0 });
        // For a while there are two of it, and the join has no answer.
        world.put("n", "a", at_ms, 1.0);
        if (60..63).contains(&minute) {
            let labels = Labels::from_pairs([(METRIC_NAME, "n"), ("instance", "a"), ("copy", "2")]);
            world.store.memory.write().append_newer(&labels, at_ms, Point::Float(1.0));
        } else if minute == 63 {
            let labels = Labels::from_pairs([(METRIC_NAME, "n"), ("instance", "a"), ("copy", "2")]);
            world.store.memory.write().append_newer(&labels, at_ms, Point::Float(model::stale_nan()));
        }
    }
    let text = "groups: [{name: g, interval: 1m, rules: [{alert: A, expr: 'm * on(instance) n == 1'}]}]";
    let report = world.backtest(&request(text, START, START + 99 * MINUTE));
    let rule = &report.rules[0];
    let error = rule.error.as_deref().unwrap_or_default();
    assert!(error.starts_with("at 2023-11-14T23:1") && error.contains("many-to-many"), "{error}");
    assert!((3..=4).contains(&rule.failures), "{rule:?}");
    assert!(rule.is_complete && rule.evaluations >= 98, "{rule:?}");
    assert_eq!(rule.episodes.len(), 2, "what fired meanwhile fires on: {rule:?}");
}

#[test]
fn a_step_that_times_cannot_be_computed_with_is_refused() {
    let world = world();
    for step_ms in [i64::MIN, 0, i64::MAX] {
        let request = Request { step_ms: Some(step_ms), ..request(RULES, START, START + MINUTE) };
        assert!(run(&request, &world.history, &mut |_| {}).is_err(), "{step_ms}");
    }
}
