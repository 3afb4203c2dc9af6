//! Upstream's cases. Which cannot pass yet, and why, is listed here; all others must.
#![cfg(feature = "conformance")]

use alerting::conformance::run;

#[test]
fn upstream_cases_pass_as_far_as_they_can() {
    let Some(folder) = testkit::conformance("") else { return };
    let mut unexpected = Vec::new();
    for (name, result) in run(&folder) {
        println!("{name}: {} of {}", result.passed, result.total);
        for failure in result.failures {
            // Files with receivers of other kinds than webhook are refused for now, by name.
            let is_later = name.contains("/config_") && failure.contains("is not available yet");
            if !is_later {
                unexpected.push(format!("{name}: {failure}"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}
