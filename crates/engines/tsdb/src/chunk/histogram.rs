//! Chunks of native histograms: integer (encodings 2 and 5) and float (3 and 6) are read; those without
//! start timestamps (2 and 3) are written here.
//!
//! A chunk has one layout (schema, spans, bounds) in its header; a histogram with another layout, or
//! one whose counts fell, begins a new chunk, whose flags say whether the counter was reset.

use std::sync::Arc;

use model::FloatHistogram;
use model::Samples;
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use model::is_stale_nan;
use model::storage::TimeRange;

use super::bits::{BitReader, BitWriter};
use super::starts::StartWriter;
use super::xor::{StartTimes, XorWindow};
use super::{ChunkError, Encoding, count_samples, sample_count};

/// Buckets and spans above this are not taken from a file: a header that claims more is damaged.
const LAYOUT_MAX: u64 = 1 << 20;

/// What the header of a chunk says about the chunk before it: its two highest bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ResetFlag {
    #[default]
    Unknown = 0b00,
    NotReset = 0b01,
    Reset = 0b10,
    Gauge = 0b11,
}

/// Appends histograms to chunks: those whose counts are all whole numbers to integer chunks, others
/// to float chunks. A series that had one of the latter goes on with float chunks.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramAppender {
    flag: ResetFlag,
    free: u8,
    /// How the open chunk is encoded.
    is_integer: bool,
    /// No more integer chunks.
    floats_only: bool,
    /// Start timestamps are written.
    with_starts: bool,
    starts: StartWriter,
    last_ms: i64,
    delta_ms: i64,
    last: FloatHistogram,
    /// Count, zero count, sum, then the buckets; of an integer chunk the sum alone.
    windows: Vec<XorWindow>,
    /// Of an integer chunk: the last steps of count, zero count and buckets.
    deltas: Vec<i64>,
    last_stale: bool,
}

impl HistogramAppender {
    /// One that makes chunks with start timestamps, or without.
    pub(crate) fn new(with_starts: bool) -> Self {
        HistogramAppender { with_starts, ..HistogramAppender::default() }
    }

    /// One that makes float chunks only.
    pub(crate) fn floats_only() -> Self {
        HistogramAppender { floats_only: true, ..HistogramAppender::default() }
    }

    /// How the chunk is encoded that was appended to last.
    pub(crate) fn encoding(&self) -> Encoding {
        match (self.is_integer, self.with_starts) {
            (true, false) => Encoding::Histogram,
            (false, false) => Encoding::FloatHistogram,
            (true, true) => Encoding::HistogramSt,
            (false, true) => Encoding::FloatHistogramSt,
        }
    }

    /// Starts a chunk with this flag; the next append goes to an empty buffer.
    pub(crate) fn begin(&mut self, flag: ResetFlag) {
        self.flag = flag;
    }

    /// `None` if the histogram can be appended to the open chunk, else the flag of a new one.
    pub(crate) fn needs_cut(&self, next: &FloatHistogram) -> Option<ResetFlag> {
        let gauge = next.counter_reset_hint == CounterResetHint::Gauge;
        let fits = if is_stale_nan(next.sum) {
            // A marker has no buckets and fits everywhere.
            return None;
        } else if self.last_stale || gauge != (self.flag == ResetFlag::Gauge) {
            false
        } else {
            if self.is_integer && !has_whole_counts(next) {
                // Of a histogram of another kind nothing is known.
                return Some(if gauge { ResetFlag::Gauge } else { ResetFlag::Unknown });
            }
            same_layout(&self.last, next) && (gauge || self.reset_flag(next, true) == ResetFlag::NotReset)
        };
        (!fits).then(|| self.reset_flag(next, true))
    }

