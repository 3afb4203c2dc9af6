//! Puts samples that collectors give in any order together to families.

use std::cmp::Ordering;

use exposition::TextWriter;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::MetricType;

/// The families of one collection. Their buffers live on from one collection to the next.
#[derive(Default)]
pub(crate) struct Page {
    families: Vec<Family>,
    /// Where each name's family is.
    places: HashMap<Box<str>, usize, FixedState>,
    /// The families in the order of their names.
    sorted: Vec<usize>,
    open_metrics: bool,
}

struct Family {
    name: Box<str>,
    metric_type: MetricType,
    lines: Vec<u8>,
}

impl Page {
    /// Begins a page in the format of this writer.
    pub(crate) fn start(&mut self, out: &TextWriter<'_>) {
        self.open_metrics = out.is_open_metrics();
        self.families.iter_mut().for_each(|family| family.lines.clear());
    }

    /// Adds a sample. The first sample of a family decides about its type and help.
    pub(crate) fn add(
        &mut self,
        name: &str,
        metric_type: MetricType,
        help: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        self.add_part(name, name, metric_type, help, labels, value);
    }

    /// Adds a sample whose name is not its family's: a bucket, sum or count.
    pub(crate) fn add_part(
        &mut self,
        name: &str,
        sample: &str,
        metric_type: MetricType,
        help: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let at = match self.places.get(name) {
            Some(at) => *at,
            None => self.insert(name, metric_type),
        };
        let Some(family) = self.families.get_mut(at) else { return };
        let is_first = family.lines.is_empty();
        if is_first {
            family.metric_type = metric_type;
        }
        let mut writer = if self.open_metrics {
            TextWriter::open_metrics(&mut family.lines)
        } else {
            TextWriter::new(&mut family.lines)
        };
        if is_first {
            writer.family(name, metric_type, help);
        } else {
            writer.resume(name, family.metric_type);
        }
        writer.sample(sample, labels, value);
    }

    /// Makes room for a family.
    fn insert(&mut self, name: &str, metric_type: MetricType) -> usize {
        let at = self.families.len();
        let before = |known: &usize| self.families.get(*known).is_some_and(|family| *family.name < *name);
        let place = self.sorted.partition_point(before);
        self.sorted.insert(place, at);
        self.places.insert(Box::from(name), at);
        self.families.push(Family { name: Box::from(name), metric_type, lines: Vec::new() });
        at
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, MetricType::Gauge, help, labels, value);
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, MetricType::Counter, help, labels, value);
    }

    /// Writes the page.
    pub(crate) fn write(&self, out: &mut TextWriter<'_>) {
        for family in self.sorted.iter().filter_map(|at| self.families.get(*at)) {
            let is_sorted = matches!(family.metric_type, MetricType::Histogram | MetricType::Summary);
            match sorted(&family.lines).filter(|_| !is_sorted) {
                None => out.lines(&family.lines),
                Some(lines) => lines.iter().for_each(|line| out.lines(line)),
            }
        }
    }
}

/// The lines of a family sorted by the values of their labels; `None` if they are so already.
fn sorted(text: &[u8]) -> Option<Vec<&[u8]>> {
    let lines = || text.split_inclusive(|byte| *byte == b'\n');
    if lines().is_sorted_by(|a, b| is_comment(a) || by_labels(a, b) != Ordering::Greater) {
        return None;
    }
    let mut lines: Vec<&[u8]> = lines().collect();
    // Help and type stay at the head.
    let head = lines.iter().take_while(|line| is_comment(line)).count();
    lines.get_mut(head..)?.sort_by(|a, b| by_labels(a, b));
    Some(lines)
}

fn is_comment(line: &[u8]) -> bool {
    line.first() == Some(&b'#')
}

/// The quote behind a value comes before everything that a longer value has there.
fn by_labels(a: &[u8], b: &[u8]) -> Ordering {
    let first = a.iter().zip(b).find(|(a, b)| a != b);
    match first {
        Some((b'"', _)) => Ordering::Less,
        Some((_, b'"')) => Ordering::Greater,
        Some((a, b)) => a.cmp(b),
        None => a.len().cmp(&b.len()),
    }
}

/// A part of a metric's name from any text: what does not belong into one becomes `_`, together with
/// the underscores around it.
pub(crate) fn name_part(text: &str) -> String {
    let is_foreign = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, back)) = rest.find(is_foreign).and_then(|at| rest.split_at_checked(at)) {
        name.push_str(front.trim_end_matches('_'));
        name.push('_');
        rest = back.trim_start_matches(is_foreign).trim_start_matches('_');
    }
    name.push_str(rest);
    name
}

#[cfg(test)]
mod tests {
    use super::{name_part, sorted};

    #[test]
    fn samples_come_by_the_values_of_their_labels() {
        let text = b"# HELP x y\nx{a=\"b c\"} 1\nx{a=\"b\"} 2\nx{a=\"a\"} 3\n";
        let lines = sorted(text).unwrap().concat();
        assert_eq!(lines, b"# HELP x y\nx{a=\"a\"} 3\nx{a=\"b\"} 2\nx{a=\"b c\"} 1\n");
        assert!(sorted(&lines).is_none());
    }

    #[test]
    fn what_is_foreign_becomes_one_underscore() {
        for (text, name) in [
            ("fs.file-nr", "fs_file_nr"),
            ("a_-_b", "a_b"),
            ("a__b", "a__b"),
            ("_-__-_", "__"),
            ("port.rx_dropped", "port_rx_dropped"),
            ("é", "_"),
        ] {
            assert_eq!(name_part(text), name);
        }
    }
}
