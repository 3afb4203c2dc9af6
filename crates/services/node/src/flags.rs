//! node_exporter's flags of collectors and paths, by name. Those of its listener are not ours.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::Node;
use crate::config::{Filter, IPVS_LABELS, NodeConfig};

/// What a flag does to the configuration.
enum Effect {
    Switch(fn(&mut NodeConfig) -> &mut bool),
    Include(fn(&mut NodeConfig) -> &mut Filter),
    Exclude(fn(&mut NodeConfig) -> &mut Filter),
    /// One text.
    Text(fn(&mut NodeConfig) -> &mut String),
    /// A path.
    Path(fn(&mut NodeConfig) -> &mut PathBuf),
    /// May be given several times.
    List(fn(&mut NodeConfig) -> &mut Vec<String>),
    /// Anything else; an error says what was expected.
    Parsed(fn(&mut NodeConfig, &str) -> Result<(), String>),
    /// Taken and without effect here: a switch, or with a value.
    IgnoredSwitch,
    IgnoredValue,
}

use Effect::{Exclude, IgnoredSwitch, IgnoredValue, Include, List, Parsed, Path, Switch, Text};

/// A flag.
pub struct Flag {
    /// Its name without the dashes.
    pub name: &'static str,
    /// What it is for, in a line.
    pub help: &'static str,
    /// An older name that is taken as well.
    old_name: &'static str,
    effect: Effect,
}

impl Flag {
    /// Whether it is a switch: `--name` or `--no-name`, without a value.
    pub fn is_switch(&self) -> bool {
        matches!(self.effect, Switch(_) | IgnoredSwitch)
    }
}

const fn flag(name: &'static str, effect: Effect, help: &'static str) -> Flag {
    Flag { name, help, old_name: "", effect }
}

const fn renamed(name: &'static str, old_name: &'static str, effect: Effect, help: &'static str) -> Flag {
    Flag { name, help, old_name, effect }
}

