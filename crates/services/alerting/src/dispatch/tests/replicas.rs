//! What several dispatchers do that share what they told.

use super::*;
use crate::replicas::{Claim, Entry, EntryKind, claim_key};

/// A step of a dispatcher that is not alone: what it claims and what it sends.
fn step(dispatcher: &mut Dispatcher, event: Event, now_ms: i64) -> (Vec<u64>, Vec<u64>, Vec<Action>) {
    let (mut claims, mut sends, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for action in dispatcher.step(event, now_ms) {
        match action {
            Action::Claim { ticket, .. } => claims.push(ticket),
            Action::Send { ticket, .. } => sends.push(ticket),
            Action::Remember(_) | Action::Note(_) | Action::Publish(_) => {}
            other => others.push(other),
        }
    }
    (claims, sends, others)
}

fn replica(turn_ms: i64) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(config(CARE), Limits::default(), Vec::new(), 1, T0);
    dispatcher.set_company(Company { is_alone: false, turn_ms, must_settle: false });
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: T0,
        ends_at_ms: T0 + 3_600_000,
        generator_url: String::new(),
    };
    step(&mut dispatcher, Event::Alerts(vec![alert]), T0);
    dispatcher
}

#[test]
fn of_two_replicas_the_one_with_the_claim_tells_and_the_other_learns_what() {
    let (mut one, mut two) = (replica(0), replica(0));
    let now_ms = T0 + 10_000;
    let (claims, sends, _) = step(&mut one, Event::Tick, now_ms);
    assert_eq!((claims.len(), sends.len()), (1, 0), "nothing is told unclaimed");
    let claim = Claim::Granted { token: Token(7), told: None };
    let (_, sends, _) = step(&mut one, Event::Claimed { ticket: claims[0], claim }, now_ms);
    assert_eq!(sends, claims);
    let (held, _, _) = step(&mut two, Event::Tick, now_ms);
    let (_, sends, _) =
        step(&mut two, Event::Claimed { ticket: held[0], claim: Claim::Held { for_ms: 5_000 } }, now_ms);
    assert!(sends.is_empty());
    let taken = Event::Attempted { ticket: claims[0], outcome: Outcome::Taken(Default::default()) };
    let (_, _, others) = step(&mut one, taken, now_ms + 100);
    let [Action::Release { token: Token(7), told: Some(entry), .. }] = others.as_slice() else {
        panic!("{others:?}")
    };
    // The other one learns it, and has nothing to say any more, now or when it looks again.
    let (claims, _, _) = step(&mut two, Event::Learned(vec![entry.clone()]), now_ms + 200);
    assert!(claims.is_empty());
    assert_eq!(step(&mut two, Event::Tick, now_ms + 60_000).0, [0u64; 0]);
    assert_eq!(two.groups(now_ms)[0].integrations[0].sent_at_ms, now_ms + 100);
}

#[test]
fn a_claim_that_comes_with_news_is_given_back() {
    let (mut one, mut two) = (replica(0), replica(0));
    let now_ms = T0 + 10_000;
    let (claims, ..) = step(&mut one, Event::Tick, now_ms);
    let granted = |told| Claim::Granted { token: Token(1), told };
    step(&mut one, Event::Claimed { ticket: claims[0], claim: granted(None) }, now_ms);
    let taken = Event::Attempted { ticket: claims[0], outcome: Outcome::Taken(Default::default()) };
    let (.., others) = step(&mut one, taken, now_ms + 100);
    let [Action::Release { told: Some(entry), .. }] = others.as_slice() else { panic!("{others:?}") };
    let (claims, ..) = step(&mut two, Event::Tick, now_ms);
    let claimed = Event::Claimed { ticket: claims[0], claim: granted(Some(entry.clone())) };
    let (_, sends, others) = step(&mut two, claimed, now_ms + 200);
    assert!(sends.is_empty(), "it was told already");
    assert!(matches!(others.as_slice(), [Action::Release { told: None, .. }]), "{others:?}");
}

