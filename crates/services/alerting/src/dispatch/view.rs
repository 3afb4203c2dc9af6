//! The state as APIs and pages show it.

use super::flush::JobState;
use super::*;
use crate::notification::Reason;
use crate::silences::Found;

/// How many inhibiting alerts a view names.
const INHIBITED_BY_MAX: usize = 10;

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// No group of it was flushed yet.
    Unprocessed,
    /// It is told.
    Active,
    /// It is silenced or inhibited, or every route of it is muted.
    Suppressed,
}

impl AlertState {
    /// The word APIs have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertState::Unprocessed => "unprocessed",
            AlertState::Active => "active",
            AlertState::Suppressed => "suppressed",
        }
    }
}

/// An alert and what became of it.
#[derive(Clone, Debug)]
pub struct AlertView {
    /// The alert.
    pub alert: Arc<Alert>,
    /// What APIs know it by.
    pub fingerprint: u64,
    /// When it was last heard of.
    pub updated_at_ms: i64,
    /// Whether it has ended; it is kept until everyone was told.
    pub has_ended: bool,
    /// What became of it.
    pub state: AlertState,
    /// Some of the alerts that inhibit it.
    pub inhibited_by: Vec<u64>,
    /// The silences in force for it.
    pub silenced_by: Vec<String>,
    /// The time intervals that mute its routes, if they mute all of them.
    pub muted_by: Vec<String>,
    /// Who has taken it on.
    pub acknowledged: Option<Acknowledgement>,
    /// Whether it began and ended too often lately, so that it is muted until it is calm.
    pub is_flapping: bool,
    /// What was told to whom: one for each integration of each of its routes; a receiver without
    /// integrations is there with an empty name.
    pub deliveries: Vec<Delivery>,
}

impl AlertView {
    /// The receivers of its routes, each once.
    pub fn receivers(&self) -> BTreeSet<&str> {
        self.deliveries.iter().map(|delivery| delivery.receiver.as_str()).collect()
    }
}

/// Whether an integration was told of an alert.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The receiver.
    pub receiver: String,
    /// The integration's name.
    pub integration: String,
    /// The group by which it is told.
    pub group_key: String,
    /// Whether the receiver was told that it fires.
    pub is_told: bool,
    /// When the receiver last took a notification about the group; 0 for never.
    pub sent_at_ms: i64,
    /// The last attempt since the start.
    pub last: Option<LastAttempt>,
}

/// An attempt to notify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// When its outcome was known.
    pub at_ms: i64,
    /// Why it was made.
    pub reason: Reason,
    /// What went wrong, or `None` if the receiver took it.
    pub error: Option<String>,
}

/// A group and what was told about it.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// What receivers know it by.
    pub key: String,
    /// The labels all its alerts have.
    pub labels: Labels,
    /// The receiver.
    pub receiver: String,
    /// The route, as APIs show it.
    pub route_id: String,
    /// Labels of the route.
    pub route_labels: BTreeMap<String, String>,
    /// The time intervals that mute its route now.
    pub muted_by: Vec<String>,
    /// When it is flushed next.
    pub next_flush_ms: i64,
    /// Its alerts.
    pub alerts: Vec<Labels>,
    /// What each integration was told.
    pub integrations: Vec<IntegrationView>,
}

/// What an integration was told about a group.
#[derive(Clone, Debug)]
pub struct IntegrationView {
    /// Its name.
    pub name: String,
    /// When the receiver last took a notification; 0 for never.
    pub sent_at_ms: i64,
    /// `idle`, `waiting`, `sending` or `retrying`.
    pub state: &'static str,
    /// The last attempt since the start.
    pub last: Option<LastAttempt>,
}

impl Dispatcher {
    /// All alerts that are kept, ordered by their labels.
    pub fn alerts(&self, now_ms: i64) -> Vec<AlertView> {
        let mut views: Vec<AlertView> =
            self.alerts.iter().map(|(_, held)| self.alert_view(held, now_ms)).collect();
        views.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        views
    }

    /// Some of the alerts that inhibit one with these labels now.
    pub(super) fn inhibitors(&self, labels: &Labels, now_ms: i64) -> Vec<Labels> {
        let by = self.inhibitor.inhibited_by(labels, INHIBITED_BY_MAX, |id| self.fires(id, now_ms));
        by.into_iter().filter_map(|(source, _)| Some(self.alerts.get(source)?.labels.clone())).collect()
    }

    pub(super) fn inhibited_by(&self, labels: &Labels, now_ms: i64) -> Vec<u64> {
        let by = self.inhibitor.inhibited_by(labels, INHIBITED_BY_MAX, |id| self.fires(id, now_ms));
        by.into_iter().filter_map(|(source, _)| Some(self.alerts.get(source)?.fingerprint)).collect()
    }

