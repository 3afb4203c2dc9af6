//! `rule_files`: which files there are, and what stands in them.

use std::path::{Path, PathBuf};

use config::http_client::PathBase;
use config::{Error, Node, Result, glob};
use promql::Features;
use rules::GroupSpec;
use rules::file::Defaults;

use super::read_text;

/// The files that the list names.
#[derive(Default)]
pub(super) struct Named {
    pub(super) files: Vec<PathBuf>,
    pub(super) missing: Vec<Error>,
}

pub(super) fn named(list: &Node, base: &PathBase) -> Result<Named> {
    let mut named = Named::default();
    list.list(|item| {
        let pattern = item.string()?;
        if !has_wildcards_last(&pattern) {
            return Err(item.error(format!(
                "invalid rule file path {pattern:?}: only the last part of a path may have a wildcard"
            )));
        }
        let paths = glob::expand(&base.join(&pattern))
            .map_err(|error| item.error(format!("{pattern:?}: {error}")))?;
        for path in paths {
            if !glob::is_pattern(&pattern) && !path.exists() {
                let name = path.display().to_string();
                named.missing.push(item.error(format!("{name:?} does not point to an existing file")));
            } else if !named.files.contains(&path) {
                named.files.push(path);
            }
        }
        Ok(())
    })?;
    Ok(named)
}

/// Whether wildcards stand in the last part of the path only.
fn has_wildcards_last(pattern: &str) -> bool {
    pattern.find('*').is_none_or(|at| !pattern[at..].contains('/'))
}

/// Reads and checks one file.
pub(crate) fn read(
    path: &Path,
    defaults: Defaults,
    features: &Features,
) -> std::result::Result<Vec<GroupSpec>, Vec<Error>> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| vec![error.in_file(&name)])?;
    rules::parse_file(&name, &text, defaults, features)
}
