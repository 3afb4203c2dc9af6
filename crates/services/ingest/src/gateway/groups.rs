//! Groups of metrics that jobs pushed and that stay until they are replaced or deleted. What a push is made of,
//! what it may not be, and how groups are shown; no HTTP, no files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use exposition::{Entry, Format, LabelBuffer, Options, Parser, TextWriter};
use model::{METRIC_NAME, MetricType};
use serde_json::{Map, Value, json};

/// When the group was pushed to, as a metric of it.
pub(super) const PUSH_TIME: &str = "push_time_seconds";
/// When a push to it failed.
pub(super) const PUSH_FAILURE_TIME: &str = "push_failure_time_seconds";
const PUSH_TIME_HELP: &str =
    "When this group was last changed by a push that succeeded, seconds since the epoch.";
const PUSH_FAILURE_TIME_HELP: &str = "When a push to this group last failed, seconds since the epoch.";

/// The labels that name a group.
pub(super) type GroupingKey = BTreeMap<String, String>;

/// A sample of a family.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// Its name, with the suffix that it has in a histogram or summary.
    pub(super) name: String,
    /// Its labels, those of the group among them.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// The metrics of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Family {
    pub(super) metric_type: MetricType,
    pub(super) help: String,
    pub(super) pushed_ms: i64,
    pub(super) samples: Vec<Sample>,
}

type Families = BTreeMap<String, Family>;

/// All groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups(pub(super) BTreeMap<GroupingKey, Families>);

/// Bounds what is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) groups_max: usize,
    pub(super) samples_max: usize,
}

/// Reads what was pushed. Labels of the group go before those of the samples, and there is always an instance.
pub(super) fn read(body: &[u8], format: Format, key: &GroupingKey, now_ms: i64) -> Result<Families, String> {
    let mut families = Families::new();
    let options = Options { ignore_native: true, ..Options::default() };
    let mut parser = Parser::new(format, body, options);
    let (mut labels, mut current) = (LabelBuffer::default(), String::new());
    let family = |families: &mut Families, name: &str| {
        families.entry(name.to_string()).or_insert_with(|| Family {
            metric_type: MetricType::Unknown,
            help: String::new(),
            pushed_ms: now_ms,
            samples: Vec::new(),
        });
    };
    while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
        match entry {
            Entry::Help { metric, help } => {
                family(&mut families, &metric);
                if let Some(family) = families.get_mut(&*metric) {
                    family.help = help.into_owned();
                }
            }
            Entry::Type { metric, metric_type } => {
                family(&mut families, &metric);
                if let Some(family) = families.get_mut(&*metric) {
                    family.metric_type = metric_type;
                }
                current = metric.into_owned();
            }
            Entry::Series(series) | Entry::Histogram(series, _) => {
                if series.timestamp_ms.is_some() {
                    return Err("pushed metrics must not have timestamps".into());
                }
                series.labels(&mut labels);
                let name = labels.get(METRIC_NAME).to_string();
                let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
                let mut of_sample: BTreeMap<String, String> =
                    own.map(|(name, value)| (name.to_string(), value.to_string())).collect();
                of_sample.extend(key.iter().map(|(name, value)| (name.clone(), value.clone())));
                of_sample.entry("instance".into()).or_default();
                // The bounds as they stand in the text format.
                for bound in ["le", "quantile"] {
                    if let Some(value) = of_sample.get_mut(bound).filter(|value| value.ends_with(".0")) {
                        value.truncate(value.len() - 2);
                    }
                }
                let of_family =
                    if belongs(&name, &current, &families) { current.clone() } else { name.clone() };
                family(&mut families, &of_family);
                if let Some(family) = families.get_mut(&of_family) {
                    family.samples.push(Sample { name, labels: of_sample, value: series.value });
                }
            }
            Entry::Unit { .. } | Entry::Comment(_) => {}
        }
    }
    families.retain(|_, family| !family.samples.is_empty());
    Ok(families)
}

/// Whether a sample of this name is part of a family.
fn belongs(name: &str, family: &str, families: &Families) -> bool {
    let Some(suffix) = name.strip_prefix(family).filter(|_| !family.is_empty()) else { return false };
    let metric_type = families.get(family).map(|family| family.metric_type);
    match metric_type {
        Some(MetricType::Histogram | MetricType::GaugeHistogram) => {
            matches!(suffix, "_bucket" | "_sum" | "_count" | "_created" | "_gsum" | "_gcount")
        }
        Some(MetricType::Summary) => matches!(suffix, "" | "_sum" | "_count" | "_created"),
        _ => matches!(suffix, "" | "_total" | "_created"),
    }
}

