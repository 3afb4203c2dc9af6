//! Evaluation: errors are values until an operator needs the value, so that `false && error` is false.

use std::cmp::Ordering;
use std::rc::Rc;

use super::parse::{Expr, Macro, Operator};
use super::value::find;
use super::{CelError, Value, functions};

/// Steps of an evaluation; macros within macros could otherwise take for ever.
const STEPS_MAX: u64 = 1_000_000;

pub(super) type Evaluated = Result<Value, CelError>;

pub(super) fn evaluate(root: &Expr, body: Value) -> Evaluated {
    let mut scope = Scope { variables: vec![("body".to_string(), body)], steps: 0 };
    scope.eval(root)
}

struct Scope {
    variables: Vec<(String, Value)>,
    steps: u64,
}

pub(super) fn error<T>(message: impl Into<String>) -> Result<T, CelError> {
    Err(CelError(message.into()))
}

pub(super) fn no_overload<T>() -> Result<T, CelError> {
    error("no such overload")
}

impl Scope {
    fn eval(&mut self, expr: &Expr) -> Evaluated {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return error(format!("the evaluation takes more than {STEPS_MAX} steps"));
        }
        match expr {
            Expr::Literal(literal) => Ok(literal.value()),
            Expr::Variable(name) => {
                let found = self.variables.iter().rev().find(|(own, _)| own == name);
                found.map_or_else(
                    || error(format!("no such attribute: {name}")),
                    |(_, value)| Ok(value.clone()),
                )
            }
            Expr::TypeName(name) => Ok(Value::Type(name)),
            Expr::Field(of, name) => {
                let of = self.eval(of)?;
                field(&of, name)?.map_or_else(|| error(format!("no such key: {name}")), Ok)
            }
            Expr::Has(of, name) => {
                let of = self.eval(of)?;
                Ok(Value::Bool(field(&of, name)?.is_some()))
            }
            Expr::Index(of, index) => {
                let (of, index) = (self.eval(of)?, self.eval(index)?);
                element(&of, &index)
            }
            Expr::Call(name, arguments) => {
                let arguments = arguments.iter().map(|one| self.eval(one)).collect::<Result<Vec<_>, _>>()?;
                functions::call(name, &arguments)
            }
            Expr::Matches(text, regex) => match self.eval(text)? {
                Value::String(text) => Ok(Value::Bool(regex.is_match(&text))),
                _ => no_overload(),
            },
            Expr::Not(of) => match self.eval(of)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                _ => no_overload(),
            },
            Expr::Negate(of) => match self.eval(of)? {
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(overflow),
                Value::Double(value) => Ok(Value::Double(-value)),
                Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or_else(overflow),
                _ => no_overload(),
            },
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                binary(*operator, &left, &right)
            }
            Expr::And(left, right) => self.logic(left, right, false),
            Expr::Or(left, right) => self.logic(left, right, true),
            Expr::Choose(condition, then, otherwise) => match self.eval(condition)? {
                Value::Bool(true) => self.eval(then),
                Value::Bool(false) => self.eval(otherwise),
                _ => no_overload(),
            },
            Expr::List(items) => {
                let items = items.iter().map(|item| self.eval(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::List(Rc::new(items)))
            }
            Expr::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    map.push((self.eval(key)?, self.eval(value)?));
                }
                Ok(Value::Map(Rc::new(map)))
            }
            Expr::Macro { kind, over, variable, body, result } => {
                let over = self.eval(over)?;
                let items: Vec<Value> = match &over {
                    Value::List(items) => items.to_vec(),
                    Value::Map(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
                    _ => return no_overload(),
                };
                self.comprehension(*kind, items, variable, body, result.as_deref())
            }
        }
    }

    /// `&&` and `||`: a side that decides (`decisive`) does so also if the other is an error.
    fn logic(&mut self, left: &Expr, right: &Expr, decisive: bool) -> Evaluated {
        let left = self.eval(left);
        if matches!(left, Ok(Value::Bool(value)) if value == decisive) {
            return Ok(Value::Bool(decisive));
        }
        let right = self.eval(right);
        match (left, right) {
            (_, Ok(Value::Bool(value))) if value == decisive => Ok(Value::Bool(decisive)),
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decisive)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            _ => no_overload(),
        }
    }

    fn comprehension(
        &mut self,
        kind: Macro,
        items: Vec<Value>,
        variable: &str,
        body: &Expr,
        result: Option<&Expr>,
    ) -> Evaluated {
        let mut first_error = None;
        let mut kept = Vec::new();
        let mut count = 0;
        for item in items {
            self.variables.push((variable.to_string(), item.clone()));
            let mut outcome = self.eval(body);
            let is_true = matches!(outcome, Ok(Value::Bool(true)));
            if let (true, Some(result)) = (is_true, result) {
                outcome = self.eval(result);
            }
            self.variables.pop();
            match (kind, outcome) {
                (Macro::All, Ok(Value::Bool(false))) => return Ok(Value::Bool(false)),
                (Macro::Exists, Ok(Value::Bool(true))) => return Ok(Value::Bool(true)),
                (Macro::All | Macro::Exists, Ok(Value::Bool(_))) => {}
                (Macro::All | Macro::Exists, Err(error)) => first_error = first_error.or(Some(error)),
                (Macro::ExistsOne, Ok(Value::Bool(value))) => count += usize::from(value),
                (Macro::Filter, Ok(Value::Bool(true))) => kept.push(item),
                (Macro::Filter, Ok(Value::Bool(false))) => {}
                (Macro::Map, Ok(value)) => {
                    if result.is_none() || is_true {
                        kept.push(value);
                    }
                }
                (_, Err(error)) => return Err(error),
                _ => return no_overload(),
            }
        }
        match (kind, first_error) {
            (_, Some(error)) => Err(error),
            (Macro::All, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, None) => Ok(Value::Bool(count == 1)),
            (Macro::Filter | Macro::Map, None) => Ok(Value::List(Rc::new(kept))),
        }
    }
}

