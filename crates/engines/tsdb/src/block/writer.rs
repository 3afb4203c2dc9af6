//! Writing a block: `chunks/NNNNNN`, `index` (version 2), `meta.json`, `tombstones`, under a
//! temporary name until all of it is on disk.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Labels;

use super::decode::{put_text, put_uvarint, put_varint};
use super::index_reader::{ChunkMeta, INDEX_FILE, MAGIC, TOC_BYTES};
use super::meta::{Meta, MetaStats};
use super::tombstones::{self, Tombstones};
use super::{CHUNKS_DIR, CHUNKS_MAGIC, TMP_FOR_CREATION};
use crate::chunk::{Encoding, count_samples};
use crate::disk::{Disk, FileWriter};
use crate::error::Error;
use crate::postings::Postings;

/// Largest file of chunks, as in Prometheus.
const CHUNK_FILE_MAX_BYTES: u64 = 512 << 20;

/// A file that is written from front to back.
struct Output {
    path: PathBuf,
    file: BufWriter<FileWriter>,
    at: u64,
}

impl Output {
    fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self, Error> {
        let file = FileWriter::create(disk, &path).map_err(Error::io("creating", &path))?;
        Ok(Output { path, file: BufWriter::with_capacity(1 << 18, file), at: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::io("writing", &self.path))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self, to: u64) -> Result<(), Error> {
        let padding = (to - self.at % to) % to;
        self.write(&[0; 16][..padding as usize])
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(Error::io("writing", &self.path))?;
        self.file.get_ref().sync().map_err(Error::io("flushing", &self.path))
    }
}

/// A chunk to be written.
pub(crate) struct ChunkOut<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) bytes: &'a [u8],
}

/// Writes one block, series by series in order of their labels. Dropped before
/// [`BlockWriter::finish`], it leaves nothing behind.
pub(crate) struct BlockWriter {
    disk: Arc<dyn Disk>,
    /// The temporary folder.
    dir: PathBuf,
    target: PathBuf,
    index: Output,
    chunks: Option<Output>,
    chunk_files: u32,
    symbols: HashMap<String, u32>,
    series_at: u64,
    /// Reference of each series; the lists hold positions in it.
    references: Vec<u32>,
    postings: HashMap<u64, Postings>,
    stats: MetaStats,
    buffer: Vec<u8>,
    finished: bool,
}

