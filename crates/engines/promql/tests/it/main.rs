//! The suites of the corpora.

#![allow(clippy::print_stderr)] // A suite that is skipped says so.

use std::path::PathBuf;

use promql::conformance::{SuiteResult, must_parse, parse_cases};

/// The conformance data, or `None` with a note where they are missing; in CI they must be there.
fn conformance_dir() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let dir = std::env::var_os("PROMONTORY_CONFORMANCE")
        .map_or_else(|| root.join("../shared/conformance"), PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(std::env::var_os("CI").is_none(), "no conformance data in {}", dir.display());
    eprintln!("skipped: no conformance data in {}", dir.display());
    None
}

fn assert_all_pass(result: &SuiteResult) {
    let failures = result.failures.join("\n");
    assert_eq!(result.passed, result.total, "{failures}\n{} of {} pass", result.passed, result.total);
}

#[test]
fn mistakes_are_reported_in_the_words_of_prometheus() {
    if let Some(dir) = conformance_dir() {
        assert_all_pass(&parse_cases(&dir.join("promql")));
    }
}

#[test]
fn every_expression_of_the_corpora_parses_and_survives_printing() {
    if let Some(dir) = conformance_dir() {
        assert_all_pass(&must_parse(&dir));
    }
}
