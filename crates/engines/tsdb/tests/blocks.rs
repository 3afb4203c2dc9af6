//! Blocks: written so that Prometheus's own tools read them, read when they or old versions wrote
//! them, merged, deleted, set aside when damaged.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base::Clock;
use common::*;
use model::histogram::Span;
use model::storage::{MetricReader, MetricWriter, TimeRange, WriteBatch};
use model::{FloatHistogram, Labels, MatchOp, Samples};
use tsdb::{Db, Options};

#[test]
fn the_head_becomes_blocks_and_blocks_become_larger_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 16, &mut expected);
    let stats = db.stats();
    let ranges: Vec<_> = stats
        .blocks
        .iter()
        .map(|b| ((b.min_time_ms - START_MS) / HOUR_MS, (b.max_time_ms - START_MS) / HOUR_MS))
        .collect();
    assert_eq!(ranges, [(0, 6), (6, 12), (12, 14)]);
    assert_eq!(stats.blocks[0].samples, 30 * 360);
    assert!(stats.head_range.unwrap().start_ms >= START_MS + 14 * HOUR_MS);
    assert_eq!(everything(&db), expected);
    drop(db);
    let (db, opened) = open(dir.path());
    assert_eq!(opened.blocks, 3);
    assert_eq!(everything(&db), expected);
    // Too old now: a block has that time.
    let late = try_append(&db, &[(series(1), START_MS + 5, 1.0)]).unwrap();
    assert_eq!(late.too_old, 1);
    // Labels of what is only in blocks.
    let range = TimeRange { start_ms: START_MS, end_ms: START_MS + HOUR_MS };
    assert_eq!(db.label_values("job", range, &[]).unwrap(), ["job-0", "job-1", "job-2"]);
    let matchers =
        [matcher(MatchOp::Regex, "instance", "host-[12]:.*"), matcher(MatchOp::NotEqual, "job", "job-0")];
    assert_eq!(db.label_values("instance", range, &matchers).unwrap(), ["host-1:9100", "host-2:9100"]);
    assert_eq!(db.label_names(range, &matchers).unwrap(), ["__name__", "instance", "job"]);
    let found = read(&db, range, &matchers);
    assert_eq!(found.len(), 4);
    assert!(found.values().all(|samples| samples.len() == 61));
}

#[test]
fn series_that_ended_leave_the_head_and_can_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    let old: Vec<_> = (100..700).map(|n| (series(n), START_MS, 1.0)).collect();
    append(&db, &old);
    expect(&mut expected, &old);
    let mut refs = Vec::new();
    db.resolve(&[series(100)], &mut refs).unwrap();
    fill(&db, START_MS, 4, &mut expected);
    assert_eq!((db.stats().head_series, db.stats().head_series_removed), (30, 600));
    let mut batch = WriteBatch::default();
    batch.push(refs[0], START_MS + 4 * HOUR_MS, 2.0);
    assert_eq!(db.append(&batch).unwrap().unknown, [0]);
    let again = [(series(100), START_MS + 4 * HOUR_MS, 2.0)];
    append(&db, &again);
    expect(&mut expected, &again);
    assert_eq!(everything(&db), expected);
    drop(db);
    assert_eq!(everything(&open(dir.path()).0), expected);
}

#[test]
fn promtool_lists_analyzes_and_dumps_what_we_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 16, &mut expected);
    db.close().unwrap();
    drop(db);
    let path = dir.path().to_str().unwrap();
    let Some(list) = promtool(&["tsdb", "list", path]) else { return };
    assert_eq!(list.lines().count(), 4, "{list}");
    let newest = block_dirs(dir.path()).pop().unwrap();
    let analysis =
        promtool(&["tsdb", "analyze", path, newest.file_name().unwrap().to_str().unwrap()]).unwrap();
    assert!(analysis.contains("Series: 30"), "{analysis}");
    assert!(analysis.contains("Label names: 3"), "{analysis}");
    // Our log is not Prometheus's: only what is in blocks is dumped.
    let dumped = promtool_dump(dir.path()).unwrap();
    for samples in expected.values_mut() {
        samples.retain(|(time_ms, _)| *time_ms < START_MS + 14 * HOUR_MS);
    }
    assert_eq!(dumped, expected);
}

