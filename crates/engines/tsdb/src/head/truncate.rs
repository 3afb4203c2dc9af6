//! What leaves the head: the range that became a block, deleted spans, and the log before a
//! checkpoint.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use model::Labels;
use model::storage::TimeRange;

use super::page::{PAGE_SERIES, PageCursor};
use super::{Head, add};
use crate::disk::{Disk, FileWriter};
use crate::error::Error;
use crate::series::{ChunkHandle, Found};
use crate::wal::record::{self, FILE_HEADER, LoggedChunk, LoggedChunks};
use crate::wal::{checkpoint_path, replay};

impl Head {
    /// The oldest block range of the head, start and end (exclusive), if it is time to make it a
    /// block: when the head spans more than one and a half ranges. Samples from the future do not
    /// hasten it.
    ///
    /// From then on samples before its end are refused, so that what is there does not change and nothing
    /// older comes between the two.
    pub(crate) fn begin_cut(&self, now_ms: i64) -> Option<(i64, i64)> {
        let _writer = self.writer.lock();
        let range = self.time_range()?;
        let span_ms = range.end_ms.min(now_ms).saturating_sub(range.start_ms);
        if span_ms <= self.range_ms.saturating_add(self.range_ms / 2) {
            return None;
        }
        let start_ms = range.start_ms.saturating_sub(range.start_ms.rem_euclid(self.range_ms));
        let end_ms = start_ms.saturating_add(self.range_ms);
        self.bound_ms.fetch_max(end_ms, Ordering::AcqRel);
        Some((start_ms, end_ms))
    }

