//! What a run is told: from the command line, from `promontory.yml`, or nothing at all.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::http_client::{PathBase, check_http_url};
use config::{Error, Node};

use crate::alert_settings::AlertSettings;
use crate::dashboards::DashboardSettings;
use crate::data_sources::DataSourceSettings;
use crate::monitors::MonitorSettings;
use crate::push::PushSettings;
use crate::pushgateway::PushgatewaySettings;
use crate::replicas::ReplicaSettings;
use crate::start_only::StartOnly;
use crate::store_settings::StoreSettings;
use crate::web_settings::WebSettings;

/// What the process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Watch this machine, with default alerts, and whatever the files name.
    Machine,
    /// Stand in for a Prometheus server: nothing but what its file and flags say.
    Prometheus,
}

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the process is for.
    pub mode: Mode,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether everybody is let in as if at this machine.
    pub allow_unauthenticated: bool,
    /// How people come in.
    pub auth: accounts::Settings,
    /// What the command line says of that; it stays over a reload.
    pub auth_overrides: accounts::Overrides,
    /// What else the listener is told.
    pub web: WebSettings,
    /// Where data is kept.
    pub data_dir: PathBuf,
    /// How long samples are kept; `None` for ever.
    pub retention_time_ms: Option<i64>,
    /// How much room blocks and log may take; `None` for as much as there is.
    pub retention_size_bytes: Option<u64>,
    /// What is done with start timestamps of counters; both are off unless asked for.
    pub start_timestamps: tsdb::StartTimestamps,
    /// What else the store is told.
    pub store: StoreSettings,
    /// The same as a share of the file system, 0 to 100.
    pub retention_percentage: Option<f64>,
    /// Other times for some series.
    pub retention_rules: Vec<tsdb::RetentionRule>,
    /// Whether a flag set the time or the size, so that a file does not.
    pub retention_by_flag: bool,
    /// Our own configuration file, most of which is read again at a reload.
    pub own_config: Option<PathBuf>,
    /// What that file says that is not.
    pub start_only: StartOnly,
    /// Where people reach this server; derived from `listen` if `None`.
    pub external_url: Option<String>,
    /// A `prometheus.yml`.
    pub prometheus_config: Option<PathBuf>,
    /// An `alertmanager.yml`.
    pub alertmanager_config: Option<PathBuf>,
    /// Where alerts are sent if there is no `alertmanager.yml`.
    pub webhook_url: Option<String>,
    /// Targets that are probed by themselves.
    pub monitors: MonitorSettings,
    /// A Pushgateway's routes, if they are wanted.
    pub pushgateway: Option<PushgatewaySettings>,
    /// What becomes of alerts beyond the files of Prometheus and Alertmanager.
    pub alerts: AlertSettings,
    /// Other servers that deliver the same alerts.
    pub replicas: ReplicaSettings,
    /// Where dashboards come from.
    pub dashboards: DashboardSettings,
    /// Data sources beside our own.
    pub data_sources: DataSourceSettings,
    /// Whether this machine's metrics are collected.
    pub watch_machine: bool,
    /// Whether the default alerts of a machine are evaluated.
    pub machine_alerts: bool,
    /// How often this machine is looked at.
    pub machine_interval_ms: i64,
    /// What may be pushed.
    pub push: PushSettings,
    /// Whether the configuration is taken over when one of its files changes.
    pub auto_reload: bool,
    /// How often its files are looked at then.
    pub auto_reload_interval_ms: i64,
    /// Whether `/-/reload` and `/-/quit` may be asked for.
    pub lifecycle_api: bool,
    /// Whether `/api/v1/admin` may change the store.
    pub admin_api: bool,
    /// Clients of `/api/v1/notifications/live` at once.
    pub notifications_subscribers_max: usize,
    /// Remote reads at once.
    pub read_concurrency_max: usize,
    /// Samples of a remote read that is not streamed; 0 is no limit.
    pub read_samples_max: u64,
    /// Size of a frame of a streamed remote read.
    pub read_frame_max_bytes: usize,
    /// How far back an instant selector looks.
    pub lookback_ms: i64,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Queries at once.
    pub query_concurrency_max: usize,
    /// Queries that run or wait.
    pub queries_max: usize,
    /// Samples that a query may hold at once.
    pub query_samples_max: u64,
    /// Features of the query language.
    pub features: promql::Features,
    /// Whether names are removed at the end of a query.
    pub delayed_name_removal: bool,
    /// Whether counters use the time since when they count.
    pub use_start_timestamps: bool,
    /// Whether series carry their type and unit as labels.
    pub type_and_unit_labels: bool,
    /// What scraping does beyond what the configuration says.
    pub scrape_features: scrape::Features,
    /// What an operator should know about the flags, said at the start.
    pub notes: Vec<String>,
    /// Rule groups evaluated at once.
    pub rules_concurrency_max: usize,
    /// How long after an outage the state of alerts is restored.
    pub rules_outage_tolerance_ms: i64,
    /// A restored pending alert stays pending at least this long.
    pub rules_grace_period_ms: i64,
    /// How often a firing alert is sent again.
    pub rules_resend_delay_ms: i64,
    /// Alerts that may wait for one Alertmanager.
    pub notification_queue_alerts_max: usize,
    /// Whether alerts that wait are sent before a stop.
    pub notification_drain: bool,
    /// Alerts that an Alertmanager gets in one request.
    pub notification_batch_alerts_max: usize,
    /// How long a stop waits for samples that are still to be sent on.
    pub remote_flush_deadline: Duration,
    /// Whether blocks are merged into larger ones.
    pub merge_blocks: bool,
    /// Set if there is no store that can be asked.
    pub agent: Option<AgentSettings>,
    /// The flags as they are shown by `/api/v1/status/flags`.
    pub flags: BTreeMap<String, String>,
}

