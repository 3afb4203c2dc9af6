//! Float samples in the log, by column: which series, when, how each value is written, and the bytes of the
//! values. A value is written as a difference to the one before it of its series in the same segment (0 at
//! first): of whole numbers, of numbers of hundredths or of billionths where that is exact, else as XOR. Half a
//! byte says which and how long, so that reading needs no more than two tables.

use super::record::{FRAME_BYTES, Reader, frame, put};
use crate::chunk::bits::{unzigzag, zigzag};

/// The kind of record.
pub(super) const KIND: u8 = 7;
/// Samples after which a batch is continued in another record.
pub(crate) const SAMPLES_PER_RECORD: usize = 1 << 18;

/// Bytes of a value by its form. 0: the same as before; 1 to 4: difference of whole numbers; 5 to 7: of
/// hundredths; 8 to 10: of billionths; 11 on: XOR, shifted by [`SHIFTS`].
const SIZES: [u8; 16] = [0, 1, 2, 3, 4, 1, 2, 3, 3, 4, 5, 2, 4, 6, 7, 8];
/// Bits by which an XOR is shifted up.
const SHIFTS: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 24, 0, 0, 0];
/// The bits of the first so many bytes of a word.
const MASKS: [u64; 9] = [
    0,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    u64::MAX,
];
/// Bytes of the values of two samples by the byte that holds their forms.
const PAIR_SIZES: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut at = 0;
    while at < 256 {
        sizes[at] = SIZES[at & 0xf] + SIZES[at >> 4];
        at += 1;
    }
    sizes
};
const HUNDREDTHS: f64 = 1e2;
const BILLIONTHS: f64 = 1e9;

/// The samples of a batch, being written.
#[derive(Default)]
pub(crate) struct SampleWriter {
    count: usize,
    series: Vec<u8>,
    /// First number, length and step of the run of series that goes on, and the last number of the one before.
    run: (u32, u32, u32),
    run_end: u32,
    run_before: u32,
    times: Vec<u8>,
    first_ms: i64,
    last_ms: i64,
    /// The difference of times that goes on, and how often it came.
    delta: (i64, u32),
    forms: Vec<u8>,
    values: Vec<u8>,
}

impl SampleWriter {
    /// How many samples wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Forgets what was not written.
    pub(crate) fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.forms.clear();
        self.values.clear();
        self.count = 0;
        self.run = (0, 0, 0);
        self.run_before = 0;
        self.delta = (0, 0);
    }

    /// Adds a sample. `before` is the value before it of its series in this segment, 0 if there is none.
    #[inline]
    pub(crate) fn push(&mut self, id: u32, time_ms: i64, before: u64, value: u64) {
        self.push_series(id);
        if self.count == 0 {
            self.first_ms = time_ms;
        } else {
            let delta = time_ms.wrapping_sub(self.last_ms);
            if delta == self.delta.0 {
                self.delta.1 += 1;
            } else {
                self.end_times();
                self.delta = (delta, 1);
            }
        }
        self.last_ms = time_ms;
        let (form, bits) = write_value(before, value);
        match self.forms.last_mut().filter(|_| self.count & 1 == 1) {
            Some(last) => *last |= form << 4,
            None => self.forms.push(form),
        }
        // A store of eight bytes whatever the size is cheaper than one of the size.
        let end = self.values.len() + usize::from(SIZES[usize::from(form)]);
        self.values.extend_from_slice(&bits.to_le_bytes());
        self.values.truncate(end);
        self.count += 1;
    }

    #[inline]
    fn push_series(&mut self, id: u32) {
        let (first, length, step) = self.run;
        if length == 1 {
            let step = u32::from(id == first.wrapping_add(1));
            if step == 1 || id == first {
                self.run = (first, 2, step);
                self.run_end = id;
                return;
            }
        } else if length > 1 && id == self.run_end.wrapping_add(step) {
            self.run.1 = length + 1;
            self.run_end = id;
            return;
        }
        self.end_series();
        self.run = (id, 1, 0);
        self.run_end = id;
    }

    fn end_series(&mut self) {
        let (first, length, step) = self.run;
        if length > 0 {
            put(&mut self.series, zigzag(i64::from(first) - i64::from(self.run_before)));
            put(&mut self.series, u64::from(length) << 1 | u64::from(step));
            self.run_before = self.run_end;
        }
    }

    fn end_times(&mut self) {
        if self.delta.1 > 0 {
            put(&mut self.times, zigzag(self.delta.0));
            put(&mut self.times, u64::from(self.delta.1));
        }
    }

    /// Writes the samples as a record and forgets them.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        if self.count == 0 {
            return;
        }
        self.end_series();
        self.end_times();
        let columns = self.series.len() + self.times.len() + self.forms.len() + self.values.len();
        out.reserve(columns + FRAME_BYTES + 32);
        frame(out, KIND, |out| {
            put(out, self.count as u64);
            put(out, zigzag(self.first_ms));
            put(out, self.series.len() as u64);
            put(out, self.times.len() as u64);
            out.extend_from_slice(&self.series);
            out.extend_from_slice(&self.times);
            out.extend_from_slice(&self.forms);
            out.extend_from_slice(&self.values);
        });
        self.clear();
    }
}

