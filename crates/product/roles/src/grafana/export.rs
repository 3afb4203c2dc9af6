//! `promontory export dashboards`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Api, Endpoint, Lines, block_on, escaped, text};

/// The longest name made of a title: file systems take 255 bytes, and an identifier and an ending may follow.
const NAME_SIZE_MAX_BYTES: usize = 200;

/// Writes all dashboards of a server to files, in folders like those they are in: a folder that `--dashboards`
/// takes.
pub fn export(from: &Endpoint, dir: &Path, say: &mut Lines<'_>) -> Result<(), String> {
    block_on(run(from, dir, say))
}

async fn run(from: &Endpoint, dir: &Path, say: &mut Lines<'_>) -> Result<(), String> {
    let api = Api::new(from)?;
    let folders = api.search("type=dash-folder").await?;
    let found = api.search("type=dash-db").await?;
    let mut written: HashSet<PathBuf> = HashSet::new();
    for hit in &found {
        let uid = text(hit, "uid");
        let read = api.get(&format!("/api/dashboards/uid/{}", escaped(uid))).await?;
        let mut dashboard = read.get("dashboard").cloned().unwrap_or(Value::Null);
        let is_v2 = dashboard.get("elements").is_some();
        if let Some(fields) = dashboard.as_object_mut() {
            // These are of the server, and would differ each time.
            fields.remove("id");
            if !is_v2 {
                fields.remove("version");
            }
        }
        if is_v2 {
            let version = read.pointer("/meta/apiVersion").and_then(Value::as_str).unwrap_or("v2");
            dashboard = serde_json::json!({
                "apiVersion": format!("dashboard.grafana.app/{version}"), "kind": "Dashboard",
                "metadata": {"name": uid}, "spec": dashboard,
            });
        }
        let mut path = dir.to_path_buf();
        path.extend(place(&folders, text(hit, "folderUid")));
        let name = file_name(text(hit, "title"));
        let mut file = path.join(format!("{name}.json"));
        if !written.insert(file.clone()) {
            file = path.join(format!("{name}-{}.json", file_name(uid)));
            written.insert(file.clone());
        }
        let cannot = |error: std::io::Error| format!("{}: {error}", file.display());
        std::fs::create_dir_all(&path).map_err(cannot)?;
        let text = serde_json::to_string_pretty(&dashboard).map_err(|error| error.to_string())?;
        std::fs::write(&file, text + "\n").map_err(cannot)?;
    }
    say(format!("{} dashboards written to {}", found.len(), dir.display()));
    Ok(())
}

/// The folders that a folder is in, from the outside to itself.
fn place(folders: &[Value], uid: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut next = uid;
    while let Some(folder) = folders.iter().find(|folder| !next.is_empty() && text(folder, "uid") == next) {
        parts.push(file_name(text(folder, "title")));
        next = text(folder, "folderUid");
        if parts.len() > 16 {
            break;
        }
    }
    parts.reverse();
    parts
}

/// A title as a name of a file: nothing in it leads elsewhere.
fn file_name(title: &str) -> String {
    let mut name: String = title
        .chars()
        .map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '-' } else { c })
        .take(100)
        .collect();
    name.truncate(name.floor_char_boundary(NAME_SIZE_MAX_BYTES));
    let name = name.trim().trim_start_matches('.').to_string();
    if name.is_empty() { "dashboard".into() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_stand_in_folders_like_theirs_and_nowhere_else() {
        let folders =
            [json!({"uid": "a", "title": "A/../b"}), json!({"uid": "c", "title": "..", "folderUid": "a"})];
        assert_eq!(place(&folders, "c"), ["A-..-b", "dashboard"]);
        assert!(place(&folders, "").is_empty());
        assert_eq!(file_name("Node: disks / room"), "Node- disks - room");
        assert!(file_name(&"日".repeat(300)).len() <= NAME_SIZE_MAX_BYTES, "file systems count bytes");
    }
}
