//! One series as writing a block takes it: its chunks wherever they lie; and the merging of samples.
//! What queries take is in `selection`.

use std::cmp::Ordering;
use std::sync::Arc;

use model::histogram::{CounterResetHint, Span};
use model::sample::is_stale_nan;
use model::storage::TimeRange;
use model::{FloatHistogram, Labels, Samples};

use crate::block::Block;
use crate::chunk::{self, Encoding};
use crate::error::Error;
use crate::head::segments::Segment;

/// A chunk that can be read although the head or the blocks change meanwhile.
#[derive(Clone)]
pub(crate) struct ChunkHandle {
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) data: ChunkData,
}

#[derive(Clone)]
pub(crate) enum ChunkData {
    /// Closed, in the head.
    Segment(Arc<Segment>, u32),
    /// A copy of one that was open.
    Memory(Encoding, Arc<[u8]>),
    /// In a block, by its reference there.
    Block(Arc<Block>, u64),
}

impl ChunkHandle {
    /// Calls with the bytes of the chunk.
    pub(crate) fn with<T>(&self, read: impl FnOnce(Encoding, &[u8]) -> T) -> Result<T, Error> {
        match &self.data {
            ChunkData::Segment(segment, offset) => segment
                .with(*offset, read)
                .ok_or_else(|| Error::Corrupt("a chunk of the head cannot be read".into())),
            ChunkData::Memory(encoding, bytes) => Ok(read(*encoding, bytes)),
            ChunkData::Block(block, reference) => {
                let (encoding, bytes) = block.chunk(*reference)?;
                Ok(read(encoding, bytes))
            }
        }
    }

    /// The same samples as XOR2 if these are floats in XOR.
    pub(crate) fn into_xor2(self) -> Result<Vec<ChunkHandle>, Error> {
        if self.with(|encoding, _| encoding)? != Encoding::Xor {
            return Ok(vec![self]);
        }
        let mut samples = Samples::default();
        self.decode(TimeRange::ALL, &mut samples)?;
        let encoded = chunk::encode_as(&samples, true).into_iter().map(|chunk| ChunkHandle {
            min_ms: chunk.min_ms,
            max_ms: chunk.max_ms,
            data: ChunkData::Memory(chunk.encoding, chunk.bytes.into()),
        });
        Ok(encoded.collect())
    }

    /// Adds the samples in the range.
    pub(crate) fn decode(&self, range: TimeRange, into: &mut Samples) -> Result<(), Error> {
        let start = into.len();
        let decoded = self.with(|encoding, bytes| chunk::decode(encoding, bytes, range, into))?;
        match &self.data {
            ChunkData::Block(block, _) => decoded
                .and_then(|()| check_times(into, start, self.min_ms, self.max_ms))
                .map_err(|error| Error::corrupt(block.dir(), error)),
            _ => decoded.map_err(|error| Error::Corrupt(format!("a chunk of the head: {error}"))),
        }
    }

    /// Like [`ChunkHandle::decode`], but a corrupt chunk of a block is left out and noted there, so
    /// that the rest is served.
    pub(crate) fn decode_or_skip(&self, range: TimeRange, into: &mut Samples) -> Result<(), Error> {
        let start = into.len();
        match (self.decode(range, into), &self.data) {
            (Err(error @ Error::Corrupt(_)), ChunkData::Block(block, _)) => {
                into.timestamps_ms.truncate(start);
                into.values.truncate(start);
                into.histograms.truncate(start);
                into.start_timestamps_ms.truncate(start);
                block.note_damage(&error);
                Ok(())
            }
            (result, _) => result,
        }
    }
}

/// Whether the samples from `start` on lie where the index says that their chunk does: a checksum does not
/// tell a chunk from another one.
pub(crate) fn check_times(
    samples: &Samples,
    start: usize,
    min_ms: i64,
    max_ms: i64,
) -> Result<(), chunk::ChunkError> {
    match samples.timestamps_ms.get(start..) {
        Some([first, .., last]) if *first < min_ms || *last > max_ms => {
            Err(chunk::ChunkError::Malformed("samples outside of its time"))
        }
        Some([only]) if !(min_ms..=max_ms).contains(only) => {
            Err(chunk::ChunkError::Malformed("a sample outside of its time"))
        }
        _ => Ok(()),
    }
}