/// What an agent is told: a process that scrapes and sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// How often what was sent is removed from the log.
    pub truncate_interval_ms: i64,
    /// Samples are kept at least this long.
    pub retention_min_ms: i64,
    /// Samples are given up after this time, sent or not.
    pub retention_max_ms: i64,
}

/// Prometheus's retention.
pub const RETENTION_DEFAULT_MS: i64 = 15 * 24 * 3_600_000;

impl Settings {
    /// The keys of a `promontory.yml`; none of them is one of another kind of file.
    pub const FILE_KEYS: [&str; 25] = [
        "listen",
        "web_config_file",
        "allow_unauthenticated",
        "admin_api",
        "data_dir",
        "external_url",
        "webhook_url",
        "prometheus_config",
        "alertmanager_config",
        "retention",
        StoreSettings::FILE_KEYS[0],
        StoreSettings::FILE_KEYS[1],
        StoreSettings::FILE_KEYS[2],
        MonitorSettings::FILE_KEYS[0],
        MonitorSettings::FILE_KEYS[1],
        MonitorSettings::FILE_KEYS[2],
        PushgatewaySettings::FILE_KEY,
        AlertSettings::FILE_KEYS[0],
        AlertSettings::FILE_KEYS[1],
        AlertSettings::FILE_KEYS[2],
        ReplicaSettings::FILE_KEY,
        accounts::Settings::FILE_KEY,
        DashboardSettings::FILE_KEY,
        DataSourceSettings::FILE_KEY,
        "machine",
    ];

