//! Reading the head.

use std::collections::{BTreeSet, HashMap};

use model::label_table::PairId;
use model::storage::{TimeRange, Want};
use model::{LabelTable, Matcher};

use super::Head;
use super::page::{PAGE_SERIES, Page, Record};
use super::segments::ChunkRef;
use super::symbols::Symbols;
use crate::error::Error;
use crate::postings;
use crate::selection::SelectionBuilder;
use crate::series::{ChunkData, ChunkHandle, is_deleted};
use crate::stats::Cardinality;

/// Series looked at under one hold of the index lock, so that new series never wait long.
const BATCH: usize = 1024;

/// A chunk of the head.
enum HeadChunk<'a> {
    /// In a segment.
    Closed(&'a ChunkRef),
    /// The one that is being written to.
    Open { min_ms: i64, max_ms: i64 },
}

impl HeadChunk<'_> {
    /// Times of its first and its last sample.
    fn times_ms(&self) -> (i64, i64) {
        match self {
            HeadChunk::Closed(chunk) => (chunk.min_ms(), chunk.max_ms()),
            HeadChunk::Open { min_ms, max_ms } => (*min_ms, *max_ms),
        }
    }
}

/// From numbers of label pairs in the head to those in the table of a query.
#[derive(Default)]
struct PairNumbers {
    /// By number in the head, plus one; 0 for not asked yet. Empty for a small selection.
    dense: Vec<u32>,
    few: HashMap<u32, PairId, foldhash::fast::RandomState>,
    known: Vec<PairId>,
    removals: Option<u64>,
}

impl PairNumbers {
    /// To be called whenever the index was locked anew: numbers may mean other pairs then.
    fn prepare(&mut self, symbols: &Symbols, series: usize) {
        if self.removals != Some(symbols.removals()) {
            self.removals = Some(symbols.removals());
            self.dense.clear();
            self.few.clear();
            self.known.clear();
        }
        // Worth its memory where most of it is going to be used.
        if symbols.id_end() / 16 < series {
            self.dense.resize(symbols.id_end(), 0);
        }
    }

    #[inline]
    fn get(&mut self, pair: u32, symbols: &Symbols, labels: &mut LabelTable) -> PairId {
        match self.dense.get_mut(pair as usize) {
            Some(0) => {
                let (name, value) = symbols.pair(pair);
                let id = labels.pair(name, value);
                self.known.push(id);
                self.dense[pair as usize] = self.known.len() as u32;
                id
            }
            Some(at) => self.known[*at as usize - 1],
            None => *self.few.entry(pair).or_insert_with(|| {
                let (name, value) = symbols.pair(pair);
                labels.pair(name, value)
            }),
        }
    }
}

