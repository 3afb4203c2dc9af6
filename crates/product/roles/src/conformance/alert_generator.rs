//! `prometheus/alert-generator`: the specification, section by section, for each of its groups of rules. Samples
//! come in as time goes on, rules are evaluated every 30 s, and after each evaluation what the API, the series
//! `ALERTS` and the alerts that were sent say is compared with what the specification demands.
//!
//! What it demands is computed here from the samples alone, without the evaluator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gocompat::layout;
use model::{Alert, Labels, METRIC_NAME};
use rules::file::{Defaults, RuleKind};
use rules::stepped::Stepped;
use rules::{Config, GroupSpec, RuleSpec, parse_file};
use serde_json::Value;
use testkit::SuiteResult;

const START_MS: i64 = 1_700_000_010_000;
const INTERVAL_MS: i64 = 30_000;
/// Samples come at this distance, as the test suite sends them.
const SCRAPE_MS: i64 = 15_000;
const MINUTE_MS: i64 = 60_000;
const RESEND_MS: i64 = 60_000;
const RESOLVED_RETENTION_MS: i64 = 15 * MINUTE_MS;
const URL: &str = "http://generator.example/base";

/// A series that an alert is about.
struct Source {
    /// Labels beside the metric's name, `alertname` and `rulegroup`.
    extra: &'static [(&'static str, &'static str)],
    /// The rule it is for.
    rule: &'static str,
    /// Its value at a minute; none before it begins.
    value: fn(f64) -> Option<f64>,
}

/// A group of rules and what happens to it.
struct Case {
    group: &'static str,
    minutes: i64,
    sources: &'static [Source],
}

/// What the four groups go through.
const CASES: [Case; 4] = [
    Case {
        group: "PendingAndFiringAndResolved",
        minutes: 60,
        sources: &[Source {
            extra: &[],
            rule: "PendingAndFiringAndResolved_SimpleAlert",
            // Fires with changing values, ends for good, then begins anew as another alert.
            value: |minute| {
                Some(match minute {
                    m if m < 4.0 => 3.0,
                    m if m < 12.0 => 15.0,
                    m if m < 20.0 => 19.0,
                    m if m < 40.0 => 5.0,
                    _ => 12.0,
                })
            },
        }],
    },
    Case {
        group: "PendingAndResolved_AlwaysInactive",
        minutes: 30,
        sources: &[
            Source {
                extra: &[],
                rule: "PendingAndResolved_AlwaysInactive_PendingAlert",
                value: |minute| Some(if (5.0..7.0).contains(&minute) { 15.0 } else { 3.0 }),
            },
            Source {
                extra: &[],
                rule: "PendingAndResolved_AlwaysInactive_InactiveAlert",
                value: |minute| Some(if (5.0..7.0).contains(&minute) { 15.0 } else { 3.0 }),
            },
        ],
    },
    Case {
        group: "ZeroFor_SmallFor",
        minutes: 40,
        sources: &[
            Source {
                extra: &[],
                rule: "ZeroFor_SmallFor_ZeroFor",
                // A gap shorter than the memory of what ended.
                value: |minute| Some(if (4.0..9.0).contains(&minute) || minute >= 15.0 { 15.0 } else { 5.0 }),
            },
            Source {
                extra: &[],
                rule: "ZeroFor_SmallFor_SmallFor",
                value: |minute| Some(if (4.0..9.0).contains(&minute) { 19.0 } else { 5.0 }),
            },
            Source { extra: &[("for", "template"), ("id", "1")], rule: "", value: |_| Some(2.0) },
            Source { extra: &[("for", "template"), ("id", "2")], rule: "", value: |_| Some(4.0) },
        ],
    },
    Case {
        group: "NewAlerts_OrderCheck",
        minutes: 40,
        sources: &[
            Source {
                extra: &[("variant", "one")],
                rule: "NewAlerts_OrderCheck_Rule1",
                value: |minute| Some(if (4.0..24.0).contains(&minute) { 15.0 } else { 3.0 }),
            },
            Source {
                extra: &[("variant", "two")],
                rule: "NewAlerts_OrderCheck_Rule1",
                value: |minute| (minute >= 8.0).then_some(if minute < 20.0 { 15.0 } else { 3.0 }),
            },
        ],
    },
];