/// What the head or one block has of a series.
pub(crate) struct Found {
    pub(crate) labels: Labels,
    pub(crate) chunks: Vec<ChunkHandle>,
    /// Spans that were deleted.
    pub(crate) deleted: Vec<TimeRange>,
}

/// Adds the samples of all parts in order of time, whatever their order in the parts. Of samples at one time
/// one counts, the same wherever they lie: a histogram before a float, a number before the mark of an end.
pub fn merge(parts: &[Samples], into: &mut Samples) {
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(parts.iter().map(Samples::len).sum());
    for (part, samples) in parts.iter().enumerate() {
        let part = part as u32;
        order.extend(samples.timestamps_ms.iter().enumerate().map(|(at, &t)| (t, part, at as u32)));
    }
    order.sort();
    order.dedup_by(|later, kept| {
        if later.0 != kept.0 {
            return false;
        }
        let sample = |&(_, part, at): &(i64, u32, u32)| {
            let (samples, at) = (&parts[part as usize], at as usize);
            (samples.values[at], samples.histogram(at).map(Arc::as_ref))
        };
        if outranks(sample(later), sample(kept)) {
            *kept = *later;
        }
        true
    });
    for (_, part, at) in order {
        push_from(into, &parts[part as usize], at as usize, true);
    }
}

/// Which of two samples of one series at one time counts: the same wherever they lie, so that no merging
/// changes an answer. A histogram before a float, a number before the mark of an end, then the larger bits.
pub(crate) fn outranks(a: (f64, Option<&FloatHistogram>), b: (f64, Option<&FloatHistogram>)) -> bool {
    let rank = |(value, histogram): (f64, Option<&FloatHistogram>)| {
        let value = histogram.map_or(value, |histogram| histogram.sum);
        (histogram.is_some(), !is_stale_nan(value), value.to_bits())
    };
    match rank(a).cmp(&rank(b)) {
        Ordering::Equal => match (a.1, b.1) {
            (Some(a), Some(b)) => bits(a).gt(bits(b)),
            _ => false,
        },
        order => order.is_gt(),
    }
}

fn bits(histogram: &FloatHistogram) -> impl Iterator<Item = u64> {
    let spans = |spans: &[Span]| -> Vec<u64> {
        spans.iter().map(|span| u64::from(span.offset as u32) << 32 | u64::from(span.length)).collect()
    };
    let numbers = [histogram.count, histogram.zero_count, histogram.zero_threshold];
    let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
    std::iter::once(histogram.schema as u64)
        .chain(numbers.into_iter().map(f64::to_bits))
        .chain(buckets.chain(histogram.custom_values.iter()).map(|number| number.to_bits()))
        .chain(spans(&histogram.positive_spans))
        .chain(spans(&histogram.negative_spans))
}

/// Adds one sample of another column set. A merged histogram does not know what was before it.
pub(crate) fn push_from(into: &mut Samples, from: &Samples, at: usize, forget_hint: bool) {
    match from.histogram(at) {
        Some(histogram) => {
            let mut histogram = histogram.clone();
            let hint = histogram.counter_reset_hint;
            if forget_hint && matches!(hint, CounterResetHint::Reset | CounterResetHint::NotReset) {
                Arc::make_mut(&mut histogram).counter_reset_hint = CounterResetHint::Unknown;
            }
            into.push_histogram(from.timestamps_ms[at], histogram);
        }
        None => into.push(from.timestamps_ms[at], from.values[at]),
    }
    into.set_last_start(from.start_ms(at));
}

/// Whether all of a span was deleted, so that nothing in it is there any more. Deleted spans of a series do
/// not touch each other.
pub(crate) fn is_deleted(deleted: &[TimeRange], min_ms: i64, max_ms: i64) -> bool {
    deleted.iter().any(|span| span.start_ms <= min_ms && max_ms <= span.end_ms)
}

/// Removes samples in deleted spans, from position `start` on.
pub(crate) fn remove_deleted(samples: &mut Samples, start: usize, deleted: &[TimeRange]) {
    let gone = |time_ms: i64| deleted.iter().any(|d| d.start_ms <= time_ms && time_ms <= d.end_ms);
    if !samples.timestamps_ms[start..].iter().any(|&t| gone(t)) {
        return;
    }
    let mut kept = Samples::default();
    for at in 0..samples.len() {
        if at < start || !gone(samples.timestamps_ms[at]) {
            push_from(&mut kept, samples, at, false);
        }
    }
    *samples = kept;
}
