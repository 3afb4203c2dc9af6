//! The records of Prometheus's logs: series, samples of all kinds, deleted spans, exemplars, metadata.
//! Two forms of samples: differences to the first one, and (V2, with start timestamps) partly to the
//! one before. Kinds: `tsdb/docs/format/wal.md` of Prometheus; 5 and 11 to 14, which it leaves out,
//! as its program writes them.

use model::Labels;
use model::histogram::{CounterResetHint, FloatHistogram, Span};
use model::storage::TimeRange;

use crate::block::decode::Fields;
use crate::chunk::histogram::is_consistent;

/// The finest resolution that histograms are calculated with; finer ones are reduced to it.
const SCHEMA_MAX: i32 = 8;
/// Resolutions that the format reserves.
const SCHEMA_RESERVED_MAX: i32 = 52;
const SCHEMA_MIN: i32 = -4;

/// One sample, or something else with a series and a time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<T> {
    /// The number of its series in this log.
    pub(super) series: u64,
    pub(super) time_ms: i64,
    /// 0 if unknown.
    pub(super) start_ms: i64,
    pub(super) value: T,
}

/// What a metric is, of one of its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataEntry {
    pub(super) series: u64,
    pub(super) kind: u8,
    pub(super) unit: String,
    pub(super) help: String,
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Series(Vec<(u64, Labels)>),
    Samples(Vec<Entry<f64>>),
    Histograms(Vec<Entry<FloatHistogram>>),
    Tombstones(Vec<(u64, TimeRange)>),
    Exemplars(Vec<Entry<(f64, Labels)>>),
    Metadata(Vec<MetadataEntry>),
    /// What is before this time is in blocks.
    MinValidTime(i64),
    /// Says only which chunks went to disk.
    Markers,
    /// Of a kind that is not known.
    Unknown(u8),
}

/// Decodes a record; `None` if it is malformed.
pub(super) fn decode(record: &[u8]) -> Option<Record> {
    let mut fields = Fields(record);
    let fields = &mut fields;
    Some(match fields.u8()? {
        1 => {
            let mut series = Vec::new();
            while !fields.0.is_empty() {
                series.push((fields.u64()?, labels(fields)?));
            }
            Record::Series(series)
        }
        2 => Record::Samples(entries(fields, float)?),
        11 => Record::Samples(entries_v2(fields, float)?),
        3 => {
            let mut spans = Vec::new();
            while !fields.0.is_empty() {
                let series = fields.u64()?;
                spans.push((series, TimeRange { start_ms: fields.varint()?, end_ms: fields.varint()? }));
            }
            Record::Tombstones(spans)
        }
        4 => Record::Exemplars(entries(fields, |fields| Some((float(fields)?, labels(fields)?)))?),
        5 => Record::Markers,
        6 => Record::Metadata(metadata(fields)?),
        7 | 9 => Record::Histograms(usable(entries(fields, integer_histogram)?)),
        8 | 10 => Record::Histograms(usable(entries(fields, float_histogram)?)),
        12 => Record::Histograms(usable(entries_v2(fields, integer_histogram)?)),
        13 => Record::Histograms(usable(entries_v2(fields, float_histogram)?)),
        14 => Record::MinValidTime(fields.u64()? as i64),
        other => Record::Unknown(other),
    })
}

