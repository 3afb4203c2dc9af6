//! The `global` section and the entries of `scrape_configs`: all fields are read and checked.

use std::path::{Path, PathBuf};

use config::http_client::{HttpClientConfig, PathBase};
use config::yaml::Value;
use config::{Error, Fields, Node, RelabelRule, Result, glob, relabel};
use exposition::{EscapingScheme, ScrapeProtocol};
use model::Labels;
use model::labels::{is_plain_label_name, is_plain_metric_name};

use crate::scraper::Features;

const INTERVAL_DEFAULT_MS: i64 = 60_000;
const TIMEOUT_DEFAULT_MS: i64 = 10_000;
/// The finest schema of native histograms.
const HISTOGRAM_SCHEMA_MAX: i32 = 8;
/// The coarsest one.
pub(crate) const HISTOGRAM_SCHEMA_MIN: i32 = -4;

/// Which names metrics and labels may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameValidation {
    /// Any text.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, without colons for labels.
    Legacy,
}

impl NameValidation {
    /// Whether a label may have this name.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            NameValidation::Utf8 => !name.is_empty(),
            NameValidation::Legacy => is_plain_label_name(name),
        }
    }

    /// Whether a metric may have this name.
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            NameValidation::Utf8 => !name.is_empty(),
            NameValidation::Legacy => is_plain_metric_name(name),
        }
    }

    fn decode(node: &Node) -> Result<Option<Self>> {
        match node.string()?.as_str() {
            "" => Ok(None),
            "utf8" => Ok(Some(NameValidation::Utf8)),
            "legacy" => Ok(Some(NameValidation::Legacy)),
            other => {
                Err(node.error(format!("unrecognized ValidationScheme: {other:?}; allowed are legacy, utf8")))
            }
        }
    }
}

/// Bounds of what a scrape may bring; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Size of a page, decompressed.
    pub body_size_max_bytes: u64,
    /// Samples after metric relabelling.
    pub samples_max: u64,
    /// Targets of a job.
    pub targets_max: u64,
    /// Labels of a series.
    pub labels_max: u64,
    /// Length of a label's name.
    pub label_name_length_max: u64,
    /// Length of a label's value.
    pub label_value_length_max: u64,
    /// Buckets of a native histogram, which is made coarser to keep to it.
    pub histogram_buckets_max: u64,
}

/// The `global` section of a Prometheus configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    /// Time between two scrapes of a target.
    pub scrape_interval_ms: i64,
    /// Time that a scrape may take.
    pub scrape_timeout_ms: i64,
    /// Time between two evaluations of a rule group.
    pub evaluation_interval_ms: i64,
    /// How far back in time rules look.
    pub rule_query_offset_ms: i64,
    /// Where queries are logged.
    pub query_log_file: Option<PathBuf>,
    /// Labels added to what leaves for other systems. `${NAME}` of the environment is filled in.
    pub external_labels: Labels,
    /// Protocols to ask for; `None` leaves it to whether native histograms are wanted.
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// Limits of jobs that set none.
    pub limits: ScrapeLimits,
    /// Dropped targets to remember for each job; 0 means all.
    pub keep_dropped_targets: u64,
    /// Names that are allowed.
    pub name_validation: NameValidation,
    /// How other names shall be escaped.
    pub name_escaping: Option<EscapingScheme>,
    /// Whether native histograms are taken.
    pub scrape_native_histograms: bool,
    /// Whether the classic series of a native histogram are taken too.
    pub always_scrape_classic_histograms: bool,
    /// Whether classic histograms become native ones.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Whether three further series describe each scrape; `None` leaves it to the feature.
    pub extra_scrape_metrics: Option<bool>,
    /// Where failed scrapes are logged.
    pub failure_log_file: Option<PathBuf>,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        GlobalConfig {
            scrape_interval_ms: INTERVAL_DEFAULT_MS,
            scrape_timeout_ms: TIMEOUT_DEFAULT_MS,
            evaluation_interval_ms: INTERVAL_DEFAULT_MS,
            rule_query_offset_ms: 0,
            query_log_file: None,
            external_labels: Labels::empty(),
            scrape_protocols: None,
            limits: ScrapeLimits::default(),
            keep_dropped_targets: 0,
            name_validation: NameValidation::Utf8,
            name_escaping: None,
            scrape_native_histograms: false,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            extra_scrape_metrics: None,
            failure_log_file: None,
        }
    }
}

