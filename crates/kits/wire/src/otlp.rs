//! OTLP metrics: `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`, read into structs
//! whose texts point into the body.
//!
//! Field numbers: `opentelemetry/proto/metrics/v1/metrics.proto` and its like, version 1.

use std::borrow::Cow;

use crate::{DecodeError, Field, Reader};

/// Values may hold values this deep.
const NESTING_MAX: usize = 64;

/// Attributes, in the sender's order.
pub type Attributes<'a> = Vec<(Cow<'a, str>, AnyValue<'a>)>;

/// The value of an attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnyValue<'a> {
    /// None.
    #[default]
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Several values.
    Array(Vec<AnyValue<'a>>),
    /// Values by keys.
    Map(Attributes<'a>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

/// What one resource sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceMetrics<'a> {
    /// What the resource is.
    pub attributes: Attributes<'a>,
    /// Its metrics, by who measured them.
    pub scopes: Vec<ScopeMetrics<'a>>,
}

/// What one instrumentation library measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeMetrics<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its version.
    pub version: Cow<'a, str>,
    /// Where its schema is described.
    pub schema_url: Cow<'a, str>,
    /// What else is said of it.
    pub attributes: Attributes<'a>,
    /// The metrics.
    pub metrics: Vec<Metric<'a>>,
}

/// A metric and its points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it means.
    pub description: Cow<'a, str>,
    /// Its unit, in UCUM.
    pub unit: Cow<'a, str>,
    /// Its points.
    pub data: Data<'a>,
    /// What the points of sums and histograms are counted from.
    pub temporality: Temporality,
}

/// What the points of a sum or a histogram are counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Not said, or not known here.
    #[default]
    Unspecified,
    /// The point before.
    Delta,
    /// A fixed start.
    Cumulative,
}

impl Temporality {
    /// The one with this number on the wire.
    pub fn from_number(number: u64) -> Temporality {
        match number {
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        }
    }
}

/// The points of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Data<'a> {
    /// None, or of a kind that is not known here.
    #[default]
    None,
    /// Values that rise and fall.
    Gauge(Vec<NumberPoint<'a>>),
    /// Sums; the boolean says whether they only rise.
    Sum(Vec<NumberPoint<'a>>, bool),
    /// Histograms with bounds of their own.
    Histogram(Vec<HistogramPoint<'a>>),
    /// Histograms with exponential bounds.
    Exponential(Vec<ExponentialPoint<'a>>),
    /// Quantiles.
    Summary(Vec<SummaryPoint<'a>>),
}

/// A whole or other number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// None.
    #[default]
    None,
    /// A whole one.
    Int(i64),
    /// Another one.
    Double(f64),
}

impl Number {
    /// As a float, 0 for none.
    pub fn value(self) -> f64 {
        match self {
            Number::None => 0.0,
            Number::Int(value) => value as f64,
            Number::Double(value) => value,
        }
    }
}

/// What all points have. Times are nanoseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point<'a> {
    /// What it is a point of.
    pub attributes: Attributes<'a>,
    /// Since when it has been counting, 0 for unknown.
    pub start_ns: u64,
    /// When it was.
    pub time_ns: u64,
    /// Whether it says that there is no value (any more).
    pub is_missing: bool,
}

/// A point of a gauge or sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberPoint<'a> {
    /// What all points have.
    pub point: Point<'a>,
    /// Its value.
    pub value: Number,
    /// Observations that stand for it.
    pub exemplars: Vec<Exemplar<'a>>,
}

/// A point of a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramPoint<'a> {
    /// What all points have.
    pub point: Point<'a>,
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// Observations in each bucket; one more than there are bounds, or none.
    pub buckets: Vec<u64>,
    /// Upper bounds of the buckets but the last.
    pub bounds: Vec<f64>,
    /// Observations that stand for it.
    pub exemplars: Vec<Exemplar<'a>>,
}

/// A point of an exponential histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialPoint<'a> {
    /// What all points have.
    pub point: Point<'a>,
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// Each power of two is divided in 2^scale buckets.
    pub scale: i32,
    /// Observations near zero.
    pub zero_count: u64,
    /// How near.
    pub zero_threshold: f64,
    /// Buckets above zero.
    pub positive: Buckets,
    /// Buckets below zero.
    pub negative: Buckets,
    /// Observations that stand for it.
    pub exemplars: Vec<Exemplar<'a>>,
}

/// Buckets in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Number of the first one. Bucket 0 begins above 1.
    pub offset: i32,
    /// Observations in each.
    pub counts: Vec<u64>,
}

/// A point of a summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryPoint<'a> {
    /// What all points have.
    pub point: Point<'a>,
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantiles and their values.
    pub quantiles: Vec<(f64, f64)>,
}

/// An observation that stands for a point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar<'a> {
    /// Attributes that the point has not.
    pub attributes: Attributes<'a>,
    /// When it was, nanoseconds since the epoch.
    pub time_ns: u64,
    /// What was observed.
    pub value: Number,
    /// The trace that it belongs to, or nothing.
    pub trace_id: Cow<'a, [u8]>,
    /// The span that it belongs to, or nothing.
    pub span_id: Cow<'a, [u8]>,
}

