//! What Alertmanager does not have: somebody takes an alert on; others are told if nobody does or
//! nobody could be told; silences that end soon are announced.

use super::flush::{Group, Job, Role};
use super::*;
use crate::trail::{Step, Subject};

/// The alert that reminds of a silence.
pub const REMINDER: &str = "SilenceEndsSoon";

/// Somebody's word that they take an alert on. While it holds, the alert alone is no reason to
/// repeat a notification, and nobody else is told because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The alert.
    pub fingerprint: u64,
    /// Who.
    pub by: String,
    /// What they said.
    pub comment: String,
    /// Since when.
    pub at_ms: i64,
    /// Until when; `i64::MAX` until the alert ends. Not later than `updated_at_ms` if it was taken
    /// back.
    pub until_ms: i64,
    /// When it was made or taken back.
    pub updated_at_ms: i64,
}

/// Why something was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// There is no such alert, or it has ended.
    #[error("no alert with this fingerprint fires")]
    NotFound,
    /// Nobody says that they take it on.
    #[error("an acknowledgement needs a name")]
    NoName,
    /// It would be over at once.
    #[error("the acknowledgement would end in the past")]
    Past,
    /// The service is ending.
    #[error("the service is stopping")]
    Stopping,
}

impl base::Classify for AckError {
    fn class(&self) -> base::ErrorClass {
        match self {
            AckError::NotFound => base::ErrorClass::NotFound,
            AckError::NoName | AckError::Past => base::ErrorClass::BadInput,
            AckError::Stopping => base::ErrorClass::Unavailable,
        }
    }
}

/// The integration that a name means although no route's receiver has it, and why it is told.
pub(super) fn role_of(config: &Config, integration: &str) -> Option<(Arc<Integration>, Role)> {
    let find = |receiver: &str| {
        let integrations = &config.receiver(receiver)?.integrations;
        integrations.iter().find(|known| known.name == integration).cloned()
    };
    let escalations = config.care.escalations.iter();
    let mut escalated =
        escalations.filter_map(|escalation| Some((find(&escalation.receiver)?, Role::Escalation)));
    escalated.next().or_else(|| Some((find(config.care.fallback_receiver.as_deref()?)?, Role::Fallback)))
}

impl Dispatcher {
    // ---- acknowledgement ----

    /// Notes that somebody takes an alert on, until a time or until it ends. Step on afterwards.
    pub fn acknowledge(
        &mut self,
        fingerprint: u64,
        by: &str,
        comment: &str,
        until_ms: Option<i64>,
        now_ms: i64,
    ) -> Result<(), AckError> {
        let mut fires = self.alerts.with_fingerprint(fingerprint).filter(|held| !held.is_resolved_at(now_ms));
        let labels = fires.next().map(|held| held.labels.clone()).ok_or(AckError::NotFound)?;
        drop(fires);
        if by.is_empty() {
            return Err(AckError::NoName);
        }
        let until_ms = until_ms.unwrap_or(i64::MAX);
        if until_ms <= now_ms {
            return Err(AckError::Past);
        }
        let previous_ms = self.acknowledgements.get(&fingerprint).map_or(0, |known| known.updated_at_ms);
        let acknowledgement = Acknowledgement {
            fingerprint,
            by: by.to_string(),
            comment: comment.to_string(),
            at_ms: now_ms,
            until_ms,
            updated_at_ms: replicas::Entry::following(previous_ms, now_ms),
        };
        self.share_acknowledgement(&acknowledgement);
        self.remember(Record::Acknowledgement(acknowledgement.clone()));
        self.acknowledgements.insert(fingerprint, acknowledgement);
        let step = Step::Acknowledged { by: by.into(), comment: comment.into() };
        self.note(now_ms, |_| Some((Subject::Alert(labels), step)));
        self.plan_upkeep(now_ms);
        Ok(())
    }

