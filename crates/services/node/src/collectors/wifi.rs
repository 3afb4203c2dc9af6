//! Wireless devices, as the kernel tells by generic netlink (`nl80211`).

use std::path::Path;

use model::MetricType::{self, Counter, Gauge};
use serde_json::Value;

use crate::netlink::{Socket, attributes, push_attribute, text, u16_at, u32_at, u64_at};
use crate::page::Page;
use crate::{Error, Run};

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CMD_GET_INTERFACE: u8 = 5;
const CMD_GET_STATION: u8 = 17;
const CMD_GET_SCAN: u8 = 32;
const ATTR_IFINDEX: u16 = 3;
const ATTR_IFNAME: u16 = 4;
const ATTR_MAC: u16 = 6;
const ATTR_STA_INFO: u16 = 21;
const ATTR_WIPHY_FREQ: u16 = 38;
const ATTR_BSS: u16 = 47;
const BSS_BSSID: u16 = 1;
const BSS_INFORMATION_ELEMENTS: u16 = 6;
const BSS_STATUS: u16 = 9;
/// Of `genlmsghdr`.
const HEADER_BYTES: usize = 4;

#[derive(Default)]
struct Interface {
    index: u32,
    name: String,
    frequency_mhz: u32,
    network: Option<Network>,
    stations: Vec<Station>,
}

#[derive(Default)]
struct Network {
    ssid: String,
    bssid: String,
    status: Option<u32>,
}

#[derive(Default)]
struct Station {
    address: String,
    /// In the order of [`METRICS`].
    values: [f64; 12],
}

/// Of a station: metric, key in recordings and units of one of theirs.
const METRICS: [(&str, MetricType, &str, f64, &str); 12] = [
    ("connected_seconds_total", Counter, "connected", 1e9, "Time a station is connected."),
    ("inactive_seconds", Gauge, "inactive", 1e9, "Time since a station was last heard."),
    ("receive_bits_per_second", Gauge, "receivebitrate", 1.0, "Rate of what a station sends."),
    ("transmit_bits_per_second", Gauge, "transmitbitrate", 1.0, "Rate of what is sent to a station."),
    ("receive_bytes_total", Counter, "receivedbytes", 1.0, "Bytes received."),
    ("transmit_bytes_total", Counter, "transmittedbytes", 1.0, "Bytes sent."),
    ("signal_dbm", Gauge, "signal", 1.0, "Strength of the signal."),
    ("transmit_retries_total", Counter, "transmitretries", 1.0, "Packets sent again."),
    ("transmit_failed_total", Counter, "transmitfailed", 1.0, "Packets that did not arrive."),
    ("beacon_loss_total", Counter, "beaconloss", 1.0, "Beacons that were missed."),
    ("transmitted_packets_total", Counter, "transmittedpackets", 1.0, "Packets sent."),
    ("received_packets_total", Counter, "receivedpackets", 1.0, "Packets received."),
];

pub(super) fn wifi(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let interfaces = match run.config.wifi_fixtures.clone() {
        Some(folder) => recorded(run, &folder)?,
        None => match run.state.sockets.generic(interfaces) {
            Ok(interfaces) => interfaces,
            // A kernel without wireless devices does not know the family.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                ) =>
            {
                return Err(Error::NoData);
            }
            Err(error) => return Err(Error::read("nl80211", error)),
        },
    };
    for interface in interfaces.iter().filter(|interface| !interface.name.is_empty()) {
        let device = ("device", interface.name.as_str());
        let help = "Frequency of a wireless device.";
        let hertz = f64::from(interface.frequency_mhz) * 1e6;
        page.gauge("node_wifi_interface_frequency_hertz", help, &[device], hertz);
        if let Some(network) = &interface.network {
            let mode = match network.status {
                Some(0 | 1) => "client",
                Some(2) => "ad-hoc",
                _ => "unknown",
            };
            let labels = [("bssid", network.bssid.as_str()), device, ("mode", mode), ("ssid", &network.ssid)];
            page.gauge("node_wifi_station_info", "The network a device is in.", &labels, 1.0);
        }
        for station in &interface.stations {
            let labels = [device, ("mac_address", station.address.as_str())];
            for ((name, metric_type, _, _, help), value) in METRICS.iter().zip(station.values) {
                page.add(&["node_wifi_station_", name].concat(), *metric_type, help, &labels, value);
            }
        }
    }
    Ok(())
}

fn interfaces(socket: &mut Socket) -> std::io::Result<Vec<Interface>> {
    let mut request = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    push_attribute(&mut request, CTRL_ATTR_FAMILY_NAME, b"nl80211\0");
    let mut family = None;
    socket.ask(GENL_ID_CTRL, &request, |_, message| {
        let attributes = message.get(HEADER_BYTES..).map(attributes);
        let id = attributes.and_then(|mut all| all.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID));
        family = id.and_then(|(_, content)| u16_at(content, 0));
    })?;
    let family = family.ok_or(std::io::ErrorKind::NotFound)?;
    let mut interfaces = Vec::new();
    socket.dump(family, &[CMD_GET_INTERFACE, 0, 0, 0], |_, message| {
        let mut interface = Interface::default();
        for (kind, content) in attributes(message.get(HEADER_BYTES..).unwrap_or_default()) {
            match kind {
                ATTR_IFINDEX => interface.index = u32_at(content, 0).unwrap_or(0),
                ATTR_IFNAME => interface.name = text(content),
                ATTR_WIPHY_FREQ => interface.frequency_mhz = u32_at(content, 0).unwrap_or(0),
                _ => {}
            }
        }
        interfaces.push(interface);
    })?;
    for interface in interfaces.iter_mut().filter(|interface| !interface.name.is_empty()) {
        let request = |command: u8| {
            let mut request = vec![command, 0, 0, 0];
            push_attribute(&mut request, ATTR_IFINDEX, &interface.index.to_ne_bytes());
            request
        };
        let mut network = None;
        socket.dump(family, &request(CMD_GET_SCAN), |_, message| {
            for (kind, content) in attributes(message.get(HEADER_BYTES..).unwrap_or_default()) {
                if kind == ATTR_BSS && network.is_none() {
                    network = read_network(content);
                }
            }
        })?;
        let mut stations = Vec::new();
        socket.dump(family, &request(CMD_GET_STATION), |_, message| {
            stations.push(read_station(message.get(HEADER_BYTES..).unwrap_or_default()));
        })?;
        (interface.network, interface.stations) = (network, stations);
    }
    Ok(interfaces)
}

