//! Grafana's files that say where provisioned dashboards are: `provisioning/dashboards/*.yaml`.

use std::path::{Path, PathBuf};

use config::Node;
use config::http_client::PathBase;

use super::expand::expand;
use super::{GivenFolder, Problem};

/// Provider files that one folder may have.
const FILES_MAX: usize = 200;
/// Providers in all.
const PROVIDERS_MAX: usize = 500;
/// The largest provider file.
const FILE_SIZE_MAX_BYTES: u64 = 1 << 20;
/// How often files are looked at unless it is said.
pub const INTERVAL_DEFAULT_MS: i64 = 10_000;

/// A folder of files with dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What it is called.
    pub name: String,
    /// A folder, or a single file.
    pub path: PathBuf,
    /// The folder that its dashboards are in.
    pub folder: GivenFolder,
    /// Whether folders of files become folders of dashboards.
    pub folders_from_files: bool,
    /// Whether people may change its dashboards.
    pub is_editable: bool,
    /// Whether dashboards stay when their files are removed.
    pub keeps_deleted: bool,
    /// How often its files are looked at, milliseconds.
    pub interval_ms: i64,
}

impl Provider {
    /// A folder of files whose dashboards are in one folder, or in none if the title is empty.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, folder: &str) -> Provider {
        Provider {
            name: name.into(),
            path: path.into(),
            folder: GivenFolder::titled(folder),
            folders_from_files: false,
            is_editable: false,
            keeps_deleted: false,
            interval_ms: INTERVAL_DEFAULT_MS,
        }
    }
}

/// Reads the provider files of a folder, or of `dashboards` in it. Blocks.
pub fn read_dir(dir: &Path) -> (Vec<Provider>, Vec<Problem>) {
    let mut providers = Vec::<Provider>::new();
    let problems = read_each(dir, "dashboards", |file, text, problems| {
        for provider in parse(text, &PathBase::of_file(file))? {
            if providers.iter().any(|known| known.name == provider.name) {
                let message = format!("there is a provider {:?} already", provider.name);
                problems.push(Problem::new(file.display().to_string(), message));
            } else if providers.len() < PROVIDERS_MAX {
                providers.push(provider);
            }
        }
        Ok(())
    });
    (providers, problems)
}

/// Reads the YAML files of a folder, or of the folder `inner` in it, by name. Blocks.
pub(crate) fn read_each(
    dir: &Path,
    inner: &str,
    mut read: impl FnMut(&Path, &str, &mut Vec<Problem>) -> config::Result<()>,
) -> Vec<Problem> {
    let inner = dir.join(inner);
    let dir = if inner.is_dir() { inner.as_path() } else { dir };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            return vec![Problem::new(dir.display().to_string(), format!("cannot be read: {error}"))];
        }
    };
    let mut files: Vec<PathBuf> = entries
        .take(FILES_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"))
        .collect();
    files.sort();
    let mut problems = Vec::new();
    for file in files {
        let done = read_file(&file).and_then(|text| read(&file, &text, &mut problems));
        if let Err(error) = done {
            problems.push(Problem {
                name: file.display().to_string(),
                line: error.position.map(|at| at.line),
                column: error.position.map(|at| at.column),
                message: error.message,
            });
        }
    }
    problems
}

fn read_file(path: &Path) -> Result<String, config::Error> {
    let cannot = |error: std::io::Error| config::Error::new(format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(cannot)?.len() > FILE_SIZE_MAX_BYTES {
        return Err(config::Error::new(format!("larger than {FILE_SIZE_MAX_BYTES} bytes")));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

/// Reads one provider file. Fields that we do not know are left alone, as Grafana does.
pub fn parse(text: &str, base: &PathBase) -> config::Result<Vec<Provider>> {
    let root = Node::parse(text)?;
    let Some(list) = root.get("providers") else { return Ok(Vec::new()) };
    if list.is_null() {
        return Ok(Vec::new());
    }
    list.list(|node| provider(node, base))
}

fn provider(node: &Node, base: &PathBase) -> config::Result<Provider> {
    let text = |node: Option<&Node>| match node.filter(|node| !node.is_null()) {
        Some(node) => expand(&node.string()?).map_err(|message| node.error(message)),
        None => Ok(String::new()),
    };
    let boolean = |node: Option<&Node>| match node.filter(|node| !node.is_null()) {
        Some(node) => node.boolean(),
        None => Ok(false),
    };
    let options = node.get("options");
    let option = |name: &str| options.and_then(|options| options.get(name));
    let kind = text(node.get("type"))?;
    if !kind.is_empty() && kind != "file" {
        return Err(node.error(format!("expected a provider of type file, found {kind:?}")));
    }
    let path = match text(option("path"))? {
        path if path.is_empty() => text(option("folder"))?,
        path => path,
    };
    if path.is_empty() {
        return Err(node.error("a provider needs a path in its options"));
    }
    let name = match text(node.get("name"))? {
        name if name.is_empty() => path.clone(),
        name => name,
    };
    let folders_from_files = boolean(option("foldersFromFilesStructure"))?;
    let (title, uid) = (text(node.get("folder"))?, text(node.get("folderUid"))?);
    if folders_from_files && !(title.is_empty() && uid.is_empty()) {
        return Err(
            node.error("foldersFromFilesStructure takes folders from files, so there must be no folder")
        );
    }
    let mut folder = GivenFolder::titled(&title);
    if !uid.is_empty() && !folder.titles.is_empty() {
        folder.uid = Some(uid);
    }
    let seconds = match node.get("updateIntervalSeconds").filter(|node| !node.is_null()) {
        Some(node) => node.integer()?,
        None => 0,
    };
    Ok(Provider {
        name,
        path: base.join(&path),
        folder,
        folders_from_files,
        is_editable: boolean(node.get("allowUiUpdates"))?,
        keeps_deleted: boolean(node.get("disableDeletion"))?,
        interval_ms: if seconds > 0 { seconds.min(86_400) * 1_000 } else { INTERVAL_DEFAULT_MS },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grafanas_files_are_read_as_they_are() {
        let text = r"
apiVersion: 1
providers:
  - name: 'a'
    orgId: 1
    folder: 'Ops'
    folderUid: 'ops'
    type: file
    disableDeletion: true
    updateIntervalSeconds: 30
    allowUiUpdates: true
    options: {path: /var/lib/a}
  - name: b
    options:
      path: relative
      foldersFromFilesStructure: true
";
        let found = parse(text, &PathBase::new(Path::new("/etc/p"))).unwrap();
        assert_eq!(
            found[0],
            Provider {
                folder: GivenFolder { uid: Some("ops".into()), titles: vec!["Ops".into()] },
                is_editable: true,
                keeps_deleted: true,
                interval_ms: 30_000,
                ..Provider::new("a", "/var/lib/a", "")
            }
        );
        assert_eq!(
            found[1],
            Provider { folders_from_files: true, ..Provider::new("b", "/etc/p/relative", "") }
        );
        let error = parse("providers:\n  - name: a\n", &PathBase::new(Path::new("/"))).unwrap_err();
        assert!(error.to_string().contains("needs a path"), "{error}");
    }
}
