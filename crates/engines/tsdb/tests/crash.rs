//! What survives crashes, torn writes, damage and full disks.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::*;
use model::storage::{MetricWriter, StorageError};
use tsdb::{Db, DiskFiles, LogFile, LogFiles, Options};

/// Writes, crashes and restarts at random, with blocks being cut and merged: whatever was
/// acknowledged is there.
#[test]
fn every_acknowledged_sample_is_there_after_any_number_of_crashes() {
    for seed in 1..=6 {
        let random = &mut Random::new(seed);
        let mut root = tempfile::tempdir().unwrap();
        let small = |dir: &Path| Options {
            wal_segment_size_bytes: 1 << (10 + seed % 6),
            block_range_ms: 10 * MINUTE_MS,
            ..options(dir)
        };
        let mut expected = Dump::new();
        let mut now_ms = 1_700_000_000_000;
        let mut db = Db::open(small(root.path())).unwrap().0;
        for _ in 0..400 {
            match random.below(20) {
                0 => {
                    // A crash: the process is gone, its files are as they are.
                    let copy = tempfile::tempdir().unwrap();
                    copy_dir(root.path(), copy.path());
                    drop(db);
                    root = copy;
                    let opened;
                    (db, opened) = Db::open(small(root.path())).unwrap();
                    assert!(opened.replay.damages.is_empty() && opened.replay.orphans == 0, "{opened:?}");
                }
                1 => {
                    let report = db.maintain(now_ms);
                    assert!(report.errors.is_empty(), "{report:?}");
                }
                _ => {
                    now_ms += random.below(40_000) as i64;
                    let first = random.below(30);
                    let samples: Vec<_> = (first..first + 1 + random.below(10))
                        .map(|n| {
                            let value = match n % 3 {
                                0 => n as f64,
                                1 => random.below(100) as f64,
                                _ => f64::from_bits(random.next()),
                            };
                            (series(n + now_ms as u64 / 3_000_000 % 5 * 100), now_ms, value)
                        })
                        .collect();
                    let appended = try_append(&db, &samples).unwrap();
                    if appended.accepted == samples.len() as u64 {
                        expect(&mut expected, &samples);
                    }
                    now_ms += 1;
                }
            }
        }
        let mut found = everything(&db);
        found.retain(|_, samples| !samples.is_empty());
        assert!(expected == found, "seed {seed}");
        assert!(db.stats().head_cuts > 0 || !db.stats().blocks.is_empty());
    }
}

#[test]
fn a_torn_tail_is_cut_at_the_last_whole_record_wherever_it_tears() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    append(&db, &[(series(1), 1_000, 1.5), (series(2), 1_000, 2.5)]);
    let segment = segments(dir.path()).pop().unwrap();
    let before = fs::metadata(&segment).unwrap().len();
    append(&db, &[(series(1), 2_000, 3.5), (series(2), 2_000, 4.5)]);
    let whole = fs::read(&segment).unwrap();
    for length in before..whole.len() as u64 {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let torn = segments(copy.path()).pop().unwrap();
        OpenOptions::new().write(true).open(&torn).unwrap().set_len(length).unwrap();
        let (db, opened) = open(copy.path());
        assert_eq!(opened.replay.damages.len(), usize::from(length > before), "cut at {length}");
        if let Some(damage) = opened.replay.damages.first() {
            assert_eq!((damage.offset, damage.lost_bytes), (before, length - before));
            assert!(damage.set_aside.is_none());
        }
        assert!(everything(&db).values().all(|samples| samples.len() == 1));
        append(&db, &[(series(1), 2_000, 9.0)]);
        drop(db);
        let (db, opened) = open(copy.path());
        assert!(opened.replay.damages.is_empty());
        assert_eq!(everything(&db)[&series(1).to_string()].len(), 2);
    }
}

