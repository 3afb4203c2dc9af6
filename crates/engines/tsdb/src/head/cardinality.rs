//! What the series of a group, or of any selection, are made of: which label costs what, and how they
//! have grown.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use model::Matcher;
use parking_lot::Mutex;

use super::Head;
use crate::budgets::GROUPS_MAX;
use crate::error::Error;
use crate::stats::{GroupStats, GrowthPoint, LabelCardinality, SelectionCardinality};

/// What is known about the last hour, in steps of a minute.
const POINTS_MAX: usize = 61;
const STEP_MS: i64 = 60_000;
/// Above this many series nobody counts what would be left without a label: it takes a look at each
/// series for each label.
const SERIES_WITHOUT_MAX: usize = 500_000;
/// Estimated bytes of a series' entry for a label: in its own list of pairs and in that of the pair.
const ENTRY_BYTES: u64 = 8;
/// Estimated bytes of a label pair beside its text.
const PAIR_BYTES: u64 = 64;
/// Series looked at under one hold of the index lock.
const BATCH: usize = 1024;

/// The growth of each group over the last hour.
#[derive(Default)]
pub(crate) struct Growth(Mutex<VecDeque<Point>>);

struct Point {
    at_ms: i64,
    /// Series there were, and made since the start.
    groups: HashMap<Box<str>, (u64, u64), RandomState>,
}

impl Growth {
    fn points(&self, group: &str) -> Vec<GrowthPoint> {
        let points = self.0.lock();
        let each = points.iter().map(|point| {
            let (series, created) = point.groups.get(group).copied().unwrap_or_default();
            GrowthPoint { at_ms: point.at_ms, series, created }
        });
        each.collect()
    }

    /// The oldest point of a group: when, series there were and were made.
    fn oldest(&self, group: &str) -> Option<GrowthPoint> {
        let points = self.0.lock();
        let oldest = points.front()?;
        let (series, created) = oldest.groups.get(group).copied().unwrap_or_default();
        Some(GrowthPoint { at_ms: oldest.at_ms, series, created })
    }
}

impl Head {
    /// Notes how many series each group has, once a minute.
    pub(crate) fn note_growth(&self, now_ms: i64) {
        {
            let mut points = self.growth.0.lock();
            if points.back().is_some_and(|last| (0..STEP_MS).contains(&(now_ms - last.at_ms))) {
                return;
            }
            // The clock went back.
            points.retain(|point| point.at_ms < now_ms);
        }
        let sizes = self.group_sizes(GROUPS_MAX);
        let mut groups: HashMap<Box<str>, (u64, u64), RandomState> = HashMap::default();
        for (group, series) in sizes {
            let created = self.admission.created(&group);
            groups.insert(group.into(), (series, created));
        }
        self.admission.forget_groups(|group| groups.contains_key(group));
        let mut points = self.growth.0.lock();
        points.push_back(Point { at_ms: now_ms, groups });
        while points.len() > POINTS_MAX {
            points.pop_front();
        }
    }

    /// The largest groups with their series.
    fn group_sizes(&self, limit: usize) -> Vec<(String, u64)> {
        let label = &self.admission.budgets().group_label;
        let index = self.index.read();
        let mut labelled = 0;
        let mut sizes: Vec<(String, u64)> = Vec::new();
        for &pair in index.symbols.pairs_of(label) {
            let series = index.symbols.series(pair).len() as u64;
            labelled += series;
            sizes.push((index.symbols.pair(pair).1.to_string(), series));
        }
        let without = (index.len() as u64).saturating_sub(labelled);
        drop(index);
        if without > 0 {
            sizes.push((String::new(), without));
        }
        sizes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sizes.truncate(limit);
        sizes
    }

    /// The groups with the most series.
    pub(crate) fn groups(&self, limit: usize) -> Vec<GroupStats> {
        self.with_history(self.group_sizes(limit))
    }

