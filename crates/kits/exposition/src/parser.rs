//! One pull interface over all formats.

use std::borrow::Cow;
use std::sync::Arc;

use base::{Classify, ErrorClass};
use model::{FloatHistogram, Labels, MetricType};

use crate::classic::Classic;
use crate::format::Format;
use crate::labels::LabelBuffer;
use crate::protobuf::{Found, ProtobufParser};
use crate::text::{self, TextParser};

/// Why a body could not be read. The text is Prometheus's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub(crate) String);

impl Classify for ParseError {
    fn class(&self) -> ErrorClass {
        ErrorClass::BadInput
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// OpenMetrics: take `_created` series as start timestamps of the series they belong to and
    /// leave them out. Without it they are series like others.
    pub created_as_start: bool,
    /// Give the classic series also of a histogram that is given as a native one.
    pub classic_with_native: bool,
    /// Protobuf: pass over native histograms, give their classic series.
    pub ignore_native: bool,
    /// Give classic histograms as native ones with custom buckets; their series only with
    /// `classic_with_native`.
    pub convert_classic: bool,
}

/// Reads a body entry by entry.
pub struct Parser<'a> {
    kind: Kind<'a>,
    converting: Option<Box<Converting>>,
}

/// The conversion of classic histograms, and memory for it.
#[derive(Default)]
struct Converting {
    classic: Classic,
    labels: LabelBuffer,
    is_at_end: bool,
}

enum Kind<'a> {
    Text(TextParser<'a>),
    Protobuf(Box<ProtobufParser<'a>>),
}

/// One entry of a body.
#[derive(Debug)]
pub enum Entry<'p> {
    /// What a metric means.
    Help {
        /// The metric's name.
        metric: Cow<'p, str>,
        /// The text, without escapes.
        help: Cow<'p, str>,
    },
    /// The type of the metrics that follow.
    Type {
        /// The metric's name.
        metric: Cow<'p, str>,
        /// The type.
        metric_type: MetricType,
    },
    /// The unit of a metric.
    Unit {
        /// The metric's name.
        metric: Cow<'p, str>,
        /// The unit.
        unit: Cow<'p, str>,
    },
    /// A comment.
    Comment(&'p [u8]),
    /// A float sample of a series.
    Series(Series<'p>),
    /// A native histogram sample of a series.
    Histogram(Series<'p>, Arc<FloatHistogram>),
}

/// A series with its sample.
#[derive(Clone, Copy)]
pub struct Series<'p> {
    /// What names the series: the text up to the value, or for protobuf its name and labels with
    /// 0xff in between. Equal bytes mean the same series of the same metric type, so that a scraper
    /// can find a series it knows without reading its labels.
    pub raw: &'p [u8],
    /// The value; the sum for a histogram.
    pub value: f64,
    /// Milliseconds since the epoch, if the target gave them.
    pub timestamp_ms: Option<i64>,
    /// Since when a counter has been counting, in milliseconds since the epoch, 0 if unknown.
    pub start_ms: i64,
    pub(crate) origin: Origin<'p>,
}

#[derive(Clone, Copy)]
pub(crate) enum Origin<'p> {
    Text { metric_type: MetricType, exemplar: Option<text::RawExemplar<'p>> },
    Protobuf(&'p ProtobufParser<'p>),
    Converted(&'p Classic),
}

impl std::fmt::Debug for Series<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", String::from_utf8_lossy(self.raw), self.value, self.timestamp_ms)
    }
}

impl Series<'_> {
    /// Puts the labels of the series, the metric name among them, into the buffer, sorted. The bounds
    /// in `le` and `quantile` are written as OpenMetrics wants them (`1` becomes `1.0`).
    pub fn labels(&self, into: &mut LabelBuffer) {
        into.clear();
        match self.origin {
            Origin::Text { metric_type, .. } => text::labels::read(self.raw, metric_type, into),
            Origin::Protobuf(parser) => parser.labels(into),
            Origin::Converted(classic) => classic.labels(into),
        }
        into.sort();
    }

    /// Adds the exemplars of the sample to the list.
    pub fn exemplars(&self, into: &mut Vec<Exemplar>) {
        match self.origin {
            Origin::Text { exemplar: None, .. } => {}
            Origin::Text { exemplar: Some(exemplar), .. } => into.push(exemplar.read()),
            Origin::Protobuf(parser) => parser.exemplars(into),
            Origin::Converted(classic) => classic.exemplars(into),
        }
    }
}

