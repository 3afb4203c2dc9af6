//! The store: a head, blocks, and what keeps them in order.

mod late;

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::storage::{
    Appended, MetricReader, MetricWriter, Series, SeriesRef, StorageError, Ticket, TimeRange, WriteBatch,
};
use model::{Exemplar, Labels, Matcher, Metadata};
use parking_lot::{Mutex, RwLock};

use crate::block::meta::{Meta, MetaCompaction, MetaParent, is_ulid, new_ulid};
use crate::block::{self, Block, TMP_FOR_CREATION, TMP_FOR_DELETION};
use crate::compact::{self, Source};
use crate::disk::Disk;
use crate::error::Error;
use crate::foreign::{self, TakenOver};
use crate::head::{Head, HeadReplay};
use crate::options::Options;
use crate::plan::{self, BlockInfo};
use crate::series::{Found, StoredSeries};
use crate::stats::{Cardinality, Stats};
use crate::wal::replay::{self, WalDamage};
use crate::wal::{WAL_DIR, Wal, WalSync, checkpoint_path, segment_path};

/// The folder for closed chunks of the head; what is in it when the store opens is worthless.
const SPILL_DIR: &str = "head-chunks";
/// The folder of Prometheus's own log.
const PROMETHEUS_WAL_DIR: &str = "wal";
/// Says that the log of Prometheus has been taken over.
const TAKEN_OVER_MARK: &str = "wal-of-prometheus-taken-over";

/// A store of metrics in one directory.
pub struct Db {
    options: Options,
    head: Head,
    /// Sorted by start; replaced as a whole, so that a query keeps what it began with.
    blocks: RwLock<Arc<Vec<Arc<Block>>>>,
    wal_sync: RwLock<Option<Arc<WalSync>>>,
    maintenance: Mutex<Maintenance>,
    counters: Counters,
    /// Locked as long as the store is open.
    _lock: File,
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
}