    /// The flag of a chunk that begins with this histogram.
    pub(crate) fn reset_flag(&self, next: &FloatHistogram, follows: bool) -> ResetFlag {
        match next.counter_reset_hint {
            CounterResetHint::Gauge => return ResetFlag::Gauge,
            CounterResetHint::Reset => return ResetFlag::Reset,
            _ => {}
        }
        if !follows || self.last_stale || !same_layout(&self.last, next) {
            return ResetFlag::Unknown;
        }
        let fell = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(a, b)| b < a);
        let reset = next.count < self.last.count
            || next.zero_count < self.last.zero_count
            || fell(&self.last.positive_buckets, &next.positive_buckets)
            || fell(&self.last.negative_buckets, &next.negative_buckets);
        if reset { ResetFlag::Reset } else { ResetFlag::NotReset }
    }

    /// Whether the last histogram is this one.
    pub(crate) fn is_last(&self, other: &FloatHistogram) -> bool {
        let bits = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        if is_stale_nan(other.sum) {
            return self.last_stale;
        }
        !self.last_stale
            && same_layout(&self.last, other)
            && bits(
                &[self.last.count, self.last.zero_count, self.last.sum],
                &[other.count, other.zero_count, other.sum],
            )
            && bits(&self.last.positive_buckets, &other.positive_buckets)
            && bits(&self.last.negative_buckets, &other.negative_buckets)
    }

    /// Appends to the open chunk; [`HistogramAppender::needs_cut`] was asked before.
    pub(crate) fn append(&mut self, bytes: &mut Vec<u8>, time_ms: i64, histogram: &FloatHistogram) {
        self.append_started(bytes, time_ms, histogram, 0);
    }

    /// The same with a start timestamp, which is written if they are at all.
    pub(crate) fn append_started(
        &mut self,
        bytes: &mut Vec<u8>,
        time_ms: i64,
        histogram: &FloatHistogram,
        start_ms: i64,
    ) {
        let stale = is_stale_nan(histogram.sum);
        let empty = FloatHistogram { sum: histogram.sum, ..FloatHistogram::default() };
        let histogram = if stale { &empty } else { histogram };
        let first = bytes.is_empty();
        if first {
            self.free = 0;
            let flag = (self.flag as u8) << 6;
            // With start timestamps the flag stands above the count.
            bytes.extend_from_slice(&if self.with_starts { [flag, 0, 0] } else { [0, 0, flag] });
            self.floats_only |= !has_whole_counts(histogram);
            self.is_integer = !self.floats_only;
            let mut out = BitWriter { bytes, free: &mut self.free };
            write_layout(&mut out, histogram);
            self.delta_ms = 0;
            let buckets = histogram.positive_buckets.len() + histogram.negative_buckets.len();
            self.windows.clear();
            self.windows.resize(if self.is_integer { 1 } else { 3 + buckets }, XorWindow::default());
            self.deltas.clear();
            self.deltas.resize(if self.is_integer { 2 + buckets } else { 0 }, 0);
        }
        let header = u16::from_be_bytes([bytes[0], bytes[1]]);
        let count = if self.with_starts { header & 0x3fff } else { header };
        let mut out = BitWriter { bytes, free: &mut self.free };
        match count {
            0 => out.varbit_int(time_ms),
            1 => {
                self.delta_ms = time_ms.wrapping_sub(self.last_ms);
                out.varbit_int(self.delta_ms);
            }
            _ => {
                let delta_ms = time_ms.wrapping_sub(self.last_ms);
                out.varbit_int(delta_ms.wrapping_sub(self.delta_ms));
                self.delta_ms = delta_ms;
            }
        }
        match self.is_integer {
            true => self.append_integers(bytes, count, histogram, stale),
            false => self.append_floats(bytes, first, histogram),
        }
        if self.with_starts {
            self.starts.write(bytes, &mut self.free, count, (time_ms, self.last_ms), start_ms);
        }
        bytes[..2].copy_from_slice(&(header + 1).to_be_bytes());
        self.last_ms = time_ms;
        self.last_stale = stale;
        self.last.clone_from(histogram);
    }

    /// Count, zero count, sum, then the buckets, each XORed with the one before.
    fn append_floats(&mut self, bytes: &mut Vec<u8>, first: bool, histogram: &FloatHistogram) {
        let mut out = BitWriter { bytes, free: &mut self.free };
        let fields = |h: &FloatHistogram| -> Vec<f64> {
            let buckets = h.positive_buckets.iter().chain(&h.negative_buckets).copied();
            [h.count, h.zero_count, h.sum].into_iter().chain(buckets).collect()
        };
        let (previous, now) = (fields(&self.last), fields(histogram));
        for (at, value) in now.iter().enumerate() {
            if first {
                out.bits(value.to_bits(), 64);
            } else {
                let before = previous.get(at).map_or(0, |v| v.to_bits());
                self.windows[at].write(&mut out, before, value.to_bits());
            }
        }
    }

    /// Count and zero count, the sum XORed, then the buckets as differences to the bucket before; the
    /// first sample as it is, the second as steps, further ones as steps of steps.
    fn append_integers(&mut self, bytes: &mut Vec<u8>, at: u16, histogram: &FloatHistogram, stale: bool) {
        let mut out = BitWriter { bytes, free: &mut self.free };
        let previous = integer_fields(&self.last);
        let now = integer_fields(histogram);
        let deltas = &mut self.deltas;
        let mut put = |out: &mut BitWriter<'_>, field: usize| {
            let before = previous.get(field).copied().unwrap_or(0);
            let delta = now[field].wrapping_sub(before);
            match at {
                // A marker's counts mean nothing: it says that they go on as before.
                1.. if stale => out.varbit_int(0),
                0 if field < 2 => out.varbit_uint(now[field] as u64),
                0 => out.varbit_int(now[field]),
                1 => out.varbit_int(delta),
                _ => out.varbit_int(delta.wrapping_sub(deltas[field])),
            }
            if at > 0
                && !stale
                && let Some(last) = deltas.get_mut(field)
            {
                *last = delta;
            }
        };
        put(&mut out, 0);
        put(&mut out, 1);
        match at {
            0 => out.bits(histogram.sum.to_bits(), 64),
            _ => self.windows[0].write(&mut out, self.last.sum.to_bits(), histogram.sum.to_bits()),
        }
        for field in 2..now.len() {
            put(&mut out, field);
        }
    }
}

