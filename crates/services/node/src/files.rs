//! Reads small files of `/proc` and `/sys` into one reused buffer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// Holds the last file in its first `filled` bytes; what is behind is left from others.
    buffer: Vec<u8>,
    filled: usize,
    /// The text where the buffer is not UTF-8.
    repaired: String,
}

impl Files {
    pub(crate) fn new(paths: Paths) -> Self {
        Files { paths, buffer: vec![0; FIRST_READ_BYTES], filled: 0, repaired: String::new() }
    }

    pub(crate) fn proc(&mut self, path: &str) -> Result<&str, Error> {
        let full = self.paths.procfs.join(path);
        self.text(&full)
    }

    pub(crate) fn sys_path(&self, path: &str) -> PathBuf {
        self.paths.sysfs.join(path)
    }

    /// Opens a folder whose files are read one by one: that saves walking its path for each.
    pub(crate) fn folder(&self, path: &Path) -> Option<OwnedFd> {
        openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
    }

    /// Like [`Files::line`], for a file in an open folder.
    pub(crate) fn line_in(&mut self, folder: &OwnedFd, name: &str) -> Option<&str> {
        self.load(folder.as_fd(), Path::new(name), true).ok()?;
        self.loaded().ok().map(str::trim)
    }

    /// The content of a file; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self, path: &Path) -> Result<&str, Error> {
        self.load(CWD, path, false)?;
        self.loaded()
    }

    fn loaded(&mut self) -> Result<&str, Error> {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => {
                self.repaired = String::from_utf8_lossy(bytes).into_owned();
                Ok(&self.repaired)
            }
        }
    }

    /// Reads a file. A `short` one is complete after a single read, as all files of `/sys` are.
    fn load(&mut self, folder: BorrowedFd<'_>, path: &Path, short: bool) -> Result<(), Error> {
        let failed = |errno: Errno| Error::read(&path.to_string_lossy(), errno.into());
        let file: OwnedFd =
            openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        self.filled = 0;
        loop {
            if self.buffer.len() < self.filled + FIRST_READ_BYTES / 2 {
                self.buffer.resize((self.filled + FIRST_READ_BYTES).min(FILE_LIMIT_BYTES), 0);
            }
            let Some(space) = self.buffer.get_mut(self.filled..).filter(|space| !space.is_empty()) else {
                return Err(failed(Errno::FBIG));
            };
            match read(&file, space) {
                Ok(0) => return Ok(()),
                Ok(count) => self.filled += count,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            if short {
                return Ok(());
            }
        }
    }

    /// The content of a file of one line, without white space around it; `None` if it cannot be read.
    pub(crate) fn line(&mut self, path: &Path) -> Option<&str> {
        self.load(CWD, path, true).ok()?;
        self.loaded().ok().map(str::trim)
    }

    /// Like [`Files::text`]; `None` if the file is not there.
    pub(crate) fn text_if_there(&mut self, path: &Path) -> Result<Option<&str>, Error> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(Error::NoData) => Ok(None),
            Err(error) => Err(error),
        }
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

/// A size with a binary unit behind it, as `1.5k`. `tenths` reads the digits behind the point as bcache
/// means them: in steps of 102.4 of 1024.
pub(crate) fn human_size(text: &str, tenths: bool) -> Option<u64> {
    let text = text.trim();
    let unit = text.bytes().next_back().filter(u8::is_ascii_alphabetic);
    let Some(unit) = unit else { return text.parse::<f64>().ok().map(|value| value as u64) };
    let digits = text.get(..text.len() - 1)?.trim_end();
    let power = "kmgtpezy".find(char::from(unit.to_ascii_lowercase()))? + 1;
    let value: f64 = match digits.split_once('.') {
        Some((whole, part)) if tenths => whole.parse::<f64>().ok()? + part.parse::<f64>().ok()? / 10.24,
        _ => digits.parse().ok()?,
    };
    Some((value * 1024f64.powi(i32::try_from(power).ok()?)) as u64)
}

/// Like [`human_size`] in tenths, below zero too.
pub(crate) fn human_size_signed(text: &str) -> Option<f64> {
    match text.trim().strip_prefix('-') {
        Some(text) => human_size(text, true).map(|size| -(size as f64)),
        None => human_size(text, true).map(|size| size as f64),
    }
}

/// A number in hexadecimal digits, with or without `0x`.
pub(crate) fn hex(text: &str) -> Option<f64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok().map(|value| value as f64)
}
