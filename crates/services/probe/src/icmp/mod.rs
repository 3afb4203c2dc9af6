//! The ICMP prober: one echo request, and the reply that belongs to it.

mod socket;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use self::socket::EchoSocket;
use crate::config::IcmpProbe;
use crate::dial::{self, Dialer};
use crate::report::Report;

const DURATION: &str = "probe_icmp_duration_seconds";
/// The header before a message that a raw socket shows.
const IP_HEADER_MAX_BYTES: usize = 60;
/// What a packet holds if its size is not set.
const PAYLOAD: &[u8] = b"Prometheus Blackbox Exporter";

/// The number of the last request. It begins anywhere, so that instances that start together differ.
static SEQUENCE: std::sync::OnceLock<AtomicU16> = std::sync::OnceLock::new();

/// Asks a host for an echo.
pub(crate) async fn probe(dialer: &Dialer, probe: &IcmpProbe, target: &str, report: &mut Report) -> bool {
    for phase in ["resolve", "setup", "rtt"] {
        report.set_labelled(DURATION, &[("phase", phase)], 0.0);
    }
    let Some((address, seconds)) = dialer.choose(probe.ip, target, report).await else {
        return report.fail("Error resolving address", &[("err", &"the target has no address")]);
    };
    report.set_labelled(DURATION, &[("phase", "resolve")], seconds);
    let Ok(source) = dial::source_address(&probe.source_ip, report) else { return false };
    let setup = dialer.clock.mark();
    report.debug("Creating socket", &[]);
    let socket = match EchoSocket::open(address, source, probe.ttl, probe.dont_fragment) {
        Ok(socket) => socket,
        Err(error) => {
            return report.fail(
                "Error listening to socket",
                &[("err", &error), ("hint", &"allow it with net.ipv4.ping_group_range or CAP_NET_RAW")],
            );
        }
    };
    let id = net::dns::random_u16();
    let sequence =
        SEQUENCE.get_or_init(|| AtomicU16::new(net::dns::random_u16())).fetch_add(1, Ordering::Relaxed);
    let mut payload = PAYLOAD.to_vec();
    if probe.payload_size_bytes != 0 {
        payload.resize(probe.payload_size_bytes, 0);
    }
    report.debug("Creating ICMP packet", &[("seq", &sequence), ("id", &id)]);
    let packet = echo_request(address, id, sequence, &payload);
    report.set_labelled(DURATION, &[("phase", "setup")], setup.elapsed_seconds());
    report.debug("Writing out packet", &[]);
    let sent = dialer.clock.mark();
    if let Err(error) = socket.send(&packet).await {
        report.warn("Error writing to socket", &[("err", &error)]);
        return false;
    }
    report.debug("Waiting for reply packets", &[]);
    // A packet that is longer than the reply cannot be it, also if it is cut off.
    let mut buffer = vec![0; IP_HEADER_MAX_BYTES + packet.len() + 1];
    loop {
        let received = match socket.receive(&mut buffer).await {
            Ok(received) => received,
            Err(error) => return report.fail("Error reading from socket", &[("err", &error)]),
        };
        let own_id = (!socket.kernel_sets_id()).then_some(id);
        let message = &buffer[received.start..received.end];
        if received.peer == Some(address) && is_reply(message, address, own_id, sequence, &payload) {
            report.set_labelled(DURATION, &[("phase", "rtt")], sent.elapsed_seconds());
            match received.hop_limit {
                Some(hop_limit) => report.set("probe_icmp_reply_hop_limit", f64::from(hop_limit)),
                None => report.debug("Cannot get the hop limit of the reply", &[]),
            }
            report.debug("Found matching reply packet", &[]);
            return true;
        }
    }
}

/// RFC 792 and RFC 4443: type, code, checksum, identifier, sequence, data.
fn echo_request(address: IpAddr, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(8 + payload.len());
    packet.extend_from_slice(&[if address.is_ipv4() { 8 } else { 128 }, 0, 0, 0]);
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    // For IPv6 the kernel does it, since addresses are part of the sum.
    if address.is_ipv4() {
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn is_reply(message: &[u8], address: IpAddr, id: Option<u16>, sequence: u16, payload: &[u8]) -> bool {
    let [kind, code, _, _, id_high, id_low, sequence_high, sequence_low, data @ ..] = message else {
        return false;
    };
    let expected = if address.is_ipv4() { 0 } else { 129 };
    (*kind, *code) == (expected, 0)
        && id.is_none_or(|id| id == u16::from_be_bytes([*id_high, *id_low]))
        && sequence == u16::from_be_bytes([*sequence_high, *sequence_low])
        && data == payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_must_be_the_request_s() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut packet = echo_request(address, 7, 300, b"abc");
        assert_eq!(checksum(&packet), 0);
        assert!(!is_reply(&packet, address, Some(7), 300, b"abc"), "it is our own request");
        packet[0] = 0;
        assert!(is_reply(&packet, address, Some(7), 300, b"abc"));
        assert!(is_reply(&packet, address, None, 300, b"abc"));
        assert!(!is_reply(&packet, address, Some(8), 300, b"abc"));
        assert!(!is_reply(&packet, address, Some(7), 301, b"abc"));
        assert!(!is_reply(&packet, address, Some(7), 300, b"abd"));
        assert!(!is_reply(&packet[..7], address, Some(7), 300, b"abc"));
    }
}
