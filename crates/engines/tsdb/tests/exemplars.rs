//! Exemplars and metadata: kept with the samples, through restarts, within bounds.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use model::storage::{MetricWriter, SeriesRef, TimeRange, WriteBatch};
use model::{Exemplar, Labels, Metadata, MetricType};
use tsdb::{Db, Options};

fn exemplar(trace: &str, timestamp_ms: i64) -> Exemplar {
    let labels = Labels::from_pairs([("trace_id", trace)]);
    Exemplar { labels, value: 0.5, timestamp_ms, timestamp_given: true }
}

fn refs(db: &Db, numbers: &[u64]) -> Vec<SeriesRef> {
    let labels: Vec<_> = numbers.iter().map(|&n| series(n)).collect();
    let mut refs = Vec::new();
    db.resolve(&labels, &mut refs).unwrap();
    refs
}

fn found(db: &Db) -> Vec<(String, Vec<i64>)> {
    let all = db.exemplars(TimeRange::ALL, &[vec![]]).unwrap();
    all.into_iter().map(|(l, e)| (l.to_string(), e.iter().map(|e| e.timestamp_ms).collect())).collect()
}

#[test]
fn exemplars_outlive_kills_checkpoints_and_their_series() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let ids = refs(&db, &[1, 2]);
    let mut batch = WriteBatch::default();
    batch.push(ids[0], 1_000, 1.0);
    batch.exemplars = vec![
        (ids[0], exemplar("a", 900)),
        (ids[1], exemplar("b", 950)),
        (ids[0], exemplar("c", 990)),
        (ids[0], exemplar("c", 990)),
        (ids[0], exemplar("d", 980)),
        (ids[0], exemplar(&"x".repeat(130), 995)),
    ];
    let appended = db.append(&batch).unwrap();
    assert_eq!((appended.exemplars, appended.exemplars_refused), (3, 2));
    let expected = vec![(series(1).to_string(), vec![900, 990]), (series(2).to_string(), vec![950])];
    assert_eq!(found(&db), expected);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    assert_eq!(found(&open(copy.path()).0), expected);
    // Hours later the series are gone, and the log has become a checkpoint.
    for hour in 1..8 {
        append(&db, &[(series(3), hour * HOUR_MS, 1.0)]);
        db.maintain(hour * HOUR_MS);
    }
    assert_eq!(db.stats().head_series, 1);
    drop(db);
    let (db, _) = open(dir.path());
    assert_eq!(found(&db), expected);
    // A series that comes back goes on with what it had.
    let id = refs(&db, &[1])[0];
    let again = WriteBatch {
        exemplars: vec![(id, exemplar("e", 2_000)), (id, exemplar("f", 100))],
        ..WriteBatch::default()
    };
    let appended = db.append(&again).unwrap();
    assert_eq!((appended.exemplars, appended.exemplars_refused), (1, 1));
    assert_eq!(found(&db)[0].1, [900, 990, 2_000]);
}

#[test]
fn the_number_of_exemplars_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(Options { exemplars_max: 10, ..options(dir.path()) }).unwrap();
    let ids = refs(&db, &[1, 2, 3]);
    for time_ms in 0..100 {
        let batch = WriteBatch {
            exemplars: vec![(ids[time_ms as usize % 3], exemplar("t", time_ms))],
            ..WriteBatch::default()
        };
        db.append(&batch).unwrap();
    }
    let times = found(&db).into_iter().flat_map(|(_, times)| times);
    assert_eq!(times.filter(|&t| t < 90).count(), 0);
    assert_eq!((db.stats().exemplars, db.stats().exemplar_series), (10, 3));
    db.set_exemplars_max(0);
    assert!(found(&db).is_empty());
}

#[test]
fn the_last_word_on_a_metric_is_kept_through_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let say = |db: &Db, metric: &str, help: &str| {
        let metadata = Metadata { metric_type: MetricType::Counter, unit: "bytes".into(), help: help.into() };
        let batch = WriteBatch { metadata: vec![(metric.into(), metadata)], ..WriteBatch::default() };
        db.append(&batch).unwrap();
    };
    say(&db, "b_total", "first");
    let written = db.stats().wal_written_bytes;
    say(&db, "b_total", "first");
    assert_eq!(db.stats().wal_written_bytes, written, "nothing new, nothing logged");
    say(&db, "b_total", "second");
    say(&db, "a_total", "other");
    let check = |db: &Db| {
        let all = db.metadata(None);
        let helps: Vec<_> = all.iter().map(|(name, m)| (name.as_str(), m.help.as_str())).collect();
        assert_eq!(helps, [("a_total", "other"), ("b_total", "second")]);
        assert_eq!(db.metadata(Some("b_total"))[0].1.metric_type, MetricType::Counter);
        assert!(db.metadata(Some("c_total")).is_empty());
    };
    check(&db);
    for hour in 1..8 {
        append(&db, &[(series(3), hour * HOUR_MS, 1.0)]);
        db.maintain(hour * HOUR_MS);
    }
    drop(db);
    check(&open(dir.path()).0);
}
