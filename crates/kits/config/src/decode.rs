//! From nodes to settings: strict, with what was found and what is allowed in every error.

use base::units;

use crate::Result;
use crate::secret::Secret;
use crate::yaml::{Error, Node, Value};

impl Node {
    /// Starts to decode a mapping. `type_name` is what upstream calls the section in "field x not
    /// found in type ..."; a section without anything in it counts as an empty mapping.
    pub fn fields(&self, type_name: &'static str) -> Result<Fields<'_>> {
        let entries = match &self.value {
            Value::Null => Vec::new(),
            Value::Mapping(entries) => {
                let mut fields: Vec<Field<'_>> = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let name = key.string().map_err(|_| key.error("a key must be a single value"))?;
                    if fields.iter().any(|field| field.name == name) {
                        return Err(key.error(format!("field {name} already set in type {type_name}")));
                    }
                    fields.push(Field { name, key, value, taken: false });
                }
                fields
            }
            _ => return Err(self.error(format!("expected a mapping for {type_name}, found {}", self.kind()))),
        };
        Ok(Fields { node: self, type_name, entries, known: Vec::new() })
    }

    /// A text. Numbers and booleans without quotes count as the text they were written as.
    pub fn string(&self) -> Result<String> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            Value::Binary(bytes) => Err(self.error(format!("{} is not valid UTF-8", quote_bytes(bytes)))),
            _ => Err(self.error(format!("expected a text, found {}", self.kind()))),
        }
    }

    /// A secret text.
    pub fn secret(&self) -> Result<Secret> {
        self.string().map(Secret::new)
    }

    /// A boolean, in the spellings of YAML 1.1.
    pub fn boolean(&self) -> Result<bool> {
        if let Value::Scalar { text, plain: true } = &self.value {
            match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                    return Ok(true);
                }
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
                    return Ok(false);
                }
                _ => {}
            }
        }
        Err(self.error(format!("expected true or false, found {}", self.shown())))
    }

    /// A whole number.
    pub fn integer(&self) -> Result<i64> {
        if let Value::Scalar { text, plain: true } = &self.value {
            let digits = text.replace('_', "");
            let parsed = match digits.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            if let Ok(number) = parsed {
                return Ok(number);
            }
        }
        Err(self.error(format!("expected a whole number, found {}", self.shown())))
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self) -> Result<u64> {
        let number = self.integer()?;
        u64::try_from(number)
            .map_err(|_| self.error(format!("expected a number of at least 0, found {number}")))
    }

    /// A number.
    pub fn float(&self) -> Result<f64> {
        if let Value::Scalar { text, plain: true } = &self.value
            && let Ok(number) = text.replace('_', "").parse()
        {
            return Ok(number);
        }
        Err(self.error(format!("expected a number, found {}", self.shown())))
    }

    /// A duration such as `1m30s`, in milliseconds.
    pub fn duration_ms(&self) -> Result<i64> {
        let text = self.string()?;
        units::parse_duration_ms(&text).map_err(|error| self.error(error.to_string()))
    }

    /// A size such as `15MB`, in bytes.
    pub fn bytes(&self) -> Result<u64> {
        let text = self.string()?;
        units::parse_bytes(&text).map_err(|error| self.error(error.to_string()))
    }

    /// A list, each item decoded by `item`. Nothing counts as an empty list.
    pub fn list<'a, T>(&'a self, mut item: impl FnMut(&'a Node) -> Result<T>) -> Result<Vec<T>> {
        match &self.value {
            Value::Null => Ok(Vec::new()),
            Value::Sequence(items) => items.iter().map(&mut item).collect(),
            _ => Err(self.error(format!("expected a list, found {}", self.kind()))),
        }
    }

    /// A list of texts.
    pub fn strings(&self) -> Result<Vec<String>> {
        self.list(Node::string)
    }

    /// A mapping with free keys, each value decoded by `item`, in the order of the file.
    pub fn map<'a, T>(&'a self, mut item: impl FnMut(&'a Node) -> Result<T>) -> Result<Vec<(String, T)>> {
        match &self.value {
            Value::Null => Ok(Vec::new()),
            Value::Mapping(entries) => {
                let mut pairs: Vec<(String, T)> = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let name = key.string()?;
                    if pairs.iter().any(|(n, _)| *n == name) {
                        return Err(key.error(format!("mapping key {name:?} already defined")));
                    }
                    pairs.push((name, item(value)?));
                }
                Ok(pairs)
            }
            _ => Err(self.error(format!("expected a mapping, found {}", self.kind()))),
        }
    }

    /// Labels: names and values are checked as UTF-8 texts, names must not be empty.
    pub fn labels(&self) -> Result<model::Labels> {
        let Value::Mapping(entries) = &self.value else {
            return if self.is_null() {
                Ok(model::Labels::empty())
            } else {
                Err(self.error(format!("expected a mapping of labels, found {}", self.kind())))
            };
        };
        let mut builder = model::LabelsBuilder::default();
        for (key, value) in entries {
            let name = match &key.value {
                Value::Binary(bytes) => {
                    return Err(key.error(format!("{} is not a valid label name", quote_bytes(bytes))));
                }
                _ => key.string()?,
            };
            if name.is_empty() {
                return Err(key.error("\"\" is not a valid label name"));
            }
            let text = match &value.value {
                Value::Binary(bytes) => {
                    return Err(value.error(format!("{} is not a valid label value", quote_bytes(bytes))));
                }
                _ => value.string()?,
            };
            builder.set(&name, &text);
        }
        Ok(builder.build())
    }

    /// The node as it can be shown in an error: its text in quotes, or what kind it is.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Scalar { text, .. } => format!("{text:?}"),
            _ => self.kind().to_string(),
        }
    }
}

pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        out.push_str(&chunk.valid().escape_debug().to_string());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

struct Field<'a> {
    name: String,
    key: &'a Node,
    value: &'a Node,
    taken: bool,
}

/// The fields of a mapping being decoded. What is not taken by [`Fields::finish`] is an error that
/// names what would have been allowed.
pub struct Fields<'a> {
    node: &'a Node,
    type_name: &'static str,
    entries: Vec<Field<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of a field, if the file has it.
    pub fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let field = self.entries.iter_mut().find(|field| field.name == name)?;
        field.taken = true;
        Some(field.value)
    }

    /// A field decoded by `decode`, or `default` where the file does not have it or leaves it empty.
    pub fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        decode: impl FnOnce(&'a Node) -> Result<T>,
    ) -> Result<T> {
        match self.take(name) {
            Some(node) if !node.is_null() => decode(node),
            _ => Ok(default),
        }
    }

    /// A field decoded by `decode`, or `None` where the file does not have it or leaves it empty.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&'a Node) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.take(name) {
            Some(node) if !node.is_null() => decode(node).map(Some),
            _ => Ok(None),
        }
    }

    /// The value of a field, which is left to be taken.
    pub fn peek(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|field| field.name == name).map(|field| field.value)
    }

    /// Whether the file has the field and nothing has taken it yet.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|field| field.name == name && !field.taken)
    }

    /// Fields that nothing has taken yet whose names `accept` accepts, with their keys' nodes.
    pub fn take_where(&mut self, accept: impl Fn(&str) -> bool) -> Vec<(&'a Node, &'a Node)> {
        let found = self.entries.iter_mut().filter(|field| !field.taken && accept(&field.name));
        found
            .map(|field| {
                field.taken = true;
                (field.key, field.value)
            })
            .collect()
    }

    /// An error at the mapping as a whole.
    pub fn error(&self, message: impl Into<String>) -> Error {
        self.node.error(message)
    }

    /// Fails if the file has a field that nothing asked for.
    pub fn finish(self) -> Result<()> {
        let Some(unknown) = self.entries.iter().find(|field| !field.taken) else { return Ok(()) };
        let mut message = format!("field {} not found in type {}", unknown.name, self.type_name);
        if let Some(near) = nearest(&unknown.name, &self.known) {
            message.push_str(&format!("; did you mean {near}?"));
        } else if !self.known.is_empty() {
            let mut known = self.known.clone();
            known.sort_unstable();
            known.dedup();
            message.push_str(&format!("; allowed are {}", known.join(", ")));
        }
        Err(unknown.key.error(message))
    }
}

/// The known name that a misspelt one most likely stands for: at most a third of it differs.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let closest = known.iter().map(|candidate| (distance(name, candidate), *candidate)).min()?;
    (closest.0 <= name.len().max(3) / 3).then_some(closest.1)
}

/// How many letters have to be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Position;

    #[test]
    fn an_unknown_field_names_its_place_and_the_likely_one() {
        let node = Node::parse("job_name: x\nscrape_intervall: 5s\n").unwrap();
        let mut fields = node.fields("config.ScrapeConfig").unwrap();
        fields.take("job_name");
        fields.take("scrape_interval");
        let error = fields.finish().unwrap_err();
        assert_eq!(error.position, Some(Position { line: 2, column: 1 }));
        assert_eq!(
            error.message,
            "field scrape_intervall not found in type config.ScrapeConfig; did you mean scrape_interval?"
        );
    }

    #[test]
    fn wrong_types_say_what_was_found() {
        let node = Node::parse("a: [1]\nb: maybe\nc: 5 minutes\n").unwrap();
        assert_eq!(node.get("a").unwrap().string().unwrap_err().message, "expected a text, found a list");
        assert_eq!(
            node.get("b").unwrap().boolean().unwrap_err().message,
            "expected true or false, found \"maybe\""
        );
        assert_eq!(
            node.get("c").unwrap().duration_ms().unwrap_err().message,
            "unknown unit \" minutes\" in duration \"5 minutes\""
        );
    }

    #[test]
    fn a_field_set_twice_is_an_error() {
        let node = Node::parse("a: 1\na: 2\n").unwrap();
        let error = node.fields("config.plain").err().unwrap();
        assert_eq!(error.message, "field a already set in type config.plain");
    }
}
