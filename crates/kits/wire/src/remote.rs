//! Remote write 1.0: `prometheus.WriteRequest`, read without copying and written.
//!
//! Field numbers: `remote.proto` and `types.proto` of Prometheus.

use model::histogram::CounterResetHint;
use model::{FloatHistogram, MetricType};

use crate::histogram::{HistogramParts, MAX_BUCKETS, deltas, is_counted, narrow, push_span, reset_hint};
use crate::{DecodeError, Reader, Writer};

/// One entry of a write request.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A series and what is written to it.
    Series(TimeSeries<'a>),
    /// What a metric is.
    Metadata(MetricMetadata<'a>),
}

/// Walks over the entries of a write request, in their order. Ends after the first error.
#[derive(Clone, Copy, Debug)]
pub struct WriteRequest<'a>(Reader<'a>, bool);

impl<'a> WriteRequest<'a> {
    /// The request in this (decompressed) body.
    pub const fn new(body: &'a [u8]) -> Self {
        WriteRequest(Reader::new(body), false)
    }
}

impl<'a> WriteRequest<'a> {
    /// The message of the next series, its labels unread; see [`TimeSeries::read`]. Passes over
    /// everything else.
    #[inline]
    pub fn next_series(&mut self) -> Option<Result<&'a [u8], DecodeError>> {
        loop {
            let field = match self.0.next()? {
                Ok(field) => field,
                Err(error) => return Some(Err(error)),
            };
            if field.number == SERIES_FIELD {
                let message = field.bytes();
                if message.is_err() {
                    self.0 = Reader::new(&[]);
                }
                return Some(message);
            }
            self.1 |= field.number == METADATA_FIELD;
        }
    }

    /// Whether [`WriteRequest::next_series`] has passed over metadata.
    pub const fn has_metadata(&self) -> bool {
        self.1
    }
}

impl<'a> Iterator for WriteRequest<'a> {
    type Item = Result<Entry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let field = match self.0.next()? {
                Ok(field) => field,
                Err(error) => return Some(Err(error)),
            };
            let entry = match field.number {
                SERIES_FIELD => field.bytes().and_then(TimeSeries::read).map(Entry::Series),
                METADATA_FIELD => field.message().and_then(MetricMetadata::parse).map(Entry::Metadata),
                _ => continue,
            };
            if entry.is_err() {
                self.0 = Reader::new(&[]);
            }
            return Some(entry);
        }
    }
}

/// One series of a write request.
#[derive(Clone, Copy, Debug)]
pub struct TimeSeries<'a> {
    labels: &'a [u8],
    points: &'a [u8],
}

/// The field of a request that holds a series.
const SERIES_FIELD: u32 = 1;
/// The one that says what a metric is.
const METADATA_FIELD: u32 = 3;
const LABELS_TAG: u8 = 1 << 3 | 2;

impl<'a> TimeSeries<'a> {
    /// The series in this message.
    pub fn read(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(message);
        while reader.rest().first() == Some(&LABELS_TAG) {
            reader.next_field()?;
        }
        let (labels, points) = message.split_at(message.len() - reader.rest().len());
        Ok(TimeSeries { labels, points })
    }

    /// The series in this message if its labels take so many bytes. That is known only once those bytes
    /// are found to be labels read before; then they need not be walked over again.
    #[inline]
    pub fn expecting(message: &'a [u8], labels_size_bytes: usize) -> Option<Self> {
        let (labels, points) = message.split_at_checked(labels_size_bytes)?;
        (points.first() != Some(&LABELS_TAG)).then_some(TimeSeries { labels, points })
    }

    /// The labels as they stand on the wire: senders write the same series the same way, so that a
    /// hash of these bytes finds a known series without reading the labels.
    pub const fn raw_labels(&self) -> &'a [u8] {
        self.labels
    }

    /// The labels, in the sender's order, neither checked for order nor for doubles.
    pub fn labels(&self) -> impl Iterator<Item = Result<(&'a str, &'a str), DecodeError>> + use<'a> {
        Reader::new(self.labels).map(|field| label(field?.message()?))
    }

    /// What is written to the series, in the sender's order. Ends after the first error.
    pub const fn points(&self) -> Points<'a> {
        Points(Reader::new(self.points))
    }
}

