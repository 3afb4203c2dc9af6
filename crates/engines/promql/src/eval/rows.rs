//! Rows that are computed one at a time: what leaves and simple operators yield, and what
//! aggregations consume without holding it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use model::label_table::{LabelTable, SetId};
use model::sample::Samples;

use super::QueryError;
use super::annotations::Notes;
use super::budget::{Budget, Tally};
use super::value::{Cells, Row};
use super::work::Work;

/// A map with a fast hash; keys come from labels a store has already taken.
pub(crate) type FastMap<K, V> = HashMap<K, V, RandomState>;

/// Memory that is reused from series to series, one a thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) samples: Samples,
    pub(crate) split: super::leaf::Split,
    pub(crate) plan: super::window::Plan,
    pub(crate) tally: Tally,
}

/// A list of rows whose labels are known and whose cells are computed when asked for, in any order
/// and by several threads.
pub(crate) trait Rows: Sync {
    /// How many there are. Some may turn out to have no sample.
    fn len(&self) -> usize;

    /// The labels of a row.
    fn labels(&self, at: usize) -> SetId;

    /// Whether the row's name is to be removed at the end.
    fn drop_name(&self, at: usize) -> bool;

    /// Computes a row into `cells`, which may hold anything before. `labels` is the table of the query.
    fn fill(
        &self,
        at: usize,
        labels: &LabelTable,
        scratch: &mut Scratch,
        cells: &mut Cells,
        notes: &mut Notes,
    ) -> Result<(), QueryError>;

    /// About how much work all rows are, in samples.
    fn cost(&self) -> u64;

    /// All rows, if they are there already.
    fn take(&mut self) -> Option<Vec<Row>> {
        None
    }
}

/// Rows that are there already.
pub(crate) struct Ready(pub(crate) Vec<Row>);

impl Rows for Ready {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, at: usize) -> SetId {
        self.0[at].labels
    }

    fn drop_name(&self, at: usize) -> bool {
        self.0[at].drop_name
    }

    fn fill(
        &self,
        at: usize,
        _: &LabelTable,
        _: &mut Scratch,
        cells: &mut Cells,
        _: &mut Notes,
    ) -> Result<(), QueryError> {
        cells.values.clone_from(&self.0[at].cells.values);
        cells.histograms.clone_from(&self.0[at].cells.histograms);
        Ok(())
    }

    fn cost(&self) -> u64 {
        self.0.iter().map(|row| row.cells.values.len() as u64).sum()
    }

    fn take(&mut self) -> Option<Vec<Row>> {
        Some(std::mem::take(&mut self.0))
    }
}

/// A change to each row of another list that leaves its labels alone, but for the name.
pub(crate) struct Mapped<'q, F> {
    pub(crate) rows: Box<dyn Rows + 'q>,
    /// New labels, if they change.
    pub(crate) labels: Option<Vec<SetId>>,
    pub(crate) drop_name: bool,
    pub(crate) map: F,
}

impl<F> Rows for Mapped<'_, F>
where
    F: Fn(&mut Cells, &mut Notes) + Sync,
{
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn labels(&self, at: usize) -> SetId {
        match &self.labels {
            Some(labels) => labels[at],
            None => self.rows.labels(at),
        }
    }

    fn drop_name(&self, at: usize) -> bool {
        self.drop_name || self.rows.drop_name(at)
    }

    fn fill(
        &self,
        at: usize,
        labels: &LabelTable,
        scratch: &mut Scratch,
        cells: &mut Cells,
        notes: &mut Notes,
    ) -> Result<(), QueryError> {
        self.rows.fill(at, labels, scratch, cells, notes)?;
        (self.map)(cells, notes);
        Ok(())
    }

    fn cost(&self) -> u64 {
        self.rows.cost()
    }
}

/// Computes all rows and keeps those that have a sample.
pub(crate) fn collect(
    mut rows: Box<dyn Rows + '_>,
    labels: &LabelTable,
    steps: usize,
    threads: usize,
    budget: &Arc<Budget>,
    notes: &mut Notes,
) -> Result<Vec<Row>, QueryError> {
    if let Some(ready) = rows.take() {
        return Ok(ready);
    }
    let rows = &*rows;
    let mut all = Vec::new();
    let work = Work { count: rows.len(), steps, cost: rows.cost(), threads, budget };
    work.in_order(
        notes,
        |range, out: &mut Vec<Row>, scratch, notes| {
            for at in range {
                let mut cells = Cells::absent(0);
                rows.fill(at, labels, scratch, &mut cells, notes)?;
                if cells.any_present() {
                    let mut row = Row::new(rows.labels(at), rows.drop_name(at), cells);
                    row.charge = budget.charge(row.cells.weight(), row_bytes(steps))?;
                    out.push(row);
                }
            }
            Ok(())
        },
        |_, out, _| {
            all.append(out);
            Ok(())
        },
    )?;
    Ok(all)
}

/// What the floats of a row take in memory.
pub(crate) fn row_bytes(steps: usize) -> u64 {
    (steps as u64).saturating_mul(8).saturating_add(64)
}

/// Joins rows with equal labels into one. Fails if two of them have a sample at the same step.
pub(crate) fn merge_equal(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    let mut places: FastMap<(SetId, bool), usize> =
        FastMap::with_capacity_and_hasher(rows.len(), RandomState::default());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match places.entry((row.labels, row.drop_name)) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(merged.len());
                merged.push(row);
            }
            std::collections::hash_map::Entry::Occupied(occupied) => {
                let into = &mut merged[*occupied.get()].cells;
                for step in 0..row.cells.values.len() {
                    if !row.cells.is_present(step) {
                        continue;
                    }
                    if into.is_present(step) {
                        return Err(same_labelset());
                    }
                    into.set(step, row.cells.get(step));
                }
            }
        }
    }
    Ok(merged)
}

/// Two series of a result have the same labels.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::Execution("vector cannot contain metrics with the same labelset".to_string())
}

/// Whether two rows have the same labels.
pub(crate) fn has_equal_labels(labels: impl Iterator<Item = SetId>) -> bool {
    let mut seen: Vec<u64> = Vec::new();
    for set in labels {
        let (word, bit) = (set.index() / 64, 1u64 << (set.index() % 64));
        if seen.len() <= word {
            seen.resize(word + 1, 0);
        }
        if seen[word] & bit != 0 {
            return true;
        }
        seen[word] |= bit;
    }
    false
}