#[test]
fn a_range_begun_in_its_middle_becomes_one_chunk_a_series_also_over_a_restart() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (db, _) = open(dir.path());
    let mut expected = Dump::new();
    // 171 samples to the end of the first block range, then until it is cut.
    let first_ms = START_MS + 2 * HOUR_MS - 171 * 30_000;
    let write = |db: &Db, steps: std::ops::Range<i64>, expected: &mut Dump| {
        for step in steps {
            let samples: Vec<_> = (0..5)
                .map(|n| (series(n), first_ms + step * 30_000, (step * n as i64) as f64 / 3.0))
                .collect();
            append(db, &samples);
            expect(expected, &samples);
        }
    };
    write(&db, 0..100, &mut expected);
    copy_dir(dir.path(), crashed.path());
    write(&db, 100..600, &mut expected);
    let (again, _) = open(crashed.path());
    write(&again, 100..600, &mut Dump::new());
    for (db, dir) in [(db, dir.path()), (again, crashed.path())] {
        let report = db.maintain(first_ms + 600 * 30_000);
        assert!(report.errors.is_empty(), "{report:?}");
        let blocks = db.stats().blocks;
        assert_eq!(blocks.iter().map(|b| (b.samples, b.chunks)).collect::<Vec<_>>()[0], (5 * 171, 5));
        assert_eq!(everything(&db), expected);
        let end_ms = blocks.iter().map(|b| b.max_time_ms).max().unwrap();
        drop(db);
        assert_eq!(everything(&open(dir).0), expected);
        let Some(dumped) = promtool_dump(dir) else { continue };
        let mut in_blocks = expected.clone();
        in_blocks.values_mut().for_each(|samples| samples.retain(|(time_ms, _)| *time_ms < end_ms));
        assert_eq!(dumped, in_blocks);
    }
}

#[test]
fn blocks_that_promtool_wrote_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::from("# TYPE requests counter\n");
    let mut expected = Dump::new();
    for n in 0..50 {
        for step in 0..200 {
            let (time_s, value) = (1_700_006_400 + step * 60, (n * step) as f64 * 0.1);
            text.push_str(&format!("requests_total{{code=\"{n}\",path=\"/a b\"}} {value} {time_s}\n"));
            let code = n.to_string();
            let labels =
                Labels::from_pairs([("__name__", "requests_total"), ("code", &code), ("path", "/a b")]);
            expect(&mut expected, &[(labels, time_s * 1_000, value)]);
        }
    }
    text.push_str("# EOF\n");
    let file = dir.path().join("text");
    fs::write(&file, text).unwrap();
    let data = dir.path().join("data");
    let arguments =
        ["tsdb", "create-blocks-from", "openmetrics", file.to_str().unwrap(), data.to_str().unwrap()];
    if promtool(&arguments).is_none() {
        return;
    }
    let (db, opened) = open(&data);
    assert!(opened.blocks >= 2 && opened.corrupt_blocks.is_empty(), "{opened:?}");
    assert_eq!(everything(&db), expected);
    let found = read(&db, TimeRange::ALL, &[matcher(MatchOp::Regex, "code", "1.?")]);
    assert_eq!(found.len(), 11);
}

#[test]
fn a_block_with_an_index_of_version_1_is_read_and_merged() {
    let Some(source) = testkit::conformance("prometheus/tsdb/testdata/index_format_v1") else { return };
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&source, &dir.path().join("01DXXFZDYD1MQW6079WK0K6EDQ"));
    let (db, opened) = open(dir.path());
    assert_eq!((opened.blocks, opened.corrupt_blocks.len()), (1, 0), "{opened:?}");
    let found = everything(&db);
    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 102);
    assert_eq!(read(&db, TimeRange::ALL, &[matcher(MatchOp::Equal, "bar", "0")]).len(), 1);
    assert_eq!(read(&db, TimeRange::ALL, &[matcher(MatchOp::Equal, "foo", "bar")]).len(), 1);
    assert_eq!(read(&db, TimeRange::ALL, &[matcher(MatchOp::NotRegex, "foo", "^.?$")]).len(), 2);
    assert_eq!(db.label_names(TimeRange::ALL, &[]).unwrap(), ["bar", "foo"]);
    // With its twin beside it, it is rewritten as version 2.
    drop(db);
    let twin = dir.path().join("01DXXFZDYD1MQW6079WK0K6EDZ");
    copy_dir(&source, &twin);
    let meta = fs::read_to_string(twin.join("meta.json")).unwrap();
    fs::remove_file(twin.join("meta.json")).unwrap();
    fs::write(twin.join("meta.json"), meta.replace("K6EDQ", "K6EDZ")).unwrap();
    let (db, _) = open(dir.path());
    assert_eq!(db.maintain(0).merged.len(), 1);
    assert_eq!(everything(&db), found);
}