pub(crate) fn label(message: Reader<'_>) -> Result<(&str, &str), DecodeError> {
    let (mut name, mut value) = ("", "");
    for field in message {
        let field = field?;
        match field.number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// One thing written to a series.
#[derive(Clone, Copy, Debug)]
pub enum Point<'a> {
    /// A float.
    Sample {
        /// Milliseconds since the epoch.
        timestamp_ms: i64,
        /// Its value.
        value: f64,
    },
    /// A native histogram, not yet decoded.
    Histogram(HistogramMessage<'a>),
    /// An exemplar.
    Exemplar(Exemplar<'a>),
}

/// Walks over what is written to a series; see [`TimeSeries::points`].
#[derive(Clone, Copy, Debug)]
pub struct Points<'a>(Reader<'a>);

impl<'a> Points<'a> {
    /// The next point's time and value, if it is a float as every sender writes it: value, then a time of this
    /// century or the next few. Everything else is left for [`Points::next`].
    #[inline]
    pub fn plain_sample(&mut self) -> Option<(i64, f64)> {
        /// Tag and length of the sample, tag of the value, value, tag of the time, time.
        const SIZE_BYTES: usize = 18;
        const CONTINUED: u64 = 0x80_8080_8080;
        let (sample, rest) = self.0.rest().split_first_chunk::<SIZE_BYTES>()?;
        let [0x12, 16, 0x09, a, b, c, d, e, f, g, h, 0x10, time @ ..] = *sample else { return None };
        let [i, j, k, l, m, n] = time;
        let word = u64::from_le_bytes([i, j, k, l, m, n, 0, 0]);
        if word & (CONTINUED | 0x80 << 40) != CONTINUED {
            return None;
        }
        let part = |at: u32| (word >> (8 * at) & 0x7f) << (7 * at);
        let time_ms = part(0) | part(1) | part(2) | part(3) | part(4) | part(5);
        self.0 = Reader::new(rest);
        Some((time_ms as i64, f64::from_le_bytes([a, b, c, d, e, f, g, h])))
    }

    #[inline]
    fn step(&mut self) -> Result<Option<Point<'a>>, DecodeError> {
        while let Some(field) = self.0.next_field()? {
            return Ok(Some(match field.number {
                1 => return Err(DecodeError::LabelsNotFirst),
                2 => sample(field.message()?)?,
                3 => Point::Exemplar(Exemplar::parse(field.bytes()?)?),
                4 => Point::Histogram(HistogramMessage::parse(field.bytes()?)?),
                _ => continue,
            }));
        }
        Ok(None)
    }
}

impl<'a> Iterator for Points<'a> {
    type Item = Result<Point<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some((timestamp_ms, value)) = self.plain_sample() {
            return Some(Ok(Point::Sample { timestamp_ms, value }));
        }
        let point = self.step().transpose();
        if matches!(point, Some(Err(_))) {
            self.0 = Reader::new(&[]);
        }
        point
    }
}

#[inline]
fn sample<'a>(message: Reader<'a>) -> Result<Point<'a>, DecodeError> {
    let (mut value, mut timestamp_ms) = (0.0, 0);
    for field in message {
        let field = field?;
        match field.number {
            1 => value = field.double()?,
            2 => timestamp_ms = field.int()?,
            _ => {}
        }
    }
    Ok(Point::Sample { timestamp_ms, value })
}

/// An exemplar of a series.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    message: &'a [u8],
    /// Its value.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
}

impl<'a> Exemplar<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut exemplar = Exemplar { message, value: 0.0, timestamp_ms: 0 };
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                2 => exemplar.value = field.double()?,
                3 => exemplar.timestamp_ms = field.int()?,
                _ => {}
            }
        }
        Ok(exemplar)
    }

    /// Its labels, in the sender's order.
    pub fn labels(&self) -> impl Iterator<Item = Result<(&'a str, &'a str), DecodeError>> + use<'a> {
        Reader::new(self.message)
            .filter(|field| !matches!(field, Ok(field) if field.number != 1))
            .map(|field| label(field?.message()?))
    }
}

/// A native histogram of a series.
#[derive(Clone, Copy, Debug)]
pub struct HistogramMessage<'a> {
    message: &'a [u8],
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Since when it has been counting, milliseconds since the epoch, 0 for unknown. Only 2.0 says it.
    pub start_ms: i64,
}

impl<'a> HistogramMessage<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut timestamp_ms, mut start_ms) = (0, 0);
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                15 => timestamp_ms = field.int()?,
                17 => start_ms = field.int()?,
                _ => {}
            }
        }
        Ok(HistogramMessage { message, timestamp_ms, start_ms })
    }

    /// The histogram, with absolute counts.
    pub fn decode(&self) -> Result<FloatHistogram, DecodeError> {
        let mut parts = HistogramParts::default();
        let h = &mut parts.histogram;
        for field in Reader::new(self.message) {
            let field = field?;
            match field.number {
                1 => (h.count, parts.is_counted) = (field.uint()? as f64, true),
                2 => h.count = field.double()?,
                3 => h.sum = field.double()?,
                4 => h.schema = narrow(field.sint()?)?,
                5 => h.zero_threshold = field.double()?,
                6 => h.zero_count = field.uint()? as f64,
                7 => h.zero_count = field.double()?,
                8 => push_span(&field, &mut h.negative_spans)?,
                9 => field.sints(&mut parts.negative_deltas, MAX_BUCKETS)?,
                10 => field.doubles(&mut h.negative_buckets, MAX_BUCKETS)?,
                11 => push_span(&field, &mut h.positive_spans)?,
                12 => field.sints(&mut parts.positive_deltas, MAX_BUCKETS)?,
                13 => field.doubles(&mut h.positive_buckets, MAX_BUCKETS)?,
                14 => h.counter_reset_hint = reset_hint(field.uint()?),
                16 => field.doubles(&mut parts.custom_values, MAX_BUCKETS)?,
                _ => {}
            }
        }
        parts.finish()
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricMetadata<'a> {
    /// The metric's name.
    pub family: &'a str,
    /// Its type.
    pub metric_type: MetricType,
    /// Its help text.
    pub help: &'a str,
    /// Its unit.
    pub unit: &'a str,
}

