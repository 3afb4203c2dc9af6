//! `scrape_failure_log_file`: one line of JSON for each scrape that failed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// The open files, shared by the jobs that name the same one.
#[derive(Debug, Default)]
pub(crate) struct FailureLogs(Mutex<HashMap<PathBuf, Arc<File>>>);

/// A scrape that failed.
#[derive(Debug)]
pub(crate) struct FailedScrape {
    pub(crate) at_ms: i64,
    pub(crate) job: String,
    pub(crate) target: String,
    pub(crate) error: String,
}

impl FailureLogs {
    /// Opens these files anew, so that files that were moved away are made again, and closes all others.
    pub(crate) fn open<'a>(&self, paths: impl Iterator<Item = &'a Path>) {
        let mut files = HashMap::new();
        for path in paths {
            if files.contains_key(path) {
                continue;
            }
            match OpenOptions::new().append(true).create(true).open(path) {
                Ok(file) => {
                    files.insert(path.to_path_buf(), Arc::new(file));
                }
                Err(error) => {
                    let path = path.display();
                    tracing::error!(%error, "failed scrapes cannot be logged to {path}");
                }
            }
        }
        *self.0.lock() = files;
    }

    /// Adds a line to a file, if it is open. Blocks.
    pub(crate) fn write(&self, path: &Path, failed: &FailedScrape) {
        let Some(file) = self.0.lock().get(path).cloned() else { return };
        let line = serde_json::json!({
            "time": gocompat::layout::format_rfc3339_ms(failed.at_ms),
            "level": "ERROR",
            "msg": failed.error,
            "job_name": failed.job,
            "target": failed.target,
        });
        // One write, so that lines of several scrapes do not mix.
        if let Err(error) = (&*file).write_all(format!("{line}\n").as_bytes()) {
            tracing::debug!(%error, "a failed scrape could not be logged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_where_and_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failures.json");
        let logs = FailureLogs::default();
        let failed = |error: &str| FailedScrape {
            at_ms: 1_700_000_000_123,
            job: "web".into(),
            target: "http://h:1/metrics".into(),
            error: error.into(),
        };
        logs.write(&path, &failed("nobody listens"));
        logs.open([&*path, &*path].into_iter());
        logs.write(&path, &failed("first \"quoted\""));
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        logs.open([&*path].into_iter());
        logs.write(&path, &failed("second"));
        logs.open(std::iter::empty());
        logs.write(&path, &failed("closed"));
        let old = std::fs::read_to_string(directory.path().join("old")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&old).unwrap();
        assert_eq!(line["msg"], "first \"quoted\"");
        assert_eq!((&line["time"], &line["level"]), (&"2023-11-14T22:13:20.123Z".into(), &"ERROR".into()));
        assert_eq!((&line["job_name"], &line["target"]), (&"web".into(), &"http://h:1/metrics".into()));
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(new.contains("second") && new.lines().count() == 1, "{new}");
    }
}
