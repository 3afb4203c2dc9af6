//! Bits, most significant first, as Prometheus's chunks pack them, and its variable-length integers.

use super::ChunkError;

/// Appends bits to bytes. `free` is how many bits of the last byte are still unused (0 to 7); the
/// owner keeps it next to the bytes.
pub(crate) struct BitWriter<'a> {
    pub(crate) bytes: &'a mut Vec<u8>,
    pub(crate) free: &'a mut u8,
}

impl BitWriter<'_> {
    /// Appends the lowest `count` bits of `value`, 0 to 64.
    #[inline]
    pub(crate) fn bits(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        let mut left = count;
        // Aligned to the top, so that bytes come off at the high end.
        let mut value = value << (64 - count);
        let free = u32::from(*self.free);
        if free > 0 {
            let last = self.bytes.len() - 1;
            self.bytes[last] |= (value >> (64 - free)) as u8;
            if left <= free {
                *self.free = (free - left) as u8;
                return;
            }
            value <<= free;
            left -= free;
        }
        let whole = left.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&value.to_be_bytes()[..whole]);
        *self.free = (whole as u32 * 8 - left) as u8;
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bits(u64::from(byte), 8);
    }

    /// Go's uvarint, byte by byte through the bit stream.
    pub(crate) fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Go's varint (zigzag), byte by byte through the bit stream.
    pub(crate) fn varint(&mut self, value: i64) {
        self.uvarint(zigzag(value));
    }

    /// `varbit_int`: a unary prefix that names the width, then the value.
    pub(crate) fn varbit_int(&mut self, value: i64) {
        if value == 0 {
            return self.bits(0, 1);
        }
        for (at, width) in VARBIT_WIDTHS.into_iter().enumerate() {
            let upper = 1i64 << (width - 1);
            if value > -upper && value <= upper {
                return self.varbit(at, width, value as u64);
            }
        }
        self.bits(0xff, 8);
        self.bits(value as u64, 64);
    }

    /// `varbit_uint`: the same for what is never negative.
    pub(crate) fn varbit_uint(&mut self, value: u64) {
        if value == 0 {
            return self.bits(0, 1);
        }
        for (at, width) in VARBIT_WIDTHS.into_iter().enumerate() {
            if value < 1 << width {
                return self.varbit(at, width, value);
            }
        }
        self.bits(0xff, 8);
        self.bits(value, 64);
    }

    fn varbit(&mut self, at: usize, width: u32, value: u64) {
        // `10`, `110`, ... `11111110`
        let prefix_bits = at as u32 + 2;
        self.bits((1 << prefix_bits) - 2, prefix_bits);
        self.bits(value & ((1 << width) - 1), width);
    }
}

/// Widths of `varbit` values by the number of ones in the prefix; eight ones mean 64 bits.
const VARBIT_WIDTHS: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];

/// Zigzag: small numbers of both signs become small unsigned ones.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The reverse of [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads bits from bytes by position: an unaligned load of eight bytes at any bit, which costs half
/// of what a refilled buffer does. Beyond the end zeros are read; [`BitReader::check`] tells.
#[derive(Clone, Copy)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The last eight bytes, or all if there are fewer, at the low end of a word.
    tail: u64,
    /// Position in bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let last = &bytes[bytes.len().saturating_sub(8)..];
        let tail = last.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        BitReader { bytes, tail, at: 0 }
    }

    /// Fails if more was read than there is.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), ChunkError> {
        if self.at <= self.bytes.len() * 8 { Ok(()) } else { Err(ChunkError::Short) }
    }

    /// The next 57 bits or more, at the top of a word.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u64 {
        let (byte, bit) = (self.at >> 3, self.at & 7);
        match self.bytes.get(byte..byte + 8).and_then(|b| b.try_into().ok()) {
            Some(word) => u64::from_be_bytes(word) << bit,
            None => self.peek_tail(byte) << bit,
        }
    }

    /// A word of which some bytes lie beyond the end: those are zeros.
    #[inline(always)]
    fn peek_tail(&self, byte: usize) -> u64 {
        match self.bytes.len().saturating_sub(byte) {
            0 => 0,
            left => self.tail << (64 - 8 * left.min(8)),
        }
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }

    /// The next `count` bits, 1 to 64.
    #[inline(always)]
    pub(crate) fn bits(&mut self, count: u32) -> u64 {
        let mut word = self.peek();
        let bit = self.at & 7;
        if bit as u32 + count > 64 {
            // The ninth byte holds the rest.
            let ninth = self.bytes.get((self.at >> 3) + 8).copied().unwrap_or(0);
            word |= u64::from(ninth) >> (8 - bit);
        }
        self.at += count as usize;
        word >> (64 - count)
    }

    #[inline(always)]
    pub(crate) fn bit(&mut self) -> bool {
        self.bits(1) == 1
    }

    /// Go's uvarint.
    pub(crate) fn uvarint(&mut self) -> Result<u64, ChunkError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.bits(8);
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                self.check()?;
                return Ok(value);
            }
        }
        Err(ChunkError::Malformed("a varint longer than ten bytes"))
    }

    /// Go's varint.
    pub(crate) fn varint(&mut self) -> Result<i64, ChunkError> {
        self.uvarint().map(unzigzag)
    }

    fn varbit(&mut self) -> (u32, u64) {
        let ones = self.peek().leading_ones().min(8);
        match ones {
            0 => {
                self.skip(1);
                (0, 0)
            }
            8 => {
                self.skip(8);
                (64, self.bits(64))
            }
            ones => {
                self.skip(ones + 1);
                let width = VARBIT_WIDTHS[ones as usize - 1];
                (width, self.bits(width))
            }
        }
    }

    pub(crate) fn varbit_int(&mut self) -> i64 {
        let (width, value) = self.varbit();
        if width == 0 || width == 64 { value as i64 } else { signed(value, width) }
    }

    pub(crate) fn varbit_uint(&mut self) -> u64 {
        self.varbit().1
    }
}

/// A value of `width` bits whose range is `-(2^(width-1)-1) ..= 2^(width-1)`: the upper end is positive.
#[inline(always)]
pub(crate) const fn signed(value: u64, width: u32) -> i64 {
    if value > 1 << (width - 1) { value as i64 - (1 << width) } else { value as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_come_back() {
        let mut values = vec![0i64, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1];
        for shift in 0..63 {
            for around in -2..=2 {
                values.push((1i64 << shift) + around);
                values.push(-(1i64 << shift) + around);
            }
        }
        let (mut bytes, mut free) = (Vec::new(), 0);
        for &value in &values {
            let mut writer = BitWriter { bytes: &mut bytes, free: &mut free };
            writer.bits(1, 1);
            writer.varbit_int(value);
            writer.varbit_uint(value as u64);
            writer.varint(value);
            writer.bits(value as u64, 64);
        }
        let mut reader = BitReader::new(&bytes);
        for &value in &values {
            assert!(reader.bit());
            assert_eq!(reader.varbit_int(), value);
            assert_eq!(reader.varbit_uint(), value as u64);
            assert_eq!(reader.varint().unwrap(), value);
            assert_eq!(reader.bits(64), value as u64);
        }
        reader.check().unwrap();
    }

    #[test]
    fn reading_past_the_end_is_noticed() {
        let mut reader = BitReader::new(&[0xff, 0xff]);
        reader.bits(17);
        assert!(reader.check().is_err());
    }
}