#[test]
fn an_alert_that_begins_anew_is_told_by_replicas_although_its_end_was_not() {
    let yaml = "route: {receiver: r, group_wait: 10s, group_interval: 1m}\n\
                receivers: [{name: r, webhook_configs: [{url: 'http://a', send_resolved: false}]}]\n";
    let mut one = Dispatcher::new(config(yaml), Limits::default(), Vec::new(), 1, T0);
    one.set_company(Company { is_alone: false, turn_ms: 0, must_settle: false });
    let alert = |starts_at_ms, ends_at_ms| Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms,
        ends_at_ms,
        generator_url: String::new(),
    };
    // What the shared state holds, as claims are shown it.
    let mut shared: Option<Entry> = None;
    let (mut now_ms, mut told) = (T0, Vec::new());
    for (at_s, fires) in [(0, true), (30, false), (600, true)] {
        let ends_at_ms = T0 + at_s * 1_000 + if fires { 3_600_000 } else { 0 };
        let starts_at_ms = T0 + if fires { at_s * 1_000 } else { 0 };
        let mut events = vec![Event::Alerts(vec![alert(starts_at_ms, ends_at_ms)])];
        now_ms = now_ms.max(T0 + at_s * 1_000);
        for _ in 0..20 {
            let (claims, sends, others) = step(&mut one, events.pop().unwrap_or(Event::Tick), now_ms);
            for action in others {
                let entries = match action {
                    Action::Share(entries) => entries,
                    Action::Release { told, .. } => told.into_iter().collect(),
                    other => panic!("{other:?}"),
                };
                for entry in entries {
                    if shared.as_ref().is_none_or(|known| entry.is_newer_than(known)) {
                        shared = Some(entry);
                    }
                }
            }
            for ticket in claims {
                let claim = Claim::Granted { token: Token(1), told: shared.clone() };
                events.push(Event::Claimed { ticket, claim });
            }
            for ticket in sends {
                told.push((now_ms - T0) / 1_000);
                let outcome = Outcome::Taken(Default::default());
                events.push(Event::Attempted { ticket, outcome });
            }
            if events.is_empty() {
                now_ms += 10_000;
            }
        }
        if !fires {
            assert_eq!(one.sizes().0, 0, "its end was noted");
            now_ms += 120_000;
            step(&mut one, Event::Tick, now_ms);
            assert_eq!(one.sizes().1, 0, "its group is gone");
        }
    }
    assert_eq!(told.len(), 2, "each episode is told once: {told:?}");
}

#[test]
fn out_of_reach_each_waits_its_turn_and_then_tells_rather_than_not() {
    let mut second = replica(15_000);
    let now_ms = T0 + 10_000;
    assert!(step(&mut second, Event::Tick, now_ms).0.is_empty(), "those before it come first");
    let (claims, ..) = step(&mut second, Event::Tick, now_ms + 15_000);
    assert_eq!(claims.len(), 1);
    let claimed = Event::Claimed { ticket: claims[0], claim: Claim::Unreachable };
    let (_, sends, _) = step(&mut second, claimed, now_ms + 15_001);
    assert_eq!(sends.len(), 1);
    let taken = Event::Attempted { ticket: sends[0], outcome: Outcome::Taken(Default::default()) };
    let (.., others) = step(&mut second, taken, now_ms + 15_100);
    assert!(matches!(others.as_slice(), [Action::Share(entries)] if entries.len() == 1), "{others:?}");
}

#[test]
fn a_turn_comes_however_it_lies_to_the_interval_of_a_group() {
    // Groups are flushed every minute. Turns are as long, longer, twice as long; and the database, while it
    // is away, answers at once or after more than a minute.
    for (turn_s, answers_after_s) in [(60, 0), (100, 0), (120, 0), (60, 70), (100, 70), (15, 130)] {
        let mut third = replica(turn_s * 1_000);
        let mut told_at_s = None;
        let mut asked: Vec<(i64, u64)> = Vec::new();
        for seconds in 0..400 {
            let now_ms = T0 + seconds * 1_000;
            let (claims, ..) = step(&mut third, Event::Tick, now_ms);
            asked.extend(claims.into_iter().map(|ticket| (seconds + answers_after_s, ticket)));
            while let Some(at) = asked.iter().position(|(due_s, _)| *due_s <= seconds) {
                let claimed = Event::Claimed { ticket: asked.remove(at).1, claim: Claim::Unreachable };
                let (claims, sends, _) = step(&mut third, claimed, now_ms);
                asked.extend(claims.into_iter().map(|ticket| (seconds + answers_after_s, ticket)));
                for ticket in sends {
                    told_at_s.get_or_insert(seconds);
                    let outcome = Outcome::Taken(Default::default());
                    step(&mut third, Event::Attempted { ticket, outcome }, now_ms);
                }
            }
        }
        assert_eq!(told_at_s, Some(10 + turn_s + answers_after_s), "turn {turn_s} s, {answers_after_s} s");
    }
}

