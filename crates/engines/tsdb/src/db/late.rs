//! Makes blocks of late samples: one for each block range that they lie in. They overlap what is
//! there; compaction merges them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::Labels;
use model::storage::TimeRange;

use super::{Db, Maintenance, MaintenanceReport, count};
use crate::block::Block;
use crate::block::meta::{Meta, MetaCompaction, new_ulid};
use crate::compact::{self, Source};
use crate::error::Error;
use crate::series::{ChunkHandle, Found};

/// How Prometheus marks such blocks.
const HINT: &str = "from-out-of-order";

impl Db {
    /// Makes blocks of the late samples when they are as old as a block range, or many.
    pub(super) fn cut_late(
        &self,
        maintenance: &mut Maintenance,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        let range_ms = self.options.block_range_ms;
        let late = &self.head.late;
        let Some(generation) = late.begin_cut(now_ms, range_ms, false) else { return Ok(()) };
        if !self.options.keeps_blocks {
            // As with what leaves the head in order: the log has them for who has not read them yet.
            late.end_cut();
            maintenance.checkpoint_due = true;
            return Ok(());
        }
        let mut series: Vec<(Labels, u32)> =
            generation.ids().filter_map(|id| Some((self.head.labels_of(id)?, id))).collect();
        series.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut symbols = BTreeSet::new();
        for (labels, _) in &series {
            for text in labels.iter().flat_map(|(name, value)| [name, value]) {
                if !symbols.contains(text) {
                    symbols.insert(text.to_string());
                }
            }
        }
        let symbols: Vec<String> = symbols.into_iter().collect();
        let all = generation.time_range();
        let mut start_ms = all.start_ms.saturating_sub(all.start_ms.rem_euclid(range_ms));
        // Should it fail on the way, the blocks that were made are not made again.
        start_ms = start_ms.max(maintenance.late_cut_ms.unwrap_or(i64::MIN));
        while start_ms <= all.end_ms {
            let end_ms = start_ms.saturating_add(range_ms);
            let range = TimeRange { start_ms, end_ms: end_ms - 1 };
            let inside: Vec<_> = series.iter().filter(|(_, id)| generation.overlaps(*id, range)).collect();
            if !inside.is_empty() {
                let ulid = new_ulid(now_ms);
                let compaction = MetaCompaction {
                    level: 1,
                    sources: vec![ulid.clone()],
                    hints: vec![HINT.into()],
                    ..Default::default()
                };
                let meta = Meta {
                    ulid: ulid.clone(),
                    min_time: start_ms,
                    max_time: end_ms,
                    compaction,
                    version: 1,
                    ..Meta::default()
                };
                let found = inside.into_iter().map(|(labels, id)| {
                    let chunks = late.merged_chunks(&generation, *id, range)?;
                    let chunks = self.encoded(self.head.starts.stamp(*id, chunks))?;
                    let deleted = self.head.deleted(*id);
                    Ok(Found { labels: labels.clone(), chunks, deleted })
                });
                let sources: Vec<Source<'_>> = vec![Box::new(found)];
                let finished = compact::write_block(
                    &self.options.disk,
                    &self.options.dir,
                    meta,
                    symbols.clone(),
                    sources,
                )?;
                if let Some(finished) = finished {
                    let block = Block::open(&*self.options.disk, &finished.publish()?)?;
                    self.change_blocks(vec![Arc::new(block)], &[]);
                    count(&self.counters.late_cuts);
                    report.cut.push(ulid);
                }
            }
            maintenance.late_cut_ms = Some(end_ms);
            start_ms = end_ms;
        }
        late.end_cut();
        maintenance.late_cut_ms = None;
        // The log still has them.
        maintenance.checkpoint_due = true;
        Ok(())
    }

    /// Samples may be this much behind the newest one from now on, whatever their series had since; 0 for
    /// not at all.
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        self.head.late.set_window_ms(window_ms);
        self.head.exemplars.set_window_ms(window_ms);
    }

    /// The floats of blocks made from now on are encoded as XOR2, which Prometheus reads from 3.11 on, or
    /// as XOR.
    pub fn set_xor2(&self, xor2: bool) {
        self.xor2.store(xor2, Ordering::Relaxed);
    }

    /// Chunks of the head as they are to stand in a block.
    pub(super) fn encoded(&self, chunks: Vec<ChunkHandle>) -> Result<Vec<ChunkHandle>, Error> {
        if !self.xor2.load(Ordering::Relaxed) {
            return Ok(chunks);
        }
        let mut encoded = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            encoded.extend(chunk.into_xor2()?);
        }
        Ok(encoded)
    }
}