#[test]
fn an_index_of_version_3_is_read_like_one_of_version_2() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 4, &mut expected);
    drop(db);
    let index = block_dirs(dir.path())[0].join("index");
    let mut bytes = fs::read(&index).unwrap();
    bytes[4] = 3;
    fs::write(&index, &bytes).unwrap();
    assert_eq!(everything(&open(dir.path()).0), expected);
    bytes[4] = 4;
    fs::write(&index, &bytes).unwrap();
    assert_eq!(open(dir.path()).1.corrupt_blocks.len(), 1);
}

/// Blocks of two stores in one directory.
fn overlapping(dir: &Path) -> Dump {
    let mut expected = Dump::new();
    let other = tempfile::tempdir().unwrap();
    for (at, path) in [dir, other.path()].into_iter().enumerate() {
        let (db, _) = open(path);
        for minute in 0..240 {
            let time_ms = START_MS + minute * MINUTE_MS + at as i64 * 30_000 * (minute % 2);
            let sample = [(series(minute as u64 % 3 + at as u64), time_ms, minute as f64)];
            append(&db, &sample);
            if time_ms < START_MS + 2 * HOUR_MS || at == 0 {
                expect(&mut expected, &sample);
            }
        }
        let report = db.maintain(START_MS + 4 * HOUR_MS);
        assert_eq!(report.cut.len(), 1, "{report:?}");
    }
    let block = block_dirs(other.path()).remove(0);
    copy_dir(&block, &dir.join(block.file_name().unwrap()));
    for samples in expected.values_mut() {
        samples.sort();
        samples.dedup_by_key(|(time_ms, _)| *time_ms);
    }
    expected
}

#[test]
fn overlapping_blocks_answer_as_one_and_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let expected = overlapping(dir.path());
    let (db, opened) = open(dir.path());
    assert_eq!(opened.blocks, 2);
    assert_eq!(everything(&db), expected);
    let report = db.maintain(START_MS + 4 * HOUR_MS);
    assert_eq!((report.merged.len(), db.stats().blocks.len()), (1, 1), "{report:?}");
    assert_eq!(everything(&db), expected);
    assert_eq!(block_dirs(dir.path()).len(), 1);
}

#[test]
fn corrupt_blocks_are_set_aside_and_the_rest_is_served() {
    for (file, damage) in
        [("index", 0), ("index", -30), ("index", 40), ("meta.json", 2), ("chunks/000001", 1)]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Dump::new();
        let (db, _) = open(dir.path());
        fill(&db, START_MS, 10, &mut expected);
        drop(db);
        let blocks = block_dirs(dir.path());
        let doomed = blocks[0].join(file);
        let mut bytes = fs::read(&doomed).unwrap();
        let at = if damage < 0 { bytes.len() - (-damage) as usize } else { damage as usize };
        bytes[at] ^= 0x55;
        fs::write(&doomed, bytes).unwrap();
        let (db, opened) = open(dir.path());
        assert_eq!((opened.blocks, opened.corrupt_blocks.len()), (blocks.len() - 1, 1), "{file} {damage}");
        assert!(opened.corrupt_blocks[0].0.exists());
        assert_eq!(db.stats().blocks_set_aside, 1);
        assert!(!everything(&db).is_empty());
        drop(db);
        let (_, opened) = open(dir.path());
        assert!(opened.corrupt_blocks.is_empty(), "set aside once");
    }
}

#[test]
fn a_corrupt_chunk_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    fill(&db, START_MS, 4, &mut expected);
    drop(db);
    let file = block_dirs(dir.path())[0].join("chunks/000001");
    let mut bytes = fs::read(&file).unwrap();
    bytes[30] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (db, _) = open(dir.path());
    let found = everything(&db);
    let count = |dump: &Dump| dump.values().map(Vec::len).sum::<usize>();
    assert_eq!(count(&found), count(&expected) - 120);
    assert!(db.stats().chunks_corrupt > 0);
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["01DXXFZDYD1MQW6079WK0K6EDQ.tmp-for-creation", "01DXXFZDYD1MQW6079WK0K6EDQ.tmp-for-deletion"]
    {
        fs::create_dir_all(dir.path().join(name).join("chunks")).unwrap();
    }
    let (_, opened) = open(dir.path());
    assert_eq!((opened.removed.len(), opened.blocks), (2, 0));
    assert!(block_dirs(dir.path()).is_empty());
}

