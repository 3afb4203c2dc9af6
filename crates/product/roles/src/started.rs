//! Gives back the memory of code that only the start needs: the kernel maps it in large pieces, of which
//! a small role uses little afterwards.
//!
//! Unsafe is needed here because advice about memory is given by address. The advice is given for our
//! own executable code and for the constants at the head of the program's file, which the kernel maps
//! from there and nobody writes to: what is needed again is read from the file again. The part that is
//! written while the program is loaded (relocations) lies behind the code and is not touched.
#![allow(unsafe_code)]

use rustix::mm::{Advice, madvise};

/// Lets go of all code that is resident; what runs comes back by itself, piece by piece.
pub(crate) fn forget() {
    let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe())
    else {
        return;
    };
    for line in maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())) {
        // 55d0c0a00000-55d0c1600000 r-xp 0060d000 fe:00 15351975   /usr/bin/promontory
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(rights), Some(offset)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let is_head = rights == "r--p" && offset.bytes().all(|digit| digit == b'0');
        if rights != "r-xp" && !is_head {
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