impl GlobalConfig {
    /// Decodes the section; nothing in it means the defaults.
    pub fn decode(node: &Node, base: &PathBase) -> Result<Self> {
        let mut fields = node.fields("config.plain")?;
        let interval = fields.or("scrape_interval", 0, Node::duration_ms)?;
        let timeout = fields.or("scrape_timeout", 0, Node::duration_ms)?;
        let evaluation = fields.or("evaluation_interval", 0, Node::duration_ms)?;
        let path = |node: &Node| node.string().map(|path| base.join(&path));
        let name_validation =
            fields.or("metric_name_validation_scheme", None, NameValidation::decode)?.unwrap_or_default();
        let config = GlobalConfig {
            scrape_interval_ms: if interval == 0 { INTERVAL_DEFAULT_MS } else { interval },
            evaluation_interval_ms: if evaluation == 0 { INTERVAL_DEFAULT_MS } else { evaluation },
            rule_query_offset_ms: fields.or("rule_query_offset", 0, Node::duration_ms)?,
            query_log_file: fields.optional("query_log_file", path)?,
            external_labels: fields
                .or("external_labels", Labels::empty(), |node| external_labels(node, name_validation))?,
            scrape_protocols: fields.optional("scrape_protocols", |node| {
                protocols(node).map_err(|error| error.map(|text| format!("{text} for global config")))
            })?,
            limits: take_limits(&mut fields)?,
            keep_dropped_targets: fields.or("keep_dropped_targets", 0, Node::unsigned)?,
            name_validation,
            name_escaping: fields
                .optional("metric_name_escaping_scheme", |node| {
                    escaping(node, "unknown global name escaping method specified")
                })?
                .flatten(),
            scrape_native_histograms: fields.or("scrape_native_histograms", false, Node::boolean)?,
            always_scrape_classic_histograms: fields.or(
                "always_scrape_classic_histograms",
                false,
                Node::boolean,
            )?,
            convert_classic_histograms_to_nhcb: fields.or(
                "convert_classic_histograms_to_nhcb",
                false,
                Node::boolean,
            )?,
            extra_scrape_metrics: fields.optional("extra_scrape_metrics", Node::boolean)?,
            ..GlobalConfig::default()
        };
        let failure_log_file = take_failure_log(&mut fields, base)?;
        if timeout > config.scrape_interval_ms {
            return Err(fields.error("global scrape timeout greater than scrape interval"));
        }
        let timeout = if timeout == 0 { TIMEOUT_DEFAULT_MS.min(config.scrape_interval_ms) } else { timeout };
        fields.finish()?;
        Ok(GlobalConfig { scrape_timeout_ms: timeout, failure_log_file, ..config })
    }
}

