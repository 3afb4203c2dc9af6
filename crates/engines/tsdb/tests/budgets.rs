//! Budgets for series, and what a store tells of what its series are made of.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use model::Labels;
use model::storage::{MetricWriter, SeriesRef};
use tsdb::{Budgets, Db, Options, Refusal};

fn pod(job: &str, pod: usize, path: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "requests_total".to_string()),
        ("job", job.to_string()),
        ("pod", format!("pod-{pod}")),
        ("path", format!("/{path}")),
    ])
}

#[test]
fn a_job_that_explodes_is_refused_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let budgets = Budgets { series_max: 1_000, group_series_max: 300, ..Budgets::default() };
    let (db, _) = Db::open(Options { budgets: budgets.clone(), ..options(dir.path()) }).unwrap();
    let resolve = |db: &Db, labels: &[Labels]| {
        let mut refs = Vec::new();
        db.resolve(labels, &mut refs).unwrap();
        refs.iter().filter(|series| **series != SeriesRef::NONE).count()
    };
    let good: Vec<_> = (0..200).map(|n| pod("good", n, 0)).collect();
    assert_eq!(resolve(&db, &good[..100]), 100);
    for round in 0..10 {
        let bad: Vec<_> = (0..100).map(|n| pod("bad", n, round)).collect();
        assert_eq!(resolve(&db, &bad), if round < 3 { 100 } else { 0 });
    }
    assert_eq!(resolve(&db, &good), 200, "known and new ones");
    let refused = db.refused_series();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].group.as_str(), refused[0].reason, refused[0].count),
        ("bad", Refusal::Group, 700)
    );
    assert_eq!(db.stats().series_refused, 700);
    let groups: Vec<_> =
        db.groups(10).into_iter().map(|g| (g.name, g.series, g.created_last_hour, g.refused)).collect();
    assert_eq!(groups, [("bad".into(), 300, 300, 700), ("good".into(), 200, 200, 0)]);
    // Budgets can change while the store runs.
    db.set_budgets(Budgets { group_series_max: 0, ..budgets });
    let more: Vec<_> = (0..1_000).map(|n| pod("bad", n, 77)).collect();
    assert_eq!(resolve(&db, &more), 500, "the budget of the server");
    // After a restart those that are there count.
    drop(db);
    let (db, _) = Db::open(Options {
        budgets: Budgets { series_max: 1_000, ..Budgets::default() },
        ..options(dir.path())
    })
    .unwrap();
    assert_eq!(resolve(&db, &[pod("new", 1, 1)]), 0);
    assert_eq!(resolve(&db, &good), 200);
}

#[test]
fn what_the_series_of_a_job_are_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let mut refs = Vec::new();
    let labels: Vec<_> = (0..50).flat_map(|p| (0..4).map(move |path| pod("web", p, path))).collect();
    db.resolve(&labels, &mut refs).unwrap();
    db.resolve(&[pod("other", 1, 1), Labels::from_pairs([("__name__", "up")])], &mut refs).unwrap();
    let now_ms = 1_700_000_000_000;
    db.maintain(now_ms);
    db.resolve(&[pod("web", 99, 0)], &mut refs).unwrap();
    db.maintain(now_ms + 1_000);
    db.maintain(now_ms + 60_000);
    let web = db.cardinality_of_group("web", 3).unwrap();
    assert_eq!(web.series, 201);
    assert_eq!(web.series_by_metric_name, [("requests_total".to_string(), 201)]);
    let of = |name: &str| web.labels.iter().find(|label| label.name == name).unwrap();
    let names: Vec<_> = web.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["pod", "path", "__name__"], "the largest first, three at most");
    assert_eq!((of("pod").values, of("pod").series, of("pod").series_without), (51, 201, Some(4)));
    assert_eq!((of("path").values, of("path").series_without), (4, Some(51)));
    assert_eq!(of("path").top_values[0], ("/0".to_string(), 51));
    assert!(of("pod").size_bytes > of("path").size_bytes);
    let growth: Vec<_> = web.growth.iter().map(|p| (p.at_ms - now_ms, p.series, p.created)).collect();
    assert_eq!(growth, [(0, 200, 200), (60_000, 201, 201)], "once a minute");
    assert_eq!(db.groups(1)[0].created_last_hour, 1, "since the oldest point");
    // Without the label is a group too, and any selection can be asked about.
    assert_eq!(db.cardinality_of_group("", 3).unwrap().series, 1);
    let one = [matcher(model::MatchOp::Equal, "pod", "pod-1")];
    assert_eq!(db.cardinality_of(&one, 10).unwrap().series, 5);
    for minute in 2..200 {
        db.maintain(now_ms + minute * 60_000);
    }
    assert_eq!(db.cardinality_of_group("web", 3).unwrap().growth.len(), 61);
}
