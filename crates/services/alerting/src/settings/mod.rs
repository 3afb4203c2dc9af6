//! The settings of the service: `alertmanager.yml`, decoded strictly, or a configuration made for
//! one machine without any file.

mod global;
mod shown;
mod tracing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use config::http_client::{PathBase, check_http_url};
use config::{Error, Node, Result};

use crate::care::Care;
use crate::event_recorder::Outputs;
use crate::inhibit::InhibitRule;
use crate::json::fnv64;
use crate::matchers::MatcherMode;
use crate::notification::Integration;
use crate::receivers::{Context, KINDS, webhook::Webhook};
use crate::route::{RouteConfig, Routes};
use crate::template::Templates;
use crate::timeinterval::TimeInterval;
pub use global::{Global, Smtp};

/// How long an alert without an end counts as firing after it was last heard of.
pub const RESOLVE_TIMEOUT_MS: i64 = 300_000;

/// A gauge holds whole numbers of 53 bits.
const HASH_MASK: u64 = (1 << 48) - 1;

/// What a machine without a configuration has, as it is shown.
const DEFAULT_SHOWN: &str =
    "route:\n  receiver: default\n  group_by: [alertname, instance]\nreceivers:\n- name: default\n";

/// Everything that decides who is told what, and when.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long an alert without an end counts as firing after it was last heard of.
    pub resolve_timeout_ms: i64,
    /// The route tree.
    pub routes: Routes,
    /// Which alerts silence which others.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Who can be told.
    pub receivers: Vec<Receiver>,
    /// Time intervals by name.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Our own settings.
    pub care: Care,
    /// Where events go as they happen.
    pub event_outputs: Outputs,
    /// Where traces of notifications go.
    pub tracing: Option<spans::Settings>,
    templates: Arc<Templates>,
    shown: String,
    hash: u64,
    warnings: Vec<Error>,
}

/// Someone who is told, through any number of integrations.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    /// Labels of the receiver; `name` is among them.
    pub labels: BTreeMap<String, String>,
    /// The ways to tell it.
    pub integrations: Vec<Arc<Integration>>,
}

impl Config {
    /// Reads `alertmanager.yml`. Paths in it are relative to `base`.
    pub fn parse(text: &str, base: &PathBase, mode: MatcherMode) -> Result<Config> {
        let root = Node::parse(text)?;
        if root.is_null() {
            return Err(root.error("no route provided in config"));
        }
        let mut warnings = Vec::new();
        let warn = &mut |warning| warnings.push(warning);
        let mut fields = root.fields("config.plain")?;
        let global = fields.or("global", Global::default(), |node| Global::decode(node, base))?;
        let route = fields.optional("route", |node| RouteConfig::decode(node, mode, warn))?;
        let inhibit_rules = fields.or("inhibit_rules", Vec::new(), |rules| {
            rules.list(|node| InhibitRule::decode(node, mode, warn))
        })?;
        let patterns = fields.or("templates", Vec::new(), Node::strings)?;
        let templates = Templates::load(&patterns, base)
            .map_err(|error| fields.error(format!("failed to parse templates: {error}")))?;
        let templates = Arc::new(templates);
        let receivers = fields.or("receivers", Vec::new(), |receivers| {
            let context = Context { base, global: &global };
            receivers.list(|node| receiver(node, &context, &templates))
        })?;
        let muted = fields.or("mute_time_intervals", Vec::new(), |node| {
            node.list(|node| named_interval(node, "mute time interval"))
        })?;
        let intervals = fields.or("time_intervals", Vec::new(), |node| {
            node.list(|node| named_interval(node, "time interval"))
        })?;
        let care = fields.or("promontory", Care::default(), |node| Care::decode(node, mode, warn))?;
        let tracing = fields.optional("tracing", |node| tracing::decode(node, base))?;
        let event_outputs =
            fields.or("event_recorder", Outputs::default(), |node| Outputs::decode(node, base))?;
        fields.finish()?;

        check_receivers(&root, &receivers)?;
        let Some(route) = route else { return Err(root.error("no routes provided")) };
        check_root(&route)?;
        let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        check_used_receivers(&route, &names)?;
        care.check(&names)?;
        let mut time_intervals = BTreeMap::new();
        for (what, (name, position, list)) in muted
            .into_iter()
            .map(|interval| ("mute time interval", interval))
            .chain(intervals.into_iter().map(|interval| ("time interval", interval)))
        {
            if time_intervals.insert(name.clone(), list).is_some() {
                return Err(Error::at(position, format!("{what} {name:?} is not unique")));
            }
        }
        check_used_intervals(&route, &time_intervals)?;

        Ok(Config {
            resolve_timeout_ms: global.resolve_timeout_ms,
            routes: Routes::new(&route),
            inhibit_rules,
            receivers,
            time_intervals,
            care,
            event_outputs,
            tracing,
            templates,
            shown: shown::shown(&root),
            hash: fnv64([text]) & HASH_MASK,
            warnings,
        })
    }

