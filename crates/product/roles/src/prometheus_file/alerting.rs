//! `alerting`: which Alertmanagers get alerts, and how alerts are relabelled before.

use config::http_client::{Auth, HttpClientConfig, PathBase};
use config::yaml::Value;
use config::{Error, Node, RelabelRule, Result, relabel};

use super::auth;
use super::not_yet;

/// The `alerting` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerting {
    /// Rules that every alert goes through.
    pub relabel: Vec<RelabelRule>,
    /// Groups of Alertmanagers; each alert goes to every one of them.
    pub alertmanagers: Vec<Alertmanager>,
}

/// A group of Alertmanagers that are reached alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Alertmanager {
    /// `http` or `https`.
    pub scheme: String,
    /// Put before the path of the API.
    pub path_prefix: String,
    /// How long a request may take.
    pub timeout_ms: i64,
    /// How to reach them.
    pub http: HttpClientConfig,
    /// Rules that make Alertmanagers of what was discovered.
    pub relabel: Vec<RelabelRule>,
    /// Rules that alerts for this group go through, after those of all.
    pub alert_relabel: Vec<RelabelRule>,
    /// Where they are.
    pub discovery: discovery::Config,
}

impl Alerting {
    pub(crate) fn decode(node: &Node, base: &PathBase, not_acted_on: &mut Vec<Error>) -> Result<Alerting> {
        let mut fields = node.fields("config.plain")?;
        let alerting = Alerting {
            relabel: fields.or("alert_relabel_configs", Vec::new(), |node| {
                relabel::rules(node, "alert relabeling rule")
            })?,
            alertmanagers: fields.or("alertmanagers", Vec::new(), |list| {
                list.list(|item| alertmanager(item, base, not_acted_on))
            })?,
        };
        fields.finish()?;
        Ok(alerting)
    }
}

fn alertmanager(node: &Node, base: &PathBase, not_acted_on: &mut Vec<Error>) -> Result<Alertmanager> {
    let mut fields = node.fields("config.plain")?;
    let http = HttpClientConfig::take(&mut fields, base)?;
    let sigv4 = fields.take("sigv4").filter(|node| !node.is_null());
    if let Some(node) = sigv4 {
        auth::sigv4(node)?;
        if http.auth != Auth::None {
            return Err(
                fields.error("at most one of basic_auth, authorization, oauth2, & sigv4 must be configured")
            );
        }
        not_acted_on.push(not_yet(node.position, "alerting.alertmanagers.sigv4"));
    }
    fields.or("api_version", (), |node| match node.string()?.as_str() {
        "v2" => Ok(()),
        other => {
            Err(node.error(format!("expected Alertmanager api version to be one of [v2] but got {other}")))
        }
    })?;
    let (discovery, not_available) = discovery::Config::check(node, "config.plain", base)?;
    not_acted_on
        .extend(not_available.into_iter().map(|error| error.map(|text| format!("alertmanagers: {text}"))));
    fields.take_where(|name| name == "static_configs" || name.ends_with("_sd_configs"));
    let group = Alertmanager {
        scheme: fields.or("scheme", "http".to_string(), Node::string)?,
        path_prefix: fields.or("path_prefix", String::new(), Node::string)?,
        timeout_ms: fields.or("timeout", 10_000, Node::duration_ms)?,
        http,
        relabel: fields.or("relabel_configs", Vec::new(), |node| {
            relabel::rules(node, "Alertmanager target relabeling rule")
        })?,
        alert_relabel: fields.or("alert_relabel_configs", Vec::new(), |node| {
            relabel::rules(node, "Alertmanager alert relabeling rule")
        })?,
        discovery,
    };
    fields.finish()?;
    if group.relabel.is_empty()
        && let Some(list) = node.get("static_configs")
    {
        check_static_targets(list)?;
    }
    Ok(group)
}

/// Somebody who writes a URL as a target means its host.
fn check_static_targets(list: &Node) -> Result<()> {
    let Value::Sequence(groups) = &list.value else { return Ok(()) };
    for targets in groups.iter().filter_map(|group| group.get("targets")) {
        targets.list(|target| {
            let address = target.string()?;
            if address.contains('/') {
                return Err(target.error(format!("{address:?} is not a valid hostname")));
            }
            Ok(())
        })?;
    }
    Ok(())
}
