//! How long samples are kept: by time, by size, by share of the disk, and by series.
//!
//! What is old enough as a whole block is deleted. Series that are kept for a shorter or longer time
//! than the others are taken out of blocks by writing these anew, step by step: a block is rewritten when
//! a tenth of the time has passed since it was last, and only so many bytes in one run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Labels, Matcher};

use super::maintenance::infos;
use super::{Db, Maintenance, MaintenanceReport, count};
use crate::block::{self, Block};
use crate::compact;
use crate::error::Error;
use crate::options::{Retention, RetentionRule};
use crate::plan;

/// Bytes of blocks that one run rewrites at most, unless a single block is larger.
const REWRITE_MAX_BYTES: u64 = 1 << 30;

/// Up to which time what is too old was taken out of which block: by its name, the end of each rule's
/// and of everything else. Forgotten at a restart; then blocks are looked at again.
pub(super) type Trimmed = HashMap<String, Vec<i64>>;

/// Which samples are too old: those of a series that a rule names first, before the rule's time; those of
/// all others, before the last one.
struct Ends<'a> {
    rules: &'a [RetentionRule],
    before_ms: Vec<i64>,
}

impl Ends<'_> {
    fn before_ms(&self, labels: &Labels) -> i64 {
        let matches = |matchers: &[Matcher]| matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let rule = self.rules.iter().position(|rule| matches(&rule.matchers));
        self.before_ms.get(rule.unwrap_or(self.rules.len())).copied().unwrap_or(i64::MIN)
    }
}

