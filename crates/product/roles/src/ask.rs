//! Asking: Prometheus's HTTP API over the store, and what it shows of the other roles.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use base::{Clock, units};
use config::yaml::{Node, Value};
use exposition::TextWriter;
use model::relabel::RelabelRule;
use model::storage::{MetricReader, StorageError, TimeRange};
use model::{Exemplar, Labels, Matcher};
use promql::{Engine, EngineOptions, QueryLimits};
use query::sources::{
    Admin, AlertView, AlertingRuleView, AlertmanagersView, BlockStatsView, BlockView, BuildView,
    CardinalityOf, CardinalityView, CompactionView, CountView, DiscoveryProblemView, DroppedTargetView,
    Exemplars, GroupView, GrowthView, HeadView, LabelView, MetricMetadata, NotificationView,
    RecordingRuleView, RuleGroupView, RuleView, Rules, RuntimeView, Status, TargetView, Targets, TargetsView,
    TsdbView, WalReplayView,
};
use query::{Config, Deps, Queries, RuleAsks, Sources};
use rules::file::RuleKind;
use tsdb::Db;

use discovery::Discovery;

use crate::collect::OwnMetrics;
use crate::settings::{Settings, hostname};

/// The evaluator of all queries and rules.
pub(crate) fn engine(settings: &Settings, clock: &Clock) -> Arc<Engine> {
    Arc::new(Engine::new(EngineOptions {
        lookback_ms: settings.lookback_ms,
        max_samples: settings.query_samples_max,
        timeout: settings.query_timeout,
        delayed_name_removal: settings.delayed_name_removal,
        use_start_timestamps: settings.use_start_timestamps,
        type_and_unit_labels: settings.type_and_unit_labels,
        clock: clock.clone(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..EngineOptions::default()
    }))
}

/// The routes of the API.
pub(crate) fn router(
    settings: &Settings,
    engine: Arc<Engine>,
    reader: Arc<dyn MetricReader>,
    local: Arc<dyn MetricReader>,
    sources: Sources,
    queries: Arc<Queries>,
    clock: &Clock,
) -> Router {
    let config = Config {
        concurrency_max: settings.query_concurrency_max,
        timeout: settings.query_timeout,
        read_concurrency_max: settings.read_concurrency_max,
        read_samples_max: settings.read_samples_max,
        read_frame_max_bytes: settings.read_frame_max_bytes,
        subscribers_max: settings.notifications_subscribers_max,
        ..Config::default()
    };
    let features = settings.features;
    query::router(config, Deps { reader, local, engine, features, sources, queries, clock: clock.clone() })
}

/// Enters what rules ask into the list of queries, where an operator sees and stops it.
pub(crate) struct ListedRules(pub(crate) Arc<Queries>);

impl rules::Watcher for ListedRules {
    fn watch(
        &self,
        asker: rules::Asker<'_>,
        text: &str,
        at_ms: i64,
        run: &mut dyn FnMut(&QueryLimits) -> &'static str,
    ) {
        let limits = QueryLimits::default();
        let rule = RuleAsks {
            name: asker.rule.to_string(),
            group: asker.group.to_string(),
            file: asker.file.to_string(),
        };
        let place = self.0.enter_rule(rule, text, at_ms, limits.cancel.clone(), limits.progress.clone());
        let outcome = run(&limits);
        if let Some(mut place) = place {
            place.end(outcome);
        }
    }
}

/// What the API shows of scraping.
pub(crate) struct ScrapedTargets {
    pub(crate) scraper: scrape::Handle,
    pub(crate) discovery: Discovery,
    pub(crate) db: Arc<Db>,
    pub(crate) external_url: String,
    pub(crate) listening: SocketAddr,
    pub(crate) shown: Arc<ArcSwap<Shown>>,
}

impl ScrapedTargets {
    /// The entry of a pool in the configuration as it may be shown.
    fn pool_config(&self, pool: &str) -> Option<Node> {
        let all = Node::parse(&self.shown.load().yaml).ok()?;
        let Value::Sequence(jobs) = &all.get("scrape_configs")?.value else { return None };
        let is_pool = |job: &&Node| {
            job.get("job_name")
                .is_some_and(|name| matches!(&name.value, Value::Scalar { text, .. } if text == pool))
        };
        jobs.iter().find(is_pool).cloned()
    }
}

impl Targets for ScrapedTargets {
    fn targets(&self, wanted: Option<&str>) -> TargetsView {
        let mut view = TargetsView::default();
        let (scheme, host) = self.external_url.split_once("://").unwrap_or(("http", &self.external_url));
        let host = host.split('/').next().unwrap_or(host);
        for pool in self.scraper.status() {
            if wanted.is_some_and(|wanted| wanted != pool.name) {
                continue;
            }
            for target in pool.active {
                view.active_targets.push(TargetView {
                    discovered_labels: target.discovered_labels,
                    labels: target.labels,
                    scrape_pool: pool.name.clone(),
                    global_url: scrape::global_url(&target.scrape_url, (scheme, host), self.listening.port()),
                    scrape_url: target.scrape_url,
                    last_error: target.last.error,
                    last_scrape: target.last.at_ms,
                    last_scrape_duration: target.last.duration_seconds,
                    health: target.last.health.as_str(),
                    scrape_interval: units::format_duration_ms(target.interval_ms),
                    scrape_timeout: units::format_duration_ms(target.timeout_ms),
                });
            }
            for dropped in pool.dropped {
                view.dropped_targets.push(DroppedTargetView {
                    discovered_labels: dropped.discovered_labels,
                    scrape_pool: pool.name.clone(),
                });
            }
            view.dropped_target_counts.insert(pool.name, pool.dropped_count);
        }
        let problems = self.discovery.problems().into_iter();
        let wanted = problems.filter(|problem| wanted.is_none_or(|wanted| wanted == problem.job));
        view.discovery_problems = wanted
            .map(|problem| DiscoveryProblemView {
                scrape_pool: problem.job,
                error: problem.message,
                since: problem.since_ms,
            })
            .collect();
        view
    }

    fn pools(&self) -> Vec<String> {
        let mut names: Vec<String> = self.scraper.status().into_iter().map(|pool| pool.name).collect();
        names.sort();
        names
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<MetricMetadata> {
        let mut found = Vec::new();
        for target in self.scraper.status().into_iter().flat_map(|pool| pool.active) {
            for family in target.last.families.iter() {
                if metric.is_none_or(|metric| metric == family.metric) {
                    found.push(MetricMetadata {
                        target: target.labels.clone(),
                        metric: family.metric.clone(),
                        metadata: family.metadata.clone(),
                    });
                }
            }
        }
        // What was pushed has no target.
        let scraped: HashSet<&str> = found.iter().map(|entry| entry.metric.as_str()).collect();
        let pushed =
            self.db.metadata(metric).into_iter().filter(|(metric, _)| !scraped.contains(metric.as_str()));
        let pushed: Vec<_> = pushed
            .map(|(metric, metadata)| MetricMetadata { target: Labels::empty(), metric, metadata })
            .collect();
        found.extend(pushed);
        found
    }

    fn pool_yaml(&self, pool: &str) -> Option<String> {
        Some(config::render::render(&self.pool_config(pool)?))
    }

    fn relabel_rules(&self, pool: &str) -> Option<Vec<RelabelRule>> {
        match self.pool_config(pool)?.get("relabel_configs") {
            Some(rules) => config::relabel::rules(rules, "relabel_configs").ok(),
            None => Some(Vec::new()),
        }
    }
}

/// What the API shows of rules.
pub(crate) struct EvaluatedRules {
    pub(crate) rules: rules::Handle,
    pub(crate) forwarder: alerting::forward::Handle,
}

impl Rules for EvaluatedRules {
    fn groups(&self) -> Vec<RuleGroupView> {
        self.rules.groups().into_iter().map(group_view).collect()
    }

    fn alertmanagers(&self) -> AlertmanagersView {
        let known = self.forwarder.alertmanagers();
        AlertmanagersView { active: known.active, dropped: known.dropped }
    }
}

pub(crate) fn group_view(group: rules::GroupStatus) -> RuleGroupView {
    RuleGroupView {
        name: group.name,
        file: group.file,
        interval: group.interval_ms as f64 / 1000.0,
        limit: group.limit as i64,
        evaluation_time: group.evaluation_seconds,
        last_evaluation: group.last_evaluation_ms,
        rules: group.rules.into_iter().map(rule_view).collect(),
    }
}

fn rule_view(rule: rules::RuleStatus) -> RuleView {
    let health = rule.health.as_str();
    let query = rule.spec.expr.to_string();
    match rule.spec.kind {
        RuleKind::Record(name) => RuleView::Recording(RecordingRuleView {
            name,
            query,
            labels: rule.spec.labels,
            health,
            last_error: rule.last_error,
            evaluation_time: rule.evaluation_seconds,
            last_evaluation: rule.last_evaluation_ms,
        }),
        RuleKind::Alert { name, hold_ms, keep_firing_ms, annotations } => {
            let state = match rule.alerts.iter().map(|alert| alert.state).max() {
                Some(state) => state.as_str(),
                None if rule.last_evaluation_ms == 0 => "unknown",
                None => "inactive",
            };
            RuleView::Alerting(AlertingRuleView {
                state,
                name,
                query,
                duration: hold_ms as f64 / 1000.0,
                keep_firing_for: keep_firing_ms as f64 / 1000.0,
                labels: rule.spec.labels,
                annotations,
                alerts: rule.alerts.into_iter().map(alert_view).collect(),
                health,
                last_error: rule.last_error,
                label_error: rule.label_error,
                evaluation_time: rule.evaluation_seconds,
                last_evaluation: rule.last_evaluation_ms,
            })
        }
    }
}

fn alert_view(alert: rules::ActiveAlert) -> AlertView {
    AlertView {
        labels: alert.labels,
        annotations: alert.annotations,
        state: alert.state.as_str(),
        active_at: alert.active_at_ms,
        keep_firing_since: alert.keep_firing_since_ms,
        value: gocompat::float::format(alert.value, gocompat::float::Format::Exponent, None),
    }
}

/// What the API shows of the process and its store.
pub(crate) struct ProcessStatus {
    pub(crate) db: Arc<Db>,
    pub(crate) clock: Clock,
    pub(crate) started_ms: i64,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shown: Arc<ArcSwap<Shown>>,
    pub(crate) own: OwnMetrics,
    pub(crate) discovery: Discovery,
}

/// What a reload changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// The configuration as it may be shown.
    pub(crate) yaml: String,
    /// Labels that distinguish this server from others.
    pub(crate) external_labels: Labels,
    /// Whether the last reload succeeded.
    pub(crate) reload_succeeded: bool,
    /// When the configuration in force was read.
    pub(crate) loaded_at_ms: i64,
    /// When the last reload failed, if it did.
    pub(crate) failed_at_ms: Option<i64>,
}

impl Status for ProcessStatus {
    fn config_yaml(&self) -> String {
        self.shown.load().yaml.clone()
    }

    fn flags(&self) -> BTreeMap<String, String> {
        self.settings.flags.clone()
    }

    fn runtime(&self) -> RuntimeView {
        let shown = self.shown.load();
        let threads = std::fs::read_dir("/proc/self/task").map_or(0, |entries| entries.count() as u64);
        let mut retention: Vec<String> = Vec::new();
        let limits = self.db.retention();
        retention.extend(limits.time_ms.map(units::format_duration_ms));
        retention.extend(limits.size_bytes.map(|bytes| format!("{bytes}B")));
        retention.extend(limits.disk_percent.map(|share| format!("{share}%")));
        RuntimeView {
            start_time: self.started_ms,
            cwd: std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default(),
            hostname: hostname(),
            server_time: self.clock.now_ms(),
            reload_config_success: shown.reload_succeeded,
            last_config_time: shown.loaded_at_ms,
            corruption_count: self.db.stats().wal_damages,
            goroutine_count: threads,
            processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
            memory_limit: 0,
            gogc: String::new(),
            godebug: String::new(),
            storage_retention: retention.join(" or "),
        }
    }

    fn build(&self) -> BuildView {
        BuildView { version: env!("CARGO_PKG_VERSION").into(), ..BuildView::default() }
    }

    fn tsdb(&self, limit: usize) -> TsdbView {
        let (stats, cardinality) = (self.db.stats(), self.db.cardinality(limit));
        TsdbView {
            head_stats: HeadView {
                num_series: stats.head_series,
                num_label_pairs: cardinality.label_pairs as u64,
                chunk_count: stats.head_chunks,
                min_time: stats.head_range.map_or(i64::MAX, |range| range.start_ms),
                max_time: stats.head_range.map_or(i64::MIN, |range| range.end_ms),
            },
            series_count_by_metric_name: counts(cardinality.series_by_metric_name),
            label_value_count_by_label_name: counts(cardinality.values_by_label_name),
            memory_in_bytes_by_label_name: counts(cardinality.bytes_by_label_name),
            series_count_by_label_value_pair: counts(cardinality.series_by_label_pair),
        }
    }

    fn blocks(&self) -> Vec<BlockView> {
        let view = |block: tsdb::BlockStats| BlockView {
            min_time: block.min_time_ms,
            max_time: block.max_time_ms,
            stats: BlockStatsView {
                num_samples: block.samples,
                num_series: block.series,
                num_chunks: block.chunks,
            },
            compaction: CompactionView { level: block.compaction_level, sources: vec![block.ulid.clone()] },
            ulid: block.ulid,
            version: 1,
        };
        self.db.stats().blocks.into_iter().map(view).collect()
    }

    fn wal_replay(&self) -> WalReplayView {
        let (min, max, current) = self.db.replay_progress();
        WalReplayView { min, max, current }
    }

    fn own_metrics(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(16 * 1024);
        self.own.write(TextWriter::new(&mut page));
        page
    }

    fn notifications(&self) -> Vec<NotificationView> {
        let failed = self.shown.load().failed_at_ms;
        let text = "Configuration reload has failed.".to_string();
        let reload = failed.map(|date| NotificationView { text, date, active: true });
        // One line a job: a source that is away may fail many sections.
        let mut problems = self.discovery.problems();
        problems.dedup_by(|a, b| a.job == b.job);
        let of_jobs = problems.into_iter().map(|problem| NotificationView {
            text: format!("Service discovery of job {:?}: {}", problem.job, problem.message),
            date: problem.since_ms,
            active: true,
        });
        reload.into_iter().chain(of_jobs).collect()
    }

    fn external_labels(&self) -> Labels {
        self.shown.load().external_labels.clone()
    }

    fn cardinality(&self, of: CardinalityOf<'_>, limit: usize) -> Result<CardinalityView, StorageError> {
        let found = match of {
            CardinalityOf::Group(group) => self.db.cardinality_of_group(group, limit)?,
            CardinalityOf::Series(matchers) => self.db.cardinality_of(matchers, limit)?,
        };
        let group = |group: tsdb::GroupStats| GroupView {
            name: group.name,
            series: group.series,
            created_last_hour: group.created_last_hour,
            series_before: group.before.map(|(_, series)| series),
            seconds_before: group.before.map(|(ago_ms, _)| ago_ms as f64 / 1000.0),
            refused: group.refused,
        };
        let label = |label: tsdb::LabelCardinality| LabelView {
            name: label.name,
            values: label.values,
            series: label.series,
            size_bytes: label.size_bytes,
            series_without: label.series_without,
            top: counts(label.top_values),
        };
        let growth = |point: tsdb::GrowthPoint| GrowthView {
            time: point.at_ms as f64 / 1000.0,
            series: point.series,
            created: point.created,
        };
        Ok(CardinalityView {
            groups: self.db.groups(limit).into_iter().map(group).collect(),
            series: found.series,
            label_pairs: found.label_pairs,
            size_bytes: found.size_bytes,
            series_count_by_metric_name: counts(found.series_by_metric_name),
            labels: found.labels.into_iter().map(label).collect(),
            growth: found.growth.into_iter().map(growth).collect(),
        })
    }
}

fn counts(entries: Vec<(String, u64)>) -> Vec<CountView> {
    entries.into_iter().map(|(name, value)| CountView { name, value }).collect()
}

/// Exemplars of the store.
pub(crate) struct StoredExemplars(pub(crate) Arc<Db>);

impl Exemplars for StoredExemplars {
    fn exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, StorageError> {
        Ok(self.0.exemplars(range, selectors)?)
    }
}

/// Changes to the store that an operator asks for.
pub(crate) struct StoreAdmin(pub(crate) Arc<Db>);

impl Admin for StoreAdmin {
    fn delete_series(&self, range: TimeRange, selectors: &[Vec<Matcher>]) -> Result<(), StorageError> {
        let touched = self.0.delete_series(range, selectors)?;
        tracing::info!(touched, "deleted samples of series on request");
        Ok(())
    }

    fn clean_tombstones(&self) -> Result<(), StorageError> {
        let rewritten = self.0.clean_tombstones()?;
        tracing::info!(rewritten, "removed deleted samples from blocks on request");
        Ok(())
    }

    fn snapshot(&self, skip_head: bool) -> Result<String, StorageError> {
        let name = self.0.snapshot(skip_head)?;
        tracing::info!(name, "made a snapshot on request");
        Ok(name)
    }
}
