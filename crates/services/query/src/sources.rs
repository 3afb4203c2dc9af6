//! What the API shows of other services: they are wired to it as [`Sources`], whose answers have
//! the shape of the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::relabel::RelabelRule;
use model::storage::{StorageError, TimeRange};
use model::{Exemplar, Labels, Matcher, Metadata};
use serde::{Serialize, Serializer};

/// Everything that is not series.
#[derive(Clone)]
pub struct Sources {
    /// Scraping.
    pub targets: Arc<dyn Targets>,
    /// Rules and alerts.
    pub rules: Arc<dyn Rules>,
    /// The process and its store.
    pub status: Arc<dyn Status>,
    /// Exemplars.
    pub exemplars: Arc<dyn Exemplars>,
    /// What may change the store; `None` if nobody may.
    pub admin: Option<Arc<dyn Admin>>,
}

/// Knows exemplars.
pub trait Exemplars: Send + Sync {
    /// Exemplars in the range of the series that match one of the selectors: sorted by labels, then by time.
    fn exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, StorageError>;
}

/// Changes the store. All of it blocks while it works.
pub trait Admin: Send + Sync {
    /// Deletes what lies in the range of the series that match one of the selectors.
    fn delete_series(&self, range: TimeRange, selectors: &[Vec<Matcher>]) -> Result<(), StorageError>;
    /// Removes deleted samples from disk.
    fn clean_tombstones(&self) -> Result<(), StorageError>;
    /// Writes a copy of all blocks, and of the head unless it is to be skipped; gives the copy's name.
    fn snapshot(&self, skip_head: bool) -> Result<String, StorageError>;
}

/// Knows the targets.
pub trait Targets: Send + Sync {
    /// All targets, of one pool if it is named.
    fn targets(&self, pool: Option<&str>) -> TargetsView;
    /// Names of the pools, sorted.
    fn pools(&self) -> Vec<String>;
    /// What targets say about their metrics, one entry for each target and metric; of one metric if
    /// it is named.
    fn metadata(&self, metric: Option<&str>) -> Vec<MetricMetadata>;
    /// The configuration of a pool as YAML, without secrets; `None` if there is no such pool.
    fn pool_yaml(&self, pool: &str) -> Option<String>;
    /// The rules that make a pool's targets; `None` if there is no such pool.
    fn relabel_rules(&self, pool: &str) -> Option<Vec<RelabelRule>>;
}

/// Knows the rules.
pub trait Rules: Send + Sync {
    /// All groups with their rules and alerts.
    fn groups(&self) -> Vec<RuleGroupView>;
    /// Where alerts are sent.
    fn alertmanagers(&self) -> AlertmanagersView;
}

/// Alertmanagers, as the URLs that alerts are posted to.
#[derive(Clone, Debug, Default)]
pub struct AlertmanagersView {
    /// Those that get alerts.
    pub active: Vec<String>,
    /// Those that relabelling dropped.
    pub dropped: Vec<String>,
}

/// Knows the process and its store.
pub trait Status: Send + Sync {
    /// The configuration as YAML, without secrets.
    fn config_yaml(&self) -> String;
    /// Flags and their values.
    fn flags(&self) -> BTreeMap<String, String>;
    /// Facts about the running process.
    fn runtime(&self) -> RuntimeView;
    /// Facts about the build.
    fn build(&self) -> BuildView;
    /// Cardinality of the head, at most `limit` entries a list.
    fn tsdb(&self, limit: usize) -> TsdbView;
    /// The blocks.
    fn blocks(&self) -> Vec<BlockView>;
    /// How far the log has been replayed: first, last and current segment.
    fn wal_replay(&self) -> WalReplayView;
    /// The process's own metrics, as a page in the text format.
    fn own_metrics(&self) -> Vec<u8>;
    /// What an operator should know now.
    fn notifications(&self) -> Vec<NotificationView>;
    /// Labels that distinguish this server from others.
    fn external_labels(&self) -> Labels;
    /// What takes how much in the head, at most `limit` entries a list: of a group, of the series that match,
    /// or of all.
    fn cardinality(&self, of: CardinalityOf<'_>, limit: usize) -> Result<CardinalityView, StorageError>;
}

/// Whose cardinality is asked for.
#[derive(Clone, Copy, Debug)]
pub enum CardinalityOf<'a> {
    /// A group.
    Group(&'a str),
    /// Series that match; all if there are no matchers.
    Series(&'a [Matcher]),
}

/// What takes how much in the head, and how it grows.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CardinalityView {
    /// Groups of series, the largest first: jobs, unless the operator groups by another label.
    pub groups: Vec<GroupView>,
    /// Series that were asked for.
    pub series: u64,
    /// Their distinct pairs of name and value.
    pub label_pairs: u64,
    /// Bytes that their labels take, estimated.
    pub size_bytes: u64,
    /// Their metrics by number of series.
    pub series_count_by_metric_name: Vec<CountView>,
    /// Their labels, the one with most values first.
    pub labels: Vec<LabelView>,
    /// The last hour, a point a minute; of one group only.
    pub growth: Vec<GrowthView>,
}

/// A group of series.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    /// The value of its label; "" for series without.
    pub name: String,
    /// Its series.
    pub series: u64,
    /// Series made in the last hour.
    pub created_last_hour: u64,
    /// Its series an hour ago, or when counting began; `None` if that is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series_before: Option<u64>,
    /// How long ago `series_before` was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_before: Option<f64>,
    /// How often new series were refused since the start.
    pub refused: u64,
}

