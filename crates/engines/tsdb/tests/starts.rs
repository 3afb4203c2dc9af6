//! Since when counters have been counting: kept with the samples, or as a sample of 0.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;

use base::Clock;
use common::*;
use model::storage::{MetricReader, MetricWriter, Select, TimeRange, WriteBatch};
use model::{FloatHistogram, LabelTable, Samples};
use tsdb::{Db, Options, StartTimestamps};

const START_MS: i64 = 1_700_006_400_000;

fn with(dir: &Path, start_timestamps: StartTimestamps) -> Db {
    let clock = Clock::manual(START_MS + 100 * HOUR_MS);
    Db::open(Options { start_timestamps, clock, ..options(dir) }).unwrap().0
}

fn samples_of(db: &Db, number: u64) -> Samples {
    let wanted = [matcher(model::MatchOp::Equal, "instance", series(number).value("instance"))];
    let mut samples = Samples::default();
    let selected = db.select(&Select::new(TimeRange::ALL, &wanted), &mut LabelTable::new()).unwrap();
    selected.samples.read(0, &mut samples).unwrap();
    samples
}

/// Writes one float sample of each series with this start, of a histogram series too.
fn write(db: &Db, time_ms: i64, start_ms: i64) {
    let mut refs = Vec::new();
    db.resolve(&[series(0), series(3), series(6)], &mut refs).unwrap();
    let mut batch = WriteBatch::default();
    batch.push(refs[0], time_ms, (time_ms / 7) as f64);
    batch.push(refs[1], time_ms, (time_ms / 7) as f64);
    batch.set_last_start(start_ms);
    let histogram = FloatHistogram { count: 2.0, zero_count: 2.0, sum: 1.0, ..FloatHistogram::default() };
    batch.histograms.push((refs[2], time_ms, Arc::new(histogram)));
    batch.set_last_histogram_start(start_ms);
    assert_eq!(db.append(&batch).unwrap().accepted, 3);
}

#[test]
fn starts_are_kept_in_the_head_the_log_and_in_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = StartTimestamps { store: true, write_zero: false };
    let db = with(dir.path(), wanted);
    let mut expected = Vec::new();
    let check = |db: &Db, expected: &[i64]| {
        assert!(samples_of(db, 0).start_timestamps_ms.iter().all(|&start_ms| start_ms == 0));
        for number in [3, 6] {
            let samples = samples_of(db, number);
            assert_eq!(samples.start_timestamps_ms, expected, "series {number}");
            assert_eq!(samples.timestamps_ms.len(), expected.len());
        }
        assert_eq!(samples_of(db, 3).values, samples_of(db, 0).values);
    };
    for minute in 0..600 {
        // Unknown at first, then a counter that is reset every now and then.
        let start_ms = if minute < 50 { 0 } else { START_MS + minute / 70 * 70 * MINUTE_MS - 500 };
        write(&db, START_MS + minute * MINUTE_MS, start_ms);
        expected.push(start_ms);
        if minute == 100 {
            check(&db, &expected);
        }
        if minute % 60 == 59 {
            db.maintain(START_MS + minute * MINUTE_MS);
        }
    }
    assert!(db.stats().head_cuts >= 3);
    check(&db, &expected);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    // What is there stays, whatever is wanted now.
    check(&with(copy.path(), StartTimestamps::default()), &expected);
}

#[test]
fn without_the_wish_nothing_is_kept_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let db = with(dir.path(), StartTimestamps::default());
    write(&db, START_MS, START_MS - 100);
    for number in [0, 3, 6] {
        let samples = samples_of(&db, number);
        assert_eq!((samples.len(), samples.start_timestamps_ms.len()), (1, 0));
    }
}

#[test]
fn a_counter_gets_a_zero_at_its_start_once_and_never_among_its_samples() {
    let dir = tempfile::tempdir().unwrap();
    let db = with(dir.path(), StartTimestamps { store: false, write_zero: true });
    write(&db, START_MS, START_MS - 5_000);
    for step in 1..4 {
        write(&db, START_MS + step * 15_000, START_MS - 5_000);
    }
    // Reset, and scraped twice since.
    write(&db, START_MS + 60_000, START_MS + 50_000);
    write(&db, START_MS + 75_000, START_MS + 50_000);
    // A start after its sample, or long ago, says nothing.
    write(&db, START_MS + 90_000, START_MS + 95_000);
    assert_eq!(samples_of(&db, 0).len(), 7);
    for number in [3, 6] {
        let samples = samples_of(&db, number);
        let times: Vec<_> = samples.timestamps_ms.iter().map(|t| t - START_MS).collect();
        assert_eq!(times, [-5_000, 0, 15_000, 30_000, 45_000, 50_000, 60_000, 75_000, 90_000]);
    }
    assert_eq!((samples_of(&db, 3).values[0], samples_of(&db, 3).values[5]), (0.0, 0.0));
    assert_eq!(samples_of(&db, 6).histogram(5).unwrap().count, 0.0);
    assert_eq!(db.stats().samples_out_of_order, 0);
}
