//! The store: a head, blocks, and what keeps them in order.

mod admin;
mod late;
mod maintenance;
mod retention;
mod side;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::Labels;
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use parking_lot::{Mutex, RwLock};

use crate::block::meta::is_ulid;
use crate::block::{self, Block, TMP_FOR_CREATION, TMP_FOR_DELETION};
use crate::disk::Disk;
use crate::error::Error;
use crate::follow;
use crate::foreign::{self, TakenOver};
use crate::head::{Head, HeadReplay};
use crate::options::{Options, Retention};
use crate::stats::{Cardinality, Stats};
use crate::wal::replay::{self, WalDamage};
use crate::wal::{WAL_DIR, Wal, WalSync, checkpoint_path, segment_path};

/// The folder for closed chunks of the head; what is in it when the store opens is worthless.
const SPILL_DIR: &str = "head-chunks";

/// How long closing waits for maintenance.
const CLOSE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// A store of metrics in one directory.
pub struct Db {
    options: Options,
    head: Head,
    /// Sorted by start; replaced as a whole, so that a query keeps what it began with.
    blocks: RwLock<Arc<Vec<Arc<Block>>>>,
    wal_sync: RwLock<Option<Arc<WalSync>>>,
    maintenance: Mutex<Maintenance>,
    retention: RwLock<Retention>,
    retention_changed: AtomicBool,
    counters: Counters,
    xor2: AtomicBool,
    /// Whether all of the log has been read.
    replayed: AtomicBool,
    /// Locked as long as the store is open.
    _lock: DirLock,
}

/// The lock on a data directory. It is undone outright: closing the file is not enough while a process that
/// another thread is just starting still has it.
struct DirLock(File);

impl Drop for DirLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the data directory stays locked until this process ends");
        }
    }
}

#[derive(Default)]
struct Maintenance {
    last_ms: Option<i64>,
    /// Late samples before this are in blocks already; the rest of them could not be made one.
    late_cut_ms: Option<i64>,
    /// The head was cut but the log before it is still there.
    checkpoint_due: bool,
    /// Blocks whose merging failed; tried again after a restart.
    failed: BTreeSet<String>,
    /// Blocks that came later and could not be read.
    unreadable: BTreeSet<String>,
    /// What retention by series has done.
    trimmed: retention::Trimmed,
}

#[derive(Default)]
struct Counters {
    replay_ns: AtomicU64,
    replay_min: AtomicU64,
    replay_max: AtomicU64,
    replay_current: AtomicU64,
    wal_damages: AtomicU64,
    clock_went_back: AtomicU64,
    head_cuts: AtomicU64,
    late_cuts: AtomicU64,
    compactions: AtomicU64,
    compactions_failed: AtomicU64,
    time_deletions: AtomicU64,
    size_deletions: AtomicU64,
    retention_rewrites: AtomicU64,
    retention_samples: AtomicU64,
    set_aside: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What opening a store found.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Blocks that are served.
    pub blocks: usize,
    /// Blocks that could not be read: where they were moved, and why.
    pub corrupt_blocks: Vec<(PathBuf, String)>,
    /// Blocks that could not be opened for another reason; they are left where they are.
    pub failed_blocks: Vec<(PathBuf, String)>,
    /// Leftovers of a crash that were deleted.
    pub removed: Vec<PathBuf>,
    /// What reading the log found.
    pub replay: Replayed,
}

/// What reading the log found.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Series in the head afterwards.
    pub series: usize,
    /// Samples read.
    pub samples: u64,
    /// Samples whose series was lost with a damaged part.
    pub orphans: u64,
    /// How long it took.
    pub seconds: f64,
    /// Places where the log was damaged.
    pub damages: Vec<WalDamage>,
    /// What was taken over from a log that Prometheus left, at the first start on its directory.
    pub taken_over: Option<TakenOver>,
}

/// What one maintenance run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Names of blocks written from the head.
    pub cut: Vec<String>,
    /// Names of blocks made by merging others.
    pub merged: Vec<String>,
    /// Names of blocks that came into the directory from outside.
    pub picked_up: Vec<String>,
    /// Names of blocks deleted by retention.
    pub deleted: Vec<String>,
    /// Names of blocks written anew without series that are beyond their own retention.
    pub trimmed: Vec<String>,
    /// The clock went back since the last run, by so many milliseconds.
    pub clock_went_back_ms: Option<i64>,
    /// What failed; it is tried again in the next run.
    pub errors: Vec<String>,
}

impl Db {
    /// Opens a store and reads its log.
    pub fn open(options: Options) -> Result<(Db, Opened), Error> {
        let (db, mut opened) = Db::start(options)?;
        opened.replay = db.replay()?;
        Ok((db, opened))
    }

