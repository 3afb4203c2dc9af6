//! Families in protobuf as the entries that the text formats would have.

use std::borrow::Cow;
use std::sync::Arc;

use model::{FloatHistogram, METRIC_NAME, MetricType};
use wire::DecodeError;
use wire::client::{self, Bucket, Content, Families, FamilyType, Metric, MetricFamily, Metrics};

use crate::labels::LabelBuffer;
use crate::number::push_open_metrics_float;
use crate::parser::{Entry, Exemplar, Options, Origin, ParseError, Series};
use crate::quote::quote;

/// Separates name and labels in the raw bytes of a series: it occurs in no UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Family,
    Help,
    Unit,
    Type,
    Metric,
    /// The series of a classic histogram or summary, by position.
    Part(Part),
}

/// One series of a classic histogram or summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Count,
    Sum,
    /// A quantile or bucket, by index; the one after the last bucket is `+Inf` if it was missing.
    Bucket(usize),
}

pub(crate) struct ProtobufParser<'a> {
    options: Options,
    families: Families<'a>,
    family: Option<MetricFamily<'a>>,
    metrics: Metrics<'a>,
    metric: Option<Metric<'a>>,
    /// The quantiles or classic buckets of the metric.
    buckets: Vec<Bucket<'a>>,
    step: Step,
    /// The labels of the current series, sorted, the metric name among them.
    labels: LabelBuffer,
    raw: Vec<u8>,
    exemplars: Vec<client::Exemplar<'a>>,
    failed: Option<ParseError>,
    number: Vec<u8>,
}

