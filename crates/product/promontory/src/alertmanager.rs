//! `promontory alertmanager`: the flags of Alertmanager.

use std::path::PathBuf;
use std::time::Duration;

use alerting::MatcherMode;
use alerting::dispatch::Limits;
use alerting::silences::SilenceLimits;
use base::units::parse_duration_ms;
use clap::{ArgAction, Args};
use roles::alertmanager::Settings;
use roles::replicas::ReplicaSettings;
use roles::settings::parse_listen;

use crate::logging::LogFlags;
use crate::replica_flags::ReplicaFlags;

/// Flags of Alertmanager.
#[derive(Args)]
pub(crate) struct Alertmanager {
    /// The configuration file
    #[arg(long = "config.file", default_value = "alertmanager.yml", value_name = "FILE")]
    config_file: PathBuf,
    /// Where state is kept; snapshots of Alertmanager in there are read at the first start
    #[arg(long = "storage.path", default_value = "data/", value_name = "DIR")]
    storage_path: PathBuf,
    /// How long silences are kept after their end, and ended alerts for receivers that cannot be told
    #[arg(long = "data.retention", default_value = "120h", value_name = "DURATION")]
    retention: String,
    /// Silences that may be kept, ended ones included; 0 is no limit
    #[arg(
        long = "silences.max-silences",
        default_value_t = 0,
        value_name = "COUNT",
        allow_negative_numbers = true
    )]
    max_silences: i64,
    /// The largest silence, in bytes; 0 is no limit
    #[arg(
        long = "silences.max-silence-size-bytes",
        default_value_t = 0,
        value_name = "BYTES",
        allow_negative_numbers = true
    )]
    max_silence_size_bytes: i64,
    /// How long nothing is told after the start; what Prometheus needs to send all its alerts again
    #[arg(long = "dispatch.start-delay", default_value = "0s", value_name = "DURATION")]
    start_delay: String,
    /// Address to listen on; can be repeated; without a flag only this machine can connect
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9093", value_name = "ADDRESS")]
    listen_addresses: Vec<String>,
    /// Where people reach this server; its path is the prefix of all routes
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// Prefix of all routes, if it is not the path of --web.external-url
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Web configuration file: TLS, users with their password hashes, headers; read again when it changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<PathBuf>,
    /// GET requests at once; 0 is as many as there are processors, 8 at least
    #[arg(
        long = "web.get-concurrency",
        default_value_t = 0,
        value_name = "COUNT",
        allow_negative_numbers = true
    )]
    get_concurrency: i64,
    /// How long a request may take, in which an answer must begin; 0 is no limit
    #[arg(long = "web.timeout", default_value = "0", value_name = "DURATION", allow_negative_numbers = true)]
    timeout: String,
    /// Features to turn on, separated by commas: classic-mode, utf8-strict-mode
    #[arg(long = "enable-feature", action = ArgAction::Append, value_delimiter = ',', value_name = "FEATURE")]
    enable_feature: Vec<String>,
    #[command(flatten)]
    replicas: ReplicaFlags,
    #[command(flatten)]
    ignored: IgnoredFlags,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

/// Flags without a meaning here: taken, and each named with the reason when it is given.
#[derive(Args)]
struct IgnoredFlags {
    #[arg(long = "data.maintenance-interval", hide = true)]
    maintenance_interval: Option<String>,
    #[arg(long = "alerts.gc-interval", hide = true)]
    gc_interval: Option<String>,
    #[arg(long = "alerts.per-alertname-limit", hide = true, allow_negative_numbers = true)]
    per_alertname_limit: Option<i64>,
    #[arg(long = "dispatch.maintenance-interval", hide = true)]
    dispatch_maintenance_interval: Option<String>,
    #[arg(long = "auto-gomemlimit.ratio", hide = true)]
    auto_gomemlimit_ratio: Option<String>,
    #[arg(long = "log.silences", hide = true)]
    log_silences: bool,
    #[arg(long = "web.systemd-socket", hide = true)]
    systemd_socket: bool,
}

