//! Asks the kernel for the counters of all network devices at once (`rtnetlink(7)`).

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// A request for everything: `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const IFLA_IFNAME: u16 = 3;
const IFLA_STATS64: u16 = 23;

/// Of `nlmsghdr` and of `ifinfomsg`.
const HEADER_BYTES: usize = 16;

/// The kernel answers in parts of at most 32 KiB.
const ANSWER_BYTES: usize = 64 << 10;

/// The kernel answers at once; nothing is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The counters of one device, in the order of `struct rtnl_link_stats64`.
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) counters: [u64; 24],
}

pub(crate) fn links() -> std::io::Result<Vec<Link>> {
    // Without a protocol number it is 0, which is `NETLINK_ROUTE`.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut request = Vec::with_capacity(2 * HEADER_BYTES);
    request.extend_from_slice(&(2 * HEADER_BYTES as u32).to_ne_bytes());
    request.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    request.extend_from_slice(&DUMP.to_ne_bytes());
    request.resize(2 * HEADER_BYTES, 0);
    send(&socket, &request, SendFlags::empty())?;
    let mut links = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES];
    loop {
        let size = match recv(&socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((size, _)) => size,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        if read_messages(buffer.get(..size).unwrap_or_default(), &mut links)? {
            return Ok(links);
        }
    }
}

/// Reads one answer; true after the last one.
fn read_messages(mut rest: &[u8], links: &mut Vec<Link>) -> std::io::Result<bool> {
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
            NLMSG_ERROR => return Err(std::io::ErrorKind::Other.into()),
            RTM_NEWLINK => links.extend(read_link(message)),
            _ => {}
        }
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn read_link(message: &[u8]) -> Option<Link> {
    let mut link = Link { name: String::new(), counters: [0; 24] };
    let mut rest = message.get(HEADER_BYTES..)?;
    let mut has_counters = false;
    while let Some(([a, b, kind_a, kind_b], _)) = rest.split_first_chunk::<4>() {
        let size = usize::from(u16::from_ne_bytes([*a, *b]));
        let Some(content) = rest.get(4..size) else { break };
        match u16::from_ne_bytes([*kind_a, *kind_b]) {
            IFLA_IFNAME => {
                let name = content.split(|byte| *byte == 0).next().unwrap_or_default();
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_STATS64 => {
                has_counters = true;
                let (values, _) = content.as_chunks::<8>();
                for (counter, value) in link.counters.iter_mut().zip(values) {
                    *counter = u64::from_ne_bytes(*value);
                }
            }
            _ => {}
        }
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(link).filter(|link| has_counters && !link.name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_there_and_counts_as_in_proc() {
        let links = links().unwrap();
        let dev = std::fs::read_to_string("/proc/net/dev").unwrap();
        for link in &links {
            assert!(dev.contains(&format!("{}:", link.name)), "{} is not in {dev}", link.name);
        }
        assert!(links.iter().any(|link| link.name == "lo"));
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
        let mut links = Vec::new();
        assert!(!read_messages(&message, &mut links).unwrap());
        assert_eq!((links[0].name.as_str(), links[0].counters[0]), ("lo", 0x0101_0101_0101_0101));
        for end in 0..message.len() {
            let _ = read_messages(&message[..end], &mut links);
        }
        assert_eq!(links.len(), 1);
    }
}
