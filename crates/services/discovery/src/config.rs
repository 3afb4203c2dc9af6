//! The sections of a job that say where its targets are.

use std::path::PathBuf;

use ::config::http_client::PathBase;
use ::config::{Error, Node, Result};
use model::TargetGroup;

use crate::group;

/// How often files are read again although they look unchanged, unless configured.
const FILE_REFRESH_DEFAULT_MS: i64 = 5 * 60_000;

/// Kinds that are known by name; reading them comes later.
const NOT_AVAILABLE: [&str; 31] = [
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "http_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "oci_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

/// Where one job's targets are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// In the order of the configuration, static targets last.
    pub sections: Vec<Section>,
}

/// One entry of one `*_sd_configs` list, or all of `static_configs`.
#[derive(Clone, Debug, PartialEq)]
pub enum Section {
    /// Targets in the configuration itself.
    Static(Vec<TargetGroup>),
    /// Targets in files.
    File(FileConfig),
}

/// Targets in files, which are read again when they change.
#[derive(Clone, Debug, PartialEq)]
pub struct FileConfig {
    /// Patterns of file names; the last part of a path may have a wildcard.
    pub files: Vec<PathBuf>,
    /// How often to read them even if they look unchanged, in milliseconds.
    pub refresh_interval_ms: i64,
}

impl Config {
    /// Decodes the discovery sections among the keys of `node`; other keys are somebody else's.
    /// `type_name` is what upstream calls the mapping, for the error about a kind that does not
    /// exist. A kind that is not available yet is an error.
    pub fn decode(node: &Node, type_name: &'static str, base: &PathBase) -> Result<Config> {
        let (config, not_available) = Config::check(node, type_name, base)?;
        match not_available.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(config),
        }
    }

    /// Like [`Config::decode`], but kinds that are not available yet are returned as errors beside
    /// the rest, so that a file can be checked for everything else.
    pub fn check(node: &Node, type_name: &'static str, base: &PathBase) -> Result<(Config, Vec<Error>)> {
        let mut fields = node.fields(type_name)?;
        let mut config = Config::default();
        let mut not_available = Vec::new();
        if let Some(list) = fields.take("file_sd_configs") {
            config.sections.extend(
                entries(list, "file_sd_configs", |entry| file(entry, base))?.into_iter().map(Section::File),
            );
        }
        for name in NOT_AVAILABLE {
            let Some(list) = fields.take(name) else { continue };
            let count = entries(list, name, |_| Ok(()))?.len();
            if count > 0 {
                let message = format!("{name}: this service discovery is not available yet");
                not_available.push(list.error(message));
            }
        }
        if let Some(list) = fields.take("static_configs") {
            let groups = entries(list, "static_configs", group::decode)?;
            let numbered = groups.into_iter().enumerate();
            let groups: Vec<TargetGroup> =
                numbered.map(|(at, group)| TargetGroup { source: at.to_string(), ..group }).collect();
            if !groups.is_empty() {
                config.sections.push(Section::Static(groups));
            }
        }
        fields.take_where(|name| !name.ends_with("_sd_configs"));
        fields.finish()?;
        Ok((config, not_available))
    }
}

fn entries<T>(list: &Node, name: &str, mut entry: impl FnMut(&Node) -> Result<T>) -> Result<Vec<T>> {
    list.list(|item| {
        if item.is_null() {
            return Err(item.error(format!("empty or null section in {name}")));
        }
        entry(item)
    })
}

fn file(node: &Node, base: &PathBase) -> Result<FileConfig> {
    let mut fields = node.fields("file.plain")?;
    let files = fields.or("files", Vec::new(), |list| {
        list.list(|item| {
            let pattern = item.string()?;
            if !is_file_pattern(&pattern) {
                return Err(item.error(format!(
                    "path name {pattern:?} is not valid for file discovery; it must end in .json, .yml or .yaml \
                     and may have a wildcard in its last part only"
                )));
            }
            Ok(base.join(&pattern))
        })
    })?;
    let refresh_interval_ms = fields.or("refresh_interval", FILE_REFRESH_DEFAULT_MS, Node::duration_ms)?;
    if files.is_empty() {
        return Err(fields.error("file service discovery config must contain at least one path name"));
    }
    fields.finish()?;
    Ok(FileConfig { files, refresh_interval_ms })
}

fn is_file_pattern(pattern: &str) -> bool {
    let ends = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"];
    let ends_well = ends.iter().any(|end| pattern.ends_with(end));
    let wildcard_last = pattern.find('*').is_none_or(|at| !pattern[at..].contains('/'));
    ends_well && wildcard_last
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn decode(yaml: &str) -> Result<Config> {
        let base = PathBase::new(Path::new("/etc/p"));
        Config::decode(&Node::parse(yaml).unwrap(), "config.ScrapeConfig", &base)
    }

    #[test]
    fn static_and_file_sections_are_read_and_other_keys_left_alone() {
        let config = decode(
            "job_name: x\nfile_sd_configs: [{files: ['t/*.json', /a.yml]}]\n\
             static_configs: [{targets: ['a:1', 'b:2'], labels: {env: prod}}]\n",
        )
        .unwrap();
        let [Section::File(file), Section::Static(groups)] = &config.sections[..] else {
            panic!("{config:?}")
        };
        assert_eq!(file.files, [Path::new("/etc/p/t/*.json"), Path::new("/a.yml")]);
        assert_eq!(file.refresh_interval_ms, 300_000);
        assert_eq!(groups[0].targets[1].value("__address__"), "b:2");
        assert_eq!(groups[0].labels.value("env"), "prod");
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (yaml, expected) in [
            ("static_configs:\n- \n", "line 2, column 3: empty or null section in static_configs"),
            ("file_sd_configs: [{files: [a.txt]}]", "path name \"a.txt\" is not valid for file discovery"),
            ("file_sd_configs: [{files: ['*/a.yml']}]", "path name \"*/a.yml\" is not valid"),
            ("file_sd_configs: [{}]", "must contain at least one path name"),
            (
                "job_name: x\nhetzner_sd_configs:\n  - role: robot\n",
                "line 3, column 3: hetzner_sd_configs: this service discovery is not available yet",
            ),
            (
                "consult_sd_configs: []",
                "field consult_sd_configs not found in type config.ScrapeConfig; did you mean consul_sd_configs?",
            ),
            ("static_configs: [{target: [a]}]", "did you mean targets?"),
        ] {
            let error = decode(yaml).unwrap_err().to_string();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn checking_lists_what_is_not_available_beside_the_rest() {
        let node = Node::parse("dns_sd_configs: [{names: [a]}]\nstatic_configs: [{targets: [a]}]").unwrap();
        let base = PathBase::new(Path::new(""));
        let (config, missing) = Config::check(&node, "config.ScrapeConfig", &base).unwrap();
        assert_eq!((config.sections.len(), missing.len()), (1, 1));
    }
}
