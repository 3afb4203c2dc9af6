//! Samples that do not fit into the head, because they came out of order or too late: gathered and
//! written as blocks of their own, which overlap others until they are merged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use model::storage::TimeRange;
use model::{Labels, Samples};

use crate::block::Block;
use crate::block::meta::{Meta, MetaCompaction, new_ulid};
use crate::block::tombstones::normalize;
use crate::chunk;
use crate::compact;
use crate::error::Error;
use crate::series::{ChunkData, ChunkHandle, Found, merge};

/// Samples that are gathered before blocks are written: about 150 MB.
const SAMPLES_MAX: usize = 8_000_000;
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

    /// Writes what was gathered as blocks, one for each range of time, without deleted samples.
    pub(super) fn write(
        &mut self,
        dir: &Path,
        range_ms: i64,
        now_ms: i64,
        labels: impl Fn(u32) -> Option<Labels>,
        deleted: &HashMap<u32, Vec<TimeRange>>,
    ) -> Result<Vec<Arc<Block>>, Error> {
        let mut by_range: BTreeMap<i64, Vec<Found>> = BTreeMap::new();
        for (id, samples) in std::mem::take(&mut self.series) {
            let Some(labels) = labels(id) else { continue };
            let mut sorted = Samples::default();
            merge(&[samples], &mut sorted);
            self.written += sorted.len() as u64;
            let mut deleted = deleted.get(&id).cloned().unwrap_or_default();
            normalize(&mut deleted);
            let mut at = 0;
            while let Some(&first_ms) = sorted.timestamps_ms.get(at) {
                let start_ms = first_ms.saturating_sub(first_ms.rem_euclid(range_ms));
                let end = at
                    + sorted.timestamps_ms[at..]
                        .partition_point(|&time_ms| time_ms < start_ms.saturating_add(range_ms));
                let mut part = Samples::default();
                (at..end).for_each(|at| crate::series::push_from(&mut part, &sorted, at, false));
                let chunks = chunk::encode(&part).into_iter().map(|chunk| ChunkHandle {
                    min_ms: chunk.min_ms,
                    max_ms: chunk.max_ms,
                    data: ChunkData::Memory(chunk.encoding, chunk.bytes.into()),
                });
                by_range.entry(start_ms).or_default().push(Found {
                    labels: labels.clone(),
                    chunks: chunks.collect(),
                    deleted: deleted.clone(),
                });
                at = end;
            }
        }
        self.count = 0;
        let mut blocks = Vec::new();
        for (start_ms, mut series) in by_range {
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            let mut symbols: Vec<&str> =
                series.iter().flat_map(|found| found.labels.iter().flat_map(|(n, v)| [n, v])).collect();
            symbols.sort_unstable();
            symbols.dedup();
            let symbols = symbols.into_iter().map(str::to_string).collect();
            let ulid = new_ulid(now_ms);
            let meta = Meta {
                ulid: ulid.clone(),
                min_time: start_ms,
                max_time: start_ms.saturating_add(range_ms),
                compaction: MetaCompaction {
                    level: 1,
                    sources: vec![ulid],
                    hints: vec![HINT.into()],
                    ..Default::default()
                },
                version: 1,
                ..Meta::default()
            };
            let source: compact::Source<'_> = Box::new(series.into_iter().map(Ok));
            if let Some(finished) = compact::write_block(dir, meta, symbols, vec![source])? {
                blocks.push(Arc::new(Block::open(&finished.publish()?)?));
            }
        }
        Ok(blocks)
    }
}

/// Whether a block holds samples that came out of order, so that its end says nothing about what the
/// head had to take.
pub(super) fn is_out_of_order(block: &Block) -> bool {
    block.meta().compaction.hints.iter().any(|hint| hint == HINT)
}
