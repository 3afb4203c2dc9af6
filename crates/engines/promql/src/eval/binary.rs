//! Binary operators: on numbers, on a vector and a number. Two vectors are in `matching`.

use std::sync::Arc;

use model::histogram::{CounterResetHint, FloatHistogram};

use super::QueryError;
use super::annotations::{Note, Notes, Operation};
use super::engine::{Env, Evaluator};
use super::functions::math;
use super::rows::{Mapped, Rows};
use super::value::{Cell, Cells};
use crate::ast::{Binary, BinaryOp, Span, ValueType};

/// Whether the operator compares.
pub(crate) fn is_comparison(op: BinaryOp) -> bool {
    comparison(op, 0.0, 0.0).is_some()
}

/// Whether the result is another quantity than the operands, so that it loses their name.
pub(crate) fn changes_meaning(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Pow
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Atan2
            | BinaryOp::Add
            | BinaryOp::Sub
    )
}

fn comparison(op: BinaryOp, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        BinaryOp::Greater => a > b,
        BinaryOp::Less => a < b,
        BinaryOp::GreaterEqual => a >= b,
        BinaryOp::LessEqual => a <= b,
        _ => return None,
    })
}

fn arithmetic(op: BinaryOp, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => math::pow(a, b),
        BinaryOp::Atan2 => a.atan2(b),
        _ => return None,
    })
}

/// An operation on two numbers; comparisons yield 0 or 1.
pub(crate) fn scalar_operation(op: BinaryOp, a: f64, b: f64) -> f64 {
    match (arithmetic(op, a, b), comparison(op, a, b)) {
        (Some(value), _) => value,
        (None, Some(holds)) => f64::from(u8::from(holds)),
        (None, None) => f64::NAN,
    }
}

/// One side of an operation at one step.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Operand<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Operand::Float(_) => "float",
            Operand::Histogram(_) => "histogram",
        }
    }

    pub(crate) fn to_cell(self) -> Cell {
        match self {
            Operand::Float(value) => Cell::Float(value),
            Operand::Histogram(histogram) => Cell::Histogram(histogram.clone()),
        }
    }
}

impl Cells {
    /// The value of a step as an operand.
    pub(crate) fn operand(&self, step: usize) -> Option<Operand<'_>> {
        match self.histogram(step) {
            Some(histogram) => Some(Operand::Histogram(histogram)),
            None => self.float(step).map(Operand::Float),
        }
    }
}

/// What an operation on two samples yields.
pub(crate) enum Outcome {
    /// A value; of a comparison, the left operand.
    Keep(Cell),
    /// A comparison that does not hold.
    Filtered,
    /// The types do not go together.
    Failed,
}

/// An operation on two samples.
pub(crate) fn operation(
    op: BinaryOp,
    left: Operand<'_>,
    right: Operand<'_>,
    span: Span,
    notes: &mut Notes,
) -> Outcome {
    let compared = |holds: bool| if holds { Outcome::Keep(left.to_cell()) } else { Outcome::Filtered };
    match (left, right) {
        (Operand::Float(a), Operand::Float(b)) => {
            if let Some(value) = arithmetic(op, a, b) {
                return Outcome::Keep(Cell::Float(value));
            }
            if let Some(holds) = comparison(op, a, b) {
                return compared(holds);
            }
        }
        (Operand::Float(factor), Operand::Histogram(h)) | (Operand::Histogram(h), Operand::Float(factor))
            if op == BinaryOp::Mul =>
        {
            return changed(h, |h| h.scale(factor));
        }
        (Operand::Histogram(h), Operand::Float(b)) => match op {
            BinaryOp::Div => return changed(h, |h| h.divide(b)),
            BinaryOp::TrimUpper | BinaryOp::TrimLower => {
                let mut trimmed = (**h).clone();
                trimmed.trim(b, op == BinaryOp::TrimUpper);
                return Outcome::Keep(trimmed.into());
            }
            _ => {}
        },
        (Operand::Histogram(a), Operand::Histogram(b)) => match op {
            BinaryOp::Add | BinaryOp::Sub => return combine(op, a, b, span, notes),
            BinaryOp::Equal => return compared(a.same_distribution(b)),
            BinaryOp::NotEqual => return compared(!a.same_distribution(b)),
            _ => {}
        },
        (Operand::Float(_), Operand::Histogram(_)) => {}
    }
    let (left, right) = (left.type_name(), right.type_name());
    notes.add(Note::IncompatibleTypes { left, op: op.as_str(), right }, span);
    Outcome::Failed
}

