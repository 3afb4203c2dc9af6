//! Samples of the log on their way into the head. The log has them step by step, the head series by series:
//! placed one by one, each would wait for memory that the last step has pushed out of the cache. So many steps
//! are kept as they were read, and then placed page by page and series by series.

use std::collections::HashMap;

use super::page::PAGE_SERIES;
use crate::wal::samples::{LoggedColumns, LoggedValues, Span};

/// Bytes of forms and values that are kept until they are placed.
const VALUES_MAX_BYTES: usize = 48 << 20;
/// Spans that are kept; each takes 40 bytes. Few in tests, so that they pass it.
const SPANS_MAX: usize = if cfg!(test) { 50 } else { 1 << 20 };
/// Samples of each series that are put in order together: those of a page are what the cache of a core holds.
const SORTED_MAX: usize = 32;

/// Last values of the series of a page, as the log counts them.
type Befores = Box<[u64; PAGE_SERIES as usize]>;

/// Samples of one file of the log.
#[derive(Default)]
pub(super) struct Staged {
    forms: Vec<u8>,
    values: Vec<u8>,
    /// By page. Places in a span are those in `forms` and `values`.
    spans: Vec<Vec<Span>>,
    span_count: usize,
    /// By page.
    befores: HashMap<u32, Befores, foldhash::fast::RandomState>,
    sorter: Sorter,
}

/// Puts the samples of a page in order of their series.
struct Sorter {
    /// So many places for each series.
    samples: Vec<(i64, u64)>,
    counts: [u8; PAGE_SERIES as usize],
    /// No series has more.
    fullest: usize,
}

impl Default for Sorter {
    fn default() -> Self {
        Sorter { samples: Vec::new(), counts: [0; PAGE_SERIES as usize], fullest: 0 }
    }
}

impl Staged {
    /// Values begin anew.
    pub(super) fn begin_file(&mut self) {
        self.befores.values_mut().for_each(|befores| befores.fill(0));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.span_count == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.values.len() + self.forms.len() >= VALUES_MAX_BYTES || self.span_count >= SPANS_MAX
    }

    /// Adds a record; series beyond so many pages are not there. Gives how many samples these had.
    pub(super) fn add(&mut self, columns: &LoggedColumns<'_>, pages: usize) -> Option<u64> {
        let (forms_at, values_at) = (self.forms.len() as u32, self.values.len() as u32);
        self.forms.extend_from_slice(columns.values.forms);
        self.values.extend_from_slice(columns.values.values);
        if self.spans.len() < pages {
            self.spans.resize_with(pages, Vec::new);
        }
        let mut orphans = 0;
        let Staged { spans, span_count, .. } = self;
        columns.spans(PAGE_SERIES, |mut span| {
            span.first += forms_at * 2;
            span.values_at += values_at;
            match spans.get_mut((span.id / PAGE_SERIES) as usize) {
                Some(page) => {
                    page.push(span);
                    *span_count += 1;
                }
                None => orphans += u64::from(span.count),
            }
        })?;
        Some(orphans)
    }

    /// The last value of a series in this file.
    pub(super) fn before(&mut self, id: u32) -> &mut u64 {
        &mut befores_of(&mut self.befores, id / PAGE_SERIES)[(id % PAGE_SERIES) as usize]
    }

    /// Whether a page has samples.
    pub(super) fn has(&self, page: u32) -> bool {
        self.spans.get(page as usize).is_some_and(|spans| !spans.is_empty())
    }

    /// The pages that have samples.
    pub(super) fn pages(&self) -> Vec<u32> {
        (0..self.spans.len() as u32).filter(|&page| self.has(page)).collect()
    }

    /// Forgets the samples of a page; gives how many there were.
    pub(super) fn forget(&mut self, page: u32) -> u64 {
        let Some(spans) = self.spans.get_mut(page as usize) else { return 0 };
        spans.drain(..).map(|span| u64::from(span.count)).sum()
    }

    /// Calls with the samples of each series of a page, in their order, and forgets them. A series may come
    /// several times.
    pub(super) fn by_series(&mut self, page: u32, mut with: impl FnMut(u32, &[(i64, u64)])) {
        let Staged { forms, values, spans, befores, sorter, .. } = self;
        let Some(spans) = spans.get_mut(page as usize) else { return };
        let logged = LoggedValues { forms, values };
        let befores = befores_of(befores, page);
        for span in spans.drain(..) {
            let slot = (span.id % PAGE_SERIES) as usize;
            sorter.make_room(&mut with);
            logged.read(&span, &mut befores[slot..], |offset, time_ms, value| {
                sorter.push(slot + offset as usize, (time_ms, value), &mut with);
            });
        }
        sorter.empty(&mut with);
    }