    /// Notes that somebody takes all alerts of a group on that fire. Step on afterwards.
    pub fn acknowledge_group(
        &mut self,
        key: &str,
        by: &str,
        comment: &str,
        until_ms: Option<i64>,
        now_ms: i64,
    ) -> Result<usize, AckError> {
        let groups = self.groups.values().filter(|group| group.key(&self.config) == key);
        let alerts = groups.flat_map(|group| &group.alerts).filter_map(|id| self.alerts.get(*id));
        let firing: Vec<u64> =
            alerts.filter(|held| !held.is_resolved_at(now_ms)).map(|held| held.fingerprint).collect();
        for fingerprint in &firing {
            self.acknowledge(*fingerprint, by, comment, until_ms, now_ms)?;
        }
        if firing.is_empty() { Err(AckError::NotFound) } else { Ok(firing.len()) }
    }

    /// Takes an acknowledgement back. Step on afterwards.
    pub fn unacknowledge(&mut self, fingerprint: u64, now_ms: i64) -> Result<(), AckError> {
        if !self.is_acknowledged(fingerprint, now_ms) {
            return Err(AckError::NotFound);
        }
        self.end_acknowledgement(fingerprint, now_ms);
        Ok(())
    }

    /// All acknowledgements that hold.
    pub fn acknowledgements(&self, now_ms: i64) -> impl Iterator<Item = &Acknowledgement> {
        self.acknowledgements.values().filter(move |known| known.until_ms > now_ms)
    }

    /// Who has taken an alert on, if somebody has.
    pub fn acknowledgement(&self, fingerprint: u64, now_ms: i64) -> Option<&Acknowledgement> {
        self.acknowledgements.get(&fingerprint).filter(|known| known.until_ms > now_ms)
    }

    pub(super) fn is_acknowledged(&self, fingerprint: u64, now_ms: i64) -> bool {
        !self.acknowledgements.is_empty() && self.acknowledgement(fingerprint, now_ms).is_some()
    }

    /// Ends an acknowledgement, if there is one. That it ended is kept a while, so that an older
    /// word from another replica does not bring it back.
    pub(super) fn end_acknowledgement(&mut self, fingerprint: u64, now_ms: i64) {
        let Some(known) = self.acknowledgements.get_mut(&fingerprint) else { return };
        if known.until_ms <= now_ms {
            return;
        }
        known.updated_at_ms = replicas::Entry::following(known.updated_at_ms, now_ms);
        known.until_ms = now_ms;
        let known = known.clone();
        self.share_acknowledgement(&known);
        self.remember(Record::Acknowledgement(known));
    }

    pub(super) fn learn_acknowledgement(&mut self, learned: Acknowledgement, now_ms: i64) {
        let known = self.acknowledgements.get(&learned.fingerprint);
        if known.is_some_and(|known| known.updated_at_ms >= learned.updated_at_ms) {
            return;
        }
        self.remember(Record::Acknowledgement(learned.clone()));
        self.acknowledgements.insert(learned.fingerprint, learned);
        self.plan_upkeep(now_ms);
    }

    pub(super) fn forget_acknowledgements(&mut self, now_ms: i64) {
        let keep_ms = UPKEEP_INTERVAL_MS * 10;
        let old = self.acknowledgements.values().filter(|known| {
            known.until_ms.saturating_add(keep_ms) <= now_ms
                // One that came from another replica may be about an alert that never came here.
                || (known.at_ms.saturating_add(self.limits.retention_ms) <= now_ms
                    && self.alerts.with_fingerprint(known.fingerprint).next().is_none())
        });
        for fingerprint in old.map(|known| known.fingerprint).collect::<Vec<_>>() {
            self.acknowledgements.remove(&fingerprint);
            self.remember(Record::AcknowledgementGone { fingerprint });
        }
    }

    // ---- escalation and fallback ----

    /// Whether an alert is a reason to tell an integration that is told in special cases only.
    pub(super) fn concerns(&self, group: &Group, job: &Job, held: &Held, now_ms: i64) -> bool {
        let fingerprint = held.fingerprint;
        if held.is_resolved_at(now_ms) {
            return false;
        }
        // Who was told goes on being told.
        if job.ledger.may_know(fingerprint) {
            return true;
        }
        if job.role == Role::Primary {
            return true;
        }
        // One receiver may be named by several escalations, and as the fallback besides.
        let (care, receiver) = (&self.config.care, &job.integration.receiver);
        let is_due = care.escalations.iter().any(|escalation| {
            escalation.receiver == *receiver
                && held.starts_at_ms.saturating_add(escalation.after_ms) <= now_ms
                && crate::matchers::all_match(&escalation.matchers, &held.labels)
        });
        (is_due && !self.is_acknowledged(fingerprint, now_ms))
            || (care.fallback_receiver.as_ref() == Some(receiver)
                && group.jobs.iter().any(|other| other.has_failed && other.ledger.owed.contains(fingerprint)))
    }

