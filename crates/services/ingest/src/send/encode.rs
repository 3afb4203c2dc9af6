//! Requests of samples, in either version of remote write.

use std::collections::HashMap;

use model::histogram::CUSTOM_BUCKETS_SCHEMA;
use model::{Labels, Metadata};
use wire::remote::{MetricMetadata, WriteRequestEncoder};
use wire::remote2::RequestEncoder;

use super::queue::{Item, Value};
use crate::receive::WriteMessage;

/// What a request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) samples: u64,
    pub(crate) histograms: u64,
    pub(crate) exemplars: u64,
    pub(crate) metadata: u64,
    /// Samples that are older than what is sent.
    pub(crate) too_old: u64,
    /// Histograms with custom bounds, which version 1.0 does not know.
    pub(crate) not_in_v1: u64,
}

impl Counts {
    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.samples + self.histograms + self.exemplars + self.metadata == 0
    }
}

/// What metrics are, by name.
pub(crate) type MetadataTable = HashMap<String, Metadata>;

/// A request with these items, by series, compressed. Samples before `from_ms` are left out.
pub(crate) fn samples(
    items: &[Item],
    message: WriteMessage,
    metadata: &MetadataTable,
    from_ms: i64,
) -> (Vec<u8>, Counts) {
    let mut counts = Counts::default();
    let mut groups: Vec<(&Labels, Vec<&Item>)> = Vec::new();
    let mut places: HashMap<&Labels, usize> = HashMap::with_capacity(items.len());
    for item in items {
        if item.timestamp_ms < from_ms {
            counts.too_old += 1;
            continue;
        }
        match &item.value {
            Value::Histogram(histogram)
                if message == WriteMessage::V1 && histogram.schema == CUSTOM_BUCKETS_SCHEMA =>
            {
                counts.not_in_v1 += 1;
                continue;
            }
            Value::Histogram(_) => counts.histograms += 1,
            Value::Float(_) => counts.samples += 1,
            Value::Nothing => {}
        }
        counts.exemplars += item.exemplars.len() as u64;
        let place = *places.entry(&item.labels).or_insert_with(|| {
            groups.push((&item.labels, Vec::with_capacity(1)));
            groups.len() - 1
        });
        if let Some((_, group)) = groups.get_mut(place) {
            group.push(item);
        }
    }
    let mut plain = Vec::new();
    match message {
        WriteMessage::V1 => {
            let mut encoder = WriteRequestEncoder::new(&mut plain);
            for (labels, items) in groups {
                encoder.series(labels.iter(), |series| {
                    for item in items {
                        match &item.value {
                            Value::Float(value) => series.sample(item.timestamp_ms, *value),
                            Value::Histogram(histogram) => series.histogram(item.timestamp_ms, histogram),
                            Value::Nothing => {}
                        }
                        for exemplar in &item.exemplars {
                            series.exemplar(exemplar.labels.iter(), exemplar.timestamp_ms, exemplar.value);
                        }
                    }
                });
            }
        }
        WriteMessage::V2 => {
            let (mut encoder, nothing) = (RequestEncoder::new(), Metadata::default());
            for (labels, items) in groups {
                let metadata = metadata_of(labels.metric_name(), metadata).unwrap_or(&nothing);
                encoder.series(labels.iter(), metadata, |series| {
                    for item in items {
                        match &item.value {
                            Value::Float(value) => series.sample(item.timestamp_ms, *value, item.start_ms),
                            Value::Histogram(histogram) => {
                                series.histogram(item.timestamp_ms, histogram, item.start_ms);
                            }
                            Value::Nothing => {}
                        }
                        for exemplar in &item.exemplars {
                            series.exemplar(exemplar.labels.iter(), exemplar.timestamp_ms, exemplar.value);
                        }
                    }
                });
            }
            encoder.finish(&mut plain);
        }
    }
    (compress(&plain), counts)
}

/// A request of version 1.0 with what metrics are.
pub(crate) fn metadata(entries: &[(&String, &Metadata)]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut plain);
    for (family, metadata) in entries {
        encoder.metadata(&MetricMetadata {
            family,
            metric_type: metadata.metric_type,
            help: &metadata.help,
            unit: &metadata.unit,
        });
    }
    compress(&plain)
}

fn compress(plain: &[u8]) -> Vec<u8> {
    // It fails only for what is longer than four gigabytes.
    snap::raw::Encoder::new().compress_vec(plain).unwrap_or_default()
}

/// What is known of the metric that a series belongs to: those of a histogram, a summary or OpenMetrics's
/// counter have names of their own.
fn metadata_of<'m>(name: &str, table: &'m MetadataTable) -> Option<&'m Metadata> {
    const SUFFIXES: [&str; 6] = ["_bucket", "_sum", "_count", "_total", "_info", "_created"];
    table.get(name).or_else(|| {
        let family = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))?;
        table.get(family)
    })
}
