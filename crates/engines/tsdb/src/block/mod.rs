//! Blocks: two hours and more of samples in a folder, in Prometheus's format, never changed once
//! written (but for the list of deleted spans).

pub(crate) mod decode;
pub(crate) mod index_reader;
pub(crate) mod meta;
pub(crate) mod tombstones;
pub(crate) mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::storage::{TimeRange, Want};
use model::{Labels, Matcher};
use parking_lot::{Mutex, RwLock};

use crate::chunk::{Encoding, SAMPLES_PER_CHUNK, count_samples};
use crate::disk::Disk;
use crate::error::Error;
use crate::mapping::Mapping;
use crate::postings::{self, PostingIndex};
use crate::selection::SelectionBuilder;
use crate::series::{ChunkData, ChunkHandle, Found, is_deleted};
use crate::stats::BlockStats;
use decode::Fields;
use index_reader::{INDEX_FILE, IndexReader, PairNumbers};
use meta::{META_FILE, Meta};
use tombstones::{TOMBSTONES_FILE, Tombstones};

pub(crate) const CHUNKS_DIR: &str = "chunks";
const CHUNKS_MAGIC: u32 = 0x85BD_40DD;
const CHUNKS_HEADER_BYTES: usize = 8;

/// End of the name of a block that is being written.
pub(crate) const TMP_FOR_CREATION: &str = ".tmp-for-creation";
/// End of the name of a block that is being deleted.
pub(crate) const TMP_FOR_DELETION: &str = ".tmp-for-deletion";
/// End of the name of a block that was set aside because it cannot be read. Nothing looks at it
/// again; an operator may repair or delete it.
pub(crate) const CORRUPT: &str = ".corrupt";

/// An opened block.
pub(crate) struct Block {
    dir: PathBuf,
    meta: Meta,
    index: IndexReader,
    chunks: Vec<Mapping>,
    tombstones: RwLock<Arc<Tombstones>>,
    /// One deletion at a time.
    deleting: Mutex<()>,
    size_bytes: u64,
    /// Parts that could not be read.
    damaged: AtomicU64,
}

