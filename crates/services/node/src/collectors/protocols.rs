//! Network protocols: sockets and what TCP, UDP, IP and ICMP count.

use model::MetricType;

use crate::files::{hex, number};
use crate::page::Page;
use crate::{Error, Run};

pub(super) fn sockstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let page_bytes = rustix::param::page_size() as f64;
    for file in ["net/sockstat", "net/sockstat6"] {
        let text = match run.files.proc(file) {
            Ok(text) => text,
            // IPv4 or IPv6 is switched off.
            Err(Error::NoData) => continue,
            Err(error) => return Err(error),
        };
        for line in text.lines() {
            let Some((protocol, rest)) = line.split_once(':') else { return Err(Error::malformed(file)) };
            let mut fields = rest.split_ascii_whitespace();
            while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
                let value = number(value).ok_or_else(|| Error::malformed(file))?;
                let name = format!("node_sockstat_{protocol}_{key}");
                page.gauge(&name, "Sockets of a protocol in a state, from /proc/net/sockstat.", &[], value);
                if key == "mem" {
                    let name = format!("{name}_bytes");
                    page.gauge(&name, "Memory of a protocol's sockets.", &[], value * page_bytes);
                }
            }
        }
    }
    Ok(())
}

pub(super) fn netstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    for file in ["net/netstat", "net/snmp"] {
        let text = run.files.proc(file)?;
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (Some((protocol, names)), Some((_, values))) =
                (names.split_once(':'), values.split_once(':'))
            else {
                return Err(Error::malformed(file));
            };
            for (name, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
                if protocol == "IpExt" && matches!(name, "InOctets" | "OutOctets") {
                    let octets = run.state.octets.get_or_insert_default();
                    let octets = if name == "InOctets" { &mut octets.0 } else { &mut octets.1 };
                    *octets = number(value).unwrap_or(0.0);
                }
                field(run.filters, page, protocol, name, value);
            }
        }
    }
    let text = match run.files.proc("net/snmp6") {
        Ok(text) => text,
        Err(Error::NoData) => return Ok(()),
        Err(error) => return Err(error),
    };
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
        if let Some(at) = key.find('6') {
            let (protocol, name) = key.split_at(at + 1);
            field(run.filters, page, protocol, name, value);
        }
    }
    Ok(())
}

fn field(filters: &crate::config::Filters, page: &mut Page, protocol: &str, name: &str, value: &str) {
    let key = [protocol, "_", name].concat();
    if !filters.netstat_fields.takes(&key) {
        return;
    }
    let Ok(value) = value.parse::<i64>() else { return };
    let help = "A field of /proc/net/netstat, snmp or snmp6.";
    page.add(&["node_netstat_", &key].concat(), MetricType::Unknown, help, &[], value as f64);
}

pub(super) fn udp_queues(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mut found = false;
    for (file, ip) in [("net/udp", "v4"), ("net/udp6", "v6")] {
        let text = match run.files.proc(file) {
            Ok(text) => text,
            Err(Error::NoData) => continue,
            Err(error) => return Err(error),
        };
        found = true;
        let (mut sent, mut received) = (0.0, 0.0);
        for line in text.lines().skip(1) {
            // sl, local address, remote address, state, tx_queue:rx_queue
            let queues = line.split_ascii_whitespace().nth(4).and_then(|queues| queues.split_once(':'));
            let (tx, rx) = queues.ok_or_else(|| Error::malformed(file))?;
            sent += hex(tx).ok_or_else(|| Error::malformed(file))?;
            received += hex(rx).ok_or_else(|| Error::malformed(file))?;
        }
        for (queue, bytes) in [("tx", sent), ("rx", received)] {
            let labels = [("ip", ip), ("queue", queue)];
            page.gauge("node_udp_queues", "Bytes that wait in the kernel for UDP.", &labels, bytes);
        }
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}