    /// The settings of a run without any: this machine, loopback, `./promontory-data`.
    pub fn new(mode: Mode) -> Self {
        let machine = mode == Mode::Machine;
        Settings {
            mode,
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            allow_unauthenticated: false,
            auth: accounts::Settings::default(),
            auth_overrides: accounts::Overrides::default(),
            web: WebSettings::default(),
            data_dir: PathBuf::from(if machine { "promontory-data" } else { "data" }),
            retention_time_ms: Some(RETENTION_DEFAULT_MS),
            retention_size_bytes: None,
            start_timestamps: tsdb::StartTimestamps::default(),
            store: StoreSettings::default(),
            retention_percentage: None,
            retention_rules: Vec::new(),
            retention_by_flag: false,
            own_config: None,
            start_only: StartOnly::default(),
            external_url: None,
            prometheus_config: None,
            alertmanager_config: None,
            auto_reload: false,
            auto_reload_interval_ms: 30_000,
            webhook_url: None,
            monitors: MonitorSettings::default(),
            pushgateway: None,
            alerts: AlertSettings::default(),
            replicas: ReplicaSettings::default(),
            dashboards: DashboardSettings::default(),
            data_sources: DataSourceSettings::default(),
            watch_machine: machine,
            machine_alerts: machine,
            machine_interval_ms: 15_000,
            push: PushSettings::new(machine),
            lifecycle_api: machine,
            admin_api: false,
            notifications_subscribers_max: 16,
            read_concurrency_max: 10,
            read_samples_max: 50_000_000,
            read_frame_max_bytes: 1 << 20,
            lookback_ms: 300_000,
            query_timeout: Duration::from_secs(120),
            query_concurrency_max: 20,
            queries_max: 1_000,
            query_samples_max: 50_000_000,
            features: promql::Features::default(),
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
            scrape_features: scrape::Features::default(),
            notes: Vec::new(),
            rules_concurrency_max: 4,
            rules_outage_tolerance_ms: 3_600_000,
            rules_grace_period_ms: 600_000,
            rules_resend_delay_ms: 60_000,
            notification_queue_alerts_max: 10_000,
            notification_drain: true,
            notification_batch_alerts_max: 256,
            remote_flush_deadline: Duration::from_secs(60),
            merge_blocks: true,
            agent: None,
            flags: BTreeMap::new(),
        }
    }

