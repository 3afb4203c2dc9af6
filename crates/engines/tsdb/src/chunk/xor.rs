//! Float chunks: XOR (encoding 1), read and written, and XOR2 (encoding 4), read.
//!
//! XOR: sample count as big-endian u16; then the first sample as varint time and 64 value bits; the
//! second as uvarint time delta and XORed value; each further one as delta of deltas and XORed value.

use model::storage::TimeRange;
use model::{STALE_NAN_BITS, Samples};

use super::bits::{BitReader, BitWriter, signed, zigzag};
use super::{ChunkError, sample_count};

/// What the encoder remembers between two samples, besides the last sample itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct XorState {
    /// Last difference of times.
    pub(crate) delta: u64,
    pub(crate) window: XorWindow,
    /// Unused bits of the last byte.
    pub(crate) free: u8,
    /// Samples so far. They stand in the header only once [`set_count`] was called, so that an
    /// append touches the end of the chunk alone.
    pub(crate) count: u16,
}

/// The span of significant bits that the last differing value used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XorWindow {
    leading: u8,
    trailing: u8,
}

impl Default for XorWindow {
    fn default() -> Self {
        XorWindow { leading: 0xff, trailing: 0 }
    }
}

impl XorWindow {
    /// How an XOR is written: prefix, its bits, significant bits, how many.
    #[inline(always)]
    fn parts(&mut self, xor: u64) -> (u64, u32, u64, u32) {
        if xor == 0 {
            return (0, 1, 0, 0);
        }
        let leading = (xor.leading_zeros() as u8).min(31);
        let trailing = xor.trailing_zeros() as u8;
        let (prefix, prefix_bits);
        if self.leading != 0xff && leading >= self.leading && trailing >= self.trailing {
            (prefix, prefix_bits) = (0b10, 2);
        } else {
            let width = 64 - u64::from(leading) - u64::from(trailing);
            (self.leading, self.trailing) = (leading, trailing);
            // 64 does not fit six bits and is written as 0.
            (prefix, prefix_bits) = (0b11 << 11 | u64::from(leading) << 6 | width & 0x3f, 13);
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        (prefix, prefix_bits, xor >> self.trailing, width)
    }

    /// Writes a value as XOR with the one before.
    #[inline]
    pub(crate) fn write(&mut self, out: &mut BitWriter<'_>, previous: u64, value: u64) {
        let (prefix, prefix_bits, significant, width) = self.parts(previous ^ value);
        out.bits(prefix, prefix_bits);
        out.bits(significant, width);
    }

    /// Whether a difference fits the window that was set last.
    fn fits(&self, xor: u64) -> bool {
        let leading = (xor.leading_zeros() as u8).min(31);
        self.leading != 0xff && leading >= self.leading && xor.trailing_zeros() as u8 >= self.trailing
    }

    /// Writes a difference that is not 0, in the window that was set last or in a new one.
    fn write_bits(&mut self, out: &mut BitWriter<'_>, xor: u64, reused: bool) {
        if !reused {
            (self.leading, self.trailing) = ((xor.leading_zeros() as u8).min(31), xor.trailing_zeros() as u8);
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        if !reused {
            out.bits(u64::from(self.leading) << 6 | u64::from(width & 0x3f), 11);
        }
        out.bits(xor >> self.trailing, width);
    }

    /// Writes a value as XOR2 does where its prefix says nothing about the value.
    pub(super) fn write_xor2(&mut self, out: &mut BitWriter<'_>, baseline: u64, value: u64) {
        match value {
            STALE_NAN_BITS => out.bits(0b111, 3),
            value if value == baseline => out.bits(0, 1),
            value => {
                out.bits(1, 1);
                self.write_changed(out, baseline ^ value, (0b10, 2));
            }
        }
    }

    /// The rest of a changed value in XOR2: a 0 if it goes on with the window, or the mark of a new one,
    /// which differs by what stands before; then its bits.
    pub(super) fn write_changed(&mut self, out: &mut BitWriter<'_>, xor: u64, new_window: (u64, u32)) {
        let reused = self.fits(xor);
        match reused {
            true => out.bits(0, 1),
            false => out.bits(new_window.0, new_window.1),
        }
        self.write_bits(out, xor, reused);
    }

    /// Reads a value written by [`XorWindow::write`].
    #[inline(always)]
    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>, previous: u64) -> Result<u64, ChunkError> {
        let word = bits.peek();
        if word >> 63 == 0 {
            bits.skip(1);
            return Ok(previous);
        }
        if word >> 62 == 0b10 {
            bits.skip(2);
            self.read_reused(bits, previous)
        } else {
            bits.skip(2);
            self.read_new(bits, previous)
        }
    }

    #[inline(always)]
    fn read_reused(&self, bits: &mut BitReader<'_>, previous: u64) -> Result<u64, ChunkError> {
        if self.leading == 0xff {
            return Err(ChunkError::Malformed("a value window is reused before one was set"));
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        Ok(previous ^ (bits.bits(width) << self.trailing))
    }

    #[inline(always)]
    fn read_new(&mut self, bits: &mut BitReader<'_>, previous: u64) -> Result<u64, ChunkError> {
        let word = bits.peek();
        let leading = (word >> 59) as u8;
        let width = match (word >> 53 & 0x3f) as u8 {
            0 => 64,
            width => width,
        };
        if leading + width > 64 {
            return Err(ChunkError::Malformed("a value window wider than 64 bits"));
        }
        bits.skip(11);
        (self.leading, self.trailing) = (leading, 64 - leading - width);
        Ok(previous ^ (bits.bits(u32::from(width)) << self.trailing))
    }
}

/// Room for one sample. The longest takes 20 bytes; stores go beyond what is written.
pub(crate) const SAMPLE_ROOM_BYTES: usize = 32;

/// Appends a sample to an XOR chunk; `bytes` is empty for the first one. `last` is the sample
/// before; it is not looked at for the first one.
#[inline]
pub(crate) fn append(bytes: &mut Vec<u8>, state: &mut XorState, last: (i64, u64), time_ms: i64, value: u64) {
    if bytes.is_empty() {
        *state = XorState::default();
    }
    let at = bytes.len() - usize::from(state.free > 0).min(bytes.len());
    bytes.resize(at + SAMPLE_ROOM_BYTES, 0);
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        let length = encode(state, place, last, time_ms, value);
        bytes.truncate(at + length);
    }
}

/// Encodes the next sample of a chunk; the first one with the header before it. If `XorState::free` is not 0,
/// `place` begins with the last byte of the chunk, else behind it. Gives how many bytes of `place` count.
#[inline(always)]
pub(crate) fn encode(
    state: &mut XorState,
    place: &mut [u8; SAMPLE_ROOM_BYTES],
    last: (i64, u64),
    time_ms: i64,
    value: u64,
) -> usize {
    let delta = time_ms.wrapping_sub(last.0) as u64;
    let dod = delta.wrapping_sub(state.delta) as i64;
    // All bits are put together first, as no sample but one after a gap of days has more than 108 with what the
    // last byte holds.
    let (time, time_bits) = match dod {
        _ if state.count < 2 => return encode_early(state, place, last, time_ms, value),
        0 => (0u64, 1),
        -8191..=8192 => (0b10 << 14 | dod as u64 & 0x3fff, 16),
        -65535..=65536 => (0b110 << 17 | dod as u64 & 0x1_ffff, 20),
        -524287..=524288 => (0b1110 << 20 | dod as u64 & 0xf_ffff, 24),
        _ => return encode_early(state, place, last, time_ms, value),
    };
    let held = (8 - u32::from(state.free)) & 7;
    state.delta = delta;
    state.count += 1;
    let (prefix, prefix_bits, significant, width) = state.window.parts(last.1 ^ value);
    let (word, count) = (time << prefix_bits | prefix, time_bits + prefix_bits);
    let bits = held + count + width;
    state.free = (bits.wrapping_neg() & 7) as u8;
    let begun = u64::from(place[0]) & (0xff00 >> held & 0xff);
    // From the top: what the last byte held, the prefixes, the value.
    if bits <= 64 {
        let all = begun << 56 | word << (64 - held - count) | significant << (64 - bits);
        if let Some(start) = place.first_chunk_mut() {
            *start = all.to_be_bytes();
        }
    } else {
        let prefixes = u128::from(begun) << 120 | u128::from(word) << (128 - held - count);
        let all = prefixes | u128::from(significant) << (128 - bits);
        if let Some(start) = place.first_chunk_mut() {
            *start = all.to_be_bytes();
        }
    }
    bits.div_ceil(8) as usize
}

/// Bits that are put into a place one behind the other.
struct PlaceWriter<'a> {
    /// Zero beyond `bits`.
    place: &'a mut [u8; SAMPLE_ROOM_BYTES],
    bits: u32,
}

