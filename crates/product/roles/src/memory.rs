//! Memory that is free goes back to the system. The C library keeps what was freed for the next request, in as
//! many heaps as threads once wanted some at the same time; after one large answer or one cut of the head that
//! is most of what the process has.
//!
//! Unsafe is needed here because no safe wrapper of these two calls exists. Both take and give numbers only, may
//! be called from any thread at any time, and change nothing that a program can see.
#![allow(unsafe_code)]

/// Sets how many heaps there are: one a core, as no more threads than that ask at the same time for long. To be
/// called before there are threads.
pub(crate) fn bound_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // SAFETY: takes two numbers; see the module's text.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, cores.clamp(1, 16) as libc::c_int) };
    }
}

/// Gives back whole pages that nothing uses. Takes some milliseconds a gigabyte.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number; see the module's text.
    unsafe {
        libc::malloc_trim(0)
    };
}