fn entries<T>(
    fields: &mut Fields<'_>,
    value: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Option<Vec<Entry<T>>> {
    let mut entries = Vec::new();
    if fields.0.is_empty() {
        return Some(entries);
    }
    let (first, first_ms) = (fields.u64()?, fields.u64()? as i64);
    while !fields.0.is_empty() {
        let series = first.wrapping_add(fields.varint()? as u64);
        let time_ms = first_ms.wrapping_add(fields.varint()?);
        entries.push(Entry { series, time_ms, start_ms: 0, value: value(fields)? });
    }
    Some(entries)
}

fn entries_v2<T>(
    fields: &mut Fields<'_>,
    value: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Option<Vec<Entry<T>>> {
    let mut entries: Vec<Entry<T>> = Vec::new();
    if fields.0.is_empty() {
        return Some(entries);
    }
    let (series, first_ms, first_start_ms) = (fields.varint()? as u64, fields.varint()?, fields.varint()?);
    entries.push(Entry { series, time_ms: first_ms, start_ms: first_start_ms, value: value(fields)? });
    let mut last = (series, first_start_ms);
    while !fields.0.is_empty() {
        let series = last.0.wrapping_add(fields.varint()? as u64);
        let time_ms = first_ms.wrapping_add(fields.varint()?);
        let start_ms = match fields.u8()? {
            0 => 0,
            1 => last.1,
            _ => first_start_ms.wrapping_add(fields.varint()?),
        };
        entries.push(Entry { series, time_ms, start_ms, value: value(fields)? });
        last = (series, start_ms);
    }
    Some(entries)
}

fn float(fields: &mut Fields<'_>) -> Option<f64> {
    fields.u64().map(f64::from_bits)
}

fn labels(fields: &mut Fields<'_>) -> Option<Labels> {
    let count = count(fields)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((fields.text()?, fields.text()?));
    }
    Some(Labels::from_pairs(pairs))
}

/// A number of things that follow, each of a byte or more.
fn count(fields: &mut Fields<'_>) -> Option<usize> {
    usize::try_from(fields.uvarint()?).ok().filter(|&count| count <= fields.0.len())
}

fn list<T>(fields: &mut Fields<'_>, mut item: impl FnMut(&mut Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = count(fields)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(fields)?);
    }
    Some(items)
}

fn metadata(fields: &mut Fields<'_>) -> Option<Vec<MetadataEntry>> {
    let mut entries = Vec::new();
    while !fields.0.is_empty() {
        let (series, kind) = (fields.uvarint()?, fields.u8()?);
        let mut entry = MetadataEntry { series, kind, unit: String::new(), help: String::new() };
        for _ in 0..count(fields)? {
            let (name, value) = (fields.text()?, fields.text()?);
            match name {
                "UNIT" => entry.unit = value.to_string(),
                "HELP" => entry.help = value.to_string(),
                _ => {}
            }
        }
        entries.push(entry);
    }
    Some(entries)
}

fn spans(fields: &mut Fields<'_>) -> Option<Vec<Span>> {
    list(fields, |fields| {
        Some(Span { offset: fields.varint()? as i32, length: u32::try_from(fields.uvarint()?).ok()? })
    })
}

fn head(fields: &mut Fields<'_>) -> Option<FloatHistogram> {
    let counter_reset_hint = match fields.u8()? {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    };
    let schema = i32::try_from(fields.varint()?).ok()?;
    Some(FloatHistogram {
        counter_reset_hint,
        schema,
        zero_threshold: float(fields)?,
        ..FloatHistogram::default()
    })
}

fn bounds(fields: &mut Fields<'_>, histogram: &mut FloatHistogram) -> Option<()> {
    if histogram.uses_custom_buckets() {
        histogram.custom_values = list(fields, float)?.into();
    }
    Some(())
}

fn integer_histogram(fields: &mut Fields<'_>) -> Option<FloatHistogram> {
    let mut histogram = head(fields)?;
    histogram.zero_count = fields.uvarint()? as f64;
    histogram.count = fields.uvarint()? as f64;
    histogram.sum = float(fields)?;
    histogram.positive_spans = spans(fields)?;
    histogram.negative_spans = spans(fields)?;
    // Each bucket is the difference to the one before.
    let buckets = |fields: &mut Fields<'_>| {
        let mut last = 0i64;
        list(fields, |fields| {
            last = last.wrapping_add(fields.varint()?);
            Some(last as f64)
        })
    };
    histogram.positive_buckets = buckets(fields)?;
    histogram.negative_buckets = buckets(fields)?;
    bounds(fields, &mut histogram)?;
    Some(histogram)
}

