//! Where closed chunks of the head lie: append-only pieces of memory, each for one block range, so
//! that cutting a block frees them as a whole. A full segment moves to a file without a name, so
//! that it takes memory only while it is read; the log keeps its samples through a crash.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;
use parking_lot::{Mutex, RwLock};

use super::pieces::Pieces;
use crate::chunk::{self, Encoding};
use crate::mapping::Mapping;

/// Capacity of a segment; a larger chunk gets its own.
const SEGMENT_SIZE_BYTES: usize = 4 << 20;
/// Before each chunk: length as u32, encoding.
const PREFIX_BYTES: usize = 5;

/// A closed chunk of the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkRef {
    /// Time of the first sample, its lower half first: so that nothing here is aligned to eight bytes, as
    /// there are several of these to each series.
    min_ms: [u32; 2],
    /// Last time minus first. Fits: a chunk never leaves its block range.
    span_ms: u32,
    segment: u32,
    offset: u32,
}

impl ChunkRef {
    /// Time of the first sample.
    pub(crate) fn min_ms(&self) -> i64 {
        (u64::from(self.min_ms[0]) | u64::from(self.min_ms[1]) << 32) as i64
    }

    /// The number of its segment, which is given out once.
    pub(crate) fn segment(&self) -> u32 {
        self.segment
    }

    /// Where it lies there.
    pub(crate) fn offset(&self) -> u32 {
        self.offset
    }

    /// Time of the last sample.
    pub(crate) fn max_ms(&self) -> i64 {
        self.min_ms() + i64::from(self.span_ms)
    }
}

/// One piece of memory with chunks.
pub(crate) struct Segment {
    range_start_ms: i64,
    bytes: RwLock<Memory>,
    /// Chunks in it, and samples in these.
    chunks: AtomicU64,
    samples: AtomicU64,
}

/// Memory taken from the operating system directly, so that a cut gives it back.
pub(super) struct Memory {
    place: Place,
    length: usize,
}

enum Place {
    Mapped(MmapMut),
    /// Where the system refuses a mapping.
    Heap(Vec<u8>),
    /// Full and moved to disk.
    File(Mapping),
}

impl Memory {
    pub(super) fn new(capacity: usize) -> Self {
        let place = MmapMut::map_anon(capacity).map(Place::Mapped);
        Memory { place: place.unwrap_or_else(|_| Place::Heap(vec![0; capacity])), length: 0 }
    }

    /// Such memory that was moved to a file.
    pub(super) fn in_file(file: Mapping, length: usize) -> Self {
        Memory { place: Place::File(file), length }
    }

    /// The same memory with nothing in it.
    pub(super) fn emptied(self) -> Self {
        Memory { length: 0, ..self }
    }

    /// Of what is in a file nothing stays in memory until it is looked at again.
    pub(super) fn release(&self) {
        if let Place::File(map) = &self.place {
            map.release();
        }
    }

