//! The settings of the service: `alertmanager.yml`, decoded strictly, or a configuration made for
//! one machine without any file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use config::http_client::{PathBase, check_http_url};
use config::{Error, Fields, HttpClientConfig, Node, Result, Secret};

use crate::inhibit::InhibitRule;
use crate::matchers::MatcherMode;
use crate::route::{RouteConfig, Routes};
use crate::timeinterval::TimeInterval;

/// How long an alert without an end counts as firing after it was last heard of.
pub const RESOLVE_TIMEOUT_MS: i64 = 300_000;

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
    not_acted_on: Vec<String>,
    warnings: Vec<Error>,
}

/// Someone who is told, through any number of integrations.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    /// Labels of the receiver; `name` is among them.
    pub labels: BTreeMap<String, String>,
    /// Webhooks, in the order of the file.
    pub webhooks: Vec<Webhook>,
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    /// Where it is.
    pub url: WebhookUrl,
    /// Alerts in one message; 0 for all.
    pub max_alerts: u64,
    /// How long one attempt may take; 0 for as long as the flush has.
    pub timeout_ms: i64,
}

/// Where a webhook is. URLs often hold a key, so they do not print.
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookUrl {
    /// In the configuration.
    Inline(Secret),
    /// In a file that is read at each attempt.
    File(PathBuf),
}

/// The kinds of receivers this version does not have yet.
const NOT_AVAILABLE_YET: [&str; 17] = [
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "pagerduty_configs",
    "slack_configs",
    "opsgenie_configs",
    "wechat_configs",
    "pushover_configs",
    "victorops_configs",
    "sns_configs",
    "telegram_configs",
    "webex_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "jira_configs",
    "rocketchat_configs",
    "mattermost_configs",
];

/// Settings under `global` that only receivers use which are not available yet.
const GLOBAL_NOT_ACTED_ON: [&str; 40] = [
    "jira_api_url",
    "smtp_from",
    "smtp_hello",
    "smtp_smarthost",
    "smtp_auth_username",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_identity",
    "smtp_require_tls",
    "smtp_tls_config",
    "smtp_force_implicit_tls",
    "slack_api_url",
    "slack_api_url_file",
    "slack_app_token",
    "slack_app_token_file",
    "slack_app_url",
    "pagerduty_url",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_corp_id",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "webex_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
];

/// Pairs under `global` of which at most one may be set.
const GLOBAL_EXCLUSIVE: [(&str, &str); 11] = [
    ("slack_app_token", "slack_app_token_file"),
    ("slack_api_url", "slack_api_url_file"),
    ("opsgenie_api_key", "opsgenie_api_key_file"),
    ("victorops_api_key", "victorops_api_key_file"),
    ("telegram_bot_token", "telegram_bot_token_file"),
    ("smtp_auth_password", "smtp_auth_password_file"),
    ("rocketchat_token", "rocketchat_token_file"),
    ("rocketchat_token_id", "rocketchat_token_id_file"),
    ("smtp_auth_secret", "smtp_auth_secret_file"),
    ("wechat_api_secret", "wechat_api_secret_file"),
    ("mattermost_webhook_url", "mattermost_webhook_url_file"),
];

