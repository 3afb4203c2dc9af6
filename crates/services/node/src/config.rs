//! What is collected, with node_exporter's options and defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use foldhash::fast::FixedState;
use gocompat::re2::Regex;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::Error;

/// Where the machine's file systems are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `--path.procfs`
    pub procfs: PathBuf,
    /// `--path.sysfs`
    pub sysfs: PathBuf,
    /// `--path.rootfs`
    pub rootfs: PathBuf,
    /// `--path.udev.data`
    pub udev_data: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            procfs: PathBuf::from("/proc"),
            sysfs: PathBuf::from("/sys"),
            rootfs: PathBuf::from("/"),
            udev_data: PathBuf::from("/run/udev/data"),
        }
    }
}

/// Which names are taken: those that `include` matches, if it is set, and `exclude` does not. The
/// patterns are not anchored; empty means unset.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Names to take.
    pub include: String,
    /// Names to leave out.
    pub exclude: String,
}

impl Filter {
    fn without(exclude: &str) -> Self {
        Filter { include: String::new(), exclude: exclude.to_string() }
    }

    /// The same for patterns that must match a name from end to end.
    fn anchored(&self) -> Self {
        let whole = |pattern: &str| match pattern {
            "" => String::new(),
            pattern => format!("^(?:{pattern})$"),
        };
        Filter { include: whole(&self.include), exclude: whole(&self.exclude) }
    }

    fn only(include: &str) -> Self {
        Filter { include: include.to_string(), exclude: String::new() }
    }
}

/// What is collected. The defaults are node_exporter's.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where the machine's file systems are.
    pub paths: Paths,
    /// Collectors switched on or off against their default, by name.
    pub collectors: BTreeMap<String, bool>,
    /// `--collector.cpu.info`
    pub cpu_info: bool,
    /// `--collector.cpu.guest`
    pub cpu_guest: bool,
    /// `--collector.cpu.info.flags-include`; empty gives no flags.
    pub cpu_flags_include: String,
    /// `--collector.cpu.info.bugs-include`; empty gives no bugs.
    pub cpu_bugs_include: String,
    /// `--collector.arp.netlink`; otherwise `/proc/net/arp`, which is slow with many neighbours.
    pub arp_netlink: bool,
    /// `--collector.bcache.priorityStats`
    pub bcache_priority_stats: bool,
    /// `--collector.arp.device-*`
    pub arp_devices: Filter,
    /// `--collector.diskstats.device-*`
    pub disks: Filter,
    /// `--collector.ethtool.device-*`
    pub ethtool_devices: Filter,
    /// `--collector.ethtool.metrics-include`
    pub ethtool_metrics: String,
    /// `--collector.filesystem.mount-points-*`
    pub mount_points: Filter,
    /// `--collector.filesystem.fs-types-*`
    pub filesystem_types: Filter,
    /// `--collector.filesystem.mount-timeout`
    pub mount_timeout: Duration,
    /// `--collector.hwmon.chip-*`
    pub hwmon_chips: Filter,
    /// `--collector.hwmon.sensor-*`, on `chip;sensor`
    pub hwmon_sensors: Filter,
    /// `--collector.infiniband.device-*`
    pub infiniband_devices: Filter,
    /// `--collector.interrupts.name-*`, on `name;info;devices`
    pub interrupts: Filter,
    /// `--collector.interrupts.include-zeros`
    pub interrupts_zeros: bool,
    /// `--collector.ipvs.backend-labels`, by [`IPVS_LABELS`]
    pub ipvs_labels: [bool; 6],
    /// `--collector.netclass.ignored-devices`
    pub network_classes: Filter,
    /// `--collector.netclass.ignore-invalid-speed`
    pub ignore_invalid_speed: bool,
    /// `--collector.netdev.device-*`
    pub network_devices: Filter,
    /// `--collector.netdev.netlink`; otherwise `/proc/net/dev`, which has no `nohandler`.
    pub network_netlink: bool,
    /// `--collector.netdev.enable-detailed-metrics`: names that tell kinds of errors apart.
    pub network_details: bool,
    /// `--collector.netdev.address-info`
    pub network_addresses: bool,
    /// `--collector.netdev.label-ifalias`
    pub network_alias: bool,
    /// `--collector.netstat.fields`
    pub netstat_fields: Filter,
    /// `--collector.ntp.*`
    pub ntp: NtpConfig,
    /// `--collector.pcidevice.names`
    pub pci_names: bool,
    /// `--collector.pcidevice.idsfile`; without it the usual places.
    pub pci_ids_file: Option<PathBuf>,
    /// `--collector.perf.*`
    pub perf: PerfConfig,
    /// `--collector.powersupply.ignored-supplies`
    pub power_supplies: Filter,
    /// `--collector.qdisc.device-*`
    pub qdisc_devices: Filter,
    /// `--collector.qdisc.fixtures`: a folder to read from instead of asking the kernel.
    pub qdisc_fixtures: Option<PathBuf>,
    /// `--collector.rapl.enable-zone-label`: one metric with the zone as a label.
    pub rapl_zone_label: bool,
    /// `--collector.runit.servicedir`
    pub runit_directory: PathBuf,
    /// `--collector.slabinfo.slabs-*`
    pub slabs: Filter,
    /// `--collector.stat.softirq`
    pub softirqs: bool,
    /// `--collector.supervisord.url`
    pub supervisord_url: String,
    /// `--collector.sysctl.include`: a name, or a name with keys for its values (`fs.file-nr:a,b,c`).
    pub sysctls: Vec<String>,
    /// `--collector.sysctl.include-info`
    pub sysctl_infos: Vec<String>,
    /// `--collector.systemd.*`
    pub systemd: SystemdConfig,
    /// `--collector.tapestats.ignored-devices`
    pub tapes: Filter,
    /// `--collector.textfile.directory`: folders, or patterns of folders.
    pub textfile_directories: Vec<String>,
    /// `--collector.vmstat.fields`
    pub vmstat_fields: Filter,
    /// `--collector.wifi.fixtures`: a folder to read from instead of asking the kernel.
    pub wifi_fixtures: Option<PathBuf>,
}

