//! A socket for echo requests: an unprivileged one where the system allows it, else a raw one.
//!
//! The only place of this crate with `unsafe`: the hop limit of a reply comes in a control message, which no
//! safe wrapper among our dependencies reads. What is passed to the kernel are pointers to locals that outlive
//! the call, with their true sizes; what comes back is read within the length that the kernel says it wrote.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room for the control messages of a packet.
const CONTROL_BYTES: usize = 256;

pub(super) struct EchoSocket {
    socket: AsyncFd<Socket>,
    address: IpAddr,
    is_raw: bool,
}

/// A packet that came.
pub(super) struct Received {
    /// Who sent it.
    pub(super) peer: Option<IpAddr>,
    /// Where in the buffer the ICMP message begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The hop limit with which it came.
    pub(super) hop_limit: Option<u8>,
}

impl EchoSocket {
    /// A socket for requests to this address.
    pub(super) fn open(
        address: IpAddr,
        source: Option<IpAddr>,
        ttl: u32,
        dont_fragment: bool,
    ) -> io::Result<EchoSocket> {
        let (domain, protocol) = match address {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let (socket, is_raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, false),
            Err(_) => (Socket::new(domain, Type::from(libc::SOCK_RAW), Some(protocol))?, true),
        };
        socket.set_nonblocking(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match address {
            IpAddr::V4(_) => {
                if ttl > 0 {
                    socket.set_ttl_v4(ttl)?;
                }
                set_option(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
                if dont_fragment {
                    // The flag is set and what the kernel believes of the path is not asked.
                    set_option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
                }
            }
            IpAddr::V6(_) => {
                if ttl > 0 {
                    socket.set_unicast_hops_v6(ttl)?;
                }
                set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
            }
        }
        // SAFETY: the descriptor is the socket's own; it stays open, and the same, until the socket is dropped
        // with what is made here.
        let socket =
            unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::WRITABLE) }?;
        Ok(EchoSocket { socket, address, is_raw })
    }

    /// Whether the kernel puts an identifier of its own into requests, and gives us only their replies.
    pub(super) fn kernel_sets_id(&self) -> bool {
        !self.is_raw
    }

    /// Sends a packet.
    pub(super) async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let target: SockAddr = SocketAddr::new(self.address, 0).into();
        self.socket.async_io(Interest::WRITABLE, |socket| socket.send_to(packet, &target)).await.map(drop)
    }

    /// Waits for the next packet.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut received =
            self.socket.async_io(Interest::READABLE, |socket| receive(socket, &mut *buffer)).await?;
        if self.is_raw && self.address.is_ipv4() {
            // A raw socket shows the IP header, whose length stands in its first byte.
            let header = usize::from(buffer.first().copied().unwrap_or(0) & 0xf) * 4;
            received.start = header.min(received.end);
        }
        Ok(received)
    }
}

fn set_option(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer is to a local of the size that is told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The control messages' memory, aligned as their headers are.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all bytes zero are a valid value of these plain C structures.
    let (mut peer, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    message.msg_name = (&raw mut peer).cast();
    message.msg_namelen = mem::size_of_val(&peer) as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: every pointer of the message is to a local or to `buffer`, with its size; all outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };
    let mut hop_limit = None;
    // SAFETY: the kernel wrote `msg_controllen` bytes of whole control messages into `control`; the macros walk
    // within them. The value of either message is an int.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let kind = ((*header).cmsg_level, (*header).cmsg_type);
            let has_int =
                (*header).cmsg_len as usize >= libc::CMSG_LEN(mem::size_of::<i32>() as u32) as usize;
            let is_limit =
                kind == (libc::IPPROTO_IP, libc::IP_TTL) || kind == (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT);
            if is_limit && has_int {
                let value = libc::CMSG_DATA(header).cast::<i32>().read_unaligned();
                hop_limit = u8::try_from(value).ok();
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(Received { peer: address_of(&peer), start: 0, end: length.min(buffer.len()), hop_limit })
}

fn address_of(storage: &libc::sockaddr_storage) -> Option<IpAddr> {
    let pointer: *const libc::sockaddr_storage = storage;
    match i32::from(storage.ss_family) {
        // SAFETY: the family says which structure the storage holds; it is large and aligned enough for each.
        libc::AF_INET => unsafe {
            Some(Ipv4Addr::from(u32::from_be((*pointer.cast::<libc::sockaddr_in>()).sin_addr.s_addr)).into())
        },
        // SAFETY: as above.
        libc::AF_INET6 => unsafe {
            Some(Ipv6Addr::from((*pointer.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr).into())
        },
        _ => None,
    }
}
