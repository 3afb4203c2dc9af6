//! The file of the groups: JSON, replaced as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use model::MetricType;
use serde_json::{Value, json};

use super::groups::{Family, Groups, Sample};

/// A larger file is not read.
const SIZE_MAX_BYTES: u64 = 2 << 30;

/// What was written; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Groups, String> {
    let text = match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Groups::default()),
        Ok(metadata) if metadata.len() > SIZE_MAX_BYTES => {
            return Err(format!("{}: larger than 2 GiB", path.display()));
        }
        _ => fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let root: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut groups = Groups::default();
    for group in root.as_array().into_iter().flatten() {
        let mut families = BTreeMap::new();
        for (name, family) in group["families"].as_object().into_iter().flatten() {
            let samples = family["samples"].as_array().into_iter().flatten().map(|sample| Sample {
                name: sample[0].as_str().unwrap_or(name).to_string(),
                labels: texts(&sample[1]),
                value: f64::from_bits(sample[2].as_u64().unwrap_or(0)),
            });
            let family = Family {
                metric_type: type_of(family["type"].as_str().unwrap_or("")),
                help: family["help"].as_str().unwrap_or("").to_string(),
                pushed_ms: family["pushed_ms"].as_i64().unwrap_or(0),
                samples: samples.collect(),
            };
            families.insert(name.clone(), family);
        }
        groups.0.insert(texts(&group["labels"]), families);
    }
    Ok(groups)
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_string())).collect()
}

fn type_of(name: &str) -> MetricType {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary};
    let all = [Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet];
    all.into_iter().find(|known| known.as_str() == name).unwrap_or_default()
}

/// Writes the groups durably, in one step.
pub(super) fn write(path: &Path, groups: &Groups) -> Result<(), String> {
    let root: Value = groups
        .0
        .iter()
        .map(|(labels, families)| {
            let families: serde_json::Map<String, Value> = families
                .iter()
                .map(|(name, family)| {
                    let sample = |s: &Sample| json!([s.name, s.labels, s.value.to_bits()]);
                    let samples: Value = family.samples.iter().map(sample).collect();
                    let family = json!({
                        "type": family.metric_type.as_str(),
                        "help": family.help,
                        "pushed_ms": family.pushed_ms,
                        "samples": samples,
                    });
                    (name.clone(), family)
                })
                .collect();
            json!({"labels": labels, "families": families})
        })
        .collect();
    let temporary = path.with_extension("in-progress");
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(root.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|error| format!("{}: {error}", path.display()))
}
