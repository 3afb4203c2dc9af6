//! Metrics of OpenTelemetry as series.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use gocompat::float::{Format, format};
use model::exemplar::EXEMPLAR_LABELS_MAX_CHARS;
use model::storage::SeriesRef;
use model::{FloatHistogram, Labels, METRIC_NAME, Metadata, MetricType, stale_nan};
use wire::otlp::{
    Attributes, Data, Exemplar, HistogramPoint, Metric, NumberPoint, Point, ResourceMetrics, ScopeMetrics,
    SummaryPoint, Temporality,
};

use super::names::{self, Kind, LabelNames};
use super::{OtlpSettings, histogram, value};
use crate::receive::Refused;
use crate::receive::gather::Gather;

/// What says which service it is; it becomes `job` and `instance`.
const IDENTIFYING: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];

const TARGET_INFO: &str = "target_info";
/// Samples of it that one resource gets; a request whose points lie further apart gets the latest.
const TARGET_INFO_MAX: i64 = 1_000;

type Pairs = BTreeMap<String, String>;

/// Writes what a request says.
pub(super) fn write(
    resources: &[ResourceMetrics<'_>],
    settings: &OtlpSettings,
    deltas_as_they_are: bool,
    gather: &mut Gather<'_>,
) -> Result<(), Refused> {
    let mut seen_targets = HashMap::new();
    for resource in resources {
        let names = LabelNames {
            utf8: settings.translation_strategy.keeps_utf8(),
            key_before_underscore: settings.label_name_underscore_sanitization,
            keep_underscores: settings.label_name_preserve_multiple_underscores,
        };
        let mut writer = Writer {
            settings,
            names,
            deltas_as_they_are,
            of_resource: Pairs::new(),
            identity: identity(resource),
            of_scope: Pairs::new(),
            gather,
        };
        let points = resource.scopes.iter().flat_map(|scope| &scope.metrics).map(point_count).sum();
        if let Err(reason) = writer.begin_resource(resource) {
            writer.gather.outcome.refuse(reason, points);
            continue;
        }
        let (mut earliest_ns, mut latest_ns) = (u64::MAX, 0);
        for scope in &resource.scopes {
            if let Err(reason) = writer.begin_scope(scope) {
                let points = scope.metrics.iter().map(point_count).sum();
                writer.gather.outcome.refuse(reason, points);
                continue;
            }
            for metric in &scope.metrics {
                for point in points_of(metric) {
                    earliest_ns = earliest_ns.min(point.time_ns);
                    latest_ns = latest_ns.max(point.time_ns);
                }
                writer.metric(metric)?;
            }
        }
        if earliest_ns <= latest_ns {
            writer.of_scope.clear();
            writer.target_info(resource, ms(earliest_ns), ms(latest_ns), &mut seen_targets)?;
        }
    }
    Ok(())
}

fn ms(ns: u64) -> i64 {
    (ns / 1_000_000) as i64
}

fn points_of<'m>(metric: &'m Metric<'_>) -> Box<dyn Iterator<Item = &'m Point<'m>> + 'm> {
    match &metric.data {
        Data::None => Box::new(std::iter::empty()),
        Data::Gauge(points) | Data::Sum(points, _) => Box::new(points.iter().map(|point| &point.point)),
        Data::Histogram(points) => Box::new(points.iter().map(|point| &point.point)),
        Data::Exponential(points) => Box::new(points.iter().map(|point| &point.point)),
        Data::Summary(points) => Box::new(points.iter().map(|point| &point.point)),
    }
}

/// Whether there is anything to write, or a mistake to tell of.
pub(super) fn has_points(metric: &Metric<'_>) -> bool {
    points_of(metric).next().is_some()
}

fn point_count(metric: &Metric<'_>) -> u64 {
    points_of(metric).count().max(1) as u64
}

fn attribute(attributes: &Attributes<'_>, name: &str) -> Option<String> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, found)| value::text(found))
}

/// `job` and `instance` of a resource.
fn identity(resource: &ResourceMetrics<'_>) -> [Option<String>; 2] {
    let [namespace, name, instance] = IDENTIFYING.map(|name| attribute(&resource.attributes, name));
    let job = name.map(|name| match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name,
    });
    [job, instance]
}

struct Writer<'w, 'g> {
    settings: &'w OtlpSettings,
    names: LabelNames,
    deltas_as_they_are: bool,
    /// Labels of the resource's attributes.
    of_resource: Pairs,
    identity: [Option<String>; 2],
    /// Labels of the scope.
    of_scope: Pairs,
    gather: &'w mut Gather<'g>,
}