/// Bounds what a request becomes in memory: the smallest messages take two bytes and become some hundred.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: usize,
    max: usize,
}

impl Budget {
    /// So many messages and numbers.
    pub const fn new(max: usize) -> Self {
        Budget { left: max, max }
    }

    /// Takes some.
    pub fn take(&mut self, count: usize) -> Result<(), DecodeError> {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => {
                return Err(DecodeError::TooLarge {
                    what: "messages and numbers of a request",
                    limit: self.max,
                });
            }
        }
        Ok(())
    }
}

/// What a request says, resource by resource.
pub fn read<'a>(body: &'a [u8], budget: &mut Budget) -> Result<Vec<ResourceMetrics<'a>>, DecodeError> {
    messages(body, 1, budget, resource)
}

/// The messages in a field.
fn messages<'a, T>(
    message: &'a [u8],
    number: u32,
    budget: &mut Budget,
    read: impl Fn(&'a [u8], &mut Budget) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut all = Vec::new();
    for field in Reader::new(message) {
        let field = field?;
        if field.number == number {
            push(&mut all, &field, budget, &read)?;
        }
    }
    Ok(all)
}

fn push<'a, T>(
    all: &mut Vec<T>,
    field: &Field<'a>,
    budget: &mut Budget,
    read: impl Fn(&'a [u8], &mut Budget) -> Result<T, DecodeError>,
) -> Result<(), DecodeError> {
    budget.take(1)?;
    all.push(read(field.bytes()?, budget)?);
    Ok(())
}

fn text<'a>(field: &Field<'a>) -> Result<Cow<'a, str>, DecodeError> {
    field.text().map(Cow::Borrowed)
}

fn resource<'a>(message: &'a [u8], budget: &mut Budget) -> Result<ResourceMetrics<'a>, DecodeError> {
    let mut all = ResourceMetrics::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => all.attributes = messages(field.bytes()?, 1, budget, key_value)?,
            2 => push(&mut all.scopes, &field, budget, scope)?,
            _ => {}
        }
    }
    Ok(all)
}

fn scope<'a>(message: &'a [u8], budget: &mut Budget) -> Result<ScopeMetrics<'a>, DecodeError> {
    let mut all = ScopeMetrics::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => {
                for field in field.message()? {
                    let field = field?;
                    match field.number {
                        1 => all.name = text(&field)?,
                        2 => all.version = text(&field)?,
                        3 => push(&mut all.attributes, &field, budget, key_value)?,
                        _ => {}
                    }
                }
            }
            2 => push(&mut all.metrics, &field, budget, metric)?,
            3 => all.schema_url = text(&field)?,
            _ => {}
        }
    }
    Ok(all)
}

fn metric<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Metric<'a>, DecodeError> {
    let mut metric = Metric::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => metric.name = text(&field)?,
            2 => metric.description = text(&field)?,
            3 => metric.unit = text(&field)?,
            5 | 7 | 9 | 10 | 11 => {
                let body = field.bytes()?;
                let mut is_monotonic = false;
                for field in Reader::new(body) {
                    let field = field?;
                    match field.number {
                        2 => metric.temporality = Temporality::from_number(field.uint()?),
                        3 => is_monotonic = field.uint()? != 0,
                        _ => {}
                    }
                }
                metric.data = match field.number {
                    5 => Data::Gauge(messages(body, 1, budget, number_point)?),
                    7 => Data::Sum(messages(body, 1, budget, number_point)?, is_monotonic),
                    9 => Data::Histogram(messages(body, 1, budget, histogram_point)?),
                    10 => Data::Exponential(messages(body, 1, budget, exponential_point)?),
                    _ => Data::Summary(messages(body, 1, budget, summary_point)?),
                };
            }
            _ => {}
        }
    }
    Ok(metric)
}

const MISSING_FLAG: u64 = 1;

fn number_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<NumberPoint<'a>, DecodeError> {
    let mut all = NumberPoint::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            2 => all.point.start_ns = field.fixed64()?,
            3 => all.point.time_ns = field.fixed64()?,
            4 => all.value = Number::Double(field.double()?),
            5 => push(&mut all.exemplars, &field, budget, exemplar)?,
            6 => all.value = Number::Int(field.fixed64()? as i64),
            7 => push(&mut all.point.attributes, &field, budget, key_value)?,
            8 => all.point.is_missing = field.uint()? & MISSING_FLAG != 0,
            _ => {}
        }
    }
    Ok(all)
}

