//! Asks the kernel what it tells by netlink only, or tells better there than in files.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SOCK_DIAG};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST`, and with `NLM_F_DUMP` for everything there is.
const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x301;
/// The bits of an attribute's type that are not part of it.
const ATTRIBUTE_FLAGS: u16 = 0xC000;

/// Of `nlmsghdr`.
const HEADER_BYTES: usize = 16;

/// The kernel answers in parts of at most 32 KiB.
const ANSWER_BYTES: usize = 64 << 10;

/// The kernel answers at once; nothing is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which part of the kernel is asked.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// Devices, routes and queues.
    Route,
    /// Sockets.
    SocketDiagnosis,
    /// Families with numbers given at run time.
    Generic,
}

pub(crate) struct Socket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn open(part: Part) -> std::io::Result<Self> {
        let protocol: Option<Protocol> = match part {
            // Without a protocol number it is 0, which is `NETLINK_ROUTE`.
            Part::Route => None,
            Part::SocketDiagnosis => Some(SOCK_DIAG),
            Part::Generic => Some(GENERIC),
        };
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Socket { socket, buffer: vec![0; ANSWER_BYTES] })
    }

    /// Asks for everything of a kind; `each` gets type and content of each message.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        payload: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> std::io::Result<()> {
        self.send(kind, DUMP, payload)?;
        while !read_messages(self.receive()?, &mut each)? {}
        Ok(())
    }

    /// Asks for one thing.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        payload: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> std::io::Result<()> {
        self.send(kind, REQUEST, payload)?;
        read_messages(self.receive()?, &mut each).map(|_| ())
    }

    fn send(&self, kind: u16, flags: u16, payload: &[u8]) -> std::io::Result<()> {
        let mut request = Vec::with_capacity(HEADER_BYTES + payload.len());
        request.extend_from_slice(&((HEADER_BYTES + payload.len()) as u32).to_ne_bytes());
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&flags.to_ne_bytes());
        // Sequence number and sender: whoever has one socket and one question needs neither.
        request.resize(HEADER_BYTES, 0);
        request.extend_from_slice(payload);
        send(&self.socket, &request, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self) -> std::io::Result<&[u8]> {
        loop {
            match recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((size, _)) => return Ok(self.buffer.get(..size).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Sockets that stay open from one collection to the next.
#[derive(Default)]
pub(crate) struct Sockets {
    route: Option<Socket>,
    diagnosis: Option<Socket>,
    generic: Option<Socket>,
}

impl Sockets {
    pub(crate) fn route<T>(
        &mut self,
        ask: impl FnOnce(&mut Socket) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        with(&mut self.route, Part::Route, ask)
    }

    pub(crate) fn diagnosis<T>(
        &mut self,
        ask: impl FnOnce(&mut Socket) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        with(&mut self.diagnosis, Part::SocketDiagnosis, ask)
    }

    pub(crate) fn generic<T>(
        &mut self,
        ask: impl FnOnce(&mut Socket) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        with(&mut self.generic, Part::Generic, ask)
    }
}

/// A socket with which something went wrong may still hold answers to an old question: it is closed.
fn with<T>(
    slot: &mut Option<Socket>,
    part: Part,
    ask: impl FnOnce(&mut Socket) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let mut socket = slot.take().map_or_else(|| Socket::open(part), Ok)?;
    let answer = ask(&mut socket)?;
    *slot = Some(socket);
    Ok(answer)
}

/// Reads one answer; true after the last one.
fn read_messages(mut rest: &[u8], each: &mut impl FnMut(u16, &[u8])) -> std::io::Result<bool> {
    if rest.is_empty() {
        return Ok(true);
    }
    while let Some((header, _)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let [a, b, c, d, kind_a, kind_b, ..] = *header;
        let size = u32::from_ne_bytes([a, b, c, d]) as usize;
        let Some(message) = rest.get(HEADER_BYTES..size) else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        match u16::from_ne_bytes([kind_a, kind_b]) {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                // The number of the error, below zero.
                let errno = u32_at(message, 0).unwrap_or(0).cast_signed().wrapping_neg();
                return Err(std::io::Error::from_raw_os_error(errno));
            }
            kind => each(kind, message),
        }
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Type and content of the attributes in a message. What is damaged ends them.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let ([a, b, kind_a, kind_b], _) = rest.split_first_chunk::<4>()?;
        let size = usize::from(u16::from_ne_bytes([*a, *b]));
        let content = rest.get(4..size)?;
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([*kind_a, *kind_b]) & !ATTRIBUTE_FLAGS, content))
    })
}

