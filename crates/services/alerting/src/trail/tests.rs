//! The trail over its files.

use std::fs;

use model::Labels;
use model::alert::{AlertPhase, RuleName};

use super::*;

const DAY: i64 = 86_400_000;
const START: i64 = 1_700_000_000_000;

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("alertname", name), ("team", "a")])
}

fn state(name: &str, at_ms: i64, phase: AlertPhase) -> Event {
    let rule = Arc::new(RuleName { file: "f".into(), group: "g".into(), name: name.into() });
    Event { at_ms, subject: Subject::Alert(labels(name)), step: Step::State { phase, value: 1.0, rule } }
}

fn attempted(names: &[&str], at_ms: i64) -> Event {
    let attempted = Attempted {
        group: "{}:{}".into(),
        integration: "team/webhook[0]".into(),
        reason: "first notification".into(),
        attempt: 1,
        answer: Answer::Taken,
        status: 200,
        latency_ms: 12,
        error: "".into(),
    };
    let alerts: Vec<Labels> = names.iter().map(|name| labels(name)).collect();
    Event { at_ms, subject: Subject::Alerts(alerts.into()), step: Step::Attempted(Arc::new(attempted)) }
}

fn all() -> Query {
    Query {
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        selected: Selected::All,
        limit: 1_000,
        after: None,
        newest_first: false,
    }
}

fn of(name: &str) -> Query {
    Query { selected: Selected::Fingerprint(labels(name).fingerprint()), ..all() }
}

fn told(trail: &Trail, query: &Query) -> Vec<String> {
    let shown = |row: Row| format!("{} {}", row.labels.value("alertname"), row.step.name());
    trail.query(query).unwrap().rows.into_iter().map(shown).collect()
}

fn open(dir: &std::path::Path, clock: &Clock) -> Trail {
    Trail::open(Options::new(dir), clock.clone()).unwrap()
}

#[test]
fn the_trail_of_one_alert_tells_its_own_steps_and_those_it_shared() {
    let dir = tempfile::tempdir().unwrap();
    let trail = open(dir.path(), &Clock::manual(START));
    trail.note([
        state("A", START, AlertPhase::Pending),
        state("B", START, AlertPhase::Firing),
        state("A", START + 60_000, AlertPhase::Firing),
        attempted(&["A", "B"], START + 90_000),
        attempted(&["B"], START + 99_000),
    ]);
    assert_eq!(told(&trail, &of("A")), ["A pending", "A firing", "A attempted"]);
    let newest = Query { newest_first: true, limit: 2, ..of("A") };
    assert_eq!(told(&trail, &newest), ["A attempted", "A firing"]);
    let later = Query { start_ms: START + 60_000, end_ms: START + 90_000, ..all() };
    assert_eq!(told(&trail, &later), ["A firing", "A attempted", "B attempted"]);
    let matchers = vec![vec![model::Matcher::equal("alertname", "B")]];
    assert_eq!(told(&trail, &Query { selected: Selected::Matchers(matchers), ..all() }).len(), 3);
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { segment_max_bytes: 300, ..Options::new(dir.path()) };
    let trail = Trail::open(options, clock).unwrap();
    let names: Vec<String> = (0..40).map(|at| format!("A{at:02}")).collect();
    for (at, name) in names.iter().enumerate() {
        trail.note([state(name, START + at as i64, AlertPhase::Firing), attempted(&[name, "Z"], START)]);
        trail.flush();
    }
    assert!(trail.status().segments > 5, "{:?}", trail.status());
    let whole = trail.query(&all()).unwrap().rows;
    assert_eq!(whole.len(), 120);
    for newest_first in [false, true] {
        let mut query = Query { limit: 7, newest_first, ..all() };
        let mut rows = Vec::new();
        loop {
            let page = trail.query(&query).unwrap();
            rows.extend(page.rows);
            let Some(next) = page.next else { break };
            query.after = Some(next.to_string().parse().unwrap());
        }
        if newest_first {
            rows.reverse();
        }
        assert_eq!(rows, whole, "{newest_first}");
    }
}

