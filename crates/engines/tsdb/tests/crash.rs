//! What survives crashes, torn writes, damage and full disks.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use common::*;
use model::storage::{MetricWriter, StorageError};
use parking_lot::Mutex;
use tsdb::{Db, DiskFile, Options};

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

struct SmallFile(Arc<SmallDisk>, Arc<dyn DiskFile>);

impl SmallDisk {
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_sub(bytes as i64, Ordering::SeqCst) >= bytes as i64
    }
}

#[derive(Clone)]
struct SmallFiles(Arc<SmallDisk>);

impl LogFiles for SmallFiles {
    fn log_file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SmallFile(self.0.clone(), file))
    }
}

impl DiskFile for SmallFile {
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
    let files = Arc::new(LogDisk(SmallFiles(disk.clone())));
    let (db, _) = Db::open(Options { disk: files, ..options(dir.path()) }).unwrap();
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

/// Ten minutes that a block may cover, from this time on.
const START_MS: i64 = 1_700_006_400_000;

fn small_blocks(dir: &Path) -> Options {
    Options { block_range_ms: 10 * MINUTE_MS, ..options(dir) }
}

/// A log whose writes, once it has a new segment, wait for a word (or a moment).
struct Gate {
    armed: AtomicBool,
    /// Tells the writer of the new segment, and waits until it is about to write.
    new_segment: SyncSender<()>,
    writing: Mutex<Receiver<()>>,
    shut: AtomicBool,
    checkpoint_done: Mutex<Receiver<()>>,
}

#[derive(Clone)]
struct GateFiles(Arc<Gate>);

struct GateFile(Arc<Gate>, Arc<dyn DiskFile>);

impl LogFiles for GateFiles {
    fn log_file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let gate = &self.0;
        if gate.armed.swap(false, Ordering::SeqCst) {
            gate.shut.store(true, Ordering::SeqCst);
            gate.new_segment.send(()).unwrap();
            gate.writing.lock().recv().unwrap();
        }
        Arc::new(GateFile(gate.clone(), file))
    }
}

impl DiskFile for GateFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if offset > 0 && self.0.shut.swap(false, Ordering::SeqCst) {
            // A checkpoint that waits for this write is not done before.
            let _ = self.0.checkpoint_done.lock().recv_timeout(Duration::from_millis(300));
        }
        self.1.write_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.1.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.sync()
    }
}

#[test]
fn a_sample_written_during_a_checkpoint_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (new_segment, segment_is_new) = mpsc::sync_channel(1);
    let (about_to_write, writing) = mpsc::sync_channel(1);
    let (done, checkpoint_done) = mpsc::sync_channel(1);
    let gate = Arc::new(Gate {
        armed: false.into(),
        new_segment,
        writing: Mutex::new(writing),
        shut: false.into(),
        checkpoint_done: Mutex::new(checkpoint_done),
    });
    let files = Arc::new(LogDisk(GateFiles(gate.clone())));
    let (db, _) = Db::open(Options { disk: files, ..small_blocks(dir.path()) }).unwrap();
    // Series 1 comes last in the checkpoint, so that the writer comes before it.
    let others: Vec<_> = (10..20_010).map(|n| (series(n), START_MS + 16 * MINUTE_MS, 1.0)).collect();
    let labels: Vec<_> = others.iter().map(|(labels, _, _)| labels.clone()).collect();
    db.resolve(&labels, &mut Vec::new()).unwrap();
    append(&db, &[(series(1), START_MS, 1.0)]);
    append(&db, &others);
    append(&db, &[(series(1), START_MS + 16 * MINUTE_MS, 2.0)]);
    let last_ms = START_MS + 17 * MINUTE_MS;
    gate.armed.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let db = &db;
        scope.spawn(move || {
            segment_is_new.recv().unwrap();
            about_to_write.send(()).unwrap();
            let appended = try_append(db, &[(series(1), last_ms, 3.0)]).unwrap();
            assert_eq!(appended.accepted, 1);
            db.wait_durable(appended.ticket).unwrap();
        });
        let report = db.maintain(last_ms);
        let _ = done.try_send(());
        assert!(report.errors.is_empty() && report.cut.len() == 1, "{report:?}");
    });
    let samples = everything(&db)[&series(1).to_string()].clone();
    assert_eq!(samples.last(), Some(&(last_ms, 3f64.to_bits())));
    drop(db);
    let (db, opened) = Db::open(small_blocks(dir.path())).unwrap();
    assert!(opened.replay.damages.is_empty());
    assert_eq!(everything(&db)[&series(1).to_string()], samples);
}

#[test]
fn a_number_that_a_series_had_once_is_free_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let at = |minute: i64| START_MS + minute * MINUTE_MS;
    let (gone, kept, new) = (series(1), series(2), series(3));
    let (db, _) = Db::open(small_blocks(dir.path())).unwrap();
    append(&db, &[(gone.clone(), at(0), 1.0), (kept.clone(), at(0), 1.0)]);
    for minute in 1..40 {
        append(&db, &[(kept.clone(), at(minute), 1.0)]);
    }
    // The block is written but not the checkpoint: the series that ended stays in the log.
    let blocked: Vec<_> =
        (2..9).map(|n| dir.path().join(format!("wal-segments/checkpoint.{n:08}.tmp"))).collect();
    for path in &blocked {
        fs::create_dir(path).unwrap();
    }
    let report = db.maintain(at(39));
    assert!(!report.errors.is_empty() && !report.cut.is_empty(), "{report:?}");
    // It comes back under a second number, which the next start of the program does not need.
    append(&db, &[(gone.clone(), at(40), 5.0)]);
    drop(db);
    for path in &blocked {
        fs::remove_dir(path).unwrap();
    }
    let (db, _) = Db::open(small_blocks(dir.path())).unwrap();
    append(&db, &[(new.clone(), at(41), 7.0)]);
    drop(db);
    let found = everything(&Db::open(small_blocks(dir.path())).unwrap().0);
    assert_eq!(found[&new.to_string()], [(at(41), 7f64.to_bits())]);
    assert_eq!(found[&gone.to_string()], [(at(0), 1f64.to_bits()), (at(40), 5f64.to_bits())]);
}

