//! What a user sees of a machine, on small trees made for the purpose.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base::Clock;
use exposition::TextWriter;
use node::{Exporter, Node, NodeConfig, Outcome, Paths};
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    dir
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A node that runs these collectors only.
fn node(root: &Path, collectors: &[&str]) -> Node {
    let only = |(name, _): (&str, bool)| (name.to_string(), collectors.contains(&name));
    let config = NodeConfig {
        paths: Paths {
            procfs: root.join("proc"),
            sysfs: root.join("sys"),
            rootfs: root.to_path_buf(),
            udev_data: root.join("udev"),
        },
        collectors: Node::collectors().map(only).collect::<BTreeMap<_, _>>(),
        textfile_directories: vec![root.join("textfile").to_string_lossy().into_owned()],
        ..NodeConfig::default()
    };
    Node::new(config, Clock::manual(0)).unwrap()
}

fn page(node: &Node) -> String {
    let mut out = Vec::new();
    node.collect(&mut TextWriter::new(&mut out));
    String::from_utf8(out).unwrap()
}

fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn processor_time_never_falls_except_after_a_hotplug() {
    let dir = tree(&[("proc/stat", "cpu  9 0 0 0\ncpu0 500 0 100 10000 5 0 0 0 0 0\n")]);
    let node = node(dir.path(), &["cpu"]);
    let idle = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}";
    let user = "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"}";
    assert_eq!(value(&page(&node), idle), Some(100.0));
    write(dir.path(), &[("proc/stat", "cpu0 499 0 100 9900 5 0 0 0 0 0\n")]);
    assert_eq!((value(&page(&node), idle), value(&page(&node), user)), (Some(100.0), Some(5.0)));
    write(dir.path(), &[("proc/stat", "cpu0 10 0 1 100 5 0 0 0 0 0\n")]);
    assert_eq!((value(&page(&node), idle), value(&page(&node), user)), (Some(1.0), Some(0.1)));
}

#[test]
fn a_collector_without_data_does_not_disturb_the_others() {
    let dir = tree(&[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n"), ("proc/vmstat", "pgpgin many\n")]);
    let page = page(&node(dir.path(), &["loadavg", "vmstat", "meminfo"]));
    assert_eq!(value(&page, "node_load5 "), Some(0.37));
    for (collector, success) in [("loadavg", 1.0), ("vmstat", 0.0), ("meminfo", 0.0)] {
        let series = format!("node_scrape_collector_success{{collector=\"{collector}\"}}");
        assert_eq!(value(&page, &series), Some(success), "{collector}");
    }
}

#[test]
fn partitions_ram_disks_and_pseudo_file_systems_are_left_out() {
    let line = |device: &str| format!("8 0 {device} 1 2 3 4 5 6 7 8 9 10 11\n");
    let disks: String = ["sda", "sda1", "ram0", "loop3", "nvme0n1", "nvme0n1p1", "dm-0"].map(line).concat();
    let dir = tree(&[
        ("proc/diskstats", &disks),
        (
            "proc/1/mountinfo",
            "1 0 8:0 / / rw,noatime - ext4 /dev/sda rw\n2 1 0:5 / /sys ro - sysfs sysfs rw\n\
             3 1 0:6 / /my\\040data ro - xfs /dev/sdb rw\n4 1 0:7 / /var/lib/docker/x rw - ext4 /dev/sdc rw\n",
        ),
        ("my data/here", ""),
    ]);
    let page = page(&node(dir.path(), &["diskstats", "filesystem"]));
    let devices: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("node_disk_io_now")).collect();
    assert_eq!(devices, ["{device=\"dm-0\"} 9", "{device=\"nvme0n1\"} 9", "{device=\"sda\"} 9"]);
    let mounts: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("node_filesystem_readonly")).collect();
    assert_eq!(
        mounts,
        [
            "{device=\"/dev/sda\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/\"} 0",
            "{device=\"/dev/sdb\",device_error=\"\",fstype=\"xfs\",mountpoint=\"/my data\"} 1",
        ]
    );
    let size =
        "node_filesystem_size_bytes{device=\"/dev/sda\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/\"}";
    assert!(value(&page, size).unwrap() > 0.0);
}

