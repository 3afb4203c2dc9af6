//! What a query selected: labels as numbers, and of each series where its chunks lie. Nothing is
//! decoded until it is read. The head and the blocks add what they have; equal labels make one series.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::label_table::{LabelTable, PairId, SetId};
use model::storage::{
    Meter, MetricReader, Select, SelectedSamples, Selection, StorageError, TimeRange, Want,
};
use model::{Matcher, Samples};

use crate::block::Block;
use crate::chunk::{self, Encoding};
use crate::db::Db;
use crate::error::Error;
use crate::head::segments::{ChunkRef, Segment, Segments};
use crate::series::{check_times, merge, remove_deleted};

/// Bytes between two questions to the meter.
const METER_STEP_BYTES: u64 = 256 << 10;

/// Where the data of a chunk is.
#[derive(Clone, Copy)]
enum Place {
    /// In a closed segment of the head.
    Segment { segment: u32, offset: u32 },
    /// Copied, because it was being written to.
    Copied { encoding: Encoding, length: u32, offset: u64 },
    /// In a block.
    Block { block: u32, reference: u64 },
    /// One float, known without a chunk.
    Sample { bits: u64 },
}

/// A chunk of a series.
#[derive(Clone, Copy)]
struct Chunk {
    min_ms: i64,
    max_ms: i64,
    place: Place,
    /// Position of what was deleted, plus one; 0 for nothing.
    deleted: u32,
}

/// Collects a selection; see [`SelectionBuilder::begin`].
pub(crate) struct SelectionBuilder<'a> {
    pub(crate) range: TimeRange,
    pub(crate) want: Want,
    meter: &'a dyn Meter,
    pub(crate) labels: &'a mut LabelTable,
    sets: Vec<SetId>,
    /// By number of set: position of its series in `sets`, plus one.
    positions: Vec<u32>,
    /// The series of each chunk.
    owners: Vec<u32>,
    stored: Stored,
    /// Segments of the head met so far: their number there and here.
    segments: Vec<(u32, u32)>,
    /// The series that chunks are being added to, and what of it is deleted there.
    current: u32,
    current_deleted: u32,
    charged_bytes: u64,
    table_bytes: u64,
}

/// The chunks of all series.
struct Stored {
    range: TimeRange,
    chunks: Vec<Chunk>,
    /// Where the chunks of each series end.
    ends: Vec<u32>,
    segments: Vec<Arc<Segment>>,
    blocks: Vec<Arc<Block>>,
    copied: Vec<u8>,
    deleted: Vec<Box<[TimeRange]>>,
}

const NO_POSITION: u32 = 0;

impl<'a> SelectionBuilder<'a> {
    pub(crate) fn new(request: &Select<'a>, labels: &'a mut LabelTable) -> Self {
        let table_bytes = labels.size_bytes();
        SelectionBuilder {
            range: request.range,
            want: request.want,
            meter: request.meter,
            labels,
            sets: Vec::new(),
            positions: Vec::new(),
            owners: Vec::new(),
            stored: Stored {
                range: request.range,
                chunks: Vec::new(),
                ends: Vec::new(),
                segments: Vec::new(),
                blocks: Vec::new(),
                copied: Vec::new(),
                deleted: Vec::new(),
            },
            segments: Vec::new(),
            current: 0,
            current_deleted: 0,
            charged_bytes: 0,
            table_bytes,
        }
    }

    /// Room for so many series, charged first.
    pub(crate) fn reserve(&mut self, series: usize) -> Result<(), Error> {
        self.meter.take_bytes(series as u64 * 24)?;
        self.sets.reserve(series);
        self.owners.reserve(series);
        self.stored.chunks.reserve(series);
        self.labels.reserve_sets(series);
        Ok(())
    }

    /// Begins the part of a series that one place has; chunks that are pushed then belong to it.
    pub(crate) fn begin(&mut self, pairs: &[PairId], deleted: &[TimeRange]) {
        let set = self.labels.set(pairs);
        if self.positions.len() <= set.index() {
            self.positions.resize(self.labels.set_count(), NO_POSITION);
        }
        let position = &mut self.positions[set.index()];
        if *position == NO_POSITION {
            self.sets.push(set);
            *position = self.sets.len() as u32;
        }
        self.current = *position - 1;
        self.current_deleted = 0;
        if !deleted.is_empty() {
            self.stored.deleted.push(deleted.into());
            self.current_deleted = self.stored.deleted.len() as u32;
        }
    }

    fn push(&mut self, min_ms: i64, max_ms: i64, place: Place) {
        self.owners.push(self.current);
        self.stored.chunks.push(Chunk { min_ms, max_ms, place, deleted: self.current_deleted });
    }

