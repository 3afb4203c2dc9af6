//! The exposition format in protobuf: `io.prometheus.client.MetricFamily`, each message with its
//! length in front.
//!
//! Field numbers: `metrics.proto` of Prometheus.

use model::histogram::CounterResetHint;
use model::{FloatHistogram, MetricType};

use crate::histogram::{HistogramParts, MAX_BUCKETS, narrow, push_span, timestamp_ms};
use crate::{DecodeError, Reader, Writer};

/// The most quantiles of a summary or buckets of a classic histogram.
pub const MAX_CLASSIC_BUCKETS: usize = 1 << 16;

/// Walks over the messages of a body. Ends after the first error.
#[derive(Clone, Copy, Debug)]
pub struct Families<'a>(Reader<'a>);

impl<'a> Families<'a> {
    /// The families in this body.
    pub const fn new(body: &'a [u8]) -> Self {
        Families(Reader::new(body))
    }
}

impl<'a> Iterator for Families<'a> {
    type Item = Result<MetricFamily<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut step = || {
            let size = self.0.varint()?;
            MetricFamily::parse(self.0.take_bytes(size)?)
        };
        let family = step();
        if family.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(family)
    }
}

/// The type of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FamilyType {
    /// Its metrics are counters.
    #[default]
    Counter,
    /// Its metrics are gauges.
    Gauge,
    /// Its metrics are summaries.
    Summary,
    /// Its metrics declare no type.
    Untyped,
    /// Its metrics are histograms, classic, native or both.
    Histogram,
    /// Like a histogram, but its buckets may fall.
    GaugeHistogram,
    /// A number this version does not know.
    Other(u64),
}

/// A family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricFamily<'a> {
    /// The name of its metrics.
    pub name: &'a str,
    /// Its help text.
    pub help: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// The type of its metrics.
    pub family_type: FamilyType,
    message: &'a [u8],
}

impl<'a> MetricFamily<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut family =
            MetricFamily { name: "", help: "", unit: "", family_type: FamilyType::default(), message };
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                1 => family.name = field.text()?,
                2 => family.help = field.text()?,
                3 => {
                    family.family_type = match field.uint()? {
                        0 => FamilyType::Counter,
                        1 => FamilyType::Gauge,
                        2 => FamilyType::Summary,
                        3 => FamilyType::Untyped,
                        4 => FamilyType::Histogram,
                        5 => FamilyType::GaugeHistogram,
                        other => FamilyType::Other(other),
                    }
                }
                5 => family.unit = field.text()?,
                _ => {}
            }
        }
        Ok(family)
    }

    /// The metrics of the family.
    pub const fn metrics(&self) -> Metrics<'a> {
        Metrics(Reader::new(self.message))
    }
}

/// Walks over the metrics of a family; see [`MetricFamily::metrics`].
#[derive(Clone, Copy, Debug)]
pub struct Metrics<'a>(Reader<'a>);

impl<'a> Metrics<'a> {
    /// No metrics.
    pub const fn none() -> Self {
        Metrics(Reader::new(&[]))
    }
}

impl<'a> Iterator for Metrics<'a> {
    type Item = Result<Metric<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let metric = match self.0.next()? {
                Ok(field) if field.number == 4 => field.bytes().and_then(Metric::parse),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            return Some(metric);
        }
    }
}

/// One metric: labels and what was measured.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    message: &'a [u8],
    /// Milliseconds since the epoch, 0 if not given.
    pub timestamp_ms: i64,
    /// What was measured, whichever the family's type; `None` if nothing is there.
    pub content: Option<Content<'a>>,
}

