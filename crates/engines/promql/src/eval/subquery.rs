//! Subqueries: an expression evaluated at steps of its own.

use super::QueryError;
use super::engine::{Env, Evaluator};
use super::rows::row_bytes;
use super::value::{Row, Steps};
use super::window::Windows;
use crate::ast::Subquery;

impl Evaluator<'_> {
    /// The rows of a subquery and their steps, which lie at whole multiples of their distance.
    pub(crate) fn subquery_rows(
        &mut self,
        subquery: &Subquery,
        env: Env,
    ) -> Result<(Vec<Row>, Steps), QueryError> {
        let windows = self.subquery_windows(subquery, env)?;
        let step_ms = match &subquery.step {
            Some(step) => self.times.positive_ms(step)?,
            None => self.options.default_subquery_step_ms,
        }
        .max(1);
        let (after_ms, _) = windows.bounds_ms(0);
        let (_, end_ms) = windows.bounds_ms(windows.steps.count.saturating_sub(1));
        // The first multiple that is later than the start of the first window.
        let start_ms = after_ms.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
        let steps = Steps::range(start_ms, end_ms, step_ms);
        if steps.count as u64 > self.options.max_samples || row_bytes(steps.count) > self.options.max_bytes {
            return Err(QueryError::TooManySamples);
        }
        if steps.count == 0 {
            return Ok((Vec::new(), steps));
        }
        let inner = Env { steps, detect_resets: false, blocked: true };
        Ok((self.rows(&subquery.expr, inner)?, steps))
    }

    /// The windows over a subquery's steps.
    pub(crate) fn subquery_windows(&self, subquery: &Subquery, env: Env) -> Result<Windows, QueryError> {
        Ok(Windows {
            steps: env.steps,
            range_ms: self.times.positive_ms(&subquery.range)?,
            offset_ms: self.times.offset_ms(subquery.offset.as_ref())?,
            fixed_ms: subquery.at.map(|at| self.times.at_ms(at)),
            before_ms: 0,
            after_ms: 0,
        })
    }
}