/// Runs the suite.
pub fn alert_generator(dir: &Path) -> SuiteResult {
    let path = dir.join("alert-generator/rules.yaml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return SuiteResult::broken(format!("{}: {error}", path.display())),
    };
    let groups = match parse_file("rules.yaml", &text, Defaults::default(), &promql::Features::default()) {
        Ok(groups) => groups,
        Err(errors) => {
            return SuiteResult::broken(
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            );
        }
    };
    let mut result = SuiteResult::default();
    for group in &groups {
        match CASES.iter().find(|case| case.group == group.name) {
            Some(case) => run(case, group, &mut result),
            None => result.add(Err(format!("{}: nothing is known of this group", group.name))),
        }
    }
    by_hand(&mut result);
    result
}

/// The sections of the specification that are looked at for each group.
const SECTIONS: [&str; 9] = [
    "pending state",
    "firing state",
    "inactive state",
    "time series",
    "sending firing alerts",
    "sending inactive alerts",
    "payload",
    "GET /api/v1/rules",
    "GET /api/v1/alerts",
];

/// The first failure of each section.
#[derive(Default)]
struct Failures(BTreeMap<&'static str, String>);

impl Failures {
    fn check<T: PartialEq + std::fmt::Debug>(
        &mut self,
        section: &'static str,
        at: i64,
        what: &str,
        got: T,
        expected: T,
    ) {
        if got != expected {
            let text = || format!("{} s, {what}: got {got:?}, expected {expected:?}", at / 1000);
            self.0.entry(section).or_insert_with(text);
        }
    }
}

/// What has to be so of one alert.
#[derive(Clone, Debug)]
struct Expected {
    rule: usize,
    labels: Labels,
    annotations: Labels,
    value: f64,
    active_at_ms: i64,
    fired_at_ms: i64,
    resolved_at_ms: i64,
    sent_at_ms: i64,
}

impl Expected {
    fn state(&self) -> &'static str {
        match (self.resolved_at_ms, self.fired_at_ms) {
            (0, 0) => "pending",
            (0, _) => "firing",
            _ => "inactive",
        }
    }
}

fn run(case: &Case, group: &GroupSpec, result: &mut SuiteResult) {
    let mut failures = Failures::default();
    let config = Config { external_url: URL.into(), resend_delay_ms: RESEND_MS, ..Config::default() };
    let mut stepped = Stepped::new(vec![group.clone()], config);
    let mut known: BTreeMap<Labels, Expected> = BTreeMap::new();
    let mut fed_ms = START_MS;
    let mut at_ms = START_MS;
    while at_ms <= START_MS + case.minutes * MINUTE_MS {
        while fed_ms <= at_ms {
            let minute = (fed_ms - START_MS) as f64 / MINUTE_MS as f64;
            for source in case.sources {
                if let Some(value) = (source.value)(minute) {
                    stepped.add(&series(case, source), fed_ms, value);
                }
            }
            fed_ms += SCRAPE_MS;
        }
        let sent = stepped.evaluate(at_ms);
        let due = expect(case, group, &mut known, at_ms);
        look(&mut failures, &stepped, group, &known, at_ms - START_MS, at_ms);
        look_at_sent(&mut failures, group, &sent, &due, at_ms - START_MS, at_ms);
        at_ms += INTERVAL_MS;
    }
    for section in SECTIONS {
        result.add(match failures.0.remove(section) {
            None => Ok(()),
            Some(failure) => Err(format!("{}, {section}: {failure}", case.group)),
        });
    }
}

fn series(case: &Case, source: &Source) -> Labels {
    let mut pairs = vec![(METRIC_NAME, "alert_generator_test_suite"), ("rulegroup", case.group)];
    if !source.rule.is_empty() {
        pairs.push(("alertname", source.rule));
    }
    pairs.extend(source.extra.iter().copied());
    Labels::from_pairs(pairs)
}

