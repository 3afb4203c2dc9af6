//! Files of dashboards, looked at again and again.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::providers::{self, INTERVAL_DEFAULT_MS, Provider};
use super::{Given, GivenFolder, PROBLEMS_MAX, PROVIDED_MAX, PROVIDED_SIZE_MAX_BYTES, Problem};
use crate::reading::DASHBOARD_SIZE_MAX_BYTES;

/// How deep folders are looked into.
const DEPTH_MAX: usize = 16;
/// Entries of folders that one scan looks at, for each provider.
const ENTRIES_MAX: usize = 50_000;
/// The source that only tells what is wrong with provider files.
const FILES_OF_PROVIDERS: &str = "provisioning";

/// What a provider brings now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) source: String,
    pub(crate) keeps_deleted: bool,
    pub(crate) given: Vec<Given>,
    pub(crate) problems: Vec<Problem>,
}

/// By what it is seen that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    inode: u64,
    changed: (i64, i64),
    written: (i64, i64),
}

/// Looks at files, and reads those that have changed.
pub(crate) struct Scanner {
    fixed: Vec<Provider>,
    dirs: Vec<PathBuf>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    texts: HashMap<PathBuf, (Stamp, Arc<str>)>,
    /// Sources that brought something at the last scan.
    sources: Vec<String>,
    interval_ms: i64,
}

impl Scanner {
    /// Looks at the files of these providers, and of those that provider files in these folders name.
    pub(crate) fn new(fixed: Vec<Provider>, dirs: Vec<PathBuf>) -> Scanner {
        Scanner { fixed, dirs, known: Arc::default() }
    }

    /// How long to wait before the next scan.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.known.lock().interval_ms.clamp(1_000, INTERVAL_DEFAULT_MS).unsigned_abs())
    }

    /// What all providers bring now.
    pub(crate) async fn scan(&self) -> Vec<Found> {
        let (fixed, dirs, known) = (self.fixed.clone(), self.dirs.clone(), self.known.clone());
        tokio::task::spawn_blocking(move || scan(fixed, &dirs, &mut known.lock())).await.unwrap_or_default()
    }
}

fn scan(mut providers: Vec<Provider>, dirs: &[PathBuf], known: &mut Known) -> Vec<Found> {
    let mut of_files = Found { source: FILES_OF_PROVIDERS.into(), ..Found::default() };
    for dir in dirs {
        let (found, problems) = providers::read_dir(dir);
        providers.extend(found);
        of_files.problems.extend(problems);
    }
    known.interval_ms =
        providers.iter().map(|provider| provider.interval_ms).min().unwrap_or(INTERVAL_DEFAULT_MS);
    let mut seen = HashSet::new();
    let mut all: Vec<Found> =
        providers.iter().map(|provider| look(provider, &mut known.texts, &mut seen)).collect();
    known.texts.retain(|path, _| seen.contains(path));
    if !of_files.problems.is_empty() || known.sources.iter().any(|source| source == FILES_OF_PROVIDERS) {
        all.push(of_files);
    }
    let now: Vec<String> = all.iter().map(|found| found.source.clone()).collect();
    for source in std::mem::replace(&mut known.sources, now) {
        if !known.sources.contains(&source) {
            all.push(Found { source, ..Found::default() });
        }
    }
    all
}

