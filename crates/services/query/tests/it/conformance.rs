//! Prometheus's OpenAPI document.

use query::conformance::{api, description, examples};

/// What this router does not serve: writing samples belongs to another.
const ELSEWHERE: &[&str] = &["POST /write ", "POST /otlp/v1/metrics "];

#[test]
fn every_path_about_asking_answers_by_its_schema() {
    let Some(dir) = testkit::conformance("prometheus/api") else { return };
    let result = api(&dir);
    println!("{} of {}", result.passed, result.total);
    let unexpected: Vec<&String> = result
        .failures
        .iter()
        .filter(|failure| !ELSEWHERE.iter().any(|start| failure.starts_with(start)))
        .collect();
    assert!(unexpected.is_empty(), "{} of {}: {unexpected:#?}", result.passed, result.total);
    assert!(result.total > 100, "only {} cases were found", result.total);
}

#[test]
fn the_documents_own_examples_fit_its_schemas() {
    let Some(dir) = testkit::conformance("prometheus/api") else { return };
    let result = examples(&dir);
    assert!(result.failures.is_empty(), "{} of {}: {:#?}", result.passed, result.total, result.failures);
    assert!(result.total > 50, "only {} examples were found", result.total);
}

#[test]
fn our_own_description_says_the_same_of_every_path_and_parameter() {
    let Some(dir) = testkit::conformance("prometheus/api") else { return };
    let result = description(&dir);
    assert!(result.failures.is_empty(), "{} of {}: {:#?}", result.passed, result.total, result.failures);
    assert!(result.total > 40, "only {} operations were found", result.total);
}
