//! Runs upstream's cases against this crate: one suite for each file of `alertmanager/cases`.

mod templates;

use std::collections::BTreeMap;
use std::path::Path;

use config::Node;
use config::http_client::PathBase;
use model::{Labels, MatchOp, Matcher};
use serde_json::Value;
use testkit::SuiteResult;

use crate::inhibit::{InhibitRule, Inhibitor};
use crate::matchers::{MatcherError, MatcherMode, Parsed};
use crate::receivers::{Context, KINDS, Kind, SecretSource, mattermost};
use crate::route::{GroupBy, Route, RouteConfig, Routes};
use crate::settings::{Config, Global, Smtp};
use crate::timeinterval::{Range, TimeInterval, any_contains_ms, time_range};

type Suite = fn(&Value, &Path, &mut SuiteResult);

/// The suites and the files they read, below `alertmanager/cases`.
const SUITES: [(&str, Suite); 17] = [
    ("config_inline", config_inline),
    ("config_testdata_expectations", config_files),
    ("inhibit", inhibit),
    ("label_name_classic", |cases, _, out| label_names(cases, MatcherMode::Classic, out)),
    ("label_name_utf8", |cases, _, out| label_names(cases, MatcherMode::Utf8Strict, out)),
    ("matcher_fallback_single", |cases, _, out| matchers(cases, one(MatcherMode::Fallback), out)),
    ("matcher_utf8_single", |cases, _, out| matchers(cases, utf8_single, out)),
    ("matchers_classic_list", |cases, _, out| matchers(cases, list(MatcherMode::Classic), out)),
    ("matchers_compliance_classic_vs_utf8", compliance),
    ("matchers_fallback_list", |cases, _, out| matchers(cases, list(MatcherMode::Fallback), out)),
    ("matchers_utf8_list", |cases, _, out| matchers(cases, list(MatcherMode::Utf8Strict), out)),
    ("notifier_config", notifier_configs),
    ("routes", routes),
    ("template", templates::cases),
    ("timeinterval_complete", interval_complete),
    ("timeinterval_contains", interval_contains),
    ("timeinterval_timerange_parse", interval_ranges),
];
const YAML_SUITE: &str = "timeinterval_yaml";

/// Runs all suites whose files are there, by name.
pub fn run(folder: &Path) -> BTreeMap<String, SuiteResult> {
    let root = folder.join("alertmanager");
    let mut results = BTreeMap::new();
    let all = SUITES.iter().copied().chain([(YAML_SUITE, interval_yaml as Suite)]);
    for (name, suite) in all {
        let path = root.join("cases").join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let mut result = SuiteResult::default();
        match serde_json::from_str::<Value>(&text) {
            Ok(cases) => suite(&cases, &root, &mut result),
            Err(error) => result.check(name, Err(error.to_string())),
        }
        results.insert(format!("alertmanager/cases/{name}"), result);
    }
    let templates = root.join("templates");
    if templates.is_dir() {
        results.insert("alertmanager/templates".into(), templates::files(&templates));
    }
    results
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("got {got:?}, expected {expected:?}")) }
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))
}

// ---- matchers and label names ----

fn label_names(cases: &Value, mode: MatcherMode, out: &mut SuiteResult) {
    for case in items(cases) {
        let got = mode.is_valid_label_name(text(case, "input"));
        out.check(text(case, "name"), same(Some(got), case["expected"].as_bool()));
    }
}

type Parse = fn(&str) -> Result<Parsed, MatcherError>;

fn one(mode: MatcherMode) -> Parse {
    match mode {
        MatcherMode::Classic => |input| MatcherMode::Classic.parse_matcher(input),
        MatcherMode::Utf8Strict => |input| MatcherMode::Utf8Strict.parse_matcher(input),
        MatcherMode::Fallback => |input| MatcherMode::Fallback.parse_matcher(input),
    }
}

fn list(mode: MatcherMode) -> Parse {
    match mode {
        MatcherMode::Classic => |input| MatcherMode::Classic.parse_matchers(input),
        MatcherMode::Utf8Strict => |input| MatcherMode::Utf8Strict.parse_matchers(input),
        MatcherMode::Fallback => |input| MatcherMode::Fallback.parse_matchers(input),
    }
}

/// The parser of one matcher below the check for braces.
fn utf8_single(input: &str) -> Result<Parsed, MatcherError> {
    crate::matchers::utf8_one(input).map(|matcher| Parsed { matchers: vec![matcher], warning: None })
}

