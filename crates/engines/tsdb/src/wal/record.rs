//! What the log holds: records of a type and a payload, each framed as
//! `length u32 | CRC-32C u32 | type u8 | payload` (little endian; the length counts type and payload,
//! the checksum covers both). Numbers in payloads are varints unless said.

use super::samples::{self, LoggedColumns, SAMPLES_PER_RECORD};
use super::side::{self, FIRST, Side};
use crate::chunk::Encoding;
use crate::chunk::bits::{unzigzag, zigzag};
use crate::error::Error;

/// First bytes of every file of the log: magic and version.
pub(crate) const FILE_HEADER: &[u8; 8] = b"PMTWAL\0\x02";
/// The version before wrote samples as records of kind [`SAMPLES`] and is read still.
pub(crate) const FILE_HEADER_1: &[u8; 8] = b"PMTWAL\0\x01";
/// Length and checksum.
pub(crate) const FRAME_BYTES: usize = 8;
/// A record that claims to be longer is damaged.
pub(crate) const RECORD_MAX_BYTES: usize = 256 << 20;
/// Bytes of labels after which a batch is continued in another record.
const LABEL_BYTES_PER_RECORD: usize = 4 << 20;
/// Bytes of chunks after which a series is continued in another record; a single chunk may be larger.
const CHUNK_BYTES_PER_RECORD: usize = 16 << 20;

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const HISTOGRAMS: u8 = 3;
const CHUNKS: u8 = 4;
const TOMBSTONES: u8 = 5;
const BOUND: u8 = 6;

/// Whether a record names series.
pub(crate) fn names_series(body: &[u8]) -> bool {
    body.first() == Some(&SERIES)
}

/// Whether a record says since when series have been counting.
pub(crate) fn says_starts(body: &[u8]) -> bool {
    body.first() == Some(&side::STARTS)
}

/// A float sample as version 1 logged it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoggedSample {
    pub(crate) id: u32,
    pub(crate) time_ms: i64,
    /// Bits of the value, XORed with those of the series' previous value in the same segment (or 0).
    pub(crate) xor: u64,
}

/// The labels of a series, in order of their names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoggedLabels<'a> {
    pub(crate) pairs: &'a [(&'a str, &'a str)],
    /// Of each whether it is that of the series before at the same place. Of the first series in a record none
    /// is.
    pub(crate) unchanged: &'a [bool],
}

/// The closed chunks of a series and its last sample, in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LoggedChunks<'a> {
    pub(crate) id: u32,
    pub(crate) last_ms: i64,
    pub(crate) last_value: u64,
    pub(crate) chunks: Vec<LoggedChunk<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoggedChunk<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) bytes: &'a [u8],
}

