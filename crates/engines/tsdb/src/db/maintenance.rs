//! What is done from time to time: cutting the head into blocks, merging blocks, retention.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::storage::TimeRange;

use super::{Db, Maintenance, MaintenanceReport, count};
use crate::block::meta::{Meta, is_ulid, new_ulid};
use crate::block::writer::FinishedBlock;
use crate::block::{self, Block};
use crate::compact::{self, Source};
use crate::error::Error;
use crate::plan::{self, BlockInfo};
use crate::series::Found;
use crate::wal::WAL_DIR;

impl Db {
    /// Does what is due: cuts the head into blocks, merges blocks, deletes what is beyond retention.
    /// To be called every minute or so, by one thread; queries and writes go on meanwhile.
    pub fn maintain(&self, now_ms: i64) -> MaintenanceReport {
        let mut maintenance = self.maintenance.lock();
        let mut report = MaintenanceReport::default();
        if let Some(last_ms) = maintenance.last_ms.replace(now_ms).filter(|&last_ms| now_ms < last_ms) {
            count(&self.counters.clock_went_back);
            report.clock_went_back_ms = Some(last_ms - now_ms);
            tracing::warn!(by_ms = last_ms - now_ms, "the clock went back");
        }
        if self.wal_sync.read().as_ref().is_some_and(|sync| sync.is_lost()) {
            // What the disk may have dropped is in memory still. First of all: cutting waits for the log.
            let result =
                self.head.checkpoint(&self.options.dir.join(WAL_DIR), &|rubbish| self.discard(rubbish));
            self.note(result, "making up for a failed flush of the log", &mut report);
        }
        if self.wal_sync.read().as_ref().is_some_and(|sync| sync.holds_closed_files()) {
            let result = self.flush_log();
            self.note(result, "flushing the log", &mut report);
        }
        let result = self.cut_late(&mut maintenance, now_ms, &mut report);
        self.note(result, "making blocks of late samples", &mut report);
        let result = self.cut_head(&mut maintenance, now_ms, &mut report);
        self.note(result, "cutting the head", &mut report);
        let result = self.pick_up_blocks(&mut maintenance, &mut report);
        self.note(result, "looking for new blocks", &mut report);
        if self.options.compaction {
            self.merge_blocks(&mut maintenance, now_ms, &mut report);
        }
        self.head.note_growth(now_ms);
        let result = self.discard(&[]);
        self.note(result, "deleting what was sent on", &mut report);
        let result = self.apply_retention(&mut maintenance, now_ms, &mut report);
        self.note(result, "deleting old blocks", &mut report);
        self.head.release_files();
        self.blocks().iter().for_each(|block| block.release_files());
        report
    }

    pub(super) fn note(&self, result: Result<(), Error>, doing: &str, report: &mut MaintenanceReport) {
        if let Err(error) = result {
            count(&self.counters.compactions_failed);
            tracing::error!(%error, "{doing} failed");
            report.errors.push(format!("{doing}: {error}"));
        }
    }

    /// Makes blocks of what in the head is old enough, then shortens the log.
    fn cut_head(
        &self,
        maintenance: &mut Maintenance,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        while let Some((start_ms, end_ms)) = self.head.begin_cut(now_ms) {
            if !self.options.keeps_blocks {
                self.head.truncate(end_ms);
                maintenance.checkpoint_due = true;
                continue;
            }
            let ulid = new_ulid(now_ms);
            let finished = self.write_head_block(&self.options.dir, &ulid, start_ms, end_ms, false)?;
            if let Some(finished) = finished {
                // Should the process end between the two, the log says which block holds the samples.
                self.head.log_bound(end_ms, &ulid)?;
                let block = Block::open(&*self.options.disk, &finished.publish()?)?;
                self.change_blocks(vec![Arc::new(block)], &[]);
                count(&self.counters.head_cuts);
                report.cut.push(ulid);
            }
            self.head.truncate(end_ms);
            maintenance.checkpoint_due = true;
        }
        if maintenance.checkpoint_due {
            self.head.checkpoint(&self.options.dir.join(WAL_DIR), &|rubbish| self.discard(rubbish))?;
            maintenance.checkpoint_due = false;
        }
        Ok(())
    }