/// The labels with which a rule finds something, and the value, at an evaluation.
fn found(case: &Case, rule: &RuleSpec, known: &BTreeMap<Labels, Expected>, at_ms: i64) -> Vec<(Labels, f64)> {
    if rule.name() == "NewAlerts_OrderCheck_Rule2" {
        // Of what the rule before has made of its alerts at this very evaluation.
        let firing = known.values().filter(|alert| alert.rule == 0 && alert.state() == "firing").count();
        let labels = Labels::from_pairs([
            ("alertname", "NewAlerts_OrderCheck_Rule1"),
            ("alertstate", "firing"),
            ("foo", "bar"),
            ("rulegroup", case.group),
        ]);
        return if firing == 2 { vec![(labels, 2.0)] } else { Vec::new() };
    }
    let threshold = match rule.name() {
        "PendingAndResolved_AlwaysInactive_InactiveAlert" => 99.0,
        "ZeroFor_SmallFor_SmallFor" => 13.0,
        _ => 10.0,
    };
    let minute = (at_ms - START_MS) as f64 / MINUTE_MS as f64;
    let of_rule = case.sources.iter().filter(|source| source.rule == rule.name());
    of_rule
        .filter_map(|source| {
            let value = (source.value)(minute).filter(|value| *value > threshold)?;
            Some((series(case, source).without_metric_name(), value))
        })
        .collect()
}

/// Takes the evaluation at `at_ms` in, and gives the alerts that are due to be sent.
fn expect(
    case: &Case,
    group: &GroupSpec,
    known: &mut BTreeMap<Labels, Expected>,
    at_ms: i64,
) -> BTreeMap<Labels, Expected> {
    for (at, rule) in group.rules.iter().enumerate() {
        let RuleKind::Alert { hold_ms, .. } = &rule.kind else { continue };
        let mut present = BTreeSet::new();
        for (source, value) in found(case, rule, known, at_ms) {
            let mut builder = source.to_builder();
            for (name, text) in &rule.labels {
                builder.set(name, text);
            }
            builder.set("alertname", rule.name());
            let labels = builder.build();
            present.insert(labels.clone());
            let annotations = annotations_of(rule.name(), value);
            let is_over = known.get(&labels).is_some_and(|alert| alert.resolved_at_ms != 0);
            if is_over {
                known.remove(&labels);
            }
            let alert = known.entry(labels.clone()).or_insert_with(|| Expected {
                rule: at,
                labels,
                annotations: Labels::empty(),
                value,
                active_at_ms: at_ms,
                fired_at_ms: 0,
                resolved_at_ms: 0,
                sent_at_ms: 0,
            });
            (alert.value, alert.annotations) = (value, annotations);
            if alert.fired_at_ms == 0 && at_ms - alert.active_at_ms >= *hold_ms {
                alert.fired_at_ms = at_ms;
            }
        }
        known.retain(|labels, alert| {
            if alert.rule != at || present.contains(labels) {
                return true;
            }
            if alert.resolved_at_ms == 0 {
                alert.resolved_at_ms = at_ms;
            }
            // One that never fired is nothing any more.
            alert.fired_at_ms != 0 && at_ms - alert.resolved_at_ms <= RESOLVED_RETENTION_MS
        });
    }
    let mut due = BTreeMap::new();
    for (labels, alert) in known.iter_mut() {
        let is_new = alert.resolved_at_ms == at_ms || alert.fired_at_ms == at_ms;
        let is_due = alert.state() != "pending" && (is_new || at_ms - alert.sent_at_ms > RESEND_MS);
        if is_due {
            alert.sent_at_ms = at_ms;
            due.insert(labels.clone(), alert.clone());
        }
    }
    due
}