fn field(of: &Value, name: &str) -> Result<Option<Value>, CelError> {
    match of {
        Value::Map(entries) => Ok(entries
            .iter()
            .find(|(key, _)| matches!(key, Value::String(key) if &**key == name))
            .map(|(_, value)| value.clone())),
        _ => no_overload(),
    }
}

fn element(of: &Value, index: &Value) -> Evaluated {
    match of {
        Value::Map(entries) => find(entries, index)
            .cloned()
            .map_or_else(|| error(format!("no such key: {}", functions::shown(index))), Ok),
        Value::List(items) => {
            let at = match index {
                Value::Int(at) => usize::try_from(*at).ok(),
                Value::Uint(at) => usize::try_from(*at).ok(),
                Value::Double(at) if *at >= 0.0 && at.fract() == 0.0 => Some(*at as usize),
                _ => None,
            };
            let item = at.and_then(|at| items.get(at));
            item.cloned().map_or_else(|| error("index out of bounds"), Ok)
        }
        _ => no_overload(),
    }
}

fn overflow() -> CelError {
    CelError("integer overflow".into())
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Evaluated {
    use Operator::*;
    let ordered = |accept: fn(Ordering) -> bool| match left.order(right) {
        Some(order) => Ok(Value::Bool(accept(order))),
        None if matches!((left, right), (Value::Double(_), _) | (_, Value::Double(_)))
            && is_number(left)
            && is_number(right) =>
        {
            Ok(Value::Bool(false))
        }
        None => no_overload(),
    };
    match operator {
        Equal => Ok(Value::Bool(left.is(right))),
        NotEqual => Ok(Value::Bool(!left.is(right))),
        Less => ordered(Ordering::is_lt),
        LessOrEqual => ordered(Ordering::is_le),
        Greater => ordered(Ordering::is_gt),
        GreaterOrEqual => ordered(Ordering::is_ge),
        In => match right {
            Value::List(items) => Ok(Value::Bool(items.iter().any(|item| item.is(left)))),
            Value::Map(entries) => Ok(Value::Bool(find(entries, left).is_some())),
            _ => no_overload(),
        },
        Add | Subtract | Multiply | Divide | Modulo => arithmetic(operator, left, right),
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Evaluated {
    use Operator::{Add, Divide, Modulo, Multiply, Subtract};
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && matches!(operator, Divide | Modulo) {
                return error("division by zero");
            }
            let result = match operator {
                Add => a.checked_add(*b),
                Subtract => a.checked_sub(*b),
                Multiply => a.checked_mul(*b),
                Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Int).ok_or_else(overflow)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            if *b == 0 && matches!(operator, Divide | Modulo) {
                return error("division by zero");
            }
            let result = match operator {
                Add => a.checked_add(*b),
                Subtract => a.checked_sub(*b),
                Multiply => a.checked_mul(*b),
                Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Uint).ok_or_else(overflow)
        }
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(match operator {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            _ => return no_overload(),
        })),
        (Value::String(a), Value::String(b)) if operator == Add => {
            Ok(Value::String(format!("{a}{b}").into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) if operator == Add => {
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) if operator == Add => {
            Ok(Value::List(Rc::new(a.iter().chain(b.iter()).cloned().collect())))
        }
        (Value::Duration(a), Value::Duration(b)) => match operator {
            Add => a.checked_add(*b).map(Value::Duration).ok_or_else(overflow),
            Subtract => a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow),
            _ => no_overload(),
        },
        (Value::Timestamp(a), Value::Duration(b)) => match operator {
            Add => Ok(Value::Timestamp(a + i128::from(*b))),
            Subtract => Ok(Value::Timestamp(a - i128::from(*b))),
            _ => no_overload(),
        },
        (Value::Duration(a), Value::Timestamp(b)) if operator == Add => {
            Ok(Value::Timestamp(b + i128::from(*a)))
        }
        (Value::Timestamp(a), Value::Timestamp(b)) if operator == Subtract => {
            i64::try_from(a - b).map(Value::Duration).map_err(|_| overflow())
        }
        _ => no_overload(),
    }
}