/// One entry of `scrape_configs`, with what it takes over from the global section filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The name, which is also the `job` label unless relabelling changes it.
    pub job_name: String,
    /// Whether labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps of the page are taken.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get staleness markers.
    pub track_timestamps_staleness: bool,
    /// Parameters of the URL.
    pub params: Vec<(String, Vec<String>)>,
    /// Time between two scrapes of a target.
    pub interval_ms: i64,
    /// Time that a scrape may take; at most the interval.
    pub timeout_ms: i64,
    /// Protocols to ask for, best first; `None` leaves them to what is wanted of the pages.
    pub protocols: Option<Vec<ScrapeProtocol>>,
    /// What a page is if it does not say so.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// Whether native histograms are taken.
    pub scrape_native_histograms: bool,
    /// The finest schema that native histograms are kept in; finer ones are made coarser.
    pub histogram_schema_max: i32,
    /// Whether the classic series of a native histogram are taken too.
    pub always_scrape_classic_histograms: bool,
    /// Whether classic histograms become native ones.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Whether three further series describe each scrape; `None` leaves it to the feature.
    pub extra_scrape_metrics: Option<bool>,
    /// The path of the URL.
    pub metrics_path: String,
    /// The scheme of the URL.
    pub scheme: String,
    /// Whether compressed pages are asked for.
    pub enable_compression: bool,
    /// Bounds.
    pub limits: ScrapeLimits,
    /// Dropped targets to remember; 0 means all.
    pub keep_dropped_targets: u64,
    /// Names that are allowed.
    pub name_validation: NameValidation,
    /// How other names shall be escaped.
    pub name_escaping: EscapingScheme,
    /// How to reach the targets.
    pub http: HttpClientConfig,
    /// Rules that make targets of what was discovered.
    pub relabel: Vec<RelabelRule>,
    /// Rules that are applied to each series.
    pub metric_relabel: Vec<RelabelRule>,
    /// Where failed scrapes are logged.
    pub failure_log_file: Option<PathBuf>,
}

/// An entry of `scrape_configs` and what it leaves to others.
#[derive(Clone, Debug)]
pub struct Job {
    /// The entry.
    pub config: Config,
    /// A mapping of its `static_configs` and `*_sd_configs`, for the discovery.
    pub discovery: Node,
    /// What paths in it are relative to.
    pub base: PathBase,
    /// The file it stands in, if `scrape_config_files` named it.
    pub file: Option<PathBuf>,
}

impl Job {
    /// Decodes all jobs: those of `scrape_configs`, then those of the files that
    /// `scrape_config_files` names. Takes both fields out of the file's mapping.
    pub fn decode_all(fields: &mut Fields<'_>, global: &GlobalConfig, base: &PathBase) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        if let Some(list) = fields.take("scrape_configs") {
            add_jobs(&mut jobs, list, global, base, None)?;
        }
        let patterns = fields
            .or("scrape_config_files", Vec::new(), |list| list.list(|item| Ok((item.string()?, item))))?;
        for (pattern, item) in patterns {
            if pattern.find('*').is_some_and(|at| pattern[at..].contains('/')) {
                return Err(item.error(format!("invalid scrape config file path {pattern:?}")));
            }
            let paths = glob::expand(&base.join(&pattern))
                .map_err(|error| item.error(format!("{pattern:?}: {error}")))?;
            for path in paths {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| item.error(format!("{name:?}: {error}")))?;
                let mut decode = || {
                    let node = Node::parse(&text)?;
                    let mut fields = node.fields("config.ScrapeConfigs")?;
                    if let Some(list) = fields.take("scrape_configs") {
                        add_jobs(&mut jobs, list, global, &PathBase::of_file(&path), Some(&path))?;
                    }
                    fields.finish()
                };
                decode().map_err(|error: Error| error.in_file(&name))?;
            }
        }
        Ok(jobs)
    }
}

fn add_jobs(
    jobs: &mut Vec<Job>,
    list: &Node,
    global: &GlobalConfig,
    base: &PathBase,
    file: Option<&Path>,
) -> Result<()> {
    list.list(|item| {
        if item.is_null() {
            return Err(item.error("empty or null scrape config section"));
        }
        let config = Config::decode(item, global, base)?;
        if jobs.iter().any(|job| job.config.job_name == config.job_name) {
            let name = &config.job_name;
            return Err(item.error(format!("found multiple scrape configs with job name {name:?}")));
        }
        let entries = match &item.value {
            Value::Mapping(entries) => entries.iter().filter(|(key, _)| is_discovery(key)).cloned().collect(),
            _ => Vec::new(),
        };
        let discovery = Node { value: Value::Mapping(entries), position: item.position };
        jobs.push(Job { config, discovery, base: base.clone(), file: file.map(Path::to_path_buf) });
        Ok(())
    })?;
    Ok(())
}

