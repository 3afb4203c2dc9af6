//! Blocks made of samples from elsewhere.
#![allow(clippy::unwrap_used)]

mod common;

use base::Clock;
use common::*;
use model::storage::TimeRange;
use tsdb::{BLOCK_RANGE_MS, Backfill};

#[test]
fn samples_in_any_order_become_blocks_that_a_running_store_picks_up() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let mut expected = Dump::new();
    let mut random = Random::new(1);
    let mut backfill =
        Backfill::new(dir.path(), BLOCK_RANGE_MS, Clock::manual(START_MS + 10 * HOUR_MS)).unwrap();
    for _ in 0..5_000 {
        let (labels, time_ms) = (series(random.below(20)), START_MS + random.below(300) as i64 * MINUTE_MS);
        backfill.push(&labels, time_ms, time_ms as f64).unwrap();
        expected.entry(labels.to_string()).or_default().push((time_ms, (time_ms as f64).to_bits()));
    }
    let blocks = backfill.finish().unwrap();
    let ranges: Vec<_> =
        blocks.iter().map(|b| (b.min_time_ms - START_MS, b.max_time_ms - START_MS)).collect();
    assert_eq!(ranges, [(0, 2), (2, 4), (4, 6)].map(|(start, end)| (start * HOUR_MS, end * HOUR_MS)));
    for samples in expected.values_mut() {
        samples.sort_unstable();
        samples.dedup();
    }
    assert_eq!(
        blocks.iter().map(|b| b.samples).sum::<u64>(),
        expected.values().map(|s| s.len() as u64).sum::<u64>()
    );
    assert!(everything(&db).is_empty());
    let report = db.maintain(START_MS + 10 * HOUR_MS);
    assert_eq!((report.picked_up.len(), report.errors.len()), (3, 0), "{report:?}");
    assert_eq!(everything(&db), expected);
    // Backfilling the same time again adds to it; what was there first counts.
    let mut backfill = Backfill::new(dir.path(), BLOCK_RANGE_MS, Clock::system()).unwrap();
    backfill.push(&series(99), START_MS, 1.0).unwrap();
    backfill.finish().unwrap();
    expect(&mut expected, &[(series(99), START_MS, 1.0)]);
    db.maintain(START_MS + 10 * HOUR_MS);
    assert_eq!(everything(&db), expected);
    drop(db);
    assert_eq!(everything(&open(dir.path()).0), expected);
}

#[test]
fn a_block_that_is_still_being_copied_is_picked_up_when_it_is_whole() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut backfill = Backfill::new(elsewhere.path(), BLOCK_RANGE_MS, Clock::system()).unwrap();
    backfill.push(&series(1), START_MS, 1.0).unwrap();
    let name = backfill.finish().unwrap().remove(0).ulid;
    let (db, _) = open(dir.path());
    let (from, to) = (elsewhere.path().join(&name), dir.path().join(&name));
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(from.join("meta.json"), to.join("meta.json")).unwrap();
    let report = db.maintain(START_MS);
    assert!(report.picked_up.is_empty() && to.exists(), "{report:?}");
    copy_dir(&from, &to);
    assert_eq!(db.maintain(START_MS).picked_up, [name]);
    assert_eq!(read(&db, TimeRange::ALL, &[]).len(), 1);
}
