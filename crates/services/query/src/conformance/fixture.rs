//! A small world for the suite and for tests: a few series, and sources that never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use base::Clock;
use model::histogram::{FloatHistogram, Span};
use model::relabel::RelabelRule;
use model::storage::{StorageError, TimeRange};
use model::{Exemplar, Labels, Matcher, Metadata, MetricType};
use promql::conformance::memory::{Memory, Point};
use promql::{Engine, EngineOptions};

use crate::sources::{
    Admin, AlertView, AlertingRuleView, AlertmanagersView, BlockStatsView, BlockView, BuildView,
    CardinalityOf, CardinalityView, CompactionView, CountView, DroppedTargetView, Exemplars, GroupView,
    GrowthView, HeadView, LabelView, MetricMetadata, NotificationView, RecordingRuleView, RuleGroupView,
    RuleView, Rules, RuntimeView, Status, TargetView, Targets, TargetsView, TsdbView, WalReplayView,
};
use crate::{Config, Deps, Queries, Sources, router};

/// Now: the time that the examples of Prometheus's document name, 2026-01-02T13:37:00Z.
pub const NOW_MS: i64 = 1_767_361_020_000;
/// How long the series are: two hours back, a sample every 15 seconds.
const SAMPLES: i64 = 2 * 3600 / 15;

/// The API over the small world.
pub fn api() -> Router {
    router(Config::default(), deps())
}

/// What the API of the small world works with; its clock stands at [`NOW_MS`].
pub fn deps() -> Deps {
    let clock = Clock::manual(NOW_MS);
    let engine = Engine::new(EngineOptions { clock: clock.clone(), ..EngineOptions::default() });
    let reader = Arc::new(series());
    Deps {
        local: reader.clone(),
        reader,
        engine: Arc::new(engine),
        features: promql::Features::default(),
        sources: Sources {
            targets: Arc::new(World),
            rules: Arc::new(World),
            status: Arc::new(World),
            exemplars: Arc::new(World),
            admin: Some(Arc::new(World)),
        },
        queries: Queries::new(1_000, clock.clone()),
        clock,
    }
}

/// `up` of two instances, counters of requests, and a native histogram.
fn series() -> Memory {
    let mut memory = Memory::new();
    let mut add = |pairs: &[(&str, &str)], value: &dyn Fn(i64) -> Point| {
        let labels = Labels::from_pairs(pairs.iter().copied());
        for at in 0..=SAMPLES {
            memory.append(&labels, NOW_MS - (SAMPLES - at) * 15_000, 0, value(at));
        }
    };
    for instance in ["localhost:9090", "localhost:9091"] {
        add(&[("__name__", "up"), ("instance", instance), ("job", "prometheus")], &|_| Point::Float(1.0));
    }
    for (handler, code, each) in
        [("/api/v1/query", "200", 3.0), ("/api/v1/query", "400", 1.0), ("/", "200", 7.0)]
    {
        add(
            &[
                ("__name__", "prometheus_http_requests_total"),
                ("code", code),
                ("handler", handler),
                ("instance", "localhost:9090"),
                ("job", "prometheus"),
            ],
            &|at| Point::Float(at as f64 * each),
        );
    }
    for name in ["http_request_duration_seconds", "prometheus_http_request_duration_seconds"] {
        add(&[("__name__", name), ("instance", "localhost:9090"), ("job", "prometheus")], &|at| {
            let seen = at as f64;
            Point::Histogram(Arc::new(FloatHistogram {
                zero_threshold: 0.001,
                zero_count: seen,
                count: seen * 6.0,
                sum: seen * 4.5,
                positive_spans: vec![Span { offset: 0, length: 2 }],
                negative_spans: vec![Span { offset: 0, length: 1 }],
                positive_buckets: vec![seen * 3.0, seen],
                negative_buckets: vec![seen],
                ..FloatHistogram::default()
            }))
        });
    }
    add(&[("__name__", "http_requests_total"), ("job", "api")], &|at| Point::Float(at as f64));
    memory
}

struct World;

const POOL_YAML: &str = "job_name: prometheus
relabel_configs:
- source_labels: [__address__]
  target_label: instance
- source_labels: [job]
  regex: other
  action: drop
";

