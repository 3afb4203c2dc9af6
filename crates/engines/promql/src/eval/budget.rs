//! What a query may cost: samples, bytes, time; and the way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::clock::{Clock, Mark};
use model::storage::{Meter, StorageError};

use super::QueryError;
use super::explain::Explain;
use super::value::Steps;

/// Stops a query from outside. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the query as soon as it looks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the query is to stop.
    pub fn is_canceled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches a query from outside while it runs, and afterwards. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<OnceLock<Arc<Budget>>>);

impl Progress {
    /// What the query has cost so far; `None` before it runs.
    pub fn stats(&self) -> Option<super::QueryStats> {
        self.0.get().map(|budget| budget.stats())
    }

    /// Begins to watch a query. The first one stays.
    pub(crate) fn watch(&self, budget: &Arc<Budget>) {
        let _ = self.0.set(budget.clone());
    }
}

/// Limits of one query that differ from the engine's.
#[derive(Clone, Debug, Default)]
pub struct QueryLimits {
    /// How far back an instant selector looks, if it differs from the engine's.
    pub lookback_ms: Option<i64>,
    /// How long the query may take, if less than the engine allows.
    pub timeout: Option<Duration>,
    /// How many samples it may hold at once, if less than the engine allows.
    pub max_samples: Option<u64>,
    /// Stops the query.
    pub cancel: Cancel,
    /// Watches the query.
    pub progress: Progress,
    /// Whether samples are counted for every step.
    pub per_step_stats: bool,
    /// Whether the query says what its parts cost.
    pub explain: Explain,
}

/// A part of a query's budget, given back when dropped. A clone holds nothing.
#[derive(Debug, Default)]
pub(crate) struct Charge(Option<(Arc<Budget>, u64, u64)>);

impl Clone for Charge {
    fn clone(&self) -> Self {
        Charge(None)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((budget, samples, bytes)) = &self.0 {
            budget.samples.fetch_sub(*samples, Ordering::Relaxed);
            budget.bytes.fetch_sub(*bytes, Ordering::Relaxed);
            budget.shared.bytes.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

/// What selections take is held until the query ends.
impl Meter for Budget {
    fn take_bytes(&self, bytes: u64) -> Result<(), StorageError> {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(now, Ordering::Relaxed);
        if now > self.max_bytes || self.is_crowded_out() || self.check().is_err() {
            Err(StorageError::Refused)
        } else {
            Ok(())
        }
    }
}

/// What one thread takes and counts, told to the [`Budget`] now and then: threads that count together
/// for every series wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// For the largest series so far, whose memory is used again for the next.
    held: Charge,
    held_samples: u64,
    pub(crate) samples_read: u64,
    pub(crate) looked_at: u64,
}

/// Queries that take less go on whatever the others take: rules, and what an operator looks for then.
const SMALL_BYTES: u64 = 16 << 20;

/// What all queries of an engine take together.
#[derive(Debug)]
pub(crate) struct Shared {
    max_bytes: u64,
    bytes: AtomicU64,
}

impl Shared {
    pub(crate) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Shared { max_bytes, bytes: AtomicU64::new(0) })
    }
}

/// See [`Budget::pause`].
pub(crate) struct Pause<'a> {
    budget: &'a Budget,
    since: Mark,
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let paused_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.budget.paused_ns.fetch_add(paused_ns, Ordering::Relaxed);
        self.budget.pauses.fetch_sub(1, Ordering::Release);
    }
}

/// What was taken for as long as the query lives.
impl Drop for Budget {
    fn drop(&mut self) {
        self.shared.bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

/// The account of a running query.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) shared: Arc<Shared>,
    max_samples: u64,
    max_bytes: u64,
    samples: AtomicU64,
    peak_samples: AtomicU64,
    bytes: AtomicU64,
    peak_bytes: AtomicU64,
    samples_read: AtomicU64,
    series: AtomicU64,
    started: Mark,
    timeout: Duration,
    /// Who waits for the client now, and nanoseconds that were spent so.
    pauses: AtomicU64,
    paused_ns: AtomicU64,
    clock: Clock,
    cancel: Cancel,
    /// Nothing is read: only what it would cost is asked.
    pub(crate) is_dry: bool,
    /// Samples looked at, and those of them that no window had before, a step of the query each; empty if not
    /// asked for.
    per_step: Vec<(AtomicU64, AtomicU64)>,
    steps: Steps,
    total: AtomicU64,
}

impl Budget {
    pub(crate) fn new(
        max_samples: u64,
        max_bytes: u64,
        timeout: Duration,
        clock: &Clock,
        cancel: Cancel,
        per_step: Option<Steps>,
    ) -> Self {
        Budget {
            shared: Shared::new(u64::MAX),
            max_samples,
            max_bytes,
            samples: AtomicU64::new(0),
            peak_samples: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            samples_read: AtomicU64::new(0),
            series: AtomicU64::new(0),
            started: clock.mark(),
            timeout,
            pauses: AtomicU64::new(0),
            paused_ns: AtomicU64::new(0),
            clock: clock.clone(),
            cancel,
            is_dry: false,
            per_step: (0..per_step.map_or(0, |steps| steps.count)).map(|_| Default::default()).collect(),
            steps: per_step.unwrap_or(Steps::instant(0)),
            total: AtomicU64::new(0),
        }
    }