/// All flags but those that switch collectors, sorted by name.
pub static FLAGS: &[Flag] = &[
    flag("collector.arp.device-exclude", Exclude(|c| &mut c.arp_devices), "Devices to leave out"),
    flag("collector.arp.device-include", Include(|c| &mut c.arp_devices), "Devices to show"),
    flag("collector.arp.netlink", Switch(|c| &mut c.arp_netlink), "Ask netlink, not /proc/net/arp"),
    flag(
        "collector.bcache.priorityStats",
        Switch(|c| &mut c.bcache_priority_stats),
        "Show statistics that are expensive to make",
    ),
    flag("collector.cpu.guest", Switch(|c| &mut c.cpu_guest), "Show the time of virtual machines"),
    flag("collector.cpu.info", Switch(|c| &mut c.cpu_info), "Show what the processors are"),
    flag(
        "collector.cpu.info.bugs-include",
        Parsed(|c, text| {
            c.cpu_info = true;
            c.cpu_bugs_include = text.to_string();
            Ok(())
        }),
        "Bugs to show",
    ),
    flag(
        "collector.cpu.info.flags-include",
        Parsed(|c, text| {
            c.cpu_info = true;
            c.cpu_flags_include = text.to_string();
            Ok(())
        }),
        "Features to show",
    ),
    renamed(
        "collector.diskstats.device-exclude",
        "collector.diskstats.ignored-devices",
        Exclude(|c| &mut c.disks),
        "Disks to leave out",
    ),
    flag("collector.diskstats.device-include", Include(|c| &mut c.disks), "Disks to show"),
    flag("collector.ethtool.device-exclude", Exclude(|c| &mut c.ethtool_devices), "Devices to leave out"),
    flag("collector.ethtool.device-include", Include(|c| &mut c.ethtool_devices), "Devices to show"),
    flag("collector.ethtool.metrics-include", Text(|c| &mut c.ethtool_metrics), "Counters to show"),
    renamed(
        "collector.filesystem.fs-types-exclude",
        "collector.filesystem.ignored-fs-types",
        Exclude(|c| &mut c.filesystem_types),
        "Kinds of file systems to leave out",
    ),
    flag(
        "collector.filesystem.fs-types-include",
        Include(|c| &mut c.filesystem_types),
        "Kinds of file systems to show",
    ),
    renamed(
        "collector.filesystem.mount-points-exclude",
        "collector.filesystem.ignored-mount-points",
        Exclude(|c| &mut c.mount_points),
        "Mount points to leave out",
    ),
    flag(
        "collector.filesystem.mount-points-include",
        Include(|c| &mut c.mount_points),
        "Mount points to show",
    ),
    flag(
        "collector.filesystem.mount-timeout",
        Parsed(|c, text| duration(text).map(|timeout| c.mount_timeout = timeout)),
        "Time after which a mount point counts as dead",
    ),
    flag(
        "collector.filesystem.stat-workers",
        IgnoredValue,
        "Not needed: a dead mount point holds up nothing",
    ),
    flag("collector.hwmon.chip-exclude", Exclude(|c| &mut c.hwmon_chips), "Chips to leave out"),
    flag("collector.hwmon.chip-include", Include(|c| &mut c.hwmon_chips), "Chips to show"),
    flag("collector.hwmon.sensor-exclude", Exclude(|c| &mut c.hwmon_sensors), "Sensors to leave out"),
    flag("collector.hwmon.sensor-include", Include(|c| &mut c.hwmon_sensors), "Sensors to show"),
    flag(
        "collector.infiniband.device-exclude",
        Exclude(|c| &mut c.infiniband_devices),
        "Devices to leave out",
    ),
    flag("collector.infiniband.device-include", Include(|c| &mut c.infiniband_devices), "Devices to show"),
    flag(
        "collector.interrupts.include-zeros",
        Switch(|c| &mut c.interrupts_zeros),
        "Show interrupts that never came",
    ),
    flag(
        "collector.interrupts.name-exclude",
        Exclude(|c| &mut c.interrupts),
        "Interrupts (name;info;devices) to leave out",
    ),
    flag(
        "collector.interrupts.name-include",
        Include(|c| &mut c.interrupts),
        "Interrupts (name;info;devices) to show",
    ),
    flag(
        "collector.ipvs.backend-labels",
        Parsed(|c, text| ipvs_labels(text).map(|labels| c.ipvs_labels = labels)),
        "Labels that tell backends apart, with commas between",
    ),
    flag(
        "collector.netclass.ignore-invalid-speed",
        Switch(|c| &mut c.ignore_invalid_speed),
        "Leave out a speed that the device does not know",
    ),
    flag("collector.netclass.ignored-devices", Exclude(|c| &mut c.network_classes), "Devices to leave out"),
    flag("collector.netclass.netlink", IgnoredSwitch, "Not needed: /sys tells the same"),
    flag("collector.netclass_rtnl.with-stats", IgnoredSwitch, "Not needed: netdev has the counters"),
    flag("collector.netdev.address-info", Switch(|c| &mut c.network_addresses), "Show addresses"),
    renamed(
        "collector.netdev.device-exclude",
        "collector.netdev.device-blacklist",
        Exclude(|c| &mut c.network_devices),
        "Devices to leave out",
    ),
    renamed(
        "collector.netdev.device-include",
        "collector.netdev.device-whitelist",
        Include(|c| &mut c.network_devices),
        "Devices to show",
    ),
    flag(
        "collector.netdev.enable-detailed-metrics",
        Switch(|c| &mut c.network_details),
        "Other names, which tell kinds of errors apart",
    ),
    flag("collector.netdev.label-ifalias", Switch(|c| &mut c.network_alias), "Add the label ifalias"),
    flag("collector.netdev.netlink", Switch(|c| &mut c.network_netlink), "Ask netlink, not /proc/net/dev"),
    flag("collector.netstat.fields", Include(|c| &mut c.netstat_fields), "Fields to show"),
    flag(
        "collector.ntp.ip-ttl",
        Parsed(|c, text| number(text).map(|ttl| c.ntp.ip_ttl = ttl)),
        "How many routers a question passes",
    ),
    flag(
        "collector.ntp.local-offset-tolerance",
        Parsed(|c, text| duration(text).map(|tolerance| c.ntp.offset_tolerance = tolerance)),
        "How far the clocks may be apart",
    ),
    flag(
        "collector.ntp.max-distance",
        Parsed(|c, text| duration(text).map(|distance| c.ntp.distance_max = distance)),
        "How far the root of time may be away",
    ),
    flag(
        "collector.ntp.protocol-version",
        Parsed(|c, text| match number(text)? {
            version @ 2..=4 => {
                c.ntp.version = version;
                Ok(())
            }
            version => Err(format!("invalid NTP protocol version {version}; must be 2, 3, or 4")),
        }),
        "Version of the protocol",
    ),
    flag("collector.ntp.server", Text(|c| &mut c.ntp.server), "The server to ask"),
    flag(
        "collector.ntp.server-is-local",
        Switch(|c| &mut c.ntp.server_is_local),
        "The server is no public one and may be asked at each scrape",
    ),
    flag(
        "collector.ntp.server-port",
        Parsed(|c, text| match number(text)? {
            0 => Err("invalid NTP port number 0; must be between 1 and 65535 inclusive".to_string()),
            port => {
                c.ntp.port = port;
                Ok(())
            }
        }),
        "The server's port",
    ),
    flag(
        "collector.pcidevice.idsfile",
        Parsed(|c, text| {
            c.pci_ids_file = (!text.is_empty()).then(|| PathBuf::from(text));
            Ok(())
        }),
        "A pci.ids with the names of devices",
    ),
    flag("collector.pcidevice.names", Switch(|c| &mut c.pci_names), "Show names of devices"),
    flag("collector.perf.cache-profilers", List(|c| &mut c.perf.cache_events), "Events of caches to count"),
    flag("collector.perf.cpus", Text(|c| &mut c.perf.cpus), "Processors to count on, such as 0-7:2,9"),
    flag(
        "collector.perf.disable-cache-profilers",
        Switch(|c| &mut c.perf.no_cache_events),
        "Count no events of caches",
    ),
    flag(
        "collector.perf.disable-hardware-profilers",
        Switch(|c| &mut c.perf.no_hardware_events),
        "Count no events of the hardware",
    ),
    flag(
        "collector.perf.disable-software-profilers",
        Switch(|c| &mut c.perf.no_software_events),
        "Count no events of the kernel",
    ),
    flag(
        "collector.perf.hardware-profilers",
        List(|c| &mut c.perf.hardware_events),
        "Events of the hardware to count",
    ),
    flag(
        "collector.perf.software-profilers",
        List(|c| &mut c.perf.software_events),
        "Events of the kernel to count",
    ),
    flag("collector.perf.tracepoint", List(|c| &mut c.perf.tracepoints), "Trace points to count"),
    flag(
        "collector.powersupply.ignored-supplies",
        Exclude(|c| &mut c.power_supplies),
        "Power supplies to leave out",
    ),
    renamed(
        "collector.qdisc.device-exclude",
        "collector.qdisk.device-exclude",
        Exclude(|c| &mut c.qdisc_devices),
        "Devices to leave out",
    ),
    renamed(
        "collector.qdisc.device-include",
        "collector.qdisk.device-include",
        Include(|c| &mut c.qdisc_devices),
        "Devices to show",
    ),
    flag(
        "collector.qdisc.fixtures",
        Parsed(|c, text| {
            c.qdisc_fixtures = (!text.is_empty()).then(|| PathBuf::from(text));
            Ok(())
        }),
        "A recording to read instead of asking the kernel",
    ),
    flag(
        "collector.rapl.enable-zone-label",
        Switch(|c| &mut c.rapl_zone_label),
        "One metric with the zone as a label",
    ),
    flag("collector.runit.servicedir", Path(|c| &mut c.runit_directory), "Where runit has its services"),
    flag("collector.slabinfo.slabs-exclude", Exclude(|c| &mut c.slabs), "Caches to leave out"),
    flag("collector.slabinfo.slabs-include", Include(|c| &mut c.slabs), "Caches to show"),
    flag("collector.stat.softirq", Switch(|c| &mut c.softirqs), "Show soft interrupts by kind"),
    flag(
        "collector.supervisord.url",
        Text(|c| &mut c.supervisord_url),
        "Where supervisord answers (http:// or unix://)",
    ),
    flag("collector.sysctl.include", List(|c| &mut c.sysctls), "Settings to show as numbers"),
    flag("collector.sysctl.include-info", List(|c| &mut c.sysctl_infos), "Settings to show as words"),
    flag(
        "collector.systemd.enable-restarts-metrics",
        Switch(|c| &mut c.systemd.restarts),
        "Show how often services were restarted",
    ),
    flag(
        "collector.systemd.enable-start-time-metrics",
        Switch(|c| &mut c.systemd.start_times),
        "Show when units were started",
    ),
    flag("collector.systemd.enable-task-metrics", Switch(|c| &mut c.systemd.tasks), "Show tasks of services"),
    flag("collector.systemd.private", Switch(|c| &mut c.systemd.private), "Ask systemd past the bus"),
    renamed(
        "collector.systemd.unit-exclude",
        "collector.systemd.unit-blacklist",
        Exclude(|c| &mut c.systemd.units),
        "Units to leave out",
    ),
    renamed(
        "collector.systemd.unit-include",
        "collector.systemd.unit-whitelist",
        Include(|c| &mut c.systemd.units),
        "Units to show",
    ),
    flag("collector.tapestats.ignored-devices", Exclude(|c| &mut c.tapes), "Tape drives to leave out"),
    flag(
        "collector.textfile.directory",
        List(|c| &mut c.textfile_directories),
        "Folders (or a pattern of folders) with *.prom files",
    ),
    flag("collector.vmstat.fields", Include(|c| &mut c.vmstat_fields), "Fields to show"),
    flag(
        "collector.wifi.fixtures",
        Parsed(|c, text| {
            c.wifi_fixtures = (!text.is_empty()).then(|| PathBuf::from(text));
            Ok(())
        }),
        "A recording to read instead of asking the kernel",
    ),
    flag("path.procfs", Path(|c| &mut c.paths.procfs), "Where /proc is mounted"),
    flag("path.rootfs", Path(|c| &mut c.paths.rootfs), "Where the root of the file systems is mounted"),
    flag("path.sysfs", Path(|c| &mut c.paths.sysfs), "Where /sys is mounted"),
    flag("path.udev.data", Path(|c| &mut c.paths.udev_data), "Where udev keeps what it knows"),
];