fn shown(matchers: &[Matcher]) -> Vec<(String, String, String)> {
    let parts = |m: &Matcher| (m.name.clone(), m.op.as_str().to_string(), m.value.clone());
    matchers.iter().map(parts).collect()
}

fn expected_matchers(case: &Value) -> Vec<(String, String, String)> {
    let part = |m: &Value, key: &str| text(m, key).to_string();
    items(&case["expected"]).iter().map(|m| (part(m, "name"), part(m, "op"), part(m, "value"))).collect()
}

fn matchers(cases: &Value, parse: Parse, out: &mut SuiteResult) {
    for case in items(cases) {
        let input = text(case, "input");
        let result = match (parse(input), case["error"].as_str()) {
            (Ok(parsed), None) => same(shown(&parsed.matchers), expected_matchers(case)),
            (Err(error), Some(expected)) => same(error.to_string(), expected.to_string()),
            (Ok(parsed), Some(expected)) => {
                Err(format!("got {:?}, expected {expected}", shown(&parsed.matchers)))
            }
            (Err(error), None) => Err(format!("got {error}")),
        };
        out.check(input, result);
    }
}

/// The classic parser gives `expected`; the UTF-8 parser the same unless `differs...`. Where the
/// classic one fails, the UTF-8 one must too. Where classic cannot know the name, UTF-8 must.
fn compliance(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let input = text(case, "input");
        let differs = case["differs_between_classic_and_utf8"].as_bool().unwrap_or(false);
        let classic = MatcherMode::Classic.parse_matchers(input).map(|parsed| shown(&parsed.matchers));
        let utf8 = MatcherMode::Utf8Strict.parse_matchers(input).map(|parsed| shown(&parsed.matchers));
        let result = match case["error"].as_str() {
            Some(expected) => match (&classic, &utf8) {
                (Err(error), Err(_)) => same(error.to_string(), expected.to_string()),
                _ => Err(format!("got {classic:?} and {utf8:?}, expected {expected}")),
            },
            None => {
                let expected = expected_matchers(case);
                let either = classic.as_ref() == Ok(&expected) || utf8.as_ref() == Ok(&expected);
                let agree = match (&classic, &utf8) {
                    (Ok(classic), Ok(utf8)) if !differs => classic == utf8,
                    _ => true,
                };
                if either && agree {
                    Ok(())
                } else {
                    Err(format!("got {classic:?} and {utf8:?}, expected {expected:?}"))
                }
            }
        };
        out.check(input, result);
    }
}

// ---- routes and inhibition ----

fn routes(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for test in items(cases) {
        let name = text(test, "test");
        let decoded = Node::parse(text(test, "route_yaml"))
            .and_then(|node| RouteConfig::decode(&node, MatcherMode::Classic, &mut |_| {}));
        let routes = match decoded {
            Ok(config) => Routes::new(&config),
            Err(error) => {
                out.check(name, Err(error.to_string()));
                continue;
            }
        };
        match name {
            "InheritParentGroupByAll" => {
                let all: Vec<bool> = routes.iter().map(|route| route.group_by == GroupBy::All).collect();
                out.check(name, same(all, vec![false, true, true, false]));
            }
            "RouteIndices" => {
                let mut ids: Vec<&str> = routes.iter().map(|route| route.id.as_str()).collect();
                ids.sort_unstable();
                ids.dedup();
                out.check(name, same(ids.len(), routes.iter().count()));
            }
            _ => {}
        }
        if test["expected"].is_array() {
            let expected: Vec<&str> = items(&test["expected"]).iter().filter_map(Value::as_str).collect();
            let is_id = name == "RouteID";
            let got = routes.iter().map(|route| if is_id { &route.id[..] } else { &route.receiver[..] });
            out.check(name, same(got.collect(), expected));
        }
        for case in items(&test["cases"]) {
            let labels = labels(&case["labels"]);
            let found: Vec<&Route> =
                routes.matching(&labels).into_iter().filter_map(|at| routes.get(at)).collect();
            out.check(format!("{name} {labels}"), route_case(&found, case));
        }
    }
}

