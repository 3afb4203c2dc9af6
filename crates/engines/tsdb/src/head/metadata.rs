//! What metrics are, by their names: the last that was said of each.

use std::collections::BTreeMap;

use model::Metadata;
use parking_lot::RwLock;

/// Bytes of names and texts that are kept; of further metrics nothing is known.
const SIZE_MAX_BYTES: usize = 64 << 20;
/// What a metric counts for besides its texts.
const ENTRY_BYTES: usize = 128;
/// Longer names are not kept; longer texts are cut.
const TEXT_MAX_BYTES: usize = 4 << 10;
/// What the names of a metric's series may have behind its own name.
const SUFFIXES: [&str; 9] =
    ["", "_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum"];

/// Metadata of all metrics.
#[derive(Default)]
pub(crate) struct MetadataStore(RwLock<State>);

#[derive(Default)]
struct State {
    metrics: BTreeMap<String, Metadata>,
    size_bytes: usize,
}

fn size_bytes(metric: &str, metadata: &Metadata) -> usize {
    ENTRY_BYTES + metric.len() + cut(&metadata.unit).len() + cut(&metadata.help).len()
}

impl State {
    /// The size with what is said of a metric in the place of what is known of it.
    fn size_with(&self, metric: &str, metadata: &Metadata) -> usize {
        let before = self.metrics.get(metric).map_or(0, |before| size_bytes(metric, before));
        self.size_bytes - before + size_bytes(metric, metadata)
    }
}

impl MetadataStore {
    /// Whether what is said of a metric is to be kept and another thing than before.
    pub(crate) fn is_new(&self, metric: &str, metadata: &Metadata) -> bool {
        if metric.is_empty() || metric.len() > TEXT_MAX_BYTES {
            return false;
        }
        let state = self.0.read();
        !state.metrics.get(metric).is_some_and(|before| same(before, metadata))
            && state.size_with(metric, metadata) <= SIZE_MAX_BYTES
    }

    /// Keeps what is said of a metric if it is new.
    pub(crate) fn set(&self, metric: &str, metadata: &Metadata) {
        if !self.is_new(metric, metadata) {
            return;
        }
        let bounded = Metadata {
            metric_type: metadata.metric_type,
            unit: cut(&metadata.unit).to_string(),
            help: cut(&metadata.help).to_string(),
        };
        let mut state = self.0.write();
        state.size_bytes = state.size_with(metric, metadata);
        state.metrics.insert(metric.to_string(), bounded);
    }

    /// Forgets metrics of which there are no series any more, if there is so much that this matters: a target
    /// that comes back does not always say again what its metrics are.
    pub(crate) fn forget_without(&self, has_series: impl Fn(&str) -> bool) {
        if self.0.read().size_bytes <= SIZE_MAX_BYTES / 2 {
            return;
        }
        let State { metrics, size_bytes: size } = &mut *self.0.write();
        let mut name = String::new();
        metrics.retain(|metric, metadata| {
            let is_needed = SUFFIXES.iter().any(|suffix| {
                name.clear();
                name.push_str(metric);
                name.push_str(suffix);
                has_series(&name)
            });
            *size -= if is_needed { 0 } else { size_bytes(metric, metadata) };
            is_needed
        });
    }

    /// What is known of one metric or of all, in order of their names.
    pub(crate) fn get(&self, metric: Option<&str>) -> Vec<(String, Metadata)> {
        let known = &self.0.read().metrics;
        match metric {
            Some(metric) => {
                known.get(metric).map(|found| (metric.to_string(), found.clone())).into_iter().collect()
            }
            None => known.iter().map(|(metric, found)| (metric.clone(), found.clone())).collect(),
        }
    }

    /// Of how many metrics something is known.
    pub(crate) fn len(&self) -> usize {
        self.0.read().metrics.len()
    }

    /// Calls with all of them.
    pub(crate) fn visit(&self, mut with: impl FnMut(&str, &Metadata)) {
        self.0.read().metrics.iter().for_each(|(metric, metadata)| with(metric, metadata));
    }
}

fn same(kept: &Metadata, said: &Metadata) -> bool {
    kept.metric_type == said.metric_type && kept.unit == cut(&said.unit) && kept.help == cut(&said.help)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(help: &str) -> Metadata {
        Metadata { help: help.into(), ..Metadata::default() }
    }

    #[test]
    fn the_last_word_counts_and_long_texts_are_cut() {
        let store = MetadataStore::default();
        let say = |metric: &str, metadata: &Metadata| {
            let is_new = store.is_new(metric, metadata);
            store.set(metric, metadata);
            is_new
        };
        assert!(say("up", &said("one")) && !say("up", &said("one")) && say("up", &said("two")));
        let long = said(&"é".repeat(TEXT_MAX_BYTES));
        assert!(say("down", &long) && !say("down", &long));
        assert_eq!(store.get(Some("up"))[0].1.help, "two");
        assert_eq!(
            store.get(None).iter().map(|(_, m)| m.help.len()).collect::<Vec<_>>(),
            [TEXT_MAX_BYTES, 3]
        );
    }

    #[test]
    fn there_is_a_bound_and_what_has_no_series_makes_room() {
        let store = MetadataStore::default();
        let long = said(&"x".repeat(TEXT_MAX_BYTES));
        let many = 2 * SIZE_MAX_BYTES / TEXT_MAX_BYTES;
        let set = |from: usize| (from..many).for_each(|n| store.set(&format!("m{n}"), &long));
        set(0);
        assert!(store.len() < many / 2 && store.0.read().size_bytes <= SIZE_MAX_BYTES);
        assert!(!store.is_new("another", &long));
        store.forget_without(|name| name == "m7_bucket" || name == "m8");
        assert_eq!(
            store.get(None).iter().map(|(metric, _)| metric.as_str()).collect::<Vec<_>>(),
            ["m7", "m8"]
        );
        assert!(store.is_new("another", &long));
        set(many - 10);
        store.forget_without(|_| false);
        assert_eq!(store.len(), 12, "what is little stays");
    }
}