impl BlockWriter {
    /// Begins a block named `ulid` in `parent`. `symbols` are all names and values of labels that
    /// may come, sorted and distinct.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        parent: &Path,
        ulid: &str,
        symbols: Vec<String>,
    ) -> Result<Self, Error> {
        let target = parent.join(ulid);
        let dir = parent.join(format!("{ulid}{TMP_FOR_CREATION}"));
        let chunks_dir = dir.join(CHUNKS_DIR);
        disk.create_dir_all(&chunks_dir).map_err(Error::io("creating", &chunks_dir))?;
        let index = match Output::create(&**disk, dir.join(INDEX_FILE)) {
            Ok(index) => index,
            Err(error) => {
                let _ = disk.remove_dir_all(&dir);
                return Err(error);
            }
        };
        let mut writer = BlockWriter {
            disk: disk.clone(),
            dir,
            target,
            index,
            chunks: None,
            chunk_files: 0,
            symbols: HashMap::new(),
            series_at: 0,
            references: Vec::new(),
            postings: HashMap::new(),
            stats: MetaStats::default(),
            buffer: Vec::new(),
            finished: false,
        };
        writer.write_symbols(symbols)?;
        Ok(writer)
    }

    fn write_symbols(&mut self, symbols: Vec<String>) -> Result<(), Error> {
        let mut content = (symbols.len() as u32).to_be_bytes().to_vec();
        symbols.iter().for_each(|symbol| put_text(&mut content, symbol));
        self.index.write(&MAGIC.to_be_bytes())?;
        self.index.write(&[2])?;
        write_section(&mut self.index, &content)?;
        self.index.align(16)?;
        self.series_at = self.index.at;
        self.symbols = symbols.into_iter().zip(0..).collect();
        Ok(())
    }

    /// Adds a series that is above all before it, with chunks that follow each other in time.
    pub(crate) fn add(&mut self, labels: &Labels, chunks: &[ChunkOut<'_>]) -> Result<(), Error> {
        let mut metas = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let reference = self.write_chunk(chunk)?;
            metas.push(ChunkMeta { min_ms: chunk.min_ms, max_ms: chunk.max_ms, reference });
            let samples = u64::from(count_samples(chunk.encoding, chunk.bytes).unwrap_or(0));
            self.stats.num_samples += samples;
            match chunk.encoding.is_histogram() {
                true => self.stats.num_histogram_samples += samples,
                false => self.stats.num_float_samples += samples,
            }
        }
        self.stats.num_chunks += chunks.len() as u64;
        self.stats.num_series += 1;
        self.index.align(16)?;
        let ordinal = self.references.len() as u32;
        let reference = u32::try_from(self.index.at / 16)
            .map_err(|_| Error::BadInput("a block with too many series".into()))?;
        self.references.push(reference);
        let mut entry = std::mem::take(&mut self.buffer);
        entry.clear();
        put_uvarint(&mut entry, labels.len() as u64);
        for (name, value) in labels {
            let number = |text: &str| {
                self.symbols
                    .get(text)
                    .copied()
                    .ok_or_else(|| Error::Corrupt(format!("{}: unknown symbol {text:?}", self.dir.display())))
            };
            let (name, value) = (number(name)?, number(value)?);
            put_uvarint(&mut entry, u64::from(name));
            put_uvarint(&mut entry, u64::from(value));
            self.postings.entry(u64::from(name) << 32 | u64::from(value)).or_default().push(ordinal);
        }
        put_uvarint(&mut entry, metas.len() as u64);
        let mut before: Option<ChunkMeta> = None;
        for meta in metas {
            match before {
                None => {
                    put_varint(&mut entry, meta.min_ms);
                    put_uvarint(&mut entry, meta.max_ms.wrapping_sub(meta.min_ms) as u64);
                    put_uvarint(&mut entry, meta.reference);
                }
                Some(before) => {
                    put_uvarint(&mut entry, meta.min_ms.wrapping_sub(before.max_ms) as u64);
                    put_uvarint(&mut entry, meta.max_ms.wrapping_sub(meta.min_ms) as u64);
                    put_varint(&mut entry, meta.reference.wrapping_sub(before.reference) as i64);
                }
            }
            before = Some(meta);
        }
        let mut length = Vec::with_capacity(5);
        put_uvarint(&mut length, entry.len() as u64);
        self.index.write(&length)?;
        self.index.write(&entry)?;
        self.index.write(&crc32c::crc32c(&entry).to_be_bytes())?;
        self.buffer = entry;
        Ok(())
    }

    fn write_chunk(&mut self, chunk: &ChunkOut<'_>) -> Result<u64, Error> {
        let mut head = Vec::with_capacity(11);
        put_uvarint(&mut head, chunk.bytes.len() as u64);
        head.push(chunk.encoding as u8);
        let needed = (head.len() + chunk.bytes.len() + 4) as u64;
        if let Some(mut full) = self.chunks.take_if(|file| file.at + needed > CHUNK_FILE_MAX_BYTES) {
            full.finish()?;
        }
        let file = match &mut self.chunks {
            Some(file) => file,
            none => {
                self.chunk_files += 1;
                let path = self.dir.join(CHUNKS_DIR).join(format!("{:06}", self.chunk_files));
                let mut file = Output::create(&*self.disk, path)?;
                file.write(&CHUNKS_MAGIC.to_be_bytes())?;
                file.write(&[1, 0, 0, 0])?;
                none.insert(file)
            }
        };
        let reference = u64::from(self.chunk_files - 1) << 32 | file.at;
        file.write(&head)?;
        file.write(chunk.bytes)?;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&[chunk.encoding as u8]), chunk.bytes);
        file.write(&checksum.to_be_bytes())?;
        Ok(reference)
    }

    /// How many series were added.
    pub(crate) fn series_count(&self) -> usize {
        self.references.len()
    }

    /// Completes the files and flushes them; `meta` gets the statistics. The block exists when the
    /// returned [`FinishedBlock`] is published.
    pub(crate) fn finish(mut self, mut meta: Meta) -> Result<FinishedBlock, Error> {
        if let Some(mut file) = self.chunks.take() {
            file.finish()?;
        }
        let chunks_dir = self.dir.join(CHUNKS_DIR);
        self.disk.sync_dir(&chunks_dir).map_err(Error::io("flushing", &chunks_dir))?;
        self.write_postings()?;
        self.index.finish()?;
        meta.stats = std::mem::take(&mut self.stats);
        tombstones::write(&*self.disk, &self.dir, &Tombstones::new())?;
        meta.write(&*self.disk, &self.dir)?;
        self.finished = true;
        Ok(FinishedBlock {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            target: self.target.clone(),
            published: false,
        })
    }

    fn write_postings(&mut self) -> Result<(), Error> {
        self.index.align(4)?;
        let postings_at = self.index.at;
        // Sections that nobody reads any more stand empty, as in Prometheus 3.
        let label_indices_at = postings_at;
        let mut texts = vec![String::new(); self.symbols.len()];
        for (text, number) in std::mem::take(&mut self.symbols) {
            texts[number as usize] = text;
        }
        let mut pairs: Vec<u64> = self.postings.keys().copied().collect();
        pairs.sort_unstable();
        let mut table = (pairs.len() as u32 + 1).to_be_bytes().to_vec();
        let mut content = Vec::new();
        let mut ordinals: Vec<u32> = Vec::new();
        let all: Vec<u32> = (0..self.references.len() as u32).collect();
        for pair in std::iter::once(None).chain(pairs.into_iter().map(Some)) {
            let (name, value, list) = match pair {
                None => ("", "", &all),
                Some(pair) => {
                    ordinals.clear();
                    if let Some(list) = self.postings.get(&pair) {
                        list.read(&mut ordinals);
                    }
                    let text = |number: u64| texts[number as usize].as_str();
                    (text(pair >> 32), text(pair & 0xffff_ffff), &ordinals)
                }
            };
            self.index.align(4)?;
            put_uvarint(&mut table, 2);
            put_text(&mut table, name);
            put_text(&mut table, value);
            put_uvarint(&mut table, self.index.at);
            content.clear();
            content.extend_from_slice(&(list.len() as u32).to_be_bytes());
            for &ordinal in list {
                content.extend_from_slice(&self.references[ordinal as usize].to_be_bytes());
            }
            write_section(&mut self.index, &content)?;
        }
        let table_at = self.index.at;
        write_section(&mut self.index, &table)?;
        let mut toc = Vec::with_capacity(TOC_BYTES);
        // The symbols stand behind magic and version.
        for at in [5, self.series_at, label_indices_at, label_indices_at, postings_at, table_at] {
            toc.extend_from_slice(&at.to_be_bytes());
        }
        toc.extend_from_slice(&crc32c::crc32c(&toc).to_be_bytes());
        self.index.write(&toc)
    }
}

fn write_section(out: &mut Output, content: &[u8]) -> Result<(), Error> {
    let length = u32::try_from(content.len())
        .map_err(|_| Error::BadInput("a section of an index would be larger than 4 GiB".into()))?;
    out.write(&length.to_be_bytes())?;
    out.write(content)?;
    out.write(&crc32c::crc32c(content).to_be_bytes())
}

impl Drop for BlockWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.disk.remove_dir_all(&self.dir);
        }
    }
}

/// A block that is whole on disk but still has its temporary name.
pub(crate) struct FinishedBlock {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    target: PathBuf,
    published: bool,
}

impl FinishedBlock {
    /// Gives the block its name, durably.
    pub(crate) fn publish(mut self) -> Result<PathBuf, Error> {
        self.disk.rename(&self.dir, &self.target).map_err(Error::io("renaming", &self.dir))?;
        self.published = true;
        if let Some(parent) = self.target.parent() {
            self.disk.sync_dir(parent).map_err(Error::io("flushing", parent))?;
        }
        Ok(self.target.clone())
    }
}

impl Drop for FinishedBlock {
    fn drop(&mut self) {
        if !self.published {
            let _ = self.disk.remove_dir_all(&self.dir);
        }
    }
}