fn float_histogram(fields: &mut Fields<'_>) -> Option<FloatHistogram> {
    let mut histogram = head(fields)?;
    histogram.zero_count = float(fields)?;
    histogram.count = float(fields)?;
    histogram.sum = float(fields)?;
    histogram.positive_spans = spans(fields)?;
    histogram.negative_spans = spans(fields)?;
    histogram.positive_buckets = list(fields, float)?;
    histogram.negative_buckets = list(fields, float)?;
    bounds(fields, &mut histogram)?;
    Some(histogram)
}

/// Leaves out histograms that nothing could be calculated with and makes those too fine coarser.
fn usable(mut entries: Vec<Entry<FloatHistogram>>) -> Vec<Entry<FloatHistogram>> {
    entries.retain_mut(|entry| {
        let histogram = &mut entry.value;
        let known =
            histogram.uses_custom_buckets() || (SCHEMA_MIN..=SCHEMA_RESERVED_MAX).contains(&histogram.schema);
        let usable = known && is_consistent(histogram);
        if usable && histogram.schema > SCHEMA_MAX {
            histogram.reduce_resolution(SCHEMA_MAX);
        }
        usable
    });
    entries
}

#[cfg(test)]
pub(super) mod testing {
    use crate::block::decode::{put_text, put_uvarint, put_varint};

    pub(in crate::foreign) fn series(number: u64, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut record = vec![1];
        record.extend(number.to_be_bytes());
        put_uvarint(&mut record, pairs.len() as u64);
        for (name, value) in pairs {
            put_text(&mut record, name);
            put_text(&mut record, value);
        }
        record
    }

    pub(in crate::foreign) fn samples(samples: &[(u64, i64, f64)]) -> Vec<u8> {
        let mut record = vec![2];
        let (first, first_ms, _) = samples[0];
        record.extend(first.to_be_bytes());
        record.extend(first_ms.to_be_bytes());
        for &(series, time_ms, value) in samples {
            put_varint(&mut record, series as i64 - first as i64);
            put_varint(&mut record, time_ms - first_ms);
            record.extend(value.to_bits().to_be_bytes());
        }
        record
    }

    pub(in crate::foreign) fn tombstone(series: u64, min_ms: i64, max_ms: i64) -> Vec<u8> {
        let mut record = vec![3];
        record.extend(series.to_be_bytes());
        put_varint(&mut record, min_ms);
        put_varint(&mut record, max_ms);
        record
    }

    /// An integer histogram with the buckets 1 and 3 at offset 2, of kind 7 (or 9, with bounds).
    pub(in crate::foreign) fn histogram(kind: u8, series: u64, time_ms: i64) -> Vec<u8> {
        let mut record = vec![kind];
        record.extend(series.to_be_bytes());
        record.extend(time_ms.to_be_bytes());
        record.extend([0, 0]);
        put_histogram(&mut record, kind == 9);
        record
    }

