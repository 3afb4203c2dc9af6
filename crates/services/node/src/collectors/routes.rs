//! Routes and the states of TCP connections, as the kernel tells by netlink.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::netlink::{Socket, attributes, ip, links, u16_at, u32_at};
use crate::page::Page;
use crate::{Error, Run};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// Of `rtmsg` and of `rtnexthop`.
const ROUTE_BYTES: usize = 12;
const HOP_BYTES: usize = 8;
/// A route to other machines: not local, not broadcast.
const UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;

#[derive(Default)]
struct Route {
    protocol: u8,
    destination: Option<IpAddr>,
    destination_bits: u8,
    source: Option<IpAddr>,
    priority: u32,
    /// One, or several with weights.
    hops: Vec<Hop>,
}

#[derive(Default)]
struct Hop {
    link: u32,
    gateway: Option<IpAddr>,
    weight: Option<u32>,
}

pub(super) fn network_route(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let failed = |error| Error::read("netlink", error);
    let names: BTreeMap<u32, String> = run
        .state
        .sockets
        .route(links)
        .map_err(failed)?
        .into_iter()
        .map(|link| (link.index, link.name))
        .collect();
    let routes = run.state.sockets.route(routes).map_err(failed)?;
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for route in &routes {
        let text = |ip: Option<IpAddr>| ip.map_or(String::new(), |ip| ip.to_string());
        let destination = match (route.destination, route.destination_bits) {
            (_, 0) => "default".to_string(),
            (Some(ip), bits) => format!("{ip}/{bits}"),
            (None, bits) => format!("<nil>/{bits}"),
        };
        let (source, priority) = (text(route.source), route.priority.to_string());
        for hop in &route.hops {
            let device = names.get(&hop.link).map_or("", String::as_str);
            let (gateway, weight) = (text(hop.gateway), hop.weight.map_or(String::new(), |w| w.to_string()));
            let labels = [
                ("dest", destination.as_str()),
                ("device", device),
                ("gw", &gateway),
                ("priority", &priority),
                ("proto", protocol(route.protocol)),
                ("src", &source),
                ("weight", &weight),
            ];
            page.gauge("node_network_route_info", "A route.", &labels, 1.0);
            *counts.entry(device).or_default() += 1.0;
        }
    }
    for (device, count) in counts {
        page.gauge("node_network_routes", "Routes by device.", &[("device", device)], count);
    }
    Ok(())
}

fn routes(socket: &mut Socket) -> std::io::Result<Vec<Route>> {
    let mut routes = Vec::new();
    socket.dump(RTM_GETROUTE, &[0; ROUTE_BYTES], |kind, message| {
        if kind == RTM_NEWROUTE {
            routes.extend(read_route(message));
        }
    })?;
    Ok(routes)
}

fn read_route(message: &[u8]) -> Option<Route> {
    let [_, destination_bits, _, _, _, protocol, _, kind, ..] = *message else { return None };
    if kind != UNICAST {
        return None;
    }
    let mut route = Route { protocol, destination_bits, ..Route::default() };
    let mut single = Hop::default();
    for (kind, content) in attributes(message.get(ROUTE_BYTES..)?) {
        match kind {
            RTA_DST => route.destination = ip(content),
            RTA_PREFSRC => route.source = ip(content),
            RTA_PRIORITY => route.priority = u32_at(content, 0)?,
            RTA_OIF => single.link = u32_at(content, 0)?,
            RTA_GATEWAY => single.gateway = ip(content),
            RTA_MULTIPATH => {
                let mut rest = content;
                while let (Some(size), Some(link)) = (u16_at(rest, 0), u32_at(rest, 4)) {
                    let Some(own) = rest.get(HOP_BYTES..usize::from(size)) else { break };
                    let gateway = attributes(own).find(|(kind, _)| *kind == RTA_GATEWAY);
                    let weight = rest.get(3).map(|hops| u32::from(*hops) + 1);
                    route.hops.push(Hop { link, gateway: gateway.and_then(|(_, bytes)| ip(bytes)), weight });
                    rest = rest.get(usize::from(size).next_multiple_of(4)..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    if route.hops.is_empty() {
        route.hops.push(single);
    }
    Some(route)
}

/// Who made a route (`/etc/iproute2/rt_protos`).
fn protocol(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// All states but the half-open ones of newer kernels.
const ALL_STATES: u32 = 0xFFF;

/// By their numbers, from 1.
const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

pub(super) fn tcpstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mut families = vec![AF_INET];
    if run.config.paths.procfs.join("net/tcp6").exists() {
        families.push(AF_INET6);
    }
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for family in families {
        let mut request = vec![family, IPPROTO_TCP, 0, 0];
        request.extend_from_slice(&ALL_STATES.to_ne_bytes());
        // Which socket: any.
        request.resize(56, 0);
        let asked = run.state.sockets.diagnosis(|socket| {
            socket.dump(SOCK_DIAG_BY_FAMILY, &request, |_, message| {
                let state = message.get(1).map_or(0, |state| usize::from(*state));
                let state = STATES.get(state.wrapping_sub(1)).copied().unwrap_or("unknown");
                *sums.entry(state).or_default() += 1.0;
                *sums.entry("rx_queued_bytes").or_default() += f64::from(u32_at(message, 56).unwrap_or(0));
                *sums.entry("tx_queued_bytes").or_default() += f64::from(u32_at(message, 60).unwrap_or(0));
            })
        });
        asked.map_err(|error| Error::read("netlink", error))?;
    }
    for (state, count) in sums {
        let help = "TCP connections by state, and the bytes that wait in them.";
        page.gauge("node_tcp_connection_states", help, &[("state", state)], count);
    }
    Ok(())
}
