//! The rules of the house, each with its reason in what it says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a file, tests apart.
const FILE_LINES_MAX: usize = 800;

/// Floors, lowest first. `dev` stands beside them.
const FLOORS: [&str; 5] = ["vocabulary", "kits", "engines", "services", "product"];

/// One home each: what may be named only in one crate, and why.
const HOMES: [(&[&str], &str, &str); 6] = [
    (
        &["SystemTime::now(", "Instant::now("],
        "vocabulary/base",
        "time comes from base::clock, so that a test can turn it",
    ),
    (
        &["saphyr_parser::", "serde_saphyr::"],
        "kits/config",
        "YAML is read by the config crate, which keeps positions",
    ),
    (&["rusqlite::", "sqlx::"], "kits/state", "SQL lives in the state crate"),
    (&["object_store::"], "kits/bucket", "object storage lives in the bucket crate"),
    (&["k8s_openapi::", "kube_runtime::"], "kits/kube", "Kubernetes types live in the kube crate"),
    (&["rustls::"], "kits/net", "TLS lives in the net crate"),
];

struct Crate {
    name: String,
    floor: String,
    folder: PathBuf,
    /// Normal and build dependencies inside the workspace.
    uses: Vec<String>,
}

/// Checks the tree under `root`; one line for each finding.
pub fn check(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let crates = match workspace(root) {
        Ok(crates) => crates,
        Err(message) => return vec![message],
    };
    edges(&crates, &mut found);
    for one in &crates {
        head(one, &mut found);
        for file in rust_files(&one.folder) {
            source(root, one, &file, &mut found);
        }
    }
    architecture(root, &crates, &mut found);
    found.sort();
    found
}

fn workspace(root: &Path) -> Result<Vec<Crate>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let mut crates: Vec<Crate> = packages
        .iter()
        .map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().unwrap_or(Path::new("")).to_path_buf();
            // What measures the product stands at the root, beside the floors.
            let floor = if folder == root.join("benches") {
                Some("dev".to_string())
            } else {
                folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
            };
            let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
            let uses = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                // What stands behind a feature is no part of the product, whose features are few and its own.
                .filter(|dependency| {
                    dependency["optional"] != true || dependency["name"] != "promontory-testkit"
                })
                .map(|dependency| text(&dependency["name"]))
                .collect();
            Crate { name: text(&package["name"]), floor: floor.unwrap_or_default(), folder, uses }
        })
        .collect();
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

fn edges(crates: &[Crate], found: &mut Vec<String>) {
    let by_name: BTreeMap<&str, &Crate> = crates.iter().map(|one| (one.name.as_str(), one)).collect();
    for one in crates.iter().filter(|one| one.floor != "dev") {
        let Some(floor) = FLOORS.iter().position(|floor| *floor == one.floor) else {
            found.push(format!(
                "{}: crates/{} is not a floor; floors are {}",
                one.name,
                one.floor,
                FLOORS.join(", ")
            ));
            continue;
        };
        for used in one.uses.iter().filter_map(|name| by_name.get(name.as_str())) {
            let target = FLOORS.iter().position(|floor| *floor == used.floor);
            match target {
                None => found.push(format!(
                    "{} uses {}: the product does not use tools for developers",
                    one.name, used.name
                )),
                Some(target) if target > floor => found.push(format!(
                    "{} ({}) uses {} ({}): imports go downward only; move what is shared to a lower floor",
                    one.name, one.floor, used.name, used.floor
                )),
                Some(target) if target == floor && one.floor == "services" => found.push(format!(
                    "{} uses {}: services do not know each other; roles wires them through a trait",
                    one.name, used.name
                )),
                Some(target) if target == floor && one.floor == "engines" => found.push(format!(
                    "{} uses {}: engines meet in a contract of the model crate",
                    one.name, used.name
                )),
                Some(_) => {}
            }
        }
    }
}

fn head(one: &Crate, found: &mut Vec<String>) {
    let lib = one.folder.join("src/lib.rs");
    let Ok(text) = fs::read_to_string(&lib) else { return };
    let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    if !head.contains("Owns") || !head.contains("ust not know") {
        found.push(format!(
            "{}: src/lib.rs must open with what the crate owns (\"Owns ...\") and what it must not know (\"Must not know ...\")",
            one.name
        ));
    }
}

fn source(root: &Path, one: &Crate, file: &Path, found: &mut Vec<String>) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let is_test = file
        .components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "examples")));
    if text.starts_with("// @generated") {
        return;
    }
    // Tests stand at the end of a file.
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(&text);
    let lines = code.lines().count();
    if !is_test && lines > FILE_LINES_MAX {
        found.push(format!(
            "{shown}: {lines} lines; split what is more than {FILE_LINES_MAX} by what it is about"
        ));
    }
    if is_test || one.floor == "dev" {
        return;
    }
    let place = format!("{}/{}", one.floor, one.folder.file_name().unwrap_or_default().to_string_lossy());
    for (names, home, reason) in HOMES {
        if place == home {
            continue;
        }
        for (at, line) in code.lines().enumerate() {
            let line_code = line.split("//").next().unwrap_or(line);
            if names.iter().any(|name| line_code.contains(name)) {
                found.push(format!("{shown}:{}: {reason} (only in crates/{home})", at + 1));
            }
        }
    }
}

/// The map names every crate.
fn architecture(root: &Path, crates: &[Crate], found: &mut Vec<String>) {
    let Ok(map) = fs::read_to_string(root.join("ARCHITECTURE.md")) else {
        found.push("ARCHITECTURE.md is missing: it is the map of the house".to_string());
        return;
    };
    for one in crates {
        let folder = one.folder.file_name().unwrap_or_default().to_string_lossy();
        if !map.contains(&format!("`{folder}`")) {
            found.push(format!(
                "ARCHITECTURE.md does not name `{folder}`: the map shows the house as it stands"
            ));
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, floor: &str, uses: &[&str]) -> Crate {
        let uses = uses.iter().map(ToString::to_string).collect();
        Crate {
            name: name.into(),
            floor: floor.into(),
            folder: PathBuf::from(format!("crates/{floor}/{name}")),
            uses,
        }
    }

    #[test]
    fn upward_and_sideways_edges_are_found() {
        let crates = [
            one("model", "vocabulary", &["tsdb"]),
            one("tsdb", "engines", &["model"]),
            one("rules", "services", &["tsdb", "query"]),
            one("query", "services", &["model"]),
            one("roles", "product", &["rules", "query", "xtask"]),
            one("xtask", "dev", &["roles"]),
        ];
        let mut found = Vec::new();
        edges(&crates, &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("model (vocabulary) uses tsdb (engines): imports go downward only"));
        assert!(found[1].starts_with("rules uses query: services do not know each other"));
        assert!(found[2].starts_with("roles uses xtask"));
    }
}
