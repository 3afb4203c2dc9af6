//! Budgets for series: what is new is refused at its source when it would exceed one, what is known
//! goes on.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use model::Labels;
use parking_lot::{Mutex, RwLock};

/// Groups that are counted apart; further ones are counted together as [`OTHER_GROUPS`].
pub(crate) const GROUPS_MAX: usize = 1_000;
/// The name under which groups beyond the bound are counted.
pub const OTHER_GROUPS: &str = "other";
/// Longer names of groups are cut.
const GROUP_NAME_MAX_BYTES: usize = 256;

/// How many series there may be and what their labels may be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Series in the head.
    pub series_max: usize,
    /// The label whose values divide series into groups: a job, a tenant.
    pub group_label: String,
    /// Series of one group in the head; 0 for any number. Series without the label are a group too.
    pub group_series_max: usize,
    /// Labels of a series, the metric name included.
    pub labels_max: usize,
    /// Bytes of a label's name.
    pub label_name_max_bytes: usize,
    /// Bytes of a label's value.
    pub label_value_max_bytes: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            series_max: 20_000_000,
            group_label: "job".into(),
            group_series_max: 0,
            labels_max: 1_000,
            label_name_max_bytes: 4 << 10,
            label_value_max_bytes: 64 << 10,
        }
    }
}

/// Why a new series was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The head holds as many series as it may.
    Series,
    /// Its group has as many as it may.
    Group,
    /// It has too many labels or too long ones, or none.
    Labels,
}

impl Refusal {
    /// As it stands in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Refusal::Series => "series",
            Refusal::Group => "group",
            Refusal::Labels => "labels",
        }
    }
}

/// How often series of a group were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSeries {
    /// The value of the group's label; [`OTHER_GROUPS`] stands for all beyond the first thousand.
    pub group: String,
    /// Why.
    pub reason: Refusal,
    /// How often since the start. A series that is sent again is refused again.
    pub count: u64,
}

/// The budgets in force and what they have led to.
#[derive(Default)]
pub(crate) struct Admission {
    budgets: RwLock<Arc<Budgets>>,
    refused: Mutex<BTreeMap<(String, Refusal), u64>>,
    /// Series made since the start, by group.
    created: Mutex<HashMap<Box<str>, u64, RandomState>>,
}

impl Admission {
    pub(crate) fn set(&self, budgets: Budgets) {
        *self.budgets.write() = Arc::new(budgets);
    }

    pub(crate) fn budgets(&self) -> Arc<Budgets> {
        self.budgets.read().clone()
    }

    /// Judges new series that come together. `series` are in the head already; `of_group` says how many of
    /// a group.
    pub(crate) fn gate<'a>(&'a self, series: usize, of_group: impl Fn(&str, &str) -> usize + 'a) -> Gate<'a> {
        Gate {
            admission: self,
            budgets: self.budgets(),
            series,
            of_group: Box::new(of_group),
            group: None,
            fresh: HashMap::default(),
            refused: HashMap::default(),
        }
    }

    /// How often what was refused.
    pub(crate) fn refused(&self) -> Vec<RefusedSeries> {
        let refused = self.refused.lock();
        let each = refused.iter().map(|((group, reason), &count)| RefusedSeries {
            group: group.clone(),
            reason: *reason,
            count,
        });
        each.collect()
    }

    /// How many series of a group were made since the start.
    pub(crate) fn created(&self, group: &str) -> u64 {
        self.created.lock().get(group).copied().unwrap_or(0)
    }

    /// Forgets the counts of groups that are gone, if there are many.
    pub(crate) fn forget_groups(&self, is_there: impl Fn(&str) -> bool) {
        let mut created = self.created.lock();
        if created.len() > GROUPS_MAX {
            created.retain(|group, _| is_there(group));
        }
    }
}

/// See [`Admission::gate`].
pub(crate) struct Gate<'a> {
    admission: &'a Admission,
    budgets: Arc<Budgets>,
    /// Series there are, those that this gate let through included.
    series: usize,
    of_group: Box<dyn Fn(&str, &str) -> usize + 'a>,
    /// The group of the last series: most that come together are of one.
    group: Option<Group>,
    fresh: HashMap<Box<str>, Group, RandomState>,
    refused: HashMap<(Box<str>, Refusal), u64, RandomState>,
}

struct Group {
    name: Box<str>,
    /// Series it had before, and those that were let through.
    before: usize,
    fresh: usize,
}

