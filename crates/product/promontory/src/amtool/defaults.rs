//! Flags that stand in a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::config::Node;

/// Flags by name.
pub(super) struct Defaults(BTreeMap<String, String>);

impl Defaults {
    /// Reads the files that there are; the first one wins.
    pub(super) fn read() -> Result<Defaults, String> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let files = home
            .map(|home| home.join(".config/amtool/config.yml"))
            .into_iter()
            .chain([PathBuf::from("/etc/amtool/config.yml")]);
        let mut flags = BTreeMap::new();
        for file in files {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let pairs = Node::parse(&text)
                .and_then(|node| if node.is_null() { Ok(Vec::new()) } else { node.map(Node::string) });
            let pairs = pairs.map_err(|error| {
                format!("could not load config file: {}", error.in_file(&file.display().to_string()))
            })?;
            for (name, value) in pairs {
                // What the flag was called once.
                let name = if name == "comment_required" { "require-comment".into() } else { name };
                flags.entry(name).or_insert(value);
            }
        }
        Ok(Defaults(flags))
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}
