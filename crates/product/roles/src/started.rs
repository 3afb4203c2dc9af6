//! Gives back the memory of code that only the start needs: the kernel maps it in large pieces, of which
//! a small role uses little afterwards.
//!
//! Unsafe is needed here because advice about memory is given by address. The advice is given for
//! executable code and for the constants at the head of files with code, ours and those of libraries: the
//! kernel maps both from the file and nobody writes to them, so what is needed again is read from the file
//! again. The parts that are written while a program is loaded (relocations) lie behind the code and are
//! not touched; only libraries of 32-bit systems may have some in the code, so nothing is done there.
#![allow(unsafe_code)]

use rustix::mm::{Advice, madvise};

/// Lets go of all code that is resident; what runs comes back by itself, piece by piece.
pub(crate) fn forget() {
    if cfg!(not(target_pointer_width = "64")) {
        return;
    }
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for line in maps.lines() {
        // 55d0c0a00000-55d0c1600000 r-xp 0060d000 fe:00 15351975   /usr/bin/promontory
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(rights), Some(offset)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let is_file = fields.nth(2).is_some_and(|path| path.starts_with('/'));
        let is_head = rights == "r--p" && offset.bytes().all(|digit| digit == b'0');
        if !is_file || (rights != "r-xp" && !is_head) {
            continue;
        }
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)) else {
            continue;
        };
        let start = std::ptr::with_exposed_provenance_mut(from);
        // SAFETY: the range is one whole mapping of this process, private, of a file, and never written.
        // Where the advice is not taken, nothing happens.
        let _ = unsafe { madvise(start, to.saturating_sub(from), Advice::LinuxDontNeed) };
    }
}