/// Pairs of which only one may be given: the collector, and the flags without their end.
const EXCLUSIVE: [(&str, &str); 5] = [
    ("diskstats", "collector.diskstats.device"),
    ("filesystem", "collector.filesystem.fs-types"),
    ("filesystem", "collector.filesystem.mount-points"),
    ("netdev", "collector.netdev.device"),
    ("qdisc", "collector.qdisc.device"),
];

/// Reads flags into a configuration.
#[derive(Default)]
pub struct Flags {
    config: NodeConfig,
    given: BTreeSet<&'static str>,
    defaults_off: bool,
}

impl Flags {
    /// Whether a flag is a switch; `None` if there is no such flag. `no-` before it belongs to switches.
    pub fn is_switch(name: &str) -> Option<bool> {
        if name == "collector.disable-defaults" || collector(name).is_some() {
            return Some(true);
        }
        find(name).map(Flag::is_switch)
    }

    /// Sets a switch.
    pub fn switch(&mut self, name: &str, on: bool) {
        if name == "collector.disable-defaults" {
            self.defaults_off = on;
        } else if let Some(collector) = collector(name) {
            self.config.collectors.insert(collector.to_string(), on);
        } else if let Some(Flag { effect: Switch(target), .. }) = find(name) {
            *target(&mut self.config) = on;
        }
    }