    /// What a machine gets without any configuration: alerts are grouped by name and instance and
    /// stay visible; with a URL they are also sent there.
    pub fn default_for_machine(webhook_url: Option<&str>) -> Result<Config> {
        let mut receiver = Receiver { name: "default".into(), ..Receiver::default() };
        receiver.labels.insert("name".into(), receiver.name.clone());
        if let Some(url) = webhook_url {
            let node = Node {
                value: config::yaml::Value::Scalar { text: url.to_string(), plain: true },
                position: config::Position::default(),
            };
            check_http_url(&node, url)
                .map_err(|error| Error::new(format!("invalid URL: {}", error.message)))?;
            receiver.integrations.push(Arc::new(Integration {
                name: "default/webhook[0]".into(),
                receiver: receiver.name.clone(),
                notifier: Arc::new(Webhook::at(url)),
                templates: Arc::default(),
            }));
        }
        let route = RouteConfig::catch_all(&receiver.name, &["alertname", "instance"]);
        Ok(Config {
            resolve_timeout_ms: RESOLVE_TIMEOUT_MS,
            routes: Routes::new(&route),
            inhibit_rules: Vec::new(),
            receivers: vec![receiver],
            time_intervals: BTreeMap::new(),
            care: Care::default(),
            event_outputs: Outputs::default(),
            tracing: None,
            templates: Arc::default(),
            shown: DEFAULT_SHOWN.into(),
            hash: fnv64([DEFAULT_SHOWN, webhook_url.unwrap_or_default()]) & HASH_MASK,
            warnings: Vec::new(),
        })
    }

    /// The configuration as YAML, as it was written, with `<secret>` in place of secrets.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// A number of at most 48 bits that changes with the configuration, so that a gauge can hold it.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The templates of the configuration.
    pub fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }

    /// What the reader of the file should know, each with its place.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// A receiver by its name.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}

fn receiver(node: &Node, context: &Context<'_>, templates: &Arc<Templates>) -> Result<Receiver> {
    let mut fields = node.fields("config.plain")?;
    let name = fields.or("name", String::new(), Node::string)?;
    let mut labels: BTreeMap<String, String> =
        fields.or("labels", Vec::new(), |node| node.map(Node::string))?.into_iter().collect();
    let mut integrations = Vec::new();
    for kind in KINDS {
        let entries = fields.or(kind.field, Vec::new(), |node| {
            node.list(|node| match node.is_null() {
                true => Err(node.error(format!("missing {}", kind.what))),
                false => (kind.decode)(node, context),
            })
        })?;
        for (at, notifier) in entries.into_iter().enumerate() {
            integrations.push(Arc::new(Integration {
                name: format!("{name}/{}[{at}]", notifier.kind()),
                receiver: name.clone(),
                notifier,
                templates: templates.clone(),
            }));
        }
    }
    if name.is_empty() {
        return Err(fields.error("missing name in receiver"));
    }
    match labels.insert("name".into(), name.clone()) {
        Some(other) if other != name => {
            return Err(fields
                .error(format!("receiver label \"name\" must match receiver name {name:?}, got {other:?}")));
        }
        _ => {}
    }
    fields.finish()?;
    Ok(Receiver { name, labels, integrations })
}