fn is_discovery(key: &Node) -> bool {
    key.string().is_ok_and(|name| is_discovery_name(&name))
}

fn is_discovery_name(name: &str) -> bool {
    name == "static_configs" || name.ends_with("_sd_configs")
}

impl Config {
    /// Decodes one entry. What stands under `static_configs` and `*_sd_configs` is the discovery's
    /// and not looked at.
    pub fn decode(node: &Node, global: &GlobalConfig, base: &PathBase) -> Result<Config> {
        let mut fields = node.fields("config.ScrapeConfig")?;
        let job_name = fields.or("job_name", String::new(), Node::string)?;
        // Told last, for a misspelt name is found among the unknown fields.
        let nameless = job_name.is_empty().then(|| fields.error("job_name is empty"));
        let for_job = |text: String| format!("{text} for scrape config with job name {job_name:?}");

        let interval = fields.or("scrape_interval", 0, Node::duration_ms)?;
        let interval_ms = if interval == 0 { global.scrape_interval_ms } else { interval };
        let timeout = fields.or("scrape_timeout", 0, Node::duration_ms)?;
        if timeout > interval_ms {
            return Err(fields.error(for_job("scrape timeout greater than scrape interval".into())));
        }
        let timeout_ms = if timeout == 0 { global.scrape_timeout_ms.min(interval_ms) } else { timeout };

        let scrape_native_histograms =
            fields.or("scrape_native_histograms", global.scrape_native_histograms, Node::boolean)?;
        let own_protocols = fields
            .optional("scrape_protocols", |node| protocols(node).map_err(|error| error.map(for_job)))?;
        let protocols = own_protocols.or_else(|| global.scrape_protocols.clone());
        let fallback_protocol = fields.optional("fallback_scrape_protocol", |node| {
            protocol(node).map_err(|error| {
                error.map(|text| {
                    format!("invalid fallback_scrape_protocol for scrape config with job name {job_name:?}: {text}")
                })
            })
        })?;

        let own_validation = fields.or("metric_name_validation_scheme", None, NameValidation::decode)?;
        let name_validation = own_validation.unwrap_or(global.name_validation);
        let inferred = |validation| match validation {
            NameValidation::Utf8 => EscapingScheme::AllowUtf8,
            NameValidation::Legacy => EscapingScheme::Underscores,
        };
        let own_escaping = fields
            .optional("metric_name_escaping_scheme", |node| {
                escaping(node, "unknown scrape config name escaping method specified")
            })?
            .flatten();
        // A job that asks for legacy names only does not inherit the global permission of others.
        let name_escaping = own_escaping.unwrap_or_else(|| match own_validation {
            Some(validation) => inferred(validation),
            None => global.name_escaping.unwrap_or(inferred(global.name_validation)),
        });
        if name_escaping == EscapingScheme::AllowUtf8 && name_validation == NameValidation::Legacy {
            return Err(fields.error("utf8 metric names requested but validation scheme is not set to UTF8"));
        }

        let own = take_limits(&mut fields)?;
        let pick = |own: u64, global: u64| if own == 0 { global } else { own };
        let limits = ScrapeLimits {
            body_size_max_bytes: pick(own.body_size_max_bytes, global.limits.body_size_max_bytes),
            samples_max: pick(own.samples_max, global.limits.samples_max),
            targets_max: pick(own.targets_max, global.limits.targets_max),
            labels_max: pick(own.labels_max, global.limits.labels_max),
            label_name_length_max: pick(own.label_name_length_max, global.limits.label_name_length_max),
            label_value_length_max: pick(own.label_value_length_max, global.limits.label_value_length_max),
            histogram_buckets_max: fields.or("native_histogram_bucket_limit", 0, Node::unsigned)?,
        };
        let bucket_factor_min = fields.or("native_histogram_min_bucket_factor", 0.0, Node::float)?;
        let keep_dropped = fields.or("keep_dropped_targets", 0, Node::unsigned)?;

        let relabel = fields.or("relabel_configs", Vec::new(), |node| {
            relabel::rules(node, "target relabeling rule in scrape config")
        })?;
        let metric_relabel = fields.or("metric_relabel_configs", Vec::new(), |node| {
            relabel::rules(node, "metric relabeling rule in scrape config")
        })?;
        let convert_classic_histograms_to_nhcb = fields.or(
            "convert_classic_histograms_to_nhcb",
            global.convert_classic_histograms_to_nhcb,
            Node::boolean,
        )?;
        let failure_log_file =
            take_failure_log(&mut fields, base)?.or_else(|| global.failure_log_file.clone());

        let config = Config {
            honor_labels: fields.or("honor_labels", false, Node::boolean)?,
            honor_timestamps: fields.or("honor_timestamps", true, Node::boolean)?,
            track_timestamps_staleness: fields.or("track_timestamps_staleness", false, Node::boolean)?,
            params: fields.or("params", Vec::new(), |node| node.map(Node::strings))?,
            interval_ms,
            timeout_ms,
            protocols,
            fallback_protocol,
            scrape_native_histograms,
            histogram_schema_max: schema_of_factor(bucket_factor_min),
            always_scrape_classic_histograms: fields.or(
                "always_scrape_classic_histograms",
                global.always_scrape_classic_histograms,
                Node::boolean,
            )?,
            convert_classic_histograms_to_nhcb,
            extra_scrape_metrics: fields
                .optional("extra_scrape_metrics", Node::boolean)?
                .or(global.extra_scrape_metrics),
            metrics_path: fields.or("metrics_path", "/metrics".to_string(), Node::string)?,
            scheme: fields.or("scheme", "http".to_string(), Node::string)?,
            enable_compression: fields.or("enable_compression", true, Node::boolean)?,
            limits,
            keep_dropped_targets: pick(keep_dropped, global.keep_dropped_targets),
            name_validation,
            name_escaping,
            http: HttpClientConfig::take(&mut fields, base)?,
            relabel,
            metric_relabel,
            failure_log_file,
            job_name,
        };
        if config.relabel.is_empty()
            && let Some(list) = node.get("static_configs")
        {
            check_static_targets(list)?;
        }
        fields.take_where(is_discovery_name);
        fields.finish()?;
        nameless.map_or(Ok(config), Err)
    }