/// Count, zero count, then the buckets, each as the difference to the one before it on its side.
fn integer_fields(histogram: &FloatHistogram) -> Vec<i64> {
    let mut fields = vec![histogram.count as i64, histogram.zero_count as i64];
    for buckets in [&histogram.positive_buckets, &histogram.negative_buckets] {
        let mut before = 0;
        for &count in buckets {
            let count = count as i64;
            fields.push(count - before);
            before = count;
        }
    }
    fields
}

/// Whether all counts are whole and so small that a float holds them exactly.
fn has_whole_counts(histogram: &FloatHistogram) -> bool {
    let is_whole = |count: &f64| (0.0..=9_007_199_254_740_992.0).contains(count) && count.fract() == 0.0;
    is_stale_nan(histogram.sum)
        || (is_whole(&histogram.count)
            && is_whole(&histogram.zero_count)
            && histogram.positive_buckets.iter().all(is_whole)
            && histogram.negative_buckets.iter().all(is_whole))
}

fn same_layout(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.positive_buckets.len() == b.positive_buckets.len()
        && a.negative_buckets.len() == b.negative_buckets.len()
        && (Arc::ptr_eq(&a.custom_values, &b.custom_values) || a.custom_values == b.custom_values)
}

/// Whether spans and buckets agree, so that what is written can be read back.
pub(crate) fn is_consistent(histogram: &FloatHistogram) -> bool {
    let agrees = |spans: &[Span], buckets: &[f64]| {
        spans.iter().map(|s| u64::from(s.length)).sum::<u64>() == buckets.len() as u64
            && (buckets.len() as u64) < LAYOUT_MAX
    };
    agrees(&histogram.positive_spans, &histogram.positive_buckets)
        && agrees(&histogram.negative_spans, &histogram.negative_buckets)
        && (histogram.custom_values.is_empty() || histogram.uses_custom_buckets())
}

