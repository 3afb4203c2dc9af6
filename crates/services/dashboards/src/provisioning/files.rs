//! Files of dashboards, looked at again and again.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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
    /// Beside what is known, which is held for as long as slow disks take.
    interval_ms: Arc<AtomicI64>,
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
        Scanner { fixed, dirs, known: Arc::default(), interval_ms: Arc::default() }
    }

    /// How long to wait before the next scan.
    pub(crate) fn interval(&self) -> Duration {
        let interval_ms = self.interval_ms.load(Ordering::Relaxed);
        Duration::from_millis(interval_ms.clamp(1_000, INTERVAL_DEFAULT_MS).unsigned_abs())
    }

    /// What all providers bring now.
    pub(crate) async fn scan(&self) -> Vec<Found> {
        let (fixed, dirs, known) = (self.fixed.clone(), self.dirs.clone(), self.known.clone());
        let interval_ms = self.interval_ms.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut known = known.lock();
            let found = scan(fixed, &dirs, &mut known);
            interval_ms.store(known.interval_ms, Ordering::Relaxed);
            found
        });
        found.await.unwrap_or_default()
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
    let mut walk = Walk::default();
    collect(&provider.path, 0, &mut walk);
    let Walk { mut files, unreadable, mut problems, .. } = walk;
    // What cannot be looked into now has lost nothing: what was read there before stands.
    files.extend(texts.keys().filter(|path| unreadable.iter().any(|place| path.starts_with(place))).cloned());
    files.sort();
    files.dedup();
    if files.len() > PROVIDED_MAX {
        let name = provider.path.display().to_string();
        problems
            .insert(0, Problem::new(name, format!("all but the first {PROVIDED_MAX} files are left out")));
    }
    let mut size_bytes = 0;
    for path in files.into_iter().take(PROVIDED_MAX) {
        match read(&path, texts) {
            Ok((text, changed_ms)) => {
                size_bytes += text.len();
                if size_bytes > PROVIDED_SIZE_MAX_BYTES {
                    let message =
                        format!("left out: all together are larger than {PROVIDED_SIZE_MAX_BYTES} bytes");
                    problems.insert(0, Problem::new(path.display().to_string(), message));
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
                if problems.len() < PROBLEMS_MAX {
                    problems.push(Problem::new(name, message));
                }
            }
        }
    }
    found.problems = problems;
    found
}

/// What is found in a folder.
#[derive(Default)]
struct Walk {
    entries: usize,
    files: Vec<PathBuf>,
    /// Folders and files that are there, or should be, and cannot be looked at.
    unreadable: Vec<PathBuf>,
    problems: Vec<Problem>,
}

impl Walk {
    fn tell(&mut self, path: &Path, message: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem::new(path.display().to_string(), message));
        }
    }
}

/// Files with dashboards in a folder. What is hidden is left out: Kubernetes keeps the versions of mounted
/// ConfigMaps there.
fn collect(path: &Path, depth: usize, walk: &mut Walk) {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            // What was removed while the folder was read is gone; a provider's own folder ought to be there.
            if depth == 0 || error.kind() != std::io::ErrorKind::NotFound {
                walk.unreadable.push(path.to_path_buf());
            }
            walk.tell(path, format!("cannot be read: {error}"));
            return;
        }
    };
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if metadata.is_file() {
        if is_json || depth == 0 {
            walk.files.push(path.to_path_buf());
        }
        return;
    }
    if !metadata.is_dir() {
        return;
    }
    if depth > DEPTH_MAX {
        walk.tell(path, format!("left out: folders are looked into {DEPTH_MAX} deep"));
        return;
    }
    let list = match std::fs::read_dir(path) {
        Ok(list) => list,
        Err(error) => {
            walk.unreadable.push(path.to_path_buf());
            walk.tell(path, format!("cannot be read: {error}"));
            return;
        }
    };
    for entry in list.flatten() {
        if walk.entries >= ENTRIES_MAX {
            walk.tell(path, format!("left out in part: {ENTRIES_MAX} entries of folders are looked at"));
            return;
        }
        walk.entries += 1;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            collect(&entry.path(), depth + 1, walk);
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
    fn a_folder_that_is_away_keeps_what_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let (boards, away) = (dir.path().join("boards"), dir.path().join("away"));
        std::fs::create_dir_all(boards.join("a")).unwrap();
        std::fs::write(boards.join("a/x.json"), "X").unwrap();
        let provider = Provider::new("p", &boards, "");
        let mut known = Known::default();
        let mut look = || scan(vec![provider.clone()], &[], &mut known).remove(0);
        assert_eq!((look().given.len(), look().problems.len()), (1, 0));
        std::fs::rename(&boards, &away).unwrap();
        let found = look();
        assert_eq!(found.given.len(), 1, "a mount that is away takes no dashboards with it");
        assert!(found.problems[0].to_string().contains("boards: cannot be read"), "{:?}", found.problems);
        assert_eq!(look().given.len(), 1);
        std::fs::rename(&away, &boards).unwrap();
        std::fs::remove_dir_all(boards.join("a")).unwrap();
        assert_eq!((look().given.len(), look().problems.len()), (0, 0), "what is removed is gone");
    }

    #[test]
    fn many_files_that_cannot_be_read_do_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..=PROBLEMS_MAX {
            std::fs::write(dir.path().join(format!("a{at}.json")), [0xff]).unwrap();
        }
        std::fs::write(dir.path().join("z.json"), "Z").unwrap();
        let found = scan(vec![Provider::new("p", dir.path(), "")], &[], &mut Known::default()).remove(0);
        assert_eq!((found.given.len(), found.problems.len()), (1, PROBLEMS_MAX));
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
