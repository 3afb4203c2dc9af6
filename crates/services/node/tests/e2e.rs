//! node_exporter's own fixture tree and expected page.

#[test]
fn the_fixture_machine_gives_the_expected_page() {
    let Some(dir) = testkit::conformance("node-exporter") else { return };
    let result = node::conformance::e2e(&dir);
    println!("{} of {}", result.passed, result.total);
    assert!(result.failures.is_empty(), "{:#?}", result.failures);
    assert_eq!(result.passed, result.total);
}

#[test]
fn files_of_metrics_give_the_expected_pages() {
    let Some(dir) = testkit::conformance("node-exporter") else { return };
    let result = node::conformance::textfiles(&dir);
    assert_eq!(result.passed, result.total, "{:#?}", result.failures);
    assert!(result.total > 0, "{:?}", result.failures);
}
