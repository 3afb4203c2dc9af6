//! Targets in files. Change is noticed by looking at times and sizes every few seconds, which costs
//! one `stat` a file and works on every file system; now and then everything is read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::Clock;
use config::{Error, glob};
use model::TargetGroup;
use model::target::BoxFuture;

use crate::config::FileConfig;
use crate::core::{Publisher, Reader};
use crate::group;
use crate::stats::Stats;

/// How often to look whether a file has changed.
const LOOK_INTERVAL_MS: i64 = 5_000;
/// A larger file is refused.
const FILE_SIZE_MAX_BYTES: u64 = 256 << 20;

/// The label that says which file a target comes from.
const FILE_PATH_LABEL: &str = "__meta_filepath";

pub(crate) struct FileReader {
    config: FileConfig,
    files: BTreeMap<PathBuf, File>,
    /// Patterns that could not be expanded.
    pattern_problems: Vec<String>,
}

/// A file as it was last read.
#[derive(Default)]
struct File {
    stamp: Option<(SystemTime, u64)>,
    /// The last good content.
    groups: Vec<Arc<TargetGroup>>,
    problem: Option<String>,
}

impl FileReader {
    pub(crate) fn new(config: FileConfig) -> Self {
        FileReader { config, files: BTreeMap::new(), pattern_problems: Vec::new() }
    }

    /// Reads the files that are new or look changed, or all of them. Says whether anything did change.
    fn look(&mut self, all: bool) -> bool {
        let mut before = std::mem::take(&mut self.files);
        let problems_before = std::mem::take(&mut self.pattern_problems);
        let mut changed = false;
        for pattern in &self.config.files {
            let paths = match glob::expand(pattern) {
                Ok(paths) => paths,
                Err(error) => {
                    self.pattern_problems.push(format!("{}: {error}", pattern.display()));
                    // What cannot be listed now has not vanished.
                    let kept = before.extract_if(.., |path, _| {
                        glob::matches(&pattern.to_string_lossy(), &path.to_string_lossy())
                    });
                    self.files.extend(kept);
                    continue;
                }
            };
            for path in paths {
                if self.files.contains_key(&path) {
                    continue;
                }
                let old = before.remove(&path);
                changed |= old.is_none();
                let mut file = old.unwrap_or_default();
                match file.read(&path, all) {
                    Ok(now_changed) => {
                        changed |= now_changed;
                        self.files.insert(path, file);
                    }
                    // It vanished: so do its targets.
                    Err(Vanished) => changed |= !file.groups.is_empty() || file.problem.is_some(),
                }
            }
        }
        changed | !before.is_empty() | (self.pattern_problems != problems_before)
    }

    /// Tells when the files were changed; those that were there before and are gone are forgotten.
    fn tell_times(&self, before: &[PathBuf], stats: &Stats) {
        for path in before.iter().filter(|path| !self.files.contains_key(*path)) {
            stats.file_times.remove(&[&path.to_string_lossy()]);
        }
        for (path, file) in &self.files {
            let since = file.stamp.and_then(|(time, _)| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            if let Some(since) = since {
                stats.file_times.with(&[&path.to_string_lossy()]).set(since.as_secs_f64());
            }
        }
    }

    fn groups(&self) -> Vec<Arc<TargetGroup>> {
        self.files.values().flat_map(|file| file.groups.iter().cloned()).collect()
    }

    fn problems(&self) -> Vec<String> {
        let of_files = self.files.values().filter_map(|file| file.problem.clone());
        self.pattern_problems.iter().cloned().chain(of_files).collect()
    }
}

struct Vanished;

impl File {
    fn read(&mut self, path: &Path, even_if_unchanged: bool) -> Result<bool, Vanished> {
        let stamp = match std::fs::metadata(path) {
            Ok(metadata) => metadata.modified().ok().map(|time| (time, metadata.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Vanished),
            Err(error) => return Ok(self.fail(path, &error.to_string())),
        };
        if stamp.is_some() && stamp == self.stamp && !even_if_unchanged {
            return Ok(false);
        }
        self.stamp = stamp;
        if stamp.is_some_and(|(_, size_bytes)| size_bytes > FILE_SIZE_MAX_BYTES) {
            return Ok(self.fail(path, "larger than 256 MiB"));
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Vanished),
            Err(error) => return Ok(self.fail(path, &error.to_string())),
        };
        Ok(match parse(path, &text) {
            Ok(groups) => {
                let changed = groups != self.groups || self.problem.is_some();
                self.groups = groups;
                self.problem = None;
                changed
            }
            Err(error) => {
                let message = error.in_file(&path.display().to_string()).to_string();
                let changed = self.problem.as_ref() != Some(&message);
                self.problem = Some(message);
                changed
            }
        })
    }