fn size(bits: u64) -> usize {
    8 - (bits.leading_zeros() / 8) as usize
}

/// The number of a value in units of which one has `scale`; what it is for values that have none does not
/// matter as long as it is always the same.
#[inline]
fn units(value: f64, scale: f64) -> i64 {
    (value * scale + 0.5f64.copysign(value)) as i64
}

/// The form of a value and its bytes.
#[inline]
fn write_value(before: u64, value: u64) -> (u8, u64) {
    let xor = before ^ value;
    if xor == 0 {
        return (0, 0);
    }
    let (from, to) = (f64::from_bits(before), f64::from_bits(value));
    let whole = to as i64;
    if (whole as f64).to_bits() == value {
        let bits = zigzag(whole.wrapping_sub(from as i64));
        let size = size(bits).max(1);
        let (form, xor_bits) = write_xor(xor);
        // Round binary numbers have short XORs.
        return if size <= 4 && size <= usize::from(SIZES[usize::from(form)]) {
            (size as u8, bits)
        } else {
            (form, xor_bits)
        };
    }
    write_fraction(from, to, xor)
}

fn write_fraction(from: f64, to: f64, xor: u64) -> (u8, u64) {
    let hundredths = units(to, HUNDREDTHS);
    if (hundredths as f64 / HUNDREDTHS).to_bits() == to.to_bits() {
        let bits = zigzag(hundredths.wrapping_sub(units(from, HUNDREDTHS)));
        let size = size(bits).max(1);
        if size <= 3 {
            return (4 + size as u8, bits);
        }
    }
    let billionths = units(to, BILLIONTHS);
    if (billionths as f64 / BILLIONTHS).to_bits() == to.to_bits() {
        let bits = zigzag(billionths.wrapping_sub(units(from, BILLIONTHS)));
        let size = size(bits).max(3);
        if size <= 5 {
            return (5 + size as u8, bits);
        }
    }
    write_xor(xor)
}

fn write_xor(xor: u64) -> (u8, u64) {
    let (high, low) = (xor.leading_zeros() / 8, xor.trailing_zeros());
    let form = match high {
        1.. if low >= 40 => 11,
        1.. if low >= 24 => 12,
        0 => 15,
        1 => 14,
        _ => 13,
    };
    (form, xor >> SHIFTS[usize::from(form)])
}

/// The value that was written so, with the one before it.
#[inline]
fn read_value(before: u64, form: u8, bits: u64) -> u64 {
    let from = f64::from_bits(before);
    let units_to = |scale| ((units(from, scale).wrapping_add(unzigzag(bits))) as f64 / scale).to_bits();
    match form {
        5..=7 => units_to(HUNDREDTHS),
        8..=10 => units_to(BILLIONTHS),
        _ => {
            // Both, and then a choice: which of them it is cannot be foreseen.
            let whole = ((from as i64).wrapping_add(unzigzag(bits)) as f64).to_bits();
            let xor = before ^ bits << SHIFTS[usize::from(form & 0xf)];
            if form.wrapping_sub(1) < 4 { whole } else { xor }
        }
    }
}

/// Samples of which each belongs to the series after the one before it, or all to the same, at times that differ
/// by the same amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first series.
    pub(crate) id: u32,
    /// Whether all are of the first series.
    pub(crate) repeats: bool,
    pub(crate) count: u32,
    /// Time of the first.
    pub(crate) time_ms: i64,
    pub(crate) delta_ms: i64,
    /// Number of its first sample among those of the record, and where its values begin there.
    pub(crate) first: u32,
    pub(crate) values_at: u32,
}

/// A record of samples that was read.
#[derive(Clone, Copy)]
pub(crate) struct LoggedColumns<'a> {
    count: u32,
    first_ms: i64,
    series: &'a [u8],
    times: &'a [u8],
    /// Forms, then values.
    pub(crate) values: LoggedValues<'a>,
}