impl<'a> ProtobufParser<'a> {
    pub(crate) fn new(body: &'a [u8], options: Options) -> Self {
        ProtobufParser {
            options,
            families: Families::new(body),
            family: None,
            metrics: Metrics::none(),
            metric: None,
            buckets: Vec::new(),
            step: Step::Family,
            labels: LabelBuffer::default(),
            raw: Vec::new(),
            exemplars: Vec::new(),
            failed: None,
            number: Vec::new(),
        }
    }

    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        Ok(self.next_found()?.map(|found| self.entry(found)))
    }

    /// Goes on to the next entry, for one who decides about it before it is given.
    pub(crate) fn next_found(&mut self) -> Result<Option<Found>, ParseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| self.failed = Some(error.clone()))
    }

    pub(crate) fn labels(&self, into: &mut LabelBuffer) {
        into.clone_from(&self.labels);
    }

    pub(crate) fn exemplars(&self, into: &mut Vec<Exemplar>) {
        for exemplar in &self.exemplars {
            let mut labels = LabelBuffer::default();
            for (name, value) in exemplar.labels().flatten() {
                labels.push(name, value);
            }
            labels.sort();
            into.push(Exemplar {
                labels: labels.build(),
                value: exemplar.value,
                timestamp_ms: exemplar.timestamp_ms,
            });
        }
    }

    /// The entry that was found last.
    pub(crate) fn entry(&self, found: Found) -> Entry<'_> {
        let (name, help, unit, metric_type) = match &self.family {
            Some(family) => (family.name, family.help, family.unit, metric_type(family.family_type)),
            None => ("", "", "", MetricType::Unknown),
        };
        let metric = Cow::Borrowed(name);
        match found {
            Found::Help => Entry::Help { metric, help: Cow::Borrowed(help) },
            Found::Unit => Entry::Unit { metric, unit: Cow::Borrowed(unit) },
            Found::Type => Entry::Type { metric, metric_type },
            Found::Series(value) => Entry::Series(self.series(value)),
            Found::Histogram(histogram) => Entry::Histogram(self.series(histogram.sum), histogram),
        }
    }

    fn series(&self, value: f64) -> Series<'_> {
        let (timestamp_ms, start_ms) = self.metric.map_or((0, 0), |metric| {
            let start_ms = match metric.content {
                Some(Content::Simple(simple)) => simple.start_ms,
                Some(Content::Summary(d) | Content::Histogram(d)) => d.start_ms,
                None => 0,
            };
            (metric.timestamp_ms, start_ms)
        });
        Series {
            raw: &self.raw,
            value,
            // Zero cannot be told from "not given".
            timestamp_ms: Some(timestamp_ms).filter(|t| *t != 0),
            start_ms,
            origin: Origin::Protobuf(self),
        }
    }

    fn advance(&mut self) -> Result<Option<Found>, ParseError> {
        loop {
            match self.step {
                Step::Family => {
                    let Some(family) = self.families.next() else { return Ok(None) };
                    let family = family.map_err(wire_error)?;
                    self.metrics = family.metrics();
                    if self.metrics.clone().next().is_none() {
                        continue;
                    }
                    check(&family)?;
                    self.family = Some(family);
                    self.step = Step::Help;
                }
                Step::Help => {
                    let has_unit = self.family.is_some_and(|family| !family.unit.is_empty());
                    self.step = if has_unit { Step::Unit } else { Step::Type };
                    return Ok(Some(Found::Help));
                }
                Step::Unit => {
                    self.step = Step::Type;
                    return Ok(Some(Found::Unit));
                }
                Step::Type => {
                    self.step = Step::Metric;
                    return Ok(Some(Found::Type));
                }
                Step::Metric => {
                    let Some(metric) = self.metrics.next() else {
                        self.step = Step::Family;
                        continue;
                    };
                    self.metric = Some(metric.map_err(wire_error)?);
                    if let Some(found) = self.start_metric()? {
                        return Ok(Some(found));
                    }
                }
                Step::Part(part) => return self.part(part).map(Some),
            }
        }
    }

    /// Begins with the metric just read; `None` if its series come part by part.
    fn start_metric(&mut self) -> Result<Option<Found>, ParseError> {
        let (Some(family), Some(metric)) = (self.family, self.metric) else { return Ok(None) };
        self.exemplars.clear();
        self.buckets.clear();
        let is_summary = family.family_type == FamilyType::Summary;
        let is_gauge = family.family_type == FamilyType::GaugeHistogram;
        let is_histogram = is_gauge || family.family_type == FamilyType::Histogram;
        match metric.content {
            Some(Content::Histogram(histogram)) if is_histogram => {
                let is_native = histogram.is_native && !self.options.ignore_native;
                for bucket in histogram.buckets() {
                    self.buckets.push(bucket.map_err(wire_error)?);
                }
                if !is_native {
                    self.step = Step::Part(Part::Count);
                    return Ok(None);
                }
                self.name_series(&family, &metric, "", None)?;
                for exemplar in histogram.exemplars() {
                    self.exemplars.push(exemplar.map_err(wire_error)?);
                }
                if self.exemplars.is_empty() {
                    self.exemplars.extend(self.buckets.iter().filter_map(|bucket| bucket.exemplar));
                }
                // Exemplars of native histograms must have a timestamp.
                self.exemplars.retain(|exemplar| exemplar.timestamp_ms.is_some());
                if self.options.classic_with_native && !self.buckets.is_empty() {
                    self.step = Step::Part(Part::Count);
                }
                let native = histogram.native(is_gauge).map_err(wire_error)?;
                Ok(Some(Found::Histogram(Arc::new(native))))
            }
            Some(Content::Summary(summary)) if is_summary => {
                for quantile in summary.buckets() {
                    self.buckets.push(quantile.map_err(wire_error)?);
                }
                self.step = Step::Part(Part::Count);
                Ok(None)
            }
            _ if is_summary || is_histogram => {
                self.step = Step::Part(Part::Count);
                Ok(None)
            }
            content => {
                let simple = match content {
                    Some(Content::Simple(simple)) => simple,
                    _ => client::Simple::default(),
                };
                if family.family_type == FamilyType::Counter {
                    self.exemplars.extend(simple.exemplar);
                }
                self.name_series(&family, &metric, "", None)?;
                Ok(Some(Found::Series(simple.value)))
            }
        }
    }

    fn part(&mut self, part: Part) -> Result<Found, ParseError> {
        let (Some(family), Some(metric)) = (self.family, self.metric) else {
            return Err(ParseError("no metric is open".to_string()));
        };
        self.exemplars.clear();
        let (count, sum) = match metric.content {
            Some(Content::Summary(d) | Content::Histogram(d)) => (d.count, d.sum),
            _ => (0.0, 0.0),
        };
        let is_summary = family.family_type == FamilyType::Summary;
        match part {
            Part::Count => {
                self.step = Step::Part(Part::Sum);
                self.name_series(&family, &metric, "_count", None)?;
                Ok(Found::Series(count))
            }
            Part::Sum => {
                let has_more = !is_summary || !self.buckets.is_empty();
                self.step = if has_more { Step::Part(Part::Bucket(0)) } else { Step::Metric };
                self.name_series(&family, &metric, "_sum", None)?;
                Ok(Found::Series(sum))
            }
            Part::Bucket(index) => {
                let infinite = Bucket { bound: f64::INFINITY, value: count, exemplar: None };
                let bucket = self.buckets.get(index).copied().unwrap_or(infinite);
                let is_last =
                    if is_summary { index + 1 >= self.buckets.len() } else { bucket.bound == f64::INFINITY };
                self.step = if is_last { Step::Metric } else { Step::Part(Part::Bucket(index + 1)) };
                self.exemplars.extend(bucket.exemplar);
                let (suffix, label) = if is_summary { ("", "quantile") } else { ("_bucket", "le") };
                self.name_series(&family, &metric, suffix, Some((label, bucket.bound)))?;
                Ok(Found::Series(bucket.value))
            }
        }
    }

    /// Collects the labels of a series and its raw bytes.
    fn name_series(
        &mut self,
        family: &MetricFamily<'_>,
        metric: &Metric<'_>,
        suffix: &str,
        bound: Option<(&str, f64)>,
    ) -> Result<(), ParseError> {
        self.labels.clear();
        let name = [family.name, suffix].concat();
        self.labels.push(METRIC_NAME, &name);
        for label in metric.labels() {
            let (name, value) = label.map_err(wire_error)?;
            self.labels.push(name, value);
        }
        if let Some((label, bound)) = bound {
            self.number.clear();
            push_open_metrics_float(&mut self.number, bound);
            self.labels.push(label, &String::from_utf8_lossy(&self.number));
        }
        self.labels.sort();
        self.raw.clear();
        self.raw.extend_from_slice(name.as_bytes());
        for (name, value) in self.labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            self.raw.push(SEPARATOR);
            self.raw.extend_from_slice(name.as_bytes());
            self.raw.push(SEPARATOR);
            self.raw.extend_from_slice(value.as_bytes());
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) enum Found {
    Help,
    Unit,
    Type,
    Series(f64),
    Histogram(Arc<FloatHistogram>),
}

