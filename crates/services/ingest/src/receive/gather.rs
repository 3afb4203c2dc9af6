//! What of a request is written, and what became of it. [`Gather`] makes a batch of series that come as
//! texts; remote write 1.0 has a faster way of its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::http::StatusCode;
use model::storage::{Appended, SeriesRef, StorageError, WriteBatch};
use model::{Exemplar, FloatHistogram, Labels, Metadata};

use super::known::Finder;
use super::{Config, Receiver, Refused, bad_request};

/// Samples may be this much ahead of the clock; Prometheus takes no later ones either.
pub(crate) const AHEAD_MAX_MS: i64 = 10 * 60_000;

/// What became of a request.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) now_ms: i64,
    /// Later samples are not stored.
    pub(crate) latest_ms: i64,
    pub(crate) appended: Appended,
    pub(crate) too_new: u64,
    pub(crate) over_limit: u64,
    pub(crate) invalid: u64,
    /// What else was not stored, by the reason.
    pub(crate) others: BTreeMap<String, u64>,
}

/// Reasons that a client can do something about are told one by one up to this many.
const REASONS_MAX: usize = 32;

impl Outcome {
    /// Of a request that came now.
    pub(crate) fn new(receiver: &Receiver) -> Outcome {
        let now_ms = receiver.clock.now_ms();
        Outcome { now_ms, latest_ms: now_ms.saturating_add(AHEAD_MAX_MS), ..Outcome::default() }
    }

    /// Leaves something out.
    pub(crate) fn refuse(&mut self, reason: impl Into<String>, count: u64) {
        let reason = reason.into();
        if self.others.len() < REASONS_MAX || self.others.contains_key(&reason) {
            *self.others.entry(reason).or_default() += count;
        } else {
            *self.others.entry("other reasons".into()).or_default() += count;
        }
    }

    /// Waits until what was taken is on disk; an error if something was not.
    pub(crate) fn finish(&self, receiver: &Receiver) -> Result<(), Refused> {
        let appended = &self.appended;
        receiver.writer.wait_durable(appended.ticket)?;
        receiver.metrics.samples.add(appended.accepted);
        let others: u64 = self.others.values().sum();
        let refused = appended.out_of_order
            + appended.duplicate
            + appended.too_old
            + appended.outside_window
            + self.too_new
            + self.over_limit
            + self.invalid
            + others;
        receiver.metrics.samples_refused.add(refused);
        receiver.metrics.exemplars.add(appended.exemplars);
        receiver.metrics.exemplars_refused.add(appended.exemplars_refused);
        if refused == 0 {
            return Ok(());
        }
        let mut reasons = Vec::new();
        for (count, reason) in [
            (appended.out_of_order, "out of order sample"),
            (appended.duplicate, "duplicate sample for timestamp"),
            (appended.too_old, "out of bounds"),
            (appended.outside_window, "too old sample"),
            (self.too_new, "out of bounds: timestamp is too far in the future"),
            (self.over_limit, "the limit of series is reached"),
            (self.invalid, "invalid labels"),
        ] {
            if count > 0 {
                reasons.push(format!("{reason} ({count})"));
            }
        }
        reasons.extend(self.others.iter().map(|(reason, count)| format!("{reason} ({count})")));
        Err(bad_request(format!("{} samples were not stored: {}", refused, reasons.join(", "))))
    }
}

/// Adds what became of the first part of a batch to what became of the second.
pub(crate) fn add(second: &mut Appended, first: &Appended) {
    second.accepted += first.accepted;
    second.accepted_histograms += first.accepted_histograms;
    second.out_of_order += first.out_of_order;
    second.duplicate += first.duplicate;
    second.too_old += first.too_old;
    second.outside_window += first.outside_window;
    second.exemplars += first.exemplars;
    second.exemplars_refused += first.exemplars_refused;
    second.ticket = second.ticket.max(first.ticket);
}

/// What a request may hold at once, a float counting 1, a series 4 and a histogram its size: the
/// smallest messages take two bytes and become some hundred.
pub(crate) const WEIGHT_MAX: usize = 8 << 20;

pub(crate) fn weigh(weight: &mut usize, more: usize) -> Result<(), Refused> {
    *weight = weight.saturating_add(more);
    if *weight > WEIGHT_MAX {
        let message = "the request holds too many series or samples; send it in parts";
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, message.into()));
    }
    Ok(())
}

/// Marks a number that stands for a series that has no reference yet: its place among the new ones.
const NEW: u64 = 1 << 63;

