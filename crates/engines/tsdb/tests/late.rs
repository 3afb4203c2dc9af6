//! Samples that come late: inside the out-of-order window they count, wherever they belong in time.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use common::*;
use model::histogram::CounterResetHint;
use model::storage::{MetricReader, MetricWriter, Select, TimeRange, Want, WriteBatch};
use model::{FloatHistogram, LabelTable, Samples};
use tsdb::{Db, Options};

const NOW_MS: i64 = 1_700_000_000_000;

fn windowed(dir: &Path, clock: &Clock, window_ms: i64) -> Db {
    let options = Options { out_of_order_window_ms: window_ms, clock: clock.clone(), ..options(dir) };
    Db::open(options).unwrap().0
}

fn value(time_ms: i64) -> f64 {
    (time_ms % 1_000) as f64
}

/// Samples of a series every ten seconds from some minutes ago to some minutes ago.
fn stretch(number: u64, from_min: i64, to_min: i64) -> Vec<(model::Labels, i64, f64)> {
    (from_min * 6..to_min * 6)
        .map(|step| NOW_MS + step * 10_000)
        .map(|time_ms| (series(number), time_ms, value(time_ms)))
        .collect()
}

#[test]
fn inside_the_window_any_order_is_taken_and_read_in_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    let mut all = stretch(1, -300, 0);
    let mut expected = Dump::new();
    expect(&mut expected, &all);
    let mut random = Random::new(7);
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at as u64 + 1) as usize);
    }
    for part in all.chunks(40) {
        append(&db, part);
    }
    assert_eq!(everything(&db), expected);
    let half = TimeRange { start_ms: NOW_MS - 100 * MINUTE_MS, end_ms: NOW_MS - 50 * MINUTE_MS };
    assert_eq!(read(&db, half, &[])[&series(1).to_string()].len(), 301);
    // A kill leaves what was there: in the log, and after a checkpoint in that.
    for checkpoint in [false, true] {
        let copy = tempfile::tempdir().unwrap();
        if checkpoint {
            clock.advance(Duration::from_secs(3 * 3600));
            db.maintain(clock.now_ms());
        }
        copy_dir(dir.path(), copy.path());
        let again = windowed(copy.path(), &clock, 0);
        assert_eq!(everything(&again), expected);
        assert_eq!(again.stats().late_samples == 0, checkpoint, "a checkpoint follows the cut");
    }
}

#[test]
fn what_is_refused_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 30 * MINUTE_MS);
    append(&db, &[(series(1), NOW_MS, 1.0)]);
    let at = |db: &Db, number, minutes_ago, value| {
        try_append(db, &[(series(number), NOW_MS - minutes_ago * MINUTE_MS, value)]).unwrap()
    };
    let inside = at(&db, 1, 30, 1.0);
    assert_eq!((inside.accepted, inside.late), (1, 1));
    let outside = at(&db, 1, 31, 1.0);
    assert_eq!((outside.accepted, outside.outside_window, outside.too_old), (0, 1, 0));
    // A series without later samples takes what the head takes in order, beyond the window too.
    let fresh = at(&db, 2, 50, 1.0);
    assert_eq!((fresh.accepted, fresh.late), (1, 0));
    let (same, other) = (at(&db, 1, 0, 1.0), at(&db, 1, 0, 2.0));
    assert_eq!((same.accepted, other.duplicate), (1, 1));
    // The window can change while the store runs.
    db.set_out_of_order_window(0);
    let (late, old) = (at(&db, 1, 1, 1.0), at(&db, 1, 90, 1.0));
    assert_eq!((late.out_of_order, old.too_old, old.outside_window), (1, 1, 0));
    db.set_out_of_order_window(2 * HOUR_MS);
    assert_eq!(at(&db, 1, 90, 1.0).late, 1);
    // Sent again, it is the same sample.
    assert_eq!(at(&db, 1, 90, 1.0).accepted, 1);
    assert_eq!(everything(&db)[&series(1).to_string()].len(), 3);
    let stats = db.stats();
    assert_eq!((stats.samples_outside_window, stats.samples_out_of_order, stats.samples_too_old), (1, 1, 1));
}