fn wire_error(error: DecodeError) -> ParseError {
    ParseError(error.to_string())
}

fn metric_type(family_type: FamilyType) -> MetricType {
    match family_type {
        FamilyType::Counter => MetricType::Counter,
        FamilyType::Gauge => MetricType::Gauge,
        FamilyType::Summary => MetricType::Summary,
        FamilyType::Histogram => MetricType::Histogram,
        FamilyType::GaugeHistogram => MetricType::GaugeHistogram,
        FamilyType::Untyped | FamilyType::Other(_) => MetricType::Unknown,
    }
}

fn check(family: &MetricFamily<'_>) -> Result<(), ParseError> {
    let (name, unit) = (family.name, family.unit);
    if name.is_empty() {
        return Err(ParseError(format!("invalid metric name: {name}")));
    }
    let quoted = quote(name.as_bytes());
    if let FamilyType::Other(number) = family.family_type {
        return Err(ParseError(format!("unknown metric type for metric {quoted}: {number}")));
    }
    if unit.is_empty() {
        return Ok(());
    }
    let total = name.strip_suffix("_total").filter(|_| family.family_type == FamilyType::Counter);
    let front = total.unwrap_or(name).strip_suffix(unit);
    if front.is_some_and(|front| front.ends_with('_')) {
        return Ok(());
    }
    let kind = if total.is_some() { "counter" } else { "metric" };
    Err(ParseError(format!("unit {} not a suffix of {kind} {quoted}", quote(unit.as_bytes()))))
}
