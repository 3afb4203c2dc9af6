//! A data directory that is only read. Opening one takes over its log and changes it, so a copy is opened: blocks,
//! which never change, are linked; the log is copied.

use std::path::{Path, PathBuf};

use base::Clock;
use model::storage::TimeRange;
use tsdb::{Db, Options};

/// How the names of copies begin and end.
const PREFIX: &str = "copy-";
const SUFFIX: &str = ".tmp-for-creation";
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
        let failed = |error: std::io::Error| format!("copying {}: {error}", dir.display());
        std::fs::create_dir_all(root).map_err(failed)?;
        remove_leftovers(root);
        let name = format!("{PREFIX}{}-{}{SUFFIX}", std::process::id(), Clock::system().now_ms());
        let folder = Folder(root.join(name));
        // Links need the whole path.
        let from = std::fs::canonicalize(dir).map_err(failed)?;
        copy(&from, &folder.0, DEPTH_MAX).map_err(failed)?;
        let options = Options { retention_time_ms: None, compaction: false, ..Options::new(&folder.0) };
        let (db, opened) = Db::open(options).map_err(|error| format!("{}: {error}", dir.display()))?;
        // What cannot be read must not be missing without a word.
        if let Some((path, why)) = opened.corrupt_blocks.iter().chain(&opened.failed_blocks).next() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let block = name.split('.').next().unwrap_or_default();
            return Err(format!(
                "{}: block {block} cannot be read: {why}; move it elsewhere to go on without its samples",
                dir.display()
            ));
        }
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

/// Removes copies whose program was stopped by force. One that is in use has its lock held.
fn remove_leftovers(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            continue;
        }
        // One without a lock is being made.
        let Ok(lock) = std::fs::OpenOptions::new().write(true).open(entry.path().join("lock")) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies a directory. Files of blocks are linked, across file systems by symbolic links, since they may be larger
/// than what is free there; those of the log are still being written and are copied.
fn copy(from: &Path, into: &Path, depth: u32) -> std::io::Result<()> {
    std::fs::create_dir_all(into)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), into.join(entry.file_name()));
        let name = entry.file_name();
        let is_passing = name == "lock" || name == "queries.active" || name == "snapshots";
        let is_partial = name.to_string_lossy().ends_with(".tmp-for-creation");
        if is_passing || is_partial {
            continue;
        }
        // The log or a block may lie on another disk, behind a link.
        let kind = std::fs::metadata(&path)?.file_type();
        if kind.is_dir() && depth > 0 {
            copy(&path, &target, depth - 1)?;
        } else if kind.is_file() {
            let is_of_block = from.join("meta.json").exists() || from.join("../meta.json").exists();
            let is_linked = is_of_block
                && (std::fs::hard_link(&path, &target).is_ok()
                    || std::os::unix::fs::symlink(&path, &target).is_ok());
            if !is_linked {
                std::fs::copy(&path, &target)?;
            }
        }
    }
    Ok(())
}
