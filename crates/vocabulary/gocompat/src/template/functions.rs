//! What a template may call: the caller's functions and the ones every template has.

use super::escape;
use super::format;
use super::value::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a function can ask of the template that calls it.
pub trait Scope {
    /// Runs a template of the same set on `data` and gives its text. Counts towards the same limits.
    fn execute(&mut self, name: &str, data: Value) -> Result<String, String>;

    /// Reads `text` as one more template of the set, runs it on `data` and gives its text. Counts
    /// towards the same limits.
    fn expand(&mut self, text: &str, data: Value) -> Result<String, String>;

    /// The data that the run began with.
    fn root(&self) -> &Value;

    /// How long a text a function may make, in bytes.
    fn text_max_bytes(&self) -> usize;
}

type Body = dyn Fn(&mut dyn Scope, &[Value]) -> Result<Value, String> + Send + Sync;

/// A function: how many arguments it takes and what it does. An error becomes part of
/// `error calling NAME: …`.
#[derive(Clone)]
pub struct Function {
    pub(super) arguments_min: usize,
    /// `None`: any number more.
    pub(super) arguments_max: Option<usize>,
    pub(super) body: Arc<Body>,
}

impl Function {
    /// A function of exactly `count` arguments.
    pub fn new(
        count: usize,
        body: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Self::scoped(count, Some(count), move |_, arguments| body(arguments))
    }

    /// A function of `min` arguments or more.
    pub fn variadic(
        min: usize,
        body: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Self::scoped(min, None, move |_, arguments| body(arguments))
    }