/// The types in the order of their numbers in remote write.
pub(crate) const TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

impl<'a> MetricMetadata<'a> {
    fn parse(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut metadata = MetricMetadata::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => {
                    let number = usize::try_from(field.uint()?).unwrap_or(usize::MAX);
                    metadata.metric_type = TYPES.get(number).copied().unwrap_or_default();
                }
                2 => metadata.family = field.text()?,
                4 => metadata.help = field.text()?,
                5 => metadata.unit = field.text()?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// Writes a write request into a buffer, entry by entry.
pub struct WriteRequestEncoder<'a>(Writer<'a>);

impl<'a> WriteRequestEncoder<'a> {
    /// A request at the end of this buffer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        WriteRequestEncoder(Writer::new(out))
    }

    /// Adds a series; `labels` sorted by name, `write` adds what is written to it.
    pub fn series<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        write: impl FnOnce(&mut SeriesEncoder<'_, '_>),
    ) {
        self.0.message(1, |series| {
            for pair in labels {
                write_label(series, pair);
            }
            write(&mut SeriesEncoder(series));
        });
    }

    /// Adds what a metric is.
    pub fn metadata(&mut self, metadata: &MetricMetadata<'_>) {
        self.0.message(3, |message| {
            let number = TYPES.iter().position(|t| *t == metadata.metric_type).unwrap_or(0);
            message.uint(1, number as u64);
            message.text(2, metadata.family);
            message.text(4, metadata.help);
            message.text(5, metadata.unit);
        });
    }
}

fn write_label(writer: &mut Writer<'_>, (name, value): (&str, &str)) {
    writer.message(1, |label| {
        label.text(1, name);
        label.text(2, value);
    });
}

/// Writes what belongs to one series; see [`WriteRequestEncoder::series`].
pub struct SeriesEncoder<'a, 'b>(&'a mut Writer<'b>);

impl SeriesEncoder<'_, '_> {
    /// Adds a float sample.
    pub fn sample(&mut self, timestamp_ms: i64, value: f64) {
        self.0.message(2, |sample| {
            sample.double(1, value);
            sample.int(2, timestamp_ms);
        });
    }

    /// Adds an exemplar.
    pub fn exemplar<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        timestamp_ms: i64,
        value: f64,
    ) {
        self.0.message(3, |exemplar| {
            for pair in labels {
                write_label(exemplar, pair);
            }
            exemplar.double(2, value);
            exemplar.int(3, timestamp_ms);
        });
    }

    /// Adds a native histogram, as a float histogram.
    pub fn histogram(&mut self, timestamp_ms: i64, histogram: &FloatHistogram) {
        self.0.message(4, |h| write_histogram(h, timestamp_ms, histogram));
    }
}

/// Writes the fields of a histogram, which both versions of remote write have in common. One with whole counts is
/// written as an integer histogram.
pub(crate) fn write_histogram(h: &mut Writer<'_>, timestamp_ms: i64, histogram: &FloatHistogram) {
    let is_counted = is_counted(histogram);
    match is_counted {
        true => h.uint(1, histogram.count as u64),
        false => h.double(2, histogram.count),
    }
    h.double(3, histogram.sum);
    h.sint(4, i64::from(histogram.schema));
    h.double(5, histogram.zero_threshold);
    match is_counted {
        true => h.uint(6, histogram.zero_count as u64),
        false => h.double(7, histogram.zero_count),
    }
    for (field, spans) in [(8, &histogram.negative_spans), (11, &histogram.positive_spans)] {
        for span in spans {
            h.message(field, |s| {
                s.sint(1, i64::from(span.offset));
                s.uint(2, u64::from(span.length));
            });
        }
    }
    match is_counted {
        true => {
            h.sints(9, deltas(&histogram.negative_buckets));
            h.sints(12, deltas(&histogram.positive_buckets));
        }
        false => {
            h.doubles(10, &histogram.negative_buckets);
            h.doubles(13, &histogram.positive_buckets);
        }
    }
    let hint = match histogram.counter_reset_hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    };
    h.uint(14, hint);
    h.int(15, timestamp_ms);
    h.doubles(16, &histogram.custom_values);
}
