//! How long samples are kept.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use model::MatchOp;
use tsdb::{Db, Options, Retention, RetentionRule};

fn rule(job: &str, hours: i64) -> RetentionRule {
    RetentionRule { matchers: vec![matcher(MatchOp::Equal, "job", job)], time_ms: hours * HOUR_MS }
}

/// Samples of 24 hours, in blocks but for the last ones.
fn filled(options: Options, expected: &mut Dump) -> Db {
    let (db, _) = Db::open(options).unwrap();
    fill(&db, START_MS, 24, expected);
    db
}

/// Keeps of each series what is not older than its hours, counted back from hour 24.
fn keep(expected: &mut Dump, hours_of: impl Fn(&str) -> i64) {
    for (labels, samples) in expected.iter_mut() {
        let before_ms = START_MS + (24 - hours_of(labels)) * HOUR_MS;
        samples.retain(|(time_ms, _)| *time_ms >= before_ms);
    }
}

fn settle(db: &Db) -> u64 {
    // The newest sample lies a minute before the hour.
    let reports: Vec<_> = (0..10).map(|_| db.maintain(START_MS + 24 * HOUR_MS - MINUTE_MS)).collect();
    assert!(reports.iter().all(|report| report.errors.is_empty()), "{reports:?}");
    assert!(reports.last().unwrap().trimmed.is_empty(), "it comes to an end");
    reports.iter().map(|report| report.trimmed.len() as u64).sum()
}

#[test]
fn some_series_are_kept_shorter_and_others_longer() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let db = filled(options(dir.path()), &mut expected);
    db.set_retention(Retention {
        time_ms: Some(11 * HOUR_MS),
        rules: vec![rule("job-0", 8), rule("job-1", 1_000)],
        ..Retention::default()
    });
    assert!(settle(&db) > 0);
    let found = everything(&db);
    let oldest = |job: &str| {
        let of_job = found.iter().filter(|(labels, _)| labels.contains(job));
        (of_job.map(|(_, samples)| samples[0].0).min().unwrap() - START_MS) / HOUR_MS
    };
    // By steps of two hours, and never too early; what has no rule goes with whole blocks.
    assert!((14..=16).contains(&oldest("job-0")), "{}", oldest("job-0"));
    assert_eq!(oldest("job-1"), 0);
    assert_eq!(oldest("job-2"), 12);
    let stats = db.stats();
    assert!(stats.retention_rewrites > 0 && stats.retention_samples_removed > 10 * 60, "{stats:?}");
    keep(&mut expected, |labels| match labels {
        labels if labels.contains("job-0") => 24 - oldest("job-0"),
        labels if labels.contains("job-1") => 24,
        _ => 12,
    });
    assert_eq!(found, expected);
    drop(db);
    assert_eq!(everything(&open(dir.path()).0), expected);
}

#[test]
fn a_block_of_which_nothing_is_kept_goes_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Dump::new();
    let db = filled(options(dir.path()), &mut expected);
    let all = RetentionRule { matchers: vec![matcher(MatchOp::NotEqual, "job", "")], time_ms: 10 * HOUR_MS };
    db.set_retention(Retention { rules: vec![all], ..Retention::default() });
    settle(&db);
    assert!(db.stats().blocks.iter().all(|block| block.max_time_ms > START_MS + 12 * HOUR_MS));
    assert!(block_dirs(dir.path()).len() == db.stats().blocks.len());
}

#[test]
fn a_share_of_the_disk_is_a_limit_of_size() {
    let dir = tempfile::tempdir().unwrap();
    let db = filled(options(dir.path()), &mut Dump::new());
    let before = db.stats().blocks.len();
    db.set_retention(Retention { disk_percent: Some(99.0), ..Retention::default() });
    settle(&db);
    assert_eq!(db.stats().blocks.len(), before);
    // A share that is less than the log alone takes.
    db.set_retention(Retention { disk_percent: Some(1e-9), ..Retention::default() });
    settle(&db);
    assert_eq!(db.stats().blocks.len(), 0);
    assert_eq!(db.stats().retention_size_deletions, before as u64);
}
