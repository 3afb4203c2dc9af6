//! Monitors: what our own file says of them, their default alerts, and those that run.

use std::sync::Arc;

use base::Clock;
use config::http_client::PathBase;
use config::{Error, Fields, Node};
use exposition::Registry;
use model::storage::MetricWriter;
use probe::config::Modules;
use probe::monitor::{Deps, Monitor, Monitors};
use rules::GroupSpec;
use rules::file::Defaults;

use crate::settings::{Settings, hostname};

/// The default alerts of monitors.
const RULES: &str = include_str!("../../../../mixins/monitors.yml");
/// The name under which they are shown.
const RULES_FILE: &str = "mixins/monitors.yml";
/// How often the default alerts are evaluated.
const RULES_INTERVAL_MS: i64 = 15_000;

/// What `promontory.yml` says of monitors.
#[derive(Clone, Debug)]
pub struct MonitorSettings {
    /// What is watched.
    pub monitors: Vec<Arc<Monitor>>,
    /// Whether the default alerts are evaluated.
    pub alerts: bool,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        MonitorSettings { monitors: Vec::new(), alerts: true }
    }
}

impl MonitorSettings {
    /// The keys of a `promontory.yml` that are about monitors.
    pub(crate) const FILE_KEYS: [&str; 3] = ["monitors", "monitor_alerts", "blackbox_config"];

    /// Takes over what the file says.
    pub(crate) fn decode(&mut self, fields: &mut Fields<'_>, base: &PathBase) -> Result<(), Error> {
        self.alerts = fields.or("monitor_alerts", self.alerts, Node::boolean)?;
        let modules = fields
            .or("blackbox_config", Modules::default(), |node| Modules::load(&base.join(&node.string()?)))?;
        self.monitors =
            fields.or("monitors", Vec::new(), |node| Monitor::decode_all(node, &modules, base))?;
        Ok(())
    }

    /// The default alerts, if there is anything to alert on and they are wanted.
    pub(crate) fn rules(&self, settings: &Settings) -> Result<Vec<GroupSpec>, Vec<Error>> {
        if self.monitors.is_empty() || !self.alerts {
            return Ok(Vec::new());
        }
        let defaults = Defaults { interval_ms: RULES_INTERVAL_MS, ..Defaults::default() };
        rules::parse_file(RULES_FILE, RULES, defaults, &settings.features)
    }
}

/// Starts without monitors.
pub(crate) fn start(writer: Arc<dyn MetricWriter>, registry: &Registry, clock: &Clock) -> Monitors {
    // Every probe under way is an open file.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    Monitors::start(Deps {
        writer,
        clock: clock.clone(),
        registry: registry.clone(),
        seed: model::Labels::from_pairs([("host", hostname().as_str())]).fingerprint(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Mode;

    #[test]
    fn monitors_bring_their_alerts_unless_these_are_not_wanted() {
        let decode = |text: &str| {
            let node = Node::parse(text).unwrap();
            let mut fields = node.fields("promontory.yml").unwrap();
            let mut monitors = MonitorSettings::default();
            monitors.decode(&mut fields, &PathBase::new(std::path::Path::new("/etc"))).unwrap();
            monitors
        };
        let settings = Settings::new(Mode::Machine);
        let one = "monitors: [{name: a, target: b}]";
        assert_eq!(decode("{}").rules(&settings).unwrap().len(), 0);
        assert!(!decode(one).rules(&settings).unwrap().is_empty());
        assert_eq!(decode(&format!("{one}\nmonitor_alerts: false")).rules(&settings).unwrap().len(), 0);
    }

    #[test]
    fn the_default_alerts_fire_when_they_should_and_only_then() {
        let tests =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../mixins/tests/monitors.yml");
        let report = crate::check::check_files(&[tests], None, &crate::check::Options::default());
        let lines: Vec<&str> = report.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(report.error_count, 0, "{}", lines.join("\n"));
    }
}