impl Config {
    /// Reads `alertmanager.yml`. Paths in it are relative to `base`.
    pub fn parse(text: &str, base: &PathBase, mode: MatcherMode) -> Result<Config> {
        let root = Node::parse(text)?;
        if root.is_null() {
            return Err(root.error("no routes provided"));
        }
        let (mut warnings, mut not_acted_on) = (Vec::new(), Vec::new());
        let warn = &mut |warning| warnings.push(warning);
        let mut fields = root.fields("config.plain")?;
        let global = fields.or("global", Global::default(), |node| {
            Global::decode(node, base, &mut not_acted_on)
        })?;
        let route = fields.optional("route", |node| RouteConfig::decode(node, mode, warn))?;
        let inhibit_rules = fields.or("inhibit_rules", Vec::new(), |rules| {
            rules.list(|node| InhibitRule::decode(node, mode, warn))
        })?;
        let receivers = fields.or("receivers", Vec::new(), |receivers| {
            receivers.list(|node| receiver(node, base, &global.http))
        })?;
        if let Some(node) = fields.take("templates").filter(|node| !node.is_null()) {
            node.strings()?;
            warn(node.error("templates are not available yet: the files are not read"));
            not_acted_on.push("templates".into());
        }
        let muted = fields.or("mute_time_intervals", Vec::new(), |node| {
            node.list(|node| named_interval(node, "mute time interval"))
        })?;
        let intervals = fields
            .or("time_intervals", Vec::new(), |node| node.list(|node| named_interval(node, "time interval")))?;
        for name in ["tracing", "event_recorder"] {
            if fields.take(name).is_some_and(|node| !node.is_null()) {
                not_acted_on.push(name.into());
            }
        }
        fields.finish()?;

        check_receivers(&root, &receivers)?;
        let Some(route) = route else { return Err(root.error("no routes provided")) };
        check_root(&route)?;
        let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        check_used_receivers(&route, &names)?;
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
            not_acted_on,
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
            check_http_url(&node, url).map_err(|error| Error::new(format!("invalid URL: {}", error.message)))?;
            receiver.webhooks.push(Webhook {
                send_resolved: true,
                http: Arc::new(HttpClientConfig::default()),
                url: WebhookUrl::Inline(Secret::new(url.to_string())),
                max_alerts: 0,
                timeout_ms: 0,
            });
        }
        let route = RouteConfig::catch_all(&receiver.name, &["alertname", "instance"]);
        Ok(Config {
            resolve_timeout_ms: RESOLVE_TIMEOUT_MS,
            routes: Routes::new(&route),
            inhibit_rules: Vec::new(),
            receivers: vec![receiver],
            time_intervals: BTreeMap::new(),
            not_acted_on: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Settings that are accepted but that nothing acts on yet.
    pub fn not_acted_on(&self) -> &[String] {
        &self.not_acted_on
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

struct Global {
    resolve_timeout_ms: i64,
    http: Arc<HttpClientConfig>,
}

impl Default for Global {
    fn default() -> Self {
        Global { resolve_timeout_ms: RESOLVE_TIMEOUT_MS, http: Arc::new(HttpClientConfig::default()) }
    }
}

impl Global {
    fn decode(node: &Node, base: &PathBase, not_acted_on: &mut Vec<String>) -> Result<Global> {
        let mut fields = node.fields("config.plain")?;
        let global = Global {
            resolve_timeout_ms: fields.or("resolve_timeout", RESOLVE_TIMEOUT_MS, Node::duration_ms)?,
            http: fields
                .or("http_config", HttpClientConfig::default(), |node| HttpClientConfig::decode(node, base))?
                .into(),
        };
        let is_set = |name| {
            node.get(name)
                .is_some_and(|node| !node.is_null() && node.string().map_or(true, |text| !text.is_empty()))
        };
        for name in GLOBAL_NOT_ACTED_ON {
            fields.take(name);
            if is_set(name) {
                not_acted_on.push(format!("global.{name}"));
            }
        }
        for (inline, file) in GLOBAL_EXCLUSIVE {
            if is_set(inline) && is_set(file) {
                return Err(fields.error(format!("at most one of {inline} & {file} must be configured")));
            }
        }
        let token = is_set("slack_app_token") || is_set("slack_app_token_file");
        if token && (is_set("slack_api_url") || is_set("slack_api_url_file")) {
            // Someone who set both to the same address before there were tokens may keep it so.
            let text = |name| node.get(name).and_then(|node| node.string().ok());
            let app_url = text("slack_app_url").unwrap_or_else(|| "https://slack.com/api/chat.postMessage".into());
            if text("slack_api_url") != Some(app_url) {
                return Err(fields.error(
                    "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
                ));
            }
        }
        fields.finish()?;
        Ok(global)
    }
}

fn receiver(node: &Node, base: &PathBase, global_http: &Arc<HttpClientConfig>) -> Result<Receiver> {
    let mut fields = node.fields("config.plain")?;
    let name = fields.or("name", String::new(), Node::string)?;
    let mut labels: BTreeMap<String, String> =
        fields.or("labels", Vec::new(), |node| node.map(Node::string))?.into_iter().collect();
    let webhooks = fields.or("webhook_configs", Vec::new(), |node| {
        node.list(|node| match node.is_null() {
            true => Err(node.error("missing webhook config")),
            false => Webhook::decode(node, base, global_http),
        })
    })?;
    for kind in NOT_AVAILABLE_YET {
        let Some(list) = fields.take(kind) else { continue };
        if let Some(first) = list.list(Ok)?.first() {
            return Err(first.error(format!(
                "{kind} is not available yet; of the receivers, webhook_configs is"
            )));
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
    Ok(Receiver { name, labels, webhooks })
}

impl Webhook {
    /// Decodes one entry of `webhook_configs`.
    pub fn decode(node: &Node, base: &PathBase, global_http: &Arc<HttpClientConfig>) -> Result<Webhook> {
        let mut fields = node.fields("config.plain")?;
        let send_resolved = fields.or("send_resolved", true, Node::boolean)?;
        let http = fields
            .optional("http_config", |node| HttpClientConfig::decode(node, base))?
            .map_or_else(|| global_http.clone(), Arc::new);
        let url = webhook_url(&mut fields, base)?;
        let webhook = Webhook {
            send_resolved,
            http,
            url,
            max_alerts: fields.or("max_alerts", 0, Node::unsigned)?,
            timeout_ms: fields.or("timeout", 0, Node::duration_ms)?,
        };
        if let Some(payload) = fields.take("payload").filter(|node| !node.is_null()) {
            return Err(payload.error("payload is not available yet: it needs templates"));
        }
        fields.finish()?;
        Ok(webhook)
    }
}

fn webhook_url(fields: &mut Fields<'_>, base: &PathBase) -> Result<WebhookUrl> {
    let url = fields.optional("url", |node| {
        let text = node.string()?;
        if text.contains("{{") {
            return Err(node.error("templates in url are not available yet"));
        }
        if !text.is_empty() {
            check_http_url(node, &text).map_err(|error| error.map(|message| format!("invalid URL: {message}")))?;
        }
        Ok(Secret::new(text))
    })?;
    let url = url.filter(|url| !url.is_empty());
    let file = fields.optional("url_file", Node::string)?.filter(|path| !path.is_empty());
    match (url, file) {
        (None, None) => Err(fields.error("one of url or url_file must be configured")),
        (Some(_), Some(_)) => Err(fields.error("at most one of url & url_file must be configured")),
        (Some(url), None) => Ok(WebhookUrl::Inline(url)),
        (None, Some(path)) => Ok(WebhookUrl::File(base.join(&path))),
    }
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
    fn what_is_not_available_yet_is_refused_where_it_stands() {
        let text = "route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs:\n  - channel: '#x'\n";
        let error = parse(text).err().unwrap();
        assert_eq!(error.message, "slack_configs is not available yet; of the receivers, webhook_configs is");
        assert_eq!(error.position.unwrap().line, 5);
    }

    #[test]
    fn what_nothing_acts_on_is_listed() {
        let text = "global: {smtp_from: x, smtp_hello: ''}\ntemplates: [a.tmpl]\nroute: {receiver: a}\nreceivers: [{name: a}]\n";
        let config = parse(text).unwrap();
        assert_eq!(config.not_acted_on(), ["global.smtp_from", "templates"]);
        assert_eq!(config.warnings().len(), 1);
    }

    #[test]
    fn a_webhook_inherits_the_global_http_settings() {
        let text = "global: {http_config: {follow_redirects: false}}\nroute: {receiver: a}\nreceivers:\n- name: a\n  \
                    webhook_configs: [{url_file: u, max_alerts: 3, timeout: 2s, send_resolved: false}]\n";
        let config = parse(text).unwrap();
        let webhook = &config.receiver("a").unwrap().webhooks[0];
        assert!(!webhook.http.follow_redirects && !webhook.send_resolved);
        assert_eq!(webhook.url, WebhookUrl::File("/etc/am/u".into()));
        assert_eq!((webhook.max_alerts, webhook.timeout_ms), (3, 2_000));
    }

    #[test]
    fn a_machine_without_configuration_keeps_alerts_visible() {
        let config = Config::default_for_machine(None).unwrap();
        assert!(config.receivers[0].webhooks.is_empty());
        let config = Config::default_for_machine(Some("http://127.0.0.1:1/x")).unwrap();
        assert_eq!(config.receivers[0].webhooks.len(), 1);
        assert!(Config::default_for_machine(Some("ftp://x")).is_err());
    }

    #[test]
    fn an_unknown_field_names_the_near_one() {
        let error = parse("route: {receiver: a, group_wiat: 1s}\nreceivers: [{name: a}]\n").err().unwrap();
        assert!(error.message.contains("field group_wiat not found in type config.plain; did you mean group_wait?"));
    }
}
