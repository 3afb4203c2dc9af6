//! What templates work on.

use super::format;
use super::functions::Function;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value in a template. Cheap to clone.
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing: a missing entry, or Go's nil.
    #[default]
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// Any of Go's integers.
    Int(i64),
    /// Any of Go's floating-point numbers.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A slice.
    List(Arc<List>),
    /// A map with texts as keys.
    Map(Arc<Map>),
    /// Something of the caller's.
    Object(Arc<dyn Object>),
    /// A function, for `call`.
    Function(Function),
}

/// A list of values. Knows how deep it nests, so that a template cannot nest without end.
#[derive(Clone, Default)]
pub struct List {
    values: Box<[Value]>,
    depth: u32,
}

impl std::ops::Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}

/// A map, sorted by key as Go prints and iterates it.
#[derive(Clone, Default)]
pub struct Map {
    entries: BTreeMap<Arc<str>, Value>,
    zero: Value,
    depth: u32,
}

impl Map {
    /// `zero` is what a missing entry gives where Go gives the zero value: an empty text for a map of
    /// texts, [`Value::Nil`] for a map of anything.
    pub fn new(entries: BTreeMap<Arc<str>, Value>, zero: Value) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Map { entries, zero, depth }
    }

    /// The entries.
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// What a missing entry gives.
    pub fn zero(&self) -> &Value {
        &self.zero
    }
}

/// A caller's own type: named fields, methods, and perhaps a plain value that it otherwise behaves as.
///
/// A method comes before a field of the same name. Functions of the caller find their own types again
/// through [`Value::downcast`].
pub trait Object: Any + Send + Sync {
    /// The name of the type, for error texts and `%T`, such as `template.Alert`.
    fn type_name(&self) -> &str;

    /// The field of this name.
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// Calls the method of this name, if there is one. The error becomes part of `error calling …`.
    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let _ = (name, arguments);
        None
    }

    /// The map, list, text or number that this is for `len`, `index`, `range`, `eq` and truth. Without
    /// one, the object is a structure: always true, without length.
    fn plain(&self) -> Option<Value> {
        None
    }

    /// Its text, if it is not that of the plain value.
    fn print(&self) -> Option<String> {
        None
    }

    /// Appends its JSON, if it is not that of the plain value, up to soon after `limit` bytes.
    fn json(&self, out: &mut String, limit: usize) -> Option<Result<(), String>> {
        let _ = (out, limit);
        None
    }
}

impl Value {
    /// A text.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Value::String(text.into())
    }

    /// A list.
    pub fn list(values: impl IntoIterator<Item = Value>) -> Self {
        let values: Box<[Value]> = values.into_iter().collect();
        let depth = 1 + values.iter().map(Value::depth).max().unwrap_or(0);
        Value::List(Arc::new(List { values, depth }))
    }

    /// A map of texts, in which a missing entry is an empty text.
    pub fn string_map<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries =
            entries.into_iter().map(|(key, value)| (key.into(), Value::String(value.into()))).collect();
        Value::Map(Arc::new(Map::new(entries, Value::string(""))))
    }

    /// A map of anything, in which a missing entry is nothing.
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Value::Map(Arc::new(Map::new(entries, Value::Nil)))
    }

    /// A caller's object.
    pub fn object(object: impl Object) -> Self {
        Value::Object(Arc::new(object))
    }

    /// How deep lists and maps nest in it.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Value::List(list) => list.depth,
            Value::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// The value itself, or what an object stands for. An object without a plain value stays.
    pub fn plain(&self) -> Value {
        match self {
            Value::Object(object) => object.plain().unwrap_or_else(|| self.clone()),
            other => other.clone(),
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The caller's object, if it is one of this type.
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        match self {
            Value::Object(object) => (&**object as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// Whether `if` takes it for true: not zero, not empty, not nothing.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::List(values) => !values.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Object(object) => match object.plain() {
                Some(Value::Object(_)) | None => true,
                Some(plain) => plain.is_true(),
            },
            Value::Function(_) => true,
        }
    }

    /// The name of its type as Go would give it.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::String(_) => "string",
            Value::List(values) => match values.first() {
                Some(Value::String(_)) if values.iter().all(|value| value.as_str().is_some()) => "[]string",
                _ => "[]interface {}",
            },
            Value::Map(map) => match map.zero {
                Value::String(_) => "map[string]string",
                _ => "map[string]interface {}",
            },
            Value::Object(object) => object.type_name(),
            Value::Function(_) => "func",
        }
    }
}

/// The text of Go's `%v`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        format::push_plain(&mut out, self, usize::MAX);
        f.write_str(&out)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.type_name())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::string(text)
    }
}
