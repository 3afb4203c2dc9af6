//! Counts what a thread allocates, so that a test can say how much an input may cost. The one place of
//! this crate with `unsafe`.
//!
//! Every call goes to the system's allocator unchanged, with the layout it came with; beside it only
//! numbers of the calling thread are kept, in cells that need no initialisation and no destructor.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Install with `#[global_allocator]` in a test.
pub struct Counting;

fn count(bytes: isize) {
    let now = NOW.get() + bytes;
    NOW.set(now);
    if now > PEAK.get() {
        PEAK.set(now);
    }
}

// SAFETY: the system's allocator does all of the work; see the head of this module.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: handed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: handed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: handed on as it came.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Does something and tells how many bytes this thread held at most for it, above what it held before.
/// Zero unless [`Counting`] is installed.
pub fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    #[test]
    fn the_most_that_was_held_at_once_is_told() {
        let (_, bytes) = peak_bytes(|| {
            drop(vec![0u8; 1_000_000]);
            vec![0u8; 500_000].len()
        });
        assert!((1_000_000..1_100_000).contains(&bytes), "{bytes}");
    }
}
