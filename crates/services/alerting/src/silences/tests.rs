//! What silences do, told as stories.

use super::*;
use model::MatchOp;

const NOW: i64 = 1_700_000_000_000; // Tuesday, 22:13:20 UTC.
const MINUTE: i64 = 60_000;

fn text(name: &str, op: MatchOp, value: &str) -> MatcherText {
    MatcherText { name: name.into(), op, value: value.into() }
}

fn draft(set: Vec<MatcherText>) -> Draft {
    Draft {
        matcher_sets: vec![set],
        starts_at_ms: Some(NOW),
        ends_at_ms: Some(NOW + 10 * MINUTE),
        created_by: "me".into(),
        comment: "why".into(),
        ..Draft::default()
    }
}

fn equal(name: &str, value: &str) -> Draft {
    draft(vec![text(name, MatchOp::Equal, value)])
}

fn of(silence: &Silence) -> Draft {
    Draft {
        id: silence.id.clone(),
        matcher_sets: silence.matcher_sets.iter().map(|set| set.iter().map(Into::into).collect()).collect(),
        starts_at_ms: Some(silence.starts_at_ms),
        ends_at_ms: Some(silence.ends_at_ms),
        created_by: silence.created_by.clone(),
        comment: silence.comment.clone(),
        annotations: silence.annotations.clone(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn silenced_by(silences: &Silences, pairs: &[(&str, &str)], now_ms: i64) -> Vec<String> {
    silences.silenced_by(&labels(pairs), &Found::default(), now_ms)
}

#[test]
fn a_silence_is_pending_then_active_then_expired_then_forgotten() {
    let mut silences = Silences::new(SilenceLimits::default());
    let mut later = equal("a", "1");
    later.starts_at_ms = Some(NOW + MINUTE);
    silences.set(later, "id".into(), NOW).unwrap();
    let at = |silences: &Silences, now_ms| {
        (silences.view("id", now_ms).unwrap().state, silenced_by(silences, &[("a", "1")], now_ms).len())
    };
    assert_eq!(at(&silences, NOW), (SilenceState::Pending, 0));
    assert_eq!(at(&silences, NOW + MINUTE), (SilenceState::Active, 1));
    assert_eq!(at(&silences, NOW + 10 * MINUTE), (SilenceState::Expired, 0));
    let kept_until = NOW + 10 * MINUTE + silences.limits().retention_ms;
    assert!(silences.forget_old(kept_until - 1).is_empty());
    assert_eq!(silences.forget_old(kept_until), ["id"]);
    assert!(silences.is_empty() && silences.view("id", NOW).is_none());
}

#[test]
fn a_change_that_leaves_history_true_is_made_in_place_and_any_other_makes_a_new_one() {
    let mut silences = Silences::new(SilenceLimits::default());
    silences.set(equal("a", "1"), "one".into(), NOW).unwrap();
    let one = silences.get("one").unwrap().clone();
    let now_ms = NOW + MINUTE;
    // Longer, and with another comment: the same silence.
    let longer = Draft { ends_at_ms: Some(NOW + 60 * MINUTE), comment: "still".into(), ..of(&one) };
    assert_eq!(silences.set(longer, "x".into(), now_ms).unwrap().id, "one");
    assert_eq!(silences.get("one").unwrap().comment, "still");
    // About other alerts: the old one ends, so that what it silenced stays known.
    let other = Draft { id: "one".into(), ..equal("a", "2") };
    let changed = silences.set(other, "two".into(), now_ms).unwrap();
    assert_eq!((changed.id.as_str(), changed.silences.len()), ("two", 2));
    assert_eq!(silences.view("one", now_ms).unwrap().state, SilenceState::Expired);
    assert_eq!(silences.get("two").unwrap().starts_at_ms, now_ms, "it does not begin in the past");
    // An expired one is never taken up again.
    let again = Draft { ends_at_ms: Some(now_ms + MINUTE), ..of(&one) };
    assert_eq!(silences.set(again, "three".into(), now_ms + 1).unwrap().id, "three");
    let unknown = Draft { id: "nobody".into(), ..equal("a", "1") };
    assert_eq!(silences.set(unknown, "x".into(), NOW), Err(SilenceError::NotFound));
}

#[test]
fn a_pending_silence_can_be_moved_within_the_future_and_expired_at_once() {
    let mut silences = Silences::new(SilenceLimits::default());
    let mut pending = equal("a", "1");
    pending.starts_at_ms = Some(NOW + 5 * MINUTE);
    silences.set(pending, "one".into(), NOW).unwrap();
    let sooner = Draft { starts_at_ms: Some(NOW + MINUTE), ..of(silences.get("one").unwrap()) };
    assert_eq!(silences.set(sooner, "x".into(), NOW).unwrap().id, "one");
    assert!(silences.expire("one", NOW + 1).unwrap().is_some());
    let one = silences.get("one").unwrap();
    assert_eq!((one.starts_at_ms, one.ends_at_ms), (NOW + 1, NOW + 1));
    assert_eq!(silences.expire("one", NOW + 2), Ok(None), "again changes nothing");
    assert_eq!(silences.expire("two", NOW), Err(SilenceError::NotFound));
}

#[test]
fn what_cannot_be_is_refused_in_words_that_tools_know() {
    let mut silences = Silences::new(SilenceLimits { silences_max: 1, ..SilenceLimits::default() });
    let mut error = |draft: Draft| silences.set(draft, "x".into(), NOW).unwrap_err().to_string();
    assert_eq!(error(draft(vec![])), "invalid silence: matcher set 0 is empty");
    assert_eq!(
        error(Draft { matcher_sets: Vec::new(), ..draft(vec![]) }),
        "invalid silence: at least one matcher set required"
    );
    assert_eq!(
        error(draft(vec![text("a", MatchOp::Equal, ""), text("b", MatchOp::Regex, "x?")])),
        "invalid silence: matcher set 0: at least one matcher must not match the empty string"
    );
    assert_eq!(
        error(draft(vec![text("a", MatchOp::Equal, "1"), text("", MatchOp::Equal, "1")])),
        "invalid silence: invalid label matcher 1 in set 0: invalid label name \"\""
    );
    assert_eq!(
        error(draft(vec![text("a", MatchOp::Regex, "(")])),
        "invalid silence: invalid label matcher 0 in set 0: invalid regular expression \"(\": \
         error parsing regexp: missing closing ): `(`"
    );
    assert_eq!(
        error(Draft { ends_at_ms: Some(NOW), ..equal("a", "1") }),
        "Failed to create silence: start time must be before end time"
    );
    let past = Draft { starts_at_ms: Some(NOW - 9), ends_at_ms: Some(NOW - 1), ..equal("a", "1") };
    assert_eq!(error(past), "Failed to create silence: end time can't be in the past");
    silences.set(equal("a", "1"), "one".into(), NOW).unwrap();
    let error = silences.set(equal("a", "2"), "two".into(), NOW).unwrap_err();
    assert_eq!(error.to_string(), "exceeded maximum number of silences: 1 (limit: 1)");
}

#[test]
fn a_negative_matcher_alone_is_enough() {
    let mut silences = Silences::new(SilenceLimits::default());
    silences.set(draft(vec![text("a", MatchOp::NotEqual, "1")]), "one".into(), NOW).unwrap();
    assert_eq!(silenced_by(&silences, &[("a", "2")], NOW), ["one"]);
    assert!(silenced_by(&silences, &[("a", "1")], NOW).is_empty());
}

#[test]
fn the_size_that_is_limited_is_that_of_the_stored_message() {
    // 38 for the id, 10 for the set, 8 for each time, 4 and 5 for who and why, 2 around them.
    let mut silences = Silences::new(SilenceLimits { size_max_bytes: 90, ..SilenceLimits::default() });
    let id = "0".repeat(36);
    let error = silences.set(equal("a", "1"), id, NOW).unwrap_err();
    assert_eq!(error, SilenceError::TooLarge { size_bytes: 91, max_bytes: 90 });
}

#[test]
fn a_silence_that_recurs_is_in_force_only_at_its_times() {
    let mut silences = Silences::new(SilenceLimits::default());
    let mut nightly = equal("a", "1");
    nightly.ends_at_ms = Some(NOW + 30 * 24 * 60 * MINUTE);
    let times = "[{times: [{start_time: '23:00', end_time: '24:00'}], weekdays: ['tuesday']}]";
    nightly.annotations.insert(RECURS.into(), times.into());
    silences.set(nightly.clone(), "one".into(), NOW).unwrap();
    let hours = |hours: i64| NOW + hours * 60 * MINUTE;
    for (at, expected) in [(0, 0), (1, 1), (2, 0), (25, 0), (1 + 7 * 24, 1)] {
        assert_eq!(silenced_by(&silences, &[("a", "1")], hours(at)).len(), expected, "after {at} h");
    }
    let view = silences.view("one", NOW).unwrap();
    assert_eq!((view.state, view.is_in_force), (SilenceState::Active, false));
    nightly.annotations.insert(RECURS.into(), "[{wekdays: []}]".into());
    let error = silences.set(nightly, "two".into(), NOW).unwrap_err().to_string();
    assert!(error.starts_with("invalid silence: annotation \"promontory/time_intervals\": "), "{error}");
}

#[test]
fn of_two_versions_the_later_one_holds_wherever_they_come_from() {
    let mut silences = Silences::new(SilenceLimits::default());
    silences.set(equal("a", "1"), "one".into(), NOW).unwrap();
    let known = silences.get("one").unwrap().clone();
    let older = Silence { comment: "old".into(), updated_at_ms: NOW - 1, ..known.clone() };
    let newer = Silence { comment: "new".into(), updated_at_ms: NOW + 1, ..known.clone() };
    assert!(!silences.learn(older, NOW) && silences.learn(newer, NOW));
    assert_eq!(silences.get("one").unwrap().comment, "new");
    let long_gone = Silence { id: "two".into(), ends_at_ms: 1, ..known };
    assert!(!silences.learn(long_gone, NOW), "nobody needs it");
}

#[test]
fn lists_are_ordered_by_what_comes_next_and_filtered_word_for_word() {
    let mut silences = Silences::new(SilenceLimits::default());
    for (id, starts, ends) in [("a", 5, 9), ("b", 0, 8), ("c", 0, 3), ("d", 4, 6), ("e", 0, 1), ("f", 0, 2)] {
        let mut draft = equal("x", id);
        draft.starts_at_ms = Some(NOW + starts * MINUTE);
        draft.ends_at_ms = Some(NOW + ends * MINUTE);
        silences.set(draft, id.into(), NOW).unwrap();
    }
    let list = |filter: &SilenceFilter| -> String {
        silences.list(filter, NOW + 2 * MINUTE + 1).into_iter().map(|view| view.silence.id).collect()
    };
    assert_eq!(list(&SilenceFilter::default()), "cbdafe");
    assert_eq!(list(&SilenceFilter { states: vec![SilenceState::Pending], ..Default::default() }), "da");
    let matchers = vec![Matcher::equal("x", "c")];
    assert_eq!(list(&SilenceFilter { matchers, ..Default::default() }), "c");
}

#[test]
fn the_index_finds_what_a_search_of_all_would() {
    let mut silences = Silences::new(SilenceLimits::default());
    let mut state = 1u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let values = ["", "1", "2", "3", "1|2", "(2|3)", "[12]", ".*", ".+", "1|"];
    let ops = [MatchOp::Equal, MatchOp::Regex, MatchOp::NotEqual, MatchOp::NotRegex];
    let mut kept: Vec<(Labels, Found)> = Vec::new();
    for a in ["", "1", "2", "3"] {
        for b in ["", "1", "2", "3"] {
            kept.push((labels(&[("a", a), ("b", b)]), Found::default()));
        }
    }
    for round in 0..400 {
        let mut sets = Vec::new();
        for _ in 0..1 + below(2) {
            let matcher = |below: &mut dyn FnMut(u64) -> u64| {
                let name = ["a", "b"][below(2) as usize];
                text(name, ops[below(4) as usize], values[below(10) as usize])
            };
            sets.push((0..1 + below(2)).map(|_| matcher(&mut below)).collect());
        }
        let _ = silences.set(Draft { matcher_sets: sets, ..draft(vec![]) }, format!("{round}"), NOW);
        if below(3) == 0 {
            silences.remove(&below(round + 1).to_string());
        }
        for (labels, found) in &mut kept {
            if below(4) == 0 {
                silences.look(labels, found);
            }
            let mut expected: Vec<String> =
                silences.iter().filter(|s| s.matches(labels)).map(|s| s.id.clone()).collect();
            expected.sort_unstable();
            assert_eq!(silences.silenced_by(labels, found, NOW), expected, "round {round}: {labels}");
        }
    }
}

#[test]
fn ten_thousand_silences_are_not_held_against_every_alert() {
    let mut silences = Silences::new(SilenceLimits::default());
    for number in 0..10_000 {
        let mut set = vec![text("alertname", MatchOp::Equal, "Down")];
        set.push(match number % 2 {
            0 => text("instance", MatchOp::Equal, &format!("host-{number}:9100")),
            _ => text("instance", MatchOp::Regex, &format!(r"host-{number}:9100|host-{number}\.x:9100")),
        });
        silences.set(draft(set), number.to_string(), NOW).unwrap();
    }
    let alert = labels(&[("alertname", "Down"), ("instance", "host-77:9100"), ("job", "node")]);
    // The very first ones were kept under `alertname`, before it was crowded.
    assert!(silences.index.candidates(&alert).count() < 10);
    assert_eq!(silences.silenced_by(&alert, &Found::default(), NOW), ["77"]);
}