#[test]
fn a_day_is_sealed_and_a_restart_goes_on_with_its_own_day() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let trail = open(dir.path(), &clock);
    trail.note([state("A", START, AlertPhase::Firing)]);
    trail.flush();
    drop(trail);
    let trail = open(dir.path(), &clock);
    trail.note([state("B", START + 1, AlertPhase::Firing)]);
    trail.flush();
    assert_eq!(trail.status().segments, 1);
    clock.jump_to_ms(START + DAY);
    trail.note([state("A", START + DAY, AlertPhase::Resolved)]);
    trail.flush();
    drop(trail);
    let mut names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["trail-20231114-00000001.zst", "trail-20231115-00000002.log"]);
    let trail = open(dir.path(), &clock);
    assert_eq!(told(&trail, &of("A")), ["A firing", "A resolved"]);
    assert_eq!(told(&trail, &of("nobody")), [""; 0]);
}

#[test]
fn a_torn_end_is_cut_off_and_the_rest_kept() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let trail = open(dir.path(), &clock);
    trail.note([state("A", START, AlertPhase::Firing)]);
    trail.flush();
    let path = dir.path().join("trail-20231114-00000001.log");
    let boundary = fs::metadata(&path).unwrap().len() as usize;
    trail.note([state("B", START, AlertPhase::Firing)]);
    trail.flush();
    drop(trail);
    let whole = fs::read(&path).unwrap();
    for length in boundary..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let trail = open(dir.path(), &clock);
        trail.note([state("C", START, AlertPhase::Firing)]);
        assert_eq!(told(&trail, &all()), ["A firing", "C firing"], "cut at {length}");
        trail.flush();
    }
}

#[test]
fn what_is_too_old_or_too_much_goes_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let trail = open(dir.path(), &clock);
    for day in 0..100 {
        clock.jump_to_ms(START + day * DAY);
        trail.note([state(&format!("A{day}"), START + day * DAY, AlertPhase::Firing)]);
        trail.flush();
    }
    let rows = trail.query(&all()).unwrap().rows;
    assert_eq!(rows.first().unwrap().labels.value("alertname"), "A9", "90 days and today's");
    let size_bytes = trail.status().size_bytes;
    drop(trail);
    let options = Options { size_max_bytes: size_bytes / 2, ..Options::new(dir.path()) };
    let trail = Trail::open(options, clock).unwrap();
    let kept = trail.query(&all()).unwrap().rows;
    assert!(kept.len() < 50 && kept.len() > 30, "{}", kept.len());
    assert_eq!(kept.last(), rows.last());
}

#[test]
fn what_does_not_fit_is_counted_and_the_trail_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let trail = open(dir.path(), &Clock::manual(START));
    trail.note((0..QUEUE_EVENTS_MAX + 5).map(|_| state("A", START, AlertPhase::Firing)));
    assert_eq!(trail.status().lost, 5);
    let last = trail.query(&Query { newest_first: true, limit: 1, ..of("B") }).unwrap();
    assert_eq!(last.rows[0].step, Step::Lost { count: 5 });
}

#[test]
fn what_no_disk_takes_is_told_in_full_once_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let trail = open(&dir.path().join("trail"), &Clock::manual(START));
    fs::remove_dir(dir.path().join("trail")).unwrap();
    for count in [2, 3] {
        trail.note((0..count).map(|_| state("A", START, AlertPhase::Firing)));
        trail.flush();
    }
    assert_eq!((trail.status().lost, trail.status().failures), (5, 2));
    fs::create_dir(dir.path().join("trail")).unwrap();
    let rows = trail.query(&all()).unwrap().rows;
    assert_eq!(rows.iter().map(|row| &row.step).collect::<Vec<_>>(), [&Step::Lost { count: 5 }]);
}

#[test]
fn a_trail_that_is_off_takes_everything_and_knows_nothing() {
    let trail = Trail::off();
    trail.note([state("A", START, AlertPhase::Firing)]);
    assert_eq!((trail.query(&all()).unwrap(), trail.is_on()), (Page::default(), false));
}

