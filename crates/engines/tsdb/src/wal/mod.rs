//! The write-ahead log: what was appended since the last checkpoint, in files of our own format
//! (Prometheus's log is much larger and slower; its blocks are what others read).
//!
//! The folder holds segments `00000001`, `00000002`, ... and at most one `checkpoint.<n>`, which
//! stands for all segments below n. Values are logged as differences within one segment, so each
//! segment can be read by itself once the series are known.

pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod samples;
pub(crate) mod side;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, is_disk_full};
use record::FILE_HEADER;

/// The folder of the log inside the data directory. Not `wal`, which is Prometheus's.
pub(crate) const WAL_DIR: &str = "wal-segments";

/// Segments of an earlier process that stay open until they are flushed; older ones are flushed at once.
const INHERITED_OPEN_MAX: usize = 64;

/// The writing end of the log. One writer at a time.
pub(crate) struct Wal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    segment_size_bytes: u64,
    /// Number of the open segment.
    segment: u32,
    file: Option<Arc<dyn DiskFile>>,
    /// Length of the open segment up to the last whole record.
    length: u64,
    /// Whether bytes of a failed write may lie behind `length`.
    torn: bool,
    sync: Arc<WalSync>,
    /// Bytes of closed segments and the checkpoint.
    closed_bytes: u64,
}

impl Wal {
    /// A log that goes on behind segment `last` (0 for none). Nothing is written yet.
    pub(crate) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        segment_size_bytes: u64,
        last: u32,
        closed_bytes: u64,
    ) -> Self {
        let sync = Arc::new(WalSync::default());
        *sync.end.lock() = (last, u64::MAX);
        Wal {
            dir,
            disk,
            segment_size_bytes,
            segment: last,
            file: None,
            length: 0,
            torn: false,
            sync,
            closed_bytes,
        }
    }

    /// Where the log is written.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// Takes over segments that an earlier process wrote, oldest first: it may have died before it flushed
    /// them, and what is written from now on refers to what is in them.
    pub(crate) fn inherit(&self, segments: &[u32]) -> Result<(), Error> {
        let (older, newest) = segments.split_at(segments.len().saturating_sub(INHERITED_OPEN_MAX));
        for (number, stays_open) in
            older.iter().map(|number| (number, false)).chain(newest.iter().map(|number| (number, true)))
        {
            let path = segment_path(&self.dir, *number);
            let file = self.disk.open(&path).map_err(Error::io("opening", &path))?;
            match stays_open {
                true => self.sync.begin_file(file),
                false => file.sync().map_err(Error::io("flushing", &path))?,
            }
        }
        // So that there is something to wait for, even for who writes only what is there already.
        self.sync.written.fetch_add(u64::from(!segments.is_empty()), Ordering::AcqRel);
        Ok(())
    }

    /// What waiters share.
    pub(crate) fn sync(&self) -> Arc<WalSync> {
        self.sync.clone()
    }

    /// Makes sure there is a segment with room and no torn end, and gives its number. Records that
    /// depend on the segment are encoded after this.
    pub(crate) fn prepare(&mut self) -> Result<u32, Error> {
        if let Some(file) = self.file.as_ref().filter(|_| self.torn) {
            file.truncate(self.length).map_err(|error| self.refusal(error))?;
            self.torn = false;
        }
        if self.file.is_none() || self.length >= self.segment_size_bytes {
            self.rotate()?;
        }
        Ok(self.segment)
    }

    /// Begins a new segment and gives its number.
    pub(crate) fn rotate(&mut self) -> Result<u32, Error> {
        let path = segment_path(&self.dir, self.segment + 1);
        let opened = self.disk.create(&path).and_then(|file| {
            self.disk.sync_dir(&self.dir)?;
            file.write_at(FILE_HEADER, 0)?;
            Ok(file)
        });
        let file = opened.map_err(|error| self.refusal(error))?;
        self.sync.begin_file(file.clone());
        self.closed_bytes += self.length;
        self.segment += 1;
        self.file = Some(file);
        self.length = FILE_HEADER.len() as u64;
        *self.sync.end.lock() = (self.segment, self.length);
        self.torn = false;
        Ok(self.segment)
    }

    /// Appends whole records. After an error nothing of them counts.
    pub(crate) fn write(&mut self, records: &[u8]) -> Result<u64, Error> {
        let Some(file) = &self.file else {
            return Err(Error::Unavailable("the write-ahead log is not open".into()));
        };
        if let Err(error) = file.write_at(records, self.length) {
            self.torn = file.truncate(self.length).is_err();
            return Err(self.refusal(error));
        }
        self.length += records.len() as u64;
        self.sync.end.lock().1 = self.length;
        Ok(self.sync.written.fetch_add(records.len() as u64, Ordering::AcqRel) + records.len() as u64)
    }

    fn refusal(&self, error: io::Error) -> Error {
        if is_disk_full(&error) {
            return Error::Unavailable(format!("no room for the write-ahead log: {error}"));
        }
        Error::io("writing the write-ahead log in", &self.dir)(error)
    }

    /// Bytes of all files of the log.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.closed_bytes + self.length
    }

    /// Forgets the segments and the checkpoint that a new checkpoint stands for; `checkpoint_bytes`
    /// is its size.
    pub(crate) fn truncated(&mut self, segment: u32, checkpoint_bytes: u64) {
        self.closed_bytes = checkpoint_bytes;
        let mut between = 0;
        for number in segment..self.segment {
            between += std::fs::metadata(segment_path(&self.dir, number)).map_or(0, |m| m.len());
        }
        self.closed_bytes += between;
    }
}

