//! The flags of a Prometheus server that say where and how it serves.

use std::path::PathBuf;
use std::time::Duration;

use base::units::parse_duration_ms;
use clap::{ArgAction, Args};
use gocompat::re2::Regex;
use roles::Settings;
use roles::settings::parse_listen;

/// Flags of the listener.
#[derive(Args)]
pub(crate) struct WebFlags {
    /// Address to listen on; can be repeated; without a flag only this machine can connect
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    listen_addresses: Vec<String>,
    /// Where people reach this server; its path is the prefix of all routes
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// Prefix of all routes, if it is not the path of --web.external-url
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Folder whose files are served at /user
    #[arg(long = "web.user-assets", value_name = "DIR")]
    user_assets: Option<PathBuf>,
    /// Web configuration file: TLS, users with their password hashes, headers; read again when it changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<PathBuf>,
    /// Time a client has for a request
    #[arg(long = "web.read-timeout", value_name = "DURATION")]
    read_timeout: Option<String>,
    /// Connections at once, on each address
    #[arg(long = "web.max-connections", default_value_t = 512, value_name = "COUNT")]
    max_connections: usize,
    /// Clients that are told notifications as they come
    #[arg(long = "web.max-notifications-subscribers", default_value_t = 16, value_name = "COUNT")]
    max_notifications_subscribers: usize,
    /// Title of the page
    #[arg(long = "web.page-title", value_name = "TEXT")]
    page_title: Option<String>,
    /// Origins whose pages may read the API: a regular expression that matches them whole, such as
    /// 'https?://(a|b)\.example'; without a flag there are none, where Prometheus lets all read
    #[arg(long = "web.cors.origin", value_name = "REGEX")]
    cors_origin: Option<String>,
    /// Allow POST /-/reload and /-/quit
    #[arg(long = "web.enable-lifecycle", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    enable_lifecycle: bool,
    /// Allow /api/v1/admin to delete series and make snapshots
    #[arg(long = "web.enable-admin-api", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    enable_admin_api: bool,
}

impl WebFlags {
    /// Makes the settings what the flags say.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), String> {
        let mut addresses = Vec::with_capacity(self.listen_addresses.len());
        for text in &self.listen_addresses {
            addresses.push(parse_listen(text).map_err(|error| format!("--web.listen-address: {error}"))?);
        }
        let mut addresses = addresses.into_iter();
        if let Some(first) = addresses.next() {
            settings.listen = first;
        }
        settings.external_url.clone_from(&self.external_url);
        settings.lifecycle_api = self.enable_lifecycle;
        settings.admin_api = self.enable_admin_api;
        settings.notifications_subscribers_max = self.max_notifications_subscribers;
        let web = &mut settings.web;
        web.listen_too = addresses.collect();
        web.route_prefix.clone_from(&self.route_prefix);
        web.user_assets.clone_from(&self.user_assets);
        web.page_title.clone_from(&self.page_title);
        web.config_file.clone_from(&self.web_config_file);
        web.connections_max = self.max_connections.max(1);
        if let Some(folder) = web.user_assets.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(format!("--web.user-assets: {} is not a directory", folder.display()));
        }
        if let Some(text) = &self.read_timeout {
            let ms = parse_duration_ms(text).map_err(|error| format!("--web.read-timeout: {error}"))?;
            web.read_timeout = (ms > 0).then(|| Duration::from_millis(ms.unsigned_abs()));
        }
        if let Some(text) = &self.cors_origin {
            let regex = Regex::anchored(text);
            web.cors_origin = Some(regex.map_err(|error| format!("--web.cors.origin: {error}"))?);
        }
        Ok(())
    }

    /// The flags as they are shown.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let path =
            |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        vec![
            ("web.listen-address", self.listen_addresses.join(",")),
            ("web.external-url", self.external_url.clone().unwrap_or_default()),
            ("web.route-prefix", self.route_prefix.clone().unwrap_or_default()),
            ("web.user-assets", path(&self.user_assets)),
            ("web.config.file", path(&self.web_config_file)),
            ("web.read-timeout", self.read_timeout.clone().unwrap_or_default()),
            ("web.max-connections", self.max_connections.to_string()),
            ("web.max-notifications-subscribers", self.max_notifications_subscribers.to_string()),
            ("web.page-title", self.page_title.clone().unwrap_or_default()),
            ("web.cors.origin", self.cors_origin.clone().unwrap_or_default()),
            ("web.enable-lifecycle", self.enable_lifecycle.to_string()),
            ("web.enable-admin-api", self.enable_admin_api.to_string()),
        ]
    }
}
