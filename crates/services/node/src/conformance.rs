//! Runs the collectors on node_exporter's fixture tree and compares with the page it expects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::Clock;
use exposition::{Entry, Format, LabelBuffer, Options, Parser, TextWriter};
use testkit::SuiteResult;

use crate::{Exporter, Filter, NodeConfig, Paths};

/// Collectors that are off by default and on for the expected page.
const ON: [&str; 19] = [
    "buddyinfo",
    "cgroups",
    "cpu_vulnerabilities",
    "drbd",
    "interrupts",
    "ksmd",
    "lnstat",
    "meminfo_numa",
    "mountstats",
    "pcidevice",
    "processes",
    "qdisc",
    "slabinfo",
    "softirqs",
    "sysctl",
    "wifi",
    "xfrm",
    "zoneinfo",
    "bcachefs",
];

/// The configuration of the expected page, for the unpacked tree `fixtures`.
pub fn config(fixtures: &Path) -> NodeConfig {
    let include = |pattern: &str| Filter { include: pattern.to_string(), exclude: String::new() };
    let exclude = |pattern: &str| Filter { include: String::new(), exclude: pattern.to_string() };
    let mut collectors = BTreeMap::new();
    for name in ["selinux", "filesystem", "timex", "uname"] {
        collectors.insert(name.to_string(), false);
    }
    for name in ON {
        collectors.insert(name.to_string(), true);
    }
    NodeConfig {
        paths: Paths {
            procfs: fixtures.join("proc"),
            sysfs: fixtures.join("sys"),
            rootfs: fixtures.to_path_buf(),
            udev_data: fixtures.join("udev/data"),
        },
        collectors,
        cpu_info: true,
        cpu_flags_include: "^(aes|avx.?|constant_tsc)$".to_string(),
        cpu_bugs_include: "^(cpu_meltdown|spectre_.*|mds)$".to_string(),
        bcache_priority_stats: true,
        arp_devices: exclude("nope"),
        arp_netlink: false,
        hwmon_chips: include("(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)"),
        network_classes: exclude("(dmz|int)"),
        ignore_invalid_speed: true,
        network_devices: include("lo"),
        qdisc_devices: include("(wlan0|eth0)"),
        qdisc_fixtures: Some(fixtures.join("qdisc")),
        softirqs: true,
        sysctls: ["fs.file-nr", "fs.file-nr:total,current,max", "kernel.threads-max"]
            .map(String::from)
            .to_vec(),
        sysctl_infos: vec!["kernel.seccomp.actions_avail".to_string()],
        textfile_directories: vec![fixtures.join("textfile/two_metric_files").to_string_lossy().into_owned()],
        wifi_fixtures: Some(fixtures.join("wifi")),
        ..NodeConfig::default()
    }
}

/// What the expected page leaves out because it changes from run to run.
fn is_volatile(name: &str) -> bool {
    name.starts_with("go_")
        || name.starts_with("process_")
        || name.starts_with("node_exporter_build_info")
        || name.starts_with("node_scrape_collector_duration_seconds")
        || name.starts_with("node_textfile_mtime_seconds")
        || name.starts_with("node_time_zone")
        || name.starts_with("node_time_seconds")
        || ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"]
            .iter()
            .any(|what| name == format!("node_network_{what}_total"))
}

/// Samples and TYPE lines of a page, with the metric they belong to.
fn lines(page: &[u8]) -> Result<BTreeSet<(String, String)>, String> {
    let mut parser = Parser::new(Format::Text, page, Options::default());
    let mut labels = LabelBuffer::default();
    let mut lines = BTreeSet::new();
    while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
        let (name, line) = match entry {
            Entry::Series(series) => {
                series.labels(&mut labels);
                let text: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                (labels.get(model::METRIC_NAME).to_string(), format!("{} {}", text.join(","), series.value))
            }
            Entry::Type { metric, metric_type } => {
                (metric.to_string(), format!("# TYPE {metric} {metric_type}"))
            }
            _ => continue,
        };
        if !is_volatile(&name) {
            lines.insert((name, line));
        }
    }
    Ok(lines)
}

/// Folders with files of metrics, and the page that comes of them.
const TEXTFILES: [(&[&str], &str); 16] = [
    (&["no_metric_files"], "no_metric_files"),
    (&["two_metric_files"], "two_metric_files"),
    (&["nonexistent_path"], "nonexistent_path"),
    (&["client_side_timestamp"], "client_side_timestamp"),
    (&["different_metric_types"], "different_metric_types"),
    (&["inconsistent_metrics"], "inconsistent_metrics"),
    (&["histogram"], "histogram"),
    (&["histogram_extra_dimension"], "histogram_extra_dimension"),
    (&["summary"], "summary"),
    (&["summary_extra_dimension"], "summary_extra_dimension"),
    (&["histogram_extra_dimension", "summary_extra_dimension"], "glob_extra_dimension"),
    (&["*_extra_dimension"], "glob_extra_dimension"),
    (&["metrics_merge_empty_help"], "metrics_merge_empty_help"),
    (&["metrics_merge_no_help"], "metrics_merge_no_help"),
    (&["metrics_merge_same_help"], "metrics_merge_same_help"),
    (&["metrics_merge_different_help"], "metrics_merge_different_help"),
];