fn write_layout(out: &mut BitWriter<'_>, histogram: &FloatHistogram) {
    write_zero_threshold(out, histogram.zero_threshold);
    out.varbit_int(i64::from(histogram.schema));
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        out.varbit_uint(spans.len() as u64);
        for span in spans.iter() {
            out.varbit_uint(u64::from(span.length));
            out.varbit_int(i64::from(span.offset));
        }
    }
    if histogram.uses_custom_buckets() {
        out.varbit_uint(histogram.custom_values.len() as u64);
        for &bound in histogram.custom_values.iter() {
            let thousandths = bound * 1000.0;
            let fits = (0.0..=33_554_430.0).contains(&thousandths) && thousandths.fract() == 0.0;
            if fits && thousandths / 1000.0 == bound {
                out.varbit_uint(thousandths as u64 + 1);
            } else {
                out.bits(0, 1);
                out.bits(bound.to_bits(), 64);
            }
        }
    }
}

fn write_zero_threshold(out: &mut BitWriter<'_>, threshold: f64) {
    if threshold == 0.0 {
        return out.byte(0);
    }
    // A power of two from 2^-243 to 2^10 takes one byte, 1 to 254.
    let bits = threshold.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    if bits & ((1 << 52) - 1) == 0 && (-243..=10).contains(&exponent) {
        return out.byte((exponent + 244) as u8);
    }
    out.byte(255);
    out.bits(bits, 64);
}

fn read_layout(bits: &mut BitReader<'_>) -> Result<FloatHistogram, ChunkError> {
    let mut layout = FloatHistogram {
        zero_threshold: match bits.bits(8) as u8 {
            0 => 0.0,
            255 => f64::from_bits(bits.bits(64)),
            power => f64::from_bits((i64::from(power) - 244 + 1023) as u64 * (1 << 52)),
        },
        schema: bits.varbit_int() as i32,
        ..FloatHistogram::default()
    };
    let mut total = 0;
    for spans in [&mut layout.positive_spans, &mut layout.negative_spans] {
        let count = bits.varbit_uint();
        for _ in 0..count {
            let (length, offset) = (bits.varbit_uint(), bits.varbit_int());
            bits.check()?;
            total += length.min(LAYOUT_MAX) + 1;
            if total > LAYOUT_MAX {
                return Err(ChunkError::Malformed("too many buckets"));
            }
            spans.push(Span { offset: offset as i32, length: length as u32 });
        }
    }
    if layout.schema == CUSTOM_BUCKETS_SCHEMA {
        let count = bits.varbit_uint();
        let mut bounds = Vec::new();
        for _ in 0..count {
            bounds.push(match bits.varbit_uint() {
                0 => f64::from_bits(bits.bits(64)),
                thousandths => (thousandths - 1) as f64 / 1000.0,
            });
            bits.check()?;
        }
        layout.custom_values = bounds.into();
    }
    bits.check()?;
    Ok(layout)
}

/// Adds the samples of a histogram chunk that lie in the range.
pub(crate) fn decode(
    encoding: Encoding,
    bytes: &[u8],
    range: TimeRange,
    into: &mut Samples,
) -> Result<(), ChunkError> {
    let count = count_samples(encoding, bytes)?;
    let Some(&third) = bytes.get(2) else {
        return if count == 0 { Ok(()) } else { Err(ChunkError::Short) };
    };
    let with_start = matches!(encoding, Encoding::HistogramSt | Encoding::FloatHistogramSt);
    let (flag, mut start) = match with_start {
        true => ((sample_count(bytes)? >> 14) as u8, StartTimes::new(third)),
        false => (third >> 6, StartTimes::new(0)),
    };
    if count == 0 {
        return Ok(());
    }
    let mut bits = BitReader::new(&bytes[3..]);
    let layout = read_layout(&mut bits)?;
    let total = |spans: &[Span]| spans.iter().map(|s| s.length as usize).sum::<usize>();
    let positive = total(&layout.positive_spans);
    let fields = 3 + positive + total(&layout.negative_spans);
    let mut values = match encoding {
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => Values::Float(FloatValues::new(fields)),
        _ => Values::Integer(IntegerValues::new(fields)),
    };
    let (mut time_ms, mut delta_ms) = (0i64, 0i64);
    for at in 0..count {
        let previous_ms = time_ms;
        match at {
            0 => time_ms = bits.varbit_int(),
            1 => {
                delta_ms = bits.varbit_int();
                time_ms = time_ms.wrapping_add(delta_ms);
            }
            _ => {
                delta_ms = delta_ms.wrapping_add(bits.varbit_int());
                time_ms = time_ms.wrapping_add(delta_ms);
            }
        }
        let sum = match &mut values {
            Values::Float(values) => values.read(&mut bits, at)?,
            Values::Integer(values) => values.read(&mut bits, at)?,
        };
        match at {
            0 => start.first(&mut bits, time_ms)?,
            _ => start.next(&mut bits, at, previous_ms),
        }
        bits.check()?;
        if time_ms > range.end_ms {
            break;
        }
        if time_ms < range.start_ms {
            continue;
        }
        if is_stale_nan(sum) {
            let marker = FloatHistogram { sum, ..FloatHistogram::default() };
            into.push_histogram(time_ms, Arc::new(marker));
        } else {
            let mut histogram = layout.clone();
            histogram.counter_reset_hint = match (flag, at) {
                (0b11, _) => CounterResetHint::Gauge,
                // What the chunk says of its first sample held for the one that was before it when it was
                // written; that one may have been deleted since, or another may have come between.
                (_, 0) => CounterResetHint::Unknown,
                _ => CounterResetHint::NotReset,
            };
            histogram.sum = sum;
            match &values {
                Values::Float(values) => values.fill(&mut histogram, positive),
                Values::Integer(values) => values.fill(&mut histogram, positive),
            }
            into.push_histogram(time_ms, Arc::new(histogram));
        }
        into.set_last_start(start.start_ms);
    }
    Ok(())
}

