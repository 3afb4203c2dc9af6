//! Metrics that other programs leave in `*.prom` files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use model::MetricType;

use crate::page::Page;
use crate::{Error, Run};

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

#[derive(Default)]
struct Family {
    metric_type: MetricType,
    help: String,
    samples: Vec<Sample>,
}

pub(super) fn textfile(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mut failed = false;
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for folder in run.config.textfile_directories.iter().flat_map(|pattern| folders(pattern)) {
        failed |= !folder.is_dir();
        for file in run.files.names(&folder).iter().filter(|file| file.ends_with(".prom")) {
            let path = folder.join(file);
            let Some(families) = run.files.text(&path).ok().and_then(|text| parse(text.as_bytes())) else {
                failed = true;
                continue;
            };
            for (name, family) in families {
                // One metric has one help text: of files that disagree the first counts.
                if !family.help.is_empty() {
                    let help = helps.entry(name.clone()).or_insert_with(|| family.help.clone());
                    if *help != family.help {
                        failed = true;
                        continue;
                    }
                }
                let read_from = format!("Metric read from {}", path.display());
                let help = helps.get(&name).unwrap_or(&read_from);
                let metric_type = family.metric_type;
                for sample in family.complete(&name) {
                    let labels: Vec<(&str, &str)> =
                        sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    page.add_part(&name, &sample.name, metric_type, help, &labels, sample.value);
                }
            }
            if let Some(seconds) = modified_seconds(&path) {
                let help = "When a file with metrics was last written, in seconds since 1970.";
                let path = path.to_string_lossy();
                page.gauge("node_textfile_mtime_seconds", help, &[("file", &path)], seconds);
            }
        }
    }
    let help = "Whether a file with metrics could not be read.";
    page.gauge("node_textfile_scrape_error", help, &[], f64::from(u8::from(failed)));
    Ok(())
}

impl Family {
    /// The samples as they are shown: all with the same labels, empty where the file has none; summaries
    /// and histograms with their sum and count.
    fn complete(self, name: &str) -> Vec<Sample> {
        let part = match self.metric_type {
            MetricType::Histogram => "le",
            MetricType::Summary => "quantile",
            _ => "",
        };
        let names: BTreeSet<&str> = self
            .samples
            .iter()
            .flat_map(|sample| sample.labels.iter().map(|(label, _)| label.as_str()))
            .filter(|label| *label != part)
            .collect();
        let shown = |sample: &Sample| -> Vec<(String, String)> {
            let value = |label: &str| {
                let found = sample.labels.iter().find(|(known, _)| known == label);
                found.map_or(String::new(), |(_, value)| value.clone())
            };
            names.iter().map(|label| ((*label).to_string(), value(label))).collect()
        };
        if part.is_empty() {
            let sample = |sample: &Sample| Sample {
                name: sample.name.clone(),
                labels: shown(sample),
                value: sample.value,
            };
            return self.samples.iter().map(sample).collect();
        }
        let mut groups: BTreeMap<Vec<(String, String)>, Group> = BTreeMap::new();
        for sample in &self.samples {
            let group = groups.entry(shown(sample)).or_default();
            let bound = sample.labels.iter().find(|(label, _)| label == part);
            match (sample.name.strip_prefix(name), bound) {
                (Some("_sum"), _) => group.sum = sample.value,
                (Some("_count"), _) => group.count = sample.value,
                (_, Some((_, bound))) => group.parts.push((bound.clone(), sample.value)),
                _ => {}
            }
        }
        let mut samples = Vec::new();
        for (labels, mut group) in groups {
            let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
            group.parts.sort_by(|(a, _), (b, _)| number(a).total_cmp(&number(b)));
            let is_histogram = part == "le";
            if is_histogram && !group.parts.iter().any(|(bound, _)| number(bound) == f64::INFINITY) {
                group.parts.push(("+Inf".to_string(), group.count));
            }
            for (bound, value) in group.parts {
                let name = if is_histogram { [name, "_bucket"].concat() } else { name.to_string() };
                let mut labels = labels.clone();
                labels.push((part.to_string(), bound_text(&bound)));
                samples.push(Sample { name, labels, value });
            }
            let name = |end: &str| [name, end].concat();
            samples.push(Sample { name: name("_sum"), labels: labels.clone(), value: group.sum });
            samples.push(Sample { name: name("_count"), labels, value: group.count });
        }
        samples
    }
}

/// A bound as the text format has it: `1` and `1e+06`, where OpenMetrics and readers of it have `1.0`.
fn bound_text(bound: &str) -> String {
    let Ok(number) = gocompat::float::parse(bound) else { return bound.to_string() };
    gocompat::float::Buffer::new().exposition(number).to_string()
}

/// What a histogram or summary has for one set of labels.
#[derive(Default)]
struct Group {
    /// Buckets or quantiles: bound and value.
    parts: Vec<(String, f64)>,
    sum: f64,
    count: f64,
}

/// The folders that a pattern of a path names. What names none is taken as it stands.
fn folders(pattern: &str) -> Vec<PathBuf> {
    if pattern.is_empty() {
        return Vec::new();
    }
    let path = PathBuf::from(pattern);
    let found = config::glob::expand(&path).unwrap_or_default();
    if found.is_empty() { vec![path] } else { found }
}

/// The families of a file; `None` if it is damaged or carries timestamps, which say when something
/// was measured where a scrape says when it was read.
fn parse(body: &[u8]) -> Option<BTreeMap<String, Family>> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut parser = Parser::new(Format::Text, body, Options::default());
    let mut labels = LabelBuffer::default();
    while let Some(entry) = parser.next_entry().ok()? {
        match entry {
            Entry::Help { metric, help } => {
                families.entry(metric.into_owned()).or_default().help = help.into_owned();
            }
            Entry::Type { metric, metric_type } => {
                families.entry(metric.into_owned()).or_default().metric_type = metric_type;
            }
            Entry::Series(series) => {
                if series.timestamp_ms.is_some() {
                    return None;
                }
                series.labels(&mut labels);
                let name = labels.get(model::METRIC_NAME).to_string();
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| name.strip_suffix(suffix))
                    .filter(|base| {
                        families.get(*base).is_some_and(|family| {
                            matches!(family.metric_type, MetricType::Histogram | MetricType::Summary)
                        })
                    })
                    .unwrap_or(&name)
                    .to_string();
                let sample = Sample {
                    labels: labels
                        .iter()
                        .filter(|(name, _)| *name != model::METRIC_NAME)
                        .map(|(name, value)| (name.to_string(), value.to_string()))
                        .collect(),
                    name,
                    value: series.value,
                };
                families.entry(base).or_default().samples.push(sample);
            }
            Entry::Unit { .. } | Entry::Comment(_) | Entry::Histogram(..) => {}
        }
    }
    Some(families)
}

fn modified_seconds(path: &Path) -> Option<f64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs() as f64)
}