/// Reads the folders of files of metrics in `fixtures.tar.gz` and compares with the pages beside them.
pub fn textfiles(dir: &Path) -> SuiteResult {
    let unpacked = std::env::temp_dir().join(format!("promontory-node-textfiles-{}", std::process::id()));
    let result = unpack(dir, &unpacked).and_then(|()| {
        let folder = unpacked.join("fixtures/textfile");
        let mut result = SuiteResult::default();
        for (folders, page) in TEXTFILES {
            let differences = textfile(&folder, folders, page)?;
            let case = if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) };
            result.check(format_args!("{folders:?}"), case);
        }
        Ok(result)
    });
    // What cannot be removed is left to whoever cleans the folder for temporary files.
    let _ = std::fs::remove_dir_all(&unpacked);
    result.unwrap_or_else(SuiteResult::broken)
}

fn textfile(folder: &Path, folders: &[&str], page: &str) -> Result<Vec<String>, String> {
    let expected =
        std::fs::read(folder.join(page).with_extension("out")).map_err(|error| error.to_string())?;
    let mut config = NodeConfig {
        textfile_directories: folders
            .iter()
            .map(|name| folder.join(name).to_string_lossy().into_owned())
            .collect(),
        ..NodeConfig::default()
    };
    for (name, _) in crate::Node::collectors() {
        config.collectors.insert(name.to_string(), name == "textfile");
    }
    let node = crate::Node::new(config, Clock::system()).map_err(|error| error.to_string())?;
    let mut page = Vec::new();
    node.collect(&mut TextWriter::new(&mut page));
    let strip = |lines: BTreeSet<(String, String)>| -> BTreeSet<String> {
        let own = |name: &str| name.starts_with("node_scrape_");
        lines.into_iter().filter(|(name, _)| !own(name)).map(|(_, line)| line).collect()
    };
    let (expected, actual) = (strip(lines(&expected)?), strip(lines(&page)?));
    let missing = expected.difference(&actual).map(|line| format!("missing: {line}"));
    Ok(missing.chain(actual.difference(&expected).map(|line| format!("too much: {line}"))).collect())
}

/// Unpacks `fixtures.tar.gz` of `dir`, collects there, and compares with `e2e-output.txt`.
pub fn e2e(dir: &Path) -> SuiteResult {
    let unpacked = std::env::temp_dir().join(format!("promontory-node-e2e-{}", std::process::id()));
    let result = unpack(dir, &unpacked).and_then(|()| compare(dir, &unpacked.join("fixtures")));
    // What cannot be removed is left to whoever cleans the folder for temporary files.
    let _ = std::fs::remove_dir_all(&unpacked);
    result.unwrap_or_else(SuiteResult::broken)
}

fn unpack(dir: &Path, into: &Path) -> Result<(), String> {
    std::fs::create_dir_all(into).map_err(|error| error.to_string())?;
    let archive = dir.join("fixtures.tar.gz");
    let status = std::process::Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(into).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("tar could not unpack {}: {status}", archive.display())),
        Err(error) => Err(format!("tar: {error}")),
    }
}

fn compare(dir: &Path, fixtures: &Path) -> Result<SuiteResult, String> {
    let expected = std::fs::read(dir.join("e2e-output.txt")).map_err(|error| error.to_string())?;
    let exporter =
        Exporter::new(config(fixtures), Clock::system(), "", true).map_err(|error| error.to_string())?;
    let selection = exporter.select(&[], &[])?;
    let mut page = Vec::new();
    let asked = exporter.ask(0).ok_or("the exporter refuses")?;
    asked.write(&selection, &mut TextWriter::new(&mut page));
    // Paths stand in labels; the expected page was made in upstream's own folder.
    let page = String::from_utf8_lossy(&page).replace(&*fixtures.to_string_lossy(), "collector/fixtures");
    let (expected, actual) = (lines(&expected)?, lines(page.as_bytes())?);
    let mut result = SuiteResult::default();
    for entry in &expected {
        let (_, line) = entry;
        let is_sample = !line.starts_with('#');
        result.total += usize::from(is_sample);
        if actual.contains(entry) {
            result.passed += usize::from(is_sample);
        } else {
            result.failures.push(format!("missing: {line}"));
        }
    }
    for (_, line) in actual.difference(&expected) {
        result.failures.push(format!("too much: {line}"));
    }
    Ok(result)
}