impl Targets for World {
    fn targets(&self, pool: Option<&str>) -> TargetsView {
        if pool.is_some_and(|pool| pool != "prometheus") {
            return TargetsView::default();
        }
        let discovered =
            |address: &str| Labels::from_pairs([("__address__", address), ("job", "prometheus")]);
        TargetsView {
            active_targets: vec![TargetView {
                discovered_labels: discovered("localhost:9090"),
                labels: Labels::from_pairs([("instance", "localhost:9090"), ("job", "prometheus")]),
                scrape_pool: "prometheus".into(),
                scrape_url: "http://localhost:9090/metrics".into(),
                global_url: "http://example.org:9090/metrics".into(),
                last_error: String::new(),
                last_scrape: NOW_MS - 4_321,
                last_scrape_duration: 0.012,
                health: "up",
                scrape_interval: "15s".into(),
                scrape_timeout: "10s".into(),
            }],
            dropped_targets: vec![DroppedTargetView {
                discovered_labels: discovered("localhost:9099"),
                scrape_pool: "prometheus".into(),
            }],
            dropped_target_counts: BTreeMap::from([("prometheus".into(), 1)]),
            discovery_problems: Vec::new(),
        }
    }

    fn pools(&self) -> Vec<String> {
        vec!["prometheus".into()]
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<MetricMetadata> {
        let says = |instance: &str, metric: &str, metric_type, help: &str| MetricMetadata {
            target: Labels::from_pairs([("instance", instance), ("job", "prometheus")]),
            metric: metric.into(),
            metadata: Metadata { metric_type, help: help.into(), unit: String::new() },
        };
        let mut all = vec![
            says("localhost:9090", "http_requests_total", MetricType::Counter, "Requests."),
            says("localhost:9090", "up", MetricType::Gauge, "Whether it is there."),
            says("localhost:9091", "http_requests_total", MetricType::Counter, "Requests answered."),
        ];
        all.retain(|entry| metric.is_none_or(|metric| metric == entry.metric));
        all
    }

    fn pool_yaml(&self, pool: &str) -> Option<String> {
        (pool == "prometheus").then(|| POOL_YAML.into())
    }

    fn relabel_rules(&self, pool: &str) -> Option<Vec<RelabelRule>> {
        let yaml = config::Node::parse(&self.pool_yaml(pool)?).ok()?;
        config::relabel::rules(yaml.get("relabel_configs")?, "relabel_configs").ok()
    }
}

impl Rules for World {
    fn groups(&self) -> Vec<RuleGroupView> {
        let labels = Labels::from_pairs([("severity", "critical")]);
        let annotations = Labels::from_pairs([("summary", "Many errors.")]);
        let alerting = RuleView::Alerting(AlertingRuleView {
            state: "firing",
            name: "HighErrorRate".into(),
            query: "up == 1".into(),
            duration: 300.0,
            keep_firing_for: 60.0,
            labels: labels.clone(),
            annotations: annotations.clone(),
            alerts: vec![AlertView {
                labels: Labels::from_pairs([("alertname", "HighErrorRate"), ("severity", "critical")]),
                annotations,
                state: "firing",
                active_at: NOW_MS - 600_000,
                keep_firing_since: NOW_MS - 30_000,
                value: "1e+00".into(),
            }],
            health: "ok",
            last_error: String::new(),
            label_error: String::new(),
            evaluation_time: 0.002,
            last_evaluation: NOW_MS - 5_000,
        });
        let recording = |name: &str| {
            RuleView::Recording(RecordingRuleView {
                name: name.into(),
                query: "sum by (job) (up)".into(),
                labels: Labels::empty(),
                health: "err",
                last_error: "it failed".into(),
                evaluation_time: 0.001,
                last_evaluation: NOW_MS - 5_000,
            })
        };
        let group = |name: &str, rules| RuleGroupView {
            name: name.into(),
            file: "/etc/prometheus/rules.yml".into(),
            rules,
            interval: 60.0,
            limit: 0,
            evaluation_time: 0.004,
            last_evaluation: NOW_MS - 5_000,
        };
        vec![
            group("example_alerts", vec![alerting, recording("job:up:sum")]),
            group("example_records", vec![recording("job:up:max")]),
            group("empty", Vec::new()),
        ]
    }

    fn alertmanagers(&self) -> AlertmanagersView {
        AlertmanagersView { active: vec!["http://localhost:9093/api/v2/alerts".into()], dropped: Vec::new() }
    }
}

impl Status for World {
    fn config_yaml(&self) -> String {
        "scrape_configs: []\n".into()
    }