impl Writer<'_, '_> {
    fn begin_resource(&mut self, resource: &ResourceMetrics<'_>) -> Result<(), String> {
        for (name, found) in &resource.attributes {
            if self.settings.promotes(name) {
                self.of_resource.insert(self.names.make(name)?, value::text(found));
            }
        }
        Ok(())
    }

    fn begin_scope(&mut self, scope: &ScopeMetrics<'_>) -> Result<(), String> {
        self.of_scope.clear();
        if !self.settings.promote_scope_metadata || scope.name.is_empty() {
            return Ok(());
        }
        for (name, found) in &scope.attributes {
            self.of_scope.insert(self.names.make(&format!("otel_scope_{name}"))?, value::text(found));
        }
        for (name, text) in [
            ("otel_scope_name", &scope.name),
            ("otel_scope_version", &scope.version),
            ("otel_scope_schema_url", &scope.schema_url),
        ] {
            self.of_scope.insert(name.into(), text.to_string());
        }
        Ok(())
    }

    /// The labels of a point. Attributes whose names become the same are put together.
    fn labels(
        &self,
        attributes: &Attributes<'_>,
        ignored: &[&str],
        of_resource: &Pairs,
        metadata: Option<&Metadata>,
    ) -> Result<Pairs, String> {
        let mut sorted: Vec<_> = attributes.iter().filter(|(name, _)| !ignored.contains(&&**name)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut labels = Pairs::new();
        for (name, found) in sorted {
            let found = value::text(found);
            if self.names.utf8 {
                labels.insert(name.to_string(), found);
                continue;
            }
            match labels.entry(self.names.make(name)?) {
                std::collections::btree_map::Entry::Occupied(mut entry) if !entry.get().is_empty() => {
                    entry.get_mut().push(';');
                    entry.get_mut().push_str(&found);
                }
                entry => {
                    entry.insert_entry(found);
                }
            }
        }
        for (name, text) in of_resource {
            let label = labels.entry(name.clone()).or_default();
            if label.is_empty() {
                label.clone_from(text);
            }
        }
        for (name, text) in ["job", "instance"].into_iter().zip(&self.identity) {
            if let Some(text) = text {
                labels.insert(name.into(), text.clone());
            }
        }
        labels.extend(self.of_scope.iter().map(|(name, text)| (name.clone(), text.clone())));
        if let Some(metadata) = metadata.filter(|_| self.gather.config().type_and_unit_labels) {
            if metadata.metric_type != MetricType::Unknown {
                labels.insert("__type__".into(), metadata.metric_type.as_str().into());
            }
            if !metadata.unit.is_empty() {
                labels.insert("__unit__".into(), names::unit(&metadata.unit, self.names.utf8));
            }
        }
        Ok(labels)
    }

    fn metric(&mut self, metric: &Metric<'_>) -> Result<(), Refused> {
        let mut refuse = |reason: String| {
            self.gather.outcome.refuse(reason, point_count(metric));
            Ok(())
        };
        let (has_temporality, kind) = match &metric.data {
            Data::None => {
                return refuse(format!("the type of metric {:?} is not supported", metric.name));
            }
            Data::Gauge(_) => (false, Kind::Gauge),
            Data::Summary(_) => (false, Kind::Other),
            Data::Sum(_, true) => (true, Kind::Counter),
            Data::Sum(..) | Data::Histogram(_) | Data::Exponential(_) => (true, Kind::Other),
        };
        let is_taken = match metric.temporality {
            Temporality::Cumulative => true,
            Temporality::Delta => self.deltas_as_they_are,
            Temporality::Unspecified => false,
        };
        if has_temporality && !is_taken {
            return refuse(format!("invalid temporality and type combination for metric {:?}", metric.name));
        }
        if points_of(metric).next().is_none() {
            return refuse(format!("empty data points. {} is dropped", metric.name));
        }
        let strategy = self.settings.translation_strategy;
        let name =
            names::metric(&metric.name, &metric.unit, kind, strategy.keeps_utf8(), strategy.adds_suffixes());
        let Some(name) = name else {
            return refuse(format!("normalization for metric {:?} resulted in empty name", metric.name));
        };
        let metadata = Metadata {
            metric_type: type_of(metric),
            unit: names::unit(&metric.unit, false),
            help: metric.description.to_string(),
        };
        self.gather.metadata(&name, || metadata.clone())?;
        match &metric.data {
            Data::Gauge(points) => self.numbers(&name, points, &metadata, false),
            Data::Sum(points, _) => self.numbers(&name, points, &metadata, true),
            Data::Histogram(points) if self.settings.convert_histograms_to_nhcb => {
                for point in points {
                    let made = histogram::custom(point, metric.temporality);
                    self.native(&name, &point.point, &point.exemplars, &metadata, made)?;
                }
                Ok(())
            }
            Data::Histogram(points) => {
                points.iter().try_for_each(|point| self.classic(&name, point, &metadata))
            }
            Data::Exponential(points) => {
                for point in points {
                    let made = histogram::exponential(point, metric.temporality);
                    self.native(&name, &point.point, &point.exemplars, &metadata, made)?;
                }
                Ok(())
            }
            Data::Summary(points) => {
                points.iter().try_for_each(|point| self.summary(&name, point, &metadata))
            }
            Data::None => Ok(()),
        }
    }

    /// The labels of a point; what is wrong with them is counted.
    fn labels_of(&mut self, point: &Point<'_>, metadata: &Metadata) -> Option<Pairs> {
        match self.labels(&point.attributes, &[METRIC_NAME], &self.of_resource, Some(metadata)) {
            Ok(labels) => Some(labels),
            Err(reason) => {
                self.gather.outcome.refuse(reason, 1);
                None
            }
        }
    }

    /// The series of a name with these labels and one more.
    fn series(
        &mut self,
        name: &str,
        labels: &Pairs,
        more: Option<(&str, &str)>,
    ) -> Result<Option<SeriesRef>, Refused> {
        let replaced = |label: &str| label == METRIC_NAME || more.is_some_and(|(name, _)| name == label);
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(labels.len() + 2);
        pairs.push((METRIC_NAME, name));
        pairs.extend(more);
        pairs.extend(
            labels
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .filter(|(name, _)| !replaced(name)),
        );
        self.gather.series(&mut pairs, 1)
    }

    fn float(
        &mut self,
        name: &str,
        labels: &Pairs,
        more: Option<(&str, &str)>,
        point: &Point<'_>,
        number: f64,
    ) -> Result<Option<SeriesRef>, Refused> {
        let series = self.series(name, labels, more)?;
        if let Some(series) = series {
            let number = if point.is_missing { stale_nan() } else { number };
            self.gather.float(series, ms(point.time_ns), number, ms(point.start_ns))?;
        }
        Ok(series)
    }

    fn numbers(
        &mut self,
        name: &str,
        points: &[NumberPoint<'_>],
        metadata: &Metadata,
        exemplars: bool,
    ) -> Result<(), Refused> {
        for point in points {
            let Some(labels) = self.labels_of(&point.point, metadata) else { continue };
            let series = self.float(name, &labels, None, &point.point, point.value.value())?;
            if let Some(series) = series.filter(|_| exemplars) {
                self.exemplars(series, point.exemplars.iter())?;
            }
        }
        Ok(())
    }

    fn classic(
        &mut self,
        name: &str,
        point: &HistogramPoint<'_>,
        metadata: &Metadata,
    ) -> Result<(), Refused> {
        let Some(labels) = self.labels_of(&point.point, metadata) else { return Ok(()) };
        if let Some(sum) = point.sum {
            self.float(&format!("{name}_sum"), &labels, None, &point.point, sum)?;
        }
        self.float(&format!("{name}_count"), &labels, None, &point.point, point.count as f64)?;
        let bucket = format!("{name}_bucket");
        let mut exemplars: Vec<&Exemplar<'_>> = point.exemplars.iter().collect();
        exemplars.sort_by(|a, b| a.value.value().total_cmp(&b.value.value()));
        let mut exemplars = exemplars.into_iter().peekable();
        let mut inside = 0u64;
        for (bound, count) in point.bounds.iter().zip(&point.buckets) {
            inside = inside.saturating_add(*count);
            let text = format(*bound, Format::Fixed, None);
            let series = self.float(&bucket, &labels, Some(("le", &text)), &point.point, inside as f64)?;
            while let Some(exemplar) = exemplars.next_if(|exemplar| exemplar.value.value() <= *bound) {
                if let Some(series) = series {
                    self.exemplars(series, std::iter::once(exemplar))?;
                }
            }
        }
        let series = self.float(&bucket, &labels, Some(("le", "+Inf")), &point.point, point.count as f64)?;
        match series {
            Some(series) => self.exemplars(series, exemplars),
            None => Ok(()),
        }
    }

    fn summary(&mut self, name: &str, point: &SummaryPoint<'_>, metadata: &Metadata) -> Result<(), Refused> {
        let Some(labels) = self.labels_of(&point.point, metadata) else { return Ok(()) };
        self.float(&format!("{name}_sum"), &labels, None, &point.point, point.sum)?;
        self.float(&format!("{name}_count"), &labels, None, &point.point, point.count as f64)?;
        for (quantile, number) in &point.quantiles {
            let text = format(*quantile, Format::Fixed, None);
            self.float(name, &labels, Some(("quantile", &text)), &point.point, *number)?;
        }
        Ok(())
    }

    fn native(
        &mut self,
        name: &str,
        point: &Point<'_>,
        exemplars: &[Exemplar<'_>],
        metadata: &Metadata,
        made: Result<FloatHistogram, String>,
    ) -> Result<(), Refused> {
        let made = match made {
            Ok(made) => made,
            Err(reason) => {
                self.gather.outcome.refuse(reason, 1);
                return Ok(());
            }
        };
        let Some(labels) = self.labels_of(point, metadata) else { return Ok(()) };
        let Some(series) = self.series(name, &labels, None)? else { return Ok(()) };
        self.gather.histogram(series, ms(point.time_ns), made, ms(point.start_ns))?;
        self.exemplars(series, exemplars.iter())
    }

    fn exemplars<'e, 'a: 'e>(
        &mut self,
        series: SeriesRef,
        exemplars: impl Iterator<Item = &'e Exemplar<'a>>,
    ) -> Result<(), Refused> {
        for exemplar in exemplars {
            let mut pairs: Vec<(Cow<'_, str>, String)> = Vec::new();
            for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
                if id.iter().any(|byte| *byte != 0) {
                    pairs.push((name.into(), value::hex(id)));
                }
            }
            let ids = pairs.len();
            pairs.extend(exemplar.attributes.iter().map(|(name, found)| (name.clone(), value::text(found))));
            let chars: usize = pairs.iter().map(|(n, v)| n.chars().count() + v.chars().count()).sum();
            if chars > EXEMPLAR_LABELS_MAX_CHARS {
                pairs.truncate(ids);
            }
            let timestamp_ms = ms(exemplar.time_ns);
            let exemplar = model::Exemplar {
                labels: Labels::from_pairs(pairs),
                value: exemplar.value.value(),
                timestamp_ms,
                timestamp_given: timestamp_ms != 0,
            };
            self.gather.exemplar(series, exemplar)?;
        }
        Ok(())
    }

    /// Writes what the resource is, at times so near that a query finds it wherever it finds a point.
    fn target_info(
        &mut self,
        resource: &ResourceMetrics<'_>,
        earliest_ms: i64,
        latest_ms: i64,
        seen: &mut HashMap<Pairs, HashSet<i64>>,
    ) -> Result<(), Refused> {
        let others = resource.attributes.iter().any(|(name, _)| !IDENTIFYING.contains(&&**name));
        if !others || self.identity.iter().all(Option::is_none) {
            return Ok(());
        }
        let ignored: &[&str] =
            if self.settings.keep_identifying_resource_attributes { &[] } else { &IDENTIFYING };
        let labels = match self.labels(&resource.attributes, ignored, &Pairs::new(), None) {
            Ok(labels) => labels,
            Err(reason) => {
                self.gather.outcome.refuse(reason, 1);
                return Ok(());
            }
        };
        self.gather.metadata(TARGET_INFO, || Metadata {
            metric_type: MetricType::Gauge,
            unit: String::new(),
            help: "What is known of a target.".into(),
        })?;
        let Some(series) = self.series(TARGET_INFO, &labels, None)? else { return Ok(()) };
        let step_ms = (self.gather.config().lookback_ms / 2).max(1_000);
        let seen = seen.entry(labels).or_default();
        let latest_ms = latest_ms.min(self.gather.outcome.latest_ms);
        let mut time_ms = earliest_ms.max(latest_ms.saturating_sub(step_ms.saturating_mul(TARGET_INFO_MAX)));
        while time_ms <= latest_ms {
            if seen.insert(time_ms) {
                self.gather.float(series, time_ms, 1.0, 0)?;
            }
            if time_ms == latest_ms {
                break;
            }
            time_ms = time_ms.saturating_add(step_ms).min(latest_ms);
        }
        Ok(())
    }
}

/// The type that metadata tells. There is none for deltas.
fn type_of(metric: &Metric<'_>) -> MetricType {
    let is_delta = metric.temporality == Temporality::Delta;
    match metric.data {
        Data::Gauge(_) => MetricType::Gauge,
        Data::Summary(_) => MetricType::Summary,
        _ if is_delta => MetricType::Unknown,
        Data::Sum(_, true) => MetricType::Counter,
        Data::Sum(..) => MetricType::Gauge,
        Data::Histogram(_) | Data::Exponential(_) => MetricType::Histogram,
        Data::None => MetricType::Unknown,
    }
}