#[test]
fn retention_by_time_and_by_size_deletes_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let by_time = Options { retention_time_ms: Some(6 * HOUR_MS), ..options(dir.path()) };
    let (db, _) = Db::open(by_time).unwrap();
    let mut expected = Dump::new();
    fill(&db, START_MS, 16, &mut expected);
    let oldest_ms = db.stats().blocks[0].min_time_ms;
    assert_eq!(oldest_ms, START_MS + 8 * HOUR_MS);
    assert!(db.stats().retention_time_deletions >= 3);
    // A clock that jumps ahead deletes nothing: age counts from the newest sample.
    let blocks = db.stats().blocks.len();
    assert!(db.maintain(START_MS + 1000 * HOUR_MS).deleted.is_empty());
    assert_eq!(db.stats().blocks.len(), blocks);
    let size = db.stats().blocks.last().unwrap().size_bytes + db.stats().wal_size_bytes;
    drop(db);
    let by_size = Options { retention_size_bytes: Some(size), ..options(dir.path()) };
    let (db, _) = Db::open(by_size).unwrap();
    db.maintain(START_MS + 16 * HOUR_MS);
    assert_eq!(db.stats().blocks.len(), 1);
    assert_eq!(block_dirs(dir.path()).len(), 1);
}

#[test]
fn deleted_samples_are_gone_at_once_and_after_restart_and_merging() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    // Blocks of 2 h and 6 h: those of 6 h count as large.
    let open = || Db::open(Options { retention_time_ms: Some(60 * HOUR_MS), ..options(dir.path()) }).unwrap();
    let (db, _) = open();
    fill(&db, START_MS, 16, &mut expected);
    let range = TimeRange { start_ms: START_MS + HOUR_MS, end_ms: START_MS + 15 * HOUR_MS };
    db.delete_series(range, &[vec![matcher(MatchOp::Equal, "job", "job-1")]]).unwrap();
    let deleted = |labels: &str| labels.contains("job-1");
    for (labels, samples) in &mut expected {
        samples.retain(|(t, _)| !deleted(labels) || *t < range.start_ms || *t > range.end_ms);
    }
    assert_eq!(everything(&db), expected);
    drop(db);
    let (db, _) = open();
    assert_eq!(everything(&db), expected);
    // Later samples of the same series are not touched.
    fill(&db, START_MS + 16 * HOUR_MS, 14, &mut expected);
    assert_eq!(everything(&db), expected);
    let merged = db.stats().blocks;
    let samples: u64 = merged.iter().map(|b| b.samples).sum();
    let left: usize =
        expected.values().flatten().filter(|(t, _)| *t < merged.last().unwrap().max_time_ms).count();
    assert_eq!(samples, left as u64, "the blocks were rewritten without them");
}

#[test]
fn deleting_does_not_hide_what_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START_MS);
    let (db, _) = Db::open(Options { clock, ..options(dir.path()) }).unwrap();
    // The head reaches far beyond what series 1 has.
    append(&db, &[(series(1), START_MS, 1.0), (series(2), START_MS + 1000 * HOUR_MS, 1.0)]);
    let matchers = [matcher(MatchOp::Equal, "job", "job-1")];
    db.delete_series(TimeRange { start_ms: 0, end_ms: i64::MAX }, &[matchers.to_vec()]).unwrap();
    assert!(read(&db, TimeRange::ALL, &matchers).is_empty());
    let later = [(series(1), START_MS + 15_000, 2.0), (series(1), START_MS + 30_000, 3.0)];
    append(&db, &later);
    let mut expected = Dump::new();
    expect(&mut expected, &later);
    assert_eq!(read(&db, TimeRange::ALL, &matchers), expected);
    drop(db);
    assert_eq!(read(&open(dir.path()).0, TimeRange::ALL, &matchers), expected);
}

#[test]
fn samples_from_the_future_and_a_clock_that_goes_back_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let clock = Clock::manual(START_MS);
    let (db, _) = Db::open(Options { clock, ..options(dir.path()) }).unwrap();
    append(&db, &[(series(500), START_MS + 1000 * HOUR_MS, 1.0)]);
    expect(&mut expected, &[(series(500), START_MS + 1000 * HOUR_MS, 1.0)]);
    fill(&db, START_MS, 1, &mut expected);
    assert!(db.stats().blocks.is_empty(), "the present is not cut because of the future");
    let report = db.maintain(START_MS - HOUR_MS);
    assert_eq!(report.clock_went_back_ms, Some(2 * HOUR_MS - MINUTE_MS));
    assert_eq!(db.stats().clock_went_back, 1);
    append(&db, &[(series(1), START_MS + HOUR_MS, 1.0)]);
    expect(&mut expected, &[(series(1), START_MS + HOUR_MS, 1.0)]);
    assert_eq!(everything(&db), expected);
}