/// The network a device belongs to; others that were only heard have no status.
fn read_network(content: &[u8]) -> Option<Network> {
    let mut network = Network::default();
    for (kind, content) in attributes(content) {
        match kind {
            BSS_BSSID => network.bssid = address(content),
            BSS_STATUS => network.status = u32_at(content, 0),
            BSS_INFORMATION_ELEMENTS => {
                // Number, length, content; number 0 is the name.
                let mut rest = content;
                while let [number, size, tail @ ..] = rest {
                    let Some((element, tail)) = tail.split_at_checked(usize::from(*size)) else { break };
                    if *number == 0 {
                        network.ssid = String::from_utf8_lossy(element).into_owned();
                        break;
                    }
                    rest = tail;
                }
            }
            _ => {}
        }
    }
    Some(network).filter(|network| network.status.is_some())
}

fn read_station(message: &[u8]) -> Station {
    let mut station = Station::default();
    for (kind, content) in attributes(message) {
        match kind {
            ATTR_MAC => station.address = address(content),
            ATTR_STA_INFO => {
                for (kind, content) in attributes(content) {
                    let word = u32_at(content, 0).map_or(0.0, f64::from);
                    let long = u64_at(content, 0).map_or(0.0, |value| value as f64);
                    match kind {
                        16 => station.values[0] = word,
                        1 => station.values[1] = word / 1000.0,
                        14 => station.values[2] = bits_per_second(content),
                        8 => station.values[3] = bits_per_second(content),
                        // Both widths are told; the wider one comes later.
                        2 => station.values[4] = word,
                        3 => station.values[5] = word,
                        23 => station.values[4] = long,
                        24 => station.values[5] = long,
                        7 => {
                            station.values[6] =
                                content.first().map_or(0.0, |dbm| f64::from(dbm.cast_signed()))
                        }
                        11 => station.values[7] = word,
                        12 => station.values[8] = word,
                        18 => station.values[9] = word,
                        10 => station.values[10] = word,
                        9 => station.values[11] = word,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    station
}

/// Rates count in 100 kbit/s, in 16 bits and, where those do not do, in 32.
fn bits_per_second(content: &[u8]) -> f64 {
    let (mut narrow, mut wide) = (0, None);
    for (kind, content) in attributes(content) {
        match kind {
            1 => narrow = u16_at(content, 0).map_or(0, u32::from),
            5 => wide = u32_at(content, 0),
            _ => {}
        }
    }
    f64::from(wide.unwrap_or(narrow)) * 100_000.0
}

fn address(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Devices from files, for tests on machines without them.
fn recorded(run: &mut Run<'_>, folder: &Path) -> Result<Vec<Interface>, Error> {
    let mut read = |path: &Path| -> Result<Vec<Value>, Error> {
        let value = serde_json::from_str(run.files.text(path)?);
        match value.map_err(|_| Error::malformed(&path.to_string_lossy()))? {
            Value::Array(values) => Ok(values),
            value => Ok(vec![value]),
        }
    };
    let mut interfaces = Vec::new();
    for recorded in read(&folder.join("interfaces.json"))? {
        let name = recorded["name"].as_str().unwrap_or("").to_string();
        let mut interface = Interface { name: name.clone(), ..Interface::default() };
        interface.frequency_mhz = recorded["frequency"].as_u64().and_then(|f| f.try_into().ok()).unwrap_or(0);
        let bytes = |value: &Value| address(&base64(value.as_str().unwrap_or("")));
        if name.is_empty() {
            continue;
        }
        // A device that is in no network has no file.
        if let Ok(networks) = read(&folder.join(&name).join("bss.json")) {
            interface.network = networks.first().map(|network| Network {
                ssid: network["ssid"].as_str().unwrap_or("").to_string(),
                bssid: bytes(&network["bssid"]),
                status: network["status"].as_u64().and_then(|status| status.try_into().ok()),
            });
        }
        for station in read(&folder.join(&name).join("stationinfo.json")).unwrap_or_default() {
            let value =
                |(_, _, key, unit, _): &(_, _, &str, f64, _)| station[*key].as_f64().unwrap_or(0.0) / unit;
            interface.stations.push(Station {
                address: bytes(&station["hardwareaddr"]),
                values: METRICS.each_ref().map(value),
            });
        }
        interfaces.push(interface);
    }
    Ok(interfaces)
}

/// Bytes in base 64, as recordings have addresses.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<usize> = text.chars().filter_map(|c| DIGITS.find(c)).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend([bits >> 16, bits >> 8, bits].iter().take(group.len() - 1).map(|byte| *byte as u8));
    }
    bytes
}
