//! Reads small files of `/proc` and `/sys` into one reused buffer. Those that the kernel makes stay
//! open from one collection to the next: opening and closing costs more than reading.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, pread};

use crate::{Error, Paths};

/// The most that is read of one file: above the largest file of `/proc` on machines with thousands
/// of processors or mounts.
const FILE_LIMIT_BYTES: usize = 64 << 20;

/// What a buffer starts with.
const FIRST_READ_BYTES: usize = 64 << 10;

/// The most files that stay open, however many the process may have; half of those at most.
const KEPT_MAX: usize = 4096;

/// Collections after which a file that nobody read is closed.
const KEPT_COLLECTIONS: u32 = 64;

/// Collections in which something of `/sys` that was not there is not looked for again.
const MISSING_COLLECTIONS: u32 = 4;

/// What `statfs` says of `/proc` and `/sys`.
const PROC_MAGIC: u64 = 0x9fa0;
const SYS_MAGIC: u64 = 0x6265_6572;

pub(crate) struct Files {
    pub(crate) paths: Paths,
    /// Holds the last file in its first `filled` bytes; what is behind is left from others.
    buffer: Vec<u8>,
    filled: usize,
    /// The text where the buffer is not UTF-8.
    repaired: String,
    kept: HashMap<Box<[u8]>, Kept, FixedState>,
    /// What was not there, and in which collection.
    missing: HashMap<Box<[u8]>, u32, FixedState>,
    /// Zero where the paths hold ordinary files, which may be replaced by others of the same name.
    kept_max: usize,
    /// The device behind a folder, so that files of one that took another's name are not mixed up.
    devices: HashMap<PathBuf, u64, FixedState>,
    collection: u32,
}

/// A file that stays open.
struct Kept {
    file: OwnedFd,
    /// The collection that read it last.
    read_in: u32,
}