/// Adds an attribute to a request.
pub(crate) fn push_attribute(request: &mut Vec<u8>, kind: u16, content: &[u8]) {
    request.extend_from_slice(&((4 + content.len()) as u16).to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(content);
    request.resize(request.len().next_multiple_of(4), 0);
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// A text that ends with its first zero byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// Of `ifinfomsg`.
const LINK_BYTES: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
/// By their numbers.
const STATES: [&str; 7] = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// A network device.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: String,
    /// The number of its kind of hardware.
    pub(crate) hardware: u16,
    pub(crate) flags: u32,
    pub(crate) address: Vec<u8>,
    pub(crate) broadcast: Vec<u8>,
    /// The device below it; itself if there is none.
    pub(crate) lower: Option<u32>,
    pub(crate) mtu: Option<u32>,
    pub(crate) queue_length: Option<u32>,
    pub(crate) group: Option<u32>,
    /// As `/sys` names it.
    pub(crate) state: &'static str,
    pub(crate) link_mode: Option<u8>,
    pub(crate) carrier: Option<u8>,
    /// Changes of the carrier: all, to up, to down.
    pub(crate) carrier_changes: [Option<u32>; 3],
    /// In the order of `struct rtnl_link_stats64`; none if the device does not count.
    pub(crate) counters: Option<[u64; 24]>,
}

/// All network devices.
pub(crate) fn links(socket: &mut Socket) -> std::io::Result<Vec<Link>> {
    let mut links = Vec::new();
    socket.dump(RTM_GETLINK, &[0; LINK_BYTES], |kind, message| {
        if kind == RTM_NEWLINK {
            links.extend(read_link(message));
        }
    })?;
    Ok(links)
}

fn read_link(message: &[u8]) -> Option<Link> {
    let mut link = Link {
        hardware: u16_at(message, 2)?,
        index: u32_at(message, 4)?,
        flags: u32_at(message, 8)?,
        state: "unknown",
        ..Link::default()
    };
    for (kind, content) in attributes(message.get(LINK_BYTES..)?) {
        match kind {
            IFLA_ADDRESS => link.address = content.to_vec(),
            IFLA_BROADCAST => link.broadcast = content.to_vec(),
            IFLA_IFNAME => link.name = text(content),
            IFLA_MTU => link.mtu = u32_at(content, 0),
            IFLA_LINK => link.lower = u32_at(content, 0),
            IFLA_TXQLEN => link.queue_length = u32_at(content, 0),
            IFLA_OPERSTATE => {
                let state = content.first().and_then(|state| STATES.get(usize::from(*state)));
                link.state = state.copied().unwrap_or("unknown");
            }
            IFLA_LINKMODE => link.link_mode = content.first().copied(),
            IFLA_GROUP => link.group = u32_at(content, 0),
            IFLA_CARRIER => link.carrier = content.first().copied(),
            IFLA_CARRIER_CHANGES => link.carrier_changes[0] = u32_at(content, 0),
            IFLA_CARRIER_UP_COUNT => link.carrier_changes[1] = u32_at(content, 0),
            IFLA_CARRIER_DOWN_COUNT => link.carrier_changes[2] = u32_at(content, 0),
            IFLA_IFALIAS => link.alias = text(content),
            IFLA_STATS64 => {
                let (values, _) = content.as_chunks::<8>();
                let counters = link.counters.get_or_insert([0; 24]);
                for (counter, value) in counters.iter_mut().zip(values) {
                    *counter = u64::from_ne_bytes(*value);
                }
            }
            _ => {}
        }
    }
    Some(link).filter(|link| !link.name.is_empty())
}

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFA_LOCAL: u16 = 2;

/// An address of a device.
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) ip: std::net::IpAddr,
    pub(crate) prefix_bits: u8,
}

