//! Where closed chunks of the head lie: append-only pieces of memory, each for one block range, so
//! that cutting a block frees them as a whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::chunk::Encoding;

/// Capacity of a segment; a larger chunk gets its own.
const SEGMENT_SIZE_BYTES: usize = 1 << 20;
/// Before each chunk: length as u32, encoding.
const PREFIX_BYTES: usize = 5;

/// A closed chunk of the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkRef {
    pub(crate) min_ms: i64,
    /// Last time minus first. Fits: a chunk never leaves its block range.
    pub(crate) span_ms: u32,
    segment: u32,
    offset: u32,
}

impl ChunkRef {
    pub(crate) fn max_ms(&self) -> i64 {
        self.min_ms + i64::from(self.span_ms)
    }
}

/// One piece of memory with chunks.
pub(crate) struct Segment {
    range_start_ms: i64,
    bytes: RwLock<Vec<u8>>,
}

impl Segment {
    /// Calls with the chunk at an offset.
    pub(crate) fn with<T>(&self, offset: u32, read: impl FnOnce(Encoding, &[u8]) -> T) -> Option<T> {
        let bytes = self.bytes.read();
        let at = offset as usize;
        let prefix: &[u8; PREFIX_BYTES] = bytes.get(at..at + PREFIX_BYTES)?.try_into().ok()?;
        let [a, b, c, d, encoding] = *prefix;
        let start = at + PREFIX_BYTES;
        let chunk = bytes.get(start..start + u32::from_le_bytes([a, b, c, d]) as usize)?;
        Some(read(Encoding::from_byte(encoding).ok()?, chunk))
    }
}

/// All segments. Chunks are added by one writer at a time.
#[derive(Default)]
pub(crate) struct Segments {
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
            self.get(number).is_some_and(|segment| segment.bytes.read().len() + needed <= SEGMENT_SIZE_BYTES)
        });
        let number = fitting.unwrap_or_else(|| {
            let segment = Segment {
                range_start_ms,
                bytes: RwLock::new(Vec::with_capacity(needed.max(SEGMENT_SIZE_BYTES))),
            };
            let mut list = self.list.write();
            let number = list.base + list.segments.len() as u32;
            list.segments.push_back(Some(Arc::new(segment)));
            open.insert(range_start_ms, number);
            number
        });
        let mut offset = 0;
        if let Some(segment) = self.get(number) {
            let mut bytes = segment.bytes.write();
            offset = bytes.len() as u32;
            bytes.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
            bytes.push(encoding as u8);
            bytes.extend_from_slice(chunk);
        }
        ChunkRef { min_ms, span_ms: (max_ms - min_ms) as u32, segment: number, offset }
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

    /// Bytes of all chunks.
    pub(crate) fn size_bytes(&self) -> usize {
        self.list.read().segments.iter().flatten().map(|s| s.bytes.read().len()).sum()
    }
}
