//! Durations that are calculated when a query runs.

use super::QueryError;
use crate::ast::{At, DurationExpr, DurationOp, Span};

/// The times of the whole query, which `start()`, `end()`, `range()` and `step()` stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryTimes {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// 0 for an instant query.
    pub(crate) step_ms: i64,
}

impl QueryTimes {
    /// The time an `@` stands for.
    pub(crate) fn at_ms(&self, at: At) -> i64 {
        match at {
            At::Timestamp(ms) => ms,
            At::Start => self.start_ms,
            At::End => self.end_ms,
        }
    }

    /// An offset, which may be negative.
    pub(crate) fn offset_ms(&self, offset: Option<&DurationExpr>) -> Result<i64, QueryError> {
        offset.map_or(Ok(0), |offset| self.duration_ms(offset, true))
    }

    /// A range or a step, which must be positive.
    pub(crate) fn positive_ms(&self, duration: &DurationExpr) -> Result<i64, QueryError> {
        self.duration_ms(duration, false)
    }

    fn duration_ms(&self, duration: &DurationExpr, may_be_negative: bool) -> Result<i64, QueryError> {
        if let DurationExpr::Constant { duration_ms, .. } = duration {
            return Ok(*duration_ms);
        }
        let span = span_of(duration);
        let fail = |text: &str| QueryError::Execution(format!("{}:{}: {text}", span.start, span.end));
        let seconds = self.seconds(duration)?;
        if !seconds.is_finite() {
            return Err(fail("duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !may_be_negative {
            return Err(fail("duration must be greater than 0"));
        }
        if seconds.abs() > i64::MAX as f64 / 1e9 {
            return Err(fail("duration is out of range"));
        }
        Ok((seconds * 1000.0) as i64)
    }

    fn seconds(&self, duration: &DurationExpr) -> Result<f64, QueryError> {
        Ok(match duration {
            DurationExpr::Constant { seconds, .. } => *seconds,
            DurationExpr::Step(_) => self.step_ms as f64 / 1000.0,
            DurationExpr::Range(_) => (self.end_ms - self.start_ms) as f64 / 1000.0,
            DurationExpr::Paren { inner, .. } => self.seconds(inner)?,
            DurationExpr::Unary { negative, inner, .. } => {
                let value = self.seconds(inner)?;
                if *negative { -value } else { value }
            }
            DurationExpr::Binary { op, left, right, span } => {
                let (a, b) = (self.seconds(left)?, self.seconds(right)?);
                let nonzero = |what: &str| match b {
                    0.0 => Err(QueryError::Execution(format!("{}:{}: {what} by zero", span.start, span.end))),
                    b => Ok(b),
                };
                match op {
                    DurationOp::Add => a + b,
                    DurationOp::Sub => a - b,
                    DurationOp::Mul => a * b,
                    DurationOp::Div => a / nonzero("division")?,
                    DurationOp::Mod => a % nonzero("modulo")?,
                    DurationOp::Pow => a.powf(b),
                    DurationOp::MinOf => super::functions::math::go_min(a, b),
                    DurationOp::MaxOf => super::functions::math::go_max(a, b),
                }
            }
        })
    }
}

fn span_of(duration: &DurationExpr) -> Span {
    match duration {
        DurationExpr::Constant { span, .. }
        | DurationExpr::Step(span)
        | DurationExpr::Range(span)
        | DurationExpr::Unary { span, .. }
        | DurationExpr::Binary { span, .. }
        | DurationExpr::Paren { span, .. } => *span,
    }
}
