//! Whom would alerts of the past have woken? The dispatcher itself, with its routes, groups,
//! inhibition and time intervals, is driven through the times at which alerts began and ended; every
//! notification is taken at once and none is sent. Silences are not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::http_client::PathBase;
use model::{Alert, Labels};

use crate::dispatch::{Action, Dispatcher, Event, Limits, Outcome};
use crate::matchers::MatcherMode;
use crate::notification::Integration;
use crate::receivers::{Attempt, Delivery, Notifier};
use crate::settings::Config;

/// Steps of the dispatcher at most: beginnings, ends, flushes and notifications.
const STEPS_MAX: usize = 3_000_000;
/// Notifications that are listed; further ones are only counted.
const WAKES_MAX: usize = 10_000;
/// Tells people of each name of an alert by itself.
const BY_NAME: &str = "
route: {receiver: people, group_by: [alertname]}
receivers: [{name: people, webhook_configs: [{url: 'http://localhost/'}]}]
";

/// A time that an alert fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// Its labels.
    pub labels: Labels,
    /// Since when, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when; `None` if it goes on.
    pub to_ms: Option<i64>,
}

/// A notification that tells somebody of an alert that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Wake {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Who.
    pub receiver: String,
    /// The labels of the group.
    pub group: Labels,
    /// Why then.
    pub reason: &'static str,
    /// How many alerts fire in it.
    pub firing: usize,
}

/// What would have been told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsal {
    /// How often each receiver would have been told of something that fires.
    pub by_receiver: BTreeMap<String, u64>,
    /// Those times, the first ones if there are very many.
    pub wakes: Vec<Wake>,
    /// Whether everything was gone through.
    pub is_complete: bool,
}

/// Somebody who is never really told.
#[derive(Debug)]
struct Nobody;

impl Notifier for Nobody {
    fn kind(&self) -> &'static str {
        "rehearsal"
    }

    fn sends_resolved(&self) -> bool {
        false
    }

    fn notify<'a>(&'a self, _: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { Outcome::Taken(Default::default()) })
    }
}

/// The configuration for those who have none: each name of an alert is a group, told to one receiver.
pub fn by_name() -> Result<Config, config::Error> {
    Config::parse(BY_NAME, &PathBase::new(std::path::Path::new("/")), MatcherMode::default())
}

/// Goes through all of it, until `until_ms`. What was told before `from_ms` is not reported. Blocks.
pub fn rehearse(mut config: Config, firings: &[Firing], from_ms: i64, until_ms: i64) -> Rehearsal {
    for receiver in &mut config.receivers {
        // A receiver is woken once, in however many ways.
        if let Some(first) = receiver.integrations.first() {
            let one = Integration { notifier: Arc::new(Nobody), ..Integration::clone(first) };
            receiver.integrations = vec![Arc::new(one)];
        }
    }
    let mut turns: Vec<(i64, bool, usize)> = Vec::with_capacity(firings.len() * 2);
    for (at, firing) in firings.iter().enumerate() {
        turns.push((firing.from_ms, true, at));
        turns.extend(firing.to_ms.map(|to_ms| (to_ms, false, at)));
    }
    // What ends goes before what begins, as one evaluation tells them.
    turns.sort_unstable();
    let Some(begin_ms) = turns.first().map(|(at_ms, ..)| *at_ms) else {
        return Rehearsal { is_complete: true, ..Rehearsal::default() };
    };
    let limits = Limits { settle_ms: 0, sends_per_integration_max: usize::MAX, ..Limits::default() };
    let mut dispatcher = Dispatcher::new(Arc::new(config), limits, Vec::new(), 1, begin_ms);
    let mut rehearsal = Rehearsal { is_complete: true, ..Rehearsal::default() };
    let mut turns = turns.into_iter().peekable();
    let mut now_ms = begin_ms;
    let mut steps = 0;
    loop {
        let next_turn_ms = turns.peek().map(|(at_ms, ..)| *at_ms);
        let due_ms = dispatcher.next_due_ms();
        let Some(next_ms) = next_turn_ms.into_iter().chain(due_ms).min().filter(|at| *at <= until_ms) else {
            break;
        };
        now_ms = now_ms.max(next_ms);
        let mut alerts = Vec::new();
        while let Some((_, begins, at)) = turns.next_if(|(at_ms, ..)| *at_ms <= now_ms) {
            alerts.extend(firings.get(at).map(|firing| alert_of(firing, begins)));
        }
        let mut events = vec![match alerts.is_empty() {
            true => Event::Tick,
            false => Event::Alerts(alerts),
        }];
        while let Some(event) = events.pop() {
            steps += 1;
            for action in dispatcher.step(event, now_ms) {
                if let Action::Send { ticket, notification, .. } = action {
                    events.push(Event::Attempted { ticket, outcome: Outcome::Taken(Default::default()) });
                    let firing = notification.alerts.iter().filter(|told| !told.is_resolved).count();
                    if firing == 0 || now_ms < from_ms {
                        continue;
                    }
                    let receiver = notification.integration.receiver.clone();
                    *rehearsal.by_receiver.entry(receiver.clone()).or_default() += 1;
                    if rehearsal.wakes.len() < WAKES_MAX {
                        rehearsal.wakes.push(Wake {
                            at_ms: now_ms,
                            receiver,
                            group: notification.group_labels.clone(),
                            reason: notification.reason.as_str(),
                            firing,
                        });
                    }
                }
            }
        }
        if steps > STEPS_MAX {
            rehearsal.is_complete = false;
            break;
        }
    }
    rehearsal
}

