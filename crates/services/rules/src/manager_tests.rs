//! Groups whose evaluation takes long.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base::Clock;
use model::Labels;
use model::alert::{Alert, AlertSink};
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use promql::{Expr, Features, SampleValue};

use super::*;
use crate::evaluate::{Asker, Evaluate, Sampled};
use crate::file::{Defaults, parse_file};

/// Answers when it is let go.
#[derive(Default)]
struct Stuck {
    free: AtomicBool,
    asked: AtomicUsize,
}

impl Evaluate for Stuck {
    fn instant(&self, _: &Expr, _: &str, _: i64, _: Asker<'_>) -> Result<Vec<Sampled>, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        while !self.free.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(vec![Sampled { labels: Labels::empty(), value: SampleValue::Float(1.0) }])
    }

    fn query(&self, _: &str, _: i64) -> Result<Vec<Sampled>, String> {
        Ok(Vec::new())
    }
}

struct Nowhere;

impl MetricWriter for Nowhere {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        refs.extend(series.iter().map(|_| SeriesRef(1)));
        Ok(())
    }

    fn append(&self, _: &WriteBatch) -> Result<Appended, StorageError> {
        Ok(Appended::default())
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

impl AlertSink for Nowhere {
    fn send(&self, _: Vec<Alert>) {}
}

fn config() -> Config {
    let text = "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}]}]";
    let groups = parse_file("f", text, Defaults::default(), &Features::default()).unwrap();
    Config { groups, ..Config::default() }
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited too long");
}

#[tokio::test]
async fn neither_who_looks_nor_a_reload_waits_for_an_evaluation() {
    let stuck = Arc::new(Stuck::default());
    let deps = Deps {
        evaluate: stuck.clone(),
        writer: Arc::new(Nowhere),
        alerts: Arc::new(Nowhere),
        clock: Clock::system(),
        metrics: crate::Metrics::default(),
    };
    let handle = Rules::start(config(), deps.clone());
    until(|| stuck.asked.load(Ordering::SeqCst) == 1).await;
    let free = stuck.clone();
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        free.free.store(true, Ordering::SeqCst);
    });
    let clock = Clock::system();
    let mark = clock.mark();
    assert_eq!(handle.groups()[0].last_evaluation_ms, 0);
    assert_eq!(handle.problem(), None);
    handle.apply(config());
    assert_eq!(handle.groups().len(), 1);
    assert!(mark.elapsed() < Duration::from_secs(1), "waited {:?}", mark.elapsed());
    until(|| handle.groups()[0].rules[0].alerts.len() == 1).await;
    handle.stop().await;
    release.join().unwrap();
}

#[tokio::test]
async fn a_group_that_is_late_is_a_problem_and_so_is_to_have_none() {
    let clock = Clock::manual(1_700_000_000_000);
    let deps = Deps {
        evaluate: Arc::new(Stuck::default()),
        writer: Arc::new(Nowhere),
        alerts: Arc::new(Nowhere),
        clock: clock.clone(),
        metrics: crate::Metrics::default(),
    };
    let handle = Rules::start(Config::default(), deps);
    assert_eq!(handle.problem().unwrap(), "there are no rules");
    handle.apply(Config {
        groups: parse_file(
            "f",
            "groups: [{name: g, interval: 1d, rules: [{alert: A, expr: vector(1)}]}]",
            Defaults::default(),
            &Features::default(),
        )
        .unwrap(),
        ..Config::default()
    });
    assert_eq!(handle.problem(), None);
    clock.advance(Duration::from_secs(4 * 86_400));
    assert_eq!(handle.problem().unwrap(), "group \"g\" has not been evaluated for 345600 s");
}
