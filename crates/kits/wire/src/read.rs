//! Remote read: `prometheus.ReadRequest` read, and both of its answers written.
//!
//! Field numbers: `remote.proto` and `types.proto` of Prometheus. Frames of the streamed answer: the
//! message's length as a variable-length number, its CRC-32C big-endian, the message.

use crate::remote::{SeriesEncoder, TimeSeries, WriteRequestEncoder, label};
use crate::{DecodeError, Reader, Writer};

/// Queries of one request, and matchers of one query.
const COUNT_MAX: usize = 1024;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRequest<'a> {
    /// What is asked for.
    pub queries: Vec<ReadQuery<'a>>,
    /// Answers that the client understands, the best first; none means [`ResponseType::Samples`].
    pub accepted: Vec<u64>,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// One `ReadResponse` with all samples.
    Samples = 0,
    /// A stream of `ChunkedReadResponse`.
    StreamedXorChunks = 1,
}

/// One selection of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadQuery<'a> {
    /// First millisecond since the epoch.
    pub start_ms: i64,
    /// Last millisecond.
    pub end_ms: i64,
    /// All of them must match.
    pub matchers: Vec<ReadMatcher<'a>>,
}

/// One matcher: `kind` is 0 for `=`, 1 for `!=`, 2 for `=~`, 3 for `!~`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadMatcher<'a> {
    /// How it matches.
    pub kind: u64,
    /// The label's name.
    pub name: &'a str,
    /// The value or the expression.
    pub value: &'a str,
}

fn push<T>(list: &mut Vec<T>, item: T, what: &'static str) -> Result<(), DecodeError> {
    if list.len() >= COUNT_MAX {
        return Err(DecodeError::TooLarge { what, limit: COUNT_MAX });
    }
    list.push(item);
    Ok(())
}

impl<'a> ReadRequest<'a> {
    /// The request in this (decompressed) body. Hints are passed over: what they say is known anyway.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut request = ReadRequest::default();
        for field in Reader::new(body) {
            let field = field?;
            match (field.number, field.value) {
                (1, _) => push(&mut request.queries, ReadQuery::decode(field.message()?)?, "queries")?,
                // Packed or not, as with every list of numbers.
                (2, crate::Value::Bytes(packed)) => {
                    let mut packed = Reader::new(packed);
                    while !packed.rest().is_empty() {
                        push(&mut request.accepted, packed.varint()?, "response types")?;
                    }
                }
                (2, _) => push(&mut request.accepted, field.uint()?, "response types")?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// The first answer that the client names and that is known here; `None` if there is none.
    pub fn response_type(&self) -> Option<ResponseType> {
        if self.accepted.is_empty() {
            return Some(ResponseType::Samples);
        }
        self.accepted.iter().find_map(|number| match number {
            0 => Some(ResponseType::Samples),
            1 => Some(ResponseType::StreamedXorChunks),
            _ => None,
        })
    }

    /// Writes a request, for clients and tests.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        for query in &self.queries {
            writer.message(1, |message| {
                message.int(1, query.start_ms);
                message.int(2, query.end_ms);
                for matcher in &query.matchers {
                    message.message(3, |message| {
                        message.uint(1, matcher.kind);
                        message.text(2, matcher.name);
                        message.text(3, matcher.value);
                    });
                }
            });
        }
        for number in &self.accepted {
            writer.uint(2, *number);
        }
    }
}

impl<'a> ReadQuery<'a> {
    fn decode(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut query = ReadQuery::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => query.start_ms = field.int()?,
                2 => query.end_ms = field.int()?,
                3 => {
                    let mut matcher = ReadMatcher::default();
                    for field in field.message()? {
                        let field = field?;
                        match field.number {
                            1 => matcher.kind = field.uint()?,
                            2 => matcher.name = field.text()?,
                            3 => matcher.value = field.text()?,
                            _ => {}
                        }
                    }
                    push(&mut query.matchers, matcher, "matchers")?;
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// Adds a series to the content of a `QueryResult`, whose only field it is.
pub fn result_series<'l>(
    out: &mut Vec<u8>,
    labels: impl IntoIterator<Item = (&'l str, &'l str)>,
    write: impl FnOnce(&mut SeriesEncoder<'_, '_>),
) {
    WriteRequestEncoder::new(out).series(labels, write);
}

/// A `ReadResponse` of the contents of its results.
pub fn read_response(results: Vec<Vec<u8>>) -> Vec<u8> {
    let mut results = results;
    let mut header = Vec::with_capacity(12);
    if let [result] = results.as_mut_slice() {
        // The usual case: the one large part is not copied twice.
        Writer::new(&mut header).bytes(1, &[]);
        header.pop();
        Writer::new(&mut header).varint(result.len() as u64);
        result.splice(..0, header);
        return std::mem::take(result);
    }
    let mut out = Vec::with_capacity(results.iter().map(|result| result.len() + 12).sum());
    for result in &results {
        Writer::new(&mut out).bytes(1, result);
    }
    out
}

/// One chunk of a streamed answer.
#[derive(Clone, Copy, Debug)]
pub struct ChunkMessage<'a> {
    /// Time of its first sample, milliseconds since the epoch.
    pub min_ms: i64,
    /// Time of its last sample.
    pub max_ms: i64,
    /// The encoding, by the number it has in Prometheus's files: 1 floats, 2 histograms, 3 float histograms.
    pub encoding: u8,
    /// The chunk.
    pub data: &'a [u8],
}

/// Chunks of one series out of a streamed answer.
#[derive(Clone, Debug, Default)]
pub struct ChunkedSeries<'a> {
    /// The labels, in the sender's order.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Its next chunks.
    pub chunks: Vec<ChunkMessage<'a>>,
}

