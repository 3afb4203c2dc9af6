//! From what was discovered to what is scraped: default labels, relabelling, checks, and the URL.

use std::path::PathBuf;

use config::RelabelRule;
use model::target::ADDRESS_LABEL;
use model::{Labels, LabelsBuilder, TargetGroup, relabel};
use xxhash_rust::xxh3::Xxh3;

use crate::config::Config;

const SCHEME_LABEL: &str = "__scheme__";
const METRICS_PATH_LABEL: &str = "__metrics_path__";
const INTERVAL_LABEL: &str = "__scrape_interval__";
const TIMEOUT_LABEL: &str = "__scrape_timeout__";
const NATIVE_LABEL: &str = "__scrape_native_histograms__";
const CLASSIC_LABEL: &str = "__always_scrape_classic_histograms__";
const CONVERT_LABEL: &str = "__convert_classic_histograms_to_nhcb__";
const UNIX_SOCKET_LABEL: &str = "__unix_socket__";
const PARAM_PREFIX: &str = "__param_";
const META_PREFIX: &str = "__meta_";
/// Labels that begin so are not part of a target's identity.
const RESERVED_PREFIX: &str = "__";

/// Something to scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// The labels that its series carry.
    pub(crate) labels: Labels,
    /// The labels before relabelling, for people who ask why.
    pub(crate) discovered: Labels,
    /// Where its page is.
    pub(crate) url: String,
    /// The Unix socket that leads there.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
    pub(crate) scrape_native_histograms: bool,
    pub(crate) always_scrape_classic_histograms: bool,
    pub(crate) convert_classic_histograms: bool,
}

impl Target {
    /// What tells targets apart; the same in every process.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(self.labels.packed().as_bytes());
        hasher.update(&[0xff]);
        hasher.update(self.url.as_bytes());
        if let Some(path) = &self.unix_socket {
            hasher.update(&[0xff]);
            hasher.update(path.as_os_str().as_encoded_bytes());
        }
        hasher.digest()
    }
}

/// What became of a discovered target.
#[derive(Debug)]
pub(crate) enum Made {
    Target(Box<Target>),
    /// Relabelling dropped it; its labels before that.
    Dropped(Labels),
    /// It cannot be scraped; its labels before relabelling, and why.
    Failed(Labels, String),
}

/// Makes targets of a group.
pub(crate) fn from_group(group: &TargetGroup, config: &Config, into: &mut Vec<Made>) {
    for labels in &group.targets {
        let mut builder = group.labels.to_builder();
        for (name, value) in labels {
            builder.set(name, value);
        }
        into.push(make(builder, config));
    }
}

/// Why the targets of a group could not be scraped after relabelling, if one could not: for checks
/// before a configuration is used.
pub fn target_problem(group: &TargetGroup, config: &Config) -> Option<String> {
    let mut made = Vec::new();
    from_group(group, config, &mut made);
    made.into_iter().find_map(|made| match made {
        Made::Failed(_, why) => Some(why),
        Made::Target(_) | Made::Dropped(_) => None,
    })
}

/// What became of a discovered target, for people who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelabelledTarget {
    /// Its labels before relabelling.
    pub discovered: Labels,
    /// Its labels after it, those that no series carries included; empty if it is not scraped.
    pub labels: Labels,
    /// Why it cannot be scraped.
    pub error: Option<String>,
}

/// The targets of a group before and after relabelling.
pub fn relabelled_targets(group: &TargetGroup, config: &Config) -> Vec<RelabelledTarget> {
    let mut made = Vec::new();
    from_group(group, config, &mut made);
    let shown = |made: Made| match made {
        Made::Dropped(discovered) => RelabelledTarget { discovered, labels: Labels::empty(), error: None },
        Made::Failed(discovered, why) => {
            RelabelledTarget { discovered, labels: Labels::empty(), error: Some(why) }
        }
        Made::Target(target) => {
            let mut labels = target.discovered.to_builder();
            relabelled(&config.relabel, &mut labels);
            labels.retain(|name, _| !name.starts_with(META_PREFIX));
            for (name, value) in &target.labels {
                labels.set(name, value);
            }
            RelabelledTarget { discovered: target.discovered, labels: labels.build(), error: None }
        }
    };
    made.into_iter().map(shown).collect()
}

