//! The life of an alert, as a state machine without clock or I/O.

use std::collections::BTreeMap;

use model::Labels;
use model::alert::AlertPhase;

/// How long a resolved alert is remembered, so that its end is told to everybody.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;

/// The state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// The expression holds no more (or never did).
    Inactive,
    /// It holds, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// The name in APIs and in the label `alertstate`.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// Its state.
    pub state: AlertState,
    /// What identifies it.
    pub labels: Labels,
    /// What explains it, expanded at the last evaluation.
    pub annotations: Labels,
    /// The expression's value at the last evaluation.
    pub value: f64,
    /// Since when the expression holds, milliseconds since the epoch.
    pub active_at_ms: i64,
    /// Since when it fires; 0 if it does not.
    pub fired_at_ms: i64,
    /// When it ended; 0 if it has not.
    pub resolved_at_ms: i64,
    /// Since when only `keep_firing_for` keeps it; 0 if the expression holds.
    pub keep_firing_since_ms: i64,
    /// When it was sent last; 0 if never.
    pub last_sent_at_ms: i64,
    /// Its labels with those joined onto them, from when it fires on: receivers know it by them.
    pub joined: Option<Labels>,
    /// Nothing was known of one of its owners when those were joined.
    pub(crate) lacks_owner: bool,
    /// The state that was told last.
    pub(crate) noted: AlertState,
}

impl ActiveAlert {
    /// Whether it has to be sent now: it fires and was not sent for `resend_delay_ms`, or it ended
    /// after it was sent last.
    pub fn needs_sending(&self, now_ms: i64, resend_delay_ms: i64) -> bool {
        match self.state {
            AlertState::Pending => false,
            _ if self.resolved_at_ms > self.last_sent_at_ms => true,
            _ => self.last_sent_at_ms + resend_delay_ms < now_ms || self.last_sent_at_ms == 0,
        }
    }
}

/// An alert that an evaluation found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// What identifies it, all labels applied.
    pub(crate) labels: Labels,
    /// What explains it, expanded.
    pub(crate) annotations: Labels,
    /// The expression's value.
    pub(crate) value: f64,
}

/// All alerts of one rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    hold_ms: i64,
    keep_firing_ms: i64,
    alerts: BTreeMap<Labels, ActiveAlert>,
    /// Those that ended before they fired, until that is told.
    gone: Vec<ActiveAlert>,
}

impl Alerts {
    /// No alerts yet, for a rule with these durations.
    pub(crate) fn new(hold_ms: i64, keep_firing_ms: i64) -> Self {
        Alerts { hold_ms, keep_firing_ms, ..Alerts::default() }
    }

    /// The same alerts for a rule whose durations have changed.
    pub(crate) fn with_durations(self, hold_ms: i64, keep_firing_ms: i64) -> Self {
        Alerts { hold_ms, keep_firing_ms, ..self }
    }