/// The annotations as the templates have to come out.
fn annotations_of(rule: &str, value: f64) -> Labels {
    let summary = format!("The value is {value} {value}");
    let pairs: Vec<(&str, &str)> = match rule {
        "PendingAndFiringAndResolved_SimpleAlert" => {
            vec![("description", "SimpleAlert is firing"), ("summary", &summary)]
        }
        "PendingAndResolved_AlwaysInactive_PendingAlert" => vec![("description", "SimpleAlert is firing")],
        "PendingAndResolved_AlwaysInactive_InactiveAlert" => vec![("description", "This should never fire")],
        "ZeroFor_SmallFor_ZeroFor" => vec![
            ("description", "This should immediately fire"),
            ("template_query_test", "Args are: foo bar 99. first_id:1,1:2,2:4,"),
            ("template_test", "1.049M 1Mi 2m 15s 95.9% 2022-01-25 12:36:43 +0000 UTC"),
        ],
        "ZeroFor_SmallFor_SmallFor" => vec![
            ("description", "This should fire after an interval"),
            ("template_test", "This Part IS TESTING the strings. ::1 127.0.0.1. 7815. replaced text. ."),
        ],
        "NewAlerts_OrderCheck_Rule1" => vec![("description", "This should produce more alerts later")],
        "NewAlerts_OrderCheck_Rule2" => vec![(
            "description",
            "Based on ALERTS. Old alertname was NewAlerts_OrderCheck_Rule1. foo was bar.",
        )],
        _ => Vec::new(),
    };
    Labels::from_pairs(pairs)
}

fn labels_of(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or(""))))
}

fn time_of(value: &Value) -> i64 {
    value.as_str().and_then(layout::parse_rfc3339_ms).unwrap_or(0)
}

/// Compares what can be seen after an evaluation.
fn look(
    failures: &mut Failures,
    stepped: &Stepped,
    group: &GroupSpec,
    known: &BTreeMap<Labels, Expected>,
    at: i64,
    at_ms: i64,
) {
    let status = stepped.status();
    let active =
        |rule: usize| known.values().filter(move |alert| alert.rule == rule && alert.state() != "inactive");
    for (section, wanted) in [("pending state", "pending"), ("firing state", "firing")] {
        let got: BTreeSet<(Labels, i64, Labels)> = status
            .iter()
            .flat_map(|group| &group.rules)
            .flat_map(|rule| &rule.alerts)
            .filter(|alert| alert.state.as_str() == wanted)
            .map(|alert| (alert.labels.clone(), alert.active_at_ms, alert.annotations.clone()))
            .collect();
        let expected = known
            .values()
            .filter(|alert| alert.state() == wanted)
            .map(|alert| (alert.labels.clone(), alert.active_at_ms, alert.annotations.clone()))
            .collect();
        failures.check(section, at, "alerts", got, expected);
    }
    let visible: BTreeSet<Labels> = status
        .iter()
        .flat_map(|group| &group.rules)
        .flat_map(|rule| &rule.alerts)
        .map(|alert| alert.labels.clone())
        .collect();
    let wrongly: Vec<&Labels> = known
        .values()
        .filter(|alert| alert.state() == "inactive")
        .map(|a| &a.labels)
        .filter(|l| visible.contains(*l))
        .collect();
    failures.check("inactive state", at, "ended alerts that are shown", wrongly, Vec::new());

    let got: BTreeSet<(Labels, String)> = stepped
        .query("ALERTS", at_ms)
        .unwrap_or_default()
        .into_iter()
        .map(|sample| (sample.labels.clone(), sample.float().to_string()))
        .collect();
    let expected = (0..group.rules.len())
        .flat_map(active)
        .map(|alert| {
            let mut labels = alert.labels.to_builder();
            labels.set(METRIC_NAME, "ALERTS").set("alertstate", alert.state());
            (labels.build(), "1".to_string())
        })
        .collect();
    failures.check("time series", at, "ALERTS", got, expected);

    let views = status.into_iter().map(crate::ask::group_view).map(serde_json::to_value);
    let views: Vec<Value> = views.filter_map(Result::ok).collect();
    let (rules, alerts) = ("GET /api/v1/rules", "GET /api/v1/alerts");
    let mut all = Vec::new();
    for view in &views {
        failures.check(rules, at, "name", view["name"].as_str(), Some(group.name.as_str()));
        failures.check(rules, at, "interval", view["interval"].as_f64(), Some(30.0));
        failures.check(rules, at, "lastEvaluation", time_of(&view["lastEvaluation"]), at_ms);
        let listed = view["rules"].as_array().cloned().unwrap_or_default();
        failures.check(rules, at, "number of rules", listed.len(), group.rules.len());
        for (place, (rule, spec)) in listed.iter().zip(&group.rules).enumerate() {
            let RuleKind::Alert { hold_ms, annotations, .. } = &spec.kind else { continue };
            let states: Vec<&str> = active(place).map(Expected::state).collect();
            let state = ["firing", "pending"].into_iter().find(|s| states.contains(s)).unwrap_or("inactive");
            failures.check(rules, at, "type", rule["type"].as_str(), Some("alerting"));
            failures.check(rules, at, "name", rule["name"].as_str(), Some(spec.name()));
            failures.check(rules, at, "duration", rule["duration"].as_f64(), Some(*hold_ms as f64 / 1000.0));
            failures.check(rules, at, "labels", labels_of(&rule["labels"]), spec.labels.clone());
            failures.check(rules, at, "annotations", labels_of(&rule["annotations"]), annotations.clone());
            failures.check(rules, at, "health", rule["health"].as_str(), Some("ok"));
            failures.check(rules, at, "lastError", rule["lastError"].as_str().unwrap_or(""), "");
            failures.check(rules, at, "state", rule["state"].as_str(), Some(state));
            failures.check(rules, at, "lastEvaluation", time_of(&rule["lastEvaluation"]), at_ms);
            failures.check(rules, at, "evaluationTime", rule["evaluationTime"].is_f64(), true);
            let query =
                rule["query"].as_str().map(|text| promql::parse(text, &promql::Features::default()).is_ok());
            failures.check(rules, at, "query", query, Some(true));
            let listed = rule["alerts"].as_array().cloned().unwrap_or_default();
            let expected = active(place).map(shown_of).collect::<Vec<_>>();
            failures.check(rules, at, "alerts", sorted(listed.iter().map(shown).collect()), sorted(expected));
            all.extend(listed);
        }
    }
    // What `/api/v1/alerts` gives is the union of these.
    let expected: Vec<_> = (0..group.rules.len()).flat_map(active).map(shown_of).collect();
    failures.check(alerts, at, "alerts", sorted(all.iter().map(shown).collect()), sorted(expected));
}

