//! Results that are handed on while the rest of them is computed. That needs rows which know their labels before
//! their samples, as selectors and functions of selectors have them: they are sorted first, computed in that
//! order, and none is kept.

use model::label_table::SetId;

use super::engine::{Env, Evaluator, Raw, row_points};
use super::rows::{Rows, has_equal_labels, row_bytes};
use super::value::{Cells, Row};
use super::work::Work;
use super::{MatrixSeries, QueryError};
use crate::ast::Expr;

/// Takes the series of a range query in the order of their labels, one after the other; `false` stops the query.
/// It may be called by any thread, and may wait: what waits meanwhile is bounded, and the time does not count
/// against the query's.
pub type Emit<'e> = dyn FnMut(MatrixSeries) -> bool + Send + 'e;

/// A result of fewer cells than this is collected: whatever goes wrong is known before the first series.
const CELLS_MIN: u64 = 1 << 16;

impl Evaluator<'_> {
    /// Evaluates a vector over a range. Series go to `emit`, if they can be had one by one and are many; otherwise
    /// all are in what is returned.
    pub(crate) fn stream(&mut self, expr: &Expr, env: Env, emit: &mut Emit<'_>) -> Result<Raw, QueryError> {
        let mut source = self.source(expr, env)?;
        if let Some(rows) = source.take() {
            return Ok(Raw::Rows(rows));
        }
        let sets: Vec<SetId> = (0..source.len()).map(|at| source.labels(at)).collect();
        let cells = (sets.len() as u64).saturating_mul(env.steps.count as u64);
        // What would be refused is refused before it begins; what has to be joined has to be there.
        let is_streamed = cells >= CELLS_MIN
            && cells <= self.budget.max_samples()
            && !has_equal_labels(sets.iter().copied())
            && !(0..source.len()).any(|at| source.drop_name(at));
        if !is_streamed {
            return Ok(Raw::Rows(self.collect(source, env)?));
        }
        self.emit_sorted(&*source, &sets, env, emit)?;
        Ok(Raw::Rows(Vec::new()))
    }

    fn emit_sorted(
        &mut self,
        rows: &dyn Rows,
        sets: &[SetId],
        env: Env,
        emit: &mut Emit<'_>,
    ) -> Result<(), QueryError> {
        let (labels, budget, steps) = (&self.labels, self.budget, env.steps);
        let order = labels.order(sets);
        let work = Work {
            count: order.len(),
            steps: steps.count,
            cost: rows.cost(),
            threads: self.options.threads,
            budget,
        };
        work.in_order(
            &mut self.notes,
            |range, out: &mut Vec<Row>, scratch, notes| {
                for at in &order[range] {
                    let at = *at as usize;
                    let mut cells = Cells::absent(0);
                    rows.fill(at, labels, scratch, &mut cells, notes)?;
                    if cells.any_present() {
                        let mut row = Row::new(sets[at], false, cells);
                        row.charge = budget.charge(row.cells.weight(), row_bytes(steps.count))?;
                        out.push(row);
                    }
                }
                Ok(())
            },
            |_, out, _| {
                for mut row in out.drain(..) {
                    let _held = std::mem::take(&mut row.charge);
                    let _pause = budget.pause();
                    if !emit(row_points(row, steps, labels)) {
                        return Err(QueryError::Canceled);
                    }
                }
                Ok(())
            },
        )
    }
}