    /// Takes over what a `promontory.yml` says.
    pub fn read_file(&mut self, path: &Path) -> Result<(), Error> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("cannot be read: {error}")).in_file(&shown))?;
        self.own_config = Some(path.to_path_buf());
        self.decode(&text, &PathBase::of_file(path)).map_err(|error| error.in_file(&shown))
    }

    fn decode(&mut self, text: &str, base: &PathBase) -> Result<(), Error> {
        let root = Node::parse(text)?;
        self.start_only = StartOnly::of(&root);
        let mut fields = root.fields("promontory.yml")?;
        let path = |node: &Node| node.string().map(|text| base.join(&text));
        if let Some(listen) = fields.optional("listen", listen_address)? {
            self.listen = listen;
        }
        if let Some(file) = fields.optional("web_config_file", path)? {
            self.web.config_file = Some(file);
        }
        self.allow_unauthenticated =
            fields.or("allow_unauthenticated", self.allow_unauthenticated, Node::boolean)?;
        self.admin_api = fields.or("admin_api", self.admin_api, Node::boolean)?;
        if let Some(data_dir) = fields.optional("data_dir", path)? {
            self.data_dir = data_dir;
        }
        if let Some(url) = fields.optional("external_url", http_url)? {
            self.external_url = Some(url);
        }
        if let Some(url) = fields.optional("webhook_url", http_url)? {
            self.webhook_url = Some(url);
        }
        if let Some(file) = fields.optional("prometheus_config", path)? {
            self.prometheus_config = Some(file);
        }
        if let Some(file) = fields.optional("alertmanager_config", path)? {
            self.alertmanager_config = Some(file);
        }
        if let Some(node) = fields.take("retention") {
            let mut retention = node.fields("retention")?;
            if let Some(time_ms) = retention.optional("time", Node::duration_ms)? {
                self.retention_time_ms = (time_ms > 0).then_some(time_ms);
            }
            if let Some(size_bytes) = retention.optional("size", Node::bytes)? {
                self.retention_size_bytes = (size_bytes > 0).then_some(size_bytes);
            }
            if let Some(percentage) = retention.optional("percentage", percentage)? {
                self.retention_percentage = (percentage > 0.0).then_some(percentage);
            }
            self.retention_rules = retention.or("rules", Vec::new(), |node| node.list(retention_rule))?;
            retention.finish()?;
        }
        self.store.decode(&mut fields)?;
        self.monitors.decode(&mut fields, base)?;
        let gateway = fields.optional(PushgatewaySettings::FILE_KEY, PushgatewaySettings::decode)?;
        self.pushgateway = gateway.or(self.pushgateway.take());
        self.alerts.decode(&mut fields, base)?;
        if let Some(node) = fields.take(ReplicaSettings::FILE_KEY) {
            self.replicas.decode(node, base)?;
        }
        if let Some(node) = fields.take(accounts::Settings::FILE_KEY) {
            self.auth.decode(node, base)?;
        }
        if let Some(node) = fields.take(DashboardSettings::FILE_KEY) {
            self.dashboards.decode(node, base)?;
        }
        if let Some(node) = fields.take(DataSourceSettings::FILE_KEY) {
            self.data_sources.decode(node, base)?;
        }
        if let Some(node) = fields.take("machine") {
            let mut machine = node.fields("machine")?;
            self.watch_machine = machine.or("watch", self.watch_machine, Node::boolean)?;
            self.machine_alerts = machine.or("alerts", self.machine_alerts, Node::boolean)?;
            self.machine_interval_ms = machine.or("interval", self.machine_interval_ms, |node| {
                let interval_ms = node.duration_ms()?;
                if interval_ms < 1000 {
                    return Err(
                        node.error(format!("expected an interval of at least 1s, found {}", node.shown()))
                    );
                }
                Ok(interval_ms)
            })?;
            machine.finish()?;
        }
        fields.finish()
    }

    /// Serves a Pushgateway's routes under this path.
    pub fn set_pushgateway_prefix(&mut self, prefix: &str) -> Result<(), String> {
        let told = PushgatewaySettings::new(prefix)?;
        self.pushgateway = Some(self.pushgateway.take().map_or(told.clone(), |file| file.under(told)));
        Ok(())
    }

    /// Where people reach this server: as it was told, or by the address it listens on.
    pub fn external_url(&self, listening: SocketAddr) -> String {
        match &self.external_url {
            Some(url) => url.trim_end_matches('/').to_string(),
            None if listening.ip().is_unspecified() => {
                format!("{}://{}:{}", self.scheme(), hostname(), listening.port())
            }
            None => format!("{}://{listening}", self.scheme()),
        }
    }

    /// `https` if connections are encrypted.
    fn scheme(&self) -> &'static str {
        let web = self.web.config_file.as_deref().map(net::web_config::WebConfig::load);
        if web.is_some_and(|web| web.is_ok_and(|web| web.has_tls())) { "https" } else { "http" }
    }

    /// The path under which everything is served, ending in a slash: that of the external URL unless there
    /// is another.
    pub fn path_prefix(&self) -> String {
        match &self.web.route_prefix {
            Some(prefix) => slashed(prefix),
            None => self.external_path(),
        }
    }

    /// The path under which people see everything, ending in a slash.
    pub fn external_path(&self) -> String {
        let url = self.external_url.as_deref().unwrap_or("");
        let path =
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        slashed(path)
    }
}

/// A path with a slash at both ends.
pub(crate) fn slashed(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() { "/".into() } else { format!("/{path}/") }
}

/// This machine's name.
pub fn hostname() -> String {
    let name = rustix::system::uname();
    name.nodename().to_str().ok().filter(|name| !name.is_empty()).unwrap_or("localhost").to_string()
}

fn listen_address(node: &Node) -> config::Result<SocketAddr> {
    let text = node.string()?;
    parse_listen(&text).map_err(|message| node.error(message))
}

/// An address to listen on: `127.0.0.1:9090`, `[::1]:9090`, `localhost:9090`, or `:9090` for all
/// addresses of both protocols.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let bad = || format!("expected an address such as 127.0.0.1:9090, found {text:?}");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    match host {
        "" => Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
        "localhost" => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        _ => Err(bad()),
    }
}