/// What a label costs.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelView {
    /// Its name.
    pub name: String,
    /// Distinct values.
    pub values: u64,
    /// Series that have it.
    pub series: u64,
    /// Bytes that it takes over these series, estimated.
    pub size_bytes: u64,
    /// Series that there would be without it; `None` if there are too many to find out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series_without: Option<u64>,
    /// Values with most series.
    pub top: Vec<CountView>,
}

/// A group at one time.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowthView {
    /// Seconds since the epoch.
    pub time: f64,
    /// Series in the head.
    pub series: u64,
    /// Series made since the start.
    pub created: u64,
}

fn rfc3339<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*time_ms))
}

/// A time as Go prints it in JSON; 0 is "never", Go's zero time.
pub(crate) fn time_text(time_ms: i64) -> String {
    if time_ms == 0 { "0001-01-01T00:00:00Z".into() } else { gocompat::layout::format_rfc3339_ms(time_ms) }
}

fn labels<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

/// Targets by state.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetsView {
    /// Those that are scraped.
    pub active_targets: Vec<TargetView>,
    /// Those that relabelling dropped.
    pub dropped_targets: Vec<DroppedTargetView>,
    /// How many were dropped, by pool.
    pub dropped_target_counts: BTreeMap<String, usize>,
    /// Sources of targets that do not answer as they should; Prometheus's answer has no such list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discovery_problems: Vec<DiscoveryProblemView>,
}

/// A source of targets that does not answer as it should. The last targets it named stay.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryProblemView {
    /// The pool whose targets it names.
    pub scrape_pool: String,
    /// What is wrong.
    pub error: String,
    /// Since when, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub since: i64,
}

/// A target that is scraped.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// Labels before relabelling.
    #[serde(serialize_with = "labels")]
    pub discovered_labels: Labels,
    /// Labels of its series.
    #[serde(serialize_with = "labels")]
    pub labels: Labels,
    /// Its job.
    pub scrape_pool: String,
    /// Where it is scraped.
    pub scrape_url: String,
    /// The same with this machine's name instead of localhost.
    pub global_url: String,
    /// Why the last scrape failed, or "".
    pub last_error: String,
    /// When it was scraped last, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub last_scrape: i64,
    /// How long that took, in seconds.
    pub last_scrape_duration: f64,
    /// `up`, `down` or `unknown`.
    pub health: &'static str,
    /// How often it is scraped.
    pub scrape_interval: String,
    /// How long it may take.
    pub scrape_timeout: String,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DroppedTargetView {
    /// Labels before relabelling.
    #[serde(serialize_with = "labels")]
    pub discovered_labels: Labels,
    /// Its job.
    pub scrape_pool: String,
}

/// What one target says about one metric.
#[derive(Clone, Debug)]
pub struct MetricMetadata {
    /// Labels of the target.
    pub target: Labels,
    /// The metric.
    pub metric: String,
    /// What is said.
    pub metadata: Metadata,
}

/// A group of rules.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleGroupView {
    /// Its name.
    pub name: String,
    /// The file it comes from.
    pub file: String,
    /// Its rules in order.
    pub rules: Vec<RuleView>,
    /// Seconds between evaluations.
    pub interval: f64,
    /// How many series or alerts a rule may yield; 0 is no limit.
    pub limit: i64,
    /// How long the last evaluation took, in seconds.
    pub evaluation_time: f64,
    /// When it was evaluated last, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub last_evaluation: i64,
}

/// A rule.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RuleView {
    /// Raises alerts.
    Alerting(AlertingRuleView),
    /// Records series.
    Recording(RecordingRuleView),
}

/// A rule that raises alerts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertingRuleView {
    /// The worst state of its alerts: `firing`, `pending`, `inactive`; `unknown` before the first evaluation.
    pub state: &'static str,
    /// The alerts' name.
    pub name: String,
    /// The expression.
    pub query: String,
    /// `for`, in seconds.
    pub duration: f64,
    /// `keep_firing_for`, in seconds.
    pub keep_firing_for: f64,
    /// Labels it adds.
    #[serde(serialize_with = "labels")]
    pub labels: Labels,
    /// Annotations, not expanded.
    #[serde(serialize_with = "labels")]
    pub annotations: Labels,
    /// Its alerts that are pending or firing.
    pub alerts: Vec<AlertView>,
    /// `ok`, `err` or `unknown`.
    pub health: &'static str,
    /// Why the last evaluation failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// Why labels of owners could not be joined onto its alerts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_error: String,
    /// How long the last evaluation took, in seconds.
    pub evaluation_time: f64,
    /// When it was evaluated last, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub last_evaluation: i64,
}