/// Shares flushes among those who wait for them.
#[derive(Default)]
pub(crate) struct WalSync {
    /// Bytes written so far; a ticket is such a number.
    written: AtomicU64,
    /// The newest segment, and where in it what was taken ends: behind that may be what is being written, or
    /// what a write that failed left for a moment.
    end: Mutex<(u32, u64)>,
    state: Mutex<SyncState>,
    done: Condvar,
    /// Flushes so far.
    pub(crate) fsyncs: AtomicU64,
    /// Flushes that failed.
    pub(crate) failures: AtomicU64,
}

#[derive(Default)]
struct SyncState {
    durable: u64,
    /// Tickets above the first and up to the second were in a flush that failed. The system may have
    /// dropped those pages, so that a later flush says nothing about them, and reading the log would
    /// stop there: nothing behind is durable either until a checkpoint stands for all of it.
    lost: Option<(u64, u64)>,
    running: bool,
    /// Files with bytes that may not be on disk; the last is the one being written.
    files: Vec<Arc<dyn DiskFile>>,
}

impl WalSync {
    /// Whether segments that are full are open still, because nobody waited for a flush.
    pub(crate) fn holds_closed_files(&self) -> bool {
        self.state.lock().files.len() > 1
    }

    fn begin_file(&self, file: Arc<dyn DiskFile>) {
        self.state.lock().files.push(file);
    }

    /// What has been written up to now.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// How far a segment may be read.
    pub(crate) fn end_of(&self, segment: u32) -> u64 {
        let (newest, end) = *self.end.lock();
        match segment.cmp(&newest) {
            std::cmp::Ordering::Less => u64::MAX,
            std::cmp::Ordering::Equal => end,
            std::cmp::Ordering::Greater => 0,
        }
    }

    /// Whether a flush failed and no checkpoint has made up for it.
    pub(crate) fn is_lost(&self) -> bool {
        self.state.lock().lost.is_some()
    }

    /// A checkpoint on disk stands for everything up to this ticket.
    pub(crate) fn stands_for(&self, ticket: u64) {
        let mut state = self.state.lock();
        state.durable = state.durable.max(ticket);
        state.lost = match state.lost {
            Some((_, up_to)) if up_to <= ticket => None,
            Some((above, up_to)) => Some((above.max(ticket), up_to)),
            None => None,
        };
        self.done.notify_all();
    }

    /// Returns when everything up to the ticket is on disk.
    pub(crate) fn wait(&self, ticket: u64) -> Result<(), Error> {
        let mut state = self.state.lock();
        loop {
            if state.lost.is_some_and(|(above, _)| above < ticket) {
                return Err(Error::Unavailable("flushing the write-ahead log failed".into()));
            }
            if state.durable >= ticket {
                return Ok(());
            }
            if state.running {
                self.done.wait(&mut state);
                continue;
            }
            // This waiter flushes, for all whose bytes are written by now.
            state.running = true;
            let target = self.written();
            let files = state.files.clone();
            drop(state);
            let result = files.iter().try_for_each(|file| file.sync());
            self.fsyncs.fetch_add(1, Ordering::Relaxed);
            state = self.state.lock();
            state.running = false;
            match result {
                Ok(()) => {
                    state.durable = state.durable.max(target);
                    // All but the newest are closed and need no flush again.
                    state.files.drain(..files.len().saturating_sub(1));
                }
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "flushing the write-ahead log failed");
                    let above = state.lost.map_or(state.durable, |(above, _)| above);
                    state.lost = Some((above, target));
                }
            }
            self.done.notify_all();
        }
    }
}

pub(crate) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}"))
}

pub(crate) fn checkpoint_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("checkpoint.{number:08}"))
}