    pub(super) fn silenced_by(&self, held: &Held, now_ms: i64) -> Vec<String> {
        let nothing = Found::default();
        self.silences.silenced_by(&held.labels, held.silences.as_deref().unwrap_or(&nothing), now_ms)
    }

    fn alert_view(&self, held: &Held, now_ms: i64) -> AlertView {
        let inhibited_by = self.inhibited_by(&held.labels, now_ms);
        let silenced_by = self.silenced_by(held, now_ms);
        let groups: Vec<&Group> = held.places.groups().filter_map(|id| self.groups.get(&id)).collect();
        let mut muted_by: Vec<String> = Vec::new();
        for group in &groups {
            let intervals = self.muting_intervals(group.route as usize, now_ms);
            if intervals.is_empty() {
                muted_by.clear();
                break;
            }
            muted_by.extend(intervals);
        }
        muted_by.sort_unstable();
        muted_by.dedup();
        let is_suppressed = !(inhibited_by.is_empty() && silenced_by.is_empty() && muted_by.is_empty());
        let state = if is_suppressed {
            AlertState::Suppressed
        } else if groups.iter().any(|group| group.is_flushed) {
            AlertState::Active
        } else {
            AlertState::Unprocessed
        };
        let mut deliveries = Vec::new();
        for group in groups {
            let key = group.key(&self.config);
            let route = self.config.routes.get(group.route as usize);
            if group.jobs.is_empty() {
                deliveries.push(Delivery {
                    receiver: route.map(|route| route.receiver.clone()).unwrap_or_default(),
                    integration: String::new(),
                    group_key: key,
                    is_told: false,
                    sent_at_ms: 0,
                    last: None,
                });
                continue;
            }
            deliveries.extend(group.jobs.iter().map(|job| Delivery {
                receiver: job.integration.receiver.clone(),
                integration: job.integration.name.clone(),
                group_key: key.clone(),
                is_told: job.ledger.told.contains(held.fingerprint),
                sent_at_ms: job.ledger.sent_at_ms,
                last: job.last.as_deref().cloned(),
            }));
        }
        AlertView {
            alert: self.shown(held),
            fingerprint: held.fingerprint,
            updated_at_ms: held.updated_at_ms,
            has_ended: held.is_resolved_at(now_ms),
            state,
            inhibited_by,
            silenced_by,
            muted_by,
            acknowledged: self.acknowledgement(held.fingerprint, now_ms).cloned(),
            is_flapping: self.flaps.is_flapping(held.fingerprint),
            deliveries,
        }
    }

    /// All groups with alerts, ordered by labels and receiver.
    pub fn groups(&self, now_ms: i64) -> Vec<GroupView> {
        let with_alerts = self.groups.values().filter(|group| !group.alerts.is_empty());
        let mut views: Vec<GroupView> = with_alerts.map(|group| self.group_view(group, now_ms)).collect();
        views.sort_by(|a, b| {
            (&a.labels, &a.receiver, &a.route_id).cmp(&(&b.labels, &b.receiver, &b.route_id))
        });
        views
    }

    /// The labels of a group's alerts, in order.
    pub(super) fn labels_of(&self, group: &Group) -> Vec<Labels> {
        let alerts = group.alerts.iter().filter_map(|id| Some(self.alerts.get(*id)?.labels.clone()));
        let mut alerts: Vec<Labels> = alerts.collect();
        alerts.sort_unstable();
        alerts
    }

    fn group_view(&self, group: &Group, now_ms: i64) -> GroupView {
        let route = self.config.routes.get(group.route as usize);
        let integrations = group.jobs.iter().map(|job| IntegrationView {
            name: job.integration.name.clone(),
            sent_at_ms: job.ledger.sent_at_ms,
            state: match &job.state {
                JobState::Idle => "idle",
                JobState::Waiting(_) | JobState::Paused { attempt: None, .. } => "waiting",
                JobState::UnderWay => "sending",
                JobState::Paused { attempt: Some(_), .. } => "retrying",
            },
            last: job.last.as_deref().cloned(),
        });
        GroupView {
            key: group.key(&self.config),
            labels: group.labels.clone(),
            receiver: route.map(|route| route.receiver.clone()).unwrap_or_default(),
            route_id: route.map(|route| route.id.clone()).unwrap_or_default(),
            route_labels: route.map(|route| route.labels.clone()).unwrap_or_default(),
            muted_by: self.muting_intervals(group.route as usize, now_ms),
            next_flush_ms: group.next_flush_ms,
            alerts: self.labels_of(group),
            integrations: integrations.collect(),
        }
    }
}