/// A rule that records series.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingRuleView {
    /// The metric's name.
    pub name: String,
    /// The expression.
    pub query: String,
    /// Labels it adds.
    #[serde(serialize_with = "labels")]
    pub labels: Labels,
    /// `ok`, `err` or `unknown`.
    pub health: &'static str,
    /// Why the last evaluation failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// How long the last evaluation took, in seconds.
    pub evaluation_time: f64,
    /// When it was evaluated last, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub last_evaluation: i64,
}

/// An alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    /// Its labels.
    #[serde(serialize_with = "labels")]
    pub labels: Labels,
    /// Its annotations, expanded.
    #[serde(serialize_with = "labels")]
    pub annotations: Labels,
    /// `firing` or `pending`.
    pub state: &'static str,
    /// Since when the expression holds, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub active_at: i64,
    /// Since when it is only kept firing by `keep_firing_for`.
    #[serde(serialize_with = "rfc3339", skip_serializing_if = "is_zero")]
    pub keep_firing_since: i64,
    /// The expression's value.
    pub value: String,
}

fn is_zero(time_ms: &i64) -> bool {
    *time_ms == 0
}

/// Facts about the running process.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeView {
    /// When it started, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub start_time: i64,
    /// Its working directory.
    #[serde(rename = "CWD")]
    pub cwd: String,
    /// This machine's name.
    pub hostname: String,
    /// Now, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub server_time: i64,
    /// Whether the last reload succeeded.
    pub reload_config_success: bool,
    /// When the configuration was read last, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub last_config_time: i64,
    /// Damaged places found in the log.
    pub corruption_count: u64,
    /// Threads.
    pub goroutine_count: u64,
    /// Processors used.
    #[serde(rename = "GOMAXPROCS")]
    pub processors: u64,
    /// A limit of memory; 0 is none.
    #[serde(rename = "GOMEMLIMIT")]
    pub memory_limit: u64,
    /// Not used; there for clients.
    #[serde(rename = "GOGC")]
    pub gogc: String,
    /// Not used; there for clients.
    #[serde(rename = "GODEBUG")]
    pub godebug: String,
    /// How long samples are kept, as text.
    pub storage_retention: String,
}

/// Facts about the build.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BuildView {
    pub version: String,
    pub revision: String,
    pub branch: String,
    pub build_user: String,
    pub build_date: String,
    pub go_version: String,
}

/// Cardinality of the head.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TsdbView {
    /// Totals.
    pub head_stats: HeadView,
    /// Series by metric.
    pub series_count_by_metric_name: Vec<CountView>,
    /// Values by label.
    pub label_value_count_by_label_name: Vec<CountView>,
    /// Bytes of values by label.
    pub memory_in_bytes_by_label_name: Vec<CountView>,
    /// Series by `name=value`.
    pub series_count_by_label_value_pair: Vec<CountView>,
}

/// Totals of the head.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadView {
    /// Series.
    pub num_series: u64,
    /// Pairs of name and value.
    pub num_label_pairs: u64,
    /// Chunks.
    pub chunk_count: u64,
    /// First sample, milliseconds since the epoch.
    pub min_time: i64,
    /// Last sample, milliseconds since the epoch.
    pub max_time: i64,
}

/// A name and a number.
#[derive(Clone, Debug, Serialize)]
pub struct CountView {
    /// The name.
    pub name: String,
    /// The number.
    pub value: u64,
}

/// A block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockView {
    /// Its name.
    pub ulid: String,
    /// First millisecond.
    pub min_time: i64,
    /// One past the last millisecond.
    pub max_time: i64,
    /// Its content.
    pub stats: BlockStatsView,
    /// How often it was compacted.
    pub compaction: CompactionView,
    /// The format's version.
    pub version: u32,
}

/// What is in a block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BlockStatsView {
    pub num_samples: u64,
    pub num_series: u64,
    pub num_chunks: u64,
}

/// How a block came to be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CompactionView {
    pub level: u32,
    pub sources: Vec<String>,
}

/// How far the log has been replayed.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WalReplayView {
    /// First segment.
    pub min: u64,
    /// Last segment.
    pub max: u64,
    /// Segment being read.
    pub current: u64,
}

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotificationView {
    /// What to tell.
    pub text: String,
    /// Since when, milliseconds since the epoch.
    #[serde(serialize_with = "rfc3339")]
    pub date: i64,
    /// Whether it still holds.
    pub active: bool,
}
