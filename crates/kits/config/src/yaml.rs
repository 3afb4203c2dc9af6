//! YAML into a tree whose every node knows its line and column. The one home of the YAML library.
//!
//! Scalars keep their text: what they mean is decided by who decodes them, so that `version: 1.10`
//! can be a text and `on` a boolean, as in Go's YAML library.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// Nodes in one document; aliases count as often as they are used.
const NODES_MAX: usize = 1_000_000;
/// Levels of nesting.
const DEPTH_MAX: usize = 100;

/// A place in a file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl From<Span> for Position {
    fn from(span: Span) -> Self {
        Position { line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file, if it is known.
    pub file: Option<String>,
    /// The place in it, if it is known.
    pub position: Option<Position>,
    /// What was found and what is allowed.
    pub message: String,
}

impl Error {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Error { file: None, position: None, message: message.into() }
    }

    /// An error at a place.
    pub fn at(position: Position, message: impl Into<String>) -> Self {
        Error { file: None, position: Some(position), message: message.into() }
    }

    /// The same error, naming the file unless it names one already.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_string());
        self
    }

    /// The same error with its message changed.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(String) -> String) -> Self {
        self.message = change(self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.position) {
            (Some(file), Some(at)) => write!(f, "{file}:{}:{}: {}", at.line, at.column, self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, Some(at)) => write!(f, "line {}, column {}: {}", at.line, at.column, self.message),
            (None, None) => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

impl base::Classify for Error {
    fn class(&self) -> base::ErrorClass {
        base::ErrorClass::BadInput
    }
}

/// A node of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it starts.
    pub position: Position,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// A text; `plain` if it had no quotes, so that it may be read as a number or boolean.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stood without quotes and without a tag that makes it a text.
        plain: bool,
    },
    /// Bytes that are not valid UTF-8, from `!!binary`.
    Binary(Vec<u8>),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, merge keys (`<<`) resolved.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Reads a file with one document. An empty one is [`Value::Null`].
    pub fn parse(text: &str) -> Result<Node, Error> {
        let mut documents = Node::parse_documents(text)?;
        match documents.len() {
            0 => Ok(Node { value: Value::Null, position: Position { line: 1, column: 1 } }),
            1 => Ok(documents.remove(0)),
            _ => Err(Error::at(
                documents[1].position,
                "found a second document; only one is allowed in this file",
            )),
        }
    }

    /// Reads a file with any number of documents.
    pub fn parse_documents(text: &str) -> Result<Vec<Node>, Error> {
        Node::read_documents(text).map_err(|error| at_tab(text, error))
    }

    fn read_documents(text: &str) -> Result<Vec<Node>, Error> {
        let mut reader = Reader { anchors: HashMap::new(), nodes_left: NODES_MAX };
        let mut parser = Parser::new_from_str(text);
        let mut documents = Vec::new();
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(scan_error)?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                event => documents.push(reader.node(&mut parser, event, span, 0)?),
            }
        }
        Ok(documents)
    }

    /// An error at this node.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::at(self.position, message)
    }

    /// What kind of thing this is, for error messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } | Value::Binary(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Whether it is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|(k, _)| matches!(&k.value, Value::Scalar { text, .. } if text == key))
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

fn scan_error(error: saphyr_parser::ScanError) -> Error {
    let marker = error.marker();
    let position = Position { line: marker.line(), column: marker.col() + 1 };
    Error::at(position, format!("not valid YAML: {}", error.info()))
}

/// The most common mistake, and the parser tells it where the text before the tab begins: the same
/// error where the tab is.
fn at_tab(text: &str, error: Error) -> Error {
    let Some(from) = error.position.filter(|_| error.message.contains("tab")) else { return error };
    let mut lines = text.lines().enumerate().skip(from.line.saturating_sub(1));
    let found = lines.find_map(|(at, line)| {
        let indentation = &line[..line.len() - line.trim_start().len()];
        Some(Position { line: at + 1, column: indentation.find('\t')? + 1 })
    });
    match found {
        Some(place) => Error::at(place, "not valid YAML: a tab in the indentation; only spaces are allowed"),
        None => error,
    }
}

struct Reader {
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
}

