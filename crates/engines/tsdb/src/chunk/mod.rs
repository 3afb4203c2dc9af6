//! Chunks: about 120 samples of one series, encoded as Prometheus does.

pub(crate) mod bits;
pub(crate) mod histogram;
mod starts;
pub(crate) mod xor;

use model::Samples;
use model::storage::TimeRange;

use crate::error::Error;

/// Samples of a chunk as it should be, as in Prometheus. In the head a chunk may have up to
/// [`SAMPLES_PER_CHUNK_MAX`], for the chunks of a block range are planned to be even.
pub(crate) const SAMPLES_PER_CHUNK: u16 = 120;

/// Samples after which a chunk of the head is closed whatever was planned, as in Prometheus.
pub(crate) const SAMPLES_PER_CHUNK_MAX: u16 = 2 * SAMPLES_PER_CHUNK;

/// How a chunk is encoded; the number stands in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Floats.
    Xor = 1,
    /// Native histograms with integer counts.
    Histogram = 2,
    /// Native histograms with float counts.
    FloatHistogram = 3,
    /// Floats, newer form, with start timestamps.
    Xor2 = 4,
    /// Integer histograms with start timestamps.
    HistogramSt = 5,
    /// Float histograms with start timestamps.
    FloatHistogramSt = 6,
}

impl Encoding {
    /// The encoding of this number.
    pub(crate) fn from_byte(byte: u8) -> Result<Self, ChunkError> {
        Ok(match byte {
            1 => Encoding::Xor,
            2 => Encoding::Histogram,
            3 => Encoding::FloatHistogram,
            4 => Encoding::Xor2,
            5 => Encoding::HistogramSt,
            6 => Encoding::FloatHistogramSt,
            other => return Err(ChunkError::Encoding(other)),
        })
    }

    /// Whether the samples are histograms.
    pub(crate) fn is_histogram(self) -> bool {
        !matches!(self, Encoding::Xor | Encoding::Xor2)
    }
}

/// Why a chunk cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    /// It ends before its samples do.
    #[error("the chunk ends too early")]
    Short,
    /// It holds something that cannot be.
    #[error("malformed chunk: {0}")]
    Malformed(&'static str),
    /// Its encoding is unknown.
    #[error("unknown chunk encoding {0}")]
    Encoding(u8),
}

/// Adds the samples of a chunk that lie in the range.
pub(crate) fn decode(
    encoding: Encoding,
    bytes: &[u8],
    range: TimeRange,
    into: &mut Samples,
) -> Result<(), ChunkError> {
    match encoding {
        Encoding::Xor => xor::decode(bytes, range, into),
        Encoding::Xor2 => xor::decode_xor2(bytes, range, into),
        other => histogram::decode(other, bytes, range, into),
    }
}

/// How many samples the header of a chunk of any encoding says.
pub(crate) fn count_samples(encoding: Encoding, bytes: &[u8]) -> Result<u16, ChunkError> {
    let count = sample_count(bytes)?;
    Ok(match encoding {
        // The two highest bits tell of counter resets.
        Encoding::HistogramSt | Encoding::FloatHistogramSt => count & 0x3fff,
        _ => count,
    })
}

fn sample_count(bytes: &[u8]) -> Result<u16, ChunkError> {
    match bytes {
        [high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(ChunkError::Short),
    }
}

/// A finished chunk.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// How it is encoded.
    pub encoding: Encoding,
    /// Time of its first sample, milliseconds since the epoch.
    pub min_ms: i64,
    /// Time of its last sample.
    pub max_ms: i64,
    /// The chunk, without length and checksum.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// A chunk that another server sent, its encoding by number. Nothing of it is believed but that its
    /// samples can be counted.
    pub fn received(encoding: u8, min_ms: i64, max_ms: i64, bytes: Vec<u8>) -> Result<Chunk, Error> {
        let encoding = Encoding::from_byte(encoding).map_err(unreadable)?;
        count_samples(encoding, &bytes).map_err(unreadable)?;
        Ok(Chunk { encoding, min_ms, max_ms, bytes })
    }

    /// How many samples its header says it has.
    pub fn sample_count(&self) -> u64 {
        count_samples(self.encoding, &self.bytes).map_or(0, u64::from)
    }

    /// Adds its samples that lie in the range.
    pub fn read(&self, range: TimeRange, into: &mut Samples) -> Result<(), Error> {
        decode(self.encoding, &self.bytes, range, into).map_err(unreadable)
    }
}

fn unreadable(error: ChunkError) -> Error {
    Error::Corrupt(format!("a received chunk: {error}"))
}

/// Encodes samples into chunks of at most [`SAMPLES_PER_CHUNK`]. If start timestamps are known, they are
/// in them: floats are encoded as XOR2 then.
pub fn encode(samples: &Samples) -> Vec<Chunk> {
    encode_as(samples, samples.start_timestamps_ms.iter().any(|&start_ms| start_ms != 0))
}

/// The same, with start timestamps whether they are known or not: floats as XOR2.
pub(crate) fn encode_as(samples: &Samples, with_starts: bool) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut state = xor::XorState::default();
    let mut floats = starts::Xor2Appender::default();
    let mut histograms = histogram::HistogramAppender::new(with_starts);
    let (mut last, mut count) = ((0, 0), 0);
    for at in 0..samples.len() {
        let time_ms = samples.timestamps_ms[at];
        let is_histogram = samples.histogram(at).is_some();
        let fits = |chunk: &Chunk| chunk.encoding.is_histogram() == is_histogram;
        let appendable = count < SAMPLES_PER_CHUNK && chunks.last().is_some_and(fits);
        let cut = match samples.histogram(at) {
            Some(histogram) => match appendable {
                true => histograms.needs_cut(histogram),
                false => Some(histograms.reset_flag(histogram, !chunks.is_empty())),
            },
            None => (!appendable).then_some(histogram::ResetFlag::Unknown),
        };
        if let Some(flag) = cut {
            chunks.push(Chunk {
                encoding: Encoding::Xor,
                min_ms: time_ms,
                max_ms: time_ms,
                bytes: Vec::new(),
            });
            histograms.begin(flag);
            count = 0;
        }
        let Some(chunk) = chunks.last_mut() else { continue };
        match samples.histogram(at) {
            Some(histogram) => {
                histograms.append_started(&mut chunk.bytes, time_ms, histogram, samples.start_ms(at));
                chunk.encoding = histograms.encoding();
            }
            None if with_starts => {
                let value = samples.values[at].to_bits();
                floats.append(&mut chunk.bytes, time_ms, value, samples.start_ms(at));
                chunk.encoding = Encoding::Xor2;
            }
            None => {
                let value = samples.values[at].to_bits();
                xor::append(&mut chunk.bytes, &mut state, last, time_ms, value);
                xor::set_count(&mut chunk.bytes, state.count);
                last = (time_ms, value);
            }
        }
        chunk.max_ms = time_ms;
        count += 1;
    }
    chunks
}

/// The sample count in the header of a chunk without start timestamps; 0 if there is no header.
#[inline]
pub(crate) fn sample_count_or_zero(bytes: &[u8]) -> u16 {
    sample_count(bytes).unwrap_or(0)
}