fn route_case(found: &[&Route], case: &Value) -> Result<(), String> {
    let expected = &case["expectedRouteLabels"];
    if !expected.is_null() {
        let got: BTreeMap<String, String> =
            found.first().map(|route| route.labels.clone()).unwrap_or_default();
        let expected = labels(expected);
        return same(Labels::from_pairs(got), expected);
    }
    let keys: Vec<&str> = found.iter().map(|route| route.key.as_str()).collect();
    same(keys, items(&case["keys"]).iter().filter_map(Value::as_str).collect())?;
    let matches = items(&case["matches"]);
    same(found.len(), matches.len())?;
    for (route, expected) in found.iter().zip(matches) {
        same(route.receiver.as_str(), text(expected, "receiver"))?;
        same(Some(route.group_by == GroupBy::All), expected["group_by_all"].as_bool())?;
        let names: Vec<&str> = match &route.group_by {
            GroupBy::All => Vec::new(),
            GroupBy::Labels(names) => names.iter().map(String::as_str).collect(),
        };
        let mut expected_names: Vec<&str> =
            items(&expected["group_by"]).iter().filter_map(Value::as_str).collect();
        expected_names.sort_unstable();
        same(names, expected_names)?;
        for (got_ms, key) in [
            (route.group_wait_ms, "group_wait"),
            (route.group_interval_ms, "group_interval"),
            (route.repeat_interval_ms, "repeat_interval"),
        ] {
            same(Ok(got_ms), base::units::parse_duration_ms(text(expected, key)))?;
        }
    }
    Ok(())
}

fn inhibit(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for test in items(cases) {
        let rules: Vec<InhibitRule> = items(&test["rules"]).iter().map(inhibit_rule).collect();
        let mut inhibitor = Inhibitor::new(&rules);
        for (number, source) in items(&test["active_sources"]).iter().enumerate() {
            inhibitor.insert(number as u32, &labels(source));
        }
        for case in items(&test["cases"]) {
            let target = labels(&case["target"]);
            let got = !inhibitor.inhibited_by(&target, 1, |_| true).is_empty();
            out.check(
                format!("{} {target}", text(test, "test")),
                same(Some(got), case["expected"].as_bool()),
            );
        }
    }
}

fn inhibit_rule(rule: &Value) -> InhibitRule {
    let side = |pairs: &str, list: &str| {
        let equal = labels(&rule[pairs]);
        let mut matchers: Vec<Matcher> =
            equal.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        for matcher in items(&rule[list]) {
            let op = match text(matcher, "type") {
                "labels.MatchNotEqual" => MatchOp::NotEqual,
                "labels.MatchRegexp" => MatchOp::Regex,
                "labels.MatchNotRegexp" => MatchOp::NotRegex,
                _ => MatchOp::Equal,
            };
            matchers.extend(Matcher::new(op, text(matcher, "name"), text(matcher, "value")));
        }
        matchers
    };
    let equal = items(&rule["Equal"]).iter().filter_map(Value::as_str).map(str::to_string).collect();
    InhibitRule {
        name: String::new(),
        source: side("SourceMatch", "SourceMatchers"),
        target: side("TargetMatch", "TargetMatchers"),
        equal,
    }
}

// ---- configuration ----

/// An error must contain the expected text; ours add where it is and what would be allowed.
fn loads<T>(result: config::Result<T>, fails: bool, expected: Option<&str>) -> Result<(), String> {
    match (result, fails) {
        (Ok(_), false) => Ok(()),
        (Ok(_), true) => Err(format!("loads, expected {expected:?}")),
        (Err(error), false) => Err(format!("got {error}")),
        (Err(error), true) => match expected {
            Some(expected) if !error.message.contains(expected) => {
                Err(format!("got {error}, expected {expected}"))
            }
            _ => Ok(()),
        },
    }
}

fn config_inline(cases: &Value, root: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let expected = case["error"].as_str();
        let result = Config::parse(text(case, "yaml"), &PathBase::new(root), MatcherMode::Classic);
        out.check(text(case, "test"), loads(result, expected.is_some(), expected));
    }
}

fn config_files(cases: &Value, root: &Path, out: &mut SuiteResult) {
    let folder = root.join("config-testdata");
    for case in items(cases) {
        let path = folder.join(text(case, "file"));
        let result = match std::fs::read_to_string(&path) {
            Ok(yaml) => loads(
                Config::parse(&yaml, &PathBase::of_file(&path), MatcherMode::Classic),
                text(case, "expect") == "error",
                case["error"].as_str(),
            ),
            Err(error) => Err(error.to_string()),
        };
        out.check(format!("{} {}", text(case, "test"), text(case, "file")), result);
    }
}