impl PlaceWriter<'_> {
    /// Appends the lowest `count` bits of `value`, 1 to 64. They begin in one of the first 16 bytes.
    fn push(&mut self, value: u64, count: u32) {
        let word = u128::from(value) << ((128 - count) % 128) >> (self.bits % 8);
        let start = (self.bits / 8) as usize;
        if let Some(bytes) = self.place.get_mut(start..).and_then(|rest| rest.first_chunk_mut()) {
            *bytes = (u128::from_be_bytes(*bytes) | word).to_be_bytes();
        }
        self.bits += count;
    }

    /// Go's uvarint.
    fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.push(value, 8);
    }

    /// A value as its prefix and significant bits.
    fn value(&mut self, window: &mut XorWindow, xor: u64) {
        let (prefix, prefix_bits, significant, width) = window.parts(xor);
        self.push(prefix, prefix_bits);
        if width > 0 {
            self.push(significant, width);
        }
    }
}

/// The first two samples, and one after a gap of days.
#[cold]
fn encode_early(
    state: &mut XorState,
    place: &mut [u8; SAMPLE_ROOM_BYTES],
    last: (i64, u64),
    time_ms: i64,
    value: u64,
) -> usize {
    let held = (8 - u32::from(state.free)) & 7;
    let begun = place[0];
    *place = [0; SAMPLE_ROOM_BYTES];
    let mut out = PlaceWriter { place, bits: 0 };
    match state.count {
        0 => {
            *state = XorState::default();
            out.push(0, 16);
            out.uvarint(zigzag(time_ms));
            out.push(value, 64);
        }
        count => {
            if held > 0 {
                out.place[0] = begun;
                out.bits = held;
            }
            let delta = time_ms.wrapping_sub(last.0) as u64;
            if count == 1 {
                out.uvarint(delta);
            } else {
                out.push(0b1111, 4);
                out.push(delta.wrapping_sub(state.delta), 64);
            }
            state.delta = delta;
            out.value(&mut state.window, last.1 ^ value);
        }
    }
    let bits = out.bits;
    state.free = (bits.wrapping_neg() & 7) as u8;
    state.count += 1;
    bits.div_ceil(8) as usize
}