/// All addresses of all devices.
pub(crate) fn addresses(socket: &mut Socket) -> std::io::Result<Vec<Address>> {
    let mut addresses = Vec::new();
    socket.dump(RTM_GETADDR, &[0; 8], |kind, message| {
        let (Some([_, prefix_bits]), Some(link)) = (message.first_chunk::<2>(), u32_at(message, 4)) else {
            return;
        };
        let mut found = None;
        for (kind, content) in attributes(message.get(8..).unwrap_or_default()) {
            // Of a line between two ends the local address is the device's.
            if kind == IFA_LOCAL || (kind == IFLA_ADDRESS && found.is_none()) {
                found = ip(content);
            }
        }
        if let Some(ip) = found.filter(|_| kind == RTM_NEWADDR) {
            addresses.push(Address { link, ip, prefix_bits: *prefix_bits });
        }
    })?;
    Ok(addresses)
}

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const AF_INET: u8 = 2;
/// A neighbour that needs no asking for its address.
const NUD_NOARP: u16 = 0x40;

/// How many neighbours ARP knows on each device.
pub(crate) fn neighbours(socket: &mut Socket) -> std::io::Result<BTreeMap<u32, u32>> {
    let mut counts = BTreeMap::new();
    let mut request = [0; 12];
    request[0] = AF_INET;
    socket.dump(RTM_GETNEIGH, &request, |kind, message| {
        let (Some(link), Some(state)) = (u32_at(message, 4), u16_at(message, 8)) else { return };
        if kind == RTM_NEWNEIGH && state & NUD_NOARP == 0 {
            *counts.entry(link).or_default() += 1;
        }
    })?;
    Ok(counts)
}

/// The address in four or sixteen bytes.
pub(crate) fn ip(bytes: &[u8]) -> Option<std::net::IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_there_and_counts_as_in_proc() {
        let links = links(&mut Socket::open(Part::Route).unwrap()).unwrap();
        let dev = std::fs::read_to_string("/proc/net/dev").unwrap();
        for link in &links {
            assert!(dev.contains(&format!("{}:", link.name)), "{} is not in {dev}", link.name);
        }
        assert!(links.iter().any(|link| link.name == "lo" && link.counters.is_some()));
    }

    #[test]
    fn the_loopback_address_is_there() {
        let addresses = addresses(&mut Socket::open(Part::Route).unwrap()).unwrap();
        let loopback = addresses.iter().find(|address| address.ip == std::net::Ipv4Addr::LOCALHOST);
        assert_eq!(loopback.map(|address| (address.link, address.prefix_bits)), Some((1, 8)));
    }

    #[test]
    fn a_cut_answer_is_an_error_or_no_link() {
        let mut message = Vec::new();
        message.extend_from_slice(&60u32.to_ne_bytes());
        message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
        message.resize(32, 0);
        message.extend_from_slice(&[7, 0, 3, 0, b'l', b'o', 0, 0]);
        message.extend_from_slice(&[20, 0, 23, 0]);
        message.resize(60, 1);
        let mut found = Vec::new();
        let mut each = |_: u16, message: &[u8]| found.extend(read_link(message));
        assert!(!read_messages(&message, &mut each).unwrap());
        for end in 0..message.len() {
            let _ = read_messages(&message[..end], &mut each);
        }
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].counters.unwrap()[0]), ("lo", 0x0101_0101_0101_0101));
    }

    #[test]
    fn what_the_kernel_refuses_is_its_error() {
        let mut message = Vec::new();
        message.extend_from_slice(&36u32.to_ne_bytes());
        message.extend_from_slice(&NLMSG_ERROR.to_ne_bytes());
        message.resize(16, 0);
        message.extend_from_slice(&(-2i32).to_ne_bytes());
        message.resize(36, 0);
        let error = read_messages(&message, &mut |_, _| {}).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
