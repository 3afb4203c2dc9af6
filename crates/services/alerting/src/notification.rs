//! What a receiver is told: the alerts of one group at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Alert, Labels};

use crate::receivers::{Memory, Notifier};
use crate::template::Templates;

/// One way to tell a receiver.
#[derive(Clone, Debug)]
pub struct Integration {
    /// What its state is kept under: `receiver/webhook[0]`.
    pub name: String,
    /// The receiver it belongs to.
    pub receiver: String,
    /// What it is, with its settings.
    pub notifier: Arc<dyn Notifier>,
    /// The templates of the configuration it is from.
    pub templates: Arc<Templates>,
}

/// Why a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was not told before, or nothing of it fired.
    First,
    /// Alerts have joined.
    NewAlerts,
    /// Some have ended.
    SomeResolved,
    /// All have ended.
    AllResolved,
    /// Nothing changed for the repeat interval.
    Repeat,
}

impl Reason {
    /// The words that notifications carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::First => "first notification",
            Reason::NewAlerts => "new alerts added",
            Reason::SomeResolved => "some alerts resolved",
            Reason::AllResolved => "all alerts resolved",
            Reason::Repeat => "repeat interval elapsed",
        }
    }
}

/// An alert as it stood when the notification was made. Later attempts tell the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The alert.
    pub alert: Arc<Alert>,
    /// Whether it had ended.
    pub is_resolved: bool,
}

/// A message to one receiver about one group.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Whom to tell.
    pub integration: Arc<Integration>,
    /// What identifies the group to receivers.
    pub group_key: String,
    /// The labels all its alerts have.
    pub group_labels: Labels,
    /// Labels of the route.
    pub route_labels: BTreeMap<String, String>,
    /// Why now.
    pub reason: Reason,
    /// The alerts, in the order receivers know: by `job`, `instance`, then all labels.
    pub alerts: Vec<Told>,
    /// What the integration remembered of its last notification about this group.
    pub memory: Memory,
}

/// Brings alerts into the order of [`alert_order`].
pub fn sort_told(alerts: &mut Vec<Told>) {
    // Looking a label up is slow beside a comparison, and most alerts differ by instance.
    fn first<'a>(told: &'a Told, name: &str) -> (bool, &'a str) {
        told.alert.labels.get(name).map_or((true, ""), |value| (false, value))
    }
    let place = |told| (first(told, "job"), first(told, "instance"), told.alert.labels.len());
    let mut order: Vec<_> = alerts.iter().map(|told| (place(told), told)).collect();
    order.sort_by(|(a, a_told), (b, b_told)| {
        a.cmp(b).then_with(|| alert_order(&a_told.alert.labels, &b_told.alert.labels))
    });
    *alerts = order.into_iter().map(|(_, told)| told.clone()).collect();
}

/// The order of alerts in a notification: by `job`, by `instance`, then fewer labels first, then
/// name by name.
pub fn alert_order(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // At the first difference, the one that has the smaller name lacks it in the other, which
    // then counts as smaller.
    a.len().cmp(&b.len()).then_with(|| {
        for ((a_name, a_value), (b_name, b_value)) in a.iter().zip(b.iter()) {
            let order = b_name.cmp(a_name).then_with(|| a_value.cmp(b_value));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    })
}
