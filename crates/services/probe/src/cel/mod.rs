//! A subset of the Common Expression Language over a JSON value called `body`: literals, fields, indices,
//! arithmetic, comparison, logic, `in`, conditionals, lists and maps, the macros `has`, `all`, `exists`,
//! `exists_one`, `filter` and `map`, and the standard functions on texts, numbers, times and durations.
//! Specification: <https://github.com/google/cel-spec>.

mod eval;
mod functions;
mod parse;
mod value;

use std::fmt;

pub use value::Value;

/// Length of an expression.
const LENGTH_MAX_BYTES: usize = 64 * 1024;

/// A compiled expression.
#[derive(Clone)]
pub struct Program {
    text: String,
    root: std::sync::Arc<parse::Expr>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({:?})", self.text)
    }
}

/// Why an expression cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CelError(pub String);

impl Program {
    /// Parses and checks an expression: names and functions must exist.
    pub fn compile(text: &str) -> Result<Program, CelError> {
        if text.len() > LENGTH_MAX_BYTES {
            return Err(CelError(format!("the expression is longer than {LENGTH_MAX_BYTES} bytes")));
        }
        let root = parse::parse(text)?;
        Ok(Program { text: text.to_string(), root: std::sync::Arc::new(root) })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the expression yields for this `body`.
    pub fn evaluate(&self, body: &serde_json::Value) -> Result<Value, CelError> {
        eval::evaluate(&self.root, Value::from_json(body))
    }
}

#[cfg(test)]
mod tests;