fn make(mut labels: LabelsBuilder, config: &Config) -> Made {
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    };
    default("job", &config.job_name);
    default(INTERVAL_LABEL, &base::units::format_duration_ms(config.interval_ms));
    default(TIMEOUT_LABEL, &base::units::format_duration_ms(config.timeout_ms));
    default(METRICS_PATH_LABEL, &config.metrics_path);
    default(SCHEME_LABEL, &config.scheme);
    for (name, values) in &config.params {
        if let Some(first) = values.first() {
            default(&format!("{PARAM_PREFIX}{name}"), first);
        }
    }
    let discovered = labels.build();
    if !relabelled(&config.relabel, &mut labels) {
        return Made::Dropped(discovered);
    }
    match finish(labels, config, discovered.clone()) {
        Ok(target) => Made::Target(Box::new(target)),
        Err(why) => Made::Failed(discovered, why),
    }
}

fn relabelled(rules: &[RelabelRule], labels: &mut LabelsBuilder) -> bool {
    relabel::apply(rules, labels)
}

fn finish(mut labels: LabelsBuilder, config: &Config, discovered: Labels) -> Result<Target, String> {
    let address = labels.get(ADDRESS_LABEL).to_string();
    if address.is_empty() {
        return Err("no address".into());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let duration_ms = |name: &str, what: &str| {
        let text = labels.get(name);
        match base::units::parse_duration_ms(text) {
            Ok(0) => Err(format!("scrape {what} cannot be 0")),
            Ok(duration_ms) => Ok(duration_ms),
            Err(error) => Err(format!("error parsing scrape {what}: {error}")),
        }
    };
    let interval_ms = duration_ms(INTERVAL_LABEL, "interval")?;
    let timeout_ms = duration_ms(TIMEOUT_LABEL, "timeout")?;
    if timeout_ms > interval_ms {
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            labels.get(TIMEOUT_LABEL),
            labels.get(INTERVAL_LABEL)
        ));
    }
    let flag = |name: &str, default: bool| match labels.get(name) {
        "" => Ok(default),
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("label {name}: expected true or false, found {other:?}")),
    };
    let scrape_native_histograms = flag(NATIVE_LABEL, config.scrape_native_histograms)?;
    let always_scrape_classic_histograms = flag(CLASSIC_LABEL, config.always_scrape_classic_histograms)?;
    let convert_classic_histograms = flag(CONVERT_LABEL, config.convert_classic_histograms_to_nhcb)?;
    let url = url(&labels, &address, &config.params);
    let unix_socket = labels.get(UNIX_SOCKET_LABEL);
    let unix_socket = (!unix_socket.is_empty()).then(|| PathBuf::from(unix_socket));
    labels.retain(|name, _| !name.starts_with(META_PREFIX));
    if labels.get("instance").is_empty() {
        labels.set("instance", &address);
    }
    labels.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
    if let Some((name, _)) = labels.iter().find(|(name, _)| !config.name_validation.is_label_name(name)) {
        return Err(format!("invalid label name {name:?}"));
    }
    Ok(Target {
        labels: labels.build(),
        discovered,
        url,
        unix_socket,
        interval_ms,
        timeout_ms,
        scrape_native_histograms,
        always_scrape_classic_histograms,
        convert_classic_histograms,
    })
}

/// The URL: parameters of the configuration, of which a label `__param_<name>` replaces the first.
fn url(labels: &LabelsBuilder, address: &str, configured: &[(String, Vec<String>)]) -> String {
    let mut params: Vec<(String, Vec<String>)> = configured.to_vec();
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix(PARAM_PREFIX) else { continue };
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if !values.is_empty() => values[0] = value.to_string(),
            Some((_, values)) => values.push(value.to_string()),
            None => params.push((name.to_string(), vec![value.to_string()])),
        }
    }
    params.sort_by(|a, b| a.0.cmp(&b.0));
    let path = labels.get(METRICS_PATH_LABEL);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut url = format!("{}://{address}", labels.get(SCHEME_LABEL));
    if !path.starts_with('/') {
        url.push('/');
    }
    escape_into(&mut url, path, b"/-_.~$&+,:;=@%!*'()");
    let mut separator = '?';
    if !query.is_empty() {
        url.push('?');
        escape_into(&mut url, query, b"-_.~&=+%,:;@/!*'()[]");
        separator = '&';
    }
    for (name, value) in
        params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        url.push(separator);
        separator = '&';
        escape_into(&mut url, name, b"-_.~");
        url.push('=');
        escape_into(&mut url, value, b"-_.~");
    }
    url
}

