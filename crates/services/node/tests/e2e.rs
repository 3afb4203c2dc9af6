//! node_exporter's own fixture tree and expected page.

/// Areas whose samples must all hold, and nothing more than they may be there.
const COMPLETE: &[&str] = &[
    "node_bonding",
    "node_buddyinfo",
    "node_cpu",
    "node_ksmd",
    "node_lnstat",
    "node_cgroups",
    "node_fibrechannel",
    "node_ipvs",
    "node_md",
    "node_tape",
    "node_nvme",
    "node_rapl",
    "node_xfs",
    "node_zoneinfo",
    "node_network",
    "node_nfs",
    "node_nfsd",
    "node_processes",
    "node_slabinfo",
    "node_xfrm",
    "node_zfs",
    "node_arp",
    "node_bcache",
    "node_bcachefs",
    "node_btrfs",
    "node_dmmultipath",
    "node_drbd",
    "node_infiniband",
    "node_mountstats",
    "node_pcidevice",
    "node_qdisc",
    "node_scrape",
    "node_sysctl",
    "node_wifi",
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
    let Some(dir) = testkit::conformance("node-exporter") else { return };
    let result = node::conformance::e2e(&dir);
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
