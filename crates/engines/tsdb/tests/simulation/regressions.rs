//! What the simulation found once, as small as it can be told: power that goes during each change in turn.

use std::path::Path;
use std::sync::Arc;

use base::Clock;
use model::storage::{MetricWriter, TimeRange};
use tempfile::TempDir;
use tsdb::{Db, Opened, Options};

use crate::common::{MINUTE_MS, append, series, try_append};
use crate::disk::{Faults, SimDisk};
use crate::oracle::read;
use crate::program::folder;

const START_MS: i64 = 1_700_006_400_000;

fn at(minute: i64) -> i64 {
    START_MS + minute * MINUTE_MS
}

fn open(dir: &Path, disk: &SimDisk) -> (Db, Opened) {
    Db::open(Options {
        retention_time_ms: None,
        block_range_ms: 10 * MINUTE_MS,
        clock: Clock::manual(at(60)),
        disk: Arc::new(disk.clone()),
        ..Options::new(dir)
    })
    .unwrap()
}

/// What the power leaves when it goes now, and a disk that holds it.
fn after_power_loss(disk: &SimDisk, seed: u64) -> (TempDir, SimDisk) {
    let left = folder();
    disk.after_power_loss(left.path());
    let disk = SimDisk::new(left.path(), seed);
    (left, disk)
}

/// Minutes of the samples that are there.
fn minutes(db: &Db) -> Vec<i64> {
    let found = read(db, TimeRange::ALL, &[]).unwrap();
    let times = found.values().flat_map(|samples| samples.keys().copied());
    times.map(|time_ms| (time_ms - START_MS) / MINUTE_MS).collect()
}

#[test]
fn what_a_killed_process_did_not_flush_is_flushed_before_more_is_acknowledged() {
    for seed in 0..20 {
        let dir = folder();
        let disk = SimDisk::new(dir.path(), seed);
        let (db, _) = open(dir.path(), &disk);
        append(&db, &[(series(1), at(1), 1.0)]);
        drop(db);
        let (db, _) = open(dir.path(), &disk);
        // Its series is known only from what was not flushed.
        let appended = try_append(&db, &[(series(1), at(2), 2.0)]).unwrap();
        db.wait_durable(appended.ticket).unwrap();
        drop(db);
        let (left, disk) = after_power_loss(&disk, seed);
        assert_eq!(minutes(&open(left.path(), &disk).0), [1, 2], "seed {seed}");
    }
}

#[test]
fn the_same_sample_sent_to_the_next_process_is_acknowledged_only_when_it_is_flushed() {
    for seed in 0..20 {
        let dir = folder();
        let disk = SimDisk::new(dir.path(), seed);
        let (db, _) = open(dir.path(), &disk);
        append(&db, &[(series(1), at(1), 1.0)]);
        drop(db);
        let (db, _) = open(dir.path(), &disk);
        let appended = try_append(&db, &[(series(1), at(1), 1.0)]).unwrap();
        db.wait_durable(appended.ticket).unwrap();
        drop(db);
        let (left, disk) = after_power_loss(&disk, seed);
        assert_eq!(minutes(&open(left.path(), &disk).0), [1], "seed {seed}");
    }
}

/// A store with an hour of samples, all of them flushed.
fn an_hour(dir: &Path, disk: &SimDisk) -> Db {
    let (db, _) = open(dir, disk);
    for minute in 0..60 {
        append(&db, &[(series(1), at(minute), 1.0)]);
    }
    db.wait_durable(try_append(&db, &[(series(1), at(60), 1.0)]).unwrap().ticket).unwrap();
    db
}

#[test]
fn power_that_goes_anywhere_in_maintenance_leaves_whole_blocks_and_every_sample() {
    for after in (0..300).step_by(3) {
        let dir = folder();
        let disk = SimDisk::new(dir.path(), after);
        let db = an_hour(dir.path(), &disk);
        disk.lose_power_after(after);
        db.maintain(at(60));
        drop(db);
        let (left, disk) = after_power_loss(&disk, after);
        let (db, opened) = open(left.path(), &disk);
        assert!(opened.corrupt_blocks.is_empty() && opened.failed_blocks.is_empty(), "{after}: {opened:?}");
        assert_eq!(minutes(&db), (0..=60).collect::<Vec<_>>(), "{after}");
    }
}

#[test]
fn a_checkpoint_after_a_cut_that_failed_keeps_what_got_into_no_block() {
    for after in 0..60 {
        let dir = folder();
        let disk = SimDisk::new(dir.path(), after);
        let db = an_hour(dir.path(), &disk);
        disk.set_faults(Faults { failing_syncs: 1_000, ..Faults::default() });
        let lost = try_append(&db, &[(series(2), at(60), 1.0)]).unwrap();
        assert!(db.wait_durable(lost.ticket).is_err());
        assert!(!db.maintain(at(60)).errors.is_empty());
        disk.set_faults(Faults::default());
        // The flush that failed is made up for by a checkpoint; then the power goes.
        disk.lose_power_after(after);
        db.maintain(at(60));
        drop(db);
        let (left, disk) = after_power_loss(&disk, after);
        let (db, _) = open(left.path(), &disk);
        let found = minutes(&db);
        assert_eq!(found[..61], (0..=60).collect::<Vec<_>>(), "{after}");
    }
}