/// Forms and values of samples, one behind the other.
#[derive(Clone, Copy)]
pub(crate) struct LoggedValues<'a> {
    pub(crate) forms: &'a [u8],
    pub(crate) values: &'a [u8],
}

impl<'a> LoggedColumns<'a> {
    /// The columns of a payload.
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let count =
            u32::try_from(reader.number()?).ok().filter(|&count| count as usize <= SAMPLES_PER_RECORD)?;
        let first_ms = reader.signed()?;
        let (series, times) = (reader.number()?, reader.number()?);
        let (series, times) = (reader.bytes(series)?, reader.bytes(times)?);
        let forms = reader.bytes(u64::from(count.div_ceil(2)))?;
        let values = LoggedValues { forms, values: reader.0 };
        (values.size(0, count) == values.values.len()).then_some(LoggedColumns {
            count,
            first_ms,
            series,
            times,
            values,
        })
    }

    /// Calls with all spans. None crosses a multiple of `border`. `None` if the record makes no sense.
    #[must_use]
    pub(crate) fn spans(&self, border: u32, mut with: impl FnMut(Span)) -> Option<()> {
        let (mut series, mut times) = (Reader(self.series), Reader(self.times));
        let (mut left, mut at, mut values_at) = (self.count, 0, 0);
        let mut time_ms = self.first_ms;
        let (mut delta_ms, mut deltas) = (0i64, 0u32);
        let mut last = 0u32;
        while left > 0 {
            let mut id = u32::try_from(i64::from(last).checked_add(series.signed()?)?).ok()?;
            let run = series.number()?;
            let mut length = u32::try_from(run >> 1).ok().filter(|&length| length > 0 && length <= left)?;
            let repeats = run & 1 == 0;
            last = if repeats { id } else { id.checked_add(length - 1)? };
            left -= length;
            while length > 0 {
                if deltas == 0 && at + 1 < self.count {
                    (delta_ms, deltas) = (times.signed()?, u32::try_from(times.number()?).ok()?);
                    if deltas == 0 {
                        return None;
                    }
                }
                let to_border = if repeats { u32::MAX } else { border - id % border };
                let count = length.min(to_border).min(deltas.saturating_add(1));
                with(Span { id, repeats, count, time_ms, delta_ms, first: at, values_at });
                values_at += self.values.size(at, count) as u32;
                time_ms = time_ms.wrapping_add(delta_ms.wrapping_mul(i64::from(count - 1)));
                deltas -= count - 1;
                at += count;
                length -= count;
                if !repeats {
                    id = id.wrapping_add(count);
                }
                if at < self.count {
                    // The step to the next span.
                    if deltas == 0 {
                        (delta_ms, deltas) = (times.signed()?, u32::try_from(times.number()?).ok()?);
                    }
                    time_ms = time_ms.wrapping_add(delta_ms);
                    deltas = deltas.checked_sub(1)?;
                }
            }
        }
        Some(())
    }
}

