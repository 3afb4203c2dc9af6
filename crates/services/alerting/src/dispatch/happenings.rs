//! What is told to those who follow what happens: see [`crate::event_recorder`].

use super::flush::{Group, Ticket};
use super::*;
use crate::event_recorder::{GroupInfo, Notified};
use crate::silences::Silence;

impl Dispatcher {
    /// Tells of something, if anybody follows.
    pub(super) fn publish(&mut self, happening: impl FnOnce(&Self) -> Option<Happening>) {
        if self.publishes
            && let Some(happening) = happening(self)
        {
            self.actions.push(Action::Publish(happening));
        }
    }

    /// A group as it is recorded.
    fn group_info(&self, id: u32, group: &Group) -> Arc<GroupInfo> {
        let route = self.config.routes.get(group.route as usize);
        let key = group.shown_key(&self.config);
        let half = |seed: u64| xxhash_rust::xxh64::xxh64(key.as_bytes(), seed);
        let number = u64::from(id);
        let uuid = uuid_of(u128::from(half(self.seed ^ number)) << 64 | u128::from(half(number)));
        Arc::new(GroupInfo {
            labels: group.labels.clone(),
            receiver: route.map(|route| route.receiver.clone()).unwrap_or_default(),
            matchers: route.map(|route| route.matchers.clone()).unwrap_or_default(),
            uuid,
            key,
        })
    }

    /// Alerts that have joined a group.
    pub(super) fn publish_grouped(&mut self, id: u32, alerts: &[(u32, Labels)]) {
        if !self.publishes {
            return;
        }
        let Some(group) = self.groups.get(&id) else { return };
        let info = self.group_info(id, group);
        let find =
            |(_, labels): &(u32, Labels)| self.alerts.get(self.alerts.find(labels, labels.fingerprint())?);
        let found = alerts.iter().filter_map(find);
        let happenings: Vec<_> =
            found.map(|held| Action::Publish(Happening::AlertGrouped(held.alert(), info.clone()))).collect();
        self.actions.extend(happenings);
    }

    /// Alerts that leave a group after everybody was told of their end.
    pub(super) fn publish_resolved(&mut self, id: u32, alerts: impl Iterator<Item = AlertId>) {
        if !self.publishes {
            return;
        }
        let Some(group) = self.groups.get(&id) else { return };
        let info = self.group_info(id, group);
        let happenings: Vec<_> = alerts
            .filter_map(|alert| Some(self.alerts.get(alert)?.alert()))
            .map(|alert| Action::Publish(Happening::AlertResolved(alert, info.clone())))
            .collect();
        self.actions.extend(happenings);
    }

    /// What silences and rules of inhibition keep a group that is flushed from telling.
    pub(super) fn publish_muted(&mut self, id: u32, now_ms: i64) {
        if !self.publishes {
            return;
        }
        self.look_for_silences(id);
        let Some(group) = self.groups.get(&id) else { return };
        let (mut rules, mut silences) = (HashMap::new(), HashMap::new());
        let mut happenings = Vec::new();
        for alert in &group.alerts {
            let Some(held) = self.alerts.get(*alert) else { continue };
            let fires = |source| self.fires(source, now_ms);
            let is_inhibited = self.is_inhibited(&held.labels, now_ms);
            let by =
                is_inhibited.then(|| self.inhibitor.inhibited_by(&held.labels, 1, fires).into_iter().next());
            if let Some((source, rule)) = by.flatten() {
                let known = rules.entry(std::ptr::from_ref(rule)).or_insert_with(|| Arc::new(rule.clone()));
                happenings.push(Action::Publish(Happening::Inhibited {
                    rule: known.clone(),
                    labels: held.labels.clone(),
                    source: self.alerts.get(source).map_or(0, |source| source.fingerprint),
                }));
                continue;
            }
            let Some(found) = held.silences.as_deref() else { continue };
            for id in self.silences.silenced_by(&held.labels, found, now_ms) {
                let Some(silence) = self.silences.get(&id) else { continue };
                let known = silences.entry(id).or_insert_with(|| Arc::new(silence.clone()));
                happenings.push(Action::Publish(Happening::Silenced(known.clone(), held.labels.clone())));
            }
        }
        self.actions.extend(happenings);
    }

    /// A notification that was taken.
    pub(super) fn publish_notified(&mut self, number: u64, ticket: &Ticket) {
        if !self.publishes {
            return;
        }
        let notification = ticket.attempt.notification.clone();
        let id = ticket.holder.group;
        let (group, repeat_interval_ms) = match self.groups.get(&id) {
            Some(group) => {
                let route = self.config.routes.get(group.route as usize);
                (self.group_info(id, group), route.map_or(0, |route| route.repeat_interval_ms))
            }
            // It went while its receiver was told.
            None => {
                let info = GroupInfo {
                    key: notification.group_key.as_str().into(),
                    labels: ticket.group_labels.clone(),
                    receiver: notification.integration.receiver.clone(),
                    matchers: Vec::new(),
                    uuid: String::new(),
                };
                (Arc::new(info), 0)
            }
        };
        let muted = ticket.attempt.muted.clone();
        let notified = Notified { notification, group, muted, repeat_interval_ms, flush: number };
        self.actions.push(Action::Publish(Happening::Notified(Box::new(notified))));
    }

    /// A silence that was made or changed here; `was_known` says which.
    pub(super) fn publish_silence(&mut self, silence: &Silence, was_known: bool) {
        let silence = Box::new(silence.clone());
        self.publish(|_| {
            Some(match was_known {
                true => Happening::SilenceUpdated(silence),
                false => Happening::SilenceCreated(silence),
            })
        });
    }
}
