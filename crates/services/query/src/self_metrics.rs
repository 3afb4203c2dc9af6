//! A page of metrics as JSON, in the shape of protobuf's mapping of `io.prometheus.client`.

use std::borrow::Cow;

use exposition::{Entry, Format, LabelBuffer, Options, ParseError, Parser, Series};
use model::{Labels, METRIC_NAME, MetricType};
use serde::Serialize;
use serde_json::{Value, json};

/// A metric family.
#[derive(Serialize)]
pub(crate) struct Family {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    help: String,
    #[serde(rename = "type", serialize_with = "type_name")]
    metric_type: MetricType,
    metric: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    label: Vec<Label>,
    #[serde(flatten)]
    value: Measured,
    /// The labels by which parts of a metric find each other.
    #[serde(skip)]
    key: Labels,
}

#[derive(Serialize)]
struct Label {
    name: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Measured {
    Counter {
        value: Value,
    },
    Gauge {
        value: Value,
    },
    Untyped {
        value: Value,
    },
    #[serde(rename_all = "camelCase")]
    Histogram {
        sample_count: String,
        sample_sum: Value,
        bucket: Vec<Bucket>,
    },
    #[serde(rename_all = "camelCase")]
    Summary {
        sample_count: String,
        sample_sum: Value,
        quantile: Vec<Quantile>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    cumulative_count: String,
    upper_bound: Value,
}

#[derive(Serialize)]
struct Quantile {
    quantile: Value,
    value: Value,
}

fn type_name<S: serde::Serializer>(metric_type: &MetricType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match metric_type {
        MetricType::Counter => "COUNTER",
        MetricType::Gauge => "GAUGE",
        MetricType::Histogram => "HISTOGRAM",
        MetricType::Summary => "SUMMARY",
        _ => "UNTYPED",
    })
}

/// A float; those that JSON does not know are texts.
fn float(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

/// A count; protobuf writes 64-bit numbers as texts.
fn count(value: f64) -> String {
    (value as u64).to_string()
}

/// The families of a page in the text format, in its order.
pub(crate) fn families(page: &[u8]) -> Result<Vec<Family>, ParseError> {
    let mut families: Vec<Family> = Vec::new();
    let mut parser = Parser::new(Format::Text, page, Options::default());
    let mut labels = LabelBuffer::default();
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Help { metric, help } => family(&mut families, metric).help = help.into_owned(),
            Entry::Type { metric, metric_type } => family(&mut families, metric).metric_type = metric_type,
            Entry::Series(series) => {
                series.labels(&mut labels);
                add(&mut families, &labels, &series);
            }
            Entry::Unit { .. } | Entry::Comment(_) | Entry::Histogram(..) => {}
        }
    }
    families.retain(|family| !family.metric.is_empty());
    Ok(families)
}

/// The family of this name: the last one, or a new one. A page names each family once.
fn family<'a>(families: &'a mut Vec<Family>, name: Cow<'_, str>) -> &'a mut Family {
    let at = match families.last() {
        Some(last) if last.name == name => families.len() - 1,
        _ => {
            let name = name.into_owned();
            let metric_type = MetricType::Unknown;
            families.push(Family { name, help: String::new(), metric_type, metric: Vec::new() });
            families.len() - 1
        }
    };
    &mut families[at]
}

fn add(families: &mut Vec<Family>, labels: &LabelBuffer, series: &Series<'_>) {
    let name = labels.get(METRIC_NAME);
    let part = families.last().and_then(|family| {
        let part = name.strip_prefix(family.name.as_str())?;
        let is_part = match family.metric_type {
            MetricType::Histogram => matches!(part, "_bucket" | "_sum" | "_count"),
            MetricType::Summary => matches!(part, "" | "_sum" | "_count"),
            _ => part.is_empty(),
        };
        is_part.then_some(part)
    });
    let Some(part) = part else {
        let family = family(families, Cow::Borrowed(name));
        family.metric.push(metric(family.metric_type, key(labels, "")));
        return add_value(family, "", labels, series.value);
    };
    let Some(family) = families.last_mut() else { return };
    let bound = match family.metric_type {
        MetricType::Histogram => "le",
        MetricType::Summary => "quantile",
        _ => "",
    };
    let key = key(labels, bound);
    if bound.is_empty() || family.metric.last().is_none_or(|last| last.key != key) {
        family.metric.push(metric(family.metric_type, key));
    }
    add_value(family, part, labels, series.value);
}

