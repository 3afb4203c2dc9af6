//! Remote write 2.0: `io.prometheus.write.v2.Request`, read without copying and written.
//!
//! Every text stands once in a table of symbols; labels and metadata are numbers of it. Field numbers:
//! `io/prometheus/write/v2/types.proto` of Prometheus.

use std::collections::HashMap;

use model::{FloatHistogram, Metadata, MetricType};

use crate::remote::{HistogramMessage, TYPES, write_histogram};
use crate::{DecodeError, Reader, Writer};

const SYMBOLS_FIELD: u32 = 4;
const SERIES_FIELD: u32 = 5;
/// The most labels of a series or exemplar: far above what any store takes.
const LABELS_MAX: usize = 1 << 12;

/// A request: its symbols read, its series not.
#[derive(Debug)]
pub struct Request<'a> {
    body: &'a [u8],
    symbols: Vec<&'a str>,
}

impl<'a> Request<'a> {
    /// The request in this (decompressed) body, if it has no more symbols than `symbols_max`.
    pub fn read(body: &'a [u8], symbols_max: usize) -> Result<Self, DecodeError> {
        let mut symbols = Vec::new();
        for field in Reader::new(body) {
            let field = field?;
            if field.number == SYMBOLS_FIELD {
                if symbols.len() >= symbols_max {
                    return Err(DecodeError::TooLarge { what: "symbols", limit: symbols_max });
                }
                symbols.push(field.text()?);
            }
        }
        Ok(Request { body, symbols })
    }

    /// Its series, in their order. Ends after the first error.
    pub fn series(&self) -> impl Iterator<Item = Result<TimeSeries<'a>, DecodeError>> + use<'a> {
        Reader::new(self.body).filter_map(|field| match field {
            Ok(field) if field.number != SERIES_FIELD => None,
            Ok(field) => Some(field.bytes().map(TimeSeries)),
            Err(error) => Some(Err(error)),
        })
    }

    /// The text that a number stands for.
    pub fn symbol(&self, number: u32) -> Result<&'a str, DecodeError> {
        let found = self.symbols.get(number as usize).copied();
        found.ok_or(DecodeError::BadSymbol("a label or metadata refers to a symbol that is not there"))
    }

    /// Adds the pairs of texts that these numbers stand for.
    pub fn pairs(&self, refs: &[u32], into: &mut Vec<(&'a str, &'a str)>) -> Result<(), DecodeError> {
        let (pairs, []) = refs.as_chunks::<2>() else {
            return Err(DecodeError::BadSymbol("the numbers of labels are not pairs"));
        };
        for [name, value] in pairs {
            into.push((self.symbol(*name)?, self.symbol(*value)?));
        }
        Ok(())
    }
}

/// One series of a request, unread.
#[derive(Clone, Copy, Debug)]
pub struct TimeSeries<'a>(&'a [u8]);

/// What a series says of itself; see [`TimeSeries::head`].
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Symbols of its labels, name and value in turn.
    pub labels: Vec<u32>,
    /// What the metric is.
    pub metric_type: MetricType,
    /// Symbol of the help text.
    pub help: u32,
    /// Symbol of the unit.
    pub unit: u32,
    /// Since when all its samples have been counting, as candidates of the standard said it; 0 for unknown.
    pub start_ms: i64,
    /// Whether it has a sample or a histogram.
    pub has_samples: bool,
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
        /// Since when it has been counting, milliseconds since the epoch, 0 for unknown.
        start_ms: i64,
    },
    /// A native histogram, not yet decoded.
    Histogram(HistogramMessage<'a>),
    /// An exemplar, not yet read; see [`Exemplar::read`].
    Exemplar(&'a [u8]),
}

impl<'a> TimeSeries<'a> {
    /// Reads everything but what is written to the series, into memory that is used again.
    pub fn head(&self, into: &mut Head) -> Result<(), DecodeError> {
        into.labels.clear();
        *into = Head { labels: std::mem::take(&mut into.labels), ..Head::default() };
        for field in Reader::new(self.0) {
            let field = field?;
            match field.number {
                1 => field.refs(&mut into.labels, 2 * LABELS_MAX)?,
                2 | 3 => into.has_samples = true,
                5 => {
                    for field in field.message()? {
                        let field = field?;
                        let reference = || u32::try_from(field.uint()?).map_err(|_| DecodeError::Overlong);
                        match field.number {
                            1 => {
                                let number = usize::try_from(field.uint()?).unwrap_or(usize::MAX);
                                into.metric_type = TYPES.get(number).copied().unwrap_or_default();
                            }
                            3 => into.help = reference()?,
                            4 => into.unit = reference()?,
                            _ => {}
                        }
                    }
                }
                6 => into.start_ms = field.int()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What is written to the series, in the sender's order.
    pub fn points(&self) -> impl Iterator<Item = Result<Point<'a>, DecodeError>> + use<'a> {
        Reader::new(self.0).filter_map(|field| {
            let field = match field {
                Ok(field) => field,
                Err(error) => return Some(Err(error)),
            };
            match field.number {
                2 => Some(field.message().and_then(sample)),
                3 => Some(field.bytes().and_then(HistogramMessage::parse).map(Point::Histogram)),
                4 => Some(field.bytes().map(Point::Exemplar)),
                _ => None,
            }
        })
    }
}

fn sample<'a>(message: Reader<'a>) -> Result<Point<'a>, DecodeError> {
    let (mut value, mut timestamp_ms, mut start_ms) = (0.0, 0, 0);
    for field in message {
        let field = field?;
        match field.number {
            1 => value = field.double()?,
            2 => timestamp_ms = field.int()?,
            3 => start_ms = field.int()?,
            _ => {}
        }
    }
    Ok(Point::Sample { timestamp_ms, value, start_ms })
}

/// An exemplar of a series.
#[derive(Clone, Debug, Default)]
pub struct Exemplar {
    /// Symbols of its labels, name and value in turn.
    pub labels: Vec<u32>,
    /// Its value.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
}

impl Exemplar {
    /// The exemplar in this message.
    pub fn read(message: &[u8]) -> Result<Self, DecodeError> {
        let mut exemplar = Exemplar::default();
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                1 => field.refs(&mut exemplar.labels, 2 * LABELS_MAX)?,
                2 => exemplar.value = field.double()?,
                3 => exemplar.timestamp_ms = field.int()?,
                _ => {}
            }
        }
        Ok(exemplar)
    }
}