    /// Tells others of alerts that nobody has acknowledged in time, and sets a timer for the next.
    pub(super) fn escalate(&mut self, id: u32, now_ms: i64) {
        if self.config.care.escalations.is_empty() {
            return;
        }
        let config = self.config.clone();
        let Some(group) = self.groups.get_mut(&id) else { return };
        self.timers.remove(&(group.escalates_at_ms, Timer::Escalate(id)));
        group.escalates_at_ms = i64::MAX;
        let mut next_ms = i64::MAX;
        let mut due = BTreeSet::new();
        for alert in &group.alerts {
            let Some(held) = self.alerts.get(*alert).filter(|held| !held.is_resolved_at(now_ms)) else {
                continue;
            };
            for (number, escalation) in config.care.escalations.iter().enumerate() {
                if crate::matchers::all_match(&escalation.matchers, &held.labels) {
                    match held.starts_at_ms.saturating_add(escalation.after_ms) {
                        at_ms if at_ms <= now_ms => drop(due.insert(number)),
                        at_ms => next_ms = next_ms.min(at_ms),
                    }
                }
            }
        }
        if next_ms != i64::MAX {
            group.escalates_at_ms = next_ms;
            self.timers.insert((next_ms, Timer::Escalate(id)));
        }
        // Before the group was ever told there is nothing to escalate.
        if !group.is_flushed {
            return;
        }
        for number in due {
            let Some(escalation) = config.care.escalations.get(number) else { continue };
            self.tell_also(id, &escalation.receiver, Role::Escalation, now_ms);
        }
    }

    /// Somebody could not be told: tells the fallback receiver.
    pub(super) fn fall_back(&mut self, id: u32, now_ms: i64) {
        let config = self.config.clone();
        if let Some(receiver) = &config.care.fallback_receiver {
            self.tell_also(id, receiver, Role::Fallback, now_ms);
        }
    }

    fn tell_also(&mut self, id: u32, receiver: &str, role: Role, now_ms: i64) {
        let config = self.config.clone();
        for integration in config.receiver(receiver).map_or(&[][..], |receiver| &receiver.integrations) {
            let Some(group) = self.groups.get_mut(&id) else { return };
            let at = match group.job_of(&integration.name) {
                Some(at) if group.jobs.get(at).is_some_and(|job| job.role != Role::Primary) => at,
                Some(_) => continue, // It is told anyway.
                None => group.add_job(integration.clone(), role),
            };
            self.consider(id, at, now_ms);
        }
    }

    // ---- reminders ----

    /// Raises an alert for each silence that ends soon.
    pub(super) fn remind_of_silences(&mut self, now_ms: i64) {
        let Some(before_ms) = self.config.care.remind_before_ms else { return };
        let ends_soon = self.silences.iter().filter(|silence| {
            silence.starts_at_ms <= now_ms
                && now_ms < silence.ends_at_ms
                && silence.ends_at_ms.saturating_sub(before_ms) <= now_ms
        });
        let reminders = ends_soon.map(|silence| {
            let shown: Vec<String> =
                silence.matcher_sets.iter().map(|set| crate::matchers::key_of(set)).collect();
            Alert {
                labels: Labels::from_pairs([
                    ("alertname", REMINDER),
                    ("silence", &silence.id),
                    ("created_by", &silence.created_by),
                ]),
                annotations: Labels::from_pairs([
                    ("summary", format!("A silence of {} ends soon.", shown.join(" or "))),
                    ("comment", silence.comment.clone()),
                ]),
                starts_at_ms: silence.ends_at_ms.saturating_sub(before_ms).max(silence.starts_at_ms),
                ends_at_ms: silence.ends_at_ms,
                generator_url: String::new(),
            }
        });
        for alert in reminders.collect::<Vec<_>>() {
            self.receive(alert, now_ms);
        }
    }
}