#[test]
fn late_samples_become_blocks_of_their_own_time_and_are_merged_with_those_there() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 48 * HOUR_MS);
    let mut expected = Dump::new();
    // Twelve hours in order, of which blocks are made, with a gap in one series.
    for hour in -12..0 {
        let mut samples = stretch(2, hour * 60, hour * 60 + 60);
        if hour != -8 {
            samples.extend(stretch(1, hour * 60, hour * 60 + 60));
        }
        append(&db, &samples);
        expect(&mut expected, &samples);
        db.maintain(NOW_MS);
    }
    assert!(db.stats().head_cuts > 3);
    let gap = stretch(1, -8 * 60, -7 * 60);
    // And a series that nobody knew, before everything else.
    let unknown = stretch(5, -40 * 60, -39 * 60);
    append(&db, &gap);
    append(&db, &unknown);
    expect(&mut expected, &unknown);
    let of_gap = expected.get_mut(&series(1).to_string()).unwrap();
    of_gap.extend(gap.iter().map(|(_, t, v)| (*t, v.to_bits())));
    of_gap.sort_unstable();
    assert_eq!(everything(&db), expected);
    assert_eq!(db.stats().late_samples, 720);
    let before = db.stats().blocks.len();

    clock.advance(Duration::from_secs(2 * 3600));
    let report = db.maintain(clock.now_ms());
    assert!(report.errors.is_empty(), "{report:?}");
    assert!(!report.cut.is_empty() && !report.merged.is_empty(), "{report:?}");
    let stats = db.stats();
    assert_eq!((stats.late_samples, stats.late_series), (0, 0));
    assert_eq!(stats.late_cuts, report.cut.len() as u64);
    assert_eq!(everything(&db), expected);
    assert!(stats.blocks.windows(2).all(|pair| pair[0].max_time_ms <= pair[1].min_time_ms), "{stats:?}");
    assert!(stats.blocks.len() <= before + 1);
    drop(db);
    let db = windowed(dir.path(), &clock, 0);
    assert_eq!(everything(&db), expected);
    assert_eq!(db.stats().late_samples, 0, "the checkpoint has forgotten them");
}

#[test]
fn a_kill_between_the_block_and_the_checkpoint_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    append(&db, &[(series(1), NOW_MS, 1.0)]);
    append(&db, &stretch(1, -100, -10));
    let expected = everything(&db);
    let log = tempfile::tempdir().unwrap();
    copy_dir(&dir.path().join("wal-segments"), log.path());
    clock.advance(Duration::from_secs(2 * 3600));
    assert!(!db.maintain(clock.now_ms()).cut.is_empty());
    drop(db);
    std::fs::remove_dir_all(dir.path().join("wal-segments")).unwrap();
    copy_dir(log.path(), &dir.path().join("wal-segments"));
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    assert_eq!(everything(&db), expected);
    clock.advance(Duration::from_secs(2 * 3600));
    db.maintain(clock.now_ms());
    assert_eq!(everything(&db), expected);
    assert!(db.stats().blocks.windows(2).all(|pair| pair[0].max_time_ms <= pair[1].min_time_ms));
}

#[test]
fn late_samples_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    append(&db, &[(series(1), NOW_MS, 1.0), (series(2), NOW_MS, 1.0)]);
    append(&db, &stretch(1, -100, -10));
    let range = TimeRange { start_ms: i64::MIN, end_ms: NOW_MS - 50 * MINUTE_MS };
    let one = [matcher(model::MatchOp::Equal, "job", "job-1")];
    assert_eq!(db.delete_series(range, &[one.to_vec()]).unwrap(), 1);
    let expected = everything(&db);
    assert_eq!(expected[&series(1).to_string()].len(), 240);
    clock.advance(Duration::from_secs(2 * 3600));
    db.maintain(clock.now_ms());
    assert_eq!(everything(&db), expected);
    drop(db);
    assert_eq!(everything(&windowed(dir.path(), &clock, 0)), expected);
}

