//! What an operator asks for: deleting series, cleaning up after it, a snapshot.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use model::Matcher;
use model::storage::TimeRange;

use super::{Db, PROMETHEUS_WAL_DIR};
use crate::block::meta::new_ulid;
use crate::block::{self, TMP_FOR_CREATION};
use crate::disk::Disk;
use crate::error::Error;

/// The folder of snapshots in a data directory.
pub(super) const SNAPSHOTS_DIR: &str = "snapshots";

impl Db {
    /// Deletes the samples of series in a range: of those that match all matchers of one of the sets.
    /// They are gone from queries at once, from the disk when their blocks are rewritten, see
    /// [`Db::clean_tombstones`]. Samples that come later are kept. Gives how many series were touched,
    /// counted per place (head, blocks) and set.
    pub fn delete_series(&self, range: TimeRange, sets: &[Vec<Matcher>]) -> Result<usize, Error> {
        if sets.is_empty() || sets.iter().any(Vec::is_empty) {
            return Err(Error::BadInput("deleting needs a matcher".into()));
        }
        // Not while a block is being written from what is deleted.
        let _maintenance = self.maintenance.lock();
        let mut touched = 0;
        for matchers in sets {
            touched += self.head.delete(range, matchers)?;
            for block in self.blocks().iter() {
                touched += block.delete(&*self.options.disk, range, matchers)?;
            }
        }
        Ok(touched)
    }

    /// Rewrites the blocks with deleted samples without these, so that their room on the disk is
    /// free. Gives how many blocks were rewritten. Deleted samples of the head go when it is cut.
    pub fn clean_tombstones(&self) -> Result<usize, Error> {
        let _maintenance = self.maintenance.lock();
        let mut rewritten = 0;
        for block in self.blocks().iter().filter(|block| block.tombstone_count() > 0) {
            self.merge(std::slice::from_ref(block), self.options.clock.now_ms())?;
            rewritten += 1;
        }
        Ok(rewritten)
    }

    /// Makes a copy of the store as it is now in `snapshots/NAME` of its directory and gives the name:
    /// blocks as hard links, the head as one more block unless it is to be skipped. It is a data
    /// directory that this program and Prometheus open.
    pub fn snapshot(&self, skip_head: bool) -> Result<String, Error> {
        let _maintenance = self.maintenance.lock();
        let now_ms = self.options.clock.now_ms();
        let parent = self.options.dir.join(SNAPSHOTS_DIR);
        let disk = &*self.options.disk;
        disk.create_dir_all(&parent).map_err(Error::io("creating", &parent))?;
        let name = snapshot_name(now_ms);
        let (dir, temporary) = (parent.join(&name), parent.join(format!("{name}{TMP_FOR_CREATION}")));
        let written = self.write_snapshot(&temporary, skip_head, now_ms).and_then(|()| {
            disk.rename(&temporary, &dir).map_err(Error::io("renaming", &temporary))?;
            disk.sync_dir(&parent).map_err(Error::io("flushing", &parent))
        });
        if written.is_err() {
            let _ = disk.remove_dir_all(&temporary);
        }
        written.map(|()| name)
    }

    fn write_snapshot(&self, dir: &Path, skip_head: bool, now_ms: i64) -> Result<(), Error> {
        // Prometheus's tools read a directory only if it has a folder of the log.
        let wal = dir.join(PROMETHEUS_WAL_DIR);
        let disk = &*self.options.disk;
        disk.create_dir_all(&wal).map_err(Error::io("creating", &wal))?;
        if !skip_head && let Some(range) = self.head.time_range() {
            let end_ms = range.end_ms.saturating_add(1);
            let block = self.write_head_block(dir, &new_ulid(now_ms), range.start_ms, end_ms)?;
            if let Some(block) = block {
                block.publish()?;
            }
        }
        for block in self.blocks().iter() {
            block::link_dir(disk, block.dir(), &dir.join(&block.meta().ulid))?;
        }
        disk.sync_dir(dir).map_err(Error::io("flushing", dir))
    }
}

/// A name that tells when the snapshot was made and that no other has.
fn snapshot_name(now_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let random = std::hash::RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// Deletes what a crash left of snapshots that were being made.
pub(super) fn remove_unfinished_snapshots(
    disk: &dyn Disk,
    data_dir: &Path,
) -> Result<Vec<std::path::PathBuf>, Error> {
    let mut removed = Vec::new();
    let Ok(entries) = fs::read_dir(data_dir.join(SNAPSHOTS_DIR)) else { return Ok(removed) };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.to_str().is_some_and(|path| path.ends_with(TMP_FOR_CREATION)) {
            disk.remove_dir_all(&path).map_err(Error::io("deleting", &path))?;
            removed.push(path);
        }
    }
    Ok(removed)
}
