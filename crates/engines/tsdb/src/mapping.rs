//! Files as memory. With `prefetch` the one place of this crate with `unsafe`.
//!
//! A mapping is sound as long as nobody changes or cuts the file while it is mapped. Chunks that the
//! head moves to disk are in files without a name that nobody else can open. Files of blocks
//! are written once under a temporary name, flushed and renamed; this program never writes to them
//! again (deleting unlinks them, which leaves mappings intact), and the lock on the data directory
//! keeps other instances away. A foreign program that cuts a block's files breaks this, as it does
//! for every reader of mapped files.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::Path;

use crate::error::Error;

/// A file's contents, read by the operating system when they are looked at.
pub(crate) struct Mapping(Option<memmap2::Mmap>);

impl Mapping {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("opening", path))?;
        if file.metadata().map_err(Error::io("reading", path))?.len() == 0 {
            // An empty file cannot be mapped.
            return Ok(Mapping(None));
        }
        map(&file).map_err(Error::io("mapping", path))
    }

    /// Takes the pages that were looked at out of this process's memory. They come back from the system's cache,
    /// or from the file, when they are looked at again.
    pub(crate) fn release(&self) {
        if let Some(map) = &self.0 {
            // SAFETY: of a mapping of a file that nobody writes to, which this is (see the head of this module),
            // the system reads the same bytes again.
            let released = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            if let Err(error) = released {
                tracing::debug!(%error, "pages of a mapped file stay in memory");
            }
        }
    }

    /// Writes bytes to a file that has no name by the time this returns, and maps it.
    pub(crate) fn of_nameless_file(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
        let written = file.write_all(bytes);
        std::fs::remove_file(path)?;
        written?;
        map(&file)
    }
}

fn map(file: &File) -> io::Result<Mapping> {
    // SAFETY: the file is not changed while it is mapped; see the head of this module.
    unsafe { memmap2::Mmap::map(file) }.map(|map| Mapping(Some(map)))
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
