//! Printing samples.

use std::path::{Path, PathBuf};

use gocompat::float;
use model::storage::{MetricReader, Select, TimeRange};
use model::{LabelTable, Labels, Matcher, Samples};

use super::{Output, Staged};

/// What to dump, and how.
pub struct Dump {
    /// Which times.
    pub range: TimeRange,
    /// Selectors; a series that matches one of them is dumped. Without any, all are.
    pub selectors: Vec<String>,
    /// How they are printed.
    pub format: DumpFormat,
    /// Where a copy of the directory is opened, since opening one changes it; inside it if not given.
    pub sandbox_root: Option<PathBuf>,
}

/// How samples are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// A line each.
    Lines,
    /// As OpenMetrics, which can be made into blocks again.
    OpenMetrics,
    /// The labels of each series as JSON, without samples.
    SeriesJson,
}

/// Prints samples.
pub fn dump(dir: &Path, what: &Dump, output: &mut Output<'_>) -> Result<(), String> {
    let mut sets: Vec<Vec<Matcher>> = Vec::new();
    for selector in &what.selectors {
        sets.push(promql::parse_selector(selector).map_err(|error| format!("{selector}: {error}"))?);
    }
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    let root = what.sandbox_root.clone().unwrap_or_else(|| dir.to_path_buf());
    let staged = Staged::open(dir, &root)?;
    let mut tables = Vec::with_capacity(sets.len());
    let mut order: Vec<(Labels, usize, usize)> = Vec::new();
    for (set, matchers) in sets.iter().enumerate() {
        let mut table = LabelTable::new();
        let selected = staged
            .db()
            .select(&Select::new(what.range, matchers), &mut table)
            .map_err(|error| error.to_string())?;
        order.extend(selected.sets.iter().enumerate().map(|(at, &labels)| (table.labels(labels), set, at)));
        tables.push(selected);
    }
    order.sort();
    order.dedup_by(|a, b| a.0 == b.0);
    let mut samples = Samples::default();
    for (labels, set, at) in order {
        samples.clear();
        tables[set].samples.read(at, &mut samples).map_err(|error| error.to_string())?;
        match what.format {
            _ if samples.is_empty() => {}
            DumpFormat::SeriesJson => {
                let pairs: serde_json::Map<String, serde_json::Value> =
                    labels.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
                output.line(&serde_json::Value::Object(pairs).to_string())?;
            }
            format => print_samples(&labels, &samples, format == DumpFormat::OpenMetrics, output)?,
        }
    }
    match what.format {
        DumpFormat::OpenMetrics => output.line("# EOF"),
        _ => Ok(()),
    }
}

fn print_samples(
    labels: &Labels,
    samples: &Samples,
    openmetrics: bool,
    output: &mut Output<'_>,
) -> Result<(), String> {
    let name = match openmetrics {
        true => openmetrics_name(labels),
        false => labels.to_string(),
    };
    for at in 0..samples.len() {
        let time_ms = samples.timestamps_ms[at];
        if openmetrics && (samples.histogram(at).is_some() || model::is_stale_nan(samples.values[at])) {
            // The format has no word for them.
            continue;
        }
        let value = match samples.histogram(at) {
            Some(histogram) => histogram.to_string(),
            None => float::format(samples.values[at], float::Format::General, None),
        };
        match openmetrics {
            true => output.line(&format!("{name} {value} {}", openmetrics_time(time_ms)))?,
            false => output.line(&format!("{name} {value} {time_ms}"))?,
        }
    }
    Ok(())
}

fn openmetrics_name(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != model::METRIC_NAME);
    let quoted = |text: &str| text.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"");
    let name = |name: &str| match model::labels::is_plain_label_name(name) {
        true => name.to_string(),
        false => format!("\"{}\"", quoted(name)),
    };
    let metric = labels.metric_name();
    let mut inside: Vec<String> = Vec::new();
    let outside = match model::labels::is_plain_metric_name(metric) {
        true => metric,
        false => {
            inside.push(format!("\"{}\"", quoted(metric)));
            ""
        }
    };
    inside.extend(pairs.map(|(label, value)| format!("{}=\"{}\"", name(label), quoted(value))));
    match inside.is_empty() {
        true => outside.to_string(),
        false => format!("{outside}{{{}}}", inside.join(",")),
    }
}

pub(super) fn openmetrics_time(time_ms: i64) -> String {
    match time_ms % 1000 {
        0 => (time_ms / 1000).to_string(),
        _ => format!(
            "{}{}.{:03}",
            if time_ms < 0 { "-" } else { "" },
            time_ms.abs() / 1000,
            time_ms.abs() % 1000
        ),
    }
}
