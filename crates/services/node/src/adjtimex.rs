//! The kernel's clock discipline, which only `adjtimex(2)` tells.
//!
//! Unsafe is needed here because no safe wrapper of this call exists. The call gets a pointer to a
//! `timex` that is initialised and lives on the stack through the call; with `modes` 0 the kernel
//! only writes into it and changes nothing.
#![allow(unsafe_code)]

/// What the kernel knows about its clock, and whether it counts as synchronised.
pub(crate) fn read() -> std::io::Result<(libc::timex, bool)> {
    // SAFETY: `timex` is a C struct of integers, for which all bits zero is a valid value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, initialised value of the right type; see the module's text.
    let state = unsafe { libc::adjtimex(&mut timex) };
    if state < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok((timex, state != libc::TIME_ERROR))
}
