//! What pages say about their metrics: type, unit, help. The same metric of a thousand targets is
//! kept once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use exposition::{Entry, Parser};
use model::{Metadata, MetricType};
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Metrics of one page whose metadata is kept.
const FAMILIES_MAX: usize = 50_000;

/// A metric and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Family {
    /// Its name.
    pub metric: String,
    /// Type, unit and help.
    pub metadata: Metadata,
}

/// All families of all targets, each once.
#[derive(Debug, Default)]
pub(crate) struct Families(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    by_family: HashMap<u64, Vec<Weak<Family>>>,
    /// Grows with each new family; at a bound those without users are dropped.
    added: usize,
    sweep_at: usize,
}

impl Families {
    fn share(&self, family: Family) -> Arc<Family> {
        use std::hash::{Hash, Hasher};
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        family.hash(&mut hasher);
        let hash = hasher.finish();
        let mut shared = self.0.lock();
        let known = shared.by_family.entry(hash).or_default();
        if let Some(found) = known.iter().filter_map(Weak::upgrade).find(|known| **known == family) {
            return found;
        }
        let family = Arc::new(family);
        known.push(Arc::downgrade(&family));
        shared.added += 1;
        if shared.added >= shared.sweep_at {
            shared.by_family.retain(|_, list| {
                list.retain(|family| family.strong_count() > 0);
                !list.is_empty()
            });
            shared.added = shared.by_family.len();
            shared.sweep_at = (shared.added * 2).max(1024);
        }
        family
    }
}

/// The metadata of one target's page.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    digest: u64,
    families: Arc<[Arc<Family>]>,
}

/// Collects whether a page says the same as the one before.
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn add(&mut self, entry: &Entry<'_>) {
        let (kind, metric, text) = match entry {
            Entry::Help { metric, help } => (1, metric, help.as_ref()),
            Entry::Unit { metric, unit } => (2, metric, unit.as_ref()),
            Entry::Type { metric, metric_type } => (3, metric, metric_type.as_str()),
            Entry::Comment(_) | Entry::Series(_) | Entry::Histogram(..) => return,
        };
        let metric = xxh3_64_with_seed(metric.as_bytes(), self.0.wrapping_add(kind));
        self.0 = xxh3_64_with_seed(text.as_bytes(), metric);
    }
}

impl MetadataCache {
    pub(crate) fn digest(&self) -> Digest {
        Digest(0)
    }

    /// The families, in the order of their names.
    pub(crate) fn families(&self) -> &Arc<[Arc<Family>]> {
        &self.families
    }

    /// Reads a page's metadata if the digest says that it has changed; adds what is new to `changed`.
    pub(crate) fn update<'p>(
        &mut self,
        digest: Digest,
        shared: &Families,
        parser: impl FnOnce() -> Parser<'p>,
        changed: &mut Vec<(String, Metadata)>,
    ) {
        if digest.0 == self.digest {
            return;
        }
        self.digest = digest.0;
        let mut found: std::collections::BTreeMap<String, Metadata> = std::collections::BTreeMap::new();
        let mut parser = parser();
        while let Ok(Some(entry)) = parser.next_entry() {
            let metric = match &entry {
                Entry::Help { metric, .. } | Entry::Unit { metric, .. } | Entry::Type { metric, .. } => {
                    metric.as_ref()
                }
                Entry::Comment(_) | Entry::Series(_) | Entry::Histogram(..) => continue,
            };
            if found.len() >= FAMILIES_MAX && !found.contains_key(metric) {
                continue;
            }
            if !found.contains_key(metric) {
                found.insert(
                    metric.to_string(),
                    Metadata { metric_type: MetricType::Unknown, ..Metadata::default() },
                );
            }
            let Some(metadata) = found.get_mut(metric) else { continue };
            match &entry {
                Entry::Help { help, .. } => metadata.help = help.to_string(),
                Entry::Unit { unit, .. } => metadata.unit = unit.to_string(),
                Entry::Type { metric_type, .. } => metadata.metric_type = *metric_type,
                Entry::Comment(_) | Entry::Series(_) | Entry::Histogram(..) => {}
            }
        }
        let families = found.into_iter().map(|(metric, metadata)| shared.share(Family { metric, metadata }));
        let before: HashSet<*const Family> = self.families.iter().map(Arc::as_ptr).collect();
        let families: Arc<[Arc<Family>]> = families.collect();
        let new = families.iter().filter(|family| !before.contains(&Arc::as_ptr(family)));
        changed.extend(new.map(|family| (family.metric.clone(), family.metadata.clone())));
        self.families = families;
    }
}
