//! Reads small files of `/proc` and `/sys` into one reused buffer.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read};

use crate::{Error, Paths};

/// The most that is read of one file: above the largest file of `/proc` on machines with thousands
/// of processors or mounts.
const FILE_LIMIT_BYTES: usize = 64 << 20;

/// What a buffer starts with.
const FIRST_READ_BYTES: usize = 64 << 10;

pub(crate) struct Files {
    pub(crate) paths: Paths,
    buffer: Vec<u8>,
    /// The text where the buffer is not UTF-8.
    repaired: String,
}

impl Files {
    pub(crate) fn new(paths: Paths) -> Self {
        Files { paths, buffer: Vec::new(), repaired: String::new() }
    }

    pub(crate) fn proc(&mut self, path: &str) -> Result<&str, Error> {
        let full = self.paths.procfs.join(path);
        self.text(&full)
    }

    pub(crate) fn sys_path(&self, path: &str) -> PathBuf {
        self.paths.sysfs.join(path)
    }

    /// The content of a file; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self, path: &Path) -> Result<&str, Error> {
        self.load(path).map_err(|errno| Error::read(&path.to_string_lossy(), errno.into()))?;
        if std::str::from_utf8(&self.buffer).is_err() {
            self.repaired = String::from_utf8_lossy(&self.buffer).into_owned();
            return Ok(&self.repaired);
        }
        Ok(std::str::from_utf8(&self.buffer).unwrap_or_default())
    }

    fn load(&mut self, path: &Path) -> Result<(), Errno> {
        let file: OwnedFd = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut filled = 0;
        loop {
            if self.buffer.len() < filled + FIRST_READ_BYTES / 2 {
                self.buffer.resize((filled + FIRST_READ_BYTES).min(FILE_LIMIT_BYTES), 0);
            }
            let Some(space) = self.buffer.get_mut(filled..).filter(|space| !space.is_empty()) else {
                return Err(Errno::FBIG);
            };
            match read(&file, space) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }

    /// The content of a file of one line, without white space around it; `None` if it cannot be read.
    pub(crate) fn line(&mut self, path: &Path) -> Option<&str> {
        self.text(path).ok().map(str::trim)
    }

    /// The number in a file of one line.
    pub(crate) fn number(&mut self, path: &Path) -> Option<f64> {
        self.line(path).and_then(number)
    }

    /// The names in a folder, sorted. An empty list if it is not there.
    pub(crate) fn names(&self, path: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// A number as the kernel writes it: whole numbers up to 64 bits and plain decimals.
pub(crate) fn number(text: &str) -> Option<f64> {
    match text.parse::<u64>() {
        Ok(value) => Some(value as f64),
        Err(_) => text.parse().ok().filter(|_| text.bytes().next_back().is_some_and(|b| b.is_ascii_digit())),
    }
}

/// A number in hexadecimal digits, with or without `0x`.
pub(crate) fn hex(text: &str) -> Option<f64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok().map(|value| value as f64)
}