impl<'a> ChunkedSeries<'a> {
    /// The series of a `ChunkedReadResponse`, the message inside a frame.
    pub fn decode_all(message: &'a [u8]) -> Result<Vec<Self>, DecodeError> {
        let mut all = Vec::new();
        for field in Reader::new(message) {
            let field = field?;
            if field.number == 1 {
                all.push(ChunkedSeries::decode(field.message()?)?);
            }
        }
        Ok(all)
    }

    fn decode(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut series = ChunkedSeries::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => series.labels.push(label(field.message()?)?),
                2 => series.chunks.push(ChunkMessage::decode(field.message()?)?),
                _ => {}
            }
        }
        Ok(series)
    }
}

impl<'a> ChunkMessage<'a> {
    fn decode(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut chunk = ChunkMessage { min_ms: 0, max_ms: 0, encoding: 0, data: &[] };
        for field in message {
            let field = field?;
            match field.number {
                1 => chunk.min_ms = field.int()?,
                2 => chunk.max_ms = field.int()?,
                3 => chunk.encoding = u8::try_from(field.uint()?).unwrap_or(u8::MAX),
                4 => chunk.data = field.bytes()?,
                _ => {}
            }
        }
        Ok(chunk)
    }
}

/// The series of a `ReadResponse`, of all its results, in their order.
pub fn result_messages(response: &[u8]) -> Result<Vec<TimeSeries<'_>>, DecodeError> {
    let mut all = Vec::new();
    for result in Reader::new(response) {
        let result = result?;
        if result.number != 1 {
            continue;
        }
        for series in result.message()? {
            let series = series?;
            if series.number == 1 {
                all.push(TimeSeries::read(series.bytes()?)?);
            }
        }
    }
    Ok(all)
}

/// Adds a `ChunkedReadResponse` with chunks of one series, without its frame.
pub fn chunked_response<'l>(
    out: &mut Vec<u8>,
    query_index: usize,
    labels: impl IntoIterator<Item = (&'l str, &'l str)>,
    chunks: &[ChunkMessage<'_>],
) {
    let mut writer = Writer::new(out);
    writer.message(1, |series| {
        for (name, value) in labels {
            series.message(1, |label| {
                label.text(1, name);
                label.text(2, value);
            });
        }
        for chunk in chunks {
            series.message(2, |message| {
                message.int(1, chunk.min_ms);
                message.int(2, chunk.max_ms);
                message.uint(3, u64::from(chunk.encoding));
                message.bytes(4, chunk.data);
            });
        }
    });
    writer.uint(2, query_index as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back_as_it_was_written() {
        let matcher = ReadMatcher { kind: 2, name: "job", value: "a|b" };
        let query = ReadQuery { start_ms: -5, end_ms: 1_000, matchers: vec![matcher] };
        let request = ReadRequest { queries: vec![query.clone(), query], accepted: vec![1, 0] };
        let mut out = Vec::new();
        request.encode(&mut out);
        assert_eq!(ReadRequest::decode(&out), Ok(request));
    }

    #[test]
    fn the_first_known_answer_is_chosen() {
        for (accepted, chosen) in [
            (vec![], Some(ResponseType::Samples)),
            (vec![7, 1, 0], Some(ResponseType::StreamedXorChunks)),
            (vec![9], None),
        ] {
            assert_eq!(ReadRequest { accepted, ..Default::default() }.response_type(), chosen);
        }
    }

    #[test]
    fn packed_response_types_are_read() {
        let request = ReadRequest::decode(&[2 << 3 | 2, 2, 1, 0]).unwrap();
        assert_eq!(request.accepted, [1, 0]);
    }

    #[test]
    fn one_result_and_several_are_written_alike() {
        let one = read_response(vec![vec![7; 300]]);
        let mut same = Vec::new();
        Writer::new(&mut same).bytes(1, &[7; 300]);
        assert_eq!(one, same);
        assert_eq!(read_response(vec![vec![7; 300], Vec::new()]), [same, vec![1 << 3 | 2, 0]].concat());
    }
}
