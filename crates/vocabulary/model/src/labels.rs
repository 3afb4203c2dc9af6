//! A set of labels, sorted by name, in one shared allocation.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::METRIC_NAME;

/// An immutable set of labels, sorted by name, without duplicates and without empty values.
///
/// All text stands in one shared string, `length name length value ...`, where a length is written
/// in digits of base 64 that stay below 0x80, lowest first, the bit 0x40 meaning "more follows": so
/// the whole is valid UTF-8, a clone is a counter, and equality is one comparison of memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The empty set.
    pub fn empty() -> Self {
        Labels(Arc::from(""))
    }

    /// A set of these pairs, in any order. Pairs with an empty value are left out; of pairs with
    /// the same name the last one counts.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// A set from pairs that are already sorted by name, distinct and without empty values.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::with_capacity(128);
        Labels::pack(pairs, &mut text);
        let labels = Labels(Arc::from(text));
        debug_assert!(
            labels.iter().map(|(name, _)| name).is_sorted_by(|a, b| a < b),
            "{labels} is not sorted"
        );
        labels
    }

    /// The labels in order of their names.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of a label, or `None` if the set does not have it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().take_while(|(n, _)| *n <= name).find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The value of a label; an absent label counts as empty, as everywhere in Prometheus.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric name, or "" if there is none.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes the set takes in memory, its text and lengths.
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }

    /// The packed form: equal sets have equal bytes. For hashing and as a map key only.
    pub fn packed(&self) -> &str {
        &self.0
    }

    /// The set whose packed form this is, as [`Labels::packed`] gave it.
    pub fn from_packed(packed: &str) -> Labels {
        debug_assert!(Labels(packed.into()).iter().is_sorted_by(|a, b| a.0 < b.0), "{packed:?} is not packed");
        Labels(packed.into())
    }

    /// Appends what [`Labels::packed`] of these labels is, which are sorted by name, without making a set of them.
    pub fn pack<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, into: &mut String) {
        for (name, value) in pairs {
            push_part(into, name);
            push_part(into, value);
        }
    }

    /// A builder that starts with these labels.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect() }
    }

    /// The labels whose names `keep` accepts.
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Labels {
        Labels::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// These labels without the metric name.
    pub fn without_metric_name(&self) -> Labels {
        if self.get(METRIC_NAME).is_none() { self.clone() } else { self.filter(|name| name != METRIC_NAME) }
    }

    /// The fingerprint by which alerts are known in APIs and notifications: FNV-1a 64 over
    /// `name 0xff value 0xff` in order.
    pub fn fingerprint(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        for (name, value) in self.iter() {
            name.bytes().for_each(&mut add);
            add(0xff);
            value.bytes().for_each(&mut add);
            add(0xff);
        }
        hash
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels::empty()
    }
}

fn push_part(text: &mut String, part: &str) {
    let mut length = part.len();
    while length >= 0x40 {
        text.push(char::from((length & 0x3f) as u8 | 0x40));
        length >>= 6;
    }
    text.push(char::from(length as u8));
    text.push_str(part);
}

fn take_part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (mut length, mut shift) = (0usize, 0);
    for (at, byte) in rest.bytes().enumerate() {
        length |= usize::from(byte & 0x3f) << shift;
        shift += 6;
        if byte & 0x40 == 0 {
            let (part, after) = rest.get(at + 1..)?.split_at_checked(length)?;
            *rest = after;
            return Some(part);
        }
    }
    None
}

/// Iterates over the labels of a set; see [`Labels::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name = take_part(&mut self.rest)?;
        let value = take_part(&mut self.rest)?;
        Some((name, value))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Sets are ordered label by label: first by name, then by value, a shorter set first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes the set as Prometheus does: `{a="b", c="d"}`, names that are not plain in quotes.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            if is_plain_label_name(name) {
                write!(f, "{name}=")?;
            } else {
                write!(f, "{}=", Quoted(name))?;
            }
            write!(f, "{}", Quoted(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes a text in double quotes with Go's escapes, as Prometheus prints label values.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\x07' => f.write_str("\\a")?,
                '\x08' => f.write_str("\\b")?,
                '\x0c' => f.write_str("\\f")?,
                '\x0b' => f.write_str("\\v")?,
                c if (c as u32) < 0x20 || c == '\x7f' => write!(f, "\\x{:02x}", c as u32)?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Whether a label name needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_plain_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a metric name needs no quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_plain_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Collects labels in any order. Setting an empty value removes the label.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    /// Sorted by name.
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label, or removes it if the value is empty.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(at) if value.is_empty() => {
                self.pairs.remove(at);
            }
            Ok(at) => self.pairs[at].1 = value.to_string(),
            Err(_) if value.is_empty() => {}
            Err(at) => self.pairs.insert(at, (name.to_string(), value.to_string())),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The value of a label; absent counts as empty.
    pub fn get(&self, name: &str) -> &str {
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(at) => &self.pairs[at].1,
            Err(_) => "",
        }
    }

    /// The labels so far, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Keeps only the labels that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pairs.retain(|(name, value)| keep(name, value));
    }

    /// The finished set.
    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_and_has_no_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("gone", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!((labels.value("b"), labels.value("gone"), labels.len()), ("3", "", 2));
    }

    #[test]
    fn long_texts_survive_packing() {
        for length in [0, 1, 63, 64, 65, 4095, 4096, 70_000] {
            let value = "é".repeat(length);
            let labels = Labels::from_pairs([("name", value.as_str()), ("z", "1")]);
            assert_eq!(labels.value("name"), value, "{length}");
            assert_eq!(labels.value("z"), "1");
        }
    }

    #[test]
    fn names_that_are_not_plain_are_printed_in_quotes() {
        let labels = Labels::from_pairs([("my.label", "a\"b\n"), ("ok", "x")]);
        assert_eq!(labels.to_string(), r#"{"my.label"="a\"b\n", ok="x"}"#);
    }

    #[test]
    fn order_is_by_label_not_by_packed_bytes() {
        let short = Labels::from_pairs([("a", "1")]);
        let long = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let other = Labels::from_pairs([("a", "2")]);
        assert!(short < long && long < other);
    }

    #[test]
    fn the_fingerprint_is_the_one_alertmanager_shows() {
        assert_eq!(Labels::empty().fingerprint(), 0xcbf2_9ce4_8422_2325);
    }
}