impl IgnoredFlags {
    fn notes(&self) -> Vec<String> {
        let at_once = "state is written down as it changes, and what is over is dropped at once";
        let given = |flag: &Option<String>| flag.is_some();
        [
            ("data.maintenance-interval", given(&self.maintenance_interval), at_once),
            ("alerts.gc-interval", given(&self.gc_interval), at_once),
            ("dispatch.maintenance-interval", given(&self.dispatch_maintenance_interval), at_once),
            (
                "alerts.per-alertname-limit",
                self.per_alertname_limit.is_some_and(|limit| limit > 0),
                "there is one limit for all alerts",
            ),
            ("auto-gomemlimit.ratio", given(&self.auto_gomemlimit_ratio), "there is no Go runtime here"),
            ("log.silences", self.log_silences, "changes of silences are always logged"),
            ("web.systemd-socket", self.systemd_socket, "sockets of systemd are not taken over"),
        ]
        .into_iter()
        .filter(|(_, is_given, _)| *is_given)
        .map(|(name, _, why)| format!("--{name} is not acted on: {why}"))
        .collect()
    }
}

impl Alertmanager {
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let ms =
            |flag: &str, text: &str| parse_duration_ms(text).map_err(|error| format!("--{flag}: {error}"));
        let mut listen = Vec::new();
        for text in &self.listen_addresses {
            listen.push(parse_listen(text).map_err(|error| format!("--web.listen-address: {error}"))?);
        }
        if let Some(url) = &self.external_url
            && !url.starts_with("http://")
            && !url.starts_with("https://")
        {
            return Err(format!(
                "--web.external-url: expected a URL such as https://host/path, found {url:?}"
            ));
        }
        let (matcher_mode, mut notes) = self.features()?;
        notes.extend(self.ignored.notes());
        let mut replicas = ReplicaSettings::default();
        notes.extend(self.replicas.apply(&mut replicas)?);
        let timeout_ms = match self.timeout.as_str() {
            "0" => 0,
            text if text.starts_with('-') => 0,
            text => ms("web.timeout", text)?,
        };
        Ok(Settings {
            config_file: self.config_file.clone(),
            matcher_mode,
            storage: self.storage_path.clone(),
            replicas,
            limits: Limits {
                start_delay_ms: ms("dispatch.start-delay", &self.start_delay)?,
                retention_ms: ms("data.retention", &self.retention)?,
                silences: SilenceLimits {
                    mode: matcher_mode,
                    silences_max: usize::try_from(self.max_silences).unwrap_or(0),
                    size_max_bytes: usize::try_from(self.max_silence_size_bytes).unwrap_or(0),
                    retention_ms: ms("data.retention", &self.retention)?,
                },
                ..Limits::default()
            },
            listen,
            web_config: self.web_config_file.clone(),
            external_url: self.external_url.clone(),
            route_prefix: self.route_prefix.clone(),
            get_concurrency_max: usize::try_from(self.get_concurrency).ok().filter(|count| *count > 0),
            timeout: (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.unsigned_abs())),
            notes,
        })
    }

    /// How matchers are written, and what is to be said about the features asked for.
    fn features(&self) -> Result<(MatcherMode, Vec<String>), String> {
        let (mut mode, mut notes) = (MatcherMode::default(), Vec::new());
        for feature in self.enable_feature.iter().filter(|feature| !feature.is_empty()) {
            match feature.as_str() {
                "classic-mode" if mode != MatcherMode::Utf8Strict => mode = MatcherMode::Classic,
                "utf8-strict-mode" if mode != MatcherMode::Classic => mode = MatcherMode::Utf8Strict,
                "classic-mode" | "utf8-strict-mode" => {
                    return Err(
                        "--enable-feature: classic-mode and utf8-strict-mode exclude each other".into()
                    );
                }
                "alert-names-in-metrics"
                | "receiver-name-in-metrics"
                | "group-key-in-metrics"
                | "auto-gomemlimit"
                | "auto-gomaxprocs"
                | "event-recorder" => {
                    notes.push(format!("--enable-feature={feature} is not acted on"));
                }
                unknown => return Err(format!("--enable-feature: unknown feature {unknown:?}")),
            }
        }
        Ok((mode, notes))
    }
}
