//! The parts of a native histogram as both protobuf messages carry them, put together.

use std::sync::Arc;

use model::FloatHistogram;
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};

use crate::{DecodeError, Field, Reader};

/// The most buckets one side of a histogram may have: far above what any client makes.
pub const MAX_BUCKETS: usize = 1 << 16;

/// The parts of a native histogram as they come from the wire. Integer histograms hold differences
/// from bucket to bucket, float histograms absolute counts.
#[derive(Clone, Debug, Default)]
pub struct HistogramParts {
    pub(crate) histogram: FloatHistogram,
    pub(crate) positive_deltas: Vec<i64>,
    pub(crate) negative_deltas: Vec<i64>,
    pub(crate) custom_values: Vec<f64>,
    /// Whether observations were counted one by one, so that the counts must add up.
    pub(crate) is_counted: bool,
}

impl HistogramParts {
    /// Puts the histogram together; an error if its parts do not fit.
    pub fn finish(self) -> Result<FloatHistogram, DecodeError> {
        let mut histogram = self.histogram;
        let exponential = (-4..=8).contains(&histogram.schema);
        if !exponential && histogram.schema != CUSTOM_BUCKETS_SCHEMA {
            return Err(DecodeError::BadHistogram("unknown schema"));
        }
        absolute(&mut histogram.positive_buckets, &self.positive_deltas)?;
        absolute(&mut histogram.negative_buckets, &self.negative_deltas)?;
        fits(&histogram.positive_spans, histogram.positive_buckets.len())?;
        fits(&histogram.negative_spans, histogram.negative_buckets.len())?;
        if exponential && !self.custom_values.is_empty() {
            return Err(DecodeError::BadHistogram("custom bounds with an exponential schema"));
        }
        if !exponential && !histogram.negative_buckets.is_empty() {
            return Err(DecodeError::BadHistogram("negative buckets with custom bounds"));
        }
        if !self.custom_values.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::BadHistogram("custom bounds are not in ascending order"));
        }
        if self.is_counted {
            adds_up(&histogram)?;
        }
        if !self.custom_values.is_empty() {
            histogram.custom_values = Arc::from(self.custom_values);
        }
        Ok(histogram)
    }
}

/// Reads a `BucketSpan` into a list of spans.
pub(crate) fn push_span(field: &Field<'_>, spans: &mut Vec<Span>) -> Result<(), DecodeError> {
    if spans.len() >= MAX_BUCKETS {
        return Err(DecodeError::TooLarge { what: "histogram spans", limit: MAX_BUCKETS });
    }
    let mut span = Span::default();
    for field in field.message()? {
        let field = field?;
        match field.number {
            1 => span.offset = narrow(field.sint()?)?,
            2 => span.length = narrow(field.uint()?)?,
            _ => {}
        }
    }
    spans.push(span);
    Ok(())
}

/// Reads a reset hint of remote write.
pub(crate) fn reset_hint(value: u64) -> CounterResetHint {
    match value {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

/// A number of the wire in the width its message declares.
pub(crate) fn narrow<W, N: TryFrom<W>>(value: W) -> Result<N, DecodeError> {
    N::try_from(value).map_err(|_| DecodeError::Overlong)
}

/// Reads `seconds` and `nanos` of a `google.protobuf.Timestamp` as milliseconds.
pub(crate) fn timestamp_ms(message: Reader<'_>) -> Result<i64, DecodeError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    for field in message {
        let field = field?;
        match field.number {
            1 => seconds = field.int()?,
            2 => nanos = field.int()?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

/// Whether the buckets hold all observations. One that is not a number counts and is in no bucket; the sum
/// tells that there may be some. Counts are far from where floats lose whole numbers, or the check is void.
fn adds_up(histogram: &FloatHistogram) -> Result<(), DecodeError> {
    let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
    let (mut inside, mut is_negative) = (histogram.zero_count, false);
    for count in buckets {
        inside += count;
        is_negative |= *count < 0.0;
    }
    if is_negative {
        return Err(DecodeError::BadHistogram("a bucket with a negative count"));
    }
    if histogram.count >= EXACT_MAX || inside >= EXACT_MAX {
        return Ok(());
    }
    match histogram.sum.is_nan() {
        true if inside > histogram.count => {
            Err(DecodeError::BadHistogram("more observations in buckets than counted"))
        }
        false if inside != histogram.count => {
            Err(DecodeError::BadHistogram("the count is not that of the observations in the buckets"))
        }
        _ => Ok(()),
    }
}

/// Whole numbers below this are exact as floats.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// Whether every count is a whole number and all of them add up, so that the histogram can be written as one whose
/// observations were counted one by one.
pub(crate) fn is_counted(histogram: &FloatHistogram) -> bool {
    let is_whole = |count: &f64| *count >= 0.0 && *count < EXACT_MAX && count.fract() == 0.0;
    let buckets = || histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
    let counts = [histogram.count, histogram.zero_count];
    counts.iter().chain(buckets()).all(is_whole)
        && buckets().sum::<f64>() < EXACT_MAX
        && adds_up(histogram).is_ok()
}

/// The differences from bucket to bucket of whole counts.
pub(crate) fn deltas(buckets: &[f64]) -> impl ExactSizeIterator<Item = i64> {
    let mut before = 0;
    buckets.iter().map(move |count| {
        let count = *count as i64;
        count - std::mem::replace(&mut before, count)
    })
}

fn absolute(buckets: &mut Vec<f64>, deltas: &[i64]) -> Result<(), DecodeError> {
    if deltas.is_empty() {
        return Ok(());
    }
    if !buckets.is_empty() {
        return Err(DecodeError::BadHistogram("both deltas and absolute counts"));
    }
    let mut count = 0i64;
    for delta in deltas {
        count = count.checked_add(*delta).ok_or(DecodeError::BadHistogram("bucket count overflows"))?;
        buckets.push(count as f64);
    }
    Ok(())
}

fn fits(spans: &[Span], buckets: usize) -> Result<(), DecodeError> {
    let spanned: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if spanned != buckets as u64 {
        return Err(DecodeError::BadHistogram("spans and buckets differ in number"));
    }
    if spans.iter().skip(1).any(|span| span.offset < 0) {
        return Err(DecodeError::BadHistogram("spans overlap"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use crate::remote::write_histogram;

    /// The numbers of the fields that a histogram is written as.
    fn fields(histogram: &FloatHistogram) -> Vec<u32> {
        let mut out = Vec::new();
        write_histogram(&mut Writer::new(&mut out), 1, histogram);
        Reader::new(&out).map(|field| field.unwrap().number).collect()
    }

    #[test]
    fn whole_counts_that_add_up_are_written_as_integers() {
        let whole = FloatHistogram {
            count: 7.0,
            sum: 3.5,
            zero_count: 1.0,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![4.0, 2.0],
            ..FloatHistogram::default()
        };
        assert_eq!(deltas(&whole.positive_buckets).collect::<Vec<_>>(), [4, -2]);
        let integer = fields(&whole);
        assert!([1, 6, 12].iter().all(|field| integer.contains(field)), "{integer:?}");
        assert!(![2, 7, 13].iter().any(|field| integer.contains(field)), "{integer:?}");
        for float in [
            FloatHistogram { positive_buckets: vec![4.5, 1.5], ..whole.clone() },
            FloatHistogram { count: 8.0, ..whole.clone() },
            FloatHistogram { zero_count: -1.0, positive_buckets: vec![4.0, 4.0], ..whole },
        ] {
            let float = fields(&float);
            assert!([2, 7, 13].iter().all(|field| float.contains(field)), "{float:?}");
        }
    }
}
