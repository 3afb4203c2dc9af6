//! Which label of which job costs what: counted over the series of the head when somebody asks.

use std::collections::HashMap;

use model::storage::{ByteLimit, MetricReader, Select, StorageError, TimeRange, Want};
use model::{LabelTable, Matcher};
use query::sources::{CardinalityView, CountView, JobView, LabelView};
use tsdb::Db;

/// What the labels of the series may take in memory.
const SELECTION_MAX_BYTES: u64 = 512 << 20;

#[derive(Default)]
struct Label {
    series: u64,
    bytes: u64,
    /// Series by value.
    values: HashMap<String, u64>,
}

/// What the series of the head that match are made of; all of them if there are no matchers.
pub(crate) fn of(db: &Db, matchers: &[Matcher], limit: usize) -> Result<CardinalityView, StorageError> {
    let range = db.stats().head_range.unwrap_or(TimeRange { start_ms: 0, end_ms: 0 });
    let mut labels: HashMap<String, Label> = HashMap::new();
    let mut jobs: HashMap<String, u64> = HashMap::new();
    let mut table = LabelTable::new();
    let meter = ByteLimit::new(SELECTION_MAX_BYTES);
    let selected = db.select(&Select { range, matchers, want: Want::Labels, meter: &meter }, &mut table)?;
    for &set in &selected.sets {
        let mut job = "";
        for (name, value) in table.iter(set) {
            if name == "job" {
                job = value;
            }
            if !labels.contains_key(name) {
                labels.insert(name.to_string(), Label::default());
            }
            let Some(label) = labels.get_mut(name) else { continue };
            label.series += 1;
            label.bytes += value.len() as u64;
            match label.values.get_mut(value) {
                Some(count) => *count += 1,
                None => drop(label.values.insert(value.to_string(), 1)),
            }
        }
        match jobs.get_mut(job) {
            Some(count) => *count += 1,
            None => drop(jobs.insert(job.to_string(), 1)),
        }
    }
    let mut labels: Vec<LabelView> = labels
        .into_iter()
        .map(|(name, label)| LabelView {
            name,
            values: label.values.len() as u64,
            series: label.series,
            bytes: label.bytes,
            top: largest(label.values, limit),
        })
        .collect();
    labels.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));
    labels.truncate(limit);
    let jobs = largest(jobs, limit)
        .into_iter()
        .map(|job| JobView { job: job.name, series: job.value, ..JobView::default() })
        .collect();
    Ok(CardinalityView { series: selected.len() as u64, jobs, labels })
}

fn largest(counts: HashMap<String, u64>, limit: usize) -> Vec<CountView> {
    let mut list: Vec<CountView> =
        counts.into_iter().map(|(name, value)| CountView { name, value }).collect();
    list.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    list.truncate(limit);
    list
}
