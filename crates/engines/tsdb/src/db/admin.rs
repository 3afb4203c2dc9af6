//! What an operator asks for: deleting series, cleaning up after it, a snapshot.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::atomic::Ordering;

use model::Matcher;
use model::storage::TimeRange;

use super::Db;
use crate::block::meta::new_ulid;
use crate::block::{self, TMP_FOR_CREATION};
use crate::disk::Disk;
use crate::error::Error;
use crate::foreign;

/// Blocks that the head is made into at most; it spans few ranges unless samples came from the future.
const HEAD_BLOCKS_MAX: usize = 48;
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
        self.check_replayed()?;
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
        let written = self.write_snapshot(&temporary, skip_head, now_ms, &|_, _| {}).and_then(|()| {
            disk.rename(&temporary, &dir).map_err(Error::io("renaming", &temporary))?;
            disk.sync_dir(&parent).map_err(Error::io("flushing", &parent))
        });
        if written.is_err() {
            let _ = disk.remove_dir_all(&temporary);
        }
        written.map(|()| name)
    }

    /// Makes a data directory for Prometheus in `out`, which is empty or not there: blocks as hard
    /// links where the file system can, the head as blocks. `progress` gets how many blocks of how many
    /// are there.
    pub fn export(&self, out: &Path, progress: &dyn Fn(usize, usize)) -> Result<(), Error> {
        let _maintenance = self.maintenance.lock();
        if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::BadInput(format!("{} is not empty", out.display())));
        }
        let there = out.exists();
        let written = self.write_snapshot(out, false, self.options.clock.now_ms(), progress);
        if written.is_err() && !there {
            let _ = self.options.disk.remove_dir_all(out);
        }
        written
    }

    fn write_snapshot(
        &self,
        dir: &Path,
        skip_head: bool,
        now_ms: i64,
        progress: &dyn Fn(usize, usize),
    ) -> Result<(), Error> {
        if !skip_head {
            self.check_replayed()?;
        }
        // Prometheus's tools read a directory only if it has a folder of the log.
        let wal = dir.join(foreign::WAL_DIR);
        let disk = &*self.options.disk;
        disk.create_dir_all(&wal).map_err(Error::io("creating", &wal))?;
        let blocks = self.blocks();
        let head = self.head.whole_range().filter(|_| !skip_head);
        let ranges = head.map_or_else(Vec::new, |range| self.block_ranges_of(range));
        let of = blocks.len() + ranges.len();
        for (at, block) in blocks.iter().enumerate() {
            block::link_dir(disk, block.dir(), &dir.join(&block.meta().ulid))?;
            progress(at + 1, of);
        }
        for (at, (start_ms, end_ms)) in ranges.into_iter().enumerate() {
            // The head is not cut meanwhile, so what is there stays.
            if let Some(block) = self.write_head_block(dir, &new_ulid(now_ms), start_ms, end_ms, true)? {
                block.publish()?;
            }
            progress(blocks.len() + at + 1, of);
        }
        disk.sync_dir(dir).map_err(Error::io("flushing", dir))
    }

    /// What is asked of all samples would miss those that have not been read yet.
    fn check_replayed(&self) -> Result<(), Error> {
        match self.replayed.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(Error::Unavailable("the write-ahead log is still being replayed".into())),
        }
    }

    /// The parts of a time that lie in one block range each, start and end (exclusive), so that a
    /// block of each can be merged with its neighbours later.
    fn block_ranges_of(&self, range: TimeRange) -> Vec<(i64, i64)> {
        let length_ms = self.options.block_range_ms;
        // Samples from the far future would make many; the last block may be longer then.
        let mut parts = Vec::new();
        let mut start_ms = range.start_ms;
        while start_ms <= range.end_ms && parts.len() < HEAD_BLOCKS_MAX {
            let end_ms = start_ms.saturating_sub(start_ms.rem_euclid(length_ms)).saturating_add(length_ms);
            parts.push((start_ms, end_ms));
            start_ms = end_ms;
        }
        if let Some((_, end_ms)) = parts.last_mut() {
            *end_ms =
                if start_ms > range.end_ms { *end_ms } else { i64::MAX }.min(range.end_ms.saturating_add(1));
        }
        parts
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
