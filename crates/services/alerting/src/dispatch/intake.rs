//! Alerts on their way in: merged with what is known, and put into groups.

use super::*;
use crate::trail::{Step, Subject};

/// What is known of groups by their names: whether they were flushed, and when they are due.
pub(super) type KnownGroups = HashMap<String, (bool, i64)>;

/// What the trail is told at the end of a step, of many alerts at once.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Alerts of others that began, and those that ended.
    began: Vec<Labels>,
    ended: Vec<Labels>,
    /// Alerts and the groups they joined.
    joined: Vec<(u32, Labels)>,
}

impl Dispatcher {
    /// Takes alerts of others in. The trail is told of those that are news: that an alert goes on
    /// is not worth a line.
    pub(super) fn receive_from(&mut self, source: &Arc<str>, alerts: Vec<Alert>, now_ms: i64) {
        for alert in alerts {
            if !self.notes {
                self.receive(alert, now_ms);
                continue;
            }
            let labels = alert.labels.clone();
            match self.receive(alert, now_ms) {
                Some(true) => self.arrivals.began.push(labels),
                Some(false) => self.arrivals.ended.push(labels),
                None => {}
            }
        }
        let Arrivals { began, ended, .. } = &mut self.arrivals;
        for (list, is_resolved) in [(std::mem::take(began), false), (std::mem::take(ended), true)] {
            if !list.is_empty() {
                let step = Step::Received { source: source.clone(), is_resolved };
                self.note(now_ms, |_| Some((Subject::Alerts(list.into()), step)));
            }
        }
    }

