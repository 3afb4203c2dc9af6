//! Counters of the processors and the kernel (`perf_event_open(2)`).
//!
//! Unsafe is needed here because there is no safe wrapper of this call. It gets a pointer to an
//! attribute block that is initialised, carries its own size and lives through the call; the kernel
//! only reads it. The descriptor it gives belongs to nobody else and becomes an `OwnedFd`.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

/// `PERF_ATTR_SIZE_VER0`: the block of the first kernels that knew the call, which all others take.
const ATTRIBUTE_BYTES: usize = 64;
/// Also when nobody asks: `exclude_hv` and `exclude_idle` off, all levels counted.
const FLAG_EXCLUDE_HYPERVISOR: u64 = 1 << 6;
/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 8;

pub(crate) const HARDWARE: u32 = 0;
pub(crate) const SOFTWARE: u32 = 1;
pub(crate) const TRACEPOINT: u32 = 2;
pub(crate) const CACHE: u32 = 3;

/// Starts a counter of an event on a processor, for all processes.
pub(crate) fn open(kind: u32, event: u64, cpu: u32) -> std::io::Result<OwnedFd> {
    let mut attributes = [0u8; ATTRIBUTE_BYTES];
    attributes[..4].copy_from_slice(&kind.to_ne_bytes());
    attributes[4..8].copy_from_slice(&(ATTRIBUTE_BYTES as u32).to_ne_bytes());
    attributes[8..16].copy_from_slice(&event.to_ne_bytes());
    attributes[40..48].copy_from_slice(&FLAG_EXCLUDE_HYPERVISOR.to_ne_bytes());
    // SAFETY: see the module's text; the other arguments are plain numbers: any process, this
    // processor, no group.
    let fd =
        unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), -1, cpu, -1, CLOSE_ON_EXEC) };
    match i32::try_from(fd) {
        // SAFETY: the kernel just made this descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// What a counter has counted.
pub(crate) fn read(counter: &OwnedFd) -> std::io::Result<u64> {
    let mut value = [0; 8];
    rustix::io::read(counter, &mut value)?;
    Ok(u64::from_ne_bytes(value))
}