    /// The number here of the segment that a closed chunk of the head lies in; `None` if it was freed meanwhile.
    #[inline]
    pub(crate) fn segment_of(&mut self, chunk: &ChunkRef, segments: &Segments) -> Option<u32> {
        // Chunks of series that follow each other lie near each other.
        let known = self.segments.iter().rev().find(|(number, _)| *number == chunk.segment());
        if let Some((_, segment)) = known {
            return Some(*segment);
        }
        let (segment, _) = segments.locate(chunk)?;
        self.stored.segments.push(segment);
        let segment = self.stored.segments.len() as u32 - 1;
        self.segments.push((chunk.segment(), segment));
        Some(segment)
    }

    /// A closed chunk of the head whose segment is known here.
    pub(crate) fn push_closed(&mut self, chunk: &ChunkRef, segment: u32) {
        self.push(chunk.min_ms(), chunk.max_ms(), Place::Segment { segment, offset: chunk.offset() });
    }

    /// A closed chunk of the head.
    pub(crate) fn push_segment(&mut self, min_ms: i64, max_ms: i64, segment: Arc<Segment>, offset: u32) {
        // Chunks of series that follow each other lie near each other.
        let found = self.stored.segments.iter().rposition(|other| Arc::ptr_eq(other, &segment));
        let number = found.unwrap_or_else(|| {
            self.stored.segments.push(segment);
            self.stored.segments.len() - 1
        });
        self.push(min_ms, max_ms, Place::Segment { segment: number as u32, offset });
    }

    /// A chunk that is being written to; `copy` appends its bytes as they are now.
    pub(crate) fn push_copy(
        &mut self,
        min_ms: i64,
        max_ms: i64,
        encoding: Encoding,
        copy: impl FnOnce(&mut Vec<u8>),
    ) {
        let offset = self.stored.copied.len();
        copy(&mut self.stored.copied);
        let length = (self.stored.copied.len() - offset) as u32;
        self.push(min_ms, max_ms, Place::Copied { encoding, length, offset: offset as u64 });
    }

    /// One float that stands for a chunk.
    pub(crate) fn push_sample(&mut self, time_ms: i64, bits: u64) {
        self.push(time_ms, time_ms, Place::Sample { bits });
    }

    /// A block that chunks will be in; gives its number.
    pub(crate) fn block(&mut self, block: Arc<Block>) -> u32 {
        self.stored.blocks.push(block);
        self.stored.blocks.len() as u32 - 1
    }

    /// A chunk of a block.
    pub(crate) fn push_block(&mut self, min_ms: i64, max_ms: i64, block: u32, reference: u64) {
        self.push(min_ms, max_ms, Place::Block { block, reference });
    }

    /// Charges what has come since the last time; to be called every few series.
    pub(crate) fn charge(&mut self) -> Result<(), Error> {
        let bytes = (self.stored.chunks.len() * (size_of::<Chunk>() + size_of::<u32>())
            + self.stored.copied.len()
            + self.positions.len() * 4) as u64
            + self.labels.size_bytes().saturating_sub(self.table_bytes);
        let new = bytes.saturating_sub(self.charged_bytes);
        if new >= METER_STEP_BYTES {
            self.charged_bytes = bytes;
            self.meter.take_bytes(new)?;
        }
        Ok(())
    }

    fn finish(self) -> Selection {
        let SelectionBuilder { sets, owners, mut stored, .. } = self;
        let mut ends = vec![0u32; sets.len()];
        for owner in &owners {
            ends[*owner as usize] += 1;
        }
        let mut end = 0;
        for slot in &mut ends {
            end += *slot;
            *slot = end;
        }
        if !owners.is_sorted() {
            // Several places have chunks: put together what belongs together, each place in its turn.
            let mut starts: Vec<u32> = std::iter::once(0).chain(ends.iter().copied()).collect();
            let mut sorted = stored.chunks.clone();
            for (chunk, owner) in stored.chunks.iter().zip(&owners) {
                let at = &mut starts[*owner as usize];
                sorted[*at as usize] = *chunk;
                *at += 1;
            }
            stored.chunks = sorted;
        }
        let mut start = 0;
        for end in &ends {
            let chunks = &mut stored.chunks[start..*end as usize];
            // Stable, so that of two equal timestamps the one of the earlier place counts.
            if !chunks.is_sorted_by_key(|chunk| chunk.min_ms) {
                chunks.sort_by_key(|chunk| chunk.min_ms);
            }
            start = *end as usize;
        }
        stored.ends = ends;
        Selection::new(sets, Box::new(stored))
    }
}

