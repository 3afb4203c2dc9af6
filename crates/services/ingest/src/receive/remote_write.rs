//! Remote write 1.0: `POST /api/v1/write` with a snappy-compressed `prometheus.WriteRequest`.
//!
//! A known series is found by a hash of its label bytes as they stand in the request; only a new one
//! has its labels read.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, WriteBatch};
use model::{Exemplar, Labels, Metadata};
use wire::remote::{Entry, Point, TimeSeries, WriteRequest};

use super::gather::{Outcome, add, dropped_again, weigh, written};
use super::{Buffers, Receiver, Refused, bad_request, decompress};

pub(crate) fn store(receiver: &Receiver, body: &Bytes) -> Result<(), Refused> {
    let mut buffers = receiver.take_buffers();
    let result = store_with(receiver, body, &mut buffers);
    receiver.give_back(buffers);
    result
}

fn store_with(receiver: &Receiver, body: &Bytes, buffers: &mut Buffers) -> Result<(), Refused> {
    let Buffers { decoded, batch } = buffers;
    let decoded = decompress(receiver, body, decoded)?;
    let mut outcome = Outcome::new(receiver);
    write_request(receiver, decoded, None, batch, &mut outcome)?;
    if !outcome.appended.unknown.is_empty() {
        // Series that the store dropped since they were known: find them anew, once, and them alone:
        // earlier samples of the others would be out of order by now. What is written is known by its
        // reference, not by what was known of the request's bytes: another request may have changed that.
        let first = std::mem::take(&mut outcome.appended);
        let written = written(batch, &first.unknown);
        let too_new = outcome.too_new;
        // Those that no series was found for are looked at again.
        (outcome.over_limit, outcome.invalid) = (0, 0);
        write_request(receiver, decoded, Some(&written), batch, &mut outcome)?;
        // Counted in the first round already.
        outcome.too_new = too_new;
        add(&mut outcome.appended, &first);
        if !outcome.appended.unknown.is_empty() {
            return Err(dropped_again());
        }
    }
    outcome.finish(receiver)
}

/// Series that are searched for together once a request is in no known order.
const SEARCHED_TOGETHER: usize = 64;

/// Writes a request; of one that was written in part, only what is not of the series in `written`.
fn write_request(
    receiver: &Receiver,
    decoded: &[u8],
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    batch.clear();
    let mut weight = 0;
    // First all series that are known; then, together, those that are not.
    let mut new_series = Vec::new();
    let has_metadata = read_known(receiver, decoded, written, batch, &mut new_series, &mut weight, outcome)?;
    if has_metadata && written.is_none() {
        read_metadata(decoded, batch, &mut weight)?;
    }
    if !new_series.is_empty() {
        add_new(receiver, new_series, written, batch, &mut weight, outcome)?;
    }
    outcome.appended = append(receiver.writer.as_ref(), batch)?;
    Ok(())
}

/// Adds what the request says of metrics.
fn read_metadata(decoded: &[u8], batch: &mut WriteBatch, weight: &mut usize) -> Result<(), Refused> {
    for entry in WriteRequest::new(decoded) {
        if let Entry::Metadata(said) = entry.map_err(|error| bad_request(error.to_string()))? {
            weigh(weight, 4)?;
            let metadata = Metadata {
                metric_type: said.metric_type,
                unit: said.unit.to_string(),
                help: said.help.to_string(),
            };
            batch.metadata.push((said.family.to_string(), metadata));
        }
    }
    Ok(())
}

/// Adds the samples of the series that are known; if there are some `written`, all others become new ones.
/// Says whether there is metadata too.
fn read_known<'a>(
    receiver: &Receiver,
    decoded: &'a [u8],
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    new_series: &mut Vec<(u128, TimeSeries<'a>)>,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<bool, Refused> {
    let known = &receiver.known;
    let mut finder = known.finder(outcome.now_ms);
    let mut request = WriteRequest::new(decoded);
    let mut searched = Vec::new();
    let malformed = |error: wire::DecodeError| bad_request(error.to_string());
    loop {
        let Some(message) = request.next_series().transpose().map_err(malformed)? else {
            return Ok(request.has_metadata());
        };
        if written.is_none()
            && let Some((found, series)) = finder.expected(message)
        {
            weigh(weight, 4)?;
            add_points(batch, found, &series, weight, outcome)?;
            continue;
        }
        let series = TimeSeries::read(message).map_err(malformed)?;
        searched.push((known.hash(series.raw_labels()), series));
        if finder.is_lost() {
            while searched.len() < SEARCHED_TOGETHER
                && let Some(message) = request.next_series()
            {
                let series = message.and_then(TimeSeries::read).map_err(malformed)?;
                let hash = known.hash(series.raw_labels());
                finder.fetch(hash);
                searched.push((hash, series));
            }
        }
        let is_lost = searched.len() > 1;
        for (hash, series) in searched.drain(..) {
            let found = finder.find(hash);
            if written.is_some_and(|written| found.is_some_and(|found| written.contains(&found))) {
                continue;
            }
            weigh(weight, 4)?;
            match found.filter(|_| written.is_none()) {
                Some(found) => add_points(batch, found, &series, weight, outcome)?,
                None => new_series.push((hash, series)),
            }
        }
        if is_lost {
            finder.try_again();
        }
    }
}

