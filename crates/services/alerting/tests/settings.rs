//! Configurations with every field that Alertmanager knows.

use std::collections::BTreeSet;
use std::path::Path;

use alerting::{Config, MatcherMode};
use config::Node;
use config::http_client::PathBase;
use config::yaml::Value;

const FILES: [(&str, &str); 4] = [
    ("in-place.yml", include_str!("settings/in-place.yml")),
    ("in-files.yml", include_str!("settings/in-files.yml")),
    ("global-files.yml", include_str!("settings/global-files.yml")),
    ("global-token.yml", include_str!("settings/global-token.yml")),
];

fn parse(text: &str) -> config::Result<Config> {
    Config::parse(text, &PathBase::new(Path::new("/etc/am")), MatcherMode::Fallback)
}

#[test]
fn every_field_is_known() {
    for (file, text) in FILES {
        let config = parse(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        for receiver in config.receivers.iter().filter(|receiver| receiver.name != "second") {
            assert!(!receiver.integrations.is_empty(), "{file}");
        }
    }
    let integrations = &parse(FILES[0].1).unwrap().receivers[0].integrations;
    let kinds: BTreeSet<&str> = integrations.iter().map(|integration| integration.notifier.kind()).collect();
    assert_eq!(kinds.len(), 18);
    assert_eq!(integrations[0].name, "first/webhook[0]");
}

#[test]
fn what_is_shown_has_no_secret_and_loads_again() {
    for (file, text) in FILES {
        let config = parse(text).unwrap();
        let again =
            parse(config.shown()).unwrap_or_else(|error| panic!("{file}: {error}\n{}", config.shown()));
        assert_eq!(again.shown(), config.shown(), "{file}");
        assert_eq!(parse(text).unwrap().hash(), config.hash());
        assert_ne!(again.hash(), 0);
    }
    let shown = parse(FILES[0].1).unwrap().shown().to_string();
    for secret in ["hooks.slack.com", "mattermost.example.com", "http://w/", "http://events/"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// The names of all fields, and what they are fields of as far as it can be told.
fn keys(node: &Node, into: &mut BTreeSet<String>) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| keys(item, into)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                into.extend(key.string());
                keys(value, into);
            }
        }
        _ => {}
    }
}

/// The files above have every field that upstream's structures have.
#[test]
fn the_files_have_every_field_of_upstream() {
    let Some(folder) = testkit::conformance("alertmanager") else { return };
    let text = std::fs::read_to_string(folder.join("config_fields.json")).unwrap();
    let structures: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut known = BTreeSet::new();
    for (_, text) in FILES {
        keys(&Node::parse(text).unwrap(), &mut known);
    }
    let mut missing = Vec::new();
    for (name, fields) in structures.as_object().unwrap() {
        // Fields of the cluster's own file.
        if name.contains("TLSTransportConfig") {
            continue;
        }
        for field in fields.as_array().unwrap() {
            let field = field["field"].as_str().unwrap();
            if field != "-" && !known.contains(field) {
                missing.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_a_field_needs_from_the_global_section_is_said() {
    for (entry, expected) in [
        ("slack_configs: [{channel: a}]", "no Slack API URL nor App token set either inline or in a file"),
        ("email_configs: [{to: a@b}]", "no global SMTP smarthost set"),
        ("opsgenie_configs: [{}]", "no global OpsGenie API Key set either inline or in a file"),
        ("wechat_configs: [{}]", "no global Wechat Api Secret set either inline or in a file"),
        ("victorops_configs: [{routing_key: a}]", "no global VictorOps API Key set"),
        ("jira_configs: [{project: a, issue_type: b}]", "no global Jira Cloud URL set"),
        ("rocketchat_configs: [{}]", "no global Rocketchat TokenID set either inline or in a file"),
        ("mattermost_configs: [{}]", "missing webhook_url or webhook_url_file on mattermost_config"),
        ("webhook_configs: [null]", "missing webhook config"),
        ("webhook_configs: [{url: 'http://a', urll: b}]", "field urll not found in type config.plain"),
        ("webhook_configs: [{url: '{{ x'}]", "invalid template syntax: "),
    ] {
        let text = format!("route: {{receiver: a}}\nreceivers:\n- name: a\n  {entry}\n");
        let error = parse(&text).err().unwrap_or_else(|| panic!("{entry} loads"));
        assert!(error.message.contains(expected), "{entry}: {error}");
    }
}

#[test]
fn global_addresses_are_checked() {
    for (entry, expected) in [
        ("pagerduty_url: ftp://a", "unsupported scheme \"ftp\" for URL"),
        ("jira_api_url: 'http:///a'", "missing host for URL"),
        ("smtp_smarthost: mail", "address mail: missing port in address"),
        ("smtp_smarthost: 'mail:'", "address \"mail:\": port cannot be empty"),
        (
            "opsgenie_api_key: a, opsgenie_api_key_file: b",
            "at most one of opsgenie_api_key & opsgenie_api_key_file must be configured",
        ),
    ] {
        let text = format!("global: {{{entry}}}\nroute: {{receiver: a}}\nreceivers: [{{name: a}}]\n");
        let error = parse(&text).err().unwrap_or_else(|| panic!("{entry} loads"));
        assert!(error.message.contains(expected), "{entry}: {error}");
    }
}

#[test]
fn templates_are_loaded_and_their_errors_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = "templates: ['*.tmpl']\nroute: {receiver: a}\nreceivers: [{name: a}]\n";
    let parse = || Config::parse(text, &PathBase::new(folder.path()), MatcherMode::Fallback);
    assert!(parse().is_ok(), "a pattern may match nothing");
    std::fs::write(folder.path().join("mine.tmpl"), "{{ define \"mine\" }}x{{ end }}").unwrap();
    assert!(parse().unwrap().templates().names().any(|name| name == "mine"));
    std::fs::write(folder.path().join("mine.tmpl"), "{{ define \"mine\" }}{{ if }}{{ end }}").unwrap();
    let message = parse().err().unwrap().message;
    assert_eq!(message, "failed to parse templates: template: mine.tmpl:1: missing value for if");
}