#[test]
fn a_damaged_record_of_a_series_gives_its_samples_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = |minute: i64| START_MS + minute * MINUTE_MS;
    let (gone, kept, new) = (series(1), series(2), series(3));
    // Every record has a segment of its own.
    let small = || Options { wal_segment_size_bytes: 1, ..small_blocks(dir.path()) };
    let (db, _) = Db::open(small()).unwrap();
    append(&db, &[(gone.clone(), at(0), 1.0), (kept.clone(), at(0), 1.0)]);
    for minute in 1..40 {
        append(&db, &[(kept.clone(), at(minute), 1.0)]);
    }
    // The block is written but not the checkpoint: the log has the series that ended under two numbers.
    let blocked: Vec<_> =
        (2..99).map(|n| dir.path().join(format!("wal-segments/checkpoint.{n:08}.tmp"))).collect();
    for path in &blocked {
        fs::create_dir(path).unwrap();
    }
    let report = db.maintain(at(39));
    assert!(!report.errors.is_empty() && !report.cut.is_empty(), "{report:?}");
    append(&db, &[(gone.clone(), at(40), 5.0)]);
    drop(db);
    for path in &blocked {
        fs::remove_dir(path).unwrap();
    }
    let (db, _) = Db::open(small()).unwrap();
    append(&db, &[(new.clone(), at(41), 7.0)]);
    drop(db);
    // The record of the new series is damaged, its samples stand in the segment behind.
    let all = segments(dir.path());
    let of_the_series = &all[all.len() - 2];
    let mut bytes = fs::read(of_the_series).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(of_the_series, bytes).unwrap();
    let (db, opened) = Db::open(small()).unwrap();
    assert_eq!((opened.replay.damages.len(), opened.replay.orphans), (1, 1), "{opened:?}");
    let found = everything(&db);
    assert!(!found.contains_key(&new.to_string()));
    assert_eq!(found[&gone.to_string()], [(at(0), 1f64.to_bits()), (at(40), 5f64.to_bits())]);
}

/// Two values for one time, the second one late: which of them counts does not change by maintenance.
#[test]
fn merging_changes_no_answer_where_there_are_two_values_for_one_time() {
    for values in [[1.0, 2.0], [2.0, 1.0]] {
        let dir = tempfile::tempdir().unwrap();
        let options = || Options { out_of_order_window_ms: 60 * MINUTE_MS, ..small_blocks(dir.path()) };
        let (db, _) = Db::open(options()).unwrap();
        let at = |minute: i64| START_MS + minute * MINUTE_MS;
        for (minute, value) in [(0, values[0]), (30, 9.0), (0, values[1])] {
            append(&db, &[(series(1), at(minute), value)]);
        }
        let found = everything(&db);
        let larger = (at(0), 2f64.to_bits());
        assert_eq!(found[&series(1).to_string()][0], larger);
        for minute in [31, 90] {
            let report = db.maintain(at(minute));
            assert!(report.errors.is_empty(), "{report:?}");
            assert_eq!(everything(&db), found);
        }
        drop(db);
        assert_eq!(everything(&Db::open(options()).unwrap().0), found);
    }
}

/// Files whose next flush fails, if so wished.
#[derive(Clone, Default)]
struct UnsureFiles(Arc<AtomicBool>);

struct UnsureFile(UnsureFiles, Arc<dyn DiskFile>);

impl LogFiles for UnsureFiles {
    fn log_file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(UnsureFile(self.clone(), file))
    }
}

impl DiskFile for UnsureFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.1.write_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.1.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        match self.0.0.swap(false, Ordering::SeqCst) {
            true => Err(io::Error::other("the disk is gone")),
            false => self.1.sync(),
        }
    }
}

#[test]
fn nothing_is_acknowledged_behind_a_failed_flush_until_a_checkpoint_makes_up_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let files = UnsureFiles::default();
    let disk = Arc::new(LogDisk(files.clone()));
    let (db, _) = Db::open(Options { disk, ..options(dir.path()) }).unwrap();
    let write = |time_ms| try_append(&db, &[(series(1), time_ms, 1.0)]).unwrap().ticket;
    db.wait_durable(write(1_000)).unwrap();
    files.0.store(true, Ordering::SeqCst);
    let lost = write(2_000);
    assert!(matches!(db.wait_durable(lost), Err(StorageError::Unavailable(_))));
    // The next flush works, but what it flushes lies behind what may be missing.
    let behind = write(3_000);
    assert!(matches!(db.wait_durable(behind), Err(StorageError::Unavailable(_))));
    let report = db.maintain(3_000);
    assert!(report.errors.is_empty(), "{report:?}");
    db.wait_durable(behind).unwrap();
    db.wait_durable(write(4_000)).unwrap();
    drop(db);
    assert_eq!(everything(&open(dir.path()).0)[&series(1).to_string()].len(), 4);
}
