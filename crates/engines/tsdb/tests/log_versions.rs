//! Logs that earlier versions of the program wrote are read in full.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{everything, open};
use model::Labels;
use model::storage::{MetricWriter, WriteBatch};
use tsdb::Db;

const START_MS: i64 = 1_700_006_400_000;
const STEPS: i64 = 40;

/// What the program that wrote the fixture gave series `n` at a step.
fn sample(n: i64, step: i64) -> Option<(i64, f64)> {
    if (n + step) % 11 == 0 {
        return None;
    }
    let value = match n % 5 {
        0 => n as f64,
        1 => (n * step * 3) as f64,
        2 => n as f64 + step as f64 * 0.1,
        3 => (step * step) as f64 * 4096.0,
        _ => 1.0 / (1.0 + step as f64 + n as f64),
    };
    Some((START_MS + step * 15_000 + if n % 50 == 7 { n } else { 0 }, value))
}

fn labels(n: i64) -> Labels {
    let (name, number) = (format!("series_{}", n % 7), n.to_string());
    Labels::from_pairs([("__name__", name.as_str()), ("n", &number), ("job", "fixture")])
}

fn check(db: &Db) {
    let all = everything(db);
    assert_eq!(all.len(), 300);
    for n in 0..300 {
        let mut expected: Vec<(i64, u64)> = (0..STEPS)
            .filter_map(|step| sample(n, step))
            .filter(|(time_ms, _)| n != 5 || *time_ms > START_MS + 60_000)
            .map(|(time_ms, value)| (time_ms, value.to_bits()))
            .collect();
        if n == 3 {
            expected.push((START_MS + 20 * 15_000 + 5_000, model::STALE_NAN_BITS));
            expected.sort_unstable();
        }
        let mut found = all[&labels(n).to_string()].clone();
        found.retain(|(time_ms, _)| *time_ms < START_MS + STEPS * 15_000);
        assert_eq!(found, expected, "series {n}");
    }
}

#[test]
fn a_log_of_version_1_is_read_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("wal-segments");
    fs::create_dir_all(&log).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wal-version-1");
    fs::copy(fixture, log.join("00000001")).unwrap();
    let (db, opened) = open(dir.path());
    assert!(opened.replay.damages.is_empty() && opened.replay.orphans == 0, "{opened:?}");
    check(&db);
    let labels: Vec<_> = (0..300).map(labels).collect();
    let (mut refs, mut batch) = (Vec::new(), WriteBatch::default());
    db.resolve(&labels, &mut refs).unwrap();
    refs.iter().for_each(|series| batch.push(*series, START_MS + STEPS * 15_000, 1.5));
    assert_eq!(db.append(&batch).unwrap().accepted, 300);
    drop(db);
    let (db, opened) = open(dir.path());
    assert!(opened.replay.damages.is_empty() && opened.replay.orphans == 0, "{opened:?}");
    check(&db);
    let again = db.append(&batch).unwrap();
    assert_eq!(again.accepted, 300, "what was added is there already, with the same values");
    assert_eq!(db.stats().samples_duplicate, 0);
}
