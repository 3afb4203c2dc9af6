//! Memory that is free goes back to the system. The C library keeps what was freed for the next request, in as
//! many heaps as threads once wanted some at the same time; after one large answer or one cut of the head that
//! is most of what the process has.
//!
//! Unsafe is needed here because no safe wrapper of these three calls exists. They take and give numbers only, may
//! be called from any thread at any time, and change nothing that a program can see.
#![allow(unsafe_code)]

use std::time::Duration;

use tokio::sync::watch;

/// Sets how many heaps there are at most. To be called before there are threads.
pub(crate) fn bound_heaps(count: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let count = libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX);
        // SAFETY: takes two numbers; see the module's text.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, count) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = count;
}

/// Sets as many heaps as there are cores, as no more threads than that ask at the same time for long.
pub(crate) fn bound_heaps_to_cores() {
    bound_heaps(std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 16));
}

/// Between two looks at what could go back.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How much free memory is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spare {
    /// One part in so many of what is in use.
    divisor: usize,
    /// And so much besides.
    bytes: usize,
}

impl Spare {
    /// For what answers queries: they soon want again what others gave back.
    pub(crate) const LARGE: Spare = Spare { divisor: 4, bytes: 64 << 20 };
    /// For what keeps much and is asked seldom.
    pub(crate) const SMALL: Spare = Spare { divisor: 16, bytes: 2 << 20 };
}

/// Gives memory back until `stop`, whenever more is free than is to be spared.
pub(crate) async fn keep_small(spare: Spare, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // Looking takes some milliseconds a gigabyte, giving back some tens.
        let _ = tokio::task::spawn_blocking(move || give_back_if_much(spare)).await;
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back_if_much(spare: Spare) {
    // SAFETY: takes nothing and gives a struct of numbers; see the module's text.
    let known = unsafe { libc::mallinfo2() };
    let in_use = known.uordblks + known.hblkhd;
    if resident_bytes().is_some_and(|resident| resident > in_use + in_use / spare.divisor + spare.bytes) {
        give_back();
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back_if_much(_: Spare) {}

/// Gives free memory back at once.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number; see the module's text.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Resident memory of this process without that of files.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').skip(1).map_while(|number| number.parse::<usize>().ok());
    Some(pages.next()?.checked_sub(pages.next()?)? * rustix::param::page_size())
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_goes_back_to_the_system() {
        // Each smaller than what the library maps by itself, so that they are on a heap.
        let blocks: Vec<Vec<u8>> = (0..40_000).map(|_| vec![1; 10_000]).collect();
        // What is allocated last keeps the heap from shrinking by itself.
        let last = vec![1u8; 10_000];
        let full = resident_bytes().unwrap();
        drop(blocks);
        give_back_if_much(Spare::LARGE);
        let left = resident_bytes().unwrap();
        assert!(left + 300_000_000 < full, "{left} of {full} bytes are left");
        drop(last);
    }
}
