//! A data directory that is only read. Opening one takes over its log and changes it, so a copy is opened: blocks, which never change, are linked where that is possible; the log is copied.

use std::path::{Path, PathBuf};

use base::Clock;
use model::storage::TimeRange;
use tsdb::{Db, Options};

/// A directory within a directory, at most.
const DEPTH_MAX: u32 = 8;

/// A copy that is open, and removed in the end.
pub(crate) struct Staged {
    // Dropped in this order: the store is closed before its folder goes.
    db: Db,
    _folder: Folder,
}

impl Staged {
    /// Opens a copy of a directory; it is made inside `root`. On the same disk blocks are linked.
    pub(crate) fn open(dir: &Path, root: &Path) -> Result<Staged, String> {
        if !dir.is_dir() {
            return Err(format!("{} is not a directory", dir.display()));
        }
        let name = format!("copy-{}-{}.tmp-for-creation", std::process::id(), Clock::system().now_ms());
        let failed = |error: std::io::Error| format!("copying {}: {error}", dir.display());
        std::fs::create_dir_all(root).map_err(failed)?;
        let folder = Folder(root.join(name));
        copy(dir, &folder.0, DEPTH_MAX).map_err(failed)?;
        let options = Options { retention_time_ms: None, compaction: false, ..Options::new(&folder.0) };
        let (db, _) = Db::open(options).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Staged { db, _folder: folder })
    }

    /// The store of the copy.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// The times of its samples.
    pub(crate) fn bounds(&self) -> Option<TimeRange> {
        let stats = self.db.stats();
        let blocks = stats.blocks.iter().map(|block| (block.min_time_ms, block.max_time_ms - 1));
        let head = stats.head_range.map(|range| (range.start_ms, range.end_ms));
        let spans: Vec<(i64, i64)> = blocks.chain(head).collect();
        let start_ms = spans.iter().map(|span| span.0).min()?;
        Some(TimeRange { start_ms, end_ms: spans.iter().map(|span| span.1).max()? })
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
        let is_partial = name.to_string_lossy().ends_with(".tmp-for-creation");
        let kind = entry.file_type()?;
        if is_passing || is_partial {
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
