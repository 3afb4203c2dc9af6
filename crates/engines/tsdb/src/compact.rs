//! Writes blocks from the head or from other blocks: series merged in order of their labels, one at
//! a time, chunks copied as they are unless they overlap or hold deleted samples.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

use model::storage::TimeRange;
use model::{Labels, Samples};

use crate::block::Block;
use crate::block::meta::{Meta, MetaCompaction, MetaParent, new_ulid};
use crate::block::writer::{BlockWriter, ChunkOut, FinishedBlock};
use crate::chunk::{self, Chunk};
use crate::disk::Disk;
use crate::error::Error;
use crate::series::{ChunkData, ChunkHandle, Found, merge, remove_deleted};

/// Series after which the files that were read are let go: reading all of them would fill the memory with what
/// is not looked at again.
pub(crate) const RELEASE_EVERY: usize = 1 << 14;

/// Series in order of their labels.
pub(crate) type Source<'a> = Box<dyn Iterator<Item = Result<Found, Error>> + 'a>;

/// Merges sources into a block of the samples in the range of `meta`. Nothing is published yet;
/// `None` if no sample is left.
pub(crate) fn write_block(
    disk: &Arc<dyn Disk>,
    parent: &Path,
    meta: Meta,
    symbols: Vec<String>,
    sources: Vec<Source<'_>>,
) -> Result<Option<FinishedBlock>, Error> {
    let range = TimeRange { start_ms: meta.min_time, end_ms: meta.max_time.saturating_sub(1) };
    let mut writer = BlockWriter::create(disk, parent, &meta.ulid, symbols)?;
    let mut sources: Vec<Peekable<Source<'_>>> = sources.into_iter().map(Iterator::peekable).collect();
    while let Some((labels, parts)) = next_series(&mut sources)? {
        let chunks = prepare(parts, range)?;
        if chunks.is_empty() {
            continue;
        }
        let out: Vec<_> = chunks
            .iter()
            .map(|chunk| ChunkOut {
                encoding: chunk.encoding,
                min_ms: chunk.min_ms,
                max_ms: chunk.max_ms,
                bytes: &chunk.bytes,
            })
            .collect();
        writer.add(&labels, &out)?;
    }
    if writer.series_count() == 0 {
        return Ok(None);
    }
    writer.finish(meta).map(Some)
}

/// Merges blocks that overlap or follow each other into one in the folder `parent`, or writes one
/// anew without its deleted samples. `None` if no sample is left. The parts stay where they are.
pub(crate) fn merge_blocks(
    disk: &Arc<dyn Disk>,
    parent: &Path,
    parts: &[Arc<Block>],
    now_ms: i64,
) -> Result<Option<Block>, Error> {
    rewrite(disk, parent, parts, now_ms, &|found| found)
}

/// Writes a block anew without the samples of each series before the time that is given for it. `None`
/// if no sample is left. The old one stays where it is.
pub(crate) fn trim_block(
    disk: &Arc<dyn Disk>,
    parent: &Path,
    block: &Arc<Block>,
    before_ms: &dyn Fn(&Labels) -> i64,
    now_ms: i64,
) -> Result<Option<Block>, Error> {
    rewrite(disk, parent, std::slice::from_ref(block), now_ms, &|mut found| {
        let before_ms = before_ms(&found.labels);
        if before_ms > i64::MIN {
            found.chunks.retain(|chunk| chunk.max_ms >= before_ms);
            found.deleted.push(TimeRange { start_ms: i64::MIN, end_ms: before_ms - 1 });
        }
        found
    })
}