/// An alert as the API shows it: labels, annotations, state, since when, value.
type Shown = (Labels, Labels, String, i64, String);

fn shown(alert: &Value) -> Shown {
    let value = alert["value"].as_str().and_then(|text| text.parse::<f64>().ok());
    (
        labels_of(&alert["labels"]),
        labels_of(&alert["annotations"]),
        alert["state"].as_str().unwrap_or("").to_string(),
        time_of(&alert["activeAt"]),
        value.map_or("not a number in a text".into(), |value| value.to_string()),
    )
}

fn shown_of(alert: &Expected) -> Shown {
    (
        alert.labels.clone(),
        alert.annotations.clone(),
        alert.state().to_string(),
        alert.active_at_ms,
        alert.value.to_string(),
    )
}

fn sorted(mut list: Vec<Shown>) -> Vec<Shown> {
    list.sort();
    list
}

/// Compares what was sent with what was due.
fn look_at_sent(
    failures: &mut Failures,
    group: &GroupSpec,
    sent: &[Alert],
    due: &BTreeMap<Labels, Expected>,
    at: i64,
    at_ms: i64,
) {
    let of = |state: &str| -> BTreeSet<Labels> {
        due.values().filter(|alert| alert.state() == state).map(|alert| alert.labels.clone()).collect()
    };
    let is_over = |alert: &&Alert| alert.ends_at_ms <= at_ms;
    let over = sent.iter().filter(is_over).map(|alert| alert.labels.clone()).collect();
    let firing = sent.iter().filter(|alert| !is_over(alert)).map(|alert| alert.labels.clone()).collect();
    failures.check("sending firing alerts", at, "alerts", firing, of("firing"));
    failures.check("sending inactive alerts", at, "alerts", over, of("inactive"));
    for alert in sent {
        let Some(expected) = due.get(&alert.labels) else { continue };
        let section = "payload";
        failures.check(section, at, "annotations", &alert.annotations, &expected.annotations);
        failures.check(section, at, "startsAt", alert.starts_at_ms, expected.fired_at_ms);
        let ends_at_ms = match expected.resolved_at_ms {
            0 => at_ms + 4 * RESEND_MS.max(group.interval_ms),
            resolved_at_ms => resolved_at_ms,
        };
        failures.check(section, at, "endsAt", alert.ends_at_ms, ends_at_ms);
        let leads_to_expression = alert.generator_url.starts_with(&format!("{URL}/graph?g0.expr="));
        failures.check(section, at, "generatorURL", leads_to_expression, true);
    }
}