/// Writes the number of samples into the header.
pub(crate) fn set_count(bytes: &mut [u8], count: u16) {
    if let Some(header) = bytes.get_mut(..2) {
        header.copy_from_slice(&count.to_be_bytes());
    }
}

/// Adds the samples of an XOR chunk that lie in the range.
pub(crate) fn decode(bytes: &[u8], range: TimeRange, into: &mut Samples) -> Result<(), ChunkError> {
    let count = usize::from(sample_count(bytes)?);
    if count == 0 {
        return Ok(());
    }
    let start = into.timestamps_ms.len();
    into.timestamps_ms.resize(start + count, 0);
    into.values.resize(start + count, 0.0);
    let (times, values) = (&mut into.timestamps_ms[start..], &mut into.values[start..]);
    let decoded = decode_floats(&bytes[2..], range.end_ms, times, values);
    let kept = match &decoded {
        // What lies before the range goes too.
        Ok(count) => {
            let early = times[..*count].partition_point(|time_ms| *time_ms < range.start_ms);
            times.copy_within(early..*count, 0);
            values.copy_within(early..*count, 0);
            count - early
        }
        Err(_) => 0,
    };
    into.timestamps_ms.truncate(start + kept);
    into.values.truncate(start + kept);
    if !into.histograms.is_empty() {
        into.histograms.resize(start + kept, None);
    }
    if !into.start_timestamps_ms.is_empty() {
        into.start_timestamps_ms.resize(start + kept, 0);
    }
    decoded.map(|_| ())
}

