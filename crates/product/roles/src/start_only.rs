//! What of a `promontory.yml` counts at the start alone, and whether it has changed since: a reload says so, rather than
//! to leave people waiting for what does not come.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use config::Node;
use config::yaml::Value;

/// Keys whose values are read at the start alone; a dot leads into a section whose other keys are read again.
const KEYS: [&str; 15] = [
    "listen",
    "web_config_file",
    "allow_unauthenticated",
    "admin_api",
    "data_dir",
    "external_url",
    "webhook_url",
    "prometheus_config",
    "alertmanager_config",
    "pushgateway",
    "alert_trail",
    "state",
    "dashboards",
    "data_sources.secrets_key_file",
    "machine",
];

/// What a file says under those keys, as numbers that differ when it does: some of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOnly(BTreeMap<&'static str, u64>);

impl StartOnly {
    /// What a file says.
    pub(crate) fn of(root: &Node) -> StartOnly {
        let value = |key: &str| key.split('.').try_fold(root, |node, part| node.get(part));
        let said = KEYS.into_iter().filter_map(|key| {
            let mut hasher = DefaultHasher::new();
            add(&mut hasher, value(key).filter(|node| !node.is_null())?);
            Some((key, hasher.finish()))
        });
        StartOnly(said.collect())
    }

    /// The keys whose values are others now than they were.
    pub(crate) fn changed<'a>(&'a self, now: &'a StartOnly) -> impl Iterator<Item = &'static str> + 'a {
        KEYS.into_iter().filter(|key| self.0.get(key) != now.0.get(key))
    }
}

/// Adds a node, wherever it stands.
fn add(hasher: &mut DefaultHasher, node: &Node) {
    match &node.value {
        Value::Null => 0.hash(hasher),
        Value::Scalar { text, plain } => (1, text, plain).hash(hasher),
        Value::Binary(bytes) => (2, bytes).hash(hasher),
        Value::Sequence(items) => {
            (3, items.len()).hash(hasher);
            items.iter().for_each(|item| add(hasher, item));
        }
        Value::Mapping(pairs) => {
            (4, pairs.len()).hash(hasher);
            pairs.iter().for_each(|(key, value)| [key, value].into_iter().for_each(|node| add(hasher, node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_at_the_start_alone_is_told_from_what_is_read_again_and_from_what_only_moved() {
        let read = |text: &str| StartOnly::of(&Node::parse(text).unwrap());
        let before =
            read("listen: :9090\nauth: {require_login: true}\ndata_sources: {secrets_key_file: a}\n");
        let moved =
            read("# more\nauth: {}\ndata_sources: {user_header: X, secrets_key_file: a}\nlisten:   :9090\n");
        assert_eq!(before.changed(&moved).count(), 0);
        let now = read("listen: :9091\nmachine: {watch: false}\n");
        assert_eq!(
            before.changed(&now).collect::<Vec<_>>(),
            ["listen", "data_sources.secrets_key_file", "machine"]
        );
    }
}