#[test]
fn what_ended_while_a_replica_was_down_is_not_told_to_fire_by_it() {
    let company = Company { is_alone: false, turn_ms: 0, must_settle: false };
    let alert = |ends_at_ms| Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: T0,
        ends_at_ms,
        generator_url: String::new(),
    };
    let mut one = Dispatcher::new(config(CARE), Limits::default(), Vec::new(), 1, T0);
    one.set_company(company);
    let mut log = Vec::new();
    let mut tell = |event, at_ms: i64| {
        let mut events = vec![event];
        let mut told = None;
        while let Some(event) = events.pop() {
            for action in one.step(event, at_ms) {
                match action {
                    Action::Remember(record) => log.push(record),
                    Action::Claim { ticket, .. } => {
                        let claim = Claim::Granted { token: Token(1), told: None };
                        events.push(Event::Claimed { ticket, claim });
                    }
                    Action::Send { ticket, .. } => {
                        let outcome = Outcome::Taken(Default::default());
                        events.push(Event::Attempted { ticket, outcome });
                    }
                    Action::Release { told: Some(entry), .. } => told = Some((entry, log.clone())),
                    _ => {}
                }
            }
        }
        told
    };
    tell(Event::Alerts(vec![alert(T0 + 3_600_000)]), T0);
    let (_, log_then) = tell(Event::Tick, T0 + 10_000).unwrap();
    tell(Event::Alerts(vec![alert(T0 + 20_000)]), T0 + 20_000);
    let (entry, _) = tell(Event::Tick, T0 + 70_000).unwrap();
    // The other one went down in between: in its log the alert fires.
    let now_ms = T0 + 80_000;
    let mut two = Dispatcher::new(config(CARE), Limits::default(), log_then, 2, now_ms);
    two.set_company(company);
    let (claims, ..) = step(&mut two, Event::Learned(vec![entry]), now_ms);
    assert!(claims.is_empty(), "its end was told");
    assert!(step(&mut two, Event::Tick, now_ms + 60_000).0.is_empty());
    // If it fires all the same, that is heard and told.
    let fires = Event::Alerts(vec![alert(T0 + 3_600_000)]);
    assert_eq!(step(&mut two, fires, now_ms + 61_000).0.len(), 1);
}

#[test]
fn a_receiver_that_another_replica_told_in_a_special_case_hears_of_the_end_from_this_one() {
    let mut two = replica(0);
    let (group, integration) = (two.groups.values().next().unwrap().name(&two.config), "mail/webhook[0]");
    let told: Fingerprints = [fingerprint(&[("alertname", "a")])].into_iter().collect();
    let ledger = Ledger {
        sent_at_ms: T0 + 1_000,
        stamp_ms: T0 + 1_000,
        firing: told.clone(),
        told,
        ..Ledger::default()
    };
    let mut body = Vec::new();
    let key = claim_key(&group, integration);
    Record::Ledger { group, integration: integration.into(), ledger }.encode(&mut body);
    let (kind, updated_at_ms) = (EntryKind::Ledger, T0 + 1_000);
    let entry = Entry { kind, key: key.clone(), updated_at_ms, expires_at_ms: i64::MAX, body };
    step(&mut two, Event::Learned(vec![entry]), T0 + 2_000);
    let ended = Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: T0,
        ends_at_ms: T0 + 3_000,
        generator_url: String::new(),
    };
    step(&mut two, Event::Alerts(vec![ended]), T0 + 3_000);
    let actions = two.step(Event::Tick, T0 + 10_000);
    assert!(
        actions.iter().any(|action| matches!(action, Action::Claim { key: of, .. } if *of == key)),
        "{actions:?}"
    );
}

#[test]
fn nothing_is_told_before_what_others_know_has_arrived() {
    let mut dispatcher = replica(0);
    dispatcher.set_company(Company { is_alone: false, turn_ms: 0, must_settle: true });
    assert!(step(&mut dispatcher, Event::Tick, T0 + 60_000).0.is_empty());
    assert_eq!(dispatcher.next_due_ms(), None);
    assert_eq!(step(&mut dispatcher, Event::Settled, T0 + 60_001).0.len(), 1);
}

