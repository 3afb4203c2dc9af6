//! Network devices and what the kernel keeps for them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use model::MetricType;
use model::MetricType::{Counter, Gauge};

use crate::files::{hex, number};
use crate::netlink::Link;
use crate::page::Page;
use crate::{Error, Run, netlink};

/// The columns of `/proc/net/dev`.
const DEVICE_COLUMNS: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

const DEVICE_HELP: &str = "What a network device counts.";

/// The names of the kernel's own counters, in their order.
const DETAILS: [&str; 24] = [
    "receive_packets",
    "transmit_packets",
    "receive_bytes",
    "transmit_bytes",
    "receive_errors",
    "transmit_errors",
    "receive_dropped",
    "transmit_dropped",
    "multicast",
    "collisions",
    "receive_length_errors",
    "receive_over_errors",
    "receive_crc_errors",
    "receive_frame_errors",
    "receive_fifo_errors",
    "receive_missed_errors",
    "transmit_aborted_errors",
    "transmit_carrier_errors",
    "transmit_fifo_errors",
    "transmit_heartbeat_errors",
    "transmit_window_errors",
    "receive_compressed",
    "transmit_compressed",
    "receive_nohandler",
];

/// Of which of them each column of `/proc/net/dev` is the sum.
const SUMS: [&[usize]; 16] = [
    &[2],
    &[0],
    &[4],
    &[6, 15],
    &[14],
    &[13, 10, 11, 12],
    &[21],
    &[8],
    &[3],
    &[1],
    &[5],
    &[7],
    &[18],
    &[9],
    &[17, 16, 19, 20],
    &[22],
];

pub(super) fn netdev(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    if run.config.network_addresses {
        addresses(run, page)?;
    }
    if !run.config.network_netlink {
        return netdev_file(run, page);
    }
    // Where netlink is forbidden, the file has almost the same.
    let Ok(links) = run.state.links() else { return netdev_file(run, page) };
    for link in links.iter().filter(|link| run.filters.network_devices.takes(&link.name)) {
        let Some(counters) = &link.counters else { continue };
        let labels = [("device", link.name.as_str()), ("ifalias", link.alias.as_str())];
        let labels = if run.config.network_alias { &labels[..] } else { &labels[..1] };
        if run.config.network_details {
            for (name, value) in DETAILS.iter().zip(counters) {
                let name = ["node_network_", name, "_total"].concat();
                page.counter(&name, DEVICE_HELP, labels, *value as f64);
            }
            continue;
        }
        for (name, fields) in DEVICE_COLUMNS.iter().zip(SUMS) {
            let sum: u64 = fields.iter().filter_map(|at| counters.get(*at)).sum();
            page.counter(name, DEVICE_HELP, labels, sum as f64);
        }
        page.counter("node_network_receive_nohandler_total", DEVICE_HELP, labels, counters[23] as f64);
    }
    Ok(())
}

fn netdev_file(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/net");
    let text = run.files.proc("net/dev")?.to_string();
    for line in text.lines().skip(2) {
        let (device, rest) = line.split_once(':').ok_or_else(|| Error::malformed("net/dev"))?;
        let device = device.trim();
        if !run.filters.network_devices.takes(device) {
            continue;
        }
        let alias = match run.config.network_alias {
            true => run.files.line(&base.join(device).join("ifalias")).unwrap_or("").to_string(),
            false => String::new(),
        };
        let labels = [("device", device), ("ifalias", alias.as_str())];
        let labels = if run.config.network_alias { &labels[..] } else { &labels[..1] };
        for (name, field) in DEVICE_COLUMNS.iter().zip(rest.split_ascii_whitespace()) {
            let value = number(field).ok_or_else(|| Error::malformed("net/dev"))?;
            page.counter(name, DEVICE_HELP, labels, value);
        }
    }
    Ok(())
}

