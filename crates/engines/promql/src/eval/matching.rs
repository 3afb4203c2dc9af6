//! Operators on two vectors: matching series by labels, `group_left`, `fill`, set operators.

use std::sync::Arc;

use model::label_table::{LabelTable, NameId, NameSet, SetId};

use super::QueryError;
use super::annotations::Notes;
use super::binary::{Operand, Outcome, changes_meaning, operation, scalar_operation};
use super::budget::Budget;
use super::engine::{Env, Evaluator};
use super::rows::{FastMap, Ready, Rows, has_equal_labels, merge_equal, row_bytes};
use super::value::{Cell, Cells, METADATA_LABELS, Row, is_absent};
use crate::ast::{Binary, BinaryOp, Cardinality, VectorMatching};

/// Which labels say what matches what, as numbers of the query's table.
struct Names {
    /// Those of `on` or `ignoring`.
    listed: NameSet,
    metric_name: NameId,
    metadata: NameSet,
    /// Those that `group_left` or `group_right` takes over.
    include: Vec<NameId>,
}

impl Names {
    fn new(matching: &VectorMatching, labels: &mut LabelTable) -> Self {
        Names {
            listed: labels.names(&matching.labels),
            metric_name: labels.name(model::METRIC_NAME),
            metadata: labels.names(METADATA_LABELS),
            include: matching.include.iter().map(|name| labels.name(name)).collect(),
        }
    }

    /// The labels that a series is matched by.
    fn signature(&self, set: SetId, on: bool, labels: &mut LabelTable) -> SetId {
        labels.filter(set, |name| match on {
            true => self.listed.has(name),
            false => !self.listed.has(name) && name != self.metric_name,
        })
    }
}

/// The rows of both sides that match each other.
#[derive(Default)]
struct Group {
    left: Vec<usize>,
    right: Vec<usize>,
}

fn groups(left: &[Row], right: &[Row], on: bool, names: &Names, labels: &mut LabelTable) -> Vec<Group> {
    // By number of set: its group, plus one.
    let mut places: Vec<u32> = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for (rows, is_left) in [(left, true), (right, false)] {
        for (at, row) in rows.iter().enumerate() {
            let signature = names.signature(row.labels, on, labels);
            if places.len() <= signature.index() {
                places.resize(labels.set_count(), 0);
            }
            let place = &mut places[signature.index()];
            if *place == 0 {
                groups.push(Group::default());
                *place = groups.len() as u32;
            }
            let group = &mut groups[*place as usize - 1];
            if is_left { group.left.push(at) } else { group.right.push(at) }
        }
    }
    groups
}

/// At which steps one of the rows has a sample.
fn any_present<'a>(rows: impl Iterator<Item = &'a Row>, steps: usize) -> Vec<bool> {
    let mut present = vec![false; steps];
    for row in rows {
        for (step, present) in present.iter_mut().enumerate() {
            *present |= row.cells.is_present(step);
        }
    }
    present
}

impl<'q> Evaluator<'q> {
    /// An operation on two vectors.
    pub(crate) fn vector_vector(
        &mut self,
        binary: &Binary,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let left = self.rows(&binary.left, env)?;
        let right = self.rows(&binary.right, env)?;
        let default = VectorMatching::default();
        let matching = binary.matching.as_ref().unwrap_or(&default);
        let steps = env.steps.count;
        let names = Names::new(matching, &mut self.labels);
        let labels = &mut self.labels;
        let out = match binary.op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
                let groups = groups(&left, &right, matching.on, &names, labels);
                let out = set_operation(binary.op, left, right, groups, steps);
                merge_equal(out)?
            }
            _ => {
                let delayed = self.options.delayed_name_removal;
                let (notes, budget) = (&mut self.notes, self.budget);
                let mut matcher = Matcher { binary, matching, names, labels, steps, delayed, notes, budget };
                let mut out = matcher.run(&left, &right)?;
                self.charge(&mut out)?;
                out
            }
        };
        Ok(Box::new(Ready(out)))
    }
}

fn set_operation(
    op: BinaryOp,
    mut left: Vec<Row>,
    mut right: Vec<Row>,
    groups: Vec<Group>,
    steps: usize,
) -> Vec<Row> {
    for group in groups {
        let (masked, mask, keep_if) = match op {
            BinaryOp::Or => {
                let mask = any_present(group.left.iter().map(|at| &left[*at]), steps);
                (&group.right, mask, false)
            }
            op => {
                let mask = any_present(group.right.iter().map(|at| &right[*at]), steps);
                (&group.left, mask, op == BinaryOp::And)
            }
        };
        let rows = if op == BinaryOp::Or { &mut right } else { &mut left };
        for at in masked {
            for (step, present) in mask.iter().enumerate() {
                if *present != keep_if {
                    rows[*at].cells.clear(step);
                }
            }
        }
    }
    let mut out = left;
    if op == BinaryOp::Or {
        out.extend(right);
    }
    out.retain(|row| row.cells.any_present());
    out
}

