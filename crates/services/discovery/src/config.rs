//! The sections of a job that say where its targets are.

use std::path::PathBuf;

use ::config::http_client::PathBase;
use ::config::{Error, Node, Result};
use model::TargetGroup;

use crate::group;
use crate::kinds::{self, Settings};

/// How often files are read again although they look unchanged, unless configured.
const FILE_REFRESH_DEFAULT_MS: i64 = 5 * 60_000;

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
    /// Targets that a server of some kind names.
    Kind(Box<Settings>),
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
        for kind in kinds::all() {
            let Some(list) = fields.take(kind.name) else { continue };
            let found = entries(list, kind.name, |entry| kind.decode(entry, base))?;
            not_available.extend(found.iter().filter_map(Settings::not_available).map(|why| list.error(why)));
            config.sections.extend(found.into_iter().map(|settings| Section::Kind(Box::new(settings))));
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
    fn servers_are_asked_with_the_clients_settings_of_their_section() {
        let config =
            decode("http_sd_configs: [{url: 'https://example.com/sd', basic_auth: {username: u}}]").unwrap();
        let [Section::Kind(http)] = &config.sections[..] else { panic!("{config:?}") };
        assert_eq!((http.text("url"), http.refresh_interval().as_secs()), ("https://example.com/sd", 60));
        assert_ne!(http.http, ::config::HttpClientConfig::default());
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (yaml, expected) in [
            ("static_configs:\n- \n", "line 2, column 3: empty or null section in static_configs"),
            ("file_sd_configs: [{files: [a.txt]}]", "path name \"a.txt\" is not valid for file discovery"),
            ("file_sd_configs: [{files: ['*/a.yml']}]", "path name \"*/a.yml\" is not valid"),
            ("http_sd_configs: [{}]", "URL is missing"),
            ("http_sd_configs:\n- url: ftp://x\n", "line 2, column 8: URL scheme must be 'http' or 'https'"),
            ("http_sd_configs: [{url: 'http://'}]", "host is missing in URL"),
            ("file_sd_configs: [{}]", "must contain at least one path name"),
            (
                "job_name: x\noci_sd_configs:\n  - {region: x, auth: instance_principal}\n",
                "line 3, column 3: oci_sd: auth instance_principal is not available yet",
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
        let node = Node::parse(
            "oci_sd_configs: [{region: a, auth: instance_principal}]\nstatic_configs: [{targets: [a]}]",
        )
        .unwrap();
        let base = PathBase::new(Path::new(""));
        let (config, missing) = Config::check(&node, "config.ScrapeConfig", &base).unwrap();
        assert_eq!((config.sections.len(), missing.len()), (2, 1));
    }
}