fn named_interval(node: &Node, what: &str) -> Result<(String, config::Position, Vec<TimeInterval>)> {
    let mut fields = node.fields("config.plain")?;
    let name = fields.or("name", String::new(), Node::string)?;
    let intervals = fields.or("time_intervals", Vec::new(), |node| node.list(TimeInterval::decode))?;
    if name.is_empty() {
        return Err(fields.error(format!("missing name in {what}")));
    }
    fields.finish()?;
    Ok((name, node.position, intervals))
}

fn check_receivers(root: &Node, receivers: &[Receiver]) -> Result<()> {
    let mut names = BTreeSet::new();
    match receivers.iter().position(|receiver| !names.insert(receiver.name.as_str())) {
        None => Ok(()),
        Some(at) => {
            let name = receivers.get(at).map_or("", |receiver| receiver.name.as_str());
            let message = format!("notification config name {name:?} is not unique");
            let node = root.get("receivers").and_then(|list| match &list.value {
                config::yaml::Value::Sequence(items) => items.get(at),
                _ => None,
            });
            Err(node.unwrap_or(root).error(message))
        }
    }
}

fn check_root(root: &RouteConfig) -> Result<()> {
    let message = if root.receiver.is_none() {
        "root route must specify a default receiver"
    } else if !root.matchers.is_empty() {
        "root route must not have any matchers"
    } else if !root.mute_time_intervals.is_empty() {
        "root route must not have any mute time intervals"
    } else if !root.active_time_intervals.is_empty() {
        "root route must not have any active time intervals"
    } else if root.continues {
        "cannot have continue in root route"
    } else {
        return Ok(());
    };
    Err(Error::at(root.position, message))
}

fn check_used_receivers(route: &RouteConfig, names: &BTreeSet<&str>) -> Result<()> {
    route.routes.iter().try_for_each(|child| check_used_receivers(child, names))?;
    match &route.receiver {
        Some(name) if !names.contains(name.as_str()) => {
            Err(Error::at(route.position, format!("undefined receiver {name:?} used in route")))
        }
        _ => Ok(()),
    }
}

fn check_used_intervals(route: &RouteConfig, known: &BTreeMap<String, Vec<TimeInterval>>) -> Result<()> {
    route.routes.iter().try_for_each(|child| check_used_intervals(child, known))?;
    let mut used = route.mute_time_intervals.iter().chain(&route.active_time_intervals);
    match used.find(|name| !known.contains_key(*name)) {
        Some(name) => {
            Err(Error::at(route.position, format!("undefined time interval {name:?} used in route")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, &PathBase::new(Path::new("/etc/am")), MatcherMode::Fallback)
    }

    #[test]
    fn a_machine_without_configuration_keeps_alerts_visible() {
        let config = Config::default_for_machine(None).unwrap();
        assert!(config.receivers[0].integrations.is_empty());
        let config = Config::default_for_machine(Some("http://127.0.0.1:1/x")).unwrap();
        assert_eq!(config.receivers[0].integrations.len(), 1);
        assert!(Config::default_for_machine(Some("ftp://x")).is_err());
    }

    #[test]
    fn an_unknown_field_names_the_near_one() {
        let error = parse("route: {receiver: a, group_wiat: 1s}\nreceivers: [{name: a}]\n").err().unwrap();
        assert!(
            error
                .message
                .contains("field group_wiat not found in type config.plain; did you mean group_wait?")
        );
    }
}
