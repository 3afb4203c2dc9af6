//! Network devices and what the kernel keeps for them.

use std::collections::BTreeMap;

use model::MetricType;
use model::MetricType::{Counter, Gauge};

use crate::files::{hex, number};
use crate::page::Page;
use crate::{Error, Run};

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

pub(super) fn netdev(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/dev")?;
    let mut devices = Vec::new();
    for line in text.lines().skip(2) {
        let (device, rest) = line.split_once(':').ok_or_else(|| Error::malformed("net/dev"))?;
        let device = device.trim();
        if !run.filters.network_devices.takes(device) {
            continue;
        }
        devices.push(device.to_string());
        for (name, field) in DEVICE_COLUMNS.iter().zip(rest.split_ascii_whitespace()) {
            let value = number(field).ok_or_else(|| Error::malformed("net/dev"))?;
            page.counter(name, "What a network device counts.", &[("device", device)], value);
        }
    }
    for device in devices {
        let path = run.files.sys_path("class/net").join(&device).join("statistics/rx_nohandler");
        if let Some(value) = run.files.number(&path) {
            let name = "node_network_receive_nohandler_total";
            page.counter(name, "What a network device counts.", &[("device", &device)], value);
        }
    }
    Ok(())
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

pub(super) fn netclass(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/net");
    let mut found = false;
    for device in run.files.names(&base) {
        if !run.filters.network_classes.takes(&device) {
            continue;
        }
        // There may be plain files, such as `bonding_masters`.
        let Some(folder) = run.files.folder(&base.join(&device)) else { continue };
        found = true;
        let labels = [("device", device.as_str())];
        let mut flags = None;
        for (file, name, metric_type) in CLASS_FILES {
            let Some(text) = run.files.line_in(&folder, file) else { continue };
            let value = if text.starts_with("0x") { hex(text) } else { number(text) };
            let Some(value) = value else { continue };
            if file == "flags" {
                flags = Some(value as u64);
            }
            page.add(
                name,
                metric_type,
                "A property of a network device, from /sys/class/net.",
                &labels,
                value,
            );
        }
        let speed = run.files.line_in(&folder, "speed").and_then(|text| text.parse::<i64>().ok());
        // Some devices say -1 for "unknown".
        if let Some(speed) = speed.filter(|speed| *speed >= 0 || !run.config.ignore_invalid_speed) {
            let bytes = speed.saturating_mul(1_000_000) / 8;
            let help = "Speed of a network device, in bytes a second.";
            page.gauge("node_network_speed_bytes", help, &labels, bytes as f64);
        }
        let mut text = |file: &str| run.files.line_in(&folder, file).unwrap_or("").to_string();
        let (address, broadcast, duplex) = (text("address"), text("broadcast"), text("duplex"));
        let (alias, state) = (text("ifalias"), text("operstate"));
        let admin = match flags {
            None => "unknown",
            Some(flags) if flags & 1 == 1 => "up",
            Some(_) => "down",
        };
        let help = "Whether a network device is up.";
        page.gauge("node_network_up", help, &labels, f64::from(u8::from(state == "up")));
        let labels = [
            ("address", address.as_str()),
            ("adminstate", admin),
            ("broadcast", &broadcast),
            ("device", &device),
            ("duplex", &duplex),
            ("ifalias", &alias),
            ("operstate", &state),
        ];
        page.gauge("node_network_info", "What a network device is.", &labels, 1.0);
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}

pub(super) fn arp(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/arp")?;
    let mut entries: BTreeMap<&str, u32> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let device = line.split_ascii_whitespace().nth(5).ok_or_else(|| Error::malformed("net/arp"))?;
        if run.filters.arp_devices.takes(device) {
            *entries.entry(device).or_default() += 1;
        }
    }
    for (device, count) in entries {
        let help = "Neighbours known by ARP.";
        page.gauge("node_arp_entries", help, &[("device", device)], f64::from(count));
    }
    Ok(())
}

pub(super) fn conntrack(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    for (file, name, help) in [
        ("nf_conntrack_count", "node_nf_conntrack_entries", "Connections that are tracked."),
        ("nf_conntrack_max", "node_nf_conntrack_entries_limit", "The most connections that can be tracked."),
    ] {
        let text = run.files.proc(&format!("sys/net/netfilter/{file}"))?;
        page.gauge(name, help, &[], number(text.trim()).ok_or_else(|| Error::malformed(file))?);
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
