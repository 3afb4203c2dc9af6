//! Blocks that overlap in any way, with deleted spans, beside a naive model of what should be there.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use base::Clock;
use common::*;
use model::histogram::Span;
use model::storage::{MetricReader, Select, TimeRange};
use model::{FloatHistogram, LabelTable, MatchOp, Samples};
use tsdb::{Backfill, Db};

/// Series and time to what is there: bits of the value (of a histogram its count) and the start.
type Model = BTreeMap<(String, i64), (u64, i64)>;

fn found(db: &Db) -> Model {
    let mut labels = LabelTable::new();
    let selected = db.select(&Select::new(TimeRange::ALL, &[]), &mut labels).unwrap();
    let mut model = Model::new();
    for (at, &set) in selected.sets.iter().enumerate() {
        let mut samples = Samples::default();
        selected.samples.read(at, &mut samples).unwrap();
        assert!(samples.timestamps_ms.is_sorted_by(|a, b| a < b));
        for at in 0..samples.len() {
            let value = samples.histogram(at).map_or(samples.values[at], |histogram| histogram.count);
            let key = (labels.labels(set).to_string(), samples.timestamps_ms[at]);
            model.insert(key, (value.to_bits(), samples.start_ms(at)));
        }
    }
    model
}

/// One sample, the same whenever it is asked for: a series changes between floats and histograms by the
/// hour, and some counters know since when they count.
fn sample(into: &mut Samples, number: u64, time_ms: i64) {
    let hour = time_ms / HOUR_MS;
    if number % 3 == 2 && hour % 2 == 0 {
        let count = (time_ms / MINUTE_MS % 1000) as f64;
        let histogram = FloatHistogram {
            count,
            sum: count,
            positive_spans: vec![Span { offset: (hour % 5) as i32, length: 1 }],
            positive_buckets: vec![count],
            ..FloatHistogram::default()
        };
        into.push_histogram(time_ms, Arc::new(histogram));
    } else {
        into.push(time_ms, (time_ms % 7919) as f64 + number as f64);
        into.set_last_start(if number % 3 == 1 { hour * HOUR_MS - 5 } else { 0 });
    }
}

#[test]
fn overlapping_blocks_with_deleted_spans_are_what_a_model_says_before_and_after_merging() {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    for seed in 1..=seeds {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let now_ms = START_MS + 48 * HOUR_MS;
        let clock = Clock::manual(now_ms);
        let (db, _) = open(dir.path());
        let mut model = Model::new();
        for _ in 0..1 + random.below(6) {
            // Blocks of some hours, anywhere in two days.
            let mut backfill =
                Backfill::new(dir.path(), (1 + random.below(4) as i64) * 2 * HOUR_MS, clock.clone()).unwrap();
            for _ in 0..random.below(8) {
                let number = random.below(6);
                let start_ms = START_MS + random.below(40 * 60) as i64 * MINUTE_MS;
                let step_ms = (1 + random.below(3) as i64) * MINUTE_MS;
                let mut samples = Samples::default();
                for at in 0..random.below(400) as i64 {
                    sample(&mut samples, number, start_ms + at * step_ms);
                }
                let labels = series(number);
                for at in 0..samples.len() {
                    let value = samples.histogram(at).map_or(samples.values[at], |histogram| histogram.count);
                    let key = (labels.to_string(), samples.timestamps_ms[at]);
                    model.insert(key, (value.to_bits(), samples.start_ms(at)));
                }
                backfill.push_all(&labels, &samples).unwrap();
            }
            backfill.finish().unwrap();
            db.maintain(START_MS);
            assert_eq!(found(&db), model, "seed {seed}, after backfilling");
            if random.below(2) == 0 {
                let start_ms = START_MS + random.below(40 * 60) as i64 * MINUTE_MS;
                let range = TimeRange { start_ms, end_ms: start_ms + random.below(300) as i64 * MINUTE_MS };
                let job = format!("job-{}", random.below(3));
                db.delete_series(range, &[vec![matcher(MatchOp::Equal, "job", &job)]]).unwrap();
                model.retain(|(labels, time_ms), _| {
                    !labels.contains(&job) || *time_ms < range.start_ms || *time_ms > range.end_ms
                });
                assert_eq!(found(&db), model, "seed {seed}, after deleting");
            }
            if random.below(3) == 0 {
                db.clean_tombstones().unwrap();
                assert_eq!(found(&db), model, "seed {seed}, after cleaning up");
            }
        }
        for _ in 0..3 {
            let report = db.maintain(now_ms);
            assert!(report.errors.is_empty(), "seed {seed}: {report:?}");
        }
        assert_eq!(found(&db), model, "seed {seed}, after merging");
        let blocks = db.stats().blocks;
        assert!(blocks.windows(2).all(|pair| pair[0].max_time_ms <= pair[1].min_time_ms), "seed {seed}");
        drop(db);
        assert_eq!(found(&open(dir.path()).0), model, "seed {seed}, after a restart");
    }
}

/// A merge can end anywhere between writing the new block and removing the last old one.
#[test]
fn a_merge_that_was_interrupted_leaves_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let options = || tsdb::Options { compaction: false, ..options(dir.path()) };
    let (db, _) = Db::open(options()).unwrap();
    fill(&db, START_MS, 9, &mut expected);
    drop(db);
    let parts = block_dirs(dir.path());
    assert_eq!(parts.len(), 3);
    // The merged block, made in a copy.
    let merged = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), merged.path());
    let (db, _) = open(merged.path());
    fill(&db, START_MS + 9 * HOUR_MS, 4, &mut Dump::new());
    drop(db);
    let new = block_dirs(merged.path())
        .into_iter()
        .find(|block| fs::read_to_string(block.join("meta.json")).unwrap().contains("\"level\": 2"));
    let new = new.unwrap();
    let target = dir.path().join(new.file_name().unwrap());
    for removed in 0..=parts.len() {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        copy_dir(&new, &copy.path().join(target.file_name().unwrap()));
        for (at, part) in parts.iter().take(removed + 1).enumerate() {
            let part = copy.path().join(part.file_name().unwrap());
            let doomed = part.with_extension("tmp-for-deletion");
            fs::rename(&part, &doomed).unwrap();
            if at < removed {
                fs::remove_dir_all(&doomed).unwrap();
            } else {
                // The last one is half removed.
                fs::remove_file(doomed.join("index")).unwrap();
            }
        }
        let (db, opened) = open(copy.path());
        assert!(opened.corrupt_blocks.is_empty(), "{opened:?}");
        assert_eq!(everything(&db), expected, "{removed} of the old blocks were removed");
        assert_eq!(db.stats().blocks.len(), 1);
    }
}
