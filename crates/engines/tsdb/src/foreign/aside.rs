//! Samples that do not fit into the head, because they came out of order or too late: gathered and
//! written as blocks of their own, which overlap others until they are merged.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use model::storage::TimeRange;
use model::{Labels, Samples};

use crate::backfill::{Gathered, SAMPLES_MAX, write_blocks};
use crate::block::Block;
use crate::disk::Disk;
use crate::error::Error;

/// What Prometheus says of blocks made from samples out of order.
const HINT: &str = "from-out-of-order";

/// Samples by the number of their series in the head.
#[derive(Default)]
pub(super) struct Aside {
    series: HashMap<u32, Samples>,
    count: usize,
    /// Samples that were written.
    pub(super) written: u64,
}

impl Aside {
    /// The samples of a series, to be added to; any order will do.
    pub(super) fn samples(&mut self, series: u32) -> &mut Samples {
        self.count += 1;
        self.series.entry(series).or_default()
    }

    /// Adds all samples of a chunk.
    pub(super) fn add_all(&mut self, series: u32, samples: &Samples) {
        let into = self.series.entry(series).or_default();
        for at in 0..samples.len() {
            crate::series::push_from(into, samples, at, true);
        }
        self.count += samples.len();
    }

    /// Whether it is time to write.
    pub(super) fn is_full(&self) -> bool {
        self.count >= SAMPLES_MAX
    }

    /// Writes what was gathered as blocks, without deleted samples.
    pub(super) fn write(
        &mut self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        range_ms: i64,
        now_ms: i64,
        labels: impl Fn(u32) -> Option<Labels>,
        deleted: &HashMap<u32, Vec<TimeRange>>,
    ) -> Result<Vec<Arc<Block>>, Error> {
        self.count = 0;
        let series = std::mem::take(&mut self.series).into_iter().filter_map(|(id, samples)| {
            let deleted = deleted.get(&id).cloned().unwrap_or_default();
            Some(Gathered { labels: labels(id)?, samples, deleted })
        });
        let (blocks, written) = write_blocks(disk, dir, range_ms, now_ms, &[HINT], series)?;
        self.written += written;
        Ok(blocks)
    }
}

/// Whether a block holds samples that came out of order, so that its end says nothing about what the
/// head had to take.
pub(super) fn is_out_of_order(block: &Block) -> bool {
    block.meta().compaction.hints.iter().any(|hint| hint == HINT)
}
