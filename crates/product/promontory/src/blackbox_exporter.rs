//! `promontory blackbox-exporter`: the flags of blackbox_exporter.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use probe::ExporterConfig;
use roles::blackbox_exporter::Settings;
use roles::settings::parse_listen;

use crate::logging::LogFlags;

/// Flags of blackbox_exporter.
#[derive(Args)]
pub(crate) struct BlackboxExporter {
    /// The file with the modules
    #[arg(long = "config.file", default_value = "blackbox.yml", value_name = "FILE")]
    pub(crate) config_file: PathBuf,
    /// Check the file and end
    #[arg(long = "config.check")]
    pub(crate) config_check: bool,
    /// Read the file again by itself when it has changed
    #[arg(long = "config.enable-auto-reload")]
    enable_auto_reload: bool,
    /// How often it is looked at, in seconds
    #[arg(long = "config.auto-reload-interval", default_value_t = 30, value_name = "SECONDS")]
    auto_reload_interval: u64,
    /// What is taken off the time of a scrape, in seconds
    #[arg(long = "timeout-offset", default_value_t = 0.5, value_name = "SECONDS")]
    timeout_offset: f64,
    /// Probes that are remembered
    #[arg(long = "history.limit", default_value_t = 100, value_name = "COUNT")]
    history_limit: usize,
    /// What of the probes' logs goes into ours: debug, info, warn or error
    #[arg(long = "log.prober", default_value = "info", value_name = "LEVEL")]
    log_prober: String,
    /// Address to listen on; without a flag only this machine can connect
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9115", value_name = "ADDRESS")]
    listen_address: String,
    /// Where people reach it; its path is the prefix of all routes
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// The prefix of all routes, if it is another
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// TLS, users and headers (exporter-toolkit's web configuration)
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

impl BlackboxExporter {
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let bad_level =
            || format!("--log.prober: expected debug, info, warn or error, found {:?}", self.log_prober);
        if self
            .external_url
            .as_deref()
            .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            return Err("--web.external-url: expected a URL such as https://host/path".into());
        }
        Ok(Settings {
            exporter: ExporterConfig {
                file: self.config_file.clone(),
                timeout_offset_seconds: self.timeout_offset,
                history_max: self.history_limit,
                log_level: probe::Level::named(&self.log_prober).ok_or_else(bad_level)?,
            },
            listen: parse_listen(&self.listen_address)
                .map_err(|error| format!("--web.listen-address: {error}"))?,
            external_url: self.external_url.clone(),
            route_prefix: self.route_prefix.clone(),
            web_config: self.web_config.clone(),
            auto_reload: self
                .enable_auto_reload
                .then(|| Duration::from_secs(self.auto_reload_interval.max(1))),
        })
    }
}