impl Head {
    /// Adds the series that match and may have samples in the range, as they are at this moment.
    pub(crate) fn select(&self, matchers: &[Matcher], into: &mut SelectionBuilder<'_>) -> Result<(), Error> {
        let range = into.range;
        if !self.whole_range().is_some_and(|own| own.overlaps(range)) {
            return Ok(());
        }
        let ids = postings::select(&*self.index.read(), matchers)?;
        into.reserve(ids.len())?;
        let mut pairs = PairNumbers::default();
        let mut own_pairs = Vec::new();
        let mut late = Vec::new();
        for batch in ids.chunks(BATCH) {
            let index = self.index.read();
            let tombstones = self.tombstones.read();
            pairs.prepare(&index.symbols, ids.len());
            self.visit(batch, |id, page, record| {
                let newest = TimeRange { start_ms: record.last_ms, end_ms: record.last_ms };
                let deleted = tombstones.get(&id).map_or(&[][..], Vec::as_slice);
                let is_known = into.want == Want::Newest
                    && range.start_ms <= newest.start_ms
                    && newest.end_ms <= range.end_ms
                    && !record.last_is_histogram
                    && deleted.is_empty()
                    && self.late.last_ms(id).is_none_or(|late_ms| late_ms <= record.last_ms)
                    && !self.starts.has(id);
                late.clear();
                // Their chunks are encoded anew: not for who only asks which series there are.
                let has_starts = !is_known && into.want != Want::Labels && self.starts.has(id);
                if has_starts {
                    late = self.chunks_of(record, range);
                }
                if !is_known {
                    self.late.add_chunks(id, range, &mut late);
                }
                if has_starts {
                    late = self.starts.stamp(id, std::mem::take(&mut late));
                }
                let wants_chunks = into.want != Want::Labels;
                let mut is_begun = false;
                let mut begin = |into: &mut SelectionBuilder<'_>| {
                    if !std::mem::replace(&mut is_begun, true) {
                        own_pairs.clear();
                        for &pair in page.pairs(record) {
                            own_pairs.push(pairs.get(pair, &index.symbols, into.labels));
                        }
                        into.begin(&own_pairs, deleted);
                    }
                };
                if is_known {
                    begin(into);
                    return into.push_sample(record.last_ms, record.last_value);
                }
                // Those with starts are in the other list.
                let own = if has_starts { TimeRange { start_ms: 1, end_ms: 0 } } else { range };
                self.visit_chunks(record, own, |chunk| {
                    let (min_ms, max_ms) = chunk.times_ms();
                    if is_deleted(deleted, min_ms, max_ms) {
                        return;
                    }
                    match chunk {
                        HeadChunk::Closed(chunk) => {
                            let Some(segment) = into.segment_of(chunk, &self.segments) else { return };
                            begin(into);
                            if wants_chunks {
                                into.push_closed(chunk, segment);
                            }
                        }
                        HeadChunk::Open { .. } => {
                            begin(into);
                            if wants_chunks {
                                into.push_copy(min_ms, max_ms, record.open_encoding(), |bytes| {
                                    record.copy_open_chunk(&self.segments, bytes);
                                });
                            }
                        }
                    }
                });
                for ChunkHandle { min_ms, max_ms, data } in late.drain(..) {
                    if is_deleted(deleted, min_ms, max_ms) {
                        continue;
                    }
                    begin(into);
                    match data {
                        _ if !wants_chunks => {}
                        ChunkData::Segment(segment, offset) => {
                            into.push_segment(min_ms, max_ms, segment, offset)
                        }
                        ChunkData::Memory(encoding, copy) => {
                            into.push_copy(min_ms, max_ms, encoding, |bytes| bytes.extend_from_slice(&copy));
                        }
                        ChunkData::Block(..) => {}
                    }
                }
            });
            drop(tombstones);
            drop(index);
            into.charge()?;
        }
        Ok(())
    }

    /// Calls with each of these series that is alive. The caller holds the index lock.
    pub(super) fn visit(&self, ids: &[u32], mut with: impl FnMut(u32, &Page, &Record)) {
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
        self.visit_chunks(record, range, |chunk| {
            let (min_ms, max_ms) = chunk.times_ms();
            let data = match chunk {
                HeadChunk::Closed(chunk) => match self.segments.locate(chunk) {
                    Some((segment, offset)) => ChunkData::Segment(segment, offset),
                    None => return,
                },
                HeadChunk::Open { .. } => {
                    let mut bytes = Vec::new();
                    record.copy_open_chunk(&self.segments, &mut bytes);
                    ChunkData::Memory(record.open_encoding(), bytes.into())
                }
            };
            chunks.push(ChunkHandle { min_ms, max_ms, data });
        });
        chunks
    }

    /// Calls with the chunks of a series that overlap a range. A closed one may be freed already.
    fn visit_chunks(&self, record: &Record, range: TimeRange, mut with: impl FnMut(HeadChunk<'_>)) {
        for chunk in record.chunks.iter() {
            if (TimeRange { start_ms: chunk.min_ms(), end_ms: chunk.max_ms() }).overlaps(range) {
                with(HeadChunk::Closed(chunk));
            }
        }
        let (min_ms, max_ms) = (record.open_min_ms, record.last_ms);
        if record.has_open() && (TimeRange { start_ms: min_ms, end_ms: max_ms }).overlaps(range) {
            with(HeadChunk::Open { min_ms, max_ms });
        }
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
        into: &mut Vec<String>,
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
