//! Records of what stands beside the samples in order: late samples, exemplars, metadata, start
//! timestamps. Framed like all records; see [`super::record`].

use std::collections::HashMap;

use model::{Exemplar, Labels, Metadata, MetricType};

use super::record::{LoggedChunk, LoggedChunks, Reader, chunks_of, frame, put, put_text, read_chunks};
use crate::chunk::Encoding;
use crate::chunk::bits::zigzag;

/// Kinds of records from here on are read here.
pub(super) const FIRST: u8 = 32;

const LATE: u8 = 32;
const LATE_HISTOGRAM: u8 = 33;
const LATE_CHUNKS: u8 = 34;
const EXEMPLARS: u8 = 35;
const METADATA: u8 = 36;
pub(super) const STARTS: u8 = 37;

/// Entries after which a list is continued in another record.
const ENTRIES_PER_RECORD: usize = 1 << 14;

/// The types in the order of their numbers in the log.
const TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// A float sample that came out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateFloat {
    pub(crate) id: u32,
    pub(crate) time_ms: i64,
    /// Bits of the value.
    pub(crate) value: u64,
}

/// From `from_ms` on, a series' samples have been counting since `start_ms`, 0 for unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedStart {
    pub(crate) id: u32,
    pub(crate) from_ms: i64,
    pub(crate) start_ms: i64,
}

/// Whose an exemplar is: in a checkpoint the series may be gone from the head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owner {
    Id(u32),
    Labels(Labels),
}