/// What a metric holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A gauge, counter or untyped value.
    Simple(Simple<'a>),
    /// A summary.
    Summary(Distribution<'a>),
    /// A histogram.
    Histogram(Distribution<'a>),
}

impl<'a> Metric<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut metric = Metric { message, timestamp_ms: 0, content: None };
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                2 | 3 | 5 => metric.content = Some(Content::Simple(Simple::parse(field.message()?)?)),
                4 => metric.content = Some(Content::Summary(Distribution::summary(field.bytes()?)?)),
                6 => metric.timestamp_ms = field.int()?,
                7 => metric.content = Some(Content::Histogram(Distribution::histogram(field.bytes()?)?)),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// The labels, in the sender's order.
    pub fn labels(&self) -> impl Iterator<Item = Result<(&'a str, &'a str), DecodeError>> + use<'a> {
        labels(self.message)
    }
}

fn labels<'a>(message: &'a [u8]) -> impl Iterator<Item = Result<(&'a str, &'a str), DecodeError>> + use<'a> {
    Reader::new(message).filter(|field| !matches!(field, Ok(field) if field.number != 1)).map(|field| {
        let (mut name, mut value) = ("", "");
        for field in field?.message()? {
            let field = field?;
            match field.number {
                1 => name = field.text()?,
                2 => value = field.text()?,
                _ => {}
            }
        }
        Ok((name, value))
    })
}

/// A gauge, counter or untyped value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simple<'a> {
    /// The value.
    pub value: f64,
    /// The exemplar of a counter.
    pub exemplar: Option<Exemplar<'a>>,
    /// Since when a counter has been counting, in milliseconds since the epoch, 0 if not given.
    pub start_ms: i64,
}

impl<'a> Simple<'a> {
    fn parse(message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut simple = Simple::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => simple.value = field.double()?,
                2 => simple.exemplar = Some(Exemplar::parse(field.bytes()?)?),
                3 => simple.start_ms = timestamp_ms(field.message()?)?,
                _ => {}
            }
        }
        Ok(simple)
    }
}

/// An exemplar.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    message: &'a [u8],
    /// Its value.
    pub value: f64,
    /// Milliseconds since the epoch, if given.
    pub timestamp_ms: Option<i64>,
}

impl<'a> Exemplar<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut exemplar = Exemplar { message, value: 0.0, timestamp_ms: None };
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                2 => exemplar.value = field.double()?,
                3 => exemplar.timestamp_ms = Some(timestamp_ms(field.message()?)?),
                _ => {}
            }
        }
        Ok(exemplar)
    }

    /// Its labels, in the sender's order.
    pub fn labels(&self) -> impl Iterator<Item = Result<(&'a str, &'a str), DecodeError>> + use<'a> {
        labels(self.message)
    }
}

/// A quantile of a summary or a bucket of a classic histogram.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    /// The quantile, or the inclusive upper bound.
    pub bound: f64,
    /// The value at the quantile, or the count up to the bound.
    pub value: f64,
    /// The exemplar of a bucket.
    pub exemplar: Option<Exemplar<'a>>,
}

/// A summary or a histogram.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    message: &'a [u8],
    is_summary: bool,
    /// How many observations there are.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Since when it has been counting, in milliseconds since the epoch, 0 if not given.
    pub start_ms: i64,
    /// Whether it holds a native histogram: a span, a zero bucket or its width is there.
    pub is_native: bool,
    /// How many quantiles or classic buckets there are.
    pub buckets: usize,
}