/// Finds out what series these are and adds their samples.
fn add_new(
    receiver: &Receiver,
    new_series: Vec<(u128, TimeSeries<'_>)>,
    written: Option<&HashSet<SeriesRef>>,
    batch: &mut WriteBatch,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    let mut valid = Vec::with_capacity(new_series.len());
    let mut labels = Vec::with_capacity(new_series.len());
    for (hash, series) in new_series {
        match read_labels(&series) {
            Some(found) => {
                labels.push(found);
                valid.push((hash, series));
            }
            None => outcome.invalid += series.points().count() as u64,
        }
    }
    let mut resolved = Vec::with_capacity(labels.len());
    receiver.writer.resolve(&labels, &mut resolved)?;
    if written.is_some() {
        receiver.known.forget(outcome.now_ms, valid.iter().map(|(hash, _)| *hash));
    }
    let mut taken = Vec::with_capacity(valid.len());
    for ((hash, series), found) in valid.into_iter().zip(resolved) {
        if found == SeriesRef::NONE {
            outcome.over_limit += series.points().count() as u64;
        } else {
            taken.push((hash, series.raw_labels().len(), found));
            if written.is_none_or(|written| !written.contains(&found)) {
                add_points(batch, found, &series, weight, outcome)?;
            }
        }
    }
    receiver.known.add(outcome.now_ms, taken.into_iter());
    Ok(())
}

fn append(writer: &dyn MetricWriter, batch: &WriteBatch) -> Result<Appended, StorageError> {
    if batch.is_empty() { Ok(Appended::default()) } else { writer.append(batch) }
}

#[inline]
fn add_points(
    batch: &mut WriteBatch,
    found: SeriesRef,
    series: &TimeSeries<'_>,
    weight: &mut usize,
    outcome: &mut Outcome,
) -> Result<(), Refused> {
    let mut points = series.points();
    let before = batch.refs.len() as u64 + outcome.too_new;
    while let Some((timestamp_ms, value)) = points.plain_sample() {
        if timestamp_ms > outcome.latest_ms {
            outcome.too_new += 1;
        } else {
            batch.push(found, timestamp_ms, value);
        }
    }
    weigh(weight, (batch.refs.len() as u64 + outcome.too_new - before) as usize)?;
    for point in points {
        match point.map_err(|error| bad_request(error.to_string()))? {
            Point::Sample { timestamp_ms, value } => {
                weigh(weight, 1)?;
                if timestamp_ms > outcome.latest_ms {
                    outcome.too_new += 1;
                    continue;
                }
                batch.push(found, timestamp_ms, value);
            }
            Point::Histogram(message) => {
                let histogram = message.decode().map_err(|error| bad_request(error.to_string()))?;
                weigh(weight, histogram.sample_weight())?;
                if message.timestamp_ms > outcome.latest_ms {
                    outcome.too_new += 1;
                    continue;
                }
                batch.histograms.push((found, message.timestamp_ms, Arc::new(histogram)));
            }
            Point::Exemplar(message) => {
                weigh(weight, 4)?;
                if message.timestamp_ms <= outcome.latest_ms {
                    batch.exemplars.push((found, exemplar(&message)?));
                }
            }
        }
    }
    Ok(())
}

fn exemplar(message: &wire::remote::Exemplar<'_>) -> Result<Exemplar, Refused> {
    let pairs: Vec<(&str, &str)> =
        message.labels().collect::<Result<_, _>>().map_err(|error| bad_request(error.to_string()))?;
    Ok(Exemplar {
        labels: Labels::from_pairs(pairs),
        value: message.value,
        timestamp_ms: message.timestamp_ms,
        timestamp_given: message.timestamp_ms != 0,
    })
}

/// The labels of a series, or `None` if they are not valid: a name twice, empty, or no metric name.
fn read_labels(series: &TimeSeries<'_>) -> Option<Labels> {
    let mut pairs: Vec<(&str, &str)> = series.labels().collect::<Result<_, _>>().ok()?;
    pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) || pairs.iter().any(|(name, _)| name.is_empty()) {
        return None;
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let labels = Labels::from_sorted(pairs);
    (!labels.metric_name().is_empty()).then_some(labels)
}