    /// Opens a store without reading its log: blocks can be queried, writes are refused until
    /// [`Db::replay`] has run. Queries during it see what has been read so far.
    pub fn start(options: Options) -> Result<(Db, Opened), Error> {
        options.check()?;
        let dir = &options.dir;
        let unwritable = |source| Error::Unwritable { path: dir.clone(), source };
        options.disk.create_dir_all(dir).map_err(unwritable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(unwritable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Locked(dir.clone()),
            TryLockError::Error(source) => unwritable(source),
        })?;
        options.disk.create_dir_all(&dir.join(WAL_DIR)).map_err(unwritable)?;
        options.disk.sync_dir(dir).map_err(unwritable)?;
        let mut opened = Opened::default();
        let blocks = open_blocks(&*options.disk, dir, &mut opened)?;
        opened.blocks = blocks.len();
        opened.removed.extend(admin::remove_unfinished_snapshots(&*options.disk, dir)?);
        // Prometheus's tools read a directory only if this folder is there.
        options.disk.create_dir_all(&dir.join(foreign::WAL_DIR)).map_err(unwritable)?;
        let spill_dir = dir.join(SPILL_DIR);
        fs::create_dir_all(&spill_dir).map_err(unwritable)?;
        for entry in fs::read_dir(&spill_dir).map_err(Error::io("listing", &spill_dir))?.flatten() {
            fs::remove_file(entry.path()).map_err(Error::io("deleting", &entry.path()))?;
        }
        let head = Head::new(options.block_range_ms, options.clock.clone(), spill_dir);
        let db = Db {
            head,
            blocks: RwLock::new(Arc::new(blocks)),
            wal_sync: RwLock::new(None),
            maintenance: Mutex::default(),
            retention: RwLock::new(options.retention()),
            retention_changed: AtomicBool::new(false),
            counters: Counters::default(),
            xor2: AtomicBool::new(false),
            replayed: AtomicBool::new(false),
            _lock: DirLock(lock),
            options,
        };
        db.head.late.set_window_ms(db.options.out_of_order_window_ms);
        db.head.admission.set(db.options.budgets.clone());
        db.head.starts.set(db.options.start_timestamps);
        db.head.exemplars.set_max(db.options.exemplars_max);
        db.head.exemplars.set_window_ms(db.options.out_of_order_window_ms);
        db.counters.set_aside.store(opened.corrupt_blocks.len() as u64, Ordering::Relaxed);
        Ok((db, opened))
    }