/// Makes a batch, series by series.
pub(crate) struct Gather<'a> {
    receiver: &'a Receiver,
    finder: Finder<'a>,
    /// What is left out is counted here.
    pub(crate) outcome: &'a mut Outcome,
    batch: &'a mut WriteBatch,
    /// Series that are written already, if this is a second attempt.
    written: Option<&'a HashSet<SeriesRef>>,
    new: Vec<New>,
    places: HashMap<u128, usize>,
    /// Metrics whose metadata is in the batch.
    described: HashSet<String>,
    weight: usize,
    key: Vec<u8>,
}

struct New {
    hash: u128,
    labels: Labels,
    /// Samples that wait for it.
    samples: u64,
}

impl Gather<'_> {
    /// The settings in force.
    pub(crate) fn config(&self) -> &Config {
        &self.receiver.config
    }

    /// The series with these labels, to which something is written next. `None` if there is nothing to write:
    /// labels that are not valid are counted with `samples`, and a series may be written already. Sorts the
    /// labels and removes those without a value.
    pub(crate) fn series(
        &mut self,
        pairs: &mut Vec<(&str, &str)>,
        samples: u64,
    ) -> Result<Option<SeriesRef>, Refused> {
        weigh(&mut self.weight, 4)?;
        pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let is_twice = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let is_nameless = pairs.iter().any(|(name, _)| name.is_empty());
        pairs.retain(|(_, value)| !value.is_empty());
        let has_metric = pairs.iter().any(|(name, _)| *name == model::METRIC_NAME);
        if is_twice || is_nameless || !has_metric {
            self.outcome.invalid += samples;
            return Ok(None);
        }
        // Lengths go before texts, so that no two series have the same key, and a zero before all, as no key
        // of remote write 1.0 begins.
        self.key.clear();
        self.key.push(0);
        for (name, value) in pairs.iter() {
            self.key.extend_from_slice(&(name.len() as u32).to_le_bytes());
            self.key.extend_from_slice(&(value.len() as u32).to_le_bytes());
            self.key.extend_from_slice(name.as_bytes());
            self.key.extend_from_slice(value.as_bytes());
        }
        let hash = self.receiver.known.hash(&self.key);
        let found = self.finder.find(hash);
        match self.written {
            None if found.is_some() => return Ok(found),
            Some(written) if found.is_some_and(|found| written.contains(&found)) => return Ok(None),
            _ => {}
        }
        let next = self.new.len();
        let place = *self.places.entry(hash).or_insert(next);
        if place == next {
            self.new.push(New { hash, labels: Labels::from_sorted(pairs.iter().copied()), samples: 0 });
        }
        Ok(Some(SeriesRef(NEW | place as u64)))
    }

    /// Whether a sample of this time is taken; counts it if not.
    fn takes(&mut self, series: SeriesRef, timestamp_ms: i64) -> bool {
        if timestamp_ms > self.outcome.latest_ms {
            self.outcome.too_new += 1;
            return false;
        }
        if series.0 & NEW != 0
            && let Some(new) = self.new.get_mut((series.0 & !NEW) as usize)
        {
            new.samples += 1;
        }
        true
    }

    /// Adds a float; `start_ms` 0 for unknown.
    pub(crate) fn float(
        &mut self,
        series: SeriesRef,
        timestamp_ms: i64,
        value: f64,
        start_ms: i64,
    ) -> Result<(), Refused> {
        weigh(&mut self.weight, 1)?;
        if self.takes(series, timestamp_ms) {
            self.batch.push(series, timestamp_ms, value);
            self.batch.set_last_start(start_ms);
        }
        Ok(())
    }

    /// Adds a histogram; `start_ms` 0 for unknown.
    pub(crate) fn histogram(
        &mut self,
        series: SeriesRef,
        timestamp_ms: i64,
        histogram: FloatHistogram,
        start_ms: i64,
    ) -> Result<(), Refused> {
        weigh(&mut self.weight, histogram.sample_weight())?;
        if self.takes(series, timestamp_ms) {
            self.batch.histograms.push((series, timestamp_ms, Arc::new(histogram)));
            self.batch.set_last_histogram_start(start_ms);
        }
        Ok(())
    }

    /// Adds an exemplar; one from the far future is left out.
    pub(crate) fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Refused> {
        weigh(&mut self.weight, 4 + exemplar.labels.len())?;
        if exemplar.timestamp_ms <= self.outcome.latest_ms {
            self.batch.exemplars.push((series, exemplar));
        }
        Ok(())
    }

    /// Adds what a metric is. Of one that occurs several times the first counts.
    pub(crate) fn metadata(
        &mut self,
        metric: &str,
        metadata: impl FnOnce() -> Metadata,
    ) -> Result<(), Refused> {
        if !self.described.contains(metric) {
            weigh(&mut self.weight, 4)?;
            self.described.insert(metric.to_string());
            self.batch.metadata.push((metric.to_string(), metadata()));
        }
        Ok(())
    }

    /// Finds references for the new series and writes the batch.
    fn write(self) -> Result<(), Refused> {
        let Gather { receiver, finder, outcome, batch, written, new, .. } = self;
        drop(finder);
        if !new.is_empty() {
            let labels: Vec<Labels> = new.iter().map(|new| new.labels.clone()).collect();
            let mut found = Vec::with_capacity(labels.len());
            receiver.writer.resolve(&labels, &mut found)?;
            if written.is_some() {
                receiver.known.forget(outcome.now_ms, new.iter().map(|new| new.hash));
            }
            for (new, found) in new.iter().zip(&found) {
                if *found == SeriesRef::NONE {
                    outcome.over_limit += new.samples;
                }
            }
            // What another attempt wrote under another name of the same series stays written once.
            let is_done = |series: SeriesRef| {
                series == SeriesRef::NONE || written.is_some_and(|written| written.contains(&series))
            };
            name(batch, &found, is_done);
            let known = new.iter().zip(&found).filter(|(_, found)| **found != SeriesRef::NONE);
            let known: Vec<_> = known.map(|(new, found)| (new.hash, 0, *found)).collect();
            receiver.known.add(outcome.now_ms, known.into_iter());
        }
        outcome.appended =
            if batch.is_empty() { Appended::default() } else { receiver.writer.append(batch)? };
        Ok(())
    }
}

