//! The contract between what stores series and what writes or asks for them. The stores implement
//! [`MetricReader`] and [`MetricWriter`]; scraping, rules, queries and the query engine know only these.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{Classify, ErrorClass};

use crate::exemplar::Exemplar;
use crate::histogram::FloatHistogram;
use crate::label_table::{LabelTable, SetId};
use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::metadata::Metadata;
use crate::sample::Samples;

/// Why a store could not answer or take something.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The request makes no sense.
    #[error("{0}")]
    BadInput(String),
    /// Stored data cannot be read; the message names the file or block.
    #[error("{0}")]
    Corrupt(String),
    /// The selection takes more than its [`Meter`] allows.
    #[error("the selection takes more memory than it may")]
    Refused,
    /// The store cannot take data now: disk full, closing. Later it may.
    #[error("{0}")]
    Unavailable(String),
    /// Reading or writing a file failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Classify for StorageError {
    fn class(&self) -> ErrorClass {
        match self {
            StorageError::BadInput(_) => ErrorClass::BadInput,
            StorageError::Corrupt(_) => ErrorClass::Corrupt,
            StorageError::Refused => ErrorClass::TooLarge,
            StorageError::Unavailable(_) => ErrorClass::Unavailable,
            StorageError::Io { .. } => ErrorClass::Internal,
        }
    }
}

/// A span of time in milliseconds since the epoch, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First millisecond.
    pub start_ms: i64,
    /// Last millisecond.
    pub end_ms: i64,
}

impl TimeRange {
    /// Everything.
    pub const ALL: TimeRange = TimeRange { start_ms: i64::MIN, end_ms: i64::MAX };

    /// Whether two spans share a millisecond.
    pub fn overlaps(&self, other: TimeRange) -> bool {
        self.start_ms <= other.end_ms && other.start_ms <= self.end_ms
    }
}

/// Reads series. Cheap to share; every call sees what was appended before it.
pub trait MetricReader: Send + Sync {
    /// The series that match and may have samples in the range, in no particular but in a repeatable
    /// order, without duplicates; their labels are added to `labels`. No sample is decoded yet.
    fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError>;

    /// Names of labels of the series that match (all series if there are no matchers), sorted.
    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError>;

    /// Values of a label among the series that match (all series if there are no matchers), sorted.
    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError>;
}

/// What is to be selected.
#[derive(Clone, Copy)]
pub struct Select<'a> {
    /// The times of the samples.
    pub range: TimeRange,
    /// All of them must match. Without any, all series do.
    pub matchers: &'a [Matcher],
    /// What of the series will be read.
    pub want: Want,
    /// Is asked before memory is taken.
    pub meter: &'a dyn Meter,
}

impl<'a> Select<'a> {
    /// All samples in a range, with as much memory as it takes.
    pub fn new(range: TimeRange, matchers: &'a [Matcher]) -> Self {
        Select { range, matchers, want: Want::Samples, meter: &Unmetered }
    }
}

/// What of the series of a selection will be read; knowing it saves a store work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// All samples in the range.
    Samples,
    /// The newest sample in the range; those before it may be left out.
    Newest,
    /// None, only the labels.
    Labels,
}

/// Bounds what a selection takes.
pub trait Meter: Sync {
    /// Says that so many more bytes are about to be taken, for as long as the selection lives. An
    /// error, such as [`StorageError::Refused`], ends the selection.
    fn take_bytes(&self, bytes: u64) -> Result<(), StorageError>;
}

/// No bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn take_bytes(&self, _: u64) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A bound in bytes for the selections of one request.
#[derive(Debug)]
pub struct ByteLimit {
    max_bytes: u64,
    taken: AtomicU64,
}

impl ByteLimit {
    /// So many bytes and no more.
    pub fn new(max_bytes: u64) -> Self {
        ByteLimit { max_bytes, taken: AtomicU64::new(0) }
    }
}

impl Meter for ByteLimit {
    fn take_bytes(&self, bytes: u64) -> Result<(), StorageError> {
        match self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.max_bytes {
            true => Err(StorageError::Refused),
            false => Ok(()),
        }
    }
}

/// Series that were selected. What it refers to stays readable although the store goes on.
pub struct Selection {
    /// Labels by series, numbers of the table that was given to [`MetricReader::select`].
    pub sets: Vec<SetId>,
    /// Their samples, in the same order.
    pub samples: Box<dyn SelectedSamples>,
    /// What may be missing, and why: one line each, for whoever asked.
    pub warnings: Vec<String>,
}

impl Selection {
    /// These series, with nothing missing.
    pub fn new(sets: Vec<SetId>, samples: Box<dyn SelectedSamples>) -> Self {
        Selection { sets, samples, warnings: Vec::new() }
    }