    /// A function that uses the template calling it.
    pub fn scoped(
        arguments_min: usize,
        arguments_max: Option<usize>,
        body: impl Fn(&mut dyn Scope, &[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Function { arguments_min, arguments_max, body: Arc::new(body) }
    }

    /// Go's complaint about the number of arguments, if there is one.
    pub(super) fn arity_error(&self, name: &str, written: usize, given: usize) -> Option<String> {
        match self.arguments_max {
            Some(max) if given < self.arguments_min || given > max => {
                Some(format!("wrong number of args for {name}: want {max} got {given}"))
            }
            None if given < self.arguments_min => Some(format!(
                "wrong number of args for {name}: want at least {} got {written}",
                self.arguments_min
            )),
            _ => None,
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({}..={:?})", self.arguments_min, self.arguments_max)
    }
}

/// Functions by name. Later ones replace earlier ones of the same name, and builtin ones.
#[derive(Clone, Debug, Default)]
pub struct Functions(BTreeMap<String, Function>);

impl Functions {
    /// No functions but the builtin ones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function.
    pub fn insert(&mut self, name: &str, function: Function) {
        self.0.insert(name.to_string(), function);
    }

    /// Adds a function, for building a table in one expression.
    #[must_use]
    pub fn with(mut self, name: &str, function: Function) -> Self {
        self.insert(name, function);
        self
    }

    /// Whether the caller has added a function of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }
}

/// The function that every template has under this name. `and` and `or` are only named here: they
/// decide which of their arguments are evaluated, so the executor has them.
pub(super) fn builtin(name: &str) -> Option<Function> {
    let function = match name {
        "and" | "or" => Function::variadic(1, |_| Ok(Value::Nil)),
        "not" => Function::new(1, |arguments| Ok(Value::Bool(!arguments[0].is_true()))),
        "len" => Function::new(1, |arguments| len(&arguments[0])),
        "index" => Function::variadic(1, |arguments| index(&arguments[0], &arguments[1..])),
        "slice" => Function::variadic(1, |arguments| slice(&arguments[0], &arguments[1..])),
        "call" => Function::scoped(1, None, call),
        "eq" => Function::variadic(1, |arguments| equal(&arguments[0], &arguments[1..]).map(Value::Bool)),
        "ne" => Function::new(2, |arguments| {
            equal(&arguments[0], &arguments[1..]).map(|equal| Value::Bool(!equal))
        }),
        "lt" => comparison(less),
        "le" => comparison(less_or_equal),
        "gt" => comparison(|a, b| Ok(!less_or_equal(a, b)?)),
        "ge" => comparison(|a, b| Ok(!less(a, b)?)),
        "print" => text_function(0, format::sprint),
        "println" => text_function(0, format::sprintln),
        "printf" => Function::scoped(1, None, |scope, arguments| match arguments[0].plain() {
            Value::String(text) => {
                Ok(Value::from(format::sprintf(&text, &arguments[1..], scope.text_max_bytes())))
            }
            other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
        }),
        "html" => text_function(0, |values, limit| escape::html(&printed(values, limit))),
        "js" => text_function(0, |values, limit| escape::js(&printed(values, limit))),
        "urlquery" => text_function(0, |values, limit| escape::url_query(&printed(values, limit))),
        _ => return None,
    };
    Some(function)
}

fn text_function(min: usize, make: fn(&[Value], usize) -> String) -> Function {
    Function::scoped(min, None, move |scope, arguments| {
        Ok(Value::from(make(arguments, scope.text_max_bytes())))
    })
}

fn comparison(compare: fn(&Value, &Value) -> Result<bool, String>) -> Function {
    Function::new(2, move |arguments| compare(&arguments[0].plain(), &arguments[1].plain()).map(Value::Bool))
}

/// The texts of values as actions print them.
fn printed(values: &[Value], limit: usize) -> String {
    let values: Vec<Value> = values
        .iter()
        .map(|value| if matches!(value, Value::Nil) { Value::from("<no value>") } else { value.clone() })
        .collect();
    format::sprint(&values, limit)
}

fn len(value: &Value) -> Result<Value, String> {
    let len = match value.plain() {
        Value::String(text) => text.len(),
        Value::List(values) => values.len(),
        Value::Map(map) => map.entries().len(),
        Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(len as i64))
}

fn index(value: &Value, indices: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    if matches!(value, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for index in indices {
        value = match value.plain() {
            Value::String(text) => {
                let at = position(index, text.len(), false)?;
                Value::Int(i64::from(text.as_bytes()[at]))
            }
            Value::List(values) => values[position(index, values.len(), false)?].clone(),
            Value::Map(map) => match index.plain() {
                Value::String(key) => map.entries().get(&key).unwrap_or(map.zero()).clone(),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(format!("value has type {}; should be string", other.type_name()));
                }
            },
            Value::Nil => return Err("index of nil pointer".into()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

/// An index below `len`, or up to it where a slice ends.
fn position(index: &Value, len: usize, is_end: bool) -> Result<usize, String> {
    let at = match index.plain() {
        Value::Int(at) => at,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < len || is_end && at == len)
        .ok_or_else(|| format!("index out of range: {at}"))
}

fn slice(value: &Value, indices: &[Value]) -> Result<Value, String> {
    if matches!(value, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indices.len() > 3 {
        return Err(format!("too many slice indexes: {}", indices.len()));
    }
    let bounds = |len: usize| -> Result<(usize, usize), String> {
        let mut bounds = [0, len, len];
        for (bound, index) in bounds.iter_mut().zip(indices) {
            *bound = position(index, len, true)?;
        }
        for (low, high) in [(bounds[0], bounds[1]), (bounds[1], bounds[2])] {
            if low > high {
                return Err(format!("invalid slice index: {low} > {high}"));
            }
        }
        Ok((bounds[0], bounds[1]))
    };
    match value.plain() {
        Value::String(_) if indices.len() == 3 => Err("cannot 3-index slice a string".into()),
        Value::String(text) => {
            let (start, end) = bounds(text.len())?;
            Ok(Value::from(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()))
        }
        Value::List(values) => {
            let (start, end) = bounds(values.len())?;
            Ok(Value::list(values[start..end].iter().cloned()))
        }
        other => Err(format!("can't slice item of type {}", other.type_name())),
    }
}

fn call(scope: &mut dyn Scope, arguments: &[Value]) -> Result<Value, String> {
    match &arguments[0] {
        Value::Function(function) => {
            let given = arguments.len() - 1;
            match function.arity_error("call", given, given) {
                Some(problem) => Err(problem),
                None => (function.body)(scope, &arguments[1..]),
            }
        }
        Value::Nil => Err("call of nil".into()),
        other => Err(format!("non-function of type {}", other.type_name())),
    }
}

const INCOMPATIBLE: &str = "incompatible types for comparison";
const NOT_COMPARABLE: &str = "invalid type for comparison";

/// Whether the first equals any of the others.
fn equal(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    let first = first.plain();
    for other in others {
        let is_equal = match (&first, &other.plain()) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Nil, Value::Nil) => true,
            (Value::Nil, _) | (_, Value::Nil) => false,
            (value @ (Value::List(_) | Value::Map(_) | Value::Function(_)), _)
            | (_, value @ (Value::List(_) | Value::Map(_) | Value::Function(_))) => {
                return Err(format!("non-comparable type {value}: {}", value.type_name()));
            }
            (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
            _ => return Err(INCOMPATIBLE.into()),
        };
        if is_equal {
            return Ok(true);
        }
    }
    Ok(false)
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    let has_order =
        |value: &Value| matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_));
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a < b),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::String(a), Value::String(b)) => Ok(a < b),
        (Value::Bool(_), Value::Bool(_)) => Err(NOT_COMPARABLE.into()),
        (a, b) if has_order(a) && has_order(b) => Err(INCOMPATIBLE.into()),
        _ => Err(NOT_COMPARABLE.into()),
    }
}

fn less_or_equal(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(less(a, b)? || equal(a, std::slice::from_ref(b))?)
}

/// The entries of a map, for callers that build maps in functions.
impl From<BTreeMap<Arc<str>, Value>> for Value {
    fn from(entries: BTreeMap<Arc<str>, Value>) -> Self {
        Value::Map(Arc::new(Map::new(entries, Value::Nil)))
    }
}