#[test]
fn files_of_metrics_are_joined_and_damaged_ones_are_reported() {
    let dir = tree(&[
        ("textfile/a.prom", "# HELP jobs Jobs.\n# TYPE jobs gauge\njobs{b=\"2\",a=\"1\"} 3\n"),
        (
            "textfile/b.prom",
            "# HELP jobs Jobs.\n# TYPE jobs gauge\njobs{a=\"2\"} 4\n# TYPE h histogram\n\
                             h_bucket{le=\"1.0\"} 0\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n",
        ),
        ("textfile/ignored.txt", "nonsense{"),
    ]);
    let node = node(dir.path(), &["textfile"]);
    let good = page(&node);
    assert!(
        good.contains("# HELP jobs Jobs.\n# TYPE jobs gauge\njobs{a=\"1\",b=\"2\"} 3\njobs{a=\"2\"} 4\n"),
        "{good}"
    );
    let histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n";
    assert!(good.contains(histogram), "{good}");
    assert_eq!(value(&good, "node_textfile_scrape_error "), Some(0.0));
    write(dir.path(), &[("textfile/c.prom", "with_time 1 1700000000000\n")]);
    let bad = page(&node);
    assert_eq!(value(&bad, "node_textfile_scrape_error "), Some(1.0));
    assert!(!bad.contains("with_time"));
}

#[test]
fn this_machine_gives_a_page_that_reads_back_in_both_formats() {
    let node = Node::new(NodeConfig::default(), Clock::system()).unwrap();
    for format in [exposition::Format::Text, exposition::Format::OpenMetrics] {
        let mut out = Vec::new();
        let mut writer = match format {
            exposition::Format::OpenMetrics => TextWriter::open_metrics(&mut out),
            _ => TextWriter::new(&mut out),
        };
        node.collect(&mut writer);
        writer.finish();
        let mut parser = exposition::Parser::new(format, &out, exposition::Options::default());
        let mut samples = 0;
        while let Some(entry) = parser.next_entry().unwrap() {
            samples += usize::from(matches!(entry, exposition::Entry::Series(_)));
        }
        assert!(samples > 100, "{samples} samples");
    }
}

#[test]
fn an_unknown_collector_is_named_with_the_valid_choices() {
    let collectors = BTreeMap::from([("cqu".to_string(), true)]);
    let error =
        Node::new(NodeConfig { collectors, ..NodeConfig::default() }, Clock::manual(0)).err().unwrap();
    assert!(error.to_string().starts_with("unknown collector \"cqu\"; there are: arp, bcache,"), "{error}");
}

#[test]
fn network_devices_are_the_same_by_netlink_and_by_files() {
    // Through a path that is not the usual one, everything is read from files.
    let [by_netlink, by_files] = ["/sys", "/proc/../sys"].map(|sysfs| {
        let only = |(name, _): (&str, bool)| (name.to_string(), name == "netclass");
        let config = NodeConfig {
            paths: Paths { sysfs: sysfs.into(), ..Paths::default() },
            collectors: Node::collectors().map(only).collect::<BTreeMap<_, _>>(),
            ..NodeConfig::default()
        };
        let page = page(&Node::new(config, Clock::manual(0)).unwrap());
        page.lines().filter(|line| line.starts_with("node_network_")).map(str::to_string).collect::<Vec<_>>()
    });
    assert_eq!(by_netlink, by_files);
}

