//! `promontory pushgateway`: the flags of a Pushgateway.

use std::path::PathBuf;
use std::time::Duration;

use base::units::parse_duration_ms;
use clap::Args;
use roles::GatewayConfig;
use roles::pushgateway::{Settings, flags};
use roles::settings::parse_listen;

use crate::logging::LogFlags;

/// Flags of a Pushgateway.
#[derive(Args)]
pub(crate) struct Pushgateway {
    /// Address to listen on; without a flag only this machine can connect
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9091", value_name = "ADDRESS")]
    listen_address: String,
    /// Path under which metrics are shown
    #[arg(long = "web.telemetry-path", default_value = "/metrics", value_name = "PATH")]
    telemetry_path: String,
    /// Where people reach this server; its path is the prefix of all routes
    #[arg(long = "web.external-url", default_value = "", value_name = "URL")]
    external_url: String,
    /// Prefix of all routes [default: the path of --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Allow PUT /-/quit
    #[arg(long = "web.enable-lifecycle")]
    enable_lifecycle: bool,
    /// Allow PUT /api/v1/admin/wipe
    #[arg(long = "web.enable-admin-api")]
    enable_admin_api: bool,
    /// File in which groups are kept; without it they end with the process
    #[arg(long = "persistence.file", value_name = "FILE")]
    persistence_file: Option<PathBuf>,
    /// How often the file is written
    #[arg(long = "persistence.interval", default_value = "5m", value_name = "DURATION")]
    persistence_interval: String,
    /// Take pushes unchecked
    #[arg(long = "push.disable-consistency-check")]
    disable_consistency_check: bool,
    /// Delete groups that nothing was pushed to for so long; 0 keeps them
    #[arg(long = "push.group-max-age", default_value = "0s", value_name = "DURATION")]
    group_max_age: String,
    /// Not used: names in UTF-8 are always taken in metrics
    #[arg(long = "push.enable-utf8-names", hide = true)]
    enable_utf8_names: bool,
    /// TLS, users and headers (exporter-toolkit's web configuration)
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

impl Pushgateway {
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let ms =
            |flag: &str, text: &str| parse_duration_ms(text).map_err(|error| format!("--{flag}: {error}"));
        let age_ms = ms("push.group-max-age", &self.group_max_age)?;
        let interval_ms = ms("persistence.interval", &self.persistence_interval)?.max(1_000);
        let of_url = self.external_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let of_url = of_url.map_or("", |(_, path)| path);
        let prefix = self.route_prefix.as_deref().unwrap_or(of_url).trim_matches('/');
        let path = |text: &str| if text.is_empty() { String::new() } else { format!("/{text}") };
        Ok(Settings {
            gateway: GatewayConfig {
                persistence_file: self.persistence_file.clone(),
                check: !self.disable_consistency_check,
                group_age_max_ms: (age_ms > 0).then_some(age_ms),
                admin_api: self.enable_admin_api,
                flags: flags([
                    ("web.listen-address", self.listen_address.clone()),
                    ("web.telemetry-path", self.telemetry_path.clone()),
                    ("web.external-url", self.external_url.clone()),
                    ("web.route-prefix", path(prefix)),
                    (
                        "web.config.file",
                        self.web_config.as_ref().map(|f| f.display().to_string()).unwrap_or_default(),
                    ),
                    ("web.enable-lifecycle", self.enable_lifecycle.to_string()),
                    ("web.enable-admin-api", self.enable_admin_api.to_string()),
                    (
                        "persistence.file",
                        self.persistence_file.as_ref().map(|f| f.display().to_string()).unwrap_or_default(),
                    ),
                    ("persistence.interval", self.persistence_interval.clone()),
                    ("push.disable-consistency-check", self.disable_consistency_check.to_string()),
                    ("push.group-max-age", self.group_max_age.clone()),
                ]),
                ..GatewayConfig::default()
            },
            listen: parse_listen(&self.listen_address)
                .map_err(|error| format!("--web.listen-address: {error}"))?,
            telemetry_path: path(self.telemetry_path.trim_matches('/')),
            route_prefix: path(prefix),
            external_url: (!self.external_url.is_empty()).then(|| self.external_url.clone()),
            web_config: self.web_config.clone(),
            persistence_interval: Duration::from_millis(interval_ms.unsigned_abs()),
            lifecycle_api: self.enable_lifecycle,
        })
    }
}