/// Takes what a log is read into.
pub(crate) trait Replay {
    /// Values in what follows are differences to others in it.
    fn begin_file(&mut self);
    /// The file has been read.
    fn end_file(&mut self) -> Result<(), Error>;
    fn series(&mut self, id: u32, labels: LoggedLabels<'_>) -> Result<(), Error>;
    /// Samples of a log of version 1.
    fn samples(&mut self, samples: &[LoggedSample]) -> Result<(), Error>;
    fn columns(&mut self, columns: LoggedColumns<'_>) -> Result<(), Error>;
    /// A histogram, as a chunk of one sample.
    fn histogram(&mut self, id: u32, chunk: &[u8]) -> Result<(), Error>;
    fn chunks(&mut self, chunks: LoggedChunks<'_>) -> Result<(), Error>;
    fn tombstone(&mut self, id: u32, min_ms: i64, max_ms: i64) -> Result<(), Error>;
    /// Everything before a time is in a block, if the block with this name exists ("" for surely).
    fn bound(&mut self, before_ms: i64, block: &str) -> Result<(), Error>;
    /// What stands beside the samples in order.
    fn side(&mut self, side: Side<'_>) -> Result<(), Error>;
}

pub(super) fn frame(out: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    out.push(kind);
    payload(out);
    let body = start + FRAME_BYTES;
    let length = (out.len() - body) as u32;
    let checksum = crc32c::crc32c(&out[body..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..body].copy_from_slice(&checksum.to_le_bytes());
}

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Logs new series: number, then label by label what differs from the series before it: 0 for the
/// same pair at the same place, 1 for the same name, 2 for neither.
pub(crate) fn write_series<'a>(
    out: &mut Vec<u8>,
    series: impl Iterator<Item = (u32, impl Iterator<Item = (&'a str, &'a str)>)>,
) {
    let mut series = series.peekable();
    while series.peek().is_some() {
        frame(out, SERIES, |out| {
            let start = out.len();
            let mut before: Vec<(&str, &str)> = Vec::new();
            while out.len() - start < LABEL_BYTES_PER_RECORD {
                let Some((id, labels)) = series.next() else { break };
                let labels: Vec<_> = labels.collect();
                put(out, u64::from(id));
                put(out, labels.len() as u64);
                for (at, &(name, value)) in labels.iter().enumerate() {
                    match before.get(at) {
                        Some(&(n, v)) if n == name && v == value => out.push(0),
                        Some(&(n, _)) if n == name => {
                            out.push(1);
                            put_text(out, value);
                        }
                        _ => {
                            out.push(2);
                            put_text(out, name);
                            put_text(out, value);
                        }
                    }
                }
                before = labels;
            }
        });
    }
}

/// Logs a histogram, given as a chunk of one sample.
pub(crate) fn write_histogram(out: &mut Vec<u8>, id: u32, chunk: &[u8]) {
    frame(out, HISTOGRAMS, |out| {
        put(out, u64::from(id));
        out.extend_from_slice(chunk);
    });
}

/// Logs a series' chunks, in several records if they are large: what is longer than
/// [`RECORD_MAX_BYTES`] is not read back.
pub(crate) fn write_chunks(out: &mut Vec<u8>, chunks: &LoggedChunks<'_>) {
    chunks_of(out, CHUNKS, chunks);
}

/// The same as another kind of record.
pub(super) fn chunks_of(out: &mut Vec<u8>, kind: u8, chunks: &LoggedChunks<'_>) {
    let mut rest = chunks.chunks.as_slice();
    loop {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|chunk| {
            bytes += chunk.bytes.len();
            bytes <= CHUNK_BYTES_PER_RECORD
        });
        let count = fitting.count().max(1).min(rest.len());
        let (now, later) = rest.split_at(count);
        frame(out, kind, |out| {
            put(out, u64::from(chunks.id));
            put(out, zigzag(chunks.last_ms));
            put(out, chunks.last_value);
            for chunk in now {
                out.push(chunk.encoding as u8);
                put(out, zigzag(chunk.min_ms));
                put(out, zigzag(chunk.max_ms.wrapping_sub(chunk.min_ms)));
                put(out, chunk.bytes.len() as u64);
                out.extend_from_slice(chunk.bytes);
            }
        });
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

/// Logs that samples of a series were deleted.
pub(crate) fn write_tombstone(out: &mut Vec<u8>, id: u32, min_ms: i64, max_ms: i64) {
    frame(out, TOMBSTONES, |out| {
        put(out, u64::from(id));
        put(out, zigzag(min_ms));
        put(out, zigzag(max_ms));
    });
}

/// Logs that everything before a time is in a block.
pub(crate) fn write_bound(out: &mut Vec<u8>, before_ms: i64, block: &str) {
    frame(out, BOUND, |out| {
        put(out, zigzag(before_ms));
        out.extend_from_slice(block.as_bytes());
    });
}

/// Reads a payload whose checksum was right; what does not parse all the same is an error of the
/// program that wrote it.
pub(crate) fn read(body: &[u8], into: &mut dyn Replay, samples: &mut Vec<LoggedSample>) -> Result<(), Error> {
    let malformed = || Error::Corrupt("a record of the write-ahead log does not parse".into());
    let (&kind, payload) = body.split_first().ok_or_else(malformed)?;
    let mut reader = Reader(payload);
    match kind {
        SERIES => read_series(&mut reader, into),
        SAMPLES => {
            samples.clear();
            read_samples(&mut reader, samples).ok_or_else(malformed).and_then(|()| into.samples(samples))
        }
        samples::KIND => {
            LoggedColumns::read(&mut reader).ok_or_else(malformed).and_then(|columns| into.columns(columns))
        }
        HISTOGRAMS => {
            let id = reader.id().ok_or_else(malformed)?;
            into.histogram(id, reader.0)
        }
        CHUNKS => read_chunks(&mut reader).ok_or_else(malformed).and_then(|chunks| into.chunks(chunks)),
        TOMBSTONES => {
            let parts = (|| Some((reader.id()?, reader.signed()?, reader.signed()?)))();
            let (id, min_ms, max_ms) = parts.ok_or_else(malformed)?;
            into.tombstone(id, min_ms, max_ms)
        }
        BOUND => {
            let before_ms = reader.signed().ok_or_else(malformed)?;
            into.bound(before_ms, std::str::from_utf8(reader.0).map_err(|_| malformed())?)
        }
        FIRST.. => match side::read(kind, &mut reader).ok_or_else(malformed)? {
            Some(side) => into.side(side),
            // A newer version may log more.
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    pub(super) fn id(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length.try_into().ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

fn read_series(reader: &mut Reader<'_>, into: &mut dyn Replay) -> Result<(), Error> {
    let malformed = || Error::Corrupt("a series record of the write-ahead log does not parse".into());
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut unchanged = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.id().ok_or_else(malformed)?;
        let count = reader.number().ok_or_else(malformed)? as usize;
        unchanged.clear();
        for at in 0..count {
            let code = reader.byte().ok_or_else(malformed)?;
            let pair = match code {
                0 => *pairs.get(at).ok_or_else(malformed)?,
                1 => (pairs.get(at).ok_or_else(malformed)?.0, reader.text().ok_or_else(malformed)?),
                _ => (reader.text().ok_or_else(malformed)?, reader.text().ok_or_else(malformed)?),
            };
            unchanged.push(code == 0);
            match pairs.get_mut(at) {
                Some(slot) => *slot = pair,
                None => pairs.push(pair),
            }
        }
        pairs.truncate(count);
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(malformed());
        }
        into.series(id, LoggedLabels { pairs: &pairs, unchanged: &unchanged })?;
    }
    Ok(())
}

/// Reads what version 1 wrote: count; runs of numbers (difference to the last number, length and whether it
/// ascends by one or repeats); times (one for all, or differences); a bitmap of changed values; for each
/// changed one a byte that says how many zero bytes its XOR has at both ends, and the bytes between.
fn read_samples(reader: &mut Reader<'_>, into: &mut Vec<LoggedSample>) -> Option<()> {
    let count = usize::try_from(reader.number()?).ok().filter(|&c| c <= SAMPLES_PER_RECORD)?;
    into.reserve(count);
    let mut last = 0u32;
    while into.len() < count {
        let first = u32::try_from(i64::from(last).checked_add(reader.signed()?)?).ok()?;
        let run = reader.number()?;
        let (length, step) = ((run >> 1) as usize, (run & 1) as u32);
        if length == 0 || length > count - into.len() {
            return None;
        }
        last = first.checked_add((length as u32 - 1) * step)?;
        into.extend((0..length as u32).map(|at| LoggedSample { id: first + at * step, time_ms: 0, xor: 0 }));
    }
    if count == 0 {
        return Some(());
    }
    let constant = reader.byte()? == 0;
    let mut time_ms = reader.signed()?;
    for (at, sample) in into.iter_mut().enumerate() {
        if at > 0 && !constant {
            time_ms = time_ms.wrapping_add(reader.signed()?);
        }
        sample.time_ms = time_ms;
    }
    let changed = reader.bytes(count.div_ceil(8) as u64)?;
    for (at, sample) in into.iter_mut().enumerate() {
        if changed[at / 8] >> (at % 8) & 1 == 0 {
            continue;
        }
        let control = u32::from(reader.byte()?);
        let (high, low) = (control >> 4, control & 0xf);
        let length = 8u32.checked_sub(high + low)?;
        let mut word = [0; 8];
        word[..length as usize].copy_from_slice(reader.bytes(u64::from(length))?);
        sample.xor = u64::from_le_bytes(word).checked_shl(low * 8)?;
    }
    Some(())
}

pub(super) fn read_chunks<'a>(reader: &mut Reader<'a>) -> Option<LoggedChunks<'a>> {
    let mut read = LoggedChunks {
        id: reader.id()?,
        last_ms: reader.signed()?,
        last_value: reader.number()?,
        chunks: Vec::new(),
    };
    while !reader.0.is_empty() {
        let encoding = Encoding::from_byte(reader.byte()?).ok()?;
        let min_ms = reader.signed()?;
        let max_ms = min_ms.wrapping_add(reader.signed()?);
        let length = reader.number()?;
        read.chunks.push(LoggedChunk { encoding, min_ms, max_ms, bytes: reader.bytes(length)? });
    }
    Some(read)
}
