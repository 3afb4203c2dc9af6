//! Looking at blocks without opening the store: what an operator asks of a directory, also while a
//! server works with it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::storage::TimeRange;
use model::{Matcher, Samples};

use crate::block::Block;
use crate::block::meta::is_ulid;
use crate::chunk;
use crate::disk::OsDisk;
use crate::error::Error;
use crate::series::ChunkHandle;
use crate::stats::BlockStats;

/// What a block consists of; tables with the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAnalysis {
    /// The block.
    pub block: BlockStats,
    /// Label names.
    pub label_names: usize,
    /// Distinct label pairs.
    pub label_pairs: usize,
    /// Label pairs of all series together.
    pub postings: u64,
    /// Label pairs (`name=value`) by the number of whole series that their series leave without samples.
    pub pairs_by_churn: Vec<(String, u64)>,
    /// Label names by the same.
    pub names_by_churn: Vec<(String, u64)>,
    /// Label pairs by number of series.
    pub pairs_by_series: Vec<(String, u64)>,
    /// Label names by the length of all their values.
    pub names_by_value_bytes: Vec<(String, u64)>,
    /// Label names by number of values.
    pub names_by_values: Vec<(String, u64)>,
    /// Metric names by number of series.
    pub metrics_by_series: Vec<(String, u64)>,
    /// The series that were looked at.
    pub series: u64,
    /// Their chunks.
    pub chunks: ChunkAnalysis,
}

/// The chunks of a block: a number for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkAnalysis {
    /// Samples of chunks of floats.
    pub float_samples: Vec<usize>,
    /// Their bytes.
    pub float_bytes: Vec<usize>,
    /// Samples of chunks of histograms.
    pub histogram_samples: Vec<usize>,
    /// Their bytes.
    pub histogram_bytes: Vec<usize>,
    /// Buckets of all their histograms together.
    pub histogram_buckets: Vec<usize>,
}

impl ChunkAnalysis {
    fn add(&mut self, handle: &ChunkHandle) -> Result<(), Error> {
        let (is_histogram, bytes, count) = handle.with(|encoding, bytes| {
            (encoding.is_histogram(), bytes.len(), chunk::sample_count_or_zero(bytes))
        })?;
        let (samples, sizes) = match is_histogram {
            true => (&mut self.histogram_samples, &mut self.histogram_bytes),
            false => (&mut self.float_samples, &mut self.float_bytes),
        };
        samples.push(usize::from(count));
        sizes.push(bytes);
        if is_histogram {
            let mut decoded = Samples::default();
            handle.decode(TimeRange::ALL, &mut decoded)?;
            let buckets = decoded.histograms.iter().flatten();
            let buckets = buckets.map(|h| h.positive_buckets.len() + h.negative_buckets.len());
            self.histogram_buckets.push(buckets.sum());
        }
        Ok(())
    }
}

/// The blocks of a directory, oldest first. Those that cannot be read are an error.
pub fn list_blocks(dir: &Path) -> Result<Vec<BlockStats>, Error> {
    let mut blocks = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("listing", dir))? {
        let entry = entry.map_err(Error::io("listing", dir))?;
        if entry.file_name().to_str().is_some_and(is_ulid) {
            blocks.push(Block::open(&OsDisk, &entry.path())?.stats());
        }
    }
    blocks.sort_by(|a, b| {
        (a.min_time_ms, a.max_time_ms, &a.ulid).cmp(&(b.min_time_ms, b.max_time_ms, &b.ulid))
    });
    Ok(blocks)
}

/// Analyses the series of a block that match; of the newest block of the directory if none is named. Tables have
/// at most `limit` entries.
pub fn analyze_block(
    dir: &Path,
    ulid: Option<&str>,
    matchers: &[Matcher],
    limit: usize,
) -> Result<BlockAnalysis, Error> {
    let ulid = match ulid {
        Some(ulid) if is_ulid(ulid) => ulid.to_string(),
        Some(other) => return Err(Error::BadInput(format!("{other:?} is not the name of a block"))),
        None => list_blocks(dir)?
            .pop()
            .map(|block| block.ulid)
            .ok_or_else(|| Error::BadInput(format!("no blocks in {}", dir.display())))?,
    };
    let path = dir.join(&ulid);
    if !path.exists() {
        return Err(Error::BadInput(format!("block {ulid} not found in {}", dir.display())));
    }
    let block = Arc::new(Block::open(&OsDisk, &path)?);
    let stats = block.stats();
    let block_ms = stats.max_time_ms.saturating_sub(stats.min_time_ms).max(1) as u64;
    #[derive(Default)]
    struct Counts {
        series: u64,
        uncovered_ms: u64,
    }
    let mut pairs: HashMap<(String, String), Counts> = HashMap::new();
    let mut analysis = BlockAnalysis { block: stats, ..BlockAnalysis::default() };
    for found in block.scan()? {
        let found = found?;
        if !matchers.iter().all(|matcher| matcher.matches_labels(&found.labels)) {
            continue;
        }
        let (Some(first), Some(last)) = (found.chunks.first(), found.chunks.last()) else { continue };
        analysis.series += 1;
        for handle in &found.chunks {
            analysis.chunks.add(handle)?;
        }
        let covered_ms = last.max_ms.saturating_sub(first.min_ms).max(0) as u64;
        for (name, value) in &found.labels {
            let counts = pairs.entry((name.to_string(), value.to_string())).or_default();
            counts.series += 1;
            counts.uncovered_ms += block_ms.saturating_sub(covered_ms);
            analysis.postings += 1;
        }
    }
    let mut names: HashMap<&str, (u64, u64, u64)> = HashMap::new();
    for ((name, value), counts) in &pairs {
        let sums = names.entry(name).or_default();
        *sums = (sums.0 + 1, sums.1 + value.len() as u64, sums.2 + counts.uncovered_ms);
        let pair = format!("{name}={value}");
        analysis.pairs_by_churn.push((pair.clone(), counts.uncovered_ms / block_ms));
        analysis.pairs_by_series.push((pair, counts.series));
        if name == model::METRIC_NAME {
            analysis.metrics_by_series.push((value.clone(), counts.series));
        }
    }
    for (name, (values, bytes, uncovered_ms)) in &names {
        analysis.names_by_churn.push((name.to_string(), uncovered_ms / block_ms));
        analysis.names_by_value_bytes.push((name.to_string(), *bytes));
        analysis.names_by_values.push((name.to_string(), *values));
    }
    (analysis.label_names, analysis.label_pairs) = (names.len(), pairs.len());
    for table in [
        &mut analysis.pairs_by_churn,
        &mut analysis.names_by_churn,
        &mut analysis.pairs_by_series,
        &mut analysis.names_by_value_bytes,
        &mut analysis.names_by_values,
        &mut analysis.metrics_by_series,
    ] {
        table.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        table.truncate(limit);
    }
    Ok(analysis)
}