impl Files {
    pub(crate) fn new(paths: Paths) -> Self {
        let is = |path: &Path, magic: u64| {
            rustix::fs::statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(magic))
        };
        let is_kernels = is(&paths.procfs, PROC_MAGIC) && is(&paths.sysfs, SYS_MAGIC);
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let half = allowed.map_or(KEPT_MAX, |allowed| usize::try_from(allowed / 2).unwrap_or(KEPT_MAX));
        Files {
            paths,
            buffer: vec![0; FIRST_READ_BYTES],
            filled: 0,
            repaired: String::new(),
            kept: HashMap::default(),
            missing: HashMap::default(),
            kept_max: if is_kernels { half.min(KEPT_MAX) } else { 0 },
            devices: HashMap::default(),
            collection: 0,
        }
    }

    /// Whether these are the kernel's own folders, at the usual places.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.kept_max > 0 && self.paths.procfs == Path::new("/proc") && self.paths.sysfs == Path::new("/sys")
    }

    /// Begins a collection: files that were not read for long are closed.
    pub(crate) fn begin(&mut self) {
        self.collection = self.collection.wrapping_add(1);
        if self.collection.is_multiple_of(KEPT_COLLECTIONS) {
            let now = self.collection;
            self.kept.retain(|_, kept| now.wrapping_sub(kept.read_in) <= KEPT_COLLECTIONS);
            self.missing.clear();
            // Devices of containers come with ever new names.
            let gone: Vec<PathBuf> = self.devices.keys().filter(|folder| !folder.is_dir()).cloned().collect();
            for folder in gone {
                self.devices.remove(&folder);
                self.kept.retain(|path, _| !path.starts_with(folder.as_os_str().as_bytes()));
            }
        }
    }

    pub(crate) fn proc(&mut self, path: &str) -> Result<&str, Error> {
        let full = self.paths.procfs.join(path);
        self.text(&full)
    }

    /// The first of two files of `/proc` that can be read.
    pub(crate) fn proc_either(&mut self, first: &str, second: &str) -> Result<&str, Error> {
        let full = self.paths.procfs.join(first);
        if self.load(&full, false, true).is_err() {
            let full = self.paths.procfs.join(second);
            self.load(&full, false, true)?;
        }
        self.loaded()
    }

    /// A file of `/proc` that is short: one line, or a few.
    pub(crate) fn proc_line(&mut self, path: &str) -> Result<&str, Error> {
        let full = self.paths.procfs.join(path);
        self.load(&full, true, true)?;
        self.loaded().map(str::trim)
    }

    pub(crate) fn sys_path(&self, path: &str) -> PathBuf {
        self.paths.sysfs.join(path)
    }

    /// Whether a folder of a device is there. Devices may take each other's names: their files must not
    /// stay open under the old ones.
    pub(crate) fn device(&mut self, folder: &Path) -> bool {
        let inode = match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => metadata.ino(),
            _ => return false,
        };
        match self.devices.get_mut(folder) {
            Some(known) if *known == inode => {}
            Some(known) => {
                *known = inode;
                let prefix = folder.as_os_str().as_bytes();
                self.kept.retain(|path, _| !path.starts_with(prefix));
            }
            None => {
                self.devices.insert(folder.to_path_buf(), inode);
            }
        }
        true
    }

    /// The content of a file; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self, path: &Path) -> Result<&str, Error> {
        self.load(path, false, true)?;
        self.loaded()
    }

    /// Like [`Files::text`], of a file that will not be there for long.
    pub(crate) fn text_once(&mut self, path: &Path) -> Result<&str, Error> {
        self.load(path, true, false)?;
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
    fn load(&mut self, path: &Path, short: bool, keep: bool) -> Result<(), Error> {
        let failed = |errno: Errno| Error::read(&path.to_string_lossy(), errno.into());
        let short = short || path.starts_with(&self.paths.sysfs);
        let key = path.as_os_str().as_bytes();
        let keep = keep && self.kept_max > 0 && self.is_kernels(path);
        if keep && let Some(kept) = self.kept.get_mut(key) {
            kept.read_in = self.collection;
            match fill(&kept.file, &mut self.buffer, &mut self.filled, short) {
                // The device it was of is gone, or (an entry of `/proc`, which says EIO from then on) the module or
                // the pool; there may be another of that name. Drivers say EIO too: then opening costs a little.
                Err(Errno::NODEV | Errno::IO | Errno::NOENT | Errno::SRCH) => self.kept.remove(key),
                result => return result.map_err(failed),
            };
        }
        if self.is_missing(path) {
            return Err(Error::NoData);
        }
        let file: OwnedFd = match openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => file,
            Err(errno) => {
                if errno == Errno::NOENT {
                    self.note_missing(path);
                }
                return Err(failed(errno));
            }
        };
        let result = fill(&file, &mut self.buffer, &mut self.filled, short).map_err(failed);
        // A file that cannot be read now, such as the speed of a device that is down, may be later.
        if keep && self.kept.len() < self.kept_max {
            self.kept.insert(Box::from(key), Kept { file, read_in: self.collection });
        }
        result
    }

    /// Whether it was found missing a short time ago. Hardware comes and goes, but not so fast.
    fn is_missing(&self, path: &Path) -> bool {
        let seen = self.missing.get(path.as_os_str().as_bytes());
        seen.is_some_and(|seen| self.collection.wrapping_sub(*seen) < MISSING_COLLECTIONS)
    }

    fn note_missing(&mut self, path: &Path) {
        if self.kept_max > 0 && path.starts_with(&self.paths.sysfs) && self.missing.len() < KEPT_MAX {
            self.missing.insert(Box::from(path.as_os_str().as_bytes()), self.collection);
        }
    }

    /// Whether there is such a folder.
    pub(crate) fn is_folder(&mut self, path: &Path) -> bool {
        if self.is_missing(path) {
            return false;
        }
        let is_folder = path.is_dir();
        if !is_folder {
            self.note_missing(path);
        }
        is_folder
    }

    fn is_kernels(&self, path: &Path) -> bool {
        path.starts_with(&self.paths.procfs) || path.starts_with(&self.paths.sysfs)
    }

    /// The content of a file of one line, without white space around it; `None` if it cannot be read.
    pub(crate) fn line(&mut self, path: &Path) -> Option<&str> {
        self.load(path, true, true).ok()?;
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
    pub(crate) fn names(&mut self, path: &Path) -> Vec<String> {
        if self.is_missing(path) {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            self.note_missing(path);
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// Reads a file from its start into the buffer.
fn fill(file: &OwnedFd, buffer: &mut Vec<u8>, filled: &mut usize, short: bool) -> Result<(), Errno> {
    *filled = 0;
    loop {
        if buffer.len() < *filled + FIRST_READ_BYTES / 2 {
            buffer.resize((*filled + FIRST_READ_BYTES).min(FILE_LIMIT_BYTES), 0);
        }
        let Some(space) = buffer.get_mut(*filled..).filter(|space| !space.is_empty()) else {
            return Err(Errno::FBIG);
        };
        match pread(file, space, *filled as u64) {
            Ok(0) => return Ok(()),
            Ok(count) => *filled += count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
        if short {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_stay_open_and_are_read_anew() {
        let mut files = Files::new(Paths::default());
        let mut read =
            || files.proc_line("uptime").unwrap().split_once(' ').unwrap().0.parse::<f64>().unwrap();
        let first = read();
        assert!(read() >= first);
        assert_eq!(files.kept.len(), 1);
        (0..2 * KEPT_COLLECTIONS).for_each(|_| files.begin());
        assert_eq!(files.kept.len(), 0);
    }

    #[test]
    fn an_ordinary_file_that_was_replaced_is_read_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            procfs: dir.path().into(),
            sysfs: dir.path().into(),
            rootfs: dir.path().into(),
            ..Paths::default()
        };
        let mut files = Files::new(paths);
        for text in ["one", "two"] {
            std::fs::write(dir.path().join("new"), text).unwrap();
            std::fs::rename(dir.path().join("new"), dir.path().join("file")).unwrap();
            assert_eq!(files.proc("file").unwrap(), text);
        }
        assert!(files.kept.is_empty());
    }
}