fn alert_of(firing: &Firing, begins: bool) -> Alert {
    Alert {
        labels: firing.labels.clone(),
        annotations: Labels::empty(),
        starts_at_ms: firing.from_ms,
        // It is renewed for as long as it fires.
        ends_at_ms: if begins { i64::MAX } else { firing.to_ms.unwrap_or(i64::MAX) },
        generator_url: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const START: i64 = 1_700_000_000_000;

    fn firing(name: &str, instance: &str, from: i64, to: Option<i64>) -> Firing {
        let labels = Labels::from_pairs([("alertname", name), ("instance", instance)]);
        let at = |minute: i64| START + minute * MINUTE;
        Firing { labels, from_ms: at(from), to_ms: to.map(at) }
    }

    fn told(rehearsal: &Rehearsal) -> Vec<String> {
        let shown = |wake: &Wake| {
            let seconds = (wake.at_ms - START) / 1000;
            format!("{seconds} {} {} {}", wake.receiver, wake.group.value("alertname"), wake.firing)
        };
        rehearsal.wakes.iter().map(shown).collect()
    }

    #[test]
    fn without_routes_each_name_wakes_once_for_what_comes_together_and_again_as_it_repeats() {
        let firings = [
            firing("A", "x", 0, Some(10)),
            firing("A", "y", 0, Some(300)),
            firing("B", "x", 60, Some(61)),
            // Too short to be told: over before its group's first wait is.
            Firing { to_ms: Some(START + 20_000), ..firing("C", "x", 0, None) },
        ];
        let rehearsal = rehearse(by_name().unwrap(), &firings, START, START + 1_000 * MINUTE);
        assert_eq!(told(&rehearsal), ["30 people A 2", "3630 people B 1", "14730 people A 1"]);
        assert_eq!(rehearsal.by_receiver, [("people".to_string(), 3)].into());
        assert!(rehearsal.is_complete);
    }

    #[test]
    fn routes_and_inhibition_decide_who_is_woken() {
        let text = "
route:
  receiver: day
  group_wait: 10s
  routes:
  - {receiver: night, matchers: ['alertname=B']}
  - {receiver: nobody, matchers: ['alertname=C']}
receivers:
- {name: day, webhook_configs: [{url: 'http://a/'}, {url: 'http://b/'}]}
- {name: night, webhook_configs: [{url: 'http://a/'}]}
- {name: nobody}
inhibit_rules:
- {source_matchers: ['alertname=B'], target_matchers: ['alertname=A'], equal: [instance]}
";
        let base = PathBase::new(std::path::Path::new("/"));
        let config = Config::parse(text, &base, MatcherMode::default()).unwrap();
        let firings = [
            firing("A", "x", 0, Some(5)),
            firing("A", "y", 10, Some(15)),
            firing("B", "y", 9, Some(20)),
            firing("C", "y", 9, Some(20)),
        ];
        let rehearsal = rehearse(config, &firings, START, START + 100 * MINUTE);
        assert_eq!(told(&rehearsal), ["10 day  1", "550 night  1"]);
    }

    #[test]
    fn what_goes_on_wakes_until_the_end_that_is_given() {
        let firings = [firing("A", "x", 0, None)];
        let rehearsal = rehearse(by_name().unwrap(), &firings, START, START + 600 * MINUTE);
        assert_eq!(told(&rehearsal), ["30 people A 1", "14730 people A 1", "29430 people A 1"]);
    }

    #[test]
    fn what_was_told_before_the_times_asked_for_is_not_counted() {
        let firings = [firing("A", "x", 0, None)];
        let rehearsal = rehearse(by_name().unwrap(), &firings, START + 60 * MINUTE, START + 600 * MINUTE);
        assert_eq!(told(&rehearsal), ["14730 people A 1", "29430 people A 1"]);
        assert_eq!(rehearsal.by_receiver, [("people".to_string(), 2)].into());
    }
}
