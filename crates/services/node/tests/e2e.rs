//! node_exporter's own fixture tree and expected page.

use std::path::PathBuf;
use std::process::Command;

/// Areas whose samples must all hold, and nothing more than they may be there.
const COMPLETE: &[&str] = &[
    "node_arp",
    "node_boot",
    "node_context",
    "node_cooling",
    "node_disk",
    "node_dmi",
    "node_edac",
    "node_entropy",
    "node_filefd",
    "node_forks",
    "node_hwmon",
    "node_interrupts",
    "node_intr",
    "node_kernel",
    "node_load1",
    "node_load15",
    "node_load5",
    "node_memory",
    "node_netstat",
    "node_nf",
    "node_os",
    "node_power",
    "node_pressure",
    "node_procs",
    "node_schedstat",
    "node_sockstat",
    "node_softirqs",
    "node_softnet",
    "node_textfile",
    "node_thermal",
    "node_time",
    "node_udp",
    "node_vmstat",
    "node_watchdog",
];

#[test]
fn the_fixture_machine_gives_the_expected_page() {
    let root = std::env::var_os("PROMONTORY_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/conformance")),
        PathBuf::from,
    );
    let dir = root.join("node-exporter");
    if !dir.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", dir.display());
        eprintln!("skipped: {} is missing", dir.display());
        return;
    }
    let unpacked = tempfile::tempdir().unwrap();
    let archive = dir.join("fixtures.tar.gz");
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(unpacked.path()).status().unwrap();
    assert!(status.success());
    let result = node::conformance::e2e(&dir, &unpacked.path().join("fixtures")).unwrap();
    println!("{} of {}", result.passed, result.total);
    for (area, (passed, total)) in &result.by_area {
        println!("{area}: {passed} of {total}");
    }
    for failure in &result.failures {
        println!("{failure}");
    }
    let short: Vec<_> =
        COMPLETE.iter().filter(|area| result.by_area.get(**area).is_none_or(|(p, t)| p < t)).collect();
    assert!(short.is_empty(), "samples are missing in {short:?}");
    let extra: Vec<_> = result.failures.iter().filter(|failure| failure.starts_with("too much")).collect();
    assert!(extra.is_empty(), "{extra:?}");
}
