//! Takes over what Prometheus had in its head, in place: reads its write-ahead log (`wal/`), the log
//! of samples out of order (`wbl/`) and, where these are damaged, the chunks beside them
//! (`chunks_head/`). Its folders are left as they are, so that Prometheus can go back to them; if it
//! did and wrote more, that is read at the next start.
//!
//! What was in order goes into our head and log, what was not into blocks of its own.

mod aside;
mod head_chunks;
mod log;
mod record;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::metadata::{Metadata, MetricType};
use model::storage::{MetricWriter, SeriesRef, TimeRange, WriteBatch};
use model::{Exemplar, Samples};

use crate::chunk;
use crate::db::Db;
use crate::error::Error;
use aside::Aside;
use log::Halt;
use record::Record;

/// The folder of Prometheus's write-ahead log.
pub(crate) const WAL_DIR: &str = "wal";
const WBL_DIR: &str = "wbl";
const CHUNKS_DIR: &str = "chunks_head";
/// Says up to where the log of Prometheus has been taken over.
const MARK_FILE: &str = "wal-of-prometheus-taken-over";

/// Samples that are appended together.
const BATCH_SAMPLES: usize = 20_000;

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Series that the log names.
    pub series: usize,
    /// Samples that are in the head now.
    pub samples: u64,
    /// Samples that came out of order and are in blocks of their own now.
    pub samples_out_of_order: u64,
    /// Exemplars that are kept now: as many as the store remembers.
    pub exemplars: u64,
    /// Spans of series that were deleted.
    pub tombstones: u64,
    /// Samples, exemplars and deleted spans of series whose record was lost.
    pub orphans: u64,
    /// Records of kinds that are not known.
    pub records_left: u64,
    /// Where the log could not be read any further, file by file.
    pub damages: Vec<String>,
}

/// Reads the log in a data directory into the store, unless that was done before and nothing came
/// after it.
pub(crate) fn take_over(db: &Db, dir: &Path) -> Result<Option<TakenOver>, Error> {
    let mark = dir.join(MARK_FILE);
    let end = end_of_log(dir)?;
    let before = fs::read_to_string(&mark).ok();
    if end.is_empty() || before.is_some_and(|before| !before.contains("up to") || before.contains(&end)) {
        return Ok(None);
    }
    let blocks = db.blocks();
    let in_order = blocks.iter().filter(|block| !aside::is_out_of_order(block));
    let blocks_end_ms = in_order.map(|block| block.meta().max_time).max().unwrap_or(i64::MIN);
    let reader = Reader {
        db,
        dir,
        from_ms: blocks_end_ms,
        newest_ms: i64::MIN,
        now_ms: db.now_ms(),
        series: HashMap::new(),
        tombstones: HashMap::new(),
        batch: WriteBatch::default(),
        aside: Aside::default(),
        out_of_order_log: false,
        found: TakenOver::default(),
    };
    let taken_over = reader.read()?;
    db.flush_log()?;
    let text = format!("The log of Prometheus was read into that of this program, up to {end}.\n");
    let temporary = dir.join(format!("{MARK_FILE}.tmp"));
    db.disk().replace_file(&mark, &temporary, text.as_bytes()).map_err(Error::io("writing", &mark))?;
    Ok(Some(taken_over))
}

/// The last file of each log and its size; nothing if there is no log.
fn end_of_log(dir: &Path) -> Result<String, Error> {
    let mut ends = Vec::new();
    for folder in [WAL_DIR, WBL_DIR] {
        if let Some((_, path)) = log::numbered(&dir.join(folder), "")?.pop() {
            let size = fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ends.push(format!("{folder}/{name} at {size}"));
        }
    }
    Ok(ends.join(" and "))
}

/// A series of the log.
struct Known {
    series: SeriesRef,
    /// First and last sample that was read from the write-ahead log.
    first_ms: i64,
    last_ms: i64,
    /// Whether the last sample was a histogram.
    last_is_histogram: bool,
}

struct Reader<'a> {
    db: &'a Db,
    dir: &'a Path,
    /// Samples before this are in blocks.
    from_ms: i64,
    newest_ms: i64,
    now_ms: i64,
    /// By the number in the log.
    series: HashMap<u64, Known>,
    tombstones: HashMap<u32, Vec<TimeRange>>,
    batch: WriteBatch,
    aside: Aside,
    /// Whether the log of samples out of order is being read.
    out_of_order_log: bool,
    found: TakenOver,
}

/// Which way a sample goes.
enum Way {
    Head(SeriesRef),
    Aside(u32),
    Nowhere,
}

