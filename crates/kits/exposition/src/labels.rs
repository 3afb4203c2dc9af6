//! A reusable buffer for the labels of one series.

use model::Labels;

/// Labels of one series, sorted by name, in one reused allocation.
#[derive(Clone, Debug, Default)]
pub struct LabelBuffer {
    text: String,
    pairs: Vec<Pair>,
}

/// Byte offsets into the text: `start..middle` is the name, `middle..end` the value.
#[derive(Clone, Copy, Debug)]
struct Pair {
    start: u32,
    middle: u32,
    end: u32,
}

impl Pair {
    fn name(self, text: &str) -> &str {
        text.get(self.start as usize..self.middle as usize).unwrap_or("")
    }

    fn value(self, text: &str) -> &str {
        text.get(self.middle as usize..self.end as usize).unwrap_or("")
    }
}

impl LabelBuffer {
    /// Removes all labels, keeping the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// Removes all labels and lends the buffer.
    pub(crate) fn reset(&mut self) -> &mut Self {
        self.clear();
        self
    }

    /// Adds a label. Call [`LabelBuffer::sort`] after the last one.
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.mark();
        self.text.push_str(name);
        let middle = self.mark();
        self.text.push_str(value);
        let end = self.mark();
        self.pairs.push(Pair { start, middle, end });
    }

    fn mark(&self) -> u32 {
        // A body is far below 4 GiB; beyond that, labels come out empty instead of mixed up.
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// Brings the labels into the order of their names.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.pairs.sort_by(|a, b| a.name(text).cmp(b.name(text)));
    }

    /// The labels in order, also empty ones and doubles.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (pair.name(&self.text), pair.value(&self.text)))
    }

    /// The value of a label; absent counts as empty.
    pub fn get(&self, name: &str) -> &str {
        self.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// A name that occurs twice, if there is one: such a series is invalid.
    pub fn duplicate_name(&self) -> Option<&str> {
        let next = self.iter().skip(1);
        self.iter().zip(next).find(|(a, b)| a.0 == b.0).map(|((name, _), _)| name)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The finished set: without empty values, of doubles the first.
    pub fn build(&self) -> Labels {
        let mut last = None;
        Labels::from_sorted(self.iter().filter(move |(name, value)| {
            let keep = !value.is_empty() && last != Some(*name);
            if keep {
                last = Some(*name);
            }
            keep
        }))
    }
}

/// Undoes the escapes `\"`, `\\` and `\n`; all others stay as they are.
pub(crate) fn unescape<'t>(text: &'t str, scratch: &'t mut String) -> &'t str {
    if !text.contains('\\') {
        return text;
    }
    scratch.clear();
    push_unescaped(scratch, text, true);
    scratch
}

/// Adds a text without its escapes; `quotes` tells whether `\"` is one.
pub(crate) fn push_unescaped(out: &mut String, text: &str, quotes: bool) {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let rest = chars.clone();
        match chars.next() {
            Some('\\') => out.push('\\'),
            Some('n') => out.push('\n'),
            Some('"') if quotes => out.push('"'),
            _ => {
                out.push('\\');
                chars = rest;
            }
        }
    }
}
