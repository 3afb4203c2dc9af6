//! The store before its first block: what is written is found, what must be refused is refused.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::sync::Arc;

use base::Clock;
use common::*;
use model::histogram::Span;
use model::storage::{MetricReader, MetricWriter, SeriesRef, TimeRange, WriteBatch};
use model::{FloatHistogram, Labels, MatchOp, Samples};
use tsdb::{Budgets, Db, Error, Options};

#[test]
fn what_is_appended_is_found_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let (db, _) = open(dir.path());
    for step in 0..300 {
        let samples: Vec<_> =
            (0..20).map(|n| (series(n), step * 15_000, (step * n as i64) as f64 / 7.0)).collect();
        append(&db, &samples);
        expect(&mut expected, &samples);
    }
    assert_eq!(everything(&db), expected);
    db.close().unwrap();
    drop(db);
    let (db, opened) = open(dir.path());
    assert_eq!(everything(&db), expected);
    assert_eq!((opened.replay.samples, opened.replay.series), (6_000, 20));
    assert!(opened.replay.damages.is_empty());
}

#[test]
fn out_of_order_duplicate_and_unknown_samples_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    append(&db, &[(series(1), 1_000, 1.0)]);
    let again = try_append(&db, &[(series(1), 1_000, 1.0)]).unwrap();
    assert_eq!((again.accepted, again.duplicate), (1, 0));
    let other = try_append(&db, &[(series(1), 1_000, 2.0)]).unwrap();
    assert_eq!((other.accepted, other.duplicate), (0, 1));
    let older = try_append(&db, &[(series(1), 999, 2.0)]).unwrap();
    assert_eq!((older.accepted, older.out_of_order), (0, 1));
    let mut batch = WriteBatch::default();
    batch.push(SeriesRef(77), 5_000, 1.0);
    batch.push(SeriesRef::NONE, 5_000, 1.0);
    assert_eq!(db.append(&batch).unwrap().unknown, [0, 1]);
    // Within one batch the same rules hold.
    let batch = [(series(2), 10, 1.0), (series(2), 20, 2.0), (series(2), 15, 3.0), (series(2), 20, 2.0)];
    let mixed = try_append(&db, &batch).unwrap();
    assert_eq!((mixed.accepted, mixed.out_of_order), (3, 1));
    assert_eq!(everything(&db)[&series(2).to_string()], [(10, 1f64.to_bits()), (20, 2f64.to_bits())]);
}

#[test]
fn samples_more_than_half_a_block_range_behind_the_newest_are_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = 1_700_000_000_000;
    let clock = Clock::manual(now_ms);
    let at = |clock: &Clock| Db::open(Options { clock: clock.clone(), ..options(dir.path()) }).unwrap().0;
    let db = at(&clock);
    // The first samples may have any age.
    append(&db, &[(series(1), now_ms - 500 * HOUR_MS, 1.0)]);
    append(&db, &[(series(2), now_ms - 10 * MINUTE_MS, 1.0)]);
    // Half of two hours before the newest sample.
    let oldest_ms = now_ms - 70 * MINUTE_MS;
    let late = try_append(&db, &[(series(3), oldest_ms - 1, 1.0), (series(3), oldest_ms, 1.0)]).unwrap();
    assert_eq!((late.accepted, late.too_old), (1, 1));
    // A sample from the future counts as one of now.
    append(&db, &[(series(4), now_ms + 500 * HOUR_MS, 1.0)]);
    let oldest_ms = now_ms - HOUR_MS;
    let mut refs = Vec::new();
    db.resolve(&[series(5)], &mut refs).unwrap();
    let mut batch = WriteBatch::default();
    for time_ms in [oldest_ms - 1, oldest_ms] {
        batch.histograms.push((refs[0], time_ms, Arc::new(FloatHistogram::default())));
    }
    let late = db.append(&batch).unwrap();
    assert_eq!((late.accepted, late.too_old), (1, 1));
    assert_eq!(db.stats().samples_too_old, 2);
    // What was taken stays, however old it is by now.
    drop(db);
    clock.advance(std::time::Duration::from_secs(1_000 * 3_600));
    let db = at(&clock);
    assert_eq!(everything(&db).len(), 5);
    assert_eq!(try_append(&db, &[(series(1), now_ms, 1.0)]).unwrap().too_old, 1);
}