impl LoggedValues<'_> {
    /// Bytes of the values of samples in a row.
    fn size(&self, first: u32, count: u32) -> usize {
        let (mut at, mut left, mut size) = (first, count, 0);
        if at & 1 == 1 && left > 0 {
            size += usize::from(SIZES[usize::from(self.form(at))]);
            (at, left) = (at + 1, left - 1);
        }
        let whole = (at / 2) as usize..(at / 2 + left / 2) as usize;
        let pairs = self.forms.get(whole).unwrap_or(&[]);
        size += pairs.iter().map(|&pair| usize::from(PAIR_SIZES[usize::from(pair)])).sum::<usize>();
        if left & 1 == 1 {
            size += usize::from(SIZES[usize::from(self.form(at + left - 1))]);
        }
        size
    }

    #[inline]
    fn form(&self, at: u32) -> u8 {
        self.forms.get((at / 2) as usize).copied().unwrap_or(0) >> (at % 2 * 4) & 0xf
    }

    /// Calls with each sample of a span: how far its series is behind the first one, time and value.
    /// `befores` are the last values of the span's series, which this moves on.
    #[inline]
    pub(crate) fn read(&self, span: &Span, befores: &mut [u64], mut with: impl FnMut(u32, i64, u64)) {
        let mut at = span.values_at as usize;
        let mut time_ms = span.time_ms;
        for place in 0..span.count {
            let form = self.form(span.first + place);
            let size = usize::from(SIZES[usize::from(form)]);
            let word = match self.values.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
                Some(word) => u64::from_le_bytes(*word),
                None => self.word_at_end(at),
            };
            at += size;
            let offset = if span.repeats { 0 } else { place };
            let Some(before) = befores.get_mut(offset as usize) else { return };
            *before = read_value(*before, form, word & MASKS[size]);
            with(offset, time_ms, *before);
            time_ms = time_ms.wrapping_add(span.delta_ms);
        }
    }

    #[cold]
    fn word_at_end(&self, at: usize) -> u64 {
        let rest = self.values.get(at..).unwrap_or(&[]);
        rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;
    use std::collections::HashMap;

    /// A value after another, of all kinds that are written differently.
    fn after(random: &mut Random, before: f64) -> f64 {
        match random.below(14) {
            0 => before,
            1 => before.trunc() + random.below(200) as f64,
            2 => before - (random.next() >> 20) as f64,
            3 => (before * 100.0).round() / 100.0 + random.below(100) as f64 / 100.0,
            4 => ((before + random.below(1 << 30) as f64 / 1e9) * 1e9).round() / 1e9,
            5 => f64::from_bits(random.next()),
            6 => f64::from((random.next() as f32) / 3.0),
            7 => (random.below(1000) * 4096 * 65536) as f64,
            8 => f64::from_bits(model::STALE_NAN_BITS),
            9 => -0.0,
            10 => [f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE][random.below(4) as usize],
            11 => [9_007_199_254_740_993i64, i64::MAX, i64::MIN][random.below(3) as usize] as f64,
            12 => -(random.below(100_000) as f64) / 100.0,
            _ => before + 0.1,
        }
    }

    #[test]
    fn samples_of_every_shape_come_back() {
        for seed in 1..300 {
            let random = &mut Random::new(seed);
            let shape = random.below(4);
            let mut id = random.below(1 << 31) as u32;
            let mut time_ms = random.next() as i64;
            let mut values: HashMap<u32, u64> = HashMap::new();
            let mut writer = SampleWriter::default();
            let mut bytes = Vec::new();
            let mut samples = Vec::new();
            for at in 0..random.below(700) {
                id = match shape {
                    0 => id + 1,
                    1 => id + u32::from(at % 60 == 0),
                    2 => id.wrapping_add(random.below(3) as u32),
                    _ => random.below(1 << 32) as u32,
                };
                time_ms = match shape {
                    0 => time_ms,
                    1 if at % 60 == 0 => time_ms.wrapping_sub(15_000 * 59),
                    1 => time_ms.wrapping_add(15_000),
                    _ => time_ms.wrapping_add((random.below(3) * (random.next() >> 2)) as i64),
                };
                let before = values.get(&id).copied().unwrap_or(0);
                let value = after(random, f64::from_bits(before)).to_bits();
                writer.push(id, time_ms, before, value);
                values.insert(id, value);
                samples.push((id, time_ms, value));
            }
            writer.write(&mut bytes);
            assert_eq!(writer.len(), 0);
            let payload = bytes.get(FRAME_BYTES + 1..).unwrap_or(&[0, 0, 0, 0]);
            let columns = LoggedColumns::read(&mut Reader(payload)).unwrap();
            let (mut back, mut known) = (Vec::new(), HashMap::<u32, u64>::new());
            let mut spans = Vec::new();
            columns.spans(256, |span| spans.push(span)).unwrap();
            for span in spans {
                assert!(span.repeats || span.id / 256 == (span.id + span.count - 1) / 256);
                let width = if span.repeats { 1 } else { span.count };
                let mut befores: Vec<u64> =
                    (0..width).map(|offset| known.get(&(span.id + offset)).copied().unwrap_or(0)).collect();
                columns.values.read(&span, &mut befores, |offset, time_ms, value| {
                    back.push((span.id + offset, time_ms, value));
                });
                known.extend(
                    befores.iter().enumerate().map(|(offset, &value)| (span.id + offset as u32, value)),
                );
            }
            assert_eq!(back, samples, "seed {seed}");
            for length in (0..payload.len()).step_by(1 + payload.len() / 20) {
                let mut damaged = payload[..length].to_vec();
                if let Some(byte) = damaged.get_mut(random.below(length as u64 + 1) as usize) {
                    *byte ^= 1 << random.below(8);
                }
                if let Some(columns) = LoggedColumns::read(&mut Reader(&damaged)) {
                    let mut spans = Vec::new();
                    let _ = columns.spans(256, |span| spans.push(span));
                    spans.iter().for_each(|span| columns.values.read(span, &mut [0; 700], |_, _, _| {}));
                }
            }
        }
    }
}