fn look(
    provider: &Provider,
    texts: &mut HashMap<PathBuf, (Stamp, Arc<str>)>,
    seen: &mut HashSet<PathBuf>,
) -> Found {
    let mut found =
        Found { source: provider.name.clone(), keeps_deleted: provider.keeps_deleted, ..Found::default() };
    let mut files = Vec::new();
    let mut entries = 0;
    collect(&provider.path, 0, &mut entries, &mut files, &mut found.problems);
    files.sort();
    let mut size_bytes = 0;
    for path in files.into_iter().take(PROVIDED_MAX) {
        match read(&path, texts) {
            Ok((text, changed_ms)) => {
                size_bytes += text.len();
                if size_bytes > PROVIDED_SIZE_MAX_BYTES {
                    let message =
                        format!("left out: all together are larger than {PROVIDED_SIZE_MAX_BYTES} bytes");
                    found.problems.push(Problem::new(path.display().to_string(), message));
                    break;
                }
                found.given.push(Given {
                    name: path.display().to_string(),
                    folder: folder_of(provider, &path),
                    text,
                    is_editable: provider.is_editable,
                    changed_ms,
                });
                seen.insert(path);
            }
            Err(message) => {
                let name = path.display().to_string();
                // What was read before stays known, so that the last good one can stand.
                if let Some((_, text)) = texts.get(&path) {
                    let (text, changed_ms) = (text.clone(), 0);
                    let folder = folder_of(provider, &path);
                    let is_editable = provider.is_editable;
                    found.given.push(Given { name: name.clone(), folder, text, is_editable, changed_ms });
                    seen.insert(path);
                }
                found.problems.push(Problem::new(name, message));
            }
        }
        if found.problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    found
}

/// Files with dashboards in a folder. What is hidden is left out: Kubernetes keeps the versions of mounted
/// ConfigMaps there.
fn collect(
    path: &Path,
    depth: usize,
    entries: &mut usize,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) {
    let shown = || path.display().to_string();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            problems.push(Problem::new(shown(), format!("cannot be read: {error}")));
            return;
        }
    };
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if metadata.is_file() {
        if is_json || depth == 0 {
            files.push(path.to_path_buf());
        }
        return;
    }
    if !metadata.is_dir() {
        return;
    }
    if depth > DEPTH_MAX {
        problems.push(Problem::new(shown(), format!("left out: folders are looked into {DEPTH_MAX} deep")));
        return;
    }
    let list = match std::fs::read_dir(path) {
        Ok(list) => list,
        Err(error) => {
            problems.push(Problem::new(shown(), format!("cannot be read: {error}")));
            return;
        }
    };
    for entry in list.flatten() {
        *entries += 1;
        if *entries > ENTRIES_MAX || problems.len() >= PROBLEMS_MAX {
            return;
        }
        if !entry.file_name().to_string_lossy().starts_with('.') {
            collect(&entry.path(), depth + 1, entries, files, problems);
        }
    }
}

/// The text of a file and when it was written, if it can be used.
fn read(path: &Path, texts: &mut HashMap<PathBuf, (Stamp, Arc<str>)>) -> Result<(Arc<str>, i64), String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    let stamp = Stamp {
        size_bytes: metadata.len(),
        inode: metadata.ino(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        written: (metadata.mtime(), metadata.mtime_nsec()),
    };
    let written_ms = metadata.mtime().saturating_mul(1_000) + metadata.mtime_nsec() / 1_000_000;
    if let Some((known, text)) = texts.get(path)
        && *known == stamp
    {
        return Ok((text.clone(), written_ms));
    }
    if metadata.len() > DASHBOARD_SIZE_MAX_BYTES as u64 {
        return Err(format!("larger than the {DASHBOARD_SIZE_MAX_BYTES} bytes that a dashboard may have"));
    }
    let text: Arc<str> = std::fs::read_to_string(path).map_err(cannot)?.into();
    texts.insert(path.to_path_buf(), (stamp, text.clone()));
    Ok((text, written_ms))
}

/// The folder of dashboards that a file belongs to.
fn folder_of(provider: &Provider, path: &Path) -> GivenFolder {
    if !provider.folders_from_files {
        return provider.folder.clone();
    }
    let inside = path.strip_prefix(&provider.path).ok().and_then(Path::parent);
    let parts = inside.into_iter().flat_map(Path::components);
    GivenFolder {
        uid: None,
        titles: parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_folders_and_hidden_ones_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a.json", "A");
        write("Ops/Disks/b.json", "B");
        write("..data/a.json", "A");
        write("notes.txt", "no");
        let provider = Provider { folders_from_files: true, ..Provider::new("p", dir.path(), "") };
        let mut known = Known::default();
        let found = scan(vec![provider.clone()], &[], &mut known);
        let named: Vec<(String, Vec<String>)> = found[0]
            .given
            .iter()
            .map(|given| (given.text.to_string(), given.folder.titles.clone()))
            .collect();
        assert_eq!(named, [("B".into(), vec!["Ops".into(), "Disks".into()]), ("A".into(), vec![])]);
        assert_eq!(found[0].problems, []);

        // Same length and, it may be, the same second.
        std::fs::remove_file(dir.path().join("a.json")).unwrap();
        write("a.json", "C");
        let found = scan(vec![provider], &[], &mut known);
        assert_eq!(found[0].given.last().unwrap().text.as_ref(), "C");
        let found = scan(Vec::new(), &[], &mut known);
        assert_eq!((found[0].source.as_str(), found[0].given.len()), ("p", 0), "a provider that is gone");
        assert!(known.texts.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.json"), [0xff, 0xfe]).unwrap();
        let providers =
            vec![Provider::new("p", dir.path(), ""), Provider::new("q", dir.path().join("none"), "")];
        let found = scan(providers, &[dir.path().join("nowhere")], &mut Known::default());
        let problems: Vec<String> =
            found.iter().flat_map(|found| &found.problems).map(ToString::to_string).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("x.json: cannot be read"), "{problems:?}");
        assert!(problems[1].contains("none: cannot be read: No such file"), "{problems:?}");
        assert!(problems[2].contains("nowhere"), "{problems:?}");
    }
}
