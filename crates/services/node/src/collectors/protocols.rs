//! Network protocols: sockets and what TCP, UDP, IP and ICMP count.

use model::MetricType;

use crate::config::Filters;
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

/// Which columns of a protocol are shown. The headings stay the same from collection to collection.
#[derive(Default)]
pub(crate) struct Columns {
    headings: String,
    /// Place and metric.
    shown: Vec<(usize, String)>,
    /// Places of the bytes that IP received and sent.
    octets: [Option<usize>; 2],
}

const NETSTAT_HELP: &str = "A field of /proc/net/netstat, snmp or snmp6.";

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
            let columns = match run.state.netstat.get_mut(protocol) {
                Some(columns) => columns,
                None => run.state.netstat.entry(protocol.into()).or_default(),
            };
            if columns.headings != names {
                *columns = self::columns(run.filters, protocol, names);
            }
            let mut wanted = columns.shown.iter().peekable();
            let mut octets = [None; 2];
            for (at, value) in values.split_ascii_whitespace().enumerate() {
                if let Some((_, metric)) = wanted.next_if(|(place, _)| *place == at) {
                    field(page, metric, value);
                }
                if let Some(which) = columns.octets.iter().position(|place| *place == Some(at)) {
                    octets[which] = number(value);
                }
            }
            if let [Some(received), Some(sent)] = octets {
                run.state.octets = Some((received, sent));
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
        let metric = match run.state.snmp6.get(key) {
            Some(metric) => metric.as_deref(),
            None => {
                let metric = key.find('6').map(|at| key.split_at(at + 1));
                let metric = metric.and_then(|(protocol, name)| self::metric(run.filters, protocol, name));
                run.state.snmp6.entry(key.into()).or_insert(metric).as_deref()
            }
        };
        if let Some(metric) = metric {
            field(page, metric, value);
        }
    }
    Ok(())
}

fn columns(filters: &Filters, protocol: &str, names: &str) -> Columns {
    let mut columns = Columns { headings: names.to_string(), ..Columns::default() };
    for (at, name) in names.split_ascii_whitespace().enumerate() {
        columns.shown.extend(metric(filters, protocol, name).map(|metric| (at, metric)));
        match (protocol, name) {
            ("IpExt", "InOctets") => columns.octets[0] = Some(at),
            ("IpExt", "OutOctets") => columns.octets[1] = Some(at),
            _ => {}
        }
    }
    columns
}

/// The metric of a field, if it is wanted.
fn metric(filters: &Filters, protocol: &str, name: &str) -> Option<String> {
    let key = [protocol, "_", name].concat();
    filters.netstat_fields.takes(&key).then(|| ["node_netstat_", &key].concat())
}

fn field(page: &mut Page, metric: &str, value: &str) {
    if let Ok(value) = value.parse::<i64>() {
        page.add(metric, MetricType::Unknown, NETSTAT_HELP, &[], value as f64);
    }
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
