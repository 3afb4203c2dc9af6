//! What metrics are, by their names: the last that was said of each.

use std::collections::BTreeMap;

use model::Metadata;
use parking_lot::RwLock;

/// Metrics whose metadata is kept; of further ones nothing is known.
const METRICS_MAX: usize = 100_000;
/// Longer names are not kept; longer texts are cut.
const TEXT_MAX_BYTES: usize = 4 << 10;

/// Metadata of all metrics.
#[derive(Default)]
pub(crate) struct MetadataStore(RwLock<BTreeMap<String, Metadata>>);

impl MetadataStore {
    /// Keeps what is said of a metric; says whether that is new.
    pub(crate) fn set(&self, metric: &str, metadata: &Metadata) -> bool {
        if metric.is_empty() || metric.len() > TEXT_MAX_BYTES {
            return false;
        }
        {
            let known = self.0.read();
            match known.get(metric) {
                Some(before) if same(before, metadata) => return false,
                None if known.len() >= METRICS_MAX => return false,
                _ => {}
            }
        }
        let bounded = Metadata {
            metric_type: metadata.metric_type,
            unit: cut(&metadata.unit).to_string(),
            help: cut(&metadata.help).to_string(),
        };
        self.0.write().insert(metric.to_string(), bounded);
        true
    }

    /// What is known of one metric or of all, in order of their names.
    pub(crate) fn get(&self, metric: Option<&str>) -> Vec<(String, Metadata)> {
        let known = self.0.read();
        match metric {
            Some(metric) => {
                known.get(metric).map(|found| (metric.to_string(), found.clone())).into_iter().collect()
            }
            None => known.iter().map(|(metric, found)| (metric.clone(), found.clone())).collect(),
        }
    }

    /// Of how many metrics something is known.
    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    /// Calls with all of them.
    pub(crate) fn visit(&self, mut with: impl FnMut(&str, &Metadata)) {
        self.0.read().iter().for_each(|(metric, metadata)| with(metric, metadata));
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

    #[test]
    fn the_last_word_counts_and_long_texts_are_cut() {
        let store = MetadataStore::default();
        let said = |help: &str| Metadata { help: help.into(), ..Metadata::default() };
        assert!(
            store.set("up", &said("one")) && !store.set("up", &said("one")) && store.set("up", &said("two"))
        );
        let long = said(&"é".repeat(TEXT_MAX_BYTES));
        assert!(store.set("down", &long) && !store.set("down", &long));
        assert_eq!(store.get(Some("up"))[0].1.help, "two");
        assert_eq!(
            store.get(None).iter().map(|(_, m)| m.help.len()).collect::<Vec<_>>(),
            [TEXT_MAX_BYTES, 3]
        );
    }
}