impl Reader {
    fn node<'input>(
        &mut self,
        parser: &mut Parser<'input, saphyr_parser::StrInput<'input>>,
        event: Event<'input>,
        span: Span,
        depth: usize,
    ) -> Result<Node, Error> {
        let position = Position::from(span);
        if depth > DEPTH_MAX {
            return Err(Error::at(position, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.charge(position, 1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(text.into_owned(), style, tag.as_deref(), position)?, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match next(parser, position)? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(parser, event, span, depth + 1)?),
                    }
                }
                (Value::Sequence(items), anchor)
            }
            Event::MappingStart(anchor, _) => {
                let mut entries = Vec::new();
                loop {
                    let key = match next(parser, position)? {
                        (Event::MappingEnd, _) => break,
                        (event, span) => self.node(parser, event, span, depth + 1)?,
                    };
                    let (event, span) = next(parser, position)?;
                    let value = self.node(parser, event, span, depth + 1)?;
                    entries.push((key, value));
                }
                (Value::Mapping(merged(entries)?), anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node =
                    node.ok_or_else(|| Error::at(position, "alias of an anchor that is not defined"))?;
                self.charge(position, count(&node))?;
                return Ok(Node { position, ..node });
            }
            _ => return Err(Error::at(position, "not valid YAML: unexpected end of a block")),
        };
        let node = Node { value, position };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn charge(&mut self, position: Position, nodes: usize) -> Result<(), Error> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(nodes)
            .ok_or_else(|| Error::at(position, format!("more than {NODES_MAX} values in one file")))?;
        Ok(())
    }
}

fn next<'input>(
    parser: &mut Parser<'input, saphyr_parser::StrInput<'input>>,
    position: Position,
) -> Result<(Event<'input>, Span), Error> {
    parser
        .next_event()
        .ok_or_else(|| Error::at(position, "not valid YAML: the file ends too early"))?
        .map_err(scan_error)
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|(k, v)| count(k) + count(v)).sum::<usize>(),
        _ => 1,
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>, position: Position) -> Result<Value, Error> {
    let core_tag = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if core_tag == Some("binary") {
        let bytes = decode_base64(&text)
            .ok_or_else(|| Error::at(position, "!!binary value contains invalid base64 data"))?;
        return Ok(match String::from_utf8(bytes) {
            Ok(text) => Value::Scalar { text, plain: false },
            Err(error) => Value::Binary(error.into_bytes()),
        });
    }
    let plain = style == ScalarStyle::Plain && core_tag != Some("str");
    if plain && (matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") || core_tag == Some("null")) {
        return Ok(Value::Null);
    }
    Ok(Value::Scalar { text, plain })
}

/// Standard base64 with padding; white space between digits is allowed.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !compact.len().is_multiple_of(4) {
        return None;
    }
    let padding = compact.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(compact.len() / 4 * 3);
    for group in compact[..compact.len() - padding].chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | digit(*byte)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// Resolves `<<`: keys of the merged mappings that the mapping does not have itself.
fn merged(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Error> {
    let is_merge = |key: &Node| matches!(&key.value, Value::Scalar { text, plain: true } if text == "<<");
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
    for (_, source) in merges {
        let sources = match source.value {
            Value::Sequence(items) => items,
            _ => vec![source],
        };
        for source in sources {
            let Value::Mapping(entries) = source.value else {
                return Err(Error::at(
                    source.position,
                    "map merge requires map or sequence of maps as the value",
                ));
            };
            for (key, value) in entries {
                if !own.iter().any(|(k, _)| k.value == key.value) {
                    own.push((key, value));
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar_text(node: &Node) -> &str {
        match &node.value {
            Value::Scalar { text, .. } => text,
            _ => panic!("{node:?} is not a scalar"),
        }
    }

    #[test]
    fn every_node_knows_its_place() {
        let root = Node::parse("a: 1\nlist:\n  - x\n  - {b: 2}\n").unwrap();
        let list = root.get("list").unwrap();
        let Value::Sequence(items) = &list.value else { panic!("not a list") };
        assert_eq!(items[0].position, Position { line: 3, column: 5 });
        assert_eq!(items[1].get("b").unwrap().position, Position { line: 4, column: 9 });
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let root = Node::parse("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n").unwrap();
        let used = root.get("use").unwrap();
        assert_eq!(scalar_text(used.get("x").unwrap()), "1");
        assert_eq!(scalar_text(used.get("y").unwrap()), "3");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let previous = level - 1;
            text.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{previous}"); 10].join(",")
            ));
        }
        let error = Node::parse(&text).unwrap_err();
        assert!(error.message.contains("more than 1000000 values"), "{error}");
    }

    #[test]
    fn broken_yaml_names_its_line() {
        let error = Node::parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err().in_file("x.yml");
        assert!(error.to_string().starts_with("x.yml:3:"), "{error}");
    }

    #[test]
    fn a_tab_is_told_where_it_is() {
        let error = Node::parse("a:\n  b: 1\n\tc: 2\n").unwrap_err();
        assert_eq!(error.position, Some(Position { line: 3, column: 1 }), "{error}");
        assert!(error.message.contains("a tab in the indentation"), "{error}");
    }

    #[test]
    fn binary_that_is_not_text_stays_bytes() {
        let root = Node::parse("a: !!binary \"/w==\"\nb: !!binary aGk=\n").unwrap();
        assert_eq!(root.get("a").unwrap().value, Value::Binary(vec![0xff]));
        assert_eq!(scalar_text(root.get("b").unwrap()), "hi");
        let error = Node::parse("a: !!binary \"/w==$1\"\n").unwrap_err();
        assert!(error.message.contains("!!binary value contains invalid base64 data"));
    }
}