/// Decodes as many samples as there is room for, or until one lies beyond `end_ms`; gives how many.
/// Mostly a sample's bits are all in the word that its first bits were looked up in: then that word is
/// loaded once.
fn decode_floats(
    bytes: &[u8],
    end_ms: i64,
    times: &mut [i64],
    values: &mut [f64],
) -> Result<usize, ChunkError> {
    let count = times.len();
    let mut bits = BitReader::new(bytes);
    let mut time_ms = bits.varint()?;
    let mut value = bits.bits(64);
    if time_ms > end_ms {
        bits.check()?;
        return Ok(0);
    }
    let [first_time, times @ ..] = times else { return Ok(0) };
    let [first_value, values @ ..] = values else { return Ok(0) };
    (*first_time, *first_value) = (time_ms, f64::from_bits(value));
    // The second sample has its difference of times whole: no difference of differences.
    let mut delta = if times.is_empty() { 0 } else { bits.uvarint()? };
    // The significant bits of the last value that differed: how many, and how many zeros follow. No
    // bits means that there was none yet.
    let (mut width, mut trailing) = (0u32, 0u32);
    // A copy whose address nobody has: its position stays in a register.
    let mut bits = bits;
    for (at, (time_slot, value_slot)) in times.iter_mut().zip(values).enumerate() {
        let mut word = bits.peek();
        // Bits of the word that are used up; 57 are certain.
        let mut used = u32::from(at > 0);
        if at > 0 && word >> 63 != 0 {
            let dod;
            if word >> 62 == 0b10 {
                used = 16;
                dod = signed(word >> 48 & 0x3fff, 14);
            } else if word >> 61 == 0b110 {
                used = 20;
                dod = signed(word >> 44 & 0x1_ffff, 17);
            } else if word >> 60 == 0b1110 {
                used = 24;
                dod = signed(word >> 40 & 0xf_ffff, 20);
            } else {
                bits.skip(4);
                dod = bits.bits(64) as i64;
                word = bits.peek();
                used = 0;
            }
            delta = delta.wrapping_add(dod as u64);
        }
        time_ms = time_ms.wrapping_add(delta as i64);
        let rest = word << used;
        if rest >> 63 == 0 {
            bits.skip(used + 1);
        } else {
            if rest >> 62 == 0b10 {
                used += 2;
                if width == 0 {
                    return Err(ChunkError::Malformed("a value window is reused before one was set"));
                }
            } else {
                let leading = (rest >> 57 & 0x1f) as u32;
                width = match (rest >> 51 & 0x3f) as u32 {
                    0 => 64,
                    width => width,
                };
                if leading + width > 64 {
                    return Err(ChunkError::Malformed("a value window wider than 64 bits"));
                }
                trailing = 64 - leading - width;
                used += 13;
            }
            let xor = if used + width <= 57 {
                bits.skip(used + width);
                word << used >> (64 - width)
            } else {
                bits.skip(used);
                bits.bits(width)
            };
            value ^= xor << trailing;
        }
        if time_ms > end_ms {
            // What is beyond is not looked at, whatever it is.
            bits.check()?;
            return Ok(at + 1);
        }
        *time_slot = time_ms;
        *value_slot = f64::from_bits(value);
    }
    // Zeros are read beyond the end; one look at the end suffices.
    bits.check()?;
    Ok(count)
}