    pub(in crate::foreign) fn put_histogram(record: &mut Vec<u8>, custom: bool) {
        record.push(0);
        put_varint(record, if custom { -53 } else { 3 });
        record.extend(0f64.to_bits().to_be_bytes());
        put_uvarint(record, 0);
        put_uvarint(record, 4);
        record.extend(10.5f64.to_bits().to_be_bytes());
        put_uvarint(record, 1);
        put_varint(record, if custom { 0 } else { 2 });
        put_uvarint(record, 2);
        put_uvarint(record, 0);
        put_uvarint(record, 2);
        put_varint(record, 1);
        put_varint(record, 2);
        put_uvarint(record, 0);
        if custom {
            put_uvarint(record, 1);
            record.extend(2.5f64.to_bits().to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::decode::{put_text, put_uvarint, put_varint};

    #[test]
    fn samples_with_start_timestamps_are_read() {
        let mut record = vec![11];
        for number in [7, 1_000, 400] {
            put_varint(&mut record, number);
        }
        record.extend(1f64.to_bits().to_be_bytes());
        for (series, time, start, value) in
            [(1, 0, vec![1], 2f64), (1, 5, vec![0], 3.0), (-2, 15, vec![2, 20], 4.0)]
        {
            put_varint(&mut record, series);
            put_varint(&mut record, time);
            record.extend(start);
            record.extend(value.to_bits().to_be_bytes());
        }
        let entry = |series, time_ms, start_ms, value| Entry { series, time_ms, start_ms, value };
        let expected = [
            entry(7, 1_000, 400, 1.0),
            entry(8, 1_000, 400, 2.0),
            entry(9, 1_005, 0, 3.0),
            entry(7, 1_015, 410, 4.0),
        ];
        assert_eq!(decode(&record), Some(Record::Samples(expected.to_vec())));
    }

    #[test]
    fn histograms_of_all_kinds_are_read() {
        let expected = FloatHistogram {
            schema: 3,
            count: 4.0,
            sum: 10.5,
            positive_spans: vec![Span { offset: 2, length: 2 }],
            positive_buckets: vec![1.0, 3.0],
            ..FloatHistogram::default()
        };
        let entry = |value: &FloatHistogram, start_ms| {
            vec![Entry { series: 5, time_ms: 60, start_ms, value: value.clone() }]
        };
        let found = decode(&testing::histogram(7, 5, 60));
        assert_eq!(found, Some(Record::Histograms(entry(&expected, 0))));
        let mut v2 = vec![12];
        for number in [5, 60, 30] {
            put_varint(&mut v2, number);
        }
        testing::put_histogram(&mut v2, false);
        assert_eq!(decode(&v2), Some(Record::Histograms(entry(&expected, 30))));
        let custom = FloatHistogram {
            schema: model::histogram::CUSTOM_BUCKETS_SCHEMA,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            custom_values: [2.5].into(),
            ..expected
        };
        let found = decode(&testing::histogram(9, 5, 60));
        assert_eq!(found, Some(Record::Histograms(entry(&custom, 0))));
    }

    #[test]
    fn exemplars_metadata_and_the_rest_are_read() {
        let mut exemplars = vec![4];
        exemplars.extend(5u64.to_be_bytes());
        exemplars.extend(60u64.to_be_bytes());
        exemplars.extend([0, 2]);
        exemplars.extend(0.5f64.to_bits().to_be_bytes());
        put_uvarint(&mut exemplars, 1);
        put_text(&mut exemplars, "trace_id");
        put_text(&mut exemplars, "abc");
        let value = (0.5, Labels::from_pairs([("trace_id", "abc")]));
        let expected = Entry { series: 5, time_ms: 61, start_ms: 0, value };
        assert_eq!(decode(&exemplars), Some(Record::Exemplars(vec![expected])));
        let mut metadata = vec![6, 5, 1, 3];
        for text in ["UNIT", "seconds", "HELP", "Time.", "LATER", "?"] {
            put_text(&mut metadata, text);
        }
        let expected = MetadataEntry { series: 5, kind: 1, unit: "seconds".into(), help: "Time.".into() };
        assert_eq!(decode(&metadata), Some(Record::Metadata(vec![expected])));
        let span = TimeRange { start_ms: -3, end_ms: 4 };
        assert_eq!(decode(&testing::tombstone(5, -3, 4)), Some(Record::Tombstones(vec![(5, span)])));
        assert_eq!(decode(&[99, 1]), Some(Record::Unknown(99)));
    }

    #[test]
    fn what_is_cut_off_is_malformed_and_never_a_panic() {
        let records = [
            testing::series(3, &[("a", "b"), ("c", "d")]),
            testing::samples(&[(1, 5, 1.0), (2, 6, 2.0)]),
            testing::histogram(9, 1, 2),
        ];
        for record in records {
            assert!(decode(&record).is_some());
            for end in 0..record.len() {
                let _ = decode(&record[..end]);
            }
        }
    }
}
