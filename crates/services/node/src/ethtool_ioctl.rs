//! What drivers of network devices tell by `ioctl(2)` only: link modes, versions, own counters.
//!
//! Unsafe is needed here because there is no safe wrapper of these calls. Each gets an `ifreq` with
//! the device's name and a pointer to a buffer that is initialised and alive through the call. The
//! kernel writes as much as the driver has counters; their number is asked for just before, and the
//! buffers have room for twice as many and some, so that a driver that changes in between fits too.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::netlink::{text, u32_at, u64_at};

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_SETTINGS: u32 = 0x1;
const GET_DRIVER: u32 = 0x3;
const GET_STRINGS: u32 = 0x1b;
const GET_STATS: u32 = 0x1d;
/// The names of counters among the sets of strings.
const STATS_SET: u32 = 1;
const NAME_BYTES: usize = 16;
const STRING_BYTES: usize = 32;
/// The most counters of a device that are believed.
const COUNTERS_MAX: usize = 1 << 16;

#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    data: *mut u8,
    // An `ifreq` is longer than name and pointer.
    rest: [u8; 16],
}

/// Speeds and ports as bits.
pub(crate) struct Settings {
    pub(crate) supported: u32,
    pub(crate) advertised: u32,
    pub(crate) autonegotiates: bool,
}

/// Who drives a device.
pub(crate) struct Driver {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) firmware: String,
    pub(crate) bus: String,
    pub(crate) expansion_rom: String,
    counters: usize,
}

/// Any socket does: the calls are about devices.
pub(crate) fn open() -> std::io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

fn call(socket: &OwnedFd, device: &str, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut request = Request { name: [0; NAME_BYTES], data: buffer.as_mut_ptr(), rest: [0; 16] };
    let Some(name) = request.name.get_mut(..device.len()).filter(|_| device.len() < NAME_BYTES) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    name.copy_from_slice(device.as_bytes());
    // SAFETY: see the module's text.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn buffer(words: [u32; 3], size_bytes: usize) -> Vec<u8> {
    let mut buffer: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    buffer.resize(size_bytes, 0);
    buffer
}

pub(crate) fn settings(socket: &OwnedFd, device: &str) -> std::io::Result<Settings> {
    let mut buffer = buffer([GET_SETTINGS, 0, 0], 64);
    call(socket, device, &mut buffer)?;
    let word = |at: usize| u32_at(&buffer, at).unwrap_or(0);
    let autonegotiates = buffer.get(18).is_some_and(|autoneg| *autoneg != 0);
    Ok(Settings { supported: word(4), advertised: word(8), autonegotiates })
}

pub(crate) fn driver(socket: &OwnedFd, device: &str) -> std::io::Result<Driver> {
    let mut buffer = buffer([GET_DRIVER, 0, 0], 256);
    call(socket, device, &mut buffer)?;
    let field = |number: usize| {
        let start = 4 + number * STRING_BYTES;
        text(buffer.get(start..start + STRING_BYTES).unwrap_or_default())
    };
    Ok(Driver {
        name: field(0),
        version: field(1),
        firmware: field(2),
        bus: field(3),
        expansion_rom: field(4),
        counters: u32_at(&buffer, 180).unwrap_or(0) as usize,
    })
}

/// Names and values of the counters a driver has of its own.
pub(crate) fn counters(
    socket: &OwnedFd,
    device: &str,
    driver: &Driver,
) -> std::io::Result<Vec<(String, u64)>> {
    let count = driver.counters.min(COUNTERS_MAX);
    if count == 0 {
        return Ok(Vec::new());
    }
    let room = 2 * count + 64;
    let mut names = buffer([GET_STRINGS, STATS_SET, count as u32], 12 + room * STRING_BYTES);
    call(socket, device, &mut names)?;
    let mut values = buffer([GET_STATS, count as u32, 0], 8 + room * 8);
    call(socket, device, &mut values)?;
    let names = names.get(12..).unwrap_or_default().chunks_exact(STRING_BYTES);
    let values = (0..count).map(|at| u64_at(&values, 8 + 8 * at).unwrap_or(0));
    Ok(names.map(text).zip(values).filter(|(name, _)| !name.is_empty()).collect())
}