    /// The protocols to ask for: protobuf first where only it can tell all that is wanted.
    pub(crate) fn protocols(&self, features: Features) -> Vec<ScrapeProtocol> {
        self.protocols.clone().unwrap_or_else(|| {
            let wants_protobuf = self.scrape_native_histograms || features.start_timestamps;
            let protobuf = wants_protobuf.then_some(ScrapeProtocol::PrometheusProto);
            protobuf.into_iter().chain(ScrapeProtocol::DEFAULT).collect()
        })
    }

    /// Whether a series that this configuration made from a page is the same under another one.
    pub(crate) fn makes_same_series(&self, other: &Config) -> bool {
        self.honor_labels == other.honor_labels
            && self.metric_relabel == other.metric_relabel
            && self.limits == other.limits
            && self.name_validation == other.name_validation
            && self.scrape_native_histograms == other.scrape_native_histograms
            && self.always_scrape_classic_histograms == other.always_scrape_classic_histograms
    }
}

/// The finest schema in which a bucket is at least so many times as wide as the one before it.
fn schema_of_factor(factor: f64) -> i32 {
    if factor <= 1.0 {
        return HISTOGRAM_SCHEMA_MAX;
    }
    let schema = (-factor.log2().log2()).floor();
    schema.clamp(f64::from(HISTOGRAM_SCHEMA_MIN), f64::from(HISTOGRAM_SCHEMA_MAX)) as i32
}

