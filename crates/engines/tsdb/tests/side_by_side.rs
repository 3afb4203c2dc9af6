//! Writers, queries and maintenance at the same time.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use base::Clock;
use common::*;
use tsdb::{Db, Options};

/// What only a deadlock exceeds.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn new_series_and_queries_go_on_while_the_head_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let range_ms = HOUR_MS;
    let options = Options { clock: clock.clone(), block_range_ms: range_ms, ..options(dir.path()) };
    let db = Arc::new(Db::open(options).unwrap().0);
    let (done, finished) = mpsc::sync_channel(1);
    let stop = Arc::new(AtomicBool::new(false));
    let churn = std::thread::spawn({
        let (db, stop) = (db.clone(), stop.clone());
        move || {
            let mut number = 1_000_000;
            while !stop.load(Ordering::Relaxed) {
                let new: Vec<_> = (0..50).map(|n| series(number + n)).collect();
                db_resolve(&db, &new);
                number += 50;
            }
        }
    });
    let reader = std::thread::spawn({
        let (db, stop) = (db.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                assert!(select_all(&db).len() <= 500);
            }
        }
    });
    std::thread::spawn({
        let (db, stop) = (db.clone(), stop.clone());
        move || {
            for step in 0..60 {
                let time_ms = step * range_ms / 4;
                clock.jump_to_ms(time_ms);
                append(&db, &(0..500).map(|n| (series(n), time_ms, step as f64)).collect::<Vec<_>>());
                assert_eq!(db.maintain(time_ms).errors, [] as [String; 0]);
            }
            stop.store(true, Ordering::Relaxed);
            churn.join().unwrap();
            reader.join().unwrap();
            done.send(()).unwrap();
        }
    });
    assert!(finished.recv_timeout(PATIENCE).is_ok(), "the store hangs");
    let all = everything(&db);
    assert_eq!(all.len(), 500);
    assert!(all.values().all(|samples| samples.len() == 60));
    assert!(!db.stats().blocks.is_empty());
}

fn db_resolve(db: &Db, labels: &[model::Labels]) {
    use model::storage::MetricWriter;
    db.resolve(labels, &mut Vec::new()).unwrap();
}