#[test]
fn replicas_share_silences_and_acknowledgements() {
    let (mut one, mut two) = (replica(0), replica(0));
    let id = one.set_silence(silence("alertname", "x", T0 + 3_600_000), false, T0).unwrap();
    one.acknowledge(fingerprint(&[("alertname", "a")]), "me", "", None, T0).unwrap();
    let (.., shared) = step(&mut one, Event::Tick, T0);
    let entries = shared.into_iter().flat_map(|action| match action {
        Action::Share(entries) => entries,
        other => panic!("{other:?}"),
    });
    let entries: Vec<_> = entries.collect();
    step(&mut two, Event::Learned(entries.clone()), T0);
    assert!(two.silences().get(&id).is_some());
    assert_eq!(two.alerts(T0)[0].acknowledged.as_ref().unwrap().by, "me");
    // Who begins to share tells all of it, in case it never arrived.
    let kinds = |entries: &[Entry]| entries.iter().map(|entry| entry.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&two.entries(T0)), kinds(&entries));
    // What comes again changes nothing, and what was taken back stays so.
    two.unacknowledge(fingerprint(&[("alertname", "a")]), T0 + 1).unwrap();
    step(&mut two, Event::Learned(entries), T0 + 2);
    assert!(two.alerts(T0 + 2)[0].acknowledged.is_none());
}

/// One replica told the group; the entry it shared.
fn tell(dispatcher: &mut Dispatcher, now_ms: i64) -> Entry {
    let (claims, ..) = step(dispatcher, Event::Tick, now_ms);
    let claim = Claim::Granted { token: Token(1), told: None };
    step(dispatcher, Event::Claimed { ticket: claims[0], claim }, now_ms);
    let taken = Event::Attempted { ticket: claims[0], outcome: Outcome::Taken(Default::default()) };
    let (.., others) = step(dispatcher, taken, now_ms);
    match others.as_slice() {
        [Action::Release { told: Some(entry), .. }] => entry.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_is_short_however_long_an_attempt_may_take() {
    let yaml = "route: {receiver: r, group_wait: 10s, group_interval: 1h}\n\
                receivers: [{name: r, webhook_configs: [{url: 'http://a', timeout: 10m}]}]\n";
    let mut one = Dispatcher::new(config(yaml), Limits::default(), Vec::new(), 1, T0);
    one.set_company(Company { is_alone: false, turn_ms: 0, must_settle: false });
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: T0,
        ends_at_ms: T0 + 3_600_000,
        generator_url: String::new(),
    };
    one.step(Event::Alerts(vec![alert]), T0);
    let actions = one.step(Event::Tick, T0 + 10_000);
    let claimed = actions.iter().find_map(|action| match action {
        Action::Claim { ticket, key, lease_ms } => Some((*ticket, key.clone(), *lease_ms)),
        _ => None,
    });
    let (ticket, key, lease_ms) = claimed.unwrap();
    assert!(lease_ms <= 15_000, "one that is killed now keeps others waiting for {lease_ms} ms");
    let claim = Claim::Granted { token: Token(7), told: None };
    let actions = one.step(Event::Claimed { ticket, claim }, T0 + 10_000);
    let sent = actions.iter().any(|action| {
        matches!(action, Action::Send { claim, timeout_ms: 600_000, .. } if *claim == Some((key.clone(), Token(7))))
    });
    assert!(sent, "what is sent says what is to be renewed meanwhile: {actions:?}");
}

#[test]
fn a_clock_that_was_set_on_one_replica_changes_nothing_of_whose_word_is_the_later_one() {
    for by_ms in [3_600_000, -3_600_000] {
        let (mut one, mut two) = (replica(0), replica(0));
        let first = tell(&mut one, T0 + 10_000);
        step(&mut two, Event::Learned(vec![first]), T0 + 10_100);
        // The clock of one is set; what the other tells a little later is the later word all the same.
        step(&mut one, Event::ClockJumped { by_ms }, T0 + 20_000 + by_ms);
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "b")]),
            annotations: Labels::empty(),
            starts_at_ms: T0,
            ends_at_ms: T0 + 7_200_000,
            generator_url: String::new(),
        };
        step(&mut one, Event::Alerts(vec![alert.clone()]), T0 + 20_000 + by_ms);
        step(&mut two, Event::Alerts(vec![alert]), T0 + 20_000);
        let second = tell(&mut two, T0 + 70_200);
        step(&mut one, Event::Learned(vec![second.clone()]), T0 + 70_300 + by_ms);
        let (claims, ..) = step(&mut one, Event::Tick, T0 + 75_000 + by_ms);
        for ticket in claims {
            let claim = Claim::Granted { token: Token(2), told: Some(second.clone()) };
            let (_, sends, _) = step(&mut one, Event::Claimed { ticket, claim }, T0 + 75_100 + by_ms);
            assert!(sends.is_empty(), "set by {by_ms} ms: it was told by the other one");
        }
    }
}