/// Matches "many" rows with "one" rows. Without grouping both sides are one, and left is the many.
struct Matcher<'a> {
    binary: &'a Binary,
    matching: &'a VectorMatching,
    names: Names,
    labels: &'a mut LabelTable,
    steps: usize,
    delayed: bool,
    notes: &'a mut Notes,
    budget: &'a Arc<Budget>,
}

/// A row of the result, and at which steps a match fell on it, kept or not.
struct Out {
    row: Row,
    matched: Vec<bool>,
}

impl Matcher<'_> {
    fn run(&mut self, left: &[Row], right: &[Row]) -> Result<Vec<Row>, QueryError> {
        let swapped = self.matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let (fill_one, fill_many) = (self.matching.fill_right, self.matching.fill_left);
        // Where a whole side has nothing, duplicates on the other are no fault.
        let active: Vec<bool> = {
            let many = any_present(many.iter(), self.steps);
            let one = any_present(one.iter(), self.steps);
            let fills = fill_one.is_some() || fill_many.is_some();
            many.iter().zip(&one).map(|(a, b)| (*a && *b) || (fills && (*a || *b))).collect()
        };
        let mut results: Vec<Out> = Vec::new();
        let mut places: FastMap<SetId, usize> = FastMap::default();
        for group in groups(many, one, self.matching.on, &self.names, self.labels) {
            self.budget.check()?;
            let first_of_group = results.len();
            places.clear();
            let (many_rows, one_rows) = (&group.left, &group.right);
            if (many_rows.is_empty() && fill_many.is_none()) && one_rows.len() < 2 {
                continue;
            }
            if one_rows.is_empty() && fill_one.is_none() {
                continue;
            }
            if let ([many_at], [one_at], None, None) = (&many_rows[..], &one_rows[..], fill_one, fill_many)
                && let Some(out) = self.pair(&many[*many_at], &one[*one_at], swapped)
            {
                results.push(out);
                continue;
            }
            let chosen = self.choose(one, one_rows, &active, swapped)?;
            let mut matched = vec![false; self.steps];
            for many_at in many_rows {
                let many_row = &many[*many_at];
                // The row of the result depends on the partner, of which there is mostly one.
                let mut target: Option<(u32, usize)> = None;
                for step in 0..self.steps {
                    let (true, Some(many_value)) = (active[step], many_row.cells.operand(step)) else {
                        continue;
                    };
                    let partner = chosen[step];
                    let one_value = match (partner, fill_one) {
                        (NONE, None) => continue,
                        (NONE, Some(fill)) => Operand::Float(fill),
                        (at, _) => match one[at as usize].cells.operand(step) {
                            Some(value) => value,
                            None => continue,
                        },
                    };
                    let Some(cell) = self.apply(many_value, one_value, swapped) else { continue };
                    let place = match target {
                        Some((at, place)) if at == partner => place,
                        _ => {
                            let one_labels = match partner {
                                NONE => self.signature(many_row.labels),
                                at => one[at as usize].labels,
                            };
                            let place = self.place(many_row.labels, one_labels, &mut places, &mut results)?;
                            target = Some((partner, place));
                            place
                        }
                    };
                    self.store(&mut results[place], step, cell, &mut matched)?;
                }
            }
            if let Some(fill) = fill_many {
                let any_matched: Vec<bool> = (0..self.steps)
                    .map(|step| {
                        matched[step] || results[first_of_group..].iter().any(|out| out.matched[step])
                    })
                    .collect();
                for one_at in one_rows {
                    let one_row = &one[*one_at];
                    let labels = self.signature(one_row.labels);
                    let mut target = None;
                    for step in 0..self.steps {
                        let (true, Some(value)) = (active[step], one_row.cells.operand(step)) else {
                            continue;
                        };
                        if any_matched[step] {
                            continue;
                        }
                        let Some(cell) = self.apply(Operand::Float(fill), value, swapped) else { continue };
                        let place = match target {
                            Some(place) => place,
                            None => self.place(labels, one_row.labels, &mut places, &mut results)?,
                        };
                        target = Some(place);
                        self.store(&mut results[place], step, cell, &mut matched)?;
                    }
                }
            }
        }
        let rows: Vec<Row> =
            results.into_iter().map(|out| out.row).filter(|row| row.cells.any_present()).collect();
        if has_equal_labels(rows.iter().map(|row| row.labels)) { merge_equal(rows) } else { Ok(rows) }
    }

    /// Arithmetic on the floats of the only two rows of a group: nothing can go wrong there.
    fn pair(&mut self, many: &Row, one: &Row, swapped: bool) -> Option<Out> {
        let op = self.binary.op;
        if !changes_meaning(op) || !many.cells.histograms.is_empty() || !one.cells.histograms.is_empty() {
            return None;
        }
        let mut cells = Cells::absent(self.steps);
        let values = many.cells.values.iter().zip(&one.cells.values);
        for ((a, b), out) in values.zip(&mut cells.values) {
            if !is_absent(*a) && !is_absent(*b) {
                let (left, right) = if swapped { (*b, *a) } else { (*a, *b) };
                *out = scalar_operation(op, left, right);
            }
        }
        let labels = self.result_labels(many.labels, one.labels);
        Some(Out { row: Row::new(labels, false, cells), matched: Vec::new() })
    }

    /// Which row of the one side has a sample at each step. Two are one too many.
    fn choose(
        &mut self,
        one: &[Row],
        rows: &[usize],
        active: &[bool],
        swapped: bool,
    ) -> Result<Vec<u32>, QueryError> {
        let mut chosen = vec![NONE; self.steps];
        for at in rows {
            for step in 0..self.steps {
                if !active[step] || !one[*at].cells.is_present(step) {
                    continue;
                }
                if chosen[step] != NONE {
                    let signature = self.signature(one[*at].labels);
                    let text = |set| self.labels.labels(set).to_string();
                    let (a, b) = (text(one[chosen[step] as usize].labels), text(one[*at].labels));
                    let (a, b) = if a <= b { (a, b) } else { (b, a) };
                    let side = if swapped { "left" } else { "right" };
                    return Err(QueryError::Execution(format!(
                        "found duplicate series for the match group {} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side",
                        text(signature)
                    )));
                }
                chosen[step] = *at as u32;
            }
        }
        Ok(chosen)
    }

    /// The operation with its operands in the order of the query. `None` if their types do not go together.
    fn apply(&mut self, many: Operand<'_>, one: Operand<'_>, swapped: bool) -> Option<Cell> {
        let (left, right) = if swapped { (one, many) } else { (many, one) };
        match operation(self.binary.op, left, right, self.binary.span, self.notes) {
            Outcome::Failed => None,
            Outcome::Keep(_) if self.binary.return_bool => Some(Cell::Float(1.0)),
            Outcome::Filtered if self.binary.return_bool => Some(Cell::Float(0.0)),
            Outcome::Keep(cell) => Some(cell),
            Outcome::Filtered => Some(Cell::Absent),
        }
    }

    fn store(&self, out: &mut Out, step: usize, cell: Cell, matched: &mut [bool]) -> Result<(), QueryError> {
        if self.matching.cardinality == Cardinality::OneToOne {
            if matched[step] {
                return Err(QueryError::Execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                        .to_string(),
                ));
            }
            matched[step] = true;
        } else if out.matched[step] {
            return Err(QueryError::Execution(
                "multiple matches for labels: grouping labels must ensure unique matches".to_string(),
            ));
        }
        out.matched[step] = true;
        match cell {
            Cell::Float(value) if out.row.cells.histograms.is_empty() => out.row.cells.values[step] = value,
            Cell::Absent => {}
            cell => out.row.cells.set(step, cell),
        }
        Ok(())
    }

    /// The place of the result row for two series.
    fn place(
        &mut self,
        many: SetId,
        one: SetId,
        places: &mut FastMap<SetId, usize>,
        results: &mut Vec<Out>,
    ) -> Result<usize, QueryError> {
        let labels = self.result_labels(many, one);
        if let Some(place) = places.get(&labels) {
            return Ok(*place);
        }
        // There may be a row of the result for every step of a row.
        self.budget.check()?;
        let charge = self.budget.charge(0, row_bytes(self.steps) + self.steps as u64)?;
        let drop_name = self.delayed && self.binary.return_bool;
        let row = Row { charge, ..Row::new(labels, drop_name, Cells::absent(self.steps)) };
        places.insert(labels, results.len());
        results.push(Out { row, matched: vec![false; self.steps] });
        Ok(results.len() - 1)
    }

    fn signature(&mut self, set: SetId) -> SetId {
        self.names.signature(set, self.matching.on, self.labels)
    }

    fn result_labels(&mut self, many: SetId, one: SetId) -> SetId {
        let drops_metadata = changes_meaning(self.binary.op) || (self.binary.return_bool && !self.delayed);
        let one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        let mut set = self.labels.filter(many, |name| {
            let is_listed = || self.names.listed.has(name);
            !(drops_metadata && self.names.metadata.has(name))
                && (!one_to_one || is_listed() == self.matching.on)
        });
        for name in &self.names.include {
            let pair = self.labels.pair_in(one, *name);
            set = self.labels.with_pair(set, *name, pair);
        }
        set
    }
}

/// No partner.
const NONE: u32 = u32::MAX;