impl Gate<'_> {
    /// Whether a series may be made; counts it as made or as refused.
    pub(crate) fn admits(&mut self, labels: &Labels) -> bool {
        let reason = self.judge(labels);
        let name = labels.value(&self.budgets.group_label);
        match reason {
            None => {
                self.series += 1;
                if let Some(group) = &mut self.group {
                    group.fresh += 1;
                }
                true
            }
            Some(reason) => {
                *self.refused.entry((name.into(), reason)).or_default() += 1;
                false
            }
        }
    }

    fn judge(&mut self, labels: &Labels) -> Option<Refusal> {
        let budgets = &self.budgets;
        let count = labels.len();
        let too_many = count == 0 || count > budgets.labels_max.min(usize::from(u16::MAX));
        let longest = budgets.label_name_max_bytes.min(budgets.label_value_max_bytes);
        // Looked at one by one only if all together are long enough to hold one that is too long.
        let too_long = labels.size_bytes() > longest
            && labels.iter().any(|(name, value)| {
                name.len() > budgets.label_name_max_bytes || value.len() > budgets.label_value_max_bytes
            });
        if too_many || too_long {
            return Some(Refusal::Labels);
        }
        if self.series >= budgets.series_max {
            return Some(Refusal::Series);
        }
        let name = labels.value(&budgets.group_label);
        if self.group.as_ref().is_none_or(|group| *group.name != *name) {
            if let Some(left) = self.group.take() {
                self.fresh.insert(left.name.clone(), left);
            }
            self.group = Some(self.fresh.remove(name).unwrap_or_else(|| Group {
                name: name.into(),
                before: match budgets.group_series_max {
                    0 => 0,
                    _ => (self.of_group)(&budgets.group_label, name),
                },
                fresh: 0,
            }));
        }
        let group_max = budgets.group_series_max;
        let full =
            self.group.as_ref().is_some_and(|group| group_max > 0 && group.before + group.fresh >= group_max);
        full.then_some(Refusal::Group)
    }

    /// Counts what was let through and what was refused.
    pub(crate) fn finish(mut self) {
        let groups = self.fresh.drain().map(|(_, group)| group).chain(self.group.take());
        let mut created = self.admission.created.lock();
        for group in groups.filter(|group| group.fresh > 0) {
            let is_bounded = created.len() < 2 * GROUPS_MAX || created.contains_key(&group.name);
            if is_bounded {
                *created.entry(group.name).or_default() += group.fresh as u64;
            }
        }
        drop(created);
        if self.refused.is_empty() {
            return;
        }
        let mut refused = self.admission.refused.lock();
        for ((group, reason), count) in self.refused.drain() {
            let name = shown(&group);
            let known = refused.contains_key(&(name.to_string(), reason));
            let name = if known || refused.len() < GROUPS_MAX { name } else { OTHER_GROUPS.into() };
            *refused.entry((name.into_owned(), reason)).or_default() += count;
        }
    }
}

fn shown(group: &str) -> Cow<'_, str> {
    if group.len() <= GROUP_NAME_MAX_BYTES {
        return group.into();
    }
    format!("{}…", &group[..group.floor_char_boundary(GROUP_NAME_MAX_BYTES)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(job: &str, n: usize) -> Labels {
        Labels::from_pairs([("__name__", "m".to_string()), ("job", job.to_string()), ("n", n.to_string())])
    }

    #[test]
    fn each_budget_refuses_for_its_reason_and_counts_by_group() {
        let admission = Admission::default();
        admission.set(Budgets {
            series_max: 10,
            group_series_max: 4,
            labels_max: 3,
            label_value_max_bytes: 20,
            ..Budgets::default()
        });
        let mut gate = admission.gate(5, |_, group| if group == "a" { 3 } else { 0 });
        assert!(gate.admits(&labels("a", 1)));
        assert!(gate.admits(&labels("b", 1)));
        assert!(!gate.admits(&labels("a", 2)), "four already");
        assert!(gate.admits(&labels("b", 2)) && gate.admits(&labels("b", 3)));
        assert!(!gate.admits(&labels(&"c".repeat(21), 2)));
        assert!(!gate.admits(&Labels::from_pairs([("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")])));
        assert!(gate.admits(&labels("", 1)));
        assert!(!gate.admits(&labels("d", 1)), "ten in all");
        gate.finish();
        let seen: Vec<_> =
            admission.refused().into_iter().map(|r| (r.group, r.reason.as_str(), r.count)).collect();
        assert_eq!(
            seen,
            [
                (String::new(), "labels", 1),
                ("a".into(), "group", 1),
                ("c".repeat(21), "labels", 1),
                ("d".into(), "series", 1)
            ]
        );
        assert_eq!((admission.created("a"), admission.created("b"), admission.created("")), (1, 3, 1));
    }

    #[test]
    fn the_number_of_groups_that_are_counted_is_bounded() {
        let admission = Admission::default();
        admission.set(Budgets { series_max: 0, ..Budgets::default() });
        let mut gate = admission.gate(0, |_, _| 0);
        for n in 0..2_000 {
            gate.admits(&labels(&n.to_string(), 1));
        }
        gate.finish();
        let refused = admission.refused();
        assert_eq!(refused.len(), GROUPS_MAX + 1);
        let other = refused.iter().find(|r| r.group == OTHER_GROUPS).unwrap();
        assert_eq!(other.count, 1_000);
    }
}
