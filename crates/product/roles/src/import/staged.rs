//! A data directory of Prometheus as a source. Opening one takes over its log and changes it, so a copy is
//! opened: blocks, which never change, are linked where that is possible; the log is copied.

use std::path::{Path, PathBuf};

use model::storage::{MetricReader, Select, TimeRange};
use model::{LabelTable, Labels, Matcher, Samples};
use tsdb::{Db, Options};

use super::To;
use super::source::Series;

/// A directory within a directory, at most.
const DEPTH_MAX: u32 = 8;

/// A copy that is open, and removed in the end.
pub(super) struct Staged {
    db: Option<Db>,
    folder: PathBuf,
}

impl Staged {
    pub(super) fn open(dir: &Path, to: &To) -> Result<Staged, String> {
        if !dir.is_dir() {
            return Err(format!("{} is not a directory", dir.display()));
        }
        // Beside the target: on the same disk as likely as not, so that blocks can be linked.
        let parent = match to {
            To::Directory(into) => into.clone(),
            To::RemoteWrite(_) => std::env::temp_dir(),
        };
        let folder = parent.join(format!("import-{}.tmp-for-creation", std::process::id()));
        let failed = |error: std::io::Error| format!("copying {}: {error}", dir.display());
        std::fs::create_dir_all(&parent).map_err(failed)?;
        let mut staged = Staged { db: None, folder };
        copy(dir, &staged.folder, DEPTH_MAX).map_err(failed)?;
        let options = Options { retention_time_ms: None, compaction: false, ..Options::new(&staged.folder) };
        let (db, _) = Db::open(options).map_err(|error| format!("{}: {error}", dir.display()))?;
        staged.db = Some(db);
        Ok(staged)
    }

    /// The times of its samples.
    pub(super) fn bounds(&self) -> Option<TimeRange> {
        let stats = self.db.as_ref()?.stats();
        let blocks = stats.blocks.iter().map(|block| (block.min_time_ms, block.max_time_ms - 1));
        let head = stats.head_range.map(|range| (range.start_ms, range.end_ms));
        let spans: Vec<(i64, i64)> = blocks.chain(head).collect();
        let start_ms = spans.iter().map(|span| span.0).min()?;
        Some(TimeRange { start_ms, end_ms: spans.iter().map(|span| span.1).max()? })
    }

    pub(super) fn read(&self, range: TimeRange, sets: &[Vec<Matcher>]) -> Result<Series, String> {
        let Some(db) = &self.db else { return Ok(Vec::new()) };
        let mut seen = std::collections::HashSet::new();
        let mut series: Series = Vec::new();
        for matchers in sets {
            let mut table = LabelTable::new();
            let selected =
                db.select(&Select::new(range, matchers), &mut table).map_err(|error| error.to_string())?;
            for (at, set) in selected.sets.iter().enumerate() {
                let labels: Labels = table.labels(*set);
                if sets.len() > 1 && !seen.insert(labels.clone()) {
                    continue;
                }
                let mut samples = Samples::default();
                selected.samples.read(at, &mut samples).map_err(|error| error.to_string())?;
                if !samples.is_empty() {
                    series.push((labels, samples));
                }
            }
        }
        Ok(series)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            let _ = db.close();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Copies a directory. Files of blocks are linked; those of the log are still being written and are copied.
fn copy(from: &Path, into: &Path, depth: u32) -> std::io::Result<()> {
    std::fs::create_dir_all(into)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), into.join(entry.file_name()));
        let name = entry.file_name();
        let is_passing = name == "lock" || name == "queries.active" || name == "snapshots";
        let kind = entry.file_type()?;
        if is_passing || path == into {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            copy(&path, &target, depth - 1)?;
        } else if kind.is_file() {
            let is_of_block = from.join("meta.json").exists() || from.join("../meta.json").exists();
            if !is_of_block || std::fs::hard_link(&path, &target).is_err() {
                std::fs::copy(&path, &target)?;
            }
        }
    }
    Ok(())
}