impl Reader<'_> {
    fn read(mut self) -> Result<TakenOver, Error> {
        let wal_whole = self.log(WAL_DIR)?;
        self.append()?;
        self.out_of_order_log = true;
        let wbl_whole = self.log(WBL_DIR)?;
        self.head_chunks(wal_whole, wbl_whole)?;
        self.write_aside()?;
        self.found.tombstones = self.tombstones.values().map(|spans| spans.len() as u64).sum();
        let tombstones = std::mem::take(&mut self.tombstones);
        self.db.head().delete_spans(tombstones)?;
        self.found.series = self.series.len();
        self.found.samples_out_of_order = self.aside.written;
        Ok(self.found)
    }

    /// Reads a log; says whether all of it was whole.
    fn log(&mut self, folder: &str) -> Result<bool, Error> {
        let files = log::files(&self.dir.join(folder))?;
        let mut whole = true;
        for (at, path) in files.iter().enumerate() {
            tracing::info!(
                file = %path.display(),
                number = at + 1,
                of = files.len(),
                "reading the log that Prometheus left"
            );
            match log::read_records(path, |record| self.record(record)) {
                Ok(()) => {}
                Err(Halt::Damage(what)) => {
                    whole = false;
                    self.found.damages.push(format!("{}: {what}", path.display()));
                }
                Err(Halt::Failed(error)) => return Err(error),
            }
        }
        Ok(whole)
    }

    fn record(&mut self, record: &[u8]) -> Result<(), Halt> {
        match record::decode(record).ok_or_else(|| log::damage("a record is malformed"))? {
            Record::Series(series) => self.add_series(series)?,
            Record::Samples(samples) => {
                for sample in samples {
                    match self.way(sample.series, sample.time_ms, false)? {
                        Way::Head(series) => {
                            self.batch.push(series, sample.time_ms, sample.value);
                            self.batch.set_last_start(sample.start_ms);
                        }
                        Way::Aside(id) => {
                            let samples = self.aside.samples(id);
                            samples.push(sample.time_ms, sample.value);
                            samples.set_last_start(sample.start_ms);
                        }
                        Way::Nowhere => {}
                    }
                }
            }
            Record::Histograms(histograms) => {
                for sample in histograms {
                    match self.way(sample.series, sample.time_ms, true)? {
                        Way::Head(series) => {
                            self.batch.histograms.push((series, sample.time_ms, Arc::new(sample.value)));
                            self.batch.set_last_histogram_start(sample.start_ms);
                        }
                        Way::Aside(id) => {
                            let samples = self.aside.samples(id);
                            samples.push_histogram(sample.time_ms, Arc::new(sample.value));
                            samples.set_last_start(sample.start_ms);
                        }
                        Way::Nowhere => {}
                    }
                }
            }
            Record::Tombstones(spans) => {
                for (number, span) in spans {
                    match self.series.get(&number) {
                        Some(known) if span.end_ms >= self.from_ms => {
                            self.tombstones.entry(id(known.series)).or_default().push(span);
                        }
                        Some(_) => {}
                        None => self.found.orphans += 1,
                    }
                }
            }
            Record::MinValidTime(time_ms) => self.from_ms = self.from_ms.max(time_ms),
            Record::Markers => {}
            Record::Exemplars(exemplars) => {
                for entry in exemplars {
                    let Some(known) = self.series.get(&entry.series) else {
                        self.found.orphans += 1;
                        continue;
                    };
                    let (value, labels) = entry.value;
                    let timestamp_ms = entry.time_ms;
                    let exemplar = Exemplar { labels, value, timestamp_ms, timestamp_given: true };
                    self.batch.exemplars.push((known.series, exemplar));
                }
            }
            Record::Metadata(metadata) => {
                for entry in metadata {
                    let labels =
                        self.series.get(&entry.series).and_then(|k| self.db.head().labels_of(id(k.series)));
                    if let Some(labels) = labels {
                        let metadata = Metadata {
                            metric_type: metric_type(entry.kind),
                            unit: entry.unit,
                            help: entry.help,
                        };
                        self.batch.metadata.push((labels.metric_name().to_string(), metadata));
                    }
                }
            }
            Record::Unknown(_) => self.found.records_left += 1,
        }
        let size = self.batch.len() + self.batch.exemplars.len() + self.batch.metadata.len();
        if size >= BATCH_SAMPLES {
            self.append()?;
        }
        if self.aside.is_full() {
            self.write_aside()?;
        }
        Ok(())
    }

    fn add_series(&mut self, series: Vec<(u64, model::Labels)>) -> Result<(), Halt> {
        let (numbers, labels): (Vec<_>, Vec<_>) = series.into_iter().unzip();
        let mut refs = Vec::with_capacity(labels.len());
        self.db.resolve(&labels, &mut refs).map_err(unavailable)?;
        for (number, series) in numbers.into_iter().zip(refs) {
            let known = Known { series, first_ms: i64::MAX, last_ms: i64::MIN, last_is_histogram: false };
            // A checkpoint names a series that a segment names again.
            self.series.entry(number).or_insert(known);
        }
        Ok(())
    }

    fn way(&mut self, number: u64, time_ms: i64, histogram: bool) -> Result<Way, Error> {
        let known = self.series.get_mut(&number).filter(|known| known.series != SeriesRef::NONE);
        let Some(known) = known else {
            self.found.orphans += 1;
            return Ok(Way::Nowhere);
        };
        if self.out_of_order_log {
            return Ok(Way::Aside(id(known.series)));
        }
        // Those out of order stand in the other log too, if they were taken.
        if time_ms < self.from_ms || time_ms <= known.last_ms {
            return Ok(Way::Nowhere);
        }
        known.first_ms = known.first_ms.min(time_ms);
        known.last_ms = time_ms;
        let series = known.series;
        // A batch takes its floats before its histograms.
        if std::mem::replace(&mut known.last_is_histogram, histogram) != histogram {
            self.append()?;
        }
        self.newest_ms = self.newest_ms.max(time_ms);
        // Our head takes what lies at most half a range behind; Prometheus's range may be another.
        let present_ms = self.newest_ms.min(self.now_ms);
        Ok(match time_ms < present_ms.saturating_sub(self.db.block_range_ms() / 2) {
            true => Way::Aside(id(series)),
            false => Way::Head(series),
        })
    }

    fn append(&mut self) -> Result<(), Error> {
        if !self.batch.is_empty() {
            let appended = self.db.append(&self.batch).map_err(unavailable)?;
            self.found.samples += appended.accepted;
            self.found.exemplars += appended.exemplars;
            self.batch.clear();
        }
        Ok(())
    }

    /// Reads the chunks with samples that the logs do not have.
    fn head_chunks(&mut self, wal_whole: bool, wbl_whole: bool) -> Result<(), Error> {
        let dir = self.dir.join(CHUNKS_DIR);
        let wbl_there = self.dir.join(WBL_DIR).exists();
        let (db, data_dir, tombstones) = (self.db, self.dir, &self.tombstones);
        let (series, aside) = (&self.series, &mut self.aside);
        let (from_ms, mut orphans) = (self.from_ms, 0);
        let mut samples = Samples::default();
        let damages = head_chunks::read(&dir, |chunk| {
            if chunk.out_of_order && wbl_whole && wbl_there {
                return Ok(());
            }
            let Some(known) = series.get(&chunk.series).filter(|known| known.series != SeriesRef::NONE)
            else {
                orphans += 1;
                return Ok(());
            };
            let read = wal_whole && known.first_ms <= chunk.min_ms && chunk.max_ms <= known.last_ms;
            if !chunk.out_of_order && (read || chunk.max_ms < from_ms) {
                return Ok(());
            }
            let start_ms = if chunk.out_of_order { i64::MIN } else { from_ms };
            let range = TimeRange { start_ms, end_ms: i64::MAX };
            samples.clear();
            if chunk::decode(chunk.encoding, chunk.bytes, range, &mut samples).is_ok() {
                aside.add_all(id(known.series), &samples);
            }
            if aside.is_full() {
                write_aside(db, data_dir, aside, tombstones)?;
            }
            Ok(())
        })?;
        self.found.orphans += orphans;
        self.found.damages.extend(damages);
        Ok(())
    }

    fn write_aside(&mut self) -> Result<(), Error> {
        write_aside(self.db, self.dir, &mut self.aside, &self.tombstones)
    }
}

fn write_aside(
    db: &Db,
    dir: &Path,
    aside: &mut Aside,
    tombstones: &HashMap<u32, Vec<TimeRange>>,
) -> Result<(), Error> {
    let labels = |id| db.head().labels_of(id);
    let blocks = aside.write(db.disk(), dir, db.block_range_ms(), db.now_ms(), labels, tombstones)?;
    db.change_blocks(blocks, &[]);
    Ok(())
}

/// The number that stands for a type in the log.
fn metric_type(number: u8) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

fn id(series: SeriesRef) -> u32 {
    u32::try_from(series.0).unwrap_or(0)
}

fn unavailable(error: model::storage::StorageError) -> Error {
    Error::Unavailable(error.to_string())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
