//! Reading the head.

use std::collections::BTreeSet;

use model::Matcher;
use model::storage::TimeRange;

use super::Head;
use super::page::{PAGE_SERIES, Page, Record};
use crate::error::Error;
use crate::postings;
use crate::series::{ChunkData, ChunkHandle, Found};
use crate::stats::Cardinality;

/// Series looked at under one hold of the index lock, so that new series never wait long.
const BATCH: usize = 1024;

impl Head {
    /// The series that match and may have samples in the range, as they are at this moment.
    pub(crate) fn select(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<Found>, Error> {
        if !self.whole_range().is_some_and(|own| own.overlaps(range)) {
            return Ok(Vec::new());
        }
        let ids = postings::select(&*self.index.read(), matchers)?;
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let index = self.index.read();
            let tombstones = self.tombstones.read();
            self.visit(batch, |id, page, record| {
                let mut chunks = self.chunks_of(record, range);
                self.late.add_chunks(id, range, &mut chunks);
                if !chunks.is_empty() {
                    let deleted = tombstones.get(&id).cloned().unwrap_or_default();
                    found.push(Found { labels: index.labels(page.pairs(record)), chunks, deleted });
                }
            });
        }
        Ok(found)
    }

    /// Calls with each of these series that is alive. The caller holds the index lock.
    fn visit(&self, ids: &[u32], mut with: impl FnMut(u32, &Page, &Record)) {
        let pages = self.pages.read();
        for run in ids.chunk_by(|a, b| a / PAGE_SERIES == b / PAGE_SERIES) {
            let Some(Some(page)) = run.first().and_then(|id| pages.get((id / PAGE_SERIES) as usize)) else {
                continue;
            };
            let page = page.read();
            for &id in run {
                if let Some(record) = page.record(id) {
                    with(id, &page, record);
                }
            }
        }
    }

    /// The chunks of a series that overlap a range; the open one is copied.
    pub(super) fn chunks_of(&self, record: &Record, range: TimeRange) -> Vec<ChunkHandle> {
        let mut chunks = Vec::new();
        for chunk in &record.chunks {
            let span = TimeRange { start_ms: chunk.min_ms, end_ms: chunk.max_ms() };
            if span.overlaps(range)
                && let Some((segment, offset)) = self.segments.locate(chunk)
            {
                chunks.push(ChunkHandle {
                    min_ms: span.start_ms,
                    max_ms: span.end_ms,
                    data: ChunkData::Segment(segment, offset),
                });
            }
        }
        let span = TimeRange { start_ms: record.open_min_ms, end_ms: record.last_ms };
        if record.has_open() && span.overlaps(range) {
            chunks.push(ChunkHandle {
                min_ms: span.start_ms,
                max_ms: span.end_ms,
                data: ChunkData::Memory(record.open_encoding(), record.open_chunk_bytes().into()),
            });
        }
        chunks
    }

    /// Adds the label names of matching series.
    pub(crate) fn label_names(
        &self,
        range: TimeRange,
        matchers: &[Matcher],
        into: &mut BTreeSet<String>,
    ) -> Result<(), Error> {
        if !self.whole_range().is_some_and(|own| own.overlaps(range)) {
            return Ok(());
        }
        let mut add = |name: &str| {
            if !into.contains(name) {
                into.insert(name.to_string());
            }
        };
        if matchers.is_empty() {
            self.index.read().symbols.names().for_each(|(name, _)| add(name));
            return Ok(());
        }
        let ids = postings::select(&*self.index.read(), matchers)?;
        let mut seen = vec![];
        for batch in ids.chunks(BATCH) {
            let index = self.index.read();
            seen.clear();
            self.visit(batch, |_, page, record| seen.extend_from_slice(page.pairs(record)));
            seen.sort_unstable();
            seen.dedup();
            seen.iter().for_each(|&pair| add(index.symbols.pair(pair).0));
        }
        Ok(())
    }

    /// Adds the values of a label among matching series.
    pub(crate) fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
        into: &mut BTreeSet<String>,
    ) -> Result<(), Error> {
        if !self.whole_range().is_some_and(|own| own.overlaps(range)) {
            return Ok(());
        }
        let index = self.index.read();
        postings::label_values(&*index, name, matchers, into)
    }

    /// What takes how many series and values; at most `limit` entries a table.
    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let index = self.index.read();
        let mut cardinality =
            Cardinality { series: index.len(), label_pairs: index.symbols.len(), ..Cardinality::default() };
        for (name, pairs) in index.symbols.names() {
            let mut size_bytes = 0;
            for &pair in pairs {
                let (_, value) = index.symbols.pair(pair);
                let series = index.symbols.series(pair).len();
                size_bytes += (value.len() * series) as u64;
                if name == model::METRIC_NAME {
                    cardinality.series_by_metric_name.push((value.to_string(), series as u64));
                }
                cardinality.series_by_label_pair.push((format!("{name}={value}"), series as u64));
            }
            cardinality.values_by_label_name.push((name.to_string(), pairs.len() as u64));
            cardinality.bytes_by_label_name.push((name.to_string(), size_bytes));
            cardinality.trim(limit);
        }
        cardinality.trim(limit);
        cardinality
    }

    /// How many chunks there are, open ones included.
    pub(crate) fn chunk_count(&self) -> usize {
        let pages = self.pages.read();
        let mut count = 0;
        for page in pages.iter().flatten() {
            let page = page.read();
            count += page.iter(0).map(|(_, r)| r.chunks.len() + usize::from(r.has_open())).sum::<usize>();
        }
        count
    }

    /// Bytes of closed chunks.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.segments.size_bytes()
    }

    /// All series that match, by number.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Result<Vec<u32>, Error> {
        postings::select(&*self.index.read(), matchers)
    }
}
