//! The collectors. Each reads one area and gives its metrics to the page; names, units and defaults
//! are node_exporter's.

mod bcache;
mod bcachefs;
mod btrfs;
mod clock;
mod cpu;
mod disk;
mod drbd;
mod drm;
mod ethtool;
mod filesystem;
mod hardware;
mod hwmon;
mod identity;
mod infiniband;
mod ipvs;
mod kernel;
mod memory;
mod mountstats;
mod multipath;
mod network;
mod nfs;
mod ntp;
mod pci;
mod perf;
mod process;
mod protocols;
mod qdisc;
mod routes;
mod selinux;
mod storage;
mod sysctl;
mod system;
mod textfile;
mod units;
mod wifi;
mod zfs;

use std::collections::HashMap;
use std::sync::Arc;

use crate::mounts::Mounts;
use crate::netlink::{self, Link, Sockets};
use crate::page::Page;
use crate::{Error, Run};

pub(crate) use process::process;

/// One collector.
pub(crate) struct Collector {
    pub(crate) name: &'static str,
    pub(crate) on_by_default: bool,
    pub(crate) collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>,
}

impl State {
    /// Forgets what holds for one collection only.
    pub(crate) fn begin(&mut self) {
        self.links = None;
        self.octets = None;
    }

    /// The network devices: asked for once a collection.
    fn links(&mut self) -> std::io::Result<Arc<[Link]>> {
        if let Some(links) = &self.links {
            return Ok(links.clone());
        }
        let links: Arc<[Link]> = self.sockets.route(netlink::links)?.into();
        self.links = Some(links.clone());
        Ok(links)
    }
}

/// What collectors remember from one collection to the next.
#[derive(Default)]
pub(crate) struct State {
    /// When the machine was started, in seconds since 1970.
    boot_seconds: Option<f64>,
    cpus: cpu::History,
    /// What the mainboard says of itself, which never changes.
    dmi: Option<Vec<(&'static str, String)>>,
    /// The columns of each protocol, and the metric of each field of IPv6 that is shown.
    netstat: HashMap<Box<str>, protocols::Columns>,
    snmp6: HashMap<Box<str>, Option<String>>,
    /// Bytes that IP received and sent, as read in this collection.
    octets: Option<(f64, f64)>,
    mounts: Mounts,
    /// A midnight with a leap second, in seconds since 1970.
    leap_midnight: Option<f64>,
    pci_names: Option<pci::Names>,
    perf: Option<Vec<perf::Counter>>,
    sockets: Sockets,
    /// The network devices, once something has asked for them in this collection.
    links: Option<Arc<[Link]>>,
}

const fn on(name: &'static str, collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>) -> Collector {
    Collector { name, on_by_default: true, collect }
}

const fn off(name: &'static str, collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>) -> Collector {
    Collector { name, on_by_default: false, collect }
}

/// All collectors, sorted by name.
pub(crate) static COLLECTORS: &[Collector] = &[
    on("arp", network::arp),
    on("bcache", bcache::bcache),
    on("bcachefs", bcachefs::bcachefs),
    on("bonding", kernel::bonding),
    on("btrfs", btrfs::btrfs),
    off("buddyinfo", kernel::buddyinfo),
    off("cgroups", kernel::cgroups),
    on("conntrack", network::conntrack),
    on("cpu", cpu::cpu),
    off("cpu_vulnerabilities", kernel::cpu_vulnerabilities),
    on("cpufreq", cpu::frequency),
    on("diskstats", disk::diskstats),
    on("dmi", identity::dmi),
    on("dmmultipath", multipath::device_mapper),
    off("drbd", drbd::drbd),
    off("drm", drm::drm),
    on("edac", hardware::edac),
    on("entropy", system::entropy),
    off("ethtool", ethtool::ethtool),
    on("fibrechannel", storage::fibrechannel),
    on("filefd", system::filefd),
    on("filesystem", filesystem::filesystem),
    on("hwmon", hwmon::hwmon),
    on("infiniband", infiniband::infiniband),
    off("interrupts", system::interrupts),
    on("ipvs", ipvs::ipvs),
    on("kernel_hung", system::kernel_hung),
    off("ksmd", kernel::ksmd),
    off("lnstat", kernel::lnstat),
    on("loadavg", system::loadavg),
    off("logind", units::logind),
    on("mdadm", storage::mdadm),
    on("meminfo", memory::meminfo),
    off("meminfo_numa", memory::numa),
    off("mountstats", mountstats::mountstats),
    on("netclass", network::netclass),
    on("netdev", network::netdev),
    on("netstat", protocols::netstat),
    off("network_route", routes::network_route),
    on("nfs", nfs::client),
    on("nfsd", nfs::server),
    off("ntp", ntp::ntp),
    on("nvme", storage::nvme),
    off("nvmesubsystem", multipath::nvme_subsystem),
    on("os", identity::os),
    off("pcidevice", pci::pcidevice),
    off("perf", perf::perf),
    on("powersupplyclass", hardware::power_supply),
    on("pressure", system::pressure),
    off("processes", kernel::processes),
    off("qdisc", qdisc::qdisc),
    on("rapl", hardware::rapl),
    off("runit", units::runit),
    on("schedstat", system::schedstat),
    on("selinux", selinux::selinux),
    off("slabinfo", kernel::slabinfo),
    on("sockstat", protocols::sockstat),
    off("softirqs", system::softirqs),
    on("softnet", network::softnet),
    on("stat", system::stat),
    off("supervisord", units::supervisord),
    off("swap", memory::swap),
    off("sysctl", sysctl::sysctl),
    off("systemd", units::systemd),
    on("tapestats", storage::tapestats),
    off("tcpstat", routes::tcpstat),
    on("textfile", textfile::textfile),
    on("thermal_zone", hardware::thermal_zone),
    on("time", clock::time),
    on("timex", clock::timex),
    on("udp_queues", protocols::udp_queues),
    on("uname", identity::uname),
    on("vmstat", memory::vmstat),
    on("watchdog", hardware::watchdog),
    off("wifi", wifi::wifi),
    off("xfrm", kernel::xfrm),
    on("xfs", storage::xfs),
    on("zfs", zfs::zfs),
    off("zoneinfo", kernel::zoneinfo),
];