impl<'a> Distribution<'a> {
    fn summary(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut summary = Self::empty(message, true);
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                1 => summary.count = field.uint()? as f64,
                2 => summary.sum = field.double()?,
                3 => summary.add_bucket()?,
                4 => summary.start_ms = timestamp_ms(field.message()?)?,
                _ => {}
            }
        }
        Ok(summary)
    }

    fn histogram(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut histogram = Self::empty(message, false);
        let mut count_float = 0.0;
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                1 => histogram.count = field.uint()? as f64,
                2 => histogram.sum = field.double()?,
                3 => histogram.add_bucket()?,
                4 => count_float = field.double()?,
                6 => histogram.is_native |= field.double()? > 0.0,
                7 => histogram.is_native |= field.uint()? > 0,
                8 => histogram.is_native |= field.double()? > 0.0,
                9 | 12 => histogram.is_native = true,
                15 => histogram.start_ms = timestamp_ms(field.message()?)?,
                _ => {}
            }
        }
        if count_float > 0.0 {
            histogram.count = count_float;
        }
        Ok(histogram)
    }

    fn empty(message: &'a [u8], is_summary: bool) -> Self {
        Distribution { message, is_summary, count: 0.0, sum: 0.0, start_ms: 0, is_native: false, buckets: 0 }
    }

    fn add_bucket(&mut self) -> Result<(), DecodeError> {
        if self.buckets >= MAX_CLASSIC_BUCKETS {
            return Err(DecodeError::TooLarge { what: "classic buckets", limit: MAX_CLASSIC_BUCKETS });
        }
        self.buckets += 1;
        Ok(())
    }

    /// The quantiles or classic buckets, in the sender's order.
    pub fn buckets(&self) -> impl Iterator<Item = Result<Bucket<'a>, DecodeError>> + use<'a> {
        let is_summary = self.is_summary;
        Reader::new(self.message).filter(|field| !matches!(field, Ok(field) if field.number != 3)).map(
            move |field| {
                let mut bucket = Bucket { bound: 0.0, value: 0.0, exemplar: None };
                let mut value_float = 0.0;
                for field in field?.message()? {
                    let field = field?;
                    match (field.number, is_summary) {
                        (1, true) => bucket.bound = field.double()?,
                        (2, true) => bucket.value = field.double()?,
                        (1, false) => bucket.value = field.uint()? as f64,
                        (2, false) => bucket.bound = field.double()?,
                        (3, false) => bucket.exemplar = Some(Exemplar::parse(field.bytes()?)?),
                        (4, false) => value_float = field.double()?,
                        _ => {}
                    }
                }
                if value_float > 0.0 {
                    bucket.value = value_float;
                }
                Ok(bucket)
            },
        )
    }

    /// The exemplars of a native histogram, in the sender's order.
    pub fn exemplars(&self) -> impl Iterator<Item = Result<Exemplar<'a>, DecodeError>> + use<'a> {
        Reader::new(self.message)
            .filter(|field| !matches!(field, Ok(field) if field.number != 16))
            .map(|field| Exemplar::parse(field?.bytes()?))
    }

    /// The native histogram, with absolute counts; `is_gauge` if its family says that it may fall.
    pub fn native(&self, is_gauge: bool) -> Result<FloatHistogram, DecodeError> {
        let mut parts = HistogramParts::default();
        let h = &mut parts.histogram;
        let (mut zero_count_float, mut is_float) = (0.0, false);
        let mut positive_counts = Vec::new();
        let mut negative_counts = Vec::new();
        (h.count, h.sum) = (self.count, self.sum);
        for field in Reader::new(self.message) {
            let field = field?;
            match field.number {
                4 => is_float |= field.double()? > 0.0,
                5 => h.schema = narrow(field.sint()?)?,
                6 => h.zero_threshold = field.double()?,
                7 => h.zero_count = field.uint()? as f64,
                8 => zero_count_float = field.double()?,
                9 => push_span(&field, &mut h.negative_spans)?,
                10 => field.sints(&mut parts.negative_deltas, MAX_BUCKETS)?,
                11 => field.doubles(&mut negative_counts, MAX_BUCKETS)?,
                12 => push_span(&field, &mut h.positive_spans)?,
                13 => field.sints(&mut parts.positive_deltas, MAX_BUCKETS)?,
                14 => field.doubles(&mut positive_counts, MAX_BUCKETS)?,
                _ => {}
            }
        }
        // Float counts stand for the whole histogram as soon as one of them is there.
        if is_float || zero_count_float > 0.0 {
            h.zero_count = zero_count_float;
            (h.positive_buckets, h.negative_buckets) = (positive_counts, negative_counts);
            parts.positive_deltas.clear();
            parts.negative_deltas.clear();
        }
        if is_gauge {
            h.counter_reset_hint = CounterResetHint::Gauge;
        }
        parts.finish()
    }
}