#[test]
fn a_corrupt_record_is_set_aside_and_the_segments_after_it_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(Options { wal_segment_size_bytes: 500, ..options(dir.path()) }).unwrap();
    for step in 0..100 {
        append(&db, &(0..5).map(|n| (series(n), step * 1_000, step as f64 * 1.1)).collect::<Vec<_>>());
    }
    drop(db);
    let all = segments(dir.path());
    assert!(all.len() > 4);
    let mut bytes = fs::read(&all[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&all[2], &bytes).unwrap();
    let (db, opened) = open(dir.path());
    let damage = &opened.replay.damages[0];
    assert_eq!((opened.replay.damages.len(), &damage.path), (1, &all[2]));
    let kept = damage.set_aside.as_ref().unwrap();
    assert_eq!(fs::metadata(kept).unwrap().len(), damage.lost_bytes);
    assert_eq!(db.stats().wal_damages, 1);
    let found = everything(&db);
    for samples in found.values() {
        assert!(samples.len() > 80 && samples.len() < 100, "{}", samples.len());
        for &(time_ms, value) in samples {
            assert_eq!(f64::from_bits(value), (time_ms / 1_000) as f64 * 1.1);
        }
        assert_eq!(samples.last().unwrap().0, 99_000);
    }
}

#[test]
fn garbage_instead_of_a_log_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    fs::write(dir.path().join("wal-segments/00000001"), b"this is not a log at all").unwrap();
    fs::write(dir.path().join("wal-segments/00000002"), [0; 100]).unwrap();
    let (db, opened) = open(dir.path());
    assert_eq!(opened.replay.damages.len(), 2);
    append(&db, &[(series(1), 1, 1.0)]);
    drop(db);
    assert_eq!(everything(&open(dir.path()).0).len(), 1);
}

/// A disk with so many bytes of room.
struct SmallDisk(AtomicI64);

struct SmallFile(Arc<SmallDisk>, Arc<dyn LogFile>);

impl SmallDisk {
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_sub(bytes as i64, Ordering::SeqCst) >= bytes as i64
    }
}

#[derive(Clone)]
struct SmallFiles(Arc<SmallDisk>);

impl LogFiles for SmallFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(SmallFile(self.0.clone(), DiskFiles.create(path)?)))
    }
}

impl LogFile for SmallFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.0.take(bytes.len()) {
            return self.1.write_at(bytes, offset);
        }
        // Half of it still found room.
        self.1.write_at(&bytes[..bytes.len() / 2], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.1.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.sync()
    }
}

#[test]
fn a_full_disk_refuses_writes_serves_queries_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SmallDisk(AtomicI64::new(2_000)));
    let files = Arc::new(SmallFiles(disk.clone()));
    let (db, _) = Db::open(Options { log_files: files, ..options(dir.path()) }).unwrap();
    let mut expected = Dump::new();
    let mut refused = 0;
    for step in 0..200 {
        if step == 150 {
            disk.0.store(1 << 20, Ordering::SeqCst);
        }
        let samples: Vec<_> = (0..5).map(|n| (series(n), step * 1_000, step as f64 * 1.7)).collect();
        match try_append(&db, &samples) {
            Ok(appended) => {
                assert_eq!(appended.accepted, 5);
                expect(&mut expected, &samples);
            }
            Err(StorageError::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(everything(&db), expected);
    }
    assert!(refused > 20 && expected[&series(0).to_string()].len() > 50, "refused {refused}");
    assert_eq!(db.stats().writes_refused, refused);
    drop(db);
    let (db, opened) = open(dir.path());
    assert!(opened.replay.damages.is_empty(), "{:?}", opened.replay);
    assert_eq!(everything(&db), expected);
}

#[test]
fn waiters_share_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for step in 0..20 {
                    let appended = try_append(db, &[(series(thread), step * 1_000, step as f64)]).unwrap();
                    db.wait_durable(appended.ticket).unwrap();
                }
            });
        }
    });
    let stats = db.stats();
    assert!(stats.wal_fsyncs <= 80 && stats.wal_fsyncs >= 20, "{}", stats.wal_fsyncs);
    assert_eq!(stats.samples_appended, 80);
}