/// What there is to say of a group in a line.
pub(super) struct Summary<'a> {
    pub(super) key: &'a GroupingKey,
    pub(super) metrics: usize,
    pub(super) samples: usize,
    /// 0 for never.
    pub(super) pushed_ms: i64,
    pub(super) failed_ms: i64,
}

impl Groups {
    /// All groups, in a line each. The times of pushes do not count as metrics.
    pub(super) fn summaries(&self) -> impl Iterator<Item = Summary<'_>> {
        self.0.iter().map(|(key, families)| {
            let own = || families.iter().filter(|(name, _)| *name != PUSH_TIME && *name != PUSH_FAILURE_TIME);
            Summary {
                key,
                metrics: own().count(),
                samples: own().map(|(_, family)| family.samples.len()).sum(),
                pushed_ms: (first_value(families, PUSH_TIME) * 1000.0) as i64,
                failed_ms: (first_value(families, PUSH_FAILURE_TIME) * 1000.0) as i64,
            }
        })
    }

    /// Puts metrics into a group; with `replace` in the place of all that it has.
    pub(super) fn put(&mut self, key: &GroupingKey, pushed: Families, replace: bool, now_ms: i64) {
        let group = self.0.entry(key.clone()).or_default();
        if replace {
            group.retain(|name, _| name == PUSH_TIME || name == PUSH_FAILURE_TIME);
        }
        group.extend(pushed);
        group.insert(PUSH_TIME.into(), time(key, PUSH_TIME, now_ms, now_ms));
        group.entry(PUSH_FAILURE_TIME.into()).or_insert_with(|| time(key, PUSH_FAILURE_TIME, 0, now_ms));
    }

    /// Notes that a push failed.
    pub(super) fn fail(&mut self, key: &GroupingKey, now_ms: i64) {
        let group = self.0.entry(key.clone()).or_default();
        group.insert(PUSH_FAILURE_TIME.into(), time(key, PUSH_FAILURE_TIME, now_ms, now_ms));
        group.entry(PUSH_TIME.into()).or_insert_with(|| time(key, PUSH_TIME, 0, now_ms));
    }

    /// Why a push may not be, as it does not fit to itself or to what is there.
    pub(super) fn check(
        &self,
        key: &GroupingKey,
        pushed: &Families,
        reserved: &BTreeMap<String, MetricType>,
        bounds: Bounds,
    ) -> Result<(), String> {
        if !self.0.contains_key(key) && self.0.len() >= bounds.groups_max {
            return Err(format!("there are {} groups already", self.0.len()));
        }
        let held: usize = self.0.values().flat_map(BTreeMap::values).map(|family| family.samples.len()).sum();
        let more: usize = pushed.values().map(|family| family.samples.len()).sum();
        if held + more > bounds.samples_max {
            return Err(format!("there is room for {} samples", bounds.samples_max));
        }
        for (name, family) in pushed {
            let same =
                self.0.iter().filter(|(other, _)| *other != key).filter_map(|(_, group)| group.get(name));
            let known = same.map(|other| other.metric_type).chain(reserved.get(name).copied()).next();
            if let Some(known) = known.filter(|known| *known != family.metric_type) {
                return Err(format!(
                    "collected metric {name:?} of type {} was collected before as type {known}",
                    family.metric_type
                ));
            }
            let mut seen = BTreeSet::new();
            for sample in &family.samples {
                if !seen.insert((&sample.name, &sample.labels)) {
                    return Err(format!(
                        "collected metric {:?} {:?} was collected before with the same name and label values",
                        sample.name, sample.labels
                    ));
                }
            }
            // Another group may have the same series only if its key says the same in other words.
            for (_, group) in self.0.iter().filter(|(other, _)| *other != key) {
                let theirs = group.get(name).into_iter().flat_map(|family| &family.samples);
                for sample in theirs {
                    if seen.contains(&(&sample.name, &sample.labels)) {
                        return Err(format!(
                            "collected metric {:?} {:?} was collected before with the same name and label values",
                            sample.name, sample.labels
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes groups that nothing was pushed to for so long. Gives how many.
    pub(super) fn expire(&mut self, before_ms: i64) -> usize {
        let had = self.0.len();
        self.0.retain(|_, group| group.values().any(|family| family.pushed_ms >= before_ms));
        had - self.0.len()
    }

    /// All metrics, by family. Of several help texts the last counts.
    pub(super) fn write(&self, out: &mut TextWriter<'_>) {
        let mut by_name: BTreeMap<&String, Vec<&Family>> = BTreeMap::new();
        for (name, family) in self.0.values().flatten() {
            by_name.entry(name).or_default().push(family);
        }
        for (name, families) in by_name {
            let Some(last) = families.last() else { continue };
            out.family(name, last.metric_type, &last.help);
            for sample in families.iter().flat_map(|family| &family.samples) {
                let labels: Vec<(&str, &str)> =
                    sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                out.sample(&sample.name, &labels, sample.value);
            }
        }
    }

    /// All groups as `/api/v1/metrics` shows them.
    pub(super) fn json(&self, time: impl Fn(i64) -> String) -> Value {
        let groups = self.0.iter().map(|(key, families)| {
            let mut group = Map::new();
            group.insert("labels".into(), json!(key));
            let is_good = first_value(families, PUSH_TIME) > first_value(families, PUSH_FAILURE_TIME);
            group.insert("last_push_successful".into(), json!(is_good));
            for (name, family) in families {
                let mut shown = Map::new();
                shown.insert("time_stamp".into(), json!(time(family.pushed_ms)));
                shown.insert("type".into(), json!(type_name(family.metric_type)));
                if !family.help.is_empty() {
                    shown.insert("help".into(), json!(family.help));
                }
                shown.insert("metrics".into(), metrics(name, family));
                group.insert(name.clone(), Value::Object(shown));
            }
            Value::Object(group)
        });
        groups.collect()
    }
}

/// The value of a metric that has one sample, or 0.
fn first_value(families: &Families, name: &str) -> f64 {
    families.get(name).and_then(|family| family.samples.first()).map_or(0.0, |sample| sample.value)
}

fn type_name(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "COUNTER",
        MetricType::Gauge => "GAUGE",
        MetricType::Histogram => "HISTOGRAM",
        MetricType::GaugeHistogram => "GAUGE_HISTOGRAM",
        MetricType::Summary => "SUMMARY",
        _ => "UNTYPED",
    }
}

/// The samples of a family; those of a histogram or summary put together.
fn metrics(name: &str, family: &Family) -> Value {
    let shown = |value: f64| gocompat::float::format(value, gocompat::float::Format::General, None);
    let (bound, member) = match family.metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => ("le", "buckets"),
        MetricType::Summary => ("quantile", "quantiles"),
        _ => {
            let one = |sample: &Sample| json!({"labels": sample.labels, "value": shown(sample.value)});
            return family.samples.iter().map(one).collect();
        }
    };
    let mut order: Vec<BTreeMap<String, String>> = Vec::new();
    let mut parts: HashMap<BTreeMap<String, String>, Map<String, Value>> = HashMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let at = labels.remove(bound);
        if !parts.contains_key(&labels) {
            order.push(labels.clone());
        }
        let part = parts.entry(labels).or_default();
        match (sample.name.strip_prefix(name).unwrap_or(""), at) {
            ("_sum" | "_gsum", _) => drop(part.insert("sum".into(), json!(shown(sample.value)))),
            ("_count" | "_gcount", _) => drop(part.insert("count".into(), json!(shown(sample.value)))),
            (_, Some(at)) => {
                if let Some(map) = part.entry(member).or_insert_with(|| json!({})).as_object_mut() {
                    map.insert(at, json!(shown(sample.value)));
                }
            }
            _ => {}
        }
    }
    let put = |labels: BTreeMap<String, String>| {
        let mut part = parts.remove(&labels).unwrap_or_default();
        part.insert("labels".into(), json!(labels));
        Value::Object(part)
    };
    order.into_iter().map(put).collect()
}

/// A metric that tells a time; 0 for never.
fn time(key: &GroupingKey, name: &str, at_ms: i64, now_ms: i64) -> Family {
    let mut labels = key.clone();
    labels.entry("instance".into()).or_default();
    let help = if name == PUSH_TIME { PUSH_TIME_HELP } else { PUSH_FAILURE_TIME_HELP };
    Family {
        metric_type: MetricType::Gauge,
        help: help.into(),
        pushed_ms: now_ms,
        samples: vec![Sample { name: name.into(), labels, value: at_ms as f64 / 1000.0 }],
    }
}