#[derive(Default)]
struct Counters {
    replay_ns: AtomicU64,
    wal_damages: AtomicU64,
    clock_went_back: AtomicU64,
    head_cuts: AtomicU64,
    late_cuts: AtomicU64,
    compactions: AtomicU64,
    compactions_failed: AtomicU64,
    time_deletions: AtomicU64,
    size_deletions: AtomicU64,
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
    /// Names of blocks deleted by retention.
    pub deleted: Vec<String>,
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
        // Prometheus's tools read a directory only if this folder is there.
        options.disk.create_dir_all(&dir.join(PROMETHEUS_WAL_DIR)).map_err(unwritable)?;
        let spill_dir = dir.join(SPILL_DIR);
        fs::create_dir_all(&spill_dir).map_err(unwritable)?;
        for entry in fs::read_dir(&spill_dir).map_err(Error::io("listing", &spill_dir))?.flatten() {
            fs::remove_file(entry.path()).map_err(Error::io("deleting", &entry.path()))?;
        }
        let head = Head::new(options.block_range_ms, options.series_max, options.clock.clone(), spill_dir);
        let db = Db {
            head,
            blocks: RwLock::new(Arc::new(blocks)),
            wal_sync: RwLock::new(None),
            maintenance: Mutex::default(),
            counters: Counters::default(),
            _lock: lock,
            options,
        };
        db.head.late.set_window_ms(db.options.out_of_order_window_ms);
        db.head.exemplars.set_max(db.options.exemplars_max);
        db.counters.set_aside.store(opened.corrupt_blocks.len() as u64, Ordering::Relaxed);
        Ok((db, opened))
    }

    /// Reads the log; see [`Db::start`].
    pub fn replay(&self) -> Result<Replayed, Error> {
        let started = self.options.clock.mark();
        let dir = self.options.dir.join(WAL_DIR);
        let listing = replay::list(&dir)?;
        for rubbish in &listing.rubbish {
            self.options.disk.remove_file(rubbish).map_err(Error::io("deleting", rubbish))?;
        }
        let blocks = self.blocks();
        // A block that was merged since is a source of another one.
        let exists = |ulid: &str| {
            blocks.iter().any(|b| b.meta().compaction.sources.iter().any(|source| source == ulid))
        };
        let mut into = HeadReplay::new(&self.head, &exists);
        let mut replayed = Replayed::default();
        let (mut last, mut size_bytes) = (0, 0);
        let checkpoint = listing.checkpoint.map(|number| checkpoint_path(&dir, number));
        let segments = listing.segments.iter().map(|&number| segment_path(&dir, number));
        for path in checkpoint.iter().cloned().chain(segments) {
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
        *self.wal_sync.write() = Some(self.head.set_wal(wal));
        replayed.taken_over = self.take_over_prometheus()?;
        let elapsed = started.elapsed();
        replayed.seconds = elapsed.as_secs_f64();
        self.counters.replay_ns.store(elapsed.as_nanos() as u64, Ordering::Relaxed);
        self.counters.wal_damages.store(replayed.damages.len() as u64, Ordering::Relaxed);
        Ok(replayed)
    }

    /// Reads the log that Prometheus left in the directory, once. A file beside it says that it was.
    fn take_over_prometheus(&self) -> Result<Option<TakenOver>, Error> {
        let (wal, mark) = (self.options.dir.join(PROMETHEUS_WAL_DIR), self.options.dir.join(TAKEN_OVER_MARK));
        if !foreign::is_there(&wal) || mark.exists() {
            return Ok(None);
        }
        let blocks_end_ms = self.blocks().iter().map(|block| block.meta().max_time).max().unwrap_or(i64::MIN);
        let taken_over = foreign::take_over(self, &wal, blocks_end_ms)?;
        if let Some(sync) = self.wal_sync.read().clone() {
            sync.wait(sync.written())?;
        }
        let text = b"The folder wal/ was read into the log of this program and is not needed by it.\n";
        self.options.disk.write_file(&mark, text).map_err(Error::io("writing", &mark))?;
        self.options.disk.sync_dir(&self.options.dir).map_err(Error::io("flushing", &self.options.dir))?;
        for damage in &taken_over.damages {
            tracing::warn!("the write-ahead log of Prometheus cannot be read to its end: {damage}");
        }
        tracing::info!(
            series = taken_over.series,
            samples = taken_over.samples,
            records_left = taken_over.records_left,
            "took over the write-ahead log of Prometheus"
        );
        Ok(Some(taken_over))
    }

    /// Does what is due: cuts the head into blocks, merges blocks, deletes what is beyond retention.
    /// To be called every minute or so, by one thread; queries and writes go on meanwhile.
    pub fn maintain(&self, now_ms: i64) -> MaintenanceReport {
        let mut maintenance = self.maintenance.lock();
        let mut report = MaintenanceReport::default();
        if let Some(last_ms) = maintenance.last_ms.replace(now_ms).filter(|&last_ms| now_ms < last_ms) {
            count(&self.counters.clock_went_back);
            report.clock_went_back_ms = Some(last_ms - now_ms);
            tracing::warn!(by_ms = last_ms - now_ms, "the clock went back");
        }
        if self.wal_sync.read().as_ref().is_some_and(|sync| sync.is_lost()) {
            // What the disk may have dropped is in memory still. First of all: cutting waits for the log.
            let result = self.head.checkpoint(&self.options.dir.join(WAL_DIR));
            self.note(result, "making up for a failed flush of the log", &mut report);
        }
        let result = self.cut_late(&mut maintenance, now_ms, &mut report);
        self.note(result, "making blocks of late samples", &mut report);
        let result = self.cut_head(&mut maintenance, now_ms, &mut report);
        self.note(result, "cutting the head", &mut report);
        if self.options.compaction {
            self.merge_blocks(&mut maintenance, now_ms, &mut report);
        }
        let result = self.apply_retention(now_ms, &mut report);
        self.note(result, "deleting old blocks", &mut report);
        report
    }

    fn note(&self, result: Result<(), Error>, doing: &str, report: &mut MaintenanceReport) {
        if let Err(error) = result {
            count(&self.counters.compactions_failed);
            tracing::error!(%error, "{doing} failed");
            report.errors.push(format!("{doing}: {error}"));
        }
    }

    fn cut_head(
        &self,
        maintenance: &mut Maintenance,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        while let Some((start_ms, end_ms)) = self.head.begin_cut(now_ms) {
            let ulid = new_ulid(now_ms);
            let meta = Meta {
                ulid: ulid.clone(),
                min_time: start_ms,
                max_time: end_ms,
                compaction: MetaCompaction { level: 1, sources: vec![ulid.clone()], ..Default::default() },
                version: 1,
                ..Meta::default()
            };
            let range = TimeRange { start_ms, end_ms: end_ms - 1 };
            let ids = self.head.sorted_ids();
            let series = ids.into_iter().filter_map(|id| {
                let (labels, chunks, deleted) = self.head.series(id, range)?;
                Some(Ok(Found { labels, chunks, deleted }))
            });
            let sources: Vec<Source<'_>> = vec![Box::new(series)];
            let finished = compact::write_block(
                &self.options.disk,
                &self.options.dir,
                meta,
                self.head.symbol_texts(),
                sources,
            )?;
            if let Some(finished) = finished {
                // Should the process end between the two, the log says which block holds the samples.
                self.head.log_bound(end_ms, &ulid)?;
                let block = Block::open(&finished.publish()?)?;
                self.change_blocks(vec![Arc::new(block)], &[]);
                count(&self.counters.head_cuts);
                report.cut.push(ulid);
            }
            self.head.truncate(end_ms);
            maintenance.checkpoint_due = true;
        }
        if maintenance.checkpoint_due {
            self.head.checkpoint(&self.options.dir.join(WAL_DIR))?;
            maintenance.checkpoint_due = false;
        }
        Ok(())
    }

    fn merge_blocks(&self, maintenance: &mut Maintenance, now_ms: i64, report: &mut MaintenanceReport) {
        let ranges_ms = self.options.block_ranges_ms();
        loop {
            let blocks = self.blocks();
            let infos = infos(&blocks, &maintenance.failed);
            let Some(chosen) = plan::to_merge(&infos, &ranges_ms) else { return };
            let chosen: Vec<_> = chosen.into_iter().map(|at| blocks[at].clone()).collect();
            match self.merge(&chosen, now_ms) {
                Ok(merged) => {
                    count(&self.counters.compactions);
                    report.merged.extend(merged);
                }
                Err(error) => {
                    // Disk full is not the blocks' fault.
                    if matches!(error, Error::Corrupt(_)) {
                        maintenance.failed.extend(chosen.iter().map(|b| b.meta().ulid.clone()));
                    }
                    return self.note(Err(error), "merging blocks", report);
                }
            }
        }
    }

    fn merge(&self, parts: &[Arc<Block>], now_ms: i64) -> Result<Option<String>, Error> {
        let ulid = new_ulid(now_ms);
        let metas = || parts.iter().map(|block| block.meta());
        let mut sources: Vec<String> = metas().flat_map(|m| m.compaction.sources.clone()).collect();
        sources.sort();
        sources.dedup();
        let meta = Meta {
            ulid: ulid.clone(),
            min_time: metas().map(|m| m.min_time).min().unwrap_or(0),
            max_time: metas().map(|m| m.max_time).max().unwrap_or(0),
            compaction: MetaCompaction {
                level: metas().map(|m| m.compaction.level).max().unwrap_or(0) + 1,
                sources,
                parents: metas()
                    .map(|m| MetaParent { ulid: m.ulid.clone(), min_time: m.min_time, max_time: m.max_time })
                    .collect(),
                ..Default::default()
            },
            version: 1,
            others: parts.first().map(|b| b.meta().others.clone()).unwrap_or_default(),
            ..Meta::default()
        };
        let mut symbols = BTreeSet::new();
        let mut series: Vec<Source<'_>> = Vec::new();
        for block in parts {
            for symbol in block.symbols() {
                if !symbols.contains(symbol) {
                    symbols.insert(symbol.to_string());
                }
            }
            series.push(Box::new(block.scan()?));
        }
        let symbols = symbols.into_iter().collect();
        let finished = compact::write_block(&self.options.disk, &self.options.dir, meta, symbols, series)?;
        let name = finished.is_some().then_some(ulid);
        let new = match finished {
            Some(finished) => vec![Arc::new(Block::open(&finished.publish()?)?)],
            None => Vec::new(),
        };
        self.change_blocks(new, parts);
        for block in parts {
            block::delete_dir(&*self.options.disk, block.dir())?;
        }
        Ok(name)
    }

    fn apply_retention(&self, now_ms: i64, report: &mut MaintenanceReport) -> Result<(), Error> {
        if let Some(retention_ms) = self.options.retention_time_ms {
            let blocks = self.blocks();
            let head = self.head.time_range().map(|range| range.end_ms);
            let newest_ms = blocks.iter().map(|b| b.meta().max_time).chain(head).max();
            // What claims to be from the future must not make the present look old.
            if let Some(newest_ms) = newest_ms.map(|newest_ms| newest_ms.min(now_ms)) {
                let before_ms = newest_ms.saturating_sub(retention_ms);
                let old = plan::beyond_time(&infos(&blocks, &BTreeSet::new()), before_ms);
                self.delete_blocks(&blocks, &old, &self.counters.time_deletions, report)?;
            }
        }
        if let Some(limit_bytes) = self.options.retention_size_bytes {
            let blocks = self.blocks();
            let wal_bytes = self.head.wal_size_bytes();
            let old = plan::beyond_size(&infos(&blocks, &BTreeSet::new()), wal_bytes, limit_bytes);
            self.delete_blocks(&blocks, &old, &self.counters.size_deletions, report)?;
        }
        Ok(())
    }

    fn delete_blocks(
        &self,
        blocks: &[Arc<Block>],
        positions: &[usize],
        counter: &AtomicU64,
        report: &mut MaintenanceReport,
    ) -> Result<(), Error> {
        for block in positions.iter().filter_map(|&at| blocks.get(at)) {
            self.change_blocks(Vec::new(), std::slice::from_ref(block));
            block::delete_dir(&*self.options.disk, block.dir())?;
            count(counter);
            tracing::info!(block = block.meta().ulid, "deleted beyond retention");
            report.deleted.push(block.meta().ulid.clone());
        }
        Ok(())
    }

    fn blocks(&self) -> Arc<Vec<Arc<Block>>> {
        self.blocks.read().clone()
    }

    /// Puts new blocks in the place of old ones, in one step.
    fn change_blocks(&self, new: Vec<Arc<Block>>, old: &[Arc<Block>]) {
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

    /// Deletes the samples of matching series in a range. They are gone from queries at once, from
    /// the disk when their blocks are rewritten. Gives how many series were touched, counted per
    /// place (head, blocks).
    pub fn delete(&self, range: TimeRange, matchers: &[Matcher]) -> Result<usize, Error> {
        if matchers.is_empty() {
            return Err(Error::BadInput("deleting needs a matcher".into()));
        }
        // Not while a block is being written from what is deleted.
        let _maintenance = self.maintenance.lock();
        let mut touched = self.head.delete(range, matchers)?;
        for block in self.blocks().iter() {
            touched += block.delete(&*self.options.disk, range, matchers)?;
        }
        Ok(touched)
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
            blocks_set_aside: get(&own.set_aside),
            chunks_corrupt: blocks.iter().map(|b| b.damaged()).sum(),
            blocks: blocks.iter().map(|b| b.stats()).collect(),
        }
    }

    /// What in the head takes how much; tables of at most `limit` entries.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        self.head.cardinality(limit)
    }

    /// The exemplars in a range of the series that match all matchers of any selector, by series in order
    /// of their labels, each series' in order of time.
    pub fn exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, Error> {
        Ok(self.head.exemplars.select(range, selectors))
    }

    /// Keeps so many exemplars from now on; 0 for none.
    pub fn set_exemplars_max(&self, max: usize) {
        self.head.exemplars.set_max(max);
    }

    /// What was said of one metric or of all, by whoever wrote last, in order of their names.
    pub fn metadata(&self, metric: Option<&str>) -> Vec<(String, Metadata)> {
        self.head.metadata.get(metric)
    }

    /// Takes no more writes and returns when everything written is on disk.
    pub fn close(&self) -> Result<(), Error> {
        let _maintenance = self.maintenance.lock();
        self.head.close();
        match self.wal_sync.read().clone() {
            Some(sync) => sync.wait(sync.written()),
            None => Ok(()),
        }
    }
}

