//! `promontory alertmanager`: the flags of Alertmanager.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use alerting::MatcherMode;
use alerting::dispatch::Limits;
use alerting::replicas::{GOSSIP_PORT, GossipSettings};
use alerting::silences::SilenceLimits;
use base::units::parse_duration_ms;
use clap::{ArgAction, Args};
use roles::alertmanager::Settings;
use roles::replicas::ReplicaSettings;
use roles::settings::parse_listen;

use crate::logging::LogFlags;

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
    /// Database that replicas share, in place of gossip: postgres://USER@HOST/DATABASE
    #[arg(long = "state.url", value_name = "URL", conflicts_with = "state_url_file")]
    state_url: Option<String>,
    /// File with that URL, read again at each connect
    #[arg(long = "state.url-file", value_name = "FILE")]
    state_url_file: Option<PathBuf>,
    /// File with the database's password, read again at each connect
    #[arg(long = "state.password-file", value_name = "FILE")]
    state_password_file: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    ignored: IgnoredFlags,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

/// How replicas find each other.
#[derive(Args)]
struct ClusterFlags {
    /// Address on which replicas gossip, UDP; empty turns it off [default: 0.0.0.0:9094 if there are peers]
    #[arg(long = "cluster.listen-address", value_name = "ADDRESS")]
    listen_address: Option<String>,
    /// Another replica, host:port; can be repeated
    #[arg(long = "cluster.peer", value_name = "ADDRESS")]
    peers: Vec<String>,
    /// Where the other replicas reach this one, if not where it listens
    #[arg(long = "cluster.advertise-address", value_name = "ADDRESS")]
    advertise_address: Option<String>,
    /// This replica's name; the order of names is the order of turns [default: the machine's]
    #[arg(long = "cluster.peer-name", value_name = "NAME")]
    peer_name: Option<String>,
    /// How long a replica before this one may take while they cannot agree who tells
    #[arg(long = "cluster.peer-timeout", default_value = "15s", value_name = "DURATION")]
    peer_timeout: String,
    #[arg(long = "cluster.peers-resolve-timeout", default_value = "15s", hide = true)]
    peers_resolve_timeout: String,
    #[arg(long = "cluster.gossip-interval", default_value = "200ms", hide = true)]
    gossip_interval: String,
    #[arg(long = "cluster.pushpull-interval", default_value = "1m", hide = true)]
    pushpull_interval: String,
    #[arg(long = "cluster.tcp-timeout", default_value = "10s", hide = true)]
    tcp_timeout: String,
    #[arg(long = "cluster.probe-timeout", default_value = "500ms", hide = true)]
    probe_timeout: String,
    #[arg(long = "cluster.probe-interval", default_value = "1s", hide = true)]
    probe_interval: String,
    /// How long the start waits for what other replicas know
    #[arg(long = "cluster.settle-timeout", default_value = "1m", value_name = "DURATION")]
    settle_timeout: String,
    #[arg(long = "cluster.reconnect-interval", default_value = "10s", hide = true)]
    reconnect_interval: String,
    #[arg(long = "cluster.reconnect-timeout", default_value = "6h", hide = true)]
    reconnect_timeout: String,
    #[arg(long = "cluster.tls-config", hide = true)]
    tls_config: Option<PathBuf>,
    #[arg(long = "cluster.allow-insecure-public-advertise-address-discovery", hide = true)]
    allow_insecure_advertise: bool,
    /// Replicas with another label are strangers
    #[arg(long = "cluster.label", value_name = "LABEL")]
    label: Option<String>,
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
        let replicas = self.replicas()?;
        if replicas.database.is_some() && !self.cluster.peers.is_empty() {
            notes.push("--cluster.peer is not acted on: replicas meet in the database of --state.url".into());
        }
        if self.cluster.tls_config.is_some() {
            notes.push(
                "--cluster.tls-config is not acted on: gossip is not encrypted; --state.url can be".into(),
            );
        }
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

    /// How this replica finds the others.
    fn replicas(&self) -> Result<ReplicaSettings, String> {
        let flags = &self.cluster;
        let duration = |flag: &str, text: &str| {
            let ms = parse_duration_ms(text).map_err(|error| format!("--cluster.{flag}: {error}"))?;
            Ok::<_, String>(Duration::from_millis(ms.unsigned_abs()))
        };
        let address = |flag: &str, text: &str| {
            let bad = |error| format!("--cluster.{flag}: {error}");
            if let Ok(ip) = text.parse::<IpAddr>() {
                return Ok(SocketAddr::new(ip, GOSSIP_PORT));
            }
            match text.strip_prefix(':') {
                Some(_) => parse_listen(&format!("0.0.0.0{text}")).map_err(bad),
                None => parse_listen(text).map_err(bad),
            }
        };
        let mut replicas = ReplicaSettings {
            name: flags.peer_name.clone(),
            peer_timeout: duration("peer-timeout", &flags.peer_timeout)?,
            settle_timeout: duration("settle-timeout", &flags.settle_timeout)?,
            ..ReplicaSettings::default()
        };
        replicas
            .set_database(
                self.state_url.as_deref(),
                self.state_url_file.as_deref(),
                self.state_password_file.as_deref(),
            )
            .map_err(|error| format!("--state: {error}"))?;
        let defaults = GossipSettings::default();
        let listen = match flags.listen_address.as_deref() {
            Some("") => None,
            Some(text) => Some(address("listen-address", text)?),
            None => (!flags.peers.is_empty()).then_some(defaults.listen_address),
        };
        if let Some(listen_address) = listen {
            let advertise = flags.advertise_address.as_deref().filter(|text| !text.is_empty());
            replicas.gossip = Some(GossipSettings {
                listen_address,
                advertise_address: advertise.map(|text| address("advertise-address", text)).transpose()?,
                peers: flags.peers.iter().filter(|peer| !peer.is_empty()).cloned().collect(),
                label: flags.label.clone().unwrap_or_default(),
                interval: duration("gossip-interval", &flags.gossip_interval)?,
                ..defaults
            });
        }
        Ok(replicas)
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
