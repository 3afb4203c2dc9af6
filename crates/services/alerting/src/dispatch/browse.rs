//! The state in small parts, so that an answer of any size is written while it is read and the
//! dispatcher is never held up for long.

use super::*;

/// An alert as APIs list it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The alert.
    pub alert: Arc<Alert>,
    /// When it was last heard of.
    pub updated_at_ms: i64,
    /// Whether it has ended; it is kept until everyone was told.
    pub has_ended: bool,
    /// Its routes, in the order of the tree; see [`Config::routes`].
    pub routes: Vec<usize>,
    /// Silences that apply to it now.
    pub silenced_by: Vec<String>,
    /// Some of the alerts that inhibit it now.
    pub inhibited_by: Vec<u64>,
    /// Who has taken it on.
    pub acknowledged: Option<Acknowledgement>,
    /// Whether it began and ended too often lately.
    pub is_flapping: bool,
}

impl Listed {
    /// Whether it is silenced or inhibited.
    pub fn is_suppressed(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// What a group is ordered and found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The labels all its alerts have.
    pub labels: Labels,
    /// Who is told.
    pub receiver: String,
    /// The route; see [`Config::routes`].
    pub route: usize,
    id: u32,
}

/// A group as APIs list it.
#[derive(Clone, Debug)]
pub struct ListedGroup {
    /// What receivers know it by.
    pub key: String,
    /// Its alerts.
    pub alerts: Vec<Labels>,
    /// The time intervals that mute its route now.
    pub muted_by: Vec<String>,
    /// Whether it was flushed before.
    pub is_flushed: bool,
    /// When it is flushed next.
    pub next_flush_ms: i64,
}

impl Dispatcher {
    /// The labels of all alerts that are kept.
    pub fn alert_labels(&self) -> Vec<Labels> {
        self.alerts.iter().map(|(_, held)| held.labels.clone()).collect()
    }

    /// One alert, if it is still kept.
    pub fn listed(&self, labels: &Labels, now_ms: i64) -> Option<Listed> {
        let held = self.alerts.get(self.alerts.find(labels, labels.fingerprint())?)?;
        Some(Listed {
            alert: self.shown(held),
            updated_at_ms: held.updated_at_ms,
            has_ended: held.is_resolved_at(now_ms),
            routes: held.places.iter().map(|place| place.route as usize).collect(),
            silenced_by: self.silenced_by(held, now_ms),
            inhibited_by: self.inhibited_by(labels, now_ms),
            acknowledged: self.acknowledgement(held.fingerprint, now_ms).cloned(),
            is_flapping: self.flaps.is_flapping(held.fingerprint),
        })
    }

    /// How many alerts that have not ended are told, suppressed, and not yet looked at.
    pub fn count_states(&self, now_ms: i64) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, held) in self.alerts.iter().filter(|(_, held)| !held.is_resolved_at(now_ms)) {
            let is_suppressed =
                !self.silenced_by(held, now_ms).is_empty() || self.is_inhibited(&held.labels, now_ms);
            let is_flushed =
                || held.places.groups().filter_map(|id| self.groups.get(&id)).any(|group| group.is_flushed);
            counts[if is_suppressed { 1 } else { usize::from(!is_flushed()) * 2 }] += 1;
        }
        counts
    }

    /// For each route how many groups and alerts are in it.
    pub fn count_in_routes(&self) -> Vec<(usize, usize)> {
        let mut counts = vec![(0, 0); self.config.routes.iter().count()];
        for group in self.groups.values().filter(|group| !group.alerts.is_empty()) {
            if let Some((groups, alerts)) = counts.get_mut(group.route as usize) {
                *groups += 1;
                *alerts += group.alerts.len();
            }
        }
        counts
    }

    /// All groups with alerts whose route is wanted, in no order.
    pub fn group_keys(&self, wants: impl Fn(usize) -> bool) -> Vec<GroupKey> {
        let key = |(id, group): (&u32, &Group)| GroupKey {
            labels: group.labels.clone(),
            receiver: self
                .config
                .routes
                .get(group.route as usize)
                .map(|r| r.receiver.clone())
                .unwrap_or_default(),
            route: group.route as usize,
            id: *id,
        };
        let wanted = self.groups.iter().filter(|(_, g)| !g.alerts.is_empty() && wants(g.route as usize));
        wanted.map(key).collect()
    }

    /// One group, if it is still there.
    pub fn listed_group(&self, key: &GroupKey, now_ms: i64) -> Option<ListedGroup> {
        let group = self.groups.get(&key.id)?;
        Some(ListedGroup {
            key: group.key(&self.config),
            alerts: self.labels_of(group),
            muted_by: self.muting_intervals(group.route as usize, now_ms),
            is_flushed: group.is_flushed,
            next_flush_ms: group.next_flush_ms,
        })
    }

    /// The group that an alert with these labels would join on a route, if it is there.
    pub fn group_on(&self, route: usize, labels: &Labels) -> Option<GroupKey> {
        let of = self.config.routes.get(route)?;
        let group_labels = of.group_by.group_labels(labels);
        let id = self.group_index.find(&self.groups, route as u32, group_labels.packed())?;
        Some(GroupKey { labels: group_labels, receiver: of.receiver.clone(), route, id })
    }

    /// Silences in force that match these labels, whether or not there is such an alert.
    pub fn would_be_silenced_by(&self, labels: &Labels, now_ms: i64) -> Vec<String> {
        self.silences.silenced_by(labels, &crate::silences::Found::default(), now_ms)
    }

    /// Alerts that would inhibit one with these labels now.
    pub fn would_be_inhibited_by(&self, labels: &Labels, now_ms: i64) -> Vec<Labels> {
        self.inhibitors(labels, now_ms)
    }
}