/// Writes one family, metric by metric; see [`FamilyWriter::finish`].
pub struct FamilyWriter {
    message: Vec<u8>,
}

impl FamilyWriter {
    /// A family without metrics. Unknown types are written as untyped.
    pub fn new(name: &str, metric_type: MetricType) -> Self {
        let mut message = Vec::new();
        let number = match metric_type {
            MetricType::Counter => 0,
            MetricType::Gauge => 1,
            MetricType::Summary => 2,
            MetricType::Histogram => 4,
            MetricType::GaugeHistogram => 5,
            _ => 3,
        };
        let mut writer = Writer::new(&mut message);
        writer.text(1, name);
        writer.uint(3, number);
        FamilyWriter { message }
    }

    fn metric<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        timestamp_ms: i64,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        Writer::new(&mut self.message).message(4, |metric| {
            for (name, value) in labels {
                metric.message(1, |label| {
                    label.text(1, name);
                    label.text(2, value);
                });
            }
            write(metric);
            metric.int(6, timestamp_ms);
        });
    }

    /// Adds a metric without a type.
    pub fn untyped<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
        timestamp_ms: i64,
    ) {
        self.metric(labels, timestamp_ms, |metric| metric.message(5, |untyped| untyped.double(1, value)));
    }

    /// Adds a native histogram, as a float histogram.
    pub fn histogram<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        histogram: &FloatHistogram,
        timestamp_ms: i64,
    ) {
        self.metric(labels, timestamp_ms, |metric| {
            metric.message(7, |h| {
                h.double(2, histogram.sum);
                h.double(4, histogram.count);
                h.sint(5, i64::from(histogram.schema));
                h.double(6, histogram.zero_threshold);
                h.double(8, histogram.zero_count);
                for (field, spans) in [(9, &histogram.negative_spans), (12, &histogram.positive_spans)] {
                    for span in spans {
                        h.message(field, |s| {
                            s.sint(1, i64::from(span.offset));
                            s.uint(2, u64::from(span.length));
                        });
                    }
                }
                h.doubles(11, &histogram.negative_buckets);
                h.doubles(14, &histogram.positive_buckets);
            });
        });
    }

    /// Adds the family, with its length in front, to a page.
    pub fn finish(self, out: &mut Vec<u8>) {
        Writer::new(out).varint(self.message.len() as u64);
        out.extend_from_slice(&self.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::histogram::Span;

    #[test]
    fn a_family_reads_back_as_it_was_written() {
        let histogram = FloatHistogram {
            schema: 2,
            count: 4.5,
            sum: 9.0,
            zero_threshold: 0.5,
            zero_count: 0.5,
            positive_spans: vec![Span { offset: -1, length: 2 }],
            positive_buckets: vec![1.0, 3.0],
            ..FloatHistogram::default()
        };
        let mut page = Vec::new();
        let mut family = FamilyWriter::new("a", MetricType::Unknown);
        family.untyped([("job", "x")], 2.5, 7);
        family.finish(&mut page);
        let mut family = FamilyWriter::new("h", MetricType::Histogram);
        family.histogram([("job", "x")], &histogram, 8);
        family.finish(&mut page);

        let families: Vec<_> = Families::new(&page).collect::<Result<_, _>>().unwrap();
        assert_eq!(families.len(), 2);
        let metric = families[1].metrics().next().unwrap().unwrap();
        assert_eq!(metric.timestamp_ms, 8);
        let Some(Content::Histogram(read)) = metric.content else { panic!("{metric:?}") };
        assert_eq!(read.native(false).unwrap(), histogram);
    }
}
