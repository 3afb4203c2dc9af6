//! What a query is going to cost and what it did cost, node by node of its syntax tree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::clock::Clock;
use model::label_table::{LabelTable, SetId};

use super::QueryError;
use super::annotations::Notes;
use super::rows::{Rows, Scratch, row_bytes};
use super::value::{Cells, Row};
use crate::ast::Expr;

/// Whether a query says what its parts cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explain {
    /// It does not.
    #[default]
    Off,
    /// Series are selected, but no sample is read: the result is empty, the estimates are there.
    Estimate,
    /// The query runs, and every part is measured.
    Measure,
}

/// A part of a query. Selectors of ranges belong to the function around them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainNode {
    /// The expression, printed.
    pub text: String,
    /// Where it begins in the query, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Series it may yield, known before a sample is read.
    pub series: u64,
    /// About how many samples will be read for it, parts of it that were computed before not included.
    pub samples_estimate: u64,
    /// Rows it yielded: series with a value at a step or more.
    pub rows: u64,
    /// Samples that were decoded for it and for the parts that were computed together with it.
    pub samples_read: u64,
    /// Bytes of the rows it yielded.
    pub bytes: u64,
    /// Seconds of all threads together, its parts included.
    pub seconds: f64,
    /// Its parts, in the order of their evaluation.
    pub children: Vec<ExplainNode>,
}

/// What is counted while rows are computed, by any thread.
#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    samples_read: AtomicU64,
    bytes: AtomicU64,
    ns: AtomicU64,
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    known: ExplainNode,
    counters: Arc<Counters>,
}

/// How much of a part's text is kept: the texts of all parts of a long expression would be its square.
const TEXT_MAX_BYTES: usize = 1024;

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
    text.shrink_to_fit();
    text
}

/// The tree while it grows.
#[derive(Debug)]
pub(crate) struct Tracer {
    clock: Clock,
    nodes: Vec<Node>,
    open: Option<usize>,
}

impl Tracer {
    pub(crate) fn new(clock: &Clock) -> Self {
        Tracer { clock: clock.clone(), nodes: Vec::new(), open: None }
    }

    /// A part begins to be evaluated.
    pub(crate) fn enter(&mut self, expr: &Expr) -> usize {
        let span = expr.span();
        let known = ExplainNode {
            text: cut(expr.to_string()),
            start: span.start,
            end: span.end,
            ..ExplainNode::default()
        };
        self.nodes.push(Node { parent: self.open, known, counters: Arc::default() });
        self.open = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Its rows are known or there; what is computed later is counted.
    pub(crate) fn leave<'q>(
        &mut self,
        node: usize,
        rows: Box<dyn Rows + 'q>,
        seconds: f64,
    ) -> Box<dyn Rows + 'q> {
        let clock = self.clock.clone();
        let Some(node) = self.nodes.get_mut(node) else { return rows };
        self.open = node.parent;
        node.known.series = rows.len() as u64;
        node.known.samples_estimate = rows.cost();
        node.known.seconds = seconds;
        Box::new(Traced { rows, counters: node.counters.clone(), clock })
    }

    /// The tree. Several roots are parts of one that is the whole query.
    pub(crate) fn finish(self, whole: &Expr) -> ExplainNode {
        let mut done: Vec<Option<ExplainNode>> = Vec::with_capacity(self.nodes.len());
        let mut parents = Vec::with_capacity(self.nodes.len());
        for node in self.nodes {
            let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let mut known = node.known;
            known.rows = get(&node.counters.rows);
            known.samples_read = get(&node.counters.samples_read);
            known.bytes = get(&node.counters.bytes);
            known.seconds += get(&node.counters.ns) as f64 / 1e9;
            done.push(Some(known));
            parents.push(node.parent);
        }
        let mut roots = Vec::new();
        // Parts come after what they are parts of.
        for at in (0..done.len()).rev() {
            let Some(mut node) = done[at].take() else { continue };
            node.children.reverse();
            match parents[at].and_then(|parent| done[parent].as_mut()) {
                Some(parent) => parent.children.push(node),
                None => roots.push(node),
            }
        }
        roots.reverse();
        match <[ExplainNode; 1]>::try_from(roots) {
            Ok([root]) => root,
            Err(children) => ExplainNode {
                text: whole.to_string(),
                start: whole.span().start,
                end: whole.span().end,
                seconds: children.iter().map(|child| child.seconds).sum(),
                children,
                ..ExplainNode::default()
            },
        }
    }
}

/// Rows that are counted when they are computed.
struct Traced<'q> {
    rows: Box<dyn Rows + 'q>,
    counters: Arc<Counters>,
    clock: Clock,
}

impl Rows for Traced<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn labels(&self, at: usize) -> SetId {
        self.rows.labels(at)
    }

    fn drop_name(&self, at: usize) -> bool {
        self.rows.drop_name(at)
    }

    fn fill(
        &self,
        at: usize,
        labels: &LabelTable,
        scratch: &mut Scratch,
        cells: &mut Cells,
        notes: &mut Notes,
    ) -> Result<(), QueryError> {
        let (started, before) = (self.clock.mark(), scratch.tally.samples_read);
        self.rows.fill(at, labels, scratch, cells, notes)?;
        add(&self.counters.samples_read, scratch.tally.samples_read - before);
        if cells.any_present() {
            add(&self.counters.rows, 1);
            add(&self.counters.bytes, row_bytes(cells.values.len()));
        }
        add(&self.counters.ns, started.elapsed().as_nanos() as u64);
        Ok(())
    }

    fn cost(&self) -> u64 {
        self.rows.cost()
    }

    fn take(&mut self) -> Option<Vec<Row>> {
        let rows = self.rows.take()?;
        add(&self.counters.rows, rows.len() as u64);
        add(&self.counters.bytes, rows.iter().map(|row| row_bytes(row.cells.values.len())).sum());
        Some(rows)
    }
}