    fn flags(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("query.timeout".into(), "2m".into())])
    }

    fn runtime(&self) -> RuntimeView {
        RuntimeView {
            start_time: NOW_MS - 3_600_000,
            cwd: "/".into(),
            hostname: "example".into(),
            server_time: NOW_MS,
            reload_config_success: true,
            last_config_time: NOW_MS - 3_600_000,
            goroutine_count: 8,
            processors: 2,
            storage_retention: "15d".into(),
            ..RuntimeView::default()
        }
    }

    fn build(&self) -> BuildView {
        BuildView { version: "0.1.0".into(), ..BuildView::default() }
    }

    fn tsdb(&self, limit: usize) -> TsdbView {
        let count = |name: &str, value| CountView { name: name.into(), value };
        let mut by_metric = vec![count("prometheus_http_requests_total", 3), count("up", 2)];
        by_metric.truncate(limit);
        TsdbView {
            head_stats: HeadView {
                num_series: 8,
                num_label_pairs: 12,
                chunk_count: 16,
                min_time: 0,
                max_time: 1,
            },
            series_count_by_metric_name: by_metric,
            label_value_count_by_label_name: vec![count("__name__", 5)],
            memory_in_bytes_by_label_name: vec![count("__name__", 120)],
            series_count_by_label_value_pair: vec![count("job=prometheus", 7)],
        }
    }

    fn blocks(&self) -> Vec<BlockView> {
        let ulid = "01KC4D6GXQA4CRHYKV78NEBVAE";
        vec![BlockView {
            ulid: ulid.into(),
            min_time: NOW_MS - 7_200_000,
            max_time: NOW_MS,
            stats: BlockStatsView { num_samples: 3_848, num_series: 8, num_chunks: 40 },
            compaction: CompactionView { level: 1, sources: vec![ulid.into()] },
            version: 1,
        }]
    }

    fn wal_replay(&self) -> WalReplayView {
        WalReplayView { min: 2, max: 5, current: 5 }
    }

    fn own_metrics(&self) -> Vec<u8> {
        b"# HELP prometheus_tsdb_head_chunks Chunks.\n# TYPE prometheus_tsdb_head_chunks gauge\n\
          prometheus_tsdb_head_chunks 16\n# TYPE other_total counter\nother_total{a=\"b\"} 1\n"
            .to_vec()
    }

    fn notifications(&self) -> Vec<NotificationView> {
        vec![NotificationView { text: "A file is missing.".into(), date: NOW_MS, active: true }]
    }

    fn external_labels(&self) -> Labels {
        Labels::from_pairs([("cluster", "test"), ("job", "hidden")])
    }

    fn cardinality(&self, of: CardinalityOf<'_>, limit: usize) -> Result<CardinalityView, StorageError> {
        let group = GroupView {
            name: "prometheus".into(),
            series: 7,
            created_last_hour: 3,
            series_before: Some(5),
            seconds_before: Some(60.0),
            refused: 1,
        };
        let mut groups = vec![group, GroupView { name: "api".into(), series: 1, ..GroupView::default() }];
        groups.truncate(limit);
        let top = vec![CountView { name: "up".into(), value: 2 }];
        let name = || "__name__".into();
        let label =
            LabelView { name: name(), values: 5, series: 8, size_bytes: 120, series_without: Some(4), top };
        let growth = match of {
            CardinalityOf::Group(_) => {
                vec![GrowthView { time: NOW_MS as f64 / 1000.0, series: 7, created: 9 }]
            }
            CardinalityOf::Series(_) => Vec::new(),
        };
        let series_count_by_metric_name = vec![CountView { name: "up".into(), value: 2 }];
        Ok(CardinalityView {
            groups,
            series: 8,
            label_pairs: 12,
            size_bytes: 500,
            series_count_by_metric_name,
            labels: vec![label],
            growth,
        })
    }
}

impl Exemplars for World {
    fn exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, StorageError> {
        let series = Labels::from_pairs([("__name__", "http_requests_total"), ("job", "api")]);
        let is_selected =
            |matchers: &Vec<Matcher>| matchers.iter().all(|matcher| matcher.matches_labels(&series));
        let exemplar = Exemplar {
            labels: Labels::from_pairs([("trace_id", "abc")]),
            value: 1.5,
            timestamp_ms: NOW_MS - 60_250,
            timestamp_given: true,
        };
        let is_inside =
            range.overlaps(TimeRange { start_ms: exemplar.timestamp_ms, end_ms: exemplar.timestamp_ms });
        Ok(match is_inside && selectors.iter().any(is_selected) {
            true => vec![(series, vec![exemplar])],
            false => Vec::new(),
        })
    }
}

impl Admin for World {
    fn delete_series(&self, _: TimeRange, _: &[Vec<Matcher>]) -> Result<(), StorageError> {
        Ok(())
    }

    fn clean_tombstones(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn snapshot(&self, skip_head: bool) -> Result<String, StorageError> {
        Ok(if skip_head { "20260102T133700Z-1" } else { "20260102T133700Z-2" }.into())
    }
}