/// The labels of a backend of the load balancer, and the order in which `ipvs_labels` has them.
pub const IPVS_LABELS: [&str; 6] =
    ["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"];

/// Whom the `ntp` collector asks, and what it takes for sane.
#[derive(Clone, Debug)]
pub struct NtpConfig {
    /// `--collector.ntp.server`
    pub server: String,
    /// `--collector.ntp.server-port`
    pub port: u16,
    /// `--collector.ntp.protocol-version`: 2 to 4.
    pub version: u8,
    /// `--collector.ntp.server-is-local`: the server may be asked although it is not this machine.
    pub server_is_local: bool,
    /// `--collector.ntp.ip-ttl`
    pub ip_ttl: u8,
    /// `--collector.ntp.max-distance`
    pub distance_max: Duration,
    /// `--collector.ntp.local-offset-tolerance`
    pub offset_tolerance: Duration,
}

impl Default for NtpConfig {
    fn default() -> Self {
        NtpConfig {
            server: "127.0.0.1".to_string(),
            port: 123,
            version: 4,
            server_is_local: false,
            ip_ttl: 1,
            distance_max: Duration::from_micros(3_466_080),
            offset_tolerance: Duration::from_millis(1),
        }
    }
}

/// What the `perf` collector counts, and where.
#[derive(Clone, Debug, Default)]
pub struct PerfConfig {
    /// `--collector.perf.cpus`: `0-7:2,9`; empty is all.
    pub cpus: String,
    /// `--collector.perf.tracepoint`: `system:event`
    pub tracepoints: Vec<String>,
    /// `--collector.perf.hardware-profilers`; empty is all.
    pub hardware_events: Vec<String>,
    /// `--collector.perf.disable-hardware-profilers`
    pub no_hardware_events: bool,
    /// `--collector.perf.software-profilers`; empty is all.
    pub software_events: Vec<String>,
    /// `--collector.perf.disable-software-profilers`
    pub no_software_events: bool,
    /// `--collector.perf.cache-profilers`; empty is all.
    pub cache_events: Vec<String>,
    /// `--collector.perf.disable-cache-profilers`
    pub no_cache_events: bool,
}