#[test]
fn a_page_can_be_asked_for_in_part() {
    let dir = tree(&[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n"), ("proc/meminfo", "MemTotal: 1 kB\n")]);
    let only = |(name, _): (&str, bool)| (name.to_string(), ["loadavg", "meminfo"].contains(&name));
    let config = NodeConfig {
        paths: Paths { procfs: dir.path().join("proc"), sysfs: dir.path().join("sys"), ..Paths::default() },
        collectors: Node::collectors().map(only).collect::<BTreeMap<_, _>>(),
        ..NodeConfig::default()
    };
    let exporter = Exporter::new(config, Clock::manual(0), "1.2.3", true).unwrap();
    let select = |collect: &[&str], exclude: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        exporter.select(&own(collect), &own(exclude))
    };
    for (selection, has_load, has_memory) in [
        (select(&[], &[]), true, true),
        (select(&["loadavg"], &[]), true, false),
        (select(&[], &["loadavg"]), false, true),
        (select(&[], &["loadavg", "meminfo"]), false, false),
    ] {
        let mut out = Vec::new();
        let asked = exporter.ask(40).unwrap();
        asked.write(&selection.unwrap(), &mut TextWriter::new(&mut out));
        let page = String::from_utf8(out).unwrap();
        assert_eq!(
            (page.contains("node_load1 "), page.contains("node_memory_MemTotal_bytes ")),
            (has_load, has_memory)
        );
        assert_eq!(value(&page, "promhttp_metric_handler_requests_in_flight "), Some(1.0));
        asked.end(Outcome::Answered);
    }
    for (collect, exclude, expected) in [
        (
            &["cpu"][..],
            &[][..],
            "Couldn't create filtered metrics handler: couldn't create collector: disabled collector: cpu",
        ),
        (
            &["cqu"],
            &[],
            "Couldn't create filtered metrics handler: couldn't create collector: missing collector: cqu",
        ),
        (&["loadavg"], &["meminfo"], "Combined collect and exclude queries are not allowed."),
    ] {
        assert_eq!(select(collect, exclude).unwrap_err(), expected);
    }
}

#[test]
fn more_requests_than_allowed_are_refused_and_counted() {
    let dir = tree(&[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n")]);
    let config = NodeConfig {
        paths: Paths { procfs: dir.path().join("proc"), sysfs: dir.path().join("sys"), ..Paths::default() },
        collectors: Node::collectors().map(|(name, _)| (name.to_string(), false)).collect(),
        ..NodeConfig::default()
    };
    let exporter = Exporter::new(config, Clock::manual(0), "1.2.3", true).unwrap();
    let first = exporter.ask(1).unwrap();
    assert!(exporter.ask(1).is_none());
    first.end(Outcome::Answered);
    let mut out = Vec::new();
    exporter.ask(1).unwrap().write(&exporter.select(&[], &[]).unwrap(), &mut TextWriter::new(&mut out));
    let page = String::from_utf8(out).unwrap();
    for (code, count) in [("200", 1.0), ("500", 0.0), ("503", 1.0)] {
        let series = format!("promhttp_metric_handler_requests_total{{code=\"{code}\"}}");
        assert_eq!(value(&page, &series), Some(count), "{code}");
    }
}

#[test]
fn threads_are_counted_by_state_beside_their_processes() {
    let dir = tree(&[
        ("proc/7/stat", "7 (a) name) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0\n"),
        ("proc/7/task/7/stat", "7 (a) name) S 1\n"),
        ("proc/7/task/8/stat", "8 (worker) R 1\n"),
        ("proc/sys/kernel/threads-max", "100\n"),
        ("proc/sys/kernel/pid_max", "200\n"),
    ]);
    let page = page(&node(dir.path(), &["processes"]));
    assert_eq!(value(&page, "node_processes_threads "), Some(2.0));
    assert_eq!(value(&page, "node_processes_state{state=\"S\"}"), Some(1.0));
    assert_eq!(value(&page, "node_processes_state{state=\"R\"}"), None);
    for state in ["S", "R"] {
        let series = format!("node_processes_threads_state{{thread_state=\"{state}\"}}");
        assert_eq!(value(&page, &series), Some(1.0), "{state}");
    }
}
