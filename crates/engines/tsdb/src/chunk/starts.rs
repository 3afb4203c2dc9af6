//! Chunks with start timestamps, written: XOR2 (encoding 4), and what histogram chunks with them
//! (5 and 6) have in common with it. See [`super::xor`] for the format.

use model::STALE_NAN_BITS;

use super::bits::BitWriter;
use super::xor::XorWindow;

/// Where the header of a chunk tells of start timestamps.
const HEADER_AT: usize = 2;
/// The top bit of the header: the first sample has one.
const FIRST_KNOWN: u8 = 0x80;

/// Writes start timestamps sample by sample.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartWriter {
    last_ms: i64,
    /// Some sample has another one than the first.
    changed: bool,
    distance: i64,
}

impl StartWriter {
    /// Adds that of sample `at`, which is below 128. `previous_ms` is the time of the sample before.
    pub(crate) fn write(
        &mut self,
        bytes: &mut Vec<u8>,
        free: &mut u8,
        at: u16,
        (time_ms, previous_ms): (i64, i64),
        start_ms: i64,
    ) {
        if at == 0 {
            *self = StartWriter { last_ms: start_ms, ..StartWriter::default() };
            if start_ms != 0 {
                bytes[HEADER_AT] |= FIRST_KNOWN;
                BitWriter { bytes, free }.varint(time_ms.wrapping_sub(start_ms));
            }
            return;
        }
        if !self.changed {
            if start_ms == self.last_ms {
                return;
            }
            self.changed = true;
            bytes[HEADER_AT] |= at.min(0x7f) as u8;
        }
        let distance = previous_ms.wrapping_sub(start_ms);
        BitWriter { bytes, free }.varbit_int(distance.wrapping_sub(self.distance));
        self.distance = distance;
        self.last_ms = start_ms;
    }
}

/// Appends floats with start timestamps to a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Xor2Appender {
    count: u16,
    free: u8,
    last_ms: i64,
    delta: u64,
    /// The last value that is not a staleness marker.
    baseline: u64,
    window: XorWindow,
    starts: StartWriter,
}

impl Xor2Appender {
    /// Appends to the chunk; an empty one is begun.
    pub(crate) fn append(&mut self, bytes: &mut Vec<u8>, time_ms: i64, value: u64, start_ms: i64) {
        if bytes.is_empty() {
            *self = Xor2Appender::default();
            bytes.extend_from_slice(&[0, 0, 0]);
        }
        let mut out = BitWriter { bytes, free: &mut self.free };
        match self.count {
            0 => {
                out.varint(time_ms);
                out.bits(value, 64);
            }
            1 => {
                self.delta = time_ms.wrapping_sub(self.last_ms) as u64;
                out.uvarint(self.delta);
                self.window.write_xor2(&mut out, self.baseline, value);
            }
            _ => {
                let delta = time_ms.wrapping_sub(self.last_ms) as u64;
                let dod = delta.wrapping_sub(self.delta) as i64;
                self.delta = delta;
                match dod {
                    0 if value == STALE_NAN_BITS => out.bits(0b11111, 5),
                    0 if value == self.baseline => out.bits(0, 1),
                    0 => {
                        out.bits(0b10, 2);
                        self.window.write_changed(&mut out, self.baseline ^ value, (1, 1));
                    }
                    -4096..=4095 => out.bits(0b110 << 13 | dod as u64 & 0x1fff, 16),
                    -524_288..=524_287 => out.bits(0b1110 << 20 | dod as u64 & 0xf_ffff, 24),
                    _ => {
                        out.bits(0b11110, 5);
                        out.bits(dod as u64, 64);
                    }
                }
                if dod != 0 {
                    self.window.write_xor2(&mut out, self.baseline, value);
                }
            }
        }
        self.starts.write(bytes, &mut self.free, self.count, (time_ms, self.last_ms), start_ms);
        if value != STALE_NAN_BITS {
            self.baseline = value;
        }
        self.last_ms = time_ms;
        self.count += 1;
        bytes[..2].copy_from_slice(&self.count.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::storage::TimeRange;
    use model::{FloatHistogram, Samples};

    use crate::chunk::{self, Encoding};
    use crate::testing::Random;

    #[test]
    fn floats_and_histograms_with_any_starts_come_back() {
        for seed in 1..300 {
            let random = &mut Random::new(seed);
            let mut samples = Samples::default();
            let (mut time_ms, mut value, mut start_ms) = (random.below(1 << 41) as i64, 0.0f64, 0);
            let kind = random.below(3);
            for _ in 0..1 + random.below(300) {
                time_ms += 1 + match random.below(6) {
                    0 => random.below(1 << 13),
                    1 => random.below(1 << 21),
                    2 => random.below(1 << 45),
                    _ => 14_999,
                } as i64;
                value = match random.below(8) {
                    0 => f64::from_bits(random.next()),
                    1 => model::stale_nan(),
                    2..=4 => value + random.below(100) as f64,
                    _ => value,
                };
                if random.below(10) == 0 {
                    start_ms = if random.below(4) == 0 { 0 } else { time_ms - random.below(1 << 30) as i64 };
                }
                if kind == 0 {
                    samples.push(time_ms, value);
                } else {
                    let fraction = if kind == 1 { 0.0 } else { 0.5 };
                    let count = random.below(1 << 20) as f64 + fraction;
                    let one = FloatHistogram { count, sum: value, zero_count: count, ..Default::default() };
                    samples.push_histogram(time_ms, Arc::new(one));
                }
                samples.set_last_start(start_ms);
            }
            // One with a start at the least.
            samples.set_last_start(time_ms - 1);
            let chunks = chunk::encode(&samples);
            let wanted = [Encoding::Xor2, Encoding::HistogramSt, Encoding::FloatHistogramSt][kind as usize];
            let is_wanted = |encoding: Encoding| {
                // Without a count that is not whole in it, a chunk of markers is one of whole counts.
                encoding == wanted || (kind == 2 && encoding == Encoding::HistogramSt)
            };
            assert!(chunks.iter().all(|chunk| is_wanted(chunk.encoding)), "seed {seed}");
            let mut back = Samples::default();
            for chunk in &chunks {
                chunk::decode(chunk.encoding, &chunk.bytes, TimeRange::ALL, &mut back).unwrap();
            }
            assert_eq!(back.timestamps_ms, samples.timestamps_ms, "seed {seed}");
            assert_eq!(back.start_timestamps_ms, samples.start_timestamps_ms, "seed {seed}");
            for at in 0..samples.len() {
                assert_eq!(back.values[at].to_bits(), samples.values[at].to_bits(), "seed {seed}, {at}");
                let count = |samples: &Samples| samples.histogram(at).map(|h| h.count);
                if !model::is_stale_nan(samples.values[at]) {
                    assert_eq!(count(&back), count(&samples), "seed {seed}, {at}");
                }
            }
        }
    }
}