enum Values {
    Float(FloatValues),
    Integer(IntegerValues),
}

/// Count, zero count, sum, then the buckets, each XORed with the sample before.
struct FloatValues {
    bits: Vec<u64>,
    windows: Vec<XorWindow>,
}

impl FloatValues {
    fn new(fields: usize) -> Self {
        FloatValues { bits: vec![0; fields], windows: vec![XorWindow::default(); fields] }
    }

    /// Reads a sample; gives its sum.
    fn read(&mut self, bits: &mut BitReader<'_>, at: u16) -> Result<f64, ChunkError> {
        for field in 0..self.bits.len() {
            self.bits[field] = match at {
                0 => bits.bits(64),
                _ => self.windows[field].read(bits, self.bits[field])?,
            };
            // A staleness marker that is not first has no buckets.
            if field == 2 && at > 0 && is_stale_nan(f64::from_bits(self.bits[2])) {
                break;
            }
        }
        bits.check()?;
        Ok(f64::from_bits(self.bits[2]))
    }

    fn fill(&self, histogram: &mut FloatHistogram, positive: usize) {
        let float = |bits: &[u64]| bits.iter().map(|&b| f64::from_bits(b)).collect::<Vec<_>>();
        histogram.count = f64::from_bits(self.bits[0]);
        histogram.zero_count = f64::from_bits(self.bits[1]);
        histogram.positive_buckets = float(&self.bits[3..3 + positive]);
        histogram.negative_buckets = float(&self.bits[3 + positive..]);
    }
}

/// Count and zero count as delta of deltas, the sum XORed, each bucket (a difference to the bucket
/// before it) as delta of deltas.
struct IntegerValues {
    /// Count, zero count, unused, then the buckets.
    values: Vec<i64>,
    deltas: Vec<i64>,
    sum: u64,
    window: XorWindow,
}

impl IntegerValues {
    fn new(fields: usize) -> Self {
        IntegerValues {
            values: vec![0; fields],
            deltas: vec![0; fields],
            sum: 0,
            window: XorWindow::default(),
        }
    }

    fn step(&mut self, bits: &mut BitReader<'_>, at: u16, field: usize) {
        match at {
            0 if field < 2 => self.values[field] = bits.varbit_uint() as i64,
            0 => self.values[field] = bits.varbit_int(),
            1 => self.deltas[field] = bits.varbit_int(),
            _ => self.deltas[field] = self.deltas[field].wrapping_add(bits.varbit_int()),
        }
        self.values[field] = self.values[field].wrapping_add(self.deltas[field]);
    }