fn addresses(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let failed = |error| Error::read("netlink", error);
    let links = run.state.links().map_err(failed)?;
    let addresses = run.state.sockets.route(netlink::addresses).map_err(failed)?;
    for address in &addresses {
        let Some(link) = links.iter().find(|link| link.index == address.link) else { continue };
        if !run.filters.network_devices.takes(&link.name) {
            continue;
        }
        let (ip, bits) = (address.ip.to_string(), address.prefix_bits.to_string());
        let labels = [
            ("address", ip.as_str()),
            ("device", &link.name),
            ("netmask", &bits),
            ("scope", scope(address.ip)),
        ];
        page.gauge("node_network_address_info", "An address of a network device.", &labels, 1.0);
    }
    Ok(())
}

/// How far an address reaches.
fn scope(ip: IpAddr) -> &'static str {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.segments()[0] & 0xff0f == 0xff02,
    };
    let is_interface_local = matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xff0f == 0xff01);
    let is_broadcast = ip == IpAddr::from([255; 4]);
    if ip.is_loopback() || is_link_local {
        "link-local"
    } else if is_interface_local {
        "interface-local"
    } else if ip.is_unspecified() || ip.is_multicast() || is_broadcast {
        ""
    } else {
        "global"
    }
}

/// Files of `/sys/class/net/<device>` with a number, decimal or `0x` hexadecimal.
const CLASS_FILES: [(&str, &str, MetricType); 16] = [
    ("addr_assign_type", "node_network_address_assign_type", Gauge),
    ("carrier", "node_network_carrier", Gauge),
    ("carrier_changes", "node_network_carrier_changes_total", Counter),
    ("carrier_up_count", "node_network_carrier_up_changes_total", Counter),
    ("carrier_down_count", "node_network_carrier_down_changes_total", Counter),
    ("dev_id", "node_network_device_id", Gauge),
    ("dormant", "node_network_dormant", Gauge),
    ("flags", "node_network_flags", Gauge),
    ("ifindex", "node_network_iface_id", Gauge),
    ("iflink", "node_network_iface_link", Gauge),
    ("link_mode", "node_network_iface_link_mode", Gauge),
    ("mtu", "node_network_mtu_bytes", Gauge),
    ("name_assign_type", "node_network_name_assign_type", Gauge),
    ("netdev_group", "node_network_net_dev_group", Gauge),
    ("tx_queue_len", "node_network_transmit_queue_length", Gauge),
    ("type", "node_network_protocol_type", Gauge),
];

const CLASS_HELP: &str = "A property of a network device, from /sys/class/net.";

pub(super) fn netclass(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/net");
    // What netlink tells of all devices at once need not be read file by file.
    let links = if run.files.is_this_machine() { run.state.links().ok() } else { None };
    let mut found = false;
    for device in run.files.names(&base) {
        if !run.filters.network_classes.takes(&device) {
            continue;
        }
        // There may be plain files, such as `bonding_masters`.
        let folder = base.join(&device);
        if !run.files.device(&folder) {
            continue;
        }
        found = true;
        let link = links.iter().flat_map(|links| links.iter()).find(|link| link.name == device);
        let device = Device { name: &device, folder: &folder };
        match link.filter(|link| device.is(run, link)) {
            Some(link) => device.show_link(run, page, link),
            None => device.show_files(run, page),
        }
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}

/// A folder of `/sys/class/net`.
struct Device<'d> {
    name: &'d str,
    folder: &'d Path,
}