impl Block {
    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Block, Error> {
        let mut meta = Meta::read(disk, dir)?;
        // The folder's name is the block's: `meta.json` has no checksum.
        if let Some(name) = dir.file_name().and_then(|name| name.to_str()).filter(|name| meta::is_ulid(name))
        {
            meta.ulid = name.to_string();
        }
        let index_path = dir.join(INDEX_FILE);
        if !index_path.exists() {
            return Err(Error::corrupt(&index_path, "is missing"));
        }
        let index = IndexReader::open(&index_path, (meta.version == 2).then_some(2))?;
        let mut chunks = Vec::new();
        let mut size_bytes = index.size_bytes();
        for path in chunk_files(&dir.join(CHUNKS_DIR))? {
            let file = Mapping::open(&path)?;
            let mut head = Fields(&file);
            if head.u32() != Some(CHUNKS_MAGIC) || head.u8() != Some(1) {
                return Err(Error::corrupt(&path, "not a file of chunks"));
            }
            size_bytes += file.len() as u64;
            chunks.push(file);
        }
        for name in [META_FILE, TOMBSTONES_FILE] {
            size_bytes += fs::metadata(dir.join(name)).map_or(0, |m| m.len());
        }
        let tombstones = RwLock::new(Arc::new(tombstones::read(disk, dir)?));
        Ok(Block {
            dir: dir.to_path_buf(),
            meta,
            index,
            chunks,
            tombstones,
            deleting: Mutex::new(()),
            size_bytes,
            damaged: AtomicU64::new(0),
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The time that the block covers, both ends included.
    pub(crate) fn range(&self) -> TimeRange {
        // `maxTime` is exclusive, but a block of a single sample may have both equal.
        let end_ms = self.meta.max_time.saturating_sub(1).max(self.meta.min_time);
        TimeRange { start_ms: self.meta.min_time, end_ms }
    }

    pub(crate) fn stats(&self) -> BlockStats {
        BlockStats {
            ulid: self.meta.ulid.clone(),
            min_time_ms: self.meta.min_time,
            max_time_ms: self.meta.max_time,
            samples: self.meta.stats.num_samples,
            series: self.meta.stats.num_series,
            chunks: self.meta.stats.num_chunks,
            size_bytes: self.size_bytes,
            compaction_level: self.meta.compaction.level,
        }
    }

    /// A chunk's encoding and data, its checksum verified.
    pub(crate) fn chunk(&self, reference: u64) -> Result<(Encoding, &[u8]), Error> {
        let malformed = |what| Error::corrupt(&self.dir, format!("{what} chunk at {reference:#x}"));
        let (encoding, data, checksum) = self.chunk_parts(reference).ok_or_else(|| malformed("no"))?;
        if crc32c::crc32c_append(crc32c::crc32c(&[encoding]), data) != checksum {
            return Err(malformed("wrong checksum of the"));
        }
        let encoding = Encoding::from_byte(encoding).map_err(|error| Error::corrupt(&self.dir, error))?;
        Ok((encoding, data))
    }

    fn chunk_parts(&self, reference: u64) -> Option<(u8, &[u8], u32)> {
        let file = self.chunks.get((reference >> 32) as usize)?;
        let at = reference as u32 as usize;
        if at < CHUNKS_HEADER_BYTES {
            return None;
        }
        let mut fields = Fields(file.get(at..)?);
        let length = usize::try_from(fields.uvarint()?).ok()?;
        Some((fields.u8()?, fields.bytes(length)?, fields.u32()?))
    }

    /// How many samples a chunk says it has.
    pub(crate) fn chunk_sample_count(&self, reference: u64) -> Result<u16, Error> {
        let count = || {
            let (encoding, data, _) = self.chunk_parts(reference)?;
            count_samples(Encoding::from_byte(encoding).ok()?, data).ok()
        };
        count().ok_or_else(|| Error::corrupt(&self.dir, "a malformed chunk"))
    }

    /// Samples of a chunk in the mean, as the block says of itself; at least 1.
    pub(crate) fn samples_per_chunk(&self) -> u64 {
        let stats = &self.meta.stats;
        stats
            .num_samples
            .checked_div(stats.num_chunks)
            .map_or(u64::from(SAMPLES_PER_CHUNK), |mean| mean.max(1))
    }

    /// Notes that a part could not be read; the first time it is worth a line in the log.
    pub(crate) fn note_damage(&self, error: &Error) {
        if self.damaged.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(%error, "a part of a block is corrupt and left out; so are others of this block, if any");
        }
    }

    /// What a query takes from a part that may be damaged: nothing then, so that the rest is served.
    pub(crate) fn unless_damaged<T: Default>(&self, read: Result<T, Error>) -> Result<T, Error> {
        match read {
            Err(error @ Error::Corrupt(_)) => {
                self.note_damage(&error);
                Ok(T::default())
            }
            other => other,
        }
    }

    /// Parts that could not be read: chunks, series, lists of postings.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Adds the series that match and have chunks in the range, in order of their labels.
    pub(crate) fn select(
        self: &Arc<Self>,
        matchers: &[Matcher],
        into: &mut SelectionBuilder<'_>,
    ) -> Result<(), Error> {
        let references = self.unless_damaged(postings::select(&self.index, matchers))?;
        if references.is_empty() {
            return Ok(());
        }
        into.reserve(references.len())?;
        let tombstones = self.tombstones.read().clone();
        let range = into.range;
        let number = into.block(self.clone());
        let mut pairs = PairNumbers::new(&self.index, references.len());
        let (mut own_pairs, mut chunks) = (Vec::new(), Vec::new());
        for (at, reference) in references.into_iter().enumerate() {
            let read =
                self.index.series_pairs(reference, &mut pairs, into.labels, &mut own_pairs, &mut chunks);
            if read.is_err() {
                self.unless_damaged(read)?;
                continue;
            }
            let deleted = tombstones.get(&reference).map_or(&[][..], Vec::as_slice);
            chunks.retain(|chunk| {
                TimeRange { start_ms: chunk.min_ms, end_ms: chunk.max_ms }.overlaps(range)
                    && !is_deleted(deleted, chunk.min_ms, chunk.max_ms)
            });
            if chunks.is_empty() {
                continue;
            }
            into.begin(&own_pairs, deleted);
            if into.want != Want::Labels {
                for chunk in &chunks {
                    into.push_block(chunk.min_ms, chunk.max_ms, number, chunk.reference);
                }
            }
            if at % 256 == 0 {
                into.charge()?;
            }
        }
        into.charge()
    }

    fn series(
        self: &Arc<Self>,
        reference: u32,
        range: TimeRange,
        tombstones: &Tombstones,
    ) -> Result<Option<Found>, Error> {
        let mut metas = Vec::new();
        let labels = self.index.series(reference, &mut metas)?;
        let chunks: Vec<_> = metas
            .iter()
            .filter(|meta| TimeRange { start_ms: meta.min_ms, end_ms: meta.max_ms }.overlaps(range))
            .map(|meta| ChunkHandle {
                min_ms: meta.min_ms,
                max_ms: meta.max_ms,
                data: ChunkData::Block(self.clone(), meta.reference),
            })
            .collect();
        if chunks.is_empty() {
            return Ok(None);
        }
        let deleted = tombstones.get(&reference).cloned().unwrap_or_default();
        Ok(Some(Found { labels, chunks, deleted }))
    }

    /// All series with all their chunks, one after the other, in order of their labels.
    pub(crate) fn scan(self: &Arc<Self>) -> Result<impl Iterator<Item = Result<Found, Error>>, Error> {
        let references = self.index.all()?;
        let tombstones = self.tombstones.read().clone();
        let block = self.clone();
        Ok(references
            .into_iter()
            .filter_map(move |reference| block.series(reference, TimeRange::ALL, &tombstones).transpose()))
    }

    /// Whether a series has samples before the time that is given for it; to the chunk, and as far as the
    /// index can be read.
    pub(crate) fn has_samples_before(&self, before_ms: impl Fn(&Labels) -> i64) -> Result<bool, Error> {
        let mut chunks = Vec::new();
        for reference in self.index.all()? {
            let labels = self.unless_damaged(self.index.series(reference, &mut chunks))?;
            if chunks.first().is_some_and(|chunk| chunk.min_ms < before_ms(&labels)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the files of chunks reach as far as the index says; those of a block that is still being copied
    /// may not.
    pub(crate) fn is_whole(&self) -> Result<bool, Error> {
        let mut last_by_file: BTreeMap<u64, u64> = BTreeMap::new();
        let mut chunks = Vec::new();
        for reference in self.index.all()? {
            let read: Result<Labels, Error> = self.index.series(reference, &mut chunks);
            if read.is_err() {
                continue;
            }
            for chunk in &chunks {
                let last = last_by_file.entry(chunk.reference >> 32).or_default();
                *last = chunk.reference.max(*last);
            }
        }
        Ok(last_by_file.values().all(|&reference| self.chunk_parts(reference).is_some()))
    }

    /// Nothing of its files stays in memory until it is looked at again.
    pub(crate) fn release_files(&self) {
        self.index.release_file();
        self.chunks.iter().for_each(Mapping::release);
    }

    /// All names and values of labels.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.index.symbols()
    }

    pub(crate) fn label_names(&self, matchers: &[Matcher], into: &mut BTreeSet<String>) -> Result<(), Error> {
        let mut add = |name: &str| {
            if !into.contains(name) {
                into.insert(name.to_string());
            }
        };
        if matchers.is_empty() {
            self.index.names().for_each(add);
            return Ok(());
        }
        let mut chunks = Vec::new();
        for reference in self.unless_damaged(postings::select(&self.index, matchers))? {
            let labels: Labels = self.unless_damaged(self.index.series(reference, &mut chunks))?;
            labels.iter().for_each(|(name, _)| add(name));
        }
        Ok(())
    }

    pub(crate) fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        into: &mut Vec<String>,
    ) -> Result<(), Error> {
        self.unless_damaged(postings::label_values(&self.index, name, matchers, into))
    }

    /// How many series have deleted spans.
    pub(crate) fn tombstone_count(&self) -> usize {
        self.tombstones.read().len()
    }

    /// Marks samples of the matching series as deleted, durably.
    pub(crate) fn delete(
        &self,
        disk: &dyn Disk,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<usize, Error> {
        if !self.range().overlaps(range) {
            return Ok(0);
        }
        let _deleting = self.deleting.lock();
        let own = self.range();
        let span =
            TimeRange { start_ms: range.start_ms.max(own.start_ms), end_ms: range.end_ms.min(own.end_ms) };
        let references = postings::select(&self.index, matchers)?;
        if references.is_empty() {
            return Ok(0);
        }
        let mut all = Tombstones::clone(&self.tombstones.read());
        for &reference in &references {
            let spans = all.entry(reference).or_default();
            spans.push(span);
            tombstones::normalize(spans);
        }
        tombstones::write(disk, &self.dir, &all)?;
        let mut meta = self.meta.clone();
        meta.stats.num_tombstones = all.values().map(|spans| spans.len() as u64).sum();
        *self.tombstones.write() = Arc::new(all);
        meta.write(disk, &self.dir)?;
        Ok(references.len())
    }
}

fn chunk_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::corrupt(dir, "is missing"));
        }
        Err(error) => return Err(Error::io("listing", dir)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("listing", dir))?;
        if entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a copy of a block's folder that shares its files, or copies them where the file system
/// cannot. Files of blocks are replaced but never changed, so the copy stays as it is.
pub(crate) fn link_dir(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), Error> {
    let link = |name: &Path| {
        let (from, to) = (from.join(name), to.join(name));
        match disk.hard_link(&from, &to) {
            Ok(()) => Ok(()),
            // A block from before tombstones has none.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(_) => fs::read(&from)
                .and_then(|bytes| disk.write_file(&to, &bytes))
                .map_err(Error::io("copying", &from)),
        }
    };
    let chunks = to.join(CHUNKS_DIR);
    disk.create_dir_all(&chunks).map_err(Error::io("creating", &chunks))?;
    for file in chunk_files(&from.join(CHUNKS_DIR))? {
        if let Some(name) = file.file_name() {
            link(&Path::new(CHUNKS_DIR).join(name))?;
        }
    }
    for name in [INDEX_FILE, TOMBSTONES_FILE, META_FILE] {
        link(Path::new(name))?;
    }
    disk.sync_dir(&chunks).map_err(Error::io("flushing", &chunks))?;
    disk.sync_dir(to).map_err(Error::io("flushing", to))
}

/// Deletes a block's folder: renamed first, durably, so that a crash leaves nothing half there.
pub(crate) fn delete_dir(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let doomed = with_suffix(dir, TMP_FOR_DELETION);
    disk.rename(dir, &doomed).map_err(Error::io("renaming", dir))?;
    if let Some(parent) = dir.parent() {
        disk.sync_dir(parent).map_err(Error::io("flushing", parent))?;
    }
    disk.remove_dir_all(&doomed).map_err(Error::io("deleting", &doomed))
}

/// Renames a block that cannot be read, so that nothing reads it again.
pub(crate) fn set_aside(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, Error> {
    let kept = with_suffix(dir, CORRUPT);
    disk.rename(dir, &kept).map_err(Error::io("renaming", dir))?;
    Ok(kept)
}

fn with_suffix(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    dir.with_file_name(name)
}
