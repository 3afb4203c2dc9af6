//! What comes from outside: licences and versions, by the lists of `deny.toml`, so that they are
//! checked on machines that do not have cargo-deny.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Checks all crates that a build for Linux uses; one line for each finding.
pub fn check(root: &Path) -> Vec<String> {
    match findings(root) {
        Ok(found) => found,
        Err(message) => vec![message],
    }
}

fn findings(root: &Path) -> Result<Vec<String>, String> {
    let lists = fs::read_to_string(root.join("deny.toml")).map_err(|error| format!("deny.toml: {error}"))?;
    let allowed = quoted_in(&lists, "allow = [");
    let banned = crates_in(&lists, "deny = [");
    let skipped = crates_in(&lists, "skip = [");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let used: BTreeSet<&str> =
        items(&metadata["resolve"]["nodes"]).iter().filter_map(|node| node["id"].as_str()).collect();
    let mut found = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in items(&metadata["packages"]) {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        if !used.contains(text("id")) || package["source"].is_null() {
            continue;
        }
        let (name, licence) = (text("name"), text("license"));
        if !skipped.contains(&format!("{name}@{}", text("version"))) {
            versions.entry(name).or_default().insert(text("version"));
        }
        if !is_allowed(licence, &allowed) {
            found.push(format!("{name}: its licence {licence:?} is not among those that deny.toml allows"));
        }
        if banned.contains(name) {
            found.push(format!("{name} is banned; deny.toml says why"));
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let list: Vec<&str> = versions.iter().copied().collect();
        found.push(format!(
            "{name} is there in {} versions ({}): one is enough",
            list.len(),
            list.join(", ")
        ));
    }
    Ok(found)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The crates of the list that begins so, one a line.
fn crates_in(text: &str, start: &str) -> BTreeSet<String> {
    let list =
        text.lines().skip_while(|line| !line.starts_with(start)).take_while(|line| !line.starts_with(']'));
    list.filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split_once('"'))
        .map(|(name, _)| name.to_string())
        .collect()
}

/// The texts in quotes on the line that begins so.
fn quoted_in(text: &str, start: &str) -> BTreeSet<String> {
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or("");
    line.split('"').skip(1).step_by(2).map(str::to_string).collect()
}

/// Whether a licence expression can be met: one side of an `OR`, all sides of an `AND`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").any(|side| side.split(" AND ").all(|one| allowed.contains(one.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_apart() {
        let text = "skip = [\n    { crate = \"a@1.0.0\", reason = \"x\" },\n]\ndeny = [\n    { crate = \"b\", reason = \"y\" },\n]\n";
        assert_eq!(crates_in(text, "skip = ["), BTreeSet::from(["a@1.0.0".to_string()]));
        assert_eq!(crates_in(text, "deny = ["), BTreeSet::from(["b".to_string()]));
    }

    #[test]
    fn an_expression_needs_one_side_of_or_and_all_of_and() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(String::from).into();
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0 OR MIT", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