fn changed(histogram: &FloatHistogram, change: impl Fn(&mut FloatHistogram)) -> Outcome {
    let mut result = histogram.clone();
    change(&mut result);
    result.compact();
    Outcome::Keep(result.into())
}

fn combine(op: BinaryOp, a: &FloatHistogram, b: &FloatHistogram, span: Span, notes: &mut Notes) -> Outcome {
    let mut result = a.clone();
    let (combined, operation) = match op {
        BinaryOp::Add => (result.add(b), Operation::Addition),
        _ => (result.sub(b), Operation::Subtraction),
    };
    let Ok(combined) = combined else {
        notes.add(Note::IncompatibleBuckets(op.as_str()), span);
        return Outcome::Failed;
    };
    if combined.bounds_reconciled {
        notes.add(Note::BoundsReconciled(operation), span);
    }
    if combined.reset_collision {
        notes.add(Note::ResetCollision(operation), span);
        return Outcome::Failed;
    }
    if op == BinaryOp::Sub {
        result.counter_reset_hint = CounterResetHint::Gauge;
    }
    Outcome::Keep(result.into())
}

impl<'q> Evaluator<'q> {
    /// A binary operation that yields a vector.
    pub(crate) fn binary(&mut self, binary: &Binary, env: Env) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let env = match binary.op {
            BinaryOp::TrimUpper | BinaryOp::TrimLower => Env { detect_resets: false, blocked: true, ..env },
            _ => env,
        };
        match (binary.left.value_type(), binary.right.value_type()) {
            (ValueType::Vector, ValueType::Vector) => self.vector_vector(binary, env),
            (ValueType::Vector, _) => {
                let rows = self.source(&binary.left, env)?;
                let scalars = self.scalar(&binary.right, env)?;
                self.vector_scalar(binary, rows, scalars, false, env)
            }
            _ => {
                let scalars = self.scalar(&binary.left, env)?;
                let rows = self.source(&binary.right, env)?;
                self.vector_scalar(binary, rows, scalars, true, env)
            }
        }
    }

    fn vector_scalar(
        &mut self,
        binary: &Binary,
        rows: Box<dyn Rows + 'q>,
        scalars: Vec<f64>,
        scalar_is_left: bool,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let (op, span, return_bool) = (binary.op, binary.span, binary.return_bool);
        let compares = is_comparison(op);
        let map = move |cells: &mut Cells, notes: &mut Notes| {
            let plain = cells.histograms.is_empty();
            for (step, scalar) in scalars.iter().copied().enumerate() {
                let value = cells.values[step];
                if super::value::is_absent(value) {
                    continue;
                }
                if plain && !compares {
                    let (a, b) = if scalar_is_left { (scalar, value) } else { (value, scalar) };
                    if let Some(result) = arithmetic(op, a, b) {
                        cells.values[step] = result;
                        continue;
                    }
                }
                let Some(vector) = cells.operand(step) else { continue };
                let scalar = Operand::Float(scalar);
                let (left, right) = if scalar_is_left { (scalar, vector) } else { (vector, scalar) };
                let result = match operation(op, left, right, span, notes) {
                    // A comparison filters the vector, whichever side it stands on.
                    Outcome::Keep(_) if compares && !return_bool => vector.to_cell(),
                    Outcome::Keep(_) if return_bool => Cell::Float(1.0),
                    Outcome::Filtered if return_bool => Cell::Float(0.0),
                    Outcome::Keep(cell) => cell,
                    Outcome::Filtered | Outcome::Failed => Cell::Absent,
                };
                cells.set(step, result);
            }
        };
        if changes_meaning(op) || return_bool {
            self.without_names(rows, env, map)
        } else {
            Ok(Box::new(Mapped { rows, labels: None, drop_name: false, map }))
        }
    }
}
