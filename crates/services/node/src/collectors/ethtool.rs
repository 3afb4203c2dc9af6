//! Network devices as their drivers describe them.

use std::collections::BTreeMap;

use model::MetricType::Unknown;

use crate::ethtool_ioctl;
use crate::page::{Page, name_part};
use crate::{Error, Run};

/// 1 Mb/s in bytes.
const MEGABIT_BYTES: f64 = 125_000.0;

const AUTONEGOTIATE: u32 = 6;
const PAUSE: u32 = 13;
const ASYMMETRIC_PAUSE: u32 = 14;

/// Bit, Mb/s, duplex, mode: those that this call has bits for.
const SPEEDS: [(u32, f64, &str, &str); 22] = [
    (0, 10.0, "half", "10baseT"),
    (1, 10.0, "full", "10baseT"),
    (2, 100.0, "half", "100baseT"),
    (3, 100.0, "full", "100baseT"),
    (4, 1000.0, "half", "1000baseT"),
    (5, 1000.0, "full", "1000baseT"),
    (12, 10_000.0, "full", "10000baseT"),
    (17, 1000.0, "full", "1000baseKX"),
    (18, 10_000.0, "full", "10000baseKX4"),
    (19, 10_000.0, "full", "10000baseKR"),
    (20, 10_000.0, "full", "10000baseR_FEC"),
    (21, 20_000.0, "full", "20000baseMLD2"),
    (22, 20_000.0, "full", "20000baseKR2"),
    (23, 40_000.0, "full", "40000baseKR4"),
    (24, 40_000.0, "full", "40000baseCR4"),
    (25, 40_000.0, "full", "40000baseSR4"),
    (26, 40_000.0, "full", "40000baseLR4"),
    (27, 56_000.0, "full", "56000baseKR4"),
    (28, 56_000.0, "full", "56000baseCR4"),
    (29, 56_000.0, "full", "56000baseSR4"),
    (30, 56_000.0, "full", "56000baseLR4"),
    (31, 25_000.0, "full", "25000baseCR"),
];

const PORTS: [(u32, &str); 6] =
    [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

/// Counters that most drivers have, with names of their own.
const COMMON: [(&str, &str); 7] = [
    ("rx_bytes", "received_bytes_total"),
    ("rx_dropped", "received_dropped_total"),
    ("rx_errors", "received_errors_total"),
    ("rx_packets", "received_packets_total"),
    ("tx_bytes", "transmitted_bytes_total"),
    ("tx_errors", "transmitted_errors_total"),
    ("tx_packets", "transmitted_packets_total"),
];

pub(super) fn ethtool(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/net");
    if !base.is_dir() {
        return Err(Error::NoData);
    }
    let socket = ethtool_ioctl::open().map_err(|error| Error::read("socket", error))?;
    for device in run.files.names(&base) {
        if !base.join(&device).is_dir() || !run.filters.ethtool_devices.takes(&device) {
            continue;
        }
        let labels = [("device", device.as_str())];
        // What a driver does not support is left out.
        if let Ok(settings) = ethtool_ioctl::settings(&socket, &device) {
            modes(page, &device, "supported", settings.supported);
            modes(page, &device, "advertised", settings.advertised);
            for (_, kind) in PORTS.iter().filter(|(bit, _)| has(settings.supported, *bit)) {
                let labels = [("device", device.as_str()), ("type", kind)];
                let help = "Kinds of ports a device has.";
                page.gauge("node_network_supported_port_info", help, &labels, 1.0);
            }
            let value = f64::from(u8::from(settings.autonegotiates));
            let help = "Whether a device negotiates its speed.";
            page.gauge("node_network_autonegotiate", help, &labels, value);
        }
        let Ok(driver) = ethtool_ioctl::driver(&socket, &device) else { continue };
        let info = [
            ("bus_info", driver.bus.as_str()),
            ("device", &device),
            ("driver", &driver.name),
            ("expansion_rom_version", &driver.expansion_rom),
            ("firmware_version", &driver.firmware),
            ("version", &driver.version),
        ];
        page.gauge("node_ethtool_info", "Who drives a network device.", &info, 1.0);
        if let Ok(counters) = ethtool_ioctl::counters(&socket, &device, &driver) {
            let counters = counters.iter().map(|(name, value)| (name_part(name), *value));
            let wanted = counters.filter(|(name, _)| run.filters.ethtool_metrics.takes(name));
            for (metric, value) in unique(wanted) {
                let name = ["node_ethtool_", &metric].concat();
                page.add(&name, Unknown, "A counter of a driver.", &labels, value as f64);
            }
        }
    }
    Ok(())
}

fn has(bits: u32, bit: u32) -> bool {
    bits & (1 << bit) != 0
}

fn modes(page: &mut Page, device: &str, what: &str, bits: u32) {
    let help = "What a device supports, or offers to the other end.";
    for (_, speed, duplex, mode) in SPEEDS.iter().filter(|(bit, ..)| has(bits, *bit)) {
        let labels = [("device", device), ("duplex", duplex), ("mode", mode)];
        page.gauge(&format!("node_network_{what}_speed_bytes"), help, &labels, speed * MEGABIT_BYTES);
    }
    for (bit, name) in
        [(AUTONEGOTIATE, "autonegotiate"), (PAUSE, "pause"), (ASYMMETRIC_PAUSE, "asymmetricpause")]
    {
        let value = f64::from(u8::from(has(bits, bit)));
        page.gauge(&format!("node_network_{name}_{what}"), help, &[("device", device)], value);
    }
}

/// The counters under their metrics' names. Of names that become the same none is shown.
fn unique(counters: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut found: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for (name, value) in counters {
        found.entry(metric(&name)).and_modify(|known| *known = None).or_insert(Some(value));
    }
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A counter's name with `rx` and `tx` written out. Of two equal ones in a row (virtio's
/// `tx_tx_timeouts`) the second stays as it is: node_exporter's pattern takes the `_` between them away
/// with the first, and dashboards know the metric so.
fn metric(name: &str) -> String {
    if let Some((_, metric)) = COMMON.iter().find(|(known, _)| *known == name) {
        return (*metric).to_string();
    }
    let name = name.to_ascii_lowercase();
    let mut written_out = "";
    let parts = name.trim_start_matches('_').split('_').map(|part| {
        let long = match part {
            "rx" => "received",
            "tx" => "transmitted",
            _ => part,
        };
        if part == written_out {
            written_out = "";
            return part;
        }
        written_out = if long == part { "" } else { part };
        long
    });
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_counters_are_spelled_out_and_doubles_left_out() {
        for (name, expected) in [
            ("rx_packets", "received_packets_total"),
            ("port_rx_dropped", "port_received_dropped"),
            ("tx_single_collisions", "transmitted_single_collisions"),
            ("_RX", "received"),
            ("arx_tx", "arx_transmitted"),
            ("tx_tx_timeouts", "transmitted_tx_timeouts"),
            ("rx_tx_tx_tx", "received_transmitted_tx_transmitted"),
        ] {
            assert_eq!(metric(name), expected);
        }
        let counters = [("duplicate_metric", 1), ("a", 2), ("duplicate_metric", 3)];
        let shown = unique(counters.into_iter().map(|(name, value)| (name.to_string(), value)));
        assert_eq!(shown.into_iter().collect::<Vec<_>>(), [("a".to_string(), 2)]);
    }
}
