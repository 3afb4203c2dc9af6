//! Puts samples that collectors give in any order together to families.

use exposition::TextWriter;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::MetricType;

/// The families of one collection. Their buffers live on from one collection to the next.
#[derive(Default)]
pub(crate) struct Page {
    families: HashMap<Box<str>, Family, FixedState>,
    /// The names in order.
    sorted: Vec<Box<str>>,
    open_metrics: bool,
}

struct Family {
    metric_type: MetricType,
    lines: Vec<u8>,
}

impl Page {
    /// Begins a page in the format of this writer.
    pub(crate) fn start(&mut self, out: &TextWriter<'_>) {
        self.open_metrics = out.is_open_metrics();
        self.families.values_mut().for_each(|family| family.lines.clear());
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
        if !self.families.contains_key(name) {
            let at = self.sorted.partition_point(|known| **known < *name);
            self.sorted.insert(at, Box::from(name));
            self.families.insert(Box::from(name), Family { metric_type, lines: Vec::new() });
        }
        let Some(family) = self.families.get_mut(name) else { return };
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

    pub(crate) fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, MetricType::Gauge, help, labels, value);
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, MetricType::Counter, help, labels, value);
    }

    /// Writes the page.
    pub(crate) fn write(&self, out: &mut TextWriter<'_>) {
        for name in &self.sorted {
            if let Some(family) = self.families.get(name) {
                out.lines(&family.lines);
            }
        }
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
    use super::name_part;

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
