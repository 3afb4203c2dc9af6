//! What the store knows beside samples: exemplars, metadata, what series are made of, budgets.

use model::storage::TimeRange;
use model::{Exemplar, Labels, Matcher, Metadata};

use super::Db;
use crate::budgets::{Budgets, RefusedSeries};
use crate::error::Error;
use crate::stats::{GroupStats, SelectionCardinality};

impl Db {
    /// The exemplars in a range of the series that match all matchers of any selector, by series in order
    /// of their labels, each series' in order of time.
    pub fn exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, Error> {
        Ok(self.head.exemplars.select(range, selectors))
    }

    /// Keeps so many exemplars from now on; 0 for none.
    pub fn set_exemplars_max(&self, max: usize) {
        self.head.exemplars.set_max(max);
    }

    /// What was said of one metric or of all, by whoever wrote last, in order of their names.
    pub fn metadata(&self, metric: Option<&str>) -> Vec<(String, Metadata)> {
        self.head.metadata.get(metric)
    }

    /// Series that come from now on are judged by these budgets; those there are stay.
    pub fn set_budgets(&self, budgets: Budgets) {
        self.head.admission.set(budgets);
    }

    /// The budgets in force.
    pub fn budgets(&self) -> Budgets {
        Budgets::clone(&self.head.admission.budgets())
    }

    /// How often series of which groups were refused, and why.
    pub fn refused_series(&self) -> Vec<RefusedSeries> {
        self.head.admission.refused()
    }

    /// The groups (jobs, unless [`Budgets::group_label`] says otherwise) with the most series in the head.
    pub fn groups(&self, limit: usize) -> Vec<GroupStats> {
        self.head.groups(limit)
    }

    /// What the series of a group in the head are made of, and how they grew over the last hour; at most
    /// `limit` entries in each list but the growth.
    pub fn cardinality_of_group(&self, group: &str, limit: usize) -> Result<SelectionCardinality, Error> {
        self.head.group_cardinality(group, limit)
    }

    /// What the matching series of the head are made of; at most `limit` entries in each list.
    pub fn cardinality_of(&self, matchers: &[Matcher], limit: usize) -> Result<SelectionCardinality, Error> {
        self.head.selection_cardinality(matchers, limit)
    }

    /// The groups with the most series among those that match, as far as they are in the head; their
    /// growth and what was refused of them is that of the whole group.
    pub fn groups_among(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<GroupStats>, Error> {
        self.head.groups_among(matchers, limit)
    }
}