    fn fail(&mut self, path: &Path, message: &str) -> bool {
        let message = format!("{}: {message}", path.display());
        let changed = self.problem.as_ref() != Some(&message);
        self.problem = Some(message);
        changed
    }
}

/// The groups of a file of targets, JSON or YAML by its name.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Arc<TargetGroup>>, Error> {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let groups = if is_json { group::from_json(text)? } else { group::from_yaml(text)? };
    let name = path.display().to_string();
    let named = groups
        .into_iter()
        .enumerate()
        .map(|(at, group)| Arc::new(group::named(group, format!("{name}:{at}"), FILE_PATH_LABEL, &name)));
    Ok(named.collect())
}

impl Reader for FileReader {
    fn run(self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        let mut reader = *self;
        Box::pin(async move {
            let refresh_ms = reader.config.refresh_interval_ms.max(1_000);
            let look_ms = LOOK_INTERVAL_MS.min(refresh_ms);
            let (mut first, mut since_refresh_ms) = (true, 0);
            loop {
                let all = first || since_refresh_ms >= refresh_ms;
                let began = Clock::system().mark();
                let before: Vec<PathBuf> = reader.files.keys().cloned().collect();
                let looked = tokio::task::spawn_blocking(move || {
                    let changed = reader.look(all);
                    (reader, changed)
                });
                let Ok((back, changed)) = looked.await else { return };
                reader = back;
                publisher.count(|stats| {
                    stats.file_scans.observe(began.elapsed_seconds());
                    reader.tell_times(&before, stats);
                });
                if changed || first {
                    let problems = reader.problems();
                    publisher.count_file_read_errors(problems.len());
                    for problem in &problems {
                        tracing::warn!(problem, "file discovery: the last good targets stay");
                    }
                    if !publisher.publish(reader.groups(), problems) {
                        return;
                    }
                }
                since_refresh_ms = if all { look_ms } else { since_refresh_ms + look_ms };
                first = false;
                tokio::time::sleep(Duration::from_millis(look_ms as u64)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, text: &str) -> Result<Vec<(usize, String)>, String> {
        let groups = parse(Path::new(name), text).map_err(|error| error.to_string())?;
        Ok(groups.iter().map(|group| (group.targets.len(), group.labels.to_string())).collect())
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json =
            "[\n\t{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"x\": \"y\"}},\n\t{\"targets\": [\"c\"]}]";
        let yaml = "- targets: ['a:1', 'b:2']\n  labels: {x: y}\n- targets: [c]\n";
        assert_eq!(
            parsed("f.JSON", json).unwrap(),
            [(2, r#"{__meta_filepath="f.JSON", x="y"}"#.into()), (1, r#"{__meta_filepath="f.JSON"}"#.into())]
        );
        assert_eq!(parsed("f.yml", yaml).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said() {
        for (name, text, expected) in [
            ("f.yml", "- targets: [a]\n- null\n", "line 2, column 3: nil target group item found (index 1)"),
            ("f.json", "[{\"targets\": [\"a\"]}, null]", "nil target group item found (index 1)"),
            ("f.json", "[{\"target\": []}]", "unknown field \"target\"; allowed are labels, targets"),
            ("f.json", "[{\"labels\": {\"a\": 1}}]", "label a: expected a text, found 1"),
            ("f.json", "[{]", "at line 1 column 3"),
            ("f.yml", "targets: [a]", "expected a list, found a mapping"),
        ] {
            let error = parsed(name, text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_files_of_the_conformance_data_read_as_expected() {
        let Some(folder) = testkit::conformance("prometheus/discovery/file/fixtures") else { return };
        let (mut good, mut bad) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let read = parsed(name, &std::fs::read_to_string(&path).unwrap());
            if name.starts_with("valid") {
                assert!(read.is_ok(), "{name}: {read:?}");
                good += 1;
            } else {
                assert!(read.is_err(), "{name}: {read:?}");
                bad += 1;
            }
        }
        assert!(good > 0 && bad > 0);
    }
}