/// What the groups of the data do not touch: labels that are overridden, and alerts that cannot be told apart.
fn by_hand(result: &mut SuiteResult) {
    let text = r#"
groups:
- name: g
  rules:
  - {alert: Renamed, expr: 'm{case="renamed"}', labels: {alertname: other, alertstate: critical, job: rule}}
  - {alert: Same, expr: 'm{case="same"}', labels: {instance: one}}
  - {alert: Optional, expr: 'm{case="renamed"}', annotations: {a: '{{ graphLink "up" }}{{ safeHtml "x" }}{{ pathPrefix }}{{ externalURL }}{{ $externalLabels.none }}'}}
"#;
    let Ok(groups) = parse_file("f", text, Defaults::default(), &promql::Features::default()) else {
        return result.add(Err("by hand: optional functions are refused".into()));
    };
    result.add(match groups.first().map(|group| group.interval_ms) {
        Some(60_000) => Ok(()),
        other => Err(format!("by hand: the interval is {other:?} if none is given")),
    });
    let mut stepped = Stepped::new(groups, Config { external_url: URL.into(), ..Config::default() });
    for (case, instance) in [("renamed", "a"), ("same", "a"), ("same", "b")] {
        let labels = [
            (METRIC_NAME, "m"),
            ("case", case),
            ("instance", instance),
            ("job", "series"),
            ("alertname", "of the series"),
            ("alertstate", "of the series"),
        ];
        stepped.add(&Labels::from_pairs(labels), START_MS, 1.0);
    }
    let sent = stepped.evaluate(START_MS);
    let of =
        |name: &str| sent.iter().filter(|alert| alert.labels.value("alertname") == name).collect::<Vec<_>>();
    let renamed = of("Renamed");
    let labels = renamed.first().map(|alert| alert.labels.to_string());
    let expected =
        r#"{alertname="Renamed", alertstate="critical", case="renamed", instance="a", job="rule"}"#
            .to_string();
    result.add(match labels == Some(expected) && renamed.len() == 1 {
        true => Ok(()),
        false => Err(format!("by hand: labels of rules and the rule's name override: {labels:?}")),
    });
    let series = stepped.query(r#"ALERTS{alertname="Renamed"}"#, START_MS).unwrap_or_default();
    let state = series.first().map(|sample| sample.labels.value("alertstate").to_string());
    result.add(match state.as_deref() {
        Some("firing") => Ok(()),
        other => Err(format!("by hand: alertstate of ALERTS is {other:?}")),
    });
    let status = stepped.status();
    let same = status.first().and_then(|group| group.rules.get(1));
    let fails = same
        .is_some_and(|rule| rule.health == rules::Health::Err && rule.last_error.contains("same labelset"));
    let series = stepped.query(r#"ALERTS{alertname="Same"}"#, START_MS).unwrap_or_default();
    result.add(match fails && of("Same").is_empty() && series.is_empty() {
        true => Ok(()),
        false => Err("by hand: alerts with the same labels have to fail their rule".into()),
    });
    let optional = of("Optional").first().map(|alert| alert.annotations.value("a").to_string());
    result.add(match optional.as_deref() {
        Some("/graph?g0.expr=up&g0.tab=0x/basehttp://generator.example/base") => Ok(()),
        other => Err(format!("by hand: optional functions give {other:?}")),
    });
}
