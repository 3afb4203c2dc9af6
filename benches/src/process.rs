//! What a process has used, from the kernel's own accounts.
//!
//! `/proc/PID/stat` counts CPU in ticks of 10 ms, too coarse for one query. POSIX's CPU-time clock of
//! another process counts nanoseconds, over all its threads, those that have ended too; the standard
//! library does not offer it, hence the two calls into libc here.
#![allow(unsafe_code)]

use std::fs;

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident_bytes: u64,
    /// Of these, what is not a mapped file.
    pub(crate) anonymous_bytes: u64,
    /// The most that was ever resident.
    pub(crate) peak_bytes: u64,
}

/// CPU seconds, user and system, of all threads since the process began.
pub(crate) fn cpu_s(pid: u32) -> Option<f64> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write one value to the valid place they are given and keep no pointer.
    let answers = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    answers.then(|| time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// Memory of a process now.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory {
        resident_bytes: bytes("VmRSS:")?,
        anonymous_bytes: bytes("RssAnon:")?,
        peak_bytes: bytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        let before = cpu_s(pid).unwrap();
        let sum = (0..5_000_000u64).fold(0u64, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        assert_ne!(std::hint::black_box(sum), 1);
        assert!(cpu_s(pid).unwrap() > before);
        let memory = memory(pid).unwrap();
        assert!(memory.resident_bytes > 0 && memory.peak_bytes >= memory.anonymous_bytes);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        assert!(cpu_s(u32::MAX).is_none());
        assert!(memory(u32::MAX).is_none());
    }
}