/// Which units the `systemd` collector shows, and how much of them.
#[derive(Clone, Debug)]
pub struct SystemdConfig {
    /// `--collector.systemd.unit-*`: the whole name must match.
    pub units: Filter,
    /// `--collector.systemd.enable-task-metrics`
    pub tasks: bool,
    /// `--collector.systemd.enable-restarts-metrics`
    pub restarts: bool,
    /// `--collector.systemd.enable-start-time-metrics`
    pub start_times: bool,
    /// `--collector.systemd.private`: past the bus, which only root may.
    pub private: bool,
}

impl Default for SystemdConfig {
    fn default() -> Self {
        let units = Filter {
            include: ".+".to_string(),
            exclude: r".+\.(automount|device|mount|scope|slice)".to_string(),
        };
        SystemdConfig { units, tasks: false, restarts: false, start_times: false, private: false }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            paths: Paths::default(),
            collectors: BTreeMap::new(),
            cpu_info: false,
            cpu_guest: true,
            cpu_flags_include: String::new(),
            cpu_bugs_include: String::new(),
            arp_netlink: true,
            bcache_priority_stats: false,
            arp_devices: Filter::default(),
            disks: Filter::without(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"),
            ethtool_devices: Filter::default(),
            ethtool_metrics: ".*".to_string(),
            mount_points: Filter::without(
                "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
            ),
            filesystem_types: Filter::without(
                "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|\
                 mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|\
                 tracefs)$",
            ),
            mount_timeout: Duration::from_secs(5),
            hwmon_chips: Filter::default(),
            hwmon_sensors: Filter::default(),
            infiniband_devices: Filter::default(),
            interrupts: Filter::default(),
            interrupts_zeros: true,
            ipvs_labels: [true; 6],
            network_classes: Filter::without("^$"),
            ignore_invalid_speed: false,
            network_devices: Filter::default(),
            network_netlink: true,
            network_details: false,
            network_addresses: false,
            network_alias: false,
            netstat_fields: Filter::only(
                "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|\
                 TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
                 Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
                 Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
            ),
            ntp: NtpConfig::default(),
            pci_names: false,
            pci_ids_file: None,
            perf: PerfConfig::default(),
            power_supplies: Filter::without("^$"),
            qdisc_devices: Filter::default(),
            qdisc_fixtures: None,
            rapl_zone_label: false,
            runit_directory: PathBuf::from("/etc/service"),
            slabs: Filter::only(".*"),
            softirqs: false,
            supervisord_url: "http://localhost:9001/RPC2".to_string(),
            sysctls: Vec::new(),
            sysctl_infos: Vec::new(),
            systemd: SystemdConfig::default(),
            tapes: Filter::without("^$"),
            textfile_directories: Vec::new(),
            vmstat_fields: Filter::only("^(oom_kill|pgpg|pswp|pg.*fault).*"),
            wifi_fixtures: None,
        }
    }
}

/// A compiled [`Filter`].
#[derive(Debug)]
pub(crate) struct Pattern {
    include: Option<Regex>,
    exclude: Option<Regex>,
    /// Names seen and whether they were taken: most names come again with each collection.
    known: Mutex<HashMap<Box<str>, bool, FixedState>>,
}

/// Names that a pattern remembers.
const KNOWN_MAX: usize = 8192;