    /// Sets a flag with a value; the error says what is wrong with it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some(flag) = find(name) else { return Ok(()) };
        let is_first = self.given.insert(flag.name);
        let config = &mut self.config;
        match &flag.effect {
            Include(target) => target(config).include = value.to_string(),
            Exclude(target) => target(config).exclude = value.to_string(),
            Text(target) => *target(config) = value.to_string(),
            Path(target) => *target(config) = PathBuf::from(value),
            List(target) => {
                if is_first {
                    target(config).clear();
                }
                target(config).push(value.to_string());
            }
            Parsed(set) => set(config, value).map_err(|error| format!("--{name}: {error}"))?,
            Switch(_) | IgnoredSwitch | IgnoredValue => {}
        }
        Ok(())
    }

    /// The configuration; the error names flags that exclude each other.
    pub fn finish(mut self) -> Result<NodeConfig, String> {
        if self.defaults_off {
            for (name, _) in Node::collectors() {
                self.config.collectors.entry(name.to_string()).or_insert(false);
            }
        }
        for (collector, stem) in EXCLUSIVE {
            let find = |end: &str| find(&[stem, end].concat());
            let (Some(exclude), Some(include)) = (find("-exclude"), find("-include")) else { continue };
            let Exclude(filter) = &exclude.effect else { continue };
            let is_on = |(name, on): (&str, bool)| {
                name == collector && self.config.collectors.get(name).copied().unwrap_or(on)
            };
            let is_on = Node::collectors().any(is_on);
            let is_excluding = self.given.contains(exclude.name);
            let filter = filter(&mut self.config);
            // A default does not hold against what is asked for.
            if !filter.include.is_empty() && !is_excluding {
                filter.exclude.clear();
            }
            if is_on && !filter.include.is_empty() && !filter.exclude.is_empty() {
                return Err(format!("--{} and --{} are mutually exclusive", exclude.name, include.name));
            }
        }
        if !self.config.ntp.server_is_local
            && self.config.collectors.get("ntp") == Some(&true)
            && !self.config.ntp.server.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        {
            return Err("only IP address of local NTP server is valid for --collector.ntp.server".to_string());
        }
        Ok(self.config)
    }
}

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name || (!flag.old_name.is_empty() && flag.old_name == name))
}

