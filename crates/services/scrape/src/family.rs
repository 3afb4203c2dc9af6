//! The family of metrics that a page is in: what its TYPE and UNIT lines say of the series that follow.

use std::hash::Hasher;

use exposition::{Entry, LabelBuffer};
use model::{METRIC_NAME, MetricType};
use xxhash_rust::xxh3::Xxh3;

const TYPE_LABEL: &str = "__type__";
const UNIT_LABEL: &str = "__unit__";

/// What ends the names of series that belong to a family of another name.
const SUFFIXES: [&str; 8] = ["_total", "_bucket", "_sum", "_count", "_created", "_info", "_gcount", "_gsum"];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Family {
    name: String,
    metric_type: MetricType,
    unit: String,
}

impl Family {
    /// Notes an entry that is not a series.
    pub(crate) fn take(&mut self, about: &Entry<'_>) {
        let metric = match about {
            Entry::Help { metric, .. } | Entry::Type { metric, .. } | Entry::Unit { metric, .. } => metric,
            Entry::Comment(_) | Entry::Series(_) | Entry::Histogram(..) => return,
        };
        if **metric != self.name {
            self.clear();
            self.name.push_str(metric);
        }
        match about {
            Entry::Type { metric_type, .. } => self.metric_type = *metric_type,
            Entry::Unit { unit, .. } => unit.as_ref().clone_into(&mut self.unit),
            _ => {}
        }
    }

    /// Before the first entry of a page.
    pub(crate) fn clear(&mut self) {
        self.name.clear();
        self.unit.clear();
        self.metric_type = MetricType::Unknown;
    }

    /// The type, if a series with this name belongs to the family.
    pub(crate) fn type_of(&self, metric: &str) -> Option<MetricType> {
        let rest = metric.strip_prefix(&*self.name).filter(|_| !self.name.is_empty())?;
        (rest.is_empty() || SUFFIXES.contains(&rest)).then_some(self.metric_type)
    }

    /// Tells the same text of a series apart under different types and units.
    pub(crate) fn fingerprint(&self) -> u64 {
        if self.metric_type == MetricType::Unknown && self.unit.is_empty() {
            return 0;
        }
        let mut hasher = Xxh3::new();
        hasher.update(self.metric_type.as_str().as_bytes());
        hasher.update(&[0xff]);
        hasher.update(self.unit.as_bytes());
        hasher.finish()
    }

    /// The labels of a series with type and unit among them. What the series itself says of them gives way.
    pub(crate) fn add_type_and_unit(&self, labels: &mut LabelBuffer, memory: &mut LabelBuffer) {
        let Some(metric_type) = self.type_of(labels.get(METRIC_NAME)) else { return };
        let own_type = if metric_type == MetricType::Unknown { "" } else { metric_type.as_str() };
        let own = [(TYPE_LABEL, own_type), (UNIT_LABEL, &*self.unit)];
        let own = own.iter().filter(|(_, value)| !value.is_empty());
        memory.clear();
        for (name, value) in labels.iter().filter(|(name, _)| !own.clone().any(|(own, _)| own == name)) {
            memory.push(name, value);
        }
        for (name, value) in own {
            memory.push(name, value);
        }
        memory.sort();
        std::mem::swap(labels, memory);
    }
}