    /// How far reading the log has come: the first and the last file's number, and that of the file being
    /// read; the last one when all are read.
    pub fn replay_progress(&self) -> (u64, u64, u64) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { replay_min, replay_max, replay_current, .. } = &self.counters;
        (get(replay_min), get(replay_max), get(replay_current))
    }

    /// Reads the log; see [`Db::start`].
    pub fn replay(&self) -> Result<Replayed, Error> {
        let started = self.options.clock.mark();
        let dir = self.options.dir.join(WAL_DIR);
        let listing = replay::list(&dir)?;
        self.discard(&listing.rubbish)?;
        let blocks = self.blocks();
        // A block that was merged since is a source of another one.
        let exists = |ulid: &str| {
            blocks.iter().any(|b| b.meta().compaction.sources.iter().any(|source| source == ulid))
        };
        let numbers = || listing.checkpoint.iter().chain(&listing.segments).copied().map(u64::from);
        self.counters.replay_max.store(numbers().max().unwrap_or(0), Ordering::Relaxed);
        self.counters.replay_min.store(numbers().min().unwrap_or(0), Ordering::Relaxed);
        let mut into = HeadReplay::new(&self.head, &exists);
        let mut replayed = Replayed::default();
        let (mut last, mut size_bytes) = (0, 0);
        let checkpoint = listing.checkpoint.map(|number| checkpoint_path(&dir, number));
        let segments = listing.segments.iter().map(|&number| segment_path(&dir, number));
        for path in checkpoint.iter().cloned().chain(segments) {
            let number = match path.extension() {
                Some(_) => listing.checkpoint.unwrap_or(0),
                None => path.file_name().and_then(|n| n.to_str()?.parse().ok()).unwrap_or(0),
            };
            self.counters.replay_current.store(u64::from(number), Ordering::Relaxed);
            let file = replay::read_file(&*self.options.disk, &path, &mut into)?;
            size_bytes += file.good_bytes;
            if let Some(damage) = file.damage {
                let offset = damage.offset;
                tracing::warn!(path = %damage.path.display(), offset, lost_bytes = damage.lost_bytes,
                    "the write-ahead log is damaged here; what is before is kept");
                replayed.damages.push(damage);
            }
        }
        for &number in listing.segments.iter().chain(&listing.checkpoint) {
            last = last.max(number);
        }
        if into.bound_ms() > i64::MIN {
            self.head.truncate(into.bound_ms());
        }
        (replayed.samples, replayed.orphans) = (into.samples, into.orphans);
        replayed.series = self.head.series_count();
        let Options { disk, wal_segment_size_bytes, .. } = &self.options;
        let wal = Wal::new(dir, disk.clone(), *wal_segment_size_bytes, last, size_bytes);
        wal.inherit(&listing.segments)?;
        *self.wal_sync.write() = Some(self.head.set_wal(wal));
        replayed.taken_over = self.take_over_prometheus()?;
        let elapsed = started.elapsed();
        replayed.seconds = elapsed.as_secs_f64();
        self.counters.replay_ns.store(elapsed.as_nanos() as u64, Ordering::Relaxed);
        self.counters.wal_damages.store(replayed.damages.len() as u64, Ordering::Relaxed);
        self.replayed.store(true, Ordering::Release);
        Ok(replayed)
    }

    /// Reads the log that Prometheus left in the directory, if there is something new in it.
    fn take_over_prometheus(&self) -> Result<Option<TakenOver>, Error> {
        let taken_over = foreign::take_over(self, &self.options.dir)?;
        if let Some(taken_over) = &taken_over {
            for damage in &taken_over.damages {
                tracing::warn!("the log of Prometheus cannot be read to its end: {damage}");
            }
            tracing::info!(
                series = taken_over.series,
                samples = taken_over.samples,
                samples_out_of_order = taken_over.samples_out_of_order,
                exemplars = taken_over.exemplars,
                records_left = taken_over.records_left,
                "took over the log of Prometheus"
            );
        }
        Ok(taken_over)
    }

    /// Returns when everything written is on disk.
    pub(crate) fn flush_log(&self) -> Result<(), Error> {
        match self.wal_sync.read().clone() {
            Some(sync) => sync.wait(sync.written()),
            None => Ok(()),
        }
    }

    /// Deletes parts of the log but for what is to be sent on.
    pub(crate) fn discard(&self, rubbish: &[PathBuf]) -> Result<(), Error> {
        let Options { dir, disk, clock, unsent_max_ms, .. } = &self.options;
        follow::discard(dir, disk, clock.now_ms().saturating_sub(*unsent_max_ms), rubbish)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.options.dir
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.options.disk
    }

    /// What writers of the log share; none until it has been read.
    pub(crate) fn wal_sync(&self) -> Option<Arc<WalSync>> {
        self.wal_sync.read().clone()
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn block_range_ms(&self) -> i64 {
        self.options.block_range_ms
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.options.clock.now_ms()
    }

    pub(crate) fn blocks(&self) -> Arc<Vec<Arc<Block>>> {
        self.blocks.read().clone()
    }

    /// Puts new blocks in the place of old ones, in one step.
    pub(crate) fn change_blocks(&self, new: Vec<Arc<Block>>, old: &[Arc<Block>]) {
        let mut blocks = self.blocks.write();
        let mut changed: Vec<_> = blocks
            .iter()
            .filter(|block| !old.iter().any(|gone| Arc::ptr_eq(gone, block)))
            .cloned()
            .chain(new)
            .collect();
        sort_blocks(&mut changed);
        *blocks = Arc::new(changed);
    }

    /// Where the oldest block begins, milliseconds since the epoch; `None` without blocks.
    pub fn oldest_block_ms(&self) -> Option<i64> {
        self.blocks().iter().map(|block| block.range().start_ms).min()
    }

    /// Counts of all kinds.
    pub fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (head, own) = (&self.head.counters, &self.counters);
        let sync = self.wal_sync.read().clone();
        let blocks = self.blocks();
        let (late_samples, late_series, late_chunk_bytes) = self.head.late.count();
        let (exemplars, exemplar_series) = self.head.exemplars.count();
        Stats {
            head_series: self.head.series_count() as u64,
            head_chunks: self.head.chunk_count() as u64,
            head_chunk_bytes: self.head.chunk_bytes() as u64,
            head_range: self.head.time_range(),
            head_series_created: get(&head.series_created),
            head_series_removed: get(&head.series_removed),
            samples_appended: get(&head.samples),
            samples_out_of_order: get(&head.out_of_order),
            samples_duplicate: get(&head.duplicate),
            samples_too_old: get(&head.too_old),
            samples_outside_window: get(&head.outside_window),
            late_samples_appended: get(&self.head.late.taken),
            late_samples,
            late_series,
            late_chunk_bytes,
            late_cuts: get(&own.late_cuts),
            exemplars_appended: get(&head.exemplars),
            exemplars_refused: get(&head.exemplars_refused),
            exemplars: exemplars as u64,
            exemplar_series: exemplar_series as u64,
            metrics_with_metadata: self.head.metadata.len() as u64,
            series_refused: get(&head.series_refused),
            writes_refused: get(&head.refused_writes),
            wal_size_bytes: self.head.wal_size_bytes(),
            wal_written_bytes: sync.as_ref().map_or(0, |s| s.written()),
            wal_fsyncs: sync.as_ref().map_or(0, |s| get(&s.fsyncs)),
            wal_fsync_failures: sync.as_ref().map_or(0, |s| get(&s.failures)),
            wal_replay_seconds: get(&own.replay_ns) as f64 / 1e9,
            wal_damages: get(&own.wal_damages),
            clock_went_back: get(&own.clock_went_back),
            head_cuts: get(&own.head_cuts),
            compactions: get(&own.compactions),
            compactions_failed: get(&own.compactions_failed),
            retention_time_deletions: get(&own.time_deletions),
            retention_size_deletions: get(&own.size_deletions),
            retention_rewrites: get(&own.retention_rewrites),
            retention_samples_removed: get(&own.retention_samples),
            blocks_set_aside: get(&own.set_aside),
            chunks_corrupt: blocks.iter().map(|b| b.damaged()).sum(),
            blocks: blocks.iter().map(|b| b.stats()).collect(),
        }
    }

    /// What in the head takes how much; tables of at most `limit` entries.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        self.head.cardinality(limit)
    }

    /// Takes no more writes and returns when everything written is on disk.
    pub fn close(&self) -> Result<(), Error> {
        // A merge under way is not waited for: without the log nothing of the head is cut any more, and what it
        // has not published begins anew at the next start.
        let _maintenance = self.maintenance.try_lock_for(CLOSE_PATIENCE);
        self.head.close();
        self.flush_log()
    }
}