#[test]
fn a_series_twice_in_a_request_is_one_series_and_a_limit_refuses_more() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) =
        Db::open(Options { budgets: Budgets { series_max: 2, ..Budgets::default() }, ..options(dir.path()) })
            .unwrap();
    let mut refs = Vec::new();
    db.resolve(&[series(1), series(1), series(2), series(3), Labels::empty()], &mut refs).unwrap();
    assert_eq!(refs[0], refs[1]);
    assert_ne!(refs[0], refs[2]);
    assert_eq!(refs[3..], [SeriesRef::NONE, SeriesRef::NONE]);
    assert_eq!((db.stats().head_series, db.stats().series_refused), (2, 2));
}

#[test]
fn matchers_choose_as_prometheus_does() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let set = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
    let all = [
        set(&[("n", "1")]),
        set(&[("n", "1"), ("i", "a")]),
        set(&[("n", "1"), ("i", "b")]),
        set(&[("n", "2")]),
        set(&[("n", "2.5")]),
    ];
    append(&db, &all.iter().map(|labels| (labels.clone(), 1, 1.0)).collect::<Vec<_>>());
    use MatchOp::*;
    let cases: &[(&[(MatchOp, &str, &str)], &[usize])] = &[
        (&[(Equal, "n", "1")], &[0, 1, 2]),
        (&[(Equal, "n", "1"), (Equal, "i", "a")], &[1]),
        (&[(Equal, "n", "1"), (Equal, "i", "missing")], &[]),
        (&[(Equal, "missing", "")], &[0, 1, 2, 3, 4]),
        (&[(NotEqual, "n", "1")], &[3, 4]),
        (&[(NotEqual, "i", "")], &[1, 2]),
        (&[(Equal, "n", "1"), (NotEqual, "i", "a")], &[0, 2]),
        (&[(Equal, "n", "1"), (Equal, "i", "")], &[0]),
        (&[(Regex, "n", "^1$")], &[0, 1, 2]),
        (&[(Equal, "n", "1"), (Regex, "i", "a?")], &[0, 1]),
        (&[(Regex, "i", "")], &[0, 3, 4]),
        (&[(Regex, "i", ".+")], &[1, 2]),
        (&[(Regex, "i", ".*")], &[0, 1, 2, 3, 4]),
        (&[(NotRegex, "n", "^1$")], &[3, 4]),
        (&[(NotRegex, "i", "a?")], &[2]),
        (&[(NotRegex, "i", "")], &[1, 2]),
        (&[(NotRegex, "i", ".*")], &[]),
        (&[(Equal, "n", "1"), (NotEqual, "i", "b"), (Regex, "i", "^(b|a).*$")], &[1]),
        (&[(Regex, "n", "(1|2)")], &[0, 1, 2, 3]),
        (&[(Regex, "n", "2.*")], &[3, 4]),
    ];
    for (matchers, expected) in cases {
        let matchers: Vec<_> = matchers.iter().map(|(op, name, value)| matcher(*op, name, value)).collect();
        let found: Vec<_> = read(&db, TimeRange::ALL, &matchers).into_keys().collect();
        let mut expected: Vec<_> = expected.iter().map(|&at| all[at].to_string()).collect();
        expected.sort();
        assert_eq!(found, expected, "{matchers:?}");
    }
    assert_eq!(db.label_names(TimeRange::ALL, &[]).unwrap(), ["i", "n"]);
    assert_eq!(db.label_names(TimeRange::ALL, &[matcher(Equal, "n", "2")]).unwrap(), ["n"]);
    assert_eq!(db.label_values("n", TimeRange::ALL, &[]).unwrap(), ["1", "2", "2.5"]);
    let values = db.label_values("n", TimeRange::ALL, &[matcher(Equal, "i", "a")]).unwrap();
    assert_eq!(values, ["1"]);
    let values = db.label_values("n", TimeRange::ALL, &[matcher(Regex, "n", "2.*")]).unwrap();
    assert_eq!(values, ["2", "2.5"]);
}

#[test]
fn only_samples_in_the_range_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    append(&db, &(0..1000).map(|at| (series(1), at * 1_000, at as f64)).collect::<Vec<_>>());
    let range = TimeRange { start_ms: 123_456, end_ms: 200_000 };
    let found = read(&db, range, &[]);
    let times: Vec<_> = found[&series(1).to_string()].iter().map(|(t, _)| *t).collect();
    assert_eq!((times[0], times[times.len() - 1]), (124_000, 200_000));
    assert!(read(&db, TimeRange { start_ms: 1_000_000, end_ms: 2_000_000 }, &[]).is_empty());
}

