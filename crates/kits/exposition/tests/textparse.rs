//! Prometheus's own parser cases, read from the conformance folder.

use std::path::PathBuf;

#[test]
fn prometheus_parser_cases_hold() {
    let Some(dir) = testkit::conformance("prometheus/textparse") else { return };
    let result = exposition::conformance::textparse(&dir);
    assert!(result.failures.is_empty(), "{}/{}\n{}", result.passed, result.total, result.failures.join("\n"));
    assert!(result.total >= 90, "only {} cases were found", result.total);
}