    fn read(&mut self, bits: &mut BitReader<'_>, at: u16) -> Result<f64, ChunkError> {
        self.step(bits, at, 0);
        self.step(bits, at, 1);
        self.sum = match at {
            0 => bits.bits(64),
            _ => self.window.read(bits, self.sum)?,
        };
        let sum = f64::from_bits(self.sum);
        if at == 0 || !is_stale_nan(sum) {
            for field in 3..self.values.len() {
                self.step(bits, at, field);
            }
        }
        bits.check()?;
        Ok(sum)
    }

    fn fill(&self, histogram: &mut FloatHistogram, positive: usize) {
        let absolute = |deltas: &[i64]| {
            deltas
                .iter()
                .scan(0i64, |count, &delta| {
                    *count = count.wrapping_add(delta);
                    Some(*count as f64)
                })
                .collect::<Vec<_>>()
        };
        histogram.count = self.values[0] as u64 as f64;
        histogram.zero_count = self.values[1] as u64 as f64;
        histogram.positive_buckets = absolute(&self.values[3..3 + positive]);
        histogram.negative_buckets = absolute(&self.values[3 + positive..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk;

    fn histogram(scale: f64) -> FloatHistogram {
        FloatHistogram {
            schema: 1,
            zero_threshold: 2f64.powi(-128),
            zero_count: scale,
            count: 10.0 * scale,
            sum: 3.5 * scale,
            positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
            positive_buckets: vec![scale, 2.0 * scale, 3.0 * scale],
            negative_spans: vec![Span { offset: 0, length: 1 }],
            negative_buckets: vec![3.0 * scale],
            ..FloatHistogram::default()
        }
    }

    fn read(chunks: &[chunk::Chunk]) -> Samples {
        let mut into = Samples::default();
        for chunk in chunks {
            chunk::decode(chunk.encoding, &chunk.bytes, TimeRange::ALL, &mut into).unwrap();
        }
        into
    }

    #[test]
    fn float_histograms_come_back_and_resets_begin_a_chunk() {
        let mut samples = Samples::default();
        for (at, scale) in [1.0, 2.0, 2.5, 1.0, 4.0].into_iter().enumerate() {
            samples.push_histogram(at as i64 * 15_000, Arc::new(histogram(scale)));
        }
        samples.push_histogram(
            90_000,
            Arc::new(FloatHistogram { sum: model::stale_nan(), ..Default::default() }),
        );
        let custom = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 3.0,
            sum: 1.0,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 1.0, 1.0],
            custom_values: vec![0.005, 1.0 / 3.0].into(),
            ..Default::default()
        };
        samples.push_histogram(100_000, Arc::new(custom.clone()));
        samples.push(110_000, 7.0);
        let chunks = chunk::encode(&samples);
        assert_eq!(chunks.len(), 5, "a fraction, a reset, a new layout, a float");
        let back = read(&chunks);
        assert_eq!(back.timestamps_ms, samples.timestamps_ms);
        let hints: Vec<_> = back.histograms.iter().flatten().map(|h| h.counter_reset_hint).collect();
        assert_eq!(hints[..4].to_vec(), {
            use CounterResetHint::*;
            [Unknown, NotReset, Unknown, Unknown]
        });
        for at in 0..5 {
            let mut one = FloatHistogram::clone(back.histogram(at).unwrap());
            one.counter_reset_hint = CounterResetHint::Unknown;
            assert_eq!(one, **samples.histogram(at).unwrap(), "{at}");
        }
        assert!(is_stale_nan(back.values[5]));
        assert_eq!(back.histogram(6).unwrap().custom_values, custom.custom_values);
        assert!(back.histogram(7).is_none() && back.values[7] == 7.0);
    }

    #[test]
    fn whole_counts_make_integer_chunks_and_others_float_chunks() {
        use crate::testing::Random;
        let random = &mut Random::new(5);
        let mut samples = Samples::default();
        let mut counts = [0u64; 4];
        for at in 0..300 {
            for count in &mut counts {
                let width = random.below(40);
                *count += random.below(1 << width);
            }
            let [zero, a, b, c] = counts.map(|count| count as f64);
            let mut one = histogram(1.0);
            (one.zero_count, one.count) = (zero, zero + a + b + c);
            (one.positive_buckets, one.negative_buckets) = (vec![a, b, c], vec![c]);
            one.sum = f64::from_bits(random.next() >> 2);
            samples.push_histogram(at * 15_000 + random.below(50) as i64, Arc::new(one));
        }
        samples.push_histogram(
            4_600_000,
            Arc::new(FloatHistogram { sum: model::stale_nan(), ..Default::default() }),
        );
        let chunks = chunk::encode(&samples);
        assert!(chunks.iter().all(|chunk| chunk.encoding == Encoding::Histogram));
        let back = read(&chunks);
        assert_eq!(back.timestamps_ms, samples.timestamps_ms);
        for at in 0..300 {
            let mut one = FloatHistogram::clone(back.histogram(at).unwrap());
            one.counter_reset_hint = CounterResetHint::Unknown;
            assert_eq!(one, **samples.histogram(at).unwrap(), "{at}");
        }
        assert!(is_stale_nan(back.values[300]));

        // One half, and it goes on as floats.
        let mut mixed = Samples::default();
        for (at, scale) in [1.0, 2.0, 2.5, 3.0, 4.0].into_iter().enumerate() {
            mixed.push_histogram(at as i64, Arc::new(histogram(scale)));
        }
        let chunks = chunk::encode(&mixed);
        let encodings: Vec<_> = chunks.iter().map(|chunk| chunk.encoding).collect();
        assert_eq!(encodings, [Encoding::Histogram, Encoding::FloatHistogram]);
        assert_eq!(read(&chunks).histogram(2).unwrap().counter_reset_hint, CounterResetHint::Unknown);
        assert_eq!(read(&chunks).histogram(4).unwrap().positive_buckets, [4.0, 8.0, 12.0]);
    }

    #[test]
    fn zero_thresholds_of_every_form_come_back() {
        for threshold in [0.0, 2f64.powi(-243), 2f64.powi(10), 2f64.powi(-128), 2f64.powi(11), 0.001, 1.0] {
            let mut one = histogram(1.0);
            one.zero_threshold = threshold;
            let mut samples = Samples::default();
            samples.push_histogram(1, Arc::new(one));
            assert_eq!(read(&chunk::encode(&samples)).histogram(0).unwrap().zero_threshold, threshold);
        }
    }

    /// Written by hand from the format's description.
    #[test]
    fn integer_histograms_are_read() {
        let (mut bytes, mut free) = (vec![0, 3, 0b1000_0000], 0);
        let mut out = BitWriter { bytes: &mut bytes, free: &mut free };
        out.byte(0);
        out.varbit_int(0);
        out.varbit_uint(1);
        out.varbit_uint(2);
        out.varbit_int(0);
        out.varbit_uint(0);
        // count 5, zero 1, sum 2.0, buckets 3 and 1 (-2)
        out.varbit_int(1_000);
        out.varbit_uint(5);
        out.varbit_uint(1);
        out.bits(2f64.to_bits(), 64);
        out.varbit_int(3);
        out.varbit_int(-2);
        // count 8, zero 1, buckets 4, 3 (-1): deltas +1, +1
        out.varbit_int(15);
        out.varbit_int(3);
        out.varbit_int(0);
        out.bits(0, 1);
        out.varbit_int(1);
        out.varbit_int(1);
        // the same steps again
        for _ in 0..3 {
            out.varbit_int(0);
        }
        out.bits(0, 1);
        out.varbit_int(0);
        out.varbit_int(0);
        let mut into = Samples::default();
        decode(Encoding::Histogram, &bytes, TimeRange::ALL, &mut into).unwrap();
        assert_eq!(into.timestamps_ms, [1_000, 1_015, 1_030]);
        let last = into.histogram(2).unwrap();
        assert_eq!((last.count, last.zero_count, last.sum), (11.0, 1.0, 2.0));
        assert_eq!(last.positive_buckets, [5.0, 5.0]);
        assert_eq!(into.histogram(0).unwrap().counter_reset_hint, CounterResetHint::Unknown);
        for length in 0..bytes.len() {
            let _ = decode(Encoding::Histogram, &bytes[..length], TimeRange::ALL, &mut Samples::default());
        }
    }
}
