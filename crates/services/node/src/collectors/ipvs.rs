//! The kernel's load balancer: `/proc/net/ip_vs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::config::IPVS_LABELS;
use crate::files::{hex, number};
use crate::page::Page;
use crate::{Error, Run};

/// A virtual server: protocol, address, port, mark.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Server {
    protocol: String,
    address: String,
    port: String,
    mark: String,
}

pub(super) fn ipvs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/ip_vs_stats")?;
    let sums: Vec<f64> =
        text.lines().nth(2).unwrap_or("").split_ascii_whitespace().map(|f| hex(f).unwrap_or(0.0)).collect();
    for ((name, help), value) in [
        ("node_ipvs_connections_total", "Connections made."),
        ("node_ipvs_incoming_packets_total", "Packets in."),
        ("node_ipvs_outgoing_packets_total", "Packets out."),
        ("node_ipvs_incoming_bytes_total", "Bytes in."),
        ("node_ipvs_outgoing_bytes_total", "Bytes out."),
    ]
    .iter()
    .zip(sums)
    {
        page.counter(name, help, &[], value);
    }
    let text = run.files.proc("net/ip_vs")?;
    let mut server = Server::default();
    let mut backends: BTreeMap<(Server, (String, String)), [f64; 3]> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields[..] {
            ["TCP" | "UDP" | "SCTP", local, ..] => {
                let (address, port) = endpoint(local).ok_or_else(|| Error::malformed("net/ip_vs"))?;
                server = Server { protocol: fields[0].to_string(), address, port, mark: String::new() };
            }
            ["FWM", mark, ..] => {
                let (protocol, port) = ("FWM".to_string(), "0".to_string());
                server = Server { protocol, address: String::new(), port, mark: mark.to_string() };
            }
            ["->", remote, _, weight, active, inactive] => {
                let Some(remote) = endpoint(remote) else { continue };
                let sums = backends.entry((server.clone(), remote)).or_default();
                for (sum, field) in sums.iter_mut().zip([weight, active, inactive]) {
                    *sum += number(field).ok_or_else(|| Error::malformed("net/ip_vs"))?;
                }
            }
            _ => {}
        }
    }
    // Backends that differ in nothing shown are shown as one.
    let mut shown: BTreeMap<Vec<&str>, [f64; 3]> = BTreeMap::new();
    for ((server, (address, port)), values) in &backends {
        let labels =
            [server.address.as_str(), &server.mark, &server.port, &server.protocol, address.as_str(), port];
        let wanted = labels.into_iter().zip(run.config.ipvs_labels).filter(|(_, wanted)| *wanted);
        let sums = shown.entry(wanted.map(|(value, _)| value).collect()).or_default();
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    let names: Vec<&str> = IPVS_LABELS
        .into_iter()
        .zip(run.config.ipvs_labels)
        .filter(|(_, wanted)| *wanted)
        .map(|(name, _)| name)
        .collect();
    for (labels, values) in &shown {
        let labels: Vec<(&str, &str)> = names.iter().copied().zip(labels.iter().copied()).collect();
        for ((name, help), value) in [
            ("node_ipvs_backend_weight", "Weight of a backend."),
            ("node_ipvs_backend_connections_active", "Connections to a backend that are in use."),
            ("node_ipvs_backend_connections_inactive", "Connections to a backend that are not in use."),
        ]
        .iter()
        .zip(values)
        {
            page.gauge(name, help, &labels, *value);
        }
    }
    Ok(())
}

/// Address and port of `C0A80016:0CEA` or `[2620:0:...:1]:0CEA`.
fn endpoint(text: &str) -> Option<(String, String)> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
        Some(address) => address.parse().ok()?,
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    Some((address.to_string(), port.to_string()))
}