fn histogram_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<HistogramPoint<'a>, DecodeError> {
    let mut all = HistogramPoint::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            2 => all.point.start_ns = field.fixed64()?,
            3 => all.point.time_ns = field.fixed64()?,
            4 => all.count = field.fixed64()?,
            5 => all.sum = Some(field.double()?),
            6 => field.fixed64s(&mut all.buckets, budget.left)?,
            7 => field.doubles(&mut all.bounds, budget.left)?,
            8 => push(&mut all.exemplars, &field, budget, exemplar)?,
            9 => push(&mut all.point.attributes, &field, budget, key_value)?,
            10 => all.point.is_missing = field.uint()? & MISSING_FLAG != 0,
            _ => {}
        }
    }
    budget.take(all.buckets.len() + all.bounds.len())?;
    Ok(all)
}

fn exponential_point<'a>(
    message: &'a [u8],
    budget: &mut Budget,
) -> Result<ExponentialPoint<'a>, DecodeError> {
    let mut all = ExponentialPoint::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => push(&mut all.point.attributes, &field, budget, key_value)?,
            2 => all.point.start_ns = field.fixed64()?,
            3 => all.point.time_ns = field.fixed64()?,
            4 => all.count = field.fixed64()?,
            5 => all.sum = Some(field.double()?),
            6 => all.scale = crate::histogram::narrow(field.sint()?)?,
            7 => all.zero_count = field.fixed64()?,
            8 => all.positive = buckets(field.bytes()?, budget)?,
            9 => all.negative = buckets(field.bytes()?, budget)?,
            10 => all.point.is_missing = field.uint()? & MISSING_FLAG != 0,
            11 => push(&mut all.exemplars, &field, budget, exemplar)?,
            14 => all.zero_threshold = field.double()?,
            _ => {}
        }
    }
    Ok(all)
}

fn buckets(message: &[u8], budget: &mut Budget) -> Result<Buckets, DecodeError> {
    let mut all = Buckets::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => all.offset = crate::histogram::narrow(field.sint()?)?,
            2 => field.uints(&mut all.counts, budget.left)?,
            _ => {}
        }
    }
    budget.take(all.counts.len())?;
    Ok(all)
}

fn summary_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<SummaryPoint<'a>, DecodeError> {
    let mut all = SummaryPoint::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            2 => all.point.start_ns = field.fixed64()?,
            3 => all.point.time_ns = field.fixed64()?,
            4 => all.count = field.fixed64()?,
            5 => all.sum = field.double()?,
            6 => push(&mut all.quantiles, &field, budget, quantile)?,
            7 => push(&mut all.point.attributes, &field, budget, key_value)?,
            8 => all.point.is_missing = field.uint()? & MISSING_FLAG != 0,
            _ => {}
        }
    }
    Ok(all)
}

fn quantile(message: &[u8], _: &mut Budget) -> Result<(f64, f64), DecodeError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    Ok((quantile, value))
}

fn exemplar<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Exemplar<'a>, DecodeError> {
    let mut all = Exemplar::default();
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            2 => all.time_ns = field.fixed64()?,
            3 => all.value = Number::Double(field.double()?),
            4 => all.span_id = Cow::Borrowed(field.bytes()?),
            5 => all.trace_id = Cow::Borrowed(field.bytes()?),
            6 => all.value = Number::Int(field.fixed64()? as i64),
            7 => push(&mut all.attributes, &field, budget, key_value)?,
            _ => {}
        }
    }
    Ok(all)
}

fn key_value<'a>(
    message: &'a [u8],
    budget: &mut Budget,
) -> Result<(Cow<'a, str>, AnyValue<'a>), DecodeError> {
    key_value_at(message, budget, 0)
}

fn key_value_at<'a>(
    message: &'a [u8],
    budget: &mut Budget,
    depth: usize,
) -> Result<(Cow<'a, str>, AnyValue<'a>), DecodeError> {
    let (mut key, mut value) = (Cow::Borrowed(""), AnyValue::Empty);
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => key = text(&field)?,
            2 => value = any_value(field.bytes()?, budget, depth)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn any_value<'a>(message: &'a [u8], budget: &mut Budget, depth: usize) -> Result<AnyValue<'a>, DecodeError> {
    if depth > NESTING_MAX {
        return Err(DecodeError::TooLarge { what: "nesting of a value", limit: NESTING_MAX });
    }
    let mut value = AnyValue::Empty;
    for field in Reader::new(message) {
        let field = field?;
        match field.number {
            1 => value = AnyValue::Text(text(&field)?),
            2 => value = AnyValue::Bool(field.uint()? != 0),
            3 => value = AnyValue::Int(field.int()?),
            4 => value = AnyValue::Double(field.double()?),
            5 => {
                let read = |message, budget: &mut Budget| any_value(message, budget, depth + 1);
                value = AnyValue::Array(messages(field.bytes()?, 1, budget, read)?);
            }
            6 => {
                let read = |message, budget: &mut Budget| key_value_at(message, budget, depth + 1);
                value = AnyValue::Map(messages(field.bytes()?, 1, budget, read)?);
            }
            7 => value = AnyValue::Bytes(Cow::Borrowed(field.bytes()?)),
            _ => {}
        }
    }
    Ok(value)
}