fn infos(blocks: &[Arc<Block>], failed: &BTreeSet<String>) -> Vec<BlockInfo> {
    let info = |block: &Arc<Block>| BlockInfo {
        min_ms: block.meta().min_time,
        max_ms: block.meta().max_time,
        size_bytes: block.size_bytes(),
        series: block.meta().stats.num_series,
        tombstones: block.tombstone_count() as u64,
        failed: block.meta().compaction.failed || failed.contains(&block.meta().ulid),
    };
    blocks.iter().map(info).collect()
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
        match Block::open(&path) {
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

impl MetricReader for Db {
    fn select(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        // The head first: what it drops meanwhile is in a block by then.
        let mut selected: Vec<StoredSeries> = Vec::new();
        for found in self.head.select(range, matchers)? {
            selected.push(StoredSeries::new(range, found));
        }
        let mut by_labels: Option<HashMap<Labels, usize, foldhash::fast::RandomState>> = None;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(range)) {
            let found = block.select(range, matchers)?;
            if selected.is_empty() {
                selected.extend(found.into_iter().map(|found| StoredSeries::new(range, found)));
                continue;
            }
            let by_labels = by_labels.get_or_insert_with(|| {
                selected.iter().enumerate().map(|(at, series)| (series.labels().clone(), at)).collect()
            });
            for found in found {
                match by_labels.get(&found.labels) {
                    Some(&at) => selected[at].add(found.chunks, found.deleted),
                    None => {
                        by_labels.insert(found.labels.clone(), selected.len());
                        selected.push(StoredSeries::new(range, found));
                    }
                }
            }
        }
        let finish = |mut series: StoredSeries| -> Arc<dyn Series> {
            series.finish();
            Arc::new(series)
        };
        Ok(selected.into_iter().map(finish).collect())
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        let mut names = BTreeSet::new();
        self.head.label_names(range, matchers, &mut names)?;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(range)) {
            block.label_names(matchers, &mut names)?;
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        let mut values = BTreeSet::new();
        self.head.label_values(name, range, matchers, &mut values)?;
        for block in self.blocks().iter().filter(|block| block.range().overlaps(range)) {
            block.label_values(name, matchers, &mut values)?;
        }
        Ok(values.into_iter().collect())
    }
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