impl Db {
    /// Changes how long samples are kept, from the next run of maintenance on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.write() = retention;
        self.retention_changed.store(true, Ordering::Release);
    }

    /// How long samples are kept.
    pub fn retention(&self) -> Retention {
        self.retention.read().clone()
    }

    pub(super) fn apply_retention(
        &self,
        maintenance: &mut Maintenance,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        let retention = self.retention.read().clone();
        let blocks = self.blocks();
        let head = self.head.time_range().map(|range| range.end_ms);
        let newest_ms = blocks.iter().map(|b| b.meta().max_time).chain(head).max();
        // A block that cannot be rewritten, for want of room above all, must not keep the others from going.
        let mut trimmed = Ok(());
        // What claims to be from the future must not make the present look old.
        if let Some(newest_ms) = newest_ms.map(|newest_ms| newest_ms.min(now_ms)) {
            let longest_ms = retention.rules.iter().map(|rule| rule.time_ms).max().unwrap_or(0);
            if let Some(time_ms) = retention.time_ms {
                let before_ms = newest_ms.saturating_sub(time_ms.max(longest_ms));
                let old = plan::beyond_time(&infos(&blocks, &BTreeSet::new()), before_ms);
                self.delete_blocks(&blocks, &old, &self.counters.time_deletions, report)?;
            }
            if !retention.rules.is_empty() {
                trimmed = self.trim_blocks(&retention, newest_ms, maintenance, now_ms, report);
            }
        }
        let share_bytes = match retention.disk_percent.filter(|percent| *percent > 0.0) {
            Some(percent) => {
                let dir = &self.options.dir;
                let all = self.options.disk.capacity_bytes(dir).map_err(Error::io("measuring", dir))?;
                Some((all as f64 * percent / 100.0) as u64)
            }
            None => None,
        };
        if let Some(limit_bytes) = [retention.size_bytes, share_bytes].into_iter().flatten().min() {
            let blocks = self.blocks();
            let wal_bytes = self.head.wal_size_bytes();
            let old = plan::beyond_size(&infos(&blocks, &BTreeSet::new()), wal_bytes, limit_bytes);
            self.delete_blocks(&blocks, &old, &self.counters.size_deletions, report)?;
        }
        trimmed
    }

    fn delete_blocks(
        &self,
        blocks: &[Arc<Block>],
        positions: &[usize],
        counter: &AtomicU64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        for block in positions.iter().filter_map(|&at| blocks.get(at)) {
            self.change_blocks(Vec::new(), std::slice::from_ref(block));
            block::delete_dir(&*self.options.disk, block.dir())?;
            count(counter);
            tracing::info!(block = block.meta().ulid, "deleted beyond retention");
            report.deleted.push(block.meta().ulid.clone());
        }
        Ok(())
    }

    /// Takes series that are beyond their own retention out of blocks.
    fn trim_blocks(
        &self,
        retention: &Retention,
        newest_ms: i64,
        maintenance: &mut Maintenance,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        if self.retention_changed.swap(false, Ordering::AcqRel) {
            maintenance.trimmed.clear();
        }
        let blocks = self.blocks();
        maintenance.trimmed.retain(|ulid, _| blocks.iter().any(|block| block.meta().ulid == *ulid));
        let mut rewritten_bytes = 0;
        for block in blocks.iter() {
            let meta = block.meta();
            let mut ends = Ends { rules: &retention.rules, before_ms: Vec::new() };
            ends.before_ms
                .extend(retention.rules.iter().map(|rule| self.step_before(rule.time_ms, newest_ms)));
            // Everything else goes when the whole block is old enough.
            let rest_ms = retention.time_ms.map(|time_ms| newest_ms.saturating_sub(time_ms));
            let rest_ms = rest_ms.filter(|&before_ms| meta.max_time <= before_ms);
            ends.before_ms.push(rest_ms.map_or(i64::MIN, |_| meta.max_time));
            if ends.before_ms.iter().all(|&before_ms| before_ms <= meta.min_time)
                || maintenance.trimmed.get(&meta.ulid) == Some(&ends.before_ms)
            {
                continue;
            }
            let has_any = match block.has_samples_before(|labels| ends.before_ms(labels)) {
                Err(Error::Corrupt(_)) => None,
                has_any => Some(has_any?),
            };
            if has_any != Some(true) {
                maintenance.trimmed.insert(meta.ulid.clone(), ends.before_ms);
                continue;
            }
            if rewritten_bytes > 0 && rewritten_bytes + block.size_bytes() > REWRITE_MAX_BYTES {
                return Ok(());
            }
            rewritten_bytes += block.size_bytes();
            let before_ms = |labels: &Labels| ends.before_ms(labels);
            let (disk, dir) = (&self.options.disk, &self.options.dir);
            let trimmed = match compact::trim_block(disk, dir, block, &before_ms, now_ms) {
                Err(error @ Error::Corrupt(_)) => {
                    // Not again before its time has moved on; meanwhile the others are seen to.
                    tracing::error!(%error, block = meta.ulid, "a block cannot be written anew");
                    maintenance.trimmed.insert(meta.ulid.clone(), ends.before_ms);
                    continue;
                }
                trimmed => trimmed?.map(Arc::new),
            };
            let left = trimmed.as_ref().map_or(0, |block| block.meta().stats.num_samples);
            let removed = meta.stats.num_samples.saturating_sub(left);
            count(&self.counters.retention_rewrites);
            self.counters.retention_samples.fetch_add(removed, Ordering::Relaxed);
            tracing::info!(block = meta.ulid, samples = removed, "removed series beyond their retention");
            match &trimmed {
                Some(new) => {
                    report.trimmed.push(new.meta().ulid.clone());
                    maintenance.trimmed.insert(new.meta().ulid.clone(), ends.before_ms);
                }
                None => report.deleted.push(meta.ulid.clone()),
            }
            self.change_blocks(trimmed.into_iter().collect(), std::slice::from_ref(block));
            block::delete_dir(&**disk, block.dir())?;
        }
        Ok(())
    }

    /// The time before which samples are older than `time_ms`; it moves in steps, so that a block is not
    /// rewritten all the time.
    fn step_before(&self, time_ms: i64, newest_ms: i64) -> i64 {
        let step_ms = (time_ms / 10).max(self.options.block_range_ms);
        let before_ms = newest_ms.saturating_sub(time_ms);
        before_ms.saturating_sub(before_ms.rem_euclid(step_ms))
    }
}