impl Device<'_> {
    fn text(&self, run: &mut Run<'_>, file: &str) -> String {
        run.files.line(&self.folder.join(file)).unwrap_or("").to_string()
    }

    fn number(&self, run: &mut Run<'_>, file: &str) -> Option<f64> {
        let text = run.files.line(&self.folder.join(file))?;
        if text.starts_with("0x") { hex(text) } else { number(text) }
    }

    /// Whether a device told by netlink is this one: `/sys` may show another network than ours.
    fn is(&self, run: &mut Run<'_>, link: &Link) -> bool {
        self.number(run, "ifindex") == Some(f64::from(link.index))
            && self.text(run, "address") == address(&link.address)
    }

    /// Shows what netlink tells, and reads only the rest.
    fn show_link(&self, run: &mut Run<'_>, page: &mut Page, link: &Link) {
        let labels = [("device", self.name)];
        let is_up = link.flags & IFF_UP != 0;
        let word = |value: Option<u32>| value.map(f64::from);
        let byte = |value: Option<u8>| value.map(f64::from);
        let dormant = f64::from(u8::from(link.flags & IFF_DORMANT != 0));
        let flags = self.number(run, "flags");
        let values = [
            self.number(run, "addr_assign_type"),
            // A device that is down does not know.
            byte(link.carrier).filter(|_| is_up),
            word(link.carrier_changes[0]),
            word(link.carrier_changes[1]),
            word(link.carrier_changes[2]),
            self.number(run, "dev_id"),
            Some(dormant).filter(|_| is_up),
            flags,
            Some(f64::from(link.index)),
            Some(f64::from(link.lower.unwrap_or(link.index))),
            byte(link.link_mode),
            word(link.mtu),
            self.number(run, "name_assign_type"),
            word(link.group),
            word(link.queue_length),
            Some(f64::from(link.hardware)),
        ];
        for ((_, name, metric_type), value) in CLASS_FILES.iter().zip(values) {
            if let Some(value) = value {
                page.add(name, *metric_type, CLASS_HELP, &labels, value);
            }
        }
        let (own, broadcast) = (address(&link.address), address(&link.broadcast));
        self.info(run, page, flags, [&own, &broadcast, &link.alias, link.state]);
    }

    fn show_files(&self, run: &mut Run<'_>, page: &mut Page) {
        let mut flags = None;
        for (file, name, metric_type) in CLASS_FILES {
            let Some(value) = self.number(run, file) else { continue };
            if file == "flags" {
                flags = Some(value);
            }
            page.add(name, metric_type, CLASS_HELP, &[("device", self.name)], value);
        }
        let texts = ["address", "broadcast", "ifalias", "operstate"].map(|file| self.text(run, file));
        self.info(run, page, flags, texts.each_ref().map(String::as_str));
    }

    fn info(&self, run: &mut Run<'_>, page: &mut Page, flags: Option<f64>, texts: [&str; 4]) {
        let labels = [("device", self.name)];
        let speed = run.files.line(&self.folder.join("speed")).and_then(|text| text.parse::<i64>().ok());
        // Some devices say -1 for "unknown".
        if let Some(speed) = speed.filter(|speed| *speed >= 0 || !run.config.ignore_invalid_speed) {
            let bytes = speed.saturating_mul(1_000_000) / 8;
            let help = "Speed of a network device, in bytes a second.";
            page.gauge("node_network_speed_bytes", help, &labels, bytes as f64);
        }
        let duplex = self.text(run, "duplex");
        let [address, broadcast, alias, state] = texts;
        let admin = match flags {
            None => "unknown",
            Some(flags) if flags as u64 & 1 == 1 => "up",
            Some(_) => "down",
        };
        let help = "Whether a network device is up.";
        page.gauge("node_network_up", help, &labels, f64::from(u8::from(state == "up")));
        let labels = [
            ("address", address),
            ("adminstate", admin),
            ("broadcast", broadcast),
            ("device", self.name),
            ("duplex", &duplex),
            ("ifalias", alias),
            ("operstate", state),
        ];
        page.gauge("node_network_info", "What a network device is.", &labels, 1.0);
    }
}

const IFF_UP: u32 = 1;
const IFF_DORMANT: u32 = 1 << 17;