    /// No series.
    pub fn empty() -> Self {
        Selection::new(Vec::new(), Box::new(Vec::new()))
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

/// The samples of selected series, by position. May be read by several threads at once.
pub trait SelectedSamples: Send + Sync {
    /// An upper bound of how many samples [`SelectedSamples::read`] will add, known without decoding,
    /// so that a query's cost can be charged before it is paid.
    fn sample_count_max(&self, at: usize) -> u64;

    /// About how many samples all series have together, from what is at hand without looking at each.
    fn sample_count_estimate(&self) -> u64;

    /// Adds the samples of the selected range to `into`, in time order, staleness markers included.
    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError>;
}

/// Samples that are in memory already.
impl SelectedSamples for Vec<Samples> {
    fn sample_count_max(&self, at: usize) -> u64 {
        self[at].len() as u64
    }

    fn sample_count_estimate(&self) -> u64 {
        self.iter().map(|samples| samples.len() as u64).sum()
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        let own = &self[at];
        if into.is_empty() && own.histograms.is_empty() {
            into.timestamps_ms.extend_from_slice(&own.timestamps_ms);
            into.values.extend_from_slice(&own.values);
            into.start_timestamps_ms.extend_from_slice(&own.start_timestamps_ms);
            return Ok(());
        }
        for sample in 0..own.len() {
            match own.histogram(sample) {
                Some(histogram) => into.push_histogram(own.timestamps_ms[sample], histogram.clone()),
                None => into.push(own.timestamps_ms[sample], own.values[sample]),
            }
            into.set_last_start(own.start_ms(sample));
        }
        Ok(())
    }
}

/// A number by which a writer knows a series after [`MetricWriter::resolve`]. It stays valid as
/// long as the series is being written; a series without samples for hours may be dropped, and then
/// [`Appended::unknown`] says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u64);

impl SeriesRef {
    /// No series: it was refused.
    pub const NONE: SeriesRef = SeriesRef(0);
}

/// Samples that are written together, with what belongs to them: they become visible and durable in
/// one step. Columns of equal length unless said; samples of one series in time order.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Series of the float samples.
    pub refs: Vec<SeriesRef>,
    /// Their times, milliseconds since the epoch.
    pub timestamps_ms: Vec<i64>,
    /// Their values.
    pub values: Vec<f64>,
    /// Histogram samples: series, time, histogram.
    pub histograms: Vec<(SeriesRef, i64, Arc<FloatHistogram>)>,
    /// Since when the counters of the float samples have been counting, milliseconds since the epoch, 0
    /// for unknown. May be shorter than the other columns: what is missing is unknown.
    pub start_timestamps_ms: Vec<i64>,
    /// The same for the histogram samples.
    pub histogram_starts_ms: Vec<i64>,
    /// Exemplars and the series that each belongs to; those of one series in time order.
    pub exemplars: Vec<(SeriesRef, Exemplar)>,
    /// What metrics are, by their names.
    pub metadata: Vec<(String, Metadata)>,
}

impl WriteBatch {
    /// Adds a float sample.
    #[inline]
    pub fn push(&mut self, series: SeriesRef, timestamp_ms: i64, value: f64) {
        self.refs.push(series);
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }

    /// Sets since when the counter of the last float sample has been counting.
    pub fn set_last_start(&mut self, start_ms: i64) {
        set_last(&mut self.start_timestamps_ms, self.refs.len(), start_ms);
    }

    /// Sets since when the last histogram sample has been counting.
    pub fn set_last_histogram_start(&mut self, start_ms: i64) {
        set_last(&mut self.histogram_starts_ms, self.histograms.len(), start_ms);
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.refs.len() + self.histograms.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.exemplars.is_empty() && self.metadata.is_empty()
    }

    /// Removes everything, keeping the memory.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.timestamps_ms.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps_ms.clear();
        self.histogram_starts_ms.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }
}

fn set_last(starts_ms: &mut Vec<i64>, length: usize, start_ms: i64) {
    if start_ms != 0 && length > 0 {
        starts_ms.resize(length - 1, 0);
        starts_ms.push(start_ms);
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples taken, those equal to what was there included.
    pub accepted: u64,
    /// Of those taken, the ones that are histograms.
    pub accepted_histograms: u64,
    /// Samples refused because the series has a later one and the store has no out-of-order window.
    pub out_of_order: u64,
    /// Samples refused because the series has another value at that time.
    pub duplicate: u64,
    /// Samples refused because they are older than what the store still takes; it has no out-of-order window.
    pub too_old: u64,
    /// Samples refused because they are older than the out-of-order window.
    pub outside_window: u64,
    /// Of those taken, the ones that were out of order and inside the window.
    pub late: u64,
    /// Exemplars taken; one that is there already is neither taken nor refused.
    pub exemplars: u64,
    /// Exemplars refused: older than the last one of their series, or with labels that are too long.
    pub exemplars_refused: u64,
    /// Positions in [`WriteBatch::refs`] (then, counted on, in [`WriteBatch::histograms`]) whose
    /// series is not known any more: resolve again and write those samples again.
    pub unknown: Vec<u32>,
    /// What to wait for until the batch is on disk; see [`MetricWriter::wait_durable`].
    pub ticket: Ticket,
}

/// A place in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Takes samples.
pub trait MetricWriter: Send + Sync {
    /// The references of these series, made where they are new: one for each, in order, appended to
    /// `refs`. [`SeriesRef::NONE`] for a series that a limit refused.
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError>;

    /// Writes a batch: queries see it when this returns. It survives a crash of the process when
    /// this returns, and a crash of the machine once [`MetricWriter::wait_durable`] returned.
    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError>;

    /// Blocks until everything up to the ticket is on disk. Many waiters share one flush.
    fn wait_durable(&self, ticket: Ticket) -> Result<(), StorageError>;
}
