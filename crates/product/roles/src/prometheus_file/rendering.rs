//! The configuration in force, as YAML that may be shown.

use base::units::format_duration_ms;
use config::yaml::{Node, Value};
use scrape::GlobalConfig;

use super::ScrapeJob;

pub(super) fn render(root: &Node, global: &GlobalConfig, jobs: &[ScrapeJob]) -> String {
    let mut root = root.clone();
    if root.is_null() {
        root.value = Value::Mapping(Vec::new());
    }
    if let Value::Mapping(entries) = &mut root.value
        && !entries.iter().any(|(key, _)| is_key(key, "global"))
    {
        entries.insert(0, (scalar("global"), Node { value: Value::Null, position: root.position }));
    }
    if let Some(section) = find(&mut root, "global") {
        fill(
            section,
            [
                ("scrape_interval", format_duration_ms(global.scrape_interval_ms)),
                ("scrape_timeout", format_duration_ms(global.scrape_timeout_ms)),
                ("evaluation_interval", format_duration_ms(global.evaluation_interval_ms)),
            ],
        );
    }
    if let Some(list) = find(&mut root, "scrape_configs")
        && let Value::Sequence(items) = &mut list.value
    {
        // Jobs of the file itself come first.
        for (item, job) in items.iter_mut().zip(jobs) {
            let config = &job.config;
            fill(
                item,
                [
                    ("honor_timestamps", config.honor_timestamps.to_string()),
                    ("scrape_interval", format_duration_ms(config.interval_ms)),
                    ("scrape_timeout", format_duration_ms(config.timeout_ms)),
                    ("metrics_path", config.metrics_path.clone()),
                    ("scheme", config.scheme.clone()),
                    ("enable_compression", config.enable_compression.to_string()),
                    ("follow_redirects", config.http.follow_redirects.to_string()),
                    ("enable_http2", config.http.enable_http2.to_string()),
                ],
            );
        }
    }
    config::render::render(&root)
}

fn scalar(text: &str) -> Node {
    Node {
        value: Value::Scalar { text: text.to_string(), plain: true },
        position: config::Position::default(),
    }
}

fn is_key(key: &Node, name: &str) -> bool {
    matches!(&key.value, Value::Scalar { text, .. } if text == name)
}

fn find<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let Value::Mapping(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|(key, _)| is_key(key, name)).map(|(_, value)| value)
}

/// Sets what the mapping leaves out or empty.
fn fill<const N: usize>(node: &mut Node, pairs: [(&str, String); N]) {
    if node.is_null() {
        node.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(entries) = &mut node.value else { return };
    for (name, text) in pairs {
        match entries.iter_mut().find(|(key, _)| is_key(key, name)) {
            Some((_, value)) if value.is_null() => *value = scalar(&text),
            Some(_) => {}
            None => entries.push((scalar(name), scalar(&text))),
        }
    }
}