    /// Moves all times along with a clock that was set.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        for alert in self.alerts.values_mut() {
            for at_ms in [
                &mut alert.active_at_ms,
                &mut alert.fired_at_ms,
                &mut alert.resolved_at_ms,
                &mut alert.keep_firing_since_ms,
                &mut alert.last_sent_at_ms,
            ] {
                if *at_ms != 0 {
                    *at_ms += by_ms;
                }
            }
        }
    }

    /// Takes in what an evaluation at `at_ms` found: alerts begin, go on, fire, end.
    pub(crate) fn evaluate(&mut self, found: Vec<Found>, at_ms: i64) {
        let mut present: std::collections::BTreeSet<Labels> = Default::default();
        for Found { labels, annotations, value } in found {
            present.insert(labels.clone());
            match self.alerts.get_mut(&labels) {
                Some(alert) if alert.state != AlertState::Inactive => {
                    alert.value = value;
                    alert.annotations = annotations;
                }
                _ => {
                    let alert = ActiveAlert {
                        state: AlertState::Pending,
                        labels: labels.clone(),
                        annotations,
                        value,
                        active_at_ms: at_ms,
                        fired_at_ms: 0,
                        resolved_at_ms: 0,
                        keep_firing_since_ms: 0,
                        last_sent_at_ms: 0,
                        joined: None,
                        lacks_owner: false,
                        noted: AlertState::Inactive,
                    };
                    self.alerts.insert(labels, alert);
                }
            }
        }
        let (hold_ms, keep_firing_ms) = (self.hold_ms, self.keep_firing_ms);
        let gone = &mut self.gone;
        gone.clear();
        self.alerts.retain(|labels, alert| {
            if present.contains(labels) {
                alert.keep_firing_since_ms = 0;
            } else {
                let mut kept = false;
                if alert.state == AlertState::Firing && keep_firing_ms > 0 {
                    if alert.keep_firing_since_ms == 0 {
                        alert.keep_firing_since_ms = at_ms;
                    }
                    kept = at_ms - alert.keep_firing_since_ms < keep_firing_ms;
                }
                if !kept {
                    let forgotten =
                        alert.resolved_at_ms != 0 && at_ms - alert.resolved_at_ms > RESOLVED_RETENTION_MS;
                    if alert.state == AlertState::Pending || forgotten {
                        if alert.noted == AlertState::Pending {
                            gone.push(alert.clone());
                        }
                        return false;
                    }
                    if alert.state != AlertState::Inactive {
                        alert.state = AlertState::Inactive;
                        alert.resolved_at_ms = at_ms;
                    }
                    return true;
                }
            }
            if alert.state == AlertState::Pending && at_ms - alert.active_at_ms >= hold_ms {
                alert.state = AlertState::Firing;
                alert.fired_at_ms = at_ms;
            }
            true
        });
    }

    /// Puts an alert back to when it began before an outage: it was active from `active_at_ms` on
    /// and last seen so at `seen_at_ms`. What had fired fires on; what was pending goes on pending
    /// without counting the outage, and at least for the grace period.
    pub(crate) fn restore(
        &mut self,
        labels: &Labels,
        active_at_ms: i64,
        seen_at_ms: i64,
        now_ms: i64,
        grace_ms: i64,
    ) {
        let hold_ms = self.hold_ms;
        let Some(alert) = self.alerts.get_mut(labels) else { return };
        // Only what begins with this evaluation may have begun before.
        if alert.state == AlertState::Inactive || alert.active_at_ms != now_ms {
            return;
        }
        let remaining_ms = hold_ms - (seen_at_ms - active_at_ms);
        alert.active_at_ms = if remaining_ms <= 0 {
            active_at_ms
        } else if hold_ms >= grace_ms && remaining_ms < grace_ms {
            now_ms + grace_ms - hold_ms
        } else {
            active_at_ms + (now_ms - seen_at_ms)
        };
        if alert.state == AlertState::Pending && remaining_ms <= 0 {
            alert.state = AlertState::Firing;
            alert.fired_at_ms = active_at_ms + hold_ms;
        }
    }

    /// All alerts, resolved ones that are still remembered included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.alerts.values()
    }

    /// Those that are pending or firing.
    pub(crate) fn active(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.iter().filter(|alert| alert.state != AlertState::Inactive)
    }

    /// Hands on each alert whose state was not told yet, with what it has become.
    pub(crate) fn each_change(&mut self, mut each: impl FnMut(&mut ActiveAlert, AlertPhase)) {
        for alert in &mut self.gone {
            each(alert, AlertPhase::Inactive);
        }
        self.gone.clear();
        for alert in self.alerts.values_mut().filter(|alert| alert.noted != alert.state) {
            alert.noted = alert.state;
            let phase = match alert.state {
                AlertState::Pending => AlertPhase::Pending,
                AlertState::Firing => AlertPhase::Firing,
                AlertState::Inactive => AlertPhase::Resolved,
            };
            each(alert, phase);
        }
    }

    /// Hands on each alert that has to be sent now, and marks it as sent.
    pub(crate) fn each_to_send(
        &mut self,
        now_ms: i64,
        resend_delay_ms: i64,
        mut each: impl FnMut(&mut ActiveAlert),
    ) {
        for alert in self.alerts.values_mut().filter(|alert| alert.needs_sending(now_ms, resend_delay_ms)) {
            alert.last_sent_at_ms = now_ms;
            each(alert);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn found(name: &str) -> Found {
        Found { labels: Labels::from_pairs([("alertname", name)]), annotations: Labels::empty(), value: 1.0 }
    }

    fn sent(alerts: &mut Alerts, now_ms: i64) -> Vec<ActiveAlert> {
        let mut sent = Vec::new();
        alerts.each_to_send(now_ms, MINUTE, |alert| sent.push(alert.clone()));
        sent
    }

    fn states(alerts: &Alerts) -> Vec<AlertState> {
        alerts.iter().map(|alert| alert.state).collect()
    }

    #[test]
    fn an_alert_is_pending_then_fires_then_ends() {
        let mut alerts = Alerts::new(2 * MINUTE, 0);
        for (minute, holds, expected) in [
            (0, true, vec![AlertState::Pending]),
            (1, true, vec![AlertState::Pending]),
            (2, true, vec![AlertState::Firing]),
            (3, false, vec![AlertState::Inactive]),
            (17, false, vec![AlertState::Inactive]),
            (19, false, vec![]),
        ] {
            alerts.evaluate(if holds { vec![found("A")] } else { vec![] }, minute * MINUTE);
            assert_eq!(states(&alerts), expected, "minute {minute}");
        }
    }

    #[test]
    fn a_pending_alert_that_ends_was_never_there() {
        let mut alerts = Alerts::new(2 * MINUTE, 0);
        alerts.evaluate(vec![found("A")], 0);
        alerts.evaluate(vec![], MINUTE);
        assert_eq!(alerts.iter().count(), 0);
    }

    #[test]
    fn every_change_is_told_once() {
        let mut alerts = Alerts::new(2 * MINUTE, 0);
        let mut told = Vec::new();
        for (minute, found) in [
            (0, vec![found("A"), found("B")]),
            (1, vec![found("A")]),
            (2, vec![found("A")]),
            (3, vec![found("A")]),
            (4, vec![]),
            (5, vec![]),
            (6, vec![found("A")]),
        ] {
            alerts.evaluate(found, minute * MINUTE);
            alerts.each_change(|alert, phase| {
                told.push(format!("{minute} {} {}", alert.labels.value("alertname"), phase.as_str()));
            });
        }
        let expected =
            ["0 A pending", "0 B pending", "1 B inactive", "2 A firing", "4 A resolved", "6 A pending"];
        assert_eq!(told, expected);
    }

    #[test]
    fn keep_firing_for_bridges_a_gap() {
        let mut alerts = Alerts::new(0, 5 * MINUTE);
        alerts.evaluate(vec![found("A")], 0);
        for (minute, holds, expected) in [
            (1, false, AlertState::Firing),
            (4, false, AlertState::Firing),
            (5, true, AlertState::Firing),
            (6, false, AlertState::Firing),
            (11, false, AlertState::Inactive),
        ] {
            alerts.evaluate(if holds { vec![found("A")] } else { vec![] }, minute * MINUTE);
            assert_eq!(states(&alerts), [expected], "minute {minute}");
        }
    }

    #[test]
    fn a_firing_alert_is_sent_again_after_a_while_and_its_end_at_once() {
        let mut alerts = Alerts::new(0, 0);
        alerts.evaluate(vec![found("A")], MINUTE);
        assert_eq!(sent(&mut alerts, MINUTE).len(), 1);
        alerts.evaluate(vec![found("A")], MINUTE + 15_000);
        assert_eq!(sent(&mut alerts, MINUTE + 15_000).len(), 0);
        alerts.evaluate(vec![found("A")], 2 * MINUTE + 15_000);
        assert_eq!(sent(&mut alerts, 2 * MINUTE + 15_000).len(), 1);
        alerts.evaluate(vec![], 2 * MINUTE + 30_000);
        let last = sent(&mut alerts, 2 * MINUTE + 30_000);
        assert_eq!(last[0].resolved_at_ms, 2 * MINUTE + 30_000);
    }

    #[test]
    fn after_an_outage_a_firing_alert_fires_on_and_a_pending_one_continues() {
        let labels = Labels::from_pairs([("alertname", "A")]);
        let restart = 100 * MINUTE;
        for (began, seen, expected_state, expected_active) in [
            (50, 90, AlertState::Firing, 50),
            // Pending for 12 of 30 minutes before an outage of 10: 18 are left, the outage does not count.
            (78, 90, AlertState::Pending, 88),
            // 5 minutes were left: it gets the grace period of 10.
            (65, 90, AlertState::Pending, 80),
        ] {
            let mut alerts = Alerts::new(30 * MINUTE, 0);
            alerts.evaluate(vec![found("A")], restart);
            alerts.restore(&labels, began * MINUTE, seen * MINUTE, restart, 10 * MINUTE);
            let alert = alerts.iter().next().unwrap();
            assert_eq!(
                (alert.state, alert.active_at_ms),
                (expected_state, expected_active * MINUTE),
                "{began}"
            );
        }
    }
}