    /// Calls with all samples page by page, those of one page in their order.
    pub(super) fn for_each(&mut self, mut with: impl FnMut(u32, i64, u64)) {
        let Staged { forms, values, spans, befores, .. } = self;
        let logged = LoggedValues { forms, values };
        for (page, spans) in spans.iter_mut().enumerate().filter(|(_, spans)| !spans.is_empty()) {
            let befores = befores_of(befores, page as u32);
            for span in spans.drain(..) {
                let slot = (span.id % PAGE_SERIES) as usize;
                logged.read(&span, &mut befores[slot..], |offset, time_ms, value| {
                    with(span.id + offset, time_ms, value);
                });
            }
        }
    }

    /// Forgets what was placed, but for the last values.
    pub(super) fn clear(&mut self) {
        self.forms.clear();
        self.values.clear();
        self.span_count = 0;
    }
}

fn befores_of(befores: &mut HashMap<u32, Befores, foldhash::fast::RandomState>, page: u32) -> &mut Befores {
    befores.entry(page).or_insert_with(|| Box::new([0; PAGE_SERIES as usize]))
}

impl Sorter {
    /// Makes room for one more sample of each series.
    #[inline]
    fn make_room(&mut self, with: &mut impl FnMut(u32, &[(i64, u64)])) {
        if self.fullest >= SORTED_MAX {
            self.empty(with);
        }
        self.samples.resize(PAGE_SERIES as usize * SORTED_MAX, (0, 0));
        self.fullest += 1;
    }

    #[inline]
    fn push(&mut self, slot: usize, sample: (i64, u64), with: &mut impl FnMut(u32, &[(i64, u64)])) {
        let Some(count) = self.counts.get_mut(slot) else { return };
        let mine = slot * SORTED_MAX..(slot + 1) * SORTED_MAX;
        if usize::from(*count) == SORTED_MAX {
            with(slot as u32, &self.samples[mine.clone()]);
            *count = 0;
        }
        if let Some(place) = self.samples.get_mut(mine.start + usize::from(*count)) {
            *place = sample;
        }
        *count += 1;
        self.fullest = self.fullest.max(usize::from(*count));
    }

    /// Calls with what is there, series by series, and forgets it.
    fn empty(&mut self, with: &mut impl FnMut(u32, &[(i64, u64)])) {
        for (slot, count) in self.counts.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let start = slot * SORTED_MAX;
            with(slot as u32, &self.samples[start..start + usize::from(*count)]);
            *count = 0;
        }
        self.fullest = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use model::storage::{MetricReader, MetricWriter, Select, TimeRange, WriteBatch};
    use model::{LabelTable, Labels, Samples};

    use crate::testing::Random;
    use crate::{Db, Options};

    #[test]
    fn a_log_of_any_length_is_read_with_little_staged_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let options = || Options { retention_time_ms: None, ..Options::new(dir.path()) };
        let (db, _) = Db::open(options()).unwrap();
        let random = &mut Random::new(7);
        let labels: Vec<_> =
            (0..600).map(|n| Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())])).collect();
        let mut refs = Vec::new();
        db.resolve(&labels, &mut refs).unwrap();
        let mut expected: HashMap<String, Vec<(i64, u64)>> = HashMap::new();
        let mut batch = WriteBatch::default();
        for step in 0..150i64 {
            batch.clear();
            for _ in 0..400 {
                // In order, the other way round and at random, one sample or several, at times that differ.
                let n = match step % 3 {
                    0 => batch.len() % 600,
                    1 => 599 - batch.len() % 600,
                    _ => random.below(600) as usize,
                };
                let samples = expected.entry(labels[n].to_string()).or_default();
                let time_ms = 1_700_006_400_000 + step * 15_000 + batch.len() as i64 * (step % 2);
                if samples.last().is_some_and(|(last_ms, _)| *last_ms >= time_ms) {
                    continue;
                }
                let value = [step as f64, step as f64 / 3.0, random.next() as f64][n % 3];
                batch.push(refs[n], time_ms, value);
                samples.push((time_ms, value.to_bits()));
            }
            assert_eq!(db.append(&batch).unwrap().accepted, batch.len() as u64);
        }
        let check = |db: &Db| {
            let mut table = LabelTable::new();
            let all = db.select(&Select::new(TimeRange::ALL, &[]), &mut table).unwrap();
            assert_eq!(all.len(), expected.len());
            for (at, &set) in all.sets.iter().enumerate() {
                let mut samples = Samples::default();
                all.samples.read(at, &mut samples).unwrap();
                let bits = samples.values.iter().map(|value| value.to_bits());
                let found: Vec<_> = samples.timestamps_ms.iter().copied().zip(bits).collect();
                assert_eq!(found, expected[&table.labels(set).to_string()], "{}", table.labels(set));
            }
        };
        check(&db);
        drop(db);
        for _ in 0..2 {
            let (db, opened) = Db::open(options()).unwrap();
            assert!(opened.replay.damages.is_empty() && opened.replay.orphans == 0);
            check(&db);
        }
    }
}
