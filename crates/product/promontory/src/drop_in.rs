//! `promontory prometheus`: the flags of a Prometheus server that have a meaning here.

use std::path::PathBuf;
use std::time::Duration;

use base::units::{format_duration_ms, parse_bytes, parse_duration_ms};
use clap::{ArgAction, Args};
use roles::{Mode, Settings};

use crate::agent_flags::AgentFlags;
use crate::ignored_flags::IgnoredFlags;
use crate::logging::LogFlags;
use crate::push_flags::PushFlags;
use crate::web_flags::WebFlags;

/// Remote reads at once where the flag says that there is no limit.
const READS_MAX: usize = 1_000;

/// The files of a configuration are not looked at more often.
const AUTO_RELOAD_INTERVAL_MIN_MS: i64 = 1_000;

/// Flags of a Prometheus server.
#[derive(Args)]
pub(crate) struct Prometheus {
    /// The configuration file
    #[arg(long = "config.file", default_value = "prometheus.yml", value_name = "FILE")]
    config_file: PathBuf,
    #[command(flatten)]
    web: WebFlags,
    #[command(flatten)]
    push: PushFlags,
    /// Samples of a remote read that is not streamed; 0 is no limit
    #[arg(long = "storage.remote.read-sample-limit", default_value_t = 50_000_000, value_name = "COUNT")]
    read_sample_limit: u64,
    /// Remote reads at once; 0 is no limit
    #[arg(long = "storage.remote.read-concurrent-limit", default_value_t = 10, value_name = "COUNT")]
    read_concurrent_limit: usize,
    /// Size of a frame of a streamed remote read, in bytes
    #[arg(
        long = "storage.remote.read-max-bytes-in-frame",
        default_value_t = 1_048_576,
        value_name = "BYTES"
    )]
    read_max_bytes_in_frame: usize,
    /// The data directory
    #[arg(long = "storage.tsdb.path", default_value = "data/", value_name = "DIR")]
    tsdb_path: PathBuf,
    /// How long samples are kept
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION")]
    retention_time: Option<String>,
    /// How much room samples may take
    #[arg(long = "storage.tsdb.retention.size", value_name = "SIZE")]
    retention_size: Option<String>,
    /// How much room samples may take, as a share of the disk, 0 to 100
    #[arg(long = "storage.tsdb.retention.percentage", value_name = "PERCENT")]
    retention_percentage: Option<f64>,
    /// Longest time that a merged block covers; 2h leaves blocks as they are cut, for programs that upload them
    #[arg(long = "storage.tsdb.max-block-duration", value_name = "DURATION")]
    max_block_duration: Option<String>,
    /// How long a stop waits for samples that are still to be sent on
    #[arg(long = "storage.remote.flush-deadline", default_value = "1m", value_name = "DURATION")]
    flush_deadline: String,
    /// Read the configuration again when one of its files changes
    #[arg(long = "config.auto-reload", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    auto_reload: bool,
    /// How often the configuration's files are looked at
    #[arg(long = "config.auto-reload-interval", default_value = "30s", value_name = "DURATION")]
    auto_reload_interval: String,
    /// How far back a query looks for a sample
    #[arg(long = "query.lookback-delta", default_value = "5m", value_name = "DURATION")]
    lookback_delta: String,
    /// How long a query may take
    #[arg(long = "query.timeout", default_value = "2m", value_name = "DURATION")]
    timeout: String,
    /// Queries at once
    #[arg(long = "query.max-concurrency", default_value_t = 20, value_name = "COUNT")]
    max_concurrency: usize,
    /// Samples that a query may hold at once
    #[arg(long = "query.max-samples", default_value_t = 50_000_000, value_name = "COUNT")]
    max_samples: u64,
    /// How long after an outage the state of alerts is restored
    #[arg(long = "rules.alert.for-outage-tolerance", default_value = "1h", value_name = "DURATION")]
    outage_tolerance: String,
    /// A restored pending alert stays pending at least this long
    #[arg(long = "rules.alert.for-grace-period", default_value = "10m", value_name = "DURATION")]
    grace_period: String,
    /// How often a firing alert is sent again
    #[arg(long = "rules.alert.resend-delay", default_value = "1m", value_name = "DURATION")]
    resend_delay: String,
    /// Alerts that may wait for one Alertmanager
    #[arg(long = "alertmanager.notification-queue-capacity", default_value_t = 10_000, value_name = "COUNT")]
    notification_queue_capacity: usize,
    /// Send the alerts that wait before stopping, which --no-... turns off
    #[arg(long = "alertmanager.drain-notification-queue-on-shutdown", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    drain_notifications: bool,
    /// Alerts that an Alertmanager gets in one request
    #[arg(long = "alertmanager.notification-batch-size", default_value_t = 256, value_name = "COUNT")]
    notification_batch_size: usize,
    /// Rule groups evaluated at once
    #[arg(long = "rules.max-concurrent-evals", default_value_t = 4, value_name = "COUNT")]
    max_concurrent_evals: usize,
    /// Features to turn on, separated by commas
    #[arg(long = "enable-feature", action = ArgAction::Append, value_delimiter = ',', value_name = "FEATURE")]
    enable_feature: Vec<String>,
    #[command(flatten)]
    pub(crate) log: LogFlags,
    #[command(flatten)]
    agent: AgentFlags,
    #[command(flatten)]
    ignored: IgnoredFlags,
}

