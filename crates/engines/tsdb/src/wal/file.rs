//! The seam between the log and the disk, so that tests can make writes fail and tear.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file that is appended to.
pub trait LogFile: Send + Sync {
    /// Writes all bytes at an offset. After an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file to a length.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Returns when everything written is on disk.
    fn sync(&self) -> io::Result<()>;
}

/// Makes the files of the log.
pub trait LogFiles: Send + Sync {
    /// A new, empty file whose name is on disk too.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
}

/// Files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl LogFile for File {
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

impl LogFiles for DiskFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        if let Some(parent) = path.parent() {
            sync_dir(parent)?;
        }
        Ok(Arc::new(file))
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
