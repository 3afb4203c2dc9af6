//! The collectors. Each reads one area and gives its metrics to the page; names, units and defaults
//! are node_exporter's.

mod clock;
mod cpu;
mod disk;
mod filesystem;
mod hardware;
mod hwmon;
mod identity;
mod memory;
mod network;
mod process;
mod protocols;
mod system;
mod textfile;

use crate::mounts::Mounts;
use crate::page::Page;
use crate::{Error, Run};

/// One collector.
pub(crate) struct Collector {
    pub(crate) name: &'static str,
    pub(crate) on_by_default: bool,
    pub(crate) collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>,
}

/// What collectors remember from one collection to the next.
pub(crate) use process::process;

#[derive(Default)]
pub(crate) struct State {
    cpus: cpu::History,
    mounts: Mounts,
}

const fn on(name: &'static str, collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>) -> Collector {
    Collector { name, on_by_default: true, collect }
}

const fn off(name: &'static str, collect: fn(&mut Run<'_>, &mut Page) -> Result<(), Error>) -> Collector {
    Collector { name, on_by_default: false, collect }
}

/// All collectors, sorted by name. `process` describes our own process and has no counterpart.
pub(crate) static COLLECTORS: &[Collector] = &[
    on("arp", network::arp),
    on("conntrack", network::conntrack),
    on("cpu", cpu::cpu),
    on("cpufreq", cpu::frequency),
    on("diskstats", disk::diskstats),
    on("dmi", identity::dmi),
    on("edac", hardware::edac),
    on("entropy", system::entropy),
    on("filefd", system::filefd),
    on("filesystem", filesystem::filesystem),
    on("hwmon", hwmon::hwmon),
    off("interrupts", system::interrupts),
    on("kernel_hung", system::kernel_hung),
    on("loadavg", system::loadavg),
    on("meminfo", memory::meminfo),
    off("meminfo_numa", memory::numa),
    on("netclass", network::netclass),
    on("netdev", network::netdev),
    on("netstat", protocols::netstat),
    on("os", identity::os),
    on("powersupplyclass", hardware::power_supply),
    on("pressure", system::pressure),
    on("process", process::process),
    on("schedstat", system::schedstat),
    on("sockstat", protocols::sockstat),
    off("softirqs", system::softirqs),
    on("softnet", network::softnet),
    on("stat", system::stat),
    on("textfile", textfile::textfile),
    on("thermal_zone", hardware::thermal_zone),
    on("time", clock::time),
    on("timex", clock::timex),
    on("udp_queues", protocols::udp_queues),
    on("uname", identity::uname),
    on("vmstat", memory::vmstat),
    on("watchdog", hardware::watchdog),
];