#[test]
fn an_export_that_begins_with_the_last_event_tells_each_once_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let trail = open(dir.path(), &Clock::manual(START));
    let rule = Arc::new(RuleName { file: "f".into(), group: "g".into(), name: "A".into() });
    let count = ROWS_MAX as i64 + 5;
    trail.note((0..count).map(|at| Event {
        at_ms: START + at,
        subject: Subject::Alert(labels("A")),
        step: Step::State { phase: AlertPhase::Firing, value: 1.0, rule: rule.clone() },
    }));
    let mut times = Vec::new();
    let query = Query { newest_first: true, ..all() };
    trail
        .export(&query, &mut |row| {
            times.push(row.at_ms - START);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(times.into_iter().eq((0..count).rev()));
}

#[test]
fn rows_are_shown_as_json_and_csv() {
    let dir = tempfile::tempdir().unwrap();
    let trail = open(dir.path(), &Clock::manual(START));
    trail.note([
        Event {
            at_ms: START,
            subject: Subject::Alert(labels("A")),
            step: Step::Noted { text: "=1,\"x\"\n".into() },
        },
        attempted(&["A", "B"], START),
    ]);
    let rows = trail.query(&of("A")).unwrap().rows;
    let fingerprint = format!("{:016x}", labels("A").fingerprint());
    assert_eq!(
        show::json(&rows[0]),
        format!(
            r#"{{"time":"2023-11-14T22:13:20.000Z","fingerprint":"{fingerprint}","event":"noted","labels":{{"alertname":"A","team":"a"}},"text":"=1,\"x\"\n","cursor":"1-1-0"}}"#
        )
    );
    assert!(show::json(&rows[1]).contains(r#""status":200,"latency_ms":12,"together":2"#));
    let columns = show::csv_header().matches(',').count();
    let line = show::csv(&rows[0]);
    assert!(line.contains(",\"'=1,\"\"x\"\"\n\","), "{line}");
    assert_eq!(
        show::csv(&rows[1]).replace("\"{alertname=\"\"A\"\", team=\"\"a\"\"}\"", "").matches(',').count(),
        columns
    );
}

#[tokio::test]
async fn events_are_written_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::start(Options::new(dir.path()), Clock::system()).unwrap();
    trail.note([state("A", START, AlertPhase::Firing)]);
    for _ in 0..6_000 {
        if trail.status().segments == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not written");
}

/// Says what a storm costs, beside whoever notes it and behind: `cargo test --release -- --ignored storm --nocapture`.
#[test]
#[ignore = "measures"]
#[allow(clippy::print_stdout)]
fn a_storm_is_noted_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(Options::new(dir.path()), Clock::system()).unwrap();
    let clock = Clock::system();
    let alerts: Vec<Labels> = (0..100_000)
        .map(|at| {
            Labels::from_pairs([("alertname", "Storm".to_string()), ("instance", format!("host-{at}:9100"))])
        })
        .collect();
    let rule = Arc::new(RuleName { file: "f".into(), group: "g".into(), name: "Storm".into() });
    let mark = clock.mark();
    trail.note(alerts.iter().map(|labels| Event {
        at_ms: START,
        subject: Subject::Alert(labels.clone()),
        step: Step::State { phase: AlertPhase::Firing, value: 1.0, rule: rule.clone() },
    }));
    let noted = mark.elapsed();
    let mark = clock.mark();
    trail.flush();
    let written = mark.elapsed();
    let mark = clock.mark();
    let one = Selected::Fingerprint(alerts[77_777].fingerprint());
    assert_eq!(trail.query(&Query { selected: one, ..all() }).unwrap().rows.len(), 1);
    println!(
        "noted in {noted:?}, written in {written:?} ({} bytes), one found in {:?}",
        trail.status().size_bytes,
        mark.elapsed()
    );
}

#[test]
fn of_what_a_disk_took_in_part_only_the_rest_counts_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_max_bytes: 1, ..Options::new(dir.path()) };
    let trail = Trail::open(options, Clock::manual(START)).unwrap();
    // The second segment cannot be made.
    let name = format!("trail-{}-00000002.log", gocompat::layout::format_ms("20060102", START));
    fs::create_dir(dir.path().join(&name)).unwrap();
    trail.note((0..5_000).map(|_| state("A", START, AlertPhase::Firing)));
    trail.flush();
    assert_eq!(trail.status().lost, 5_000 - 4_096);
    fs::remove_dir(dir.path().join(&name)).unwrap();
    trail.flush();
    let last = trail.query(&Query { newest_first: true, limit: 1, ..all() }).unwrap();
    assert_eq!(last.rows[0].step, Step::Lost { count: 5_000 - 4_096 });
    assert_eq!(trail.query(&Query { limit: 10_000, ..of("A") }).unwrap().rows.len(), 4_097, "and that line");
}
