//! Whether the configuration has changed on disk: the files, what they include, and files that have come to
//! match a pattern.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use config::http_client::PathBase;
use config::{Node, glob};

use crate::settings::Settings;

/// Fields of `prometheus.yml` that name further files.
const INCLUDES: [&str; 2] = ["rule_files", "scrape_config_files"];

/// A number that changes with the content of any file that a reload would read. Blocks.
pub(crate) fn fingerprint(settings: &Settings) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [&settings.own_config, &settings.alertmanager_config].into_iter().flatten() {
        add(&mut hasher, path);
    }
    if let Some(path) = &settings.own_config {
        let root = std::fs::read_to_string(path).ok().and_then(|text| Node::parse(&text).ok());
        let labels = root.as_ref().and_then(|root| root.get("alert_labels"));
        for path in
            labels.into_iter().flat_map(|l| rules::AlertLabels::inventories(l, &PathBase::of_file(path)))
        {
            add(&mut hasher, &path);
        }
    }
    if let Some(path) = &settings.prometheus_config {
        let text = add(&mut hasher, path).and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(root) = text.and_then(|text| Node::parse(&text).ok()) {
            let base = PathBase::of_file(path);
            let lists = INCLUDES.iter().filter_map(|name| root.get(name));
            for pattern in lists.filter_map(|list| list.strings().ok()).flatten() {
                for path in glob::expand(&base.join(&pattern)).unwrap_or_default() {
                    add(&mut hasher, &path);
                }
            }
        }
    }
    hasher.finish()
}

fn add(hasher: &mut DefaultHasher, path: &Path) -> Option<Vec<u8>> {
    path.hash(hasher);
    let content = std::fs::read(path).ok();
    content.hash(hasher);
    content
}

#[cfg(test)]
mod tests {
    use crate::settings::Mode;

    use super::*;

    #[test]
    fn a_change_of_any_file_shows() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("prometheus.yml", "rule_files: ['*.rules']\nscrape_config_files: [jobs.yml]\n");
        let settings = Settings {
            prometheus_config: Some(directory.path().join("prometheus.yml")),
            ..Settings::new(Mode::Prometheus)
        };
        let mut seen = vec![fingerprint(&settings)];
        assert_eq!(fingerprint(&settings), seen[0], "nothing has changed");
        for (name, text) in [
            ("a.rules", "groups: []"),
            ("a.rules", "groups: [{name: a}]"),
            ("jobs.yml", "scrape_configs: []"),
            ("prometheus.yml", "rule_files: ['*.rules']\nscrape_config_files: [jobs.yml]\n# more\n"),
        ] {
            write(name, text);
            let now = fingerprint(&settings);
            assert!(!seen.contains(&now), "{name}");
            seen.push(now);
        }
        write("other.txt", "x");
        assert_eq!(fingerprint(&settings), seen[4], "a file that nothing names");
    }
}