#[test]
fn histograms_go_into_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let mut refs = Vec::new();
    db.resolve(&[series(1)], &mut refs).unwrap();
    for minute in 0..240 {
        let histogram = FloatHistogram {
            schema: 2,
            count: 3.0 * minute as f64,
            sum: minute as f64,
            positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 2, length: 1 }],
            positive_buckets: vec![minute as f64, 2.0 * minute as f64],
            ..FloatHistogram::default()
        };
        let mut batch = WriteBatch::default();
        batch.histograms.push((refs[0], START_MS + minute * MINUTE_MS, Arc::new(histogram)));
        assert_eq!(db.append(&batch).unwrap().accepted, 1);
    }
    assert_eq!(db.maintain(START_MS + 4 * HOUR_MS).cut.len(), 1);
    let mut samples = Samples::default();
    select_all(&db).samples.read(0, &mut samples).unwrap();
    assert_eq!(samples.len(), 240);
    for minute in 0..240 {
        let histogram = samples.histogram(minute).unwrap();
        assert_eq!(histogram.positive_buckets, [minute as f64, 2.0 * minute as f64]);
    }
    db.close().unwrap();
    drop(db);
    if let Some(list) = promtool(&["tsdb", "list", dir.path().to_str().unwrap()]) {
        assert_eq!(list.lines().count(), 2, "{list}");
    }
}

#[test]
fn a_block_whose_versions_prometheus_mixed_up_is_read() {
    let Some(source) = testkit::conformance("prometheus/tsdb/testdata/repair_index_version") else { return };
    let dir = tempfile::tempdir().unwrap();
    let block = dir.path().join("01BZJ9WJQPWHGNC2W4J9TA62KC");
    copy_dir(&source.join("01BZJ9WJQPWHGNC2W4J9TA62KC"), &block);
    fs::create_dir(block.join("chunks")).unwrap();
    let (db, opened) = open(dir.path());
    assert_eq!((opened.blocks, opened.corrupt_blocks.len()), (1, 0), "{opened:?}");
    assert_eq!(db.label_values("b", TimeRange::ALL, &[]).unwrap(), ["1"]);
    // The labels of its series are numbers of symbols, not places in the file.
    let matchers = [matcher(MatchOp::Equal, "b", "1")];
    assert_eq!(db.label_names(TimeRange::ALL, &matchers).unwrap(), ["a", "b"]);
    assert_eq!(db.stats().chunks_corrupt, 0);
}

#[test]
fn floats_are_written_as_xor2_when_asked_for_and_take_less() {
    let sizes = [false, true].map(|xor2| {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Dump::new();
        let (db, _) = open(dir.path());
        db.set_xor2(xor2);
        for step in 0..5 * 240 {
            // Most gauges stay as they are most of the time.
            let time_ms = START_MS + step * 15_000;
            let samples: Vec<_> = (0..20).map(|n| (series(n), time_ms, (step / 100) as f64)).collect();
            append(&db, &samples);
            expect(&mut expected, &samples);
        }
        db.maintain(START_MS + 5 * HOUR_MS);
        assert_eq!(everything(&db), expected);
        let stats = db.stats();
        assert!(stats.head_cuts >= 1);
        stats.blocks.iter().map(|block| block.size_bytes).sum::<u64>()
    });
    assert!(sizes[1] < sizes[0], "{sizes:?}");
}

#[test]
fn a_store_reopened_with_another_block_range_keeps_everything() {
    let ranges = [2 * HOUR_MS, HOUR_MS, 4 * HOUR_MS, 50 * MINUTE_MS, 3 * HOUR_MS];
    for compaction in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Dump::new();
        for (run, block_range_ms) in ranges.into_iter().enumerate() {
            let options = Options { block_range_ms, compaction, ..options(dir.path()) };
            let (db, _) = Db::open(options.clone()).unwrap();
            assert_eq!(everything(&db), expected, "opened with {block_range_ms}");
            fill(&db, START_MS + run as i64 * 7 * HOUR_MS, 7, &mut expected);
            assert_eq!(everything(&db), expected, "filled with {block_range_ms}");
        }
    }
}