/// An address of hardware as `/sys` writes it.
fn address(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

pub(super) fn arp(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mut entries: BTreeMap<String, u32> = BTreeMap::new();
    if run.config.arp_netlink {
        let failed = |error| Error::read("netlink", error);
        let neighbours = run.state.sockets.route(netlink::neighbours).map_err(failed)?;
        let links = match neighbours.is_empty() {
            true => [].into(),
            false => run.state.links().map_err(failed)?,
        };
        for (index, count) in neighbours {
            let link = links.iter().find(|link| link.index == index);
            entries.extend(link.map(|link| (link.name.clone(), count)));
        }
    } else {
        let text = run.files.proc("net/arp")?;
        for line in text.lines().skip(1) {
            let device = line.split_ascii_whitespace().nth(5).ok_or_else(|| Error::malformed("net/arp"))?;
            *entries.entry(device.to_string()).or_default() += 1;
        }
    }
    for (device, count) in entries.iter().filter(|(device, _)| run.filters.arp_devices.takes(device)) {
        let help = "Neighbours known by ARP.";
        page.gauge("node_arp_entries", help, &[("device", device)], f64::from(*count));
    }
    Ok(())
}

pub(super) fn conntrack(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    for (file, name, help) in [
        ("nf_conntrack_count", "node_nf_conntrack_entries", "Connections that are tracked."),
        ("nf_conntrack_max", "node_nf_conntrack_entries_limit", "The most connections that can be tracked."),
    ] {
        let text = run.files.proc_line(&format!("sys/net/netfilter/{file}"))?;
        page.gauge(name, help, &[], number(text).ok_or_else(|| Error::malformed(file))?);
    }
    let text = run.files.proc("net/stat/nf_conntrack")?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split_ascii_whitespace().collect();
    let mut sums = vec![0.0; names.len()];
    for line in lines {
        for (sum, field) in sums.iter_mut().zip(line.split_ascii_whitespace()) {
            *sum += hex(field).ok_or_else(|| Error::malformed("nf_conntrack"))?;
        }
    }
    for (field, help) in [
        ("found", "Look-ups that found a connection."),
        ("invalid", "Packets that cannot be tracked."),
        ("ignore", "Packets that belong to a tracked connection."),
        ("insert", "Connections added."),
        ("insert_failed", "Connections that could not be added."),
        ("drop", "Packets dropped because tracking failed."),
        ("early_drop", "Connections dropped to make room."),
        ("search_restart", "Look-ups that started again because the table grew."),
    ] {
        let position = names.iter().position(|name| *name == field);
        let value = position.and_then(|at| sums.get(at)).copied().unwrap_or(0.0);
        page.gauge(&["node_nf_conntrack_stat_", field].concat(), help, &[], value);
    }
    Ok(())
}

pub(super) fn softnet(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/softnet_stat")?;
    for (at, line) in text.lines().enumerate() {
        let fields: Option<Vec<f64>> = line.split_ascii_whitespace().map(hex).collect();
        let fields = fields.ok_or_else(|| Error::malformed("softnet_stat"))?;
        let field = |number: usize| fields.get(number).copied().unwrap_or(0.0);
        // Newer kernels say which processor a line is about.
        let cpu = fields.get(12).map_or(at as u64, |cpu| *cpu as u64).to_string();
        for (name, metric_type, value, help) in [
            ("processed_total", Counter, field(0), "Packets processed."),
            ("dropped_total", Counter, field(1), "Packets dropped because the queue was full."),
            ("times_squeezed_total", Counter, field(2), "How often time or budget ran out with work left."),
            ("cpu_collision_total", Counter, field(8), "How often a device was locked when sending."),
            ("received_rps_total", Counter, field(9), "How often a processor was woken to receive packets."),
            ("flow_limit_count_total", Counter, field(10), "How often the flow limit was reached."),
            ("backlog_len", Gauge, field(11), "Packets that wait."),
        ] {
            page.add(&["node_softnet_", name].concat(), metric_type, help, &[("cpu", &cpu)], value);
        }
    }
    Ok(())
}