fn sort_blocks(blocks: &mut [Arc<Block>]) {
    blocks.sort_by(|a, b| {
        let key = |block: &Arc<Block>| (block.meta().min_time, block.meta().max_time);
        key(a).cmp(&key(b)).then_with(|| a.meta().ulid.cmp(&b.meta().ulid))
    });
}

/// Opens all blocks of a directory. Leftovers are removed, corrupt blocks set aside, and so are
/// blocks that a larger one was made from before a crash.
fn open_blocks(disk: &dyn Disk, dir: &Path, opened: &mut Opened) -> Result<Vec<Arc<Block>>, Error> {
    let mut blocks: Vec<Arc<Block>> = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("listing", dir))? {
        let entry = entry.map_err(Error::io("listing", dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(TMP_FOR_CREATION) || name.ends_with(TMP_FOR_DELETION) {
            disk.remove_dir_all(&path).map_err(Error::io("deleting", &path))?;
            opened.removed.push(path);
            continue;
        }
        if !is_ulid(name) {
            continue;
        }
        match Block::open(disk, &path) {
            Ok(block) => blocks.push(Arc::new(block)),
            Err(error @ Error::Corrupt(_)) => {
                let kept = block::set_aside(disk, &path)?;
                tracing::error!(%error, kept = %kept.display(), "a corrupt block is set aside");
                opened.corrupt_blocks.push((kept, error.to_string()));
            }
            Err(error) => {
                tracing::error!(%error, "a block cannot be opened and is left out");
                opened.failed_blocks.push((path, error.to_string()));
            }
        }
    }
    let parents: BTreeSet<String> = blocks
        .iter()
        .flat_map(|block| block.meta().compaction.parents.iter().map(|parent| parent.ulid.clone()))
        .collect();
    let (replaced, mut blocks): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| parents.contains(&block.meta().ulid));
    for block in replaced {
        block::delete_dir(disk, block.dir())?;
        opened.removed.push(block.dir().to_path_buf());
    }
    sort_blocks(&mut blocks);
    Ok(blocks)
}

impl MetricWriter for Db {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        Ok(self.head.resolve(series, refs)?)
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        Ok(self.head.append(batch)?)
    }

    fn wait_durable(&self, ticket: Ticket) -> Result<(), StorageError> {
        let sync = self.wal_sync.read().clone();
        match sync {
            Some(sync) => Ok(sync.wait(ticket.0)?),
            None => Ok(()),
        }
    }
}