/// The labels without the name and without the one that tells parts of a metric apart.
fn key(labels: &LabelBuffer, bound: &str) -> Labels {
    Labels::from_pairs(labels.iter().filter(|(name, _)| *name != METRIC_NAME && *name != bound))
}

fn metric(metric_type: MetricType, key: Labels) -> Metric {
    let (sample_count, sample_sum) = ("0".to_string(), json!(0));
    let value = match metric_type {
        MetricType::Counter => Measured::Counter { value: json!(0) },
        MetricType::Gauge => Measured::Gauge { value: json!(0) },
        MetricType::Histogram => Measured::Histogram { sample_count, sample_sum, bucket: Vec::new() },
        MetricType::Summary => Measured::Summary { sample_count, sample_sum, quantile: Vec::new() },
        _ => Measured::Untyped { value: json!(0) },
    };
    let label = key.iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect();
    Metric { label, value, key }
}

/// Puts a sample into the metric that was added last.
fn add_value(family: &mut Family, part: &str, labels: &LabelBuffer, sample: f64) {
    let Some(metric) = family.metric.last_mut() else { return };
    let bound = |name: &str| float(gocompat::float::parse(labels.get(name)).unwrap_or(f64::NAN));
    match (&mut metric.value, part) {
        (Measured::Counter { value } | Measured::Gauge { value } | Measured::Untyped { value }, _) => {
            *value = float(sample);
        }
        (Measured::Histogram { sample_sum, .. } | Measured::Summary { sample_sum, .. }, "_sum") => {
            *sample_sum = float(sample);
        }
        (Measured::Histogram { sample_count, .. } | Measured::Summary { sample_count, .. }, "_count") => {
            *sample_count = count(sample);
        }
        (Measured::Histogram { bucket, .. }, _) => {
            bucket.push(Bucket { cumulative_count: count(sample), upper_bound: bound("le") });
        }
        (Measured::Summary { quantile, .. }, _) => {
            quantile.push(Quantile { quantile: bound("quantile"), value: float(sample) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_their_metrics_and_metrics_their_parts() {
        let page = b"# HELP a What a is.\n# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\n\
            # TYPE b histogram\nb_bucket{x=\"1\",le=\"1\"} 1\nb_bucket{x=\"1\",le=\"+Inf\"} 4\nb_sum{x=\"1\"} 9.5\n\
            b_count{x=\"1\"} 4\nc NaN\n# TYPE d summary\nd{quantile=\"0.5\"} 7\nd_sum 8\nd_count 2\n";
        let found = serde_json::to_value(families(page).unwrap()).unwrap();
        let label = |value: &str| json!([{ "name": "x", "value": value }]);
        assert_eq!(
            found,
            json!([
                { "name": "a", "help": "What a is.", "type": "COUNTER", "metric": [
                    { "label": label("1"), "counter": { "value": 2.0 } },
                    { "label": label("2"), "counter": { "value": 3.0 } },
                ] },
                { "name": "b", "type": "HISTOGRAM", "metric": [{ "label": label("1"), "histogram": {
                    "sampleCount": "4", "sampleSum": 9.5, "bucket": [
                        { "cumulativeCount": "1", "upperBound": 1.0 },
                        { "cumulativeCount": "4", "upperBound": "Infinity" },
                    ],
                } }] },
                { "name": "c", "type": "UNTYPED", "metric": [{ "untyped": { "value": "NaN" } }] },
                { "name": "d", "type": "SUMMARY", "metric": [{ "summary": {
                    "sampleCount": "2", "sampleSum": 8.0, "quantile": [{ "quantile": 0.5, "value": 7.0 }],
                } }] },
            ])
        );
    }
}