#[test]
fn the_newest_sample_may_be_a_late_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    append(&db, &[(series(1), NOW_MS - 90 * MINUTE_MS, 1.0)]);
    append(&db, &[(series(2), NOW_MS, 1.0)]);
    // Later than all of its series, but before what the head takes in order.
    append(&db, &[(series(1), NOW_MS - 70 * MINUTE_MS, 2.0)]);
    assert_eq!(db.stats().late_samples, 1);
    let job = [matcher(model::MatchOp::Equal, "job", "job-1")];
    let range = TimeRange { start_ms: NOW_MS - 100 * MINUTE_MS, end_ms: NOW_MS };
    let newest = Select { want: Want::Newest, ..Select::new(range, &job) };
    let mut samples = Samples::default();
    let selected = db.select(&newest, &mut LabelTable::new()).unwrap();
    selected.samples.read(0, &mut samples).unwrap();
    assert_eq!(samples.values.last(), Some(&2.0));
}

#[test]
fn a_snapshot_has_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    append(&db, &[(series(1), NOW_MS, 1.0)]);
    append(&db, &stretch(1, -100, -10));
    append(&db, &stretch(4, -300, -290));
    let name = db.snapshot(false).unwrap();
    let copy = dir.path().join("snapshots").join(name);
    assert_eq!(everything(&windowed(&copy, &clock, 0)), everything(&db));
}

#[test]
fn late_histograms_are_taken_and_know_nothing_of_resets() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 6 * HOUR_MS);
    let mut refs = Vec::new();
    db.resolve(&[series(1)], &mut refs).unwrap();
    let histogram = |count: f64| {
        Arc::new(FloatHistogram { count, sum: count, zero_count: count, ..FloatHistogram::default() })
    };
    for minutes_ago in [0, 10, 5, 20, 15] {
        let mut batch = WriteBatch::default();
        let time_ms = NOW_MS - minutes_ago * MINUTE_MS;
        batch.histograms.push((refs[0], time_ms, histogram(100.0 - minutes_ago as f64)));
        assert_eq!(db.append(&batch).unwrap().accepted, 1);
    }
    let check = |db: &Db| {
        let mut samples = Samples::default();
        let everything = Select::new(TimeRange::ALL, &[]);
        let selected = db.select(&everything, &mut LabelTable::new()).unwrap();
        selected.samples.read(0, &mut samples).unwrap();
        let counts: Vec<_> = samples.histograms.iter().flatten().map(|h| h.count).collect();
        assert_eq!(counts, [80.0, 85.0, 90.0, 95.0, 100.0]);
        let first = samples.histogram(0).unwrap().counter_reset_hint;
        assert_eq!(first, CounterResetHint::Unknown);
        assert!(samples.histograms.iter().flatten().all(|h| h.counter_reset_hint != CounterResetHint::Reset));
    };
    check(&db);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    check(&windowed(copy.path(), &clock, 0));
    clock.advance(Duration::from_secs(2 * 3600));
    db.maintain(clock.now_ms());
    assert_eq!(db.stats().late_samples, 0);
    check(&db);
}

#[test]
fn many_late_samples_take_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let db = windowed(dir.path(), &clock, 1_000 * HOUR_MS);
    append(&db, &[(series(0), NOW_MS, 1.0)]);
    for from_min in (-2_000..-100).step_by(100) {
        let samples: Vec<_> = (0..5).flat_map(|number| stretch(number, from_min, from_min + 100)).collect();
        append(&db, &samples);
    }
    let stats = db.stats();
    assert_eq!(stats.late_samples, 5 * 1_900 * 6);
    // Little more than what the samples take in any chunk.
    assert!(stats.late_chunk_bytes < stats.late_samples * 4, "{stats:?}");
}