fn rewrite(
    disk: &Arc<dyn Disk>,
    parent: &Path,
    parts: &[Arc<Block>],
    now_ms: i64,
    change: &dyn Fn(Found) -> Found,
) -> Result<Option<Block>, Error> {
    let metas = || parts.iter().map(|block| block.meta());
    let mut sources: Vec<String> = metas().flat_map(|m| m.compaction.sources.clone()).collect();
    sources.sort();
    sources.dedup();
    let level = metas().map(|m| m.compaction.level).max().unwrap_or(0) + u32::from(parts.len() > 1);
    let meta = Meta {
        ulid: new_ulid(now_ms),
        min_time: metas().map(|m| m.min_time).min().unwrap_or(0),
        max_time: metas().map(|m| m.max_time).max().unwrap_or(0),
        compaction: MetaCompaction {
            level,
            sources,
            parents: metas()
                .map(|m| MetaParent { ulid: m.ulid.clone(), min_time: m.min_time, max_time: m.max_time })
                .collect(),
            ..Default::default()
        },
        version: 1,
        others: parts.first().map(|b| b.meta().others.clone()).unwrap_or_default(),
        ..Meta::default()
    };
    let mut symbols = BTreeSet::new();
    let mut series: Vec<Source<'_>> = Vec::new();
    for block in parts {
        for symbol in block.symbols() {
            if !symbols.contains(symbol) {
                symbols.insert(symbol.to_string());
            }
        }
        let series_of_block = block.scan()?.enumerate().map(move |(at, found)| {
            if at % RELEASE_EVERY == RELEASE_EVERY - 1 {
                block.release_files();
            }
            found.map(change)
        });
        series.push(Box::new(series_of_block));
    }
    let symbols = symbols.into_iter().collect();
    match write_block(disk, parent, meta, symbols, series)? {
        Some(finished) => Ok(Some(Block::open(&**disk, &finished.publish()?)?)),
        None => Ok(None),
    }
}

fn next_series(sources: &mut [Peekable<Source<'_>>]) -> Result<Option<(Labels, Vec<Found>)>, Error> {
    let mut least: Option<Labels> = None;
    for source in sources.iter_mut() {
        if matches!(source.peek(), Some(Err(_)))
            && let Some(Err(error)) = source.next()
        {
            return Err(error);
        }
        if let Some(Ok(found)) = source.peek()
            && least.as_ref().is_none_or(|labels| found.labels < *labels)
        {
            least = Some(found.labels.clone());
        }
    }
    let Some(labels) = least else { return Ok(None) };
    let mut parts = Vec::new();
    for source in sources.iter_mut() {
        if let Some(Ok(found)) = source.next_if(|next| next.as_ref().is_ok_and(|f| f.labels == labels)) {
            parts.push(found);
        }
    }
    Ok(Some((labels, parts)))
}

/// The chunks to write for one series.
fn prepare(parts: Vec<Found>, range: TimeRange) -> Result<Vec<Chunk>, Error> {
    let mut chunks: Vec<(ChunkHandle, usize)> = Vec::new();
    let mut deleted = Vec::new();
    for (part, found) in parts.into_iter().enumerate() {
        deleted.push(found.deleted);
        chunks.extend(found.chunks.into_iter().map(|chunk| (chunk, part)));
    }
    chunks.sort_by_key(|(chunk, _)| chunk.min_ms);
    let mut out = Vec::with_capacity(chunks.len());
    let mut rest = chunks.as_slice();
    while let Some((first, part)) = rest.first() {
        let mut max_ms = first.max_ms;
        let mut count = 1;
        while let Some((next, _)) = rest.get(count).filter(|(next, _)| next.min_ms <= max_ms) {
            max_ms = max_ms.max(next.max_ms);
            count += 1;
        }
        let span = TimeRange { start_ms: first.min_ms, end_ms: first.max_ms };
        let whole = span.start_ms >= range.start_ms && span.end_ms <= range.end_ms;
        if count == 1 && whole && !deleted[*part].iter().any(|d| d.overlaps(span)) {
            match first.with(|encoding, bytes| (encoding, bytes.to_vec())) {
                Ok((encoding, bytes)) => {
                    out.push(Chunk { encoding, min_ms: first.min_ms, max_ms: first.max_ms, bytes });
                }
                // A corrupt chunk is left behind; the rest of the block is worth keeping.
                Err(error @ Error::Corrupt(_)) => match &first.data {
                    ChunkData::Block(block, _) => block.note_damage(&error),
                    _ => return Err(error),
                },
                Err(error) => return Err(error),
            }
        } else {
            let mut decoded = Vec::with_capacity(count);
            for (chunk, part) in &rest[..count] {
                let mut samples = Samples::default();
                chunk.decode_or_skip(range, &mut samples)?;
                remove_deleted(&mut samples, 0, &deleted[*part]);
                decoded.push(samples);
            }
            let mut merged = Samples::default();
            merge(&decoded, &mut merged);
            out.extend(chunk::encode(&merged));
        }
        rest = &rest[count..];
    }
    Ok(out)
}