/// Each kind's settings alone, with everything global set that they could fall back to.
fn notifier_configs(cases: &Value, root: &Path, out: &mut SuiteResult) {
    let base = PathBase::new(root);
    let secret = || Some(SecretSource::Inline(config::Secret::new("http://x".into())));
    let global = Global {
        smtp: Smtp { from: "a@b".into(), smarthost: "a:25".into(), ..Smtp::default() },
        jira_api_url: Some("http://x".into()),
        slack_api_url: secret(),
        opsgenie_api_key: secret(),
        wechat_api_secret: secret(),
        wechat_api_corp_id: "x".into(),
        victorops_api_key: secret(),
        telegram_bot_token: secret(),
        rocketchat_token: secret(),
        rocketchat_token_id: secret(),
        mattermost_webhook_url: secret(),
        ..Global::default()
    };
    for case in items(cases) {
        let (test, file) = (text(case, "test"), text(case, "file"));
        let (expected, fails) = (case["error"].as_str(), case["error"].as_bool());
        let of_kind = |kind: &Kind| {
            let name = kind.field.trim_end_matches("_configs");
            file.starts_with(&format!("notify/{name}/"))
                || file.starts_with("config/")
                    && test.to_lowercase().trim_start_matches("load").starts_with(name)
        };
        let context = Context { base: &base, global: &global };
        let result =
            Node::parse(text(case, "yaml")).and_then(|node| match KINDS.iter().find(|kind| of_kind(kind)) {
                _ if test.starts_with("MattermostField") => mattermost::check_field(&node),
                Some(kind) => (kind.decode)(&node, &context).map(|_| ()),
                None => Err(node.error("there is no such kind")),
            });
        out.check(test, loads(result, fails.unwrap_or(expected.is_some()), expected));
    }
}

// ---- time intervals ----

/// `02 Jan 06 15:04 -0700`.
fn moment_ms(text: &str) -> Option<i64> {
    let time = jiff::fmt::strtime::parse("%d %b %y %H:%M %z", text).ok()?.to_timestamp().ok()?;
    Some(time.as_millisecond())
}

fn check_moments(intervals: &[TimeInterval], case: &Value) -> Result<(), String> {
    for (key, expected) in [("contains", true), ("excludes", false)] {
        for moment in items(&case[key]).iter().filter_map(Value::as_str) {
            let at_ms = moment_ms(moment).ok_or_else(|| format!("{moment} cannot be read"))?;
            if any_contains_ms(intervals, at_ms) != expected {
                return Err(format!("{key} {moment} does not hold"));
            }
        }
    }
    Ok(())
}

fn ranges(value: &Value) -> Option<Vec<Range>> {
    let number =
        |value: &Value| value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default();
    let list = value.as_array()?;
    Some(list.iter().map(|range| Range { begin: number(&range[0]), end: number(&range[1]) }).collect())
}

fn interval(value: &Value) -> TimeInterval {
    TimeInterval {
        times: ranges(&value["times_minutes"]),
        weekdays: ranges(&value["weekdays"]),
        days_of_month: ranges(&value["days_of_month"]),
        months: ranges(&value["months"]),
        years: ranges(&value["years"]),
        location: value["location"].as_str().and_then(|name| jiff::tz::TimeZone::get(name).ok()),
    }
}

fn interval_complete(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let result = Node::parse(text(case, "yaml"))
            .and_then(|node| TimeInterval::decode(&node))
            .map_err(|error| error.to_string())
            .and_then(|interval| check_moments(&[interval], case));
        out.check(text(case, "yaml"), result);
    }
}

fn interval_contains(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let decoded = interval(&case["interval"]);
        out.check(case["interval"].to_string(), check_moments(&[decoded], case));
    }
}

fn interval_ranges(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let got = Node::parse(text(case, "yaml")).and_then(|node| time_range(&node)).ok();
        let minutes = |at: usize| case["minutes"][at].as_i64().unwrap_or_default() as i32;
        let expected = case["minutes"].is_array().then(|| Range { begin: minutes(0), end: minutes(1) });
        out.check(text(case, "yaml"), same(got, expected));
    }
}

fn interval_yaml(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let decoded = Node::parse(text(case, "yaml")).and_then(|node| node.list(TimeInterval::decode));
        let result = match (decoded, case["error"].as_str()) {
            (Ok(intervals), None) => {
                let expected: Vec<TimeInterval> = items(&case["intervals"]).iter().map(interval).collect();
                same(&intervals, &expected).and_then(|()| check_moments(&intervals, case))
            }
            (Err(error), Some(expected)) => same(error.message.as_str(), expected),
            (Ok(_), Some(expected)) => Err(format!("loads, expected {expected}")),
            (Err(error), None) => Err(error.to_string()),
        };
        out.check(text(case, "yaml"), result);
    }
}