/// An exemplar of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
    /// Milliseconds since the epoch, if given.
    pub timestamp_ms: Option<i64>,
}

impl<'a> Parser<'a> {
    /// A parser of this body.
    pub fn new(format: Format, body: &'a [u8], options: Options) -> Self {
        let kind = match format {
            Format::Text => Kind::Text(TextParser::new(text::Dialect::Prometheus, body, options)),
            Format::OpenMetrics => Kind::Text(TextParser::new(text::Dialect::OpenMetrics, body, options)),
            Format::Protobuf => Kind::Protobuf(Box::new(ProtobufParser::new(body, options))),
        };
        let converting = options.convert_classic.then(|| {
            let classic = Classic::new(options.classic_with_native);
            Box::new(Converting { classic, ..Converting::default() })
        });
        Parser { kind, converting }
    }

    /// The next entry, or `None` at the end. After an error only the same error comes.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        self.next_guessing(&[])
    }

    /// Like [`Parser::next_entry`], for a caller that knows what probably comes: if the next entry is
    /// the series with the raw bytes `known`, they are compared instead of read. `known` must come
    /// from [`Series::raw`] of the same format, or be empty.
    #[inline]
    pub fn next_guessing(&mut self, known: &[u8]) -> Result<Option<Entry<'_>>, ParseError> {
        self.next_expecting(known.len(), |raw| raw == known)
    }

    /// Like [`Parser::next_guessing`], for a caller that keeps only the length of what probably comes
    /// and something to know it by, such as a hash. `is_known` is asked at most once, about bytes of
    /// that length, and must accept none but those of a [`Series::raw`] of the same format. If it
    /// accepts, the entry is that series or an error. Protobuf is always read.
    #[inline]
    pub fn next_expecting(
        &mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Entry<'_>>, ParseError> {
        if self.converting.is_some() {
            return self.next_converting();
        }
        match &mut self.kind {
            Kind::Text(parser) => parser.next_entry(length, is_known),
            Kind::Protobuf(parser) => parser.next_entry(),
        }
    }

    /// The next entry, where classic histograms are converted. A converted one comes before or after the
    /// entry that showed that it is whole.
    fn next_converting(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        let Some(converting) = &mut self.converting else { return Ok(None) };
        let Converting { classic, labels, is_at_end } = &mut **converting;
        // An entry that is given keeps the parser borrowed: go on until it is clear which one it is.
        let given = loop {
            if classic.is_ready() || *is_at_end {
                break None;
            }
            let next = match &mut self.kind {
                Kind::Text(parser) => match parser.next_step()? {
                    Some(step) => {
                        (!consumes(classic, labels, &text::entry_of(step)?)).then_some(Given::Text(step))
                    }
                    None => Some(Given::End),
                },
                Kind::Protobuf(parser) => match parser.next_found()? {
                    Some(found) => {
                        let is_consumed = consumes(classic, labels, &parser.entry(found.clone()));
                        (!is_consumed).then_some(Given::Protobuf(found))
                    }
                    None => Some(Given::End),
                },
            };
            if next.is_some() {
                break next;
            }
        };
        match (given, &self.kind) {
            (Some(Given::Text(step)), _) => text::entry_of(step).map(Some),
            (Some(Given::Protobuf(found)), Kind::Protobuf(parser)) => Ok(Some(parser.entry(found))),
            (Some(Given::End), _) => {
                *is_at_end = true;
                classic.take_other();
                Ok(classic.take_ready())
            }
            _ => Ok(classic.take_ready()),
        }
    }
}

/// What [`Parser::next_converting`] gives.
enum Given<'a> {
    Text(text::Step<'a>),
    Protobuf(Found),
    End,
}

/// Shows an entry to the conversion. True if it is not to be given.
fn consumes(classic: &mut Classic, labels: &mut LabelBuffer, entry: &Entry<'_>) -> bool {
    match entry {
        Entry::Series(series) => {
            series.labels(labels);
            classic.take_series(series, labels)
        }
        Entry::Histogram(series, _) => {
            series.labels(labels);
            classic.take_native(labels);
            false
        }
        Entry::Type { metric, metric_type } => {
            classic.take_type(metric, *metric_type);
            false
        }
        Entry::Help { .. } | Entry::Unit { .. } | Entry::Comment(_) => {
            classic.take_other();
            false
        }
    }
}