    #[cfg(test)]
    pub(super) fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        let all: &[u8] = match &self.place {
            Place::Mapped(map) => map,
            Place::Heap(bytes) => bytes,
            Place::File(map) => map,
        };
        &all[..self.length]
    }

    /// Appends; the capacity must suffice.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let all: &mut [u8] = match &mut self.place {
            Place::Mapped(map) => map,
            Place::Heap(bytes) => bytes,
            Place::File(_) => return,
        };
        if let Some(target) = all.get_mut(self.length..self.length + bytes.len()) {
            target.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

impl Segment {
    fn new(range_start_ms: i64, size_bytes: usize) -> Self {
        let bytes = RwLock::new(Memory::new(size_bytes));
        Segment { range_start_ms, bytes, chunks: AtomicU64::new(0), samples: AtomicU64::new(0) }
    }

    /// Samples of a chunk in the mean; at least 1.
    pub(crate) fn samples_per_chunk(&self) -> u64 {
        let samples = self.samples.load(Ordering::Relaxed);
        samples.checked_div(self.chunks.load(Ordering::Relaxed)).map_or(1, |mean| mean.max(1))
    }

    /// Calls with the chunk at an offset.
    pub(crate) fn with<T>(&self, offset: u32, read: impl FnOnce(Encoding, &[u8]) -> T) -> Option<T> {
        let memory = self.bytes.read();
        let bytes = memory.bytes();
        let at = offset as usize;
        let prefix: &[u8; PREFIX_BYTES] = bytes.get(at..at + PREFIX_BYTES)?.try_into().ok()?;
        let [a, b, c, d, encoding] = *prefix;
        let start = at + PREFIX_BYTES;
        let chunk = bytes.get(start..start + u32::from_le_bytes([a, b, c, d]) as usize)?;
        Some(read(Encoding::from_byte(encoding).ok()?, chunk))
    }
}

/// All segments. Chunks are added by one writer at a time.
pub(crate) struct Segments {
    /// Where full segments go.
    dir: PathBuf,
    /// The beginnings of chunks that are open.
    pub(crate) pieces: Pieces,
    list: RwLock<List>,
    /// The segment of each block range that is being filled.
    open: Mutex<BTreeMap<i64, u32>>,
}

#[derive(Default)]
struct List {
    /// Number of the first segment in the list.
    base: u32,
    segments: VecDeque<Option<Arc<Segment>>>,
}

impl Segments {
    /// No segments yet; full ones will go to files in `dir`, which exists.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Segments { pieces: Pieces::new(dir.clone()), dir, list: RwLock::default(), open: Mutex::default() }
    }

    /// Moves a full segment to disk. Without room there it stays in memory.
    fn spill(&self, number: u32) {
        let Some(segment) = self.get(number) else { return };
        // Readers go on while it is written; nobody else writes to it.
        let file =
            Mapping::of_nameless_file(&self.dir.join(format!("{number:08}")), segment.bytes.read().bytes());
        match file {
            Ok(file) => segment.bytes.write().place = Place::File(file),
            Err(error) => {
                tracing::debug!(%error, "closed chunks of the head stay in memory");
            }
        }
    }

    /// Stores a chunk that lies in the block range beginning at `range_start_ms`.
    pub(crate) fn push(
        &self,
        range_start_ms: i64,
        encoding: Encoding,
        min_ms: i64,
        max_ms: i64,
        chunk: &[u8],
    ) -> ChunkRef {
        let needed = PREFIX_BYTES + chunk.len();
        let mut open = self.open.lock();
        let fitting = open.get(&range_start_ms).copied().filter(|&number| {
            self.get(number).is_some_and(|segment| segment.bytes.read().length + needed <= SEGMENT_SIZE_BYTES)
        });
        let number = fitting.unwrap_or_else(|| {
            let segment = Segment::new(range_start_ms, needed.max(SEGMENT_SIZE_BYTES));
            let mut list = self.list.write();
            let number = list.base + list.segments.len() as u32;
            list.segments.push_back(Some(Arc::new(segment)));
            if let Some(full) = open.insert(range_start_ms, number) {
                drop(list);
                self.spill(full);
            }
            number
        });
        let mut offset = 0;
        if let Some(segment) = self.get(number) {
            let mut bytes = segment.bytes.write();
            offset = bytes.length as u32;
            bytes.push(&(chunk.len() as u32).to_le_bytes());
            bytes.push(&[encoding as u8]);
            bytes.push(chunk);
            let samples = chunk::count_samples(encoding, chunk).map_or(0, u64::from);
            segment.samples.fetch_add(samples, Ordering::Relaxed);
            segment.chunks.fetch_add(1, Ordering::Relaxed);
        }
        let halves = [min_ms as u32, (min_ms as u64 >> 32) as u32];
        ChunkRef { min_ms: halves, span_ms: (max_ms - min_ms) as u32, segment: number, offset }
    }

    fn get(&self, number: u32) -> Option<Arc<Segment>> {
        let list = self.list.read();
        list.segments.get(number.wrapping_sub(list.base) as usize)?.clone()
    }

    /// Where a chunk lies; holding the segment keeps it readable after it is freed here.
    pub(crate) fn locate(&self, chunk: &ChunkRef) -> Option<(Arc<Segment>, u32)> {
        self.get(chunk.segment).map(|segment| (segment, chunk.offset))
    }

    /// Forgets all segments of block ranges that begin before this time.
    pub(crate) fn free_before(&self, range_start_ms: i64) {
        self.open.lock().retain(|&start, _| start >= range_start_ms);
        let mut list = self.list.write();
        for slot in &mut list.segments {
            if slot.as_ref().is_some_and(|segment| segment.range_start_ms < range_start_ms) {
                *slot = None;
            }
        }
        while let Some(None) = list.segments.front() {
            list.segments.pop_front();
            list.base += 1;
        }
    }

    /// Of what is in files nothing stays in memory until it is looked at again.
    pub(crate) fn release(&self) {
        let segments: Vec<_> = self.list.read().segments.iter().flatten().cloned().collect();
        segments.iter().for_each(|segment| segment.bytes.read().release());
        self.pieces.release_files();
    }

    /// Bytes of all chunks.
    pub(crate) fn size_bytes(&self) -> usize {
        self.list.read().segments.iter().flatten().map(|s| s.bytes.read().length).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(at: usize) -> Vec<u8> {
        (0..1_000 + at % 500).map(|byte| (byte * at) as u8).collect()
    }

    #[test]
    fn chunks_are_readable_wherever_they_lie_and_until_they_are_let_go() {
        for dir_is_there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let spill = if dir_is_there { dir.path().to_path_buf() } else { dir.path().join("missing") };
            let segments = Segments::new(spill);
            let push = |at: usize| {
                segments.push(at as i64 % 2 * 100, Encoding::Xor, at as i64, at as i64 + 5, &chunk(at))
            };
            let chunks: Vec<_> = (0..10_000).map(push).collect();
            let large = vec![7; SEGMENT_SIZE_BYTES + 1];
            let large_ref = segments.push(0, Encoding::FloatHistogram, 0, 1, &large);
            for (at, stored) in chunks.iter().enumerate() {
                let (segment, offset) = segments.locate(stored).unwrap();
                assert!(segment.with(offset, |_, bytes| bytes == chunk(at)).unwrap(), "{at}");
            }
            let (segment, offset) = segments.locate(&large_ref).unwrap();
            assert_eq!(segment.with(offset, |_, bytes| bytes.len()), Some(large.len()));
            let in_files = segments
                .list
                .read()
                .segments
                .iter()
                .flatten()
                .filter(|segment| matches!(segment.bytes.read().place, Place::File(_)))
                .count();
            assert_eq!(in_files > 0, dir_is_there, "without room they stay in memory");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no names are left");
            let held = segments.locate(&chunks[2]).unwrap();
            segments.free_before(100);
            assert!(segments.locate(&chunks[2]).is_none() && segments.locate(&chunks[3]).is_some());
            assert!(held.0.with(held.1, |_, bytes| bytes == chunk(2)).unwrap());
        }
    }
}