/// The collector that a flag switches.
fn collector(name: &str) -> Option<&str> {
    let collector = name.strip_prefix("collector.")?;
    Node::collectors().any(|(known, _)| known == collector).then_some(collector)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a number, found {text:?}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let nanoseconds = gocompat::duration::parse_ns(text).map_err(|error| error.to_string())?;
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| format!("expected a duration above 0, found {text:?}"))
}

fn ipvs_labels(text: &str) -> Result<[bool; 6], String> {
    let mut labels = [false; 6];
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let at = IPVS_LABELS.iter().position(|label| *label == name);
        let at = at.ok_or_else(|| format!("unknown IPVS backend label {name:?}"))?;
        labels[at] = true;
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_sorted_and_no_name_is_there_twice() {
        assert!(FLAGS.is_sorted_by(|a, b| a.name < b.name));
        let names = FLAGS.iter().map(|flag| flag.name);
        let old = FLAGS.iter().map(|flag| flag.old_name).filter(|name| !name.is_empty());
        let all: Vec<&str> = names.chain(old).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn what_is_asked_for_wins_over_a_default_and_both_are_refused() {
        let mut flags = Flags::default();
        flags.set("collector.filesystem.mount-points-include", "^/data$").unwrap();
        let config = flags.finish().unwrap();
        assert_eq!(
            (config.mount_points.include.as_str(), config.mount_points.exclude.as_str()),
            ("^/data$", "")
        );
        let mut flags = Flags::default();
        flags.set("collector.netdev.device-blacklist", "a").unwrap();
        flags.set("collector.netdev.device-include", "b").unwrap();
        let error = flags.finish().unwrap_err();
        assert_eq!(
            error,
            "--collector.netdev.device-exclude and --collector.netdev.device-include are mutually exclusive"
        );
    }

    #[test]
    fn without_defaults_only_what_is_switched_on_runs() {
        let mut flags = Flags::default();
        flags.switch("collector.loadavg", true);
        flags.switch("collector.disable-defaults", true);
        let config = flags.finish().unwrap();
        let on: Vec<_> =
            config.collectors.iter().filter(|(_, on)| **on).map(|(name, _)| name.as_str()).collect();
        assert_eq!(on, ["loadavg"]);
        assert_eq!(config.collectors.len(), Node::collectors().count());
    }

    #[test]
    fn a_wrong_value_names_the_flag() {
        let mut flags = Flags::default();
        let error = flags.set("collector.ntp.protocol-version", "5").unwrap_err();
        assert_eq!(
            error,
            "--collector.ntp.protocol-version: invalid NTP protocol version 5; must be 2, 3, or 4"
        );
    }
}