impl Pattern {
    fn new(option: &'static str, filter: &Filter) -> Result<Self, Error> {
        let compile = |pattern: &str| match pattern {
            "" => Ok(None),
            pattern => Regex::new(pattern).map(Some).map_err(|source| Error::BadPattern { option, source }),
        };
        let (include, exclude) = (compile(&filter.include)?, compile(&filter.exclude)?);
        Ok(Pattern { include, exclude, known: Mutex::default() })
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        if !self.is_set() {
            return true;
        }
        let mut known = self.known.lock();
        if let Some(taken) = known.get(name) {
            return *taken;
        }
        let taken = !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name))
            && self.include.as_ref().is_none_or(|include| include.is_match(name));
        if known.len() < KNOWN_MAX {
            known.insert(Box::from(name), taken);
        }
        taken
    }

    /// Whether it leaves anything out.
    pub(crate) fn is_set(&self) -> bool {
        self.include.is_some() || self.exclude.is_some()
    }

    /// Whether anything is to be included at all.
    pub(crate) fn includes_some(&self) -> bool {
        self.include.is_some()
    }
}

/// All filters, compiled.
#[derive(Debug)]
pub(crate) struct Filters {
    pub(crate) cpu_flags: Pattern,
    pub(crate) cpu_bugs: Pattern,
    pub(crate) arp_devices: Pattern,
    pub(crate) disks: Pattern,
    pub(crate) ethtool_devices: Pattern,
    pub(crate) ethtool_metrics: Pattern,
    pub(crate) interrupts: Pattern,
    pub(crate) slabs: Pattern,
    pub(crate) systemd_units: Pattern,
    pub(crate) tapes: Pattern,
    pub(crate) mount_points: Pattern,
    pub(crate) filesystem_types: Pattern,
    pub(crate) hwmon_chips: Pattern,
    pub(crate) hwmon_sensors: Pattern,
    pub(crate) infiniband_devices: Pattern,
    pub(crate) network_classes: Pattern,
    pub(crate) network_devices: Pattern,
    pub(crate) netstat_fields: Pattern,
    pub(crate) power_supplies: Pattern,
    pub(crate) qdisc_devices: Pattern,
    pub(crate) vmstat_fields: Pattern,
}

impl Filters {
    pub(crate) fn new(config: &NodeConfig) -> Result<Self, Error> {
        Ok(Filters {
            cpu_flags: Pattern::new(
                "collector.cpu.info.flags-include",
                &Filter::only(&config.cpu_flags_include),
            )?,
            cpu_bugs: Pattern::new(
                "collector.cpu.info.bugs-include",
                &Filter::only(&config.cpu_bugs_include),
            )?,
            arp_devices: Pattern::new("collector.arp.device", &config.arp_devices)?,
            disks: Pattern::new("collector.diskstats.device", &config.disks)?,
            ethtool_devices: Pattern::new("collector.ethtool.device", &config.ethtool_devices)?,
            ethtool_metrics: Pattern::new(
                "collector.ethtool.metrics-include",
                &Filter::only(&config.ethtool_metrics),
            )?,
            interrupts: Pattern::new("collector.interrupts.name", &config.interrupts)?,
            slabs: Pattern::new("collector.slabinfo.slabs", &config.slabs)?,
            systemd_units: Pattern::new("collector.systemd.unit", &config.systemd.units.anchored())?,
            tapes: Pattern::new("collector.tapestats.ignored-devices", &config.tapes)?,
            mount_points: Pattern::new("collector.filesystem.mount-points", &config.mount_points)?,
            filesystem_types: Pattern::new("collector.filesystem.fs-types", &config.filesystem_types)?,
            hwmon_chips: Pattern::new("collector.hwmon.chip", &config.hwmon_chips)?,
            hwmon_sensors: Pattern::new("collector.hwmon.sensor", &config.hwmon_sensors)?,
            infiniband_devices: Pattern::new("collector.infiniband.device", &config.infiniband_devices)?,
            network_classes: Pattern::new("collector.netclass.ignored-devices", &config.network_classes)?,
            network_devices: Pattern::new("collector.netdev.device", &config.network_devices)?,
            netstat_fields: Pattern::new("collector.netstat.fields", &config.netstat_fields)?,
            power_supplies: Pattern::new("collector.powersupply.ignored-supplies", &config.power_supplies)?,
            qdisc_devices: Pattern::new("collector.qdisc.device", &config.qdisc_devices)?,
            vmstat_fields: Pattern::new("collector.vmstat.fields", &config.vmstat_fields)?,
        })
    }
}