/// Percent-encodes what is neither a letter nor a digit nor in `kept`.
fn escape_into(out: &mut String, text: &str, kept: &[u8]) {
    use std::fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use config::Node;
    use config::http_client::PathBase;

    use super::*;
    use crate::config::GlobalConfig;

    fn make_one(yaml: &str, labels: &[(&str, &str)]) -> Made {
        let base = PathBase::new(std::path::Path::new(""));
        let config = Config::decode(&Node::parse(yaml).unwrap(), &GlobalConfig::default(), &base).unwrap();
        let group = TargetGroup {
            source: "0".into(),
            targets: vec![Labels::from_pairs(labels.iter().copied())],
            labels: Labels::from_pairs([("env", "test"), ("team", "a")]),
        };
        let mut made = Vec::new();
        from_group(&group, &config, &mut made);
        made.remove(0)
    }

    fn target(yaml: &str, labels: &[(&str, &str)]) -> Target {
        match make_one(yaml, labels) {
            Made::Target(target) => *target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_target_gets_job_instance_and_the_urls_parts() {
        let target = target("job_name: web", &[("__address__", "host:80"), ("team", "b")]);
        assert_eq!(target.labels.to_string(), r#"{env="test", instance="host:80", job="web", team="b"}"#);
        assert_eq!(target.url, "http://host:80/metrics");
        assert_eq!(
            target.discovered.to_string(),
            r#"{__address__="host:80", __metrics_path__="/metrics", __scheme__="http", __scrape_interval__="1m", __scrape_timeout__="10s", env="test", job="web", team="b"}"#
        );
        let portless = super::tests::target("job_name: x", &[("__address__", "host")]);
        assert_eq!(portless.url, "http://host/metrics", "no port is added");
    }

    #[test]
    fn labels_override_path_scheme_interval_and_parameters() {
        let yaml = "{job_name: web, params: {module: [a, b], target: ['x y'], z: []}}";
        let labels = [
            ("__address__", "h:1"),
            ("__metrics_path__", "probe?debug=1"),
            ("__scheme__", "https"),
            ("__scrape_interval__", "5s"),
            ("__scrape_timeout__", "500ms"),
            ("__param_module", "http_2xx"),
            ("__param_extra", "ä&"),
            ("__scrape_native_histograms__", "true"),
            ("__convert_classic_histograms_to_nhcb__", "true"),
            ("__unix_socket__", "/run/app.sock"),
        ];
        let target = target(yaml, &labels);
        assert_eq!(
            target.url,
            "https://h:1/probe?debug=1&extra=%C3%A4%26&module=http_2xx&module=b&target=x%20y"
        );
        assert_eq!((target.interval_ms, target.timeout_ms), (5_000, 500));
        assert!(target.scrape_native_histograms && target.convert_classic_histograms);
        assert_eq!(target.unix_socket.as_deref(), Some(std::path::Path::new("/run/app.sock")));
        assert!(!target.labels.to_string().contains("sock"));
    }

    #[test]
    fn relabelling_sees_meta_labels_and_they_do_not_stay() {
        let yaml = "job_name: k8s\nrelabel_configs:\n- {source_labels: [__meta_pod], target_label: pod}\n\
                    - {source_labels: [__meta_pod], regex: bad, action: drop}\n";
        let kept = target(yaml, &[("__address__", "a:1"), ("__meta_pod", "p1"), ("__tmp", "x")]);
        assert_eq!(kept.labels.to_string(), r#"{env="test", instance="a:1", job="k8s", pod="p1", team="a"}"#);
        let Made::Dropped(labels) = make_one(yaml, &[("__address__", "a:1"), ("__meta_pod", "bad")]) else {
            panic!("kept")
        };
        assert_eq!(labels.value("__meta_pod"), "bad");
    }

    #[test]
    fn what_cannot_be_scraped_says_why() {
        let empty = "{job_name: x, relabel_configs: [{target_label: __address__, replacement: ''}]}";
        for (yaml, labels, expected) in [
            (empty, [("__address__", "a"), ("a", "")], "no address"),
            ("job_name: x", [("__address__", "a/b"), ("a", "")], "\"a/b\" is not a valid hostname"),
            (
                "job_name: x",
                [("__address__", "a"), ("__scrape_interval__", "5")],
                "error parsing scrape interval: not a valid duration string: \"5\"",
            ),
            (
                "job_name: x",
                [("__address__", "a"), ("__scrape_timeout__", "2m")],
                "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")",
            ),
            (
                "job_name: x",
                [("__address__", "a"), ("__scrape_timeout__", "0")],
                "scrape timeout cannot be 0",
            ),
        ] {
            let Made::Failed(_, why) = make_one(yaml, &labels) else { panic!("{labels:?}") };
            assert_eq!(why, expected);
        }
    }
}