    /// Fails if the query took too long or was stopped. Called for every batch of work.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.cancel.is_canceled() {
            return Err(QueryError::Canceled);
        }
        let is_late = || {
            let paused = Duration::from_nanos(self.paused_ns.load(Ordering::Relaxed));
            self.started.elapsed().saturating_sub(paused) > self.timeout
        };
        if is_late() && self.pauses.load(Ordering::Acquire) == 0 && is_late() {
            return Err(QueryError::Timeout);
        }
        Ok(())
    }

    /// Time that is spent until this is dropped is the client's, not the query's.
    pub(crate) fn pause(&self) -> Pause<'_> {
        self.pauses.fetch_add(1, Ordering::Relaxed);
        Pause { budget: self, since: self.clock.mark() }
    }

    /// How many samples the query may hold.
    pub(crate) fn max_samples(&self) -> u64 {
        self.max_samples
    }

    /// Takes samples and bytes from the budget for as long as the result lives.
    pub(crate) fn charge(self: &Arc<Self>, samples: u64, bytes: u64) -> Result<Charge, QueryError> {
        let now = self.samples.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak_samples.fetch_max(now, Ordering::Relaxed);
        let now_bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(now_bytes, Ordering::Relaxed);
        let charge = Charge(Some((self.clone(), samples, bytes)));
        if now > self.max_samples || now_bytes > self.max_bytes {
            return Err(QueryError::TooManySamples);
        }
        if self.is_crowded_out() {
            return Err(QueryError::Crowded);
        }
        Ok(charge)
    }

    /// Why a selection was refused: it would take too much, too long, or is not wanted any more.
    pub(crate) fn refusal(&self) -> QueryError {
        match self.check() {
            Err(error) => error,
            Ok(()) if self.is_crowded_out() => QueryError::Crowded,
            Ok(()) => QueryError::TooManySamples,
        }
    }

    /// Whether all queries together take too much, of which this one has a part worth speaking of.
    fn is_crowded_out(&self) -> bool {
        self.shared.bytes.load(Ordering::Relaxed) > self.shared.max_bytes
            && self.bytes.load(Ordering::Relaxed) > SMALL_BYTES
    }

    /// Charges the samples of one series that is about to be read into memory that is used again.
    pub(crate) fn hold(self: &Arc<Self>, samples: u64, tally: &mut Tally) -> Result<(), QueryError> {
        if samples > tally.held_samples {
            tally.held = Charge::default();
            tally.held = self.charge(samples, 0)?;
            tally.held_samples = samples;
        }
        Ok(())
    }

    /// Takes over what a thread counted.
    pub(crate) fn settle(&self, tally: &mut Tally) {
        self.samples_read.fetch_add(std::mem::take(&mut tally.samples_read), Ordering::Relaxed);
        self.count_looked_at(std::mem::take(&mut tally.looked_at));
    }

    pub(crate) fn count_series(&self, series: u64) {
        self.series.fetch_add(series, Ordering::Relaxed);
    }

    /// Counts samples that were looked at, as Prometheus counts its queryable samples.
    pub(crate) fn count_looked_at(&self, samples: u64) {
        self.total.fetch_add(samples, Ordering::Relaxed);
    }

    /// Whether [`Budget::count_at`] has an effect.
    pub(crate) fn counts_steps(&self) -> bool {
        !self.per_step.is_empty()
    }

    /// Counts samples that were looked at for the step at or before a time; a subquery's times may lie
    /// before the first step. Of these, `new` were in no window before.
    pub(crate) fn count_at(&self, time_ms: i64, samples: u64, new: u64) {
        let step = time_ms.saturating_sub(self.steps.start_ms).max(0) / self.steps.step_ms;
        let step = (step as usize).min(self.per_step.len().saturating_sub(1));
        if let Some((looked_at, read)) = self.per_step.get(step) {
            looked_at.fetch_add(samples, Ordering::Relaxed);
            read.fetch_add(new, Ordering::Relaxed);
        }
    }

    /// The figures so far.
    pub(crate) fn stats(&self) -> super::QueryStats {
        super::QueryStats {
            samples_read: self.samples_read.load(Ordering::Relaxed),
            total_samples: self.total.load(Ordering::Relaxed),
            peak_samples: self.peak_samples.load(Ordering::Relaxed),
            peak_bytes: self.peak_bytes.load(Ordering::Relaxed),
            series: self.series.load(Ordering::Relaxed),
            samples_per_step: self.per_step.iter().map(|(all, _)| all.load(Ordering::Relaxed)).collect(),
            read_per_step: self.per_step.iter().map(|(_, new)| new.load(Ordering::Relaxed)).collect(),
            total_seconds: self.started.elapsed_seconds(),
            ..super::QueryStats::default()
        }
    }
}