fn take_failure_log(fields: &mut Fields<'_>, base: &PathBase) -> Result<Option<PathBuf>> {
    let path = fields.optional("scrape_failure_log_file", Node::string)?;
    Ok(path.filter(|path| !path.is_empty()).map(|path| base.join(&path)))
}

fn take_limits(fields: &mut Fields<'_>) -> Result<ScrapeLimits> {
    Ok(ScrapeLimits {
        body_size_max_bytes: fields.or("body_size_limit", 0, Node::bytes)?,
        samples_max: fields.or("sample_limit", 0, Node::unsigned)?,
        targets_max: fields.or("target_limit", 0, Node::unsigned)?,
        labels_max: fields.or("label_limit", 0, Node::unsigned)?,
        label_name_length_max: fields.or("label_name_length_limit", 0, Node::unsigned)?,
        label_value_length_max: fields.or("label_value_length_limit", 0, Node::unsigned)?,
        histogram_buckets_max: 0,
    })
}

fn protocol(node: &Node) -> Result<ScrapeProtocol> {
    let name = node.string()?;
    ScrapeProtocol::from_name(&name).ok_or_else(|| {
        let mut known = ScrapeProtocol::ALL.map(ScrapeProtocol::as_str);
        known.sort_unstable();
        node.error(format!("unknown scrape protocol {name}, supported: [{}]", known.join(" ")))
    })
}

fn protocols(node: &Node) -> Result<Vec<ScrapeProtocol>> {
    let names = node.strings()?;
    if names.is_empty() {
        return Err(node.error("scrape_protocols cannot be empty"));
    }
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            let message = format!("duplicated protocol in scrape_protocols, got [{}]", names.join(" "));
            return Err(node.error(message));
        }
    }
    node.list(protocol).map_err(|error| error.map(|text| format!("scrape_protocols: {text}")))
}

fn escaping(node: &Node, what: &str) -> Result<Option<EscapingScheme>> {
    let name = node.string()?;
    let known = [
        EscapingScheme::AllowUtf8,
        EscapingScheme::Underscores,
        EscapingScheme::Dots,
        EscapingScheme::Values,
    ];
    if name.is_empty() {
        return Ok(None);
    }
    match known.into_iter().find(|scheme| scheme.as_str() == name) {
        Some(scheme) => Ok(Some(scheme)),
        None => Err(node.error(format!(
            "{what}, must be one of 'allow-utf-8', 'underscores', 'dots', or 'values', got {name:?}"
        ))),
    }
}

fn external_labels(node: &Node, validation: NameValidation) -> Result<Labels> {
    let labels = node.labels()?;
    for (name, _) in &labels {
        if !validation.is_label_name(name) {
            return Err(node.error(format!("{name:?} is not a valid label name")));
        }
    }
    let expanded = labels.iter().map(|(name, value)| (name.to_string(), expand_environment(value)));
    Ok(Labels::from_pairs(expanded))
}

/// Fills in `${NAME}` and `$NAME`; `$$` is a dollar sign. A name that is not set is empty.
fn expand_environment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(behind) = after.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some((name, behind)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            out.push_str(&std::env::var(name).unwrap_or_default());
            rest = behind;
        } else {
            let (name, behind) = after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()));
            out.push_str(&if name.is_empty() { "$".into() } else { std::env::var(name).unwrap_or_default() });
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

/// Somebody who writes a URL as a target means its host.
fn check_static_targets(list: &Node) -> Result<()> {
    let Value::Sequence(groups) = &list.value else { return Ok(()) };
    for targets in groups.iter().filter_map(|group| group.get("targets")) {
        let Value::Sequence(targets) = &targets.value else { continue };
        for target in targets {
            let address = target.string()?;
            if address.contains('/') {
                return Err(target.error(format!("{address:?} is not a valid hostname")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
