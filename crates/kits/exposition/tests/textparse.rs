//! Prometheus's own parser cases, read from the conformance folder.

use std::path::PathBuf;

#[test]
fn prometheus_parser_cases_hold() {
    let root = std::env::var_os("PROMONTORY_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/conformance")),
        PathBuf::from,
    );
    let dir = root.join("prometheus/textparse");
    if !dir.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", dir.display());
        eprintln!("skipped: {} is missing", dir.display());
        return;
    }
    let result = exposition::conformance::textparse(&dir);
    assert!(result.failures.is_empty(), "{}/{}\n{}", result.passed, result.total, result.failures.join("\n"));
    assert!(result.total >= 90, "only {} cases were found", result.total);
}