#[test]
fn histograms_are_kept_with_floats_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let histogram = |scale: f64| {
        Arc::new(FloatHistogram {
            schema: 3,
            count: 4.0 * scale,
            sum: 10.0 * scale,
            positive_spans: vec![Span { offset: 1, length: 2 }],
            positive_buckets: vec![scale, 3.0 * scale],
            ..FloatHistogram::default()
        })
    };
    let check = |db: &Db| {
        let selected = select_all(db);
        let mut samples = Samples::default();
        selected.samples.read(0, &mut samples).unwrap();
        assert_eq!(samples.timestamps_ms, [10, 20, 30, 40]);
        assert_eq!(samples.histogram(1).unwrap().positive_buckets, [2.0, 6.0]);
        assert!(samples.histogram(2).is_none() && samples.values[2] == 7.0);
        assert_eq!(samples.histogram(3).unwrap().count, 4.0);
    };
    let (db, _) = open(dir.path());
    let mut refs = Vec::new();
    db.resolve(&[series(1)], &mut refs).unwrap();
    let one = |time_ms, histogram| WriteBatch {
        histograms: vec![(refs[0], time_ms, histogram)],
        ..WriteBatch::default()
    };
    assert_eq!(db.append(&one(10, histogram(1.0))).unwrap().accepted, 1);
    assert_eq!(db.append(&one(20, histogram(2.0))).unwrap().accepted, 1);
    assert_eq!(db.append(&one(20, histogram(2.0))).unwrap().accepted, 1);
    assert_eq!(db.append(&one(20, histogram(3.0))).unwrap().duplicate, 1);
    append(&db, &[(series(1), 30, 7.0)]);
    assert_eq!(db.append(&one(40, histogram(1.0))).unwrap().accepted, 1);
    let bad = FloatHistogram { positive_buckets: vec![1.0], ..FloatHistogram::default() };
    assert!(db.append(&one(50, Arc::new(bad))).is_err());
    check(&db);
    drop(db);
    check(&open(dir.path()).0);
}

#[test]
fn a_second_instance_and_an_unwritable_directory_get_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, _) = open(dir.path());
    let Err(error @ Error::Locked(_)) = Db::open(options(dir.path())) else { panic!("opened twice") };
    assert!(error.to_string().ends_with("is in use by another instance"));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let Err(error) = Db::open(options(&file.join("data"))) else { panic!("opened below a file") };
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
}

#[test]
fn a_store_answers_before_its_log_is_read_and_refuses_writes_until_then() {
    let dir = tempfile::tempdir().unwrap();
    append(&open(dir.path()).0, &[(series(1), 1, 1.0)]);
    let (db, _) = Db::start(options(dir.path())).unwrap();
    assert!(everything(&db).is_empty());
    assert!(matches!(
        try_append(&db, &[(series(1), 2, 1.0)]),
        Err(model::storage::StorageError::Unavailable(_))
    ));
    db.replay().unwrap();
    append(&db, &[(series(1), 2, 1.0)]);
    assert_eq!(everything(&db)[&series(1).to_string()].len(), 2);
    db.close().unwrap();
    assert!(try_append(&db, &[(series(1), 3, 1.0)]).is_err());
}

#[test]
fn cardinality_names_the_largest() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    append(&db, &(0..30).map(|n| (series(n), 1, 1.0)).collect::<Vec<_>>());
    let cardinality = db.cardinality(2);
    assert_eq!(cardinality.series, 30);
    assert_eq!(cardinality.values_by_label_name, [("instance".into(), 10), ("job".into(), 3)]);
    assert_eq!(cardinality.series_by_metric_name, [("requests_total".into(), 30)]);
    assert_eq!(cardinality.series_by_label_pair[0], ("__name__=requests_total".into(), 30));
}

#[test]
fn full_segments_of_the_log_are_closed_by_maintenance_although_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(Options { wal_segment_size_bytes: 4 << 10, ..options(dir.path()) }).unwrap();
    let open_segments = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let segments = links.filter_map(|link| std::fs::read_link(link.path()).ok());
        segments.filter(|path| path.starts_with(dir.path().join("wal-segments"))).count()
    };
    for minute in 0..60 {
        let samples: Vec<_> = (0..300).map(|n| (series(n), minute * MINUTE_MS, (n * 7) as f64)).collect();
        append(&db, &samples);
    }
    assert!(open_segments() > 3, "{}", open_segments());
    db.maintain(60 * MINUTE_MS);
    assert_eq!(open_segments(), 1);
}

#[test]
fn what_a_selection_will_cost_is_known_of_closed_chunks_that_are_short_too() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    // Twelve samples in each of three block ranges; the chunks of the first two are closed.
    for step in 0..36 {
        let samples: Vec<_> = (0..20).map(|n| (series(n), step * 10 * MINUTE_MS, step as f64)).collect();
        append(&db, &samples);
    }
    assert_eq!(select_all(&db).samples.sample_count_estimate(), 720);
}
