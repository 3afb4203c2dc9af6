//! What must parse, what must not, and with which words.

use std::path::Path;
use testkit::SuiteResult;

use serde_json::Value;

use crate::parse::{Features, parse, parse_series_description};

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Result<Value, String> {
    serde_json::from_str(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

/// `parse-cases.json` in the folder `promql`: expressions and series descriptions with the exact
/// texts of all errors.
pub fn parse_cases(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    match read_json(&dir.join("parse-cases.json")) {
        Err(why) => return SuiteResult::broken(why),
        Ok(cases) => {
            for case in cases.as_array().into_iter().flatten() {
                result.add(parse_case(case));
            }
        }
    }
    result
}

fn parse_case(case: &Value) -> Result<(), String> {
    let wanted: Vec<&str> =
        case["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let must_fail = case["fail"].as_bool().unwrap_or(false);
    let mut input = case["input"].as_str().unwrap_or("").to_string();
    // Written in the original with a thousand repetitions, which the collection lost; the second
    // error needs two.
    if input == "(-{}-1)[1m:]" {
        input.push_str("[1m:]");
    }
    // Bytes that are no UTF-8 cannot stand in JSON and became question marks.
    if wanted.contains(&"invalid UTF-8 rune") {
        input = input.replace("\"?\"", "\"\u{fffd}\"").replace("c?", "c\u{fffd}");
    }
    let parsed = if case["table"] == "testSeries" {
        parse_series_description(&input).map(|_| ())
    } else {
        parse(&input, &Features::all()).map(|_| ())
    };
    match parsed {
        Ok(()) if must_fail => Err(format!("{input:?} parses, should fail with {wanted:?}")),
        Ok(()) => Ok(()),
        Err(errors) => {
            let found: Vec<&str> = errors.0.iter().map(|error| error.message.as_str()).collect();
            if !must_fail {
                Err(format!("{input:?} should parse: {found:?}"))
            } else if wanted.is_empty() || wanted == found {
                Ok(())
            } else {
                Err(format!("{input:?}\n  expected {wanted:?}\n  found    {found:?}"))
            }
        }
    }
}

/// All expressions of the corpora that must parse: the folder `conformance` with its scripts, the
/// compliance tester's queries, and the default dashboards and rules. Each is printed too, on one
/// line and pretty, and what was printed must parse to what is printed alike.
pub fn must_parse(dir: &Path) -> SuiteResult {
    match expressions(dir) {
        Err(why) => SuiteResult::broken(why),
        Ok(texts) => {
            let mut result = SuiteResult::default();
            for text in texts {
                result.add(match text {
                    Text::Expression(text) => round_trip(&text),
                    Text::Series(text) => parse_series_description(&text)
                        .map(|_| ())
                        .map_err(|error| format!("{text:?} should parse: {error}")),
                });
            }
            result
        }
    }
}

fn round_trip(text: &str) -> Result<(), String> {
    let features = Features::all();
    let expr = parse(text, &features).map_err(|error| format!("{text:?} should parse: {error}"))?;
    let line = expr.to_string();
    for printed in [line.clone(), crate::pretty(&expr)] {
        let again = parse(&printed, &features)
            .map_err(|error| format!("{text:?} is printed as {printed:?}, which fails: {error}"))?;
        if again.to_string() != line {
            return Err(format!(
                "{text:?} is printed as {line:?}, and that again as {:?}",
                again.to_string()
            ));
        }
    }
    Ok(())
}

/// A text of a corpus.
pub(super) enum Text {
    /// An expression that must parse.
    Expression(String),
    /// A series description that must parse.
    Series(String),
}

/// The compliance tester's queries and those of the default dashboards and rules.
pub(super) fn corpus_queries(dir: &Path) -> Result<Vec<Text>, String> {
    let mut texts = Vec::new();
    let queries = read_json(&dir.join("promql/compliance-queries.json"))?;
    for query in queries.as_array().into_iter().flatten() {
        // Those that should fail may do so only when they are evaluated.
        if query["should_fail"] != true {
            texts.push(Text::Expression(query["query"].as_str().unwrap_or("").to_string()));
        }
    }
    for name in ["promql_rules.jsonl", "promql_dashboards.jsonl"] {
        for line in read(&dir.join("mixins").join(name))?.lines() {
            let text: Value = serde_json::from_str(line).map_err(|error| format!("{name}: {error}"))?;
            texts.push(Text::Expression(with_variables(text.as_str().unwrap_or(""))));
        }
    }
    Ok(texts)
}

/// The texts of all corpora.
pub(super) fn expressions(dir: &Path) -> Result<Vec<Text>, String> {
    let mut texts = corpus_queries(dir)?;
    let scripts = dir.join("promql/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(&scripts)
        .map_err(|error| format!("{}: {error}", scripts.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    paths.sort();
    for path in paths {
        script_texts(&read(&path)?, &mut texts);
    }
    Ok(texts)
}

/// Puts values in the place of Grafana's variables.
fn with_variables(text: &str) -> String {
    ["$__rate_interval", "$__interval", "$interval", "$resolution", "$__range"]
        .iter()
        .fold(text.to_string(), |text, variable| text.replace(variable, "5m"))
}

/// The expressions of the evals and the descriptions after load, in a test script.
fn script_texts(script: &str, texts: &mut Vec<Text>) {
    let mut in_load = false;
    for line in script.lines().map(str::trim) {
        let first = line.split_whitespace().next().unwrap_or("").to_ascii_lowercase();
        if line.is_empty() || first.starts_with('#') {
            in_load &= !line.is_empty();
        } else if first.starts_with("load") && !in_load {
            in_load = true;
        } else if first.starts_with("eval") {
            in_load = false;
            let words = if line.contains(" range from ") { 7 } else { 3 };
            let skipped = if words == 3 && !line.contains(" instant at ") { 1 } else { words };
            let mut rest = line;
            for _ in 0..=skipped {
                rest = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
            }
            // `eval_fail` may be a parse error.
            if !first.contains("fail") {
                texts.push(Text::Expression(rest.to_string()));
            }
        } else if in_load && !line.contains("@st") {
            texts.push(Text::Series(line.to_string()));
        }
    }
}
