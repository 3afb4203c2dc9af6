//! The store under several threads, and under `kill -9`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use common::*;
use model::storage::TimeRange;
use tsdb::{Db, Options};

const STEP_MS: i64 = 1_000;

fn values(step: i64) -> Vec<(model::Labels, i64, f64)> {
    (0..40).map(|n| (series(n), step * STEP_MS, (step * 40 + n as i64) as f64)).collect()
}

fn small_blocks(dir: &std::path::Path) -> Options {
    Options { block_range_ms: 200 * STEP_MS, wal_segment_size_bytes: 20_000, ..options(dir) }
}

/// Not a test of its own: the process that the test below kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("TSDB_TEST_WRITE_TO") else { return };
    let (db, _) = Db::open(small_blocks(dir.as_ref())).unwrap();
    let first = db.stats().head_range.map_or(1, |range| range.end_ms / STEP_MS + 1);
    for step in first.. {
        append(&db, &values(step));
        println!("wrote {step}");
        if step % 50 == 0 {
            assert!(db.maintain(step * STEP_MS).errors.is_empty());
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let random = &mut Random::new(7);
    let mut acknowledged = 0;
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env("TSDB_TEST_WRITE_TO", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + random.below(300);
        for line in lines {
            // The test harness prints to the same place.
            let line = line.unwrap();
            let Some(step) = line.rsplit_once("wrote ").and_then(|(_, step)| step.parse().ok()) else {
                continue;
            };
            acknowledged = step;
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        assert_eq!(left, 0, "the child ended by itself");
        let (db, opened) = Db::open(small_blocks(dir.path())).unwrap();
        assert!(opened.replay.orphans == 0 && opened.corrupt_blocks.is_empty(), "{opened:?}");
        let found = everything(&db);
        assert_eq!(found.len(), 40);
        for (_, samples) in found {
            let times: Vec<_> = samples.iter().map(|(time_ms, _)| time_ms / STEP_MS).collect();
            assert!(times.len() as i64 >= acknowledged, "{} of {acknowledged}", times.len());
            assert!(times.iter().copied().eq(1..=times.len() as i64), "without gaps");
        }
    }
}

#[test]
fn readers_see_all_that_was_written_while_blocks_are_cut_and_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(small_blocks(dir.path())).unwrap();
    let (written, done) = (AtomicI64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // On a slow disk one cut takes as long as many steps: the writing goes on until the
            // readers have lived through enough of them.
            let mut step = 0;
            while step < 2_500 || db.stats().head_cuts <= 5 {
                step += 1;
                append(&db, &values(step));
                written.store(step, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let report = db.maintain(written.load(Ordering::SeqCst) * STEP_MS);
                assert!(report.errors.is_empty(), "{report:?}");
            }
        });
        scope.spawn(|| {
            let mut queries = 0;
            while !done.load(Ordering::SeqCst) {
                let before = written.load(Ordering::SeqCst);
                let range = TimeRange { start_ms: (before - 700).max(1) * STEP_MS, end_ms: before * STEP_MS };
                let found = read(&db, range, &[]);
                if before > 0 {
                    assert_eq!(found.len(), 40);
                }
                for (labels, samples) in found {
                    let expected = (before - 700).max(1)..=before;
                    let times = samples.iter().map(|(time_ms, _)| time_ms / STEP_MS);
                    assert!(times.eq(expected.clone()), "{labels}: {} of {expected:?}", samples.len());
                }
                queries += 1;
            }
            assert!(queries > 0);
        });
    });
    assert!(db.stats().head_cuts > 5);
}