    /// The groups with the most series among those that match.
    pub(crate) fn groups_among(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<GroupStats>, Error> {
        if matchers.is_empty() {
            return Ok(self.groups(limit));
        }
        let label = self.admission.budgets().group_label.clone();
        let mut sizes: HashMap<String, u64> = HashMap::new();
        for batch in self.matching(matchers)?.chunks(BATCH) {
            let index = self.index.read();
            self.visit(batch, |_, page, record| {
                let pairs = page.pairs(record).iter().filter_map(|&pair| index.symbols.get(pair));
                let group = pairs.into_iter().find(|(name, _)| *name == label).map_or("", |(_, value)| value);
                match sizes.get_mut(group) {
                    Some(count) => *count += 1,
                    None => drop(sizes.insert(group.to_string(), 1)),
                }
            });
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sort_and_cut(&mut sizes, limit);
        Ok(self.with_history(sizes))
    }

    fn with_history(&self, sizes: Vec<(String, u64)>) -> Vec<GroupStats> {
        let mut refused: HashMap<String, u64> = HashMap::new();
        for entry in self.admission.refused() {
            *refused.entry(entry.group).or_default() += entry.count;
        }
        let now_ms = self.clock.now_ms();
        let each = sizes.into_iter().map(|(name, series)| {
            let oldest = self.growth.oldest(&name);
            let created = self.admission.created(&name);
            GroupStats {
                series,
                created_last_hour: created.saturating_sub(oldest.map_or(0, |point| point.created)),
                before: oldest.map(|point| (now_ms.saturating_sub(point.at_ms), point.series)),
                refused: refused.get(&name).copied().unwrap_or(0),
                name,
            }
        });
        each.collect()
    }

    /// What the series of a group are made of.
    pub(crate) fn group_cardinality(&self, group: &str, limit: usize) -> Result<SelectionCardinality, Error> {
        let matcher = Matcher::equal(self.admission.budgets().group_label.clone(), group);
        let mut cardinality = self.selection_cardinality(&[matcher], limit)?;
        cardinality.growth = self.growth.points(group);
        Ok(cardinality)
    }

    /// What the matching series are made of.
    pub(crate) fn selection_cardinality(
        &self,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<SelectionCardinality, Error> {
        let ids = self.matching(matchers)?;
        let mut series_of_pair: HashMap<u32, u64, RandomState> = HashMap::default();
        let wants_without = ids.len() <= SERIES_WITHOUT_MAX;
        let mut count = 0;
        for batch in ids.chunks(BATCH) {
            let _index = self.index.read();
            self.visit(batch, |_, page, record| {
                count += 1;
                for &pair in page.pairs(record) {
                    *series_of_pair.entry(pair).or_default() += 1;
                }
            });
        }
        let mut found = SelectionCardinality {
            series: count,
            label_pairs: series_of_pair.len() as u64,
            ..SelectionCardinality::default()
        };
        let mut names: HashMap<String, LabelCardinality> = HashMap::new();
        let mut pairs_of: HashMap<String, HashSet<u32, RandomState>> = HashMap::new();
        {
            let index = self.index.read();
            for (&pair, &series) in &series_of_pair {
                let Some((name, value)) = index.symbols.get(pair) else { continue };
                if name == model::METRIC_NAME {
                    found.series_by_metric_name.push((value.to_string(), series));
                }
                let label = names.entry(name.to_string()).or_default();
                label.values += 1;
                label.series += series;
                label.size_bytes += PAIR_BYTES + value.len() as u64 + series * ENTRY_BYTES;
                label.top_values.push((value.to_string(), series));
                if wants_without {
                    pairs_of.entry(name.to_string()).or_default().insert(pair);
                }
            }
        }
        sort_and_cut(&mut found.series_by_metric_name, limit);
        for (name, mut label) in names {
            found.size_bytes += label.size_bytes;
            sort_and_cut(&mut label.top_values, limit);
            label.name = name;
            found.labels.push(label);
        }
        found.labels.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));
        found.labels.truncate(limit);
        if wants_without {
            for label in &mut found.labels {
                let pairs = pairs_of.remove(&label.name).unwrap_or_default();
                label.series_without = Some(self.count_without(&ids, &pairs));
            }
        }
        Ok(found)
    }

    /// How many of these series there would be without the label that has these pairs.
    fn count_without(&self, ids: &[u32], pairs: &HashSet<u32, RandomState>) -> u64 {
        let hasher = RandomState::default();
        let mut distinct: HashSet<u64, RandomState> = HashSet::default();
        for batch in ids.chunks(BATCH) {
            let _index = self.index.read();
            self.visit(batch, |_, page, record| {
                // The sum of the hashes of its pairs stands for a series.
                let others = page.pairs(record).iter().filter(|pair| !pairs.contains(pair));
                distinct.insert(others.fold(0, |sum: u64, pair| sum.wrapping_add(hasher.hash_one(pair))));
            });
        }
        distinct.len() as u64
    }
}

fn sort_and_cut(entries: &mut Vec<(String, u64)>, limit: usize) {
    entries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    entries.truncate(limit);
}
