//! The seam between the store and the disk: everything that is written goes through a [`Disk`], and the log,
//! `meta.json` and tombstones are read through it, so that tests can make writes fail, tear and get lost, and
//! reads fail. Mapping goes to the paths directly.
//! Only the closed chunks of the head do not pass here: their files have no names and are worthless
//! after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file that is written to.
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at an offset. After an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file to a length.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Returns when everything written is on disk. The file's name is another matter, see
    /// [`Disk::sync_dir`].
    fn sync(&self) -> io::Result<()>;
}

/// Changes what is on a disk. What is done to names (making, renaming, removing, linking) is visible at
/// once but survives a loss of power only after [`Disk::sync_dir`] on the folder that holds them.
pub trait Disk: Send + Sync {
    /// A new, empty file; one of that name is emptied.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// A file that is there, to be changed.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file or folder within its folder; a file of the new name is replaced in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a second name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a folder in one that is there; one that exists already is an error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a folder and the folders above it where they are missing.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_dir_all(parent)?;
        }
        match self.create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    /// Removes a folder with all that is in it, in order of the names.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            match entry.file_type()?.is_dir() {
                true => self.remove_dir_all(&entry.path())?,
                false => self.remove_file(&entry.path())?,
            }
        }
        self.remove_dir(dir)
    }

    /// A file's contents, from the front.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    /// A whole file.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// How large the file system of a folder is.
    fn capacity_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    /// Writes a whole file and makes its contents durable, but not its name.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.create(path)?;
        file.write_at(bytes, 0)?;
        file.sync()
    }

    /// Writes a whole file durably, in one step if one of that name is there. `temporary` is a name
    /// in the same folder.
    fn replace_file(&self, path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_file(temporary, bytes)?;
        self.rename(temporary, path)?;
        match path.parent() {
            Some(dir) => self.sync_dir(dir),
            None => Ok(()),
        }
    }
}

/// The disk that the operating system shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// Writes a file from front to back. Wrap it in a [`io::BufWriter`].
pub(crate) struct FileWriter {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl FileWriter {
    /// A new file.
    pub(crate) fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(FileWriter { file: disk.create(path)?, at: 0 })
    }

    /// Returns when everything written is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl io::Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