    /// Logs that everything before a time will be in this block.
    pub(crate) fn log_bound(&self, before_ms: i64, block: &str) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let wal = writer.wal()?;
        wal.prepare()?;
        let mut buffer = Vec::new();
        record::write_bound(&mut buffer, before_ms, block);
        let ticket = wal.write(&buffer)?;
        let sync = wal.sync();
        drop(writer);
        sync.wait(ticket)
    }

    /// The numbers of all series, in order of their labels, without their text in memory.
    pub(crate) fn sorted_ids(&self) -> Vec<u32> {
        let index = self.index.read();
        let mut by_text: Vec<u32> = Vec::with_capacity(index.symbols.len());
        index.symbols.names().for_each(|(_, pairs)| by_text.extend_from_slice(pairs));
        by_text.sort_unstable_by(|&a, &b| index.symbols.pair(a).cmp(&index.symbols.pair(b)));
        let mut rank = vec![0u32; index.symbols.id_end()];
        for (at, &pair) in by_text.iter().enumerate() {
            rank[pair as usize] = at as u32;
        }
        let (mut ranks, mut series): (Vec<u32>, Vec<(u32, u32, u32)>) = Default::default();
        let pages = self.pages.read();
        for (number, page) in pages.iter().enumerate() {
            let Some(page) = page else { continue };
            let page = page.read();
            for (id, record) in page.iter(number as u32) {
                let start = ranks.len() as u32;
                ranks.extend(page.pairs(record).iter().map(|&pair| rank[pair as usize]));
                series.push((id, start, ranks.len() as u32));
            }
        }
        series.sort_unstable_by(|a, b| {
            ranks[a.1 as usize..a.2 as usize].cmp(&ranks[b.1 as usize..b.2 as usize])
        });
        series.into_iter().map(|(id, _, _)| id).collect()
    }

    /// All names and values of labels, sorted.
    pub(crate) fn symbol_texts(&self) -> Vec<String> {
        let index = self.index.read();
        let mut texts: Vec<String> = Vec::with_capacity(index.symbols.len() + 1);
        for (name, pairs) in index.symbols.names() {
            texts.push(name.to_string());
            texts.extend(pairs.iter().map(|&pair| index.symbols.pair(pair).1.to_string()));
        }
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// Of closed chunks in files nothing stays in memory until it is looked at again.
    pub(crate) fn release_files(&self) {
        self.segments.release();
    }

    /// Labels, chunks in the range and deleted spans of one series.
    pub(crate) fn series(
        &self,
        id: u32,
        range: TimeRange,
    ) -> Option<(Labels, Vec<ChunkHandle>, Vec<TimeRange>)> {
        let index = self.index.read();
        let pages = self.pages.read();
        let page = pages.get((id / PAGE_SERIES) as usize)?.as_ref()?.read();
        let record = page.record(id)?;
        let chunks = self.starts.stamp(id, self.chunks_of(record, range));
        if chunks.is_empty() {
            return None;
        }
        let deleted = self.tombstones.read().get(&id).cloned().unwrap_or_default();
        Some((index.labels(page.pairs(record)), chunks, deleted))
    }

    /// What there is of one series in the range, late samples included.
    pub(crate) fn series_with_late(&self, id: u32, range: TimeRange) -> Option<Found> {
        let mut chunks = {
            let pages = self.pages.read();
            let page = pages.get((id / PAGE_SERIES) as usize)?.as_ref()?.read();
            self.chunks_of(page.record(id)?, range)
        };
        self.late.add_chunks(id, range, &mut chunks);
        let chunks = self.starts.stamp(id, chunks);
        if chunks.is_empty() {
            return None;
        }
        Some(Found { labels: self.labels_of(id)?, chunks, deleted: self.deleted(id) })
    }

    /// What was deleted of a series.
    pub(crate) fn deleted(&self, id: u32) -> Vec<TimeRange> {
        self.tombstones.read().get(&id).cloned().unwrap_or_default()
    }

    /// Drops everything before a time at which a block range begins, and the series that have
    /// nothing left.
    pub(crate) fn truncate(&self, before_ms: i64) {
        let _writer = self.writer.lock();
        self.bound_ms.fetch_max(before_ms, Ordering::AcqRel);
        self.in_blocks_ms.fetch_max(before_ms, Ordering::AcqRel);
        let mut freed = Vec::new();
        let mut removed = 0;
        let mut min_ms = i64::MAX;
        let mut alive: Vec<[u64; 4]> = Vec::new();
        {
            let pages = self.pages.read();
            for (number, slot) in pages.iter().enumerate() {
                let Some(slot) = slot else {
                    alive.push([0; 4]);
                    continue;
                };
                let mut page = slot.write();
                let first = number as u32 * PAGE_SERIES;
                removed += page.truncate(
                    &self.segments,
                    self.range_ms,
                    before_ms,
                    |slot| self.late.has(first + slot),
                    &mut freed,
                );
                for (_, record) in page.iter(number as u32) {
                    if let Some(first) = record.chunks.first() {
                        min_ms = min_ms.min(first.min_ms());
                    } else if record.has_open() {
                        min_ms = min_ms.min(record.open_min_ms);
                    }
                }
                alive.push(page.alive());
            }
        }
        // Only ranges that end by then: with another block range the time may lie inside one.
        self.segments.free_before(before_ms.saturating_sub(self.range_ms - 1));
        if min_ms == i64::MAX {
            self.max_ms.store(i64::MIN, Ordering::Release);
        }
        min_ms = min_ms.max(before_ms);
        self.min_ms.store(min_ms, Ordering::Release);
        let is_alive = |id: u32| {
            let (page, slot) = ((id / PAGE_SERIES) as usize, id % PAGE_SERIES);
            alive.get(page).is_some_and(|bits| bits[(slot >> 6) as usize] >> (slot & 63) & 1 == 1)
        };
        self.tombstones.write().retain(|&id, deleted| {
            deleted.retain(|span| span.end_ms >= before_ms || self.late.has(id));
            !deleted.is_empty() && is_alive(id)
        });
        self.starts.truncate(before_ms, is_alive);
        if removed == 0 {
            return;
        }
        freed.sort_unstable();
        freed.dedup();
        let mut index = self.index.write();
        index.remove(&freed, is_alive);
        self.metadata.forget_without(|name| index.symbols.find(model::METRIC_NAME, name).is_some());
        let mut pages = self.pages.write();
        let last = pages.len().saturating_sub(1);
        for slot in pages.iter_mut().take(last) {
            if slot.as_mut().is_some_and(|page| page.get_mut().is_empty()) {
                *slot = None;
            }
        }
        add(&self.counters.series_removed, removed as u64);
    }

    /// Marks samples of the matching series as deleted.
    pub(crate) fn delete(&self, range: TimeRange, matchers: &[model::Matcher]) -> Result<usize, Error> {
        let Some(own) = self.whole_range().filter(|own| own.overlaps(range)) else { return Ok(0) };
        let ids = self.matching(matchers)?;
        let mut writer = self.writer.lock();
        let wal = writer.wal()?;
        wal.prepare()?;
        let mut buffer = Vec::new();
        let start_ms = range.start_ms.max(own.start_ms);
        let mut deleted = Vec::with_capacity(ids.len());
        {
            let pages = self.pages.read();
            let mut cursor = PageCursor::new(&pages);
            for id in ids {
                // Samples that come later are not deleted: a span ends with what the series has now.
                let Some(record) = cursor.record(id) else { continue };
                let last_ms = record.last_ms.max(self.late.last_ms(id).unwrap_or(i64::MIN));
                let span = TimeRange { start_ms, end_ms: range.end_ms.min(last_ms) };
                if span.start_ms <= span.end_ms {
                    record::write_tombstone(&mut buffer, id, span.start_ms, span.end_ms);
                    deleted.push((id, span));
                }
            }
        }
        if deleted.is_empty() {
            return Ok(0);
        }
        let ticket = wal.write(&buffer)?;
        let sync = wal.sync();
        let mut tombstones = self.tombstones.write();
        for &(id, span) in &deleted {
            let spans = tombstones.entry(id).or_default();
            spans.push(span);
            crate::block::tombstones::normalize(spans);
        }
        drop(tombstones);
        drop(writer);
        sync.wait(ticket)?;
        Ok(deleted.len())
    }

    /// Marks spans of series as deleted, durably.
    pub(crate) fn delete_spans(&self, spans: HashMap<u32, Vec<TimeRange>>) -> Result<(), Error> {
        if spans.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        let wal = writer.wal()?;
        wal.prepare()?;
        let mut buffer = Vec::new();
        for (&id, spans) in &spans {
            for span in spans {
                record::write_tombstone(&mut buffer, id, span.start_ms, span.end_ms);
            }
        }
        let ticket = wal.write(&buffer)?;
        let sync = wal.sync();
        let mut tombstones = self.tombstones.write();
        for (id, spans) in spans {
            let all = tombstones.entry(id).or_default();
            all.extend(spans);
            crate::block::tombstones::normalize(all);
        }
        drop(tombstones);
        drop(writer);
        sync.wait(ticket)
    }

    /// Writes what the head holds as a checkpoint and deletes the log before it. Writers go on
    /// meanwhile: what they write is in the segment after the checkpoint too. `discard` deletes files.
    pub(crate) fn checkpoint(
        &self,
        dir: &Path,
        discard: &dyn Fn(&[PathBuf]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (disk, segment, sync, written) = {
            let mut writer = self.writer.lock();
            let wal = writer.wal()?;
            // Also cuts off what a failed write may have left at the end of the segment.
            wal.prepare()?;
            let segment = wal.rotate()?;
            let sync = wal.sync();
            let written = sync.written();
            (wal.disk(), segment, sync, written)
        };
        let temporary = dir.join(format!("checkpoint.{segment:08}.tmp"));
        let size = self.write_checkpoint(&*disk, &temporary).inspect_err(|_| {
            let _ = disk.remove_file(&temporary);
        })?;
        let path = checkpoint_path(dir, segment);
        disk.rename(&temporary, &path).map_err(Error::io("renaming", &temporary))?;
        disk.sync_dir(dir).map_err(Error::io("flushing", dir))?;
        sync.stands_for(written);
        discard(&replay::list(dir)?.rubbish)?;
        if let Ok(wal) = self.writer.lock().wal() {
            wal.truncated(segment, size);
        }
        Ok(())
    }

    fn write_checkpoint(&self, disk: &dyn Disk, path: &Path) -> Result<u64, Error> {
        let file = FileWriter::create(disk, path).map_err(Error::io("creating", path))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let mut size = FILE_HEADER.len() as u64;
        let mut buffer = FILE_HEADER.to_vec();
        // Not what is refused by now: cutting it may have failed.
        record::write_bound(&mut buffer, self.in_blocks_ms(), "");
        // Not in the head of the loop, which would hold the lock until its end: `log_page` waits for the
        // writer, and the writer may wait for the pages.
        let pages = self.pages.read().len() as u32;
        for number in 0..pages {
            self.log_page(number, &mut buffer);
            file.write_all(&buffer).map_err(Error::io("writing", path))?;
            size += buffer.len() as u64;
            buffer.clear();
        }
        for (&id, spans) in self.tombstones.read().iter() {
            for span in spans {
                record::write_tombstone(&mut buffer, id, span.start_ms, span.end_ms);
            }
        }
        file.write_all(&buffer).map_err(Error::io("writing", path))?;
        self.log_exemplars_and_metadata(|buffer| {
            size += buffer.len() as u64;
            file.write_all(buffer).map_err(Error::io("writing", path))
        })?;
        let file = file.into_inner().map_err(|e| Error::io("writing", path)(e.into_error()))?;
        file.sync().map_err(Error::io("flushing", path))?;
        Ok(size)
    }

    fn log_page(&self, number: u32, buffer: &mut Vec<u8>) {
        // Not between a batch's acceptance and its place in the chunks: the last time would be written
        // without the sample, which the replay would then take for one that it has.
        let _writer = self.writer.lock();
        let index = self.index.read();
        let pages = self.pages.read();
        let Some(Some(page)) = pages.get(number as usize) else { return };
        let page = page.read();
        record::write_series(
            buffer,
            page.iter(number)
                .map(|(id, record)| (id, page.pairs(record).iter().map(|&pair| index.symbols.pair(pair)))),
        );
        for (id, series) in page.iter(number) {
            let located: Vec<_> =
                series.chunks.iter().filter_map(|c| Some((c, self.segments.locate(c)?))).collect();
            let copies: Vec<_> = located
                .iter()
                .filter_map(|(chunk, (segment, offset))| {
                    segment.with(*offset, |encoding, bytes| (*chunk, encoding, bytes.to_vec()))
                })
                .collect();
            let mut chunks: Vec<LoggedChunk<'_>> = copies
                .iter()
                .map(|(chunk, encoding, bytes)| LoggedChunk {
                    encoding: *encoding,
                    min_ms: chunk.min_ms(),
                    max_ms: chunk.max_ms(),
                    bytes,
                })
                .collect();
            let mut open = Vec::new();
            series.copy_open_chunk(&self.segments, &mut open);
            if series.has_open() {
                chunks.push(LoggedChunk {
                    encoding: series.open_encoding(),
                    min_ms: series.open_min_ms,
                    max_ms: series.last_ms,
                    bytes: &open,
                });
            }
            if series.last_ms > i64::MIN {
                let (last_ms, last_value) = (series.last_ms, series.last_value);
                record::write_chunks(buffer, &LoggedChunks { id, last_ms, last_value, chunks });
            }
        }
        let ids: Vec<u32> = page.iter(number).map(|(id, _)| id).collect();
        self.log_late(ids.into_iter(), buffer);
    }
}