/// Gives new series their references, and leaves out those that are done with.
fn name(batch: &mut WriteBatch, found: &[SeriesRef], is_done: impl Fn(SeriesRef) -> bool) {
    let named = |series: SeriesRef| match series.0 & NEW {
        0 => series,
        _ => found.get((series.0 & !NEW) as usize).copied().unwrap_or_default(),
    };
    let old = std::mem::take(batch);
    for (at, &series) in old.refs.iter().enumerate() {
        let series = named(series);
        if !is_done(series) {
            batch.push(series, old.timestamps_ms[at], old.values[at]);
            batch.set_last_start(old.start_timestamps_ms.get(at).copied().unwrap_or(0));
        }
    }
    for (at, (series, timestamp_ms, histogram)) in old.histograms.into_iter().enumerate() {
        let series = named(series);
        if !is_done(series) {
            batch.histograms.push((series, timestamp_ms, histogram));
            batch.set_last_histogram_start(old.histogram_starts_ms.get(at).copied().unwrap_or(0));
        }
    }
    let exemplars = old.exemplars.into_iter().map(|(series, exemplar)| (named(series), exemplar));
    batch.exemplars = exemplars.filter(|(series, _)| !is_done(*series)).collect();
    batch.metadata = old.metadata;
}

/// Writes what `fill` gathers. It is called a second time for series that the store dropped since they were
/// known, and must gather the same then.
pub(crate) fn write(
    receiver: &Receiver,
    batch: &mut WriteBatch,
    fill: &mut dyn FnMut(&mut Gather<'_>) -> Result<(), Refused>,
) -> Result<Outcome, Refused> {
    let mut attempt = |written: Option<&HashSet<SeriesRef>>, batch: &mut WriteBatch| {
        batch.clear();
        let mut outcome = Outcome::new(receiver);
        let mut gather = Gather {
            receiver,
            finder: receiver.known.finder(outcome.now_ms),
            outcome: &mut outcome,
            batch,
            written,
            new: Vec::new(),
            places: HashMap::new(),
            described: HashSet::new(),
            weight: 0,
            key: Vec::new(),
        };
        fill(&mut gather)?;
        gather.write()?;
        Ok::<_, Refused>(outcome)
    };
    let first = attempt(None, batch)?;
    if first.appended.unknown.is_empty() {
        return Ok(first);
    }
    let written = written(batch, &first.appended.unknown);
    let mut second = attempt(Some(&written), batch)?;
    second.too_new = first.too_new;
    add(&mut second.appended, &first.appended);
    if !second.appended.unknown.is_empty() {
        return Err(dropped_again());
    }
    Ok(second)
}

/// The series of a batch of which something was written: all but those at these positions.
pub(crate) fn written(batch: &WriteBatch, unknown: &[u32]) -> HashSet<SeriesRef> {
    let unknown: HashSet<u32> = unknown.iter().copied().collect();
    let series = batch.refs.iter().chain(batch.histograms.iter().map(|(series, _, _)| series));
    let written = series.zip(0u32..).filter(|(_, at)| !unknown.contains(at));
    written.map(|(series, _)| *series).collect()
}

/// The sender tries again; what is written already is taken as equal then.
pub(crate) fn dropped_again() -> Refused {
    let message = "series were dropped while they were written; send the request again";
    StorageError::Unavailable(message.into()).into()
}
