//! The state as APIs and pages show it.

use super::flush::JobState;
use super::*;
use crate::notification::Reason;

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
    /// All alerts that are kept.
    pub fn alerts(&self, now_ms: i64) -> Vec<AlertView> {
        self.alerts.iter().map(|(labels, held)| self.alert_view(labels, held, now_ms)).collect()
    }

    fn alert_view(&self, labels: &Labels, held: &Held, now_ms: i64) -> AlertView {
        let fingerprint = labels.fingerprint();
        let inhibited_by: Vec<u64> =
            self.inhibited_by(labels, INHIBITED_BY_MAX, now_ms).iter().map(Labels::fingerprint).collect();
        let groups: Vec<&Group> = held.groups.iter().filter_map(|id| self.groups.get(id)).collect();
        let silenced_by = self.silences.silenced_by(labels, &held.silences, now_ms);
        let mut muted_by: Vec<String> = Vec::new();
        for group in &groups {
            let intervals = self.muting_intervals(group.route, now_ms);
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
            let receiver = self.config.routes.get(group.route).map_or("", |route| route.receiver.as_str());
            let integrations = self.integrations.get(receiver).map_or(&[][..], Vec::as_slice);
            let delivery = |integration: &str, ledger: Option<&Ledger>, last| Delivery {
                receiver: receiver.to_string(),
                integration: integration.to_string(),
                group_key: group.key.clone(),
                is_told: ledger.is_some_and(|ledger| ledger.told.contains(&fingerprint)),
                sent_at_ms: ledger.map_or(0, |ledger| ledger.sent_at_ms),
                last,
            };
            if integrations.is_empty() {
                deliveries.push(delivery("", None, None));
            }
            for (integration, job) in integrations.iter().zip(&group.jobs) {
                let ledger = self.ledgers.get(&group.name).and_then(|of| of.get(&integration.name));
                deliveries.push(delivery(&integration.name, ledger, job.last.clone()));
            }
        }
        AlertView {
            alert: held.alert.clone(),
            fingerprint,
            updated_at_ms: held.updated_at_ms,
            has_ended: held.is_resolved_at(now_ms),
            state,
            inhibited_by,
            silenced_by,
            muted_by,
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

    fn group_view(&self, group: &Group, now_ms: i64) -> GroupView {
        let route = self.config.routes.get(group.route);
        let receiver = route.map_or("", |route| route.receiver.as_str());
        let list = self.integrations.get(receiver).map_or(&[][..], Vec::as_slice);
        let integrations = list.iter().zip(&group.jobs).map(|(integration, job)| IntegrationView {
            name: integration.name.clone(),
            sent_at_ms: self
                .ledgers
                .get(&group.name)
                .and_then(|of| of.get(&integration.name))
                .map_or(0, |ledger| ledger.sent_at_ms),
            state: match job.state {
                JobState::Idle => "idle",
                JobState::Waiting(_) => "waiting",
                JobState::UnderWay => "sending",
                JobState::BackingOff(_) => "retrying",
            },
            last: job.last.clone(),
        });
        GroupView {
            key: group.key.clone(),
            labels: group.labels.clone(),
            receiver: receiver.to_string(),
            route_id: route.map(|route| route.id.clone()).unwrap_or_default(),
            route_labels: route.map(|route| route.labels.clone()).unwrap_or_default(),
            muted_by: self.muting_intervals(group.route, now_ms),
            next_flush_ms: group.next_flush_ms,
            alerts: group.alerts.iter().cloned().collect(),
            integrations: integrations.collect(),
        }
    }
}
