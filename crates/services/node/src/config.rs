//! What is collected, with node_exporter's options and defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gocompat::re2::Regex;

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
    /// `--collector.arp.device-*`
    pub arp_devices: Filter,
    /// `--collector.diskstats.device-*`
    pub disks: Filter,
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
    /// `--collector.netclass.ignored-devices`
    pub network_classes: Filter,
    /// `--collector.netclass.ignore-invalid-speed`
    pub ignore_invalid_speed: bool,
    /// `--collector.netdev.device-*`
    pub network_devices: Filter,
    /// `--collector.netstat.fields`
    pub netstat_fields: Filter,
    /// `--collector.powersupply.ignored-supplies`
    pub power_supplies: Filter,
    /// `--collector.stat.softirq`
    pub softirqs: bool,
    /// `--collector.textfile.directory`; none switches the collector off.
    pub textfile_directory: Option<PathBuf>,
    /// `--collector.vmstat.fields`
    pub vmstat_fields: Filter,
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
            arp_devices: Filter::default(),
            disks: Filter::without(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"),
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
            network_classes: Filter::without("^$"),
            ignore_invalid_speed: false,
            network_devices: Filter::default(),
            netstat_fields: Filter::only(
                "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|\
                 TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
                 Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
                 Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
            ),
            power_supplies: Filter::without("^$"),
            softirqs: false,
            textfile_directory: None,
            vmstat_fields: Filter::only("^(oom_kill|pgpg|pswp|pg.*fault).*"),
        }
    }
}

/// A compiled [`Filter`].
#[derive(Debug)]
pub(crate) struct Pattern {
    include: Option<Regex>,
    exclude: Option<Regex>,
}

impl Pattern {
    fn new(option: &'static str, filter: &Filter) -> Result<Self, Error> {
        let compile = |pattern: &str| match pattern {
            "" => Ok(None),
            pattern => Regex::new(pattern).map(Some).map_err(|source| Error::BadPattern { option, source }),
        };
        Ok(Pattern { include: compile(&filter.include)?, exclude: compile(&filter.exclude)? })
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name))
            && self.include.as_ref().is_none_or(|include| include.is_match(name))
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
    pub(crate) mount_points: Pattern,
    pub(crate) filesystem_types: Pattern,
    pub(crate) hwmon_chips: Pattern,
    pub(crate) hwmon_sensors: Pattern,
    pub(crate) network_classes: Pattern,
    pub(crate) network_devices: Pattern,
    pub(crate) netstat_fields: Pattern,
    pub(crate) power_supplies: Pattern,
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
            mount_points: Pattern::new("collector.filesystem.mount-points", &config.mount_points)?,
            filesystem_types: Pattern::new("collector.filesystem.fs-types", &config.filesystem_types)?,
            hwmon_chips: Pattern::new("collector.hwmon.chip", &config.hwmon_chips)?,
            hwmon_sensors: Pattern::new("collector.hwmon.sensor", &config.hwmon_sensors)?,
            network_classes: Pattern::new("collector.netclass.ignored-devices", &config.network_classes)?,
            network_devices: Pattern::new("collector.netdev.device", &config.network_devices)?,
            netstat_fields: Pattern::new("collector.netstat.fields", &config.netstat_fields)?,
            power_supplies: Pattern::new("collector.powersupply.ignored-supplies", &config.power_supplies)?,
            vmstat_fields: Pattern::new("collector.vmstat.fields", &config.vmstat_fields)?,
        })
    }
}