impl Prometheus {
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let ms =
            |flag: &str, text: &str| parse_duration_ms(text).map_err(|error| format!("--{flag}: {error}"));
        let mut settings = Settings::new(Mode::Prometheus);
        // Who names an address that others can reach asks for what Prometheus does: no accounts.
        settings.allow_unauthenticated = true;
        settings.prometheus_config = Some(self.config_file.clone());
        settings.data_dir.clone_from(&self.tsdb_path);
        self.web.apply(&mut settings)?;
        // A path need not be UTF-8; `args()` would panic on it.
        let given: Vec<String> = std::env::args_os()
            .map(|arg| arg.to_string_lossy().into_owned())
            .filter(|arg| arg.starts_with("--"))
            .collect();
        self.agent.apply(&given, &mut settings)?;
        settings.notes.extend(self.ignored.notes());
        self.push.apply(&mut settings)?;
        settings.read_samples_max = self.read_sample_limit;
        settings.read_concurrency_max = match self.read_concurrent_limit {
            0 => READS_MAX,
            limit => limit.min(READS_MAX),
        };
        settings.read_frame_max_bytes = self.read_max_bytes_in_frame;
        if let Some(text) = &self.retention_time {
            let time_ms = ms("storage.tsdb.retention.time", text)?;
            settings.retention_time_ms = (time_ms > 0).then_some(time_ms);
        }
        if let Some(text) = &self.retention_size {
            let size_bytes =
                parse_bytes(text).map_err(|error| format!("--storage.tsdb.retention.size: {error}"))?;
            settings.retention_size_bytes = (size_bytes > 0).then_some(size_bytes);
            if self.retention_time.is_none() && size_bytes > 0 {
                settings.retention_time_ms = None;
            }
        }
        if let Some(percentage) = self.retention_percentage {
            if !(0.0..=100.0).contains(&percentage) {
                return Err(format!(
                    "--storage.tsdb.retention.percentage: expected a share from 0 to 100, found {percentage}"
                ));
            }
            settings.retention_percentage = (percentage > 0.0).then_some(percentage);
            if self.retention_time.is_none() && percentage > 0.0 {
                settings.retention_time_ms = None;
            }
        }
        if let Some(text) = &self.max_block_duration {
            settings.merge_blocks = ms("storage.tsdb.max-block-duration", text)? > tsdb::BLOCK_RANGE_MS;
            if settings.merge_blocks {
                let why = "merged blocks cover up to a tenth of the retention; only 2h, which keeps blocks as they \
                           are cut, changes that";
                settings
                    .notes
                    .push(format!("--storage.tsdb.max-block-duration={text} is not acted on: {why}"));
            }
        }
        settings.remote_flush_deadline =
            Duration::from_millis(ms("storage.remote.flush-deadline", &self.flush_deadline)?.unsigned_abs());
        settings.lookback_ms = ms("query.lookback-delta", &self.lookback_delta)?;
        settings.query_timeout = Duration::from_millis(ms("query.timeout", &self.timeout)?.unsigned_abs());
        settings.query_concurrency_max = self.max_concurrency.max(1);
        settings.query_samples_max = self.max_samples;
        settings.rules_outage_tolerance_ms = ms("rules.alert.for-outage-tolerance", &self.outage_tolerance)?;
        settings.rules_grace_period_ms = ms("rules.alert.for-grace-period", &self.grace_period)?;
        settings.rules_resend_delay_ms = ms("rules.alert.resend-delay", &self.resend_delay)?;
        settings.rules_concurrency_max = self.max_concurrent_evals.max(1);
        settings.notification_queue_alerts_max = self.notification_queue_capacity.max(1);
        settings.notification_drain = self.drain_notifications;
        settings.notification_batch_alerts_max = self.notification_batch_size.max(1);
        settings.auto_reload = self.auto_reload;
        settings.auto_reload_interval_ms =
            ms("config.auto-reload-interval", &self.auto_reload_interval)?.max(AUTO_RELOAD_INTERVAL_MIN_MS);
        crate::features::enable(&self.enable_feature, &mut settings)?;
        settings.flags = [
            ("config.file", self.config_file.display().to_string()),
            ("config.auto-reload", settings.auto_reload.to_string()),
            ("config.auto-reload-interval", format_duration_ms(settings.auto_reload_interval_ms)),
            ("storage.remote.read-sample-limit", self.read_sample_limit.to_string()),
            ("storage.remote.read-concurrent-limit", self.read_concurrent_limit.to_string()),
            ("storage.remote.read-max-bytes-in-frame", self.read_max_bytes_in_frame.to_string()),
            ("storage.tsdb.path", self.tsdb_path.display().to_string()),
            (
                "storage.tsdb.retention.time",
                settings.retention_time_ms.map(format_duration_ms).unwrap_or_default(),
            ),
            (
                "storage.tsdb.retention.size",
                settings.retention_size_bytes.map(|b| format!("{b}B")).unwrap_or_default(),
            ),
            (
                "storage.tsdb.retention.percentage",
                settings.retention_percentage.map(|share| share.to_string()).unwrap_or_default(),
            ),
            ("storage.tsdb.max-block-duration", self.max_block_duration.clone().unwrap_or_default()),
            ("storage.remote.flush-deadline", self.flush_deadline.clone()),
            ("query.lookback-delta", self.lookback_delta.clone()),
            ("query.timeout", self.timeout.clone()),
            ("query.max-concurrency", self.max_concurrency.to_string()),
            ("query.max-samples", self.max_samples.to_string()),
            ("rules.alert.for-outage-tolerance", self.outage_tolerance.clone()),
            ("rules.alert.for-grace-period", self.grace_period.clone()),
            ("rules.alert.resend-delay", self.resend_delay.clone()),
            ("alertmanager.notification-queue-capacity", self.notification_queue_capacity.to_string()),
            ("alertmanager.drain-notification-queue-on-shutdown", self.drain_notifications.to_string()),
            ("alertmanager.notification-batch-size", self.notification_batch_size.to_string()),
            ("enable-feature", self.enable_feature.join(",")),
        ]
        .into_iter()
        .chain(self.push.shown(&settings))
        .chain(self.web.shown())
        .chain(self.agent.shown())
        .map(|(name, value)| (name.to_string(), value))
        .collect();
        Ok(settings)
    }
}