    /// Tells the trail which groups alerts have joined.
    pub(super) fn note_arrivals(&mut self, now_ms: i64) {
        if self.arrivals.joined.is_empty() {
            return;
        }
        let mut joined = std::mem::take(&mut self.arrivals.joined);
        joined.sort_by_key(|(id, _)| *id);
        // Of a route it is always the same.
        let mut names: HashMap<u32, (Arc<str>, Arc<str>)> = HashMap::new();
        for together in joined.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((id, first)) = together.first() else { continue };
            self.publish_grouped(*id, together);
            self.note(now_ms, |this| {
                let group = this.groups.get(id)?;
                let route = this.config.routes.get(group.route as usize)?;
                let named = || (route.id.as_str().into(), route.receiver.as_str().into());
                let (route, receiver) = names.entry(group.route).or_insert_with(named).clone();
                let subject = match together {
                    [_] => Subject::Alert(first.clone()),
                    many => Subject::Alerts(many.iter().map(|(_, labels)| labels.clone()).collect()),
                };
                Some((subject, Step::Routed { route, group: group.shown_key(&this.config), receiver }))
            });
        }
    }

    /// Takes an alert in. Returns whether it began (`true`) or ended, if either is news.
    pub(super) fn receive(&mut self, mut alert: Alert, now_ms: i64) -> Option<bool> {
        if alert.labels.is_empty() {
            self.counters.invalid += 1;
            return None;
        }
        if alert.starts_at_ms == 0 {
            alert.starts_at_ms = if alert.ends_at_ms == 0 { now_ms } else { alert.ends_at_ms };
        }
        let ends_by_timeout = alert.ends_at_ms == 0;
        if ends_by_timeout {
            alert.ends_at_ms = now_ms.saturating_add(self.config.resolve_timeout_ms);
        }
        // A clock that is off elsewhere must not cost the alert.
        alert.starts_at_ms = alert.starts_at_ms.min(alert.ends_at_ms);
        let has_ended = alert.is_resolved_at(now_ms);
        let counter =
            if has_ended { &mut self.counters.received_resolved } else { &mut self.counters.received_firing };
        *counter += 1;

        let fingerprint = alert.labels.fingerprint();
        match self.alerts.find(&alert.labels, fingerprint) {
            // One that has ended: nobody was told of it, so there is nothing to take back.
            None if has_ended => None,
            None if self.alerts.len() >= self.limits.alerts_max => {
                self.counters.refused += 1;
                None
            }
            None => {
                let mut held = Held::new(&alert, fingerprint, now_ms, ends_by_timeout);
                held.places = Places::new(&self.config.routes.matching(&alert.labels));
                let id = self.alerts.insert(held);
                self.inhibitor.insert(id, &alert.labels);
                self.note_change(fingerprint, now_ms);
                self.publish(|_| Some(Happening::AlertCreated(alert.clone())));
                self.remember(Record::Alert {
                    alert,
                    updated_at_ms: now_ms,
                    has_ended: false,
                    ends_by_timeout,
                });
                self.join_groups(id, now_ms, None);
                Some(true)
            }
            Some(id) => self.renew(id, alert, ends_by_timeout, now_ms),
        }
    }

    /// Brings an alert that is known up to date. Returns what [`Dispatcher::receive`] does.
    fn renew(&mut self, id: AlertId, mut alert: Alert, ends_by_timeout: bool, now_ms: i64) -> Option<bool> {
        let held = self.alerts.get_mut(id)?;
        let new_has_ended = alert.is_resolved_at(now_ms);
        merge(held, &mut alert, new_has_ended, now_ms);
        let has_ended = alert.is_resolved_at(now_ms);
        // That it fires a while longer need not be written down each time: after a restart every
        // alert that had not ended gets time to be renewed.
        let changed = held.has_ended != has_ended;
        let mut is_news = changed
            || (has_ended && held.ends_at_ms != alert.ends_at_ms)
            || held.starts_at_ms != alert.starts_at_ms;
        is_news |= held.set_text(&alert);
        let begins_anew = held.has_ended && !has_ended;
        held.updated_at_ms = now_ms;
        held.is_recalled = false;
        held.has_ended = has_ended;
        held.ends_by_timeout = ends_by_timeout;
        (held.starts_at_ms, held.ends_at_ms) = (alert.starts_at_ms, alert.ends_at_ms);
        let fingerprint = held.fingerprint;
        let joins = !new_has_ended && !held.places.is_in_all_groups();
        if is_news {
            self.remember(Record::Alert { alert, updated_at_ms: now_ms, has_ended, ends_by_timeout });
        }
        if changed {
            self.note_change(fingerprint, now_ms);
        }
        if begins_anew {
            self.end_acknowledgement(fingerprint, now_ms);
        }
        if joins {
            self.join_groups(id, now_ms, None);
        }
        changed.then_some(!has_ended)
    }

    /// Puts an alert into its groups, making those that are missing. `known` says of groups that
    /// were there before whether they were flushed and when they are due.
    pub(super) fn join_groups(&mut self, id: AlertId, now_ms: i64, known: Option<&KnownGroups>) {
        let Some(held) = self.alerts.get(id) else { return };
        let (labels, fingerprint) = (held.labels.clone(), held.fingerprint);
        let (starts_at_ms, has_ended) = (held.starts_at_ms, held.has_ended);
        let config = self.config.clone();
        let (mut packed, mut at) = (String::new(), 0);
        while let Some(place) = self.alerts.get(id).and_then(|held| held.places.iter().nth(at)) {
            at += 1;
            if place.group != NO_GROUP {
                continue;
            }
            let Some(route) = config.routes.get(place.route as usize) else { continue };
            packed.clear();
            route.group_by.pack_group(&labels, &mut packed);
            let mut found = self.group_index.find(&self.groups, place.route, &packed);
            if has_ended && !self.may_know(found, place.route, &packed, fingerprint) {
                continue; // Nobody has to be told that it ended.
            }
            if found.is_none() && self.groups.len() >= self.limits.groups_max {
                self.counters.overflowed += 1;
                packed.clear();
                found = self.group_index.find(&self.groups, place.route, &packed);
            }
            let is_overdue = starts_at_ms.saturating_add(route.group_wait_ms) < now_ms
                && (now_ms >= self.settled_at_ms || !self.inhibitor.has_rules());
            let group_id = match found {
                Some(group_id) => {
                    if is_overdue && self.groups.get(&group_id).is_some_and(|group| !group.is_flushed) {
                        self.schedule_flush(group_id, now_ms);
                    }
                    group_id
                }
                None => {
                    let group_labels = Labels::from_packed(&packed);
                    self.begin_group(place.route, group_labels, is_overdue, now_ms, known)
                }
            };
            if let Some(group) = self.groups.get_mut(&group_id) {
                group.alerts.push(id);
            }
            if let Some(place) = self.alerts.get_mut(id).and_then(|held| held.places.iter_mut().nth(at - 1)) {
                place.group = group_id;
            }
            self.recollect(group_id, &labels, fingerprint);
            if self.notes || self.publishes {
                self.arrivals.joined.push((group_id, labels.clone()));
            }
        }
    }

    fn begin_group(
        &mut self,
        route_at: u32,
        labels: Labels,
        is_overdue: bool,
        now_ms: i64,
        known: Option<&KnownGroups>,
    ) -> u32 {
        let config = self.config.clone();
        let mut id = self.new_id() as u32;
        while id == NO_GROUP || self.groups.contains_key(&id) {
            id = self.new_id() as u32;
        }
        let Some(route) = config.routes.get(route_at as usize) else { return NO_GROUP };
        let mut group = Group::new(route_at, labels);
        let name = group.name(&config);
        let known = known.and_then(|known| known.get(&name));
        let due_ms = match known {
            Some((true, due_ms)) => (*due_ms).clamp(now_ms, now_ms.saturating_add(route.group_interval_ms)),
            Some((false, due_ms)) => (*due_ms).clamp(now_ms, now_ms.saturating_add(route.group_wait_ms)),
            None if is_overdue => now_ms,
            None => now_ms.saturating_add(route.group_wait_ms),
        };
        group.is_flushed = known.is_some_and(|(is_flushed, _)| *is_flushed);
        for integration in config.receiver(&route.receiver).map_or(&[][..], |receiver| &receiver.integrations)
        {
            group.add_job(integration.clone(), flush::Role::Primary);
        }
        if let Some(ledgers) = self.told_elsewhere.remove(&name) {
            self.adopt_ledgers(&mut group, ledgers);
        }
        if !self.company.is_alone {
            self.group_names.insert(name.clone(), id);
        }
        self.group_index.insert(id, route_at, group.labels.packed());
        self.groups.insert(id, group);
        self.schedule_flush(id, due_ms);
        if let Some(group) = self.groups.get(&id) {
            let record = group.record(name);
            self.remember(record);
        }
        id
    }

    /// Hands a group what its integrations were told before.
    fn adopt_ledgers(&mut self, group: &mut Group, ledgers: BTreeMap<String, Ledger>) {
        for (integration, ledger) in ledgers {
            let config = self.config.clone();
            let at = match group.job_of(&integration) {
                Some(at) => at,
                // Somebody was told because others were not; they hear of the end as well.
                None => match attention::role_of(&config, &integration) {
                    Some((integration, role)) => group.add_job(integration, role),
                    None => continue,
                },
            };
            if let Some(job) = group.jobs.get_mut(at) {
                job.ledger = ledger;
            }
        }
    }

    /// Routes an alert anew. One that has ended joins only groups whose receivers have to be told.
    pub(super) fn rejoin_groups(&mut self, id: AlertId, now_ms: i64, known: &KnownGroups) {
        if let Some(held) = self.alerts.get_mut(id) {
            held.places = Places::new(&self.config.routes.matching(&held.labels));
        }
        self.join_groups(id, now_ms, Some(known));
        if self.alerts.get(id).is_some_and(|held| held.places.groups().next().is_none()) {
            self.drop_alert(id, now_ms);
        }
    }

    /// Whether anybody may know of an alert by a group.
    fn may_know(&self, group: Option<u32>, route: u32, packed: &str, fingerprint: u64) -> bool {
        match group.and_then(|id| self.groups.get(&id)) {
            Some(group) => group.jobs.iter().any(|job| job.ledger.may_know(fingerprint)),
            None if self.told_elsewhere.is_empty() => false,
            None => {
                let name = flush::group_name(&self.config, route, &Labels::from_packed(packed));
                let mut ledgers = self.told_elsewhere.get(&name).into_iter().flat_map(BTreeMap::values);
                ledgers.any(|ledger| ledger.may_know(fingerprint))
            }
        }
    }

    /// Forgets an alert that no group has any more.
    pub(super) fn drop_alert(&mut self, id: AlertId, now_ms: i64) {
        let Some(held) = self.alerts.remove(id) else { return };
        self.inhibitor.remove(id, &held.labels);
        self.end_acknowledgement(held.fingerprint, now_ms);
        self.remember(Record::AlertGone { labels: held.labels });
    }
}

/// Alertmanager's rules for an alert that is already known: within one episode the earliest start
/// counts and, once it has ended, the latest end; an end that was given counts over a timeout's.
fn merge(old: &Held, new: &mut Alert, new_has_ended: bool, now_ms: i64) {
    let starts_at_ms = old.starts_at_ms;
    // If the clock was set back, an end that is known may lie in the future.
    let ends_at_ms = if old.has_ended { old.ends_at_ms.min(now_ms) } else { old.ends_at_ms };
    let overlaps = (new.ends_at_ms > starts_at_ms && new.ends_at_ms < ends_at_ms)
        || (new.starts_at_ms > starts_at_ms && new.starts_at_ms < ends_at_ms);
    if !overlaps {
        return;
    }
    new.starts_at_ms = new.starts_at_ms.min(starts_at_ms);
    let is_later = ends_at_ms > new.ends_at_ms;
    if is_later && if new_has_ended { old.is_resolved_at(now_ms) } else { !old.ends_by_timeout } {
        new.ends_at_ms = ends_at_ms;
    }
}