/// Adds the samples of an XOR2 chunk that lie in the range, start timestamps included.
pub(crate) fn decode_xor2(bytes: &[u8], range: TimeRange, into: &mut Samples) -> Result<(), ChunkError> {
    let count = sample_count(bytes)?;
    let Some(&header) = bytes.get(2) else {
        return if count == 0 { Ok(()) } else { Err(ChunkError::Short) };
    };
    let mut bits = BitReader::new(&bytes[3..]);
    let mut start = StartTimes::new(header);
    let mut window = XorWindow::default();
    let (mut time_ms, mut delta, mut baseline) = (0i64, 0u64, 0u64);
    for at in 0..count {
        let previous_ms = time_ms;
        let value;
        match at {
            0 => {
                time_ms = bits.varint()?;
                value = bits.bits(64);
                start.first(&mut bits, time_ms)?;
            }
            1 => {
                delta = bits.uvarint()?;
                time_ms = time_ms.wrapping_add(delta as i64);
                value = read_xor2(&mut window, &mut bits, baseline)?;
                start.next(&mut bits, at, previous_ms);
            }
            _ => {
                let prefix = bits.peek().leading_ones().min(5);
                let mut dod = 0;
                match prefix {
                    0 => bits.skip(1),
                    1 => bits.skip(2),
                    2 => {
                        bits.skip(3);
                        dod = twos_complement(bits.bits(13), 13);
                    }
                    3 => {
                        bits.skip(4);
                        dod = twos_complement(bits.bits(20), 20);
                    }
                    4 => {
                        bits.skip(5);
                        dod = bits.bits(64) as i64;
                    }
                    _ => bits.skip(5),
                }
                delta = delta.wrapping_add(dod as u64);
                time_ms = time_ms.wrapping_add(delta as i64);
                value = match prefix {
                    0 => baseline,
                    1 if bits.bit() => window.read_new(&mut bits, baseline)?,
                    1 => window.read_reused(&mut bits, baseline)?,
                    5 => STALE_NAN_BITS,
                    _ => read_xor2(&mut window, &mut bits, baseline)?,
                };
                start.next(&mut bits, at, previous_ms);
            }
        }
        bits.check()?;
        if value != STALE_NAN_BITS {
            baseline = value;
        }
        if time_ms > range.end_ms {
            break;
        }
        if time_ms >= range.start_ms {
            into.push(time_ms, f64::from_bits(value));
            into.set_last_start(start.start_ms);
        }
    }
    Ok(())
}

fn read_xor2(window: &mut XorWindow, bits: &mut BitReader<'_>, baseline: u64) -> Result<u64, ChunkError> {
    match bits.peek().leading_ones() {
        0 => {
            bits.skip(1);
            Ok(baseline)
        }
        1 => {
            bits.skip(2);
            window.read_reused(bits, baseline)
        }
        2 => {
            bits.skip(3);
            window.read_new(bits, baseline)
        }
        _ => {
            bits.skip(3);
            Ok(STALE_NAN_BITS)
        }
    }
}

const fn twos_complement(value: u64, width: u32) -> i64 {
    ((value << (64 - width)) as i64) >> (64 - width)
}

/// Start timestamps in XOR2 and in histogram chunks with them: the header byte says whether the
/// first sample has one (top bit) and from which sample on they change (the other bits, 0 for never).
/// They stand as the distance from the time of the sample before.
pub(crate) struct StartTimes {
    first_known: bool,
    change_at: u16,
    distance: i64,
    pub(crate) start_ms: i64,
}

impl StartTimes {
    pub(crate) fn new(header: u8) -> Self {
        StartTimes {
            first_known: header & 0x80 != 0,
            change_at: u16::from(header & 0x7f),
            distance: 0,
            start_ms: 0,
        }
    }

    pub(crate) fn first(&mut self, bits: &mut BitReader<'_>, time_ms: i64) -> Result<(), ChunkError> {
        if self.first_known {
            self.start_ms = time_ms.wrapping_sub(bits.varint()?);
        }
        Ok(())
    }

