//! The suites of the corpora.

#![allow(clippy::print_stderr)] // A suite that is skipped says so.

mod engine;
mod fuzz;
mod steps;
mod stream;

use std::path::PathBuf;

use promql::conformance::{mixins, must_parse, parse_cases, script, script_engine};
use testkit::SuiteResult;

fn assert_all_pass(result: &SuiteResult) {
    let failures = result.failures.join("\n");
    assert_eq!(result.passed, result.total, "{failures}\n{} of {} pass", result.passed, result.total);
}

#[test]
fn mistakes_are_reported_in_the_words_of_prometheus() {
    if let Some(dir) = testkit::conformance("") {
        assert_all_pass(&parse_cases(&dir.join("promql")));
    }
}

#[test]
fn every_expression_of_the_corpora_parses_and_survives_printing() {
    if let Some(dir) = testkit::conformance("") {
        assert_all_pass(&must_parse(&dir));
    }
}

/// How many evaluations of the scripts pass. It only rises.
const SCRIPT_FLOOR: usize = 1_770;

#[test]
fn scripts_of_prometheus_evaluate_as_in_prometheus() {
    let Some(dir) = testkit::conformance("") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir.join("promql/scripts"))
        .expect("the folder of scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    files.sort();
    let mut all = SuiteResult::default();
    for file in files {
        let result = script(&file, &script_engine());
        println!(
            "{:>4} of {:>4}  {}",
            result.passed,
            result.total,
            file.file_name().unwrap_or_default().display()
        );
        for failure in &result.failures {
            println!("    {failure}");
        }
        all.extend(result);
    }
    println!("{:>4} of {:>4}", all.passed, all.total);
    assert!(all.passed >= SCRIPT_FLOOR, "{} pass, {SCRIPT_FLOOR} did before", all.passed);
}

#[test]
fn every_expression_of_the_default_dashboards_and_rules_evaluates() {
    if let Some(dir) = testkit::conformance("") {
        assert_all_pass(&mixins(&dir));
    }
}
