//! What an operator asks a store for: deleting, cleaning up, snapshots.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::*;
use model::storage::TimeRange;
use model::{MatchOp, Matcher};

fn job(number: usize) -> Vec<Matcher> {
    vec![matcher(MatchOp::Equal, "job", &format!("job-{number}"))]
}

fn without_jobs(expected: &mut Dump, range: TimeRange, numbers: &[usize]) {
    for (labels, samples) in expected.iter_mut() {
        if numbers.iter().any(|number| labels.contains(&format!("job-{number}"))) {
            samples.retain(|(time_ms, _)| *time_ms < range.start_ms || *time_ms > range.end_ms);
        }
    }
    expected.retain(|_, samples| !samples.is_empty());
}

#[test]
fn several_selections_are_deleted_at_once_and_cleaning_frees_their_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 16, &mut expected);
    let range = TimeRange { start_ms: START_MS + HOUR_MS, end_ms: START_MS + 15 * HOUR_MS };
    assert!(db.delete_series(range, &[job(0), Vec::new()]).is_err(), "everything by mistake");
    assert_eq!(everything(&db), expected);
    db.delete_series(range, &[job(0), job(1)]).unwrap();
    without_jobs(&mut expected, range, &[0, 1]);
    assert_eq!(everything(&db), expected);
    let before: u64 = db.stats().blocks.iter().map(|block| block.size_bytes).sum();
    assert_eq!(db.clean_tombstones().unwrap(), 3);
    let after: u64 = db.stats().blocks.iter().map(|block| block.size_bytes).sum();
    assert!(after < before / 2, "{after} of {before} bytes are left");
    assert_eq!(everything(&db), expected);
    assert_eq!(db.clean_tombstones().unwrap(), 0, "nothing is left to clean");
    drop(db);
    assert_eq!(everything(&open(dir.path()).0), expected);
}

#[test]
fn a_block_of_which_everything_was_deleted_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 16, &mut expected);
    let range = TimeRange { start_ms: 0, end_ms: START_MS + 12 * HOUR_MS - 1 };
    db.delete_series(range, &[job(0), job(1), job(2)]).unwrap();
    without_jobs(&mut expected, range, &[0, 1, 2]);
    db.clean_tombstones().unwrap();
    assert_eq!(db.stats().blocks.len(), 1);
    assert_eq!(block_dirs(dir.path()).len(), 1);
    assert_eq!(everything(&db), expected);
}

#[test]
fn a_snapshot_has_blocks_and_head_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 16, &mut expected);
    let deleted = TimeRange { start_ms: START_MS, end_ms: START_MS + HOUR_MS };
    db.delete_series(deleted, &[job(2)]).unwrap();
    without_jobs(&mut expected, deleted, &[2]);
    let name = db.snapshot(false).unwrap();
    let blocks_only = db.snapshot(true).unwrap();
    let head_start_ms = db.stats().head_range.unwrap().start_ms;
    let snapshot = dir.path().join("snapshots").join(&name);
    // Three blocks, and the head as one for each of its two ranges of two hours.
    let head_range = db.stats().head_range.unwrap();
    assert_eq!((head_range.end_ms - head_range.start_ms) / HOUR_MS, 1);
    assert_eq!(block_dirs(&snapshot).len(), 4);
    // What happens to the store afterwards does not change it.
    db.delete_series(TimeRange::ALL, &[job(0)]).unwrap();
    db.clean_tombstones().unwrap();
    drop(db);
    if let Some(dumped) = promtool_dump(&snapshot) {
        assert_eq!(dumped, expected);
    }
    assert_eq!(everything(&open(&snapshot).0), expected);
    for samples in expected.values_mut() {
        samples.retain(|(time_ms, _)| *time_ms < head_start_ms);
    }
    assert_eq!(everything(&open(&dir.path().join("snapshots").join(blocks_only)).0), expected);
}

#[test]
fn a_snapshot_that_a_crash_interrupted_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let unfinished = dir.path().join("snapshots").join("20260101T000000Z-0123.tmp-for-creation");
    fs::create_dir_all(unfinished.join("chunks")).unwrap();
    let (_, opened) = open(dir.path());
    assert_eq!(opened.removed, std::slice::from_ref(&unfinished));
    assert!(!unfinished.exists());
}

#[test]
fn an_export_is_a_directory_of_prometheus() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 17, &mut expected);
    let out = dir.path().join("out");
    db.export(&out, &|_, _| {}).unwrap();
    assert!(db.export(&out, &|_, _| {}).is_err(), "what is there is not overwritten");
    drop(db);
    assert_eq!(everything(&open(&out).0), expected);
    if let Some(dumped) = promtool_dump(&out) {
        assert_eq!(dumped, expected);
    }
}

#[test]
fn a_head_with_samples_from_the_future_is_exported_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let samples = [(series(1), START_MS + 1, 1.0), (series(2), START_MS + 900 * HOUR_MS, 2.0)];
    append(&db, &samples);
    let mut expected = Dump::new();
    expect(&mut expected, &samples);
    let out = dir.path().join("out");
    db.export(&out, &|_, _| {}).unwrap();
    drop(db);
    assert_eq!(everything(&open(&out).0), expected);
}

#[test]
fn late_samples_are_in_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    db.set_out_of_order_window(6 * HOUR_MS);
    let samples = [
        (series(1), START_MS, 1.0),
        (series(1), START_MS - 5 * HOUR_MS, 2.0),
        (series(1), START_MS - 1, 3.0),
    ];
    append(&db, &samples);
    let mut expected = Dump::new();
    expect(&mut expected, &samples);
    expected.values_mut().for_each(|samples| samples.sort_unstable());
    assert_eq!(everything(&db), expected);
    let snapshot = dir.path().join("snapshots").join(db.snapshot(false).unwrap());
    drop(db);
    if let Some(dumped) = promtool_dump(&snapshot) {
        assert_eq!(dumped, expected);
    }
    assert_eq!(everything(&open(&snapshot).0), expected);
}