    /// Writes what the head has of a time (end exclusive), late samples included or not, as a block named
    /// `ulid` into a folder.
    pub(super) fn write_head_block(
        &self,
        into: &Path,
        ulid: &str,
        start_ms: i64,
        end_ms: i64,
        with_late: bool,
    ) -> Result<Option<FinishedBlock>, Error> {
        let meta = Meta::first(ulid.to_string(), start_ms, end_ms);
        let range = TimeRange { start_ms, end_ms: end_ms - 1 };
        let ids = self.head.sorted_ids();
        let series = ids.into_iter().enumerate().filter_map(|(at, id)| {
            if at % compact::RELEASE_EVERY == compact::RELEASE_EVERY - 1 {
                self.head.release_files();
            }
            let found = match with_late {
                true => self.head.series_with_late(id, range)?,
                false => {
                    let (labels, chunks, deleted) = self.head.series(id, range)?;
                    Found { labels, chunks, deleted }
                }
            };
            Some(self.encoded(found.chunks).map(|chunks| Found { chunks, ..found }))
        });
        let sources: Vec<Source<'_>> = vec![Box::new(series)];
        compact::write_block(&self.options.disk, into, meta, self.head.symbol_texts(), sources)
    }

    /// Serves blocks that were put into the directory since it was opened, such as backfilled ones. One
    /// that cannot be read may still be on its way and is looked at again in the next run.
    fn pick_up_blocks(
        &self,
        maintenance: &mut Maintenance,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        let dir = &self.options.dir;
        let blocks = self.blocks();
        let known: BTreeSet<&str> = blocks.iter().map(|block| block.meta().ulid.as_str()).collect();
        for entry in fs::read_dir(dir).map_err(Error::io("listing", dir))? {
            let entry = entry.map_err(Error::io("listing", dir))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_ulid(name) && !known.contains(name)) else {
                continue;
            };
            let opened =
                Block::open(&*self.options.disk, &entry.path()).and_then(|block| match block.is_whole()? {
                    true => Ok(block),
                    false => Err(Error::corrupt(block.dir(), "its chunks are not all there")),
                });
            match opened {
                Ok(block) => {
                    self.change_blocks(vec![Arc::new(block)], &[]);
                    report.picked_up.push(name.to_string());
                }
                Err(error) => {
                    if maintenance.unreadable.insert(name.to_string()) {
                        tracing::warn!(%error, "a new block cannot be read yet");
                    }
                }
            }
        }
        Ok(())
    }

    fn merge_blocks(&self, maintenance: &mut Maintenance, now_ms: i64, report: &mut MaintenanceReport) {
        let ranges_ms = self.options.block_ranges_ms(self.retention.read().time_ms);
        loop {
            let blocks = self.blocks();
            let infos = infos(&blocks, &maintenance.failed);
            let Some(chosen) = plan::to_merge(&infos, &ranges_ms) else { return };
            let chosen: Vec<_> = chosen.into_iter().map(|at| blocks[at].clone()).collect();
            match self.merge(&chosen, now_ms) {
                Ok(merged) => {
                    count(&self.counters.compactions);
                    report.merged.extend(merged);
                }
                Err(error) => {
                    // Disk full is not the blocks' fault.
                    if matches!(error, Error::Corrupt(_)) {
                        maintenance.failed.extend(chosen.iter().map(|b| b.meta().ulid.clone()));
                    }
                    return self.note(Err(error), "merging blocks", report);
                }
            }
        }
    }

    /// Puts one block in the place of several that overlap or follow each other, or of one with
    /// deleted spans. `None` if no sample is left.
    pub(super) fn merge(&self, parts: &[Arc<Block>], now_ms: i64) -> Result<Option<String>, Error> {
        let merged = compact::merge_blocks(&self.options.disk, &self.options.dir, parts, now_ms)?;
        let name = merged.as_ref().map(|block| block.meta().ulid.clone());
        self.change_blocks(merged.map(Arc::new).into_iter().collect(), parts);
        for block in parts {
            block::delete_dir(&*self.options.disk, block.dir())?;
        }
        Ok(name)
    }
}

pub(super) fn infos(blocks: &[Arc<Block>], failed: &BTreeSet<String>) -> Vec<BlockInfo> {
    let info = |block: &Arc<Block>| BlockInfo {
        min_ms: block.meta().min_time,
        max_ms: block.meta().max_time,
        size_bytes: block.size_bytes(),
        series: block.meta().stats.num_series,
        tombstones: block.tombstone_count() as u64,
        failed: block.meta().compaction.failed || failed.contains(&block.meta().ulid),
    };
    blocks.iter().map(info).collect()
}