#[test]
fn an_end_that_nobody_hears_of_on_a_muted_route_is_known_to_replicas_that_come_later() {
    let yaml = |muted: bool| {
        let intervals = if muted { "[always]" } else { "[]" };
        format!(
            "route:\n  receiver: r\n  routes: [{{receiver: r, matchers: [alertname=a], group_wait: 10s, \
             group_interval: 1m, mute_time_intervals: {intervals}}}]\n\
             receivers: [{{name: r, webhook_configs: [{{url: 'http://a', send_resolved: false}}]}}]\n\
             time_intervals: [{{name: always, time_intervals: [{{}}]}}]\n"
        )
    };
    let alert = |ends_at_ms| Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: T0,
        ends_at_ms,
        generator_url: String::new(),
    };
    let company = Company { is_alone: false, turn_ms: 0, must_settle: false };
    let mut one = Dispatcher::new(config(&yaml(false)), Limits::default(), Vec::new(), 1, T0);
    one.set_company(company);
    step(&mut one, Event::Alerts(vec![alert(T0 + 3_600_000)]), T0);
    let told = tell(&mut one, T0 + 10_000);
    step(&mut one, Event::Apply(config(&yaml(true))), T0 + 20_000);
    step(&mut one, Event::Alerts(vec![alert(T0 + 30_000)]), T0 + 30_000);
    let mut shared = vec![told];
    for seconds in [80, 140] {
        let (claims, sends, others) = step(&mut one, Event::Tick, T0 + seconds * 1_000);
        assert_eq!((claims.len(), sends.len()), (0, 0), "the route is muted");
        for action in others {
            if let Action::Share(entries) = action {
                shared.extend(entries);
            }
        }
    }
    assert_eq!(one.sizes().0, 0, "it is over");
    // One that comes later hears of all that, and of the alert when it fires anew.
    let now_ms = T0 + 600_000;
    let mut two = Dispatcher::new(config(&yaml(false)), Limits::default(), Vec::new(), 2, now_ms);
    two.set_company(company);
    step(&mut two, Event::Learned(shared), now_ms);
    step(&mut two, Event::Alerts(vec![Alert { starts_at_ms: now_ms, ..alert(now_ms + 3_600_000) }]), now_ms);
    let (claims, ..) = step(&mut two, Event::Tick, now_ms + 10_000);
    let claim = Claim::Granted { token: Token(1), told: None };
    let (_, sends, _) = step(&mut two, Event::Claimed { ticket: claims[0], claim }, now_ms + 10_000);
    assert_eq!(sends.len(), 1, "a new episode is told");
}

/// Two replicas; what one shares comes to the other as soon as it is told. The alerts come to the first.
struct Two {
    replicas: [Dispatcher; 2],
    now_ms: i64,
    /// How often the alert was told as flapping, and as anything else.
    told: (usize, usize),
}