/// A share of the disk, 0 to 100.
fn percentage(node: &Node) -> config::Result<f64> {
    let percentage = node.float()?;
    if (0.0..=100.0).contains(&percentage) {
        return Ok(percentage);
    }
    Err(node.error(format!("expected a percentage from 0 to 100, found {}", node.shown())))
}

fn retention_rule(node: &Node) -> config::Result<tsdb::RetentionRule> {
    let mut fields = node.fields("retention rule")?;
    let missing = |name: &str| node.error(format!("a retention rule needs {name}"));
    let matchers = fields.optional("matchers", |node| {
        let text = node.string()?;
        promql::parse_selector(&text)
            .map_err(|error| node.error(format!("expected a selector such as {{job=\"batch\"}}: {error}")))
    })?;
    let time_ms = fields.optional("time", |node| match node.duration_ms()? {
        time_ms if time_ms > 0 => Ok(time_ms),
        _ => Err(node.error(format!("expected a time above 0, found {}", node.shown()))),
    })?;
    fields.finish()?;
    Ok(tsdb::RetentionRule {
        matchers: matchers.ok_or_else(|| missing("matchers"))?,
        time_ms: time_ms.ok_or_else(|| missing("a time"))?,
    })
}

fn http_url(node: &Node) -> config::Result<String> {
    let text = node.string()?;
    check_http_url(node, &text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names_and_leaves_the_rest() {
        let mut settings = Settings::new(Mode::Machine);
        let text = "listen: 127.0.0.1:9999\nretention: {time: 30d, size: 5GB}\nmachine: {interval: 5s}\n";
        settings.decode(text, &PathBase::new(Path::new("/etc"))).unwrap();
        assert_eq!(settings.listen.port(), 9999);
        assert_eq!(settings.retention_size_bytes, Some(5 << 30));
        assert_eq!((settings.machine_interval_ms, settings.machine_alerts), (5_000, true));
    }

    #[test]
    fn some_series_can_be_kept_longer_or_shorter() {
        let mut settings = Settings::new(Mode::Machine);
        let base = PathBase::new(Path::new("/etc"));
        let text = r#"
retention:
  percentage: 80
  rules:
    - {matchers: '{__name__=~"go_.*"}', time: 3d}
    - {matchers: 'up', time: 5y}
"#;
        settings.decode(text, &base).unwrap();
        assert_eq!(settings.retention_percentage, Some(80.0));
        let times: Vec<_> = settings.retention_rules.iter().map(|rule| rule.time_ms / 86_400_000).collect();
        assert_eq!(times, [3, 5 * 365]);
        for (wrong, what) in [
            ("retention: {percentage: 101}", "column 25: expected a percentage"),
            ("retention: {rules: [{matchers: '{', time: 1d}]}", "expected a selector"),
            ("retention: {rules: [{matchers: up, time: 0s}]}", "expected a time above 0"),
            ("retention: {rules: [{matchers: up}]}", "time"),
        ] {
            let error = settings.decode(wrong, &base).unwrap_err().to_string();
            assert!(error.contains(what), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_mistake_names_its_place() {
        let mut settings = Settings::new(Mode::Machine);
        let base = PathBase::new(Path::new("/etc"));
        let error =
            settings.decode("machine:\n  intervall: 5s\n", &base).unwrap_err().in_file("promontory.yml");
        assert_eq!(
            error.to_string(),
            "promontory.yml:2:3: field intervall not found in type machine; did you mean interval?"
        );
    }

    #[test]
    fn the_prefix_is_the_path_of_the_external_url() {
        let mut settings = Settings::new(Mode::Machine);
        assert_eq!(settings.path_prefix(), "/");
        settings.external_url = Some("https://x.example/a/b/".into());
        assert_eq!(settings.path_prefix(), "/a/b/");
    }
}