    pub(crate) fn next(&mut self, bits: &mut BitReader<'_>, at: u16, previous_ms: i64) {
        if self.change_at != 0 && at >= self.change_at {
            self.distance = self.distance.wrapping_add(bits.varbit_int());
            self.start_ms = previous_ms.wrapping_sub(self.distance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn encode(samples: &[(i64, f64)]) -> Vec<u8> {
        let (mut bytes, mut state, mut last) = (Vec::new(), XorState::default(), (0, 0));
        for &(time_ms, value) in samples {
            append(&mut bytes, &mut state, last, time_ms, value.to_bits());
            last = (time_ms, value.to_bits());
        }
        set_count(&mut bytes, state.count);
        bytes
    }

    fn all(bytes: &[u8]) -> Vec<(i64, u64)> {
        let mut into = Samples::default();
        decode(bytes, TimeRange::ALL, &mut into).unwrap();
        into.timestamps_ms.iter().copied().zip(into.values.iter().map(|v| v.to_bits())).collect()
    }

    /// Worked out by hand from the format's description.
    #[test]
    fn a_known_chunk_has_these_bytes() {
        // Time 1000 as varint 2000 = d0 0f, value 1.0 = 3ff0..; delta 15000 as uvarint 98 75, 1.0 to 2.0
        // differ in 7ff0.. : `11`, 1 leading zero, 11 bits, eleven ones; delta of deltas 1 = `10` and
        // 14 bits, the same value = `0`: 41 bits in all.
        let bytes = encode(&[(1_000, 1.0), (16_000, 2.0), (31_001, 2.0)]);
        assert_eq!(bytes[..14], [0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x98, 0x75]);
        assert_eq!(bytes[14..], [0b1100_0010, 0b0101_1111, 0b1111_1111, 0b1000_0000, 0b0000_0001, 0]);
    }

    #[test]
    fn any_samples_come_back() {
        for seed in 1..200 {
            let mut random = Random::new(seed);
            let mut time_ms = random.below(1 << 40) as i64 - (1 << 39);
            let mut value = 0.0f64;
            let mut samples = Vec::new();
            for _ in 0..1 + random.below(200) {
                samples.push((time_ms, value));
                time_ms += 1 + match random.below(6) {
                    0 => random.below(1 << 14),
                    1 => random.below(1 << 22),
                    2 => random.below(1 << 45),
                    _ => 14_999,
                } as i64;
                value = match random.below(6) {
                    0 => value,
                    1 => f64::from_bits(random.next()),
                    2 => model::stale_nan(),
                    _ => value + random.below(100) as f64,
                };
            }
            let bytes = encode(&samples);
            let expected: Vec<_> = samples.iter().map(|&(t, v)| (t, v.to_bits())).collect();
            assert_eq!(all(&bytes), expected, "seed {seed}");
            // Any cut is an error or fewer samples, never a panic.
            for length in (0..bytes.len()).step_by(1 + bytes.len() / 30) {
                let _ = decode(&bytes[..length], TimeRange::ALL, &mut Samples::default());
                let _ = decode_xor2(&bytes[..length], TimeRange::ALL, &mut Samples::default());
            }
        }
    }

    #[test]
    fn only_the_range_is_read() {
        let samples: Vec<_> = (0..100).map(|i| (i * 10, i as f64)).collect();
        let mut into = Samples::default();
        decode(&encode(&samples), TimeRange { start_ms: 105, end_ms: 200 }, &mut into).unwrap();
        assert_eq!((into.timestamps_ms[0], into.len()), (110, 10));
    }

    #[test]
    fn a_known_xor2_chunk_reads_back() {
        // Written by hand: 2 samples as in XOR, then dod 0 unchanged, then a stale marker, then
        // dod 5 (13 bits) with an unchanged value.
        let (mut bytes, mut free) = (vec![0, 5, 0], 0);
        let mut out = BitWriter { bytes: &mut bytes, free: &mut free };
        out.varint(1_000);
        out.bits(4.0f64.to_bits(), 64);
        out.uvarint(100);
        out.bits(0, 1);
        out.bits(0, 1);
        out.bits(0b11111, 5);
        out.bits(0b110, 3);
        out.bits(5, 13);
        out.bits(0, 1);
        let mut into = Samples::default();
        decode_xor2(&bytes, TimeRange::ALL, &mut into).unwrap();
        assert_eq!(into.timestamps_ms, [1_000, 1_100, 1_200, 1_300, 1_405]);
        let bits: Vec<_> = into.values.iter().map(|v| v.to_bits()).collect();
        let four = 4.0f64.to_bits();
        assert_eq!(bits, [four, four, four, STALE_NAN_BITS, four]);
    }

    #[test]
    fn start_timestamps_of_xor2_are_read() {
        let (mut bytes, mut free) = (vec![0, 3, 0x80 | 2], 0);
        let mut out = BitWriter { bytes: &mut bytes, free: &mut free };
        out.varint(1_000);
        out.bits(0, 64);
        out.varint(400); // starts at 600
        out.uvarint(100);
        out.bits(0, 1);
        out.bits(0, 1); // third: same step, same value
        out.varbit_int(50); // starts at 1100 - 50
        let mut into = Samples::default();
        decode_xor2(&bytes, TimeRange::ALL, &mut into).unwrap();
        assert_eq!(into.start_timestamps_ms, [600, 600, 1_050]);
    }
}