impl Two {
    fn step(&mut self, number: usize, event: Event) {
        let mut events = vec![(number, event)];
        while let Some((number, event)) = events.pop() {
            for action in self.replicas[number].step(event, self.now_ms) {
                match action {
                    Action::Claim { ticket, .. } => {
                        let claim = Claim::Granted { token: Token(1), told: None };
                        events.push((number, Event::Claimed { ticket, claim }));
                    }
                    Action::Send { ticket, notification, .. } => {
                        let flaps =
                            |told: &crate::notification::Told| told.alert.annotations.get(FLAPPING).is_some();
                        match notification.alerts.iter().any(flaps) {
                            true => self.told.0 += 1,
                            false => self.told.1 += 1,
                        }
                        let outcome = Outcome::Taken(Default::default());
                        events.push((number, Event::Attempted { ticket, outcome }));
                    }
                    Action::Share(entries) => events.push((1 - number, Event::Learned(entries))),
                    Action::Release { told: Some(entry), .. } => {
                        events.push((1 - number, Event::Learned(vec![entry])));
                    }
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, number: usize, fires: bool) {
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "a")]),
            annotations: Labels::empty(),
            starts_at_ms: self.now_ms,
            ends_at_ms: self.now_ms + if fires { 3_600_000 } else { 0 },
            generator_url: String::new(),
        };
        self.step(number, Event::Alerts(vec![alert]));
    }

    fn is_flapping(&self, number: usize) -> bool {
        self.replicas[number].alerts(self.now_ms).iter().any(|view| view.is_flapping)
    }
}

#[test]
fn an_alert_that_flaps_at_one_replica_flaps_at_the_other_and_is_told_once() {
    let mut two = Two { replicas: [replica(0), replica(0)], now_ms: T0, told: (0, 0) };
    for at in 0..6 {
        two.now_ms += 20_000;
        two.send(0, at % 2 == 1);
        two.step(0, Event::Tick);
        two.step(1, Event::Tick);
    }
    assert!(two.is_flapping(0) && two.is_flapping(1), "what the first found the second has learned");
    for _ in 0..8 {
        two.now_ms += 30_000;
        two.step(1, Event::Tick);
        two.step(0, Event::Tick);
    }
    assert_eq!(two.told.0, 1, "as flapping it is told once");
    // The first one dies. It goes on flapping, now at the second.
    let before = two.told;
    two.replicas[0] = Dispatcher::new(config(CARE), Limits::default(), Vec::new(), 1, two.now_ms);
    for at in 0..20 {
        two.now_ms += 60_000;
        two.send(1, at % 2 == 1);
        two.step(1, Event::Tick);
        assert!(two.is_flapping(1));
    }
    let repeats = 4; // Every five minutes.
    assert_eq!(two.told, (before.0 + repeats, before.1), "nothing else is told until it is calm");
    // One that joins hears it from those that are there.
    let mut third = replica(0);
    let entries = two.replicas[1].entries(two.now_ms);
    third.step(Event::Learned(entries), two.now_ms);
    assert!(third.alerts(two.now_ms)[0].is_flapping);
    // Calm for the time, it no longer flaps.
    for _ in 0..11 {
        two.now_ms += 60_000;
        two.step(1, Event::Tick);
    }
    assert!(!two.is_flapping(1));
}

#[test]
fn that_an_alert_flaps_is_shared_now_and_then_and_not_with_each_change() {
    let mut one = replica(0);
    let mut shared = 0;
    for at in 0..200 {
        let now_ms = T0 + at * 3_000;
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "a")]),
            annotations: Labels::empty(),
            starts_at_ms: now_ms,
            ends_at_ms: now_ms + if at % 2 == 1 { 3_600_000 } else { 0 },
            generator_url: String::new(),
        };
        for action in one.step(Event::Alerts(vec![alert]), now_ms) {
            if let Action::Share(entries) = action {
                shared += entries.iter().filter(|entry| entry.kind == EntryKind::Flapping).count();
            }
        }
    }
    // Ten minutes, four times in the ten minutes after which it would count as calm.
    assert_eq!(shared, 4);
}

#[test]
fn what_another_replica_found_to_flap_long_ago_is_calm() {
    let mut one = replica(0);
    let mut body = Vec::new();
    let fingerprint = Labels::from_pairs([("alertname", "a")]).fingerprint();
    let flaps = Record::Flaps { fingerprint, changes: 9, since_ms: T0, at_ms: vec![T0; 4] };
    flaps.encode(&mut body);
    let entry = Entry {
        kind: EntryKind::Flapping,
        key: format!("{fingerprint:016x}"),
        updated_at_ms: T0,
        expires_at_ms: i64::MAX,
        body,
    };
    one.step(Event::Learned(vec![entry.clone()]), T0 + 600_000);
    assert!(!one.alerts(T0 + 600_000)[0].is_flapping);
    one.step(Event::Learned(vec![entry]), T0 + 599_000);
    assert!(one.alerts(T0 + 599_000)[0].is_flapping);
}
