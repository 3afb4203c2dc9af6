//! Blocks made of samples that come from elsewhere, in any order: from a file, from rules evaluated
//! over the past, from what another program left.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Clock;
use model::storage::TimeRange;
use model::{Labels, Samples};

use crate::block::meta::{Meta, new_ulid};
use crate::block::{Block, TMP_FOR_CREATION};
use crate::chunk;
use crate::compact::{self, Source};
use crate::disk::{Disk, OsDisk};
use crate::error::Error;
use crate::options::BLOCK_MAX_MS;
use crate::series::{ChunkData, ChunkHandle, Found, merge, push_from};
use crate::stats::BlockStats;

/// Samples that are gathered before blocks are written: about 150 MB.
pub(crate) const SAMPLES_MAX: usize = 8_000_000;

/// Makes blocks of samples in any order. Memory is bounded: when much has been gathered, it is
/// written; in the end the blocks of one range of time become one.
pub struct Backfill {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    range_ms: i64,
    clock: Clock,
    series: HashMap<Labels, Samples>,
    count: usize,
    /// What was written on the way, in a folder that no server looks into.
    parts_dir: PathBuf,
    blocks: Vec<Arc<Block>>,
}

impl Backfill {
    /// Blocks will be written into `dir`, which is made if it is missing, each for `range_ms` of time.
    pub fn new(dir: impl Into<PathBuf>, range_ms: i64, clock: Clock) -> Result<Self, Error> {
        let dir = dir.into();
        if !(1..=BLOCK_MAX_MS).contains(&range_ms) {
            return Err(Error::BadInput("the block range must lie between 1 ms and 31 d".into()));
        }
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        disk.create_dir_all(&dir).map_err(Error::io("creating", &dir))?;
        let parts_dir = dir.join(format!("{}{TMP_FOR_CREATION}", new_ulid(clock.now_ms())));
        let (series, blocks) = (HashMap::new(), Vec::new());
        Ok(Backfill { disk, dir, range_ms, clock, series, count: 0, parts_dir, blocks })
    }

    /// Adds a float sample.
    pub fn push(&mut self, labels: &Labels, timestamp_ms: i64, value: f64) -> Result<(), Error> {
        self.samples(labels).push(timestamp_ms, value);
        self.added(1)
    }

    /// Adds samples of any kind.
    pub fn push_all(&mut self, labels: &Labels, samples: &Samples) -> Result<(), Error> {
        let into = self.samples(labels);
        (0..samples.len()).for_each(|at| push_from(into, samples, at, false));
        self.added(samples.len())
    }

    fn samples(&mut self, labels: &Labels) -> &mut Samples {
        if !self.series.contains_key(labels) {
            self.series.insert(labels.clone(), Samples::default());
        }
        self.series.entry(labels.clone()).or_default()
    }

    fn added(&mut self, count: usize) -> Result<(), Error> {
        self.count += count;
        if self.count < SAMPLES_MAX {
            return Ok(());
        }
        let parts_dir = self.parts_dir.clone();
        self.disk.create_dir_all(&parts_dir).map_err(Error::io("creating", &parts_dir))?;
        self.flush(&parts_dir)
    }

    fn flush(&mut self, into: &Path) -> Result<(), Error> {
        self.count = 0;
        let series = std::mem::take(&mut self.series).into_iter().map(|(labels, samples)| Gathered {
            labels,
            samples,
            deleted: Vec::new(),
        });
        let (written, _) = write_blocks(&self.disk, into, self.range_ms, self.clock.now_ms(), &[], series)?;
        self.blocks.extend(written);
        Ok(())
    }

    /// Writes the rest and gives the blocks, oldest first.
    pub fn finish(mut self) -> Result<Vec<BlockStats>, Error> {
        if self.blocks.is_empty() {
            let dir = self.dir.clone();
            self.flush(&dir)?;
            return Ok(self.blocks.iter().map(|block| block.stats()).collect());
        }
        let parts_dir = self.parts_dir.clone();
        self.flush(&parts_dir)?;
        let mut by_start: BTreeMap<i64, Vec<Arc<Block>>> = BTreeMap::new();
        for block in std::mem::take(&mut self.blocks) {
            by_start.entry(block.meta().min_time).or_default().push(block);
        }
        let mut stats = Vec::new();
        for parts in by_start.into_values() {
            let merged = compact::merge_blocks(&self.disk, &self.dir, &parts, self.clock.now_ms())?;
            stats.extend(merged.map(|block| block.stats()));
        }
        self.disk.remove_dir_all(&parts_dir).map_err(Error::io("deleting", &parts_dir))?;
        Ok(stats)
    }
}

/// What was written on the way is worth nothing without the rest.
impl Drop for Backfill {
    fn drop(&mut self) {
        if self.parts_dir.exists() {
            // Nobody is there to be told; the next start on this directory removes it as well.
            let _ = self.disk.remove_dir_all(&self.parts_dir);
        }
    }
}

/// Samples of one series in any order.
pub(crate) struct Gathered {
    pub(crate) labels: Labels,
    pub(crate) samples: Samples,
    /// Spans to leave out.
    pub(crate) deleted: Vec<TimeRange>,
}

/// Writes series as blocks into a folder, one block for each range of time. Of two samples of a
/// series with one time the first counts. Gives the blocks and how many samples there were.
pub(crate) fn write_blocks(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    range_ms: i64,
    now_ms: i64,
    hints: &[&str],
    series: impl Iterator<Item = Gathered>,
) -> Result<(Vec<Arc<Block>>, u64), Error> {
    let mut by_range: BTreeMap<i64, Vec<Found>> = BTreeMap::new();
    let mut count = 0;
    for Gathered { labels, samples, deleted } in series {
        let sorted = match samples.timestamps_ms.is_sorted_by(|a, b| a < b) {
            true => samples,
            false => {
                let mut sorted = Samples::default();
                merge(&[samples], &mut sorted);
                sorted
            }
        };
        count += sorted.len() as u64;
        let mut at = 0;
        while let Some(&first_ms) = sorted.timestamps_ms.get(at) {
            let start_ms = first_ms.saturating_sub(first_ms.rem_euclid(range_ms));
            let rest = &sorted.timestamps_ms[at..];
            let end = at + rest.partition_point(|&time_ms| time_ms < start_ms.saturating_add(range_ms));
            let mut part = Samples::default();
            (at..end).for_each(|at| push_from(&mut part, &sorted, at, false));
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
    let mut blocks = Vec::new();
    for (start_ms, mut series) in by_range {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let pairs = series.iter().flat_map(|found| found.labels.iter());
        let mut symbols: Vec<&str> = pairs.flat_map(|(name, value)| [name, value]).collect();
        symbols.sort_unstable();
        symbols.dedup();
        let symbols = symbols.into_iter().map(str::to_string).collect();
        let mut meta = Meta::first(new_ulid(now_ms), start_ms, start_ms.saturating_add(range_ms));
        meta.compaction.hints = hints.iter().map(|hint| hint.to_string()).collect();
        let source: Source<'_> = Box::new(series.into_iter().map(Ok));
        if let Some(finished) = compact::write_block(disk, dir, meta, symbols, vec![source])? {
            blocks.push(Arc::new(Block::open(&**disk, &finished.publish()?)?));
        }
    }
    Ok((blocks, count))
}