/// What such a record says.
#[derive(Debug, PartialEq)]
pub(crate) enum Side<'a> {
    Late(Vec<LateFloat>),
    /// A chunk with one histogram.
    LateHistogram(u32, Encoding, &'a [u8]),
    /// Chunks that may overlap.
    LateChunks(LoggedChunks<'a>),
    Exemplars(Vec<(Owner, Exemplar)>),
    Metadata(&'a str, Metadata),
    Starts(Vec<LoggedStart>),
}

/// Logs floats that came out of order, in any order.
pub(crate) fn write_late(out: &mut Vec<u8>, floats: &[LateFloat]) {
    for part in floats.chunks(ENTRIES_PER_RECORD) {
        frame(out, LATE, |out| {
            let (mut id, mut time_ms) = (0u32, 0i64);
            for float in part {
                put(out, zigzag(i64::from(float.id) - i64::from(id)));
                put(out, zigzag(float.time_ms.wrapping_sub(time_ms)));
                out.extend_from_slice(&float.value.to_le_bytes());
                (id, time_ms) = (float.id, float.time_ms);
            }
        });
    }
}

/// Logs a histogram that came out of order, as a chunk of one sample.
pub(crate) fn write_late_histogram(out: &mut Vec<u8>, id: u32, encoding: Encoding, chunk: &[u8]) {
    frame(out, LATE_HISTOGRAM, |out| {
        put(out, u64::from(id));
        out.push(encoding as u8);
        out.extend_from_slice(chunk);
    });
}

/// Logs the late chunks of a series, for a checkpoint.
pub(crate) fn write_late_chunks(out: &mut Vec<u8>, id: u32, chunks: Vec<LoggedChunk<'_>>) {
    chunks_of(out, LATE_CHUNKS, &LoggedChunks { id, last_ms: 0, last_value: 0, chunks });
}

/// Logs exemplars. Labels of series that occur are written once a record.
pub(crate) fn write_exemplars(out: &mut Vec<u8>, exemplars: &[(Owner, Exemplar)]) {
    for part in exemplars.chunks(ENTRIES_PER_RECORD) {
        frame(out, EXEMPLARS, |out| {
            let mut table: Vec<&Labels> = Vec::new();
            let mut places: HashMap<&Labels, usize> = HashMap::new();
            for (owner, _) in part {
                if let Owner::Labels(labels) = owner {
                    places.entry(labels).or_insert_with(|| {
                        table.push(labels);
                        table.len() - 1
                    });
                }
            }
            put(out, table.len() as u64);
            table.iter().for_each(|labels| put_labels(out, labels));
            for (owner, exemplar) in part {
                put(
                    out,
                    match owner {
                        Owner::Id(id) => u64::from(*id) << 1,
                        Owner::Labels(labels) => (places.get(labels).copied().unwrap_or(0) as u64) << 1 | 1,
                    },
                );
                put(out, zigzag(exemplar.timestamp_ms));
                out.push(u8::from(exemplar.timestamp_given));
                out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
                put_labels(out, &exemplar.labels);
            }
        });
    }
}

/// Logs what a metric is.
pub(crate) fn write_metadata(out: &mut Vec<u8>, metric: &str, metadata: &Metadata) {
    frame(out, METADATA, |out| {
        put_text(out, metric);
        out.push(TYPES.iter().position(|t| *t == metadata.metric_type).unwrap_or(0) as u8);
        put_text(out, &metadata.unit);
        put_text(out, &metadata.help);
    });
}

/// Logs since when series have been counting.
pub(crate) fn write_starts(out: &mut Vec<u8>, starts: &[LoggedStart]) {
    for part in starts.chunks(ENTRIES_PER_RECORD) {
        frame(out, STARTS, |out| {
            for start in part {
                put(out, u64::from(start.id));
                put(out, zigzag(start.from_ms));
                put(out, zigzag(start.start_ms));
            }
        });
    }
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put(out, labels.len() as u64);
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

/// Reads a payload; `None` if it does not parse. `Some(None)` for what a newer version logs.
pub(super) fn read<'a>(kind: u8, reader: &mut Reader<'a>) -> Option<Option<Side<'a>>> {
    Some(Some(match kind {
        LATE => {
            let mut floats = Vec::new();
            let (mut id, mut time_ms) = (0u32, 0i64);
            while !reader.0.is_empty() {
                id = u32::try_from(i64::from(id).checked_add(reader.signed()?)?).ok()?;
                time_ms = time_ms.wrapping_add(reader.signed()?);
                floats.push(LateFloat { id, time_ms, value: eight(reader)? });
            }
            Side::Late(floats)
        }
        LATE_HISTOGRAM => {
            let id = reader.id()?;
            let encoding = Encoding::from_byte(reader.byte()?).ok()?;
            Side::LateHistogram(id, encoding, reader.0)
        }
        LATE_CHUNKS => Side::LateChunks(read_chunks(reader)?),
        EXEMPLARS => Side::Exemplars(read_exemplars(reader)?),
        METADATA => {
            let metric = reader.text()?;
            let metric_type = TYPES.get(usize::from(reader.byte()?)).copied().unwrap_or_default();
            let (unit, help) = (reader.text()?.to_string(), reader.text()?.to_string());
            Side::Metadata(metric, Metadata { metric_type, unit, help })
        }
        STARTS => {
            let mut starts = Vec::new();
            while !reader.0.is_empty() {
                let (id, from_ms, start_ms) = (reader.id()?, reader.signed()?, reader.signed()?);
                starts.push(LoggedStart { id, from_ms, start_ms });
            }
            Side::Starts(starts)
        }
        _ => return Some(None),
    }))
}

fn read_exemplars(reader: &mut Reader<'_>) -> Option<Vec<(Owner, Exemplar)>> {
    let mut table = Vec::new();
    for _ in 0..reader.number()? {
        table.push(read_labels(reader)?);
    }
    let mut exemplars = Vec::new();
    while !reader.0.is_empty() {
        let owner = reader.number()?;
        let owner = match owner & 1 {
            0 => Owner::Id(u32::try_from(owner >> 1).ok()?),
            _ => Owner::Labels(table.get(usize::try_from(owner >> 1).ok()?)?.clone()),
        };
        let timestamp_ms = reader.signed()?;
        let timestamp_given = reader.byte()? != 0;
        let value = f64::from_bits(eight(reader)?);
        exemplars
            .push((owner, Exemplar { labels: read_labels(reader)?, value, timestamp_ms, timestamp_given }));
    }
    Some(exemplars)
}

fn read_labels(reader: &mut Reader<'_>) -> Option<Labels> {
    let mut pairs = Vec::new();
    for _ in 0..reader.number()? {
        pairs.push((reader.text()?, reader.text()?));
    }
    Some(Labels::from_pairs(pairs))
}

fn eight(reader: &mut Reader<'_>) -> Option<u64> {
    Some(u64::from_le_bytes(reader.bytes(8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::record::FRAME_BYTES;

    fn back(bytes: &[u8]) -> Side<'_> {
        read(bytes[FRAME_BYTES], &mut Reader(&bytes[FRAME_BYTES + 1..])).unwrap().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_what_is_cut_off_is_not() {
        let labels = |value: &str| Labels::from_pairs([("a", value)]);
        let exemplar = |at: i64| Exemplar {
            labels: labels("trace"),
            value: -1.5,
            timestamp_ms: at,
            timestamp_given: at > 0,
        };
        let late = vec![
            LateFloat { id: 7, time_ms: -5, value: 3 },
            LateFloat { id: 2, time_ms: i64::MAX, value: u64::MAX },
        ];
        let exemplars = vec![
            (Owner::Id(9), exemplar(3)),
            (Owner::Labels(labels("x")), exemplar(-4)),
            (Owner::Labels(labels("y")), exemplar(0)),
            (Owner::Labels(labels("x")), exemplar(1)),
        ];
        let metadata =
            Metadata { metric_type: MetricType::Summary, unit: "seconds".into(), help: "h\n".into() };
        let starts = vec![LoggedStart { id: 1, from_ms: 5, start_ms: -3 }];
        let chunk = LoggedChunk { encoding: Encoding::Xor, min_ms: 1, max_ms: 9, bytes: b"abc" };
        let chunks = LoggedChunks { id: 4, last_ms: 0, last_value: 0, chunks: vec![chunk] };
        let mut written: Vec<Vec<u8>> = vec![Vec::new(); 6];
        write_late(&mut written[0], &late);
        write_exemplars(&mut written[1], &exemplars);
        write_metadata(&mut written[2], "m", &metadata);
        write_starts(&mut written[3], &starts);
        write_late_chunks(&mut written[4], 4, vec![chunk]);
        write_late_histogram(&mut written[5], 8, Encoding::FloatHistogram, b"xyz");
        assert_eq!(back(&written[0]), Side::Late(late));
        assert_eq!(back(&written[1]), Side::Exemplars(exemplars));
        assert_eq!(back(&written[2]), Side::Metadata("m", metadata));
        assert_eq!(back(&written[3]), Side::Starts(starts));
        assert_eq!(back(&written[4]), Side::LateChunks(chunks));
        assert_eq!(back(&written[5]), Side::LateHistogram(8, Encoding::FloatHistogram, b"xyz"));
        for bytes in &written {
            for end in FRAME_BYTES + 1..bytes.len() {
                let _ = read(bytes[FRAME_BYTES], &mut Reader(&bytes[FRAME_BYTES + 1..end]));
            }
        }
    }
}
