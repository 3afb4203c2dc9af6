//! The contract between a store that logs what is appended and what sends it on: following the log by
//! position. Positions are kept by the store, so that a restart goes on where sending stood.

use std::sync::Arc;

use crate::exemplar::Exemplar;
use crate::histogram::FloatHistogram;
use crate::labels::Labels;
use crate::storage::{SeriesRef, StorageError};

/// A place in a log. Later places are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// Number of the file.
    pub segment: u32,
    /// Bytes before it in the file.
    pub offset: u64,
}

/// A float sample of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FollowedFloat {
    /// Its series, as [`Followed::series`] has told it.
    pub series: SeriesRef,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Its value.
    pub value: f64,
    /// Since when it has been counting, milliseconds since the epoch, 0 for unknown.
    pub start_ms: i64,
}

/// A histogram of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowedHistogram {
    /// Its series, as [`Followed::series`] has told it.
    pub series: SeriesRef,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The histogram.
    pub histogram: Arc<FloatHistogram>,
    /// Since when it has been counting, milliseconds since the epoch, 0 for unknown.
    pub start_ms: i64,
}

/// What was read of a log, in its order: series are told before anything that refers to them.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Series that are new or whose number means another one from now on.
    pub series: Vec<(SeriesRef, Labels)>,
    /// Floats.
    pub floats: Vec<FollowedFloat>,
    /// Histograms.
    pub histograms: Vec<FollowedHistogram>,
    /// Exemplars and their series.
    pub exemplars: Vec<(SeriesRef, Exemplar)>,
    /// Series that nothing will refer to any more.
    pub gone: Vec<SeriesRef>,
}

impl Followed {
    /// Samples and exemplars.
    pub fn len(&self) -> usize {
        self.floats.len() + self.histograms.len() + self.exemplars.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.series.is_empty() && self.gone.is_empty()
    }

    /// Removes everything, keeping the memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.floats.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.gone.clear();
    }
}

/// A store whose log can be followed.
pub trait LogSource: Send + Sync {
    /// From now on the log is kept for this name, if it is new; [`LogSource::follow`] will read it from here.
    fn begin(&self, name: &str) -> Result<(), StorageError>;

    /// Follows the log under a name: from where that name stood, or, if it is new, from now on. Blocks
    /// while it learns the series.
    fn follow(&self, name: &str) -> Result<Box<dyn LogFollower>, StorageError>;

    /// Forgets where all other names stood; nothing is kept for them any more.
    fn forget_followers_but(&self, names: &[String]) -> Result<(), StorageError>;
}

/// Reads a log from a position on. Calls block.
pub trait LogFollower: Send {
    /// Reads on until there are so many samples, or the end of what is written. Says whether there may be
    /// more at once. `into` is emptied first.
    fn read(&mut self, into: &mut Followed, samples_max: usize) -> Result<bool, StorageError>;

    /// Behind what was read.
    fn position(&self) -> LogPosition;

    /// Everything before this position is done with: the next start goes on there, and the store may
    /// delete what is before.
    fn commit(&mut self, position: LogPosition) -> Result<(), StorageError>;
}