/// Writes a request: series first, then, behind the symbols that they need, the whole.
pub struct RequestEncoder {
    symbols: HashMap<String, u32>,
    /// The symbols as fields of the request.
    table: Vec<u8>,
    series: Vec<u8>,
}

impl Default for RequestEncoder {
    fn default() -> Self {
        let mut encoder = RequestEncoder { symbols: HashMap::new(), table: Vec::new(), series: Vec::new() };
        // The first symbol is the empty text: what is not said refers to it.
        encoder.symbol("");
        encoder
    }
}

impl RequestEncoder {
    /// A request without series.
    pub fn new() -> Self {
        Self::default()
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(number) = self.symbols.get(text) {
            return *number;
        }
        let number = self.symbols.len() as u32;
        self.symbols.insert(text.to_string(), number);
        Writer::new(&mut self.table).text(SYMBOLS_FIELD, text);
        number
    }

    fn symbols<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Vec<u32> {
        let mut refs = Vec::new();
        for (name, value) in labels {
            refs.push(self.symbol(name));
            refs.push(self.symbol(value));
        }
        refs
    }

    /// Adds a series; `labels` sorted by name, `write` adds what is written to it.
    pub fn series<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        metadata: &Metadata,
        write: impl FnOnce(&mut SeriesEncoder<'_>),
    ) {
        let refs = self.symbols(labels);
        let (help, unit) = (self.symbol(&metadata.help), self.symbol(&metadata.unit));
        let mut message = Vec::new();
        put_refs(&mut Writer::new(&mut message), &refs);
        write(&mut SeriesEncoder { request: self, message: &mut message });
        let number = TYPES.iter().position(|t| *t == metadata.metric_type).unwrap_or(0);
        Writer::new(&mut message).message(5, |m| {
            for (field, value) in [(1, number as u64), (3, u64::from(help)), (4, u64::from(unit))] {
                if value != 0 {
                    m.uint(field, value);
                }
            }
        });
        Writer::new(&mut self.series).bytes(SERIES_FIELD, &message);
    }

    /// Adds the request to a buffer and begins anew.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.table);
        out.extend_from_slice(&self.series);
        self.symbols.clear();
        self.table.clear();
        self.series.clear();
        self.symbol("");
    }
}

fn put_refs(writer: &mut Writer<'_>, refs: &[u32]) {
    if !refs.is_empty() {
        writer.message(1, |w| refs.iter().for_each(|number| w.varint(u64::from(*number))));
    }
}

/// Writes what belongs to one series; see [`RequestEncoder::series`].
pub struct SeriesEncoder<'a> {
    request: &'a mut RequestEncoder,
    message: &'a mut Vec<u8>,
}

impl SeriesEncoder<'_> {
    /// Adds a float sample; `start_ms` 0 for unknown.
    pub fn sample(&mut self, timestamp_ms: i64, value: f64, start_ms: i64) {
        Writer::new(self.message).message(2, |sample| {
            sample.double(1, value);
            sample.int(2, timestamp_ms);
            if start_ms != 0 {
                sample.int(3, start_ms);
            }
        });
    }

    /// Adds a native histogram, as a float histogram.
    pub fn histogram(&mut self, timestamp_ms: i64, histogram: &FloatHistogram, start_ms: i64) {
        Writer::new(self.message).message(3, |h| {
            write_histogram(h, timestamp_ms, histogram);
            if start_ms != 0 {
                h.int(17, start_ms);
            }
        });
    }

    /// Adds an exemplar.
    pub fn exemplar<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        timestamp_ms: i64,
        value: f64,
    ) {
        let refs = self.request.symbols(labels);
        Writer::new(self.message).message(4, |exemplar| {
            put_refs(exemplar, &refs);
            exemplar.double(2, value);
            exemplar.int(3, timestamp_ms);
        });
    }
}
