//! A hint to the processor that memory will be read soon. An ordinary load ahead of its use would do the same,
//! but the processor looks only so many instructions past a load that waits, and here whole batches wait.
//!
//! The one instruction behind this has no effect but on the cache, whatever address it is given; the standard
//! library has it only as an unsafe function, as it takes a pointer. The address given here is always that of
//! a live element.
#![allow(unsafe_code)]

/// Has an element of a slice brought into the cache. Does nothing if there is no such element, or where there is
/// no such instruction.
#[inline(always)]
pub(crate) fn element<T>(slice: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(element) = slice.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the pointer is that of a reference, and the instruction reads nothing into the program.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(element).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, at);
}
