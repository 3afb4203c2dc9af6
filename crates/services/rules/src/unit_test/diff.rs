//! The difference between expected and firing alerts as coloured JSON: red is missing, green is too much,
//! yellow is changed.

use std::collections::BTreeSet;

use gocompat::quote::quote;
use model::Labels;

use super::case::AlertTexts;

const ADDED: &str = "\x1b[0;32m";
const REMOVED: &str = "\x1b[0;31m";
const CHANGED: &str = "\x1b[0;33m";
const END: &str = "\x1b[0m";

/// Alerts by position: what is expected against what came. No alert counts as one without labels.
pub(super) fn alerts(expected: &[AlertTexts], got: &[AlertTexts]) -> String {
    let nothing = [(Labels::empty(), Labels::empty())];
    let or_nothing = |alerts: &'_ [AlertTexts]| match alerts {
        [] => nothing.to_vec(),
        alerts => alerts.to_vec(),
    };
    let (expected, got) = (or_nothing(expected), or_nothing(got));
    let rows: Vec<String> = (0..expected.len().max(got.len()))
        .map(|at| match (expected.get(at), got.get(at)) {
            (Some(expected), Some(got)) => object(&[
                ("Annotations", labels(&expected.1, &got.1)),
                ("Labels", labels(&expected.0, &got.0)),
            ]),
            (Some(missing), None) => whole(missing, REMOVED),
            (None, Some(extra)) => whole(extra, ADDED),
            (None, None) => String::new(),
        })
        .collect();
    format!("[\n{}\n]", indented(&rows.join(",\n")))
}

fn object(parts: &[(&str, String)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(name, text)| format!("{}: {text}", quote(name))).collect();
    format!("{{\n{}\n}}", indented(&parts.join(",\n")))
}

/// One whole alert in one colour, line by line.
fn whole(alert: &AlertTexts, colour: &str) -> String {
    let text = object(&[("Annotations", labels(&alert.1, &alert.1)), ("Labels", labels(&alert.0, &alert.0))]);
    text.lines()
        .map(|line| {
            let inside = line.trim_start();
            format!("{}{colour}{inside}{END}", &line[..line.len() - inside.len()])
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn labels(expected: &Labels, got: &Labels) -> String {
    let names: BTreeSet<&str> = expected.iter().chain(got).map(|(name, _)| name).collect();
    if names.is_empty() {
        return "{}".into();
    }
    let find = |labels: &Labels, name: &str| {
        labels.iter().find(|(known, _)| *known == name).map(|(_, value)| quote(value))
    };
    let parts: Vec<String> = names
        .into_iter()
        .map(|name| {
            let key = quote(name);
            match (find(expected, name), find(got, name)) {
                (Some(expected), Some(got)) if expected == got => format!("{key}: {expected}"),
                (Some(expected), Some(got)) => format!("{key}: {CHANGED}{expected} => {got}{END}"),
                (Some(missing), None) => format!("{REMOVED}{key}: {missing}{END}"),
                (None, extra) => format!("{ADDED}{key}: {}{END}", extra.unwrap_or_default()),
            }
        })
        .collect();
    format!("{{\n{}\n}}", indented(&parts.join(",\n")))
}

fn indented(text: &str) -> String {
    format!("    {}", text.replace('\n', "\n    "))
}