impl Stored {
    fn chunks_of(&self, at: usize) -> &[Chunk] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.chunks[start..self.ends[at] as usize]
    }

    /// Calls with the bytes of a chunk that has any.
    fn with<T>(&self, chunk: &Chunk, read: impl FnOnce(Encoding, &[u8]) -> T) -> Result<T, Error> {
        let unreadable = || Error::Corrupt("a chunk of the head cannot be read".into());
        match chunk.place {
            Place::Segment { segment, offset } => {
                self.segments[segment as usize].with(offset, read).ok_or_else(unreadable)
            }
            Place::Copied { encoding, length, offset } => {
                let start = offset as usize;
                self.copied
                    .get(start..start + length as usize)
                    .map(|bytes| read(encoding, bytes))
                    .ok_or_else(unreadable)
            }
            Place::Block { block, reference } => {
                let (encoding, bytes) = self.blocks[block as usize].chunk(reference)?;
                Ok(read(encoding, bytes))
            }
            Place::Sample { .. } => Err(unreadable()),
        }
    }

    fn sample_count(&self, chunk: &Chunk) -> u64 {
        let count = match chunk.place {
            Place::Sample { .. } => Some(1),
            Place::Block { block, reference } => {
                self.blocks[block as usize].chunk_sample_count(reference).ok()
            }
            _ => {
                self.with(chunk, |encoding, bytes| chunk::count_samples(encoding, bytes).ok()).ok().flatten()
            }
        };
        // One that cannot be read fails when it is read.
        count.map_or(0, u64::from)
    }

    /// Adds the samples of a chunk. A corrupt one of a block is left out and noted there, so that the
    /// rest is served.
    fn decode(&self, chunk: &Chunk, into: &mut Samples) -> Result<(), Error> {
        let start = into.len();
        if let Place::Sample { bits } = chunk.place {
            into.push(chunk.min_ms, f64::from_bits(bits));
        } else {
            let decoded =
                self.with(chunk, |encoding, bytes| chunk::decode(encoding, bytes, self.range, into));
            let decoded = decoded.and_then(|decoded| match chunk.place {
                Place::Block { block, .. } => decoded
                    .and_then(|()| check_times(into, start, chunk.min_ms, chunk.max_ms))
                    .map_err(|error| Error::corrupt(self.blocks[block as usize].dir(), error)),
                _ => decoded.map_err(|error| Error::Corrupt(format!("a chunk of the head: {error}"))),
            });
            match (decoded, chunk.place) {
                (Err(error @ Error::Corrupt(_)), Place::Block { block, .. }) => {
                    into.timestamps_ms.truncate(start);
                    into.values.truncate(start);
                    into.histograms.truncate(start);
                    into.start_timestamps_ms.truncate(start);
                    self.blocks[block as usize].note_damage(&error);
                }
                (decoded, _) => decoded?,
            }
        }
        if let Some(deleted) = chunk.deleted.checked_sub(1).and_then(|at| self.deleted.get(at as usize)) {
            remove_deleted(into, start, deleted);
        }
        Ok(())
    }

    fn read_all(&self, mut chunks: &[Chunk], into: &mut Samples) -> Result<(), Error> {
        while let Some(first) = chunks.first() {
            // Chunks that overlap, directly or through each other, are merged.
            let mut count = 1;
            let mut max_ms = first.max_ms;
            while let Some(next) = chunks.get(count).filter(|next| next.min_ms <= max_ms) {
                max_ms = max_ms.max(next.max_ms);
                count += 1;
            }
            if count == 1 {
                self.decode(first, into)?;
            } else {
                let mut parts = Vec::with_capacity(count);
                for overlapping in &chunks[..count] {
                    let mut part = Samples::default();
                    self.decode(overlapping, &mut part)?;
                    parts.push(part);
                }
                merge(&parts, into);
            }
            chunks = &chunks[count..];
        }
        Ok(())
    }
}

impl SelectedSamples for Stored {
    fn sample_count_max(&self, at: usize) -> u64 {
        self.chunks_of(at).iter().map(|chunk| self.sample_count(chunk)).sum()
    }

    fn sample_count_estimate(&self) -> u64 {
        let of_blocks: Vec<u64> = self.blocks.iter().map(|block| block.samples_per_chunk()).collect();
        let of_segments: Vec<u64> = self.segments.iter().map(|segment| segment.samples_per_chunk()).collect();
        let samples = |chunk: &Chunk| match chunk.place {
            Place::Sample { .. } => 1,
            // What was copied is near; of the others nothing is read.
            Place::Copied { .. } => self.sample_count(chunk),
            Place::Segment { segment, .. } => of_segments[segment as usize],
            Place::Block { block, .. } => of_blocks[block as usize],
        };
        self.chunks.iter().map(samples).sum()
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        Ok(self.read_all(self.chunks_of(at), into)?)
    }
}

impl MetricReader for Db {
    fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        let mut builder = SelectionBuilder::new(request, labels);
        // The head first: what it drops meanwhile is in a block by then.
        self.head().select(request.matchers, &mut builder)?;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(request.range)) {
            block.select(request.matchers, &mut builder)?;
        }
        Ok(builder.finish())
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        let mut names = BTreeSet::new();
        self.head().label_names(range, matchers, &mut names)?;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(range)) {
            block.label_names(matchers, &mut names)?;
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        let mut values = Vec::new();
        self.head().label_values(name, range, matchers, &mut values)?;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(range)) {
            block.label_values(name, matchers, &mut values)?;
        }
        Ok(values)
    }
}
