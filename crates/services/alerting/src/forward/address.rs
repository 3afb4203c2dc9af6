//! From what was discovered to the URLs that alerts are posted to.

use model::target::ADDRESS_LABEL;
use model::{LabelsBuilder, TargetGroups, relabel};

use super::Group;

const SCHEME_LABEL: &str = "__scheme__";
const PATH_LABEL: &str = "__alerts_path__";
/// The version of Alertmanager's API that we speak.
const API_PATH: &str = "/api/v2/alerts";
/// Alertmanagers of one group; more are ignored, with a warning.
const ALERTMANAGERS_MAX: usize = 1_000;
/// Dropped Alertmanagers kept to be shown.
const DROPPED_KEPT_MAX: usize = 1_000;

/// What a group's targets are.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Each URL once, in the order in which they were found.
    pub(super) active: Vec<String>,
    /// What relabelling dropped, as it was before.
    pub(super) dropped: Vec<String>,
}

/// Relabels a group's targets and makes URLs of them.
pub(super) fn alertmanagers(group: &Group, targets: &TargetGroups) -> Found {
    let mut found = Found::default();
    for target_group in &targets.groups {
        for target in &target_group.targets {
            let mut labels = target.to_builder();
            labels.set(SCHEME_LABEL, &group.scheme);
            labels.set(PATH_LABEL, &default_path(&group.path_prefix));
            for (name, value) in &target_group.labels {
                // A group of targets may set its own scheme and path; a single target may not.
                if target.get(name).is_none() {
                    labels.set(name, value);
                }
            }
            let discovered = url(&labels);
            if !relabel::apply(&group.relabel, &mut labels) {
                if found.dropped.len() < DROPPED_KEPT_MAX {
                    found.dropped.push(discovered);
                }
                continue;
            }
            let address = labels.get(ADDRESS_LABEL);
            if address.is_empty() || address.contains('/') {
                tracing::warn!(job = group.job, address, "not a valid address of an Alertmanager");
                continue;
            }
            let url = url(&labels);
            if found.active.contains(&url) {
                continue;
            }
            if found.active.len() >= ALERTMANAGERS_MAX {
                tracing::warn!(
                    job = group.job,
                    limit = ALERTMANAGERS_MAX,
                    "too many Alertmanagers; some get no alerts"
                );
                return found;
            }
            found.active.push(url);
        }
    }
    found
}

/// The API's path below a prefix, without empty and dotted parts.
fn default_path(prefix: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in prefix.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| ["/", part]).chain([API_PATH]).collect()
}

fn url(labels: &LabelsBuilder) -> String {
    let mut url = format!("{}://{}", labels.get(SCHEME_LABEL), labels.get(ADDRESS_LABEL));
    let path = labels.get(PATH_LABEL);
    if !path.starts_with('/') {
        url.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~$&+,:;=@%!*'()".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use config::{Node, relabel::rules};
    use model::{Labels, TargetGroup};

    use super::*;

    fn found(group: Group, targets: &[&[(&str, &str)]], shared: &[(&str, &str)]) -> Found {
        let targets = targets.iter().map(|labels| Labels::from_pairs(labels.iter().copied())).collect();
        let labels = Labels::from_pairs(shared.iter().copied());
        let groups = vec![Arc::new(TargetGroup { source: "0".into(), targets, labels })];
        alertmanagers(&group, &TargetGroups { version: 1, groups })
    }

    #[test]
    fn the_url_is_made_of_scheme_address_and_prefix() {
        let group = Group { scheme: "https".into(), path_prefix: "//am/./x/../".into(), ..Group::default() };
        let targets: [&[_]; 2] = [&[("__address__", "a:9093")], &[("__address__", "a:9093"), ("zone", "b")]];
        let found = found(group, &targets, &[]);
        assert_eq!(found.active, ["https://a:9093/am/api/v2/alerts"], "each once");
        assert_eq!(default_path(""), "/api/v2/alerts");
    }

    #[test]
    fn relabelling_decides_who_gets_alerts_and_where() {
        let yaml = "- {source_labels: [env], regex: test, action: drop}\n\
                    - {source_labels: [path], regex: (.+), target_label: __alerts_path__}\n";
        let relabel = rules(&Node::parse(yaml).unwrap(), "").unwrap();
        let group = Group { relabel, ..Group::default() };
        let targets: [&[_]; 4] = [
            &[("__address__", "a")],
            &[("__address__", "b"), ("env", "test")],
            &[("__address__", "c"), ("path", "x y")],
            &[("__address__", "d/e")],
        ];
        let found = found(group, &targets, &[("__scheme__", "https")]);
        assert_eq!(found.active, ["https://a/api/v2/alerts", "https://c/x%20y"]);
        assert_eq!(found.dropped, ["https://b/api/v2/alerts"]);
    }
}
